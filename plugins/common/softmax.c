/* Log-probabilities, entropy and divergence of one decision. Double precision, so
 * that a ratio of two equal policies is exactly 1 and finite differences of the
 * losses mean something. */
#include "plugins/common/softmax.h"
#include <math.h>

void common_log_softmax(const float *logits, guint n, double *log_probabilities)
{
  double largest = -HUGE_VAL, sum = 0;

  for (guint i = 0; i < n; i++)
    largest = fmax(largest, logits[i]);
  for (guint i = 0; i < n; i++)
    sum += exp(logits[i] - largest);
  for (guint i = 0; i < n; i++)
    log_probabilities[i] = logits[i] - largest - log(sum);
}

double common_entropy(const double *log_probabilities, guint n)
{
  double sum = 0;

  for (guint i = 0; i < n; i++)
    sum -= exp(log_probabilities[i]) * log_probabilities[i];
  return sum;
}

double common_kl(const double *log_p, const double *log_q, guint n)
{
  double sum = 0;

  for (guint i = 0; i < n; i++)
    sum += exp(log_p[i]) * (log_p[i] - log_q[i]);
  return sum;
}
