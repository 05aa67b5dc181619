/* The choice head and the value head, backward (symbols as in bert/weights.h). First each group of
 * candidates, which gives the gradients of its action tokens; then each decision's state tokens, which all
 * its candidates read; then every text collects what its uses gave, in a fixed order, because one text may
 * serve many candidates and decisions. */
#include "models/bert_cpu/network.h"
#include <string.h>

#define LEAKY_SLOPE 0.01f
/* State rows of one task. */
#define STATE_ROWS 96
/* Texts that one task collects. */
#define COLLECT_TEXTS 8

typedef struct {
  guint decision, first_row; /* row within the state */
} StatePart;

typedef struct {
  BertPass *pass;
  const float *d_logits;
  gpointer d_linear_1;   /* R x h: before the ReLU, as head_stored says */
  float *d_read;         /* R x h: dU */
  float *d_attention;    /* like attention: d a_ij */
  float *d_actions;      /* R x h: dC */
  float *group_partials; /* groups x 3h: wc, d, linear_2 */
  guint n_parts;
  StatePart *parts;
  float *part_partials; /* parts x h: ws */
  gsize *state_start;   /* decisions + 1: rows before decision d in d_states */
  float *d_states;      /* sum of state lengths x h: dS per decision */
  float *d_value_input; /* decisions x h, or NULL */
  float *d_hidden_states;
  guint32 *use_start; /* texts + 1 */
  guint32 *uses;      /* pairs, or n_pairs + decision */
} HeadRun;

/* What a group's task computes with: n rows of the thread's memory, and the group's sums. */
typedef struct {
  BertHeadRows rows;
  float *gemm, *d_features, *through, *d_largest, *d_summary; /* products; n x 4h, n x h, n, h */
  float *d_input_weight, *d_scale, *d_linear_2;               /* h each */
} Group;

static Group open_group(const HeadRun *run, guint task, guint thread)
{
  const BertPass *pass = run->pass;
  gsize h = pass->network->config->hidden_size;
  Group g = {.rows = bert_head_rows(pass, task), .gemm = pass->scratch[thread]};
  g.d_features = g.gemm + pass->network->kernels->gemm_scratch;
  g.through = g.d_features + 4 * g.rows.n * h;
  g.d_largest = g.through + g.rows.n * h;
  g.d_summary = g.d_largest + g.rows.n;
  g.d_input_weight = run->group_partials + (gsize)task * 3 * h;
  g.d_scale = g.d_input_weight + h;
  g.d_linear_2 = g.d_scale + h;
  memset(g.d_input_weight, 0, 3 * h * sizeof(float));
  return g;
}

/* From the logits to the features. */
static void linear_backward(const HeadRun *run, const Group *g)
{
  const BertPass *pass = run->pass;
  const BertNetwork *network = pass->network;
  const BertStored *stored = &network->head_stored;
  const guint *pair_start = pass->batch->pair_start;
  gsize h = network->config->hidden_size, start = g->rows.start;
  const float *hidden = pass->head.hidden + start * h;
  gpointer d_linear_1 = bert_stored(stored, run->d_linear_1, start * h);
  for (guint pair = g->rows.group->first_pair; pair < g->rows.group->last_pair; pair++) {
    gsize first = pair_start[pair] - start, last = pair_start[pair + 1] - start;
    float d_logit = run->d_logits[pair], share = d_logit / (float)(last - first);
    network->kernels->add_scaled(h, d_logit, pass->head.mean + pair * h, g->d_linear_2);
    for (gsize i = first; i < last; i++) {
      float *d_row = bert_open_stored(stored, d_linear_1, i * h, g->through);
      for (gsize c = 0; c < h; c++)
        d_row[c] = hidden[i * h + c] > 0 ? share * network->weights->linear_2_weight[c] : 0;
      bert_store(stored, h, d_row, d_linear_1, i * h);
    }
  }
  bert_product(stored, g->rows.n, 4 * h, h, d_linear_1, network->linear_1.backward, g->d_features, NULL,
               FALSE, g->gemm);
}

/* From the features to C, U and the maxima. */
static void features_backward(const HeadRun *run, const Group *g)
{
  const BertPass *pass = run->pass;
  const BertKernels *kernels = pass->network->kernels;
  const guint *pair_start = pass->batch->pair_start;
  gsize h = pass->network->config->hidden_size, start = g->rows.start;
  const float *actions = pass->head.actions + start * h, *read = pass->head.read + start * h,
              *q = pass->head.weights + start;
  float *d_actions = run->d_actions + start * h, *d_read = run->d_read + start * h;
  for (guint pair = g->rows.group->first_pair; pair < g->rows.group->last_pair; pair++) {
    gsize first = pair_start[pair] - start, last = pair_start[pair + 1] - start;
    const float *v = pass->head.summary + pair * h;
    memset(g->d_summary, 0, h * sizeof *g->d_summary);
    for (gsize i = first; i < last; i++) {
      const float *d_o = g->d_features + i * 4 * h, *c = actions + i * h, *u = read + i * h;
      float *d_c = d_actions + i * h, *d_u = d_read + i * h;
      memcpy(d_c, d_o, h * sizeof *d_c);
      kernels->multiply_add(h, d_o + 2 * h, u, d_c);
      memcpy(d_u, d_o + h, h * sizeof *d_u);
      kernels->multiply_add(h, d_o + 2 * h, c, d_u);
      kernels->multiply_add(h, d_o + 3 * h, v, d_u);
      kernels->multiply_add(h, d_o + 3 * h, u, g->d_summary);
    }
    float total = 0;
    for (gsize i = first; i < last; i++) {
      kernels->add_scaled(h, q[i], g->d_summary, d_actions + i * h);
      g->d_largest[i] = kernels->dot(h, g->d_summary, actions + i * h);
      total += q[i] * g->d_largest[i];
    }
    for (gsize i = first; i < last; i++)
      g->d_largest[i] = q[i] * (g->d_largest[i] - total);
  }
}

static void group_task(gpointer data, guint task, guint thread)
{
  const HeadRun *run = data;
  const BertPass *pass = run->pass;
  const BertKernels *kernels = pass->network->kernels;
  const BertParameters *weights = pass->network->weights;
  const Group g = open_group(run, task, thread);
  gsize h = pass->network->config->hidden_size, n = g.rows.n, length = g.rows.length, start = g.rows.start;
  const float *attention = pass->head.attention + g.rows.attention;
  float *d_attention = run->d_attention + g.rows.attention, *d_read = run->d_read + start * h;
  linear_backward(run, &g);
  features_backward(run, &g);
  kernels->gemm(n, length, h, bert_rows(d_read, h), bert_transposed(g.rows.states, h), d_attention, length,
                NULL, FALSE, g.gemm);
  for (gsize i = 0; i < n; i++) {
    kernels->softmax_backward(length, 1, attention + i * length, d_attention + i * length);
    d_attention[i * length + pass->head.where[start + i]] += g.d_largest[i];
  }
  kernels->gemm(n, h, length, bert_rows(d_attention, length), bert_rows(g.rows.states, h), g.through, h, NULL,
                FALSE, g.gemm);
  /* The softmax's part of a row of d a_ij sums to zero: what wc receives is d_largest. */
  for (gsize i = 0; i < n; i++) {
    float *c = pass->head.actions + (start + i) * h, *d_c = run->d_actions + (start + i) * h;
    kernels->add_scaled(h, g.d_largest[i], weights->attention_input_weight, d_c);
    kernels->multiply_add(h, weights->attention_dot_scale, g.through + i * h, d_c);
    kernels->add_scaled(h, g.d_largest[i], c, g.d_input_weight);
    kernels->multiply_add(h, c, g.through + i * h, g.d_scale);
    kernels->multiply(h, c, weights->attention_dot_scale, c); /* from here on C * d, for the states */
  }
}

static void state_task(gpointer data, guint task, guint thread)
{
  const HeadRun *run = data;
  const BertPass *pass = run->pass;
  const BertKernels *kernels = pass->network->kernels;
  const BertBatch *batch = pass->batch;
  const BertHeadMemory *head = &pass->head;
  const StatePart *part = &run->parts[task];
  gsize h = pass->network->config->hidden_size;
  guint d = part->decision, state = batch->decision_state[d];
  gsize length = batch->text_start[state + 1] - batch->text_start[state];
  gsize first_action = batch->pair_start[batch->decision_pair[d]];
  gsize n_actions = batch->pair_start[batch->decision_pair[d + 1]] - first_action;
  gsize count = MIN((gsize)STATE_ROWS, length - part->first_row);
  const float *attention = head->attention + head->attention_start[d] + part->first_row;
  const float *d_attention = run->d_attention + head->attention_start[d] + part->first_row;
  const float *states = pass->hidden_states + (gsize)(batch->text_start[state] + part->first_row) * h;
  float *to = run->d_states + (run->state_start[d] + part->first_row) * h, *gemm = pass->scratch[thread];
  float *d_memory_weight = run->part_partials + (gsize)task * h, totals[STATE_ROWS] = {0};
  kernels->gemm(count, h, n_actions, bert_transposed(attention, length),
                bert_rows(run->d_read + first_action * h, h), to, h, NULL, FALSE, gemm);
  kernels->gemm(count, h, n_actions, bert_transposed(d_attention, length),
                bert_rows(head->actions + first_action * h, h), to, h, NULL, TRUE, gemm);
  for (gsize i = 0; i < n_actions; i++)
    kernels->add(count, d_attention + i * length, totals);
  memset(d_memory_weight, 0, h * sizeof *d_memory_weight);
  for (gsize j = 0; j < count; j++) {
    kernels->add_scaled(h, totals[j], pass->network->weights->attention_memory_weight, to + j * h);
    kernels->add_scaled(h, totals[j], states + j * h, d_memory_weight);
  }
}

static void collect_task(gpointer data, guint task, guint thread G_GNUC_UNUSED)
{
  const HeadRun *run = data;
  const BertPass *pass = run->pass;
  const BertKernels *kernels = pass->network->kernels;
  const BertBatch *batch = pass->batch;
  gsize h = pass->network->config->hidden_size;
  guint last = MIN(batch->n_texts, (task + 1) * COLLECT_TEXTS);
  for (guint text = task * COLLECT_TEXTS; text < last; text++) {
    float *to = run->d_hidden_states + batch->text_start[text] * h;
    gsize n = (batch->text_start[text + 1] - batch->text_start[text]) * h;
    memset(to, 0, n * sizeof *to);
    for (guint i = run->use_start[text]; i < run->use_start[text + 1]; i++) {
      guint use = run->uses[i];
      if (use < batch->n_pairs) {
        kernels->add(n, run->d_actions + batch->pair_start[use] * h, to);
        continue;
      }
      guint d = use - batch->n_pairs;
      kernels->add(n, run->d_states + run->state_start[d] * h, to);
      if (run->d_value_input)
        kernels->add(h, run->d_value_input + d * h, to);
    }
  }
}

/* Lists for every text the pairs and decisions that use it, in rising order. */
static void find_uses(HeadRun *run)
{
  const BertBatch *batch = run->pass->batch;
  BertWorkspace *workspace = run->pass->workspace;
  run->use_start = bert_take(workspace, guint32, batch->n_texts + 1);
  run->uses = bert_take(workspace, guint32, batch->n_pairs + batch->n_decisions);
  guint32 *position = bert_take(workspace, guint32, batch->n_texts + 1);
  memset(position, 0, (batch->n_texts + 1) * sizeof *position);
  for (guint i = 0; i < batch->n_pairs; i++)
    position[batch->pair_text[i] + 1]++;
  for (guint i = 0; i < batch->n_decisions; i++)
    position[batch->decision_state[i] + 1]++;
  for (guint i = 0; i < batch->n_texts; i++)
    position[i + 1] += position[i];
  memcpy(run->use_start, position, (batch->n_texts + 1) * sizeof *position);
  for (guint i = 0; i < batch->n_pairs; i++)
    run->uses[position[batch->pair_text[i]]++] = i;
  for (guint i = 0; i < batch->n_decisions; i++)
    run->uses[position[batch->decision_state[i]]++] = batch->n_pairs + i;
}

static void divide_states(HeadRun *run)
{
  const BertBatch *batch = run->pass->batch;
  guint most = 0;
  run->state_start = bert_take(run->pass->workspace, gsize, batch->n_decisions + 1);
  run->state_start[0] = 0;
  for (guint d = 0; d < batch->n_decisions; d++) {
    guint state = batch->decision_state[d], length = batch->text_start[state + 1] - batch->text_start[state];
    run->state_start[d + 1] = run->state_start[d] + length;
    most += (length + STATE_ROWS - 1) / STATE_ROWS;
  }
  run->parts = bert_take(run->pass->workspace, StatePart, most);
  for (guint d = 0; d < batch->n_decisions; d++)
    for (gsize row = 0; row < run->state_start[d + 1] - run->state_start[d]; row += STATE_ROWS)
      run->parts[run->n_parts++] = (StatePart){d, (guint)row};
}

static void value_backward(HeadRun *run, const float *d_values, BertParameters *gradient)
{
  BertPass *pass = run->pass;
  const BertNetwork *network = pass->network;
  const BertKernels *kernels = network->kernels;
  const BertParameters *weights = network->weights;
  const BertHeadMemory *head = &pass->head;
  gsize h = network->config->hidden_size;
  guint n = pass->batch->n_decisions;
  float *d_hidden = bert_take(pass->workspace, float, (gsize)n *BERT_VALUE_HIDDEN);
  run->d_value_input = bert_take(pass->workspace, float, n *h);
  for (guint d = 0; d < n; d++) {
    const float *hidden = head->value_hidden + (gsize)d * BERT_VALUE_HIDDEN;
    for (guint i = 0; i < BERT_VALUE_HIDDEN; i++)
      d_hidden[d * BERT_VALUE_HIDDEN + i] =
          d_values[d] * weights->value_output_weight[i] * (hidden[i] > 0 ? 1 : LEAKY_SLOPE);
    kernels->add_scaled(BERT_VALUE_HIDDEN, d_values[d], hidden, gradient->value_output_weight);
    gradient->value_output_bias[0] += d_values[d];
  }
  kernels->gemm(n, h, BERT_VALUE_HIDDEN, bert_rows(d_hidden, BERT_VALUE_HIDDEN),
                bert_rows(weights->value_hidden_weight, h), run->d_value_input, h, NULL, FALSE,
                pass->scratch[0]);
  BertWeightProduct product = {n,
                               BERT_VALUE_HIDDEN,
                               (guint)h,
                               d_hidden,
                               BERT_VALUE_HIDDEN,
                               head->value_input,
                               h,
                               gradient->value_hidden_weight,
                               gradient->value_hidden_bias,
                               FALSE};
  bert_weight_products(pass, &product, 1);
}

float *bert_head_backward(BertPass *pass, const float *d_logits, const float *d_values,
                          BertParameters *gradient)
{
  const BertNetwork *network = pass->network;
  const BertBatch *batch = pass->batch;
  BertHeadMemory *head = &pass->head;
  gsize h = network->config->hidden_size, rows = batch->n_action_rows;
  HeadRun run = {.pass = pass, .d_logits = d_logits};
  divide_states(&run);
  find_uses(&run);
  run.d_linear_1 = bert_take_stored(&network->head_stored, pass->workspace, rows * h);
  run.d_read = bert_take(pass->workspace, float, rows *h);
  run.d_attention = bert_take(pass->workspace, float, head->attention_start[batch->n_decisions]);
  run.d_actions = bert_take(pass->workspace, float, rows *h);
  run.group_partials = bert_take(pass->workspace, float, head->n_groups * 3 * h);
  run.part_partials = bert_take(pass->workspace, float, run.n_parts *h);
  run.d_states = bert_take(pass->workspace, float, run.state_start[batch->n_decisions] * h);
  run.d_hidden_states = bert_take(pass->workspace, float, batch->n_rows *h);
  bert_pass_scratch(pass, network->kernels->gemm_scratch + head->largest_group * (5 * h + 1) + h + 64);
  bert_pool_run(network->pool, head->n_groups, group_task, &run);
  bert_pool_run(network->pool, run.n_parts, state_task, &run);
  BertWeightProduct product = {(guint)rows,
                               (guint)h,
                               4 * (guint)h,
                               run.d_linear_1,
                               h,
                               head->features,
                               4 * h,
                               gradient->linear_1_weight,
                               gradient->linear_1_bias,
                               network->head_stored.bf16};
  bert_weight_products(pass, &product, 1);
  bert_add_partials(network, head->n_groups, 3 * h, run.group_partials, h, gradient->attention_input_weight);
  bert_add_partials(network, head->n_groups, 3 * h, run.group_partials + h, h, gradient->attention_dot_scale);
  bert_add_partials(network, head->n_groups, 3 * h, run.group_partials + 2 * h, h, gradient->linear_2_weight);
  bert_add_partials(network, run.n_parts, h, run.part_partials, h, gradient->attention_memory_weight);
  for (guint i = 0; i < batch->n_pairs; i++)
    gradient->linear_2_bias[0] += d_logits[i];
  if (d_values && head->value_input)
    value_backward(&run, d_values, gradient);
  bert_pool_run(network->pool, (batch->n_texts + COLLECT_TEXTS - 1) / COLLECT_TEXTS, collect_task, &run);
  return run.d_hidden_states;
}
