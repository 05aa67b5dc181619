/* Rollouts: what an episode holds must not depend on what runs next to it. */
#include "core/base/interrupt.h"
#include "core/trajectory/trajectories.h"
#include "tests/toy/fixture.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define N_EPISODES 20

static int setup(void **state)
{
  *state = g_new0(Fixture, 1);
  fixture_open(*state);
  return 0;
}

static int teardown(void **state)
{
  fixture_close(*state);
  g_free(*state);
  return 0;
}

static gboolean append_json(CwEpisode *episode, gpointer user_data, GError **error)
{
  (void)error;
  g_autofree char *json = cw_trajectory_to_json(episode->trajectory);
  g_string_append_printf(user_data, "%s\n", json);
  return TRUE;
}

static void goals_in_order(gint64 *goals, guint n)
{
  for (guint i = 0; i < n; i++)
    goals[i] = i % 12;
}

/* All trajectories of a rollout as JSON lines. Free with g_free. */
static char *roll(const Fixture *fixture, const CwAgent *agent, guint n_slots, guint group_size)
{
  gint64 goals[N_EPISODES];
  goals_in_order(goals, N_EPISODES);
  CwRolloutPlan plan = {.seed = 233,
                        .purpose = "test",
                        .split = "train",
                        .goals = goals,
                        .n_episodes = N_EPISODES,
                        .group_size = group_size,
                        .keep_steps = TRUE};
  CwRollout *rollout = cw_rollout_new(fixture->environment, n_slots, NULL);
  GString *json = g_string_new(NULL);
  assert_true(cw_rollout_run(rollout, &plan, agent, append_json, json, NULL, NULL));
  cw_rollout_free(rollout);
  return g_string_free(json, FALSE);
}

static void assert_independent_of_slots(const Fixture *fixture, const CwAgent *agent)
{
  g_autofree char *one = roll(fixture, agent, 1, 0);
  g_autofree char *three = roll(fixture, agent, 3, 0);
  g_autofree char *many = roll(fixture, agent, 64, 0);
  assert_string_equal(one, three);
  assert_string_equal(one, many);
}

static void test_random_episodes_do_not_depend_on_slots(void **state)
{
  CwAgent agent = {.kind = CW_AGENT_RANDOM, .name = "random"};
  assert_independent_of_slots(*state, &agent);
}

static void test_sampled_episodes_do_not_depend_on_slots(void **state)
{
  const Fixture *fixture = *state;
  CwAgent agent = {CW_AGENT_POLICY, "policy", fixture->policy, CW_SELECT_SAMPLE};
  assert_independent_of_slots(fixture, &agent);
}

static void test_scripted_episodes_do_not_depend_on_slots(void **state)
{
  CwAgent agent = {.kind = CW_AGENT_SCRIPT, .name = "worst"};
  assert_independent_of_slots(*state, &agent);
}

static gboolean collect(CwEpisode *episode, gpointer user_data, GError **error)
{
  (void)error;
  g_ptr_array_add(user_data, g_steal_pointer(&episode->trajectory));
  return TRUE;
}

static GPtrArray *roll_plan(const Fixture *fixture, const CwRolloutPlan *plan, const CwAgent *agent)
{
  CwRollout *rollout = cw_rollout_new(fixture->environment, 4, NULL);
  GPtrArray *trajectories = g_ptr_array_new_with_free_func((GDestroyNotify)cw_trajectory_unref);
  assert_true(cw_rollout_run(rollout, plan, agent, collect, trajectories, NULL, NULL));
  cw_rollout_free(rollout);
  return trajectories;
}

static void test_groups_share_a_goal_and_differ_in_chance(void **state)
{
  gint64 goals[] = {7, 2};
  CwRolloutPlan plan = {.seed = 1,
                        .purpose = "test",
                        .split = "dev",
                        .goals = goals,
                        .first_episode = 30,
                        .first_group = 10,
                        .n_episodes = 6,
                        .group_size = 3,
                        .keep_steps = TRUE};
  CwAgent agent = {.kind = CW_AGENT_RANDOM, .name = "random"};
  g_autoptr(GPtrArray) trajectories = roll_plan(*state, &plan, &agent);
  assert_int_equal(trajectories->len, 6);
  for (guint i = 0; i < 6; i++) {
    const CwTrajectory *trajectory = g_ptr_array_index(trajectories, i);
    assert_int_equal(trajectory->goal, goals[i / 3]);
    assert_int_equal(trajectory->group, 10 + i / 3);
    assert_int_equal(trajectory->episode, 30 + i);
    assert_string_equal(trajectory->goal_id, i < 3 ? "toy-dev-7" : "toy-dev-2");
  }
  const CwTrajectory *first = g_ptr_array_index(trajectories, 0),
                     *second = g_ptr_array_index(trajectories, 1);
  assert_string_not_equal(first->steps[0]->decision->observation, second->steps[0]->decision->observation);
}

static void test_equal_logits_are_recorded_as_log_probability_and_broken_in_order(void **state)
{
  const Fixture *fixture = *state;
  gint64 goals[] = {1};
  CwRolloutPlan plan = {
      .seed = 1, .purpose = "test", .split = "dev", .goals = goals, .n_episodes = 1, .keep_steps = TRUE};
  CwAgent agent = {CW_AGENT_POLICY, "policy", fixture->policy, CW_SELECT_GREEDY};
  g_autoptr(GPtrArray) trajectories = roll_plan(fixture, &plan, &agent);
  const CwTrajectory *trajectory = g_ptr_array_index(trajectories, 0);
  /* An untrained toy policy has equal logits for the four candidates of goal 1 and value 0. */
  assert_int_equal(trajectory->n_steps, 2);
  assert_int_equal(trajectory->steps[0]->chosen, 0);
  assert_true(fabs(trajectory->steps[0]->log_probability + log(4)) < 1e-6);
  assert_true(trajectory->steps[0]->value == 0);
  assert_string_equal(trajectory->agent, "policy");
  assert_int_equal(trajectory->seed, 1);
}

static void test_scripts_have_no_log_probability(void **state)
{
  gint64 goals[] = {4};
  CwRolloutPlan plan = {
      .seed = 1, .purpose = "test", .split = "dev", .goals = goals, .n_episodes = 1, .keep_steps = TRUE};
  CwAgent agent = {.kind = CW_AGENT_SCRIPT, .name = "best"};
  g_autoptr(GPtrArray) trajectories = roll_plan(*state, &plan, &agent);
  const CwTrajectory *trajectory = g_ptr_array_index(trajectories, 0);
  assert_true(isnan(trajectory->steps[0]->log_probability));
  assert_true(isnan(trajectory->steps[0]->value));
  assert_true(trajectory->success);
  assert_true(trajectory->total_reward == 1);
  assert_true(trajectory->steps[1]->terminated);
  assert_int_equal(trajectory->n_parts, 2);
}

/* The agent's way, the teacher's choices. */
static void test_a_teacher_says_what_it_would_do_where_the_agent_goes(void **state)
{
  gint64 goals[] = {4, 5, 7};
  CwRolloutPlan plan = {
      .seed = 1, .purpose = "test", .split = "dev", .goals = goals, .n_episodes = 3, .keep_steps = TRUE};
  CwAgent agent = {.kind = CW_AGENT_RANDOM, .name = "random"};
  g_autoptr(GPtrArray) alone = roll_plan(*state, &plan, &agent);
  plan.teacher = "best";
  g_autoptr(GPtrArray) taught = roll_plan(*state, &plan, &agent);
  guint n_other = 0;
  for (guint i = 0; i < 3; i++) {
    const CwTrajectory *way = g_ptr_array_index(alone, i), *lesson = g_ptr_array_index(taught, i);
    assert_string_equal(lesson->agent, "best/random");
    assert_true(way->total_reward == lesson->total_reward);
    assert_int_equal(way->n_steps, lesson->n_steps);
    for (guint k = 0; k < way->n_steps; k++) {
      const CwStep *step = lesson->steps[k];
      const char *hint = strstr(step->decision->observation, "hint ");
      assert_string_equal(step->decision->observation, way->steps[k]->decision->observation);
      assert_int_equal(step->decision->candidates[step->chosen][5], hint[5]);
      assert_true(fabs(step->log_probability + log(step->decision->n_candidates)) < 1e-6);
      n_other += step->chosen != way->steps[k]->chosen;
    }
  }
  assert_true(n_other > 0);
}

static void test_the_log_probability_is_that_of_the_teachers_choice(void **state)
{
  const Fixture *fixture = *state;
  gint64 goals[] = {1};
  CwRolloutPlan plan = {
      .seed = 1, .purpose = "test", .split = "dev", .goals = goals, .n_episodes = 1, .keep_steps = TRUE};
  CwAgent agent = {CW_AGENT_POLICY, "policy", fixture->policy, CW_SELECT_GREEDY};
  plan.teacher = "best";
  g_autoptr(GPtrArray) taught = roll_plan(fixture, &plan, &agent);
  const CwTrajectory *lesson = g_ptr_array_index(taught, 0);
  /* Goal 1 asks for b first; the untrained policy takes a, the first of equals. */
  assert_int_equal(lesson->steps[0]->chosen, 1);
  assert_true(fabs(lesson->steps[0]->log_probability + log(4)) < 1e-6);
  assert_false(lesson->success);
  plan.teacher = "broken";
  GError *error = NULL;
  CwRollout *rollout = cw_rollout_new(fixture->environment, 1, NULL);
  assert_false(cw_rollout_run(rollout, &plan, &agent, NULL, NULL, NULL, &error));
  assert_non_null(strstr(error->message, "'broken' gives up"));
  g_error_free(error);
  cw_rollout_free(rollout);
}

static gboolean check_bare_episode(CwEpisode *episode, gpointer user_data, GError **error)
{
  (void)error;
  guint *n = user_data;
  assert_int_equal(episode->episode, *n);
  assert_null(episode->trajectory);
  assert_int_equal(episode->n_steps, 1 + *n % 3);
  assert_true(episode->success);
  ++*n;
  return TRUE;
}

static void test_without_steps_only_outcomes_come_in_order(void **state)
{
  const Fixture *fixture = *state;
  gint64 goals[12];
  goals_in_order(goals, 12);
  CwRolloutPlan plan = {.seed = 1, .purpose = "test", .split = "dev", .goals = goals, .n_episodes = 12};
  CwAgent agent = {.kind = CW_AGENT_SCRIPT, .name = "best"};
  CwRollout *rollout = cw_rollout_new(fixture->environment, 5, NULL);
  guint n = 0;
  guint64 n_decisions;
  assert_true(cw_rollout_run(rollout, &plan, &agent, check_bare_episode, &n, &n_decisions, NULL));
  assert_int_equal(n, 12);
  assert_int_equal(n_decisions, 24);
  cw_rollout_free(rollout);
}

static void test_error_of_a_script_ends_the_rollout_and_the_slots_can_be_used_again(void **state)
{
  const Fixture *fixture = *state;
  gint64 goals[12];
  goals_in_order(goals, 12);
  CwRolloutPlan plan = {.seed = 1, .purpose = "test", .split = "dev", .goals = goals, .n_episodes = 12};
  CwAgent agent = {.kind = CW_AGENT_SCRIPT, .name = "broken"};
  CwRollout *rollout = cw_rollout_new(fixture->environment, 5, NULL);
  g_autoptr(GError) error = NULL;
  assert_false(cw_rollout_run(rollout, &plan, &agent, NULL, NULL, NULL, &error));
  assert_string_equal(error->message, "environment 'toy_environment': script 'broken' gives up on goal 0");
  agent.name = "best";
  assert_true(cw_rollout_run(rollout, &plan, &agent, NULL, NULL, NULL, NULL));
  cw_rollout_free(rollout);
}

static gboolean refuse(CwEpisode *episode, gpointer user_data, GError **error)
{
  (void)episode, (void)user_data;
  g_set_error_literal(error, CW_RUN_ERROR, CW_ERROR_FAILED, "enough");
  return FALSE;
}

static void test_error_of_the_callback_ends_the_rollout(void **state)
{
  const Fixture *fixture = *state;
  gint64 goals[12];
  goals_in_order(goals, 12);
  CwRolloutPlan plan = {.seed = 1, .purpose = "test", .split = "dev", .goals = goals, .n_episodes = 12};
  CwAgent agent = {.kind = CW_AGENT_RANDOM, .name = "random"};
  CwRollout *rollout = cw_rollout_new(fixture->environment, 5, NULL);
  g_autoptr(GError) error = NULL;
  assert_false(cw_rollout_run(rollout, &plan, &agent, refuse, NULL, NULL, &error));
  assert_string_equal(error->message, "enough");
  cw_rollout_free(rollout);
}

static gboolean count_truncated(CwEpisode *episode, gpointer user_data, GError **error)
{
  (void)error;
  assert_true(episode->n_steps <= 2);
  *(guint *)user_data += episode->truncated;
  return TRUE;
}

static void test_step_limit_ends_episodes_with_one_warning(void **state)
{
  const Fixture *fixture = *state;
  gint64 goals[12];
  goals_in_order(goals, 12);
  CwRolloutPlan plan = {.seed = 1, .purpose = "test", .split = "dev", .goals = goals, .n_episodes = 12};
  CwAgent agent = {.kind = CW_AGENT_RANDOM, .name = "random"};
  CwRollout *rollout = cw_rollout_new(fixture->environment, 5, NULL);
  guint n_truncated = 0;
  cw_rollout_set_step_limit(rollout, 2);
  g_test_expect_message(
      "cartwright", G_LOG_LEVEL_WARNING,
      "environment 'toy_environment', goal * of split 'dev': the episode was not over after "
      "2 steps and counts as truncated, as will others; see that the environment ends its "
      "episodes, or change rollout.step_limit");
  assert_true(cw_rollout_run(rollout, &plan, &agent, count_truncated, &n_truncated, NULL, NULL));
  g_test_assert_expected_messages();
  assert_true(n_truncated > 1 && n_truncated < 12);
  cw_rollout_free(rollout);
}

/* The last test: the request to stop cannot be taken back. */
static void test_interrupt_stops_what_may_be_stopped(void **state)
{
  const Fixture *fixture = *state;
  gint64 goals[12];
  goals_in_order(goals, 12);
  CwRolloutPlan plan = {.seed = 1, .purpose = "test", .split = "dev", .goals = goals, .n_episodes = 12};
  CwAgent agent = {.kind = CW_AGENT_RANDOM, .name = "random"};
  CwRollout *rollout = cw_rollout_new(fixture->environment, 5, NULL);
  g_autoptr(GError) error = NULL;
  cw_interrupt();
  assert_true(cw_rollout_run(rollout, &plan, &agent, NULL, NULL, NULL, &error));
  plan.stoppable = TRUE;
  assert_false(cw_rollout_run(rollout, &plan, &agent, NULL, NULL, NULL, &error));
  assert_true(g_error_matches(error, CW_RUN_ERROR, CW_ERROR_CANCELLED));
  cw_rollout_free(rollout);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_random_episodes_do_not_depend_on_slots),
      cmocka_unit_test(test_sampled_episodes_do_not_depend_on_slots),
      cmocka_unit_test(test_scripted_episodes_do_not_depend_on_slots),
      cmocka_unit_test(test_groups_share_a_goal_and_differ_in_chance),
      cmocka_unit_test(test_equal_logits_are_recorded_as_log_probability_and_broken_in_order),
      cmocka_unit_test(test_scripts_have_no_log_probability),
      cmocka_unit_test(test_a_teacher_says_what_it_would_do_where_the_agent_goes),
      cmocka_unit_test(test_the_log_probability_is_that_of_the_teachers_choice),
      cmocka_unit_test(test_without_steps_only_outcomes_come_in_order),
      cmocka_unit_test(test_error_of_a_script_ends_the_rollout_and_the_slots_can_be_used_again),
      cmocka_unit_test(test_error_of_the_callback_ends_the_rollout),
      cmocka_unit_test(test_step_limit_ends_episodes_with_one_warning),
      cmocka_unit_test(test_interrupt_stops_what_may_be_stopped),
  };
  return cmocka_run_group_tests_name("rollout", tests, setup, teardown);
}
