/* Workers watch a generation counter: the caller fills in a run, raises the
 * counter, takes tasks itself, and waits until every worker has left the run.
 * Both sides spin for a short while before they sleep, because the phases of an
 * encoder follow each other within microseconds. The pool owns its threads. */
#include "pool.h"
#include <stdatomic.h>

/* Rounds of waiting awake: some tens of microseconds. */
#define SPIN_ROUNDS 2000

typedef struct {
  BertPool *pool;
  guint index;
  GThread *thread;
} Worker;

struct BertPool {
  guint n_threads;
  Worker *workers; /* n_threads - 1 */
  GMutex mutex;
  GCond wake, finished;
  atomic_uint generation; /* written under the mutex */
  atomic_uint next_task, n_busy;
  gboolean stops;
  guint n_tasks;
  BertTask task;
  gpointer data;
};

static inline void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

static void take_tasks(BertPool *pool, guint thread)
{
  guint task;
  while ((task = atomic_fetch_add(&pool->next_task, 1)) < pool->n_tasks)
    pool->task(pool->data, task, thread);
}

static gpointer work(gpointer data)
{
  Worker *worker = data;
  BertPool *pool = worker->pool;
  guint seen = 0;
  for (;;) {
    for (guint i = 0; i < SPIN_ROUNDS && atomic_load(&pool->generation) == seen; i++)
      pause_briefly();
    g_mutex_lock(&pool->mutex);
    while (atomic_load(&pool->generation) == seen)
      g_cond_wait(&pool->wake, &pool->mutex);
    seen = atomic_load(&pool->generation);
    gboolean stops = pool->stops;
    g_mutex_unlock(&pool->mutex);
    if (stops)
      return NULL;
    take_tasks(pool, worker->index);
    if (atomic_fetch_sub(&pool->n_busy, 1) == 1) {
      g_mutex_lock(&pool->mutex);
      g_cond_signal(&pool->finished);
      g_mutex_unlock(&pool->mutex);
    }
  }
}

static void begin(BertPool *pool)
{
  g_mutex_lock(&pool->mutex);
  atomic_store(&pool->n_busy, pool->n_threads - 1);
  atomic_fetch_add(&pool->generation, 1);
  g_cond_broadcast(&pool->wake);
  g_mutex_unlock(&pool->mutex);
}

BertPool *bert_pool_new(guint n_threads)
{
  BertPool *pool = g_new0(BertPool, 1);
  pool->n_threads = n_threads > 0 ? n_threads : MAX(g_get_num_processors(), 1);
  g_mutex_init(&pool->mutex);
  g_cond_init(&pool->wake);
  g_cond_init(&pool->finished);
  pool->workers = g_new0(Worker, pool->n_threads);
  for (guint i = 1; i < pool->n_threads; i++) {
    Worker *worker = &pool->workers[i - 1];
    worker->pool = pool;
    worker->index = i;
    worker->thread = g_thread_new("bert_cpu", work, worker);
  }
  return pool;
}

void bert_pool_free(BertPool *pool)
{
  if (!pool)
    return;
  pool->stops = TRUE;
  begin(pool);
  for (guint i = 1; i < pool->n_threads; i++)
    g_thread_join(pool->workers[i - 1].thread);
  g_free(pool->workers);
  g_mutex_clear(&pool->mutex);
  g_cond_clear(&pool->wake);
  g_cond_clear(&pool->finished);
  g_free(pool);
}

guint bert_pool_n_threads(const BertPool *pool)
{
  return pool->n_threads;
}

void bert_pool_run(BertPool *pool, guint n_tasks, BertTask task, gpointer data)
{
  if (pool->n_threads == 1 || n_tasks <= 1) {
    for (guint i = 0; i < n_tasks; i++)
      task(data, i, 0);
    return;
  }
  pool->n_tasks = n_tasks;
  pool->task = task;
  pool->data = data;
  atomic_store(&pool->next_task, 0);
  begin(pool);
  take_tasks(pool, 0);
  for (guint i = 0; i < SPIN_ROUNDS && atomic_load(&pool->n_busy) > 0; i++)
    pause_briefly();
  g_mutex_lock(&pool->mutex);
  while (atomic_load(&pool->n_busy) > 0)
    g_cond_wait(&pool->finished, &pool->mutex);
  g_mutex_unlock(&pool->mutex);
}
