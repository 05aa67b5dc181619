/* A sweep: an experiment with several seeds, and with every value of some of its keys, run side by side and
 * reported together. Every run is one of `cartwright run` in a directory of its own; whatever stops the
 * sweep, the same call goes on with it. */
#ifndef CW_SWEEP_H
#define CW_SWEEP_H

#include "lab/sweep/plan.h"

typedef struct {
  CwSweepGrid grid;
  const char *program;            /* path of `cartwright` */
  const char *const *plugin_path; /* NULL-terminated, may be NULL */
  gint64 n_jobs;                  /* runs at a time; 0: processors divided by the threads of a run */
  const char *against;            /* as cw_report_new's, or NULL */
} CwSweepRequest;

/* *summary (free with g_free) is the report and where it is, also when there is an error because some of the
 * runs have failed; NULL when there is no report. CW_ERROR_CANCELLED after an interrupt. */
gboolean cw_sweep(const CwSweepRequest *request, CwRegistry *registry, char **summary, GError **error);

#endif
