/* Thompson sampling: draws have the moments of their distributions, and the better arm wins. */
#include "lab/compare/bandit.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void assert_near(double value, double expected, double tolerance)
{
  if (!(fabs(value - expected) <= tolerance))
    fail_msg("expected %.17g, found %.17g", expected, value);
}

static CwArm arm_of(guint zeros, guint ones)
{
  CwArm arm = {0};
  for (guint i = 0; i < zeros; i++)
    cw_arm_add(&arm, 0);
  for (guint i = 0; i < ones; i++)
    cw_arm_add(&arm, 1);
  return arm;
}

static void test_an_arm_keeps_count_mean_and_spread(void **state)
{
  CwArm arm = {0};
  (void)state;
  cw_arm_add(&arm, 0.25);
  cw_arm_add(&arm, 0.5);
  cw_arm_add(&arm, 0.75);
  assert_int_equal(arm.pulls, 3);
  assert_near(arm.mean, 0.5, 1e-15);
  assert_near(arm.squares, 0.125, 1e-15);
}

/* Beta(1 + 7, 1 + 3): mean 8/12, variance 8·4/(12²·13). */
static void test_the_belief_about_a_rate_is_beta(void **state)
{
  CwArm arm = arm_of(3, 7), none = {0};
  CwBelief belief = cw_arm_belief(CW_BANDIT_BERNOULLI, &arm);
  (void)state;
  assert_near(belief.mean, 8.0 / 12, 1e-15);
  assert_near(belief.deviation, sqrt(32.0 / (144 * 13)), 1e-15);
  belief = cw_arm_belief(CW_BANDIT_BERNOULLI, &none);
  assert_near(belief.mean, 0.5, 0);
  assert_near(belief.deviation, sqrt(1.0 / 12), 1e-15);
}

/* By hand: rewards 0.2 and 0.6; weight 3, mean 1.3/3, shape 3, scale 1/12 + 0.04 + 1·2·0.1²/(2·3). */
static void test_the_belief_about_a_score_is_normal_inverse_gamma(void **state)
{
  CwArm arm = {0};
  CwBelief belief;
  double scale = 1.0 / 12 + 0.04 + 0.02 / 6;
  (void)state;
  cw_arm_add(&arm, 0.2);
  cw_arm_add(&arm, 0.6);
  belief = cw_arm_belief(CW_BANDIT_GAUSSIAN, &arm);
  assert_near(belief.mean, 1.3 / 3, 1e-15);
  assert_near(belief.deviation, sqrt(scale / 2 / 3), 1e-15);
}

static void test_draws_have_the_moments_of_the_belief(void **state)
{
  CwRandom *random = cw_random_new(5, "test", 0, 0);
  CwArm arm = arm_of(13, 7);
  (void)state;
  for (CwBanditKind kind = CW_BANDIT_BERNOULLI; kind <= CW_BANDIT_GAUSSIAN; kind++) {
    CwBelief belief = cw_arm_belief(kind, &arm);
    double sum = 0, squares = 0;
    guint n = 200000;
    for (guint i = 0; i < n; i++) {
      double draw = cw_arm_draw(kind, &arm, random);
      sum += draw;
      squares += draw * draw;
    }
    assert_near(sum / n, belief.mean, 6 * belief.deviation / sqrt(n));
    assert_near(sqrt(squares / n - sum / n * sum / n), belief.deviation, 0.02 * belief.deviation);
  }
  cw_random_free(random);
}

static void test_gamma_draws_have_mean_and_variance_of_their_shape(void **state)
{
  static const double shapes[] = {0.4, 1, 3.5, 50};
  CwRandom *random = cw_random_new(6, "test", 0, 0);
  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(shapes); i++) {
    double sum = 0, squares = 0, shape = shapes[i];
    guint n = 200000;
    for (guint j = 0; j < n; j++) {
      double draw = cw_random_gamma(random, shape);
      assert_true(draw >= 0);
      sum += draw;
      squares += draw * draw;
    }
    assert_near(sum / n, shape, 6 * sqrt(shape / n));
    assert_near(squares / n - sum / n * sum / n, shape, 0.05 * shape);
  }
  cw_random_free(random);
}

/* Pulls in `n` rounds over arms that pay 1 at the given rates, or a spread reward of that mean. */
static void play(CwBanditKind kind, const double *rates, guint n_arms, guint n, guint32 seed, CwArm *arms)
{
  CwRandom *random = cw_random_new(seed, "bandit", 0, 0), *payer = cw_random_new(seed, "payer", 0, 0);
  for (guint i = 0; i < n_arms; i++)
    arms[i] = (CwArm){0};
  for (guint i = 0; i < n; i++) {
    guint chosen = cw_bandit_choose(kind, arms, n_arms, random);
    double luck = cw_random_uniform(payer);
    cw_arm_add(&arms[chosen],
               kind == CW_BANDIT_BERNOULLI ? luck < rates[chosen] : rates[chosen] + 0.4 * (luck - 0.5));
  }
  cw_random_free(random);
  cw_random_free(payer);
}

static void test_the_better_arm_gets_nearly_all_pulls(void **state)
{
  static const double rates[] = {0.2, 0.5, 0.35};
  (void)state;
  for (CwBanditKind kind = CW_BANDIT_BERNOULLI; kind <= CW_BANDIT_GAUSSIAN; kind++) {
    for (guint32 seed = 1; seed <= 5; seed++) {
      CwArm arms[3];
      play(kind, rates, 3, 2000, seed, arms);
      assert_int_equal(arms[0].pulls + arms[1].pulls + arms[2].pulls, 2000);
      assert_true(arms[1].pulls > 1600);
      assert_true(arms[0].pulls > 0 && arms[2].pulls > 0);
      assert_near(arms[1].mean, 0.5, 0.05);
    }
  }
}

static void test_equal_seeds_pull_the_same(void **state)
{
  static const double rates[] = {0.4, 0.5};
  CwArm once[2], again[2], other[2];
  (void)state;
  for (CwBanditKind kind = CW_BANDIT_BERNOULLI; kind <= CW_BANDIT_GAUSSIAN; kind++) {
    play(kind, rates, 2, 300, 9, once);
    play(kind, rates, 2, 300, 9, again);
    play(kind, rates, 2, 300, 10, other);
    assert_memory_equal(once, again, sizeof once);
    assert_memory_not_equal(once, other, sizeof once);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_an_arm_keeps_count_mean_and_spread),
      cmocka_unit_test(test_the_belief_about_a_rate_is_beta),
      cmocka_unit_test(test_the_belief_about_a_score_is_normal_inverse_gamma),
      cmocka_unit_test(test_draws_have_the_moments_of_the_belief),
      cmocka_unit_test(test_gamma_draws_have_mean_and_variance_of_their_shape),
      cmocka_unit_test(test_the_better_arm_gets_nearly_all_pulls),
      cmocka_unit_test(test_equal_seeds_pull_the_same),
  };

  return cmocka_run_group_tests_name("bandit", tests, NULL, NULL);
}
