/* The environment's slots over the tests' own shop folder: facts, resets, candidates, scripts; that equal
 * streams give equal episodes and that a session in the steady state allocates nothing. */
#include "envs/shop/environment.h"
#include "tests/shop/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <malloc.h>
#include <string.h>

/* Counting allocations and the bytes they hold: the C library's functions, counted on the way. Sanitizers
 * bring their own. */
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

static void test_facts_name_everything_a_result_depends_on(G_GNUC_UNUSED void **state)
{
  ShopWorld *world = fixture_load(NULL);
  g_autofree char *text = g_strjoinv("|", (char **)shop_environment_describe(world));
  g_autofree char *expected =
      g_strdup_printf("catalogue|items.json|products|12|catalogue_checksum|%016" G_GINT64_MODIFIER
                      "x|goals|synthetic|n_goals|%u|goal_list|1c7af9b5af4e9513|split_rule|by_product|goals_"
                      "per_product|5|train_goals|%u|"
                      "dev_goals|%u|test_goals|%"
                      "u|"
                      "observation|text|candidates|honest|max_candidates|0|mode|faithful|step_limit|100|"
                      "prices|drawn|price_seed|233|"
                      "similarity|difflib|nouns|built-in tagger",
                      world->catalogue->checksum, world->goals->n_items, world->splits->n_goals[0],
                      world->splits->n_goals[1], world->splits->n_goals[2]);
  assert_string_equal(text, expected);
  assert_int_equal(shop_environment_n_goals(world, "all"), world->goals->n_items);
  assert_int_equal(shop_environment_n_goals(world, "validation"), -1);
  shop_environment_close(world);
}

/* What else can be wrong the host's handle refuses (tests/plugin/test_handle_environment.c). */
static void test_a_candidate_that_is_not_there_is_refused(G_GNUC_UNUSED void **state)
{
  ShopWorld *world = fixture_load(NULL);
  GError *error = NULL;
  gpointer session = shop_environment_session_new(world, &error);
  CwRandom *random = cw_random_new(1, "test", 0, 0);
  CwObservation observation = {.struct_size = sizeof observation};
  CwOutcome outcome = {.struct_size = sizeof outcome};
  assert_true(shop_environment_reset(session, "all", 3, random, &error));
  assert_string_equal(shop_environment_goal_id(session), "webshop_3");
  assert_true(shop_environment_observe(session, &observation, &error));
  guint n = observation.n_candidates;
  assert_false(shop_environment_step(session, n, &outcome, &error));
  g_autofree char *too_far = g_strdup_printf("candidate %u was taken, but the page has %u", n, n);
  fixture_expect_error(error, too_far);
  shop_environment_session_free(session);
  shop_environment_close(world);
  cw_random_free(random);
}

static void test_the_rule_agent_buys_the_first_result(G_GNUC_UNUSED void **state)
{
  ShopWorld *world = fixture_load(NULL);
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

static void test_buying_the_goal_is_a_success(G_GNUC_UNUSED void **state)
{
  ShopWorld *world = fixture_load(NULL);
  GError *error = NULL;
  gpointer session = shop_environment_session_new(world, &error);
  CwRandom *random = cw_random_new(1, "test", 0, 0);
  gint64 goal =
      fixture_goal_of(world, "B0TSTTEA01", "flavor: decaf earl grey, and size: 3.5 ounce (pack of 3)");
  assert_true(shop_environment_reset(session, "all", goal, random, &error));
  static const char *const actions[] = {"search[sugar free black tea]", "click[b0tsttea01]",
                                        "click[decaf earl grey]", "click[3.5 ounce (pack of 3)]",
                                        "click[buy now]"};
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
  ShopWorld *world = fixture_load(settings);
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
      assert_true(shop_environment_step(session, cw_random_below(choice, observation.n_candidates), &outcome,
                                        &error));
    }
    g_string_append_printf(text, "reward %g\n", outcome.reward);
  }
  shop_environment_session_free(session);
  shop_environment_close(world);
  cw_random_free(random);
  cw_random_free(choice);
  return g_string_free(text, FALSE);
}

static void test_equal_streams_give_equal_episodes(G_GNUC_UNUSED void **state)
{
  ShopSettings settings = fixture_settings();
  settings.step_limit = 30;
  for (gint candidates = 0; candidates < 2; candidates++) {
    settings.candidates = candidates;
    g_autofree char *a = transcript(&settings, 0), *b = transcript(&settings, 0),
                    *c = transcript(&settings, 1);
    assert_string_equal(a, b);
    assert_string_not_equal(a, c);
  }
}

/* Candidates. */

static ShopSession *session_on(const ShopWorld *world, const char *asin, const char *clause, CwRandom *random)
{
  ShopSession *session = shop_session_new(world);
  shop_session_reset(session, (guint32)fixture_goal_of(world, asin, clause), random);
  return session;
}

static void test_upstream_queries_know_the_goal(G_GNUC_UNUSED void **state)
{
  ShopSettings settings = fixture_settings();
  settings.candidates = SHOP_CANDIDATES_UPSTREAM;
  ShopWorld *world = fixture_load(&settings);
  CwRandom *random = cw_random_new(1, "test", 0, 0);
  ShopSession *session = session_on(world, "B0TSTOIL01", "2 fl oz", random);
  shop_session_set_price_upper(session, 120);
  g_autofree char *texts = fixture_candidates(session);
  assert_string_equal(
      texts, "search[hair oils]\nsearch[cruelty free hair oils]\nsearch[natural ingredients hair "
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
      "{'asin': 'B000000001', 'name': 'Paint', 'full_description': '', 'small_description': 'one', "
      "'category': 'c', "
      "'query': 'q', 'product_category': 'p', 'customization_options': {'Color': [{'value': '0'}");
  for (guint i = 1; i < 40; i++)
    g_string_append_printf(product, ", {'value': '%u'}", i);
  g_string_append(product, "]}}");
  fixture_add(builder, product->str);
  /* The same title twice, apart from case. */
  for (guint i = 2; i < 4; i++) {
    g_autofree char *brush =
        g_strdup_printf("{'asin': 'B00000000%u', 'name': '%s', 'full_description': 'paint', "
                        "'small_description': 'one', 'category': 'c', 'query': 'q', "
                        "'product_category': 'p', 'customization_options': ''}",
                        i, i == 2 ? "Brush" : "BRUSH");
    fixture_add(builder, brush);
  }
  for (guint i = 1; i < 4; i++) {
    g_autofree char *asin = g_strdup_printf("B00000000%u", i);
    fixture_add_attributes(
        builder, asin, "{'attributes': [], 'instruction': 'Find paint', 'instruction_attributes': ['a']}");
  }
  GError *error = NULL;
  ShopWorld *world =
      shop_world_new(shop_catalogue_builder_finish(builder, &error), "webshop", "x", settings, &error);
  assert_non_null(world);
  return world;
}

static void test_upstream_cuts_at_random_and_anew_each_time(G_GNUC_UNUSED void **state)
{
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
  assert_true(g_str_has_prefix(first,
                               "click[back to search]\nclick[< prev]\nclick[description]\nclick[features]\n"
                               "click[reviews]\nclick[buy now]\n"));
  fixture_step(session, "click[nothing]");
  g_autofree char *second = fixture_candidates(session);
  assert_string_not_equal(first, second);
  shop_session_free(session);
  shop_world_free(world);
  cw_random_free(random);
}

static void test_upstream_titles_open_their_last_product(G_GNUC_UNUSED void **state)
{
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

static void test_max_candidates_cuts_in_page_order(G_GNUC_UNUSED void **state)
{
  ShopSettings settings = fixture_settings();
  settings.max_candidates = 8;
  ShopWorld *world = world_of_many_options(&settings);
  CwRandom *random = cw_random_new(1, "test", 0, 0);
  ShopSession *session = fixture_session(world, random);
  fixture_step(session, "search[paint]");
  fixture_step(session, "click[b000000001]");
  g_autofree char *texts = fixture_candidates(session);
  assert_string_equal(
      texts, "click[back to search]\nclick[< prev]\nclick[description]\nclick[features]\nclick[reviews]\n"
             "click[buy now]\nclick[0]\nclick[1]");
  shop_session_free(session);
  shop_world_free(world);
  cw_random_free(random);
}

static void test_items_show_attributes_where_they_are_asked_for(G_GNUC_UNUSED void **state)
{
  for (gint shows = FALSE; shows <= TRUE; shows++) {
    ShopSettings settings = fixture_settings();
    settings.show_attributes = shows;
    ShopWorld *world = fixture_oil_shop(&settings);
    CwRandom *random = cw_random_new(1, "test", 0, 0);
    ShopSession *session = fixture_session(world, random);
    fixture_step(session, "search[oil]");
    fixture_step(session, "click[b000000001]");
    const char *page = strstr(fixture_text(session), "Reviews [SEP] Attributes [SEP] Buy Now");
    g_autofree char *candidates = fixture_candidates(session);
    assert_int_equal(page != NULL, shows);
    assert_int_equal(strstr(candidates, "click[reviews]\nclick[attributes]\nclick[buy now]\n") != NULL,
                     shows);
    fixture_step(session, "click[attributes]");
    assert_int_equal(shop_session_page(session), shows ? SHOP_PAGE_SUB : SHOP_PAGE_ITEM);
    shop_session_free(session);
    shop_world_free(world);
    cw_random_free(random);
  }
}

static void test_actions_are_found_among_the_candidates(G_GNUC_UNUSED void **state)
{
  ShopWorld *world = fixture_load(NULL);
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
  assert_int_equal(
      shop_session_candidate_of(session, "click[item - morrow peppermint herbal tea bags]", FALSE), 2);
  assert_int_equal(shop_session_candidate_of(session, "click[Next >]", FALSE), 1);
  shop_session_candidates(session, &before);
  assert_int_equal(shop_session_candidate_of(session, "search[tea]", TRUE), before);
  shop_session_free(session);
  shop_world_free(world);
  cw_random_free(random);
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
      "search[canvas shoes]",   "click[b0tstshoe1]",  "click[9 wide]",
      "click[charcoal]",        "click[description]", "click[< prev]",
      "click[features]",        "click[< prev]",      "click[8]",
      "click[nothing]",         "click[< prev]",      "click[next >]",
      "click[< prev]",          "search[tea]",        "click[back to search]",
      "search[Shoes \"wide\"]", "click[b0tstshoe1]",  "click[buy now]"};
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

static void test_steps_searches_purchases_and_resets_allocate_nothing(G_GNUC_UNUSED void **state)
{
  if (cannot_count())
    skip();
  ShopSettings settings = fixture_settings();
  settings.observation = SHOP_OBSERVATION_TEXT_RICH;
  for (guint mode = 0; mode < 2; mode++) {
    settings.candidates = mode == 0 ? SHOP_CANDIDATES_HONEST : SHOP_CANDIDATES_UPSTREAM;
    ShopWorld *world = fixture_load(&settings);
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

static void test_a_further_session_holds_less_than_16_kib(G_GNUC_UNUSED void **state)
{
  if (cannot_count())
    skip();
  ShopSettings settings = fixture_settings();
  settings.observation = SHOP_OBSERVATION_TEXT_RICH;
  ShopWorld *world = fixture_load(&settings);
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
      cmocka_unit_test(test_a_candidate_that_is_not_there_is_refused),
      cmocka_unit_test(test_the_rule_agent_buys_the_first_result),
      cmocka_unit_test(test_buying_the_goal_is_a_success),
      cmocka_unit_test(test_equal_streams_give_equal_episodes),
      cmocka_unit_test(test_upstream_queries_know_the_goal),
      cmocka_unit_test(test_upstream_cuts_at_random_and_anew_each_time),
      cmocka_unit_test(test_upstream_titles_open_their_last_product),
      cmocka_unit_test(test_max_candidates_cuts_in_page_order),
      cmocka_unit_test(test_items_show_attributes_where_they_are_asked_for),
      cmocka_unit_test(test_actions_are_found_among_the_candidates),
      cmocka_unit_test(test_steps_searches_purchases_and_resets_allocate_nothing),
      cmocka_unit_test(test_a_further_session_holds_less_than_16_kib),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
