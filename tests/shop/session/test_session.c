/* The state machine and the pages: the measured walk of docs/spec 9.7, the page examples of 5.9 to 5.11,
 * and the quirks with their corrections. */
#include "tests/shop/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

typedef struct {
  ShopWorld *world;
  ShopSession *session;
  CwRandom *random;
} Shop;

static Shop open_shop(ShopObservationMode observation, ShopMode mode)
{
  ShopSettings settings = fixture_settings();
  settings.observation = observation;
  settings.mode = mode;
  Shop shop = {.world = fixture_oil_shop(&settings), .random = cw_random_new(1, "test", 0, 0)};
  shop.session = fixture_session(shop.world, shop.random);
  return shop;
}

static void close_shop(Shop *shop)
{
  shop_session_free(shop->session);
  shop_world_free(shop->world);
  cw_random_free(shop->random);
}

static void assert_url(const Shop *shop, const char *expected)
{
  g_autofree char *url = fixture_url(shop->session);
  assert_string_equal(url, expected);
}

static void assert_candidates(const Shop *shop, const char *expected)
{
  g_autofree char *texts = fixture_candidates(shop->session);
  assert_string_equal(texts, expected);
}

static void step(Shop *shop, const char *action)
{
  CwOutcome outcome = fixture_step(shop->session, action);
  assert_true(outcome.reward == 0);
  assert_false(outcome.terminated);
}

#define BASE "http://127.0.0.1:3000"

static void test_the_measured_walk(G_GNUC_UNUSED void **state)
{
  Shop shop = open_shop(SHOP_OBSERVATION_TEXT, SHOP_MODE_FAITHFUL);
  assert_url(&shop, BASE "/0");
  assert_string_equal(shop_session_goal(shop.session)->instruction->str,
                      "i want oil, and price lower than 50.00 dollars");
  step(&shop, "click[search]");
  assert_int_equal(shop_session_page(shop.session), SHOP_PAGE_SEARCH);

  step(&shop, "search[Red  Oil]");
  assert_url(&shop, BASE "/search_results/0/red++oil/1");
  assert_non_null(strstr(fixture_text(shop.session), "Page 1 (Total results: 24)"));
  g_autofree char *first_page = fixture_candidates(shop.session);
  assert_true(
      g_str_has_prefix(first_page, "click[back to search]\nclick[next >]\nclick[item - argan oil]\n"));
  step(&shop, "click[next >]");
  assert_non_null(strstr(fixture_text(shop.session), "Page 2 (Total results: 24)"));
  g_autofree char *second_page = fixture_candidates(shop.session);
  assert_true(g_str_has_prefix(second_page, "click[back to search]\nclick[< prev]\nclick[next >]\n"));
  step(&shop, "click[< prev]");

  step(&shop, "click[b000000001]");
  assert_url(&shop, BASE "/item_page/0/B000000001/red++oil/1/{}");
  assert_candidates(
      &shop, "click[back to search]\nclick[< prev]\nclick[description]\nclick[features]\nclick[reviews]\n"
             "click[buy now]\nclick[black | white]\nclick[12\" red]\nclick[caf\u00e9]\nclick[8]\n"
             "click[color]");
  step(&shop, "click[black | white]");
  assert_url(&shop, BASE "/item_page/0/B000000001/red++oil/1/{\"color\": \"black | white\"}");
  step(&shop, "click[12\" red]");
  assert_url(&shop, BASE "/item_page/0/B000000001/red++oil/1/{\"color\": \"12\\\" red\"}");
  step(&shop, "click[CAF\u00c9]");
  assert_url(&shop, BASE "/item_page/0/B000000001/red++oil/1/{\"color\": \"caf\\u00e9\"}");
  step(&shop, "click[8]");
  assert_url(&shop, BASE "/item_page/0/B000000001/red++oil/1/{\"color\": \"caf\\u00e9\", \"width\": \"8\"}");
  step(&shop, "click[description]");
  assert_url(&shop,
             BASE "/item_sub_page/0/B000000001/red++oil/1/Description/{'color': 'caf\u00e9', 'width': '8'}");
  assert_candidates(&shop, "click[back to search]\nclick[< prev]");
  step(&shop, "click[< prev]");
  step(&shop, "click[reviews]");
  assert_string_equal(
      fixture_text(shop.session),
      "Instruction: [SEP] i want oil, and price lower than 50.00 dollars [SEP] Back to Search [SEP] "
      "< Prev");
  step(&shop, "click[< prev]");
  g_autofree char *before = g_strdup(fixture_text(shop.session));
  step(&shop, "click[foo]");
  assert_string_equal(fixture_text(shop.session), before);

  step(&shop, "click[< prev]");
  assert_int_equal(shop_session_page(shop.session), SHOP_PAGE_RESULTS);
  assert_true(shop_session_visited(shop.session, 0));
  step(&shop, "click[back to search]");
  assert_false(shop_session_visited(shop.session, 0));
  step(&shop, "search[red]");
  step(&shop, "click[B000000001]");
  CwOutcome bought = fixture_step(shop.session, "click[Buy Now]");
  assert_true(bought.terminated);
  assert_int_equal(bought.n_parts, 4);
  assert_url(&shop, BASE "/done/0/B000000001/{}");
  assert_candidates(&shop, "finish");

  before = (g_free(before), g_strdup(fixture_text(shop.session)));
  CwOutcome after = fixture_step(shop.session, "click[x]");
  assert_false(after.terminated);
  assert_string_equal(fixture_text(shop.session), before);
  step(&shop, "search[again]");
  assert_int_equal(shop_session_page(shop.session), SHOP_PAGE_RESULTS);
  close_shop(&shop);
}

static void test_words_in_the_address_misroute_the_way_back(G_GNUC_UNUSED void **state)
{
  Shop shop = open_shop(SHOP_OBSERVATION_TEXT, SHOP_MODE_FAITHFUL);
  step(&shop, "search[item_page search_results]");
  step(&shop, "click[b000000001]");
  step(&shop, "click[< prev]");
  assert_url(&shop, BASE "/search_results/0/item_page+search_results/0");
  assert_string_equal(
      fixture_text(shop.session),
      "Instruction: [SEP] i want oil, and price lower than 50.00 dollars [SEP] Back to Search [SEP] "
      "Page 0 (Total results: 24) [SEP] Next >");
  step(&shop, "search[item_page]");
  step(&shop, "click[b000000001]");
  step(&shop, "click[features]");
  step(&shop, "click[< prev]");
  assert_int_equal(shop_session_page(shop.session), SHOP_PAGE_RESULTS);
  close_shop(&shop);

  shop = open_shop(SHOP_OBSERVATION_TEXT, SHOP_MODE_FIXED);
  step(&shop, "search[item_page search_results]");
  step(&shop, "click[b000000001]");
  step(&shop, "click[features]");
  step(&shop, "click[< prev]");
  assert_int_equal(shop_session_page(shop.session), SHOP_PAGE_ITEM);
  step(&shop, "click[< prev]");
  assert_url(&shop, BASE "/search_results/0/item_page+search_results/1");
  close_shop(&shop);
}

static void test_search_page_as_text(G_GNUC_UNUSED void **state)
{
  Shop shop = open_shop(SHOP_OBSERVATION_TEXT, SHOP_MODE_FAITHFUL);
  assert_string_equal(
      fixture_text(shop.session),
      "WebShop [SEP] Instruction: [SEP] i want oil, and price lower than 50.00 dollars [SEP] Search");
  close_shop(&shop);
}

static void test_search_page_as_rich_text(G_GNUC_UNUSED void **state)
{
  Shop shop = open_shop(SHOP_OBSERVATION_TEXT_RICH, SHOP_MODE_FAITHFUL);
  assert_string_equal(fixture_text(shop.session),
                      "WebShop\nInstruction: \ni want oil, and price lower than 50.00 "
                      "dollars\n[button] Search [button_]\n");
  close_shop(&shop);
}

#define RICH_HEAD                                                                                            \
  "Instruction:\ni want oil, and price lower than 50.00 dollars\n[button] Back to Search [button_]\n"

static void test_results_page_as_rich_text(G_GNUC_UNUSED void **state)
{
  Shop shop = open_shop(SHOP_OBSERVATION_TEXT_RICH, SHOP_MODE_FAITHFUL);
  step(&shop, "search[oil]");
  step(&shop, "click[b000000001]");
  step(&shop, "click[< prev]");
  const char *text = fixture_text(shop.session);
  assert_true(g_str_has_prefix(text, RICH_HEAD
                               "Page 1 (Total results: 24)\n[button] Next > [button_]\n\n[clicked "
                               "button] B000000001 [clicked button_]\nArgan oil\n$10.99\n\n[button] "
                               "B000000002 [button_]\nProduct 2\n$5.0 to $1234.5\n\n[button] "
                               "B000000003 [button_]\nProduct 3\n$100.0\n\n"));
  step(&shop, "click[next >]");
  assert_true(g_str_has_prefix(fixture_text(shop.session), RICH_HEAD
                               "Page 2 (Total results: 24)\n[button] < Prev [button_]\n[button] Next > "
                               "[button_]\n\n[button] B000000011 [button_]\n"));
  step(&shop, "click[next >]");
  step(&shop, "click[next >]");
  assert_string_equal(fixture_text(shop.session), RICH_HEAD "Page 4 (Total results: 24)\n[button] < Prev "
                                                            "[button_]\n[button] Next > [button_]\n");
  step(&shop, "search[zzz]");
  assert_string_equal(fixture_text(shop.session),
                      RICH_HEAD "Page 1 (Total results: 0)\n[button] Next > [button_]\n");
  close_shop(&shop);
}

#define RICH_ITEM_END                                                                                        \
  "Argan oil\nPrice: $10.99\nRating: N.A.\n[button] Description [button_]\n[button] Features "               \
  "[button_]\n[button] "                                                                                     \
  "Reviews [button_]\n[button] Buy Now [button_]\n"

static void test_item_page_shows_clicked_labels_by_the_address(G_GNUC_UNUSED void **state)
{
  Shop shop = open_shop(SHOP_OBSERVATION_TEXT_RICH, SHOP_MODE_FAITHFUL);
  step(&shop, "search[oil]");
  step(&shop, "click[b000000001]");
  step(&shop, "click[black | white]");
  /* The label `color` equals the name of the chosen group. */
  assert_string_equal(
      fixture_text(shop.session),
      "You have clicked color.\nYou have clicked black | white.\n" RICH_HEAD
      "[button] < Prev [button_]\ncolor\n  [clicked button] black | white [clicked button_]\n  [button] "
      "12\" red [button_]\n  [button] caf\u00e9 [button_]\nsize\n  [button] 8 [button_]\n  [clicked "
      "button] color [clicked button_]\nwidth\n  [button] 8 [button_]\n" RICH_ITEM_END);
  step(&shop, "click[12\" red]");
  assert_non_null(strstr(fixture_text(shop.session), "  [button] 12\" red [button_]\n"));
  step(&shop, "click[caf\u00e9]");
  assert_non_null(strstr(fixture_text(shop.session), "  [button] caf\u00e9 [button_]\n"));
  step(&shop, "click[8]");
  assert_non_null(strstr(fixture_text(shop.session),
                         "size\n  [clicked button] 8 [clicked button_]\n  [clicked button] color"));
  assert_non_null(strstr(fixture_text(shop.session), "width\n  [clicked button] 8 [clicked button_]\n"));
  close_shop(&shop);
}

static void test_quotes_in_keywords_mark_labels_too(G_GNUC_UNUSED void **state)
{
  Shop shop = open_shop(SHOP_OBSERVATION_TEXT_RICH, SHOP_MODE_FAITHFUL);
  step(&shop, "search[oil \"caf\u00e9\" \"8\"]");
  step(&shop, "click[b000000001]");
  assert_true(g_str_has_prefix(fixture_text(shop.session),
                               "You have clicked 8.\nYou have clicked 8.\nYou have clicked "
                               "caf\u00e9.\nInstruction:\n"));
  close_shop(&shop);
}

static void test_fixed_mode_marks_by_group_and_value(G_GNUC_UNUSED void **state)
{
  Shop shop = open_shop(SHOP_OBSERVATION_TEXT_RICH, SHOP_MODE_FIXED);
  step(&shop, "search[oil]");
  step(&shop, "click[b000000001]");
  assert_candidates(
      &shop, "click[back to search]\nclick[< prev]\nclick[description]\nclick[features]\nclick[reviews]\n"
             "click[buy now]\nclick[black | white]\nclick[12\" red]\nclick[caf\u00e9]\nclick[8]\n"
             "click[color]\nclick[size: 8]");
  step(&shop, "click[12\" red]");
  step(&shop, "click[size: 8]");
  assert_string_equal(
      fixture_text(shop.session),
      "You have clicked 8.\nYou have clicked 12\" red.\n" RICH_HEAD
      "[button] < Prev [button_]\ncolor\n  [button] black | white [button_]\n  [clicked button] 12\" "
      "red [clicked button_]\n  [button] caf\u00e9 [button_]\nsize\n  [clicked button] 8 [clicked "
      "button_]\n  [button] color [button_]\nwidth\n  [button] 8 [button_]\n" RICH_ITEM_END);
  assert_int_equal(shop_session_selected(shop.session, 2), SHOP_STRING_NONE);
  close_shop(&shop);
}

static Shop open_marked(ShopMode mode)
{
  ShopSettings settings = fixture_settings();
  settings.mode = (gint)mode;
  settings.mark_clicked = TRUE;
  Shop shop = {.world = fixture_oil_shop(&settings), .random = cw_random_new(1, "test", 0, 0)};
  shop.session = fixture_session(shop.world, shop.random);
  return shop;
}

static void test_clicked_candidates_are_marked(G_GNUC_UNUSED void **state)
{
  Shop shop = open_marked(SHOP_MODE_FAITHFUL);
  step(&shop, "search[oil]");
  g_autofree char *before = fixture_candidates(shop.session);
  assert_null(strstr(before, "clicked"));
  step(&shop, "click[item - argan oil]");
  step(&shop, "click[12\" red]");
  /* The page does not show a label with a quotation mark as clicked; the candidate says it. */
  assert_candidates(
      &shop, "click[back to search]\nclick[< prev]\nclick[description]\nclick[features]\nclick[reviews]\n"
             "click[buy now]\nclick[black | white]\n[clicked button] click[12\" "
             "red]\nclick[caf\u00e9]\nclick[8]\nclick[color]");
  step(&shop, "[clicked button] click[12\" red]");
  step(&shop, "click[black | white]");
  g_autofree char *other = fixture_candidates(shop.session);
  assert_non_null(strstr(other, "\n[clicked button] click[black | white]\nclick[12\" red]\n"));
  step(&shop, "click[< prev]");
  g_autofree char *results = fixture_candidates(shop.session);
  assert_non_null(strstr(results, "\n[clicked button] click[item - argan oil]\nclick[item - "));
  step(&shop, "[clicked button] click[item - argan oil]");
  assert_int_equal(shop_session_page(shop.session), SHOP_PAGE_ITEM);
  step(&shop, "click[back to search]");
  step(&shop, "search[oil]");
  assert_candidates(&shop, before);
  close_shop(&shop);
}

static void test_fixed_mode_marks_candidates_by_group(G_GNUC_UNUSED void **state)
{
  Shop shop = open_marked(SHOP_MODE_FIXED);
  step(&shop, "search[oil]");
  step(&shop, "click[b000000001]");
  step(&shop, "click[size: 8]");
  g_autofree char *candidates = fixture_candidates(shop.session);
  assert_non_null(strstr(candidates, "\nclick[8]\nclick[color]\n[clicked button] click[size: 8]"));
  close_shop(&shop);
}

static void test_features_keep_blank_items(G_GNUC_UNUSED void **state)
{
  Shop shop = open_shop(SHOP_OBSERVATION_TEXT, SHOP_MODE_FAITHFUL);
  step(&shop, "search[oil]");
  step(&shop, "click[b000000001]");
  step(&shop, "click[features]");
  assert_string_equal(
      fixture_text(shop.session),
      "Instruction: [SEP] i want oil, and price lower than 50.00 dollars [SEP] Back to Search [SEP] "
      "< Prev [SEP] Pure <b>& \u201cgood\u201d [SEP]  [SEP] two  blanks");
  close_shop(&shop);
  shop = open_shop(SHOP_OBSERVATION_TEXT_RICH, SHOP_MODE_FAITHFUL);
  step(&shop, "search[oil]");
  step(&shop, "click[b000000001]");
  step(&shop, "click[features]");
  assert_string_equal(fixture_text(shop.session),
                      RICH_HEAD "[button] < Prev [button_]\n Pure <b>& \u201cgood\u201d\n \n two  blanks \n");
  close_shop(&shop);
}

static void test_done_page(G_GNUC_UNUSED void **state)
{
  Shop shop = open_shop(SHOP_OBSERVATION_TEXT, SHOP_MODE_FAITHFUL);
  step(&shop, "search[oil]");
  step(&shop, "click[b000000001]");
  step(&shop, "click[8]");
  step(&shop, "click[12\" red]");
  CwOutcome outcome = fixture_step(shop.session, "click[buy now]");
  assert_true(outcome.terminated && !outcome.truncated);
  assert_true(outcome.success && outcome.reward == 1);
  assert_string_equal(fixture_text(shop.session), "Thank you for shopping with us! [SEP] Your code: [SEP] "
                                                  "None [SEP] (Paste it in your MTurk interface.) [SEP] "
                                                  "Purchased [SEP] asin [SEP] B000000001 [SEP] options [SEP] "
                                                  "{\"color\": \"12\\\" red\", \"width\": \"8\"} [SEP] "
                                                  "attrs [SEP] None [SEP] category [SEP] None [SEP] query "
                                                  "[SEP] None [SEP] product category [SEP] None [SEP] "
                                                  "Target [SEP] asin [SEP] options [SEP] attrs [SEP] price "
                                                  "upper [SEP] instuction text [SEP] category [SEP] "
                                                  "product category [SEP] query [SEP] Goal [SEP] None [SEP] "
                                                  "Reward [SEP] Your score (min 0.0, max 1.0) [SEP] 1.0 "
                                                  "[SEP] Reward Details [SEP] None");
  close_shop(&shop);
}

static void test_done_is_sticky_only_in_fixed_mode(G_GNUC_UNUSED void **state)
{
  Shop shop = open_shop(SHOP_OBSERVATION_TEXT, SHOP_MODE_FIXED);
  step(&shop, "search[oil]");
  step(&shop, "click[b000000001]");
  fixture_step(shop.session, "click[buy now]");
  CwOutcome outcome = fixture_step(shop.session, "search[oil]");
  assert_true(outcome.terminated && outcome.reward == 0 && !outcome.success);
  assert_int_equal(shop_session_page(shop.session), SHOP_PAGE_DONE);
  close_shop(&shop);
}

static void test_bracketed_queries(G_GNUC_UNUSED void **state)
{
  Shop shop = open_shop(SHOP_OBSERVATION_TEXT, SHOP_MODE_FAITHFUL);
  step(&shop, "search[<q> hair oil ]");
  assert_non_null(strstr(fixture_text(shop.session), "Page 1 (Total results: 1)"));
  step(&shop, "search[<c> garden and more]");
  assert_non_null(strstr(fixture_text(shop.session), "Page 1 (Total results: 5)"));
  /* Where the original fails, nothing happens. */
  static const char *const failing[] = {"search[<a> argan]", "search[<c>]", "search[<r>]"};
  for (guint i = 0; i < G_N_ELEMENTS(failing); i++) {
    step(&shop, failing[i]);
    assert_url(&shop, BASE "/search_results/0/<c>+garden+and+more/1");
  }
  close_shop(&shop);
  shop = open_shop(SHOP_OBSERVATION_TEXT, SHOP_MODE_FIXED);
  step(&shop, "search[<a> argan]");
  assert_non_null(strstr(fixture_text(shop.session), "Page 1 (Total results: 1)"));
  step(&shop, "search[<r>]");
  assert_non_null(strstr(fixture_text(shop.session), "Page 1 (Total results: 29)"));
  g_autofree char *before = g_strdup(fixture_text(shop.session));
  step(&shop, "click[next >]");
  step(&shop, "click[< prev]");
  assert_string_not_equal(fixture_text(shop.session), before); /* drawn anew at every turn of the page */
  close_shop(&shop);
}

static void test_the_step_limit_truncates(G_GNUC_UNUSED void **state)
{
  ShopSettings settings = fixture_settings();
  settings.step_limit = 3;
  CwRandom *random = cw_random_new(1, "test", 0, 0);
  ShopWorld *world = fixture_oil_shop(&settings);
  ShopSession *session = fixture_session(world, random);
  assert_false(fixture_step(session, "search[oil]").truncated);
  assert_false(fixture_step(session, "click[nothing]").truncated);
  CwOutcome outcome = fixture_step(session, "click[b000000001]");
  assert_true(outcome.truncated && !outcome.terminated && !outcome.success);
  assert_int_equal(outcome.n_parts, 4);
  assert_true(outcome.parts[0].value == 0);
  shop_session_reset(session, 0, random);
  fixture_step(session, "search[oil]");
  fixture_step(session, "click[b000000001]");
  outcome = fixture_step(session, "click[buy now]");
  assert_true(outcome.terminated && !outcome.truncated);
  shop_session_free(session);
  shop_world_free(world);
  cw_random_free(random);
}

/* A product whose option values get in the way of buttons and of the grammar. */
static ShopWorld *awkward_shop(ShopMode mode, ShopObservationMode observation)
{
  ShopCatalogueBuilder *builder = shop_catalogue_builder_new();
  fixture_add(
      builder,
      "{'asin': 'B0AWKWARD1', 'name': 'Awkward [thing]', 'full_description': ' \\n ', "
      "'small_description': [], 'pricing': '', 'category': 'c', 'query': 'q', 'product_category': '', "
      "'customization_options': {'A': [{'value': 'Description'}, {'value': 'attributes'}, {'value': "
      "'black [x]'}, {'value': 'Search'}, {'value': 'next >'}, {'value': 'plain'}, {'value': ' '}], "
      "'a': [{'value': 'Features'}, {'value': 'attributes'}, {'value': 'black [x]'}, {'value': "
      "'search'}, {'value': 'next >'}, {'value': 'plain'}, {'value': ' '}], 'B': []}}");
  fixture_add_attributes(builder, "B0AWKWARD1",
                         "{'attributes': ['strong', 'light'], 'instruction': 'Find me thing', "
                         "'instruction_attributes': ['strong']}");
  fixture_add_humans(
      builder, "B0AWKWARD1",
      "[{'instruction': '..thing. .', 'instruction_attributes': ['strong'], 'instruction_options': "
      "{'a': 'plain'}}]");
  GError *error = NULL;
  ShopSettings settings = fixture_settings();
  settings.goals = SHOP_GOALS_HUMAN;
  settings.mode = (gint)mode;
  settings.observation = (gint)observation;
  ShopWorld *world =
      shop_world_new(shop_catalogue_builder_finish(builder, &error), "webshop", "awkward", &settings, &error);
  assert_non_null(world);
  return world;
}

static Shop open_awkward(ShopMode mode, ShopObservationMode observation, const char *query)
{
  Shop shop = {.world = awkward_shop(mode, observation), .random = cw_random_new(1, "test", 0, 0)};
  shop.session = shop_session_new(shop.world);
  shop_session_reset(shop.session, 0, shop.random);
  step(&shop, query);
  step(&shop, "click[b0awkward1]");
  assert_int_equal(shop_session_page(shop.session), SHOP_PAGE_ITEM);
  return shop;
}

static void test_values_that_equal_buttons_act_as_buttons(G_GNUC_UNUSED void **state)
{
  Shop shop = open_awkward(SHOP_MODE_FAITHFUL, SHOP_OBSERVATION_TEXT, "search[awkward]");
  assert_candidates(
      &shop, "click[back to search]\nclick[< prev]\nclick[description]\nclick[features]\nclick[reviews]\n"
             "click[buy now]\nclick[attributes]\nclick[black [x]]\nclick[next >]\nclick[plain]\nclick[]");
  step(&shop, "click[features]");
  assert_int_equal(shop_session_page(shop.session), SHOP_PAGE_SUB);
  step(&shop, "click[< prev]");
  step(&shop, "click[attributes]");
  assert_non_null(strstr(fixture_text(shop.session), "< Prev [SEP] strong [SEP] light [SEP] c [SEP] q"));
  step(&shop, "click[< prev]");
  step(&shop, "click[next >]");
  assert_string_equal(shop_string(shop.world->catalogue, shop_session_selected(shop.session, 0)), "next >");
  step(&shop, "click[search]");
  step(&shop, "click[black [x]]");
  assert_string_equal(shop_string(shop.world->catalogue, shop_session_selected(shop.session, 0)), "next >");
  step(&shop, "search[thing search_results]");
  step(&shop, "click[b0awkward1]");
  step(&shop, "click[next >]");
  assert_int_equal(shop_session_page_number(shop.session), 2);
  close_shop(&shop);
}

static void test_fixed_mode_reaches_values_by_group(G_GNUC_UNUSED void **state)
{
  Shop shop = open_awkward(SHOP_MODE_FIXED, SHOP_OBSERVATION_TEXT, "search[awkward]");
  step(&shop, "click[a: features]");
  assert_string_equal(shop_string(shop.world->catalogue, shop_session_selected(shop.session, 0)), "features");
  step(&shop, "click[black [x]]");
  assert_string_equal(shop_string(shop.world->catalogue, shop_session_selected(shop.session, 0)),
                      "black [x]");
  close_shop(&shop);
}

static void test_a_candidate_with_a_bracket_does_what_its_text_does(G_GNUC_UNUSED void **state)
{
  Shop shop = open_awkward(SHOP_MODE_FAITHFUL, SHOP_OBSERVATION_TEXT, "search[awkward]");
  guint n;
  const ShopCandidate *candidates = shop_session_candidates(shop.session, &n);
  assert_string_equal(candidates[7].text, "click[black [x]]");
  CwOutcome outcome = {.struct_size = sizeof outcome};
  shop_session_step(shop.session, 7, &outcome);
  assert_int_equal(shop_session_selected(shop.session, 0), SHOP_STRING_NONE);
  /* A title with brackets can be clicked: the candidate stands for the ASIN. */
  step(&shop, "click[< prev]");
  step(&shop, "click[item - Awkward [thing]]");
  assert_int_equal(shop_session_page(shop.session), SHOP_PAGE_ITEM);
  close_shop(&shop);
}

/* Goals whose product or instruction has hardly anything can be played like others. */
static void test_bare_products_are_played(G_GNUC_UNUSED void **state)
{
  static const char *const instructions[] = {"?", "", "find it"};
  static const char *const asins[] = {"b\u00c9\u00df", "B2", ""};
  ShopCatalogueBuilder *builder = shop_catalogue_builder_new();
  for (guint i = 0; i < G_N_ELEMENTS(asins); i++) {
    g_autofree char *product =
        g_strdup_printf("{'asin': '%s', 'category': '', 'query': '', 'product_category': '', 'name': '%s', "
                        "'full_description': '', "
                        "'small_description': [], 'pricing': '$2000', 'customization_options': "
                        "{'size': [{'value': ''}, {'value': ' '}, {'value': 'x'}], 'none': '', 'void': {}}}",
                        asins[i], i == 0 ? "thing" : "");
    fixture_add(builder, product);
  }
  const char *const keys[] = {"b\xc3\x89\xc3\x9f", "B2", ""};
  for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
    g_autofree char *humans =
        g_strdup_printf("[{'instruction': '%s', 'instruction_attributes': ['y']}]", instructions[i]);
    fixture_add_humans(builder, keys[i], humans);
  }
  ShopSettings settings = fixture_settings();
  settings.goals = SHOP_GOALS_HUMAN;
  ShopWorld *world =
      shop_world_new(shop_catalogue_builder_finish(builder, NULL), "webshop", "bare", &settings, NULL);
  CwRandom *random = cw_random_new(1, "test", 0, 0);
  ShopSession *session = shop_session_new(world);
  for (guint32 goal = 0; goal < 3; goal++) {
    guint n;
    shop_session_reset(session, goal, random);
    shop_session_candidates(session, &n);
    assert_true(n > 0);
    assert_non_null(shop_session_observation(session, NULL));
    fixture_step(session, "search[thing]");
    fixture_step(session,
                 "click[b\xc3\xa9\xc3\x9f]"); /* the label in lower case, as the page's is compared */
    assert_int_equal(shop_session_page(session), SHOP_PAGE_ITEM);
    fixture_step(session, "click[]");
    assert_int_equal(shop_session_page(session), SHOP_PAGE_ITEM);
    assert_true(fixture_step(session, "click[buy now]").terminated);
  }
  shop_session_free(session);
  shop_world_free(world);
  cw_random_free(random);
}

static void test_white_space_nodes(G_GNUC_UNUSED void **state)
{
  Shop shop = open_awkward(SHOP_MODE_FAITHFUL, SHOP_OBSERVATION_TEXT_RICH, "search[awkward]");
  /* Only one leading and trailing '.' run goes; a group without values keeps its name. */
  assert_true(g_str_has_prefix(fixture_text(shop.session), "Instruction:\nthing. , and price lower than "));
  assert_non_null(
      strstr(fixture_text(shop.session), "[button] plain [button_]\nb\nAwkward [thing]\nPrice: $100.0\n"));
  step(&shop, "click[description]");
  assert_true(
      g_str_has_suffix(fixture_text(shop.session), "[button] < Prev [button_]\n")); /* " \n " is dropped */
  close_shop(&shop);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_the_measured_walk),
      cmocka_unit_test(test_words_in_the_address_misroute_the_way_back),
      cmocka_unit_test(test_search_page_as_text),
      cmocka_unit_test(test_search_page_as_rich_text),
      cmocka_unit_test(test_results_page_as_rich_text),
      cmocka_unit_test(test_item_page_shows_clicked_labels_by_the_address),
      cmocka_unit_test(test_quotes_in_keywords_mark_labels_too),
      cmocka_unit_test(test_fixed_mode_marks_by_group_and_value),
      cmocka_unit_test(test_clicked_candidates_are_marked),
      cmocka_unit_test(test_fixed_mode_marks_candidates_by_group),
      cmocka_unit_test(test_features_keep_blank_items),
      cmocka_unit_test(test_done_page),
      cmocka_unit_test(test_done_is_sticky_only_in_fixed_mode),
      cmocka_unit_test(test_bracketed_queries),
      cmocka_unit_test(test_the_step_limit_truncates),
      cmocka_unit_test(test_values_that_equal_buttons_act_as_buttons),
      cmocka_unit_test(test_fixed_mode_reaches_values_by_group),
      cmocka_unit_test(test_a_candidate_with_a_bracket_does_what_its_text_does),
      cmocka_unit_test(test_bare_products_are_played),
      cmocka_unit_test(test_white_space_nodes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
