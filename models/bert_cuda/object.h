/* A GPU as a device of the BERT policy: what its slots work on. */
#ifndef BERT_CUDA_OBJECT_H
#define BERT_CUDA_OBJECT_H

#include "models/bert/policy.h"
#include "models/bert_cuda/network.h"

G_BEGIN_DECLS

/* AdamW on the device. Its table of pieces has everything that trains, the word embeddings first. With
 * sparse_embeddings there is room behind them for one row of each word; a step then takes the rows that it
 * needs in the place of the pieces of the word embeddings, so what it takes is one stretch of the table in
 * both cases. */
typedef struct BertCudaOptimizer {
  BertOptimizerRules rules;
  gboolean sparse_embeddings; /* FALSE where the embeddings are frozen */
  gint first_trained;
  float *gradient, *moment1, *moment2; /* device blocks of the layout */
  float *average;                      /* another, NULL without ema_decay; of frozen tensors it is not used */
  guint n_pieces, n_word_pieces;
  guint n_rows;             /* of words that a step may take: 0, or the vocabulary with sparse_embeddings */
  guint8 *row_has_gradient; /* n_rows: FALSE means surely all zero */
  BertPiece *rows;          /* pinned: n_rows */
  BertPiece *pieces;        /* device: n_pieces + n_rows */
  double *sums;             /* device: n_pieces + n_rows */
  BertStepResult *result;   /* device */
  BertStepResult *outcome;  /* pinned */
} BertCudaOptimizer;

typedef struct BertCuda {
  const BertShared *shared; /* borrowed */
  BertContext context;
  gboolean trains;
  gsize memory_limit;  /* bytes, 0: what the device has */
  BertParameters *map; /* all zeros: only the distances of its pointers from its block are used */
  BertArena fixed, training, scoring; /* weights and optimiser; passes of either kind */
  BertDeviceWeights weights;
  BertCudaOptimizer optimizer; /* zeroed unless it trains */
  BertPlan *score_plan, *train_plan;
  float *results; /* pinned: logits and values on their way to the host, and gradients from it */
  gsize n_results;
  BertPass pass; /* the last training forward */
  float *d_logits, *d_values;
} BertCuda;

/* What blockIdx.y and .z can count. */
#define BERT_MOST_DECISIONS 65535
#define BERT_MOST_ROWS      (65535 * BERT_SUM_ROWS)

/* What the plugin hands to the policy (slots.c). */
extern const BertDevice bert_cuda_device;

/* memory.c. Takes the fixed arena: weights, with `trains` optimiser and gradients. */
gboolean bert_cuda_take_fixed(BertCuda *cuda, GError **error);
/* Makes `work`, one of the passes' arenas, at least `size` bytes large and empty. n_rows says whose batch it
 * is, for the message. */
gboolean bert_cuda_take_work(BertCuda *cuda, BertArena *work, gsize size, guint n_rows, GError **error);
/* Room for n floats in `results`. */
gboolean bert_cuda_take_results(BertCuda *cuda, gsize n, GError **error);
void bert_cuda_free_memory(BertCuda *cuda);
/* Device memory that training takes per token of a long text, and the fixed part, in bytes: the estimate. */
gsize bert_cuda_bytes_per_token(const BertCuda *cuda);
/* A block of the layout becomes zero; does not wait. */
gboolean bert_cuda_clear(BertCuda *cuda, float *block, GError **error);
/* Blocks between host and device; both wait. */
gboolean bert_cuda_fetch(BertCuda *cuda, const float *from, float *to, GError **error);
gboolean bert_cuda_send(BertCuda *cuda, const float *from, float *to, GError **error);
/* After the weights' block was written from the host. */
gboolean bert_cuda_refresh(BertCuda *cuda, GError **error);

/* step.c */
gboolean bert_cuda_prepare_optimizer(BertCuda *cuda, GError **error);
/* Says that gradients of these words' rows may be added to. */
void bert_cuda_mark_rows(BertCuda *cuda, const guint32 *ids, guint n_ids);
/* Finds the rows that are not zero in the gradient, after it was written from outside. */
void bert_cuda_find_rows(BertCuda *cuda, const BertParameters *gradient);
/* See BertDevice.step. */
gboolean bert_cuda_step(gpointer object, guint64 n_steps, double learning_rate, double max_norm,
                        double *gradient_norm, GError **error);

G_END_DECLS

#endif
