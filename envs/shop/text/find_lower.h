/* Looking for a string in texts as they would be in lower case, without lowering them: the reward looks so
 * for attributes in a product's texts. */
#ifndef SHOP_FIND_LOWER_H
#define SHOP_FIND_LOWER_H

#include <glib.h>

/* A text that is searched several times. */
typedef struct ShopLowerText {
  const char *text;   /* UTF-8; borrowed */
  gsize length;       /* in bytes */
  gboolean is_simple; /* none of its lower case's ASCII letters comes from another letter than its capital */
} ShopLowerText;

ShopLowerText shop_lower_text(const char *text, gsize length);

/* Whether the text, put into lower case as shop_text_append_lower does, contains
 * `needle` as it is. `scratch` is overwritten where the text has to be lowered
 * after all. */
gboolean shop_lower_text_holds(const ShopLowerText *text, const char *needle, GString *scratch);

#endif
