/* Trained runs, untrained experiments and scripted agents against each other, in one environment. */
#ifndef CW_COMPARE_RUNS_H
#define CW_COMPARE_RUNS_H

#include "core/experiment/experiment.h"
#include "lab/compare/compare.h"

/* An experiment whose policy plays: the trained one of the run in `directory`, or an untrained one when that
 * is NULL. Nothing is owned. */
typedef struct {
  const char *path; /* as it was named */
  const char *directory;
  CwExperiment *experiment;
} CwCompared;

/* Everybody plays in the environment of the first, which must be that of the others (CW_ERROR_CONFIGURATION).
 * `scripts` (NULL-terminated, may be NULL) are further agents. Free with cw_comparison_free. */
CwComparison *cw_compare_runs(const CwCompared *compared, guint n, char **scripts, CwSelection selection,
                              const CwCompareRequest *request, gboolean quiet, GError **error);

#endif
