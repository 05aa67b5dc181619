/* Direct preference optimisation, in five parts: the loss of a pair (loss.c), the
 * sessions, their pairs and what the reference says of them (data.c), keeping that
 * on disk (references.c), learning from a batch (learn.c), and the algorithm that
 * goes through passes (dpo.c). */
#ifndef DPO_H
#define DPO_H

#include "plugins/common/options.h"
#include <stdio.h>

typedef enum { DPO_DECISION, DPO_TRAJECTORY } DpoGranularity;
typedef enum { DPO_SIGMOID, DPO_IPO, DPO_HINGE, DPO_CONSERVATIVE } DpoLoss;
typedef enum { DPO_SKIP, DPO_KEEP } DpoEqual;

typedef struct {
  gint granularity, loss, equal;
  double beta, label_smoothing;
  gint64 updates, epochs, update_trajectories, update_tokens;
  gint64 resample, pairs_per_goal;
  double minimum_gap;
  gboolean length_normalization;
  CommonOptimizer optimizer;
} DpoOptions;

/* The loss of one pair. With w preferred to l, `margin` is
 *   m = (log pi(w) - log pi_ref(w)) - (log pi(l) - log pi_ref(l)):
 *   sigmoid       -log sigma(beta m)                                 Rafailov et al. 2023, eq. 7
 *   conservative  -(1 - e) log sigma(beta m) - e log sigma(-beta m)  Mitchell 2023; e = label_smoothing
 *   hinge         max(0, 1 - beta m)                                 Zhao et al. 2023, with a reference
 *   ipo           (m - 1 / (2 beta))^2                               Azar et al. 2024, eq. 17
 * Stores d(loss)/d(margin). */
double dpo_loss(DpoLoss kind, double beta, double label_smoothing, double margin, double *derivative);

/* What a batch is made of. By decision: the decision `step` (number among those with
 * a choice) of a session, or all of them when step is DPO_ALL. By trajectory: a
 * session and a worse one of the same goal. */
typedef struct {
  guint trajectory, worse, step;
} DpoUnit;
#define DPO_ALL G_MAXUINT

typedef struct {
  guint n_trajectories;
  char *fingerprint;
  float **references; /* per trajectory: logits of its decisions with a choice; NULL: not scored yet */
  CwCache *cache;     /* their copy on disk; NULL: none, or not yet opened */
  GArray *units;      /* DpoUnit, of the present pass in its order */
  guint n_empty;      /* trajectories without a choice */
  guint n_single;     /* decisions with one candidate */
  guint n_goals, n_goals_without_pair; /* by trajectory */
} DpoData;

/* Checks the stage's trajectories and counts. CW_ERROR_CONFIGURATION when there are none. */
gboolean dpo_data_init(DpoData *data, CwUpdate *update, GError **error);
void dpo_data_clear(DpoData *data);

/* Puts the units of a pass in place, shuffled: the same for equal `seed` and `pass`. FALSE with
 * CW_ERROR_CONFIGURATION when there is nothing to prefer to anything. */
gboolean dpo_data_begin_pass(DpoData *data, CwUpdate *update, const DpoOptions *options, guint32 seed,
                             guint64 pass, GError **error);

/* The decisions of a session that offer a choice, and what was chosen. */
typedef struct {
  guint n;
  const CwDecision **decisions;
  guint *chosen;
} DpoSession;

void dpo_session_init(DpoSession *session, const CwTrajectory *trajectory);
void dpo_session_clear(DpoSession *session);

/* The reference's logits for the decisions of a session, decision after decision.
 * Scored once, the session by itself, and kept in memory and on disk.
 * Owned by `data`; NULL with error. */
const float *dpo_data_reference(DpoData *data, CwUpdate *update, guint trajectory, guint64 budget,
                                GError **error);

/* Opens the cache of the reference's logits and takes what is in it; a later process takes what this one has
 * kept. Without effect when the backend of the reference does not show its weights. */
gboolean dpo_references_open(DpoData *data, CwUpdate *update, GError **error);

/* What a unit costs in tokens. */
guint64 dpo_data_tokens(CwUpdate *update, const DpoUnit *unit, const DpoOptions *options);

/* Sums over the pairs of a batch. */
typedef struct {
  guint n_pairs, n_correct; /* correct: margin above 0 */
  guint n_equal;            /* the reference drew what was demonstrated, every time */
  guint n_decisions;        /* of `kl`, that went forward and backward */
  double loss, margin, chosen, rejected, chosen_gain, rejected_gain; /* gain: log pi - log pi_ref */
  double kl;                                                         /* of pi from pi_ref, over decisions */
} DpoReport;

/* Forward and backward over the units, in passes within the token budget: the
 * gradient of the mean loss over the pairs. Takes no optimiser step. */
gboolean dpo_learn_decisions(DpoData *data, CwUpdate *update, const DpoUnit *units, guint n,
                             const DpoOptions *options, DpoReport *report, GError **error);
gboolean dpo_learn_trajectories(DpoData *data, CwUpdate *update, const DpoUnit *units, guint n,
                                const DpoOptions *options, DpoReport *report, GError **error);

#endif
