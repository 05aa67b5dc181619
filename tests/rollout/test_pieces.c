/* Pieces of episodes that go on from call to call, agents that are drawn, temperature and epsilon. */
#include "core/rollout/rollout.h"
#include "core/trajectory/trajectories.h"
#include "tests/toy/fixture.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define N_SLOTS  3
#define N_STEPS  2
#define N_CALLS  8
#define MOST     ((guint)(N_SLOTS * (N_STEPS + 1) * N_CALLS))
#define N_ROUNDS 400

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

static gint64 goals[MOST + N_SLOTS * (N_STEPS + 1)];

static CwRolloutPlan plan_of(void)
{
  for (guint i = 0; i < G_N_ELEMENTS(goals); i++)
    goals[i] = (i * 5) % 12;
  return (CwRolloutPlan){.seed = 233,
                         .purpose = "test",
                         .split = "train",
                         .goals = goals,
                         .keep_steps = TRUE,
                         .keep_after = TRUE};
}

static gboolean append(CwEpisode *episode, gpointer user_data, GError **error G_GNUC_UNUSED)
{
  g_ptr_array_add(user_data, g_steal_pointer(&episode->trajectory));
  return TRUE;
}

static GPtrArray *new_list(void)
{
  return g_ptr_array_new_with_free_func((GDestroyNotify)cw_trajectory_unref);
}

/* Some calls on a rollout; *begun is how many episodes were begun before, and after. */
static void run_calls(CwRollout *rollout, const CwAgent *agent, guint n_calls, guint64 *begun,
                      GPtrArray *pieces)
{
  CwRolloutPlan plan = plan_of();
  for (guint i = 0; i < n_calls; i++) {
    guint64 n_started;
    plan.first_episode = plan.first_group = *begun;
    plan.goals = goals + *begun;
    plan.n_episodes = N_SLOTS * (N_STEPS + 1);
    assert_true(cw_rollout_run_pieces(rollout, &plan, agent, N_STEPS, append, pieces, &n_started, NULL));
    *begun += n_started;
  }
}

/* "observation>action=reward" of steps. */
static void describe_steps(const CwTrajectory *trajectory, GString *text)
{
  for (guint i = 0; i < trajectory->n_steps; i++) {
    const CwStep *step = trajectory->steps[i];
    assert_int_equal(step->decision->step, trajectory->first_step + i);
    assert_int_equal(step->decision->episode, trajectory->episode);
    g_string_append_printf(text, "%s>%s=%g %g\n", step->decision->observation, step->action, step->reward,
                           step->log_probability);
  }
}

static void test_pieces_add_up_to_whole_episodes(void **state)
{
  const Fixture *fixture = *state;
  CwAgent agent = {CW_AGENT_POLICY, "policy", fixture->policy, CW_SELECT_SAMPLE};
  CwRollout *rollout = cw_rollout_new(fixture->environment, N_SLOTS, NULL);
  g_autoptr(GPtrArray) pieces = new_list(), whole = new_list();
  guint64 begun = 0;
  run_calls(rollout, &agent, N_CALLS, &begun, pieces);
  cw_rollout_free(rollout);
  CwRolloutPlan plan = plan_of();
  plan.n_episodes = begun;
  rollout = cw_rollout_new(fixture->environment, 2, NULL);
  assert_true(cw_rollout_run(rollout, &plan, &agent, append, whole, NULL, NULL));
  cw_rollout_free(rollout);
  guint n_compared = 0, n_cut = 0, n_steps = 0;
  for (guint e = 0; e < whole->len; e++) {
    g_autoptr(GString) expected = g_string_new(NULL), found = g_string_new(NULL);
    guint next = 0;
    describe_steps(whole->pdata[e], expected);
    for (guint p = 0; p < pieces->len; p++) {
      const CwTrajectory *piece = pieces->pdata[p];
      if (piece->episode != e)
        continue;
      assert_int_equal(piece->first_step, next);
      next += piece->n_steps;
      n_steps += piece->n_steps;
      describe_steps(piece, found);
      gboolean ends =
          piece->steps[piece->n_steps - 1]->terminated || piece->steps[piece->n_steps - 1]->truncated;
      assert_int_equal(piece->after != NULL, !ends);
      n_cut += !ends;
      if (!ends)
        assert_int_equal(piece->after->step, next);
    }
    assert_true(g_str_has_prefix(expected->str, found->str)); /* the last ones may still be in play */
    n_compared += expected->len == found->len;
  }
  assert_int_equal(n_steps, N_SLOTS * N_STEPS * N_CALLS);
  assert_true(n_compared > 10 && n_cut > 5);
}

static void test_what_is_in_play_can_be_saved(void **state)
{
  const Fixture *fixture = *state;
  CwAgent agents[] = {{CW_AGENT_POLICY, "policy", fixture->policy, CW_SELECT_SAMPLE},
                      {.kind = CW_AGENT_SCRIPT, .name = "worst"},
                      {.kind = CW_AGENT_RANDOM, .name = "random"}};
  for (guint a = 0; a < G_N_ELEMENTS(agents); a++) {
    CwRolloutPlan plan = plan_of();
    g_autoptr(GKeyFile) saved = g_key_file_new();
    g_autoptr(GPtrArray) before = new_list(), straight = new_list(), resumed = new_list();
    guint64 begun = 0;
    CwRollout *rollout = cw_rollout_new(fixture->environment, N_SLOTS, NULL);
    run_calls(rollout, &agents[a], 3, &begun, before);
    cw_rollout_save_pieces(rollout, saved, "play");
    guint64 begun_again = begun;
    run_calls(rollout, &agents[a], 3, &begun, straight);
    cw_rollout_free(rollout);
    rollout = cw_rollout_new(fixture->environment, N_SLOTS, NULL);
    assert_true(cw_rollout_load_pieces(rollout, &plan, &agents[a], saved, "play", NULL));
    run_calls(rollout, &agents[a], 3, &begun_again, resumed);
    cw_rollout_free(rollout);
    assert_int_equal(straight->len, resumed->len);
    for (guint i = 0; i < straight->len; i++) {
      g_autofree char *expected = cw_trajectory_to_json(straight->pdata[i]);
      g_autofree char *found = cw_trajectory_to_json(resumed->pdata[i]);
      assert_string_equal(found, expected);
    }
  }
}

static void test_other_agents_than_those_in_play_are_refused(void **state)
{
  const Fixture *fixture = *state;
  CwAgent agent = {.kind = CW_AGENT_RANDOM, .name = "random"},
          other = {.kind = CW_AGENT_SCRIPT, .name = "best"};
  CwRolloutPlan plan = plan_of();
  g_autoptr(GPtrArray) pieces = new_list();
  g_autoptr(GError) error = NULL;
  guint64 begun = 0;
  CwRollout *rollout = cw_rollout_new(fixture->environment, N_SLOTS, NULL);
  run_calls(rollout, &agent, 1, &begun, pieces);
  assert_false(cw_rollout_run_pieces(rollout, &plan, &other, N_STEPS, append, pieces, &begun, &error));
  assert_true(g_error_matches(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION));
  assert_non_null(strstr(error->message, "(random), found best"));
  assert_int_equal(begun, 0);
  cw_rollout_free(rollout);
}

static void test_a_spoilt_state_is_said(void **state)
{
  const Fixture *fixture = *state;
  CwAgent agent = {.kind = CW_AGENT_RANDOM, .name = "random"};
  static const struct {
    const char *place, *actions, *says;
  } cases[] = {
      {"0 0", "1;", "are not an episode in play"},
      {"0 1 0 7 0", "1;", "are not an episode in play"},
      {"0 3 0 0 0", "9;", "its candidate is not there"},
      {"0 0 0 0 0", "0;", "it ends"},
  };
  CwRolloutPlan plan = plan_of();
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GKeyFile) saved = g_key_file_new();
    g_autoptr(GError) error = NULL;
    g_key_file_set_value(saved, "play", "episode_0", cases[i].place);
    g_key_file_set_value(saved, "play", "actions_0", cases[i].actions);
    CwRollout *rollout = cw_rollout_new(fixture->environment, 1, NULL);
    assert_false(cw_rollout_load_pieces(rollout, &plan, &agent, saved, "play", &error));
    if (!strstr(error->message, cases[i].says))
      fail_msg("%u: %s", i, error->message);
    cw_rollout_free(rollout);
  }
}

/* One step on goal 3, which has four candidates, N_ROUNDS times. */
static GPtrArray *first_steps(const Fixture *fixture, CwRolloutPlan *plan, const CwAgent *agent)
{
  static gint64 same[N_ROUNDS];
  GPtrArray *trajectories = new_list();
  for (guint i = 0; i < N_ROUNDS; i++)
    same[i] = 3;
  plan->goals = same;
  plan->n_episodes = N_ROUNDS;
  CwRollout *rollout = cw_rollout_new(fixture->environment, 16, NULL);
  assert_true(cw_rollout_run(rollout, plan, agent, append, trajectories, NULL, NULL));
  cw_rollout_free(rollout);
  return trajectories;
}

static void prefer_wait(const char *name, const gint64 *shape G_GNUC_UNUSED, guint n_dimensions G_GNUC_UNUSED,
                        float *weights, float *gradient G_GNUC_UNUSED, gpointer user_data)
{
  if (g_str_equal(name, "toy.weights"))
    for (guint row = 0; row < 3; row++)
      weights[row * 4 + 3] = *(float *)user_data;
}

static void test_epsilon_and_temperature_are_in_the_log_probability(void **state)
{
  const Fixture *fixture = *state;
  CwAgent agent = {CW_AGENT_POLICY, "policy", fixture->policy, CW_SELECT_GREEDY};
  float preference = 2, none = 0;
  assert_true(cw_policy_edit_tensors(fixture->policy, CW_EDIT_WEIGHTS, prefer_wait, &preference, NULL));
  CwRolloutPlan plan = plan_of();
  plan.epsilon = 0.4;
  g_autoptr(GPtrArray) greedy = first_steps(fixture, &plan, &agent);
  guint n_waits = 0;
  for (guint i = 0; i < greedy->len; i++) {
    const CwStep *step = ((const CwTrajectory *)greedy->pdata[i])->steps[0];
    gboolean waits = step->chosen == 3;
    n_waits += waits;
    assert_true(fabs(step->log_probability - log(waits ? 0.6 + 0.1 : 0.1)) < 1e-5);
  }
  assert_in_range(n_waits, 0.6 * N_ROUNDS, 0.8 * N_ROUNDS);
  plan.epsilon = 0;
  plan.temperature = 4;
  agent.selection = CW_SELECT_SAMPLE;
  g_autoptr(GPtrArray) warm = first_steps(fixture, &plan, &agent);
  for (guint i = 0; i < warm->len; i++) {
    const CwStep *step = ((const CwTrajectory *)warm->pdata[i])->steps[0];
    double e = exp(0.5), p = step->chosen == 3 ? e / (e + 3) : 1 / (e + 3);
    assert_true(fabs(step->log_probability - log(p)) < 1e-5);
  }
  assert_true(cw_policy_edit_tensors(fixture->policy, CW_EDIT_WEIGHTS, prefer_wait, &none, NULL));
}

static void test_agents_are_drawn_by_their_shares_whatever_the_slots(void **state)
{
  const Fixture *fixture = *state;
  CwAgent agents[] = {{.kind = CW_AGENT_SCRIPT, .name = "best"}, {.kind = CW_AGENT_RANDOM, .name = "random"}};
  const double shares[] = {1, 3};
  g_autoptr(GString) one_slot = g_string_new(NULL), many = g_string_new(NULL);
  guint n_best = 0;
  for (guint k = 0; k < 2; k++) {
    CwRolloutPlan plan = plan_of();
    g_autoptr(GPtrArray) trajectories = new_list();
    plan.n_episodes = 60;
    plan.agents = agents;
    plan.shares = shares;
    plan.n_agents = 2;
    CwRollout *rollout = cw_rollout_new(fixture->environment, k ? 7 : 1, NULL);
    assert_true(cw_rollout_run(rollout, &plan, NULL, append, trajectories, NULL, NULL));
    cw_rollout_free(rollout);
    for (guint i = 0; i < trajectories->len; i++) {
      g_autofree char *json = cw_trajectory_to_json(trajectories->pdata[i]);
      g_string_append(k ? many : one_slot, json);
      n_best += k == 0 && g_str_equal(((const CwTrajectory *)trajectories->pdata[i])->agent, "best");
    }
  }
  assert_string_equal(one_slot->str, many->str);
  assert_in_range(n_best, 7, 24);
}

static void test_a_group_can_share_its_environment(void **state)
{
  const Fixture *fixture = *state;
  CwAgent agent = {.kind = CW_AGENT_RANDOM, .name = "random"};
  CwRolloutPlan plan = plan_of();
  g_autoptr(GPtrArray) trajectories = new_list();
  plan.n_episodes = 6;
  plan.group_size = 3;
  plan.shared_environment = TRUE;
  CwRollout *rollout = cw_rollout_new(fixture->environment, 2, NULL);
  assert_true(cw_rollout_run(rollout, &plan, &agent, append, trajectories, NULL, NULL));
  cw_rollout_free(rollout);
  for (guint i = 0; i < 6; i++) {
    const CwTrajectory *first = trajectories->pdata[i / 3 * 3], *one = trajectories->pdata[i];
    assert_string_equal(first->steps[0]->decision->observation, one->steps[0]->decision->observation);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_pieces_add_up_to_whole_episodes),
      cmocka_unit_test(test_what_is_in_play_can_be_saved),
      cmocka_unit_test(test_other_agents_than_those_in_play_are_refused),
      cmocka_unit_test(test_a_spoilt_state_is_said),
      cmocka_unit_test(test_epsilon_and_temperature_are_in_the_log_probability),
      cmocka_unit_test(test_agents_are_drawn_by_their_shares_whatever_the_slots),
      cmocka_unit_test(test_a_group_can_share_its_environment),
  };
  return cmocka_run_group_tests_name("pieces", tests, setup, teardown);
}
