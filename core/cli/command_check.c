/* cartwright check: the conformance suites on one plugin file. */
#include "conformance/check.h"
#include "core/cli/cli.h"

static void report(const CwRegisteredFeature *feature, const char *check, CwCheckResult result,
                   const char *message, gpointer user_data)
{
  static const char *const words[] = {"passed", "FAILED", "skipped"};
  guint *n = user_data;
  n[result]++;
  cli_printf("%-7s %s %s: %s%s%s\n", words[result], cw_feature_kind_name(feature->kind), feature->name, check,
             *message ? ": " : "", message);
}

static int check(CwRegistry *registry, const char *path, const char *yaml)
{
  guint n[3] = {0}; /* by CwCheckResult */
  GError *error = NULL;
  gboolean good = cw_check_plugin(registry, path, yaml, report, n, &error);
  if (n[CW_CHECK_PASSED] + n[CW_CHECK_FAILED] + n[CW_CHECK_SKIPPED] > 0)
    cli_printf("%u passed, %u failed, %u skipped\n", n[CW_CHECK_PASSED], n[CW_CHECK_FAILED],
               n[CW_CHECK_SKIPPED]);
  return good ? CLI_DONE : cli_fail(error);
}

int cli_check(const char *arguments, const char *summary, char **argv)
{
  CliOptions options;
  g_autofree char *file = NULL;
  const GOptionEntry entries[] = {
      {"options", 0, 0, G_OPTION_ARG_FILENAME, &file,
       "YAML file with the options to open the feature with (of several features: a mapping by name)",
       "FILE"},
      {NULL}};
  int status;
  if (cli_parse(&options, arguments, summary, argv, entries, 0, 1, 1, &status)) {
    g_autofree char *yaml = NULL;
    GError *error = NULL;
    if (file && !g_file_get_contents(file, &yaml, NULL, &error)) {
      status = cli_usage_error(argv[0], "%s", error->message);
      g_error_free(error);
    } else {
      CwRegistry *registry = cw_registry_new((const char *const *)options.plugin_path);
      status = check(registry, options.operands[0], yaml);
      cw_registry_free(registry);
    }
  }
  cli_options_clear(&options);
  return status;
}
