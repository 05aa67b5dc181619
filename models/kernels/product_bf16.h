/* bf16 numbers and the products of matrices of them. Part of body.h. The products follow `product`
 * of product.h block by block; what differs is how the two sides come into scratch memory: widened
 * to floats for the same register tile, or, with BERT_PAIRS, as pairs of consecutive k for an instruction
 * that multiplies and adds two at a time. */
#include "models/kernels/bf16.h"

static void to_bf16(gsize n, const float *x, BertBf16 *bf16)
{
  bf16_round(n, x, bf16);
}

static void from_bf16(gsize n, const BertBf16 *bf16, float *x)
{
  for (gsize i = 0; i < n; i++)
    x[i] = float_of(bf16[i]);
}

static void add_rows_bf16(gsize n_rows, gsize n, const BertBf16 *x, gsize stride, float *y)
{
  for (gsize row = 0; row < n_rows; row++, x += stride) {
    for (gsize i = 0; i < n; i += 64 / sizeof *x) /* rows lie too far apart for the processor to foresee */
      __builtin_prefetch(x + 8 * stride + i);
    for (gsize i = 0; i < n; i++)
      y[i] += float_of(x[i]);
  }
}

/* As block_of, and even: a pair is never cut. Pairs take half the room, so their blocks are twice as deep. */
static inline gsize bf16_block_of(gsize k)
{
#ifdef BERT_PAIRS
  return 2 * block_of((k + 1) / 2);
#else
  return (block_of(k) + 1) / 2 * 2;
#endif
}

/* Rows of a block in scratch: an even number. */
static inline gsize half_depth(gsize k)
{
  return (k + 1) / 2 * 2;
}

static gsize packed_bf16_size(gsize k, gsize n)
{
  return half_depth(k) * ((n + PANEL - 1) / PANEL) * PANEL;
}

#ifdef BERT_PAIRS
typedef guint32 PairVector __attribute__((vector_size(LANES * 4)));
typedef PairVector UnalignedPairVector __attribute__((aligned(4), may_alias));
typedef guint32 Pair __attribute__((may_alias));
typedef guint32 UnalignedPair __attribute__((may_alias, aligned(2)));
typedef guint16 EightBf16 __attribute__((vector_size(16)));
typedef guint16 UnalignedEightBf16 __attribute__((vector_size(16), aligned(2), may_alias));
typedef guint32 EightPairs __attribute__((vector_size(32)));
typedef EightPairs UnalignedEightPairs __attribute__((aligned(4), may_alias));
typedef guint16 FourBf16 __attribute__((vector_size(8)));
typedef guint16 UnalignedFourBf16 __attribute__((vector_size(8), aligned(2), may_alias));
typedef guint32 FourPairs __attribute__((vector_size(16)));
typedef FourPairs UnalignedFourPairs __attribute__((aligned(4), may_alias));

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

/* Eight, four pairs of neighbours in two rows. */
static inline void interleave_eight(const BertBf16 *low, const BertBf16 *high, Pair *to)
{
  EightPairs first = __builtin_convertvector(*(const UnalignedEightBf16 *)low, EightPairs);
  EightPairs second = __builtin_convertvector(*(const UnalignedEightBf16 *)high, EightPairs);
  *(UnalignedEightPairs *)to = first | second << 16;
}

static inline void interleave_four(const BertBf16 *low, const BertBf16 *high, Pair *to)
{
  FourPairs first = __builtin_convertvector(*(const UnalignedFourBf16 *)low, FourPairs);
  FourPairs second = __builtin_convertvector(*(const UnalignedFourBf16 *)high, FourPairs);
  *(UnalignedFourPairs *)to = first | second << 16;
}

/* Numbers of a row that are rounded at once, even. */
#define ROUNDED 256

/* Whether rows `stride` bf16 numbers apart can be read as rows of pairs. */
static inline gboolean lies_in_pairs(const BertBf16 *bf16, ptrdiff_t stride)
{
  return stride % 2 == 0 && (guintptr)bf16 % sizeof(Pair) == 0;
}

/* `width` columns of k rows of b (row_stride apart) as pairs, zero filled. */
static inline void pair_panel(gsize k, gsize width, const BertBf16 *b, ptrdiff_t row_stride,
                              ptrdiff_t column_stride, Pair *panel)
{
  gsize p = 0;
  if (width == PANEL && column_stride == 1)
    for (; p + 2 <= k; p += 2)
      for (gsize j = 0; j < PANEL; j += 8)
        interleave_eight(b + (ptrdiff_t)p * row_stride + j, b + ((ptrdiff_t)p + 1) * row_stride + j,
                         panel + p / 2 * PANEL + j);
#ifdef HAS_SHUFFLES
  if (width == PANEL && row_stride == 1 && lies_in_pairs(b, column_stride)) {
    for (gsize j = 0; j < PANEL; j += 4)
      transpose_four(k / 2, (const float *)(gconstpointer)(b + (ptrdiff_t)j * column_stride),
                     column_stride / 2, PANEL, (float *)(gpointer)(panel + j));
    p = k / 2 * 2;
  }
#endif
  for (; p < k; p += 2) {
    const BertBf16 *low = b + (ptrdiff_t)p * row_stride, *high = low + row_stride;
    Pair *to = panel + p / 2 * PANEL;
    gboolean both = p + 1 < k;
    for (gsize j = 0; j < width; j++)
      to[j] =
          low[(ptrdiff_t)j * column_stride] | (both ? (guint32)high[(ptrdiff_t)j * column_stride] << 16 : 0);
    for (gsize j = width; j < PANEL; j++)
      to[j] = 0;
  }
}

/* A panel of k rows of floats, or with `transposed` of PANEL rows of k, `stride` apart, rounded. */
static inline void round_panel(gsize k, const float *b, ptrdiff_t stride, gboolean transposed, Pair *panel)
{
  BertBf16 low[PANEL], high[PANEL], rows[4][ROUNDED] __attribute__((aligned(16)));
  for (gsize p = 0; !transposed && p < k; p += 2) {
    to_bf16(PANEL, b + (ptrdiff_t)p * stride, low);
    to_bf16(PANEL, b + ((ptrdiff_t)p + 1) * stride, high);
    for (gsize j = 0; j < PANEL; j += 8)
      interleave_eight(low + j, high + j, panel + p / 2 * PANEL + j);
  }
  for (gsize j = 0; transposed && j < PANEL; j += 4)
    for (gsize p0 = 0; p0 < k; p0 += ROUNDED) {
      gsize count = MIN((gsize)ROUNDED, k - p0);
      for (gsize i = 0; i < 4; i++)
        to_bf16(count, b + (ptrdiff_t)(j + i) * stride + (ptrdiff_t)p0, rows[i]);
      Pair *to = panel + p0 / 2 * PANEL + j;
#ifdef HAS_SHUFFLES
      transpose_four(count / 2, (const float *)(gconstpointer)rows, ROUNDED / 2, PANEL,
                     (float *)(gpointer)to);
#else
      for (gsize p = 0; p < count; p += 2)
        for (gsize i = 0; i < 4; i++)
          to[p / 2 * PANEL + i] = rows[i][p] | (guint32)rows[i][p + 1] << 16;
#endif
    }
}

/* `count` rows of a as k/2 columns of TILE pairs. */
static inline void pair_rows(gsize k, gsize count, const BertBf16 *a, ptrdiff_t row_stride,
                             ptrdiff_t column_stride, Pair *packed)
{
  gsize p = 0, first = 0;
  if (row_stride == 1 && count == TILE && TILE == 12)
    for (; p + 2 <= k; p += 2) {
      const BertBf16 *low = a + (ptrdiff_t)p * column_stride, *high = low + column_stride;
      interleave_eight(low, high, packed + p / 2 * TILE);
      interleave_four(low + 8, high + 8, packed + p / 2 * TILE + 8);
    }
#ifdef HAS_SHUFFLES
  if (column_stride == 1 && k % 2 == 0 && lies_in_pairs(a, row_stride))
    for (; first + 4 <= count; first += 4)
      transpose_four(k / 2, (const float *)(gconstpointer)(a + (ptrdiff_t)first * row_stride), row_stride / 2,
                     TILE, (float *)(gpointer)(packed + first));
#endif
  for (; p < k; p += 2)
    for (gsize i = first; i < count; i++) {
      const BertBf16 *low = a + (ptrdiff_t)i * row_stride + (ptrdiff_t)p * column_stride;
      packed[p / 2 * TILE + i] = low[0] | (p + 1 < k ? (guint32)low[column_stride] << 16 : 0);
    }
}

/* As tile_of: pair p of row i is at a[i * row_stride + p * pair_stride]. */
static inline __attribute__((always_inline)) void pair_tile_of(const int rows, gsize n_pairs,
                                                               const BertBf16 *a, ptrdiff_t row_stride,
                                                               ptrdiff_t pair_stride, const Pair *panel,
                                                               float *c, gsize c_stride, const float *bias,
                                                               gboolean accumulate, const Ahead *ahead)
{
  Vector sum[TILE][2];
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++) {
    __builtin_prefetch(c + (gsize)(TILE + i) * c_stride, 1);
    __builtin_prefetch(c + (gsize)(TILE + i) * c_stride + LANES, 1);
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++) {
    const float *start = accumulate ? c + (gsize)i * c_stride : bias;
    sum[i][0] = start ? load(start) : (Vector){0};
    sum[i][1] = start ? load(start + LANES) : (Vector){0};
  }
  for (gsize p = 0; p < n_pairs; p++) {
    PairVector left = *(const UnalignedPairVector *)(panel + p * PANEL);
    PairVector right = *(const UnalignedPairVector *)(panel + p * PANEL + LANES);
    if (ahead)
      __builtin_prefetch(ahead->from + (ptrdiff_t)p * ahead->step, 0, 2);
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
      PairVector x =
          (PairVector){0} + *(const UnalignedPair *)(a + i * row_stride + (ptrdiff_t)p * pair_stride);
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

static void pair_tile(gsize rows, gsize n_pairs, const BertBf16 *a, ptrdiff_t row_stride,
                      ptrdiff_t pair_stride, const Pair *panel, float *c, gsize c_stride, const float *bias,
                      gboolean accumulate, Ahead ahead)
{
#define CASE(n)                                                                                              \
  case n:                                                                                                    \
    if (pair_stride == 2)                                                                                    \
      pair_tile_of(n, n_pairs, a, row_stride, 2, panel, c, c_stride, bias, accumulate, NULL);                \
    else                                                                                                     \
      pair_tile_of(n, n_pairs, a, 2, 2 * TILE, panel, c, c_stride, bias, accumulate, &ahead);                \
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
static inline void widen_panel(gsize k, gsize width, const BertBf16 *b, ptrdiff_t row_stride,
                               ptrdiff_t column_stride, float *panel)
{
  for (gsize p = 0; p < k; p++) {
    const BertBf16 *from = b + (ptrdiff_t)p * row_stride;
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
static inline void widen_rows(gsize k, gsize count, const BertBf16 *a, ptrdiff_t row_stride,
                              ptrdiff_t column_stride, float *wide)
{
  if (column_stride == 1) {
    for (gsize i = 0; i < count; i++)
      from_bf16(k, a + (ptrdiff_t)i * row_stride, wide + i * k);
    return;
  }
  for (gsize p = 0; p < k; p++)
    for (gsize i = 0; i < count; i++)
      wide[p * TILE + i] = float_of(a[(ptrdiff_t)i * row_stride + (ptrdiff_t)p * column_stride]);
}
#endif

static void pack_bf16(gsize k, gsize n, BertView b, gsize first, gsize last, BertBf16 *packed)
{
  gsize block = bf16_block_of(k), n_panels = (n + PANEL - 1) / PANEL;
  for (gsize k0 = 0; k0 < k; k0 += block) {
    gsize depth = MIN(block, k - k0), whole = half_depth(depth);
    for (gsize panel = first; panel < last; panel++) {
      BertBf16 *to = packed + k0 * n_panels * PANEL + panel * whole * PANEL;
      gsize width = MIN((gsize)PANEL, n - panel * PANEL);
      if (width < PANEL || whole > depth)
        memset(to, 0, whole * PANEL * sizeof *to);
      const float *source =
          b.data + (ptrdiff_t)k0 * b.row_stride + (ptrdiff_t)(panel * PANEL) * b.column_stride;
#ifdef BERT_PAIRS
      if (width == PANEL && depth % 2 == 0 && (b.column_stride == 1 || b.row_stride == 1)) {
        round_panel(depth, source, b.column_stride == 1 ? b.row_stride : b.column_stride,
                    b.column_stride != 1, (Pair *)(gpointer)to);
        continue;
      }
#endif
      if (b.column_stride == 1)
        for (gsize p = 0; p < depth; p++)
          for (gsize j = 0; j < width; j++)
            to[place_in_panel(p, j)] = bf16_of(source[(ptrdiff_t)p * b.row_stride + (ptrdiff_t)j]);
      else
        for (gsize j = 0; j < width; j++)
          for (gsize p = 0; p < depth; p++)
            to[place_in_panel(p, j)] =
                bf16_of(source[(ptrdiff_t)p * b.row_stride + (ptrdiff_t)j * b.column_stride]);
    }
  }
}

static void repack_bf16(gsize k, gsize n, BertBf16View b, gsize first, gsize last, BertBf16 *packed)
{
  gsize block = bf16_block_of(k), n_panels = (n + PANEL - 1) / PANEL;
  for (gsize k0 = 0; k0 < k; k0 += block) {
    gsize depth = MIN(block, k - k0), whole = half_depth(depth);
    for (gsize panel = first; panel < last; panel++) {
      BertBf16 *to = packed + k0 * n_panels * PANEL + panel * whole * PANEL;
      gsize width = MIN((gsize)PANEL, n - panel * PANEL);
      const BertBf16 *source =
          b.data + (ptrdiff_t)k0 * b.row_stride + (ptrdiff_t)(panel * PANEL) * b.column_stride;
#ifdef BERT_PAIRS
      pair_panel(depth, width, source, b.row_stride, b.column_stride, (Pair *)(gpointer)to);
#else
      if (width < PANEL || whole > depth)
        memset(to, 0, whole * PANEL * sizeof *to);
      for (gsize p = 0; p < depth; p++)
        for (gsize j = 0; j < width; j++)
          to[place_in_panel(p, j)] = source[(ptrdiff_t)p * b.row_stride + (ptrdiff_t)j * b.column_stride];
#endif
    }
  }
}

/* Rows of the left side for the tiles, in elements of bf16 (pairs) or floats: a tile's rows are
 * `row_stride` apart, `step` leads from one k or pair to the next, and row i begins a tile at i *
 * tile_stride. */
typedef struct {
  gconstpointer data;
  ptrdiff_t tile_stride, row_stride, step;
} Rows;

/* `count` rows of a block of k: where they lie, or in scratch memory. */
static inline Rows rows_of(gsize depth, gsize count, const BertBf16 *a, ptrdiff_t row_stride,
                           ptrdiff_t column_stride, gsize n_panels, float *scratch)
{
#ifdef BERT_PAIRS
  if (column_stride == 1 && depth % 2 == 0 && !packing_pays(n_panels, row_stride, sizeof(BertBf16)))
    return (Rows){a, row_stride, row_stride, 2};
  gsize whole = half_depth(depth);
  for (gsize i = 0; i < count; i += TILE)
    pair_rows(depth, MIN((gsize)TILE, count - i), a + (ptrdiff_t)i * row_stride, row_stride, column_stride,
              (Pair *)(scratch + i * (whole / 2)));
  return (Rows){scratch, (ptrdiff_t)whole, 2, 2 * TILE};
#else
  (void)n_panels;
  for (gsize i = 0; i < count; i += TILE)
    widen_rows(depth, MIN((gsize)TILE, count - i), a + (ptrdiff_t)i * row_stride, row_stride, column_stride,
               scratch + i * depth);
  gboolean in_rows = column_stride == 1;
  return (Rows){scratch, (ptrdiff_t)depth, in_rows ? (ptrdiff_t)depth : 1, in_rows ? 1 : TILE};
#endif
}

/* The tiles of `count` rows and one panel: all columns exist, or `width` of them. */
static inline void bf16_tiles(Rows rows, gsize count, gsize width, gsize depth, const float *panel,
                              float *corner, gsize c_stride, const float *bias, gboolean accumulate,
                              NextPanel next)
{
  for (gsize i = 0; i < count; i += TILE) {
    gsize n = MIN((gsize)TILE, count - i);
    float whole[TILE * PANEL], wide_bias[PANEL] = {0}, *to = corner + i * c_stride;
    gsize stride = c_stride;
    const float *start = bias;
    if (width < PANEL) {
      if (bias) {
        memcpy(wide_bias, bias, width * sizeof *bias);
        start = wide_bias;
      }
      memset(whole, 0, sizeof whole);
      for (gsize r = 0; accumulate && r < n; r++)
        memcpy(whole + r * PANEL, to + r * c_stride, width * sizeof *to);
      to = whole;
      stride = PANEL;
    }
    Ahead ahead = ahead_of(i, next, panel);
    ptrdiff_t first = (ptrdiff_t)i * rows.tile_stride;
#ifdef BERT_PAIRS
    pair_tile(n, depth / 2, (const BertBf16 *)rows.data + first, rows.row_stride, rows.step,
              (const Pair *)panel, to, stride, start, accumulate, ahead);
#else
    tile(n, depth, (const float *)rows.data + first, rows.row_stride, rows.step, panel, to, stride, start,
         accumulate, ahead);
#endif
    if (width < PANEL)
      for (gsize r = 0; r < n; r++)
        memcpy(corner + (i + r) * c_stride, whole + r * PANEL, width * sizeof *whole);
  }
}

/* b is `packed` if that is not NULL, else `view`. */
static inline void bf16_product(gsize m, gsize n, gsize k, BertBf16View a, BertBf16View view,
                                const BertBf16 *packed, float *c, gsize c_stride, const float *bias,
                                gboolean accumulate, float *scratch)
{
  gsize block = bf16_block_of(k), n_panels = (n + PANEL - 1) / PANEL;
  float *panel_scratch = scratch, *row_scratch = scratch + BLOCK_K * PANEL;
  if (k == 0 && !accumulate)
    for (gsize i = 0; i < m; i++)
      for (gsize j = 0; j < n; j++)
        c[i * c_stride + j] = bias ? bias[j] : 0;
  for (gsize i0 = 0; i0 < m; i0 += BLOCK_M) {
    gsize count = MIN((gsize)BLOCK_M, m - i0);
    for (gsize k0 = 0; k0 < k; k0 += block) {
      gsize depth = MIN(block, k - k0), whole = half_depth(depth);
      const BertBf16 *corner = a.data + (ptrdiff_t)i0 * a.row_stride + (ptrdiff_t)k0 * a.column_stride;
      Rows rows = rows_of(depth, count, corner, a.row_stride, a.column_stride, n_panels, row_scratch);
      for (gsize j = 0; j < n_panels; j++) {
        gsize width = MIN((gsize)PANEL, n - j * PANEL);
        const BertBf16 *bf16 = packed ? packed + k0 * n_panels * PANEL + j * whole * PANEL
                                      : view.data + (ptrdiff_t)k0 * view.row_stride +
                                            (ptrdiff_t)(j * PANEL) * view.column_stride;
        const float *panel = panel_scratch;
        NextPanel next = {0};
#ifdef BERT_PAIRS
        gsize steps = whole;
        if (packed) {
          panel = (const float *)(gconstpointer)bf16;
          next =
              (NextPanel){(const char *)(bf16 + whole * PANEL), LANES * sizeof(Pair), PANEL * sizeof(Pair)};
        } else {
          pair_panel(depth, width, bf16, view.row_stride, view.column_stride, (Pair *)panel_scratch);
          ptrdiff_t row = view.row_stride * (ptrdiff_t)sizeof(BertBf16);
          if (view.column_stride == 1) /* a step is two rows of a line each */
            next = (NextPanel){(const char *)(bf16 + PANEL), row, 2 * row};
        }
        if (j + 1 == n_panels)
          next.from = NULL;
#else
        gsize steps = depth;
        if (packed)
          widen_panel(depth, PANEL, bf16, PANEL, 1, panel_scratch);
        else
          widen_panel(depth, width, bf16, view.row_stride, view.column_stride, panel_scratch);
#endif
        bf16_tiles(rows, count, width, steps, panel, c + i0 * c_stride + j * PANEL, c_stride,
                   bias && k0 == 0 ? bias + j * PANEL : NULL, accumulate || k0 > 0, next);
      }
    }
  }
}

static void gemm_bf16(gsize m, gsize n, gsize k, BertBf16View a, BertBf16View b, float *c, gsize c_stride,
                      const float *bias, gboolean accumulate, float *scratch)
{
  bf16_product(m, n, k, a, b, NULL, c, c_stride, bias, accumulate, scratch);
}

static void gemm_bf16_packed(gsize m, gsize n, gsize k, BertBf16View a, const BertBf16 *packed, float *c,
                             gsize c_stride, const float *bias, gboolean accumulate, float *scratch)
{
  bf16_product(m, n, k, a, (BertBf16View){0}, packed, c, c_stride, bias, accumulate, scratch);
}
