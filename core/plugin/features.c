/* Copies what a plugin declares into structs of the host's own size, so that the rest of the host never meets
 * a struct that is shorter (an older plugin: the missing members read as zero, the documented default) or
 * longer. A feature that is not whole is refused here, with the whole plugin. */
#include "core/plugin/loader.h"

#include <stddef.h>
#include <string.h>

#define END_OF(type, member) (offsetof(type, member) + sizeof(((type *)NULL)->member))
#define OPTION_MINIMUM       END_OF(CwOption, help)
#define CONVERSION_MINIMUM   END_OF(CwConversion, options_size)

const char *cw_feature_kind_name(CwFeatureKind kind)
{
  switch (kind) {
  case CW_FEATURE_ALGORITHM:
    return "algorithm";
  case CW_FEATURE_ENVIRONMENT:
    return "environment";
  case CW_FEATURE_POLICY:
    return "policy";
  }
  return "unknown";
}

void cw_loader_feature_free(gpointer data)
{
  CwRegisteredFeature *feature = data;
  if (!feature)
    return;
  g_free((gpointer)feature->vtable.any);
  g_free((gpointer)feature->options.rows);
  g_free((gpointer)feature->import.options.rows);
  g_free((gpointer)feature->export.options.rows);
  g_free(feature);
}

static void set_format_error(GError **error, const CwLoadedPlugin *plugin, const CwFeature *feature,
                             const char *format, ...) G_GNUC_PRINTF(4, 5);

static void set_format_error(GError **error, const CwLoadedPlugin *plugin, const CwFeature *feature,
                             const char *format, ...)
{
  va_list arguments;
  char *text;
  va_start(arguments, format);
  text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_set_error(error, CW_PLUGIN_ERROR, CW_ERROR_FORMAT, "%s: %s '%s': %s", plugin->path,
              cw_feature_kind_name(feature->kind), feature->name, text);
  g_free(text);
}

static gboolean legal_name(const char *name)
{
  return g_ascii_islower(name[0]) && name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

/* Kind and name: what every later message needs. `index` counts from 0. */
static gboolean check_identity(const CwLoadedPlugin *plugin, guint index, const CwFeature *feature,
                               GError **error)
{
  if (cw_loader_vtable_size(feature->kind) == 0) {
    g_set_error(error, CW_PLUGIN_ERROR, CW_ERROR_FORMAT,
                "%s: feature %u: expected kind 1 (algorithm), 2 (environment) or 3 (policy), found %d; use a "
                "CW_FEATURE_... constant",
                plugin->path, index, (int)feature->kind);
    return FALSE;
  }
  if (!feature->name || !feature->summary) {
    g_set_error(error, CW_PLUGIN_ERROR, CW_ERROR_FORMAT,
                "%s: feature %u: expected a name and a summary, found NULL; fill both in its CwFeature",
                plugin->path, index);
    return FALSE;
  }
  if (!legal_name(feature->name)) {
    set_format_error(
        error, plugin, feature,
        "expected a name of lower-case letters, digits and underscores that starts with a letter, found "
        "this one; rename the feature");
    return FALSE;
  }
  return TRUE;
}

static gboolean check_sizes(const CwLoadedPlugin *plugin, const CwFeature *feature, GError **error)
{
  gsize minimum = cw_loader_vtable_minimum(feature->kind);
  if (!feature->vtable) {
    set_format_error(error, plugin, feature, "expected a vtable, found NULL; set .vtable and .vtable_size");
    return FALSE;
  }
  if (feature->vtable_size < minimum || feature->vtable_size % sizeof(gpointer) != 0) {
    set_format_error(
        error, plugin, feature,
        "expected a vtable of at least %zu bytes and a multiple of %zu, found vtable_size %u; set it to "
        "the sizeof of the vtable",
        minimum, sizeof(gpointer), feature->vtable_size);
    return FALSE;
  }
  if (feature->n_options > 0 && !feature->options) {
    set_format_error(
        error, plugin, feature,
        "expected %u option rows, found NULL; fill the option members with CW_FEATURE_OPTIONS(...)",
        feature->n_options);
    return FALSE;
  }
  if (feature->n_options > 0 &&
      (feature->option_size < OPTION_MINIMUM || feature->option_size % G_ALIGNOF(CwOption) != 0)) {
    set_format_error(
        error, plugin, feature,
        "expected option rows of at least %zu bytes and a multiple of %zu, found option_size %u; fill the "
        "option members with CW_FEATURE_OPTIONS(...)",
        OPTION_MINIMUM, G_ALIGNOF(CwOption), feature->option_size);
    return FALSE;
  }
  return TRUE;
}

/* A zero-extended copy of `n` elements that lie `stride` bytes apart. */
static gpointer copy_array(gconstpointer from, guint n, gsize stride, gsize size)
{
  char *copy = g_malloc0_n(MAX(n, 1), size);
  for (guint i = 0; i < n; i++)
    memcpy(copy + i * size, (const char *)from + i * stride, MIN(stride, size));
  return copy;
}

static CwRegisteredFeature *copy_feature(const CwLoadedPlugin *plugin, const CwFeature *feature)
{
  CwRegisteredFeature *copy = g_new0(CwRegisteredFeature, 1);
  copy->kind = feature->kind;
  copy->name = feature->name;
  copy->summary = feature->summary;
  copy->capabilities = feature->capabilities;
  copy->vtable.any =
      copy_array(feature->vtable, 1, feature->vtable_size, cw_loader_vtable_size(feature->kind));
  copy->options.rows =
      copy_array(feature->options, feature->n_options, feature->option_size, sizeof(CwOption));
  copy->options.n_rows = feature->n_options;
  copy->options.size = feature->options_size;
  copy->plugin = plugin;
  return copy;
}

static gboolean check_unique(const CwLoadedPlugin *plugin, const CwFeature *features, guint index,
                             const GPtrArray *registered, GError **error)
{
  const CwFeature *feature = &features[index];
  for (guint i = 0; i < index; i++) {
    if (features[i].kind == feature->kind && strcmp(features[i].name, feature->name) == 0) {
      set_format_error(
          error, plugin, feature,
          "expected different names within a kind, found this name twice (features %u and %u); rename "
          "one of them",
          i, index);
      return FALSE;
    }
  }
  for (guint i = 0; i < registered->len; i++) {
    const CwRegisteredFeature *other = registered->pdata[i];
    if (other->kind == feature->kind && strcmp(other->name, feature->name) == 0) {
      set_format_error(
          error, plugin, feature,
          "expected a name that no other plugin uses, found it in %s; rename the feature or take one of "
          "the two off the search path",
          other->plugin->path);
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean check_slots(const CwLoadedPlugin *plugin, const CwFeature *feature,
                            const CwRegisteredFeature *copy, GError **error)
{
  const char *needed_by = NULL;
  const char *slot = cw_loader_missing_slot(copy->kind, copy->capabilities, copy->vtable.any, &needed_by);
  if (!slot)
    return TRUE;
  if (!needed_by)
    set_format_error(error, plugin, feature,
                     "expected the slot '%s', which every %s fills, found NULL; set it in the vtable", slot,
                     cw_feature_kind_name(copy->kind));
  else
    set_format_error(
        error, plugin, feature,
        "expected the slot '%s', which goes with %s, found NULL; set it in the vtable or drop the "
        "capability",
        slot, needed_by);
  return FALSE;
}

static gboolean check_options(const CwLoadedPlugin *plugin, const CwFeature *feature,
                              const CwRegisteredFeature *copy, GError **error)
{
  char *problem = cw_options_self_check(&copy->options);
  if (!problem)
    return TRUE;
  set_format_error(error, plugin, feature, "expected a sound option table, found: %s; correct that row",
                   problem);
  g_free(problem);
  return FALSE;
}

/* Checks one conversion of a feature and copies it; `slot` is its name in the vtable. */
static gboolean take_conversion(const CwLoadedPlugin *plugin, const CwFeature *feature, const char *slot,
                                const CwConversion *declared, CwRegisteredConversion *copy, GError **error)
{
  CwConversion own = {0};
  char *problem;
  if (!declared)
    return TRUE;
  if (declared->struct_size < CONVERSION_MINIMUM) {
    set_format_error(
        error, plugin, feature,
        "expected an %s of at least %zu bytes, found struct_size %zu; set it to sizeof(CwConversion)", slot,
        CONVERSION_MINIMUM, declared->struct_size);
    return FALSE;
  }
  memcpy(&own, declared, MIN(declared->struct_size, sizeof own));
  if (!own.summary || !own.run) {
    set_format_error(error, plugin, feature, "expected an %s with a summary and a run function, found NULL",
                     slot);
    return FALSE;
  }
  if (own.n_options > 0 &&
      (!own.options || own.option_size < OPTION_MINIMUM || own.option_size % G_ALIGNOF(CwOption) != 0)) {
    set_format_error(
        error, plugin, feature,
        "expected the option members of its %s to be filled with CW_FEATURE_OPTIONS(...), found %u rows "
        "of %u bytes",
        slot, own.n_options, own.option_size);
    return FALSE;
  }
  copy->summary = own.summary;
  copy->run = own.run;
  copy->options.rows = copy_array(own.options, own.n_options, own.option_size, sizeof(CwOption));
  copy->options.n_rows = own.n_options;
  copy->options.size = own.options_size;
  problem = cw_options_self_check(&copy->options);
  if (!problem)
    return TRUE;
  set_format_error(error, plugin, feature,
                   "expected a sound option table in its %s, found: %s; correct that row", slot, problem);
  g_free(problem);
  return FALSE;
}

static gboolean take_conversions(const CwLoadedPlugin *plugin, const CwFeature *feature,
                                 CwRegisteredFeature *copy, GError **error)
{
  const CwConversion *import = NULL, *export = NULL;
  if (copy->kind == CW_FEATURE_ENVIRONMENT) {
    import = copy->vtable.environment->import;
    export = copy->vtable.environment->export;
  } else if (copy->kind == CW_FEATURE_POLICY) {
    import = copy->vtable.policy->import;
    export = copy->vtable.policy->export;
  }
  return take_conversion(plugin, feature, "import", import, &copy->import, error) &&
         take_conversion(plugin, feature, "export", export, &copy->export, error);
}

GPtrArray *cw_loader_features(const CwLoadedPlugin *plugin, const GPtrArray *registered, GError **error)
{
  const CwPluginDescriptor *descriptor = plugin->descriptor;
  guint n = descriptor->n_features;
  CwFeature *features = copy_array(descriptor->features, n, descriptor->feature_size, sizeof *features);
  GPtrArray *copies = g_ptr_array_new_with_free_func(cw_loader_feature_free);
  gboolean sound = TRUE;
  for (guint i = 0; i < n && sound; i++)
    sound = check_identity(plugin, i, &features[i], error) && check_sizes(plugin, &features[i], error);
  for (guint i = 0; i < n && sound; i++)
    sound = check_unique(plugin, features, i, registered, error);
  for (guint i = 0; i < n && sound; i++) {
    g_ptr_array_add(copies, copy_feature(plugin, &features[i]));
    sound = check_slots(plugin, &features[i], copies->pdata[i], error);
  }
  for (guint i = 0; i < n && sound; i++)
    sound = check_options(plugin, &features[i], copies->pdata[i], error) &&
            take_conversions(plugin, &features[i], copies->pdata[i], error);
  g_free(features);
  if (sound)
    return copies;
  g_ptr_array_free(copies, TRUE);
  return NULL;
}
