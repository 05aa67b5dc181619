/* The conformance suite of policies, second half: gradients, steps, clones and saved states. Each check opens
 * a policy of its own. */
#include "conformance/check_policy.h"

#include <math.h>
#include <string.h>

#define LEARNING_RATE 1e-3

/* The logits of all decisions; NULL with the verdict failed. */
static float *score_all(CwPolicy *policy, CwVerdict *verdict)
{
  const CwDecision *const *all = cw_check_decisions();
  g_autofree float *logits = g_new0(float, cw_count_logits(all, CW_CHECK_N_DECISIONS));
  gboolean scored = cw_policy_score(policy, all, CW_CHECK_N_DECISIONS, logits, NULL, &verdict->error);
  return cw_verdict_check(verdict, scored) ? g_steal_pointer(&logits) : NULL;
}

/* Whether the policy scores, bit for bit, as something did at some time. */
static gboolean scores_as(const float *before, CwPolicy *policy, CwVerdict *verdict)
{
  g_autofree float *now = score_all(policy, verdict);
  gsize size = cw_count_logits(cw_check_decisions(), CW_CHECK_N_DECISIONS) * sizeof(float);
  return before && now && memcmp(before, now, size) == 0;
}

static gboolean score_alike(CwPolicy *a, CwPolicy *b, CwVerdict *verdict)
{
  g_autofree float *logits = score_all(a, verdict);
  return scores_as(logits, b, verdict);
}

static gboolean accumulate(CwPolicy *policy, double scale, CwVerdict *verdict)
{
  return cw_verdict_check(verdict, cw_check_accumulate(policy, scale, &verdict->error));
}

/* Trains, if the policy can. */
static gboolean train(CwPolicy *policy, guint n_updates, CwVerdict *verdict)
{
  return (cw_policy_feature(policy)->capabilities & CW_POLICY_TRAINS) == 0 ||
         cw_verdict_check(verdict, cw_check_train(policy, n_updates, LEARNING_RATE, &verdict->error));
}

/* Gradients of all tensors behind one another. */
static void append_gradient(const char *name G_GNUC_UNUSED, const gint64 *shape, guint n_dimensions,
                            const float *weights G_GNUC_UNUSED, const float *gradient, gpointer copy)
{
  if (gradient)
    g_array_append_vals(copy, gradient, (guint)cw_tensor_size(shape, n_dimensions));
}

static GArray *copy_gradients(CwPolicy *policy)
{
  GArray *copy = g_array_new(FALSE, FALSE, sizeof(float));
  cw_policy_visit_tensors(policy, append_gradient, copy, NULL);
  return copy;
}

static double gradient_norm(CwPolicy *policy)
{
  g_autoptr(GArray) gradients = copy_gradients(policy);
  double sum = 0;
  for (guint i = 0; i < gradients->len; i++)
    sum += (double)g_array_index(gradients, float, i) * g_array_index(gradients, float, i);
  return sqrt(sum);
}

void cw_check_gradients_add_up(CwSuite *suite, CwVerdict *verdict)
{
  g_autoptr(CwPolicy) policy = cw_check_open_policy(suite, verdict);
  double difference = 0, largest = 0;
  if (!policy || !accumulate(policy, 1, verdict))
    return;
  g_autoptr(GArray) once = copy_gradients(policy);
  if (!accumulate(policy, 2, verdict))
    return;
  g_autoptr(GArray) thrice = copy_gradients(policy);
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
}

void cw_check_training_lowers_loss(CwSuite *suite, CwVerdict *verdict)
{
  g_autoptr(CwPolicy) policy = cw_check_open_policy(suite, verdict);
  double before, after;
  if (policy &&
      cw_verdict_check(verdict, cw_check_loss(policy, &before, &verdict->error) &&
                                    cw_check_train(policy, 10, LEARNING_RATE, &verdict->error) &&
                                    cw_check_loss(policy, &after, &verdict->error)) &&
      !(after < before))
    cw_verdict_fail(verdict, "after 10 steps of learning rate %g the loss is %.9g, before it was %.9g",
                    LEARNING_RATE, after, before);
}

void cw_check_step_clears_gradients(CwSuite *suite, CwVerdict *verdict)
{
  g_autoptr(CwPolicy) policy = cw_check_open_policy(suite, verdict);
  if (policy && train(policy, 1, verdict) && gradient_norm(policy) != 0)
    cw_verdict_fail(verdict, "after a step the gradient has the norm %g; it must be cleared",
                    gradient_norm(policy));
}

static void scale_gradient(const char *name G_GNUC_UNUSED, const gint64 *shape, guint n_dimensions,
                           float *weights G_GNUC_UNUSED, float *gradient, gpointer scale)
{
  gsize size = cw_tensor_size(shape, n_dimensions);
  for (gsize i = 0; gradient && i < size; i++)
    gradient[i] = (float)(gradient[i] * *(double *)scale);
}

/* One step with gradients of some size, clipped by the policy or scaled by us before it: both must lead to
 * the same weights. */
static GByteArray *take_clipped_step(CwSuite *suite, gboolean by_policy, CwVerdict *verdict)
{
  g_autoptr(CwPolicy) policy = cw_check_open_policy(suite, verdict);
  double reported = -1, half = 0.5;
  if (!policy || !accumulate(policy, 20, verdict))
    return NULL;
  double norm = gradient_norm(policy);
  if (!cw_verdict_check(
          verdict,
          (by_policy ||
           cw_policy_edit_tensors(policy, CW_EDIT_GRADIENTS, scale_gradient, &half, &verdict->error)) &&
              cw_policy_step(policy, LEARNING_RATE, by_policy ? norm / 2 : 0, &reported, &verdict->error)))
    return NULL;
  if (!by_policy || fabs(reported - norm) <= 1e-3 * norm)
    return cw_check_copy_weights(policy);
  cw_verdict_fail(verdict, "step reports a gradient norm of %g; the gradients' own is %g", reported, norm);
  return NULL;
}

void cw_check_clipping(CwSuite *suite, CwVerdict *verdict)
{
  g_autoptr(GByteArray) clipped = take_clipped_step(suite, TRUE, verdict);
  g_autoptr(GByteArray) scaled = clipped ? take_clipped_step(suite, FALSE, verdict) : NULL;
  double difference = 0;
  for (gsize i = 0; scaled && i < clipped->len / sizeof(float); i++)
    difference = fmax(difference, fabs((double)((float *)(gpointer)clipped->data)[i] -
                                       ((float *)(gpointer)scaled->data)[i]));
  if (difference > 1e-3 * LEARNING_RATE)
    cw_verdict_fail(
        verdict,
        "a step clipped to half the norm and a step with halved gradients lead to weights that differ by %g",
        difference);
}

static void spoil_gradient(const char *name, const gint64 *shape, guint n_dimensions,
                           float *weights G_GNUC_UNUSED, float *gradient, gpointer user_data)
{
  const char **spoilt = user_data;
  if (*spoilt || !gradient || cw_tensor_size(shape, n_dimensions) == 0)
    return;
  gradient[0] = NAN;
  *spoilt = g_intern_string(name);
}

void cw_check_bad_gradient(CwSuite *suite, CwVerdict *verdict)
{
  g_autoptr(CwPolicy) policy = cw_check_open_policy(suite, verdict);
  g_autoptr(GError) error = NULL;
  const char *spoilt = NULL;
  if (!policy)
    return;
  GByteArray *before = cw_check_copy_weights(policy);
  accumulate(policy, 1, verdict);
  if (!cw_verdict_check(verdict, cw_policy_edit_tensors(policy, CW_EDIT_GRADIENTS, spoil_gradient, &spoilt,
                                                        &verdict->error))) {
    g_byte_array_unref(before);
    return;
  }
  if (cw_policy_step(policy, LEARNING_RATE, 1, NULL, &error))
    cw_verdict_fail(verdict, "step took a gradient that is nan");
  else if (!g_error_matches(error, CW_POLICY_ERROR, CW_ERROR_NUMERIC))
    cw_verdict_fail(verdict, "expected CW_POLICY_ERROR / CW_ERROR_NUMERIC, found: %s", error->message);
  else if (spoilt && !strstr(error->message, spoilt))
    cw_verdict_fail(verdict, "expected a message that names the tensor %s, found: %s", spoilt,
                    error->message);
  if (!cw_check_same_weights(before, cw_check_copy_weights(policy)))
    cw_verdict_fail(verdict, "a step that failed changed weights");
}

/* Trains both from here on and compares what they became. */
static void compare_futures(CwPolicy *a, CwPolicy *b, const char *who, CwVerdict *verdict)
{
  if (!score_alike(a, b, verdict))
    cw_verdict_fail(verdict, "%s scores differently", who);
  else if (train(a, 3, verdict) && train(b, 3, verdict) &&
           (!cw_check_same_weights(cw_check_copy_weights(a), cw_check_copy_weights(b)) ||
            !score_alike(a, b, verdict)))
    cw_verdict_fail(verdict, "%s trains differently: after 3 more steps it is not bit for bit the same", who);
}

void cw_check_save_and_load(CwSuite *suite, CwVerdict *verdict)
{
  g_autoptr(CwPolicy) policy = cw_check_open_policy(suite, verdict);
  GError **error = &verdict->error;
  if (!policy)
    return;
  char *directory = cw_check_make_directory(error);
  g_autoptr(CwPolicy) other = cw_policy_open(suite->feature, suite->options, CW_CHECK_SEED + 1, NULL);
  if (cw_verdict_check(verdict, directory && other && cw_policy_save(policy, directory, error) &&
                                    cw_policy_load(other, directory, error)))
    compare_futures(policy, other, "a policy that was loaded", verdict);
  if (verdict->result == CW_CHECK_PASSED &&
      cw_verdict_check(verdict,
                       cw_policy_load(policy, directory, error) && cw_policy_load(other, directory, error)))
    compare_futures(policy, other, "a policy that was loaded twice", verdict);
  cw_check_forget_directory(directory);
}

void cw_check_failed_load(CwSuite *suite, CwVerdict *verdict)
{
  g_autoptr(CwPolicy) policy = cw_check_open_policy(suite, verdict);
  g_autoptr(GError) error = NULL;
  if (!policy)
    return;
  char *directory = cw_check_make_directory(&verdict->error);
  if (!cw_verdict_check(verdict, directory != NULL))
    return;
  g_autofree float *before = score_all(policy, verdict);
  if (cw_policy_load(policy, directory, &error))
    cw_verdict_fail(verdict, "load took an empty directory");
  else if (!strstr(error->message, directory))
    cw_verdict_fail(verdict, "expected a message that names a file in %s, found: %s", directory,
                    error->message);
  if (!scores_as(before, policy, verdict))
    cw_verdict_fail(verdict, "a load that failed changed the scores");
  cw_check_forget_directory(directory);
}

/* Whether a policy opened with the saved folder as option "model" scores as `policy` does; `yaml` holds its
 * other options. */
static gboolean reopens(CwSuite *suite, CwPolicy *policy, const char *yaml, const char *directory,
                        CwVerdict *verdict)
{
  gpointer options = cw_check_fill_options(suite->feature, yaml, "options", directory, &verdict->error);
  g_autoptr(CwPolicy) other =
      verdict->error ? NULL : cw_policy_open(suite->feature, options, CW_CHECK_SEED + 1, &verdict->error);
  gboolean same = cw_verdict_check(verdict, other != NULL) && score_alike(policy, other, verdict);
  g_clear_pointer(&other, cw_policy_close);
  cw_options_free(&suite->feature->options, options);
  return same;
}

/* The options at hand may ask for other weights than the folder's; then the defaults have to do. */
void cw_check_saved_model_opens(CwSuite *suite, CwVerdict *verdict)
{
  g_autoptr(CwPolicy) policy = cw_check_open_policy(suite, verdict);
  if (!policy)
    return;
  char *directory = cw_check_make_directory(&verdict->error);
  if (cw_verdict_check(verdict, directory && cw_policy_save(policy, directory, &verdict->error)) &&
      !reopens(suite, policy, suite->options_yaml, directory, verdict) &&
      !reopens(suite, policy, NULL, directory, verdict))
    cw_verdict_fail(verdict, "a policy opened with the saved folder as 'model' scores differently");
  cw_check_forget_directory(directory);
}

void cw_check_clone(CwSuite *suite, CwVerdict *verdict)
{
  g_autoptr(CwPolicy) policy = cw_check_open_policy(suite, verdict);
  if (!policy)
    return;
  g_autoptr(CwPolicy) clone = cw_policy_clone_frozen(policy, &verdict->error);
  if (!cw_verdict_check(verdict, clone != NULL))
    return;
  if (!score_alike(policy, clone, verdict))
    cw_verdict_fail(verdict, "the clone scores differently from the start");
  g_autofree float *before = score_all(clone, verdict);
  train(policy, 3, verdict);
  g_clear_pointer(&policy, cw_policy_close);
  if (!scores_as(before, clone, verdict))
    cw_verdict_fail(verdict, "the clone's scores changed when its original trained and was closed");
}

void cw_check_policies_apart(CwSuite *suite, CwVerdict *verdict)
{
  g_autoptr(CwPolicy) policy = cw_check_open_policy(suite, verdict);
  if (!policy)
    return;
  g_autofree float *before = score_all(policy, verdict);
  g_autoptr(CwPolicy) other = cw_check_open_policy(suite, verdict);
  if (other)
    train(other, 3, verdict);
  if (!scores_as(before, policy, verdict))
    cw_verdict_fail(verdict, "training one policy changed the scores of another");
}
