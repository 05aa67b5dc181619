/* Keys by size: hits of a search, the largest of which are wanted. */
#ifndef SHOP_RANKING_H
#define SHOP_RANKING_H

#include <glib.h>
#include <string.h>

/* A growing array of keys. */
typedef struct ShopKeys {
  guint64 *keys;
  gsize room;
} ShopKeys;

/* Makes room for n keys. */
static inline guint64 *shop_keys_reserve(ShopKeys *keys, gsize n)
{
  if (n > keys->room) {
    keys->room = n + n / 2;
    keys->keys = g_renew(guint64, keys->keys, keys->room);
  }
  return keys->keys;
}

/* The `rank`-th largest (from 1) of n keys (rank <= n). Overwrites them and `other`, which is as large. */
guint64 shop_find_ranked(guint64 *keys, guint64 *other, gsize n, gsize rank);

/* Drops all of n distinct keys but the `wanted` (<= n) largest, which stay in their order; returns how many
 * are left. `other` lends its room. */
gsize shop_keep_largest(guint64 *keys, gsize n, gsize wanted, ShopKeys *other);

/* Sorts the `wanted` largest of n distinct keys to the front, largest first; returns how many there are.
 * `other` lends its room. */
gsize shop_rank_keys(guint64 *keys, gsize n, gsize wanted, ShopKeys *other);

/* A document as one key: the better score is the larger, and of equal scores the smaller ASIN. Positive
 * floats order as their bits do. */
static inline guint64 shop_make_hit(float score, guint32 rank)
{
  guint32 bits;
  memcpy(&bits, &score, sizeof bits);
  return (guint64)bits << 32 | (G_MAXUINT32 - rank);
}

static inline float shop_hit_score(guint64 hit)
{
  guint32 bits = (guint32)(hit >> 32);
  float score;
  memcpy(&score, &bits, sizeof score);
  return score;
}

static inline guint32 shop_hit_rank(guint64 hit)
{
  return G_MAXUINT32 - (guint32)hit;
}

#endif
