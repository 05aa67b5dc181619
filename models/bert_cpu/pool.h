/* The threads of one policy. A run hands numbered tasks to the calling thread
 * and the pool's workers; workers wait between runs, first awake and then
 * asleep. Which thread gets which task is not determined, so tasks must not
 * depend on it. */
#ifndef BERT_CPU_POOL_H
#define BERT_CPU_POOL_H

#include <glib.h>

G_BEGIN_DECLS

typedef struct BertPool BertPool;

/* `thread` is 0 .. n_threads-1, for scratch memory: no two running tasks share it. */
typedef void (*BertTask)(gpointer data, guint task, guint thread);

/* n_threads >= 1 counts the caller of bert_pool_run; 0: as many as the process may use. */
BertPool *bert_pool_new(guint n_threads);
void bert_pool_free(BertPool *pool); /* joins the workers; accepts NULL */
guint bert_pool_n_threads(const BertPool *pool);

/* Runs tasks 0 .. n_tasks-1, begun in that order, and returns when all are done. */
void bert_pool_run(BertPool *pool, guint n_tasks, BertTask task, gpointer data);

G_END_DECLS

#endif
