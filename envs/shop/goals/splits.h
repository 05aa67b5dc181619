/* Which goals train, tune and test. */
#ifndef SHOP_SPLITS_H
#define SHOP_SPLITS_H

#include "envs/shop/goals/goals.h"

typedef enum {
  /* A hash of the ASIN decides: of 100 products 70 train, 10 dev, 20 test; at most goals_per_product goals of
   * each, chosen by hash, in a fixed shuffled order. */
  SHOP_SPLIT_BY_PRODUCT,
  /* The original's: goals 0-499 test, 500-1499 dev, 1500 and later train. */
  SHOP_SPLIT_UPSTREAM,
  /* All goals are test: those that shop_goals_validate has put in the place of the shop's. */
  SHOP_SPLIT_VERL_FIRST_VALIDATION
} ShopSplitRule;

typedef enum { SHOP_SPLIT_TRAIN, SHOP_SPLIT_DEV, SHOP_SPLIT_TEST, SHOP_SPLIT_ALL, SHOP_N_SPLITS } ShopSplit;

/* Per split the indices in ShopGoals.items. */
typedef struct ShopSplits {
  const guint32 *goals[SHOP_N_SPLITS]; /* NULL: n_goals successive ones from `first` on */
  guint32 first[SHOP_N_SPLITS];
  guint32 n_goals[SHOP_N_SPLITS];
  gpointer owned[SHOP_N_SPLITS]; /* of `goals`, what is not a shop file's */
} ShopSplits;

ShopSplits *shop_splits_new(const ShopCatalogue *catalogue, const ShopGoals *goals, ShopSplitRule rule,
                            guint64 goals_per_product); /* 0: no limit */
void shop_splits_free(ShopSplits *splits);              /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ShopSplits, shop_splits_free)

/* The arrays of a by_product split as a shop file holds them: "splits/KIND/train", ... */
#define SHOP_SPLITS_N_ARRAYS 3
void shop_splits_arrays(const ShopSplits *splits, ShopGoalKind kind, ShopArray arrays[SHOP_SPLITS_N_ARRAYS]);
/* The splits of goals from a shop file, whose memory must outlive them: those that it holds when they were
 * made with the same `goals_per_product`, otherwise new ones. */
ShopSplits *shop_splits_open(const ShopCatalogue *catalogue, const ShopGoals *goals, ShopSplitRule rule,
                             guint64 goals_per_product, const ShopGoalSettings *stored,
                             ShopArrayFinder finder, gpointer source, GError **error);

/* Whether splits that were opened from a file hold indices of goals. */
gboolean shop_splits_check(const ShopSplits *splits, const ShopGoals *goals, GError **error);

/* "train", "dev", "test", "all"; -1 for anything else. */
gint shop_split_from_name(const char *name);
const char *shop_split_name(ShopSplit split);

/* The split by_product puts a product in. */
ShopSplit shop_split_of_asin(const char *asin);

/* The split that goal `index` of ShopGoals.items belongs to under a rule, whether or not goals_per_product
 * left it in. */
ShopSplit shop_split_of_goal(const ShopCatalogue *catalogue, const ShopGoals *goals, ShopSplitRule rule,
                             guint32 index);

/* The index in ShopGoals.items of goal `n` of a split, n < n_goals[split]. */
guint32 shop_splits_goal(const ShopSplits *splits, ShopSplit split, guint32 n);

#endif
