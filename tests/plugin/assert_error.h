/* One check for tests of what fails: domain, code and the whole message. */
#ifndef TESTS_PLUGIN_ASSERT_ERROR_H
#define TESTS_PLUGIN_ASSERT_ERROR_H

#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Clears the error. */
static inline void assert_error(GError **error, GQuark domain, gint code, const char *message)
{
  assert_non_null(*error);
  assert_string_equal((*error)->message, message);
  assert_true((*error)->domain == domain);
  assert_int_equal((*error)->code, code);
  g_clear_error(error);
}

#endif
