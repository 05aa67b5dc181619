/* The grammar of action texts (docs/spec 5.4): NAME[ARGUMENT]. */
#ifndef SHOP_ACTION_H
#define SHOP_ACTION_H

#include <glib.h>

/* A view into the text of an action. */
typedef struct ShopActionText {
  const char *name, *argument;
  gsize name_length, argument_length;
} ShopActionText;

/* Splits an action. As the original: both parts non-empty, within the first line, the last '[' that leaves an
 * argument splits, what follows the last ']' is ignored. With `first_bracket` the first '[' splits. FALSE
 * when it has no such form. */
gboolean shop_action_parse(const char *text, gboolean first_bracket, ShopActionText *parts);

#endif
