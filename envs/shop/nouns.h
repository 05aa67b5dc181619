/* The nouns of product titles, which the type reward compares (specification
 * section 6.3): in the original the lower-cased texts of the tokens that spaCy's
 * en_core_web_sm calls NOUN or PROPN. A built-in tagger stands in for it; a file
 * of nouns computed with spaCy replaces it where exact parity is wanted. */
#ifndef SHOP_NOUNS_H
#define SHOP_NOUNS_H

#include <glib.h>

G_BEGIN_DECLS

/* The nouns of one title, flat and without pointers, fit for a file: a list
 * counted with its repetitions, and its members as sorted 64-bit hashes. Two
 * different words share a hash with a probability of about 1e-19. */
typedef struct ShopNounSet {
  guint32 count;      /* of nouns, repetitions included */
  guint32 n_distinct; /* of hashes */
  guint64 hashes[];
} ShopNounSet;

/* The set of a list of lower-cased nouns; free with g_free. */
ShopNounSet *shop_noun_set_new(const char *const *nouns, gsize n_nouns);

/* The bytes a noun set takes. */
gsize shop_noun_set_size(const ShopNounSet *set);

/* How many different nouns both have. */
guint shop_noun_set_common(const ShopNounSet *a, const ShopNounSet *b);

/* The nouns of `title` (valid UTF-8) by the built-in tagger, lower-cased, in
 * order, repetitions included. The array owns the strings; unref it. Any number
 * of threads may call this. */
GPtrArray *shop_nouns_tag(const char *title);

/* Both at once; free with g_free. */
ShopNounSet *shop_noun_set_tag(const char *title);

/* A file of nouns: one JSON object from ASIN or title to its list of nouns. */
typedef struct ShopNounFile ShopNounFile;

/* Reads the file. Errors (CW_ENVIRONMENT_ERROR) name the file and the line or
 * the entry, what was expected and what was found. */
ShopNounFile *shop_noun_file_load(const char *path, GError **error);
void shop_noun_file_free(ShopNounFile *file); /* accepts NULL */

/* The number of entries. */
guint shop_noun_file_size(const ShopNounFile *file);

/* The nouns under `asin`, else those under `title`, else NULL. Owned by the file. */
const ShopNounSet *shop_noun_file_lookup(const ShopNounFile *file, const char *asin, const char *title);

G_END_DECLS

#endif
