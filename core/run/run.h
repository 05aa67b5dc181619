/* Running an experiment: its stages, then its evaluation. */
#ifndef CW_RUN_H
#define CW_RUN_H

#include "core/config/experiment.h"

typedef struct {
  const char *directory; /* overrides experiment->output; may be NULL */
  gboolean resume;
  gboolean quiet;
} CwRunOptions;

/* Runs everything and prints the result table to stdout. CW_ERROR_CANCELLED after
 * an interrupt (a checkpoint was written). */
gboolean cw_run_experiment(CwExperiment *experiment, const CwRunOptions *options, GError **error);

/* Asks the running experiment to stop after its present update; async-signal-safe. */
void cw_run_interrupt(void);
gboolean cw_run_interrupted(void);

#endif
