/* Search queries made from the words of an instruction alone. */
#ifndef SHOP_QUERIES_H
#define SHOP_QUERIES_H

#include <glib.h>

#define SHOP_MAX_QUERIES 6

/* How a query is made of the instruction. */
typedef enum ShopQueryKind {
  SHOP_QUERY_WHOLE,           /* the instruction as it stands */
  SHOP_QUERY_WITHOUT_PRICE,   /* without its introduction and its price clause */
  SHOP_QUERY_OPTIONS_DOUBLED, /* its keywords, and the option values twice: they tell products apart best */
  SHOP_QUERY_KIND_OPTIONS,    /* the last two keywords of the head, which name the kind of product, and the
                                 options */
  SHOP_QUERY_HEAD_OPTIONS,    /* the keywords of the head, the part before the first " with ", and the option
                                 values */
  SHOP_QUERY_OPTIONS,         /* the option values alone */
  SHOP_QUERY_HEAD,            /* without option clause: the head */
  SHOP_QUERY_FIRST_KEYWORDS   /* without option clause: the first six keywords */
} ShopQueryKind;

extern const char *const shop_query_kind_names[];

/* Appends "search[QUERY]" actions for an instruction, lower case, best known first, no two equal, none
 * holding a bracket or a line break, at most SHOP_MAX_QUERIES. The first is the whole instruction. `actions`
 * holds GString * of which the first *n_actions are in use; further ones are reused or added.
 * `kinds` (room for SHOP_MAX_QUERIES, or NULL) gets the ShopQueryKind of each. */
void shop_queries_make(const char *instruction, GPtrArray *actions, guint *n_actions, guint *kinds);

/* The option clause of an instruction in lower case, "name: value, and name: value" without its " with ",
 * from *start to before *end; they are equal when there is none. */
void shop_queries_find_options(const char *instruction, const char **start, const char **end);

/* Frees a GString of such an array: its GDestroyNotify. */
void shop_queries_free(gpointer action);

/* Sets action number *n_actions to "search[QUERY]", lower-cased, unless an equal one is in use already;
 * returns its index. */
guint shop_queries_add(GPtrArray *actions, guint *n_actions, const char *query, gsize length);

#endif
