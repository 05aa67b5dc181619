/* A bert_cuda policy object: what the vtable's slots work on. */
#ifndef BERT_CUDA_POLICY_H
#define BERT_CUDA_POLICY_H

#include "models/bert/model.h"
#include "models/bert_cuda/network.h"
#include <cartwright/cartwright.h>

G_BEGIN_DECLS

typedef struct BertCudaOptions {
  union {
    struct {
      BERT_OPTION_MEMBERS
    };
    BertOptions bert;
  };
  gint64 device, memory;
  gint precision; /* BertPrecision */
  gint64 threads, score_cache,
      frozen_cache; /* bert_cpu's: taken so that a configuration fits both, not used */
  gint recompute, instruction_set;
} BertCudaOptions;

/* AdamW on the device. Its table of pieces has everything that trains, the word embeddings first. With
 * sparse_embeddings there is room behind them for one row of each word; a step then takes the rows that it
 * needs in the place of the pieces of the word embeddings, so what it takes is one stretch of the table in
 * both cases. */
typedef struct BertCudaOptimizer {
  double beta1, beta2, epsilon, weight_decay, head_learning_rate_scale, ema_decay;
  gboolean sparse_embeddings; /* FALSE where the embeddings are frozen */
  gint first_trained;
  guint64 n_steps;
  gboolean is_clear;                   /* no gradient was added since the last step */
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
  BertShared *shared;
  BertContext context;
  guint32 seed;
  gboolean trains;
  guint score_batch_tokens;
  gsize memory_limit;                            /* bytes, 0: what the device has */
  BertDropout hidden_dropout, attention_dropout; /* in training */
  guint64 n_forwards;
  BertParameters *host;               /* staging for load, save and visits; its gaps are zero */
  BertArena fixed, training, scoring; /* weights and optimiser; passes of either kind */
  BertDeviceWeights weights;
  BertCudaOptimizer optimizer; /* zeroed unless it trains */
  BertTextRules rules;
  BertTokenCache *cache;
  BertBatchBuilder *score_builder, *train_builder;
  BertPlan *score_plan, *train_plan;
  float *results; /* pinned: logits and values on their way to the host, and gradients from it */
  gsize n_results;
  BertPass pass; /* the last training forward */
  float *d_logits, *d_values;
  gboolean can_go_backward;
  char **description;
} BertCuda;

/* The slots (policy.c). */
BertCuda *bert_cuda_open(const BertCudaOptions *options, guint32 seed, GError **error);
void bert_cuda_close(BertCuda *policy);
gboolean bert_cuda_score(BertCuda *policy, const CwDecision *const *decisions, guint n_decisions,
                         float *logits, float *values, GError **error);
gboolean bert_cuda_forward(BertCuda *policy, const CwDecision *const *decisions, guint n_decisions,
                           float *logits, float *values, GError **error);
gboolean bert_cuda_backward(BertCuda *policy, const float *d_logits, const float *d_values, GError **error);
gboolean bert_cuda_step(BertCuda *policy, double learning_rate, double max_norm, double *gradient_norm,
                        GError **error);
BertCuda *bert_cuda_clone_frozen(BertCuda *policy, GError **error);
guint bert_cuda_count_tokens(BertCuda *policy, const CwDecision *decision);
/* Of device memory; measured as forward measures it. */
void bert_cuda_estimate_memory(BertCuda *policy, const CwDecision *const *decisions, guint n_decisions,
                               CwMemoryEstimate *estimate);
void bert_cuda_visit_tensors(BertCuda *policy, CwTensorVisitor visitor, gpointer user_data);
gboolean bert_cuda_save(BertCuda *policy, const char *directory, GError **error);
gboolean bert_cuda_load(BertCuda *policy, const char *directory, GError **error);

/* memory.c. Takes the fixed arena: weights, with `trains` optimiser and gradients. */
gboolean bert_cuda_take_fixed(BertCuda *policy, GError **error);
/* Makes `work`, one of the passes' arenas, at least `size` bytes large and empty. n_rows says whose batch it
 * is, for the message. */
gboolean bert_cuda_take_work(BertCuda *policy, BertArena *work, gsize size, guint n_rows, GError **error);
/* Room for n floats in `results`. */
gboolean bert_cuda_take_results(BertCuda *policy, gsize n, GError **error);
void bert_cuda_free_memory(BertCuda *policy);
/* Device memory that training takes per token of a long text, and the fixed part, in bytes: the estimate. */
gsize bert_cuda_bytes_per_token(const BertCuda *policy);
/* A block of the layout becomes zero; does not wait. */
gboolean bert_cuda_clear(BertCuda *policy, float *block, GError **error);
/* Blocks between host and device; both wait. */
gboolean bert_cuda_fetch(BertCuda *policy, const float *from, float *to, GError **error);
gboolean bert_cuda_send(BertCuda *policy, const float *from, float *to, GError **error);
/* After the weights' block was written from the host. */
gboolean bert_cuda_refresh(BertCuda *policy, GError **error);

/* step.c */
gboolean bert_cuda_prepare_optimizer(BertCuda *policy, GError **error);
/* Says that gradients of these words' rows may be added to. */
void bert_cuda_mark_rows(BertCuda *policy, const guint32 *ids, guint n_ids);
/* Finds the rows that are not zero in the gradient, after it was written from outside. */
void bert_cuda_find_rows(BertCuda *policy, const BertParameters *gradient);
/* Begins the average, if one is kept, at these weights. */
gboolean bert_cuda_begin_average(BertCuda *policy, const BertParameters *weights, GError **error);

G_END_DECLS

#endif
