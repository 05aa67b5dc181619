/* Running an experiment: its stages, and the evaluation of its agents before and after them. */
#ifndef CW_RUN_EXPERIMENT_H
#define CW_RUN_EXPERIMENT_H

#include "core/train/training.h"

/* Runs everything. *summary (free with g_free) is the table of results, the time it took and where the
 * results are. CW_ERROR_CANCELLED after an interrupt: what was done is kept and `resume` continues it. */
gboolean cw_run_experiment(CwExperiment *experiment, const CwRunOptions *options, char **summary,
                           GError **error);

#endif
