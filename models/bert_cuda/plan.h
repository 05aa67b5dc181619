/* What the kernels need to know about a batch besides its texts, worked out on the host, and its copy on the
 * device. */
#ifndef BERT_CUDA_PLAN_H
#define BERT_CUDA_PLAN_H

#include "models/bert/batch.h"
#include "models/bert/weights.h"
#include "models/bert_cuda/context.h"
#include "models/bert_cuda/kernels.h"

G_BEGIN_DECLS

/* Owns its arrays, which are kept from batch to batch, and the pinned memory that they are sent from. */
typedef struct BertPlan BertPlan;

/* The batch on the device. Head and scatter have their tables set, not yet their matrices. */
typedef struct BertPlaced {
  BertTexts texts;
  const uint32_t *tiles;
  guint n_tiles;
  gsize n_attention; /* floats of the head's attention matrices */
  BertHead head;
  BertScatter scatter; /* without targets unless asked for */
} BertPlaced;

BertPlan *bert_plan_new(void);
void bert_plan_free(BertPlan *plan); /* accepts NULL; the stream that used it is idle */

/* Works out everything for `batch`, with `bf16` for attention in bf16, for gradients of the embeddings too
 * with `embeddings`. Sizes are in plan then. */
void bert_plan_make(BertPlan *plan, const BertBatch *batch, gboolean bf16, const BertParameters *embeddings);
/* The counts alone, for measuring. */
const BertPlaced *bert_plan_counts(const BertPlan *plan);
/* Takes memory from the arena and, unless it measures, enqueues the copy. The plan must not be made again
 * before that copy is done. */
gboolean bert_plan_place(BertPlan *plan, BertContext *context, BertArena *arena, BertPlaced *placed,
                         GError **error);

G_END_DECLS

#endif
