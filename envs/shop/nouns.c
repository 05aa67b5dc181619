/* The nouns of a title by rule: every word with a letter in it, but for short
 * function words, lower-cased. */
#include "envs/shop/nouns.h"

#include "envs/shop/text.h"

#include <string.h>

static gboolean is_function_word(const char *word)
{
  static const char *const words[] = {"a",       "an", "and", "as",   "at",  "by",  "for", "from", "in",
                                      "is",      "of", "on",  "or",   "out", "the", "to",  "up",   "with",
                                      "without", "w",  "x",   "your", "you", "all", "not", "no",   "can"};
  for (gsize i = 0; i < G_N_ELEMENTS(words); i++)
    if (g_str_equal(words[i], word))
      return TRUE;
  return FALSE;
}

GPtrArray *shop_nouns_tag(const char *title)
{
  GPtrArray *nouns = g_ptr_array_new_with_free_func(g_free);
  GString *word = g_string_new(NULL);
  while (*title) {
    const char *end = title;
    gboolean letter = FALSE;
    while (*end && g_unichar_isalnum(g_utf8_get_char(end))) {
      letter = letter || g_unichar_isalpha(g_utf8_get_char(end));
      end = g_utf8_next_char(end);
    }
    g_string_truncate(word, 0);
    shop_text_append_lower(word, title, (gsize)(end - title));
    if (letter && !is_function_word(word->str))
      g_ptr_array_add(nouns, g_strdup(word->str));
    title = end > title ? end : g_utf8_next_char(title);
  }
  g_string_free(word, TRUE);
  return nouns;
}
