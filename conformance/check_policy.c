/* The conformance suite of policies: scoring here, training in check_training.c. The suite keeps one policy
 * open for scoring; checks that change a policy open their own. */
#include "conformance/check_policy.h"

#include <math.h>
#include <string.h>

#define BATCH_TOLERANCE 1e-4 /* relative to the largest logit of the decision */
#define N_REPEATS       5    /* how often all decisions stand in the large batch */

/* Scores a batch; FALSE with the verdict failed. `logits` and `values` are new. */
static gboolean score(CwPolicySubject *subject, const CwDecision *const *decisions, guint n, float **logits,
                      float **values, CwVerdict *verdict)
{
  GError *error = NULL;
  *logits = g_new0(float, cw_count_logits(decisions, n));
  *values = g_new0(float, n);
  if (cw_policy_score(subject->policy, decisions, n, *logits, *values, &error))
    return TRUE;
  g_clear_pointer(logits, g_free);
  g_clear_pointer(values, g_free);
  return cw_verdict_fail_error(verdict, &error);
}

static gboolean close_enough(const float *expected, const float *found, guint n)
{
  double largest = 1e-6, difference = 0;
  for (guint i = 0; i < n; i++) {
    largest = fmax(largest, fabs(expected[i]));
    difference = fmax(difference, fabs((double)expected[i] - found[i]));
  }
  return difference <= BATCH_TOLERANCE * largest;
}

/* Compares what a decision got alone with what it got in a batch. */
static void compare(CwPolicySubject *subject, const CwDecision *decision, const float *logits, float value,
                    const char *where, CwVerdict *verdict)
{
  float *expected = NULL, *expected_value = NULL;
  if (score(subject, &decision, 1, &expected, &expected_value, verdict)) {
    if (!close_enough(expected, logits, decision->n_candidates))
      cw_verdict_fail(verdict,
                      "the logits of \"%.40s\" %s differ from those it gets alone by more than %g of the "
                      "largest: logit 0 is %.9g instead of %.9g",
                      decision->observation, where, BATCH_TOLERANCE, logits[0], expected[0]);
    if (!close_enough(expected_value, &value, 1))
      cw_verdict_fail(verdict, "the value of \"%.40s\" %s is %.9g instead of %.9g alone",
                      decision->observation, where, value, expected_value[0]);
  }
  g_free(expected);
  g_free(expected_value);
}

static void open_subject(CwSuite *suite, CwVerdict *verdict)
{
  CwPolicySubject *subject = suite->subject;
  subject->policy = cw_check_open_policy(suite, &subject->decisions, verdict);
}

static void check_description(CwSuite *suite, CwVerdict *verdict)
{
  CwPolicySubject *subject = suite->subject;
  cw_check_description(cw_policy_describe(subject->policy), verdict);
  suite->feature->vtable.policy->close(NULL);
}

static void check_repetition(CwSuite *suite, CwVerdict *verdict)
{
  CwPolicySubject *subject = suite->subject;
  const CwDecision *const *all = subject->decisions.all;
  float *first = NULL, *second = NULL, *values = NULL, *more_values = NULL;
  guint n_logits = cw_count_logits(all, CW_CHECK_N_DECISIONS);
  GError *error = NULL;
  if (score(subject, all, CW_CHECK_N_DECISIONS, &first, &values, verdict) &&
      score(subject, all, CW_CHECK_N_DECISIONS, &second, &more_values, verdict)) {
    if (memcmp(first, second, n_logits * sizeof(float)) != 0 ||
        memcmp(values, more_values, CW_CHECK_N_DECISIONS * sizeof(float)) != 0)
      cw_verdict_fail(verdict, "the same batch scored twice gives different numbers");
    memset(second, 0, n_logits * sizeof(float));
    if (!cw_policy_score(subject->policy, all, CW_CHECK_N_DECISIONS, second, NULL, &error))
      cw_verdict_fail_error(verdict, &error);
    else if (memcmp(first, second, n_logits * sizeof(float)) != 0)
      cw_verdict_fail(verdict, "the logits change when no values are asked for");
  }
  g_free(first);
  g_free(second);
  g_free(values);
  g_free(more_values);
}

/* All decisions several times over, in an order that mixes them. */
static void check_batches(CwSuite *suite, CwVerdict *verdict)
{
  CwPolicySubject *subject = suite->subject;
  const CwDecision *batch[N_REPEATS * CW_CHECK_N_DECISIONS];
  float *logits = NULL, *values = NULL, *at;
  for (guint i = 0; i < G_N_ELEMENTS(batch); i++)
    batch[i] = subject->decisions.all[i * 4 % CW_CHECK_N_DECISIONS];
  if (score(subject, batch, G_N_ELEMENTS(batch), &logits, &values, verdict)) {
    at = logits;
    for (guint i = 0; i < G_N_ELEMENTS(batch); at += batch[i++]->n_candidates)
      compare(subject, batch[i], at, values[i], "in a large batch", verdict);
  }
  g_free(logits);
  g_free(values);
}

static void check_order(CwSuite *suite, CwVerdict *verdict)
{
  CwPolicySubject *subject = suite->subject;
  const CwDecision *batch[CW_CHECK_N_DECISIONS];
  float *logits = NULL, *values = NULL, *at;
  for (guint i = 0; i < G_N_ELEMENTS(batch); i++)
    batch[i] = subject->decisions.all[CW_CHECK_N_DECISIONS - 1 - i];
  if (score(subject, batch, G_N_ELEMENTS(batch), &logits, &values, verdict)) {
    at = logits;
    for (guint i = 0; i < G_N_ELEMENTS(batch); at += batch[i++]->n_candidates)
      compare(subject, batch[i], at, values[i], "in a batch in reverse order", verdict);
  }
  g_free(logits);
  g_free(values);
}

/* Unusual decisions, each alone: they must be scored, and finite. */
static void check_decision(CwSuite *suite, guint index, CwVerdict *verdict)
{
  CwPolicySubject *subject = suite->subject;
  float *logits = NULL, *values = NULL;
  score(subject, &subject->decisions.all[index], 1, &logits, &values, verdict);
  g_free(logits);
  g_free(values);
}

static void check_single_candidate(CwSuite *suite, CwVerdict *verdict)
{
  check_decision(suite, CW_CHECK_N_PLAIN, verdict);
}

static void check_empty_texts(CwSuite *suite, CwVerdict *verdict)
{
  check_decision(suite, CW_CHECK_N_PLAIN + 1, verdict);
}

static void check_long_text(CwSuite *suite, CwVerdict *verdict)
{
  check_decision(suite, CW_CHECK_N_PLAIN + 2, verdict);
}

static void check_beyond_ascii(CwSuite *suite, CwVerdict *verdict)
{
  check_decision(suite, CW_CHECK_N_PLAIN + 3, verdict);
}

static void check_values(CwSuite *suite, CwVerdict *verdict)
{
  CwPolicySubject *subject = suite->subject;
  float logits[8], value = 7;
  GError *error = NULL;
  if (!cw_policy_score(subject->policy, subject->decisions.all, 1, logits, &value, &error))
    cw_verdict_fail_error(verdict, &error);
  else if (value == 7)
    cw_verdict_fail(verdict, "score did not fill the value");
  else if ((suite->feature->capabilities & CW_POLICY_VALUES) == 0 && value != 0)
    cw_verdict_fail(verdict, "expected a value of 0 without CW_POLICY_VALUES, found %g", value);
}

static void check_tokens(CwSuite *suite, CwVerdict *verdict)
{
  CwPolicySubject *subject = suite->subject;
  for (guint i = 0; i < CW_CHECK_N_DECISIONS; i++) {
    const CwDecision *decision = subject->decisions.all[i];
    guint n = cw_policy_count_tokens(subject->policy, decision);
    if (n != cw_policy_count_tokens(subject->policy, decision))
      cw_verdict_fail(verdict, "count_tokens gives two answers for \"%.40s\"", decision->observation);
    if (n == 0 && decision->observation[0] != '\0')
      cw_verdict_fail(verdict, "count_tokens finds nothing in \"%.40s\"", decision->observation);
  }
}

void cw_check_policy(CwSuite *suite)
{
  static const CwCheck checks[] = {
      {"opens", open_subject},
      {"describes_itself_in_pairs", check_description},
      {"scores_alike_when_repeated", check_repetition},
      {"batch_does_not_change_scores", check_batches},
      {"order_does_not_change_scores", check_order},
      {"one_candidate_is_scored", check_single_candidate},
      {"empty_texts_are_scored", check_empty_texts},
      {"long_text_is_scored", check_long_text},
      {"text_beyond_ascii_is_scored", check_beyond_ascii},
      {"values_are_filled", check_values},
      {"tokens_are_counted", check_tokens},
      {"gradients_match_finite_differences", cw_check_gradients},
      {"gradients_add_up", cw_check_gradients_add_up},
      {"training_lowers_the_loss", cw_check_training_lowers_loss},
      {"step_clears_the_gradients", cw_check_step_clears_gradients},
      {"step_clips_to_the_norm", cw_check_clipping},
      {"bad_gradient_changes_no_weight", cw_check_bad_gradient},
      {"save_and_load_keep_every_bit", cw_check_save_and_load},
      {"failed_load_changes_nothing", cw_check_failed_load},
      {"saved_model_opens", cw_check_saved_model_opens},
      {"frozen_clone_stays_as_it_is", cw_check_clone},
      {"policies_do_not_disturb_each_other", cw_check_policies_apart},
  };
  CwPolicySubject subject = {.policy = NULL};

  suite->subject = &subject;
  cw_check_decisions_init(&subject.decisions);
  cw_suite_run(suite, checks, G_N_ELEMENTS(checks));
  cw_policy_close(subject.policy);
  cw_check_decisions_clear(&subject.decisions);
}
