/* The conformance suite of policies, second half: gradients, steps, clones and saved states. Each check opens
 * a policy of its own. */
#include "conformance/check_policy.h"

#include <math.h>
#include <string.h>

#define LEARNING_RATE 1e-3

/* The policy a check works on, when the feature has the capability. */
static CwPolicy *begin(CwSuite *suite, guint64 capability, const char *without, CwVerdict *verdict)
{
  CwPolicySubject *subject = suite->subject;
  if ((suite->feature->capabilities & capability) != capability) {
    cw_verdict_skip(verdict, "%s", without);
    return NULL;
  }
  return cw_check_open_policy(suite, &subject->decisions, verdict);
}

static CwPolicy *begin_training(CwSuite *suite, CwVerdict *verdict)
{
  return begin(suite, CW_POLICY_TRAINS, "it does not train", verdict);
}

static CwPolicy *begin_with_tensors(CwSuite *suite, CwVerdict *verdict)
{
  if (!suite->feature->vtable.policy->visit_tensors) {
    cw_verdict_skip(verdict, "it does not show its tensors");
    return NULL;
  }
  return begin_training(suite, verdict);
}

static const CwCheckDecisions *decisions_of(const CwSuite *suite)
{
  return &((const CwPolicySubject *)suite->subject)->decisions;
}

/* The logits of all decisions; NULL with the verdict failed. */
static float *score_all(CwSuite *suite, CwPolicy *policy, CwVerdict *verdict)
{
  const CwCheckDecisions *decisions = decisions_of(suite);
  float *logits = g_new0(float, cw_count_logits(decisions->all, CW_CHECK_N_DECISIONS));
  GError *error = NULL;
  if (cw_policy_score(policy, decisions->all, CW_CHECK_N_DECISIONS, logits, NULL, &error))
    return logits;
  cw_verdict_fail_error(verdict, &error);
  g_free(logits);
  return NULL;
}

/* Whether two policies, or one at two times, score bit for bit alike; frees `a` and `b`. */
static gboolean same_logits(CwSuite *suite, float *a, float *b)
{
  gsize size = cw_count_logits(decisions_of(suite)->all, CW_CHECK_N_DECISIONS) * sizeof(float);
  gboolean same = a && b && memcmp(a, b, size) == 0;
  g_free(a);
  g_free(b);
  return same;
}

/* Gradients of all tensors behind one another. */
static void append_gradient(const char *name, const gint64 *shape, guint n_dimensions, float *weights,
                            float *gradient, gpointer user_data)
{
  (void)name;
  (void)weights;
  if (gradient)
    g_array_append_vals(user_data, gradient, (guint)cw_check_tensor_size(shape, n_dimensions));
}

static GArray *copy_gradients(CwPolicy *policy)
{
  GArray *copy = g_array_new(FALSE, FALSE, sizeof(float));
  cw_policy_visit_tensors(policy, append_gradient, copy);
  return copy;
}

static double norm_of(const GArray *vector)
{
  double sum = 0;
  for (guint i = 0; i < vector->len; i++)
    sum += (double)g_array_index(vector, float, i) * g_array_index(vector, float, i);
  return sqrt(sum);
}

void cw_check_gradients_add_up(CwSuite *suite, CwVerdict *verdict)
{
  const CwCheckDecisions *decisions = decisions_of(suite);
  CwPolicy *policy = begin_with_tensors(suite, verdict);
  GError *error = NULL;
  GArray *once, *thrice;
  double difference = 0, largest = 0;
  if (!policy)
    return;
  if (!cw_check_accumulate(policy, decisions, 1, &error)) {
    cw_verdict_fail_error(verdict, &error);
    cw_policy_close(policy);
    return;
  }
  once = copy_gradients(policy);
  if (!cw_check_accumulate(policy, decisions, 2, &error))
    cw_verdict_fail_error(verdict, &error);
  thrice = copy_gradients(policy);
  for (guint i = 0; i < MIN(once->len, thrice->len); i++) {
    largest = fmax(largest, fabs(g_array_index(once, float, i)));
    difference =
        fmax(difference, fabs(3.0 * g_array_index(once, float, i) - g_array_index(thrice, float, i)));
  }
  if (largest == 0)
    cw_verdict_fail(verdict, "backward leaves every gradient at zero");
  else if (difference > 0.01 * largest)
    cw_verdict_fail(
        verdict,
        "one backward and one with twice the gradients make not thrice the first (off by %g of %g; dropout "
        "must be off for this check)",
        difference, largest);
  g_array_free(once, TRUE);
  g_array_free(thrice, TRUE);
  cw_policy_close(policy);
}

void cw_check_training_lowers_loss(CwSuite *suite, CwVerdict *verdict)
{
  const CwCheckDecisions *decisions = decisions_of(suite);
  CwPolicy *policy = begin_training(suite, verdict);
  double before, after;
  GError *error = NULL;
  if (!policy)
    return;
  if (!cw_check_loss(policy, decisions, &before, &error) ||
      !cw_check_train(policy, decisions, 10, LEARNING_RATE, &error) ||
      !cw_check_loss(policy, decisions, &after, &error))
    cw_verdict_fail_error(verdict, &error);
  else if (!(after < before))
    cw_verdict_fail(verdict, "after 10 steps of learning rate %g the loss is %.9g, before it was %.9g",
                    LEARNING_RATE, after, before);
  cw_policy_close(policy);
}

void cw_check_step_clears_gradients(CwSuite *suite, CwVerdict *verdict)
{
  CwPolicy *policy = begin_with_tensors(suite, verdict);
  GError *error = NULL;
  GArray *gradients;
  if (!policy)
    return;
  if (!cw_check_train(policy, decisions_of(suite), 1, LEARNING_RATE, &error))
    cw_verdict_fail_error(verdict, &error);
  gradients = copy_gradients(policy);
  if (norm_of(gradients) != 0)
    cw_verdict_fail(verdict, "after a step the gradient has the norm %g; it must be cleared",
                    norm_of(gradients));
  g_array_free(gradients, TRUE);
  cw_policy_close(policy);
}

static void scale_gradient(const char *name, const gint64 *shape, guint n_dimensions, float *weights,
                           float *gradient, gpointer user_data)
{
  const double *scale = user_data;
  gsize size = cw_check_tensor_size(shape, n_dimensions), i;
  (void)name;
  (void)weights;
  for (i = 0; gradient && i < size; i++)
    gradient[i] = (float)(gradient[i] * *scale);
}

/* One step with gradients of some size, clipped by the policy or scaled by us before it: both must lead to
 * the same weights. */
static GByteArray *take_clipped_step(CwSuite *suite, gboolean by_policy, CwVerdict *verdict)
{
  CwPolicy *policy = begin_with_tensors(suite, verdict);
  GByteArray *weights = NULL;
  double norm, reported = -1, half = 0.5;
  GError *error = NULL;
  GArray *gradients;
  if (!policy)
    return NULL;
  if (!cw_check_accumulate(policy, decisions_of(suite), 20, &error)) {
    cw_verdict_fail_error(verdict, &error);
    cw_policy_close(policy);
    return NULL;
  }
  gradients = copy_gradients(policy);
  norm = norm_of(gradients);
  g_array_free(gradients, TRUE);
  if (!by_policy)
    cw_policy_visit_tensors(policy, scale_gradient, &half);
  if (!cw_policy_step(policy, LEARNING_RATE, by_policy ? norm / 2 : 0, &reported, &error))
    cw_verdict_fail_error(verdict, &error);
  else if (by_policy && fabs(reported - norm) > 1e-3 * norm)
    cw_verdict_fail(verdict, "step reports a gradient norm of %g; the gradients' own is %g", reported, norm);
  else
    weights = cw_check_copy_weights(policy);
  cw_policy_close(policy);
  return weights;
}

void cw_check_clipping(CwSuite *suite, CwVerdict *verdict)
{
  GByteArray *clipped = take_clipped_step(suite, TRUE, verdict);
  GByteArray *scaled = clipped ? take_clipped_step(suite, FALSE, verdict) : NULL;
  double difference = 0;
  for (gsize i = 0; scaled && i < clipped->len / sizeof(float); i++)
    difference = fmax(difference, fabs((double)((float *)(gpointer)clipped->data)[i] -
                                       ((float *)(gpointer)scaled->data)[i]));
  if (difference > 1e-3 * LEARNING_RATE)
    cw_verdict_fail(
        verdict,
        "a step clipped to half the norm and a step with halved gradients lead to weights that differ by "
        "%g",
        difference);
  if (clipped)
    g_byte_array_free(clipped, TRUE);
  if (scaled)
    g_byte_array_free(scaled, TRUE);
}

static void spoil_gradient(const char *name, const gint64 *shape, guint n_dimensions, float *weights,
                           float *gradient, gpointer user_data)
{
  const char **spoilt = user_data;
  (void)weights;
  if (!*spoilt && gradient && cw_check_tensor_size(shape, n_dimensions) > 0) {
    gradient[0] = NAN;
    *spoilt = g_intern_string(name);
  }
}

void cw_check_bad_gradient(CwSuite *suite, CwVerdict *verdict)
{
  CwPolicy *policy = begin_with_tensors(suite, verdict);
  const char *spoilt = NULL;
  GError *error = NULL;
  GByteArray *before;
  if (!policy)
    return;
  before = cw_check_copy_weights(policy);
  if (!cw_check_accumulate(policy, decisions_of(suite), 1, &error))
    cw_verdict_fail_error(verdict, &error);
  cw_policy_visit_tensors(policy, spoil_gradient, &spoilt);
  if (cw_policy_step(policy, LEARNING_RATE, 1, NULL, &error))
    cw_verdict_fail(verdict, "step took a gradient that is nan");
  else if (!g_error_matches(error, CW_POLICY_ERROR, CW_ERROR_NUMERIC))
    cw_verdict_fail(verdict, "expected CW_POLICY_ERROR / CW_ERROR_NUMERIC, found: %s", error->message);
  else if (spoilt && !strstr(error->message, spoilt))
    cw_verdict_fail(verdict, "expected a message that names the tensor %s, found: %s", spoilt,
                    error->message);
  g_clear_error(&error);
  if (!cw_check_same_weights(before, cw_check_copy_weights(policy)))
    cw_verdict_fail(verdict, "a step that failed changed weights");
  cw_policy_close(policy);
}

/* Trains both from here on and compares what they became. */
static void compare_futures(CwSuite *suite, CwPolicy *a, CwPolicy *b, const char *who, CwVerdict *verdict)
{
  const CwCheckDecisions *decisions = decisions_of(suite);
  gboolean trains = (suite->feature->capabilities & CW_POLICY_TRAINS) != 0;
  GError *error = NULL;
  if (!same_logits(suite, score_all(suite, a, verdict), score_all(suite, b, verdict)))
    cw_verdict_fail(verdict, "%s scores differently", who);
  else if (trains && (!cw_check_train(a, decisions, 3, LEARNING_RATE, &error) ||
                      !cw_check_train(b, decisions, 3, LEARNING_RATE, &error)))
    cw_verdict_fail_error(verdict, &error);
  else if (!cw_check_same_weights(cw_check_copy_weights(a), cw_check_copy_weights(b)) ||
           !same_logits(suite, score_all(suite, a, verdict), score_all(suite, b, verdict)))
    cw_verdict_fail(verdict, "%s trains differently: after 3 more steps it is not bit for bit the same", who);
}

void cw_check_save_and_load(CwSuite *suite, CwVerdict *verdict)
{
  CwPolicy *policy = begin(suite, 0, "", verdict);
  char *directory = NULL;
  CwPolicy *other;
  GError *error = NULL;
  if (!policy)
    return;
  directory = cw_check_make_directory(&error);
  other = cw_policy_open(suite->feature, suite->options, CW_CHECK_SEED + 1, NULL);
  if (!directory || !other || !cw_policy_save(policy, directory, &error) ||
      !cw_policy_load(other, directory, &error))
    cw_verdict_fail_error(verdict, &error);
  else
    compare_futures(suite, policy, other, "a policy that was loaded", verdict);
  if (verdict->result == CW_CHECK_PASSED) {
    if (!cw_policy_load(policy, directory, &error) || !cw_policy_load(other, directory, &error))
      cw_verdict_fail_error(verdict, &error);
    else
      compare_futures(suite, policy, other, "a policy that was loaded twice", verdict);
  }
  cw_policy_close(policy);
  cw_policy_close(other);
  cw_check_forget_directory(directory);
}

void cw_check_failed_load(CwSuite *suite, CwVerdict *verdict)
{
  CwPolicy *policy = begin(suite, 0, "", verdict);
  char *directory;
  float *before;
  GError *error = NULL;
  if (!policy)
    return;
  directory = cw_check_make_directory(&error);
  if (!directory) {
    cw_verdict_fail_error(verdict, &error);
    cw_policy_close(policy);
    return;
  }
  before = score_all(suite, policy, verdict);
  if (cw_policy_load(policy, directory, &error))
    cw_verdict_fail(verdict, "load took an empty directory");
  else if (!strstr(error->message, directory))
    cw_verdict_fail(verdict, "expected a message that names a file in %s, found: %s", directory,
                    error->message);
  g_clear_error(&error);
  if (!same_logits(suite, before, score_all(suite, policy, verdict)))
    cw_verdict_fail(verdict, "a load that failed changed the scores");
  cw_policy_close(policy);
  cw_check_forget_directory(directory);
}

static gboolean has_model_option(const CwOptionTable *table)
{
  for (guint i = 0; i < table->n_rows; i++) {
    if (strcmp(table->rows[i].name, "model") == 0)
      return TRUE;
  }
  return FALSE;
}

/* Whether a policy opened with the saved folder as option "model" scores as
 * `policy` does; `yaml` holds its other options. */
static gboolean reopens(CwSuite *suite, CwPolicy *policy, const char *yaml, const char *directory,
                        CwVerdict *verdict)
{
  GError *error = NULL;
  gpointer options = cw_check_fill_options(suite->feature, yaml, "options", directory, &error);
  CwPolicy *other = !error ? cw_policy_open(suite->feature, options, CW_CHECK_SEED + 1, &error) : NULL;
  gboolean same = FALSE;
  if (!other)
    cw_verdict_fail_error(verdict, &error);
  else
    same = same_logits(suite, score_all(suite, policy, verdict), score_all(suite, other, verdict));
  cw_policy_close(other);
  cw_options_free(&suite->feature->options, options);
  return same;
}

/* The options at hand may ask for other weights than the folder's; then the defaults have to do. */
void cw_check_saved_model_opens(CwSuite *suite, CwVerdict *verdict)
{
  CwPolicy *policy;
  char *directory;
  GError *error = NULL;
  if (!has_model_option(&suite->feature->options)) {
    cw_verdict_skip(verdict, "it has no option 'model'");
    return;
  }
  policy = begin(suite, 0, "", verdict);
  if (!policy)
    return;
  directory = cw_check_make_directory(&error);
  if (!directory || !cw_policy_save(policy, directory, &error))
    cw_verdict_fail_error(verdict, &error);
  else if (!reopens(suite, policy, suite->options_yaml, directory, verdict) &&
           !reopens(suite, policy, NULL, directory, verdict))
    cw_verdict_fail(verdict, "a policy opened with the saved folder as 'model' scores differently");
  cw_policy_close(policy);
  cw_check_forget_directory(directory);
}

void cw_check_clone(CwSuite *suite, CwVerdict *verdict)
{
  CwPolicy *policy = begin(suite, CW_POLICY_CLONES, "it does not clone itself", verdict);
  gboolean trains = (suite->feature->capabilities & CW_POLICY_TRAINS) != 0;
  CwPolicy *clone;
  GError *error = NULL;
  float *before;
  if (!policy)
    return;
  clone = cw_policy_clone_frozen(policy, &error);
  if (!clone) {
    cw_verdict_fail_error(verdict, &error);
    cw_policy_close(policy);
    return;
  }
  before = score_all(suite, policy, verdict);
  if (!same_logits(suite, before, score_all(suite, clone, verdict)))
    cw_verdict_fail(verdict, "the clone scores differently from the start");
  before = score_all(suite, clone, verdict);
  if (trains && !cw_check_train(policy, decisions_of(suite), 3, LEARNING_RATE, &error))
    cw_verdict_fail_error(verdict, &error);
  cw_policy_close(policy);
  if (!same_logits(suite, before, score_all(suite, clone, verdict)))
    cw_verdict_fail(verdict, "the clone's scores changed when its original trained and was closed");
  cw_policy_close(clone);
}

void cw_check_policies_apart(CwSuite *suite, CwVerdict *verdict)
{
  CwPolicy *policy = begin_training(suite, verdict);
  CwPolicy *other;
  GError *error = NULL;
  float *before;
  if (!policy)
    return;
  before = score_all(suite, policy, verdict);
  other = cw_check_open_policy(suite, decisions_of(suite), verdict);
  if (other && !cw_check_train(other, decisions_of(suite), 3, LEARNING_RATE, &error))
    cw_verdict_fail_error(verdict, &error);
  if (!same_logits(suite, before, score_all(suite, policy, verdict)))
    cw_verdict_fail(verdict, "training one policy changed the scores of another");
  cw_policy_close(policy);
  cw_policy_close(other);
}
