/* Reads a large JSON array or object element by element, so that a file of many gigabytes never sits in
 * memory. NaN and the infinities, which the original's reader accepts, read as null. */
#ifndef SHOP_JSON_STREAM_H
#define SHOP_JSON_STREAM_H

#include "envs/shop/text/json.h"

#include <glib.h>

typedef struct ShopJsonStream ShopJsonStream;

typedef enum { SHOP_JSON_ARRAY, SHOP_JSON_OBJECT } ShopJsonKind;

/* Opens `path`, whose top value must be of `kind`. */
ShopJsonStream *shop_json_stream_open(const char *path, ShopJsonKind kind, GError **error);
void shop_json_stream_close(ShopJsonStream *stream); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ShopJsonStream, shop_json_stream_close)

/* The next element: a new reference, and with SHOP_JSON_OBJECT its key in *key (may be NULL), which lives
 * until the next call. At the end, and on error, NULL;
 * `error` tells them apart. Errors name file:line:column and byte. */
json_t *shop_json_stream_next(ShopJsonStream *stream, const char **key, GError **error);

/* Where the element last returned starts, as "file:line:column"; lives until the next call. */
const char *shop_json_stream_where(ShopJsonStream *stream);

/* How far the reading is, in bytes, and the file's length (0: not known). */
guint64 shop_json_stream_position(const ShopJsonStream *stream, guint64 *length);

#endif
