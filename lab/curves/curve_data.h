/* What there is to draw of a run, gathered from its records. */
#ifndef CW_CURVE_DATA_H
#define CW_CURVE_DATA_H

#include "core/base/statistics.h"

typedef struct {
  double x;
  CwInterval y; /* low and high are NaN when there are no bounds */
} CwCurvePoint;

/* A line: a metric of an algorithm ("bc", "held_out_loss"), or the learner's "score" or "success" (label
 * "policy (sample, dev)"). */
typedef struct {
  char *label, *name;
  GArray *points; /* CwCurvePoint, in the order of the records */
} CwCurve;

/* A level to compare the learner with: another agent's result. */
typedef struct {
  char *label; /* "random" */
  CwInterval score, success;
} CwReference;

typedef struct {
  double x;
  char *algorithm;
} CwStageStart;

typedef struct {
  GPtrArray *metrics;     /* CwCurve * */
  GPtrArray *evaluations; /* CwCurve *, named "score" or "success" */
  GPtrArray *references;  /* CwReference * */
  GPtrArray *stages;      /* CwStageStart * */
  double end;             /* largest x */
} CwCurveData;

CwCurveData *cw_curve_data_read(const char *run, GError **error);
void cw_curve_data_free(CwCurveData *data);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CwCurveData, cw_curve_data_free)

#endif
