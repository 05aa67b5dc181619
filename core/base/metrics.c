/* metrics.jsonl and its kind: a record is put together in memory and leaves in one write, so that a killed
 * process leaves at most one cut line, which the next opening removes because it continues at a remembered
 * offset. */
#include "core/base/metrics.h"
#include "core/base/files.h"
#include "core/base/json_text.h"
#include <cartwright/error.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct CwMetrics {
  char *path;
  int fd;
  guint64 offset;
  GString *record;
  CwEvents *events; /* NULL: none */
  guint64 step;     /* of the record */
};

/* Leaves the file exactly `offset` bytes long, which must be the end of a record. */
static gboolean cut(const char *path, int fd, guint64 offset, GError **error)
{
  struct stat status;
  char last = '\n';
  if (fstat(fd, &status) < 0) {
    cw_set_errno_error(error, "examine the file", path);
    return FALSE;
  }
  if ((guint64)status.st_size < offset) {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_FORMAT,
                "%s: expected at least the %" G_GUINT64_FORMAT
                " bytes that the checkpoint remembers, found %" G_GUINT64_FORMAT
                "; put the file of that run back, or start the run afresh",
                path, offset, (guint64)status.st_size);
    return FALSE;
  }
  if (offset > 0 && pread(fd, &last, 1, (off_t)offset - 1) != 1) {
    cw_set_errno_error(error, "read", path);
    return FALSE;
  }
  if (last != '\n') {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_FORMAT,
                "%s: expected a record to end at byte %" G_GUINT64_FORMAT
                ", where the checkpoint continues, but none does; put the file of that run back, or start "
                "the run afresh",
                path, offset);
    return FALSE;
  }
  if (ftruncate(fd, (off_t)offset) < 0 || lseek(fd, (off_t)offset, SEEK_SET) < 0) {
    cw_set_errno_error(error, "cut the file", path);
    return FALSE;
  }
  return TRUE;
}

CwMetrics *cw_metrics_open(const char *path, guint64 offset, GError **error)
{
  CwMetrics *metrics;
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) {
    cw_set_errno_error(error, "open for writing", path);
    return NULL;
  }
  if (!cut(path, fd, offset, error)) {
    close(fd);
    return NULL;
  }
  metrics = g_new0(CwMetrics, 1);
  metrics->path = g_strdup(path);
  metrics->fd = fd;
  metrics->offset = offset;
  metrics->record = g_string_new("{");
  return metrics;
}

void cw_metrics_close(CwMetrics *metrics)
{
  if (!metrics)
    return;
  close(metrics->fd);
  g_string_free(metrics->record, TRUE);
  g_free(metrics->path);
  g_free(metrics);
}

void cw_metrics_begin(CwMetrics *metrics)
{
  g_string_assign(metrics->record, "{");
}

static void append_key(CwMetrics *metrics, const char *name)
{
  if (metrics->record->len > 1)
    g_string_append(metrics->record, ", ");
  cw_json_append_string(metrics->record, name);
  g_string_append(metrics->record, ": ");
}

void cw_metrics_set_events(CwMetrics *metrics, CwEvents *events)
{
  metrics->events = events;
}

static void add_event(CwMetrics *metrics, const char *name, double value)
{
  if (metrics->events && strchr(name, '/'))
    cw_events_scalar(metrics->events, name, value);
}

void cw_metrics_number(CwMetrics *metrics, const char *name, double value)
{
  append_key(metrics, name);
  cw_json_append_double(metrics->record, value);
  add_event(metrics, name, value);
}

void cw_metrics_integer(CwMetrics *metrics, const char *name, gint64 value)
{
  append_key(metrics, name);
  g_string_append_printf(metrics->record, "%" G_GINT64_FORMAT, value);
  if (strcmp(name, "step") == 0)
    metrics->step = (guint64)value;
  add_event(metrics, name, (double)value);
}

void cw_metrics_string(CwMetrics *metrics, const char *name, const char *value)
{
  append_key(metrics, name);
  cw_json_append_string(metrics->record, value);
}

gboolean cw_metrics_end(CwMetrics *metrics, GError **error)
{
  gsize done = 0;
  g_string_append(metrics->record, "}\n");
  while (done < metrics->record->len) {
    gssize written = write(metrics->fd, metrics->record->str + done, metrics->record->len - done);
    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0) {
      cw_set_errno_error(error, "write", metrics->path);
      return FALSE;
    }
    done += (gsize)written;
  }
  metrics->offset += done;
  g_string_assign(metrics->record, "{");
  return !metrics->events || cw_events_end(metrics->events, metrics->step, error);
}

guint64 cw_metrics_offset(CwMetrics *metrics)
{
  /* A file system that cannot sync (a pipe, some network mounts) is no reason to stop. */
  (void)fsync(metrics->fd);
  return metrics->offset;
}
