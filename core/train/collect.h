/* Collecting what an algorithm asks for before an update: episodes on goals of split train, or pieces of
 * episodes that go on from update to update. The numbers of episodes and groups, and what is in play, are
 * saved in checkpoints. */
#ifndef CW_COLLECT_H
#define CW_COLLECT_H

#include "core/train/context.h"

typedef struct CwCollector CwCollector;

/* For algorithm stage `index` of a run; the agents that it may name are found through `update`. Both must
 * outlive it. */
CwCollector *cw_collector_new(CwRun *run, guint index, CwUpdate *update);
void cw_collector_free(CwCollector *collector); /* accepts NULL */

/* Fills `episodes` (CwTrajectory *) with what `wanted` asks for, nothing where that is nothing. What cannot
 * be asked for is CW_ERROR_CONFIGURATION. */
gboolean cw_collector_run(CwCollector *collector, const CwCollectRequest *wanted, GPtrArray *episodes,
                          CwWorkProgress progress, gpointer user_data, GError **error);

/* The episodes that ended in the last cw_collector_run: how many, and sums over them. */
typedef struct {
  guint n;
  double reward, success, length;
} CwCollected;
CwCollected cw_collector_ended(const CwCollector *collector);

/* Keys of the groups "stage" and "play". */
void cw_collector_save(const CwCollector *collector, GKeyFile *state);
gboolean cw_collector_load(CwCollector *collector, GKeyFile *state, GError **error);

#endif
