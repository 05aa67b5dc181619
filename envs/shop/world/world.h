/* The shared part of a shop: catalogue, index, goals, splits and settings, the same for the shop loaded from
 * files and the generated one. Built once, read-only afterwards; sessions of any number of threads read it.
 */
#ifndef SHOP_WORLD_H
#define SHOP_WORLD_H

#include "envs/shop/catalogue/catalogue.h"
#include "envs/shop/file/file.h"
#include "envs/shop/goals/goals.h"
#include "envs/shop/goals/splits.h"
#include "envs/shop/reward/reward.h"
#include "envs/shop/reward/reward_tables.h"
#include "envs/shop/search/search.h"
#include "envs/shop/world/settings.h"

/* The buffers of shop_world_reward, one set for each call that runs at a time. */
typedef struct ShopRewardPool ShopRewardPool;

typedef struct ShopWorld {
  char *prefix; /* of goal ids: "webshop" */
  char *name;   /* of the catalogue, for people */
  ShopSettings settings;
  ShopCatalogue *catalogue;
  ShopIndex *index; /* document numbers are product indices */
  ShopGoals *goals;
  ShopSplits *splits;
  ShopRewardTables *rewards;
  ShopRewardPool *reward_pool;
  ShopFuzzyVariant fuzzy_variant;
  const guint32
      *title_owner; /* with upstream candidates: per product the last one with the same lower-cased title */
  guint32 *owned_title_owner; /* the same, when it is not the file's */
  gboolean nouns_are_given;   /* the shop file was made with a file of nouns */
  ShopFile *file;             /* that holds the rest, or NULL */
  char **facts;               /* NULL-terminated pairs for describe */
} ShopWorld;

/* Builds index, goals and splits over `catalogue`, which is taken over (also on failure). */
ShopWorld *shop_world_new(ShopCatalogue *catalogue, const char *prefix, const char *name,
                          const ShopSettings *settings, GError **error);
void shop_world_free(ShopWorld *world); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ShopWorld, shop_world_free)

/* The reward of buying `product` with the chosen option values for `goal`. Any number of threads may call it;
 * nothing is allocated once as many calls as run at a time have grown their buffers. */
void shop_world_reward(const ShopWorld *world, const ShopGoalView *goal, guint32 product,
                       const char *const *values, guint n_values, ShopReward *reward);

#endif
