/* The conformance suite of policies: scoring here, training in check_training.c. The suite keeps one policy
 * open for scoring; checks that change a policy open their own. */
#include "conformance/check_policy.h"
#include "core/plugin/errors.h"

#include <math.h>
#include <string.h>

#define BATCH_TOLERANCE 1e-4 /* relative to the largest logit of the decision */
#define N_REPEATS       5    /* how often all decisions stand in the large batch */

/* What a batch got. */
typedef struct {
  float *logits, *values;
} Scores;

static void scores_clear(Scores *scores)
{
  g_free(scores->logits);
  g_free(scores->values);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Scores, scores_clear)

/* Scores a batch; FALSE with the verdict failed. */
static gboolean score(CwSuite *suite, const CwDecision *const *decisions, guint n, Scores *scores,
                      CwVerdict *verdict)
{
  *scores = (Scores){g_new0(float, cw_count_logits(decisions, n)), g_new0(float, n)};
  return cw_verdict_check(verdict, cw_policy_score(suite->subject, decisions, n, scores->logits,
                                                   scores->values, &verdict->error));
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
static void compare(CwSuite *suite, const CwDecision *decision, const float *logits, float value,
                    const char *where, CwVerdict *verdict)
{
  g_auto(Scores) alone;
  if (!score(suite, &decision, 1, &alone, verdict))
    return;
  if (!close_enough(alone.logits, logits, decision->n_candidates))
    cw_verdict_fail(verdict,
                    "the logits of \"%.40s\" %s differ from those it gets alone by more than %g of the "
                    "largest: logit 0 is %.9g instead of %.9g",
                    decision->observation, where, BATCH_TOLERANCE, logits[0], alone.logits[0]);
  if (!close_enough(alone.values, &value, 1))
    cw_verdict_fail(verdict, "the value of \"%.40s\" %s is %.9g instead of %.9g alone", decision->observation,
                    where, value, alone.values[0]);
}

static void compare_batch(CwSuite *suite, const CwDecision *const *batch, guint n, const char *where,
                          CwVerdict *verdict)
{
  g_auto(Scores) scores;
  if (!score(suite, batch, n, &scores, verdict))
    return;
  const float *logits = scores.logits;
  for (guint i = 0; i < n; logits += batch[i++]->n_candidates)
    compare(suite, batch[i], logits, scores.values[i], where, verdict);
}

static void open_subject(CwSuite *suite, CwVerdict *verdict)
{
  suite->subject = cw_check_open_policy(suite, verdict);
}

static void check_description(CwSuite *suite, CwVerdict *verdict)
{
  cw_check_description(cw_policy_describe(suite->subject), verdict);
  CwSlotCall call = cw_slot_begin(suite->feature, "close(NULL)");
  suite->feature->vtable.policy->close(NULL);
  cw_slot_leave(&call);
}

static void check_repetition(CwSuite *suite, CwVerdict *verdict)
{
  const CwDecision *const *all = cw_check_decisions();
  gsize size = cw_count_logits(all, CW_CHECK_N_DECISIONS) * sizeof(float);
  g_auto(Scores) first, second;
  gboolean scored = score(suite, all, CW_CHECK_N_DECISIONS, &first, verdict);
  if (!score(suite, all, CW_CHECK_N_DECISIONS, &second, verdict) || !scored)
    return;
  if (memcmp(first.logits, second.logits, size) != 0 ||
      memcmp(first.values, second.values, CW_CHECK_N_DECISIONS * sizeof(float)) != 0)
    cw_verdict_fail(verdict, "the same batch scored twice gives different numbers");
  memset(second.logits, 0, size);
  if (cw_verdict_check(verdict, cw_policy_score(suite->subject, all, CW_CHECK_N_DECISIONS, second.logits,
                                                NULL, &verdict->error)) &&
      memcmp(first.logits, second.logits, size) != 0)
    cw_verdict_fail(verdict, "the logits change when no values are asked for");
}

/* All decisions several times over, in an order that mixes them. */
static void check_batches(CwSuite *suite, CwVerdict *verdict)
{
  const CwDecision *batch[N_REPEATS * CW_CHECK_N_DECISIONS];
  for (guint i = 0; i < G_N_ELEMENTS(batch); i++)
    batch[i] = cw_check_decisions()[i * 4 % CW_CHECK_N_DECISIONS];
  compare_batch(suite, batch, G_N_ELEMENTS(batch), "in a large batch", verdict);
}

static void check_order(CwSuite *suite, CwVerdict *verdict)
{
  const CwDecision *batch[CW_CHECK_N_DECISIONS];
  for (guint i = 0; i < G_N_ELEMENTS(batch); i++)
    batch[i] = cw_check_decisions()[CW_CHECK_N_DECISIONS - 1 - i];
  compare_batch(suite, batch, G_N_ELEMENTS(batch), "in a batch in reverse order", verdict);
}

/* Unusual decisions, each alone: they must be scored, and finite. */
static void check_decision(CwSuite *suite, guint index, CwVerdict *verdict)
{
  g_auto(Scores) scores;
  score(suite, &cw_check_decisions()[index], 1, &scores, verdict);
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
  float logits[8], value = 7;
  if (!cw_verdict_check(
          verdict, cw_policy_score(suite->subject, cw_check_decisions(), 1, logits, &value, &verdict->error)))
    return;
  if (value == 7)
    cw_verdict_fail(verdict, "score did not fill the value");
  else if (!cw_suite_can(suite, CW_POLICY_VALUES) && value != 0)
    cw_verdict_fail(verdict, "expected a value of 0 without CW_POLICY_VALUES, found %g", value);
}

static void check_tokens(CwSuite *suite, CwVerdict *verdict)
{
  for (guint i = 0; i < CW_CHECK_N_DECISIONS; i++) {
    const CwDecision *decision = cw_check_decisions()[i];
    guint n = cw_policy_count_tokens(suite->subject, decision);
    if (n != cw_policy_count_tokens(suite->subject, decision))
      cw_verdict_fail(verdict, "count_tokens gives two answers for \"%.40s\"", decision->observation);
    if (n == 0 && decision->observation[0] != '\0')
      cw_verdict_fail(verdict, "count_tokens finds nothing in \"%.40s\"", decision->observation);
  }
}

static gboolean trains(CwSuite *suite, CwVerdict *verdict)
{
  return cw_suite_can(suite, CW_POLICY_TRAINS) || cw_verdict_skip(verdict, "it does not train");
}

static gboolean trains_openly(CwSuite *suite, CwVerdict *verdict)
{
  const CwPolicyVtable *vtable = suite->feature->vtable.policy;
  return vtable->visit_tensors && vtable->edit_tensors
             ? trains(suite, verdict)
             : cw_verdict_skip(verdict, "it does not show its tensors and let them be changed");
}

static gboolean acts(CwSuite *suite, CwVerdict *verdict)
{
  return cw_suite_can(suite, CW_POLICY_ACTS) || cw_verdict_skip(verdict, "it does not choose by itself");
}

static gboolean acts_in_words(CwSuite *suite, CwVerdict *verdict)
{
  return cw_suite_can(suite, CW_POLICY_ACTS | CW_POLICY_WORDS) ||
         cw_verdict_skip(verdict, "it does not say how likely an action in words is");
}

static gboolean trains_on_words(CwSuite *suite, CwVerdict *verdict)
{
  return acts_in_words(suite, verdict) && trains_openly(suite, verdict);
}

/* What acts by itself need not have logits. */
static gboolean scores_candidates(CwSuite *suite, CwVerdict *verdict)
{
  g_autofree float *logits = g_new0(float, cw_count_logits(cw_check_decisions(), 1));
  g_autoptr(GError) problem = NULL;
  return !cw_suite_can(suite, CW_POLICY_ACTS) ||
         cw_policy_score(suite->subject, cw_check_decisions(), 1, logits, NULL, &problem) ||
         !g_error_matches(problem, CW_POLICY_ERROR, CW_ERROR_UNSUPPORTED) ||
         cw_verdict_skip(verdict, "it acts without scoring candidates");
}

static gboolean clones(CwSuite *suite, CwVerdict *verdict)
{
  return cw_suite_can(suite, CW_POLICY_CLONES) || cw_verdict_skip(verdict, "it does not clone itself");
}

static gboolean has_model_option(CwSuite *suite, CwVerdict *verdict)
{
  const CwOptionTable *table = &suite->feature->options;
  for (guint i = 0; i < table->n_rows; i++)
    if (strcmp(table->rows[i].name, "model") == 0 && table->rows[i].type == CW_OPTION_PATH)
      return TRUE;
  return cw_verdict_skip(verdict, "it has no option 'model' that is a folder");
}

void cw_check_policy(CwSuite *suite)
{
  static const CwCheck checks[] = {
      {"opens", open_subject, NULL},
      {"describes_itself_in_pairs", check_description, NULL},
      {"scores_alike_when_repeated", check_repetition, scores_candidates},
      {"batch_does_not_change_scores", check_batches, scores_candidates},
      {"order_does_not_change_scores", check_order, scores_candidates},
      {"one_candidate_is_scored", check_single_candidate, scores_candidates},
      {"empty_texts_are_scored", check_empty_texts, scores_candidates},
      {"long_text_is_scored", check_long_text, scores_candidates},
      {"text_beyond_ascii_is_scored", check_beyond_ascii, scores_candidates},
      {"values_are_filled", check_values, scores_candidates},
      {"tokens_are_counted", check_tokens, NULL},
      {"acts_alike_with_equal_streams", cw_check_acts_alike, acts},
      {"greedy_acts_need_no_luck", cw_check_greedy_acts, acts},
      {"acts_as_likely_as_it_says", cw_check_act_log_probabilities, acts_in_words},
      {"gradients_of_words_match_finite_differences", cw_check_word_gradients, trains_on_words},
      {"gradients_match_finite_differences", cw_check_gradients, trains_openly},
      {"gradients_add_up", cw_check_gradients_add_up, trains_openly},
      {"training_lowers_the_loss", cw_check_training_lowers_loss, trains},
      {"step_clears_the_gradients", cw_check_step_clears_gradients, trains_openly},
      {"step_clips_to_the_norm", cw_check_clipping, trains_openly},
      {"bad_gradient_changes_no_weight", cw_check_bad_gradient, trains_openly},
      {"save_and_load_keep_every_bit", cw_check_save_and_load, scores_candidates},
      {"failed_load_changes_nothing", cw_check_failed_load, scores_candidates},
      {"saved_model_opens", cw_check_saved_model_opens, has_model_option},
      {"frozen_clone_stays_as_it_is", cw_check_clone, clones},
      {"policies_do_not_disturb_each_other", cw_check_policies_apart, trains},
  };
  cw_suite_run(suite, checks, G_N_ELEMENTS(checks));
  cw_policy_close(suite->subject);
  suite->subject = NULL;
}
