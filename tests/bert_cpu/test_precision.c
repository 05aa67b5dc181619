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

static void test_bf16_logits_and_gradients_are_near_those_of_f32(void **state)
{
  (void)state;
  fixture_assert_bf16_near_f32(FALSE, 0.01, 0.01);
}

static void test_bf16_stays_near_f32_where_weights_are_ten_times_as_large(void **state)
{
  (void)state;
  fixture_assert_bf16_near_f32(TRUE, 0.03, 0.15);
}

static void test_bf16_scores_what_forward_gives(void **state)
{
  (void)state;
  fixture_assert_bf16_scores_what_forward_gives();
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
