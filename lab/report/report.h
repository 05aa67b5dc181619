/* A report over finished runs: the results of several seeds of several experiments, with intervals that
 * account for seeds and goals, what training cost, and the mean learning curves. Nothing is run; everything
 * is read from the run directories. */
#ifndef CW_REPORT_H
#define CW_REPORT_H

#include "lab/curves/gnuplot.h"
#include "lab/report/report_run.h"

typedef struct {
  double low, high;
} CwSpread;

/* An agent of an experiment over the seeds of its runs. */
typedef struct {
  GPtrArray
      *experiments; /* const char *: names whose agent this is; several have the same untrained agents */
  gboolean shared;  /* by all experiments that have such an agent, or independent of any: a script, random */
  const char *agent, *selection;
  gboolean trained;        /* the agent "final": `cost` is its own */
  GPtrArray *runs;         /* const CwReportRun *, by ascending seed */
  GPtrArray *evaluations;  /* const CwEvaluation *, one per run */
  CwInterval score;        /* 100 x mean reward over seeds and goals */
  CwInterval success;      /* percent */
  CwSpread score_of_seeds; /* least and greatest mean of a seed */
  CwSpread success_of_seeds;
  double steps_per_episode, decisions_per_second;
  CwReportCost cost; /* mean over seeds */
  CwSpread seconds;  /* least and greatest training time of a seed */
  gboolean compared; /* with the row that `against` names: the differences are there */
  CwInterval score_difference, success_difference;
} CwReportRow;

typedef struct {
  GPtrArray *runs;  /* CwReportRun *, in the order of the operands */
  GPtrArray *names; /* const char *: experiments in the order of their first run */
  GPtrArray *rows;  /* CwReportRow *: untrained agents first, then the experiments in order */
  GPtrArray *notes; /* char *: what a reader must know */
  double confidence;
  char *against; /* or NULL */
} CwRunsReport;

/* Reads the runs. Those that have not finished are left out with a warning. Runs of one name are one
 * experiment. Runs that cannot be compared (another environment, other goals), a seed that one experiment has
 * twice, and directories that hold no run are errors. `against` (or NULL) is an experiment, whose trained
 * policy the rows are compared with, or an untrained agent. Free with cw_report_free. */
CwRunsReport *cw_report_new(const char *const *directories, const char *against, GError **error);
void cw_report_free(CwRunsReport *report); /* accepts NULL */

/* What a row is of: "ppo", "bc, ppo", "-". Free with g_free. */
char *cw_report_row_label(const CwReportRow *row);
/* The tables as aligned text and as Markdown. Free with g_free. */
char *cw_report_text(const CwRunsReport *report);
char *cw_report_markdown(const CwRunsReport *report);
/* Everything as one JSON object, per seed too. Free with g_free. */
char *cw_report_json(const CwRunsReport *report);

/* What the learning curves are drawn over. */
typedef enum { CW_REPORT_UPDATES, CW_REPORT_DECISIONS, CW_REPORT_MINUTES } CwReportAxis;
gboolean cw_report_axis_from_name(const char *name, CwReportAxis *axis);

/* The figure of the curves; NULL when no run was evaluated during training. Free with cw_figure_free. */
CwFigure *cw_report_curves(const CwRunsReport *report, CwReportAxis axis);

/* Writes report.json, report.md and, if there are curves, curves.dat, curves.panels and curves.gnuplot, from
 * which gnuplot draws curves.png and curves.svg. The directory is made; one that holds a run is refused.
 * *drawn (may be NULL): whether there is a figure; that gnuplot could not is no error but a warning. */
gboolean cw_report_write(const CwRunsReport *report, const char *directory, CwReportAxis axis,
                         gboolean *drawn, GError **error);

#endif
