/* Price strings: "$1,234.50 - $2,000" becomes 1234.5 and 2000, shown as "$1234.5 to $2000.0". Everything but
 * digits and points is dropped from each piece, as the original does. */
#include "envs/shop/catalogue/price.h"

#include "envs/shop/text/text.h"

#include <math.h>
#include <string.h>

/* One piece between '$' signs. */
static gboolean parse_amount(const char *piece, gsize length, double *amount)
{
  char digits[64];
  gsize n = 0;
  guint n_points = 0, n_digits = 0;
  for (const char *p = piece; p < piece + length; p = g_utf8_next_char(p)) {
    gint digit = g_unichar_digit_value(g_utf8_get_char(p));
    if (digit < 0 && *p != '.')
      continue;
    if (n + 1 == sizeof digits)
      return FALSE;
    digits[n++] = digit < 0 ? '.' : (char)('0' + digit);
    if (digit < 0)
      n_points++;
    else
      n_digits++;
  }
  digits[n] = '\0';
  if (n_points > 1 || n_digits == 0)
    return FALSE;
  *amount = g_ascii_strtod(digits, NULL);
  return TRUE;
}

gboolean shop_price_parse(const char *pricing, double prices[2], guint32 *n_prices)
{
  *n_prices = 0;
  if (!pricing || *pricing == '\0') {
    prices[0] = prices[1] = 100;
    *n_prices = 1;
    return TRUE;
  }
  const char *piece = strchr(pricing, '$');
  while (piece) {
    piece++;
    const char *end = strchr(piece, '$');
    double amount;
    if (!parse_amount(piece, end ? (gsize)(end - piece) : strlen(piece), &amount))
      return FALSE;
    if (*n_prices < 2)
      prices[(*n_prices)++] = amount;
    piece = end;
  }
  if (*n_prices == 1)
    prices[1] = prices[0];
  return *n_prices > 0;
}

double shop_price_read_bound(const char *text)
{
  const char *clause = g_strrstr(text, SHOP_PRICE_CLAUSE);
  if (!clause)
    return SHOP_NO_PRICE_LIMIT;
  const char *amount = clause + strlen(SHOP_PRICE_CLAUSE);
  char *end;
  double bound = g_ascii_strtod(amount, &end);
  return end != amount && g_str_has_prefix(end, " dollars") && isfinite(bound) ? bound : SHOP_NO_PRICE_LIMIT;
}

void shop_price_append_tag(GString *out, const double prices[2], guint32 n_prices)
{
  for (guint32 i = 0; i < n_prices; i++) {
    g_string_append(out, i == 0 ? "$" : " to $");
    shop_text_append_double(out, prices[i]);
  }
}
