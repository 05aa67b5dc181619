/* The host's handle around a policy backend; policy_tensors.c has what is done with its tensors. It owns the
 * backend's object, refuses what the feature does not claim to do, and lets no number that is not finite pass
 * in either direction: the message names the logit and, where the backend shows its tensors, the first bad
 * tensor. */
#include "core/plugin/errors.h"
#include "core/plugin/handles.h"

#include <math.h>
#include <string.h>

#define MOST_COUNTERS 10000 /* more than any backend has; such a number was never counted */

struct CwPolicy {
  const CwRegisteredFeature *feature;
  const CwPolicyVtable *vtable;
  gpointer object;
  gboolean frozen;
  guint64 steps;             /* of the optimiser */
  gboolean awaits_backward;  /* a forward is waiting for its backward */
  gboolean announces_memory; /* the next forward does */
  GArray *counts;            /* guint: candidates of each decision of the last forward */
};

/* What `open` or `clone_frozen` has made, or NULL with error. */
static CwPolicy *handle_new(CwSlotCall *call, gpointer object, gboolean frozen, GError **error)
{
  const CwPolicyVtable *vtable = call->feature->vtable.policy;
  if (!cw_slot_end(call, object != NULL, error)) {
    vtable->close(object);
    return NULL;
  }
  CwPolicy *policy = g_new0(CwPolicy, 1);
  *policy = (CwPolicy){.feature = call->feature, .vtable = vtable, .object = object, .frozen = frozen};
  policy->counts = g_array_new(FALSE, FALSE, sizeof(guint));
  return policy;
}

CwPolicy *cw_policy_open(const CwRegisteredFeature *feature, gconstpointer options, guint32 seed,
                         GError **error)
{
  if (!cw_feature_check_available(feature, error))
    return NULL;
  CwSlotCall call = cw_slot_begin(feature, "open");
  gpointer object = feature->vtable.policy->open(options, seed, &call.failure);
  return handle_new(&call, object, FALSE, error);
}

void cw_policy_close(CwPolicy *policy)
{
  if (!policy)
    return;
  CwSlotCall call = cw_slot_begin(policy->feature, "close");
  policy->vtable->close(policy->object);
  cw_slot_leave(&call);
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
  CwSlotCall call = cw_slot_begin(policy->feature, "describe");
  const char *const *pairs = policy->vtable->describe(policy->object);
  cw_slot_leave(&call);
  return pairs ? pairs : nothing;
}

CwPolicy *cw_policy_clone_frozen(CwPolicy *policy, GError **error)
{
  if ((policy->feature->capabilities & CW_POLICY_CLONES) == 0) {
    cw_feature_error(policy->feature, error, CW_ERROR_UNSUPPORTED,
                     "cannot clone itself, so it cannot be a reference");
    return NULL;
  }
  CwSlotCall call = cw_slot_begin(policy->feature, "clone_frozen");
  gpointer object = policy->vtable->clone_frozen(policy->object, &call.failure);
  return handle_new(&call, object, TRUE, error);
}

gboolean cw_policy_save(CwPolicy *policy, const char *directory, GError **error)
{
  CwSlotCall call = cw_slot_begin(policy->feature, "save");
  gboolean saved = policy->vtable->save(policy->object, directory, &call.failure);
  return cw_slot_end(&call, saved, error);
}

gboolean cw_policy_load(CwPolicy *policy, const char *directory, GError **error)
{
  policy->awaits_backward = FALSE;
  CwSlotCall call = cw_slot_begin(policy->feature, "load");
  gboolean loaded = policy->vtable->load(policy->object, directory, &call.failure);
  return cw_slot_end(&call, loaded, error);
}

static gboolean refuse_tensors(CwPolicy *policy, const char *what, GError **error)
{
  return cw_feature_error(policy->feature, error, CW_ERROR_UNSUPPORTED,
                          "%s its tensors; what was asked for cannot be done with this backend", what);
}

gboolean cw_policy_visit_tensors(CwPolicy *policy, CwTensorVisitor visitor, gpointer user_data,
                                 GError **error)
{
  if (!policy->vtable->visit_tensors)
    return refuse_tensors(policy, "does not show", error);
  CwSlotCall call = cw_slot_begin(policy->feature, "visit_tensors");
  gboolean visited = policy->vtable->visit_tensors(policy->object, visitor, user_data, &call.failure);
  return cw_slot_end(&call, visited, error);
}

gboolean cw_policy_edit_tensors(CwPolicy *policy, CwEdit edit, CwTensorEditor editor, gpointer user_data,
                                GError **error)
{
  if (!policy->vtable->edit_tensors)
    return refuse_tensors(policy, "does not let anybody change", error);
  CwSlotCall call = cw_slot_begin(policy->feature, "edit_tensors");
  gboolean edited = policy->vtable->edit_tensors(policy->object, edit, editor, user_data, &call.failure);
  return cw_slot_end(&call, edited, error);
}

guint64 cw_policy_steps(CwPolicy *policy)
{
  return policy->steps;
}

void cw_policy_set_steps(CwPolicy *policy, guint64 steps)
{
  policy->steps = steps;
}

const CwNamedValue *cw_policy_counters(CwPolicy *policy, guint *n)
{
  *n = 0;
  if (!policy->vtable->counters)
    return NULL;
  CwSlotCall call = cw_slot_begin(policy->feature, "counters");
  const CwNamedValue *counters = policy->vtable->counters(policy->object, n);
  cw_slot_leave(&call);
  if (*n <= MOST_COUNTERS && (*n == 0 || counters))
    return counters;
  g_warning("policy '%s': counters: expected at most %d of them, found %u%s; they are left out",
            policy->feature->name, MOST_COUNTERS, *n, counters ? "" : " and NULL");
  *n = 0;
  return NULL;
}

void cw_policy_announce_memory(CwPolicy *policy)
{
  policy->announces_memory = TRUE;
}

static void announce_memory(CwPolicy *policy, const CwDecision *const *decisions, guint n_decisions)
{
  const double mebibyte = 1 << 20;
  CwMemoryEstimate estimate = {.struct_size = sizeof estimate};
  policy->announces_memory = FALSE;
  if (!policy->vtable->estimate_memory)
    return;
  CwSlotCall call = cw_slot_begin(policy->feature, "estimate_memory");
  policy->vtable->estimate_memory(policy->object, decisions, n_decisions, &estimate);
  cw_slot_leave(&call);
  g_autofree char *alternative = NULL;
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

/* What is not finite, with where it may come from. */
static gboolean set_numeric_error(CwPolicy *policy, const char *what, double value, GError **error)
{
  g_autofree char *tensor = cw_policy_bad_tensor(policy);
  const char *cause = tensor                          ? "first bad tensor: "
                      : policy->vtable->visit_tensors ? "all weights are finite"
                                                      : "the backend does not show its tensors";
  return cw_feature_error(policy->feature, error, CW_ERROR_NUMERIC, "%s is %g; %s%s", what, value, cause,
                          tensor ? tensor : "");
}

static gboolean check_outputs(CwPolicy *policy, const CwDecision *const *decisions, guint n_decisions,
                              const float *logits, const float *values, GError **error)
{
  for (guint i = 0; i < n_decisions; i++) {
    for (guint j = 0; j < decisions[i]->n_candidates; j++, logits++) {
      if (isfinite(*logits))
        continue;
      g_autofree char *what = g_strdup_printf("logit %u of decision %u", j, i);
      return set_numeric_error(policy, what, *logits, error);
    }
  }
  for (guint i = 0; values && i < n_decisions; i++) {
    if (isfinite(values[i]))
      continue;
    g_autofree char *what = g_strdup_printf("value of decision %u", i);
    return set_numeric_error(policy, what, values[i], error);
  }
  return TRUE;
}

gboolean cw_policy_score(CwPolicy *policy, const CwDecision *const *decisions, guint n_decisions,
                         float *logits, float *values, GError **error)
{
  if (n_decisions == 0)
    return TRUE;
  CwSlotCall call = cw_slot_begin(policy->feature, "score");
  gboolean scored =
      policy->vtable->score(policy->object, decisions, n_decisions, logits, values, &call.failure);
  return cw_slot_end(&call, scored, error) &&
         check_outputs(policy, decisions, n_decisions, logits, values, error);
}

static gboolean check_trains(CwPolicy *policy, const char *slot, GError **error)
{
  gboolean trains = (policy->feature->capabilities & CW_POLICY_TRAINS) != 0;
  if (trains && !policy->frozen)
    return TRUE;
  return cw_feature_error(policy->feature, error, CW_ERROR_UNSUPPORTED, "%s: %s", slot,
                          policy->frozen ? "this is a frozen copy, which only scores"
                                         : "this policy does not train, it only scores");
}

/* Before a forward: remembers how many numbers its backward will bring, and says what memory it takes. */
static CwForward begin_forward(CwPolicy *policy, const CwDecision *const *decisions, guint n_decisions,
                               gboolean words, gboolean dropout)
{
  const guint one = 1;
  policy->awaits_backward = FALSE;
  g_array_set_size(policy->counts, 0);
  for (guint i = 0; i < n_decisions; i++)
    g_array_append_val(policy->counts, *(words ? &one : &decisions[i]->n_candidates));
  if (policy->announces_memory && n_decisions > 0 && !words)
    announce_memory(policy, decisions, n_decisions);
  return (CwForward){.struct_size = sizeof(CwForward), .step = policy->steps, .dropout = dropout};
}

gboolean cw_policy_forward(CwPolicy *policy, const CwDecision *const *decisions, guint n_decisions,
                           gboolean dropout, float *logits, float *values, GError **error)
{
  if (!check_trains(policy, "forward", error))
    return FALSE;
  CwForward how = begin_forward(policy, decisions, n_decisions, FALSE, dropout);
  if (n_decisions > 0) {
    CwSlotCall call = cw_slot_begin(policy->feature, "forward");
    gboolean done =
        policy->vtable->forward(policy->object, decisions, n_decisions, &how, logits, values, &call.failure);
    if (!cw_slot_end(&call, done, error) ||
        !check_outputs(policy, decisions, n_decisions, logits, values, error))
      return FALSE;
  }
  policy->awaits_backward = TRUE;
  return TRUE;
}

/* `how` NULL: scoring. */
static gboolean run_words(CwPolicy *policy, const CwDecision *const *decisions, const char *const *words,
                          guint n_decisions, const CwForward *how, float *log_probabilities, float *values,
                          GError **error)
{
  CwSlotCall call = cw_slot_begin(policy->feature, "forward_words");
  gboolean done = policy->vtable->forward_words(policy->object, decisions, words, n_decisions, how,
                                                log_probabilities, values, &call.failure);
  if (!cw_slot_end(&call, done, error))
    return FALSE;
  for (guint i = 0; i < n_decisions; i++) {
    if (isfinite(log_probabilities[i]) && (!values || isfinite(values[i])))
      continue;
    gboolean bad_words = !isfinite(log_probabilities[i]);
    g_autofree char *what =
        g_strdup_printf("%s of decision %u", bad_words ? "the log-probability" : "value", i);
    return set_numeric_error(policy, what, bad_words ? log_probabilities[i] : values[i], error);
  }
  return TRUE;
}

static gboolean check_has_words(CwPolicy *policy, GError **error)
{
  return (policy->feature->capabilities & CW_POLICY_WORDS) != 0 ||
         cw_feature_error(
             policy->feature, error, CW_ERROR_UNSUPPORTED,
             "does not say how likely an action in words is, so nothing can be learned from one");
}

gboolean cw_policy_score_words(CwPolicy *policy, const CwDecision *const *decisions, const char *const *words,
                               guint n_decisions, float *log_probabilities, float *values, GError **error)
{
  return check_has_words(policy, error) &&
         (n_decisions == 0 ||
          run_words(policy, decisions, words, n_decisions, NULL, log_probabilities, values, error));
}

gboolean cw_policy_forward_words(CwPolicy *policy, const CwDecision *const *decisions,
                                 const char *const *words, guint n_decisions, gboolean dropout,
                                 float *log_probabilities, float *values, GError **error)
{
  if (!check_trains(policy, "forward_words", error) || !check_has_words(policy, error))
    return FALSE;
  CwForward how = begin_forward(policy, decisions, n_decisions, TRUE, dropout);
  if (n_decisions > 0 &&
      !run_words(policy, decisions, words, n_decisions, &how, log_probabilities, values, error))
    return FALSE;
  policy->awaits_backward = TRUE;
  return TRUE;
}

static gboolean check_act(CwPolicy *policy, const CwDecision *decision, const CwAct *act, guint i,
                          GError **error)
{
  if (act->candidate != CW_WORDS)
    return act->candidate < decision->n_candidates ||
           cw_feature_error(policy->feature, error, CW_ERROR_FAILED,
                            "act: chose candidate %u of %u in decision %u", act->candidate,
                            decision->n_candidates, i);
  if (!act->words || !g_utf8_validate(act->words, -1, NULL))
    return cw_feature_error(policy->feature, error, CW_ERROR_FAILED,
                            "act: expected an action in words in decision %u, found %s", i,
                            act->words ? "bytes that are not UTF-8" : "NULL");
  return TRUE;
}

gboolean cw_policy_act(CwPolicy *policy, const CwDecision *const *decisions, guint n_decisions,
                       CwRandom *const *random, const CwActing *how, CwAct *acts, GError **error)
{
  for (guint i = 0; i < n_decisions; i++)
    acts[i] =
        (CwAct){.struct_size = sizeof(CwAct), .candidate = CW_WORDS, .log_probability = NAN, .value = NAN};
  CwSlotCall call = cw_slot_begin(policy->feature, "act");
  gboolean acted =
      policy->vtable->act(policy->object, decisions, n_decisions, random, how, acts, &call.failure);
  if (!cw_slot_end(&call, acted, error))
    return FALSE;
  for (guint i = 0; i < n_decisions; i++)
    if (!check_act(policy, decisions[i], &acts[i], i, error))
      return FALSE;
  return TRUE;
}

static gboolean check_gradients(CwPolicy *policy, const float *dlogits, const float *dvalues, GError **error)
{
  for (guint i = 0; i < policy->counts->len; i++) {
    for (guint j = 0; j < g_array_index(policy->counts, guint, i); j++, dlogits++)
      if (!isfinite(*dlogits))
        return cw_feature_error(
            policy->feature, error, CW_ERROR_NUMERIC,
            "the algorithm's gradient of logit %u of decision %u is %g; nothing was accumulated", j, i,
            *dlogits);
    if (dvalues && !isfinite(dvalues[i]))
      return cw_feature_error(
          policy->feature, error, CW_ERROR_NUMERIC,
          "the algorithm's gradient of the value of decision %u is %g; nothing was accumulated", i,
          dvalues[i]);
  }
  return TRUE;
}

gboolean cw_policy_backward(CwPolicy *policy, const float *dlogits, const float *dvalues, GError **error)
{
  if (!check_trains(policy, "backward", error))
    return FALSE;
  if (!policy->awaits_backward)
    return cw_feature_error(policy->feature, error, CW_ERROR_FAILED,
                            "backward without a forward before it; call forward once for every backward");
  if (!check_gradients(policy, dlogits, dvalues, error))
    return FALSE;
  policy->awaits_backward = FALSE;
  if (policy->counts->len == 0)
    return TRUE;
  CwSlotCall call = cw_slot_begin(policy->feature, "backward");
  gboolean done = policy->vtable->backward(policy->object, dlogits, dvalues, &call.failure);
  return cw_slot_end(&call, done, error);
}

gboolean cw_policy_step(CwPolicy *policy, double learning_rate, double max_norm, double *gradient_norm,
                        GError **error)
{
  if (!check_trains(policy, "step", error))
    return FALSE;
  if (!isfinite(learning_rate) || !isfinite(max_norm) || max_norm < 0)
    return cw_feature_error(policy->feature, error, CW_ERROR_NUMERIC,
                            "step: expected a finite learning rate and a norm of at least 0, found %g and %g",
                            learning_rate, max_norm);
  policy->awaits_backward = FALSE;
  CwSlotCall call = cw_slot_begin(policy->feature, "step");
  gboolean done = policy->vtable->step(policy->object, learning_rate, max_norm, gradient_norm, &call.failure);
  policy->steps += done ? 1 : 0;
  return cw_slot_end(&call, done, error);
}

guint cw_policy_count_tokens(CwPolicy *policy, const CwDecision *decision)
{
  if (!policy->vtable->count_tokens) {
    gsize bytes = strlen(decision->observation);
    for (guint i = 0; i < decision->n_candidates; i++)
      bytes += strlen(decision->candidates[i]);
    return (guint)(bytes / 4);
  }
  CwSlotCall call = cw_slot_begin(policy->feature, "count_tokens");
  guint n = policy->vtable->count_tokens(policy->object, decision);
  cw_slot_leave(&call);
  return n;
}
