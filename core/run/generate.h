/* Generating trajectories: an agent plays goals of a split in order, and its
 * episodes are written to a file. */
#ifndef CW_GENERATE_H
#define CW_GENERATE_H

#include "core/run/rollout.h"

typedef struct {
  const char *split;        /* goals 0, 1, 2, ... of it, wrapping round */
  guint64 n_episodes;       /* how many */
  gboolean successful_only; /* keep only successful episodes */
  const char *purpose;      /* of the random streams */
  guint32 seed;
} CwGenerateRequest;

typedef struct {
  guint64 n_episodes, n_successful, n_kept, n_decisions;
  double mean_reward;
} CwGenerateCounts;

/* Writes `path` as a whole or not at all. Nothing kept is an error. */
gboolean cw_generate(CwRollout *rollout, const CwAgent *agent, const CwGenerateRequest *request, const char *path,
                     CwGenerateCounts *counts, CwWorkProgress progress, gpointer user_data, GError **error);

#endif
