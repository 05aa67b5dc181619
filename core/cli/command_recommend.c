/* cartwright recommend: agents as recommenders. Every agent plays each goal k times; the list of what it
 * ended with is judged against what the goal asked for. */
#include "core/cli/cli.h"
#include "core/train/context.h"
#include "core/train/resume_point.h"
#include "lab/recommend/recommend.h"

/* Of an option that is a number. */
#define NOT_GIVEN G_MININT64

typedef struct {
  char *split, *agents;
  gint64 k, goals;
  gboolean quiet;
} Arguments;

static gboolean choose_agent(CwRun *run, const char *name, const char *directory, CwAgent *agent,
                             GError **error)
{
  if (!cw_run_find_agent(run, name, CW_CALLED_BY_WEIGHTS, "--agents", agent, error))
    return FALSE;
  if (agent->weights != CW_WEIGHTS_FINAL)
    return TRUE;
  if (directory)
    return cw_resume_point_load_policy(run, directory, error);
  g_set_error_literal(
      error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
      "'final' is the policy of a finished run: name the run directory instead of the experiment");
  return FALSE;
}

static char *bounds(CwInterval interval, int n_digits)
{
  return g_strdup_printf("%.*f-%.*f", n_digits, interval.low, n_digits, interval.high);
}

static char **row_of(const char *name, const CwRecommendation *result)
{
  char **row = g_new0(char *, 12);
  row[0] = g_strdup(name);
  row[1] = g_strdup_printf("%.1f", result->hit_first.mean);
  row[2] = bounds(result->hit_first, 1);
  row[3] = g_strdup_printf("%.1f", result->hit.mean);
  row[4] = bounds(result->hit, 1);
  row[5] = g_strdup_printf("%.3f", result->ndcg_target.mean);
  row[6] = bounds(result->ndcg_target, 3);
  row[7] = g_strdup_printf("%.3f", result->ndcg_rewards.mean);
  row[8] = bounds(result->ndcg_rewards, 3);
  row[9] = g_strdup_printf("%.1f", result->n_items);
  row[10] = g_strdup_printf("%.1f", 100 * result->none);
  return row;
}

static void print_table(const CwRun *run, const CwRecommendRequest *request, guint n_goals,
                        const GPtrArray *rows)
{
  g_autofree char *hit = g_strdup_printf("hit@%u %%", request->k);
  g_autofree char *target = g_strdup_printf("NDCG@%u target", request->k);
  g_autofree char *rewards = g_strdup_printf("NDCG@%u reward", request->k);
  g_autofree char *interval = g_strdup_printf("%g%% interval", 100 * request->confidence);
  const char *headings[] = {"agent",  "hit@1 %", interval, hit,     interval,        target,
                            interval, rewards,   interval, "items", "without item %"};
  g_autofree char *table = cw_format_table(headings, G_N_ELEMENTS(headings), rows);
  cli_printf("environment: %s\n", cw_environment_feature(run->environment)->name);
  for (const char *const *fact = cw_environment_describe(run->environment); fact[0] && fact[1]; fact += 2)
    cli_printf("  %s: %s\n", fact[0], fact[1]);
  cli_printf("split: %s, goals 0 to %u; seed %u; %u rollouts a goal, most frequent item first, ties as they "
             "came\n\n%s",
             request->split, n_goals - 1, request->seed, request->k, table);
}

static gboolean recommend(CliExperiment *opened, const Arguments *arguments, GError **error)
{
  const CwEvaluateOptions *evaluate = opened->experiment->evaluate;
  const char *usual = opened->directory ? "final" : "initial";
  g_auto(GStrv) agents = g_strsplit(arguments->agents ? arguments->agents : usual, ",", -1);
  g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
  CwRecommendRequest request = {
      .split = arguments->split ? arguments->split : evaluate->split,
      .n_goals = (guint64)(arguments->goals == NOT_GIVEN ? evaluate->episodes : arguments->goals),
      .k = (guint)arguments->k,
      .seed = (guint32)opened->experiment->seed,
      .confidence = evaluate->confidence};
  CwRecommendation result = {0};
  gboolean with_policy = g_strv_contains((const char *const *)agents, "initial") ||
                         g_strv_contains((const char *const *)agents, "final");
  CwRun run;
  gboolean good = cw_run_open(&run, opened->experiment, with_policy, arguments->quiet, error);
  g_ptr_array_set_size(rows, (gint)g_strv_length(agents));
  /* "final" comes last: it changes the policy. */
  for (guint pass = 0; pass < 2; pass++)
    for (guint i = 0; agents[i] && good; i++) {
      CwAgent agent;
      if (g_str_equal(agents[i], "final") != (pass == 1))
        continue;
      good = choose_agent(&run, agents[i], opened->directory, &agent, error);
      if (!good)
        break;
      cw_eta_begin(run.eta, cw_eta_add(run.eta, agents[i], 0), agents[i], 0, 0);
      good = cw_recommend(run.rollout, &agent, &request, &result, cw_run_progress, &run, error);
      cw_eta_end(run.eta);
      if (good)
        rows->pdata[i] = row_of(agents[i], &result);
    }
  if (good)
    print_table(&run, &request, result.n_goals, rows);
  cw_run_close(&run);
  return good;
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
                                   "final; default: final of a run, initial "
                                   "of "
                                   "an experiment",
                                   "LIST"},
                                  {NULL}};
  int status;
  if (cli_parse(&options, arguments, summary, argv, entries, CLI_WITH_SET | CLI_WITH_QUIET, 1, 1, &status)) {
    CliExperiment opened = {0};
    GError *error = NULL;
    parsed.quiet = options.quiet;
    cli_catch_interrupts();
    if (parsed.k < 1 || parsed.k > 1000)
      status = cli_usage_error(argv[0], "--k must be between 1 and 1000");
    else if (parsed.goals != NOT_GIVEN && (parsed.goals < 1 || parsed.goals > G_MAXINT32))
      status = cli_usage_error(argv[0], "--goals must be between 1 and %d", G_MAXINT32);
    else if (!cli_experiment_open(&opened, &options, NULL, &error) || !recommend(&opened, &parsed, &error))
      status = cli_fail(error);
    cli_experiment_close(&opened);
  }
  g_free(parsed.split);
  g_free(parsed.agents);
  cli_options_clear(&options);
  return status;
}
