/* cartwright check: the conformance suites on one plugin file. */
#include "conformance/check.h"
#include "core/cli/cli.h"

typedef struct {
  GString *text; /* printed at the end: stdout is not ours while the checks run */
  guint n[3];
} Checking;

static void report(const CwRegisteredFeature *feature, const char *check, CwCheckResult result,
                   const char *message, gpointer user_data)
{
  static const char *const words[] = {"passed", "FAILED", "skipped"};
  Checking *checking = user_data;
  checking->n[result]++;
  g_string_append_printf(checking->text, "%-7s %s %s: %s%s%s\n", words[result],
                         cw_feature_kind_name(feature->kind), feature->name, check, *message ? ": " : "",
                         message);
}

static int check(CwRegistry *registry, const char *path, const char *yaml)
{
  Checking checking = {.text = g_string_new(NULL)};
  GError *error = NULL;
  int status = CLI_DONE;
  gboolean good = cw_check_plugin(registry, path, yaml, report, &checking, &error);
  if (checking.text->len > 0)
    cli_printf("%s%u passed, %u failed, %u skipped\n", checking.text->str, checking.n[CW_CHECK_PASSED],
               checking.n[CW_CHECK_FAILED], checking.n[CW_CHECK_SKIPPED]);
  if (!good)
    status = cli_fail(error);
  g_string_free(checking.text, TRUE);
  return status;
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
