/* Text rules: lower case, trimming, shortest decimals, JSON and quoted strings; prices; the grammar of
 * actions. */
#include "envs/shop/catalogue/price.h"
#include "envs/shop/text/action.h"
#include "envs/shop/text/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void assert_lower(const char *text, const char *expected)
{
  g_autoptr(GString) out = g_string_new("kept ");
  shop_text_append_lower(out, text, strlen(text));
  assert_string_equal(out->str + 5, expected);
  assert_int_equal(out->len, strlen(out->str));
}

static void test_lower_case_follows_unicode(G_GNUC_UNUSED void **state)
{
  assert_lower("", "");
  assert_lower("Black/White 12\"", "black/white 12\"");
  assert_lower("CAF\u00c9 \u00dcBER", "caf\u00e9 \u00fcber");
  assert_lower("\u0130\u0130\u0130\u0130\u0130\u0130\u0130\u0130\u0130\u0130",
               "i\u0307i\u0307i\u0307i\u0307i\u0307i\u0307i\u0307i\u0307i\u0307i\u0307");
  assert_lower("A \u023a\u023a\u023a\u023a\u023a\u023a\u023a\u023a\u023a\u023aB \u212a",
               "a \u2c65\u2c65\u2c65\u2c65\u2c65\u2c65\u2c65\u2c65\u2c65\u2c65b k");
  assert_lower("RED \u2122 Coat, 5\u2013 \U00010400", "red \u2122 coat, 5\u2013 \U00010428");
  assert_lower("\u039f\u03a3 \u03a3\u0391", "\u03bf\u03c2 \u03c3\u03b1"); /* final sigma */
}

static void assert_trimmed(const char *text, const char *expected)
{
  gsize length = strlen(text);
  shop_text_trim(&text, &length);
  assert_int_equal(length, strlen(expected));
  assert_memory_equal(text, expected, length);
}

static void test_trim_takes_unicode_white_space(G_GNUC_UNUSED void **state)
{
  assert_trimmed("", "");
  assert_trimmed(" \t\n a b\r\n", "a b");
  assert_trimmed("\u00a0\u3000x\u2028\x1f", "x");
  assert_trimmed(" \u00a0 ", "");
  assert_trimmed("\u200bx", "\u200bx"); /* a zero width space is none */
}

static void assert_double(double value, const char *expected)
{
  g_autoptr(GString) out = g_string_new(NULL);
  shop_text_append_double(out, value);
  assert_string_equal(out->str, expected);
}

static void test_numbers_are_shortest_decimals_with_a_fraction(G_GNUC_UNUSED void **state)
{
  assert_double(10.99, "10.99");
  assert_double(5, "5.0");
  assert_double(1234.5, "1234.5");
  assert_double(100, "100.0");
  assert_double(0, "0.0");
  assert_double(2.0 / 3, "0.6666666666666666");
  assert_double(0.1 + 0.2, "0.30000000000000004");
  assert_double(0.0001, "0.0001");
  assert_double(0.00001, "1e-05");
  assert_double(1e16, "1e+16");
  assert_double(123456789012345680.0, "1.2345678901234568e+17");
  assert_double(9999999999999998.0, "9999999999999998.0");
}

static void test_json_and_quoted_strings(G_GNUC_UNUSED void **state)
{
  g_autoptr(GString) out = g_string_new(NULL);
  shop_text_append_json(out, "12\" caf\u00e9 \\ \U0001F600\n<&'>", FALSE);
  assert_string_equal(out->str, "\"12\\\" caf\\u00e9 \\\\ \\ud83d\\ude00\\n<&'>\"");
  g_string_truncate(out, 0);
  shop_text_append_json(out, "<&'>", TRUE);
  assert_string_equal(out->str, "\"\\u003c\\u0026\\u0027\\u003e\"");
  g_string_truncate(out, 0);
  shop_text_append_quoted(out, "caf\u00e9");
  shop_text_append_quoted(out, "it's");
  shop_text_append_quoted(out, "it's 12\"");
  shop_text_append_quoted(out, "a\\b\u00a0c\n");
  assert_string_equal(out->str, "'caf\u00e9'\"it's\"'it\\'s 12\"''a\\\\b\\xa0c\\n'");
}

static void assert_price(const char *pricing, const char *expected)
{
  double prices[2];
  guint32 n;
  gboolean good = shop_price_parse(pricing, prices, &n);
  if (!expected) {
    assert_false(good);
    return;
  }
  assert_true(good);
  g_autoptr(GString) tag = g_string_new(NULL);
  shop_price_append_tag(tag, prices, n);
  assert_string_equal(tag->str, expected);
}

static void test_prices_are_read_and_shown_as_the_original_does(G_GNUC_UNUSED void **state)
{
  assert_price(NULL, "$100.0");
  assert_price("", "$100.0");
  assert_price("$10.99", "$10.99");
  assert_price("$5", "$5.0");
  assert_price("$1,234.50", "$1234.5");
  assert_price("$5.00 - $1,234.50", "$5.0 to $1234.5");
  assert_price("$9 - $3", "$9.0 to $3.0");
  assert_price("$1 $2 $3", "$1.0 to $2.0");
  assert_price("from $7.50 each", "$7.5");
  assert_price("10.99", NULL);
  assert_price("$", NULL);
  assert_price("$1.2.3", NULL);
  assert_price("$1 $2 $x", NULL);
}

static void assert_action(const char *text, gboolean first, const char *name, const char *argument)
{
  ShopActionText parts;
  gboolean good = shop_action_parse(text, first, &parts);
  assert_int_equal(good, name != NULL);
  if (!good)
    return;
  g_autofree char *found = g_strndup(parts.name, parts.name_length);
  assert_string_equal(found, name);
  g_autofree char *found_argument = g_strndup(parts.argument, parts.argument_length);
  assert_string_equal(found_argument, argument);
}

static void test_the_last_bracket_splits_an_action(G_GNUC_UNUSED void **state)
{
  assert_action("click[x]", FALSE, "click", "x");
  assert_action("click[buy now] thanks", FALSE, "click", "buy now");
  assert_action("click[a]b] c", FALSE, "click", "a]b");
  assert_action("click[black [x]]", FALSE, "click[black ", "x]");
  assert_action("click[a[]", FALSE, "click", "a[");
  assert_action("search[]", FALSE, NULL, NULL);
  assert_action("[x]", FALSE, NULL, NULL);
  assert_action("click", FALSE, NULL, NULL);
  assert_action("", FALSE, NULL, NULL);
  assert_action("]", FALSE, NULL, NULL);
  assert_action("click[x\ny]", FALSE, NULL, NULL);
  assert_action("click[x]\nclick[y]", FALSE, "click", "x");
}

static void test_the_first_bracket_splits_in_fixed_mode(G_GNUC_UNUSED void **state)
{
  assert_action("click[black [x]]", TRUE, "click", "black [x]");
  assert_action("[x]", TRUE, NULL, NULL);
  assert_action("click[]", TRUE, NULL, NULL);
  assert_action("clickx]", TRUE, NULL, NULL);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_lower_case_follows_unicode),
      cmocka_unit_test(test_trim_takes_unicode_white_space),
      cmocka_unit_test(test_numbers_are_shortest_decimals_with_a_fraction),
      cmocka_unit_test(test_json_and_quoted_strings),
      cmocka_unit_test(test_prices_are_read_and_shown_as_the_original_does),
      cmocka_unit_test(test_the_last_bracket_splits_an_action),
      cmocka_unit_test(test_the_first_bracket_splits_in_fixed_mode),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
