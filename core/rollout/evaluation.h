/* Evaluating an agent on the first N goals of a split: score, success rate and their intervals, the parts of
 * the reward, the length of episodes. */
#ifndef CW_EVALUATION_H
#define CW_EVALUATION_H

#include "core/base/statistics.h"
#include "core/rollout/rollout.h"

/* The result of evaluating one agent. `n` episodes on goals 0 … n-1 of the split. */
typedef struct {
  char *agent;     /* "random", a script, "initial", "final" */
  char *selection; /* "sample", "greedy"; "" for agents without a policy */
  char *split;
  guint n;
  guint64 step;      /* updates the policy had seen; 0 for others */
  double *rewards;   /* n total rewards */
  guint8 *success;   /* n times 0 or 1 */
  guint *lengths;    /* n numbers of steps */
  GPtrArray *parts;  /* char *: names of the reward's parts, in order of appearance */
  GArray *part_sums; /* double: their sums; an episode without a part counts as 0 */
  double seconds;
  guint64 n_decisions;
  guint64 n_invalid; /* of them: the policy's answer held no action */
} CwEvaluation;

/* Which episodes of an evaluation are kept, and where. */
typedef struct {
  const char *path;       /* of the trajectory file; their agent is the evaluation's label */
  guint64 n;              /* the first so many */
  gboolean probabilities; /* with those of all candidates */
  const char *advisor;    /* a script whose advice each step gets, unless it is the agent; may be NULL */
} CwKeptEpisodes;

/* Rolls out episodes on the first `n_episodes` goals of `split` (all of them when there are fewer; no goals
 * at all is an error). `label` is what the result calls the agent. With equal seed the streams of an episode
 * are the same for every agent. `kept` (NULL: none) changes no result; its file appears when the evaluation
 * is complete. Stops with CW_ERROR_CANCELLED on an interrupt. Free with cw_evaluation_free.
 */
CwEvaluation *cw_evaluate(CwRollout *rollout, const CwAgent *agent, const char *label, const char *split,
                          guint64 n_episodes, guint32 seed, const CwKeptEpisodes *kept,
                          CwWorkProgress progress, gpointer user_data, GError **error);
void cw_evaluation_free(CwEvaluation *evaluation); /* accepts NULL */

/* 100 × mean reward, with its bootstrap interval. */
CwInterval cw_evaluation_score(const CwEvaluation *evaluation, double confidence);
/* Percentage of successful episodes, with its Wilson interval. */
CwInterval cw_evaluation_success(const CwEvaluation *evaluation, double confidence);
double cw_evaluation_mean_length(const CwEvaluation *evaluation);

#endif
