/* The gradients that whole updates hand to a policy. With the linear policy they are held against finite
 * differences, weight by weight, of the losses that the algorithms report; WebShop's actor-critic against its
 * formula. */
#include "tests/algorithms/tasks.h"
#include <math.h>

/* The plugin "linear" with 16 buckets, whose step notes the gradient instead of taking it. */
static CwPolicyVtable spy_vtable;
static CwRegisteredFeature spy;
static const CwPolicyVtable *linear;
static gpointer linear_options;
static GArray *noted; /* double: the last step's gradient, all tensors in a row */

static gpointer spy_open(gconstpointer options, guint32 seed, GError **error)
{
  (void)options;
  return linear->open(linear_options, seed, error);
}

static void note_gradient(const char *name, const gint64 *shape, guint n_dimensions, float *weights,
                          float *gradient, gpointer user_data)
{
  (void)name, (void)n_dimensions, (void)weights, (void)user_data;
  for (gint64 i = 0; i < shape[0]; i++) {
    double number = gradient[i];
    g_array_append_val(noted, number);
    gradient[i] = 0;
  }
}

static gboolean spy_step(gpointer policy, double learning_rate, double max_norm, double *gradient_norm,
                         GError **error)
{
  (void)learning_rate, (void)max_norm, (void)error;
  g_array_set_size(noted, 0);
  linear->edit_tensors(policy, CW_EDIT_GRADIENTS, note_gradient, NULL, NULL);
  *gradient_norm = 0;
  return TRUE;
}

static CwRegistry *registry;

static int open_spy(void **state)
{
  CwDiagnostics *diagnostics = cw_diagnostics_new();
  CwYamlNode *root = cw_yaml_parse_text("buckets: 16\ninitial_scale: 0.7\n", "spy", diagnostics);
  GError *error = NULL;
  (void)state;
  registry = cw_registry_new(NULL);
  spy = *cw_registry_find(registry, CW_FEATURE_POLICY, "linear", &error);
  linear = spy.vtable.policy;
  linear_options = cw_options_fill(&spy.options, root, NULL, "policy 'linear'", diagnostics);
  spy_vtable = *linear;
  spy_vtable.open = spy_open;
  spy_vtable.step = spy_step;
  spy.vtable.policy = &spy_vtable;
  noted = g_array_new(FALSE, FALSE, sizeof(double));
  cw_yaml_free(root);
  cw_diagnostics_free(diagnostics);
  return error ? -1 : 0;
}

static int close_spy(void **state)
{
  (void)state;
  cw_options_free(&spy.options, linear_options);
  cw_registry_free(registry);
  g_array_free(noted, TRUE);
  return 0;
}

/* Adds `amount` to weight number `index`, or to all of them something that depends on the number. */
typedef struct {
  gint64 index, at; /* index < 0: all */
  float amount;
} Nudge;

static void nudge_weights(const char *name, const gint64 *shape, guint n_dimensions, float *weights,
                          float *gradient, gpointer user_data)
{
  Nudge *nudge = user_data;
  (void)name, (void)n_dimensions, (void)gradient;
  for (gint64 i = 0; i < shape[0]; i++, nudge->at++) {
    if (nudge->index < 0)
      weights[i] += nudge->amount * sinf((float)nudge->at);
    else if (nudge->index == nudge->at)
      weights[i] += nudge->amount;
  }
}

/* Sessions of two to four decisions in which every number is made up; no decision has a single candidate. The
 * log-probabilities are as if an indifferent policy had acted. */
static void make_episodes(GPtrArray *list, guint n)
{
  static const Choice choices[] = {
      {"red shoe of leather, 9 dollars", {"buy it now", "a red shoe", "next page"}, 1, 0.25f},
      {"blue hat of wool", {"search wool", "a blue hat"}, 0, -0.5f},
      {"what is wanted: a green coat", {"coat", "green coat", "red coat", "a hat"}, 3, 0.125f},
      {"green coat with hood, 40 dollars", {"buy it now", "back", "hood"}, 2, 1},
      {"results for hood", {"next page", "a hood", "back"}, 0, 0.5f},
  };

  for (guint i = 0; i < n; i++) {
    Choice of_this[4];
    guint length = 2 + i % 3;
    CwTrajectory *trajectory;
    for (guint j = 0; j < length; j++) {
      of_this[j] = choices[(2 * i + j) % G_N_ELEMENTS(choices)];
      of_this[j].chosen = (of_this[j].chosen + i) % 2;
      of_this[j].reward += 0.1f * (float)(i % 5);
    }
    trajectory = add_trajectory(list, i % 4 < 2 ? "one" : "two", "policy", i % 2 == 0, of_this, length);
    trajectory->group = i % 4 < 2 ? 0 : 1;
    for (guint j = 0; j < length; j++) {
      CwStep *step = (CwStep *)trajectory->steps[j];
      step->log_probability = -logf((float)step->decision->n_candidates) + 0.2f * (float)((i + j) % 3) - 0.2f;
      step->value = 0.1f * (float)j;
    }
  }
}

typedef double (*LossOf)(const Stage *stage);

/* One update of a policy that has moved from the reference, and whose weight `index` is nudged; returns the
 * loss. */
static double loss_with(const char *algorithm, const char *yaml, LossOf loss_of, gint64 index, float amount)
{
  Stage *stage = stage_open(algorithm, yaml, NULL, &spy);
  Nudge moved = {.index = -1, .amount = 0.3f}, nudge = {.index = index, .amount = amount};
  double loss;
  make_episodes(cw_algorithm_needs(stage->feature, stage->options) & CW_NEEDS_TRAJECTORIES
                    ? stage->trajectories
                    : stage->episodes,
                8);
  cw_policy_edit_tensors(stage->policy, CW_EDIT_WEIGHTS, nudge_weights, &moved, NULL);
  if (index >= 0)
    cw_policy_edit_tensors(stage->policy, CW_EDIT_WEIGHTS, nudge_weights, &nudge, NULL);
  stage_update(stage);
  loss = loss_of(stage);
  stage_free(stage);
  return loss;
}

static void check_gradient(const char *algorithm, const char *yaml, LossOf loss_of)
{
  const float h = 4e-3f;
  double largest = 0;
  g_autofree double *gradient = NULL;
  guint n;
  loss_with(algorithm, yaml, loss_of, -1, 0);
  n = noted->len;
  assert_int_equal(n, 16 + 16 + 3 + 16 + 1);
  gradient = g_memdup2(noted->data, n * sizeof *gradient);
  for (guint i = 0; i < n; i++) {
    double high = loss_with(algorithm, yaml, loss_of, i, h), low = loss_with(algorithm, yaml, loss_of, i, -h);
    assert_near(gradient[i], (high - low) / (2 * (double)h), 3e-4);
    largest = fmax(largest, fabs(gradient[i]));
  }
  assert_true(largest > 0.02);
}

static double ppo_loss(const Stage *stage)
{
  return stage_metric(stage, "policy_loss") + 0.7 * stage_metric(stage, "value_loss") -
         0.1 * stage_metric(stage, "entropy") + 0.3 * stage_metric(stage, "uniform_loss") +
         0.4 * stage_metric(stage, "reference_kl");
}

static void test_ppo_with_linear(void **state)
{
  (void)state;
  check_gradient(
      "ppo",
      "epochs: 1\nminibatch_decisions: 0\nold_policy: recorded\nvalue_coefficient: 0.7\n"
      "entropy_coefficient: 0.1\nuniform_coefficient: 0.3\nreference_coefficient: 0.4\nbatch_tokens: 20\n",
      ppo_loss);
  check_gradient(
      "ppo",
      "epochs: 1\nminibatch_decisions: 0\nold_policy: recorded\nvalue_coefficient: 0.7\n"
      "entropy_coefficient: 0.1\nuniform_coefficient: 0.3\nreference_coefficient: 0.4\nreference_kl: k3\n"
      "clip: 0.05\n",
      ppo_loss);
}

static double grpo_loss(const Stage *stage)
{
  return stage_metric(stage, "policy_loss") - 0.2 * stage_metric(stage, "entropy") +
         0.5 * stage_metric(stage, "reference_kl");
}

static double grpo_policy_loss(const Stage *stage)
{
  return stage_metric(stage, "policy_loss");
}

static void test_grpo_with_linear(void **state)
{
  static const char *const aggregations[] = {"trajectory", "sum"};
  (void)state;
  check_gradient("grpo",
                 "epochs: 1\nminibatch_decisions: 0\nold_policy: recorded\nentropy_coefficient: 0.2\n"
                 "reference_coefficient: 0.5\nclip_high: 0.3\nbatch_tokens: 20\n",
                 grpo_loss);
  for (guint i = 0; i < 2; i++) {
    g_autofree char *yaml =
        g_strdup_printf("epochs: 1\nminibatch_decisions: 0\nold_policy: recorded\nclip: 0.1\n"
                        "normalize_std: false\naggregation: %s\n",
                        aggregations[i]);

    check_gradient("grpo", yaml, grpo_policy_loss);
  }
}

static double dpo_loss_metric(const Stage *stage)
{
  return stage_metric(stage, "loss");
}

static void test_dpo_with_linear(void **state)
{
  static const char *const granularities[] = {
      "granularity: decision\nupdate_trajectories: 3\n",
      "granularity: decision\nupdate_tokens: 60\nequal: keep\nresample: 0\n",
      "granularity: trajectory\nupdate_trajectories: 3\n",
      "granularity: trajectory\nlength_normalization: true\n"};
  static const char *const losses[] = {"sigmoid", "ipo", "hinge", "conservative"};

  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(granularities); i++) {
    for (guint j = 0; j < G_N_ELEMENTS(losses); j++) {
      g_autofree char *yaml =
          g_strdup_printf("%sloss: %s\nbeta: 0.3\nbatch_tokens: 20\n", granularities[i], losses[j]);

      check_gradient("dpo", yaml, dpo_loss_metric);
    }
  }
}

/* WebShop's loss (agent.py) over n decisions, with R_t the discounted return:
 *   (- sum of log pi(a) A + sum of A^2 + sum of sum p log p - il * sum of log pi, averaged over actions) / n,
 * A = R - V, held constant in the first term. */
static double webshop_loss(const Table *table, const Table *fixed, GPtrArray *episodes, double discount,
                           double il)
{
  double loss = 0;
  guint n = 0;
  for (guint i = 0; i < episodes->len; i++) {
    const CwTrajectory *episode = episodes->pdata[i];
    double value = 0;
    for (guint j = episode->n_steps; j-- > 0;) {
      const CwStep *step = episode->steps[j];
      guint row = (guint)atoi(step->decision->observation + 1), size = step->decision->n_candidates;
      value = step->reward + discount * value;
      loss -= log(table_probability(table, row, size, step->chosen)) * (value - fixed->values[row]);
      loss += pow(value - table->values[row], 2);
      for (guint k = 0; k < size; k++) {
        double p = table_probability(table, row, size, k);
        loss += p * log(p) - il * log(p) / size;
      }
      n++;
    }
  }
  return loss / n;
}

static void test_options_make_webshops_actor_critic(void **state)
{
  Table *table = new_table(), *fixed;
  Stage *stage = stage_open("ppo",
                            "epochs: 1\nminibatch_decisions: 0\nclip: 0\nlambda: 1\ndiscount: 0.9\n"
                            "normalize_advantages: false\nvalue_coefficient: 2\nentropy_coefficient: 1\n"
                            "uniform_coefficient: 0.5\nmax_gradient_norm: 10\nbatch_tokens: 40\n",
                            make_rows(0), table_feature());
  const float h = 1e-2f;

  (void)state;
  table->fixed = TRUE;
  fixed = g_memdup2(table, sizeof *table);
  g_ptr_array_unref(stage->episodes);
  stage->episodes = make_rows(6);
  stage_update(stage);
  for (guint row = 0; row < 18; row++) {
    for (guint k = 0; k < TABLE_COLUMNS + 1; k++) {
      float *number = k < TABLE_COLUMNS ? &table->logits[row][k] : &table->values[row], at = *number;
      double high, low;
      *number = at + h;
      high = webshop_loss(table, fixed, stage->episodes, 0.9, 0.5);
      *number = at - h;
      low = webshop_loss(table, fixed, stage->episodes, 0.9, 0.5);
      *number = at;
      assert_near(k < TABLE_COLUMNS ? table->last_logit_gradient[row][k] : table->last_value_gradient[row],
                  (high - low) / (2 * (double)h), 1e-4);
    }
  }
  assert_int_equal(table->n_steps, 1);
  stage_free(stage);
  g_free(table);
  g_free(fixed);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_ppo_with_linear),
      cmocka_unit_test(test_grpo_with_linear),
      cmocka_unit_test(test_dpo_with_linear),
      cmocka_unit_test(test_options_make_webshops_actor_critic),
  };

  return cmocka_run_group_tests_name("gradients", tests, open_spy, close_spy);
}
