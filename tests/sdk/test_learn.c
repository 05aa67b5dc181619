/* The pure functions of cartwright/learn.h: losses against finite differences and closed forms, advantages
 * against their formulas, orders and what is held out. */
#include <cartwright/learn.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define N 5 /* candidates */

static void assert_near(double value, double expected, double tolerance)
{
  if (!(fabs(value - expected) <= tolerance))
    fail_msg("expected %.17g, found %.17g", expected, value);
}

/* One item of a ratio method with everything drawn at random. */
typedef struct {
  CwDecision decision;
  CwStep step;
  CwView view;
  CwRatioOptions options;
  CwRatio ratio;
  double log_p[N], reference[N], advantage, weight, old, old_value;
} Case;

static void draw_case(CwRandom *random, Case *c)
{
  *c = (Case){.decision = {.n_candidates = N}};
  c->step = (CwStep){.decision = &c->decision, .chosen = cw_random_below(random, N)};
  float logits[N];
  for (guint k = 0; k < N; k++)
    logits[k] = (float)cw_random_normal(random);
  cw_log_probabilities(logits, N, c->log_p);
  for (guint k = 0; k < N; k++)
    logits[k] = (float)cw_random_normal(random);
  cw_log_probabilities(logits, N, c->reference);
  c->advantage = cw_random_normal(random);
  c->weight = 0.5 + cw_random_uniform(random);
  c->old = c->log_p[c->step.chosen] + 0.5 * cw_random_normal(random);
  c->ratio = (CwRatio){.options = &c->options,
                       .advantage = &c->advantage,
                       .policy_weight = &c->weight,
                       .old_log_probability = &c->old,
                       .old_value = &c->old_value};
  c->view = (CwView){.step = &c->step,
                     .n = N,
                     .log_p = c->log_p,
                     .reference = c->reference,
                     .log_probability = c->log_p[c->step.chosen],
                     .reference_log_probability = c->reference[c->step.chosen],
                     .entropy = cw_random_uniform(random),
                     .uniform = cw_random_uniform(random),
                     .kl = cw_random_uniform(random)};
}

static double loss_at(const Case *c, CwSlopes *slopes)
{
  static double log_p[N], logits[N], report[CW_MOST_REPORTS];
  *slopes = (CwSlopes){.log_p = log_p, .logits = logits, .report = report};
  return cw_ratio_loss(&c->view, slopes, &c->ratio);
}

/* The slope of the loss in one number of the view. */
static double difference(Case *c, double *number)
{
  CwSlopes slopes;
  double at = *number, high, low;
  *number = at + 1e-6;
  high = loss_at(c, &slopes);
  *number = at - 1e-6;
  low = loss_at(c, &slopes);
  *number = at;
  return (high - low) / 2e-6;
}

static void test_ratio_loss_has_the_slopes_of_finite_differences(void **state)
{
  static const CwRatioOptions options[] = {
      {0},
      {.clip = 0.2},
      {.clip = 0.2, .entropy_coefficient = 0.6},
      {.reference_coefficient = 0.8, .reference_kl = CW_KL_EXACT},
      {.reference_coefficient = 0.8, .reference_kl = CW_KL_K3},
  };
  CwRandom *random = cw_random_new(3, "losses", 0, 0);
  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(options); i++)
    for (guint trial = 0; trial < 200; trial++) {
      Case c;
      CwSlopes slopes;
      draw_case(random, &c);
      c.options = options[i];
      c.ratio.uniform_coefficient = i == 2 ? 0.4 : 0;
      c.ratio.clip_high = i == 1 ? 0.4 : 0;
      loss_at(&c, &slopes);
      if (fabs(exp(c.view.log_probability - c.old) - 1 - 0.2) < 1e-4 ||
          fabs(exp(c.view.log_probability - c.old) - 1 - 0.4) < 1e-4 ||
          fabs(exp(c.view.log_probability - c.old) - 1 + 0.2) < 1e-4)
        continue; /* a kink is near */
      assert_near(slopes.log_probability, difference(&c, &c.view.log_probability), 1e-5);
      assert_near(slopes.entropy, difference(&c, &c.view.entropy), 1e-5);
      assert_near(slopes.uniform, difference(&c, &c.view.uniform), 1e-5);
      assert_near(slopes.kl, difference(&c, &c.view.kl), 1e-5);
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
  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    double slope, loss = cw_clipped_ratio(log(0.5), log(0.5) - log(cases[i].ratio), cases[i].advantage, 0.2,
                                          0.2, &slope);
    assert_near(loss, cases[i].loss, 1e-12);
    assert_near(slope, cases[i].clipped ? 0 : -cases[i].ratio * cases[i].advantage, 1e-12);
  }
}

/* Over draws from p, k3 averages to KL(p || q) and is never negative. */
static void test_k3_estimates_the_divergence(void **state)
{
  CwRandom *random = cw_random_new(5, "losses", 0, 0);
  const float p[] = {0.3f, -0.5f, 0.9f, 0, 0.1f}, q[] = {0.3f, -0.5f, 1.4f, 0, 0.1f};
  double log_p[N], log_q[N], k3 = 0, kl = 0, slope;
  const guint n = 20000;
  (void)state;
  cw_log_probabilities(p, N, log_p);
  cw_log_probabilities(q, N, log_q);
  for (guint k = 0; k < N; k++)
    kl += exp(log_p[k]) * (log_p[k] - log_q[k]);
  for (guint i = 0; i < n; i++) {
    guint drawn = cw_random_categorical(random, p, N);
    double one = cw_k3(log_p[drawn], log_q[drawn], NULL);
    assert_true(one >= 0);
    k3 += one / n;
  }
  assert_near(k3, kl, 1e-3);
  cw_k3(-1, -2, &slope);
  assert_near(slope, (cw_k3(-1 + 1e-6, -2, NULL) - cw_k3(-1 - 1e-6, -2, NULL)) / 2e-6, 1e-6);
  cw_random_free(random);
}

/* The factors of ten updates. */
static void test_schedules(void **state)
{
  static const struct {
    CwSchedule schedule;
    double warmup, factors[10];
  } cases[] = {
      {CW_SCHEDULE_CONSTANT, 0, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
      {CW_SCHEDULE_CONSTANT, 0.4, {0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1, 1}},
      {CW_SCHEDULE_LINEAR, 0, {1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1}},
      {CW_SCHEDULE_LINEAR, 0.5, {0.2, 0.4, 0.6, 0.8, 1, 1, 0.8, 0.6, 0.4, 0.2}},
      {CW_SCHEDULE_LINEAR, 1, {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1}},
      {CW_SCHEDULE_COSINE,
       0,
       {1, 0.97552825814757682, 0.90450849718747373, 0.79389262614623657, 0.65450849718747373, 0.5,
        0.34549150281252627, 0.20610737385376343, 0.095491502812526274, 0.024471741852423234}},
  };

  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
    for (guint k = 0; k < 10; k++) {
      CwLearningOptions options = {
          .learning_rate = 1, .schedule = cases[i].schedule, .warmup = cases[i].warmup};
      assert_near(cw_learning_rate(&options, k / 10.0, (k + 1) / 10.0), cases[i].factors[k], 1e-12);
      assert_near(cw_learning_rate_of_step(&options, k, 10), cases[i].factors[k], 1e-12);
    }
}

static void test_advantages_follow_their_formulas(void **state)
{
  CwStep steps[] = {{.reward = 1}, {.reward = 0}, {.reward = 2}};
  const CwStep *const pointers[] = {&steps[0], &steps[1], &steps[2]};
  const double values[] = {0.5, 1, 0.25}, log_ratio[] = {0, 0, 0};
  double gae[3], returns[3], targets[3], vtrace[3];
  (void)state;
  cw_advantages_gae(pointers, 3, values, 4, 0.5, 1, gae);
  cw_returns(pointers, 3, 4, 0.5, returns);
  /* With lambda 1 an advantage is the return minus the value. */
  for (guint t = 0; t < 3; t++)
    assert_near(gae[t], returns[t] - values[t], 1e-12);
  assert_near(returns[0], 1 + 0.5 * (0 + 0.5 * (2 + 0.5 * 4)), 1e-12);
  cw_advantages_gae(pointers, 3, values, 0, 0.5, 0, gae);
  assert_near(gae[0], 1 + 0.5 * 1 - 0.5, 1e-12);
  /* On policy, V-trace's targets are the returns. */
  cw_advantages_vtrace(pointers, 3, values, log_ratio, 4, 0.5, 1, 1, targets, vtrace);
  for (guint t = 0; t < 3; t++)
    assert_near(targets[t], returns[t], 1e-12);
  assert_near(vtrace[0], 1 + 0.5 * returns[1] - values[0], 1e-12);
}

static void test_batches_are_equal_and_an_epoch_repeats(void **state)
{
  g_auto(CwOrder) order = {0}, again = {0};
  guint8 seen[10] = {0};
  (void)state;
  cw_order_epoch(&order, 7, "test", 3, 10, 4);
  cw_order_epoch(&again, 7, "test", 3, 10, 4);
  assert_memory_equal(order.items, again.items, 10 * sizeof *order.items);
  assert_int_equal(cw_order_n_batches(&order), 3);
  for (guint b = 0; b < 3; b++) {
    guint n;
    const guint32 *batch = cw_order_batch(&order, b, &n);
    assert_true(n == 3 || n == 4);
    for (guint i = 0; i < n; i++) {
      seen[batch[i]]++;
      assert_true(i == 0 || batch[i] > batch[i - 1]);
    }
  }
  for (guint i = 0; i < 10; i++)
    assert_int_equal(seen[i], 1);
  cw_order_epoch(&again, 7, "test", 4, 10, 4);
  assert_true(memcmp(order.items, again.items, 10 * sizeof *order.items) != 0);
}

static void test_held_out_goals_do_not_depend_on_their_order(void **state)
{
  g_autoptr(GPtrArray) keys = g_ptr_array_new(), reversed = g_ptr_array_new();
  static const char *const names[] = {"a", "b", "c", "d", "e", "f", "a", "c"};
  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    g_ptr_array_add(keys, (gpointer)names[i]);
    g_ptr_array_add(reversed, (gpointer)names[G_N_ELEMENTS(names) - 1 - i]);
  }
  g_autoptr(GHashTable) one = cw_hold_out(keys, 0.34), other = cw_hold_out(reversed, 0.34),
                        none = cw_hold_out(keys, 0);
  assert_int_equal(g_hash_table_size(one), 2);
  assert_int_equal(g_hash_table_size(other), 2);
  assert_int_equal(g_hash_table_size(none), 0);
  GHashTableIter iter;
  gpointer key;
  g_hash_table_iter_init(&iter, one);
  while (g_hash_table_iter_next(&iter, &key, NULL))
    assert_true(g_hash_table_contains(other, key));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_ratio_loss_has_the_slopes_of_finite_differences),
      cmocka_unit_test(test_clip_acts_only_where_the_ratio_has_gone_to_advantage),
      cmocka_unit_test(test_k3_estimates_the_divergence),
      cmocka_unit_test(test_schedules),
      cmocka_unit_test(test_advantages_follow_their_formulas),
      cmocka_unit_test(test_batches_are_equal_and_an_epoch_repeats),
      cmocka_unit_test(test_held_out_goals_do_not_depend_on_their_order),
  };

  return cmocka_run_group_tests_name("learn", tests, NULL, NULL);
}
