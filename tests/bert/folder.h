/* A temporary folder for a test, and the assertion every malformed input ends in. */
#ifndef TEST_BERT_FOLDER_H
#define TEST_BERT_FOLDER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cartwright/error.h>
#include <glib.h>
#include <glib/gstdio.h>

#include <cmocka.h>

/* CMocka group setup and teardown: *state is the folder's path; teardown removes it and its files. */
static inline int folder_make(void **state)
{
  *state = g_dir_make_tmp("cartwright-bert-XXXXXX", NULL);
  return !*state;
}

static inline int folder_remove(void **state)
{
  GDir *folder = g_dir_open(*state, 0, NULL);
  const char *name;
  while ((name = g_dir_read_name(folder))) {
    char *file = g_build_filename(*state, name, NULL);
    g_unlink(file);
    g_free(file);
  }
  g_dir_close(folder);
  g_rmdir(*state);
  g_free(*state);
  return 0;
}

/* Writes a file into the folder and returns its path; free with g_free. */
static inline char *folder_write(const char *folder, const char *name, const char *content, gssize length)
{
  char *file = g_build_filename(folder, name, NULL);
  assert_true(g_file_set_contents(file, content, length, NULL));
  return file;
}

/* The error says exactly `expected`, in which %s stands for `path` (once). Clears it. */
static inline void assert_message(GError **error, const char *path, const char *expected)
{
  assert_non_null(*error);
  char **parts = g_strsplit(expected, "%s", -1);
  char *text = g_strjoinv(path, parts);
  assert_string_equal((*error)->message, text);
  assert_int_equal((*error)->domain, CW_POLICY_ERROR);
  g_free(text);
  g_strfreev(parts);
  g_clear_error(error);
}

#endif
