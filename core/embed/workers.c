/* The threads of a vector. They sleep between loops; a loop is a counter from which everybody, the calling
 * thread included, takes a few indices at a time. Short loops are not worth waking anybody and stay with the
 * caller. */
#include "core/embed/workers.h"

#define CHUNK 8u /* indices taken at a time: some ten microseconds of an environment's steps */

struct CwWorkers {
  GMutex lock;
  GCond wake, done;
  GPtrArray *threads; /* GThread *, without the caller */
  guint round;        /* counts loops, so that a thread knows a new one */
  guint n_working;    /* threads that have not finished the present loop */
  gboolean stop;
  CwWork work;
  gpointer data;
  guint n;
  gint next; /* atomic */
};

static void take_part(CwWorkers *workers)
{
  for (;;) {
    guint first = (guint)g_atomic_int_add(&workers->next, (gint)CHUNK);
    if (first >= workers->n)
      return;
    for (guint i = first; i < MIN(workers->n, first + CHUNK); i++)
      workers->work(workers->data, i);
  }
}

static gpointer live(gpointer user_data)
{
  CwWorkers *workers = user_data;
  guint seen = 0;
  g_mutex_lock(&workers->lock);
  for (;;) {
    while (!workers->stop && workers->round == seen)
      g_cond_wait(&workers->wake, &workers->lock);
    if (workers->stop)
      break;
    seen = workers->round;
    g_mutex_unlock(&workers->lock);
    take_part(workers);
    g_mutex_lock(&workers->lock);
    if (--workers->n_working == 0)
      g_cond_signal(&workers->done);
  }
  g_mutex_unlock(&workers->lock);
  return NULL;
}

CwWorkers *cw_workers_new(guint n_threads, GError **error)
{
  CwWorkers *workers = g_new0(CwWorkers, 1);
  g_mutex_init(&workers->lock);
  g_cond_init(&workers->wake);
  g_cond_init(&workers->done);
  workers->threads = g_ptr_array_new();
  for (guint i = 1; i < n_threads; i++) {
    GThread *thread = g_thread_try_new("cartwright", live, workers, error);
    if (!thread) {
      cw_workers_free(workers);
      return NULL;
    }
    g_ptr_array_add(workers->threads, thread);
  }
  return workers;
}

void cw_workers_free(CwWorkers *workers)
{
  if (!workers)
    return;
  g_mutex_lock(&workers->lock);
  workers->stop = TRUE;
  g_cond_broadcast(&workers->wake);
  g_mutex_unlock(&workers->lock);
  for (guint i = 0; i < workers->threads->len; i++)
    g_thread_join(workers->threads->pdata[i]);
  g_ptr_array_free(workers->threads, TRUE);
  g_cond_clear(&workers->done);
  g_cond_clear(&workers->wake);
  g_mutex_clear(&workers->lock);
  g_free(workers);
}

void cw_workers_run(CwWorkers *workers, guint n, CwWork work, gpointer data)
{
  if (workers->threads->len == 0 || n <= CHUNK) {
    for (guint i = 0; i < n; i++)
      work(data, i);
    return;
  }
  g_mutex_lock(&workers->lock);
  workers->work = work;
  workers->data = data;
  workers->n = n;
  g_atomic_int_set(&workers->next, 0);
  workers->n_working = workers->threads->len;
  workers->round++;
  g_cond_broadcast(&workers->wake);
  g_mutex_unlock(&workers->lock);
  take_part(workers);
  g_mutex_lock(&workers->lock);
  while (workers->n_working > 0)
    g_cond_wait(&workers->done, &workers->lock);
  g_mutex_unlock(&workers->lock);
}
