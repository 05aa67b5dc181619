/* AdamW (Loshchilov and Hutter 2019, in PyTorch's form) over the parameters of a network: gradients and
 * moments live in blocks of the same layout as the weights.
 *
 * Word embeddings are updated exactly as the dense rule says, but a row whose gradient and moments are all
 * zero would only be shrunk by weight decay, so it is not visited when there is none: rows of words that
 * never occurred cost nothing. With sparse_embeddings a row whose gradient is all zero is left alone
 * altogether: neither its moments nor the weights decay (as in PyTorch's SparseAdam).
 *
 * With ema_decay D an average of the trained weights is kept next to them. It begins as the
 * weights that training begins with; after step t, average += (1 - d) (weights - average) with d =
 * min(D, (1 + t) / (10 + t)), so that the beginning is soon forgotten (as TensorFlow's
 * ExponentialMovingAverage does with num_updates).
 * Results are the same, bit for bit, for any number of threads. */
#ifndef BERT_CPU_OPTIMIZER_H
#define BERT_CPU_OPTIMIZER_H

#include "models/bert/device.h"
#include "models/bert_cpu/pool.h"
#include "models/kernels/kernels.h"

G_BEGIN_DECLS

typedef struct BertOptimizer {
  const BertLayout *layout; /* borrowed */
  const BertKernels *kernels;
  BertPool *pool; /* borrowed */
  BertOptimizerRules rules;
  gint first_trained;
  guint64 n_steps;
  BertParameters *gradient, *moment1, *moment2;
  BertParameters *average; /* NULL without ema_decay; frozen tensors are zeros in it */
  guint8 *row_has_gradient,
      *row_has_moved;    /* vocabulary_size: FALSE means surely all zero, surely never moved */
  GArray *pieces, *sums; /* of a step in progress */
} BertOptimizer;

BertOptimizer *bert_optimizer_new(const BertLayout *layout, const BertKernels *kernels, BertPool *pool,
                                  const BertOptimizerRules *rules, gint first_trained);
void bert_optimizer_free(BertOptimizer *optimizer); /* accepts NULL */

gboolean bert_optimizer_trains(const BertOptimizer *optimizer, const BertTensorInfo *tensor);
/* Says that gradients of these words' rows may have been added to. */
void bert_optimizer_mark_rows(BertOptimizer *optimizer, const guint32 *ids, guint n_ids);
/* Finds the rows that are not zero or whose average is not the weights, after blocks were written from
 * outside. */
void bert_optimizer_find_rows(BertOptimizer *optimizer, const BertParameters *weights);

/* One step on `weights`; see CwPolicyVtable.step. A gradient that is not finite is CW_ERROR_NUMERIC with the
 * tensor's name: weights, moments and step count stay, the gradients are cleared. */
gboolean bert_optimizer_step(BertOptimizer *optimizer, BertParameters *weights, double learning_rate,
                             double max_norm, double *gradient_norm, GError **error);

G_END_DECLS

#endif
