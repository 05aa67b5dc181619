/* Opening and closing what a run shares, and evaluating agents with it. */
#include "core/train/context.h"
#include "core/train/run.h"

gboolean cw_run_open(CwRun *run, CwExperiment *experiment, gboolean with_policy, gboolean quiet,
                     GError **error)
{
  guint32 seed = (guint32)experiment->seed;
  with_policy = with_policy && experiment->policy.feature;
  *run = (CwRun){.experiment = experiment, .start = g_get_monotonic_time()};
  run->eta = cw_eta_new(quiet);
  g_message("opening environment '%s'%s%s%s", experiment->environment.feature->name,
            with_policy ? " and policy '" : "", with_policy ? experiment->policy.feature->name : "",
            with_policy ? "'" : "");
  run->environment =
      cw_environment_open(experiment->environment.feature, experiment->environment.options, seed, error);
  if (!run->environment)
    return FALSE;
  if (with_policy) {
    run->policy = cw_policy_open(experiment->policy.feature, experiment->policy.options, seed, error);
    if (!run->policy)
      return FALSE;
  }
  run->rollout = cw_rollout_new(run->environment, (guint)experiment->rollout->slots, error);
  if (!run->rollout)
    return FALSE;
  run->results = cw_results_new(experiment, run->environment, run->policy);
  return TRUE;
}

void cw_run_close(CwRun *run)
{
  cw_eta_free(run->eta);
  cw_metrics_close(run->metrics);
  cw_metrics_close(run->timings);
  cw_events_close(run->events);
  cw_results_free(run->results);
  cw_rollout_free(run->rollout);
  cw_policy_close(run->policy);
  cw_environment_close(run->environment);
  g_free(run->phases);
  g_free(run->directory);
  *run = (CwRun){0};
}

char *cw_run_path(const CwRun *run, const char *name)
{
  return g_build_filename(run->directory, name, NULL);
}

void cw_run_progress(guint64 done, guint64 total, const char *text, gpointer run)
{
  cw_eta_update(((CwRun *)run)->eta, done, total, text);
}

gint cw_run_writer_of(const CwRun *run, guint stage, const char *name)
{
  for (guint i = 0; i < stage; i++) {
    const CwStage *writer = g_ptr_array_index(run->experiment->stages, i);
    if (g_strcmp0(writer->into, name) == 0 ||
        (writer->generate && g_strcmp0(writer->generate->rejected_into, name) == 0))
      return (gint)i;
  }
  return -1;
}

CwSelection *cw_run_selections(const CwExperiment *experiment, guint *n_selections, GError **error)
{
  char **names = experiment->evaluate->selection;
  guint n = names ? g_strv_length(names) : 0;
  CwSelection *selections = g_new0(CwSelection, MAX(n, 1));
  *n_selections = MAX(n, 1);
  for (guint i = 0; i < n; i++)
    if (!cw_selection_from_name(names[i], &selections[i])) {
      g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
                  "evaluate.selection: '%s' is neither 'sample' nor 'greedy'", names[i]);
      g_free(selections);
      return NULL;
    }
  return selections;
}

static gboolean is_policy(const char *name)
{
  return g_str_equal(name, "initial") || g_str_equal(name, "final");
}

guint cw_run_plan_evaluation(CwRun *run, const char *name)
{
  const CwEvaluateOptions *options = run->experiment->evaluate;
  g_autofree char *kind = g_strconcat("episodes of ", is_policy(name) ? "policy" : name, NULL);
  guint n = is_policy(name) && options->selection ? g_strv_length(options->selection) : 1;
  guint first = cw_eta_add(run->eta, kind, run->results->n_episodes);
  for (guint i = 1; i < n; i++)
    cw_eta_add(run->eta, kind, run->results->n_episodes);
  return first;
}

static gboolean evaluate_selection(CwRun *run, const char *name, const CwAgent *agent, guint phase,
                                   GError **error)
{
  const CwEvaluateOptions *options = run->experiment->evaluate;
  const char *selection = agent->kind == CW_AGENT_POLICY ? cw_selection_name(agent->selection) : "";
  guint64 step = g_str_equal(name, "final") ? run->step : 0;
  if (cw_results_find(run->results, name, selection, step)) {
    cw_eta_skip(run->eta, phase);
    return TRUE;
  }
  g_autofree char *label = g_strjoin(" ", "evaluate", name, *selection ? selection : NULL, NULL);
  cw_eta_begin(run->eta, phase, label, 0, 0);
  CwEvaluation *evaluation =
      cw_evaluate(run->rollout, agent, name, options->split, (guint64)options->episodes,
                  (guint32)run->experiment->seed, cw_run_progress, run, error);
  cw_eta_end(run->eta);
  if (!evaluation)
    return FALSE;
  evaluation->step = step;
  cw_results_add(run->results, evaluation);
  if (!run->directory)
    return TRUE;
  g_autofree char *path = cw_run_path(run, "evaluation.json");
  return cw_results_write(run->results, path, error);
}

gboolean cw_run_evaluate(CwRun *run, const char *name, guint phase, GError **error)
{
  CwAgent agent = {.kind = CW_AGENT_SCRIPT, .name = name};
  if (g_str_equal(name, "random"))
    agent.kind = CW_AGENT_RANDOM;
  if (!is_policy(name))
    return evaluate_selection(run, name, &agent, phase, error);
  guint n;
  g_autofree CwSelection *selections = cw_run_selections(run->experiment, &n, error);
  gboolean good = selections != NULL;
  for (guint i = 0; i < n && good; i++) {
    agent = (CwAgent){CW_AGENT_POLICY, "policy", run->policy, selections[i]};
    good = evaluate_selection(run, name, &agent, phase + i, error);
  }
  return good;
}
