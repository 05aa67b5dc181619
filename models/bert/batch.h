/* The texts of some decisions as one stream of tokens without padding. States and candidates are tokenised
 * once and remembered; texts with equal tokens are one text of the batch, encoded once, however many
 * decisions use it. */
#ifndef BERT_BATCH_H
#define BERT_BATCH_H

#include "models/bert/tokenizer.h"
#include <cartwright/cartwright.h>

G_BEGIN_DECLS

/* How texts become tokens. */
typedef struct BertTextRules {
  const BertTokenizer *tokenizer; /* borrowed */
  gboolean normalises;            /* bert_normalise_text first */
  guint max_state_tokens, max_action_tokens;
  BertTruncation truncate_state, truncate_action;
} BertTextRules;

/* A tokenised text. */
typedef struct BertTokens {
  guint64 hash; /* of the ids */
  guint n_ids;
  guint32 ids[];
} BertTokens;

/* Remembers tokenised texts, up to a bound in bytes. */
typedef struct BertTokenCache BertTokenCache;

BertTokenCache *bert_token_cache_new(const BertTextRules *rules);
void bert_token_cache_free(BertTokenCache *cache); /* accepts NULL */
/* Valid until bert_token_cache_trim, which forgets everything once the bound is passed. */
const BertTokens *bert_token_cache_state(BertTokenCache *cache, const char *text);
const BertTokens *bert_token_cache_action(BertTokenCache *cache, const char *text);
void bert_token_cache_trim(BertTokenCache *cache);

/* A (decision, candidate) pair has the logit of its own index. Rows are tokens: text t has rows text_start[t]
 * .. text_start[t+1]-1 of the stream, and pair p has rows pair_start[p] .. of the action rows.
 */
typedef struct BertBatch {
  guint n_texts, n_rows, n_pairs, n_action_rows, n_decisions, longest;
  guint32 *ids;            /* n_rows */
  guint32 *row_text;       /* n_rows */
  guint32 *text_start;     /* n_texts + 1 */
  guint64 *text_hash;      /* n_texts */
  guint32 *text_order;     /* n_texts: longest first */
  guint32 *decision_state; /* n_decisions: text */
  guint32 *decision_pair;  /* n_decisions + 1: first pair */
  guint32 *pair_text;      /* n_pairs */
  guint32 *pair_start;     /* n_pairs + 1 */
} BertBatch;

typedef struct BertBatchBuilder BertBatchBuilder;

/* With `shares` FALSE equal texts are kept apart (to test that sharing changes nothing). */
BertBatchBuilder *bert_batch_builder_new(gboolean shares);
void bert_batch_builder_free(BertBatchBuilder *builder); /* accepts NULL */
void bert_batch_builder_clear(BertBatchBuilder *builder);
void bert_batch_builder_add(BertBatchBuilder *builder, BertTokenCache *cache, const CwDecision *decision);
/* Tokens a batch would hold, and rows of its pairs, so far. */
guint bert_batch_builder_n_rows(const BertBatchBuilder *builder);
guint bert_batch_builder_n_action_rows(const BertBatchBuilder *builder);
/* A view of what was added; valid until the next clear or add. */
const BertBatch *bert_batch_builder_finish(BertBatchBuilder *builder);

/* A batch of nothing but the texts of another one that are `wanted` (n_texts flags), in the same order.
 * Clears the builder first; valid until its next clear or add. */
const BertBatch *bert_batch_builder_select(BertBatchBuilder *builder, const BertBatch *batch,
                                           const guint8 *wanted);

G_END_DECLS

#endif
