/* The language of kernels on the host: qualifiers, indices, barriers, lanes, launches, arithmetic. Included
 * by cuda_runtime.h. */
#ifndef CW_HOST_DEVICE_LANGUAGE_H
#define CW_HOST_DEVICE_LANGUAGE_H

#include <cmath>
#include <cstring>
#include <tuple>
#include <type_traits>
#include <utility>

#define __global__
#define __device__
#define __host__
#define __constant__    static
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __restrict__ __restrict
/* Blocks run one after the other on one thread of the host. Thread-local storage is where such variables of
 * all kernels lie together and apart from everything else. */
#define __shared__ thread_local

extern "C" {
/* Constant while a kernel runs in a thread. */
uint3 cw_host_thread_index() __attribute__((const));
uint3 cw_host_block_index() __attribute__((const));
dim3 cw_host_block_size() __attribute__((const));
dim3 cw_host_grid_size() __attribute__((const));
void *cw_host_dynamic_shared();
int cw_host_barrier(const char *file, int line, int value);

typedef enum { CW_HOST_SYNC, CW_HOST_SHUFFLE, CW_HOST_VOTE, CW_HOST_MULTIPLY } CwHostWarpOperation;
uint64_t cw_host_lanes(CwHostWarpOperation operation, uint32_t mask, uint64_t given, unsigned source,
                       const char *file, int line);
/* c += a b by a full warp: mma.m16n8k16 of the tensor cores, bf16 factors and float sums. A lane gives and
 * gets what that instruction takes from and leaves in its registers. */
void cw_host_multiply_tile(float *c, const uint32_t *a, uint32_t b0, uint32_t b1, const char *file, int line);
/* Reports a pointer that is not a multiple of `bytes`, or an access beyond what it points into. */
void cw_host_check_alignment(const void *pointer, size_t bytes);
}

#define threadIdx (cw_host_thread_index())
#define blockIdx  (cw_host_block_index())
#define blockDim  (cw_host_block_size())
#define gridDim   (cw_host_grid_size())

#define __syncthreads()        ((void)cw_host_barrier(__FILE_NAME__, __LINE__, 0))
#define __syncthreads_count(x) cw_host_barrier(__FILE_NAME__, __LINE__, (x) ? 1 : 0)
#define __syncthreads_or(x)    (cw_host_barrier(__FILE_NAME__, __LINE__, (x) ? 1 : 0) != 0)
#define __syncwarp(...)        cw_host_sync_warp(__FILE_NAME__, __LINE__, ##__VA_ARGS__)
#define __shfl_sync(...)       cw_host_shuffle(__FILE_NAME__, __LINE__, __VA_ARGS__)
#define __shfl_xor_sync(...)   cw_host_shuffle_xor(__FILE_NAME__, __LINE__, __VA_ARGS__)
#define __shfl_down_sync(...)  cw_host_shuffle_down(__FILE_NAME__, __LINE__, __VA_ARGS__)
#define __ballot_sync(mask, x)                                                                               \
  ((unsigned)cw_host_lanes(CW_HOST_VOTE, (mask), (x) ? 1 : 0, 0, __FILE_NAME__, __LINE__))
#define __any_sync(mask, x) (__ballot_sync(mask, x) != 0)
#define __all_sync(mask, x) (__ballot_sync(mask, x) == (mask))

static inline void cw_host_sync_warp(const char *file, int line, unsigned mask = 0xffffffffu)
{
  cw_host_lanes(CW_HOST_SYNC, mask, 0, 0, file, line);
}

static inline unsigned cw_host_lane()
{
  uint3 thread = threadIdx;
  dim3 block = blockDim;
  return ((thread.z * block.y + thread.y) * block.x + thread.x) % 32;
}

template <class T> T cw_host_exchange(const char *file, int line, unsigned mask, T value, unsigned source)
{
  static_assert(sizeof(T) <= sizeof(uint64_t) && std::is_trivially_copyable<T>::value, "what lanes exchange");
  uint64_t given = 0;
  std::memcpy(&given, &value, sizeof value);
  given = cw_host_lanes(CW_HOST_SHUFFLE, mask, given, source, file, line);
  std::memcpy(&value, &given, sizeof value);
  return value;
}

template <class T>
T cw_host_shuffle(const char *file, int line, unsigned mask, T value, int source, int width = 32)
{
  unsigned lane = cw_host_lane();
  return cw_host_exchange(file, line, mask, value, (lane & ~(width - 1)) + (source & (width - 1)));
}

template <class T>
T cw_host_shuffle_xor(const char *file, int line, unsigned mask, T value, int lane_mask, int width = 32)
{
  unsigned lane = cw_host_lane(), source = lane ^ lane_mask;
  return cw_host_exchange(file, line, mask, value, source / width > lane / width ? lane : source);
}

template <class T>
T cw_host_shuffle_down(const char *file, int line, unsigned mask, T value, unsigned distance, int width = 32)
{
  unsigned lane = cw_host_lane(), source = lane + distance;
  return cw_host_exchange(file, line, mask, value, source / width > lane / width ? lane : source);
}

namespace cw_host
{
/* Enqueues a kernel: `body` calls it for one thread, with the arguments as they stand in `closure`, which is
 * copied. */
void launch(const char *name, const void *kernel, dim3 grid, dim3 block, size_t shared_bytes,
            cudaStream_t stream, void *(*anchor)(), void (*body)(const void *), const void *closure,
            size_t closure_bytes);

/* An address in the storage that `__shared__` variables of this object lie in. */
static inline void *storage_anchor()
{
  static thread_local char anchor;
  return &anchor;
}

template <class... P> struct Closure {
  void (*kernel)(P...);
  std::tuple<std::decay_t<P>...> arguments;
};
} // namespace cw_host

/* What BERT_LAUNCH becomes: arguments are converted and kept as at a launch. */
template <class... P, class... A>
void cw_host_launch(const char *name, void (*kernel)(P...), dim3 grid, dim3 block, size_t shared_bytes,
                    cudaStream_t stream, A... arguments)
{
  static_assert((std::is_trivially_copyable_v<std::decay_t<P>> && ...),
                "arguments of kernels are copied as bytes");
  using Closure = cw_host::Closure<P...>;
  const Closure closure = {kernel, {static_cast<std::decay_t<P>>(arguments)...}};
  cw_host::launch(
      name, reinterpret_cast<const void *>(kernel), grid, block, shared_bytes, stream,
      cw_host::storage_anchor,
      [](const void *kept) {
        const Closure *self = static_cast<const Closure *>(kept);
        std::apply(self->kernel, self->arguments);
      },
      &closure, sizeof closure);
}

/* float4 and its like, aligned as on the device. */
#define CW_HOST_VECTOR(type, element, alignment, ...)                                                        \
  struct alignas(alignment) type {                                                                           \
    element __VA_ARGS__;                                                                                     \
  };
CW_HOST_VECTOR(float2, float, 8, x, y)
CW_HOST_VECTOR(float4, float, 16, x, y, z, w)
CW_HOST_VECTOR(uint2, unsigned, 8, x, y)
CW_HOST_VECTOR(uint4, unsigned, 16, x, y, z, w)
CW_HOST_VECTOR(int2, int, 8, x, y)
CW_HOST_VECTOR(int4, int, 16, x, y, z, w)
#undef CW_HOST_VECTOR

static inline float4 make_float4(float x, float y, float z, float w)
{
  return float4{x, y, z, w};
}

template <class T> T __ldg(const T *from)
{
  return *from;
}

static inline unsigned __umulhi(unsigned a, unsigned b)
{
  return static_cast<unsigned>(uint64_t{a} * b >> 32);
}

/* The C library has functions of these names of its own. */
#define __expf(x) expf(x)
#define __logf(x) logf(x)

static inline float __fdividef(float x, float y)
{
  return x / y;
}

static inline float rsqrtf(float x)
{
  return 1.0f / sqrtf(x);
}

static inline unsigned __float_as_uint(float x)
{
  unsigned bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

static inline float __uint_as_float(unsigned bits)
{
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

static inline int __popc(unsigned x)
{
  return __builtin_popcount(x);
}

using std::isfinite;
using std::isnan;

#endif
