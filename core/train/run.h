/* Running an experiment: its stages, then its evaluation. */
#ifndef CW_RUN_H
#define CW_RUN_H

#include "core/experiment/experiment.h"
#include "core/plugin/handles.h"

typedef struct {
  const char *directory; /* overrides experiment->output; may be NULL */
  gboolean resume;       /* continue from the newest valid checkpoint */
  gboolean overwrite;    /* remove the run that the directory holds and start afresh */
  gboolean quiet;        /* no progress */
} CwRunOptions;

/* Runs everything. *summary (free with g_free) is the table of results and where the files are.
 * CW_ERROR_CANCELLED after an interrupt: what was done is kept and
 * `resume` continues it. */
gboolean cw_run_experiment(CwExperiment *experiment, const CwRunOptions *options, char **summary,
                           GError **error);

/* Asks the running experiment to stop after its present update; async-signal-safe. */
void cw_run_interrupt(void);
gboolean cw_run_interrupted(void);

/* The agents that the experiment wants evaluated, in order, as names: "random", scripts of the environment,
 * "initial", "final". An unknown name is CW_ERROR_CONFIGURATION. Free with g_strfreev. */
char **cw_run_agents(const CwExperiment *experiment, CwEnvironment *environment, GError **error);

#endif
