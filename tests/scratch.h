/* A directory for one test, made before it and removed after it; *state is its path. */
#ifndef SCRATCH_H
#define SCRATCH_H

#include "core/base/durable.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static int make_scratch(void **state)
{
  *state = g_dir_make_tmp("cartwright-test-XXXXXX", NULL);
  return *state ? 0 : -1;
}

static int remove_scratch(void **state)
{
  gboolean removed = cw_remove_tree(*state, NULL);

  g_free(*state);
  return removed ? 0 : -1;
}

/* Replaces the scratch directory in a message by "DIR", so that whole messages can be asserted. */
static G_GNUC_UNUSED char *without_scratch(const char *message, const char *scratch)
{
  g_auto(GStrv) pieces = g_strsplit(message, scratch, -1);

  return g_strjoinv("DIR", pieces);
}

#define assert_message(error, scratch, expected)                                                             \
  do {                                                                                                       \
    char *shown_;                                                                                            \
    assert_non_null(error);                                                                                  \
    shown_ = without_scratch((error)->message, scratch);                                                     \
    assert_string_equal(shown_, expected);                                                                   \
    g_free(shown_);                                                                                          \
    g_clear_error(&(error));                                                                                 \
  } while (0)

#endif
