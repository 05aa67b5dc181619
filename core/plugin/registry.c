/* Remembers the plugins that were loaded and the features they offer. A plugin is registered whole or not at
 * all. Of several files with one name the first on the search path counts, as with commands on $PATH; a file
 * that is reached twice by different paths is recognised by its inode. */
#include "core/plugin/registry.h"
#include "core/plugin/loader.h"
#include "core/plugin/search_path.h"

#include <string.h>
#include <sys/stat.h>

struct CwRegistry {
  char **search_path;
  GPtrArray *plugins;  /* Entry * */
  GPtrArray *features; /* CwRegisteredFeature * */
};

typedef struct {
  CwLoadedPlugin plugin;
  CwPluginDescriptor *descriptor;
  dev_t device;
  ino_t inode;
} Entry;

static void entry_free(gpointer data)
{
  Entry *entry = data;
  g_free(entry->plugin.path);
  g_free(entry->descriptor);
  g_free(entry);
}

CwRegistry *cw_registry_new(const char *const *extra)
{
  CwRegistry *registry = g_new0(CwRegistry, 1);
  registry->search_path = cw_search_path(extra);
  registry->plugins = g_ptr_array_new_with_free_func(entry_free);
  registry->features = g_ptr_array_new_with_free_func(cw_loader_feature_free);
  return registry;
}

void cw_registry_free(CwRegistry *registry)
{
  if (!registry)
    return;
  g_ptr_array_free(registry->features, TRUE);
  g_ptr_array_free(registry->plugins, TRUE);
  g_strfreev(registry->search_path);
  g_free(registry);
}

const char *const *cw_registry_search_path(const CwRegistry *registry)
{
  return (const char *const *)registry->search_path;
}

const GPtrArray *cw_registry_features(CwRegistry *registry)
{
  return registry->features;
}

static gint compare_features(gconstpointer a, gconstpointer b)
{
  const CwRegisteredFeature *first = *(CwRegisteredFeature *const *)a;
  const CwRegisteredFeature *second = *(CwRegisteredFeature *const *)b;
  if (first->kind != second->kind)
    return first->kind < second->kind ? -1 : 1;
  return strcmp(first->name, second->name);
}

static Entry *find_same_file(CwRegistry *registry, const char *path)
{
  struct stat status;
  if (stat(path, &status) != 0)
    return NULL;
  for (guint i = 0; i < registry->plugins->len; i++) {
    Entry *entry = registry->plugins->pdata[i];
    if (entry->device == status.st_dev && entry->inode == status.st_ino)
      return entry;
  }
  return NULL;
}

static void register_plugin(CwRegistry *registry, Entry *entry, GPtrArray *features)
{
  struct stat status;
  if (stat(entry->plugin.path, &status) == 0) {
    entry->device = status.st_dev;
    entry->inode = status.st_ino;
  }
  g_ptr_array_add(registry->plugins, entry);
  g_ptr_array_extend_and_steal(registry->features, features);
  g_ptr_array_sort(registry->features, compare_features);
}

const CwLoadedPlugin *cw_registry_load(CwRegistry *registry, const char *path, GError **error)
{
  char *absolute = g_canonicalize_filename(path, NULL); /* a bare name would make dlopen search elsewhere */
  Entry *entry = find_same_file(registry, absolute);
  GPtrArray *features;

  if (entry) {
    g_free(absolute);
    return &entry->plugin;
  }
  entry = g_new0(Entry, 1);
  entry->plugin.path = absolute;
  entry->descriptor = cw_loader_open(absolute, error);
  entry->plugin.descriptor = entry->descriptor;
  features = entry->descriptor ? cw_loader_features(&entry->plugin, registry->features, error) : NULL;
  if (!features) {
    entry_free(entry);
    return NULL;
  }
  register_plugin(registry, entry, features);
  return &entry->plugin;
}

/* Whether an earlier directory of the search path has a file of this name. */
static gboolean is_shadowed(CwRegistry *registry, guint directory, const char *path)
{
  char *name = g_path_get_basename(path);
  gboolean shadowed = FALSE;
  for (guint i = 0; i < directory && !shadowed; i++) {
    char *earlier = g_build_filename(registry->search_path[i], name, NULL);
    shadowed = g_file_test(earlier, G_FILE_TEST_EXISTS);
    g_free(earlier);
  }
  g_free(name);
  return shadowed;
}

void cw_registry_load_all(CwRegistry *registry, GPtrArray *failures)
{
  for (guint i = 0; registry->search_path[i]; i++) {
    GPtrArray *files = cw_search_path_files(registry->search_path[i]);
    for (guint j = 0; j < files->len; j++) {
      GError *failure = NULL;
      if (is_shadowed(registry, i, files->pdata[j]) || cw_registry_load(registry, files->pdata[j], &failure))
        continue;
      if (failures)
        g_ptr_array_add(failures, failure);
      else
        g_error_free(failure);
    }
    g_ptr_array_free(files, TRUE);
  }
}

static const CwRegisteredFeature *find_registered(CwRegistry *registry, CwFeatureKind kind, const char *name)
{
  for (guint i = 0; i < registry->features->len; i++) {
    const CwRegisteredFeature *feature = registry->features->pdata[i];
    if (feature->kind == kind && strcmp(feature->name, name) == 0)
      return feature;
  }
  return NULL;
}

/* Loads the first NAME.so on the search path. FALSE when there is one and it is bad: then its own trouble is
 * what the user should hear of. */
static gboolean load_by_name(CwRegistry *registry, const char *name, GError **error)
{
  char *file = g_strconcat(name, ".so", NULL);
  gboolean sound = TRUE;
  for (guint i = 0; registry->search_path[i]; i++) {
    char *path = g_build_filename(registry->search_path[i], file, NULL);
    gboolean exists = g_file_test(path, G_FILE_TEST_EXISTS);
    if (exists)
      sound = cw_registry_load(registry, path, error) != NULL;
    g_free(path);
    if (exists)
      break;
  }
  g_free(file);
  return sound;
}

static void set_not_found(CwRegistry *registry, CwFeatureKind kind, const char *name, GPtrArray *failures,
                          GError **error)
{
  GPtrArray *names = g_ptr_array_new();
  GString *text = g_string_new(NULL);
  char *found, *searched;
  const char *nearest;
  for (guint i = 0; i < registry->features->len; i++) {
    const CwRegisteredFeature *feature = registry->features->pdata[i];
    if (feature->kind == kind)
      g_ptr_array_add(names, (gpointer)feature->name);
  }
  g_ptr_array_add(names, NULL);
  nearest = cw_suggest(name, (const char *const *)names->pdata);
  found = g_strjoinv(", ", (char **)names->pdata);
  searched = g_strjoinv(":", registry->search_path);
  g_string_append_printf(text, "no %s '%s'", cw_feature_kind_name(kind), name);
  if (nearest)
    g_string_append_printf(text, "; did you mean '%s'?", nearest);
  g_string_append_printf(text, "%s found: %s; searched %s", nearest ? "" : ";",
                         found[0] != '\0' ? found : "none", searched);
  for (guint i = 0; i < failures->len; i++)
    g_string_append_printf(text, "\nnot loaded: %s", ((GError *)failures->pdata[i])->message);
  g_set_error_literal(error, CW_PLUGIN_ERROR, CW_ERROR_CONFIGURATION, text->str);
  g_string_free(text, TRUE);
  g_free(found);
  g_free(searched);
  g_ptr_array_free(names, TRUE);
}

const CwRegisteredFeature *cw_registry_find(CwRegistry *registry, CwFeatureKind kind, const char *name,
                                            GError **error)
{
  const CwRegisteredFeature *feature = find_registered(registry, kind, name);
  GPtrArray *failures;
  if (feature)
    return feature;
  if (!strchr(name, G_DIR_SEPARATOR) && !load_by_name(registry, name, error))
    return NULL;
  feature = find_registered(registry, kind, name);
  if (feature)
    return feature;
  failures = g_ptr_array_new_with_free_func((GDestroyNotify)g_error_free);
  cw_registry_load_all(registry, failures);
  feature = find_registered(registry, kind, name);
  if (!feature)
    set_not_found(registry, kind, name, failures, error);
  g_ptr_array_free(failures, TRUE);
  return feature;
}
