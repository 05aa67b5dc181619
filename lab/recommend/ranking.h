/* Recommendation lists: what several rollouts on one goal ended with, ranked, and how good the list is. */
#ifndef CW_RANKING_H
#define CW_RANKING_H

#include <glib.h>

/* An item of a list. */
typedef struct {
  char *name;
  guint n;          /* rollouts that ended with it */
  double relevance; /* mean reward of those, 0 to 1 */
} CwRankedItem;

typedef struct {
  GArray *items; /* CwRankedItem; in the order of their first appearance until they are sorted */
} CwRanking;

CwRanking *cw_ranking_new(void);
void cw_ranking_free(CwRanking *ranking); /* accepts NULL */
/* A rollout ended with `name` and `reward`. */
void cw_ranking_add(CwRanking *ranking, const char *name, double reward);
/* The most frequent item first; among equally frequent ones the one that came first. */
void cw_ranking_sort(CwRanking *ranking);

/* Place of `target` in the sorted list, from 0; -1 when it is not there. */
gint cw_ranking_place(const CwRanking *ranking, const char *target);

/* Normalised discounted cumulative gain of the first k places (Järvelin and Kekäläinen 2002): sum of gain /
 * log2(place + 1), places from 1, over that of the ideal list. By target: the gain is 1 for the target and 0
 * for anything else. */
double cw_ranking_ndcg_of_target(const CwRanking *ranking, const char *target, guint k);
/* By relevance: the gain of an item is its mean reward. The ideal list has the items found and the target,
 * whose relevance is 1, best first: what else in the shop would have been relevant is not known. */
double cw_ranking_ndcg_of_rewards(const CwRanking *ranking, const char *target, guint k);

#endif
