/* Bandits: which of several arms pays best, found by Thompson sampling (Thompson 1933): draw a value for
 * every arm from what is believed of its mean, pull the arm with the highest. */
#ifndef CW_BANDIT_H
#define CW_BANDIT_H

#include <cartwright/random.h>

typedef enum {
  CW_BANDIT_BERNOULLI, /* rewards 0 or 1; prior of the mean: Beta(1, 1) */
  CW_BANDIT_GAUSSIAN   /* any reward; prior of mean and variance: normal-inverse-gamma
                        * with mean 1/2 of weight 1, shape 2, scale 1/12 (the variance of a
                        * uniform reward), so that the mean's posterior is Student's t */
} CwBanditKind;

/* What has been seen of an arm. Begin with zeroes. */
typedef struct {
  guint64 pulls;
  double mean;    /* of the rewards; 0 without any */
  double squares; /* sum of squared deviations from it (Welford 1962) */
} CwArm;

void cw_arm_add(CwArm *arm, double reward);

/* What is believed of the arm's mean. */
typedef struct {
  double mean, deviation; /* of the posterior */
} CwBelief;

CwBelief cw_arm_belief(CwBanditKind kind, const CwArm *arm);
/* A draw from it. */
double cw_arm_draw(CwBanditKind kind, const CwArm *arm, CwRandom *random);

/* The arm to pull next. n_arms > 0. */
guint cw_bandit_choose(CwBanditKind kind, const CwArm *arms, guint n_arms, CwRandom *random);

/* A draw from Gamma(shape, 1) (Marsaglia and Tsang 2000); shape > 0. */
double cw_random_gamma(CwRandom *random, double shape);

#endif
