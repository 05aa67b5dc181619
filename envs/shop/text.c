/* Text helpers shared by catalogue, session and pages. Nothing here keeps state;
 * the caller owns every buffer. The rules are those of CPython's str.lower,
 * str.strip, repr(float), json.dumps and repr(str), which the recorded sessions
 * show. */
#include "envs/shop/text.h"

#include <math.h>
#include <string.h>
#include <unicode/ucasemap.h>

static gboolean is_ascii(const char *text, gsize length)
{
  for (gsize i = 0; i < length; i++)
    if ((guchar)text[i] >= 0x80)
      return FALSE;
  return TRUE;
}

void shop_text_append_lower(GString *out, const char *text, gsize length)
{
  gsize start = out->len;
  if (!is_ascii(text, length)) {
    UErrorCode status = U_ZERO_ERROR;
    UCaseMap *map = ucasemap_open("", 0, &status);
    if (U_SUCCESS(status)) {
      gsize room = length + 16;
      for (;;) {
        g_string_set_size(out, start + room);
        status = U_ZERO_ERROR;
        gint32 written = ucasemap_utf8ToLower(map, out->str + start, (gint32)room, text, (gint32)length, &status);
        if (status == U_BUFFER_OVERFLOW_ERROR) {
          room = (gsize)written + 1;
          continue;
        }
        g_string_set_size(out, start + (U_SUCCESS(status) ? (gsize)written : 0));
        break;
      }
      ucasemap_close(map);
      if (U_SUCCESS(status))
        return;
    }
  }
  g_string_append_len(out, text, (gssize)length);
  for (gsize i = start; i < out->len; i++)
    if (out->str[i] >= 'A' && out->str[i] <= 'Z')
      out->str[i] = (char)(out->str[i] + ('a' - 'A'));
}

static gboolean is_space(gunichar c)
{
  return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

void shop_text_trim(const char **text, gsize *length)
{
  const char *start = *text, *end = *text + *length;
  while (start < end && is_space(g_utf8_get_char(start)))
    start = g_utf8_next_char(start);
  while (end > start) {
    const char *last = end - 1;
    while (last > start && ((guchar)*last & 0xc0) == 0x80)
      last--;
    if (!is_space(g_utf8_get_char(last)))
      break;
    end = last;
  }
  *text = start;
  *length = (gsize)(end - start);
}

gboolean shop_text_is_ascii_space(const char *text, gsize length)
{
  for (gsize i = 0; i < length; i++)
    if (!(text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\f' || text[i] == '\r'))
      return FALSE;
  return length > 0;
}

void shop_text_append_double(GString *out, double value)
{
  char digits[40];
  /* 15 digits always survive the way to a double and back; where they do not
   * come back as the same value, 16 or 17 do. */
  for (int precision = 15; precision <= 17; precision++) {
    char format[8];
    g_snprintf(format, sizeof format, "%%.%de", precision - 1);
    g_ascii_formatd(digits, sizeof digits, format, value);
    if (g_ascii_strtod(digits, NULL) == value)
      break;
  }
  if (!isfinite(value)) {
    g_string_append(out, isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
    return;
  }
  const char *mantissa = digits;
  if (*mantissa == '-') {
    g_string_append_c(out, '-');
    mantissa++;
  }
  char *e = strchr(digits, 'e');
  gint64 exponent = g_ascii_strtoll(e + 1, NULL, 10);
  char significant[32];
  guint n = 0;
  for (const char *p = mantissa; p < e; p++)
    if (*p != '.')
      significant[n++] = *p;
  while (n > 1 && significant[n - 1] == '0')
    n--;
  if (exponent < -4 || exponent >= 16) {
    g_string_append_c(out, significant[0]);
    if (n > 1) {
      g_string_append_c(out, '.');
      g_string_append_len(out, significant + 1, n - 1);
    }
    g_string_append_printf(out, "e%c%02d", exponent < 0 ? '-' : '+', (int)ABS(exponent));
    return;
  }
  if (exponent < 0) {
    g_string_append(out, "0.");
    for (gint64 i = -1; i > exponent; i--)
      g_string_append_c(out, '0');
    g_string_append_len(out, significant, n);
    return;
  }
  for (gint64 i = 0; i <= exponent; i++)
    g_string_append_c(out, i < n ? significant[i] : '0');
  g_string_append_c(out, '.');
  if (exponent + 1 < n)
    g_string_append_len(out, significant + exponent + 1, n - exponent - 1);
  else
    g_string_append_c(out, '0');
}

void shop_text_append_integer(GString *out, gint64 value)
{
  char digits[24], *start = digits + sizeof digits;
  guint64 rest = value < 0 ? 0 - (guint64)value : (guint64)value;
  do
    *--start = (char)('0' + rest % 10);
  while ((rest /= 10) > 0);
  if (value < 0)
    *--start = '-';
  g_string_append_len(out, start, digits + sizeof digits - start);
}

/* A backslash and `letter`, then the lowest `n_digits` hexadecimal digits. */
static void append_hexadecimal(GString *out, char letter, guint32 value, guint n_digits)
{
  g_string_append_c(out, '\\');
  g_string_append_c(out, letter);
  while (n_digits-- > 0)
    g_string_append_c(out, "0123456789abcdef"[(value >> (4 * n_digits)) & 15]);
}

static void append_escape(GString *out, gunichar c)
{
  if (c >= 0x10000) {
    c -= 0x10000;
    append_hexadecimal(out, 'u', 0xd800 + (c >> 10), 4);
    append_hexadecimal(out, 'u', 0xdc00 + (c & 0x3ff), 4);
  } else {
    append_hexadecimal(out, 'u', c, 4);
  }
}

void shop_text_append_json(GString *out, const char *text, gboolean html_safe)
{
  g_string_append_c(out, '"');
  for (const char *p = text; *p != '\0'; p = g_utf8_next_char(p)) {
    gunichar c = g_utf8_get_char(p);
    const char *const short_forms = "\"\"\\\\\nn\rr\tt\bb\ff";
    const char *form = NULL;
    for (const char *s = short_forms; *s != '\0'; s += 2)
      if ((gunichar)*s == c)
        form = s + 1;
    if (form != NULL) {
      g_string_append_c(out, '\\');
      g_string_append_c(out, *form);
    } else if (c < 0x20 || c >= 0x7f || (html_safe && strchr("<>&'", (int)c) != NULL)) {
      if (c == 0x7f)
        g_string_append_c(out, 0x7f);
      else
        append_escape(out, c);
    } else {
      g_string_append_c(out, (char)c);
    }
  }
  g_string_append_c(out, '"');
}

void shop_text_append_quoted(GString *out, const char *text)
{
  char quote = strchr(text, '\'') != NULL && strchr(text, '"') == NULL ? '"' : '\'';
  g_string_append_c(out, quote);
  for (const char *p = text; *p != '\0'; p = g_utf8_next_char(p)) {
    gunichar c = g_utf8_get_char(p);
    if (c == (gunichar)quote || c == '\\') {
      g_string_append_c(out, '\\');
      g_string_append_c(out, (char)c);
    } else if (c == '\n')
      g_string_append(out, "\\n");
    else if (c == '\r')
      g_string_append(out, "\\r");
    else if (c == '\t')
      g_string_append(out, "\\t");
    else if (c != ' ' && (!g_unichar_isprint(c) || g_unichar_isspace(c) || c == 0xa0)) {
      if (c < 0x100)
        append_hexadecimal(out, 'x', c, 2);
      else if (c < 0x10000)
        append_hexadecimal(out, 'u', c, 4);
      else
        append_hexadecimal(out, 'U', c, 8);
    } else {
      g_string_append_unichar(out, c);
    }
  }
  g_string_append_c(out, quote);
}
