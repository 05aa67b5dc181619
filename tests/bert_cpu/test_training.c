/* The optimiser on the policy: what moves, what stays, and what happens to gradients that are not finite. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "fixture.h"
#include <cartwright/cartwright.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

static void test_frozen_layers_stay_and_the_rest_moves(void **state)
{
  (void)state;
  for (gint64 frozen = -1; frozen <= 2; frozen++) {
    BertOptions options = fixture_options();
    options.freeze_layers = frozen;
    options.weight_decay = 0.1;
    options.dropout = 0.1;
    FixtureDecisions decisions = fixture_decisions(6);
    BertPolicy *policy = fixture_open(&options, 4);
    const BertLayout *layout = policy->shared->layout;
    float *before = g_memdup2(cpu_of(policy)->weights->block, layout->n_floats * sizeof(float));
    fixture_accumulate(policy, &decisions, 1);
    assert_true(bert_policy_step(policy, 0.01, 0, NULL, NULL));
    for (guint t = 0; t < layout->n_tensors; t++) {
      const BertTensorInfo *tensor = &layout->tensors[t];
      gboolean same = memcmp(before + tensor->offset, cpu_of(policy)->weights->block + tensor->offset,
                             tensor->n_elements * sizeof(float)) == 0;
      if (same != (tensor->layer < frozen))
        fail_msg("%s with %d frozen layers: %s", tensor->name, (int)frozen, same ? "stayed" : "moved");
    }
    g_free(before);
    bert_policy_close(policy);
    fixture_decisions_clear(&decisions);
  }
}

static void test_words_that_never_occurred_only_decay(void **state)
{
  (void)state;
  for (int decays = 0; decays < 2; decays++) {
    BertOptions options = fixture_options();
    options.weight_decay = decays ? 0.1 : 0;
    FixtureDecisions decisions = fixture_decisions(6);
    BertPolicy *policy = fixture_open(&options, 4);
    gsize h = policy->shared->layout->config.hidden_size;
    guint32 unused = 4; /* [MASK] */
    float *row = cpu_of(policy)->weights->word_embeddings + unused * h,
          *before = g_memdup2(row, h * sizeof *row);
    fixture_accumulate(policy, &decisions, 1);
    assert_true(bert_policy_step(policy, 0.01, 0, NULL, NULL));
    for (gsize i = 0; i < h; i++)
      assert_true(row[i] == (decays ? before[i] * (1 - 0.01f * 0.1f) : before[i]));
    g_free(before);
    bert_policy_close(policy);
    fixture_decisions_clear(&decisions);
  }
}

static void test_words_that_occurred_before_keep_their_momentum(void **state)
{
  (void)state;
  BertOptions options = fixture_options();
  BertPolicy *policy = fixture_open(&options, 4);
  const char *candidates[] = {"red", "blue"};
  CwDecision with = {sizeof with, "shirt", candidates, 2}, without = {sizeof without, "size", candidates, 2};
  const CwDecision *one = &with, *other = &without;
  guint32 id;
  assert_true(bert_tokenizer_id(policy->shared->folder.tokenizer, "shirt", &id));
  gsize h = policy->shared->layout->config.hidden_size;
  float logits[2], value, d_logits[] = {1, -1}, d_value = 1,
                          *row = cpu_of(policy)->weights->word_embeddings + id * h;
  assert_true(bert_policy_forward(policy, &one, 1, TRAINING, logits, &value, NULL));
  assert_true(bert_policy_backward(policy, d_logits, &d_value, NULL));
  assert_true(bert_policy_step(policy, 0.01, 0, NULL, NULL));
  float *before = g_memdup2(row, h * sizeof *row);
  assert_true(bert_policy_forward(policy, &other, 1, TRAINING, logits, &value, NULL));
  assert_true(bert_policy_backward(policy, d_logits, &d_value, NULL));
  assert_true(bert_policy_step(policy, 0.01, 0, NULL, NULL));
  assert_memory_not_equal(before, row, h * sizeof *row);
  g_free(before);
  bert_policy_close(policy);
}

static void test_micro_batches_add_up(void **state)
{
  (void)state;
  BertOptions options = fixture_options();
  FixtureDecisions decisions = fixture_decisions(8);
  BertPolicy *whole = fixture_open(&options, 4), *parts = fixture_open(&options, 4);
  float *d_logits = fixture_floats(decisions.n_logits, 1), *d_values = fixture_floats(8, 2);
  float *logits = g_new(float, decisions.n_logits), values[8];
  assert_true(bert_policy_forward(whole, decisions.decisions, 8, TRAINING, logits, values, NULL));
  assert_true(bert_policy_backward(whole, d_logits, d_values, NULL));
  for (guint d = 0, first = 0; d < 8; d++) {
    assert_true(bert_policy_forward(parts, &decisions.decisions[d], 1, TRAINING, logits, values, NULL));
    assert_true(bert_policy_backward(parts, d_logits + first, d_values + d, NULL));
    first += decisions.decisions[d]->n_candidates;
  }
  double whole_norm, parts_norm;
  assert_true(bert_policy_step(whole, 0.001, 0, &whole_norm, NULL));
  assert_true(bert_policy_step(parts, 0.001, 0, &parts_norm, NULL));
  assert_true(whole_norm > 0 && fabs(whole_norm - parts_norm) <= 1e-4 * whole_norm);
  g_free(d_logits);
  g_free(d_values);
  g_free(logits);
  bert_policy_close(whole);
  bert_policy_close(parts);
  fixture_decisions_clear(&decisions);
}

static void test_training_learns_to_choose(void **state)
{
  (void)state;
  BertOptions options = fixture_options();
  options.threads = 2;
  BertPolicy *policy = fixture_open(&options, 4);
  const char *candidates[] = {"red", "blue", "now"};
  CwDecision first = {sizeof first, "buy red", candidates, 3},
             second = {sizeof second, "buy blue", candidates, 3};
  const CwDecision *decisions[] = {&first, &second};
  float logits[6], probabilities[6];
  for (int i = 0; i < 150; i++) {
    assert_true(bert_policy_forward(policy, decisions, 2, TRAINING, logits, NULL, NULL));
    for (int d = 0; d < 2; d++) {
      cw_log_softmax(logits + 3 * d, 3, probabilities + 3 * d);
      for (int k = 0; k < 3; k++)
        probabilities[3 * d + k] = expf(probabilities[3 * d + k]) - (k == d);
    }
    assert_true(bert_policy_backward(policy, probabilities, NULL, NULL));
    assert_true(bert_policy_step(policy, 0.003, 1, NULL, NULL));
  }
  assert_true(bert_policy_score(policy, decisions, 2, logits, NULL, NULL));
  assert_true(logits[0] > logits[1] + 2 && logits[0] > logits[2] + 2);
  assert_true(logits[4] > logits[3] + 2 && logits[4] > logits[5] + 2);
  bert_policy_close(policy);
}

static void test_a_gradient_that_is_not_finite_is_named_and_changes_nothing(void **state)
{
  (void)state;
  BertOptions options = fixture_options();
  FixtureDecisions decisions = fixture_decisions(3);
  BertPolicy *policy = fixture_open(&options, 4), *untouched = fixture_open(&options, 4);
  for (int i = 0; i < 2; i++)
    fixture_accumulate(i ? policy : untouched, &decisions, 1);
  assert_true(bert_policy_step(policy, 0.01, 0, NULL, NULL));
  assert_true(bert_policy_step(untouched, 0.01, 0, NULL, NULL));
  fixture_accumulate(policy, &decisions, 2);
  cpu_of(policy)->optimizer->gradient->layers[1].intermediate_weight[5] = NAN;
  cpu_of(policy)->optimizer->gradient->linear_1_weight[3] = INFINITY;
  GError *error = NULL;
  double norm;
  assert_false(bert_policy_step(policy, 0.01, 1, &norm, &error));
  fixture_assert_message(
      error, CW_ERROR_NUMERIC,
      "the gradient of tensor 'bert.encoder.layer.1.intermediate.dense.weight' is not finite (element 5 is "
      "nan): no weight was changed; try a smaller learning rate");
  assert_false(isfinite(norm));
  fixture_assert_same_state(policy, untouched);
  /* The bad gradient is gone: training can go on. */
  fixture_accumulate(policy, &decisions, 3);
  assert_true(bert_policy_step(policy, 0.01, 1, NULL, NULL));
  bert_policy_close(policy);
  bert_policy_close(untouched);
  fixture_decisions_clear(&decisions);
}

static void test_clipping_bounds_the_norm_and_reports_it(void **state)
{
  (void)state;
  BertOptions options = fixture_options();
  options.beta1 = 0; /* moment1 is then the clipped gradient */
  FixtureDecisions decisions = fixture_decisions(3);
  BertPolicy *policy = fixture_open(&options, 4);
  fixture_accumulate(policy, &decisions, 1);
  const BertLayout *layout = policy->shared->layout;
  double expected = sqrt(cpu_of(policy)->kernels->sum_of_squares(layout->n_floats,
                                                                 cpu_of(policy)->optimizer->gradient->block)),
         norm;
  assert_true(bert_policy_step(policy, 0.001, expected / 4, &norm, NULL));
  assert_true(fabs(norm - expected) <= 1e-9 * expected);
  double clipped = sqrt(
      cpu_of(policy)->kernels->sum_of_squares(layout->n_floats, cpu_of(policy)->optimizer->moment1->block));
  assert_true(fabs(clipped - expected / 4) <= 1e-5 * expected);
  bert_policy_close(policy);
  fixture_decisions_clear(&decisions);
}

static void test_head_learning_rate_scale_zero_keeps_the_head(void **state)
{
  (void)state;
  BertOptions options = fixture_options();
  options.head_learning_rate_scale = 0;
  FixtureDecisions decisions = fixture_decisions(3);
  BertPolicy *policy = fixture_open(&options, 4);
  gsize h = policy->shared->layout->config.hidden_size;
  float *head = g_memdup2(cpu_of(policy)->weights->linear_1_weight, 4 * h * h * sizeof(float));
  float *encoder = g_memdup2(cpu_of(policy)->weights->layers[1].output_weight, h * sizeof(float));
  fixture_accumulate(policy, &decisions, 1);
  assert_true(bert_policy_step(policy, 0.01, 0, NULL, NULL));
  assert_memory_equal(head, cpu_of(policy)->weights->linear_1_weight, 4 * h * h * sizeof(float));
  assert_memory_not_equal(encoder, cpu_of(policy)->weights->layers[1].output_weight, h * sizeof(float));
  g_free(head);
  g_free(encoder);
  bert_policy_close(policy);
  fixture_decisions_clear(&decisions);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_frozen_layers_stay_and_the_rest_moves),
      cmocka_unit_test(test_words_that_never_occurred_only_decay),
      cmocka_unit_test(test_words_that_occurred_before_keep_their_momentum),
      cmocka_unit_test(test_micro_batches_add_up),
      cmocka_unit_test(test_training_learns_to_choose),
      cmocka_unit_test(test_a_gradient_that_is_not_finite_is_named_and_changes_nothing),
      cmocka_unit_test(test_clipping_bounds_the_norm_and_reports_it),
      cmocka_unit_test(test_head_learning_rate_scale_zero_keeps_the_head),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
