/* Options as text: one value as YAML, a table for the terminal and a table for the documentation. Everything
 * comes from the option rows, so help, manual and parser cannot disagree. */
#include "core/config/options.h"
#include "core/config/scalars.h"
#include <string.h>

char *cw_options_quote(const char *string)
{
  static const char *const words[] = {"true", "false", "null",  "yes",  "no",   "on",   "off",   "y",
                                      "n",    "True",  "False", "Null", "NULL", "TRUE", "FALSE", NULL};
  gboolean plain = g_ascii_isalpha(*string) || *string == '_' || *string == '/' ||
                   (*string == '.' && (string[1] == '.' || string[1] == '/'));
  for (const char *p = string; *p && plain; p++)
    plain = g_ascii_isalnum(*p) || strchr("_./-+@=", *p);
  if (plain && !g_strv_contains(words, string))
    return g_strdup(string);
  GString *quoted = g_string_new("\"");
  for (const char *p = string; *p; p = g_utf8_next_char(p)) {
    gunichar character = g_utf8_get_char(p);
    if (character == '"' || character == '\\')
      g_string_append_printf(quoted, "\\%c", (char)character);
    else if (character == '\n')
      g_string_append(quoted, "\\n");
    else if (character == '\t')
      g_string_append(quoted, "\\t");
    else if (character < 0x20 || !g_unichar_isprint(character))
      g_string_append_printf(quoted, "\\U%08X", character);
    else
      g_string_append_unichar(quoted, character);
  }
  g_string_append_c(quoted, '"');
  return g_string_free(quoted, FALSE);
}

static char *list_text(char *const *items)
{
  if (!items)
    return g_strdup("null");
  GString *text = g_string_new("[");
  for (char *const *item = items; *item; item++) {
    g_autofree char *quoted = cw_options_quote(*item);
    g_string_append_printf(text, "%s%s", item == items ? "" : ", ", quoted);
  }
  g_string_append_c(text, ']');
  return g_string_free(text, FALSE);
}

char *cw_options_value_text(const CwOption *row, gconstpointer options)
{
  gconstpointer member = (const char *)options + row->offset;
  switch (row->type) {
  case CW_OPTION_BOOLEAN:
    return g_strdup(*(const gboolean *)member ? "true" : "false");
  case CW_OPTION_INTEGER:
    return g_strdup_printf("%" G_GINT64_FORMAT, *(const gint64 *)member);
  case CW_OPTION_NUMBER:
    return cw_scalar_number_text(*(const double *)member);
  case CW_OPTION_STRING:
  case CW_OPTION_PATH: {
    const char *string = *(char *const *)member;
    return string ? cw_options_quote(string) : g_strdup("null");
  }
  case CW_OPTION_ENUM:
    return cw_options_quote(row->values[*(const gint *)member]);
  case CW_OPTION_STRING_LIST:
    return list_text(*(char **const *)member);
  case CW_OPTION_TABLE:
  case CW_OPTION_DEFAULT: /* gone from a flattened table */
    break;
  }
  return g_strdup("null");
}

static const char *type_name(CwOptionType type)
{
  static const char *const names[] = {"?", "boolean", "integer", "number", "string", "path", "enum", "list"};
  return type >= CW_OPTION_BOOLEAN && type <= CW_OPTION_STRING_LIST ? names[type] : names[0];
}

static char *default_text(const CwOption *row)
{
  if (row->flags & CW_OPTION_REQUIRED)
    return g_strdup("required");
  if (row->default_value)
    return row->type == CW_OPTION_STRING && *row->default_value == '\0' ? g_strdup("''")
                                                                        : g_strdup(row->default_value);
  switch (row->type) {
  case CW_OPTION_BOOLEAN:
    return g_strdup("false");
  case CW_OPTION_INTEGER:
  case CW_OPTION_NUMBER:
    return g_strdup("0");
  case CW_OPTION_ENUM:
    return g_strdup(row->values[0]);
  default:
    return g_strdup("none");
  }
}

/* The range or the names, and the unit. */
static char *allowed_text(const CwOption *row)
{
  const char *unit = row->unit ? row->unit : "", *space = row->unit ? " " : "";
  if (row->values)
    return g_strjoinv(", ", (char **)row->values);
  gboolean low = cw_scalar_has_minimum(row), high = cw_scalar_has_maximum(row);
  g_autofree char *minimum = low ? cw_scalar_number_text(row->minimum) : NULL;
  g_autofree char *maximum = high ? cw_scalar_number_text(row->maximum) : NULL;
  if (low && high)
    return g_strdup_printf("%s to %s%s%s", minimum, maximum, space, unit);
  if (low)
    return g_strdup_printf("at least %s%s%s", minimum, space, unit);
  if (high)
    return g_strdup_printf("at most %s%s%s", maximum, space, unit);
  return g_strdup(unit);
}

enum { N_COLUMNS = 4 };

static void row_cells(const CwOption *row, char *cells[N_COLUMNS])
{
  cells[0] = g_strdup(row->name);
  cells[1] = g_strdup(type_name(row->type));
  cells[2] = default_text(row);
  cells[3] = allowed_text(row);
}

static void cells_clear(char *cells[N_COLUMNS])
{
  for (guint i = 0; i < N_COLUMNS; i++)
    g_free(cells[i]);
}

static void append_padded(GString *text, const char *cell, gsize width)
{
  g_string_append(text, cell);
  for (gsize n = g_utf8_strlen(cell, -1); n < width + 2; n++)
    g_string_append_c(text, ' ');
}

char *cw_options_help(const CwOptionTable *table)
{
  static const char *const titles[N_COLUMNS] = {"option", "type", "default", "allowed"};
  gsize widths[N_COLUMNS];
  for (guint i = 0; i < N_COLUMNS; i++)
    widths[i] = strlen(titles[i]);
  for (guint i = 0; i < table->n_rows; i++) {
    char *cells[N_COLUMNS];
    row_cells(&table->rows[i], cells);
    for (guint j = 0; j < N_COLUMNS; j++)
      widths[j] = MAX(widths[j], (gsize)g_utf8_strlen(cells[j], -1));
    cells_clear(cells);
  }
  GString *text = g_string_new(NULL);
  if (table->n_rows == 0)
    return g_string_free(g_string_append(text, "no options\n"), FALSE);
  for (guint j = 0; j < N_COLUMNS; j++)
    append_padded(text, titles[j], widths[j]);
  g_string_append(text, "meaning\n");
  for (guint i = 0; i < table->n_rows; i++) {
    char *cells[N_COLUMNS];
    row_cells(&table->rows[i], cells);
    for (guint j = 0; j < N_COLUMNS; j++)
      append_padded(text, cells[j], widths[j]);
    g_string_append_printf(text, "%s\n", table->rows[i].help);
    cells_clear(cells);
  }
  return g_string_free(text, FALSE);
}

static void append_escaped(GString *text, const char *cell)
{
  for (; *cell; cell++) {
    if (*cell == '|')
      g_string_append_c(text, '\\');
    g_string_append_c(text, *cell);
  }
}

char *cw_options_markdown(const CwOptionTable *table)
{
  GString *text = g_string_new(NULL);
  if (table->n_rows == 0)
    return g_string_free(g_string_append(text, "No options.\n"), FALSE);
  g_string_append(text, "| Option | Type | Default | Allowed | Meaning |\n|---|---|---|---|---|\n");
  for (guint i = 0; i < table->n_rows; i++) {
    const CwOption *row = &table->rows[i];
    char *cells[N_COLUMNS];
    row_cells(row, cells);
    g_string_append_printf(text, "| `%s` |", cells[0]);
    for (guint j = 1; j < N_COLUMNS; j++) {
      g_string_append_c(text, ' ');
      append_escaped(text, cells[j]);
      g_string_append(text, " |");
    }
    g_string_append_c(text, ' ');
    append_escaped(text, row->help);
    g_string_append(text, row->flags & CW_OPTION_RESUME_SAFE ? " (may change on resume) |\n" : " |\n");
    cells_clear(cells);
  }
  return g_string_free(text, FALSE);
}
