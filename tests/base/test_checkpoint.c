/* Checkpoints: whole or not there, whatever happens to the process or the files. */
#include "core/base/checkpoint.h"
#include "core/sdk/crc32c.h"
#include "tests/scratch.h"
#include <cartwright/error.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static char *in(void **state, const char *path)
{
  return g_build_filename(*state, path, NULL);
}

static void write_text(void **state, const char *path, const char *text)
{
  g_autofree char *full = in(state, path);
  assert_true(g_file_set_contents(full, text, -1, NULL));
}

static gboolean exists(void **state, const char *path)
{
  g_autofree char *full = in(state, path);
  return g_file_test(full, G_FILE_TEST_EXISTS);
}

/* A checkpoint of two files, one of them in a folder. */
static void make_checkpoint(void **state, const char *name, const char *text)
{
  const char *const facts[] = {"update", "17", "fingerprint", "ab\"c", NULL};
  g_autofree char *partial = cw_checkpoint_begin(*state, name, NULL);
  g_autofree char *file = g_build_filename(partial, "state.ini", NULL);
  g_autofree char *folder = g_build_filename(partial, "policy", NULL);
  g_autofree char *weights = g_build_filename(folder, "weights", NULL);
  assert_true(cw_write_file(file, text, strlen(text), NULL));
  assert_int_equal(g_mkdir(folder, 0777), 0);
  assert_true(cw_write_file(weights, "123456789", 9, NULL));
  assert_true(cw_checkpoint_commit(*state, name, facts, NULL));
}

static void assert_broken(void **state, const char *expected)
{
  g_autofree char *path = in(state, "step-1");
  GError *error = NULL;
  assert_false(cw_checkpoint_verify(path, &error));
  assert_true(g_error_matches(error, CW_RUN_ERROR, CW_ERROR_FORMAT));
  assert_message(error, *state, expected);
}

/* RFC 3720, appendix B.4, and the check value of the CRC catalogue. */
static void test_crc32c_gives_published_values(void **state)
{
  guchar bytes[32];
  (void)state;
  assert_int_equal(cw_crc32c(0, "", 0), 0);
  assert_int_equal(cw_crc32c(0, "123456789", 9), 0xe3069283);
  assert_int_equal(cw_crc32c(cw_crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
  memset(bytes, 0, 32);
  assert_int_equal(cw_crc32c(0, bytes, 32), 0x8a9136aa);
  assert_int_equal(cw_crc32c_portable(0, bytes, 32), 0x8a9136aa);
  memset(bytes, 0xff, 32);
  assert_int_equal(cw_crc32c(0, bytes, 32), 0x62a8ab43);
  for (guint i = 0; i < 32; i++)
    bytes[i] = (guchar)i;
  assert_int_equal(cw_crc32c(0, bytes, 32), 0x46dd794e);
  for (guint length = 0; length <= 32; length++)
    assert_int_equal(cw_crc32c(5, bytes, length), cw_crc32c_portable(5, bytes, length));
}

static void test_a_committed_checkpoint_is_valid_and_tells_its_facts(void **state)
{
  g_autofree char *path = in(state, "step-1");
  g_autofree char *update = NULL, *fingerprint = NULL, *manifest = NULL;
  g_autofree char *manifest_path = in(state, "step-1/manifest.json");
  GError *error = NULL;
  make_checkpoint(state, "step-1", "hello");
  assert_true(cw_checkpoint_verify(path, NULL));
  update = cw_checkpoint_fact(path, "update", NULL);
  assert_string_equal(update, "17");
  fingerprint = cw_checkpoint_fact(path, "fingerprint", NULL);
  assert_string_equal(fingerprint, "ab\"c");
  assert_null(cw_checkpoint_fact(path, "nonsense", &error));
  assert_null(error);
  assert_false(exists(state, ".step-1.partial"));
  assert_true(g_file_get_contents(manifest_path, &manifest, NULL, NULL));
  assert_true(g_str_has_prefix(
      manifest, "{\"format\": 1, \"facts\": {\"update\": \"17\", \"fingerprint\": \"ab\\\"c\"}, "
                "\"files\": [{\"name\": \"policy/weights\", \"size\": 9, \"crc32c\": \"e3069283\"}, "
                "{\"name\": \"state.ini\", \"size\": 5, \"crc32c\": \"9a71bb4c\"}], "
                "\"manifest_crc32c\": \""));
}

static void test_a_checkpoint_replaces_an_older_one_of_its_name(void **state)
{
  g_autofree char *path = in(state, "step-1");
  g_autofree char *file = in(state, "step-1/state.ini");
  g_autofree char *content = NULL;
  make_checkpoint(state, "step-1", "old");
  make_checkpoint(state, "step-1", "new one");
  assert_true(cw_checkpoint_verify(path, NULL));
  assert_true(g_file_get_contents(file, &content, NULL, NULL));
  assert_string_equal(content, "new one");
  assert_false(exists(state, ".step-1.partial"));
}

static void test_begin_empties_what_a_killed_process_left(void **state)
{
  g_autofree char *partial = cw_checkpoint_begin(*state, "step-1", NULL);
  write_text(state, ".step-1.partial/junk", "x");
  g_free(partial);
  partial = cw_checkpoint_begin(*state, "step-1", NULL);
  assert_true(exists(state, ".step-1.partial"));
  assert_false(exists(state, ".step-1.partial/junk"));
  cw_checkpoint_abandon(*state, "step-1");
  assert_false(exists(state, ".step-1.partial"));
}

static void test_a_missing_file_is_named(void **state)
{
  g_autofree char *file = in(state, "step-1/policy/weights");
  make_checkpoint(state, "step-1", "hello");
  assert_int_equal(unlink(file), 0);
  assert_broken(
      state,
      "DIR/step-1/policy/weights: expected a file of 9 bytes, as the checkpoint's manifest says, found "
      "none; use another checkpoint");
}

static void test_a_truncated_file_is_named(void **state)
{
  make_checkpoint(state, "step-1", "hello");
  write_text(state, "step-1/policy/weights", "12345");
  assert_broken(
      state, "DIR/step-1/policy/weights: expected 9 bytes, as the checkpoint's manifest says, found 5; use "
             "another checkpoint");
}

static void test_a_changed_file_is_named(void **state)
{
  make_checkpoint(state, "step-1", "hello");
  write_text(state, "step-1/policy/weights", "123456780");
  assert_broken(
      state, "DIR/step-1/policy/weights: expected content with CRC32C e3069283, as the checkpoint's manifest "
             "says, found 9bb4494f: the file is damaged; use another checkpoint");
}

static void test_a_damaged_manifest_is_reported(void **state)
{
  g_autofree char *path = in(state, "step-1/manifest.json");
  g_autofree char *text = NULL;
  GError *error = NULL;
  gsize length;
  make_checkpoint(state, "step-1", "hello");
  assert_true(g_file_get_contents(path, &text, &length, NULL));
  *strstr(text, "17") = '9'; /* still JSON, but the update is a lie */
  assert_true(g_file_set_contents(path, text, (gssize)length, NULL));
  assert_broken(
      state, "DIR/step-1/manifest.json: expected the manifest of a finished checkpoint, found a damaged file "
             "(its checksum does not fit); use another checkpoint");
  assert_true(g_file_set_contents(path, text, 40, NULL));
  assert_broken(
      state, "DIR/step-1/manifest.json: expected the manifest of a finished checkpoint, found a damaged file "
             "(its checksum does not fit); use another checkpoint");
  assert_int_equal(unlink(path), 0);
  assert_broken(
      state, "DIR/step-1/manifest.json: expected the manifest of a finished checkpoint, found no such file; "
             "use another checkpoint");
  g_free(path);
  path = in(state, "step-1");
  assert_null(cw_checkpoint_fact(path, "update", &error));
  assert_non_null(error);
  g_clear_error(&error);
}

/* Warnings are collected instead of printed. */
static GLogWriterOutput collect_warning(GLogLevelFlags level, const GLogField *fields, gsize n_fields,
                                        gpointer data)
{
  (void)level;
  for (gsize i = 0; i < n_fields; i++)
    if (strcmp(fields[i].key, "MESSAGE") == 0)
      g_ptr_array_add(*(GPtrArray **)data, g_strdup(fields[i].value));
  return G_LOG_WRITER_HANDLED;
}

static GPtrArray *warnings;

static void test_latest_is_by_number_and_skips_broken_ones_with_a_warning(void **state)
{
  g_autofree char *latest = NULL;
  g_autofree char *warning = NULL;
  make_checkpoint(state, "step-9", "x");
  make_checkpoint(state, "step-10", "x");
  make_checkpoint(state, "step-11", "x");
  make_checkpoint(state, "other-12", "x");
  write_text(state, "step-11/policy/weights", "1");
  g_ptr_array_set_size(warnings, 0);
  latest = cw_checkpoint_latest(*state, NULL);
  assert_string_equal(latest, "step-10");
  assert_int_equal(warnings->len, 1);
  warning = without_scratch(warnings->pdata[0], *state);
  assert_string_equal(warning,
                      "skipping a broken checkpoint: DIR/step-11/policy/weights: expected 9 bytes, as the "
                      "checkpoint's manifest says, found 1; use another checkpoint");
}

static void test_latest_of_nothing_is_no_error(void **state)
{
  g_autofree char *missing = in(state, "missing");
  GError *error = NULL;
  assert_null(cw_checkpoint_latest(missing, &error));
  assert_null(cw_checkpoint_latest(*state, &error));
  assert_null(error);
}

static void test_what_is_neither_file_nor_folder_is_refused(void **state)
{
  g_autofree char *partial = cw_checkpoint_begin(*state, "step-1", NULL);
  g_autofree char *link_path = g_build_filename(partial, "link", NULL);
  GError *error = NULL;
  assert_int_equal(symlink("/dev/zero", link_path), 0);
  assert_false(cw_checkpoint_commit(*state, "step-1", NULL, &error));
  assert_message(
      error, *state,
      "DIR/.step-1.partial/link: expected a file or a folder in a checkpoint, found something else");
}

static void test_prune_keeps_the_newest_whole_ones_and_sweeps_leftovers(void **state)
{
  g_autofree char *leftover = cw_checkpoint_begin(*state, "step-5", NULL);
  for (guint i = 1; i <= 4; i++) {
    g_autofree char *name = g_strdup_printf("step-%u", i);
    make_checkpoint(state, name, "x");
  }
  write_text(state, "step-4/policy/weights", "1"); /* broken: it must not push out a whole one */
  assert_true(cw_checkpoint_prune(*state, 2, NULL));
  assert_false(exists(state, "step-1"));
  assert_true(exists(state, "step-2/manifest.json"));
  assert_true(exists(state, "step-3/manifest.json"));
  assert_false(g_file_test(leftover, G_FILE_TEST_EXISTS));
}

/* A child writes and prunes checkpoints until it is killed; whenever that was, a whole checkpoint is there,
 * and no later than the one before the last begun. */
static void test_a_process_killed_at_any_moment_leaves_a_whole_checkpoint(void **state)
{
  g_autoptr(GRand) chance = g_rand_new_with_seed(1);

  make_checkpoint(state, "step-0", "x");
  for (guint round = 0; round < 8; round++) {
    g_autofree char *latest = NULL;
    g_autofree char *path = NULL;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
      for (guint step = 1;; step++) {
        g_autofree char *name = g_strdup_printf("step-%u", step % 3);
        make_checkpoint(state, name, "x");
        cw_checkpoint_prune(*state, 2, NULL);
      }
    }
    g_usleep((gulong)g_rand_int_range(chance, 500, 15000));
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    latest = cw_checkpoint_latest(*state, NULL);
    assert_non_null(latest);
    path = in(state, latest);
    assert_true(cw_checkpoint_verify(path, NULL));
  }
}

#define in_scratch(test) cmocka_unit_test_setup_teardown(test, make_scratch, remove_scratch)

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_crc32c_gives_published_values),
      in_scratch(test_a_committed_checkpoint_is_valid_and_tells_its_facts),
      in_scratch(test_a_checkpoint_replaces_an_older_one_of_its_name),
      in_scratch(test_begin_empties_what_a_killed_process_left),
      in_scratch(test_a_missing_file_is_named),
      in_scratch(test_a_truncated_file_is_named),
      in_scratch(test_a_changed_file_is_named),
      in_scratch(test_a_damaged_manifest_is_reported),
      in_scratch(test_latest_is_by_number_and_skips_broken_ones_with_a_warning),
      in_scratch(test_latest_of_nothing_is_no_error),
      in_scratch(test_what_is_neither_file_nor_folder_is_refused),
      in_scratch(test_prune_keeps_the_newest_whole_ones_and_sweeps_leftovers),
      in_scratch(test_a_process_killed_at_any_moment_leaves_a_whole_checkpoint),
  };
  int failed;

  warnings = g_ptr_array_new_with_free_func(g_free);
  g_log_set_writer_func(collect_warning, &warnings, NULL);
  failed = cmocka_run_group_tests_name("checkpoint", tests, NULL, NULL);
  g_ptr_array_free(warnings, TRUE);
  return failed;
}
