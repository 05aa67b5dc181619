/* Scripted shoppers. Each returns the index of the candidate it takes now, or -1
 * with error. */
#ifndef SHOP_SCRIPTS_H
#define SHOP_SCRIPTS_H

#include "envs/shop/session.h"

/* "rule" (webshop-spec 7.7): searches the instruction as it stands, opens the
 * first result, buys it without choosing an option. */
gint shop_rule_action(ShopSession *session, GError **error);

/* "reader": takes the query that names the options twice, opens the results from the first on, goes back from what
 * costs too much or lacks a wanted option, and buys the first product that fits, its options chosen; after five, the
 * first. It reads the instruction and the pages, never the goal. Options are found in the wording of synthetic
 * instructions only. */
gint shop_reader_action(ShopSession *session, GError **error);

#endif
