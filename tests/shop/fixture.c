/* The tests' own shop. */
#include "tests/shop/fixture.h"
#include "envs/shop/catalogue/loader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define DATA TEST_SOURCE_DIRECTORY "/tests/shop/data/"

ShopSettings fixture_settings(void)
{
  return (ShopSettings){.observation = SHOP_OBSERVATION_TEXT,
                        .step_limit = 100,
                        .split_rule = SHOP_SPLIT_BY_PRODUCT,
                        .goals_per_product = 5,
                        .price_seed = 233};
}

static json_t *parse(const char *text)
{
  g_autofree char *json = g_strdelimit(g_strdup(text), "'", '"');
  json_error_t problem;
  json_t *value = shop_json_load(json, strlen(json), JSON_DECODE_ANY, &problem);
  if (!value)
    fail_msg("fixture: %s in %s", problem.text, json);
  return value;
}

static void check(gboolean good, GError *error)
{
  if (!good)
    fail_msg("%s", error->message);
}

void fixture_add(ShopCatalogueBuilder *builder, const char *product)
{
  GError *error = NULL;
  json_t *object = parse(product);
  check(shop_catalogue_builder_add(builder, object, "fixture", &error), error);
  json_decref(object);
}

void fixture_add_attributes(ShopCatalogueBuilder *builder, const char *asin, const char *record)
{
  GError *error = NULL;
  json_t *object = parse(record);
  check(shop_catalogue_builder_add_attributes(builder, asin, object, "fixture", &error), error);
  json_decref(object);
}

void fixture_add_humans(ShopCatalogueBuilder *builder, const char *asin, const char *records)
{
  GError *error = NULL;
  json_t *object = parse(records);
  check(shop_catalogue_builder_add_humans(builder, asin, object, "fixture", &error), error);
  json_decref(object);
}

ShopWorld *fixture_oil_shop(const ShopSettings *settings)
{
  ShopCatalogueBuilder *builder = shop_catalogue_builder_new();
  fixture_add(
      builder,
      "{'asin': 'B000000001', 'name': 'Argan oil', 'full_description': 'Red red red oil oil oil again again "
      "again item_page item_page item_page item_page', 'small_description': ['Pure <b>& \\u201cgood\\u201d', "
      "'', 'two  blanks '], "
      "'pricing': '$10.99', 'category': 'beauty', 'query': ' Hair Oil ', 'product_category': 'a \\u203a b', "
      "'customization_options': {'Color': [{'value': ' Black/White '}, {'value': '12\\\" Red'}, {'value': "
      "'Caf\\u00e9'}], 'Size': [{'value': '8'}, {'value': 'color'}], 'Width': [{'value': '8'}], 'Nul': "
      "null}}");
  for (guint i = 2; i <= 29; i++) {
    g_autofree char *product = g_strdup_printf(
        "{'asin': 'B0000000%02u', 'name': 'Product %u', 'full_description': '%s', 'small_description': "
        "'one', "
        "'pricing': %s, 'category': '%s', 'query': 'thing', 'product_category': 'a \\u203a c', "
        "'customization_options': ''}",
        i, i, i <= 24 ? "Red oil again item_page" : "Nothing of the kind",
        i == 2 ? "'$5 - $1,234.50'" : "null", i <= 24 ? "beauty" : "garden");
    fixture_add(builder, product);
  }
  fixture_add_attributes(
      builder, "B000000001",
      "{'attributes': ['argan', 'pure'], 'instruction': 'Find me oil', 'instruction_attributes': "
      "['argan']}");
  fixture_add_humans(
      builder, "B000000001",
      "[{'instruction': 'i want oil.', 'instruction_attributes': ['argan'], 'instruction_options': []}, "
      "{'instruction': 'skipped', 'instruction_attributes': []}]");
  GError *error = NULL;
  ShopCatalogue *catalogue = shop_catalogue_builder_finish(builder, &error);
  assert_non_null(catalogue);
  ShopSettings chosen = *settings;
  chosen.goals = SHOP_GOALS_HUMAN;
  ShopWorld *world = shop_world_new(catalogue, "webshop", "oil shop", &chosen, &error);
  if (!world)
    fail_msg("%s", error->message);
  return world;
}

ShopWorld *fixture_load(const ShopSettings *settings)
{
  ShopSettings usual = fixture_settings();
  GError *error = NULL;
  ShopCatalogue *catalogue =
      shop_load_catalogue(DATA "items.json", DATA "attributes.json", DATA "human.json", 0, TRUE, &error);
  if (!catalogue)
    fail_msg("%s", error->message);
  ShopWorld *world = shop_world_new(catalogue, "webshop", "items.json", settings ? settings : &usual, &error);
  if (!world)
    fail_msg("%s", error->message);
  return world;
}

gint64 fixture_goal_of(const ShopWorld *world, const char *asin, const char *clause)
{
  ShopGoalView *view = shop_goal_view_new();
  gint64 product = shop_catalogue_find(world->catalogue, asin), found = -1;
  for (guint32 i = 0; i < world->goals->n_items && found < 0; i++) {
    shop_goal_view_set(view, world->catalogue, world->goals, i);
    if (view->product == product && strstr(view->instruction->str, clause))
      found = i;
  }
  shop_goal_view_free(view);
  assert_true(found >= 0);
  return found;
}

void fixture_expect_error(GError *error, const char *message)
{
  assert_non_null(error);
  assert_string_equal(error->message, message);
  g_error_free(error);
}

ShopSession *fixture_session(const ShopWorld *world, CwRandom *random)
{
  ShopSession *session = shop_session_new(world);
  shop_session_reset(session, 0, random);
  shop_session_set_price_upper(session, 50);
  return session;
}

CwOutcome fixture_step(ShopSession *session, const char *action)
{
  CwOutcome outcome = {.struct_size = sizeof outcome};
  shop_session_step_text(session, action, &outcome);
  return outcome;
}

char *fixture_url(const ShopSession *session)
{
  GString *url = g_string_new(NULL);
  shop_session_append_url(session, url);
  return g_string_free(url, FALSE);
}

const char *fixture_text(ShopSession *session)
{
  gsize length;
  const char *text = shop_session_observation(session, &length);
  assert_int_equal(strlen(text), length);
  return text;
}

char *fixture_candidates(ShopSession *session)
{
  guint n;
  const ShopCandidate *candidates = shop_session_candidates(session, &n);
  GString *texts = g_string_new(NULL);
  for (guint i = 0; i < n; i++)
    g_string_append_printf(texts, "%s%s", i > 0 ? "\n" : "", candidates[i].text);
  return g_string_free(texts, FALSE);
}
