/* Multi-head attention, a task per text and head: no token is padded and no score masked away. Scores of a few query
 * rows at a time stay in the cache between product, softmax and product; their rows are `stride` floats apart, which is
 * the text's length filled up to whole vectors. Backward makes the scores again from query and key: that costs one
 * product more, and as much time as reading them back would. The arithmetic is in floats; with halves a head's query,
 * key and value are widened first. */
#include "network.h"
#include <math.h>

/* Query rows handled at once. */
#define QUERY_ROWS 48
/* A head's matrices (length x width) that a backward task widens: query, key, value, d_context and the three results.
 */
#define MATRICES 7

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
  gsize at;      /* of the first query number in query_key_value, whose rows are 3h; key and value follow at h and 2h */
  gsize context; /* of the first number in context */
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
  item.at = item.first_row * 3 * item.h + item.head * item.width;
  item.context = item.first_row * item.h + item.head * item.width;
  return item;
}

/* A thread's memory: three packed matrices, three blocks of scores, dropout bits, widened matrices. */
typedef struct {
  float *gemm, *packed1, *packed2, *packed3, *scores1, *scores2, *scores3;
  guint16 *bits;
  float *matrices[MATRICES];
} Scratch;

static float *next(float *start, gsize *at, gsize size)
{
  gsize first = *at;
  *at += size;
  return start ? start + first : NULL;
}

/* Lays out a thread's memory from `start`; returns the floats it takes. */
static gsize lay_out(const BertPass *pass, float *start, Scratch *scratch)
{
  const BertNetwork *network = pass->network;
  const BertKernels *kernels = network->kernels;
  gsize longest = bert_padded(pass->batch->longest), width = network->config->hidden_size / network->config->n_heads;
  gsize packed = MAX(kernels->packed_size(width, longest), kernels->packed_size(longest, width));
  gsize scores = ((gsize)QUERY_ROWS * longest + 15) / 16 * 16, matrix = (longest * width + 15) / 16 * 16, at = 0;
  scratch->gemm = next(start, &at, kernels->gemm_scratch);
  scratch->packed1 = next(start, &at, packed);
  scratch->packed2 = next(start, &at, packed);
  scratch->packed3 = next(start, &at, packed);
  scratch->scores1 = next(start, &at, scores);
  scratch->scores2 = next(start, &at, scores);
  scratch->scores3 = next(start, &at, scores);
  scratch->bits = (guint16 *)(gpointer)next(start, &at, (scores + 2 * BERT_DROPOUT_GROUP) / 2 + 16);
  for (guint i = 0; network->rules.halves && i < MATRICES; i++)
    scratch->matrices[i] = next(start, &at, matrix);
  return at;
}

/* A head's matrix as floats, with the distance between its rows. */
typedef struct {
  float *data;
  gsize stride;
} Matrix;

/* `length` rows of `width` numbers at base[index], `stride` apart: there, or widened into spare if they are read. */
static Matrix open_matrix(const AttentionRun *run, const Item *item, gconstpointer base, gsize index, gsize stride,
                          float *spare, gboolean reads)
{
  const BertNetwork *network = run->pass->network;
  if (!network->rules.halves)
    return (Matrix){(float *)base + index, stride};
  for (guint row = 0; reads && row < item->length; row++)
    network->kernels->from_halves(item->width, (const BertHalf *)base + index + row * stride,
                                  spare + row * item->width);
  return (Matrix){spare, item->width};
}

static void store_matrix(const AttentionRun *run, const Item *item, Matrix matrix, gpointer base, gsize index,
                         gsize stride)
{
  const BertNetwork *network = run->pass->network;
  for (guint row = 0; network->rules.halves && row < item->length; row++)
    network->kernels->to_halves(item->width, matrix.data + row * matrix.stride,
                                (BertHalf *)base + index + row * stride);
}

/* Products write whole panels of scores where rows are wide enough, because the edge of a panel costs more. */
static gsize whole_columns(const BertKernels *kernels, const Item *item)
{
  gsize panel = kernels->panel_columns;
  return MIN((gsize)item->padded, (item->length + panel - 1) / panel * panel);
}

static void pack_whole(const BertKernels *kernels, gsize k, gsize n, BertView b, float *packed)
{
  kernels->pack(k, n, b, 0, (n + kernels->panel_columns - 1) / kernels->panel_columns, packed);
}

/* Probabilities of `count` queries from `first` on, before dropout; key is packed. */
static void probabilities_of(const AttentionRun *run, const Item *item, Matrix query, const float *key, guint first,
                             guint count, float *scores, float *gemm)
{
  const BertKernels *kernels = run->pass->network->kernels;
  kernels->gemm_packed(count, whole_columns(kernels, item), item->width,
                       bert_rows(query.data + first * query.stride, query.stride), key, scores, item->padded, NULL,
                       FALSE, gemm);
  kernels->softmax_rows(count, item->length, item->padded, 1.0f / sqrtf((float)item->width), scores);
}

static const guint16 *bits_of(const AttentionRun *run, const Item *item, guint first, guint count, guint16 *buffer)
{
  return run->pass->network->kernels->dropout_bits(
      &run->pass->attention_dropout, bert_dropout_place(run->layer, BERT_SITE_ATTENTION, item->head), item->hash,
      (gsize)first * item->padded, (gsize)count * item->padded, buffer);
}

static void forward_task(gpointer data, guint task, guint thread)
{
  const AttentionRun *run = data;
  const BertKernels *kernels = run->pass->network->kernels;
  const BertDropout *dropout = &run->pass->attention_dropout;
  Item item = item_of(run, task);
  Scratch scratch;
  lay_out(run->pass, run->pass->scratch[thread], &scratch);
  gsize length = item.length, padded = item.padded, wide = 3 * item.h;
  Matrix query = open_matrix(run, &item, run->query_key_value, item.at, wide, scratch.matrices[0], TRUE);
  Matrix key = open_matrix(run, &item, run->query_key_value, item.at + item.h, wide, scratch.matrices[1], TRUE);
  Matrix value = open_matrix(run, &item, run->query_key_value, item.at + 2 * item.h, wide, scratch.matrices[2], TRUE);
  Matrix context = open_matrix(run, &item, run->context, item.context, item.h, scratch.matrices[3], FALSE);
  pack_whole(kernels, item.width, length, bert_transposed(key.data, key.stride), scratch.packed1);
  pack_whole(kernels, length, item.width, bert_rows(value.data, value.stride), scratch.packed2);
  for (guint first = 0; first < length; first += QUERY_ROWS) {
    guint count = MIN(QUERY_ROWS, (guint)length - first);
    float *scores = scratch.scores1;
    probabilities_of(run, &item, query, scratch.packed1, first, count, scores, scratch.gemm);
    if (dropout->threshold > 0) {
      const guint16 *bits = bits_of(run, &item, first, count, scratch.bits);
      kernels->dropout_apply(count * padded, dropout, bits, scores, scratch.scores2);
      scores = scratch.scores2;
    }
    kernels->gemm_packed(count, item.width, length, bert_rows(scores, padded), scratch.packed2,
                         context.data + first * context.stride, context.stride, NULL, FALSE, scratch.gemm);
  }
  store_matrix(run, &item, context, run->context, item.context, item.h);
}

static void run_tasks(BertPass *pass, BertTask task, AttentionRun *run)
{
  Scratch scratch;
  bert_pass_scratch(pass, lay_out(pass, NULL, &scratch));
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
  const BertDropout *dropout = &run->pass->attention_dropout;
  Item item = item_of(run, task);
  Scratch scratch;
  lay_out(run->pass, run->pass->scratch[thread], &scratch);
  float *const *spare = scratch.matrices;
  gsize length = item.length, padded = item.padded, columns = whole_columns(kernels, &item), wide = 3 * item.h;
  gsize at_key = item.at + item.h, at_value = item.at + 2 * item.h;
  float scale = 1.0f / sqrtf((float)item.width);
  Matrix query = open_matrix(run, &item, run->query_key_value, item.at, wide, spare[0], TRUE);
  Matrix key = open_matrix(run, &item, run->query_key_value, at_key, wide, spare[1], TRUE);
  Matrix value = open_matrix(run, &item, run->query_key_value, at_value, wide, spare[2], TRUE);
  Matrix d_context = open_matrix(run, &item, run->d_context, item.context, item.h, spare[3], TRUE);
  Matrix d_query = open_matrix(run, &item, run->d_query_key_value, item.at, wide, spare[4], FALSE);
  Matrix d_key = open_matrix(run, &item, run->d_query_key_value, at_key, wide, spare[5], FALSE);
  Matrix d_value = open_matrix(run, &item, run->d_query_key_value, at_value, wide, spare[6], FALSE);
  pack_whole(kernels, item.width, length, bert_transposed(key.data, key.stride), scratch.packed1);
  pack_whole(kernels, item.width, length, bert_transposed(value.data, value.stride), scratch.packed2);
  pack_whole(kernels, length, item.width, bert_rows(key.data, key.stride), scratch.packed3);
  for (guint first = 0; first < length; first += QUERY_ROWS) {
    guint count = MIN(QUERY_ROWS, (guint)length - first);
    float *p = scratch.scores1, *dropped = p, *d_scores = scratch.scores3;
    BertView d_rows = bert_rows(d_context.data + first * d_context.stride, d_context.stride);
    probabilities_of(run, &item, query, scratch.packed1, first, count, p, scratch.gemm);
    kernels->gemm_packed(count, columns, item.width, d_rows, scratch.packed2, d_scores, padded, NULL, FALSE,
                         scratch.gemm);
    if (dropout->threshold > 0) {
      const guint16 *bits = bits_of(run, &item, first, count, scratch.bits);
      dropped = scratch.scores2;
      kernels->dropout_apply(count * padded, dropout, bits, p, dropped);
      kernels->dropout_apply(count * padded, dropout, bits, d_scores, d_scores);
    }
    kernels->gemm(length, item.width, count, bert_transposed(dropped, padded), d_rows, d_value.data, d_value.stride,
                  NULL, first > 0, scratch.gemm);
    kernels->softmax_rows_backward(count, length, padded, scale, p, d_scores);
    kernels->gemm_packed(count, item.width, length, bert_rows(d_scores, padded), scratch.packed3,
                         d_query.data + first * d_query.stride, d_query.stride, NULL, FALSE, scratch.gemm);
    kernels->gemm(length, item.width, count, bert_transposed(d_scores, padded),
                  bert_rows(query.data + first * query.stride, query.stride), d_key.data, d_key.stride, NULL, first > 0,
                  scratch.gemm);
  }
  store_matrix(run, &item, d_query, run->d_query_key_value, item.at, wide);
  store_matrix(run, &item, d_key, run->d_query_key_value, at_key, wide);
  store_matrix(run, &item, d_value, run->d_query_key_value, at_value, wide);
}

void bert_attention_backward(BertPass *pass, gint layer, gconstpointer query_key_value, gconstpointer d_context,
                             gpointer d_query_key_value)
{
  AttentionRun run = {.pass = pass,
                      .layer = layer,
                      .query_key_value = query_key_value,
                      .d_context = d_context,
                      .d_query_key_value = d_query_key_value};
  run_tasks(pass, backward_task, &run);
}
