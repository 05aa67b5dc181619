/* Curves: what is gathered from a run's records, the files written, and the cure when gnuplot is missing. */
#include "lab/curves/curve_data.h"
#include "lab/curves/curves.h"
#include "lab/curves/gnuplot.h"
#include "tests/scratch.h"
#include <cartwright/error.h>
#include <math.h>

static void write_text(void **state, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename(*state, name, NULL);
  assert_true(g_file_set_contents(path, text, -1, NULL));
}

static char *read_text(void **state, const char *name)
{
  g_autofree char *path = g_build_filename(*state, name, NULL);
  char *text = NULL;
  assert_true(g_file_get_contents(path, &text, NULL, NULL));
  return text;
}

static gboolean exists(void **state, const char *name)
{
  g_autofree char *path = g_build_filename(*state, name, NULL);
  return g_file_test(path, G_FILE_TEST_EXISTS);
}

static const char two_stages[] =
    "{\"stage\": 0, \"algorithm\": \"bc\", \"update\": 1, \"bc/loss\": 2.0, \"bc/accuracy\": 0.5}\n"
    "{\"stage\": 0, \"algorithm\": \"bc\", \"update\": 2, \"bc/loss\": 1.0, \"bc/held_out_loss\": 1.5}\n"
    "{\"stage\": 0, \"update\": 2, \"agent\": \"policy\", \"selection\": \"sample\", \"split\": \"dev\", "
    "\"episodes\": "
    "9, \"score\": 40.0, \"score_low\": 30.0, \"score_high\": 50.0, \"success\": 20.0, \"success_low\": "
    "10.0, "
    "\"success_high\": 30.0}\n"
    "{\"stage\": 1, \"algorithm\": \"dpo\", \"update\": 1, \"dpo/loss\": 0.7, \"dpo/beta\": null}\n";

static void test_records_become_lines_with_the_stages_end_to_end(void **state)
{
  CwCurveData *data;
  const CwCurve *curve;
  const CwCurvePoint *point;
  write_text(state, "metrics.jsonl", two_stages);
  data = cw_curve_data_read(*state, NULL);
  assert_non_null(data);
  assert_int_equal(data->metrics->len, 4); /* a null is no point */
  curve = data->metrics->pdata[3];
  assert_string_equal(curve->label, "dpo");
  assert_string_equal(curve->name, "loss");
  assert_int_equal(curve->points->len, 1);
  point = &g_array_index(curve->points, CwCurvePoint, 0);
  assert_true(point->x == 3 && point->y.mean == 0.7 && isnan(point->y.low));
  assert_true(data->end == 3);
  assert_int_equal(data->stages->len, 2);
  assert_string_equal(((CwStageStart *)data->stages->pdata[1])->algorithm, "dpo");

  assert_int_equal(data->evaluations->len, 2);
  curve = data->evaluations->pdata[0];
  assert_string_equal(curve->label, "policy (sample, dev)");
  assert_string_equal(curve->name, "score");
  point = &g_array_index(curve->points, CwCurvePoint, 0);
  assert_true(point->x == 2 && point->y.mean == 40 && point->y.low == 30 && point->y.high == 50);
  cw_curve_data_free(data);
}

static void test_a_step_decides_the_place_on_the_axis(void **state)
{
  CwCurveData *data;
  write_text(state, "metrics.jsonl", "{\"step\": 17, \"stage\": 4, \"update\": 2, \"bc/loss\": 1}\n");
  data = cw_curve_data_read(*state, NULL);
  assert_true(g_array_index(((CwCurve *)data->metrics->pdata[0])->points, CwCurvePoint, 0).x == 17);
  cw_curve_data_free(data);
}

static void test_other_agents_become_levels_and_the_learner_does_not(void **state)
{
  CwCurveData *data;
  const CwReference *reference;
  write_text(state, "metrics.jsonl", two_stages);
  write_text(
      state, "evaluation.json",
      "{\"agents\": [{\"agent\": \"random\", \"selection\": \"\", \"split\": \"test\", \"updates\": 0, "
      "\"score\": 4.5, \"score_interval\": [3, 6], \"success\": 1, \"success_interval\": [0.5, 2]}, "
      "{\"agent\": \"final\", \"selection\": \"greedy\", \"split\": \"test\", \"updates\": 3, \"score\": 60, "
      "\"score_interval\": [55, 65], \"success\": 41, \"success_interval\": [36, 45]}]}");
  data = cw_curve_data_read(*state, NULL);
  assert_int_equal(data->references->len, 1);
  reference = data->references->pdata[0];
  assert_string_equal(reference->label, "random");
  assert_true(reference->score.mean == 4.5 && reference->score.low == 3 && reference->success.high == 2);
  assert_int_equal(data->evaluations->len, 4);
  assert_string_equal(((CwCurve *)data->evaluations->pdata[2])->label, "policy (greedy, test)");
  cw_curve_data_free(data);
}

static void assert_nothing_drawn(void **state, CwErrorCode code, const char *expected)
{
  GError *error = NULL;
  assert_false(cw_curves_draw(*state, NULL, &error));
  assert_true(g_error_matches(error, CW_RUN_ERROR, code));
  assert_message(error, *state, expected);
  assert_false(exists(state, "curves.gnuplot"));
}

static void test_a_run_without_records_is_an_error(void **state)
{
  assert_nothing_drawn(state, CW_ERROR_INPUT_OUTPUT,
                       "DIR/metrics.jsonl: cannot open the metrics: No such file or directory");
  write_text(state, "metrics.jsonl", "");
  assert_nothing_drawn(
      state, CW_ERROR_FORMAT,
      "DIR/metrics.jsonl: expected records of updates or evaluations, found none: there is nothing to "
      "draw yet");
}

static void test_malformed_records_are_reported_with_their_line(void **state)
{
  write_text(state, "metrics.jsonl", "{\"bc/loss\": 1}\n{\"bc/lo");
  assert_nothing_drawn(
      state, CW_ERROR_FORMAT,
      "DIR/metrics.jsonl:2: expected one record as a JSON object on each line, found an error: premature "
      "end of input near '\"bc/lo'");
  write_text(state, "metrics.jsonl", "[]\n");
  assert_nothing_drawn(
      state, CW_ERROR_FORMAT,
      "DIR/metrics.jsonl:1: expected one record as a JSON object on each line, found an error: another "
      "value");
  write_text(state, "metrics.jsonl", "{\"bc/loss\": 1}\n");
  write_text(state, "evaluation.json", "{\n\"agents\"");
  assert_nothing_drawn(
      state, CW_ERROR_FORMAT,
      "DIR/evaluation.json:2: expected the results as JSON, found an error: ':' expected near end of "
      "file");
}

static void test_the_data_file_holds_every_line(void **state)
{
  g_autofree char *data = NULL;
  g_autofree char *script = NULL, *panels = NULL;
  write_text(state, "metrics.jsonl", two_stages);
  cw_curves_draw(*state, NULL, NULL); /* with or without gnuplot */
  data = read_text(state, "curves.dat");
  assert_string_equal(
      data, "# policy (sample, dev) score: x, value, low, high, smoothed\n 2.0 40.0 30.0 50.0 40.0\n\n\n"
            "# policy (sample, dev) success: x, value, low, high, smoothed\n 2.0 20.0 10.0 30.0 20.0\n\n\n"
            "# bc loss: x, value, low, high, smoothed\n 1.0 2.0 NaN NaN 2.0\n 2.0 1.0 NaN NaN 1.0\n\n\n"
            "# bc held_out_loss: x, value, low, high, smoothed\n 2.0 1.5 NaN NaN 1.5\n\n\n"
            "# dpo loss: x, value, low, high, smoothed\n 3.0 0.7 NaN NaN 0.7\n\n\n"
            "# bc accuracy: x, value, low, high, smoothed\n 1.0 0.5 NaN NaN 0.5\n\n\n");
  script = read_text(state, "curves.gnuplot");
  assert_string_equal(script, cw_gnuplot_run); /* the same for every run */
  panels = read_text(state, "curves.panels");
  assert_non_null(strstr(panels, "line\t3\t3.0\t1.0\tpoints\tbc, held out\n"));
}

/* Two algorithms name their numbers as they like; the table of each says what is good. */
static void test_what_can_be_better_or_worse_is_drawn_first(void **state)
{
  const CwMetric of_one[] = {{"speed", NULL, CW_NEITHER_IS_BETTER}, {"fit", NULL, CW_HIGHER_IS_BETTER}},
                 of_other[] = {{"loss", NULL, CW_NEITHER_IS_BETTER}, {"regret", NULL, CW_LOWER_IS_BETTER}};
  const CwRegisteredFeature one = {.name = "one", .metrics = of_one, .n_metrics = 2},
                            other = {.name = "other", .metrics = of_other, .n_metrics = 2};
  CwStage stages[] = {{.kind = CW_STAGE_GENERATE}, {.algorithm = {&one}}, {.algorithm = {&other}}};
  CwExperiment experiment = {.stages = g_ptr_array_new()};
  for (guint i = 0; i < G_N_ELEMENTS(stages); i++)
    g_ptr_array_add(experiment.stages, &stages[i]);
  write_text(state, "metrics.jsonl",
             "{\"stage\": 1, \"update\": 1, \"one/speed\": 1, \"one/held_out_fit\": 2, \"one/fit\": 3}\n"
             "{\"stage\": 2, \"update\": 1, \"other/loss\": 4, \"other/unknown\": 5, \"other/regret\": 6}\n");
  cw_curves_draw(*state, &experiment, NULL);
  g_autofree char *panels = read_text(state, "curves.panels");
  g_autoptr(GString) titles = g_string_new(NULL);
  g_auto(GStrv) lines = g_strsplit(panels, "\n", -1);
  for (char **line = lines; *line; line++)
    if (g_str_has_prefix(*line, "panel\t"))
      g_string_append_printf(titles, "%s ", strrchr(*line, '\t') + 1);
  assert_string_equal(titles->str, "Fit Regret Speed Loss ");
  g_ptr_array_free(experiment.stages, TRUE);
}

static void test_long_lines_are_thinned_and_smoothed(void **state)
{
  g_autoptr(GString) text = g_string_new(NULL);
  g_autofree char *data = NULL;
  g_auto(GStrv) lines = NULL;

  for (guint i = 1; i <= 4000; i++)
    g_string_append_printf(text, "{\"update\": %u, \"bc/loss\": %d}\n", i, i % 2 ? 1 : -1);
  write_text(state, "metrics.jsonl", text->str);
  cw_curves_draw(*state, NULL, NULL);
  data = read_text(state, "curves.dat");
  lines = g_strsplit(data, "\n", -1);
  assert_int_equal(g_strv_length(lines), 1 + 1334 + 3); /* 4000 points in threes */
  assert_true(g_str_has_prefix(lines[1], " 2.0 0.333333333333333"));
}

static void test_gnuplot_draws_png_and_svg_whatever_the_names(void **state)
{
  g_autofree char *gnuplot = g_find_program_in_path("gnuplot");
  g_autofree char *png = NULL;
  g_autofree char *svg = NULL;
  GError *error = NULL;
  if (!gnuplot)
    skip();
  write_text(state, "metrics.jsonl",
             "{\"update\": 1, \"it's_a \\\"name\\\"\\n/loss\": 1}\n"
             "{\"update\": 1, \"agent\": \"o'clock_1\", \"score\": 3, \"success\": null}\n");
  cw_curves_draw(*state, NULL, &error);
  if (error)
    fail_msg("%s", error->message);
  png = read_text(state, "curves.png");
  assert_memory_equal(png, "\x89PNG", 4);
  svg = read_text(state, "curves.svg");
  assert_non_null(strstr(svg, "</svg>"));
  assert_non_null(strstr(svg, "o'clock_1"));
  assert_non_null(strstr(svg, "it's_a 'name'"));
}

static void test_without_gnuplot_the_script_is_there_and_the_message_tells_the_cure(void **state)
{
  g_autofree char *path = g_strdup(g_getenv("PATH"));
  GError *error = NULL;
  write_text(state, "metrics.jsonl", two_stages);
  g_setenv("PATH", *state, TRUE);
  assert_false(cw_curves_draw(*state, NULL, &error));
  g_setenv("PATH", path, TRUE);
  assert_true(g_error_matches(error, CW_RUN_ERROR, CW_ERROR_UNSUPPORTED));
  assert_message(
      error, *state,
      "no gnuplot on the PATH to draw the curves: install it (Debian: gnuplot-nox), then run 'gnuplot "
      "curves.gnuplot' in DIR");
  assert_true(exists(state, "curves.gnuplot"));
  assert_true(exists(state, "curves.dat"));
}

#define in_scratch(test) cmocka_unit_test_setup_teardown(test, make_scratch, remove_scratch)

int main(void)
{
  const struct CMUnitTest tests[] = {
      in_scratch(test_records_become_lines_with_the_stages_end_to_end),
      in_scratch(test_a_step_decides_the_place_on_the_axis),
      in_scratch(test_other_agents_become_levels_and_the_learner_does_not),
      in_scratch(test_a_run_without_records_is_an_error),
      in_scratch(test_malformed_records_are_reported_with_their_line),
      in_scratch(test_the_data_file_holds_every_line),
      in_scratch(test_what_can_be_better_or_worse_is_drawn_first),
      in_scratch(test_long_lines_are_thinned_and_smoothed),
      in_scratch(test_gnuplot_draws_png_and_svg_whatever_the_names),
      in_scratch(test_without_gnuplot_the_script_is_there_and_the_message_tells_the_cure),
  };

  return cmocka_run_group_tests_name("curves", tests, NULL, NULL);
}
