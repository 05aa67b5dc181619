/* Opening and closing what a run shares. */
#include "core/train/context.h"
#include "core/train/conditions.h"

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
    run->policy = cw_open_policy(experiment, &run->loss, error);
    if (!run->policy)
      return FALSE;
  }
  run->rollout = cw_rollout_new(run->environment, (guint)experiment->rollout->slots, error);
  if (!run->rollout)
    return FALSE;
  cw_rollout_set_step_limit(run->rollout, (guint)experiment->rollout->step_limit);
  return TRUE;
}

void cw_run_close(CwRun *run)
{
  cw_eta_free(run->eta);
  cw_conditions_free(run->conditions);
  cw_metrics_close(run->metrics);
  cw_metrics_close(run->timings);
  cw_events_close(run->events);
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

gboolean cw_run_find_agent(const CwRun *run, const char *name, CwPolicyNames names, const char *key,
                           CwAgent *agent, GError **error)
{
  gboolean has_policy = run->experiment->policy.feature != NULL;
  if (!cw_agent_find(name, has_policy ? names : CW_CALLED_NOTHING, run->environment, run->policy, key, agent,
                     error))
    return FALSE;
  if (agent->weights != CW_WEIGHTS_INITIAL || !run->loss.initial_is_gone)
    return TRUE;
  g_set_error(
      error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
      "%s: '%s' cannot be had: the weights that the run began with are not there any more; put its model "
      "back, or name other agents",
      key, name);
  return FALSE;
}
