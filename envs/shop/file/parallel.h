/* Work that several threads share. */
#ifndef SHOP_PARALLEL_H
#define SHOP_PARALLEL_H

#include <glib.h>

/* Does part number `i`. */
typedef void (*ShopPart)(gpointer data, guint i);

/* Does parts 0 .. n_parts - 1, each once, on at most as many threads as there are processors; the caller is
 * one of them. Where no thread can be made, those that there are do all of it. */
void shop_in_parallel(ShopPart part, guint n_parts, gpointer data);

#endif
