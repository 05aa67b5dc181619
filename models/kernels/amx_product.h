/* Products of bf16 matrices with AMX's tile instructions. A file that includes this has _tile_loadd and the
 * rest, as the compiler's intrinsics or in plain C, and defines BERT_AMX_NAME; it gets `use_tiles`. An
 * element of a result is one chain over steps of 32 k: in a step the instruction adds the products of even k
 * in one chain of fused multiply-adds from 0, those of odd k in another, adds the two, and adds that to the
 * element, rounding to nearest even each time; subnormal numbers count as 0. So it depends on k alone, not on
 * the blocks below. Blocks were chosen by measuring: a panel (24 KiB) stays in the first-level cache, which
 * the rows pass by
 * (_tile_stream_loadd), and a block of rows in the second. */
#include "models/kernels/kernels.h"
#include <string.h>

#include "models/kernels/amx_pack.h"

#define MOST_STEPS 12                 /* of a block of k */
#define MOST_ROWS  512                /* of a block of rows that are read where they lie */
#define ROWS_BYTES ((gsize)900 << 10) /* of such a block, at most */
#define TILED_ROWS 384                /* of a block of rows that are packed */

/* A call's memory. */
typedef struct {
  float *corner;  /* a block of results at an edge */
  float *stripe;  /* a panel's results for MOST_ROWS rows, where floats are not wanted */
  BertBf16 *ends; /* the last numbers of MOST_ROWS rows, a step long */
  BertBf16 *few;  /* less than 16 rows of a block of k */
  BertBf16 *rows, *panel;
} Scratch;

#define CORNER_NUMBERS (BLOCK * BLOCK)
#define STRIPE_NUMBERS (MOST_ROWS * BLOCK)
#define ENDS_NUMBERS   (MOST_ROWS * STEP)
#define FEW_NUMBERS    (TILE * MOST_STEPS * STEP)
#define ROWS_NUMBERS   (TILED_ROWS * MOST_STEPS * STEP)
#define PANEL_NUMBERS  (MOST_STEPS * STEP_NUMBERS)
#define SCRATCH_FLOATS                                                                                       \
  (CORNER_NUMBERS + STRIPE_NUMBERS + (ENDS_NUMBERS + FEW_NUMBERS + ROWS_NUMBERS + PANEL_NUMBERS) / 2)

static Scratch scratch_of(float *memory)
{
  Scratch scratch = {.corner = memory, .stripe = memory + CORNER_NUMBERS};
  scratch.ends = (BertBf16 *)(gpointer)(scratch.stripe + STRIPE_NUMBERS);
  scratch.few = scratch.ends + ENDS_NUMBERS;
  scratch.rows = scratch.few + FEW_NUMBERS;
  scratch.panel = scratch.rows + ROWS_NUMBERS;
  return scratch;
}

/* Rows of the left side for some steps: where they lie, or packed. Distances are in bytes. */
typedef struct {
  const char *data;
  gsize stride, step; /* from row to row, step to step */
  gsize group;        /* of 32 packed rows; 0: not packed */
  const char *ends;   /* one step more, whose rows of 64 bytes lie here; NULL: none */
} Side;

/* The tiles of up to 32 rows of it. */
typedef struct {
  const char *rows[2], *ends[2];
  gsize stride, step;
} Left;

/* Where the sums of two by two tiles begin (NULL: zeros; stride 0: one row for all) and end. */
typedef struct {
  const float *from[2];
  float *to[2];
  gsize from_stride, to_stride; /* bytes */
} Sums;

/* The panel after this one, of which each step asks for some lines. */
typedef struct {
  const char *from;
  gsize lines;
} Ahead;

#define BEGIN_TILE(tile, from, stride)                                                                       \
  do {                                                                                                       \
    if (from)                                                                                                \
      _tile_loadd(tile, from, stride);                                                                       \
    else                                                                                                     \
      _tile_zero(tile);                                                                                      \
  } while (0)

static inline __attribute__((always_inline)) void step_of(const int rows, const int columns,
                                                          const char *upper, const char *lower, gsize stride,
                                                          const char *panel)
{
  _tile_stream_loadd(4, upper, stride);
  _tile_loadd(6, panel, TILE * 4);
  _tile_dpbf16ps(0, 4, 6);
  if (columns > 1) {
    _tile_loadd(7, panel + TILE_NUMBERS * 2, TILE * 4);
    _tile_dpbf16ps(1, 4, 7);
  }
  if (rows > 1) {
    _tile_stream_loadd(5, lower, stride);
    _tile_dpbf16ps(2, 5, 6);
    if (columns > 1)
      _tile_dpbf16ps(3, 5, 7);
  }
}

/* `rows` by `columns` tiles of results. */
static inline __attribute__((always_inline)) void block_of(const int rows, const int columns, gsize steps,
                                                           const Left *left, const char *panel,
                                                           const Sums *sums, Ahead ahead)
{
  const char *upper = left->rows[0], *lower = left->rows[1];
  const float *from = sums->from[0], *below = sums->from[1];
  __asm__ volatile("" ::: "memory"); /* the intrinsics do not say that they read memory */
  BEGIN_TILE(0, from, sums->from_stride);
  if (columns > 1)
    BEGIN_TILE(1, from ? from + TILE : NULL, sums->from_stride);
  if (rows > 1) {
    BEGIN_TILE(2, below, sums->from_stride);
    if (columns > 1)
      BEGIN_TILE(3, below ? below + TILE : NULL, sums->from_stride);
  }
  for (gsize s = 0; s < steps; s++, upper += left->step, lower += left->step, panel += STEP_NUMBERS * 2) {
    step_of(rows, columns, upper, lower, left->stride, panel);
    for (gsize i = 0; i < ahead.lines; i++, ahead.from += 64)
      __builtin_prefetch(ahead.from, 0, 2);
  }
  if (left->ends[0])
    step_of(rows, columns, left->ends[0], left->ends[1], STEP * 2, panel);
  _tile_stored(0, sums->to[0], sums->to_stride);
  if (columns > 1)
    _tile_stored(1, sums->to[0] + TILE, sums->to_stride);
  if (rows > 1) {
    _tile_stored(2, sums->to[1], sums->to_stride);
    if (columns > 1)
      _tile_stored(3, sums->to[1] + TILE, sums->to_stride);
  }
}

static void block(gsize rows, gsize columns, gsize steps, const Left *left, const char *panel,
                  const Sums *sums, Ahead ahead)
{
  if (rows > TILE && columns > TILE)
    block_of(2, 2, steps, left, panel, sums, ahead);
  else if (rows > TILE)
    block_of(2, 1, steps, left, panel, sums, ahead);
  else if (columns > TILE)
    block_of(1, 2, steps, left, panel, sums, ahead);
  else
    block_of(1, 1, steps, left, panel, sums, ahead);
}

/* What a panel's product does with its results: c = start + product, where start is c, the bias or zero. */
typedef struct {
  float *c;
  gsize c_stride, width;
  const float *bias; /* NULL: zeros */
  gboolean adds;     /* start is c */
  float *corner;
  gboolean rounds;               /* c is the stripe, and its results are whole now */
  BertBf16 *rounded, *activated; /* NULL: not wanted */
  gsize rounded_stride;
  BertActivate activate;
  Ahead ahead;
} Target;

/* Rows i .. i+rows-1 of `side`, which has `count`. No row after the last is read: a tile that would begins
 * earlier, and early[t] of its rows are then of no use. */
static Left tiles_of(const Side *side, gsize count, gsize i, gsize rows, gsize early[2])
{
  Left left = {.stride = side->stride, .step = side->step};
  for (gsize t = 0; t < 2; t++) {
    gsize start = i + t * TILE;
    early[t] = 0;
    if (t > 0 && rows <= TILE)
      break;
    if (side->group) {
      left.rows[t] = side->data + i / BLOCK * side->group + t * TILE_NUMBERS * 2;
      continue;
    }
    early[t] = start + TILE > count && count >= TILE ? start + TILE - count : 0;
    left.rows[t] = side->data + (start - early[t]) * side->stride;
    if (side->ends)
      left.ends[t] = side->ends + (start - early[t]) * STEP * 2;
  }
  return left;
}

/* A block at an edge of c, of rows i .. i+rows-1: its tiles begin and end in `corner`. */
static void edge_block(gsize i, gsize rows, gsize steps, const Left *left, const gsize early[2],
                       const char *panel, const Target *target)
{
  float *corner = target->corner;
  memset(corner, 0, CORNER_NUMBERS * sizeof *corner);
  for (gsize r = 0; r < rows; r++) {
    const float *start = target->adds ? target->c + (i + r) * target->c_stride : target->bias;
    if (start)
      memcpy(corner + (r + early[r / TILE]) * BLOCK, start, target->width * sizeof *start);
  }
  Sums sums = {.from = {corner, corner + TILE * BLOCK}, .to = {corner, corner + TILE * BLOCK}};
  sums.from_stride = sums.to_stride = BLOCK * sizeof *corner;
  block(rows, target->width, steps, left, panel, &sums, target->ahead);
  for (gsize r = 0; r < rows; r++)
    memcpy(target->c + (i + r) * target->c_stride, corner + (r + early[r / TILE]) * BLOCK,
           target->width * sizeof *corner);
}

static void put_rows(const Target *target, gsize i, gsize rows, const BertBf16 *numbers, BertBf16 *to)
{
  for (gsize row = 0; to && row < rows; row++)
    memcpy(to + (i + row) * target->rounded_stride, numbers + row * BLOCK, target->width * sizeof *numbers);
}

/* A block of the stripe, whose rows follow each other, is rounded and activated while it is in the nearest
 * cache. */
static void round_block(const Target *target, gsize i, gsize rows)
{
  BertBf16 numbers[BLOCK * BLOCK];
  float values[BLOCK * BLOCK];
  gsize n = rows * BLOCK;
  for (gsize row = i; target->width < BLOCK && row < i + rows; row++)
    memset(target->c + row * BLOCK + target->width, 0, (BLOCK - target->width) * sizeof *target->c);
  bf16_round(n, target->c + i * BLOCK, numbers);
  put_rows(target, i, rows, numbers, target->rounded);
  if (!target->activate)
    return;
  for (gsize e = 0; e < n; e++)
    values[e] = float_of(numbers[e]);
  target->activate(n, values, values, NULL);
  bf16_round(n, values, numbers);
  put_rows(target, i, rows, numbers, target->activated);
}

/* `count` rows by one panel. */
static void multiply_panel(const Side *side, gsize count, gsize steps, const char *panel,
                           const Target *target)
{
  Target here = *target;
  for (gsize i = 0; i < count; i += BLOCK) {
    gsize rows = MIN((gsize)BLOCK, count - i), early[2];
    Left left = tiles_of(side, count, i, rows, early);
    if (rows % TILE || here.width % TILE) {
      edge_block(i, rows, steps, &left, early, panel, &here);
    } else {
      float *c = here.c + i * here.c_stride, *below = c + TILE * here.c_stride;
      Sums sums = {.to = {c, below}, .to_stride = here.c_stride * sizeof *c};
      if (here.adds)
        sums.from[0] = c, sums.from[1] = below, sums.from_stride = sums.to_stride;
      else
        sums.from[0] = sums.from[1] = here.bias;
      block(rows, here.width, steps, &left, panel, &sums, here.ahead);
    }
    if (here.rounds)
      round_block(&here, i, rows);
    here.ahead.from += steps * here.ahead.lines * 64;
  }
}

/* A product: a is as BertBf16View, b is `packed` if that is not NULL, else `view`. */
typedef struct {
  gsize m, n, k;
  BertBf16View a, view;
  const BertBf16 *packed;
  float *c;
  gsize c_stride;
  const float *bias;
  gboolean accumulate;
  Scratch scratch;
  BertBf16 *rounded, *activated; /* without c: m x n */
  BertActivate activate;
} Product;

/* Equal parts of `n`, at most `most` each, in multiples of `unit`. */
static gsize part_of(gsize n, gsize most, gsize unit)
{
  gsize n_parts = MAX((n + most - 1) / most, 1);
  return MAX(((n + n_parts - 1) / n_parts + unit - 1) / unit * unit, unit);
}

static Target target_of(const Product *p, gsize row, gsize panel, gboolean is_first, gboolean is_last)
{
  gsize at = row * p->n + panel * BLOCK;
  return (Target){.c = p->c ? p->c + row * p->c_stride + panel * BLOCK : p->scratch.stripe,
                  .c_stride = p->c ? p->c_stride : BLOCK,
                  .width = MIN((gsize)BLOCK, p->n - panel * BLOCK),
                  .bias = p->bias ? p->bias + panel * BLOCK : NULL,
                  .adds = p->accumulate || !is_first,
                  .corner = p->scratch.corner,
                  .rounds = !p->c && is_last,
                  .rounded = p->rounded ? p->rounded + at : NULL,
                  .activated = p->activated ? p->activated + at : NULL,
                  .rounded_stride = p->n,
                  .activate = p->activate};
}

/* Numbers first .. first+depth-1 of `count` rows where they lie. Of the last step `whole` ends before, `ends`
 * has a copy. */
static Side rows_in_place(const Product *p, const BertBf16 *rows, gsize count, gsize first, gsize depth)
{
  gsize row_stride = (gsize)p->a.row_stride, n_whole = MIN(depth, p->k / STEP * STEP - first);
  Side side = {.data = (const char *)(rows + first), .stride = row_stride * sizeof *rows, .step = STEP * 2};
  if (n_whole < depth)
    side.ends = (const char *)p->scratch.ends;
  if (count < TILE) {
    memset(p->scratch.few, 0, TILE * n_whole * sizeof *rows);
    for (gsize i = 0; i < count; i++)
      memcpy(p->scratch.few + i * n_whole, rows + i * row_stride + first, n_whole * sizeof *rows);
    side.data = (const char *)p->scratch.few;
    side.stride = n_whole * sizeof *rows;
  }
  return side;
}

static void copy_ends(const Product *p, const BertBf16 *rows, gsize count)
{
  gsize n_whole = p->k / STEP * STEP;
  if (n_whole == p->k)
    return;
  memset(p->scratch.ends, 0, MAX(count, (gsize)TILE) * STEP * sizeof *rows);
  for (gsize i = 0; i < count; i++)
    memcpy(p->scratch.ends + i * STEP, rows + i * (gsize)p->a.row_stride + n_whole,
           (p->k - n_whole) * sizeof *rows);
}

/* Rows that lie in memory as they are by packed panels: a panel passes by all rows of a block with all of its
 * k before the next comes. */
static void multiply_rows(const Product *p)
{
  gsize steps = steps_of(p->k), n_panels = (p->n + BLOCK - 1) / BLOCK;
  gsize fits = ROWS_BYTES / (steps * STEP * sizeof(BertBf16)) / BLOCK * BLOCK;
  gsize part = part_of(p->m, CLAMP(fits, 2 * BLOCK, MOST_ROWS), BLOCK), depth = part_of(steps, MOST_STEPS, 1);
  for (gsize i0 = 0; i0 < p->m; i0 += part) {
    gsize count = MIN(part, p->m - i0);
    const BertBf16 *rows = p->a.data + (ptrdiff_t)i0 * p->a.row_stride;
    copy_ends(p, rows, count);
    for (gsize j = 0; j < n_panels; j++)
      for (gsize s = 0; s < steps; s += depth) {
        gsize n_steps = MIN(depth, steps - s);
        const char *panel = (const char *)(p->packed + (j * steps + s) * STEP_NUMBERS);
        Side side = rows_in_place(p, rows, count, s * STEP, MIN(n_steps * STEP, p->k - s * STEP));
        Target target = target_of(p, i0, j, s == 0, s + n_steps == steps);
        if (j + 1 < n_panels || s + n_steps < steps)
          target.ahead = (Ahead){panel + n_steps * STEP_NUMBERS * 2, (BLOCK * BLOCK + count - 1) / count};
        multiply_panel(&side, count, n_steps - (side.ends ? 1 : 0), panel, &target);
      }
  }
}

/* Everything else: rows, and a right side that is not packed, become tiles on the way, a block of k at a
 * time. */
static void multiply_tiled(const Product *p)
{
  gsize steps = steps_of(p->k), n_panels = (p->n + BLOCK - 1) / BLOCK;
  gsize part = part_of(p->m, TILED_ROWS, BLOCK), depth = part_of(steps, MOST_STEPS, 1);
  for (gsize i0 = 0; i0 < p->m; i0 += part)
    for (gsize s = 0; s < steps; s += depth) {
      gsize count = MIN(part, p->m - i0), n_steps = MIN(depth, steps - s), k0 = s * STEP;
      gsize n_numbers = MIN(n_steps * STEP, p->k - k0);
      pack_rows(n_numbers, count,
                p->a.data + (ptrdiff_t)i0 * p->a.row_stride + (ptrdiff_t)k0 * p->a.column_stride,
                p->a.row_stride, p->a.column_stride, p->scratch.rows);
      Side side = {.data = (const char *)p->scratch.rows,
                   .stride = STEP * 2,
                   .step = STEP_NUMBERS * 2,
                   .group = n_steps * STEP_NUMBERS * 2};
      for (gsize j = 0; j < n_panels; j++) {
        Target target = target_of(p, i0, j, s == 0, s + n_steps == steps);
        const BertBf16 *panel = p->packed ? p->packed + (j * steps + s) * STEP_NUMBERS : p->scratch.panel;
        if (!p->packed)
          pack_panel(n_numbers, target.width,
                     p->view.data + (ptrdiff_t)k0 * p->view.row_stride +
                         (ptrdiff_t)(j * BLOCK) * p->view.column_stride,
                     p->view.row_stride, p->view.column_stride, p->scratch.panel);
        multiply_panel(&side, count, n_steps, (const char *)panel, &target);
      }
    }
}

/* All eight tiles whole: 16 rows of 64 bytes. */
static const struct {
  guint8 palette, start, reserved[14];
  guint16 bytes[16];
  guint8 rows[16];
} whole_tiles __attribute__((aligned(64))) = {
    .palette = 1, .bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {16, 16, 16, 16, 16, 16, 16, 16}};

static void multiply_nothing(const Product *p)
{
  for (gsize i = 0; !p->accumulate && i < p->m; i++)
    for (gsize panel = 0; panel * BLOCK < p->n; panel++) {
      Target target = target_of(p, i, panel, TRUE, TRUE);
      for (gsize j = 0; j < target.width; j++)
        target.c[j] = target.bias ? target.bias[j] : 0;
      if (target.rounds)
        round_block(&target, 0, 1);
    }
}

static void multiply(const Product *p)
{
  if (p->k == 0 || p->m == 0) {
    multiply_nothing(p);
    return;
  }
  _tile_loadconfig(&whole_tiles);
  if (p->packed && p->a.column_stride == 1)
    multiply_rows(p);
  else
    multiply_tiled(p);
  _tile_release();
}

static void gemm_bf16(gsize m, gsize n, gsize k, BertBf16View a, BertBf16View b, float *c, gsize c_stride,
                      const float *bias, gboolean accumulate, float *scratch)
{
  Product product = {.m = m,
                     .n = n,
                     .k = k,
                     .a = a,
                     .view = b,
                     .c = c,
                     .c_stride = c_stride,
                     .bias = bias,
                     .accumulate = accumulate,
                     .scratch = scratch_of(scratch)};
  multiply(&product);
}

static void gemm_bf16_packed(gsize m, gsize n, gsize k, BertBf16View a, const BertBf16 *packed, float *c,
                             gsize c_stride, const float *bias, gboolean accumulate, float *scratch)
{
  Product product = {.m = m,
                     .n = n,
                     .k = k,
                     .a = a,
                     .packed = packed,
                     .c = c,
                     .c_stride = c_stride,
                     .bias = bias,
                     .accumulate = accumulate,
                     .scratch = scratch_of(scratch)};
  multiply(&product);
}

/* The rows lie in memory as they are (column_stride 1). */
static void gemm_bf16_rounded(gsize m, gsize n, gsize k, BertBf16View a, const BertBf16 *packed,
                              const float *bias, BertBf16 *rounded, BertActivate activate,
                              BertBf16 *activated, float *scratch)
{
  Product product = {.m = m,
                     .n = n,
                     .k = k,
                     .a = a,
                     .packed = packed,
                     .bias = bias,
                     .scratch = scratch_of(scratch),
                     .rounded = rounded,
                     .activated = activated,
                     .activate = activate};
  multiply(&product);
}

/* Puts the tiles' products into a table that has everything else. */
static void use_tiles(BertKernels *table)
{
  table->name = BERT_AMX_NAME;
  table->has_bf16 = table->bf16_heads = TRUE;
  table->bf16_tile_rows = BLOCK;
  table->bf16_forward_rows = 288;
  table->bf16_gradient_rows = TILED_ROWS;
  table->gemm_scratch = MAX(table->gemm_scratch, (gsize)SCRATCH_FLOATS);
  table->packed_bf16_size = packed_bf16_size;
  table->pack_bf16 = pack_bf16;
  table->repack_bf16 = repack_bf16;
  table->gemm_bf16 = gemm_bf16;
  table->gemm_bf16_packed = gemm_bf16_packed;
  table->gemm_bf16_rounded = gemm_bf16_rounded;
}
