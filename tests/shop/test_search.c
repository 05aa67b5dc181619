/* Search: analysis, scoring and ties on small cases. */
#include "envs/shop/analyzer.h"
#include "envs/shop/search.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static void append_term(const char *term, gsize length, gpointer user_data)
{
  GString *terms = user_data;
  if (terms->len > 0)
    g_string_append_c(terms, '|');
  g_string_append_len(terms, term, (gssize)length);
}

static void assert_terms(const char *text, const char *expected)
{
  GString *terms = g_string_new(NULL);
  shop_analyze(text, append_term, terms);
  assert_string_equal(terms->str, expected);
  g_string_free(terms, TRUE);
}

static void test_words_follow_unicode_word_breaks(void **state)
{
  (void)state;
  assert_terms("", "");
  assert_terms(" \t ,;!? -- ", "");
  assert_terms("3.5mm 1,000 a.b.c x-large 12\" don't", "3.5mm|1,000|a.b.c|x|larg|12|don't");
  assert_terms("under_score _ __x__ 5'10 6'", "under_scor|__x__|5'10|6");
  assert_terms("日本 ひら カタカナ", "日|本|ひ|ら|カタカナ");
  assert_terms("caf\xc3\xa9s na\xc3\xafve", "caf\xc3\xa9|na\xc3\xafv");
}

static void test_possessives_and_stop_words_are_dropped(void **state)
{
  (void)state;
  assert_terms("Women's MEN\xe2\x80\x99S it's the and of will", "women|men");
}

static void test_stems_are_porters(void **state)
{
  (void)state;
  assert_terms("ponies caresses cats feed agreed plastered motoring sing",
               "poni|caress|cat|feed|agre|plaster|motor|sing");
  assert_terms("conflated troubled sized hopping tanned falling hissing fizzed failing filing happy sky",
               "conflat|troubl|size|hop|tan|fall|hiss|fizz|fail|file|happi|sky");
  assert_terms("relational conditional valenci digitizer radicalli operator feudalism decisiveness sensibiliti",
               "relat|condit|valenc|digit|radic|oper|feudal|decis|sensibl");
  assert_terms("triplicate formative electriciti hopeful goodness revival allowance inference airliner adjustable",
               "triplic|form|electr|hope|good|reviv|allow|infer|airlin|adjust");
  assert_terms("replacement adoption homologou communism activate effective probate rate cease controll roll",
               "replac|adopt|homolog|commun|activ|effect|probat|rate|ceas|control|roll");
  assert_terms("technology possibly us ss y", "technolog|possibl|us|ss|y");
}

static void test_long_words_are_cut_at_255_units(void **state)
{
  (void)state;
  char *word = g_strnfill(300, 'x'), *first = g_strnfill(255, 'x'), *rest = g_strnfill(45, 'x');
  char *expected = g_strconcat(first, "|", rest, NULL);
  assert_terms(word, expected);
  g_free(word);
  g_free(first);
  g_free(rest);
  g_free(expected);
}

static void test_ties_fall_to_the_smaller_asin(void **state)
{
  (void)state;
  ShopIndex *index = shop_index_new();
  guint32 documents[4];
  shop_index_add(index, "B3", "red shoe");
  shop_index_add(index, "B1", "red shoe");
  shop_index_add(index, "B2", "red hat");
  shop_index_finish(index);
  assert_int_equal(shop_index_size(index), 3);
  assert_int_equal(shop_index_search(index, "shoes", 4, documents), 2);
  assert_int_equal(documents[0], 1);
  assert_int_equal(documents[1], 0);
  assert_int_equal(shop_index_search(index, "red hats", 2, documents), 2);
  assert_int_equal(documents[0], 2);
  assert_int_equal(documents[1], 1);
  shop_index_free(index);
}

static void test_repeated_terms_count_repeatedly(void **state)
{
  (void)state;
  ShopIndex *index = shop_index_new();
  guint32 documents[2];
  shop_index_add(index, "A", "red shoe");
  shop_index_add(index, "B", "blue shoe");
  shop_index_finish(index);
  assert_int_equal(shop_index_search(index, "red blue", 2, documents), 2);
  assert_int_equal(documents[0], 0);
  assert_int_equal(shop_index_search(index, "red blue blue", 2, documents), 2);
  assert_int_equal(documents[0], 1);
  shop_index_free(index);
}

static void test_query_without_terms_finds_nothing(void **state)
{
  (void)state;
  ShopIndex *index = shop_index_new();
  guint32 documents[2];
  shop_index_add(index, "A", "red shoe");
  shop_index_finish(index);
  assert_int_equal(shop_index_search(index, "", 2, documents), 0);
  assert_int_equal(shop_index_search(index, "the of !!", 2, documents), 0);
  assert_int_equal(shop_index_search(index, "zebra", 2, documents), 0);
  assert_int_equal(shop_index_search(index, "red", 0, documents), 0);
  assert_int_equal(shop_index_search(index, "red", 2, documents), 1);
  shop_index_free(index);
}

static void test_more_than_1024_terms_are_refused(void **state)
{
  (void)state;
  ShopIndex *index = shop_index_new();
  guint32 documents[1];
  shop_index_add(index, "A", "red shoe");
  shop_index_finish(index);
  GString *query = g_string_new("red");
  for (guint i = 1; i < SHOP_INDEX_MAX_TERMS; i++)
    g_string_append_printf(query, " t%u", i);
  g_string_append(query, " red red");
  assert_int_equal(shop_index_search(index, query->str, 1, documents), 1);
  g_string_append(query, " more");
  assert_int_equal(shop_index_search(index, query->str, 1, documents), SHOP_INDEX_TOO_MANY_TERMS);
  g_string_free(query, TRUE);
  shop_index_free(index);
}

static void test_empty_index_finds_nothing(void **state)
{
  (void)state;
  ShopIndex *index = shop_index_new();
  guint32 documents[1];
  shop_index_finish(index);
  assert_int_equal(shop_index_search(index, "red", 1, documents), 0);
  shop_index_free(index);
  shop_index_free(NULL);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_words_follow_unicode_word_breaks),
      cmocka_unit_test(test_possessives_and_stop_words_are_dropped),
      cmocka_unit_test(test_stems_are_porters),
      cmocka_unit_test(test_long_words_are_cut_at_255_units),
      cmocka_unit_test(test_ties_fall_to_the_smaller_asin),
      cmocka_unit_test(test_repeated_terms_count_repeatedly),
      cmocka_unit_test(test_query_without_terms_finds_nothing),
      cmocka_unit_test(test_more_than_1024_terms_are_refused),
      cmocka_unit_test(test_empty_index_finds_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
