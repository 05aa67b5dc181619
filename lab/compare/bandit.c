/* Conjugate posteriors of an arm's mean and draws from them. Nothing is kept but what the caller owns. The
 * posteriors are in Murphy 2007, "Conjugate Bayesian analysis of the Gaussian distribution", section 3, and
 * Gelman et al. 2013, 2.4. */
#include "lab/compare/bandit.h"
#include <math.h>

/* The Gaussian prior. */
#define PRIOR_MEAN   0.5
#define PRIOR_WEIGHT 1.0
#define PRIOR_SHAPE  2.0
#define PRIOR_SCALE  (1.0 / 12)

typedef struct {
  double mean, weight, shape, scale;
} NormalInverseGamma;

void cw_arm_add(CwArm *arm, double reward)
{
  double distance = reward - arm->mean;
  arm->pulls++;
  arm->mean += distance / (double)arm->pulls;
  arm->squares += distance * (reward - arm->mean);
}

static NormalInverseGamma posterior(const CwArm *arm)
{
  double n = (double)arm->pulls, weight = PRIOR_WEIGHT + n, distance = arm->mean - PRIOR_MEAN;
  if (arm->pulls == 0)
    return (NormalInverseGamma){PRIOR_MEAN, PRIOR_WEIGHT, PRIOR_SHAPE, PRIOR_SCALE};
  return (NormalInverseGamma){
      (PRIOR_WEIGHT * PRIOR_MEAN + n * arm->mean) / weight, weight, PRIOR_SHAPE + n / 2,
      PRIOR_SCALE + arm->squares / 2 + PRIOR_WEIGHT * n * distance * distance / (2 * weight)};
}

/* The two parameters of the Beta posterior. */
static void successes_and_failures(const CwArm *arm, double *a, double *b)
{
  double successes = arm->mean * (double)arm->pulls;
  *a = 1 + successes;
  *b = 1 + (double)arm->pulls - successes;
}

CwBelief cw_arm_belief(CwBanditKind kind, const CwArm *arm)
{
  if (kind == CW_BANDIT_BERNOULLI) {
    double a, b;
    successes_and_failures(arm, &a, &b);
    return (CwBelief){a / (a + b), sqrt(a * b / (a + b + 1)) / (a + b)};
  }
  NormalInverseGamma belief = posterior(arm);

  return (CwBelief){belief.mean, sqrt(belief.scale / (belief.shape - 1) / belief.weight)};
}

double cw_random_gamma(CwRandom *random, double shape)
{
  double d, c;
  if (shape < 1) {
    double below_one = cw_random_gamma(random, shape + 1);
    return below_one * pow(1 - cw_random_uniform(random), 1 / shape);
  }
  d = shape - 1.0 / 3;
  c = 1 / sqrt(9 * d);
  for (;;) {
    double x = cw_random_normal(random), v = 1 + c * x, u;
    if (v <= 0)
      continue;
    v = v * v * v;
    u = 1 - cw_random_uniform(random); /* (0, 1] */
    if (log(u) < 0.5 * x * x + d - d * v + d * log(v))
      return d * v;
  }
}

double cw_arm_draw(CwBanditKind kind, const CwArm *arm, CwRandom *random)
{
  if (kind == CW_BANDIT_BERNOULLI) {
    double a, b, x;
    successes_and_failures(arm, &a, &b);
    x = cw_random_gamma(random, a);
    return x / (x + cw_random_gamma(random, b));
  }
  NormalInverseGamma belief = posterior(arm);
  double precision = cw_random_gamma(random, belief.shape) / belief.scale;

  return belief.mean + cw_random_normal(random) / sqrt(belief.weight * precision);
}

guint cw_bandit_choose(CwBanditKind kind, const CwArm *arms, guint n_arms, CwRandom *random)
{
  double highest = -INFINITY;
  guint chosen = 0;
  for (guint i = 0; i < n_arms; i++) {
    double draw = cw_arm_draw(kind, &arms[i], random);
    if (draw > highest) {
      highest = draw;
      chosen = i;
    }
  }
  return chosen;
}
