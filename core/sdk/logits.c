/* Small arithmetic on logits that hosts and algorithms share. */
#include <cartwright/policy.h>

#include <math.h>

guint cw_count_logits(const CwDecision *const *decisions, guint n_decisions)
{
  guint n = 0;
  for (guint i = 0; i < n_decisions; i++)
    n += decisions[i]->n_candidates;
  return n;
}

void cw_log_softmax(const float *logits, guint n, float *log_probabilities)
{
  double largest = -HUGE_VAL, sum = 0;
  for (guint i = 0; i < n; i++)
    largest = fmax(largest, logits[i]);
  for (guint i = 0; i < n; i++)
    sum += exp(logits[i] - largest);
  for (guint i = 0; i < n; i++)
    log_probabilities[i] = (float)(logits[i] - largest - log(sum));
}
