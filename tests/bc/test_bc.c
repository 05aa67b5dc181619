/* Behaviour cloning: its gradient, batches, held-out share, schedule and early stop, on a policy that is a
 * table. */
#include "tests/bc/stage.h"
#include "tests/bc/table.h"
#include <math.h>

static double objective(const char *yaml, double value_coefficient)
{
  Stage *stage = stage_new(yaml, make_rows(3), table_feature());
  double result;
  stage_update(stage);
  result = stage_metric(stage, "loss") + value_coefficient * stage_metric(stage, "value_loss");
  stage_free(stage);
  return result;
}

static void test_the_gradient_is_that_of_the_loss_by_finite_differences(void **state)
{
  static const char yaml[] =
      "held_out: 0\nbatch_decisions: 100\nlabel_smoothing: 0.2\nvalue_coefficient: 0.5\n"
      "discount: 0.9\nmax_gradient_norm: 0\n";
  Table *table = new_table();
  double h = 0x1p-7;

  (void)state;
  table->fixed = TRUE;
  for (guint row = 0; row < 9; row++) {
    for (guint k = 0; k <= 2 + row % 3; k++) {
      float *parameter = k == 2 + row % 3 ? &table->values[row] : &table->logits[row][k], before = *parameter;
      double high, low, gradient;
      *parameter = before + (float)h;
      high = objective(yaml, 0.5);
      *parameter = before - (float)h;
      low = objective(yaml, 0.5);
      *parameter = before;
      objective(yaml, 0.5);
      gradient = k == 2 + row % 3 ? table->last_value_gradient[row] : table->last_logit_gradient[row][k];
      assert_near(gradient, (high - low) / (2 * h), 5e-5);
      assert_true(fabs(gradient) > 1e-4);
    }
  }
  g_free(table);
}

/* By hand: trajectory 1 has rewards 0, 0.25, 1; with discount 0.5 its returns to go are 0.375, 0.75, 1. */
static void test_values_are_drawn_to_the_discounted_return_to_go(void **state)
{
  Table *table = new_table();
  Stage *stage =
      stage_new("held_out: 0\nbatch_decisions: 100\nvalue_coefficient: 2\ndiscount: 0.5\nlearning_rate: 0\n",
                make_rows(1), table_feature());

  (void)state;
  table->values[0] = 1;
  table->values[1] = 0.75f;
  table->values[2] = 0;
  stage_update(stage);
  assert_near(table->last_value_gradient[0], 2 * (1 - 0.375) / 3, 1e-6);
  assert_near(table->last_value_gradient[1], 0, 1e-6);
  assert_near(table->last_value_gradient[2], 2 * (0.0 - 1) / 3, 1e-6);
  assert_near(stage_metric(stage, "value_loss"), (0.5 * 0.625 * 0.625 + 0.5) / 3, 1e-6);
  stage_free(stage);
  g_free(table);
}

static void test_micro_batches_add_up_to_the_gradient_of_one_batch(void **state)
{
  Table *table = new_table();
  double whole[TABLE_ROWS][TABLE_COLUMNS], loss, norm;
  Stage *stage =
      stage_new("held_out: 0\nbatch_decisions: 100\nbatch_tokens: 1000000\n", make_rows(20), table_feature());

  (void)state;
  table->fixed = TRUE;
  stage_update(stage);
  assert_int_equal(table->n_forwards, 1);
  loss = stage_metric(stage, "loss");
  norm = stage_metric(stage, "gradient_norm");
  memcpy(whole, table->last_logit_gradient, sizeof whole);
  stage_free(stage);

  stage = stage_new("held_out: 0\nbatch_decisions: 100\nbatch_tokens: 50\n", make_rows(20), table_feature());
  table->n_forwards = table->most_tokens = 0;
  stage_update(stage);
  assert_in_range(table->n_forwards, 10, 60);
  assert_in_range(table->most_tokens, 1, 50);
  assert_int_equal(table->n_steps, 2);
  assert_near(stage_metric(stage, "loss"), loss, 1e-6);
  assert_near(stage_metric(stage, "gradient_norm"), norm, 1e-6);
  for (guint row = 0; row < 60; row++)
    for (guint k = 0; k < TABLE_COLUMNS; k++)
      assert_near(table->last_logit_gradient[row][k], whole[row][k], 1e-6);
  stage_free(stage);
  g_free(table);
}

static void test_a_decision_above_the_token_budget_goes_alone(void **state)
{
  Table *table = new_table();
  Stage *stage =
      stage_new("held_out: 0\nbatch_decisions: 9\nbatch_tokens: 1\n", make_rows(3), table_feature());

  (void)state;
  stage_update(stage);
  assert_int_equal(table->n_forwards, 9);
  stage_free(stage);
  g_free(table);
}

static void test_each_epoch_sees_each_decision_once_in_batches_of_one_size(void **state)
{
  Table *table = new_table();
  Stage *stage = stage_new("held_out: 0\nepochs: 2\nbatch_decisions: 8\n", make_rows(7), table_feature());
  guint last = 0;
  (void)state;
  assert_int_equal(cw_algorithm_expected_updates(stage->algorithm), 0); /* not known yet */
  for (guint update = 1; update <= 6; update++) {
    gboolean done = stage_update(stage);
    guint decisions = (guint)stage_metric(stage, "decisions");
    assert_int_equal(done, update == 6);
    assert_int_equal(decisions - last, 7); /* 21 decisions in three batches, not 8, 8, 5 */
    last = decisions;
    assert_int_equal(cw_algorithm_expected_updates(stage->algorithm), 6);
    assert_near(stage_metric(stage, "epoch"), update / 3.0, 1e-12);
    for (guint row = 0; row < 21 && update % 3 == 0; row++)
      assert_int_equal(table->n_trained[row], update / 3);
  }
  assert_true(stage_update(stage)); /* nothing left: only done, no metric, no step */
  assert_int_equal(cw_update_n_metrics(stage->update), 0);
  assert_int_equal(table->n_steps, 6);
  stage_free(stage);
  g_free(table);
}

static void test_the_order_of_an_epoch_differs_from_the_last(void **state)
{
  Table *table = new_table();
  Stage *stage = stage_new("held_out: 0\nepochs: 2\nbatch_decisions: 1\n", make_rows(7), table_feature());
  guint first[21], n_moved = 0;
  (void)state;
  for (guint i = 0; i < 42; i++) {
    stage_update(stage);
    if (i < 21)
      first[i] = table->rows[0];
    else
      n_moved += table->rows[0] != first[i - 21];
  }
  assert_in_range(n_moved, 10, 21);
  stage_free(stage);
  g_free(table);
}

static gint compare_backwards(gconstpointer a, gconstpointer b)
{
  const CwTrajectory *x = *(CwTrajectory *const *)a, *y = *(CwTrajectory *const *)b;
  return (x->goal < y->goal) - (x->goal > y->goal);
}

/* Which of 90 rows the stage scores at the end of its epoch; also asserts that it trains on the others. */
static void find_held_out(GPtrArray *trajectories, gboolean *held_out)
{
  Table *table = new_table();
  Stage *stage = stage_new("held_out: 0.2\nepochs: 1\nbatch_decisions: 10\n", trajectories, table_feature());
  while (!stage_update(stage))
    ;
  for (guint row = 0; row < 90; row++) {
    held_out[row] = table->n_scored[row] > 0;
    assert_int_equal(table->n_scored[row] + table->n_trained[row], 1);
  }
  stage_free(stage);
  g_free(table);
}

static void test_the_held_out_share_does_not_depend_on_the_order(void **state)
{
  GPtrArray *forwards = make_rows(30), *backwards = make_rows(30);
  gboolean first[90], second[90];
  guint n = 0;
  (void)state;
  g_ptr_array_sort(backwards, compare_backwards);
  assert_int_equal(((CwTrajectory *)backwards->pdata[0])->goal, 29);
  find_held_out(forwards, first);
  find_held_out(backwards, second);
  assert_memory_equal(first, second, sizeof first);
  for (guint i = 0; i < 90; i += 3) {
    assert_true(first[i] == first[i + 1] && first[i] == first[i + 2]); /* whole trajectories */
    n += first[i];
  }
  assert_int_equal(n, 6); /* a fifth of 30 */
}

static void test_trajectories_of_one_goal_are_held_out_together(void **state)
{
  GPtrArray *list = new_trajectories();
  gboolean held_out[90];
  (void)state;
  for (guint i = 0; i < 90; i++) {
    g_autofree char *goal = g_strdup_printf("goal_%u", i / 9);
    g_autofree char *text = g_strdup_printf("d%u", i);
    const Choice choice = {text, {"u", "v"}, 0, 0};
    add_trajectory(list, goal, i % 2 ? "expert" : "rule", TRUE, &choice, 1);
  }
  find_held_out(list, held_out);
  for (guint i = 0; i < 90; i++)
    assert_int_equal(held_out[i], held_out[i / 9 * 9]);
}

static void test_held_out_loss_and_accuracy_come_at_the_end_of_each_epoch(void **state)
{
  Table *table = new_table();
  Stage *stage = stage_new("held_out: 0.5\nepochs: 1\nbatch_decisions: 3\nlabel_smoothing: 0.5\n",
                           make_rows(2), table_feature());

  (void)state;
  /* All rows alike: the first candidate, three nats above the others. */
  for (guint row = 0; row < 6; row++) {
    memset(table->logits[row], 0, sizeof table->logits[row]);
    table->logits[row][0] = 3;
  }
  table->fixed = TRUE;
  assert_true(stage_update(stage));
  assert_near(stage_metric(stage, "skipped"), 0, 0);
  if (table->n_scored[0]) { /* goal_0, where the first candidate is right throughout */
    double loss = (log1p(exp(-3)) + log1p(2 * exp(-3)) + log1p(3 * exp(-3))) / 3;

    assert_near(stage_metric(stage, "held_out_accuracy"), 1, 0);
    assert_near(stage_metric(stage, "held_out_loss"), loss, 1e-6); /* without smoothing */
    assert_near(stage_metric(stage, "accuracy"), 0, 0);
  } else {
    double loss = 3 + (log1p(exp(-3)) + log1p(2 * exp(-3)) + log1p(3 * exp(-3))) / 3;
    assert_near(stage_metric(stage, "held_out_accuracy"), 0, 0);
    assert_near(stage_metric(stage, "held_out_loss"), loss, 1e-6);
    assert_near(stage_metric(stage, "accuracy"), 1, 0);
  }
  stage_free(stage);
  g_free(table);
}

static void test_early_stop_waits_for_its_patience(void **state)
{
  Table *table = new_table();
  Stage *stage = stage_new("held_out: 0.5\nepochs: 50\nbatch_decisions: 100\nearly_stop: 3\n", make_rows(6),
                           table_feature());

  (void)state;
  table->fixed = TRUE; /* the accuracy of the first epoch is never beaten */
  for (guint epoch = 1; epoch <= 4; epoch++)
    assert_int_equal(stage_update(stage), epoch == 4);
  assert_int_equal(cw_algorithm_expected_updates(stage->algorithm), 4);
  stage_free(stage);
  g_free(table);
}

static void test_early_stop_counts_anew_after_a_gain(void **state)
{
  Table *table = new_table();
  Stage *stage = stage_new("held_out: 0.5\nepochs: 50\nbatch_decisions: 100\nearly_stop: 2\n", make_rows(6),
                           table_feature());
  guint n = 0;

  (void)state;
  table->fixed = TRUE;
  for (guint row = 0; row < 18; row++) /* always wrong */
    table->logits[row][row / 3 % (2 + row % 3)] = -9;
  while (n++ < 2)
    assert_false(stage_update(stage));
  for (guint row = 0; row < 18; row++) /* always right */
    table->logits[row][row / 3 % (2 + row % 3)] = 9;
  assert_false(stage_update(stage));
  assert_near(stage_metric(stage, "held_out_accuracy"), 1, 0);
  assert_false(stage_update(stage));
  assert_true(stage_update(stage));
  stage_free(stage);
  g_free(table);
}

/* The rates of ten updates: 10 decisions, one per batch, one epoch. */
static void assert_rates(const char *yaml, const double *expected)
{
  g_autofree char *all =
      g_strconcat("held_out: 0\nepochs: 1\nbatch_decisions: 1\nlearning_rate: 1\n", yaml, NULL);
  GPtrArray *list = new_trajectories();
  Table *table = new_table();
  Stage *stage;

  for (guint i = 0; i < 10; i++) {
    g_autofree char *text = g_strdup_printf("d%u", i);
    const Choice choice = {text, {"u", "v"}, 0, 0};
    add_trajectory(list, text, "expert", TRUE, &choice, 1);
  }
  stage = stage_new(all, list, table_feature());
  for (guint i = 0; i < 10; i++) {
    stage_update(stage);
    assert_near(table->last_rate, expected[i], 1e-12);
    assert_near(stage_metric(stage, "learning_rate"), expected[i], 1e-12);
  }
  stage_free(stage);
  g_free(table);
}

static void test_schedules_and_warmup_give_their_rates(void **state)
{
  static const double constant[] = {0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1, 1};
  static const double linear[] = {1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1};
  static const double warm[] = {0.5, 1, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125};
  static const double all_warmup[] = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1};
  double cosine[10];
  (void)state;
  for (guint i = 0; i < 10; i++)
    cosine[i] = 0.5 * (1 + cos(G_PI * i / 10));
  assert_rates("schedule: constant\nwarmup: 0.4\n", constant);
  assert_rates("schedule: linear\n", linear);
  assert_rates("schedule: linear\nwarmup: 0.2\n", warm);
  assert_rates("schedule: linear\nwarmup: 1\n", all_warmup);
  assert_rates("schedule: cosine\n", cosine);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_the_gradient_is_that_of_the_loss_by_finite_differences),
      cmocka_unit_test(test_values_are_drawn_to_the_discounted_return_to_go),
      cmocka_unit_test(test_micro_batches_add_up_to_the_gradient_of_one_batch),
      cmocka_unit_test(test_a_decision_above_the_token_budget_goes_alone),
      cmocka_unit_test(test_each_epoch_sees_each_decision_once_in_batches_of_one_size),
      cmocka_unit_test(test_the_order_of_an_epoch_differs_from_the_last),
      cmocka_unit_test(test_the_held_out_share_does_not_depend_on_the_order),
      cmocka_unit_test(test_trajectories_of_one_goal_are_held_out_together),
      cmocka_unit_test(test_held_out_loss_and_accuracy_come_at_the_end_of_each_epoch),
      cmocka_unit_test(test_early_stop_waits_for_its_patience),
      cmocka_unit_test(test_early_stop_counts_anew_after_a_gain),
      cmocka_unit_test(test_schedules_and_warmup_give_their_rates),
  };

  return cmocka_run_group_tests_name("bc", tests, NULL, NULL);
}
