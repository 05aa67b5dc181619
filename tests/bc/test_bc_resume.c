/* Behaviour cloning with the plugin "linear": it learns, and a stopped stage goes on bit by bit. */
#include "core/base/durable.h"
#include "tests/bc/stage.h"
#include "tests/bc/table.h"
#include <math.h>

static const char *const colours[] = {"red", "green", "blue", "black", "white"};

/* "pick the COLOUR one" among three colours; the right one is the wanted one. */
static GPtrArray *make_toy_task(guint n)
{
  GPtrArray *list = new_trajectories();
  CwRandom *random = cw_random_new(3, "toy", 0, 0);
  for (guint i = 0; i < n; i++) {
    g_autofree char *goal = g_strdup_printf("goal_%u", i);
    char *texts[2];
    Choice choices[2];
    for (guint j = 0; j < 2; j++) {
      guint32 order[] = {0, 1, 2, 3, 4};
      cw_random_shuffle(random, order, 5);
      choices[j] = (Choice){NULL, {colours[order[0]], colours[order[1]], colours[order[2]]}, 0, 0};
      choices[j].chosen = cw_random_below(random, 3);
      texts[j] = g_strdup_printf("pick the %s one", colours[order[choices[j].chosen]]);
      choices[j].text = texts[j];
    }
    add_trajectory(list, goal, "expert", TRUE, choices, 2);
    g_free(texts[0]);
    g_free(texts[1]);
  }
  cw_random_free(random);
  return list;
}

static void test_a_toy_task_is_learnt_and_carries_over_to_what_was_held_out(void **state)
{
  Stage *stage = stage_new("epochs: 20\nbatch_decisions: 16\nlearning_rate: 0.05\nheld_out: 0.2\n",
                           make_toy_task(60), NULL);
  double first;

  (void)state;
  stage_update(stage);
  first = stage_metric(stage, "loss");
  assert_true(first > 0.5);
  while (!stage_update(stage))
    ;
  assert_near(stage_metric(stage, "accuracy"), 1, 0);
  assert_near(stage_metric(stage, "held_out_accuracy"), 1, 0);
  assert_true(stage_metric(stage, "loss") < first / 5);
  stage_free(stage);
}

static void append_tensor(const char *name, const gint64 *shape, guint n_dimensions, const float *weights,
                          const float *gradient, gpointer data)
{
  gint64 size = 1;
  (void)name, (void)gradient;
  for (guint i = 0; i < n_dimensions; i++)
    size *= shape[i];
  g_byte_array_append(data, (const guint8 *)weights, (guint)(size * (gint64)sizeof(float)));
}

/* Everything that a run leaves: weights, and the metrics of the update. */
static GByteArray *remains(const Stage *stage)
{
  GByteArray *bytes = g_byte_array_new();
  cw_policy_visit_tensors(stage->policy, append_tensor, bytes, NULL);
  for (guint i = 0; i < cw_update_n_metrics(stage->update); i++) {
    const char *name = cw_update_metric_name(stage->update, i);
    double value = cw_update_metric_value(stage->update, i);
    g_byte_array_append(bytes, (const guint8 *)name, (guint)strlen(name));
    g_byte_array_append(bytes, (const guint8 *)&value, sizeof value);
  }
  return bytes;
}

static const char resumable[] =
    "epochs: 3\nbatch_decisions: 7\nlearning_rate: 0.01\nheld_out: 0.2\nwarmup: 0.3\n"
    "batch_tokens: 20\nschedule: cosine\nearly_stop: 2\nvalue_coefficient: 0.1\n";

/* A stage whose own files lie where another process would find them. */
static Stage *open_resumable(GPtrArray *trajectories, const char *scratch)
{
  Stage *stage = stage_new(resumable, trajectories, NULL);
  g_autofree char *folder = g_build_filename(scratch, "stage", NULL);
  cw_update_set_scratch(stage->update, folder);
  return stage;
}

/* Saves a stage and opens another one from what was saved, as a new process would. */
static Stage *stop_and_resume(Stage *stage, GPtrArray *trajectories, const char *scratch)
{
  Stage *resumed = open_resumable(trajectories, scratch);
  GKeyFile *state = g_key_file_new(), *read = g_key_file_new();
  g_autofree char *text = NULL;
  g_autofree char *random = cw_random_save(stage->random);
  cw_algorithm_save(stage->algorithm, state);
  assert_true(cw_policy_save(stage->policy, scratch, NULL));
  text = g_key_file_to_data(state, NULL, NULL);
  assert_true(g_key_file_load_from_data(read, text, strlen(text), G_KEY_FILE_NONE, NULL));
  assert_true(cw_algorithm_load(resumed->algorithm, read, NULL));
  assert_true(cw_policy_load(resumed->policy, scratch, NULL));
  assert_true(cw_random_load(resumed->random, random));
  assert_int_equal(cw_algorithm_expected_updates(resumed->algorithm),
                   cw_algorithm_expected_updates(stage->algorithm)); /* known before the first update */
  resumed->index = stage->index;
  g_key_file_free(state);
  g_key_file_free(read);
  stage_free(stage);
  return resumed;
}

static void test_a_stop_in_mid_epoch_continues_bit_by_bit(void **state)
{
  g_autofree char *scratch = g_dir_make_tmp("cartwright-test-XXXXXX", NULL);
  Stage *straight = stage_new(resumable, make_toy_task(20), NULL);
  Stage *stopped = open_resumable(make_toy_task(20), scratch);
  gboolean done = FALSE;
  (void)state;
  for (guint update = 0; !done; update++) {
    GByteArray *expected, *found;
    done = stage_update(straight);
    if (update == 0 || update == 3 || update == 5 || update == 9) /* start, middle, end of an epoch, later */
      stopped = stop_and_resume(stopped, make_toy_task(20), scratch);
    assert_int_equal(stage_update(stopped), done);
    expected = remains(straight);
    found = remains(stopped);
    assert_int_equal(found->len, expected->len);
    assert_memory_equal(found->data, expected->data, expected->len);
    g_byte_array_free(expected, TRUE);
    g_byte_array_free(found, TRUE);
  }
  stopped = stop_and_resume(stopped, make_toy_task(20), scratch);
  assert_true(stage_update(stopped)); /* already complete */
  assert_int_equal(cw_update_n_metrics(stopped->update), 0);
  stage_free(straight);
  stage_free(stopped);
  assert_true(cw_remove_tree(scratch, NULL));
}

static GByteArray *weights_of(const Stage *stage)
{
  GByteArray *bytes = g_byte_array_new();
  cw_policy_visit_tensors(stage->policy, append_tensor, bytes, NULL);
  return bytes;
}

static void free_bytes(gpointer bytes)
{
  g_byte_array_free(bytes, TRUE);
}

/* Stops early, three epochs after the best one, and tells with which epoch's weights it ends. */
static void assert_ends_with(const char *keep, gboolean best_is_kept)
{
  g_autofree char *yaml =
      g_strdup_printf("epochs: 60\nbatch_decisions: 100\nlearning_rate: 0.1\nheld_out: 0.2\n"
                      "early_stop: 3\nkeep: %s\n",
                      keep);
  g_autoptr(GPtrArray) epochs = g_ptr_array_new_with_free_func(free_bytes); /* weights after each */
  Stage *stage = stage_new(yaml, make_toy_task(60), NULL);
  GByteArray *expected, *found;
  double best = -1;
  gint best_epoch = 0;
  gboolean done;

  do {
    done = stage_update(stage); /* a whole epoch */
    g_ptr_array_add(epochs, weights_of(stage));
    if (stage_metric(stage, "held_out_accuracy") > best) {
      best = stage_metric(stage, "held_out_accuracy");
      best_epoch = (gint)epochs->len;
    }
  } while (!done);
  assert_int_equal(best_epoch, (gint)epochs->len - 3);
  found = epochs->pdata[epochs->len - 1];
  expected = epochs->pdata[best_epoch - 1];
  if (best_is_kept) {
    assert_near(stage_metric(stage, "kept_epoch"), best_epoch, 0);
    assert_memory_equal(found->data, expected->data, expected->len);
  } else {
    assert_true(isnan(stage_metric(stage, "kept_epoch")));
    assert_int_not_equal(memcmp(found->data, expected->data, expected->len), 0);
  }
  stage_free(stage);
}

static void test_an_early_stop_ends_with_the_best_epoch_or_the_last(void **state)
{
  (void)state;
  assert_ends_with("best", TRUE);
  assert_ends_with("last", FALSE);
}

static void test_resuming_with_other_trajectories_is_refused(void **state)
{
  g_autofree char *scratch = g_dir_make_tmp("cartwright-test-XXXXXX", NULL);
  Stage *stage = stage_new(resumable, make_toy_task(20), NULL);
  g_autofree char *message = NULL;
  (void)state;
  stage_update(stage);
  stage = stop_and_resume(stage, make_toy_task(21), scratch);
  message = stage_update_fails(stage, CW_ERROR_CONFIGURATION);
  assert_string_equal(message,
                      "algorithm 'bc': expected the trajectories that this stage began with, found others; "
                      "bring the old files back, or start the run afresh");
  stage_free(stage);
  assert_true(cw_remove_tree(scratch, NULL));
}

static void test_a_state_with_a_gap_is_refused(void **state)
{
  Table *table = new_table();
  Stage *stage = stage_new("epochs: 1\n", make_rows(1), table_feature());
  GKeyFile *saved = g_key_file_new();
  GError *error = NULL;
  (void)state;
  cw_algorithm_save(stage->algorithm, saved);
  assert_true(g_key_file_remove_key(saved, "algorithm", "step", NULL));
  assert_false(cw_algorithm_load(stage->algorithm, saved, &error));
  assert_true(g_error_matches(error, CW_ALGORITHM_ERROR, CW_ERROR_FORMAT));
  assert_true(g_str_has_prefix(error->message,
                               "algorithm 'bc': expected the state of this algorithm in the checkpoint, "
                               "found a gap: "));
  assert_non_null(strstr(error->message, "step"));
  g_error_free(error);
  g_key_file_free(saved);
  stage_free(stage);
  g_free(table);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_toy_task_is_learnt_and_carries_over_to_what_was_held_out),
      cmocka_unit_test(test_a_stop_in_mid_epoch_continues_bit_by_bit),
      cmocka_unit_test(test_an_early_stop_ends_with_the_best_epoch_or_the_last),
      cmocka_unit_test(test_resuming_with_other_trajectories_is_refused),
      cmocka_unit_test(test_a_state_with_a_gap_is_refused),
  };

  return cmocka_run_group_tests_name("bc resume", tests, NULL, NULL);
}
