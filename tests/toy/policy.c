/* logit = weight[hint of the observation][first letter after "take "], value = one weight; the forward pass
 * adds noise from a stream of its own, which a checkpoint must keep. */
#include "tests/toy/toy.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define N_LETTERS 4 /* a, b, c, and anything else */
#define N_WEIGHTS (3 * N_LETTERS)

typedef struct {
  const ToyPolicyOptions *options;
  float weights[N_WEIGHTS], gradient[N_WEIGHTS];
  float value[1], value_gradient[1];
  CwRandom *random;
  GArray *used; /* guint: the weight behind each logit of the last forward */
  guint n_decisions;
} Policy;

static void close_policy(gpointer data)
{
  Policy *policy = data;
  if (!policy)
    return;
  cw_random_free(policy->random);
  g_array_unref(policy->used);
  g_free(policy);
}

static gboolean load(gpointer data, const char *directory, GError **error)
{
  Policy *policy = data;
  g_autofree char *path = g_build_filename(directory, "toy.txt", NULL);
  g_autofree char *text = NULL;
  if (!g_file_get_contents(path, &text, NULL, error))
    return FALSE;
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  if (g_strv_length(lines) < N_WEIGHTS + 2 || !cw_random_load(policy->random, lines[N_WEIGHTS + 1])) {
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_FORMAT, "%s: not the weights of a toy policy", path);
    return FALSE;
  }
  for (guint i = 0; i < N_WEIGHTS; i++)
    policy->weights[i] = (float)g_ascii_strtod(lines[i], NULL);
  policy->value[0] = (float)g_ascii_strtod(lines[N_WEIGHTS], NULL);
  return TRUE;
}

static gboolean save(gpointer data, const char *directory, GError **error)
{
  Policy *policy = data;
  g_autofree char *path = g_build_filename(directory, "toy.txt", NULL);
  g_autofree char *random = cw_random_save(policy->random);
  g_autoptr(GString) text = g_string_new(NULL);
  for (guint i = 0; i < N_WEIGHTS; i++)
    g_string_append_printf(text, "%.9g\n", policy->weights[i]);
  g_string_append_printf(text, "%.9g\n%s\n", policy->value[0], random);
  return g_file_set_contents(path, text->str, -1, error);
}

static gpointer open_policy(gconstpointer options, guint32 seed, GError **error)
{
  Policy *policy = g_new0(Policy, 1);
  policy->options = options;
  policy->random = cw_random_new(seed, "toy noise", 0, 0);
  policy->used = g_array_new(FALSE, FALSE, sizeof(guint));
  if (!policy->options->model || load(policy, policy->options->model, error))
    return policy;
  close_policy(policy);
  return NULL;
}

static const char *const *describe(gpointer policy)
{
  static const char *const facts[] = {"weights", "12", NULL};
  (void)policy;
  return facts;
}

static guint weight_of(const char *observation, const char *candidate)
{
  const char *hint = strstr(observation, "hint ");
  guint row = hint ? (guint)(hint[5] - 'a') % 3 : 0;
  guint column = g_str_has_prefix(candidate, "take ") ? (guint)(candidate[5] - 'a') % 3 : 3;
  return row * N_LETTERS + column;
}

static gboolean score(gpointer data, const CwDecision *const *decisions, guint n, float *logits,
                      float *values, GError **error)
{
  (void)error;
  Policy *policy = data;
  for (guint i = 0; i < n; i++) {
    for (guint c = 0; c < decisions[i]->n_candidates; c++)
      *logits++ = policy->weights[weight_of(decisions[i]->observation, decisions[i]->candidates[c])];
    if (values)
      values[i] = policy->value[0];
  }
  return TRUE;
}

static gboolean forward(gpointer data, const CwDecision *const *decisions, guint n,
                        const CwForward *how G_GNUC_UNUSED, float *logits, float *values, GError **error)
{
  Policy *policy = data;
  g_array_set_size(policy->used, 0);
  policy->n_decisions = n;
  for (guint i = 0; i < n; i++)
    for (guint c = 0; c < decisions[i]->n_candidates; c++) {
      guint weight = weight_of(decisions[i]->observation, decisions[i]->candidates[c]);
      g_array_append_val(policy->used, weight);
    }
  if (!score(policy, decisions, n, logits, values, error))
    return FALSE;
  for (guint i = 0; i < policy->used->len; i++)
    logits[i] += (float)(policy->options->noise * cw_random_normal(policy->random));
  return TRUE;
}

static gboolean backward(gpointer data, const float *dlogits, const float *dvalues, GError **error)
{
  (void)error;
  Policy *policy = data;
  for (guint i = 0; i < policy->used->len; i++)
    policy->gradient[g_array_index(policy->used, guint, i)] += dlogits[i];
  for (guint i = 0; dvalues && i < policy->n_decisions; i++)
    policy->value_gradient[0] += dvalues[i];
  return TRUE;
}

static gboolean step(gpointer data, double learning_rate, double max_norm, double *norm, GError **error)
{
  (void)max_norm, (void)error;
  Policy *policy = data;
  double sum = (double)policy->value_gradient[0] * policy->value_gradient[0];
  for (guint i = 0; i < N_WEIGHTS; i++) {
    sum += (double)policy->gradient[i] * policy->gradient[i];
    policy->weights[i] -= (float)learning_rate * policy->gradient[i];
    policy->gradient[i] = 0;
  }
  policy->value[0] -= (float)learning_rate * policy->value_gradient[0];
  policy->value_gradient[0] = 0;
  if (norm)
    *norm = sqrt(sum);
  return TRUE;
}

static gpointer clone_frozen(gpointer data, GError **error)
{
  const Policy *policy = data;
  ToyPolicyOptions unused = {0};
  Policy *clone = open_policy(&unused, 0, error);
  clone->options = policy->options;
  memcpy(clone->weights, policy->weights, sizeof clone->weights);
  clone->value[0] = policy->value[0];
  return clone;
}

static gboolean edit_tensors(gpointer data, CwEdit edit G_GNUC_UNUSED, CwTensorEditor editor,
                             gpointer user_data, GError **error G_GNUC_UNUSED)
{
  static const gint64 shape[] = {3, N_LETTERS}, one[] = {1};
  Policy *policy = data;
  editor("toy.weights", shape, 2, policy->weights, policy->gradient, user_data);
  editor("toy.value", one, 1, policy->value, policy->value_gradient, user_data);
  return TRUE;
}

static gboolean visit_tensors(gpointer data, CwTensorVisitor visitor, gpointer user_data,
                              GError **error G_GNUC_UNUSED)
{
  static const gint64 shape[] = {3, N_LETTERS}, one[] = {1};
  Policy *policy = data;
  visitor("toy.weights", shape, 2, policy->weights, policy->gradient, user_data);
  visitor("toy.value", one, 1, policy->value, policy->value_gradient, user_data);
  return TRUE;
}

const CwPolicyVtable toy_policy = {
    .open = open_policy,
    .close = close_policy,
    .describe = describe,
    .score = score,
    .forward = forward,
    .backward = backward,
    .step = step,
    .clone_frozen = clone_frozen,
    .save = save,
    .load = load,
    .visit_tensors = visit_tensors,
    .edit_tensors = edit_tensors,
    .importer = &toy_import,
};
