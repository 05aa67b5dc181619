/* The agents that an experiment wants evaluated, and what they score. */
#ifndef CW_EVALUATOR_H
#define CW_EVALUATOR_H

#include "core/train/context.h"
#include "lab/evaluate/results.h"

typedef struct CwEvaluator CwEvaluator;

/* Finds the agents that `evaluate.agents` names, or, when it names none: random, the environment's scripts,
 * and the policy before and, when something trains it, after training. A name that nobody has is
 * CW_ERROR_CONFIGURATION. The run must outlive it. */
CwEvaluator *cw_evaluator_new(CwRun *run, GError **error);
void cw_evaluator_free(CwEvaluator *evaluator); /* accepts NULL */

/* Names, in order, NULL-terminated; valid until something is left out. */
const char *const *cw_evaluator_names(const CwEvaluator *evaluator);
gboolean cw_evaluator_has(const CwEvaluator *evaluator, CwWeights weights);
/* Forgets the agent "initial" or "final". */
void cw_evaluator_leave_out(CwEvaluator *evaluator, CwWeights weights);

/* Keeps episodes in DIRECTORY/episodes if `evaluate.keep_episodes` asks for any. Before the first
 * cw_evaluator_run. An evaluation whose result is there already is not repeated for its episodes. */
gboolean cw_evaluator_keep_episodes(CwEvaluator *evaluator, const char *directory, GError **error);
/* Adds the phases of all evaluations to the run's eta. Once, before the first cw_evaluator_run. */
void cw_evaluator_plan(CwEvaluator *evaluator);
/* Evaluates the agents with `weights` (CwWeights, combined) as the experiment's `evaluate` says, a policy for
 * every selection, unless the results are there already; the policy is taken as it is now. With a directory,
 * evaluation.json is written again after each. */
gboolean cw_evaluator_run(CwEvaluator *evaluator, guint weights, GError **error);

CwResults *cw_evaluator_results(CwEvaluator *evaluator);
/* The table of the agents. Free with g_free. */
char *cw_evaluator_table(const CwEvaluator *evaluator);

#endif
