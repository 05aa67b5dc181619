/* Remembers the plugins that were loaded and the features they offer. A plugin is registered whole or not at
 * all. Of several files with one name the first on the search path counts, as with commands on $PATH; a file
 * that is reached twice by different paths is recognised by its inode. */
#include "config.h"

#include "core/plugin/errors.h"
#include "core/plugin/loader.h"
#include "core/plugin/registry.h"
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
  /* A bare name would make dlopen search elsewhere. */
  g_autofree char *absolute = g_canonicalize_filename(path, NULL);
  Entry *entry = find_same_file(registry, absolute);
  if (entry)
    return &entry->plugin;
  entry = g_new0(Entry, 1);
  entry->plugin.path = g_steal_pointer(&absolute);
  CwSlotMark outer = cw_slot_set_mark((CwSlotMark){"file", g_intern_string(entry->plugin.path), "loading"});
  entry->descriptor = cw_loader_open(entry->plugin.path, error);
  entry->plugin.descriptor = entry->descriptor;
  GPtrArray *features =
      entry->descriptor ? cw_loader_features(&entry->plugin, registry->features, error) : NULL;
  cw_slot_set_mark(outer);
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
  g_autofree char *name = g_path_get_basename(path);
  for (guint i = 0; i < directory; i++) {
    g_autofree char *earlier = g_build_filename(registry->search_path[i], name, NULL);
    if (g_file_test(earlier, G_FILE_TEST_EXISTS))
      return TRUE;
  }
  return FALSE;
}

/* The plugin files of the search path that are not shadowed. */
static GPtrArray *files_of(CwRegistry *registry)
{
  GPtrArray *all = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; registry->search_path[i]; i++) {
    g_autoptr(GPtrArray) files = cw_search_path_files(registry->search_path[i]);
    for (guint j = 0; j < files->len; j++)
      if (!is_shadowed(registry, i, files->pdata[j]))
        g_ptr_array_add(all, g_strdup(files->pdata[j]));
  }
  return all;
}

/* Loads a file; a complaint goes to `failures`, which may be NULL. */
static void try_to_load(CwRegistry *registry, const char *path, GPtrArray *failures)
{
  g_autoptr(GError) failure = NULL;
  if (!cw_registry_load(registry, path, &failure) && failures)
    g_ptr_array_add(failures, g_steal_pointer(&failure));
}

void cw_registry_load_all(CwRegistry *registry, GPtrArray *failures)
{
  g_autoptr(GPtrArray) files = files_of(registry);
  for (guint i = 0; i < files->len; i++)
    try_to_load(registry, files->pdata[i], failures);
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
  g_autofree char *file = g_strconcat(name, ".so", NULL);
  for (guint i = 0; registry->search_path[i]; i++) {
    g_autofree char *path = g_build_filename(registry->search_path[i], file, NULL);
    if (g_file_test(path, G_FILE_TEST_EXISTS))
      return cw_registry_load(registry, path, error) != NULL;
  }
  return TRUE;
}

/* Whether a file holds a text with the zero byte at its end, as the compiler puts down a name. */
static gboolean holds(GMappedFile *file, const char *text)
{
  return memmem(g_mapped_file_get_contents(file), g_mapped_file_get_length(file), text, strlen(text) + 1) !=
         NULL;
}

/* Loads plugins that may offer the feature, until one does: their files hold its name and the symbol of a
 * plugin. */
static void load_by_contents(CwRegistry *registry, CwFeatureKind kind, const char *name, GPtrArray *failures)
{
  g_autoptr(GPtrArray) files = files_of(registry);
  for (guint i = 0; i < files->len && !find_registered(registry, kind, name); i++) {
    g_autoptr(GMappedFile) file = g_mapped_file_new(files->pdata[i], FALSE, NULL);
    if (file && holds(file, CW_PLUGIN_QUERY_SYMBOL) && holds(file, name))
      try_to_load(registry, files->pdata[i], failures);
  }
}

/* The names of the kind's features that are registered; kind 0: of all. */
static GPtrArray *registered_names(CwRegistry *registry, CwFeatureKind kind)
{
  GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < registry->features->len; i++) {
    const CwRegisteredFeature *feature = registry->features->pdata[i];
    if (kind == 0 || feature->kind == kind)
      g_ptr_array_add(names, g_strdup(feature->name));
  }
  return names;
}

/* The names of the plugin files that were not opened, without ".so". */
static GPtrArray *unopened_names(CwRegistry *registry)
{
  GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GPtrArray) files = files_of(registry);
  for (guint i = 0; i < files->len; i++) {
    char *name = find_same_file(registry, files->pdata[i]) ? NULL : g_path_get_basename(files->pdata[i]);
    if (name) {
      name[strlen(name) - strlen(".so")] = '\0';
      g_ptr_array_add(names, name);
    }
  }
  return names;
}

/* "a, b", or "none". */
static char *join(GPtrArray *names)
{
  g_ptr_array_add(names, NULL);
  char *text = g_strjoinv(", ", (char **)names->pdata);
  g_ptr_array_set_size(names, (gint)names->len - 1);
  if (*text)
    return text;
  g_free(text);
  return g_strdup("none");
}

char *cw_registry_alternatives(CwRegistry *registry, CwFeatureKind kind, const char *name)
{
  GPtrArray *names = registered_names(registry, kind), *files = unopened_names(registry);
  g_autofree char *found = join(names), *unopened = join(files);
  g_autofree char *searched = g_strjoinv(":", registry->search_path);
  g_ptr_array_extend_and_steal(names, files);
  g_ptr_array_add(names, NULL);
  const char *nearest = cw_suggest(name, (const char *const *)names->pdata);
  g_autofree char *cure = nearest ? g_strdup_printf("; did you mean '%s'?", nearest) : g_strdup(";");
  g_ptr_array_free(names, TRUE);
  return g_strdup_printf("%s found: %s; plugins not opened: %s; searched %s", cure, found, unopened,
                         searched);
}

static void set_not_found(CwRegistry *registry, CwFeatureKind kind, const char *name,
                          const GPtrArray *failures, GError **error)
{
  g_autofree char *alternatives = cw_registry_alternatives(registry, kind, name);
  g_autoptr(GString) text = g_string_new(NULL);
  g_string_append_printf(text, "no %s '%s'%s", cw_feature_kind_name(kind), name, alternatives);
  for (guint i = 0; i < failures->len; i++)
    g_string_append_printf(text, "\nnot loaded: %s", ((GError *)failures->pdata[i])->message);
  g_set_error_literal(error, CW_PLUGIN_ERROR, CW_ERROR_CONFIGURATION, text->str);
}

const CwRegisteredFeature *cw_registry_find(CwRegistry *registry, CwFeatureKind kind, const char *name,
                                            GError **error)
{
  const CwRegisteredFeature *feature = find_registered(registry, kind, name);
  if (feature)
    return feature;
  if (!strchr(name, G_DIR_SEPARATOR) && !load_by_name(registry, name, error))
    return NULL;
  feature = find_registered(registry, kind, name);
  if (feature)
    return feature;
  g_autoptr(GPtrArray) failures = g_ptr_array_new_with_free_func((GDestroyNotify)g_error_free);
  load_by_contents(registry, kind, name, failures);
  feature = find_registered(registry, kind, name);
  if (!feature)
    set_not_found(registry, kind, name, failures, error);
  return feature;
}
