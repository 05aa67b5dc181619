/* What a shop holds, in JSON, for programs that play WebShop's classes over it: products, goals before they
 * are put into an order, and what a purchase is worth. Verbs of answers.c. */
#ifndef SHOP_STOCK_H
#define SHOP_STOCK_H

#include "envs/shop/text/json.h"
#include "envs/shop/world/world.h"

/* {"first": N, "count": M} or {"asins": [ASIN, ...]}: {"products": [{...}, ...]} with everything that pages,
 * goals and rewards are made of; an ASIN that is not there gives null. */
json_t *shop_stock_products(const ShopWorld *world, const json_t *request, GError **error);
/* {}: {"kind", "products": how many, "prices": [[P] or [LOW, HIGH], ...] in load order, "goals": [[PRODUCT,
 * CHOICE],
 * ...] in load order, "attributes": {PRODUCT: [those that its synthetic instruction asks for]}}. */
json_t *shop_stock_list(const ShopWorld *world, const json_t *request, GError **error);
/* {"goal": [PRODUCT, CHOICE], "price_upper": X, "asin": ASIN, "options": [VALUE, ...], "price": what the
 * purchase costs}: the reward with its parts under the original's names; r_option and w_option only when the
 * goal has options.
 */
json_t *shop_stock_reward(const ShopWorld *world, const json_t *request, GError **error);

#endif
