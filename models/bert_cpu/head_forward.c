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
  head->features = bert_take_stored(&pass->network->head_stored, pass->workspace, rows * 4 * h);
  head->hidden = bert_take(pass->workspace, float, rows *h);
  head->mean = bert_take(pass->workspace, float, batch->n_pairs *h);
}

BertHeadRows bert_head_rows(const BertPass *pass, guint task)
{
  const BertBatch *batch = pass->batch;
  const BertHeadGroup *group = &pass->head.groups[task];
  guint state = batch->decision_state[group->decision];
  BertHeadRows rows = {.group = group,
                       .start = batch->pair_start[group->first_pair],
                       .length = batch->text_start[state + 1] - batch->text_start[state],
                       .states = bert_text_states(pass, state)};
  rows.n = batch->pair_start[group->last_pair] - rows.start;
  if (pass->keeps)
    rows.attention = pass->head.attention_start[group->decision] +
                     (rows.start - batch->pair_start[batch->decision_pair[group->decision]]) * rows.length;
  return rows;
}

/* What a group's task computes with (n rows): in the memory of the pass, or else the thread's. */
typedef struct {
  BertHeadRows rows;
  gpointer features;                              /* n x 4h, as head_stored says */
  float *actions, *read, *hidden;                 /* n x h */
  float *attention, *q;                           /* n x length, n */
  float *gemm, *scaled, *memory_scores, *largest; /* the thread's: n x h, length, n */
  float *summary, *mean, *feature_row;            /* h, h, 4h */
} Group;

/* The features come first, where rows are aligned for products. */
static gsize scratch_size(const BertPass *pass)
{
  gsize h = pass->network->config->hidden_size, rows = pass->head.largest_group,
        longest = pass->batch->longest;
  return pass->network->kernels->gemm_scratch + rows * (8 * h + longest + 2) + 6 * h + longest + 64;
}

static Group open_group(const BertPass *pass, guint task, guint thread)
{
  const BertHeadMemory *head = &pass->head;
  Group g = {.rows = bert_head_rows(pass, task), .gemm = pass->scratch[thread]};
  gsize h = pass->network->config->hidden_size, n = g.rows.n, start = g.rows.start;
  float *features = g.gemm + pass->network->kernels->gemm_scratch;
  g.features = features;
  g.scaled = features + 4 * n * h;
  g.memory_scores = g.scaled + n * h;
  g.largest = g.memory_scores + g.rows.length;
  g.summary = g.largest + n;
  g.mean = g.summary + h;
  g.feature_row = g.mean + h;
  g.actions = g.feature_row + 4 * h;
  g.read = g.actions + n * h;
  g.hidden = g.read + n * h;
  g.attention = g.hidden + n * h;
  g.q = g.attention + n * g.rows.length;
  if (pass->keeps) {
    g.features = bert_stored(&pass->network->head_stored, head->features, start * 4 * h);
    g.actions = head->actions + start * h;
    g.read = head->read + start * h;
    g.hidden = head->hidden + start * h;
    g.attention = head->attention + g.rows.attention;
    g.q = head->weights + start;
  }
  return g;
}

/* C, P and U, and of every row of scores the largest. */
static void read_state(const BertPass *pass, const Group *g)
{
  const BertKernels *kernels = pass->network->kernels;
  const BertParameters *weights = pass->network->weights;
  const BertBatch *batch = pass->batch;
  const BertHeadRows *rows = &g->rows;
  gsize h = pass->network->config->hidden_size, n = rows->n, length = rows->length;
  for (guint pair = rows->group->first_pair; pair < rows->group->last_pair; pair++)
    memcpy(g->actions + (batch->pair_start[pair] - rows->start) * h,
           bert_text_states(pass, batch->pair_text[pair]),
           (batch->pair_start[pair + 1] - batch->pair_start[pair]) * h * sizeof(float));
  for (gsize j = 0; j < length; j++)
    g->memory_scores[j] = kernels->dot(h, weights->attention_memory_weight, rows->states + j * h);
  for (gsize i = 0; i < n; i++)
    kernels->multiply(h, g->actions + i * h, weights->attention_dot_scale, g->scaled + i * h);
  kernels->gemm(n, length, h, bert_rows(g->scaled, h), bert_transposed(rows->states, h), g->attention, length,
                g->memory_scores, FALSE, g->gemm);
  /* wc.C_i is the same for all j: it moves the maximum and leaves the softmax over j alone. */
  for (gsize i = 0; i < n; i++) {
    gsize where;
    g->largest[i] = kernels->maximum(length, g->attention + i * length, &where) +
                    kernels->dot(h, weights->attention_input_weight, g->actions + i * h);
    if (pass->keeps)
      pass->head.where[rows->start + i] = (guint32)where;
    kernels->softmax(length, 1, g->attention + i * length);
  }
  kernels->gemm(n, h, length, bert_rows(g->attention, length), bert_rows(rows->states, h), g->read, h, NULL,
                FALSE, g->gemm);
}

/* q, v and o. */
static void make_features(const BertPass *pass, const Group *g)
{
  const BertKernels *kernels = pass->network->kernels;
  const BertStored *stored = &pass->network->head_stored;
  const guint *pair_start = pass->batch->pair_start;
  gsize h = pass->network->config->hidden_size;
  memcpy(g->q, g->largest, g->rows.n * sizeof *g->q);
  for (guint pair = g->rows.group->first_pair; pair < g->rows.group->last_pair; pair++) {
    gsize first = pair_start[pair] - g->rows.start, last = pair_start[pair + 1] - g->rows.start;
    float *v = pass->keeps ? pass->head.summary + pair * h : g->summary;
    kernels->softmax(last - first, 1, g->q + first);
    memset(v, 0, h * sizeof *v);
    for (gsize i = first; i < last; i++)
      kernels->add_scaled(h, g->q[i], g->actions + i * h, v);
    for (gsize i = first; i < last; i++) {
      float *o = bert_open_stored(stored, g->features, i * 4 * h, g->feature_row);
      const float *c = g->actions + i * h, *u = g->read + i * h;
      memcpy(o, c, h * sizeof *o);
      memcpy(o + h, u, h * sizeof *o);
      kernels->multiply(h, c, u, o + 2 * h);
      kernels->multiply(h, v, u, o + 3 * h);
      bert_store(stored, 4 * h, o, g->features, i * 4 * h);
    }
  }
}

static void group_task(gpointer data, guint task, guint thread)
{
  const HeadRun *run = data;
  const BertPass *pass = run->pass;
  const BertNetwork *network = pass->network;
  const BertKernels *kernels = network->kernels;
  const BertParameters *weights = network->weights;
  const guint *pair_start = pass->batch->pair_start;
  gsize h = network->config->hidden_size;
  Group g = open_group(pass, task, thread);
  gsize n = g.rows.n;
  read_state(pass, &g);
  make_features(pass, &g);
  bert_product(&network->head_stored, n, h, 4 * h, g.features, network->linear_1.forward, g.hidden,
               weights->linear_1_bias, FALSE, g.gemm);
  for (gsize i = 0; i < n * h; i++)
    g.hidden[i] = g.hidden[i] < 0 ? 0 : g.hidden[i]; /* a NaN stays */
  for (guint pair = g.rows.group->first_pair; pair < g.rows.group->last_pair; pair++) {
    gsize first = pair_start[pair] - g.rows.start, last = pair_start[pair + 1] - g.rows.start;
    float *average = pass->keeps ? pass->head.mean + pair * h : g.mean;
    memset(average, 0, h * sizeof *average);
    for (gsize i = first; i < last; i++)
      kernels->add_scaled(h, 1.0f / (float)(last - first), g.hidden + i * h, average);
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
