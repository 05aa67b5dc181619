/* The policy object: opens a model folder and a device, turns decisions into batches and enqueues the passes
 * on them. Tokenizer and layout are shared with its frozen copies; device, stream and memory are its own. */
#include "models/bert_cuda/policy.h"
#include "models/bert/state.h"
#include <math.h>
#include <string.h>

/* What blockIdx.y and .z can count. */
#define MOST_DECISIONS 65535
#define MOST_ROWS      (65535 * BERT_SUM_ROWS)

static void add_fact(GPtrArray *pairs, const char *key, char *value)
{
  g_ptr_array_add(pairs, g_strdup(key));
  g_ptr_array_add(pairs, value);
}

static void describe(BertCuda *policy)
{
  static const char *const precisions[] = {"auto", "f32", "tf32", "bf16"};
  const BertContext *context = &policy->context;
  const BertLayout *layout = policy->shared->layout;
  GPtrArray *pairs = g_ptr_array_new();
  gsize n_trained = 0;
  for (guint i = 0; policy->trains && i < layout->n_tensors; i++)
    if (layout->tensors[i].layer >= policy->optimizer.first_trained)
      n_trained += layout->tensors[i].n_elements;
  add_fact(pairs, "model", g_strdup(policy->shared->model));
  add_fact(pairs, "parameters", g_strdup_printf("%" G_GSIZE_FORMAT, layout->n_parameters));
  add_fact(pairs, "trained_parameters", g_strdup_printf("%" G_GSIZE_FORMAT, n_trained));
  add_fact(pairs, "precision", g_strdup(precisions[context->precision]));
  add_fact(pairs, "device", g_strdup_printf("%s (%d.%d)", context->name, context->major, context->minor));
  add_fact(pairs, "device_memory_fixed",
           g_strdup_printf("%" G_GSIZE_FORMAT " MiB", policy->fixed.size >> 20));
  add_fact(pairs, "device_memory_per_token",
           g_strdup_printf("%" G_GSIZE_FORMAT " KiB", bert_cuda_bytes_per_token(policy) >> 10));
  g_ptr_array_add(pairs, NULL);
  policy->description = (char **)g_ptr_array_free(pairs, FALSE);
}

/* What the kernels take for granted. */
static gboolean check_shape(const BertShared *shared, GError **error)
{
  const BertConfig *config = &shared->layout->config;
  guint width = config->hidden_size / config->n_heads;
  if (config->hidden_size % 8 == 0 && config->hidden_size <= 8192 && config->intermediate_size % 8 == 0 &&
      width % 8 == 0 && width <= BERT_ATTENTION_MOST_WIDE)
    return TRUE;
  g_set_error(
      error, CW_POLICY_ERROR, CW_ERROR_UNSUPPORTED,
      "%s: bert_cuda needs hidden_size, intermediate_size and the width of a head to be multiples of 8, "
      "hidden_size at most 8192 and heads at most %d wide; here they are %u, %u and %u; use bert_cpu",
      shared->model, BERT_ATTENTION_MOST_WIDE, config->hidden_size, config->intermediate_size, width);
  return FALSE;
}

/* Takes over `shared`. */
static BertCuda *assemble(BertShared *shared, const BertTextRules *rules)
{
  BertCuda *policy = g_new0(BertCuda, 1);
  policy->shared = shared;
  policy->rules = *rules;
  policy->cache = bert_token_cache_new(rules);
  policy->score_builder = bert_batch_builder_new(TRUE);
  policy->score_plan = bert_plan_new();
  policy->host = bert_parameters_new(shared->layout);
  policy->weights = (BertDeviceWeights){.layout = shared->layout, .map = policy->host};
  return policy;
}

/* The host's block becomes the weights. */
static gboolean send_weights(BertCuda *policy, GError **error)
{
  return bert_cuda_send(policy, policy->host->block, policy->weights.block, error) &&
         bert_cuda_refresh(policy, error) &&
         bert_context_wait(&policy->context, "sending the weights", error);
}

BertCuda *bert_cuda_open(const BertCudaOptions *options, guint32 seed, GError **error)
{
  BertContext context;
  if (!bert_context_open(&context, (int)options->device, (BertPrecision)options->precision, error))
    return NULL;
  BertShared *shared = bert_shared_open(&options->bert, error);
  if (!shared || !check_shape(shared, error)) {
    bert_shared_release(shared);
    bert_context_close(&context);
    return NULL;
  }
  BertTextRules rules = bert_text_rules(shared, &options->bert);
  BertCuda *policy = assemble(shared, &rules);
  policy->context = context;
  policy->seed = seed;
  policy->trains = TRUE;
  policy->score_batch_tokens = (guint)options->score_batch_tokens;
  policy->memory_limit = (gsize)options->memory << 20;
  policy->hidden_dropout = bert_dropout_new(seed, bert_hidden_dropout(shared, &options->bert));
  policy->attention_dropout = bert_dropout_new(seed, bert_attention_dropout(shared, &options->bert));
  policy->train_builder = bert_batch_builder_new(TRUE);
  policy->train_plan = bert_plan_new();
  policy->optimizer = (BertCudaOptimizer){
      .beta1 = options->beta1,
      .beta2 = options->beta2,
      .epsilon = options->epsilon,
      .weight_decay = options->weight_decay,
      .head_learning_rate_scale = options->head_learning_rate_scale,
      .ema_decay = options->ema_decay,
      .sparse_embeddings = options->sparse_embeddings && options->freeze_layers == BERT_LAYER_EMBEDDINGS,
      .first_trained = (gint)options->freeze_layers};
  if (!bert_shared_load_weights(shared, &options->bert, seed, policy->host, error) ||
      !bert_cuda_prepare_optimizer(policy, error) || !send_weights(policy, error) ||
      !bert_cuda_begin_average(policy, policy->host, error)) {
    bert_cuda_close(policy);
    return NULL;
  }
  describe(policy);
  g_message("bert_cuda: %s, %s: %" G_GSIZE_FORMAT
            " MiB for weights, gradients and optimiser, about %" G_GSIZE_FORMAT
            " KiB per token of a training batch, %" G_GSIZE_FORMAT " MiB in all",
            policy->context.name, policy->description[7], policy->fixed.size >> 20,
            bert_cuda_bytes_per_token(policy) >> 10, policy->context.total_memory >> 20);
  return policy;
}

BertCuda *bert_cuda_clone_frozen(BertCuda *policy, GError **error)
{
  BertCuda *clone = assemble(g_atomic_rc_box_acquire(policy->shared), &policy->rules);
  clone->seed = policy->seed;
  clone->score_batch_tokens = policy->score_batch_tokens;
  clone->memory_limit = policy->memory_limit;
  if (!bert_context_open(&clone->context, policy->context.device, policy->context.precision, error) ||
      !bert_cuda_take_fixed(clone, error) ||
      !bert_cuda_fetch(policy, policy->weights.block, clone->host->block, error) ||
      !send_weights(clone, error)) {
    bert_cuda_close(clone);
    return NULL;
  }
  describe(clone);
  return clone;
}

void bert_cuda_close(BertCuda *policy)
{
  if (!policy)
    return;
  bert_context_enter(&policy->context);
  bert_cuda_free_memory(policy);
  bert_plan_free(policy->score_plan);
  bert_plan_free(policy->train_plan);
  bert_pass_clear(&policy->pass);
  bert_context_close(&policy->context);
  bert_parameters_free(policy->host);
  bert_token_cache_free(policy->cache);
  bert_batch_builder_free(policy->score_builder);
  bert_batch_builder_free(policy->train_builder);
  g_free(policy->optimizer.row_has_gradient);
  g_strfreev(policy->description);
  bert_shared_release(policy->shared);
  g_free(policy);
}

/* A logit or value that is not finite is an error; if a weight is to blame, the message names it. */
static gboolean check_finite(BertCuda *policy, const char *what, const float *x, guint n, GError **error)
{
  for (guint i = 0; i < n; i++) {
    if (isfinite(x[i]))
      continue;
    return bert_cuda_fetch(policy, policy->weights.block, policy->host->block, error) &&
           bert_fail_not_finite(policy->host, what, i, x[i], error);
  }
  return TRUE;
}

/* What take_pass takes. */
static gboolean measure_pass(BertPass *pass, BertPlan *plan, gsize *size, GError **error)
{
  const BertHead *counts = &bert_plan_counts(plan)->head;
  BertArena measure = {0};
  if (!bert_pass_take(pass, plan, &measure, error))
    return FALSE;
  if (pass->trains) {
    (void)bert_device_take(&measure, float, counts->n_pairs);
    (void)bert_device_take(&measure, float, counts->n_decisions);
    bert_pass_backward(pass, &measure, NULL, NULL, NULL);
  }
  *size = measure.used;
  return TRUE;
}

/* Memory for a pass over `batch`, with training for its backward too; places the plan. */
static gboolean take_pass(BertCuda *policy, BertPass *pass, BertPlan *plan, const BertBatch *batch,
                          GError **error)
{
  const BertHead *counts = &bert_plan_counts(plan)->head;
  if (counts->n_decisions > MOST_DECISIONS || MAX(counts->n_action_rows, counts->n_state_rows) > MOST_ROWS ||
      batch->n_rows > MOST_ROWS) {
    g_set_error(
        error, CW_POLICY_ERROR, CW_ERROR_UNSUPPORTED,
        "a batch of %u decisions and %u tokens is more than bert_cuda takes at once (%d and %d); use smaller "
        "batches",
        counts->n_decisions, MAX(batch->n_rows, counts->n_action_rows), MOST_DECISIONS, MOST_ROWS);
    return FALSE;
  }
  gsize size = 0;
  BertArena *work = pass->trains ? &policy->training : &policy->scoring;
  if (!measure_pass(pass, plan, &size, error) ||
      !bert_cuda_take_work(policy, work, size, batch->n_rows, error) ||
      !bert_cuda_take_results(policy, 2 * ((gsize)counts->n_pairs + counts->n_decisions), error) ||
      !bert_pass_take(pass, plan, work, error))
    return FALSE;
  if (pass->trains) {
    policy->d_logits = bert_device_take(work, float, counts->n_pairs);
    policy->d_values = bert_device_take(work, float, counts->n_decisions);
  }
  return TRUE;
}

/* The forward pass and, at its end, the results on the host. values may be NULL. */
static gboolean run_pass(BertCuda *policy, BertPass *pass, float *logits, float *values, GError **error)
{
  BertContext *context = &policy->context;
  gsize n_logits = pass->placed.head.n_pairs, n_values = pass->placed.head.n_decisions;
  bert_pass_forward(pass);
  float *from = policy->results;
  if (!bert_cuda_check(cudaMemcpyAsync(from, pass->logits, n_logits * sizeof(float), cudaMemcpyDeviceToHost,
                                       context->stream),
                       "fetching logits", error) ||
      !bert_cuda_check(cudaMemcpyAsync(from + n_logits, pass->values, n_values * sizeof(float),
                                       cudaMemcpyDeviceToHost, context->stream),
                       "fetching values", error) ||
      !bert_context_wait(context, "a forward pass", error))
    return FALSE;
  memcpy(logits, from, n_logits * sizeof(float));
  if (values)
    memcpy(values, from + n_logits, n_values * sizeof(float));
  return TRUE;
}

gboolean bert_cuda_score(BertCuda *policy, const CwDecision *const *decisions, guint n_decisions,
                         float *logits, float *values, GError **error)
{
  BertBatchBuilder *builder = policy->score_builder;
  guint n_logits = 0;
  bert_context_enter(&policy->context);
  bert_token_cache_trim(policy->cache);
  for (guint next = 0; next < n_decisions;) {
    guint first = next;
    bert_batch_builder_clear(builder);
    do
      bert_batch_builder_add(builder, policy->cache, decisions[next++]);
    while (next < n_decisions && next - first < MOST_DECISIONS &&
           bert_batch_builder_n_rows(builder) < policy->score_batch_tokens &&
           bert_batch_builder_n_action_rows(builder) / 4 < policy->score_batch_tokens);
    const BertBatch *batch = bert_batch_builder_finish(builder);
    bert_plan_make(policy->score_plan, batch, policy->context.bf16, NULL);
    BertPass pass = {.context = &policy->context,
                     .weights = &policy->weights,
                     .first_trained = (gint)policy->shared->layout->config.n_layers};
    gboolean scored = take_pass(policy, &pass, policy->score_plan, batch, error) &&
                      run_pass(policy, &pass, logits + n_logits, values ? values + first : NULL, error);
    bert_pass_clear(&pass);
    if (!scored)
      return FALSE;
    n_logits += batch->n_pairs;
  }
  return check_finite(policy, "logit", logits, n_logits, error) &&
         (!values || check_finite(policy, "value", values, n_decisions, error));
}

/* The batch of a training pass, and its plan. */
static const BertBatch *plan_training(BertCuda *policy, const CwDecision *const *decisions, guint n_decisions)
{
  bert_token_cache_trim(policy->cache);
  bert_batch_builder_clear(policy->train_builder);
  for (guint i = 0; i < n_decisions; i++)
    bert_batch_builder_add(policy->train_builder, policy->cache, decisions[i]);
  if (n_decisions == 0)
    return NULL;
  const BertBatch *batch = bert_batch_builder_finish(policy->train_builder);
  bert_plan_make(policy->train_plan, batch, policy->context.bf16,
                 policy->optimizer.first_trained == BERT_LAYER_EMBEDDINGS ? policy->host : NULL);
  return batch;
}

static BertPass training_pass(BertCuda *policy)
{
  return (BertPass){.context = &policy->context,
                    .weights = &policy->weights,
                    .first_trained = policy->optimizer.first_trained,
                    .trains = TRUE,
                    .hidden_dropout = policy->hidden_dropout,
                    .attention_dropout = policy->attention_dropout};
}

gboolean bert_cuda_forward(BertCuda *policy, const CwDecision *const *decisions, guint n_decisions,
                           float *logits, float *values, GError **error)
{
  policy->can_go_backward = FALSE;
  bert_context_enter(&policy->context);
  const BertBatch *batch = plan_training(policy, decisions, n_decisions);
  if (batch) {
    BertPass *pass = &policy->pass;
    bert_pass_clear(pass);
    *pass = training_pass(policy);
    pass->hidden_dropout.forward = pass->attention_dropout.forward = (guint32)policy->n_forwards;
    float *own_values = values ? NULL : g_new(float, n_decisions);
    gboolean good = take_pass(policy, pass, policy->train_plan, batch, error) &&
                    run_pass(policy, pass, logits, values ? values : own_values, error) &&
                    check_finite(policy, "logit", logits, batch->n_pairs, error) &&
                    check_finite(policy, "value", values ? values : own_values, n_decisions, error);
    g_free(own_values);
    if (!good)
      return FALSE;
  }
  policy->n_forwards++;
  policy->can_go_backward = TRUE;
  return TRUE;
}

void bert_cuda_estimate_memory(BertCuda *policy, const CwDecision *const *decisions, guint n_decisions,
                               CwMemoryEstimate *estimate)
{
  policy->can_go_backward = FALSE;
  estimate->fixed_bytes = policy->fixed.size;
  const BertBatch *batch = plan_training(policy, decisions, n_decisions);
  if (!batch)
    return;
  BertPass pass = training_pass(policy);
  gsize size = 0;
  (void)measure_pass(&pass, policy->train_plan, &size, NULL); /* takes nothing, so it does not fail */
  bert_pass_clear(&pass);
  estimate->n_tokens = batch->n_rows;
  estimate->batch_bytes = size;
}

gboolean bert_cuda_backward(BertCuda *policy, const float *d_logits, const float *d_values, GError **error)
{
  if (!policy->can_go_backward) {
    g_set_error_literal(error, CW_POLICY_ERROR, CW_ERROR_FAILED,
                        "backward without a forward before it: each forward serves one backward");
    return FALSE;
  }
  policy->can_go_backward = FALSE;
  if (bert_batch_builder_n_rows(policy->train_builder) == 0)
    return TRUE;
  BertContext *context = &policy->context;
  BertPass *pass = &policy->pass;
  gsize n_logits = pass->placed.head.n_pairs, n_values = pass->placed.head.n_decisions;
  bert_context_enter(context);
  /* The second half: the first is where results come back. The copies are done before the next forward's
   * results. */
  float *staged = policy->results + n_logits + n_values;
  memcpy(staged, d_logits, n_logits * sizeof(float));
  if (d_values)
    memcpy(staged + n_logits, d_values, n_values * sizeof(float));
  if (!bert_cuda_check(cudaMemcpyAsync(policy->d_logits, staged, n_logits * sizeof(float),
                                       cudaMemcpyHostToDevice, context->stream),
                       "sending gradients of logits", error) ||
      (d_values &&
       !bert_cuda_check(cudaMemcpyAsync(policy->d_values, staged + n_logits, n_values * sizeof(float),
                                        cudaMemcpyHostToDevice, context->stream),
                        "sending gradients of values", error)))
    return FALSE;
  policy->optimizer.is_clear = FALSE;
  const BertBatch *batch = bert_batch_builder_finish(policy->train_builder);
  bert_cuda_mark_rows(policy, batch->ids, batch->n_rows);
  bert_pass_backward(pass, &policy->training, policy->d_logits, d_values ? policy->d_values : NULL,
                     policy->optimizer.gradient);
  return bert_context_check(context, "a backward pass", error);
}

guint bert_cuda_count_tokens(BertCuda *policy, const CwDecision *decision)
{
  bert_token_cache_trim(policy->cache);
  guint n_tokens = bert_token_cache_state(policy->cache, decision->observation)->n_ids;
  for (guint i = 0; i < decision->n_candidates; i++)
    n_tokens += bert_token_cache_action(policy->cache, decision->candidates[i])->n_ids;
  return n_tokens;
}

void bert_cuda_visit_tensors(BertCuda *policy, CwTensorVisitor visitor, gpointer user_data)
{
  const BertLayout *layout = policy->shared->layout;
  GError *error = NULL;
  BertParameters *gradient = policy->trains ? bert_parameters_new(layout) : NULL;
  bert_context_enter(&policy->context);
  gboolean fetched =
      bert_cuda_fetch(policy, policy->weights.block, policy->host->block, &error) &&
      (!gradient || bert_cuda_fetch(policy, policy->optimizer.gradient, gradient->block, &error));
  for (guint i = 0; fetched && i < layout->n_tensors; i++) {
    const BertTensorInfo *tensor = &layout->tensors[i];
    gboolean trained = gradient && tensor->layer >= policy->optimizer.first_trained;
    visitor(tensor->name, tensor->shape, tensor->n_dimensions, policy->host->block + tensor->offset,
            trained ? gradient->block + tensor->offset : NULL, user_data);
  }
  if (fetched && send_weights(policy, &error) && gradient &&
      bert_cuda_send(policy, gradient->block, policy->optimizer.gradient, &error)) {
    policy->optimizer.is_clear = FALSE;
    bert_cuda_find_rows(policy, gradient);
  }
  if (error)
    g_warning("bert_cuda: tensors could not be visited: %s", error->message);
  g_clear_error(&error);
  bert_parameters_free(gradient);
}

/* The average, with the frozen tensors of the host's block. */
static gboolean fetch_average(BertCuda *policy, BertParameters *averaged, GError **error)
{
  const BertLayout *layout = policy->shared->layout;
  if (!bert_cuda_fetch(policy, policy->optimizer.average, averaged->block, error))
    return FALSE;
  for (guint i = 0; i < layout->n_tensors; i++) {
    const BertTensorInfo *tensor = &layout->tensors[i];
    if (tensor->layer < policy->optimizer.first_trained)
      memcpy(averaged->block + tensor->offset, policy->host->block + tensor->offset,
             tensor->n_elements * sizeof(float));
  }
  return TRUE;
}

static void free_state(BertTrainingState *state)
{
  bert_parameters_free(state->moment1);
  bert_parameters_free(state->moment2);
  bert_parameters_free(state->gradient);
  bert_parameters_free(state->averaged);
}

gboolean bert_cuda_save(BertCuda *policy, const char *directory, GError **error)
{
  const BertLayout *layout = policy->shared->layout;
  const BertCudaOptimizer *optimizer = &policy->optimizer;
  bert_context_enter(&policy->context);
  if (!bert_cuda_fetch(policy, policy->weights.block, policy->host->block, error))
    return FALSE;
  if (!policy->trains)
    return bert_state_save(policy->shared, policy->host, NULL, directory, error);
  BertTrainingState state = {.first_trained = optimizer->first_trained,
                             .moment1 = bert_parameters_new(layout),
                             .moment2 = bert_parameters_new(layout),
                             .gradient = bert_parameters_new(layout),
                             .has_gradient = !optimizer->is_clear,
                             .averaged = optimizer->average ? bert_parameters_new(layout) : NULL,
                             .seed = policy->seed,
                             .n_forwards = policy->n_forwards,
                             .n_steps = optimizer->n_steps};
  gboolean saved = bert_cuda_fetch(policy, optimizer->moment1, state.moment1->block, error) &&
                   bert_cuda_fetch(policy, optimizer->moment2, state.moment2->block, error) &&
                   bert_cuda_fetch(policy, optimizer->gradient, state.gradient->block, error) &&
                   (!state.averaged || fetch_average(policy, state.averaged, error)) &&
                   bert_state_save(policy->shared, policy->host, &state, directory, error);
  free_state(&state);
  return saved;
}

gboolean bert_cuda_load(BertCuda *policy, const char *directory, GError **error)
{
  const BertLayout *layout = policy->shared->layout;
  BertCudaOptimizer *optimizer = &policy->optimizer;
  BertParameters *weights = bert_parameters_new(layout);
  BertTrainingState state = {.first_trained = optimizer->first_trained};
  if (policy->trains) {
    state.moment1 = bert_parameters_new(layout);
    state.moment2 = bert_parameters_new(layout);
    state.gradient = bert_parameters_new(layout);
    state.averaged = optimizer->average ? bert_parameters_new(layout) : NULL;
  }
  bert_context_enter(&policy->context);
  gboolean loaded = bert_state_load(policy->shared, weights, policy->trains ? &state : NULL, policy->seed,
                                    directory, error);
  if (loaded) {
    memcpy(policy->host->block, weights->block, layout->n_floats * sizeof(float));
    loaded = send_weights(policy, error);
  }
  if (loaded && policy->trains) {
    loaded = bert_cuda_send(policy, state.moment1->block, optimizer->moment1, error) &&
             bert_cuda_send(policy, state.moment2->block, optimizer->moment2, error) &&
             bert_cuda_send(policy, state.gradient->block, optimizer->gradient, error) &&
             bert_cuda_begin_average(policy, state.has_averaged ? state.averaged : weights, error);
    bert_cuda_find_rows(policy, state.gradient);
    policy->seed = policy->hidden_dropout.seed = policy->attention_dropout.seed = state.seed;
    policy->n_forwards = state.n_forwards;
    optimizer->n_steps = state.n_steps;
    optimizer->is_clear = !state.has_gradient;
    policy->can_go_backward = FALSE;
  }
  bert_parameters_free(weights);
  free_state(&state);
  return loaded;
}
