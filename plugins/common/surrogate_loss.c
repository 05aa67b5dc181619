/* The clipped surrogate loss and its gradient at one decision: nothing but
 * arithmetic. With p the softmax of the logits,
 *   d log p(a) / d logit j = [j = a] - p(j)          d H / d logit j = -p(j) (log p(j) + H)
 *   d mean(-log p) / d logit j = p(j) - 1 / n        d KL(p || q) / d logit j = p(j) (log p(j) - log q(j) -
 * KL) */
#include "plugins/common/surrogate_loss.h"
#include "plugins/common/softmax.h"
#include <math.h>
#include <string.h>

/* The policy term's loss; stores its derivative with respect to log pi(a). */
static double policy_term(const SurrogateTerms *terms, const SurrogateItem *item, double log_probability,
                          SurrogateLoss *loss, double *derivative)
{
  double log_ratio = log_probability - item->old_log_probability, advantage = item->advantage;
  double low = 1 - terms->clip_low, high = 1 + terms->clip_high;

  loss->ratio = exp(log_ratio);
  loss->k1 = -log_ratio;
  loss->k3 = expm1(log_ratio) - log_ratio;
  loss->policy = -loss->ratio * advantage;
  loss->clipped = (terms->clip_high > 0 && advantage > 0 && loss->ratio > high) ||
                  (terms->clip_low > 0 && advantage < 0 && loss->ratio < low);
  if (loss->clipped)
    loss->policy = -(advantage > 0 ? high : low) * advantage;
  *derivative = loss->clipped ? 0 : -loss->ratio * advantage;
  return loss->policy;
}

/* The value term with its coefficient; stores its derivative with respect to V. */
static double value_term(const SurrogateTerms *terms, const SurrogateItem *item, double value,
                         SurrogateLoss *loss, double *derivative)
{
  double error = value - item->value_target, squared = error * error;

  *derivative = terms->value_coefficient * error;
  if (terms->value_clip > 0) {
    double moved = value - item->old_value;
    double clipped =
        item->old_value + CLAMP(moved, -terms->value_clip, terms->value_clip) - item->value_target;

    if (clipped * clipped > squared) { /* then V lies outside the clip, where V' does not depend on it */
      squared = clipped * clipped;
      *derivative = 0;
    }
  }
  loss->value = 0.5 * squared;
  return terms->value_coefficient * loss->value;
}

double surrogate_loss(const SurrogateTerms *terms, const SurrogateItem *item, const float *logits,
                      double value, double scale, float *dlogits, float *dvalue, SurrogateLoss *loss)
{
  guint n = item->decision->n_candidates, chosen = item->chosen;
  double total, of_chosen, of_value, *log_p;

  memset(loss, 0, sizeof *loss);
  total = value_term(terms, item, value, loss, &of_value);
  if (dvalue)
    *dvalue = (float)(scale * of_value);
  if (item->weight == 0) {
    if (dlogits)
      memset(dlogits, 0, n * sizeof *dlogits);
    return total;
  }
  log_p = g_new(double, n);
  common_log_softmax(logits, n, log_p);
  loss->entropy = common_entropy(log_p, n);
  for (guint j = 0; j < n; j++)
    loss->uniform -= log_p[j] / n;
  total += item->weight *
           (policy_term(terms, item, log_p[chosen], loss, &of_chosen) -
            terms->entropy_coefficient * loss->entropy + terms->uniform_coefficient * loss->uniform);
  if (item->reference && terms->reference_kl == SURROGATE_KL_EXACT) {
    loss->reference_kl = common_kl(log_p, item->reference, n);
  } else if (item->reference) {
    double log_ratio = item->reference[chosen] - log_p[chosen];

    loss->reference_kl = expm1(log_ratio) - log_ratio;
    of_chosen -= terms->reference_coefficient * expm1(log_ratio);
  }
  total += item->weight * terms->reference_coefficient * loss->reference_kl;
  for (guint j = 0; dlogits && j < n; j++) {
    double p = exp(log_p[j]), gradient;

    gradient = of_chosen * ((j == chosen ? 1 : 0) - p) +
               terms->entropy_coefficient * p * (log_p[j] + loss->entropy) +
               terms->uniform_coefficient * (p - 1.0 / n);
    if (item->reference && terms->reference_kl == SURROGATE_KL_EXACT)
      gradient += terms->reference_coefficient * p * (log_p[j] - item->reference[j] - loss->reference_kl);
    dlogits[j] = (float)(scale * item->weight * gradient);
  }
  g_free(log_p);
  return total;
}
