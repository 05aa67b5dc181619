/* The host's handle around algorithms, and the update that it hands them: what it refuses, whom it blames,
 * and what must be there before one may run. The algorithm is made up here. */
#include "core/plugin/handles.h"
#include "tests/plugin/assert_error.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* An algorithm that counts its updates and asks for as many episodes as the test says. */

typedef struct {
  guint n_updates, n_episodes;
} Learner;

static Learner learner;

static gboolean learner_collect(gconstpointer options, gpointer state, CwCollectRequest *request,
                                GError **error)
{
  (void)options, (void)state, (void)error;
  request->n_episodes = learner.n_episodes;
  return TRUE;
}

static gboolean learner_update(gconstpointer options, gpointer state, CwUpdate *update, gboolean *done,
                               GError **error)
{
  (void)options, (void)state, (void)update, (void)done, (void)error;
  learner.n_updates++;
  return TRUE;
}

static const CwAlgorithmVtable learner_vtable = {.collect = learner_collect, .update = learner_update};
static const CwRegisteredFeature learning = {
    .kind = CW_FEATURE_ALGORITHM, .name = "learner", .vtable.algorithm = &learner_vtable};

static const char *const pair[] = {"yes", "no"};
static const CwDecision decision = {sizeof(CwDecision), "observation text", pair, 2};

/* Policies of which only what they can do is looked at. */
static const CwPolicyVtable no_slots;
static const CwRegisteredFeature full = {.kind = CW_FEATURE_POLICY,
                                         .name = "full",
                                         .capabilities =
                                             CW_POLICY_TRAINS | CW_POLICY_VALUES | CW_POLICY_CLONES,
                                         .vtable.policy = &no_slots};
static const CwRegisteredFeature blind = {
    .kind = CW_FEATURE_POLICY, .name = "blind", .vtable.policy = &no_slots};

static void test_update_hands_out_what_it_was_given(void **state)
{
  CwTrajectory trajectory = {.struct_size = sizeof trajectory};
  GPtrArray *trajectories = g_ptr_array_new();
  CwRandom *random = cw_random_new(1, "test", 0, 0);
  CwUpdate *update = cw_update_new(NULL, NULL, random);
  (void)state;
  g_ptr_array_add(trajectories, &trajectory);
  cw_update_begin(update, 7, trajectories, NULL);
  assert_int_equal(cw_update_index(update), 7);
  assert_int_equal(cw_update_n_trajectories(update), 1);
  assert_ptr_equal(cw_update_trajectory(update, 0), &trajectory);
  assert_null(cw_update_trajectory(update, 1));
  assert_int_equal(cw_update_n_episodes(update), 0);
  assert_null(cw_update_episode(update, 0));
  assert_ptr_equal(cw_update_random(update), random);
  assert_null(cw_update_policy(update));
  assert_null(cw_update_reference(update));
  cw_update_free(update);
  cw_update_free(NULL);
  cw_random_free(random);
  g_ptr_array_free(trajectories, TRUE);
}

static void test_metrics_are_kept_in_order_until_the_next_update(void **state)
{
  static const CwMetric metrics[] = {{.name = "norm"}, {.name = "accuracy"}, {.name = "loss"}};
  CwUpdate *update = cw_update_new(NULL, NULL, NULL);
  (void)state;
  cw_update_set_metrics(update, metrics, G_N_ELEMENTS(metrics));
  cw_update_begin(update, 0, NULL, NULL);
  cw_update_record(update, 2, 1);
  cw_update_record(update, 1, 0.5);
  cw_update_record(update, 2, 2);
  assert_int_equal(cw_update_stray_metric(update), -1);
  assert_int_equal(cw_update_n_metrics(update), 2);
  assert_string_equal(cw_update_metric_name(update, 0), "loss");
  assert_true(cw_update_metric_value(update, 0) == 2);
  assert_null(cw_update_bad_metric(update));
  cw_update_record(update, 0, INFINITY);
  assert_string_equal(cw_update_bad_metric(update), "norm");
  cw_update_record(update, 3, 0);
  assert_int_equal(cw_update_stray_metric(update), 3);
  cw_update_begin(update, 1, NULL, NULL);
  assert_int_equal(cw_update_n_metrics(update), 0);
  cw_update_free(update);
}

static void test_what_cannot_be_learnt_from_reaches_no_algorithm(void **state)
{
  CwStep step = {.struct_size = sizeof step, .decision = &decision, .chosen = 2};
  const CwStep *steps[] = {&step};
  CwTrajectory trajectory = {.struct_size = sizeof trajectory,
                             .split = "train",
                             .goal_id = "g",
                             .agent = "expert",
                             .n_steps = 1,
                             .steps = steps};
  g_autoptr(GPtrArray) experience = g_ptr_array_new();
  g_autoptr(CwUpdate) update = cw_update_new(NULL, NULL, NULL);
  g_autoptr(CwAlgorithm) algorithm = cw_algorithm_open(&learning, NULL, NULL);
  GError *error = NULL;
  gboolean done;
  (void)state;
  learner = (Learner){0};
  g_ptr_array_add(experience, &trajectory);
  cw_update_begin(update, 0, experience, NULL);
  assert_false(cw_algorithm_update(algorithm, update, &done, &error));
  assert_error(
      &error, CW_ALGORITHM_ERROR, CW_ERROR_FORMAT,
      "algorithm 'learner': trajectory 0 (goal 'g' of split 'train', agent 'expert'), step 0: expected "
      "chosen below 2, the number of candidates, found 2; write the trajectories again");
  step.chosen = 1;
  assert_true(cw_algorithm_update(algorithm, update, &done, NULL));
  step.reward = INFINITY;
  cw_update_begin(update, 1, NULL, experience);
  assert_false(cw_algorithm_update(algorithm, update, &done, &error));
  assert_error(
      &error, CW_ALGORITHM_ERROR, CW_ERROR_NUMERIC,
      "algorithm 'learner': episode 0 (goal 'g' of split 'train', agent 'expert'), step 0: expected a "
      "finite reward, found inf; nothing was learnt from it, look at the environment");
  cw_update_set_generation(update, 1);
  cw_update_begin(update, 1, experience, NULL);
  assert_false(cw_algorithm_update(algorithm, update, &done, &error));
  g_clear_error(&error);
  assert_int_equal(learner.n_updates, 1);
}

static void test_number_of_episodes_that_nobody_counted_is_refused(void **state)
{
  g_autoptr(CwAlgorithm) algorithm = cw_algorithm_open(&learning, NULL, NULL);
  CwCollectRequest request;
  GError *error = NULL;
  (void)state;
  learner = (Learner){.n_episodes = 8};
  assert_true(cw_algorithm_collect(algorithm, &request, NULL));
  assert_int_equal(request.n_episodes, 8);
  learner.n_episodes = 0xffffffff;
  assert_false(cw_algorithm_collect(algorithm, &request, &error));
  assert_error(
      &error, CW_ALGORITHM_ERROR, CW_ERROR_FAILED,
      "algorithm 'learner': collect: expected at most 10000000 episodes, found n_episodes 4294967295");
}

static void test_unmet_needs_are_all_named(void **state)
{
  const guint64 needs = CW_NEEDS_TRAINING | CW_NEEDS_VALUES | CW_NEEDS_REFERENCE | CW_NEEDS_TRAJECTORIES;
  CwDiagnostics *diagnostics = cw_diagnostics_new();
  CwPlace place = {"a.yaml", 12, 5};
  char *text;
  (void)state;
  cw_match_capabilities("ppo", needs, &full, TRUE, place, diagnostics);
  assert_int_equal(cw_diagnostics_count(diagnostics), 0);
  cw_match_capabilities("ppo", needs, &blind, FALSE, place, diagnostics);
  assert_int_equal(cw_diagnostics_count(diagnostics), 4);
  text = cw_diagnostics_text(diagnostics);
  assert_non_null(
      strstr(text, "a.yaml:12:5: error: algorithm 'ppo' needs a value head; policy 'blind' has none\n"));
  assert_non_null(
      strstr(text, "a.yaml:12:5: error: algorithm 'ppo' needs a policy that trains; policy 'blind' only "
                   "scores\n"));
  assert_non_null(
      strstr(text, "a.yaml:12:5: error: algorithm 'ppo' needs a frozen reference; policy 'blind' cannot "
                   "clone itself\n"));
  assert_non_null(strstr(text,
                         "a.yaml:12:5: error: algorithm 'ppo' needs trajectories; add 'trajectories' to this "
                         "stage\n"));
  g_free(text);
  cw_diagnostics_free(diagnostics);
}

static void test_missing_policy_is_named(void **state)
{
  CwDiagnostics *diagnostics = cw_diagnostics_new();
  CwPlace place = {"a.yaml", 3, 1};
  char *text;
  (void)state;
  cw_match_capabilities("bc", CW_NEEDS_TRAINING, NULL, TRUE, place, diagnostics);
  text = cw_diagnostics_text(diagnostics);
  assert_string_equal(text,
                      "a.yaml:3:1: error: algorithm 'bc' needs a policy; the experiment has no 'policy'\n");
  g_free(text);
  cw_diagnostics_free(diagnostics);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_update_hands_out_what_it_was_given),
      cmocka_unit_test(test_metrics_are_kept_in_order_until_the_next_update),
      cmocka_unit_test(test_what_cannot_be_learnt_from_reaches_no_algorithm),
      cmocka_unit_test(test_number_of_episodes_that_nobody_counted_is_refused),
      cmocka_unit_test(test_unmet_needs_are_all_named),
      cmocka_unit_test(test_missing_policy_is_named),
  };
  return cmocka_run_group_tests_name("algorithm handle", tests, NULL, NULL);
}
