/* What the files of this room share. */
#ifndef SHOP_GOALS_PRIVATE_H
#define SHOP_GOALS_PRIVATE_H

#include "envs/shop/goals/goals.h"

#define SHOP_ORDER_SEED 233

/* Prices and bounds as protocol `cartwright` draws them, owned by the goals. */
void shop_goals_draw(ShopGoals *goals, const ShopCatalogue *catalogue, ShopPriceRule price_rule,
                     guint64 price_seed);

#endif
