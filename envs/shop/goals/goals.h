/* Goals: what a shopper is asked to buy. Made from the products' synthetic or crowd instructions in load
 * order, bounded in price, and shuffled as the original does (docs/spec 3). A goal is stored in eight
 * bytes and written out when an episode starts. What does not depend on the prices (the goals in their order)
 * can be in a shop file, and what does for one choice of them. */
#ifndef SHOP_GOALS_H
#define SHOP_GOALS_H

#include "envs/shop/catalogue/catalogue.h"
#include "envs/shop/catalogue/price.h"

typedef enum { SHOP_GOALS_SYNTHETIC, SHOP_GOALS_HUMAN } ShopGoalKind;

/* What stands for the price of a product whose page shows a range. */
typedef enum {
  SHOP_PRICES_DRAWN, /* uniform between the two, from the price seed, in load order */
  SHOP_PRICES_MIDDLE /* the middle of the range */
} ShopPriceRule;

/* Whose stream of random numbers decides about prices, bounds and order. All are CPython's. */
typedef enum {
  SHOP_PROTOCOL_CARTWRIGHT, /* the price seed before the prices and again before the bounds; 233 before the
                               order */
  SHOP_PROTOCOL_PRINCETON,  /* the bounds go on in the prices' stream; 233 before the order */
  SHOP_PROTOCOL_VERL_AGENT, /* the same, but the price seed before the order: every worker has its own */
  SHOP_PROTOCOL_AGENTGYM,   /* 233 before the bounds and before the order; crowd goals once for each bound */
  SHOP_PROTOCOL_MINIMAL     /* as princeton */
} ShopProtocol;

typedef struct ShopGoal {
  guint32 product; /* index in the catalogue */
  guint32 choice;  /* synthetic: which combination of option values; human: which of the product's records */
} ShopGoal;

typedef struct ShopGoals {
  ShopGoalKind kind;
  const ShopGoal *items; /* n_items, in the order after the shuffle */
  guint32 n_items;
  guint32 n_skipped; /* human records without attributes */
  char *skipped;     /* synthetic: how many and which instructions without attributes are no goals, or NULL */
  const double *prices; /* per product of the catalogue: the price that the reward compares */
  const gint32 *uppers; /* synthetic: per product, human: per record of the catalogue: the bound in dollars */
  /* Per goal, for goals that were drawn by several workers, which of them drew it; then prices and uppers
   * hold as many rows as there are workers. NULL: one worker. */
  const guint32 *workers;
  gpointer owned[4]; /* items, prices, uppers and workers, where they are not a shop file's */
} ShopGoals;

/* Draws the prices (generator seeded with `price_seed`), then, seeded so again, the bounds in load order,
 * then, seeded with 233, the order. */
ShopGoals *shop_goals_new(const ShopCatalogue *catalogue, ShopGoalKind kind, ShopPriceRule price_rule,
                          guint64 price_seed, GError **error);
void shop_goals_free(ShopGoals *goals); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ShopGoals, shop_goals_free)

/* Of two ShopGoals, which comes first in load order; for qsort. */
gint shop_goal_compare(gconstpointer a, gconstpointer b);
/* Draws prices, bounds and order anew as another protocol has them; splits made before do not belong to them.
 */
void shop_goals_follow(ShopGoals *goals, const ShopCatalogue *catalogue, ShopProtocol protocol,
                       ShopPriceRule price_rule, guint64 price_seed);
/* Puts other goals in the place of these: the 2 x 128 episodes of verl-agent's first validation, whose
 * environments it makes with `seed` (its env.seed + 1000). Worker i of 128 has prices, bounds and order of
 * seed
 * + i as SHOP_PROTOCOL_VERL_AGENT draws them, and shops for the goals at the two places that NumPy draws for
 * it below 500: RandomState(seed).choice(range(500), 128, replace=False), and once more. FALSE with error
 * where there are fewer than 500 goals. */
gboolean shop_goals_validate(ShopGoals *goals, const ShopCatalogue *catalogue, ShopPriceRule price_rule,
                             guint64 seed, GError **error);
/* What names a list of goals: the first 16 hexadecimal digits of the SHA-256 of its lines "ASIN CHOICE
 * BOUND\n" in order. Free with g_free. */
char *shop_goals_digest(const ShopGoals *goals, const ShopCatalogue *catalogue);

/* The bound of goal `index`. */
static inline gint32 shop_goal_price_upper(const ShopGoals *goals, const ShopCatalogue *catalogue,
                                           guint32 index)
{
  const ShopGoal *goal = &goals->items[index];
  gboolean synthetic = goals->kind == SHOP_GOALS_SYNTHETIC;
  gsize row = goals->workers ? goals->workers[index] : 0;
  gsize place = synthetic ? goal->product : catalogue->products[goal->product].humans.first + goal->choice;
  return goals->uppers[row * (synthetic ? catalogue->n_products : catalogue->n_humans) + place];
}

/* The drawn price of `product` for whoever shops for goal `index`. */
static inline double shop_goal_price(const ShopGoals *goals, const ShopCatalogue *catalogue, guint32 index,
                                     guint32 product)
{
  gsize row = goals->workers ? goals->workers[index] : 0;
  return goals->prices[row * catalogue->n_products + product];
}

/* How many combinations of option values a product has; more than G_MAXINT32 are counted only roughly. */
guint64 shop_goals_n_combinations(const ShopCatalogue *catalogue, guint32 product);

/* What the goals of a shop file were made with: the array "goals/settings", of one. */
typedef struct ShopGoalSettings {
  guint64 price_seed, goals_per_product;
  guint32 price_rule, n_skipped; /* ShopPriceRule; human records without attributes */
} ShopGoalSettings;

/* The arrays of goals as a shop file holds them: "goals/KIND/items", "goals/KIND/uppers", and the prices,
 * "goals/prices", which both kinds share. */
#define SHOP_GOALS_N_ARRAYS 3
/* Bytes with a NUL: `skipped`, in a file whose synthetic goals leave some out. */
#define SHOP_GOALS_SKIPPED "goals/synthetic/skipped"
void shop_goals_arrays(const ShopGoals *goals, const ShopCatalogue *catalogue,
                       ShopArray arrays[SHOP_GOALS_N_ARRAYS]);
/* The goals that a file holds for this catalogue; its memory must outlive them. With another price rule or
 * seed than those of `stored`, prices and bounds are drawn anew. */
ShopGoals *shop_goals_open(const ShopCatalogue *catalogue, ShopGoalKind kind, ShopPriceRule price_rule,
                           guint64 price_seed, const ShopGoalSettings *stored, ShopArrayFinder finder,
                           gpointer source, GError **error);

/* Whether goals that were opened from a file are those of products and choices that the catalogue has. */
gboolean shop_goals_check(const ShopGoals *goals, const ShopCatalogue *catalogue, GError **error);

/* The weights with which the original draws goals (docs/spec 3.2, 3.3): n_items + 1 cumulative sums from
 * 0; free with g_free. */
double *shop_goals_cumulative_weights(const ShopGoals *goals, const ShopCatalogue *catalogue);

/* A goal written out. Strings belong to the catalogue, the arrays and the instruction to the view, which is
 * reused from goal to goal. */
typedef struct ShopGoalView {
  guint32 index; /* in ShopGoals.items */
  guint32 product;
  double price_upper;
  double price_paid; /* of a product with a range of prices, in place of the drawn one; NaN: the drawn one */
  GString *instruction;       /* with option and price clauses */
  gsize length_without_price; /* of the instruction before its price clause */
  GPtrArray *attributes;      /* const char * */
  ShopSpan attribute_strings; /* the same, in the catalogue's strings */
  GPtrArray *option_names;  /* const char *; as long as option_values, or empty when there are only values */
  GPtrArray *option_values; /* const char * */
} ShopGoalView;

ShopGoalView *shop_goal_view_new(void);
void shop_goal_view_free(ShopGoalView *view); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ShopGoalView, shop_goal_view_free)
/* Fills the view with goal `index`. */
void shop_goal_view_set(ShopGoalView *view, const ShopCatalogue *catalogue, const ShopGoals *goals,
                        guint32 index);
/* The price of a purchase: price_paid where it is one of the product's, else the drawn one. */
double shop_goal_view_price(const ShopGoalView *view, const ShopCatalogue *catalogue, const ShopGoals *goals,
                            guint32 product);
/* Replaces the bound and its clause; SHOP_NO_PRICE_LIMIT removes the clause. */
void shop_goal_view_set_price_upper(ShopGoalView *view, double price_upper);

/* Appends the form in which WebShop's published lists and maps write a goal (docs/spec 7.3): lower case,
 * without quotes, trimmed, cut at the price clause. */
void shop_goal_append_published(GString *out, const char *instruction);

#endif
