/* What is drawn about goals: a price for each product that has a range of them, a bound for each instruction,
 * and their order. Whose stream of random numbers that is decides about all three (docs/spec 2 and 3). */
#include "envs/shop/goals/goals_private.h"

#include "envs/shop/goals/python_random.h"

#include "envs/shop/text/fail.h"
#include <string.h>

#define WORKERS      128
#define RESETS       2
#define PLACES       500 /* those that verl-agent calls validation */
#define LADDER_STEP  10
#define LADDER_LIMIT 1000 /* 10, 20, ... 990 */
#define LADDER_TAKEN 4

static double *draw_prices(const ShopCatalogue *catalogue, ShopPriceRule rule, GRand *random)
{
  double *prices = g_new(double, catalogue->n_products);
  for (guint32 i = 0; i < catalogue->n_products; i++) {
    const ShopProduct *product = &catalogue->products[i];
    if (product->n_prices < 2)
      prices[i] = product->prices[0];
    else if (rule == SHOP_PRICES_MIDDLE)
      prices[i] = (product->prices[0] + product->prices[1]) / 2;
    else
      prices[i] = shop_python_random_uniform(random, product->prices[0], product->prices[1]);
  }
  return prices;
}

/* The first step of the ladder above `price`, or its end. */
static gint32 first_step(double price)
{
  gint32 first = LADDER_STEP;
  while (first < LADDER_LIMIT && !(first > price))
    first += LADDER_STEP;
  return first;
}

/* The larger of two drawn among the next four steps of the ladder above `price` (docs/spec 3.1). */
static gint32 draw_upper(GRand *random, double price)
{
  gint32 first = first_step(price);
  gint32 n = MIN((LADDER_LIMIT - first) / LADDER_STEP, LADDER_TAKEN);
  if (n < 2)
    return SHOP_NO_PRICE_LIMIT;
  guint32 chosen[2];
  shop_python_random_sample(random, (guint32)n, 2, chosen);
  return first + LADDER_STEP * (gint32)MAX(chosen[0], chosen[1]);
}

/* A bound for every synthetic instruction or every usable record, in load order. */
static gint32 *draw_uppers(const ShopCatalogue *catalogue, ShopGoalKind kind, const double *prices,
                           GRand *random)
{
  gboolean synthetic = kind == SHOP_GOALS_SYNTHETIC;
  gint32 *uppers = g_new0(gint32, (gsize)(synthetic ? catalogue->n_products : catalogue->n_humans) + 1);
  for (guint32 i = 0; i < catalogue->n_products; i++) {
    const ShopProduct *product = &catalogue->products[i];
    if (synthetic && product->instruction != SHOP_STRING_NONE)
      uppers[i] = draw_upper(random, prices[i]);
    for (guint32 h = 0; !synthetic && h < product->humans.count; h++)
      if (catalogue->humans[product->humans.first + h].attributes.count > 0)
        uppers[product->humans.first + h] = draw_upper(random, prices[i]);
  }
  return uppers;
}

void shop_goals_draw(ShopGoals *goals, const ShopCatalogue *catalogue, ShopPriceRule price_rule,
                     guint64 price_seed)
{
  g_autoptr(GRand) of_prices = shop_python_random_new(price_seed);
  goals->prices = goals->owned[1] = draw_prices(catalogue, price_rule, of_prices);
  g_autoptr(GRand) of_uppers = shop_python_random_new(price_seed);
  goals->uppers = goals->owned[2] = draw_uppers(catalogue, goals->kind, goals->prices, of_uppers);
}

typedef struct {
  ShopGoal goal;
  guint32 worker;
} Copy;

/* A copy of each crowd goal for each of the next four steps of the ladder above its price; four without a
 * bound where there are not two. As four workers' goals, who differ in nothing but the step. */
static GArray *copy_goals(const ShopGoals *goals, const ShopCatalogue *catalogue, gint32 *uppers)
{
  GArray *copies = g_array_new(FALSE, FALSE, sizeof(Copy));
  for (guint32 i = 0; i < goals->n_items; i++) {
    ShopGoal goal = goals->items[i];
    guint32 record = catalogue->products[goal.product].humans.first + goal.choice;
    gint32 first = first_step(goals->prices[goal.product]), n = (LADDER_LIMIT - first) / LADDER_STEP;
    for (guint32 w = 0; w < LADDER_TAKEN && (n < 2 || (gint32)w < n); w++) {
      uppers[w * catalogue->n_humans + record] =
          n < 2 ? SHOP_NO_PRICE_LIMIT : first + LADDER_STEP * (gint32)w;
      Copy copy = {goal, w};
      g_array_append_val(copies, copy);
    }
  }
  return copies;
}

/* The crowd goals of AgentGym: prices from `random`, the copies in the order after 233. */
static void draw_agentgym_crowd(ShopGoals *goals, const ShopCatalogue *catalogue, ShopPriceRule price_rule,
                                GRand *random)
{
  gsize n_products = catalogue->n_products;
  double *prices = g_new(double, LADDER_TAKEN *n_products);
  g_autofree double *one = draw_prices(catalogue, price_rule, random);
  for (guint w = 0; w < LADDER_TAKEN; w++)
    memcpy(prices + w * n_products, one, n_products * sizeof *prices);
  goals->prices = goals->owned[1] = prices;
  gint32 *uppers = g_new0(gint32, LADDER_TAKEN * (gsize)catalogue->n_humans + 1);
  goals->uppers = goals->owned[2] = uppers;
  g_autoptr(GArray) copies = copy_goals(goals, catalogue, uppers);
  g_autoptr(GRand) of_order = shop_python_random_new(SHOP_ORDER_SEED);
  shop_python_random_shuffle(of_order, copies->data, copies->len, sizeof(Copy));
  ShopGoal *items = g_new(ShopGoal, copies->len);
  guint32 *workers = g_new(guint32, copies->len);
  for (guint i = 0; i < copies->len; i++) {
    items[i] = g_array_index(copies, Copy, i).goal;
    workers[i] = g_array_index(copies, Copy, i).worker;
  }
  g_free(goals->owned[0]);
  goals->items = goals->owned[0] = items;
  goals->workers = goals->owned[3] = workers;
  goals->n_items = copies->len;
}

void shop_goals_follow(ShopGoals *goals, const ShopCatalogue *catalogue, ShopProtocol protocol,
                       ShopPriceRule price_rule, guint64 price_seed)
{
  g_autofree gpointer items = goals->owned[0], prices = goals->owned[1], uppers = goals->owned[2];
  ShopGoal *order = g_memdup2(goals->items, goals->n_items * sizeof(ShopGoal));
  goals->items = goals->owned[0] = order;
  qsort(order, goals->n_items, sizeof(ShopGoal), shop_goal_compare);
  g_autoptr(GRand) random = shop_python_random_new(price_seed);
  if (protocol == SHOP_PROTOCOL_AGENTGYM && goals->kind == SHOP_GOALS_HUMAN) {
    draw_agentgym_crowd(goals, catalogue, price_rule, random);
    return;
  }
  goals->prices = goals->owned[1] = draw_prices(catalogue, price_rule, random);
  g_autoptr(GRand) of_uppers =
      shop_python_random_new(protocol == SHOP_PROTOCOL_CARTWRIGHT ? price_seed : (guint64)SHOP_ORDER_SEED);
  gboolean goes_on = protocol != SHOP_PROTOCOL_CARTWRIGHT && protocol != SHOP_PROTOCOL_AGENTGYM;
  goals->uppers = goals->owned[2] =
      draw_uppers(catalogue, goals->kind, goals->prices, goes_on ? random : of_uppers);
  g_autoptr(GRand) of_order =
      shop_python_random_new(protocol == SHOP_PROTOCOL_VERL_AGENT ? price_seed : (guint64)SHOP_ORDER_SEED);
  shop_python_random_shuffle(of_order, order, goals->n_items, sizeof(ShopGoal));
}

/* One worker's goals in its order, and its prices and bounds into its rows. */
static void draw_worker(const ShopGoals *goals, const ShopCatalogue *catalogue, ShopPriceRule price_rule,
                        guint64 seed, ShopGoals *worker)
{
  *worker = (ShopGoals){.kind = goals->kind, .items = goals->items, .n_items = goals->n_items};
  shop_goals_follow(worker, catalogue, SHOP_PROTOCOL_VERL_AGENT, price_rule, seed);
}

gboolean shop_goals_validate(ShopGoals *goals, const ShopCatalogue *catalogue, ShopPriceRule price_rule,
                             guint64 seed, GError **error)
{
  if (goals->n_items < PLACES)
    return shop_fail(error, CW_ERROR_UNSUPPORTED,
                     "verl-agent's validation draws among %d goals, but this shop has %u; set another "
                     "'split_rule'",
                     PLACES, goals->n_items);
  gsize n_products = catalogue->n_products;
  gsize n_uppers = goals->kind == SHOP_GOALS_SYNTHETIC ? n_products : catalogue->n_humans;
  ShopGoal *items = g_new(ShopGoal, WORKERS * RESETS);
  double *prices = g_new(double, WORKERS *n_products);
  gint32 *uppers = g_new(gint32, WORKERS * n_uppers);
  guint32 *workers = g_new(guint32, WORKERS * RESETS), places[RESETS][WORKERS];
  g_autoptr(GRand) random = shop_numpy_random_new((guint32)seed);
  for (guint r = 0; r < RESETS; r++)
    shop_numpy_random_choice(random, PLACES, WORKERS, places[r]);
  for (guint32 w = 0; w < WORKERS; w++) {
    ShopGoals worker;
    draw_worker(goals, catalogue, price_rule, seed + w, &worker);
    memcpy(prices + w * n_products, worker.prices, n_products * sizeof *prices);
    memcpy(uppers + w * n_uppers, worker.uppers, n_uppers * sizeof *uppers);
    for (guint r = 0; r < RESETS; r++) {
      items[r * WORKERS + w] = worker.items[places[r][w]];
      workers[r * WORKERS + w] = w;
    }
    for (guint i = 0; i < G_N_ELEMENTS(worker.owned); i++)
      g_free(worker.owned[i]);
  }
  for (guint i = 0; i < G_N_ELEMENTS(goals->owned); i++)
    g_free(goals->owned[i]);
  goals->items = goals->owned[0] = items;
  goals->prices = goals->owned[1] = prices;
  goals->uppers = goals->owned[2] = uppers;
  goals->workers = goals->owned[3] = workers;
  goals->n_items = WORKERS * RESETS;
  return TRUE;
}
