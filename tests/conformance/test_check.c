/* The conformance suites of policies and algorithms must be able to fail: real plugins, each with one slot
 * replaced by a faulty one, and the check that has to notice. */
#include "tests/conformance/noticed.h"

#include <math.h>

static void assert_policy_noticed(const CwPolicyVtable *vtable, const char *failure)
{
  CwRegisteredFeature feature = *sound.policy;
  feature.vtable.policy = vtable;
  assert_noticed(&feature, "buckets: 1024\ninitial_scale: 0.5\n", failure);
}

static void assert_algorithm_noticed(const CwAlgorithmVtable *vtable, const char *failure)
{
  CwRegisteredFeature feature = *sound.algorithm;
  feature.vtable.algorithm = vtable;
  assert_noticed(&feature, "updates: 10\nepisodes: 4\n", failure);
}

/* Policies. */

static gboolean steep_backward(gpointer policy, const float *dlogits, const float *dvalues, GError **error)
{
  (void)dvalues;
  return sound.policy->vtable.policy->backward(policy, dlogits, NULL, error);
}

static void test_forgotten_gradient_is_noticed(void **state)
{
  CwPolicyVtable vtable = *sound.policy->vtable.policy;
  (void)state;
  vtable.backward = steep_backward;
  assert_policy_noticed(&vtable, "gradients_match_finite_differences: element ");
}

static gboolean crowded_score(gpointer policy, const CwDecision *const *decisions, guint n_decisions,
                              float *logits, float *values, GError **error)
{
  gboolean scored = sound.policy->vtable.policy->score(policy, decisions, n_decisions, logits, values, error);
  logits[0] += (float)n_decisions;
  return scored;
}

static void test_scores_that_depend_on_the_batch_are_noticed(void **state)
{
  CwPolicyVtable vtable = *sound.policy->vtable.policy;
  (void)state;
  vtable.score = crowded_score;
  assert_policy_noticed(&vtable, "batch_does_not_change_scores: the logits of ");
}

/* Takes its luck from the first decision's stream. */
static gboolean crowded_act(gpointer policy G_GNUC_UNUSED, const CwDecision *const *decisions,
                            guint n_decisions, CwRandom *const *random, const CwActing *how, CwAct *acts,
                            GError **error G_GNUC_UNUSED)
{
  for (guint i = 0; i < n_decisions; i++)
    acts[i].candidate = how->greedy ? 0 : cw_random_below(random[0], decisions[i]->n_candidates);
  return TRUE;
}

static gboolean sleepy_act(gpointer policy G_GNUC_UNUSED, const CwDecision *const *decisions,
                           guint n_decisions, CwRandom *const *random, const CwActing *how G_GNUC_UNUSED,
                           CwAct *acts, GError **error G_GNUC_UNUSED)
{
  for (guint i = 0; i < n_decisions; i++)
    acts[i].candidate = cw_random_below(random[i], decisions[i]->n_candidates);
  return TRUE;
}

/* All words are equally likely, whatever act said. The values depend on the weights, and the policy's
 * backward has seen nothing that it could derive. */
static gboolean flat_words(gpointer policy, const CwDecision *const *decisions,
                           const char *const *words G_GNUC_UNUSED, guint n_decisions,
                           const CwForward *how G_GNUC_UNUSED, float *log_probabilities, float *values,
                           GError **error)
{
  g_autofree float *logits = g_new(float, cw_count_logits(decisions, n_decisions));
  for (guint i = 0; i < n_decisions; i++)
    log_probabilities[i] = -1;
  return sound.policy->vtable.policy->score(policy, decisions, n_decisions, logits, values, error);
}

static gboolean wordy_act(gpointer policy G_GNUC_UNUSED, const CwDecision *const *decisions G_GNUC_UNUSED,
                          guint n_decisions, CwRandom *const *random G_GNUC_UNUSED,
                          const CwActing *how G_GNUC_UNUSED, CwAct *acts, GError **error G_GNUC_UNUSED)
{
  for (guint i = 0; i < n_decisions; i++) {
    acts[i].words = "search[red shoes]";
    acts[i].log_probability = -2;
  }
  return TRUE;
}

static void assert_act_noticed(CwPolicyVtable vtable, guint64 capabilities, const char *failure)
{
  CwRegisteredFeature feature = *sound.policy;
  feature.vtable.policy = &vtable;
  feature.capabilities |= CW_POLICY_ACTS | capabilities;
  assert_noticed(&feature, "buckets: 1024\n", failure);
}

static void test_acts_that_depend_on_their_company_are_noticed(void **state G_GNUC_UNUSED)
{
  CwPolicyVtable vtable = *sound.policy->vtable.policy;
  vtable.act = crowded_act;
  assert_act_noticed(vtable, 0, "acts_alike_with_equal_streams: in ");
  vtable.act = sleepy_act;
  assert_act_noticed(vtable, 0, "greedy_acts_need_no_luck: in ");
}

static void test_words_that_are_not_as_likely_as_said_are_noticed(void **state G_GNUC_UNUSED)
{
  CwPolicyVtable vtable = *sound.policy->vtable.policy;
  vtable.act = wordy_act;
  vtable.forward_words = flat_words;
  assert_act_noticed(vtable, CW_POLICY_WORDS,
                     "acts_as_likely_as_it_says: act says that the log-probability of \"search[red shoes]\" "
                     "is -2, forward_words -1");
  assert_act_noticed(vtable, CW_POLICY_WORDS, "gradients_of_words_match_finite_differences: ");
}

static gboolean unclipped_step(gpointer policy, double learning_rate, double max_norm, double *gradient_norm,
                               GError **error)
{
  (void)max_norm;
  return sound.policy->vtable.policy->step(policy, learning_rate, 0, gradient_norm, error);
}

static void test_missing_clip_is_noticed(void **state)
{
  CwPolicyVtable vtable = *sound.policy->vtable.policy;
  (void)state;
  vtable.step = unclipped_step;
  assert_policy_noticed(&vtable,
                        "step_clips_to_the_norm: a step clipped to half the norm and a step with halved "
                        "gradients lead to weights that differ by ");
}

static void leave_gradient(const char *name, const gint64 *shape, guint n_dimensions, float *weights,
                           float *gradient, gpointer user_data)
{
  (void)name, (void)shape, (void)n_dimensions, (void)weights, (void)user_data;
  gradient[0] += 1;
}

static gboolean messy_step(gpointer policy, double learning_rate, double max_norm, double *gradient_norm,
                           GError **error)
{
  const CwPolicyVtable *vtable = sound.policy->vtable.policy;
  gboolean stepped = vtable->step(policy, learning_rate, max_norm, gradient_norm, error);
  vtable->edit_tensors(policy, CW_EDIT_GRADIENTS, leave_gradient, NULL, NULL);
  return stepped;
}

static void test_gradients_left_over_are_noticed(void **state)
{
  CwPolicyVtable vtable = *sound.policy->vtable.policy;
  (void)state;
  vtable.step = messy_step;
  assert_policy_noticed(&vtable,
                        "step_clears_the_gradients: after a step the gradient has the norm 2.23607; it must "
                        "be cleared\n");
}

static void drop_nan(const char *name, const gint64 *shape, guint n_dimensions, float *weights,
                     float *gradient, gpointer user_data)
{
  (void)name, (void)shape, (void)n_dimensions, (void)weights, (void)user_data;
  if (isnan(gradient[0]))
    gradient[0] = 0;
}

static gboolean forgiving_step(gpointer policy, double learning_rate, double max_norm, double *gradient_norm,
                               GError **error)
{
  const CwPolicyVtable *vtable = sound.policy->vtable.policy;
  vtable->edit_tensors(policy, CW_EDIT_GRADIENTS, drop_nan, NULL, NULL);
  return vtable->step(policy, learning_rate, max_norm, gradient_norm, error);
}

static void test_swallowed_nan_is_noticed(void **state)
{
  CwPolicyVtable vtable = *sound.policy->vtable.policy;
  (void)state;
  vtable.step = forgiving_step;
  assert_policy_noticed(&vtable, "bad_gradient_changes_no_weight: step took a gradient that is nan\n");
}

static gboolean idle_load(gpointer policy, const char *directory, GError **error)
{
  (void)policy, (void)directory, (void)error;
  return TRUE;
}

static void test_load_that_does_nothing_is_noticed(void **state)
{
  CwPolicyVtable vtable = *sound.policy->vtable.policy;
  (void)state;
  vtable.load = idle_load;
  assert_policy_noticed(&vtable,
                        "save_and_load_keep_every_bit: a policy that was loaded scores differently\n");
  assert_policy_noticed(&vtable, "failed_load_changes_nothing: load took an empty directory\n");
}

/* A load that forgets the optimiser: it comes from a fresh one. */
static gboolean forgetful_load(gpointer policy, const char *directory, GError **error)
{
  const CwPolicyVtable *vtable = sound.policy->vtable.policy;
  gboolean loaded = vtable->load(policy, directory, error);
  return loaded && vtable->step(policy, 0, 0, NULL, error);
}

static void test_lost_optimiser_state_is_noticed(void **state)
{
  CwPolicyVtable vtable = *sound.policy->vtable.policy;
  (void)state;
  vtable.load = forgetful_load;
  assert_policy_noticed(&vtable,
                        "save_and_load_keep_every_bit: a policy that was loaded trains differently: after 3 "
                        "more steps it is not bit for bit the same\n");
}

/* Algorithms. */

static gboolean talkative_update(gconstpointer options, gpointer state, CwUpdate *update, gboolean *done,
                                 GError **error)
{
  cw_update_record(update, 99, 1);
  return sound.algorithm->vtable.algorithm->update(options, state, update, done, error);
}

static void test_undeclared_metric_is_noticed(void **state)
{
  CwAlgorithmVtable vtable = *sound.algorithm->vtable.algorithm;
  (void)state;
  vtable.update = talkative_update;
  assert_algorithm_noticed(
      &vtable, "runs_to_its_end_with_declared_metrics: algorithm 'skeleton_algorithm': update recorded "
               "metric number 99, and its table has numbers below 3; correct the number\n");
}

static void note_skips(const CwRegisteredFeature *feature, const char *check, CwCheckResult result,
                       const char *message, gpointer user_data)
{
  (void)feature;
  if (result == CW_CHECK_SKIPPED)
    g_string_append_printf(user_data, "%s: %s\n", check, message);
}

static void test_metric_that_never_comes_is_mentioned(void **state)
{
  static const CwMetric metrics[] = {
      {.name = "return"}, {.name = "loss"}, {.name = "gradient_norm"}, {.name = "entropy"}};
  CwAlgorithmVtable vtable = *sound.algorithm->vtable.algorithm;
  CwRegisteredFeature feature = *sound.algorithm;
  GString *skips = g_string_new(NULL);
  (void)state;
  feature.metrics = metrics;
  feature.n_metrics = G_N_ELEMENTS(metrics);
  feature.vtable.algorithm = &vtable;
  assert_true(
      cw_check_feature(sound.registry, &feature, "updates: 10\n", "options", note_skips, skips, NULL));
  assert_string_equal(skips->str,
                      "records_every_declared_metric: with these options it did not record the metric "
                      "'entropy' that it declares\n");
  g_string_free(skips, TRUE);
}

static gboolean restless_update(gconstpointer options, gpointer state, CwUpdate *update, gboolean *done,
                                GError **error)
{
  gboolean updated = sound.algorithm->vtable.algorithm->update(options, state, update, done, error);
  *done = FALSE;
  return updated;
}

static void test_run_without_end_is_noticed(void **state)
{
  CwAlgorithmVtable vtable = *sound.algorithm->vtable.algorithm;
  (void)state;
  vtable.update = restless_update;
  assert_algorithm_noticed(&vtable,
                           "runs_to_its_end_with_declared_metrics: it was not done after 2000 updates; "
                           "give it smaller options\n");
}

/* A state without rows: nothing of it is saved. */
static void test_forgotten_state_is_noticed(void **state)
{
  CwRegisteredFeature feature = *sound.algorithm;
  GString *failures = g_string_new(NULL);
  (void)state;
  feature.state.n_rows = 0;
  assert_false(cw_check_feature(sound.registry, &feature, "updates: 10\n", "options", note, failures, NULL));
  assert_string_equal(failures->str,
                      "resumed_run_gives_the_same_weights: stopped after 5 updates and resumed, it takes 12 "
                      "updates instead of 10\n");
  g_string_free(failures, TRUE);
}

static gboolean not_a_number_update(gconstpointer options, gpointer state, CwUpdate *update, gboolean *done,
                                    GError **error)
{
  gboolean updated = sound.algorithm->vtable.algorithm->update(options, state, update, done, error);
  cw_update_record(update, 1, NAN);
  return updated;
}

static void test_metric_that_is_no_number_is_noticed(void **state)
{
  CwAlgorithmVtable vtable = *sound.algorithm->vtable.algorithm;
  (void)state;
  vtable.update = not_a_number_update;
  assert_algorithm_noticed(&vtable,
                           "runs_to_its_end_with_declared_metrics: metric 'loss' is not finite in update "
                           "0\n");
}

static gboolean patient_update(gconstpointer options, gpointer state, CwUpdate *update, gboolean *done,
                               GError **error)
{
  if (cw_update_n_episodes(update) > 0)
    return sound.algorithm->vtable.algorithm->update(options, state, update, done, error);
  return TRUE;
}

static void test_waiting_for_ever_is_noticed(void **state)
{
  CwAlgorithmVtable vtable = *sound.algorithm->vtable.algorithm;
  (void)state;
  vtable.update = patient_update;
  assert_algorithm_noticed(&vtable,
                           "no_experience_is_named_or_ends: given no trajectories and no episodes it neither "
                           "ends nor fails\n");
}

/* Around the suites. */

static void test_wrong_options_are_reported_before_any_check(void **state)
{
  GString *failures = g_string_new(NULL);
  GError *error = NULL;
  (void)state;
  assert_false(cw_check_feature(sound.registry, sound.policy, "bucket: 8\n", "here", note, failures, &error));
  assert_true(g_error_matches(error, CW_CONFIG_ERROR, CW_ERROR_CONFIGURATION));
  assert_string_equal(error->message,
                      "here:1:1: error: unknown key 'bucket' in policy 'linear'; did you mean 'buckets'?");
  assert_string_equal(failures->str, "");
  g_error_free(error);
  g_string_free(failures, TRUE);
}

static void test_plugin_with_failures_says_how_many(void **state)
{
  CwPolicyVtable vtable = *sound.policy->vtable.policy;
  CwRegisteredFeature feature = *sound.policy;
  GString *failures = g_string_new(NULL);
  GError *error = NULL;
  (void)state;
  vtable.step = unclipped_step;
  feature.vtable.policy = &vtable;
  assert_false(cw_check_feature(sound.registry, &feature, NULL, "options", note, failures, &error));
  assert_string_equal(error->message, "policy 'linear': 1 of 28 checks failed");
  g_error_free(error);
  g_string_free(failures, TRUE);
}

static void test_plugin_that_does_not_load_is_reported(void **state)
{
  GError *error = NULL;
  (void)state;
  assert_false(cw_check_plugin(sound.registry, "/nonexistent.so", NULL, note, NULL, &error));
  assert_string_equal(error->message,
                      "/nonexistent.so: expected a plugin (a shared object), found no readable file "
                      "(No such file or directory); check the path");
  g_error_free(error);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_forgotten_gradient_is_noticed),
      cmocka_unit_test(test_scores_that_depend_on_the_batch_are_noticed),
      cmocka_unit_test(test_acts_that_depend_on_their_company_are_noticed),
      cmocka_unit_test(test_words_that_are_not_as_likely_as_said_are_noticed),
      cmocka_unit_test(test_missing_clip_is_noticed),
      cmocka_unit_test(test_gradients_left_over_are_noticed),
      cmocka_unit_test(test_swallowed_nan_is_noticed),
      cmocka_unit_test(test_load_that_does_nothing_is_noticed),
      cmocka_unit_test(test_lost_optimiser_state_is_noticed),
      cmocka_unit_test(test_undeclared_metric_is_noticed),
      cmocka_unit_test(test_metric_that_never_comes_is_mentioned),
      cmocka_unit_test(test_run_without_end_is_noticed),
      cmocka_unit_test(test_forgotten_state_is_noticed),
      cmocka_unit_test(test_metric_that_is_no_number_is_noticed),
      cmocka_unit_test(test_waiting_for_ever_is_noticed),
      cmocka_unit_test(test_wrong_options_are_reported_before_any_check),
      cmocka_unit_test(test_plugin_with_failures_says_how_many),
      cmocka_unit_test(test_plugin_that_does_not_load_is_reported),
  };

  return cmocka_run_group_tests_name("check", tests, find_plugins, forget_plugins);
}
