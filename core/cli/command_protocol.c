/* cartwright protocol: which episodes a protocol, or any experiment, evaluates on. */
#include "core/cli/cli.h"
#include "lab/protocol/protocol.h"

/* The operand's file in its place, so that it is opened as every experiment is. */
static gboolean resolve(CliOptions *options, GError **error)
{
  char *path = cw_protocol_find(options->operands[0], (const char *const *)options->plugin_path, error);
  if (!path)
    return FALSE;
  g_free(options->operands[0]);
  options->operands[0] = path;
  return TRUE;
}

int cli_protocol(const char *arguments, const char *summary, char **argv)
{
  CliOptions options;
  gboolean goals = FALSE;
  const GOptionEntry entries[] = {
      {"goals", 0, 0, G_OPTION_ARG_NONE, &goals, "print every episode: its goal and its task", NULL}, {NULL}};
  int status;
  if (cli_parse(&options, arguments, summary, argv, entries, CLI_WITH_SET, 1, 1, &status)) {
    CliExperiment opened = {0};
    GError *error = NULL;
    g_autofree char *text = NULL;
    if (resolve(&options, &error) && cli_experiment_open(&opened, &options, NULL, &error))
      text = cw_protocol_describe(opened.experiment, goals, &error);
    if (text)
      cli_printf("%sfile: %s\n", text, options.operands[0]);
    status = text ? CLI_DONE : cli_fail(error);
    cli_experiment_close(&opened);
  }
  cli_options_clear(&options);
  return status;
}
