/* Small operations on paths. Symbolic links inside a tree are never followed. */
#include "core/base/durable.h"
#include <cartwright/checksum.h>
#include <cartwright/error.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void cw_set_errno_error(GError **error, const char *doing, const char *path)
{
  int number = errno;
  g_set_error(error, CW_RUN_ERROR, CW_ERROR_INPUT_OUTPUT, "%s: cannot %s: %s", path, doing,
              g_strerror(number));
}

static gboolean fail(const char *doing, const char *path, GError **error)
{
  cw_set_errno_error(error, doing, path);
  return FALSE;
}

gboolean cw_sync_path(const char *path, GError **error)
{
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  /* EINVAL: a file system that has nothing to sync. */
  gboolean good = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);
  if (!good)
    cw_set_errno_error(error, "sync", path);
  if (fd >= 0)
    close(fd);
  return good;
}

gboolean cw_make_directories(const char *path, GError **error)
{
  if (g_file_test(path, G_FILE_TEST_IS_DIR))
    return TRUE;
  g_autofree char *parent = g_path_get_dirname(path);
  if (!g_file_test(parent, G_FILE_TEST_IS_DIR) && !cw_make_directories(parent, error))
    return FALSE;
  if (mkdir(path, 0777) < 0 && errno != EEXIST)
    return fail("make the directory", path, error);
  if (!g_file_test(path, G_FILE_TEST_IS_DIR)) {
    errno = ENOTDIR;
    return fail("make the directory", path, error);
  }
  return cw_sync_path(parent, error);
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *cw_list_directory(const char *path, GError **error)
{
  g_autoptr(GError) reason = NULL;
  g_autoptr(GDir) directory = g_dir_open(path, 0, &reason);
  if (!directory) {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_INPUT_OUTPUT, "%s: cannot list the directory: %s", path,
                reason->message);
    return NULL;
  }
  GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
  for (const char *name; (name = g_dir_read_name(directory));)
    g_ptr_array_add(names, g_strdup(name));
  g_ptr_array_sort(names, compare_names);
  return names;
}

gboolean cw_remove_tree(const char *path, GError **error)
{
  struct stat status;
  if (lstat(path, &status) < 0)
    return errno == ENOENT || fail("examine", path, error);
  if (!S_ISDIR(status.st_mode))
    return unlink(path) == 0 || fail("remove", path, error);
  g_autoptr(GPtrArray) names = cw_list_directory(path, error);
  for (guint i = 0; names && i < names->len; i++) {
    g_autofree char *child = g_build_filename(path, names->pdata[i], NULL);
    if (!cw_remove_tree(child, error))
      return FALSE;
  }
  return names && (rmdir(path) == 0 || fail("remove", path, error));
}

gboolean cw_measure_file(const char *path, guint64 *size, guint32 *crc, GError **error)
{
  g_autofree char *buffer = g_malloc(1 << 20);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  gssize length;
  *size = 0;
  *crc = 0;
  if (fd < 0)
    return fail("open", path, error);
  while ((length = read(fd, buffer, 1 << 20)) > 0 || (length < 0 && errno == EINTR)) {
    if (length < 0)
      continue;
    *crc = cw_crc32c(*crc, buffer, (gsize)length);
    *size += (guint64)length;
  }
  if (length < 0)
    cw_set_errno_error(error, "read", path);
  close(fd);
  return length == 0;
}
