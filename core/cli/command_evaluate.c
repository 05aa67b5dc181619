/* cartwright evaluate: agents on the first goals of a split. */
#include "core/cli/cli.h"
#include "lab/evaluate/evaluate_agents.h"

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

static gboolean evaluate(const CliExperiment *opened, const Arguments *arguments, gboolean quiet,
                         char **table, GError **error)
{
  CwEvaluateAgents how = {.directory = opened->directory,
                          .agents_named = arguments->agents != NULL,
                          .keep = arguments->keep != 0,
                          .json = arguments->json,
                          .quiet = quiet};
  return cw_evaluate_agents(opened->experiment, &how, table, error);
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
    g_autoptr(GPtrArray) sets = assignments(&parsed);
    g_autofree char *table = NULL;
    cli_catch_interrupts();
    if (!cli_experiment_open(&opened, &options, (const char *const *)sets->pdata, &error) ||
        !evaluate(&opened, &parsed, options.quiet, &table, &error))
      status = CLI_FAILED;
    if (table)
      cli_print(table);
    if (error)
      status = cli_fail(error);
    cli_experiment_close(&opened);
  }
  g_free(parsed.split);
  g_free(parsed.agents);
  g_free(parsed.selection);
  g_free(parsed.json);
  cli_options_clear(&options);
  return status;
}
