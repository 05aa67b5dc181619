/* The host's handle around policies: what it refuses, whom it blames, and the numbers it lets pass. The
 * policies are made up here. */
#include "core/plugin/handles.h"
#include "tests/plugin/assert_error.h"
#include "tests/plugin/fixtures/fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* A policy whose outputs are set by the test. */

typedef struct {
  float logits[4], values[2], weights[2];
  gboolean fails, silent;
} Backend;

static gpointer backend_open(gconstpointer options, guint32 seed, GError **error)
{
  Backend *backend = g_memdup2(options, sizeof(Backend));
  (void)seed;
  if (!backend->fails)
    return backend;
  if (!backend->silent)
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_INPUT_OUTPUT, "model: no such folder");
  g_free(backend);
  return NULL;
}

static gboolean backend_score(gpointer policy, const CwDecision *const *decisions, guint n_decisions,
                              float *logits, float *values, GError **error)
{
  Backend *backend = policy;
  if (backend->fails)
    return FALSE;
  if (backend->silent) /* here: says that all is well and sets an error */
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_FAILED, "out of memory");
  memcpy(logits, backend->logits, cw_count_logits(decisions, n_decisions) * sizeof(float));
  if (values)
    memcpy(values, backend->values, n_decisions * sizeof(float));
  return TRUE;
}

static gboolean backend_backward(gpointer policy, const float *dlogits, const float *dvalues, GError **error)
{
  (void)policy, (void)dlogits, (void)dvalues, (void)error;
  return TRUE;
}

static gboolean backend_step(gpointer policy, double learning_rate, double max_norm, double *gradient_norm,
                             GError **error)
{
  (void)policy, (void)learning_rate, (void)max_norm, (void)error;
  *gradient_norm = 2;
  return TRUE;
}

static gpointer backend_clone(gpointer policy, GError **error)
{
  (void)error;
  return g_memdup2(policy, sizeof(Backend));
}

static void backend_estimate(gpointer policy, const CwDecision *const *decisions, guint n_decisions,
                             CwMemoryEstimate *estimate)
{
  Backend *backend = policy;
  (void)decisions;
  estimate->n_tokens = 100 * n_decisions;
  estimate->fixed_bytes = 5u << 20;
  estimate->batch_bytes = 7u << 20;
  if (backend->weights[0] > 0) {
    estimate->alternative = "recompute: layer";
    estimate->alternative_bytes = 3u << 20;
  }
}

static gboolean backend_forward(gpointer policy, const CwDecision *const *decisions, guint n_decisions,
                                const CwForward *how G_GNUC_UNUSED, float *logits, float *values,
                                GError **error)
{
  return backend_score(policy, decisions, n_decisions, logits, values, error);
}

static gboolean backend_visit(gpointer policy, CwTensorVisitor visitor, gpointer user_data,
                              GError **error G_GNUC_UNUSED)
{
  Backend *backend = policy;
  gint64 shape = 1;
  visitor("encoder.first", &shape, 1, &backend->weights[0], NULL, user_data);
  visitor("encoder.second", &shape, 1, &backend->weights[1], NULL, user_data);
  return TRUE;
}

/* Says what the test has put into `acts`. */
static struct {
  CwAct acts[2];
  gboolean fails;
} script;

static gboolean backend_act(gpointer policy G_GNUC_UNUSED, const CwDecision *const *decisions G_GNUC_UNUSED,
                            guint n_decisions, CwRandom *const *random G_GNUC_UNUSED,
                            const CwActing *how G_GNUC_UNUSED, CwAct *acts, GError **error)
{
  for (guint i = 0; i < n_decisions; i++) {
    acts[i].candidate = script.acts[i].candidate;
    acts[i].words = script.acts[i].words;
  }
  if (script.fails)
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_INPUT_OUTPUT, "no server");
  return !script.fails;
}

static const CwPolicyVtable full_vtable = {
    .open = backend_open,
    .close = g_free,
    .describe = fixture_describe,
    .score = backend_score,
    .forward = backend_forward,
    .backward = backend_backward,
    .step = backend_step,
    .clone_frozen = backend_clone,
    .save = fixture_file,
    .load = fixture_file,
    .visit_tensors = backend_visit,
    .estimate_memory = backend_estimate,
    .act = backend_act,
};

static const CwPolicyVtable blind_vtable = {
    .open = backend_open,
    .close = g_free,
    .describe = fixture_describe,
    .score = backend_score,
    .save = fixture_file,
    .load = fixture_file,
};

static const CwRegisteredFeature full = {.kind = CW_FEATURE_POLICY,
                                         .name = "full",
                                         .capabilities =
                                             CW_POLICY_TRAINS | CW_POLICY_VALUES | CW_POLICY_CLONES,
                                         .vtable.policy = &full_vtable};
static const CwRegisteredFeature blind = {
    .kind = CW_FEATURE_POLICY, .name = "blind", .vtable.policy = &blind_vtable};

static const char *const pair[] = {"yes", "no"};
static const CwDecision first = {sizeof(CwDecision), "observation text", pair, 2};
static const CwDecision second = {sizeof(CwDecision), "another one", pair, 2};
static const CwDecision *const both[] = {&first, &second};

static void test_an_act_is_checked(void **state G_GNUC_UNUSED)
{
  Backend backend = {0};
  g_autoptr(CwPolicy) policy = cw_policy_open(&full, &backend, 1, NULL);
  CwActing how = {.struct_size = sizeof how, .temperature = 1};
  CwAct acts[2];
  GError *error = NULL;
  script.acts[1] = (CwAct){.candidate = CW_WORDS, .words = "search[two words]"};
  assert_true(cw_policy_act(policy, both, 2, NULL, &how, acts, NULL));
  assert_int_equal(acts[0].candidate, 0);
  assert_string_equal(acts[1].words, "search[two words]");
  assert_true(isnan(acts[1].log_probability));
  script.acts[0].candidate = 2;
  assert_false(cw_policy_act(policy, both, 2, NULL, &how, acts, &error));
  assert_error(&error, CW_POLICY_ERROR, CW_ERROR_FAILED,
               "policy 'full': act: chose candidate 2 of 2 in decision 0");
  script.acts[0].candidate = CW_WORDS;
  assert_false(cw_policy_act(policy, both, 2, NULL, &how, acts, &error));
  assert_error(&error, CW_POLICY_ERROR, CW_ERROR_FAILED,
               "policy 'full': act: expected an action in words in decision 0, found NULL");
  script.acts[0].words = "click[\xff]";
  assert_false(cw_policy_act(policy, both, 2, NULL, &how, acts, &error));
  assert_error(
      &error, CW_POLICY_ERROR, CW_ERROR_FAILED,
      "policy 'full': act: expected an action in words in decision 0, found bytes that are not UTF-8");
  script.fails = TRUE;
  assert_false(cw_policy_act(policy, both, 2, NULL, &how, acts, &error));
  assert_error(&error, CW_POLICY_ERROR, CW_ERROR_INPUT_OUTPUT, "policy 'full': no server");
  script.fails = FALSE;
}

static void test_policy_passes_numbers_through(void **state)
{
  Backend backend = {.logits = {1, 2, 3, 4}, .values = {5, 6}};
  CwPolicy *policy = cw_policy_open(&full, &backend, 1, NULL);
  float logits[4], values[2];
  (void)state;
  assert_true(cw_policy_score(policy, both, 2, logits, values, NULL));
  assert_true(logits[3] == 4 && values[1] == 6);
  assert_true(cw_policy_score(policy, both, 0, NULL, NULL, NULL));
  assert_string_equal(cw_policy_describe(policy)[1], "fixture");
  assert_ptr_equal(cw_policy_feature(policy), &full);
  cw_policy_close(policy);
  cw_policy_close(NULL);
}

static void test_bad_logit_is_named_with_the_first_bad_tensor(void **state)
{
  Backend backend = {.logits = {1, 2, 3, NAN}, .weights = {0, INFINITY}};
  CwPolicy *policy = cw_policy_open(&full, &backend, 1, NULL);
  float logits[4];
  GError *error = NULL;
  (void)state;
  assert_false(cw_policy_score(policy, both, 2, logits, NULL, &error));
  assert_error(&error, CW_POLICY_ERROR, CW_ERROR_NUMERIC,
               "policy 'full': logit 1 of decision 1 is nan; first bad tensor: encoder.second");
  assert_false(cw_policy_forward(policy, both, 2, TRUE, logits, NULL, &error));
  assert_error(&error, CW_POLICY_ERROR, CW_ERROR_NUMERIC,
               "policy 'full': logit 1 of decision 1 is nan; first bad tensor: encoder.second");
  cw_policy_close(policy);
}

static void test_bad_value_with_sound_weights_says_so(void **state)
{
  Backend backend = {.values = {0, -INFINITY}};
  CwPolicy *policy = cw_policy_open(&full, &backend, 1, NULL);
  float logits[4], values[2];
  GError *error = NULL;
  (void)state;
  assert_false(cw_policy_score(policy, both, 2, logits, values, &error));
  assert_error(&error, CW_POLICY_ERROR, CW_ERROR_NUMERIC,
               "policy 'full': value of decision 1 is -inf; all weights are finite");
  cw_policy_close(policy);
}

static void test_bad_logit_of_a_backend_without_tensors_is_named(void **state)
{
  Backend backend = {.logits = {INFINITY}};
  CwPolicy *policy = cw_policy_open(&blind, &backend, 1, NULL);
  float logits[4];
  GError *error = NULL;
  (void)state;
  assert_false(cw_policy_score(policy, both, 2, logits, NULL, &error));
  assert_error(&error, CW_POLICY_ERROR, CW_ERROR_NUMERIC,
               "policy 'blind': logit 0 of decision 0 is inf; the backend does not show its tensors");
  cw_policy_close(policy);
}

static void test_errors_of_a_policy_carry_its_name(void **state)
{
  Backend backend = {.fails = TRUE};
  GError *error = NULL;
  (void)state;
  assert_null(cw_policy_open(&full, &backend, 1, &error));
  assert_error(&error, CW_POLICY_ERROR, CW_ERROR_INPUT_OUTPUT, "policy 'full': model: no such folder");
}

static void test_silent_failure_is_blamed(void **state)
{
  Backend backend = {.fails = TRUE, .silent = TRUE};
  GError *error = NULL;
  (void)state;
  assert_null(cw_policy_open(&full, &backend, 1, &error));
  assert_error(&error, CW_POLICY_ERROR, CW_ERROR_FAILED,
               "policy 'full': open failed without saying why; the plugin must set its GError when it fails");
}

static void test_success_with_an_error_is_a_failure(void **state)
{
  Backend backend = {.silent = TRUE};
  CwPolicy *policy = cw_policy_open(&full, &backend, 1, NULL);
  float logits[4];
  GError *error = NULL;
  (void)state;
  assert_false(cw_policy_score(policy, both, 2, logits, NULL, &error));
  assert_error(&error, CW_POLICY_ERROR, CW_ERROR_FAILED, "policy 'full': out of memory");
  cw_policy_close(policy);
}

static void test_policy_that_only_scores_refuses_training(void **state)
{
  Backend backend = {.logits = {0}};
  CwPolicy *policy = cw_policy_open(&blind, &backend, 1, NULL);
  float logits[4];
  double norm;
  GError *error = NULL;
  (void)state;
  assert_false(cw_policy_forward(policy, both, 2, TRUE, logits, NULL, &error));
  assert_error(&error, CW_POLICY_ERROR, CW_ERROR_UNSUPPORTED,
               "policy 'blind': forward: this policy does not train, it only scores");
  assert_false(cw_policy_backward(policy, logits, NULL, &error));
  assert_error(&error, CW_POLICY_ERROR, CW_ERROR_UNSUPPORTED,
               "policy 'blind': backward: this policy does not train, it only scores");
  assert_false(cw_policy_step(policy, 1, 0, &norm, &error));
  assert_error(&error, CW_POLICY_ERROR, CW_ERROR_UNSUPPORTED,
               "policy 'blind': step: this policy does not train, it only scores");
  assert_null(cw_policy_clone_frozen(policy, &error));
  assert_error(&error, CW_POLICY_ERROR, CW_ERROR_UNSUPPORTED,
               "policy 'blind': cannot clone itself, so it cannot be a reference");
  cw_policy_close(policy);
}

static void test_frozen_copy_scores_and_refuses_training(void **state)
{
  Backend backend = {.logits = {1, 2, 3, 4}};
  CwPolicy *policy = cw_policy_open(&full, &backend, 1, NULL);
  CwPolicy *clone = cw_policy_clone_frozen(policy, NULL);
  float logits[4];
  GError *error = NULL;
  (void)state;
  cw_policy_close(policy);
  assert_true(cw_policy_score(clone, both, 2, logits, NULL, NULL));
  assert_true(logits[2] == 3);
  assert_false(cw_policy_forward(clone, both, 2, TRUE, logits, NULL, &error));
  assert_error(&error, CW_POLICY_ERROR, CW_ERROR_UNSUPPORTED,
               "policy 'full': forward: this is a frozen copy, which only scores");
  cw_policy_close(clone);
}

static void test_backward_follows_forward_once(void **state)
{
  Backend backend = {.logits = {0}};
  CwPolicy *policy = cw_policy_open(&full, &backend, 1, NULL);
  float logits[4];
  const float dlogits[4] = {0};
  GError *error = NULL;
  (void)state;
  assert_true(cw_policy_forward(policy, both, 2, TRUE, logits, NULL, NULL));
  assert_true(cw_policy_backward(policy, dlogits, NULL, NULL));
  assert_false(cw_policy_backward(policy, dlogits, NULL, &error));
  assert_error(&error, CW_POLICY_ERROR, CW_ERROR_FAILED,
               "policy 'full': backward without a forward before it; call forward once for every backward");
  cw_policy_close(policy);
}

static void test_bad_gradient_of_an_algorithm_is_stopped(void **state)
{
  Backend backend = {.logits = {0}};
  CwPolicy *policy = cw_policy_open(&full, &backend, 1, NULL);
  float logits[4];
  const float dlogits[4] = {0, 0, NAN, 0}, sound[4] = {0}, dvalues[2] = {0, INFINITY};
  GError *error = NULL;
  (void)state;
  assert_true(cw_policy_forward(policy, both, 2, TRUE, logits, NULL, NULL));
  assert_false(cw_policy_backward(policy, dlogits, NULL, &error));
  assert_error(
      &error, CW_POLICY_ERROR, CW_ERROR_NUMERIC,
      "policy 'full': the algorithm's gradient of logit 0 of decision 1 is nan; nothing was accumulated");
  assert_false(cw_policy_backward(policy, sound, dvalues, &error));
  assert_error(
      &error, CW_POLICY_ERROR, CW_ERROR_NUMERIC,
      "policy 'full': the algorithm's gradient of the value of decision 1 is inf; nothing was accumulated");
  cw_policy_close(policy);
}

static void test_bad_learning_rate_is_refused(void **state)
{
  Backend backend = {.logits = {0}};
  CwPolicy *policy = cw_policy_open(&full, &backend, 1, NULL);
  double norm;
  GError *error = NULL;
  (void)state;
  assert_true(cw_policy_step(policy, 0.1, 1, &norm, NULL));
  assert_true(norm == 2);
  assert_false(cw_policy_step(policy, NAN, 1, &norm, &error));
  assert_error(
      &error, CW_POLICY_ERROR, CW_ERROR_NUMERIC,
      "policy 'full': step: expected a finite learning rate and a norm of at least 0, found nan and 1");
  cw_policy_close(policy);
}

/* Messages of the host, one a line. */
static GString *messages;

static GLogWriterOutput collect_message(GLogLevelFlags level, const GLogField *fields, gsize n_fields,
                                        gpointer data)
{
  (void)level, (void)data;
  for (gsize i = 0; i < n_fields; i++)
    if (strcmp(fields[i].key, "MESSAGE") == 0)
      g_string_append_printf(messages, "%s\n", (const char *)fields[i].value);
  return G_LOG_WRITER_HANDLED;
}

static void test_memory_is_announced_before_the_next_forward(void **state)
{
  static const char *const expected[] = {
      "policy full: training takes about 12 MiB: 5 MiB for weights, gradients and optimiser, 7 MiB for "
      "passes like the "
      "first, of 2 decisions and 200 tokens\n",
      "policy full: training takes about 12 MiB: 5 MiB for weights, gradients and optimiser, 7 MiB for "
      "passes like the "
      "first, of 1 decisions and 100 tokens ('recompute: layer' would make that 3 MiB)\n"};
  float logits[4];
  (void)state;
  for (guint i = 0; i < 2; i++) {
    Backend backend = {.weights = {(float)i, 0}};
    CwPolicy *policy = cw_policy_open(&full, &backend, 1, NULL);
    assert_true(cw_policy_forward(policy, both, 2 - i, TRUE, logits, NULL, NULL));
    assert_string_equal(messages->str, "");
    cw_policy_announce_memory(policy);
    assert_true(cw_policy_score(policy, both, 2 - i, logits, NULL, NULL));
    assert_string_equal(messages->str, "");
    assert_true(cw_policy_forward(policy, both, 2 - i, TRUE, logits, NULL, NULL));
    assert_string_equal(messages->str, expected[i]);
    g_string_truncate(messages, 0);
    assert_true(cw_policy_forward(policy, both, 2 - i, TRUE, logits, NULL, NULL));
    assert_string_equal(messages->str, "");
    cw_policy_close(policy);
  }
}

static void test_tokens_default_to_a_quarter_of_the_bytes(void **state)
{
  Backend backend = {.logits = {0}};
  CwPolicy *policy = cw_policy_open(&full, &backend, 1, NULL);
  (void)state;
  assert_int_equal(cw_policy_count_tokens(policy, &first), (16 + 3 + 2) / 4);
  cw_policy_close(policy);
}

static void test_log_softmax_is_stable_and_normalised(void **state)
{
  float logits[] = {1000, 1001, -3e38f}, single[] = {-7};
  (void)state;
  cw_log_softmax(logits, 3, logits);
  assert_true(fabs(exp(logits[0]) + exp(logits[1]) + exp(logits[2]) - 1) < 1e-6);
  assert_true(fabsf(logits[1] - logits[0] - 1) < 1e-6f);
  cw_log_softmax(single, 1, single);
  assert_true(single[0] == 0);
}

static void test_logits_of_a_batch_are_counted(void **state)
{
  (void)state;
  assert_int_equal(cw_count_logits(both, 2), 4);
  assert_int_equal(cw_count_logits(both, 0), 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_an_act_is_checked),
      cmocka_unit_test(test_policy_passes_numbers_through),
      cmocka_unit_test(test_bad_logit_is_named_with_the_first_bad_tensor),
      cmocka_unit_test(test_bad_value_with_sound_weights_says_so),
      cmocka_unit_test(test_bad_logit_of_a_backend_without_tensors_is_named),
      cmocka_unit_test(test_errors_of_a_policy_carry_its_name),
      cmocka_unit_test(test_silent_failure_is_blamed),
      cmocka_unit_test(test_success_with_an_error_is_a_failure),
      cmocka_unit_test(test_policy_that_only_scores_refuses_training),
      cmocka_unit_test(test_frozen_copy_scores_and_refuses_training),
      cmocka_unit_test(test_backward_follows_forward_once),
      cmocka_unit_test(test_bad_gradient_of_an_algorithm_is_stopped),
      cmocka_unit_test(test_bad_learning_rate_is_refused),
      cmocka_unit_test(test_memory_is_announced_before_the_next_forward),
      cmocka_unit_test(test_tokens_default_to_a_quarter_of_the_bytes),
      cmocka_unit_test(test_log_softmax_is_stable_and_normalised),
      cmocka_unit_test(test_logits_of_a_batch_are_counted),
  };

  int failed;

  messages = g_string_new(NULL);
  g_log_set_writer_func(collect_message, NULL, NULL);
  failed = cmocka_run_group_tests_name("policy handle", tests, NULL, NULL);
  g_string_free(messages, TRUE);
  return failed;
}
