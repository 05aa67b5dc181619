/* Prices as the original parses and shows them (docs/spec 1.4). */
#ifndef SHOP_PRICE_H
#define SHOP_PRICE_H

#include <glib.h>

/* Reads the raw price string: NULL or "" is one price of 100; otherwise the first one or two amounts after
 * '$' signs. FALSE when there is none or one is not a number. */
gboolean shop_price_parse(const char *pricing, double prices[2], guint32 *n_prices);

/* The bound of a goal without a price clause. */
#define SHOP_NO_PRICE_LIMIT 1000000
/* What stands before the bound in an instruction; " dollars" stands behind it. */
#define SHOP_PRICE_CLAUSE ", and price lower than "

/* The bound in the last price clause of a text; SHOP_NO_PRICE_LIMIT without one. */
double shop_price_read_bound(const char *text);

/* Appends "$10.99" or "$5.0 to $1234.5". */
void shop_price_append_tag(GString *out, const double prices[2], guint32 n_prices);

#endif
