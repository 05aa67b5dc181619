/* Trajectories that are made anew while an algorithm learns from them: every so many updates the generate
 * stages that wrote a stage's trajectories are run again with the policy as it is then. */
#ifndef CW_REFRESH_H
#define CW_REFRESH_H

#include "core/train/context.h"

typedef struct CwRefresh CwRefresh;

/* Of an algorithm stage, which need not refresh anything. */
CwRefresh *cw_refresh_new(CwRun *run, guint stage);
void cw_refresh_free(CwRefresh *refresh); /* accepts NULL */

/* Whether the trajectories are to be made anew before the update that follows `n_updates` finished ones. */
gboolean cw_refresh_is_due(const CwRefresh *refresh, guint64 n_updates);
/* Makes them anew and records what came of it. A stage that finds nothing is named in a warning, and its
 * last trajectories go on being used. CW_ERROR_CANCELLED on an interrupt; the next call, maybe in another
 * process, goes on. */
gboolean cw_refresh_run(CwRefresh *refresh, CwWorkProgress progress, gpointer user_data, GError **error);
/* How often that has been done. */
guint64 cw_refresh_generation(const CwRefresh *refresh);

/* The files that the stage learns from now, NULL-terminated. Free with g_strfreev. */
char **cw_refresh_paths(const CwRefresh *refresh);

/* What a checkpoint holds of it, in group "refresh". */
void cw_refresh_save(const CwRefresh *refresh, GKeyFile *state);
gboolean cw_refresh_load(CwRefresh *refresh, GKeyFile *state, GError **error);

#endif
