/* The choice head (symbols as in bert/weights.h) and the value head, forward. A task takes some candidates of
 * one decision, about as many rows as a block of the encoder, from the gathered action tokens to the logits.
 * Without backward everything stays in the thread's scratch memory. */
#include "models/bert_cpu/network.h"
#include <string.h>

/* Action rows that a group should have. */
#define GROUP_ROWS  96
#define LEAKY_SLOPE 0.01f

typedef struct {
  BertPass *pass;
  float *logits;
} HeadRun;

guint bert_head_divide(const BertBatch *batch, BertHeadGroup *groups, guint *largest)
{
  guint n_groups = 0;
  *largest = 0;
  for (guint d = 0; d < batch->n_decisions; d++) {
    guint first = batch->decision_pair[d], last = batch->decision_pair[d + 1];
    guint n_rows = batch->pair_start[last] - batch->pair_start[first];
    guint target = n_rows / ((n_rows + GROUP_ROWS - 1) / GROUP_ROWS);
    for (guint pair = first; pair < last;) {
      BertHeadGroup group = {d, pair, pair};
      guint start = batch->pair_start[pair];
      do
        group.last_pair = ++pair;
      while (pair < last && batch->pair_start[pair + 1] - start <= GROUP_ROWS &&
             batch->pair_start[pair] - start < target);
      *largest = MAX(*largest, batch->pair_start[pair] - start);
      if (groups)
        groups[n_groups] = group;
      n_groups++;
    }
  }
  return n_groups;
}

static void take_memory(BertPass *pass)
{
  const BertBatch *batch = pass->batch;
  BertHeadMemory *head = &pass->head;
  gsize h = pass->network->config->hidden_size, rows = batch->n_action_rows;
  head->attention_start = bert_take(pass->workspace, gsize, batch->n_decisions + 1);
  head->attention_start[0] = 0;
  for (guint d = 0; d < batch->n_decisions; d++) {
    guint state = batch->decision_state[d];
    gsize length = batch->text_start[state + 1] - batch->text_start[state];
    gsize n_rows =
        batch->pair_start[batch->decision_pair[d + 1]] - batch->pair_start[batch->decision_pair[d]];
    head->attention_start[d + 1] = head->attention_start[d] + n_rows * length;
  }
  head->actions = bert_take(pass->workspace, float, rows *h);
  head->attention = bert_take(pass->workspace, float, head->attention_start[batch->n_decisions]);
  head->read = bert_take(pass->workspace, float, rows *h);
  head->weights = bert_take(pass->workspace, float, rows);
  head->where = bert_take(pass->workspace, guint32, rows);
  head->summary = bert_take(pass->workspace, float, batch->n_pairs *h);
  head->features = bert_take(pass->workspace, float, rows * 4 * h);
  head->hidden = bert_take(pass->workspace, float, rows *h);
  head->mean = bert_take(pass->workspace, float, batch->n_pairs *h);
}

static gsize scratch_size(const BertPass *pass)
{
  gsize h = pass->network->config->hidden_size, rows = pass->head.largest_group,
        longest = pass->batch->longest;
  return pass->network->kernels->gemm_scratch + rows * (8 * h + longest + 2) + 2 * h + longest + 64;
}

static void group_task(gpointer data, guint task, guint thread)
{
  const HeadRun *run = data;
  const BertPass *pass = run->pass;
  const BertNetwork *network = pass->network;
  const BertKernels *kernels = network->kernels;
  const BertParameters *weights = network->weights;
  const BertBatch *batch = pass->batch;
  const BertHeadMemory *head = &pass->head;
  const BertHeadGroup *group = &head->groups[task];
  gsize h = network->config->hidden_size;
  guint state = batch->decision_state[group->decision], start = batch->pair_start[group->first_pair];
  gsize n = batch->pair_start[group->last_pair] - start;
  gsize length = batch->text_start[state + 1] - batch->text_start[state];
  const float *states = bert_text_states(pass, state);
  float *gemm = pass->scratch[thread], *next = gemm + kernels->gemm_scratch;
  float *scaled = next, *memory_scores = scaled + n * h, *largest = memory_scores + length,
        *spare = largest + n;
  float *actions = spare, *read = actions + n * h, *features = read + n * h, *hidden = features + 4 * n * h;
  float *attention = hidden + n * h, *q = attention + n * length, *summary = q + n, *mean = summary + h;
  if (pass->keeps) {
    guint first_row = batch->pair_start[batch->decision_pair[group->decision]];
    actions = head->actions + start * h;
    read = head->read + start * h;
    features = head->features + start * 4 * h;
    hidden = head->hidden + start * h;
    attention = head->attention + head->attention_start[group->decision] + (start - first_row) * length;
    q = head->weights + start;
  }

  for (guint pair = group->first_pair; pair < group->last_pair; pair++) {
    guint text = batch->pair_text[pair];
    memcpy(actions + (batch->pair_start[pair] - start) * h, bert_text_states(pass, text),
           (batch->pair_start[pair + 1] - batch->pair_start[pair]) * h * sizeof(float));
  }
  for (gsize j = 0; j < length; j++)
    memory_scores[j] = kernels->dot(h, weights->attention_memory_weight, states + j * h);
  for (gsize i = 0; i < n; i++)
    kernels->multiply(h, actions + i * h, weights->attention_dot_scale, scaled + i * h);
  kernels->gemm(n, length, h, bert_rows(scaled, h), bert_transposed(states, h), attention, length,
                memory_scores, FALSE, gemm);
  /* wc.C_i is the same for all j: it moves the maximum and leaves the softmax over j alone. */
  for (gsize i = 0; i < n; i++) {
    gsize where;
    largest[i] = kernels->maximum(length, attention + i * length, &where) +
                 kernels->dot(h, weights->attention_input_weight, actions + i * h);
    if (pass->keeps)
      head->where[start + i] = (guint32)where;
    kernels->softmax(length, 1, attention + i * length);
  }
  kernels->gemm(n, h, length, bert_rows(attention, length), bert_rows(states, h), read, h, NULL, FALSE, gemm);
  memcpy(q, largest, n * sizeof *q);
  for (guint pair = group->first_pair; pair < group->last_pair; pair++) {
    gsize first = batch->pair_start[pair] - start, last = batch->pair_start[pair + 1] - start;
    float *v = pass->keeps ? head->summary + pair * h : summary;
    kernels->softmax(last - first, 1, q + first);
    memset(v, 0, h * sizeof *v);
    for (gsize i = first; i < last; i++)
      kernels->add_scaled(h, q[i], actions + i * h, v);
    for (gsize i = first; i < last; i++) {
      float *o = features + i * 4 * h;
      const float *c = actions + i * h, *u = read + i * h;
      memcpy(o, c, h * sizeof *o);
      memcpy(o + h, u, h * sizeof *o);
      kernels->multiply(h, c, u, o + 2 * h);
      kernels->multiply(h, v, u, o + 3 * h);
    }
  }
  kernels->gemm_packed(n, h, 4 * h, bert_rows(features, 4 * h), network->linear_1.forward, hidden, h,
                       weights->linear_1_bias, FALSE, gemm);
  for (gsize i = 0; i < n * h; i++)
    hidden[i] = hidden[i] < 0 ? 0 : hidden[i]; /* a NaN stays */
  for (guint pair = group->first_pair; pair < group->last_pair; pair++) {
    gsize first = batch->pair_start[pair] - start, last = batch->pair_start[pair + 1] - start;
    float *average = pass->keeps ? head->mean + pair * h : mean;
    memset(average, 0, h * sizeof *average);
    for (gsize i = first; i < last; i++)
      kernels->add_scaled(h, 1.0f / (float)(last - first), hidden + i * h, average);
    run->logits[pair] = kernels->dot(h, average, weights->linear_2_weight) + weights->linear_2_bias[0];
  }
}

static void value_forward(BertPass *pass, float *values)
{
  const BertNetwork *network = pass->network;
  const BertKernels *kernels = network->kernels;
  const BertParameters *weights = network->weights;
  const BertBatch *batch = pass->batch;
  BertHeadMemory *head = &pass->head;
  gsize h = network->config->hidden_size;
  head->value_input = bert_take(pass->workspace, float, batch->n_decisions *h);
  head->value_hidden = bert_take(pass->workspace, float, batch->n_decisions *BERT_VALUE_HIDDEN);
  for (guint d = 0; d < batch->n_decisions; d++)
    memcpy(head->value_input + d * h, bert_text_states(pass, batch->decision_state[d]), h * sizeof(float));
  kernels->gemm(batch->n_decisions, BERT_VALUE_HIDDEN, h, bert_rows(head->value_input, h),
                bert_transposed(weights->value_hidden_weight, h), head->value_hidden, BERT_VALUE_HIDDEN,
                weights->value_hidden_bias, FALSE, pass->scratch[0]);
  for (guint d = 0; d < batch->n_decisions; d++) {
    float *hidden = head->value_hidden + (gsize)d * BERT_VALUE_HIDDEN;
    for (guint i = 0; i < BERT_VALUE_HIDDEN; i++)
      hidden[i] = hidden[i] < 0 ? LEAKY_SLOPE * hidden[i] : hidden[i];
    values[d] =
        kernels->dot(BERT_VALUE_HIDDEN, hidden, weights->value_output_weight) + weights->value_output_bias[0];
  }
}

void bert_head_forward(BertPass *pass, float *logits, float *values)
{
  pass->head.groups = bert_take(pass->workspace, BertHeadGroup, pass->batch->n_pairs);
  pass->head.n_groups = bert_head_divide(pass->batch, pass->head.groups, &pass->head.largest_group);
  if (pass->keeps)
    take_memory(pass);
  bert_pass_scratch(pass, scratch_size(pass));
  bert_pool_run(pass->network->pool, pass->head.n_groups, group_task, &(HeadRun){pass, logits});
  pass->head.value_input = NULL;
  if (values)
    value_forward(pass, values);
}
