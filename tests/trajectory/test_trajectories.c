/* Trajectories: building, their lines of JSON, and every kind of malformed file. */
#include "core/trajectory/journal.h"
#include "tests/scratch.h"
#include <math.h>

static const char *const page[] = {"search[red shoes]", "back to search"};
static const char *const results[] = {"item b0001", "item b0002", "next", "back to search"};

/* Two steps, the second ending in success. */
static CwTrajectory *make_example(void)
{
  CwTrajectoryBuilder *builder = cw_trajectory_builder_new("train", 12, "webshop_12", "expert", 3, 233);
  CwObservation observation = {sizeof observation, "Search \"page\"", page, 2, NULL};
  const CwNamedValue parts[] = {{"attributes", 1}, {"price", 0.1}};
  CwOutcome outcome = {.struct_size = sizeof outcome, .reward = 0.1f};
  cw_trajectory_builder_set_group(builder, 5);
  cw_trajectory_builder_decide(builder, &observation, 0, -0.25f, 0.1f);
  cw_trajectory_builder_outcome(builder, &outcome);
  observation = (CwObservation){sizeof observation, "Ergebnisse für „rot“", results, 4, NULL};
  cw_trajectory_builder_decide(builder, &observation, 3, NAN, NAN);
  outcome = (CwOutcome){sizeof outcome, 0.5f, TRUE, FALSE, TRUE, parts, 2};
  cw_trajectory_builder_outcome(builder, &outcome);
  return cw_trajectory_builder_finish(builder);
}

#define EXAMPLE                                                                                                  \
  "{\"split\": \"train\", \"goal\": 12, \"goal_id\": \"webshop_12\", \"agent\": \"expert\", \"episode\": "       \
  "3, "                                                                                                          \
  "\"seed\": 233, \"group\": 5, \"total_reward\": 0.6000000014901161, \"success\": true, "                       \
  "\"parts\": {\"attributes\": 1.0, \"price\": 0.1}, \"steps\": ["                                               \
  "{\"observation\": \"Search \\\"page\\\"\", \"candidates\": [\"search[red shoes]\", \"back to search\"], "     \
  "\"chosen\": 0, \"log_probability\": -0.25, \"value\": 0.1, \"reward\": 0.1, \"terminated\": false, "          \
  "\"truncated\": false}, "                                                                                      \
  "{\"observation\": \"Ergebnisse für „rot“\", \"candidates\": [\"item b0001\", \"item b0002\", \"next\", " \
  "\"back to search\"], \"chosen\": 3, \"reward\": 0.5, \"terminated\": true, \"truncated\": false}]}"

static void test_builder_copies_everything_and_stores_equal_strings_once(void **state)
{
  CwTrajectoryBuilder *builder = cw_trajectory_builder_new("dev", -1, NULL, "policy", 0, 1);
  char text[] = "page", first[] = "a", second[] = "b";
  const char *candidates[] = {first, second};
  CwObservation observation = {sizeof observation, text, candidates, 2, NULL};
  CwTrajectory *trajectory;
  (void)state;
  cw_trajectory_builder_decide(builder, &observation, 1, -1, 0);
  strcpy(text, "PAGE");
  strcpy(second, "a");
  cw_trajectory_builder_decide(builder, &observation, 0, -1, 0);
  trajectory = cw_trajectory_builder_finish(builder);
  assert_int_equal(trajectory->n_steps, 2);
  assert_string_equal(trajectory->goal_id, "");
  assert_string_equal(trajectory->steps[0]->decision->observation, "page");
  assert_string_equal(trajectory->steps[0]->decision->candidates[1], "b");
  assert_string_equal(trajectory->steps[1]->decision->observation, "PAGE");
  assert_string_equal(trajectory->steps[1]->decision->candidates[1], "a");
  assert_ptr_equal(trajectory->steps[0]->decision->candidates[0],
                   trajectory->steps[1]->decision->candidates[0]);
  assert_ptr_equal(trajectory->steps[1]->decision->candidates[0],
                   trajectory->steps[1]->decision->candidates[1]);
  assert_int_equal(trajectory->success, FALSE);
  cw_trajectory_unref(trajectory);
}

static void test_builder_can_be_dropped_half_way(void **state)
{
  CwTrajectoryBuilder *builder = cw_trajectory_builder_new("dev", 0, "g", "policy", 0, 1);
  CwObservation observation = {sizeof observation, "page", page, 2, NULL};
  (void)state;
  cw_trajectory_builder_decide(builder, &observation, 1, -1, 0);
  cw_trajectory_builder_free(builder);
  cw_trajectory_builder_free(NULL);
  cw_trajectory_unref(NULL);
}

static void test_a_trajectory_is_one_line_of_json(void **state)
{
  CwTrajectory *trajectory = make_example();
  g_autofree char *json = cw_trajectory_to_json(trajectory);
  (void)state;
  assert_string_equal(json, EXAMPLE);
  cw_trajectory_unref(trajectory);
}

static void test_json_reads_back_as_the_same_trajectory(void **state)
{
  CwTrajectory *trajectory = cw_trajectory_from_json(EXAMPLE, strlen(EXAMPLE), "x:1", NULL);
  g_autofree char *json = NULL;
  (void)state;
  assert_non_null(trajectory);
  assert_int_equal(trajectory->struct_size, sizeof(CwTrajectory));
  assert_int_equal(trajectory->steps[0]->struct_size, sizeof(CwStep));
  assert_int_equal(trajectory->steps[0]->decision->struct_size, sizeof(CwDecision));
  assert_true(trajectory->steps[0]->value == 0.1f);
  assert_true(isnan(trajectory->steps[1]->value));
  json = cw_trajectory_to_json(trajectory);
  assert_string_equal(json, EXAMPLE);
  cw_trajectory_unref(trajectory);
}

/* EXAMPLE with what its last step says more. */
static char *with_more(const char *more)
{
  g_autoptr(GString) line = g_string_new(EXAMPLE);
  g_assert_true(g_str_has_suffix(line->str, "}]}"));
  g_string_insert(line, (gssize)line->len - 3, more);
  return g_strdup(line->str);
}

static void test_probabilities_and_advice_survive_json(void **state)
{
  g_autofree char *line = with_more(", \"probabilities\": [0.25, 0.5, 0.0, 0.25], \"advised\": 1");
  CwTrajectory *trajectory = cw_trajectory_from_json(line, strlen(line), "x:1", NULL);
  (void)state;
  assert_non_null(trajectory);
  assert_null(trajectory->steps[0]->probabilities);
  assert_int_equal(cw_step_advised(trajectory->steps[0]), -1);
  assert_true(trajectory->steps[1]->probabilities[1] == 0.5f);
  assert_string_equal(trajectory->steps[1]->advice, results[1]);
  g_autofree char *json = cw_trajectory_to_json(trajectory);
  assert_string_equal(json, line);
  cw_trajectory_unref(trajectory);
}

static void test_wrong_probabilities_and_advice_are_reported(void **state)
{
  static const struct {
    const char *more, *message;
  } cases[] = {
      {", \"probabilities\": [0.5, 0.5]",
       "x:1: steps[1].probabilities: expected an array of 4 numbers, one for each candidate, found an array"},
      {", \"probabilities\": [0.5, 0.5, 0, 2]",
       "x:1: steps[1].probabilities[3]: expected a number from 0 to 1, found 2"},
      {", \"advised\": 4", "x:1: steps[1].advised: expected an integer from 0 to 3, found 4"},
  };
  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *line = with_more(cases[i].more);
    g_autoptr(GError) error = NULL;
    assert_null(cw_trajectory_from_json(line, strlen(line), "x:1", &error));
    assert_string_equal(error->message, cases[i].message);
  }
}

static char *write_lines(void **state, const char *text, gssize length)
{
  char *path = g_build_filename(*state, "t.jsonl", NULL);
  assert_true(g_file_set_contents(path, text, length, NULL));
  return path;
}

static GPtrArray *new_list(void)
{
  return g_ptr_array_new_with_free_func((GDestroyNotify)cw_trajectory_unref);
}

static void test_a_written_file_reads_back_and_shares_its_strings(void **state)
{
  g_autofree char *path = g_build_filename(*state, "t.jsonl", NULL);
  g_autofree char *partial = g_build_filename(*state, ".t.jsonl.partial", NULL);
  g_autofree char *content = NULL;
  CwJournal *writer = cw_journal_open(path, NULL, FALSE, NULL);
  CwTrajectory *trajectory = make_example(), *first, *second;
  GPtrArray *list = new_list();
  assert_true(cw_journal_add(writer, 0, trajectory, NULL));
  assert_true(cw_journal_add(writer, 0, trajectory, NULL));
  assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
  assert_true(cw_journal_commit(writer, NULL));
  cw_trajectory_unref(trajectory);
  assert_false(g_file_test(partial, G_FILE_TEST_EXISTS));
  assert_true(g_file_get_contents(path, &content, NULL, NULL));
  assert_string_equal(content, EXAMPLE "\n" EXAMPLE "\n");

  assert_true(cw_trajectories_read(path, list, NULL));
  assert_int_equal(list->len, 2);
  first = list->pdata[0];
  second = list->pdata[1];
  assert_ptr_equal(first->steps[1]->decision->candidates[3], second->steps[0]->decision->candidates[1]);
  g_ptr_array_remove_index(list, 0); /* the other one keeps the strings alive */
  assert_string_equal(second->steps[0]->decision->candidates[1], "back to search");
  g_ptr_array_free(list, TRUE);
}

static void test_a_discarded_writer_leaves_the_old_file(void **state)
{
  g_autofree char *path = write_lines(state, "old\n", -1);
  g_autofree char *partial = g_build_filename(*state, ".t.jsonl.partial", NULL);
  g_autofree char *content = NULL;
  CwJournal *writer = cw_journal_open(path, NULL, FALSE, NULL);
  cw_journal_discard(writer);
  cw_journal_discard(NULL);
  assert_false(g_file_test(partial, G_FILE_TEST_EXISTS));
  assert_true(g_file_get_contents(path, &content, NULL, NULL));
  assert_string_equal(content, "old\n");
}

static void test_blank_lines_and_a_missing_last_newline_are_accepted(void **state)
{
  g_autofree char *path = write_lines(state, "\n" EXAMPLE "\r\n  \n" EXAMPLE, -1);
  GPtrArray *list = new_list();
  assert_true(cw_trajectories_read(path, list, NULL));
  assert_int_equal(list->len, 2);
  g_ptr_array_free(list, TRUE);
}

/* A good trajectory with one piece replaced, as the second line of a file. */
static void assert_refused_bytes(void **state, const char *line, gsize length, const char *expected)
{
  g_autoptr(GString) text = g_string_new(EXAMPLE "\n");
  g_autofree char *path = NULL;
  GPtrArray *list = new_list();
  GError *error = NULL;

  g_string_append_len(text, line, (gssize)length);
  path = write_lines(state, text->str, (gssize)text->len);
  assert_false(cw_trajectories_read(path, list, &error));
  assert_int_equal(list->len, 0);
  assert_true(g_error_matches(error, CW_RUN_ERROR, CW_ERROR_FORMAT));
  assert_message(error, *state, expected);
  g_ptr_array_free(list, TRUE);
}

static void assert_refused(void **state, const char *old, const char *new, const char *expected)
{
  g_autoptr(GString) line = g_string_new(EXAMPLE);

  assert_true(g_string_replace(line, old, new, 1) == 1);
  assert_refused_bytes(state, line->str, line->len, expected);
}

static void test_wrong_json_is_reported_with_line_and_byte(void **state)
{
  assert_refused(
      state, "\"goal\": 12,", "\"goal\": 12;",
      "DIR/t.jsonl:2: byte 30: expected one trajectory as JSON, found an error: '}' expected near ';'");
}

static void test_a_truncated_line_is_reported(void **state)
{
  assert_refused_bytes(
      state, EXAMPLE, 60,
      "DIR/t.jsonl:2: byte 60: expected one trajectory as JSON, found an error: premature end of "
      "input near '\"age'");
}

static void test_a_line_of_something_else_is_reported(void **state)
{
  assert_refused_bytes(state, "[1]", 3,
                       "DIR/t.jsonl:2: expected an object (one trajectory on each line), found an array");
  assert_refused_bytes(state, "17", 2,
                       "DIR/t.jsonl:2: expected an object (one trajectory on each line), found 17");
}

static void test_a_missing_member_is_reported(void **state)
{
  assert_refused(state, "\"goal\": 12, ", "", "DIR/t.jsonl:2: goal: expected an integer, found nothing");
  assert_refused(state, "\"chosen\": 3, ", "",
                 "DIR/t.jsonl:2: steps[1].chosen: expected an integer from 0 to 3, found nothing");
}

static void test_a_duplicate_member_is_reported(void **state)
{
  assert_refused(
      state, "\"goal\": 12, ", "\"goal\": 12, \"goal\": 13, ",
      "DIR/t.jsonl:2: byte 37: expected one trajectory as JSON, found an error: duplicate object key near "
      "'\"goal\"'");
}

static void test_a_wrong_type_is_reported(void **state)
{
  assert_refused(state, "\"split\": \"train\"", "\"split\": 7",
                 "DIR/t.jsonl:2: split: expected a string, found 7");
  assert_refused(state, "\"goal\": 12", "\"goal\": \"12\"",
                 "DIR/t.jsonl:2: goal: expected an integer, found the string \"12\"");
  assert_refused(state, "\"success\": true", "\"success\": 1",
                 "DIR/t.jsonl:2: success: expected true or false, found 1");
  assert_refused(state, "\"reward\": 0.5", "\"reward\": null",
                 "DIR/t.jsonl:2: steps[1].reward: expected a number that fits 32 bits, found null");
  assert_refused(state, "\"next\"", "{}",
                 "DIR/t.jsonl:2: steps[1].candidates[2]: expected a string, found an object");
  assert_refused(state, "{\"attributes\": 1.0, \"price\": 0.1}", "{\"price\": true}",
                 "DIR/t.jsonl:2: parts.price: expected a number, found true");
  assert_refused(state, "{\"attributes\": 1.0, \"price\": 0.1}", "[]",
                 "DIR/t.jsonl:2: parts: expected an object of numbers, found an empty array");
  assert_refused(state, "\"steps\": [", "\"steps\": [\"go\", ",
                 "DIR/t.jsonl:2: steps[0]: expected an object, found the string \"go\"");
}

static void test_chosen_out_of_range_is_reported(void **state)
{
  assert_refused(state, "\"chosen\": 3", "\"chosen\": 4",
                 "DIR/t.jsonl:2: steps[1].chosen: expected an integer from 0 to 3, found 4");
  assert_refused(state, "\"chosen\": 3", "\"chosen\": -1",
                 "DIR/t.jsonl:2: steps[1].chosen: expected an integer from 0 to 3, found -1");
  assert_refused(state, "\"chosen\": 3", "\"chosen\": 1.5",
                 "DIR/t.jsonl:2: steps[1].chosen: expected an integer from 0 to 3, found 1.5");
}

static void test_no_steps_and_no_candidates_are_reported(void **state)
{
  static const char no_steps[] =
      "{\"split\": \"train\", \"goal\": 1, \"goal_id\": \"\", \"agent\": \"a\", \"episode\": 0, "
      "\"seed\": 1, \"total_reward\": 0, \"success\": false, \"steps\": []}";

  assert_refused_bytes(state, no_steps, strlen(no_steps),
                       "DIR/t.jsonl:2: steps: expected an array of at least one step, found an empty array");
  assert_refused(
      state, "[\"search[red shoes]\", \"back to search\"]", "[]",
      "DIR/t.jsonl:2: steps[0].candidates: expected an array of at least one string, found an empty array");
}

static void test_huge_numbers_are_reported(void **state)
{
  assert_refused(
      state, "\"goal\": 12", "\"goal\": 99999999999999999999",
      "DIR/t.jsonl:2: byte 47: expected one trajectory as JSON, found an error: too big integer near "
      "'99999999999999999999'");
  assert_refused(
      state, "\"reward\": 0.5", "\"reward\": 1e999",
      "DIR/t.jsonl:2: byte 564: expected one trajectory as JSON, found an error: real number overflow near "
      "'1e999'");
  assert_refused(
      state, "\"reward\": 0.5", "\"reward\": 1e300",
      "DIR/t.jsonl:2: steps[1].reward: expected a number that fits 32 bits, found 1.0000000000000001e+300");
  assert_refused(state, "\"seed\": 233", "\"seed\": 4294967296",
                 "DIR/t.jsonl:2: seed: expected an integer from 0 to 4294967295, found 4294967296");
}

static void test_text_that_is_not_utf8_is_reported_with_its_byte(void **state)
{
  assert_refused(state, "webshop_12", "webshop_\xff",
                 "DIR/t.jsonl:2: byte 52: expected UTF-8, found byte 0xff");
}

static void test_a_zero_byte_is_reported(void **state)
{
  assert_refused_bytes(state, "{\"split\": \"tr\0in\"}", 18,
                       "DIR/t.jsonl:2: byte 14: expected UTF-8, found byte 0x00");
  assert_refused(
      state, "webshop_12", "webshop_\\u0000",
      "DIR/t.jsonl:2: byte 58: expected one trajectory as JSON, found an error: \\u0000 is not allowed "
      "without JSON_ALLOW_NUL near '\"webshop_\\u0000\"'");
}

static void test_an_empty_file_is_reported(void **state)
{
  static const char *const texts[] = {"", "\n \n"};
  for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
    g_autofree char *path = write_lines(state, texts[i], -1);
    GPtrArray *list = new_list();
    GError *error = NULL;
    assert_false(cw_trajectories_read(path, list, &error));
    assert_message(error, *state,
                   "DIR/t.jsonl:1: expected one trajectory as JSON on each line, found an empty file");
    g_ptr_array_free(list, TRUE);
  }
}

static void test_a_missing_file_and_a_directory_are_reported(void **state)
{
  g_autofree char *path = g_build_filename(*state, "none.jsonl", NULL);
  GPtrArray *list = new_list();
  GError *error = NULL;
  assert_false(cw_trajectories_read(path, list, &error));
  assert_true(g_error_matches(error, CW_RUN_ERROR, CW_ERROR_INPUT_OUTPUT));
  assert_message(error, *state, "DIR/none.jsonl: cannot open the trajectories: No such file or directory");
  assert_false(cw_trajectories_read(*state, list, &error));
  assert_message(error, *state, "DIR: cannot read: Is a directory");
  assert_null(cw_journal_open("/dev/null/t.jsonl", NULL, FALSE, &error));
  assert_string_equal(error->message, "/dev/null/.t.jsonl.partial: cannot open for writing: Not a directory");
  g_clear_error(&error);
  g_ptr_array_free(list, TRUE);
}

#define in_scratch(test) cmocka_unit_test_setup_teardown(test, make_scratch, remove_scratch)

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_builder_copies_everything_and_stores_equal_strings_once),
      cmocka_unit_test(test_builder_can_be_dropped_half_way),
      cmocka_unit_test(test_a_trajectory_is_one_line_of_json),
      cmocka_unit_test(test_json_reads_back_as_the_same_trajectory),
      cmocka_unit_test(test_probabilities_and_advice_survive_json),
      cmocka_unit_test(test_wrong_probabilities_and_advice_are_reported),
      in_scratch(test_a_written_file_reads_back_and_shares_its_strings),
      in_scratch(test_a_discarded_writer_leaves_the_old_file),
      in_scratch(test_blank_lines_and_a_missing_last_newline_are_accepted),
      in_scratch(test_wrong_json_is_reported_with_line_and_byte),
      in_scratch(test_a_truncated_line_is_reported),
      in_scratch(test_a_line_of_something_else_is_reported),
      in_scratch(test_a_missing_member_is_reported),
      in_scratch(test_a_duplicate_member_is_reported),
      in_scratch(test_a_wrong_type_is_reported),
      in_scratch(test_chosen_out_of_range_is_reported),
      in_scratch(test_no_steps_and_no_candidates_are_reported),
      in_scratch(test_huge_numbers_are_reported),
      in_scratch(test_text_that_is_not_utf8_is_reported_with_its_byte),
      in_scratch(test_a_zero_byte_is_reported),
      in_scratch(test_an_empty_file_is_reported),
      in_scratch(test_a_missing_file_and_a_directory_are_reported),
  };

  return cmocka_run_group_tests_name("trajectories", tests, NULL, NULL);
}
