/* Threads take the next part in turn until none is left. */
#include "envs/shop/file/parallel.h"

#define MOST_THREADS 64

typedef struct {
  ShopPart part;
  guint n_parts;
  gpointer data;
  gint next; /* atomic */
} Work;

static gpointer work_on(gpointer data)
{
  Work *work = data;
  for (guint i; (i = (guint)g_atomic_int_add(&work->next, 1)) < work->n_parts;)
    work->part(work->data, i);
  return NULL;
}

void shop_in_parallel(ShopPart part, guint n_parts, gpointer data)
{
  Work work = {part, n_parts, data, 0};
  GThread *threads[MOST_THREADS];
  guint n_threads = MIN(MIN(g_get_num_processors(), MOST_THREADS), n_parts), n = 0;
  while (n + 1 < n_threads && (threads[n] = g_thread_try_new("shop", work_on, &work, NULL)))
    n++;
  work_on(&work);
  while (n > 0)
    g_thread_join(threads[--n]);
}
