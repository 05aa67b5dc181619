/* Runs as logs of Inspect, the UK AI Security Institute's framework, so that its viewer opens them. */
#ifndef CW_INSPECT_LOG_H
#define CW_INSPECT_LOG_H

#include <glib.h>

/* Writes a log (version 2, JSON) of each agent with kept episodes of the run in `directory` into the folder
 * `into`, which is made; *n_logs is their number. A run that has not finished, or has no kept episodes, is
 * CW_ERROR_CONFIGURATION. No plugin is opened. */
gboolean cw_inspect_export(const char *directory, const char *into, guint *n_logs, GError **error);

#endif
