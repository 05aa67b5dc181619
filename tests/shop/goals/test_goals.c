/* Goals and splits: both kinds, the price ladder, the clauses, the order, and that splits share no product
 * and do not depend on chance. */
#include "tests/shop/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define REST                                                                                                 \
  "'full_description': '', 'small_description': 'one', 'category': 'c', 'query': 'q', 'product_category': "  \
  "'p', "

static ShopCatalogue *shirts(void)
{
  ShopCatalogueBuilder *builder = shop_catalogue_builder_new();
  fixture_add(
      builder,
      "{'asin': 'B000000001', 'name': 'Shirt', 'pricing': '$12.00', " REST
      "'customization_options': {'Size': [{'value': 'S'}, {'value': 'L'}], 'Color': [{'value': 'Red'}, "
      "{'value': 'Blue'}, {'value': 'Tan'}]}}");
  fixture_add(builder, "{'asin': 'B000000002', 'name': 'Sofa', 'pricing': '$985.00', " REST
                       "'customization_options': ''}");
  fixture_add(builder, "{'asin': 'B000000003', 'name': 'Silent', 'pricing': '$5.00', " REST
                       "'customization_options': ''}");
  fixture_add(builder, "{'asin': 'B000000004', 'name': 'Hat', 'pricing': '$20.00 - $30.00', " REST
                       "'customization_options': {'Size': []}}");
  static const char *const attributes[] = {
      "{'attributes': ['soft'], 'instruction': 'Find me soft shirt', 'instruction_attributes': ['soft', "
      "'warm']}",
      "{'attributes': [], 'instruction': 'Find me sofa', 'instruction_attributes': ['soft']}",
      "{'attributes': []}",
      "{'attributes': [], 'instruction': 'Find me hat', 'instruction_attributes': ['soft']}"};
  for (guint i = 0; i < 4; i++) {
    g_autofree char *asin = g_strdup_printf("B00000000%u", i + 1);
    fixture_add_attributes(builder, asin, attributes[i]);
  }
  fixture_add_humans(
      builder, "B000000001",
      "[{'instruction': '.i want a shirt. ', 'instruction_attributes': ['soft'], 'instruction_options': "
      "['Red', 'L']}, {'instruction': 'no attributes', 'instruction_attributes': []}]");
  fixture_add_humans(
      builder, "B000000002",
      "[{'instruction': 'sofa...', 'instruction_attributes': ['soft'], 'instruction_options': {'color': "
      "'red'}}]");
  return shop_catalogue_builder_finish(builder, NULL);
}

static void test_synthetic_goals_are_all_combinations(G_GNUC_UNUSED void **state)
{
  ShopCatalogue *catalogue = shirts();
  GError *error = NULL;
  ShopGoals *goals = shop_goals_new(catalogue, SHOP_GOALS_SYNTHETIC, SHOP_PRICES_DRAWN, 233, &error);
  assert_null(error);
  /* 6 shirts, the sofa; the silent one has no instruction, the hat's only group no value. */
  assert_int_equal(goals->n_items, 7);
  ShopGoalView *view = shop_goal_view_new();
  static const char *const clauses[] = {"color: red, and size: s",  "color: red, and size: l",
                                        "color: blue, and size: s", "color: blue, and size: l",
                                        "color: tan, and size: s",  "color: tan, and size: l"};
  gint32 upper = -1;
  guint n_shirts = 0;
  for (guint i = 0; i < goals->n_items; i++) {
    shop_goal_view_set(view, catalogue, goals, i);
    if (view->product == 1) {
      assert_string_equal(view->instruction->str, "Find me sofa");
      assert_true(view->price_upper == SHOP_NO_PRICE_LIMIT);
      assert_int_equal(view->option_values->len, 0);
      continue;
    }
    n_shirts++;
    if (upper < 0)
      upper = shop_goal_price_upper(goals, catalogue, i);
    assert_true(upper == 30 || upper == 40 || upper == 50);
    assert_int_equal(shop_goal_price_upper(goals, catalogue, i),
                     upper); /* all combinations share the bound */
    g_autofree char *expected =
        g_strdup_printf("Find me soft shirt with %s, and price lower than %d.00 dollars",
                        clauses[goals->items[i].choice], upper);
    assert_string_equal(view->instruction->str, expected);
    assert_int_equal(view->attributes->len, 2);
    assert_string_equal(view->attributes->pdata[1], "warm");
    assert_string_equal(view->option_names->pdata[1], "size");
  }
  assert_int_equal(n_shirts, 6);
  shop_goal_view_set_price_upper(view, SHOP_NO_PRICE_LIMIT);
  assert_null(strstr(view->instruction->str, "price"));
  shop_goal_view_free(view);

  double *cumulative = shop_goals_cumulative_weights(goals, catalogue);
  for (guint i = 0; i < goals->n_items; i++) {
    double weight = cumulative[i + 1] - cumulative[i];
    double expected = goals->items[i].product == 1 ? 1.0 / 7 : (1.0 / 7 + 1.0 / 6) / 2;
    assert_true(weight > expected - 1e-12 && weight < expected + 1e-12);
  }
  g_free(cumulative);
  shop_goals_free(goals);
  shop_catalogue_free(catalogue);
}

static void test_human_goals(G_GNUC_UNUSED void **state)
{
  ShopCatalogue *catalogue = shirts();
  ShopGoals *goals = shop_goals_new(catalogue, SHOP_GOALS_HUMAN, SHOP_PRICES_DRAWN, 233, NULL);
  assert_int_equal(goals->n_items, 2);
  assert_int_equal(goals->n_skipped, 1);
  ShopGoalView *view = shop_goal_view_new();
  for (guint i = 0; i < 2; i++) {
    shop_goal_view_set(view, catalogue, goals, i);
    if (view->product == 1) {
      assert_string_equal(view->instruction->str, "sofa");
      assert_string_equal(view->option_names->pdata[0], "color");
      assert_string_equal(view->option_values->pdata[0], "red");
    } else {
      /* Only the points go: a trailing blank protects its point. */
      assert_true(g_str_has_prefix(view->instruction->str, "i want a shirt. , and price lower than "));
      assert_int_equal(view->option_names->len, 0);
      assert_string_equal(view->option_values->pdata[1], "L");
    }
  }
  shop_goal_view_free(view);
  shop_goals_free(goals);
  shop_catalogue_free(catalogue);
}

static void test_agentgym_has_a_crowd_goal_for_each_bound(G_GNUC_UNUSED void **state)
{
  ShopCatalogue *catalogue = shirts();
  ShopGoals *goals = shop_goals_new(catalogue, SHOP_GOALS_HUMAN, SHOP_PRICES_DRAWN, 233, NULL);
  shop_goals_follow(goals, catalogue, SHOP_PROTOCOL_AGENTGYM, SHOP_PRICES_DRAWN, 7);
  assert_int_equal(goals->n_items, 8);
  guint n_unbounded = 0, steps = 0;
  for (guint i = 0; i < 8; i++) {
    gint32 upper = shop_goal_price_upper(goals, catalogue, i);
    n_unbounded += goals->items[i].product == 1 && upper == SHOP_NO_PRICE_LIMIT;
    if (goals->items[i].product == 0) {
      assert_true(upper % 10 == 0 && upper > shop_goal_price(goals, catalogue, i, 0));
      steps |= 1u << (upper / 10);
    }
    assert_true(shop_goal_price(goals, catalogue, i, 0) == shop_goal_price(goals, catalogue, 0, 0));
  }
  assert_int_equal(n_unbounded, 4);
  assert_int_equal(__builtin_popcount(steps), 4);
  shop_goals_free(goals);
  shop_catalogue_free(catalogue);
}

static void test_a_price_range_is_drawn_or_halved(G_GNUC_UNUSED void **state)
{
  ShopCatalogue *catalogue = shirts();
  ShopGoals *drawn = shop_goals_new(catalogue, SHOP_GOALS_SYNTHETIC, SHOP_PRICES_DRAWN, 1, NULL);
  ShopGoals *same = shop_goals_new(catalogue, SHOP_GOALS_SYNTHETIC, SHOP_PRICES_DRAWN, 1, NULL);
  ShopGoals *other = shop_goals_new(catalogue, SHOP_GOALS_SYNTHETIC, SHOP_PRICES_DRAWN, 2, NULL);
  ShopGoals *middle = shop_goals_new(catalogue, SHOP_GOALS_SYNTHETIC, SHOP_PRICES_MIDDLE, 1, NULL);
  assert_true(drawn->prices[0] == 12 && middle->prices[0] == 12);
  assert_true(middle->prices[3] == 25);
  assert_true(drawn->prices[3] > 20 && drawn->prices[3] < 30);
  assert_true(drawn->prices[3] == same->prices[3]);
  assert_true(drawn->prices[3] != other->prices[3]);
  shop_goals_free(drawn);
  shop_goals_free(same);
  shop_goals_free(other);
  shop_goals_free(middle);
  shop_catalogue_free(catalogue);
}

static void expect_no_goals(const char *record, ShopGoalKind kind, const char *message)
{
  ShopCatalogueBuilder *builder = shop_catalogue_builder_new();
  fixture_add(builder, "{'asin': 'B000000001', 'name': 'N', " REST "'customization_options': ''}");
  fixture_add_attributes(builder, "B000000001", record);
  ShopCatalogue *catalogue = shop_catalogue_builder_finish(builder, NULL);
  g_autoptr(GError) error = NULL;
  assert_null(shop_goals_new(catalogue, kind, SHOP_PRICES_DRAWN, 1, &error));
  assert_string_equal(error->message, message);
  shop_catalogue_free(catalogue);
}

static void test_a_shop_without_goals_is_refused(G_GNUC_UNUSED void **state)
{
  expect_no_goals(
      "{'attributes': []}", SHOP_GOALS_SYNTHETIC,
      "no product of the catalogue has a synthetic instruction, so there is no goal; is 'attributes_file' "
      "the one that belongs to the catalogue?");
  expect_no_goals(
      "{'attributes': []}", SHOP_GOALS_HUMAN,
      "no product of the catalogue has a crowd instruction, so there is no goal; is 'human_file' the right "
      "one?");
  expect_no_goals(
      "{'attributes': [], 'instruction': 'x', 'instruction_attributes': []}", SHOP_GOALS_SYNTHETIC,
      "there is no goal: of the products with a synthetic instruction, 1 without instruction_attributes: "
      "B000000001");
}

static void test_goals_without_attributes_are_skipped_and_named(G_GNUC_UNUSED void **state)
{
  ShopCatalogueBuilder *builder = shop_catalogue_builder_new();
  for (guint i = 0; i < 8; i++) {
    g_autofree char *asin = g_strdup_printf("B%u", i);
    g_autofree char *product =
        g_strdup_printf("{'asin': '%s', 'name': 'N', " REST "'customization_options': ''}", asin);
    fixture_add(builder, product);
    fixture_add_attributes(builder, asin,
                           i == 3 ? "{'attributes': [], 'instruction': 'x', 'instruction_attributes': ['y']}"
                                  : "{'attributes': [], 'instruction': 'x'}");
  }
  g_autoptr(GError) error = NULL;
  g_autoptr(ShopCatalogue) catalogue = shop_catalogue_builder_finish(builder, &error);
  g_autoptr(ShopGoals) goals = shop_goals_new(catalogue, SHOP_GOALS_SYNTHETIC, SHOP_PRICES_DRAWN, 1, &error);
  assert_non_null(goals);
  assert_int_equal(goals->n_items, 1);
  assert_int_equal(goals->items[0].product, 3);
  assert_string_equal(goals->skipped, "7 without instruction_attributes: B0, B1, B2, B4, B5, ...");
}

/* 300 products with 8 goals each. */
static ShopCatalogue *many(void)
{
  ShopCatalogueBuilder *builder = shop_catalogue_builder_new();
  for (guint i = 0; i < 300; i++) {
    g_autofree char *asin = g_strdup_printf("B%09u", i);
    g_autofree char *product =
        g_strdup_printf("{'asin': '%s', 'name': 'N', 'pricing': '$5', " REST
                        "'customization_options': {'s': [{'value': '1'}, {'value': "
                        "'2'}], 'c': [{'value': 'a'}, {'value': 'b'}, {'value': 'c'}, {'value': 'd'}]}}",
                        asin);
    fixture_add(builder, product);
    fixture_add_attributes(builder, asin,
                           "{'attributes': [], 'instruction': 'x', 'instruction_attributes': ['soft']}");
  }
  return shop_catalogue_builder_finish(builder, NULL);
}

static void test_by_product_splits_share_no_product(G_GNUC_UNUSED void **state)
{
  ShopCatalogue *catalogue = many();
  ShopGoals *goals = shop_goals_new(catalogue, SHOP_GOALS_SYNTHETIC, SHOP_PRICES_DRAWN, 233, NULL);
  ShopSplits *splits = shop_splits_new(catalogue, goals, SHOP_SPLIT_BY_PRODUCT, 5);
  assert_int_equal(splits->n_goals[SHOP_SPLIT_ALL], 2400);
  guint total = splits->n_goals[0] + splits->n_goals[1] + splits->n_goals[2];
  assert_int_equal(total, 1500);
  assert_in_range(splits->n_goals[SHOP_SPLIT_TRAIN], 900, 1200);
  assert_in_range(splits->n_goals[SHOP_SPLIT_DEV], 75, 250);
  assert_in_range(splits->n_goals[SHOP_SPLIT_TEST], 200, 400);
  gint owner[300];
  guint n_of[300] = {0};
  gboolean seen[2400] = {FALSE};
  memset(owner, -1, sizeof owner);
  for (gint s = 0; s < SHOP_SPLIT_ALL; s++)
    for (guint i = 0; i < splits->n_goals[s]; i++) {
      guint32 goal = shop_splits_goal(splits, (ShopSplit)s, i);
      guint32 product = goals->items[goal].product;
      assert_false(seen[goal]);
      seen[goal] = TRUE;
      assert_true(owner[product] < 0 || owner[product] == s);
      owner[product] = s;
      assert_true(++n_of[product] <= 5);
    }
  ShopSplits *again = shop_splits_new(catalogue, goals, SHOP_SPLIT_BY_PRODUCT, 5);
  for (gint s = 0; s < SHOP_SPLIT_ALL; s++)
    assert_memory_equal(splits->goals[s], again->goals[s], splits->n_goals[s] * sizeof(guint32));
  /* In shuffled order: the first goals are not all of the same few products. */
  g_autoptr(GHashTable) first = g_hash_table_new(NULL, NULL);
  for (guint i = 0; i < 50; i++)
    g_hash_table_add(first, GUINT_TO_POINTER(goals->items[splits->goals[SHOP_SPLIT_TRAIN][i]].product));
  assert_true(g_hash_table_size(first) > 30);
  shop_splits_free(again);
  shop_splits_free(splits);

  splits = shop_splits_new(catalogue, goals, SHOP_SPLIT_BY_PRODUCT, 0);
  assert_int_equal(splits->n_goals[0] + splits->n_goals[1] + splits->n_goals[2], 2400);
  shop_splits_free(splits);
  shop_goals_free(goals);
  shop_catalogue_free(catalogue);
}

static void test_a_split_depends_on_the_asin_alone(G_GNUC_UNUSED void **state)
{
  assert_int_equal(shop_split_of_asin("B000000001"), shop_split_of_asin("B000000001"));
  guint n[3] = {0};
  for (guint i = 0; i < 10000; i++) {
    g_autofree char *asin = g_strdup_printf("B%09u", i * 7919);
    n[shop_split_of_asin(asin)]++;
  }
  assert_in_range(n[SHOP_SPLIT_TRAIN], 6800, 7200);
  assert_in_range(n[SHOP_SPLIT_DEV], 850, 1150);
  assert_in_range(n[SHOP_SPLIT_TEST], 1850, 2150);
}

static void test_upstream_splits_by_position(G_GNUC_UNUSED void **state)
{
  ShopCatalogue *catalogue = many();
  ShopGoals *goals = shop_goals_new(catalogue, SHOP_GOALS_SYNTHETIC, SHOP_PRICES_DRAWN, 233, NULL);
  ShopSplits *splits = shop_splits_new(catalogue, goals, SHOP_SPLIT_UPSTREAM, 5);
  assert_int_equal(splits->n_goals[SHOP_SPLIT_TEST], 500);
  assert_int_equal(splits->n_goals[SHOP_SPLIT_DEV], 1000);
  assert_int_equal(splits->n_goals[SHOP_SPLIT_TRAIN], 900);
  assert_int_equal(shop_splits_goal(splits, SHOP_SPLIT_TEST, 499), 499);
  assert_int_equal(shop_splits_goal(splits, SHOP_SPLIT_DEV, 0), 500);
  assert_int_equal(shop_splits_goal(splits, SHOP_SPLIT_TRAIN, 899), 2399);
  assert_int_equal(shop_splits_goal(splits, SHOP_SPLIT_ALL, 7), 7);
  shop_splits_free(splits);
  goals->n_items = 600;
  splits = shop_splits_new(catalogue, goals, SHOP_SPLIT_UPSTREAM, 5);
  assert_int_equal(splits->n_goals[SHOP_SPLIT_DEV], 100);
  assert_int_equal(splits->n_goals[SHOP_SPLIT_TRAIN], 0);
  shop_splits_free(splits);
  shop_goals_free(goals);
  shop_catalogue_free(catalogue);
}

/* Places 319 and 417 are what NumPy draws first for seed 1000 (test_python_random). */
static void test_a_validation_has_the_goals_of_its_workers(G_GNUC_UNUSED void **state)
{
  GError *error = NULL;
  ShopCatalogue *catalogue = many();
  ShopGoals *goals = shop_goals_new(catalogue, SHOP_GOALS_SYNTHETIC, SHOP_PRICES_DRAWN, 233, NULL);
  ShopGoals *worker = shop_goals_new(catalogue, SHOP_GOALS_SYNTHETIC, SHOP_PRICES_DRAWN, 233, NULL);
  assert_true(shop_goals_validate(goals, catalogue, SHOP_PRICES_DRAWN, 1000, &error));
  assert_int_equal(goals->n_items, 256);
  shop_goals_follow(worker, catalogue, SHOP_PROTOCOL_VERL_AGENT, SHOP_PRICES_DRAWN, 1000);
  const guint32 places[][2] = {{0, 319}, {128, 417}};
  for (guint i = 0; i < G_N_ELEMENTS(places); i++) {
    assert_memory_equal(&goals->items[places[i][0]], &worker->items[places[i][1]], sizeof(ShopGoal));
    assert_int_equal(shop_goal_price_upper(goals, catalogue, places[i][0]),
                     shop_goal_price_upper(worker, catalogue, places[i][1]));
  }
  shop_goals_follow(worker, catalogue, SHOP_PROTOCOL_VERL_AGENT, SHOP_PRICES_DRAWN, 1127);
  assert_memory_equal(&goals->uppers[127 * catalogue->n_products], worker->uppers,
                      catalogue->n_products * sizeof(gint32));
  g_autoptr(ShopSplits) splits = shop_splits_new(catalogue, goals, SHOP_SPLIT_VERL_FIRST_VALIDATION, 5);
  assert_int_equal(splits->n_goals[SHOP_SPLIT_TEST], 256);
  assert_int_equal(splits->n_goals[SHOP_SPLIT_TRAIN], 0);
  worker->n_items = 499;
  assert_false(shop_goals_validate(worker, catalogue, SHOP_PRICES_DRAWN, 1000, &error));
  assert_string_equal(error->message, "verl-agent's validation draws among 500 goals, but this shop has 499; "
                                      "set another 'split_rule'");
  g_clear_error(&error);
  shop_goals_free(goals);
  shop_goals_free(worker);
  shop_catalogue_free(catalogue);
}

static void test_split_names(G_GNUC_UNUSED void **state)
{
  for (gint s = 0; s < SHOP_N_SPLITS; s++)
    assert_int_equal(shop_split_from_name(shop_split_name((ShopSplit)s)), s);
  assert_int_equal(shop_split_from_name("valid"), -1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_synthetic_goals_are_all_combinations),
      cmocka_unit_test(test_human_goals),
      cmocka_unit_test(test_agentgym_has_a_crowd_goal_for_each_bound),
      cmocka_unit_test(test_a_price_range_is_drawn_or_halved),
      cmocka_unit_test(test_a_shop_without_goals_is_refused),
      cmocka_unit_test(test_goals_without_attributes_are_skipped_and_named),
      cmocka_unit_test(test_by_product_splits_share_no_product),
      cmocka_unit_test(test_a_split_depends_on_the_asin_alone),
      cmocka_unit_test(test_upstream_splits_by_position),
      cmocka_unit_test(test_a_validation_has_the_goals_of_its_workers),
      cmocka_unit_test(test_split_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
