/* The reward: the conformance tables of specification sections 9.2 to 9.5. */
#include "envs/shop/reward/reward.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#define SNEAKERS "Mens D.O.N. Issue 2 Gca Basketball Sneakers Shoes Casual - Off White"
#define SHORT_SAIREED                                                                                        \
  "Saireed UL Listed 2 Prong Power Cord for JBL Bar 3.1 Bar 2.1 Channel 4K Ultra HD Soundbar"
#define LONG_SAIREED SHORT_SAIREED " Home Theater System Subwoofer"
#define BRST                                                                                                 \
  "BRST AC Power Cord Outlet Socket Cable Plug Lead for Panasonic SC-HT830V DVD/VCR Combo Home Theater "     \
  "System"

static const char *const no_texts[] = {NULL};
static const char *const goal_attributes[] = {"tea tree", "essential oils", "natural ingredients"};
static const char *const product_attributes[] = {"tea tree", "essential oil", "natural ingredients"};

/* A purchase that the tests vary. */
typedef struct {
  const char *goal_name;
  ShopGoalFacts goal;
  ShopProductFacts product;
  double price;
  const char *options[4];
  guint n_options;
} Purchase;

static void set_up(Purchase *purchase)
{
  memset(purchase, 0, sizeof *purchase);
  purchase->goal_name = "Name 1";
  purchase->goal.query = purchase->product.query = "Query 1";
  purchase->goal.product_category = purchase->product.product_category = "a \xe2\x80\xba b \xe2\x80\xba c";
  purchase->goal.attributes = goal_attributes;
  purchase->goal.n_attributes = 3;
  purchase->goal.price_upper = 40.0;
  purchase->product.title = "Name 1";
  purchase->product.description = "";
  purchase->product.bullets = no_texts;
  purchase->product.attributes = product_attributes;
  purchase->product.n_attributes = 3;
  purchase->price = 35.0;
}

static ShopReward buy(Purchase *purchase)
{
  ShopNounWords *words = shop_noun_words_new(NULL, 0);
  ShopNounSet *goal_nouns = shop_noun_set_tag(words, purchase->goal_name);
  ShopNounSet *product_nouns = shop_noun_set_tag(words, purchase->product.title);
  purchase->goal.nouns = goal_nouns;
  purchase->product.nouns = product_nouns;
  ShopPreparedGoal *goal = shop_prepared_goal_new();
  ShopPreparedProduct *product = shop_prepared_product_new();
  ShopRewardScratch scratch;
  shop_reward_scratch_init(&scratch);
  g_string_assign(scratch.text, "left over");
  shop_prepared_goal_set(goal, &purchase->goal);
  shop_prepared_product_set(product, &purchase->product);
  ShopReward difflib, lcs;
  shop_reward(goal, product, purchase->price, purchase->options, purchase->n_options, SHOP_FUZZY_DIFFLIB,
              &scratch, &difflib);
  shop_reward(goal, product, purchase->price, purchase->options, purchase->n_options, SHOP_FUZZY_LCS,
              &scratch, &lcs);
  assert_memory_equal(&difflib, &lcs, sizeof lcs);
  shop_reward_scratch_clear(&scratch);
  shop_prepared_product_free(product);
  shop_prepared_goal_free(goal);
  g_free(goal_nouns);
  g_free(product_nouns);
  shop_noun_words_free(words);
  return difflib;
}

static void assert_close(double value, double expected, double tolerance)
{
  if (fabs(value - expected) > tolerance)
    fail_msg("%g is not within %g of %g", value, tolerance, expected);
}

static void test_equal_product_has_the_full_type_reward(void **state)
{
  Purchase purchase;
  (void)state;
  set_up(&purchase);
  ShopReward reward = buy(&purchase);
  assert_true(reward.r_type == 1.0 && reward.title_score == 1.0);
  assert_true(reward.query_match && reward.category_match);
  purchase.product.query = "Query 2";
  assert_false(buy(&purchase).query_match);
}

static void test_two_common_category_parts_match(void **state)
{
  static const struct {
    const char *category;
    gboolean match;
  } cases[] = {
      {"b \xe2\x80\xba c \xe2\x80\xba a", TRUE},
      {"d \xe2\x80\xba e \xe2\x80\xba f", FALSE},
      {"a \xe2\x80\xba d \xe2\x80\xba b", TRUE},
      {"a \xe2\x80\xba a \xe2\x80\xba b", TRUE},
      {"a \xe2\x80\xba a \xe2\x80\xba d", FALSE},
      {"", FALSE},
      {"a\xe2\x80\xba"
       "b",
       TRUE},
  };
  Purchase purchase;
  (void)state;
  set_up(&purchase);
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    purchase.product.product_category = cases[i].category;
    assert_int_equal(buy(&purchase).category_match, cases[i].match);
  }
}

static void test_title_scores(void **state)
{
  static const struct {
    const char *goal, *product;
    double score, tolerance;
  } cases[] = {
      {SNEAKERS,
       "PEAK High Top Mens Basketball Shoes Lou Williams Streetball Master Breathable Non Slip Outdoor "
       "Sneakers",
       0.333, 0.01},
      {LONG_SAIREED, BRST, 0.3, 0.01},
      {SHORT_SAIREED, BRST, 0.15, 0.01},
      {"Rusticware 921ORB Kitchen and Bath Cabinet Knob",
       "Minkissy 2pcs Stainless Steel Eyebrow Tweezers Blackhead Acne Remover Portable Makeup Tweezers "
       "(Silver)",
       0.0, 0.05},
  };
  Purchase purchase;
  (void)state;
  set_up(&purchase);
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    purchase.goal_name = cases[i].goal;
    purchase.product.title = cases[i].product;
    assert_close(buy(&purchase).title_score, cases[i].score, cases[i].tolerance);
  }
}

/* Type rewards at the thresholds, with nouns given rather than tagged. */
static void test_type_reward_thresholds(void **state)
{
  static const struct {
    guint shared, of;
    const char *query;
    double r_type;
  } cases[] = {
      {0, 5, "Query 1", 0.0}, {1, 20, "Query 1", 0.1}, {1, 10, "Query 1", 1.0}, {1, 10, "other", 0.5},
      {1, 5, "other", 0.5},   {3, 10, "other", 1.0},   {0, 0, "Query 1", 1.0},  {0, 0, "other", 0.5},
  };
  (void)state;
  const char *nouns[20], *others[20];
  for (guint i = 0; i < 20; i++)
    nouns[i] = g_intern_string((char[]){'n', (char)('a' + i), '\0'});
  for (guint c = 0; c < G_N_ELEMENTS(cases); c++) {
    for (guint i = 0; i < 20; i++)
      others[i] = i < cases[c].shared ? nouns[i] : "other";
    ShopNounWords *words = shop_noun_words_new(NULL, 0);
    ShopNounSet *goal_nouns = shop_noun_set_new(words, nouns, cases[c].of);
    ShopNounSet *product_nouns = shop_noun_set_new(words, others, 20);
    ShopGoalFacts goal_facts = {
        .query = cases[c].query, .product_category = "x", .nouns = goal_nouns, .attributes = no_texts};
    ShopProductFacts product_facts = {
        .query = "Query 1", .product_category = "y", .nouns = product_nouns, .title = "", .description = ""};
    ShopPreparedGoal *goal = shop_prepared_goal_new();
    ShopPreparedProduct *product = shop_prepared_product_new();
    ShopRewardScratch scratch;
    shop_reward_scratch_init(&scratch);
    shop_prepared_goal_set(goal, &goal_facts);
    shop_prepared_product_set(product, &product_facts);
    ShopReward reward;
    shop_reward(goal, product, 1.0, NULL, 0, SHOP_FUZZY_DIFFLIB, &scratch, &reward);
    assert_true(reward.r_type == cases[c].r_type);
    assert_true(reward.title_score == (cases[c].of ? (double)cases[c].shared / cases[c].of : 0.2));
    shop_reward_scratch_clear(&scratch);
    shop_prepared_goal_free(goal);
    shop_prepared_product_free(product);
    g_free(goal_nouns);
    g_free(product_nouns);
    shop_noun_words_free(words);
  }
}

static void assert_attributes(Purchase *purchase, guint matched)
{
  ShopReward reward = buy(purchase);
  assert_int_equal(reward.n_matched_attributes, matched);
  assert_true(reward.r_att == matched / 3.0);
}

static void test_attributes_match_by_likeness_or_in_the_texts(void **state)
{
  static const char *const two[] = {"essential oil", "natural ingredients"};
  static const char *const others[] = {"tea bag", "earl gray", "lipton"};
  static const char *const shampoo[] = {"This shampoo has essential oils and smells like lemons"};
  static const char *const tea[] = {"Soothing aroma", "Calming, great feeling"};
  static const char *const split[] = {"Tea", "TREE", "Essential OILS"};
  Purchase purchase;
  (void)state;
  set_up(&purchase);
  assert_attributes(&purchase, 3);
  purchase.product.attributes = two;
  purchase.product.n_attributes = 2;
  assert_attributes(&purchase, 2);
  purchase.product.n_attributes = 0;
  purchase.product.bullets = shampoo;
  purchase.product.n_bullets = 1;
  purchase.product.description = "Best shampoo on the market, made with natural ingredients";
  assert_attributes(&purchase, 2);
  purchase.product.attributes = others;
  purchase.product.n_attributes = 3;
  purchase.product.title = "English tea for breakfast";
  purchase.product.bullets = tea;
  purchase.product.n_bullets = 2;
  purchase.product.description = "Best tea made by Lipton, great to pair with breakfast";
  assert_attributes(&purchase, 0);
  purchase.product.bullets = split;
  purchase.product.n_bullets = 3;
  purchase.product.title = "NATURAL Ingredients";
  assert_attributes(&purchase, 3);
}

static void assert_options(const char *const *names, const char *const *wanted, guint n_wanted,
                           const char *const *chosen, guint n_chosen, guint matched)
{
  Purchase purchase;
  set_up(&purchase);
  purchase.goal.option_names = names;
  purchase.goal.option_values = wanted;
  purchase.goal.n_options = n_wanted;
  for (guint i = 0; i < n_chosen; i++)
    purchase.options[i] = chosen[i];
  purchase.n_options = n_chosen;
  ShopReward reward = buy(&purchase);
  assert_int_equal(reward.has_options, n_wanted > 0);
  assert_int_equal(reward.n_matched_options, matched);
  assert_true(reward.r_option == (n_wanted ? (double)matched / n_wanted : 0.0));
  assert_true(reward.w_option == n_wanted / (n_wanted + 4.0));
}

static void test_options_match_by_likeness_after_colours_are_reduced(void **state)
{
  static const char *const grey[] = {"grey", "XL", "pack of 12"}, *const grey_chosen[] = {"pack of 12",
                                                                                          "grey", "XL"};
  static const char *const blue_chosen[] = {"pack of 12", "blue", "XL"};
  static const char *const cool[] = {"cool powder snow", "XL", "pack of 12"};
  static const char *const snow_chosen[] = {"pack of 12", "powder snow", "XL"};
  static const char *const goals[] = {"goal 1", "goal 2"};
  static const char *const large[] = {"large", "tan"}, *const standard[] = {"x-large", "standard"};
  (void)state;
  assert_options(NULL, grey, 3, grey_chosen, 3, 3);
  assert_options(NULL, grey, 3, blue_chosen, 3, 2);
  assert_options(NULL, cool, 3, snow_chosen, 3, 3);
  assert_options(NULL, goals, 0, goals, 2, 0);
  assert_options(NULL, goals, 2, goals, 0, 0);
  assert_options(NULL, large, 2, standard, 2, 2);
}

static void test_named_options_match_by_name_as_well(void **state)
{
  static const char *const names[] = {"size", "color"}, *const values[] = {"8", "red"},
                           *const eight[] = {"8"};
  static const char *const size_name[] = {"size"}, *const xl[] = {"XL"};
  static const char *const colour_name[] = {"color"}, *const light_blue[] = {"light blue"},
                           *const blue[] = {"sky blue"};
  static const char *const quoted[] = {"12\" x 8'"}, *const quoted_chosen[] = {"12\" x 8'"};
  (void)state;
  assert_options(names, values, 2, eight, 1, 1);
  assert_options(size_name, xl, 1, size_name, 1, 1);
  /* A pair keeps its colour unless that is the whole value. */
  assert_options(colour_name, light_blue, 1, blue, 1, 1);
  assert_options(size_name, quoted, 1, quoted_chosen, 1, 1);
}

static void test_total_reward(void **state)
{
  static const char *const names[] = {"color", "size", "amount"}, *const values[] = {"grey", "XL",
                                                                                     "pack of 12"};
  /* One plain string for the bullets comes to the original as single characters. */
  static const char *const characters[] = {"e", "s", "s", "e", "n", "t", "i",
                                           "a", "l", " ", "o", "i", "l", "s"};
  Purchase purchase;
  (void)state;
  set_up(&purchase);
  purchase.goal_name = purchase.product.title = SNEAKERS;
  purchase.goal.option_names = names;
  purchase.goal.option_values = values;
  purchase.goal.n_options = 2;
  purchase.options[0] = "grey";
  purchase.options[1] = "XL";
  purchase.n_options = 2;
  ShopReward reward = buy(&purchase);
  assert_true(reward.total == 1.0);
  assert_true(reward.w_att == 0.5 && reward.w_option == 2 / 6.0 && reward.w_price == 1 / 6.0);

  purchase.product.n_attributes = 0;
  purchase.product.bullets = characters;
  purchase.product.n_bullets = G_N_ELEMENTS(characters);
  purchase.product.description = "with natural ingredients";
  assert_close(buy(&purchase).total, 0.667, 0.01);

  purchase.goal.n_options = 3;
  assert_close(buy(&purchase).total, 0.5714, 0.01);

  purchase.goal_name = SHORT_SAIREED;
  purchase.product.title = BRST;
  purchase.product.query = "Query 2";
  purchase.product.product_category = "a \xe2\x80\xba d \xe2\x80\xba e";
  reward = buy(&purchase);
  assert_true(reward.r_type == 0.5);
  assert_close(reward.total, 0.2857, 0.01);

  purchase.price = 40.5;
  reward = buy(&purchase);
  assert_false(reward.r_price);
  assert_close(reward.total, 0.5 * 3 / 7, 1e-12);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_equal_product_has_the_full_type_reward),
      cmocka_unit_test(test_two_common_category_parts_match),
      cmocka_unit_test(test_title_scores),
      cmocka_unit_test(test_type_reward_thresholds),
      cmocka_unit_test(test_attributes_match_by_likeness_or_in_the_texts),
      cmocka_unit_test(test_options_match_by_likeness_after_colours_are_reduced),
      cmocka_unit_test(test_named_options_match_by_name_as_well),
      cmocka_unit_test(test_total_reward),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
