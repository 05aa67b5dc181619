/* cartwright evaluate: agents on the first goals of a split. Of a run directory the trained policy ("final")
 * can be evaluated, of an experiment only the policy that it opens ("initial"). */
#include "core/cli/cli.h"
#include "core/train/resume_point.h"
#include "lab/evaluate/evaluator.h"
#include <string.h>

typedef struct {
  char *split, *agents, *selection, *json;
  gint64 episodes, keep;
} Arguments;

/* The command's options as assignments, so that they pass the same checks as YAML. */
static GPtrArray *assignments(const Arguments *arguments)
{
  GPtrArray *sets = g_ptr_array_new_with_free_func(g_free);
  if (arguments->split)
    g_ptr_array_add(sets, g_strdup_printf("evaluate.split=%s", arguments->split));
  if (arguments->episodes)
    g_ptr_array_add(sets, g_strdup_printf("evaluate.episodes=%" G_GINT64_FORMAT, arguments->episodes));
  if (arguments->agents)
    g_ptr_array_add(sets, g_strdup_printf("evaluate.agents=[%s]", arguments->agents));
  if (arguments->selection)
    g_ptr_array_add(sets, g_strdup_printf("evaluate.selection=[%s]", arguments->selection));
  if (arguments->keep)
    g_ptr_array_add(sets, g_strdup_printf("evaluate.keep_episodes=%" G_GINT64_FORMAT, arguments->keep));
  g_ptr_array_add(sets, NULL);
  return sets;
}

/* Whether the experiment's agents include the policy. */
static gboolean wants_policy(char **agents)
{
  return !agents || g_strv_contains((const char *const *)agents, "initial") ||
         g_strv_contains((const char *const *)agents, "final");
}

/* Everything but the trained policy first: loading it changes the policy. */
static gboolean evaluate_all(CwRun *run, CwEvaluator *evaluator, const char *directory, GError **error)
{
  cw_evaluator_plan(evaluator);
  return cw_evaluator_run(evaluator, CW_WEIGHTS_PRESENT | CW_WEIGHTS_INITIAL, error) &&
         (!cw_evaluator_has(evaluator, CW_WEIGHTS_FINAL) ||
          (cw_resume_point_load_policy(run, directory, error) &&
           cw_evaluator_run(evaluator, CW_WEIGHTS_FINAL, error)));
}

static gboolean show(CwEvaluator *evaluator, const char *json, GError **error)
{
  g_autofree char *table = cw_evaluator_table(evaluator);
  cli_print(table);
  return !json || cw_results_write(cw_evaluator_results(evaluator), json, error);
}

static gboolean evaluate(CliExperiment *opened, const Arguments *arguments, gboolean quiet, GError **error)
{
  CwRun run;
  CwEvaluator *evaluator = NULL;
  gboolean good = cw_run_open(&run, opened->experiment, wants_policy(opened->experiment->evaluate->agents),
                              quiet, error) &&
                  (evaluator = cw_evaluator_new(&run, error));
  if (good && !opened->directory && arguments->agents && cw_evaluator_has(evaluator, CW_WEIGHTS_FINAL)) {
    g_set_error_literal(
        error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
        "'final' is the policy of a finished run: name the run directory instead of the experiment");
    good = FALSE;
  } else if (good && !opened->directory)
    cw_evaluator_leave_out(evaluator, CW_WEIGHTS_FINAL);
  /* The run's own evaluation is kept with the run; without --keep-episodes what is there stays. */
  if (good && arguments->keep && opened->directory)
    good = cw_evaluator_keep_episodes(evaluator, opened->directory, error);
  good = good && evaluate_all(&run, evaluator, opened->directory, error) &&
         show(evaluator, arguments->json, error);
  cw_evaluator_free(evaluator);
  cw_run_close(&run);
  return good;
}

int cli_evaluate(const char *arguments, const char *summary, char **argv)
{
  CliOptions options;
  Arguments parsed = {0};
  const GOptionEntry entries[] = {
      {"split", 0, 0, G_OPTION_ARG_FILENAME, &parsed.split, "split of the goals", "NAME"},
      {"episodes", 0, 0, G_OPTION_ARG_INT64, &parsed.episodes, "how many of its first goals", "N"},
      {"agents", 0, 0, G_OPTION_ARG_FILENAME, &parsed.agents,
       "which, comma separated: random, scripts of the environment, initial, final", "LIST"},
      {"selection", 0, 0, G_OPTION_ARG_FILENAME, &parsed.selection,
       "how policies choose, comma separated: sample, greedy", "LIST"},
      {"keep-episodes", 0, 0, G_OPTION_ARG_INT64, &parsed.keep,
       "keep the first N episodes of each agent in RUN/episodes, for 'cartwright view'", "N"},
      {"json", 0, 0, G_OPTION_ARG_FILENAME, &parsed.json, "also write the results to FILE", "FILE"},
      {NULL}};
  int status;
  if (cli_parse(&options, arguments, summary, argv, entries, CLI_WITH_SET | CLI_WITH_QUIET, 1, 1, &status)) {
    CliExperiment opened;
    GError *error = NULL;
    GPtrArray *sets = assignments(&parsed);
    cli_catch_interrupts();
    if (!cli_experiment_open(&opened, &options, (const char *const *)sets->pdata, &error) ||
        !evaluate(&opened, &parsed, options.quiet, &error))
      status = cli_fail(error);
    cli_experiment_close(&opened);
    g_ptr_array_unref(sets);
  }
  g_free(parsed.split);
  g_free(parsed.agents);
  g_free(parsed.selection);
  g_free(parsed.json);
  cli_options_clear(&options);
  return status;
}
