/* Opening a world from a shop file. Nothing is computed that the file holds; what it holds for other settings
 * only is made anew, in this process's own memory. */
#include "envs/shop/world/world_file_private.h"

#include "envs/shop/text/fail.h"

/* A text with its NUL; NULL when it is none. */
static const char *find_text(ShopFile *file, const char *name)
{
  ShopArray array;
  if (!shop_file_has(file, name) || !shop_file_find(file, name, 1, &array, NULL))
    return NULL;
  const char *text = array.elements;
  gsize n = array.n_elements;
  return n > 0 && text[n - 1] == '\0' && g_utf8_validate(text, -1, NULL) ? text : NULL;
}

static gboolean find_facts(ShopFile *file, ShopWorldFacts *facts, const char **name, GError **error)
{
  ShopArray found;
  if (!shop_file_find(file, SHOP_WORLD_FACTS, sizeof *facts, &found, error))
    return FALSE;
  *name = find_text(file, SHOP_WORLD_NAME);
  if (found.n_elements != 1 || !*name)
    return shop_fail(error, CW_ERROR_FORMAT,
                     "its description cannot be read; make it again with 'cartwright import'");
  *facts = *(const ShopWorldFacts *)found.elements;
  return TRUE;
}

/* Whether the sources of the file allow the goals that are wanted. */
static gboolean check_sources(const ShopCatalogue *catalogue, const ShopWorldFacts *facts, ShopGoalKind kind,
                              GError **error)
{
  if (kind == SHOP_GOALS_HUMAN && !facts->has_humans)
    return shop_fail(error, CW_ERROR_CONFIGURATION,
                     "was made without crowd-written instructions, which goals: human needs; import "
                     "again with 'human_file', or set 'goals: synthetic'");
  if (kind == SHOP_GOALS_SYNTHETIC && facts->n_without_attributes > 0) {
    guint32 first = MIN(facts->first_without_attributes, catalogue->n_products - 1);
    return shop_fail(error, CW_ERROR_FORMAT,
                     "no attributes for product %s (%u of %u products have none); synthetic goals need "
                     "the attribute file that belongs to the catalogue: import again with it as "
                     "'attributes_file', or set 'goals: human'",
                     shop_string(catalogue, catalogue->products[first].asin), facts->n_without_attributes,
                     catalogue->n_products);
  }
  return TRUE;
}

/* Everything in the file that points at something else, whatever of it the settings will use. */
static gboolean check_contents(ShopFile *file, const ShopCatalogue *catalogue, const ShopWorldFacts *facts,
                               GError **error)
{
  const ShopGoalSettings *stored = &facts->goals;
  if (!shop_catalogue_check(catalogue, error))
    return FALSE;
  for (guint kind = SHOP_GOALS_SYNTHETIC; kind <= SHOP_GOALS_HUMAN; kind++) {
    if (!shop_file_has(file, shop_world_goals_array(kind)))
      continue;
    g_autoptr(ShopGoals) goals = shop_goals_open(catalogue, kind, stored->price_rule, stored->price_seed,
                                                 stored, shop_file_find, file, error);
    if (!goals || !shop_goals_check(goals, catalogue, error))
      return FALSE;
    g_autoptr(ShopSplits) splits =
        shop_splits_open(catalogue, goals, SHOP_SPLIT_BY_PRODUCT, stored->goals_per_product, stored,
                         shop_file_find, file, error);
    if (!splits || !shop_splits_check(splits, goals, error))
      return FALSE;
  }
  g_autoptr(ShopRewardTables) rewards = shop_reward_tables_open(catalogue, shop_file_find, file, error);
  ShopArray owners;
  if (!rewards || !shop_reward_tables_check(rewards, error) ||
      !shop_file_find(file, SHOP_WORLD_TITLE_OWNERS, sizeof(guint32), &owners, error))
    return FALSE;
  for (gsize i = 0; i < owners.n_elements; i++)
    if (((const guint32 *)owners.elements)[i] >= catalogue->n_products)
      return shop_fail(
          error, CW_ERROR_FORMAT,
          "array '" SHOP_WORLD_TITLE_OWNERS
          "' of the shop file holds what cannot be; make the file again with 'cartwright import'");
  return TRUE;
}

/* A kind of goals that could not be made on import is tried again, for its message. */
static ShopGoals *open_goals(ShopWorld *world, const ShopWorldFacts *facts, GError **error)
{
  const ShopSettings *s = &world->settings;
  ShopGoalKind kind = (ShopGoalKind)s->goals;
  ShopPriceRule prices = (ShopPriceRule)s->prices;
  guint64 seed = (guint64)s->price_seed;
  if (!shop_file_has(world->file, shop_world_goals_array(kind)))
    return shop_goals_new(world->catalogue, kind, prices, seed, error);
  ShopGoals *goals = shop_goals_open(world->catalogue, kind, prices, seed, &facts->goals, shop_file_find,
                                     world->file, error);
  if (goals && kind == SHOP_GOALS_SYNTHETIC)
    goals->skipped = g_strdup(find_text(world->file, SHOP_GOALS_SKIPPED));
  return goals;
}

static gboolean open_parts(ShopWorld *world, const ShopWorldFacts *facts, GError **error)
{
  const ShopSettings *s = &world->settings;
  ShopArray owners;
  world->goals = open_goals(world, facts, error);
  if (!world->goals || !shop_world_follow_protocol(world, error))
    return FALSE;
  ShopSplitRule rule = (ShopSplitRule)s->split_rule;
  guint64 per_product = (guint64)s->goals_per_product;
  world->splits = s->protocol == SHOP_PROTOCOL_CARTWRIGHT
                      ? shop_splits_open(world->catalogue, world->goals, rule, per_product, &facts->goals,
                                         shop_file_find, world->file, error)
                      : shop_splits_new(world->catalogue, world->goals, rule, per_product);
  if (!world->splits)
    return FALSE;
  world->rewards = shop_reward_tables_open(world->catalogue, shop_file_find, world->file, error);
  if (!world->rewards)
    return FALSE;
  world->index = shop_index_open_arrays(shop_file_find, world->file, error);
  if (!world->index || !shop_file_find(world->file, SHOP_WORLD_TITLE_OWNERS, sizeof(guint32), &owners, error))
    return FALSE;
  if (shop_index_size(world->index) != world->catalogue->n_products ||
      owners.n_elements != world->catalogue->n_products)
    return shop_fail(error, CW_ERROR_FORMAT,
                     "its parts are of different catalogues; make it again with 'cartwright import'");
  if (s->candidates == SHOP_CANDIDATES_UPSTREAM)
    world->title_owner = owners.elements;
  return TRUE;
}

/* The world of an open file, which becomes the world's; not ended. */
static ShopWorld *open_world(ShopFile *opened, const char *prefix, const ShopSettings *settings,
                             GError **error)
{
  g_autoptr(ShopFile) file = opened;
  ShopWorldFacts facts;
  const char *name = NULL;
  ShopGoalKind kind = (ShopGoalKind)settings->goals;
  if (!find_facts(file, &facts, &name, error))
    return NULL;
  g_autoptr(ShopCatalogue) catalogue = shop_catalogue_open(shop_file_find, file, error);
  if (!catalogue || (!shop_file_is_known(file) && !check_contents(file, catalogue, &facts, error)))
    return NULL;
  if (!shop_file_is_known(file))
    shop_file_rest(file);
  shop_file_remember(file);
  if (!check_sources(catalogue, &facts, kind, error))
    return NULL;
  catalogue->checksum = facts.checksums[kind == SHOP_GOALS_HUMAN];
  ShopWorld *world = shop_world_begin(g_steal_pointer(&catalogue), prefix, name, settings);
  world->file = g_steal_pointer(&file);
  world->nouns_are_given = facts.nouns_are_given != 0;
  return open_parts(world, &facts, error) ? world : shop_world_end(world, FALSE);
}

/* The parts know their arrays, not the file. */
ShopWorld *shop_world_open(const char *path, ShopFileVerify verify, const char *prefix,
                           const ShopSettings *settings, GError **error)
{
  ShopFile *file = shop_file_open(path, verify, error);
  if (!file)
    return NULL;
  ShopWorld *world = open_world(file, prefix, settings, error);
  if (!world) {
    g_prefix_error(error, "%s: ", path);
    return NULL;
  }
  const char *nouns = settings->nouns_file;
  return shop_world_end(
      world, !nouns || shop_reward_tables_take_nouns(world->rewards, world->catalogue, nouns, error));
}
