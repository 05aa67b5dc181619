/* Texts that are not remembered go through the frozen layers in a pass of their own; then all go on together
 * from the first trained layer. What was computed is kept after that, because keeping may drop what was
 * found. */
#include "models/bert_cpu/frozen.h"
#include "models/bert/cache.h"
#include <string.h>

struct BertFrozen {
  gsize limit;
  BertCache *states; /* ids -> the input of the first trained layer */
  guint64 hash;      /* of the frozen weights that `states` were computed with */
  BertBatchBuilder *builder;
  BertFrozenCounts counts;
};

BertFrozen *bert_frozen_new(gsize limit)
{
  BertFrozen *frozen = g_new0(BertFrozen, 1);
  frozen->limit = limit;
  frozen->states = bert_cache_new(limit);
  frozen->builder = bert_batch_builder_new(FALSE);
  return frozen;
}

void bert_frozen_free(BertFrozen *frozen)
{
  if (!frozen)
    return;
  bert_cache_free(frozen->states);
  bert_batch_builder_free(frozen->builder);
  g_free(frozen);
}

/* Embeddings and frozen layers come first in the block. */
static guint64 hash_of(const BertNetwork *network)
{
  const BertLayout *layout = network->weights->layout;
  guint i = 0;
  while (i < layout->n_tensors && layout->tensors[i].layer < network->rules.first_trained)
    i++;
  return bert_hash_bytes(network->weights->block, layout->tensors[i].offset * sizeof(float));
}

void bert_frozen_check(BertFrozen *frozen, const BertNetwork *network)
{
  if (bert_cache_size(frozen->states) > 0 && frozen->hash != hash_of(network))
    bert_cache_clear(frozen->states);
}

gboolean bert_frozen_serves(const BertFrozen *frozen, const BertNetwork *network, const BertDropout *hidden,
                            const BertDropout *attention)
{
  return frozen->limit > 0 && network->rules.first_trained > 0 && hidden->threshold == 0 &&
         attention->threshold == 0;
}

static gsize length_of(const BertBatch *batch, guint text)
{
  return batch->text_start[text + 1] - batch->text_start[text];
}

static void remember(BertFrozen *frozen, const BertPass *lower)
{
  const BertBatch *batch = lower->batch;
  gsize h = lower->network->config->hidden_size;
  if (bert_cache_size(frozen->states) == 0)
    frozen->hash = hash_of(lower->network);
  for (guint i = 0; i < batch->n_texts; i++) {
    gsize n = length_of(batch, i);
    float *kept =
        bert_cache_add(frozen->states, batch->ids + batch->text_start[i], n * sizeof *batch->ids, n * h);
    if (kept)
      memcpy(kept, lower->hidden_states + batch->text_start[i] * h, n * h * sizeof *kept);
  }
}

double bert_frozen_forward(BertFrozen *frozen, BertPass *pass)
{
  const BertNetwork *network = pass->network;
  const BertBatch *batch = pass->batch;
  double all_layers = bert_encoder_operations(network, batch), n_layers = network->config->n_layers;
  if (!bert_frozen_serves(frozen, network, &pass->hidden_dropout, &pass->attention_dropout)) {
    bert_encoder_forward(pass);
    return all_layers;
  }
  gsize h = network->config->hidden_size;
  guint n_frozen = (guint)network->rules.first_trained;
  const float **inputs = bert_take(pass->workspace, const float *, batch->n_texts);
  guint8 *wanted = bert_take(pass->workspace, guint8, batch->n_texts);
  for (guint i = 0; i < batch->n_texts; i++) {
    gsize n = length_of(batch, i);
    inputs[i] =
        bert_cache_find(frozen->states, batch->ids + batch->text_start[i], n * sizeof *batch->ids, NULL);
    wanted[i] = !inputs[i];
    frozen->counts.n_texts_found += !wanted[i];
    frozen->counts.n_tokens_found += wanted[i] ? 0 : n;
  }
  frozen->counts.n_texts += batch->n_texts;
  frozen->counts.n_tokens += batch->n_rows;
  BertPass lower = {.network = network,
                    .batch = bert_batch_builder_select(frozen->builder, batch, wanted),
                    .workspace = pass->workspace,
                    .end_layer = n_frozen};
  if (lower.batch->n_texts > 0) {
    bert_encoder_forward(&lower);
    for (guint i = 0, k = 0; i < batch->n_texts; i++)
      if (wanted[i])
        inputs[i] = lower.hidden_states + lower.batch->text_start[k++] * h;
  }
  pass->first_layer = n_frozen;
  pass->text_inputs = inputs;
  bert_encoder_forward(pass);
  if (lower.batch->n_texts > 0)
    remember(frozen, &lower);
  return (all_layers * (n_layers - n_frozen) + bert_encoder_operations(network, lower.batch) * n_frozen) /
         n_layers;
}

const BertFrozenCounts *bert_frozen_counts(const BertFrozen *frozen)
{
  return &frozen->counts;
}
