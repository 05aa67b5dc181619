/* Fills options structs from YAML by their tables, and checks the tables. All complaints of a mapping are
 * collected in one pass; a member whose value was refused keeps its default, so that later checks can go on.
 * The struct and the strings in it belong to whoever asked, until cw_options_free. */
#include "core/config/options.h"
#include "core/config/paths.h"
#include "core/config/scalars.h"
#include <string.h>

#define MOST_NESTED 8

static gpointer member_of(const CwOption *row, gpointer options)
{
  return (char *)options + row->offset;
}

static const CwOption *find_row(const CwOptionTable *table, const char *name)
{
  for (guint i = 0; i < table->n_rows; i++)
    if (strcmp(table->rows[i].name, name) == 0)
      return &table->rows[i];
  return NULL;
}

/* "a, b" as a NULL-terminated array; "" is an empty one. */
static char **split_list(const char *text)
{
  char **items = g_strsplit(text, ",", -1);
  for (char **item = items; *item; item++)
    g_strstrip(*item);
  if (items[0] && !items[1] && *items[0] == '\0') {
    g_free(items[0]);
    items[0] = NULL;
  }
  return items;
}

/* NULL, or what is wrong with the row's default. */
static char *set_default(const CwOption *row, gpointer member)
{
  if (!row->default_value)
    return NULL;
  if (row->type != CW_OPTION_STRING_LIST)
    return cw_scalar_parse(row, row->default_value, row->type == CW_OPTION_STRING, member);
  char **items = split_list(row->default_value);
  for (char **item = items; *item; item++) {
    char *problem = cw_scalar_check_item(row, *item);
    if (problem) {
      g_strfreev(items);
      return problem;
    }
  }
  *(char ***)member = items;
  return NULL;
}

static const char *kind_name(const CwYamlNode *node)
{
  return node->kind == CW_YAML_SEQUENCE  ? "a list"
         : node->kind == CW_YAML_MAPPING ? "a mapping"
                                         : "a single value";
}

static void fill_list(const CwOption *row, const CwYamlNode *value, const char *what, gpointer member,
                      CwDiagnostics *diagnostics)
{
  guint n_complaints = cw_diagnostics_count(diagnostics);
  g_autoptr(GPtrArray) items = g_ptr_array_new_with_free_func(g_free);
  guint n_items = value->kind == CW_YAML_SEQUENCE ? value->items->len : 1;
  for (guint i = 0; i < n_items; i++) {
    const CwYamlNode *item = value->kind == CW_YAML_SEQUENCE ? g_ptr_array_index(value->items, i) : value;
    if (item->faulty)
      return;
    if (item->kind != CW_YAML_SCALAR) {
      cw_diagnostics_error(diagnostics, item->place, "%s in %s: expected a list of strings, found %s%s",
                           row->name, what, kind_name(item), value->kind == CW_YAML_SEQUENCE ? " in it" : "");
      continue;
    }
    g_autofree char *problem = cw_scalar_check_item(row, item->scalar);
    if (problem)
      cw_diagnostics_error(diagnostics, item->place, "%s in %s %s", row->name, what, problem);
    g_ptr_array_add(items, g_strdup(item->scalar));
  }
  if (n_items == 0 && row->flags & CW_OPTION_REQUIRED)
    cw_diagnostics_error(diagnostics, value->place, "%s in %s is an empty list; expected at least one item",
                         row->name, what);
  if (cw_diagnostics_count(diagnostics) != n_complaints)
    return;
  g_ptr_array_add(items, NULL);
  g_strfreev(*(char ***)member);
  *(char ***)member = (char **)g_ptr_array_free(g_steal_pointer(&items), FALSE);
}

static gboolean is_null(const CwYamlNode *value)
{
  return value->kind == CW_YAML_SCALAR && !value->quoted &&
         (strcmp(value->scalar, "null") == 0 || strcmp(value->scalar, "~") == 0);
}

/* NULL, or what is wrong with the value. */
static char *fill_scalar(const CwOption *row, const CwYamlNode *value, const CwOptionsScope *scope,
                         gpointer member)
{
  char *problem = NULL;
  if (row->type != CW_OPTION_PATH || scope->partial)
    return cw_scalar_parse(row, value->scalar, value->quoted, member);
  g_autofree char *expanded = cw_path_expand(value->scalar, &problem);
  if (!expanded)
    return problem;
  g_autofree char *path = scope->from_here || !*expanded
                              ? g_steal_pointer(&expanded)
                              : cw_path_find(expanded, value->place, scope->folders);
  return cw_scalar_parse(row, path, value->quoted, member);
}

static void fill_row(const CwOption *row, const CwYamlNode *value, const CwOptionsScope *scope,
                     gpointer member, CwDiagnostics *diagnostics)
{
  const char *what = scope->what;
  if (value->faulty)
    return;
  if (is_null(value)) {
    gboolean may_be_null =
        row->type == CW_OPTION_STRING || row->type == CW_OPTION_PATH || row->type == CW_OPTION_STRING_LIST;
    if (may_be_null && !row->default_value && !(row->flags & CW_OPTION_REQUIRED))
      return;
    g_autofree char *expectation = cw_scalar_expectation(row);
    cw_diagnostics_error(diagnostics, value->place, "%s in %s is %s; expected %s", row->name, what,
                         value->scalar, expectation);
  } else if (row->type == CW_OPTION_STRING_LIST) {
    fill_list(row, value, what, member, diagnostics);
  } else if (value->kind != CW_YAML_SCALAR) {
    g_autofree char *expectation = cw_scalar_expectation(row);
    cw_diagnostics_error(diagnostics, value->place, "%s in %s is %s; expected %s", row->name, what,
                         kind_name(value), expectation);
  } else {
    g_autofree char *problem = fill_scalar(row, value, scope, member);
    if (problem)
      cw_diagnostics_error(diagnostics, value->place, "%s in %s %s", row->name, what, problem);
  }
}

/* "'evaluate' or 'generate'": every home of a key, or NULL when it has none. */
static char *homes_of(const CwOptionsScope *scope, const char *key)
{
  g_autoptr(GPtrArray) homes = g_ptr_array_new();
  for (guint i = 0; i < scope->n_elsewhere; i++)
    if (strcmp(scope->elsewhere[i].key, key) == 0 &&
        !g_ptr_array_find_with_equal_func(homes, scope->elsewhere[i].home, g_str_equal, NULL))
      g_ptr_array_add(homes, (gpointer)scope->elsewhere[i].home);
  if (homes->len == 0)
    return NULL;
  g_ptr_array_add(homes, NULL);
  return g_strjoinv(" or ", (char **)homes->pdata);
}

static void report_unknown(const CwOptionTable *table, const CwYamlPair *pair, const CwOptionsScope *scope,
                           CwDiagnostics *diagnostics)
{
  g_autofree char *shown = cw_display_text(pair->key);
  g_autofree char *homes = homes_of(scope, pair->key);
  g_autoptr(GPtrArray) words = g_ptr_array_new();
  for (guint i = 0; i < table->n_rows; i++)
    g_ptr_array_add(words, (gpointer)table->rows[i].name);
  for (const char *const *word = scope->also_allowed; word && *word; word++)
    g_ptr_array_add(words, (gpointer)*word);
  g_ptr_array_add(words, NULL);
  const char *near = cw_suggest(pair->key, (const char *const *)words->pdata);
  g_autofree char *cure = near ? g_strdup_printf("; did you mean '%s'?", near) : g_strdup("");
  if (homes)
    cw_diagnostics_error(diagnostics, pair->place, "misplaced key %s in %s; it belongs to %s%s", shown,
                         scope->what, homes, cure);
  else
    cw_diagnostics_error(diagnostics, pair->place, "unknown key %s in %s%s", shown, scope->what, cure);
}

static void report_missing(const CwOption *row, const CwOptionsScope *scope, CwDiagnostics *diagnostics)
{
  g_autofree char *expectation = cw_scalar_expectation(row);
  cw_diagnostics_error(diagnostics, scope->place, "missing key '%s' in %s: %s (%s)", row->name, scope->what,
                       expectation, row->help);
}

gpointer cw_options_fill_in(const CwOptionTable *table, const CwYamlNode *mapping,
                            const CwOptionsScope *scope, CwDiagnostics *diagnostics)
{
  gpointer options = g_malloc0(MAX(table->size, 1));
  for (guint i = 0; i < table->n_rows; i++) {
    /* The self check has been through the defaults; a complaint is not possible here. */
    g_autofree char *problem = set_default(&table->rows[i], member_of(&table->rows[i], options));
  }
  if (!mapping || mapping->kind != CW_YAML_MAPPING)
    return options;
  for (guint i = 0; i < mapping->items->len; i++) {
    const CwYamlPair *pair = g_ptr_array_index(mapping->items, i);
    const CwOption *row = find_row(table, pair->key);
    if (row)
      fill_row(row, pair->value, scope, member_of(row, options), diagnostics);
    else if (!scope->ignore_unknown &&
             !(scope->also_allowed && g_strv_contains(scope->also_allowed, pair->key)))
      report_unknown(table, pair, scope, diagnostics);
  }
  for (guint i = 0; i < table->n_rows && !scope->partial; i++)
    if (table->rows[i].flags & CW_OPTION_REQUIRED && !cw_yaml_get_pair(mapping, table->rows[i].name))
      report_missing(&table->rows[i], scope, diagnostics);
  return options;
}

gpointer cw_options_fill(const CwOptionTable *table, const CwYamlNode *mapping,
                         const char *const *also_allowed, const char *what, CwDiagnostics *diagnostics)
{
  CwOptionsScope scope = {.what = what, .also_allowed = also_allowed};
  if (mapping)
    scope.place = mapping->place;
  return cw_options_fill_in(table, mapping, &scope, diagnostics);
}

void cw_options_free(const CwOptionTable *table, gpointer options)
{
  if (!options)
    return;
  for (guint i = 0; i < table->n_rows; i++) {
    gpointer member = member_of(&table->rows[i], options);
    if (table->rows[i].type == CW_OPTION_STRING || table->rows[i].type == CW_OPTION_PATH)
      g_free(*(char **)member);
    else if (table->rows[i].type == CW_OPTION_STRING_LIST)
      g_strfreev(*(char ***)member);
  }
  g_free(options);
}

static void flatten(const CwTable *table, gsize offset, guint depth, GArray *rows)
{
  for (guint i = 0; i < table->n_rows; i++) {
    CwOption row = {0};
    memcpy(&row, (const char *)table->rows + (gsize)i * table->row_size, MIN(table->row_size, sizeof row));
    row.offset += (guint32)offset;
    if (row.type == CW_OPTION_TABLE && row.table && depth < MOST_NESTED) {
      flatten(row.table, row.offset, depth + 1, rows);
      continue;
    }
    gboolean placed = FALSE;
    for (guint j = 0; row.type == CW_OPTION_DEFAULT && row.name && j < rows->len && !placed; j++) {
      CwOption *other = &g_array_index(rows, CwOption, j);
      placed = g_strcmp0(other->name, row.name) == 0;
      if (placed)
        other->default_value = row.default_value;
    }
    if (!placed)
      g_array_append_val(rows, row);
  }
}

CwOption *cw_options_flatten(const CwTable *table, guint *n)
{
  GArray *rows = g_array_new(FALSE, TRUE, sizeof(CwOption));
  flatten(table, 0, 0, rows);
  *n = rows->len;
  return (CwOption *)(gpointer)g_array_free(rows, FALSE);
}

gboolean cw_is_name(const char *name)
{
  return name && g_ascii_islower(*name) &&
         name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static char *check_values(const CwOption *row)
{
  if (!row->values)
    return row->type == CW_OPTION_ENUM ? g_strdup("is an enumeration without values") : NULL;
  if (row->type != CW_OPTION_ENUM && row->type != CW_OPTION_STRING_LIST)
    return g_strdup("has values, which only an enumeration or a list may have");
  if (!row->values[0])
    return g_strdup("has an empty list of values");
  for (guint i = 0; row->values[i]; i++) {
    if (*row->values[i] == '\0')
      return g_strdup("has an empty name among its values");
    for (guint j = 0; j < i; j++)
      if (strcmp(row->values[i], row->values[j]) == 0)
        return g_strdup_printf("has the value '%s' twice", row->values[i]);
  }
  return NULL;
}

static char *check_default(const CwOption *row)
{
  if (row->flags & CW_OPTION_REQUIRED)
    return row->default_value
               ? g_strdup_printf("is required and yet has the default '%s'", row->default_value)
               : NULL;
  gboolean numeric = row->type == CW_OPTION_INTEGER || row->type == CW_OPTION_NUMBER;
  if (!row->default_value && !numeric)
    return NULL;
  union {
    gint64 integer;
    double number;
    gpointer pointer;
  } member = {.pointer = NULL};
  CwOption tried = *row;
  if (!row->default_value)
    tried.default_value = "0";
  g_autofree char *problem = set_default(&tried, &member);
  if (row->type == CW_OPTION_STRING || row->type == CW_OPTION_PATH)
    g_free(member.pointer);
  else if (row->type == CW_OPTION_STRING_LIST)
    g_strfreev(member.pointer);
  return problem ? g_strdup_printf("has a default that %s", problem) : NULL;
}

static char *check_row(const CwOptionTable *table, const CwOption *row)
{
  gsize member_size = cw_scalar_member_size(row->type);
  if (member_size == 0)
    return g_strdup_printf("has the unknown type %d", (int)row->type);
  if (row->offset % member_size != 0)
    return g_strdup_printf("has the offset %u, which is no multiple of its member's %" G_GSIZE_FORMAT
                           " bytes",
                           row->offset, member_size);
  if (row->offset + member_size > table->size)
    return g_strdup_printf("reaches byte %" G_GSIZE_FORMAT " of an options struct of %" G_GSIZE_FORMAT
                           " bytes",
                           row->offset + member_size, table->size);
  guint32 unknown = row->flags & ~(CW_OPTION_REQUIRED | CW_OPTION_RESUME_SAFE | CW_OPTION_LATER);
  if (unknown)
    return g_strdup_printf("has the unknown flags 0x%x", unknown);
  if (!(row->minimum <= row->maximum))
    return g_strdup_printf("has the minimum %g above its maximum %g", row->minimum, row->maximum);
  if ((row->minimum != 0 || row->maximum != 0) && row->type != CW_OPTION_INTEGER &&
      row->type != CW_OPTION_NUMBER)
    return g_strdup("has a range, which only an integer or a number may have");
  if (!row->help || *row->help == '\0')
    return g_strdup("has no help");
  char *problem = check_values(row);
  return problem ? problem : check_default(row);
}

char *cw_options_self_check(const CwOptionTable *table)
{
  for (guint i = 0; i < table->n_rows; i++) {
    const CwOption *row = &table->rows[i];
    if (!cw_is_name(row->name))
      return g_strdup_printf("option %u is named '%s'; expected lower case letters, digits and _", i,
                             row->name ? row->name : "(null)");
    g_autofree char *problem = check_row(table, row);
    if (problem)
      return g_strdup_printf("option '%s' %s", row->name, problem);
    for (guint j = 0; j < i; j++) {
      const CwOption *other = &table->rows[j];
      if (strcmp(row->name, other->name) == 0)
        return g_strdup_printf("option '%s' occurs twice", row->name);
      if (row->offset < other->offset + cw_scalar_member_size(other->type) &&
          other->offset < row->offset + cw_scalar_member_size(row->type))
        return g_strdup_printf("options '%s' and '%s' share the member at offset %u", other->name, row->name,
                               MAX(row->offset, other->offset));
    }
  }
  return NULL;
}
