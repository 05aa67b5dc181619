/* A memory of what the frozen layers made of texts. Those layers never change, so the input of the first
 * trained layer is looked up, in scoring and in training without dropout, however often the weights above it
 * have changed. The encoder treats every text as if it were alone: what is remembered is bit for bit what
 * would be computed. */
#ifndef BERT_CPU_FROZEN_H
#define BERT_CPU_FROZEN_H

#include "models/bert_cpu/network.h"

G_BEGIN_DECLS

typedef struct BertFrozen BertFrozen;

/* Keeps at most `limit` bytes; 0: keeps nothing. */
BertFrozen *bert_frozen_new(gsize limit);
void bert_frozen_free(BertFrozen *frozen); /* accepts NULL */
/* To be called after weights were written from outside: forgets everything if frozen ones have changed. */
void bert_frozen_check(BertFrozen *frozen, const BertNetwork *network);

/* Whether passes of the network with this dropout are helped: there are frozen layers, and no dropout in
 * them. */
gboolean bert_frozen_serves(const BertFrozen *frozen, const BertNetwork *network, const BertDropout *hidden,
                            const BertDropout *attention);
/* As bert_encoder_forward; returns the operations that were done. */
double bert_frozen_forward(BertFrozen *frozen, BertPass *pass);

/* Texts and tokens that went through bert_frozen_forward where it serves, and those found. */
typedef struct BertFrozenCounts {
  guint64 n_texts, n_texts_found, n_tokens, n_tokens_found;
} BertFrozenCounts;

const BertFrozenCounts *bert_frozen_counts(const BertFrozen *frozen);

G_END_DECLS

#endif
