/* Training: the stages of an experiment, one after the other, in a run directory. What comes before and after
 * (evaluations, a table, curves) is the caller's. */
#ifndef CW_TRAINING_H
#define CW_TRAINING_H

#include "core/train/context.h"
#include "core/train/resume_point.h"

typedef struct {
  const char *directory; /* overrides experiment->output; may be NULL */
  gboolean resume;       /* continue from the newest valid checkpoint */
  gboolean overwrite;    /* remove the run that the directory holds and start afresh */
  gboolean quiet;        /* no progress */
  char **extend; /* with `resume`: what a finished run is to be trained on by (core/train/extend.h); NULL:
                    nothing */
  char **accept; /* conditions that may differ from those the run began with (core/train/conditions.h); NULL:
                    none */
} CwRunOptions;

const char *cw_run_options_directory(const CwRunOptions *options, const CwExperiment *experiment);

typedef struct {
  CwRun run;
  CwResumePoint *resume_point; /* where to go on; NULL: at the beginning */
  gboolean resume;
  int lock; /* of the directory */
} CwTraining;

/* Locks the directory, opens everything and checks what only the opened environment can tell; changes nothing
 * of an earlier run. The experiment must outlive it. Close also after a failure. */
gboolean cw_training_open(CwTraining *training, CwExperiment *experiment, const CwRunOptions *options,
                          GError **error);
/* Makes the directory ready, opens the writers, adds the stages to the run's eta. */
gboolean cw_training_prepare(CwTraining *training, GError **error);

/* Called before the policy changes for the first time; perhaps more than once. FALSE with an error stops. */
typedef gboolean (*CwBeforeTraining)(gpointer data, GError **error);

/* Goes through the stages that are left. CW_ERROR_CANCELLED after an interrupt: what was done is kept and
 * `resume` continues it. */
gboolean cw_training_run(CwTraining *training, CwBeforeTraining before, gpointer data, GError **error);
void cw_training_close(CwTraining *training);

/* Returns `good`; a CW_ERROR_CANCELLED that says only that work was stopped gets the cure. */
gboolean cw_training_explain(gboolean good, GError **error);

#endif
