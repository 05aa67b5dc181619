/* Packing for the tile instructions. Part of amx_product.h. A tile is 16 rows of 64 bytes. Of the right side
 * it is 16 pairs of consecutive k by 16 columns, of the left side 16 rows by 32 k. A panel is 32 columns of
 * the right side: for every step of 32 k two tiles, the left columns' and the right columns'. What is missing
 * is zero. */
#include "models/kernels/bf16.h"

#define STEP  32 /* k of a tile */
#define TILE  16 /* its rows and columns */
#define BLOCK 32 /* rows and columns of two by two tiles: a panel's columns */
/* Numbers of a tile, and of a panel for one step. */
#define TILE_NUMBERS (TILE * STEP)
#define STEP_NUMBERS (STEP * BLOCK)

typedef guint16 Row __attribute__((vector_size(64)));
typedef Row UnalignedRow __attribute__((aligned(2), may_alias));
typedef guint32 PairRow __attribute__((vector_size(64)));
typedef PairRow UnalignedPairRow __attribute__((aligned(2), may_alias));

static gsize steps_of(gsize k)
{
  return (k + STEP - 1) / STEP;
}

static gsize packed_bf16_size(gsize k, gsize n)
{
  return steps_of(k) * STEP * ((n + BLOCK - 1) / BLOCK) * BLOCK;
}

/* Two rows of 32 columns become 16 pairs of either tile. */
static inline void interleave(Row low, Row high, BertBf16 *left, BertBf16 *right)
{
  static const Row first = {0, 32, 1, 33, 2,  34, 3,  35, 4,  36, 5,  37, 6,  38, 7,  39,
                            8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
  *(UnalignedRow *)left = __builtin_shuffle(low, high, first);
  *(UnalignedRow *)right = __builtin_shuffle(low, high, first + 16);
}

/* 16 rows of 16 pairs, `stride` numbers apart, become the columns of a tile. Each of four rounds deals the
 * upper eight rows and the lower eight out in turn: one bit of the column's number becomes one of the row's.
 */
static inline void transpose_pairs(const BertBf16 *from, ptrdiff_t stride, BertBf16 *to)
{
  static const PairRow low = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23};
  PairRow rows[TILE], dealt[TILE];
#pragma GCC unroll 16
  for (int i = 0; i < TILE; i++)
    rows[i] = *(const UnalignedPairRow *)(from + i * stride);
#pragma GCC unroll 4
  for (int round = 0; round < 4; round++) {
#pragma GCC unroll 8
    for (int i = 0; i < TILE / 2; i++) {
      dealt[2 * i] = __builtin_shuffle(rows[i], rows[i + TILE / 2], low);
      dealt[2 * i + 1] = __builtin_shuffle(rows[i], rows[i + TILE / 2], low + 8);
    }
#pragma GCC unroll 16
    for (int i = 0; i < TILE; i++)
      rows[i] = dealt[i];
  }
#pragma GCC unroll 16
  for (int i = 0; i < TILE; i++)
    *(UnalignedPairRow *)(to + i * STEP) = rows[i];
}

/* One step of a panel: `depth` rows of k (at most 32) of `width` columns (at most 32). */
static inline void pack_step(gsize depth, gsize width, const BertBf16 *b, ptrdiff_t row_stride,
                             ptrdiff_t column_stride, BertBf16 *to)
{
  if (column_stride == 1 && width == BLOCK && depth % 2 == 0) {
    for (gsize p = 0; p < depth; p += 2) {
      const BertBf16 *low = b + (ptrdiff_t)p * row_stride;
      interleave(*(const UnalignedRow *)low, *(const UnalignedRow *)(low + row_stride), to + p * TILE,
                 to + TILE_NUMBERS + p * TILE);
    }
    for (gsize tile = 0; tile < 2; tile++)
      memset(to + tile * TILE_NUMBERS + depth * TILE, 0, (STEP - depth) * TILE * sizeof *to);
    return;
  }
  if (row_stride == 1 && width == BLOCK && depth == STEP) {
    transpose_pairs(b, column_stride, to);
    transpose_pairs(b + TILE * column_stride, column_stride, to + TILE_NUMBERS);
    return;
  }
  memset(to, 0, STEP_NUMBERS * sizeof *to);
  for (gsize p = 0; p < depth; p++)
    for (gsize j = 0; j < width; j++)
      to[j / TILE * TILE_NUMBERS + p / 2 * STEP + j % TILE * 2 + p % 2] =
          b[(ptrdiff_t)p * row_stride + (ptrdiff_t)j * column_stride];
}

/* `width` columns of k rows as a panel. */
static void pack_panel(gsize k, gsize width, const BertBf16 *b, ptrdiff_t row_stride, ptrdiff_t column_stride,
                       BertBf16 *panel)
{
  for (gsize p = 0; p < k; p += STEP)
    pack_step(MIN((gsize)STEP, k - p), width, b + (ptrdiff_t)p * row_stride, row_stride, column_stride,
              panel + p * BLOCK);
}

static void repack_bf16(gsize k, gsize n, BertBf16View b, gsize first, gsize last, BertBf16 *packed)
{
  for (gsize j = first; j < last; j++)
    pack_panel(k, MIN((gsize)BLOCK, n - j * BLOCK), b.data + (ptrdiff_t)(j * BLOCK) * b.column_stride,
               b.row_stride, b.column_stride, packed + j * steps_of(k) * STEP_NUMBERS);
}

static inline void round_numbers(gsize n, const float *from, ptrdiff_t stride, BertBf16 *to)
{
  if (stride == 1)
    bf16_round(n, from, to);
  else
    for (gsize i = 0; i < n; i++)
      to[i] = bf16_of(from[(ptrdiff_t)i * stride]);
}

/* As repack_bf16, of floats: a step at a time is rounded first. */
static void pack_bf16(gsize k, gsize n, BertView b, gsize first, gsize last, BertBf16 *packed)
{
  BertBf16 rounded[STEP * BLOCK];
  gboolean in_columns = b.row_stride == 1;
  for (gsize j = first; j < last; j++)
    for (gsize p = 0; p < k; p += STEP) {
      gsize depth = MIN((gsize)STEP, k - p), width = MIN((gsize)BLOCK, n - j * BLOCK);
      const float *from = b.data + (ptrdiff_t)p * b.row_stride + (ptrdiff_t)(j * BLOCK) * b.column_stride;
      BertBf16 *to = packed + j * steps_of(k) * STEP_NUMBERS + p * BLOCK;
      for (gsize i = 0; i < (in_columns ? width : depth); i++)
        if (in_columns)
          round_numbers(depth, from + (ptrdiff_t)i * b.column_stride, 1, rounded + i * STEP);
        else
          round_numbers(width, from + (ptrdiff_t)i * b.row_stride, b.column_stride, rounded + i * BLOCK);
      pack_step(depth, width, rounded, in_columns ? 1 : BLOCK, in_columns ? STEP : 1, to);
    }
}

/* `count` rows of k as tiles of the left side: for every 32 rows and step two tiles. They are columns of the
 * transposed matrix, whose pairs need only change sides. */
static void pack_rows(gsize k, gsize count, const BertBf16 *a, ptrdiff_t row_stride, ptrdiff_t column_stride,
                      BertBf16 *to)
{
  BertBf16 pairs[STEP_NUMBERS] __attribute__((aligned(64)));
  for (gsize i = 0; i < count; i += BLOCK)
    for (gsize p = 0; p < k; p += STEP, to += STEP_NUMBERS) {
      pack_step(MIN((gsize)STEP, k - p), MIN((gsize)BLOCK, count - i),
                a + (ptrdiff_t)i * row_stride + (ptrdiff_t)p * column_stride, column_stride, row_stride,
                pairs);
      transpose_pairs(pairs, STEP, to);
      transpose_pairs(pairs + TILE_NUMBERS, STEP, to + TILE_NUMBERS);
    }
}
