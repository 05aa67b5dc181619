/* The losses of preference pairs as functions of the margin, against finite differences and against what can
 * be said of them in closed form. The plugin's file is part of this one, so that nothing of it need be seen
 * outside. */
#include "plugins/dpo/dpo.c"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void assert_near(double value, double expected, double tolerance)
{
  if (!(fabs(value - expected) <= tolerance))
    fail_msg("expected %.17g, found %.17g", expected, value);
}

static double loss_of(DpoLoss kind, double beta, double label_smoothing, double margin, double *slope)
{
  Options options = {.loss = (gint)kind, .beta = beta, .label_smoothing = label_smoothing};
  return loss_of_margin(&options, margin, slope);
}

static const DpoLoss kinds[] = {DPO_SIGMOID, DPO_IPO, DPO_HINGE, DPO_CONSERVATIVE};

static void test_every_preference_loss_has_the_gradient_of_finite_differences(void **state)
{
  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
    for (double margin = -30; margin < 30; margin += 0.37) {
      double derivative, unused, h = 1e-5;
      double high = loss_of(kinds[i], 0.3, 0.15, margin + h, &unused);
      double low = loss_of(kinds[i], 0.3, 0.15, margin - h, &unused);
      loss_of(kinds[i], 0.3, 0.15, margin, &derivative);
      if (kinds[i] != DPO_HINGE || fabs(0.3 * margin - 1) > 1e-3)
        assert_near(derivative, (high - low) / (2 * h), 1e-6 * (1 + fabs(derivative)));
    }
  }
}

static void test_preference_losses_at_known_margins(void **state)
{
  double derivative;
  (void)state;
  assert_near(loss_of(DPO_SIGMOID, 0.1, 0.3, 0, &derivative), log(2), 1e-15);
  assert_near(derivative, -0.05, 1e-15); /* label_smoothing is the conservative loss's alone */
  assert_near(loss_of(DPO_CONSERVATIVE, 0.1, 0.3, 0, &derivative), log(2), 1e-15);
  assert_near(derivative, -0.1 * 0.2, 1e-15);
  assert_near(loss_of(DPO_CONSERVATIVE, 2, 0.2, log(4) / 2, &derivative), -0.8 * log(0.8) - 0.2 * log(0.2),
              1e-12);
  assert_near(derivative, 0, 1e-12);
  assert_near(loss_of(DPO_HINGE, 0.5, 0, 0, &derivative), 1, 0);
  assert_near(derivative, -0.5, 0);
  assert_near(loss_of(DPO_HINGE, 0.5, 0, 2.5, &derivative), 0, 0);
  assert_near(derivative, 0, 0);
  assert_near(loss_of(DPO_IPO, 0.25, 0, 0, &derivative), 4, 1e-12);
  assert_near(loss_of(DPO_IPO, 0.25, 0, 2, &derivative), 0, 1e-12);
  assert_near(derivative, 0, 1e-12);
}

/* Neither overflow nor a NaN at the ends. */
static void test_preference_losses_stay_finite_at_huge_margins(void **state)
{
  double derivative;
  (void)state;
  assert_near(loss_of(DPO_SIGMOID, 1, 0, 1e6, &derivative), 0, 0);
  assert_near(derivative, 0, 0);
  assert_near(loss_of(DPO_SIGMOID, 1, 0, -1e6, &derivative), 1e6, 1e-6);
  assert_near(derivative, -1, 0);
  assert_near(loss_of(DPO_CONSERVATIVE, 1, 0.25, 1e6, &derivative), 0.25e6, 1e-6);
  assert_near(derivative, 0.25, 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_preference_loss_has_the_gradient_of_finite_differences),
      cmocka_unit_test(test_preference_losses_at_known_margins),
      cmocka_unit_test(test_preference_losses_stay_finite_at_huge_margins),
  };

  return cmocka_run_group_tests_name("losses", tests, NULL, NULL);
}
