/* PPO, GRPO and DPO on tasks whose best policy is known. */
#include "tests/algorithms/tasks.h"
#include <math.h>

/* A table that starts indifferent. */
static Table *new_flat_table(void)
{
  Table *table = new_table();
  memset(table->logits, 0, sizeof table->logits);
  memset(table->values, 0, sizeof table->values);
  return table;
}

/* A run of `algorithm` on a task; returns the table, to be freed with g_free. */
static Table *learn(const char *algorithm, const char *yaml, const Task *task)
{
  Table *table = new_flat_table();
  Stage *stage = stage_open(algorithm, yaml, NULL, table_feature());
  CwEnvironment *environment = task_open(task);
  task_run(stage, environment);
  stage_free(stage);
  cw_environment_close(environment);
  return table;
}

static void assert_above(double value, double bound)
{
  if (!(value > bound))
    fail_msg("expected more than %g, found %g", bound, value);
}

static const char ppo_yaml[] = "updates: 60\nepisodes: 32\nminibatch_decisions: 16\nlearning_rate: 1\n"
                               "entropy_coefficient: 0.001\nvalue_coefficient: 0.3\nmax_gradient_norm: 0\n";

static void test_ppo_finds_the_best_arm_and_its_value(void **state)
{
  Table *table = learn("ppo", ppo_yaml, &bandit);
  (void)state;
  assert_above(table_probability(table, 0, 4, 2), 0.95);
  assert_near(table->values[0], 0.9, 0.1);
  g_free(table);
}

static void test_ppo_gives_up_a_small_reward_for_a_later_one(void **state)
{
  Table *table = learn("ppo", ppo_yaml, &two_steps);
  (void)state;
  assert_above(table_probability(table, 0, 2, 1), 0.95);
  assert_above(table_probability(table, 2, 3, 1), 0.95);
  assert_near(table->values[2], 1, 0.05);
  assert_near(table->values[0], 0.99, 0.05); /* discounted by 0.99 */
  g_free(table);
}

/* With an entropy bonus c the best policy of a bandit that pays r is softmax(r / c). */
static void test_entropy_bonus_leads_to_the_softmax_of_rewards(void **state)
{
  static const Task sure = {.n_goals = 1,
                            .step_limit = 1,
                            .n_actions = {3},
                            .rewards = {{0, 0.5f, 1}},
                            .next = {{TASK_OVER, TASK_OVER, TASK_OVER}}};
  Table *table = learn("ppo",
                       "updates: 300\nepisodes: 256\nepochs: 1\nminibatch_decisions: 0\nclip: 0\nlambda: 1\n"
                       "normalize_advantages: false\nentropy_coefficient: 0.5\nlearning_rate: 0.5\n"
                       "max_gradient_norm: 0\nschedule: linear\n",
                       &sure);
  double sum = 1 + exp(1) + exp(2);

  (void)state;
  for (guint k = 0; k < 3; k++)
    assert_near(table_probability(table, 0, 3, k), exp(k) / sum, 0.03);
  g_free(table);
}

static const char grpo_yaml[] =
    "updates: 60\ngroups: 4\ngroup_size: 8\nminibatch_decisions: 16\nlearning_rate: 1\n"
    "max_gradient_norm: 0\n";

static void test_grpo_finds_the_best_arm(void **state)
{
  Table *table = learn("grpo", grpo_yaml, &bandit);
  (void)state;
  assert_above(table_probability(table, 0, 4, 2), 0.95);
  g_free(table);
}

static void test_grpo_gives_up_a_small_reward_for_a_later_one(void **state)
{
  Table *table = learn("grpo", grpo_yaml, &two_steps);
  (void)state;
  assert_above(table_probability(table, 0, 2, 1), 0.95);
  assert_above(table_probability(table, 2, 3, 1), 0.95);
  g_free(table);
}

/* Every goal has another best arm: a group must be compared with itself only. */
static void test_grpo_learns_each_goal_for_itself(void **state)
{
  static const Task goals = {.n_goals = 3,
                             .step_limit = 1,
                             .n_actions = {3},
                             .rewards = {{0, 0, 1}},
                             .next = {{TASK_OVER, TASK_OVER, TASK_OVER}},
                             .shift = 1};
  Table *table = learn("grpo", grpo_yaml, &goals);

  (void)state;
  for (guint goal = 0; goal < 3; goal++)
    assert_above(table_probability(table, 16 * goal, 3, (2 + 3 - goal) % 3), 0.95);
  g_free(table);
}

/* DPO on the sessions of an indifferent policy on `task`; only those that succeed, for demonstrations. */
static Table *learn_offline(const char *yaml, const Task *task, gboolean successful_only)
{
  Table *table = new_flat_table();
  Stage *stage = stage_open("dpo", yaml, NULL, table_feature());
  CwEnvironment *environment = task_open(task);
  task_roll_out(stage, environment, 64, 1, 0, stage->trajectories);
  for (guint i = stage->trajectories->len; i-- > 0;) {
    const CwTrajectory *trajectory = stage->trajectories->pdata[i];
    if (successful_only && !trajectory->success)
      g_ptr_array_remove_index(stage->trajectories, i);
  }
  while (!stage_update(stage))
    ;
  stage_free(stage);
  cw_environment_close(environment);
  return table;
}

static const Task sure_bandit = {.n_goals = 1,
                                 .step_limit = 1,
                                 .n_actions = {4},
                                 .rewards = {{0.1f, 0.4f, 1, 0.2f}},
                                 .next = {{TASK_OVER, TASK_OVER, TASK_OVER, TASK_OVER}}};

static void test_dpo_by_decision_learns_what_was_demonstrated(void **state)
{
  static const char yaml[] = "epochs: 40\nlearning_rate: 2\nbeta: 0.5\nmax_gradient_norm: 0\n";
  Table *of_bandit = learn_offline(yaml, &sure_bandit, TRUE),
        *of_steps = learn_offline(yaml, &two_steps, TRUE);

  (void)state;
  assert_above(table_probability(of_bandit, 0, 4, 2), 0.95);
  assert_above(table_probability(of_steps, 0, 2, 1), 0.95);
  assert_above(table_probability(of_steps, 2, 3, 1), 0.95);
  g_free(of_bandit);
  g_free(of_steps);
}

static void test_dpo_by_trajectory_learns_from_rewards(void **state)
{
  static const char yaml[] = "granularity: trajectory\nepochs: 0\nupdates: 600\nlearning_rate: 2\nbeta: 0.5\n"
                             "max_gradient_norm: 0\npairs_per_goal: 0\n";
  Table *of_bandit = learn_offline(yaml, &sure_bandit, FALSE),
        *of_steps = learn_offline(yaml, &two_steps, FALSE);

  (void)state;
  assert_above(table_probability(of_bandit, 0, 4, 2), 0.95);
  assert_above(table_probability(of_steps, 0, 2, 1), 0.9);
  assert_above(table_probability(of_steps, 2, 3, 1), 0.9);
  g_free(of_bandit);
  g_free(of_steps);
}

/* Of two candidates one is always demonstrated and the other always drawn: the margin ends where the loss is
 * least, 1 / (2 beta) with ipo, log((1 - e) / e) / beta with a share e of wrong labels. */
static void test_dpo_margins_end_where_the_loss_is_least(void **state)
{
  static const Task coin = {
      .n_goals = 1, .step_limit = 1, .n_actions = {2}, .rewards = {{0, 1}}, .next = {{TASK_OVER, TASK_OVER}}};
  static const char *const granularities[] = {"resample: 1000\n",
                                              "granularity: trajectory\npairs_per_goal: 0\n"};

  (void)state;
  for (guint i = 0; i < 2; i++) {
    g_autofree char *ipo = g_strconcat("loss: ipo\n", granularities[i],
                                       "beta: 0.25\nepochs: 0\nupdates: 300\nlearning_rate: 0.1\n", NULL);
    g_autofree char *conservative =
        g_strconcat("loss: conservative\nlabel_smoothing: 0.2\n", granularities[i],
                    "beta: 0.5\nepochs: 0\nupdates: 800\nlearning_rate: 1\n", NULL);
    gboolean successful_only = i == 0;
    Table *table = learn_offline(ipo, &coin, successful_only);

    assert_near(table->logits[0][1] - table->logits[0][0], 2, 0.01);
    g_free(table);
    table = learn_offline(conservative, &coin, successful_only);
    assert_near(table->logits[0][1] - table->logits[0][0], log(4) / 0.5, 0.01);
    g_free(table);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_ppo_finds_the_best_arm_and_its_value),
      cmocka_unit_test(test_ppo_gives_up_a_small_reward_for_a_later_one),
      cmocka_unit_test(test_entropy_bonus_leads_to_the_softmax_of_rewards),
      cmocka_unit_test(test_grpo_finds_the_best_arm),
      cmocka_unit_test(test_grpo_gives_up_a_small_reward_for_a_later_one),
      cmocka_unit_test(test_grpo_learns_each_goal_for_itself),
      cmocka_unit_test(test_dpo_by_decision_learns_what_was_demonstrated),
      cmocka_unit_test(test_dpo_by_trajectory_learns_from_rewards),
      cmocka_unit_test(test_dpo_margins_end_where_the_loss_is_least),
  };

  return cmocka_run_group_tests_name("tasks", tests, NULL, NULL);
}
