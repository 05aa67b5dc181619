/* Where plugins are looked for. A program that runs from a build tree finds the plugins beside it without any
 * setting, as libtool leaves programs and modules in .libs directories; an installed program never looks
 * there. */
#include "core/plugin/search_path.h"

#include <string.h>

#define LEVELS_ABOVE_TEST 4 /* BUILD/tests/AREA/.libs is three below BUILD */

static void add_directory(GPtrArray *directories, const char *directory)
{
  char *absolute;
  if (!directory || directory[0] == '\0')
    return;
  absolute = g_canonicalize_filename(directory, NULL);
  if (g_ptr_array_find_with_equal_func(directories, absolute, g_str_equal, NULL))
    g_free(absolute);
  else
    g_ptr_array_add(directories, absolute);
}

static gboolean is_build_tree(const char *directory)
{
  char *library = g_build_filename(directory, "libcartwright.la", NULL);
  char *objects = g_build_filename(directory, ".libs", NULL);
  gboolean is = g_file_test(library, G_FILE_TEST_IS_REGULAR) && g_file_test(objects, G_FILE_TEST_IS_DIR);
  g_free(library);
  g_free(objects);
  return is;
}

char *cw_search_path_build_directory(const char *executable)
{
  char *directory = g_path_get_dirname(executable);
  char *name = g_path_get_basename(directory);
  guint levels = strcmp(name, ".libs") == 0 ? LEVELS_ABOVE_TEST : 0;
  char *result = NULL;
  for (guint level = 0; level <= levels && !result; level++) {
    char *parent = g_path_get_dirname(directory);
    if (is_build_tree(directory))
      result = g_build_filename(directory, ".libs", NULL);
    g_free(directory);
    directory = parent;
  }
  g_free(directory);
  g_free(name);
  return result;
}

char **cw_search_path(const char *const *extra)
{
  GPtrArray *directories = g_ptr_array_new();
  const char *variable = g_getenv("CARTWRIGHT_PLUGIN_PATH");
  char **parts = g_strsplit(variable ? variable : "", ":", -1);
  char *executable = g_file_read_link("/proc/self/exe", NULL);
  for (guint i = 0; extra && extra[i]; i++)
    add_directory(directories, extra[i]);
  for (guint i = 0; parts[i]; i++)
    add_directory(directories, parts[i]);
  if (executable) {
    char *build = cw_search_path_build_directory(executable);
    add_directory(directories, build);
    g_free(build);
  }
  add_directory(directories, CW_PLUGIN_DIRECTORY);
  g_free(executable);
  g_strfreev(parts);
  g_ptr_array_add(directories, NULL);
  return (char **)g_ptr_array_free(directories, FALSE);
}

static gint compare_strings(gconstpointer a, gconstpointer b)
{
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *cw_search_path_files(const char *directory)
{
  GPtrArray *files = g_ptr_array_new_with_free_func(g_free);
  GDir *listing = g_dir_open(directory, 0, NULL);
  char *parent = g_path_get_dirname(directory);
  gboolean libraries_too = is_build_tree(parent);
  const char *name;
  while (listing && (name = g_dir_read_name(listing))) {
    if (g_str_has_suffix(name, ".so") && !(libraries_too && g_str_has_prefix(name, "lib")))
      g_ptr_array_add(files, g_build_filename(directory, name, NULL));
  }
  g_ptr_array_sort(files, compare_strings);
  if (listing)
    g_dir_close(listing);
  g_free(parent);
  return files;
}
