/* Paths of configurations: what is expanded, what is refused by name, and where relative ones are looked for.
 */
#include "core/config/paths.h"
#include "tests/scratch.h"
#include <glib/gstdio.h>
#include <unistd.h>

static void assert_expands(const char *text, const char *expected)
{
  g_autofree char *problem = NULL, *path = cw_path_expand(text, &problem);
  assert_null(problem);
  assert_string_equal(path, expected);
}

static void assert_refused(const char *text, const char *expected)
{
  g_autofree char *problem = NULL, *path = cw_path_expand(text, &problem);
  assert_null(path);
  assert_string_equal(problem, expected);
}

static void test_home_and_variables_are_expanded(void **state G_GNUC_UNUSED)
{
  g_setenv("HOME", "/home/me", TRUE);
  g_setenv("CARTWRIGHT_TEST_A", "a b", TRUE);
  g_setenv("CARTWRIGHT_TEST_EMPTY", "", TRUE);
  assert_expands("~", "/home/me");
  assert_expands("~/x", "/home/me/x");
  assert_expands("x/${CARTWRIGHT_TEST_A}${CARTWRIGHT_TEST_EMPTY}/y", "x/a b/y");
}

static void test_nothing_else_is(void **state G_GNUC_UNUSED)
{
  assert_expands("~me/x", "~me/x");
  assert_expands("x/~", "x/~");
  assert_expands("$HOME/{x}", "$HOME/{x}");
}

static void test_what_is_not_set_is_refused_by_name(void **state G_GNUC_UNUSED)
{
  g_unsetenv("CARTWRIGHT_TEST_UNSET");
  assert_refused(
      "${CARTWRIGHT_TEST_UNSET}/x",
      "names ${CARTWRIGHT_TEST_UNSET}, and no environment variable CARTWRIGHT_TEST_UNSET is set; set it, "
      "or write the path out");
  assert_refused("x/${}", "has '${}'; expected ${NAME}, the name of an environment variable");
  assert_refused("${A", "has '${A'; expected ${NAME}, the name of an environment variable");
  g_unsetenv("HOME");
  assert_refused("~/x", "begins with ~, and the environment variable HOME is not set; write the folder out");
}

static void assert_found(const char *text, CwPlace place, const char *const *folders, const char *expected)
{
  g_autofree char *path = cw_path_find(text, place, folders);
  assert_string_equal(path, expected);
}

static void test_the_folder_of_the_file_comes_before_the_working_directory(void **state)
{
  const CwPlace file = {g_intern_string("sub/x.yaml"), 1, 1}, here = {g_intern_string("x.yaml"), 1, 1};
  const CwPlace command_line = {g_intern_string("<command line>: --set #1"), 0, 0};
  static const char *const files[] = {"both", "sub/both", "below", "sub/beside", "shop/in_shop"};
  static const char *const folders[] = {"sub", "shop", NULL};
  assert_int_equal(chdir(*state), 0);
  assert_int_equal(g_mkdir("sub", 0777) + g_mkdir("shop", 0777), 0);
  for (guint i = 0; i < G_N_ELEMENTS(files); i++)
    assert_true(g_file_set_contents(files[i], "", -1, NULL));
  assert_found("both", file, NULL, "sub/both");
  assert_found("both", here, NULL, "both");
  assert_found("both", command_line, NULL, "both");
  assert_found("below", file, NULL, "below");
  assert_found("beside", here, NULL, "beside");
  assert_found("in_shop", file, NULL, "in_shop");
  assert_found("in_shop", file, folders, "shop/in_shop");
  assert_found("nowhere", file, folders, "nowhere");
  assert_found("/both", file, folders, "/both");
  assert_int_equal(chdir("/"), 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_home_and_variables_are_expanded),
      cmocka_unit_test(test_nothing_else_is),
      cmocka_unit_test(test_what_is_not_set_is_refused_by_name),
      cmocka_unit_test_setup_teardown(test_the_folder_of_the_file_comes_before_the_working_directory,
                                      make_scratch, remove_scratch),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
