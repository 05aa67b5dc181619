/* Looking into a YAML tree, and changing it: --set, and putting one tree over another. A value that is
 * replaced hangs on to the one in its place (`former`), so that a reader can tell what a file said before. */
#include "core/config/yaml_private.h"
#include <string.h>

const CwYamlPair *cw_yaml_get_pair(const CwYamlNode *mapping, const char *key)
{
  for (guint i = 0; mapping && mapping->kind == CW_YAML_MAPPING && i < mapping->items->len; i++) {
    const CwYamlPair *pair = g_ptr_array_index(mapping->items, i);
    if (strcmp(pair->key, key) == 0)
      return pair;
  }
  return NULL;
}

const CwYamlNode *cw_yaml_get(const CwYamlNode *mapping, const char *key)
{
  const CwYamlPair *pair = cw_yaml_get_pair(mapping, key);
  return pair ? pair->value : NULL;
}

/* Turns an empty value ("evaluate:") into an empty mapping, so that keys can be set in it. */
static void make_mapping(CwYamlNode *node, CwPlace place)
{
  g_clear_pointer(&node->scalar, g_free);
  node->kind = CW_YAML_MAPPING;
  node->place = place;
  node->items = g_ptr_array_new_with_free_func(cw_yaml_pair_free);
}

static gboolean is_value(const CwYamlNode *node)
{
  return node->kind == CW_YAML_SCALAR && (node->quoted || *node->scalar);
}

/* A value remembers the value that it replaces. Takes `value`. */
static void replace(CwYamlNode **slot, CwYamlNode *value)
{
  CwYamlNode *old = g_steal_pointer(slot), **last = &value->former;
  *slot = value;
  if (!is_value(old) || !is_value(value)) {
    cw_yaml_free(old);
    return;
  }
  while (*last)
    last = &(*last)->former;
  *last = old;
}

void cw_yaml_put(CwYamlNode *mapping, const char *key, CwPlace place, CwYamlNode *value)
{
  CwYamlPair *pair = (CwYamlPair *)cw_yaml_get_pair(mapping, key);
  if (pair) {
    replace(&pair->value, value);
  } else {
    pair = g_new0(CwYamlPair, 1);
    pair->key = g_strdup(key);
    pair->value = value;
    g_ptr_array_add(mapping->items, pair);
  }
  pair->place = place;
}

void cw_yaml_remove(CwYamlNode *mapping, guint i)
{
  g_ptr_array_remove_index(mapping->items, i);
}

CwYamlNode *cw_yaml_merge(CwYamlNode *base, CwYamlNode *over)
{
  if (base->kind != CW_YAML_MAPPING || over->kind != CW_YAML_MAPPING) {
    replace(&base, over);
    return base;
  }
  base->place = over->place;
  for (guint i = 0; i < over->items->len; i++) {
    CwYamlPair *pair = g_ptr_array_index(over->items, i),
               *below = (CwYamlPair *)cw_yaml_get_pair(base, pair->key);
    CwYamlNode *value = g_steal_pointer(&pair->value);
    if (below && below->value->kind == CW_YAML_MAPPING && value->kind == CW_YAML_MAPPING) {
      below->value = cw_yaml_merge(below->value, value);
      below->place = pair->place;
    } else {
      cw_yaml_put(base, pair->key, pair->place, value);
    }
  }
  cw_yaml_free(over);
  return base;
}

/* Where the value of one step of the path is kept; made when it may be. NULL after a complaint. `so_far` is
 * the path up to `node`. */
static CwYamlNode **find_slot(CwYamlNode *node, const char *step, const char *so_far, CwPlace place,
                              CwDiagnostics *diagnostics)
{
  if (node->kind == CW_YAML_SCALAR && !node->quoted && *node->scalar == '\0')
    make_mapping(node, place);
  if (node->kind == CW_YAML_SCALAR) {
    cw_diagnostics_error(diagnostics, place, "'%s' is a single value; it has no '%s' to set", so_far, step);
    return NULL;
  }
  if (node->kind == CW_YAML_SEQUENCE) {
    guint64 index = 0;
    if (!g_ascii_string_to_unsigned(step, 10, 0, G_MAXUINT, &index, NULL))
      cw_diagnostics_error(diagnostics, place,
                           "'%s' is a list; expected the number of an item (from 0), found '%s'", so_far,
                           step);
    else if (index >= node->items->len)
      cw_diagnostics_error(diagnostics, place, "'%s' has %u items; there is no item %s (they count from 0)",
                           so_far, node->items->len, step);
    else
      return (CwYamlNode **)&node->items->pdata[index];
    return NULL;
  }
  if (!cw_yaml_get_pair(node, step)) {
    CwYamlNode *nothing = cw_yaml_node_new(CW_YAML_SCALAR, place);
    nothing->scalar = g_strdup("");
    cw_yaml_put(node, step, place, nothing);
  }
  return &((CwYamlPair *)cw_yaml_get_pair(node, step))->value;
}

/* The path of an assignment in its steps, and its value; NULL after a complaint. */
static char **split_assignment(const char *assignment, CwPlace place, CwDiagnostics *diagnostics)
{
  g_autofree char *shown = g_utf8_validate(assignment, -1, NULL) ? cw_display_text(assignment) : NULL;
  const char *equals = strchr(assignment, '=');
  if (!shown) {
    cw_diagnostics_error(diagnostics, place, "not valid UTF-8");
    return NULL;
  }
  if (!equals || equals == assignment) {
    cw_diagnostics_error(diagnostics, place, "expected KEY=VALUE such as stages.0.epochs=3, found %s", shown);
    return NULL;
  }
  g_autofree char *path = g_strndup(assignment, equals - assignment);
  char **steps = g_strsplit(path, ".", -1);
  for (char **step = steps; *step; step++)
    if (**step == '\0' || step - steps >= CW_YAML_DEEPEST) {
      cw_diagnostics_error(diagnostics, place, "the key in %s %s", shown,
                           **step ? "has too many parts" : "has an empty part");
      g_strfreev(steps);
      return NULL;
    }
  return steps;
}

gboolean cw_yaml_set(CwYamlNode *root, const char *assignment, guint number, CwDiagnostics *diagnostics)
{
  g_autofree char *where = g_strdup_printf("<command line>: --set #%u", number);
  return cw_yaml_set_from(root, assignment, where, diagnostics);
}

gboolean cw_yaml_set_from(CwYamlNode *root, const char *assignment, const char *where,
                          CwDiagnostics *diagnostics)
{
  CwPlace place = {g_intern_string(where), 0, 0};
  g_auto(GStrv) steps = split_assignment(assignment, place, diagnostics);
  if (!steps)
    return FALSE;
  const char *text = strchr(assignment, '=') + 1;
  if (text[strspn(text, " \t\r\n")] == '\0') {
    cw_diagnostics_error(diagnostics, place, "no value after '='; for an empty string write %s''",
                         assignment);
    return FALSE;
  }
  guint n_complaints = cw_diagnostics_count(diagnostics);
  CwYamlNode *value = cw_yaml_parse_unmarked(text, where, diagnostics);
  CwYamlNode **slot = &root;
  g_autoptr(GString) so_far = g_string_new(NULL);
  for (char **step = steps; value && slot && *step; step++) {
    slot = find_slot(*slot, *step, so_far->len ? so_far->str : "the file", place, diagnostics);
    g_string_append_printf(so_far, "%s%s", so_far->len ? "." : "", *step);
  }
  if (!value || !slot || cw_diagnostics_count(diagnostics) != n_complaints) {
    cw_yaml_free(value);
    return FALSE;
  }
  replace(slot, value);
  return TRUE;
}
