/* Experiments that are in order: defaults, overrides, the resolved text and its origins, the fingerprint, and
 * what a resume may and may not change. */
#include "tests/experiment/experiments.h"
#include <cartwright/error.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static CwRegistry *registry;

static const char whole[] = "name: whole\n"
                            "environment:\n"
                            "  plugin: test_shop\n"
                            "  products: 20\n"
                            "  observation: text_rich\n"
                            "policy: {plugin: test_trainer, width: 8, dropout: 0}\n"
                            "stages:\n"
                            "  - generate: {agent: expert, episodes: 50, successful_only: true}\n"
                            "    into: expert.jsonl\n"
                            "  - import: {sessions: sessions.txt, splits: [train, dev]}\n"
                            "    into: \"human 1.jsonl\"\n"
                            "  - algorithm: test_imitation\n"
                            "    trajectories: [expert.jsonl, human 1.jsonl]\n"
                            "    learning_rate: 2.50e-5\n"
                            "    evaluate_every: 10\n"
                            "evaluate: {agents: [random, expert, final], selection: greedy}\n";

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

static CwExperiment *load_text(const char *text, const char *const *sets)
{
  write_file("x.yaml", text);
  return load("x.yaml", sets);
}

static void test_the_core_tables_pass_their_self_check(void **state)
{
  (void)state;
  for (const CwExperimentSection *section = cw_experiment_tables; section->name; section++) {
    assert_ptr_equal(cw_experiment_table(section->name), section->table);
    assert_null(cw_options_self_check(section->table));
  }
  assert_null(cw_experiment_table("nonsense"));
}

static void test_a_small_experiment_has_all_defaults(void **state)
{
  (void)state;
  write_file("small.yaml", "environment: {plugin: test_maze}\nrollout:\n");
  CwExperiment *experiment = load("small.yaml", NULL);
  assert_string_equal(experiment->name, "small");
  assert_string_equal(experiment->output, "runs/small");
  assert_int_equal(experiment->seed, 233);
  assert_string_equal(experiment->environment.feature->name, "test_maze");
  assert_non_null(experiment->environment.options);
  assert_null(experiment->policy.feature);
  assert_int_equal(experiment->rollout->slots, 16);
  assert_int_equal(experiment->checkpoint->every, 100);
  assert_int_equal(experiment->checkpoint->keep, 2);
  assert_string_equal(experiment->evaluate->split, "test");
  assert_int_equal(experiment->evaluate->episodes, 500);
  assert_null(experiment->evaluate->agents);
  assert_string_equal(experiment->evaluate->selection[0], "sample");
  assert_string_equal(experiment->evaluate->selection[1], "greedy");
  assert_true(experiment->evaluate->confidence == 0.95);
  assert_int_equal(experiment->stages->len, 0);
  cw_experiment_free(experiment);
}

static void test_stages_hold_their_own_and_the_plugins_options(void **state)
{
  (void)state;
  CwExperiment *experiment = load_text(whole, NULL);
  assert_int_equal(experiment->stages->len, 3);
  const CwStage *generate = g_ptr_array_index(experiment->stages, 0);
  assert_int_equal(generate->kind, CW_STAGE_GENERATE);
  assert_string_equal(generate->into, "expert.jsonl");
  assert_string_equal(generate->generate->agent, "expert");
  assert_int_equal(generate->generate->episodes, 50);
  assert_true(generate->generate->successful_only);
  const CwStage *import = g_ptr_array_index(experiment->stages, 1);
  assert_int_equal(import->kind, CW_STAGE_IMPORT);
  assert_string_equal(import->import->sessions, "sessions.txt");
  assert_string_equal(import->import->splits[1], "dev");
  assert_true(import->import->add_searches);
  const CwStage *algorithm = g_ptr_array_index(experiment->stages, 2);
  assert_int_equal(algorithm->kind, CW_STAGE_ALGORITHM);
  assert_int_equal(algorithm->place.line, 12);
  assert_string_equal(algorithm->algorithm.feature->name, "test_imitation");
  assert_string_equal(algorithm->options->trajectories[1], "human 1.jsonl");
  assert_int_equal(algorithm->options->evaluate_every, 10);
  assert_int_equal(algorithm->options->evaluate_episodes, 100);
  assert_string_equal(algorithm->options->evaluate_split, "dev");
  assert_int_equal(*(const gint64 *)algorithm->algorithm.options, 3); /* epochs, its first member */
  cw_experiment_free(experiment);
}

static void test_the_resolved_text_names_the_origin_of_every_value(void **state)
{
  (void)state;
  static const char *const sets[] = {"seed=7", "evaluate.agents=[random, final]",
                                     "stages.2.trajectories.1=expert.jsonl", "rollout.slots=4", NULL};
  CwExperiment *experiment = load_text(whole, sets);
  assert_string_equal(experiment->resolved,
                      "name: whole # x.yaml:1:7\n"
                      "seed: 7 # --set #1\n"
                      "output: runs/whole # default\n"
                      "environment: # x.yaml:3:3\n"
                      "  plugin: test_shop # x.yaml:3:11\n"
                      "  catalogue: null # default\n"
                      "  products: 20 # x.yaml:4:13\n"
                      "  step_limit: 100 # default\n"
                      "  observation: text_rich # x.yaml:5:16\n"
                      "policy: # x.yaml:6:9\n"
                      "  plugin: test_trainer # x.yaml:6:18\n"
                      "  width: 8 # x.yaml:6:39\n"
                      "  dropout: 0 # x.yaml:6:51\n"
                      "  bias: true # default\n"
                      "rollout: # --set #4\n"
                      "  slots: 4 # --set #4\n"
                      "  step_limit: 10000 # default\n"
                      "checkpoint: # default\n"
                      "  every: 100 # default\n"
                      "  keep: 2 # default\n"
                      "stages: # x.yaml:8:3\n"
                      "  - generate: # x.yaml:8:15\n"
                      "      agent: expert # x.yaml:8:23\n"
                      "      policy_from: null # default\n"
                      "      teacher: null # default\n"
                      "      split: train # default\n"
                      "      episodes: 50 # x.yaml:8:41\n"
                      "      perfect: 0 # default\n"
                      "      per_goal: 1 # default\n"
                      "      shuffle: false # default\n"
                      "      successful_only: true # x.yaml:8:62\n"
                      "      prune_loops: false # default\n"
                      "      record: null # default\n"
                      "      rejected_into: null # default\n"
                      "    into: expert.jsonl # x.yaml:9:11\n"
                      "  - import: # x.yaml:10:13\n"
                      "      sessions: sessions.txt # x.yaml:10:24\n"
                      "      splits: [train, dev] # x.yaml:10:46\n"
                      "      add_searches: true # default\n"
                      "      successful_only: false # default\n"
                      "    into: \"human 1.jsonl\" # x.yaml:11:11\n"
                      "  - algorithm: test_imitation # x.yaml:12:16\n"
                      "    trajectories: [expert.jsonl, expert.jsonl] # x.yaml:13:19, --set #3\n"
                      "    refresh_every: 0 # default\n"
                      "    refresh_mode: replace # default\n"
                      "    evaluate_every: 10 # x.yaml:15:21\n"
                      "    evaluate_episodes: 100 # default\n"
                      "    evaluate_split: dev # default\n"
                      "    epochs: 3 # default\n"
                      "    learning_rate: 2.5e-5 # x.yaml:14:20\n"
                      "    schedule: linear # default\n"
                      "    log_every: 1 # default\n"
                      "evaluate: # x.yaml:16:11\n"
                      "  split: test # default\n"
                      "  episodes: 500 # default\n"
                      "  agents: [random, final] # --set #2\n"
                      "  selection: [greedy] # x.yaml:16:56\n"
                      "  confidence: 0.95 # default\n"
                      "  keep_episodes: 0 # default\n"
                      "  record: [probabilities] # default\n"
                      "  advisor: null # default\n");
  cw_experiment_free(experiment);
}

static char *without_comments(const char *text)
{
  g_autoptr(GRegex) comment = g_regex_new(" # .*$", G_REGEX_MULTILINE, 0, NULL);
  return g_regex_replace_literal(comment, text, -1, 0, "", 0, NULL);
}

static void test_the_resolved_text_loads_to_the_same_experiment(void **state)
{
  (void)state;
  static const char *const texts[] = {
      whole,
      "name: \"odd: #name 'é'\"\nenvironment: {plugin: test_shop, catalogue: 'a # b'}\noutput: \"true\"\n",
      "environment: {plugin: test_maze}\nevaluate: {agents: []}\nstages: []\n"};
  for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
    CwExperiment *first = load_text(texts[i], NULL);
    write_file("config.yaml", first->resolved);
    CwExperiment *again = load("config.yaml", NULL);
    g_autofree char *left = without_comments(first->resolved), *right = without_comments(again->resolved);
    assert_string_equal(left, right);
    assert_string_equal(first->fingerprint, again->fingerprint);
    assert_int_equal(strlen(first->fingerprint), 64);
    cw_experiment_free(first);
    cw_experiment_free(again);
  }
}

/* Whether a --set changes the fingerprint; the resume check must agree, and says `expected`. */
static void assert_resume(const char *set, const char *expected)
{
  const char *sets[] = {set, NULL};
  g_autoptr(GError) error = NULL;
  CwExperiment *saved = load_text(whole, NULL), *changed = load_text(whole, sets);
  gboolean same = cw_experiment_check_resume(changed, saved->resolved, "run/config.yaml", NULL, &error);
  assert_int_equal(same, strcmp(saved->fingerprint, changed->fingerprint) == 0);
  assert_int_equal(same, !expected);
  if (expected) {
    g_autofree char *message = g_strdup_printf(
        "run/config.yaml: this run cannot be resumed with other values: %s. Set them back, or start a "
        "new run with --out DIR",
        expected);
    assert_true(g_error_matches(error, CW_CONFIG_ERROR, CW_ERROR_CONFIGURATION));
    assert_string_equal(error->message, message);
  }
  cw_experiment_free(saved);
  cw_experiment_free(changed);
}

static void test_what_may_change_on_resume_leaves_the_fingerprint_alone(void **state)
{
  (void)state;
  assert_resume("name=other", NULL);
  assert_resume("output=elsewhere", NULL);
  assert_resume("rollout.slots=2", NULL);
  assert_resume("checkpoint={every: 5, keep: 1}", NULL);
  assert_resume("evaluate={episodes: 3, agents: [initial], confidence: 0.9}", NULL);
  assert_resume("stages.2.evaluate_every=1", NULL);
  assert_resume("stages.2.log_every=9", NULL);
  assert_resume("stages.2.learning_rate=0.000025", NULL); /* the same value, written differently */
}

static void test_a_resume_with_other_values_is_refused_by_name(void **state)
{
  (void)state;
  assert_resume("stages.2.learning_rate=1e-4", "stages.2.learning_rate was 2.5e-5, is 1e-4 (--set #1)");
  assert_resume("seed=1", "seed was 233, is 1 (--set #1)");
  assert_resume("policy.plugin=test_actor_critic",
                "policy.plugin was test_trainer, is test_actor_critic (--set #1)");
  assert_resume("stages.2.trajectories=expert.jsonl",
                "stages.2.trajectories was [expert.jsonl, \"human 1.jsonl\"], is [expert.jsonl] (--set #1)");
  assert_resume(
      "stages=[]",
      "stages.0.generate.agent was expert, is absent; stages.0.generate.policy_from was null, is absent; "
      "stages.0.generate.teacher was null, is absent; stages.0.generate.split was train, is absent; "
      "stages.0.generate.episodes was 50, is absent; and 24 more");
}

static void test_what_is_not_where_it_was_may_be_elsewhere(void **state)
{
  (void)state;
  const char *text = "environment: {plugin: test_shop, catalogue: given.jsonl}\n";
  static const char *const moved[] = {"environment.catalogue=sessions.txt", NULL};
  static const char *const gone[] = {"environment.catalogue=null", NULL};
  write_file("given.jsonl", "");
  CwExperiment *saved = load_text(text, NULL), *other = load_text(text, moved), *none = load_text(text, gone);
  assert_false(cw_experiment_check_resume(other, saved->resolved, "run/config.yaml", NULL, NULL));
  assert_int_equal(unlink("given.jsonl"), 0);
  assert_true(cw_experiment_check_resume(other, saved->resolved, "run/config.yaml", NULL, NULL));
  assert_false(cw_experiment_check_resume(none, saved->resolved, "run/config.yaml", NULL, NULL));
  assert_false(cw_experiment_check_resume(saved, none->resolved, "run/config.yaml", NULL, NULL));
  cw_experiment_free(saved);
  cw_experiment_free(other);
  cw_experiment_free(none);
}

static void test_a_saved_text_without_stages_is_compared_too(void **state)
{
  (void)state;
  g_autoptr(GError) error = NULL;
  CwExperiment *saved = load_text("environment: {plugin: test_maze}\n", NULL);
  CwExperiment *more = load_text("environment: {plugin: test_maze}\nstages:\n"
                                 "  - {generate: {agent: random, episodes: 1}, into: a}\n",
                                 NULL);
  assert_true(cw_experiment_check_resume(saved, saved->resolved, "run/config.yaml", NULL, &error));
  assert_false(cw_experiment_check_resume(more, saved->resolved, "run/config.yaml", NULL, &error));
  assert_non_null(strstr(error->message, "stages.0.generate.agent was absent, is random (x.yaml:3:24); "));
  cw_experiment_free(saved);
  cw_experiment_free(more);
}

/* A run from before the option existed had its default. */
static void test_an_option_that_came_later_forbids_no_resume_at_its_default(void **state)
{
  (void)state;
  const char *text = "environment: {plugin: test_maze}\npolicy: {plugin: test_actor_critic, width: 1}\n"
                     "stages:\n  - {algorithm: test_online}\n";
  static const char *const sets[] = {"stages.0.since=true", NULL};
  CwExperiment *now = load_text(text, NULL), *other = load_text(text, sets);
  g_autoptr(GString) saved = g_string_new(now->resolved);
  char *line = strstr(saved->str, "since: false");
  assert_non_null(line);
  while (line > saved->str && line[-1] == ' ')
    line--;
  g_string_erase(saved, line - saved->str, (gssize)strcspn(line, "\n") + 1);
  assert_true(cw_experiment_check_resume(now, saved->str, "run/config.yaml", NULL, NULL));
  assert_false(cw_experiment_check_resume(other, saved->str, "run/config.yaml", NULL, NULL));
  cw_experiment_free(now);
  cw_experiment_free(other);
}

static void test_a_saved_text_that_is_no_yaml_is_an_error(void **state)
{
  (void)state;
  g_autoptr(GError) error = NULL;
  CwExperiment *experiment = load_text("environment: {plugin: test_maze}\n", NULL);
  assert_false(cw_experiment_check_resume(experiment, "a: [", "run/config.yaml", NULL, &error));
  assert_string_equal(error->message,
                      "run/config.yaml:2:1: error: YAML syntax: did not find expected node content "
                      "while parsing a flow node");
  cw_experiment_free(experiment);
}

static void test_overrides_go_through_the_same_check(void **state)
{
  (void)state;
  static const char *const sets[] = {"stages.2.lerning_rate=1", "seed=x",           "stages.9.epochs=1",
                                     "evaluate.agents=robot",   "policy.width='8'", NULL};
  write_file("x.yaml", whole);
  g_autofree char *complaints = experiments_complaints("x.yaml", sets, registry);
  assert_string_equal(complaints,
                      "<command line>: --set #1: error: unknown key 'lerning_rate' in algorithm "
                      "'test_imitation'; did you mean 'learning_rate'?\n"
                      "<command line>: --set #2: error: seed in the experiment is 'x'; expected an integer\n"
                      "<command line>: --set #3: error: 'stages' has 3 items; there is no item 9 (they "
                      "count from 0)\n"
                      "<command line>: --set #5: error: width in policy 'test_trainer' is the string '8'; "
                      "expected an integer: remove the quotes\n");
}

static void test_trajectories_may_be_files(void **state)
{
  (void)state;
  write_file("given.jsonl", "");
  CwExperiment *experiment =
      load_text("environment: {plugin: test_maze}\npolicy: {plugin: test_trainer, width: 1}\n"
                "stages:\n  - {algorithm: test_imitation, trajectories: given.jsonl}\n",
                NULL);
  cw_experiment_free(experiment);
}

static void test_what_an_algorithm_needs_may_depend_on_its_options(void **state)
{
  (void)state;
  const char *text = "environment: {plugin: test_maze}\npolicy: {plugin: test_actor_critic, width: 1}\n"
                     "stages:\n  - {algorithm: test_online}\n";
  static const char *const sets[] = {"stages.0.gamma=1", NULL};
  cw_experiment_free(load_text(text, NULL));
  g_autofree char *complaints = experiments_complaints("x.yaml", sets, registry);
  assert_string_equal(complaints,
                      "x.yaml:4:5: error: algorithm 'test_online' needs a frozen reference; policy "
                      "'test_actor_critic' cannot clone itself\n");
}

static void test_a_missing_file_is_one_complaint(void **state)
{
  (void)state;
  g_autofree char *complaints = experiments_complaints("absent.yaml", NULL, registry);
  assert_string_equal(complaints, "absent.yaml: error: cannot be read: No such file or directory\n");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_the_core_tables_pass_their_self_check),
      cmocka_unit_test(test_a_small_experiment_has_all_defaults),
      cmocka_unit_test(test_stages_hold_their_own_and_the_plugins_options),
      cmocka_unit_test(test_the_resolved_text_names_the_origin_of_every_value),
      cmocka_unit_test(test_the_resolved_text_loads_to_the_same_experiment),
      cmocka_unit_test(test_what_may_change_on_resume_leaves_the_fingerprint_alone),
      cmocka_unit_test(test_a_resume_with_other_values_is_refused_by_name),
      cmocka_unit_test(test_what_is_not_where_it_was_may_be_elsewhere),
      cmocka_unit_test(test_a_saved_text_without_stages_is_compared_too),
      cmocka_unit_test(test_an_option_that_came_later_forbids_no_resume_at_its_default),
      cmocka_unit_test(test_a_saved_text_that_is_no_yaml_is_an_error),
      cmocka_unit_test(test_overrides_go_through_the_same_check),
      cmocka_unit_test(test_trajectories_may_be_files),
      cmocka_unit_test(test_what_an_algorithm_needs_may_depend_on_its_options),
      cmocka_unit_test(test_a_missing_file_is_one_complaint),
  };
  g_autofree char *directory = g_dir_make_tmp("cartwright-XXXXXX", NULL);
  static const char *const files[] = {"x.yaml", "small.yaml", "config.yaml", "sessions.txt", "given.jsonl"};
  if (!directory || chdir(directory) != 0 || !g_file_set_contents("sessions.txt", "", -1, NULL))
    return 1;
  registry = experiments_registry();
  int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
  cw_registry_free(registry);
  for (guint i = 0; i < G_N_ELEMENTS(files); i++)
    unlink(files[i]);
  if (chdir("/") == 0)
    rmdir(directory);
  return n_failed;
}
