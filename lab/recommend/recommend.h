/* An agent as a recommender, as Feng and Feng 2024 propose: it plays every goal several times, and what it
 * ended with, most frequent first, is the list. */
#ifndef CW_RECOMMEND_H
#define CW_RECOMMEND_H

#include "core/base/statistics.h"
#include "core/experiment/experiment.h"
#include "core/rollout/rollout.h"

typedef struct {
  const char *split;
  guint64 n_goals; /* the first so many of the split, all of them when there are fewer */
  guint k;         /* rollouts on each goal, and places of the list that count */
  guint32 seed;
  double confidence;
} CwRecommendRequest;

/* Means over goals, with intervals: Wilson's for hits, bootstrap otherwise. */
typedef struct {
  guint n_goals;
  CwInterval hit_first, hit; /* the target is in the first place; in the first k */
  CwInterval ndcg_target;    /* by target */
  CwInterval ndcg_rewards;   /* by reward */
  double n_items;            /* different items in a list */
  double none;               /* share of rollouts that ended with no item */
} CwRecommendation;

/* The environment must tell the facts "target" and "item" (CW_ERROR_UNSUPPORTED otherwise). Stops with
 * CW_ERROR_CANCELLED on an interrupt. */
gboolean cw_recommend(CwRollout *rollout, const CwAgent *agent, const CwRecommendRequest *request,
                      CwRecommendation *result, CwWorkProgress progress, gpointer user_data, GError **error);

/* Opens the experiment and tries `agents` (comma separated; NULL: the policy). "final" is the trained policy
 * of the run in `directory`, which is NULL when an experiment was named. *table (free with g_free): the
 * results, and what they were measured on. */
gboolean cw_recommend_agents(CwExperiment *experiment, const CwRecommendRequest *request, const char *agents,
                             const char *directory, gboolean quiet, char **table, GError **error);

#endif
