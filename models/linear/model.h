/* The linear model: its tensors, what it computes and the gradient of that.
 *
 *   logit(o, c) = sum over words w of c            candidate[w]    / sqrt(|c|)
 *               + sum over words v of o, w of c    cross[v, w]     / sqrt(|o| |c|)
 *               + overlap . (shared / |c|, log(1 + shared), all words of c shared)
 *   value(o)    = value_bias + sum over words v of o  value[v]     / sqrt(|o|)
 *
 * where |.| counts distinct words, indices are hashes modulo the number of buckets, and c has one more word
 * that stands for the whole candidate. */
#ifndef LINEAR_MODEL_H
#define LINEAR_MODEL_H

#include "models/linear/words.h"
#include <cartwright/cartwright.h>

#define LINEAR_OVERLAPS 3

typedef enum {
  LINEAR_CANDIDATE,  /* [buckets] */
  LINEAR_CROSS,      /* [buckets] */
  LINEAR_OVERLAP,    /* [LINEAR_OVERLAPS] */
  LINEAR_VALUE,      /* [buckets] */
  LINEAR_VALUE_BIAS, /* [1] */
  LINEAR_N_TENSORS
} LinearTensor;

/* Tensors lie one behind the other in each of the arrays; all arrays have n_parameters elements. A frozen
 * model has weights only. */
typedef struct {
  guint32 buckets; /* a power of two */
  gsize n_parameters;
  float *weights;
  float *gradient, *first_moment, *second_moment; /* NULL in a frozen model */
  guint64 steps;                                  /* optimiser steps taken */
} LinearModel;

/* All zeros. NULL with CW_ERROR_FAILED when there is not so much memory. */
LinearModel *linear_model_new(guint32 buckets, gboolean frozen, GError **error);
void linear_model_free(LinearModel *model); /* accepts NULL */

const char *linear_tensor_name(LinearTensor tensor);
gsize linear_tensor_size(const LinearModel *model, LinearTensor tensor);
gsize linear_tensor_start(const LinearModel *model, LinearTensor tensor);

/* Normal weights of standard deviation `scale` from streams of `seed`. */
void linear_model_randomize(LinearModel *model, guint32 seed, double scale);

/* A decision as the model sees it. Free with linear_input_clear. */
typedef struct {
  LinearWords observation;
  LinearWords *candidates; /* n_candidates sets, each with its whole */
  guint n_candidates;
} LinearInput;

void linear_input_init(LinearInput *input, const CwDecision *decision);
void linear_input_clear(LinearInput *input);

/* Logits (n_candidates of them) and, unless NULL, the value. */
void linear_model_forward(const LinearModel *model, const LinearInput *input, float *logits, float *value);

/* Adds the gradient of dlogits . logits + dvalue * value to model->gradient. */
void linear_model_backward(LinearModel *model, const LinearInput *input, const float *dlogits, float dvalue);

/* AdamW (Loshchilov and Hutter 2019, algorithm 2). */
typedef struct {
  double beta1, beta2, epsilon, weight_decay;
} LinearAdam;

/* One step with the accumulated gradient, clipped to global L2 norm `max_norm` (0: not), which is cleared in
 * any case. Stores the norm before clipping. A gradient that is not finite is CW_ERROR_NUMERIC and changes no
 * weight. */
gboolean linear_model_step(LinearModel *model, const LinearAdam *adam, double learning_rate, double max_norm,
                           double *gradient_norm, GError **error);

/* Writes weights.bin and, unless frozen, optimizer.bin into a directory. */
gboolean linear_model_save(const LinearModel *model, const char *directory, GError **error);
/* Reads both (a frozen model: weights.bin only) into a model of the same number of buckets; on failure the
 * model is as before. */
gboolean linear_model_load(LinearModel *model, const char *directory, GError **error);
/* A new model with the weights of a directory and an optimiser that starts anew. */
LinearModel *linear_model_read(const char *directory, GError **error);

#endif
