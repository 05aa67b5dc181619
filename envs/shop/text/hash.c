/* The hash of ASINs, texts and whole catalogues; it reads words as little-endian wherever it runs. */
#include "envs/shop/text/hash.h"

#include <string.h>

guint64 shop_hash_bytes(guint64 seed, const char *bytes, gsize length)
{
  const guint64 multiplier = G_GUINT64_CONSTANT(0x9e3779b97f4a7c15);
  guint64 hash = (seed ^ length) * multiplier;
  while (length > 0) {
    guint64 word = 0;
    gsize n = MIN(length, sizeof word);
    memcpy(&word, bytes, n);
    hash = (hash ^ GUINT64_FROM_LE(word)) * multiplier;
    hash ^= hash >> 29;
    bytes += n;
    length -= n;
  }
  hash *= G_GUINT64_CONSTANT(0xbf58476d1ce4e5b9);
  return hash ^ (hash >> 32);
}
