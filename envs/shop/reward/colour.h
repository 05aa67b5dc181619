/* Colours and sizes reduced to base words (specification section 6.7). The reward compares options after
 * their colours have been reduced. */
#ifndef SHOP_COLOUR_H
#define SHOP_COLOUR_H

#include <glib.h>

G_BEGIN_DECLS

/* The first word of the colour list, in the list's order, that occurs anywhere in `text` (case-sensitive), or
 * NULL: "light blue" gives "blue", "standard" gives "tan". The result is constant. */
const char *shop_colour_find(const char *text);

/* As the reward uses it: the colour word, or `text` itself. */
const char *shop_colour_normalise(const char *text);

/* The colour word equal to one of two whole strings, first in the list's order, or NULL: what the original
 * does to a (name, value) pair. */
const char *shop_colour_find_equal(const char *name, const char *value);

/* The class of a lower-cased size: the first pattern found in it, as the pattern is written ("xx-large",
 * "(.*)meter"), "numeric_size" for digits with at most one point, else "not_matched". The result is constant.
 * No reward depends on it: it is for tables of sizes. */
const char *shop_size_class(const char *size);

G_END_DECLS

#endif
