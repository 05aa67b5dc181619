/* metrics.jsonl and its kind: a record is put together in memory and leaves in one write of an append log. */
#include "core/base/metrics.h"
#include "core/base/durable.h"
#include "core/base/json_text.h"
#include <string.h>

struct CwMetrics {
  CwLog *log;
  GString *record;
  CwEvents *events; /* NULL: none */
  guint64 step;     /* of the record */
};

CwMetrics *cw_metrics_open(const char *path, guint64 offset, GError **error)
{
  CwLog *log = cw_log_open(path, offset, error);
  if (!log)
    return NULL;
  CwMetrics *metrics = g_new0(CwMetrics, 1);
  metrics->log = log;
  metrics->record = g_string_new("{");
  return metrics;
}

void cw_metrics_close(CwMetrics *metrics)
{
  if (!metrics)
    return;
  cw_log_close(metrics->log);
  g_string_free(metrics->record, TRUE);
  g_free(metrics);
}

void cw_metrics_begin(CwMetrics *metrics)
{
  g_string_assign(metrics->record, "{");
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
  cw_json_double(metrics->record, name, value);
  add_event(metrics, name, value);
}

void cw_metrics_integer(CwMetrics *metrics, const char *name, gint64 value)
{
  cw_json_integer(metrics->record, name, value);
  if (strcmp(name, "step") == 0)
    metrics->step = (guint64)value;
  add_event(metrics, name, (double)value);
}

void cw_metrics_string(CwMetrics *metrics, const char *name, const char *value)
{
  cw_json_string(metrics->record, name, value);
}

gboolean cw_metrics_end(CwMetrics *metrics, GError **error)
{
  g_string_append(metrics->record, "}\n");
  if (!cw_log_add(metrics->log, metrics->record->str, metrics->record->len, error))
    return FALSE;
  g_string_assign(metrics->record, "{");
  return !metrics->events || cw_events_end(metrics->events, metrics->step, error);
}

gboolean cw_metrics_sync(CwMetrics *metrics, guint64 *offset, GError **error)
{
  *offset = cw_log_length(metrics->log);
  return cw_log_sync(metrics->log, error);
}
