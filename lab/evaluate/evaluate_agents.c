/* Of a run directory the trained policy ("final") can be evaluated, of an experiment only the policy that it
 * opens ("initial"). */
#include "lab/evaluate/evaluate_agents.h"
#include "core/train/resume_point.h"
#include "lab/evaluate/evaluator.h"

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

/* Decides about "final", and whether episodes are kept. */
static gboolean prepare(CwRun *run, CwEvaluator *evaluator, const CwEvaluateAgents *how, GError **error)
{
  if (!how->directory) {
    if (how->agents_named && cw_evaluator_has(evaluator, CW_WEIGHTS_FINAL))
      return cw_resume_point_load_policy(run, NULL, error);
    cw_evaluator_leave_out(evaluator, CW_WEIGHTS_FINAL);
    return TRUE;
  }
  /* The run's own evaluation is kept with the run; unless asked for anew, what is there stays. */
  return !how->keep || cw_evaluator_keep_episodes(evaluator, how->directory, error);
}

gboolean cw_evaluate_agents(CwExperiment *experiment, const CwEvaluateAgents *how, char **table,
                            GError **error)
{
  CwRun run;
  CwEvaluator *evaluator = NULL;
  gboolean good =
      cw_run_open(&run, experiment, wants_policy(experiment->evaluate->agents), how->quiet, error) &&
      (evaluator = cw_evaluator_new(&run, error)) && prepare(&run, evaluator, how, error) &&
      evaluate_all(&run, evaluator, how->directory, error);
  if (good) {
    *table = cw_evaluator_table(evaluator);
    good = !how->json || cw_results_write(cw_evaluator_results(evaluator), how->json, error);
  }
  cw_evaluator_free(evaluator);
  cw_run_close(&run);
  return good;
}
