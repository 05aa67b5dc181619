/* The reward of a purchase (specification section 6). A goal and a product are each prepared first, which is
 * where strings are cleaned and cut; what has been cut before (reward_tables.h) is taken as it is. Prepared
 * objects are reused from purchase to purchase without allocation; while nobody sets them they are read-only
 * and may be shared between threads. */
#ifndef SHOP_REWARD_H
#define SHOP_REWARD_H

#include "envs/shop/nouns/nouns.h"
#include "envs/shop/reward/fuzzy.h"

#include <glib.h>

G_BEGIN_DECLS

/* What is asked for. All of it must outlive the use of the prepared goal. */
typedef struct ShopGoalFacts {
  const char *query;
  const char *product_category; /* a path, its parts separated by U+203A */
  const ShopNounSet *nouns;     /* of the goal's product name */
  const char *const *attributes;
  const ShopTokenSet *const *attribute_sets; /* of the attributes; NULL: they are made */
  guint n_attributes;                        /* at least 1, by how goals are made */
  /* Options. With names (synthetic goals) each is a pair; without (crowd goals) a plain value. */
  const char *const *option_names; /* n_options, or NULL */
  const char *const *option_values;
  guint n_options;
  double price_upper;
} ShopGoalFacts;

/* What is bought. All of it must outlive the use of the prepared product. */
typedef struct ShopProductFacts {
  const char *query;
  const char *product_category;
  const ShopNounSet *nouns;
  const char *title;
  const char *const *bullets;
  guint n_bullets;
  const char *description;
  const char *const *attributes;
  const ShopTokenSet *const *attribute_sets; /* as in ShopGoalFacts */
  guint n_attributes;
} ShopProductFacts;

typedef struct ShopPreparedGoal ShopPreparedGoal;
typedef struct ShopPreparedProduct ShopPreparedProduct;

/* Empty; set them before use. */
ShopPreparedGoal *shop_prepared_goal_new(void);
void shop_prepared_goal_free(ShopPreparedGoal *goal); /* accepts NULL */
ShopPreparedProduct *shop_prepared_product_new(void);
void shop_prepared_product_free(ShopPreparedProduct *product); /* accepts NULL */

/* Prepares another goal or product in the place of the one before. */
void shop_prepared_goal_set(ShopPreparedGoal *goal, const ShopGoalFacts *facts);
void shop_prepared_product_set(ShopPreparedProduct *product, const ShopProductFacts *facts);

/* The reward and its parts, named as the original's verbose information. */
typedef struct ShopReward {
  double total;       /* r_type * (matched attributes + matched options + r_price) / (their numbers + 1) */
  double r_type;      /* 1, 0.5, 0.1 or 0 */
  double r_att;       /* matched attributes / attributes */
  double w_att;       /* attributes / (attributes + options + 1) */
  double r_option;    /* matched options / options; 0 when has_options is FALSE */
  double w_option;    /* options / (attributes + options + 1) */
  double w_price;     /* 1 / (attributes + options + 1) */
  double title_score; /* shared nouns / nouns of the goal's name; 0.2 when that has none */
  guint n_matched_attributes, n_matched_options;
  gboolean has_options;
  gboolean r_price; /* the price is within the bound */
  gboolean query_match, category_match;
} ShopReward;

/* Buffers that one purchase after the other uses; one thread at a time. */
typedef struct ShopRewardScratch {
  GString *text, *lower;
  GByteArray *bytes;
} ShopRewardScratch;

void shop_reward_scratch_init(ShopRewardScratch *scratch);
void shop_reward_scratch_clear(ShopRewardScratch *scratch);

/* The reward of buying `product` at `price` with these option values (not names) selected. */
void shop_reward(const ShopPreparedGoal *goal, const ShopPreparedProduct *product, double price,
                 const char *const *options, guint n_options, ShopFuzzyVariant variant,
                 ShopRewardScratch *scratch, ShopReward *reward);

G_END_DECLS

#endif
