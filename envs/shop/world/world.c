/* The shared part of a shop: owns catalogue, index, goals and splits, and states the facts that every result
 * must carry. */
#include "envs/shop/world/world_private.h"

#include "envs/shop/text/fail.h"
#include <cartwright/error.h>
#include <string.h>

#define VERL_VALIDATION_SEED 1000 /* what verl-agent adds to env.seed for its validation */

const char *const shop_observation_names[] = {"text", "text_rich", NULL};
const char *const shop_goal_kind_names[] = {"synthetic", "human", NULL};
const char *const shop_mode_names[] = {"faithful", "fixed", NULL};
const char *const shop_candidate_mode_names[] = {"honest", "upstream", NULL};
const char *const shop_recorded_search_names[] = {"added", "nearest", NULL};
const char *const shop_split_rule_names[] = {"by_product", "upstream", "verl_first_validation", NULL};
const char *const shop_price_rule_names[] = {"drawn", "middle", NULL};
const char *const shop_protocol_names[] = {"cartwright", "princeton", "verl_agent",
                                           "agentgym",   "minimal",   NULL};
const char *const shop_similarity_names[] = {"by_mode", "difflib", "lcs", NULL};

ShopIndex *shop_world_build_index(const ShopCatalogue *catalogue)
{
  ShopIndex *index = shop_index_new();
  g_autoptr(GString) contents = g_string_sized_new(4096);
  for (guint32 i = 0; i < catalogue->n_products; i++) {
    g_string_truncate(contents, 0);
    shop_catalogue_append_contents(catalogue, i, contents);
    shop_index_add(index, shop_string(catalogue, catalogue->products[i].asin),
                   shop_string(catalogue, catalogue->products[i].query), contents->str);
  }
  shop_index_finish(index);
  return index;
}

guint32 *shop_world_find_title_owners(const ShopCatalogue *catalogue)
{
  guint32 *owners = g_new(guint32, catalogue->n_products);
  g_autoptr(GHashTable) last = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint32 i = 0; i < catalogue->n_products; i++)
    g_hash_table_insert(last, (gpointer)shop_string(catalogue, catalogue->products[i].item_action),
                        GUINT_TO_POINTER(i));
  for (guint32 i = 0; i < catalogue->n_products; i++)
    owners[i] = GPOINTER_TO_UINT(
        g_hash_table_lookup(last, shop_string(catalogue, catalogue->products[i].item_action)));
  return owners;
}

static void add_fact(GPtrArray *facts, const char *key, char *value)
{
  g_ptr_array_add(facts, g_strdup(key));
  g_ptr_array_add(facts, value);
}

static char **collect_facts(const ShopWorld *world)
{
  const ShopSettings *s = &world->settings;
  GPtrArray *facts = g_ptr_array_new();
  add_fact(facts, "catalogue", g_strdup(world->name));
  add_fact(facts, "products", g_strdup_printf("%u", world->catalogue->n_products));
  add_fact(facts, "catalogue_checksum",
           g_strdup_printf("%016" G_GINT64_MODIFIER "x", world->catalogue->checksum));
  add_fact(facts, "goals", g_strdup(shop_goal_kind_names[s->goals]));
  add_fact(facts, "n_goals", g_strdup_printf("%u", world->goals->n_items));
  if (world->goals->skipped)
    add_fact(facts, "skipped_goals", g_strdup(world->goals->skipped));
  add_fact(facts, "goal_list", shop_goals_digest(world->goals, world->catalogue));
  if (s->protocol != SHOP_PROTOCOL_CARTWRIGHT)
    add_fact(facts, "protocol", g_strdup(shop_protocol_names[s->protocol]));
  add_fact(facts, "split_rule", g_strdup(shop_split_rule_names[s->split_rule]));
  if (s->split_rule == SHOP_SPLIT_BY_PRODUCT)
    add_fact(facts, "goals_per_product", g_strdup_printf("%" G_GINT64_FORMAT, s->goals_per_product));
  for (guint i = 0; i < SHOP_SPLIT_ALL; i++) {
    g_autofree char *key = g_strdup_printf("%s_goals", shop_split_name((ShopSplit)i));
    add_fact(facts, key, g_strdup_printf("%u", world->splits->n_goals[i]));
  }
  add_fact(facts, "observation", g_strdup(shop_observation_names[s->observation]));
  add_fact(facts, "candidates", g_strdup(shop_candidate_mode_names[s->candidates]));
  add_fact(facts, "max_candidates", g_strdup_printf("%" G_GINT64_FORMAT, s->max_candidates));
  if (s->mark_clicked)
    add_fact(facts, "mark_clicked", g_strdup("true"));
  if (s->show_attributes)
    add_fact(facts, "show_attributes", g_strdup("true"));
  add_fact(facts, "mode", g_strdup(shop_mode_names[s->mode]));
  add_fact(facts, "step_limit", g_strdup_printf("%" G_GINT64_FORMAT, s->step_limit));
  add_fact(facts, "prices", g_strdup(shop_price_rule_names[s->prices]));
  add_fact(facts, "price_seed", g_strdup_printf("%" G_GINT64_FORMAT, s->price_seed));
  add_fact(facts, "similarity", g_strdup(world->fuzzy_variant == SHOP_FUZZY_LCS ? "lcs" : "difflib"));
  add_fact(facts, "nouns", g_strdup(s->nouns_file || world->nouns_are_given ? "file" : "built-in tagger"));
  g_ptr_array_add(facts, NULL);
  return (char **)g_ptr_array_free(facts, FALSE);
}

ShopWorld *shop_world_begin(ShopCatalogue *catalogue, const char *prefix, const char *name,
                            const ShopSettings *settings)
{
  ShopWorld *world = g_new0(ShopWorld, 1);
  ShopProtocol protocol = (ShopProtocol)settings->protocol;
  gboolean lcs_by_mode = protocol == SHOP_PROTOCOL_CARTWRIGHT
                             ? settings->mode == SHOP_MODE_FIXED
                             : protocol == SHOP_PROTOCOL_AGENTGYM || protocol == SHOP_PROTOCOL_MINIMAL;
  gboolean lcs = settings->similarity == SHOP_SIMILARITY_BY_MODE
                     ? lcs_by_mode
                     : settings->similarity == SHOP_SIMILARITY_LCS;
  world->prefix = g_strdup(prefix);
  world->name = g_strdup(name);
  world->settings = *settings;
  world->catalogue = catalogue;
  world->reward_pool = shop_reward_pool_new();
  world->fuzzy_variant = lcs ? SHOP_FUZZY_LCS : SHOP_FUZZY_DIFFLIB;
  return world;
}

ShopWorld *shop_world_end(ShopWorld *world, gboolean good)
{
  if (good) {
    world->facts = collect_facts(world);
    return world;
  }
  shop_world_free(world);
  return NULL;
}

gboolean shop_world_follow_protocol(ShopWorld *world, GError **error)
{
  const ShopSettings *s = &world->settings;
  if (s->split_rule == SHOP_SPLIT_VERL_FIRST_VALIDATION)
    return (s->protocol == SHOP_PROTOCOL_VERL_AGENT ||
            shop_fail(error, CW_ERROR_CONFIGURATION,
                      "split_rule verl_first_validation is about goals that verl-agent draws; set 'protocol: "
                      "verl_agent'")) &&
           shop_goals_validate(world->goals, world->catalogue, (ShopPriceRule)s->prices,
                               (guint64)s->price_seed + VERL_VALIDATION_SEED, error);
  if (s->protocol != SHOP_PROTOCOL_CARTWRIGHT)
    shop_goals_follow(world->goals, world->catalogue, (ShopProtocol)s->protocol, (ShopPriceRule)s->prices,
                      (guint64)s->price_seed);
  return TRUE;
}

ShopWorld *shop_world_new(ShopCatalogue *catalogue, const char *prefix, const char *name,
                          const ShopSettings *settings, GError **error)
{
  ShopWorld *world = shop_world_begin(catalogue, prefix, name, settings);
  world->goals = shop_goals_new(catalogue, (ShopGoalKind)settings->goals, (ShopPriceRule)settings->prices,
                                (guint64)settings->price_seed, error);
  if (world->goals && shop_world_follow_protocol(world, error))
    world->rewards = shop_reward_tables_new(catalogue, settings->nouns_file, error);
  if (!world->rewards)
    return shop_world_end(world, FALSE);
  world->splits = shop_splits_new(catalogue, world->goals, (ShopSplitRule)settings->split_rule,
                                  (guint64)settings->goals_per_product);
  world->index = shop_world_build_index(catalogue);
  if (settings->candidates == SHOP_CANDIDATES_UPSTREAM)
    world->title_owner = world->owned_title_owner = shop_world_find_title_owners(catalogue);
  return shop_world_end(world, TRUE);
}

void shop_world_free(ShopWorld *world)
{
  if (!world)
    return;
  g_free(world->prefix);
  g_free(world->name);
  shop_reward_tables_free(world->rewards);
  shop_reward_pool_free(world->reward_pool);
  shop_catalogue_free(world->catalogue);
  shop_index_free(world->index);
  shop_goals_free(world->goals);
  shop_splits_free(world->splits);
  g_free(world->owned_title_owner);
  g_strfreev(world->facts);
  shop_file_close(world->file);
  g_free(world);
}
