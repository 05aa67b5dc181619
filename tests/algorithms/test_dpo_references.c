/* The reference's log-probabilities: computed once, kept on disk, and believed only where they belong. */
#include "core/base/durable.h"
#include "tests/algorithms/dpo_sessions.h"

static gboolean visit_table(gpointer policy, CwTensorVisitor visitor, gpointer user_data,
                            GError **error G_GNUC_UNUSED)
{
  static const gint64 shape[] = {TABLE_ROWS, TABLE_COLUMNS};
  visitor("logits", shape, 2, &((Table *)policy)->logits[0][0], NULL, user_data);
  return TRUE;
}

/* One pass over four sessions with its files in `scratch`; returns how many decisions the reference scored.
 */
static guint score_references(const char *scratch, float first_logit, const char *goals, double *margin)
{
  static const float rewards[] = {0, 1, 0.5f, 0.25f};
  static CwPolicyVtable vtable;
  CwRegisteredFeature feature = *counting_table_feature();
  Table *table = new_table();
  Stage *stage;
  vtable = *feature.vtable.policy;
  vtable.visit_tensors = visit_table;
  feature.vtable.policy = &vtable;
  table->logits[0][0] = first_logit;
  stage = stage_open("dpo", "learning_rate: 0.5\n", make_sessions(goals, rewards), &feature);
  cw_update_set_scratch(stage->update, scratch);
  while (!stage_update(stage))
    ;
  *margin = stage_metric(stage, "margin");
  stage_free(stage);
  g_free(table);
  return n_reference_scores;
}

static guint count_files(const char *scratch, char **path)
{
  GDir *dir = g_dir_open(scratch, 0, NULL);
  const char *name;
  guint n = 0;
  while ((name = g_dir_read_name(dir))) {
    g_free(*path);
    *path = g_build_filename(scratch, name, NULL);
    n++;
  }
  g_dir_close(dir);
  return n;
}

static void test_references_are_scored_once_and_found_on_disk(void **state)
{
  g_autofree char *parent = g_dir_make_tmp("cartwright-test-XXXXXX", NULL);
  g_autofree char *scratch = g_build_filename(parent, "stage", NULL), *path = NULL, *bytes = NULL;
  double margin, again;
  gsize length;
  (void)state;
  assert_int_equal(score_references(scratch, 1, "aabb", &margin), 4);
  assert_int_equal(score_references(scratch, 1, "aabb", &again), 0);
  assert_near(again, margin, 0);
  assert_int_equal(count_files(scratch, &path), 1);
  /* A file that a killed process left half written is completed. */
  assert_true(g_file_get_contents(path, &bytes, &length, NULL));
  for (gsize cut = 1; cut < length; cut += 7) {
    g_autofree char *found = NULL;
    gsize found_length;
    assert_true(g_file_set_contents(path, bytes, (gssize)(length - cut), NULL));
    assert_int_equal(score_references(scratch, 1, "aabb", &again), 1 + (cut - 1) / (length / 4));
    assert_near(again, margin, 0);
    assert_true(g_file_get_contents(path, &found, &found_length, NULL));
    assert_int_equal(found_length, length);
  }
  /* One with a bit turned is not believed. */
  bytes[length - 1] ^= 1;
  assert_true(g_file_set_contents(path, bytes, (gssize)length, NULL));
  assert_int_equal(score_references(scratch, 1, "aabb", &again), 1);
  assert_near(again, margin, 0);
  assert_true(cw_remove_tree(parent, NULL));
}

static void test_references_of_others_are_not_used(void **state)
{
  g_autofree char *parent = g_dir_make_tmp("cartwright-test-XXXXXX", NULL);
  g_autofree char *scratch = g_build_filename(parent, "stage", NULL), *path = NULL;
  double margin;
  (void)state;
  assert_int_equal(score_references(scratch, 1, "aabb", &margin), 4);
  assert_int_equal(score_references(scratch, 1.5f, "aabb", &margin), 4); /* another reference */
  assert_int_equal(count_files(scratch, &path), 2);
  assert_int_equal(score_references(scratch, 1, "aab", &margin), 3); /* other trajectories */
  assert_int_equal(count_files(scratch, &path), 3);
  assert_true(cw_remove_tree(parent, NULL));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_references_are_scored_once_and_found_on_disk),
      cmocka_unit_test(test_references_of_others_are_not_used),
  };

  return cmocka_run_group_tests_name("dpo references", tests, NULL, NULL);
}
