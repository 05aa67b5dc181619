/* Generating trajectories from an experiment without making a run of it. */
#ifndef CW_GENERATE_FILE_H
#define CW_GENERATE_FILE_H

#include "core/experiment/experiment.h"
#include "core/rollout/generate.h"

/* Opens the experiment and generates with the agent of that name ("random", "policy", a script). `directory`:
 * the run whose trained policy "policy" is, or NULL. *summary (free with g_free): what was written. */
gboolean cw_generate_file(CwExperiment *experiment, const char *directory, const char *agent_name,
                          const CwGenerateRequest *request, const char *path, gboolean quiet, char **summary,
                          GError **error);

#endif
