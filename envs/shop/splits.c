/* Splits depend on nothing but the catalogue and the rule: not on the run's seed,
 * so that results of different runs are about the same goals. */
#include "envs/shop/splits.h"

#include "envs/shop/catalogue_private.h"
#include "envs/shop/python_random.h"

#include <string.h>

#define UPSTREAM_TEST_END 500
#define UPSTREAM_DEV_END  1500

#define SPLIT_SALT  G_GUINT64_CONSTANT(0x73706c6974)   /* "split" */
#define CHOICE_SALT G_GUINT64_CONSTANT(0x63686f696365) /* "choice" */
#define ORDER_SEED  233

ShopSplit shop_split_of_asin(const char *asin)
{
  guint64 percent = shop_hash_bytes(SPLIT_SALT, asin, strlen(asin)) % 100;
  return percent < 70 ? SHOP_SPLIT_TRAIN : percent < 80 ? SHOP_SPLIT_DEV : SHOP_SPLIT_TEST;
}

ShopSplit shop_split_of_goal(const ShopCatalogue *catalogue, const ShopGoals *goals, ShopSplitRule rule, guint32 index)
{
  if (rule == SHOP_SPLIT_BY_PRODUCT)
    return shop_split_of_asin(shop_string(catalogue, catalogue->products[goals->items[index].product].asin));
  return index < UPSTREAM_TEST_END ? SHOP_SPLIT_TEST : index < UPSTREAM_DEV_END ? SHOP_SPLIT_DEV : SHOP_SPLIT_TRAIN;
}

typedef struct {
  guint32 product, goal;
  guint64 rank;
} Ranked;

static int compare_ranked(gconstpointer a, gconstpointer b)
{
  const Ranked *x = a, *y = b;
  if (x->product != y->product)
    return x->product < y->product ? -1 : 1;
  if (x->rank != y->rank)
    return x->rank < y->rank ? -1 : 1;
  return x->goal < y->goal ? -1 : x->goal > y->goal;
}

static void split_by_product(ShopSplits *splits, const ShopCatalogue *catalogue, const ShopGoals *goals,
                             guint64 goals_per_product)
{
  g_autofree Ranked *ranked = g_new(Ranked, goals->n_items);
  for (guint32 i = 0; i < goals->n_items; i++) {
    const ShopGoal *goal = &goals->items[i];
    const char *asin = shop_string(catalogue, catalogue->products[goal->product].asin);
    ranked[i] = (Ranked){goal->product, i, shop_hash_bytes(CHOICE_SALT ^ goal->choice, asin, strlen(asin))};
  }
  qsort(ranked, goals->n_items, sizeof *ranked, compare_ranked);

  for (guint s = 0; s < SHOP_SPLIT_ALL; s++)
    splits->goals[s] = g_new(guint32, goals->n_items);
  guint64 n_of_product = 0;
  for (guint32 i = 0; i < goals->n_items; i++) {
    n_of_product = i > 0 && ranked[i - 1].product == ranked[i].product ? n_of_product + 1 : 0;
    if (goals_per_product > 0 && n_of_product >= goals_per_product)
      continue;
    ShopSplit split = shop_split_of_asin(shop_string(catalogue, catalogue->products[ranked[i].product].asin));
    splits->goals[split][splits->n_goals[split]++] = ranked[i].goal;
  }
  for (guint s = 0; s < SHOP_SPLIT_ALL; s++) {
    ShopPythonRandom random;
    shop_python_random_seed(&random, ORDER_SEED + s);
    shop_python_random_shuffle(&random, splits->goals[s], splits->n_goals[s], sizeof(guint32));
    splits->goals[s] = g_renew(guint32, splits->goals[s], splits->n_goals[s]);
  }
}

static void split_upstream(ShopSplits *splits, const ShopGoals *goals)
{
  guint32 test_end = MIN(goals->n_items, UPSTREAM_TEST_END), dev_end = MIN(goals->n_items, UPSTREAM_DEV_END);
  const guint32 bounds[SHOP_SPLIT_ALL][2] = {
      [SHOP_SPLIT_TRAIN] = {dev_end, goals->n_items},
      [SHOP_SPLIT_DEV] = {test_end, dev_end},
      [SHOP_SPLIT_TEST] = {0, test_end},
  };
  for (guint s = 0; s < SHOP_SPLIT_ALL; s++) {
    splits->n_goals[s] = bounds[s][1] - bounds[s][0];
    splits->goals[s] = g_new(guint32, splits->n_goals[s]);
    for (guint32 i = 0; i < splits->n_goals[s]; i++)
      splits->goals[s][i] = bounds[s][0] + i;
  }
}

ShopSplits *shop_splits_new(const ShopCatalogue *catalogue, const ShopGoals *goals, ShopSplitRule rule,
                            guint64 goals_per_product)
{
  ShopSplits *splits = g_new0(ShopSplits, 1);
  splits->n_goals[SHOP_SPLIT_ALL] = goals->n_items;
  if (rule == SHOP_SPLIT_UPSTREAM)
    split_upstream(splits, goals);
  else
    split_by_product(splits, catalogue, goals, goals_per_product);
  return splits;
}

void shop_splits_free(ShopSplits *splits)
{
  if (splits == NULL)
    return;
  for (guint s = 0; s < SHOP_N_SPLITS; s++)
    g_free(splits->goals[s]);
  g_free(splits);
}

static const char *const names[SHOP_N_SPLITS] = {
    [SHOP_SPLIT_TRAIN] = "train", [SHOP_SPLIT_DEV] = "dev", [SHOP_SPLIT_TEST] = "test", [SHOP_SPLIT_ALL] = "all"};

gint shop_split_from_name(const char *name)
{
  for (guint s = 0; s < SHOP_N_SPLITS; s++)
    if (strcmp(name, names[s]) == 0)
      return (gint)s;
  return -1;
}

const char *shop_split_name(ShopSplit split)
{
  return names[split];
}

guint32 shop_splits_goal(const ShopSplits *splits, ShopSplit split, guint32 n)
{
  return split == SHOP_SPLIT_ALL ? n : splits->goals[split][n];
}
