/* Stepping a session by what a person types. */
#ifndef CW_TYPED_ACTION_H
#define CW_TYPED_ACTION_H

#include "core/plugin/handles.h"

/* Takes the action that the line means, a candidate of `observation` by number (from 1) or text, or free text
 * where the environment takes it. *taken is FALSE when it means none, and then nothing happens. */
gboolean cw_step_typed(CwSession *session, const CwRegisteredFeature *environment,
                       const CwObservation *observation, const char *line, CwOutcome *outcome,
                       gboolean *taken, GError **error);

#endif
