/* Asks a script what it would have done in another agent's episode. The episode is stepped again in a session
 * of its own, so that asking changes nothing in the session where the episode was played. */
#include "core/rollout/advice.h"
#include "core/trajectory/trajectories.h"
#include <string.h>

static gboolean has_same_candidates(const CwObservation *observation, const CwDecision *decision)
{
  if (observation->n_candidates != decision->n_candidates)
    return FALSE;
  for (guint i = 0; i < decision->n_candidates; i++)
    if (strcmp(observation->candidates[i], decision->candidates[i]) != 0)
      return FALSE;
  return TRUE;
}

/* *agrees: whether the session shows what the step recorded. */
static gboolean advise_step(CwSession *session, const char *script, CwTrajectory *trajectory, guint i,
                            gboolean *agrees, GError **error)
{
  const CwStep *step = trajectory->steps[i];
  gint advised = cw_session_scripted_action(session, script, error);
  CwObservation observation = {.struct_size = sizeof observation};
  CwOutcome outcome = {.struct_size = sizeof outcome};
  if (advised < 0 || !cw_session_observe(session, &observation, error))
    return FALSE;
  *agrees = strcmp(observation.text, step->decision->observation) == 0 &&
            has_same_candidates(&observation, step->decision);
  if (!*agrees || (guint)advised >= observation.n_candidates)
    return TRUE;
  cw_trajectory_set_advice(trajectory, i, (guint)advised);
  return cw_session_repeat(session, step, &outcome, error);
}

gboolean cw_advise(CwSession *session, CwRandom *random, const char *script, CwTrajectory *trajectory,
                   GError **error)
{
  gboolean good = cw_session_reset(session, trajectory->split, trajectory->goal, random, error),
           agrees = TRUE;
  for (guint i = 0; good && agrees && i < trajectory->n_steps; i++)
    good = advise_step(session, script, trajectory, i, &agrees, error);
  return good;
}
