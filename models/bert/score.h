/* Scoring in batches of about score_batch_tokens tokens. On devices whose scores repeat, a decision that was
 * scored since the weights last changed is looked up. */
#ifndef BERT_SCORE_H
#define BERT_SCORE_H

#include "models/bert/device.h"

G_BEGIN_DECLS

typedef struct BertScore BertScore;

/* Of score_cache's bytes, the part for whole decisions, which are small, and the rest, for a device's texts.
 */
static inline gsize bert_score_decisions_share(gsize bytes)
{
  return bytes / 4;
}

static inline gsize bert_score_texts_share(gsize bytes)
{
  return bytes - bert_score_decisions_share(bytes);
}

/* `limit`: bytes to remember decisions in; 0: none is remembered. */
BertScore *bert_score_new(const BertDevice *device, gpointer object, guint batch_tokens, gsize limit);
/* The same for a frozen copy. */
BertScore *bert_score_copy(const BertScore *score, gpointer object);
void bert_score_free(BertScore *score); /* accepts NULL */

/* See CwPolicyVtable.score. What was remembered under another version of the weights is forgotten. */
gboolean bert_score_run(BertScore *score, BertTokenCache *cache, guint64 version,
                        const CwDecision *const *decisions, guint n_decisions, float *logits, float *values,
                        GError **error);
/* Decisions that were scored, and those of them that were looked up. */
void bert_score_counts(const BertScore *score, guint64 *n_decisions, guint64 *n_found);

G_END_DECLS

#endif
