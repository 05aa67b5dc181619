/* AdamW (Loshchilov and Hutter 2019, in PyTorch's form) over the parameters of a
 * network: gradients and moments live in blocks of the same layout as the weights.
 *
 * Word embeddings are updated exactly as the dense rule says, but a row whose
 * gradient and moments are all zero would only be shrunk by weight decay, so it is not
 * visited when there is none: rows of words that never occurred cost nothing.
 * Results are the same, bit for bit, for any number of threads. */
#ifndef BERT_CPU_OPTIMIZER_H
#define BERT_CPU_OPTIMIZER_H

#include "arithmetic.h"
#include "bert/weights.h"
#include "pool.h"

G_BEGIN_DECLS

typedef struct BertOptimizerRules {
  double beta1, beta2, epsilon;
  double weight_decay;             /* of tensors that decay: all but biases and LayerNorm */
  double head_learning_rate_scale; /* multiplies the learning rate of the head's tensors */
} BertOptimizerRules;

typedef struct BertOptimizer {
  const BertLayout *layout; /* borrowed */
  const BertKernels *kernels;
  BertPool *pool; /* borrowed */
  BertOptimizerRules rules;
  gint first_trained;
  guint64 n_steps;
  BertParameters *gradient, *moment1, *moment2;
  guint8 *row_has_gradient, *row_has_moments; /* vocabulary_size: FALSE means surely all zero */
  gboolean is_clear;                          /* no gradient was added since the last step */
} BertOptimizer;

BertOptimizer *bert_optimizer_new(const BertLayout *layout, const BertKernels *kernels, BertPool *pool,
                                  const BertOptimizerRules *rules, gint first_trained);
void bert_optimizer_free(BertOptimizer *optimizer); /* accepts NULL */

gboolean bert_optimizer_trains(const BertOptimizer *optimizer, const BertTensorInfo *tensor);
/* Says that gradients of these words' rows may have been added to. */
void bert_optimizer_mark_rows(BertOptimizer *optimizer, const guint32 *ids, guint n_ids);
/* Finds the rows that are not zero, after blocks were written from outside. */
void bert_optimizer_find_rows(BertOptimizer *optimizer);

/* One step on `weights`; see CwPolicyVtable.step. A gradient that is not finite is
 * CW_ERROR_NUMERIC with the tensor's name: weights, moments and step count stay, the gradients are
 * cleared. */
gboolean bert_optimizer_step(BertOptimizer *optimizer, BertParameters *weights, double learning_rate, double max_norm,
                             double *gradient_norm, GError **error);

G_END_DECLS

#endif
