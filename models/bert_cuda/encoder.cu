/* What lies between the encoder's matrix products: embeddings, LayerNorm with bias, dropout and residual,
 * GELU, sums over rows, and their gradients. A row of h is one block with eight columns per thread, so that
 * everything between two products is read and written once. */
#include "models/bert_cuda/dropout.h"

/* Threads for a row of n: whole warps. */
static unsigned threads_for(uint32_t n)
{
  return (n / 8 + BERT_WARP - 1) / BERT_WARP * BERT_WARP;
}

/* Past the last row of a block of the summing kernels. */
static __device__ __forceinline__ uint32_t last_row(uint32_t first, uint32_t n_rows)
{
  return n_rows - first < BERT_SUM_ROWS ? n_rows : first + BERT_SUM_ROWS;
}

static __device__ __forceinline__ float sum_of(const Bert8 &x)
{
  return ((x.x[0] + x.x[1]) + (x.x[2] + x.x[3])) + ((x.x[4] + x.x[5]) + (x.x[6] + x.x[7]));
}

/* Normalises the block's row: x becomes (x - mean) inverse weight + bias. */
static __device__ __forceinline__ void normalise(Bert8 &x, bool inside, uint32_t column, uint32_t h,
                                                 const BertNorm &norm, uint32_t row, float *scratch)
{
  float mean = bert_block_sum(inside ? sum_of(x) : 0.0f, scratch) / (float)h;
  Bert8 squares;
#pragma unroll
  for (int i = 0; i < 8; i++)
    squares.x[i] = (x.x[i] - mean) * (x.x[i] - mean);
  float variance = bert_block_sum(inside ? sum_of(squares) : 0.0f, scratch) / (float)h;
  float inverse = 1.0f / sqrtf(variance + norm.epsilon);
  if (norm.mean && threadIdx.x == 0) {
    norm.mean[row] = mean;
    norm.inverse[row] = inverse;
  }
  if (!inside)
    return;
  Bert8 weight = bert_load8(norm.weight + column), bias = bert_load8(norm.bias + column);
#pragma unroll
  for (int i = 0; i < 8; i++)
    x.x[i] = (x.x[i] - mean) * inverse * weight.x[i] + bias.x[i];
}

static __device__ __forceinline__ void drop_row(const BertMask &mask, const BertTexts &texts, uint32_t row,
                                                uint32_t h, uint32_t column, Bert8 &x)
{
  uint32_t text = texts.row_text[row];
  bert_drop8(mask, texts.hash[text], (row - texts.start[text]) * h + column, x);
}

template <class T>
static __global__ void embed_kernel(uint32_t h, BertTexts texts, const float *words, const float *positions,
                                    const float *types, BertNorm norm, BertMask mask, T *out)
{
  __shared__ float scratch[BERT_WARP];
  uint32_t row = blockIdx.x, column = 8 * threadIdx.x;
  bool inside = column < h;
  Bert8 x = {};
  if (inside) {
    uint32_t position = row - texts.start[texts.row_text[row]];
    Bert8 word = bert_load8(words + (size_t)texts.ids[row] * h + column);
    Bert8 place = bert_load8(positions + (size_t)position * h + column), type = bert_load8(types + column);
#pragma unroll
    for (int i = 0; i < 8; i++)
      x.x[i] = place.x[i] + type.x[i] + word.x[i];
    if (norm.sum)
      bert_store8(static_cast<T *>(norm.sum) + (size_t)row * h + column, x);
  }
  normalise(x, inside, column, h, norm, row, scratch);
  if (!inside)
    return;
  if (mask.threshold > 0)
    drop_row(mask, texts, row, h, column, x);
  bert_store8(out + (size_t)row * h + column, x);
}

template <class T>
static __global__ void add_norm_kernel(uint32_t h, BertTexts texts, const T *from, const float *bias,
                                       const T *residual, BertNorm norm, BertMask mask, T *out)
{
  __shared__ float scratch[BERT_WARP];
  uint32_t row = blockIdx.x, column = 8 * threadIdx.x;
  size_t at = (size_t)row * h + column;
  bool inside = column < h;
  Bert8 x = {};
  if (inside) {
    x = bert_load8(from + at);
    Bert8 shift = bert_load8(bias + column), rest = bert_load8(residual + at);
#pragma unroll
    for (int i = 0; i < 8; i++)
      x.x[i] += shift.x[i];
    if (mask.threshold > 0)
      drop_row(mask, texts, row, h, column, x);
#pragma unroll
    for (int i = 0; i < 8; i++)
      x.x[i] += rest.x[i];
    if (norm.sum)
      bert_store8(static_cast<T *>(norm.sum) + at, x);
  }
  normalise(x, inside, column, h, norm, row, scratch);
  if (inside)
    bert_store8(out + at, x);
}

template <class T>
static __global__ void norm_backward_kernel(uint32_t n_rows, uint32_t h, BertTexts texts, BertNorm norm,
                                            BertMask before, BertMask after, T *d_x, T *branch,
                                            float *partials)
{
  __shared__ float scratch[BERT_WARP];
  uint32_t column = 8 * threadIdx.x, first = blockIdx.x * BERT_SUM_ROWS;
  uint32_t last = last_row(first, n_rows);
  bool inside = column < h;
  const T *sums = static_cast<const T *>(norm.sum);
  Bert8 weight = {}, d_weight = {}, d_bias = {}, d_branch = {};
  if (inside)
    weight = bert_load8(norm.weight + column);
  for (uint32_t row = first; row < last; row++) {
    size_t at = (size_t)row * h + column;
    float mean = norm.mean[row], inverse = norm.inverse[row], total = 0, projection = 0;
    Bert8 d = {}, x = {};
    if (inside) {
      d = bert_load8(d_x + at);
      x = bert_load8(sums + at);
      if (before.threshold > 0)
        drop_row(before, texts, row, h, column, d);
#pragma unroll
      for (int i = 0; i < 8; i++) {
        x.x[i] = (x.x[i] - mean) * inverse;
        d_weight.x[i] += d.x[i] * x.x[i];
        d_bias.x[i] += d.x[i];
        d.x[i] *= weight.x[i];
        total += d.x[i];
        projection += d.x[i] * x.x[i];
      }
    }
    total = bert_block_sum(total, scratch) / (float)h;
    projection = bert_block_sum(projection, scratch) / (float)h;
    if (!inside)
      continue;
#pragma unroll
    for (int i = 0; i < 8; i++)
      d.x[i] = inverse * (d.x[i] - total - x.x[i] * projection);
    bert_store8(d_x + at, d);
    if (!branch)
      continue;
    if (after.threshold > 0)
      drop_row(after, texts, row, h, column, d);
    bert_store8(branch + at, d);
#pragma unroll
    for (int i = 0; i < 8; i++)
      d_branch.x[i] += d.x[i];
  }
  if (!inside)
    return;
  float *to = partials + (size_t)blockIdx.x * 3 * h + column;
  bert_store8(to, d_weight);
  bert_store8(to + h, d_bias);
  bert_store8(to + 2 * h, d_branch);
}

/* gelu(x) = x share(x), and the slope of gelu. */
template <bool TANH> static __device__ __forceinline__ float gelu_share(float x, float *slope)
{
  if (TANH) {
    float square = x * x, tail = tanhf(0.79788456f * x * (1.0f + 0.044715f * square));
    float share = 0.5f * (1.0f + tail);
    *slope = share + x * 0.5f * (1.0f - tail * tail) * 0.79788456f * (1.0f + 0.134145f * square);
    return share;
  }
  float share = 0.5f * (1.0f + erff(x * 0.70710678f));
  *slope = share + x * 0.39894228f * expf(-0.5f * x * x);
  return share;
}

template <class T, bool TANH>
static __global__ void gelu_kernel(size_t n, uint32_t f, const T *from, const float *bias, T *out)
{
  size_t at = 8 * ((size_t)blockIdx.x * blockDim.x + threadIdx.x);
  if (at >= n)
    return;
  Bert8 x = bert_load8(from + at), shift = bert_load8(bias + at % f);
#pragma unroll
  for (int i = 0; i < 8; i++) {
    float slope, value = x.x[i] + shift.x[i];
    x.x[i] = value * gelu_share<TANH>(value, &slope);
  }
  bert_store8(out + at, x);
}

template <class T, bool TANH>
static __global__ void gelu_backward_kernel(uint32_t n_rows, uint32_t f, const T *from, const float *bias,
                                            T *d, T *activated, float *partials)
{
  uint32_t column = 8 * (blockIdx.x * blockDim.x + threadIdx.x), first = blockIdx.y * BERT_SUM_ROWS;
  if (column >= f)
    return;
  uint32_t last = last_row(first, n_rows);
  Bert8 shift = bert_load8(bias + column), total = {};
  for (uint32_t row = first; row < last; row++) {
    size_t at = (size_t)row * f + column;
    Bert8 x = bert_load8(from + at), d_x = bert_load8(d + at), y;
#pragma unroll
    for (int i = 0; i < 8; i++) {
      float slope, value = x.x[i] + shift.x[i];
      y.x[i] = value * gelu_share<TANH>(value, &slope);
      d_x.x[i] *= slope;
      total.x[i] += d_x.x[i];
    }
    bert_store8(d + at, d_x);
    bert_store8(activated + at, y);
  }
  bert_store8(partials + (size_t)blockIdx.y * f + column, total);
}

template <class T>
static __global__ void column_sums_kernel(uint32_t n_rows, uint32_t n, const T *from, const float *weights,
                                          const float *factors, const uint32_t *map, float *partials)
{
  uint32_t column = 8 * (blockIdx.x * blockDim.x + threadIdx.x), first = blockIdx.y * BERT_SUM_ROWS;
  if (column >= n)
    return;
  uint32_t last = last_row(first, n_rows);
  Bert8 total = {};
  for (uint32_t row = first; row < last; row++) {
    Bert8 x = bert_load8(from + (size_t)(map ? map[row] : row) * n + column);
    float weight = weights ? weights[row] : 1.0f;
    if (factors) {
      Bert8 y = bert_load8(factors + (size_t)row * n + column);
#pragma unroll
      for (int i = 0; i < 8; i++)
        x.x[i] *= y.x[i];
    }
#pragma unroll
    for (int i = 0; i < 8; i++)
      total.x[i] += weight * x.x[i];
  }
  bert_store8(partials + (size_t)blockIdx.y * n + column, total);
}

/* 32 columns x 8 groups of partials; group g takes every eighth. */
#define PARTIAL_GROUPS 8

static __global__ void add_partials_kernel(uint32_t n_partials, size_t stride, const float *partials,
                                           uint32_t n, float *y)
{
  __shared__ float sums[PARTIAL_GROUPS][BERT_WARP];
  uint32_t lane = threadIdx.x % BERT_WARP, group = threadIdx.x / BERT_WARP,
           column = blockIdx.x * BERT_WARP + lane;
  float total = 0;
  if (column < n)
    for (uint32_t i = group; i < n_partials; i += PARTIAL_GROUPS)
      total += partials[i * stride + column];
  sums[group][lane] = total;
  __syncthreads();
  if (group > 0 || column >= n)
    return;
  for (int i = 1; i < PARTIAL_GROUPS; i++)
    total += sums[i][lane];
  y[column] += total;
}

template <class From, class To> static __global__ void convert_kernel(size_t n, const From *from, To *to)
{
  size_t at = 8 * ((size_t)blockIdx.x * blockDim.x + threadIdx.x);
  if (at < n)
    bert_store8(to + at, bert_load8(from + at));
}

template <class T>
static __global__ void gather_kernel(uint32_t h, const T *x, const uint32_t *rows, const uint32_t *pieces,
                                     float *partials)
{
  uint32_t column = 8 * threadIdx.x, first = pieces[2 * blockIdx.x],
           last = first + pieces[2 * blockIdx.x + 1];
  if (column >= h)
    return;
  Bert8 total = {};
  for (uint32_t i = first; i < last; i++) {
    Bert8 row = bert_load8(x + (size_t)rows[i] * h + column);
#pragma unroll
    for (int k = 0; k < 8; k++)
      total.x[k] += row.x[k];
  }
  bert_store8(partials + (size_t)blockIdx.x * h + column, total);
}

static __global__ void scatter_kernel(uint32_t h, const float *partials, const uint32_t *targets,
                                      const uint64_t *offsets, float *gradient)
{
  uint32_t column = 8 * threadIdx.x, first = targets[2 * blockIdx.x],
           last = first + targets[2 * blockIdx.x + 1];
  if (column >= h)
    return;
  float *to = gradient + offsets[blockIdx.x] + column;
  Bert8 total = bert_load8(to);
  for (uint32_t i = first; i < last; i++) {
    Bert8 part = bert_load8(partials + (size_t)i * h + column);
#pragma unroll
    for (int k = 0; k < 8; k++)
      total.x[k] += part.x[k];
  }
  bert_store8(to, total);
}

/* ---- launches ---- */

#define BLOCK 128

static unsigned blocks_for(size_t n)
{
  return (unsigned)((n + BLOCK - 1) / BLOCK);
}

extern "C" void bert_embed(cudaStream_t stream, int bf16, uint32_t n_rows, uint32_t h, const BertTexts *texts,
                           const float *words, const float *positions, const float *types,
                           const BertNorm *norm, const BertMask *mask, void *out)
{
  if (bf16)
    BERT_LAUNCH(embed_kernel<BertBf16>, dim3(n_rows), dim3(threads_for(h)), 0, stream, h, *texts, words,
                positions, types, *norm, *mask, static_cast<BertBf16 *>(out));
  else
    BERT_LAUNCH(embed_kernel<float>, dim3(n_rows), dim3(threads_for(h)), 0, stream, h, *texts, words,
                positions, types, *norm, *mask, static_cast<float *>(out));
}

template <class T>
static void add_norm(cudaStream_t stream, uint32_t n_rows, uint32_t h, const BertTexts *texts, const void *x,
                     const float *bias, const void *residual, const BertNorm *norm, const BertMask *mask,
                     void *out)
{
  BERT_LAUNCH(add_norm_kernel<T>, dim3(n_rows), dim3(threads_for(h)), 0, stream, h, *texts,
              static_cast<const T *>(x), bias, static_cast<const T *>(residual), *norm, *mask,
              static_cast<T *>(out));
}

extern "C" void bert_add_norm(cudaStream_t stream, int bf16, uint32_t n_rows, uint32_t h,
                              const BertTexts *texts, const void *x, const float *bias, const void *residual,
                              const BertNorm *norm, const BertMask *mask, void *out)
{
  (bf16 ? add_norm<BertBf16> : add_norm<float>)(stream, n_rows, h, texts, x, bias, residual, norm, mask, out);
}

template <class T>
static void norm_backward(cudaStream_t stream, uint32_t n_rows, uint32_t h, const BertTexts *texts,
                          const BertNorm *norm, const BertMask *before, const BertMask *after, void *d_x,
                          void *branch, float *partials)
{
  BERT_LAUNCH(norm_backward_kernel<T>, dim3(bert_sum_blocks(n_rows)), dim3(threads_for(h)), 0, stream, n_rows,
              h, *texts, *norm, *before, *after, static_cast<T *>(d_x), static_cast<T *>(branch), partials);
}

extern "C" void bert_norm_backward(cudaStream_t stream, int bf16, uint32_t n_rows, uint32_t h,
                                   const BertTexts *texts, const BertNorm *norm, const BertMask *before,
                                   const BertMask *after, void *d_x, void *branch, float *partials)
{
  (bf16 ? norm_backward<BertBf16> : norm_backward<float>)(stream, n_rows, h, texts, norm, before, after, d_x,
                                                          branch, partials);
}

template <class T, bool TANH>
static void gelu(cudaStream_t stream, uint32_t n_rows, uint32_t f, const void *x, const float *bias,
                 void *out)
{
  size_t n = (size_t)n_rows * f;
  BERT_LAUNCH((gelu_kernel<T, TANH>), dim3(blocks_for(n / 8)), dim3(BLOCK), 0, stream, n, f,
              static_cast<const T *>(x), bias, static_cast<T *>(out));
}

extern "C" void bert_gelu(cudaStream_t stream, int bf16, int tanh_form, uint32_t n_rows, uint32_t f,
                          const void *x, const float *bias, void *out)
{
  if (bf16)
    (tanh_form ? gelu<BertBf16, true> : gelu<BertBf16, false>)(stream, n_rows, f, x, bias, out);
  else
    (tanh_form ? gelu<float, true> : gelu<float, false>)(stream, n_rows, f, x, bias, out);
}

template <class T, bool TANH>
static void gelu_backward(cudaStream_t stream, uint32_t n_rows, uint32_t f, const void *x, const float *bias,
                          void *d, void *activated, float *partials)
{
  BERT_LAUNCH((gelu_backward_kernel<T, TANH>), dim3(blocks_for(f / 8), bert_sum_blocks(n_rows)), dim3(BLOCK),
              0, stream, n_rows, f, static_cast<const T *>(x), bias, static_cast<T *>(d),
              static_cast<T *>(activated), partials);
}

extern "C" void bert_gelu_backward(cudaStream_t stream, int bf16, int tanh_form, uint32_t n_rows, uint32_t f,
                                   const void *x, const float *bias, void *d, void *activated,
                                   float *partials)
{
  if (bf16)
    (tanh_form ? gelu_backward<BertBf16, true> : gelu_backward<BertBf16, false>)(stream, n_rows, f, x, bias,
                                                                                 d, activated, partials);
  else
    (tanh_form ? gelu_backward<float, true> : gelu_backward<float, false>)(stream, n_rows, f, x, bias, d,
                                                                           activated, partials);
}

extern "C" void bert_column_sums(cudaStream_t stream, int bf16, uint32_t n_rows, uint32_t n, const void *x,
                                 const float *weights, const float *y, const uint32_t *map, float *partials)
{
  dim3 grid(blocks_for(n / 8), bert_sum_blocks(n_rows));
  if (bf16)
    BERT_LAUNCH(column_sums_kernel<BertBf16>, grid, dim3(BLOCK), 0, stream, n_rows, n,
                static_cast<const BertBf16 *>(x), weights, y, map, partials);
  else
    BERT_LAUNCH(column_sums_kernel<float>, grid, dim3(BLOCK), 0, stream, n_rows, n,
                static_cast<const float *>(x), weights, y, map, partials);
}

extern "C" void bert_sum_partials(cudaStream_t stream, uint32_t n_partials, size_t stride,
                                  const float *partials, uint32_t n, float *y)
{
  BERT_LAUNCH(add_partials_kernel, dim3((n + BERT_WARP - 1) / BERT_WARP), dim3(BERT_WARP * PARTIAL_GROUPS), 0,
              stream, n_partials, stride, partials, n, y);
}

extern "C" void bert_to_floats(cudaStream_t stream, int bf16, size_t n, const void *from, float *to)
{
  if (bf16)
    BERT_LAUNCH((convert_kernel<BertBf16, float>), dim3(blocks_for(n / 8)), dim3(BLOCK), 0, stream, n,
                static_cast<const BertBf16 *>(from), to);
  else
    BERT_LAUNCH((convert_kernel<float, float>), dim3(blocks_for(n / 8)), dim3(BLOCK), 0, stream, n,
                static_cast<const float *>(from), to);
}

extern "C" void bert_from_floats(cudaStream_t stream, int bf16, size_t n, const float *from, void *to)
{
  if (bf16)
    BERT_LAUNCH((convert_kernel<float, BertBf16>), dim3(blocks_for(n / 8)), dim3(BLOCK), 0, stream, n, from,
                static_cast<BertBf16 *>(to));
  else
    BERT_LAUNCH((convert_kernel<float, float>), dim3(blocks_for(n / 8)), dim3(BLOCK), 0, stream, n, from,
                static_cast<float *>(to));
}

extern "C" void bert_scatter_rows(cudaStream_t stream, int bf16, uint32_t h, const void *x,
                                  const BertScatter *scatter, float *partials, float *gradient)
{
  if (bf16)
    BERT_LAUNCH(gather_kernel<BertBf16>, dim3(scatter->n_pieces), dim3(threads_for(h)), 0, stream, h,
                static_cast<const BertBf16 *>(x), scatter->rows, scatter->pieces, partials);
  else
    BERT_LAUNCH(gather_kernel<float>, dim3(scatter->n_pieces), dim3(threads_for(h)), 0, stream, h,
                static_cast<const float *>(x), scatter->rows, scatter->pieces, partials);
  BERT_LAUNCH(scatter_kernel, dim3(scatter->n_targets), dim3(threads_for(h)), 0, stream, h, partials,
              scatter->targets, scatter->offsets, gradient);
}
