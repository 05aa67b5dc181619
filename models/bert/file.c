/* Reading and writing of small whole files for the rest of models/bert, so that a missing or unwritable file
 * is reported in one way. */
#include "models/bert/file.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include <cartwright/error.h>

gboolean bert_fail(GError **error, CwErrorCode code, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_set_error_literal(error, CW_POLICY_ERROR, (gint)code, text);
  return FALSE;
}

char *bert_file_read(const char *file, gsize *length, GError **error)
{
  char *content = NULL;
  GError *cause = NULL;
  if (!g_file_get_contents(file, &content, length, &cause)) {
    if (g_error_matches(cause, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
      g_set_error(error, CW_POLICY_ERROR, CW_ERROR_INPUT_OUTPUT,
                  "%s: no such file; a model folder has config.json, vocab.txt and model.safetensors", file);
    } else {
      g_set_error(error, CW_POLICY_ERROR, CW_ERROR_INPUT_OUTPUT, "%s: cannot be read: %s", file,
                  cause->message);
    }
    g_error_free(cause);
    return NULL;
  }
  return content;
}

/* Puts `value` in the place of the token, blanks behind it. */
static void replace_token(char *token, gsize length, const char *value)
{
  gsize n = MIN(strlen(value), length);
  memset(token, ' ', length);
  memcpy(token, value, n);
}

static void tame_number(char *token, gsize length)
{
  g_autofree char *text = g_strndup(token, length);
  gsize n_digits = strspn(text + (*text == '-'), "0123456789");
  gboolean whole = (*text == '-') + n_digits == length;
  errno = 0;
  if (whole)
    (void)g_ascii_strtoll(text, NULL, 10);
  gboolean too_big = whole ? errno == ERANGE : isinf(g_ascii_strtod(text, NULL));
  if (too_big)
    replace_token(token, length, *text == '-' ? "-9e307" : "9e307");
}

/* Four hexadecimal digits, or -1. */
static gint hex4(const char *p, const char *end)
{
  gint value = 0;
  for (guint i = 0; i < 4; i++) {
    if (p + i >= end || !g_ascii_isxdigit(p[i]))
      return -1;
    value = value * 16 + g_ascii_xdigit_value(p[i]);
  }
  return value;
}

/* The string that begins after `p`, a quotation mark; returns where it ends. */
static char *tame_string(char *p, char *end)
{
  for (p++; p < end && *p != '"'; p++) {
    if (*p != '\\' || p + 1 >= end)
      continue;
    p++;
    if (*p != 'u')
      continue;
    gint high = hex4(p + 1, end), low = p + 6 < end && p[5] == '\\' && p[6] == 'u' ? hex4(p + 7, end) : -1;
    gboolean is_pair = high >= 0xD800 && high < 0xDC00 && low >= 0xDC00 && low < 0xE000;
    if (is_pair)
      p += 6;
    else if (high == 0 || (high >= 0xD800 && high < 0xE000))
      memcpy(p + 1, "fffd", 4);
  }
  return p;
}

void bert_json_tame(char *json, gsize length)
{
  char *end = json + length;
  for (char *p = json; p < end; p++) {
    gsize n = 0;
    if (*p == '"') {
      p = tame_string(p, end);
      continue;
    }
    while (p + n < end && (g_ascii_isalnum(p[n]) || p[n] == '-' || p[n] == '+' || p[n] == '.'))
      n++;
    if (n == 0)
      continue;
    if (g_ascii_isdigit(*p) || (*p == '-' && n > 1 && g_ascii_isdigit(p[1])))
      tame_number(p, n);
    else if (n == 3 && memcmp(p, "NaN", 3) == 0)
      replace_token(p, n, "9e9");
    else if ((n == 8 && memcmp(p, "Infinity", 8) == 0) || (n == 9 && memcmp(p, "-Infinity", 9) == 0))
      replace_token(p, n, "9e307");
    p += n - 1;
  }
}

json_t *bert_file_read_json(const char *file, gboolean unique, GError **error)
{
  gsize length = 0;
  g_autofree char *content = bert_file_read(file, &length, error);
  if (!content)
    return NULL;
  bert_json_tame(content, length);
  json_error_t where;
  json_t *root = json_loadb(content, length, unique ? JSON_REJECT_DUPLICATES : 0, &where);
  if (!root) {
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_FORMAT, "%s:%d:%d: not valid JSON: %s", file, where.line,
                where.column, where.text);
    return NULL;
  }
  if (!json_is_object(root)) {
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_FORMAT, "%s:1:1: expected a JSON object", file);
    json_decref(root);
    return NULL;
  }
  return root;
}

gboolean bert_file_write(const char *file, const char *content, gsize length, GError **error)
{
  GError *cause = NULL;
  if (!g_file_set_contents_full(file, content, (gssize)length,
                                G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0644, &cause)) {
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_INPUT_OUTPUT, "%s: cannot be written: %s", file,
                cause->message);
    g_error_free(cause);
    return FALSE;
  }
  return TRUE;
}
