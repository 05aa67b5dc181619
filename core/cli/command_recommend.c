/* cartwright recommend: agents as recommenders. Every agent plays each goal k times; the list of what it
 * ended with is judged against what the goal asked for. */
#include "core/cli/cli.h"
#include "lab/recommend/recommend.h"

/* Of an option that is a number. */
#define NOT_GIVEN G_MININT64

typedef struct {
  char *split, *agents;
  gint64 k, goals;
} Arguments;

static gboolean recommend(const CliExperiment *opened, const Arguments *arguments, gboolean quiet,
                          char **table, GError **error)
{
  const CwEvaluateOptions *evaluate = opened->experiment->evaluate;
  CwRecommendRequest request = {
      .split = arguments->split ? arguments->split : evaluate->split,
      .n_goals = (guint64)(arguments->goals == NOT_GIVEN ? evaluate->episodes : arguments->goals),
      .k = (guint)arguments->k,
      .seed = (guint32)opened->experiment->seed,
      .confidence = evaluate->confidence};
  return cw_recommend_agents(opened->experiment, &request, arguments->agents, opened->directory, quiet, table,
                             error);
}

int cli_recommend(const char *arguments, const char *summary, char **argv)
{
  CliOptions options;
  Arguments parsed = {.k = 10, .goals = NOT_GIVEN};
  const GOptionEntry entries[] = {{"k", 'k', 0, G_OPTION_ARG_INT64, &parsed.k,
                                   "rollouts on each goal, and places that count; default: 10", "N"},
                                  {"goals", 0, 0, G_OPTION_ARG_INT64, &parsed.goals,
                                   "how many of the first; default: episodes of 'evaluate'", "N"},
                                  {"split", 0, 0, G_OPTION_ARG_FILENAME, &parsed.split,
                                   "split of the goals; default: that of 'evaluate'", "NAME"},
                                  {"agents", 0, 0, G_OPTION_ARG_FILENAME, &parsed.agents,
                                   "which, comma separated: random, scripts of the environment, initial, "
                                   "final; default: final of a run, initial of an experiment",
                                   "LIST"},
                                  {NULL}};
  int status;
  if (cli_parse(&options, arguments, summary, argv, entries, CLI_WITH_SET | CLI_WITH_QUIET, 1, 1, &status)) {
    CliExperiment opened = {0};
    GError *error = NULL;
    g_autofree char *table = NULL;
    cli_catch_interrupts();
    if (parsed.k < 1 || parsed.k > 1000)
      status = cli_usage_error(argv[0], "--k must be between 1 and 1000");
    else if (parsed.goals != NOT_GIVEN && (parsed.goals < 1 || parsed.goals > G_MAXINT32))
      status = cli_usage_error(argv[0], "--goals must be between 1 and %d", G_MAXINT32);
    else if (!cli_experiment_open(&opened, &options, NULL, &error) ||
             !recommend(&opened, &parsed, options.quiet, &table, &error))
      status = cli_fail(error);
    else
      cli_print(table);
    cli_experiment_close(&opened);
  }
  g_free(parsed.split);
  g_free(parsed.agents);
  cli_options_clear(&options);
  return status;
}
