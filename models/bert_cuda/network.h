/* Encoder and choice head over a packed batch on the device. h = hidden_size, f = intermediate_size, T = rows
 * of the batch, R = action rows. A pass takes its memory from an arena in the same order each time, so that
 * taking from an arena without a block measures it. */
#ifndef BERT_CUDA_NETWORK_H
#define BERT_CUDA_NETWORK_H

#include "models/bert_cuda/plan.h"
#include "models/kernels/dropout.h"

G_BEGIN_DECLS

/* Weights and what belongs to them, on the device. */
typedef struct BertDeviceWeights {
  const BertLayout *layout;  /* borrowed */
  const BertParameters *map; /* host: only the distances of its pointers from its block are used */
  float *block;
  void *bf16; /* the block rounded to bf16, or NULL */
} BertDeviceWeights;

/* What a layer keeps. Without training all layers share. */
typedef struct BertLayerMemory {
  void *input, *projections, *context, *attention_out,
      *intermediate; /* T x h, 3h, h, h, f (before bias and GELU) */
  float *log_sums;   /* T x heads */
  BertNorm attention_norm, output_norm;
} BertLayerMemory;

typedef struct BertPass {
  BertContext *context;
  const BertDeviceWeights *weights;
  gint first_trained; /* layers below keep nothing */
  gboolean trains;    /* keeps what backward needs */
  BertDropout hidden_dropout, attention_dropout;
  BertPlaced placed;
  BertNorm embeddings_norm;
  BertLayerMemory *layers;  /* n_layers, owned */
  void *shared, *activated; /* T x h and T x f: results of products on their way */
  void *hidden_states;      /* T x h: the last layer's output */
  float *logits, *values;   /* pairs, decisions */
} BertPass;

/* Takes all memory of a pass and of its backward, and places the plan. */
gboolean bert_pass_take(BertPass *pass, BertPlan *plan, BertArena *arena, GError **error);
void bert_pass_clear(BertPass *pass);

/* Enqueues the passes; bert_context_check tells whether that went well. */
void bert_pass_forward(BertPass *pass);
/* Adds to `gradient` (a block of the layout). d_logits and d_values are on the device; d_values may be NULL.
 * Memory beyond bert_pass_take's comes from `arena`. */
void bert_pass_backward(BertPass *pass, BertArena *arena, const float *d_logits, const float *d_values,
                        float *gradient);

G_END_DECLS

#endif
