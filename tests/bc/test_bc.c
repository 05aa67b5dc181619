/* Behaviour cloning: its gradient, batches, split, schedule and stops, on a policy that is a table; learning and
 * resuming on the plugin "linear". */
#include "core/base/checkpoint.h"
#include "tests/bc/stage.h"
#include "tests/bc/table.h"
#include <math.h>

static void assert_near(double value, double expected, double tolerance)
{
  if (!(fabs(value - expected) <= tolerance))
    fail_msg("expected %.17g, found %.17g", expected, value);
}

/* `n` trajectories of three decisions, rows 3i to 3i + 2, with 2, 3 and 4 candidates. The texts differ in length. */
static GPtrArray *make_rows(guint n)
{
  GPtrArray *list = new_trajectories();

  for (guint i = 0; i < n; i++) {
    g_autofree char *goal = g_strdup_printf("goal_%u", i);
    g_autofree char *a = g_strdup_printf("d%u", 3 * i);
    g_autofree char *b = g_strdup_printf("d%u long %0*d", 3 * i + 1, (int)(1 + i * 7 % 20), 0);
    g_autofree char *c = g_strdup_printf("d%u longer %0*d", 3 * i + 2, (int)(1 + i * 11 % 30), 0);
    const Choice choices[] = {
        {a, {"u", "v"}, i % 2, 0}, {b, {"u", "v", "w"}, i % 3, 0.25f}, {c, {"u", "v", "w", "x"}, i % 4, 1}};

    add_trajectory(list, goal, "expert", i % 2 == 0, choices, 3);
  }
  return list;
}

static Table *new_table(void)
{
  Table *table = g_new0(Table, 1);
  CwRandom *random = cw_random_new(1, "table", 0, 0);

  for (guint row = 0; row < TABLE_ROWS; row++) {
    table->values[row] = (float)cw_random_normal(random);
    for (guint k = 0; k < TABLE_COLUMNS; k++)
      table->logits[row][k] = (float)cw_random_normal(random);
  }
  cw_random_free(random);
  table_use(table);
  return table;
}

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
  static const char yaml[] = "held_out: 0\nbatch_decisions: 100\nlabel_smoothing: 0.2\nvalue_coefficient: 0.5\n"
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
  Stage *stage = stage_new("held_out: 0\nbatch_decisions: 100\nvalue_coefficient: 2\ndiscount: 0.5\nlearning_rate: 0\n",
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
  Stage *stage = stage_new("held_out: 0\nbatch_decisions: 9\nbatch_tokens: 1\n", make_rows(3), table_feature());

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
  Stage *stage =
      stage_new("held_out: 0.5\nepochs: 1\nbatch_decisions: 3\nlabel_smoothing: 0.5\n", make_rows(2), table_feature());

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
  Stage *stage =
      stage_new("held_out: 0.5\nepochs: 50\nbatch_decisions: 100\nearly_stop: 3\n", make_rows(6), table_feature());

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
  Stage *stage =
      stage_new("held_out: 0.5\nepochs: 50\nbatch_decisions: 100\nearly_stop: 2\n", make_rows(6), table_feature());
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
  g_autofree char *all = g_strconcat("held_out: 0\nepochs: 1\nbatch_decisions: 1\nlearning_rate: 1\n", yaml, NULL);
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

static const Choice single = {"d200", {"u"}, 0, 0};

static void test_single_candidates_are_skipped_and_counted_or_kept(void **state)
{
  static const char *const yaml[] = {"held_out: 0\nepochs: 1\n", "held_out: 0\nepochs: 1\nskip_single: false\n"};

  (void)state;
  for (guint kept = 0; kept <= 1; kept++) {
    GPtrArray *list = make_rows(1);
    Table *table = new_table();
    Stage *stage;

    add_trajectory(list, "single", "expert", TRUE, &single, 1);
    stage = stage_new(yaml[kept], list, table_feature());
    assert_true(stage_update(stage));
    assert_near(stage_metric(stage, "skipped"), !kept, 0);
    assert_near(stage_metric(stage, "decisions"), 3 + kept, 0);
    assert_int_equal(table->n_trained[200], kept);
    stage_free(stage);
    g_free(table);
  }
}

static void test_only_the_wanted_trajectories_are_imitated(void **state)
{
  static const Choice choices[] = {
      {"d0", {"u", "v"}, 0, 0}, {"d1", {"u", "v"}, 0, 0}, {"d2", {"u", "v"}, 0, 0}, {"d3", {"u", "v"}, 0, 0}};
  static const char *const agents[] = {"expert", "rule", "random", "expert"};
  static const struct {
    const char *yaml;
    guint trained[4];
  } cases[] = {
      {"held_out: 0\nepochs: 1\n", {1, 1, 1, 1}},
      {"held_out: 0\nepochs: 1\nsuccessful_only: true\n", {1, 1, 1, 0}},
      {"held_out: 0\nepochs: 1\nagents: [expert, rule]\n", {1, 1, 0, 1}},
      {"held_out: 0\nepochs: 1\nagents: expert\nsuccessful_only: true\n", {1, 0, 0, 0}},
  };

  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    GPtrArray *list = new_trajectories();
    Table *table = new_table();
    Stage *stage;

    for (guint j = 0; j < 4; j++)
      add_trajectory(list, agents[j], agents[j], j < 3, &choices[j], 1);
    stage = stage_new(cases[i].yaml, list, table_feature());
    assert_true(stage_update(stage));
    assert_memory_equal(table->n_trained, cases[i].trained, sizeof cases[i].trained);
    stage_free(stage);
    g_free(table);
  }
}

static void assert_first_update_fails(const char *yaml, GPtrArray *list, CwErrorCode code, const char *expected)
{
  Table *table = new_table();
  Stage *stage = stage_new(yaml, list, table_feature());
  g_autofree char *message = stage_update_fails(stage, code);

  assert_string_equal(message, expected);
  assert_int_equal(table->n_steps, 0);
  stage_free(stage);
  g_free(table);
}

static void test_no_trajectories_are_reported(void **state)
{
  (void)state;
  assert_first_update_fails("epochs: 1\n", new_trajectories(), CW_ERROR_FORMAT,
                            "algorithm 'bc': expected trajectories to imitate, found none; check the stage's "
                            "'trajectories' and the stage that wrote them");
}

static void test_a_choice_out_of_range_is_reported(void **state)
{
  GPtrArray *list = make_rows(3);
  CwStep *step = (CwStep *)((CwTrajectory *)list->pdata[2])->steps[1];

  (void)state;
  step->chosen = 3;
  assert_first_update_fails("epochs: 1\n", list, CW_ERROR_FORMAT,
                            "algorithm 'bc': trajectory 2 (goal 'goal_2' of split 'train', agent 'expert'), step 1: "
                            "expected chosen below 3, the number of candidates, found 3; write the trajectories again");
}

static void test_nothing_to_learn_from_is_reported_with_the_reasons(void **state)
{
  GPtrArray *list = make_rows(2); /* the second one is unsuccessful */

  (void)state;
  add_trajectory(list, "single", "expert", TRUE, &single, 1);
  ((CwTrajectory *)list->pdata[0])->agent = "rule";
  assert_first_update_fails("agents: expert\nsuccessful_only: true\n", list, CW_ERROR_CONFIGURATION,
                            "algorithm 'bc': expected decisions to learn from, found none among the 7 decisions of 3 "
                            "trajectories: 3 by other agents ('agents'), 3 of unsuccessful trajectories "
                            "('successful_only'), 1 with a single candidate ('skip_single'), 0 held out ('held_out'); "
                            "loosen these options or bring other trajectories");
}

static void test_early_stop_needs_something_held_out(void **state)
{
  Stage *stage = stage_new("epochs: 1\n", make_rows(1), table_feature());
  CwDiagnostics *diagnostics = cw_diagnostics_new();
  CwYamlNode *root = cw_yaml_parse_text("early_stop: 2\nheld_out: 0\n", "test.yaml", diagnostics);
  gpointer options = cw_options_fill(&stage->bc->options, root, NULL, "algorithm 'bc'", diagnostics);
  GError *error = NULL;

  (void)state;
  assert_int_equal(cw_diagnostics_count(diagnostics), 0);
  assert_null(cw_algorithm_open(stage->bc, options, &error));
  assert_true(g_error_matches(error, CW_ALGORITHM_ERROR, CW_ERROR_CONFIGURATION));
  assert_string_equal(error->message,
                      "algorithm 'bc': early_stop: expected held_out above 0, by which to see that nothing improves, "
                      "found 0; set held_out to 0.1, say, or early_stop to 0");
  g_error_free(error);
  cw_options_free(&stage->bc->options, options);
  cw_yaml_free(root);
  cw_diagnostics_free(diagnostics);
  stage_free(stage);
  assert_first_update_fails("early_stop: 2\n", make_rows(1), CW_ERROR_CONFIGURATION,
                            "algorithm 'bc': early_stop: expected held-out decisions, by which to see that nothing "
                            "improves, found none; bring trajectories of more goals, or set early_stop to 0");
}

static void test_a_logit_that_is_not_a_number_stops_before_the_step(void **state)
{
  Table *table = new_table();
  Stage *stage = stage_new("held_out: 0\nbatch_decisions: 100\n", make_rows(2), table_feature());
  g_autofree char *message = NULL;

  (void)state;
  table->logits[0][1] = NAN;
  message = stage_update_fails(stage, CW_ERROR_NUMERIC);
  assert_string_equal(message,
                      "algorithm 'bc': policy 'table': logit 1 of decision 0 is nan; the backend does not show "
                      "its tensors");
  assert_int_equal(table->n_steps, 0);
  stage_free(stage);
  g_free(table);
}

static void test_an_infinite_loss_stops_before_the_step(void **state)
{
  Table *table = new_table();
  Stage *stage = stage_new("held_out: 0\nbatch_decisions: 100\n", make_rows(2), table_feature());
  g_autofree char *message = NULL;

  (void)state;
  table->logits[0][0] = -3e38f;
  table->logits[0][1] = 3e38f;
  message = stage_update_fails(stage, CW_ERROR_NUMERIC);
  assert_string_equal(message, "algorithm 'bc': the loss is inf and the loss of the value 0, though all logits are "
                               "finite: they lie too far apart; lower learning_rate or max_gradient_norm");
  assert_int_equal(table->n_steps, 0);
  stage_free(stage);
  g_free(table);
}

static void test_values_are_needed_only_with_a_coefficient(void **state)
{
  static const char *const yaml[] = {"epochs: 1\n", "value_coefficient: 0.1\n"};

  (void)state;
  for (guint i = 0; i < 2; i++) {
    Table *table = new_table();
    Stage *stage = stage_new(yaml[i], make_rows(1), table_feature());

    assert_int_equal(cw_algorithm_needs(stage->bc, stage->options),
                     CW_NEEDS_TRAINING | CW_NEEDS_TRAJECTORIES | (i ? CW_NEEDS_VALUES : 0));
    stage_free(stage);
    g_free(table);
  }
}

static void test_options_out_of_range_are_reported_together(void **state)
{
  static const char yaml[] = "epochs: 0\nlearning_rate: -1\nschedule: linea\nwarmup: 1.5\nbatch_decisions: 0\n"
                             "batch_tokens: 0\nmax_gradient_norm: -1\nheld_out: 1\nearly_stop: -1\nskip_single: 1\n"
                             "label_smoothing: 1\nvalue_coefficient: -1\ndiscount: 2\n";
  static const char *const keys[] = {"epochs",          "learning_rate", "schedule",          "warmup",
                                     "batch_decisions", "batch_tokens",  "max_gradient_norm", "held_out",
                                     "early_stop",      "skip_single",   "label_smoothing",   "value_coefficient",
                                     "discount"};
  Table *table = new_table();
  Stage *stage = stage_new("epochs: 1\n", make_rows(1), table_feature());
  CwDiagnostics *diagnostics = cw_diagnostics_new();
  CwYamlNode *root = cw_yaml_parse_text(yaml, "test.yaml", diagnostics);
  gpointer options = cw_options_fill(&stage->bc->options, root, NULL, "algorithm 'bc'", diagnostics);
  g_autofree char *text = cw_diagnostics_text(diagnostics);
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  g_autofree char *problem = cw_options_self_check(&stage->bc->options);

  (void)state;
  assert_null(problem);
  assert_int_equal(cw_diagnostics_count(diagnostics), G_N_ELEMENTS(keys));
  for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
    g_autofree char *place = g_strdup_printf("test.yaml:%u:", i + 1);
    g_autofree char *complaint = g_strdup_printf(": error: %s in algorithm 'bc' is ", keys[i]);

    assert_true(g_str_has_prefix(lines[i], place));
    assert_non_null(strstr(lines[i], complaint));
  }
  cw_options_free(&stage->bc->options, options);
  cw_yaml_free(root);
  cw_diagnostics_free(diagnostics);
  stage_free(stage);
  g_free(table);
}

static const char *const colours[] = {"red", "green", "blue", "black", "white"};

/* "pick the COLOUR one" among three colours; the right one is the wanted one. */
static GPtrArray *make_toy_task(guint n)
{
  GPtrArray *list = new_trajectories();
  CwRandom *random = cw_random_new(3, "toy", 0, 0);

  for (guint i = 0; i < n; i++) {
    g_autofree char *goal = g_strdup_printf("goal_%u", i);
    char *texts[2];
    Choice choices[2];

    for (guint j = 0; j < 2; j++) {
      guint32 order[] = {0, 1, 2, 3, 4};

      cw_random_shuffle(random, order, 5);
      choices[j] = (Choice){NULL, {colours[order[0]], colours[order[1]], colours[order[2]]}, 0, 0};
      choices[j].chosen = cw_random_below(random, 3);
      texts[j] = g_strdup_printf("pick the %s one", colours[order[choices[j].chosen]]);
      choices[j].text = texts[j];
    }
    add_trajectory(list, goal, "expert", TRUE, choices, 2);
    g_free(texts[0]);
    g_free(texts[1]);
  }
  cw_random_free(random);
  return list;
}

static void test_a_toy_task_is_learnt_and_carries_over_to_what_was_held_out(void **state)
{
  Stage *stage =
      stage_new("epochs: 20\nbatch_decisions: 16\nlearning_rate: 0.05\nheld_out: 0.2\n", make_toy_task(60), NULL);
  double first;

  (void)state;
  stage_update(stage);
  first = stage_metric(stage, "loss");
  assert_true(first > 0.5);
  while (!stage_update(stage))
    ;
  assert_near(stage_metric(stage, "accuracy"), 1, 0);
  assert_near(stage_metric(stage, "held_out_accuracy"), 1, 0);
  assert_true(stage_metric(stage, "loss") < first / 5);
  stage_free(stage);
}

static void append_tensor(const char *name, const gint64 *shape, guint n_dimensions, float *weights, float *gradient,
                          gpointer data)
{
  gint64 size = 1;

  (void)name, (void)gradient;
  for (guint i = 0; i < n_dimensions; i++)
    size *= shape[i];
  g_byte_array_append(data, (const guint8 *)weights, (guint)(size * (gint64)sizeof(float)));
}

/* Everything that a run leaves: weights, and the metrics of the update. */
static GByteArray *remains(const Stage *stage)
{
  GByteArray *bytes = g_byte_array_new();

  cw_policy_visit_tensors(stage->policy, append_tensor, bytes);
  for (guint i = 0; i < cw_update_n_metrics(stage->update); i++) {
    const char *name = cw_update_metric_name(stage->update, i);
    double value = cw_update_metric_value(stage->update, i);

    g_byte_array_append(bytes, (const guint8 *)name, (guint)strlen(name));
    g_byte_array_append(bytes, (const guint8 *)&value, sizeof value);
  }
  return bytes;
}

static const char resumable[] = "epochs: 3\nbatch_decisions: 7\nlearning_rate: 0.01\nheld_out: 0.2\nwarmup: 0.3\n"
                                "batch_tokens: 20\nschedule: cosine\nearly_stop: 2\nvalue_coefficient: 0.1\n";

/* Saves a stage and opens another one from what was saved, as a new process would. */
static Stage *stop_and_resume(Stage *stage, GPtrArray *trajectories, const char *scratch)
{
  Stage *resumed = stage_new(resumable, trajectories, NULL);
  GKeyFile *state = g_key_file_new(), *read = g_key_file_new();
  g_autofree char *text = NULL;
  g_autofree char *random = cw_random_save(stage->random);

  assert_true(cw_algorithm_save(stage->algorithm, state, NULL));
  assert_true(cw_policy_save(stage->policy, scratch, NULL));
  text = g_key_file_to_data(state, NULL, NULL);
  assert_true(g_key_file_load_from_data(read, text, strlen(text), G_KEY_FILE_NONE, NULL));
  assert_true(cw_algorithm_load(resumed->algorithm, read, NULL));
  assert_true(cw_policy_load(resumed->policy, scratch, NULL));
  assert_true(cw_random_load(resumed->random, random));
  assert_int_equal(cw_algorithm_expected_updates(resumed->algorithm),
                   cw_algorithm_expected_updates(stage->algorithm)); /* known before the first update */
  resumed->index = stage->index;
  g_key_file_free(state);
  g_key_file_free(read);
  stage_free(stage);
  return resumed;
}

static void test_a_stop_in_mid_epoch_continues_bit_by_bit(void **state)
{
  g_autofree char *scratch = g_dir_make_tmp("cartwright-test-XXXXXX", NULL);
  Stage *straight = stage_new(resumable, make_toy_task(20), NULL);
  Stage *stopped = stage_new(resumable, make_toy_task(20), NULL);
  gboolean done = FALSE;

  (void)state;
  for (guint update = 0; !done; update++) {
    GByteArray *expected, *found;

    done = stage_update(straight);
    if (update == 0 || update == 3 || update == 5 || update == 9) /* start, middle, end of an epoch, later */
      stopped = stop_and_resume(stopped, make_toy_task(20), scratch);
    assert_int_equal(stage_update(stopped), done);
    expected = remains(straight);
    found = remains(stopped);
    assert_int_equal(found->len, expected->len);
    assert_memory_equal(found->data, expected->data, expected->len);
    g_byte_array_free(expected, TRUE);
    g_byte_array_free(found, TRUE);
  }
  stopped = stop_and_resume(stopped, make_toy_task(20), scratch);
  assert_true(stage_update(stopped)); /* already complete */
  assert_int_equal(cw_update_n_metrics(stopped->update), 0);
  stage_free(straight);
  stage_free(stopped);
  assert_true(cw_remove_tree(scratch, NULL));
}

static void test_resuming_with_other_trajectories_is_refused(void **state)
{
  g_autofree char *scratch = g_dir_make_tmp("cartwright-test-XXXXXX", NULL);
  Stage *stage = stage_new(resumable, make_toy_task(20), NULL);
  g_autofree char *message = NULL;

  (void)state;
  stage_update(stage);
  stage = stop_and_resume(stage, make_toy_task(21), scratch);
  message = stage_update_fails(stage, CW_ERROR_CONFIGURATION);
  assert_string_equal(message, "algorithm 'bc': expected the trajectories that this stage began with, found others; "
                               "bring the old files back, or start the run afresh");
  stage_free(stage);
  assert_true(cw_remove_tree(scratch, NULL));
}

static void test_a_state_with_a_gap_is_refused(void **state)
{
  Table *table = new_table();
  Stage *stage = stage_new("epochs: 1\n", make_rows(1), table_feature());
  GKeyFile *saved = g_key_file_new();
  GError *error = NULL;

  (void)state;
  assert_true(cw_algorithm_save(stage->algorithm, saved, NULL));
  assert_true(g_key_file_remove_key(saved, "algorithm", "step", NULL));
  assert_false(cw_algorithm_load(stage->algorithm, saved, &error));
  assert_true(g_error_matches(error, CW_ALGORITHM_ERROR, CW_ERROR_FORMAT));
  assert_true(g_str_has_prefix(error->message,
                               "algorithm 'bc': expected the state of this algorithm in the checkpoint, "
                               "found a gap: "));
  assert_non_null(strstr(error->message, "step"));
  g_error_free(error);
  g_key_file_free(saved);
  stage_free(stage);
  g_free(table);
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
      cmocka_unit_test(test_single_candidates_are_skipped_and_counted_or_kept),
      cmocka_unit_test(test_only_the_wanted_trajectories_are_imitated),
      cmocka_unit_test(test_no_trajectories_are_reported),
      cmocka_unit_test(test_a_choice_out_of_range_is_reported),
      cmocka_unit_test(test_nothing_to_learn_from_is_reported_with_the_reasons),
      cmocka_unit_test(test_early_stop_needs_something_held_out),
      cmocka_unit_test(test_a_logit_that_is_not_a_number_stops_before_the_step),
      cmocka_unit_test(test_an_infinite_loss_stops_before_the_step),
      cmocka_unit_test(test_values_are_needed_only_with_a_coefficient),
      cmocka_unit_test(test_options_out_of_range_are_reported_together),
      cmocka_unit_test(test_a_toy_task_is_learnt_and_carries_over_to_what_was_held_out),
      cmocka_unit_test(test_a_stop_in_mid_epoch_continues_bit_by_bit),
      cmocka_unit_test(test_resuming_with_other_trajectories_is_refused),
      cmocka_unit_test(test_a_state_with_a_gap_is_refused),
  };

  return cmocka_run_group_tests_name("bc", tests, NULL, NULL);
}
