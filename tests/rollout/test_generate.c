/* Generated trajectory files: which episodes are kept, what is cut out of them, and that neither slots nor
 * chance of timing have a say. */
#include "core/rollout/generate.h"
#include "core/rollout/goal_order.h"
#include "core/trajectory/trajectories.h"
#include "tests/toy/fixture.h"
#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* What a call wrote and counted. */
typedef struct {
  CwGenerateCounts counts;
  char *text, *rejected_text; /* NULL: no such file */
  GPtrArray *kept, *rejected; /* CwTrajectory * */
} Generated;

static int setup(void **state)
{
  *state = g_new0(Fixture, 1);
  fixture_open(*state);
  return 0;
}

static int setup_timeless(void **state)
{
  *state = g_new0(Fixture, 1);
  fixture_open_with(*state, ", timeless: true");
  return 0;
}

static int setup_patient(void **state)
{
  *state = g_new0(Fixture, 1);
  fixture_open_with(*state, ", timeless: true, patience: 1");
  return 0;
}

static int teardown(void **state)
{
  fixture_close(*state);
  g_free(*state);
  return 0;
}

static char *take_file(const char *path, GPtrArray *trajectories)
{
  char *text = NULL;
  if (!g_file_get_contents(path, &text, NULL, NULL))
    return NULL;
  if (*text)
    assert_true(cw_trajectories_read(path, trajectories, NULL));
  g_remove(path);
  return text;
}

/* `script` NULL: the policy, which is uniform. `request` needs neither split nor purpose nor seed. */
static gboolean generate_with(const Fixture *fixture, const char *script, CwGenerateRequest request,
                              guint n_slots, Generated *generated, GError **error)
{
  CwAgent agent = {.kind = CW_AGENT_SCRIPT, .name = script};
  if (!script)
    agent = (CwAgent){CW_AGENT_POLICY, "policy", fixture->policy, CW_SELECT_SAMPLE};
  g_autofree char *path = fixture_path(fixture, "generated.jsonl");
  g_autofree char *rejected = fixture_path(fixture, "rejected.jsonl");
  request.split = "dev";
  request.purpose = "generate";
  request.seed = 233;
  if (request.rejected_path)
    request.rejected_path = rejected;
  *generated = (Generated){.kept = g_ptr_array_new_with_free_func((GDestroyNotify)cw_trajectory_unref),
                           .rejected = g_ptr_array_new_with_free_func((GDestroyNotify)cw_trajectory_unref)};
  CwRollout *rollout = cw_rollout_new(fixture->environment, n_slots, NULL);
  gboolean good = cw_generate(rollout, &agent, &request, path, &generated->counts, NULL, NULL, error);
  cw_rollout_free(rollout);
  generated->text = take_file(path, generated->kept);
  generated->rejected_text = take_file(rejected, generated->rejected);
  assert_int_equal(good, generated->text != NULL);
  return good;
}

static void generate(const Fixture *fixture, const char *script, CwGenerateRequest request,
                     Generated *generated)
{
  assert_true(generate_with(fixture, script, request, 4, generated, NULL));
}

static void clear(Generated *generated)
{
  cw_generate_counts_clear(&generated->counts);
  g_ptr_array_unref(generated->kept);
  g_ptr_array_unref(generated->rejected);
  g_free(generated->text);
  g_free(generated->rejected_text);
}

static const CwTrajectory *at(const GPtrArray *trajectories, guint i)
{
  return g_ptr_array_index(trajectories, i);
}

static gboolean same_actions(const CwTrajectory *a, const CwTrajectory *b)
{
  if (a->goal != b->goal || a->n_steps != b->n_steps)
    return FALSE;
  for (guint i = 0; i < a->n_steps; i++)
    if (strcmp(a->steps[i]->decision->candidates[a->steps[i]->chosen],
               b->steps[i]->decision->candidates[b->steps[i]->chosen]) != 0)
      return FALSE;
  return TRUE;
}

static gboolean has_loop(const CwTrajectory *trajectory)
{
  for (guint i = 0; i < trajectory->n_steps; i++)
    for (guint j = 0; j < i; j++)
      if (strcmp(trajectory->steps[i]->decision->observation, trajectory->steps[j]->decision->observation) ==
          0)
        return TRUE;
  return FALSE;
}

static void test_goals_go_in_order_and_wrap_round(void **state)
{
  Generated generated;
  generate(*state, "best", (CwGenerateRequest){.n_episodes = 15}, &generated);
  assert_int_equal(generated.kept->len, 15);
  for (guint i = 0; i < 15; i++)
    assert_int_equal(at(generated.kept, i)->goal, i % 12);
  assert_int_equal(generated.counts.n_successful, 15);
  assert_true(cw_generate_score(&generated.counts) == 100);
  clear(&generated);
}

static void test_nothing_generated_is_an_error_and_leaves_no_file(void **state)
{
  static const CwGenerateRequest requests[] = {{.n_episodes = 15, .successful_only = TRUE},
                                               {.n_episodes = 15, .n_perfect = 2}};
  static const char *const cures[] = {"set successful_only to false", "for another agent"};
  for (guint i = 0; i < G_N_ELEMENTS(requests); i++) {
    Generated generated;
    g_autoptr(GError) error = NULL;
    assert_false(generate_with(*state, "worst", requests[i], 4, &generated, &error));
    g_autofree char *found = fixture_anonymous(*state, error->message);
    g_autofree char *expected =
        g_strdup_printf("none of the 15 episodes of 'worst' on split 'dev' was successful, so "
                        "'FOLDER/generated.jsonl' would be empty; ask for more episodes, or %s",
                        cures[i]);
    assert_string_equal(found, expected);
    clear(&generated);
  }
}

static void test_perfect_episodes_are_found_and_all_different(void **state)
{
  Generated generated;
  generate(*state, NULL, (CwGenerateRequest){.n_episodes = 5000, .n_perfect = 30}, &generated);
  assert_int_equal(generated.kept->len, 30);
  assert_int_equal(generated.counts.n_kept, 30);
  assert_true(generated.counts.n_episodes < 5000);
  assert_true(generated.counts.n_duplicates > 0);
  assert_int_equal(generated.counts.n_kept + generated.counts.n_duplicates, generated.counts.n_successful);
  for (guint i = 0; i < 30; i++) {
    assert_true(at(generated.kept, i)->success);
    for (guint j = 0; j < i; j++)
      assert_false(same_actions(at(generated.kept, i), at(generated.kept, j)));
  }
  clear(&generated);
}

static void test_what_is_written_does_not_depend_on_slots(void **state)
{
  static const CwGenerateRequest request = {
      .n_episodes = 5000, .n_perfect = 17, .per_goal = 3, .prune_loops = TRUE, .rejected_path = ""};
  Generated one, many;
  assert_true(generate_with(*state, NULL, request, 1, &one, NULL));
  assert_true(generate_with(*state, NULL, request, 50, &many, NULL));
  assert_string_equal(one.text, many.text);
  assert_string_equal(one.rejected_text, many.rejected_text);
  assert_int_equal(one.counts.n_episodes, many.counts.n_episodes);
  assert_int_equal(one.counts.n_decisions, many.counts.n_decisions);
  clear(&one);
  clear(&many);
}

static void test_the_search_ends_with_the_episodes(void **state)
{
  Generated generated;
  generate(*state, NULL, (CwGenerateRequest){.n_episodes = 50, .n_perfect = 1000}, &generated);
  assert_int_equal(generated.counts.n_episodes, 50);
  assert_int_equal(generated.counts.n_kept, generated.kept->len);
  assert_true(generated.kept->len > 0 && generated.kept->len < 50);
  clear(&generated);
}

static void test_loops_are_cut_and_the_rest_earns_the_same(void **state)
{
  static const CwGenerateRequest request = {.n_episodes = 200, .successful_only = TRUE};
  CwGenerateRequest pruning = request;
  Generated whole, pruned;
  guint64 n_steps = 0;
  pruning.prune_loops = TRUE;
  generate(*state, NULL, request, &whole);
  generate(*state, NULL, pruning, &pruned);
  assert_int_equal(whole.kept->len, pruned.kept->len);
  for (guint i = 0; i < whole.kept->len; i++) {
    const CwTrajectory *before = at(whole.kept, i), *after = at(pruned.kept, i);
    assert_int_equal(before->episode, after->episode);
    assert_true(before->total_reward == after->total_reward);
    assert_true(after->success && after->steps[after->n_steps - 1]->terminated);
    assert_false(has_loop(after));
    for (guint j = 0; j < after->n_steps; j++)
      assert_float_equal(after->steps[j]->log_probability, before->steps[0]->log_probability, 1e-6);
    n_steps += before->n_steps - after->n_steps;
  }
  assert_true(pruned.counts.n_pruned > 0);
  assert_int_equal(pruned.counts.n_pruned_steps, n_steps);
  assert_int_equal(pruned.counts.n_refused, 0);
  clear(&whole);
  clear(&pruned);
}

static void test_a_loop_that_mattered_stays(void **state)
{
  Generated generated;
  guint n_loops = 0;
  generate(*state, NULL, (CwGenerateRequest){.n_episodes = 200, .successful_only = TRUE, .prune_loops = TRUE},
           &generated);
  for (guint i = 0; i < generated.kept->len; i++) {
    const CwTrajectory *trajectory = at(generated.kept, i);
    assert_true(trajectory->success);
    assert_int_equal(has_loop(trajectory), trajectory->goal % 2 == 1);
    n_loops += has_loop(trajectory) ? 1 : 0;
  }
  assert_true(n_loops > 0);
  assert_int_equal(generated.counts.n_refused, n_loops);
  assert_int_equal(generated.counts.n_pruned, 0);
  clear(&generated);
}

static void test_rejected_siblings_share_a_group_with_a_success(void **state)
{
  Generated generated;
  generate(*state, NULL,
           (CwGenerateRequest){.n_episodes = 5000, .n_perfect = 12, .per_goal = 4, .rejected_path = ""},
           &generated);
  assert_int_equal(generated.kept->len, 12);
  assert_int_equal(generated.rejected->len, generated.counts.n_rejected);
  assert_true(generated.rejected->len > 0);
  for (guint i = 0; i < generated.rejected->len; i++) {
    const CwTrajectory *rejected = at(generated.rejected, i);
    gboolean has_sibling = FALSE;
    assert_false(rejected->success);
    for (guint j = 0; j < generated.kept->len; j++)
      has_sibling |= at(generated.kept, j)->goal == rejected->goal;
    assert_true(has_sibling);
  }
  assert_int_equal(generated.counts.n_episodes % 4, 0);
  assert_int_equal(generated.counts.n_groups, generated.counts.n_episodes / 4);
  clear(&generated);
}

static void test_the_yield_is_told_by_category(void **state)
{
  static const CwGenerateRequest request = {.split = "dev", .n_episodes = 5000, .n_perfect = 10};
  Generated generated;
  guint64 n_episodes = 0, n_successful = 0, n_kept = 0;
  generate(*state, NULL, request, &generated);
  assert_int_equal(generated.counts.yields->len, 2);
  for (guint i = 0; i < 2; i++) {
    const CwYield *yield = generated.counts.yields->pdata[i];
    assert_string_equal(yield->category, i ? "odd" : "even");
    n_episodes += yield->n_episodes;
    n_successful += yield->n_successful;
    n_kept += yield->n_kept;
  }
  assert_int_equal(n_episodes, generated.counts.n_episodes);
  assert_int_equal(n_successful, generated.counts.n_successful);
  assert_int_equal(n_kept, 10);
  g_autofree char *summary = cw_generate_summary(&generated.counts, &request, "policy");
  assert_non_null(strstr(summary, " 10 kept of 10 wanted, "));
  assert_non_null(strstr(summary, "\ncategory"));
  assert_non_null(strstr(summary, "\nall "));
  clear(&generated);
}

static void test_facts_go_with_the_trajectory(void **state)
{
  Generated generated;
  generate(*state, "best", (CwGenerateRequest){.n_episodes = 3}, &generated);
  const CwTrajectory *trajectory = at(generated.kept, 1);
  assert_int_equal(trajectory->n_facts, 3);
  assert_string_equal(trajectory->facts[0].name, "category");
  assert_string_equal(trajectory->facts[0].text, "odd");
  assert_string_equal(trajectory->facts[1].name, "target");
  assert_string_equal(trajectory->facts[1].text, "bc");
  assert_string_equal(trajectory->facts[2].name, "item");
  assert_string_equal(trajectory->facts[2].text, "bc");
  clear(&generated);
}

static void test_every_pass_has_all_goals_in_an_order_of_its_own(void **state)
{
  (void)state;
  CwGoalOrder *order = cw_goal_order_new(233, 1, 40);
  guint seen[2][40] = {{0}}, n_equal = 0;
  for (guint i = 0; i < 80; i++)
    seen[i / 40][cw_goal_order_at(order, i)]++;
  for (guint i = 0; i < 40; i++) {
    assert_int_equal(seen[0][i], 1);
    assert_int_equal(seen[1][i], 1);
    n_equal += cw_goal_order_at(order, i) == cw_goal_order_at(order, 40 + i) ? 1 : 0;
  }
  assert_true(n_equal < 20);
  cw_goal_order_free(order);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_goals_go_in_order_and_wrap_round, setup, teardown),
      cmocka_unit_test_setup_teardown(test_nothing_generated_is_an_error_and_leaves_no_file, setup, teardown),
      cmocka_unit_test_setup_teardown(test_perfect_episodes_are_found_and_all_different, setup, teardown),
      cmocka_unit_test_setup_teardown(test_what_is_written_does_not_depend_on_slots, setup_timeless,
                                      teardown),
      cmocka_unit_test_setup_teardown(test_the_search_ends_with_the_episodes, setup, teardown),
      cmocka_unit_test_setup_teardown(test_loops_are_cut_and_the_rest_earns_the_same, setup_timeless,
                                      teardown),
      cmocka_unit_test_setup_teardown(test_a_loop_that_mattered_stays, setup_patient, teardown),
      cmocka_unit_test_setup_teardown(test_rejected_siblings_share_a_group_with_a_success, setup, teardown),
      cmocka_unit_test_setup_teardown(test_the_yield_is_told_by_category, setup, teardown),
      cmocka_unit_test_setup_teardown(test_facts_go_with_the_trajectory, setup, teardown),
      cmocka_unit_test(test_every_pass_has_all_goals_in_an_order_of_its_own),
  };
  return cmocka_run_group_tests_name("generate", tests, NULL, NULL);
}
