/* Files and trees that are whole or not there: written aside, synced, renamed. Symbolic links inside a tree
 * are neither followed nor copied. */
#include "core/base/files.h"
#include "core/base/checkpoint.h"
#include <cartwright/error.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void cw_set_errno_error(GError **error, const char *doing, const char *path)
{
  int number = errno;
  g_set_error(error, CW_RUN_ERROR, CW_ERROR_INPUT_OUTPUT, "%s: cannot %s: %s", path, doing,
              g_strerror(number));
}

gboolean cw_sync_path(const char *path, GError **error)
{
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  /* EINVAL: a file system that has nothing to sync. */
  if (fd < 0 || (fsync(fd) < 0 && errno != EINVAL)) {
    cw_set_errno_error(error, "sync", path);
    if (fd >= 0)
      close(fd);
    return FALSE;
  }
  close(fd);
  return TRUE;
}

gboolean cw_rename_file(const char *from, const char *to, GError **error)
{
  g_autofree char *parent = g_path_get_dirname(to);
  if (rename(from, to) < 0) {
    g_autofree char *doing = g_strdup_printf("rename to %s", to);
    cw_set_errno_error(error, doing, from);
    return FALSE;
  }
  return cw_sync_path(parent, error);
}

static gboolean write_all(int fd, const char *data, gsize length)
{
  while (length > 0) {
    gssize written = write(fd, data, length);
    if (written < 0 && errno != EINTR)
      return FALSE;
    if (written > 0) {
      data += written;
      length -= (gsize)written;
    }
  }
  return TRUE;
}

gboolean cw_write_file(const char *path, const char *data, gsize length, GError **error)
{
  g_autofree char *partial = g_strconcat(path, ".partial", NULL);
  int fd = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) {
    cw_set_errno_error(error, "open for writing", partial);
    return FALSE;
  }
  if (!write_all(fd, data, length) || (fsync(fd) < 0 && errno != EINVAL)) {
    cw_set_errno_error(error, "write", partial);
    close(fd);
    unlink(partial);
    return FALSE;
  }
  close(fd);
  if (!cw_rename_file(partial, path, error)) {
    unlink(partial);
    return FALSE;
  }
  return TRUE;
}

gboolean cw_make_directories(const char *path, GError **error)
{
  if (g_mkdir_with_parents(path, 0777) == 0)
    return TRUE;
  cw_set_errno_error(error, "make the directory", path);
  return FALSE;
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *cw_list_directory(const char *path, GError **error)
{
  GError *reason = NULL;
  GDir *directory = g_dir_open(path, 0, &reason);
  GPtrArray *names;
  const char *name;
  if (!directory) {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_INPUT_OUTPUT, "%s: cannot list the directory: %s", path,
                reason->message);
    g_error_free(reason);
    return NULL;
  }
  names = g_ptr_array_new_with_free_func(g_free);
  while ((name = g_dir_read_name(directory)))
    g_ptr_array_add(names, g_strdup(name));
  g_dir_close(directory);
  g_ptr_array_sort(names, compare_names);
  return names;
}

gboolean cw_remove_tree(const char *path, GError **error)
{
  g_autoptr(GPtrArray) names = NULL;
  struct stat status;

  if (lstat(path, &status) < 0) {
    if (errno == ENOENT)
      return TRUE;
    cw_set_errno_error(error, "examine", path);
    return FALSE;
  }
  if (!S_ISDIR(status.st_mode)) {
    if (unlink(path) == 0)
      return TRUE;
    cw_set_errno_error(error, "remove", path);
    return FALSE;
  }
  names = cw_list_directory(path, error);
  if (!names)
    return FALSE;
  for (guint i = 0; i < names->len; i++) {
    g_autofree char *child = g_build_filename(path, names->pdata[i], NULL);
    if (!cw_remove_tree(child, error))
      return FALSE;
  }
  if (rmdir(path) == 0)
    return TRUE;
  cw_set_errno_error(error, "remove", path);
  return FALSE;
}

static gboolean copy_file(const char *from, const char *to, GError **error)
{
  g_autofree char *buffer = g_malloc(1 << 20);
  int in = open(from, O_RDONLY | O_CLOEXEC), out = -1;
  gboolean good = FALSE;
  gssize length;
  if (in < 0) {
    cw_set_errno_error(error, "open", from);
    return FALSE;
  }
  out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (out < 0) {
    cw_set_errno_error(error, "open for writing", to);
    close(in);
    return FALSE;
  }
  while ((length = read(in, buffer, 1 << 20)) > 0 || (length < 0 && errno == EINTR)) {
    if (length > 0 && !write_all(out, buffer, (gsize)length)) {
      cw_set_errno_error(error, "write", to);
      goto out;
    }
  }
  if (length < 0)
    cw_set_errno_error(error, "read", from);
  else if (fsync(out) < 0 && errno != EINVAL)
    cw_set_errno_error(error, "write", to);
  else
    good = TRUE;
out:
  close(in);
  close(out);
  return good;
}

gboolean cw_copy_tree(const char *from, const char *to, GError **error)
{
  g_autoptr(GPtrArray) names = NULL;
  struct stat status;

  if (lstat(from, &status) < 0) {
    cw_set_errno_error(error, "examine", from);
    return FALSE;
  }
  if (S_ISREG(status.st_mode))
    return copy_file(from, to, error);
  if (!S_ISDIR(status.st_mode))
    return TRUE;
  names = cw_list_directory(from, error);
  if (!names || !cw_make_directories(to, error))
    return FALSE;
  for (guint i = 0; i < names->len; i++) {
    g_autofree char *child_from = g_build_filename(from, names->pdata[i], NULL);
    g_autofree char *child_to = g_build_filename(to, names->pdata[i], NULL);
    if (!cw_copy_tree(child_from, child_to, error))
      return FALSE;
  }
  return cw_sync_path(to, error);
}
