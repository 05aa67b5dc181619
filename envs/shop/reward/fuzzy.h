/* thefuzz's token_set_ratio (specification section 6.6): how alike two strings are as sets of words, 0 to
 * 100. Published scores depend on which sequence matcher stood behind the original, so there are two
 * variants. Token sets are flat and hold no pointers: they can be computed once and kept, also in a file. */
#ifndef SHOP_FUZZY_H
#define SHOP_FUZZY_H

#include <glib.h>

G_BEGIN_DECLS

typedef enum {
  SHOP_FUZZY_DIFFLIB, /* Ratcliff and Obershelp as Python's difflib has it: thefuzz alone */
  SHOP_FUZZY_LCS,     /* longest common subsequence: thefuzz with python-Levenshtein */
} ShopFuzzyVariant;

/* A string cleaned as thefuzz cleans it and cut into words: U+0080..U+00FF deleted, everything but letters,
 * digits and underscores blanked, lower-cased; each word once, in code point order. */
typedef struct ShopTokenSet {
  guint32 n_tokens;
  guint32 length;       /* of the words joined by blanks, in code points */
  guint8 histogram[32]; /* how often each of 32 classes of characters occurs there, at most 255 */
  guint32 data[];       /* n_tokens ends of words, then `length` code points */
} ShopTokenSet;

/* The token set of `text` (valid UTF-8); free with g_free. */
ShopTokenSet *shop_token_set_new(const char *text);

/* Appends the token set of `text` to `out`, whose length is a multiple of 4 and stays so; returns where it
 * begins. Many sets in one array cost no allocation each. */
guint shop_token_set_append(GByteArray *out, const char *text);

/* Whether a token set that came from a file is one, within `room` bytes. */
gboolean shop_token_set_check(const ShopTokenSet *set, gsize room);

/* The bytes a token set takes, for copying it or finding the next one. */
gsize shop_token_set_size(const ShopTokenSet *set);

/* token_set_ratio of two strings, from their token sets. The order of the two matters in rare cases. */
guint shop_token_set_ratio(const ShopTokenSet *first, const ShopTokenSet *second, ShopFuzzyVariant variant);

/* Whether that ratio is over `threshold` (below 100): the same answer, found sooner when it is no. */
gboolean shop_token_set_exceeds(const ShopTokenSet *first, const ShopTokenSet *second, guint threshold,
                                ShopFuzzyVariant variant);

G_END_DECLS

#endif
