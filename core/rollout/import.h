/* Importing sessions that somebody else recorded: they are played again, action by action, in the environment
 * of the experiment, so that the trajectories hold what the policy will see. */
#ifndef CW_IMPORT_H
#define CW_IMPORT_H

#include "core/experiment/experiment.h"
#include "core/rollout/rollout.h"

/* Everything that was read is accounted for: n_sessions = n_other_split + n_unsuccessful + n_unusable +
 * n_kept. */
typedef struct {
  guint64 n_sessions;
  guint64 n_other_split;  /* goal falls in a split that was not asked for */
  guint64 n_unsuccessful; /* left out by successful_only */
  guint64 n_unusable;     /* no step could be kept, or the one that ended the episode could not */
  guint64 n_kept;
  guint64 n_unfinished; /* kept, although the record stops before the episode is over */
  /* Actions of the sessions in the wanted splits. */
  guint64 n_actions;
  guint64 n_steps; /* became steps of a trajectory, kept or not */
  guint64
      n_free_text; /* could only be taken as free text (searches without add_searches): taken, not recorded */
  guint64 n_mismatching; /* impossible where the record has them: left out */
  guint64 n_after_end;   /* the episode was over before: left out */
} CwImportCounts;

/* Reads options->sessions and writes `path`, as a whole or not at all. Nothing kept is an error. `purpose`
 * and `seed` are of the random streams. With
 * `resumable` it goes on with what an interrupted call left. */
gboolean cw_import(CwEnvironment *environment, const CwImportOptions *options, const char *purpose,
                   guint32 seed, const char *path, gboolean resumable, CwImportCounts *counts,
                   CwWorkProgress progress, gpointer user_data, GError **error);
/* One sentence about them. Free with g_free. */
char *cw_import_summary(const CwImportCounts *counts);

#endif
