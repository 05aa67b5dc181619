/* Files of trajectories, one JSON object on each line. Reading takes all or nothing; writing goes to
 * PATH.partial, which takes the name PATH when it is complete and on the disk. */
#include "core/base/files.h"
#include "core/trajectory/trajectory_build.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct CwTrajectoryWriter {
  char *path, *partial;
  FILE *file;
};

static gboolean is_blank(const char *line, gsize length)
{
  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isspace(line[i]))
      return FALSE;
  return TRUE;
}

/* Appends the file's trajectories to `read`. */
static gboolean read_lines(const char *path, FILE *file, GPtrArray *read, GError **error)
{
  CwStringPool *pool = cw_string_pool_new(64 * 1024);
  gboolean good = TRUE;
  char *line = NULL;
  gsize capacity = 0;
  gssize length;
  for (guint64 number = 1; good && (errno = 0, length = getline(&line, &capacity, file)) >= 0; number++) {
    g_autofree char *where = NULL;
    CwTrajectory *trajectory;
    if (is_blank(line, (gsize)length))
      continue;
    if (line[length - 1] == '\n')
      length--;
    where = g_strdup_printf("%s:%" G_GUINT64_FORMAT, path, number);
    trajectory = cw_trajectory_from_json_in(pool, line, (gsize)length, where, error);
    if (trajectory)
      g_ptr_array_add(read, trajectory);
    good = trajectory != NULL;
  }
  if (good && !feof(file)) {
    cw_set_errno_error(error, "read", path);
    good = FALSE;
  }
  free(line);
  cw_string_pool_unref(pool);
  return good;
}

gboolean cw_trajectories_read(const char *path, GPtrArray *trajectories, GError **error)
{
  GPtrArray *read = g_ptr_array_new_with_free_func((GDestroyNotify)cw_trajectory_free);
  FILE *file = fopen(path, "re");
  gboolean good;
  if (!file) {
    cw_set_errno_error(error, "open the trajectories", path);
    g_ptr_array_free(read, TRUE);
    return FALSE;
  }
  good = read_lines(path, file, read, error);
  fclose(file);
  if (good && read->len == 0) {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_FORMAT,
                "%s:1: expected one trajectory as JSON on each line, found an empty file", path);
    good = FALSE;
  }
  if (good) {
    for (guint i = 0; i < read->len; i++)
      g_ptr_array_add(trajectories, read->pdata[i]);
    g_ptr_array_set_free_func(read, NULL);
  }
  g_ptr_array_free(read, TRUE);
  return good;
}

static CwTrajectoryWriter *open_writer(const char *path, const char *mode, GError **error)
{
  g_autofree char *partial = g_strconcat(path, ".partial", NULL);
  FILE *file = fopen(partial, mode);
  CwTrajectoryWriter *writer;
  if (!file) {
    cw_set_errno_error(error, "open for writing", partial);
    return NULL;
  }
  writer = g_new0(CwTrajectoryWriter, 1);
  writer->path = g_strdup(path);
  writer->partial = g_steal_pointer(&partial);
  writer->file = file;
  return writer;
}

CwTrajectoryWriter *cw_trajectory_writer_new(const char *path, GError **error)
{
  return open_writer(path, "we", error);
}

gboolean cw_trajectory_writer_add(CwTrajectoryWriter *writer, const CwTrajectory *trajectory, GError **error)
{
  g_autofree char *json = cw_trajectory_to_json(trajectory);
  if (fputs(json, writer->file) < 0 || fputc('\n', writer->file) < 0) {
    cw_set_errno_error(error, "write", writer->partial);
    return FALSE;
  }
  return TRUE;
}

static void free_writer(CwTrajectoryWriter *writer)
{
  g_free(writer->path);
  g_free(writer->partial);
  g_free(writer);
}

CwTrajectoryWriter *cw_trajectory_writer_continue(const char *path, guint64 offset, GError **error)
{
  CwTrajectoryWriter *writer = open_writer(path, "r+e", error);
  struct stat status;
  if (!writer)
    return NULL;
  if (fstat(fileno(writer->file), &status) < 0 || ftruncate(fileno(writer->file), (off_t)offset) < 0 ||
      fseeko(writer->file, (off_t)offset, SEEK_SET) < 0) {
    cw_set_errno_error(error, "continue", writer->partial);
    g_clear_pointer(&writer, cw_trajectory_writer_leave);
  } else if ((guint64)status.st_size < offset) {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_FORMAT,
                "%s: expected at least %" G_GUINT64_FORMAT
                " bytes to continue from, found %" G_GUINT64_FORMAT,
                writer->partial, offset, (guint64)status.st_size);
    g_clear_pointer(&writer, cw_trajectory_writer_leave);
  }
  return writer;
}

guint64 cw_trajectory_writer_length(CwTrajectoryWriter *writer)
{
  return (guint64)ftello(writer->file);
}

gboolean cw_trajectory_writer_sync(CwTrajectoryWriter *writer, GError **error)
{
  if (fflush(writer->file) == 0 && fsync(fileno(writer->file)) == 0)
    return TRUE;
  cw_set_errno_error(error, "write", writer->partial);
  return FALSE;
}

void cw_trajectory_writer_leave(CwTrajectoryWriter *writer)
{
  if (!writer)
    return;
  fclose(writer->file);
  free_writer(writer);
}

gboolean cw_trajectory_writer_commit(CwTrajectoryWriter *writer, GError **error)
{
  gboolean good = fflush(writer->file) == 0 && fsync(fileno(writer->file)) == 0;
  if (!good)
    cw_set_errno_error(error, "write", writer->partial);
  if (fclose(writer->file) != 0 && good) {
    cw_set_errno_error(error, "write", writer->partial);
    good = FALSE;
  }
  if (good)
    good = cw_rename_file(writer->partial, writer->path, error);
  if (!good)
    unlink(writer->partial);
  free_writer(writer);
  return good;
}

void cw_trajectory_writer_discard(CwTrajectoryWriter *writer)
{
  if (!writer)
    return;
  fclose(writer->file);
  unlink(writer->partial);
  free_writer(writer);
}
