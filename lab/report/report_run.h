/* One run directory, read for a report: its results, its configuration, what its training cost, and the
 * points of its learning curve. */
#ifndef CW_REPORT_RUN_H
#define CW_REPORT_RUN_H

#include "lab/evaluate/results.h"

/* What stands before the policy at some point of its training. */
typedef struct {
  double updates;
  double collected; /* decisions rolled out so far to learn from */
  double learnt;    /* decisions gone through with gradients so far, repetitions counted */
  double seconds;   /* wall-clock time of the stages so far, without evaluations */
} CwReportCost;

/* An evaluation during training. */
typedef struct {
  CwReportCost cost;
  double score, success;
} CwReportPoint;

typedef struct {
  char *directory;
  CwResults *results;
  GPtrArray *values;      /* char *: "path", "value", "path", "value", ... of config.yaml, in its order */
  CwReportCost cost;      /* of the whole training */
  GArray *points;         /* CwReportPoint, in order */
  char *points_terms;     /* "sample, 20 episodes on dev": of the first point; NULL without points */
  guint64 unread_timings; /* lines of timings.jsonl that a process left unfinished */
} CwReportRun;

/* FALSE with error, or TRUE with *run, NULL when the run has not finished. A directory that is no run is
 * CW_ERROR_CONFIGURATION. */
gboolean cw_report_run_read(const char *directory, CwReportRun **run, GError **error);
void cw_report_run_free(CwReportRun *run); /* accepts NULL */

/* The value of a path of config.yaml, or NULL. */
const char *cw_report_run_value(const CwReportRun *run, const char *path);
/* The first value under environment, or fact of the environment, that the two do not share:
 * "environment.products is 100 and 200". NULL when there is none. Free with g_free. */
char *cw_report_run_environment_difference(const CwReportRun *first, const CwReportRun *second);
/* The first value outside of environment, seed, name and output that the two do not share: its path, or NULL.
 */
const char *cw_report_run_other_difference(const CwReportRun *first, const CwReportRun *second);

#endif
