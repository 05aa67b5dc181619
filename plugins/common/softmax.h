/* Arithmetic on the logits of one decision, in double precision. */
#ifndef COMMON_SOFTMAX_H
#define COMMON_SOFTMAX_H

#include <glib.h>

/* log_probabilities[i] = logits[i] - log sum exp(logits). */
void common_log_softmax(const float *logits, guint n, double *log_probabilities);

/* H = - sum p log p of a distribution given by its log-probabilities. */
double common_entropy(const double *log_probabilities, guint n);

/* KL(p || q) = sum p (log p - log q). */
double common_kl(const double *log_p, const double *log_q, guint n);

#endif
