/* Every tests/config/bad/NAME.yaml is refused with exactly the text of NAME.expected: one test each. Run with
 * UPDATE_EXPECTED=1 to write the expected files anew, and read the difference before you commit it. */
#include "tests/experiment/experiments.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static CwRegistry *registry;

static void test_complaints_are_as_expected(void **state)
{
  const char *name = *state;
  g_autofree char *path = g_strdup_printf("bad/%s.yaml", name);
  g_autofree char *expected_path = g_strdup_printf("bad/%s.expected", name);
  g_autofree char *found = experiments_complaints(path, NULL, registry);
  g_autofree char *expected = NULL;
  assert_string_not_equal(found, "");
  if (g_getenv("UPDATE_EXPECTED"))
    assert_true(g_file_set_contents(expected_path, found, -1, NULL));
  assert_true(g_file_get_contents(expected_path, &expected, NULL, NULL));
  assert_string_equal(found, expected);
}

static gint compare_tests(gconstpointer a, gconstpointer b)
{
  return strcmp(((const struct CMUnitTest *)a)->name, ((const struct CMUnitTest *)b)->name);
}

int main(void)
{
  if (chdir(TEST_SOURCE_DIRECTORY "/tests/experiment") != 0)
    return 1;
  registry = experiments_registry();
  GDir *directory = g_dir_open("bad", 0, NULL);
  GArray *tests = g_array_new(FALSE, TRUE, sizeof(struct CMUnitTest));
  const char *file;
  while (directory && (file = g_dir_read_name(directory))) {
    if (!g_str_has_suffix(file, ".yaml"))
      continue;
    char *name = g_strndup(file, strlen(file) - strlen(".yaml"));
    struct CMUnitTest test = {name, test_complaints_are_as_expected, NULL, NULL, name};
    g_array_append_val(tests, test);
  }
  if (directory)
    g_dir_close(directory);
  g_array_sort(tests, compare_tests);
  /* The macro wants an array by name; what it calls wants the number. */
  int n_failed = tests->len < 24
                     ? 1
                     : _cmocka_run_group_tests("bad", (const struct CMUnitTest *)(gpointer)tests->data,
                                               tests->len, NULL, NULL);
  for (guint i = 0; i < tests->len; i++)
    g_free((gpointer)g_array_index(tests, struct CMUnitTest, i).name);
  g_array_free(tests, TRUE);
  cw_registry_free(registry);
  return n_failed;
}
