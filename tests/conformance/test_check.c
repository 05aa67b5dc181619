/* The conformance suites must be able to fail: real plugins, each with one slot replaced by a faulty one, and
 * the check that has to notice. */
#include "conformance/check.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The sound plugins behind the faulty slots. */
static struct {
  CwRegistry *registry;
  const CwRegisteredFeature *environment, *policy, *algorithm;
} sound;

static int find_plugins(void **state)
{
  (void)state;
  sound.registry = cw_registry_new(NULL);
  sound.environment = cw_registry_find(sound.registry, CW_FEATURE_ENVIRONMENT, "skeleton_environment", NULL);
  sound.policy = cw_registry_find(sound.registry, CW_FEATURE_POLICY, "linear", NULL);
  sound.algorithm = cw_registry_find(sound.registry, CW_FEATURE_ALGORITHM, "skeleton_algorithm", NULL);
  return !sound.environment || !sound.policy || !sound.algorithm;
}

static int forget_plugins(void **state)
{
  (void)state;
  cw_registry_free(sound.registry);
  return 0;
}

static void note(const CwRegisteredFeature *feature, const char *check, CwCheckResult result,
                 const char *message, gpointer user_data)
{
  (void)feature;
  if (result == CW_CHECK_FAILED)
    g_string_append_printf(user_data, "%s: %s\n", check, message);
}

/* Runs the suite and asserts that `failure` ("check: message") is among the failures. */
static void assert_noticed(const CwRegisteredFeature *feature, const char *options, const char *failure)
{
  GString *failures = g_string_new(NULL);
  GError *error = NULL;
  assert_false(cw_check_feature(sound.registry, feature, options, "options", note, failures, &error));
  assert_true(g_error_matches(error, CW_PLUGIN_ERROR, CW_ERROR_FAILED));
  if (!strstr(failures->str, failure))
    fail_msg("expected \"%s\" among:\n%s", failure, failures->str);
  g_error_free(error);
  g_string_free(failures, TRUE);
}

static void assert_environment_noticed(const CwEnvironmentVtable *vtable, const char *failure)
{
  CwRegisteredFeature feature = *sound.environment;
  feature.vtable.environment = vtable;
  assert_noticed(&feature, NULL, failure);
}

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

/* Environments. */

static gboolean printing_step(gpointer session, guint candidate, CwOutcome *outcome, GError **error)
{
  printf("stepping\n");
  return sound.environment->vtable.environment->step(session, candidate, outcome, error);
}

static void test_printing_is_noticed(void **state)
{
  CwEnvironmentVtable vtable = *sound.environment->vtable.environment;
  (void)state;
  vtable.step = printing_step;
  assert_environment_noticed(&vtable, "standard_output_is_left_alone: texts_are_utf8 printed \"stepping");
}

static gboolean gambling_reset(gpointer session, const char *split, gint64 goal, CwRandom *random,
                               GError **error)
{
  if (rand() < 0)
    return FALSE;
  return sound.environment->vtable.environment->reset(session, split, goal, random, error);
}

static void test_global_generator_is_noticed(void **state)
{
  CwEnvironmentVtable vtable = *sound.environment->vtable.environment;
  (void)state;
  vtable.reset = gambling_reset;
  assert_environment_noticed(&vtable,
                             "global_random_generator_is_left_alone: texts_are_utf8 used rand(), random() or "
                             "srand(); take a CwRandom instead\n");
}

/* Each reset goes its own way. */
static gboolean moody_reset(gpointer session, const char *split, gint64 goal, CwRandom *random,
                            GError **error)
{
  static guint64 mood;
  cw_random_restart(random, 1, "mood", mood++, 0);
  return sound.environment->vtable.environment->reset(session, split, goal, random, error);
}

static void test_episode_of_its_own_mind_is_noticed(void **state)
{
  CwEnvironmentVtable vtable = *sound.environment->vtable.environment;
  (void)state;
  vtable.reset = moody_reset;
  assert_environment_noticed(&vtable,
                             "same_streams_give_the_same_episode: with equal random streams, the episode "
                             "differs from line ");
}

static gboolean endless_step(gpointer session, guint candidate, CwOutcome *outcome, GError **error)
{
  gboolean stepped = sound.environment->vtable.environment->step(session, candidate, outcome, error);
  outcome->terminated = FALSE;
  return stepped;
}

static void test_endless_episode_is_noticed(void **state)
{
  CwEnvironmentVtable vtable = *sound.environment->vtable.environment;
  (void)state;
  vtable.step = endless_step;
  assert_environment_noticed(
      &vtable, "random_play_ends: an episode of random choices was not over after 10000 steps\n");
}

static gboolean lenient_step(gpointer session, guint candidate, CwOutcome *outcome, GError **error)
{
  const CwEnvironmentVtable *vtable = sound.environment->vtable.environment;
  return vtable->step(session, candidate, outcome, NULL) || vtable->step(session, 0, outcome, error);
}

static void test_accepted_wrong_candidate_is_noticed(void **state)
{
  CwEnvironmentVtable vtable = *sound.environment->vtable.environment;
  (void)state;
  vtable.step = lenient_step;
  assert_environment_noticed(&vtable,
                             "wrong_candidate_is_refused_and_loses_nothing: step took candidate 5 of 5 "
                             "(counted from 0) instead of refusing it\n");
}

static gboolean garbled_observe(gpointer session, CwObservation *observation, GError **error)
{
  gboolean observed = sound.environment->vtable.environment->observe(session, observation, error);
  observation->instruction = "colour\xff";
  return observed;
}

static void test_text_that_is_not_utf8_is_noticed(void **state)
{
  CwEnvironmentVtable vtable = *sound.environment->vtable.environment;
  (void)state;
  vtable.observe = garbled_observe;
  assert_environment_noticed(&vtable,
                             "texts_are_utf8: environment 'skeleton_environment': observe: expected UTF-8, "
                             "found byte 0xff at byte 6 of the instruction, which begins with \"colour\"; "
                             "convert its texts to UTF-8\n");
}

static const char *const *odd_description(gpointer object)
{
  static const char *const odd[] = {"game", "ball", "left over", NULL};
  (void)object;
  return odd;
}

static void test_description_without_pairs_is_noticed(void **state)
{
  CwEnvironmentVtable vtable = *sound.environment->vtable.environment;
  (void)state;
  vtable.describe = odd_description;
  assert_environment_noticed(&vtable,
                             "describes_itself_in_pairs: expected pairs of key and value, found 3 strings; "
                             "'left over' has no value\n");
}

static gint lost_script(gpointer session, const char *script, GError **error)
{
  (void)session, (void)script, (void)error;
  return 77;
}

static void test_script_outside_of_the_candidates_is_noticed(void **state)
{
  CwEnvironmentVtable vtable = *sound.environment->vtable.environment;
  (void)state;
  vtable.scripted_action = lost_script;
  assert_environment_noticed(&vtable, "scripts_finish: script 'expert' takes candidate 77 of 5\n");
}

static gpointer no_environment(gconstpointer options, guint32 seed, GError **error)
{
  (void)options, (void)seed;
  g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_INPUT_OUTPUT, "catalogue.json: no such file");
  return NULL;
}

static void test_environment_that_does_not_open_is_noticed(void **state)
{
  CwEnvironmentVtable vtable = *sound.environment->vtable.environment;
  (void)state;
  vtable.open = no_environment;
  assert_environment_noticed(&vtable,
                             "opens: environment 'skeleton_environment': catalogue.json: no such file\n");
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
      cmocka_unit_test(test_printing_is_noticed),
      cmocka_unit_test(test_global_generator_is_noticed),
      cmocka_unit_test(test_episode_of_its_own_mind_is_noticed),
      cmocka_unit_test(test_endless_episode_is_noticed),
      cmocka_unit_test(test_accepted_wrong_candidate_is_noticed),
      cmocka_unit_test(test_text_that_is_not_utf8_is_noticed),
      cmocka_unit_test(test_description_without_pairs_is_noticed),
      cmocka_unit_test(test_script_outside_of_the_candidates_is_noticed),
      cmocka_unit_test(test_environment_that_does_not_open_is_noticed),
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
