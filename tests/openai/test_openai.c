/* The policy openai against a server that behaves, and against one that does not. */
#include "conformance/check.h"
#include "core/base/interrupt.h"
#include "tests/openai/fixture.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define N 6

static int setup(void **state)
{
  *state = g_new0(Fixture, 1);
  return !fixture_open(*state, "0");
}

static int teardown(void **state)
{
  fixture_close(*state);
  g_free(*state);
  return 0;
}

static CwPolicy *open_policy(void **state, const char *model, const char *more)
{
  GError *error = NULL;
  CwPolicy *policy = fixture_policy(*state, model, more, &error);
  if (!policy)
    fail_msg("%s", error->message);
  return policy;
}

/* Acts greedily in N decisions, each of which goes on after `n_history` steps. */
static gboolean act(CwPolicy *policy, guint n_history, CwAct *acts, GError **error)
{
  CwDecision **decisions = fixture_decisions(N, n_history, NULL);
  gboolean good = fixture_act(policy, decisions, N, TRUE, 0, acts, error);
  fixture_free_decisions(decisions, N);
  return good;
}

static void assert_right(CwPolicy *policy, guint n_history)
{
  CwAct acts[N];
  GError *error = NULL;
  if (!act(policy, n_history, acts, &error))
    fail_msg("%s", error->message);
  for (guint i = 0; i < N; i++) {
    assert_int_equal(acts[i].candidate, (i + n_history) % 3);
    assert_false(acts[i].invalid);
    assert_true(isnan(acts[i].log_probability));
    assert_non_null(strstr(acts[i].prompt, "hint"));
    assert_non_null(acts[i].answer);
  }
}

/* The act fails; `parts` (NULL-terminated) are in the message. */
static void assert_fails(CwPolicy *policy, const char *const *parts)
{
  CwAct acts[N];
  g_autoptr(GError) error = NULL;
  assert_false(act(policy, 0, acts, &error));
  assert_true(g_error_matches(error, CW_POLICY_ERROR, CW_ERROR_INPUT_OUTPUT));
  for (; *parts; parts++)
    if (!strstr(error->message, *parts))
      fail_msg("expected '%s' in: %s", *parts, error->message);
}

static void test_every_template_is_asked_and_understood(void **state)
{
  static const char *const pairs[][2] = {{"number", ""},
                                         {"verl", ", template: verl_agent"},
                                         {"gym", ", template: agentgym"},
                                         {"react", ", template: react"},
                                         {"ragen", ", template: ragen"}};
  for (guint i = 0; i < G_N_ELEMENTS(pairs); i++) {
    g_autoptr(CwPolicy) policy = open_policy(state, pairs[i][0], pairs[i][1]);
    assert_right(policy, 0);
    assert_right(policy, 2);
  }
}

static void test_what_was_asked_before_is_not_asked_again(void **state)
{
  CwPolicy *policy = open_policy(state, "number", ", cache: '%s/kept'");
  assert_right(policy, 1);
  assert_true(fixture_counter(policy, "requests") == N);
  cw_policy_close(policy);
  policy = open_policy(state, "number", ", cache: '%s/kept'");
  assert_right(policy, 1);
  assert_true(fixture_counter(policy, "requests") == 0);
  assert_true(fixture_counter(policy, "answers") == N);
  assert_true(fixture_counter(policy, "answers_found") == N);
  /* Meanwhile another process would take a file of its own. */
  g_autoptr(CwPolicy) other = open_policy(state, "number", ", cache: '%s/kept'");
  assert_right(other, 1);
  assert_true(fixture_counter(other, "requests") == N);
  cw_policy_close(policy);
}

static void test_a_server_that_is_busy_or_ill_is_asked_again(void **state)
{
  static const char *const models[] = {"busy", "ill"};
  for (guint i = 0; i < G_N_ELEMENTS(models); i++) {
    g_autoptr(CwPolicy) policy = open_policy(state, models[i], "");
    CwDecision **decisions = fixture_decisions(1, 0, NULL);
    CwAct act;
    assert_true(fixture_act(policy, decisions, 1, TRUE, 0, &act, NULL));
    assert_int_equal(act.candidate, 0);
    assert_true(fixture_counter(policy, "retries") == 2);
    assert_true(fixture_counter(policy, "requests") == 3);
    fixture_free_decisions(decisions, 1);
  }
}

static void test_what_does_not_pass_is_named(void **state)
{
  static const struct {
    const char *model, *more, *parts[4];
  } cases[] = {
      {"gone",
       "",
       {"/v1/chat/completions (model 'gone'): status 404: The model `gone` does not exist.; look"}},
      {"number", ", url: 'http://127.0.0.1:1/v1', retries: 2", {"(tried 3 times)", "127.0.0.1"}},
      {"slow", ", timeout: 0.1, retries: 1", {"timed out", "(tried 2 times)"}},
      {"cut", ", retries: 1", {"(tried 2 times)", "(model 'cut'): "}},
      {"html", ", retries: 1", {"expected a JSON object, found \"<html>Welcome</html>\" (tried 2 times)"}},
      {"bare", "", {"the reply has no choices[0].message.content or choices[0].text"}},
      {"mute", ", mode: log_probability", {"the reply has no log-probabilities of the prompt"}},
  };
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(CwPolicy) policy = open_policy(state, cases[i].model, cases[i].more);
    assert_fails(policy, cases[i].parts);
  }
}

static void test_what_was_answered_before_a_failure_is_kept(void **state)
{
  CwPolicy *policy = open_policy(state, "busy", ", cache: '%s/half', retries: 0, concurrency: 1");
  CwAct acts[N];
  assert_false(act(policy, 0, acts, NULL));
  cw_policy_close(policy);
  policy = open_policy(state, "busy", ", cache: '%s/half', retries: 9");
  assert_right(policy, 0);
  assert_true(fixture_counter(policy, "answers_found") == 2);
  cw_policy_close(policy);
}

static void test_an_answer_without_an_action_is_counted_and_goes_on_as_the_protocol_says(void **state)
{
  static const struct {
    const char *model, *more, *words;
  } cases[] = {{"nonsense", "", "I am sorry, I cannot shop."},
               {"nonsense", ", template: verl_agent", "orry, i cannot shop."},
               {"nonsense", ", template: agentgym", ""},
               {"nonsense", ", template: react", "I am sorry, I cannot shop."},
               {"nonsense", ", template: ragen", ""},
               {"empty", "", ""}};
  CwAct acts[N];
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(CwPolicy) policy = open_policy(state, cases[i].model, cases[i].more);
    assert_true(act(policy, 0, acts, NULL));
    assert_true(acts[0].invalid);
    assert_int_equal(acts[0].candidate, CW_WORDS);
    assert_string_equal(acts[0].words, cases[i].words);
    assert_true(fixture_counter(policy, "invalid_answers") == N);
  }
  g_autoptr(CwPolicy) policy = open_policy(state, "nonsense", ", invalid: random");
  assert_true(act(policy, 0, acts, NULL));
  for (guint i = 0; i < N; i++)
    assert_true(acts[i].invalid && acts[i].candidate < 4);
}

static void test_a_prompt_that_is_too_long_loses_its_oldest_steps(void **state)
{
  g_autoptr(CwPolicy) policy = open_policy(state, "long", ", history: 8");
  assert_right(policy, 6);
  assert_true(fixture_counter(policy, "steps_left_out") == 4 * N);
  assert_true(fixture_counter(policy, "prompts_too_long") == 4 * N);
  assert_true(fixture_counter(policy, "invalid_answers") == 0);
  g_autoptr(CwPolicy) never = open_policy(state, "always", "");
  CwAct acts[N];
  assert_true(act(never, 3, acts, NULL));
  assert_true(acts[0].invalid);
  assert_string_equal(acts[0].words, "");
  assert_true(fixture_counter(never, "invalid_answers") == N);
  assert_true(fixture_counter(never, "steps_left_out") == 3 * N);
}

static void test_the_key_is_sent_and_never_shown(void **state)
{
  static const char *const parts[] = {"status 401: Incorrect API key: Bearer (the key)", NULL};
  g_setenv("TEST_KEY", "sk-secret", TRUE);
  g_autoptr(CwPolicy) policy = open_policy(state, "nokey", ", api_key_environment: TEST_KEY");
  assert_fails(policy, parts);
  for (const char *const *facts = cw_policy_describe(policy); *facts; facts++)
    assert_null(strstr(*facts, "secret"));
  g_unsetenv("TEST_KEY");
  g_autoptr(GError) error = NULL;
  assert_null(fixture_policy(*state, "nokey", ", api_key_environment: TEST_KEY", &error));
  assert_string_equal(error->message,
                      "policy 'openai': api_key_environment: expected a key in the environment "
                      "variable TEST_KEY, found none");
}

static void test_what_cannot_be_is_refused_at_once(void **state)
{
  static const char *const cases[][2] = {
      {", url: 'ftp://x/'", "url: expected http://HOST... or https://HOST..., found 'ftp://x/'"},
      {", url: 'http://me:word@x/v1'", "url: expected an address without a name and password"},
      {", template: ourz",
       "template: expected agentgym, ours, ragen, react, verl_agent, or the path of a file"},
      {", cache: /dev/null/x", "cache: folder /dev/null/x cannot be made"}};
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GError) error = NULL;
    assert_null(fixture_policy(*state, "number", cases[i][0], &error));
    if (!strstr(error->message, cases[i][1]))
      fail_msg("expected '%s' in: %s", cases[i][1], error->message);
  }
}

static void test_candidates_are_drawn_by_their_log_probabilities(void **state)
{
  g_autoptr(CwPolicy) policy = open_policy(state, "likely", ", mode: log_probability");
  CwDecision **decisions = fixture_decisions(3, 0, NULL);
  float logits[12], values[3];
  CwAct acts[3];
  assert_true(cw_policy_score(policy, (const CwDecision *const *)decisions, 3, logits, values, NULL));
  /* "take" and the letter, -1.5 each, but for the right letter -0.5; "wait" alone -1.5. */
  assert_true(logits[0] == -2.0f && logits[1] == -3.0f && logits[3] == -1.5f && logits[4] == -3.0f);
  assert_true(fixture_act(policy, decisions, 3, TRUE, 0, acts, NULL));
  assert_int_equal(acts[0].candidate, 3);
  double sum = exp(-2.0) + 2 * exp(-3.0) + exp(-1.5);
  assert_true(fabs(acts[0].log_probability - (-1.5 - log(sum))) < 1e-5);
  fixture_free_decisions(decisions, 3);
}

static void test_no_more_requests_are_in_flight_than_allowed(void **state G_GNUC_UNUSED)
{
  Fixture slow;
  assert_true(fixture_open(&slow, "0.02"));
  CwPolicy *policy = fixture_policy(&slow, "peak", ", concurrency: 4", NULL);
  CwDecision **decisions = fixture_decisions(24, 0, NULL);
  CwAct acts[24];
  guint most = 0;
  assert_true(fixture_act(policy, decisions, 24, TRUE, 0, acts, NULL));
  for (guint i = 0; i < 24; i++)
    most = MAX(most, acts[i].candidate + 1);
  assert_int_equal(most, 4);
  fixture_free_decisions(decisions, 24);
  cw_policy_close(policy);
  fixture_close(&slow);
}

static void note(const CwRegisteredFeature *feature G_GNUC_UNUSED, const char *check, CwCheckResult result,
                 const char *message, gpointer user_data)
{
  if (result == CW_CHECK_FAILED)
    g_string_append_printf(user_data, "%s: %s\n", check, message);
}

static void test_it_conforms(void **state)
{
  const Fixture *fixture = *state;
  static const char *const options[] = {"model: seed", "model: likely\nmode: log_probability"};
  for (guint i = 0; i < G_N_ELEMENTS(options); i++) {
    g_autofree char *yaml =
        g_strdup_printf("%s\nurl: http://127.0.0.1:%u/v1\ncache: none\n", options[i], fixture->port);
    g_autoptr(GString) failures = g_string_new(NULL);
    const CwRegisteredFeature *feature =
        cw_registry_find(fixture->registry, CW_FEATURE_POLICY, "openai", NULL);
    cw_check_feature(fixture->registry, feature, yaml, "options", note, failures, NULL);
    assert_string_equal(failures->str, "");
  }
}

/* The last test: the wish to stop cannot be taken back. */
static void test_a_wish_to_stop_is_obeyed_at_once(void **state)
{
  g_autoptr(CwPolicy) policy = open_policy(state, "slow", "");
  CwAct acts[N];
  g_autoptr(GError) error = NULL;
  cw_interrupt();
  assert_false(act(policy, 0, acts, &error));
  assert_true(g_error_matches(error, CW_POLICY_ERROR, CW_ERROR_CANCELLED));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_template_is_asked_and_understood),
      cmocka_unit_test(test_what_was_asked_before_is_not_asked_again),
      cmocka_unit_test(test_a_server_that_is_busy_or_ill_is_asked_again),
      cmocka_unit_test(test_what_does_not_pass_is_named),
      cmocka_unit_test(test_what_was_answered_before_a_failure_is_kept),
      cmocka_unit_test(test_an_answer_without_an_action_is_counted_and_goes_on_as_the_protocol_says),
      cmocka_unit_test(test_a_prompt_that_is_too_long_loses_its_oldest_steps),
      cmocka_unit_test(test_the_key_is_sent_and_never_shown),
      cmocka_unit_test(test_what_cannot_be_is_refused_at_once),
      cmocka_unit_test(test_candidates_are_drawn_by_their_log_probabilities),
      cmocka_unit_test(test_no_more_requests_are_in_flight_than_allowed),
      cmocka_unit_test(test_it_conforms),
      cmocka_unit_test(test_a_wish_to_stop_is_obeyed_at_once),
  };
  return cmocka_run_group_tests_name("openai", tests, setup, teardown);
}
