/* What a policy is to the host. It scores the candidates of a decision: one logit per candidate and, if it
 * has a value head, one value per decision. It does forward, backward and the optimiser step. The algorithm
 * decides what to optimise and gives it d(loss)/d(logit) and d(loss)/d(value).
 *
 * Layout: the logits of a batch are concatenated, decision after decision; the values have one entry per
 * decision. dlogits and dvalues have the same layout. Threads: one thread at a time calls into a policy
 * object. A policy may run threads of its own; it joins them before close returns. */
#ifndef CARTWRIGHT_POLICY_H
#define CARTWRIGHT_POLICY_H

#include <cartwright/conversion.h>
#include <cartwright/error.h>
#include <cartwright/random.h>
#include <cartwright/trajectory.h>

G_BEGIN_DECLS

/* Called once per parameter tensor by visit_tensors and edit_tensors. `weights` and `gradient` have the
 * product of `shape` elements in row-major order; they are host memory, valid during the call; `gradient` is
 * NULL for a frozen tensor. */
typedef void (*CwTensorVisitor)(const char *name, const gint64 *shape, guint n_dimensions,
                                const float *weights, const float *gradient, gpointer user_data);
typedef void (*CwTensorEditor)(const char *name, const gint64 *shape, guint n_dimensions, float *weights,
                               float *gradient, gpointer user_data);

/* What an editor changes: nothing else that it writes need take effect. */
typedef enum { CW_EDIT_WEIGHTS = 1 << 0, CW_EDIT_GRADIENTS = 1 << 1 } CwEdit;

/* How a forward pass is made. */
typedef struct CwForward {
  gsize struct_size;
  guint64 step;     /* of the optimiser, from 0: the stream of this step's dropout masks */
  gboolean dropout; /* FALSE: none, whatever the model says */
} CwForward;

/* How an action is chosen. */
typedef struct CwActing {
  gsize struct_size;
  gboolean greedy;    /* the likeliest action */
  double temperature; /* otherwise: logits are divided by it */
} CwActing;

/* What a policy does in one decision. Filled by the policy; the host zeroes it, sets struct_size and makes
 * `candidate` CW_WORDS and the numbers NaN. Strings are valid until the next call on the policy. */
typedef struct CwAct {
  gsize struct_size;
  guint candidate;       /* the number of the candidate, or CW_WORDS */
  const char *words;     /* with CW_WORDS: the action as text, UTF-8, which the environment may refuse */
  float log_probability; /* of the action; NaN if unknown */
  float value;           /* NaN if unknown */
  const char *prompt, *answer; /* what a language model was asked, what it said; NULL otherwise */
  gboolean invalid; /* the answer held no action; `words` is what the policy's protocol makes of it */
} CwAct;

/* How much memory training takes, in bytes. The host zeroes it and sets struct_size. */
typedef struct CwMemoryEstimate {
  gsize struct_size;
  guint n_tokens;      /* of the batch, as the backend computes it */
  guint64 fixed_bytes; /* whatever the batch: weights, gradients, optimiser */
  guint64 batch_bytes; /* forward and backward of the batch */
  const char
      *alternative; /* an option that takes less for the batch, "recompute: layer"; constant; NULL: none */
  guint64 alternative_bytes; /* batch_bytes with it */
} CwMemoryEstimate;

typedef struct CwPolicyVtable {
  /* Required. Loads or initialises the weights. `seed` is the run's root seed: random weights and dropout
   * come from streams derived from it. */
  gpointer (*open)(gconstpointer options, guint32 seed, GError **error);
  /* Required. Accepts NULL. */
  void (*close)(gpointer policy);
  /* Required. Facts that every result carries (model, parameters, precision), as key, value, key, value,
   * NULL. */
  const char *const *(*describe)(gpointer policy);
  /* Required. Inference: no dropout, nothing kept for backward. `values` may be NULL; a policy without a
   * value head fills it with zeros. n_decisions may be any number. */
  gboolean (*score)(gpointer policy, const CwDecision *const *decisions, guint n_decisions, float *logits,
                    float *values, GError **error);

  /* With CW_POLICY_TRAINS. As score, but keeps what backward needs until backward or the next forward, and
   * drops out as `how` says. */
  gboolean (*forward)(gpointer policy, const CwDecision *const *decisions, guint n_decisions,
                      const CwForward *how, float *logits, float *values, GError **error);
  /* With CW_POLICY_TRAINS. Adds the gradients of the last forward to the accumulated ones; after
   * forward_words, `dlogits` has one number per decision: d(loss)/d(log-probability). `dvalues` may be NULL,
   * which means zero. Called at most once per forward. */
  gboolean (*backward)(gpointer policy, const float *dlogits, const float *dvalues, GError **error);
  /* With CW_POLICY_TRAINS. Clips the accumulated gradients to the global L2 norm `max_norm` (0: no clipping),
   * makes one optimiser step and clears them. *gradient_norm (may be NULL) gets the norm before clipping. A
   * gradient that is not finite is CW_ERROR_NUMERIC, which names the first bad tensor; then no weight
   * changes. */
  gboolean (*step)(gpointer policy, double learning_rate, double max_norm, double *gradient_norm,
                   GError **error);
  /* With CW_POLICY_CLONES. A frozen copy, for scoring only: an object of its own. */
  gpointer (*clone_frozen)(gpointer policy, GError **error);
  /* Required. save writes weights (and, if it trains, optimiser and random streams) into an existing
   * directory; load puts the object into exactly that state. The directory is also a model folder that `open`
   * accepts. */
  gboolean (*save)(gpointer policy, const char *directory, GError **error);
  gboolean (*load)(gpointer policy, const char *directory, GError **error);
  /* Optional: how many tokens a decision costs, for batches of bounded size. Without it: a quarter of its
   * bytes. */
  guint (*count_tokens)(gpointer policy, const CwDecision *decision);
  /* Optional: visits every parameter tensor in a fixed order. Reading changes nothing and costs no more than
   * a copy. */
  gboolean (*visit_tensors)(gpointer policy, CwTensorVisitor visitor, gpointer user_data, GError **error);
  /* Optional, with visit_tensors: the same visit, in which what `edit` names may be changed (sums over
   * processes, a target network, tests by finite differences). */
  gboolean (*edit_tensors)(gpointer policy, CwEdit edit, CwTensorEditor editor, gpointer user_data,
                           GError **error);
  /* Optional: `cartwright import NAME` turns other files into a model folder that `open`
   * accepts; `cartwright export NAME` does the reverse. */
  const CwConversion *importer;
  const CwConversion *exporter;
  /* Optional: *n totals of what the object has done since it was opened, valid until the next
   * call on it. They only grow. Names are the backend's own, but for two: "operations" are floating-point
   * operations, and NAME_found is the part of NAME that was looked up instead of computed. */
  const CwNamedValue *(*counters)(gpointer policy, guint *n);
  /* Optional: how much memory training on batches like this one takes. The host asks before
   * the first forward of a stage, with that forward's decisions, and logs the answer. May drop what an
   * earlier forward kept. */
  void (*estimate_memory)(gpointer policy, const CwDecision *const *decisions, guint n_decisions,
                          CwMemoryEstimate *estimate);
  /* With CW_POLICY_ACTS. Chooses an action in each of n_decisions decisions, of n_decisions episodes that are
   * played at the same time. What is random in decision i comes from random[i], which nobody else draws from
   * in that decision, so that an episode does not depend on its company. The host asks `act` in the place of
   * `score` when the policy plays. A decision that could not be answered is an error for all. */
  gboolean (*act)(gpointer policy, const CwDecision *const *decisions, guint n_decisions,
                  CwRandom *const *random, const CwActing *how, CwAct *acts, GError **error);
  /* With CW_POLICY_WORDS. The log-probability of words[i] as the action in decision i. With `how` NULL as
   * score; otherwise as forward, and backward follows. `values` may be NULL. */
  gboolean (*forward_words)(gpointer policy, const CwDecision *const *decisions, const char *const *words,
                            guint n_decisions, const CwForward *how, float *log_probabilities, float *values,
                            GError **error);
} CwPolicyVtable;

/* What algorithms see of a policy: a handle of the host. It wraps the backend's object, checks capabilities
 * and finds NaN. */
typedef struct CwPolicy CwPolicy;

/* As the slots of the same names. score and forward fail with CW_ERROR_NUMERIC, naming the first bad tensor
 * where the backend can tell, when a logit or value is not finite. */
gboolean cw_policy_score(CwPolicy *policy, const CwDecision *const *decisions, guint n_decisions,
                         float *logits, float *values, GError **error);
gboolean cw_policy_forward(CwPolicy *policy, const CwDecision *const *decisions, guint n_decisions,
                           gboolean dropout, float *logits, float *values, GError **error);
gboolean cw_policy_backward(CwPolicy *policy, const float *dlogits, const float *dvalues, GError **error);
gboolean cw_policy_step(CwPolicy *policy, double learning_rate, double max_norm, double *gradient_norm,
                        GError **error);
guint cw_policy_count_tokens(CwPolicy *policy, const CwDecision *decision);
/* With CW_POLICY_WORDS: log-probabilities of words; for training, with a backward to follow, or not. */
gboolean cw_policy_forward_words(CwPolicy *policy, const CwDecision *const *decisions,
                                 const char *const *words, guint n_decisions, gboolean dropout,
                                 float *log_probabilities, float *values, GError **error);
gboolean cw_policy_score_words(CwPolicy *policy, const CwDecision *const *decisions, const char *const *words,
                               guint n_decisions, float *log_probabilities, float *values, GError **error);

/* All weights, or the accumulated gradients, as one array: tensor after tensor in the order of the visit, the
 * gradient of a frozen tensor being zeros that stay. All need a backend that shows its tensors, and the last
 * four one that lets them be changed; CW_ERROR_UNSUPPORTED otherwise. `n` is cw_policy_n_weights. */
gsize cw_policy_n_weights(CwPolicy *policy); /* 0 when the backend does not show its tensors */
gboolean cw_policy_get_weights(CwPolicy *policy, float *weights, gsize n, GError **error);
gboolean cw_policy_get_gradient(CwPolicy *policy, float *gradient, gsize n, GError **error);
gboolean cw_policy_set_weights(CwPolicy *policy, const float *weights, gsize n, GError **error);
gboolean cw_policy_set_gradient(CwPolicy *policy, const float *gradient, gsize n, GError **error);
/* Forgets what backward has added since the last step. */
gboolean cw_policy_zero_gradient(CwPolicy *policy, GError **error);
/* weights of `to` += share (weights of `from` - weights of `to`): Polyak averaging; share 1 copies. Both have
 * the same tensors. */
gboolean cw_policy_blend(CwPolicy *to, CwPolicy *from, double share, GError **error);

/* SHA-256 over the tensors, in hexadecimal: it changes when any weight does, so a file of results can name
 * the policy it belongs to. NULL when the backend has no visit_tensors. Takes a second for some hundred
 * megabytes. Free with g_free. */
char *cw_policy_fingerprint(CwPolicy *policy);

/* Whether the user wants the program to stop: a slot that waits for something outside, such as a server, then
 * gives up with CW_ERROR_CANCELLED. Any thread. */
gboolean cw_stop_requested(void);

/* Number of logits of a batch: the sum of its candidate counts. */
guint cw_count_logits(const CwDecision *const *decisions, guint n_decisions);

/* log_probabilities[i] = logits[i] - log sum exp(logits), computed stably for one decision of n logits. In
 * place is allowed. */
void cw_log_softmax(const float *logits, guint n, float *log_probabilities);
/* The same in double precision, so that a ratio of two equal policies is exactly 1 and finite differences
 * mean something. */
void cw_log_probabilities(const float *logits, guint n, double *log_p);

G_END_DECLS

#endif
