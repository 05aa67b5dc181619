/* Small kernels and hosts with one defect each, and what the emulation says of it. */
#include "emulation.h"
#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
extern "C" {
#include <cmocka.h>
}

/* Barriers and races. */

__global__ static void reverse_without_barrier(float *x)
{
  __shared__ float tile[64];
  tile[threadIdx.x] = 0;
  __syncthreads();
  tile[threadIdx.x] = x[threadIdx.x];
  x[threadIdx.x] = tile[63 - threadIdx.x];
}

__global__ static void barrier_in_a_branch(float *x)
{
  if (threadIdx.x < 40)
    __syncthreads();
  x[threadIdx.x] = 1;
}

__global__ static void two_barriers(float *x)
{
  if (threadIdx.x < 40) {
    __syncthreads();
    x[threadIdx.x] = 1;
  } else {
    __syncthreads();
    x[threadIdx.x] = 2;
  }
}

__global__ static void barrier_too_few(float *x)
{
  __shared__ float total;
  for (int i = 0; i < 2; i++) {
    if (threadIdx.x == 0)
      total = static_cast<float>(i);
    __syncthreads();
    x[i * 64 + threadIdx.x] = total; /* while thread 0 may go on to the next round */
  }
}

__global__ static void all_blocks_write(float *x)
{
  if (threadIdx.x == 0)
    x[0] = static_cast<float>(blockIdx.x);
}

__global__ static void neighbour_block(float *x)
{
  x[blockIdx.x * blockDim.x + threadIdx.x] = x[(blockIdx.x + 1) % gridDim.x * blockDim.x + threadIdx.x];
}

__global__ static void lanes_without_barrier(float *x)
{
  __shared__ float values[32];
  values[threadIdx.x] = 0;
  __syncthreads();
  values[threadIdx.x] = x[threadIdx.x];
  x[threadIdx.x] = values[threadIdx.x ^ 1];
}

static void test_race_in_shared_memory(void **)
{
  assert_reports(
      [] { LAUNCH(reverse_without_barrier, 1, 64, device_copy(counting(64))); },
      "kernel reverse_without_barrier, block (0,0,0), thread (*,0,0): race: * 4 bytes at byte * of static "
      "shared memory, which thread (*,0,0) * with no barrier between");
  assert_reports([] { LAUNCH(lanes_without_barrier, 1, 32, device_copy(counting(32))); },
                 "kernel lanes_without_barrier, *: race: *");
  assert_reports([] { LAUNCH(barrier_too_few, 1, 64, device_new<float>(128)); },
                 "kernel barrier_too_few, *: race: *");
}

static void test_race_in_global_memory(void **)
{
  assert_reports(
      [] { LAUNCH(all_blocks_write, 2, 32, device_new<float>(1)); },
      "kernel all_blocks_write, block (1,0,0), thread (0,0,0): race: writes 4 bytes at byte 0 of allocation "
      "1 (4 bytes), which another block wrote in the same launch");
  assert_reports([] { LAUNCH(neighbour_block, 3, 32, device_copy(counting(96))); },
                 "kernel neighbour_block, block (1,0,0), thread (0,0,0): race: writes 4 bytes at byte 128 of "
                 "allocation 1 (384 bytes), which another block read in the same launch");
}

static void test_barrier_that_not_all_reach(void **)
{
  assert_reports([] { LAUNCH(barrier_in_a_branch, 1, 64, device_new<float>(64)); },
                 "kernel barrier_in_a_branch, block (0,0,0), thread (0,0,0): waits at __syncthreads "
                 "(test_emulation_defects.cpp:*), but thread (40,0,0) has left the kernel");
  assert_reports(
      [] { LAUNCH(two_barriers, 1, 64, device_new<float>(64)); },
      "kernel two_barriers, block (0,0,0), thread (40,0,0): divergent barrier: waits at __syncthreads "
      "(test_emulation_defects.cpp:*) while thread (0,0,0) waits at another (test_emulation_defects.cpp:*)");
}

/* Lanes. */

__global__ static void lane_outside_its_mask(float *x)
{
  x[threadIdx.x] = __shfl_xor_sync(0x0000ffffu, 1.0f, 1);
}

__global__ static void lane_from_outside_the_mask(float *x)
{
  if (threadIdx.x < 16)
    x[threadIdx.x] = __shfl_xor_sync(0x0000ffffu, 1.0f, 16);
}

__global__ static void full_mask_in_a_branch(float *x)
{
  if (threadIdx.x < 20)
    x[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1.0f, 1);
}

__global__ static void lanes_that_are_not_there(float *x)
{
  x[threadIdx.x] = __shfl_sync(0xffffffffu, 1.0f, 0);
}

__global__ static void lanes_apart(float *x)
{
  if (threadIdx.x < 16)
    x[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1.0f, 1);
  else
    x[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 2.0f, 1);
}

__global__ static void half_a_product_of_tiles(float *x)
{
  const unsigned left[4] = {0, 0, 0, 0};
  float sums[4] = {0, 0, 0, 0};
  if (threadIdx.x < 16)
    cw_host_multiply_tile(sums, left, 0, 0, __FILE_NAME__, __LINE__);
  x[threadIdx.x] = sums[0];
}

static void test_lane_masks(void **)
{
  assert_reports(
      [] { LAUNCH(lane_outside_its_mask, 1, 32, device_new<float>(32)); },
      "kernel lane_outside_its_mask, block (0,0,0), thread (16,0,0): lane mask: takes part in a shuffle "
      "(test_emulation_defects.cpp:*) with mask 0000ffff, which does not name its lane 16");
  assert_reports([] { LAUNCH(lane_from_outside_the_mask, 1, 32, device_new<float>(32)); },
                 "kernel lane_from_outside_the_mask, block (0,0,0), thread (0,0,0): lane mask: a shuffle "
                 "(test_emulation_defects.cpp:*) reads lane 16, which mask 0000ffff does not name");
  assert_reports([] { LAUNCH(full_mask_in_a_branch, 1, 32, device_new<float>(32)); },
                 "kernel full_mask_in_a_branch, block (0,0,0), thread (0,0,0): waits for lanes of its warp "
                 "(test_emulation_defects.cpp:*), but thread (20,0,0) has left the kernel");
  assert_reports(
      [] { LAUNCH(lanes_that_are_not_there, 1, 24, device_new<float>(32)); },
      "kernel lanes_that_are_not_there, block (0,0,0), thread (0,0,0): waits for lanes of its warp "
      "(test_emulation_defects.cpp:*), but its mask names lane 24, which the block does not have");
  assert_reports([] { LAUNCH(half_a_product_of_tiles, 1, 32, device_new<float>(32)); },
                 "kernel half_a_product_of_tiles, block (0,0,0), thread (0,0,0): waits for lanes of its warp "
                 "(test_emulation_defects.cpp:*), but thread (16,0,0) has left the kernel");
  assert_reports(
      [] { LAUNCH(lanes_apart, 1, 32, device_new<float>(32)); },
      "kernel lanes_apart, block (0,0,0), thread (16,0,0): lane mask: a shuffle "
      "(test_emulation_defects.cpp:*) with mask ffffffff waits for thread (0,0,0), which is in a shuffle "
      "(test_emulation_defects.cpp:*) with mask ffffffff");
}

/* Memory. */

__global__ static void copy(float *to, const float *from, int n)
{
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n)
    to[i] = from[i];
}

__global__ static void sum_of_shared(float *x)
{
  __shared__ float values[32];
  if (threadIdx.x > 0)
    values[threadIdx.x] = 1;
  __syncthreads();
  float sum = 0;
  for (int i = 0; i < 32; i++)
    sum += values[i];
  x[threadIdx.x] = sum;
}

__global__ static void beyond_an_array(float *x, int column)
{
  __shared__ float tile[4][8];
  tile[threadIdx.x % 4][column + threadIdx.x / 4] = 1;
  x[threadIdx.x] = tile[threadIdx.x % 4][column + threadIdx.x / 4];
}

__global__ static void beyond_dynamic_shared(float *x)
{
  float *values = static_cast<float *>(cw_host_dynamic_shared());
  values[threadIdx.x] = x[threadIdx.x];
}

__global__ static void read4(float *to, const float *from)
{
  cw_host_check_alignment(from + threadIdx.x, 16);
  to[threadIdx.x] = reinterpret_cast<const float4 *>(from + threadIdx.x)->w;
}

__global__ static void read_long(float *to, const float *from)
{
  to[0] = static_cast<float>(*reinterpret_cast<const unsigned long long *>(from + 1));
}

/* The defects lie in the memory; which of the two is made first is left open here. */
static void launch_copy(const float *from, float *to)
{
  LAUNCH(copy, 1, 64, to, from, 64);
}

static void test_out_of_bounds(void **)
{
  assert_reports(
      [] { launch_copy(device_copy(counting(63)), device_new<float>(64)); },
      "kernel copy, block (0,0,0), thread (63,0,0): reads 4 bytes out of bounds, at byte 252 of allocation "
      "? (252 bytes)");
  assert_reports(
      [] { launch_copy(device_copy(counting(64)), device_new<float>(63)); },
      "kernel copy, block (0,0,0), thread (63,0,0): writes 4 bytes out of bounds, at byte 252 of allocation "
      "? (252 bytes)");
  assert_reports([] { launch_copy(device_copy(counting(64)) - 1, device_new<float>(64)); },
                 "kernel copy, block (0,0,0), thread (0,0,0): reads 4 bytes out of bounds, at *");
  assert_reports([] { LAUNCH(beyond_an_array, 1, 16, device_new<float>(16), 5); },
                 "kernel beyond_an_array, block (0,0,0), thread (12,0,0): array index 8 is out of bounds "
                 "(test_emulation_defects.cpp:*)");
  assert_reports(
      [] { LAUNCH_IN(beyond_dynamic_shared, 1, 64, 63 * 4, nullptr, device_copy(counting(64))); },
      "kernel beyond_dynamic_shared, block (0,0,0), thread (63,0,0): writes 4 bytes of memory that is "
      "neither the device's nor shared");
}

static void test_out_of_bounds_inside_an_arena(void **)
{
  assert_reports(
      [] {
        float *arena = device_new<float>(4096);
        cw_host_mark(arena, 63 * 4, 256, "gradient");
        cw_host_mark(arena + 1024, 64 * 4, 256, "weights");
        cudaMemset(arena + 1024, 0, 64 * 4);
        LAUNCH(copy, 1, 64, arena, arena + 1024, 64);
      },
      "kernel copy, block (0,0,0), thread (63,0,0): writes 4 bytes out of bounds, at byte 252 of 'gradient' "
      "(252 "
      "bytes)");
}

static void test_reading_what_has_no_value(void **)
{
  assert_reports(
      [] { launch_copy(device_new<float>(64), device_new<float>(64)); },
      "kernel copy, block (0,0,0), thread (0,0,0): reads 4 bytes without a value, at byte 0 of allocation ? "
      "(256 bytes)");
  assert_reports(
      [] { LAUNCH(sum_of_shared, 2, 32, device_new<float>(64)); },
      "kernel sum_of_shared, block (0,0,0), thread (*,0,0): reads 4 bytes without a value, at byte * of "
      "static shared memory");
  assert_reports(
      [] { host_copy(device_new<float>(4), 4); },
      "copy to the host: source: reads bytes without a value, at byte 0 of allocation 1 (16 bytes)");
}

static void test_use_after_free(void **)
{
  assert_reports(
      [] {
        float *from = device_copy(counting(64)), *to = device_new<float>(64);
        cudaFree(from);
        LAUNCH(copy, 1, 64, to, from, 64);
      },
      "kernel copy, block (0,0,0), thread (0,0,0): reads 4 bytes out of bounds, at byte 0 of allocation 1 "
      "(256 bytes, "
      "freed)");
  assert_reports(
      [] {
        float *memory = device_new<float>(64);
        cudaFree(memory);
        cudaFree(memory);
      },
      "cudaFree of what is no allocation, or no longer one");
}

static void test_misaligned_loads(void **)
{
  assert_reports(
      [] { LAUNCH(read4, 1, 2, device_new<float>(2), device_copy(counting(8))); },
      "kernel read4, block (0,0,0), thread (1,0,0): misaligned: touches 16 bytes at an address that is no "
      "multiple of them, at byte 4 of allocation ? (32 bytes)");
  assert_reports(
      [] { LAUNCH(read_long, 1, 1, device_new<float>(1), device_copy(counting(8))); },
      "kernel read_long, block (0,0,0), thread (0,0,0): misaligned: reads 8 bytes at an address that is no "
      "multiple of them, at byte 4 of allocation ? (32 bytes)");
}

/* Host and device. */

static float *pinned(size_t n)
{
  float *memory;
  cudaMallocHost(&memory, n * sizeof(float));
  std::fill_n(memory, n, 1.0f);
  return memory;
}

static cudaStream_t new_stream()
{
  cudaStream_t stream;
  cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  return stream;
}

static void test_host_follows_a_device_pointer(void **)
{
  assert_reports([] { *static_cast<volatile float *>(device_copy(counting(8)) + 2) = 1; },
                 "the host writes device memory, at byte 8 of allocation 1 (32 bytes)");
  assert_reports(
      [] {
        volatile float x = *static_cast<volatile float *>(device_copy(counting(8)) + 2);
        (void)x;
      },
      "the host reads device memory, at byte 8 of allocation 1 (32 bytes)");
}

static void test_kernel_follows_a_host_pointer(void **)
{
  assert_reports(
      [] { LAUNCH(copy, 1, 4, device_new<float>(4), counting(4).data(), 4); },
      "kernel copy, block (0,0,0), thread (0,0,0): reads 4 bytes of memory that is neither the device's nor "
      "shared");
}

static void test_host_does_not_wait_for_a_copy(void **)
{
  assert_reports(
      [] {
        float *result = pinned(4);
        cudaStream_t stream = new_stream();
        cudaMemcpyAsync(result, device_copy(counting(4)), 16, cudaMemcpyDeviceToHost, stream);
        volatile float x = result[3];
        (void)x;
      },
      "the host reads byte 12 of pinned memory that a copy writes, before waiting for the copy");
  assert_reports(
      [] {
        float *source = pinned(4);
        cudaMemcpyAsync(device_new<float>(4), source, 16, cudaMemcpyHostToDevice, new_stream());
        source[1] = 2;
      },
      "the host writes byte 4 of pinned memory that a copy reads, before waiting for the copy");
}

static void test_stream_does_not_wait_for_another(void **)
{
  assert_reports(
      [] {
        cudaStream_t first = new_stream(), second = new_stream();
        float *from = device_copy(counting(64)), *between = device_new<float>(64),
              *to = device_new<float>(64);
        LAUNCH_IN(copy, 1, 64, 0, first, between, from, 64);
        LAUNCH_IN(copy, 1, 64, 0, second, to, between, 64);
      },
      "kernel copy, block (0,0,0), thread (0,0,0): stream order: reads byte 0 of allocation 2 (256 bytes) in "
      "stream 2, "
      "which kernel copy wrote in stream 1 with no wait between");
  assert_reports(
      [] {
        cudaStream_t first = new_stream(), second = new_stream();
        float *from = device_copy(counting(64)), *to = device_new<float>(64);
        LAUNCH_IN(copy, 1, 64, 0, first, to, from, 64);
        cudaMemsetAsync(from, 0, 256, second);
      },
      "fill: stream order: writes byte 0 of allocation 1 (256 bytes) in stream 2, which kernel copy read in "
      "stream 1 "
      "with no wait between");
}

static void test_copies_beyond_memory(void **)
{
  assert_reports([] { cudaMemset(device_new<float>(4), 0, 20); },
                 "fill: destination: writes out of bounds, at byte 16 of allocation 1 (16 bytes)");
  assert_reports(
      [] { cudaMemcpyAsync(device_new<float>(8), pinned(4), 32, cudaMemcpyHostToDevice, nullptr); },
      "a copy goes 16 bytes beyond a pinned allocation of 16 bytes");
  assert_reports([] { cudaMemcpy(device_new<float>(8), device_new<float>(8), 32, cudaMemcpyHostToDevice); },
                 "copy from device to device memory with kind 1");
}

/* Products. */

static void multiply(const float *a, int lda, const float *b, float *c)
{
  cublasHandle_t handle;
  float one = 1, zero = 0;
  cublasCreate(&handle);
  cublasGemmEx(handle, CUBLAS_OP_N, CUBLAS_OP_N, 4, 2, 3, &one, a, CUDA_R_32F, lda, b, CUDA_R_32F, 3, &zero,
               c, CUDA_R_32F, 4, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
}

static void test_operands_of_products(void **)
{
  assert_reports(
      [] { multiply(device_copy(counting(12)), 5, device_copy(counting(6)), device_new<float>(8)); },
      "product 4x2x3: matrix A: reads out of bounds, at byte 48 of allocation ? (48 bytes)");
  assert_reports(
      [] { multiply(device_copy(counting(12)), 4, device_new<float>(6), device_new<float>(8)); },
      "product 4x2x3: matrix B: reads bytes without a value, at byte 0 of allocation ? (24 bytes)");
  assert_reports(
      [] { multiply(device_copy(counting(12)), 4, device_copy(counting(6)), device_new<float>(7)); },
      "product 4x2x3: matrix C: writes out of bounds, at byte 28 of allocation ? (28 bytes)");
}

int main()
{
  const CMUnitTest tests[] = {
      cmocka_unit_test(test_race_in_shared_memory),
      cmocka_unit_test(test_race_in_global_memory),
      cmocka_unit_test(test_barrier_that_not_all_reach),
      cmocka_unit_test(test_lane_masks),
      cmocka_unit_test(test_out_of_bounds),
      cmocka_unit_test(test_out_of_bounds_inside_an_arena),
      cmocka_unit_test(test_reading_what_has_no_value),
      cmocka_unit_test(test_use_after_free),
      cmocka_unit_test(test_misaligned_loads),
      cmocka_unit_test(test_host_follows_a_device_pointer),
      cmocka_unit_test(test_kernel_follows_a_host_pointer),
      cmocka_unit_test(test_host_does_not_wait_for_a_copy),
      cmocka_unit_test(test_stream_does_not_wait_for_another),
      cmocka_unit_test(test_copies_beyond_memory),
      cmocka_unit_test(test_operands_of_products),
  };
  return cmocka_run_group_tests_name("emulation_defects", tests, nullptr, nullptr);
}
