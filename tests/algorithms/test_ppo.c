/* What PPO makes of episodes: advantages, targets, minibatches, diagnostics, and what it refuses. Gradients
 * are read off a table of logits that does not move. */
#include "tests/algorithms/tasks.h"
#include <math.h>

#define ONE_STEP "epochs: 1\nminibatch_decisions: 0\nentropy_coefficient: 0\n"

/* A stage on a table that takes no steps, with these episodes. */
static Stage *open_fixed(const char *yaml, GPtrArray *episodes, Table **table)
{
  Stage *stage;
  *table = new_table();
  (*table)->fixed = TRUE;
  stage = stage_open("ppo", yaml, NULL, table_feature());
  g_ptr_array_unref(stage->episodes);
  stage->episodes = episodes;
  return stage;
}

static void close_fixed(Stage *stage, Table *table)
{
  stage_free(stage);
  g_free(table);
}

/* One episode of three decisions, rows 0 to 2, with rewards 1, 2 and 4. */
static GPtrArray *make_three_steps(void)
{
  static const Choice choices[] = {
      {"d0", {"u", "v"}, 0, 1}, {"d1", {"u", "v", "w"}, 2, 2}, {"d2", {"u", "v"}, 1, 4}};
  GPtrArray *list = new_trajectories();

  add_trajectory(list, "goal", "policy", TRUE, choices, 3);
  return list;
}

/* The values' targets, from the gradients of half the mean squared error. */
static void assert_targets(const char *yaml, GPtrArray *episodes, const double *targets, guint n)
{
  Table *table;
  Stage *stage = open_fixed(yaml, episodes, &table);
  stage_update(stage);
  for (guint i = 0; i < n; i++)
    assert_near(table->values[i] - n * table->last_value_gradient[i], targets[i], 1e-5);
  close_fixed(stage, table);
}

static void test_lambda_one_gives_the_discounted_return(void **state)
{
  static const double targets[] = {1 + 0.5 * (2 + 0.5 * 4), 2 + 0.5 * 4, 4};
  (void)state;
  assert_targets(ONE_STEP "lambda: 1\ndiscount: 0.5\nvalue_coefficient: 1\n", make_three_steps(), targets, 3);
}

static void test_lambda_between_mixes_in_the_values(void **state)
{
  Table *table = new_table();
  double v0 = table->values[0], v1 = table->values[1], v2 = table->values[2];
  double a2 = 4 - v2, a1 = 2 + 0.5 * v2 - v1 + 0.5 * 0.8 * a2, a0 = 1 + 0.5 * v1 - v0 + 0.5 * 0.8 * a1;
  const double targets[] = {a0 + v0, a1 + v1, a2 + v2};
  (void)state;
  assert_targets(ONE_STEP "lambda: 0.8\ndiscount: 0.5\nvalue_coefficient: 1\n", make_three_steps(), targets,
                 3);
  g_free(table);
}

static GPtrArray *make_truncated(void)
{
  GPtrArray *list = make_three_steps();
  CwStep *last = (CwStep *)((CwTrajectory *)list->pdata[0])->steps[2];
  last->terminated = FALSE;
  last->truncated = TRUE;
  return list;
}

static void test_truncated_episode_ends_or_goes_on_at_its_last_value(void **state)
{
  static const double ended[] = {5, 6, 4}; /* with a discount of 1 and lambda 0: reward plus next value */
  Table *table = new_table();
  const double going_on[] = {1 + table->values[1], 2 + table->values[2], 4 + table->values[2]};

  (void)state;
  assert_targets(ONE_STEP "lambda: 0\ndiscount: 1\nvalue_coefficient: 1\ntruncated: last_value\n",
                 make_truncated(), going_on, 3);
  assert_targets(ONE_STEP "lambda: 0\ndiscount: 1\nvalue_coefficient: 1\n", make_truncated(),
                 (const double[]){going_on[0], going_on[1], ended[2]}, 3);
  /* An episode that terminated is not gone on with. */
  assert_targets(ONE_STEP "lambda: 0\ndiscount: 1\nvalue_coefficient: 1\ntruncated: last_value\n",
                 make_three_steps(), (const double[]){going_on[0], going_on[1], ended[2]}, 3);
  g_free(table);
}

/* The same, with the decision of the second step seen again after the last one. */
static GPtrArray *make_cut(void)
{
  GPtrArray *list = make_truncated();
  CwTrajectory seen = *(const CwTrajectory *)list->pdata[0];
  seen.after = seen.steps[1]->decision;
  CwTrajectory *copy = cw_trajectory_copy(&seen);
  cw_trajectory_unref(list->pdata[0]);
  list->pdata[0] = copy;
  return list;
}

static void test_truncated_episode_is_bootstrapped_with_what_was_seen(void **state G_GNUC_UNUSED)
{
  Table *table = new_table();
  const double v1 = table->values[1], v2 = table->values[2];
  assert_targets(ONE_STEP "lambda: 0\ndiscount: 0.5\nvalue_coefficient: 1\n", make_cut(),
                 (const double[]){1 + 0.5 * v1, 2 + 0.5 * v2, 4 + 0.5 * v1}, 3);
  assert_targets(ONE_STEP "lambda: 0\ndiscount: 0.5\nvalue_coefficient: 1\ntruncated: terminal\n", make_cut(),
                 (const double[]){1 + 0.5 * v1, 2 + 0.5 * v2, 4}, 3);
  g_free(table);
}

/* The advantage that the gradient of the chosen logit tells: -A (1 - p) / n. */
static double advantage_at(const Table *table, const CwStep *step, guint n)
{
  guint row = (guint)atoi(step->decision->observation + 1);
  double p = table_probability(table, row, step->decision->n_candidates, step->chosen);
  return -table->last_logit_gradient[row][step->chosen] * n / (1 - p);
}

static void test_advantages_are_normalized_on_request(void **state)
{
  for (guint normalize = 0; normalize < 2; normalize++) {
    g_autofree char *yaml =
        g_strdup_printf(ONE_STEP "lambda: 1\nnormalize_advantages: %s\n", normalize ? "true" : "false");
    Table *table;
    Stage *stage = open_fixed(yaml, make_rows(5), &table);
    double mean = 0, squares = 0;

    stage_update(stage);
    for (guint i = 0; i < 15; i++) {
      const CwTrajectory *episode = stage->episodes->pdata[i / 3];
      double advantage = advantage_at(table, episode->steps[i % 3], 15);
      mean += advantage / 15;
      squares += advantage * advantage / 15;
    }
    assert_near(mean, normalize ? 0 : stage_metric(stage, "advantage_mean"), 1e-4);
    assert_near(sqrt(squares - mean * mean), normalize ? 1 : stage_metric(stage, "advantage_deviation"),
                1e-4);
    assert_true(fabs(stage_metric(stage, "advantage_mean")) > 0.1);
    close_fixed(stage, table);
  }
  (void)state;
}

/* Forced moves teach the value and nothing else, and do not shift the advantages of the others. */
static void test_single_candidates_teach_the_value_only(void **state)
{
  static const Choice choices[] = {
      {"d0", {"u"}, 0, 50}, {"d1", {"u", "v", "w"}, 2, 2}, {"d2", {"u"}, 0, -9}, {"d3", {"u", "v"}, 1, 4}};
  GPtrArray *episodes = new_trajectories();
  Table *table;
  Stage *stage;
  double a1, a3;

  (void)state;
  add_trajectory(episodes, "goal", "policy", TRUE, choices, 4);
  stage = open_fixed("epochs: 1\nminibatch_decisions: 0\nlambda: 1\ndiscount: 1\nentropy_coefficient: 1\n",
                     episodes, &table);
  stage_update(stage);
  assert_near(stage_metric(stage, "single_candidate"), 2, 0);
  assert_true(table->last_logit_gradient[0][0] == 0 && table->last_logit_gradient[2][0] == 0);
  assert_near(table->last_value_gradient[0], 0.5 * (table->values[0] - 47) / 4, 1e-5);
  a1 = -3 - table->values[1];
  a3 = 4 - table->values[3];
  assert_near(stage_metric(stage, "advantage_mean"), (a1 + a3) / 2, 1e-5);
  assert_near(stage_metric(stage, "advantage_deviation"), fabs(a1 - a3) / 2, 1e-5);
  close_fixed(stage, table);
}

static void test_a_lone_choice_keeps_its_advantage(void **state)
{
  static const Choice choice = {"d0", {"u", "v"}, 1, 3};
  GPtrArray *episodes = new_trajectories();
  Table *table;
  Stage *stage;
  (void)state;
  add_trajectory(episodes, "goal", "policy", TRUE, &choice, 1);
  stage = open_fixed(ONE_STEP, episodes, &table);
  stage_update(stage);
  assert_near(advantage_at(table, ((CwTrajectory *)episodes->pdata[0])->steps[0], 1), 3 - table->values[0],
              1e-5);
  close_fixed(stage, table);
}

static void test_first_minibatch_has_ratios_of_exactly_one(void **state)
{
  static const char *const sizes[] = {"0", "4"};
  (void)state;
  for (guint i = 0; i < 2; i++) {
    g_autofree char *yaml = g_strdup_printf(
        "epochs: 1\nminibatch_decisions: %s\nlearning_rate: 0.1\nbatch_tokens: 7\n", sizes[i]);
    Stage *stage = stage_open("ppo", yaml, NULL, NULL);

    g_ptr_array_unref(stage->episodes);
    stage->episodes = make_rows(6);
    stage_update(stage);
    assert_true(stage_metric(stage, "first_ratio_deviation") == 0);
    if (i == 0)
      assert_true(stage_metric(stage, "approximate_kl") == 0 &&
                  stage_metric(stage, "approximate_kl_k1") == 0 && stage_metric(stage, "clip_fraction") == 0);
    else
      assert_true(stage_metric(stage, "approximate_kl") > 0);
    stage_free(stage);
  }
}

/* A policy whose forward is not its score, as with dropout: the first candidate gets another 0.5. */
static gboolean noisy_forward(gpointer policy, const CwDecision *const *decisions, guint n,
                              const CwForward *how, float *logits, float *values, GError **error)
{
  gboolean good = table_feature()->vtable.policy->forward(policy, decisions, n, how, logits, values, error);
  for (guint i = 0; i < n; logits += decisions[i++]->n_candidates)
    logits[0] += 0.5f;
  return good;
}

static void test_dropout_shows_in_the_first_ratios(void **state)
{
  CwPolicyVtable vtable = *table_feature()->vtable.policy;
  CwRegisteredFeature noisy = *table_feature();
  Table *table = new_table();
  Stage *stage;
  (void)state;
  vtable.forward = noisy_forward;
  noisy.vtable.policy = &vtable;
  stage = stage_open("ppo", ONE_STEP, NULL, &noisy);
  g_ptr_array_unref(stage->episodes);
  stage->episodes = make_rows(6);
  stage_update(stage);
  assert_true(stage_metric(stage, "first_ratio_deviation") > 0.1);
  assert_true(stage_metric(stage, "approximate_kl") > 0.001);
  stage_free(stage);
  g_free(table);
}

/* The policy that acted is still the present one, so both ways lead to the same step. */
static void test_recorded_and_rescored_log_probabilities_agree(void **state)
{
  static const char *const yaml[] = {"updates: 2\nold_policy: recorded\nlearning_rate: 0.1\n",
                                     "updates: 2\nlearning_rate: 0.1\n"};
  Table *tables[2];

  (void)state;
  for (guint i = 0; i < 2; i++) {
    CwEnvironment *environment = task_open(&two_steps);
    Stage *stage;
    tables[i] = new_table();
    stage = stage_open("ppo", yaml[i], NULL, table_feature());
    task_run(stage, environment);
    if (i == 1)
      assert_true(stage_metric(stage, "recorded_difference") < 1e-6);
    else
      assert_true(isnan(stage_metric(stage, "recorded_difference")));
    stage_free(stage);
    cw_environment_close(environment);
  }
  for (guint row = 0; row < 3; row++)
    for (guint k = 0; k < 3; k++)
      assert_near(tables[0]->logits[row][k], tables[1]->logits[row][k], 1e-5);
  g_free(tables[0]);
  g_free(tables[1]);
}

static void test_minibatches_see_every_decision_once_an_epoch(void **state)
{
  Table *table;
  Stage *stage =
      open_fixed("epochs: 3\nminibatch_decisions: 4\nbatch_tokens: 30\nupdates: 2\n", make_rows(6), &table);

  (void)state;
  stage_update(stage);
  for (guint row = 0; row < 18; row++)
    assert_int_equal(table->n_trained[row], 3);
  assert_int_equal(table->n_steps, 3 * 5); /* 18 decisions in 5 minibatches */
  assert_true(table->n_forwards > table->n_steps);
  assert_true(table->most_tokens <= 38); /* one row alone costs 38 */
  assert_near(stage_metric(stage, "optimizer_steps"), 15, 0);
  assert_near(stage_metric(stage, "collected"), 18, 0);
  assert_near(stage_metric(stage, "decisions"), 54, 0);
  assert_true(stage_update(stage));
  assert_near(stage_metric(stage, "optimizer_steps"), 30, 0);
  assert_near(stage_metric(stage, "decisions"), 108, 0);
  close_fixed(stage, table);
}

static GString *seen; /* the rows of every forward */

static gboolean noting_forward(gpointer policy, const CwDecision *const *decisions, guint n,
                               const CwForward *how, float *logits, float *values, GError **error)
{
  for (guint i = 0; i < n; i++)
    g_string_append_printf(seen, "%u ", (guint)atoi(decisions[i]->observation + 1));
  g_string_append_c(seen, '|');
  return table_feature()->vtable.policy->forward(policy, decisions, n, how, logits, values, error);
}

static void test_epochs_cut_other_minibatches(void **state)
{
  CwPolicyVtable vtable = *table_feature()->vtable.policy;
  CwRegisteredFeature noting = *table_feature();
  Table *table = new_table();
  Stage *stage;
  (void)state;
  vtable.forward = noting_forward;
  noting.vtable.policy = &vtable;
  seen = g_string_new(NULL);
  stage = stage_open("ppo", "epochs: 2\nminibatch_decisions: 9\n", NULL, &noting);
  g_ptr_array_unref(stage->episodes);
  stage->episodes = make_rows(6);
  stage_update(stage);
  {
    g_auto(GStrv) minibatches = g_strsplit(seen->str, "|", -1);

    assert_int_equal(g_strv_length(minibatches), 5);
    /* A minibatch is sorted by cost, so equal ones would look equal. */
    assert_string_not_equal(minibatches[0], minibatches[2]);
    assert_string_not_equal(minibatches[0], minibatches[3]);
  }
  g_string_free(seen, TRUE);
  close_fixed(stage, table);
}

static void test_token_budget_changes_nothing_but_rounding(void **state)
{
  static const guint budgets[] = {1, 25, 1000000};
  Table *tables[3];
  (void)state;
  for (guint i = 0; i < 3; i++) {
    g_autofree char *yaml =
        g_strdup_printf("epochs: 2\nminibatch_decisions: 5\nlearning_rate: 0.5\nbatch_tokens: %u\n"
                        "reference_coefficient: 0.3\n",
                        budgets[i]);
    Stage *stage;

    tables[i] = new_table();
    stage = stage_open("ppo", yaml, NULL, table_feature());
    g_ptr_array_unref(stage->episodes);
    stage->episodes = make_rows(8);
    stage_update(stage);
    stage_update(stage);
    stage_free(stage);
  }
  for (guint row = 0; row < 24; row++) {
    for (guint k = 0; k < 4; k++) {
      assert_near(tables[1]->logits[row][k], tables[0]->logits[row][k], 1e-5);
      assert_near(tables[2]->logits[row][k], tables[0]->logits[row][k], 1e-5);
    }
    assert_near(tables[1]->values[row], tables[0]->values[row], 1e-5);
    assert_near(tables[2]->values[row], tables[0]->values[row], 1e-5);
  }
  assert_int_equal(tables[2]->n_forwards, tables[2]->n_steps);
  assert_int_equal(tables[0]->n_forwards, 2 * 2 * 24);
  for (guint i = 0; i < 3; i++)
    g_free(tables[i]);
}

static void test_target_kl_ends_the_update(void **state)
{
  static const struct {
    const char *yaml;
    gboolean stops;
  } cases[] = {{"epochs: 5\nminibatch_decisions: 6\nlearning_rate: 3\ntarget_kl: 0.01\n", TRUE},
               {"epochs: 5\nminibatch_decisions: 6\nlearning_rate: 3\n", FALSE},
               {"epochs: 5\nminibatch_decisions: 6\nlearning_rate: 1e-6\ntarget_kl: 0.01\n", FALSE}};

  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    Table *table = new_table();
    Stage *stage = stage_open("ppo", cases[i].yaml, NULL, table_feature());
    g_ptr_array_unref(stage->episodes);
    stage->episodes = make_rows(6);
    stage_update(stage);
    assert_near(stage_metric(stage, "stopped_early"), cases[i].stops, 0);
    if (cases[i].stops)
      assert_in_range(table->n_steps, 2, 14);
    else
      assert_int_equal(table->n_steps, 15);
    close_fixed(stage, table);
  }
}

static void test_value_clip_holds_the_value_back(void **state)
{
  static const char *const yaml[] = {
      "epochs: 20\nminibatch_decisions: 0\nlearning_rate: 3\nvalue_clip: 0.1\n",
      "epochs: 20\nminibatch_decisions: 0\nlearning_rate: 3\n"};
  double moved[2] = {0};

  (void)state;
  for (guint i = 0; i < 2; i++) {
    Table *table = new_table(), *before = g_memdup2(table, sizeof *table);
    Stage *stage = stage_open("ppo", yaml[i], NULL, table_feature());
    g_ptr_array_unref(stage->episodes);
    stage->episodes = make_three_steps();
    stage_update(stage);
    for (guint row = 0; row < 3; row++)
      moved[i] = fmax(moved[i], fabs(table->values[row] - before->values[row]));
    g_free(before);
    close_fixed(stage, table);
  }
  assert_true(moved[0] > 0.1 && moved[0] < moved[1] / 2);
}

static void test_diagnostics_of_a_known_batch(void **state)
{
  Table *table;
  Stage *stage =
      open_fixed(ONE_STEP "lambda: 1\ndiscount: 1\nlearning_rate: 0.25\nupdates: 4\nschedule: linear\n",
                 make_three_steps(), &table);
  const double targets[] = {7, 6, 4};
  double residual_mean = 0, residual_squares = 0, loss = 0, entropy = 0;
  const guint sizes[] = {2, 3, 2};

  (void)state;
  stage_update(stage);
  for (guint i = 0; i < 3; i++) {
    double residual = targets[i] - table->values[i];
    residual_mean += residual / 3;
    residual_squares += residual * residual / 3;
    loss += residual * residual / 6;
    for (guint k = 0; k < sizes[i]; k++) {
      double p = table_probability(table, i, sizes[i], k);
      entropy -= p * log(p) / 3;
    }
  }
  assert_near(stage_metric(stage, "return"), 7, 1e-6);
  assert_near(stage_metric(stage, "success"), 1, 0);
  assert_near(stage_metric(stage, "value_target_mean"), 17.0 / 3, 1e-6);
  assert_near(stage_metric(stage, "value_loss"), loss, 1e-5);
  assert_near(stage_metric(stage, "entropy"), entropy, 1e-6);
  assert_near(stage_metric(stage, "policy_loss"), 0, 1e-6); /* minus the mean of normalised advantages */
  assert_near(stage_metric(stage, "explained_variance"),
              1 - (residual_squares - residual_mean * residual_mean) / (14.0 / 9), 1e-5);
  assert_near(stage_metric(stage, "empty_episodes"), 0, 0);
  assert_near(stage_metric(stage, "learning_rate"), 0.25, 0);
  assert_true(stage_metric(stage, "gradient_norm") > 0.1);
  stage_update(stage);
  assert_near(stage_metric(stage, "learning_rate"), 0.1875, 1e-12);
  assert_near(table->last_rate, 0.1875, 1e-12);
  close_fixed(stage, table);
}

/* Of six actions recorded as half as probable, as probable and twice as probable as they are, those are
 * clipped whose ratio has gone to the advantage of their reward. */
static void test_clip_fraction_counts_the_clipped(void **state)
{
  static const double factors[] = {0.5, 0.5, 1, 1, 2, 2};
  static const float rewards[] = {9, -9, 9, -9, 9, -9};
  GPtrArray *episodes = new_trajectories();
  double k1 = 0, k3 = 0;
  Table *table;
  Stage *stage;
  (void)state;
  stage = open_fixed(ONE_STEP "lambda: 1\nold_policy: recorded\n", episodes, &table);
  for (guint i = 0; i < 6; i++) {
    char text[8];
    Choice choice = {text, {"u", "v"}, 0, rewards[i]};
    CwStep *step;
    g_snprintf(text, sizeof text, "d%u", i);
    step = (CwStep *)add_trajectory(episodes, "goal", "policy", FALSE, &choice, 1)->steps[0];
    step->value = table->values[i];
    step->log_probability = (float)log(table_probability(table, i, 2, 0) * factors[i]);
    k1 += log(factors[i]) / 6;
    k3 += (1 / factors[i] - 1 + log(factors[i])) / 6;
  }
  stage_update(stage);
  assert_near(stage_metric(stage, "clip_fraction"), 2.0 / 6, 1e-12);
  assert_near(stage_metric(stage, "approximate_kl_k1"), k1, 1e-6);
  assert_near(stage_metric(stage, "approximate_kl"), k3, 1e-6);
  assert_near(stage_metric(stage, "first_ratio_deviation"), 1, 1e-6);
  for (guint i = 0; i < 6; i++)
    assert_true((table->last_logit_gradient[i][0] == 0) == (i == 0 || i == 5));
  close_fixed(stage, table);
}

static void test_reference_is_wanted_only_for_its_penalty(void **state)
{
  static const struct {
    const char *yaml;
    guint64 needs;
  } cases[] = {{"updates: 1\n", CW_NEEDS_TRAINING | CW_NEEDS_VALUES},
               {"reference_coefficient: 0.1\n", CW_NEEDS_TRAINING | CW_NEEDS_VALUES | CW_NEEDS_REFERENCE}};

  (void)state;
  for (guint i = 0; i < 2; i++) {
    Table *table = new_table();
    Stage *stage = stage_open("ppo", cases[i].yaml, NULL, table_feature());
    assert_int_equal(cw_algorithm_needs(stage->feature, stage->options), cases[i].needs | CW_TAKES_WORDS);
    close_fixed(stage, table);
  }
}

static void test_collects_until_it_is_done(void **state)
{
  Table *table;
  Stage *stage = open_fixed("updates: 2\nepisodes: 7\n", make_rows(2), &table);
  CwCollectRequest request;
  (void)state;
  assert_true(cw_algorithm_collect(stage->algorithm, &request, NULL));
  assert_int_equal(request.n_episodes, 7);
  assert_int_equal(request.group_size, 0);
  assert_int_equal(cw_algorithm_expected_updates(stage->algorithm), 2);
  assert_false(stage_update(stage));
  assert_true(stage_update(stage));
  assert_true(cw_algorithm_collect(stage->algorithm, &request, NULL));
  assert_int_equal(request.n_episodes, 0);
  close_fixed(stage, table);
}

static void test_empty_episodes_are_counted(void **state)
{
  GPtrArray *episodes = make_rows(2);
  Table *table;
  Stage *stage;
  (void)state;
  add_trajectory(episodes, "nothing", "policy", FALSE, NULL, 0);
  stage = open_fixed(ONE_STEP, episodes, &table);
  stage_update(stage);
  assert_near(stage_metric(stage, "empty_episodes"), 1, 0);
  assert_near(stage_metric(stage, "success"), 1.0 / 3, 1e-12);
  close_fixed(stage, table);
}

/* The message of the update on these episodes. */
static void assert_refused(const char *yaml, GPtrArray *episodes, CwErrorCode code, const char *expected)
{
  Table *table;
  Stage *stage = open_fixed(yaml, episodes, &table);
  g_autofree char *message = stage_update_fails(stage, code);
  assert_string_equal(message, expected);
  assert_int_equal(table->n_steps, 0);
  close_fixed(stage, table);
}

static void test_bad_episodes_are_named(void **state)
{
  GPtrArray *episodes = make_rows(3);
  (void)state;
  ((CwStep *)((CwTrajectory *)episodes->pdata[1])->steps[2])->reward = NAN;
  assert_refused(
      "updates: 1\n", episodes, CW_ERROR_NUMERIC,
      "algorithm 'ppo': episode 1 (goal 'goal_1' of split 'train', agent 'expert'), step 2: expected a "
      "finite reward, found nan; nothing was learnt from it, look at the environment");
  episodes = make_rows(3);
  ((CwStep *)((CwTrajectory *)episodes->pdata[2])->steps[1])->chosen = 3;
  assert_refused(
      "updates: 1\n", episodes, CW_ERROR_FORMAT,
      "algorithm 'ppo': episode 2 (goal 'goal_2' of split 'train', agent 'expert'), step 1: expected chosen "
      "below 3, the number of candidates, found 3; write the trajectories again");
  episodes = make_rows(1);
  ((CwTrajectory *)episodes->pdata[0])->total_reward = INFINITY;
  assert_refused(
      "updates: 1\n", episodes, CW_ERROR_NUMERIC,
      "algorithm 'ppo': episode 0 (goal 'goal_0' of split 'train', agent 'expert'): expected a finite total "
      "reward, found inf; nothing was learnt from it, look at the environment");
  assert_refused(
      "old_policy: recorded\n", make_rows(1), CW_ERROR_CONFIGURATION,
      "algorithm 'ppo': old_policy: expected episodes with recorded log-probabilities and values, found nan "
      "and nan at decision 0; set old_policy to rescored");
  assert_refused("episodes: 3\n", new_trajectories(), CW_ERROR_FAILED,
                 "algorithm 'ppo': expected episodes with decisions, found 0 episodes without a single one");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_lambda_one_gives_the_discounted_return),
      cmocka_unit_test(test_lambda_between_mixes_in_the_values),
      cmocka_unit_test(test_truncated_episode_ends_or_goes_on_at_its_last_value),
      cmocka_unit_test(test_truncated_episode_is_bootstrapped_with_what_was_seen),
      cmocka_unit_test(test_advantages_are_normalized_on_request),
      cmocka_unit_test(test_single_candidates_teach_the_value_only),
      cmocka_unit_test(test_a_lone_choice_keeps_its_advantage),
      cmocka_unit_test(test_first_minibatch_has_ratios_of_exactly_one),
      cmocka_unit_test(test_dropout_shows_in_the_first_ratios),
      cmocka_unit_test(test_recorded_and_rescored_log_probabilities_agree),
      cmocka_unit_test(test_minibatches_see_every_decision_once_an_epoch),
      cmocka_unit_test(test_epochs_cut_other_minibatches),
      cmocka_unit_test(test_token_budget_changes_nothing_but_rounding),
      cmocka_unit_test(test_target_kl_ends_the_update),
      cmocka_unit_test(test_value_clip_holds_the_value_back),
      cmocka_unit_test(test_diagnostics_of_a_known_batch),
      cmocka_unit_test(test_clip_fraction_counts_the_clipped),
      cmocka_unit_test(test_reference_is_wanted_only_for_its_penalty),
      cmocka_unit_test(test_collects_until_it_is_done),
      cmocka_unit_test(test_empty_episodes_are_counted),
      cmocka_unit_test(test_bad_episodes_are_named),
  };

  return cmocka_run_group_tests_name("ppo", tests, NULL, NULL);
}
