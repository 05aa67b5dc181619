/* What learning algorithms have in common. An author writes the loss of one decision as a pure function that
 * returns the loss and its slopes with respect to what the library computed from the network's logits; the
 * library cuts decisions into passes that fit a token budget, runs forward, chains the slopes to the logits,
 * runs backward and takes the optimiser's step. Scoring, orders of items, schedules, advantages and checks of
 * trajectories are here too. Nothing here is a whole algorithm.
 *
 * Threads: everything is called from the thread that called `update`. Structs are the caller's, zeroed before
 * their first use; what the library puts into them is freed with the function named there. */
#ifndef CARTWRIGHT_LEARN_H
#define CARTWRIGHT_LEARN_H

#include <cartwright/algorithm.h>

G_BEGIN_DECLS

/* Options of the optimiser, as a nested table: CW_TABLE(Options, learning, cw_learning_options). */
typedef enum { CW_SCHEDULE_CONSTANT, CW_SCHEDULE_LINEAR, CW_SCHEDULE_COSINE } CwSchedule;

typedef struct CwLearningOptions {
  double learning_rate;     /* peak */
  gint schedule;            /* CwSchedule, after the warm-up */
  double warmup;            /* share of the stage, 0 to 1 */
  double max_gradient_norm; /* 0: no clipping */
  gint64 batch_tokens;      /* in one forward pass, at most */
  gboolean dropout;         /* in training, as the model says; off where old log-probabilities are compared */
} CwLearningOptions;

extern const CwTable cw_learning_options;

/* The learning rate for the part of the stage from `begin` to `end` (0 to 1): it rises with `end` during the
 * warm-up; afterwards linear falls as the share that is left at `begin`, cosine as half of one minus its
 * cosine. */
double cw_learning_rate(const CwLearningOptions *options, double begin, double end);
/* The same by steps, where their number is known: of step `step` of `total`, counted from 0; the warm-up is a
 * whole number of steps, and the last one is not yet zero. */
double cw_learning_rate_of_step(const CwLearningOptions *options, guint64 step, guint64 total);

/* The decisions to learn from. `reference`, when there is one, holds for every item the log-probabilities of
 * all its candidates under another policy (of an action in words: its own). Nothing is owned. */
typedef struct CwItems {
  const CwStep *const *steps; /* n */
  guint n;
  const double *weight;           /* n; NULL: every item of a call weighs 1 / (items of that call) */
  const double *const *reference; /* n arrays of decision->n_candidates; NULL: no reference */
  gboolean with_values;           /* the network's value head takes part */
} CwItems;

/* What a loss sees of one item. Read only, valid during the call. */
typedef struct CwView {
  gsize struct_size;
  guint index; /* of the item in CwItems: the author's own numbers are looked up by it */
  const CwStep *step;
  guint n;                          /* candidates; 0: the action is in words */
  const float *logits;              /* n, as the network gave them; NULL for words */
  const double *log_p;              /* n: log pi(k) = logits[k] - log sum exp(logits); NULL for words */
  const double *reference;          /* n: log q(k); NULL without a reference */
  double log_probability;           /* log pi(a) of the action taken */
  double reference_log_probability; /* log q(a); NaN without a reference */
  double value;                     /* V; 0 without a value head */
  double entropy;                   /* H = - sum pi log pi; NaN for words */
  double uniform;                   /* mean over k of - log pi(k); NaN for words */
  double kl; /* KL(pi || q) = sum pi (log pi - log q); NaN without a reference, and for words */
} CwView;

/* How many numbers a loss may report of an item. */
#define CW_MOST_REPORTS 16

/* Partial derivatives of the returned loss, zero on entry. With p the softmax of the logits, they are chained
 * to logit j by
 *   d log pi(a) = [j = a] - p(j)     d H = - p(j) (log p(j) + H)     d uniform = p(j) - 1 / n
 *   d KL = p(j) (log p(j) - log q(j) - KL)     d log pi(k) = [j = k] - p(j)
 * Numbers of the item for the author's statistics go into `report`; they are summed in the order of the
 * items, whatever passes were made, and only they may steer the algorithm. */
typedef struct CwSlopes {
  gsize struct_size;
  double log_probability, entropy, uniform, kl, value;
  double *log_p;  /* n: for pairs within one softmax */
  double *logits; /* n: for losses on the raw logits, such as Q-learning's */
  double *report; /* CW_MOST_REPORTS */
} CwSlopes;

/* The loss of one item. Pure: called in any order, any number of times. */
typedef double (*CwLoss)(const CwView *view, CwSlopes *slopes, gconstpointer data);

/* What a call did. */
typedef struct CwSums {
  guint n;                         /* items */
  double loss;                     /* sum of weight times loss */
  double sum[CW_MOST_REPORTS];     /* of each reported number */
  double largest[CW_MOST_REPORTS]; /* of each reported number */
  double gradient_norm;            /* of the optimiser's step, before clipping; 0 without a step */
} CwSums;

/* Adds the gradient of sum weight_i loss_i over the `n` items that `indices` picks (NULL: all, and n is not
 * looked at) to the network's. `network` NULL: the policy that is trained. A loss that is not finite is
 * CW_ERROR_NUMERIC. */
gboolean cw_accumulate(CwUpdate *update, CwPolicy *network, const CwItems *items, const guint32 *indices,
                       guint n, const CwLearningOptions *options, CwLoss loss, gconstpointer data,
                       CwSums *sums, GError **error);
/* One step of the optimiser with what was added; fills sums->gradient_norm. */
gboolean cw_optimizer_step(CwUpdate *update, CwPolicy *network, const CwLearningOptions *options,
                           double learning_rate, CwSums *sums, GError **error);
/* Both. */
gboolean cw_learn(CwUpdate *update, CwPolicy *network, const CwItems *items, const guint32 *indices, guint n,
                  const CwLearningOptions *options, double learning_rate, CwLoss loss, gconstpointer data,
                  CwSums *sums, GError **error);
/* Adds the gradient of sum slope_i log pi(a_i): policy gradients, and the second pass of losses over whole
 * trajectories. `slope` has items->n numbers; weights are not looked at. sums->loss is that sum. */
gboolean cw_accumulate_log_probability(CwUpdate *update, CwPolicy *network, const CwItems *items,
                                       const double *slope, const CwLearningOptions *options, CwSums *sums,
                                       GError **error);

/* An order of items, cut into batches of equal size, give or take one. Free with cw_order_clear. */
typedef struct CwOrder {
  guint32 *items;
  guint n, most; /* items; items in a batch, 0: all of them */
} CwOrder;

/* Shuffles 0 to n - 1 with a stream (Fisher-Yates from the identity). */
void cw_order_shuffle(CwOrder *order, CwRandom *random, guint n, guint most);
/* The order of an epoch, from numbers that a checkpoint keeps: the same for equal arguments. Within a batch
 * items ascend. */
void cw_order_epoch(CwOrder *order, guint32 seed, const char *purpose, guint64 epoch, guint n, guint most);
void cw_order_clear(CwOrder *order);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CwOrder, cw_order_clear)
guint cw_order_n_batches(const CwOrder *order);
/* The items of batch `number`; *n of them. */
const guint32 *cw_order_batch(const CwOrder *order, guint number, guint *n);

/* After each step of cw_learn_epochs: TRUE ends it. */
typedef gboolean (*CwStepTaken)(guint epoch, guint batch, const CwSums *sums, gpointer data);

/* Steps over the batches of `order`, then `epochs` - 1 times over a new one, shuffled with the stage's
 * stream. */
gboolean cw_learn_epochs(CwUpdate *update, CwPolicy *network, const CwItems *items, CwOrder *order,
                         guint epochs, const CwLearningOptions *options, double learning_rate, CwLoss loss,
                         gconstpointer data, CwStepTaken taken, gpointer taken_data, GError **error);

/* What a network says of items, in their order; item i has n_candidates numbers from first[i] on, an item in
 * words one: its log-probability. */
typedef struct CwScores {
  guint n;
  gsize *first;            /* n + 1 */
  float *logits;           /* first[n] */
  double *log_p;           /* first[n] */
  double *log_probability; /* n: of the actions taken */
  double *value;           /* n; zeros without a value head */
  const double **rows;     /* n: log_p of each item, as CwItems.reference wants it */
} CwScores;

/* Scores all items; with an `order` (of all of them) batch by batch, so that a backend whose rounding depends
 * on the company of a decision gives the same numbers as cw_learn_epochs will meet. */
gboolean cw_score(CwUpdate *update, CwPolicy *network, const CwItems *items, const CwOrder *order,
                  const CwLearningOptions *options, CwScores *scores, GError **error);
/* The share of items at which the action taken has the highest logit, the first of equal ones counting; of
 * actions in words those whose probability is more than a half. */
double cw_scores_accuracy(const CwScores *scores, const CwItems *items);
void cw_scores_clear(CwScores *scores);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CwScores, cw_scores_clear)

/* The steps of this update's episodes (`trajectories` FALSE) or of the stage's trajectories, one after the
 * other. Episodes without a single step, or no trajectories, are an error. */
typedef struct CwSteps {
  const CwStep **steps; /* n */
  guint *first;         /* n_episodes + 1: episode e has steps first[e] to first[e + 1] - 1 */
  guint n, n_episodes;
  guint n_single, n_empty;  /* steps with one candidate; episodes without steps */
  const CwDecision **after; /* n_episodes: what was seen after the last step; see CwTrajectory.after */
} CwSteps;

/* Whether there was anything to choose: a single candidate is no choice, words of a policy's own always are.
 */
gboolean cw_step_is_choice(const CwStep *step);
gboolean cw_update_steps(CwUpdate *update, gboolean trajectories, CwSteps *steps, GError **error);
/* The same, but of the steps only those that offer a choice; n_empty counts episodes without one. */
gboolean cw_update_choices(CwUpdate *update, gboolean trajectories, CwSteps *steps, GError **error);
/* What followed the last step of each episode, as the network sees it: n_episodes numbers go into `after`,
 * the values of CwSteps.after or, `values` FALSE, its largest logits. 0 where there is none: the episode is
 * over by its own rules, or what followed was not kept (CwCollectRequest.keep_after). */
gboolean cw_score_after(CwUpdate *update, CwPolicy *network, const CwSteps *steps, gboolean values,
                        const CwLearningOptions *options, double *after, GError **error);
void cw_steps_clear(CwSteps *steps);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CwSteps, cw_steps_clear)
/* The goal of a trajectory as text: its split, and the environment's name of it or its index. Free with
 * g_free. */
char *cw_trajectory_goal_key(const CwTrajectory *trajectory);
/* A number that changes when the stage's trajectories do (goals, rewards, observations, choices): SHA-256,
 * hex. Free with g_free. */
char *cw_update_trajectories_fingerprint(CwUpdate *update);
/* Compares it with *fingerprint, a text of the algorithm's state: NULL or empty is filled in, another one is
 * CW_ERROR_CONFIGURATION. */
gboolean cw_update_same_trajectories(CwUpdate *update, char **fingerprint, GError **error);
/* Which share of some goals is held out: those whose keys hash lowest, rounded, at least one and never all,
 * so that neither the order of the trajectories nor who acted in them decides. `keys` are char *, repetitions
 * allowed; the set holds copies. Free with g_hash_table_unref. */
GHashTable *cw_hold_out(const GPtrArray *keys, double share);

/* Which decisions of the stage's trajectories are learnt from: CW_TABLE(Options, samples, cw_sample_options).
 */
typedef struct CwSampleOptions {
  double held_out; /* share of the goals */
  gboolean skip_single, successful_only;
  char **agents;
} CwSampleOptions;

extern const CwTable cw_sample_options;

typedef struct CwSamples {
  const CwStep **steps; /* n, in the order of the trajectories */
  double *return_to_go; /* n: discounted rewards from the step on, as a float holds them */
  guint n, n_skipped;   /* n_skipped: decisions with one candidate that were left out */
} CwSamples;

/* Gathers them after the checks of cw_update_steps; whole goals are held out (cw_hold_out). Nothing left to
 * learn from is CW_ERROR_CONFIGURATION, and the message says what was left out and why. */
gboolean cw_update_select(CwUpdate *update, const CwSampleOptions *options, double discount,
                          CwSamples *training, CwSamples *held_out, GError **error);
void cw_samples_clear(CwSamples *samples);

/* Mean total reward of this update's episodes, and the share of successful ones. */
double cw_update_mean_return(CwUpdate *update);
double cw_update_success(CwUpdate *update);

/* Advantages. All arrays have a number per step.
 *
 * Generalised advantage estimation (Schulman et al. 2016, eq. 16) for one episode of n steps:
 *   A_t = sum over k of (discount lambda)^k delta_(t+k),   delta_t = r_t + discount V_(t+1) - V_t,
 * with V_n = `after`: 0 when the episode ended, the value of what follows when it was cut. */
void cw_advantages_gae(const CwStep *const *steps, guint n, const double *values, double after,
                       double discount, double lambda, double *advantages);
/* R_t = r_t + discount R_(t+1), R_n = `after`. */
void cw_returns(const CwStep *const *steps, guint n, double after, double discount, double *returns);
/* V-trace (Espeholt et al. 2018, eqs. 1 and 2) with log pi(a_t) - log mu(a_t) in `log_ratio`:
 *   vs_t = V_t + delta_t + discount c_t (vs_(t+1) - V_(t+1)),   delta_t = rho_t (r_t + discount V_(t+1) -
 * V_t), rho_t = min(rho, ratio), c_t = min(c, ratio);   A_t = rho_t (r_t + discount vs_(t+1) - V_t). */
void cw_advantages_vtrace(const CwStep *const *steps, guint n, const double *values, const double *log_ratio,
                          double after, double discount, double rho, double c, double *targets,
                          double *advantages);

/* The episodes of one goal that were collected together. */
typedef struct CwGroup {
  guint n;
  double mean, deviation; /* of their total rewards */
  gboolean tells_nothing; /* fewer than two episodes, or equal rewards */
} CwGroup;

/* Groups of this update's episodes, in the order in which they first appear: CwGroup, in an array to be freed
 * with g_array_unref. *of (n_episodes; free with g_free) is each episode's group. */
GArray *cw_update_groups(CwUpdate *update, guint **of);

/* Mean and standard deviation of the n numbers whose `weight` is not 0 (NULL: of all). */
typedef struct CwMoments {
  double mean, deviation;
  guint n;
} CwMoments;
CwMoments cw_moments(const double *numbers, const double *weight, guint n);

/* With z = exp(log_p - old): - min(z A, clip(z, 1 - low, 1 + high) A) (Schulman et al. 2017, eq. 7); `low` or
 * `high` 0 does not clip on that side. *slope is the derivative with respect to log_p: 0 where it is clipped.
 */
double cw_clipped_ratio(double log_p, double old, double advantage, double low, double high, double *slope);
/* The estimator k3 = exp(-x) - 1 + x of a KL at one sample, x = log p - log q (Schulman, "Approximating KL
 * divergence", 2020). It estimates KL(p || q) for samples of p. *slope (may be NULL): with respect to log p.
 */
double cw_k3(double log_p, double log_q, double *slope);

/* What methods with a ratio pi / pi_old share (PPO, GRPO and their kin): where pi_old comes from, a loss of
 * the policy with its statistics, and epochs that end when the policy has moved too far. Advantages, weights,
 * what else is in the loss and what is done with it stay the author's. */
typedef enum { CW_OLD_RESCORED, CW_OLD_RECORDED } CwOldPolicy;
typedef enum { CW_KL_EXACT, CW_KL_K3 } CwKl;

/* CW_TABLE(Options, ratio, cw_ratio_options): keys epochs, minibatch_decisions, clip, ... */
typedef struct CwRatioOptions {
  gint64 epochs, minibatch_decisions;
  gint old_policy;   /* CwOldPolicy */
  gint reference_kl; /* CwKl */
  double clip, entropy_coefficient, reference_coefficient, target_kl;
} CwRatioOptions;

extern const CwTable cw_ratio_options;

/* The decisions of one update. Zeroed, then `update`, `options`, `learning` and what is asked for below are
 * set by the caller, who owns what they point to; cw_ratio_clear frees the rest. */
typedef struct CwRatio {
  CwUpdate *update;
  const CwRatioOptions *options;
  const CwLearningOptions *learning;
  CwItems items;               /* steps, n and with_values */
  const double *advantage;     /* n */
  const double *policy_weight; /* n: of the policy's terms; 0 leaves them out */
  double clip_high;            /* another clip above 1; 0: the same */
  double uniform_coefficient;  /* of the mean of - log pi */
  /* Filled by cw_ratio_score. */
  double *old_log_probability, *old_value; /* n */
  CwScores reference;
  CwOrder order;
  double recorded_difference; /* mean |scored - recorded| of log-probabilities; NaN when not known */
  /* Filled by cw_ratio_learn. */
  guint64 n_steps, n_learnt; /* steps of the optimiser; decisions gone through */
  gboolean stopped;          /* by target_kl */
  CwSums all, last;          /* of all epochs, of the last one */
  double first_deviation, norms;
} CwRatio;

/* Draws the order of the first epoch and fills pi_old, the old values and the reference's log-probabilities,
 * batch by batch of that order: ratios there are exactly 1. With old_policy recorded and nothing recorded:
 * CW_ERROR_CONFIGURATION. */
gboolean cw_ratio_score(CwRatio *ratio, GError **error);

/* A CwLoss whose data begins with a CwRatio, or a part of one: of the policy's terms, with w the
 * policy_weight, w (cw_clipped_ratio - entropy_coefficient H + uniform_coefficient uniform +
 * reference_coefficient KL(pi || q)), KL exact or k3 at the action taken. An action in words has neither
 * entropy nor uniform, and its KL is k3. It fills reports 0 to CW_RATIO_REPORTS - 1. */
double cw_ratio_loss(const CwView *view, CwSlopes *slopes, gconstpointer ratio);
#define CW_RATIO_REPORTS 9
#define CW_RATIO_UNIFORM 6 /* the report of the mean of - log pi */

/* The epochs, with `loss` (whose data is the ratio). A batch whose KL(pi_old || pi), estimated by k3, exceeds
 * target_kl is the last. */
gboolean cw_ratio_learn(CwRatio *ratio, double learning_rate, CwLoss loss, GError **error);

/* Records numbers `first` to first + CW_RATIO_METRICS - 1, which stand in the table as CW_RATIO_METRIC_ROWS;
 * nothing when no step was taken. Means are over decisions with a policy_weight. */
void cw_ratio_record(const CwRatio *ratio, guint first);
#define CW_RATIO_METRICS 10
#define CW_RATIO_METRIC_ROWS                                                                                 \
  {"policy_loss", NULL, CW_LOWER_IS_BETTER}, {"entropy", "nats", CW_NEITHER_IS_BETTER},                      \
      {"approximate_kl", "nats", CW_NEITHER_IS_BETTER}, {"approximate_kl_k1", "nats", CW_NEITHER_IS_BETTER}, \
      {"clip_fraction", NULL, CW_NEITHER_IS_BETTER}, {"first_ratio_deviation", NULL, CW_LOWER_IS_BETTER},    \
      {"gradient_norm", NULL, CW_NEITHER_IS_BETTER}, {"stopped_early", NULL, CW_NEITHER_IS_BETTER},          \
      {"reference_kl", "nats", CW_NEITHER_IS_BETTER},                                                        \
  {                                                                                                          \
    "recorded_difference", "nats", CW_LOWER_IS_BETTER                                                        \
  }
/* The mean over decisions of a number that the loss reported, over all epochs. */
double cw_ratio_mean(const CwRatio *ratio, guint report, gboolean over_choices);
void cw_ratio_clear(CwRatio *ratio);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CwRatio, cw_ratio_clear)

G_END_DECLS

#endif
