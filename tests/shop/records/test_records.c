/* What the environment reads besides steps: recorded sessions in their forms, and requests in the
 * environment's own terms; over the tests' own shop folder. */
#include "envs/shop/environment.h"
#include "envs/shop/goals/splits.h"
#include "tests/shop/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

/* Records. */

static void test_a_recorded_session_is_read(G_GNUC_UNUSED void **state)
{
  ShopWorld *world = fixture_load(NULL);
  GError *error = NULL;
  CwRecord *record =
      shop_environment_read_record(world,
                                   "{\"goal_id\": \"webshop_2\", \"turns\": [{\"from\": \"site\", \"text\": "
                                   "\"WebShop [SEP] Instruction: [SEP] Find "
                                   "me x, and price lower than 30.00 dollars [SEP] Search\"}, {\"from\": "
                                   "\"agent\", \"text\": \"Thought:\\nhm "
                                   "Action: no\\n\\nAction:\\nsearch[tea] \\n\\nNext I click.\"}, {\"from\": "
                                   "\"site\", \"text\": \"page\"}]}",
                                   "a.jsonl:1", &error);
  assert_non_null(record);
  assert_string_equal(record->id, "webshop_2");
  assert_string_equal(record->split, "all");
  assert_int_equal(record->goal, 2);
  assert_string_equal(
      record->home_split,
      shop_split_name(shop_split_of_asin(
          shop_string(world->catalogue, world->catalogue->products[world->goals->items[2].product].asin))));
  assert_string_equal(record->overrides, "price_upper=30");
  assert_int_equal(record->n_observations, 2);
  assert_int_equal(record->n_actions, 1);
  assert_string_equal(record->actions[0], "search[tea]");

  gpointer session = shop_environment_session_new(world, &error);
  CwRandom *random = cw_random_new(1, "test", 0, 0);
  assert_true(shop_environment_reset_record(session, record, random, &error));
  assert_true(g_str_has_suffix(shop_session_goal(shop_environment_session(session))->instruction->str,
                               ", and price lower than 30.00 dollars"));
  shop_environment_session_free(session);
  cw_random_free(random);
  shop_environment_free_record(world, record);
  assert_null(shop_environment_read_record(world, " \n", "a.jsonl:2", &error));
  assert_null(error);
  shop_environment_close(world);
}

/* What a text says that an agent's words mean. */
static void test_the_action_of_a_turn(G_GNUC_UNUSED void **state)
{
  static const char *const turns[][2] = {
      {"search[tea]", "search[tea]"},
      {"Thought: Action: no\\nAction:\\nclick[x]", "click[x]"},
      {"Thought: a cup. Action: click[x]\\nThen rest.", "click[x]"},
      {"Action: \\nclick[x] ", "click[x]"},
      {"Action:  click[x]", " click[x]"},
      {"Action: Action: click[x]", "Action: click[x]"},
      {" click[x]", " click[x]"},
  };
  ShopWorld *world = fixture_load(NULL);
  for (guint i = 0; i < G_N_ELEMENTS(turns); i++) {
    g_autofree char *line = g_strdup_printf(
        "{\"goal_id\": \"webshop_2\", \"turns\": [{\"from\": \"site\", \"text\": \"WebShop\"}, "
        "{\"from\": \"agent\", \"text\": \"%s\"}]}",
        turns[i][0]);
    GError *error = NULL;
    CwRecord *record = shop_environment_read_record(world, line, "a.jsonl:1", &error);
    assert_non_null(record);
    assert_string_equal(record->actions[0], turns[i][1]);
    shop_environment_free_record(world, record);
  }
  shop_environment_close(world);
}

static void test_imitation_data_is_read_by_its_instruction(G_GNUC_UNUSED void **state)
{
  ShopSettings settings = fixture_settings();
  settings.goals = SHOP_GOALS_HUMAN;
  settings.observation = SHOP_OBSERVATION_TEXT_RICH;
  ShopWorld *world = fixture_load(&settings);
  GError *error = NULL;
  CwRecord *record = shop_environment_read_record(
      world,
      "{\"states\": [\"WebShop\\nInstruction: \\ni'm looking for caffeine free peppermint tea, and price "
      "lower than "
      "40.00 dollars\\n[button] Search [button_]\\n\", \"Instruction:\\ni'm looking for caffeine free "
      "peppermint tea, "
      "and price lower than 40.00 dollars\\n[button] Back to Search [button_]\\nPage 1 (Total results: "
      "1)\\n[button] Next > [button_]\\n\\n[button] B0TSTTEA02 [button_]\\nMorrow Peppermint Herbal Tea "
      "Bags\\n$6.25\\n\"], \"actions\": [\"search[peppermint]\", \"click[b0tsttea02]\"], \"images\": [0, 0]}",
      "il.jsonl:1", &error);
  if (!record)
    fail_msg("%s", error->message);
  assert_int_equal(record->n_observations, 2);
  assert_int_equal(record->n_actions, 2);
  assert_string_equal(record->overrides, "price_upper=40");
  gpointer session = shop_environment_session_new(world, &error);
  CwRandom *random = cw_random_new(1, "test", 0, 0);
  assert_true(shop_environment_reset_record(session, record, random, &error));
  for (guint i = 0; i < 2; i++) {
    CwObservation observation = {.struct_size = sizeof observation};
    CwOutcome outcome = {.struct_size = sizeof outcome};
    assert_true(shop_environment_observe(session, &observation, &error));
    assert_string_equal(observation.text, record->observations[i]);
    assert_true(shop_environment_step_text(session, record->actions[i], &outcome, &error));
  }
  shop_environment_free_record(world, record);
  shop_environment_session_free(session);
  cw_random_free(random);

  assert_null(shop_environment_read_record(
      world, "{\"states\": [\"WebShop [SEP] Instruction: [SEP] a horse [SEP] Search\"], \"actions\": []}",
      "il.jsonl:2", &error));
  fixture_expect_error(error, "il.jsonl:2: no human goal of this shop reads \"a horse\"");
  shop_environment_close(world);
}

static void test_malformed_records_are_refused(G_GNUC_UNUSED void **state)
{
  ShopWorld *world = fixture_load(NULL);
  g_autofree char *beyond =
      g_strdup_printf("a.jsonl:7: goal id \"webshop_999\" is beyond the last of this shop's %u "
                      "synthetic goals; do catalogue and 'goals' "
                      "agree with the recording?",
                      world->goals->n_items);
  const struct {
    const char *line, *message;
  } cases[] = {
      {"{\"goal_id\"", "a.jsonl:7: not valid JSON: ':' expected near end of file (byte 10 of the line)"},
      {"[1]",
       "a.jsonl:7: expected an object with \"goal_id\" (\"webshop_N\") and \"turns\", or with \"states\" and "
       "\"actions\""},
      {"{\"states\": [\"a\", \"b\", \"c\"], \"actions\": [\"x\"]}",
       "a.jsonl:7: 'states' and 'actions' should be lists of equal length (or one more state), found 3 and 1 "
       "elements"},
      {"{\"states\": [\"a\", 3], \"actions\": [\"x\"]}", "a.jsonl:7: states[1] should be a string"},
      {"{\"states\": [\"a\"], \"actions\": [\"x\"]}",
       "a.jsonl:7: states[0] should be a search page with an instruction"},
      {"{\"goal_id\": \"x_1\"}", "a.jsonl:7: goal id \"x_1\" should be \"webshop_N\" with a goal number N"},
      {"{\"goal_id\": \"webshop_-1\"}",
       "a.jsonl:7: goal id \"webshop_-1\" should be \"webshop_N\" with a goal number N"},
      {"{\"goal_id\": \"webshop_999\"}", beyond},
      {"{\"goal_id\": \"webshop_1\"}",
       "a.jsonl:7: 'turns' should be a list of turns, the site's first page first"},
      {"{\"goal_id\": \"webshop_1\", \"turns\": [{\"from\": \"agent\", \"text\": \"x\"}]}",
       "a.jsonl:7: turn 0 should be {\"from\": \"site\", \"text\": ...}: site and agent alternate, found "
       "from "
       "\"agent\""},
      {"{\"goal_id\": \"webshop_1\", \"turns\": [{\"from\": \"site\"}]}",
       "a.jsonl:7: turn 0 should be {\"from\": \"site\", \"text\": ...}: site and agent alternate, found "
       "from "
       "\"site\""},
      {"{\"goal_id\": \"webshop_1\", \"turns\": [3]}",
       "a.jsonl:7: turn 0 should be {\"from\": \"site\", \"text\": ...}: site and agent alternate"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    GError *error = NULL;
    assert_null(shop_environment_read_record(world, cases[i].line, "a.jsonl:7", &error));
    fixture_expect_error(error, cases[i].message);
  }
  shop_environment_close(world);
}

/* Requests. */

static void expect_answer(ShopWorld *world, const char *verb, const char *request, const char *expected)
{
  GError *error = NULL;
  char *answer = shop_environment_answer(world, verb, request, &error);
  if (!answer)
    fail_msg("%s", error->message);
  assert_string_equal(answer, expected);
  g_free(answer);
}

static void expect_refusal(ShopWorld *world, const char *verb, const char *request, const char *message)
{
  GError *error = NULL;
  assert_null(shop_environment_answer(world, verb, request, &error));
  fixture_expect_error(error, message);
}

static void test_requests_are_answered(G_GNUC_UNUSED void **state)
{
  ShopWorld *world = fixture_load(NULL);
  expect_answer(
      world, "search", "{\"query\": \"Oil of BERGAMOT\"}",
      "{\"query\":\"Oil of BERGAMOT\",\"total\":3,\"asins\":[\"B0TSTTEA01\",\"B0TSTOIL02\",\"B0TSTOIL01\"]}");
  expect_answer(world, "search", "{\"query\": \"tea\", \"page\": 2}",
                "{\"query\":\"tea\",\"total\":3,\"asins\":[]}");
  expect_answer(world, "search", "{\"query\": \"\"}", "{\"query\":\"\",\"total\":0,\"asins\":[]}");
  gint64 goal = fixture_goal_of(world, "B0TSTTEA02", "tea");
  g_autofree char *score = g_strdup_printf(
      "{\"goal\": %" G_GINT64_FORMAT ", \"asin\": \"B0TSTTEA02\", \"options\": [], \"price_upper\": 20}",
      goal);
  g_autofree char *scored = g_strdup_printf("{\"goal\":\"webshop_%" G_GINT64_FORMAT
                                            "\",\"asin\":\"B0TSTTEA02\",\"reward\":1.0,\"attributes\":1.0,"
                                            "\"options\":1.0,\"type\":1.0,\"price\":1.0}",
                                            goal);
  expect_answer(world, "score", score, scored);
  gint64 shoe = fixture_goal_of(world, "B0TSTSHOE1", "color: sand, and size: 10");
  g_autofree char *request = g_strdup_printf("\"webshop_%" G_GINT64_FORMAT "\"", shoe);
  GError *error = NULL;
  g_autofree char *answer = shop_environment_answer(world, "goal", request, &error);
  assert_non_null(
      strstr(answer, "\"asin\":\"B0TSTSHOE1\",\"instruction\":\"Find me machine washable men's shoes with "
                     "rubber sole with color: sand, and size: 10"));
  assert_non_null(
      strstr(answer, "\"attributes\":[\"machine washable\",\"rubber sole\"],\"options\":{\"color\":\"sand\","
                     "\"size\":\"10\"}"));
  shop_environment_close(world);
}

static void test_wrong_requests_are_refused(G_GNUC_UNUSED void **state)
{
  ShopWorld *world = fixture_load(NULL);
  expect_refusal(world, "dance", "{}",
                 "a shop knows no verb 'dance'; there are search, score, goal, oracle, products, "
                 "stock, reward");
  expect_refusal(world, "search", "{",
                 "search: the request is not valid JSON: string or '}' expected near end of file "
                 "(byte 1)");
  expect_refusal(world, "search", "[]", "search: the request should be a JSON object");
  expect_refusal(world, "search", "{\"q\": 1}", "search: unknown key 'q'; there are 'query', 'page', 'all'");
  expect_refusal(world, "search", "{\"query\": 1}", "search: 'query' should be a string");
  expect_refusal(world, "search", "{\"query\": \"a\", \"page\": 0}",
                 "search: 'page' should be a number from 1 on");
  expect_refusal(world, "score", "{\"asin\": \"B0TSTTEA02\"}",
                 "score: 'goal' should be a goal's number or \"webshop_N\"");
  expect_refusal(world, "score", "{\"goal\": 0}", "score: 'asin' should be a string");
  expect_refusal(world, "score", "{\"goal\": 0, \"asin\": \"B0\"}",
                 "score: no product 'B0' in this catalogue");
  expect_refusal(world, "score", "{\"goal\": 0, \"asin\": \"B0TSTTEA02\", \"options\": 3}",
                 "score: 'options' should be a list of values or an object of names and values");
  expect_refusal(world, "score", "{\"goal\": 0, \"asin\": \"B0TSTTEA02\", \"options\": [3]}",
                 "score: option number 1 should be a string");
  g_autofree char *message = g_strdup_printf("goal: goal 5000 does not exist; there are %u goals (from 0 on)",
                                             world->goals->n_items);
  expect_refusal(world, "goal", "5000", message);
  shop_environment_close(world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_recorded_session_is_read),
      cmocka_unit_test(test_the_action_of_a_turn),
      cmocka_unit_test(test_imitation_data_is_read_by_its_instruction),
      cmocka_unit_test(test_malformed_records_are_refused),
      cmocka_unit_test(test_requests_are_answered),
      cmocka_unit_test(test_wrong_requests_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
