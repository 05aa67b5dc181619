/* The policy object: opens a model folder, turns decisions into batches and runs the passes on them. It owns
 * weights, optimiser, threads and workspaces; tokenizer and layout are shared with its frozen copies. */
#include "models/bert_cpu/policy.h"
#include "models/bert/state.h"
#include <math.h>
#include <string.h>

/* Everything that does not depend on where the weights come from. Takes over `weights`. */
static BertCpu *assemble(BertShared *shared, BertParameters *weights, const BertKernels *kernels,
                         guint n_threads, const BertTextRules *rules, gsize score_cache, gsize frozen_cache)
{
  BertCpu *policy = g_new0(BertCpu, 1);
  policy->shared = shared;
  policy->weights = weights;
  policy->kernels = kernels;
  policy->pool = bert_pool_new(n_threads);
  policy->rules = *rules;
  policy->cache = bert_token_cache_new(rules);
  policy->score = bert_score_new(score_cache);
  policy->frozen = bert_frozen_new(frozen_cache);
  return policy;
}

static gboolean uses_bf16(gint precision, const BertKernels *kernels)
{
  return precision == BERT_PRECISION_BF16 || (precision == BERT_PRECISION_AUTO && kernels->has_bf16);
}

static gsize count_trained(const BertCpu *policy)
{
  const BertLayout *layout = policy->shared->layout;
  gsize n_trained = 0;
  for (guint i = 0; policy->optimizer && i < layout->n_tensors; i++)
    if (bert_optimizer_trains(policy->optimizer, &layout->tensors[i]))
      n_trained += layout->tensors[i].n_elements;
  return n_trained;
}

static void describe(BertCpu *policy)
{
  GPtrArray *pairs = g_ptr_array_new();
  const BertLayout *layout = policy->shared->layout;
  g_ptr_array_add(pairs, g_strdup("model"));
  g_ptr_array_add(pairs, g_strdup(policy->shared->model));
  g_ptr_array_add(pairs, g_strdup("parameters"));
  g_ptr_array_add(pairs, g_strdup_printf("%" G_GSIZE_FORMAT, layout->n_parameters));
  g_ptr_array_add(pairs, g_strdup("trained_parameters"));
  g_ptr_array_add(pairs, g_strdup_printf("%" G_GSIZE_FORMAT, count_trained(policy)));
  g_ptr_array_add(pairs, g_strdup("precision"));
  g_ptr_array_add(pairs, g_strdup(policy->network.rules.bf16 ? "bf16" : "f32"));
  g_ptr_array_add(pairs, g_strdup("threads"));
  g_ptr_array_add(pairs, g_strdup_printf("%u", bert_pool_n_threads(policy->pool)));
  g_ptr_array_add(pairs, g_strdup("instruction_set"));
  g_ptr_array_add(pairs, g_strdup(policy->kernels->name));
  g_ptr_array_add(pairs, NULL);
  policy->description = (char **)g_ptr_array_free(pairs, FALSE);
}

BertCpu *bert_cpu_open(const BertCpuOptions *options, guint32 seed, GError **error)
{
  static const char *const instruction_sets[] = {NULL, "avx512_bf16", "avx512", "avx2", "generic"};
  const char *wanted = instruction_sets[options->instruction_set];
  const BertKernels *kernels = wanted ? bert_kernels_named(wanted) : bert_kernels();
  if (!kernels) {
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_UNSUPPORTED,
                "'instruction_set: %s' cannot run on this processor; 'auto' chooses the best that can",
                wanted);
    return NULL;
  }
  BertShared *shared = bert_shared_open(&options->bert, error);
  if (!shared)
    return NULL;
  BertParameters *weights = bert_parameters_new(shared->layout);
  if (!bert_shared_load_weights(shared, &options->bert, seed, weights, error)) {
    bert_parameters_free(weights);
    bert_shared_release(shared);
    return NULL;
  }
  BertTextRules rules = bert_text_rules(shared, &options->bert);
  BertCpu *policy = assemble(shared, weights, kernels, (guint)options->threads, &rules,
                             (gsize)options->score_cache << 20, (gsize)options->frozen_cache << 20);
  policy->seed = seed;
  policy->trains = TRUE;
  policy->score_batch_tokens = (guint)options->score_batch_tokens;
  policy->hidden_dropout = bert_dropout_new(seed, bert_hidden_dropout(shared, &options->bert));
  policy->attention_dropout = bert_dropout_new(seed, bert_attention_dropout(shared, &options->bert));
  policy->train_builder = bert_batch_builder_new(TRUE);
  policy->train_workspace = bert_workspace_new();
  BertOptimizerRules optimizer_rules = {.beta1 = options->beta1,
                                        .beta2 = options->beta2,
                                        .epsilon = options->epsilon,
                                        .weight_decay = options->weight_decay,
                                        .head_learning_rate_scale = options->head_learning_rate_scale,
                                        .sparse_embeddings = options->sparse_embeddings,
                                        .ema_decay = options->ema_decay};
  policy->optimizer = bert_optimizer_new(shared->layout, kernels, policy->pool, &optimizer_rules,
                                         (gint)options->freeze_layers);
  bert_optimizer_begin_average(policy->optimizer, weights);
  BertNetworkRules network_rules = {.first_trained = (gint)options->freeze_layers,
                                    .trains = TRUE,
                                    .bf16 = uses_bf16(options->precision, kernels),
                                    .recompute = (BertRecompute)options->recompute};
  bert_network_init(&policy->network, kernels, policy->pool, weights, &network_rules);
  describe(policy);
  return policy;
}

BertCpu *bert_cpu_clone_frozen(BertCpu *policy, GError **error)
{
  (void)error;
  BertCpu *clone = assemble(g_atomic_rc_box_acquire(policy->shared), bert_parameters_copy(policy->weights),
                            policy->kernels, bert_pool_n_threads(policy->pool), &policy->rules,
                            bert_score_limit(policy->score), 0);
  clone->seed = policy->seed;
  clone->score_batch_tokens = policy->score_batch_tokens;
  BertNetworkRules network_rules = {.first_trained = (gint)policy->shared->layout->config.n_layers,
                                    .bf16 = policy->network.rules.bf16};
  bert_network_init(&clone->network, clone->kernels, clone->pool, clone->weights, &network_rules);
  describe(clone);
  return clone;
}

void bert_cpu_close(BertCpu *policy)
{
  if (!policy)
    return;
  bert_network_clear(&policy->network);
  bert_optimizer_free(policy->optimizer);
  bert_parameters_free(policy->weights);
  bert_pool_free(policy->pool);
  bert_token_cache_free(policy->cache);
  bert_score_free(policy->score);
  bert_frozen_free(policy->frozen);
  bert_batch_builder_free(policy->train_builder);
  bert_workspace_free(policy->train_workspace);
  g_strfreev(policy->description);
  bert_shared_release(policy->shared);
  g_free(policy);
}

gboolean bert_cpu_check_finite(const BertCpu *policy, const char *what, const float *x, guint n,
                               GError **error)
{
  for (guint i = 0; i < n; i++)
    if (!isfinite(x[i]))
      return bert_fail_not_finite(policy->weights, what, i, x[i], error);
  return TRUE;
}

static const BertBatch *fill_train_batch(BertCpu *policy, const CwDecision *const *decisions,
                                         guint n_decisions)
{
  policy->can_go_backward = FALSE;
  bert_token_cache_trim(policy->cache);
  bert_batch_builder_clear(policy->train_builder);
  for (guint i = 0; i < n_decisions; i++)
    bert_batch_builder_add(policy->train_builder, policy->cache, decisions[i]);
  return bert_batch_builder_finish(policy->train_builder);
}

gboolean bert_cpu_forward(BertCpu *policy, const CwDecision *const *decisions, guint n_decisions,
                          float *logits, float *values, GError **error)
{
  const BertBatch *batch = fill_train_batch(policy, decisions, n_decisions);
  if (n_decisions > 0) {
    BertPass *pass = &policy->pass;
    *pass = (BertPass){.network = &policy->network,
                       .batch = batch,
                       .workspace = policy->train_workspace,
                       .hidden_dropout = policy->hidden_dropout,
                       .attention_dropout = policy->attention_dropout,
                       .keeps = TRUE};
    pass->hidden_dropout.forward = pass->attention_dropout.forward = (guint32)policy->n_forwards;
    bert_workspace_clear(pass->workspace);
    if (!values)
      values = bert_take(pass->workspace, float, n_decisions);
    policy->operations +=
        bert_frozen_forward(policy->frozen, pass) + bert_head_operations(pass->network, pass->batch);
    bert_head_forward(pass, logits, values);
    if (!bert_cpu_check_finite(policy, "logit", logits, batch->n_pairs, error) ||
        !bert_cpu_check_finite(policy, "value", values, n_decisions, error))
      return FALSE;
  }
  policy->n_forwards++;
  policy->can_go_backward = TRUE;
  return TRUE;
}

gboolean bert_cpu_backward(BertCpu *policy, const float *d_logits, const float *d_values, GError **error)
{
  if (!policy->can_go_backward) {
    g_set_error_literal(error, CW_POLICY_ERROR, CW_ERROR_FAILED,
                        "backward without a forward before it: each forward serves one backward");
    return FALSE;
  }
  policy->can_go_backward = FALSE;
  BertBatchBuilder *builder = policy->train_builder;
  if (bert_batch_builder_n_rows(builder) == 0)
    return TRUE;
  BertParameters *gradient = policy->optimizer->gradient;
  float *d_hidden_states = bert_head_backward(&policy->pass, d_logits, d_values, gradient);
  bert_encoder_backward(&policy->pass, d_hidden_states, gradient);
  policy->operations += bert_backward_operations(&policy->network, policy->pass.batch);
  if (policy->optimizer->first_trained == BERT_LAYER_EMBEDDINGS)
    bert_optimizer_mark_rows(policy->optimizer, policy->pass.batch->ids, policy->pass.batch->n_rows);
  policy->optimizer->is_clear = FALSE;
  return TRUE;
}

gboolean bert_cpu_step(BertCpu *policy, double learning_rate, double max_norm, double *gradient_norm,
                       GError **error)
{
  policy->can_go_backward = FALSE;
  if (!isfinite(learning_rate)) {
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_NUMERIC, "the learning rate is %g", learning_rate);
    return FALSE;
  }
  if (!bert_optimizer_step(policy->optimizer, policy->weights, learning_rate, max_norm, gradient_norm, error))
    return FALSE;
  bert_network_refresh(&policy->network);
  return TRUE;
}

guint bert_cpu_count_tokens(BertCpu *policy, const CwDecision *decision)
{
  bert_token_cache_trim(policy->cache);
  guint n_tokens = bert_token_cache_state(policy->cache, decision->observation)->n_ids;
  for (guint i = 0; i < decision->n_candidates; i++)
    n_tokens += bert_token_cache_action(policy->cache, decision->candidates[i])->n_ids;
  return n_tokens;
}

void bert_cpu_estimate_memory(BertCpu *policy, const CwDecision *const *decisions, guint n_decisions,
                              CwMemoryEstimate *estimate)
{
  const BertNetwork *network = &policy->network;
  const BertLayout *layout = policy->shared->layout;
  const BertBatch *batch = fill_train_batch(policy, decisions, n_decisions);
  gboolean serves =
      bert_frozen_serves(policy->frozen, network, &policy->hidden_dropout, &policy->attention_dropout);
  estimate->n_tokens = batch->n_rows;
  /* Weights; gradients, two moments and perhaps an average of what is trained; packed weights. */
  estimate->fixed_bytes =
      (layout->n_parameters + (policy->optimizer->average ? 4 : 3) * count_trained(policy)) * sizeof(float) +
      bert_workspace_size(network->packed_memory);
  estimate->batch_bytes =
      bert_workspace_reserve(bert_pass_bytes(network, batch, network->rules.recompute, serves));
  if (network->rules.recompute == BERT_RECOMPUTE_NONE) {
    estimate->alternative = "recompute: layer";
    estimate->alternative_bytes =
        bert_workspace_reserve(bert_pass_bytes(network, batch, BERT_RECOMPUTE_LAYER, serves));
  }
}

void bert_cpu_visit_tensors(BertCpu *policy, CwTensorVisitor visitor, gpointer user_data)
{
  const BertLayout *layout = policy->shared->layout;
  for (guint i = 0; i < layout->n_tensors; i++) {
    const BertTensorInfo *tensor = &layout->tensors[i];
    gboolean trained = policy->optimizer && bert_optimizer_trains(policy->optimizer, tensor);
    visitor(tensor->name, tensor->shape, tensor->n_dimensions, policy->weights->block + tensor->offset,
            trained ? policy->optimizer->gradient->block + tensor->offset : NULL, user_data);
  }
  bert_network_refresh(&policy->network);
  bert_frozen_check(policy->frozen, &policy->network);
  if (policy->optimizer)
    bert_optimizer_find_rows(policy->optimizer, policy->weights);
}

/* What of the optimiser a saved folder holds. */
static BertTrainingState state_of(BertOptimizer *optimizer)
{
  return (BertTrainingState){.first_trained = optimizer->first_trained,
                             .moment1 = optimizer->moment1,
                             .moment2 = optimizer->moment2,
                             .gradient = optimizer->gradient,
                             .has_gradient = !optimizer->is_clear};
}

gboolean bert_cpu_save(BertCpu *policy, const char *directory, GError **error)
{
  if (!policy->trains)
    return bert_state_save(policy->shared, policy->weights, NULL, directory, error);
  BertTrainingState state = state_of(policy->optimizer);
  state.seed = policy->seed;
  state.n_forwards = policy->n_forwards;
  state.n_steps = policy->optimizer->n_steps;
  state.averaged = bert_optimizer_averaged(policy->optimizer, policy->weights);
  gboolean saved = bert_state_save(policy->shared, policy->weights, &state, directory, error);
  bert_parameters_free(state.averaged);
  return saved;
}

gboolean bert_cpu_load(BertCpu *policy, const char *directory, GError **error)
{
  BertParameters *weights = bert_parameters_new(policy->shared->layout);
  BertOptimizer *optimizer = NULL;
  BertTrainingState state = {0};
  if (policy->trains) {
    optimizer = bert_optimizer_new(policy->shared->layout, policy->kernels, policy->pool,
                                   &policy->optimizer->rules, policy->optimizer->first_trained);
    state = state_of(optimizer);
    state.averaged = optimizer->average ? bert_parameters_new(policy->shared->layout) : NULL;
  }
  if (!bert_state_load(policy->shared, weights, optimizer ? &state : NULL, policy->seed, directory, error)) {
    bert_parameters_free(weights);
    bert_parameters_free(state.averaged);
    bert_optimizer_free(optimizer);
    return FALSE;
  }
  memcpy(policy->weights->block, weights->block, policy->shared->layout->n_floats * sizeof(float));
  bert_parameters_free(weights);
  if (optimizer) {
    bert_optimizer_free(policy->optimizer);
    policy->optimizer = optimizer;
    policy->seed = state.seed;
    policy->hidden_dropout.seed = policy->attention_dropout.seed = policy->seed;
    policy->n_forwards = state.n_forwards;
    optimizer->n_steps = state.n_steps;
    bert_optimizer_begin_average(optimizer, state.has_averaged ? state.averaged : policy->weights);
    bert_optimizer_find_rows(optimizer, policy->weights);
  }
  bert_parameters_free(state.averaged);
  policy->can_go_backward = FALSE;
  bert_network_refresh(&policy->network);
  bert_frozen_check(policy->frozen, &policy->network);
  return TRUE;
}
