/* cartwright compare: trained runs, untrained experiments and scripted agents against each other, by Thompson
 * sampling and by a fixed number of episodes. */
#include "core/cli/cli.h"
#include "lab/compare/compare_runs.h"

/* Of an option that is a number. */
#define NOT_GIVEN G_MININT64

typedef struct {
  char *split, *agents, *selection, *out;
  gint64 rollouts, runs, episodes;
  gboolean quiet;
} Arguments;

/* Opens operand `i` as an experiment. */
static gboolean open_operand(const CliOptions *options, guint i, CliExperiment *opened, CwCompared *compared,
                             GError **error)
{
  char *path[] = {options->operands[i], NULL};
  CliOptions one = *options;
  one.operands = path;
  if (!cli_experiment_open(opened, &one, NULL, error))
    return FALSE;
  *compared = (CwCompared){path[0], opened->directory, opened->experiment};
  return TRUE;
}

static gboolean show(const CwComparison *result, const char *out, GError **error)
{
  g_autofree char *table = cw_comparison_table(result);
  gboolean drawn;
  cli_print(table);
  if (!out)
    return TRUE;
  if (!cw_comparison_write(result, out, &drawn, error))
    return FALSE;
  cli_printf("\nresults: %s/comparison.json\n%s%s%s", out, drawn ? "figure: " : "", drawn ? out : "",
             drawn ? "/comparison.png\n" : "");
  return TRUE;
}

static gboolean compare(const CwCompared *compared, guint n, const Arguments *arguments,
                        CwSelection selection, GError **error)
{
  const CwExperiment *experiment = compared[0].experiment;
  const CwEvaluateOptions *evaluate = experiment->evaluate;
  gint64 episodes = arguments->episodes == NOT_GIVEN ? evaluate->episodes : arguments->episodes;
  CwCompareRequest request = {.split = arguments->split ? arguments->split : evaluate->split,
                              .n_rollouts = (guint64)arguments->rollouts,
                              .n_runs = (guint)arguments->runs,
                              .n_fixed = (guint64)episodes,
                              .seed = (guint32)experiment->seed,
                              .confidence = evaluate->confidence};
  g_auto(GStrv) scripts = arguments->agents ? g_strsplit(arguments->agents, ",", -1) : NULL;
  CwComparison *result = cw_compare_runs(compared, n, scripts, selection, &request, arguments->quiet, error);
  gboolean good = result && show(result, arguments->out, error);
  cw_comparison_free(result);
  return good;
}

static int run(const CliOptions *options, const Arguments *arguments, CwSelection selection)
{
  guint n = g_strv_length(options->operands);
  g_autofree CliExperiment *opened = g_new0(CliExperiment, n);
  g_autofree CwCompared *compared = g_new0(CwCompared, n);
  GError *error = NULL;
  gboolean good = TRUE;
  cli_catch_interrupts();
  for (guint i = 0; good && i < n; i++)
    good = open_operand(options, i, &opened[i], &compared[i], &error);
  good = good && compare(compared, n, arguments, selection, &error);
  for (guint i = 0; i < n; i++)
    cli_experiment_close(&opened[i]);
  return good ? CLI_DONE : cli_fail(error);
}

int cli_compare(const char *arguments, const char *summary, char **argv)
{
  CliOptions options;
  Arguments parsed = {.rollouts = 1000, .runs = 3, .episodes = NOT_GIVEN};
  const GOptionEntry entries[] = {
      {"rollouts", 0, 0, G_OPTION_ARG_INT64, &parsed.rollouts, "pulls of a run; default: 1000", "N"},
      {"runs", 0, 0, G_OPTION_ARG_INT64, &parsed.runs, "runs of either bandit; default: 3", "N"},
      {"split", 0, 0, G_OPTION_ARG_FILENAME, &parsed.split, "split of the goals; default: that of 'evaluate'",
       "NAME"},
      {"episodes", 0, 0, G_OPTION_ARG_INT64, &parsed.episodes,
       "episodes of every agent for the fixed estimate; default: those of 'evaluate'", "N"},
      {"agents", 0, 0, G_OPTION_ARG_FILENAME, &parsed.agents,
       "further agents, comma separated: random, scripts of the environment", "LIST"},
      {"selection", 0, 0, G_OPTION_ARG_FILENAME, &parsed.selection,
       "how policies choose: sample or greedy; default: sample", "NAME"},
      {"out", 'o', 0, G_OPTION_ARG_FILENAME, &parsed.out, "directory for comparison.json and the figure",
       "DIR"},
      {NULL}};
  int status;
  if (cli_parse(&options, arguments, summary, argv, entries, CLI_WITH_SET | CLI_WITH_QUIET, 1, 64, &status)) {
    CwSelection selection = CW_SELECT_SAMPLE;
    parsed.quiet = options.quiet;
    if (parsed.rollouts < 1 || parsed.rollouts > 10000000 || parsed.runs < 1 || parsed.runs > 100)
      status =
          cli_usage_error(argv[0], "--rollouts must be between 1 and 10000000, --runs between 1 and 100");
    else if (parsed.episodes != NOT_GIVEN && parsed.episodes < 1)
      status = cli_usage_error(argv[0], "--episodes must be at least 1");
    else if (parsed.selection && !cw_selection_from_name(parsed.selection, &selection))
      status = cli_usage_error(argv[0], "--selection must be sample or greedy, found '%s'", parsed.selection);
    else
      status = run(&options, &parsed, selection);
  }
  g_free(parsed.split);
  g_free(parsed.agents);
  g_free(parsed.selection);
  g_free(parsed.out);
  cli_options_clear(&options);
  return status;
}
