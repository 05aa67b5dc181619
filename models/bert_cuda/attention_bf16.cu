/* Attention in bf16 on the tensor cores; the method is attention.cu's. A block has four warps and a tile of
 * 64 rows of one text and head, its own, 16 to a warp; it goes through the text in tiles of 32 other rows.
 * Own rows are in registers as left factors; other rows are in shared memory, also transposed where they are
 * summed over, so that each right factor is read as pairs. Scores come out of one product in the places where
 * the next one wants its left factor, and never leave the registers. Rows in shared memory are 8 elements
 * further apart than they are long: the pairs that a warp reads at once then lie in different banks. */
#include "models/bert_cuda/attention.h"

#define OWN     BERT_ATTENTION_BF16_TILE
#define OTHER   32
#define THREADS (OWN / 16 * BERT_WARP)
#define BLOCKS  (OTHER / 8) /* products across other rows */
#define APART   (OTHER + 8) /* rows of a transposed tile */

/* Eight elements of a row, with its bias; zeros outside of the text or the head. */
static __device__ __forceinline__ Bert8 load_chunk(const BertBf16 *from, size_t stride, uint32_t row,
                                                   uint32_t column, const BertItem &item, const float *bias)
{
  Bert8 x = {};
  if (row >= item.length || column >= item.width)
    return x;
  x = bert_load8(from + row * stride + column);
  if (bias) {
    Bert8 shift = bert_load8(bias + column);
#pragma unroll
    for (int i = 0; i < 8; i++)
      x.x[i] += shift.x[i];
  }
  return x;
}

/* Rows first .. first + 31, as they are. */
template <int D>
static __device__ __forceinline__ void load_rows(BertBf16 *to, const BertBf16 *from, size_t stride,
                                                 uint32_t first, const BertItem &item, const float *bias)
{
  for (uint32_t chunk = threadIdx.x; chunk < OTHER * D / 8; chunk += THREADS) {
    uint32_t row = chunk / (D / 8), column = chunk % (D / 8) * 8;
    bert_store8(to + row * (D + 8) + column, load_chunk(from, stride, first + row, column, item, bias));
  }
}

/* The same, transposed: D x 32. Neighbouring threads take neighbouring rows, which share words. */
template <int D>
static __device__ __forceinline__ void load_columns(BertBf16 *to, const BertBf16 *from, size_t stride,
                                                    uint32_t first, const BertItem &item, const float *bias)
{
  for (uint32_t chunk = threadIdx.x; chunk < OTHER * D / 8; chunk += THREADS) {
    uint32_t row = chunk % OTHER, column = chunk / OTHER * 8;
    Bert8 x = load_chunk(from, stride, first + row, column, item, bias);
#pragma unroll
    for (int i = 0; i < 8; i++)
      bert_from_float(x.x[i], &to[(column + i) * APART + row]);
  }
}

/* The warp's 16 own rows as left factors, straight from global memory. */
template <int D>
static __device__ __forceinline__ void load_own(uint32_t own[D / 16][4], const BertBf16 *from, size_t stride,
                                                uint32_t row, const BertItem &item, const float *bias)
{
  uint32_t t = threadIdx.x % 4;
#pragma unroll
  for (int k = 0; k < D / 16; k++)
#pragma unroll
    for (int i = 0; i < 4; i++) {
      uint32_t at = row + i % 2 * 8, column = 16 * k + i / 2 * 8 + 2 * t;
      own[k][i] = 0;
      if (at < item.length && column < item.width) {
        uint32_t pair = bert_load_pair(from + at * stride + column);
        own[k][i] = bias ? bert_pack_bf16(bert_bits_to_float(pair << 16) + bias[column],
                                            bert_bits_to_float(pair & 0xffff0000u) + bias[column + 1])
                         : pair;
      }
    }
}

/* products[n] = own . other rows 8n .. 8n + 7 over D columns. */
template <int D>
static __device__ __forceinline__ void multiply_rows(float products[BLOCKS][4], const uint32_t own[D / 16][4],
                                                     const BertBf16 *other)
{
  uint32_t lane = threadIdx.x % BERT_WARP, g = lane / 4, t = lane % 4;
#pragma unroll
  for (int n = 0; n < BLOCKS; n++) {
    const BertBf16 *row = other + (8 * n + g) * (D + 8) + 2 * t;
#pragma unroll
    for (int i = 0; i < 4; i++)
      products[n][i] = 0;
#pragma unroll
    for (int k = 0; k < D / 16; k++)
      bert_multiply_tile(products[n], own[k], bert_load_pair(row + 16 * k), bert_load_pair(row + 16 * k + 8));
  }
}

/* sums[n] += weights (own x other, as products left them) times columns 8n .. 8n + 7 of the other rows. */
template <int D>
static __device__ __forceinline__ void add_rows(float sums[D / 8][4], const float weights[BLOCKS][4],
                                                const BertBf16 *columns)
{
  uint32_t lane = threadIdx.x % BERT_WARP, g = lane / 4, t = lane % 4;
#pragma unroll
  for (int k = 0; k < OTHER / 16; k++) {
    const uint32_t left[4] = {bert_pack_bf16(weights[2 * k][0], weights[2 * k][1]),
                              bert_pack_bf16(weights[2 * k][2], weights[2 * k][3]),
                              bert_pack_bf16(weights[2 * k + 1][0], weights[2 * k + 1][1]),
                              bert_pack_bf16(weights[2 * k + 1][2], weights[2 * k + 1][3])};
#pragma unroll
    for (int n = 0; n < D / 8; n++) {
      const BertBf16 *column = columns + (8 * n + g) * APART + 16 * k + 2 * t;
      bert_multiply_tile(sums[n], left, bert_load_pair(column), bert_load_pair(column + 8));
    }
  }
}

/* The warp's 16 rows; lower and upper are factors of rows g and g + 8. */
template <int D>
static __device__ __forceinline__ void store_own(BertBf16 *to, size_t stride, uint32_t row,
                                                 const BertItem &item, const float sums[D / 8][4],
                                                 float lower, float upper)
{
#pragma unroll
  for (int n = 0; n < D / 8; n++) {
    uint32_t column = 8 * n + 2 * (threadIdx.x % 4);
    if (column < item.width && row < item.length)
      bert_store_pair(to + row * stride + column, bert_pack_bf16(sums[n][0] * lower, sums[n][1] * lower));
    if (column < item.width && row + 8 < item.length)
      bert_store_pair(to + (row + 8) * stride + column,
                      bert_pack_bf16(sums[n][2] * upper, sums[n][3] * upper));
  }
}

/* Over the four lanes of a row. */
static __device__ __forceinline__ float row_maximum(float x)
{
  x = fmaxf(x, __shfl_xor_sync(BERT_ALL_LANES, x, 1));
  return fmaxf(x, __shfl_xor_sync(BERT_ALL_LANES, x, 2));
}

static __device__ __forceinline__ float row_sum(float x)
{
  x += __shfl_xor_sync(BERT_ALL_LANES, x, 1);
  return x + __shfl_xor_sync(BERT_ALL_LANES, x, 2);
}

template <int D>
static __global__ void __launch_bounds__(THREADS, 3)
    bf16_forward_kernel(BertTexts texts, BertAttention attention, BertBf16 *context)
{
  BERT_DYNAMIC_SHARED(BertBf16, shared);
  BertBf16 *keys = shared, *values = keys + OTHER * (D + 8);
  uint8_t *keep = reinterpret_cast<uint8_t *>(values + D * APART);
  BertItem item = bert_item(texts, attention);
  uint32_t lane = threadIdx.x % BERT_WARP, t = lane % 4, h = attention.h;
  uint32_t within = threadIdx.x / BERT_WARP * 16 + lane / 4, row = item.first + within; /* and row + 8 */
  size_t stride = 3 * (size_t)h;
  const BertBf16 *from =
      static_cast<const BertBf16 *>(attention.projections) + item.start * stride + item.head * item.width;
  const float *bias = attention.bias + item.head * item.width;
  float scale = 1.0f / sqrtf((float)item.width), largest[2] = {-INFINITY, -INFINITY}, total[2] = {0, 0};
  float sums[D / 8][4] = {};
  uint32_t queries[D / 16][4];
  bool drops = attention.mask.threshold > 0;
  load_own<D>(queries, from, stride, row, item, bias);
  for (uint32_t first = 0; first < item.length; first += OTHER) {
    load_rows<D>(keys, from + h, stride, first, item, bias + h);
    load_columns<D>(values, from + 2 * h, stride, first, item, bias + 2 * h);
    if (drops)
      bert_fill_mask(keep, OWN, OTHER, texts, attention, item, item.first, first);
    __syncthreads();
    float p[BLOCKS][4];
    multiply_rows<D>(p, queries, keys);
#pragma unroll
    for (int i = 0; i < 2; i++) {
      float top = largest[i];
#pragma unroll
      for (int n = 0; n < BLOCKS; n++)
#pragma unroll
        for (int j = 0; j < 2; j++) {
          float &x = p[n][2 * i + j];
          x = first + 8 * n + 2 * t + j < item.length ? x * scale : -INFINITY;
          top = fmaxf(top, x);
        }
      top = row_maximum(top);
      float shrink = __expf(largest[i] - top);
      largest[i] = top;
      total[i] *= shrink;
#pragma unroll
      for (int n = 0; n < D / 8; n++) {
        sums[n][2 * i] *= shrink;
        sums[n][2 * i + 1] *= shrink;
      }
#pragma unroll
      for (int n = 0; n < BLOCKS; n++)
#pragma unroll
        for (int j = 0; j < 2; j++) {
          float &x = p[n][2 * i + j];
          x = __expf(x - top);
          total[i] += x;
          if (drops)
            x = keep[(within + 8 * i) * OTHER + 8 * n + 2 * t + j] ? x * attention.mask.scale : 0.0f;
        }
    }
    add_rows<D>(sums, p, values);
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < 2; i++) {
    total[i] = row_sum(total[i]);
    if (attention.log_sums && t == 0 && row + 8 * i < item.length)
      attention.log_sums[(size_t)(item.start + row + 8 * i) * attention.n_heads + item.head] =
          largest[i] + logf(total[i]);
  }
  store_own<D>(context + item.start * (size_t)h + item.head * item.width, h, row, item, sums, 1.0f / total[0],
               1.0f / total[1]);
}

/* As backward_kernel in attention.cu. */
template <int D, bool KEYS>
static __global__ void __launch_bounds__(THREADS, 2)
    bf16_backward_kernel(BertTexts texts, BertAttention attention, const BertBf16 *d_context,
                           const float *delta, BertBf16 *d_projections)
{
  BERT_DYNAMIC_SHARED(BertBf16, shared);
  BertBf16 *other = shared, *other_value = other + OTHER * (D + 8), *columns = other_value + OTHER * (D + 8);
  BertBf16 *value_columns = columns + D * APART;
  float *log_sums = reinterpret_cast<float *>(value_columns + (KEYS ? D * APART : 0));
  float *deltas = log_sums + OWN; /* of the queries among own or other rows */
  uint8_t *keep = reinterpret_cast<uint8_t *>(deltas + OWN);
  BertItem item = bert_item(texts, attention);
  uint32_t lane = threadIdx.x % BERT_WARP, t = lane % 4, h = attention.h, n_heads = attention.n_heads;
  uint32_t within = threadIdx.x / BERT_WARP * 16 + lane / 4, row = item.first + within;
  size_t stride = 3 * (size_t)h;
  const BertBf16 *from =
      static_cast<const BertBf16 *>(attention.projections) + item.start * stride + item.head * item.width;
  const BertBf16 *d_from = d_context + item.start * (size_t)h + item.head * item.width;
  const float *bias = attention.bias + item.head * item.width;
  float scale = 1.0f / sqrtf((float)item.width);
  float sums[D / 8][4] = {}, value_sums[KEYS ? D / 8 : 1][4] = {};
  uint32_t own[D / 16][4], own_value[D / 16][4];
  bool drops = attention.mask.threshold > 0;
  load_own<D>(own, KEYS ? from + h : from, stride, row, item, KEYS ? bias + h : bias);
  if (KEYS)
    load_own<D>(own_value, from + 2 * h, stride, row, item, bias + 2 * h);
  else
    load_own<D>(own_value, d_from, h, row, item, nullptr);
  for (uint32_t first = 0; first < item.length; first += OTHER) {
    uint32_t first_query = KEYS ? first : item.first, first_key = KEYS ? item.first : first;
    const BertBf16 *rows = KEYS ? from : from + h;
    const float *rows_bias = KEYS ? bias : bias + h;
    load_rows<D>(other, rows, stride, first, item, rows_bias);
    load_columns<D>(columns, rows, stride, first, item, rows_bias);
    if (KEYS) {
      load_rows<D>(other_value, d_from, h, first, item, nullptr);
      load_columns<D>(value_columns, d_from, h, first, item, nullptr);
    } else {
      load_rows<D>(other_value, from + 2 * h, stride, first, item, bias + 2 * h);
    }
    if (threadIdx.x < (KEYS ? OTHER : OWN)) {
      uint32_t query = first_query + threadIdx.x;
      bool inside = query < item.length;
      size_t at = (size_t)(item.start + query) * n_heads + item.head;
      log_sums[threadIdx.x] = inside ? attention.log_sums[at] : 0.0f;
      deltas[threadIdx.x] = inside ? delta[at] : 0.0f;
    }
    if (drops)
      bert_fill_mask(keep, KEYS ? OTHER : OWN, KEYS ? OWN : OTHER, texts, attention, item, first_query,
                     first_key);
    __syncthreads();
    float p[BLOCKS][4], d[BLOCKS][4];
    multiply_rows<D>(p, own, other);
    multiply_rows<D>(d, own_value, other_value);
#pragma unroll
    for (int n = 0; n < BLOCKS; n++)
#pragma unroll
      for (int i = 0; i < 4; i++) {
        uint32_t mine = within + i / 2 * 8, theirs = 8 * n + 2 * t + i % 2;
        uint32_t query = KEYS ? theirs : mine, key = KEYS ? mine : theirs;
        bool inside = first_key + key < item.length && first_query + query < item.length;
        float weight = inside ? __expf(p[n][i] * scale - log_sums[query]) : 0.0f;
        float factor = !drops ? 1.0f : keep[query * (KEYS ? OWN : OTHER) + key] ? attention.mask.scale : 0.0f;
        d[n][i] = weight * (d[n][i] * factor - deltas[query]);
        p[n][i] = weight * factor;
      }
    add_rows<D>(sums, d, columns);
    if (KEYS)
      add_rows<D>(reinterpret_cast<float(*)[4]>(value_sums), p, value_columns);
    __syncthreads();
  }
  BertBf16 *to = d_projections + item.start * stride + item.head * item.width;
  store_own<D>(KEYS ? to + h : to, stride, row, item, sums, scale, scale);
  if (KEYS)
    store_own<D>(to + 2 * h, stride, row, item, reinterpret_cast<const float(*)[4]>(value_sums), 1.0f, 1.0f);
}

/* ---- launches ---- */

template <int D>
static void forward(cudaStream_t stream, const BertTexts *texts, const BertAttention *attention,
                    void *context)
{
  size_t bytes = (OTHER * (D + 8) + D * APART) * sizeof(BertBf16) + OWN * OTHER;
  BERT_LAUNCH((bf16_forward_kernel<D>), dim3(attention->n_tiles, attention->n_heads), dim3(THREADS), bytes,
              stream, *texts, *attention, static_cast<BertBf16 *>(context));
}

extern "C" void bert_attention_bf16(cudaStream_t stream, const BertTexts *texts,
                                      const BertAttention *attention, void *context)
{
  (attention->h / attention->n_heads <= 32 ? forward<32> : forward<BERT_ATTENTION_MOST_WIDE>)(stream, texts,
                                                                                              attention,
                                                                                              context);
}

template <int D>
static void backward(cudaStream_t stream, const BertTexts *texts, const BertAttention *attention,
                     const void *d_context, const float *delta, void *d_projections)
{
  size_t bytes = (2 * OTHER * (D + 8) + D * APART) * sizeof(BertBf16) + 2 * OWN * sizeof(float) + OWN * OTHER;
  dim3 grid(attention->n_tiles, attention->n_heads);
  BERT_LAUNCH((bf16_backward_kernel<D, true>), grid, dim3(THREADS), bytes + D * APART * sizeof(BertBf16),
              stream, *texts, *attention, static_cast<const BertBf16 *>(d_context), delta,
              static_cast<BertBf16 *>(d_projections));
  BERT_LAUNCH((bf16_backward_kernel<D, false>), grid, dim3(THREADS), bytes, stream, *texts, *attention,
              static_cast<const BertBf16 *>(d_context), delta, static_cast<BertBf16 *>(d_projections));
}

extern "C" void bert_attention_bf16_backward(cudaStream_t stream, const BertTexts *texts,
                                               const BertAttention *attention, uint32_t n_rows,
                                               const void *context, const void *d_context, float *delta,
                                               void *d_projections)
{
  bert_launch_delta<BertBf16>(stream, n_rows, attention, context, d_context, delta);
  (attention->h / attention->n_heads <= 32
       ? backward<32>
       : backward<BERT_ATTENTION_MOST_WIDE>)(stream, texts, attention, d_context, delta, d_projections);
}
