/* A bounded memory of computed floats: what the encoder made of a text, what a network made of a whole
 * decision. Keys are compared byte by byte, so a hit is never a mistake. When the bound is reached, entries
 * leave in the order in which they came, but those found since their last turn get another one (the CLOCK
 * algorithm), so that a button outlives the pages it was on. */
#ifndef BERT_CACHE_H
#define BERT_CACHE_H

#include <glib.h>

G_BEGIN_DECLS

typedef struct BertCache BertCache;

/* Keeps at most `limit` bytes, keys and bookkeeping included; 0: keeps nothing. */
BertCache *bert_cache_new(gsize limit);
void bert_cache_free(BertCache *cache); /* accepts NULL */
void bert_cache_clear(BertCache *cache);

/* The floats kept under the key, or NULL. They stay valid until the next add or clear. `n` (may be NULL) gets
 * their number. */
const float *bert_cache_find(BertCache *cache, gconstpointer key, gsize key_size, gsize *n);
/* Room for n floats under the key, to be filled in before the next call; NULL where the cache is off or they
 * would take more than an eighth of it. An entry of the same key is replaced. */
float *bert_cache_add(BertCache *cache, gconstpointer key, gsize key_size, gsize n);

/* A good mixture of the bytes: eight at a time, then the finaliser of MurmurHash3. */
guint64 bert_hash_bytes(gconstpointer bytes, gsize size);

/* Bytes in use. */
gsize bert_cache_size(const BertCache *cache);

G_END_DECLS

#endif
