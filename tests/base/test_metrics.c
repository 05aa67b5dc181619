/* metrics.jsonl: the text of numbers, records, and continuing a file at a byte. */
#include "core/base/json_text.h"
#include "core/base/metrics.h"
#include "tests/scratch.h"
#include <cartwright/error.h>
#include <cartwright/random.h>
#include <float.h>
#include <math.h>

/* Expectations from Python 3's repr. */
static void test_doubles_are_written_as_python_writes_them(void **state)
{
  static const struct {
    double value;
    const char *expected;
  } cases[] = {
      {0.0, "0.0"},
      {-0.0, "-0.0"},
      {1, "1.0"},
      {-2.5, "-2.5"},
      {0.1, "0.1"},
      {0.1 + 0.2, "0.30000000000000004"},
      {1.0 / 3, "0.3333333333333333"},
      {2.0 / 3, "0.6666666666666666"},
      {100, "100.0"},
      {123456.789, "123456.789"},
      {1e-7, "1e-07"},
      {0.0001, "0.0001"},
      {0.00012345, "0.00012345"},
      {0.00001, "1e-05"},
      {1.5e-5, "1.5e-05"},
      {1e15, "1000000000000000.0"},
      {1e16, "1e+16"},
      {9007199254740993.0, "9007199254740992.0"},
      {1.7976931348623157e308, "1.7976931348623157e+308"},
      {5e-324, "5e-324"},
      {2.2250738585072014e-308, "2.2250738585072014e-308"},
      {2.2250738585072011e-308, "2.225073858507201e-308"},
      {0x1p-44, "5.684341886080802e-14"}, /* the nearest 16 digits, ...801, belong to a neighbour */
      {9.5367431640625e-07, "9.5367431640625e-07"},
      {1e23, "1e+23"},
      {NAN, "nan"},
      {-INFINITY, "-inf"},
  };
  char buffer[32];

  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
    assert_string_equal(cw_format_double(buffer, cases[i].value), cases[i].expected);
}

static void test_floats_are_written_with_the_digits_a_float_needs(void **state)
{
  static const struct {
    float value;
    const char *expected;
  } cases[] = {
      {0.1f, "0.1"},
      {-1.0f / 3, "-0.33333334"},
      {16777216.0f, "16777216.0"},
      {1e-45f, "1e-45"},
      {FLT_MAX, "3.4028235e+38"},
      {FLT_MIN, "1.1754944e-38"},
      {0x1p-10f, "0.0009765625"},
  };
  char buffer[32];

  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
    assert_string_equal(cw_format_float(buffer, cases[i].value), cases[i].expected);
}

static void test_every_number_reads_back_as_itself(void **state)
{
  CwRandom *random = cw_random_new(1, "numbers", 0, 0);
  char buffer[32];
  (void)state;
  for (guint i = 0; i < 20000; i++) {
    union {
      guint64 bits;
      double value;
    } wide = {.bits = cw_random_uint64(random)};
    union {
      guint32 bits;
      float value;
    } narrow = {.bits = cw_random_uint32(random)};

    if (isfinite(wide.value))
      assert_true(g_ascii_strtod(cw_format_double(buffer, wide.value), NULL) == wide.value);
    assert_in_range(strlen(buffer), 1, 31);
    if (isfinite(narrow.value))
      assert_true((float)g_ascii_strtod(cw_format_float(buffer, narrow.value), NULL) == narrow.value);
  }
  cw_random_free(random);
}

static void test_strings_are_escaped_and_made_valid(void **state)
{
  g_autoptr(GString) json = g_string_new(NULL);

  (void)state;
  cw_json_string(json, NULL, "a\"b\\c\n\t\r\x01 Zo\xc3\xab \xff.");
  assert_string_equal(json->str, "\"a\\\"b\\\\c\\n\\t\\r\\u0001 Zo\xc3\xab \xef\xbf\xbd.\"");
}

static void test_the_writer_puts_the_commas(void **state)
{
  static const char *const facts[] = {"a", "1", "b", "2", NULL};
  g_autoptr(GString) json = g_string_new("{");
  (void)state;
  cw_json_integer(json, "n", -1);
  cw_json_begin(json, "list", '[');
  cw_json_double(json, NULL, NAN);
  cw_json_boolean(json, NULL, TRUE);
  cw_json_begin(json, NULL, '{');
  cw_json_end(json, '}');
  cw_json_end(json, ']');
  g_string_append(json, ",\n ");
  cw_json_facts(json, "facts", facts);
  cw_json_end(json, '}');
  assert_string_equal(json->str,
                      "{\"n\": -1, \"list\": [null, true, {}],\n \"facts\": {\"a\": \"1\", \"b\": \"2\"}}");
}

static void add_record(CwMetrics *metrics, gint64 update, double loss)
{
  cw_metrics_begin(metrics);
  cw_metrics_integer(metrics, "update", update);
  cw_metrics_string(metrics, "algorithm", "bc");
  cw_metrics_number(metrics, "bc/loss", loss);
  assert_true(cw_metrics_end(metrics, NULL));
}

static guint64 synced(CwMetrics *metrics)
{
  guint64 offset = 0;
  assert_true(cw_metrics_sync(metrics, &offset, NULL));
  return offset;
}

static void assert_content(const char *path, const char *expected)
{
  g_autofree char *content = NULL;
  assert_true(g_file_get_contents(path, &content, NULL, NULL));
  assert_string_equal(content, expected);
}

#define RECORD_0 "{\"update\": 0, \"algorithm\": \"bc\", \"bc/loss\": 0.5}\n"
#define RECORD_1 "{\"update\": 1, \"algorithm\": \"bc\", \"bc/loss\": 1.0}\n"

static void test_records_keep_the_order_of_their_keys(void **state)
{
  g_autofree char *path = g_build_filename(*state, "metrics.jsonl", NULL);
  CwMetrics *metrics = cw_metrics_open(path, 0, NULL);
  add_record(metrics, 0, 0.5);
  assert_content(path, RECORD_0); /* flushed at once */
  add_record(metrics, 1, 1);
  assert_int_equal(synced(metrics), strlen(RECORD_0 RECORD_1));
  cw_metrics_close(metrics);
  assert_content(path, RECORD_0 RECORD_1);
}

static void test_a_record_begun_anew_forgets_the_unfinished_one(void **state)
{
  g_autofree char *path = g_build_filename(*state, "metrics.jsonl", NULL);
  CwMetrics *metrics = cw_metrics_open(path, 0, NULL);
  cw_metrics_begin(metrics);
  cw_metrics_integer(metrics, "lost", 1);
  add_record(metrics, 0, 0.5);
  cw_metrics_close(metrics);
  assert_content(path, RECORD_0);
}

static void test_what_is_not_finite_is_null(void **state)
{
  g_autofree char *path = g_build_filename(*state, "metrics.jsonl", NULL);
  CwMetrics *metrics = cw_metrics_open(path, 0, NULL);
  cw_metrics_begin(metrics);
  cw_metrics_number(metrics, "loss", NAN);
  assert_true(cw_metrics_end(metrics, NULL));
  cw_metrics_close(metrics);
  assert_content(path, "{\"loss\": null}\n");
}

static void test_a_continued_file_has_the_bytes_of_one_never_stopped(void **state)
{
  g_autofree char *path = g_build_filename(*state, "metrics.jsonl", NULL);
  CwMetrics *metrics = cw_metrics_open(path, 0, NULL);
  add_record(metrics, 0, 0.5);
  guint64 offset = synced(metrics);
  add_record(metrics, 7, 7); /* after the checkpoint: to be forgotten */
  cw_metrics_close(metrics);
  assert_true(
      g_file_set_contents(path, RECORD_0 "{\"update\": 7, \"alg", -1, NULL)); /* killed while writing */

  metrics = cw_metrics_open(path, offset, NULL);
  assert_non_null(metrics);
  assert_content(path, RECORD_0);
  add_record(metrics, 1, 1);
  assert_int_equal(synced(metrics), strlen(RECORD_0 RECORD_1));
  cw_metrics_close(metrics);
  assert_content(path, RECORD_0 RECORD_1);
}

static void test_opening_afresh_empties_the_file(void **state)
{
  g_autofree char *path = g_build_filename(*state, "metrics.jsonl", NULL);
  assert_true(g_file_set_contents(path, "old\n", -1, NULL));
  cw_metrics_close(cw_metrics_open(path, 0, NULL));
  assert_content(path, "");
}

static void test_a_file_shorter_than_the_offset_is_refused_and_left_alone(void **state)
{
  g_autofree char *path = g_build_filename(*state, "metrics.jsonl", NULL);
  GError *error = NULL;
  assert_true(g_file_set_contents(path, RECORD_0, -1, NULL));
  assert_null(cw_metrics_open(path, 1000, &error));
  assert_true(g_error_matches(error, CW_RUN_ERROR, CW_ERROR_FORMAT));
  assert_message(
      error, *state,
      "DIR/metrics.jsonl: expected at least the 1000 bytes that the checkpoint remembers, found 49; put the "
      "file of that run back, or start the run afresh");
  assert_content(path, RECORD_0);
}

static void test_an_offset_inside_a_record_is_refused_and_the_file_left_alone(void **state)
{
  g_autofree char *path = g_build_filename(*state, "metrics.jsonl", NULL);
  GError *error = NULL;
  assert_true(g_file_set_contents(path, RECORD_0, -1, NULL));
  assert_null(cw_metrics_open(path, 10, &error));
  assert_message(
      error, *state,
      "DIR/metrics.jsonl: expected a record to end at byte 10, where the checkpoint continues, but none "
      "does; put the file of that run back, or start the run afresh");
  assert_content(path, RECORD_0);
}

static void test_a_path_that_cannot_be_written_is_reported(void **state)
{
  g_autofree char *path = g_build_filename(*state, "missing", "metrics.jsonl", NULL);
  GError *error = NULL;
  assert_null(cw_metrics_open(path, 0, &error));
  assert_true(g_error_matches(error, CW_RUN_ERROR, CW_ERROR_INPUT_OUTPUT));
  assert_message(error, *state,
                 "DIR/missing/metrics.jsonl: cannot open for writing: No such file or directory");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_doubles_are_written_as_python_writes_them),
      cmocka_unit_test(test_floats_are_written_with_the_digits_a_float_needs),
      cmocka_unit_test(test_every_number_reads_back_as_itself),
      cmocka_unit_test(test_strings_are_escaped_and_made_valid),
      cmocka_unit_test(test_the_writer_puts_the_commas),
      cmocka_unit_test_setup_teardown(test_records_keep_the_order_of_their_keys, make_scratch,
                                      remove_scratch),
      cmocka_unit_test_setup_teardown(test_a_record_begun_anew_forgets_the_unfinished_one, make_scratch,
                                      remove_scratch),
      cmocka_unit_test_setup_teardown(test_what_is_not_finite_is_null, make_scratch, remove_scratch),
      cmocka_unit_test_setup_teardown(test_a_continued_file_has_the_bytes_of_one_never_stopped, make_scratch,
                                      remove_scratch),
      cmocka_unit_test_setup_teardown(test_opening_afresh_empties_the_file, make_scratch, remove_scratch),
      cmocka_unit_test_setup_teardown(test_a_file_shorter_than_the_offset_is_refused_and_left_alone,
                                      make_scratch, remove_scratch),
      cmocka_unit_test_setup_teardown(test_an_offset_inside_a_record_is_refused_and_the_file_left_alone,
                                      make_scratch, remove_scratch),
      cmocka_unit_test_setup_teardown(test_a_path_that_cannot_be_written_is_reported, make_scratch,
                                      remove_scratch),
  };

  return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
