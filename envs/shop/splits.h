/* Which goals train, tune and test. */
#ifndef SHOP_SPLITS_H
#define SHOP_SPLITS_H

#include "envs/shop/goals.h"

typedef enum {
  /* A hash of the ASIN decides: of 100 products 70 train, 10 dev, 20 test; at most
   * goals_per_product goals of each, chosen by hash, in a fixed shuffled order. */
  SHOP_SPLIT_BY_PRODUCT,
  /* The original's: goals 0-499 test, 500-1499 dev, 1500 and later train. */
  SHOP_SPLIT_UPSTREAM
} ShopSplitRule;

typedef enum { SHOP_SPLIT_TRAIN, SHOP_SPLIT_DEV, SHOP_SPLIT_TEST, SHOP_SPLIT_ALL, SHOP_N_SPLITS } ShopSplit;

/* Per split the indices in ShopGoals.items; "all" is every goal in order. */
typedef struct ShopSplits {
  guint32 *goals[SHOP_N_SPLITS]; /* NULL for SHOP_SPLIT_ALL */
  guint32 n_goals[SHOP_N_SPLITS];
} ShopSplits;

ShopSplits *shop_splits_new(const ShopCatalogue *catalogue, const ShopGoals *goals, ShopSplitRule rule,
                            guint64 goals_per_product); /* 0: no limit */
void shop_splits_free(ShopSplits *splits);              /* accepts NULL */

/* "train", "dev", "test", "all"; -1 for anything else. */
gint shop_split_from_name(const char *name);
const char *shop_split_name(ShopSplit split);

/* The split by_product puts a product in. */
ShopSplit shop_split_of_asin(const char *asin);

/* The split that goal `index` of ShopGoals.items belongs to under a rule, whether or
 * not goals_per_product left it in. */
ShopSplit shop_split_of_goal(const ShopCatalogue *catalogue, const ShopGoals *goals, ShopSplitRule rule, guint32 index);

/* The index in ShopGoals.items of goal `n` of a split, n < n_goals[split]. */
guint32 shop_splits_goal(const ShopSplits *splits, ShopSplit split, guint32 n);

#endif
