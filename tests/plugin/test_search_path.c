/* Where plugins are looked for, in which order, and which file wins. */
#include "core/plugin/plugin_directory.h"
#include "core/plugin/registry.h"
#include "core/plugin/search_path.h"

#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define BUILT    TEST_BUILD_DIRECTORY "/.libs"
#define FIXTURES TEST_BUILD_DIRECTORY "/tests/plugin/.libs/"

/* A directory of its own for each test. */
static int set_up(void **state)
{
  g_unsetenv("CARTWRIGHT_PLUGIN_PATH");
  *state = g_dir_make_tmp("cartwright-XXXXXX", NULL);
  return !*state;
}

static void remove_tree(const char *path)
{
  GDir *listing = g_file_test(path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open(path, 0, NULL);
  const char *name;
  while (listing && (name = g_dir_read_name(listing))) {
    char *child = g_build_filename(path, name, NULL);
    remove_tree(child);
    g_free(child);
  }
  if (listing)
    g_dir_close(listing);
  g_remove(path);
}

static int tear_down(void **state)
{
  g_unsetenv("CARTWRIGHT_PLUGIN_PATH");
  remove_tree(*state);
  g_free(*state);
  return 0;
}

/* DIRECTORY/NAME with its folders, holding the content of `original` or, when that is NULL, nothing. Free
 * with g_free. */
static char *put(const char *directory, const char *name, const char *original)
{
  char *path = g_build_filename(directory, name, NULL);
  char *folder = g_path_get_dirname(path);
  char *content = NULL;
  gsize length = 0;
  assert_int_equal(g_mkdir_with_parents(folder, 0700), 0);
  if (original)
    assert_true(g_file_get_contents(original, &content, &length, NULL));
  assert_true(g_file_set_contents(path, content ? content : "", (gssize)length, NULL));
  g_free(content);
  g_free(folder);
  return path;
}

static void test_order_is_extra_variable_build_installed(void **state)
{
  const char *extra[] = {"/first", "/second/", NULL};
  char **path;
  (void)state;
  g_setenv("CARTWRIGHT_PLUGIN_PATH", "/third:/fourth", TRUE);
  path = cw_search_path(extra);
  assert_int_equal(g_strv_length(path), 6);
  assert_string_equal(path[0], "/first");
  assert_string_equal(path[1], "/second");
  assert_string_equal(path[2], "/third");
  assert_string_equal(path[3], "/fourth");
  assert_string_equal(path[4], BUILT);
  assert_string_equal(path[5], CW_PLUGIN_DIRECTORY);
  g_strfreev(path);
}

static void test_empty_parts_are_not_the_current_directory(void **state)
{
  const char *extra[] = {"", NULL};
  char **path;
  (void)state;
  g_setenv("CARTWRIGHT_PLUGIN_PATH", ":/third::", TRUE);
  path = cw_search_path(extra);
  assert_int_equal(g_strv_length(path), 3);
  assert_string_equal(path[0], "/third");
  assert_string_equal(path[1], BUILT);
  g_strfreev(path);
}

static void test_directories_are_named_once(void **state)
{
  const char *extra[] = {"/a", "/b", "/a/", NULL};
  char **path;
  (void)state;
  g_setenv("CARTWRIGHT_PLUGIN_PATH", "/b:/c/../a", TRUE);
  path = cw_search_path(extra);
  assert_int_equal(g_strv_length(path), 4);
  assert_string_equal(path[0], "/a");
  assert_string_equal(path[1], "/b");
  assert_string_equal(path[2], BUILT);
  g_strfreev(path);
}

static void test_build_tree_is_found_from_programs_and_tests(void **state)
{
  char *library = put(*state, "libcartwright.la", NULL);
  char *object = put(*state, ".libs/libcartwright.so", NULL);
  char *expected = g_build_filename(*state, ".libs", NULL);
  const char *const inside[] = {"cartwright", ".libs/cartwright", ".libs/lt-cartwright",
                                "tests/plugin/.libs/test_x"};
  const char *const outside[] = {"bin/cartwright", "tests/plugin/test_x", "a/b/c/d/.libs/x"};
  char *found, *program;
  guint i;

  for (i = 0; i < G_N_ELEMENTS(inside); i++) {
    program = g_build_filename(*state, inside[i], NULL);
    found = cw_search_path_build_directory(program);
    assert_non_null(found);
    assert_string_equal(found, expected);
    g_free(found);
    g_free(program);
  }
  for (i = 0; i < G_N_ELEMENTS(outside); i++) {
    program = g_build_filename(*state, outside[i], NULL);
    assert_null(cw_search_path_build_directory(program));
    g_free(program);
  }
  g_free(library);
  g_free(object);
  g_free(expected);
}

static void test_libraries_of_a_build_tree_are_no_plugins(void **state)
{
  char *files[] = {put(*state, "libcartwright.la", NULL), put(*state, ".libs/libcartwright.so", NULL),
                   put(*state, ".libs/beta.so", NULL),    put(*state, ".libs/alpha.so", NULL),
                   put(*state, ".libs/alpha.la", NULL),   put(*state, "installed/library.so", NULL)};
  char *built = g_build_filename(*state, ".libs", NULL),
       *installed = g_build_filename(*state, "installed", NULL);
  GPtrArray *found = cw_search_path_files(built);
  guint i;

  assert_int_equal(found->len, 2);
  assert_string_equal(found->pdata[0], files[3]);
  assert_string_equal(found->pdata[1], files[2]);
  g_ptr_array_free(found, TRUE);
  g_remove(files[0]);
  found = cw_search_path_files(installed);
  assert_int_equal(found->len, 1);
  assert_string_equal(found->pdata[0], files[5]);
  g_ptr_array_free(found, TRUE);
  for (i = 0; i < G_N_ELEMENTS(files); i++)
    g_free(files[i]);
  g_free(built);
  g_free(installed);
}

static void test_absent_directory_has_no_files(void **state)
{
  GPtrArray *found = cw_search_path_files("/nonexistent");
  (void)state;
  assert_int_equal(found->len, 0);
  g_ptr_array_free(found, TRUE);
}

static void test_first_file_of_a_name_wins(void **state)
{
  char *late = put(*state, "late/small_vtable.so", FIXTURES "small_vtable.so");
  char *early = put(*state, "early/small_vtable.so", FIXTURES "small_vtable.so");
  char *late_folder = g_path_get_dirname(late), *early_folder = g_path_get_dirname(early);
  const char *extra[] = {early_folder, NULL};
  GPtrArray *failures = g_ptr_array_new_with_free_func((GDestroyNotify)g_error_free);
  const CwRegisteredFeature *feature;
  CwRegistry *registry;
  GError *error = NULL;
  g_setenv("CARTWRIGHT_PLUGIN_PATH", late_folder, TRUE);
  registry = cw_registry_new(extra);
  feature = cw_registry_find(registry, CW_FEATURE_POLICY, "small_vtable", &error);
  assert_null(error);
  assert_string_equal(feature->plugin->path, early);
  cw_registry_load_all(registry, failures);
  assert_int_equal(failures->len, 0);
  assert_ptr_equal(cw_registry_find(registry, CW_FEATURE_POLICY, "small_vtable", &error), feature);
  cw_registry_free(registry);
  g_ptr_array_free(failures, TRUE);
  g_free(late);
  g_free(early);
  g_free(late_folder);
  g_free(early_folder);
}

static void test_feature_is_found_in_a_file_of_another_name(void **state)
{
  char *file = put(*state, "my_plugins.so", FIXTURES "small_vtable.so");
  const char *extra[] = {*state, NULL};
  CwRegistry *registry = cw_registry_new(extra);
  const CwRegisteredFeature *feature = cw_registry_find(registry, CW_FEATURE_POLICY, "small_vtable", NULL);
  assert_non_null(feature);
  assert_string_equal(feature->plugin->path, file);
  cw_registry_free(registry);
  g_free(file);
}

static void test_broken_file_of_the_name_is_reported_itself(void **state)
{
  char *file = put(*state, "linear.so", FIXTURES "wrong_magic.so");
  const char *extra[] = {*state, NULL};
  CwRegistry *registry = cw_registry_new(extra);
  GError *error = NULL;
  assert_null(cw_registry_find(registry, CW_FEATURE_POLICY, "linear", &error));
  assert_true(g_str_has_prefix(error->message, file));
  assert_non_null(strstr(error->message, ": expected the magic number 0x43575031, found 0x00434241; "));
  g_error_free(error);
  cw_registry_free(registry);
  g_free(file);
}

/* The names of the plugins in the build tree, after `first`. */
static char *list_built(const char *first)
{
  g_autoptr(GPtrArray) files = cw_search_path_files(BUILT);
  GString *names = g_string_new(first);
  for (guint i = 0; i < files->len; i++) {
    g_autofree char *name = g_path_get_basename(files->pdata[i]);
    name[strlen(name) - strlen(".so")] = '\0';
    g_string_append_printf(names, ", %s", name);
  }
  return g_string_free(names, FALSE);
}

static void test_unknown_name_is_reported_with_suggestion_and_opens_nothing(void **state)
{
  g_autofree char *file = put(*state, "broken.so", FIXTURES "null_descriptor.so");
  const char *extra[] = {*state, NULL};
  CwRegistry *registry = cw_registry_new(extra);
  g_autoptr(GError) error = NULL;
  g_autofree char *names = list_built("broken");
  assert_null(cw_registry_find(registry, CW_FEATURE_POLICY, "liner", &error));
  g_autofree char *message = g_strdup_printf(
      "no policy 'liner'; did you mean 'linear'? found: none; plugins not opened: %s; searched %s:%s:%s",
      names, (char *)*state, BUILT, CW_PLUGIN_DIRECTORY);
  assert_string_equal(error->message, message);
  assert_true(g_error_matches(error, CW_PLUGIN_ERROR, CW_ERROR_CONFIGURATION));
  assert_int_equal(cw_registry_features(registry)->len, 0);
  cw_registry_free(registry);
}

static void test_broken_file_that_holds_the_name_is_reported(void **state)
{
  g_autofree char *file = put(*state, "other.so", FIXTURES "broken_options.so");
  const char *extra[] = {*state, NULL};
  CwRegistry *registry = cw_registry_new(extra);
  g_autoptr(GError) error = NULL;
  assert_null(cw_registry_find(registry, CW_FEATURE_POLICY, "broken_options", &error));
  g_autofree char *expected =
      g_strdup_printf("\nnot loaded: %s: policy 'broken_options': expected a sound", file);
  assert_non_null(strstr(error->message, expected));
  cw_registry_free(registry);
}

static void test_features_are_sorted_by_kind_and_name(void **state)
{
  CwRegistry *registry = cw_registry_new(NULL);
  const GPtrArray *features;
  guint i;
  (void)state;
  cw_registry_load_all(registry, NULL);
  features = cw_registry_features(registry);
  assert_true(features->len >= 4);
  for (i = 1; i < features->len; i++) {
    const CwRegisteredFeature *first = features->pdata[i - 1], *second = features->pdata[i];
    assert_true(first->kind < second->kind ||
                (first->kind == second->kind && strcmp(first->name, second->name) < 0));
  }
  cw_registry_free(registry);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(test_order_is_extra_variable_build_installed),
      TEST(test_empty_parts_are_not_the_current_directory),
      TEST(test_directories_are_named_once),
      TEST(test_build_tree_is_found_from_programs_and_tests),
      TEST(test_libraries_of_a_build_tree_are_no_plugins),
      TEST(test_absent_directory_has_no_files),
      TEST(test_first_file_of_a_name_wins),
      TEST(test_feature_is_found_in_a_file_of_another_name),
      TEST(test_broken_file_of_the_name_is_reported_itself),
      TEST(test_unknown_name_is_reported_with_suggestion_and_opens_nothing),
      TEST(test_broken_file_that_holds_the_name_is_reported),
      TEST(test_features_are_sorted_by_kind_and_name),
  };

  return cmocka_run_group_tests_name("search path", tests, NULL, NULL);
}
