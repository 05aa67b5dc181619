/* Selecting and sorting keys without branches that depend on them, since those could not be predicted. */
#include "envs/shop/search/ranking.h"

/* Each pass splits the keys around one of them into the other of two areas, and goes on in the part that
 * holds the wanted one. */
guint64 shop_find_ranked(guint64 *keys, guint64 *other, gsize n, gsize rank)
{
  for (;;) {
    guint64 pivot = keys[n / 2];
    gsize larger = 0, smaller = n;
    for (gsize i = 0; i < n; i++) {
      guint64 key = keys[i];
      other[larger] = key;
      other[smaller - 1] = key;
      larger += key > pivot;
      smaller -= key < pivot;
    }
    guint64 *swap = keys;
    keys = other;
    other = swap;
    if (rank <= larger)
      n = larger;
    else if (rank <= smaller)
      return pivot;
    else {
      keys += smaller;
      other += smaller;
      rank -= smaller;
      n -= smaller;
    }
  }
}

static void sort_few(guint64 *keys, gsize n)
{
  for (gsize i = 1; i < n; i++) {
    guint64 key = keys[i];
    gsize j = i;
    for (; j > 0 && keys[j - 1] < key; j--)
      keys[j] = keys[j - 1];
    keys[j] = key;
  }
}

/* Sorts n distinct keys by merging sorted halves; `other` is as large. */
static void sort_falling(guint64 *keys, guint64 *other, gsize n)
{
  if (n <= 64) {
    sort_few(keys, n);
    return;
  }
  gsize half = n / 2, i = 0, j = half;
  sort_falling(keys, other, half);
  sort_falling(keys + half, other, n - half);
  memcpy(other, keys, n * sizeof *keys);
  for (gsize k = 0; k < n; k++)
    keys[k] = j == n || (i < half && other[i] > other[j]) ? other[i++] : other[j++];
}

gsize shop_keep_largest(guint64 *keys, gsize n, gsize wanted, ShopKeys *other)
{
  shop_keys_reserve(other, 2 * n);
  memcpy(other->keys, keys, n * sizeof *keys);
  guint64 least = shop_find_ranked(other->keys, other->keys + n, n, wanted);
  gsize kept = 0;
  for (gsize i = 0; i < n; i++) {
    keys[kept] = keys[i];
    kept += keys[i] >= least;
  }
  return kept;
}

gsize shop_rank_keys(guint64 *keys, gsize n, gsize wanted, ShopKeys *other)
{
  if (n > 2 * wanted)
    n = shop_keep_largest(keys, n, wanted, other);
  shop_keys_reserve(other, n);
  sort_falling(keys, other->keys, n);
  return MIN(n, wanted);
}
