/* Where plugins are looked for. A program that runs from a build tree finds the plugins next to it without
 * any setting, as libtool leaves programs and modules in .libs directories; an installed program never looks
 * there. */
#include "config.h"

#include "core/plugin/plugin_directory.h"
#include "core/plugin/search_path.h"
#include <cartwright/plugin.h>

#include <dlfcn.h>
#include <string.h>

#define LEVELS_ABOVE_TEST 4 /* BUILD/tests/AREA/.libs is three below BUILD */

static void add_directory(GPtrArray *directories, const char *directory)
{
  if (!directory || *directory == '\0')
    return;
  g_autofree char *absolute = g_canonicalize_filename(directory, NULL);
  if (!g_ptr_array_find_with_equal_func(directories, absolute, g_str_equal, NULL))
    g_ptr_array_add(directories, g_steal_pointer(&absolute));
}

static gboolean is_build_tree(const char *directory)
{
  g_autofree char *library = g_build_filename(directory, "libcartwright.la", NULL);
  g_autofree char *objects = g_build_filename(directory, ".libs", NULL);
  return g_file_test(library, G_FILE_TEST_IS_REGULAR) && g_file_test(objects, G_FILE_TEST_IS_DIR);
}

char *cw_search_path_build_directory(const char *executable)
{
  g_autofree char *directory = g_path_get_dirname(executable);
  g_autofree char *name = g_path_get_basename(directory);
  guint levels = strcmp(name, ".libs") == 0 ? LEVELS_ABOVE_TEST : 0;
  for (guint level = 0; level <= levels; level++) {
    if (is_build_tree(directory))
      return g_build_filename(directory, ".libs", NULL);
    char *parent = g_path_get_dirname(directory);
    g_free(directory);
    directory = parent;
  }
  return NULL;
}

/* Where the plugins of this installation are: next to the library that this is part of, wherever it was
 * moved; what configure was given, when the library is not installed or linked into the program. Free with
 * g_free. */
static char *installed_directory(const char *executable)
{
  static const char here = 0;
  Dl_info info;
  if (!dladdr(&here, &info) || !info.dli_fname)
    return g_strdup(CW_PLUGIN_DIRECTORY);
  g_autofree char *library = g_canonicalize_filename(info.dli_fname, NULL);
  g_autofree char *directory = g_path_get_dirname(library);
  g_autofree char *parent = g_path_get_dirname(directory);
  if (g_strcmp0(library, executable) == 0 || is_build_tree(parent))
    return g_strdup(CW_PLUGIN_DIRECTORY);
  return g_build_filename(directory, "cartwright", G_STRINGIFY(CW_ABI_MAJOR), NULL);
}

char **cw_search_path(const char *const *extra)
{
  GPtrArray *directories = g_ptr_array_new();
  const char *variable = g_getenv("CARTWRIGHT_PLUGIN_PATH");
  g_auto(GStrv) parts = g_strsplit(variable ? variable : "", ":", -1);
  g_autofree char *executable = g_file_read_link("/proc/self/exe", NULL);
  g_autofree char *build = executable ? cw_search_path_build_directory(executable) : NULL;
  g_autofree char *installed = installed_directory(executable);
  for (guint i = 0; extra && extra[i]; i++)
    add_directory(directories, extra[i]);
  for (guint i = 0; parts[i]; i++)
    add_directory(directories, parts[i]);
  add_directory(directories, build);
  add_directory(directories, installed);
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
  g_autoptr(GDir) listing = g_dir_open(directory, 0, NULL);
  g_autofree char *parent = g_path_get_dirname(directory);
  gboolean libraries_too = is_build_tree(parent);
  const char *name;
  while (listing && (name = g_dir_read_name(listing)))
    if (g_str_has_suffix(name, ".so") && !(libraries_too && g_str_has_prefix(name, "lib")))
      g_ptr_array_add(files, g_build_filename(directory, name, NULL));
  g_ptr_array_sort(files, compare_strings);
  return files;
}
