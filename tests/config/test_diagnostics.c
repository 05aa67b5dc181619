/* Complaints come out sorted, once each, in the form of a compiler's. */
#include "core/config/diagnostics.h"
#include <cartwright/error.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static CwPlace at(const char *file, guint line, guint column)
{
  CwPlace place = {g_intern_string(file), line, column};
  return place;
}

static void test_messages_are_sorted_by_place_and_keep_their_order_within_one(void **state)
{
  (void)state;
  CwDiagnostics *diagnostics = cw_diagnostics_new();
  cw_diagnostics_error(diagnostics, at("b.yaml", 1, 1), "fifth");
  cw_diagnostics_error(diagnostics, at("a.yaml", 10, 2), "third");
  cw_diagnostics_error(diagnostics, at("a.yaml", 10, 2), "fourth is %d", 4);
  cw_diagnostics_error(diagnostics, at("a.yaml", 9, 20), "second");
  cw_diagnostics_error(diagnostics, at("a.yaml", 0, 0), "first");
  g_autofree char *text = cw_diagnostics_text(diagnostics);
  assert_string_equal(text, "a.yaml: error: first\n"
                            "a.yaml:9:20: error: second\n"
                            "a.yaml:10:2: error: third\n"
                            "a.yaml:10:2: error: fourth is 4\n"
                            "b.yaml:1:1: error: fifth\n");
  cw_diagnostics_free(diagnostics);
}

static void test_the_same_complaint_is_kept_once(void **state)
{
  (void)state;
  CwDiagnostics *diagnostics = cw_diagnostics_new();
  cw_diagnostics_error(diagnostics, at("a.yaml", 1, 1), "twice");
  cw_diagnostics_error(diagnostics, at("a.yaml", 1, 1), "twice");
  cw_diagnostics_error(diagnostics, at("a.yaml", 2, 1), "twice");
  assert_int_equal(cw_diagnostics_count(diagnostics), 2);
  cw_diagnostics_free(diagnostics);
}

static void test_propagate_makes_one_configuration_error(void **state)
{
  (void)state;
  CwDiagnostics *diagnostics = cw_diagnostics_new();
  g_autoptr(GError) error = NULL;
  assert_true(cw_diagnostics_propagate(diagnostics, &error));
  assert_null(error);
  cw_diagnostics_error(diagnostics, at("a.yaml", 2, 0), "two");
  cw_diagnostics_error(diagnostics, at("a.yaml", 1, 1), "one");
  assert_false(cw_diagnostics_propagate(diagnostics, &error));
  assert_true(g_error_matches(error, CW_CONFIG_ERROR, CW_ERROR_CONFIGURATION));
  assert_string_equal(error->message, "a.yaml:1:1: error: one\na.yaml:2: error: two");
  cw_diagnostics_free(diagnostics);
}

static void test_displayed_text_is_one_short_line(void **state)
{
  (void)state;
  g_autofree char *control = cw_display_text("a\nb\tc\x1b[31m");
  assert_string_equal(control, "'a\\nb\\tc\\u001b[31m'");
  g_autofree char *many = g_strnfill(100, 'x');
  g_autofree char *cut = cw_display_text(many);
  assert_int_equal(strlen(cut), 1 + 60 + 3 + 1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_messages_are_sorted_by_place_and_keep_their_order_within_one),
      cmocka_unit_test(test_the_same_complaint_is_kept_once),
      cmocka_unit_test(test_propagate_makes_one_configuration_error),
      cmocka_unit_test(test_displayed_text_is_one_short_line),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
