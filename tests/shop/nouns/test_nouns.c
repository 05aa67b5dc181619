/* The nouns of titles: tokens, tagging, noun sets and files of nouns. */
#include "envs/shop/nouns/nouns.h"
#include "envs/shop/nouns/title_tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cartwright/error.h>
#include <cmocka.h>
#include <glib/gstdio.h>
#include <jansson.h>

static void assert_tokens(const char *title, const char *expected)
{
  GArray *tokens = g_array_new(FALSE, FALSE, sizeof(ShopTitleToken));
  GString *joined = g_string_new(NULL);
  glong length;
  gunichar *text = g_utf8_to_ucs4_fast(title, -1, &length);
  shop_title_tokenize(text, (gsize)length, tokens);
  for (guint i = 0; i < tokens->len; i++) {
    const ShopTitleToken *token = &g_array_index(tokens, ShopTitleToken, i);
    char *piece = g_ucs4_to_utf8(text + token->start, token->length, NULL, NULL, NULL);
    g_string_append_printf(joined, "%s[%s]", i > 0 ? " " : "", piece);
    g_free(piece);
  }
  assert_string_equal(joined->str, expected);
  g_string_free(joined, TRUE);
  g_array_unref(tokens);
  g_free(text);
}

static void test_affixes_and_infixes_are_tokens(G_GNUC_UNUSED void **state)
{
  assert_tokens("", "");
  assert_tokens("Red/Blue T-Shirt (Large), 4-Pack",
                "[Red] [/] [Blue] [T] [-] [Shirt] [(] [Large] [)] [,] [4] [-] [Pack]");
  assert_tokens("3.5oz 12V-24V 50% 16GB 8x10 2*3",
                "[3.5] [oz] [12V-24V] [50] [%] [16] [GB] [8x10] [2] [*] [3]");
  assert_tokens("Black,Red Black,2 A&B x_y a|b", "[Black] [,] [Red] [Black,2] [A&B] [x_y] [a|b]");
  assert_tokens("Foo\xe2\x84\xa2, \xe2\x99\xa5 Bar...",
                "[Foo] [\xe2\x84\xa2] [,] [\xe2\x99\xa5] [Bar] [...]");
}

static void test_contractions_and_abbreviations_are_exceptions(G_GNUC_UNUSED void **state)
{
  assert_tokens("Women's don't DON'T Let's it's its",
                "[Women] ['s] [do] [n't] [DON'T] [Let] ['s] [it] ['s] [its]");
  assert_tokens("Dr. Oz U.S.A. No. w/o 10am x.Y", "[Dr.] [Oz] [U.S.A.] [No] [.] [w/o] [10] [am] [x.] [Y]");
  assert_tokens("(Pack of 8) and (8 )", "[(] [Pack] [of] [8)] [and] [(] [8] [)]");
  assert_tokens("www.shop.com/x a.Large cotton.Soft", "[www.shop.com/x] [a.] [Large] [cotton] [.] [Soft]");
}

static void test_white_space_beyond_one_blank_is_a_token(G_GNUC_UNUSED void **state)
{
  assert_tokens(" a  b c", "[ ] [a] [ ] [b] [c]");
}

static void assert_nouns(const char *title, const char *expected)
{
  GPtrArray *nouns = shop_nouns_tag(title);
  g_ptr_array_add(nouns, NULL);
  char *joined = g_strjoinv(" ", (char **)nouns->pdata);
  assert_string_equal(joined, expected);
  g_free(joined);
  g_ptr_array_unref(nouns);
}

static void test_tagger_finds_nouns(G_GNUC_UNUSED void **state)
{
  assert_nouns("", "");
  assert_nouns("-- 12, 5 & (3)", "");
  assert_nouns("gluten free chocolate cookies, 12 ounce (pack of 6)", "chocolate cookies ounce pack");
  assert_nouns("Coffee Table with Two Drawers and a Shelf - 40 Inch", "coffee table drawers shelf inch");
}

static void test_noun_sets_count_repetitions_and_share_members(void **state)
{
  static const char *const first[] = {"shoe", "red", "shoe", "lace"}, *const second[] = {"lace", "hat",
                                                                                         "shoe"};
  (void)state;
  ShopNounWords *words = shop_noun_words_new(NULL, 0);
  ShopNounSet *a = shop_noun_set_new(words, first, 4), *b = shop_noun_set_new(words, second, 3);
  ShopNounSet *none = shop_noun_set_new(words, NULL, 0);
  assert_int_equal(a->count, 4);
  assert_int_equal(a->n_numbers, 3);
  assert_int_equal(shop_noun_set_common(a, b), 2);
  assert_int_equal(shop_noun_set_common(a, none), 0);
  assert_int_equal(shop_noun_set_size(a), sizeof(ShopNounSet) + 3 * sizeof(guint32));
  g_free(a);
  g_free(b);
  g_free(none);
  shop_noun_words_free(words);
}

static void test_a_vocabulary_goes_on_where_the_stored_one_ended(G_GNUC_UNUSED void **state)
{
  ShopNounWords *words = shop_noun_words_new(NULL, 0);
  char noun[16];
  const char *const list[] = {noun};
  for (guint i = 0; i < 5000; i++) {
    g_snprintf(noun, sizeof noun, "noun%u", i);
    g_free(shop_noun_set_new(words, list, 1));
  }
  guint32 n;
  const guint64 *hashes = shop_noun_words_hashes(words, &n);
  assert_int_equal(n, 5000);
  ShopNounWords *again = shop_noun_words_new(hashes, n);
  for (guint i = 0; i < 5001; i += 100) {
    g_snprintf(noun, sizeof noun, "noun%u", i);
    ShopNounSet *set = shop_noun_set_new(again, list, 1);
    assert_int_equal(set->numbers[0], i);
    g_free(set);
  }
  shop_noun_words_free(words);
  shop_noun_words_free(again);
  shop_noun_words_free(NULL);
}

/* Writes `text` to a file and returns its path. */
static char *write_file(const char *text)
{
  char *path;
  int file = g_file_open_tmp("nouns-XXXXXX.json", &path, NULL);
  assert_true(file >= 0);
  g_close(file, NULL);
  assert_true(g_file_set_contents(path, text, -1, NULL));
  return path;
}

static void test_file_of_nouns_is_found_by_asin_then_title(G_GNUC_UNUSED void **state)
{
  char *path = write_file("{\"B000000001\": [\"shoe\", \"shoe\"], \"Red hat\": [\"hat\"], \"Odd\": []}");
  GError *error = NULL;
  ShopNounWords *words = shop_noun_words_new(NULL, 0);
  ShopNounFile *file = shop_noun_file_load(path, words, &error);
  assert_null(error);
  assert_int_equal(shop_noun_file_size(file), 3);
  assert_int_equal(shop_noun_file_lookup(file, "B000000001", "Red hat")->count, 2);
  assert_int_equal(shop_noun_file_lookup(file, "B000000002", "Red hat")->count, 1);
  assert_int_equal(shop_noun_file_lookup(file, "B000000002", "Odd")->count, 0);
  assert_null(shop_noun_file_lookup(file, "B000000002", "Blue hat"));
  shop_noun_file_free(file);
  shop_noun_file_free(NULL);
  shop_noun_words_free(words);
  g_remove(path);
  g_free(path);
}

static void assert_refused(const char *text, CwErrorCode code, const char *message)
{
  char *path = write_file(text);
  GError *error = NULL;
  ShopNounWords *words = shop_noun_words_new(NULL, 0);
  assert_null(shop_noun_file_load(path, words, &error));
  shop_noun_words_free(words);
  assert_true(g_error_matches(error, CW_ENVIRONMENT_ERROR, code));
  char *expected = g_strconcat(path, message, NULL);
  assert_string_equal(error->message, expected);
  g_free(expected);
  g_error_free(error);
  g_remove(path);
  g_free(path);
}

static void test_malformed_files_of_nouns_are_refused(G_GNUC_UNUSED void **state)
{
  assert_refused("[1]", CW_ERROR_FORMAT,
                 ": expected a JSON object; write {\"ASIN or title\": [\"noun\", ...], ...}");
  assert_refused("{\"A\": 1}", CW_ERROR_FORMAT,
                 ": entry \"A\": expected a list of nouns; write {\"ASIN or title\": [\"noun\", ...], ...}");
  assert_refused("{\"A\": [\"x\", 2]}", CW_ERROR_FORMAT,
                 ": entry \"A\": element 2 is not a string; write the noun in quotes");
  assert_refused("{\"A\": [\"x\"],\n \"A\": []}", CW_ERROR_FORMAT,
                 ":2:4: not JSON: duplicate object key near '\"A\"'; expected {\"ASIN or title\": [\"noun\", "
                 "...], ...}");
  GError *error = NULL;
  ShopNounWords *words = shop_noun_words_new(NULL, 0);
  assert_null(shop_noun_file_load("/nonexistent/nouns.json", words, &error));
  assert_true(g_error_matches(error, CW_ENVIRONMENT_ERROR, CW_ERROR_INPUT_OUTPUT));
  assert_string_equal(
      error->message,
      "Failed to open file \xe2\x80\x9c/nonexistent/nouns.json\xe2\x80\x9d: No such file or directory; "
      "give a file of nouns, or none to use the built-in tagger");
  g_error_free(error);
  shop_noun_words_free(words);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_affixes_and_infixes_are_tokens),
      cmocka_unit_test(test_contractions_and_abbreviations_are_exceptions),
      cmocka_unit_test(test_white_space_beyond_one_blank_is_a_token),
      cmocka_unit_test(test_tagger_finds_nouns),
      cmocka_unit_test(test_noun_sets_count_repetitions_and_share_members),
      cmocka_unit_test(test_a_vocabulary_goes_on_where_the_stored_one_ended),
      cmocka_unit_test(test_file_of_nouns_is_found_by_asin_then_title),
      cmocka_unit_test(test_malformed_files_of_nouns_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
