/* Reading tables of products. A row is handed on as a jansson object and forgotten. */
#include "envs/webshop/table.h"

#include "envs/shop/text/fail.h"
#include <string.h>

typedef struct {
  const char *path, *at;
  guint line;
} Reader;

static gboolean wrong(const Reader *reader, guint line, const char *what, GError **error)
{
  return shop_fail(error, CW_ERROR_FORMAT, "%s:%u: %s", reader->path, line, what);
}

/* One cell into `cell`; afterwards the reader stands on what ends it: a comma, a newline or the end. */
static gboolean read_cell(Reader *reader, GString *cell, GError **error)
{
  guint first = reader->line;
  g_string_truncate(cell, 0);
  if (*reader->at != '"') {
    gsize length = strcspn(reader->at, ",\r\n");
    g_string_append_len(cell, reader->at, (gssize)length);
    reader->at += length;
    return TRUE;
  }
  for (reader->at++; *reader->at; reader->at++) {
    if (*reader->at == '"' && reader->at[1] != '"')
      break;
    if (*reader->at == '"')
      reader->at++;
    reader->line += *reader->at == '\n';
    g_string_append_c(cell, *reader->at);
  }
  if (*reader->at != '"')
    return wrong(reader, first, "a quote is opened here and never closed", error);
  reader->at++;
  return strchr(",\r\n", *reader->at) ||
         wrong(reader, reader->line, "text after a closing quote; double the quotes inside a cell", error);
}

/* The cells of one line; free with g_ptr_array_unref. */
static GPtrArray *read_line(Reader *reader, GError **error)
{
  g_autoptr(GPtrArray) cells = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GString) cell = g_string_new(NULL);
  for (;;) {
    if (!read_cell(reader, cell, error))
      return NULL;
    g_ptr_array_add(cells, g_strdup(cell->str));
    if (*reader->at != ',')
      break;
    reader->at++;
  }
  reader->at += *reader->at == '\r';
  if (*reader->at == '\n') {
    reader->at++;
    reader->line++;
  }
  return g_steal_pointer(&cells);
}

static gboolean is_blank(const GPtrArray *cells)
{
  return cells->len == 1 && *(const char *)cells->pdata[0] == '\0';
}

static gboolean read_csv(Reader *reader, TableRow row, gpointer data, GError **error)
{
  g_autoptr(GPtrArray) names = read_line(reader, error);
  for (guint i = 0; names && i < names->len; i++) {
    char *lower = g_ascii_strdown(g_strstrip(names->pdata[i]), -1);
    g_free(names->pdata[i]);
    names->pdata[i] = lower;
  }
  while (names && *reader->at) {
    guint line = reader->line;
    g_autoptr(GPtrArray) cells = read_line(reader, error);
    if (!cells)
      return FALSE;
    if (is_blank(cells))
      continue;
    g_autoptr(json_t) object = json_object();
    for (guint i = 0; i < MIN(cells->len, names->len); i++)
      json_object_set_new(object, names->pdata[i], json_string(cells->pdata[i]));
    if (cells->len != names->len)
      json_object_set_new(object, "",
                          json_sprintf("%u cells where the first line names %u", cells->len, names->len));
    if (!row(data, object, line, error))
      return FALSE;
  }
  return names != NULL;
}

static gboolean read_json_lines(Reader *reader, TableRow row, gpointer data, GError **error)
{
  while (*reader->at) {
    gsize length = strcspn(reader->at, "\n");
    g_autofree char *text = g_strstrip(g_strndup(reader->at, length));
    if (*text) {
      json_error_t problem;
      g_autoptr(json_t) object = json_loads(text, 0, &problem);
      if (!object)
        return wrong(reader, reader->line, problem.text, error);
      if (!json_is_object(object))
        return wrong(reader, reader->line, "expected a JSON object", error);
      if (!row(data, object, reader->line, error))
        return FALSE;
    }
    reader->at += length + (reader->at[length] == '\n');
    reader->line++;
  }
  return TRUE;
}

gboolean table_read(const char *path, TableRow row, gpointer data, GError **error)
{
  g_autofree char *contents = NULL;
  gsize length;
  const char *end;
  GError *problem = NULL;
  if (!g_file_get_contents(path, &contents, &length, &problem)) {
    shop_fail(error, CW_ERROR_INPUT_OUTPUT, "%s", problem->message);
    g_error_free(problem);
    return FALSE;
  }
  Reader reader = {path, contents, 1};
  if (g_str_has_prefix(reader.at, "\xef\xbb\xbf"))
    reader.at += 3;
  if (!g_utf8_validate(contents, (gssize)length, &end)) {
    guint line = 1;
    for (const char *at = contents; at < end; at++)
      line += *at == '\n';
    return wrong(&reader, line, "not UTF-8 text; save the table as UTF-8", error);
  }
  gboolean is_json = g_str_has_suffix(path, ".jsonl") || g_str_has_suffix(path, ".ndjson") ||
                     g_str_has_suffix(path, ".json");
  return is_json ? read_json_lines(&reader, row, data, error) : read_csv(&reader, row, data, error);
}
