/* A shop of one's own: a table of products into a folder in WebShop's schema. */
#ifndef WEBSHOP_OWN_SHOP_H
#define WEBSHOP_OWN_SHOP_H

#include <cartwright/conversion.h>

extern const CwConversion own_shop_import;

#endif
