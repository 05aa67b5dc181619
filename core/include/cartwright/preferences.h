/* What methods of preference share (DPO and its kin): what a frozen reference says of the stage's
 * trajectories, and pairs of trajectories of one goal. Losses are those of cartwright/learn.h. Main thread.
 */
#ifndef CARTWRIGHT_PREFERENCES_H
#define CARTWRIGHT_PREFERENCES_H

#include <cartwright/learn.h>

G_BEGIN_DECLS

/* What the reference says of the stage's trajectories: each is scored once, by itself, and kept in memory and
 * in the stage's directory, so that a resumed stage scores none twice (where the backend shows its weights).
 */
typedef struct CwReferences CwReferences;

CwReferences *cw_references_open(CwUpdate *update, GError **error);
/* The choices of all trajectories (cw_update_choices). Owned by `references`. */
const CwSteps *cw_references_choices(const CwReferences *references);
/* Logits of the choices of a trajectory, decision after decision. Owned by `references`; NULL with error. */
const float *cw_references_logits(CwReferences *references, guint trajectory,
                                  const CwLearningOptions *options, GError **error);
void cw_references_free(CwReferences *references); /* accepts NULL */

/* The choices of a whole trajectory under the policy pi and the reference q. */
typedef struct CwTrajectoryScore {
  CwItems items;          /* the choices */
  double length;          /* by which sums are divided: 1, or for means their number */
  double log_probability; /* sum of log pi(a) */
  double gain;            /* sum of log pi(a) - log q(a) */
} CwTrajectoryScore;

/* Scores a trajectory with the policy; *kl grows by the sum of KL(pi || q) over its choices. */
gboolean cw_references_compare(CwReferences *references, guint trajectory, gboolean means,
                               const CwLearningOptions *options, CwTrajectoryScore *score, double *kl,
                               GError **error);

/* Two of the stage's trajectories. */
typedef struct CwPair {
  guint better, worse;
} CwPair;

/* Fisher-Yates, as cw_random_shuffle. */
void cw_pairs_shuffle(CwPair *pairs, guint n, CwRandom *random);
/* Pairs of one goal whose rewards differ by more than `gap`, goals as they first appear; of each goal at most
 * `most` (0: all), drawn with `random`. Trajectories without a choice are left out. *n_goals and *n_without
 * count goals, and those without a pair. CwPair; free with g_array_unref. */
GArray *cw_pairs_of_goals(CwUpdate *update, const CwSteps *choices, double gap, guint most, CwRandom *random,
                          guint *n_goals, guint *n_without);

G_END_DECLS

#endif
