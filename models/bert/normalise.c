/* Normalises state and action text as WebShop's baseline does before it tokenises (spec §7.3). Pure functions
 * of their arguments. */
#include <string.h>

#include <unicode/ucasemap.h>
#include <unicode/utf8.h>

#include "models/bert/tokenizer.h"

/* Appends `text` lower-cased as Python's str.lower does it: Unicode's full mapping without a locale, a final
 * sigma included. */
static void append_lower(GString *out, const char *text)
{
  const char *p = text;
  while (*p != '\0' && (guint8)*p < 0x80) {
    g_string_append_c(out, g_ascii_tolower(*p));
    p++;
  }
  if (*p == '\0')
    return;
  /* A final sigma looks at its neighbours, so the whole text goes through ICU. */
  gsize start = out->len - (gsize)(p - text);
  char *repaired = g_utf8_validate(text, -1, NULL) ? NULL : g_utf8_make_valid(text, -1);
  const char *valid = repaired ? repaired : text;
  gsize length = strlen(valid), capacity = 2 * length; /* lower-casing lengthens by at most a half */
  g_string_set_size(out, start + capacity);
  UErrorCode code = U_ZERO_ERROR;
  UCaseMap *map = ucasemap_open("", 0, &code);
  if (capacity > G_MAXINT32)
    code = U_INDEX_OUTOFBOUNDS_ERROR;
  gint32 written =
      ucasemap_utf8ToLower(map, out->str + start, (gint32)capacity, valid, (gint32)length, &code);
  ucasemap_close(map);
  if (U_SUCCESS(code)) {
    g_string_set_size(out, start + (gsize)written);
  } else { /* more than a GiB, or no memory: better as it is than lost */
    g_string_truncate(out, start);
    g_string_append(out, valid);
  }
  g_free(repaired);
}

/* What Python's str.strip() removes. */
static gboolean is_python_space(UChar32 c)
{
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

static void strip(GString *text)
{
  const char *s = text->str;
  gint32 start = 0, end = (gint32)text->len;
  while (start < end) {
    gint32 next = start;
    UChar32 c;
    U8_NEXT(s, next, end, c);
    if (!is_python_space(c))
      break;
    start = next;
  }
  while (end > start) {
    gint32 previous = end;
    UChar32 c;
    U8_PREV(s, start, previous, c);
    if (!is_python_space(c))
      break;
    end = previous;
  }
  g_string_truncate(text, (gsize)end);
  g_string_erase(text, 0, start);
}

void bert_normalise_text(const char *text, GString *out)
{
  g_string_truncate(out, 0);
  append_lower(out, text);
  char *to = out->str;
  for (const char *from = out->str; *from != '\0'; from++)
    if (*from != '"' && *from != '\'')
      *to++ = *from;
  g_string_truncate(out, (gsize)(to - out->str));
  strip(out);
  for (char *p = strstr(out->str, "[sep]"); p; p = strstr(p, "[sep]"))
    memcpy(p, "[SEP]", 5);
}
