/* Replaying recorded sessions, to see whether the environment shows what was recorded. */
#ifndef CW_REPLAY_H
#define CW_REPLAY_H

#include "core/experiment/experiment.h"

typedef struct {
  guint64 n_turns;     /* recorded observations */
  guint64 n_identical; /* of them, the same bytes here */
} CwReplayCounts;

/* The first difference of a session, as lines of text. */
typedef void (*CwReplayDifference)(const char *text, gpointer user_data);

/* Opens the experiment's environment and steps the sessions of file `path`; `describe` gets the differences
 * as they are found. A session that cannot be stepped is an error, and so is nothing to compare. */
gboolean cw_replay(const CwExperiment *experiment, const char *path, CwReplayCounts *counts,
                   CwReplayDifference describe, gpointer user_data, GError **error);

#endif
