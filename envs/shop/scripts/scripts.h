/* Scripted shoppers. Each returns the index of the candidate it takes now, or -1 with error. */
#ifndef SHOP_SCRIPTS_H
#define SHOP_SCRIPTS_H

#include "envs/shop/session/session.h"

/* "rule" (docs/spec 7.7): searches the instruction as it stands, opens the first result, buys it without
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

/* For scripts: the candidate that turns the result pages towards the page of place `rank`, or on that page
 * opens `product`. */
gint shop_script_approach(ShopSession *session, guint rank, guint32 product);

/* For scripts: the first SHOP_SCRIPT_RESULTS results of a search action; returns their number. */
#define SHOP_SCRIPT_RESULTS 50
guint shop_script_search(const ShopWorld *world, const char *action, guint32 *found);
/* The place of `product` among results, or G_MAXUINT. */
guint shop_script_rank(const guint32 *results, guint n, guint32 product);

/* What a script does on one kind of page; `memory` is its memory in the session. */
typedef gint (*ShopScriptPage)(ShopSession *session, gpointer memory);
typedef struct ShopScript {
  const char *name;
  ShopScriptPage on_search, on_results, on_item;
} ShopScript;

/* The candidate of the present page; it goes back from a sub page. Where the script has none (-1), the way on
 * that the page has: a purchase, or the search page. -1 with error, which names the script, when there is no
 * such way: a cut of the candidates may have taken what was wanted. */
gint shop_script_act(ShopSession *session, const ShopScript *script, gpointer memory, GError **error);

#endif
