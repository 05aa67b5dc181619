/* The kernels of arithmetic.h, written once. A file that includes this defines
 * BERT_ISA (a name), BERT_LANES (floats in a vector register) and BERT_TILE (rows of the
 * register tile), after choosing the instruction set. Compiled with -O3 and
 * floating-point rules relaxed so that sums vectorise; but NaN and infinity keep their meaning: what is not finite
 * must reach the logits or the gradients, where others look for it. */
#include "arithmetic.h"
#include <math.h>
#include <string.h>
#if BERT_LANES > 4 && !defined(BERT_PORTABLE)
#include <immintrin.h>
#endif

#define LANES BERT_LANES
#define TILE  BERT_TILE
#define PANEL (2 * LANES)
/* A block of k: PANEL * BLOCK_K floats of b stay in the first-level cache while tiles of a pass by. */
#define BLOCK_K 256
#define BLOCK_M 192

typedef float Vector __attribute__((vector_size(LANES * 4)));
typedef gint32 IntegerVector __attribute__((vector_size(LANES * 4)));
typedef float UnalignedVector __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

static inline Vector load(const float *p)
{
  return *(const UnalignedVector *)p;
}

static inline void store(float *p, Vector v)
{
  *(UnalignedVector *)p = v;
}

/* k is cut into equal blocks of at most BLOCK_K. */
static inline gsize block_of(gsize k)
{
  gsize n_blocks = (k + BLOCK_K - 1) / BLOCK_K;
  return n_blocks > 1 ? (k + n_blocks - 1) / n_blocks : k;
}

static gsize packed_size(gsize k, gsize n)
{
  return k * ((n + PANEL - 1) / PANEL) * PANEL;
}

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define HAS_SHUFFLES 1
#endif
#endif

#ifdef HAS_SHUFFLES
/* Four rows of k floats, `stride` apart, become four columns of a panel. */
static inline void transpose_four(gsize k, const float *rows, ptrdiff_t stride, float *panel)
{
  typedef float Four __attribute__((vector_size(16)));
  typedef float UnalignedFour __attribute__((vector_size(16), aligned(4), may_alias));
  gsize p = 0;
  for (; p + 4 <= k; p += 4) {
    Four a = *(const UnalignedFour *)(rows + p), b = *(const UnalignedFour *)(rows + stride + p);
    Four c = *(const UnalignedFour *)(rows + 2 * stride + p), d = *(const UnalignedFour *)(rows + 3 * stride + p);
    Four ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    Four cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    *(UnalignedFour *)(panel + p * PANEL) = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
    *(UnalignedFour *)(panel + (p + 1) * PANEL) = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
    *(UnalignedFour *)(panel + (p + 2) * PANEL) = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
    *(UnalignedFour *)(panel + (p + 3) * PANEL) = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
  }
  for (; p < k; p++)
    for (ptrdiff_t i = 0; i < 4; i++)
      panel[p * PANEL + i] = rows[i * stride + (ptrdiff_t)p];
}
#endif

/* Rows first .. first+k-1 of columns column .. column+width-1 of b as k rows of PANEL, zero filled. */
static inline void pack_panel(gsize k, gsize width, BertView b, gsize first, gsize column, float *panel)
{
  const float *source = b.data + (ptrdiff_t)first * b.row_stride + (ptrdiff_t)column * b.column_stride;
  if (width < PANEL)
    memset(panel, 0, k * PANEL * sizeof *panel);
  if (b.column_stride == 1) {
    if (width == PANEL)
      for (gsize p = 0; p < k; p++) {
        store(panel + p * PANEL, load(source + (ptrdiff_t)p * b.row_stride));
        store(panel + p * PANEL + LANES, load(source + (ptrdiff_t)p * b.row_stride + LANES));
      }
    else
      for (gsize p = 0; p < k; p++)
        memcpy(panel + p * PANEL, source + (ptrdiff_t)p * b.row_stride, width * sizeof *panel);
    return;
  }
  gsize j = 0;
#ifdef HAS_SHUFFLES
  if (b.row_stride == 1)
    for (; j + 4 <= width; j += 4)
      transpose_four(k, source + (ptrdiff_t)j * b.column_stride, b.column_stride, panel + j);
#endif
  for (; j < width; j++) {
    const float *from = source + (ptrdiff_t)j * b.column_stride;
    for (gsize p = 0; p < k; p++)
      panel[p * PANEL + j] = from[(ptrdiff_t)p * b.row_stride];
  }
}

static void pack(gsize k, gsize n, BertView b, gsize first, gsize last, float *packed)
{
  gsize block = block_of(k), n_panels = (n + PANEL - 1) / PANEL;
  for (gsize k0 = 0; k0 < k; k0 += block) {
    gsize depth = MIN(block, k - k0);
    for (gsize panel = first; panel < last; panel++)
      pack_panel(depth, MIN((gsize)PANEL, n - panel * PANEL), b, k0, panel * PANEL,
                 packed + k0 * n_panels * PANEL + panel * depth * PANEL);
  }
}

/* `count` (at most TILE) rows of a as k columns of TILE. */
static inline void pack_rows(gsize k, gsize count, const float *a, BertView view, float *packed)
{
  if (view.row_stride == 1 && count == TILE) {
    for (gsize p = 0; p < k; p++)
      memcpy(packed + p * TILE, a + (ptrdiff_t)p * view.column_stride, TILE * sizeof *packed);
    return;
  }
  for (gsize p = 0; p < k; p++)
    for (gsize i = 0; i < count; i++)
      packed[p * TILE + i] = a[(ptrdiff_t)i * view.row_stride + (ptrdiff_t)p * view.column_stride];
}

/* c (rows x PANEL) = start + a (rows x k) panel (k x PANEL); start is c, the bias or zero. */
static inline __attribute__((always_inline)) void tile_of(const int rows, gsize k, const float *a, ptrdiff_t row_stride,
                                                          ptrdiff_t column_stride, const float *panel, float *c,
                                                          gsize c_stride, const float *bias, gboolean accumulate)
{
  Vector sum[TILE][2];
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++) {
    const float *start = accumulate ? c + (gsize)i * c_stride : bias;
    sum[i][0] = start ? load(start) : (Vector){0};
    sum[i][1] = start ? load(start + LANES) : (Vector){0};
  }
  for (gsize p = 0; p < k; p++) {
    Vector left = *(const Vector *)(panel + p * PANEL), right = *(const Vector *)(panel + p * PANEL + LANES);
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
      float x = a[i * row_stride + (ptrdiff_t)p * column_stride];
      sum[i][0] += x * left;
      sum[i][1] += x * right;
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++) {
    store(c + (gsize)i * c_stride, sum[i][0]);
    store(c + (gsize)i * c_stride + LANES, sum[i][1]);
  }
}

static void tile(gsize rows, gsize k, const float *a, ptrdiff_t row_stride, ptrdiff_t column_stride, const float *panel,
                 float *c, gsize c_stride, const float *bias, gboolean accumulate)
{
#define CASE(n)                                                                                                        \
  case n:                                                                                                              \
    tile_of(n, k, a, row_stride, column_stride, panel, c, c_stride, bias, accumulate);                                 \
    break;
  switch (rows) {
    CASE(1)
    CASE(2)
    CASE(3)
    CASE(4)
#if TILE >= 6
    CASE(5)
    CASE(6)
#endif
#if TILE >= 12
    CASE(7)
    CASE(8)
    CASE(9)
    CASE(10)
    CASE(11)
    CASE(12)
#endif
  }
#undef CASE
}

/* A tile at the right edge, where only `width` columns of c exist. */
static void edge_tile(gsize rows, gsize width, gsize k, const float *a, ptrdiff_t row_stride, ptrdiff_t column_stride,
                      const float *panel, float *c, gsize c_stride, const float *bias, gboolean accumulate)
{
  float whole[TILE * PANEL], wide_bias[PANEL] = {0};
  if (bias)
    memcpy(wide_bias, bias, width * sizeof *bias);
  if (accumulate) {
    memset(whole, 0, sizeof whole);
    for (gsize i = 0; i < rows; i++)
      memcpy(whole + i * PANEL, c + i * c_stride, width * sizeof *c);
  }
  tile(rows, k, a, row_stride, column_stride, panel, whole, PANEL, bias ? wide_bias : NULL, accumulate);
  for (gsize i = 0; i < rows; i++)
    memcpy(c + i * c_stride, whole + i * PANEL, width * sizeof *c);
}

/* b is `packed` if that is not NULL, else `view`. */
static inline void product(gsize m, gsize n, gsize k, BertView a, BertView view, const float *packed, float *c,
                           gsize c_stride, const float *bias, gboolean accumulate, float *scratch)
{
  gsize block = block_of(k), n_panels = (n + PANEL - 1) / PANEL;
  float *panel_scratch = scratch, *row_scratch = scratch + BLOCK_K * PANEL;
  /* Rows of a are read in place when consecutive k are neighbours; else they are packed once per block. */
  gboolean copies_rows = a.column_stride != 1 && n > PANEL;
  if (k == 0 && !accumulate)
    for (gsize i = 0; i < m; i++)
      for (gsize j = 0; j < n; j++)
        c[i * c_stride + j] = bias ? bias[j] : 0;
  for (gsize i0 = 0; i0 < m; i0 += BLOCK_M) {
    gsize count = MIN((gsize)BLOCK_M, m - i0);
    for (gsize k0 = 0; k0 < k; k0 += block) {
      gsize depth = MIN(block, k - k0);
      gboolean adds = accumulate || k0 > 0;
      const float *first_row = a.data + (ptrdiff_t)i0 * a.row_stride + (ptrdiff_t)k0 * a.column_stride;
      if (copies_rows)
        for (gsize i = 0; i < count; i += TILE)
          pack_rows(depth, MIN((gsize)TILE, count - i), first_row + (ptrdiff_t)i * a.row_stride, a,
                    row_scratch + i * depth);
      for (gsize j = 0; j < n_panels; j++) {
        gsize width = MIN((gsize)PANEL, n - j * PANEL);
        const float *panel = packed + k0 * n_panels * PANEL + j * depth * PANEL;
        if (!packed) {
          pack_panel(depth, width, view, k0, j * PANEL, panel_scratch);
          panel = panel_scratch;
        }
        for (gsize i = 0; i < count; i += TILE) {
          gsize rows = MIN((gsize)TILE, count - i);
          const float *left = copies_rows ? row_scratch + i * depth : first_row + (ptrdiff_t)i * a.row_stride;
          ptrdiff_t row_stride = copies_rows ? 1 : a.row_stride, column_stride = copies_rows ? TILE : a.column_stride;
          float *corner = c + (i0 + i) * c_stride + j * PANEL;
          const float *start = bias ? bias + j * PANEL : NULL;
          if (width == PANEL)
            tile(rows, depth, left, row_stride, column_stride, panel, corner, c_stride, start, adds);
          else
            edge_tile(rows, width, depth, left, row_stride, column_stride, panel, corner, c_stride, start, adds);
        }
      }
    }
  }
}

static void gemm(gsize m, gsize n, gsize k, BertView a, BertView b, float *c, gsize c_stride, const float *bias,
                 gboolean accumulate, float *scratch)
{
  product(m, n, k, a, b, NULL, c, c_stride, bias, accumulate, scratch);
}

static void gemm_packed(gsize m, gsize n, gsize k, BertView a, const float *packed, float *c, gsize c_stride,
                        const float *bias, gboolean accumulate, float *scratch)
{
  product(m, n, k, a, (BertView){0}, packed, c, c_stride, bias, accumulate, scratch);
}

static float layer_norm(gsize n, const float *x, const float *residual, const float *weight, const float *bias,
                        float epsilon, float *normalised, float *output)
{
  float total = 0, squares = 0;
  if (residual) {
    for (gsize i = 0; i < n; i++) {
      output[i] = x[i] + residual[i];
      total += output[i];
    }
  } else {
    for (gsize i = 0; i < n; i++) {
      output[i] = x[i];
      total += output[i];
    }
  }
  float mean = total / (float)n;
  for (gsize i = 0; i < n; i++) {
    float difference = output[i] - mean;
    squares += difference * difference;
  }
  float inverse = 1.0f / sqrtf(squares / (float)n + epsilon);
  /* Two loops, whether or not the normalised row is wanted, so that both round alike. */
  float *middle = normalised ? normalised : output;
  for (gsize i = 0; i < n; i++)
    middle[i] = (output[i] - mean) * inverse;
  for (gsize i = 0; i < n; i++)
    output[i] = middle[i] * weight[i] + bias[i];
  return inverse;
}

static void layer_norm_backward(gsize n, const float *d_output, const float *normalised, const float *weight,
                                float inverse_deviation, float *d_x, float *d_weight, float *d_bias)
{
  float total = 0, projection = 0;
  for (gsize i = 0; i < n; i++) {
    float d = d_output[i];
    d_weight[i] += d * normalised[i];
    d_bias[i] += d;
    total += d * weight[i];
    projection += d * weight[i] * normalised[i];
  }
  total /= (float)n;
  projection /= (float)n;
  for (gsize i = 0; i < n; i++)
    d_x[i] = inverse_deviation * (d_output[i] * weight[i] - total - normalised[i] * projection);
}

/* e^x for x <= 0 to a relative error of 2e-7, and 0 below -87.3: x = n ln 2 + r with |r| <= ln 2 / 2, a polynomial in r
 * (Cephes' expf), and n put into the exponent. The limit is a matter of n and not of x, so that NaN passes through. */
static inline float exponential(float x)
{
  gint32 whole = (gint32)(x * 1.44269504f - 0.5f);
  float n = (float)whole;
  float r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  float y = 1.9875691500e-4f;
  y = y * r + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = y * r * r + r + 1.0f;
  union {
    gint32 bits;
    float value;
  } power = {.bits = whole < -126 ? 0 : (whole + 127) << 23};
  return y * power.value;
}

/* Activations are made in stretches: first what output and derivative share, then each of them in a loop of its
 * own, so that the output does not depend on whether the derivative is wanted. */
#define STRETCH 256

/* The normal distribution function and density. The upper tail of erf is
 * Abramowitz and Stegun 7.1.26 (absolute error 1.5e-7), which needs the same exponential as the density. */
static inline void normal(gsize n, const float *x, float *distribution, float *density)
{
  for (gsize i = 0; i < n; i++) {
    float value = x[i], size = fabsf(value) * 0.70710678f;
    float t = 1.0f / (1.0f + 0.3275911f * size);
    float e = exponential(-size * size);
    float tail = ((((1.061405429f * t - 1.453152027f) * t + 1.421413741f) * t - 0.284496736f) * t + 0.254829592f) * t;
    float half = 0.5f * tail * e;
    distribution[i] = value < 0 ? half : 1.0f - half;
    density[i] = 0.39894228f * e;
  }
}

/* x's share in gelu_tanh, and the share's derivative. */
static inline void tanh_share(gsize n, const float *x, float *share, float *slope)
{
  for (gsize i = 0; i < n; i++) {
    float value = x[i], square = value * value;
    float inner = 1.5957691216f * value * (1.0f + 0.044715f * square); /* twice the argument of tanh */
    float e = exponential(-fabsf(inner));
    float tail = e / (1.0f + e); /* (1 - tanh) / 2 of the magnitude */
    share[i] = value < 0 ? tail : 1.0f - tail;
    slope[i] = tail * (1.0f - tail) * 1.5957691216f * (1.0f + 0.134145f * square);
  }
}

static inline void combine(gsize n, const float *x, const float *share, const float *slope, float *output,
                           float *derivative)
{
  float products[STRETCH];
  for (gsize i = 0; i < n; i++)
    products[i] = x[i] * share[i];
  if (derivative)
    for (gsize i = 0; i < n; i++)
      derivative[i] = share[i] + x[i] * slope[i];
  memcpy(output, products, n * sizeof *output);
}

static void gelu(gsize n, const float *x, float *output, float *derivative)
{
  float share[STRETCH], slope[STRETCH];
  for (gsize i = 0; i < n; i += STRETCH) {
    gsize count = MIN((gsize)STRETCH, n - i);
    normal(count, x + i, share, slope);
    combine(count, x + i, share, slope, output + i, derivative ? derivative + i : NULL);
  }
}

static void gelu_tanh(gsize n, const float *x, float *output, float *derivative)
{
  float share[STRETCH], slope[STRETCH];
  for (gsize i = 0; i < n; i += STRETCH) {
    gsize count = MIN((gsize)STRETCH, n - i);
    tanh_share(count, x + i, share, slope);
    combine(count, x + i, share, slope, output + i, derivative ? derivative + i : NULL);
  }
}

/* The largest element, lane by lane: a loop over single elements would not vectorise where NaN counts. */
static inline float largest_of(gsize n, const float *x)
{
  float largest = x[0];
  gsize i = 0;
  if (n >= LANES) {
    Vector lanes = load(x);
    for (i = LANES; i + LANES <= n; i += LANES) {
      Vector next = load(x + i);
      IntegerVector greater = next > lanes;
      lanes = (Vector)(((IntegerVector)next & greater) | ((IntegerVector)lanes & ~greater));
    }
    for (gsize j = 0; j < LANES; j++)
      largest = lanes[j] > largest ? lanes[j] : largest;
  }
  for (; i < n; i++)
    largest = x[i] > largest ? x[i] : largest;
  return largest;
}

static void softmax(gsize n, float scale, float *x)
{
  float largest = largest_of(n, x), total = 0;
  for (gsize i = 0; i < n; i++) {
    x[i] = exponential(scale * (x[i] - largest));
    total += x[i];
  }
  float inverse = 1.0f / total;
  for (gsize i = 0; i < n; i++)
    x[i] *= inverse;
}

/* `exponential`, in all lanes. */
static inline Vector exponential_lanes(Vector x)
{
  IntegerVector whole = __builtin_convertvector(x * 1.44269504f - 0.5f, IntegerVector);
  Vector n = __builtin_convertvector(whole, Vector);
  Vector r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  Vector y = 1.9875691500e-4f * r + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = y * r * r + r + 1.0f;
  return y * (Vector)(((whole + 127) << 23) & (whole >= -126));
}

static inline float sum_of_lanes(Vector x)
{
  float lanes[LANES];
  store(lanes, x);
  for (gsize half = LANES / 2; half > 0; half /= 2)
    for (gsize i = 0; i < half; i++)
      lanes[i] += lanes[i + half];
  return lanes[0];
}

static inline float maximum_of_lanes(Vector x)
{
  float lanes[LANES];
  store(lanes, x);
  for (gsize half = LANES / 2; half > 0; half /= 2)
    for (gsize i = 0; i < half; i++)
      lanes[i] = lanes[i + half] > lanes[i] ? lanes[i + half] : lanes[i];
  return lanes[0];
}

static inline Vector select_lanes(IntegerVector mask, Vector yes, Vector no)
{
  return (Vector)(((IntegerVector)yes & mask) | ((IntegerVector)no & ~mask));
}

/* -1 in the first `count` lanes. */
static inline IntegerVector first_lanes(gint32 count)
{
  IntegerVector index;
  for (gint32 i = 0; i < LANES; i++)
    index[i] = i;
  return index < count;
}

static void softmax_rows(gsize n_rows, gsize n, gsize stride, float scale, float *x)
{
  gsize last = (n - 1) / LANES * LANES; /* where the last vector begins */
  IntegerVector inside = first_lanes((gint32)(n - last));
  for (gsize row = 0; row < n_rows; row++, x += stride) {
    Vector largest = select_lanes(inside, load(x + last), (Vector){0} + x[0]), total = {0};
    for (gsize i = 0; i < last; i += LANES) {
      Vector value = load(x + i);
      largest = select_lanes(value > largest, value, largest);
    }
    float top = maximum_of_lanes(largest);
    for (gsize i = 0; i < last; i += LANES) {
      Vector value = exponential_lanes((load(x + i) - top) * scale);
      store(x + i, value);
      total += value;
    }
    Vector tail = (Vector)((IntegerVector)exponential_lanes((load(x + last) - top) * scale) & inside);
    float inverse = 1.0f / sum_of_lanes(total + tail);
    for (gsize i = 0; i < last; i += LANES)
      store(x + i, load(x + i) * inverse);
    store(x + last, tail * inverse);
    for (gsize i = last + LANES; i < stride; i++)
      x[i] = 0;
  }
}

static void softmax_rows_backward(gsize n_rows, gsize n, gsize stride, float scale, const float *p, float *d_p)
{
  gsize last = (n - 1) / LANES * LANES;
  IntegerVector inside = first_lanes((gint32)(n - last));
  for (gsize row = 0; row < n_rows; row++, p += stride, d_p += stride) {
    Vector tail = (Vector)((IntegerVector)load(d_p + last) & inside), products = load(p + last) * tail;
    for (gsize i = 0; i < last; i += LANES)
      products += load(p + i) * load(d_p + i);
    float total = sum_of_lanes(products);
    for (gsize i = 0; i < last; i += LANES)
      store(d_p + i, load(p + i) * (load(d_p + i) - total) * scale);
    store(d_p + last, load(p + last) * (tail - total) * scale);
    for (gsize i = last + LANES; i < stride; i++)
      d_p[i] = 0;
  }
}

static void softmax_backward(gsize n, float scale, const float *p, float *d_p)
{
  float total = 0;
  for (gsize i = 0; i < n; i++)
    total += p[i] * d_p[i];
  for (gsize i = 0; i < n; i++)
    d_p[i] = scale * p[i] * (d_p[i] - total);
}

/* Sixteen Philox blocks, first_block and on: word w of block i goes to words[w][i]. */
#if LANES == 8 && !defined(BERT_PORTABLE)
/* Numbers lie in 64-bit lanes, whose upper halves may hold anything: the multiplication reads the lower ones. */
static inline void philox(guint32 key0, guint32 key1, guint32 first_block, guint32 place, guint64 text,
                          guint32 words[4][16])
{
  const __m256i multiplier0 = _mm256_set1_epi64x(0xD2511F53), multiplier1 = _mm256_set1_epi64x(0xCD9E8D57);
  const __m256i lower = _mm256_set_epi32(0, 0, 0, 0, 6, 4, 2, 0);
  /* Eight blocks fit into the registers. */
  for (guint32 half = 0; half < 16; half += 8) {
    guint32 round_key0 = key0, round_key1 = key1;
    __m256i c0[2], c1[2], c2[2], c3[2];
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
      c0[i] = _mm256_add_epi32(_mm256_set1_epi64x(first_block + half + 4 * (guint32)i), _mm256_set_epi64x(3, 2, 1, 0));
      c1[i] = _mm256_set1_epi64x(place);
      c2[i] = _mm256_set1_epi64x((guint32)text);
      c3[i] = _mm256_set1_epi64x((gint64)(text >> 32));
    }
#pragma GCC unroll 10
    for (int round = 0; round < 10; round++) {
      __m256i wide_key0 = _mm256_set1_epi64x(round_key0), wide_key1 = _mm256_set1_epi64x(round_key1);
#pragma GCC unroll 2
      for (int i = 0; i < 2; i++) {
        __m256i product0 = _mm256_mul_epu32(c0[i], multiplier0), product1 = _mm256_mul_epu32(c2[i], multiplier1);
        c0[i] = _mm256_xor_si256(_mm256_srli_epi64(product1, 32), _mm256_xor_si256(c1[i], wide_key0));
        c2[i] = _mm256_xor_si256(_mm256_srli_epi64(product0, 32), _mm256_xor_si256(c3[i], wide_key1));
        c1[i] = product1;
        c3[i] = product0;
      }
      round_key0 += 0x9E3779B9u;
      round_key1 += 0xBB67AE85u;
    }
#pragma GCC unroll 2
    for (guint32 i = 0; i < 2; i++) {
      guint32 at = half + 4 * i;
      _mm_storeu_si128((void *)&words[0][at], _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(c0[i], lower)));
      _mm_storeu_si128((void *)&words[1][at], _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(c1[i], lower)));
      _mm_storeu_si128((void *)&words[2][at], _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(c2[i], lower)));
      _mm_storeu_si128((void *)&words[3][at], _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(c3[i], lower)));
    }
  }
}
#elif LANES == 16 && !defined(BERT_PORTABLE)
static inline void philox(guint32 key0, guint32 key1, guint32 first_block, guint32 place, guint64 text,
                          guint32 words[4][16])
{
  __m512i c0[2], c1[2], c2[2], c3[2];
  const __m512i multiplier0 = _mm512_set1_epi64(0xD2511F53), multiplier1 = _mm512_set1_epi64(0xCD9E8D57);
#pragma GCC unroll 2
  for (int i = 0; i < 2; i++) {
    c0[i] = _mm512_add_epi32(_mm512_set1_epi64(first_block + 8 * (guint32)i), _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0));
    c1[i] = _mm512_set1_epi64(place);
    c2[i] = _mm512_set1_epi64((guint32)text);
    c3[i] = _mm512_set1_epi64((gint64)(text >> 32));
  }
  for (int round = 0; round < 10; round++) {
    __m512i round_key0 = _mm512_set1_epi64(key0), round_key1 = _mm512_set1_epi64(key1);
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
      __m512i product0 = _mm512_mul_epu32(c0[i], multiplier0), product1 = _mm512_mul_epu32(c2[i], multiplier1);
      c0[i] = _mm512_xor_si512(_mm512_xor_si512(_mm512_srli_epi64(product1, 32), c1[i]), round_key0);
      c2[i] = _mm512_xor_si512(_mm512_xor_si512(_mm512_srli_epi64(product0, 32), c3[i]), round_key1);
      c1[i] = product1;
      c3[i] = product0;
    }
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; i++) {
    _mm256_storeu_si256((void *)&words[0][8 * i], _mm512_cvtepi64_epi32(c0[i]));
    _mm256_storeu_si256((void *)&words[1][8 * i], _mm512_cvtepi64_epi32(c1[i]));
    _mm256_storeu_si256((void *)&words[2][8 * i], _mm512_cvtepi64_epi32(c2[i]));
    _mm256_storeu_si256((void *)&words[3][8 * i], _mm512_cvtepi64_epi32(c3[i]));
  }
}
#else
static inline void philox(guint32 key0, guint32 key1, guint32 first_block, guint32 place, guint64 text,
                          guint32 words[4][16])
{
  guint32 *c0 = words[0], *c1 = words[1], *c2 = words[2], *c3 = words[3];
  for (int i = 0; i < 16; i++) {
    c0[i] = first_block + (guint32)i;
    c1[i] = place;
    c2[i] = (guint32)text;
    c3[i] = (guint32)(text >> 32);
  }
  for (int round = 0; round < 10; round++) {
    for (int i = 0; i < 16; i++) {
      guint64 product0 = (guint64)0xD2511F53u * c0[i], product1 = (guint64)0xCD9E8D57u * c2[i];
      c0[i] = (guint32)(product1 >> 32) ^ c1[i] ^ key0;
      c2[i] = (guint32)(product0 >> 32) ^ c3[i] ^ key1;
      c1[i] = (guint32)product1;
      c3[i] = (guint32)product0;
    }
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
}
#endif

static const guint16 *dropout_bits(const BertDropout *dropout, guint32 place, guint64 text, gsize first, gsize n,
                                   guint16 *buffer)
{
  gsize group = first / BERT_DROPOUT_GROUP, last = (first + n + BERT_DROPOUT_GROUP - 1) / BERT_DROPOUT_GROUP;
  for (gsize g = group; g < last; g++) {
    guint32 words[4][16];
    philox(dropout->seed, dropout->forward, (guint32)(16 * g), place, text, words);
    guint16 *to = buffer + (g - group) * BERT_DROPOUT_GROUP;
#if G_BYTE_ORDER == G_LITTLE_ENDIAN
    memcpy(to, words, sizeof words);
#else
    for (int w = 0; w < 4; w++)
      for (int i = 0; i < 16; i++) {
        to[32 * w + 2 * i] = (guint16)words[w][i];
        to[32 * w + 2 * i + 1] = (guint16)(words[w][i] >> 16);
      }
#endif
  }
  return buffer + first % BERT_DROPOUT_GROUP;
}

static void dropout_apply(gsize n, const BertDropout *dropout, const guint16 *bits, const float *x, float *output)
{
  gint32 threshold = (gint32)dropout->threshold;
  float scale = dropout->scale;
  for (gsize i = 0; i < n; i++)
    output[i] = (gint32)bits[i] < threshold ? 0.0f : x[i] * scale;
}

static void add(gsize n, const float *x, float *y)
{
  for (gsize i = 0; i < n; i++)
    y[i] += x[i];
}

static void add_scaled(gsize n, float a, const float *x, float *y)
{
  for (gsize i = 0; i < n; i++)
    y[i] += a * x[i];
}

static void multiply(gsize n, const float *x, const float *y, float *z)
{
  for (gsize i = 0; i < n; i++)
    z[i] = x[i] * y[i];
}

static void multiply_add(gsize n, const float *x, const float *y, float *z)
{
  for (gsize i = 0; i < n; i++)
    z[i] += x[i] * y[i];
}

static float dot(gsize n, const float *x, const float *y)
{
  float total = 0;
  for (gsize i = 0; i < n; i++)
    total += x[i] * y[i];
  return total;
}

static float sum(gsize n, const float *x)
{
  float total = 0;
  for (gsize i = 0; i < n; i++)
    total += x[i];
  return total;
}

static float maximum(gsize n, const float *x, gsize *where)
{
  float largest = largest_of(n, x);
  gsize i = 0;
  while (i + 1 < n && x[i] != largest)
    i++;
  *where = i;
  return largest;
}

static double sum_of_squares(gsize n, const float *x)
{
  double total = 0;
  for (gsize i = 0; i < n; i++)
    total += (double)x[i] * (double)x[i];
  return total;
}

static void adamw(gsize n, const BertAdamW *step, float *weights, float *gradient, float *moment1, float *moment2)
{
  float keep1 = step->beta1, keep2 = step->beta2, take1 = step->rest1, take2 = step->rest2;
  float shrink = 1.0f - step->learning_rate * step->weight_decay, rate = step->learning_rate / step->correction1;
  float root = 1.0f / step->root_of_correction2, epsilon = step->epsilon, scale = step->gradient_scale;
  for (gsize i = 0; i < n; i++) {
    float g = gradient[i] * scale;
    float m = keep1 * moment1[i] + take1 * g;
    float v = keep2 * moment2[i] + take2 * g * g;
    gradient[i] = 0;
    moment1[i] = m;
    moment2[i] = v;
    weights[i] = weights[i] * shrink - rate * m / (sqrtf(v) * root + epsilon);
  }
}

#define TABLE_NAME(isa)  bert_kernels_##isa
#define TABLE_NAMED(isa) TABLE_NAME(isa)
#define TEXT_OF(isa)     #isa
#define TEXT(isa)        TEXT_OF(isa)

extern const BertKernels TABLE_NAMED(BERT_ISA);
const BertKernels TABLE_NAMED(BERT_ISA) = {
    .name = TEXT(BERT_ISA),
    .tile_rows = TILE,
    .panel_columns = PANEL,
    .gemm_scratch = BLOCK_K * PANEL + BLOCK_K * BLOCK_M,
    .packed_size = packed_size,
    .pack = pack,
    .gemm = gemm,
    .gemm_packed = gemm_packed,
    .layer_norm = layer_norm,
    .layer_norm_backward = layer_norm_backward,
    .gelu = gelu,
    .gelu_tanh = gelu_tanh,
    .softmax = softmax,
    .softmax_backward = softmax_backward,
    .softmax_rows = softmax_rows,
    .softmax_rows_backward = softmax_rows_backward,
    .dropout_bits = dropout_bits,
    .dropout_apply = dropout_apply,
    .add = add,
    .add_scaled = add_scaled,
    .multiply = multiply,
    .multiply_add = multiply_add,
    .dot = dot,
    .maximum = maximum,
    .sum = sum,
    .sum_of_squares = sum_of_squares,
    .adamw = adamw,
};
