/* The choice head and the value head (symbols as in models/bert/weights.h), in floats. Products between a
 * decision's action tokens and its state's tokens have other sizes for every decision: one launch serves them
 * all, blockIdx.z being the decision, and blocks beyond a decision's size end at once. */
#include "models/bert_cuda/kernels.h"

#define THREADS     128
#define LEAKY_SLOPE 0.01f

/* ---- rows ---- */

static __device__ __forceinline__ float dot8(const Bert8 &x, const Bert8 &y)
{
  return ((x.x[0] * y.x[0] + x.x[1] * y.x[1]) + (x.x[2] * y.x[2] + x.x[3] * y.x[3])) +
         ((x.x[4] * y.x[4] + x.x[5] * y.x[5]) + (x.x[6] * y.x[6] + x.x[7] * y.x[7]));
}

/* C, C * d and wc.C of an action row. */
static __global__ void __launch_bounds__(THREADS) actions_kernel(BertHead head)
{
  __shared__ float scratch[BERT_WARP];
  uint32_t h = head.h;
  const float *from = head.states + (size_t)head.action_source[blockIdx.x] * h;
  size_t at = (size_t)blockIdx.x * h;
  float total = 0;
  for (uint32_t column = 8 * threadIdx.x; column < h; column += 8 * THREADS) {
    Bert8 c = bert_load8(from + column), scale = bert_load8(head.dot_scale + column);
    total += dot8(c, bert_load8(head.input_weight + column));
    bert_store8(head.actions + at + column, c);
#pragma unroll
    for (int i = 0; i < 8; i++)
      c.x[i] *= scale.x[i];
    bert_store8(head.scaled + at + column, c);
  }
  total = bert_block_sum(total, scratch);
  if (threadIdx.x == 0)
    head.input_scores[blockIdx.x] = total;
}

/* ws.S of every row of the batch, a warp each. */
static __global__ void __launch_bounds__(THREADS) memory_scores_kernel(BertHead head)
{
  uint32_t row = blockIdx.x * (THREADS / BERT_WARP) + threadIdx.x / BERT_WARP, lane = threadIdx.x % BERT_WARP;
  if (row >= head.n_rows)
    return; /* whole warps */
  float total = 0;
  for (uint32_t column = 8 * lane; column < head.h; column += 8 * BERT_WARP)
    total += dot8(bert_load8(head.states + (size_t)row * head.h + column),
                  bert_load8(head.memory_weight + column));
  total = bert_warp_sum(total);
  if (lane == 0)
    head.memory_scores[row] = total;
}

/* A row of scores: its largest, the first place of it, and the softmax. */
static __global__ void __launch_bounds__(THREADS) softmax_kernel(BertHead head)
{
  __shared__ float scratch[BERT_WARP];
  __shared__ uint32_t places[BERT_WARP];
  uint32_t row = blockIdx.x, lane = threadIdx.x % BERT_WARP, warp = threadIdx.x / BERT_WARP;
  BertDecisionPlace place = head.places[head.action_place[row]];
  uint32_t length = place.length, where = 0xffffffffu;
  float *x = head.attention + place.attention + (size_t)(row - place.action_row) * length, top = -INFINITY,
        total = 0;
  bool bad = false;
  for (uint32_t j = threadIdx.x; j < length; j += THREADS) {
    float value = x[j];
    bad = bad || !(value == value);
    if (value > top) {
      top = value;
      where = j;
    }
  }
  for (int distance = BERT_WARP / 2; distance > 0; distance /= 2) {
    float other = __shfl_xor_sync(BERT_ALL_LANES, top, distance);
    uint32_t other_where = __shfl_xor_sync(BERT_ALL_LANES, where, distance);
    if (other > top || (other == top && other_where < where)) {
      top = other;
      where = other_where;
    }
  }
  if (lane == 0) {
    scratch[warp] = top;
    places[warp] = where;
  }
  __syncthreads();
  top = scratch[0];
  where = places[0];
  for (int i = 1; i < THREADS / BERT_WARP; i++)
    if (scratch[i] > top || (scratch[i] == top && places[i] < where)) {
      top = scratch[i];
      where = places[i];
    }
  for (uint32_t j = threadIdx.x; j < length; j += THREADS) {
    float value = expf(x[j] - top);
    x[j] = value;
    total += value;
  }
  total = bert_block_sum(bad ? NAN : total, scratch);
  float inverse = 1.0f / total;
  for (uint32_t j = threadIdx.x; j < length; j += THREADS)
    x[j] *= inverse;
  if (threadIdx.x == 0) {
    head.where[row] = where < length ? where : 0;
    head.largest[row] = total == total ? top + head.input_scores[row] : NAN;
  }
}

/* d a_ij from dP, in place, and what the maximum gave to its place. */
static __global__ void __launch_bounds__(THREADS)
    softmax_backward_kernel(BertHead head, BertHeadGradient gradient)
{
  __shared__ float scratch[BERT_WARP];
  uint32_t row = blockIdx.x;
  BertDecisionPlace place = head.places[head.action_place[row]];
  uint32_t length = place.length, where = head.where[row];
  size_t at = place.attention + (size_t)(row - place.action_row) * length;
  const float *p = head.attention + at;
  float *d = gradient.d_attention + at, total = 0, largest = gradient.d_largest[row];
  for (uint32_t j = threadIdx.x; j < length; j += THREADS)
    total += p[j] * d[j];
  total = bert_block_sum(total, scratch);
  for (uint32_t j = threadIdx.x; j < length; j += THREADS)
    d[j] = p[j] * (d[j] - total) + (j == where ? largest : 0.0f);
}

/* dC gets what comes through the scores: d_largest wc + d * through. */
static __global__ void __launch_bounds__(THREADS)
    scores_backward_kernel(BertHead head, BertHeadGradient gradient)
{
  float largest = gradient.d_largest[blockIdx.x];
  size_t at = (size_t)blockIdx.x * head.h;
  for (uint32_t column = 8 * threadIdx.x; column < head.h; column += 8 * THREADS) {
    Bert8 d = bert_load8(gradient.d_actions + at + column),
          through = bert_load8(gradient.through + at + column);
    Bert8 weight = bert_load8(head.input_weight + column), scale = bert_load8(head.dot_scale + column);
#pragma unroll
    for (int i = 0; i < 8; i++)
      d.x[i] += largest * weight.x[i] + scale.x[i] * through.x[i];
    bert_store8(gradient.d_actions + at + column, d);
  }
}

/* Column sums of a decision's d_attention: what each state token's own score got. */
static __global__ void __launch_bounds__(THREADS) totals_kernel(BertHead head, BertHeadGradient gradient)
{
  BertDecisionPlace place = head.places[blockIdx.y];
  uint32_t column = blockIdx.x * THREADS + threadIdx.x;
  if (column >= place.length)
    return;
  const float *from = gradient.d_attention + place.attention + column;
  float total = 0;
  for (uint32_t i = 0; i < place.n_actions; i++)
    total += from[(size_t)i * place.length];
  gradient.totals[place.state_offset + column] = total;
}

/* ---- pairs ---- */

/* q, v and o_i of one candidate. */
static __global__ void __launch_bounds__(THREADS) features_kernel(BertHead head)
{
  uint32_t h = head.h, pair = blockIdx.x, first = head.pair_start[pair], last = head.pair_start[pair + 1];
  float top = -INFINITY, total = 0;
  for (uint32_t i = first; i < last; i++)
    top = fmaxf(top, head.largest[i]);
  for (uint32_t i = first; i < last; i++)
    total += expf(head.largest[i] - top); /* every thread the same sum; NaN stays NaN */
  float inverse = 1.0f / total;
  for (uint32_t i = first + threadIdx.x; i < last; i += THREADS)
    head.q[i] = expf(head.largest[i] - top) * inverse;
  for (uint32_t column = 8 * threadIdx.x; column < h; column += 8 * THREADS) {
    Bert8 v = {};
    for (uint32_t i = first; i < last; i++) {
      Bert8 c = bert_load8(head.actions + (size_t)i * h + column);
      float q = expf(head.largest[i] - top) * inverse;
#pragma unroll
      for (int k = 0; k < 8; k++)
        v.x[k] += q * c.x[k];
    }
    bert_store8(head.summary + (size_t)pair * h + column, v);
    for (uint32_t i = first; i < last; i++) {
      Bert8 c = bert_load8(head.actions + (size_t)i * h + column),
            u = bert_load8(head.read + (size_t)i * h + column);
      float *o = head.features + (size_t)i * 4 * h + column;
      bert_store8(o, c);
      bert_store8(o + h, u);
      Bert8 cu, vu;
#pragma unroll
      for (int k = 0; k < 8; k++) {
        cu.x[k] = c.x[k] * u.x[k];
        vu.x[k] = v.x[k] * u.x[k];
      }
      bert_store8(o + 2 * h, cu);
      bert_store8(o + 3 * h, vu);
    }
  }
}

/* relu(hidden + bias), its mean over a candidate's rows, the logit. */
static __global__ void __launch_bounds__(THREADS) logits_kernel(BertHead head, float *logits)
{
  __shared__ float scratch[BERT_WARP];
  uint32_t h = head.h, pair = blockIdx.x, first = head.pair_start[pair], last = head.pair_start[pair + 1];
  float total = 0, share = 1.0f / (float)(last - first);
  for (uint32_t column = 8 * threadIdx.x; column < h; column += 8 * THREADS) {
    Bert8 mean = {}, bias = bert_load8(head.linear_1_bias + column);
    for (uint32_t i = first; i < last; i++) {
      float *at = head.hidden + (size_t)i * h + column;
      Bert8 x = bert_load8(at);
#pragma unroll
      for (int k = 0; k < 8; k++) {
        x.x[k] += bias.x[k];
        x.x[k] = x.x[k] < 0 ? 0.0f : x.x[k]; /* a NaN stays */
        mean.x[k] += share * x.x[k];
      }
      bert_store8(at, x);
    }
    bert_store8(head.mean + (size_t)pair * h + column, mean);
    total += dot8(mean, bert_load8(head.linear_2_weight + column));
  }
  total = bert_block_sum(total, scratch);
  if (threadIdx.x == 0)
    logits[pair] = total + head.linear_2_bias[0];
}

static __global__ void __launch_bounds__(THREADS)
    logits_backward_kernel(BertHead head, BertHeadGradient gradient)
{
  uint32_t h = head.h, pair = blockIdx.x, first = head.pair_start[pair], last = head.pair_start[pair + 1];
  float share = gradient.d_logits[pair] / (float)(last - first);
  for (uint32_t column = 8 * threadIdx.x; column < h; column += 8 * THREADS) {
    Bert8 weight = bert_load8(head.linear_2_weight + column);
    for (uint32_t i = first; i < last; i++) {
      Bert8 x = bert_load8(head.hidden + (size_t)i * h + column);
#pragma unroll
      for (int k = 0; k < 8; k++)
        x.x[k] = x.x[k] > 0 ? share * weight.x[k] : 0.0f;
      bert_store8(gradient.d_linear_1 + (size_t)i * h + column, x);
    }
  }
}

/* From d o_i to dC, dU and the gradient of max_j a_ij. */
static __global__ void __launch_bounds__(THREADS)
    features_backward_kernel(BertHead head, BertHeadGradient gradient)
{
  __shared__ float scratch[BERT_WARP];
  uint32_t h = head.h, pair = blockIdx.x, first = head.pair_start[pair], last = head.pair_start[pair + 1];
  float weighted = 0; /* sum of q_i (dv.C_i) */
  for (uint32_t i = first; i < last; i++) {
    float dot = 0;
    for (uint32_t column = 8 * threadIdx.x; column < h; column += 8 * THREADS) {
      Bert8 d_v = {};
      /* dv is summed once, and kept in the first row of `through` until it is done. */
      float *kept = gradient.through + (size_t)first * h + column;
      if (i == first) {
        for (uint32_t k = first; k < last; k++) {
          Bert8 d = bert_load8(gradient.d_features + (size_t)k * 4 * h + 3 * h + column);
          Bert8 u = bert_load8(head.read + (size_t)k * h + column);
#pragma unroll
          for (int n = 0; n < 8; n++)
            d_v.x[n] += d.x[n] * u.x[n];
        }
        bert_store8(kept, d_v);
      } else {
        d_v = bert_load8(kept);
      }
      const float *d_o = gradient.d_features + (size_t)i * 4 * h + column;
      Bert8 c = bert_load8(head.actions + (size_t)i * h + column),
            u = bert_load8(head.read + (size_t)i * h + column);
      Bert8 v = bert_load8(head.summary + (size_t)pair * h + column);
      Bert8 d_c = bert_load8(d_o), d_u = bert_load8(d_o + h), d_cu = bert_load8(d_o + 2 * h),
            d_vu = bert_load8(d_o + 3 * h);
      float q = head.q[i];
      dot += dot8(d_v, c);
#pragma unroll
      for (int n = 0; n < 8; n++) {
        d_c.x[n] += d_cu.x[n] * u.x[n] + q * d_v.x[n];
        d_u.x[n] += d_cu.x[n] * c.x[n] + d_vu.x[n] * v.x[n];
      }
      bert_store8(gradient.d_actions + (size_t)i * h + column, d_c);
      bert_store8(gradient.d_read + (size_t)i * h + column, d_u);
    }
    dot = bert_block_sum(dot, scratch);
    weighted += head.q[i] * dot;
    if (threadIdx.x == 0)
      gradient.d_largest[i] = dot;
  }
  __syncthreads();
  for (uint32_t i = first + threadIdx.x; i < last; i += THREADS)
    gradient.d_largest[i] = head.q[i] * (gradient.d_largest[i] - weighted);
}

/* ---- ragged products ---- */

#define TILE  64
#define DEPTH 16
#define EACH  4 /* 16 x 16 threads, 4 x 4 results each */

/* c (m x n) = a (m x k) b (k x n), rows of c c_stride apart; element (i, l) of a is a[i * a_row + l *
 * a_column]. */
typedef struct {
  const float *a, *b;
  size_t a_row, a_column, b_row, b_column;
  uint32_t k;
} Factors;

/* A piece of a or b in shared memory; whole vectors are read from it. */
struct alignas(16) Panel {
  float x[DEPTH][TILE + 4];
};

static __device__ __forceinline__ float element(const float *x, size_t row_stride, size_t column_stride,
                                                uint32_t row, uint32_t column, uint32_t n_rows,
                                                uint32_t n_columns)
{
  return row < n_rows && column < n_columns ? x[row * row_stride + column * column_stride] : 0.0f;
}

/* A_TALL and B_TALL say which index of a and b lies next to itself in memory: the one that neighbouring
 * threads take.
 */
template <bool A_TALL, bool B_TALL>
static __device__ __forceinline__ void add_product(const Factors &f, uint32_t m, uint32_t n, Panel &a,
                                                   Panel &b, float sums[EACH][EACH])
{
  uint32_t first_row = blockIdx.y * TILE, first_column = blockIdx.x * TILE;
  uint32_t tx = threadIdx.x % 16, ty = threadIdx.x / 16;
  for (uint32_t first = 0; first < f.k; first += DEPTH) {
    for (uint32_t i = threadIdx.x; i < TILE * DEPTH; i += 256) {
      uint32_t l = A_TALL ? i / TILE : i % DEPTH, row = A_TALL ? i % TILE : i / DEPTH;
      a.x[l][row] = element(f.a, f.a_row, f.a_column, first_row + row, first + l, m, f.k);
      l = B_TALL ? i % DEPTH : i / TILE;
      uint32_t column = B_TALL ? i / DEPTH : i % TILE;
      b.x[l][column] = element(f.b, f.b_row, f.b_column, first + l, first_column + column, f.k, n);
    }
    __syncthreads();
#pragma unroll
    for (int l = 0; l < DEPTH; l++) {
      float4 x = bert_load4(&a.x[l][4 * ty]), y = bert_load4(&b.x[l][4 * tx]);
      float x_of[EACH] = {x.x, x.y, x.z, x.w}, y_of[EACH] = {y.x, y.y, y.z, y.w};
#pragma unroll
      for (int i = 0; i < EACH; i++)
#pragma unroll
        for (int j = 0; j < EACH; j++)
          sums[i][j] += x_of[i] * y_of[j];
    }
    __syncthreads();
  }
}

static __device__ __forceinline__ void store_product(float *c, size_t stride, uint32_t m, uint32_t n,
                                                     const float *column_bias, const float sums[EACH][EACH])
{
  uint32_t row = blockIdx.y * TILE + threadIdx.x / 16 * 4, column = blockIdx.x * TILE + threadIdx.x % 16 * 4;
#pragma unroll
  for (int i = 0; i < EACH; i++)
#pragma unroll
    for (int j = 0; j < EACH; j++)
      if (row + i < m && column + j < n)
        c[(row + i) * stride + column + j] = sums[i][j] + (column_bias ? column_bias[column + j] : 0.0f);
}

/* Per decision, x (n_actions x h) S^T: scores with the memory's own where `scores`, else dP from dU. */
static __global__ void __launch_bounds__(256)
    actions_by_states_kernel(BertHead head, const float *x, const float *memory_scores, float *out)
{
  __shared__ Panel a, b;
  BertDecisionPlace place = head.places[blockIdx.z];
  if (blockIdx.y * TILE >= place.n_actions || blockIdx.x * TILE >= place.length)
    return;
  size_t h = head.h;
  float sums[EACH][EACH] = {};
  Factors factors = {x + place.action_row * h, head.states + place.state_row * h, h, 1, 1, h, head.h};
  add_product<false, true>(factors, place.n_actions, place.length, a, b, sums);
  store_product(out + place.attention, place.length, place.n_actions, place.length,
                memory_scores ? memory_scores + place.state_row : nullptr, sums);
}

/* Per decision, x (n_actions x length) S. */
static __global__ void __launch_bounds__(256)
    states_by_attention_kernel(BertHead head, const float *x, float *out)
{
  __shared__ Panel a, b;
  BertDecisionPlace place = head.places[blockIdx.z];
  if (blockIdx.y * TILE >= place.n_actions)
    return;
  size_t h = head.h;
  float sums[EACH][EACH] = {};
  Factors factors = {x + place.attention, head.states + place.state_row * h, place.length, 1, h, 1,
                     place.length};
  add_product<false, false>(factors, place.n_actions, head.h, a, b, sums);
  store_product(out + place.action_row * h, h, place.n_actions, head.h, nullptr, sums);
}

/* Per decision, dS = P^T dU + dA^T (C * d). */
static __global__ void __launch_bounds__(256) states_backward_kernel(BertHead head, BertHeadGradient gradient)
{
  __shared__ Panel a, b;
  BertDecisionPlace place = head.places[blockIdx.z];
  if (blockIdx.y * TILE >= place.length)
    return;
  size_t h = head.h, length = place.length;
  float sums[EACH][EACH] = {};
  Factors read = {head.attention + place.attention,
                  gradient.d_read + place.action_row * h,
                  1,
                  length,
                  h,
                  1,
                  place.n_actions};
  Factors scores = {gradient.d_attention + place.attention,
                    head.scaled + place.action_row * h,
                    1,
                    length,
                    h,
                    1,
                    place.n_actions};
  add_product<true, false>(read, place.length, head.h, a, b, sums);
  add_product<true, false>(scores, place.length, head.h, a, b, sums);
  store_product(gradient.d_states + place.state_offset * h, h, place.length, head.h, nullptr, sums);
}

/* ---- values and collection ---- */

static __global__ void __launch_bounds__(THREADS) value_input_kernel(BertHead head)
{
  const float *from = head.states + (size_t)head.places[blockIdx.x].state_row * head.h;
  for (uint32_t column = 8 * threadIdx.x; column < head.h; column += 8 * THREADS)
    bert_store8(head.value_input + (size_t)blockIdx.x * head.h + column, bert_load8(from + column));
}

static __global__ void __launch_bounds__(THREADS)
    values_kernel(BertHead head, uint32_t n_hidden, float *values)
{
  __shared__ float scratch[BERT_WARP];
  float total = 0;
  for (uint32_t i = threadIdx.x; i < n_hidden; i += THREADS) {
    float *at = head.value_hidden + (size_t)blockIdx.x * n_hidden + i, x = *at + head.value_hidden_bias[i];
    x = x < 0 ? LEAKY_SLOPE * x : x;
    *at = x;
    total += x * head.value_output_weight[i];
  }
  total = bert_block_sum(total, scratch);
  if (threadIdx.x == 0)
    values[blockIdx.x] = total + head.value_output_bias[0];
}

static __global__ void __launch_bounds__(THREADS)
    values_backward_kernel(BertHead head, uint32_t n_hidden, BertHeadGradient gradient)
{
  for (uint32_t i = threadIdx.x; i < n_hidden; i += THREADS) {
    size_t at = (size_t)blockIdx.x * n_hidden + i;
    float slope = head.value_hidden[at] > 0 ? 1.0f : LEAKY_SLOPE;
    gradient.d_value_hidden[at] = gradient.d_values[blockIdx.x] * head.value_output_weight[i] * slope;
  }
}

/* A row of the batch collects what the uses of its text gave, in order. */
template <class T>
static __global__ void __launch_bounds__(THREADS)
    collect_kernel(BertHead head, BertHeadGradient gradient, T *d_hidden)
{
  uint32_t h = head.h, row = blockIdx.x, text = head.row_text[row], within = row - head.text_start[text];
  uint32_t first = head.use_start[text], last = head.use_start[text + 1];
  for (uint32_t column = 8 * threadIdx.x; column < h; column += 8 * THREADS) {
    Bert8 total = {}, memory = bert_load8(head.memory_weight + column);
    for (uint32_t use = first; use < last; use++) {
      uint32_t user = head.uses[use];
      if (user < head.n_pairs) {
        Bert8 d = bert_load8(gradient.d_actions + (size_t)(head.pair_start[user] + within) * h + column);
#pragma unroll
        for (int i = 0; i < 8; i++)
          total.x[i] += d.x[i];
        continue;
      }
      uint32_t decision = user - head.n_pairs, state = head.places[decision].state_offset + within;
      Bert8 d = bert_load8(gradient.d_states + (size_t)state * h + column);
      float own = gradient.totals[state];
#pragma unroll
      for (int i = 0; i < 8; i++)
        total.x[i] += d.x[i] + own * memory.x[i];
      if (gradient.d_value_input && within == 0) {
        d = bert_load8(gradient.d_value_input + (size_t)decision * h + column);
#pragma unroll
        for (int i = 0; i < 8; i++)
          total.x[i] += d.x[i];
      }
    }
    bert_store8(d_hidden + (size_t)row * h + column, total);
  }
}

static __global__ void __launch_bounds__(THREADS) add_sum_kernel(uint32_t n, const float *x, float *y)
{
  __shared__ float scratch[BERT_WARP];
  float total = 0;
  for (uint32_t i = threadIdx.x; i < n; i += THREADS)
    total += x[i];
  total = bert_block_sum(total, scratch);
  if (threadIdx.x == 0)
    *y += total;
}

/* ---- launches ---- */

static unsigned tiles(uint32_t n)
{
  return (n + TILE - 1) / TILE;
}

extern "C" void bert_head_read(cudaStream_t stream, const BertHead *head)
{
  dim3 by_states(tiles(head->longest_state), tiles(head->most_actions), head->n_decisions);
  dim3 by_columns(tiles(head->h), tiles(head->most_actions), head->n_decisions);
  BERT_LAUNCH(actions_kernel, dim3(head->n_action_rows), dim3(THREADS), 0, stream, *head);
  BERT_LAUNCH(memory_scores_kernel, dim3((head->n_rows + 3) / 4), dim3(THREADS), 0, stream, *head);
  BERT_LAUNCH(actions_by_states_kernel, by_states, dim3(256), 0, stream, *head, head->scaled,
              head->memory_scores, head->attention);
  BERT_LAUNCH(softmax_kernel, dim3(head->n_action_rows), dim3(THREADS), 0, stream, *head);
  BERT_LAUNCH(states_by_attention_kernel, by_columns, dim3(256), 0, stream, *head, head->attention,
              head->read);
  BERT_LAUNCH(features_kernel, dim3(head->n_pairs), dim3(THREADS), 0, stream, *head);
}

extern "C" void bert_head_logits(cudaStream_t stream, const BertHead *head, float *logits)
{
  BERT_LAUNCH(logits_kernel, dim3(head->n_pairs), dim3(THREADS), 0, stream, *head, logits);
  BERT_LAUNCH(value_input_kernel, dim3(head->n_decisions), dim3(THREADS), 0, stream, *head);
}

extern "C" void bert_head_values(cudaStream_t stream, const BertHead *head, uint32_t n_hidden, float *values)
{
  BERT_LAUNCH(values_kernel, dim3(head->n_decisions), dim3(THREADS), 0, stream, *head, n_hidden, values);
}

extern "C" void bert_head_logits_backward(cudaStream_t stream, const BertHead *head,
                                          const BertHeadGradient *gradient)
{
  BERT_LAUNCH(logits_backward_kernel, dim3(head->n_pairs), dim3(THREADS), 0, stream, *head, *gradient);
}

extern "C" void bert_head_values_backward(cudaStream_t stream, const BertHead *head, uint32_t n_hidden,
                                          const BertHeadGradient *gradient)
{
  BERT_LAUNCH(values_backward_kernel, dim3(head->n_decisions), dim3(THREADS), 0, stream, *head, n_hidden,
              *gradient);
}

extern "C" void bert_head_read_backward(cudaStream_t stream, const BertHead *head,
                                        const BertHeadGradient *gradient)
{
  dim3 by_states(tiles(head->longest_state), tiles(head->most_actions), head->n_decisions);
  dim3 by_columns(tiles(head->h), tiles(head->most_actions), head->n_decisions);
  dim3 states_by_columns(tiles(head->h), tiles(head->longest_state), head->n_decisions);
  const float *none = nullptr;
  BERT_LAUNCH(features_backward_kernel, dim3(head->n_pairs), dim3(THREADS), 0, stream, *head, *gradient);
  BERT_LAUNCH(actions_by_states_kernel, by_states, dim3(256), 0, stream, *head, gradient->d_read, none,
              gradient->d_attention);
  BERT_LAUNCH(softmax_backward_kernel, dim3(head->n_action_rows), dim3(THREADS), 0, stream, *head, *gradient);
  BERT_LAUNCH(states_by_attention_kernel, by_columns, dim3(256), 0, stream, *head, gradient->d_attention,
              gradient->through);
  BERT_LAUNCH(scores_backward_kernel, dim3(head->n_action_rows), dim3(THREADS), 0, stream, *head, *gradient);
  BERT_LAUNCH(states_backward_kernel, states_by_columns, dim3(256), 0, stream, *head, *gradient);
  BERT_LAUNCH(totals_kernel, dim3((head->longest_state + THREADS - 1) / THREADS, head->n_decisions),
              dim3(THREADS), 0, stream, *head, *gradient);
}

extern "C" void bert_head_collect(cudaStream_t stream, int bf16, const BertHead *head,
                                  const BertHeadGradient *gradient, void *d_hidden)
{
  if (bf16)
    BERT_LAUNCH(collect_kernel<BertBf16>, dim3(head->n_rows), dim3(THREADS), 0, stream, *head, *gradient,
                static_cast<BertBf16 *>(d_hidden));
  else
    BERT_LAUNCH(collect_kernel<float>, dim3(head->n_rows), dim3(THREADS), 0, stream, *head, *gradient,
                static_cast<float *>(d_hidden));
}

extern "C" void bert_add_sum(cudaStream_t stream, uint32_t n, const float *x, float *y)
{
  BERT_LAUNCH(add_sum_kernel, dim3(1), dim3(THREADS), 0, stream, n, x, y);
}
