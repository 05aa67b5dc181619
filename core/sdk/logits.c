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

/* log sum exp(logits - largest). */
static double log_sum(const float *logits, guint n, double *largest)
{
  double sum = 0;
  *largest = -HUGE_VAL;
  for (guint i = 0; i < n; i++)
    *largest = fmax(*largest, logits[i]);
  for (guint i = 0; i < n; i++)
    sum += exp(logits[i] - *largest);
  return log(sum);
}

void cw_log_softmax(const float *logits, guint n, float *log_probabilities)
{
  double largest, sum = log_sum(logits, n, &largest);
  for (guint i = 0; i < n; i++)
    log_probabilities[i] = (float)(logits[i] - largest - sum);
}

void cw_log_probabilities(const float *logits, guint n, double *log_p)
{
  double largest, sum = log_sum(logits, n, &largest);
  for (guint i = 0; i < n; i++)
    log_p[i] = logits[i] - largest - sum;
}
