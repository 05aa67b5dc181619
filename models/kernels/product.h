/* The matrix product: part of body.h. The right-hand matrix is read as panels of PANEL columns,
 * packed beforehand or on the way; a tile of TILE rows and PANEL columns of the result stays in registers
 * while a block of k passes by. */
#define TILE  BERT_TILE
#define PANEL (2 * LANES)
/* PANEL * BLOCK_K floats of a panel stay in the first-level cache, BLOCK_M * BLOCK_K of the rows in the
 * second. */
#define BLOCK_K (PANEL == 16 ? 384 : 256)
#define BLOCK_M 192

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
/* Four rows of k floats (or other numbers of that size), `stride` apart, become four columns of a panel whose
 * rows are `width` floats. */
static inline void transpose_four(gsize k, const float *rows, ptrdiff_t stride, gsize width, float *panel)
{
  typedef float Four __attribute__((vector_size(16)));
  typedef float UnalignedFour __attribute__((vector_size(16), aligned(4), may_alias));
  typedef float Single __attribute__((may_alias));
  gsize p = 0;
  for (; p + 4 <= k; p += 4) {
    Four a = *(const UnalignedFour *)(rows + p), b = *(const UnalignedFour *)(rows + stride + p);
    Four c = *(const UnalignedFour *)(rows + 2 * stride + p),
         d = *(const UnalignedFour *)(rows + 3 * stride + p);
    Four ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5),
         ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    Four cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5),
         cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    *(UnalignedFour *)(panel + p * width) = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
    *(UnalignedFour *)(panel + (p + 1) * width) = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
    *(UnalignedFour *)(panel + (p + 2) * width) = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
    *(UnalignedFour *)(panel + (p + 3) * width) = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
  }
  for (; p < k; p++)
    for (ptrdiff_t i = 0; i < 4; i++)
      *(Single *)(panel + p * width + i) = *(const Single *)(rows + i * stride + (ptrdiff_t)p);
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
      transpose_four(k, source + (ptrdiff_t)j * b.column_stride, b.column_stride, PANEL, panel + j);
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
  gsize first = 0;
#ifdef HAS_SHUFFLES
  if (view.column_stride == 1)
    for (; first + 4 <= count; first += 4)
      transpose_four(k, a + (ptrdiff_t)first * view.row_stride, view.row_stride, TILE, packed + first);
#endif
  for (gsize p = 0; p < k; p++)
    for (gsize i = first; i < count; i++)
      packed[p * TILE + i] = a[(ptrdiff_t)i * view.row_stride + (ptrdiff_t)p * view.column_stride];
}

/* The panel that comes after the present one, two cache lines for every step of k: they lie `second` bytes
 * apart, and `step` bytes from those of the step before. Without `from` there is none, or none that can be
 * had so. */
typedef struct {
  const char *from;
  ptrdiff_t second, step;
} NextPanel;

/* Memory that a tile asks for while it computes, a line per step: else the next panel would be waited for. */
typedef struct {
  const char *from;
  ptrdiff_t step;
} Ahead;

/* The first tile of a panel fetches one line of each step, the second the other. */
static inline Ahead ahead_of(gsize first_row, NextPanel next, gconstpointer present)
{
  if (first_row >= (gsize)2 * TILE || !next.from)
    return (Ahead){present, 0};
  return (Ahead){next.from + (first_row > 0 ? next.second : 0), next.step};
}

/* c (rows x PANEL) = start + a (rows x k) panel (k x PANEL); start is c, the bias or zero. */
static inline __attribute__((always_inline)) void tile_of(const int rows, gsize k, const float *a,
                                                          ptrdiff_t row_stride, ptrdiff_t column_stride,
                                                          const float *panel, float *c, gsize c_stride,
                                                          const float *bias, gboolean accumulate,
                                                          const Ahead *ahead)
{
  Vector sum[TILE][2];
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++) { /* where the next tile's results go */
    __builtin_prefetch(c + (gsize)(TILE + i) * c_stride, 1);
    __builtin_prefetch(c + (gsize)(TILE + i) * c_stride + LANES, 1);
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++) {
    const float *start = accumulate ? c + (gsize)i * c_stride : bias;
    sum[i][0] = start ? load(start) : (Vector){0};
    sum[i][1] = start ? load(start + LANES) : (Vector){0};
  }
  for (gsize p = 0; p < k; p++) {
    Vector left = *(const Vector *)(panel + p * PANEL), right = *(const Vector *)(panel + p * PANEL + LANES);
    if (ahead)
      __builtin_prefetch(ahead->from + (ptrdiff_t)p * ahead->step, 0, 2);
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

/* Rows of a either have their k side by side or are side by side: addresses then take few registers. Only the
 * second kind, which packed rows are, looks ahead. */
static void tile(gsize rows, gsize k, const float *a, ptrdiff_t row_stride, ptrdiff_t column_stride,
                 const float *panel, float *c, gsize c_stride, const float *bias, gboolean accumulate,
                 Ahead ahead)
{
#define CASE(n)                                                                                              \
  case n:                                                                                                    \
    if (column_stride == 1)                                                                                  \
      tile_of(n, k, a, row_stride, 1, panel, c, c_stride, bias, accumulate, NULL);                           \
    else                                                                                                     \
      tile_of(n, k, a, 1, column_stride, panel, c, c_stride, bias, accumulate, &ahead);                      \
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
static void edge_tile(gsize rows, gsize width, gsize k, const float *a, ptrdiff_t row_stride,
                      ptrdiff_t column_stride, const float *panel, float *c, gsize c_stride,
                      const float *bias, gboolean accumulate, Ahead ahead)
{
  float whole[TILE * PANEL], wide_bias[PANEL] = {0};
  if (bias)
    memcpy(wide_bias, bias, width * sizeof *bias);
  if (accumulate) {
    memset(whole, 0, sizeof whole);
    for (gsize i = 0; i < rows; i++)
      memcpy(whole + i * PANEL, c + i * c_stride, width * sizeof *c);
  }
  tile(rows, k, a, row_stride, column_stride, panel, whole, PANEL, bias ? wide_bias : NULL, accumulate,
       ahead);
  for (gsize i = 0; i < rows; i++)
    memcpy(c + i * c_stride, whole + i * PANEL, width * sizeof *c);
}

/* Whether to pack rows whose k lie side by side, `stride` elements apart, once per block of k rather than to
 * read them in place: when they pass by many panels, or by some and fall on at most two of the places that
 * 4096 bytes have in the first-level cache; with BERT_IN_PLACE never. */
static inline gboolean packing_pays(gsize n_panels, ptrdiff_t stride, gsize size)
{
  return !BERT_IN_PLACE && (n_panels >= 16 || (n_panels >= 4 && stride * (ptrdiff_t)size % 2048 == 0));
}

/* b is `packed` if that is not NULL, else `view`. */
static inline void product(gsize m, gsize n, gsize k, BertView a, BertView view, const float *packed,
                           float *c, gsize c_stride, const float *bias, gboolean accumulate, float *scratch)
{
  gsize block = block_of(k), n_panels = (n + PANEL - 1) / PANEL;
  float *panel_scratch = scratch, *row_scratch = scratch + BLOCK_K * PANEL;
  gboolean copies_rows = a.column_stride == 1 ? packing_pays(n_panels, a.row_stride, sizeof(float))
                                              : n_panels > 1 || a.row_stride != 1;
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
        const float *panel = packed ? packed + k0 * n_panels * PANEL + j * depth * PANEL : NULL;
        NextPanel next = {.second = LANES * sizeof(float)};
        if (packed) {
          next.from = j + 1 < n_panels ? (const char *)(panel + depth * PANEL) : NULL;
          next.step = PANEL * sizeof(float);
        } else {
          pack_panel(depth, width, view, k0, j * PANEL, panel_scratch);
          panel = panel_scratch;
          if (j + 1 < n_panels && view.column_stride == 1)
            next.from =
                (const char *)(view.data + (ptrdiff_t)k0 * view.row_stride + (ptrdiff_t)((j + 1) * PANEL));
          next.step = view.row_stride * (ptrdiff_t)sizeof(float);
        }
        for (gsize i = 0; i < count; i += TILE) {
          gsize rows = MIN((gsize)TILE, count - i);
          const float *left = copies_rows ? row_scratch + i * depth : first_row + (ptrdiff_t)i * a.row_stride;
          ptrdiff_t row_stride = copies_rows ? 1 : a.row_stride,
                    column_stride = copies_rows ? TILE : a.column_stride;
          float *corner = c + (i0 + i) * c_stride + j * PANEL;
          const float *start = bias ? bias + j * PANEL : NULL;
          Ahead ahead = ahead_of(i, next, panel);
          if (width == PANEL)
            tile(rows, depth, left, row_stride, column_stride, panel, corner, c_stride, start, adds, ahead);
          else
            edge_tile(rows, width, depth, left, row_stride, column_stride, panel, corner, c_stride, start,
                      adds, ahead);
        }
      }
    }
  }
}

static void gemm(gsize m, gsize n, gsize k, BertView a, BertView b, float *c, gsize c_stride,
                 const float *bias, gboolean accumulate, float *scratch)
{
  product(m, n, k, a, b, NULL, c, c_stride, bias, accumulate, scratch);
}

static void gemm_packed(gsize m, gsize n, gsize k, BertView a, const float *packed, float *c, gsize c_stride,
                        const float *bias, gboolean accumulate, float *scratch)
{
  product(m, n, k, a, (BertView){0}, packed, c, c_stride, bias, accumulate, scratch);
}
