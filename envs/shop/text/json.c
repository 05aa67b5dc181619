/* Reading JSON that jansson alone refuses. Only when it has refused a text, a copy is mended in place, length
 * for length, and read again. */
#include "envs/shop/text/json.h"

#include <math.h>
#include <string.h>

/* Writes a word over a longer one, blanks behind it. */
static void replace(char *start, gsize length, const char *word)
{
  gsize n = MIN(strlen(word), length);
  memset(start, ' ', length);
  memcpy(start, word, n);
}

/* The four hexadecimal digits of \uXXXX; -1 when they are not. */
static gint read_unit(const char *text, const char *end)
{
  gint unit = 0;
  if (end - text < 6 || text[0] != '\\' || text[1] != 'u')
    return -1;
  for (guint i = 2; i < 6; i++) {
    gint digit = g_ascii_xdigit_value(text[i]);
    if (digit < 0)
      return -1;
    unit = unit * 16 + digit;
  }
  return unit;
}

/* Goes past an escape. */
static char *mend_escape(char *text, const char *end)
{
  gint unit = read_unit(text, end);
  if (unit < 0)
    return text + MIN(2, end - text);
  gint next = unit >= 0xd800 && unit < 0xdc00 ? read_unit(text + 6, end) : -1;
  if (next >= 0xdc00 && next < 0xe000)
    return text + 12;
  if (unit == 0 || (unit >= 0xd800 && unit < 0xe000))
    memcpy(text + 2, "fffd", 4);
  return text + 6;
}

static char *mend_string(char *text, const char *end)
{
  for (text++; text < end && *text != '"';)
    text = *text == '\\' ? mend_escape(text, end) : text + 1;
  return text + (text < end);
}

static char *mend_word(char *text, const char *end)
{
  char *stop = text, number[G_ASCII_DTOSTR_BUF_SIZE];
  while (stop < end && !strchr("[]{}\",: \t\r\n", *stop))
    stop++;
  gsize length = (gsize)(stop - text);
  g_autofree char *word = g_strndup(text, length);
  char *after;
  if (strcmp(word, "NaN") == 0)
    replace(text, length, "\"\"");
  else if (strcmp(word, "Infinity") == 0 || strcmp(word, "-Infinity") == 0)
    replace(text, length, "null");
  else if (g_ascii_isdigit(word[word[0] == '-'])) {
    double value = g_ascii_strtod(word, &after);
    gboolean is_integer = strspn(word + (word[0] == '-'), "0123456789") == length - (word[0] == '-');
    if (*after == '\0' && !isfinite(value))
      replace(text, length, value < 0 ? "-1e308" : "1e308");
    else if (*after == '\0' && is_integer && length > 18)
      replace(text, length, g_ascii_formatd(number, sizeof number, "%.11e", value));
  }
  return MAX(stop, text + 1);
}

json_t *shop_json_load(const char *text, gsize length, gsize flags, json_error_t *problem)
{
  json_t *value = json_loadb(text, length, flags, problem);
  if (value)
    return value;
  g_autofree char *mended = g_memdup2(text, length);
  const char *end = mended + length;
  for (char *next = mended; next < end;)
    next = *next == '"'                     ? mend_string(next, end)
           : strchr("[]{},: \t\r\n", *next) ? next + 1
                                            : mend_word(next, end);
  return json_loadb(mended, length, flags, problem);
}

gboolean shop_json_is_falsy(const json_t *value)
{
  return !value || json_is_null(value) || json_is_false(value) ||
         (json_is_number(value) && json_number_value(value) == 0) ||
         (json_is_string(value) && json_string_length(value) == 0) ||
         (json_is_array(value) && json_array_size(value) == 0) ||
         (json_is_object(value) && json_object_size(value) == 0);
}
