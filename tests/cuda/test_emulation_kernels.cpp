/* Sound kernels give right results under the emulation, and no report. */
#include "emulation.h"
#include <cmath>
#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
extern "C" {
#include <cmocka.h>
}

__global__ static void block_sums(const float *x, float *sums, int n)
{
  __shared__ float partial[8];
  float sum = 0;
  for (int i = threadIdx.x; i < n; i += blockDim.x)
    sum += x[blockIdx.x * n + i];
  for (int distance = 16; distance > 0; distance /= 2)
    sum += __shfl_xor_sync(0xffffffffu, sum, distance);
  if (threadIdx.x % 32 == 0)
    partial[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x >= 32)
    return;
  sum = threadIdx.x < blockDim.x / 32 ? partial[threadIdx.x] : 0;
  for (int distance = 16; distance > 0; distance /= 2)
    sum += __shfl_down_sync(0xffffffffu, sum, distance);
  if (threadIdx.x == 0)
    sums[blockIdx.x] = sum;
}

static void test_sums_of_blocks(void **)
{
  const int n = 1000, n_blocks = 5;
  float *sums = device_new<float>(n_blocks);
  std::vector<float> x = counting(size_t{n} * n_blocks);
  LAUNCH(block_sums, n_blocks, 256, device_copy(x), sums, n);
  std::vector<float> found = host_copy(sums, n_blocks);
  for (int i = 0; i < n_blocks; i++)
    assert_true(std::fabs(found[i] - (n * (n * i + (n - 1) / 2.0))) < 1);
}

/* Hillis and Steele's scan: two barriers a round. */
__global__ static void scan(float *x)
{
  float *values = static_cast<float *>(cw_host_dynamic_shared());
  unsigned i = threadIdx.x;
  values[i] = x[i];
  for (unsigned distance = 1; distance < blockDim.x; distance *= 2) {
    __syncthreads();
    float before = i >= distance ? values[i - distance] : 0;
    __syncthreads();
    values[i] += before;
  }
  x[i] = values[i];
}

static void test_scan(void **)
{
  float *x = device_copy(counting(200));
  LAUNCH_IN(scan, 1, 200, 200 * sizeof(float), nullptr, x);
  std::vector<float> found = host_copy(x, 200);
  for (int i = 0; i < 200; i++)
    assert_true(found[i] == i * (i + 1) / 2);
}

__global__ static void transpose(const float *from, float *to, int rows, int columns)
{
  __shared__ float tile[16][17];
  int row = blockIdx.y * 16 + threadIdx.y, column = blockIdx.x * 16 + threadIdx.x;
  if (row < rows && column < columns)
    tile[threadIdx.y][threadIdx.x] = from[row * columns + column];
  __syncthreads();
  row = blockIdx.x * 16 + threadIdx.y;
  column = blockIdx.y * 16 + threadIdx.x;
  if (row < columns && column < rows)
    to[row * rows + column] = tile[threadIdx.x][threadIdx.y];
}

static void test_transpose(void **)
{
  const int rows = 37, columns = 50;
  float *from = device_copy(counting(rows * columns)), *to = device_new<float>(rows * columns);
  LAUNCH(transpose, dim3((columns + 15) / 16, (rows + 15) / 16), dim3(16, 16), from, to, rows, columns);
  std::vector<float> found = host_copy(to, rows * columns);
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < columns; j++)
      assert_true(found[j * rows + i] == i * columns + j);
}

__global__ static void multiply_tiles(const float *a, const float *b, float *c, int n)
{
  __shared__ float a_tile[8][8], b_tile[8][8];
  int row = blockIdx.y * 8 + threadIdx.y, column = blockIdx.x * 8 + threadIdx.x;
  float sum = 0;
  for (int first = 0; first < n; first += 8) {
    a_tile[threadIdx.y][threadIdx.x] = a[row * n + first + threadIdx.x];
    b_tile[threadIdx.y][threadIdx.x] = b[(first + threadIdx.y) * n + column];
    __syncthreads();
    for (int k = 0; k < 8; k++)
      sum += a_tile[threadIdx.y][k] * b_tile[k][threadIdx.x];
    __syncthreads();
  }
  c[row * n + column] = sum;
}

/* The same product by cuBLAS: column-major, so its factors change places. */
static void test_products_by_tiles_and_by_cublas(void **)
{
  const int n = 24;
  std::vector<float> a(n * n), b(n * n);
  for (int i = 0; i < n * n; i++) {
    a[i] = static_cast<float>(i % 7 - 3);
    b[i] = static_cast<float>(i % 5 - 2);
  }
  float *a_device = device_copy(a), *b_device = device_copy(b), *tiles = device_new<float>(n * n),
        *library = device_new<float>(n * n), one = 1, zero = 0;
  cublasHandle_t handle;
  LAUNCH(multiply_tiles, dim3(n / 8, n / 8), dim3(8, 8), a_device, b_device, tiles, n);
  cublasCreate(&handle);
  assert_int_equal(cublasGemmEx(handle, CUBLAS_OP_N, CUBLAS_OP_N, n, n, n, &one, b_device, CUDA_R_32F, n,
                                a_device, CUDA_R_32F, n, &zero, library, CUDA_R_32F, n, CUBLAS_COMPUTE_32F,
                                CUBLAS_GEMM_DEFAULT),
                   CUBLAS_STATUS_SUCCESS);
  assert_memory_equal(host_copy(tiles, n * n).data(), host_copy(library, n * n).data(),
                      n * n * sizeof(float));
  cublasDestroy(handle);
}

static void test_products_of_bf16_and_tf32(void **)
{
  cublasHandle_t handle;
  float one = 1, zero = 0, half = 0.5f;
  const float x = 1 + 1.0f / 256 + 1.0f / 4096; /* bf16 keeps 7 bits after the point, TF32 10 */
  std::vector<__nv_bfloat16> bf16 = {__float2bfloat16(x), __float2bfloat16(3)};
  float *floats = device_copy<float>({x, 3}), *c = device_copy<float>({100});
  __nv_bfloat16 *on_device = device_copy(bf16), *c_bf16 = device_new<__nv_bfloat16>(1);
  cublasCreate(&handle);
  cublasGemmEx(handle, CUBLAS_OP_T, CUBLAS_OP_N, 1, 1, 2, &one, floats, CUDA_R_32F, 2, floats, CUDA_R_32F, 2,
               &half, c, CUDA_R_32F, 1, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
  assert_true(std::fabs(host_copy(c, 1)[0] - (x * x + 9 + 50)) < 1e-5f);
  cublasGemmEx(handle, CUBLAS_OP_T, CUBLAS_OP_N, 1, 1, 2, &one, floats, CUDA_R_32F, 2, floats, CUDA_R_32F, 2,
               &zero, c, CUDA_R_32F, 1, CUBLAS_COMPUTE_32F_FAST_TF32, CUBLAS_GEMM_DEFAULT);
  const float rounded = 1 + 1.0f / 256;
  assert_true(host_copy(c, 1)[0] == rounded * rounded + 9);
  cublasGemmEx(handle, CUBLAS_OP_T, CUBLAS_OP_N, 1, 1, 2, &one, on_device, CUDA_R_16BF, 2, on_device,
               CUDA_R_16BF, 2, &zero, c_bf16, CUDA_R_16BF, 1, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
  const float bf16_x = __bfloat162float(bf16[0]);
  assert_true(__bfloat162float(host_copy(c_bf16, 1)[0]) ==
              __bfloat162float(__float2bfloat16(bf16_x * bf16_x + 9)));
  cublasDestroy(handle);
}

/* c (16 x 8) = a (16 x 16) b (16 x 8, columns next to each other), fragments as in the PTX manual. */
__global__ static void multiply_one_tile(const unsigned *a, const unsigned *b, float *c)
{
  unsigned group = threadIdx.x / 4, within = threadIdx.x % 4;
  const unsigned left[4] = {a[group * 8 + within], a[(group + 8) * 8 + within], a[group * 8 + within + 4],
                            a[(group + 8) * 8 + within + 4]};
  float sums[4] = {0, 0, 0, 0};
  cw_host_multiply_tile(sums, left, b[group * 8 + within], b[group * 8 + within + 4], __FILE_NAME__,
                        __LINE__);
  for (unsigned i = 0; i < 4; i++)
    c[(group + i / 2 * 8) * 8 + 2 * within + i % 2] = sums[i];
}

static void test_product_of_tiles(void **)
{
  std::vector<__nv_bfloat16> a(256), b(128);
  for (int i = 0; i < 256; i++)
    a[i] = __float2bfloat16(static_cast<float>(i % 7 - 3));
  for (int i = 0; i < 128; i++)
    b[i] = __float2bfloat16(static_cast<float>(i % 5 - 2));
  float *c = device_new<float>(128);
  LAUNCH(multiply_one_tile, 1, 32, reinterpret_cast<const unsigned *>(device_copy(a)),
         reinterpret_cast<const unsigned *>(device_copy(b)), c);
  std::vector<float> found = host_copy(c, 128);
  for (int i = 0; i < 16; i++)
    for (int j = 0; j < 8; j++) {
      float expected = 0;
      for (int k = 0; k < 16; k++)
        expected += __bfloat162float(a[16 * i + k]) * __bfloat162float(b[16 * j + k]);
      assert_true(found[8 * i + j] == expected);
    }
}

static void test_strided_products(void **)
{
  cublasHandle_t handle;
  float one = 1, zero = 0, *a = device_copy(counting(12)), *c = device_new<float>(12);
  cublasCreate(&handle);
  /* Three 2 x 2 matrices, each with itself. */
  cublasGemmStridedBatchedEx(handle, CUBLAS_OP_N, CUBLAS_OP_N, 2, 2, 2, &one, a, CUDA_R_32F, 2, 4, a,
                             CUDA_R_32F, 2, 4, &zero, c, CUDA_R_32F, 2, 4, 3, CUBLAS_COMPUTE_32F,
                             CUBLAS_GEMM_DEFAULT);
  std::vector<float> found = host_copy(c, 12);
  for (int p = 0; p < 3; p++)
    for (int i = 0; i < 2; i++)
      for (int j = 0; j < 2; j++) {
        const int first = 4 * p;
        assert_true(found[first + 2 * j + i] ==
                    (first + i) * (first + 2 * j) + (first + 2 + i) * (first + 2 * j + 1));
      }
  cublasDestroy(handle);
}

static void test_matrices_too_narrow_are_refused(void **)
{
  cublasHandle_t handle;
  float one = 1, zero = 0, *a = device_copy(counting(12)), *c = device_new<float>(12);
  cublasCreate(&handle);
  assert_int_equal(cublasGemmEx(handle, CUBLAS_OP_N, CUBLAS_OP_N, 3, 2, 2, &one, a, CUDA_R_32F, 2, a,
                                CUDA_R_32F, 2, &zero, c, CUDA_R_32F, 3, CUBLAS_COMPUTE_32F,
                                CUBLAS_GEMM_DEFAULT),
                   CUBLAS_STATUS_INVALID_VALUE);
  cublasDestroy(handle);
}

/* Each lane sees what the others of its warp wrote before __syncwarp; warps go on at their own pace. */
__global__ static void swap_in_warps(float *x)
{
  __shared__ float values[64];
  values[threadIdx.x] = x[threadIdx.x];
  for (int round = 0; round < 3; round++) {
    __syncwarp();
    float other = values[threadIdx.x ^ 1];
    __syncwarp();
    values[threadIdx.x] = other;
  }
  x[threadIdx.x] = values[threadIdx.x];
}

static void test_order_within_warps(void **)
{
  float *x = device_copy(counting(64));
  LAUNCH(swap_in_warps, 1, 64, x);
  std::vector<float> found = host_copy(x, 64);
  for (int i = 0; i < 64; i++)
    assert_true(found[i] == (i ^ 1));
}

/* Half a warp shuffles with a mask of its own, the rest is elsewhere. */
__global__ static void parts_of_a_warp(float *x)
{
  float value = x[threadIdx.x];
  if (threadIdx.x < 16)
    value = __shfl_sync(0x0000ffffu, value, 3);
  else if (threadIdx.x < 24)
    value = __shfl_xor_sync(0x00ff0000u, value, 4);
  unsigned odd = __ballot_sync(0xffffffffu, threadIdx.x % 2);
  x[threadIdx.x] = odd == 0xaaaaaaaau ? value : -1;
}

static void test_parts_of_a_warp(void **)
{
  float *x = device_copy(counting(32));
  LAUNCH(parts_of_a_warp, 1, 32, x);
  std::vector<float> found = host_copy(x, 32);
  for (int i = 0; i < 32; i++)
    assert_true(found[i] == (i < 16 ? 3 : i < 24 ? i ^ 4 : i));
}

/* Two threads share a word, half each. */
__global__ static void write_bf16(__nv_bfloat16 *x)
{
  x[threadIdx.x] = __float2bfloat16(static_cast<float>(threadIdx.x));
}

static void test_neighbours_in_one_word(void **)
{
  __nv_bfloat16 *x = device_new<__nv_bfloat16>(64);
  LAUNCH(write_bf16, 1, 64, x);
  std::vector<__nv_bfloat16> found = host_copy(x, 64);
  for (int i = 0; i < 64; i++)
    assert_true(__bfloat162float(found[i]) == i);
}

__global__ static void add_one(float *x, int n)
{
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n)
    x[i] += 1;
}

static void test_streams_that_wait_by_events(void **)
{
  cudaStream_t first, second;
  cudaEvent_t event;
  const int n = 100;
  float *x = device_copy(std::vector<float>(n, 0)), *result;
  cudaStreamCreateWithFlags(&first, cudaStreamNonBlocking);
  cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking);
  cudaEventCreate(&event);
  cudaMallocHost(&result, n * sizeof(float));
  for (int i = 0; i < 3; i++) {
    LAUNCH_IN(add_one, 4, 32, 0, first, x, n);
    cudaEventRecord(event, first);
    cudaStreamWaitEvent(second, event, 0);
    LAUNCH_IN(add_one, 4, 32, 0, second, x, n);
    cudaEventRecord(event, second);
    cudaStreamWaitEvent(first, event, 0);
  }
  cudaMemcpyAsync(result, x, n * sizeof(float), cudaMemcpyDeviceToHost, first);
  cudaStreamSynchronize(first);
  for (int i = 0; i < n; i++)
    assert_true(result[i] == 6);
  cudaFreeHost(result);
  cudaFree(x);
  cudaEventDestroy(event);
  cudaStreamDestroy(first);
  cudaStreamDestroy(second);
}

static void test_launches_that_no_device_takes(void **)
{
  float *x = device_copy(counting(1));
  LAUNCH(add_one, 1, 1025, x, 1);
  assert_int_equal(cudaGetLastError(), cudaErrorInvalidConfiguration);
  LAUNCH_IN(add_one, 1, 32, 60 * 1024, nullptr, x, 1);
  assert_int_equal(cudaGetLastError(), cudaErrorInvalidValue);
  cudaFuncSetAttribute(add_one, cudaFuncAttributeMaxDynamicSharedMemorySize, 60 * 1024);
  LAUNCH_IN(add_one, 1, 32, 60 * 1024, nullptr, x, 1);
  assert_int_equal(cudaGetLastError(), cudaSuccess);
  assert_true(host_copy(x, 1)[0] == 1);
}

static void test_memory_ends(void **)
{
  void *memory;
  size_t free_bytes, total_bytes;
  cudaMemGetInfo(&free_bytes, &total_bytes);
  assert_int_equal(cudaMalloc(&memory, free_bytes + 1), cudaErrorMemoryAllocation);
  assert_null(memory);
  assert_int_equal(cudaGetLastError(), cudaErrorMemoryAllocation);
  assert_int_equal(cudaMalloc(&memory, free_bytes), cudaSuccess);
  cudaFree(memory);
}

int main()
{
  const CMUnitTest tests[] = {
      cmocka_unit_test(test_sums_of_blocks),
      cmocka_unit_test(test_scan),
      cmocka_unit_test(test_transpose),
      cmocka_unit_test(test_products_by_tiles_and_by_cublas),
      cmocka_unit_test(test_products_of_bf16_and_tf32),
      cmocka_unit_test(test_product_of_tiles),
      cmocka_unit_test(test_strided_products),
      cmocka_unit_test(test_matrices_too_narrow_are_refused),
      cmocka_unit_test(test_order_within_warps),
      cmocka_unit_test(test_parts_of_a_warp),
      cmocka_unit_test(test_neighbours_in_one_word),
      cmocka_unit_test(test_streams_that_wait_by_events),
      cmocka_unit_test(test_launches_that_no_device_takes),
      cmocka_unit_test(test_memory_ends),
  };
  return cmocka_run_group_tests_name("emulation_kernels", tests, nullptr, nullptr);
}
