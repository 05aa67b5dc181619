/* Trajectory files imported from recorded sessions. */
#include "core/rollout/import.h"
#include "core/trajectory/trajectories.h"
#include "tests/toy/fixture.h"
#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int setup(void **state)
{
  *state = g_new0(Fixture, 1);
  fixture_open(*state);
  return 0;
}

static int teardown(void **state)
{
  fixture_close(*state);
  g_free(*state);
  return 0;
}

/* Goal 1 takes two letters, b and c; goal 3 takes one, a. */
static const char sessions[] =
    /* perfect, with a free-text step */
    "{\"id\":\"one\",\"split\":\"train\",\"goal\":1,\"noise\":5,\"actions\":[\"say hello\",\"take b\",\"take "
    "c\"]}\n"
    "\n"
    /* of another split */
    "{\"id\":\"two\",\"split\":\"test\",\"goal\":1,\"noise\":5,\"actions\":[\"take b\",\"take c\"]}\n"
    /* an impossible action, half right, and more actions than the episode takes */
    "{\"id\":\"three\",\"split\":\"train\",\"goal\":1,\"noise\":5,"
    "\"actions\":[\"jump\",\"take a\",\"take c\",\"take a\",\"wait\"]}\n"
    /* stops before the end */
    "{\"id\":\"four\",\"split\":\"train\",\"goal\":1,\"noise\":5,\"actions\":[\"take b\"]}\n"
    /* nothing that can be kept */
    "{\"id\":\"five\",\"split\":\"train\",\"goal\":3,\"noise\":5,\"actions\":[\"jump\"]}";

static GPtrArray *import(const Fixture *fixture, const char *text, gboolean add_searches,
                         gboolean successful_only, CwImportCounts *counts, GError **error)
{
  char *splits[] = {"train", NULL};
  g_autofree char *input = fixture_write(fixture, "sessions.jsonl", text);
  g_autofree char *output = fixture_path(fixture, "imported.jsonl");
  CwImportOptions options = {
      .sessions = input, .splits = splits, .add_searches = add_searches, .successful_only = successful_only};
  if (!cw_import(fixture->environment, &options, "import", 233, output, FALSE, counts, NULL, NULL, error)) {
    assert_false(g_file_test(output, G_FILE_TEST_EXISTS));
    return NULL;
  }
  GPtrArray *trajectories = g_ptr_array_new_with_free_func((GDestroyNotify)cw_trajectory_unref);
  assert_true(cw_trajectories_read(output, trajectories, NULL));
  g_remove(output);
  return trajectories;
}

static void test_recorded_searches_become_candidates(void **state)
{
  CwImportCounts counts;
  g_autoptr(GPtrArray) trajectories = import(*state, sessions, TRUE, FALSE, &counts, NULL);
  assert_int_equal(trajectories->len, 3);
  const CwTrajectory *trajectory = g_ptr_array_index(trajectories, 0);
  const CwStep *step = trajectory->steps[0];
  assert_int_equal(trajectory->n_steps, 3);
  assert_string_equal(trajectory->agent, "recorded");
  assert_string_equal(trajectory->goal_id, "toy-train-1");
  assert_true(trajectory->success);
  assert_true(trajectory->total_reward == 1);
  assert_int_equal(step->decision->n_candidates, 5);
  assert_string_equal(step->decision->candidates[step->chosen], "say hello");
  assert_string_equal(step->decision->observation, "goal 1 step 0 hint b noise 5");
  /* The query stays out of the next decision. */
  assert_int_equal(trajectory->steps[1]->decision->n_candidates, 4);
}

static void test_everything_left_out_is_counted(void **state)
{
  CwImportCounts counts;
  g_autoptr(GPtrArray) trajectories = import(*state, sessions, TRUE, FALSE, &counts, NULL);
  g_autofree char *summary = cw_import_summary(&counts);
  assert_string_equal(summary,
                      "5 sessions: 3 kept (1 of them unfinished), 1 in other splits, 0 unsuccessful, "
                      "1 unusable; 10 actions: 6 became steps, 0 taken as free text without a step, "
                      "2 impossible, 2 after the end");
  const CwTrajectory *half = g_ptr_array_index(trajectories, 1);
  assert_int_equal(half->n_steps, 2);
  assert_true(half->total_reward == 0.5);
  assert_false(half->success);
}

static void test_searches_can_be_skipped_without_losing_the_place(void **state)
{
  CwImportCounts counts;
  g_autoptr(GPtrArray) trajectories = import(*state, sessions, FALSE, FALSE, &counts, NULL);
  const CwTrajectory *trajectory = g_ptr_array_index(trajectories, 0);
  assert_int_equal(counts.n_free_text, 1);
  assert_int_equal(trajectory->n_steps, 2);
  assert_true(trajectory->success);
  /* The skipped step has been taken all the same. */
  assert_string_equal(trajectory->steps[0]->decision->observation, "goal 1 step 1 hint b noise 5");
}

static void test_only_successful_sessions_can_be_kept(void **state)
{
  CwImportCounts counts;
  g_autoptr(GPtrArray) trajectories = import(*state, sessions, TRUE, TRUE, &counts, NULL);
  assert_int_equal(trajectories->len, 1);
  assert_int_equal(counts.n_unsuccessful, 2);
}

static void assert_import_fails(const Fixture *fixture, const char *text, const char *message)
{
  CwImportCounts counts;
  g_autoptr(GError) error = NULL;
  assert_null(import(fixture, text, TRUE, FALSE, &counts, &error));
  g_autofree char *found = fixture_anonymous(fixture, error->message);
  assert_string_equal(found, message);
}

static void test_bad_sessions_are_told_with_their_line(void **state)
{
  assert_import_fails(*state, "\n{\"actions\": [\n",
                      "environment 'toy_environment': FOLDER/sessions.jsonl:2: expected a toy session");
  assert_import_fails(*state, "\n\n{\"id\": \"\xff\"}\n",
                      "FOLDER/sessions.jsonl:3: byte 9 (0xff) is not valid UTF-8 text");
  assert_import_fails(
      *state, "",
      "FOLDER/sessions.jsonl: nothing to import: 0 sessions: 0 kept (0 of them unfinished), 0 in other "
      "splits, 0 unsuccessful, 0 unusable; 0 actions: 0 became steps, 0 taken as free text without a "
      "step, 0 impossible, 0 after the end");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_recorded_searches_become_candidates),
      cmocka_unit_test(test_everything_left_out_is_counted),
      cmocka_unit_test(test_searches_can_be_skipped_without_losing_the_place),
      cmocka_unit_test(test_only_successful_sessions_can_be_kept),
      cmocka_unit_test(test_bad_sessions_are_told_with_their_line),
  };
  return cmocka_run_group_tests_name("import", tests, setup, teardown);
}
