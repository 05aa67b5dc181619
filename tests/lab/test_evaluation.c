/* Evaluations with known answers, the file of results and the table. */
#include "core/base/eta.h"
#include "core/train/context.h"
#include "core/trajectory/trajectories.h"
#include "lab/evaluate/evaluator.h"
#include "lab/evaluate/results.h"
#include "tests/toy/fixture.h"
#include <glib/gstdio.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

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

static CwEvaluation *evaluate_script(const Fixture *fixture, const char *script, const char *split, guint64 n,
                                     GError **error)
{
  CwAgent agent = {.kind = CW_AGENT_SCRIPT, .name = script};
  CwRollout *rollout = cw_rollout_new(fixture->environment, 3, NULL);
  CwEvaluation *evaluation = cw_evaluate(rollout, &agent, script, split, n, 233, NULL, NULL, NULL, error);
  cw_rollout_free(rollout);
  return evaluation;
}

static void assert_near(double value, double expected)
{
  if (fabs(value - expected) > 1e-9)
    print_error("%.17g is not %.17g\n", value, expected);
  assert_true(fabs(value - expected) <= 1e-9);
}

static void test_best_script_has_full_score(void **state)
{
  CwEvaluation *evaluation = evaluate_script(*state, "best", "test", 500, NULL);
  CwInterval score = cw_evaluation_score(evaluation, 0.95), success = cw_evaluation_success(evaluation, 0.95);
  assert_int_equal(evaluation->n, 12); /* all goals there are */
  assert_near(score.mean, 100);
  assert_near(score.low, 100);
  assert_near(success.mean, 100);
  /* Wilson: n / (n + z^2) of 12 successes in 12. */
  assert_true(fabs(success.low - 100 * 12 / (12 + 1.959963984540054 * 1.959963984540054)) < 1e-6);
  assert_near(cw_evaluation_mean_length(evaluation), 2); /* 1, 2, 3, 1, 2, 3, ... */
  assert_int_equal(evaluation->n_decisions, 24);
  assert_int_equal(evaluation->parts->len, 2);
  assert_string_equal(g_ptr_array_index(evaluation->parts, 0), "right");
  assert_near(g_array_index(evaluation->part_sums, double, 0), 12);
  assert_near(g_array_index(evaluation->part_sums, double, 1), 0);
  cw_evaluation_free(evaluation);
}

static void test_worst_script_has_no_score(void **state)
{
  CwEvaluation *evaluation = evaluate_script(*state, "worst", "test", 5, NULL);
  assert_int_equal(evaluation->n, 5);
  assert_near(cw_evaluation_score(evaluation, 0.95).mean, 0);
  assert_near(cw_evaluation_success(evaluation, 0.95).mean, 0);
  cw_evaluation_free(evaluation);
}

static void test_agents_meet_the_same_episodes(void **state)
{
  const Fixture *fixture = *state;
  CwRollout *rollout = cw_rollout_new(fixture->environment, 3, NULL);
  CwAgent random = {.kind = CW_AGENT_RANDOM, .name = "random"};
  CwEvaluation *first = cw_evaluate(rollout, &random, "random", "test", 12, 233, NULL, NULL, NULL, NULL);
  CwEvaluation *second = cw_evaluate(rollout, &random, "random", "test", 12, 233, NULL, NULL, NULL, NULL);
  CwEvaluation *other = cw_evaluate(rollout, &random, "random", "test", 12, 234, NULL, NULL, NULL, NULL);
  assert_memory_equal(first->rewards, second->rewards, 12 * sizeof(double));
  assert_memory_equal(first->lengths, second->lengths, 12 * sizeof(guint));
  assert_memory_not_equal(first->rewards, other->rewards, 12 * sizeof(double));
  cw_evaluation_free(first);
  cw_evaluation_free(second);
  cw_evaluation_free(other);
  cw_rollout_free(rollout);
}

/* Whether two evaluations have the same results. */
static void assert_same_results(const CwEvaluation *first, const CwEvaluation *second)
{
  assert_int_equal(first->n, second->n);
  assert_memory_equal(first->rewards, second->rewards, first->n * sizeof *first->rewards);
  assert_memory_equal(first->lengths, second->lengths, first->n * sizeof *first->lengths);
  assert_int_equal(first->n_decisions, second->n_decisions);
}

static void test_kept_episodes_hold_probabilities_and_advice_and_change_nothing(void **state)
{
  const Fixture *fixture = *state;
  g_autofree char *directory = g_dir_make_tmp("cartwright-kept-XXXXXX", NULL);
  g_autofree char *path = g_build_filename(directory, "initial-sample.jsonl", NULL);
  g_autoptr(GPtrArray) episodes = g_ptr_array_new_with_free_func((GDestroyNotify)cw_trajectory_unref);
  CwAgent agent = {.kind = CW_AGENT_POLICY, .name = "policy", .policy = fixture->policy};
  CwKeptEpisodes kept = {path, 5, TRUE, "best"};
  CwRollout *rollout = cw_rollout_new(fixture->environment, 3, NULL);
  CwEvaluation *plain = cw_evaluate(rollout, &agent, "initial", "test", 9, 233, NULL, NULL, NULL, NULL);
  CwEvaluation *keeping = cw_evaluate(rollout, &agent, "initial", "test", 9, 233, &kept, NULL, NULL, NULL);
  assert_same_results(plain, keeping);
  assert_true(cw_trajectories_read(path, episodes, NULL));
  assert_int_equal(episodes->len, 5);
  for (guint e = 0; e < episodes->len; e++) {
    const CwTrajectory *episode = episodes->pdata[e];
    assert_string_equal(episode->agent, "initial");
    assert_int_equal(episode->goal, e);
    assert_true(episode->total_reward == plain->rewards[e]);
    for (guint s = 0; s < episode->n_steps; s++) {
      const CwStep *step = episode->steps[s];
      assert_non_null(step->advice);
      assert_true(fabs(log(step->probabilities[step->chosen]) - step->log_probability) < 1e-5);
      double sum = 0;
      for (guint i = 0; i < step->decision->n_candidates; i++)
        sum += step->probabilities[i];
      assert_true(fabs(sum - 1) < 1e-5);
    }
  }
  cw_evaluation_free(plain);
  cw_evaluation_free(keeping);
  cw_rollout_free(rollout);
  g_remove(path);
  g_rmdir(directory);
}

static void test_split_without_goals_is_refused(void **state)
{
  g_autoptr(GError) error = NULL;
  assert_null(evaluate_script(*state, "best", "empty", 5, &error));
  assert_string_equal(error->message,
                      "cannot evaluate on split 'empty': it has 0 goals and 5 episodes were asked for");
}

static void test_unknown_split_is_refused(void **state)
{
  g_autoptr(GError) error = NULL;
  assert_null(evaluate_script(*state, "best", "tset", 5, &error));
  assert_string_equal(error->message,
                      "environment 'toy_environment': no split 'tset'; it has: train, dev, test, all");
}

static CwResults *results_of_two_scripts(const Fixture *fixture)
{
  CwResults *results = cw_results_new(fixture->experiment, fixture->environment, fixture->policy);
  const char *const scripts[] = {"best", "worst"};
  for (guint i = 0; i < G_N_ELEMENTS(scripts); i++) {
    CwEvaluation *evaluation = evaluate_script(fixture, scripts[i], "test", 500, NULL);
    evaluation->seconds = 0.5; /* for a table that is the same everywhere */
    cw_results_add(results, evaluation);
  }
  return results;
}

static void test_table_names_everything_a_score_depends_on(void **state)
{
  static const char *const agents[] = {"worst", "best", NULL};
  CwResults *results = results_of_two_scripts(*state);
  g_autofree char *table = cw_results_table(results, agents);
  assert_string_equal(
      table,
      "environment: toy_environment 0.1\n"
      "  catalogue: letters\n"
      "  goals: 12\n"
      "policy: toy_policy 0.1\n"
      "  weights: 12\n"
      "split: test, goals 0 to 11 of 12; seed 233; score: 100 x mean reward\n"
      "\n"
      "agent  selection  score  95% interval  success %  95% interval  episodes  steps/episode  decisions/s\n"
      "-----  ---------  -----  ------------  ---------  ------------  --------  -------------  -----------\n"
      "worst          -    0.0       0.0-0.0        0.0      0.0-24.2        12            2.0           48\n"
      "best           -  100.0   100.0-100.0      100.0    75.8-100.0        12            2.0           48\n"
      "\n"
      "mean parts of the reward\n"
      "agent  selection  right  waits\n"
      "-----  ---------  -----  -----\n"
      "worst          -  0.000  0.000\n"
      "best           -  1.000  0.000\n");
  cw_results_free(results);
}

static void test_results_survive_their_file(void **state)
{
  const Fixture *fixture = *state;
  CwResults *written = results_of_two_scripts(fixture);
  CwResults *read = cw_results_new(fixture->experiment, fixture->environment, fixture->policy);
  g_autofree char *path = fixture_path(fixture, "evaluation.json");
  assert_true(cw_results_write(written, path, NULL));
  assert_true(cw_results_read(read, path, NULL));
  g_autofree char *before = cw_results_json(written), *after = cw_results_json(read);
  assert_string_equal(before, after);
  cw_results_free(written);
  cw_results_free(read);
}

static void test_result_is_found_only_on_its_own_terms(void **state)
{
  CwResults *results = results_of_two_scripts(*state);
  assert_non_null(cw_results_find(results, "best", "", 0));
  assert_null(cw_results_find(results, "best", "", 1));
  assert_null(cw_results_find(results, "best", "greedy", 0));
  assert_null(cw_results_find(results, "final", "", 0));
  cw_results_free(results);
}

static void test_results_on_other_terms_are_not_read(void **state)
{
  const Fixture *fixture = *state;
  CwResults *written = results_of_two_scripts(fixture);
  g_autofree char *path = fixture_path(fixture, "evaluation.json");
  cw_results_add(written, evaluate_script(fixture, "best", "dev", 12, NULL));
  assert_true(cw_results_write(written, path, NULL));
  CwResults *read = cw_results_new(fixture->experiment, fixture->environment, fixture->policy);
  assert_true(cw_results_read(read, path, NULL));
  assert_int_equal(read->evaluations->len, 1);
  assert_null(cw_results_find(read, "best", "", 0));
  assert_non_null(cw_results_find(read, "worst", "", 0));
  read->n_episodes = 5;
  assert_null(cw_results_find(read, "worst", "", 0));
  cw_results_free(written);
  cw_results_free(read);
}

static void test_equal_agent_replaces_its_result(void **state)
{
  CwResults *results = results_of_two_scripts(*state);
  CwEvaluation *evaluation = evaluate_script(*state, "best", "test", 4, NULL);
  cw_results_add(results, evaluation);
  assert_int_equal(results->evaluations->len, 2);
  assert_ptr_equal(g_ptr_array_index(results->evaluations, 0), evaluation);
  cw_results_free(results);
}

static void assert_bad_results(const Fixture *fixture, const char *text, const char *message)
{
  CwResults *results = results_of_two_scripts(fixture);
  g_autofree char *path = fixture_write(fixture, "bad.json", text);
  g_autoptr(GError) error = NULL;
  assert_false(cw_results_read(results, path, &error));
  g_autofree char *found = fixture_anonymous(fixture, error->message);
  assert_string_equal(found, message);
  assert_int_equal(results->evaluations->len, 2);
  cw_results_free(results);
}

static void test_bad_results_are_told_and_change_nothing(void **state)
{
  static const char other[] =
      "FOLDER/bad.json: not a file of results as cartwright writes it; remove it to have the "
      "evaluations repeated";
  assert_bad_results(*state, "{\"agents\": [",
                     "FOLDER/bad.json:1:12: ']' expected near end of file; remove the "
                     "file to have the evaluations repeated");
  assert_bad_results(*state, "[]", other);
  assert_bad_results(*state, "{\"agents\": [{\"agent\": \"best\"}]}", other);
  assert_bad_results(
      *state,
      "{\"agents\": [{\"agent\": \"a\", \"selection\": \"\", \"split\": \"test\", \"updates\": 0, "
      "\"episodes\": 2, \"decisions\": 1, \"seconds\": 1, \"parts\": {}, \"rewards\": [1, \"x\"], "
      "\"successes\": [1, 1], \"lengths\": [1, 1]}]}",
      other);
}

static void test_missing_results_are_none(void **state)
{
  CwResults *results = results_of_two_scripts(*state);
  g_autofree char *path = fixture_path(*state, "nothing.json");
  assert_true(cw_results_read(results, path, NULL));
  cw_results_free(results);
}

static void test_agents_default_to_all_there_are(void **state)
{
  const Fixture *fixture = *state;
  CwRun run = {
      .experiment = fixture->experiment, .environment = fixture->environment, .policy = fixture->policy};
  CwEvaluator *evaluator = cw_evaluator_new(&run, NULL);
  g_autofree char *list = g_strjoinv(" ", (char **)cw_evaluator_names(evaluator));
  cw_evaluator_free(evaluator);
  /* No algorithm stage, hence no "final". */
  assert_string_equal(list, "random best worst broken initial");
}

static void test_time_left_is_incomplete_until_every_speed_is_known(void **state)
{
  (void)state;
  CwEta *eta = cw_eta_new(TRUE);
  guint first = cw_eta_add(eta, "episodes of a", 10);
  cw_eta_add(eta, "episodes of a", 30);
  guint third = cw_eta_add(eta, "other", 5);
  gboolean complete;
  cw_eta_left(eta, g_get_monotonic_time(), &complete);
  assert_false(complete);
  cw_eta_begin(eta, first, "first", 0, 0);
  g_usleep(1000);
  cw_eta_update(eta, 10, 10, NULL);
  cw_eta_end(eta);
  /* The second phase is of the first's kind: thrice its time is left, and the third is unknown. */
  double left = cw_eta_left(eta, g_get_monotonic_time(), &complete);
  assert_false(complete);
  assert_true(left >= 0.003);
  cw_eta_skip(eta, third);
  assert_true(cw_eta_left(eta, g_get_monotonic_time(), &complete) == left);
  assert_true(complete);
  cw_eta_free(eta);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_best_script_has_full_score),
      cmocka_unit_test(test_worst_script_has_no_score),
      cmocka_unit_test(test_agents_meet_the_same_episodes),
      cmocka_unit_test(test_kept_episodes_hold_probabilities_and_advice_and_change_nothing),
      cmocka_unit_test(test_split_without_goals_is_refused),
      cmocka_unit_test(test_unknown_split_is_refused),
      cmocka_unit_test(test_table_names_everything_a_score_depends_on),
      cmocka_unit_test(test_results_survive_their_file),
      cmocka_unit_test(test_result_is_found_only_on_its_own_terms),
      cmocka_unit_test(test_results_on_other_terms_are_not_read),
      cmocka_unit_test(test_equal_agent_replaces_its_result),
      cmocka_unit_test(test_bad_results_are_told_and_change_nothing),
      cmocka_unit_test(test_missing_results_are_none),
      cmocka_unit_test(test_agents_default_to_all_there_are),
      cmocka_unit_test(test_time_left_is_incomplete_until_every_speed_is_known),
  };
  return cmocka_run_group_tests_name("evaluation", tests, setup, teardown);
}
