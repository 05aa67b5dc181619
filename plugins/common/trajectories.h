/* What several algorithms do with trajectories and with the state that a checkpoint keeps. */
#ifndef COMMON_TRAJECTORIES_H
#define COMMON_TRAJECTORIES_H

#include <cartwright/cartwright.h>

/* The goal as text: its split, and the environment's name of it or its index. Free with g_free. */
char *common_goal_key(const CwTrajectory *trajectory);

/* A number that changes when the stage's trajectories do: goals, rewards, observations, choices. Free with
 * g_free. */
char *common_fingerprint(CwUpdate *update);

/* Restores a number that an algorithm saved in group "algorithm". Does nothing when
 * *error is set already (`error` must not be NULL); a missing or malformed key is
 * CW_ERROR_FORMAT. */
guint64 common_load_uint64(GKeyFile *state, const char *key, GError **error);
/* The same for a text; free with g_free. NULL on error. */
char *common_load_string(GKeyFile *state, const char *key, GError **error);

#endif
