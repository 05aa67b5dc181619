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

/* Called once per parameter tensor by visit_tensors. `weights` and `gradient` have the product of `shape`
 * elements in row-major order; they are host memory, valid during the call; `gradient` is NULL for a frozen
 * tensor. Changes that a visitor makes to them take effect (all-reduce, tests by finite differences). */
typedef void (*CwTensorVisitor)(const char *name, const gint64 *shape, guint n_dimensions, float *weights,
                                float *gradient, gpointer user_data);

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

  /* With CW_POLICY_TRAINS. As score, but in training mode (dropout on). Keeps what backward needs until
   * backward or the next forward. */
  gboolean (*forward)(gpointer policy, const CwDecision *const *decisions, guint n_decisions, float *logits,
                      float *values, GError **error);
  /* With CW_POLICY_TRAINS. Adds the gradients of the last forward to the accumulated ones. `dvalues` may be
   * NULL, which means zero. Called at most once per forward. */
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
  /* Optional: visits every parameter tensor in a fixed order. */
  void (*visit_tensors)(gpointer policy, CwTensorVisitor visitor, gpointer user_data);
  /* Optional, since ABI 1.1: `cartwright import NAME` turns other files into a model folder that `open`
   * accepts; `cartwright export NAME` does the reverse. */
  const CwConversion *importer;
  const CwConversion *exporter;
  /* Optional, since ABI 1.1: *n totals of what the object has done since it was opened, valid until the next
   * call on it. They only grow. Names are the backend's own, but for two: "operations" are floating-point
   * operations, and NAME_found is the part of NAME that was looked up instead of computed. */
  const CwNamedValue *(*counters)(gpointer policy, guint *n);
  /* Optional, since ABI 1.2: how much memory training on batches like this one takes. The host asks before
   * the first forward of a stage, with that forward's decisions, and logs the answer. May drop what an
   * earlier forward kept. */
  void (*estimate_memory)(gpointer policy, const CwDecision *const *decisions, guint n_decisions,
                          CwMemoryEstimate *estimate);
} CwPolicyVtable;

/* What algorithms see of a policy: a handle of the host. It wraps the backend's object, checks capabilities
 * and finds NaN. */
typedef struct CwPolicy CwPolicy;

/* As the slots of the same names. score and forward fail with CW_ERROR_NUMERIC, naming the first bad tensor
 * where the backend can tell, when a logit or value is not finite. */
gboolean cw_policy_score(CwPolicy *policy, const CwDecision *const *decisions, guint n_decisions,
                         float *logits, float *values, GError **error);
gboolean cw_policy_forward(CwPolicy *policy, const CwDecision *const *decisions, guint n_decisions,
                           float *logits, float *values, GError **error);
gboolean cw_policy_backward(CwPolicy *policy, const float *dlogits, const float *dvalues, GError **error);
gboolean cw_policy_step(CwPolicy *policy, double learning_rate, double max_norm, double *gradient_norm,
                        GError **error);
guint cw_policy_count_tokens(CwPolicy *policy, const CwDecision *decision);

/* SHA-256 over the tensors, in hexadecimal: it changes when any weight does, so a file of results can name
 * the policy it belongs to. NULL when the backend has no visit_tensors. Takes a second for some hundred
 * megabytes. Free with g_free. */
char *cw_policy_fingerprint(CwPolicy *policy);

/* Number of logits of a batch: the sum of its candidate counts. */
guint cw_count_logits(const CwDecision *const *decisions, guint n_decisions);

/* log_probabilities[i] = logits[i] - log sum exp(logits), computed stably for one decision of n logits. In
 * place is allowed. */
void cw_log_softmax(const float *logits, guint n, float *log_probabilities);

G_END_DECLS

#endif
