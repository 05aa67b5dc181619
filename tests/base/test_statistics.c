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
      cmocka_unit_test(test_table_aligns_words_left_and_numbers_right),
      cmocka_unit_test(test_table_measures_what_a_terminal_shows),
      cmocka_unit_test(test_table_without_rows_shows_its_headings),
  };

  return cmocka_run_group_tests_name("statistics", tests, NULL, NULL);
}
