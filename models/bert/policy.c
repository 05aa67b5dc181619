/* The policy object: opens a model folder and a device, turns decisions into batches and has the device
 * compute them. It owns the device's object; tokenizer and layout are shared with its frozen copies. */
#include "models/bert/policy.h"
#include "models/bert/state.h"
#include <string.h>

void bert_add_fact(GPtrArray *facts, const char *key, char *value)
{
  g_ptr_array_add(facts, g_strdup(key));
  g_ptr_array_add(facts, value);
}

static gboolean is_trained(const BertPolicy *policy, const BertTensorInfo *tensor)
{
  return policy->trains && tensor->layer >= policy->first_trained;
}

static void describe(BertPolicy *policy)
{
  const BertLayout *layout = policy->shared->layout;
  GPtrArray *facts = g_ptr_array_new();
  gsize n_trained = 0;
  for (guint i = 0; i < layout->n_tensors; i++)
    if (is_trained(policy, &layout->tensors[i]))
      n_trained += layout->tensors[i].n_elements;
  bert_add_fact(facts, "model", g_strdup(policy->shared->model));
  bert_add_fact(facts, "parameters", g_strdup_printf("%" G_GSIZE_FORMAT, layout->n_parameters));
  bert_add_fact(facts, "trained_parameters", g_strdup_printf("%" G_GSIZE_FORMAT, n_trained));
  policy->device->describe(policy->object, facts);
  g_ptr_array_add(facts, NULL);
  policy->description = (char **)g_ptr_array_free(facts, FALSE);
}

/* Takes over `object`, `shared` and `weights`, also when it fails. */
static BertPolicy *assemble(const BertDevice *device, gpointer object, const BertSetup *setup,
                            BertShared *shared, BertParameters *weights, const BertTextRules *rules,
                            guint32 seed, GError **error)
{
  BertPolicy *policy = g_new0(BertPolicy, 1);
  policy->device = device;
  policy->object = object;
  policy->shared = shared;
  policy->seed = seed;
  policy->trains = setup->rules != NULL;
  policy->keeps_average = setup->rules && setup->rules->ema_decay > 0;
  policy->first_trained = setup->first_trained;
  policy->rules = *rules;
  policy->cache = bert_token_cache_new(rules);
  policy->builder = bert_batch_builder_new(TRUE);
  policy->unwanted = g_array_new(FALSE, FALSE, sizeof(float));
  if (!device->begin(object, setup, weights, error)) {
    bert_policy_close(policy);
    return NULL;
  }
  describe(policy);
  return policy;
}

/* A block on the host: the device's own, or a copy, which *copy gets to be freed. NULL with error. */
static BertParameters *host_block(BertPolicy *policy, BertBlock block, BertParameters **copy, GError **error)
{
  if (policy->device->own_block)
    return policy->device->own_block(policy->object, block);
  *copy = bert_parameters_new(policy->shared->layout);
  return policy->device->fetch(policy->object, block, *copy, error) ? *copy : NULL;
}

static gboolean begin_average(BertPolicy *policy, GError **error)
{
  BertParameters *copy = NULL, *weights = host_block(policy, BERT_BLOCK_WEIGHTS, &copy, error);
  gboolean begun = weights && policy->device->send(policy->object, BERT_BLOCK_AVERAGE, weights, error);
  bert_parameters_free(copy);
  return begun;
}

static BertPolicy *open_on(const BertDevice *device, gpointer object, const BertOptions *options,
                           guint32 seed, GError **error)
{
  BertShared *shared = bert_shared_open(options, error);
  BertParameters *weights = shared ? bert_parameters_new(shared->layout) : NULL;
  if (!shared || !bert_shared_load_weights(shared, options, seed, weights, error)) {
    bert_parameters_free(weights);
    bert_shared_release(shared);
    device->close(object);
    return NULL;
  }
  BertOptimizerRules optimizer = {.beta1 = options->beta1,
                                  .beta2 = options->beta2,
                                  .epsilon = options->epsilon,
                                  .weight_decay = options->weight_decay,
                                  .head_learning_rate_scale = options->head_learning_rate_scale,
                                  .sparse_embeddings = options->sparse_embeddings,
                                  .ema_decay = options->ema_decay};
  BertSetup setup = {shared, (gint)options->freeze_layers, &optimizer};
  BertTextRules rules = bert_text_rules(shared, options);
  BertPolicy *policy = assemble(device, object, &setup, shared, weights, &rules, seed, error);
  if (policy && policy->keeps_average && !begin_average(policy, error))
    g_clear_pointer(&policy, bert_policy_close);
  return policy;
}

BertPolicy *bert_policy_open(const BertDevice *device, const BertOptions *options, guint32 seed,
                             GError **error)
{
  gpointer object = device->open(options, error);
  BertPolicy *policy = object ? open_on(device, object, options, seed, error) : NULL;
  if (!policy)
    return NULL;
  policy->dropouts.hidden = bert_dropout_new(seed, bert_hidden_dropout(policy->shared, options));
  policy->dropouts.attention = bert_dropout_new(seed, bert_attention_dropout(policy->shared, options));
  gsize memory = device->scores_repeat ? (gsize)options->score_cache << 20 : 0;
  policy->score =
      bert_score_new(device, object, (guint)options->score_batch_tokens, bert_score_decisions_share(memory));
  return policy;
}

gpointer bert_policy_clone_frozen(gpointer data, GError **error)
{
  BertPolicy *policy = data;
  BertParameters *copy = NULL, *weights = host_block(policy, BERT_BLOCK_WEIGHTS, &copy, error);
  gpointer object = weights ? policy->device->open_frozen(policy->object, error) : NULL;
  if (!object) {
    bert_parameters_free(copy);
    return NULL;
  }
  BertSetup setup = {policy->shared, (gint)policy->shared->layout->config.n_layers, NULL};
  BertPolicy *clone =
      assemble(policy->device, object, &setup, g_atomic_rc_box_acquire(policy->shared),
               copy ? copy : bert_parameters_copy(weights), &policy->rules, policy->seed, error);
  if (clone)
    clone->score = bert_score_copy(policy->score, object);
  return clone;
}

void bert_policy_close(gpointer data)
{
  BertPolicy *policy = data;
  if (!policy)
    return;
  bert_score_free(policy->score);
  policy->device->close(policy->object);
  bert_token_cache_free(policy->cache);
  bert_batch_builder_free(policy->builder);
  g_array_free(policy->unwanted, TRUE);
  g_strfreev(policy->description);
  bert_shared_release(policy->shared);
  g_free(policy);
}

const char *const *bert_policy_describe(gpointer policy)
{
  return (const char *const *)((BertPolicy *)policy)->description;
}

gboolean bert_policy_score(gpointer data, const CwDecision *const *decisions, guint n_decisions,
                           float *logits, float *values, GError **error)
{
  BertPolicy *policy = data;
  return bert_score_run(policy->score, policy->cache, policy->version, decisions, n_decisions, logits, values,
                        error);
}

static const BertBatch *fill_batch(BertPolicy *policy, const CwDecision *const *decisions, guint n_decisions)
{
  bert_token_cache_trim(policy->cache);
  bert_batch_builder_clear(policy->builder);
  for (guint i = 0; i < n_decisions; i++)
    bert_batch_builder_add(policy->builder, policy->cache, decisions[i]);
  return bert_batch_builder_finish(policy->builder);
}

/* The masks of an optimiser step: the same for a text in whatever pass of the step it comes. */
static BertDropouts dropouts_of(const BertPolicy *policy, const CwForward *how)
{
  BertDropouts dropouts = policy->dropouts;
  dropouts.hidden.forward = dropouts.attention.forward = (guint32)how->step;
  if (!how->dropout)
    dropouts.hidden = dropouts.attention = bert_dropout_new(policy->seed, 0);
  return dropouts;
}

gboolean bert_policy_forward(gpointer data, const CwDecision *const *decisions, guint n_decisions,
                             const CwForward *how, float *logits, float *values, GError **error)
{
  BertPolicy *policy = data;
  const BertBatch *batch = fill_batch(policy, decisions, n_decisions);
  if (!values)
    values = (float *)(gpointer)g_array_set_size(policy->unwanted, n_decisions)->data;
  BertDropouts dropouts = dropouts_of(policy, how);
  return policy->device->forward(policy->object, batch, &dropouts, logits, values, error);
}

gboolean bert_policy_backward(gpointer data, const float *d_logits, const float *d_values, GError **error)
{
  BertPolicy *policy = data;
  return policy->device->backward(policy->object, bert_batch_builder_finish(policy->builder), d_logits,
                                  d_values, error);
}

gboolean bert_policy_step(gpointer data, double learning_rate, double max_norm, double *gradient_norm,
                          GError **error)
{
  BertPolicy *policy = data;
  if (!policy->device->step(policy->object, policy->n_steps, learning_rate, max_norm, gradient_norm, error))
    return FALSE;
  policy->n_steps++;
  policy->version++;
  return TRUE;
}

guint bert_policy_count_tokens(gpointer data, const CwDecision *decision)
{
  BertPolicy *policy = data;
  bert_token_cache_trim(policy->cache);
  guint n_tokens = bert_token_cache_state(policy->cache, decision->observation)->n_ids;
  for (guint i = 0; i < decision->n_candidates; i++)
    n_tokens += bert_token_cache_action(policy->cache, decision->candidates[i])->n_ids;
  return n_tokens;
}

void bert_policy_estimate_memory(gpointer data, const CwDecision *const *decisions, guint n_decisions,
                                 CwMemoryEstimate *estimate)
{
  BertPolicy *policy = data;
  const BertBatch *batch = fill_batch(policy, decisions, n_decisions);
  estimate->n_tokens = batch->n_rows;
  policy->device->estimate_memory(policy->object, batch, &policy->dropouts, estimate);
}

const CwNamedValue *bert_policy_counters(gpointer data, guint *n)
{
  BertPolicy *policy = data;
  guint64 n_decisions, n_found;
  bert_score_counts(policy->score, &n_decisions, &n_found);
  policy->counters[0] = (CwNamedValue){"score/decisions", (double)n_decisions};
  policy->counters[1] = (CwNamedValue){"score/decisions_found", (double)n_found};
  *n = 2;
  if (policy->device->counters)
    *n += policy->device->counters(policy->object, policy->counters + 2);
  return policy->counters;
}

/* What a visit and an edit have in common: blocks on the host. The gradient is NULL where nothing trains. */
typedef struct {
  BertParameters *weights, *gradient;
  BertParameters *copies[2]; /* to be freed */
} HostTensors;

static gboolean host_tensors_get(BertPolicy *policy, HostTensors *tensors, GError **error)
{
  *tensors = (HostTensors){0};
  tensors->weights = host_block(policy, BERT_BLOCK_WEIGHTS, &tensors->copies[0], error);
  if (tensors->weights && policy->trains)
    tensors->gradient = host_block(policy, BERT_BLOCK_GRADIENT, &tensors->copies[1], error);
  return tensors->weights && (tensors->gradient || !policy->trains);
}

static void host_tensors_clear(HostTensors *tensors)
{
  bert_parameters_free(tensors->copies[0]);
  bert_parameters_free(tensors->copies[1]);
}

static float *gradient_of(const BertPolicy *policy, const HostTensors *tensors, const BertTensorInfo *tensor)
{
  return is_trained(policy, tensor) ? tensors->gradient->block + tensor->offset : NULL;
}

gboolean bert_policy_visit_tensors(gpointer data, CwTensorVisitor visitor, gpointer user_data, GError **error)
{
  BertPolicy *policy = data;
  const BertLayout *layout = policy->shared->layout;
  HostTensors tensors;
  gboolean good = host_tensors_get(policy, &tensors, error);
  for (guint i = 0; good && i < layout->n_tensors; i++) {
    const BertTensorInfo *tensor = &layout->tensors[i];
    visitor(tensor->name, tensor->shape, tensor->n_dimensions, tensors.weights->block + tensor->offset,
            gradient_of(policy, &tensors, tensor), user_data);
  }
  host_tensors_clear(&tensors);
  return good;
}

gboolean bert_policy_edit_tensors(gpointer data, CwEdit edit, CwTensorEditor editor, gpointer user_data,
                                  GError **error)
{
  BertPolicy *policy = data;
  const BertLayout *layout = policy->shared->layout;
  HostTensors tensors;
  gboolean good = host_tensors_get(policy, &tensors, error);
  for (guint i = 0; good && i < layout->n_tensors; i++) {
    const BertTensorInfo *tensor = &layout->tensors[i];
    editor(tensor->name, tensor->shape, tensor->n_dimensions, tensors.weights->block + tensor->offset,
           gradient_of(policy, &tensors, tensor), user_data);
  }
  policy->version += good && (edit & CW_EDIT_WEIGHTS) != 0;
  good = good &&
         (!(edit & CW_EDIT_WEIGHTS) ||
          policy->device->send(policy->object, BERT_BLOCK_WEIGHTS, tensors.weights, error)) &&
         (!(edit & CW_EDIT_GRADIENTS) || !tensors.gradient ||
          policy->device->send(policy->object, BERT_BLOCK_GRADIENT, tensors.gradient, error));
  host_tensors_clear(&tensors);
  return good;
}

static gboolean has_nonzero(const BertPolicy *policy, const BertParameters *gradient)
{
  const BertLayout *layout = policy->shared->layout;
  for (guint i = 0; i < layout->n_tensors; i++) {
    const float *x = gradient->block + layout->tensors[i].offset;
    for (gsize k = 0; is_trained(policy, &layout->tensors[i]) && k < layout->tensors[i].n_elements; k++)
      if (!(x[k] == 0))
        return TRUE;
  }
  return FALSE;
}

/* The average, with the frozen tensors of the weights. */
static BertParameters *averaged_model(const BertPolicy *policy, const BertParameters *weights,
                                      const BertParameters *average)
{
  const BertLayout *layout = policy->shared->layout;
  BertParameters *averaged = bert_parameters_copy(weights);
  for (guint i = 0; i < layout->n_tensors; i++) {
    const BertTensorInfo *tensor = &layout->tensors[i];
    if (is_trained(policy, tensor))
      memcpy(averaged->block + tensor->offset, average->block + tensor->offset,
             tensor->n_elements * sizeof(float));
  }
  return averaged;
}

gboolean bert_policy_save(gpointer data, const char *directory, GError **error)
{
  BertPolicy *policy = data;
  BertParameters *copies[BERT_BLOCK_AVERAGE + 1] = {NULL}, *blocks[BERT_BLOCK_AVERAGE + 1] = {NULL};
  guint n_blocks = !policy->trains ? 1 : policy->keeps_average ? BERT_BLOCK_AVERAGE + 1 : BERT_BLOCK_AVERAGE;
  gboolean saved = TRUE;
  for (guint i = 0; saved && i < n_blocks; i++)
    saved = (blocks[i] = host_block(policy, (BertBlock)i, &copies[i], error)) != NULL;
  if (saved) {
    const BertParameters *weights = blocks[BERT_BLOCK_WEIGHTS];
    BertTrainingState state = {.first_trained = policy->first_trained,
                               .moment1 = blocks[BERT_BLOCK_MOMENT1],
                               .moment2 = blocks[BERT_BLOCK_MOMENT2],
                               .gradient = blocks[BERT_BLOCK_GRADIENT],
                               .seed = policy->seed,
                               .n_steps = policy->n_steps};
    if (blocks[BERT_BLOCK_AVERAGE])
      state.averaged = averaged_model(policy, weights, blocks[BERT_BLOCK_AVERAGE]);
    state.has_gradient = policy->trains && has_nonzero(policy, state.gradient);
    saved = bert_state_save(policy->shared, weights, policy->trains ? &state : NULL, directory, error);
    bert_parameters_free(state.averaged);
  }
  for (guint i = 0; i < n_blocks; i++)
    bert_parameters_free(copies[i]);
  return saved;
}

/* Sends what was read from a folder. */
static gboolean take_state(BertPolicy *policy, const BertParameters *weights, const BertTrainingState *state,
                           GError **error)
{
  const BertDevice *device = policy->device;
  policy->version++;
  if (!device->send(policy->object, BERT_BLOCK_WEIGHTS, weights, error))
    return FALSE;
  if (!policy->trains)
    return TRUE;
  policy->seed = policy->dropouts.hidden.seed = policy->dropouts.attention.seed = state->seed;
  policy->n_steps = state->n_steps;
  return device->send(policy->object, BERT_BLOCK_GRADIENT, state->gradient, error) &&
         device->send(policy->object, BERT_BLOCK_MOMENT1, state->moment1, error) &&
         device->send(policy->object, BERT_BLOCK_MOMENT2, state->moment2, error) &&
         (!state->averaged || device->send(policy->object, BERT_BLOCK_AVERAGE,
                                           state->has_averaged ? state->averaged : weights, error));
}

gboolean bert_policy_load(gpointer data, const char *directory, GError **error)
{
  BertPolicy *policy = data;
  const BertLayout *layout = policy->shared->layout;
  BertParameters *weights = bert_parameters_new(layout);
  BertTrainingState state = {.first_trained = policy->first_trained};
  if (policy->trains) {
    state.moment1 = bert_parameters_new(layout);
    state.moment2 = bert_parameters_new(layout);
    state.gradient = bert_parameters_new(layout);
    state.averaged = policy->keeps_average ? bert_parameters_new(layout) : NULL;
  }
  gboolean loaded = bert_state_load(policy->shared, weights, policy->trains ? &state : NULL, policy->seed,
                                    directory, error) &&
                    take_state(policy, weights, &state, error);
  bert_parameters_free(weights);
  bert_parameters_free(state.moment1);
  bert_parameters_free(state.moment2);
  bert_parameters_free(state.gradient);
  bert_parameters_free(state.averaged);
  return loaded;
}
