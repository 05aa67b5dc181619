/* The scripted expert; see expert.h. What it remembers between steps is in the session's script memory and
 * is cleared by reset; everything else it reads off the page. It may look where an agent may not: it tries
 * queries on the index before it types one, and rates products by the goal. */
#include "envs/shop/scripts/expert.h"

#include "envs/shop/scripts/scripts.h"

#include <string.h>

enum { MAX_OTHER_PRODUCTS = 2, MAX_WANTED = 32 };

#define NOT_FOUND G_MAXUINT

typedef struct {
  guint8 searched;       /* a search was made */
  guint8 settling;       /* no query finds the goal's product: buy the best of the results */
  guint8 checked;        /* the product to buy was read about, or that was decided against */
  guint8 other_products; /* opened on the way */
  guint32
      clicked; /* wanted options that are chosen on the present product, by their place among the wanted */
} Memory;

static gboolean strays(ShopSession *session)
{
  return cw_random_uniform(shop_session_random(session)) <
         shop_session_world(session)->settings.expert_detours;
}

/* The query that shows the product on the earliest page, the first of equals; and that page, from 0, or
 * NOT_FOUND. */
static gint choose_query(ShopSession *session, guint *page)
{
  guint n;
  const ShopCandidate *candidates = shop_session_candidates(session, &n);
  guint32 product = shop_session_goal(session)->product;
  gint best = -1;
  for (guint i = 0; i < n; i++) {
    if (candidates[i].kind != SHOP_ACTION_SEARCH)
      continue;
    guint32 found[SHOP_SCRIPT_RESULTS];
    guint n_found = shop_script_search(shop_session_world(session), candidates[i].text, found);
    guint rank = shop_script_rank(found, n_found, product);
    guint its_page = rank == NOT_FOUND ? NOT_FOUND : rank / SHOP_ITEMS_PER_PAGE;
    if (best < 0 || its_page < *page) {
      best = (gint)i;
      *page = its_page;
    }
  }
  return best;
}

static gint on_search_page(ShopSession *session, gpointer data)
{
  Memory *memory = data;
  guint n;
  const ShopCandidate *candidates = shop_session_candidates(session, &n);
  gboolean first = !memory->searched;
  memory->searched = TRUE;
  if (first && n > 1 && strays(session)) {
    guint other = cw_random_below(shop_session_random(session), n);
    if (candidates[other].kind == SHOP_ACTION_SEARCH)
      return (gint)other;
  }
  guint page = NOT_FOUND;
  gint query = choose_query(session, &page);
  memory->settling = page == NOT_FOUND;
  return query;
}

/* The target of `product` that gives the goal's option number `wanted`, or -1. */
static gint64 target_of(const ShopSession *session, guint32 product, guint wanted)
{
  const ShopCatalogue *catalogue = shop_session_world(session)->catalogue;
  const ShopGoalView *goal = shop_session_goal(session);
  const ShopProduct *shown = &catalogue->products[product];
  const char *value = g_ptr_array_index(goal->option_values, wanted);
  gboolean named = wanted < goal->option_names->len;
  gint64 by_value = -1;
  for (guint32 t = shown->targets.first; t < shown->targets.first + shown->targets.count; t++) {
    const ShopOptionTarget *target = &catalogue->targets[t];
    if (strcmp(shop_string(catalogue, target->value), value) != 0)
      continue;
    const ShopOptionGroup *group = &catalogue->groups[shown->groups.first + target->group];
    if (named &&
        strcmp(shop_string(catalogue, group->name), g_ptr_array_index(goal->option_names, wanted)) == 0)
      return t;
    by_value = t;
  }
  return by_value;
}

/* What the reward of a product would be with every wanted option it offers. */
static double promise(const ShopSession *session, guint32 product)
{
  const ShopWorld *world = shop_session_world(session);
  const ShopGoalView *goal = shop_session_goal(session);
  const char *values[MAX_WANTED];
  guint n_values = 0;
  for (guint i = 0; i < goal->option_values->len && n_values < MAX_WANTED; i++) {
    gint64 target = target_of(session, product, i);
    if (target >= 0)
      values[n_values++] = shop_string(world->catalogue, world->catalogue->targets[target].value);
  }
  ShopReward reward;
  shop_world_reward(world, goal, product, values, n_values, &reward);
  return reward.total;
}

/* The product to buy: the goal's, or the most promising of the results. */
static guint32 aim(ShopSession *session, const Memory *memory)
{
  guint32 product = shop_session_goal(session)->product;
  if (!memory->settling)
    return product;
  guint n;
  const guint32 *results = shop_session_results(session, &n);
  double best = -1.0;
  for (guint i = 0; i < n; i++) {
    double reward = promise(session, results[i]);
    if (reward > best) {
      best = reward;
      product = results[i];
    }
  }
  return product;
}

static gint on_results_page(ShopSession *session, gpointer data)
{
  Memory *memory = data;
  guint32 product = aim(session, memory);
  guint n;
  const guint32 *results = shop_session_results(session, &n);
  guint rank = shop_script_rank(results, n, product);
  if (rank == NOT_FOUND)
    return shop_script_find(session, SHOP_ACTION_BACK_TO_SEARCH, G_MAXUINT32);
  gboolean is_shown = rank / SHOP_ITEMS_PER_PAGE + 1 == (guint)shop_session_page_number(session);
  /* Somebody who does not know yet would look at what stands higher on the page. */
  guint above = rank % SHOP_ITEMS_PER_PAGE;
  if (is_shown && above > 0 && memory->other_products < MAX_OTHER_PRODUCTS && strays(session)) {
    guint32 other = results[rank - 1 - cw_random_below(shop_session_random(session), above)];
    gint candidate =
        shop_session_visited(session, other) ? -1 : shop_script_find(session, SHOP_ACTION_ITEM, other);
    if (candidate >= 0) {
      memory->other_products++;
      return candidate;
    }
  }
  return shop_script_approach(session, rank, product);
}

/* The next wanted option in page order that is not chosen yet, or -1. */
static gint next_option(ShopSession *session, const Memory *memory)
{
  const ShopGoalView *goal = shop_session_goal(session);
  gint64 first = -1;
  for (guint i = 0; i < goal->option_values->len && i < MAX_WANTED; i++) {
    gint64 target = target_of(session, shop_session_product(session), i);
    if (target >= 0 && !(memory->clicked & (1u << i)) && (first < 0 || target < first))
      first = target;
  }
  if (first < 0)
    return -1;
  return shop_script_find(session, SHOP_ACTION_OPTION, (guint32)first);
}

static gint on_item_page(ShopSession *session, gpointer data)
{
  Memory *memory = data;
  if (shop_session_product(session) != aim(session, memory))
    return shop_script_find(session, SHOP_ACTION_PREVIOUS, G_MAXUINT32);
  if (!memory->checked) {
    memory->checked = TRUE;
    if (strays(session)) {
      ShopSubPage page =
          cw_random_below(shop_session_random(session), 2) ? SHOP_SUB_FEATURES : SHOP_SUB_DESCRIPTION;
      return shop_script_find(session, SHOP_ACTION_SUB, page);
    }
  }
  gint option = next_option(session, memory);
  return option >= 0 ? option : shop_script_find(session, SHOP_ACTION_BUY, G_MAXUINT32);
}

/* Takes note of the last step, which need not be what the expert advised: it may be the teacher of another
 * agent. */
static void follow(ShopSession *session, Memory *memory)
{
  guint32 argument;
  ShopActionKind taken = shop_session_taken(session, &argument);
  if (taken == SHOP_ACTION_ITEM)
    memory->clicked = 0;
  if (taken != SHOP_ACTION_OPTION)
    return;
  const ShopOptionTarget *targets = shop_session_world(session)->catalogue->targets;
  const ShopGoalView *goal = shop_session_goal(session);
  for (guint i = 0; i < goal->option_values->len && i < MAX_WANTED; i++) {
    gint64 wanted = target_of(session, shop_session_product(session), i);
    if (wanted == argument)
      memory->clicked |= 1u << i;
    else if (wanted >= 0 && targets[wanted].group == targets[argument].group)
      memory->clicked &= ~(1u << i);
  }
}

gint shop_expert_action(ShopSession *session, GError **error)
{
  static const ShopScript script = {"expert", on_search_page, on_results_page, on_item_page};
  Memory *memory = shop_session_script_memory(session, sizeof *memory);
  follow(session, memory);
  return shop_script_act(session, &script, memory, error);
}
