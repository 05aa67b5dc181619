/* cartwright import and export: a feature's own conversion of files, found by the feature's name. What it
 * reads and writes is the feature's business. */
#include "core/cli/cli.h"
#include "core/plugin/convert.h"
#include "lab/inspect/inspect_log.h"
#include <cartwright/error.h>

static const CwRegisteredConversion *conversion_of(const CwRegisteredFeature *feature, const char *verb)
{
  const CwRegisteredConversion *conversion =
      g_str_equal(verb, "import") ? &feature->import : &feature->export;
  return conversion->run ? conversion : NULL;
}

/* "environment 'webshop', policy 'x'": who has such a conversion, or "none". */
static char *who_converts(CwRegistry *registry, const char *verb)
{
  const GPtrArray *features = cw_registry_features(registry);
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < features->len; i++) {
    const CwRegisteredFeature *feature = g_ptr_array_index(features, i);
    if (conversion_of(feature, verb))
      g_string_append_printf(text, "%s%s '%s'", text->len ? ", " : "", cw_feature_kind_name(feature->kind),
                             feature->name);
  }
  return g_string_free(text->len ? text : g_string_append(text, "none"), FALSE);
}

static gboolean is_wanted(const CwRegisteredFeature *feature, const char *name, const char *kind)
{
  return g_str_equal(feature->name, name) &&
         (!kind || g_str_equal(cw_feature_kind_name(feature->kind), kind));
}

/* Why there is no one feature of that name, kind and conversion. */
static void set_not_one(CwRegistry *registry, const char *verb, const char *name, const char *kind,
                        guint n_named, guint n_found, GError **error)
{
  const char *what = kind ? kind : "feature";
  if (n_found > 1)
    g_set_error(error, CW_PLUGIN_ERROR, CW_ERROR_CONFIGURATION,
                "there is an environment and a policy '%s' with an %s: choose with --kind", name, verb);
  else if (n_named) {
    cw_registry_load_all(registry, NULL);
    g_autofree char *who = who_converts(registry, verb);
    g_set_error(error, CW_PLUGIN_ERROR, CW_ERROR_CONFIGURATION, "%s '%s' has no %s; who has: %s", what, name,
                verb, who);
  } else {
    g_autofree char *alternatives = cw_registry_alternatives(registry, 0, name);
    g_set_error(error, CW_PLUGIN_ERROR, CW_ERROR_CONFIGURATION, "no %s '%s'%s", what, name, alternatives);
  }
}

/* Loads what may offer a feature of that name, of any kind; a plugin that cannot be loaded is warned of. */
static void load_named(CwRegistry *registry, const char *name)
{
  for (CwFeatureKind kind = CW_FEATURE_ALGORITHM; kind <= CW_FEATURE_POLICY; kind++) {
    g_autoptr(GError) error = NULL;
    if (cw_registry_find(registry, kind, name, &error) || error->code == CW_ERROR_CONFIGURATION)
      continue;
    g_warning("%s", error->message);
    return;
  }
}

/* The feature that `name` (and `kind`, if not NULL) means. */
static const CwRegisteredFeature *find_feature(CwRegistry *registry, const char *verb, const char *name,
                                               const char *kind, GError **error)
{
  load_named(registry, name);
  const GPtrArray *features = cw_registry_features(registry);
  const CwRegisteredFeature *found = NULL;
  guint n_named = 0, n_found = 0;
  for (guint i = 0; i < features->len; i++) {
    const CwRegisteredFeature *feature = g_ptr_array_index(features, i);
    if (!is_wanted(feature, name, kind))
      continue;
    n_named++;
    if (!conversion_of(feature, verb))
      continue;
    n_found++;
    found = feature;
  }
  if (n_found == 1)
    return found;
  set_not_one(registry, verb, name, kind, n_named, n_found, error);
  return NULL;
}

static gboolean convert(CwRegistry *registry, const char *verb, const CliOptions *options, const char *kind,
                        const CwConvertTarget *target, GError **error)
{
  const CwRegisteredFeature *feature = find_feature(registry, verb, options->operands[0], kind, error);
  if (!feature)
    return FALSE;
  const CwRegisteredConversion *conversion = conversion_of(feature, verb);
  g_autofree char *what =
      g_strdup_printf("the %s of %s '%s'", verb, cw_feature_kind_name(feature->kind), feature->name);
  const char *const *words = (const char *const *)options->operands + 1;
  gpointer filled = cw_convert_options(conversion, words, what, error);
  gboolean good = filled && cw_convert(feature, conversion, filled, target, error);
  cw_options_free(&conversion->options, filled);
  return good;
}

/* export --format inspect: a run's kept episodes, for which no plugin is opened. */
static gboolean export_run(const char *directory, const char *into, GError **error)
{
  CwReportRun *run = NULL;
  guint n_logs = 0;
  gboolean good = cw_report_run_read(directory, &run, error);
  if (good && !run) {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION, "%s: has not finished", directory);
    good = FALSE;
  }
  good = good && cw_inspect_write(run, into, &n_logs, error);
  cw_report_run_free(run);
  if (good)
    cli_printf("%u logs of Inspect: %s\n", n_logs, into);
  return good;
}

/* import and export; argv[0] says which. */
int cli_convert(const char *arguments, const char *summary, char **argv)
{
  CliOptions options;
  CwConvertTarget target = {0};
  g_autofree char *into = NULL, *kind = NULL, *format = NULL;
  const GOptionEntry entries[] = {
      {"into", 0, 0, G_OPTION_ARG_FILENAME, &into, "the file or folder to write", "PATH"},
      {"kind", 0, 0, G_OPTION_ARG_STRING, &kind, "environment or policy, where both have the name", "KIND"},
      {"format", 0, 0, G_OPTION_ARG_STRING, &format,
       "export of a run in the place of a feature: inspect, a log of Inspect for each agent", "FORMAT"},
      {"overwrite", 0, 0, G_OPTION_ARG_NONE, &target.overwrite, "replace the file that is there", NULL},
      {NULL}};
  int status;
  if (cli_parse(&options, arguments, summary, argv, entries, CLI_WITH_QUIET, 1, G_MAXUINT, &status)) {
    GError *error = NULL;
    target.into = into;
    target.quiet = options.quiet;
    if (!into) {
      status = cli_usage_error(argv[0], "--into is missing");
    } else if (kind && !g_str_equal(kind, "environment") && !g_str_equal(kind, "policy")) {
      status = cli_usage_error(argv[0], "--kind must be environment or policy");
    } else if (format && (!g_str_equal(argv[0], "export") || !g_str_equal(format, "inspect"))) {
      status = cli_usage_error(argv[0], "--format is of export, and must be inspect");
    } else if (format && options.operands[1]) {
      status = cli_usage_error(argv[0], "--format takes one run");
    } else if (format) {
      if (!export_run(options.operands[0], into, &error))
        status = cli_fail(error);
    } else {
      cli_catch_interrupts();
      CwRegistry *registry = cw_registry_new((const char *const *)options.plugin_path);
      if (!convert(registry, argv[0], &options, kind, &target, &error))
        status = cli_fail(error);
      cw_registry_free(registry);
    }
  }
  cli_options_clear(&options);
  return status;
}
