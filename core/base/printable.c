/* Makes control characters visible. A product's title or a plugin's message may hold anything; a terminal, a
 * table and a report must not obey it. */
#include "core/base/printable.h"
#include <string.h>

/* The length in bytes of the character at `text` if it may be shown as it is; 0 when not. */
static gsize printable_length(const char *text, const char *kept)
{
  gunichar character = g_utf8_get_char_validated(text, -1);
  if (character == (gunichar)-1 || character == (gunichar)-2)
    return 0;
  if (character < 0x20 || character == 0x7f)
    return strchr(kept, (int)character) ? 1 : 0;
  gboolean control = character < 0xa0 && character >= 0x80;
  gboolean turns =
      (character >= 0x202a && character <= 0x202e) || (character >= 0x2066 && character <= 0x2069);
  return control || turns ? 0 : (gsize)g_utf8_skip[(guchar)*text];
}

gboolean cw_is_printable(const char *text, const char *kept)
{
  while (*text) {
    gsize length = printable_length(text, kept);
    if (length == 0)
      return FALSE;
    text += length;
  }
  return TRUE;
}

char *cw_printable(const char *text, const char *kept)
{
  GString *shown = g_string_new(NULL);
  while (*text) {
    gsize length = printable_length(text, kept);
    gunichar character = g_utf8_get_char_validated(text, -1);
    if (length > 0) {
      g_string_append_len(shown, text, (gssize)length);
      text += length;
    } else if (character == (gunichar)-1 || character == (gunichar)-2) {
      g_string_append_printf(shown, "\\x%02x", (guchar)*text++);
    } else {
      g_string_append_printf(shown, "\\u%04x", character);
      text = g_utf8_next_char(text);
    }
  }
  return g_string_free(shown, FALSE);
}
