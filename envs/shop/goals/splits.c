/* Splits depend on nothing but the catalogue and the rule: not on the run's seed, so that results of
 * different runs are about the same goals. */
#include "envs/shop/goals/splits.h"

#include "envs/shop/goals/python_random.h"
#include "envs/shop/text/fail.h"
#include "envs/shop/text/hash.h"

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

ShopSplit shop_split_of_goal(const ShopCatalogue *catalogue, const ShopGoals *goals, ShopSplitRule rule,
                             guint32 index)
{
  if (rule == SHOP_SPLIT_VERL_FIRST_VALIDATION)
    return SHOP_SPLIT_TEST;
  if (rule == SHOP_SPLIT_BY_PRODUCT)
    return shop_split_of_asin(shop_string(catalogue, catalogue->products[goals->items[index].product].asin));
  return index < UPSTREAM_TEST_END  ? SHOP_SPLIT_TEST
         : index < UPSTREAM_DEV_END ? SHOP_SPLIT_DEV
                                    : SHOP_SPLIT_TRAIN;
}

typedef struct {
  guint32 goal;
  guint64 rank;
} Ranked;

static int compare_ranked(gconstpointer a, gconstpointer b)
{
  const Ranked *x = a, *y = b;
  if (x->rank != y->rank)
    return x->rank < y->rank ? -1 : 1;
  return x->goal < y->goal ? -1 : x->goal > y->goal;
}

/* Per product the first of its places in a list of all its possible choices, and behind the last the number
 * of places. */
static guint32 *find_starts(const ShopCatalogue *catalogue, ShopGoalKind kind)
{
  guint32 *starts = g_new(guint32, (gsize)catalogue->n_products + 1), n = 0;
  for (guint32 p = 0; p < catalogue->n_products; p++) {
    const ShopProduct *product = &catalogue->products[p];
    starts[p] = n;
    if (kind == SHOP_GOALS_HUMAN)
      n += product->humans.count;
    else if (product->instruction != SHOP_STRING_NONE)
      n += (guint32)shop_goals_n_combinations(catalogue, p);
  }
  starts[catalogue->n_products] = n;
  return starts;
}

/* The goal of every product's every choice; SHOP_STRING_NONE where there is none. */
static guint32 *find_goals(const ShopGoals *goals, const guint32 *starts, guint32 n_products)
{
  guint32 *of_choice = g_new(guint32, (gsize)starts[n_products] + 1);
  memset(of_choice, 0xff, starts[n_products] * sizeof *of_choice);
  for (guint32 i = 0; i < goals->n_items; i++)
    of_choice[starts[goals->items[i].product] + goals->items[i].choice] = i;
  return of_choice;
}

static void split_by_product(ShopSplits *splits, const ShopCatalogue *catalogue, const ShopGoals *goals,
                             guint64 goals_per_product)
{
  g_autofree guint32 *starts = find_starts(catalogue, goals->kind);
  g_autofree guint32 *of_choice = find_goals(goals, starts, catalogue->n_products);
  g_autoptr(GArray) ranked = g_array_new(FALSE, FALSE, sizeof(Ranked));
  GArray *lists[SHOP_SPLIT_ALL];
  for (guint s = 0; s < SHOP_SPLIT_ALL; s++)
    lists[s] = g_array_new(FALSE, FALSE, sizeof(guint32));
  for (guint32 p = 0; p < catalogue->n_products; p++) {
    const char *asin = shop_string(catalogue, catalogue->products[p].asin);
    g_array_set_size(ranked, 0);
    for (guint32 i = starts[p]; i < starts[p + 1]; i++) {
      Ranked one = {of_choice[i], shop_hash_bytes(CHOICE_SALT ^ (i - starts[p]), asin, strlen(asin))};
      if (of_choice[i] != SHOP_STRING_NONE)
        g_array_append_val(ranked, one);
    }
    if (ranked->len == 0)
      continue;
    g_array_sort(ranked, compare_ranked);
    guint64 n_taken = goals_per_product > 0 ? MIN(ranked->len, goals_per_product) : ranked->len;
    for (guint64 i = 0; i < n_taken; i++)
      g_array_append_val(lists[shop_split_of_asin(asin)], g_array_index(ranked, Ranked, i).goal);
  }
  for (guint s = 0; s < SHOP_SPLIT_ALL; s++) {
    g_autoptr(GRand) random = shop_python_random_new(ORDER_SEED + s);
    splits->n_goals[s] = lists[s]->len;
    shop_python_random_shuffle(random, lists[s]->data, lists[s]->len, sizeof(guint32));
    splits->owned[s] = g_array_free(lists[s], FALSE);
    splits->goals[s] = splits->owned[s];
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
    splits->first[s] = bounds[s][0];
    splits->n_goals[s] = bounds[s][1] - bounds[s][0];
  }
}

ShopSplits *shop_splits_new(const ShopCatalogue *catalogue, const ShopGoals *goals, ShopSplitRule rule,
                            guint64 goals_per_product)
{
  ShopSplits *splits = g_new0(ShopSplits, 1);
  splits->n_goals[SHOP_SPLIT_ALL] = goals->n_items;
  if (rule == SHOP_SPLIT_VERL_FIRST_VALIDATION)
    splits->n_goals[SHOP_SPLIT_TEST] = goals->n_items;
  else if (rule == SHOP_SPLIT_UPSTREAM)
    split_upstream(splits, goals);
  else
    split_by_product(splits, catalogue, goals, goals_per_product);
  return splits;
}

static const char *const array_names[][SHOP_SPLITS_N_ARRAYS] = {
    [SHOP_GOALS_SYNTHETIC] = {"splits/synthetic/train", "splits/synthetic/dev", "splits/synthetic/test"},
    [SHOP_GOALS_HUMAN] = {"splits/human/train", "splits/human/dev", "splits/human/test"},
};

void shop_splits_arrays(const ShopSplits *splits, ShopGoalKind kind, ShopArray arrays[SHOP_SPLITS_N_ARRAYS])
{
  for (guint s = 0; s < SHOP_SPLITS_N_ARRAYS; s++)
    arrays[s] = (ShopArray){array_names[kind][s], splits->goals[s], sizeof(guint32), splits->n_goals[s]};
}

ShopSplits *shop_splits_open(const ShopCatalogue *catalogue, const ShopGoals *goals, ShopSplitRule rule,
                             guint64 goals_per_product, const ShopGoalSettings *stored,
                             ShopArrayFinder finder, gpointer source, GError **error)
{
  if (rule != SHOP_SPLIT_BY_PRODUCT || stored->goals_per_product != goals_per_product)
    return shop_splits_new(catalogue, goals, rule, goals_per_product);
  g_autoptr(ShopSplits) splits = g_new0(ShopSplits, 1);
  splits->n_goals[SHOP_SPLIT_ALL] = goals->n_items;
  for (guint s = 0; s < SHOP_SPLITS_N_ARRAYS; s++) {
    ShopArray found;
    if (!finder(source, array_names[goals->kind][s], sizeof(guint32), &found, error))
      return NULL;
    if (found.n_elements > goals->n_items) {
      shop_fail(error, CW_ERROR_FORMAT,
                "array '%s' of the shop file has more elements than there are goals; make the file again "
                "with 'cartwright import'",
                found.name);
      return NULL;
    }
    splits->goals[s] = found.elements;
    splits->n_goals[s] = (guint32)found.n_elements;
  }
  return g_steal_pointer(&splits);
}

gboolean shop_splits_check(const ShopSplits *splits, const ShopGoals *goals, GError **error)
{
  for (guint s = 0; s < SHOP_SPLITS_N_ARRAYS; s++) {
    gboolean good = TRUE;
    for (guint32 i = 0; good && i < splits->n_goals[s]; i++)
      good = splits->goals[s][i] < goals->n_items;
    if (!good)
      return shop_fail(
          error, CW_ERROR_FORMAT,
          "array '%s' of the shop file holds what cannot be; make the file again with 'cartwright import'",
          array_names[goals->kind][s]);
  }
  return TRUE;
}

void shop_splits_free(ShopSplits *splits)
{
  if (!splits)
    return;
  for (guint s = 0; s < SHOP_N_SPLITS; s++)
    g_free(splits->owned[s]);
  g_free(splits);
}

static const char *const names[SHOP_N_SPLITS] = {[SHOP_SPLIT_TRAIN] = "train",
                                                 [SHOP_SPLIT_DEV] = "dev",
                                                 [SHOP_SPLIT_TEST] = "test",
                                                 [SHOP_SPLIT_ALL] = "all"};

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
  return splits->goals[split] ? splits->goals[split][n] : splits->first[split] + n;
}
