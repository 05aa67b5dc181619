/* The losses as functions of logits, values and margins, against finite differences and against what can be
 * said of them in closed form. */
#include "plugins/common/schedule.h"
#include "plugins/common/softmax.h"
#include "plugins/common/surrogate_loss.h"
#include "plugins/dpo/dpo.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define N 5 /* candidates */
#define H 1e-3f

static void assert_near(double value, double expected, double tolerance)
{
  if (!(fabs(value - expected) <= tolerance))
    fail_msg("expected %.17g, found %.17g", expected, value);
}

/* A decision with everything drawn at random. */
typedef struct {
  CwDecision decision;
  SurrogateItem item;
  double reference[N];
  float logits[N];
  double value;
} Case;

static void draw_case(CwRandom *random, Case *c)
{
  float reference[N], old[N];
  double log_old[N];
  memset(c, 0, sizeof *c);
  for (guint k = 0; k < N; k++) {
    c->logits[k] = (float)cw_random_normal(random);
    reference[k] = (float)cw_random_normal(random);
    old[k] = c->logits[k] + 0.5f * (float)cw_random_normal(random);
  }
  common_log_softmax(reference, N, c->reference);
  common_log_softmax(old, N, log_old);
  c->decision.n_candidates = N;
  c->item.decision = &c->decision;
  c->item.chosen = cw_random_below(random, N);
  c->item.old_log_probability = log_old[c->item.chosen];
  c->item.advantage = cw_random_normal(random);
  c->item.weight = 0.5 + cw_random_uniform(random);
  c->item.value_target = cw_random_normal(random);
  c->item.old_value = cw_random_normal(random);
  c->item.reference = c->reference;
  c->value = c->item.old_value + 0.5 * cw_random_normal(random);
}

/* Finite differences of surrogate_loss in all logits and in the value, 200 times. */
static void check_surrogate(const SurrogateTerms *terms, guint *n_clipped)
{
  CwRandom *random = cw_random_new(3, "losses", 0, 0);
  for (guint trial = 0; trial < 200; trial++) {
    float dlogits[N], dvalue;
    SurrogateLoss loss, other;
    Case c;
    draw_case(random, &c);
    surrogate_loss(terms, &c.item, c.logits, c.value, 3, dlogits, &dvalue, &loss);
    *n_clipped += loss.clipped ? 1 : 0;
    for (guint k = 0; k < N; k++) {
      float at = c.logits[k], above = at + H, below = at - H;
      double high, low;
      c.logits[k] = above;
      high = surrogate_loss(terms, &c.item, c.logits, c.value, 3, NULL, NULL, &other);
      if (other.clipped != loss.clipped)
        continue; /* a kink lies in between */
      c.logits[k] = below;
      low = surrogate_loss(terms, &c.item, c.logits, c.value, 3, NULL, NULL, &other);
      c.logits[k] = at;
      if (other.clipped == loss.clipped)
        assert_near(dlogits[k], 3 * (high - low) / ((double)above - below), 1e-4);
    }
    if (fabs(fabs(c.value - c.item.old_value) - terms->value_clip) > 2e-3) {
      double high = surrogate_loss(terms, &c.item, c.logits, c.value + 1e-4, 3, NULL, NULL, &other);
      double low = surrogate_loss(terms, &c.item, c.logits, c.value - 1e-4, 3, NULL, NULL, &other);
      assert_near(dvalue, 3 * (high - low) / 2e-4, 1e-4);
    }
  }
  cw_random_free(random);
}

static void test_every_term_has_the_gradient_of_finite_differences(void **state)
{
  static const SurrogateTerms terms[] = {
      {0},
      {.clip_low = 0.2, .clip_high = 0.2},
      {.clip_low = 0.1, .clip_high = 0.4},
      {.value_coefficient = 0.7},
      {.value_coefficient = 0.7, .value_clip = 0.3},
      {.entropy_coefficient = 0.6},
      {.uniform_coefficient = 0.4},
      {.reference_coefficient = 0.8, .reference_kl = SURROGATE_KL_EXACT},
      {.reference_coefficient = 0.8, .reference_kl = SURROGATE_KL_K3},
      {0.2, 0.3, 0.5, 0.2, 0.1, 0.1, 0.2, SURROGATE_KL_EXACT},
  };

  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(terms); i++) {
    guint n_clipped = 0;
    check_surrogate(&terms[i], &n_clipped);
    assert_true(terms[i].clip_low > 0 ? n_clipped > 20 : n_clipped == 0);
  }
}

static void test_ratio_of_equal_policies_is_exactly_one(void **state)
{
  static const SurrogateTerms terms = {.clip_low = 0.2, .clip_high = 0.2};
  CwRandom *random = cw_random_new(4, "losses", 0, 0);
  (void)state;
  for (guint trial = 0; trial < 1000; trial++) {
    double log_p[N];
    SurrogateLoss loss;
    Case c;
    draw_case(random, &c);
    common_log_softmax(c.logits, N, log_p);
    c.item.old_log_probability = log_p[c.item.chosen];
    surrogate_loss(&terms, &c.item, c.logits, c.value, 1, NULL, NULL, &loss);
    assert_true(loss.ratio == 1 && loss.k1 == 0 && loss.k3 == 0 && !loss.clipped);
  }
  cw_random_free(random);
}

/* A clipped action has neither gradient nor a loss that depends on the ratio. */
static void test_clip_acts_only_where_the_ratio_has_gone_to_advantage(void **state)
{
  static const struct {
    double ratio, advantage, loss;
    gboolean clipped;
  } cases[] = {{1.5, 2, -2.4, TRUE}, {1.5, -2, 3, FALSE},   {0.5, 2, -1, FALSE},
               {0.5, -2, 1.6, TRUE}, {1.1, 2, -2.2, FALSE}, {0.9, -2, 1.8, FALSE}};
  static const SurrogateTerms terms = {.clip_low = 0.2, .clip_high = 0.2};
  CwDecision decision = {.n_candidates = 2};
  const float logits[] = {0, 0};

  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    SurrogateItem item = {.decision = &decision, .advantage = cases[i].advantage, .weight = 1};
    float dlogits[2];
    SurrogateLoss loss;
    item.old_log_probability = log(0.5) - log(cases[i].ratio);
    assert_near(surrogate_loss(&terms, &item, logits, 0, 1, dlogits, NULL, &loss), cases[i].loss, 1e-12);
    assert_int_equal(loss.clipped, cases[i].clipped);
    assert_near(dlogits[0], cases[i].clipped ? 0 : -0.5 * cases[i].ratio * cases[i].advantage, 1e-6);
    assert_near(dlogits[1], -dlogits[0], 1e-6);
  }
}

static void test_a_single_candidate_has_a_value_loss_only(void **state)
{
  static const SurrogateTerms terms = {0.2, 0.2, 1, 0, 1, 1, 1, SURROGATE_KL_EXACT};
  CwDecision decision = {.n_candidates = 1};
  SurrogateItem item = {.decision = &decision, .advantage = 5, .value_target = 3};
  const float logit = 7;
  float dlogit = 1, dvalue;
  SurrogateLoss loss;
  (void)state;
  assert_near(surrogate_loss(&terms, &item, &logit, 1, 1, &dlogit, &dvalue, &loss), 2, 1e-12);
  assert_true(dlogit == 0 && loss.policy == 0 && loss.entropy == 0 && loss.reference_kl == 0);
  assert_near(dvalue, -2, 1e-6);
}

/* Over draws from pi_old, k1 and k3 average to KL(pi_old || pi), and k3 is never negative. */
static void test_kl_estimators_estimate_the_divergence(void **state)
{
  static const SurrogateTerms terms = {0};
  CwRandom *random = cw_random_new(5, "losses", 0, 0);
  const float old[] = {0.3f, -0.5f, 0.9f, 0, 0.1f};
  double log_old[N], log_p[N], k1 = 0, k3 = 0;
  const guint n = 20000;
  Case c;
  (void)state;
  draw_case(random, &c);
  common_log_softmax(old, N, log_old);
  for (guint k = 0; k < N; k++)
    c.logits[k] = old[k] + (k == 2 ? 0.5f : 0);
  common_log_softmax(c.logits, N, log_p);
  for (guint i = 0; i < n; i++) {
    SurrogateLoss loss;
    c.item.chosen = cw_random_categorical(random, old, N);
    c.item.old_log_probability = log_old[c.item.chosen];
    surrogate_loss(&terms, &c.item, c.logits, 0, 1, NULL, NULL, &loss);
    assert_true(loss.k3 >= 0);
    k1 += loss.k1 / n;
    k3 += loss.k3 / n;
  }
  assert_near(k1, common_kl(log_old, log_p, N), 5e-3);
  assert_near(k3, common_kl(log_old, log_p, N), 1e-3);
  cw_random_free(random);
}

static const DpoLoss kinds[] = {DPO_SIGMOID, DPO_IPO, DPO_HINGE, DPO_CONSERVATIVE};

static void test_every_preference_loss_has_the_gradient_of_finite_differences(void **state)
{
  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
    for (double margin = -30; margin < 30; margin += 0.37) {
      double derivative, unused, h = 1e-5;
      double high = dpo_loss(kinds[i], 0.3, 0.15, margin + h, &unused);
      double low = dpo_loss(kinds[i], 0.3, 0.15, margin - h, &unused);
      dpo_loss(kinds[i], 0.3, 0.15, margin, &derivative);
      if (kinds[i] != DPO_HINGE || fabs(0.3 * margin - 1) > 1e-3)
        assert_near(derivative, (high - low) / (2 * h), 1e-6 * (1 + fabs(derivative)));
    }
  }
}

static void test_preference_losses_at_known_margins(void **state)
{
  double derivative;
  (void)state;
  assert_near(dpo_loss(DPO_SIGMOID, 0.1, 0.3, 0, &derivative), log(2), 1e-15);
  assert_near(derivative, -0.05, 1e-15); /* label_smoothing is the conservative loss's alone */
  assert_near(dpo_loss(DPO_CONSERVATIVE, 0.1, 0.3, 0, &derivative), log(2), 1e-15);
  assert_near(derivative, -0.1 * 0.2, 1e-15);
  assert_near(dpo_loss(DPO_CONSERVATIVE, 2, 0.2, log(4) / 2, &derivative), -0.8 * log(0.8) - 0.2 * log(0.2),
              1e-12);
  assert_near(derivative, 0, 1e-12);
  assert_near(dpo_loss(DPO_HINGE, 0.5, 0, 0, &derivative), 1, 0);
  assert_near(derivative, -0.5, 0);
  assert_near(dpo_loss(DPO_HINGE, 0.5, 0, 2.5, &derivative), 0, 0);
  assert_near(derivative, 0, 0);
  assert_near(dpo_loss(DPO_IPO, 0.25, 0, 0, &derivative), 4, 1e-12);
  assert_near(dpo_loss(DPO_IPO, 0.25, 0, 2, &derivative), 0, 1e-12);
  assert_near(derivative, 0, 1e-12);
}

/* Neither overflow nor a NaN at the ends. */
static void test_preference_losses_stay_finite_at_huge_margins(void **state)
{
  double derivative;
  (void)state;
  assert_near(dpo_loss(DPO_SIGMOID, 1, 0, 1e6, &derivative), 0, 0);
  assert_near(derivative, 0, 0);
  assert_near(dpo_loss(DPO_SIGMOID, 1, 0, -1e6, &derivative), 1e6, 1e-6);
  assert_near(derivative, -1, 0);
  assert_near(dpo_loss(DPO_CONSERVATIVE, 1, 0.25, 1e6, &derivative), 0.25e6, 1e-6);
  assert_near(derivative, 0.25, 0);
}

/* The factors of ten updates. */
static void test_schedules(void **state)
{
  static const struct {
    CommonSchedule schedule;
    double warmup, factors[10];
  } cases[] = {
      {COMMON_CONSTANT, 0, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
      {COMMON_CONSTANT, 0.4, {0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1, 1}},
      {COMMON_LINEAR, 0, {1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1}},
      {COMMON_LINEAR, 0.5, {0.2, 0.4, 0.6, 0.8, 1, 1, 0.8, 0.6, 0.4, 0.2}},
      {COMMON_LINEAR, 1, {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1}},
      {COMMON_COSINE,
       0,
       {1, 0.97552825814757682, 0.90450849718747373, 0.79389262614623657, 0.65450849718747373, 0.5,
        0.34549150281252627, 0.20610737385376343, 0.095491502812526274, 0.024471741852423234}},
  };

  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
    for (guint k = 0; k < 10; k++)
      assert_near(common_schedule(cases[i].schedule, cases[i].warmup, k / 10.0, (k + 1) / 10.0),
                  cases[i].factors[k], 1e-12);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_term_has_the_gradient_of_finite_differences),
      cmocka_unit_test(test_ratio_of_equal_policies_is_exactly_one),
      cmocka_unit_test(test_clip_acts_only_where_the_ratio_has_gone_to_advantage),
      cmocka_unit_test(test_a_single_candidate_has_a_value_loss_only),
      cmocka_unit_test(test_kl_estimators_estimate_the_divergence),
      cmocka_unit_test(test_every_preference_loss_has_the_gradient_of_finite_differences),
      cmocka_unit_test(test_preference_losses_at_known_margins),
      cmocka_unit_test(test_preference_losses_stay_finite_at_huge_margins),
      cmocka_unit_test(test_schedules),
  };

  return cmocka_run_group_tests_name("losses", tests, NULL, NULL);
}
