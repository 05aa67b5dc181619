/* Pruning: an episode that came back to an observation it had seen already walked in a circle; what lies
 * between can be cut, if the environment agrees. */
#ifndef CW_PRUNE_H
#define CW_PRUNE_H

#include "core/plugin/handles.h"

/* Cuts every loop of a finished episode: the steps between two equal observations. Equal text does not prove
 * an equal state, so what is left is stepped again in
 * `session`, from the start of the stream `random`, which the caller has put there;
 * it must meet the same observations, find the same actions among the candidates and earn the same reward and
 * success. Then *pruned is the new trajectory (free with cw_trajectory_unref); log-probabilities and values
 * are kept where the decision is the same to the last candidate, NaN elsewhere. *pruned is NULL when there
 * was no loop or, with *refused, when the environment did not agree. */
gboolean cw_prune_loops(CwSession *session, CwRandom *random, const CwTrajectory *trajectory,
                        CwTrajectory **pruned, gboolean *refused, GError **error);

#endif
