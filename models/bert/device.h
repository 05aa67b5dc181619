/* What a device does for a BERT policy. policy.c is the policy, once for all devices: it opens the model
 * folder, turns decisions into batches, counts forwards and steps, remembers scores, saves and loads. A
 * device holds weights, gradients and the optimiser's blocks, and computes passes and steps on them.
 *
 * The host's handle (core/plugin/handle_policy.c) checks what callers must keep: batches are not empty, each
 * backward follows a forward, gradients and learning rates are finite, a frozen copy only scores, and logits
 * and values that are not finite are refused. A device may rely on that. */
#ifndef BERT_DEVICE_H
#define BERT_DEVICE_H

#include "models/bert/batch.h"
#include "models/bert/model.h"
#include "models/kernels/dropout.h"
#include <cartwright/cartwright.h>

G_BEGIN_DECLS

/* Blocks of the layout that a device keeps. A frozen copy has weights only, AVERAGE is there with ema_decay.
 */
typedef enum {
  BERT_BLOCK_WEIGHTS,
  BERT_BLOCK_GRADIENT,
  BERT_BLOCK_MOMENT1,
  BERT_BLOCK_MOMENT2,
  BERT_BLOCK_AVERAGE
} BertBlock;

/* AdamW, as the options say it. */
typedef struct BertOptimizerRules {
  double beta1, beta2, epsilon;
  double weight_decay;             /* of tensors that decay: all but biases and LayerNorm */
  double head_learning_rate_scale; /* multiplies the learning rate of the head's tensors */
  gboolean sparse_embeddings;      /* only rows of words with a gradient are visited */
  double ema_decay;                /* D of the average; 0: none is kept */
} BertOptimizerRules;

/* What a device is to hold. */
typedef struct BertSetup {
  const BertShared *shared;        /* outlives the object */
  gint first_trained;              /* layers below are frozen; n_layers + 1: nothing trains */
  const BertOptimizerRules *rules; /* NULL in a frozen copy; valid during the call */
} BertSetup;

/* Dropout of a training forward: of hidden states and of attention. */
typedef struct BertDropouts {
  BertDropout hidden, attention;
} BertDropouts;

typedef struct BertDevice {
  const char *name; /* of the plugin */
  /* Whether a decision's logits are the same bits whatever else is in the batch: they may then be remembered.
   */
  gboolean scores_repeat;
  guint most_decisions; /* that a batch may have for score */

  /* Chooses the processor or GPU that the options name; takes no memory for a model yet. NULL with error. */
  gpointer (*open)(const BertOptions *options, GError **error);
  /* Another object of the same processor or GPU, for a frozen copy. */
  gpointer (*open_frozen)(gpointer object, GError **error);
  void (*close)(gpointer object); /* accepts NULL */
  /* Once after open: checks that the model can be computed and takes memory for it. Takes over `weights`,
   * also when it fails. Gradient and moments begin as zeros; the average is sent after it. */
  gboolean (*begin)(gpointer object, const BertSetup *setup, BertParameters *weights, GError **error);
  /* Adds what a description says of the device, with bert_add_fact. */
  void (*describe)(gpointer object, GPtrArray *facts);

  /* Logits, one per pair, and values, one per decision, without dropout; nothing is kept. */
  gboolean (*score)(gpointer object, const BertBatch *batch, float *logits, float *values, GError **error);
  /* The same with dropout; keeps what backward needs. `batch` stays valid until the next forward. */
  gboolean (*forward)(gpointer object, const BertBatch *batch, const BertDropouts *dropouts, float *logits,
                      float *values, GError **error);
  /* Adds the gradients of the last forward's batch. d_values may be NULL. */
  gboolean (*backward)(gpointer object, const BertBatch *batch, const float *d_logits, const float *d_values,
                       GError **error);
  /* Step number n_steps + 1 with the gradients, which become zero; see CwPolicyVtable.step. */
  gboolean (*step)(gpointer object, guint64 n_steps, double learning_rate, double max_norm,
                   double *gradient_norm, GError **error);
  /* Fills the bytes of the estimate, for a training pass on the batch. */
  void (*estimate_memory)(gpointer object, const BertBatch *batch, const BertDropouts *dropouts,
                          CwMemoryEstimate *estimate);

  /* A block in host memory where the device computes on that itself; NULL: fetch gives copies. */
  BertParameters *(*own_block)(gpointer object, BertBlock block);
  gboolean (*fetch)(gpointer object, BertBlock block, BertParameters *to, GError **error);
  /* The block becomes `from`, which may be the device's own: it is to notice what was written there. */
  gboolean (*send)(gpointer object, BertBlock block, const BertParameters *from, GError **error);
  /* Optional. Running totals; returns their number, at most BERT_MOST_COUNTERS. */
  guint (*counters)(gpointer object, CwNamedValue *counters);
} BertDevice;

#define BERT_MOST_COUNTERS 16

/* Adds a pair to a description; `value` is taken over. */
void bert_add_fact(GPtrArray *facts, const char *key, char *value);

G_END_DECLS

#endif
