/* Control characters are written out, everything else stays. */
#include "core/base/printable.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_shown(const char *text, const char *kept, const char *expected)
{
  g_autofree char *shown = cw_printable(text, kept);
  assert_string_equal(shown, expected);
  assert_int_equal(cw_is_printable(text, kept), g_str_equal(text, expected));
  assert_true(cw_is_printable(shown, kept));
}

static void test_plain_text_stays(void **state)
{
  (void)state;
  assert_shown("", "", "");
  assert_shown("a red shirt, größe 42, 漢字 ☕ \xf0\x9f\x9b\x92 \\", "",
               "a red shirt, größe 42, 漢字 ☕ \xf0\x9f\x9b\x92 \\");
}

static void test_what_steers_a_terminal_is_written_out(void **state)
{
  (void)state;
  assert_shown("\033[31mred\a\b\r\177", "", "\\u001b[31mred\\u0007\\u0008\\u000d\\u007f");
  assert_shown("\302\233 \302\240", "", "\\u009b \302\240"); /* C1; a space that does not break stays */
  assert_shown("\342\200\256evil\342\201\246", "", "\\u202eevil\\u2066");
}

static void test_kept_characters_stay(void **state)
{
  (void)state;
  assert_shown("a\n\tb\r", "\n\t", "a\n\tb\\u000d");
  assert_shown("a\n\tb", "", "a\\u000a\\u0009b");
}

static void test_bytes_that_are_no_text_are_written_out(void **state)
{
  (void)state;
  assert_shown("bad \xff\xfe text \xc3", "", "bad \\xff\\xfe text \\xc3");
  assert_shown("\xed\xa0\x80", "", "\\xed\\xa0\\x80");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_plain_text_stays),
      cmocka_unit_test(test_what_steers_a_terminal_is_written_out),
      cmocka_unit_test(test_kept_characters_stay),
      cmocka_unit_test(test_bytes_that_are_no_text_are_written_out),
  };
  return cmocka_run_group_tests_name("printable", tests, NULL, NULL);
}
