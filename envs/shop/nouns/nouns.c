/* The built-in noun tagger: tokens, their features, the network, and the texts of those it calls nouns. */
#include "envs/shop/nouns/nouns.h"

#include "envs/shop/nouns/noun_network.h"
#include "envs/shop/nouns/title_tokenizer.h"
#include "envs/shop/text/text.h"

#include <string.h>

GPtrArray *shop_nouns_tag(const char *title)
{
  GPtrArray *nouns = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GArray) tokens = g_array_new(FALSE, FALSE, sizeof(ShopTitleToken));
  g_autoptr(GString) lower = g_string_new(NULL);
  glong length;
  g_autofree gunichar *text = g_utf8_to_ucs4_fast(title, -1, &length);
  shop_title_tokenize(text, (gsize)length, tokens);
  g_autofree ShopNounFeatures *features = g_new(ShopNounFeatures, tokens->len + 1);
  g_autofree gboolean *is_noun = g_new(gboolean, tokens->len + 1);
  for (guint i = 0; i < tokens->len; i++) {
    const ShopTitleToken *token = &g_array_index(tokens, ShopTitleToken, i);
    guint32 end = token->start + token->length;
    shop_noun_features(text + token->start, token->length, end < length && text[end] == ' ', &features[i]);
  }
  shop_noun_network_run(features, tokens->len, is_noun);
  for (guint i = 0; i < tokens->len; i++) {
    const ShopTitleToken *token = &g_array_index(tokens, ShopTitleToken, i);
    if (!is_noun[i])
      continue;
    g_autofree char *noun = g_ucs4_to_utf8(text + token->start, token->length, NULL, NULL, NULL);
    g_string_truncate(lower, 0);
    shop_text_append_lower(lower, noun, strlen(noun));
    g_ptr_array_add(nouns, g_strdup(lower->str));
  }
  return nouns;
}
