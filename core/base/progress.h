/* Progress on stderr: one line rewritten in place on a terminal, one line per report otherwise (at most one
 * per `interval` seconds, and the last). */
#ifndef CW_PROGRESS_H
#define CW_PROGRESS_H

#include <glib.h>
#include <stdio.h>

typedef struct CwProgress CwProgress;

/* `label`: "bc", "evaluate final". quiet: nothing is printed. */
CwProgress *cw_progress_new(const char *label, gboolean quiet);
/* The same onto any stream; `terminal` says whether lines are rewritten in place,
 * `interval` is the least time between two lines otherwise, in seconds, and `clock` returns
 * microseconds that never go back (NULL: g_get_monotonic_time). */
CwProgress *cw_progress_new_on(const char *label, FILE *stream, gboolean terminal, double interval,
                               gint64 (*clock)(void));
/* done of total (0: unknown), with a short text such as "loss 0.41 accuracy 0.83". Shows percentage, elapsed
 * time and ETA (from the rate since the start or the resume). */
void cw_progress_update(CwProgress *progress, guint64 done, guint64 total, const char *text);
/* Ends the line and frees. */
void cw_progress_finish(CwProgress *progress);
char *cw_format_duration(double seconds); /* "3:05", "1:02:03"; free with g_free */

#endif
