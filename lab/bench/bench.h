/* How fast a part of an experiment is: the environment by itself, or the policy on decisions of real
 * episodes. */
#ifndef CW_BENCH_H
#define CW_BENCH_H

#include "core/experiment/experiment.h"

/* What to measure of an environment. */
typedef struct {
  const char *split; /* whose goals; NULL: evaluate.split */
  const char *json;  /* where the rates of all rounds go; may be NULL */
  gint rounds, seed; /* seed of goals and choices; -1: the experiment's */
  double seconds;    /* per round and kind of work */
} CwBenchEnvironment;

/* Steps and resets per second of an agent that takes random candidates. *table (free with g_free) is what to
 * print; it may be set although the JSON file could not be written. */
gboolean cw_bench_environment(const CwExperiment *experiment, const CwBenchEnvironment *arguments,
                              char **table, GError **error);

/* What to measure of a policy, and with which decisions. Strings may be NULL. */
typedef struct {
  const char *agent, *split; /* who makes the episodes, on the first goals of which split */
  const char *trajectories;  /* a file to take the decisions from in their place */
  const char *export;        /* write the decisions there and measure nothing */
  const char *json;          /* where the times of all rounds go */
  const char *batch;         /* decisions per training step, "1,8,32" */
  const char *work;          /* "score", "stream", "train"; NULL: all */
  const char *directory;     /* the run whose trained policy it is */
  gint episodes, decisions, rounds;
  gboolean quiet;
} CwBenchPolicy;

/* Decisions per second, scoring and training. Nothing is saved. *table as above; NULL with `export`. */
gboolean cw_bench_policy(CwExperiment *experiment, const CwBenchPolicy *arguments, char **table,
                         GError **error);

#endif
