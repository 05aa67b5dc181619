/* bf16 numbers and the products of matrices of them. Part of arithmetic_body.h. The products follow `product` of
 * arithmetic_product.h block by block; what differs is how the two sides come into scratch memory: widened to floats
 * for the same register tile, or, with BERT_PAIRS, as pairs of consecutive k for an instruction that multiplies and
 * adds two at a time. */

/* Bits are rounded as whole numbers, so it is the same on every processor and flushes nothing. */
static inline BertHalf half_of(float x)
{
  union {
    float value;
    guint32 bits;
  } number = {.value = x};
  guint32 rounded = (number.bits + 0x7fffu + ((number.bits >> 16) & 1u)) >> 16;
  guint32 quiet = (number.bits >> 16) | 0x40u;
  return (BertHalf)((number.bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
}

static inline float float_of(BertHalf half)
{
  union {
    guint32 bits;
    float value;
  } number = {.bits = (guint32)half << 16};
  return number.value;
}

static void to_halves(gsize n, const float *x, BertHalf *halves)
{
  for (gsize i = 0; i < n; i++)
    halves[i] = half_of(x[i]);
}

static void from_halves(gsize n, const BertHalf *halves, float *x)
{
  for (gsize i = 0; i < n; i++)
    x[i] = float_of(halves[i]);
}

/* As block_of, and even: a pair is never cut. */
static inline gsize half_block_of(gsize k)
{
  return (block_of(k) + 1) / 2 * 2;
}

/* Rows of a block in scratch: an even number. */
static inline gsize half_depth(gsize k)
{
  return (k + 1) / 2 * 2;
}

static gsize packed_half_size(gsize k, gsize n)
{
  return half_depth(k) * ((n + PANEL - 1) / PANEL) * PANEL;
}

#ifdef BERT_PAIRS
typedef guint32 PairVector __attribute__((vector_size(LANES * 4)));
typedef PairVector UnalignedPairVector __attribute__((aligned(4), may_alias));
typedef guint32 Pair __attribute__((may_alias));

#ifdef BERT_MULTIPLY_PAIRS
#define multiply_pairs BERT_MULTIPLY_PAIRS
#else
static inline Vector multiply_pairs(Vector sum, PairVector a, PairVector b)
{
  return (Vector)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
}
#endif

/* The place of row p, column j in a packed panel. */
static inline gsize place_in_panel(gsize p, gsize j)
{
  return (p / 2 * PANEL + j) * 2 + p % 2;
}

/* `width` columns of k rows of b (row_stride apart) as pairs, zero filled. */
static inline void pair_panel(gsize k, gsize width, const BertHalf *b, ptrdiff_t row_stride, ptrdiff_t column_stride,
                              Pair *panel)
{
  for (gsize p = 0; p < k; p += 2) {
    const BertHalf *low = b + (ptrdiff_t)p * row_stride, *high = low + row_stride;
    Pair *to = panel + p / 2 * PANEL;
    gboolean both = p + 1 < k;
    for (gsize j = 0; j < width; j++)
      to[j] = low[(ptrdiff_t)j * column_stride] | (both ? (guint32)high[(ptrdiff_t)j * column_stride] << 16 : 0);
    for (gsize j = width; j < PANEL; j++)
      to[j] = 0;
  }
}

/* `count` rows of a as k/2 columns of TILE pairs. */
static inline void pair_rows(gsize k, gsize count, const BertHalf *a, ptrdiff_t row_stride, ptrdiff_t column_stride,
                             Pair *packed)
{
  for (gsize p = 0; p < k; p += 2)
    for (gsize i = 0; i < count; i++) {
      const BertHalf *low = a + (ptrdiff_t)i * row_stride + (ptrdiff_t)p * column_stride;
      packed[p / 2 * TILE + i] = low[0] | (p + 1 < k ? (guint32)low[column_stride] << 16 : 0);
    }
}

/* As tile_of. */
static inline __attribute__((always_inline)) void pair_tile_of(const int rows, gsize n_pairs, const Pair *a,
                                                               const Pair *panel, float *c, gsize c_stride,
                                                               const float *bias, gboolean accumulate)
{
  Vector sum[TILE][2];
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++) {
    const float *start = accumulate ? c + (gsize)i * c_stride : bias;
    sum[i][0] = start ? load(start) : (Vector){0};
    sum[i][1] = start ? load(start + LANES) : (Vector){0};
  }
  for (gsize p = 0; p < n_pairs; p++) {
    PairVector left = *(const UnalignedPairVector *)(panel + p * PANEL);
    PairVector right = *(const UnalignedPairVector *)(panel + p * PANEL + LANES);
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
      PairVector x = (PairVector){0} + a[p * TILE + (gsize)i];
      sum[i][0] = multiply_pairs(sum[i][0], x, left);
      sum[i][1] = multiply_pairs(sum[i][1], x, right);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++) {
    store(c + (gsize)i * c_stride, sum[i][0]);
    store(c + (gsize)i * c_stride + LANES, sum[i][1]);
  }
}

static void pair_tile(gsize rows, gsize n_pairs, const Pair *a, const Pair *panel, float *c, gsize c_stride,
                      const float *bias, gboolean accumulate)
{
#define CASE(n)                                                                                                        \
  case n:                                                                                                              \
    pair_tile_of(n, n_pairs, a, panel, c, c_stride, bias, accumulate);                                                 \
    break;
  switch (rows) {
    CASE(1)
    CASE(2)
    CASE(3)
    CASE(4)
    CASE(5)
    CASE(6)
    CASE(7)
    CASE(8)
    CASE(9)
    CASE(10)
    CASE(11)
    CASE(12)
  }
#undef CASE
}
#else

static inline gsize place_in_panel(gsize p, gsize j)
{
  return p * PANEL + j;
}

/* `width` columns of k rows of b as floats, zero filled. */
static inline void widen_panel(gsize k, gsize width, const BertHalf *b, ptrdiff_t row_stride, ptrdiff_t column_stride,
                               float *panel)
{
  for (gsize p = 0; p < k; p++) {
    const BertHalf *from = b + (ptrdiff_t)p * row_stride;
    if (width == PANEL && column_stride == 1) {
      for (gsize j = 0; j < PANEL; j++)
        panel[p * PANEL + j] = float_of(from[j]);
      continue;
    }
    for (gsize j = 0; j < PANEL; j++)
      panel[p * PANEL + j] = j < width ? float_of(from[(ptrdiff_t)j * column_stride]) : 0;
  }
}

/* `count` rows of a as floats: rows of k where a has them so, else k columns of TILE. */
static inline void widen_rows(gsize k, gsize count, const BertHalf *a, ptrdiff_t row_stride, ptrdiff_t column_stride,
                              float *wide)
{
  if (column_stride == 1) {
    for (gsize i = 0; i < count; i++)
      from_halves(k, a + (ptrdiff_t)i * row_stride, wide + i * k);
    return;
  }
  for (gsize p = 0; p < k; p++)
    for (gsize i = 0; i < count; i++)
      wide[p * TILE + i] = float_of(a[(ptrdiff_t)i * row_stride + (ptrdiff_t)p * column_stride]);
}
#endif

static void pack_half(gsize k, gsize n, BertView b, gsize first, gsize last, BertHalf *packed)
{
  gsize block = half_block_of(k), n_panels = (n + PANEL - 1) / PANEL;
  for (gsize k0 = 0; k0 < k; k0 += block) {
    gsize depth = MIN(block, k - k0), whole = half_depth(depth);
    for (gsize panel = first; panel < last; panel++) {
      BertHalf *to = packed + k0 * n_panels * PANEL + panel * whole * PANEL;
      gsize width = MIN((gsize)PANEL, n - panel * PANEL);
      if (width < PANEL || whole > depth)
        memset(to, 0, whole * PANEL * sizeof *to);
      const float *source = b.data + (ptrdiff_t)k0 * b.row_stride + (ptrdiff_t)(panel * PANEL) * b.column_stride;
      if (b.column_stride == 1)
        for (gsize p = 0; p < depth; p++)
          for (gsize j = 0; j < width; j++)
            to[place_in_panel(p, j)] = half_of(source[(ptrdiff_t)p * b.row_stride + (ptrdiff_t)j]);
      else
        for (gsize j = 0; j < width; j++)
          for (gsize p = 0; p < depth; p++)
            to[place_in_panel(p, j)] = half_of(source[(ptrdiff_t)p * b.row_stride + (ptrdiff_t)j * b.column_stride]);
    }
  }
}

/* The tiles of `count` rows (in row_scratch) and one panel: all columns exist, or `width` of them. */
static inline void half_tiles(gsize count, gsize width, gsize depth, gboolean is_row_major, const float *row_scratch,
                              const float *panel, float *corner, gsize c_stride, const float *bias, gboolean accumulate)
{
  for (gsize i = 0; i < count; i += TILE) {
    gsize rows = MIN((gsize)TILE, count - i);
    float whole[TILE * PANEL], wide_bias[PANEL] = {0}, *to = corner + i * c_stride;
    gsize stride = c_stride;
    const float *start = bias;
    if (width < PANEL) {
      if (bias) {
        memcpy(wide_bias, bias, width * sizeof *bias);
        start = wide_bias;
      }
      memset(whole, 0, sizeof whole);
      for (gsize r = 0; accumulate && r < rows; r++)
        memcpy(whole + r * PANEL, to + r * c_stride, width * sizeof *to);
      to = whole;
      stride = PANEL;
    }
#ifdef BERT_PAIRS
    (void)is_row_major;
    pair_tile(rows, depth / 2, (const Pair *)(row_scratch + i * (depth / 2)), (const Pair *)panel, to, stride, start,
              accumulate);
#else
    tile(rows, depth, row_scratch + i * depth, is_row_major ? (ptrdiff_t)depth : 1, is_row_major ? 1 : TILE, panel, to,
         stride, start, accumulate);
#endif
    if (width < PANEL)
      for (gsize r = 0; r < rows; r++)
        memcpy(corner + (i + r) * c_stride, whole + r * PANEL, width * sizeof *whole);
  }
}

/* b is `packed` if that is not NULL, else `view`. */
static inline void half_product(gsize m, gsize n, gsize k, BertHalfView a, BertHalfView view, const BertHalf *packed,
                                float *c, gsize c_stride, const float *bias, gboolean accumulate, float *scratch)
{
  gsize block = half_block_of(k), n_panels = (n + PANEL - 1) / PANEL;
  float *panel_scratch = scratch, *row_scratch = scratch + BLOCK_K * PANEL;
  if (k == 0 && !accumulate)
    for (gsize i = 0; i < m; i++)
      for (gsize j = 0; j < n; j++)
        c[i * c_stride + j] = bias ? bias[j] : 0;
  for (gsize i0 = 0; i0 < m; i0 += BLOCK_M) {
    gsize count = MIN((gsize)BLOCK_M, m - i0);
    for (gsize k0 = 0; k0 < k; k0 += block) {
      gsize depth = MIN(block, k - k0), whole = half_depth(depth);
      const BertHalf *corner = a.data + (ptrdiff_t)i0 * a.row_stride + (ptrdiff_t)k0 * a.column_stride;
      for (gsize i = 0; i < count; i += TILE) {
        gsize rows = MIN((gsize)TILE, count - i);
#ifdef BERT_PAIRS
        pair_rows(depth, rows, corner + (ptrdiff_t)i * a.row_stride, a.row_stride, a.column_stride,
                  (Pair *)(row_scratch + i * (whole / 2)));
#else
        widen_rows(depth, rows, corner + (ptrdiff_t)i * a.row_stride, a.row_stride, a.column_stride,
                   row_scratch + i * depth);
#endif
      }
      for (gsize j = 0; j < n_panels; j++) {
        gsize width = MIN((gsize)PANEL, n - j * PANEL);
        const BertHalf *halves =
            packed ? packed + k0 * n_panels * PANEL + j * whole * PANEL
                   : view.data + (ptrdiff_t)k0 * view.row_stride + (ptrdiff_t)(j * PANEL) * view.column_stride;
        const float *panel = panel_scratch;
#ifdef BERT_PAIRS
        gsize steps = whole;
        if (packed)
          panel = (const float *)(gconstpointer)halves;
        else
          pair_panel(depth, width, halves, view.row_stride, view.column_stride, (Pair *)panel_scratch);
#else
        gsize steps = depth;
        if (packed)
          widen_panel(depth, PANEL, halves, PANEL, 1, panel_scratch);
        else
          widen_panel(depth, width, halves, view.row_stride, view.column_stride, panel_scratch);
#endif
        half_tiles(count, width, steps, a.column_stride == 1, row_scratch, panel, c + i0 * c_stride + j * PANEL,
                   c_stride, bias && k0 == 0 ? bias + j * PANEL : NULL, accumulate || k0 > 0);
      }
    }
  }
}

static void gemm_half(gsize m, gsize n, gsize k, BertHalfView a, BertHalfView b, float *c, gsize c_stride,
                      const float *bias, gboolean accumulate, float *scratch)
{
  half_product(m, n, k, a, b, NULL, c, c_stride, bias, accumulate, scratch);
}

static void gemm_half_packed(gsize m, gsize n, gsize k, BertHalfView a, const BertHalf *packed, float *c,
                             gsize c_stride, const float *bias, gboolean accumulate, float *scratch)
{
  half_product(m, n, k, a, (BertHalfView){0}, packed, c, c_stride, bias, accumulate, scratch);
}
