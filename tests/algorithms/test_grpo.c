/* What GRPO makes of groups: advantages, weights, groups that tell nothing, and what it refuses. Gradients
 * are read off a table of logits that does not move. */
#include "tests/algorithms/tasks.h"
#include <math.h>

#define ONE_STEP "epochs: 1\nminibatch_decisions: 0\n"

/* Sessions of one decision or more, rows counted up, that pay at the end; `lengths` has the number of
 * decisions, `groups` the group. */
static GPtrArray *make_groups(const float *rewards, const guint *lengths, const guint *groups, guint n)
{
  GPtrArray *list = new_trajectories();
  guint row = 0;
  for (guint i = 0; i < n; i++) {
    Choice choices[8] = {{NULL}};
    char texts[8][8];
    CwTrajectory *trajectory;
    for (guint j = 0; j < lengths[i]; j++) {
      g_snprintf(texts[j], sizeof texts[j], "d%u", row++);
      choices[j] = (Choice){texts[j], {"u", "v", "w"}, (i + j) % 3, j + 1 == lengths[i] ? rewards[i] : 0};
    }
    trajectory = add_trajectory(list, "goal", "policy", rewards[i] == 1, choices, lengths[i]);
    trajectory->group = groups[i];
  }
  return list;
}

static Stage *open_fixed(const char *yaml, GPtrArray *episodes, Table **table)
{
  Stage *stage;
  *table = new_table();
  (*table)->fixed = TRUE;
  stage = stage_open("grpo", yaml, NULL, table_feature());
  g_ptr_array_unref(stage->episodes);
  stage->episodes = episodes;
  return stage;
}

static void close_fixed(Stage *stage, Table *table)
{
  stage_free(stage);
  g_free(table);
}

/* Weight times advantage at a row, from the gradient of the chosen logit: -w A (1 - p). */
static double weighted_advantage(const Table *table, guint row, guint chosen)
{
  return -table->last_logit_gradient[row][chosen] / (1 - table_probability(table, row, 3, chosen));
}

/* Two groups of lengths 1, 2, 3 and 1, 1 and a third one of equal rewards. */
static const float rewards[] = {0, 0.5f, 1, 0.25f, 0.75f, 0.6f, 0.6f};
static const guint lengths[] = {1, 2, 3, 1, 1, 2, 2}, groups[] = {4, 4, 4, 9, 9, 11, 11};

static void assert_weighted_advantages(const char *yaml, const double *expected)
{
  Table *table;
  Stage *stage = open_fixed(yaml, make_groups(rewards, lengths, groups, 7), &table);
  guint row = 0;
  stage_update(stage);
  for (guint i = 0; i < 7; i++)
    for (guint j = 0; j < lengths[i]; j++, row++)
      assert_near(weighted_advantage(table, row, (i + j) % 3), expected[i], 1e-5);
  assert_near(stage_metric(stage, "groups"), 3, 0);
  assert_near(stage_metric(stage, "equal_groups"), 1, 0);
  assert_near(stage_metric(stage, "lone_groups"), 0, 0);
  assert_near(stage_metric(stage, "collected"), 12, 0);
  assert_near(stage_metric(stage, "decisions"), 8, 0);
  assert_near(stage_metric(stage, "group_deviation"), (sqrt(1.0 / 6) + 0.25) / 3, 1e-6);
  close_fixed(stage, table);
}

static void test_reward_over_the_mean_of_its_group(void **state)
{
  static const double expected[] = {-0.5 / 8, 0, 0.5 / 8, -0.25 / 8, 0.25 / 8, 0, 0};
  (void)state;
  assert_weighted_advantages(ONE_STEP "normalize_std: false\n", expected);
}

static void test_advantages_in_standard_deviations(void **state)
{
  double big = 0.5 / (sqrt(1.0 / 6) + 1e-4), small = 0.25 / (0.25 + 1e-4);
  const double expected[] = {-big / 8, 0, big / 8, -small / 8, small / 8, 0, 0};
  (void)state;
  assert_weighted_advantages(ONE_STEP, expected);
}

static void test_aggregation_weighs_trajectories_by_mean_or_sum(void **state)
{
  static const double of_means[] = {-0.5 / 5, 0, 0.5 / 5 / 3, -0.25 / 5, 0.25 / 5, 0, 0};
  static const double of_sums[] = {-0.5 / 5, 0, 0.5 / 5, -0.25 / 5, 0.25 / 5, 0, 0};
  (void)state;
  assert_weighted_advantages(ONE_STEP "normalize_std: false\naggregation: trajectory\n", of_means);
  assert_weighted_advantages(ONE_STEP "normalize_std: false\naggregation: sum\n", of_sums);
}

static void test_groups_that_tell_nothing_are_skipped_and_counted(void **state)
{
  static const float equal[] = {0.1f, 0.1f, 0.1f, 1, 1, 0.3f};
  static const guint one[] = {1, 1, 1, 1, 1, 1}, of[] = {0, 0, 0, 1, 1, 2};
  Table *table;
  Stage *stage = open_fixed(ONE_STEP, make_groups(equal, one, of, 6), &table);
  (void)state;
  stage_update(stage);
  assert_near(stage_metric(stage, "groups"), 3, 0);
  assert_near(stage_metric(stage, "equal_groups"), 2, 0);
  assert_near(stage_metric(stage, "lone_groups"), 1, 0);
  assert_near(stage_metric(stage, "success"), 1.0 / 3, 1e-6);
  assert_near(stage_metric(stage, "decisions"), 0, 0);
  assert_near(stage_metric(stage, "optimizer_steps"), 0, 0);
  assert_true(isnan(stage_metric(stage, "policy_loss")) && isnan(stage_metric(stage, "gradient_norm")));
  assert_int_equal(table->n_steps + table->n_forwards, 0);
  assert_int_equal(table->n_scored[0], 0);
  close_fixed(stage, table);
}

static void test_single_candidates_and_empty_episodes_are_left_out(void **state)
{
  static const Choice good[] = {{"d0", {"u"}, 0, 0}, {"d1", {"u", "v", "w"}, 1, 1}},
                      bad = {"d2", {"u", "v", "w"}, 1, 0};
  GPtrArray *episodes = new_trajectories();
  Table *table;
  Stage *stage;

  (void)state;
  add_trajectory(episodes, "goal", "policy", TRUE, good, 2);
  add_trajectory(episodes, "goal", "policy", FALSE, &bad, 1);
  add_trajectory(episodes, "goal", "policy", FALSE, NULL, 0);
  stage = open_fixed(ONE_STEP "normalize_std: false\naggregation: trajectory\n", episodes, &table);
  stage_update(stage);
  assert_near(stage_metric(stage, "single_candidate"), 1, 0);
  assert_near(stage_metric(stage, "empty_episodes"), 1, 0);
  assert_int_equal(table->n_trained[0] + table->n_scored[0], 0);
  /* The empty one lowers the mean to 1/3, but no loss is averaged over it. */
  assert_near(weighted_advantage(table, 1, 1), 2.0 / 3 / 2, 1e-5);
  assert_near(weighted_advantage(table, 2, 1), -1.0 / 3 / 2, 1e-5);
  close_fixed(stage, table);
}

static void test_clip_high_lets_ratios_rise_further(void **state)
{
  static const char *const yaml[] = {
      "epochs: 200\nminibatch_decisions: 0\nlearning_rate: 0.05\nclip: 0.1\n",
      "epochs: 200\nminibatch_decisions: 0\nlearning_rate: 0.05\nclip: 0.1\nclip_high: 0.5\n"};
  static const float pay[] = {0, 1};
  static const guint one[] = {1, 1}, of[] = {0, 0};
  double ratios[2][2];

  (void)state;
  for (guint i = 0; i < 2; i++) {
    Table *table = new_table(), *before = g_memdup2(table, sizeof *table);
    Stage *stage = stage_open("grpo", yaml[i], NULL, table_feature());
    g_ptr_array_unref(stage->episodes);
    stage->episodes = make_groups(pay, one, of, 2);
    stage_update(stage);
    for (guint row = 0; row < 2; row++)
      ratios[i][row] = table_probability(table, row, 3, row) / table_probability(before, row, 3, row);
    g_free(before);
    close_fixed(stage, table);
  }
  assert_near(ratios[0][0], 0.9, 0.03);
  assert_near(ratios[0][1], 1.1, 0.03);
  assert_near(ratios[1][0], 0.9, 0.03);
  assert_near(ratios[1][1], 1.5, 0.03);
}

static void test_token_budget_changes_nothing_but_rounding(void **state)
{
  static const guint budgets[] = {1, 7, 1000000};
  Table *tables[3];
  (void)state;
  for (guint i = 0; i < 3; i++) {
    g_autofree char *yaml = g_strdup_printf("epochs: 2\nminibatch_decisions: 3\nlearning_rate: "
                                            "0.5\nbatch_tokens: %u\nreference_coefficient: 0.2\n",
                                            budgets[i]);
    Stage *stage;

    tables[i] = new_table();
    stage = stage_open("grpo", yaml, NULL, table_feature());
    g_ptr_array_unref(stage->episodes);
    stage->episodes = make_groups(rewards, lengths, groups, 7);
    stage_update(stage);
    assert_true(stage_metric(stage, "first_ratio_deviation") == 0);
    stage_free(stage);
  }
  for (guint row = 0; row < 12; row++) {
    for (guint k = 0; k < 3; k++) {
      assert_near(tables[1]->logits[row][k], tables[0]->logits[row][k], 1e-5);
      assert_near(tables[2]->logits[row][k], tables[0]->logits[row][k], 1e-5);
    }
  }
  for (guint i = 0; i < 3; i++)
    g_free(tables[i]);
}

static void test_needs_no_values_and_asks_for_groups(void **state)
{
  Table *table;
  Stage *stage =
      open_fixed("groups: 3\ngroup_size: 5\nupdates: 2\n", make_groups(rewards, lengths, groups, 7), &table);
  CwCollectRequest request;

  (void)state;
  assert_int_equal(cw_algorithm_needs(stage->feature, stage->options), CW_NEEDS_TRAINING | CW_TAKES_WORDS);
  assert_true(cw_algorithm_collect(stage->algorithm, &request, NULL));
  assert_int_equal(request.n_episodes, 15);
  assert_int_equal(request.group_size, 5);
  assert_false(stage_update(stage));
  assert_true(stage_update(stage));
  assert_true(cw_algorithm_collect(stage->algorithm, &request, NULL));
  assert_int_equal(request.n_episodes, 0);
  close_fixed(stage, table);
  stage = open_fixed("reference_coefficient: 0.5\n", new_trajectories(), &table);
  assert_int_equal(cw_algorithm_needs(stage->feature, stage->options),
                   CW_NEEDS_TRAINING | CW_TAKES_WORDS | CW_NEEDS_REFERENCE);
  close_fixed(stage, table);
}

static void assert_refused(GPtrArray *episodes, CwErrorCode code, const char *expected)
{
  Table *table;
  Stage *stage = open_fixed("groups: 2\ngroup_size: 3\n", episodes, &table);
  g_autofree char *message = stage_update_fails(stage, code);
  assert_string_equal(message, expected);
  assert_int_equal(table->n_steps, 0);
  close_fixed(stage, table);
}

static void test_bad_episodes_are_named(void **state)
{
  GPtrArray *episodes = make_rows(2);
  (void)state;
  ((CwStep *)((CwTrajectory *)episodes->pdata[0])->steps[0])->reward = NAN;
  assert_refused(
      episodes, CW_ERROR_NUMERIC,
      "algorithm 'grpo': episode 0 (goal 'goal_0' of split 'train', agent 'expert'), step 0: expected a "
      "finite reward, found nan; nothing was learnt from it, look at the environment");
  episodes = make_rows(2);
  ((CwStep *)((CwTrajectory *)episodes->pdata[1])->steps[0])->chosen = 2;
  assert_refused(
      episodes, CW_ERROR_FORMAT,
      "algorithm 'grpo': episode 1 (goal 'goal_1' of split 'train', agent 'expert'), step 0: expected "
      "chosen below 2, the number of candidates, found 2; write the trajectories again");
  assert_refused(new_trajectories(), CW_ERROR_FAILED,
                 "algorithm 'grpo': expected episodes with decisions, found 0 episodes without a single one");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_reward_over_the_mean_of_its_group),
      cmocka_unit_test(test_advantages_in_standard_deviations),
      cmocka_unit_test(test_aggregation_weighs_trajectories_by_mean_or_sum),
      cmocka_unit_test(test_groups_that_tell_nothing_are_skipped_and_counted),
      cmocka_unit_test(test_single_candidates_and_empty_episodes_are_left_out),
      cmocka_unit_test(test_clip_high_lets_ratios_rise_further),
      cmocka_unit_test(test_token_budget_changes_nothing_but_rounding),
      cmocka_unit_test(test_needs_no_values_and_asks_for_groups),
      cmocka_unit_test(test_bad_episodes_are_named),
  };

  return cmocka_run_group_tests_name("grpo", tests, NULL, NULL);
}
