/* Conformance of a feature or of a plugin file: fills the options, runs the suite of each kind, and sums up.
 */
#include "conformance/check.h"
#include "conformance/check_suite.h"

static gboolean is_of_several(const CwRegisteredFeature *feature)
{
  return feature->plugin->descriptor->n_features > 1;
}

/* The part of the text that is about one feature: all of it, or what stands under its name when the plugin
 * has several. NULL: defaults. */
static const CwYamlNode *find_mapping(const CwYamlNode *root, const CwRegisteredFeature *feature,
                                      const char *what, CwDiagnostics *diagnostics)
{
  const CwYamlNode *mapping = root;
  if (root && root->kind == CW_YAML_MAPPING && is_of_several(feature))
    mapping = cw_yaml_get(root, feature->name);
  if (!mapping || mapping->kind == CW_YAML_MAPPING)
    return mapping;
  cw_diagnostics_error(diagnostics, mapping->place, "expected a mapping of options of %s", what);
  return NULL;
}

static void set_model(CwYamlNode *root, const CwRegisteredFeature *feature, const char *model,
                      CwDiagnostics *diagnostics)
{
  g_autofree char *quoted = cw_options_quote(model);
  g_autofree char *assignment = is_of_several(feature) ? g_strdup_printf("%s.model=%s", feature->name, quoted)
                                                       : g_strdup_printf("model=%s", quoted);
  cw_yaml_set(root, assignment, 1, diagnostics);
}

gpointer cw_check_fill_options(const CwRegisteredFeature *feature, const char *yaml, const char *name,
                               const char *model, GError **error)
{
  g_autoptr(CwDiagnostics) diagnostics = cw_diagnostics_new();
  g_autoptr(CwYamlNode) root = cw_yaml_parse_text(yaml ? yaml : "{}", name, diagnostics);
  g_autofree char *what = g_strdup_printf("%s '%s'", cw_feature_kind_name(feature->kind), feature->name);
  gpointer options = NULL;
  if (root && model)
    set_model(root, feature, model, diagnostics);
  const CwYamlNode *mapping = find_mapping(root, feature, what, diagnostics);
  if (cw_diagnostics_count(diagnostics) == 0)
    options = cw_options_fill(&feature->options, mapping, NULL, what, diagnostics);
  if (cw_diagnostics_propagate(diagnostics, error))
    return options;
  cw_options_free(&feature->options, options);
  return NULL;
}

static gboolean run_suite(CwSuite *suite, const CwRegisteredFeature *feature, const char *options_name,
                          GError **error)
{
  GError *failure = NULL;
  suite->feature = feature;
  suite->options = cw_check_fill_options(feature, suite->options_yaml, options_name, NULL, &failure);
  if (failure) {
    g_propagate_error(error, failure);
    return FALSE;
  }
  switch (feature->kind) {
  case CW_FEATURE_ALGORITHM:
    cw_check_algorithm(suite);
    break;
  case CW_FEATURE_ENVIRONMENT:
    cw_check_environment(suite);
    break;
  case CW_FEATURE_POLICY:
    cw_check_policy(suite);
    break;
  }
  cw_options_free(&feature->options, suite->options);
  return TRUE;
}

static gboolean sum_up(const CwSuite *suite, const char *what, GError **error)
{
  if (suite->n_failed == 0)
    return TRUE;
  g_set_error(error, CW_PLUGIN_ERROR, CW_ERROR_FAILED, "%s: %u of %u checks failed", what, suite->n_failed,
              suite->n_checks);
  return FALSE;
}

gboolean cw_check_feature(CwRegistry *registry, const CwRegisteredFeature *feature, const char *options_yaml,
                          const char *options_name, CwCheckReport report, gpointer user_data, GError **error)
{
  CwSuite suite = {
      .registry = registry, .options_yaml = options_yaml, .report = report, .user_data = user_data};
  g_autofree char *what = g_strdup_printf("%s '%s'", cw_feature_kind_name(feature->kind), feature->name);
  return run_suite(&suite, feature, options_name, error) && sum_up(&suite, what, error);
}

static gboolean has_name(gconstpointer feature, gconstpointer name)
{
  return g_str_equal(((const CwRegisteredFeature *)feature)->name, name);
}

/* With several features, a key that is none of their names is a mistake. */
static gboolean check_feature_names(const CwLoadedPlugin *plugin, GPtrArray *features,
                                    const char *options_yaml, GError **error)
{
  if (!options_yaml || features->len < 2)
    return TRUE;
  g_autoptr(CwDiagnostics) diagnostics = cw_diagnostics_new();
  g_autoptr(CwYamlNode) root = cw_yaml_parse_text(options_yaml, "options", diagnostics);
  if (root && root->kind != CW_YAML_MAPPING)
    cw_diagnostics_error(diagnostics, root->place, "expected a mapping from feature names to options");
  for (guint i = 0; root && root->kind == CW_YAML_MAPPING && i < root->items->len; i++) {
    const CwYamlPair *pair = root->items->pdata[i];
    if (!g_ptr_array_find_with_equal_func(features, pair->key, has_name, NULL))
      cw_diagnostics_error(diagnostics, pair->place, "plugin '%s' has no feature '%s'",
                           plugin->descriptor->name, pair->key);
  }
  return cw_diagnostics_propagate(diagnostics, error);
}

gboolean cw_check_plugin(CwRegistry *registry, const char *path, const char *options_yaml,
                         CwCheckReport report, gpointer user_data, GError **error)
{
  CwSuite suite = {
      .registry = registry, .options_yaml = options_yaml, .report = report, .user_data = user_data};
  const CwLoadedPlugin *plugin = cw_registry_load(registry, path, error);
  if (!plugin)
    return FALSE;
  g_autoptr(GPtrArray) features = g_ptr_array_new(); /* a copy: a suite may load further plugins */
  for (guint i = 0; i < cw_registry_features(registry)->len; i++) {
    CwRegisteredFeature *feature = cw_registry_features(registry)->pdata[i];
    if (feature->plugin == plugin)
      g_ptr_array_add(features, feature);
  }
  gboolean run = check_feature_names(plugin, features, options_yaml, error);
  for (guint i = 0; run && i < features->len; i++)
    run = run_suite(&suite, features->pdata[i], "options", error);
  return run && sum_up(&suite, plugin->path, error);
}
