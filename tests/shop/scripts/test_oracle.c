/* The choice oracle over the tests' own shop folder: its reward against every combination of options, the
 * agent that carries it out, and the request that compares queries. */
#include "envs/shop/environment.h"
#include "envs/shop/scripts/oracle.h"
#include "tests/shop/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <string.h>

/* The best reward over all combinations of one value or none of each group from `group` on. */
static double best_by_trying(const ShopWorld *world, const ShopGoalView *goal, guint32 product, guint32 group,
                             const char **values, guint n_values)
{
  const ShopCatalogue *catalogue = world->catalogue;
  const ShopProduct *p = &catalogue->products[product];
  if (group == p->groups.count) {
    ShopReward reward;
    shop_world_reward(world, goal, product, values, n_values, &reward);
    return reward.total;
  }
  double best = best_by_trying(world, goal, product, group + 1, values, n_values);
  for (guint32 t = p->targets.first; t < p->targets.first + p->targets.count; t++) {
    if (catalogue->targets[t].group != group || catalogue->targets[t].special)
      continue; /* what a click in faithful mode cannot choose */
    values[n_values] = shop_string(catalogue, catalogue->targets[t].value);
    best = MAX(best, best_by_trying(world, goal, product, group + 1, values, n_values + 1));
  }
  return best;
}

static void test_no_combination_of_options_beats_the_oracle(G_GNUC_UNUSED void **state)
{
  ShopWorld *world = fixture_load(NULL);
  ShopGoalView *goal = shop_goal_view_new();
  const char *values[8];
  guint n_improved = 0;
  for (guint32 g = 0; g < world->goals->n_items; g++) {
    shop_goal_view_set(goal, world->catalogue, world->goals, g);
    double best = 0;
    for (guint32 product = 0; product < world->catalogue->n_products; product++) {
      ShopReach reach;
      shop_oracle_product(world, goal, product, -1, &reach);
      double expected = best_by_trying(world, goal, product, 0, values, 0);
      assert_true(reach.reward == expected);
      assert_true(reach.is_certain || reach.reward < 1);
      ShopReward none;
      shop_world_reward(world, goal, product, NULL, 0, &none);
      n_improved += reach.reward > none.total;
      best = MAX(best, expected);
    }
    guint32 *all = g_new(guint32, world->catalogue->n_products), found;
    for (guint32 product = 0; product < world->catalogue->n_products; product++)
      all[product] = product;
    ShopReach reach;
    shop_oracle_products(world, goal, all, world->catalogue->n_products, &found, &reach);
    assert_true(reach.reward == best);
    shop_oracle_products(world, goal, all, 0, &found, &reach);
    assert_true(reach.reward == 0 && found == G_MAXUINT32);
    g_free(all);
  }
  assert_true(n_improved > 0);
  shop_goal_view_free(goal);
  shop_environment_close(world);
}

static void test_the_oracle_agent_earns_what_its_queries_can_reach(G_GNUC_UNUSED void **state)
{
  ShopWorld *world = fixture_load(NULL);
  GError *error = NULL;
  gpointer session = shop_environment_session_new(world, &error);
  ShopGoalView *goal = shop_goal_view_new();
  for (guint32 g = 0; g < world->goals->n_items; g++) {
    shop_goal_view_set(goal, world->catalogue, world->goals, g);
    CwRandom *random = cw_random_new(1, "test", g, 0);
    CwOutcome outcome = {.struct_size = sizeof outcome};
    double reachable = 0;
    assert_true(shop_environment_reset(session, "all", g, random, &error));
    guint n;
    const ShopCandidate *candidates = shop_session_candidates(shop_environment_session(session), &n);
    for (guint i = 0; i < n; i++) {
      guint32 results[50], best;
      ShopReach reach;
      g_autofree char *query = g_strndup(candidates[i].text + 7, strlen(candidates[i].text) - 8);
      guint n_results = shop_index_search(world->index, query, 50, results);
      shop_oracle_products(world, goal, results, n_results, &best, &reach);
      reachable = MAX(reachable, reach.reward);
    }
    for (guint step = 0; step < 30 && !outcome.terminated; step++) {
      gint candidate = shop_environment_scripted_action(session, "oracle", &error);
      assert_true(candidate >= 0);
      assert_true(shop_environment_step(session, (guint)candidate, &outcome, &error));
    }
    assert_true(outcome.terminated);
    assert_float_equal(outcome.reward, reachable, 1e-6);
    cw_random_free(random);
  }
  shop_goal_view_free(goal);
  shop_environment_session_free(session);
  shop_environment_close(world);
}

static void test_queries_are_compared_by_what_they_reach(G_GNUC_UNUSED void **state)
{
  ShopWorld *world = fixture_load(NULL);
  GError *error = NULL;
  g_autofree char *own = shop_environment_answer(world, "oracle", "{\"goal\": 0}", &error);
  assert_non_null(own);
  assert_non_null(strstr(own, "\"kind\":\"whole\""));
  assert_non_null(strstr(own, "\"certain\":true"));
  g_autofree char *given = shop_environment_answer(
      world, "oracle", "{\"goal\": 0, \"queries\": [\"\", \"No Such Word\"]}", &error);
  const char *list = strstr(given, "\"queries\":");
  assert_string_equal(list,
                      "\"queries\":[{\"query\":\"\",\"total\":0,\"rank\":0,\"reward\":0.0,\"certain\":true,"
                      "\"first_page\":0.0},"
                      "{\"query\":\"no such "
                      "word\",\"total\":0,\"rank\":0,\"reward\":0.0,\"certain\":true,\"first_page\":0.0}]}");
  static const char *const wrong[][2] = {
      {"{\"goal\": 0, \"queries\": 3}", "oracle: 'queries' should be a list of strings"},
      {"{\"goal\": 0, \"queries\": [\"a\", 3]}", "oracle: query number 2 should be a string"},
      {"{\"goals\": 0}", "oracle: unknown key 'goals'; there are 'goal', 'queries'"},
      {"{}", "oracle: 'goal' should be a goal's number or \"webshop_N\""}};
  for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
    assert_null(shop_environment_answer(world, "oracle", wrong[i][0], &error));
    assert_string_equal(error->message, wrong[i][1]);
    g_clear_error(&error);
  }
  shop_environment_close(world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_no_combination_of_options_beats_the_oracle),
      cmocka_unit_test(test_the_oracle_agent_earns_what_its_queries_can_reach),
      cmocka_unit_test(test_queries_are_compared_by_what_they_reach),
  };
  return cmocka_run_group_tests_name("the choice oracle", tests, NULL, NULL);
}
