/* Evaluating the agents of an experiment, or of a run that was trained, outside of a run. */
#ifndef CW_EVALUATE_AGENTS_H
#define CW_EVALUATE_AGENTS_H

#include "core/experiment/experiment.h"

typedef struct {
  const char *directory; /* the run whose trained policy is "final"; NULL: an experiment was named */
  gboolean agents_named; /* the user chose the agents; otherwise "final" of an experiment is left out */
  gboolean keep;         /* keep episodes with the run, as `evaluate.keep_episodes` says */
  const char *json;      /* where the results go besides; may be NULL */
  gboolean quiet;
} CwEvaluateAgents;

/* *table (free with g_free): what to print; it may be set although the JSON file could not be written. */
gboolean cw_evaluate_agents(CwExperiment *experiment, const CwEvaluateAgents *how, char **table,
                            GError **error);

#endif
