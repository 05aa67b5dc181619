/* cartwright config: the resolved experiment with the origin of every value. */
#include "core/cli/cli.h"

int cli_config(const char *arguments, const char *summary, char **argv)
{
  CliOptions options;
  int status;
  if (cli_parse(&options, arguments, summary, argv, NULL, CLI_WITH_SET, 1, 1, &status)) {
    CliExperiment opened;
    GError *error = NULL;
    if (cli_experiment_open(&opened, &options, NULL, &error)) {
      cli_print(opened.experiment->resolved);
      status = CLI_DONE;
    } else {
      status = cli_fail(error);
    }
    cli_experiment_close(&opened);
  }
  cli_options_clear(&options);
  return status;
}
