/* What a training pass will take from its workspace, added up without computing anything: the same pieces
 * that the passes take, in the same order. tests/bert_cpu/test_memory.c compares it with what they took. */
#include "models/bert_cpu/network.h"

#define ALIGNMENT 64
/* Rows of a state in a part (head_backward.c). */
#define STATE_ROWS 96

typedef struct {
  const BertNetwork *network;
  const BertBatch *batch;
  gsize stored; /* bytes of a stored number */
  gsize total, scratch;
} Estimate;

static void take(Estimate *estimate, gsize n_items, gsize item_size)
{
  estimate->total += (MAX(n_items, 1) * item_size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void take_floats(Estimate *estimate, gsize n)
{
  take(estimate, n, sizeof(float));
}

/* As bert_pass_scratch: what was taken before stays taken. */
static void take_scratch(Estimate *estimate, gsize n)
{
  if (n <= estimate->scratch)
    return;
  for (guint i = 0; i < bert_pool_n_threads(estimate->network->pool); i++)
    take_floats(estimate, n);
  estimate->scratch = n;
}

static void take_inside(Estimate *estimate, gboolean for_backward)
{
  const BertConfig *config = estimate->network->config;
  gsize rows = estimate->batch->n_rows, h = config->hidden_size, f = config->intermediate_size;
  take(estimate, rows * 3 * h, estimate->stored);
  take(estimate, rows * h, estimate->stored);
  if (!for_backward)
    return;
  take_floats(estimate, rows * h);
  take_floats(estimate, rows);
  take(estimate, rows * f, estimate->stored);
}

static void take_forward_scratch(Estimate *estimate, gboolean any_layers)
{
  const BertNetwork *network = estimate->network;
  gsize h = network->config->hidden_size, wide = MAX((gsize)network->config->intermediate_size, 3 * h);
  gsize block = bert_most_block_rows(network);
  take_scratch(estimate, network->kernels->gemm_scratch +
                             block * (2 * h + wide + (network->rules.bf16 ? (wide + 1) / 2 : 0)) + h / 2);
  if (any_layers)
    take_scratch(estimate, bert_attention_scratch(network, estimate->batch->longest));
}

/* A pass of all texts through the frozen layers (frozen.c). */
static void frozen_forward(Estimate *estimate)
{
  gsize rows = estimate->batch->n_rows, n_texts = estimate->batch->n_texts;
  take(estimate, n_texts, sizeof(float *) + 1);
  take(estimate, estimate->network->config->n_layers, sizeof(BertLayerMemory));
  take_floats(estimate, rows * estimate->network->config->hidden_size);
  take_inside(estimate, FALSE);
  take_forward_scratch(estimate, TRUE);
  estimate->scratch = 0; /* the other pass takes its own */
}

static void forward(Estimate *estimate, BertRecompute recompute, gboolean remembers_frozen)
{
  const BertNetwork *network = estimate->network;
  const BertConfig *config = network->config;
  gsize rows = estimate->batch->n_rows, h = config->hidden_size;
  gint first_trained = network->rules.first_trained, n_layers = (gint)config->n_layers;
  gboolean shares = FALSE;
  if (remembers_frozen)
    frozen_forward(estimate);
  take(estimate, config->n_layers, sizeof(BertLayerMemory));
  take_floats(estimate, rows * h);
  if (first_trained < n_layers)
    take_floats(estimate, rows * h);
  if (first_trained == BERT_LAYER_EMBEDDINGS) {
    take_floats(estimate, rows * h);
    take_floats(estimate, rows);
  }
  for (gint i = remembers_frozen ? first_trained : 0; i < n_layers; i++) {
    gboolean trained = i >= first_trained, keeps = trained && recompute == BERT_RECOMPUTE_NONE;
    if (keeps || !shares)
      take_inside(estimate, keeps || (recompute == BERT_RECOMPUTE_LAYER && first_trained < n_layers));
    shares |= !keeps;
    if (trained) {
      take_floats(estimate, rows * h);
      take_floats(estimate, rows);
    }
  }
  take_forward_scratch(estimate, !remembers_frozen || first_trained < n_layers);
}

/* Forward and backward of the head. */
static void head(Estimate *estimate)
{
  const BertBatch *batch = estimate->batch;
  const BertKernels *kernels = estimate->network->kernels;
  gsize h = estimate->network->config->hidden_size, rows = batch->n_action_rows, pairs = batch->n_pairs;
  gsize attention = 0, states = 0, n_parts = 0, longest = batch->longest;
  gsize head_stored = estimate->network->head_stored.bf16 ? sizeof(BertBf16) : sizeof(float);
  guint largest, n_groups = bert_head_divide(batch, NULL, &largest);
  for (guint d = 0; d < batch->n_decisions; d++) {
    guint state = batch->decision_state[d];
    gsize length = batch->text_start[state + 1] - batch->text_start[state];
    gsize actions =
        batch->pair_start[batch->decision_pair[d + 1]] - batch->pair_start[batch->decision_pair[d]];
    attention += actions * length;
    states += length;
    n_parts += (length + STATE_ROWS - 1) / STATE_ROWS;
  }
  take(estimate, pairs, sizeof(BertHeadGroup));
  take(estimate, batch->n_decisions + 1, sizeof(gsize));
  take_floats(estimate, rows * (1 + 1 + 1) * h + 2 * rows + 2 * pairs * h); /* actions, read, hidden; q,
                                                                               where; summary, mean */
  take(estimate, rows * 4 * h, head_stored);                                /* features */
  take_floats(estimate, attention);
  take_scratch(estimate, kernels->gemm_scratch + largest * (8 * h + longest + 2) + 6 * h + longest + 64);
  take_floats(estimate, batch->n_decisions * (h + BERT_VALUE_HIDDEN));

  take(estimate, 2 * batch->n_decisions + pairs + 2 * batch->n_texts,
       sizeof(guint64)); /* starts, parts, uses */
  take_floats(estimate, rows * 2 * h);
  take(estimate, rows * h, head_stored);
  take_floats(estimate, attention);
  take_floats(estimate, n_groups * 3 * h + n_parts * h);
  take_floats(estimate, states * h);
  take_floats(estimate, batch->n_rows * h);
  take_scratch(estimate, kernels->gemm_scratch + largest * (5 * h + 1) + h + 64);
  take_floats(estimate, batch->n_decisions * (h + BERT_VALUE_HIDDEN));
}

static void backward(Estimate *estimate)
{
  const BertNetwork *network = estimate->network;
  const BertConfig *config = network->config;
  gsize rows = estimate->batch->n_rows, h = config->hidden_size, f = config->intermediate_size;
  if (network->rules.first_trained >= (gint)config->n_layers)
    return;
  take(estimate, rows * (3 * h + 5 * h + 2 * f), estimate->stored);
  take_floats(estimate, (gsize)bert_row_units((guint)rows) * 4 * h);
  take_scratch(estimate,
               network->kernels->gemm_scratch + (bert_most_block_rows(network) + 4) * MAX(f, h) + h / 2);
}

gsize bert_pass_bytes(const BertNetwork *network, const BertBatch *batch, BertRecompute recompute,
                      gboolean remembers_frozen)
{
  Estimate estimate = {
      .network = network, .batch = batch, .stored = network->rules.bf16 ? sizeof(BertBf16) : sizeof(float)};
  forward(&estimate, recompute, remembers_frozen);
  head(&estimate);
  backward(&estimate);
  return estimate.total;
}
