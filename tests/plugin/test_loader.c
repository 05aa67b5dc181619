/* Every refusal of the loader, with its whole message, on deliberately bad plugins; and the plugins it must
 * accept. */
#include "core/plugin/loader.h"

#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define FIXTURES TEST_BUILD_DIRECTORY "/tests/plugin/.libs/"

static void assert_refused(const char *path, gint code, const char *message)
{
  CwRegistry *registry = cw_registry_new(NULL);
  GError *error = NULL;
  assert_null(cw_registry_load(registry, path, &error));
  assert_non_null(error);
  assert_string_equal(error->message, message);
  assert_true(error->domain == CW_PLUGIN_ERROR);
  assert_int_equal(error->code, code);
  assert_int_equal(cw_registry_features(registry)->len, 0);
  g_error_free(error);
  cw_registry_free(registry);
}

/* A file of the given content in a new directory; free both with forget_file. */
static char *make_file(const char *name, const char *content)
{
  char *directory = g_dir_make_tmp("cartwright-XXXXXX", NULL);
  char *path = g_build_filename(directory, name, NULL);
  assert_true(g_file_set_contents(path, content, -1, NULL));
  g_free(directory);
  return path;
}

static void forget_file(char *path)
{
  char *directory = g_path_get_dirname(path);
  assert_int_equal(g_unlink(path), 0);
  assert_int_equal(g_rmdir(directory), 0);
  g_free(directory);
  g_free(path);
}

static void test_absent_file_is_refused(void **state)
{
  (void)state;
  assert_refused(
      "/nonexistent/plugin.so", CW_ERROR_INPUT_OUTPUT,
      "/nonexistent/plugin.so: expected a plugin (a shared object), found no readable file (No such file or "
      "directory); check the path");
}

static void test_directory_is_refused(void **state)
{
  (void)state;
  assert_refused("/", CW_ERROR_INPUT_OUTPUT,
                 "/: expected a plugin (a shared object), found a directory; name the .so file itself");
}

static void test_device_is_refused(void **state)
{
  (void)state;
  assert_refused("/dev/null", CW_ERROR_INPUT_OUTPUT,
                 "/dev/null: expected a plugin (a shared object), found a device; name the .so file itself");
}

static void test_text_file_is_refused(void **state)
{
  char *path =
      make_file("text.so", "This is not a shared object, however long the text in it may be: not at all.\n");
  char *message =
      g_strdup_printf("%s: expected a shared object that loads on this machine, found: invalid ELF header; "
                      "\"file %s\" says what it is; \"ldd %s\" lists the libraries it needs",
                      path, path, path);

  (void)state;
  assert_refused(path, CW_ERROR_FORMAT, message);
  g_free(message);
  forget_file(path);
}

static void test_unresolved_symbol_is_refused(void **state)
{
  (void)state;
  assert_refused(
      FIXTURES "unresolved_symbol.so", CW_ERROR_FORMAT,
      FIXTURES "unresolved_symbol.so: expected a shared object that loads on this machine, found: undefined "
               "symbol: cw_function_nobody_has; link the library that defines it, or rebuild the plugin "
               "against this version's headers (pkg-config --cflags cartwright); -Wl,-z,defs finds this "
               "when linking");
}

static void test_missing_symbol_is_refused(void **state)
{
  (void)state;
  assert_refused(FIXTURES "no_symbol.so", CW_ERROR_FORMAT,
                 FIXTURES
                 "no_symbol.so: expected the function cw_plugin_query, found a shared object without it; if "
                 "it is meant to be a plugin, write CW_PLUGIN(...) at the end of one of its files and do not "
                 "hide that symbol");
}

static void test_null_descriptor_is_refused(void **state)
{
  (void)state;
  assert_refused(FIXTURES "null_descriptor.so", CW_ERROR_FORMAT,
                 FIXTURES
                 "null_descriptor.so: expected a descriptor from cw_plugin_query, found NULL; return the "
                 "address of a constant, as CW_PLUGIN(...) does");
}

static void test_wrong_magic_is_refused(void **state)
{
  (void)state;
  assert_refused(FIXTURES "wrong_magic.so", CW_ERROR_FORMAT,
                 FIXTURES
                 "wrong_magic.so: expected the magic number 0x43575031, found 0x00434241; this is another "
                 "program's plugin, or its descriptor was written by hand: use CW_PLUGIN(...)");
}

static void test_old_major_is_refused(void **state)
{
  (void)state;
  assert_refused(
      FIXTURES "old_major.so", CW_ERROR_UNSUPPORTED,
      FIXTURES "old_major.so: expected plugin ABI 2, found ABI 0.9; rebuild the plugin against this "
               "version's headers (pkg-config --cflags cartwright); docs/howto/from-1-to-2.md says what has "
               "changed");
}

static void test_unfinished_interface_is_refused(void **state)
{
  (void)state;
  assert_refused(FIXTURES "unfinished.so", CW_ERROR_UNSUPPORTED,
                 FIXTURES
                 "unfinished.so: expected plugin ABI 2.0, found one from before it was finished; rebuild the "
                 "plugin against this version's headers (pkg-config --cflags cartwright)");
}

static void test_newer_minor_is_refused(void **state)
{
  (void)state;
  assert_refused(FIXTURES "newer_minor.so", CW_ERROR_UNSUPPORTED,
                 FIXTURES "newer_minor.so: expected plugin ABI 2.0 or less, found ABI 2.1; install a newer "
                          "Cartwright, or rebuild "
                          "the plugin against this version's headers");
}

static void test_short_struct_is_refused(void **state)
{
  (void)state;
  assert_refused(FIXTURES "short_struct.so", CW_ERROR_FORMAT,
                 FIXTURES
                 "short_struct.so: expected a descriptor of at least 60 bytes, found struct_size 16; set it "
                 "to sizeof(CwPluginDescriptor), as CW_PLUGIN(...) does");
}

static void test_duplicate_feature_name_is_refused(void **state)
{
  (void)state;
  assert_refused(FIXTURES "duplicate_feature.so", CW_ERROR_FORMAT,
                 FIXTURES
                 "duplicate_feature.so: policy 'twin': expected different names within a kind, found this "
                 "name twice (features 0 and 1); rename one of them");
}

static void test_missing_required_slot_is_refused(void **state)
{
  (void)state;
  assert_refused(FIXTURES "missing_required_slot.so", CW_ERROR_FORMAT,
                 FIXTURES
                 "missing_required_slot.so: policy 'missing_required_slot': expected the slot 'score', which "
                 "every policy fills, found NULL; set it in the vtable");
}

static void test_missing_slot_of_a_capability_is_refused(void **state)
{
  (void)state;
  assert_refused(FIXTURES "missing_slot.so", CW_ERROR_FORMAT,
                 FIXTURES "missing_slot.so: policy 'missing_slot': expected the slot 'step', which goes with "
                          "CW_POLICY_TRAINS, found NULL; set it in the vtable or drop the capability");
}

static void test_broken_option_table_is_refused(void **state)
{
  (void)state;
  assert_refused(FIXTURES "broken_options.so", CW_ERROR_FORMAT,
                 FIXTURES
                 "broken_options.so: policy 'broken_options': expected a sound option table, found: option "
                 "'count' has a default that is 'many'; expected an integer; "
                 "correct that row");
}

static void test_smaller_older_vtable_is_accepted_and_extended(void **state)
{
  CwRegistry *registry = cw_registry_new(NULL);
  GError *error = NULL;
  const CwLoadedPlugin *plugin = cw_registry_load(registry, FIXTURES "small_vtable.so", &error);
  const CwRegisteredFeature *feature;
  (void)state;
  assert_null(error);
  assert_non_null(plugin);
  assert_string_equal(plugin->path, FIXTURES "small_vtable.so");
  assert_string_equal(plugin->descriptor->name, "small_vtable");
  assert_int_equal(cw_registry_features(registry)->len, 1);
  feature = cw_registry_features(registry)->pdata[0];
  assert_string_equal(feature->name, "small_vtable");
  assert_ptr_equal(feature->plugin, plugin);
  assert_non_null(feature->vtable.policy->load);
  assert_null(feature->vtable.policy->count_tokens);
  assert_null(feature->vtable.policy->visit_tensors);
  cw_registry_free(registry);
}

static void test_file_reached_twice_is_recognised(void **state)
{
  char *directory = g_dir_make_tmp("cartwright-XXXXXX", NULL);
  char *alias = g_build_filename(directory, "alias.so", NULL);
  CwRegistry *registry = cw_registry_new(NULL);
  const CwLoadedPlugin *first, *second;
  GError *error = NULL;
  (void)state;
  assert_int_equal(symlink(FIXTURES "small_vtable.so", alias), 0);
  first = cw_registry_load(registry, FIXTURES "small_vtable.so", &error);
  second = cw_registry_load(registry, alias, &error);
  assert_null(error);
  assert_ptr_equal(first, second);
  assert_int_equal(cw_registry_features(registry)->len, 1);
  cw_registry_free(registry);
  g_free(directory);
  forget_file(alias);
}

static void test_name_of_another_plugin_is_refused(void **state)
{
  CwRegistry *registry = cw_registry_new(NULL);
  char *content, *copy, *message;
  GError *error = NULL;
  gsize length;
  (void)state;
  copy = make_file("copy.so", "");
  assert_true(g_file_get_contents(FIXTURES "small_vtable.so", &content, &length, NULL));
  assert_true(g_file_set_contents(copy, content, (gssize)length, NULL));
  assert_non_null(cw_registry_load(registry, FIXTURES "small_vtable.so", NULL));
  assert_null(cw_registry_load(registry, copy, &error));
  message =
      g_strdup_printf("%s: policy 'small_vtable': expected a name that no other plugin uses, found it in %s; "
                      "rename the feature or take one of the two off the search path",
                      copy, FIXTURES "small_vtable.so");
  assert_string_equal(error->message, message);
  assert_int_equal(cw_registry_features(registry)->len, 1);
  g_error_free(error);
  g_free(message);
  g_free(content);
  forget_file(copy);
  cw_registry_free(registry);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_absent_file_is_refused),
      cmocka_unit_test(test_directory_is_refused),
      cmocka_unit_test(test_device_is_refused),
      cmocka_unit_test(test_text_file_is_refused),
      cmocka_unit_test(test_unresolved_symbol_is_refused),
      cmocka_unit_test(test_missing_symbol_is_refused),
      cmocka_unit_test(test_null_descriptor_is_refused),
      cmocka_unit_test(test_wrong_magic_is_refused),
      cmocka_unit_test(test_old_major_is_refused),
      cmocka_unit_test(test_unfinished_interface_is_refused),
      cmocka_unit_test(test_newer_minor_is_refused),
      cmocka_unit_test(test_short_struct_is_refused),
      cmocka_unit_test(test_duplicate_feature_name_is_refused),
      cmocka_unit_test(test_missing_required_slot_is_refused),
      cmocka_unit_test(test_missing_slot_of_a_capability_is_refused),
      cmocka_unit_test(test_broken_option_table_is_refused),
      cmocka_unit_test(test_smaller_older_vtable_is_accepted_and_extended),
      cmocka_unit_test(test_file_reached_twice_is_recognised),
      cmocka_unit_test(test_name_of_another_plugin_is_refused),
  };

  return cmocka_run_group_tests_name("loader", tests, NULL, NULL);
}
