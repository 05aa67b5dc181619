/* Conformance of a feature or of a plugin file: fills the options, runs the suite of each kind, and sums up.
 */
#include "conformance/check.h"
#include "conformance/check_suite.h"

/* The part of the text that is about one feature: all of it, or what stands under its name when the plugin
 * has several. NULL: defaults. */
static const CwYamlNode *find_mapping(const CwYamlNode *root, const CwRegisteredFeature *feature,
                                      const char *what, CwDiagnostics *diagnostics)
{
  const CwYamlNode *mapping = root;
  if (root->kind == CW_YAML_MAPPING && feature->plugin->descriptor->n_features > 1)
    mapping = cw_yaml_get(root, feature->name);
  if (!mapping || mapping->kind == CW_YAML_MAPPING)
    return mapping;
  cw_diagnostics_error(diagnostics, mapping->place, "expected a mapping of options of %s", what);
  return NULL;
}

gpointer cw_check_fill_options(const CwRegisteredFeature *feature, const char *yaml, const char *name,
                               const char *model, GError **error)
{
  CwDiagnostics *diagnostics = cw_diagnostics_new();
  CwYamlNode *root = cw_yaml_parse_text(yaml ? yaml : "{}", name, diagnostics);
  char *what = g_strdup_printf("%s '%s'", cw_feature_kind_name(feature->kind), feature->name);
  const CwYamlNode *mapping;
  gpointer options = NULL;
  if (root && model) {
    gboolean several = feature->plugin->descriptor->n_features > 1;
    char *quoted = cw_options_quote(model);
    char *assignment =
        g_strdup_printf("%s%smodel=%s", several ? feature->name : "", several ? "." : "", quoted);

    cw_yaml_set(root, assignment, 1, diagnostics);
    g_free(assignment);
    g_free(quoted);
  }
  mapping = root ? find_mapping(root, feature, what, diagnostics) : NULL;
  if (cw_diagnostics_count(diagnostics) == 0)
    options = cw_options_fill(&feature->options, mapping, NULL, what, diagnostics);
  if (!cw_diagnostics_propagate(diagnostics, error) && options) {
    cw_options_free(&feature->options, options);
    options = NULL;
  }
  g_free(what);
  cw_yaml_free(root);
  cw_diagnostics_free(diagnostics);
  return options;
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
  gboolean passed;
  char *what;

  if (!run_suite(&suite, feature, options_name, error))
    return FALSE;
  what = g_strdup_printf("%s '%s'", cw_feature_kind_name(feature->kind), feature->name);
  passed = sum_up(&suite, what, error);
  g_free(what);
  return passed;
}

/* With several features, a key that is none of their names is a mistake. */
static gboolean check_feature_names(const CwLoadedPlugin *plugin, const GPtrArray *features,
                                    const char *options_yaml, GError **error)
{
  CwDiagnostics *diagnostics;
  CwYamlNode *root;
  gboolean sound;
  guint j;
  if (!options_yaml || features->len < 2)
    return TRUE;
  diagnostics = cw_diagnostics_new();
  root = cw_yaml_parse_text(options_yaml, "options", diagnostics);
  if (root && root->kind != CW_YAML_MAPPING)
    cw_diagnostics_error(diagnostics, root->place, "expected a mapping from feature names to options");
  for (guint i = 0; root && root->kind == CW_YAML_MAPPING && i < root->items->len; i++) {
    const CwYamlPair *pair = root->items->pdata[i];
    for (j = 0; j < features->len; j++) {
      if (g_str_equal(pair->key, ((CwRegisteredFeature *)features->pdata[j])->name))
        break;
    }
    if (j == features->len)
      cw_diagnostics_error(diagnostics, pair->place, "plugin '%s' has no feature '%s'",
                           plugin->descriptor->name, pair->key);
  }
  sound = cw_diagnostics_propagate(diagnostics, error);
  cw_yaml_free(root);
  cw_diagnostics_free(diagnostics);
  return sound;
}

gboolean cw_check_plugin(CwRegistry *registry, const char *path, const char *options_yaml,
                         CwCheckReport report, gpointer user_data, GError **error)
{
  CwSuite suite = {
      .registry = registry, .options_yaml = options_yaml, .report = report, .user_data = user_data};
  const CwLoadedPlugin *plugin = cw_registry_load(registry, path, error);
  GPtrArray *features;
  gboolean run;
  if (!plugin)
    return FALSE;
  features = g_ptr_array_new(); /* a copy: a suite may load further plugins */
  for (guint i = 0; i < cw_registry_features(registry)->len; i++) {
    CwRegisteredFeature *feature = cw_registry_features(registry)->pdata[i];
    if (feature->plugin == plugin)
      g_ptr_array_add(features, feature);
  }
  run = check_feature_names(plugin, features, options_yaml, error);
  for (guint i = 0; run && i < features->len; i++)
    run = run_suite(&suite, features->pdata[i], "options", error);
  g_ptr_array_free(features, TRUE);
  return run && sum_up(&suite, plugin->path, error);
}
