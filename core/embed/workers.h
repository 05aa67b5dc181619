/* A few threads that share one loop: each takes the next indices that nobody has taken. */
#ifndef CW_WORKERS_H
#define CW_WORKERS_H

#include <glib.h>

typedef struct CwWorkers CwWorkers;
typedef void (*CwWork)(gpointer data, guint index);

/* `n_threads` in all, the caller of cw_workers_run included. NULL with error when a thread cannot be started.
 */
CwWorkers *cw_workers_new(guint n_threads, GError **error);
void cw_workers_free(CwWorkers *workers); /* accepts NULL */
/* Calls work(data, i) once for each i below n, in any order, and returns when all are done. */
void cw_workers_run(CwWorkers *workers, guint n, CwWork work, gpointer data);

#endif
