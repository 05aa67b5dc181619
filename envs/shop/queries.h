/* Search queries made from the words of an instruction alone. */
#ifndef SHOP_QUERIES_H
#define SHOP_QUERIES_H

#include <glib.h>

#define SHOP_MAX_QUERIES 8

/* Appends "search[QUERY]" actions for an instruction, lower case, best known
 * first, no two equal, none holding a bracket or a line break, at most
 * SHOP_MAX_QUERIES. The first is the whole instruction. `actions` holds GString *
 * of which the first *n_actions are in use; further ones are reused or added. */
void shop_queries_make(const char *instruction, GPtrArray *actions, guint *n_actions);

/* Sets action number *n_actions to "search[QUERY]", lower-cased, unless an equal
 * one is in use already; returns its index. */
guint shop_queries_add(GPtrArray *actions, guint *n_actions, const char *query, gsize length);

#endif
