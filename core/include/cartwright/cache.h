/* A cache on disk: rows of numbers that take long to compute and can be computed again. Its file grows by a
 * record per row, with a checksum; what is behind the last whole record, after a kill, is cut off. Give it a
 * name that follows from all that its rows depend on (a hash of it), in the stage's scratch directory. Only
 * this machine reads it again, so numbers are as it has them. Main thread. */
#ifndef CARTWRIGHT_CACHE_H
#define CARTWRIGHT_CACHE_H

#include <glib.h>

G_BEGIN_DECLS

typedef struct CwCache CwCache;

/* Takes a row that was found, valid during the call; FALSE when it cannot be right: then it and what follows
 * is cut off. */
typedef gboolean (*CwCacheVisitor)(guint32 number, const float *row, guint32 n, gpointer user_data);

/* Opens the file, making it when there is none, and shows every row in it. NULL with CW_RUN_ERROR. */
CwCache *cw_cache_open(const char *path, CwCacheVisitor visitor, gpointer user_data, GError **error);
/* Adds a row. It is not synced: a row that a loss of power takes is computed again. */
gboolean cw_cache_add(CwCache *cache, guint32 number, const float *row, guint32 n, GError **error);
void cw_cache_close(CwCache *cache); /* accepts NULL */

G_END_DECLS

#endif
