/* Actions in words, from the policy to the file and back: what an episode holds depends on nothing next to
 * it, and what is written can be read, replayed, pruned and advised on. */
#include "core/base/durable.h"
#include "core/rollout/advice.h"
#include "core/rollout/evaluation.h"
#include "core/rollout/prune.h"
#include "core/trajectory/trajectories.h"
#include "tests/toy/fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define N_EPISODES 20

typedef struct {
  Fixture fixture;
  CwPolicy *words;
} State;

static int setup(void **state)
{
  State *words = g_new0(State, 1);
  fixture_open_with(&words->fixture, ", timeless: true");
  const CwRegisteredFeature *feature =
      cw_registry_find(words->fixture.registry, CW_FEATURE_POLICY, "toy_words", NULL);
  words->words = cw_policy_open(feature, NULL, 233, NULL);
  *state = words;
  return words->words == NULL;
}

static int teardown(void **state)
{
  State *words = *state;
  cw_policy_close(words->words);
  fixture_close(&words->fixture);
  g_free(words);
  return 0;
}

typedef struct {
  GPtrArray *trajectories;
  guint n_invalid;
} Collected;

static gboolean collect(CwEpisode *episode, gpointer user_data, GError **error G_GNUC_UNUSED)
{
  Collected *collected = user_data;
  g_ptr_array_add(collected->trajectories, g_steal_pointer(&episode->trajectory));
  collected->n_invalid += episode->n_invalid;
  return TRUE;
}

static Collected roll(const State *state, guint n_slots)
{
  gint64 goals[N_EPISODES];
  for (guint i = 0; i < N_EPISODES; i++)
    goals[i] = i % 12;
  CwRolloutPlan plan = {.seed = 233,
                        .purpose = "test",
                        .split = "train",
                        .goals = goals,
                        .n_episodes = N_EPISODES,
                        .keep_steps = TRUE};
  CwAgent agent = {CW_AGENT_POLICY, "policy", state->words, CW_SELECT_SAMPLE};
  CwRollout *rollout = cw_rollout_new(state->fixture.environment, n_slots, NULL);
  Collected collected = {g_ptr_array_new_with_free_func((GDestroyNotify)cw_trajectory_unref), 0};
  assert_true(cw_rollout_run(rollout, &plan, &agent, collect, &collected, NULL, NULL));
  cw_rollout_free(rollout);
  return collected;
}

static char *json_of(const GPtrArray *trajectories)
{
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < trajectories->len; i++) {
    g_autofree char *json = cw_trajectory_to_json(trajectories->pdata[i]);
    g_string_append_printf(text, "%s\n", json);
  }
  return g_string_free(text, FALSE);
}

static void test_episodes_in_words_do_not_depend_on_slots(void **state)
{
  Collected one = roll(*state, 1), many = roll(*state, 64);
  g_autofree char *a = json_of(one.trajectories), *b = json_of(many.trajectories);
  assert_string_equal(a, b);
  assert_true(one.n_invalid > 0);
  assert_int_equal(one.n_invalid, many.n_invalid);
  g_ptr_array_unref(one.trajectories);
  g_ptr_array_unref(many.trajectories);
}

static void test_a_step_in_words_has_action_prompt_and_answer(void **state)
{
  Collected collected = roll(*state, 4);
  guint n_invalid = 0;
  for (guint i = 0; i < N_EPISODES; i++) {
    const CwTrajectory *trajectory = collected.trajectories->pdata[i];
    for (guint k = 0; k < trajectory->n_steps; k++) {
      const CwStep *step = trajectory->steps[k];
      g_autofree char *prompt = g_strdup_printf("After %u steps: %s", k, step->decision->observation);
      gboolean invalid = g_str_equal(step->action, "say hello");
      g_autofree char *answer = invalid ? g_strdup("Hello!") : g_strdup_printf("Action: %s", step->action);
      assert_int_equal(step->chosen, CW_WORDS);
      assert_string_equal(step->prompt, prompt);
      assert_string_equal(step->answer, answer);
      n_invalid += invalid;
    }
  }
  assert_int_equal(n_invalid, collected.n_invalid);
  g_ptr_array_unref(collected.trajectories);
}

static void test_words_are_read_as_they_were_written(void **state)
{
  Collected collected = roll(*state, 4);
  g_autofree char *path = fixture_path(&((State *)*state)->fixture, "words.jsonl");
  g_autoptr(GPtrArray) read = g_ptr_array_new_with_free_func((GDestroyNotify)cw_trajectory_unref);
  const CwTrajectory *const *written = (const CwTrajectory *const *)collected.trajectories->pdata;
  assert_true(cw_trajectories_write(path, written, N_EPISODES, NULL));
  assert_true(cw_trajectories_read(path, read, NULL));
  CwTrajectory *copy = cw_trajectory_copy(read->pdata[0]);
  g_ptr_array_remove_index(read, 0);
  g_ptr_array_insert(read, 0, copy);
  g_autofree char *a = json_of(collected.trajectories), *b = json_of(read);
  assert_string_equal(a, b);
  g_ptr_array_unref(collected.trajectories);
}

/* Where no text tells the time, saying hello leads back to where one was. */
static void test_loops_in_words_are_cut_and_what_is_left_is_walked(void **state)
{
  const State *words = *state;
  Collected collected = roll(words, 4);
  CwSession *session = cw_session_new(words->fixture.environment, NULL);
  CwRandom *random = cw_random_new(0, "test", 0, 0);
  guint n_pruned = 0;
  for (guint i = 0; i < N_EPISODES; i++) {
    const CwTrajectory *trajectory = collected.trajectories->pdata[i];
    CwTrajectory *pruned;
    gboolean refused;
    cw_rollout_restart_environment(random, 233, "test", trajectory->goal, trajectory->episode);
    assert_true(cw_prune_loops(session, random, trajectory, &pruned, &refused, NULL));
    if (!pruned)
      continue;
    n_pruned++;
    for (guint k = 0; k < pruned->n_steps; k++) {
      assert_int_equal(pruned->steps[k]->chosen, CW_WORDS);
      assert_string_not_equal(pruned->steps[k]->action, "say hello");
      assert_non_null(pruned->steps[k]->answer);
    }
    cw_trajectory_unref(pruned);
  }
  assert_true(n_pruned > 0);
  cw_random_free(random);
  cw_session_free(session);
  g_ptr_array_unref(collected.trajectories);
}

static void test_advice_follows_an_episode_in_words(void **state)
{
  const State *words = *state;
  Collected collected = roll(words, 4);
  CwSession *session = cw_session_new(words->fixture.environment, NULL);
  CwRandom *random = cw_random_new(0, "test", 0, 0);
  for (guint i = 0; i < N_EPISODES; i++) {
    CwTrajectory *trajectory = collected.trajectories->pdata[i];
    cw_rollout_restart_environment(random, 233, "test", trajectory->goal, trajectory->episode);
    assert_true(cw_advise(session, random, "best", trajectory, NULL));
    for (guint k = 0; k < trajectory->n_steps; k++)
      assert_non_null(trajectory->steps[k]->advice);
  }
  cw_random_free(random);
  cw_session_free(session);
  g_ptr_array_unref(collected.trajectories);
}

static void test_an_evaluation_counts_answers_without_an_action(void **state)
{
  const State *words = *state;
  CwAgent agent = {CW_AGENT_POLICY, "policy", words->words, CW_SELECT_SAMPLE};
  CwRollout *rollout = cw_rollout_new(words->fixture.environment, 3, NULL);
  CwEvaluation *evaluation = cw_evaluate(rollout, &agent, "final", "test", 12, 1, NULL, NULL, NULL, NULL);
  assert_non_null(evaluation);
  assert_true(evaluation->n_invalid > 0);
  assert_true(evaluation->n_invalid < evaluation->n_decisions);
  cw_evaluation_free(evaluation);
  cw_rollout_free(rollout);
}

/* A teacher's choice is recorded as what it is, a candidate. */
static void test_a_teacher_is_recorded_where_the_agent_spoke(void **state)
{
  const State *words = *state;
  gint64 goals[] = {4};
  CwRolloutPlan plan = {.seed = 1,
                        .purpose = "test",
                        .split = "dev",
                        .goals = goals,
                        .n_episodes = 1,
                        .keep_steps = TRUE,
                        .teacher = "best"};
  CwAgent agent = {CW_AGENT_POLICY, "policy", words->words, CW_SELECT_SAMPLE};
  CwRollout *rollout = cw_rollout_new(words->fixture.environment, 1, NULL);
  Collected collected = {g_ptr_array_new_with_free_func((GDestroyNotify)cw_trajectory_unref), 0};
  assert_true(cw_rollout_run(rollout, &plan, &agent, collect, &collected, NULL, NULL));
  const CwTrajectory *lesson = collected.trajectories->pdata[0];
  for (guint k = 0; k < lesson->n_steps; k++)
    assert_string_equal(lesson->steps[k]->action,
                        lesson->steps[k]->decision->candidates[lesson->steps[k]->chosen]);
  g_ptr_array_unref(collected.trajectories);
  cw_rollout_free(rollout);
}

static void test_an_algorithm_that_takes_no_words_refuses_them_by_name(void **state)
{
  const State *words = *state;
  const CwRegisteredFeature *feature =
      cw_registry_find(words->fixture.registry, CW_FEATURE_ALGORITHM, "toy_algorithm", NULL);
  CwDiagnostics *diagnostics = cw_diagnostics_new();
  gpointer options = cw_options_fill(&feature->options, NULL, NULL, "toy_algorithm", diagnostics);
  CwAlgorithm *algorithm = cw_algorithm_open(feature, options, NULL);
  CwRandom *random = cw_random_new(0, "test", 0, 0);
  CwUpdate *update = cw_update_new(words->words, NULL, random);
  Collected collected = roll(words, 4);
  g_autoptr(GPtrArray) none = g_ptr_array_new();
  g_autoptr(GError) error = NULL;
  gboolean done;
  cw_update_begin(update, 0, none, collected.trajectories);
  assert_false(cw_algorithm_update(algorithm, update, &done, &error));
  assert_true(g_error_matches(error, CW_ALGORITHM_ERROR, CW_ERROR_CONFIGURATION));
  assert_non_null(strstr(error->message, "algorithm 'toy_algorithm': episode 0"));
  assert_non_null(strstr(error->message,
                         "is in words, none of the candidates, and this algorithm learns from "
                         "candidates only"));
  g_ptr_array_unref(collected.trajectories);
  cw_update_free(update);
  cw_random_free(random);
  cw_algorithm_close(algorithm);
  cw_options_free(&feature->options, options);
  cw_diagnostics_free(diagnostics);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_episodes_in_words_do_not_depend_on_slots),
      cmocka_unit_test(test_a_step_in_words_has_action_prompt_and_answer),
      cmocka_unit_test(test_words_are_read_as_they_were_written),
      cmocka_unit_test(test_loops_in_words_are_cut_and_what_is_left_is_walked),
      cmocka_unit_test(test_advice_follows_an_episode_in_words),
      cmocka_unit_test(test_an_evaluation_counts_answers_without_an_action),
      cmocka_unit_test(test_a_teacher_is_recorded_where_the_agent_spoke),
      cmocka_unit_test(test_an_algorithm_that_takes_no_words_refuses_them_by_name),
  };
  return cmocka_run_group_tests_name("words", tests, setup, teardown);
}
