/* The nouns of product titles, which the type reward compares (specification section 6.3): in the original
 * the lower-cased texts of the tokens that spaCy's en_core_web_sm calls NOUN or PROPN. A built-in tagger
 * stands in for it; a file of nouns computed with spaCy replaces it where exact parity is wanted. */
#ifndef SHOP_NOUNS_H
#define SHOP_NOUNS_H

#include <glib.h>

G_BEGIN_DECLS

/* Gives every different noun a number, so that sets of nouns are small and quickly compared. It knows nouns
 * by a 64-bit hash: two different ones share their number with a probability of about 1e-19. */
typedef struct ShopNounWords ShopNounWords;

/* A vocabulary that knows the nouns of `hashes` by their places there (NULL and 0: one that knows none yet);
 * free it with the function below. */
ShopNounWords *shop_noun_words_new(const guint64 *hashes, guint32 n_hashes);
void shop_noun_words_free(ShopNounWords *words); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ShopNounWords, shop_noun_words_free)

/* The hashes of the nouns by their numbers, for storing the vocabulary; until the next noun is added. */
const guint64 *shop_noun_words_hashes(const ShopNounWords *words, guint32 *n_hashes);

/* The nouns of one title, flat and without pointers, fit for a file: a list counted with its repetitions, and
 * its members as sorted numbers. Only sets of one vocabulary can be compared. */
typedef struct ShopNounSet {
  guint32 count;     /* of nouns, repetitions included */
  guint32 n_numbers; /* of different nouns */
  guint32 numbers[];
} ShopNounSet;

/* The set of a list of lower-cased nouns, new ones of which are added to the vocabulary; free with g_free. */
ShopNounSet *shop_noun_set_new(ShopNounWords *words, const char *const *nouns, gsize n_nouns);

/* The bytes a noun set takes. */
gsize shop_noun_set_size(const ShopNounSet *set);

/* How many different nouns both have. */
guint shop_noun_set_common(const ShopNounSet *a, const ShopNounSet *b);

/* The nouns of `title` (valid UTF-8) by the built-in tagger, lower-cased, in order, repetitions included. The
 * array owns the strings; unref it. Any number of threads may call this. */
GPtrArray *shop_nouns_tag(const char *title);

/* Both at once; free with g_free. */
ShopNounSet *shop_noun_set_tag(ShopNounWords *words, const char *title);

/* A file of nouns: one JSON object from ASIN or title to its list of nouns. */
typedef struct ShopNounFile ShopNounFile;

/* Reads the file; the sets are of the vocabulary `words`. Errors (CW_ENVIRONMENT_ERROR) name the file and the
 * line or the entry, what was expected and what was found. */
ShopNounFile *shop_noun_file_load(const char *path, ShopNounWords *words, GError **error);
void shop_noun_file_free(ShopNounFile *file); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ShopNounFile, shop_noun_file_free)

/* The number of entries. */
guint shop_noun_file_size(const ShopNounFile *file);

/* The nouns under `asin`, else those under `title`, else NULL. Owned by the file. */
const ShopNounSet *shop_noun_file_lookup(const ShopNounFile *file, const char *asin, const char *title);

G_END_DECLS

#endif
