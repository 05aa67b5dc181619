/* TensorBoard's event files: scalars by tag and step, as `tensorboard --logdir` reads them. A file is a
 * sequence of TFRecords, each an Event message of protocol buffers (tensorflow/core/util/event.proto). They
 * carry wall-clock times, and so are not the same from run to run; metrics.jsonl is what is reproducible. */
#ifndef CW_EVENTS_H
#define CW_EVENTS_H

#include <glib.h>

#define CW_EVENTS_PREFIX "events.out.tfevents."

typedef struct CwEvents CwEvents;

/* Begins a file DIRECTORY/events.out.tfevents.TIME.HOST.PID. What earlier files of the directory hold of
 * `first_step` and later steps is declared void; their torn ends are cut off. */
CwEvents *cw_events_open(const char *directory, guint64 first_step, GError **error);
void cw_events_close(CwEvents *events); /* accepts NULL */
/* Adds a scalar to the event under construction. */
void cw_events_scalar(CwEvents *events, const char *tag, double value);
/* Writes the event, if it has any scalars, and flushes it. */
gboolean cw_events_end(CwEvents *events, guint64 step, GError **error);

#endif
