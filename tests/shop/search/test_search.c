/* Search: analysis, scoring and ties on small cases, and the recorded result pages of the original search
 * engine on the real catalogue. */
#include "envs/shop/search/analyzer.h"
#include "envs/shop/search/search.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <jansson.h>
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

static void test_words_follow_unicode_word_breaks(G_GNUC_UNUSED void **state)
{
  assert_terms("", "");
  assert_terms(" \t ,;!? -- ", "");
  assert_terms("3.5mm 1,000 a.b.c x-large 12\" don't", "3.5mm|1,000|a.b.c|x|larg|12|don't");
  assert_terms("under_score _ __x__ 5'10 6'", "under_scor|__x__|5'10|6");
  assert_terms("日本 ひら カタカナ", "日|本|ひ|ら|カタカナ");
  assert_terms("caf\xc3\xa9s na\xc3\xafve", "caf\xc3\xa9|na\xc3\xafv");
}

static void test_emoji_are_terms(G_GNUC_UNUSED void **state)
{
  assert_terms("\xe2\x98\x85soft\xe2\x98\x85 a\xc2\xae", "\xe2\x98\x85|soft|\xe2\x98\x85|\xc2\xae");
  assert_terms("\xf0\x9f\x91\xa9\xf0\x9f\x8f\xbb\xe2\x80\x8d\xf0\x9f\x9a\x80x",
               "\xf0\x9f\x91\xa9\xf0\x9f\x8f\xbb\xe2\x80\x8d\xf0\x9f\x9a\x80|x");
  assert_terms("\xf0\x9f\x87\xa9\xf0\x9f\x87\xaa\xf0\x9f\x87\xab #\xef\xb8\x8f\xe2\x83\xa3 #",
               "\xf0\x9f\x87\xa9\xf0\x9f\x87\xaa|#\xef\xb8\x8f\xe2\x83\xa3");
}

static void test_possessives_and_stop_words_are_dropped(G_GNUC_UNUSED void **state)
{
  /* A letter is no vowel for carrying an accent, and a doubled one is shortened. */
  assert_terms("ca\xc3\xb1\xc3\xb1\xc3\xb1"
               "ed \xc3\xa9"
               "ed",
               "ca\xc3\xb1\xc3\xb1|\xc3\xa9"
               "ed");
  assert_terms("Women's MEN\xe2\x80\x99S it's the and of will", "women|men");
}

static void test_stems_are_porters(G_GNUC_UNUSED void **state)
{
  assert_terms("ponies caresses cats feed agreed plastered motoring sing",
               "poni|caress|cat|feed|agre|plaster|motor|sing");
  assert_terms("conflated troubled sized hopping tanned falling hissing fizzed failing filing happy sky",
               "conflat|troubl|size|hop|tan|fall|hiss|fizz|fail|file|happi|sky");
  assert_terms(
      "relational conditional valenci digitizer radicalli operator feudalism decisiveness sensibiliti",
      "relat|condit|valenc|digit|radic|oper|feudal|decis|sensibl");
  assert_terms(
      "triplicate formative electriciti hopeful goodness revival allowance inference airliner adjustable",
      "triplic|form|electr|hope|good|reviv|allow|infer|airlin|adjust");
  assert_terms("replacement adoption homologou communism activate effective probate rate cease controll roll",
               "replac|adopt|homolog|commun|activ|effect|probat|rate|ceas|control|roll");
  assert_terms("technology possibly us ss y", "technolog|possibl|us|ss|y");
}

static void test_long_words_are_cut_at_255_units(G_GNUC_UNUSED void **state)
{
  char *word = g_strnfill(300, 'x'), *first = g_strnfill(255, 'x'), *rest = g_strnfill(45, 'x');
  char *expected = g_strconcat(first, "|", rest, NULL);
  assert_terms(word, expected);
  g_free(word);
  g_free(first);
  g_free(rest);
  g_free(expected);
}

static void test_ties_fall_to_the_smaller_asin(G_GNUC_UNUSED void **state)
{
  ShopIndex *index = shop_index_new();
  guint32 documents[4];
  shop_index_add(index, "B3", "", "red shoe");
  shop_index_add(index, "B1", "", "red shoe");
  shop_index_add(index, "B2", "", "red hat");
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

static void test_repeated_terms_count_repeatedly(G_GNUC_UNUSED void **state)
{
  ShopIndex *index = shop_index_new();
  guint32 documents[2];
  shop_index_add(index, "A", "", "red shoe");
  shop_index_add(index, "B", "", "blue shoe");
  shop_index_finish(index);
  assert_int_equal(shop_index_search(index, "red blue", 2, documents), 2);
  assert_int_equal(documents[0], 0);
  assert_int_equal(shop_index_search(index, "red blue blue", 2, documents), 2);
  assert_int_equal(documents[0], 1);
  shop_index_free(index);
}

static void test_query_without_terms_finds_nothing(G_GNUC_UNUSED void **state)
{
  ShopIndex *index = shop_index_new();
  guint32 documents[2];
  shop_index_add(index, "A", "", "red shoe");
  shop_index_finish(index);
  assert_int_equal(shop_index_search(index, "", 2, documents), 0);
  assert_int_equal(shop_index_search(index, "the of !!", 2, documents), 0);
  assert_int_equal(shop_index_search(index, "zebra", 2, documents), 0);
  assert_int_equal(shop_index_search(index, "red", 0, documents), 0);
  assert_int_equal(shop_index_search(index, "red", 2, documents), 1);
  shop_index_free(index);
}

static void test_more_than_1024_terms_are_refused(G_GNUC_UNUSED void **state)
{
  ShopIndex *index = shop_index_new();
  guint32 documents[1];
  shop_index_add(index, "A", "", "red shoe");
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

static void test_empty_index_finds_nothing(G_GNUC_UNUSED void **state)
{
  ShopIndex *index = shop_index_new();
  guint32 documents[1];
  shop_index_finish(index);
  assert_int_equal(shop_index_search(index, "red", 1, documents), 0);
  shop_index_free(index);
  shop_index_free(NULL);
}

/* The searchable text of a raw product (specification section 4.1). */
static char *make_contents(json_t *product)
{
  GString *text = g_string_new(NULL);
  json_t *bullets = json_object_get(product, "small_description"), *groups, *values, *value;
  const char *bullet =
      json_is_array(bullets) ? json_string_value(json_array_get(bullets, 0)) : json_string_value(bullets);
  const char *name;
  gsize i;
  g_string_printf(text, "%s %s %s ", json_string_value(json_object_get(product, "name")),
                  json_string_value(json_object_get(product, "full_description")), bullet ? bullet : "");
  groups = json_object_get(product, "customization_options");
  json_object_foreach(groups, name, values)
  {
    if (json_is_null(values))
      continue;
    g_string_append_printf(text, ", and %s:", name);
    json_array_foreach(values, i, value)
    {
      char **parts = g_strsplit(json_string_value(json_object_get(value, "value")), "/", -1);
      char *joined = g_strjoinv(" | ", parts);
      g_string_append_printf(text, " %s,", joined);
      g_strfreev(parts);
      g_free(joined);
    }
  }
  return g_string_free(text, FALSE);
}

static void test_recorded_pages_of_the_original_engine_are_reproduced(G_GNUC_UNUSED void **state)
{
  char *path = g_build_filename(g_getenv("WEBSHOP_1K") ? g_getenv("WEBSHOP_1K")
                                                       : TEST_SOURCE_DIRECTORY "/../shared/webshop-1k",
                                "items_shuffle_1000.json", NULL);
  json_t *products = json_load_file(path, 0, NULL), *product;
  g_free(path);
  if (!products) {
    print_message("# no catalogue at $WEBSHOP_1K\n");
    skip();
  }
  ShopIndex *index = shop_index_new();
  GPtrArray *asins = g_ptr_array_new();
  gsize position;
  json_array_foreach(products, position, product)
  {
    char *contents = make_contents(product);
    const char *asin = json_string_value(json_object_get(product, "asin"));
    shop_index_add(index, asin, "", contents);
    g_ptr_array_add(asins, (gpointer)asin);
    g_free(contents);
  }
  shop_index_finish(index);
  path = g_build_filename(g_getenv("WEBSHOP_1K") ? g_getenv("WEBSHOP_1K")
                                                 : TEST_SOURCE_DIRECTORY "/../shared/webshop-1k",
                          "lucene_top10.jsonl", NULL);
  char *text;
  assert_true(g_file_get_contents(path, &text, NULL, NULL));
  g_free(path);
  char **lines = g_strsplit(text, "\n", -1);
  guint n_queries = 0, n_identical = 0;
  for (char **line = lines; *line && **line; line++) {
    json_t *page = json_loads(*line, 0, NULL), *expected = json_object_get(page, "asins");
    guint32 documents[50];
    const char *query = json_string_value(json_object_get(page, "query"));
    guint n = shop_index_search(index, query, 50, documents);
    gsize first = 10 * (gsize)(json_integer_value(json_object_get(page, "page")) - 1);
    gboolean identical = (json_int_t)n == json_integer_value(json_object_get(page, "total"));
    for (gsize i = 0; i < json_array_size(expected); i++)
      identical = identical && first + i < n &&
                  g_str_equal(g_ptr_array_index(asins, documents[first + i]),
                              json_string_value(json_array_get(expected, i)));
    n_queries++;
    n_identical += identical;
    if (!identical)
      print_error("differs: %s\n", query);
    json_decref(page);
  }
  g_strfreev(lines);
  g_free(text);
  assert_int_equal(n_queries, 392);
  assert_int_equal(n_identical, 392);
  g_ptr_array_unref(asins);
  json_decref(products);
  shop_index_free(index);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_words_follow_unicode_word_breaks),
      cmocka_unit_test(test_emoji_are_terms),
      cmocka_unit_test(test_possessives_and_stop_words_are_dropped),
      cmocka_unit_test(test_stems_are_porters),
      cmocka_unit_test(test_long_words_are_cut_at_255_units),
      cmocka_unit_test(test_ties_fall_to_the_smaller_asin),
      cmocka_unit_test(test_repeated_terms_count_repeatedly),
      cmocka_unit_test(test_query_without_terms_finds_nothing),
      cmocka_unit_test(test_more_than_1024_terms_are_refused),
      cmocka_unit_test(test_empty_index_finds_nothing),
      cmocka_unit_test(test_recorded_pages_of_the_original_engine_are_reproduced),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
