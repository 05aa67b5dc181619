/* Experiments that begin with another file, and the paths of files in several folders. */
#include "tests/experiment/experiments.h"
#include "tests/scratch.h"
#include <glib/gstdio.h>
#include <unistd.h>

static CwRegistry *registry;

static void write_file(const char *path, const char *text)
{
  assert_true(g_file_set_contents(path, text, -1, NULL));
}

static CwExperiment *load(const char *path, const char *const *sets)
{
  g_autoptr(GError) error = NULL;
  CwExperiment *experiment = cw_experiment_load(path, sets, registry, &error);
  if (error)
    fail_msg("%s", error->message);
  return experiment;
}

static void assert_line(const CwExperiment *experiment, const char *line)
{
  g_autofree char *whole = g_strdup_printf("\n%s\n", line);
  if (!strstr(experiment->resolved, whole))
    fail_msg("no line '%s' in\n%s", line, experiment->resolved);
}

static void write_chain(void)
{
  write_file("sub/ground.yaml", "name: ground\nseed: 1\nenvironment: {plugin: test_shop, products: 3}\n"
                                "policy: {plugin: test_trainer, width: 8, bias: false}\n");
  write_file("sub/middle.yaml",
             "base: ground.yaml\nname: middle\nenvironment:\n  products: 4\n  step_limit: 9\n"
             "stages:\n  - {generate: {agent: random, episodes: 1}, into: a}\n"
             "  - {generate: {agent: random, episodes: 1}, into: b}\n");
  write_file("top.yaml", "base: sub/middle.yaml\npolicy: {dropout: 0.5}\n"
                         "stages:\n  - {generate: {agent: random, episodes: 2}, into: c}\n");
}

static void test_mappings_merge_and_lists_are_replaced_along_the_chain(void **state G_GNUC_UNUSED)
{
  static const char *const sets[] = {"environment.step_limit=10", NULL};
  write_chain();
  CwExperiment *experiment = load("top.yaml", sets);
  assert_string_equal(experiment->name, "middle");
  assert_line(experiment, "seed: 1 # sub/ground.yaml:2:7");
  assert_line(experiment, "  plugin: test_shop # sub/ground.yaml:3:23");
  assert_line(experiment, "  products: 4 # sub/middle.yaml:4:13");
  assert_line(experiment, "  step_limit: 10 # --set #1");
  assert_line(experiment, "policy: # top.yaml:2:9");
  assert_line(experiment, "  width: 8 # sub/ground.yaml:4:39");
  assert_line(experiment, "  dropout: 0.5 # top.yaml:2:19");
  assert_int_equal(experiment->stages->len, 1);
  assert_line(experiment, "    into: c # top.yaml:4:52");
  cw_experiment_free(experiment);
}

static void test_another_backend_over_that_of_the_base(void **state G_GNUC_UNUSED)
{
  write_chain();
  write_file("table.yaml", "base: sub/middle.yaml\npolicy: {plugin: test_table, buckets: 2}\n");
  CwExperiment *experiment = load("table.yaml", NULL);
  assert_line(experiment, "  buckets: 2 # table.yaml:2:39");
  assert_null(strstr(experiment->resolved, "width"));
  cw_experiment_free(experiment);
  write_file("table.yaml", "base: sub/middle.yaml\npolicy: {plugin: test_table, width: 2}\n");
  g_autofree char *complaints = experiments_complaints("table.yaml", NULL, registry);
  assert_string_equal(complaints, "table.yaml:2:30: error: unknown key 'width' in policy 'test_table'\n");
}

static void test_complaints_name_the_file_that_is_wrong(void **state G_GNUC_UNUSED)
{
  write_file("sub/wrong.yaml", "environment: {plugin: test_maze, product: 1}\nrollout: {slots: 0}\n");
  write_file("top.yaml", "base: sub/wrong.yaml\nrollout:\n  slot: 2\n");
  g_autofree char *complaints = experiments_complaints("top.yaml", NULL, registry);
  assert_string_equal(
      complaints,
      "sub/wrong.yaml:1:34: error: unknown key 'product' in environment 'test_maze'; did you mean "
      "'products'?\n"
      "sub/wrong.yaml:2:18: error: slots in rollout is 0, below its minimum 1\n"
      "top.yaml:3:3: error: unknown key 'slot' in rollout; did you mean 'slots'?\n");
}

static void test_a_base_cannot_be_set(void **state G_GNUC_UNUSED)
{
  static const char *const sets[] = {"base=x.yaml", NULL};
  write_file("top.yaml", "environment: {plugin: test_maze}\n");
  g_autofree char *complaints = experiments_complaints("top.yaml", sets, registry);
  assert_string_equal(
      complaints,
      "<command line>: --set #1: error: base cannot be set: it says which file to begin with before "
      "anything is set; write it into a file\n");
}

static void test_paths_are_from_the_folder_of_the_file_that_names_them(void **state G_GNUC_UNUSED)
{
  static const char *const sets[] = {"output=here", NULL};
  write_file("sub/own.jsonl", "");
  write_file("sub/ground.yaml", "environment: {plugin: test_shop, catalogue: own.jsonl}\n"
                                "policy: {plugin: test_trainer, width: 8}\noutput: own.jsonl\n"
                                "stages:\n  - {import: {sessions: own.jsonl}, into: a.jsonl}\n"
                                "  - {algorithm: test_imitation, trajectories: [a.jsonl, own.jsonl]}\n");
  write_file("a.jsonl", "");
  write_file("top.yaml", "base: sub/ground.yaml\n");
  CwExperiment *experiment = load("top.yaml", NULL);
  assert_line(experiment, "  catalogue: sub/own.jsonl # sub/ground.yaml:1:45");
  assert_line(experiment, "      sessions: sub/own.jsonl # sub/ground.yaml:5:25");
  assert_line(experiment, "    trajectories: [a.jsonl, sub/own.jsonl] # sub/ground.yaml:6:47");
  assert_string_equal(experiment->output, "own.jsonl");
  cw_experiment_free(experiment);
  experiment = load("top.yaml", sets);
  assert_string_equal(experiment->output, "here");
  cw_experiment_free(experiment);
}

static void test_what_belongs_to_a_shop_is_found_in_its_folder(void **state G_GNUC_UNUSED)
{
  static const char *const elsewhere[] = {"environment.catalogue=shop2", NULL};
  write_file("shop/recorded.jsonl", "");
  write_file("shop2/recorded.jsonl", "");
  write_file("top.yaml", "environment: {plugin: test_shop, catalogue: shop}\n"
                         "policy: {plugin: test_trainer, width: 8}\n"
                         "stages:\n  - {import: {sessions: recorded.jsonl}, into: a.jsonl}\n"
                         "  - {algorithm: test_imitation, trajectories: recorded.jsonl}\n");
  CwExperiment *experiment = load("top.yaml", NULL);
  assert_line(experiment, "      sessions: shop/recorded.jsonl # top.yaml:4:25");
  cw_experiment_free(experiment);
  experiment = load("top.yaml", elsewhere);
  assert_line(experiment, "      sessions: shop2/recorded.jsonl # top.yaml:4:25");
  assert_line(experiment, "    trajectories: [shop2/recorded.jsonl] # top.yaml:5:47");
  cw_experiment_free(experiment);
}

static void test_home_and_variables_in_every_path(void **state G_GNUC_UNUSED)
{
  g_setenv("HOME", "/home/me", TRUE);
  g_setenv("CARTWRIGHT_TEST_SHOP", "shop", TRUE);
  write_file("shop/recorded.jsonl", "");
  write_file("top.yaml",
             "environment: {plugin: test_shop, catalogue: \"~/shop\"}\n"
             "policy: {plugin: test_trainer, width: 8}\noutput: ~/runs/x\n"
             "stages:\n"
             "  - {algorithm: test_imitation, trajectories: \"${CARTWRIGHT_TEST_SHOP}/recorded.jsonl\"}\n");
  CwExperiment *experiment = load("top.yaml", NULL);
  assert_line(experiment, "output: /home/me/runs/x # top.yaml:3:9");
  assert_line(experiment, "  catalogue: /home/me/shop # top.yaml:1:45");
  assert_line(experiment, "    trajectories: [shop/recorded.jsonl] # top.yaml:5:47");
  cw_experiment_free(experiment);
}

static void test_a_run_is_read_without_what_its_stages_have_read(void **state G_GNUC_UNUSED)
{
  g_autoptr(GError) error = NULL;
  const char *text =
      "environment: {plugin: test_shop}\npolicy: {plugin: test_trainer, from: gone, width: 8}\n"
      "stages:\n  - {import: {sessions: gone.jsonl}, into: a.jsonl}\n"
      "  - {algorithm: test_imitation, trajectories: gone.jsonl}\n";
  write_file("run/config.yaml", text);
  CwExperiment *experiment = cw_experiment_load_run("run", NULL, registry, &error);
  if (!experiment)
    fail_msg("%s", error->message);
  assert_string_equal(experiment->directory, "run");
  assert_string_equal(experiment->policy.from, "gone");
  cw_experiment_free(experiment);
  assert_null(cw_experiment_load("run/config.yaml", NULL, registry, &error));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_mappings_merge_and_lists_are_replaced_along_the_chain),
      cmocka_unit_test(test_another_backend_over_that_of_the_base),
      cmocka_unit_test(test_complaints_name_the_file_that_is_wrong),
      cmocka_unit_test(test_a_base_cannot_be_set),
      cmocka_unit_test(test_paths_are_from_the_folder_of_the_file_that_names_them),
      cmocka_unit_test(test_what_belongs_to_a_shop_is_found_in_its_folder),
      cmocka_unit_test(test_home_and_variables_in_every_path),
      cmocka_unit_test(test_a_run_is_read_without_what_its_stages_have_read),
  };
  static const char *const folders[] = {"sub", "shop", "shop2", "run"};
  void *scratch;
  if (make_scratch(&scratch) != 0 || chdir(scratch) != 0)
    return 1;
  for (guint i = 0; i < G_N_ELEMENTS(folders); i++)
    if (g_mkdir(folders[i], 0777) != 0)
      return 1;
  registry = experiments_registry();
  int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
  cw_registry_free(registry);
  return chdir("/") != 0 || remove_scratch(&scratch) != 0 ? 1 : n_failed;
}
