/* The backward pass against finite differences of the forward pass, tensor by tensor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "fixture.h"
#include <cmocka.h>
#include <math.h>
#include <string.h>

typedef struct {
  BertPolicy *policy;
  FixtureDecisions decisions;
  float *d_logits, *d_values;
} Setting;

static Setting setting_new(const BertOptions *options, guint n_decisions)
{
  Setting setting = {.policy = fixture_open(options, 5), .decisions = fixture_decisions(n_decisions)};
  fixture_enlarge(setting.policy);
  setting.d_logits = fixture_floats(setting.decisions.n_logits, 1);
  setting.d_values = fixture_floats(n_decisions, 2);
  return setting;
}

static void setting_clear(Setting *setting)
{
  bert_policy_close(setting->policy);
  fixture_decisions_clear(&setting->decisions);
  g_free(setting->d_logits);
  g_free(setting->d_values);
}

/* sum d_logits logits + sum d_values values, in training mode with the masks of forward number `forward`. */
static double objective(Setting *setting)
{
  float *logits = g_new(float, setting->decisions.n_logits), *values = g_new(float, setting->decisions.n);
  double total = 0;
  assert_true(bert_policy_forward(setting->policy, setting->decisions.decisions, setting->decisions.n,
                                  TRAINING, logits, values, NULL));
  for (guint i = 0; i < setting->decisions.n_logits; i++)
    total += (double)setting->d_logits[i] * logits[i];
  for (guint i = 0; i < setting->decisions.n; i++)
    total += (double)setting->d_values[i] * values[i];
  g_free(logits);
  g_free(values);
  return total;
}

/* Moves each tensor along its gradient; the objective must change by the gradient's norm. */
static void check_all_tensors(Setting *setting)
{
  BertPolicy *policy = setting->policy;
  const BertLayout *layout = policy->shared->layout;
  objective(setting);
  assert_true(bert_policy_backward(policy, setting->d_logits, setting->d_values, NULL));
  for (guint t = 0; t < layout->n_tensors; t++) {
    const BertTensorInfo *tensor = &layout->tensors[t];
    float *weights = cpu_of(policy)->weights->block + tensor->offset;
    const float *gradient = cpu_of(policy)->optimizer->gradient->block + tensor->offset;
    double norm = sqrt(cpu_of(policy)->kernels->sum_of_squares(tensor->n_elements, gradient));
    if (!bert_optimizer_trains(cpu_of(policy)->optimizer, tensor)) {
      assert_true(norm == 0);
      continue;
    }
    /* A constant added to all keys of a head cancels in the softmax. */
    if (norm < 1e-3) {
      assert_true(g_str_has_suffix(tensor->name, "key.bias"));
      continue;
    }
    float *before = g_memdup2(weights, tensor->n_elements * sizeof *weights);
    double best = INFINITY, measured = 0;
    for (double size = 1e-2; size > 1e-4; size /= 3) {
      double distance = size, sides[2];
      for (int side = 0; side < 2; side++) {
        for (gsize i = 0; i < tensor->n_elements; i++)
          weights[i] = before[i] + (float)((side ? -distance : distance) * gradient[i] / norm);
        bert_network_refresh(&cpu_of(policy)->network);
        sides[side] = objective(setting);
      }
      double slope = (sides[0] - sides[1]) / (2 * distance);
      if (fabs(slope / norm - 1) < best) {
        best = fabs(slope / norm - 1);
        measured = slope;
      }
    }
    memcpy(weights, before, tensor->n_elements * sizeof *weights);
    g_free(before);
    if (best > 0.01)
      fail_msg("%s: slope %g along the gradient, whose norm is %g", tensor->name, measured, norm);
  }
}

static void test_gradients_match_finite_differences(void **state)
{
  (void)state;
  BertOptions options = fixture_options();
  Setting setting = setting_new(&options, 7);
  check_all_tensors(&setting);
  setting_clear(&setting);
}

static void test_gradients_with_dropout_match_finite_differences(void **state)
{
  (void)state;
  BertOptions options = fixture_options();
  options.dropout = 0.3;
  options.threads = 2;
  Setting setting = setting_new(&options, 7);
  check_all_tensors(&setting);
  setting_clear(&setting);
}

static void test_gradients_of_trained_layers_do_not_depend_on_freezing(void **state)
{
  (void)state;
  for (gint64 frozen = 0; frozen <= 2; frozen++) {
    BertOptions options = fixture_options();
    options.dropout = 0.2;
    Setting whole = setting_new(&options, 5);
    options.freeze_layers = frozen;
    Setting part = setting_new(&options, 5);
    objective(&whole);
    objective(&part);
    assert_true(bert_policy_backward(whole.policy, whole.d_logits, whole.d_values, NULL));
    assert_true(bert_policy_backward(part.policy, part.d_logits, part.d_values, NULL));
    const BertLayout *layout = whole.policy->shared->layout;
    for (guint t = 0; t < layout->n_tensors; t++) {
      const BertTensorInfo *tensor = &layout->tensors[t];
      const float *expected = cpu_of(whole.policy)->optimizer->gradient->block + tensor->offset;
      const float *found = cpu_of(part.policy)->optimizer->gradient->block + tensor->offset;
      for (gsize i = 0; i < tensor->n_elements; i++)
        if (found[i] != (tensor->layer >= frozen ? expected[i] : 0))
          fail_msg("%s with %d frozen layers: %g, not %g", tensor->name, (int)frozen, (double)found[i],
                   (double)(tensor->layer >= frozen ? expected[i] : 0));
    }
    setting_clear(&whole);
    setting_clear(&part);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_gradients_match_finite_differences),
      cmocka_unit_test(test_gradients_with_dropout_match_finite_differences),
      cmocka_unit_test(test_gradients_of_trained_layers_do_not_depend_on_freezing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
