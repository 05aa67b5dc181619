/* Files aside, append logs, trees and caches: whole or not there, and never through somebody's link. */
#include "core/base/durable.h"
#include "tests/scratch.h"
#include <cartwright/cache.h>
#include <cartwright/error.h>
#include <fcntl.h>
#include <glib/gstdio.h>
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

static void assert_content(void **state, const char *path, const char *expected)
{
  g_autofree char *full = in(state, path), *content = NULL;
  assert_true(g_file_get_contents(full, &content, NULL, NULL));
  assert_string_equal(content, expected);
}

static gboolean exists(void **state, const char *path)
{
  g_autofree char *full = in(state, path);
  return g_file_test(full, G_FILE_TEST_EXISTS);
}

static void test_a_file_is_written_whole_or_not_at_all(void **state)
{
  g_autofree char *path = in(state, "file"), *missing = in(state, "missing/file");
  GError *error = NULL;
  assert_true(cw_write_file(path, "a\0b", 3, NULL));
  assert_true(cw_write_file(path, "second", 6, NULL));
  assert_content(state, "file", "second");
  assert_false(exists(state, ".file.partial"));
  assert_false(cw_write_file(missing, "x", 1, &error));
  assert_true(g_error_matches(error, CW_RUN_ERROR, CW_ERROR_INPUT_OUTPUT));
  assert_message(error, *state,
                 "DIR/missing/.file.partial: cannot open for writing: No such file or directory");
  g_autofree char *folder = in(state, "folder");
  assert_int_equal(g_mkdir(folder, 0777), 0);
  assert_false(cw_write_file(folder, "x", 1, &error));
  assert_message(error, *state, "DIR/.folder.partial: cannot rename to DIR/folder: Is a directory");
  assert_false(exists(state, ".folder.partial"));
}

static void test_a_link_at_the_name_aside_is_not_followed(void **state)
{
  g_autofree char *path = in(state, "file"), *aside = in(state, ".file.partial");
  g_autofree char *victim = in(state, "victim"), *other = in(state, "other");
  write_text(state, "victim", "precious");
  assert_int_equal(symlink(victim, aside), 0);
  assert_true(cw_write_file(path, "text", 4, NULL));
  assert_int_equal(link(victim, aside), 0);
  assert_true(cw_write_file(path, "more", 4, NULL));
  assert_content(state, "victim", "precious");
  assert_content(state, "file", "more");
  assert_int_equal(symlink(victim, other), 0);
  assert_null(cw_log_open(other, 3, NULL));
  assert_content(state, "victim", "precious");
}

static void test_a_log_aside_gets_its_name_when_it_is_whole(void **state)
{
  g_autofree char *path = in(state, "log"), *aside = cw_aside(path);
  CwLog *log = cw_log_open(aside, 0, NULL);
  assert_true(cw_log_add(log, "one\n", 4, NULL));
  assert_true(cw_log_add(log, "two\n", 4, NULL));
  assert_int_equal(cw_log_length(log), 8);
  cw_log_close(log);
  assert_false(exists(state, "log"));
  log = cw_log_open(aside, 4, NULL); /* the second was not committed */
  assert_true(cw_log_commit(log, path, NULL));
  assert_content(state, "log", "one\n");
  assert_false(exists(state, ".log.partial"));
  log = cw_log_open(aside, 0, NULL);
  cw_log_discard(log);
  assert_false(exists(state, ".log.partial"));
}

static void test_what_a_living_process_writes_is_left_alone(void **state)
{
  g_autofree char *path = in(state, "log");
  GError *error = NULL;
  CwLog *log = cw_log_open(path, 0, NULL);
  assert_true(cw_log_add(log, "one\n", 4, NULL));
  assert_null(cw_log_open(path, 0, &error));
  assert_message(error, *state,
                 "DIR/log: another process is writing this file; wait for it, or write another one");
  assert_null(cw_log_open(path, 4, NULL));
  cw_log_close(log);
  assert_content(state, "log", "one\n");
  cw_log_close(cw_log_open(path, 0, NULL));
  assert_content(state, "log", "");
}

static void test_whole_records_end_before_what_is_torn(void **state)
{
  g_autofree char *path = in(state, "log"), *missing = in(state, "missing");
  assert_int_equal(cw_log_whole(missing), 0);
  write_text(state, "log", "");
  assert_int_equal(cw_log_whole(path), 0);
  write_text(state, "log", "torn");
  assert_int_equal(cw_log_whole(path), 0);
  write_text(state, "log", "one\ntwo\ntorn");
  assert_int_equal(cw_log_whole(path), 8);
  assert_true(g_file_set_contents(path, "one\n\0\0\0\0\n", 9, NULL)); /* lost power */
  assert_int_equal(cw_log_whole(path), 4);
}

static void test_a_tree_replaces_an_older_one_in_one_step(void **state)
{
  g_autofree char *path = in(state, "tree");
  for (guint i = 0; i < 2; i++) {
    g_autofree char *aside = cw_tree_begin(path, NULL);
    g_autofree char *file = g_build_filename(aside, i ? "new" : "old", NULL);
    assert_true(cw_write_file(file, "x", 1, NULL));
    assert_true(cw_tree_commit(path, NULL));
  }
  assert_true(exists(state, "tree/new"));
  assert_false(exists(state, "tree/old"));
  assert_false(exists(state, ".tree.partial"));
  assert_true(cw_tree_remove(path, NULL));
  assert_true(cw_tree_remove(path, NULL)); /* nothing to remove */
  assert_false(exists(state, "tree"));
}

static void test_trees_are_removed_without_following_links(void **state)
{
  g_autofree char *folder = in(state, "folder"), *deep = in(state, "folder/a/b");
  g_autofree char *link_path = in(state, "folder/a/link");
  assert_true(cw_make_directories(deep, NULL));
  write_text(state, "precious", "stay");
  assert_int_equal(symlink("../../precious", link_path), 0);
  assert_true(cw_remove_tree(folder, NULL));
  assert_false(exists(state, "folder"));
  assert_content(state, "precious", "stay");
}

static void test_a_sweep_removes_what_is_aside_and_nothing_else(void **state)
{
  g_autofree char *tree = in(state, "tree"), *aside = cw_tree_begin(tree, NULL);
  write_text(state, ".file.partial", "x");
  write_text(state, "mine.partial", "x");
  write_text(state, ".mine", "x");
  assert_true(cw_tree_sweep(*state, NULL));
  assert_false(exists(state, ".tree.partial"));
  assert_false(exists(state, ".file.partial"));
  assert_true(exists(state, "mine.partial"));
  assert_true(exists(state, ".mine"));
}

typedef struct {
  guint n_rows;
  float sum;
} Rows;

static gboolean take_row(guint32 number, const float *row, guint32 n, gpointer user_data)
{
  Rows *rows = user_data;
  if (number > 2)
    return FALSE;
  rows->n_rows++;
  for (guint32 i = 0; i < n; i++)
    rows->sum += row[i];
  return TRUE;
}

static Rows read_cache(void **state, CwCache **cache)
{
  g_autofree char *path = in(state, "cache");
  Rows rows = {0};
  *cache = cw_cache_open(path, take_row, &rows, NULL);
  assert_non_null(*cache);
  return rows;
}

static void test_a_cache_keeps_its_whole_rows(void **state)
{
  static const float row[] = {1, 2, 3};
  g_autofree char *path = in(state, "cache");
  CwCache *cache;
  assert_int_equal(read_cache(state, &cache).n_rows, 0);
  for (guint32 i = 0; i < 3; i++)
    assert_true(cw_cache_add(cache, i, row, i + 1, NULL));
  cw_cache_close(cache);
  assert_true(read_cache(state, &cache).sum == 1 + 3 + 6);
  cw_cache_close(cache);
  assert_int_equal(truncate(path, 3 * 12 + 5 * 4), 0); /* the last row without its last number */
  Rows rows = read_cache(state, &cache);
  assert_true(rows.n_rows == 2 && rows.sum == 1 + 3);
  assert_true(cw_cache_add(cache, 2, row, 2, NULL)); /* goes where the torn one was */
  assert_true(cw_cache_add(cache, 7, row, 2, NULL)); /* not to be believed */
  cw_cache_close(cache);
  rows = read_cache(state, &cache);
  assert_true(rows.n_rows == 3 && rows.sum == 1 + 3 + 3);
  cw_cache_close(cache);
}

#define in_scratch(test) cmocka_unit_test_setup_teardown(test, make_scratch, remove_scratch)

int main(void)
{
  const struct CMUnitTest tests[] = {
      in_scratch(test_a_file_is_written_whole_or_not_at_all),
      in_scratch(test_a_link_at_the_name_aside_is_not_followed),
      in_scratch(test_a_log_aside_gets_its_name_when_it_is_whole),
      in_scratch(test_what_a_living_process_writes_is_left_alone),
      in_scratch(test_whole_records_end_before_what_is_torn),
      in_scratch(test_a_tree_replaces_an_older_one_in_one_step),
      in_scratch(test_trees_are_removed_without_following_links),
      in_scratch(test_a_sweep_removes_what_is_aside_and_nothing_else),
      in_scratch(test_a_cache_keeps_its_whole_rows),
  };
  return cmocka_run_group_tests_name("durable", tests, NULL, NULL);
}
