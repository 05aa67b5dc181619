/* Splits texts into words and hashes them (32-bit FNV-1a). Sets are kept as sorted arrays: what a text means
 * to the model depends neither on the order nor on the number of its words' repetitions. */
#include "models/linear/words.h"

#include <stdlib.h>
#include <string.h>

#define FNV_START 2166136261u
#define FNV_PRIME 16777619u

static gint compare_hashes(gconstpointer a, gconstpointer b)
{
  guint32 first = *(const guint32 *)a, second = *(const guint32 *)b;
  return (first > second) - (first < second);
}

static gboolean is_word_byte(guchar byte)
{
  return g_ascii_isalnum(byte) || byte >= 0x80;
}

static void sort_and_unite(GArray *hashes)
{
  guint32 *items = (guint32 *)(gpointer)hashes->data;
  guint i, n = 0;
  g_array_sort(hashes, compare_hashes);
  for (i = 0; i < hashes->len; i++)
    if (n == 0 || items[n - 1] != items[i])
      items[n++] = items[i];
  g_array_set_size(hashes, n);
}

void linear_words_init(LinearWords *words, const char *text, gboolean whole)
{
  GArray *hashes = g_array_new(FALSE, FALSE, sizeof(guint32));
  guint32 whole_hash = ~FNV_START;
  const guchar *byte = (const guchar *)text;
  while (*byte != '\0') {
    guint32 hash = FNV_START;
    const guchar *start;
    for (; *byte != '\0' && !is_word_byte(*byte); byte++)
      whole_hash = (whole_hash ^ *byte) * FNV_PRIME;
    for (start = byte; is_word_byte(*byte); byte++) {
      guchar lower = (guchar)g_ascii_tolower((gchar)*byte);
      hash = (hash ^ lower) * FNV_PRIME;
      whole_hash = (whole_hash ^ lower) * FNV_PRIME;
    }
    if (byte != start)
      g_array_append_val(hashes, hash);
  }
  if (whole)
    g_array_append_val(hashes, whole_hash);
  sort_and_unite(hashes);
  words->n = hashes->len;
  words->hashes = (guint32 *)(gpointer)g_array_free(hashes, FALSE);
}

void linear_words_clear(LinearWords *words)
{
  g_free(words->hashes);
  words->hashes = NULL;
  words->n = 0;
}

guint linear_words_shared(const LinearWords *a, const LinearWords *b)
{
  guint i = 0, j = 0, shared = 0;
  while (i < a->n && j < b->n) {
    if (a->hashes[i] == b->hashes[j]) {
      shared++;
      i++;
      j++;
    } else if (a->hashes[i] < b->hashes[j]) {
      i++;
    } else {
      j++;
    }
  }
  return shared;
}
