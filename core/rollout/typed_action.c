/* The action that a line typed by a person means: a candidate's text or number, or, where the environment
 * takes it, free text. */
#include "core/rollout/typed_action.h"

/* Number of the candidate that a line of input means, counted from 1; 0: none. */
static guint find_candidate(const CwObservation *observation, const char *line)
{
  for (guint i = 0; i < observation->n_candidates; i++)
    if (g_str_equal(observation->candidates[i], line))
      return i + 1;
  guint64 number;
  if (g_ascii_string_to_unsigned(line, 10, 1, observation->n_candidates, &number, NULL))
    return (guint)number;
  return 0;
}

gboolean cw_step_typed(CwSession *session, const CwRegisteredFeature *environment,
                       const CwObservation *observation, const char *line, CwOutcome *outcome,
                       gboolean *taken, GError **error)
{
  guint candidate = find_candidate(observation, line);
  gboolean free_text = (environment->capabilities & CW_ENVIRONMENT_FREE_TEXT) != 0;
  guint64 number;
  *taken =
      candidate > 0 || (free_text && !g_ascii_string_to_unsigned(line, 10, 0, G_MAXUINT64, &number, NULL));
  *outcome = (CwOutcome){.struct_size = sizeof *outcome};
  if (!*taken)
    return TRUE;
  return candidate > 0 ? cw_session_step(session, candidate - 1, outcome, error)
                       : cw_session_step_text(session, line, outcome, error);
}
