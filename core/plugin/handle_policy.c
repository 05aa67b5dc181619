/* The host's handle around a policy backend. It owns the backend's object, refuses what the feature does not
 * claim to do, and lets no number that is not finite pass in either direction: the message names the logit
 * and, where the backend shows its tensors, the first bad tensor. */
#include "core/plugin/errors.h"
#include "core/plugin/handles.h"

#include <math.h>
#include <string.h>

struct CwPolicy {
  const CwRegisteredFeature *feature;
  const CwPolicyVtable *vtable;
  gpointer object;
  gboolean frozen;
  gboolean awaits_backward;  /* a forward is waiting for its backward */
  gboolean announces_memory; /* the next forward does */
  GArray *counts;            /* guint: candidates of each decision of the last forward */
};

static CwPolicy *handle_new(const CwRegisteredFeature *feature, gpointer object, gboolean frozen)
{
  CwPolicy *policy = g_new0(CwPolicy, 1);
  policy->feature = feature;
  policy->vtable = feature->vtable.policy;
  policy->object = object;
  policy->frozen = frozen;
  policy->counts = g_array_new(FALSE, FALSE, sizeof(guint));
  return policy;
}

CwPolicy *cw_policy_open(const CwRegisteredFeature *feature, gconstpointer options, guint32 seed,
                         GError **error)
{
  GError *failure = NULL;
  gpointer object = feature->vtable.policy->open(options, seed, &failure);
  if (!cw_slot_result(feature, "open", object != NULL, failure, error)) {
    feature->vtable.policy->close(object);
    return NULL;
  }
  return handle_new(feature, object, FALSE);
}

void cw_policy_close(CwPolicy *policy)
{
  if (!policy)
    return;
  policy->vtable->close(policy->object);
  g_array_free(policy->counts, TRUE);
  g_free(policy);
}

const CwRegisteredFeature *cw_policy_feature(CwPolicy *policy)
{
  return policy->feature;
}

const char *const *cw_policy_describe(CwPolicy *policy)
{
  static const char *const nothing[] = {NULL};
  const char *const *pairs = policy->vtable->describe(policy->object);

  return pairs ? pairs : nothing;
}

CwPolicy *cw_policy_clone_frozen(CwPolicy *policy, GError **error)
{
  GError *failure = NULL;
  gpointer object;
  if ((policy->feature->capabilities & CW_POLICY_CLONES) == 0) {
    cw_feature_error(policy->feature, error, CW_ERROR_UNSUPPORTED,
                     "cannot clone itself, so it cannot be a reference");
    return NULL;
  }
  object = policy->vtable->clone_frozen(policy->object, &failure);
  if (!cw_slot_result(policy->feature, "clone_frozen", object != NULL, failure, error)) {
    policy->vtable->close(object);
    return NULL;
  }
  return handle_new(policy->feature, object, TRUE);
}

gboolean cw_policy_save(CwPolicy *policy, const char *directory, GError **error)
{
  GError *failure = NULL;
  gboolean saved = policy->vtable->save(policy->object, directory, &failure);
  return cw_slot_result(policy->feature, "save", saved, failure, error);
}

gboolean cw_policy_load(CwPolicy *policy, const char *directory, GError **error)
{
  GError *failure = NULL;
  gboolean loaded = policy->vtable->load(policy->object, directory, &failure);
  policy->awaits_backward = FALSE;
  return cw_slot_result(policy->feature, "load", loaded, failure, error);
}

void cw_policy_visit_tensors(CwPolicy *policy, CwTensorVisitor visitor, gpointer user_data)
{
  if (policy->vtable->visit_tensors)
    policy->vtable->visit_tensors(policy->object, visitor, user_data);
}

static void add_to_checksum(const char *name, const gint64 *shape, guint n_dimensions, float *weights,
                            float *gradient, gpointer user_data)
{
  gsize size = sizeof *weights;
  (void)gradient;
  g_checksum_update(user_data, (const guchar *)name, (gssize)strlen(name) + 1);
  for (guint i = 0; i < n_dimensions; i++)
    size *= (gsize)shape[i];
  g_checksum_update(user_data, (const guchar *)weights, (gssize)size);
}

char *cw_policy_fingerprint(CwPolicy *policy)
{
  g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);

  if (!policy->vtable->visit_tensors)
    return NULL;
  cw_policy_visit_tensors(policy, add_to_checksum, checksum);
  return g_strdup(g_checksum_get_string(checksum));
}

const CwNamedValue *cw_policy_counters(CwPolicy *policy, guint *n)
{
  *n = 0;
  return policy->vtable->counters ? policy->vtable->counters(policy->object, n) : NULL;
}

void cw_policy_announce_memory(CwPolicy *policy)
{
  policy->announces_memory = TRUE;
}

static void announce_memory(CwPolicy *policy, const CwDecision *const *decisions, guint n_decisions)
{
  const double mebibyte = 1 << 20;
  CwMemoryEstimate estimate = {.struct_size = sizeof estimate};
  g_autofree char *alternative = NULL;
  policy->announces_memory = FALSE;
  if (!policy->vtable->estimate_memory)
    return;
  policy->vtable->estimate_memory(policy->object, decisions, n_decisions, &estimate);
  if (estimate.alternative)
    alternative = g_strdup_printf(" ('%s' would make that %.0f MiB)", estimate.alternative,
                                  (double)estimate.alternative_bytes / mebibyte);
  g_message(
      "policy %s: training takes about %.0f MiB: %.0f MiB for weights, gradients and optimiser, %.0f MiB for "
      "passes like the first, of %u decisions and %u tokens%s",
      policy->feature->name, (double)(estimate.fixed_bytes + estimate.batch_bytes) / mebibyte,
      (double)estimate.fixed_bytes / mebibyte, (double)estimate.batch_bytes / mebibyte, n_decisions,
      estimate.n_tokens, alternative ? alternative : "");
}

static void note_bad_tensor(const char *name, const gint64 *shape, guint n_dimensions, float *weights,
                            float *gradient, gpointer user_data)
{
  char **first = user_data;
  gint64 size = 1, i;
  (void)gradient;
  if (*first)
    return;
  for (guint d = 0; d < n_dimensions; d++)
    size *= shape[d];
  for (i = 0; i < size; i++) {
    if (!isfinite(weights[i])) {
      *first = g_strdup(name);
      return;
    }
  }
}

/* Ends a message about a number that is not finite with where it may come from. */
static void set_numeric_error(CwPolicy *policy, const char *what, double value, GError **error)
{
  char *tensor = NULL;
  cw_policy_visit_tensors(policy, note_bad_tensor, &tensor);
  if (tensor)
    cw_feature_error(policy->feature, error, CW_ERROR_NUMERIC, "%s is %g; first bad tensor: %s", what, value,
                     tensor);
  else if (policy->vtable->visit_tensors)
    cw_feature_error(policy->feature, error, CW_ERROR_NUMERIC, "%s is %g; all weights are finite", what,
                     value);
  else
    cw_feature_error(policy->feature, error, CW_ERROR_NUMERIC,
                     "%s is %g; the backend does not show its tensors", what, value);
  g_free(tensor);
}

static gboolean check_outputs(CwPolicy *policy, const CwDecision *const *decisions, guint n_decisions,
                              const float *logits, const float *values, GError **error)
{
  for (guint i = 0; i < n_decisions; i++) {
    for (guint j = 0; j < decisions[i]->n_candidates; j++, logits++) {
      if (!isfinite(*logits)) {
        char *what = g_strdup_printf("logit %u of decision %u", j, i);
        set_numeric_error(policy, what, *logits, error);
        g_free(what);
        return FALSE;
      }
    }
  }
  for (guint i = 0; values && i < n_decisions; i++) {
    if (!isfinite(values[i])) {
      char *what = g_strdup_printf("value of decision %u", i);
      set_numeric_error(policy, what, values[i], error);
      g_free(what);
      return FALSE;
    }
  }
  return TRUE;
}

gboolean cw_policy_score(CwPolicy *policy, const CwDecision *const *decisions, guint n_decisions,
                         float *logits, float *values, GError **error)
{
  GError *failure = NULL;
  gboolean scored;
  if (n_decisions == 0)
    return TRUE;
  scored = policy->vtable->score(policy->object, decisions, n_decisions, logits, values, &failure);
  return cw_slot_result(policy->feature, "score", scored, failure, error) &&
         check_outputs(policy, decisions, n_decisions, logits, values, error);
}

static gboolean check_trains(CwPolicy *policy, const char *slot, GError **error)
{
  if (policy->frozen) {
    cw_feature_error(policy->feature, error, CW_ERROR_UNSUPPORTED,
                     "%s: this is a frozen copy, which only scores", slot);
    return FALSE;
  }
  if ((policy->feature->capabilities & CW_POLICY_TRAINS) == 0) {
    cw_feature_error(policy->feature, error, CW_ERROR_UNSUPPORTED,
                     "%s: this policy does not train, it only scores", slot);
    return FALSE;
  }
  return TRUE;
}

gboolean cw_policy_forward(CwPolicy *policy, const CwDecision *const *decisions, guint n_decisions,
                           float *logits, float *values, GError **error)
{
  GError *failure = NULL;
  gboolean done;
  if (!check_trains(policy, "forward", error))
    return FALSE;
  policy->awaits_backward = FALSE;
  g_array_set_size(policy->counts, 0);
  for (guint i = 0; i < n_decisions; i++)
    g_array_append_val(policy->counts, decisions[i]->n_candidates);
  if (n_decisions > 0) {
    if (policy->announces_memory)
      announce_memory(policy, decisions, n_decisions);
    done = policy->vtable->forward(policy->object, decisions, n_decisions, logits, values, &failure);
    if (!cw_slot_result(policy->feature, "forward", done, failure, error) ||
        !check_outputs(policy, decisions, n_decisions, logits, values, error))
      return FALSE;
  }
  policy->awaits_backward = TRUE;
  return TRUE;
}

static gboolean check_gradients(CwPolicy *policy, const float *dlogits, const float *dvalues, GError **error)
{
  for (guint i = 0; i < policy->counts->len; i++) {
    for (guint j = 0; j < g_array_index(policy->counts, guint, i); j++, dlogits++) {
      if (!isfinite(*dlogits)) {
        cw_feature_error(policy->feature, error, CW_ERROR_NUMERIC,
                         "the algorithm's gradient of logit %u of decision %u is %g; nothing was accumulated",
                         j, i, *dlogits);
        return FALSE;
      }
    }
    if (dvalues && !isfinite(dvalues[i])) {
      cw_feature_error(policy->feature, error, CW_ERROR_NUMERIC,
                       "the algorithm's gradient of the value of decision %u is %g; nothing was accumulated",
                       i, dvalues[i]);
      return FALSE;
    }
  }
  return TRUE;
}

gboolean cw_policy_backward(CwPolicy *policy, const float *dlogits, const float *dvalues, GError **error)
{
  GError *failure = NULL;
  gboolean done;
  if (!check_trains(policy, "backward", error))
    return FALSE;
  if (!policy->awaits_backward) {
    cw_feature_error(policy->feature, error, CW_ERROR_FAILED,
                     "backward without a forward before it; call forward once for every backward");
    return FALSE;
  }
  if (!check_gradients(policy, dlogits, dvalues, error))
    return FALSE;
  policy->awaits_backward = FALSE;
  if (policy->counts->len == 0)
    return TRUE;
  done = policy->vtable->backward(policy->object, dlogits, dvalues, &failure);
  return cw_slot_result(policy->feature, "backward", done, failure, error);
}

gboolean cw_policy_step(CwPolicy *policy, double learning_rate, double max_norm, double *gradient_norm,
                        GError **error)
{
  GError *failure = NULL;
  gboolean done;
  if (!check_trains(policy, "step", error))
    return FALSE;
  if (!isfinite(learning_rate) || !isfinite(max_norm) || max_norm < 0) {
    cw_feature_error(policy->feature, error, CW_ERROR_NUMERIC,
                     "step: expected a finite learning rate and a norm of at least 0, found %g and %g",
                     learning_rate, max_norm);
    return FALSE;
  }
  done = policy->vtable->step(policy->object, learning_rate, max_norm, gradient_norm, &failure);
  return cw_slot_result(policy->feature, "step", done, failure, error);
}

guint cw_policy_count_tokens(CwPolicy *policy, const CwDecision *decision)
{
  gsize bytes;
  if (policy->vtable->count_tokens)
    return policy->vtable->count_tokens(policy->object, decision);
  bytes = strlen(decision->observation);
  for (guint i = 0; i < decision->n_candidates; i++)
    bytes += strlen(decision->candidates[i]);
  return (guint)(bytes / 4);
}
