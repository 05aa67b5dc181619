/* JSON as the original's reader takes it, in jansson's values. */
#ifndef SHOP_JSON_H
#define SHOP_JSON_H

#include <glib.h>
#include <jansson.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

/* json_loadb of `length` bytes, and what that refuses but Python's reader takes: numbers that no double or
 * 64-bit integer holds read as the nearest one that is held, a lone surrogate or U+0000 in a string as
 * U+FFFD, Infinity as null and NaN as "". Most of it stands in keys that nobody asks for. Positions in
 * `problem` are those of `text`. */
json_t *shop_json_load(const char *text, gsize length, gsize flags, json_error_t *problem);

/* Whether Python takes the value for false: null, false, 0, "", [] or {}; also of a key that is not there
 * (NULL). */
gboolean shop_json_is_falsy(const json_t *value);

#endif
