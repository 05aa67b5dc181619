/* Text as the original simulator's language handles it: lower-casing, trimming, numbers as shortest decimals,
 * JSON and map notation of strings. Everything appends to a GString of the caller, so that a reused buffer
 * costs nothing. */
#ifndef SHOP_TEXT_H
#define SHOP_TEXT_H

#include <glib.h>

/* Appends `length` bytes of UTF-8 in lower case (full Unicode mapping, no locale). Pure ASCII takes a fast
 * path without allocation. */
void shop_text_append_lower(GString *out, const char *text, gsize length);

/* Moves *text and *length so that white space at both ends is left out; white space is every character with
 * the Unicode property plus U+001C..U+001F. */
void shop_text_trim(const char **text, gsize *length);

/* True for a non-empty text of only blank, tab, LF, FF and CR. */
gboolean shop_text_is_ascii_space(const char *text, gsize length);

/* Appends the shortest decimal that reads back as the same double, always with a fraction: 5.0, 10.99, 1234.5
 * (scientific from 1e16 on and below 1e-4). */
void shop_text_append_double(GString *out, double value);

/* Appends the decimal digits of an integer. */
void shop_text_append_integer(GString *out, gint64 value);

/* Appends a JSON string with quotes, non-ASCII as \uXXXX. With `html_safe` also < > & ' are escaped so. */
void shop_text_append_json(GString *out, const char *text, gboolean html_safe);

/* Appends the string in the source notation of the original's language: single quotes, unless the text holds
 * single and no double quotes; \\ \n \r \t escaped, other control characters as \xNN; printable non-ASCII
 * stays. */
void shop_text_append_quoted(GString *out, const char *text);

#endif
