/* Options: strict scalars, all complaints of a mapping at once, the self check of a table, and tables as
 * text. */
#include "core/config/options.h"
#include "core/config/scalars.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

typedef struct {
  gboolean shuffle;
  gint64 epochs, offset;
  double learning_rate, any;
  char *label, *model, *note;
  gint schedule;
  char **splits, **tags;
} Options;

static const char *const schedules[] = {"constant", "linear", "cosine", NULL};
static const char *const splits[] = {"train", "dev", "test", NULL};

#define ROW(member, ...)                                                                                     \
  {                                                                                                          \
#member, .offset = offsetof(Options, member), __VA_ARGS__                                                \
  }

static const CwOption rows[] = {
    ROW(shuffle, .type = CW_OPTION_BOOLEAN, .default_value = "true", .help = "order of the data"),
    ROW(epochs, .type = CW_OPTION_INTEGER, .default_value = "3", .minimum = 1, .maximum = 1000,
        .unit = "passes", .flags = CW_OPTION_RESUME_SAFE, .help = "passes over the data"),
    ROW(offset, .type = CW_OPTION_INTEGER, .help = "any | integer"),
    ROW(learning_rate, .type = CW_OPTION_NUMBER, .default_value = "1e-4", .minimum = 0, .maximum = 1,
        .help = "step size"),
    ROW(any, .type = CW_OPTION_NUMBER, .minimum = 0, .maximum = G_MAXDOUBLE, .help = "any number from 0"),
    ROW(label, .type = CW_OPTION_STRING, .default_value = "", .help = "a label"),
    ROW(model, .type = CW_OPTION_PATH, .flags = CW_OPTION_REQUIRED, .help = "model folder"),
    ROW(note, .type = CW_OPTION_STRING, .help = "free text"),
    ROW(schedule, .type = CW_OPTION_ENUM, .default_value = "linear", .values = schedules,
        .help = "of the step size"),
    ROW(splits, .type = CW_OPTION_STRING_LIST, .default_value = "train, dev", .values = splits,
        .help = "splits"),
    ROW(tags, .type = CW_OPTION_STRING_LIST, .help = "anything"),
};

static const CwOptionTable table = {rows, G_N_ELEMENTS(rows), sizeof(Options)};

/* Fills from text; complaints through `complaints`, to be freed. */
static Options *fill(const char *text, char **complaints)
{
  static const char *const also_allowed[] = {"plugin", NULL};
  static const CwKnownKey elsewhere[] = {{"gamma", "algorithm 'ppo'"},
                                         {"episodes", "evaluate"},
                                         {"episodes", "generate"},
                                         {"episodes", "evaluate"}};
  CwDiagnostics *diagnostics = cw_diagnostics_new();
  CwYamlNode *root = cw_yaml_parse_text(text, "x.yaml", diagnostics);
  assert_non_null(root);
  CwOptionsScope scope = {.what = "algorithm 'bc'",
                          .place = root->place,
                          .also_allowed = also_allowed,
                          .elsewhere = elsewhere,
                          .n_elsewhere = G_N_ELEMENTS(elsewhere)};
  Options *options = cw_options_fill_in(&table, root, &scope, diagnostics);
  *complaints = cw_diagnostics_text(diagnostics);
  cw_diagnostics_free(diagnostics);
  cw_yaml_free(root);
  return options;
}

static void assert_complaints(const char *text, const char *expected)
{
  g_autofree char *complaints = NULL;
  Options *options = fill(text, &complaints);
  assert_string_equal(complaints, expected);
  cw_options_free(&table, options);
}

/* The complaint about `epochs: TEXT` or another key, without its prefix. */
static void assert_problem(const char *key, const char *value, const char *expected)
{
  g_autofree char *text = g_strdup_printf("model: m\n%s: %s\n", key, value);
  g_autofree char *line = expected ? g_strdup_printf("x.yaml:2:%zu: error: %s in algorithm 'bc' %s\n",
                                                     strlen(key) + 2 + (*value != '\0'), key, expected)
                                   : g_strdup("");
  assert_complaints(text, line);
}

static void test_absent_keys_have_their_defaults(void **state)
{
  (void)state;
  g_autofree char *complaints = NULL;
  Options *options = fill("model: m\nplugin: bc\n", &complaints);
  assert_string_equal(complaints, "");
  assert_true(options->shuffle);
  assert_int_equal(options->epochs, 3);
  assert_int_equal(options->offset, 0);
  assert_true(options->learning_rate == 1e-4);
  assert_string_equal(options->label, "");
  assert_string_equal(options->model, "m");
  assert_null(options->note);
  assert_int_equal(options->schedule, 1);
  assert_string_equal(options->splits[0], "train");
  assert_string_equal(options->splits[1], "dev");
  assert_null(options->splits[2]);
  assert_null(options->tags);
  cw_options_free(&table, options);
}

static void test_without_a_mapping_there_are_only_defaults_and_nothing_is_missing(void **state)
{
  (void)state;
  CwDiagnostics *diagnostics = cw_diagnostics_new();
  Options *options = cw_options_fill(&table, NULL, NULL, "algorithm 'bc'", diagnostics);
  assert_int_equal(cw_diagnostics_count(diagnostics), 0);
  assert_int_equal(options->epochs, 3);
  assert_null(options->model);
  cw_options_free(&table, options);
  cw_diagnostics_free(diagnostics);
}

static void test_every_type_is_read(void **state)
{
  (void)state;
  g_autofree char *complaints = NULL;
  Options *options =
      fill("{shuffle: false, epochs: +10, offset: -9223372036854775808, learning_rate: .5, any: 2E+3,\n"
           " label: 12, model: 'a b', note: \"\\u00e9\", schedule: \"cosine\", splits: test, tags: []}",
           &complaints);
  assert_string_equal(complaints, "");
  assert_false(options->shuffle);
  assert_int_equal(options->epochs, 10);
  assert_true(options->offset == G_MININT64);
  assert_true(options->learning_rate == 0.5);
  assert_true(options->any == 2000);
  assert_string_equal(options->label, "12");
  assert_string_equal(options->model, "a b");
  assert_string_equal(options->note, "é");
  assert_int_equal(options->schedule, 2);
  assert_string_equal(options->splits[0], "test");
  assert_null(options->splits[1]);
  assert_null(options->tags[0]);
  cw_options_free(&table, options);
}

static void test_integers_have_one_way_of_writing(void **state)
{
  (void)state;
  assert_problem("epochs", "1000", NULL);
  assert_problem("epochs", "010", "is '010'; expected an integer in plain decimal: write 10");
  assert_problem("epochs", "1_000", "is '1_000'; expected an integer in plain decimal: write 1000");
  assert_problem("epochs", "0x10", "is '0x10'; expected an integer in plain decimal: write 16");
  assert_problem("epochs", "0o17", "is '0o17'; expected an integer in plain decimal: write 15");
  assert_problem("offset", "-0b11", "is '-0b11'; expected an integer in plain decimal: write -3");
  assert_problem("epochs", "3.0", "is '3.0'; expected an integer in plain decimal: write 3");
  assert_problem("epochs", "3.5", "is '3.5'; expected an integer");
  assert_problem("epochs", "three", "is 'three'; expected an integer");
  assert_problem("epochs", "'3'", "is the string '3'; expected an integer: remove the quotes");
  assert_problem("epochs", "", "has no value; expected an integer");
  assert_problem("epochs", "null", "is null; expected an integer");
  assert_problem("epochs", "[3]", "is a list; expected an integer");
  assert_problem("epochs", "{a: 3}", "is a mapping; expected an integer");
  assert_problem("epochs", "0", "is 0, below its minimum 1");
  assert_problem("epochs", "1001", "is 1001, above its maximum 1000");
  assert_problem("offset", "9223372036854775807", NULL);
  assert_problem("offset", "9223372036854775808", "is '9223372036854775808', which does not fit in 64 bits");
}

static void test_numbers_must_be_finite_and_plain(void **state)
{
  (void)state;
  assert_problem("learning_rate", "1", NULL);
  assert_problem("learning_rate", "1e-300", NULL);
  assert_problem("learning_rate", "0.0", NULL);
  assert_problem("learning_rate", "5", "is 5, above its maximum 1");
  assert_problem("learning_rate", "-1e-9", "is -1e-9, below its minimum 0");
  assert_problem("any", "1e308", NULL);
  assert_problem("any", "-0.5", "is -0.5, below its minimum 0");
  assert_problem("any", ".nan", "is '.nan'; expected a finite number");
  assert_problem("any", "-.INF", "is '-.INF'; expected a finite number");
  assert_problem("any", "infinity", "is 'infinity'; expected a finite number");
  assert_problem("any", "1e999", "is '1e999', which is too large for a number");
  assert_problem("any", "1e-999", "is '1e-999', which is too small to tell from 0: write 0");
  assert_problem("any", "0e9", NULL);
  assert_problem("any", "0x1p3", "is '0x1p3'; expected a number");
  assert_problem("any", "1_000", "is '1_000'; expected a number in plain decimal: write 1000");
  assert_problem("any", "01.5", "is '01.5'; expected a number");
  assert_problem("any", "1e", "is '1e'; expected a number");
  assert_problem("any", "\"1\"", "is the string '1'; expected a number: remove the quotes");
}

static void test_booleans_are_true_or_false(void **state)
{
  (void)state;
  assert_problem("shuffle", "yes", "is 'yes'; expected true or false: write true");
  assert_problem("shuffle", "False", "is 'False'; expected true or false: write false");
  assert_problem("shuffle", "maybe", "is 'maybe'; expected true or false");
  assert_problem("shuffle", "'true'", "is the string 'true'; expected true or false: remove the quotes");
}

static void test_names_of_an_enumeration_are_suggested(void **state)
{
  (void)state;
  assert_problem("schedule", "linaer",
                 "is 'linaer'; expected one of constant, linear, cosine; did you mean 'linear'?");
  assert_problem("schedule", "exponential", "is 'exponential'; expected one of constant, linear, cosine");
}

static void test_strings_may_be_null_only_without_default(void **state)
{
  (void)state;
  assert_problem("note", "null", NULL);
  assert_problem("tags", "~", NULL);
  assert_problem("label", "null", "is null; expected a string");
  assert_problem("label", "'null'", NULL);
  assert_problem("note", "", "has no value; expected a string ('' for an empty one)");
  assert_complaints("model: ''\n", "x.yaml:1:8: error: model in algorithm 'bc' is empty; expected a path\n");
}

static void test_lists_are_checked_item_by_item(void **state)
{
  (void)state;
  assert_complaints(
      "model: m\nsplits: [train, tset, [dev]]\ntags: {a: b}\n",
      "x.yaml:2:17: error: splits in algorithm 'bc' is 'tset'; expected one of train, dev, test; did you "
      "mean 'test'?\n"
      "x.yaml:2:23: error: splits in algorithm 'bc': expected a list of strings, found a list in it\n"
      "x.yaml:3:7: error: tags in algorithm 'bc': expected a list of strings, found a mapping\n");
  assert_complaints("model: m\ntags: [a, '']\n",
                    "x.yaml:2:11: error: tags in algorithm 'bc' has an empty item; remove it\n");
}

static void test_all_complaints_come_in_one_run(void **state)
{
  (void)state;
  assert_complaints(
      "lerning_rate: 0.1\nepochs: many\ngamma: 0.9\nepisodes: 3\nzzz: 1\nplugni: x\nepochs: 2\n",
      "x.yaml:1:1: error: unknown key 'lerning_rate' in algorithm 'bc'; did you mean 'learning_rate'?\n"
      "x.yaml:1:1: error: missing key 'model' in algorithm 'bc': a path (model folder)\n"
      "x.yaml:2:9: error: epochs in algorithm 'bc' is 'many'; expected an integer\n"
      "x.yaml:3:1: error: misplaced key 'gamma' in algorithm 'bc'; it belongs to algorithm 'ppo'\n"
      "x.yaml:4:1: error: misplaced key 'episodes' in algorithm 'bc'; it belongs to evaluate or generate\n"
      "x.yaml:5:1: error: unknown key 'zzz' in algorithm 'bc'\n"
      "x.yaml:6:1: error: unknown key 'plugni' in algorithm 'bc'; did you mean 'plugin'?\n"
      "x.yaml:7:1: error: duplicate key 'epochs'; it was first given at x.yaml:2:1\n");
}

static void test_suggestions_are_near(void **state)
{
  (void)state;
  static const char *const words[] = {"learning_rate", "epochs", "beta", "seed", NULL};
  assert_string_equal(cw_suggest("laerning_rate", words), "learning_rate");
  assert_string_equal(cw_suggest("learning-rate", words), "learning_rate");
  assert_string_equal(cw_suggest("epoch", words), "epochs");
  assert_null(cw_suggest("bate", words));
  assert_string_equal(cw_suggest("sede", words), "seed");
  assert_null(cw_suggest("x", words));
  assert_null(cw_suggest("", words));
  assert_null(cw_suggest("temperature", words));
}

static void assert_self_check(CwOption row, gsize size, const char *expected)
{
  CwOptionTable tried = {&row, 1, size};
  g_autofree char *problem = cw_options_self_check(&tried);
  if (expected)
    assert_string_equal(problem, expected);
  else
    assert_null(problem);
}

static void test_a_good_table_passes_the_self_check(void **state)
{
  (void)state;
  assert_null(cw_options_self_check(&table));
  CwOptionTable empty = {NULL, 0, 0};
  assert_null(cw_options_self_check(&empty));
}

static void test_the_self_check_finds_what_is_wrong_with_a_row(void **state)
{
  (void)state;
  static const char *const twice[] = {"a", "b", "a", NULL}, *const none[] = {NULL};
  CwOption good = {"beta", CW_OPTION_NUMBER, 0, 0, "0.1", 0, 1, NULL, NULL, "strength"};
  CwOption row = good;
  assert_self_check(row, 8, NULL);
  row.name = "Beta";
  assert_self_check(row, 8, "option 0 is named 'Beta'; expected lower case letters, digits and _");
  row.name = NULL;
  assert_self_check(row, 8, "option 0 is named '(null)'; expected lower case letters, digits and _");
  row = good;
  row.type = 99;
  assert_self_check(row, 8, "option 'beta' has the unknown type 99");
  row = good;
  row.offset = 8;
  assert_self_check(row, 8, "option 'beta' reaches byte 16 of an options struct of 8 bytes");
  row.offset = 4;
  assert_self_check(row, 16, "option 'beta' has the offset 4, which is no multiple of its member's 8 bytes");
  row = good;
  row.flags = 64;
  assert_self_check(row, 8, "option 'beta' has the unknown flags 0x40");
  row = good;
  row.minimum = 2;
  assert_self_check(row, 8, "option 'beta' has the minimum 2 above its maximum 1");
  row = good;
  row.maximum = NAN;
  assert_self_check(row, 8, "option 'beta' has the minimum 0 above its maximum nan");
  row = good;
  row.default_value = "1.5";
  assert_self_check(row, 8, "option 'beta' has a default that is 1.5, above its maximum 1");
  row.default_value = NULL;
  row.minimum = 0.5;
  assert_self_check(row, 8, "option 'beta' has a default that is 0, below its minimum 0.5");
  row = good;
  row.flags = CW_OPTION_REQUIRED;
  assert_self_check(row, 8, "option 'beta' is required and yet has the default '0.1'");
  row = good;
  row.help = "";
  assert_self_check(row, 8, "option 'beta' has no help");
  row = good;
  row.values = twice;
  assert_self_check(row, 8, "option 'beta' has values, which only an enumeration or a list may have");
  CwOption choice = {"kind", CW_OPTION_ENUM, 0, 0, "b", 0, 0, NULL, NULL, "which"};
  assert_self_check(choice, 4, "option 'kind' is an enumeration without values");
  choice.values = twice;
  assert_self_check(choice, 4, "option 'kind' has the value 'a' twice");
  choice.values = none;
  assert_self_check(choice, 4, "option 'kind' has an empty list of values");
  choice.values = schedules;
  assert_self_check(choice, 4,
                    "option 'kind' has a default that is 'b'; expected one of constant, linear, cosine");
  choice.type = CW_OPTION_STRING_LIST;
  choice.default_value = "linear,cosin";
  assert_self_check(
      choice, 8,
      "option 'kind' has a default that is 'cosin'; expected one of constant, linear, cosine; did you "
      "mean 'cosine'?");
  choice.default_value = "linear";
  choice.maximum = 3;
  assert_self_check(choice, 8, "option 'kind' has a range, which only an integer or a number may have");
}

static void test_the_self_check_compares_rows(void **state)
{
  (void)state;
  CwOption pair[] = {{"a", CW_OPTION_NUMBER, 0, 0, NULL, 0, 0, NULL, NULL, "x"},
                     {"a", CW_OPTION_NUMBER, 8, 0, NULL, 0, 0, NULL, NULL, "x"}};
  CwOptionTable tried = {pair, 2, 16};
  g_autofree char *same_name = cw_options_self_check(&tried);
  assert_string_equal(same_name, "option 'a' occurs twice");
  pair[1].name = "b";
  pair[1].type = CW_OPTION_BOOLEAN;
  pair[1].offset = 4;
  g_autofree char *same_place = cw_options_self_check(&tried);
  assert_string_equal(same_place, "options 'a' and 'b' share the member at offset 4");
}

static void test_numbers_are_written_short_and_read_back_exactly(void **state)
{
  (void)state;
  static const struct {
    double value;
    const char *text;
  } cases[] = {
      {0, "0"},
      {1, "1"},
      {-1, "-1"},
      {0.1, "0.1"},
      {1e-4, "1e-4"},
      {0.001, "0.001"},
      {2.5e-5, "2.5e-5"},
      {123456, "123456"},
      {-0.25, "-0.25"},
      {1e15, "1000000000000000"},
      {1.5e16, "1.5e16"},
      {100.5, "100.5"},
      {5e-324, "5e-324"},
      {1e308, "1e308"},
      {0.1 + 0.2, "0.30000000000000004"},
      {1.0 / 3, "0.3333333333333333"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *text = cw_scalar_number_text(cases[i].value);
    assert_string_equal(text, cases[i].text);
    assert_true(g_ascii_strtod(text, NULL) == cases[i].value);
  }
}

static void test_values_as_text_read_back_as_the_same_values(void **state)
{
  (void)state;
  static const char *const texts[] = {"true",
                                      "7",
                                      "-4",
                                      "1e-7",
                                      "0.5",
                                      "\"\"",
                                      "../a/b.c",
                                      "\"a: \\\"b\\\"\\n\\\\\"",
                                      "cosine",
                                      "[test]",
                                      "[a, \"true\", \"1\", \"x y\", \"é\"]"};
  GString *yaml = g_string_new(NULL);
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
    g_string_append_printf(yaml, "%s: %s\n", rows[i].name, texts[i]);
  g_autofree char *complaints = NULL;
  Options *options = fill(yaml->str, &complaints);
  assert_string_equal(complaints, "");
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *text = cw_options_value_text(&rows[i], options);
    assert_string_equal(text, texts[i]);
  }
  assert_string_equal(options->note, "a: \"b\"\n\\");
  assert_string_equal(options->tags[1], "true");
  cw_options_free(&table, options);
  g_string_free(yaml, TRUE);
}

static void test_strings_that_yaml_would_read_otherwise_are_quoted(void **state)
{
  (void)state;
  static const char *const strings[] = {"null", "true", "no", "~",  "-",  "- a", "#x",   "a #b", "a:", "&a",
                                        "*a",   "!a",   "%a", "@a", "`a", "|",   ">",    "?",    "[a", "{a",
                                        "a,b",  "1",    ".5", "é",  " a", "a ",  "\x1b", "\t",   "\n", "---"};
  for (guint i = 0; i < G_N_ELEMENTS(strings); i++) {
    g_autofree char *quoted = cw_options_quote(strings[i]);
    assert_int_equal(quoted[0], '"');
    g_autofree char *text = g_strdup_printf("k: [%s]", quoted);
    CwDiagnostics *diagnostics = cw_diagnostics_new();
    CwYamlNode *root = cw_yaml_parse_text(text, "x.yaml", diagnostics);
    assert_int_equal(cw_diagnostics_count(diagnostics), 0);
    const CwYamlNode *item = g_ptr_array_index(cw_yaml_get(root, "k")->items, 0);
    assert_string_equal(item->scalar, strings[i]);
    cw_yaml_free(root);
    cw_diagnostics_free(diagnostics);
  }
}

static void test_help_is_an_aligned_table(void **state)
{
  (void)state;
  CwOptionTable some = {rows + 1, 4, sizeof(Options)};
  g_autofree char *help = cw_options_help(&some);
  assert_string_equal(help, "option         type     default  allowed           meaning\n"
                            "epochs         integer  3        1 to 1000 passes  passes over the data\n"
                            "offset         integer  0                          any | integer\n"
                            "learning_rate  number   1e-4     0 to 1            step size\n"
                            "any            number   0        at least 0        any number from 0\n");
  CwOptionTable empty = {NULL, 0, 0};
  g_autofree char *none = cw_options_help(&empty);
  assert_string_equal(none, "no options\n");
}

static void test_markdown_is_a_table(void **state)
{
  (void)state;
  CwOptionTable some = {rows + 1, 2, sizeof(Options)};
  g_autofree char *markdown = cw_options_markdown(&some);
  assert_string_equal(
      markdown,
      "| Option | Type | Default | Allowed | Meaning |\n|---|---|---|---|---|\n"
      "| `epochs` | integer | 3 | 1 to 1000 passes | passes over the data (may change on resume) |\n"
      "| `offset` | integer | 0 |  | any \\| integer |\n");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_absent_keys_have_their_defaults),
      cmocka_unit_test(test_without_a_mapping_there_are_only_defaults_and_nothing_is_missing),
      cmocka_unit_test(test_every_type_is_read),
      cmocka_unit_test(test_integers_have_one_way_of_writing),
      cmocka_unit_test(test_numbers_must_be_finite_and_plain),
      cmocka_unit_test(test_booleans_are_true_or_false),
      cmocka_unit_test(test_names_of_an_enumeration_are_suggested),
      cmocka_unit_test(test_strings_may_be_null_only_without_default),
      cmocka_unit_test(test_lists_are_checked_item_by_item),
      cmocka_unit_test(test_all_complaints_come_in_one_run),
      cmocka_unit_test(test_suggestions_are_near),
      cmocka_unit_test(test_a_good_table_passes_the_self_check),
      cmocka_unit_test(test_the_self_check_finds_what_is_wrong_with_a_row),
      cmocka_unit_test(test_the_self_check_compares_rows),
      cmocka_unit_test(test_numbers_are_written_short_and_read_back_exactly),
      cmocka_unit_test(test_values_as_text_read_back_as_the_same_values),
      cmocka_unit_test(test_strings_that_yaml_would_read_otherwise_are_quoted),
      cmocka_unit_test(test_help_is_an_aligned_table),
      cmocka_unit_test(test_markdown_is_a_table),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
