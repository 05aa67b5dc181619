/* cartwright evaluate: agents on the first goals of a split. Of a run directory the trained policy ("final")
 * can be evaluated, of an experiment only the policy that it opens ("initial"). */
#include "core/cli/cli.h"
#include "core/train/context.h"
#include "core/train/resume_point.h"
#include "core/train/run.h"
#include <string.h>

typedef struct {
  char *split, *agents, *selection, *json;
  gint64 episodes;
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
  g_ptr_array_add(sets, NULL);
  return sets;
}

static gboolean wants(char **agents, const char *name)
{
  return g_strv_contains((const char *const *)agents, name);
}

/* Everything but "final" first: it needs the policy changed. */
static gboolean evaluate_all(CwRun *run, char **agents, const char *directory, GError **error)
{
  guint n = g_strv_length(agents);
  g_autofree guint *phases = g_new(guint, n + 1);
  for (guint i = 0; i < n; i++)
    phases[i] = cw_run_plan_evaluation(run, agents[i]);
  for (guint pass = 0; pass < 2; pass++) {
    if (pass == 1 && wants(agents, "final") && !cw_resume_point_load_policy(run, directory, error))
      return FALSE;
    for (guint i = 0; i < n; i++)
      if (g_str_equal(agents[i], "final") == (pass == 1) &&
          !cw_run_evaluate(run, agents[i], phases[i], error))
        return FALSE;
  }
  return TRUE;
}

static gboolean evaluate(CliExperiment *opened, const Arguments *arguments, gboolean quiet, GError **error)
{
  CwRun run;
  g_auto(GStrv) agents = NULL;
  char **named = opened->experiment->evaluate->agents;
  gboolean with_policy = !named || wants(named, "initial") || wants(named, "final");
  gboolean good = cw_run_open(&run, opened->experiment, with_policy, quiet, error) &&
                  (agents = cw_run_agents(opened->experiment, run.environment, error));
  if (good && !opened->directory && wants(agents, "final")) {
    if (arguments->agents) {
      g_set_error_literal(
          error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
          "'final' is the policy of a finished run: name the run directory instead of the experiment");
      good = FALSE;
    }
    for (guint i = 0, kept = 0; agents[i]; i++) {
      if (!g_str_equal(agents[i], "final"))
        continue;
      g_free(agents[i]);
      for (kept = i; agents[kept]; kept++)
        agents[kept] = agents[kept + 1];
      break;
    }
  }
  good = good && evaluate_all(&run, agents, opened->directory, error);
  if (good) {
    g_autofree char *table = cw_results_table(run.results, (const char *const *)agents);
    cli_print(table);
    good = !arguments->json || cw_results_write(run.results, arguments->json, error);
  }
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
