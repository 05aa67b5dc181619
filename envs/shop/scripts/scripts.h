/* Scripted shoppers. Each returns the index of the candidate it takes now, or -1 with error. */
#ifndef SHOP_SCRIPTS_H
#define SHOP_SCRIPTS_H

#include "envs/shop/session/session.h"

/* "rule" (webshop-spec 7.7): searches the instruction as it stands, opens the first result, buys it without
 * choosing an option. */
gint shop_rule_action(ShopSession *session, GError **error);

/* "reader": takes the query that names the options twice, opens the results from the first on, goes back from
 * what costs too much or lacks a wanted option, and buys the first product that fits, its options chosen;
 * after five, the first. It reads the instruction and the pages, never the goal. Options are found in the
 * wording of synthetic instructions only. */
gint shop_reader_action(ShopSession *session, GError **error);

/* For scripts: the first candidate of a kind and an argument, any argument with G_MAXUINT32; -1 when there is
 * none. */
gint shop_script_find(ShopSession *session, ShopActionKind kind, guint32 argument);

/* For scripts: `candidate`, or when that is -1 the way on that the page has, a purchase or the search page;
 * -1 with error, which names the script, when it has none: a cut of the candidates may have taken what was
 * wanted. */
gint shop_script_or_way_on(ShopSession *session, gint candidate, const char *script, GError **error);

#endif
