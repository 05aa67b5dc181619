/* The caller opens a run and raises a counter that the workers watch; whoever comes in time takes tasks. The
 * caller takes tasks too, closes the run when none is left, and waits only for workers that are inside: one
 * that the system did not let run meanwhile costs nothing. Both sides spin for a short while before they
 * sleep, because the phases of an encoder follow each other within microseconds. The crew is the one thing in
 * the process that policies share without being told of each other, hence the static pointer; the last pool
 * to go takes it along. */
#include "models/bert_cpu/pool.h"
#include <stdatomic.h>

/* Rounds of waiting awake: some tens of microseconds. */
#define SPIN_ROUNDS 2000

typedef struct Crew Crew;

typedef struct {
  Crew *crew;
  guint index; /* from 1; 0 is whoever calls */
  GThread *thread;
} Worker;

struct Crew {
  guint n_pools;      /* under crew_mutex, as workers */
  GPtrArray *workers; /* Worker */
  GMutex turn;        /* held by the caller of the open run */
  GMutex mutex;
  GCond wake, left;
  /* Written under the mutex; some are read without it while spinning. All are atomic because ThreadSanitizer
   * does not see GLib's mutex. */
  atomic_uint generation, n_inside;
  atomic_bool is_open;
  atomic_uint most;                 /* workers with a higher index leave */
  atomic_uint next_task, n_threads; /* of the open run, as n_tasks, task and data */
  guint n_tasks;
  BertTask task;
  gpointer data;
};

struct BertPool {
  Crew *crew;
  guint n_threads;
};

static GMutex crew_mutex;
static Crew *the_crew; /* NULL while there is no pool */

static inline void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

static void take_tasks(Crew *crew, guint thread)
{
  guint task;
  while ((task = atomic_fetch_add(&crew->next_task, 1)) < crew->n_tasks)
    crew->task(crew->data, task, thread);
}

static gpointer work(gpointer data)
{
  Worker *worker = data;
  Crew *crew = worker->crew;
  guint seen = 0;
  for (;;) {
    for (guint i = 0; i < SPIN_ROUNDS && atomic_load(&crew->generation) == seen; i++)
      pause_briefly();
    g_mutex_lock(&crew->mutex);
    while (atomic_load(&crew->generation) == seen)
      g_cond_wait(&crew->wake, &crew->mutex);
    seen = atomic_load(&crew->generation);
    gboolean leaves = worker->index > atomic_load(&crew->most);
    gboolean enters = atomic_load(&crew->is_open) && worker->index < atomic_load(&crew->n_threads);
    if (enters)
      atomic_fetch_add(&crew->n_inside, 1);
    g_mutex_unlock(&crew->mutex);
    if (leaves)
      return NULL;
    if (!enters)
      continue;
    take_tasks(crew, worker->index);
    g_mutex_lock(&crew->mutex);
    if (atomic_fetch_sub(&crew->n_inside, 1) == 1)
      g_cond_signal(&crew->left);
    g_mutex_unlock(&crew->mutex);
  }
}

static void call_workers(Crew *crew, gboolean opens)
{
  g_mutex_lock(&crew->mutex);
  atomic_store(&crew->is_open, opens);
  atomic_fetch_add(&crew->generation, 1);
  g_cond_broadcast(&crew->wake);
  g_mutex_unlock(&crew->mutex);
}

static Crew *crew_new(void)
{
  Crew *crew = g_new0(Crew, 1);
  g_mutex_init(&crew->turn);
  g_mutex_init(&crew->mutex);
  g_cond_init(&crew->wake);
  g_cond_init(&crew->left);
  atomic_store(&crew->most, G_MAXUINT);
  crew->workers = g_ptr_array_new_with_free_func(g_free);
  return crew;
}

/* Lets all workers but the first `most` go. Nothing runs meanwhile. */
static void dismiss(Crew *crew, guint most)
{
  g_mutex_lock(&crew->turn);
  atomic_store(&crew->most, most);
  call_workers(crew, FALSE);
  for (guint i = most; i < crew->workers->len; i++)
    g_thread_join(((Worker *)crew->workers->pdata[i])->thread);
  g_ptr_array_set_size(crew->workers, (gint)most);
  atomic_store(&crew->most, G_MAXUINT);
  g_mutex_unlock(&crew->turn);
}

static void crew_free(Crew *crew)
{
  dismiss(crew, 0);
  g_ptr_array_free(crew->workers, TRUE);
  g_mutex_clear(&crew->turn);
  g_mutex_clear(&crew->mutex);
  g_cond_clear(&crew->wake);
  g_cond_clear(&crew->left);
  g_free(crew);
}

/* Adds workers until there are `wanted`. Where the system gives no more, half of the new ones go again: they
 * hold the memory that everybody else now lacks. */
static void hire(Crew *crew, guint wanted)
{
  guint before = crew->workers->len;
  while (crew->workers->len < wanted) {
    g_autoptr(GError) error = NULL;
    Worker *worker = g_new0(Worker, 1);
    worker->crew = crew;
    worker->index = crew->workers->len + 1;
    worker->thread = g_thread_try_new("bert_cpu", work, worker, &error);
    if (worker->thread) {
      g_ptr_array_add(crew->workers, worker);
      continue;
    }
    g_free(worker);
    guint kept = before + (crew->workers->len - before) / 2;
    dismiss(crew, kept);
    g_warning("bert_cpu: the system gives no more threads (%s); %u of %u compute", error->message, kept + 1,
              wanted + 1);
    return;
  }
}

BertPool *bert_pool_new(guint n_threads)
{
  BertPool *pool = g_new0(BertPool, 1);
  pool->n_threads = n_threads > 0 ? n_threads : MAX(g_get_num_processors(), 1);
  g_mutex_lock(&crew_mutex);
  if (!the_crew)
    the_crew = crew_new();
  pool->crew = the_crew;
  pool->crew->n_pools++;
  hire(pool->crew, pool->n_threads - 1);
  pool->n_threads = MIN(pool->n_threads, pool->crew->workers->len + 1);
  g_mutex_unlock(&crew_mutex);
  return pool;
}

void bert_pool_free(BertPool *pool)
{
  if (!pool)
    return;
  g_mutex_lock(&crew_mutex);
  if (--pool->crew->n_pools == 0) {
    crew_free(pool->crew);
    the_crew = NULL;
  }
  g_mutex_unlock(&crew_mutex);
  g_free(pool);
}

guint bert_pool_n_threads(const BertPool *pool)
{
  return pool->n_threads;
}

guint bert_pool_n_workers(void)
{
  g_mutex_lock(&crew_mutex);
  guint n = the_crew ? the_crew->workers->len : 0;
  g_mutex_unlock(&crew_mutex);
  return n;
}

void bert_pool_run(BertPool *pool, guint n_tasks, BertTask task, gpointer data)
{
  Crew *crew = pool->crew;
  if (pool->n_threads == 1 || n_tasks <= 1) {
    for (guint i = 0; i < n_tasks; i++)
      task(data, i, 0);
    return;
  }
  g_mutex_lock(&crew->turn);
  (void)(atomic_load(&crew->is_open) ||
         atomic_load(&crew->n_inside)); /* neither: how ThreadSanitizer sees it */
  crew->n_tasks = n_tasks;
  atomic_store(&crew->n_threads, pool->n_threads);
  crew->task = task;
  crew->data = data;
  atomic_store(&crew->next_task, 0);
  call_workers(crew, TRUE);
  take_tasks(crew, 0);
  for (guint i = 0; i < SPIN_ROUNDS && atomic_load(&crew->n_inside) > 0; i++)
    pause_briefly();
  g_mutex_lock(&crew->mutex);
  atomic_store(&crew->is_open, FALSE);
  while (atomic_load(&crew->n_inside) > 0)
    g_cond_wait(&crew->left, &crew->mutex);
  g_mutex_unlock(&crew->mutex);
  g_mutex_unlock(&crew->turn);
}
