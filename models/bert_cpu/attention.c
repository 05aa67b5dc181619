/* Multi-head attention, a task per text and head: no token is padded and no score masked away. Scores of a few query
 * rows at a time stay in the cache between product, softmax and product; their rows are `stride` floats apart, which is
 * the text's length filled up to whole vectors. */
#include "network.h"
#include <math.h>

/* Query rows handled at once. */
#define QUERY_ROWS 48

typedef struct {
  BertPass *pass;
  gint layer;
  const float *query_key_value, *d_context;
  float *probabilities, *context, *d_query_key_value;
} AttentionRun;

/* A text and head: where its numbers are. */
typedef struct {
  guint first_row, length, head, padded; /* padded: stride of scores */
  guint64 hash;
  gsize h, width, stride; /* hidden size; of a head; of query_key_value */
  const float *query, *key, *value;
  gsize probabilities; /* offset */
} Item;

static Item item_of(const AttentionRun *run, guint task)
{
  const BertBatch *batch = run->pass->batch;
  const BertConfig *config = run->pass->network->config;
  guint text = batch->text_order[task / config->n_heads];
  Item item = {.first_row = batch->text_start[text],
               .length = batch->text_start[text + 1] - batch->text_start[text],
               .head = task % config->n_heads,
               .padded = bert_padded(batch->text_start[text + 1] - batch->text_start[text]),
               .hash = batch->text_hash[text],
               .h = config->hidden_size,
               .width = config->hidden_size / config->n_heads,
               .stride = 3 * (gsize)config->hidden_size};
  item.query = run->query_key_value + item.first_row * item.stride + item.head * item.width;
  item.key = item.query + item.h;
  item.value = item.key + item.h;
  item.probabilities = run->pass->keeps && run->pass->probabilities_start
                           ? run->pass->probabilities_start[text] + (gsize)item.head * item.length * item.padded
                           : 0;
  return item;
}

/* Per thread: three packed matrices, two blocks of scores, dropout bits. */
static gsize scratch_size(const BertPass *pass)
{
  const BertKernels *kernels = pass->network->kernels;
  gsize longest = bert_padded(pass->batch->longest),
        width = pass->network->config->hidden_size / pass->network->config->n_heads;
  gsize wide = kernels->packed_size(width, longest), tall = kernels->packed_size(longest, width);
  return kernels->gemm_scratch + 2 * MAX(wide, tall) + 2 * QUERY_ROWS * longest + 64 +
         (QUERY_ROWS * longest + 2 * BERT_DROPOUT_GROUP) / 2 + 64;
}

typedef struct {
  float *gemm, *packed1, *packed2, *scores1, *scores2;
  guint16 *bits;
} Scratch;

static Scratch scratch_of(const AttentionRun *run, guint thread)
{
  const BertPass *pass = run->pass;
  const BertKernels *kernels = pass->network->kernels;
  gsize longest = bert_padded(pass->batch->longest),
        width = pass->network->config->hidden_size / pass->network->config->n_heads;
  gsize packed = MAX(kernels->packed_size(width, longest), kernels->packed_size(longest, width));
  gsize scores = ((gsize)QUERY_ROWS * longest + 15) / 16 * 16;
  Scratch scratch = {.gemm = pass->scratch[thread]};
  scratch.packed1 = scratch.gemm + kernels->gemm_scratch;
  scratch.packed2 = scratch.packed1 + packed;
  scratch.scores1 = scratch.packed2 + packed;
  scratch.scores2 = scratch.scores1 + scores;
  scratch.bits = (guint16 *)(gpointer)(scratch.scores2 + scores);
  return scratch;
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
  Scratch scratch = scratch_of(run, thread);
  gsize length = item.length, padded = item.padded, columns = whole_columns(kernels, &item);
  float scale = 1.0f / sqrtf((float)item.width);
  pack_whole(kernels, item.width, length, bert_transposed(item.key, item.stride), scratch.packed1);
  pack_whole(kernels, length, item.width, bert_rows(item.value, item.stride), scratch.packed2);
  for (guint first = 0; first < length; first += QUERY_ROWS) {
    guint count = MIN(QUERY_ROWS, (guint)length - first);
    float *scores = run->probabilities ? run->probabilities + item.probabilities + first * padded : scratch.scores1;
    kernels->gemm_packed(count, columns, item.width, bert_rows(item.query + first * item.stride, item.stride),
                         scratch.packed1, scores, padded, NULL, FALSE, scratch.gemm);
    kernels->softmax_rows(count, length, padded, scale, scores);
    if (dropout->threshold > 0) {
      const guint16 *bits = bits_of(run, &item, first, count, scratch.bits);
      kernels->dropout_apply(count * padded, dropout, bits, scores, scratch.scores2);
      scores = scratch.scores2;
    }
    kernels->gemm_packed(count, item.width, length, bert_rows(scores, padded), scratch.packed2,
                         run->context + (item.first_row + first) * item.h + item.head * item.width, item.h, NULL, FALSE,
                         scratch.gemm);
  }
}

void bert_attention_forward(BertPass *pass, gint layer, const float *query_key_value, float *probabilities,
                            float *context)
{
  AttentionRun run = {.pass = pass,
                      .layer = layer,
                      .query_key_value = query_key_value,
                      .probabilities = probabilities,
                      .context = context};
  bert_pass_scratch(pass, scratch_size(pass));
  bert_pool_run(pass->network->pool, pass->batch->n_texts * pass->network->config->n_heads, forward_task, &run);
}

static void backward_task(gpointer data, guint task, guint thread)
{
  const AttentionRun *run = data;
  const BertKernels *kernels = run->pass->network->kernels;
  const BertDropout *dropout = &run->pass->attention_dropout;
  Item item = item_of(run, task);
  Scratch scratch = scratch_of(run, thread);
  gsize length = item.length, padded = item.padded, columns = whole_columns(kernels, &item);
  float scale = 1.0f / sqrtf((float)item.width);
  float *d_query = run->d_query_key_value + (item.query - run->query_key_value), *d_key = d_query + item.h,
        *d_value = d_key + item.h;
  pack_whole(kernels, item.width, length, bert_transposed(item.value, item.stride), scratch.packed1);
  pack_whole(kernels, length, item.width, bert_rows(item.key, item.stride), scratch.packed2);
  for (guint first = 0; first < length; first += QUERY_ROWS) {
    guint count = MIN(QUERY_ROWS, (guint)length - first);
    const float *p = run->probabilities + item.probabilities + first * padded, *dropped = p;
    const float *d_context = run->d_context + (item.first_row + first) * item.h + item.head * item.width;
    float *d_scores = scratch.scores1;
    kernels->gemm_packed(count, columns, item.width, bert_rows(d_context, item.h), scratch.packed1, d_scores, padded,
                         NULL, FALSE, scratch.gemm);
    if (dropout->threshold > 0) {
      const guint16 *bits = bits_of(run, &item, first, count, scratch.bits);
      kernels->dropout_apply(count * padded, dropout, bits, p, scratch.scores2);
      kernels->dropout_apply(count * padded, dropout, bits, d_scores, d_scores);
      dropped = scratch.scores2;
    }
    kernels->gemm(length, item.width, count, bert_transposed(dropped, padded), bert_rows(d_context, item.h), d_value,
                  item.stride, NULL, first > 0, scratch.gemm);
    kernels->softmax_rows_backward(count, length, padded, scale, p, d_scores);
    kernels->gemm_packed(count, item.width, length, bert_rows(d_scores, padded), scratch.packed2,
                         d_query + first * item.stride, item.stride, NULL, FALSE, scratch.gemm);
    kernels->gemm(length, item.width, count, bert_transposed(d_scores, padded),
                  bert_rows(item.query + first * item.stride, item.stride), d_key, item.stride, NULL, first > 0,
                  scratch.gemm);
  }
}

void bert_attention_backward(BertPass *pass, gint layer, const float *query_key_value, const float *probabilities,
                             const float *d_context, float *d_query_key_value)
{
  AttentionRun run = {.pass = pass,
                      .layer = layer,
                      .query_key_value = query_key_value,
                      .probabilities = (float *)probabilities,
                      .d_context = d_context,
                      .d_query_key_value = d_query_key_value};
  bert_pass_scratch(pass, scratch_size(pass));
  bert_pool_run(pass->network->pool, pass->batch->n_texts * pass->network->config->n_heads, backward_task, &run);
}
