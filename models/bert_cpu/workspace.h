/* Memory for one forward and backward pass: pieces are cut from a block that grows to the largest need seen
 * and stays, so that a steady state allocates nothing. */
#ifndef BERT_CPU_WORKSPACE_H
#define BERT_CPU_WORKSPACE_H

#include <glib.h>

G_BEGIN_DECLS

typedef struct BertWorkspace BertWorkspace;

BertWorkspace *bert_workspace_new(void);
void bert_workspace_free(BertWorkspace *workspace); /* accepts NULL */

/* Gives a workspace that has no memory yet as much as a pass needs that uses so many bytes. */
void bert_workspace_begin(BertWorkspace *workspace, gsize used);
/* Takes all pieces back. */
void bert_workspace_clear(BertWorkspace *workspace);
/* A piece of n_items * item_size bytes on a 64-byte boundary, uninitialised, valid until the next clear. */
gpointer bert_workspace_take(BertWorkspace *workspace, gsize n_items, gsize item_size);
/* Bytes in use since the last clear. */
gsize bert_workspace_used(const BertWorkspace *workspace);
/* Bytes that stand ready for a pass that uses so many: what is taken once the need is known. */
gsize bert_workspace_reserve(gsize used);
/* Bytes taken from the system. */
gsize bert_workspace_size(const BertWorkspace *workspace);

#define bert_take(workspace, type, n) ((type *)bert_workspace_take((workspace), (n), sizeof(type)))

G_END_DECLS

#endif
