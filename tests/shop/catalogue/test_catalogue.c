/* Loading: WebShop's raw records, their normalisation, and every way in which a file can be wrong, with the
 * whole message. */
#include "envs/shop/catalogue/loader.h"
#include "tests/shop/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glib/gstdio.h>
#include <string.h>

static const char *text_of(const ShopCatalogue *catalogue, ShopString string)
{
  return shop_string(catalogue, string);
}

static const char *value_of(const ShopCatalogue *catalogue, guint32 product, guint group, guint value)
{
  const ShopOptionGroup *g = &catalogue->groups[catalogue->products[product].groups.first + group];
  assert_true(value < g->values.count);
  return text_of(catalogue, catalogue->strings[g->values.first + value]);
}

#define PLAIN_FIELDS                                                                                         \
  "'full_description': 'D', 'small_description': 'one', 'category': 'c', 'query': 'q', 'product_category': " \
  "'p', "                                                                                                    \
  "'customization_options': "

static ShopCatalogue *one_product(const char *options)
{
  ShopCatalogueBuilder *builder = shop_catalogue_builder_new();
  g_autofree char *product =
      g_strconcat("{'asin': 'B000000001', 'name': 'N', ", PLAIN_FIELDS, options, "}", NULL);
  fixture_add(builder, product);
  return shop_catalogue_builder_finish(builder, NULL);
}

static void test_options_are_normalised(G_GNUC_UNUSED void **state)
{
  ShopCatalogue *catalogue =
      one_product("{'Color Name': [{'value': ' Black/White '}, {'value': '\\u00c4/B', 'image': "
                  "null}], 'Nul': null, 'SIZE': [{'value': 'XL'}, {'value': 'XL'}]}");
  const ShopProduct *product = &catalogue->products[0];
  assert_int_equal(product->groups.count, 2);
  assert_string_equal(text_of(catalogue, catalogue->groups[product->groups.first].name), "color name");
  assert_string_equal(value_of(catalogue, 0, 0, 0), "black | white");
  assert_string_equal(value_of(catalogue, 0, 0, 1), "\u00e4 | b");
  assert_string_equal(value_of(catalogue, 0, 1, 0), "xl");
  assert_string_equal(value_of(catalogue, 0, 1, 1), "xl");
  assert_int_equal(product->targets.count, 3);
  assert_int_equal(product->n_prices, 1);
  assert_string_equal(text_of(catalogue, product->price_tag), "$100.0");
  shop_catalogue_free(catalogue);
}

static void test_a_later_group_of_the_same_name_replaces_in_place(G_GNUC_UNUSED void **state)
{
  ShopCatalogue *catalogue =
      one_product("{'Size': [{'value': 'a'}], 'Color': [{'value': 'b'}], 'size': [{'value': 'c'}]}");
  assert_int_equal(catalogue->products[0].groups.count, 2);
  assert_string_equal(value_of(catalogue, 0, 0, 0), "c");
  assert_string_equal(value_of(catalogue, 0, 1, 0), "b");
  assert_int_equal(catalogue->products[0].targets.count, 2);
  shop_catalogue_free(catalogue);
}

static void test_empty_options_are_none(G_GNUC_UNUSED void **state)
{
  static const char *const empty[] = {"''", "null", "{}", "[]"};
  for (guint i = 0; i < G_N_ELEMENTS(empty); i++) {
    ShopCatalogue *catalogue = one_product(empty[i]);
    assert_int_equal(catalogue->products[0].groups.count, 0);
    shop_catalogue_free(catalogue);
  }
}

/* As the original reads them: what Python takes for false is no price, and no options. */
static void test_falsy_fields_are_empty(G_GNUC_UNUSED void **state)
{
  static const char *const falsy[] = {"null", "false", "0", "0.0", "''", "[]", "{}"};
  ShopCatalogueBuilder *builder = shop_catalogue_builder_new();
  for (guint i = 0; i < G_N_ELEMENTS(falsy); i++) {
    g_autofree char *product = g_strdup_printf(
        "{'asin': 'B%u', 'name': 'N', 'pricing': %s, " PLAIN_FIELDS "%s}", i, falsy[i], falsy[i]);
    fixture_add(builder, product);
  }
  fixture_add(builder, "{'asin': 'C', 'name': 'N', 'n': 123456789012345678901234567890, " PLAIN_FIELDS
                       "{'a': '', 'b': {}, 'c': [], 'd': null, 'e': [{'value': ''}]}}");
  fixture_add_attributes(builder, "B0", "{}");
  fixture_add_attributes(builder, "B1", "{'instruction': 'x', 'instruction_attributes': ['y']}");
  g_autoptr(ShopCatalogue) catalogue = shop_catalogue_builder_finish(builder, NULL);
  for (guint i = 0; i < G_N_ELEMENTS(falsy); i++) {
    const ShopProduct *product = &catalogue->products[i];
    assert_true(product->prices[0] == 100 && product->n_prices == 1);
    assert_int_equal(product->groups.count, 0);
    assert_string_equal(text_of(catalogue, catalogue->strings[product->attributes.first]), "DUMMY_ATTR");
    assert_int_equal(product->has_attributes, i < 2);
  }
  const ShopProduct *last = &catalogue->products[G_N_ELEMENTS(falsy)];
  assert_int_equal(last->groups.count, 4);
  assert_int_equal(catalogue->groups[last->groups.first].values.count, 0);
  assert_string_equal(value_of(catalogue, G_N_ELEMENTS(falsy), 3, 0), "");
}

static void test_a_value_of_two_groups_belongs_to_the_last(G_GNUC_UNUSED void **state)
{
  ShopCatalogue *catalogue = one_product("{'a': [{'value': 'x'}, {'value': 'y'}], 'b': [{'value': 'x'}]}");
  const ShopProduct *product = &catalogue->products[0];
  assert_int_equal(product->targets.count, 2);
  assert_int_equal(catalogue->targets[product->targets.first].group, 1);
  assert_int_equal(product->shadowed.count, 1);
  assert_string_equal(text_of(catalogue, catalogue->targets[product->shadowed.first].action), "click[a: x]");
  shop_catalogue_free(catalogue);
}

static void test_products_to_skip(G_GNUC_UNUSED void **state)
{
  ShopCatalogueBuilder *builder = shop_catalogue_builder_new();
  fixture_add(builder, "{'asin': 'B000000001', 'name': 'First', " PLAIN_FIELDS "''}");
  fixture_add(builder, "{'asin': 'nan', 'name': 'No ASIN'}");
  fixture_add(builder, "{'asin': 'B0000000012', 'name': 'Too long'}");
  fixture_add(builder, "{'asin': 'B000000001', 'name': 'Again'}");
  ShopCatalogue *catalogue = shop_catalogue_builder_finish(builder, NULL);
  assert_int_equal(catalogue->n_products, 1);
  assert_string_equal(text_of(catalogue, catalogue->products[0].title), "First");
  assert_int_equal(shop_catalogue_find(catalogue, "B000000001"), 0);
  assert_int_equal(shop_catalogue_find(catalogue, "b000000001"), -1);
  shop_catalogue_free(catalogue);
}

static void test_contents_of_the_search_index(G_GNUC_UNUSED void **state)
{
  ShopCatalogueBuilder *builder = shop_catalogue_builder_new();
  fixture_add(
      builder,
      "{'asin': 'B000000001', 'name': 'Red Oil', 'full_description': 'Good STUFF', "
      "'small_description': ['First B', 'Second'], 'category': 'c', 'query': 'q', 'product_category': "
      "'p', 'customization_options': {'Size': [{'value': 'S'}, {'value': 'L'}], 'Color': [{'value': "
      "'Red'}]}}");
  fixture_add(builder,
              "{'asin': 'B000000002', 'name': 'X', 'full_description': '', 'small_description': [], "
              "'category': 'c', 'query': 'q', 'product_category': 'p', 'customization_options': ''}");
  ShopCatalogue *catalogue = shop_catalogue_builder_finish(builder, NULL);
  g_autoptr(GString) contents = g_string_new(NULL);
  shop_catalogue_append_contents(catalogue, 0, contents);
  assert_string_equal(contents->str, "red oil good stuff first b size: s, l, and color: red");
  g_string_truncate(contents, 0);
  shop_catalogue_append_contents(catalogue, 1, contents);
  assert_string_equal(contents->str, "x   ");
  shop_catalogue_free(catalogue);
}

static void test_the_checksum_tells_catalogues_apart(G_GNUC_UNUSED void **state)
{
  ShopCatalogue *a = one_product("''"), *b = one_product("''"), *c = one_product("{'a': [{'value': 'x'}]}");
  assert_true(a->checksum == b->checksum);
  assert_true(a->checksum != c->checksum);
  shop_catalogue_free(a);
  shop_catalogue_free(b);
  shop_catalogue_free(c);
}

static void test_many_products_keep_their_places(G_GNUC_UNUSED void **state)
{
  ShopCatalogueBuilder *builder = shop_catalogue_builder_new();
  for (guint i = 0; i < 3000; i++) {
    g_autofree char *product = g_strdup_printf(
        "{'asin': 'B%09u', 'name': 'Product %u', " PLAIN_FIELDS "{'size': [{'value': '%u'}]}}", i, i, i);
    fixture_add(builder, product);
  }
  ShopCatalogue *catalogue = shop_catalogue_builder_finish(builder, NULL);
  for (guint i = 0; i < 3000; i++) {
    g_autofree char *asin = g_strdup_printf("B%09u", i), *value = g_strdup_printf("%u", i);
    assert_int_equal(shop_catalogue_find(catalogue, asin), i);
    assert_string_equal(value_of(catalogue, i, 0, 0), value);
  }
  shop_catalogue_free(catalogue);
}

/* Files. */

static char *folder;

static int make_folder(G_GNUC_UNUSED void **state)
{
  folder = g_dir_make_tmp("shop-XXXXXX", NULL);
  return !folder;
}

static int remove_folder(G_GNUC_UNUSED void **state)
{
  static const char *const names[] = {"items.json", "attributes.json", "human.json"};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *path = g_build_filename(folder, names[i], NULL);
    g_unlink(path);
  }
  g_rmdir(folder);
  g_free(folder);
  return 0;
}

static char *write_file(const char *name, const char *text, gssize length)
{
  char *path = g_build_filename(folder, name, NULL);
  g_autofree char *json =
      length < 0 ? g_strdelimit(g_strdup(text), "'", '"') : g_memdup2(text, (gsize)length);
  assert_true(g_file_set_contents(path, json, length, NULL));
  return path;
}

#define GOOD_PRODUCT "{'asin': 'B000000001', 'name': 'N', " PLAIN_FIELDS "''}"

/* Loads items (and, unless NULL, the other two) and expects this message; %s in it stands for the folder. */
static void expect_message(const char *items, gssize length, const char *attributes, const char *human,
                           const char *expected)
{
  g_autofree char *items_path = write_file("items.json", items, length);
  g_autofree char *attributes_path = attributes ? write_file("attributes.json", attributes, -1) : NULL;
  g_autofree char *human_path = human ? write_file("human.json", human, -1) : NULL;
  g_autoptr(GError) error = NULL;
  ShopCatalogue *catalogue = shop_load_catalogue(items_path, attributes_path, human_path, 0, TRUE, &error);
  assert_null(catalogue);
  assert_non_null(error);
  g_autofree char *prefix = g_strconcat(folder, "/", NULL);
  g_auto(GStrv) parts = g_strsplit(error->message, prefix, -1);
  g_autofree char *message = g_strjoinv("", parts);
  assert_string_equal(message, expected);
}

static void test_a_good_folder_loads(G_GNUC_UNUSED void **state)
{
  g_autofree char *items = write_file(
      "items.json",
      "[" GOOD_PRODUCT ",\n{'asin': 'B000000002', 'x': NaN, 'y': [-Infinity, {'z': \"]}\\\"\"}], 'name': "
      "'M', " PLAIN_FIELDS "null}\n]\n",
      -1);
  g_autofree char *attributes =
      write_file("attributes.json",
                 "{'B000000001': {'attributes': []}, 'OTHER': {'attributes': 7}, 'B000000002': "
                 "{'attributes': ['a', 'b'], 'instruction': 'Find', 'instruction_attributes': ['a']}}",
                 -1);
  g_autofree char *human = write_file("human.json",
                                      "{'B000000002': [{'instruction': 'i', 'instruction_attributes': "
                                      "['a'], 'instruction_options': ['x']}], 'OTHER': 3}",
                                      -1);
  GError *error = NULL;
  ShopCatalogue *catalogue = shop_load_catalogue(items, attributes, human, 0, TRUE, &error);
  assert_null(error);
  assert_int_equal(catalogue->n_products, 2);
  assert_int_equal(catalogue->products[0].attributes.count, 0);
  assert_int_equal(catalogue->products[1].attributes.count, 2);
  assert_int_equal(catalogue->products[1].humans.count, 1);
  shop_catalogue_free(catalogue);

  catalogue = shop_load_catalogue(items, NULL, NULL, 1, FALSE, &error);
  assert_int_equal(catalogue->n_products, 1);
  assert_string_equal(text_of(catalogue, catalogue->strings[catalogue->products[0].attributes.first]),
                      "DUMMY_ATTR");
  shop_catalogue_free(catalogue);
}

static void test_files_that_are_not_json(G_GNUC_UNUSED void **state)
{
  expect_message("", -1, NULL, NULL,
                 "items.json:1:1: expected a JSON array ('['), found the end of the file (byte 0)");
  expect_message("\n {'a': 1}", -1, NULL, NULL,
                 "items.json:2:2: expected a JSON array ('['), found '{' (byte 2)");
  expect_message("[]", -1, NULL, NULL, "items.json: the catalogue holds no product");
  expect_message("[" GOOD_PRODUCT, -1, NULL, NULL,
                 "items.json:1:175: expected ',' or ']', found the end of the file (byte 174)");
  expect_message("[" GOOD_PRODUCT " " GOOD_PRODUCT "]", -1, NULL, NULL,
                 "items.json:1:176: expected ',' or ']', found '{' (byte 175)");
  expect_message("[" GOOD_PRODUCT ",]", -1, NULL, NULL,
                 "items.json:1:176: expected a value, found ']' (byte 175)");
  expect_message("[" GOOD_PRODUCT "] x", -1, NULL, NULL,
                 "items.json:1:177: expected the end of the file after ']', found 'x' (byte 176)");
  expect_message(
      "[\n{'asin': 'B0", -1, NULL, NULL,
      "items.json:2:13: the file ends inside the element that starts at line 2, byte 2: it is truncated "
      "(byte 14)");
  expect_message("[\n  {'asin': nul}]", -1, NULL, NULL,
                 "items.json:2:14: not valid JSON: invalid token near 'nul' (byte 16)");
  expect_message("[{'asin': 1e999}]", -1, NULL, NULL,
                 "items.json:1:2: product: 'asin' should be a string, found a number");
  expect_message("[{\"asin\": \"\xff\"}]", 14, NULL, NULL,
                 "items.json:1:11: not valid JSON: unable to decode byte 0xff near '\"' (byte 11)");
}

static void test_products_of_the_wrong_shape(G_GNUC_UNUSED void **state)
{
  expect_message("[7]", -1, NULL, NULL, "items.json:1:2: expected a product (an object), found a number");
  expect_message("[{}]", -1, NULL, NULL, "items.json:1:2: product: 'asin' should be a string, found nothing");
  expect_message("[{'asin': 5}]", -1, NULL, NULL,
                 "items.json:1:2: product: 'asin' should be a string, found a number");
  expect_message("[\n{'asin': 'B1'}]", -1, NULL, NULL,
                 "items.json:2:1: product B1: 'category' should be a string, found nothing");
  expect_message("[{'asin': 'B1', 'category': 'c', 'query': null}]", -1, NULL, NULL,
                 "items.json:1:2: product B1: 'query' should be a string, found null");
  expect_message("[{'asin': 'B1', 'name': [], " PLAIN_FIELDS "''}]", -1, NULL, NULL,
                 "items.json:1:2: product B1: 'name' should be a string, found a list");
  expect_message(
      "[{'asin': 'B1', 'name': 'n', 'pricing': '12', " PLAIN_FIELDS "''}]", -1, NULL, NULL,
      "items.json:1:2: product B1: 'pricing' should hold amounts such as \"$10.99\" or \"$5.00 - $7.50\", "
      "found \"12\"");
  expect_message(
      "[{'asin': 'B1', 'name': 'n', 'pricing': 12, " PLAIN_FIELDS "''}]", -1, NULL, NULL,
      "items.json:1:2: product B1: 'pricing' should be a string such as \"$10.99\" or null, found a number");
  expect_message(
      "[{'asin': 'B1', 'name': 'n', " PLAIN_FIELDS "'x'}]", -1, NULL, NULL,
      "items.json:1:2: product B1: 'customization_options' should be an object, null or \"\", found a "
      "string");
  expect_message(
      "[{'asin': 'B1', 'name': 'n', " PLAIN_FIELDS "{'Size': 3}}]", -1, NULL, NULL,
      "items.json:1:2: product B1: 'customization_options.Size' should be null or a list of objects, found "
      "a number");
  expect_message(
      "[{'asin': 'B1', 'name': 'n', " PLAIN_FIELDS "{'Size': [{'value': 'a'}, {'value': 3}]}}]", -1, NULL,
      NULL,
      "items.json:1:2: product B1: 'customization_options.Size[1].value' should be a string, found a "
      "number");
  expect_message(
      "[{'asin': 'B1', 'name': 'n', " PLAIN_FIELDS "{'Size': ['a']}}]", -1, NULL, NULL,
      "items.json:1:2: product B1: 'customization_options.Size[0]' should be an object with 'value', found "
      "a string");
}

static void test_attribute_and_human_files_of_the_wrong_shape(G_GNUC_UNUSED void **state)
{
  const char *good = "[" GOOD_PRODUCT "]";
  expect_message(
      good, -1, "{}", NULL,
      "attributes.json: no entry for product B000000001 (1 of 1 products have none); synthetic goals need "
      "the attribute file that belongs to the catalogue: name it with 'attributes_file', or set 'goals: "
      "human'");
  expect_message(good, -1, "[]", NULL,
                 "attributes.json:1:1: expected a JSON object ('{'), found '[' (byte 0)");
  expect_message(good, -1, "{'B000000001' 3}", NULL,
                 "attributes.json:1:15: expected ':' after the key \"B000000001\", found '3' (byte 14)");
  expect_message(good, -1, "{7: 3}", NULL,
                 "attributes.json:1:2: expected a key in double quotes, found '7' (byte 1)");
  expect_message(
      good, -1, "{'B000000001': {'attributes': 1}}", NULL,
      "attributes.json:1:16: product B000000001: 'attributes' should be a list of strings, found a number");
  expect_message(
      good, -1, "{'B000000001': {'attributes': ['a', 1]}}", NULL,
      "attributes.json:1:16: product B000000001: 'attributes[1]' should be a string, found a number");
  expect_message(
      good, -1, "{'B000000001': {'attributes': [], 'instruction': 1}}", NULL,
      "attributes.json:1:16: product B000000001: 'instruction' should be a string or null, found a number");
  expect_message(
      good, -1, "{'B000000001': {'attributes': []}}", "{'B000000001': {}}",
      "human.json:1:16: product B000000001: '(entry)' should be a list of records, found an object");
  expect_message(good, -1, "{'B000000001': {'attributes': []}}", "{'B000000001': [{}]}",
                 "human.json:1:16: product B000000001: 'instruction' should be a string, found nothing");
}

static void test_a_missing_file(G_GNUC_UNUSED void **state)
{
  g_autoptr(GError) error = NULL;
  assert_null(shop_load_catalogue("/nonexistent/items.json", NULL, NULL, 0, FALSE, &error));
  assert_string_equal(error->message, "/nonexistent/items.json: cannot be opened: No such file or directory");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_options_are_normalised),
      cmocka_unit_test(test_a_later_group_of_the_same_name_replaces_in_place),
      cmocka_unit_test(test_empty_options_are_none),
      cmocka_unit_test(test_falsy_fields_are_empty),
      cmocka_unit_test(test_a_value_of_two_groups_belongs_to_the_last),
      cmocka_unit_test(test_products_to_skip),
      cmocka_unit_test(test_contents_of_the_search_index),
      cmocka_unit_test(test_the_checksum_tells_catalogues_apart),
      cmocka_unit_test(test_many_products_keep_their_places),
      cmocka_unit_test(test_a_good_folder_loads),
      cmocka_unit_test(test_files_that_are_not_json),
      cmocka_unit_test(test_products_of_the_wrong_shape),
      cmocka_unit_test(test_attribute_and_human_files_of_the_wrong_shape),
      cmocka_unit_test(test_a_missing_file),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
