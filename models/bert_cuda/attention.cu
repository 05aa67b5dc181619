/* Attention in f32 without a matrix of scores in memory (Dao et al. 2022: softmax over tiles with a running
 * maximum and sum, scores made again for backward). A block has 64 threads and a tile of 32 rows of one text
 * and head, its own; it goes through the text in tiles of 32 other rows. A thread computes 4 x 4 of the 32 x
 * 32 scores: rows ty + 8 i, columns tx + 8 j. Tiles lie in shared memory as floats, rows D + 4 apart, so that
 * eight rows read at one column fall into different banks.
 *
 * Backward runs twice, with own rows as keys and as queries, instead of adding into shared results: every sum
 * keeps its order. */
#include "models/bert_cuda/attention.h"

#define TILE    BERT_ATTENTION_TILE
#define THREADS 64
#define LANES   8          /* threads that share a row */
#define EACH    4          /* rows, and columns, of a thread */
#define STRIDE  (TILE + 4) /* of a tile of scores */

/* Rows first .. first + 31 of the text, of one head: `from` points at the head's first column of the text's
 * first row. What lies outside is zero. bias may be NULL. */
template <class T, int D>
static __device__ __forceinline__ void load_tile(float *to, const T *from, size_t stride, uint32_t first,
                                                 const BertItem &item, const float *bias)
{
  for (uint32_t chunk = threadIdx.x; chunk < TILE * D / 8; chunk += THREADS) {
    uint32_t row = chunk / (D / 8), column = chunk % (D / 8) * 8;
    Bert8 x = {};
    if (first + row < item.length && column < item.width) {
      x = bert_load8(from + (first + row) * stride + column);
      if (bias) {
        Bert8 shift = bert_load8(bias + column);
#pragma unroll
        for (int i = 0; i < 8; i++)
          x.x[i] += shift.x[i];
      }
    }
    bert_store8(to + row * (D + 4) + column, x);
  }
}

/* scores[i][j] = a row . b row over D columns. */
template <int D>
static __device__ __forceinline__ void multiply_rows(const float *a, const float *b, uint32_t ty, uint32_t tx,
                                                     float scores[EACH][EACH])
{
#pragma unroll
  for (int i = 0; i < EACH; i++)
#pragma unroll
    for (int j = 0; j < EACH; j++)
      scores[i][j] = 0;
#pragma unroll 4
  for (int c = 0; c < D; c += 4) {
    float4 x[EACH], y[EACH];
#pragma unroll
    for (int i = 0; i < EACH; i++) {
      x[i] = bert_load4(a + (ty + LANES * i) * (D + 4) + c);
      y[i] = bert_load4(b + (tx + LANES * i) * (D + 4) + c);
    }
#pragma unroll
    for (int i = 0; i < EACH; i++)
#pragma unroll
      for (int j = 0; j < EACH; j++)
        scores[i][j] += x[i].x * y[j].x + x[i].y * y[j].y + x[i].z * y[j].z + x[i].w * y[j].w;
  }
}

/* sums[i][m] += weights (own x other, rows STRIDE apart) times other rows, columns 4 tx + 32 m. */
template <int D>
static __device__ __forceinline__ void add_rows(const float *weights, const float *other, uint32_t ty,
                                                uint32_t tx, float4 sums[EACH][D / 32])
{
#pragma unroll 2
  for (int j = 0; j < TILE; j += 4) {
    float4 w[EACH];
#pragma unroll
    for (int i = 0; i < EACH; i++)
      w[i] = bert_load4(weights + (ty + LANES * i) * STRIDE + j);
#pragma unroll
    for (int k = 0; k < 4; k++)
#pragma unroll
      for (int m = 0; m < D / 32; m++) {
        float4 x = bert_load4(other + (j + k) * (D + 4) + 4 * tx + 32 * m);
#pragma unroll
        for (int i = 0; i < EACH; i++) {
          float factor = k == 0 ? w[i].x : k == 1 ? w[i].y : k == 2 ? w[i].z : w[i].w;
          sums[i][m].x += factor * x.x;
          sums[i][m].y += factor * x.y;
          sums[i][m].z += factor * x.z;
          sums[i][m].w += factor * x.w;
        }
      }
  }
}

template <class T, int D>
static __device__ __forceinline__ void store_rows(T *to, size_t stride, const BertItem &item, uint32_t ty,
                                                  uint32_t tx, const float4 sums[EACH][D / 32],
                                                  const float scale[EACH])
{
#pragma unroll
  for (int i = 0; i < EACH; i++) {
    uint32_t row = item.first + ty + LANES * i;
#pragma unroll
    for (int m = 0; m < D / 32; m++) {
      uint32_t column = 4 * tx + 32 * m;
      if (row < item.length && column < item.width)
        bert_store4(to + row * stride + column, float4{sums[i][m].x * scale[i], sums[i][m].y * scale[i],
                                                       sums[i][m].z * scale[i], sums[i][m].w * scale[i]});
    }
  }
}

template <class T, int D>
static __global__ void __launch_bounds__(THREADS, 6)
    forward_kernel(BertTexts texts, BertAttention attention, T *context)
{
  BERT_DYNAMIC_SHARED(float, shared);
  float *queries = shared, *keys = queries + TILE * (D + 4), *values = keys + TILE * (D + 4);
  float *weights = values + TILE * (D + 4);
  uint8_t *keep = reinterpret_cast<uint8_t *>(weights + TILE * STRIDE);
  BertItem item = bert_item(texts, attention);
  uint32_t tx = threadIdx.x % LANES, ty = threadIdx.x / LANES, h = attention.h;
  size_t stride = 3 * (size_t)h;
  const T *from =
      static_cast<const T *>(attention.projections) + item.start * stride + item.head * item.width;
  const float *bias = attention.bias + item.head * item.width;
  float scale = 1.0f / sqrtf((float)item.width), largest[EACH], total[EACH];
  float4 sums[EACH][D / 32] = {};
  bool drops = attention.mask.threshold > 0;
#pragma unroll
  for (int i = 0; i < EACH; i++) {
    largest[i] = -INFINITY;
    total[i] = 0;
  }
  load_tile<T, D>(queries, from, stride, item.first, item, bias);
  for (uint32_t first = 0; first < item.length; first += TILE) {
    load_tile<T, D>(keys, from + h, stride, first, item, bias + h);
    load_tile<T, D>(values, from + 2 * h, stride, first, item, bias + 2 * h);
    if (drops)
      bert_fill_mask(keep, TILE, TILE, texts, attention, item, item.first, first);
    __syncthreads();
    float scores[EACH][EACH];
    multiply_rows<D>(queries, keys, ty, tx, scores);
#pragma unroll
    for (int i = 0; i < EACH; i++) {
      float top = largest[i], sum = 0;
#pragma unroll
      for (int j = 0; j < EACH; j++) {
        scores[i][j] = first + tx + LANES * j < item.length ? scores[i][j] * scale : -INFINITY;
        top = fmaxf(top, scores[i][j]);
      }
#pragma unroll
      for (int distance = LANES / 2; distance > 0; distance /= 2)
        top = fmaxf(top, __shfl_xor_sync(BERT_ALL_LANES, top, distance));
      float shrink = expf(largest[i] - top);
#pragma unroll
      for (int j = 0; j < EACH; j++) {
        float p = expf(scores[i][j] - top);
        uint32_t row = ty + LANES * i, column = tx + LANES * j;
        sum += p;
        if (drops)
          p = keep[row * TILE + column] ? p * attention.mask.scale : 0.0f;
        weights[row * STRIDE + column] = p;
      }
      total[i] = total[i] * shrink + sum;
      largest[i] = top;
#pragma unroll
      for (int m = 0; m < D / 32; m++) {
        sums[i][m].x *= shrink;
        sums[i][m].y *= shrink;
        sums[i][m].z *= shrink;
        sums[i][m].w *= shrink;
      }
    }
    __syncthreads();
    add_rows<D>(weights, values, ty, tx, sums);
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < EACH; i++) {
#pragma unroll
    for (int distance = LANES / 2; distance > 0; distance /= 2)
      total[i] += __shfl_xor_sync(BERT_ALL_LANES, total[i], distance);
    uint32_t row = item.first + ty + LANES * i;
    if (attention.log_sums && tx == 0 && row < item.length)
      attention.log_sums[(size_t)(item.start + row) * attention.n_heads + item.head] =
          largest[i] + logf(total[i]);
    total[i] = 1.0f / total[i];
  }
  store_rows<T, D>(context + item.start * (size_t)h + item.head * item.width, h, item, ty, tx, sums, total);
}

/* Own rows are keys, and d_key and d_value come out; or they are queries, and d_query does. */
template <class T, int D, bool KEYS>
static __global__ void __launch_bounds__(THREADS, 4)
    backward_kernel(BertTexts texts, BertAttention attention, const T *d_context, const float *delta,
                    T *d_projections)
{
  BERT_DYNAMIC_SHARED(float, shared);
  float *own = shared, *own_value = own + TILE * (D + 4), *other = own_value + TILE * (D + 4);
  float *other_value = other + TILE * (D + 4), *weights = other_value + TILE * (D + 4);
  float *d_scores = weights + (KEYS ? TILE * STRIDE : 0), *log_sums = d_scores + TILE * STRIDE;
  float *deltas = log_sums + TILE;
  uint8_t *keep = reinterpret_cast<uint8_t *>(deltas + TILE);
  BertItem item = bert_item(texts, attention);
  uint32_t tx = threadIdx.x % LANES, ty = threadIdx.x / LANES, h = attention.h, n_heads = attention.n_heads;
  size_t stride = 3 * (size_t)h;
  const T *from =
      static_cast<const T *>(attention.projections) + item.start * stride + item.head * item.width;
  const T *d_from = d_context + item.start * (size_t)h + item.head * item.width;
  const float *bias = attention.bias + item.head * item.width;
  float scale = 1.0f / sqrtf((float)item.width);
  float4 sums[EACH][D / 32] = {}, value_sums[KEYS ? EACH : 1][D / 32] = {};
  bool drops = attention.mask.threshold > 0;
  load_tile<T, D>(own, KEYS ? from + h : from, stride, item.first, item, KEYS ? bias + h : bias);
  if (KEYS)
    load_tile<T, D>(own_value, from + 2 * h, stride, item.first, item, bias + 2 * h);
  else
    load_tile<T, D>(own_value, d_from, h, item.first, item, nullptr);
  for (uint32_t first = 0; first < item.length; first += TILE) {
    uint32_t first_query = KEYS ? first : item.first, first_key = KEYS ? item.first : first;
    load_tile<T, D>(other, KEYS ? from : from + h, stride, first, item, KEYS ? bias : bias + h);
    if (KEYS)
      load_tile<T, D>(other_value, d_from, h, first, item, nullptr);
    else
      load_tile<T, D>(other_value, from + 2 * h, stride, first, item, bias + 2 * h);
    if (threadIdx.x < TILE) {
      uint32_t query = first_query + threadIdx.x;
      bool inside = query < item.length;
      size_t at = (size_t)(item.start + query) * n_heads + item.head;
      log_sums[threadIdx.x] = inside ? attention.log_sums[at] : 0.0f;
      deltas[threadIdx.x] = inside ? delta[at] : 0.0f;
    }
    if (drops)
      bert_fill_mask(keep, TILE, TILE, texts, attention, item, first_query, first_key);
    __syncthreads();
    float scores[EACH][EACH], d[EACH][EACH];
    multiply_rows<D>(own, other, ty, tx, scores);
    multiply_rows<D>(own_value, other_value, ty, tx, d);
#pragma unroll
    for (int i = 0; i < EACH; i++)
#pragma unroll
      for (int j = 0; j < EACH; j++) {
        uint32_t row = ty + LANES * i, column = tx + LANES * j;
        uint32_t query = KEYS ? column : row, key = KEYS ? row : column;
        bool inside = first_key + key < item.length && first_query + query < item.length;
        float p = inside ? expf(scores[i][j] * scale - log_sums[query]) : 0.0f;
        float factor = !drops ? 1.0f : keep[query * TILE + key] ? attention.mask.scale : 0.0f;
        if (KEYS)
          weights[row * STRIDE + column] = p * factor;
        d_scores[row * STRIDE + column] = p * (d[i][j] * factor - deltas[query]) * scale;
      }
    __syncthreads();
    add_rows<D>(d_scores, other, ty, tx, sums);
    if (KEYS)
      add_rows<D>(weights, other_value, ty, tx, value_sums);
    __syncthreads();
  }
  const float ones[EACH] = {1.0f, 1.0f, 1.0f, 1.0f};
  T *to = d_projections + item.start * stride + item.head * item.width;
  store_rows<T, D>(KEYS ? to + h : to, stride, item, ty, tx, sums, ones);
  if (KEYS)
    store_rows<T, D>(to + 2 * h, stride, item, ty, tx, value_sums, ones);
}

/* ---- launches ---- */

template <int D> static constexpr size_t tile_bytes()
{
  return TILE * (D + 4) * sizeof(float);
}

#define SCORE_BYTES (TILE * STRIDE * sizeof(float))
#define MASK_BYTES  (TILE * TILE)

template <class T, int D>
static void forward(cudaStream_t stream, const BertTexts *texts, const BertAttention *attention,
                    void *context)
{
  size_t bytes = 3 * tile_bytes<D>() + SCORE_BYTES + MASK_BYTES;
  BERT_LAUNCH((forward_kernel<T, D>), dim3(attention->n_tiles, attention->n_heads), dim3(THREADS), bytes,
              stream, *texts, *attention, static_cast<T *>(context));
}

extern "C" void bert_fused_attention(cudaStream_t stream, int bf16, const BertTexts *texts,
                                     const BertAttention *attention, void *context)
{
  uint32_t width = attention->h / attention->n_heads;
  if (bf16)
    bert_attention_bf16(stream, texts, attention, context);
  else
    (width <= 32 ? forward<float, 32> : forward<float, BERT_ATTENTION_MOST_WIDE>)(stream, texts, attention,
                                                                                  context);
}

template <class T, int D>
static void backward(cudaStream_t stream, const BertTexts *texts, const BertAttention *attention,
                     const void *d_context, float *delta, void *d_projections)
{
  size_t bytes = 4 * tile_bytes<D>() + 2 * TILE * sizeof(float) + MASK_BYTES + SCORE_BYTES;
  size_t key_bytes = bytes + SCORE_BYTES;
  dim3 grid(attention->n_tiles, attention->n_heads);
  BERT_LAUNCH((backward_kernel<T, D, true>), grid, dim3(THREADS), key_bytes, stream, *texts, *attention,
              static_cast<const T *>(d_context), delta, static_cast<T *>(d_projections));
  BERT_LAUNCH((backward_kernel<T, D, false>), grid, dim3(THREADS), bytes, stream, *texts, *attention,
              static_cast<const T *>(d_context), delta, static_cast<T *>(d_projections));
}

extern "C" void bert_fused_attention_backward(cudaStream_t stream, int bf16, const BertTexts *texts,
                                              const BertAttention *attention, uint32_t n_rows,
                                              const void *context, const void *d_context, float *delta,
                                              void *d_projections)
{
  uint32_t width = attention->h / attention->n_heads;
  if (bf16) {
    bert_attention_bf16_backward(stream, texts, attention, n_rows, context, d_context, delta,
                                   d_projections);
    return;
  }
  bert_launch_delta<float>(stream, n_rows, attention, context, d_context, delta);
  (width <= 32 ? backward<float, 32> : backward<float, BERT_ATTENTION_MOST_WIDE>)(stream, texts, attention,
                                                                                  d_context, delta,
                                                                                  d_projections);
}
