/* cartwright import and export: a feature's own conversion of files, found by the feature's name. What it
 * reads and writes is the feature's business. */
#include "core/cli/cli.h"
#include "core/plugin/convert.h"
#include "lab/inspect/inspect_log.h"

static gboolean convert(CwRegistry *registry, const char *verb, const CliOptions *options, const char *kind,
                        const CwConvertTarget *target, GError **error)
{
  const CwRegisteredFeature *feature = cw_conversion_find(registry, verb, options->operands[0], kind, error);
  if (!feature)
    return FALSE;
  const CwRegisteredConversion *conversion = cw_conversion_of(feature, verb);
  g_autofree char *what =
      g_strdup_printf("the %s of %s '%s'", verb, cw_feature_kind_name(feature->kind), feature->name);
  const char *const *words = (const char *const *)options->operands + 1;
  gpointer filled = cw_convert_options(conversion, words, what, error);
  gboolean good = filled && cw_convert(feature, conversion, filled, target, error);
  cw_options_free(&conversion->options, filled);
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
      guint n_logs;
      if (cw_inspect_export(options.operands[0], into, &n_logs, &error))
        cli_printf("%u logs of Inspect: %s\n", n_logs, into);
      else
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
