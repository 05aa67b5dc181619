/* The progress line, with a clock that the test turns by hand. */
#include "core/base/progress.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static gint64 now; /* microseconds */

static gint64 read_clock(void)
{
  return now;
}

typedef struct {
  char *text;
  size_t length;
  FILE *stream;
  CwProgress *progress;
} Screen;

static void open_screen(Screen *screen, gboolean terminal, double interval)
{
  now = 1000 * G_USEC_PER_SEC;
  screen->stream = open_memstream(&screen->text, &screen->length);
  screen->progress = cw_progress_new_on("bc", screen->stream, terminal, interval, read_clock);
}

static void assert_screen(Screen *screen, const char *expected)
{
  cw_progress_finish(screen->progress);
  fclose(screen->stream);
  assert_string_equal(screen->text, expected);
  free(screen->text);
}

static void test_duration_shows_hours_only_when_there_are_any(void **state)
{
  static const struct {
    double seconds;
    const char *expected;
  } cases[] = {{0, "0:00"},   {-5, "0:00"},      {59.9, "0:59"},
               {185, "3:05"}, {3723, "1:02:03"}, {360000, "100:00:00"}};

  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *text = cw_format_duration(cases[i].seconds);
    assert_string_equal(text, cases[i].expected);
  }
}

static void test_lines_come_at_most_once_per_interval_and_the_last_always(void **state)
{
  Screen screen;
  (void)state;
  open_screen(&screen, FALSE, 10);
  cw_progress_update(screen.progress, 0, 100, NULL);
  now += 4 * G_USEC_PER_SEC;
  cw_progress_update(screen.progress, 4, 100, "loss 0.9"); /* too soon */
  now += 6 * G_USEC_PER_SEC;
  cw_progress_update(screen.progress, 10, 100, "loss 0.8");
  now += 2 * G_USEC_PER_SEC;
  cw_progress_update(screen.progress, 12, 100, "loss 0.7"); /* too soon, but the last */
  assert_screen(&screen, "bc 0/100 (0%) elapsed 0:00\n"
                         "bc 10/100 (10%) elapsed 0:10 ETA 1:30  loss 0.8\n"
                         "bc 12/100 (12%) elapsed 0:12 ETA 1:28  loss 0.7\n");
}

static void test_a_terminal_line_is_rewritten_in_place_and_ended_once(void **state)
{
  Screen screen;
  (void)state;
  open_screen(&screen, TRUE, 0);
  cw_progress_update(screen.progress, 1, 2, NULL);
  now += G_USEC_PER_SEC;
  cw_progress_update(screen.progress, 2, 2, "done");
  assert_screen(&screen, "\rbc 1/2 (50%) elapsed 0:00\x1b[K\rbc 2/2 (100%) elapsed 0:01  done\x1b[K\n");
}

static void test_a_terminal_line_never_wraps(void **state)
{
  g_autofree char *text = g_strnfill(200, 'x');
  g_autofree char *shown = g_strnfill(79 - strlen("bc 1/2 (50%) elapsed 0:00  "), 'x');
  g_autofree char *expected = g_strdup_printf("\rbc 1/2 (50%%) elapsed 0:00  %s\x1b[K\n", shown);
  Screen screen;
  (void)state;
  open_screen(&screen, TRUE, 0);
  cw_progress_update(screen.progress, 1, 2, text);
  assert_screen(&screen, expected);
}

static void test_the_rate_of_a_resumed_run_counts_from_where_it_resumed(void **state)
{
  Screen screen;
  (void)state;
  open_screen(&screen, FALSE, 1);
  cw_progress_update(screen.progress, 900, 1000, NULL);
  now += 10 * G_USEC_PER_SEC;
  cw_progress_update(screen.progress, 910, 1000, NULL); /* one a second: 90 seconds left */
  assert_screen(&screen, "bc 900/1000 (90%) elapsed 0:00\n"
                         "bc 910/1000 (91%) elapsed 0:10 ETA 1:30\n");
}

static void test_an_unknown_total_shows_neither_percentage_nor_eta(void **state)
{
  Screen screen;
  (void)state;
  open_screen(&screen, FALSE, 1);
  now += 5 * G_USEC_PER_SEC;
  cw_progress_update(screen.progress, 7, 0, "x");
  assert_screen(&screen, "bc 7 elapsed 0:05  x\n");
}

static void test_a_progress_without_reports_prints_nothing(void **state)
{
  Screen screen;
  (void)state;
  open_screen(&screen, TRUE, 0);
  assert_screen(&screen, "");
}

static void test_a_quiet_progress_takes_reports(void **state)
{
  CwProgress *progress = cw_progress_new("bc", TRUE);
  (void)state;
  cw_progress_update(progress, 1, 2, "x");
  cw_progress_finish(progress);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_duration_shows_hours_only_when_there_are_any),
      cmocka_unit_test(test_lines_come_at_most_once_per_interval_and_the_last_always),
      cmocka_unit_test(test_a_terminal_line_is_rewritten_in_place_and_ended_once),
      cmocka_unit_test(test_a_terminal_line_never_wraps),
      cmocka_unit_test(test_the_rate_of_a_resumed_run_counts_from_where_it_resumed),
      cmocka_unit_test(test_an_unknown_total_shows_neither_percentage_nor_eta),
      cmocka_unit_test(test_a_progress_without_reports_prints_nothing),
      cmocka_unit_test(test_a_quiet_progress_takes_reports),
  };

  return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
