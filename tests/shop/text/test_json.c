/* JSON that Python's reader takes and jansson does not. */
#include "envs/shop/text/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static json_t *load(const char *text, json_error_t *problem)
{
  return shop_json_load(text, strlen(text), JSON_DECODE_ANY, problem);
}

/* What the value reads as, in jansson's compact notation. */
static void assert_reads(const char *text, const char *expected)
{
  json_error_t problem;
  g_autoptr(json_t) value = load(text, &problem);
  if (!value)
    fail_msg("%s: %s", text, problem.text);
  char *found = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
  assert_string_equal(found, expected);
  free(found);
}

static void test_numbers_beyond_what_is_held(G_GNUC_UNUSED void **state)
{
  assert_reads("[123456789012345678901234567890,1]", "[1.23456789012e29,1]");
  assert_reads("[-12345678901234567890]", "[-1.23456789012e19]");
  assert_reads("[9223372036854775807,1e999]", "[9.22337203685e18,1e308]"); /* mended along with the other */
  assert_reads("[9223372036854775807]", "[9223372036854775807]");
  assert_reads("[1e400, -1E400 ,\n1e-400]", "[1e308,-1e308,0.0]");
  assert_reads("{\"a\":NaN,\"b\":Infinity,\"c\":-Infinity}", "{\"a\":\"\",\"b\":null,\"c\":null}");
}

static void test_surrogates_and_nul(G_GNUC_UNUSED void **state)
{
  assert_reads("\"a\\ud800b\"", "\"a\xef\xbf\xbd"
                                "b\"");
  assert_reads("\"\\udc00\\ud83d\\ude00\\ud800\\ud83d\\ude00\"",
               "\"\xef\xbf\xbd\xf0\x9f\x98\x80\xef\xbf\xbd\xf0\x9f\x98\x80\"");
  assert_reads("[\"\\u0000\", \"\\\\ud800\", \"\\\"1e999\"]",
               "[\"\xef\xbf\xbd\",\"\\\\ud800\",\"\\\"1e999\"]");
}

static void test_what_python_refuses_is_refused_where_it_stands(G_GNUC_UNUSED void **state)
{
  static const struct {
    const char *text;
    int position;
  } cases[] = {{"[1e999, 1e]", 10},
               {"[\"\\ud800\", nul]", 14},
               {"[99999999999999999999, 01]", 24},
               {"[\"\\u00\"]", 7},
               {"[1e999", 6},
               {"[\"\\ud800", 8},
               {"[-]", 2},
               {"[\"\xff\"]", 2}};
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    json_error_t problem;
    assert_null(load(cases[i].text, &problem));
    if (ABS(problem.position - cases[i].position) > 2)
      fail_msg("%s: position %d", cases[i].text, problem.position);
  }
}

static void test_falsy_values(G_GNUC_UNUSED void **state)
{
  static const char *const falsy[] = {"null", "false", "0", "0.0", "-0.0", "\"\"", "[]", "{}"};
  static const char *const truthy[] = {"true", "1", "-0.5", "\"0\"", "[0]", "{\"a\":0}"};
  assert_true(shop_json_is_falsy(NULL));
  for (guint i = 0; i < G_N_ELEMENTS(falsy); i++) {
    g_autoptr(json_t) value = load(falsy[i], NULL);
    assert_true(value && shop_json_is_falsy(value));
  }
  for (guint i = 0; i < G_N_ELEMENTS(truthy); i++) {
    g_autoptr(json_t) value = load(truthy[i], NULL);
    assert_false(shop_json_is_falsy(value));
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_numbers_beyond_what_is_held),
      cmocka_unit_test(test_surrogates_and_nul),
      cmocka_unit_test(test_what_python_refuses_is_refused_where_it_stands),
      cmocka_unit_test(test_falsy_values),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
