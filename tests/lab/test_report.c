/* Reports over run directories written by hand: what is pooled, what is refused, the tables to the byte,
 * costs of a resumed run, the mean curves. */
#include "core/base/durable.h"
#include "lab/report/report.h"
#include "tests/scratch.h"
#include <cartwright/error.h>
#include <math.h>

static void write_into(void **state, const char *run, const char *name, const char *text)
{
  g_autofree char *folder = g_build_filename(*state, run, NULL);
  g_autofree char *path = g_build_filename(folder, name, NULL);
  assert_true(cw_make_directories(folder, NULL));
  assert_true(g_file_set_contents(path, text, -1, NULL));
}

static char *agent(const char *name, const char *selection, guint updates, const char *rewards,
                   const char *successes)
{
  return g_strdup_printf("{\"agent\": \"%s\", \"selection\": \"%s\", \"split\": \"test\", \"updates\": %u, "
                         "\"episodes\": 4, \"decisions\": 8, \"seconds\": 0.5, \"parts\": {\"price\": 0.25}, "
                         "\"rewards\": [%s], \"successes\": [%s], \"lengths\": [1,2,2,3]}",
                         name, selection, updates, rewards, successes);
}

/* A finished run with the agents "rule" and "final". `rewards` are those of "final". */
static void write_run(void **state, const char *run, const char *name, guint seed, const char *rewards,
                      const char *successes)
{
  g_autofree char *rule = agent("rule", "", 0, "0.5,0.5,0.5,0.5", "0,0,0,0");
  g_autofree char *final = agent("final", "sample", 3, rewards, successes);
  g_autofree char *config =
      g_strdup_printf("name: %s # a.yaml:1:1\nseed: %u # --set #1\nenvironment: # a.yaml:2:3\n"
                      "  plugin: toy # a.yaml:2:4\n  size: 7 # default\nstages: # a.yaml\n"
                      "  - generate: # a.yaml:3:3\n      episodes: 2 # a.yaml:3:5\n"
                      "  - algorithm: bc # a.yaml:4:3\n    rate: 0.1 # default\n"
                      "  - algorithm: ppo # a.yaml:5:3\n",
                      name, seed);
  g_autofree char *results = g_strdup_printf(
      "{\"cartwright\": \"0.1.0\", \"name\": \"%s\", \"seed\": %u, \"confidence\": 0.95, \"environment\": "
      "{\"plugin\": \"toy\", \"version\": \"0.1\", \"goals\": \"9\"}, \"policy\": null, \"seconds\": 9.5, "
      "\"agents\": "
      "[%s, %s]}\n",
      name, seed, rule, final);

  write_into(state, run, "config.yaml", config);
  write_into(state, run, "evaluation.json", results);
  write_into(
      state, run, "metrics.jsonl",
      "{\"step\": 0, \"stage\": 0, \"generate/episodes\": 2, \"generate/decisions\": 5}\n"
      "{\"step\": 0, \"stage\": 1, \"update\": 0, \"evaluation/split\": \"dev\", \"evaluation/selection\": "
      "\"sample\", \"evaluation/episodes\": 2, \"evaluation/score\": 10.0, \"evaluation/success\": 0.0}\n"
      "{\"step\": 1, \"stage\": 1, \"update\": 1, \"bc/loss\": 1.0, \"bc/decisions\": 8.0}\n"
      "{\"step\": 2, \"stage\": 1, \"update\": 2, \"bc/loss\": 1.0, \"bc/decisions\": 16.0}\n"
      "{\"step\": 2, \"stage\": 1, \"update\": 2, \"evaluation/split\": \"dev\", \"evaluation/selection\": "
      "\"sample\", \"evaluation/episodes\": 2, \"evaluation/score\": 30.0, \"evaluation/success\": 20.0}\n"
      "{\"step\": 3, \"stage\": 2, \"update\": 1, \"ppo/loss\": 1.0, \"ppo/decisions\": 4.0, "
      "\"ppo/collected\": 12.0, \"rollout/episodes\": 3, \"rollout/steps_per_episode\": 4.0}\n"
      "{\"step\": 3, \"stage\": 2, \"update\": 1, \"evaluation/split\": \"dev\", \"evaluation/selection\": "
      "\"sample\", \"evaluation/episodes\": 2, \"evaluation/score\": 50.0, \"evaluation/success\": 40.0}\n");
  /* The first process was killed after update 2 and before a checkpoint: update 2 was done again. */
  write_into(
      state, run, "timings.jsonl",
      "{\"step\": 0, \"stage\": 0, \"seconds/generate\": 30.0}\n"
      "{\"step\": 0, \"stage\": 1, \"update\": 0, \"seconds/evaluation\": 500.0}\n"
      "{\"step\": 1, \"stage\": 1, \"update\": 1, \"seconds/collect\": 0.0, \"seconds/update\": 60.0, "
      "\"seconds/elapsed\": 600.0}\n"
      "{\"step\": 2, \"stage\": 1, \"update\": 2, \"seconds/collect\": 0.0, \"seconds/update\": 70.0, "
      "\"seconds/elapsed\": 680.0}\n"
      "{\"step\": 2, \"stage\": 1, \"update\": 2, \"seconds/collect\": 0.0, \"seconds/update\": 90.0, "
      "\"seconds/elapsed\": 95.0}\n"
      "{\"step\": 2, \"stage\": 2, \"update\": 0, \"seconds/refresh\": 10.0}\n"
      "{\"step\": 3, \"stage\": 2, \"update\": 1, \"seconds/collect\": 20.0, \"seconds/update\": 30.0, "
      "\"seconds/elapsed\": 200.0}\n");
}

/* Two experiments of two seeds. "b" is better by the same on every goal and seed. */
static void write_runs(void **state)
{
  write_run(state, "a-1", "a", 1, "0.0,0.25,0.5,0.75", "0,0,0,1");
  write_run(state, "a-2", "a", 2, "0.0,0.25,0.5,0.75", "0,0,0,1");
  write_run(state, "b-1", "b", 1, "0.25,0.5,0.75,1.0", "0,0,1,1");
  write_run(state, "b-2", "b", 2, "0.25,0.5,0.75,1.0", "0,0,1,1");
}

/* Of run directories in the scratch folder, named in one string. */
static CwRunsReport *report_of(void **state, const char *names, const char *against, GError **error)
{
  g_auto(GStrv) list = g_strsplit(names, " ", -1);
  g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);

  for (guint i = 0; list[i]; i++)
    g_ptr_array_add(paths, g_build_filename(*state, list[i], NULL));
  g_ptr_array_add(paths, NULL);
  return cw_report_new((const char *const *)paths->pdata, against, error);
}

static void test_report_as_markdown(void **state)
{
  CwRunsReport *report;
  g_autofree char *text = NULL;
  write_runs(state);
  report = report_of(state, "b-2 a-1 a-2 b-1", "a", NULL);
  assert_non_null(report);
  text = cw_report_markdown(report);
  assert_string_equal(
      text,
      "- environment: toy 0.1, goals 9\n"
      "- experiments: b (seeds 2, 1), a (seeds 1, 2)\n"
      "- split: test, goals 0 to 3\n"
      "- score: 100 x mean reward; intervals: bootstrap over seeds and goals; of seeds: least and greatest "
      "mean of a "
      "seed\n"
      "\n"
      "Results:\n"
      "\n"
      "| experiment | agent | selection | seeds | episodes | score | 95% interval | of seeds | success % | "
      "95% "
      "interval "
      "| of seeds | steps/episode | decisions/s |\n"
      "|---|---|---|---|---|---|---|---|---|---|---|---|---|\n"
      "| - | rule | - | 2 | 8 | 50.0 | 50.0-50.0 | 50.0-50.0 | 0.0 | 0.0-49.0 | 0.0-0.0 | 2.0 | 16 |\n"
      "| b | final | sample | 2 | 8 | 62.5 | 37.5-87.5 | 62.5-62.5 | 50.0 | 0.0-100.0 | 50.0-50.0 | 2.0 | 16 "
      "|\n"
      "| a | final | sample | 2 | 8 | 37.5 | 12.5-62.5 | 37.5-37.5 | 25.0 | 0.0-75.0 | 25.0-25.0 | 2.0 | 16 "
      "|\n"
      "\n"
      "Difference to a on the same goals:\n"
      "\n"
      "| experiment | agent | selection | score | 95% interval | success % | 95% interval |\n"
      "|---|---|---|---|---|---|---|\n"
      "| - | rule | - | +12.5 | -12.5 to +37.5 | -25.0 | -75.0 to +0.0 |\n"
      "| b | final | sample | +25.0 | +25.0 to +25.0 | +25.0 | +0.0 to +75.0 |\n"
      "\n"
      "Training, mean over seeds:\n"
      "\n"
      "| experiment | seeds | updates | decisions collected | decisions learnt | wall time | of seeds |\n"
      "|---|---|---|---|---|---|---|\n"
      "| b | 2 | 3 | 17 | 20 | 4:00 | 4:00-4:00 |\n"
      "| a | 2 | 3 | 17 | 20 | 4:00 | 4:00-4:00 |\n"
      "\n"
      "Mean parts of the reward:\n"
      "\n"
      "| experiment | agent | selection | price |\n"
      "|---|---|---|---|\n"
      "| - | rule | - | 0.250 |\n"
      "| b | final | sample | 0.250 |\n"
      "| a | final | sample | 0.250 |\n");
  cw_report_free(report);
}

/* Between seeds 0 and 1 the means are 25 and 75; half of the draws of two take the same one twice, and the
 * stretched deviation is sqrt(2) * 25. */
static void test_interval_accounts_for_seeds(void **state)
{
  CwRunsReport *report;
  const CwReportRow *row;
  write_run(state, "a-1", "a", 1, "0.25,0.25,0.25,0.25", "0,0,0,0");
  write_run(state, "a-2", "a", 2, "0.75,0.75,0.75,0.75", "1,1,1,1");
  report = report_of(state, "a-1 a-2", NULL, NULL);
  row = report->rows->pdata[1];
  assert_true(row->trained && row->score.mean == 50);
  assert_true(fabs(row->score.low - (50 - G_SQRT2 * 25)) < 1e-9);
  assert_true(fabs(row->score.high - (50 + G_SQRT2 * 25)) < 1e-9);
  assert_true(row->score_of_seeds.low == 25 && row->score_of_seeds.high == 75);
  /* A share stays one. */
  assert_true(row->success.mean == 50 && row->success.low == 0 && row->success.high == 100);
  cw_report_free(report);
}

static void test_one_seed_is_noted(void **state)
{
  CwRunsReport *report;
  write_runs(state);
  report = report_of(state, "a-1 b-1 b-2", NULL, NULL);
  assert_int_equal(report->notes->len, 1);
  assert_string_equal(report->notes->pdata[0], "a has one seed: its intervals say nothing about other seeds");
  cw_report_free(report);
}

static void replace_in(void **state, const char *run, const char *name, const char *old, const char *new)
{
  g_autofree char *path = g_build_filename(*state, run, name, NULL);
  g_autofree char *text = NULL, *changed = NULL;
  assert_true(g_file_get_contents(path, &text, NULL, NULL));
  assert_non_null(strstr(text, old));
  g_auto(GStrv) pieces = g_strsplit(text, old, -1);
  changed = g_strjoinv(new, pieces);
  assert_true(g_file_set_contents(path, changed, -1, NULL));
}

static void test_another_environment_is_refused(void **state)
{
  GError *error = NULL;
  write_runs(state);
  replace_in(state, "b-1", "config.yaml", "size: 7", "size: 8");
  assert_null(report_of(state, "a-1 b-1", NULL, &error));
  assert_message(
      error, *state,
      "DIR/a-1 and DIR/b-1 do not play in the same environment, so that their results cannot be compared: "
      "environment.size is 7 and 8");
  replace_in(state, "b-1", "config.yaml", "size: 8", "size: 7");
  replace_in(state, "b-1", "evaluation.json", "\"goals\": \"9\"", "\"goals\": \"10\"");
  assert_null(report_of(state, "a-1 b-1", NULL, &error));
  assert_message(
      error, *state,
      "DIR/a-1 and DIR/b-1 do not play in the same environment, so that their results cannot be compared: "
      "goals is 9 and 10");
}

static void test_other_goals_are_refused(void **state)
{
  GError *error = NULL;
  write_runs(state);
  replace_in(state, "b-2", "evaluation.json", "\"split\": \"test\"", "\"split\": \"dev\"");
  assert_null(report_of(state, "a-1 b-2", NULL, &error));
  assert_int_equal(error->code, CW_ERROR_CONFIGURATION);
  assert_message(
      error, *state,
      "DIR/a-1 and DIR/b-2 were not evaluated on the same goals, so that their results cannot be compared: "
      "4 of split 'test' and 4 of 'dev'");
}

static void test_a_seed_twice_is_refused(void **state)
{
  GError *error = NULL;
  write_runs(state);
  assert_null(report_of(state, "a-1 b-1 a-1", NULL, &error));
  assert_message(
      error, *state,
      "DIR/a-1 and DIR/a-1 are both experiment 'a' with seed 1; name one of them, or give their experiments "
      "different names");
}

static void test_runs_of_one_name_that_differ_are_noted(void **state)
{
  CwRunsReport *report;
  write_runs(state);
  replace_in(state, "a-2", "config.yaml", "rate: 0.1", "rate: 0.2");
  report = report_of(state, "a-1 a-2", NULL, NULL);
  assert_int_equal(report->notes->len, 1);
  assert_string_equal(report->notes->pdata[0], "the runs of a differ in more than their seed: stages.1.rate");
  cw_report_free(report);
}

/* The policy before training depends on the seed; two experiments may begin with the same or not. */
static void test_untrained_policies_are_one_row_where_they_are_the_same(void **state)
{
  CwRunsReport *report;
  g_autofree char *label = NULL;
  write_runs(state);
  write_run(state, "c-1", "c", 1, "0.0,0.0,0.0,0.0", "0,0,0,0");
  for (const char *const *run = (const char *const[]){"a-1", "b-1", "c-1", NULL}; *run; run++)
    replace_in(state, *run, "evaluation.json", "\"agent\": \"rule\", \"selection\": \"\"",
               "\"agent\": \"initial\", \"selection\": \"sample\"");
  replace_in(state, "c-1", "evaluation.json", "0.5,0.5,0.5,0.5", "0.5,0.5,0.5,0.25");
  report = report_of(state, "a-1 b-1 c-1", "initial", NULL);
  assert_int_equal(report->rows->len, 5);
  label = cw_report_row_label(report->rows->pdata[0]);
  assert_string_equal(label, "a, b");
  assert_string_equal(((const CwReportRow *)report->rows->pdata[1])->experiments->pdata[0], "c");
  /* Two rows answer to the name, so no row is compared. */
  assert_false(((const CwReportRow *)report->rows->pdata[2])->compared);
  cw_report_free(report);
}

static void test_unfinished_runs_are_left_out(void **state)
{
  CwRunsReport *report;
  GError *error = NULL;
  g_autofree char *warning =
      g_strdup_printf("%s/a-2: the run has not finished; it is left out", (char *)*state);

  write_runs(state);
  replace_in(state, "a-2", "evaluation.json", "\"seconds\": 9.5, ", "");
  g_test_expect_message("cartwright", G_LOG_LEVEL_WARNING, warning);
  report = report_of(state, "a-1 a-2", NULL, NULL);
  g_test_assert_expected_messages();
  assert_int_equal(report->runs->len, 1);
  cw_report_free(report);
  g_test_expect_message("cartwright", G_LOG_LEVEL_WARNING, warning);
  assert_null(report_of(state, "a-2", NULL, &error));
  g_test_assert_expected_messages();
  assert_message(error, *state,
                 "none of the runs has finished; continue them with 'cartwright run RUN --resume'");
}

static void test_bad_directories_are_told(void **state)
{
  GError *error = NULL;
  write_runs(state);
  assert_null(report_of(state, "a-1 nothing", NULL, &error));
  assert_int_equal(error->code, CW_ERROR_CONFIGURATION);
  assert_message(error, *state, "DIR/nothing: has no config.yaml, hence is no run");
  assert_null(report_of(state, "a-1", "c", &error));
  assert_message(
      error, *state,
      "--against: there is no trained policy of an experiment 'c' and no untrained agent of that name; the "
      "experiments are a");
  write_into(state, "a-1", "metrics.jsonl", "{}\nnonsense\n");
  assert_null(report_of(state, "a-1", NULL, &error));
  assert_int_equal(error->code, CW_ERROR_FORMAT);
  assert_message(
      error, *state,
      "DIR/a-1/metrics.jsonl:2: expected one record as a JSON object on each line, found '[' or '{' "
      "expected near 'nonsense'");
  write_into(state, "a-1", "evaluation.json", "{\"agents\": [1]}");
  assert_null(report_of(state, "a-1", NULL, &error));
  assert_message(error, *state, "DIR/a-1/evaluation.json: not a file of results as cartwright writes it");
}

/* A line of a process that was killed is no record, and no reason to give up. */
static void test_torn_timings_are_noted(void **state)
{
  CwRunsReport *report;
  g_autofree char *expected =
      g_strdup_printf("%s/b-2/timings.jsonl has 1 lines that were not written to their end", (char *)*state);

  write_runs(state);
  write_into(state, "b-2", "timings.jsonl", "{\"step\": 1, \"sta\n");
  report = report_of(state, "b-1 b-2", NULL, NULL);
  assert_int_equal(report->notes->len, 1);
  assert_string_equal(report->notes->pdata[0], expected);
  cw_report_free(report);
}

static char *curve_of(void **state, CwReportAxis axis)
{
  CwRunsReport *report = report_of(state, "a-1 a-2", NULL, NULL);
  g_autoptr(CwFigure) figure = cw_report_curves(report, axis);
  assert_non_null(figure);
  cw_report_free(report);
  return g_strdup(figure->data->str);
}

/* Seed 2 is worse by 10 and ends after two updates. */
static void test_curves_are_means_as_far_as_all_seeds_go(void **state)
{
  static const char shorter[] =
      "{\"step\": 0, \"stage\": 1, \"update\": 0, \"evaluation/score\": 0.0, \"evaluation/success\": 0.0}\n"
      "{\"step\": 1, \"stage\": 1, \"update\": 1, \"bc/decisions\": 6.0}\n"
      "{\"step\": 1, \"stage\": 1, \"update\": 1, \"evaluation/score\": 10.0, \"evaluation/success\": 0.0}\n"
      "{\"step\": 2, \"stage\": 1, \"update\": 2, \"bc/decisions\": 12.0}\n"
      "{\"step\": 2, \"stage\": 1, \"update\": 2, \"evaluation/score\": 20.0, \"evaluation/success\": "
      "10.0}\n";
  g_autofree char *updates = NULL, *decisions = NULL, *minutes = NULL;

  write_runs(state);
  write_into(state, "a-2", "metrics.jsonl", shorter);
  updates = curve_of(state, CW_REPORT_UPDATES);
  assert_string_equal(updates,
                      "# a, 2 seeds: updates, then mean, lowest and highest of score and of success\n"
                      " 0.0 5.0 0.0 10.0 0.0 0.0 0.0\n"
                      " 1.0 15.0 10.0 20.0 5.0 0.0 10.0\n"
                      " 2.0 25.0 20.0 30.0 15.0 10.0 20.0\n\n\n");
  decisions = curve_of(state, CW_REPORT_DECISIONS);
  assert_string_equal(decisions,
                      "# a, 2 seeds: decisions, then mean, lowest and highest of score and of success\n"
                      " 0.0 5.0 0.0 10.0 0.0 0.0 0.0\n"
                      " 6.0 13.75 10.0 17.5 3.75 0.0 7.5\n"
                      " 12.0 22.5 20.0 25.0 12.5 10.0 15.0\n\n\n");
  /* Generating took half a minute; the curve is flat until the first update begins to count. */
  minutes = curve_of(state, CW_REPORT_MINUTES);
  assert_string_equal(minutes,
                      "# a, 2 seeds: minutes, then mean, lowest and highest of score and of success\n"
                      " 0.0 5.0 0.0 10.0 0.0 0.0 0.0\n"
                      " 0.5 5.0 0.0 10.0 0.0 0.0 0.0\n"
                      " 1.5 14.0 10.0 18.0 4.0 0.0 8.0\n"
                      " 3.0 25.0 20.0 30.0 15.0 10.0 20.0\n\n\n");
}

static void test_files_are_written_but_not_over_a_run(void **state)
{
  g_autofree char *folder = g_build_filename(*state, "report", NULL);
  g_autofree char *run = g_build_filename(*state, "a-1", NULL);
  g_autofree char *gnuplot = g_find_program_in_path("gnuplot");
  CwRunsReport *report;
  GError *error = NULL;
  write_runs(state);
  report = report_of(state, "a-1 a-2", NULL, NULL);
  if (!gnuplot)
    g_test_expect_message("cartwright", G_LOG_LEVEL_WARNING, "no figure was drawn: *");
  assert_true(cw_report_write(report, folder, CW_REPORT_UPDATES, NULL, NULL));
  g_test_assert_expected_messages();
  for (const char *const *name = (const char *const[]){"report.json", "report.md", "curves.dat", NULL}; *name;
       name++) {
    g_autofree char *path = g_build_filename(folder, *name, NULL);
    assert_true(g_file_test(path, G_FILE_TEST_EXISTS));
  }
  assert_false(cw_report_write(report, run, CW_REPORT_UPDATES, NULL, &error));
  assert_message(error, *state,
                 "DIR/a-1: holds a run, whose curves the report's would replace; give another directory");
  cw_report_free(report);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_scratch, remove_scratch)

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(test_report_as_markdown),
      TEST(test_interval_accounts_for_seeds),
      TEST(test_one_seed_is_noted),
      TEST(test_another_environment_is_refused),
      TEST(test_other_goals_are_refused),
      TEST(test_a_seed_twice_is_refused),
      TEST(test_runs_of_one_name_that_differ_are_noted),
      TEST(test_untrained_policies_are_one_row_where_they_are_the_same),
      TEST(test_unfinished_runs_are_left_out),
      TEST(test_bad_directories_are_told),
      TEST(test_torn_timings_are_noted),
      TEST(test_curves_are_means_as_far_as_all_seeds_go),
      TEST(test_files_are_written_but_not_over_a_run),
  };

  return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
