/* The losses of preference pairs, each a function of the margin alone. */
#include "plugins/dpo/dpo.h"
#include <math.h>

/* log(1 + exp(x)) and 1 / (1 + exp(-x)) without overflow. */
static double softplus(double x)
{
  return fmax(x, 0) + log1p(exp(-fabs(x)));
}

static double sigmoid(double x)
{
  return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

double dpo_loss(DpoLoss kind, double beta, double label_smoothing, double margin, double *derivative)
{
  double scaled = beta * margin, smoothing = kind == DPO_CONSERVATIVE ? label_smoothing : 0;

  switch (kind) {
  case DPO_IPO:
    *derivative = 2 * (margin - 1 / (2 * beta));
    return *derivative * *derivative / 4;
  case DPO_HINGE:
    *derivative = scaled < 1 ? -beta : 0;
    return fmax(0, 1 - scaled);
  case DPO_SIGMOID:
  case DPO_CONSERVATIVE:
    break;
  }
  *derivative = beta * (smoothing * sigmoid(scaled) - (1 - smoothing) * sigmoid(-scaled));
  return (1 - smoothing) * softplus(-scaled) + smoothing * softplus(scaled);
}
