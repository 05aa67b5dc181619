/* Behaviour cloning: which decisions are learnt from, and every kind of bad input. */
#include "tests/bc/stage.h"
#include "tests/bc/table.h"
#include <math.h>

static const Choice single = {"d200", {"u"}, 0, 0};

static void test_single_candidates_are_skipped_and_counted_or_kept(void **state)
{
  static const char *const yaml[] = {"held_out: 0\nepochs: 1\n",
                                     "held_out: 0\nepochs: 1\nskip_single: false\n"};

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

static void assert_first_update_fails(const char *yaml, GPtrArray *list, CwErrorCode code,
                                      const char *expected)
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
  assert_first_update_fails(
      "epochs: 1\n", new_trajectories(), CW_ERROR_CONFIGURATION,
      "algorithm 'bc': expected trajectories to learn from, found none; check the stage's "
      "'trajectories' and the stage that wrote them");
}

static void test_a_choice_out_of_range_is_reported(void **state)
{
  GPtrArray *list = make_rows(3);
  CwStep *step = (CwStep *)((CwTrajectory *)list->pdata[2])->steps[1];
  (void)state;
  step->chosen = 3;
  assert_first_update_fails(
      "epochs: 1\n", list, CW_ERROR_FORMAT,
      "algorithm 'bc': trajectory 2 (goal 'goal_2' of split 'train', agent 'expert'), step 1: "
      "expected chosen below 3, the number of candidates, found 3; write the trajectories again");
}

static void test_nothing_to_learn_from_is_reported_with_the_reasons(void **state)
{
  GPtrArray *list = make_rows(2); /* the second one is unsuccessful */

  (void)state;
  add_trajectory(list, "single", "expert", TRUE, &single, 1);
  ((CwTrajectory *)list->pdata[0])->agent = "rule";
  assert_first_update_fails(
      "agents: expert\nsuccessful_only: true\n", list, CW_ERROR_CONFIGURATION,
      "algorithm 'bc': expected decisions to learn from, found none among the 7 decisions of 3 "
      "trajectories: 3 by other agents ('agents'), 3 of unsuccessful trajectories "
      "('successful_only'), 1 with a single candidate ('skip_single'), 0 held out ('held_out'); "
      "loosen these options or bring other trajectories");
}

static void test_early_stop_needs_something_held_out(void **state)
{
  Table *table = new_table();
  Stage *stage = stage_new("epochs: 1\n", make_rows(1), table_feature());
  CwDiagnostics *diagnostics = cw_diagnostics_new();
  CwYamlNode *root = cw_yaml_parse_text("early_stop: 2\nheld_out: 0\n", "test.yaml", diagnostics);
  gpointer options = cw_options_fill(&stage->feature->options, root, NULL, "algorithm 'bc'", diagnostics);
  GError *error = NULL;
  (void)state;
  assert_int_equal(cw_diagnostics_count(diagnostics), 0);
  assert_null(cw_algorithm_open(stage->feature, options, &error));
  assert_true(g_error_matches(error, CW_ALGORITHM_ERROR, CW_ERROR_CONFIGURATION));
  assert_string_equal(
      error->message,
      "algorithm 'bc': early_stop: expected held_out above 0, by which to see that nothing improves, "
      "found 0; set held_out to 0.1, say, or early_stop to 0");
  g_error_free(error);
  cw_options_free(&stage->feature->options, options);
  cw_yaml_free(root);
  cw_diagnostics_free(diagnostics);
  stage_free(stage);
  g_free(table);
  assert_first_update_fails(
      "early_stop: 2\n", make_rows(1), CW_ERROR_CONFIGURATION,
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
  assert_string_equal(
      message, "algorithm 'bc': policy 'table': logit 1 of decision 0 is nan; the backend does not show "
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
  assert_string_equal(
      message, "algorithm 'bc': the loss of a decision is inf, though all logits and values are finite: they "
               "have moved too far apart; lower learning_rate, max_gradient_norm or the number of epochs");
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
    assert_int_equal(cw_algorithm_needs(stage->feature, stage->options),
                     CW_NEEDS_TRAINING | CW_NEEDS_TRAJECTORIES | CW_TAKES_WORDS | (i ? CW_NEEDS_VALUES : 0));
    stage_free(stage);
    g_free(table);
  }
}

static void test_options_out_of_range_are_reported_together(void **state)
{
  static const char yaml[] =
      "epochs: 0\nlearning_rate: -1\nschedule: linea\nwarmup: 1.5\nbatch_decisions: 0\n"
      "batch_tokens: 0\nmax_gradient_norm: -1\nheld_out: 1\nearly_stop: -1\nskip_single: 1\n"
      "label_smoothing: 1\nvalue_coefficient: -1\ndiscount: 2\n";
  static const char *const keys[] = {
      "epochs",          "learning_rate",     "schedule", "warmup",     "batch_decisions",
      "batch_tokens",    "max_gradient_norm", "held_out", "early_stop", "skip_single",
      "label_smoothing", "value_coefficient", "discount"};
  Table *table = new_table();
  Stage *stage = stage_new("epochs: 1\n", make_rows(1), table_feature());
  CwDiagnostics *diagnostics = cw_diagnostics_new();
  CwYamlNode *root = cw_yaml_parse_text(yaml, "test.yaml", diagnostics);
  gpointer options = cw_options_fill(&stage->feature->options, root, NULL, "algorithm 'bc'", diagnostics);
  g_autofree char *text = cw_diagnostics_text(diagnostics);
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  g_autofree char *problem = cw_options_self_check(&stage->feature->options);

  (void)state;
  assert_null(problem);
  assert_int_equal(cw_diagnostics_count(diagnostics), G_N_ELEMENTS(keys));
  for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
    g_autofree char *place = g_strdup_printf("test.yaml:%u:", i + 1);
    g_autofree char *complaint = g_strdup_printf(": error: %s in algorithm 'bc' is ", keys[i]);
    assert_true(g_str_has_prefix(lines[i], place));
    assert_non_null(strstr(lines[i], complaint));
  }
  cw_options_free(&stage->feature->options, options);
  cw_yaml_free(root);
  cw_diagnostics_free(diagnostics);
  stage_free(stage);
  g_free(table);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
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
  };

  return cmocka_run_group_tests_name("bc input", tests, NULL, NULL);
}
