/* Text helpers shared by catalogue, session and pages. Nothing here keeps state; the caller owns every
 * buffer. The rules are those of CPython's str.lower, str.strip, repr(float), json.dumps and repr(str), which
 * the recorded sessions show. */
#include "envs/shop/text/text.h"

#include <math.h>
#include <string.h>
#include <unicode/ucasemap.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

/* How many of the bytes from the start are ASCII. */
static gsize count_ascii(const char *text, gsize length)
{
  gsize i = 0;
  for (guint64 word; i + sizeof word <= length; i += sizeof word) {
    memcpy(&word, text + i, sizeof word);
    if (word & G_GUINT64_CONSTANT(0x8080808080808080))
      break;
  }
  while (i < length && (guchar)text[i] < 0x80)
    i++;
  return i;
}

/* ICU's mapping of a whole text, which knows about context; FALSE when it fails. */
static gboolean append_lower_by_icu(GString *out, const char *text, gsize length)
{
  gsize start = out->len, room = length + 16;
  UErrorCode status = U_ZERO_ERROR;
  UCaseMap *map = ucasemap_open("", 0, &status);
  if (U_FAILURE(status))
    return FALSE;
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
  return U_SUCCESS(status);
}

#define CAPITAL_I_WITH_DOT  0x130 /* the only one whose lower case is two characters */
#define CAPITAL_SIGMA       0x3a3 /* the only one whose lower case depends on its neighbours */
#define MAX_BYTES_CHARACTER 4

/* Character by character, without allocation once `out` has grown. FALSE, with nothing appended, when the
 * text has one of the two capitals above or is not UTF-8. */
static gboolean append_lower_by_character(GString *out, const char *text, gsize length)
{
  gsize start = out->len;
  /* A character and its lower case differ by a byte at most: U+023A, two bytes, becomes U+2C65, three. */
  g_string_set_size(out, start + length + length / 2 + MAX_BYTES_CHARACTER);
  guint8 *to = (guint8 *)out->str + start;
  gint32 end = 0;
  for (gsize i = 0; i < length;) {
    gsize n_ascii = count_ascii(text + i, length - i);
    for (gsize end_ascii = i + n_ascii; i < end_ascii; i++)
      to[end++] = (guint8)(text[i] + (text[i] >= 'A' && text[i] <= 'Z' ? 'a' - 'A' : 0));
    if (i == length)
      break;
    gint32 next = 0;
    UChar32 c;
    U8_NEXT((const guint8 *)text + i, next, (gint32)(length - i), c);
    if (c < 0 || c == CAPITAL_I_WITH_DOT || c == CAPITAL_SIGMA) {
      g_string_truncate(out, start);
      return FALSE;
    }
    c = u_tolower(c);
    U8_APPEND_UNSAFE(to, end, c);
    i += (gsize)next;
  }
  g_string_truncate(out, start + (gsize)end);
  return TRUE;
}

void shop_text_append_lower(GString *out, const char *text, gsize length)
{
  gsize start = out->len;
  if (count_ascii(text, length) < length &&
      (append_lower_by_character(out, text, length) || append_lower_by_icu(out, text, length)))
    return;
  g_string_append_len(out, text, (gssize)length);
  char *lower = out->str + start;
  for (gsize i = 0; i < length; i++) /* without branches, for the vectoriser */
    lower[i] = (char)(lower[i] + (((guchar)(lower[i] - 'A') < 26) << 5));
}

static gboolean is_space(gunichar c)
{
  return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000;
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
  /* 15 digits always survive the way to a double and back; where they do not come back as the same value, 16
   * or 17 do. */
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
    if (form) {
      g_string_append_c(out, '\\');
      g_string_append_c(out, *form);
    } else if (c < 0x20 || c >= 0x7f || (html_safe && strchr("<>&'", (int)c))) {
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
  char quote = strchr(text, '\'') && !strchr(text, '"') ? '"' : '\'';
  g_string_append_c(out, quote);
  for (const char *p = text; *p != '\0'; p = g_utf8_next_char(p)) {
    const char *plain = p;
    while (*p >= ' ' && *p <= '~' && *p != quote && *p != '\\')
      p++;
    g_string_append_len(out, plain, p - plain);
    if (*p == '\0')
      break;
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
