/* bf16 compared with f32, and layers computed again with layers kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "fixture.h"
#include <cartwright/cartwright.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

/* Two rounds of forward, backward and step, then the gradient of a third. */
static BertPolicy *train(const BertOptions *options, const FixtureDecisions *decisions)
{
  BertPolicy *policy = fixture_open(options, 11);
  fixture_enlarge(policy);
  for (guint64 round = 0; round < 3; round++) {
    if (round > 0)
      assert_true(bert_policy_step(policy, 0.003, 1, NULL, NULL));
    fixture_accumulate(policy, decisions, round);
  }
  return policy;
}

static void test_computing_layers_again_gives_the_same_bits(void **state)
{
  (void)state;
  FixtureDecisions decisions = fixture_decisions(12);
  for (int precision = BERT_PRECISION_F32; precision <= BERT_PRECISION_BF16; precision++)
    for (gint64 frozen = -1; frozen <= 2; frozen++) {
      BertOptions options = fixture_options();
      options.dropout = 0.2;
      options.precision = precision;
      options.freeze_layers = frozen;
      BertPolicy *kept = train(&options, &decisions);
      options.recompute = BERT_RECOMPUTE_LAYER;
      BertPolicy *again = train(&options, &decisions);
      fixture_assert_same_state(kept, again);
      if (frozen < 1)
        assert_true(bert_workspace_used(cpu_of(again)->workspace) <
                    bert_workspace_used(cpu_of(kept)->workspace));
      bert_policy_close(kept);
      bert_policy_close(again);
    }
  fixture_decisions_clear(&decisions);
}

static void test_bf16_is_the_same_bits_for_any_number_of_threads(void **state)
{
  (void)state;
  FixtureDecisions decisions = fixture_decisions(24);
  BertOptions options = fixture_options();
  options.dropout = 0.2;
  options.precision = BERT_PRECISION_BF16;
  BertPolicy *one = train(&options, &decisions);
  for (options.threads = 2; options.threads <= 4; options.threads++) {
    options.recompute = options.threads == 3 ? BERT_RECOMPUTE_LAYER : BERT_RECOMPUTE_NONE;
    BertPolicy *more = train(&options, &decisions);
    fixture_assert_same_state(one, more);
    bert_policy_close(more);
  }
  bert_policy_close(one);
  fixture_decisions_clear(&decisions);
}

static double norm_of_difference(const float *x, const float *y, gsize n)
{
  double total = 0;
  for (gsize i = 0; i < n; i++)
    total += pow((double)x[i] - (y ? (double)y[i] : 0), 2);
  return sqrt(total);
}

/* A bf16 number is within 2^-9 of what it rounds. `tolerance` is what that may grow to on the way, relative
 * to the spread of the logits and to the norm of a gradient tensor. */
static void check_near(gboolean enlarged, double logit_tolerance, double gradient_tolerance)
{
  FixtureDecisions decisions = fixture_decisions(12);
  BertOptions options = fixture_options();
  options.dropout = 0.2; /* the masks are the same */
  BertPolicy *policies[2];
  float *logits[2], values[2][12], *d_logits = fixture_floats(decisions.n_logits, 1),
                                   *d_values = fixture_floats(12, 2);
  for (int i = 0; i < 2; i++) {
    options.precision = i == 0 ? BERT_PRECISION_F32 : BERT_PRECISION_BF16;
    policies[i] = fixture_open(&options, 5);
    if (enlarged)
      fixture_enlarge(policies[i]);
    logits[i] = g_new(float, decisions.n_logits);
    assert_true(
        bert_policy_forward(policies[i], decisions.decisions, 12, TRAINING, logits[i], values[i], NULL));
    assert_true(bert_policy_backward(policies[i], d_logits, d_values, NULL));
  }
  assert_string_equal(policies[1]->description[7], "bf16");
  double mean = 0, spread = 0;
  for (guint i = 0; i < decisions.n_logits; i++)
    mean += logits[0][i] / decisions.n_logits;
  for (guint i = 0; i < decisions.n_logits; i++)
    spread += pow(logits[0][i] - mean, 2);
  double error = norm_of_difference(logits[0], logits[1], decisions.n_logits);
  if (!(error > 0 && error <= logit_tolerance * sqrt(spread)))
    fail_msg("logits are off by %g, their spread is %g", error, sqrt(spread));
  const BertLayout *layout = policies[0]->shared->layout;
  for (guint t = 0; t < layout->n_tensors; t++) {
    gsize offset = layout->tensors[t].offset, n = layout->tensors[t].n_elements;
    const float *expected = cpu_of(policies[0])->optimizer->gradient->block + offset;
    double norm = norm_of_difference(expected, NULL, n);
    error = norm_of_difference(expected, cpu_of(policies[1])->optimizer->gradient->block + offset, n);
    /* Gradients of key biases and of linear_2's bias are zero but for rounding. */
    if (norm > 1e-3 && !(error <= gradient_tolerance * norm))
      fail_msg("%s is off by %g of its norm", layout->tensors[t].name, error / norm);
  }
  for (int i = 0; i < 2; i++) {
    bert_policy_close(policies[i]);
    g_free(logits[i]);
  }
  g_free(d_logits);
  g_free(d_values);
  fixture_decisions_clear(&decisions);
}

static void test_bf16_logits_and_gradients_are_near_those_of_f32(void **state)
{
  (void)state;
  check_near(FALSE, 0.01, 0.01);
}

static void test_bf16_stays_near_f32_where_weights_are_ten_times_as_large(void **state)
{
  (void)state;
  check_near(TRUE, 0.03, 0.15);
}

static void test_bf16_scores_what_forward_gives(void **state)
{
  (void)state;
  FixtureDecisions decisions = fixture_decisions(9);
  BertOptions options = fixture_options();
  options.precision = BERT_PRECISION_BF16;
  options.threads = 2;
  BertPolicy *policy = fixture_open(&options, 3), *clone = bert_policy_clone_frozen(policy, NULL);
  float *scored = g_new(float, decisions.n_logits), *forwarded = g_new(float, decisions.n_logits);
  float *cloned = g_new(float, decisions.n_logits);
  assert_true(bert_policy_score(policy, decisions.decisions, 9, scored, NULL, NULL));
  assert_true(bert_policy_forward(policy, decisions.decisions, 9, TRAINING, forwarded, NULL, NULL));
  assert_true(bert_policy_score(clone, decisions.decisions, 9, cloned, NULL, NULL));
  assert_memory_equal(scored, forwarded, decisions.n_logits * sizeof *scored);
  assert_memory_equal(scored, cloned, decisions.n_logits * sizeof *scored);
  g_free(scored);
  g_free(forwarded);
  g_free(cloned);
  bert_policy_close(policy);
  bert_policy_close(clone);
  fixture_decisions_clear(&decisions);
}

enum { UPDATES = 40 };

/* Behaviour cloning of the first candidate, in two halves of the decisions by turns; the loss of every
 * update. */
static void clone_behaviour(gint precision, guint32 seed, const FixtureDecisions *decisions,
                            double losses[UPDATES])
{
  BertOptions options = fixture_options();
  options.precision = precision;
  options.dropout = 0.1;
  BertPolicy *policy = fixture_open(&options, seed);
  float *logits = g_new(float, decisions->n_logits);
  for (guint update = 0; update < UPDATES; update++) {
    guint bf16 = decisions->n / 2, n_logits = 0;
    const CwDecision **part = decisions->decisions + update % 2 * bf16;
    assert_true(bert_policy_forward(policy, part, bf16, TRAINING, logits, NULL, NULL));
    losses[update] = 0;
    for (guint d = 0; d < bf16; d++) {
      guint n = part[d]->n_candidates, expert = d % n;
      float *row = logits + n_logits;
      cw_log_softmax(row, n, row);
      losses[update] -= row[expert] / bf16;
      for (guint k = 0; k < n; k++)
        row[k] = (expf(row[k]) - (k == expert)) / (float)bf16;
      n_logits += n;
    }
    assert_true(bert_policy_backward(policy, logits, NULL, NULL));
    assert_true(bert_policy_step(policy, 0.002, 1, NULL, NULL));
  }
  g_free(logits);
  bert_policy_close(policy);
}

static void test_the_loss_curve_of_bf16_is_within_the_spread_of_seeds(void **state)
{
  (void)state;
  enum { SEEDS = 4 };
  FixtureDecisions decisions = fixture_decisions(24);
  double losses[2][SEEDS][UPDATES];
  for (int precision = 0; precision < 2; precision++)
    for (guint32 seed = 0; seed < SEEDS; seed++)
      clone_behaviour(precision, seed + 1, &decisions, losses[precision][seed]);
  assert_true(losses[0][0][UPDATES - 1] < 0.7 * losses[0][0][0]); /* something is learnt */
  double precision_difference = 0, seed_difference = 0;
  for (guint update = 0; update < UPDATES; update++)
    for (guint s = 0; s < SEEDS; s++) {
      precision_difference += fabs(losses[1][s][update] - losses[0][s][update]) / SEEDS;
      seed_difference += fabs(losses[0][(s + 1) % SEEDS][update] - losses[0][s][update]) / SEEDS;
    }
  assert_true(precision_difference > 0);
  if (!(precision_difference < 0.5 * seed_difference))
    fail_msg("bf16 is off by %g an update, two seeds by %g", precision_difference / UPDATES,
             seed_difference / UPDATES);
  fixture_decisions_clear(&decisions);
}

/* The choice is the table's, and the policy says so. */
static void test_auto_takes_what_is_faster_on_the_kind_of_processor(void **state)
{
  (void)state;
  BertOptions options = fixture_options();
  const char *reason;
  gboolean bf16 = bert_kernels_prefer_bf16(bert_kernels(), &reason);
  options.precision = BERT_PRECISION_AUTO;
  BertPolicy *policy = fixture_open(&options, 3);
  assert_string_equal(policy->description[6], "precision");
  assert_string_equal(policy->description[7], bf16 ? "bf16" : "f32");
  assert_string_equal(policy->description[8], "precision_reason");
  assert_string_equal(policy->description[9], reason);
  bert_policy_close(policy);
  options.instruction_set = 5; /* generic */
  policy = fixture_open(&options, 3);
  assert_string_equal(policy->description[7], "f32");
  bert_policy_close(policy);
}

static void test_bf16_is_preferred_only_where_it_is_faster(void **state)
{
  (void)state;
  static const struct {
    const char *name;
    gboolean bf16;
    const char *reason;
  } cases[] = {
      {"amx", TRUE, "AMX multiplies bf16 numbers many times as fast as floats"},
      {"avx512", FALSE, "bf16 numbers are widened to floats here, which takes longer and saves memory only"},
      {"avx2", FALSE, "bf16 numbers are widened to floats here, which takes longer and saves memory only"}};
  const char *reason;
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    BertKernels kernels = {.name = cases[i].name};
    assert_int_equal(bert_kernels_prefer_bf16(&kernels, &reason), cases[i].bf16);
    assert_string_equal(reason, cases[i].reason);
  }
}

static guint n_said;

static void listen(const char *domain G_GNUC_UNUSED, GLogLevelFlags level, const char *message,
                   gpointer user_data G_GNUC_UNUSED)
{
  assert_int_equal(level & G_LOG_LEVEL_MASK, G_LOG_LEVEL_MESSAGE);
  assert_string_equal(message, "policy bert_cpu: 'precision: bf16' is slower than f32 here: bf16 numbers are "
                               "widened to floats here, which takes longer and saves memory only; "
                               "'precision: auto' would take f32");
  n_said++;
}

/* Runs first: a process says it once. */
static void test_a_slow_precision_is_named_once(void **state)
{
  (void)state;
  BertOptions options = fixture_options();
  options.precision = BERT_PRECISION_BF16;
  options.instruction_set = 5; /* generic */
  GLogFunc handler = g_log_set_default_handler(listen, NULL);
  for (guint i = 0; i < 2; i++)
    bert_policy_close(fixture_open(&options, 3));
  g_log_set_default_handler(handler, NULL);
  assert_int_equal(n_said, 1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_slow_precision_is_named_once),
      cmocka_unit_test(test_computing_layers_again_gives_the_same_bits),
      cmocka_unit_test(test_bf16_is_the_same_bits_for_any_number_of_threads),
      cmocka_unit_test(test_bf16_logits_and_gradients_are_near_those_of_f32),
      cmocka_unit_test(test_bf16_stays_near_f32_where_weights_are_ten_times_as_large),
      cmocka_unit_test(test_bf16_scores_what_forward_gives),
      cmocka_unit_test(test_the_loss_curve_of_bf16_is_within_the_spread_of_seeds),
      cmocka_unit_test(test_auto_takes_what_is_faster_on_the_kind_of_processor),
      cmocka_unit_test(test_bf16_is_preferred_only_where_it_is_faster),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
