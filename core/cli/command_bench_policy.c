/* cartwright bench policy: the options of the measurement, and its table. */
#include "core/cli/cli.h"
#include "lab/bench/bench.h"

static const char *complaint(const CwBenchPolicy *arguments)
{
  if (arguments->episodes < 1)
    return "--episodes must be at least 1";
  if (arguments->decisions < 0)
    return "--decisions must be at least 1";
  if (arguments->rounds < 1)
    return "--rounds must be at least 1";
  if (arguments->trajectories && (arguments->agent || arguments->split))
    return "--trajectories excludes --agent and --split";
  static const char *const works[] = {"score", "stream", "train", NULL};
  if (arguments->work && !g_strv_contains(works, arguments->work))
    return "--work must be score, stream or train";
  return NULL;
}

int cli_bench_policy(const char *arguments, const char *summary, char **argv)
{
  CliOptions options;
  CwBenchPolicy parsed = {.episodes = 20, .rounds = 5};
  char *agent = NULL, *split = NULL, *trajectories = NULL, *export = NULL, *json = NULL, *batch = NULL,
       *work = NULL;
  g_autofree char *table = NULL;
  const GOptionEntry entries[] = {
      {"trajectories", 0, 0, G_OPTION_ARG_FILENAME, &trajectories, "take the decisions from a file", "FILE"},
      {"agent", 0, 0, G_OPTION_ARG_FILENAME, &agent,
       "who makes the episodes: random, policy, or a script of the environment; default: policy", "NAME"},
      {"split", 0, 0, G_OPTION_ARG_FILENAME, &split, "whose first goals; default: evaluate.split", "NAME"},
      {"episodes", 0, 0, G_OPTION_ARG_INT, &parsed.episodes, "how many; default: 20", "N"},
      {"decisions", 0, 0, G_OPTION_ARG_INT, &parsed.decisions, "at most so many decisions; default: all",
       "N"},
      {"work", 0, 0, G_OPTION_ARG_STRING, &work,
       "measure only score, only train, or of score only the stream of a rollout", "WORK"},
      {"batch", 0, 0, G_OPTION_ARG_STRING, &batch, "decisions per training step, with commas; default: 16",
       "LIST"},
      {"rounds", 0, 0, G_OPTION_ARG_INT, &parsed.rounds, "how often each is measured; default: 5", "N"},
      {"json", 0, 0, G_OPTION_ARG_FILENAME, &json, "also write the times of all rounds to FILE", "FILE"},
      {"export", 0, 0, G_OPTION_ARG_FILENAME, &export, "write the decisions to FILE and measure nothing",
       "FILE"},
      {NULL}};
  int status;
  if (cli_parse(&options, arguments, summary, argv, entries, CLI_WITH_SET | CLI_WITH_QUIET, 1, 1, &status)) {
    CliExperiment opened = {0};
    GError *error = NULL;
    parsed.agent = agent;
    parsed.split = split;
    parsed.trajectories = trajectories;
    parsed.export = export;
    parsed.json = json;
    parsed.batch = batch;
    parsed.work = work;
    parsed.quiet = options.quiet;
    const char *wrong = complaint(&parsed);
    cli_catch_interrupts();
    if (wrong)
      status = cli_usage_error(argv[0], "%s", wrong);
    else if (!cli_experiment_open(&opened, &options, NULL, &error))
      status = cli_fail(error);
    else {
      parsed.directory = opened.directory;
      if (!cw_bench_policy(opened.experiment, &parsed, &table, &error))
        status = cli_fail(error);
    }
    if (table)
      cli_print(table);
    cli_experiment_close(&opened);
  }
  g_free(agent);
  g_free(split);
  g_free(trajectories);
  g_free(export);
  g_free(json);
  g_free(batch);
  g_free(work);
  cli_options_clear(&options);
  return status;
}
