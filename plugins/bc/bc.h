/* Behaviour cloning, in three parts: the decisions to learn from (data.c), the
 * loss and its gradient on a batch of them (batch.c), and the algorithm that goes through
 * epochs (bc.c). */
#ifndef BC_H
#define BC_H

#include <cartwright/cartwright.h>

typedef struct {
  gint64 epochs;
  double learning_rate;
  gint schedule; /* BcSchedule */
  double warmup;
  gint64 batch_decisions, batch_tokens;
  double max_gradient_norm;
  double held_out;
  gint64 early_stop;
  gint keep; /* BcKeep */
  gboolean skip_single, successful_only;
  char **agents;
  double label_smoothing, value_coefficient, discount;
} BcOptions;

typedef enum { BC_CONSTANT, BC_LINEAR, BC_COSINE } BcSchedule;
typedef enum { BC_KEEP_BEST, BC_KEEP_LAST } BcKeep;

/* A decision to imitate. */
typedef struct {
  const CwDecision *decision;
  guint chosen;
  guint tokens;       /* what it costs; counted when first needed, 0 until then */
  float return_to_go; /* discounted sum of the rewards from here on */
} BcSample;

typedef struct {
  GArray *training, *held_out; /* BcSample, in the order of the trajectories */
  guint n_skipped;             /* left out because there was only one candidate */
  char *fingerprint;           /* changes when the decisions do */
} BcData;

/* Gathers the decisions of the stage's trajectories. Whole goals are held out, those
 * whose names hash lowest, so that neither the order of the trajectories nor who
 * acted in them decides. FALSE with a message when a trajectory is not sound or
 * nothing is left to learn from. */
gboolean bc_data_collect(BcData *data, CwUpdate *update, const BcOptions *options, GError **error);
void bc_data_clear(BcData *data);

/* Sums over decisions. */
typedef struct {
  double loss;       /* -log of the probability of what was chosen (smoothed in training) */
  double value_loss; /* half the squared error of the value */
  guint n_correct;   /* how often the chosen candidate had the highest logit */
} BcTotals;

/* Forward and backward over the `n` samples that `indices` (which is reordered) picks:
 * accumulates the gradient of the mean over them, in micro-batches within the
 * token budget, and takes no optimiser step. */
gboolean bc_train_batch(CwPolicy *policy, GArray *samples, guint32 *indices, guint n,
                        const BcOptions *options, BcTotals *totals, GError **error);
/* Scores all samples, without smoothing. */
gboolean bc_score(CwPolicy *policy, GArray *samples, const BcOptions *options, BcTotals *totals,
                  GError **error);

#endif
