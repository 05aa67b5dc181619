/* Append logs, and files that are written aside, which are logs until they get their name. A log owns its
 * descriptor and remembers how long it is; what a killed process wrote behind the length that was remembered
 * elsewhere is cut off when the log is opened again. */
#include "config.h" /* first: it asks for memrchr */

#include "core/base/durable.h"
#include <cartwright/error.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct CwLog {
  char *path;
  int fd;
  guint64 length;
};

static gboolean fail(const CwLog *log, const char *doing, GError **error)
{
  cw_set_errno_error(error, doing, log->path);
  return FALSE;
}

/* Leaves the file exactly log->length bytes long, which must be the end of a record. */
static gboolean cut(CwLog *log, GError **error)
{
  struct stat status;
  char last = '\n';
  if (fstat(log->fd, &status) < 0)
    return fail(log, "examine the file", error);
  if ((guint64)status.st_size < log->length) {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_FORMAT,
                "%s: expected at least the %" G_GUINT64_FORMAT
                " bytes that the checkpoint remembers, found %" G_GUINT64_FORMAT
                "; put the file of that run back, or start the run afresh",
                log->path, log->length, (guint64)status.st_size);
    return FALSE;
  }
  if (log->length > 0 && pread(log->fd, &last, 1, (off_t)log->length - 1) != 1)
    return fail(log, "read", error);
  if (last != '\n') {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_FORMAT,
                "%s: expected a record to end at byte %" G_GUINT64_FORMAT
                ", where the checkpoint continues, but none does; put the file of that run back, or start "
                "the run afresh",
                log->path, log->length);
    return FALSE;
  }
  return (ftruncate(log->fd, (off_t)log->length) == 0 && lseek(log->fd, (off_t)log->length, SEEK_SET) >= 0) ||
         fail(log, "cut the file", error);
}

/* Locks the file for as long as it is open. A file system without locks is no reason to stop. */
static gboolean lock(const CwLog *log, GError **error)
{
  if (flock(log->fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
    return TRUE;
  g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
              "%s: another process is writing this file; wait for it, or write another one", log->path);
  return FALSE;
}

/* Makes room for a new file where a dead process may have left one, or somebody a symbolic link; a file that
 * a living process writes stays. */
static gboolean clear(CwLog *log, GError **error)
{
  log->fd = open(log->path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (log->fd >= 0 && !lock(log, error))
    return FALSE;
  unlink(log->path);
  if (log->fd >= 0)
    close(log->fd);
  return TRUE;
}

static CwLog *open_log(const char *path, guint64 length, GError **error)
{
  g_autoptr(CwLog) log = g_new0(CwLog, 1);
  log->path = g_strdup(path);
  log->length = length;
  if (length == 0 && !clear(log, error))
    return NULL;
  log->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (length == 0 ? O_EXCL : 0), 0666);
  if (log->fd < 0)
    fail(log, "open for writing", error);
  return log->fd >= 0 && lock(log, error) && (length == 0 || cut(log, error)) ? g_steal_pointer(&log) : NULL;
}

guint64 cw_log_whole(const char *path)
{
  g_autoptr(GMappedFile) file = g_mapped_file_new(path, FALSE, NULL);
  const char *text = file ? g_mapped_file_get_contents(file) : NULL;
  if (!text)
    return 0;
  gsize length = g_mapped_file_get_length(file);
  const char *zero = memchr(text, '\0', length);
  const char *last = memrchr(text, '\n', zero ? (gsize)(zero - text) : length);
  return last ? (guint64)(last + 1 - text) : 0;
}

CwLog *cw_log_open(const char *path, guint64 length, GError **error)
{
  g_autofree char *parent = g_path_get_dirname(path);
  g_autoptr(CwLog) log = open_log(path, length, error);
  return log && cw_sync_path(parent, error) ? g_steal_pointer(&log) : NULL;
}

gboolean cw_log_add(CwLog *log, const char *data, gsize length, GError **error)
{
  while (length > 0) {
    gssize written = write(log->fd, data, length);
    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0)
      return fail(log, "write", error);
    data += written;
    length -= (gsize)written;
    log->length += (guint64)written;
  }
  return TRUE;
}

gboolean cw_log_sync(CwLog *log, GError **error)
{
  /* EINVAL: a pipe or a file system that has nothing to sync. */
  return fsync(log->fd) == 0 || errno == EINVAL || fail(log, "write", error);
}

guint64 cw_log_length(const CwLog *log)
{
  return log->length;
}

void cw_log_close(CwLog *log)
{
  if (!log)
    return;
  if (log->fd >= 0)
    close(log->fd);
  g_free(log->path);
  g_free(log);
}

void cw_log_discard(CwLog *log)
{
  if (log)
    unlink(log->path);
  cw_log_close(log);
}

gboolean cw_log_commit(CwLog *log, const char *path, GError **error)
{
  gboolean good = cw_log_sync(log, error) && cw_tree_rename(log->path, path, error);
  if (good)
    cw_log_close(log);
  else
    cw_log_discard(log);
  return good;
}

gboolean cw_write_file(const char *path, const char *data, gsize length, GError **error)
{
  g_autofree char *aside = cw_aside(path);
  CwLog *log = open_log(aside, 0, error);
  if (log && cw_log_add(log, data, length, error))
    return cw_log_commit(log, path, error);
  cw_log_discard(log);
  return FALSE;
}
