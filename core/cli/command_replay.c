/* cartwright replay: recorded sessions stepped again and compared with what was recorded. */
#include "core/cli/cli.h"
#include "core/rollout/replay.h"

static void print_difference(const char *text, G_GNUC_UNUSED gpointer user_data)
{
  cli_print(text);
}

int cli_replay(const char *arguments, const char *summary, char **argv)
{
  CliOptions options;
  int status;
  if (cli_parse(&options, arguments, summary, argv, NULL, CLI_WITH_SET, 2, 2, &status)) {
    CliExperiment opened;
    CwReplayCounts counts;
    GError *error = NULL;
    if (!cli_experiment_open(&opened, &options, NULL, &error) ||
        !cw_replay(opened.experiment, options.operands[1], &counts, print_difference, NULL, &error)) {
      status = cli_fail(error);
    } else {
      guint64 n_different = counts.n_turns - counts.n_identical;
      cli_printf("turns %" G_GUINT64_FORMAT ", identical %" G_GUINT64_FORMAT ", different %" G_GUINT64_FORMAT
                 "\n",
                 counts.n_turns, counts.n_identical, n_different);
      status = n_different > 0 ? CLI_FAILED : CLI_DONE;
    }
    cli_experiment_close(&opened);
  }
  cli_options_clear(&options);
  return status;
}
