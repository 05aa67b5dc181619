/* A memory of encoded candidates, for scoring: while the weights stay as they are, only the texts that the
 * encoder has not met go through it. It treats every text as if it were alone, so what is remembered is bit
 * for bit what would be computed. */
#ifndef BERT_CPU_TEXTS_H
#define BERT_CPU_TEXTS_H

#include "models/bert_cpu/frozen.h"
#include <cartwright/cartwright.h>

G_BEGIN_DECLS

typedef struct BertTextMemory BertTextMemory;

/* Keeps at most `limit` bytes; 0: keeps nothing. */
BertTextMemory *bert_text_memory_new(gsize limit);
void bert_text_memory_free(BertTextMemory *memory); /* accepts NULL */
gsize bert_text_memory_limit(const BertTextMemory *memory);

/* Scores a batch; values may be NULL. Returns the operations that were done. */
double bert_text_memory_score(BertTextMemory *memory, const BertNetwork *network, BertFrozen *frozen,
                              const BertBatch *batch, float *logits, float *values);

/* Texts and tokens that were scored, and those of them that were found: score/texts and so on, 4 of them. */
guint bert_text_memory_counters(const BertTextMemory *memory, CwNamedValue *counters);

G_END_DECLS

#endif
