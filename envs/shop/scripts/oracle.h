/* The choice oracle: what somebody who knows the reward could get out of the results of a query. It is the
 * ceiling that a set of queries leaves to the choices after them, and a scripted agent that reaches it. */
#ifndef SHOP_ORACLE_H
#define SHOP_ORACLE_H

#include "envs/shop/session/session.h"

/* A product that clicks can choose at most so many options of is searched no further. */
#define SHOP_ORACLE_MAX_GROUPS 24

/* The best reward that buying one product can bring. */
typedef struct ShopReach {
  double reward;
  guint n_targets;                         /* the options to choose for it, in page order */
  guint32 targets[SHOP_ORACLE_MAX_GROUPS]; /* indices in the catalogue's targets */
  gboolean is_certain; /* no choice of options can do better; else none was found that does */
} ShopReach;

/* The best over the options that clicks reach, one value of a group. Options are chosen group after group,
 * each time the value that brings most, twice over; that is certainly the best when it equals the reward of
 * all values together, which nothing exceeds. A product whose bound is not above `at_least` is left with
 * reward 0 (pass -1 to have it searched). */
void shop_oracle_product(const ShopWorld *world, const ShopGoalView *goal, guint32 product, double at_least,
                         ShopReach *reach);

/* The best of a list of products; the first of equals. *best is G_MAXUINT32 for an empty list. */
void shop_oracle_products(const ShopWorld *world, const ShopGoalView *goal, const guint32 *products,
                          guint n_products, guint32 *best, ShopReach *reach);

/* The scripted agent "oracle": takes the candidate query whose results hold the best reward, the earliest
 * page of equals; opens that product, chooses those options and buys. It takes only candidates. Called once
 * per step; -1 with CW_ENVIRONMENT_ERROR when the page has no candidate to go on with. */
gint shop_oracle_action(ShopSession *session, GError **error);

#endif
