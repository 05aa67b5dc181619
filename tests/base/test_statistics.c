/* Intervals against published and independently computed values; the table's alignment. */
#include "core/base/statistics.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void assert_near(double value, double expected, double tolerance)
{
  if (!(fabs(value - expected) <= tolerance))
    fail_msg("expected %.17g, found %.17g", expected, value);
}

/* From tables of the normal distribution (R's qnorm to 15 digits). */
static void test_normal_quantile_gives_tabulated_values(void **state)
{
  (void)state;
  assert_near(cw_normal_quantile(0.5), 0, 1e-15);
  assert_near(cw_normal_quantile(0.975), 1.959963984540054, 1e-14);
  assert_near(cw_normal_quantile(0.025), -1.959963984540054, 1e-14);
  assert_near(cw_normal_quantile(0.995), 2.575829303548901, 1e-13);
  assert_near(cw_normal_quantile(0.9), 1.2815515655446004, 1e-14);
  assert_near(cw_normal_quantile(1e-10), -6.361340902404056, 1e-12);
  assert_near(cw_normal_quantile(1e-300), -37.0471, 1e-4);
}

static void test_normal_quantile_at_and_beyond_the_ends(void **state)
{
  (void)state;
  assert_true(isinf(cw_normal_quantile(0)) && cw_normal_quantile(0) < 0);
  assert_true(isinf(cw_normal_quantile(1)) && cw_normal_quantile(1) > 0);
  assert_true(isnan(cw_normal_quantile(-0.1)));
  assert_true(isnan(cw_normal_quantile(1.1)));
  assert_true(isnan(cw_normal_quantile(NAN)));
}

/* Newcombe 1998 (Statistics in Medicine 17), table I, method 3. */
static void test_wilson_interval_gives_published_values(void **state)
{
  CwInterval interval = cw_wilson_interval(81, 263, 0.95);
  (void)state;
  assert_near(interval.mean, 81.0 / 263, 1e-15);
  assert_near(interval.low, 0.2553, 5e-5);
  assert_near(interval.high, 0.3662, 5e-5);
  interval = cw_wilson_interval(15, 148, 0.95);
  assert_near(interval.low, 0.0624, 5e-5);
  assert_near(interval.high, 0.1605, 5e-5);
  interval = cw_wilson_interval(0, 20, 0.95);
  assert_true(interval.low == 0);
  assert_near(interval.high, 0.1611, 5e-5);
  interval = cw_wilson_interval(29, 29, 0.95);
  assert_near(interval.low, 0.8830, 5e-5);
  assert_true(interval.high == 1);
}

static void test_bootstrap_interval_agrees_with_the_normal_one_for_many_values(void **state)
{
  double values[400];
  CwInterval interval, again;
  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(values); i++)
    values[i] = i % 4 == 0; /* mean 0.25, standard error sqrt(0.25 * 0.75 / 400) = 0.02165 */
  interval = cw_bootstrap_interval(values, G_N_ELEMENTS(values), 0.95);
  assert_near(interval.mean, 0.25, 1e-15);
  assert_near(interval.low, 0.25 - 1.96 * 0.02165, 0.003);
  assert_near(interval.high, 0.25 + 1.96 * 0.02165, 0.003);
  again = cw_bootstrap_interval(values, G_N_ELEMENTS(values), 0.95);
  assert_memory_equal(&interval, &again, sizeof interval);
}

static void test_bootstrap_interval_of_equal_values_is_a_point(void **state)
{
  const double values[] = {0.5, 0.5, 0.5};
  CwInterval interval = cw_bootstrap_interval(values, 3, 0.95);
  (void)state;
  assert_true(interval.mean == 0.5 && interval.low == 0.5 && interval.high == 0.5);
  interval = cw_bootstrap_interval(values, 1, 0.95);
  assert_true(interval.low == 0.5 && interval.high == 0.5);
}

static void test_crossed_interval_of_one_run_is_that_of_its_goals(void **state)
{
  double values[50];
  const double *const one[] = {values};
  CwInterval crossed, plain;
  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(values); i++)
    values[i] = i % 7 * 0.125;
  crossed = cw_crossed_interval(one, 1, G_N_ELEMENTS(values), 0.9);
  plain = cw_bootstrap_interval(values, G_N_ELEMENTS(values), 0.9);
  assert_near(crossed.mean, plain.mean, 1e-12);
  assert_near(crossed.low, plain.low, 1e-12);
  assert_near(crossed.high, plain.high, 1e-12);
}

/* Goals all alike: three runs with 0, 1, 2 draw a mean of 0 with probability 1/27 > 2.5%, so the bounds are 1
 * -+ sqrt(3/2). */
static void test_crossed_interval_knows_that_runs_differ(void **state)
{
  const double low[] = {0, 0, 0, 0}, middle[] = {1, 1, 1, 1}, high[] = {2, 2, 2, 2};
  const double *const runs[] = {low, middle, high};
  CwInterval interval = cw_crossed_interval(runs, 3, 4, 0.95);
  (void)state;
  assert_near(interval.mean, 1, 1e-15);
  assert_near(interval.low, 1 - sqrt(1.5), 1e-12);
  assert_near(interval.high, 1 + sqrt(1.5), 1e-12);
}

/* Effects of runs and goals add up, so do their variances. */
static void test_crossed_interval_agrees_with_the_normal_one_for_additive_effects(void **state)
{
  enum { N_RUNS = 30, N_GOALS = 300 };
  static double values[N_RUNS][N_GOALS];
  const double *runs[N_RUNS];
  double error = sqrt(0.04 / (N_RUNS - 1) + 0.25 / N_GOALS);
  CwInterval interval, again;

  (void)state;
  for (guint run = 0; run < N_RUNS; run++) {
    runs[run] = values[run];
    for (guint goal = 0; goal < N_GOALS; goal++)
      values[run][goal] = (run % 2 ? 0.2 : -0.2) + goal % 2;
  }
  interval = cw_crossed_interval(runs, N_RUNS, N_GOALS, 0.95);
  assert_near(interval.mean, 0.5, 1e-12);
  assert_near(interval.low, 0.5 - 1.96 * error, 0.006);
  assert_near(interval.high, 0.5 + 1.96 * error, 0.006);
  again = cw_crossed_interval(runs, N_RUNS, N_GOALS, 0.95);
  assert_memory_equal(&interval, &again, sizeof interval);
}

static void test_crossed_difference_pairs_goals_and_runs(void **state)
{
  const double a1[] = {0, 1, 5, 2}, a2[] = {2, 3, 7, 4}, b1[] = {0.5, 1.5, 5.5, 2.5},
               b2[] = {2.5, 3.5, 7.5, 4.5};
  const double *const a[] = {a1, a2}, *const b[] = {b1, b2};
  CwInterval paired = cw_crossed_difference(a, 2, b, 2, TRUE, 4, 0.95);
  CwInterval unpaired = cw_crossed_difference(a, 2, b, 2, FALSE, 4, 0.95);
  CwInterval single = cw_crossed_difference(a, 1, b, 1, FALSE, 4, 0.95);

  (void)state;
  /* Always half a point less, whatever the goal and the run. */
  assert_near(paired.mean, -0.5, 1e-12);
  assert_near(paired.low, -0.5, 1e-12);
  assert_near(paired.high, -0.5, 1e-12);
  /* Runs of their own: each mean is off by -sqrt(2), 0 or sqrt(2), both the wrong way with probability 1/16.
   */
  assert_near(unpaired.mean, -0.5, 1e-12);
  assert_near(unpaired.low, -0.5 - 2 * G_SQRT2, 1e-12);
  assert_near(unpaired.high, -0.5 + 2 * G_SQRT2, 1e-12);
  assert_near(single.low, -0.5, 1e-12);
  assert_near(single.high, -0.5, 1e-12);
}

static void test_table_aligns_words_left_and_numbers_right(void **state)
{
  const char *const headings[] = {"agent", "score", "interval", "note"};
  const char *first[] = {"random", "4.1", "[3.0, 5.2]", ""};
  const char *second[] = {"policy (BC)", "-61.25", "[58.0, 64.9]", "new"};
  g_autoptr(GPtrArray) rows = g_ptr_array_new();
  g_autofree char *table = NULL;

  (void)state;
  g_ptr_array_add(rows, first);
  g_ptr_array_add(rows, second);
  table = cw_format_table(headings, 4, rows);
  assert_string_equal(table, "agent         score  interval      note\n"
                             "-----------  ------  ------------  ----\n"
                             "random          4.1  [3.0, 5.2]\n"
                             "policy (BC)  -61.25  [58.0, 64.9]  new\n");
}

static void test_table_measures_what_a_terminal_shows(void **state)
{
  const char *const headings[] = {"name", "n"};
  const char *first[] = {"Zoë", "1"};            /* one column each */
  const char *second[] = {"日本", "10"};         /* two columns each */
  const char *third[] = {"e\xcc\x81toile", "5"}; /* a combining accent takes none */
  g_autoptr(GPtrArray) rows = g_ptr_array_new();
  g_autofree char *table = NULL;

  (void)state;
  g_ptr_array_add(rows, first);
  g_ptr_array_add(rows, second);
  g_ptr_array_add(rows, third);
  table = cw_format_table(headings, 2, rows);
  assert_string_equal(table, "name     n\n"
                             "------  --\n"
                             "Zoë      1\n"
                             "日本    10\n"
                             "e\xcc\x81toile   5\n");
}

static void test_table_without_rows_shows_its_headings(void **state)
{
  const char *const headings[] = {"agent", "score"};
  g_autoptr(GPtrArray) rows = g_ptr_array_new();
  g_autofree char *table = cw_format_table(headings, 2, rows);

  (void)state;
  assert_string_equal(table, "agent  score\n-----  -----\n");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_normal_quantile_gives_tabulated_values),
      cmocka_unit_test(test_normal_quantile_at_and_beyond_the_ends),
      cmocka_unit_test(test_wilson_interval_gives_published_values),
      cmocka_unit_test(test_bootstrap_interval_agrees_with_the_normal_one_for_many_values),
      cmocka_unit_test(test_bootstrap_interval_of_equal_values_is_a_point),
      cmocka_unit_test(test_crossed_interval_of_one_run_is_that_of_its_goals),
      cmocka_unit_test(test_crossed_interval_knows_that_runs_differ),
      cmocka_unit_test(test_crossed_interval_agrees_with_the_normal_one_for_additive_effects),
      cmocka_unit_test(test_crossed_difference_pairs_goals_and_runs),
      cmocka_unit_test(test_table_aligns_words_left_and_numbers_right),
      cmocka_unit_test(test_table_measures_what_a_terminal_shows),
      cmocka_unit_test(test_table_without_rows_shows_its_headings),
  };

  return cmocka_run_group_tests_name("statistics", tests, NULL, NULL);
}
