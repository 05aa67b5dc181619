/* metrics.jsonl: one JSON object per record, numbers in shortest round-trip form, keys in the order they were
 * added. Only what is reproducible goes there (a resumed run has the same bytes as one never stopped);
 * wall-clock figures go to timings.jsonl, a second writer of the same kind. */
#ifndef CW_METRICS_H
#define CW_METRICS_H

#include "core/base/events.h"
#include <glib.h>

typedef struct CwMetrics CwMetrics;

/* Opens PATH for appending after cutting it to `offset` bytes (0: afresh). A file shorter than `offset` is an
 * error. */
CwMetrics *cw_metrics_open(const char *path, guint64 offset, GError **error);
void cw_metrics_close(CwMetrics *metrics); /* accepts NULL */
void cw_metrics_begin(CwMetrics *metrics);
void cw_metrics_number(CwMetrics *metrics, const char *name, double value);
void cw_metrics_integer(CwMetrics *metrics, const char *name, gint64 value);
void cw_metrics_string(CwMetrics *metrics, const char *name, const char *value);
/* Numbers whose names have a '/' also go into `events` (NULL: nowhere), at the step that the record's integer
 * "step" gives. Not owned. */
void cw_metrics_set_events(CwMetrics *metrics, CwEvents *events);
/* Writes the record and flushes it. */
gboolean cw_metrics_end(CwMetrics *metrics, GError **error);
/* Brings everything written to the disk; *offset is how many bytes that is, for a checkpoint to remember. */
gboolean cw_metrics_sync(CwMetrics *metrics, guint64 *offset, GError **error);

#endif
