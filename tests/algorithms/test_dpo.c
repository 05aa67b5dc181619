/* What DPO makes of sessions: pairs by decision and by trajectory, passes, counts, and what it refuses. The
 * table policy lets us set the reference at will. */
#include "tests/algorithms/dpo_sessions.h"
#include <math.h>

/* A stage on a new table; the reference is what the table is now. */
static Stage *open_stage(const char *yaml, GPtrArray *trajectories, Table **table)
{
  *table = new_table();
  return stage_open("dpo", yaml, trajectories, counting_table_feature());
}

static void close_stage(Stage *stage, Table *table)
{
  stage_free(stage);
  g_free(table);
}

static void test_fresh_policy_has_a_margin_of_zero_and_a_loss_of_log_two(void **state)
{
  static const char *const yaml[] = {"update_tokens: 1000\n", "update_tokens: 1000\nbatch_tokens: 1\n",
                                     "granularity: trajectory\nupdate_tokens: 1000\nbatch_tokens: 9\n"};
  static const float rewards[] = {0, 1, 0.5f, 0.25f, 0.75f};

  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(yaml); i++) {
    for (guint linear = 0; linear < 2; linear++) {
      Table *table = new_table();
      Stage *stage =
          stage_open("dpo", yaml[i], make_sessions("aabba", rewards), linear ? NULL : table_feature());

      assert_true(stage_update(stage));
      assert_near(stage_metric(stage, "loss"), log(2), 1e-15);
      assert_near(stage_metric(stage, "margin"), 0, 0);
      assert_near(stage_metric(stage, "accuracy"), 0, 0);
      assert_near(stage_metric(stage, "reference_kl"), 0, 1e-15);
      assert_near(stage_metric(stage, "pairs"), i < 2 ? 5 : 4, 0);
      close_stage(stage, table);
    }
  }
}

/* A reference that draws nothing but what was demonstrated. */
static void make_certain(Stage *stage, Table *table)
{
  GError *error = NULL;
  for (guint i = 0; i < stage->trajectories->len; i++) {
    const CwTrajectory *trajectory = stage->trajectories->pdata[i];
    for (guint j = 0; j < trajectory->n_steps; j++)
      table->logits[atoi(trajectory->steps[j]->decision->observation + 1)][trajectory->steps[j]->chosen] =
          200;
  }
  cw_policy_close(stage->reference);
  cw_update_free(stage->update);
  stage->reference = cw_policy_clone_frozen(stage->policy, &error);
  assert_null(error);
  stage->update = cw_update_new(stage->policy, stage->reference, stage->random);
}

static void test_preferred_equal_to_dispreferred_has_no_gradient_and_log_two(void **state)
{
  Table *table, *before;
  Stage *stage = open_stage("equal: keep\nlearning_rate: 10\nupdate_trajectories: 2\n", make_rows(2), &table);
  (void)state;
  make_certain(stage, table);
  before = g_memdup2(table, sizeof *table);
  assert_true(stage_update(stage));
  assert_near(stage_metric(stage, "loss"), log(2), 1e-15);
  assert_near(stage_metric(stage, "gradient_norm"), 0, 0);
  assert_near(stage_metric(stage, "pairs"), 6, 0);
  assert_near(stage_metric(stage, "equal_pairs"), 6, 0);
  assert_int_equal(memcmp(table->logits, before->logits, sizeof table->logits), 0);
  g_free(before);
  close_stage(stage, table);
}

static void test_equal_pairs_are_skipped_and_counted(void **state)
{
  Table *table;
  Stage *stage = open_stage("learning_rate: 10\n", make_rows(2), &table);
  (void)state;
  make_certain(stage, table);
  assert_false(stage_update(stage));
  assert_near(stage_metric(stage, "pairs"), 0, 0);
  assert_near(stage_metric(stage, "equal_pairs"), 3, 0);
  assert_near(stage_metric(stage, "optimizer_steps"), 0, 0);
  assert_true(isnan(stage_metric(stage, "loss")) && isnan(stage_metric(stage, "gradient_norm")));
  assert_true(stage_update(stage));
  assert_int_equal(table->n_steps + table->n_forwards, 0);
  close_stage(stage, table);
}

/* 200 decisions of two candidates, between which the reference is undecided. */
static void test_resampling_finds_another_action(void **state)
{
  static const struct {
    const char *yaml;
    guint low, high;
  } cases[] = {{"update_tokens: 100000\nresample: 0\n", 70, 130},
               {"update_tokens: 100000\nresample: 1\n", 30, 70},
               {"update_tokens: 100000\nresample: 60\n", 0, 0}};

  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    GPtrArray *list = new_trajectories();
    Table *table = new_table();
    Stage *stage;
    for (guint j = 0; j < 200; j++) {
      char text[8];
      Choice choice = {text, {"u", "v"}, j % 2, 0};
      g_snprintf(text, sizeof text, "d%u", j);
      add_trajectory(list, "goal", "expert", TRUE, &choice, 1);
    }
    memset(table->logits, 0, sizeof table->logits);
    stage = stage_open("dpo", cases[i].yaml, list, table_feature());
    stage_update(stage);
    assert_in_range((guint)stage_metric(stage, "equal_pairs"), cases[i].low, cases[i].high);
    assert_near(stage_metric(stage, "pairs") + stage_metric(stage, "equal_pairs"), 200, 0);
    close_stage(stage, table);
  }
}

/* Candidate 2 of 4 is never drawn, 0 and 1 in proportion 3 : 1; 3 was demonstrated. */
static void test_dispreferred_action_comes_from_the_reference(void **state)
{
  static const float logits[] = {1.0986123f, 0, -100, 2};
  GPtrArray *list = new_trajectories();
  Table *table = new_table();
  Stage *stage;
  guint drawn[4] = {0};
  (void)state;
  for (guint i = 0; i < 200; i++) {
    char text[8];
    Choice choice = {text, {"u", "v", "w", "x"}, 3, 0};
    g_snprintf(text, sizeof text, "d%u", i);
    add_trajectory(list, "goal", "expert", TRUE, &choice, 1);
    memcpy(table->logits[i], logits, sizeof logits);
  }
  table->fixed = TRUE;
  stage = stage_open("dpo", "update_tokens: 100000\nresample: 100\n", list, table_feature());
  stage_update(stage);
  for (guint i = 0; i < 200; i++) {
    assert_near(table->last_logit_gradient[i][3], -0.05 / 200, 1e-7);
    for (guint k = 0; k < 3; k++)
      drawn[k] += table->last_logit_gradient[i][k] > 0 ? 1 : 0;
  }
  assert_int_equal(drawn[0] + drawn[1], 200);
  assert_in_range(drawn[0], 130, 170);
  close_stage(stage, table);
}

static void test_a_pass_goes_once_through_the_trajectories(void **state)
{
  Table *table;
  Stage *stage = open_stage("epochs: 2\nupdate_trajectories: 2\nresample: 1000\nlearning_rate: 0.1\n",
                            make_rows(5), &table);

  (void)state;
  for (guint i = 0; i < 6; i++) {
    assert_true(stage_update(stage) == (i == 5));
    assert_near(stage_metric(stage, "pairs"), i % 3 == 2 ? 3 : 6, 0);
    assert_near(stage_metric(stage, "epoch"), i % 3 == 2 ? i / 3 + 1 : i / 3 + 0.4 * (i % 3 + 1), 1e-12);
    assert_int_equal(cw_algorithm_expected_updates(stage->algorithm), 6);
    for (guint row = 0; i == 2 && row < 15; row++)
      assert_int_equal(table->n_trained[row], 1);
  }
  for (guint row = 0; row < 15; row++)
    assert_int_equal(table->n_trained[row], 2);
  assert_near(stage_metric(stage, "decisions"), 30, 0);
  assert_int_equal(n_reference_scores, 15); /* once, not once a pass */
  close_stage(stage, table);
}

static void test_every_pass_has_an_order_of_its_own(void **state)
{
  guint orders[2][8];
  Table *table;
  Stage *stage = open_stage("epochs: 2\nresample: 1000\nlearning_rate: 0\n", make_rows(8), &table);
  (void)state;
  for (guint i = 0; i < 16; i++) {
    memset(table->n_trained, 0, sizeof table->n_trained);
    stage_update(stage);
    for (guint t = 0; t < 8; t++)
      if (table->n_trained[3 * t] > 0)
        orders[i / 8][i % 8] = t;
  }
  assert_memory_not_equal(orders[0], orders[1], sizeof orders[0]);
  assert_memory_not_equal(orders[0], ((guint[]){0, 1, 2, 3, 4, 5, 6, 7}), sizeof orders[0]);
  close_stage(stage, table);
}

static void test_updates_end_the_stage_before_the_epochs(void **state)
{
  static const struct {
    const char *yaml;
    guint n;
  } cases[] = {
      {"updates: 3\nepochs: 2\n", 3}, {"updates: 7\nepochs: 0\n", 7}, {"updates: 100\nepochs: 1\n", 5}};

  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    Table *table;
    Stage *stage = open_stage(cases[i].yaml, make_rows(5), &table);
    guint n = 1;
    while (!stage_update(stage))
      n++;
    assert_int_equal(n, cases[i].n);
    assert_int_equal(cw_algorithm_expected_updates(stage->algorithm), n);
    assert_true(stage_update(stage)); /* once more: nothing but done */
    assert_int_equal(cw_update_n_metrics(stage->update), 0);
    close_stage(stage, table);
  }
}

static void test_batches_by_tokens_shuffle_decisions(void **state)
{
  Table *table;
  Stage *stage = open_stage("update_tokens: 60\nresample: 1000\nlearning_rate: 0.1\n", make_rows(5), &table);
  gboolean mixed = FALSE;
  (void)state;
  do {
    guint first = TABLE_ROWS, n = 0;
    memset(table->n_trained, 0, sizeof table->n_trained);
    table->most_tokens = 0;
    stage_update(stage);
    for (guint row = 0; row < 15; row++) {
      first = table->n_trained[row] > 0 && first == TABLE_ROWS ? row : first;
      mixed = mixed || (table->n_trained[row] > 0 && row / 3 != first / 3);
      n += table->n_trained[row];
    }
    assert_near(stage_metric(stage, "pairs"), n, 0);
    assert_true(table->most_tokens <= 60);
  } while (stage_metric(stage, "epoch") < 1);
  assert_true(mixed);
  assert_near(stage_metric(stage, "decisions"), 15, 0);
  assert_true(stage->index > 3);
  close_stage(stage, table);
}

static void test_pairs_are_of_one_goal_and_different_rewards(void **state)
{
  static const float rewards[] = {0, 1, 0.5f, 0.5f, 0.5f, 1, 0.9f};
  /* a: 0 1 0.5, so three pairs; b: 0.5 0.5, none; c: 0.5, none; d: 1 0.9, one. */
  static const struct {
    const char *yaml;
    guint pairs, goals_without;
  } cases[] = {{"granularity: trajectory\nupdate_tokens: 10000\n", 4, 2},
               {"granularity: trajectory\nupdate_tokens: 10000\nminimum_gap: 0.2\n", 3, 3},
               {"granularity: trajectory\nupdate_tokens: 10000\npairs_per_goal: 2\n", 3, 2},
               {"granularity: trajectory\nupdate_tokens: 10000\nminimum_gap: 0.6\n", 1, 3}};

  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    GPtrArray *list = make_sessions("aaabbdd", rewards);
    static const Choice forced = {"d40", {"u"}, 0, 1};
    Table *table;
    Stage *stage;
    add_trajectory(list, "c", "policy", TRUE, &forced, 1); /* no choice, so no session to prefer */
    add_trajectory(list, "a", "policy", TRUE, NULL, 0);
    stage = open_stage(cases[i].yaml, list, &table);
    table->fixed = TRUE;
    stage_update(stage);
    assert_near(stage_metric(stage, "pairs"), cases[i].pairs, 0);
    assert_near(stage_metric(stage, "goals_without_pair"), cases[i].goals_without, 0);
    assert_near(stage_metric(stage, "empty_trajectories"), 2, 0);
    assert_near(stage_metric(stage, "single_candidate"), 1, 0);
    assert_true(isnan(stage_metric(stage, "equal_pairs")));
    if (i == 3) { /* the session that paid 1 goes up, the one that paid 0 goes down, others stay */
      assert_true(table->last_logit_gradient[1][1] < 0 && table->last_logit_gradient[0][0] > 0);
      assert_true(table->last_logit_gradient[2][2] == 0 && table->last_logit_gradient[5][2] == 0);
    }
    close_stage(stage, table);
  }
}

/* Other pairs in other passes, so that in the end all are seen. */
static void test_a_limit_on_pairs_draws_anew_in_each_pass(void **state)
{
  static const float rewards[] = {0, 0.25f, 0.5f, 0.75f, 1};
  Table *table;
  Stage *stage = open_stage("granularity: trajectory\npairs_per_goal: 1\nepochs: 40\n",
                            make_sessions("aaaaa", rewards), &table);

  (void)state;
  table->fixed = TRUE;
  while (!stage_update(stage))
    assert_near(stage_metric(stage, "pairs"), 1, 0);
  assert_int_equal(stage->index, 40);
  for (guint row = 0; row < 5; row++)
    assert_true(table->n_trained[row] > 5);
  close_stage(stage, table);
}

/* d(loss)/d(log pi(chosen)) at a row, from the gradient of the chosen logit. */
static double pull_at(const Table *table, guint row, guint n, guint chosen)
{
  return table->last_logit_gradient[row][chosen] / (1 - table_probability(table, row, n, chosen));
}

static void test_length_normalization_takes_the_mean_over_a_session(void **state)
{
  static const Choice better[] = {{"d0", {"u", "v"}, 0, 0},
                                  {"d1", {"u", "v", "w"}, 2, 0},
                                  {"d2", {"u", "v"}, 1, 1}},
                      worse = {"d3", {"u", "v"}, 1, 0};

  (void)state;
  for (guint normalized = 0; normalized < 2; normalized++) {
    GPtrArray *list = new_trajectories();
    g_autofree char *yaml = g_strdup_printf("granularity: trajectory\nbeta: 0.5\nlength_normalization: %s\n",
                                            normalized ? "true" : "false");
    Table *table;
    Stage *stage;

    add_trajectory(list, "goal", "policy", TRUE, better, 3);
    add_trajectory(list, "goal", "policy", FALSE, &worse, 1);
    stage = open_stage(yaml, list, &table);
    table->fixed = TRUE;
    stage_update(stage);
    assert_near(pull_at(table, 0, 2, 0), normalized ? -0.25 / 3 : -0.25, 1e-6);
    assert_near(pull_at(table, 1, 3, 2), normalized ? -0.25 / 3 : -0.25, 1e-6);
    assert_near(pull_at(table, 3, 2, 1), 0.25, 1e-6);
    assert_near(stage_metric(stage, "chosen_log_probability"),
                (log(table_probability(table, 0, 2, 0)) + log(table_probability(table, 1, 3, 2)) +
                 log(table_probability(table, 2, 2, 1))) /
                    (normalized ? 3 : 1),
                1e-6);
    assert_near(stage_metric(stage, "rejected_log_probability"), log(table_probability(table, 3, 2, 1)),
                1e-6);
    close_stage(stage, table);
  }
}

/* After a step away from the reference every diagnostic follows from the two tables. */
static void test_diagnostics_follow_from_policy_and_reference(void **state)
{
  static const Choice choice = {"d0", {"u", "v"}, 1, 1};
  GPtrArray *list = new_trajectories();
  double p, q, margin;
  Table *table, *reference;
  Stage *stage;
  (void)state;
  add_trajectory(list, "goal", "expert", TRUE, &choice, 1);
  stage = open_stage(
      "epochs: 2\nbeta: 0.4\nlearning_rate: 5\nresample: 1000\nschedule: linear\nmax_gradient_norm: 0\n",
      list, &table);
  reference = g_memdup2(table, sizeof *table);
  assert_false(stage_update(stage));
  assert_near(stage_metric(stage, "learning_rate"), 5, 0);
  assert_near(stage_metric(stage, "gradient_norm"), 0.2 * sqrt(2), 1e-6);
  p = table_probability(table, 0, 2, 1);
  q = table_probability(reference, 0, 2, 1);
  margin = log(p / q) - log((1 - p) / (1 - q));
  assert_near(margin, 2, 1e-5); /* each logit moved by 5 * 0.2 */
  assert_true(stage_update(stage));
  assert_near(stage_metric(stage, "loss"), log1p(exp(-0.4 * margin)), 1e-6);
  assert_near(stage_metric(stage, "margin"), margin, 1e-5);
  assert_near(stage_metric(stage, "accuracy"), 1, 0);
  assert_near(stage_metric(stage, "chosen_log_probability"), log(p), 1e-6);
  assert_near(stage_metric(stage, "rejected_log_probability"), log(1 - p), 1e-6);
  assert_near(stage_metric(stage, "chosen_reward"), 0.4 * log(p / q), 1e-6);
  assert_near(stage_metric(stage, "rejected_reward"), 0.4 * log((1 - p) / (1 - q)), 1e-6);
  assert_near(stage_metric(stage, "reference_kl"), p * log(p / q) + (1 - p) * log((1 - p) / (1 - q)), 1e-6);
  assert_near(stage_metric(stage, "learning_rate"), 2.5, 1e-12);
  assert_near(stage_metric(stage, "epoch"), 2, 0);
  g_free(reference);
  close_stage(stage, table);
}

static void test_token_budget_changes_nothing_but_rounding(void **state)
{
  static const guint budgets[] = {1, 40, 1000000};
  static const char *const granularities[] = {"decision", "trajectory"};
  (void)state;
  for (guint g = 0; g < 2; g++) {
    Table *tables[3];
    for (guint i = 0; i < 3; i++) {
      g_autofree char *yaml = g_strdup_printf(
          "granularity: %s\nupdate_trajectories: 4\nepochs: 3\nlearning_rate: 0.5\nbatch_tokens: %u\n",
          granularities[g], budgets[i]);
      GPtrArray *list = make_rows(8);
      Stage *stage;

      for (guint t = 0; t < 8; t++)
        ((CwTrajectory *)list->pdata[t])->goal_id = t < 4 ? "one" : "two";
      for (guint t = 0; t < 8; t++)
        ((CwTrajectory *)list->pdata[t])->total_reward = t % 4;
      stage = open_stage(yaml, list, &tables[i]);
      while (!stage_update(stage))
        ;
      if (i == 1)
        assert_true(tables[i]->most_tokens <= 40);
      stage_free(stage);
    }
    assert_true(tables[0]->n_forwards > tables[1]->n_forwards &&
                tables[1]->n_forwards > tables[2]->n_forwards);
    for (guint row = 0; row < 24; row++) {
      for (guint k = 0; k < 4; k++) {
        assert_near(tables[1]->logits[row][k], tables[0]->logits[row][k], 1e-5);
        assert_near(tables[2]->logits[row][k], tables[0]->logits[row][k], 1e-5);
      }
    }
    for (guint i = 0; i < 3; i++)
      g_free(tables[i]);
  }
}

/* The message of the first update. */
static void assert_refused(const char *yaml, GPtrArray *trajectories, CwErrorCode code, const char *expected)
{
  Table *table;
  Stage *stage = open_stage(yaml, trajectories, &table);
  g_autofree char *message = stage_update_fails(stage, code);
  assert_string_equal(message, expected);
  assert_int_equal(table->n_steps, 0);
  close_stage(stage, table);
}

static void test_bad_trajectories_are_named(void **state)
{
  static const Choice forced = {"d0", {"u"}, 0, 1};
  static const float rewards[] = {0.5f, 0.5f, 1};
  GPtrArray *list = make_rows(2);
  (void)state;
  ((CwStep *)((CwTrajectory *)list->pdata[1])->steps[2])->chosen = 4;
  assert_refused(
      "epochs: 1\n", list, CW_ERROR_FORMAT,
      "algorithm 'dpo': trajectory 1 (goal 'goal_1' of split 'train', agent 'expert'), step 2: expected "
      "chosen below 4, the number of candidates, found 4; write the trajectories again");
  list = make_rows(2);
  ((CwStep *)((CwTrajectory *)list->pdata[0])->steps[1])->reward = NAN;
  assert_refused(
      "granularity: trajectory\n", list, CW_ERROR_NUMERIC,
      "algorithm 'dpo': trajectory 0 (goal 'goal_0' of split 'train', agent 'expert'), step 1: expected a "
      "finite reward, found nan; nothing was learnt from it, look at the environment");
  assert_refused(
      "epochs: 1\n", new_trajectories(), CW_ERROR_CONFIGURATION,
      "algorithm 'dpo': expected trajectories to learn from, found none; check the stage's 'trajectories' "
      "and the stage that wrote them");
  list = new_trajectories();
  add_trajectory(list, "goal", "expert", TRUE, &forced, 1);
  add_trajectory(list, "goal", "expert", TRUE, NULL, 0);
  assert_refused(
      "epochs: 1\n", list, CW_ERROR_CONFIGURATION,
      "algorithm 'dpo': expected decisions with at least two candidates, found none in 2 trajectories (1 "
      "decisions with a single one); bring other trajectories");
  list = make_sessions("aab", rewards);
  add_trajectory(list, "b", "expert", TRUE, &forced, 1);
  assert_refused(
      "granularity: trajectory\nminimum_gap: 0.1\n", list, CW_ERROR_CONFIGURATION,
      "algorithm 'dpo': expected two trajectories of one goal whose rewards differ by more than 0.1, found "
      "none among 4 trajectories of 2 goals (1 trajectories without a choice); generate several episodes "
      "per goal and keep the unsuccessful ones, or set granularity to decision");
}

static void test_other_trajectories_on_resume_are_refused(void **state)
{
  Table *table;
  Stage *stage = open_stage("epochs: 2\n", make_rows(3), &table);
  GKeyFile *saved = g_key_file_new();
  g_autofree char *message = NULL;
  GError *error = NULL;
  (void)state;
  stage_update(stage);
  cw_algorithm_save(stage->algorithm, saved);
  close_stage(stage, table);
  stage = open_stage("epochs: 2\n", make_rows(4), &table);
  assert_true(cw_algorithm_load(stage->algorithm, saved, &error));
  message = stage_update_fails(stage, CW_ERROR_CONFIGURATION);
  assert_string_equal(
      message,
      "algorithm 'dpo': expected the trajectories that this stage began with, found others; bring the "
      "old files back, or start the run afresh");
  g_key_file_remove_key(saved, "algorithm", "cursor", NULL);
  assert_false(cw_algorithm_load(stage->algorithm, saved, &error));
  assert_string_equal(
      error->message,
      "algorithm 'dpo': expected the state of this algorithm in the checkpoint, found a gap: Key file "
      "does not have key “cursor” in group “algorithm”; use another checkpoint");
  g_clear_error(&error);
  g_key_file_unref(saved);
  close_stage(stage, table);
}

static void test_a_stage_without_an_end_is_refused(void **state)
{
  Table *table;
  Stage *stage = open_stage("epochs: 1\n", make_rows(1), &table);
  CwDiagnostics *diagnostics = cw_diagnostics_new();
  CwYamlNode *root = cw_yaml_parse_text("epochs: 0\n", "test.yaml", diagnostics);
  gpointer options = cw_options_fill(&stage->feature->options, root, NULL, "algorithm 'dpo'", diagnostics);
  GError *error = NULL;
  (void)state;
  assert_null(cw_algorithm_open(stage->feature, options, &error));
  assert_int_equal(error->code, CW_ERROR_CONFIGURATION);
  assert_string_equal(
      error->message,
      "algorithm 'dpo': updates: expected a number above 0 when epochs is 0, found 0, and the stage "
      "would never end; set one of them");
  g_clear_error(&error);
  cw_options_free(&stage->feature->options, options);
  cw_yaml_free(root);
  cw_diagnostics_free(diagnostics);
  close_stage(stage, table);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_fresh_policy_has_a_margin_of_zero_and_a_loss_of_log_two),
      cmocka_unit_test(test_preferred_equal_to_dispreferred_has_no_gradient_and_log_two),
      cmocka_unit_test(test_equal_pairs_are_skipped_and_counted),
      cmocka_unit_test(test_resampling_finds_another_action),
      cmocka_unit_test(test_dispreferred_action_comes_from_the_reference),
      cmocka_unit_test(test_a_pass_goes_once_through_the_trajectories),
      cmocka_unit_test(test_every_pass_has_an_order_of_its_own),
      cmocka_unit_test(test_updates_end_the_stage_before_the_epochs),
      cmocka_unit_test(test_batches_by_tokens_shuffle_decisions),
      cmocka_unit_test(test_pairs_are_of_one_goal_and_different_rewards),
      cmocka_unit_test(test_a_limit_on_pairs_draws_anew_in_each_pass),
      cmocka_unit_test(test_length_normalization_takes_the_mean_over_a_session),
      cmocka_unit_test(test_diagnostics_follow_from_policy_and_reference),
      cmocka_unit_test(test_token_budget_changes_nothing_but_rounding),
      cmocka_unit_test(test_bad_trajectories_are_named),
      cmocka_unit_test(test_other_trajectories_on_resume_are_refused),
      cmocka_unit_test(test_a_stage_without_an_end_is_refused),
  };

  return cmocka_run_group_tests_name("dpo", tests, NULL, NULL);
}
