/* Trees that are whole or not there. What is being filled, and what is being removed, is hidden. */
#include "config.h" /* first: it asks for renameat2 */

#include "core/base/durable.h"
#include <cartwright/error.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".partial"

char *cw_aside(const char *path)
{
  g_autofree char *parent = g_path_get_dirname(path), *name = g_path_get_basename(path);
  return g_strdup_printf("%s/%s%s" SUFFIX, parent, *name == '.' ? "" : ".", name);
}

char *cw_tree_begin(const char *path, GError **error)
{
  g_autofree char *aside = cw_aside(path);
  return cw_remove_tree(aside, error) && cw_make_directories(aside, error) ? g_steal_pointer(&aside) : NULL;
}

void cw_tree_abandon(const char *path)
{
  g_autofree char *aside = cw_aside(path);
  cw_remove_tree(aside, NULL);
}

gboolean cw_tree_sync(const char *path, GError **error)
{
  struct stat status;
  if (lstat(path, &status) < 0) {
    cw_set_errno_error(error, "examine", path);
    return FALSE;
  }
  if (!S_ISDIR(status.st_mode))
    return !S_ISREG(status.st_mode) || cw_sync_path(path, error);
  g_autoptr(GPtrArray) names = cw_list_directory(path, error);
  for (guint i = 0; names && i < names->len; i++) {
    g_autofree char *child = g_build_filename(path, names->pdata[i], NULL);
    if (!cw_tree_sync(child, error))
      return FALSE;
  }
  return names && cw_sync_path(path, error);
}

/* Gives `from` the name of the tree `to`. *left: the older tree is now at `from`. Sets errno. */
static gboolean replace_tree(const char *from, const char *to, gboolean *left)
{
#ifdef RENAME_EXCHANGE
  *left = renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE) == 0;
  if (*left)
    return TRUE;
#endif
  /* A file system that cannot exchange names: for a moment there is neither tree. */
  return cw_remove_tree(to, NULL) && rename(from, to) == 0;
}

gboolean cw_tree_rename(const char *from, const char *to, GError **error)
{
  g_autofree char *parent = g_path_get_dirname(to), *doing = g_strdup_printf("rename to %s", to);
  gboolean left = FALSE;
  if (rename(from, to) == 0 || ((errno == ENOTEMPTY || errno == EEXIST) && replace_tree(from, to, &left)))
    return cw_sync_path(parent, error) && (!left || cw_remove_tree(from, error));
  cw_set_errno_error(error, doing, from);
  return FALSE;
}

gboolean cw_tree_commit(const char *path, GError **error)
{
  g_autofree char *aside = cw_aside(path);
  return cw_tree_sync(aside, error) && cw_tree_rename(aside, path, error);
}

gboolean cw_tree_remove(const char *path, GError **error)
{
  g_autofree char *aside = cw_aside(path);
  if (!g_file_test(path, G_FILE_TEST_EXISTS))
    return TRUE;
  return cw_remove_tree(aside, error) && cw_tree_rename(path, aside, error) && cw_remove_tree(aside, error);
}

gboolean cw_tree_sweep(const char *directory, GError **error)
{
  if (!g_file_test(directory, G_FILE_TEST_IS_DIR))
    return TRUE;
  g_autoptr(GPtrArray) names = cw_list_directory(directory, error);
  for (guint i = 0; names && i < names->len; i++) {
    const char *name = names->pdata[i];
    g_autofree char *path = g_build_filename(directory, name, NULL);
    if (*name == '.' && (g_str_has_suffix(name, SUFFIX) || g_str_has_suffix(name, ".progress")) &&
        !cw_remove_tree(path, error))
      return FALSE;
  }
  return names != NULL;
}
