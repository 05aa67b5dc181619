/* The network behind the built-in noun tagger: word, first letter, last three letters and shape of each token
 * through hashed embeddings, then layers that look one token to either side. Its weights were trained to
 * agree with spaCy's en_core_web_sm on titles (train_nouns.py) and are compiled in as 8-bit integers
 * (noun_weights.bin). */
#ifndef SHOP_NOUN_NETWORK_H
#define SHOP_NOUN_NETWORK_H

#include <glib.h>

G_BEGIN_DECLS

/* Rows of the embedding tables that a token adds up: four of each of the four tables. */
typedef struct {
  guint16 rows[16];
  gboolean space_after; /* a blank follows in the text */
} ShopNounFeatures;

/* The features of the token `text`, `length` code points. */
void shop_noun_features(const gunichar *text, gsize length, gboolean space_after, ShopNounFeatures *features);

/* Sets is_noun[i] for each of the n tokens of one title. Thread-safe. */
void shop_noun_network_run(const ShopNounFeatures *features, gsize n, gboolean *is_noun);

G_END_DECLS

#endif
