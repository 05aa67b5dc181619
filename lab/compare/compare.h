/* Comparing agents by Thompson sampling, as Feng and Feng 2024 evaluate theirs, and the fixed number of
 * episodes for every agent that an estimate wants. */
#ifndef CW_COMPARE_H
#define CW_COMPARE_H

#include "core/rollout/evaluation.h"
#include "lab/compare/bandit.h"

/* An agent and what it is called. Nothing is owned. */
typedef struct {
  const char *name;
  CwAgent agent;
} CwContender;

typedef struct {
  const char *split;
  guint64 n_rollouts; /* pulls of a bandit's run */
  guint n_runs;       /* of either bandit */
  guint64 n_fixed;    /* episodes for every agent, on the first goals of the split */
  guint32 seed;
  double confidence; /* of the intervals around the fixed estimates */
} CwCompareRequest;

/* One run of a bandit. */
typedef struct {
  CwArm *arms;     /* one per contender */
  guint32 *pulled; /* n_rollouts: which contender */
  double *means;   /* n_rollouts: its running mean after that pull */
} CwBanditRun;

/* The two bandits: which reward they look at, and how it is believed to come about. */
typedef enum { CW_COMPARE_SUCCESS, CW_COMPARE_SCORE } CwCompareMeasure;
#define CW_COMPARE_MEASURES 2
/* "success" or "score". */
const char *cw_compare_measure_name(CwCompareMeasure measure);
CwBanditKind cw_compare_measure_kind(CwCompareMeasure measure);

typedef struct {
  guint n_contenders, n_runs;
  guint64 n_rollouts;
  char *split, **facts; /* of the environment: key, value, ..., NULL */
  char *environment;
  guint32 seed;
  double confidence;
  char **names;
  CwEvaluation **fixed;                   /* per contender */
  CwBanditRun *runs[CW_COMPARE_MEASURES]; /* n_runs of each */
  guint64 n_episodes;                     /* rolled out for the bandits */
} CwComparison;

/* A bandit's k-th pull of an agent in run r is its episode k of that run: goal k of shuffled passes over the
 * split, the same for all agents and for both bandits, with the environment's streams of (seed, r, goal, k).
 * So an agent's rewards do not depend on when it is pulled, and they are rolled out some at a time when they
 * are needed. Stops with CW_ERROR_CANCELLED on an interrupt. Free with cw_comparison_free. */
CwComparison *cw_compare(CwRollout *rollout, const CwContender *contenders, guint n_contenders,
                         const CwCompareRequest *request, CwWorkProgress progress, gpointer user_data,
                         GError **error);
void cw_comparison_free(CwComparison *comparison); /* accepts NULL */

/* A table per measure, and what is to be kept in mind. Free with g_free. */
char *cw_comparison_table(const CwComparison *comparison);
/* Writes comparison.json, and comparison.dat and comparison.gnuplot, from which gnuplot draws comparison.png
 * and comparison.svg. The directory is made. *drawn (may be NULL): FALSE when gnuplot could not, which is no
 * error but a warning. */
gboolean cw_comparison_write(const CwComparison *comparison, const char *directory, gboolean *drawn,
                             GError **error);

#endif
