/* The scripted shoppers that read: the reader's way through results that do not fit, and both it and the
 * expert as teachers of somebody who goes other ways. */
#include "envs/shop/scripts/expert.h"
#include "envs/shop/scripts/scripts.h"
#include "tests/shop/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

typedef gint (*Script)(ShopSession *session, GError **error);

typedef struct {
  ShopWorld *world;
  ShopSession *session;
  CwRandom *random;
} Shop;

#define WORDS "lamp color red size large "
#define LAMP(asin, text, price, options)                                                                     \
  "{'asin': '" asin "', 'name': 'Lamp " asin "', 'full_description': '" text "', 'small_description': [], "  \
  "'pricing': '" price                                                                                       \
  "', 'category': 'c', 'query': 'lamp', 'product_category': 'a', 'customization_options': " options "}"

/* Lamps in the order of the results: without red, in red but for 80 dollars, in red and small, in red and
 * large. */
static Shop open_shop(const char *instruction)
{
  ShopCatalogueBuilder *builder = shop_catalogue_builder_new();
  fixture_add(builder, LAMP("B00000000A", WORDS WORDS WORDS WORDS WORDS WORDS, "$20",
                            "{'Color': [{'value': 'blue'}], 'Size': [{'value': 'large'}]}"));
  fixture_add(builder, LAMP("B00000000B", WORDS WORDS WORDS WORDS, "$80",
                            "{'Color': [{'value': 'red'}], 'Size': [{'value': 'large'}]}"));
  fixture_add(builder, LAMP("B00000000C", WORDS WORDS, "$20",
                            "{'Color': [{'value': 'red'}], 'Size': [{'value': 'small'}]}"));
  fixture_add(builder,
              LAMP("B00000000D", "lamp", "$20",
                   "{'Shade': [{'value': 'red'}, {'value': 'blue'}], 'Color': [{'value': 'blue'}, {'value': "
                   "'red'}], 'Size': [{'value': 'small'}, {'value': 'large'}]}"));
  fixture_add_attributes(
      builder, "B00000000D",
      "{'attributes': ['bright'], 'instruction': 'Find me', 'instruction_attributes': ['bright']}");
  g_autofree char *human = g_strdup_printf("[{'instruction': '%s', 'instruction_attributes': ['bright'], "
                                           "'instruction_options': {'color': 'red', 'size': 'large'}}]",
                                           instruction);
  fixture_add_humans(builder, "B00000000D", human);
  GError *error = NULL;
  ShopSettings settings = fixture_settings();
  settings.goals = SHOP_GOALS_HUMAN;
  ShopCatalogue *catalogue = shop_catalogue_builder_finish(builder, &error);
  Shop shop = {.world = shop_world_new(catalogue, "webshop", "lamps", &settings, &error),
               .random = cw_random_new(1, "test", 0, 0)};
  if (!shop.world)
    fail_msg("%s", error->message);
  shop.session = fixture_session(shop.world, shop.random);
  return shop;
}

static void close_shop(Shop *shop)
{
  shop_session_free(shop->session);
  shop_world_free(shop->world);
  cw_random_free(shop->random);
}

static const char *advice(const Shop *shop, Script script)
{
  GError *error = NULL;
  gint chosen = script(shop->session, &error);
  if (chosen < 0)
    fail_msg("%s", error->message);
  guint n;
  const ShopCandidate *candidates = shop_session_candidates(shop->session, &n);
  assert_true((guint)chosen < n);
  return candidates[chosen].text;
}

/* What the script does from reset to its purchase, one action a line. Free with g_free. */
static char *walk(const Shop *shop, Script script)
{
  GString *way = g_string_new(NULL);
  CwOutcome outcome = {.struct_size = sizeof outcome};
  while (!outcome.terminated) {
    assert_true(way->len < 2000);
    g_autofree char *action = g_strdup(advice(shop, script));
    g_string_append_printf(way, "%s\n", action);
    outcome = fixture_step(shop->session, action);
  }
  return g_string_free(way, FALSE);
}

static void test_the_reader_buys_the_first_product_that_fits(G_GNUC_UNUSED void **state)
{
  Shop shop = open_shop("find me lamp with color: red, and size: large");
  g_autofree char *way = walk(&shop, shop_reader_action);
  const char *results = strchr(way, '\n') + 1;
  assert_string_equal(results, "click[item - lamp b00000000a]\nclick[< prev]\n"
                               "click[item - lamp b00000000c]\nclick[< prev]\n"
                               "click[item - lamp b00000000d]\nclick[red]\nclick[large]\nclick[buy now]\n");
  close_shop(&shop);
}

static void test_the_reader_falls_back_on_the_first_product(G_GNUC_UNUSED void **state)
{
  Shop shop = open_shop("find me lamp with color: green, and size: large");
  g_autofree char *way = walk(&shop, shop_reader_action);
  assert_true(g_str_has_suffix(way, "click[item - lamp b00000000d]\nclick[< prev]\nclick[item - lamp "
                                    "b00000000a]\nclick[large]\nclick[buy now]\n"));
  close_shop(&shop);
}

static void test_without_options_the_reader_buys_the_first_that_is_cheap_enough(G_GNUC_UNUSED void **state)
{
  Shop shop = open_shop("find me lamp");
  shop_session_set_price_upper(shop.session, 10);
  g_autofree char *dear = walk(&shop, shop_reader_action);
  assert_true(g_str_has_suffix(dear, "\nclick[item - lamp b00000000a]\nclick[buy now]\n"));
  close_shop(&shop);
}

static void test_teachers_go_by_what_was_done(G_GNUC_UNUSED void **state)
{
  static const Script scripts[] = {shop_reader_action, shop_expert_action};
  for (guint i = 0; i < G_N_ELEMENTS(scripts); i++) {
    Shop shop = open_shop("find me lamp with color: red, and size: large");
    advice(&shop, scripts[i]);
    fixture_step(shop.session, "search[lamp]");
    advice(&shop, scripts[i]);
    fixture_step(shop.session, "click[b00000000d]");
    assert_string_equal(advice(&shop, scripts[i]), "click[red]");
    fixture_step(shop.session, "click[large]");
    assert_string_equal(advice(&shop, scripts[i]), "click[red]");
    fixture_step(shop.session, "click[red]");
    assert_string_equal(advice(&shop, scripts[i]), "click[buy now]");
    fixture_step(shop.session, "click[small]");
    assert_string_equal(advice(&shop, scripts[i]), "click[large]");
    fixture_step(shop.session, "click[< prev]");
    advice(&shop, scripts[i]);
    fixture_step(shop.session, "click[b00000000c]");
    assert_string_equal(advice(&shop, scripts[i]), "click[< prev]");
    close_shop(&shop);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_the_reader_buys_the_first_product_that_fits),
      cmocka_unit_test(test_the_reader_falls_back_on_the_first_product),
      cmocka_unit_test(test_without_options_the_reader_buys_the_first_that_is_cheap_enough),
      cmocka_unit_test(test_teachers_go_by_what_was_done),
  };
  return cmocka_run_group_tests_name("scripted shoppers", tests, NULL, NULL);
}
