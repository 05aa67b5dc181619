/* Loop erasure and its proof. Nothing is kept between calls; the session is left at the end of the pruned
 * episode, or wherever it stopped agreeing. */
#include "core/rollout/prune.h"
#include "core/trajectory/trajectory_build.h"
#include <math.h>
#include <string.h>

/* The steps that remain when every return to an observation cuts what led back to it. */
static GPtrArray *erase_loops(const CwTrajectory *trajectory)
{
  GPtrArray *kept = g_ptr_array_new();
  for (guint i = 0; i < trajectory->n_steps; i++) {
    const CwStep *step = trajectory->steps[i];
    for (guint j = 0; j < kept->len; j++)
      if (strcmp(((const CwStep *)kept->pdata[j])->decision->observation, step->decision->observation) == 0) {
        g_ptr_array_set_size(kept, (gint)j);
        break;
      }
    g_ptr_array_add(kept, (gpointer)step);
  }
  return kept;
}

static gboolean has_same_candidates(const CwObservation *observation, const CwDecision *decision)
{
  if (observation->n_candidates != decision->n_candidates)
    return FALSE;
  for (guint i = 0; i < decision->n_candidates; i++)
    if (strcmp(observation->candidates[i], decision->candidates[i]) != 0)
      return FALSE;
  return TRUE;
}

/* Takes the action of `step` where the session is now. *agrees: it could be taken. */
static gboolean step_again(CwSession *session, const CwStep *step, CwTrajectoryBuilder *builder,
                           gboolean *agrees, gboolean *over, GError **error)
{
  CwObservation observation = {.struct_size = sizeof observation};
  CwOutcome outcome = {.struct_size = sizeof outcome};
  guint chosen = 0;
  *agrees = FALSE;
  if (!cw_session_observe(session, &observation, error))
    return FALSE;
  if (strcmp(observation.text, step->decision->observation) != 0)
    return TRUE;
  gboolean words = step->chosen == CW_WORDS;
  gboolean same = words || has_same_candidates(&observation, step->decision);
  if (same)
    chosen = step->chosen;
  else
    while (chosen < observation.n_candidates && strcmp(observation.candidates[chosen], step->action) != 0)
      chosen++;
  if (chosen == observation.n_candidates)
    return TRUE;
  cw_trajectory_builder_decide(builder, &observation, chosen, same ? step->log_probability : NAN,
                               same ? step->value : NAN);
  cw_trajectory_builder_set_words(builder, words ? step->action : NULL, step->prompt, step->answer);
  if (same && step->probabilities)
    cw_trajectory_builder_set_probabilities(builder, step->probabilities);
  if (words ? !cw_session_step_text(session, step->action, &outcome, error)
            : !cw_session_step(session, chosen, &outcome, error))
    return FALSE;
  cw_trajectory_builder_outcome(builder, &outcome);
  *over = outcome.terminated || outcome.truncated;
  *agrees = TRUE;
  return TRUE;
}

/* The remaining steps as an episode of their own. NULL without error when the environment does not agree. */
static CwTrajectory *walk(CwSession *session, CwRandom *random, const CwTrajectory *trajectory,
                          const GPtrArray *kept, GError **error)
{
  if (!cw_session_reset(session, trajectory->split, trajectory->goal, random, error))
    return NULL;
  CwTrajectoryBuilder *builder =
      cw_trajectory_builder_new(trajectory->split, trajectory->goal, trajectory->goal_id, trajectory->agent,
                                trajectory->episode, trajectory->seed);
  cw_trajectory_builder_set_group(builder, trajectory->group);
  gboolean good = TRUE, agrees = TRUE, over = FALSE;
  for (guint i = 0; i < kept->len && good && agrees; i++) {
    good = step_again(session, kept->pdata[i], builder, &agrees, &over, error);
    agrees = agrees && over == (i + 1 == kept->len);
  }
  CwTrajectory *walked = cw_trajectory_builder_finish(builder);
  if (good && agrees && walked->total_reward == trajectory->total_reward &&
      walked->success == trajectory->success)
    return walked;
  cw_trajectory_unref(walked);
  return NULL;
}

gboolean cw_prune_loops(CwSession *session, CwRandom *random, const CwTrajectory *trajectory,
                        CwTrajectory **pruned, gboolean *refused, GError **error)
{
  GError *problem = NULL;
  GPtrArray *kept = erase_loops(trajectory);
  *pruned = NULL;
  *refused = FALSE;
  if (kept->len < trajectory->n_steps) {
    *pruned = walk(session, random, trajectory, kept, &problem);
    *refused = !*pruned;
  }
  g_ptr_array_unref(kept);
  if (!problem)
    return TRUE;
  g_propagate_error(error, problem);
  return FALSE;
}
