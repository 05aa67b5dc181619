/* The reward of a purchase (specification section 6). A goal and a product are
 * each prepared once, which is where strings are cleaned and cut; the reward of
 * buying the one for the other is then a few microseconds. Prepared objects are
 * read-only and may be shared between threads. */
#ifndef SHOP_REWARD_H
#define SHOP_REWARD_H

#include "envs/shop/fuzzy.h"
#include "envs/shop/nouns.h"

#include <glib.h>

G_BEGIN_DECLS

/* What is asked for. Strings and nouns are borrowed during preparation only,
 * except `query`, `product_category` and `nouns`, which must outlive the
 * prepared goal. */
typedef struct ShopGoalFacts {
  const char *query;
  const char *product_category; /* a path, its parts separated by U+203A */
  const ShopNounSet *nouns;     /* of the goal's product name */
  const char *const *attributes;
  guint n_attributes; /* at least 1, by how goals are made */
  /* Options. With names (synthetic goals) each is a pair; without (crowd goals) a plain value. */
  const char *const *option_names; /* n_options, or NULL */
  const char *const *option_values;
  guint n_options;
  double price_upper;
} ShopGoalFacts;

/* What is bought. All of it must outlive the prepared product, but for
 * `attributes`. */
typedef struct ShopProductFacts {
  const char *query;
  const char *product_category;
  const ShopNounSet *nouns;
  const char *title;
  const char *const *bullets;
  guint n_bullets;
  const char *description;
  const char *const *attributes;
  guint n_attributes;
} ShopProductFacts;

typedef struct ShopPreparedGoal ShopPreparedGoal;
typedef struct ShopPreparedProduct ShopPreparedProduct;

ShopPreparedGoal *shop_prepared_goal_new(const ShopGoalFacts *facts);
void shop_prepared_goal_free(ShopPreparedGoal *goal); /* accepts NULL */
ShopPreparedProduct *shop_prepared_product_new(const ShopProductFacts *facts);
void shop_prepared_product_free(ShopPreparedProduct *product); /* accepts NULL */

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

/* The reward of buying `product` at `price` with these option values (not names)
 * selected. `scratch` is any string of the caller's; it is overwritten, and
 * reusing it saves allocations. */
void shop_reward(const ShopPreparedGoal *goal, const ShopPreparedProduct *product, double price,
                 const char *const *options, guint n_options, ShopFuzzyVariant variant, GString *scratch,
                 ShopReward *reward);

G_END_DECLS

#endif
