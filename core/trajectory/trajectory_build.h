/* What reading a file of trajectories needs beyond core/trajectory/trajectories.h: a pool of strings that its
 * trajectories share, and results that come from the file. */
#ifndef CW_TRAJECTORY_BUILD_H
#define CW_TRAJECTORY_BUILD_H

#include "core/trajectory/trajectories.h"

/* Strings, equal ones stored once. Counted references; filled by one thread at a time. */
typedef struct CwStringPool CwStringPool;

CwStringPool *cw_string_pool_new(gsize block_size);
CwStringPool *cw_string_pool_ref(CwStringPool *pool);
void cw_string_pool_unref(CwStringPool *pool);

/* As cw_trajectory_builder_new; the trajectory keeps a reference to the pool. */
CwTrajectoryBuilder *cw_trajectory_builder_new_in(CwStringPool *pool, const char *split, gint64 goal,
                                                  const char *goal_id, const char *agent, guint64 episode,
                                                  guint32 seed);
/* Replaces what the outcomes added up to. */
void cw_trajectory_builder_set_result(CwTrajectoryBuilder *builder, double total_reward, gboolean success);
void cw_trajectory_builder_add_part(CwTrajectoryBuilder *builder, const char *name, double value);
void cw_trajectory_builder_add_fact(CwTrajectoryBuilder *builder, const char *name, const char *text);

/* As cw_trajectory_from_json, with the strings in a shared pool. */
CwTrajectory *cw_trajectory_from_json_in(CwStringPool *pool, const char *json, gsize length,
                                         const char *where, GError **error);

#endif
