/* A hash that is equal on every machine: files and splits depend on it. */
#ifndef SHOP_HASH_H
#define SHOP_HASH_H

#include <glib.h>

guint64 shop_hash_bytes(guint64 seed, const char *bytes, gsize length);

#endif
