/* Reads and writes files of trajectories, one JSON object on each line: all or nothing. */
#include "core/base/durable.h"
#include "core/trajectory/trajectory_build.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    if (is_blank(line, (gsize)length))
      continue;
    if (line[length - 1] == '\n')
      length--;
    g_autofree char *where = g_strdup_printf("%s:%" G_GUINT64_FORMAT, path, number);
    CwTrajectory *trajectory = cw_trajectory_from_json_in(pool, line, (gsize)length, where, error);
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
  FILE *file = fopen(path, "re");
  if (!file) {
    cw_set_errno_error(error, "open the trajectories", path);
    return FALSE;
  }
  guint before = trajectories->len;
  gboolean good = read_lines(path, file, trajectories, error);
  fclose(file);
  if (good && trajectories->len == before) {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_FORMAT,
                "%s:1: expected one trajectory as JSON on each line, found an empty file", path);
    good = FALSE;
  }
  if (!good)
    g_ptr_array_set_size(trajectories, (gint)before);
  return good;
}

gboolean cw_trajectories_write(const char *path, const CwTrajectory *const *trajectories, guint n,
                               GError **error)
{
  g_autofree char *aside = cw_aside(path);
  CwLog *log = cw_log_open(aside, 0, error);
  gboolean good = log != NULL;
  for (guint i = 0; i < n && good; i++) {
    g_autofree char *json = cw_trajectory_to_json(trajectories[i]);
    g_autofree char *line = g_strconcat(json, "\n", NULL);
    good = cw_log_add(log, line, strlen(line), error);
  }
  if (good)
    return cw_log_commit(log, path, error);
  cw_log_discard(log);
  return FALSE;
}
