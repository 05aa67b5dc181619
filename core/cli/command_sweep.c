/* cartwright sweep: an experiment with several seeds and values, side by side, and one report. */
#include "core/cli/cli.h"
#include "lab/sweep/sweep.h"

static int sweep(const CliOptions *options, CwSweepRequest *request)
{
  GError *error = NULL;
  g_autofree char *program = g_file_read_link("/proc/self/exe", &error), *summary = NULL;
  CwRegistry *registry = cw_registry_new((const char *const *)options->plugin_path);
  request->grid.experiment = options->operands[0];
  request->grid.sets = (const char *const *)options->set;
  request->plugin_path = (const char *const *)options->plugin_path;
  request->program = program;
  cli_catch_interrupts();
  gboolean good = program && cw_sweep(request, registry, &summary, &error);
  if (summary)
    cli_print(summary);
  cw_registry_free(registry);
  return good ? CLI_DONE : cli_fail(error);
}

int cli_sweep(const char *arguments, const char *summary, char **argv)
{
  CliOptions options;
  CwSweepRequest request = {0};
  g_autofree char *seeds = NULL, *directory = NULL, *against = NULL;
  g_auto(GStrv) grid = NULL;
  const GOptionEntry entries[] = {
      {"seeds", 0, 0, G_OPTION_ARG_STRING, &seeds, "seeds such as 1..5 or 1,4,7; default: 1..3", "LIST"},
      {"grid", 0, 0, G_OPTION_ARG_STRING_ARRAY, &grid,
       "every one of these values, such as stages.1.learning_rate=1e-4,1e-3; may be repeated", "KEY=A,B"},
      {"jobs", 0, 0, G_OPTION_ARG_INT64, &request.n_jobs,
       "runs at the same time; default: processors divided by the policy's threads", "N"},
      {"out", 'o', 0, G_OPTION_ARG_FILENAME, &directory,
       "directory for the runs and the report; default: runs/NAME-sweep", "DIR"},
      {"against", 0, 0, G_OPTION_ARG_FILENAME, &against, "compare every row of the report with that one",
       "NAME"},
      {NULL}};
  int status;
  if (cli_parse(&options, arguments, summary, argv, entries, CLI_WITH_SET | CLI_WITH_QUIET, 1, 1, &status)) {
    request.grid.seeds = seeds ? seeds : "1..3";
    request.grid.grid = (const char *const *)grid;
    request.grid.directory = directory;
    request.against = against;
    if (request.n_jobs < 0 || request.n_jobs > 1000)
      status = cli_usage_error(argv[0], "--jobs must be between 1 and 1000");
    else
      status = sweep(&options, &request);
  }
  cli_options_clear(&options);
  return status;
}
