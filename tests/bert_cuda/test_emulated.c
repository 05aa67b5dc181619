/* The plugin bert_cuda, run on the host: what every policy must keep, and what it says when something does
 * not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "backends.h"
#include "conformance/check.h"
#include "conformance/check_suite.h"
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define EMULATED TEST_BUILD_DIRECTORY "/tests/bert_cuda/.libs/emulated.so"

static void note(const CwRegisteredFeature *feature, const char *check, CwCheckResult result,
                 const char *message, gpointer user_data)
{
  gboolean of_words = strstr(check, "acts") || strstr(check, "words"); /* BERT scores candidates */
  (void)feature;
  if (result == CW_CHECK_FAILED || (result == CW_CHECK_SKIPPED && !of_words))
    g_string_append_printf(user_data, "\n%s: %s", check, message);
}

/* A small model folder with weights, so that a saved model opens with the options that it was trained with.
 */
static char *model_with_weights(void)
{
  gpointer options;
  char *folder = cw_check_make_directory(NULL);
  CwPolicy *policy =
      backends_try("bert_cpu", backends_model(24, 3, 40, 1), "f32", "initialize: random", &options, NULL);
  assert_true(policy && cw_policy_save(policy, folder, NULL));
  cw_policy_close(policy);
  backends_free_options("bert_cpu", options);
  return folder;
}

/* In f32: the suite's finite differences see the rounding of TF32. */
static void test_conforms(void **state)
{
  char *model = model_with_weights();
  char *options = g_strdup_printf("{model: %s, precision: f32, dropout: 0, max_state_tokens: 128}", model);
  CwRegistry *registry = cw_registry_new(NULL);
  GString *failures = g_string_new(NULL);
  GError *error = NULL;
  clock_t start = clock();
  (void)state;
  if (!cw_check_plugin(registry, EMULATED, options, note, failures, &error))
    fail_msg("%s%s", error->message, failures->str);
  assert_string_equal(failures->str, "");
  fprintf(stderr, "conformance: %.1f s\n", (double)(clock() - start) / CLOCKS_PER_SEC);
  g_string_free(failures, TRUE);
  g_free(options);
  cw_registry_free(registry);
  cw_check_forget_directory(model);
}

/* Every option of bert_cpu is one of bert_cuda, with the same values allowed, so that one word of a
 * configuration changes. */
static void test_takes_the_options_of_bert_cpu(void **state)
{
  const CwOptionTable *cpu = &backends_feature("bert_cpu")->options,
                      *cuda = &backends_feature("bert_cuda")->options;
  (void)state;
  for (guint i = 0; i < cpu->n_rows; i++) {
    const CwOption *row = &cpu->rows[i], *same = NULL;
    for (guint k = 0; k < cuda->n_rows; k++)
      if (strcmp(cuda->rows[k].name, row->name) == 0)
        same = &cuda->rows[k];
    if (!same || same->type != row->type || same->minimum > row->minimum || same->maximum < row->maximum)
      fail_msg("bert_cuda does not take bert_cpu's option '%s'", row->name);
    for (guint k = 0; row->values && row->values[k]; k++)
      if (!g_strv_contains(same->values, row->values[k]))
        fail_msg("bert_cuda does not take '%s: %s'", row->name, row->values[k]);
    /* What a run may change when it is continued, it may change by the way. */
    assert_int_equal(row->flags & CW_OPTION_RESUME_SAFE, same->flags & CW_OPTION_RESUME_SAFE);
  }
}

/* `message` has '*' for what differs from machine to machine. */
static void assert_fails(const char *model, const char *options, const char *message)
{
  GError *error = NULL;
  gpointer filled;
  CwPolicy *policy = backends_try("bert_cuda", model, "f32", options, &filled, &error);
  assert_null(policy);
  if (!g_pattern_match_simple(message, error->message))
    fail_msg("%s", error->message);
  g_error_free(error);
  backends_free_options("bert_cuda", filled);
}

static char *announced;

static void listen(const char *domain, GLogLevelFlags level, const char *message, gpointer user_data)
{
  (void)domain, (void)level, (void)user_data;
  if (strstr(message, "training takes")) {
    g_free(announced);
    announced = g_strdup(message);
  }
}

/* The number that a text has after `mark`. */
static guint number_after(const char *text, const char *mark)
{
  guint number = 0;
  if (!text || !strstr(text, mark) || sscanf(strstr(text, mark) + strlen(mark), "%u", &number) != 1)
    fail_msg("there is no '%s' and number in: %s", mark, text ? text : "nothing");
  return number;
}

static void test_says_what_does_not_fit(void **state)
{
  static const DecisionShape shapes[] = {{400, 0, {40}}, {400, 1, {400}}};
  const char *model = backends_model(128, 2, 256, 2);
  GError *error = NULL;
  gpointer options;
  float logits[2], values[2];
  (void)state;
  assert_fails(
      model, "initialize: random, memory: 33",
      "policy 'bert_cuda': weights, gradients and optimiser of * need * MiB of device memory, and 33 MiB are "
      "there ('memory' limits it); use a device with more, a smaller model or bert_cpu");
  CwPolicy *policy =
      backends_try("bert_cuda", model, "f32", "initialize: random, memory: 50", &options, &error);
  assert_non_null(policy);
  Decisions decisions = decisions_new(shapes, 2);
  GLogFunc handler = g_log_set_default_handler(listen, NULL);
  cw_policy_announce_memory(policy);
  assert_false(cw_policy_forward(policy, decisions.decisions, 2, TRUE, logits, values, &error));
  g_log_set_default_handler(handler, NULL);
  guint fits = number_after(error->message, "enough for about ");
  /* The estimate that is announced is of the same batch. */
  assert_int_equal(number_after(announced, "optimiser, "), number_after(error->message, "tokens needs "));
  assert_int_equal(number_after(announced, "2 decisions and "), 840);
  g_clear_pointer(&announced, g_free);
  fprintf(stderr, "%s\n", error->message);
  assert_true(g_pattern_match_simple(
      "policy 'bert_cuda': a batch of 840 tokens needs * MiB of device memory besides * "
      "MiB for weights and optimiser, and * MiB are there ('memory' limits it), enough "
      "for about * tokens like these; use smaller batches, 'precision: bf16' or shorter "
      "texts (max_state_tokens)",
      error->message));
  g_clear_error(&error);
  /* What fits goes on after that. */
  assert_true(cw_policy_forward(policy, decisions.decisions, 1, TRUE, logits, values, NULL));
  assert_true(cw_policy_score(policy, decisions.decisions, 1, logits, values, NULL));
  assert_true(fits >= 440 && fits < 840);
  assert_false(cw_policy_score(policy, decisions.decisions, 2, logits, values, &error));
  if (!g_pattern_match_simple("* enough for about * tokens like these; use a smaller score_batch_tokens, *",
                              error->message))
    fail_msg("%s", error->message);
  g_clear_error(&error);
  cw_policy_close(policy);
  backends_free_options("bert_cuda", options);
  decisions_clear(&decisions);
}

static void test_says_which_devices_there_are(void **state)
{
  const char *model = backends_model(24, 3, 40, 1);
  (void)state;
  assert_fails(model, "initialize: random, device: 3",
               "policy 'bert_cuda': bert_cuda cannot run here: 'device: 3' was asked for, and there are 1, "
               "numbered from "
               "0; 'plugin: bert_cpu' takes the same options");
  g_setenv("CW_HOST_NO_DEVICE", "1", TRUE);
  assert_fails(
      model, "initialize: random",
      "policy 'bert_cuda': bert_cuda cannot run here: the NVIDIA driver sees no device; 'plugin: bert_cpu' "
      "takes the same options");
  g_unsetenv("CW_HOST_NO_DEVICE");
}

static void test_says_which_shapes_it_takes(void **state)
{
  const char *model = backends_model(260, 2, 40, 1);
  (void)state;
  assert_fails(
      model, "initialize: random",
      "policy 'bert_cuda': *: bert_cuda needs hidden_size, intermediate_size and the width of a head to be "
      "multiples of 8, hidden_size at most 8192 and heads at most 64 wide; here they are 260, 40 and 130; "
      "use "
      "bert_cpu");
}

static int set_up(void **state)
{
  (void)state;
  backends_load(EMULATED);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  backends_unload();
  return 0;
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_takes_the_options_of_bert_cpu),
      cmocka_unit_test(test_says_what_does_not_fit),
      cmocka_unit_test(test_says_which_devices_there_are),
      cmocka_unit_test(test_says_which_shapes_it_takes),
      cmocka_unit_test(test_conforms),
  };
  return cmocka_run_group_tests_name("bert_cuda_emulated", tests, set_up, tear_down);
}
