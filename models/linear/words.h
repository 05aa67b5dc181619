/* Texts as sets of hashed words. */
#ifndef LINEAR_WORDS_H
#define LINEAR_WORDS_H

#include <glib.h>

/* The distinct words of one text: hashes in increasing order. */
typedef struct {
  guint32 *hashes;
  guint n;
} LinearWords;

/* The distinct words of `text`: runs of ASCII letters (in lower case), digits and bytes above 127; everything
 * else separates. With `whole`, one more "word" stands for the text as a whole. Free with linear_words_clear.
 */
void linear_words_init(LinearWords *words, const char *text, gboolean whole);
void linear_words_clear(LinearWords *words);

/* How many words the two sets share. */
guint linear_words_shared(const LinearWords *a, const LinearWords *b);

/* The hash of a pair of words, spread over all 32 bits. */
static inline guint32 linear_words_pair(guint32 a, guint32 b)
{
  guint32 hash = (a ^ ((b << 16) | (b >> 16))) * 0x9e3779b1u;

  return hash ^ (hash >> 15);
}

#endif
