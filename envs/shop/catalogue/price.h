/* Prices as the original parses and shows them (webshop-spec 1.4). */
#ifndef SHOP_PRICE_H
#define SHOP_PRICE_H

#include <glib.h>

/* Reads the raw price string: NULL or "" is one price of 100; otherwise the first one or two amounts after
 * '$' signs. FALSE when there is none or one is not a number. */
gboolean shop_price_parse(const char *pricing, double prices[2], guint32 *n_prices);

/* Appends "$10.99" or "$5.0 to $1234.5". */
void shop_price_append_tag(GString *out, const double prices[2], guint32 n_prices);

#endif
