/* Dropout masks that every backend makes alike, from counters. */
#ifndef BERT_DROPOUT_H
#define BERT_DROPOUT_H

#include <glib.h>
#include <math.h>

G_BEGIN_DECLS

/* Where a text's dropout masks come from: Philox 4x32-10 (Salmon et al. 2011) with key {seed, forward} and
 * counter {block, place, text}. `forward` is the number of the optimiser's step, `place` names layer, site
 * and head, `text` is a hash of the token ids: masks depend neither on the pass in which a text comes and
 * what else is in it nor on threads, and backward makes them again. */
typedef struct BertDropout {
  guint32 seed, forward;
  guint32 threshold; /* of 65536: an element is dropped when its 16 bits are below; 0: dropout is off */
  float scale;       /* of kept elements: 65536 / (65536 - threshold) */
} BertDropout;

/* Elements are numbered within (text, place). 128 of them share 16 Philox blocks: the two halves of word w of
 * block 16 g + i (low half first) belong to elements 128 g + 32 w + 2 i and the next. */
#define BERT_DROPOUT_GROUP 128

/* A row of attention scores (one query's) counts as this multiple of elements, whatever the text's length:
 * elements of query q and key k are numbered q * bert_padded(length) + k. On the CPU it is also how scores
 * lie in memory, for whole vectors of any width. */
#define BERT_ROW_PADDING 16

static inline guint bert_padded(guint length)
{
  return (length + BERT_ROW_PADDING - 1) / BERT_ROW_PADDING * BERT_ROW_PADDING;
}

/* What is dropped: hidden states after the embeddings' LayerNorm, attention probabilities, hidden states
 * before the two LayerNorms of a layer. Elements of hidden states are numbered row of the text * h + column.
 */
typedef enum {
  BERT_SITE_EMBEDDINGS,
  BERT_SITE_ATTENTION,
  BERT_SITE_ATTENTION_OUTPUT,
  BERT_SITE_OUTPUT
} BertSite;

/* `place` of BertDropout: layer -1 is the embeddings; head is 0 but for attention. */
static inline guint32 bert_dropout_place(gint layer, BertSite site, guint head)
{
  return ((guint32)(layer + 1) * 4 + (guint32)site) << 12 | head;
}

static inline BertDropout bert_dropout_new(guint32 seed, double probability)
{
  BertDropout dropout = {seed, 0, (guint32)lrint(probability * 65536), 0};
  dropout.scale = 65536.0f / (float)(65536 - dropout.threshold);
  return dropout;
}

G_END_DECLS

#endif
