/* What the reading and the building half of the catalogue share. */
#ifndef SHOP_CATALOGUE_PRIVATE_H
#define SHOP_CATALOGUE_PRIVATE_H

#include <glib.h>

#define SHOP_ITEM_ACTION_START "click[item - "

/* A 64-bit hash, equal on every machine. */
guint64 shop_hash_bytes(guint64 seed, const char *bytes, gsize length);

#endif
