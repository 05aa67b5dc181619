/* Runs as a page that opens from disk: their results, and their kept episodes step by step. */
#ifndef CW_VIEW_H
#define CW_VIEW_H

#include "lab/report/report.h"

typedef struct {
  guint64 n_episodes; /* in the page */
  guint64 n_left_out; /* kept by the runs, but more than were wanted */
} CwViewCounts;

/* The page of a report's runs: one file of HTML that needs nothing else. Of each agent at most
 * `most_episodes` kept episodes are in it, 0 for none; files of episodes that do not go with the run's
 * results are left out with a warning. Free with g_free. */
char *cw_view_page(const CwRunsReport *report, guint64 most_episodes, CwViewCounts *counts, GError **error);
/* Writes it to `path`. */
gboolean cw_view_write(const CwRunsReport *report, guint64 most_episodes, const char *path,
                       CwViewCounts *counts, GError **error);

#endif
