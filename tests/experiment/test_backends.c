/* One file for several backends: which options of a mapping are for the feature that is chosen, what is left
 * out with a note, and what stays an error. */
#include "tests/experiment/experiments.h"
#include "tests/scratch.h"
#include <unistd.h>

static CwRegistry *registry;
static GString *notes;

/* Loads the text and returns the lines of the resolved policy, without origins; the notes are in `notes`. */
static char *policy_of(const char *text, const char *const *sets)
{
  g_autoptr(GError) error = NULL;
  g_string_truncate(notes, 0);
  assert_true(g_file_set_contents("x.yaml", text, -1, NULL));
  CwExperiment *experiment = cw_experiment_load("x.yaml", sets, registry, &error);
  if (!experiment)
    fail_msg("%s", error->message);
  for (guint i = 0; i < experiment->notes->len; i++)
    g_string_append_printf(notes, "%s\n", (const char *)experiment->notes->pdata[i]);
  g_autoptr(GRegex) comment = g_regex_new(" # .*$", G_REGEX_MULTILINE, 0, NULL);
  g_autofree char *bare = g_regex_replace_literal(comment, experiment->resolved, -1, 0, "", 0, NULL);
  char *start = strstr(bare, "policy:\n") + strlen("policy:\n"), *end = strstr(start, "rollout:");
  cw_experiment_free(experiment);
  return g_strndup(start, end - start);
}

static void assert_complaints(const char *text, const char *const *sets, const char *expected)
{
  assert_true(g_file_set_contents("x.yaml", text, -1, NULL));
  g_autofree char *found = experiments_complaints("x.yaml", sets, registry);
  assert_string_equal(found, expected);
}

static const char flat[] = "environment: {plugin: test_maze}\n"
                           "policy: {plugin: test_trainer, width: 8, dropout: 0.2, bias: false}\n";
static const char *const to_table[] = {"policy.plugin=test_table", NULL};

static void test_flat_keys_of_the_files_own_backend_are_left_out_with_a_note_each(void **state G_GNUC_UNUSED)
{
  g_autofree char *policy = policy_of(flat, to_table);
  assert_string_equal(policy, "  plugin: test_table\n  model: null\n  buckets: 16\n  dropout: 0.2\n");
  assert_string_equal(
      notes->str,
      "x.yaml:2:32: width in policy is left out: it is for 'test_trainer', and the one chosen does "
      "not have it\n"
      "x.yaml:2:56: bias in policy is left out: it is for 'test_trainer', and the one chosen does "
      "not have it\n");
}

static void test_without_another_choice_nothing_is_left_out(void **state G_GNUC_UNUSED)
{
  static const char *const same[] = {"policy.plugin=test_trainer", NULL};
  g_autofree char *policy = policy_of(flat, same);
  assert_string_equal(policy, "  plugin: test_trainer\n  width: 8\n  dropout: 0.2\n  bias: false\n");
  assert_string_equal(notes->str, "");
}

static void test_unknown_keys_stay_errors(void **state G_GNUC_UNUSED)
{
  static const char *const sets[] = {"policy.plugin=test_table", "policy.bias=true", NULL};
  assert_complaints(
      "environment: {plugin: test_maze}\npolicy: {plugin: test_trainer, width: 8, droput: 0}\n", to_table,
      "x.yaml:2:42: error: unknown key 'droput' in policy 'test_table'; did you mean 'dropout'?\n");
  assert_complaints(flat, sets, "x.yaml:2:56: error: unknown key 'bias' in policy 'test_table'\n");
}

static void test_a_path_of_another_backend_is_left_out_where_it_is_not_required(void **state G_GNUC_UNUSED)
{
  static const char *const heap[] = {"policy.plugin=test_heap", NULL};
  static const char *const given[] = {"policy.plugin=test_heap", "policy.model=other", NULL};
  const char *text = "environment: {plugin: test_maze}\npolicy: {plugin: test_table, model: m, buckets: 2}\n";
  g_autofree char *without = policy_of(text, heap);
  assert_string_equal(without, "  plugin: test_heap\n  model: null\n  buckets: 2\n  dropout: 0\n");
  assert_string_equal(
      notes->str,
      "x.yaml:2:30: model in policy is left out: it is a path for 'test_table', and 'test_heap' can do "
      "without\n");
  g_autofree char *with = policy_of(text, given);
  assert_string_equal(with, "  plugin: test_heap\n  model: other\n  buckets: 2\n  dropout: 0\n");
}

static const char both[] = "environment: {plugin: test_maze}\n"
                           "policy:\n"
                           "  plugin: test_table\n"
                           "  dropout: 0.3\n"
                           "  test_table: {buckets: 4, dropout: 0.1}\n"
                           "  test_trainer: {width: 8}\n";

static void test_a_mapping_named_after_a_backend_is_for_it_alone(void **state G_GNUC_UNUSED)
{
  static const char *const trainer[] = {"policy.plugin=test_trainer", NULL};
  g_autofree char *own = policy_of(both, NULL), *other = policy_of(both, trainer);
  assert_string_equal(own, "  plugin: test_table\n  model: null\n  buckets: 4\n  dropout: 0.1\n");
  assert_string_equal(other, "  plugin: test_trainer\n  width: 8\n  dropout: 0.3\n  bias: true\n");
  assert_string_equal(notes->str, "");
}

static void test_the_command_line_comes_before_a_mapping_of_the_file(void **state G_GNUC_UNUSED)
{
  static const char *const flat_set[] = {"policy.dropout=0.4", NULL};
  static const char *const inner_set[] = {"policy.dropout=0.4", "policy.test_table.dropout=0.5", NULL};
  g_autofree char *first = policy_of(both, flat_set), *second = policy_of(both, inner_set);
  assert_string_equal(first, "  plugin: test_table\n  model: null\n  buckets: 4\n  dropout: 0.4\n");
  assert_string_equal(second, "  plugin: test_table\n  model: null\n  buckets: 4\n  dropout: 0.5\n");
}

static void test_mappings_of_backends_that_are_not_chosen_are_checked(void **state G_GNUC_UNUSED)
{
  assert_complaints(
      "environment: {plugin: test_maze}\npolicy:\n  plugin: test_table\n  test_trainer: {widht: 8}\n"
      "  test_scorer: {width: 0}\n  test_table: {plugin: x}\n",
      NULL,
      "x.yaml:4:18: error: unknown key 'widht' in policy 'test_trainer'; did you mean 'width'?\n"
      "x.yaml:5:24: error: width in policy 'test_scorer' is 0, below its minimum 1\n"
      "x.yaml:6:16: error: misplaced key 'plugin' in the options of 'test_table'; it belongs to policy "
      "itself\n");
}

static void test_a_mapping_of_a_backend_that_is_not_installed_is_left_alone(void **state G_GNUC_UNUSED)
{
  g_autofree char *policy = policy_of("environment: {plugin: test_maze}\npolicy:\n  plugin: test_table\n"
                                      "  no_such_thing: {a: [1]}\n",
                                      NULL);
  assert_string_equal(
      notes->str,
      "x.yaml:4:3: no policy 'no_such_thing' is installed here; the options for it are not looked at\n");
  assert_complaints(
      "environment: {plugin: test_maze}\npolicy: {plugin: test_table, bukets: {a: 1}}\n", NULL,
      "x.yaml:2:30: error: unknown key 'bukets' in policy 'test_table'; did you mean 'buckets'?\n");
}

static void test_environments_and_algorithms_are_chosen_the_same_way(void **state G_GNUC_UNUSED)
{
  static const char *const sets[] = {"stages.0.algorithm=test_online", "environment.plugin=test_maze", NULL};
  g_autofree char *policy = policy_of(
      "environment: {plugin: test_shop, catalogue: c, products: 2, test_maze: {products: 3}}\n"
      "policy: {plugin: test_actor_critic, width: 1}\n"
      "stages:\n  - {algorithm: test_imitation, evaluate_every: 2, epochs: 2, test_online: {gamma: 0.5}}\n",
      sets);
  assert_string_equal(
      notes->str,
      "x.yaml:1:34: catalogue in environment is left out: it is a path for 'test_shop', and 'test_maze' "
      "can do without\n"
      "x.yaml:4:52: epochs in the stage is left out: it is for 'test_imitation', and the one chosen does "
      "not have it\n");
}

static void test_the_policy_of_a_run_with_options_of_its_own(void **state G_GNUC_UNUSED)
{
  g_autoptr(GError) error = NULL;
  static const char *const to_heap[] = {"policy.plugin=test_heap", NULL};
  assert_int_equal(g_mkdir_with_parents("run/checkpoints/step-2", 0777), 0);
  assert_true(g_file_set_contents("run/checkpoints/step-2/state.ini", "", -1, NULL));
  assert_true(g_file_set_contents("run/config.yaml",
                                  "environment: {plugin: test_shop}\n"
                                  "policy: {plugin: test_table, from: older, model: m, buckets: 4}\n",
                                  -1, NULL));
  g_autofree char *all = policy_of("environment: {plugin: test_maze}\npolicy: {from: run}\n", NULL);
  assert_string_equal(all, "  plugin: test_table\n  from: run\n  model: m\n  buckets: 4\n  dropout: 0\n");
  g_autofree char *some = policy_of(
      "environment: {plugin: test_maze}\npolicy: {from: run/checkpoints/step-2, dropout: 0.1}\n", NULL);
  assert_string_equal(some, "  plugin: test_table\n  from: run/checkpoints/step-2\n  model: m\n  buckets: 4\n"
                            "  dropout: 0.1\n");
  g_autofree char *other = policy_of("environment: {plugin: test_maze}\npolicy: {from: run}\n", to_heap);
  assert_string_equal(other, "  plugin: test_heap\n  from: run\n  model: null\n  buckets: 4\n  dropout: 0\n");
  assert_complaints(
      "environment: {plugin: test_maze}\npolicy: {from: nowhere}\n", NULL,
      "x.yaml:2:16: error: from in policy is 'nowhere'; expected a run directory or one of its checkpoints "
      "(RUN/checkpoints/step-N)\n");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_flat_keys_of_the_files_own_backend_are_left_out_with_a_note_each),
      cmocka_unit_test(test_without_another_choice_nothing_is_left_out),
      cmocka_unit_test(test_unknown_keys_stay_errors),
      cmocka_unit_test(test_a_path_of_another_backend_is_left_out_where_it_is_not_required),
      cmocka_unit_test(test_a_mapping_named_after_a_backend_is_for_it_alone),
      cmocka_unit_test(test_the_command_line_comes_before_a_mapping_of_the_file),
      cmocka_unit_test(test_mappings_of_backends_that_are_not_chosen_are_checked),
      cmocka_unit_test(test_a_mapping_of_a_backend_that_is_not_installed_is_left_alone),
      cmocka_unit_test(test_environments_and_algorithms_are_chosen_the_same_way),
      cmocka_unit_test(test_the_policy_of_a_run_with_options_of_its_own),
  };
  void *scratch;
  notes = g_string_new(NULL);
  if (make_scratch(&scratch) != 0 || chdir(scratch) != 0)
    return 1;
  registry = experiments_registry();
  int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
  cw_registry_free(registry);
  g_string_free(notes, TRUE);
  return chdir("/") != 0 || remove_scratch(&scratch) != 0 ? 1 : n_failed;
}
