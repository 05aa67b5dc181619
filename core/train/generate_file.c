/* An agent's episodes as a trajectory file, without a run. */
#include "core/train/generate_file.h"
#include "core/train/context.h"
#include "core/train/resume_point.h"

/* Loads the trained policy when a run directory was named. */
static gboolean open_policy(CwRun *run, const char *directory, GError **error)
{
  if (!directory)
    return TRUE;
  g_autofree char *policy = cw_resume_point_policy(directory, error);
  return policy && cw_policy_load(run->policy, policy, error);
}

gboolean cw_generate_file(CwExperiment *experiment, const char *directory, const char *agent_name,
                          const CwGenerateRequest *request, const char *path, gboolean quiet, char **summary,
                          GError **error)
{
  CwRun run;
  CwAgent agent;
  CwGenerateCounts counts = {0};
  gboolean with_policy = g_str_equal(agent_name, "policy");
  gboolean good = cw_run_open(&run, experiment, with_policy, quiet, error) &&
                  cw_run_find_agent(&run, agent_name, CW_CALLED_POLICY, "--agent", &agent, error) &&
                  cw_agent_check_teacher(request->teacher, run.environment, "--teacher", error) &&
                  (agent.kind != CW_AGENT_POLICY || open_policy(&run, directory, error));
  if (good) {
    guint64 n = request->n_perfect ? request->n_perfect : request->n_episodes;
    cw_eta_begin(run.eta, cw_eta_add(run.eta, "generate", n), "generate", 0, 0);
    good = cw_generate(run.rollout, &agent, request, path, &counts, cw_run_progress, &run, error);
    cw_eta_end(run.eta);
  }
  if (good)
    *summary = cw_generate_summary(&counts, request, agent_name);
  cw_generate_counts_clear(&counts);
  cw_run_close(&run);
  return good;
}
