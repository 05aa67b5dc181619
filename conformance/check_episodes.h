/* A made-up task for trying algorithms: say the colour that the observation names, three times in a row. */
#ifndef CW_CHECK_EPISODES_H
#define CW_CHECK_EPISODES_H

#include "core/plugin/handles.h"
#include "core/trajectory/trajectories.h"

/* Demonstrations, two for each of n_goals goals: one all right, one all wrong. Both belong to one group. An
 * array of CwTrajectory *, owned by it. */
GPtrArray *cw_check_demonstrations(guint n_goals);

/* Trajectories without a step. */
GPtrArray *cw_check_hollow_trajectories(guint n);

/* On-policy episodes as `request` wants them, drawn from streams of `index`. */
GPtrArray *cw_check_roll_out(CwPolicy *policy, const CwCollectRequest *request, guint64 index,
                             GError **error);

/* How well a policy plays: the expected reward of an episode when it samples, and when it takes the candidate
 * with the highest logit; 0 to 1, exactly, over `n_goals` goals. */
typedef struct {
  double sampled, greedy;
} CwCheckPlay;

gboolean cw_check_play(CwPolicy *policy, guint n_goals, CwCheckPlay *play, GError **error);

#endif
