/* Several epochs of minibatches with the clipped surrogate loss: what PPO and GRPO
 * do once they know the advantages of the decisions they collected. */
#ifndef COMMON_SURROGATE_H
#define COMMON_SURROGATE_H

#include "plugins/common/options.h"
#include "plugins/common/surrogate_loss.h"

/* Where pi_old comes from: scored again before the first epoch, or as the rollout recorded it. */
typedef enum { SURROGATE_RESCORED, SURROGATE_RECORDED } SurrogateOld;

typedef struct {
  gint64 epochs, minibatch_decisions;
  gint old_policy; /* SurrogateOld */
  double clip, entropy_coefficient, reference_coefficient;
  gint reference_kl; /* SurrogateKl */
  double target_kl;
} SurrogateOptions;

extern const char *const surrogate_old_policies[], *const surrogate_kls[];

#define SURROGATE_ROWS(Options, member, epochs_default, entropy_default)                                     \
  {"epochs",                                                                                                 \
   CW_OPTION_INTEGER,                                                                                        \
   offsetof(Options, member.epochs),                                                                         \
   .default_value = (epochs_default),                                                                        \
   .minimum = 1,                                                                                             \
   .maximum = 1000,                                                                                          \
   .help = "passes over the decisions collected for an update"},                                             \
      {"minibatch_decisions",                                                                                \
       CW_OPTION_INTEGER,                                                                                    \
       offsetof(Options, member.minibatch_decisions),                                                        \
       .default_value = "64",                                                                                \
       .minimum = 0,                                                                                         \
       .maximum = 1000000,                                                                                   \
       .unit = "decisions",                                                                                  \
       .help = "decisions in one optimiser step, at most; 0: all that were collected"},                      \
      {"clip",                                                                                               \
       CW_OPTION_NUMBER,                                                                                     \
       offsetof(Options, member.clip),                                                                       \
       .default_value = "0.2",                                                                               \
       .minimum = 0,                                                                                         \
       .maximum = 100,                                                                                       \
       .help = "how far the ratio of new to old probability may leave 1 to a decision's advantage; 0 does "  \
               "not clip"},                                                                                  \
      {"target_kl",                                                                                          \
       CW_OPTION_NUMBER,                                                                                     \
       offsetof(Options, member.target_kl),                                                                  \
       .default_value = "0",                                                                                 \
       .minimum = 0,                                                                                         \
       .maximum = 1000,                                                                                      \
       .unit = "nats",                                                                                       \
       .help = "the first minibatch whose KL from the old policy (k3) exceeds this is the update's last; "   \
               "0: never"},                                                                                  \
      {"entropy_coefficient",                                                                                \
       CW_OPTION_NUMBER,                                                                                     \
       offsetof(Options, member.entropy_coefficient),                                                        \
       .default_value = (entropy_default),                                                                   \
       .minimum = 0,                                                                                         \
       .maximum = 1000,                                                                                      \
       .help = "weight of the entropy bonus"},                                                               \
      {"reference_coefficient",                                                                              \
       CW_OPTION_NUMBER,                                                                                     \
       offsetof(Options, member.reference_coefficient),                                                      \
       .default_value = "0",                                                                                 \
       .minimum = 0,                                                                                         \
       .maximum = 1000,                                                                                      \
       .help = "weight of the KL from the policy that the stage began with; above 0 a frozen copy of it is " \
               "kept"},                                                                                      \
      {"reference_kl",                                                                                       \
       CW_OPTION_ENUM,                                                                                       \
       offsetof(Options, member.reference_kl),                                                               \
       .default_value = "exact",                                                                             \
       .values = surrogate_kls,                                                                              \
       .help = "that KL: exact over all candidates, or estimated at the one taken (k3)"},                    \
  {                                                                                                          \
    "old_policy", CW_OPTION_ENUM, offsetof(Options, member.old_policy),                                      \
        .default_value = "rescored", .values = surrogate_old_policies,                                       \
        .help = "the ratio's denominator: scored again before the first epoch, or as recorded when acting"   \
  }

/* The decisions of one update. Items point into the update's episodes and into `references`. */
typedef struct {
  CwUpdate *update;
  const SurrogateOptions *options;
  guint64 budget;             /* tokens in one pass */
  gboolean with_values;       /* the policy has a value head that matters */
  GArray *items;              /* SurrogateItem */
  GArray *recorded;           /* float: log-probability as recorded, NaN: unknown */
  double *references;         /* log-probabilities under the reference, item after item; NULL without one */
  guint32 *order;             /* of the first epoch; drawn by score */
  double recorded_difference; /* mean |scored - recorded| of log-probabilities; NaN when not known */
} SurrogateBatch;

SurrogateBatch *surrogate_batch_new(CwUpdate *update, const SurrogateOptions *options, guint64 budget,
                                    gboolean with_values);
void surrogate_batch_free(SurrogateBatch *batch); /* accepts NULL */

/* Adds a step with advantage and target 0, the recorded log-probability and value, and
 * weight 1, or 0 when it has one candidate only. */
void surrogate_batch_add(SurrogateBatch *batch, const CwStep *step);
#define surrogate_batch_item(batch, i) (&g_array_index((batch)->items, SurrogateItem, i))

/* Fills old log-probabilities, old values and references. Scores minibatch by
 * minibatch in the first epoch's order, so that a backend whose rounding depends
 * on the company of a decision still gives ratios of exactly 1 there. With
 * old_policy recorded and no log-probability in the episodes: CW_ERROR_CONFIGURATION. */
gboolean surrogate_batch_score(SurrogateBatch *batch, GError **error);

/* What the epochs brought. Means are over decisions, those of the policy's terms over
 * decisions with a choice. */
typedef struct {
  guint n_choices;               /* items with a weight */
  guint n_steps;                 /* optimiser steps taken */
  guint64 n_learnt;              /* decisions that went forward and backward */
  gboolean stopped;              /* by target_kl */
  double policy, value, uniform; /* losses, over all epochs */
  double entropy, reference_kl;  /* over all epochs */
  double k1, k3, clip_fraction;  /* over the last epoch */
  double first_ratio_deviation;  /* largest |ratio - 1| in the first minibatch of the first epoch */
  double gradient_norm;          /* mean over optimiser steps, before clipping */
} SurrogateReport;

/* The epochs. Call after score, with advantages, targets and weights in place. The
 * loss of a minibatch is the mean of surrogate_loss over its decisions. */
gboolean surrogate_batch_train(SurrogateBatch *batch, const SurrogateTerms *terms, double learning_rate,
                               double max_gradient_norm, SurrogateReport *report, GError **error);

/* Records policy_loss, entropy, approximate_kl (k3), approximate_kl_k1, clip_fraction,
 * first_ratio_deviation, gradient_norm, stopped_early and, where there are any,
 * reference_kl and recorded_difference; nothing when no step was taken. */
void surrogate_batch_record(const SurrogateBatch *batch, const SurrogateReport *report);
#define SURROGATE_METRICS                                                                                    \
  "policy_loss", "entropy", "approximate_kl", "approximate_kl_k1", "clip_fraction", "first_ratio_deviation", \
      "gradient_norm", "stopped_early", "reference_kl", "recorded_difference"

#endif
