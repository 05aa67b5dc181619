/* The Porter stemmer (M. F. Porter, "An algorithm for suffix stripping", 1980) with the two departures of the
 * author's own later program, which Lucene's PorterStemFilter has too: step 2 maps "bli" to "ble" and "logi"
 * to "log". Words of one or two units are left alone. The Snowball stemmer called "porter" has neither
 * departure, so it cannot stand in for this one. */
#ifndef SHOP_PORTER_H
#define SHOP_PORTER_H

#include <glib.h>

G_BEGIN_DECLS

/* Stems `word` of `length` bytes in place and returns the new length, which is never longer. The word is
 * lower-case; every byte that is not one of the vowels a e i o u (or y after a consonant) counts as a
 * consonant. */
gsize shop_porter_stem(char *word, gsize length);

G_END_DECLS

#endif
