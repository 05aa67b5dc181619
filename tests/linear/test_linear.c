/* The linear policy, through its own functions and through the plugin. */
#include "core/config/options.h"
#include "core/plugin/handles.h"
#include "models/linear/model.h"

#include <glib/gstdio.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define BUCKETS 256

static const char *const shelf[] = {"click[red shirt]", "click[blue jeans]", "click[buy now]"};
static const CwDecision decision = {sizeof decision, "I want a red cotton shirt, small", shelf, 3};

static LinearModel *random_model(void)
{
  LinearModel *model = linear_model_new(BUCKETS, FALSE, NULL);
  linear_model_randomize(model, 7, 0.5);
  return model;
}

/* Words. */

static guint count_words(const char *text)
{
  LinearWords words;
  guint n;
  linear_words_init(&words, text, FALSE);
  n = words.n;
  linear_words_clear(&words);
  return n;
}

static void test_words_are_distinct_and_in_lower_case(void **state)
{
  (void)state;
  assert_int_equal(count_words(""), 0);
  assert_int_equal(count_words(" -- ,; "), 0);
  assert_int_equal(count_words("Red red RED"), 1);
  assert_int_equal(count_words("size: 42, colour: größe"), 4);
  assert_int_equal(count_words("end"), 1);
}

static void test_shared_words_are_counted_in_any_order(void **state)
{
  LinearWords a, b, none;
  (void)state;
  linear_words_init(&a, "one two three", FALSE);
  linear_words_init(&b, "three, four; ONE", TRUE);
  linear_words_init(&none, "", FALSE);
  assert_int_equal(b.n, 4);
  assert_int_equal(linear_words_shared(&a, &b), 2);
  assert_int_equal(linear_words_shared(&b, &a), 2);
  assert_int_equal(linear_words_shared(&a, &none), 0);
  linear_words_clear(&a);
  linear_words_clear(&b);
  linear_words_clear(&none);
}

/* Logits and gradients. */

static void test_zero_weights_score_zero(void **state)
{
  LinearModel *model = linear_model_new(BUCKETS, FALSE, NULL);
  LinearInput input;
  float logits[3] = {1, 1, 1}, value = 1;
  (void)state;
  linear_input_init(&input, &decision);
  linear_model_forward(model, &input, logits, &value);
  assert_true(logits[0] == 0 && logits[1] == 0 && logits[2] == 0 && value == 0);
  linear_input_clear(&input);
  linear_model_free(model);
}

static void test_overlap_weights_count_shared_words(void **state)
{
  LinearModel *model = linear_model_new(BUCKETS, FALSE, NULL);
  float *overlap = model->weights + linear_tensor_start(model, LINEAR_OVERLAP);
  const char *const candidates[] = {"red shirt", "red jeans", "", "blue"};
  const CwDecision choice = {sizeof choice, "a red shirt", candidates, 4};
  LinearInput input;
  float logits[4];
  (void)state;
  linear_input_init(&input, &choice);
  overlap[0] = 1;
  linear_model_forward(model, &input, logits, NULL);
  assert_true(logits[0] == 1 && logits[1] == 0.5f && logits[2] == 0 && logits[3] == 0);
  overlap[0] = 0;
  overlap[2] = 1;
  linear_model_forward(model, &input, logits, NULL);
  assert_true(logits[0] == 1 && logits[1] == 0 && logits[2] == 0 && logits[3] == 0);
  linear_input_clear(&input);
  linear_model_free(model);
}

static double objective(const LinearModel *model, const LinearInput *input)
{
  static const double w[3] = {0.7, -1.1, 0.4};
  float logits[3], value;
  linear_model_forward(model, input, logits, &value);
  return w[0] * logits[0] + w[1] * logits[1] + w[2] * logits[2] - 0.9 * value;
}

/* The model is linear in its weights, so a difference over a wide step is exact but for rounding: every
 * single weight is tried. */
static void test_every_gradient_matches_its_difference(void **state)
{
  const float dlogits[3] = {0.7f, -1.1f, 0.4f};
  LinearModel *model = random_model();
  LinearInput input;
  gsize i, n_nonzero = 0;
  (void)state;
  linear_input_init(&input, &decision);
  linear_model_backward(model, &input, dlogits, -0.9f);
  for (i = 0; i < model->n_parameters; i++) {
    float weight = model->weights[i];
    double above, below;
    model->weights[i] = weight + 1;
    above = objective(model, &input);
    model->weights[i] = weight - 1;
    below = objective(model, &input);
    model->weights[i] = weight;
    assert_true(fabs((above - below) / 2 - model->gradient[i]) < 2e-6);
    n_nonzero += model->gradient[i] != 0;
  }
  assert_true(n_nonzero > 40);
  linear_input_clear(&input);
  linear_model_free(model);
}

/* The optimiser. */

static void test_first_step_moves_each_weight_by_the_learning_rate(void **state)
{
  const LinearAdam adam = {0.9, 0.999, 1e-8, 0};
  LinearModel *model = linear_model_new(BUCKETS, FALSE, NULL);
  double norm;
  (void)state;
  model->gradient[3] = 30;
  model->gradient[5] = -40;
  assert_true(linear_model_step(model, &adam, 0.01, 1, &norm, NULL));
  assert_true(norm == 50);
  assert_true(fabsf(model->weights[3] + 0.01f) < 1e-7f);
  assert_true(fabsf(model->weights[5] - 0.01f) < 1e-7f);
  assert_true(model->weights[4] == 0);
  assert_true(model->gradient[3] == 0);
  assert_true(fabsf(model->first_moment[3] - 0.06f) < 1e-7f); /* 0.1 of 30/50 */
  linear_model_free(model);
}

static void test_weight_decay_shrinks_weights_without_gradient(void **state)
{
  const LinearAdam adam = {0.9, 0.999, 1e-8, 0.5};
  LinearModel *model = linear_model_new(BUCKETS, FALSE, NULL);
  (void)state;
  model->weights[2] = 4;
  assert_true(linear_model_step(model, &adam, 0.1, 0, NULL, NULL));
  assert_true(fabsf(model->weights[2] - 3.8f) < 1e-6f);
  linear_model_free(model);
}

static void test_bad_gradient_is_named_and_changes_nothing(void **state)
{
  const LinearAdam adam = {0.9, 0.999, 1e-8, 0.5};
  LinearModel *model = random_model();
  float *before = g_memdup2(model->weights, model->n_parameters * sizeof(float));
  GError *error = NULL;
  (void)state;
  model->gradient[linear_tensor_start(model, LINEAR_OVERLAP) + 1] = INFINITY;
  assert_false(linear_model_step(model, &adam, 0.1, 1, NULL, &error));
  assert_string_equal(error->message,
                      "step: element 1 of the gradient of choice.overlap is inf; no weight was changed");
  assert_true(g_error_matches(error, CW_POLICY_ERROR, CW_ERROR_NUMERIC));
  assert_memory_equal(before, model->weights, model->n_parameters * sizeof(float));
  assert_int_equal(model->steps, 0);
  g_clear_error(&error);
  assert_true(linear_model_step(model, &adam, 0.1, 1, NULL, NULL));
  g_free(before);
  linear_model_free(model);
}

static void test_equal_seeds_give_equal_weights(void **state)
{
  LinearModel *a = random_model(), *b = random_model();
  (void)state;
  assert_memory_equal(a->weights, b->weights, a->n_parameters * sizeof(float));
  linear_model_randomize(b, 8, 0.5);
  assert_memory_not_equal(a->weights, b->weights, a->n_parameters * sizeof(float));
  linear_model_free(a);
  linear_model_free(b);
}

/* Files. */

static void forget_directory(char *directory)
{
  static const char *const names[] = {"weights.bin", "optimizer.bin"};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    char *path = g_build_filename(directory, names[i], NULL);
    g_remove(path);
    g_free(path);
  }
  assert_int_equal(g_rmdir(directory), 0);
  g_free(directory);
}

static LinearModel *trained_model(void)
{
  const LinearAdam adam = {0.9, 0.999, 1e-8, 0.01};
  const float dlogits[3] = {0.7f, -1.1f, 0.4f};
  LinearModel *model = random_model();
  LinearInput input;
  linear_input_init(&input, &decision);
  linear_model_backward(model, &input, dlogits, 1);
  linear_model_step(model, &adam, 0.1, 0, NULL, NULL);
  linear_input_clear(&input);
  return model;
}

static void test_saved_model_comes_back_bit_for_bit(void **state)
{
  char *directory = g_dir_make_tmp("linear-XXXXXX", NULL);
  LinearModel *model = trained_model(), *other = linear_model_new(BUCKETS, FALSE, NULL);
  gsize size = model->n_parameters * sizeof(float);
  (void)state;
  other->gradient[1] = 5;
  assert_true(linear_model_save(model, directory, NULL));
  assert_true(linear_model_load(other, directory, NULL));
  assert_memory_equal(model->weights, other->weights, size);
  assert_memory_equal(model->first_moment, other->first_moment, size);
  assert_memory_equal(model->second_moment, other->second_moment, size);
  assert_int_equal(other->steps, 1);
  assert_true(other->gradient[1] == 0);
  linear_model_free(model);
  linear_model_free(other);
  forget_directory(directory);
}

static void test_model_of_another_size_is_refused(void **state)
{
  char *directory = g_dir_make_tmp("linear-XXXXXX", NULL);
  LinearModel *model = random_model(), *other = linear_model_new(2 * BUCKETS, FALSE, NULL);
  GError *error = NULL;
  char *message;
  (void)state;
  assert_true(linear_model_save(model, directory, NULL));
  assert_false(linear_model_load(other, directory, &error));
  message = g_strdup_printf(
      "%s: expected a model of 512 buckets, found 256; open the policy with 'buckets: 256'", directory);
  assert_string_equal(error->message, message);
  assert_true(other->weights[0] == 0);
  g_error_free(error);
  g_free(message);
  linear_model_free(model);
  linear_model_free(other);
  forget_directory(directory);
}

/* Writes a damaged weights.bin and asserts what load says behind the file's name. */
static void assert_load_fails(const char *content, gsize length, const char *complaint)
{
  char *directory = g_dir_make_tmp("linear-XXXXXX", NULL);
  char *path = g_build_filename(directory, "weights.bin", NULL);
  char *message = g_strdup_printf("%s: %s", path, complaint);
  LinearModel *model = linear_model_new(2, FALSE, NULL);
  GError *error = NULL;
  assert_true(linear_model_save(model, directory, NULL));
  assert_true(g_file_set_contents(path, content, (gssize)length, NULL));
  model->weights[0] = 3;
  assert_false(linear_model_load(model, directory, &error));
  assert_string_equal(error->message, message);
  assert_true(g_error_matches(error, CW_POLICY_ERROR, CW_ERROR_FORMAT));
  assert_true(model->weights[0] == 3);
  g_error_free(error);
  linear_model_free(model);
  g_free(message);
  g_free(path);
  forget_directory(directory);
}

static void test_damaged_files_are_refused(void **state)
{
  /* A sound file of 2 buckets has a header of 24 bytes and 10 weights. */
  char content[64] = "CWLINEAR\1\0\0\0\2\0\0\0";
  const float not_a_number = NAN;

  (void)state;
  assert_load_fails("CWLI", 4, "expected at least 24 bytes, found 4; the file is cut short");
  assert_load_fails(
      "cwlinear\1\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0", 24,
      "expected a linear model of format 1 and this machine's byte order, found something else");
  assert_load_fails("CWLINEAR\1\0\0\0\3\0\0\0\0\0\0\0\0\0\0\0", 24,
                    "expected a power of two as number of buckets, found 3");
  assert_load_fails(content, 60, "expected 64 bytes for 2 buckets, found 60");
  memcpy(content + 24 + 4 * 4, &not_a_number, sizeof not_a_number);
  assert_load_fails(content, 64, "number 4 is nan");
}

static void test_missing_file_is_named(void **state)
{
  LinearModel *model = linear_model_new(2, FALSE, NULL);
  GError *error = NULL;
  (void)state;
  assert_false(linear_model_load(model, "/nonexistent", &error));
  assert_true(g_str_has_prefix(error->message, "/nonexistent/weights.bin: cannot be read: "));
  assert_true(g_error_matches(error, CW_POLICY_ERROR, CW_ERROR_INPUT_OUTPUT));
  g_error_free(error);
  linear_model_free(model);
}

/* The plugin. */

typedef struct {
  CwRegistry *registry;
  const CwRegisteredFeature *feature;
} Plugin;

static int find_plugin(void **state)
{
  Plugin *plugin = g_new0(Plugin, 1);
  plugin->registry = cw_registry_new(NULL);
  plugin->feature = cw_registry_find(plugin->registry, CW_FEATURE_POLICY, "linear", NULL);
  *state = plugin;
  return !plugin->feature;
}

static int forget_plugin(void **state)
{
  Plugin *plugin = *state;
  cw_registry_free(plugin->registry);
  g_free(plugin);
  return 0;
}

/* Options from YAML; freed by the caller with cw_options_free. */
static gpointer options_of(const Plugin *plugin, const char *yaml)
{
  CwDiagnostics *diagnostics = cw_diagnostics_new();
  CwYamlNode *mapping = cw_yaml_parse_text(yaml, "test", diagnostics);
  gpointer options =
      cw_options_fill(&plugin->feature->options, mapping, NULL, "policy 'linear'", diagnostics);

  assert_int_equal(cw_diagnostics_count(diagnostics), 0);
  cw_yaml_free(mapping);
  cw_diagnostics_free(diagnostics);
  return options;
}

static void test_buckets_must_be_a_power_of_two(void **state)
{
  Plugin *plugin = *state;
  gpointer options = options_of(plugin, "buckets: 1000");
  GError *error = NULL;
  assert_null(cw_policy_open(plugin->feature, options, 1, &error));
  assert_string_equal(error->message,
                      "policy 'linear': buckets: expected a power of two, found 1000; 32768 is one");
  assert_true(g_error_matches(error, CW_POLICY_ERROR, CW_ERROR_CONFIGURATION));
  g_error_free(error);
  cw_options_free(&plugin->feature->options, options);
}

/* Cross-entropy on two decisions that differ in one word of the observation. */
static double learn(CwPolicy *policy, guint n_updates)
{
  static const char *const buttons[] = {"click[red]", "click[blue]", "click[back]"};
  static const CwDecision red = {sizeof red, "I want the red one", buttons, 3};
  static const CwDecision blue = {sizeof blue, "I want the blue one", buttons, 3};
  static const CwDecision *const both[] = {&red, &blue};
  double loss = 0;
  guint j;
  for (guint i = 0; i < n_updates; i++) {
    float logits[6], dlogits[6];
    assert_true(cw_policy_forward(policy, both, 2, TRUE, logits, NULL, NULL));
    for (loss = 0, j = 0; j < 2; j++) {
      cw_log_softmax(logits + 3 * j, 3, logits + 3 * j);
      loss -= logits[3 * j + j];
      for (guint k = 0; k < 3; k++)
        dlogits[3 * j + k] = expf(logits[3 * j + k]) - (k == j);
    }
    assert_true(cw_policy_backward(policy, dlogits, NULL, NULL));
    assert_true(cw_policy_step(policy, 0.05, 1, NULL, NULL));
  }
  return loss;
}

static void test_it_learns_to_choose_what_is_asked_for(void **state)
{
  Plugin *plugin = *state;
  gpointer options = options_of(plugin, "{}");
  CwPolicy *policy = cw_policy_open(plugin->feature, options, 1, NULL);
  assert_true(learn(policy, 1) > 2);
  assert_true(learn(policy, 60) < 0.1);
  cw_policy_close(policy);
  cw_options_free(&plugin->feature->options, options);
}

static void test_two_runs_are_bit_for_bit_the_same(void **state)
{
  Plugin *plugin = *state;
  gpointer options = options_of(plugin, "{initial_scale: 0.1, weight_decay: 0.01}");
  CwPolicy *a = cw_policy_open(plugin->feature, options, 5, NULL);
  CwPolicy *b = cw_policy_open(plugin->feature, options, 5, NULL);
  assert_true(learn(a, 20) == learn(b, 20));
  cw_policy_close(a);
  cw_policy_close(b);
  cw_options_free(&plugin->feature->options, options);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_words_are_distinct_and_in_lower_case),
      cmocka_unit_test(test_shared_words_are_counted_in_any_order),
      cmocka_unit_test(test_zero_weights_score_zero),
      cmocka_unit_test(test_overlap_weights_count_shared_words),
      cmocka_unit_test(test_every_gradient_matches_its_difference),
      cmocka_unit_test(test_first_step_moves_each_weight_by_the_learning_rate),
      cmocka_unit_test(test_weight_decay_shrinks_weights_without_gradient),
      cmocka_unit_test(test_bad_gradient_is_named_and_changes_nothing),
      cmocka_unit_test(test_equal_seeds_give_equal_weights),
      cmocka_unit_test(test_saved_model_comes_back_bit_for_bit),
      cmocka_unit_test(test_model_of_another_size_is_refused),
      cmocka_unit_test(test_damaged_files_are_refused),
      cmocka_unit_test(test_missing_file_is_named),
      cmocka_unit_test_setup_teardown(test_buckets_must_be_a_power_of_two, find_plugin, forget_plugin),
      cmocka_unit_test_setup_teardown(test_it_learns_to_choose_what_is_asked_for, find_plugin, forget_plugin),
      cmocka_unit_test_setup_teardown(test_two_runs_are_bit_for_bit_the_same, find_plugin, forget_plugin),
  };

  return cmocka_run_group_tests_name("linear", tests, NULL, NULL);
}
