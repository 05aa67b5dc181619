/* The reward's tables: made from a catalogue, opened from stored arrays, with and without a file of nouns. */
#include "envs/shop/reward/reward_tables.h"

#include "tests/shop/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cartwright/error.h>
#include <cmocka.h>
#include <glib/gstdio.h>
#include <string.h>

/* Three products; attributes "soft sole" (twice), "non slip" and, of a crowd instruction, "warm". */
static ShopCatalogue *make_catalogue(void)
{
  ShopCatalogueBuilder *builder = shop_catalogue_builder_new();
  for (guint i = 1; i <= 3; i++) {
    g_autofree char *product = g_strdup_printf("{'asin': 'B00000000%u', 'name': '%s', 'full_description': "
                                               "'', 'small_description': [], 'pricing': '$1', "
                                               "'customization_options': {}, 'images': ['x'], 'category': "
                                               "'c', 'query': 'q', 'product_category': 'p'}",
                                               i, i == 3 ? "red hat" : "red shoe with a red lace");
    g_autofree char *asin = g_strdup_printf("B00000000%u", i);
    fixture_add(builder, product);
    fixture_add_attributes(builder, asin,
                           i == 1 ? "{'attributes': ['soft sole'], 'instruction_attributes': ['non slip']}"
                                  : "{'attributes': ['soft sole', '']}");
  }
  fixture_add_humans(builder, "B000000002", "[{'instruction': 'i', 'instruction_attributes': ['warm']}]");
  ShopCatalogue *catalogue = shop_catalogue_builder_finish(builder, NULL);
  assert_non_null(catalogue);
  return catalogue;
}

/* Finds an array of other tables, as a shop file would. */
static gboolean find_array(gpointer source, const char *name, gsize element_size, ShopArray *array,
                           GError **error)
{
  const ShopRewardTables *stored = source;
  for (guint i = 0; i < SHOP_REWARD_N_ARRAYS; i++)
    if (strcmp(stored->arrays[i].name, name) == 0) {
      assert_int_equal(stored->arrays[i].element_size, element_size);
      *array = stored->arrays[i];
      return TRUE;
    }
  g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_FORMAT, "no array '%s'", name);
  return FALSE;
}

static void assert_token_set(const ShopRewardTables *tables, ShopString attribute, const char *text)
{
  ShopTokenSet *expected = shop_token_set_new(text);
  assert_memory_equal(shop_reward_token_set(tables, attribute), expected, shop_token_set_size(expected));
  g_free(expected);
}

static void assert_tables(const ShopRewardTables *tables, const ShopCatalogue *catalogue)
{
  const ShopProduct *products = catalogue->products;
  assert_token_set(tables, catalogue->strings[products[0].attributes.first], "soft sole");
  assert_token_set(tables, catalogue->strings[products[1].attributes.first], "soft sole");
  assert_token_set(tables, catalogue->strings[products[1].attributes.first + 1], "");
  assert_token_set(tables, catalogue->strings[products[0].instruction_attributes.first], "non slip");
  assert_token_set(tables, catalogue->strings[catalogue->humans[0].attributes.first], "warm");
}

static void test_tables_hold_each_title_and_each_attribute(G_GNUC_UNUSED void **state)
{
  ShopCatalogue *catalogue = make_catalogue();
  ShopRewardTables *tables = shop_reward_tables_new(catalogue, NULL, NULL);
  assert_tables(tables, catalogue);
  assert_int_equal(shop_reward_nouns(tables, 0)->count, shop_reward_nouns(tables, 1)->count);
  assert_int_equal(shop_noun_set_common(shop_reward_nouns(tables, 0), shop_reward_nouns(tables, 1)), 2);
  shop_reward_tables_free(tables);
  shop_reward_tables_free(NULL);
  shop_catalogue_free(catalogue);
}

static void test_tables_open_from_stored_arrays(G_GNUC_UNUSED void **state)
{
  ShopCatalogue *catalogue = make_catalogue();
  ShopRewardTables *made = shop_reward_tables_new(catalogue, NULL, NULL);
  ShopRewardTables *opened = shop_reward_tables_open(catalogue, find_array, made, NULL);
  assert_non_null(opened);
  assert_tables(opened, catalogue);
  for (guint i = 0; i < 3; i++)
    assert_ptr_equal(shop_reward_nouns(opened, i), shop_reward_nouns(made, i));
  shop_reward_tables_free(opened);
  shop_reward_tables_free(made);
  shop_catalogue_free(catalogue);
}

static void test_a_file_of_nouns_goes_before_the_stored_ones(G_GNUC_UNUSED void **state)
{
  char *path;
  int file = g_file_open_tmp("nouns-XXXXXX.json", &path, NULL);
  assert_true(file >= 0);
  g_close(file, NULL);
  assert_true(g_file_set_contents(path, "{\"B000000001\": [\"lace\", \"boat\"]}", -1, NULL));
  ShopCatalogue *catalogue = make_catalogue();
  ShopRewardTables *made = shop_reward_tables_new(catalogue, NULL, NULL);
  ShopRewardTables *opened = shop_reward_tables_open(catalogue, find_array, made, NULL);
  assert_true(shop_reward_tables_take_nouns(opened, catalogue, path, NULL));
  ShopRewardTables *fresh = shop_reward_tables_new(catalogue, path, NULL);
  assert_int_equal(shop_reward_nouns(opened, 0)->count, 2);
  assert_int_equal(shop_noun_set_common(shop_reward_nouns(opened, 0), shop_reward_nouns(opened, 1)), 1);
  assert_int_equal(shop_noun_set_common(shop_reward_nouns(fresh, 0), shop_reward_nouns(fresh, 1)), 1);
  assert_memory_equal(shop_reward_nouns(opened, 2), shop_reward_nouns(made, 2),
                      shop_noun_set_size(shop_reward_nouns(made, 2)));
  assert_tables(opened, catalogue);
  shop_reward_tables_free(fresh);
  GError *error = NULL;
  assert_false(shop_reward_tables_take_nouns(opened, catalogue, "/nonexistent/nouns.json", &error));
  assert_true(g_error_matches(error, CW_ENVIRONMENT_ERROR, CW_ERROR_INPUT_OUTPUT));
  g_error_free(error);
  shop_reward_tables_free(opened);
  shop_reward_tables_free(made);
  shop_catalogue_free(catalogue);
  g_remove(path);
  g_free(path);
}

static void assert_refused(ShopRewardTables *stored, const ShopCatalogue *catalogue, const char *message)
{
  GError *error = NULL;
  assert_null(shop_reward_tables_open(catalogue, find_array, stored, &error));
  assert_true(g_error_matches(error, CW_ENVIRONMENT_ERROR, CW_ERROR_FORMAT));
  assert_string_equal(error->message, message);
  g_error_free(error);
}

static void test_arrays_of_another_size_are_refused(G_GNUC_UNUSED void **state)
{
  ShopCatalogue *catalogue = make_catalogue();
  ShopRewardTables *made = shop_reward_tables_new(catalogue, NULL, NULL);
  made->arrays[SHOP_REWARD_NOUN_STARTS].n_elements = 2;
  assert_refused(made, catalogue,
                 "array 'reward/noun_starts' has 2 elements for 3 products; make the shop file again");
  made->arrays[SHOP_REWARD_NOUN_STARTS].n_elements = 3;
  made->arrays[SHOP_REWARD_ATTRIBUTES].n_elements = 3;
  assert_refused(
      made, catalogue,
      "array 'reward/attributes' has 3 elements, expected a power of two; make the shop file again");
  made->arrays[SHOP_REWARD_ATTRIBUTES].name = "elsewhere";
  assert_refused(made, catalogue, "no array 'reward/attributes'");
  shop_reward_tables_free(made);
  shop_catalogue_free(catalogue);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_tables_hold_each_title_and_each_attribute),
      cmocka_unit_test(test_tables_open_from_stored_arrays),
      cmocka_unit_test(test_a_file_of_nouns_goes_before_the_stored_ones),
      cmocka_unit_test(test_arrays_of_another_size_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
