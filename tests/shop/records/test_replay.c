/* The simulator against what the original site wrote: 600 recorded sessions of the 1,000-product shop, the
 * site's own logs of visits, and the 12,087 crowd goals in their published order. Skipped where $WEBSHOP_1K,
 * or the folder of the logs, is absent. */
#include "envs/shop/catalogue/loader.h"
#include "envs/shop/environment.h"
#include "envs/shop/goals/python_random.h"
#include "tests/shop/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static char *data_file(const char *name)
{
  const char *folder = g_getenv("WEBSHOP_1K");
  char *path = g_build_filename(folder ? folder : TEST_SOURCE_DIRECTORY "/../shared/webshop-1k", name, NULL);
  if (g_file_test(path, G_FILE_TEST_IS_REGULAR))
    return path;
  print_message("# there is no %s: set WEBSHOP_1K to the folder of the 1,000-product shop\n", path);
  g_free(path);
  return NULL;
}

static ShopWorld *world;
static char *sessions_path;

/* The shop with goals of a kind; NULL when a file is absent. */
static ShopWorld *load(ShopGoalKind goals)
{
  g_autofree char *items = data_file("items_shuffle_1000.json"),
                  *attributes = data_file("items_ins_v2_1000.json"),
                  *human = goals == SHOP_GOALS_HUMAN ? data_file("items_human_ins.json") : NULL;
  if (!items || !attributes || (goals == SHOP_GOALS_HUMAN && !human))
    return NULL;
  GError *error = NULL;
  ShopCatalogue *catalogue = shop_load_catalogue(items, attributes, human, 0, TRUE, &error);
  ShopSettings settings = fixture_settings();
  settings.goals = goals;
  settings.step_limit = 0;
  ShopWorld *loaded =
      catalogue ? shop_world_new(catalogue, "webshop", "items_shuffle_1000.json", &settings, &error) : NULL;
  if (!loaded)
    fail_msg("%s", error->message);
  return loaded;
}

static int open_world(G_GNUC_UNUSED void **state)
{
  sessions_path = data_file("expert_trajectories.jsonl");
  world = sessions_path ? load(SHOP_GOALS_SYNTHETIC) : NULL;
  return 0;
}

static int close_world(G_GNUC_UNUSED void **state)
{
  shop_environment_close(world);
  g_free(sessions_path);
  return 0;
}

static void need_world(void)
{
  if (!world)
    skip();
}

static void test_there_are_6910_synthetic_goals(G_GNUC_UNUSED void **state)
{
  need_world();
  assert_int_equal(world->catalogue->n_products, 1000);
  assert_int_equal(world->goals->n_items, 6910);
}

static void test_splits_of_the_real_goals_share_no_product(G_GNUC_UNUSED void **state)
{
  need_world();
  gint owner[1000];
  memset(owner, -1, sizeof owner);
  for (gint s = 0; s < SHOP_SPLIT_ALL; s++) {
    assert_true(world->splits->n_goals[s] >= 100);
    for (guint i = 0; i < world->splits->n_goals[s]; i++) {
      guint32 product = world->goals->items[shop_splits_goal(world->splits, (ShopSplit)s, i)].product;
      assert_true(owner[product] < 0 || owner[product] == s);
      owner[product] = s;
    }
  }
}

typedef struct {
  guint n_turns, n_identical, n_sessions, n_actions, n_candidates, n_ended, n_clauses;
} Counts;

/* Re-steps one session, its actions in turn as candidates and as texts. */
static void replay(gpointer session, const CwRecord *record, CwRandom *random, Counts *counts)
{
  GError *error = NULL;
  assert_true(shop_environment_reset(session, record->split, record->goal, random, &error));
  CwObservation observation = {.struct_size = sizeof observation};
  assert_true(shop_environment_observe(session, &observation, &error));
  counts->n_clauses += strcmp(observation.text, record->observations[0]) == 0;
  assert_true(shop_environment_reset_record(session, record, random, &error));
  CwOutcome outcome = {.struct_size = sizeof outcome};
  for (guint i = 0; i < record->n_observations; i++) {
    assert_true(shop_environment_observe(session, &observation, &error));
    counts->n_turns++;
    if (strcmp(observation.text, record->observations[i]) == 0)
      counts->n_identical++;
    else
      print_message("# %s, page %u differs:\n# ours %s\n# site %s\n", record->id, i, observation.text,
                    record->observations[i]);
    if (i >= record->n_actions)
      continue;
    counts->n_actions++;
    gint candidate = shop_environment_candidate_of(session, record->actions[i], TRUE, &error);
    counts->n_candidates += candidate >= 0;
    if (candidate >= 0 && i % 2 == 0)
      assert_true(shop_environment_step(session, (guint)candidate, &outcome, &error));
    else
      assert_true(shop_environment_step_text(session, record->actions[i], &outcome, &error));
  }
  counts->n_sessions++;
  counts->n_ended += outcome.terminated;
}

static void test_recorded_sessions_are_reproduced_byte_for_byte(G_GNUC_UNUSED void **state)
{
  need_world();
  g_autofree char *text = NULL;
  assert_true(g_file_get_contents(sessions_path, &text, NULL, NULL));
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  GError *error = NULL;
  gpointer session = shop_environment_session_new(world, &error);
  CwRandom *random = cw_random_new(1, "replay", 0, 0);
  Counts counts = {0};
  for (guint i = 0; lines[i]; i++) {
    g_autofree char *where = g_strdup_printf("%s:%u", sessions_path, i + 1);
    CwRecord *record = shop_environment_read_record(world, lines[i], where, &error);
    if (!record && !error)
      continue;
    if (!record)
      fail_msg("%s", error->message);
    replay(session, record, random, &counts);
    shop_environment_free_record(world, record);
  }
  print_message(
      "# %u of %u pages identical in %u sessions; %u price clauses equal without the recording's bound\n",
      counts.n_identical, counts.n_turns, counts.n_sessions, counts.n_clauses);
  assert_int_equal(counts.n_sessions, 600);
  assert_int_equal(counts.n_identical, counts.n_turns);
  assert_int_equal(counts.n_candidates, counts.n_actions);
  assert_int_equal(counts.n_ended, counts.n_sessions);
  shop_environment_session_free(session);
  cw_random_free(random);
}

/* Re-steps a visit as it was logged; the number of its page views. */
static guint replay_log(ShopWorld *shop, gpointer session, const char *path, guint *n_identical)
{
  GError *error = NULL;
  g_autofree char *text = NULL, *where = g_strconcat(path, ":1", NULL);
  assert_true(g_file_get_contents(path, &text, NULL, NULL));
  CwRecord *record = shop_environment_read_record(shop, g_strchomp(text), where, &error);
  if (!record)
    fail_msg("%s", error->message);
  CwRandom *random = cw_random_new(1, "replay", 0, 0);
  guint n_views = 0;
  record->as_recorded = TRUE;
  assert_true(shop_environment_reset_record(session, record, random, &error));
  for (guint i = 0; i < record->n_observations; i++) {
    CwObservation observation = {.struct_size = sizeof observation};
    CwOutcome outcome = {.struct_size = sizeof outcome};
    assert_true(shop_environment_observe(session, &observation, &error));
    const char *expected = record->observations[i];
    n_views += expected != NULL;
    if (expected && strcmp(observation.text, expected) == 0)
      ++*n_identical;
    else if (expected)
      print_message("# %s, page %u differs:\n# ours %s\n# site %s\n", path, i, observation.text, expected);
    if (i < record->n_actions)
      assert_true(shop_environment_step_text(session, record->actions[i], &outcome, &error));
  }
  cw_random_free(random);
  shop_environment_free_record(shop, record);
  return n_views;
}

/* All logs of a folder. One visitor typed addresses that no action leads to: an option that is not there, and
 * two pages of a product that the results before do not show: three views. */
static void replay_logs(ShopWorld *shop, const char *kind, guint n_logs, guint n_pages)
{
  g_autofree char *folder =
      g_build_filename(TEST_SOURCE_DIRECTORY "/../shared/recordings/site-logs", kind, NULL);
  GDir *names = g_dir_open(folder, 0, NULL);
  if (!names) {
    print_message("# there is no %s, which holds logs of the original site\n", folder);
    skip();
  }
  GError *error = NULL;
  gpointer session = shop_environment_session_new(shop, &error);
  guint n_read = 0, n_views = 0, n_identical = 0, n_complete = 0;
  for (const char *name; (name = g_dir_read_name(names)); n_read++) {
    g_autofree char *path = g_build_filename(folder, name, NULL);
    guint n_before = n_identical, n_of_log = replay_log(shop, session, path, &n_identical);
    n_views += n_of_log;
    n_complete += n_identical - n_before == n_of_log;
  }
  print_message("# %u of %u page views identical in %u logs, all of %u logs\n", n_identical, n_views, n_read,
                n_complete);
  assert_int_equal(n_read, n_logs);
  assert_int_equal(n_views, n_pages);
  assert_int_equal(n_complete, n_logs - 1);
  assert_int_equal(n_identical, n_pages - 3);
  shop_environment_session_free(session);
  g_dir_close(names);
}

static void test_logs_of_synthetic_goals_are_reproduced(G_GNUC_UNUSED void **state)
{
  need_world();
  replay_logs(world, "synthetic", 19, 212);
}

static void test_logs_of_crowd_goals_are_reproduced(G_GNUC_UNUSED void **state)
{
  ShopWorld *shop = world ? load(SHOP_GOALS_HUMAN) : NULL;
  if (!shop)
    skip();
  replay_logs(shop, "human", 17, 212);
  shop_environment_close(shop);
}

static json_t *load_json(const char *name)
{
  g_autofree char *path = data_file(name);
  json_t *value = path ? json_load_file(path, 0, NULL) : NULL;
  return value;
}

/* How the published list writes a goal. Free with g_free. */
static char *published_form(const char *instruction)
{
  GString *form = g_string_new(NULL);
  shop_goal_append_published(form, instruction);
  return g_string_free(form, FALSE);
}

static int compare_strings(gconstpointer a, gconstpointer b)
{
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static gboolean same_texts(const GPtrArray *goals, char *const *published, guint32 n_left)
{
  if (goals->len > n_left)
    return FALSE;
  g_autofree const char **copy = g_memdup2(published, goals->len * sizeof(char *));
  qsort(copy, goals->len, sizeof *copy, compare_strings);
  for (guint i = 0; i < goals->len; i++)
    if (strcmp(goals->pdata[i], copy[i]) != 0)
      return FALSE;
  return TRUE;
}

/* A catalogue with an empty product for every ASIN that has crowd instructions. */
static ShopCatalogue *crowd_catalogue(json_t *humans)
{
  ShopCatalogueBuilder *builder = shop_catalogue_builder_new();
  const char *asin;
  json_t *records;
  GError *error = NULL;
  json_object_foreach(humans, asin, records)
  {
    json_t *product = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "asin", asin, "name", "",
                                "category", "", "query", "", "product_category", "", "full_description", "",
                                "small_description", "", "customization_options", "");
    assert_true(shop_catalogue_builder_add(builder, product, "test", &error));
    json_decref(product);
    if (!shop_catalogue_builder_add_humans(builder, asin, records, "items_human_ins.json", &error))
      fail_msg("%s", error->message);
  }
  return shop_catalogue_builder_finish(builder, &error);
}

/* Undoing the shuffle of the published list must bring the goals of each product together, product after
 * product. Within a product the order is not checked: the file at hand does not keep it. */
static void test_crowd_goals_stand_where_they_were_published(G_GNUC_UNUSED void **state)
{
  json_t *humans = load_json("items_human_ins.json"), *published = load_json("human_goals.json");
  if (!humans || !published)
    skip();
  ShopCatalogue *catalogue = crowd_catalogue(humans);
  GError *error = NULL;
  ShopGoals *goals = shop_goals_new(catalogue, SHOP_GOALS_HUMAN, SHOP_PRICES_DRAWN, 233, &error);
  guint32 n = goals->n_items;
  assert_int_equal(n, 12087);
  assert_int_equal(goals->n_skipped, 164);
  assert_int_equal(json_array_size(published), n);

  g_autofree guint32 *order = g_new(guint32, n);
  for (guint32 i = 0; i < n; i++)
    order[i] = i;
  g_autoptr(GRand) random = shop_python_random_new(233);
  shop_python_random_shuffle(random, order, n, sizeof *order);
  g_autofree char **unshuffled = g_new0(char *, n);
  for (guint32 i = 0; i < n; i++)
    unshuffled[order[i]] = (char *)json_string_value(json_array_get(published, i));

  /* Per product its texts, sorted; per text the products that have it. */
  GPtrArray *texts_of = g_ptr_array_new();
  g_autoptr(GHashTable) products_of = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint32 p = 0; p < catalogue->n_products; p++)
    g_ptr_array_add(texts_of, g_ptr_array_new_with_free_func(g_free));
  ShopGoalView *view = shop_goal_view_new();
  for (guint32 i = 0; i < n; i++) {
    shop_goal_view_set(view, catalogue, goals, i);
    char *text = published_form(view->instruction->str);
    g_ptr_array_add(texts_of->pdata[view->product], text);
    GArray *products = g_hash_table_lookup(products_of, text);
    if (!products) {
      products = g_array_new(FALSE, FALSE, sizeof(guint32));
      g_hash_table_insert(products_of, text, products);
    }
    g_array_append_val(products, view->product);
  }
  for (guint32 p = 0; p < catalogue->n_products; p++)
    g_ptr_array_sort(texts_of->pdata[p], compare_strings);

  g_autofree gboolean *used = g_new0(gboolean, catalogue->n_products);
  guint32 position = 0, n_products = 0;
  while (position < n) {
    const GArray *products = g_hash_table_lookup(products_of, unshuffled[position]);
    if (!products)
      fail_msg("no goal reads \"%s\" (place %u before the shuffle)", unshuffled[position], position);
    gint64 best = -1;
    for (guint i = 0; i < products->len; i++) {
      guint32 p = g_array_index(products, guint32, i);
      const GPtrArray *texts = texts_of->pdata[p];
      if (!used[p] && same_texts(texts, unshuffled + position, n - position) &&
          (best < 0 || texts->len > ((GPtrArray *)texts_of->pdata[best])->len))
        best = p;
    }
    if (best < 0)
      fail_msg("no product's goals follow from \"%s\" on (place %u before the shuffle)", unshuffled[position],
               position);
    used[best] = TRUE;
    position += ((GPtrArray *)texts_of->pdata[best])->len;
    n_products++;
  }
  print_message("# %u crowd goals of %u products stand in their published places\n", n, n_products);
  assert_int_equal(n_products, 10014);

  GHashTableIter iterator;
  gpointer products;
  g_hash_table_iter_init(&iterator, products_of);
  while (g_hash_table_iter_next(&iterator, NULL, &products))
    g_array_free(products, TRUE);
  for (guint32 p = 0; p < catalogue->n_products; p++)
    g_ptr_array_free(texts_of->pdata[p], TRUE);
  g_ptr_array_free(texts_of, TRUE);
  shop_goal_view_free(view);
  shop_goals_free(goals);
  shop_catalogue_free(catalogue);
  json_decref(humans);
  json_decref(published);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_there_are_6910_synthetic_goals),
      cmocka_unit_test(test_splits_of_the_real_goals_share_no_product),
      cmocka_unit_test(test_recorded_sessions_are_reproduced_byte_for_byte),
      cmocka_unit_test(test_logs_of_synthetic_goals_are_reproduced),
      cmocka_unit_test(test_logs_of_crowd_goals_are_reproduced),
      cmocka_unit_test(test_crowd_goals_stand_where_they_were_published),
  };
  return cmocka_run_group_tests(tests, open_world, close_world);
}
