/* Sessions in the form of the site's own log, made by hand from the description of that log (docs/spec 8):
 * small, and some of them broken. docs/results/exactness.md says how real logs replay. And literals in the
 * source notation in which it holds keywords and options. */
#include "envs/shop/catalogue/loader.h"
#include "envs/shop/environment.h"
#include "envs/shop/text/python_literal.h"
#include "tests/shop/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define DATA TEST_SOURCE_DIRECTORY "/tests/shop/data/"
#define SITE "http://127.0.0.1:3000/"
#define GOAL                                                                                                 \
  "\"goal\": {\"asin\": \"B0TSTSHOE1\", \"instruction_text\": \"i need canvas shoes in size 9 wide that "    \
  "have a "                                                                                                  \
  "rubber sole, and price lower than 40.00 dollars\", \"attributes\": [\"rubber sole\"], \"price_upper\": "  \
  "40.0, "                                                                                                   \
  "\"goal_options\": [\"9 wide\"]}"
#define INDEX "{\"page\": \"index\", \"url\": \"" SITE "s1\", " GOAL "}"
#define WORDS "\"keywords\": \"['canvas', 'shoes']\", \"page\": \"1\""
#define RESULTS                                                                                              \
  "{\"page\": \"search_results\", \"url\": \"" SITE                                                          \
  "search_results/s1/%5B%27canvas%27%2C%20%27shoes%27%5D/1\", " GOAL                                         \
  ", \"content\": {\"keywords\": [\"canvas\", \"shoes\"], \"search_result_asins\": [\"B0TSTSHOE2\", "        \
  "\"B0TSTSHOE1\"], \"page\": 1}}"
#define ITEM(options)                                                                                        \
  "{\"page\": \"item_page\", \"url\": \"" SITE "item_page/s1/B0TSTSHOE1/k/1/o\", " GOAL                      \
  ", \"content\": {" WORDS ", \"asin\": \"B0TSTSHOE1\", \"options\": " options "}}"
#define SUB(url, options)                                                                                    \
  "{\"page\": \"item_sub_page\", \"url\": \"" SITE "item_sub_page/s1/B0TSTSHOE1/k/1/" url "/o\", " GOAL      \
  ", \"content\": {" WORDS ", \"asin\": \"B0TSTSHOE1\", \"options\": " options "}}"
#define DONE(price, reward)                                                                                  \
  "{\"page\": \"done\", \"url\": \"" SITE "done/s1/B0TSTSHOE1/o\", " GOAL                                    \
  ", \"content\": {\"asin\": \"B0TSTSHOE1\", \"options\": {\"size\": \"9 wide\"}, \"price\": " price         \
  "}, \"reward\": " reward                                                                                   \
  ", \"reward_info\": {\"r_type\": 1.0, \"r_att\": 1.0, \"w_att\": 0.33, \"r_option\": 1.0, "                \
  "\"r_price\": true}}"

static ShopWorld *world;

static int set_up(G_GNUC_UNUSED void **state)
{
  ShopSettings settings = fixture_settings();
  settings.goals = SHOP_GOALS_HUMAN;
  ShopCatalogue *catalogue =
      shop_load_catalogue(DATA "items.json", DATA "attributes.json", DATA "human.json", 0, TRUE, NULL);
  world = catalogue ? shop_world_new(catalogue, "webshop", "items.json", &settings, NULL) : NULL;
  return world ? 0 : -1;
}

static int tear_down(G_GNUC_UNUSED void **state)
{
  shop_environment_close(world);
  return 0;
}

/* The actions of a record, one a line; free with g_free. */
static char *actions_of(const CwRecord *record)
{
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < record->n_actions; i++)
    g_string_append_printf(text, "%s\n", record->actions[i]);
  return g_string_free(text, FALSE);
}

/* Replays a log; gives how many of its pages are the same, and of how many. */
static guint replay(const char *log, const char *expected_actions, guint *n_pages)
{
  GError *error = NULL;
  CwRecord *record = shop_environment_read_record(world, log, "s1.jsonl:1", &error);
  if (!record)
    fail_msg("%s", error->message);
  assert_string_equal(record->id, "s1");
  assert_string_equal(record->overrides, "price_upper=40");
  g_autofree char *actions = actions_of(record);
  assert_string_equal(actions, expected_actions);
  assert_int_equal(record->n_observations, record->n_actions + 1);
  gpointer session = shop_environment_session_new(world, NULL);
  CwRandom *random = cw_random_new(1, "test", 0, 0);
  guint n_same = 0;
  *n_pages = 0;
  record->as_recorded = TRUE;
  assert_true(shop_environment_reset_record(session, record, random, &error));
  for (guint i = 0; i <= record->n_actions; i++) {
    CwObservation observation = {.struct_size = sizeof observation};
    CwOutcome outcome = {.struct_size = sizeof outcome};
    assert_true(shop_environment_observe(session, &observation, &error));
    if (record->observations[i]) {
      ++*n_pages;
      if (strcmp(observation.text, record->observations[i]) == 0)
        n_same++;
      else
        print_message("# here %s\n# site %s\n", observation.text, record->observations[i]);
    }
    if (i < record->n_actions)
      assert_true(shop_environment_step_text(session, record->actions[i], &outcome, &error));
  }
  shop_environment_session_free(session);
  cw_random_free(random);
  shop_environment_free_record(world, record);
  return n_same;
}

static void test_a_session_is_replayed_page_by_page(void **state)
{
  guint n_pages;
  (void)state;
  assert_int_equal(
      replay(INDEX "\n" RESULTS "\n" ITEM("{}") "\n" ITEM("{\"size\": \"9 wide\"}") "\n" SUB(
                 "Features", "{\"size\": \"9 wide\"}") "\n" ITEM("\"{'size': '9 wide'}\"") "\n" DONE("31.0",
                                                                                                     "1.0"),
             "search[canvas shoes]\nclick[b0tstshoe1]\nclick[9 wide]\nclick[features]\nclick[< prev]\n"
             "click[buy now]\n",
             &n_pages),
      7);
  assert_int_equal(n_pages, 7);
}

static void test_pages_out_of_the_browsers_cache_are_filled_in(void **state)
{
  guint n_pages;
  (void)state;
  assert_int_equal(
      replay(INDEX "\n" INDEX "\n" RESULTS
                   "\n" SUB("Reviews", "{\"size\": \"8\"}") "\n" ITEM("{}") "\n" RESULTS "\n" INDEX,
             "reload\nsearch[canvas shoes]\nclick[b0tstshoe1]\nclick[8]\nclick[reviews]\nclick[< prev]\n"
             "click[< prev]\nclick[b0tstshoe1]\nclick[< prev]\nclick[back to search]\n",
             &n_pages),
      7);
  assert_int_equal(n_pages, 7);
}

#define EMPTY_RESULTS(page)                                                                                  \
  "{\"page\": \"search_results\", \"url\": \"" SITE "search_results/s1/k/" page "\", " GOAL                  \
  ", \"content\": {\"keywords\": [\"canvas\", \"shoes\"], \"search_result_asins\": [], \"page\": " page "}}"

static void test_addresses_of_result_pages_may_be_typed(void **state)
{
  guint n_pages;
  (void)state;
  assert_int_equal(replay(INDEX "\n" RESULTS "\n" EMPTY_RESULTS("0") "\n" EMPTY_RESULTS(
                              "-1") "\n" EMPTY_RESULTS("99") "\n" RESULTS "\n" ITEM("{}"),
                          "search[canvas shoes]\naddress[0]\naddress[-1]\naddress[99]\naddress[1]\n"
                          "click[b0tstshoe1]\n",
                          &n_pages),
                   7);
  assert_int_equal(n_pages, 7);
}

#define NOTHING                                                                                              \
  "{\"page\": \"search_results\", \"url\": \"" SITE "search_results/s1/%5B%27%27%5D/1\", " GOAL              \
  ", \"content\": {\"keywords\": [\"\"], \"search_result_asins\": [], \"page\": 1}}"

static void test_a_query_may_be_empty(void **state)
{
  guint n_pages;
  (void)state;
  assert_int_equal(replay(INDEX "\n" NOTHING "\n" RESULTS, "search[]\nsearch[canvas shoes]\n", &n_pages), 3);
  assert_int_equal(n_pages, 3);
}

static void test_a_log_may_hold_pages_of_attributes(void **state)
{
  guint n_pages;
  (void)state;
  assert_int_equal(replay(INDEX "\n" RESULTS "\n" ITEM("{}") "\n" SUB("Attributes", "{}") "\n" ITEM("{}"),
                          "search[canvas shoes]\nclick[b0tstshoe1]\nclick[attributes]\nclick[< prev]\n",
                          &n_pages),
                   5);
  assert_int_equal(n_pages, 5);
}

static void test_what_differs_is_counted(void **state)
{
  guint n_pages;
  (void)state;
  assert_int_equal(replay(INDEX "\n" RESULTS "\n" ITEM("{\"size\": \"9 wide\"}") "\n" DONE("31.0", "0.5"),
                          "search[canvas shoes]\nclick[b0tstshoe1]\nclick[9 wide]\nclick[buy now]\n",
                          &n_pages),
                   3);
  assert_int_equal(n_pages, 4);
}

static void assert_refused(const char *log, const char *message)
{
  GError *error = NULL;
  assert_null(shop_environment_read_record(world, log, "s1.jsonl:4", &error));
  assert_non_null(error);
  assert_string_equal(error->message, message);
  g_error_free(error);
}

static void test_corrupt_logs_are_refused_by_their_lines(G_GNUC_UNUSED void **state)
{
  assert_refused(RESULTS, "s1.jsonl:4: a session should begin with the page 'index', found 'search_results'");
  assert_refused(
      INDEX "\n{\"page\": \"shelf\", \"url\": \"" SITE "shelf/s1\"}",
      "s1.jsonl:5: there is no page 'shelf'; a site log has index, search_results, item_page, item_sub_page "
      "and done");
  assert_refused(INDEX "\n" RESULTS "\n{\"page\": \"item_page\", \"url\": \"" SITE "item_page/s1\"}",
                 "s1.jsonl:6: 'content' should be an object on a page 'item_page'");
  assert_refused(INDEX "\n" EMPTY_RESULTS("1.5"),
                 "s1.jsonl:5: 'content.page' should be the number of a result page");
  assert_refused(INDEX "\n" EMPTY_RESULTS("2147483648"),
                 "s1.jsonl:5: 'content.page' should be the number of a result page");
  assert_refused(INDEX "\n" ITEM("3"),
                 "s1.jsonl:5: 'content.options' should be an object of names and values");
  assert_refused(INDEX "\n" SUB("Rivals", "{}"),
                 "s1.jsonl:5: 'url' should name Description, Features, Reviews or Attributes on a sub page");
  assert_refused(INDEX "\n" DONE("\"x\"", "1"), "s1.jsonl:5: 'price' should be a number on the done page");
  assert_refused(INDEX "\n" DONE("31", "1"),
                 "s1.jsonl:5: the page 'done' of product B0TSTSHOE1 does not follow a page of that product");
  assert_refused(INDEX "\n" ITEM("{}") "\n" DONE("31", "1") "\n" INDEX,
                 "s1.jsonl:7: a page follows the page 'done', which ends a session's log");
  assert_refused(
      "{\"page\": \"index\", \"url\": \"" SITE "s1\", \"goal\": \"a horse\"}",
      "s1.jsonl:4: no human goal of this shop reads \"a horse\"; do catalogue and 'goals' agree with the "
      "recording?");
  assert_refused("{\"page\": \"index\", \"url\": \"" SITE "s1\"}",
                 "s1.jsonl:4: 'goal' should be an object with 'instruction_text', or the instruction");
  GError *error = NULL;
  assert_null(shop_environment_read_record(world, INDEX "\n{\"page\": ", "s1.jsonl:4", &error));
  assert_true(g_str_has_prefix(error->message, "s1.jsonl:5: not valid JSON: "));
  g_error_free(error);
}

static void test_lines_of_one_session_belong_together(G_GNUC_UNUSED void **state)
{
  assert_true(shop_environment_continues_record(world, INDEX, RESULTS));
  assert_true(shop_environment_continues_record(world, INDEX "\n" RESULTS, INDEX));
  assert_false(
      shop_environment_continues_record(world, INDEX, "{\"page\": \"index\", \"url\": \"" SITE "s2\"}"));
  assert_false(shop_environment_continues_record(world, INDEX, "{\"page\": "));
  assert_false(shop_environment_continues_record(world, "{\"states\": []}", INDEX));
}

static void test_imitation_data_with_indices(G_GNUC_UNUSED void **state)
{
#define STATES                                                                                               \
  "{\"states\": [\"WebShop [SEP] Instruction: [SEP] i'm looking for caffeine free peppermint tea [SEP] "     \
  "Search\"], "                                                                                              \
  "\"available_actions\": [[\"click[search]\", \"search[tea]\"]], \"action_idxs\": "
  CwRecord *record = shop_environment_read_record(world, STATES "[1]}", "il.jsonl:4", NULL);
  assert_non_null(record);
  assert_string_equal(record->actions[0], "search[tea]");
  shop_environment_free_record(world, record);
  GError *error = NULL;
  assert_null(shop_environment_read_record(world, STATES "[-1]}", "il.jsonl:4", &error));
  assert_string_equal(error->message,
                      "il.jsonl:4: action_idxs[0] names no action: expected an index into "
                      "available_actions[0]; -1 is a search, whose words only 'actions' tells");
  g_error_free(error);
}

static void test_literals(G_GNUC_UNUSED void **state)
{
  g_autoptr(GPtrArray) strings = g_ptr_array_new_with_free_func(g_free);
  assert_true(shop_python_list_read(" ['a', \"men's\", 'x\\n\\u00e9' ] ", strings));
  assert_int_equal(strings->len, 3);
  assert_string_equal(strings->pdata[1], "men's");
  assert_string_equal(strings->pdata[2], "x\n\u00e9");
  assert_true(shop_python_dict_read("{'color': 'red', \"size\": ''}", strings));
  assert_int_equal(strings->len, 7);
  static const char *const wrong[] = {"",    "[",       "['a'",    "['a' 'b']", "['a',]",
                                      "[a]", "['a'] x", "['\\q']", "['\\u12']"};
  for (guint i = 0; i < G_N_ELEMENTS(wrong); i++)
    assert_false(shop_python_list_read(wrong[i], strings));
  assert_false(shop_python_dict_read("{'a'}", strings));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_session_is_replayed_page_by_page),
      cmocka_unit_test(test_pages_out_of_the_browsers_cache_are_filled_in),
      cmocka_unit_test(test_addresses_of_result_pages_may_be_typed),
      cmocka_unit_test(test_a_query_may_be_empty),
      cmocka_unit_test(test_a_log_may_hold_pages_of_attributes),
      cmocka_unit_test(test_what_differs_is_counted),
      cmocka_unit_test(test_corrupt_logs_are_refused_by_their_lines),
      cmocka_unit_test(test_lines_of_one_session_belong_together),
      cmocka_unit_test(test_imitation_data_with_indices),
      cmocka_unit_test(test_literals),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
