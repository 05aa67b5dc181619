/* AdamW (Loshchilov and Hutter 2019, in PyTorch's form) on the device: the gradient's norm, clipping and the
 * update follow each other in the stream, the host sees the norm afterwards. Pieces of tensors are blocks;
 * sums over pieces are added in order. */
#include "models/bert_cuda/kernels.h"

#define THREADS 256

/* Sum over a block in double: squares of floats do not overflow it. */
static __device__ double block_sum(double x, double *scratch)
{
  for (int distance = BERT_WARP / 2; distance > 0; distance /= 2)
    x += __shfl_xor_sync(BERT_ALL_LANES, x, distance);
  if (threadIdx.x % BERT_WARP == 0)
    scratch[threadIdx.x / BERT_WARP] = x;
  __syncthreads();
  double total = 0;
  for (int i = 0; i < THREADS / BERT_WARP; i++)
    total += scratch[i];
  return total;
}

static __global__ void __launch_bounds__(THREADS)
    squares_kernel(const BertPiece *pieces, const float *gradient, double *sums)
{
  __shared__ double scratch[THREADS / BERT_WARP];
  BertPiece piece = pieces[blockIdx.x];
  const float *from = gradient + piece.offset;
  uint32_t whole = piece.n / 4 * 4;
  float total = 0;
  for (uint32_t i = 4 * threadIdx.x; i < whole; i += 4 * THREADS) {
    float4 x = bert_load4(from + i);
    total += (x.x * x.x + x.y * x.y) + (x.z * x.z + x.w * x.w);
  }
  if (whole + threadIdx.x < piece.n)
    total += from[whole + threadIdx.x] * from[whole + threadIdx.x];
  double sum = block_sum((double)total, scratch);
  if (threadIdx.x == 0)
    sums[blockIdx.x] = sum;
}

static __global__ void __launch_bounds__(THREADS)
    norm_kernel(uint32_t n_pieces, const double *sums, float max_norm, BertStepResult *result)
{
  __shared__ double scratch[THREADS / BERT_WARP];
  double total = 0;
  for (uint32_t i = threadIdx.x; i < n_pieces; i += THREADS)
    total += sums[i];
  total = sqrt(block_sum(total, scratch));
  if (threadIdx.x > 0)
    return;
  result->norm = total;
  result->finite = isfinite(total);
  result->scale = max_norm > 0 && total > max_norm ? (float)(max_norm / total) : 1.0f;
}

/* Of absolute values, which unlike squares do not vanish in a sum. The same for all threads of the block. */
static __device__ bool is_zero(const BertPiece &piece, const float *x, double *scratch)
{
  float total = 0;
  for (uint32_t i = threadIdx.x; i < piece.n; i += THREADS)
    total += fabsf(x[piece.offset + i]);
  return block_sum((double)total, scratch) == 0;
}

static __device__ __forceinline__ float update(float w, float gradient, float *moment1, float *moment2,
                                               const BertStep &step, float rate, float shrink, float scale)
{
  float g = gradient * scale;
  *moment1 = step.beta1 * *moment1 + step.rest1 * g;
  *moment2 = step.beta2 * *moment2 + step.rest2 * g * g;
  return w * shrink - rate * *moment1 / (sqrtf(*moment2) / step.root_of_correction2 + step.epsilon);
}

static __global__ void __launch_bounds__(THREADS)
    adamw_kernel(const BertPiece *pieces, BertStep step, const BertStepResult *result, float *weights,
                 float *gradient, float *moment1, float *moment2, BertBf16 *bf16)
{
  if (!result->finite)
    return; /* the host looks at the gradient, and clears it */
  __shared__ double scratch[THREADS / BERT_WARP];
  BertPiece piece = pieces[blockIdx.x];
  if (piece.group & 4 && is_zero(piece, gradient, scratch))
    return;
  float learning_rate = piece.group & 2 ? step.head_learning_rate : step.learning_rate;
  float shrink = piece.group & 1 ? 1.0f - learning_rate * step.weight_decay : 1.0f;
  float rate = learning_rate / step.correction1, scale = result->scale;
  uint32_t whole = piece.n / 4 * 4;
  for (uint32_t i = 4 * threadIdx.x; i < whole; i += 4 * THREADS) {
    size_t at = piece.offset + i;
    float4 g = bert_load4(gradient + at), w = bert_load4(weights + at);
    float4 m = bert_load4(moment1 + at), v = bert_load4(moment2 + at);
    bert_store4(gradient + at, float4{0, 0, 0, 0});
    w.x = update(w.x, g.x, &m.x, &v.x, step, rate, shrink, scale);
    w.y = update(w.y, g.y, &m.y, &v.y, step, rate, shrink, scale);
    w.z = update(w.z, g.z, &m.z, &v.z, step, rate, shrink, scale);
    w.w = update(w.w, g.w, &m.w, &v.w, step, rate, shrink, scale);
    bert_store4(weights + at, w);
    bert_store4(moment1 + at, m);
    bert_store4(moment2 + at, v);
    if (bf16)
      bert_store4(bf16 + at, w);
  }
  if (whole + threadIdx.x < piece.n) {
    size_t at = piece.offset + whole + threadIdx.x;
    float g = gradient[at];
    gradient[at] = 0;
    float w = update(weights[at], g, &moment1[at], &moment2[at], step, rate, shrink, scale);
    weights[at] = w;
    if (bf16)
      bert_from_float(w, &bf16[at]);
  }
}

static __global__ void __launch_bounds__(THREADS)
    average_kernel(const BertPiece *pieces, float rest, const BertStepResult *result, const float *weights,
                   float *average)
{
  if (!result->finite)
    return;
  BertPiece piece = pieces[blockIdx.x];
  uint32_t whole = piece.n / 4 * 4;
  for (uint32_t i = 4 * threadIdx.x; i < whole; i += 4 * THREADS) {
    size_t at = piece.offset + i;
    float4 w = bert_load4(weights + at), a = bert_load4(average + at);
    a.x += rest * (w.x - a.x);
    a.y += rest * (w.y - a.y);
    a.z += rest * (w.z - a.z);
    a.w += rest * (w.w - a.w);
    bert_store4(average + at, a);
  }
  if (whole + threadIdx.x < piece.n) {
    size_t at = piece.offset + whole + threadIdx.x;
    average[at] += rest * (weights[at] - average[at]);
  }
}

extern "C" void bert_gradient_norm(cudaStream_t stream, uint32_t n_pieces, const BertPiece *pieces,
                                   float max_norm, const float *gradient, double *sums,
                                   BertStepResult *result)
{
  BERT_LAUNCH(squares_kernel, dim3(n_pieces), dim3(THREADS), 0, stream, pieces, gradient, sums);
  BERT_LAUNCH(norm_kernel, dim3(1), dim3(THREADS), 0, stream, n_pieces, sums, max_norm, result);
}

extern "C" void bert_adamw(cudaStream_t stream, uint32_t n_pieces, const BertPiece *pieces,
                           const BertStep *step, float *weights, float *gradient, float *moment1,
                           float *moment2, void *bf16, const BertStepResult *result)
{
  BERT_LAUNCH(adamw_kernel, dim3(n_pieces), dim3(THREADS), 0, stream, pieces, *step, result, weights,
              gradient, moment1, moment2, static_cast<BertBf16 *>(bf16));
}

extern "C" void bert_average(cudaStream_t stream, uint32_t n_pieces, const BertPiece *pieces, float rest,
                             const float *weights, float *average, const BertStepResult *result)
{
  BERT_LAUNCH(average_kernel, dim3(n_pieces), dim3(THREADS), 0, stream, pieces, rest, result, weights,
              average);
}
