/* The conditions of a run: what its bytes depend on besides the values in config.yaml. They are recorded when
 * it begins and in every checkpoint, and compared when it goes on: a difference is refused, with both values,
 * or accepted by name, which the results then say. */
#ifndef CW_CONDITIONS_H
#define CW_CONDITIONS_H

#include "core/train/context.h"

/* Gathers the conditions as they are now:
 *   cartwright                  version
 *   environment, policy         plugin and its version
 *   environment.FACT            what the environment says of itself: catalogue checksum, goals, ...
 *   policy.FACT                 what the policy says of itself: precision, instruction set, ...; not threads
 *   policy.weights              fingerprint of the weights that the run begins with
 *   stages.N.algorithm          algorithm and version
 *   stages.N.NETWORK, stages.N.NETWORK.FACT, stages.N.NETWORK.weights   of a further network with a key of
 * its own, from the beginning of its stage on stages.N.policy_from        the checkpoint of another run
 *   stages.N.sessions, stages.N.trajectories.M   size and CRC32C of files from outside that stages from
 *                               `first_stage` on read
 * and the builds of all of these. */
CwConditions *cw_conditions_new(const CwRun *run, guint first_stage);
void cw_conditions_free(CwConditions *conditions); /* accepts NULL */

/* Adds the files in RUN/trajectories that a stage has written. */
gboolean cw_conditions_add_stage(CwConditions *conditions, const CwRun *run, guint stage, GError **error);

/* Adds a further network that stage `stage` has opened, and compares with what is recorded of it already, as
 * cw_conditions_check does. `with_weights`: they are those that the stage begins with. */
gboolean cw_conditions_add_network(CwConditions *conditions, guint stage, const char *name, CwPolicy *network,
                                   gboolean with_weights, const char *where, GError **error);

/* Compares with what `recorded` says; a condition that only one of them knows is passed over. `accept` (NULL-
 * terminated, may be NULL) names differences that are to be lived with. CW_ERROR_CONFIGURATION with all
 * others, or with a name that is no condition. `where` is where they were recorded. Other builds are warned
 * about. */
gboolean cw_conditions_check(CwConditions *conditions, GKeyFile *recorded, const char *where,
                             const char *const *accept, GError **error);
/* What has been accepted since the run began: name, "THEN -> NOW", ..., NULL. Owned by the conditions. */
const char *const *cw_conditions_accepted(const CwConditions *conditions);

void cw_conditions_save(const CwConditions *conditions, GKeyFile *state);
/* Writes RUN/conditions.ini, which counts until there is a checkpoint; reads it: NULL when there is none. */
gboolean cw_conditions_write(const CwConditions *conditions, const char *directory, GError **error);
GKeyFile *cw_conditions_read(const char *directory);

/* The fingerprint of the weights that the run began with, or NULL. Free with g_free. */
char *cw_conditions_weights(GKeyFile *recorded);

/* Where the policy's option says "auto", sets it to what the run began with, as `recorded` says. Returns
 * whether there was one, for the caller to set back when the policy cannot be opened so. */
gboolean cw_conditions_keep_auto(CwExperiment *experiment, GKeyFile *recorded, gboolean keep);

#endif
