/* Copies what a plugin declares into structs of the host's own size, so that the rest of the host never meets
 * a struct that is shorter (an older plugin: the missing members read as zero, the documented default) or
 * longer. A feature that is not whole is refused here, with the whole plugin. */
#include "core/plugin/loader.h"

#include <stddef.h>
#include <string.h>

#define END_OF(type, member) (offsetof(type, member) + sizeof(((type *)NULL)->member))
#define OPTION_MINIMUM       END_OF(CwOption, help)
#define CONVERSION_MINIMUM   END_OF(CwConversion, options_size)
#define NETWORK_MINIMUM      END_OF(CwNetwork, needs)
#define MOST_ROWS            10000 /* more than any plugin has; such a number was never counted */

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
  g_free((gpointer)feature->state.rows);
  g_free((gpointer)feature->metrics);
  g_free((gpointer)feature->networks);
  g_free((gpointer)feature->import.options.rows);
  g_free((gpointer)feature->export.options.rows);
  g_free(feature);
}

/* Sets "FILE: KIND 'NAME': " and the text. Returns FALSE. */
static gboolean refuse(const CwRegisteredFeature *feature, GError **error, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
static gboolean refuse(const CwRegisteredFeature *feature, GError **error, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_set_error(error, CW_PLUGIN_ERROR, CW_ERROR_FORMAT, "%s: %s '%s': %s", feature->plugin->path,
              cw_feature_kind_name(feature->kind), feature->name, text);
  return FALSE;
}

/* Kind and name: what every later message needs. `index` counts from 0. */
static gboolean take_identity(CwRegisteredFeature *copy, guint index, const CwFeature *feature,
                              GError **error)
{
  copy->kind = feature->kind;
  copy->name = feature->name;
  copy->summary = feature->summary;
  copy->capabilities = feature->capabilities;
  copy->unavailable = feature->unavailable;
  if (cw_loader_vtable_size(feature->kind) == 0)
    g_set_error(error, CW_PLUGIN_ERROR, CW_ERROR_FORMAT,
                "%s: feature %u: expected kind 1 (algorithm), 2 (environment) or 3 (policy), found %d; use a "
                "CW_FEATURE_... constant",
                copy->plugin->path, index, (int)feature->kind);
  else if (!feature->name || !feature->summary)
    g_set_error(error, CW_PLUGIN_ERROR, CW_ERROR_FORMAT,
                "%s: feature %u: expected a name and a summary, found NULL; fill both in its CwFeature",
                copy->plugin->path, index);
  else
    return cw_is_name(feature->name) ||
           refuse(copy, error,
                  "expected a name of lower-case letters, digits and underscores that starts with a letter, "
                  "found this one; rename the feature");
  return FALSE;
}

/* A zero-extended copy of `n` elements that lie `stride` bytes apart. */
static gpointer copy_array(gconstpointer from, guint n, gsize stride, gsize size)
{
  char *copy = g_malloc0_n(MAX(n, 1), size);
  for (guint i = 0; i < n; i++)
    memcpy(copy + i * size, (const char *)from + i * stride, MIN(stride, size));
  return copy;
}

static gboolean take_vtable(CwRegisteredFeature *copy, const CwFeature *feature, GError **error)
{
  gsize minimum = cw_loader_vtable_minimum(copy->kind);
  if (!feature->vtable)
    return refuse(copy, error, "expected a vtable, found NULL; set .vtable and .vtable_size");
  if (feature->vtable_size < minimum || feature->vtable_size % sizeof(gpointer) != 0)
    return refuse(
        copy, error,
        "expected a vtable of at least %zu bytes and a multiple of %zu, found vtable_size %u; set it "
        "to the sizeof of the vtable",
        minimum, sizeof(gpointer), feature->vtable_size);
  copy->vtable.any = copy_array(feature->vtable, 1, feature->vtable_size, cw_loader_vtable_size(copy->kind));
  return TRUE;
}

static CwOptionTable flat_table(const CwTable *table)
{
  CwOptionTable flat = {.size = table->size};
  flat.rows = cw_options_flatten(table, &flat.n_rows);
  return flat;
}

/* `whose` is "", " of its state" or " in its import". */
static gboolean check_options(const CwRegisteredFeature *copy, const CwOptionTable *table, const char *whose,
                              GError **error)
{
  g_autofree char *problem = cw_options_self_check(table);
  return !problem ||
         refuse(copy, error, "expected a sound option table%s, found: %s; correct that row", whose, problem);
}

static gboolean take_options(CwRegisteredFeature *copy, const CwFeature *feature, GError **error)
{
  guint n = feature->n_options, size = feature->option_size;
  if (n > 0 && !feature->options)
    return refuse(copy, error,
                  "expected %u option rows, found NULL; fill the option members with CW_FEATURE_OPTIONS(...)",
                  n);
  if (n > MOST_ROWS)
    return refuse(copy, error,
                  "expected at most %d option rows, found n_options %u; fill the option members with "
                  "CW_FEATURE_OPTIONS(...)",
                  MOST_ROWS, n);
  if (n > 0 && (size < OPTION_MINIMUM || size % G_ALIGNOF(CwOption) != 0))
    return refuse(copy, error,
                  "expected option rows of at least %zu bytes and a multiple of %zu, found option_size %u; "
                  "fill the option members with CW_FEATURE_OPTIONS(...)",
                  OPTION_MINIMUM, G_ALIGNOF(CwOption), size);
  CwTable table = {feature->options, n, size, feature->options_size};
  copy->options = flat_table(&table);
  return TRUE;
}

/* What an algorithm keeps and records. */
static gboolean take_state(CwRegisteredFeature *copy, GError **error)
{
  if (copy->kind != CW_FEATURE_ALGORITHM)
    return TRUE;
  const CwAlgorithmVtable *vtable = copy->vtable.algorithm;
  const CwTable *state = &vtable->state;
  if (state->n_rows > MOST_ROWS || (state->n_rows > 0 && (!state->rows || state->row_size < OPTION_MINIMUM)))
    return refuse(copy, error, "expected a state filled with CW_STATE(...), found %u rows of %u bytes",
                  state->n_rows, state->row_size);
  if (vtable->n_metrics > MOST_ROWS || vtable->metric_size < sizeof(const char *))
    return refuse(copy, error, "expected metrics filled with CW_METRICS(...), found %u of %u bytes",
                  vtable->n_metrics, vtable->metric_size);
  copy->state = flat_table(state);
  copy->metrics = copy_array(vtable->metrics, vtable->n_metrics, vtable->metric_size, sizeof(CwMetric));
  copy->n_metrics = vtable->n_metrics;
  for (guint i = 0; i < copy->state.n_rows; i++) {
    const CwOption *row = &copy->state.rows[i];
    if (row->type != CW_OPTION_BOOLEAN && row->type != CW_OPTION_INTEGER && row->type != CW_OPTION_NUMBER &&
        row->type != CW_OPTION_STRING)
      return refuse(
          copy, error,
          "expected state rows of integers, numbers, flags and texts, found row '%s' of type %d; use "
          "a CW_KEEP_... macro",
          row->name ? row->name : "(null)", (int)row->type);
  }
  return check_options(copy, &copy->state, " of its state", error);
}

/* What is wrong with the name of network `i`, or NULL. */
static const char *fault_of_network(const CwRegisteredFeature *copy, guint i)
{
  static const char *const agents[] = {"policy", "random", "reference", NULL};
  const char *name = copy->networks[i].name;
  if (!name || !copy->networks[i].help)
    return "a network without a name or a help";
  if (!cw_is_name(name))
    return "a name that is not of lower-case letters, digits and underscores";
  if (g_strv_contains(agents, name))
    return "the name of an agent";
  for (guint k = 0; k < i; k++)
    if (g_str_equal(copy->networks[k].name, name))
      return "this name twice";
  for (guint k = 0; k < copy->options.n_rows; k++)
    if (g_str_equal(copy->options.rows[k].name, name))
      return "the name of one of its options";
  return NULL;
}

/* The further networks of an algorithm. */
static gboolean take_networks(CwRegisteredFeature *copy, GError **error)
{
  const CwAlgorithmVtable *vtable = copy->vtable.algorithm;
  if (copy->kind != CW_FEATURE_ALGORITHM || vtable->n_networks == 0)
    return TRUE;
  if (!vtable->networks || vtable->n_networks > MOST_ROWS || vtable->network_size < NETWORK_MINIMUM)
    return refuse(copy, error, "expected networks filled with CW_NETWORKS(...), found %u of %u bytes",
                  vtable->n_networks, vtable->network_size);
  copy->networks = copy_array(vtable->networks, vtable->n_networks, vtable->network_size, sizeof(CwNetwork));
  copy->n_networks = vtable->n_networks;
  for (guint i = 0; i < copy->n_networks; i++) {
    const char *name = copy->networks[i].name, *fault = fault_of_network(copy, i);
    if (fault)
      return refuse(
          copy, error,
          "expected networks with help and names of their own, found %s (network %u, '%s'); correct "
          "that row",
          fault, i, name ? name : "(null)");
  }
  return TRUE;
}

static gboolean check_unique(const CwRegisteredFeature *copy, const GPtrArray *copies,
                             const GPtrArray *registered, GError **error)
{
  for (guint i = 0; i < copies->len; i++) {
    const CwRegisteredFeature *other = copies->pdata[i];
    if (other->kind == copy->kind && strcmp(other->name, copy->name) == 0)
      return refuse(copy, error,
                    "expected different names within a kind, found this name twice (features %u and %u); "
                    "rename one of them",
                    i, copies->len);
  }
  for (guint i = 0; i < registered->len; i++) {
    const CwRegisteredFeature *other = registered->pdata[i];
    if (other->kind == copy->kind && strcmp(other->name, copy->name) == 0)
      return refuse(
          copy, error,
          "expected a name that no other plugin uses, found it in %s; rename the feature or take one "
          "of the two off the search path",
          other->plugin->path);
  }
  return TRUE;
}

static gboolean check_slots(const CwRegisteredFeature *copy, GError **error)
{
  const char *needed_by = NULL;
  const char *slot = cw_loader_missing_slot(copy->kind, copy->capabilities, copy->vtable.any, &needed_by);
  if (!slot)
    return TRUE;
  if (!needed_by)
    return refuse(copy, error,
                  "expected the slot '%s', which every %s fills, found NULL; set it in the vtable", slot,
                  cw_feature_kind_name(copy->kind));
  return refuse(copy, error,
                "expected the slot '%s', which goes with %s, found NULL; set it in the vtable or drop the "
                "capability",
                slot, needed_by);
}

/* Checks one conversion of a feature and copies it; `slot` is its name in the vtable. */
static gboolean take_conversion(const CwRegisteredFeature *feature, const char *slot,
                                const CwConversion *declared, CwRegisteredConversion *copy, GError **error)
{
  CwConversion own = {0};
  if (!declared)
    return TRUE;
  if (declared->struct_size < CONVERSION_MINIMUM)
    return refuse(
        feature, error,
        "expected an %s of at least %zu bytes, found struct_size %zu; set it to sizeof(CwConversion)", slot,
        CONVERSION_MINIMUM, declared->struct_size);
  memcpy(&own, declared, MIN(declared->struct_size, sizeof own));
  if (!own.summary || !own.run)
    return refuse(feature, error, "expected an %s with a summary and a run function, found NULL", slot);
  if (own.n_options > 0 && (own.n_options > MOST_ROWS || !own.options || own.option_size < OPTION_MINIMUM ||
                            own.option_size % G_ALIGNOF(CwOption) != 0))
    return refuse(feature, error,
                  "expected the option members of its %s to be filled with CW_FEATURE_OPTIONS(...), found %u "
                  "rows of %u "
                  "bytes",
                  slot, own.n_options, own.option_size);
  copy->summary = own.summary;
  copy->run = own.run;
  CwTable table = {own.options, own.n_options, own.option_size, own.options_size};
  copy->options = flat_table(&table);
  g_autofree char *whose = g_strdup_printf(" in its %s", slot);
  return check_options(feature, &copy->options, whose, error);
}

static gboolean take_conversions(CwRegisteredFeature *copy, GError **error)
{
  const CwConversion *import = NULL, *export = NULL;
  if (copy->kind == CW_FEATURE_ENVIRONMENT) {
    import = copy->vtable.environment->importer;
    export = copy->vtable.environment->exporter;
  } else if (copy->kind == CW_FEATURE_POLICY) {
    import = copy->vtable.policy->importer;
    export = copy->vtable.policy->exporter;
  }
  return take_conversion(copy, "import", import, &copy->import, error) &&
         take_conversion(copy, "export", export, &copy->export, error);
}

static gboolean take_feature(CwRegisteredFeature *copy, guint index, const CwFeature *feature,
                             const GPtrArray *copies, const GPtrArray *registered, GError **error)
{
  return take_identity(copy, index, feature, error) && take_vtable(copy, feature, error) &&
         take_options(copy, feature, error) && check_unique(copy, copies, registered, error) &&
         check_slots(copy, error) && check_options(copy, &copy->options, "", error) &&
         take_state(copy, error) && take_networks(copy, error) && take_conversions(copy, error);
}

GPtrArray *cw_loader_features(const CwLoadedPlugin *plugin, const GPtrArray *registered, GError **error)
{
  const CwPluginDescriptor *descriptor = plugin->descriptor;
  g_autofree CwFeature *features =
      copy_array(descriptor->features, descriptor->n_features, descriptor->feature_size, sizeof *features);
  g_autoptr(GPtrArray) copies = g_ptr_array_new_with_free_func(cw_loader_feature_free);
  for (guint i = 0; i < descriptor->n_features; i++) {
    CwRegisteredFeature *copy = g_new0(CwRegisteredFeature, 1);
    copy->plugin = plugin;
    gboolean sound = take_feature(copy, i, &features[i], copies, registered, error);
    g_ptr_array_add(copies, copy);
    if (!sound)
      return NULL;
  }
  return g_steal_pointer(&copies);
}
