/* Opens an experiment and tries its agents as recommenders, one after the other. */
#include "core/train/context.h"
#include "core/train/resume_point.h"
#include "lab/recommend/recommend.h"

static gboolean choose_agent(CwRun *run, const char *name, const char *directory, CwAgent *agent,
                             GError **error)
{
  return cw_run_find_agent(run, name, CW_CALLED_BY_WEIGHTS, "--agents", agent, error) &&
         (agent->weights != CW_WEIGHTS_FINAL || cw_resume_point_load_policy(run, directory, error));
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

static char *table_of(const CwRun *run, const CwRecommendRequest *request, guint n_goals,
                      const GPtrArray *rows)
{
  g_autofree char *hit = g_strdup_printf("hit@%u %%", request->k);
  g_autofree char *target = g_strdup_printf("NDCG@%u target", request->k);
  g_autofree char *rewards = g_strdup_printf("NDCG@%u reward", request->k);
  g_autofree char *interval = g_strdup_printf("%g%% interval", 100 * request->confidence);
  const char *headings[] = {"agent",  "hit@1 %", interval, hit,     interval,        target,
                            interval, rewards,   interval, "items", "without item %"};
  g_autofree char *table = cw_format_table(headings, G_N_ELEMENTS(headings), rows);
  g_autoptr(GString) text = g_string_new(NULL);
  g_string_printf(text, "environment: %s\n", cw_environment_feature(run->environment)->name);
  for (const char *const *fact = cw_environment_describe(run->environment); fact[0] && fact[1]; fact += 2)
    g_string_append_printf(text, "  %s: %s\n", fact[0], fact[1]);
  g_string_append_printf(text,
                         "split: %s, goals 0 to %u; seed %u; %u rollouts a goal, most frequent item first, "
                         "ties as they came\n\n%s",
                         request->split, n_goals - 1, request->seed, request->k, table);
  return g_strdup(text->str);
}

/* All agents, in the rows of their order; *n_goals: how many goals each played. */
static gboolean try_agents(CwRun *run, char **agents, const char *directory,
                           const CwRecommendRequest *request, GPtrArray *rows, guint *n_goals, GError **error)
{
  g_ptr_array_set_size(rows, (gint)g_strv_length(agents));
  /* "final" comes last: it changes the policy. */
  for (guint pass = 0; pass < 2; pass++)
    for (guint i = 0; agents[i]; i++) {
      CwAgent agent;
      CwRecommendation result;
      if (g_str_equal(agents[i], "final") != (pass == 1))
        continue;
      if (!choose_agent(run, agents[i], directory, &agent, error))
        return FALSE;
      cw_eta_begin(run->eta, cw_eta_add(run->eta, agents[i], 0), agents[i], 0, 0);
      gboolean good = cw_recommend(run->rollout, &agent, request, &result, cw_run_progress, run, error);
      cw_eta_end(run->eta);
      if (!good)
        return FALSE;
      rows->pdata[i] = row_of(agents[i], &result);
      *n_goals = result.n_goals;
    }
  return TRUE;
}

gboolean cw_recommend_agents(CwExperiment *experiment, const CwRecommendRequest *request, const char *agents,
                             const char *directory, gboolean quiet, char **table, GError **error)
{
  const char *usual = directory ? "final" : "initial";
  g_auto(GStrv) names = g_strsplit(agents ? agents : usual, ",", -1);
  g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
  gboolean with_policy = g_strv_contains((const char *const *)names, "initial") ||
                         g_strv_contains((const char *const *)names, "final");
  guint n_goals = 0;
  CwRun run;
  gboolean good = cw_run_open(&run, experiment, with_policy, quiet, error) &&
                  try_agents(&run, names, directory, request, rows, &n_goals, error);
  if (good)
    *table = table_of(&run, request, n_goals, rows);
  cw_run_close(&run);
  return good;
}
