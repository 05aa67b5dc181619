/* Reading the episodes that an evaluation kept. */
#ifndef CW_KEPT_EPISODES_H
#define CW_KEPT_EPISODES_H

#include "core/rollout/evaluation.h"

/* Appends those of RUN/episodes, CwTrajectory *, in the order of their goals. There are none without a file,
 * and none, after a warning, when the file's episodes are not those that the evaluation counted. */
gboolean cw_kept_episodes_read(const char *run, const CwEvaluation *evaluation, GPtrArray *episodes,
                               GError **error);

#endif
