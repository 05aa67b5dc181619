/* The YAML reader: what it accepts, where it says things are, and the whole message of everything it refuses.
 */
#include "core/config/yaml.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Parses and returns all complaints; the tree, if wanted, through `root`. */
static char *complaints_of(const char *text, CwYamlNode **root)
{
  CwDiagnostics *diagnostics = cw_diagnostics_new();
  CwYamlNode *tree = cw_yaml_parse_text(text, "x.yaml", diagnostics);
  char *complaints = cw_diagnostics_text(diagnostics);
  cw_diagnostics_free(diagnostics);
  if (root)
    *root = tree;
  else
    cw_yaml_free(tree);
  return complaints;
}

static void assert_complaints(const char *text, const char *expected)
{
  g_autofree char *found = complaints_of(text, NULL);
  assert_string_equal(found, expected);
}

static CwYamlNode *parse(const char *text)
{
  CwYamlNode *root = NULL;
  g_autofree char *complaints = complaints_of(text, &root);
  assert_string_equal(complaints, "");
  assert_non_null(root);
  return root;
}

static void assert_place(CwPlace place, guint line, guint column)
{
  assert_string_equal(place.file, "x.yaml");
  assert_int_equal(place.line, line);
  assert_int_equal(place.column, column);
}

static void test_every_node_knows_its_line_and_column(void **state)
{
  (void)state;
  CwYamlNode *root =
      parse("# a comment\nname: é\nstages:\n  - {a: 'x', b: [1, 2]}\n  - c: |\n      two\n      lines\n");
  assert_int_equal(root->kind, CW_YAML_MAPPING);
  assert_place(cw_yaml_get(root, "name")->place, 2, 7);
  assert_place(cw_yaml_get_pair(root, "stages")->place, 3, 1);
  const CwYamlNode *stages = cw_yaml_get(root, "stages");
  assert_int_equal(stages->kind, CW_YAML_SEQUENCE);
  assert_int_equal(stages->items->len, 2);
  const CwYamlNode *first = g_ptr_array_index(stages->items, 0),
                   *second = g_ptr_array_index(stages->items, 1);
  assert_place(first->place, 4, 5);
  assert_true(cw_yaml_get(first, "a")->quoted);
  const CwYamlNode *list = cw_yaml_get(first, "b");
  const CwYamlNode *item = g_ptr_array_index(list->items, 1);
  assert_string_equal(item->scalar, "2");
  assert_false(item->quoted);
  assert_place(item->place, 4, 21);
  assert_string_equal(cw_yaml_get(second, "c")->scalar, "two\nlines\n");
  assert_true(cw_yaml_get(second, "c")->quoted);
  assert_null(cw_yaml_get(root, "absent"));
  assert_null(cw_yaml_get(stages, "absent"));
  cw_yaml_free(root);
}

static void test_a_byte_order_mark_and_a_document_start_are_accepted(void **state)
{
  (void)state;
  CwYamlNode *root = parse("\xef\xbb\xbf---\nname: x\n...\n");
  assert_string_equal(cw_yaml_get(root, "name")->scalar, "x");
  cw_yaml_free(root);
}

static void test_a_duplicate_key_is_refused_and_keeps_the_first_value(void **state)
{
  (void)state;
  CwYamlNode *root = NULL;
  g_autofree char *complaints = complaints_of("seed: 1\nname: x\nseed: 2\n", &root);
  assert_string_equal(complaints,
                      "x.yaml:3:1: error: duplicate key 'seed'; it was first given at x.yaml:1:1\n");
  assert_string_equal(cw_yaml_get(root, "seed")->scalar, "1");
  cw_yaml_free(root);
}

static void test_anchors_aliases_and_tags_are_refused_all_at_once(void **state)
{
  (void)state;
  CwYamlNode *root = NULL;
  g_autofree char *complaints = complaints_of("a: &here 1\nb: *here\nc: !!int 3\nd: &m {e: !x []}\n", &root);
  assert_string_equal(
      complaints,
      "x.yaml:1:4: error: anchor '&here' is not supported; write the value out where it is needed\n"
      "x.yaml:2:4: error: alias '*here' is not supported; write the value out here\n"
      "x.yaml:3:4: error: tag 'tag:yaml.org,2002:int' is not supported; remove it\n"
      "x.yaml:4:4: error: anchor '&m' is not supported; write the value out where it is needed\n"
      "x.yaml:4:11: error: tag '!x' is not supported; remove it\n");
  assert_true(cw_yaml_get(root, "b")->faulty);
  cw_yaml_free(root);
}

static void test_several_documents_are_refused(void **state)
{
  (void)state;
  assert_complaints("a: 1\n---\nb: 2\n",
                    "x.yaml:2:1: error: a second YAML document; write one document per file\n");
}

static void test_keys_must_be_words(void **state)
{
  (void)state;
  assert_complaints("? [a, b]\n: 1\n? {c: d}\n: 2\n'': 3\n",
                    "x.yaml:1:3: error: a key must be a word, found a list\n"
                    "x.yaml:3:3: error: a key must be a word, found a mapping\n"
                    "x.yaml:5:1: error: a key is missing before the ':'\n");
}

static void test_an_empty_text_is_refused(void **state)
{
  (void)state;
  const char *expected = "x.yaml: error: there is no YAML in it; expected a mapping of keys to values\n";
  assert_complaints("", expected);
  assert_complaints("# only a comment\n\n", expected);
}

static void test_syntax_errors_say_where_and_what(void **state)
{
  (void)state;
  assert_complaints("a: [1, 2\nb: 3\n",
                    "x.yaml:2:2: error: YAML syntax: did not find expected ',' or ']' while parsing "
                    "a flow sequence that starts at line 1, column 4\n");
  assert_complaints("a:\n\tb: 1\n",
                    "x.yaml:2:1: error: YAML syntax: found character that cannot start any token while "
                    "scanning for the next token; this is a tab: indent with spaces\n");
  assert_complaints("a: @b\n",
                    "x.yaml:1:4: error: YAML syntax: found character that cannot start any token while "
                    "scanning for the next token; put quotes around a value that starts with '@'\n");
  assert_complaints("a: b: c\n",
                    "x.yaml:1:5: error: YAML syntax: mapping values are not allowed in this context\n");
  assert_complaints("a: 'open\n",
                    "x.yaml:2:1: error: YAML syntax: found unexpected end of stream while scanning a "
                    "quoted scalar that starts at line 1, column 4\n");
}

static void test_bytes_that_are_not_text_are_refused_by_place(void **state)
{
  (void)state;
  assert_complaints("a: 1\nb: \xc3\x28\n",
                    "x.yaml:2:4: error: byte 0xc3 at offset 8 is not valid UTF-8; save the file as UTF-8\n");
  assert_complaints("a: 1\r\né: \x07\n",
                    "x.yaml:2:4: error: the character U+0007 is not allowed in YAML; remove it\n");
  assert_complaints("a: \"x\\0y\"\n", "x.yaml:1:4: error: the value contains a NUL character; remove it\n");
}

static void test_depth_is_bounded(void **state)
{
  (void)state;
  GString *text = g_string_new("a: ");
  for (int i = 0; i < 63; i++)
    g_string_append_c(text, '[');
  for (int i = 0; i < 63; i++)
    g_string_append_c(text, ']');
  cw_yaml_free(parse(text->str));
  g_string_insert_c(text, 3, '[');
  g_string_append_c(text, ']');
  assert_complaints(text->str, "x.yaml:1:67: error: nested more than 64 levels deep\n");
  g_string_free(text, TRUE);
}

static void test_the_number_of_nodes_is_bounded(void **state)
{
  (void)state;
  GString *text = g_string_new("- 0\n");
  for (int i = 1; i < 99999; i++)
    g_string_append(text, "- 0\n");
  cw_yaml_free(parse(text->str));
  g_string_append(text, "- 0\n");
  assert_complaints(
      text->str,
      "x.yaml:100000:3: error: more than 100000 keys and values; a configuration is never that large\n");
  g_string_free(text, TRUE);
}

static void test_a_file_that_cannot_be_read_is_named(void **state)
{
  (void)state;
  CwDiagnostics *diagnostics = cw_diagnostics_new();
  assert_null(cw_yaml_parse_file("does-not-exist.yaml", diagnostics));
  assert_null(cw_yaml_parse_file("/", diagnostics));
  g_autofree char *complaints = cw_diagnostics_text(diagnostics);
  assert_string_equal(complaints, "/: error: cannot be read: Is a directory\n"
                                  "does-not-exist.yaml: error: cannot be read: No such file or directory\n");
  cw_diagnostics_free(diagnostics);
}

static void test_set_replaces_adds_and_reaches_into_lists(void **state)
{
  (void)state;
  CwYamlNode *root = parse("seed: 1\nstages:\n  - a: 1\n  - b: 2\nevaluate:\n");
  CwDiagnostics *diagnostics = cw_diagnostics_new();
  assert_true(cw_yaml_set(root, "seed=7", 1, diagnostics));
  assert_true(cw_yaml_set(root, "stages.1.b='x=y'", 2, diagnostics));
  assert_true(cw_yaml_set(root, "evaluate.agents=[random, final]", 3, diagnostics));
  assert_true(cw_yaml_set(root, "policy.head.width=3", 4, diagnostics));
  assert_true(cw_yaml_set(root, "stages.0={c: 4}", 5, diagnostics));
  assert_int_equal(cw_diagnostics_count(diagnostics), 0);
  assert_string_equal(cw_yaml_get(root, "seed")->scalar, "7");
  assert_string_equal(cw_yaml_get(root, "seed")->place.file, "<command line>: --set #1");
  assert_int_equal(cw_yaml_get(root, "seed")->place.line, 0);
  assert_int_equal(cw_yaml_get_pair(root, "seed")->place.line, 1);
  const CwYamlNode *stages = cw_yaml_get(root, "stages");
  const CwYamlNode *first = g_ptr_array_index(stages->items, 0),
                   *second = g_ptr_array_index(stages->items, 1);
  assert_string_equal(cw_yaml_get(second, "b")->scalar, "x=y");
  assert_true(cw_yaml_get(second, "b")->quoted);
  assert_string_equal(cw_yaml_get(first, "c")->scalar, "4");
  assert_null(cw_yaml_get(first, "a"));
  const CwYamlNode *agents = cw_yaml_get(cw_yaml_get(root, "evaluate"), "agents");
  assert_int_equal(agents->items->len, 2);
  const CwYamlNode *width = cw_yaml_get(cw_yaml_get(cw_yaml_get(root, "policy"), "head"), "width");
  assert_string_equal(width->scalar, "3");
  assert_string_equal(width->place.file, "<command line>: --set #4");
  cw_diagnostics_free(diagnostics);
  cw_yaml_free(root);
}

static void test_set_refuses_what_it_cannot_apply_and_changes_nothing(void **state)
{
  (void)state;
  static const char *const assignments[] = {
      "seed",           "=3",    "a..b=1",  "seed.x=1",       "stages.2.a=1",
      "stages.one.a=1", "seed=", "seed=[1", "stages.0.a.b=1", "seed=1\n---\n2",
  };
  CwYamlNode *root = parse("seed: 1\nstages:\n  - a: 1\n  - b: 2\n");
  CwDiagnostics *diagnostics = cw_diagnostics_new();
  for (guint i = 0; i < G_N_ELEMENTS(assignments); i++)
    assert_false(cw_yaml_set(root, assignments[i], i, diagnostics));
  g_autofree char *complaints = cw_diagnostics_text(diagnostics);
  assert_string_equal(
      complaints,
      "<command line>: --set #0: error: expected KEY=VALUE such as stages.0.epochs=3, found 'seed'\n"
      "<command line>: --set #1: error: expected KEY=VALUE such as stages.0.epochs=3, found '=3'\n"
      "<command line>: --set #2: error: the key in 'a..b=1' has an empty part\n"
      "<command line>: --set #3: error: 'seed' is a single value; it has no 'x' to set\n"
      "<command line>: --set #4: error: 'stages' has 2 items; there is no item 2 (they count from 0)\n"
      "<command line>: --set #5: error: 'stages' is a list; expected the number of an item (from 0), found "
      "'one'\n"
      "<command line>: --set #6: error: no value after '='; for an empty string write seed=''\n"
      "<command line>: --set #7: error: YAML syntax: did not find expected ',' or ']' while parsing a flow "
      "sequence\n"
      "<command line>: --set #8: error: 'stages.0.a' is a single value; it has no 'b' to set\n"
      "<command line>: --set #9: error: a second YAML document; write one document per file\n");
  assert_string_equal(cw_yaml_get(root, "seed")->scalar, "1");
  assert_int_equal(root->items->len, 2);
  cw_diagnostics_free(diagnostics);
  cw_yaml_free(root);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_node_knows_its_line_and_column),
      cmocka_unit_test(test_a_byte_order_mark_and_a_document_start_are_accepted),
      cmocka_unit_test(test_a_duplicate_key_is_refused_and_keeps_the_first_value),
      cmocka_unit_test(test_anchors_aliases_and_tags_are_refused_all_at_once),
      cmocka_unit_test(test_several_documents_are_refused),
      cmocka_unit_test(test_keys_must_be_words),
      cmocka_unit_test(test_an_empty_text_is_refused),
      cmocka_unit_test(test_syntax_errors_say_where_and_what),
      cmocka_unit_test(test_bytes_that_are_not_text_are_refused_by_place),
      cmocka_unit_test(test_depth_is_bounded),
      cmocka_unit_test(test_the_number_of_nodes_is_bounded),
      cmocka_unit_test(test_a_file_that_cannot_be_read_is_named),
      cmocka_unit_test(test_set_replaces_adds_and_reaches_into_lists),
      cmocka_unit_test(test_set_refuses_what_it_cannot_apply_and_changes_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
