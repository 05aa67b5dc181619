/* token_set_ratio and the colours: the tables of specification sections 6.6 and 9.1, and cases where the two
 * variants of the ratio part. */
#include "envs/shop/reward/colour.h"
#include "envs/shop/reward/fuzzy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <glib.h>

typedef struct {
  const char *first, *second;
  guint score;
} Case;

static guint ratio(const char *first, const char *second, ShopFuzzyVariant variant)
{
  ShopTokenSet *a = shop_token_set_new(first), *b = shop_token_set_new(second);
  guint score = shop_token_set_ratio(a, b, variant);
  for (guint threshold = 0; threshold <= 100; threshold += 5)
    assert_int_equal(shop_token_set_exceeds(a, b, threshold, variant), score > threshold);
  g_free(a);
  g_free(b);
  return score;
}

static void test_specified_scores_in_both_variants(void **state)
{
  static const Case cases[] = {
      {"essential oil", "essential oils", 96},
      {"tea tree", "tea bag", 60},
      {"powder snow", "cool powder snow", 100},
      {"easy clean", "easy to clean", 100},
      {"machine washable", "machine wash", 86},
      {"non slip", "slip resistant", 67},
      {"wood frame", "wooden frame", 91},
      {"gluten free", "glutenfree", 57},
      {"x-large", "large", 100},
      {"xx-large", "x-large", 93},
      {"8.5", "8", 100},
      {"8.5 wide", "8.5 narrow", 56},
      {"9", "9 wide", 100},
      {"long sleeve", "long sleeves", 96},
      {"leather sole", "rubber sole", 61},
      {"abcd xyz", "bcda xyz", 88},
      {"cafe", "caf\xc3\xa9", 86},
      {"\xe6\x97\xa5\xe6\x9c\xac", "\xe6\x97\xa5\xe6\x9c\xac", 100},
      {"it's", "its", 86},
      {"!!!", "!!!", 0},
      {"", "", 0},
      {"size", "('size', 'xl')", 100},
  };
  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    assert_int_equal(ratio(cases[i].first, cases[i].second, SHOP_FUZZY_DIFFLIB), cases[i].score);
    assert_int_equal(ratio(cases[i].first, cases[i].second, SHOP_FUZZY_LCS), cases[i].score);
  }
}

/* Expected values from thefuzz 0.19.0 without and with python-Levenshtein. */
static void test_the_variants_differ_where_the_libraries_do(G_GNUC_UNUSED void **state)
{
  assert_int_equal(ratio("blue chair tall", "lamp sleeves cotton", SHOP_FUZZY_DIFFLIB), 12);
  assert_int_equal(ratio("blue chair tall", "lamp sleeves cotton", SHOP_FUZZY_LCS), 24);
  assert_int_equal(ratio("blue chair sleeves", "chair lamp lamps", SHOP_FUZZY_DIFFLIB), 53);
  assert_int_equal(ratio("blue chair sleeves", "chair lamp lamps", SHOP_FUZZY_LCS), 59);
  assert_int_equal(ratio("\xc4\xb0stanbul rug", "istanbul rug", SHOP_FUZZY_DIFFLIB), 96);
}

static void test_popular_characters_start_no_block_in_long_strings(G_GNUC_UNUSED void **state)
{
  GString *first = g_string_new(NULL), *second = g_string_new(NULL);
  for (guint i = 0; i < 40; i++) {
    g_string_append_printf(first, "w%ua ", i);
    g_string_append_printf(second, "w%ub%u ", i, i);
  }
  assert_int_equal(ratio(first->str, second->str, SHOP_FUZZY_DIFFLIB), 1);
  assert_int_equal(ratio(second->str, first->str, SHOP_FUZZY_DIFFLIB), 67);
  assert_int_equal(ratio(first->str, second->str, SHOP_FUZZY_LCS), 67);
  g_string_free(first, TRUE);
  g_string_free(second, TRUE);
}

static void test_token_sets_may_be_packed(G_GNUC_UNUSED void **state)
{
  GByteArray *bytes = g_byte_array_new();
  guint first = shop_token_set_append(bytes, "Tea  tree TEA"),
        second = shop_token_set_append(bytes, "tree tea");
  const ShopTokenSet *a = (const ShopTokenSet *)(gconstpointer)(bytes->data + first);
  const ShopTokenSet *b = (const ShopTokenSet *)(gconstpointer)(bytes->data + second);
  assert_int_equal(second, shop_token_set_size(a));
  assert_int_equal(a->n_tokens, 2);
  assert_int_equal(a->length, 8);
  assert_int_equal(shop_token_set_ratio(a, b, SHOP_FUZZY_DIFFLIB), 100);
  g_byte_array_unref(bytes);
}

static void test_colours_reduce_to_the_first_word_of_the_list(void **state)
{
  static const struct {
    const char *text, *colour;
  } cases[] = {
      {"", ""},
      {"black forest", "black"},
      {"violet lavender", "lavender"},
      {"steelivy fuchsia", "fuchsia"},
      {"123alabaster", "alabaster"},
      {"webshop", "webshop"},
      {"webshopsteel", "steel"},
      {"leather black", "black"},
      {"standard", "tan"},
      {"washed", "ash"},
      {"layered", "red"},
      {"light blue", "blue"},
      {"dark green", "dark"},
      {"gray", "gray"},
      {"grey", "grey"},
      {"yellow", "yellow"},
      {"Black", "Black"},
      {"caf\xc3\xa9 white", "white"},
  };
  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
    assert_string_equal(shop_colour_normalise(cases[i].text), cases[i].colour);
  assert_null(shop_colour_find("webshop"));
  assert_string_equal(shop_colour_find_equal("color", "red"), "red");
  assert_string_equal(shop_colour_find_equal("red", "black"), "black");
  assert_null(shop_colour_find_equal("color", "dark red"));
}

static void test_sizes_fall_into_classes(void **state)
{
  static const struct {
    const char *size, *class;
  } cases[] = {
      {"3 meter", "(.*)meter"},       {"xx-large", "xx-large"}, {"random value", "not_matched"},
      {"40cm plus", "(.*)plus"},      {"142", "numeric_size"},  {"2 petite", "(.*)petite"},
      {"91ft walnut feet", "(.*)ft"}, {"N.A.", "not_matched"},  {"8.5", "numeric_size"},
  };
  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
    assert_string_equal(shop_size_class(cases[i].size), cases[i].class);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_specified_scores_in_both_variants),
      cmocka_unit_test(test_the_variants_differ_where_the_libraries_do),
      cmocka_unit_test(test_popular_characters_start_no_block_in_long_strings),
      cmocka_unit_test(test_token_sets_may_be_packed),
      cmocka_unit_test(test_colours_reduce_to_the_first_word_of_the_list),
      cmocka_unit_test(test_sizes_fall_into_classes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
