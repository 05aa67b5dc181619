/* The networks of a stage besides the policy: those of its algorithm's table. Each is a policy of its own,
 * which the stage opens, its checkpoints hold and its end closes. */
#ifndef CW_RUN_NETWORKS_H
#define CW_RUN_NETWORKS_H

#include "core/plugin/handles.h"
#include "core/train/resume_point.h"

/* Opens them as the stage's keys say; one without a key like the run's policy, with the weights that this has
 * now. Those with a key become conditions of the run. `resume_point` (may be NULL) is inside the stage: they
 * go on from it. Free with cw_networks_free. */
CwNetworks *cw_networks_open(CwRun *run, guint stage, const CwResumePoint *resume_point, GError **error);
void cw_networks_free(CwNetworks *networks); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CwNetworks, cw_networks_free)
/* Lets cw_update_network find them. */
void cw_networks_show(CwNetworks *networks, CwUpdate *update);
/* Writes them into a checkpoint, their optimisers' steps into `state`; accepts NULL. A weight that is not
 * finite is CW_ERROR_NUMERIC. */
gboolean cw_networks_save(CwNetworks *networks, const char *directory, GKeyFile *state, GError **error);

#endif
