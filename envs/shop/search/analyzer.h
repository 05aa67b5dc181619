/* Text analysis for search: Lucene's English analysis chain as Anserini sets it up (specification section
 * 4.2). Words by Unicode's UAX #29, at most 255 UTF-16 units long, possessive 's stripped, lower-cased, 33
 * stop words dropped, Porter-stemmed. The same function serves documents and queries. */
#ifndef SHOP_ANALYZER_H
#define SHOP_ANALYZER_H

#include <glib.h>

G_BEGIN_DECLS

/* The longest token, in UTF-16 units; longer words are cut into pieces. */
#define SHOP_TOKEN_LIMIT 255

/* Receives one term: `length` bytes of UTF-8, not NUL-terminated, valid during the call. */
typedef void (*ShopTermFunction)(const char *term, gsize length, gpointer user_data);

/* Calls `function` for every term of `text` (valid UTF-8, NUL-terminated) in order. Allocates nothing; any
 * number of threads may call it at once. */
void shop_analyze(const char *text, ShopTermFunction function, gpointer user_data);

G_END_DECLS

#endif
