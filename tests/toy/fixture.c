/* Opens an experiment of the toy plugin from a YAML file in a fresh folder. */
#include "tests/toy/fixture.h"
#include "core/base/durable.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char yaml[] = "name: toy\n"
                           "environment: {plugin: toy_environment%s}\n"
                           "policy: {plugin: toy_policy}\n";

static void must(gboolean good, const GError *error)
{
  if (!good)
    print_error("%s\n", error ? error->message : "no error was set");
  assert_true(good);
}

void fixture_open(Fixture *fixture)
{
  fixture_open_with(fixture, "");
}

void fixture_open_with(Fixture *fixture, const char *environment_options)
{
  static const char *const path[] = {TEST_BUILD_DIRECTORY "/tests/toy/.libs", NULL};
  g_autoptr(GError) error = NULL;
  fixture->folder = g_dir_make_tmp("cartwright-run-XXXXXX", &error);
  must(fixture->folder != NULL, error);
  g_autofree char *text = g_strdup_printf(yaml, environment_options);
  g_autofree char *file = fixture_write(fixture, "toy.yaml", text);
  fixture->registry = cw_registry_new(path);
  fixture->experiment = cw_experiment_load(file, NULL, fixture->registry, &error);
  must(fixture->experiment != NULL, error);
  const CwBinding *binding = &fixture->experiment->environment;
  fixture->environment = cw_environment_open(binding->feature, binding->options, 233, &error);
  must(fixture->environment != NULL, error);
  binding = &fixture->experiment->policy;
  fixture->policy = cw_policy_open(binding->feature, binding->options, 233, &error);
  must(fixture->policy != NULL, error);
}

void fixture_close(Fixture *fixture)
{
  cw_policy_close(fixture->policy);
  cw_environment_close(fixture->environment);
  cw_experiment_free(fixture->experiment);
  cw_registry_free(fixture->registry);
  cw_remove_tree(fixture->folder, NULL);
  g_free(fixture->folder);
}

char *fixture_path(const Fixture *fixture, const char *name)
{
  return g_build_filename(fixture->folder, name, NULL);
}

char *fixture_write(const Fixture *fixture, const char *name, const char *text)
{
  g_autoptr(GError) error = NULL;
  char *path = fixture_path(fixture, name);
  must(g_file_set_contents(path, text, -1, &error), error);
  return path;
}

char *fixture_anonymous(const Fixture *fixture, const char *text)
{
  g_auto(GStrv) parts = g_strsplit(text, fixture->folder, -1);
  return g_strjoinv("FOLDER", parts);
}
