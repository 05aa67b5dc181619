/* For tests of the conformance suites: sound plugins, of which a test replaces a slot, and the assertion that
 * a check noticed. */
#ifndef TEST_CONFORMANCE_NOTICED_H
#define TEST_CONFORMANCE_NOTICED_H

#include "conformance/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* The sound plugins behind the faulty slots. */
static struct {
  CwRegistry *registry;
  const CwRegisteredFeature *environment, *policy, *algorithm;
} sound;

static int find_plugins(void **state)
{
  (void)state;
  sound.registry = cw_registry_new(NULL);
  sound.environment = cw_registry_find(sound.registry, CW_FEATURE_ENVIRONMENT, "skeleton_environment", NULL);
  sound.policy = cw_registry_find(sound.registry, CW_FEATURE_POLICY, "linear", NULL);
  sound.algorithm = cw_registry_find(sound.registry, CW_FEATURE_ALGORITHM, "skeleton_algorithm", NULL);
  return !sound.environment || !sound.policy || !sound.algorithm;
}

static int forget_plugins(void **state)
{
  (void)state;
  cw_registry_free(sound.registry);
  return 0;
}

static void note(const CwRegisteredFeature *feature, const char *check, CwCheckResult result,
                 const char *message, gpointer user_data)
{
  (void)feature;
  if (result == CW_CHECK_FAILED)
    g_string_append_printf(user_data, "%s: %s\n", check, message);
}

/* Runs the suite and asserts that `failure` ("check: message") is among the failures. */
static void assert_noticed(const CwRegisteredFeature *feature, const char *options, const char *failure)
{
  GString *failures = g_string_new(NULL);
  GError *error = NULL;
  assert_false(cw_check_feature(sound.registry, feature, options, "options", note, failures, &error));
  assert_true(g_error_matches(error, CW_PLUGIN_ERROR, CW_ERROR_FAILED));
  if (!strstr(failures->str, failure))
    fail_msg("expected \"%s\" among:\n%s", failure, failures->str);
  g_error_free(error);
  g_string_free(failures, TRUE);
}

#endif
