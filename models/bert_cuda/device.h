/* The one header through which the backend sees CUDA. Kernel sources (.cu, C++17) and the C files that call
 * the runtime include it; nothing else includes a CUDA header.
 *
 * The tests compile the same sources with g++ for the host, with BERT_HOST_EMULATION defined and headers of
 * their own in place of <cuda_runtime.h>, <cublas_v2.h> and <cuda_bf16.h>. What is used of CUDA is therefore
 * kept small, and is all of this:
 * - language: __global__ __device__ __forceinline__ __launch_bounds__ __shared__ (static arrays; dynamic ones
 * through BERT_DYNAMIC_SHARED), threadIdx blockIdx blockDim gridDim, launches through BERT_LAUNCH;
 * - device functions: __syncthreads __syncwarp __shfl_sync __shfl_xor_sync __shfl_down_sync __ldg __umulhi
 *   __expf expf erff tanhf sqrtf rsqrtf fabsf fmaxf fminf isfinite, __float2bfloat16 __bfloat162float; no
 * atomics: every sum has a fixed order;
 * - vectors: float4, uint2, uint4, only in the load and store functions below (16-byte accesses want 16-byte
 *   alignment) and in host-made tables;
 * - runtime: cudaMalloc cudaFree cudaMallocHost cudaFreeHost cudaMemcpyAsync cudaMemsetAsync
 *   cudaStreamCreateWithFlags cudaStreamDestroy cudaStreamSynchronize cudaEventCreate cudaEventRecord
 *   cudaEventSynchronize cudaEventElapsedTime cudaEventDestroy cudaGetDeviceCount cudaSetDevice cudaGetDevice
 *   cudaGetDeviceProperties cudaDeviceGetAttribute cudaMemGetInfo cudaGetLastError cudaGetErrorString
 *   cudaDriverGetVersion cudaRuntimeGetVersion;
 * - one instruction of the tensor cores, in bert_multiply_tile (under emulation, cw_host_multiply_tile);
 * - cuBLAS: cublasCreate cublasDestroy cublasSetStream cublasSetWorkspace cublasGemmEx cublasGetStatusString.
 *
 * C files include this header too and then get the parts with C linkage: under emulation those headers must
 * be readable by a C compiler outside their #ifdef __cplusplus parts (cuda_bf16.h is included by C++ only).
 */
#ifndef BERT_CUDA_DEVICE_H
#define BERT_CUDA_DEVICE_H

#include <cublas_v2.h>
#include <cuda_runtime.h>

#ifdef __cplusplus
#include <cstddef>
#include <cstdint>
#include <cuda_bf16.h>

/* kernel<<<grid, block, shared_bytes, stream>>>(arguments). A kernel whose name has commas goes in
 * parentheses. Under emulation: template <class... P, class... A> void cw_host_launch(const char *name, void
 * (*kernel)(P...), dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream, A... arguments). Errors
 * are found by cudaGetLastError. */
#ifdef BERT_HOST_EMULATION
#define BERT_LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                                          \
  cw_host_launch(#kernel, (kernel), (grid), (block), (shared_bytes), (stream), __VA_ARGS__)
#define BERT_DYNAMIC_SHARED(type, name) type *name = static_cast<type *>(cw_host_dynamic_shared())
#else
#define BERT_LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                                          \
  do {                                                                                                       \
    auto bert_launched = (kernel);                                                                           \
    bert_launched<<<(grid), (block), (shared_bytes), (stream)>>>(__VA_ARGS__);                               \
  } while (0)
/* Dynamic shared memory of the block, 16-byte aligned. */
#define BERT_DYNAMIC_SHARED(type, name)                                                                      \
  extern __shared__ float4 bert_dynamic_shared[];                                                            \
  type *name = reinterpret_cast<type *>(bert_dynamic_shared)
#endif

#define BERT_WARP      32
#define BERT_ALL_LANES 0xffffffffu

typedef __nv_bfloat16 BertBf16; /* what activations are in with `precision: bf16` */

/* 16-byte loads and stores; the pointer is a multiple of 16. Under emulation,
 * cw_host_check_alignment(pointer, bytes) reports a pointer that is not. */
#ifdef BERT_HOST_EMULATION
#define BERT_CHECK_ALIGNMENT(pointer, bytes) cw_host_check_alignment((pointer), (bytes))
#else
#define BERT_CHECK_ALIGNMENT(pointer, bytes) ((void)0)
#endif

static __device__ __forceinline__ float4 bert_load4(const float *from)
{
  BERT_CHECK_ALIGNMENT(from, 16);
  return *reinterpret_cast<const float4 *>(from);
}

static __device__ __forceinline__ void bert_store4(float *to, float4 value)
{
  BERT_CHECK_ALIGNMENT(to, 16);
  *reinterpret_cast<float4 *>(to) = value;
}

/* Eight consecutive elements as floats: two 16-byte accesses for float, one for bf16. */
struct Bert8 {
  float x[8];
};

static __device__ __forceinline__ float bert_to_float(float x)
{
  return x;
}

static __device__ __forceinline__ float bert_to_float(BertBf16 x)
{
  return __bfloat162float(x);
}

static __device__ __forceinline__ void bert_from_float(float x, float *to)
{
  *to = x;
}

static __device__ __forceinline__ void bert_from_float(float x, BertBf16 *to)
{
  *to = __float2bfloat16(x);
}

/* bf16 is the upper half of a float. */
static __device__ __forceinline__ float bert_bits_to_float(uint32_t bits)
{
  union {
    uint32_t bits;
    float value;
  } both;
  both.bits = bits;
  return both.value;
}

/* Rounded to the nearest, ties to even. */
static __device__ __forceinline__ uint32_t bert_pack_bf16(float low, float high)
{
  union {
    BertBf16 bf16[2];
    uint32_t bits;
  } both = {{__float2bfloat16(low), __float2bfloat16(high)}};
  return both.bits;
}

static __device__ __forceinline__ Bert8 bert_load8(const float *from)
{
  float4 low = bert_load4(from), high = bert_load4(from + 4);
  return Bert8{{low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w}};
}

static __device__ __forceinline__ Bert8 bert_load8(const BertBf16 *from)
{
  BERT_CHECK_ALIGNMENT(from, 16);
  uint4 bits = *reinterpret_cast<const uint4 *>(from);
  return Bert8{{bert_bits_to_float(bits.x << 16), bert_bits_to_float(bits.x & 0xffff0000u),
                bert_bits_to_float(bits.y << 16), bert_bits_to_float(bits.y & 0xffff0000u),
                bert_bits_to_float(bits.z << 16), bert_bits_to_float(bits.z & 0xffff0000u),
                bert_bits_to_float(bits.w << 16), bert_bits_to_float(bits.w & 0xffff0000u)}};
}

static __device__ __forceinline__ void bert_store8(float *to, const Bert8 &value)
{
  bert_store4(to, float4{value.x[0], value.x[1], value.x[2], value.x[3]});
  bert_store4(to + 4, float4{value.x[4], value.x[5], value.x[6], value.x[7]});
}

static __device__ __forceinline__ void bert_store8(BertBf16 *to, const Bert8 &value)
{
  BERT_CHECK_ALIGNMENT(to, 16);
  *reinterpret_cast<uint4 *>(to) =
      uint4{bert_pack_bf16(value.x[0], value.x[1]), bert_pack_bf16(value.x[2], value.x[3]),
            bert_pack_bf16(value.x[4], value.x[5]), bert_pack_bf16(value.x[6], value.x[7])};
}

/* Four elements: 16 bytes of float, 8 of bf16. */
static __device__ __forceinline__ void bert_store4(BertBf16 *to, float4 value)
{
  BERT_CHECK_ALIGNMENT(to, 8);
  *reinterpret_cast<uint2 *>(to) = uint2{bert_pack_bf16(value.x, value.y), bert_pack_bf16(value.z, value.w)};
}

/* Two bf16 in a word: the lower half is the first. */
static __device__ __forceinline__ uint32_t bert_load_pair(const BertBf16 *from)
{
  BERT_CHECK_ALIGNMENT(from, 4);
  return *reinterpret_cast<const uint32_t *>(from);
}

static __device__ __forceinline__ void bert_store_pair(BertBf16 *to, uint32_t pair)
{
  BERT_CHECK_ALIGNMENT(to, 4);
  *reinterpret_cast<uint32_t *>(to) = pair;
}

/* c (16 x 8, float) += a (16 x 16) b (16 x 8), both bf16, by a whole warp on the tensor cores: mma.m16n8k16
 * of the PTX manual. With g = lane / 4 and t = lane % 4, a lane holds of a: rows g, g + 8 at columns 2t, 2t +
 * 1, then the same rows at columns 2t + 8, 2t + 9; of b: rows 2t, 2t + 1, then 2t + 8, 2t + 9, at column g;
 * of c: row g, then g + 8, at columns 2t, 2t + 1. Devices before 8.0 have no such instruction and are not
 * given such work. */
static __device__ __forceinline__ void bert_multiply_tile(float c[4], const uint32_t a[4], uint32_t b0,
                                                          uint32_t b1)
{
#if defined(BERT_HOST_EMULATION)
  cw_host_multiply_tile(c, a, b0, b1, __FILE_NAME__, __LINE__);
#elif __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#else
  (void)c, (void)a, (void)b0, (void)b1;
#endif
}

/* Sum and maximum over the lanes of a full warp; every lane gets the result, with the same bits. */
static __device__ __forceinline__ float bert_warp_sum(float x)
{
  for (int distance = BERT_WARP / 2; distance > 0; distance /= 2)
    x += __shfl_xor_sync(BERT_ALL_LANES, x, distance);
  return x;
}

static __device__ __forceinline__ float bert_warp_maximum(float x)
{
  for (int distance = BERT_WARP / 2; distance > 0; distance /= 2)
    x = fmaxf(x, __shfl_xor_sync(BERT_ALL_LANES, x, distance));
  return x;
}

/* Sum over a block of whole warps, at most 1024 threads; `scratch` is 32 floats of shared memory. Every
 * thread gets the result. Contains barriers: all threads of the block call it. */
static __device__ __forceinline__ float bert_block_sum(float x, float *scratch)
{
  x = bert_warp_sum(x);
  unsigned warp = threadIdx.x / BERT_WARP, lane = threadIdx.x % BERT_WARP, n_warps = blockDim.x / BERT_WARP;
  __syncthreads(); /* scratch may still be read for a sum before this one */
  if (lane == 0)
    scratch[warp] = x;
  __syncthreads();
  return bert_warp_sum(lane < n_warps ? scratch[lane] : 0.0f);
}

#endif
#endif
