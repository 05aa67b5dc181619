/* A policy as a folder: the model in HuggingFace's form, which `open` accepts, and with it what training
 * needs to go on exactly: the moments (and gradients, between a backward and its step) of the optimiser in
 * optimizer.safetensors, counters in training.state. A moving average of the weights is a model folder of its
 * own in it, averaged/. Every backend writes and reads the same files. */
#ifndef BERT_STATE_H
#define BERT_STATE_H

#include "models/bert/model.h"

G_BEGIN_DECLS

/* Tensors below layer `first_trained` are frozen and not in the files. */
typedef struct BertTrainingState {
  gint first_trained;
  BertParameters *moment1, *moment2, *gradient; /* borrowed */
  gboolean has_gradient;                        /* else the gradient is all zeros, and not written */
  BertParameters *averaged; /* borrowed; the weights' moving average, or NULL if none is kept */
  gboolean has_averaged;    /* set by load: the folder had it */
  guint32 seed;             /* of dropout */
  guint64 n_steps;
} BertTrainingState;

/* Writes into an existing directory. `state` is NULL for a policy that does not train. */
gboolean bert_state_save(const BertShared *shared, const BertParameters *weights,
                         const BertTrainingState *state, const char *directory, GError **error);

/* Reads `weights` and, unless it is NULL, `state`: its blocks come all zeros and are filled, first_trained
 * says which tensors are wanted, the rest is set. On failure both hold rubbish. */
gboolean bert_state_load(const BertShared *shared, BertParameters *weights, BertTrainingState *state,
                         guint32 seed, const char *directory, GError **error);

G_END_DECLS

#endif
