/* The choice oracle; see oracle.h. It tries queries on the index and the reward of purchases before it takes
 * an action. Between steps it remembers, in the session's script memory, which product it is after. */
#include "envs/shop/scripts/oracle.h"

#include "envs/shop/scripts/scripts.h"

#include <string.h>

enum { N_SWEEPS = 2 };

#define NO_TARGET G_MAXUINT32

typedef struct {
  guint32 product;
  guint8 decided;
  guint8 clicked; /* options chosen so far */
} Memory;

/* One option value of each group, or NO_TARGET. */
typedef struct {
  const ShopWorld *world;
  const ShopGoalView *goal;
  guint32 product;
  guint n_groups;
  guint32 chosen[SHOP_ORACLE_MAX_GROUPS];
} Choice;

static const char *value_of(const ShopWorld *world, guint32 target)
{
  return shop_string(world->catalogue, world->catalogue->targets[target].value);
}

static double reward_of(const Choice *choice)
{
  const char *values[SHOP_ORACLE_MAX_GROUPS];
  guint n_values = 0;
  for (guint g = 0; g < choice->n_groups; g++)
    if (choice->chosen[g] != NO_TARGET)
      values[n_values++] = value_of(choice->world, choice->chosen[g]);
  ShopReward reward;
  shop_world_reward(choice->world, choice->goal, choice->product, values, n_values, &reward);
  return reward.total;
}

/* In faithful mode a click on a value that reads like a button, or that its action text garbles, does
 * something else.
 */
static gboolean can_be_chosen(const ShopWorld *world, guint32 target)
{
  return world->settings.mode == SHOP_MODE_FIXED || !world->catalogue->targets[target].special;
}

/* The reward if all values could be chosen at once. */
static double bound_of(const ShopWorld *world, const ShopGoalView *goal, const ShopProduct *product,
                       guint32 index)
{
  g_autofree const char **values = g_new(const char *, (gsize)product->targets.count + 1);
  guint n_values = 0;
  for (guint32 t = product->targets.first; t < product->targets.first + product->targets.count; t++)
    if (can_be_chosen(world, t))
      values[n_values++] = value_of(world, t);
  ShopReward reward;
  shop_world_reward(world, goal, index, values, n_values, &reward);
  return reward.total;
}

void shop_oracle_product(const ShopWorld *world, const ShopGoalView *goal, guint32 index, double at_least,
                         ShopReach *reach)
{
  const ShopCatalogue *catalogue = world->catalogue;
  const ShopProduct *product = &catalogue->products[index];
  *reach = (ShopReach){.is_certain = TRUE};
  double bound = bound_of(world, goal, product, index);
  if (bound <= at_least)
    return;
  Choice choice = {world, goal, index, MIN(product->groups.count, SHOP_ORACLE_MAX_GROUPS), {0}};
  for (guint g = 0; g < choice.n_groups; g++)
    choice.chosen[g] = NO_TARGET;
  reach->reward = reward_of(&choice);
  for (guint sweep = 0; sweep < N_SWEEPS && reach->reward < bound; sweep++) {
    for (guint32 t = product->targets.first; t < product->targets.first + product->targets.count; t++) {
      guint32 group = catalogue->targets[t].group;
      if (group >= choice.n_groups || !can_be_chosen(world, t) || reach->reward >= bound)
        continue;
      guint32 before = choice.chosen[group];
      choice.chosen[group] = t;
      double reward = reward_of(&choice);
      if (reward > reach->reward)
        reach->reward = reward;
      else
        choice.chosen[group] = before;
    }
  }
  reach->is_certain = reach->reward >= bound;
  for (guint32 t = product->targets.first; t < product->targets.first + product->targets.count; t++) {
    guint32 group = catalogue->targets[t].group;
    if (group < choice.n_groups && choice.chosen[group] == t)
      reach->targets[reach->n_targets++] = t;
  }
}

void shop_oracle_products(const ShopWorld *world, const ShopGoalView *goal, const guint32 *products,
                          guint n_products, guint32 *best, ShopReach *reach)
{
  *best = G_MAXUINT32;
  *reach = (ShopReach){.reward = -1, .is_certain = TRUE};
  gboolean is_certain = TRUE;
  for (guint i = 0; i < n_products; i++) {
    ShopReach one;
    shop_oracle_product(world, goal, products[i], reach->reward, &one);
    is_certain = is_certain && one.is_certain;
    if (one.reward > reach->reward) {
      *reach = one;
      *best = products[i];
    }
  }
  /* A perfect reward is the best there is, whatever was left open on the way. */
  reach->is_certain = is_certain || reach->reward >= 1;
  if (n_products == 0)
    reach->reward = 0;
}

static gint on_search_page(ShopSession *session, gpointer data)
{
  Memory *memory = data;
  const ShopWorld *world = shop_session_world(session);
  guint n_candidates, best_page = G_MAXUINT;
  const ShopCandidate *candidates = shop_session_candidates(session, &n_candidates);
  gint best = -1;
  double best_reward = -1;
  for (guint i = 0; i < n_candidates; i++) {
    if (candidates[i].kind != SHOP_ACTION_SEARCH)
      continue;
    guint32 results[SHOP_SCRIPT_RESULTS], product;
    guint n = shop_script_search(world, candidates[i].text, results);
    ShopReach reach;
    shop_oracle_products(world, shop_session_goal(session), results, n, &product, &reach);
    guint rank = shop_script_rank(results, n, product);
    guint page = rank == G_MAXUINT ? rank : rank / SHOP_ITEMS_PER_PAGE;
    if (best >= 0 && (reach.reward < best_reward || (reach.reward == best_reward && page >= best_page)))
      continue;
    best = (gint)i;
    best_reward = reach.reward;
    best_page = page;
    memory->product = product;
    memory->decided = product != G_MAXUINT32;
  }
  return best;
}

static gint on_results_page(ShopSession *session, gpointer data)
{
  const Memory *memory = data;
  guint n;
  const guint32 *results = shop_session_results(session, &n);
  guint rank = shop_script_rank(results, n, memory->product);
  if (!memory->decided || rank == G_MAXUINT)
    return shop_script_find(session, SHOP_ACTION_BACK_TO_SEARCH, G_MAXUINT32);
  return shop_script_approach(session, rank, memory->product);
}

static gint on_item_page(ShopSession *session, gpointer data)
{
  Memory *memory = data;
  if (shop_session_product(session) != memory->product)
    return shop_script_find(session, SHOP_ACTION_PREVIOUS, G_MAXUINT32);
  ShopReach reach;
  shop_oracle_product(shop_session_world(session), shop_session_goal(session), memory->product, -1, &reach);
  while (memory->clicked < reach.n_targets) {
    gint candidate = shop_script_find(session, SHOP_ACTION_OPTION, reach.targets[memory->clicked++]);
    if (candidate >= 0)
      return candidate;
  }
  return shop_script_find(session, SHOP_ACTION_BUY, G_MAXUINT32);
}

gint shop_oracle_action(ShopSession *session, GError **error)
{
  static const ShopScript script = {"oracle", on_search_page, on_results_page, on_item_page};
  return shop_script_act(session, &script, shop_session_script_memory(session, sizeof(Memory)), error);
}
