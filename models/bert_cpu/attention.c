/* Multi-head attention, a task per text and head: no token is padded and no score masked away. Scores of a
 * few query rows at a time stay in the cache between product, softmax and product; their rows are `stride`
 * floats apart, which is the text's length filled up to whole vectors. Backward makes the scores again from
 * query and key: that costs one product more, and as much time as reading them back would. With bf16 the
 * products are of bf16: probabilities and the gradients of scores are rounded for the products they enter,
 * softmax and sums stay floats. */
#include "models/bert_cpu/network.h"
#include <math.h>

/* Query rows handled at once, at most. */
#define QUERY_ROWS 48

static guint query_rows(const BertNetwork *network)
{
  guint unit = network->rules.bf16 ? network->kernels->bf16_tile_rows : 1;
  return QUERY_ROWS / unit * unit;
}

typedef struct {
  BertPass *pass;
  gint layer;
  gconstpointer query_key_value, d_context;
  gpointer context, d_query_key_value;
} AttentionRun;

/* A text and head: where its numbers are. */
typedef struct {
  guint first_row, length, head, padded; /* padded: stride of scores */
  guint64 hash;
  gsize h, width; /* hidden size; of a head */
  gsize at; /* of the first query number in query_key_value, whose rows are 3h; key and value follow at h and
               2h */
  gsize context; /* of the first number in context */
  float scale;   /* of scores */
} Item;

static Item item_of(const AttentionRun *run, guint task)
{
  const BertBatch *batch = run->pass->batch;
  const BertConfig *config = run->pass->network->config;
  guint text = batch->text_order[task / config->n_heads];
  Item item = {.first_row = batch->text_start[text],
               .length = batch->text_start[text + 1] - batch->text_start[text],
               .head = task % config->n_heads,
               .hash = batch->text_hash[text],
               .h = config->hidden_size,
               .width = config->hidden_size / config->n_heads};
  item.padded = bert_padded(item.length);
  item.scale = 1.0f / sqrtf((float)item.width);
  item.at = item.first_row * 3 * item.h + item.head * item.width;
  item.context = item.first_row * item.h + item.head * item.width;
  return item;
}

/* A thread's memory: three packed matrices of stored numbers, three blocks of scores, dropout bits; with
 * halves also a block of rounded scores, and a head's results before they are rounded. */
typedef struct {
  float *gemm;
  gpointer packed1, packed2, packed3;
  float *scores1, *scores2, *scores3;
  guint16 *bits;
  BertBf16 *rounded;
  float *block, *sums1, *sums2; /* QUERY_ROWS, length, length rows of a head's width */
} Scratch;

static float *next(float *start, gsize *at, gsize size)
{
  gsize first = *at;
  *at += (size + 15) / 16 * 16;
  return start ? start + first : NULL;
}

/* Lays out a thread's memory from `start`; returns the floats it takes. */
static gsize lay_out(const BertNetwork *network, guint longest_text, float *start, Scratch *scratch)
{
  const BertKernels *kernels = network->kernels;
  gsize longest = bert_padded(longest_text), width = network->config->hidden_size / network->config->n_heads;
  gsize scores = (gsize)QUERY_ROWS * longest, at = 0;
  gsize packed =
      network->rules.bf16
          ? MAX(kernels->packed_bf16_size(width, longest), kernels->packed_bf16_size(longest, width)) / 2 + 1
          : MAX(kernels->packed_size(width, longest), kernels->packed_size(longest, width));
  *scratch = (Scratch){.gemm = next(start, &at, kernels->gemm_scratch)};
  scratch->packed1 = next(start, &at, packed);
  scratch->packed2 = next(start, &at, packed);
  scratch->packed3 = next(start, &at, packed);
  scratch->scores1 = next(start, &at, scores);
  scratch->scores2 = next(start, &at, scores);
  scratch->scores3 = next(start, &at, scores);
  scratch->bits = (guint16 *)(gpointer)next(start, &at, (scores + 2 * BERT_DROPOUT_GROUP) / 2 + 16);
  if (network->rules.bf16) {
    scratch->rounded = (BertBf16 *)(gpointer)next(start, &at, (scores + 1) / 2);
    scratch->block = next(start, &at, QUERY_ROWS * width);
    scratch->sums1 = next(start, &at, longest * width);
    scratch->sums2 = next(start, &at, longest * width);
  }
  return at;
}

/* A head's rows of stored numbers, `stride` apart. */
typedef struct {
  gpointer data;
  gsize stride;
} Matrix;

static Matrix matrix_of(const AttentionRun *run, gconstpointer base, gsize index, gsize stride)
{
  return (Matrix){bert_stored(&run->pass->network->stored, base, index), stride};
}

/* From row `first` on. */
static Matrix rows_from(const AttentionRun *run, Matrix matrix, guint first)
{
  return matrix_of(run, matrix.data, first * matrix.stride, matrix.stride);
}

/* Packs a matrix of k x n, or with `transposed` one of n x k, for `multiply`. */
static void pack(const AttentionRun *run, gsize k, gsize n, Matrix b, gboolean transposed, gpointer packed)
{
  const BertKernels *kernels = run->pass->network->kernels;
  gsize n_panels = (n + kernels->panel_columns - 1) / kernels->panel_columns;
  if (run->pass->network->rules.bf16)
    kernels->repack_bf16(
        k, n, transposed ? bert_bf16_transposed(b.data, b.stride) : bert_bf16_rows(b.data, b.stride), 0,
        n_panels, packed);
  else
    kernels->pack(k, n, transposed ? bert_transposed(b.data, b.stride) : bert_rows(b.data, b.stride), 0,
                  n_panels, packed);
}

/* c = a packed: m x n, c_stride from row to row. */
static void multiply(const AttentionRun *run, gsize m, gsize n, gsize k, Matrix a, gconstpointer packed,
                     float *c, gsize c_stride, float *gemm)
{
  const BertKernels *kernels = run->pass->network->kernels;
  if (run->pass->network->rules.bf16)
    kernels->gemm_bf16_packed(m, n, k, bert_bf16_rows(a.data, a.stride), packed, c, c_stride, NULL, FALSE,
                              gemm);
  else
    kernels->gemm_packed(m, n, k, bert_rows(a.data, a.stride), packed, c, c_stride, NULL, FALSE, gemm);
}

/* c (m x n) = a^T b, or += with `adds`; a is k x m, b k x n. */
static void multiply_transposed(const AttentionRun *run, gsize m, gsize n, gsize k, Matrix a, Matrix b,
                                float *c, gsize c_stride, gboolean adds, float *gemm)
{
  const BertKernels *kernels = run->pass->network->kernels;
  if (run->pass->network->rules.bf16)
    kernels->gemm_bf16(m, n, k, bert_bf16_transposed(a.data, a.stride), bert_bf16_rows(b.data, b.stride), c,
                       c_stride, NULL, adds, gemm);
  else
    kernels->gemm(m, n, k, bert_transposed(a.data, a.stride), bert_rows(b.data, b.stride), c, c_stride, NULL,
                  adds, gemm);
}

/* Columns of scores as the k of a product: pairs are whole, what follows a text's end is 0. */
static gsize depth_of(const AttentionRun *run, const Item *item)
{
  return run->pass->network->rules.bf16 ? (item->length + 1) / 2 * 2 : item->length;
}

/* Where to compute rows of a matrix: there, or with bf16 in `spare`, densely; store_rows puts them into
 * their place. */
static Matrix open_rows(const AttentionRun *run, const Item *item, Matrix matrix, float *spare)
{
  return run->pass->network->rules.bf16 ? (Matrix){spare, item->width} : matrix;
}

static void store_rows(const AttentionRun *run, const Item *item, guint n_rows, Matrix rows, Matrix matrix)
{
  const BertNetwork *network = run->pass->network;
  for (guint row = 0; network->rules.bf16 && row < n_rows; row++)
    network->kernels->to_bf16(item->width, (const float *)rows.data + row * rows.stride,
                              (BertBf16 *)matrix.data + row * matrix.stride);
}

/* Products write whole panels of scores where rows are wide enough, because the edge of a panel costs more.
 */
static gsize whole_columns(const BertKernels *kernels, const Item *item)
{
  gsize panel = kernels->panel_columns;
  return MIN((gsize)item->padded, (item->length + panel - 1) / panel * panel);
}

/* Scores of `count` queries, before softmax; key is packed. */
static void scores_of(const AttentionRun *run, const Item *item, Matrix query, gconstpointer key, guint count,
                      float *scores, float *gemm)
{
  multiply(run, count, whole_columns(run->pass->network->kernels, item), item->width, query, key, scores,
           item->padded, gemm);
}

/* The dropout of `count` queries from `first` on; NULL: nothing is dropped. */
static const guint16 *bits_of(const AttentionRun *run, const Item *item, guint first, guint count,
                              guint16 *buffer)
{
  const BertDropout *dropout = &run->pass->attention_dropout;
  if (dropout->threshold == 0)
    return NULL;
  return run->pass->network->kernels->dropout_bits(
      dropout, bert_dropout_place(run->layer, BERT_SITE_ATTENTION, item->head), item->hash,
      (gsize)first * item->padded, (gsize)count * item->padded, buffer);
}

/* `scores` become probabilities. Returns them as the product takes them, dropped and rounded; a row goes
 * through all of it while it is in the nearest cache. */
static Matrix probabilities_of(const AttentionRun *run, const Item *item, const guint16 *bits, guint count,
                               float *scores, const Scratch *scratch)
{
  const BertNetwork *network = run->pass->network;
  const BertKernels *kernels = network->kernels;
  gsize padded = item->padded;
  for (guint row = 0; row < count; row++) {
    float *p = scores + row * padded, *left = p;
    kernels->softmax_padded(item->length, padded, item->scale, p);
    if (bits) {
      left = scratch->scores2 + (network->rules.bf16 ? 0 : row * padded);
      kernels->dropout_apply(padded, &run->pass->attention_dropout, bits + row * padded, p, left);
    }
    if (network->rules.bf16)
      kernels->to_bf16(padded, left, scratch->rounded + row * padded);
  }
  if (network->rules.bf16)
    return (Matrix){scratch->rounded, padded};
  return (Matrix){bits ? scratch->scores2 : scores, padded};
}

/* d_scores, the gradient of the dropped probabilities, becomes that of the scores. Returned like
 * probabilities_of. */
static Matrix scores_backward(const AttentionRun *run, const Item *item, const guint16 *bits, guint count,
                              const float *p, float *d_scores, const Scratch *scratch)
{
  const BertNetwork *network = run->pass->network;
  const BertKernels *kernels = network->kernels;
  gsize padded = item->padded;
  for (guint row = 0; row < count; row++) {
    float *d_row = d_scores + row * padded;
    if (bits)
      kernels->dropout_apply(padded, &run->pass->attention_dropout, bits + row * padded, d_row, d_row);
    kernels->softmax_padded_backward(item->length, padded, item->scale, p + row * padded, d_row);
    if (network->rules.bf16)
      kernels->to_bf16(padded, d_row, scratch->rounded + row * padded);
  }
  return (Matrix){network->rules.bf16 ? (gpointer)scratch->rounded : d_scores, padded};
}

static void forward_task(gpointer data, guint task, guint thread)
{
  const AttentionRun *run = data;
  Item item = item_of(run, task);
  Scratch scratch;
  lay_out(run->pass->network, run->pass->batch->longest, run->pass->scratch[thread], &scratch);
  guint at_once = query_rows(run->pass->network);
  gsize length = item.length, wide = 3 * item.h;
  Matrix query = matrix_of(run, run->query_key_value, item.at, wide);
  Matrix key = matrix_of(run, run->query_key_value, item.at + item.h, wide);
  Matrix value = matrix_of(run, run->query_key_value, item.at + 2 * item.h, wide);
  Matrix context = matrix_of(run, run->context, item.context, item.h);
  pack(run, item.width, length, key, TRUE, scratch.packed1);
  pack(run, length, item.width, value, FALSE, scratch.packed2);
  for (guint first = 0; first < length; first += at_once) {
    guint count = MIN(at_once, (guint)length - first);
    const guint16 *bits = bits_of(run, &item, first, count, scratch.bits);
    scores_of(run, &item, rows_from(run, query, first), scratch.packed1, count, scratch.scores1,
              scratch.gemm);
    Matrix p = probabilities_of(run, &item, bits, count, scratch.scores1, &scratch);
    Matrix to = rows_from(run, context, first), block = open_rows(run, &item, to, scratch.block);
    multiply(run, count, item.width, depth_of(run, &item), p, scratch.packed2, block.data, block.stride,
             scratch.gemm);
    store_rows(run, &item, count, block, to);
  }
}

gsize bert_attention_scratch(const BertNetwork *network, guint longest)
{
  Scratch scratch;
  return lay_out(network, longest, NULL, &scratch);
}

static void run_tasks(BertPass *pass, BertTask task, AttentionRun *run)
{
  bert_pass_scratch(pass, bert_attention_scratch(pass->network, pass->batch->longest));
  bert_pool_run(pass->network->pool, pass->batch->n_texts * pass->network->config->n_heads, task, run);
}

void bert_attention_forward(BertPass *pass, gint layer, gconstpointer query_key_value, gpointer context)
{
  AttentionRun run = {.pass = pass, .layer = layer, .query_key_value = query_key_value, .context = context};
  run_tasks(pass, forward_task, &run);
}

static void backward_task(gpointer data, guint task, guint thread)
{
  const AttentionRun *run = data;
  const BertKernels *kernels = run->pass->network->kernels;
  Item item = item_of(run, task);
  Scratch scratch;
  lay_out(run->pass->network, run->pass->batch->longest, run->pass->scratch[thread], &scratch);
  guint at_once = query_rows(run->pass->network);
  gsize length = item.length, columns = whole_columns(kernels, &item), wide = 3 * item.h;
  gsize at_key = item.at + item.h, at_value = item.at + 2 * item.h;
  Matrix query = matrix_of(run, run->query_key_value, item.at, wide);
  Matrix key = matrix_of(run, run->query_key_value, at_key, wide);
  Matrix value = matrix_of(run, run->query_key_value, at_value, wide);
  Matrix d_context = matrix_of(run, run->d_context, item.context, item.h);
  Matrix to_query = matrix_of(run, run->d_query_key_value, item.at, wide);
  Matrix to_key = matrix_of(run, run->d_query_key_value, at_key, wide);
  Matrix to_value = matrix_of(run, run->d_query_key_value, at_value, wide);
  Matrix d_key = open_rows(run, &item, to_key, scratch.sums1),
         d_value = open_rows(run, &item, to_value, scratch.sums2);
  pack(run, item.width, length, key, TRUE, scratch.packed1);
  pack(run, item.width, length, value, TRUE, scratch.packed2);
  pack(run, length, item.width, key, FALSE, scratch.packed3);
  for (guint first = 0; first < length; first += at_once) {
    guint count = MIN(at_once, (guint)length - first);
    float *p = scratch.scores1, *d_scores = scratch.scores3;
    const guint16 *bits = bits_of(run, &item, first, count, scratch.bits);
    Matrix queries = rows_from(run, query, first), d_rows = rows_from(run, d_context, first);
    scores_of(run, &item, queries, scratch.packed1, count, p, scratch.gemm);
    multiply(run, count, columns, item.width, d_rows, scratch.packed2, d_scores, item.padded, scratch.gemm);
    multiply_transposed(run, length, item.width, count,
                        probabilities_of(run, &item, bits, count, p, &scratch), d_rows, d_value.data,
                        d_value.stride, first > 0, scratch.gemm);
    Matrix d_stored = scores_backward(run, &item, bits, count, p, d_scores, &scratch);
    Matrix to = rows_from(run, to_query, first), block = open_rows(run, &item, to, scratch.block);
    multiply(run, count, item.width, depth_of(run, &item), d_stored, scratch.packed3, block.data,
             block.stride, scratch.gemm);
    store_rows(run, &item, count, block, to);
    multiply_transposed(run, length, item.width, count, d_stored, queries, d_key.data, d_key.stride,
                        first > 0, scratch.gemm);
  }
  store_rows(run, &item, (guint)length, d_key, to_key);
  store_rows(run, &item, (guint)length, d_value, to_value);
}

void bert_attention_backward(BertPass *pass, gint layer, gconstpointer query_key_value,
                             gconstpointer d_context, gpointer d_query_key_value)
{
  AttentionRun run = {.pass = pass,
                      .layer = layer,
                      .query_key_value = query_key_value,
                      .d_context = d_context,
                      .d_query_key_value = d_query_key_value};
  run_tasks(pass, backward_task, &run);
}
