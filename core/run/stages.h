/* The three kinds of stages. Each runs to its end, or fails; CW_ERROR_CANCELLED
 * after an interrupt. */
#ifndef CW_STAGES_H
#define CW_STAGES_H

#include "core/run/context.h"
#include "core/run/position.h"

/* Write RUN/trajectories/INTO with an agent, or from recorded sessions. The file
 * appears when it is complete. */
gboolean cw_stage_generate(CwRun *run, guint index, GError **error);
gboolean cw_stage_import(CwRun *run, guint index, GError **error);

/* Collect, update, evaluate, checkpoint until the algorithm is done. `position`
 * (NULL: from the start) is a checkpoint inside this stage; the policy has been
 * loaded from it already. An interrupt finishes the update and leaves a
 * checkpoint. */
gboolean cw_stage_algorithm(CwRun *run, guint index, const CwPosition *position, GError **error);

#endif
