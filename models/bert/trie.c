/* Builds the double array: the sorted keys are a tree of ranges that share a prefix; each range's set of next
 * bytes is placed at the first base where all of its entries are free. The arrays belong to the BertTrie. */
#include "models/bert/trie.h"

#include <string.h>

/* Keys first..end-1 of the sorted order share `depth` bytes and reached `state`. */
typedef struct {
  guint first, end, depth;
  gint32 state;
} Range;

typedef struct {
  BertTrie *trie;
  const char *const *keys;
  guint32 *order;     /* key indices, sorted bytewise */
  GArray *ranges;     /* Range: work still to do */
  gint32 first_free;  /* from 256, so that no base is negative; every entry from there to it is taken */
  gint32 search_from; /* where sets of several bytes are tried first */
} Builder;

static gint compare_keys(gconstpointer a, gconstpointer b, gpointer keys)
{
  const char *const *texts = keys;
  return strcmp(texts[*(const guint32 *)a], texts[*(const guint32 *)b]);
}

static void grow(BertTrie *trie, gint32 n_needed)
{
  if (n_needed <= trie->n_entries)
    return;
  gint32 n_entries = MAX(n_needed, trie->n_entries + trie->n_entries / 2);
  trie->entries = g_renew(BertTrieEntry, trie->entries, n_entries);
  for (gint32 i = trie->n_entries; i < n_entries; i++)
    trie->entries[i] = (BertTrieEntry){.base = 0, .parent = -1, .value = -1};
  trie->n_entries = n_entries;
}

/* A base at which the n_bytes entries are all free. A single byte fills the first hole; sets of bytes rarely
 * fit in among the holes, so their search goes on from where a long one ended. */
static gint32 find_base(Builder *builder, const guint8 *bytes, guint n_bytes)
{
  enum { LONG_SEARCH = 64 };
  BertTrie *trie = builder->trie;
  while (builder->first_free < trie->n_entries && trie->entries[builder->first_free].parent != -1)
    builder->first_free++;
  gint32 first = n_bytes == 1 ? builder->first_free : MAX(builder->first_free, builder->search_from);
  gint32 start = first - bytes[0];
  for (gint32 base = start;; base++) {
    grow(trie, base + 512);
    guint i = 0;
    while (i < n_bytes && trie->entries[base + bytes[i]].parent == -1)
      i++;
    if (i == n_bytes) {
      if (n_bytes > 1 && base - start > LONG_SEARCH)
        builder->search_from = base + bytes[0];
      return base;
    }
  }
}

static guint8 byte_at(const Builder *builder, guint index, guint depth)
{
  return (guint8)builder->keys[builder->order[index]][depth];
}

static void place(Builder *builder, Range range)
{
  BertTrie *trie = builder->trie;
  /* In sorted order a key that ends here comes before all that go on. */
  if (byte_at(builder, range.first, range.depth) == 0) {
    trie->entries[range.state].value = (gint32)builder->order[range.first];
    range.first++;
  }
  if (range.first == range.end)
    return;
  guint8 bytes[256];
  guint n_bytes = 0;
  for (guint i = range.first; i < range.end; i++) {
    guint8 byte = byte_at(builder, i, range.depth);
    if (n_bytes == 0 || bytes[n_bytes - 1] != byte)
      bytes[n_bytes++] = byte;
  }
  gint32 base = find_base(builder, bytes, n_bytes);
  trie->entries[range.state].base = base;
  for (guint i = 0; i < n_bytes; i++)
    trie->entries[base + bytes[i]].parent = range.state;
  for (guint i = range.first; i < range.end;) {
    guint8 byte = byte_at(builder, i, range.depth);
    guint end = i + 1;
    while (end < range.end && byte_at(builder, end, range.depth) == byte)
      end++;
    Range child = {.first = i, .end = end, .depth = range.depth + 1, .state = base + byte};
    g_array_append_val(builder->ranges, child);
    i = end;
  }
}

void bert_trie_build(BertTrie *trie, const char *const *keys, guint n_keys)
{
  *trie = (BertTrie){0};
  grow(trie, 512);
  Builder builder = {.trie = trie, .keys = keys, .first_free = 256, .search_from = 256};
  builder.order = g_new(guint32, n_keys);
  builder.ranges = g_array_new(FALSE, FALSE, sizeof(Range));
  for (guint i = 0; i < n_keys; i++)
    builder.order[i] = i;
  g_qsort_with_data(builder.order, (gint)n_keys, sizeof(guint32), compare_keys, (gpointer)keys);
  if (n_keys > 0) {
    Range all = {.first = 0, .end = n_keys, .depth = 0, .state = BERT_TRIE_ROOT};
    g_array_append_val(builder.ranges, all);
  }
  while (builder.ranges->len > 0) {
    Range range = g_array_index(builder.ranges, Range, builder.ranges->len - 1);
    g_array_set_size(builder.ranges, builder.ranges->len - 1);
    place(&builder, range);
  }
  g_array_free(builder.ranges, TRUE);
  g_free(builder.order);
}

void bert_trie_clear(BertTrie *trie)
{
  g_free(trie->entries);
  *trie = (BertTrie){0};
}

gint32 bert_trie_walk(const BertTrie *trie, const char *text)
{
  gint32 state = BERT_TRIE_ROOT;
  for (const char *p = text; *p != '\0' && state >= 0; p++)
    state = bert_trie_next(trie, state, (guint8)*p);
  return state;
}

gint32 bert_trie_longest(const BertTrie *trie, gint32 state, const char *text, gsize length, gsize *matched)
{
  gint32 value = -1;
  for (gsize i = 0; i < length; i++) {
    state = bert_trie_next(trie, state, (guint8)text[i]);
    if (state < 0)
      break;
    if (trie->entries[state].value >= 0) {
      value = trie->entries[state].value;
      *matched = i + 1;
    }
  }
  return value;
}
