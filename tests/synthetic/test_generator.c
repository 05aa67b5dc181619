/* The generated shop: products depend on nothing but the seed and their number, fit WebShop's schema, and
 * make families whose members differ as promised. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "envs/shop/catalogue/catalogue.h"
#include "envs/synthetic/generator.h"
#include "envs/synthetic/lexicon.h"

static const SyntheticShop shop = {.n_products = 1000, .seed = 1, .instructed = 0.5};

static const char *text_of(const json_t *product, const char *key)
{
  return json_string_value(json_object_get(product, key));
}

static void a_product_is_a_function_of_seed_and_number(G_GNUC_UNUSED void **state)
{
  for (guint64 i = 0; i < 20; i++) {
    json_t *first, *first_record, *again, *again_record;
    synthetic_product(&shop, i, &first, &first_record);
    synthetic_product(&shop, i, &again, &again_record);
    assert_true(json_equal(first, again));
    assert_true(json_equal(first_record, again_record));
    json_decref(again);
    json_decref(again_record);
    SyntheticShop other = shop;
    other.seed = 2;
    synthetic_product(&other, i, &again, &again_record);
    assert_false(json_equal(first, again));
    json_decref(first);
    json_decref(first_record);
    json_decref(again);
    json_decref(again_record);
  }
}

static void asins_are_distinct_and_ten_characters_long(G_GNUC_UNUSED void **state)
{
  GHashTable *seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint64 i = 0; i < shop.n_products; i++) {
    json_t *product, *record;
    synthetic_product(&shop, i, &product, &record);
    const char *asin = text_of(product, "asin");
    assert_int_equal(strlen(asin), 10);
    assert_true(g_hash_table_add(seen, g_strdup(asin)));
    json_decref(product);
    json_decref(record);
  }
  g_hash_table_destroy(seen);
}

static void the_catalogue_takes_every_product(G_GNUC_UNUSED void **state)
{
  ShopCatalogueBuilder *builder = shop_catalogue_builder_new();
  for (guint64 i = 0; i < shop.n_products; i++) {
    json_t *product, *record;
    synthetic_product(&shop, i, &product, &record);
    assert_true(shop_catalogue_builder_add(builder, product, "generated", NULL));
    assert_true(
        shop_catalogue_builder_add_attributes(builder, text_of(product, "asin"), record, "generated", NULL));
    json_decref(product);
    json_decref(record);
  }
  ShopCatalogue *catalogue = shop_catalogue_builder_finish(builder, NULL);
  assert_non_null(catalogue);
  assert_int_equal(catalogue->n_products, 1000);
  shop_catalogue_free(catalogue);
}

/* Every instruction names only attributes the product really has: otherwise the goal could not be met by
 * buying its own product. */
static void instructions_ask_for_what_the_product_has(G_GNUC_UNUSED void **state)
{
  guint instructed = 0;
  for (guint64 i = 0; i < shop.n_products; i++) {
    json_t *product, *record;
    synthetic_product(&shop, i, &product, &record);
    const char *instruction = text_of(record, "instruction");
    const json_t *wanted = json_object_get(record, "instruction_attributes");
    const json_t *attributes = json_object_get(record, "attributes");
    assert_int_equal(json_array_size(wanted) > 0, instruction != NULL);
    for (gsize w = 0; w < json_array_size(wanted); w++) {
      gboolean found = FALSE;
      for (gsize a = 0; a < json_array_size(attributes); a++)
        found = found || json_equal(json_array_get(wanted, w), json_array_get(attributes, a));
      assert_true(found);
      assert_non_null(strstr(instruction, json_string_value(json_array_get(wanted, w))));
    }
    if (instruction) {
      assert_true(g_str_has_prefix(instruction, "Find me "));
      assert_non_null(strstr(instruction, text_of(product, "query")));
      instructed++;
    }
    json_decref(product);
    json_decref(record);
  }
  /* four of five products may be instructed, half of them are */
  assert_in_range(instructed, 330, 470);
}

static void most_goals_have_a_relative_that_only_looks_right(G_GNUC_UNUSED void **state)
{
  guint accessories = 0;
  for (guint64 i = 0; i < shop.n_products; i++) {
    json_t *product, *record;
    synthetic_product(&shop, i, &product, &record);
    if (g_str_has_suffix(text_of(product, "query"), " accessories")) {
      accessories++;
      assert_int_equal(json_object_size(json_object_get(product, "customization_options")), 0);
      assert_true(json_is_null(json_object_get(record, "instruction")));
    } else {
      assert_true(json_object_size(json_object_get(product, "customization_options")) >= 1);
    }
    json_decref(product);
    json_decref(record);
  }
  assert_int_equal(accessories, shop.n_products / 5);
}

static void every_kind_has_enough_attributes_for_a_family(G_GNUC_UNUSED void **state)
{
  for (guint k = 0; k < synthetic_n_kinds; k++) {
    guint n = 0;
    while (synthetic_kinds[k].attributes[n])
      n++;
    assert_true(n >= 10);
    assert_true(synthetic_kinds[k].lowest_price < synthetic_kinds[k].highest_price);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_product_is_a_function_of_seed_and_number),
      cmocka_unit_test(asins_are_distinct_and_ten_characters_long),
      cmocka_unit_test(the_catalogue_takes_every_product),
      cmocka_unit_test(instructions_ask_for_what_the_product_has),
      cmocka_unit_test(most_goals_have_a_relative_that_only_looks_right),
      cmocka_unit_test(every_kind_has_enough_attributes_for_a_family),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
