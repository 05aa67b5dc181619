/* Reads a run's kept episodes, and makes sure that they go with its results: an evaluation that was repeated
 * on other terms may have left others. */
#include "lab/evaluate/kept_episodes.h"
#include "core/trajectory/trajectories.h"
#include "lab/evaluate/results.h"
#include <math.h>

static gboolean belong(const GPtrArray *episodes, const CwEvaluation *evaluation)
{
  for (guint i = 0; i < episodes->len; i++) {
    const CwTrajectory *episode = episodes->pdata[i];
    if (i >= evaluation->n || episode->goal != (gint64)i || !g_str_equal(episode->split, evaluation->split) ||
        fabs(episode->total_reward - evaluation->rewards[i]) > 1e-6 ||
        episode->n_steps != evaluation->lengths[i])
      return FALSE;
  }
  return TRUE;
}

gboolean cw_kept_episodes_read(const char *run, const CwEvaluation *evaluation, GPtrArray *episodes,
                               GError **error)
{
  g_autofree char *name = cw_results_episodes_name(evaluation->agent, evaluation->selection);
  g_autofree char *path = g_build_filename(run, "episodes", name, NULL);
  if (!g_file_test(path, G_FILE_TEST_EXISTS))
    return TRUE;
  if (!cw_trajectories_read(path, episodes, error))
    return FALSE;
  if (belong(episodes, evaluation))
    return TRUE;
  g_warning(
      "%s: left out: these are not the episodes of %s/evaluation.json; write them anew with 'cartwright "
      "evaluate %s --keep-episodes %u'",
      path, run, run, episodes->len);
  g_ptr_array_set_size(episodes, 0);
  return TRUE;
}
