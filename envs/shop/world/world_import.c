/* Making a shop file. Texts go to the file as they are read, the rest of the catalogue when it is complete;
 * from then on it is read from the file like everything that was written before, so that at no time more is
 * in memory than one part under construction. */
#include "envs/shop/catalogue/loader.h"
#include "envs/shop/world/world_file_private.h"

#include "envs/shop/text/fail.h"
#include <string.h>

#define REST_EVERY    16
#define CHECKSUM_STEP 4096u

typedef struct {
  const ShopSources *sources;
  ShopFileWriter *writer;
  CwProgressSink progress;
  gpointer progress_data;
  ShopCatalogue *catalogue; /* of the file under construction */
  ShopWorldFacts facts;
  guint n_reports;
} Import;

/* Passes progress on, and now and then gives back what reading the file back has put into memory. */
static gboolean pass_on(gpointer data, const char *doing, guint64 done, guint64 total, GError **error)
{
  Import *import = data;
  if (import->n_reports++ % REST_EVERY == 0)
    shop_file_writer_rest(import->writer);
  return import->progress(import->progress_data, doing, done, total, error);
}

static gboolean add_arrays(Import *import, const ShopArray *arrays, guint n_arrays, GError **error)
{
  for (guint i = 0; i < n_arrays; i++)
    if (!shop_file_writer_add(import->writer, &arrays[i], error))
      return FALSE;
  return TRUE;
}

static void take_facts(Import *import, const ShopCatalogue *catalogue)
{
  const ShopSources *sources = import->sources;
  ShopWorldFacts *facts = &import->facts;
  facts->goals = sources->settings;
  facts->goals.n_skipped = 0;
  facts->has_humans = sources->human_file != NULL;
  facts->nouns_are_given = sources->nouns_file != NULL;
  for (guint32 i = 0; i < catalogue->n_products; i++)
    if (!catalogue->products[i].has_attributes && facts->n_without_attributes++ == 0)
      facts->first_without_attributes = i;
}

/* Both checksums of the catalogue, read once more from the file. */
static gboolean take_checksums(Import *import, GError **error)
{
  const ShopCatalogue *catalogue = import->catalogue;
  guint64 *checksums = import->facts.checksums;
  for (guint32 first = 0, n; first < catalogue->n_products; first += n) {
    n = MIN(CHECKSUM_STEP, catalogue->n_products - first);
    for (guint humans = 0; humans < 2; humans++)
      checksums[humans] = shop_catalogue_checksum_part(catalogue, humans, checksums[humans], first, n);
    if (!pass_on(import, "checksum", first + n, catalogue->n_products, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean write_catalogue(Import *import, GError **error)
{
  const ShopSources *sources = import->sources;
  ShopArray arrays[SHOP_CATALOGUE_N_ARRAYS];
  g_autoptr(ShopCatalogue) catalogue = shop_load_catalogue_into(
      shop_catalogue_builder_new_to(import->writer), sources->items_file, sources->attributes_file,
      sources->human_file, sources->max_products, pass_on, import, error);
  if (!catalogue)
    return FALSE;
  take_facts(import, catalogue);
  shop_catalogue_arrays(catalogue, arrays);
  if (add_arrays(import, arrays, SHOP_CATALOGUE_N_ARRAYS - 1, error)) /* the texts are there */
    import->catalogue = shop_catalogue_open(shop_file_writer_find, import->writer, error);
  return import->catalogue && take_checksums(import, error);
}

/* Goals and splits of one kind; what keeps them from being made goes to *reason. */
static gboolean write_goals(Import *import, ShopGoalKind kind, gboolean with_prices, GError **reason,
                            GError **error)
{
  const ShopGoalSettings *s = &import->facts.goals;
  ShopArray arrays[SHOP_GOALS_N_ARRAYS + SHOP_SPLITS_N_ARRAYS];
  g_autoptr(ShopGoals) goals =
      shop_goals_new(import->catalogue, kind, (ShopPriceRule)s->price_rule, s->price_seed, reason);
  if (!goals)
    return TRUE;
  g_autoptr(ShopSplits) splits =
      shop_splits_new(import->catalogue, goals, SHOP_SPLIT_BY_PRODUCT, s->goals_per_product);
  if (kind == SHOP_GOALS_HUMAN)
    import->facts.goals.n_skipped = goals->n_skipped;
  shop_splits_arrays(splits, kind, arrays);
  shop_goals_arrays(goals, import->catalogue, arrays + SHOP_SPLITS_N_ARRAYS);
  if (!add_arrays(import, arrays, G_N_ELEMENTS(arrays) - !with_prices, error))
    return FALSE;
  if (!goals->skipped)
    return TRUE;
  const ShopArray skipped = {SHOP_GOALS_SKIPPED, goals->skipped, 1, strlen(goals->skipped) + 1};
  return add_arrays(import, &skipped, 1, error);
}

/* Goals of both kinds, as far as the sources have them; at least one must be. */
static gboolean write_all_goals(Import *import, GError **error)
{
  g_autoptr(GError) synthetic = NULL, human = NULL;
  if (import->facts.n_without_attributes == 0 &&
      !write_goals(import, SHOP_GOALS_SYNTHETIC, TRUE, &synthetic, error))
    return FALSE;
  gboolean any = import->facts.n_without_attributes == 0 && !synthetic;
  if (import->facts.has_humans && !write_goals(import, SHOP_GOALS_HUMAN, !any, &human, error))
    return FALSE;
  any = any || (import->facts.has_humans && !human);
  if (!any && (synthetic || human))
    g_propagate_error(error, synthetic ? g_steal_pointer(&synthetic) : g_steal_pointer(&human));
  else if (!any)
    shop_fail(error, CW_ERROR_FORMAT,
              "%s: no entry for product %s (%u of %u products have none), and there are no crowd-written "
              "instructions: goals need the attribute file that belongs to the catalogue "
              "('attributes_file'), or 'human_file'",
              import->sources->attributes_file,
              shop_string(import->catalogue,
                          import->catalogue->products[import->facts.first_without_attributes].asin),
              import->facts.n_without_attributes, import->catalogue->n_products);
  return any;
}

static gpointer build_index(gpointer catalogue)
{
  return shop_world_build_index(catalogue);
}

/* The nouns keep all processors busy but for the index, which takes its share of one of them. */
static gboolean write_index_and_rewards(Import *import, GError **error)
{
  ShopArray arrays[SHOP_INDEX_N_ARRAYS];
  GThread *thread = g_thread_try_new("index", build_index, import->catalogue, NULL);
  ShopRewardTables *rewards = shop_reward_tables_new_reporting(import->catalogue, import->sources->nouns_file,
                                                               pass_on, import, error);
  gboolean good = rewards && add_arrays(import, rewards->arrays, SHOP_REWARD_N_ARRAYS, error);
  shop_reward_tables_free(rewards);
  ShopIndex *index = thread ? g_thread_join(thread) : build_index(import->catalogue);
  shop_file_writer_rest(import->writer);
  if (good) {
    shop_index_arrays(index, arrays);
    good = add_arrays(import, arrays, SHOP_INDEX_N_ARRAYS, error);
  }
  shop_index_free(index);
  return good;
}

static gboolean write_rest(Import *import, GError **error)
{
  g_autofree char *name = g_path_get_basename(import->sources->items_file);
  g_autofree guint32 *owners = shop_world_find_title_owners(import->catalogue);
  const ShopArray arrays[] = {
      {SHOP_WORLD_TITLE_OWNERS, owners, sizeof *owners, import->catalogue->n_products},
      {SHOP_WORLD_NAME, name, 1, strlen(name) + 1},
      {SHOP_WORLD_FACTS, &import->facts, sizeof import->facts, 1},
  };
  return add_arrays(import, arrays, G_N_ELEMENTS(arrays), error);
}

gboolean shop_world_import(const ShopSources *sources, const char *into, CwProgressSink progress,
                           gpointer progress_data, GError **error)
{
  Import import = {.sources = sources, .progress = progress, .progress_data = progress_data};
  import.writer = shop_file_writer_new(into, error);
  if (!import.writer)
    return FALSE;
  gboolean good = write_catalogue(&import, error) && pass_on(&import, "goals", 0, 0, error) &&
                  write_all_goals(&import, error) && write_index_and_rewards(&import, error) &&
                  write_rest(&import, error) && shop_file_writer_finish(import.writer, error);
  shop_catalogue_free(import.catalogue);
  shop_file_writer_free(import.writer);
  return good;
}
