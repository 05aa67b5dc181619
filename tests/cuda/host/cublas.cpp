/* Products by CBLAS. What is not f32 in memory is turned into floats first, and a bf16 result is rounded
 * once, from the float sums, as cuBLAS does with 32-bit computation. */
#include "cublas_v2.h"
#include "cuda_bf16.h"
#include "memory.h"
#include "operations.h"
#include <algorithm>
#include <cblas.h>
#include <cstdio>
#include <vector>

using namespace cw_host;

struct cublasContext {
  cudaStream_t stream;
  cublasMath_t mode;
  void *workspace;
};

namespace
{
/* A matrix in device memory, as it lies there: columns of `rows` elements, `stride` apart. */
struct Matrix {
  const char *name;
  const void *data;
  cudaDataType type;
  size_t rows, columns, stride;

  size_t element() const
  {
    return type == CUDA_R_32F ? 4 : 2;
  }
  const char *column(size_t i) const
  {
    return static_cast<const char *>(data) + i * stride * element();
  }
};

void check_matrix(const Matrix &matrix, void (*check)(const void *, size_t, const char *))
{
  if (matrix.rows == 0 || matrix.columns == 0)
    return;
  if (matrix.rows == matrix.stride) {
    check(matrix.data, matrix.rows * matrix.columns * matrix.element(), matrix.name);
    return;
  }
  for (size_t i = 0; i < matrix.columns; i++)
    check(matrix.column(i), matrix.rows * matrix.element(), matrix.name);
}

void check_written(const void *data, size_t bytes, const char *name)
{
  check_bulk_write(const_cast<void *>(data), bytes, name);
}

/* The nearest number with 10 bits of mantissa. */
float tf32(float x)
{
  unsigned bits = __float_as_uint(x);
  return isfinite(x) ? __uint_as_float((bits + 0x1000u) & ~0x1fffu) : x;
}

/* The matrix as floats, its columns next to each other. */
std::vector<float> floats(const Matrix &matrix, bool rounds)
{
  std::vector<float> values(matrix.rows * matrix.columns);
  for (size_t j = 0; j < matrix.columns; j++)
    for (size_t i = 0; i < matrix.rows; i++) {
      float x = matrix.type == CUDA_R_32F
                    ? reinterpret_cast<const float *>(matrix.column(j))[i]
                    : __bfloat162float(reinterpret_cast<const __nv_bfloat16 *>(matrix.column(j))[i]);
      values[j * matrix.rows + i] = rounds ? tf32(x) : x;
    }
  return values;
}

struct Product {
  cublasOperation_t transpose_a, transpose_b;
  int m, n, k;
  float alpha, beta;
  Matrix a, b, c;
  bool rounds;
  void *workspace;
};

CBLAS_TRANSPOSE transpose(cublasOperation_t operation)
{
  return operation == CUBLAS_OP_N ? CblasNoTrans : CblasTrans;
}

void multiply(const Product &product)
{
  const Matrix &a = product.a, &b = product.b, &c = product.c;
  if (product.workspace)
    check_bulk_write(product.workspace, 64, "workspace");
  check_matrix(a, check_bulk_read);
  check_matrix(b, check_bulk_read);
  if (product.beta != 0)
    check_matrix(c, check_bulk_read);
  check_matrix(c, check_written);
  std::vector<float> a_floats, b_floats, c_floats;
  const float *a_data = static_cast<const float *>(a.data), *b_data = static_cast<const float *>(b.data);
  float *c_data = const_cast<float *>(static_cast<const float *>(c.data));
  size_t a_stride = a.stride, b_stride = b.stride, c_stride = c.stride;
  if (a.type != CUDA_R_32F || product.rounds) {
    a_floats = floats(a, product.rounds);
    a_data = a_floats.data();
    a_stride = std::max<size_t>(a.rows, 1);
  }
  if (b.type != CUDA_R_32F || product.rounds) {
    b_floats = floats(b, product.rounds);
    b_data = b_floats.data();
    b_stride = std::max<size_t>(b.rows, 1);
  }
  if (c.type != CUDA_R_32F) {
    c_floats = product.beta != 0 ? floats(c, false) : std::vector<float>(c.rows * c.columns);
    c_data = c_floats.data();
    c_stride = c.rows;
  }
  cblas_sgemm(CblasColMajor, transpose(product.transpose_a), transpose(product.transpose_b), product.m,
              product.n, product.k, product.alpha, a_data, static_cast<int>(a_stride), b_data,
              static_cast<int>(b_stride), product.beta, c_data, static_cast<int>(c_stride));
  if (c.type != CUDA_R_32F)
    for (size_t j = 0; j < c.columns; j++)
      for (size_t i = 0; i < c.rows; i++)
        reinterpret_cast<__nv_bfloat16 *>(const_cast<char *>(c.column(j)))[i] =
            __float2bfloat16(c_floats[j * c.rows + i]);
}

bool is_valid(const Matrix &matrix, int leading_dimension)
{
  return leading_dimension > 0 && matrix.rows <= static_cast<size_t>(leading_dimension) &&
         (matrix.type == CUDA_R_32F || matrix.type == CUDA_R_16BF);
}

const char *moved(const void *data, long long elements, cudaDataType type)
{
  return static_cast<const char *>(data) + elements * (type == CUDA_R_32F ? 4 : 2);
}
} // namespace

extern "C" {
cublasStatus_t cublasCreate(cublasHandle_t *handle)
{
  int n_devices;
  if (cudaGetDeviceCount(&n_devices) != cudaSuccess) {
    cudaGetLastError();
    return CUBLAS_STATUS_NOT_INITIALIZED;
  }
  *handle = new cublasContext();
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy(cublasHandle_t handle)
{
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}

/* As in cuBLAS, this also takes back the workspace. */
cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream)
{
  handle->stream = stream;
  handle->workspace = nullptr;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode)
{
  handle->mode = mode;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void *workspace, size_t bytes)
{
  if (reinterpret_cast<uintptr_t>(workspace) % 256)
    return CUBLAS_STATUS_INVALID_VALUE;
  handle->workspace = bytes >= 64 ? workspace : nullptr;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetVersion(cublasHandle_t, int *version)
{
  *version = 120000;
  return CUBLAS_STATUS_SUCCESS;
}

const char *cublasGetStatusString(cublasStatus_t status)
{
  switch (status) {
  case CUBLAS_STATUS_SUCCESS:
    return "success";
  case CUBLAS_STATUS_NOT_INITIALIZED:
    return "the library was not initialized";
  case CUBLAS_STATUS_ALLOC_FAILED:
    return "the resource allocation failed";
  case CUBLAS_STATUS_INVALID_VALUE:
    return "an unsupported value or parameter was passed to the function";
  case CUBLAS_STATUS_NOT_SUPPORTED:
    return "the requested functionality is not supported";
  }
  return "unknown status";
}

cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t handle, cublasOperation_t transpose_a,
                                          cublasOperation_t transpose_b, int m, int n, int k,
                                          const void *alpha, const void *a, cudaDataType a_type, int lda,
                                          long long stride_a, const void *b, cudaDataType b_type, int ldb,
                                          long long stride_b, const void *beta, void *c, cudaDataType c_type,
                                          int ldc, long long stride_c, int n_products,
                                          cublasComputeType_t compute, cublasGemmAlgo_t)
{
  if (m < 0 || n < 0 || k < 0 || n_products < 0)
    return CUBLAS_STATUS_INVALID_VALUE;
  if (a_type != b_type || (compute != CUBLAS_COMPUTE_32F && a_type != CUDA_R_32F))
    return CUBLAS_STATUS_NOT_SUPPORTED;
  size_t rows = static_cast<size_t>(m), columns = static_cast<size_t>(n), inner = static_cast<size_t>(k);
  Product product = {};
  product.transpose_a = transpose_a;
  product.transpose_b = transpose_b;
  product.m = m;
  product.n = n;
  product.k = k;
  product.alpha = *static_cast<const float *>(alpha);
  product.beta = *static_cast<const float *>(beta);
  product.rounds =
      a_type == CUDA_R_32F && (compute == CUBLAS_COMPUTE_32F_FAST_TF32 ||
                               (compute == CUBLAS_COMPUTE_32F && handle->mode == CUBLAS_TF32_TENSOR_OP_MATH));
  product.workspace = handle->workspace;
  bool turns_a = transpose_a == CUBLAS_OP_T, turns_b = transpose_b == CUBLAS_OP_T;
  product.a = {"matrix A", a, a_type, turns_a ? inner : rows, turns_a ? rows : inner, size_t(lda)};
  product.b = {"matrix B", b, b_type, turns_b ? columns : inner, turns_b ? inner : columns, size_t(ldb)};
  product.c = {"matrix C", c, c_type, rows, columns, size_t(ldc)};
  if (!is_valid(product.a, lda) || !is_valid(product.b, ldb) || !is_valid(product.c, ldc))
    return CUBLAS_STATUS_INVALID_VALUE;
  if (m == 0 || n == 0)
    return CUBLAS_STATUS_SUCCESS;
  char name[96];
  snprintf(name, sizeof name, "product %dx%dx%d", m, n, k);
  enqueue(handle->stream, name, [=] {
    for (int i = 0; i < n_products; i++) {
      Product one = product;
      one.a.data = moved(a, i * stride_a, a_type);
      one.b.data = moved(b, i * stride_b, b_type);
      one.c.data = moved(c, i * stride_c, c_type);
      multiply(one);
    }
  });
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t transpose_a,
                            cublasOperation_t transpose_b, int m, int n, int k, const void *alpha,
                            const void *a, cudaDataType a_type, int lda, const void *b, cudaDataType b_type,
                            int ldb, const void *beta, void *c, cudaDataType c_type, int ldc,
                            cublasComputeType_t compute, cublasGemmAlgo_t algorithm)
{
  return cublasGemmStridedBatchedEx(handle, transpose_a, transpose_b, m, n, k, alpha, a, a_type, lda, 0, b,
                                    b_type, ldb, 0, beta, c, c_type, ldc, 0, 1, compute, algorithm);
}
}
