/* Helpers of the tests of whole experiments. */
#include "tests/experiment/experiments.h"
#include <string.h>

CwRegistry *experiments_registry(void)
{
  CwRegistry *registry = cw_registry_new(NULL);
  g_autoptr(GError) error = NULL;
  if (!cw_registry_load(registry, TEST_BUILD_DIRECTORY "/tests/experiment/.libs/test_plugin.so", &error))
    g_error("%s", error->message);
  return registry;
}

char *experiments_complaints(const char *path, const char *const *sets, CwRegistry *registry)
{
  g_autoptr(GError) error = NULL;
  CwExperiment *experiment = cw_experiment_load(path, sets, registry, &error);
  if (experiment) {
    cw_experiment_free(experiment);
    return g_strdup("");
  }
  g_auto(GStrv) lines = g_strsplit(error->message, "\n", -1);
  GString *text = g_string_new(NULL);
  for (char **line = lines; *line; line++) {
    char *found = strstr(*line, " found: ");
    if (g_str_has_prefix(*line, "not loaded: "))
      continue;
    if (found)
      strcpy(found, " found: ..."); /* shorter than what stood there */
    g_string_append_printf(text, "%s\n", *line);
  }
  g_autofree char *all = g_string_free(text, FALSE);
  g_auto(GStrv) parts = g_strsplit(all, TEST_BUILD_DIRECTORY, -1);
  return g_strjoinv("BUILD", parts);
}
