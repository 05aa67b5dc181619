/* Entries hang in a hash table and in a ring, which the clock's hand goes round from the oldest on. The cache
 * owns the entries; key and floats lie behind each of them in the same piece of memory. */
#include "models/bert/cache.h"
#include <string.h>

/* What an entry costs besides its key and floats: its links, its place in the table, the allocator's share.
 */
#define ENTRY_BYTES 96

typedef struct Entry {
  GList link; /* in the ring; data is the entry */
  guint64 hash;
  gconstpointer key;
  gsize key_size, n;
  gboolean used; /* found since the hand passed */
  float floats[];
} Entry;

struct BertCache {
  gsize limit, size;
  GHashTable *entries; /* Entry: a set */
  GQueue ring;         /* the hand is at the head */
};

guint64 bert_hash_bytes(gconstpointer key, gsize size)
{
  const char *bytes = key;
  guint64 hash = size * 0x9e3779b97f4a7c15u, word;
  for (; size >= sizeof word; size -= sizeof word, bytes += sizeof word) {
    memcpy(&word, bytes, sizeof word);
    hash = (hash ^ word) * 0xff51afd7ed558ccdu;
    hash ^= hash >> 32;
  }
  word = 0;
  memcpy(&word, bytes, size);
  hash = (hash ^ word) * 0xff51afd7ed558ccdu;
  hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53u;
  return hash ^ (hash >> 33);
}

static guint entry_hash(gconstpointer entry)
{
  return (guint)((const Entry *)entry)->hash;
}

static gboolean entry_equal(gconstpointer a, gconstpointer b)
{
  const Entry *x = a, *y = b;
  return x->hash == y->hash && x->key_size == y->key_size && memcmp(x->key, y->key, x->key_size) == 0;
}

BertCache *bert_cache_new(gsize limit)
{
  BertCache *cache = g_new0(BertCache, 1);
  cache->limit = limit;
  cache->entries = g_hash_table_new_full(entry_hash, entry_equal, g_free, NULL);
  g_queue_init(&cache->ring);
  return cache;
}

void bert_cache_free(BertCache *cache)
{
  if (!cache)
    return;
  g_hash_table_destroy(cache->entries);
  g_free(cache);
}

void bert_cache_clear(BertCache *cache)
{
  g_queue_init(&cache->ring);
  g_hash_table_remove_all(cache->entries);
  cache->size = 0;
}

static gsize bytes_of(gsize key_size, gsize n)
{
  return ENTRY_BYTES + sizeof(Entry) + n * sizeof(float) + key_size;
}

static Entry *look_up(BertCache *cache, gconstpointer key, gsize key_size)
{
  Entry wanted = {.hash = bert_hash_bytes(key, key_size), .key = key, .key_size = key_size};
  return g_hash_table_lookup(cache->entries, &wanted);
}

const float *bert_cache_find(BertCache *cache, gconstpointer key, gsize key_size, gsize *n)
{
  Entry *entry = cache->size > 0 ? look_up(cache, key, key_size) : NULL;
  if (!entry)
    return NULL;
  entry->used = TRUE;
  if (n)
    *n = entry->n;
  return entry->floats;
}

static void drop(BertCache *cache, Entry *entry)
{
  g_queue_unlink(&cache->ring, &entry->link);
  cache->size -= bytes_of(entry->key_size, entry->n);
  g_hash_table_remove(cache->entries, entry);
}

float *bert_cache_add(BertCache *cache, gconstpointer key, gsize key_size, gsize n)
{
  gsize size = bytes_of(key_size, n);
  if (size > cache->limit / 8)
    return NULL;
  Entry *entry = look_up(cache, key, key_size);
  if (entry)
    drop(cache, entry);
  while (cache->size + size > cache->limit) {
    Entry *oldest = g_queue_peek_head(&cache->ring);
    if (oldest->used) {
      oldest->used = FALSE;
      g_queue_push_tail_link(&cache->ring, g_queue_pop_head_link(&cache->ring));
    } else {
      drop(cache, oldest);
    }
  }
  entry = g_malloc(sizeof *entry + n * sizeof(float) + key_size);
  *entry =
      (Entry){.hash = bert_hash_bytes(key, key_size), .key = entry->floats + n, .key_size = key_size, .n = n};
  entry->link.data = entry;
  memcpy(entry->floats + n, key, key_size);
  g_hash_table_add(cache->entries, entry);
  g_queue_push_tail_link(&cache->ring, &entry->link);
  cache->size += size;
  return entry->floats;
}

gsize bert_cache_size(const BertCache *cache)
{
  return cache->size;
}
