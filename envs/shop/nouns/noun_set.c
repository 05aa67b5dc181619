/* Noun sets as sorted numbers, and the vocabulary that numbers the nouns: their hashes in the order in which
 * they came, and a table with open addressing that finds a hash's place. */
#include "envs/shop/nouns/nouns.h"

#include <string.h>

struct ShopNounWords {
  GArray *hashes; /* guint64 */
  guint32 *slots; /* number + 1; 0: empty */
  guint32 mask;
};

/* FNV-1a with a final mix. */
static guint64 hash_noun(const char *noun)
{
  guint64 hash = 14695981039346656037u;
  for (; *noun; noun++)
    hash = (hash ^ (guchar)*noun) * 1099511628211u;
  hash ^= hash >> 32;
  hash *= 0xd6e8feb86659fd93u;
  return hash ^ (hash >> 32);
}

/* The slot of a hash, or the empty one where it belongs. */
static guint32 *find_slot(const ShopNounWords *words, guint64 hash)
{
  guint32 slot = (guint32)hash & words->mask;
  while (words->slots[slot] != 0 && g_array_index(words->hashes, guint64, words->slots[slot] - 1) != hash)
    slot = (slot + 1) & words->mask;
  return &words->slots[slot];
}

/* Makes a table in which `n` nouns leave at least half of the slots empty. */
static void make_table(ShopNounWords *words, guint32 n)
{
  words->mask = 1023;
  while (words->mask / 2 < n)
    words->mask = words->mask * 2 + 1;
  g_free(words->slots);
  words->slots = g_new0(guint32, (gsize)words->mask + 1);
  for (guint32 i = 0; i < words->hashes->len; i++)
    *find_slot(words, g_array_index(words->hashes, guint64, i)) = i + 1;
}

ShopNounWords *shop_noun_words_new(const guint64 *hashes, guint32 n_hashes)
{
  ShopNounWords *words = g_new0(ShopNounWords, 1);
  words->hashes = g_array_new(FALSE, FALSE, sizeof(guint64));
  if (n_hashes > 0)
    g_array_append_vals(words->hashes, hashes, n_hashes);
  make_table(words, n_hashes);
  return words;
}

void shop_noun_words_free(ShopNounWords *words)
{
  if (!words)
    return;
  g_array_unref(words->hashes);
  g_free(words->slots);
  g_free(words);
}

const guint64 *shop_noun_words_hashes(const ShopNounWords *words, guint32 *n_hashes)
{
  *n_hashes = words->hashes->len;
  return (const guint64 *)(gpointer)words->hashes->data;
}

static guint32 number_noun(ShopNounWords *words, const char *noun)
{
  guint64 hash = hash_noun(noun);
  guint32 *slot = find_slot(words, hash);
  if (*slot != 0)
    return *slot - 1;
  guint32 number = words->hashes->len;
  g_array_append_val(words->hashes, hash);
  *slot = number + 1;
  if (number >= words->mask / 2)
    make_table(words, number + 1);
  return number;
}

ShopNounSet *shop_noun_set_new(ShopNounWords *words, const char *const *nouns, gsize n_nouns)
{
  ShopNounSet *set = g_malloc(sizeof(ShopNounSet) + n_nouns * sizeof(guint32));
  set->count = (guint32)n_nouns;
  set->n_numbers = 0;
  for (gsize i = 0; i < n_nouns; i++) {
    guint32 number = number_noun(words, nouns[i]), place = set->n_numbers;
    while (place > 0 && set->numbers[place - 1] > number)
      place--;
    if (place > 0 && set->numbers[place - 1] == number)
      continue;
    memmove(set->numbers + place + 1, set->numbers + place, (set->n_numbers - place) * sizeof *set->numbers);
    set->numbers[place] = number;
    set->n_numbers++;
  }
  return set;
}

gsize shop_noun_set_size(const ShopNounSet *set)
{
  return sizeof(ShopNounSet) + set->n_numbers * sizeof(guint32);
}

guint shop_noun_set_common(const ShopNounSet *a, const ShopNounSet *b)
{
  guint n_common = 0;
  for (guint32 i = 0, j = 0; i < a->n_numbers && j < b->n_numbers;) {
    guint32 first = a->numbers[i], second = b->numbers[j];
    n_common += first == second;
    i += first <= second;
    j += first >= second;
  }
  return n_common;
}

ShopNounSet *shop_noun_set_tag(ShopNounWords *words, const char *title)
{
  g_autoptr(GPtrArray) nouns = shop_nouns_tag(title);
  return shop_noun_set_new(words, (const char *const *)nouns->pdata, nouns->len);
}
