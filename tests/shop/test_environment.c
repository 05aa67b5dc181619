/* The environment's slots over the tests' own shop folder: facts, resets,
 * candidates, scripts, records, requests; that equal streams give equal episodes
 * and that a session in the steady state allocates nothing. */
#include "envs/shop/environment.h"
#include "envs/shop/loader.h"
#include "tests/shop/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <malloc.h>
#include <string.h>

#define DATA TEST_SOURCE_DIRECTORY "/tests/shop/data/"

/* Counting allocations and the bytes they hold: the C library's functions, counted
 * on the way. Sanitizers bring their own. */
static guint64 n_allocations;
static gint64 live_bytes;

#if !defined(__SANITIZE_ADDRESS__)
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void __libc_free(void *memory);

static void *count(void *memory)
{
  n_allocations++;
  live_bytes += (gint64)malloc_usable_size(memory);
  return memory;
}

__attribute__((visibility("default"))) void *malloc(size_t size)
{
  return count(__libc_malloc(size));
}

__attribute__((visibility("default"))) void *calloc(size_t n, size_t size)
{
  return count(__libc_calloc(n, size));
}

__attribute__((visibility("default"))) void *realloc(void *memory, size_t size)
{
  live_bytes -= (gint64)malloc_usable_size(memory);
  return count(__libc_realloc(memory, size));
}

__attribute__((visibility("default"))) void free(void *memory)
{
  live_bytes -= (gint64)malloc_usable_size(memory);
  __libc_free(memory);
}
#endif

static ShopWorld *load(const ShopSettings *settings)
{
  GError *error = NULL;
  ShopCatalogue *catalogue =
      shop_load_catalogue(DATA "items.json", DATA "attributes.json", DATA "human.json", 0, TRUE, &error);
  if (catalogue == NULL)
    fail_msg("%s", error->message);
  ShopWorld *world = shop_world_new(catalogue, "webshop", "items.json", settings, &error);
  if (world == NULL)
    fail_msg("%s", error->message);
  return world;
}

static ShopWorld *load_default(void)
{
  ShopSettings settings = fixture_settings();
  return load(&settings);
}

static void expect_error(GError *error, const char *message)
{
  assert_non_null(error);
  assert_string_equal(error->message, message);
  g_error_free(error);
}

static void test_facts_name_everything_a_result_depends_on(void **state)
{
  (void)state;
  ShopWorld *world = load_default();
  g_autofree char *text = g_strjoinv("|", (char **)shop_environment_describe(world));
  g_autofree char *expected = g_strdup_printf(
      "catalogue|items.json|products|12|catalogue_checksum|%016" G_GINT64_MODIFIER
      "x|goals|synthetic|n_goals|%u|split_rule|by_product|goals_per_product|5|train_goals|%u|dev_goals|%u|test_goals|%"
      "u|"
      "observation|text|candidates|honest|max_candidates|0|mode|faithful|step_limit|100|prices|drawn|price_seed|233|"
      "similarity|difflib|nouns|built-in tagger",
      world->catalogue->checksum, world->goals->n_items, world->splits->n_goals[0], world->splits->n_goals[1],
      world->splits->n_goals[2]);
  assert_string_equal(text, expected);
  assert_int_equal(shop_environment_n_goals(world, "all"), world->goals->n_items);
  assert_int_equal(shop_environment_n_goals(world, "validation"), -1);
  shop_environment_close(world);
}

static void test_wrong_resets_and_steps_are_refused(void **state)
{
  (void)state;
  ShopWorld *world = load_default();
  GError *error = NULL;
  gpointer session = shop_environment_session_new(world, &error);
  CwRandom *random = cw_random_new(1, "test", 0, 0);
  CwObservation observation = {.struct_size = sizeof observation};
  CwOutcome outcome = {.struct_size = sizeof outcome};
  assert_false(shop_environment_observe(session, &observation, &error));
  expect_error(error, "the session has no goal yet: reset it first");
  error = NULL;
  assert_false(shop_environment_reset(session, "valid", 0, random, &error));
  expect_error(error, "there is no split 'valid'; a shop has train, dev, test and all");
  error = NULL;
  assert_false(shop_environment_reset(session, "all", 1000, random, &error));
  g_autofree char *message =
      g_strdup_printf("goal 1000 of split 'all' was asked for, which has %u goals (from 0 on)", world->goals->n_items);
  expect_error(error, message);
  error = NULL;
  assert_true(shop_environment_reset(session, "all", 3, random, &error));
  assert_string_equal(shop_environment_goal_id(session), "webshop_3");
  assert_true(shop_environment_observe(session, &observation, &error));
  guint n = observation.n_candidates;
  assert_false(shop_environment_step(session, n, &outcome, &error));
  g_autofree char *too_far = g_strdup_printf("candidate %u was taken, but the page has %u", n, n);
  expect_error(error, too_far);
  error = NULL;
  assert_int_equal(shop_environment_scripted_action(session, "wizard", &error), -1);
  expect_error(error, "there is no scripted agent 'wizard' in this shop");
  shop_environment_session_free(session);
  shop_environment_close(world);
  cw_random_free(random);
}

static void test_the_rule_agent_buys_the_first_result(void **state)
{
  (void)state;
  ShopWorld *world = load_default();
  GError *error = NULL;
  gpointer session = shop_environment_session_new(world, &error);
  CwRandom *random = cw_random_new(1, "test", 0, 0);
  assert_true(shop_environment_reset(session, "all", 0, random, &error));
  CwOutcome outcome = {.struct_size = sizeof outcome};
  for (guint i = 0; i < 3; i++) {
    assert_false(outcome.terminated);
    gint chosen = shop_environment_scripted_action(session, "rule", &error);
    assert_true(chosen >= 0);
    assert_true(shop_environment_step(session, (guint)chosen, &outcome, &error));
  }
  assert_true(outcome.terminated);
  assert_string_equal(outcome.parts[0].name, "attributes");
  assert_string_equal(outcome.parts[1].name, "options");
  assert_string_equal(outcome.parts[2].name, "type");
  assert_string_equal(outcome.parts[3].name, "price");
  shop_environment_session_free(session);
  shop_environment_close(world);
  cw_random_free(random);
}

static gint64 goal_of(const ShopWorld *world, const char *asin, const char *clause)
{
  ShopGoalView *view = shop_goal_view_new();
  gint64 product = shop_catalogue_find(world->catalogue, asin), found = -1;
  for (guint32 i = 0; i < world->goals->n_items && found < 0; i++) {
    shop_goal_view_set(view, world->catalogue, world->goals, i);
    if (view->product == product && strstr(view->instruction->str, clause) != NULL)
      found = i;
  }
  shop_goal_view_free(view);
  assert_true(found >= 0);
  return found;
}

static void test_buying_the_goal_is_a_success(void **state)
{
  (void)state;
  ShopWorld *world = load_default();
  GError *error = NULL;
  gpointer session = shop_environment_session_new(world, &error);
  CwRandom *random = cw_random_new(1, "test", 0, 0);
  gint64 goal = goal_of(world, "B0TSTTEA01", "flavor: decaf earl grey, and size: 3.5 ounce (pack of 3)");
  assert_true(shop_environment_reset(session, "all", goal, random, &error));
  static const char *const actions[] = {"search[sugar free black tea]", "click[b0tsttea01]", "click[decaf earl grey]",
                                        "click[3.5 ounce (pack of 3)]", "click[buy now]"};
  CwOutcome outcome = {.struct_size = sizeof outcome};
  for (guint i = 0; i < G_N_ELEMENTS(actions); i++)
    assert_true(shop_environment_step_text(session, actions[i], &outcome, &error));
  assert_true(outcome.terminated && outcome.success && outcome.reward == 1);
  for (guint i = 0; i < outcome.n_parts; i++)
    assert_true(outcome.parts[i].value == 1);
  shop_environment_session_free(session);
  shop_environment_close(world);
  cw_random_free(random);
}

/* Plays random candidates and writes down everything that happened. */
static char *transcript(const ShopSettings *settings, guint64 stream)
{
  ShopWorld *world = load(settings);
  GError *error = NULL;
  gpointer session = shop_environment_session_new(world, &error);
  CwRandom *random = cw_random_new(7, "episode", stream, 0), *choice = cw_random_new(7, "choice", stream, 0);
  GString *text = g_string_new(NULL);
  for (gint64 goal = 0; goal < 5; goal++) {
    assert_true(shop_environment_reset(session, "train", goal, random, &error));
    CwOutcome outcome = {.struct_size = sizeof outcome};
    while (!outcome.terminated && !outcome.truncated) {
      CwObservation observation = {.struct_size = sizeof observation};
      assert_true(shop_environment_observe(session, &observation, &error));
      g_string_append(text, observation.text);
      for (guint i = 0; i < observation.n_candidates; i++)
        g_string_append(text, observation.candidates[i]);
      assert_true(shop_environment_step(session, cw_random_below(choice, observation.n_candidates), &outcome, &error));
    }
    g_string_append_printf(text, "reward %g\n", outcome.reward);
  }
  shop_environment_session_free(session);
  shop_environment_close(world);
  cw_random_free(random);
  cw_random_free(choice);
  return g_string_free(text, FALSE);
}

static void test_equal_streams_give_equal_episodes(void **state)
{
  (void)state;
  ShopSettings settings = fixture_settings();
  settings.step_limit = 30;
  for (gint candidates = 0; candidates < 2; candidates++) {
    settings.candidates = candidates;
    g_autofree char *a = transcript(&settings, 0), *b = transcript(&settings, 0), *c = transcript(&settings, 1);
    assert_string_equal(a, b);
    assert_string_not_equal(a, c);
  }
}

/* Candidates. */

static ShopSession *session_on(const ShopWorld *world, const char *asin, const char *clause, CwRandom *random)
{
  ShopSession *session = shop_session_new(world);
  shop_session_reset(session, (guint32)goal_of(world, asin, clause), random);
  return session;
}

static void test_upstream_queries_know_the_goal(void **state)
{
  (void)state;
  ShopSettings settings = fixture_settings();
  settings.candidates = SHOP_CANDIDATES_UPSTREAM;
  ShopWorld *world = load(&settings);
  CwRandom *random = cw_random_new(1, "test", 0, 0);
  ShopSession *session = session_on(world, "B0TSTOIL01", "2 fl oz", random);
  shop_session_set_price_upper(session, 120);
  g_autofree char *texts = fixture_candidates(session);
  assert_string_equal(texts, "search[hair oils]\nsearch[cruelty free hair oils]\nsearch[natural ingredients hair "
                             "oils]\nsearch[find me cruelty free hair oil with natural ingredients with size: 2 fl oz, "
                             "and price lower than 120.00 dollars]");
  shop_session_free(session);
  shop_world_free(world);
  cw_random_free(random);
}

static ShopWorld *world_of_many_options(const ShopSettings *settings)
{
  ShopCatalogueBuilder *builder = shop_catalogue_builder_new();
  g_autoptr(GString) product = g_string_new(
      "{'asin': 'B000000001', 'name': 'Paint', 'full_description': '', 'small_description': 'one', 'category': 'c', "
      "'query': 'q', 'product_category': 'p', 'customization_options': {'Color': [{'value': '0'}");
  for (guint i = 1; i < 40; i++)
    g_string_append_printf(product, ", {'value': '%u'}", i);
  g_string_append(product, "]}}");
  fixture_add(builder, product->str);
  /* The same title twice, apart from case. */
  for (guint i = 2; i < 4; i++) {
    g_autofree char *brush = g_strdup_printf("{'asin': 'B00000000%u', 'name': '%s', 'full_description': 'paint', "
                                             "'small_description': 'one', 'category': 'c', 'query': 'q', "
                                             "'product_category': 'p', 'customization_options': ''}",
                                             i, i == 2 ? "Brush" : "BRUSH");
    fixture_add(builder, brush);
  }
  for (guint i = 1; i < 4; i++) {
    g_autofree char *asin = g_strdup_printf("B00000000%u", i);
    fixture_add_attributes(builder, asin,
                           "{'attributes': [], 'instruction': 'Find paint', 'instruction_attributes': ['a']}");
  }
  GError *error = NULL;
  ShopWorld *world = shop_world_new(shop_catalogue_builder_finish(builder, &error), "webshop", "x", settings, &error);
  assert_non_null(world);
  return world;
}

static void test_upstream_cuts_at_random_and_anew_each_time(void **state)
{
  (void)state;
  ShopSettings settings = fixture_settings();
  settings.candidates = SHOP_CANDIDATES_UPSTREAM;
  ShopWorld *world = world_of_many_options(&settings);
  CwRandom *random = cw_random_new(1, "test", 0, 0);
  ShopSession *session = fixture_session(world, random);
  fixture_step(session, "search[paint]");
  fixture_step(session, "click[b000000001]");
  /* 46 clickables: cut to 16 at the 21st, then again after every fifth. */
  g_autofree char *first = fixture_candidates(session), *same = fixture_candidates(session);
  assert_string_equal(first, same);
  guint n;
  shop_session_candidates(session, &n);
  assert_int_equal(n, 16);
  assert_true(g_str_has_prefix(first, "click[back to search]\nclick[< prev]\nclick[description]\nclick[features]\n"
                                      "click[reviews]\nclick[buy now]\n"));
  fixture_step(session, "click[nothing]");
  g_autofree char *second = fixture_candidates(session);
  assert_string_not_equal(first, second);
  shop_session_free(session);
  shop_world_free(world);
  cw_random_free(random);
}

static void test_upstream_titles_open_their_last_product(void **state)
{
  (void)state;
  CwRandom *random = cw_random_new(1, "test", 0, 0);
  for (gint candidates = 0; candidates < 2; candidates++) {
    ShopSettings settings = fixture_settings();
    settings.candidates = candidates;
    ShopWorld *world = world_of_many_options(&settings);
    ShopSession *session = fixture_session(world, random);
    fixture_step(session, "search[brush]");
    guint n;
    const ShopCandidate *shown = shop_session_candidates(session, &n);
    assert_int_equal(n, 4);
    assert_string_equal(shown[2].text, "click[item - brush]");
    CwOutcome outcome = {.struct_size = sizeof outcome};
    shop_session_step(session, 2, &outcome);
    assert_int_equal(shop_session_product(session), candidates == SHOP_CANDIDATES_UPSTREAM ? 2 : 1);
    shop_session_free(session);
    shop_world_free(world);
  }
  cw_random_free(random);
}

static void test_max_candidates_cuts_in_page_order(void **state)
{
  (void)state;
  ShopSettings settings = fixture_settings();
  settings.max_candidates = 8;
  ShopWorld *world = world_of_many_options(&settings);
  CwRandom *random = cw_random_new(1, "test", 0, 0);
  ShopSession *session = fixture_session(world, random);
  fixture_step(session, "search[paint]");
  fixture_step(session, "click[b000000001]");
  g_autofree char *texts = fixture_candidates(session);
  assert_string_equal(texts,
                      "click[back to search]\nclick[< prev]\nclick[description]\nclick[features]\nclick[reviews]\n"
                      "click[buy now]\nclick[0]\nclick[1]");
  shop_session_free(session);
  shop_world_free(world);
  cw_random_free(random);
}

static void test_actions_are_found_among_the_candidates(void **state)
{
  (void)state;
  ShopWorld *world = load_default();
  CwRandom *random = cw_random_new(1, "test", 0, 0);
  ShopSession *session = session_on(world, "B0TSTTEA02", "tea", random);
  guint n, before;
  shop_session_candidates(session, &before);
  assert_int_equal(shop_session_candidate_of(session, "search[Peppermint LEAVES]", FALSE), -1);
  assert_int_equal(shop_session_candidate_of(session, "search[Peppermint LEAVES]", TRUE), before);
  assert_int_equal(shop_session_candidate_of(session, "search[peppermint leaves]", TRUE), before);
  const ShopCandidate *candidates = shop_session_candidates(session, &n);
  assert_int_equal(n, before + 1);
  assert_string_equal(candidates[before].text, "search[peppermint leaves]");
  assert_int_equal(shop_session_candidate_of(session, candidates[1].text, FALSE), 1);
  assert_int_equal(shop_session_candidate_of(session, "click[buy now]", TRUE), -1);
  assert_int_equal(shop_session_candidate_of(session, "think[a bit]", TRUE), -1);
  CwOutcome outcome = {.struct_size = sizeof outcome};
  shop_session_step(session, before, &outcome);
  assert_string_equal(shop_session_keywords(session), "peppermint leaves");
  assert_int_equal(shop_session_candidate_of(session, "click[B0TSTTEA02]", FALSE), 2);
  assert_int_equal(shop_session_candidate_of(session, "click[item - morrow peppermint herbal tea bags]", FALSE), 2);
  assert_int_equal(shop_session_candidate_of(session, "click[Next >]", FALSE), 1);
  shop_session_candidates(session, &before);
  assert_int_equal(shop_session_candidate_of(session, "search[tea]", TRUE), before);
  shop_session_free(session);
  shop_world_free(world);
  cw_random_free(random);
}

/* Records. */

static void test_a_recorded_session_is_read(void **state)
{
  (void)state;
  ShopWorld *world = load_default();
  GError *error = NULL;
  CwRecord *record = shop_environment_read_record(
      world,
      "{\"goal_id\": \"webshop_2\", \"turns\": [{\"from\": \"site\", \"text\": \"WebShop [SEP] Instruction: [SEP] Find "
      "me x, and price lower than 30.00 dollars [SEP] Search\"}, {\"from\": \"agent\", \"text\": \"Thought:\\nhm "
      "Action: no\\n\\nAction:\\nsearch[tea] \\n\\nNext I click.\"}, {\"from\": \"site\", \"text\": \"page\"}]}",
      "a.jsonl:1", &error);
  assert_non_null(record);
  assert_string_equal(record->id, "webshop_2");
  assert_string_equal(record->split, "all");
  assert_int_equal(record->goal, 2);
  assert_string_equal(record->home_split,
                      shop_split_name(shop_split_of_asin(shop_string(
                          world->catalogue, world->catalogue->products[world->goals->items[2].product].asin))));
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

static void test_imitation_data_is_read_by_its_instruction(void **state)
{
  (void)state;
  ShopSettings settings = fixture_settings();
  settings.goals = SHOP_GOALS_HUMAN;
  settings.observation = SHOP_OBSERVATION_TEXT_RICH;
  ShopWorld *world = load(&settings);
  GError *error = NULL;
  CwRecord *record = shop_environment_read_record(
      world,
      "{\"states\": [\"WebShop\\nInstruction: \\ni'm looking for caffeine free peppermint tea, and price lower than "
      "40.00 dollars\\n[button] Search [button_]\\n\", \"Instruction:\\ni'm looking for caffeine free peppermint tea, "
      "and price lower than 40.00 dollars\\n[button] Back to Search [button_]\\nPage 1 (Total results: "
      "1)\\n[button] Next > [button_]\\n\\n[button] B0TSTTEA02 [button_]\\nMorrow Peppermint Herbal Tea "
      "Bags\\n$6.25\\n\"], \"actions\": [\"search[peppermint]\", \"click[b0tsttea02]\"], \"images\": [0, 0]}",
      "il.jsonl:1", &error);
  if (record == NULL)
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
      world, "{\"states\": [\"WebShop [SEP] Instruction: [SEP] a horse [SEP] Search\"], \"actions\": []}", "il.jsonl:2",
      &error));
  expect_error(error, "il.jsonl:2: no human goal of this shop reads \"a horse\"");
  shop_environment_close(world);
}

static void test_malformed_records_are_refused(void **state)
{
  (void)state;
  ShopWorld *world = load_default();
  g_autofree char *beyond = g_strdup_printf("a.jsonl:7: goal id \"webshop_999\" is beyond the last of this shop's %u "
                                            "synthetic goals; do catalogue and 'goals' "
                                            "agree with the recording?",
                                            world->goals->n_items);
  const struct {
    const char *line, *message;
  } cases[] = {
      {"{\"goal_id\"", "a.jsonl:7: not valid JSON: ':' expected near end of file (byte 10 of the line)"},
      {"[1]", "a.jsonl:7: expected an object with \"goal_id\" (\"webshop_N\") and \"turns\", or with \"states\" and "
              "\"actions\""},
      {"{\"states\": [\"a\", \"b\", \"c\"], \"actions\": [\"x\"]}",
       "a.jsonl:7: 'states' and 'actions' should be lists of equal length (or one more state), found 3 and 1 elements"},
      {"{\"states\": [\"a\", 3], \"actions\": [\"x\"]}", "a.jsonl:7: states[1] should be a string"},
      {"{\"states\": [\"a\"], \"actions\": [\"x\"]}",
       "a.jsonl:7: states[0] should be a search page with an instruction"},
      {"{\"goal_id\": \"x_1\"}", "a.jsonl:7: goal id \"x_1\" should be \"webshop_N\" with a goal number N"},
      {"{\"goal_id\": \"webshop_-1\"}",
       "a.jsonl:7: goal id \"webshop_-1\" should be \"webshop_N\" with a goal number N"},
      {"{\"goal_id\": \"webshop_999\"}", beyond},
      {"{\"goal_id\": \"webshop_1\"}", "a.jsonl:7: 'turns' should be a list of turns, the site's first page first"},
      {"{\"goal_id\": \"webshop_1\", \"turns\": [{\"from\": \"agent\", \"text\": \"x\"}]}",
       "a.jsonl:7: turn 0 should be {\"from\": \"site\", \"text\": ...}: site and agent alternate, found from "
       "\"agent\""},
      {"{\"goal_id\": \"webshop_1\", \"turns\": [{\"from\": \"site\"}]}",
       "a.jsonl:7: turn 0 should be {\"from\": \"site\", \"text\": ...}: site and agent alternate, found from "
       "\"site\""},
      {"{\"goal_id\": \"webshop_1\", \"turns\": [3]}",
       "a.jsonl:7: turn 0 should be {\"from\": \"site\", \"text\": ...}: site and agent alternate"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    GError *error = NULL;
    assert_null(shop_environment_read_record(world, cases[i].line, "a.jsonl:7", &error));
    expect_error(error, cases[i].message);
  }
  shop_environment_close(world);
}

/* Requests. */

static void expect_answer(ShopWorld *world, const char *verb, const char *request, const char *expected)
{
  GError *error = NULL;
  char *answer = shop_environment_answer(world, verb, request, &error);
  if (answer == NULL)
    fail_msg("%s", error->message);
  assert_string_equal(answer, expected);
  g_free(answer);
}

static void expect_refusal(ShopWorld *world, const char *verb, const char *request, const char *message)
{
  GError *error = NULL;
  assert_null(shop_environment_answer(world, verb, request, &error));
  expect_error(error, message);
}

static void test_requests_are_answered(void **state)
{
  (void)state;
  ShopWorld *world = load_default();
  expect_answer(world, "search", "{\"query\": \"Oil of BERGAMOT\"}",
                "{\"query\":\"Oil of BERGAMOT\",\"total\":3,\"asins\":[\"B0TSTTEA01\",\"B0TSTOIL02\",\"B0TSTOIL01\"]}");
  expect_answer(world, "search", "{\"query\": \"tea\", \"page\": 2}", "{\"query\":\"tea\",\"total\":3,\"asins\":[]}");
  expect_answer(world, "search", "{\"query\": \"\"}", "{\"query\":\"\",\"total\":0,\"asins\":[]}");
  gint64 goal = goal_of(world, "B0TSTTEA02", "tea");
  g_autofree char *score = g_strdup_printf(
      "{\"goal\": %" G_GINT64_FORMAT ", \"asin\": \"B0TSTTEA02\", \"options\": [], \"price_upper\": 20}", goal);
  g_autofree char *scored = g_strdup_printf("{\"goal\":\"webshop_%" G_GINT64_FORMAT
                                            "\",\"asin\":\"B0TSTTEA02\",\"reward\":1.0,\"attributes\":1.0,"
                                            "\"options\":1.0,\"type\":1.0,\"price\":1.0}",
                                            goal);
  expect_answer(world, "score", score, scored);
  gint64 shoe = goal_of(world, "B0TSTSHOE1", "color: sand, and size: 10");
  g_autofree char *request = g_strdup_printf("\"webshop_%" G_GINT64_FORMAT "\"", shoe);
  GError *error = NULL;
  g_autofree char *answer = shop_environment_answer(world, "goal", request, &error);
  assert_non_null(strstr(answer, "\"asin\":\"B0TSTSHOE1\",\"instruction\":\"Find me machine washable men's shoes with "
                                 "rubber sole with color: sand, and size: 10"));
  assert_non_null(strstr(answer,
                         "\"attributes\":[\"machine washable\",\"rubber sole\"],\"options\":{\"color\":\"sand\","
                         "\"size\":\"10\"}"));
  shop_environment_close(world);
}

static void test_wrong_requests_are_refused(void **state)
{
  (void)state;
  ShopWorld *world = load_default();
  expect_refusal(world, "dance", "{}", "a shop knows no verb 'dance'; there are search, score, goal, oracle");
  expect_refusal(world, "search", "{",
                 "search: the request is not valid JSON: string or '}' expected near end of file "
                 "(byte 1)");
  expect_refusal(world, "search", "[]", "search: the request should be a JSON object");
  expect_refusal(world, "search", "{\"q\": 1}", "search: unknown key 'q'; there are 'query', 'page'");
  expect_refusal(world, "search", "{\"query\": 1}", "search: 'query' should be a string");
  expect_refusal(world, "search", "{\"query\": \"a\", \"page\": 0}", "search: 'page' should be a number from 1 on");
  expect_refusal(world, "score", "{\"asin\": \"B0TSTTEA02\"}",
                 "score: 'goal' should be a goal's number or \"webshop_N\"");
  expect_refusal(world, "score", "{\"goal\": 0}", "score: 'asin' should be a string");
  expect_refusal(world, "score", "{\"goal\": 0, \"asin\": \"B0\"}", "score: no product 'B0' in this catalogue");
  expect_refusal(world, "score", "{\"goal\": 0, \"asin\": \"B0TSTTEA02\", \"options\": 3}",
                 "score: 'options' should be a list of values or an object of names and values");
  expect_refusal(world, "score", "{\"goal\": 0, \"asin\": \"B0TSTTEA02\", \"options\": [3]}",
                 "score: option number 1 should be a string");
  g_autofree char *message =
      g_strdup_printf("goal: goal 5000 does not exist; there are %u goals (from 0 on)", world->goals->n_items);
  expect_refusal(world, "goal", "5000", message);
  shop_environment_close(world);
}

/* Something else replaces the allocator, or counting was left out: sanitizers, valgrind. */
static gboolean cannot_count(void)
{
#if defined(__SANITIZE_ADDRESS__)
  return TRUE;
#else
  guint64 start = n_allocations;
  g_free(g_malloc(10));
  return n_allocations == start;
#endif
}

/* An episode of clicks, searches, a purchase and what comes after it. */
static void play_episode(gpointer session, CwRandom *random, gint64 goal)
{
  static const char *const actions[] = {
      "search[canvas shoes]",   "click[b0tstshoe1]", "click[9 wide]", "click[charcoal]", "click[description]",
      "click[< prev]",          "click[features]",   "click[< prev]", "click[8]",        "click[nothing]",
      "click[< prev]",          "click[next >]",     "click[< prev]", "search[tea]",     "click[back to search]",
      "search[Shoes \"wide\"]", "click[b0tstshoe1]", "click[buy now]"};
  assert_true(shop_environment_reset(session, "all", goal, random, NULL));
  for (guint i = 0; i < G_N_ELEMENTS(actions); i++) {
    CwObservation observation = {.struct_size = sizeof observation};
    CwOutcome outcome = {.struct_size = sizeof outcome};
    assert_true(shop_environment_observe(session, &observation, NULL));
    assert_true(shop_environment_step_text(session, actions[i], &outcome, NULL));
    assert_int_equal(outcome.terminated, i + 1 == G_N_ELEMENTS(actions));
    assert_true(shop_environment_observe(session, &observation, NULL));
  }
}

static void test_steps_searches_purchases_and_resets_allocate_nothing(void **state)
{
  (void)state;
  if (cannot_count())
    skip();
  ShopSettings settings = fixture_settings();
  settings.observation = SHOP_OBSERVATION_TEXT_RICH;
  for (guint mode = 0; mode < 2; mode++) {
    settings.candidates = mode == 0 ? SHOP_CANDIDATES_HONEST : SHOP_CANDIDATES_UPSTREAM;
    ShopWorld *world = load(&settings);
    gpointer session = shop_environment_session_new(world, NULL);
    CwRandom *random = cw_random_new(1, "test", 0, 0);
    gint64 n_goals = MIN(shop_environment_n_goals(world, "all"), 40);
    for (gint64 goal = 0; goal < n_goals; goal++)
      play_episode(session, random, goal);
    guint64 before = n_allocations;
    for (gint64 goal = 0; goal < n_goals; goal++)
      play_episode(session, random, goal);
    assert_int_equal(n_allocations - before, 0);
    shop_environment_session_free(session);
    shop_environment_close(world);
    cw_random_free(random);
  }
}

static void test_a_further_session_holds_less_than_16_kib(void **state)
{
  (void)state;
  if (cannot_count())
    skip();
  ShopSettings settings = fixture_settings();
  settings.observation = SHOP_OBSERVATION_TEXT_RICH;
  ShopWorld *world = load(&settings);
  CwRandom *random = cw_random_new(1, "test", 0, 0);
  gpointer first = shop_environment_session_new(world, NULL);
  for (gint64 goal = 0; goal < 40; goal++) /* grows what the world holds for all sessions */
    play_episode(first, random, goal);
  gint64 before = live_bytes;
  gpointer session = shop_environment_session_new(world, NULL);
  for (gint64 goal = 0; goal < 40; goal++)
    play_episode(session, random, goal);
  assert_in_range(live_bytes - before, 1, 16 * 1024);
  shop_environment_session_free(session);
  assert_int_equal(live_bytes - before, 0);
  shop_environment_session_free(first);
  shop_environment_close(world);
  cw_random_free(random);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_facts_name_everything_a_result_depends_on),
      cmocka_unit_test(test_wrong_resets_and_steps_are_refused),
      cmocka_unit_test(test_the_rule_agent_buys_the_first_result),
      cmocka_unit_test(test_buying_the_goal_is_a_success),
      cmocka_unit_test(test_equal_streams_give_equal_episodes),
      cmocka_unit_test(test_upstream_queries_know_the_goal),
      cmocka_unit_test(test_upstream_cuts_at_random_and_anew_each_time),
      cmocka_unit_test(test_upstream_titles_open_their_last_product),
      cmocka_unit_test(test_max_candidates_cuts_in_page_order),
      cmocka_unit_test(test_actions_are_found_among_the_candidates),
      cmocka_unit_test(test_a_recorded_session_is_read),
      cmocka_unit_test(test_imitation_data_is_read_by_its_instruction),
      cmocka_unit_test(test_malformed_records_are_refused),
      cmocka_unit_test(test_requests_are_answered),
      cmocka_unit_test(test_wrong_requests_are_refused),
      cmocka_unit_test(test_steps_searches_purchases_and_resets_allocate_nothing),
      cmocka_unit_test(test_a_further_session_holds_less_than_16_kib),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
