/* The policy plugin "linear": a tiny reference backend. It scores candidates by hashed words and pairs of
 * words, trains with exact gradients and AdamW, and runs thousands of decisions a second on one core, so that
 * algorithms and the runtime can be tried without a big model. */
#include "models/linear/model.h"

#include <stddef.h>
#include <string.h>

typedef struct {
  char *model;
  gint64 buckets;
  double initial_scale;
  double weight_decay, beta1, beta2, epsilon;
} LinearOptions;

static const CwOption rows[] = {
    {"model", CW_OPTION_PATH, offsetof(LinearOptions, model),
     .help = "folder of a saved model to start from; its number of buckets counts"},
    {"buckets", CW_OPTION_INTEGER, offsetof(LinearOptions, buckets), .default_value = "32768", .minimum = 2,
     .maximum = 1 << 26, .unit = "weights", .help = "size of each hashed table, a power of two"},
    {"initial_scale", CW_OPTION_NUMBER, offsetof(LinearOptions, initial_scale), .default_value = "0",
     .minimum = 0, .maximum = 100,
     .help = "standard deviation of the initial weights; 0 starts from zero whatever the seed"},
    {"weight_decay", CW_OPTION_NUMBER, offsetof(LinearOptions, weight_decay), .default_value = "0",
     .minimum = 0, .maximum = 1, .help = "decoupled weight decay of AdamW"},
    {"beta1", CW_OPTION_NUMBER, offsetof(LinearOptions, beta1), .default_value = "0.9", .minimum = 0,
     .maximum = 0.999999, .help = "decay of the first moment"},
    {"beta2", CW_OPTION_NUMBER, offsetof(LinearOptions, beta2), .default_value = "0.999", .minimum = 0,
     .maximum = 0.999999, .help = "decay of the second moment"},
    {"epsilon", CW_OPTION_NUMBER, offsetof(LinearOptions, epsilon), .default_value = "1e-8", .minimum = 1e-12,
     .maximum = 1, .help = "added to the root of the second moment"},
};

typedef struct {
  LinearModel *model;
  LinearAdam adam;
  LinearInput *inputs; /* of the last forward, for backward */
  guint n_inputs;
  char *facts[3];
  const char *description[9];
} LinearPolicy;

static void forget_inputs(LinearPolicy *policy)
{
  for (guint i = 0; i < policy->n_inputs; i++)
    linear_input_clear(&policy->inputs[i]);
  g_clear_pointer(&policy->inputs, g_free);
  policy->n_inputs = 0;
}

static void linear_close(gpointer object)
{
  LinearPolicy *policy = object;
  if (!policy)
    return;
  forget_inputs(policy);
  linear_model_free(policy->model);
  for (guint i = 0; i < G_N_ELEMENTS(policy->facts); i++)
    g_free(policy->facts[i]);
  g_free(policy);
}

static LinearPolicy *policy_new(LinearModel *model, const LinearAdam *adam, const char *source)
{
  LinearPolicy *policy = g_new0(LinearPolicy, 1);
  guint n = 0;
  policy->model = model;
  policy->adam = *adam;
  policy->facts[0] = g_strdup(source);
  policy->facts[1] = g_strdup_printf("%u", model->buckets);
  policy->facts[2] = g_strdup_printf("%" G_GSIZE_FORMAT, model->n_parameters);
  policy->description[n++] = "model";
  policy->description[n++] = policy->facts[0];
  policy->description[n++] = "buckets";
  policy->description[n++] = policy->facts[1];
  policy->description[n++] = "parameters";
  policy->description[n++] = policy->facts[2];
  policy->description[n++] = "precision";
  policy->description[n++] = "float32";
  policy->description[n] = NULL;
  return policy;
}

static gpointer linear_open(gconstpointer data, guint32 seed, GError **error)
{
  const LinearOptions *options = data;
  LinearAdam adam = {options->beta1, options->beta2, options->epsilon, options->weight_decay};
  LinearModel *model;
  if ((options->buckets & (options->buckets - 1)) != 0) {
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_CONFIGURATION,
                "buckets: expected a power of two, found %" G_GINT64_FORMAT "; 32768 is one",
                options->buckets);
    return NULL;
  }
  if (options->model) {
    model = linear_model_read(options->model, error);
    return model ? policy_new(model, &adam, options->model) : NULL;
  }
  model = linear_model_new((guint32)options->buckets, FALSE, error);
  if (!model)
    return NULL;
  if (options->initial_scale > 0)
    linear_model_randomize(model, seed, options->initial_scale);
  return policy_new(model, &adam, "hashed words");
}

static const char *const *linear_describe(gpointer object)
{
  LinearPolicy *policy = object;
  return policy->description;
}

static gboolean linear_score(gpointer object, const CwDecision *const *decisions, guint n_decisions,
                             float *logits, float *values, GError **error G_GNUC_UNUSED)
{
  LinearPolicy *policy = object;
  for (guint i = 0; i < n_decisions; i++) {
    LinearInput input;
    linear_input_init(&input, decisions[i]);
    linear_model_forward(policy->model, &input, logits, values ? values + i : NULL);
    linear_input_clear(&input);
    logits += decisions[i]->n_candidates;
  }
  return TRUE;
}

static gboolean linear_forward(gpointer object, const CwDecision *const *decisions, guint n_decisions,
                               const CwForward *how G_GNUC_UNUSED, float *logits, float *values,
                               GError **error G_GNUC_UNUSED)
{
  LinearPolicy *policy = object;
  forget_inputs(policy);
  policy->inputs = g_new(LinearInput, n_decisions);
  policy->n_inputs = n_decisions;
  for (guint i = 0; i < n_decisions; i++) {
    linear_input_init(&policy->inputs[i], decisions[i]);
    linear_model_forward(policy->model, &policy->inputs[i], logits, values ? values + i : NULL);
    logits += decisions[i]->n_candidates;
  }
  return TRUE;
}

static gboolean linear_backward(gpointer object, const float *dlogits, const float *dvalues,
                                GError **error G_GNUC_UNUSED)
{
  LinearPolicy *policy = object;
  for (guint i = 0; i < policy->n_inputs; i++) {
    linear_model_backward(policy->model, &policy->inputs[i], dlogits, dvalues ? dvalues[i] : 0);
    dlogits += policy->inputs[i].n_candidates;
  }
  forget_inputs(policy);
  return TRUE;
}

static gboolean linear_step(gpointer object, double learning_rate, double max_norm, double *gradient_norm,
                            GError **error)
{
  LinearPolicy *policy = object;
  return linear_model_step(policy->model, &policy->adam, learning_rate, max_norm, gradient_norm, error);
}

static gpointer linear_clone_frozen(gpointer object, GError **error)
{
  LinearPolicy *policy = object;
  LinearModel *model = linear_model_new(policy->model->buckets, TRUE, error);
  if (!model)
    return NULL;
  memcpy(model->weights, policy->model->weights, model->n_parameters * sizeof(float));
  model->steps = policy->model->steps;
  return policy_new(model, &policy->adam, policy->facts[0]);
}

static gboolean linear_save(gpointer object, const char *directory, GError **error)
{
  LinearPolicy *policy = object;
  return linear_model_save(policy->model, directory, error);
}

static gboolean linear_load(gpointer object, const char *directory, GError **error)
{
  LinearPolicy *policy = object;
  if (!linear_model_load(policy->model, directory, error))
    return FALSE;
  forget_inputs(policy);
  return TRUE;
}

static gboolean linear_edit_tensors(gpointer object, CwEdit edit G_GNUC_UNUSED, CwTensorEditor editor,
                                    gpointer user_data, GError **error G_GNUC_UNUSED)
{
  LinearPolicy *policy = object;
  for (guint tensor = 0; tensor < LINEAR_N_TENSORS; tensor++) {
    gsize start = linear_tensor_start(policy->model, tensor);
    gint64 shape = (gint64)linear_tensor_size(policy->model, tensor);
    float *gradient = policy->model->gradient;
    editor(linear_tensor_name(tensor), &shape, 1, policy->model->weights + start,
           gradient ? gradient + start : NULL, user_data);
  }
  return TRUE;
}

static gboolean linear_visit_tensors(gpointer object, CwTensorVisitor visitor, gpointer user_data,
                                     GError **error G_GNUC_UNUSED)
{
  LinearPolicy *policy = object;
  for (guint tensor = 0; tensor < LINEAR_N_TENSORS; tensor++) {
    gsize start = linear_tensor_start(policy->model, tensor);
    gint64 shape = (gint64)linear_tensor_size(policy->model, tensor);
    const float *gradient = policy->model->gradient;
    visitor(linear_tensor_name(tensor), &shape, 1, policy->model->weights + start,
            gradient ? gradient + start : NULL, user_data);
  }
  return TRUE;
}

static const CwPolicyVtable vtable = {
    .open = linear_open,
    .close = linear_close,
    .describe = linear_describe,
    .score = linear_score,
    .forward = linear_forward,
    .backward = linear_backward,
    .step = linear_step,
    .clone_frozen = linear_clone_frozen,
    .save = linear_save,
    .load = linear_load,
    .visit_tensors = linear_visit_tensors,
    .edit_tensors = linear_edit_tensors,
};

static const CwFeature features[] = {
    {
        .kind = CW_FEATURE_POLICY,
        .name = "linear",
        .summary = "Hashed words and pairs of words: a tiny reference backend",
        .vtable = &vtable,
        .vtable_size = sizeof vtable,
        .capabilities = CW_POLICY_TRAINS | CW_POLICY_VALUES | CW_POLICY_CLONES,
        CW_FEATURE_OPTIONS(rows, LinearOptions),
    },
};

CW_PLUGIN("linear", "1.0", "MIT", "A tiny linear policy", features);
