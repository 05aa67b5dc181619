/* The slots of the CPU. A BertCpu owns weights, optimiser, threads and workspaces; results do not depend on
 * the number of threads. */
#include "models/bert_cpu/device.h"
#include <string.h>

static BertCpu *cpu_new(const BertKernels *kernels, guint n_threads, gboolean bf16, gsize texts_limit)
{
  BertCpu *cpu = g_new0(BertCpu, 1);
  cpu->kernels = kernels;
  cpu->pool = bert_pool_new(n_threads);
  cpu->bf16 = bf16;
  cpu->texts = bert_text_memory_new(texts_limit);
  return cpu;
}

/* Once in a process, however many policies it opens. */
static void say_it_is_slow(const char *reason)
{
  static gint said;
  if (g_atomic_int_compare_and_exchange(&said, 0, 1))
    g_message(
        "policy bert_cpu: 'precision: bf16' is slower than f32 here: %s; 'precision: auto' would take f32",
        reason);
}

static gpointer open_device(const BertOptions *options, GError **error)
{
  const char *wanted = bert_instruction_set_names[options->instruction_set];
  const BertKernels *kernels = options->instruction_set > 0 ? bert_kernels_named(wanted) : bert_kernels();
  if (!kernels) {
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_UNSUPPORTED,
                "'instruction_set: %s' cannot run here: %s; 'auto' chooses the best that can", wanted,
                bert_kernels_obstacle(wanted));
    return NULL;
  }
  const char *reason;
  gboolean prefers_bf16 = bert_kernels_prefer_bf16(kernels, &reason),
           is_auto = options->precision == BERT_PRECISION_AUTO;
  gboolean bf16 = is_auto ? prefers_bf16 : options->precision == BERT_PRECISION_BF16;
  if (bf16 && !prefers_bf16)
    say_it_is_slow(reason);
  gsize memory = (gsize)options->score_cache << 20;
  BertCpu *cpu = cpu_new(kernels, (guint)options->threads, bf16, bert_score_texts_share(memory));
  cpu->precision_reason = is_auto ? reason : NULL;
  cpu->recompute = (BertRecompute)options->recompute;
  cpu->frozen_limit = (gsize)options->frozen_cache << 20;
  return cpu;
}

static gpointer open_frozen(gpointer object, GError **error G_GNUC_UNUSED)
{
  const BertCpu *cpu = object;
  BertCpu *copy =
      cpu_new(cpu->kernels, bert_pool_n_threads(cpu->pool), cpu->bf16, bert_text_memory_limit(cpu->texts));
  copy->precision_reason = cpu->precision_reason;
  return copy;
}

static void close_device(gpointer object)
{
  BertCpu *cpu = object;
  if (!cpu)
    return;
  bert_network_clear(&cpu->network);
  bert_optimizer_free(cpu->optimizer);
  bert_parameters_free(cpu->weights);
  bert_pool_free(cpu->pool);
  bert_text_memory_free(cpu->texts);
  bert_frozen_free(cpu->frozen);
  bert_workspace_free(cpu->workspace);
  g_free(cpu);
}

static gboolean begin(gpointer object, const BertSetup *setup, BertParameters *weights,
                      GError **error G_GNUC_UNUSED)
{
  BertCpu *cpu = object;
  gboolean trains = setup->rules != NULL;
  cpu->weights = weights;
  cpu->frozen = bert_frozen_new(cpu->frozen_limit);
  if (trains) {
    cpu->workspace = bert_workspace_new();
    cpu->optimizer = bert_optimizer_new(setup->shared->layout, cpu->kernels, cpu->pool, setup->rules,
                                        setup->first_trained);
  }
  BertNetworkRules rules = {.first_trained = setup->first_trained,
                            .trains = trains,
                            .bf16 = cpu->bf16,
                            .recompute = cpu->recompute};
  bert_network_init(&cpu->network, cpu->kernels, cpu->pool, weights, &rules);
  return TRUE;
}

static void describe(gpointer object, GPtrArray *facts)
{
  const BertCpu *cpu = object;
  bert_add_fact(facts, "precision", g_strdup(cpu->bf16 ? "bf16" : "f32"));
  if (cpu->precision_reason)
    bert_add_fact(facts, "precision_reason", g_strdup(cpu->precision_reason));
  bert_add_fact(facts, "threads", g_strdup_printf("%u", bert_pool_n_threads(cpu->pool)));
  bert_add_fact(facts, "instruction_set", g_strdup(cpu->kernels->name));
}

static gboolean score(gpointer object, const BertBatch *batch, float *logits, float *values,
                      GError **error G_GNUC_UNUSED)
{
  BertCpu *cpu = object;
  cpu->operations += bert_text_memory_score(cpu->texts, &cpu->network, cpu->frozen, batch, logits, values);
  return TRUE;
}

static gsize pass_bytes(const BertCpu *cpu, const BertBatch *batch, const BertDropouts *dropouts,
                        BertRecompute recompute)
{
  gboolean serves = bert_frozen_serves(cpu->frozen, &cpu->network, &dropouts->hidden, &dropouts->attention);
  return bert_pass_bytes(&cpu->network, batch, recompute, serves);
}

/* The first pass gets its memory at once: in pieces it would be cleared by the system twice, here and in the
 * block that replaces the pieces. */
static gboolean forward(gpointer object, const BertBatch *batch, const BertDropouts *dropouts, float *logits,
                        float *values, GError **error G_GNUC_UNUSED)
{
  BertCpu *cpu = object;
  cpu->pass = (BertPass){.network = &cpu->network,
                         .batch = batch,
                         .workspace = cpu->workspace,
                         .hidden_dropout = dropouts->hidden,
                         .attention_dropout = dropouts->attention,
                         .keeps = TRUE};
  bert_workspace_begin(cpu->workspace, pass_bytes(cpu, batch, dropouts, cpu->recompute));
  bert_workspace_clear(cpu->workspace);
  cpu->operations +=
      bert_frozen_forward(cpu->frozen, &cpu->pass) + bert_head_operations(&cpu->network, batch);
  bert_head_forward(&cpu->pass, logits, values);
  return TRUE;
}

static gboolean backward(gpointer object, const BertBatch *batch, const float *d_logits,
                         const float *d_values, GError **error G_GNUC_UNUSED)
{
  BertCpu *cpu = object;
  BertParameters *gradient = cpu->optimizer->gradient;
  float *d_hidden_states = bert_head_backward(&cpu->pass, d_logits, d_values, gradient);
  bert_encoder_backward(&cpu->pass, d_hidden_states, gradient);
  cpu->operations += bert_backward_operations(&cpu->network, batch);
  if (cpu->optimizer->first_trained == BERT_LAYER_EMBEDDINGS)
    bert_optimizer_mark_rows(cpu->optimizer, batch->ids, batch->n_rows);
  return TRUE;
}

static gboolean step(gpointer object, guint64 n_steps, double learning_rate, double max_norm,
                     double *gradient_norm, GError **error)
{
  BertCpu *cpu = object;
  cpu->optimizer->n_steps = n_steps;
  if (!bert_optimizer_step(cpu->optimizer, cpu->weights, learning_rate, max_norm, gradient_norm, error))
    return FALSE;
  bert_network_refresh(&cpu->network);
  return TRUE;
}

static gsize count_trained(const BertCpu *cpu)
{
  const BertLayout *layout = cpu->weights->layout;
  gsize n_trained = 0;
  for (guint i = 0; i < layout->n_tensors; i++)
    if (bert_optimizer_trains(cpu->optimizer, &layout->tensors[i]))
      n_trained += layout->tensors[i].n_elements;
  return n_trained;
}

static void estimate_memory(gpointer object, const BertBatch *batch, const BertDropouts *dropouts,
                            CwMemoryEstimate *estimate)
{
  const BertCpu *cpu = object;
  const BertNetwork *network = &cpu->network;
  /* Weights; gradients, two moments and perhaps an average of what is trained; packed weights. */
  estimate->fixed_bytes =
      (cpu->weights->layout->n_parameters + (cpu->optimizer->average ? 4 : 3) * count_trained(cpu)) *
          sizeof(float) +
      bert_workspace_size(network->packed_memory);
  estimate->batch_bytes = bert_workspace_reserve(pass_bytes(cpu, batch, dropouts, network->rules.recompute));
  if (network->rules.recompute == BERT_RECOMPUTE_NONE) {
    estimate->alternative = "recompute: layer";
    estimate->alternative_bytes =
        bert_workspace_reserve(pass_bytes(cpu, batch, dropouts, BERT_RECOMPUTE_LAYER));
  }
}

static BertParameters *own_block(gpointer object, BertBlock block)
{
  BertCpu *cpu = object;
  switch (block) {
  case BERT_BLOCK_GRADIENT:
    return cpu->optimizer->gradient;
  case BERT_BLOCK_MOMENT1:
    return cpu->optimizer->moment1;
  case BERT_BLOCK_MOMENT2:
    return cpu->optimizer->moment2;
  case BERT_BLOCK_AVERAGE:
    return cpu->optimizer->average;
  default:
    return cpu->weights;
  }
}

/* Of the optimiser's blocks the frozen tensors stay zeros, which take no memory. */
static gboolean send(gpointer object, BertBlock block, const BertParameters *from,
                     GError **error G_GNUC_UNUSED)
{
  BertCpu *cpu = object;
  const BertLayout *layout = from->layout;
  BertParameters *to = own_block(object, block);
  for (guint i = 0; from != to && i < layout->n_tensors; i++) {
    const BertTensorInfo *tensor = &layout->tensors[i];
    if (block == BERT_BLOCK_WEIGHTS || bert_optimizer_trains(cpu->optimizer, tensor))
      memcpy(to->block + tensor->offset, from->block + tensor->offset, tensor->n_elements * sizeof(float));
  }
  if (block == BERT_BLOCK_WEIGHTS) {
    bert_network_refresh(&cpu->network);
    bert_frozen_check(cpu->frozen, &cpu->network);
  }
  if (cpu->optimizer)
    bert_optimizer_find_rows(cpu->optimizer, cpu->weights);
  return TRUE;
}

static guint counters(gpointer object, CwNamedValue *counters)
{
  const BertCpu *cpu = object;
  const BertFrozenCounts *frozen = bert_frozen_counts(cpu->frozen);
  guint n = bert_text_memory_counters(cpu->texts, counters);
  counters[n++] = (CwNamedValue){"frozen_texts", (double)frozen->n_texts};
  counters[n++] = (CwNamedValue){"frozen_texts_found", (double)frozen->n_texts_found};
  counters[n++] = (CwNamedValue){"frozen_tokens", (double)frozen->n_tokens};
  counters[n++] = (CwNamedValue){"frozen_tokens_found", (double)frozen->n_tokens_found};
  counters[n++] = (CwNamedValue){"operations", cpu->operations};
  return n;
}

const BertDevice bert_cpu_device = {
    .name = "bert_cpu",
    .scores_repeat = TRUE,
    .most_decisions = G_MAXUINT,
    .open = open_device,
    .open_frozen = open_frozen,
    .close = close_device,
    .begin = begin,
    .describe = describe,
    .score = score,
    .forward = forward,
    .backward = backward,
    .step = step,
    .estimate_memory = estimate_memory,
    .own_block = own_block,
    .send = send,
    .counters = counters,
};
