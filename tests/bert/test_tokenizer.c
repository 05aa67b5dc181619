/* WordPiece against the ids that HuggingFace's BertTokenizer gave (data/tokenizer.json), and bad
 * vocabularies. */
#include "folder.h"

#include <jansson.h>

#include "models/bert/tokenizer.h"

#define DATA TEST_SOURCE_DIRECTORY "/tests/bert/data"

static const char *const standard = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";

/* A tokenizer on the test vocabulary, with these settings in tokenizer_config.json. */
static BertTokenizer *open_with(const char *folder, json_t *settings)
{
  char *vocabulary;
  gsize length;
  assert_true(g_file_get_contents(DATA "/vocab.txt", &vocabulary, &length, NULL));
  g_free(folder_write(folder, "vocab.txt", vocabulary, (gssize)length));
  g_free(vocabulary);
  char *text = json_dumps(settings, 0);
  char *file = folder_write(folder, "tokenizer_config.json", text, -1);
  free(text);
  if (json_object_size(settings) == 0) {
    g_unlink(file);
  }
  g_free(file);
  BertTokenizer *tokenizer = bert_tokenizer_open(folder, NULL);
  assert_non_null(tokenizer);
  return tokenizer;
}

static json_t *load_cases(void)
{
  json_t *root = json_load_file(DATA "/tokenizer.json", 0, NULL);
  assert_non_null(root);
  return root;
}

/* Fails with the text and both lists of ids. */
static void assert_ids(const json_t *expected, const GArray *ids, const char *text)
{
  gboolean same = json_array_size(expected) == ids->len;
  for (guint i = 0; same && i < ids->len; i++) {
    same = json_integer_value(json_array_get(expected, i)) == g_array_index(ids, guint32, i);
  }
  if (!same) {
    GString *found = g_string_new(NULL);
    for (guint i = 0; i < ids->len; i++) {
      g_string_append_printf(found, "%s%u", i > 0 ? ", " : "", g_array_index(ids, guint32, i));
    }
    char *wanted = json_dumps(expected, 0);
    print_error("text '%s'\nexpected %s\nfound    [%s]\n", text, wanted, found->str);
    fail();
  }
}

static void test_ids_are_huggingfaces(void **state)
{
  json_t *root = load_cases(), *group, *item;
  gsize g, c, n_cases = 0;
  GArray *ids = g_array_new(FALSE, FALSE, sizeof(guint32));
  json_array_foreach(json_object_get(root, "groups"), g, group)
  {
    BertTokenizer *tokenizer = open_with(*state, json_object_get(group, "settings"));
    json_array_foreach(json_object_get(group, "cases"), c, item)
    {
      const char *text = json_string_value(json_object_get(item, "text"));
      const json_t *most = json_object_get(item, "max_tokens");
      gboolean right = g_strcmp0(json_string_value(json_object_get(item, "side")), "right") == 0;
      g_array_set_size(ids, 0);
      guint n = bert_tokenizer_encode(tokenizer, text, most ? (guint)json_integer_value(most) : G_MAXUINT,
                                      right ? BERT_TRUNCATE_RIGHT : BERT_TRUNCATE_LEFT, ids);
      assert_int_equal(n, ids->len);
      assert_ids(json_object_get(item, "ids"), ids, text);
      n_cases++;
    }
    bert_tokenizer_free(tokenizer);
  }
  assert_true(n_cases > 1000);
  g_array_free(ids, TRUE);
  json_decref(root);
}

static void test_normalised_text_is_pythons(void **state)
{
  (void)state;
  json_t *root = load_cases(), *item;
  gsize i;
  GString *out = g_string_new("left over");
  json_array_foreach(json_object_get(root, "normalised"), i, item)
  {
    bert_normalise_text(json_string_value(json_object_get(item, "text")), out);
    assert_string_equal(out->str, json_string_value(json_object_get(item, "normalised")));
    assert_int_equal(out->len, strlen(out->str));
  }
  assert_true(i > 100);
  g_string_free(out, TRUE);
  json_decref(root);
}

static void test_ids_are_appended_to_what_is_there(void **state)
{
  json_t *settings = json_object();
  BertTokenizer *tokenizer = open_with(*state, settings);
  GArray *ids = g_array_new(FALSE, FALSE, sizeof(guint32));
  guint32 before[] = {7, 8};
  g_array_append_vals(ids, before, 2);
  assert_int_equal(bert_tokenizer_encode(tokenizer, "the red shirt", 4, BERT_TRUNCATE_LEFT, ids), 4);
  assert_int_equal(ids->len, 6);
  assert_int_equal(g_array_index(ids, guint32, 1), 8);
  assert_string_equal(bert_tokenizer_token(tokenizer, g_array_index(ids, guint32, 2)), "[CLS]");
  assert_string_equal(bert_tokenizer_token(tokenizer, g_array_index(ids, guint32, 3)), "red");
  assert_string_equal(bert_tokenizer_token(tokenizer, g_array_index(ids, guint32, 5)), "[SEP]");
  g_array_free(ids, TRUE);
  bert_tokenizer_free(tokenizer);
  json_decref(settings);
}

static void test_bytes_that_are_not_utf8_are_dropped(void **state)
{
  json_t *settings = json_object();
  BertTokenizer *tokenizer = open_with(*state, settings);
  GArray *good = g_array_new(FALSE, FALSE, sizeof(guint32)),
         *bad = g_array_new(FALSE, FALSE, sizeof(guint32));
  bert_tokenizer_encode(tokenizer, "red shirt e\xcc\x81", 99, BERT_TRUNCATE_LEFT, good);
  bert_tokenizer_encode(tokenizer,
                        "r\xff"
                        "ed\xc3 \xed\xa0\x80shirt \x80"
                        "e\xcc\x81\xf0\x9f",
                        99, BERT_TRUNCATE_LEFT, bad);
  assert_int_equal(good->len, bad->len);
  assert_memory_equal(good->data, bad->data, good->len * sizeof(guint32));
  g_array_free(good, TRUE);
  g_array_free(bad, TRUE);
  bert_tokenizer_free(tokenizer);
  json_decref(settings);
  GString *out = g_string_new(NULL);
  bert_normalise_text("\xff\xff\xffX\xc3", out);
  assert_string_equal(out->str, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx\xef\xbf\xbd");
  g_string_free(out, TRUE);
}

static void test_a_run_longer_than_its_limit_is_taken_in_parts(void **state)
{
  json_t *settings = json_object();
  BertTokenizer *tokenizer = open_with(*state, settings);
  GString *text = g_string_new(NULL);
  guint n_ideographs = 500000; /* 1.5 MB without a single ASCII character */
  for (guint i = 0; i < n_ideographs; i++) {
    g_string_append(text, "\xe4\xb8\xad");
  }
  GArray *ids = g_array_new(FALSE, FALSE, sizeof(guint32));
  assert_int_equal(bert_tokenizer_encode(tokenizer, text->str, G_MAXUINT, BERT_TRUNCATE_LEFT, ids),
                   n_ideographs + 2);
  guint32 expected;
  assert_true(bert_tokenizer_id(tokenizer, "\xe4\xb8\xad", &expected));
  for (guint i = 1; i <= n_ideographs; i++) {
    assert_int_equal(g_array_index(ids, guint32, i), expected);
  }
  g_array_free(ids, TRUE);
  g_string_free(text, TRUE);
  bert_tokenizer_free(tokenizer);
  json_decref(settings);
}

static void test_extra_tokens_follow_the_vocabulary_unless_it_has_them(void **state)
{
  char *text = g_strconcat(standard, "[clicked button]\nx\n", NULL);
  g_free(folder_write(*state, "vocab.txt", text, -1));
  BertTokenizer *tokenizer = bert_tokenizer_open(*state, NULL);
  assert_non_null(tokenizer);
  assert_int_equal(bert_tokenizer_vocabulary_size(tokenizer), 7);
  assert_int_equal(bert_tokenizer_n_tokens(tokenizer), 10);
  static const char *const expected[] = {"[PAD]",     "[UNK]",
                                         "[CLS]",     "[SEP]",
                                         "[MASK]",    "[clicked button]",
                                         "x",         "[button]",
                                         "[button_]", "[clicked button_]",
                                         NULL};
  for (guint32 i = 0; i <= 10; i++) {
    guint32 id;
    if (!expected[i]) {
      assert_null(bert_tokenizer_token(tokenizer, i));
      continue;
    }
    assert_string_equal(bert_tokenizer_token(tokenizer, i), expected[i]);
    assert_true(bert_tokenizer_id(tokenizer, expected[i], &id));
    assert_int_equal(id, i);
  }
  assert_false(bert_tokenizer_id(tokenizer, "y", &(guint32){0}));
  GArray *ids = g_array_new(FALSE, FALSE, sizeof(guint32));
  bert_tokenizer_encode(tokenizer, "[clicked button]x[clicked button_] xx", 99, BERT_TRUNCATE_LEFT, ids);
  assert_memory_equal(ids->data, ((guint32[]){2, 5, 6, 9, 1, 3}), 6 * sizeof(guint32));
  g_array_free(ids, TRUE);
  bert_tokenizer_free(tokenizer);
  g_free(text);
}

static void test_written_tokenizer_opens_again_the_same(void **state)
{
  json_t *settings = json_pack("{s:b}", "do_lower_case", 0);
  BertTokenizer *tokenizer = open_with(*state, settings);
  char *folder = g_dir_make_tmp("cartwright-bert-XXXXXX", NULL);
  assert_true(bert_tokenizer_write(tokenizer, folder, NULL));
  char *file = g_build_filename(folder, "vocab.txt", NULL), *original, *copy;
  gsize original_length, copy_length;
  assert_true(g_file_get_contents(DATA "/vocab.txt", &original, &original_length, NULL));
  assert_true(g_file_get_contents(file, &copy, &copy_length, NULL));
  assert_int_equal(original_length, copy_length);
  assert_memory_equal(original, copy, copy_length);
  BertTokenizer *again = bert_tokenizer_open(folder, NULL);
  assert_non_null(again);
  assert_int_equal(bert_tokenizer_n_tokens(again), bert_tokenizer_n_tokens(tokenizer));
  GArray *first = g_array_new(FALSE, FALSE, sizeof(guint32)),
         *second = g_array_new(FALSE, FALSE, sizeof(guint32));
  bert_tokenizer_encode(tokenizer, "A Caf\xc3\xa9 [button]", 99, BERT_TRUNCATE_LEFT, first);
  bert_tokenizer_encode(again, "A Caf\xc3\xa9 [button]", 99, BERT_TRUNCATE_LEFT, second);
  assert_int_equal(first->len, second->len);
  assert_memory_equal(first->data, second->data, first->len * sizeof(guint32));
  g_array_free(first, TRUE);
  g_array_free(second, TRUE);
  bert_tokenizer_free(again);
  bert_tokenizer_free(tokenizer);
  void *to_remove = folder;
  folder_remove(&to_remove);
  g_free(original);
  g_free(copy);
  g_free(file);
  json_decref(settings);
}

static void expect_bad_vocabulary(const char *folder, const char *content, gssize length, const char *message)
{
  char *file = folder_write(folder, "vocab.txt", content, length);
  GError *error = NULL;
  assert_null(bert_tokenizer_open(folder, &error));
  assert_message(&error, file, message);
  g_free(file);
}

static void test_bad_vocabularies_are_refused(void **state)
{
  expect_bad_vocabulary(*state, "", -1, "%s: the vocabulary is empty; expected one token per line");
  expect_bad_vocabulary(*state, "[PAD]\n[UNK]\na\nb\na\n", -1,
                        "%s:5: token 'a' is already on line 3; every token must be listed once");
  expect_bad_vocabulary(*state, "[PAD]\n\n[UNK]\n", -1, "%s:2: empty line; expected one token per line");
  expect_bad_vocabulary(*state, "[PAD]\r\n\r\n[UNK]\n", -1, "%s:2: empty line; expected one token per line");
  expect_bad_vocabulary(
      *state, "[PAD]\n[UNK]\na\xffz\n", -1,
      "%s:3: byte 0xff is not UTF-8 or is NUL; a vocabulary is UTF-8 text with one token per line");
  expect_bad_vocabulary(
      *state, "[PAD]\na\0b\n", 10,
      "%s:2: byte 0x00 is not UTF-8 or is NUL; a vocabulary is UTF-8 text with one token per line");
  expect_bad_vocabulary(
      *state, "[UNK]\n[CLS]\n[SEP]\n", -1,
      "%s: token '[PAD]' is missing among 3 tokens; a BERT vocabulary lists [PAD], [UNK], [CLS] and "
      "[SEP]");
  expect_bad_vocabulary(
      *state, "[PAD]\n[UNK]\n[CLS]\n[sep]\n", -1,
      "%s: token '[SEP]' is missing among 4 tokens; a BERT vocabulary lists [PAD], [UNK], [CLS] and "
      "[SEP]");
  char *file = g_build_filename(*state, "vocab.txt", NULL);
  g_unlink(file);
  GError *error = NULL;
  assert_null(bert_tokenizer_open(*state, &error));
  assert_message(&error, file,
                 "%s: no such file; a model folder has config.json, vocab.txt and model.safetensors");
  g_free(file);
}

static void test_a_vocabulary_may_end_its_lines_as_windows_does(void **state)
{
  g_free(folder_write(*state, "vocab.txt", "[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\nred", -1));
  BertTokenizer *tokenizer = bert_tokenizer_open(*state, NULL);
  assert_non_null(tokenizer);
  assert_string_equal(bert_tokenizer_token(tokenizer, 4), "red");
  assert_string_equal(bert_tokenizer_token(tokenizer, 3), "[SEP]");
  bert_tokenizer_free(tokenizer);
}

static void test_bad_settings_are_refused(void **state)
{
  g_free(folder_write(*state, "vocab.txt", standard, -1));
  char *file = folder_write(*state, "tokenizer_config.json", "{\"do_lower_case\": \"yes\"}", -1);
  GError *error = NULL;
  assert_null(bert_tokenizer_open(*state, &error));
  assert_message(&error, file, "%s: key 'do_lower_case': expected true or false");
  g_free(file);
  file = folder_write(*state, "tokenizer_config.json", "{", -1);
  assert_null(bert_tokenizer_open(*state, &error));
  assert_message(&error, file, "%s:1:1: not valid JSON: string or '}' expected near end of file");
  g_unlink(file);
  g_free(file);
}

/* One thread's share of the work on a tokenizer that others use too. */
static gpointer encode_often(gpointer data)
{
  GArray *ids = g_array_new(FALSE, FALSE, sizeof(guint32));
  guint total = 0;
  for (guint i = 0; i < 2000; i++) {
    g_array_set_size(ids, 0);
    total += bert_tokenizer_encode(data, "The caf\xc3\xa9 [button] \xe4\xb8\xad\xe6\x96\x87 unbuyable", 8,
                                   BERT_TRUNCATE_LEFT, ids);
  }
  g_array_free(ids, TRUE);
  return GUINT_TO_POINTER(total);
}

static void test_threads_may_share_a_tokenizer(void **state)
{
  json_t *settings = json_object();
  BertTokenizer *tokenizer = open_with(*state, settings);
  GThread *threads[4];
  for (guint i = 0; i < 4; i++) {
    threads[i] = g_thread_new("encode", encode_often, tokenizer);
  }
  for (guint i = 0; i < 4; i++) {
    assert_int_equal(GPOINTER_TO_UINT(g_thread_join(threads[i])), 2000 * 8);
  }
  bert_tokenizer_free(tokenizer);
  json_decref(settings);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_ids_are_huggingfaces),
      cmocka_unit_test(test_normalised_text_is_pythons),
      cmocka_unit_test(test_ids_are_appended_to_what_is_there),
      cmocka_unit_test(test_bytes_that_are_not_utf8_are_dropped),
      cmocka_unit_test(test_a_run_longer_than_its_limit_is_taken_in_parts),
      cmocka_unit_test(test_extra_tokens_follow_the_vocabulary_unless_it_has_them),
      cmocka_unit_test(test_written_tokenizer_opens_again_the_same),
      cmocka_unit_test(test_bad_vocabularies_are_refused),
      cmocka_unit_test(test_a_vocabulary_may_end_its_lines_as_windows_does),
      cmocka_unit_test(test_bad_settings_are_refused),
      cmocka_unit_test(test_threads_may_share_a_tokenizer),
  };
  return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
