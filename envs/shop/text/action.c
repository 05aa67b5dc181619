/* Parsing one action text. Nothing is copied: the parts point into the text. */
#include "envs/shop/text/action.h"

#include <string.h>

gboolean shop_action_parse(const char *text, gboolean first_bracket, ShopActionText *parts)
{
  gsize length = strcspn(text, "\n");
  gsize close = length;
  while (close > 0 && text[close - 1] != ']')
    close--;
  if (close < 4) /* the shortest is a[b] */
    return FALSE;
  close--;
  gsize open = 0;
  if (first_bracket) {
    while (open < close && text[open] != '[')
      open++;
  } else {
    open = close - 2;
    while (open > 0 && text[open] != '[')
      open--;
  }
  if (open == 0 || open + 1 >= close)
    return FALSE;
  *parts = (ShopActionText){text, text + open + 1, open, close - open - 1};
  return TRUE;
}
