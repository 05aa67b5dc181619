/* What a result may not depend on: what else is in the batch, whether equal texts are shared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "fixture.h"
#include <cmocka.h>
#include <math.h>
#include <string.h>

static void test_sharing_equal_texts_changes_nothing(void **state)
{
  (void)state;
  FixtureDecisions decisions = fixture_decisions(12);
  BertOptions options = fixture_options();
  options.dropout = 0.2;
  BertPolicy *policies[2];
  float *logits[2], *values[2];
  float *d_logits = fixture_floats(decisions.n_logits, 1), *d_values = fixture_floats(decisions.n, 2);
  for (int i = 0; i < 2; i++) {
    policies[i] = fixture_open(&options, 11);
    fixture_enlarge(policies[i]);
    bert_batch_builder_free(policies[i]->builder);
    policies[i]->builder = bert_batch_builder_new(i == 0);
    logits[i] = g_new(float, decisions.n_logits);
    values[i] = g_new(float, decisions.n);
    assert_true(bert_policy_forward(policies[i], decisions.decisions, decisions.n, TRAINING, logits[i],
                                    values[i], NULL));
    assert_true(bert_policy_backward(policies[i], d_logits, d_values, NULL));
  }
  assert_true(cpu_of(policies[0])->pass.batch->n_rows < cpu_of(policies[1])->pass.batch->n_rows);
  assert_memory_equal(logits[0], logits[1], decisions.n_logits * sizeof(float));
  assert_memory_equal(values[0], values[1], decisions.n * sizeof(float));
  /* The gradients are the same sums in another order. */
  const BertLayout *layout = policies[0]->shared->layout;
  for (guint t = 0; t < layout->n_tensors; t++) {
    gsize offset = layout->tensors[t].offset, n = layout->tensors[t].n_elements;
    double difference = 0, norm = 0;
    for (gsize i = offset; i < offset + n; i++) {
      double shared = cpu_of(policies[0])->optimizer->gradient->block[i],
             apart = cpu_of(policies[1])->optimizer->gradient->block[i];
      difference += (shared - apart) * (shared - apart);
      norm += shared * shared;
    }
    if (!(sqrt(difference) <= 1e-5 * sqrt(norm) + 1e-4))
      fail_msg("%s differs by %g, its norm is %g", layout->tensors[t].name, sqrt(difference), sqrt(norm));
  }
  for (int i = 0; i < 2; i++) {
    bert_policy_close(policies[i]);
    g_free(logits[i]);
    g_free(values[i]);
  }
  g_free(d_logits);
  g_free(d_values);
  fixture_decisions_clear(&decisions);
}

static void test_a_decision_scores_alike_alone_and_in_any_batch(void **state)
{
  (void)state;
  FixtureDecisions decisions = fixture_decisions(30);
  BertOptions options = fixture_options();
  options.threads = 2;
  for (int round = 0; round < 3; round++) {
    options.score_batch_tokens = round == 0 ? 1 : round == 1 ? 100 : 100000; /* batches of one, some, all */
    BertPolicy *policy = fixture_open(&options, 3);
    fixture_enlarge(policy);
    float *logits = g_new(float, decisions.n_logits), *values = g_new(float, decisions.n);
    assert_true(bert_policy_score(policy, decisions.decisions, decisions.n, logits, values, NULL));
    for (guint d = 0, first = 0; d < decisions.n; d++) {
      float alone[8], value;
      guint n = decisions.decisions[d]->n_candidates;
      assert_true(bert_policy_score(policy, &decisions.decisions[d], 1, alone, &value, NULL));
      assert_memory_equal(alone, logits + first, n * sizeof *alone);
      assert_memory_equal(&value, values + d, sizeof value);
      first += n;
    }
    g_free(logits);
    g_free(values);
    bert_policy_close(policy);
  }
  fixture_decisions_clear(&decisions);
}

static void test_score_without_values_is_the_same(void **state)
{
  (void)state;
  FixtureDecisions decisions = fixture_decisions(5);
  BertOptions options = fixture_options();
  BertPolicy *policy = fixture_open(&options, 3);
  float *with = g_new(float, decisions.n_logits), *without = g_new(float, decisions.n_logits), values[5];
  assert_true(bert_policy_score(policy, decisions.decisions, 5, with, values, NULL));
  assert_true(bert_policy_score(policy, decisions.decisions, 5, without, NULL, NULL));
  assert_memory_equal(with, without, decisions.n_logits * sizeof *with);
  g_free(with);
  g_free(without);
  bert_policy_close(policy);
  fixture_decisions_clear(&decisions);
}

static void test_forward_without_dropout_gives_what_score_gives(void **state)
{
  (void)state;
  FixtureDecisions decisions = fixture_decisions(9);
  BertOptions options = fixture_options();
  options.threads = 2;
  BertPolicy *policy = fixture_open(&options, 3);
  fixture_enlarge(policy);
  float *scored = g_new(float, decisions.n_logits), *forwarded = g_new(float, decisions.n_logits);
  float scored_values[9], forwarded_values[9];
  assert_true(bert_policy_score(policy, decisions.decisions, 9, scored, scored_values, NULL));
  assert_true(
      bert_policy_forward(policy, decisions.decisions, 9, TRAINING, forwarded, forwarded_values, NULL));
  assert_memory_equal(scored, forwarded, decisions.n_logits * sizeof *scored);
  assert_memory_equal(scored_values, forwarded_values, sizeof scored_values);
  g_free(scored);
  g_free(forwarded);
  bert_policy_close(policy);
  fixture_decisions_clear(&decisions);
}

static void test_dropout_masks_differ_between_steps_and_repeat_with_the_seed(void **state)
{
  (void)state;
  FixtureDecisions decisions = fixture_decisions(4);
  BertOptions options = fixture_options();
  options.dropout = 0.3;
  float *first[2], *second[2];
  for (int i = 0; i < 2; i++) {
    BertPolicy *policy = fixture_open(&options, 8);
    first[i] = g_new(float, decisions.n_logits);
    second[i] = g_new(float, decisions.n_logits);
    assert_true(bert_policy_forward(policy, decisions.decisions, 4, TRAINING, first[i], NULL, NULL));
    const CwForward next = {.struct_size = sizeof next, .step = 1, .dropout = TRUE};
    assert_true(bert_policy_forward(policy, decisions.decisions, 4, &next, second[i], NULL, NULL));
    bert_policy_close(policy);
  }
  assert_memory_equal(first[0], first[1], decisions.n_logits * sizeof(float));
  assert_memory_equal(second[0], second[1], decisions.n_logits * sizeof(float));
  assert_memory_not_equal(first[0], second[0], decisions.n_logits * sizeof(float));
  for (int i = 0; i < 2; i++) {
    g_free(first[i]);
    g_free(second[i]);
  }
  fixture_decisions_clear(&decisions);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_sharing_equal_texts_changes_nothing),
      cmocka_unit_test(test_a_decision_scores_alike_alone_and_in_any_batch),
      cmocka_unit_test(test_score_without_values_is_the_same),
      cmocka_unit_test(test_forward_without_dropout_gives_what_score_gives),
      cmocka_unit_test(test_dropout_masks_differ_between_steps_and_repeat_with_the_seed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
