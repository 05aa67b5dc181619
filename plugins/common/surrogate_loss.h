/* The loss of policy-gradient methods with a clipped ratio, at one decision. With
 * pi the present policy, pi_old the one that acted, q the reference, a the action
 * taken, A its advantage, w its weight, z = pi(a) / pi_old(a), V the value, V_old
 * that of the policy that acted and R the value's target:
 *
 *   w * ( - min(z A, clip(z, 1 - clip_low, 1 + clip_high) A)      Schulman et al. 2017, eq. 7
 *         - entropy_coefficient * H(pi)
 *         + uniform_coefficient * mean over actions of -log pi    WebShop's "il" term
 *         + reference_coefficient * KL )                          exact, or k3 at a
 *   + value_coefficient / 2 * max((V - R)^2, (V' - R)^2)          V' = V_old + clip(V - V_old, +-value_clip)
 *
 * The estimators of a KL are those of Schulman, "Approximating KL divergence" (2020):
 * of KL(pi_old || pi), k1 = -log z and k3 = z - 1 - log z; of KL(pi || q) the same
 * with z = q(a) / pi(a). */
#ifndef COMMON_SURROGATE_LOSS_H
#define COMMON_SURROGATE_LOSS_H

#include <cartwright/cartwright.h>

typedef enum { SURROGATE_KL_EXACT, SURROGATE_KL_K3 } SurrogateKl;

typedef struct {
  double clip_low, clip_high;           /* 0: no clipping on that side */
  double value_coefficient, value_clip; /* value_clip 0: none */
  double entropy_coefficient, uniform_coefficient, reference_coefficient;
  SurrogateKl reference_kl;
} SurrogateTerms;

/* A decision that was taken, and what to make of it. */
typedef struct {
  const CwDecision *decision;
  guint chosen;
  double advantage;
  double weight;       /* of the policy's terms; 0 for a single candidate */
  double value_target; /* R */
  double old_log_probability, old_value;
  const double *reference; /* log-probabilities of all candidates under the reference; NULL without one */
} SurrogateItem;

/* The terms at one decision, each without coefficient and weight; all but `value`
 * are 0 at a decision of weight 0. */
typedef struct {
  double ratio, policy, value, entropy, uniform, reference_kl;
  double k1, k3;
  gboolean clipped; /* the clip stops the gradient of the policy term */
} SurrogateLoss;

/* Fills `loss` and, where not NULL, dlogits (n_candidates) and dvalue with `scale`
 * times the gradient of the sum of the terms. Returns that sum, without `scale`. */
double surrogate_loss(const SurrogateTerms *terms, const SurrogateItem *item, const float *logits,
                      double value, double scale, float *dlogits, float *dvalue, SurrogateLoss *loss);

#endif
