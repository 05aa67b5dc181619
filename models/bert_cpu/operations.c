/* Counts the floating-point operations of the matrix products, a multiplication and an addition being two:
 * what speed is compared with. */
#include "models/bert_cpu/network.h"

static double length_of(const BertBatch *batch, guint text)
{
  return batch->text_start[text + 1] - batch->text_start[text];
}

/* Of one layer: projections and feed-forward network. */
static double row_operations(const BertConfig *config, const BertBatch *batch)
{
  double h = config->hidden_size, f = config->intermediate_size;
  return batch->n_rows * (8 * h * h + 4 * h * f);
}

/* Of one layer: scores and contexts. */
static double attention_operations(const BertConfig *config, const BertBatch *batch)
{
  double total = 0;
  for (guint i = 0; i < batch->n_texts; i++)
    total += 4 * length_of(batch, i) * length_of(batch, i) * config->hidden_size;
  return total;
}

double bert_encoder_operations(const BertNetwork *network, const BertBatch *batch)
{
  const BertConfig *config = network->config;
  return config->n_layers * (row_operations(config, batch) + attention_operations(config, batch));
}

double bert_head_operations(const BertNetwork *network, const BertBatch *batch)
{
  double h = network->config->hidden_size, total = 0;
  for (guint d = 0; d < batch->n_decisions; d++) {
    double rows = batch->pair_start[batch->decision_pair[d + 1]] - batch->pair_start[batch->decision_pair[d]];
    total += 4 * rows * length_of(batch, batch->decision_state[d]) * h + 8 * rows * h * h;
  }
  return total;
}

double bert_backward_operations(const BertNetwork *network, const BertBatch *batch)
{
  const BertConfig *config = network->config;
  double n_trained = config->n_layers - (double)MAX(network->rules.first_trained, 0);
  return 2 * bert_head_operations(network, batch) +
         2 * n_trained * (row_operations(config, batch) + attention_operations(config, batch));
}
