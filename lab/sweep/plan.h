/* The runs of a sweep: every value of every key of the grid, with every seed. */
#ifndef CW_SWEEP_PLAN_H
#define CW_SWEEP_PLAN_H

#include "core/experiment/experiment.h"

/* One run. */
typedef struct {
  char *name;      /* of its experiment, which its seeds share: "learning_rate=1e-4,epochs=2" */
  char *directory; /* DIR/NAME-SEED */
  char *log;       /* DIR/NAME-SEED.log */
  char **sets;     /* all that is set for it, NULL-terminated */
  gboolean begun;  /* the directory holds a run, which is gone on with */
} CwSweepRun;

typedef struct {
  const char *experiment;  /* its file */
  const char *seeds;       /* "1..5", "1,4,7..9" */
  const char *const *grid; /* "KEY=VALUE,VALUE,..."; NULL-terminated, may be NULL */
  const char *const *sets; /* for all runs; NULL-terminated, may be NULL */
  const char *directory;   /* DIR; NULL: runs/NAME-sweep */
} CwSweepGrid;

typedef struct {
  char *directory;
  GPtrArray *runs;  /* CwSweepRun * */
  guint n_threads;  /* that a run computes with */
  GPtrArray *notes; /* char *: of the first run's experiment */
} CwSweepPlan;

/* Loads the experiment of every run, so that mistakes are found before anything runs, and looks at the
 * directories of those that have begun. NULL with CW_ERROR_CONFIGURATION. Free with cw_sweep_plan_free. */
CwSweepPlan *cw_sweep_plan_new(const CwSweepGrid *grid, CwRegistry *registry, GError **error);
void cw_sweep_plan_free(CwSweepPlan *plan); /* accepts NULL */

#endif
