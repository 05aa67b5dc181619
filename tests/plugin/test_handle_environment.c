/* The host's handle around an environment and its sessions: what it refuses and whom it blames. The
 * environment is made up here. */
#include "core/plugin/handles.h"
#include "tests/plugin/assert_error.h"
#include "tests/plugin/fixtures/fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* An environment of one step. */
static const char *pair[] = {"yes", "no"};

static gint64 n_goals(gpointer shared, const char *split)
{
  (void)shared;
  return strcmp(split, "train") == 0 ? 3 : strcmp(split, "all") == 0 ? 5 : -1;
}

static gpointer session_new(gpointer shared, GError **error)
{
  (void)shared, (void)error;
  return g_new0(gint64, 1);
}

static gboolean reset(gpointer session, const char *split, gint64 goal, CwRandom *random, GError **error)
{
  (void)split, (void)random, (void)error;
  *(gint64 *)session = goal;
  return TRUE;
}

/* What it shows besides candidates. */
static const char *shown;

/* Goal 2 has no candidates to show. */
static gboolean observe(gpointer session, CwObservation *observation, GError **error)
{
  (void)error;
  observation->text = shown ? shown : "a page";
  observation->candidates = pair;
  observation->n_candidates = *(gint64 *)session == 2 ? 0 : 2;
  return TRUE;
}

/* Goal 1 pays what is not a number. */
static gboolean step(gpointer session, guint candidate, CwOutcome *outcome, GError **error)
{
  (void)error;
  assert_int_equal(outcome->struct_size, sizeof *outcome);
  outcome->reward = *(gint64 *)session == 1 ? NAN : (float)candidate;
  outcome->terminated = TRUE;
  return TRUE;
}

static const char *const *scripts(gpointer shared)
{
  static const char *const names[] = {"rule", "expert", NULL};
  (void)shared;
  return names;
}

static gint scripted_action(gpointer session, const char *script, GError **error)
{
  (void)session, (void)error;
  return strcmp(script, "expert") == 0 ? 1 : 0;
}

static const CwEnvironmentVtable environment_vtable = {
    .open = fixture_open,
    .close = fixture_close,
    .describe = fixture_describe,
    .n_goals = n_goals,
    .session_new = session_new,
    .session_free = g_free,
    .reset = reset,
    .observe = observe,
    .step = step,
    .scripts = scripts,
    .scripted_action = scripted_action,
};

static const CwRegisteredFeature page = {.kind = CW_FEATURE_ENVIRONMENT,
                                         .name = "page",
                                         .capabilities = CW_ENVIRONMENT_SCRIPTS,
                                         .vtable.environment = &environment_vtable};

typedef struct {
  CwEnvironment *environment;
  CwSession *session;
  CwRandom *random;
} Play;

static int open_play(void **state)
{
  Play *play = g_new0(Play, 1);
  play->environment = cw_environment_open(&page, NULL, 1, NULL);
  play->session = cw_session_new(play->environment, NULL);
  play->random = cw_random_new(1, "test", 0, 0);
  *state = play;
  return !play->session;
}

static int close_play(void **state)
{
  Play *play = *state;
  cw_session_free(play->session);
  cw_environment_close(play->environment);
  cw_random_free(play->random);
  cw_session_free(NULL);
  cw_environment_close(NULL);
  g_free(play);
  return 0;
}

static void test_episode_runs_from_reset_to_end(void **state)
{
  Play *play = *state;
  CwObservation observation;
  CwOutcome outcome;
  GError *error = NULL;
  assert_true(cw_session_reset(play->session, "train", 0, play->random, NULL));
  assert_true(cw_session_observe(play->session, &observation, NULL));
  assert_int_equal(observation.n_candidates, 2);
  assert_int_equal(cw_session_scripted_action(play->session, "expert", NULL), 1);
  assert_true(cw_session_step(play->session, 1, &outcome, NULL));
  assert_true(outcome.reward == 1 && outcome.terminated);
  assert_false(cw_session_step(play->session, 1, &outcome, &error));
  assert_error(&error, CW_ENVIRONMENT_ERROR, CW_ERROR_FAILED,
               "environment 'page': step after the end of the episode; reset the session first");
  assert_true(cw_session_observe(play->session, &observation, NULL));
  assert_true(cw_session_reset(play->session, "train", 0, play->random, NULL));
  assert_true(cw_session_step(play->session, 0, &outcome, NULL));
}

static void test_calls_before_reset_are_refused(void **state)
{
  Play *play = *state;
  CwObservation observation;
  CwOutcome outcome;
  GError *error = NULL;
  assert_false(cw_session_observe(play->session, &observation, &error));
  assert_error(&error, CW_ENVIRONMENT_ERROR, CW_ERROR_FAILED,
               "environment 'page': observe before the first reset; reset the session first");
  assert_false(cw_session_step(play->session, 0, &outcome, &error));
  assert_error(&error, CW_ENVIRONMENT_ERROR, CW_ERROR_FAILED,
               "environment 'page': step before the first reset; reset the session first");
  assert_int_equal(cw_session_scripted_action(play->session, "rule", &error), -1);
  assert_error(&error, CW_ENVIRONMENT_ERROR, CW_ERROR_FAILED,
               "environment 'page': scripted_action before the first reset; reset the session first");
  assert_string_equal(cw_session_goal_id(play->session), "");
}

static void test_unknown_split_lists_those_there_are(void **state)
{
  Play *play = *state;
  GError *error = NULL;
  assert_int_equal(cw_environment_n_goals(play->environment, "train", NULL), 3);
  assert_int_equal(cw_environment_n_goals(play->environment, "test", &error), -1);
  assert_error(&error, CW_ENVIRONMENT_ERROR, CW_ERROR_CONFIGURATION,
               "environment 'page': no split 'test'; it has: train, all");
}

static void test_goal_outside_of_its_split_is_refused(void **state)
{
  Play *play = *state;
  GError *error = NULL;
  assert_false(cw_session_reset(play->session, "train", 3, play->random, &error));
  assert_error(&error, CW_ENVIRONMENT_ERROR, CW_ERROR_FAILED,
               "environment 'page': no goal 3 in split 'train', which has 3 (counted from 0)");
  assert_false(cw_session_reset(play->session, "train", -1, play->random, &error));
  assert_error(&error, CW_ENVIRONMENT_ERROR, CW_ERROR_FAILED,
               "environment 'page': no goal -1 in split 'train', which has 3 (counted from 0)");
}

static void test_reward_that_is_no_number_is_stopped(void **state)
{
  Play *play = *state;
  CwOutcome outcome;
  GError *error = NULL;
  assert_true(cw_session_reset(play->session, "train", 1, play->random, NULL));
  assert_false(cw_session_step(play->session, 1, &outcome, &error));
  assert_error(&error, CW_ENVIRONMENT_ERROR, CW_ERROR_NUMERIC, "environment 'page': step: the reward is nan");
}

static void test_page_without_candidates_is_refused(void **state)
{
  Play *play = *state;
  CwObservation observation;
  GError *error = NULL;
  assert_true(cw_session_reset(play->session, "train", 2, play->random, NULL));
  assert_false(cw_session_observe(play->session, &observation, &error));
  assert_error(
      &error, CW_ENVIRONMENT_ERROR, CW_ERROR_FAILED,
      "environment 'page': observe: expected at least one candidate while the episode runs, found none");
}

static void test_text_that_is_not_utf8_is_refused(void **state)
{
  Play *play = *state;
  CwObservation observation;
  GError *error = NULL;
  assert_true(cw_session_reset(play->session, "train", 0, play->random, NULL));
  shown = "a page with \xc3\xa9t\xc3\xa9";
  assert_true(cw_session_observe(play->session, &observation, NULL));
  shown = "a page in \xe9t\xe9";
  assert_false(cw_session_observe(play->session, &observation, &error));
  assert_error(&error, CW_ENVIRONMENT_ERROR, CW_ERROR_FORMAT,
               "environment 'page': observe: expected UTF-8, found byte 0xe9 at byte 10 of the observation, "
               "which begins with \"a page in \"; convert its texts to UTF-8");
  shown = NULL;
  pair[1] = "\xff";
  assert_false(cw_session_observe(play->session, &observation, &error));
  assert_error(&error, CW_ENVIRONMENT_ERROR, CW_ERROR_FORMAT,
               "environment 'page': observe: expected UTF-8, found byte 0xff at byte 0 of candidate 1 of 2, "
               "which begins with \"\"; convert its texts to UTF-8");
  pair[1] = "no";
}

static void test_what_an_environment_does_not_claim_is_refused(void **state)
{
  Play *play = *state;
  CwOutcome outcome;
  GError *error = NULL;
  assert_true(cw_session_reset(play->session, "train", 0, play->random, NULL));
  assert_false(cw_session_step_text(play->session, "yes", &outcome, &error));
  assert_error(&error, CW_ENVIRONMENT_ERROR, CW_ERROR_UNSUPPORTED,
               "environment 'page': takes no free text; choose one of the candidates");
  assert_null(cw_environment_read_record(play->environment, "{}", "file:1", &error));
  assert_error(&error, CW_ENVIRONMENT_ERROR, CW_ERROR_UNSUPPORTED,
               "environment 'page': reads no recorded sessions");
  assert_null(cw_environment_answer(play->environment, "search", "{}", &error));
  assert_error(&error, CW_ENVIRONMENT_ERROR, CW_ERROR_UNSUPPORTED,
               "environment 'page': answers no requests, so not 'search' either");
  assert_int_equal(cw_session_scripted_action(play->session, "oracle", &error), -1);
  assert_error(&error, CW_ENVIRONMENT_ERROR, CW_ERROR_CONFIGURATION,
               "environment 'page': no scripted agent 'oracle'; it has: rule, expert");
}

#define PLAY(function) cmocka_unit_test_setup_teardown(function, open_play, close_play)

int main(void)
{
  const struct CMUnitTest tests[] = {
      PLAY(test_episode_runs_from_reset_to_end),
      PLAY(test_calls_before_reset_are_refused),
      PLAY(test_unknown_split_lists_those_there_are),
      PLAY(test_goal_outside_of_its_split_is_refused),
      PLAY(test_reward_that_is_no_number_is_stopped),
      PLAY(test_page_without_candidates_is_refused),
      PLAY(test_text_that_is_not_utf8_is_refused),
      PLAY(test_what_an_environment_does_not_claim_is_refused),
  };
  return cmocka_run_group_tests_name("handle of an environment", tests, NULL, NULL);
}
