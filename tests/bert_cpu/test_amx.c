/* A bf16 policy whose products are those of AMX, done in plain C: the conformance suite, and the same bits
 * for any number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "conformance/check.h"
#include "tests/bert_cpu/fixture.h"
#include "tests/kernels/emulated_amx.h"
#include <cartwright/cartwright.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

static BertKernels tiles;
static const BertKernels *kernels = &tiles; /* what policies open with */
static BertDevice device;                   /* the CPU, but for its kernels */

static gpointer open_device(const BertOptions *options, GError **error)
{
  BertCpu *cpu = bert_cpu_device.open(options, error);
  if (cpu)
    cpu->kernels = kernels;
  return cpu;
}

static gpointer open_policy(gconstpointer options, guint32 seed, GError **error)
{
  return bert_policy_open(&device, options, seed, error);
}

static const CwPolicyVtable vtable = {BERT_POLICY_SLOTS, .open = open_policy,
                                      .counters = bert_policy_counters};

static void note(const CwRegisteredFeature *feature G_GNUC_UNUSED, const char *check, CwCheckResult result,
                 const char *message G_GNUC_UNUSED, gpointer user_data)
{
  if (result == CW_CHECK_FAILED)
    g_string_append_printf(user_data, "%s ", check);
}

/* Two checks suppose f32: one takes differences that rounding hides, one opens what was saved with the
 * defaults. */
static void test_the_policy_conforms(void **state)
{
  (void)state;
  g_autoptr(GString) failures = g_string_new(NULL);
  g_autoptr(GError) error = NULL;
  CwRegistry *registry = cw_registry_new(NULL);
  const CwRegisteredFeature *found = cw_registry_find(registry, CW_FEATURE_POLICY, "bert_cpu", &error);
  if (!found)
    fail_msg("%s", error->message);
  CwRegisteredFeature feature = *found;
  feature.vtable.policy = &vtable;
  assert_false(cw_check_feature(registry, &feature,
                                "model: " TINY_MODEL "\ninitialize: random\ndropout: 0\nprecision: bf16\n",
                                "options", note, failures, &error));
  assert_string_equal(failures->str, "gradients_match_finite_differences saved_model_opens ");
  cw_registry_free(registry);
}

static BertPolicy *train(const BertOptions *options, const FixtureDecisions *decisions)
{
  BertPolicy *policy = fixture_open(options, 11);
  fixture_enlarge(policy);
  fixture_accumulate(policy, decisions, 0);
  assert_true(bert_policy_step(policy, 0.003, 1, NULL, NULL));
  fixture_accumulate(policy, decisions, 1);
  return policy;
}

static void test_training_is_the_same_bits_for_any_number_of_threads(void **state)
{
  (void)state;
  FixtureDecisions decisions = fixture_decisions(12);
  BertOptions options = fixture_options();
  options.dropout = 0.2;
  options.precision = BERT_PRECISION_BF16;
  BertPolicy *one = train(&options, &decisions);
  assert_string_equal(one->description[11], "emulated_amx");
  for (options.threads = 2; options.threads <= 3; options.threads++) {
    options.recompute = options.threads == 3 ? BERT_RECOMPUTE_LAYER : BERT_RECOMPUTE_NONE;
    BertPolicy *more = train(&options, &decisions);
    fixture_assert_same_state(one, more);
    bert_policy_close(more);
  }
  bert_policy_close(one);
  fixture_decisions_clear(&decisions);
}

/* Everything but the bf16 products is the base table's: floats have its bits. */
static void test_floats_are_those_of_the_base_table(void **state)
{
  (void)state;
  FixtureDecisions decisions = fixture_decisions(12);
  BertOptions options = fixture_options();
  options.dropout = 0.2;
  BertPolicy *with_tiles = train(&options, &decisions);
  kernels = &bert_kernels_wide;
  BertPolicy *base = train(&options, &decisions);
  kernels = &tiles;
  fixture_assert_same_state(base, with_tiles);
  bert_policy_close(base);
  bert_policy_close(with_tiles);
  fixture_decisions_clear(&decisions);
}

/* The choice head's layer is in bf16 here too, and a number next to 0 that goes into its ReLU may change
 * sides, with all of its gradient. Where weights are large the encoder's own rounding does more. */
static void test_bf16_is_near_f32(void **state)
{
  (void)state;
  fixture_assert_bf16_near_f32(FALSE, 0.01, 0.03);
  fixture_assert_bf16_near_f32(TRUE, 0.03, 0.15);
}

static void test_bf16_scores_what_forward_gives(void **state)
{
  (void)state;
  fixture_assert_bf16_scores_what_forward_gives();
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_the_policy_conforms),
      cmocka_unit_test(test_training_is_the_same_bits_for_any_number_of_threads),
      cmocka_unit_test(test_floats_are_those_of_the_base_table),
      cmocka_unit_test(test_bf16_is_near_f32),
      cmocka_unit_test(test_bf16_scores_what_forward_gives),
  };
  tiles = emulated_amx_make();
  device = bert_cpu_device;
  device.open = open_device;
  fixture_device = &device;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
