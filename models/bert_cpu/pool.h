/* The threads of the process: one crew of workers, which all policies share. A pool is a policy's right to
 * use so many of them at a time. A run hands numbered tasks to the calling thread and the crew; runs of
 * different pools follow each other, so that two policies never compute against each other with more threads
 * than either asked for. Workers wait between runs, first awake and then asleep. Which thread gets which task
 * is not determined, so tasks must not depend on it. */
#ifndef BERT_CPU_POOL_H
#define BERT_CPU_POOL_H

#include <glib.h>

G_BEGIN_DECLS

typedef struct BertPool BertPool;

/* `thread` is 0 .. n_threads-1, for scratch memory: no two running tasks of a pool share it. A task must not
 * run another pool. */
typedef void (*BertTask)(gpointer data, guint task, guint thread);

/* n_threads >= 1 counts the caller of bert_pool_run; 0: as many as the process may use. Adds workers to the
 * crew if it has fewer. Where the system gives no more threads, the pool has fewer, with a warning. */
BertPool *bert_pool_new(guint n_threads);
void bert_pool_free(BertPool *pool); /* the last one joins the workers; accepts NULL */
guint bert_pool_n_threads(const BertPool *pool);
/* Threads that all pools of the process own together: workers alive. */
guint bert_pool_n_workers(void);

/* Runs tasks 0 .. n_tasks-1, begun in that order, and returns when all are done. Any thread may call it; a
 * pool of one thread runs in the caller and waits for nobody. */
void bert_pool_run(BertPool *pool, guint n_tasks, BertTask task, gpointer data);

G_END_DECLS

#endif
