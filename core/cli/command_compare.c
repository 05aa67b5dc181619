/* cartwright compare: trained runs, untrained experiments and scripted agents against each other, by Thompson
 * sampling and by a fixed number of episodes. All play in the environment of the first operand, and the
 * others must have the same. */
#include "core/cli/cli.h"
#include "core/train/context.h"
#include "core/train/resume_point.h"
#include "lab/compare/compare.h"

/* Of an option that is a number. */
#define NOT_GIVEN G_MININT64

typedef struct {
  char *split, *agents, *selection, *out;
  gint64 rollouts, runs, episodes;
  gboolean quiet;
} Arguments;

/* What an operand opens. */
typedef struct {
  CliExperiment opened;
  CwPolicy *policy;
  char *name;
} Operand;

typedef struct {
  Operand *operands;
  guint n_operands;
  CwRun run;          /* of the first operand, without its policy */
  GArray *contenders; /* CwContender */
  char **scripts;     /* named by --agents */
} Comparison;

static char *name_of(const Comparison *comparison, const char *path)
{
  g_autofree char *absolute = g_canonicalize_filename(path, NULL);
  g_autofree char *base = g_path_get_basename(absolute);
  char *dot = g_strrstr(base, ".yaml");
  if (dot && !dot[5])
    *dot = '\0';
  for (guint i = 0; i < comparison->n_operands; i++)
    if (g_strcmp0(comparison->operands[i].name, base) == 0)
      return g_strdup(path); /* two runs of one name: tell them apart */
  return g_steal_pointer(&base);
}

static gboolean open_policy(Operand *operand, GError **error)
{
  CwExperiment *experiment = operand->opened.experiment;
  if (!experiment->policy.feature) {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
                "%s: the experiment has no 'policy' to compare; name scripts and random with --agents",
                operand->name);
    return FALSE;
  }
  operand->policy = cw_open_policy(experiment, NULL, error);
  if (!operand->policy || !operand->opened.directory)
    return operand->policy != NULL;
  g_autofree char *directory = cw_resume_point_policy(operand->opened.directory, error);
  return directory && cw_policy_load(operand->policy, directory, error);
}

static gboolean check_environment(const Operand *first, const Operand *other, GError **error)
{
  g_autofree char *difference =
      cw_experiment_difference(first->opened.experiment, other->opened.experiment, "environment");
  if (!difference)
    return TRUE;
  g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
              "%s and %s do not play in the same environment, so that their results cannot be compared: %s",
              first->name, other->name, difference);
  return FALSE;
}

static gboolean open_operands(Comparison *comparison, const CliOptions *options, CwSelection selection,
                              GError **error)
{
  for (guint i = 0; options->operands[i]; i++) {
    char *path[] = {options->operands[i], NULL};
    CliOptions one = *options;
    Operand *operand = &comparison->operands[i];
    one.operands = path;
    operand->name = name_of(comparison, path[0]);
    comparison->n_operands = i + 1;
    if (!cli_experiment_open(&operand->opened, &one, NULL, error) ||
        (i > 0 && !check_environment(&comparison->operands[0], operand, error)) ||
        !open_policy(operand, error))
      return FALSE;
    CwContender contender = {operand->name, {CW_AGENT_POLICY, operand->name, operand->policy, selection}};
    g_array_append_val(comparison->contenders, contender);
  }
  return TRUE;
}

static gboolean add_scripts(Comparison *comparison, GError **error)
{
  for (char **name = comparison->scripts; name && *name; name++) {
    CwContender contender = {.name = *name};
    if (!cw_agent_find(*name, CW_CALLED_NOTHING, comparison->run.environment, NULL, "--agents",
                       &contender.agent, error))
      return FALSE;
    g_array_append_val(comparison->contenders, contender);
  }
  return TRUE;
}

static gboolean compare(Comparison *comparison, const CliOptions *options, const Arguments *arguments,
                        CwSelection selection, GError **error)
{
  if (!open_operands(comparison, options, selection, error))
    return FALSE;
  CwExperiment *experiment = comparison->operands[0].opened.experiment;
  if (!cw_run_open(&comparison->run, experiment, FALSE, arguments->quiet, error) ||
      !add_scripts(comparison, error))
    return FALSE;
  CwRun *run = &comparison->run;
  CwCompareRequest request = {
      .split = arguments->split ? arguments->split : experiment->evaluate->split,
      .n_rollouts = (guint64)arguments->rollouts,
      .n_runs = (guint)arguments->runs,
      .n_fixed =
          (guint64)(arguments->episodes == NOT_GIVEN ? experiment->evaluate->episodes : arguments->episodes),
      .seed = (guint32)experiment->seed,
      .confidence = experiment->evaluate->confidence};
  cw_eta_begin(run->eta, cw_eta_add(run->eta, "compare", 0), "compare", 0, 0);
  CwComparison *result = cw_compare(run->rollout, (const CwContender *)(gpointer)comparison->contenders->data,
                                    comparison->contenders->len, &request, cw_run_progress, run, error);
  cw_eta_end(run->eta);
  if (!result)
    return FALSE;
  g_autofree char *table = cw_comparison_table(result);
  gboolean good = TRUE, drawn;
  cli_print(table);
  if (arguments->out) {
    good = cw_comparison_write(result, arguments->out, &drawn, error);
    if (good)
      cli_printf("\nresults: %s/comparison.json\n%s%s%s", arguments->out, drawn ? "figure: " : "",
                 drawn ? arguments->out : "", drawn ? "/comparison.png\n" : "");
  }
  cw_comparison_free(result);
  return good;
}

static int run(const CliOptions *options, const Arguments *arguments, CwSelection selection)
{
  Comparison comparison = {.operands = g_new0(Operand, g_strv_length(options->operands)),
                           .contenders = g_array_new(FALSE, FALSE, sizeof(CwContender)),
                           .scripts = arguments->agents ? g_strsplit(arguments->agents, ",", -1) : NULL};
  GError *error = NULL;
  int status = CLI_DONE;
  cli_catch_interrupts();
  if (!compare(&comparison, options, arguments, selection, &error))
    status = cli_fail(error);
  if (comparison.run.experiment)
    cw_run_close(&comparison.run);
  for (guint i = 0; i < comparison.n_operands; i++) {
    cw_policy_close(comparison.operands[i].policy);
    cli_experiment_close(&comparison.operands[i].opened);
    g_free(comparison.operands[i].name);
  }
  g_array_unref(comparison.contenders);
  g_strfreev(comparison.scripts);
  g_free(comparison.operands);
  return status;
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
