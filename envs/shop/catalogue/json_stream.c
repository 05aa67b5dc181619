/* A streaming reader for the two shapes of WebShop's files: an array of objects and an object of records. It
 * finds the end of each element by counting brackets outside strings, copies that element into one reused
 * buffer, and lets jansson parse it; so at most one element is in memory. The stream owns its file and
 * buffers. */
#include "envs/shop/catalogue/json_stream.h"

#include "envs/shop/text/fail.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define CHUNK (1u << 18)

struct ShopJsonStream {
  char *path;
  FILE *file;
  ShopJsonKind kind;
  guchar *chunk;
  gsize chunk_length, chunk_position;
  guint64 byte, line, column; /* of the character that `peek` shows; line and column from 1 */
  GString *key, *element, *where;
  guint64 start_byte, start_line, start_column;
  gboolean first, ended;
};

/* The next character without taking it; -1 at the end of the file. */
static int peek(ShopJsonStream *stream)
{
  if (stream->chunk_position == stream->chunk_length) {
    stream->chunk_length = fread(stream->chunk, 1, CHUNK, stream->file);
    stream->chunk_position = 0;
    if (stream->chunk_length == 0)
      return -1;
  }
  return stream->chunk[stream->chunk_position];
}

static void take(ShopJsonStream *stream)
{
  guchar c = stream->chunk[stream->chunk_position++];
  stream->byte++;
  if (c == '\n') {
    stream->line++;
    stream->column = 1;
  } else {
    stream->column++;
  }
}

static int peek_after_space(ShopJsonStream *stream)
{
  int c;
  while ((c = peek(stream)) == ' ' || c == '\t' || c == '\n' || c == '\r')
    take(stream);
  return c;
}

G_GNUC_PRINTF(3, 4) static json_t *fail(ShopJsonStream *stream, GError **error, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *message = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  if (ferror(stream->file))
    shop_fail(error, CW_ERROR_INPUT_OUTPUT, "%s: reading failed at byte %" G_GUINT64_FORMAT, stream->path,
              stream->byte);
  else
    shop_fail(error, CW_ERROR_FORMAT,
              "%s:%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT ": %s (byte %" G_GUINT64_FORMAT ")", stream->path,
              stream->line, stream->column, message, stream->byte);
  stream->ended = TRUE;
  return NULL;
}

static char *name_character(int c)
{
  if (c < 0)
    return g_strdup("the end of the file");
  return c > 0x20 && c < 0x7f ? g_strdup_printf("'%c'", c) : g_strdup_printf("character 0x%02x", (guint)c);
}

ShopJsonStream *shop_json_stream_open(const char *path, ShopJsonKind kind, GError **error)
{
  FILE *file = fopen(path, "rb");
  if (!file) {
    shop_fail_system(error, path, "cannot be opened");
    return NULL;
  }
  ShopJsonStream *stream = g_new0(ShopJsonStream, 1);
  stream->path = g_strdup(path);
  stream->file = file;
  stream->kind = kind;
  stream->chunk = g_malloc(CHUNK);
  stream->line = stream->column = 1;
  stream->key = g_string_new(NULL);
  stream->element = g_string_new(NULL);
  stream->where = g_string_new(NULL);
  stream->first = TRUE;

  char bracket = kind == SHOP_JSON_ARRAY ? '[' : '{';
  int c = peek_after_space(stream);
  if (c != bracket) {
    g_autofree char *found = name_character(c);
    fail(stream, error, "expected a JSON %s ('%c'), found %s", kind == SHOP_JSON_ARRAY ? "array" : "object",
         bracket, found);
    shop_json_stream_close(stream);
    return NULL;
  }
  take(stream);
  return stream;
}

void shop_json_stream_close(ShopJsonStream *stream)
{
  if (!stream)
    return;
  fclose(stream->file);
  g_free(stream->path);
  g_free(stream->chunk);
  g_string_free(stream->key, TRUE);
  g_string_free(stream->element, TRUE);
  g_string_free(stream->where, TRUE);
  g_free(stream);
}

/* Copies a string with its quotes; FALSE at the end of the file. */
static gboolean copy_string(ShopJsonStream *stream)
{
  g_string_append_c(stream->element, '"');
  take(stream);
  for (;;) {
    int c = peek(stream);
    if (c < 0)
      return FALSE;
    /* Runs of ordinary characters are copied at once. */
    gsize start = stream->chunk_position, end = start;
    while (end < stream->chunk_length && stream->chunk[end] != '"' && stream->chunk[end] != '\\' &&
           stream->chunk[end] != '\n')
      end++;
    g_string_append_len(stream->element, (const char *)stream->chunk + start, (gssize)(end - start));
    stream->chunk_position = end;
    stream->byte += end - start;
    stream->column += end - start;
    if (end == stream->chunk_length)
      continue;
    c = stream->chunk[end];
    g_string_append_c(stream->element, (char)c);
    take(stream);
    if (c == '"')
      return TRUE;
    if (c == '\\') {
      c = peek(stream);
      if (c < 0)
        return FALSE;
      g_string_append_c(stream->element, (char)c);
      take(stream);
    }
  }
}

/* Copies a run of characters that belong to a number or a word. */
static void copy_word(ShopJsonStream *stream)
{
  gsize start = stream->element->len;
  int c;
  while ((c = peek(stream)) >= 0 && !strchr("[]{}\",: \t\r\n", c)) {
    g_string_append_c(stream->element, (char)c);
    take(stream);
  }
  if (stream->element->len == start && c >= 0) { /* NUL: strchr finds it; let jansson complain */
    g_string_append_c(stream->element, '?');
    take(stream);
  }
  const char *word = stream->element->str + start;
  if (strcmp(word, "NaN") == 0 || strcmp(word, "Infinity") == 0 || strcmp(word, "-Infinity") == 0) {
    g_string_truncate(stream->element, start);
    g_string_append(stream->element, "null");
  }
}

/* Copies one whole value into `element`; FALSE at the end of the file. */
static gboolean copy_value(ShopJsonStream *stream)
{
  guint depth = 0;
  do {
    int c = peek(stream);
    if (c < 0)
      return FALSE;
    if (c == '"') {
      if (!copy_string(stream))
        return FALSE;
      continue;
    }
    if (c == '{' || c == '[')
      depth++;
    else if (c == '}' || c == ']')
      depth--;
    else if (!(c == ',' || c == ':' || c == ' ' || c == '\t' || c == '\n' || c == '\r')) {
      copy_word(stream);
      continue;
    }
    g_string_append_c(stream->element, (char)c);
    take(stream);
  } while (depth > 0);
  return TRUE;
}

static json_t *parse_element(ShopJsonStream *stream, GError **error)
{
  json_error_t problem;
  json_t *value = shop_json_load(stream->element->str, stream->element->len, JSON_DECODE_ANY, &problem);
  if (!value) {
    guint64 line = stream->start_line + (guint64)problem.line - 1;
    guint64 column =
        problem.line == 1 ? stream->start_column + (guint64)problem.column - 1 : (guint64)problem.column;
    shop_fail(
        error, CW_ERROR_FORMAT,
        "%s:%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT ": not valid JSON: %s (byte %" G_GUINT64_FORMAT ")",
        stream->path, line, MAX(column, 1), problem.text, stream->start_byte + (guint64)problem.position);
    stream->ended = TRUE;
  }
  return value;
}

static void begin_element(ShopJsonStream *stream)
{
  g_string_truncate(stream->element, 0);
  stream->start_byte = stream->byte;
  stream->start_line = stream->line;
  stream->start_column = stream->column;
}

static json_t *fail_truncated(ShopJsonStream *stream, GError **error)
{
  return fail(stream, error,
              "the file ends inside the element that starts at line %" G_GUINT64_FORMAT
              ", byte %" G_GUINT64_FORMAT ": it is truncated",
              stream->start_line, stream->start_byte);
}

json_t *shop_json_stream_next(ShopJsonStream *stream, const char **key, GError **error)
{
  if (stream->ended)
    return NULL;
  char closing = stream->kind == SHOP_JSON_ARRAY ? ']' : '}';
  int c = peek_after_space(stream);
  if (c == closing) {
    take(stream);
    c = peek_after_space(stream);
    if (c >= 0) {
      g_autofree char *found = name_character(c);
      return fail(stream, error, "expected the end of the file after '%c', found %s", closing, found);
    }
    if (ferror(stream->file))
      return fail(stream, error, "reading failed");
    stream->ended = TRUE;
    return NULL;
  }
  if (!stream->first) {
    if (c != ',') {
      g_autofree char *found = name_character(c);
      return fail(stream, error, "expected ',' or '%c', found %s", closing, found);
    }
    take(stream);
    c = peek_after_space(stream);
  }
  stream->first = FALSE;
  if (stream->kind == SHOP_JSON_OBJECT) {
    if (c != '"') {
      g_autofree char *found = name_character(c);
      return fail(stream, error, "expected a key in double quotes, found %s", found);
    }
    begin_element(stream);
    if (!copy_string(stream))
      return fail_truncated(stream, error);
    json_t *name = parse_element(stream, error);
    if (!name)
      return NULL;
    g_string_assign(stream->key, json_string_value(name));
    json_decref(name);
    c = peek_after_space(stream);
    if (c != ':') {
      g_autofree char *found = name_character(c);
      return fail(stream, error, "expected ':' after the key \"%s\", found %s", stream->key->str, found);
    }
    take(stream);
    c = peek_after_space(stream);
    if (key)
      *key = stream->key->str;
  }
  if (c < 0 || strchr(",:]}", c)) {
    g_autofree char *found = name_character(c);
    return fail(stream, error, "expected a value, found %s", found);
  }
  begin_element(stream);
  if (!copy_value(stream))
    return fail_truncated(stream, error);
  return parse_element(stream, error);
}

const char *shop_json_stream_where(ShopJsonStream *stream)
{
  g_string_printf(stream->where, "%s:%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT, stream->path,
                  stream->start_line, stream->start_column);
  return stream->where->str;
}

guint64 shop_json_stream_position(const ShopJsonStream *stream, guint64 *length)
{
  struct stat status;
  *length =
      fstat(fileno(stream->file), &status) == 0 && S_ISREG(status.st_mode) ? (guint64)status.st_size : 0;
  return stream->byte;
}
