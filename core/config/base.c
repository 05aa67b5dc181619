/* Files that are based on others: follows the key `base` from file to file and puts each over its own. A file
 * that is being read already is refused. */
#include "core/config/paths.h"
#include "core/config/yaml.h"
#include <string.h>
#include <sys/stat.h>

/* A file that is being read, and the one that it is the base of. */
typedef struct Reading Reading;
struct Reading {
  const char *path;
  const Reading *above;
};

static gboolean is_same_file(const char *first, const char *second)
{
  struct stat a, b;
  return stat(first, &a) == 0 && stat(second, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* "a.yaml -> b.yaml -> a.yaml" when the file is being read already, or NULL. Free with g_free. */
static char *circle(const Reading *reading, const char *path)
{
  g_autoptr(GString) text = g_string_new(path);
  for (; reading; reading = reading->above) {
    g_string_prepend(text, " -> ");
    g_string_prepend(text, reading->path);
    if (is_same_file(reading->path, path))
      return g_string_free(g_steal_pointer(&text), FALSE);
  }
  return NULL;
}

/* The path of the base that `value` names, or NULL after a complaint. */
static char *path_of(const CwYamlNode *value, const Reading *reading, CwDiagnostics *diagnostics)
{
  g_autofree char *problem = NULL, *expanded = NULL;
  if (value->faulty)
    return NULL;
  if (value->kind != CW_YAML_SCALAR || *value->scalar == '\0') {
    cw_diagnostics_error(diagnostics, value->place, "base must be the path of a file to begin with, found %s",
                         value->kind == CW_YAML_SCALAR     ? "nothing"
                         : value->kind == CW_YAML_SEQUENCE ? "a list"
                                                           : "a mapping");
    return NULL;
  }
  expanded = cw_path_expand(value->scalar, &problem);
  if (!expanded) {
    cw_diagnostics_error(diagnostics, value->place, "base %s", problem);
    return NULL;
  }
  g_autofree char *path = cw_path_find(expanded, value->place, NULL), *shown = cw_display_text(expanded);
  g_autofree char *around = circle(reading, path);
  if (around)
    cw_diagnostics_error(diagnostics, value->place, "base is %s, which is based on this file: %s", shown,
                         around);
  else if (!g_file_test(path, G_FILE_TEST_EXISTS))
    cw_diagnostics_error(diagnostics, value->place, "base is %s; there is no such file", shown);
  else
    return g_steal_pointer(&path);
  return NULL;
}

static CwYamlNode *read_file(const char *path, const Reading *above, CwDiagnostics *diagnostics)
{
  Reading reading = {path, above};
  CwYamlNode *root = cw_yaml_parse_file(path, diagnostics), *base = NULL;
  for (guint i = 0; root && root->kind == CW_YAML_MAPPING && i < root->items->len; i++) {
    const CwYamlPair *pair = g_ptr_array_index(root->items, i);
    if (strcmp(pair->key, "base") != 0)
      continue;
    g_autofree char *below = path_of(pair->value, &reading, diagnostics);
    base = below ? read_file(below, &reading, diagnostics) : NULL;
    if (base && base->kind != CW_YAML_MAPPING) {
      cw_diagnostics_error(diagnostics, pair->value->place,
                           "base must be a file of keys and values, found %s",
                           base->kind == CW_YAML_SEQUENCE ? "a list" : "a single value");
      g_clear_pointer(&base, cw_yaml_free);
    }
    cw_yaml_remove(root, i--);
  }
  return base ? cw_yaml_merge(base, root) : root;
}

CwYamlNode *cw_yaml_load(const char *path, CwDiagnostics *diagnostics)
{
  return read_file(path, NULL, diagnostics);
}
