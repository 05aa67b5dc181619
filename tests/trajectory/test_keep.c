/* Trajectories that outlive what they came from: references, copies, and files. */
#include "core/trajectory/trajectories.h"
#include "tests/scratch.h"
#include <math.h>

static const char *const letters[] = {"take a", "take b", "take c"};

/* A piece of an episode: a candidate, then an action in words, and what was seen then. */
static CwTrajectory *make_piece(void)
{
  CwTrajectoryBuilder *builder = cw_trajectory_builder_new("train", 3, "goal-3", "policy", 17, 233);
  CwObservation observation = {.struct_size = sizeof observation,
                               .text = "first „page“",
                               .candidates = letters,
                               .n_candidates = 3,
                               .instruction = "take the best"};
  CwOutcome outcome = {.struct_size = sizeof outcome, .reward = 0.1f};
  cw_trajectory_builder_set_first_step(builder, 4);
  cw_trajectory_builder_set_group(builder, 9);
  cw_trajectory_builder_decide(builder, &observation, 2, -1.0f / 3, 0.7f);
  cw_trajectory_builder_set_probabilities(builder, (const float[]){0.1f, 0.2f, 0.7f});
  cw_trajectory_builder_outcome(builder, &outcome);
  observation.text = "second page";
  observation.n_candidates = 2;
  cw_trajectory_builder_decide(builder, &observation, CW_WORDS, -2.5f, NAN);
  cw_trajectory_builder_set_words(builder, "search[red \"shoes\"]", "what now?", "search, I think");
  outcome.reward = 1e-9f;
  outcome.truncated = TRUE;
  cw_trajectory_builder_outcome(builder, &outcome);
  observation.text = "third page";
  observation.n_candidates = 3;
  cw_trajectory_builder_after(builder, &observation);
  return cw_trajectory_builder_finish(builder);
}

/* A file does not hold the task in words. */
static void assert_is_the_piece(const CwTrajectory *piece, const char *instruction)
{
  assert_string_equal(piece->split, "train");
  assert_string_equal(piece->goal_id, "goal-3");
  assert_int_equal(piece->goal, 3);
  assert_int_equal(piece->group, 9);
  assert_int_equal(piece->first_step, 4);
  assert_int_equal(piece->n_steps, 2);
  assert_true(piece->total_reward == (double)0.1f + (double)1e-9f);
  const CwStep *taken = piece->steps[0], *said = piece->steps[1];
  assert_string_equal(taken->action, "take c");
  assert_true(taken->log_probability == -1.0f / 3 && taken->value == 0.7f && taken->reward == 0.1f);
  assert_true(taken->probabilities[2] == 0.7f);
  assert_int_equal(taken->decision->step, 4);
  assert_int_equal(said->decision->step, 5);
  if (instruction)
    assert_string_equal(said->decision->instruction, instruction);
  assert_int_equal(said->chosen, CW_WORDS);
  assert_string_equal(said->action, "search[red \"shoes\"]");
  assert_string_equal(said->prompt, "what now?");
  assert_string_equal(said->answer, "search, I think");
  assert_true(isnan(said->value) && said->truncated && !said->terminated);
  assert_non_null(piece->after);
  assert_string_equal(piece->after->observation, "third page");
  assert_string_equal(piece->after->candidates[2], "take c");
  assert_int_equal(piece->after->step, 6);
}

static void test_a_reference_outlives_the_update(void **state G_GNUC_UNUSED)
{
  GPtrArray *episodes = g_ptr_array_new_with_free_func((GDestroyNotify)cw_trajectory_unref);
  g_ptr_array_add(episodes, make_piece());
  const CwTrajectory *kept = cw_trajectory_ref(episodes->pdata[0]);
  g_ptr_array_unref(episodes);
  assert_is_the_piece(kept, "take the best");
  cw_trajectory_unref(kept);
  cw_trajectory_unref(NULL);
}

static void test_a_copy_has_memory_of_its_own(void **state G_GNUC_UNUSED)
{
  CwTrajectory *piece = make_piece(), *copy = cw_trajectory_copy(piece);
  cw_trajectory_unref(piece);
  assert_is_the_piece(copy, "take the best");
  cw_trajectory_unref(copy);
}

/* What a plugin makes by itself: plain structs. */
static void test_a_copy_of_plain_structs(void **state G_GNUC_UNUSED)
{
  const CwDecision decision = {
      .struct_size = sizeof decision, .observation = "mine", .candidates = letters, .n_candidates = 3};
  const CwStep step = {.struct_size = sizeof step, .decision = &decision, .chosen = 1, .reward = 2};
  const CwStep *const steps[] = {&step};
  const CwTrajectory made = {.struct_size = sizeof made,
                             .split = "train",
                             .goal_id = "mine",
                             .agent = "me",
                             .total_reward = 2,
                             .steps = steps,
                             .n_steps = 1,
                             .after = &decision};
  CwTrajectory *copy = cw_trajectory_copy(&made);
  assert_string_equal(copy->steps[0]->decision->observation, "mine");
  assert_ptr_not_equal(copy->steps[0]->decision, &decision);
  assert_string_equal(copy->steps[0]->action, "take b");
  assert_string_equal(copy->after->candidates[0], "take a");
  assert_true(copy->total_reward == 2);
  cw_trajectory_unref(copy);
}

static void test_files_bring_back_the_same_bytes(void **state)
{
  g_autofree char *kept = g_build_filename(*state, "kept.jsonl", NULL);
  g_autofree char *again = g_build_filename(*state, "again.jsonl", NULL);
  g_autoptr(GError) error = NULL;
  CwTrajectory *piece = make_piece();
  const CwTrajectory *both[] = {piece, piece};
  assert_true(cw_trajectories_write(kept, both, 2, &error));
  cw_trajectory_unref(piece);
  g_autoptr(GPtrArray) read = g_ptr_array_new_with_free_func((GDestroyNotify)cw_trajectory_unref);
  assert_true(cw_trajectories_read(kept, read, &error));
  assert_int_equal(read->len, 2);
  assert_is_the_piece(read->pdata[1], NULL);
  assert_true(cw_trajectories_write(again, (const CwTrajectory *const *)read->pdata, read->len, &error));
  g_autofree char *first = NULL, *second = NULL;
  assert_true(g_file_get_contents(kept, &first, NULL, NULL));
  assert_true(g_file_get_contents(again, &second, NULL, NULL));
  assert_string_equal(first, second);
}

static void test_a_broken_file_appends_nothing(void **state)
{
  g_autofree char *path = g_build_filename(*state, "broken.jsonl", NULL);
  g_autoptr(GError) error = NULL;
  CwTrajectory *piece = make_piece();
  g_autofree char *line = cw_trajectory_to_json(piece), *text = g_strconcat(line, "\n{\"split\": 1}\n", NULL);
  g_autoptr(GPtrArray) read = g_ptr_array_new_with_free_func((GDestroyNotify)cw_trajectory_unref);
  g_ptr_array_add(read, piece);
  assert_true(g_file_set_contents(path, text, -1, NULL));
  assert_false(cw_trajectories_read(path, read, &error));
  assert_non_null(strstr(error->message, "broken.jsonl:2"));
  assert_int_equal(read->len, 1);
}

#define in_scratch(test) cmocka_unit_test_setup_teardown(test, make_scratch, remove_scratch)

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_reference_outlives_the_update),
      cmocka_unit_test(test_a_copy_has_memory_of_its_own),
      cmocka_unit_test(test_a_copy_of_plain_structs),
      in_scratch(test_files_bring_back_the_same_bytes),
      in_scratch(test_a_broken_file_appends_nothing),
  };
  return cmocka_run_group_tests_name("keep", tests, NULL, NULL);
}
