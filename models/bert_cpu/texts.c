/* Candidates come again on the next page and are kept; a state comes with the same candidates again, if it
 * comes again, and then the whole decision is looked up (models/bert/score.c): keeping its many rows would
 * not pay. */
#include "models/bert_cpu/texts.h"
#include "models/bert/cache.h"
#include <string.h>

struct BertTextMemory {
  gsize limit;
  guint64 version;  /* of the network that the memory belongs to */
  BertCache *texts; /* ids of a candidate -> the last layer's output */
  BertBatchBuilder *builder;
  BertWorkspace *workspace;
  guint64 n_texts, n_texts_found, n_tokens, n_tokens_found;
};

BertTextMemory *bert_text_memory_new(gsize limit)
{
  BertTextMemory *memory = g_new0(BertTextMemory, 1);
  memory->limit = limit;
  memory->texts = bert_cache_new(limit);
  memory->builder = bert_batch_builder_new(FALSE);
  memory->workspace = bert_workspace_new();
  return memory;
}

void bert_text_memory_free(BertTextMemory *memory)
{
  if (!memory)
    return;
  bert_cache_free(memory->texts);
  bert_batch_builder_free(memory->builder);
  bert_workspace_free(memory->workspace);
  g_free(memory);
}

gsize bert_text_memory_limit(const BertTextMemory *memory)
{
  return memory->limit;
}

/* Encodes the texts of the batch that are not remembered. What is returned says where each text's states are;
 * `wanted` (n_texts) gets which were encoded now. */
static const float **encode(BertTextMemory *memory, BertFrozen *frozen, BertPass *pass,
                            const BertBatch *batch, guint8 *wanted, double *operations)
{
  gsize h = pass->network->config->hidden_size;
  const float **states = bert_take(pass->workspace, const float *, batch->n_texts);
  for (guint i = 0; i < batch->n_texts; i++) {
    guint n_ids = batch->text_start[i + 1] - batch->text_start[i];
    states[i] =
        bert_cache_find(memory->texts, batch->ids + batch->text_start[i], n_ids * sizeof *batch->ids, NULL);
    wanted[i] = !states[i];
    memory->n_texts_found += !wanted[i];
    memory->n_tokens_found += wanted[i] ? 0 : n_ids;
  }
  memory->n_texts += batch->n_texts;
  memory->n_tokens += batch->n_rows;
  pass->batch = bert_batch_builder_select(memory->builder, batch, wanted);
  if (pass->batch->n_texts == 0)
    return states;
  *operations = bert_frozen_forward(frozen, pass);
  for (guint i = 0, k = 0; i < batch->n_texts; i++)
    if (wanted[i])
      states[i] = pass->hidden_states + pass->batch->text_start[k++] * h;
  return states;
}

/* Keeps the candidates that were encoded now. */
static void remember(BertTextMemory *memory, gsize h, const BertBatch *batch, const float *const *states,
                     guint8 *wanted)
{
  for (guint pair = 0; pair < batch->n_pairs; pair++) {
    guint text = batch->pair_text[pair];
    gsize n_ids = batch->text_start[text + 1] - batch->text_start[text];
    float *kept = wanted[text] ? bert_cache_add(memory->texts, batch->ids + batch->text_start[text],
                                                n_ids * sizeof *batch->ids, n_ids * h)
                               : NULL;
    if (kept)
      memcpy(kept, states[text], n_ids * h * sizeof *kept);
    wanted[text] = 0;
  }
}

double bert_text_memory_score(BertTextMemory *memory, const BertNetwork *network, BertFrozen *frozen,
                              const BertBatch *batch, float *logits, float *values)
{
  double operations = 0;
  if (memory->version != network->version)
    bert_cache_clear(memory->texts);
  memory->version = network->version;
  bert_workspace_clear(memory->workspace);
  BertPass pass = {.network = network, .workspace = memory->workspace};
  guint8 *wanted = bert_take(pass.workspace, guint8, batch->n_texts);
  pass.text_states = encode(memory, frozen, &pass, batch, wanted, &operations);
  pass.batch = batch;
  bert_head_forward(&pass, logits, values);
  if (memory->limit > 0)
    remember(memory, network->config->hidden_size, batch, pass.text_states, wanted);
  return operations + bert_head_operations(network, batch);
}

guint bert_text_memory_counters(const BertTextMemory *memory, CwNamedValue *counters)
{
  counters[0] = (CwNamedValue){"score/texts", (double)memory->n_texts};
  counters[1] = (CwNamedValue){"score/texts_found", (double)memory->n_texts_found};
  counters[2] = (CwNamedValue){"score/tokens", (double)memory->n_tokens};
  counters[3] = (CwNamedValue){"score/tokens_found", (double)memory->n_tokens_found};
  return 4;
}
