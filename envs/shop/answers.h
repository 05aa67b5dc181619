/* Questions that the command asks a shop, in JSON. */
#ifndef SHOP_ANSWERS_H
#define SHOP_ANSWERS_H

#include "envs/shop/world/world.h"

/* verb "search", request {"query": TEXT, "page": N, "all": BOOLEAN}:
 *   {"query": TEXT, "total": T, "asins": [the page's]}; page defaults to 1; all: from that page on, at most
 * 50 verb "score", request {"goal": N or "webshop_N", "asin": ASIN, "options": [VALUE, ...] or {NAME: VALUE,
 * ...}, "price_upper": X}:
 *   {"goal", "asin", "reward", "attributes", "options", "type", "price"}; options
 *   default to none, price_upper to the goal's own
 * verb "goal", request N, "webshop_N" or {"goal": either}: the goal written out. Verbs "products",
 * "stock", "reward": stock.h. Returns JSON text for
 * g_free, or NULL with error. */
char *shop_answer(const ShopWorld *world, const char *verb, const char *request, GError **error);

#endif
