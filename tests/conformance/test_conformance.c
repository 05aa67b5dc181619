/* The conformance suite of its kind over every plugin of the build tree. The options a plugin is tried with
 * stand in tests/conformance/PLUGIN.yaml, if it needs any; paths there are relative to the root of the
 * sources. A first line "# needs: PATH" skips the plugin when there is no such file. */
#include "conformance/check.h"
#include "core/plugin/search_path.h"

#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NEEDS "# needs: "

static char *plugin_name(const char *path)
{
  char *name = g_path_get_basename(path);
  name[strlen(name) - strlen(".so")] = '\0';
  return name;
}

/* The options of a plugin, or NULL; *missing is what it needs and is not there. */
static char *read_options(const char *path, char **missing)
{
  char *name = plugin_name(path);
  char *file = g_strdup_printf("%s/tests/conformance/%s.yaml", TEST_SOURCE_DIRECTORY, name);
  char *text = NULL;
  *missing = NULL;
  if (g_file_get_contents(file, &text, NULL, NULL) && g_str_has_prefix(text, NEEDS)) {
    *missing = g_strndup(text + strlen(NEEDS), strcspn(text + strlen(NEEDS), "\n"));
    if (g_file_test(*missing, G_FILE_TEST_EXISTS))
      g_clear_pointer(missing, g_free);
  }
  g_free(file);
  g_free(name);
  return text;
}

static void note(const CwRegisteredFeature *feature, const char *check, CwCheckResult result,
                 const char *message, gpointer user_data)
{
  GString *failures = user_data;
  /* Our own algorithms are tried with options with which they learn. */
  if (result == CW_CHECK_SKIPPED && strcmp(check, "learns_the_made_up_task") == 0)
    result = CW_CHECK_FAILED;
  if (result == CW_CHECK_FAILED)
    g_string_append_printf(failures, "\n%s: %s: %s", feature->name, check, message);
  if (result == CW_CHECK_SKIPPED)
    fprintf(stderr, "%s: %s is skipped: %s\n", feature->name, check, message);
}

static void test_conforms(void **state)
{
  const char *path = *state;
  char *missing, *options = read_options(path, &missing);
  GString *failures = g_string_new(NULL);
  CwRegistry *registry;
  GError *error = NULL;

  if (missing) {
    fprintf(stderr, "%s is skipped: there is no %s\n", path, missing);
    g_string_free(failures, TRUE);
    g_free(missing);
    g_free(options);
    skip();
  }
  registry = cw_registry_new(NULL);
  if (!cw_check_plugin(registry, path, options, note, failures, &error) || failures->len > 0)
    fail_msg("%s%s", error ? error->message : path, failures->str);
  cw_registry_free(registry);
  g_string_free(failures, TRUE);
  g_free(options);
}

int main(void)
{
  GPtrArray *files = cw_search_path_files(TEST_BUILD_DIRECTORY "/.libs");
  GArray *tests = g_array_new(FALSE, TRUE, sizeof(struct CMUnitTest));
  int result;
  if (g_chdir(TEST_SOURCE_DIRECTORY) != 0)
    return 1;
  for (guint i = 0; i < files->len; i++) {
    char *name = plugin_name(files->pdata[i]);
    struct CMUnitTest test = {.test_func = test_conforms, .initial_state = files->pdata[i]};
    test.name = g_strdup_printf("test_%s_conforms", name);
    g_array_append_val(tests, test);
    g_free(name);
  }
  result = _cmocka_run_group_tests("conformance", (const struct CMUnitTest *)(gpointer)tests->data,
                                   tests->len, NULL, NULL);
  for (guint i = 0; i < tests->len; i++)
    g_free((char *)g_array_index(tests, struct CMUnitTest, i).name);
  g_array_free(tests, TRUE);
  g_ptr_array_free(files, TRUE);
  return result;
}
