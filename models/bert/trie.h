/* A double-array trie over bytes (Aoe 1989): finds the longest vocabulary entry that a word starts with, in
 * one array access per byte. Internal to models/bert. Immutable once built. */
#ifndef BERT_TRIE_H
#define BERT_TRIE_H

#include <glib.h>

G_BEGIN_DECLS

/* One state. A state's successor by byte b is entry base + b, if that entry's parent is the state. */
typedef struct BertTrieEntry {
  gint32 base;
  gint32 parent; /* -1: free, or the root */
  gint32 value;  /* value of the key that ends here, or -1 */
} BertTrieEntry;

typedef struct BertTrie {
  BertTrieEntry *entries; /* at least 256 beyond every base: a lookup needs no bounds check */
  gint32 n_entries;
} BertTrie;

#define BERT_TRIE_ROOT 0

/* keys[i] has value i. Keys are distinct, not empty, and free of NUL bytes. */
void bert_trie_build(BertTrie *trie, const char *const *keys, guint n_keys);
void bert_trie_clear(BertTrie *trie);

/* The state reached from `state` by `byte`, or -1. */
static inline gint32 bert_trie_next(const BertTrie *trie, gint32 state, guint8 byte)
{
  gint32 next = trie->entries[state].base + byte;
  return trie->entries[next].parent == state ? next : -1;
}

/* The state reached from the root by `text`, or -1. */
gint32 bert_trie_walk(const BertTrie *trie, const char *text);

/* The value of the longest key, as seen from `state`, that `text` starts with, and its length in bytes; -1 if
 * there is none. */
gint32 bert_trie_longest(const BertTrie *trie, gint32 state, const char *text, gsize length, gsize *matched);

G_END_DECLS

#endif
