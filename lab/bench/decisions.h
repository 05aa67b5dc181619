/* The decisions of some episodes in the order in which a rollout meets them:
 * `slots` episodes side by side, and the next one begins where one ends. */
#ifndef CW_DECISIONS_H
#define CW_DECISIONS_H

#include <cartwright/cartwright.h>

typedef struct {
  GPtrArray *trajectories; /* CwTrajectory *, owned */
  GPtrArray *steps;        /* const CwStep *, inside the trajectories */
  GPtrArray *decisions;    /* const CwDecision * of the steps */
  GArray *calls; /* guint: where each round of the slots begins, and the number of decisions at the end */
} CwDecisionStream;

/* Takes over the array, whose free function is cw_trajectory_unref. At most `most` decisions (0: all). */
CwDecisionStream *cw_decision_stream_new(GPtrArray *trajectories, guint slots, guint most);
void cw_decision_stream_free(CwDecisionStream *stream); /* accepts NULL */

/* Writes a JSON object per decision: the number of its round, observation, candidates, and the one chosen. */
gboolean cw_decision_stream_write(const CwDecisionStream *stream, const char *path, GError **error);

#endif
