/* A world opened from a shop file is the world built from the JSON files: facts, goals, splits, prices,
 * pages, candidates, results, rewards; and what a shop file cannot give is an error. */
#include "envs/shop/catalogue/loader.h"
#include "envs/shop/environment.h"
#include "envs/shop/world/world_file.h"
#include "tests/shop/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cartwright/error.h>
#include <cmocka.h>
#include <glib/gstdio.h>
#include <string.h>

#define DATA TEST_SOURCE_DIRECTORY "/tests/shop/data/"

typedef struct {
  char *folder, *path;
} Scratch;

static int set_up(void **state)
{
  Scratch *scratch = g_new0(Scratch, 1);
  scratch->folder = g_dir_make_tmp("cartwright-shop-XXXXXX", NULL);
  scratch->path = g_build_filename(scratch->folder, "test.cwshop", NULL);
  *state = scratch;
  return 0;
}

static int tear_down(void **state)
{
  Scratch *scratch = *state;
  g_unlink(scratch->path);
  g_rmdir(scratch->folder);
  g_free(scratch->folder);
  g_free(scratch->path);
  g_free(scratch);
  return 0;
}

static gboolean quiet(gpointer data, const char *doing, guint64 done, guint64 total, GError **error)
{
  (void)data, (void)doing, (void)done, (void)total, (void)error;
  return TRUE;
}

static const ShopSources small = {.items_file = DATA "items.json",
                                  .attributes_file = DATA "attributes.json",
                                  .human_file = DATA "human.json",
                                  .settings = {.price_seed = 233, .goals_per_product = 5}};

static void import(const ShopSources *sources, const char *path)
{
  GError *error = NULL;
  if (!shop_world_import(sources, path, quiet, NULL, &error))
    fail_msg("%s", error->message);
}

static ShopWorld *build(const ShopSources *sources, const ShopSettings *settings)
{
  GError *error = NULL;
  gboolean human = settings->goals == SHOP_GOALS_HUMAN;
  g_autofree char *name = g_path_get_basename(sources->items_file);
  ShopCatalogue *catalogue = shop_load_catalogue(sources->items_file, sources->attributes_file,
                                                 human ? sources->human_file : NULL, 0, !human, &error);
  ShopSettings own = *settings;
  if (sources->nouns_file)
    own.nouns_file = (char *)sources->nouns_file;
  ShopWorld *world = catalogue ? shop_world_new(catalogue, "webshop", name, &own, &error) : NULL;
  if (!world)
    fail_msg("%s", error->message);
  return world;
}

static ShopWorld *open_file(const char *path, const ShopSettings *settings)
{
  GError *error = NULL;
  ShopWorld *world = shop_world_open(path, SHOP_FILE_VERIFY_ALWAYS, "webshop", settings, &error);
  if (!world)
    fail_msg("%s", error->message);
  return world;
}

static void assert_same_goals(const ShopWorld *a, const ShopWorld *b)
{
  ShopGoalView *x = shop_goal_view_new(), *y = shop_goal_view_new();
  for (guint32 i = 0; i < a->goals->n_items; i++) {
    shop_goal_view_set(x, a->catalogue, a->goals, i);
    shop_goal_view_set(y, b->catalogue, b->goals, i);
    assert_string_equal(x->instruction->str, y->instruction->str);
    assert_int_equal(x->product, y->product);
    assert_int_equal(x->attributes->len, y->attributes->len);
  }
  shop_goal_view_free(x);
  shop_goal_view_free(y);
  for (guint s = 0; s < SHOP_N_SPLITS; s++)
    for (guint32 i = 0; i < a->splits->n_goals[s]; i++)
      assert_int_equal(shop_splits_goal(a->splits, (ShopSplit)s, i),
                       shop_splits_goal(b->splits, (ShopSplit)s, i));
  for (guint32 p = 0; p < a->catalogue->n_products; p++) {
    assert_true(a->goals->prices[p] == b->goals->prices[p]);
    if (a->title_owner)
      assert_int_equal(a->title_owner[p], b->title_owner[p]);
  }
}

/* An episode of random candidates in both at once; every page, candidate and outcome must agree. */
static void assert_same_episode(ShopSession *a, ShopSession *b, guint32 goal, CwRandom *draws)
{
  CwRandom *first = cw_random_new(1, "test", goal, 0), *second = cw_random_new(1, "test", goal, 0);
  CwOutcome x = {.struct_size = sizeof x}, y = {.struct_size = sizeof y};
  shop_session_reset(a, goal, first);
  shop_session_reset(b, goal, second);
  for (guint step = 0; step < 25 && !x.terminated && !x.truncated; step++) {
    guint n, n_same;
    const ShopCandidate *candidates = shop_session_candidates(a, &n),
                        *same = shop_session_candidates(b, &n_same);
    assert_int_equal(n, n_same);
    for (guint i = 0; i < n; i++)
      assert_string_equal(candidates[i].text, same[i].text);
    assert_string_equal(shop_session_observation(a, NULL), shop_session_observation(b, NULL));
    guint chosen = cw_random_below(draws, n);
    shop_session_step(a, chosen, &x);
    shop_session_step(b, chosen, &y);
    assert_true(x.reward == y.reward && x.terminated == y.terminated && x.n_parts == y.n_parts);
    for (guint i = 0; i < x.n_parts; i++)
      assert_true(x.parts[i].value == y.parts[i].value);
  }
  cw_random_free(first);
  cw_random_free(second);
}

static void assert_same_world(const ShopSources *sources, const char *path, const ShopSettings *settings,
                              guint n_episodes)
{
  ShopWorld *built = build(sources, settings), *opened = open_file(path, settings);
  g_autofree char *facts = g_strjoinv("|", built->facts), *same = g_strjoinv("|", opened->facts);
  assert_string_equal(facts, same);
  assert_same_goals(built, opened);
  ShopSession *a = shop_session_new(built), *b = shop_session_new(opened);
  CwRandom *draws = cw_random_new(7, "test", 0, 0);
  for (guint i = 0; i < n_episodes; i++)
    assert_same_episode(a, b, cw_random_below(draws, built->goals->n_items), draws);
  for (guint32 i = 0; i < MIN(n_episodes * 4, built->catalogue->n_products); i++) {
    guint32 found[50], again[50];
    const char *query = shop_string(built->catalogue, built->catalogue->products[i].title);
    guint n = shop_index_search(built->index, query, 50, found);
    assert_int_equal(n, shop_index_search(opened->index, query, 50, again));
    assert_memory_equal(found, again, n * sizeof *found);
    assert_int_equal(shop_catalogue_find(opened->catalogue,
                                         shop_string(opened->catalogue, opened->catalogue->products[i].asin)),
                     i);
  }
  cw_random_free(draws);
  shop_session_free(a);
  shop_session_free(b);
  shop_world_free(built);
  shop_world_free(opened);
}

static void test_the_world_is_the_same_from_a_file(void **state)
{
  const Scratch *scratch = *state;
  import(&small, scratch->path);
  for (guint human = 0; human < 2; human++)
    for (guint upstream = 0; upstream < 2; upstream++) {
      ShopSettings settings = fixture_settings();
      settings.goals = human ? SHOP_GOALS_HUMAN : SHOP_GOALS_SYNTHETIC;
      settings.candidates = upstream ? SHOP_CANDIDATES_UPSTREAM : SHOP_CANDIDATES_HONEST;
      settings.split_rule = upstream ? SHOP_SPLIT_UPSTREAM : SHOP_SPLIT_BY_PRODUCT;
      assert_same_world(&small, scratch->path, &settings, 20);
    }
}

static void test_given_nouns_are_stored(void **state)
{
  const Scratch *scratch = *state;
  g_autofree char *nouns = g_build_filename(scratch->folder, "nouns.json", NULL);
  assert_true(g_file_set_contents(
      nouns, "{\"B0TSTSHOE1\": [\"lamp\"], \"B0TSTLAMP1\": [\"lamp\", \"canvas\"]}", -1, NULL));
  ShopSources sources = small;
  sources.nouns_file = nouns;
  import(&sources, scratch->path);
  ShopSettings settings = fixture_settings();
  assert_same_world(&sources, scratch->path, &settings, 20);
  ShopWorld *world = open_file(scratch->path, &settings);
  assert_int_equal(shop_reward_nouns(world->rewards, 0)->count, 1);
  assert_true(g_strv_contains((const char *const *)world->facts, "file"));
  shop_world_free(world);
  g_unlink(nouns);
}

static void test_other_prices_and_splits_than_the_stored_are_made(void **state)
{
  const Scratch *scratch = *state;
  import(&small, scratch->path);
  for (guint human = 0; human < 2; human++) {
    ShopSettings settings = fixture_settings();
    settings.goals = human ? SHOP_GOALS_HUMAN : SHOP_GOALS_SYNTHETIC;
    settings.price_seed = 234;
    assert_same_world(&small, scratch->path, &settings, 5);
    settings.prices = SHOP_PRICES_MIDDLE;
    settings.goals_per_product = 2;
    assert_same_world(&small, scratch->path, &settings, 5);
  }
}

static void test_the_thousand_products_are_the_same_from_a_file(void **state)
{
  const Scratch *scratch = *state;
  const char *folder = g_getenv("WEBSHOP_1K");
  if (!folder)
    folder = TEST_SOURCE_DIRECTORY "/../shared/webshop-1k";
  if (!g_file_test(folder, G_FILE_TEST_IS_DIR)) {
    print_message("# skipped: %s is not there\n", folder);
    skip();
  }
  g_autofree char *items = g_build_filename(folder, "items_shuffle_1000.json", NULL);
  g_autofree char *attributes = g_build_filename(folder, "items_ins_v2_1000.json", NULL);
  g_autofree char *human = g_build_filename(folder, "items_human_ins.json", NULL);
  ShopSources sources = small;
  sources.items_file = items;
  sources.attributes_file = attributes;
  sources.human_file = human;
  import(&sources, scratch->path);
  ShopSettings settings = fixture_settings();
  settings.observation = SHOP_OBSERVATION_TEXT_RICH;
  assert_same_world(&sources, scratch->path, &settings, 100);
  settings.goals = SHOP_GOALS_HUMAN;
  assert_same_world(&sources, scratch->path, &settings, 20);
}

static void assert_not_opened(const char *path, const ShopSettings *settings, const char *message)
{
  GError *error = NULL;
  assert_null(shop_world_open(path, SHOP_FILE_VERIFY_ALWAYS, "webshop", settings, &error));
  assert_non_null(error);
  assert_true(g_str_has_prefix(error->message, path));
  assert_string_equal(error->message + strlen(path), message);
  g_error_free(error);
}

static void test_goals_that_the_sources_lack_are_refused(void **state)
{
  const Scratch *scratch = *state;
  ShopSettings settings = fixture_settings();
  ShopSources sources = small;
  sources.human_file = NULL;
  import(&sources, scratch->path);
  settings.goals = SHOP_GOALS_HUMAN;
  assert_not_opened(
      scratch->path, &settings,
      ": was made without crowd-written instructions, which goals: human needs; import again with "
      "'human_file', or set 'goals: synthetic'");
  g_unlink(scratch->path);

  /* Attributes of some products only: crowd goals alone. */
  g_autofree char *few = g_build_filename(scratch->folder, "few.json", NULL);
  assert_true(g_file_set_contents(few, "{\"B0TSTSHOE1\": {\"attributes\": [\"light\"]}}", -1, NULL));
  sources = small;
  sources.attributes_file = few;
  import(&sources, scratch->path);
  settings.goals = SHOP_GOALS_SYNTHETIC;
  assert_not_opened(
      scratch->path, &settings,
      ": no attributes for product B0TSTSHOE2 (11 of 12 products have none); synthetic goals need the "
      "attribute file that belongs to the catalogue: import again with it as 'attributes_file', or set "
      "'goals: human'");
  settings.goals = SHOP_GOALS_HUMAN;
  assert_same_world(&sources, scratch->path, &settings, 5);
  g_unlink(scratch->path);

  /* Neither. */
  GError *error = NULL;
  sources.human_file = NULL;
  assert_false(shop_world_import(&sources, scratch->path, quiet, NULL, &error));
  g_autofree char *message = g_strdup_printf(
      "%s: no entry for product B0TSTSHOE2 (11 of 12 products have none), and there are no crowd-written "
      "instructions: "
      "goals need the attribute file that belongs to the catalogue ('attributes_file'), or 'human_file'",
      few);
  assert_string_equal(error->message, message);
  g_error_free(error);
  g_unlink(few);
}

static void test_damage_anywhere_is_refused(void **state)
{
  const Scratch *scratch = *state;
  ShopSettings settings = fixture_settings();
  g_autofree char *bytes = NULL;
  gsize length;
  import(&small, scratch->path);
  assert_true(g_file_get_contents(scratch->path, &bytes, &length, NULL));
  for (gsize i = 0; i < length; i += 97) {
    bytes[i] ^= 1 << i % 8;
    assert_true(g_file_set_contents(scratch->path, bytes, (gssize)length, NULL));
    bytes[i] ^= 1 << i % 8;
    GError *error = NULL;
    ShopWorld *world = shop_world_open(scratch->path, SHOP_FILE_VERIFY_ALWAYS, "webshop", &settings, &error);
    if (world)
      fail_msg("damage at byte %" G_GSIZE_FORMAT " went without notice", i);
    assert_true(g_str_has_prefix(error->message, scratch->path));
    g_error_free(error);
  }
}

/* Array by array a file without it, as another version might write. */
static void test_a_missing_array_is_named(void **state)
{
  const Scratch *scratch = *state;
  static const char *const names[] = {
      "catalogue/products",   "catalogue/texts", "goals/synthetic/uppers", "goals/prices",
      "splits/synthetic/dev", "reward/nouns",    "shop/title_owners",      "shop/facts"};
  ShopSettings settings = fixture_settings();
  g_autofree char *bytes = NULL;
  gsize length;
  import(&small, scratch->path);
  assert_true(g_file_get_contents(scratch->path, &bytes, &length, NULL));
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    GError *error = NULL;
    ShopFileWriter *writer;
    ShopFile *file;
    g_autofree char *other = g_strconcat(scratch->path, ".other", NULL);
    assert_true(g_file_set_contents(scratch->path, bytes, (gssize)length, NULL));
    file = shop_file_open(scratch->path, SHOP_FILE_VERIFY_HEADER, &error);
    writer = shop_file_writer_new(other, &error);
    assert_true(file && writer);
    ShopArray array;
    for (guint32 a = 0; shop_file_get(file, a, &array); a++)
      if (strcmp(array.name, names[i]) != 0)
        assert_true(shop_file_writer_add(writer, &array, &error));
    assert_true(shop_file_writer_finish(writer, &error));
    shop_file_writer_free(writer);
    shop_file_close(file);
    g_autofree char *message =
        g_strdup_printf(": holds no array '%s'; make it again with 'cartwright import'", names[i]);
    assert_not_opened(other, &settings, message);
    g_unlink(other);
  }
}

/* Parts that do not fit together are refused with the file's name, whichever part notices. */
static void test_arrays_of_the_wrong_length_are_refused(void **state)
{
  const Scratch *scratch = *state;
  static const struct {
    const char *name, *message;
  } cases[] = {
      {"catalogue/asins",
       ": array 'catalogue/asins' of the shop file has 1023 elements, which cannot be; make the file "
       "again with 'cartwright import'"},
      {"goals/prices",
       ": array 'goals/prices' of the shop file does not belong to its catalogue; make the file again "
       "with 'cartwright import'"},
      {"reward/noun_starts",
       ": array 'reward/noun_starts' has 11 elements for 12 products; make the shop file again"},
      {"shop/title_owners",
       ": its parts are of different catalogues; make it again with 'cartwright import'"},
  };
  ShopSettings settings = fixture_settings();
  GError *error = NULL;
  import(&small, scratch->path);
  g_autofree char *other = g_strconcat(scratch->path, ".other", NULL);
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    ShopFile *file = shop_file_open(scratch->path, SHOP_FILE_VERIFY_HEADER, &error);
    ShopFileWriter *writer = shop_file_writer_new(other, &error);
    assert_true(file && writer);
    ShopArray array;
    for (guint32 a = 0; shop_file_get(file, a, &array); a++) {
      array.n_elements -= strcmp(array.name, cases[i].name) == 0;
      assert_true(shop_file_writer_add(writer, &array, &error));
    }
    assert_true(shop_file_writer_finish(writer, &error));
    shop_file_writer_free(writer);
    shop_file_close(file);
    assert_not_opened(other, &settings, cases[i].message);
    g_unlink(other);
  }
}

/* A copy of the shop file in which word number `place` of an array is another, with checksums that fit. */
static void write_changed(const char *from, const char *into, const char *name, gsize place, guint32 value)
{
  GError *error = NULL;
  ShopFile *file = shop_file_open(from, SHOP_FILE_VERIFY_HEADER, &error);
  ShopFileWriter *writer = shop_file_writer_new(into, &error);
  assert_true(file && writer);
  ShopArray array;
  for (guint32 a = 0; shop_file_get(file, a, &array); a++) {
    g_autofree char *elements = g_memdup2(array.elements, array.n_elements * array.element_size);
    if (strcmp(array.name, name) == 0)
      memcpy(elements + place * sizeof value, &value, sizeof value);
    array.elements = elements;
    assert_true(shop_file_writer_add(writer, &array, &error));
  }
  assert_true(shop_file_writer_finish(writer, &error));
  shop_file_writer_free(writer);
  shop_file_close(file);
}

/* Whatever the settings use of it, and with checksums that are right. */
static void test_contents_that_point_nowhere_are_refused(void **state)
{
  const Scratch *scratch = *state;
  static const struct {
    const char *array;
    gsize word;
    const char *named;
  } cases[] = {
      {"catalogue/texts", 0, "catalogue/texts"},
      {"catalogue/texts", 3, "catalogue/texts"},
      {"catalogue/strings", 2, "catalogue/strings"},
      {"catalogue/groups", 0, "catalogue/groups"},
      {"catalogue/groups", 2, "catalogue/groups"},
      {"catalogue/targets", 2, "catalogue/products"},
      {"catalogue/humans", 0, "catalogue/humans"},
      {"catalogue/products", 0, "catalogue/products"},
      {"catalogue/products", 10, "catalogue/products"},
      {"catalogue/asins", 5, "catalogue/asins"},
      {"goals/synthetic/items", 0, "goals/synthetic/items"},
      {"goals/synthetic/items", 1, "goals/synthetic/items"},
      {"goals/human/items", 1, "goals/human/items"},
      {"splits/synthetic/train", 0, "splits/synthetic/train"},
      {"splits/human/train", 0, "splits/human/train"},
      {"reward/noun_starts", 1, "reward/nouns"},
      {"reward/attributes", 1, "reward/token_sets"},
      {"reward/token_sets", 1, "reward/token_sets"},
      {"shop/title_owners", 3, "shop/title_owners"},
  };
  ShopSettings settings = fixture_settings();
  g_autofree char *other = g_strconcat(scratch->path, ".other", NULL);
  import(&small, scratch->path);
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    write_changed(scratch->path, other, cases[i].array, cases[i].word, G_MAXUINT32 - 15);
    g_autofree char *message = g_strdup_printf(
        ": array '%s' of the shop file holds what cannot be; make the file again with 'cartwright import'",
        cases[i].named);
    assert_not_opened(other, &settings, message);
    g_unlink(other);
  }
}

/* Any other change is refused too, or gives a shop that can be played in: the sanitizers see what is read. */
static void test_changed_contents_are_refused_or_played(void **state)
{
  const Scratch *scratch = *state;
  ShopSettings settings = fixture_settings();
  g_autofree char *other = g_strconcat(scratch->path, ".other", NULL);
  CwRandom *random = cw_random_new(1, "damage", 0, 0);
  import(&small, scratch->path);
  GError *error = NULL;
  ShopFile *file = shop_file_open(scratch->path, SHOP_FILE_VERIFY_HEADER, &error);
  guint32 n_arrays = 0;
  ShopArray array;
  while (shop_file_get(file, n_arrays, &array))
    n_arrays++;
  for (guint round = 0; round < 300; round++) {
    assert_true(shop_file_get(file, round % n_arrays, &array));
    gsize n_words = array.n_elements * array.element_size / sizeof(guint32);
    if (n_words == 0)
      continue;
    write_changed(scratch->path, other, array.name, cw_random_below(random, (guint32)n_words),
                  cw_random_below(random, 2) ? cw_random_below(random, 300)
                                             : cw_random_below(random, G_MAXUINT32));
    ShopWorld *world = shop_world_open(other, SHOP_FILE_VERIFY_HEADER, "webshop", &settings, &error);
    assert_true(world || error);
    if (world) {
      ShopSession *a = shop_session_new(world), *b = shop_session_new(world);
      assert_same_episode(a, b, cw_random_below(random, world->goals->n_items), random);
      shop_session_free(a);
      shop_session_free(b);
    }
    shop_world_free(world);
    g_clear_error(&error);
    g_unlink(other);
  }
  shop_file_close(file);
  cw_random_free(random);
}

typedef struct {
  guint left;
} Patience;

static gboolean lose_patience(gpointer data, const char *doing, guint64 done, guint64 total, GError **error)
{
  Patience *patience = data;
  (void)doing, (void)done, (void)total;
  if (patience->left-- > 0)
    return TRUE;
  g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_CANCELLED, "enough");
  return FALSE;
}

static void test_an_import_can_be_stopped_anywhere(void **state)
{
  const Scratch *scratch = *state;
  for (guint n = 0;; n++) {
    GError *error = NULL;
    Patience patience = {n};
    gboolean good = shop_world_import(&small, scratch->path, lose_patience, &patience, &error);
    g_unlink(scratch->path);
    if (good) {
      assert_true(n >= 4); /* products, attributes, instructions, goals, nouns */
      return;
    }
    assert_true(g_error_matches(error, CW_ENVIRONMENT_ERROR, CW_ERROR_CANCELLED));
    g_error_free(error);
  }
}

/* Several threads tag the titles; the numbers of the nouns are those of one. */
static void test_nouns_do_not_depend_on_threads(G_GNUC_UNUSED void **state)
{
  static const char *const things[] = {"lamp", "shoes", "kettle", "brush", "chair", "rug", "scarf"};
  ShopCatalogueBuilder *builder = shop_catalogue_builder_new();
  for (guint i = 0; i < 3000; i++) {
    g_autofree char *product = g_strdup_printf("{'asin': 'B%09u', 'name': 'Brand%u %s with %s and shade%u', "
                                               "'full_description': '', 'small_description': '', "
                                               "'pricing': '$1', 'category': 'garden', 'query': 'thing', "
                                               "'product_category': 'a', 'customization_options': "
                                               "''}",
                                               i, i / 3, things[i % 7], things[i % 5], i % 1000);
    fixture_add(builder, product);
  }
  GError *error = NULL;
  ShopCatalogue *catalogue = shop_catalogue_builder_finish(builder, &error);
  ShopRewardTables *tables = shop_reward_tables_new(catalogue, NULL, &error);
  ShopNounWords *words = shop_noun_words_new(NULL, 0);
  for (guint32 i = 0; i < catalogue->n_products; i++) {
    ShopNounSet *alone = shop_noun_set_tag(words, shop_string(catalogue, catalogue->products[i].title));
    assert_memory_equal(alone, shop_reward_nouns(tables, i), shop_noun_set_size(alone));
    g_free(alone);
  }
  guint32 n_words;
  const guint64 *hashes = shop_noun_words_hashes(words, &n_words);
  assert_int_equal(tables->arrays[SHOP_REWARD_NOUN_HASHES].n_elements, n_words);
  assert_memory_equal(tables->arrays[SHOP_REWARD_NOUN_HASHES].elements, hashes, n_words * sizeof *hashes);
  shop_noun_words_free(words);
  shop_reward_tables_free(tables);
  shop_catalogue_free(catalogue);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_the_world_is_the_same_from_a_file, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_given_nouns_are_stored, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_other_prices_and_splits_than_the_stored_are_made, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(test_the_thousand_products_are_the_same_from_a_file, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_goals_that_the_sources_lack_are_refused, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_damage_anywhere_is_refused, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_a_missing_array_is_named, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_contents_that_point_nowhere_are_refused, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_changed_contents_are_refused_or_played, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_arrays_of_the_wrong_length_are_refused, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_an_import_can_be_stopped_anywhere, set_up, tear_down),
      cmocka_unit_test(test_nouns_do_not_depend_on_threads),
  };
  return cmocka_run_group_tests_name("world_file", tests, NULL, NULL);
}
