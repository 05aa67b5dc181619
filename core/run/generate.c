/* Rolls out an agent on goals in order and writes every episode that is to be
 * kept as soon as its turn has come, so that memory does not grow with the file. */
#include "core/run/generate.h"
#include "core/base/trajectories.h"

typedef struct {
  const CwGenerateRequest *request;
  CwGenerateCounts *counts;
  CwTrajectoryWriter *writer;
  double reward_sum;
  CwWorkProgress progress;
  gpointer user_data;
} Generating;

static gboolean episode_finished(CwEpisode *episode, gpointer user_data, GError **error)
{
  Generating *generating = user_data;
  CwGenerateCounts *counts = generating->counts;
  counts->n_episodes++;
  counts->n_successful += episode->success ? 1 : 0;
  generating->reward_sum += episode->total_reward;
  counts->mean_reward = generating->reward_sum / (double)counts->n_episodes;
  if (episode->success || !generating->request->successful_only) {
    if (!cw_trajectory_writer_add(generating->writer, episode->trajectory, error))
      return FALSE;
    counts->n_kept++;
  }
  if (generating->progress) {
    char text[64];
    g_snprintf(text, sizeof text, "score %.1f", 100 * counts->mean_reward);
    generating->progress(counts->n_episodes, generating->request->n_episodes, text, generating->user_data);
  }
  return TRUE;
}

gboolean cw_generate(CwRollout *rollout, const CwAgent *agent, const CwGenerateRequest *request, const char *path,
                     CwGenerateCounts *counts, CwWorkProgress progress, gpointer user_data, GError **error)
{
  *counts = (CwGenerateCounts){0};
  gint64 n_goals = cw_environment_n_goals(cw_rollout_environment(rollout), request->split, error);
  if (n_goals < 0)
    return FALSE;
  if (n_goals == 0) {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION, "cannot generate: split '%s' has no goals",
                request->split);
    return FALSE;
  }
  CwTrajectoryWriter *writer = cw_trajectory_writer_new(path, error);
  if (!writer)
    return FALSE;
  gint64 *goals = g_new(gint64, request->n_episodes);
  for (guint64 i = 0; i < request->n_episodes; i++)
    goals[i] = (gint64)(i % (guint64)n_goals);
  Generating generating = {
      .request = request, .counts = counts, .writer = writer, .progress = progress, .user_data = user_data};
  CwRolloutPlan plan = {.seed = request->seed,
                        .purpose = request->purpose,
                        .split = request->split,
                        .goals = goals,
                        .n_episodes = request->n_episodes,
                        .keep_steps = TRUE,
                        .stoppable = TRUE};
  gboolean good = cw_rollout_run(rollout, &plan, agent, episode_finished, &generating, &counts->n_decisions, error);
  g_free(goals);
  if (good && counts->n_kept == 0) {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_FAILED,
                "none of the %" G_GUINT64_FORMAT " episodes of '%s' on split '%s' was successful, so '%s' would be "
                "empty; ask for more episodes, or set successful_only to false",
                counts->n_episodes, agent->name, request->split, path);
    good = FALSE;
  }
  if (good)
    return cw_trajectory_writer_commit(writer, error);
  cw_trajectory_writer_discard(writer);
  return FALSE;
}
