/* cartwright bench env: the options of the measurement, and its table. */
#include "core/cli/cli.h"
#include "lab/bench/bench.h"

static const char *complaint(const CwBenchEnvironment *arguments)
{
  if (arguments->rounds < 1)
    return "--rounds must be at least 1";
  if (!(arguments->seconds > 0))
    return "--seconds must be above 0";
  if (arguments->seed < -1)
    return "--seed must be at least 0";
  return NULL;
}

int cli_bench_env(const char *arguments, const char *summary, char **argv)
{
  CliOptions options;
  CwBenchEnvironment parsed = {.rounds = 5, .seconds = 1, .seed = -1};
  g_autofree char *split = NULL, *json = NULL, *table = NULL;
  const GOptionEntry entries[] = {
      {"split", 0, 0, G_OPTION_ARG_FILENAME, &split, "whose goals; default: evaluate.split", "NAME"},
      {"seed", 0, 0, G_OPTION_ARG_INT, &parsed.seed, "of goals and choices; default: the experiment's", "N"},
      {"seconds", 0, 0, G_OPTION_ARG_DOUBLE, &parsed.seconds, "time per round and kind of work; default: 1",
       "S"},
      {"rounds", 0, 0, G_OPTION_ARG_INT, &parsed.rounds, "how often each is measured; default: 5", "N"},
      {"json", 0, 0, G_OPTION_ARG_FILENAME, &json, "also write the rates of all rounds to FILE", "FILE"},
      {NULL}};
  int status;
  if (cli_parse(&options, arguments, summary, argv, entries, CLI_WITH_SET, 1, 1, &status)) {
    CliExperiment opened = {0};
    GError *error = NULL;
    const char *wrong = complaint(&parsed);
    parsed.split = split;
    parsed.json = json;
    if (wrong)
      status = cli_usage_error(argv[0], "%s", wrong);
    else if (!cli_experiment_open(&opened, &options, NULL, &error) ||
             !cw_bench_environment(opened.experiment, &parsed, &table, &error))
      status = cli_fail(error);
    if (table)
      cli_print(table);
    cli_experiment_close(&opened);
  }
  cli_options_clear(&options);
  return status;
}
