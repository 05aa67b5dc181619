/* What algorithms do with networks: weights and gradients as flat arrays, averages, gradients forgotten; and
 * what follows a piece of an episode, as a network sees it. On linear and on bert_cpu. */
#include "tests/bc/stage.h"
#include <math.h>

#define BERT "model: " TEST_SOURCE_DIRECTORY "/tests/bert_cpu/model\ninitialize: random\nthreads: 1\n"

typedef struct {
  CwRegistry *registry;
  const CwRegisteredFeature *feature;
  gpointer options;
  CwPolicy *a, *b; /* of different weights */
  float *before;   /* weights of b */
  gsize n;
} Pair;

static void open_pair(Pair *pair, const char *name, const char *yaml)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(CwDiagnostics) diagnostics = cw_diagnostics_new();
  g_autoptr(CwYamlNode) root = cw_yaml_parse_text(yaml, "test.yaml", diagnostics);
  pair->registry = cw_registry_new(NULL);
  pair->feature = cw_registry_find(pair->registry, CW_FEATURE_POLICY, name, &error);
  assert_non_null(pair->feature);
  pair->options = cw_options_fill(&pair->feature->options, root, NULL, name, diagnostics);
  pair->a = cw_policy_open(pair->feature, pair->options, 1, &error);
  pair->b = cw_policy_open(pair->feature, pair->options, 2, &error);
  assert_null(error);
  pair->n = cw_policy_n_weights(pair->a);
  assert_true(pair->n > 100);
  pair->before = g_new(float, pair->n);
  assert_true(cw_policy_get_weights(pair->b, pair->before, pair->n, &error));
}

static void close_pair(Pair *pair)
{
  cw_policy_close(pair->a);
  cw_policy_close(pair->b);
  cw_options_free(&pair->feature->options, pair->options);
  cw_registry_free(pair->registry);
  g_free(pair->before);
}

static float *weights_of(const Pair *pair, CwPolicy *policy)
{
  float *weights = g_new(float, pair->n);
  assert_true(cw_policy_get_weights(policy, weights, pair->n, NULL));
  return weights;
}

static void assert_blends(const Pair *pair)
{
  g_autoptr(GError) error = NULL;
  g_autofree float *from = weights_of(pair, pair->a);
  assert_memory_not_equal(from, pair->before, pair->n * sizeof *from);
  assert_true(cw_policy_blend(pair->b, pair->a, 0.25, &error));
  g_autofree float *blended = weights_of(pair, pair->b);
  for (gsize i = 0; i < pair->n; i++)
    assert_near(blended[i], 0.75 * (double)pair->before[i] + 0.25 * (double)from[i], 1e-7);
  assert_true(cw_policy_blend(pair->b, pair->a, 1, &error));
  g_autofree float *copied = weights_of(pair, pair->b);
  assert_memory_equal(copied, from, pair->n * sizeof *from);
  assert_true(cw_policy_set_weights(pair->b, pair->before, pair->n, &error));
  g_autofree float *back = weights_of(pair, pair->b);
  assert_memory_equal(back, pair->before, pair->n * sizeof *from);
  assert_false(cw_policy_set_weights(pair->b, pair->before, pair->n - 1, &error));
  assert_non_null(strstr(error->message, "expected an array of"));
}

static const char *const words[] = {"buy the red shoe", "search again"};
static const CwDecision decision = {.struct_size = sizeof decision,
                                    .observation = "a page with a red shoe",
                                    .candidates = words,
                                    .n_candidates = 2};

static void add_gradient(CwPolicy *policy)
{
  const CwDecision *decisions[] = {&decision};
  const float dlogits[] = {-0.5f, 0.5f};
  float logits[2], value;
  assert_true(cw_policy_forward(policy, decisions, 1, FALSE, logits, &value, NULL));
  assert_true(cw_policy_backward(policy, dlogits, NULL, NULL));
}

static double sum_of_squares(const float *numbers, gsize n)
{
  double sum = 0;
  for (gsize i = 0; i < n; i++)
    sum += (double)numbers[i] * (double)numbers[i];
  return sum;
}

static void assert_gradients(const Pair *pair)
{
  g_autofree float *gradient = g_new(float, pair->n), *none = g_new0(float, pair->n);
  add_gradient(pair->a);
  assert_true(cw_policy_get_gradient(pair->a, gradient, pair->n, NULL));
  assert_true(sum_of_squares(gradient, pair->n) > 0);
  double norm, expected = sqrt(sum_of_squares(gradient, pair->n));
  assert_true(cw_policy_zero_gradient(pair->a, NULL));
  g_autofree float *left = g_new(float, pair->n);
  assert_true(cw_policy_get_gradient(pair->a, left, pair->n, NULL));
  assert_memory_equal(left, none, pair->n * sizeof *none);
  assert_true(cw_policy_set_gradient(pair->a, gradient, pair->n, NULL));
  assert_true(cw_policy_step(pair->a, 0, 0, &norm, NULL));
  assert_near(norm, expected, 1e-5 * expected);
}

static void test_linear(void **state G_GNUC_UNUSED)
{
  Pair pair;
  open_pair(&pair, "linear", "buckets: 256\ninitial_scale: 0.1\n");
  assert_blends(&pair);
  assert_gradients(&pair);
  close_pair(&pair);
}

static void test_bert_cpu(void **state G_GNUC_UNUSED)
{
  Pair pair;
  open_pair(&pair, "bert_cpu", BERT);
  assert_blends(&pair);
  assert_gradients(&pair);
  close_pair(&pair);
}

/* Where an old log-probability is compared, dropout is off unless it is asked for. */
static void test_dropout_is_off_where_ratios_are_formed(void **state G_GNUC_UNUSED)
{
  static const struct {
    const char *algorithm, *dropout;
  } expected[] = {{"ppo", "false"}, {"grpo", "false"}, {"dpo", "false"}, {"bc", "true"}};
  CwRegistry *registry = cw_registry_new(NULL);
  for (guint i = 0; i < G_N_ELEMENTS(expected); i++) {
    const CwRegisteredFeature *feature =
        cw_registry_find(registry, CW_FEATURE_ALGORITHM, expected[i].algorithm, NULL);
    assert_non_null(feature);
    const char *found = NULL;
    for (guint k = 0; k < feature->options.n_rows; k++)
      if (g_str_equal(feature->options.rows[k].name, "dropout"))
        found = feature->options.rows[k].default_value;
    assert_string_equal(found, expected[i].dropout);
  }
  cw_registry_free(registry);
}

/* A piece that goes on, and one that is over: only the first has something after it. */
static void test_what_follows_is_scored(void **state G_GNUC_UNUSED)
{
  g_autoptr(GError) error = NULL;
  Pair pair;
  const CwStep step = {.struct_size = sizeof step, .decision = &decision};
  const CwStep *const steps[] = {&step};
  const CwTrajectory over = {.split = "train", .goal_id = "x", .agent = "x", .steps = steps, .n_steps = 1};
  CwTrajectory cut = over;
  cut.after = &decision;
  open_pair(&pair, "linear", "buckets: 256\ninitial_scale: 0.1\n");
  g_autoptr(GPtrArray) episodes = g_ptr_array_new();
  g_ptr_array_add(episodes, (gpointer)&over);
  g_ptr_array_add(episodes, &cut);
  g_autoptr(CwUpdate) update = cw_update_new(pair.a, NULL, NULL);
  cw_update_begin(update, 0, NULL, episodes);
  g_auto(CwSteps) all = {0};
  assert_true(cw_update_steps(update, FALSE, &all, &error));
  assert_null(all.after[0]);
  assert_ptr_equal(all.after[1], &decision);
  const CwLearningOptions options = {.batch_tokens = 1000};
  const CwDecision *decisions[] = {&decision};
  float logits[2], value;
  double after[2] = {NAN, NAN};
  assert_true(cw_policy_score(pair.b, decisions, 1, logits, &value, &error));
  assert_true(cw_score_after(update, pair.b, &all, TRUE, &options, after, &error));
  assert_near(after[0], 0, 0);
  assert_near(after[1], value, 0);
  assert_true(cw_score_after(update, pair.b, &all, FALSE, &options, after, &error));
  assert_near(after[0], 0, 0);
  assert_near(after[1], MAX(logits[0], logits[1]), 0);
  close_pair(&pair);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_linear),
      cmocka_unit_test(test_bert_cpu),
      cmocka_unit_test(test_dropout_is_off_where_ratios_are_formed),
      cmocka_unit_test(test_what_follows_is_scored),
  };
  return cmocka_run_group_tests_name("networks", tests, NULL, NULL);
}
