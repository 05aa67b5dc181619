/* Runs as logs of Inspect, the UK AI Security Institute's framework, so that its viewer opens them. */
#ifndef CW_INSPECT_LOG_H
#define CW_INSPECT_LOG_H

#include "lab/report/report_run.h"

/* Writes a log (version 2, JSON) of each agent with kept episodes into `directory`, which is made; *n_logs is
 * their number. A run without kept episodes is CW_ERROR_CONFIGURATION. */
gboolean cw_inspect_write(const CwReportRun *run, const char *directory, guint *n_logs, GError **error);

#endif
