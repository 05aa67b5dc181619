/* Processes side by side, so many at a time. */
#ifndef CW_SWEEP_JOBS_H
#define CW_SWEEP_JOBS_H

#include <glib.h>

typedef struct {
  char **argv;     /* NULL-terminated */
  const char *log; /* file for what it prints, in the place of what is there */
  int status;      /* its exit status; -1: has not run; 128 and a signal's number: was ended by it */
} CwJob;

/* Called when one has ended. */
typedef void (*CwJobEnded)(const CwJob *job, guint n_ended, guint n_jobs, gpointer data);

/* Starts them in their order, at most `most` at a time, and waits for all. An interrupt starts no more and
 * passes SIGTERM on, once, to those that run; what they do then is theirs, and it is waited for. They get it,
 * too, when this process is killed. FALSE with CW_ERROR_CANCELLED after an interrupt, or when a process
 * cannot be started. */
gboolean cw_jobs_run(CwJob *jobs, guint n_jobs, guint most, CwJobEnded ended, gpointer data, GError **error);

#endif
