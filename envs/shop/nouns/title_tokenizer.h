/* Cuts product titles into the tokens that spaCy's English tokenizer makes: white space, then prefixes,
 * suffixes and infixes, with contractions and abbreviations as exceptions. Written from observed behaviour,
 * for titles; web addresses, emoticons and scripts that titles do not use are treated roughly. */
#ifndef SHOP_TITLE_TOKENIZER_H
#define SHOP_TITLE_TOKENIZER_H

#include <glib.h>

G_BEGIN_DECLS

/* A token: `length` code points from `start`. */
typedef struct {
  guint32 start, length;
} ShopTitleToken;

/* Appends the tokens (ShopTitleToken) of `text`, `length` code points, to `tokens`. */
void shop_title_tokenize(const gunichar *text, gsize length, GArray *tokens);

G_END_DECLS

#endif
