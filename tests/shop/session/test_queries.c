/* The search queries that honest candidates hold, and what an import makes of a recorded search that is not
 * among them. */
#include "envs/shop/catalogue/loader.h"
#include "envs/shop/session/queries.h"
#include "tests/shop/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define DATA TEST_SOURCE_DIRECTORY "/tests/shop/data/"

static void test_honest_queries_come_from_the_instruction(G_GNUC_UNUSED void **state)
{
  g_autoptr(GPtrArray) queries = g_ptr_array_new();
  guint n = 0;
  shop_queries_make(
      "Find me soft, warm men's shirts with long sleeve, cotton [x] with color: red, and size: x-large "
      "tall, and price lower than 50.00 dollars",
      queries, &n, NULL);
  static const char *const expected[] = {
      "search[find me soft, warm men's shirts with long sleeve, cotton  x  with color: red, and size: "
      "x-large tall, "
      "and price lower than 50.00 dollars]",
      "search[soft, warm men's shirts with long sleeve, cotton  x  with color: red, and size: x-large tall]",
      "search[soft warm men's shirts long sleeve cotton x red x-large tall red x-large tall]",
      "search[men's shirts red x-large tall]",
      "search[soft warm men's shirts red x-large tall]",
      "search[red x-large tall]"};
  assert_int_equal(n, SHOP_MAX_QUERIES);
  assert_int_equal(n, G_N_ELEMENTS(expected));
  for (guint i = 0; i < n; i++)
    assert_string_equal(((GString *)queries->pdata[i])->str, expected[i]);

  n = 0;
  shop_queries_make("I'm looking for a tea.", queries, &n, NULL);
  assert_int_equal(n, 2);
  assert_string_equal(((GString *)queries->pdata[0])->str, "search[i'm looking for a tea]");
  assert_string_equal(((GString *)queries->pdata[1])->str, "search[tea]");

  n = 0;
  guint kinds[SHOP_MAX_QUERIES];
  shop_queries_make("i want a soft red shirt with long sleeves that is easy to wash by hand", queries, &n,
                    kinds);
  assert_int_equal(n, 5);
  assert_string_equal(((GString *)queries->pdata[2])->str,
                      "search[soft red shirt long sleeves easy wash hand]");
  assert_int_equal(kinds[2], SHOP_QUERY_OPTIONS_DOUBLED);
  assert_string_equal(((GString *)queries->pdata[3])->str, "search[soft red shirt]");
  assert_int_equal(kinds[3], SHOP_QUERY_HEAD);
  assert_string_equal(((GString *)queries->pdata[4])->str, "search[soft red shirt long sleeves easy]");
  assert_int_equal(kinds[4], SHOP_QUERY_FIRST_KEYWORDS);
  for (guint i = 0; i < queries->len; i++)
    g_string_free(queries->pdata[i], TRUE);
}

/* There is always something to type, or the episode would have no candidate. */
static void test_an_instruction_without_a_word_has_a_query(G_GNUC_UNUSED void **state)
{
  static const char *const cases[][2] = {
      {"", "search[ ]"}, {" ", "search[ ]"}, {"?!", "search[?!]"}, {"[]", "search[  ]"}};
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GPtrArray) queries = g_ptr_array_new_with_free_func(shop_queries_free);
    guint n = 0;
    shop_queries_make(cases[i][0], queries, &n, NULL);
    assert_int_equal(n, 1);
    assert_string_equal(((GString *)queries->pdata[0])->str, cases[i][1]);
  }
}

static ShopWorld *load(ShopRecordedSearches recorded)
{
  ShopSettings settings = fixture_settings();
  settings.recorded_searches = (gint)recorded;
  GError *error = NULL;
  ShopCatalogue *catalogue =
      shop_load_catalogue(DATA "items.json", DATA "attributes.json", DATA "human.json", 0, TRUE, &error);
  if (!catalogue)
    fail_msg("%s", error->message);
  ShopWorld *world = shop_world_new(catalogue, "webshop", "items.json", &settings, &error);
  if (!world)
    fail_msg("%s", error->message);
  return world;
}

/* Number of search candidates, and the text of the one that `action` becomes. */
static const char *candidate_for(ShopSession *session, const char *action, gboolean may_add, guint *n)
{
  gint index = shop_session_candidate_of(session, action, may_add);
  const ShopCandidate *candidates = shop_session_candidates(session, n);
  return index < 0 ? NULL : candidates[index].text;
}

static void test_a_recorded_search_is_added_or_becomes_the_nearest_candidate(G_GNUC_UNUSED void **state)
{
  CwRandom *random = cw_random_new(1, "test", 0, 0);
  for (ShopRecordedSearches recorded = SHOP_SEARCHES_ADDED; recorded <= SHOP_SEARCHES_NEAREST; recorded++) {
    ShopWorld *world = load(recorded);
    gint64 shoes = -1; /* a goal with options, whose queries differ in what they find */
    ShopGoalView *view = shop_goal_view_new();
    for (guint32 g = 0; g < world->goals->n_items && shoes < 0; g++) {
      shop_goal_view_set(view, world->catalogue, world->goals, g);
      shoes = strstr(view->instruction->str, "color: sand, and size: 10") ? (gint64)g : -1;
    }
    shop_goal_view_free(view);
    assert_true(shoes >= 0);
    ShopSession *session = shop_session_new(world);
    shop_session_reset(session, (guint32)shoes, random);
    guint before, after;
    const char *own = candidate_for(session, "search[SAND 10]", TRUE, &before);
    assert_string_equal(own, "search[sand 10]"); /* one of the candidates already, in any case of letters */
    assert_null(candidate_for(session, "search[sofa for oats]", FALSE, &after));
    assert_int_equal(before, after);
    const char *text = candidate_for(session, "search[10 in sandy sand]", TRUE, &after);
    if (recorded == SHOP_SEARCHES_ADDED) {
      assert_int_equal(after, before + 1);
      assert_string_equal(text, "search[10 in sandy sand]");
    } else {
      assert_int_equal(after, before);
      assert_string_equal(text, "search[machine washable men's shoes rubber sole sand 10 sand 10]");
    }
    shop_session_free(session);
    shop_world_free(world);
  }
  cw_random_free(random);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_honest_queries_come_from_the_instruction),
      cmocka_unit_test(test_an_instruction_without_a_word_has_a_query),
      cmocka_unit_test(test_a_recorded_search_is_added_or_becomes_the_nearest_candidate),
  };
  return cmocka_run_group_tests_name("search queries", tests, NULL, NULL);
}
