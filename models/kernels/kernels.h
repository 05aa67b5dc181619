/* Pure arithmetic of the BERT encoder on floats in memory: matrix products, normalisation, activations,
 * softmax, dropout and the optimiser's update. One source (body.h) is compiled once per
 * instruction set; the table below is what a caller gets for the processor it runs on.
 *
 * Everything here runs in the calling thread and keeps no state. An element of a matrix product is one chain
 * of additions over k whose grouping depends on k alone: the result is the same, bit for bit, however rows
 * and columns are divided among calls and threads. Nothing here looks for NaN; NaN in gives NaN out. */
#ifndef BERT_CPU_ARITHMETIC_H
#define BERT_CPU_ARITHMETIC_H

#include "models/kernels/dropout.h"
#include <glib.h>
#include <stddef.h>

G_BEGIN_DECLS

/* A matrix: element (i, j) is data[i * row_stride + j * column_stride]. */
typedef struct BertView {
  const float *data;
  ptrdiff_t row_stride, column_stride;
} BertView;

/* Row-major with `stride` floats from row to row, and its transpose. */
static inline BertView bert_rows(const float *data, gsize stride)
{
  return (BertView){data, (ptrdiff_t)stride, 1};
}

static inline BertView bert_transposed(const float *data, gsize stride)
{
  return (BertView){data, 1, (ptrdiff_t)stride};
}

/* A bf16 number: the upper half of a float, rounded to nearest, ties to even; NaN stays NaN. */
typedef guint16 BertBf16;

/* As BertView. */
typedef struct BertBf16View {
  const BertBf16 *data;
  ptrdiff_t row_stride, column_stride;
} BertBf16View;

static inline BertBf16View bert_bf16_rows(const BertBf16 *data, gsize stride)
{
  return (BertBf16View){data, (ptrdiff_t)stride, 1};
}

static inline BertBf16View bert_bf16_transposed(const BertBf16 *data, gsize stride)
{
  return (BertBf16View){data, 1, (ptrdiff_t)stride};
}

/* What the AdamW update needs besides the arrays (Loshchilov and Hutter 2019, as PyTorch computes it). */
typedef struct BertAdamW {
  float learning_rate, epsilon, weight_decay;
  float beta1, rest1, beta2,
      rest2;                 /* rest = 1 - beta, rounded once: 1 - (float)0.999 is off by 5e-5 of itself */
  float gradient_scale;      /* from clipping */
  float correction1;         /* 1 - beta1^t */
  float root_of_correction2; /* sqrt(1 - beta2^t) */
} BertAdamW;

/* gelu or gelu_tanh of a table. */
typedef void (*BertActivate)(gsize n, const float *x, float *output, float *derivative);

typedef struct BertKernels {
  const char *name;    /* "amx", "avx512_bf16", "avx512", "avx2", "generic" */
  guint panel_columns; /* columns of a packed panel */
  gsize gemm_scratch;  /* floats of scratch that gemm and its bf16 forms need */
  gboolean has_bf16;   /* products of bf16 numbers use instructions of their own (VDPBF16PS, TDPBF16PS) */
  gboolean bf16_heads; /* they are so much faster that a network of bf16 has its choice head in bf16 too */
  /* Rows that a caller best gives a product of bf16 numbers at once: a multiple of the first; that many rows
   * of activations; that many of a weight's gradient. */
  guint bf16_tile_rows, bf16_forward_rows, bf16_gradient_rows;

  /* Matrix b (k x n) rearranged for gemm: floats needed, and the packing of the panels first .. last-1 (of (n
   * + panel_columns - 1) / panel_columns). 64-byte aligned. */
  gsize (*packed_size)(gsize k, gsize n);
  void (*pack)(gsize k, gsize n, BertView b, gsize first, gsize last, float *packed);

  /* c (m x n, row-major with stride c_stride) = a (m x k) b (k x n) + bias (n, may be NULL), or c += a b with
   * accumulate (bias must then be NULL). b is given packed, or as a view. */
  void (*gemm)(gsize m, gsize n, gsize k, BertView a, BertView b, float *c, gsize c_stride, const float *bias,
               gboolean accumulate, float *scratch);
  void (*gemm_packed)(gsize m, gsize n, gsize k, BertView a, const float *packed, float *c, gsize c_stride,
                      const float *bias, gboolean accumulate, float *scratch);

  /* The same of bf16 matrices, added up in floats; packing rounds. Without has_bf16 the numbers are widened
   * on the way and multiplied as floats: the bits are those of gemm on the same numbers. VDPBF16PS adds two
   * products at a time into each sum (odd k, then even k, each rounded to nearest even), TDPBF16PS 32 (the
   * sum of 16 even k and the sum of 16 odd k). Both take subnormal numbers for 0 on the way in and out, so
   * results differ in the last bits, and below 1.2e-38. Packed sizes are in bf16 numbers. */
  gsize (*packed_bf16_size)(gsize k, gsize n);
  void (*pack_bf16)(gsize k, gsize n, BertView b, gsize first, gsize last, BertBf16 *packed);
  void (*repack_bf16)(gsize k, gsize n, BertBf16View b, gsize first, gsize last,
                      BertBf16 *packed); /* bf16 already */
  void (*gemm_bf16)(gsize m, gsize n, gsize k, BertBf16View a, BertBf16View b, float *c, gsize c_stride,
                    const float *bias, gboolean accumulate, float *scratch);
  void (*gemm_bf16_packed)(gsize m, gsize n, gsize k, BertBf16View a, const BertBf16 *packed, float *c,
                           gsize c_stride, const float *bias, gboolean accumulate, float *scratch);
  /* `rounded` (m x n, row-major) = gemm_bf16_packed's result through to_bf16, to the bit, without room for
   * floats. With `activate` (may be NULL) also `activated` (m x n) = what that makes of the rounded numbers,
   * rounded; then `rounded` may be NULL. Rows of a have column_stride 1. NULL where it is no faster than the
   * single steps. */
  void (*gemm_bf16_rounded)(gsize m, gsize n, gsize k, BertBf16View a, const BertBf16 *packed,
                            const float *bias, BertBf16 *rounded, BertActivate activate, BertBf16 *activated,
                            float *scratch);
  void (*to_bf16)(gsize n, const float *x, BertBf16 *bf16); /* rounds */
  void (*from_bf16)(gsize n, const BertBf16 *bf16, float *x);
  /* y (n) += each of n_rows rows, which are `stride` apart, one after the other. */
  void (*add_rows_bf16)(gsize n_rows, gsize n, const BertBf16 *x, gsize stride, float *y);

  /* output = x * weight + bias: a LayerNorm's output from its normalised row, to the bit. */
  void (*affine)(gsize n, const float *x, const float *weight, const float *bias, float *output);
  /* One row of n: sum = x + residual (residual may be NULL); normalised = (sum - mean) / sqrt(variance +
   * epsilon); output = normalised * weight + bias. Returns 1 / sqrt(variance + epsilon). `normalised` may be
   * NULL; outputs may be x. */
  float (*layer_norm)(gsize n, const float *x, const float *residual, const float *weight, const float *bias,
                      float epsilon, float *normalised, float *output);
  /* Its gradient: d_x from d_output; adds to d_weight and d_bias. d_x may be d_output. */
  void (*layer_norm_backward)(gsize n, const float *d_output, const float *normalised, const float *weight,
                              float inverse_deviation, float *d_x, float *d_weight, float *d_bias);

  /* output = gelu(x), derivative = gelu'(x) (may be NULL; either may be x), exact and tanh form. */
  BertActivate gelu, gelu_tanh;

  /* x = softmax(scale * x) of one row of n. */
  void (*softmax)(gsize n, float scale, float *x);
  /* d_x = scale * p (d_p - sum p d_p), in place of d_p. */
  void (*softmax_backward)(gsize n, float scale, const float *p, float *d_p);
  /* The same on a row with room for `padded` numbers, a multiple of BERT_ROW_PADDING not less than n. Numbers
   * after the first n are not looked at (in p they are 0) and become 0. */
  void (*softmax_padded)(gsize n, gsize padded, float scale, float *x);
  void (*softmax_padded_backward)(gsize n, gsize padded, float scale, const float *p, float *d_p);

  /* 16 random bits for elements first .. first+n-1 of (place, text). Returns a pointer into `buffer`, which
   * has room for n + 2 * BERT_DROPOUT_GROUP. */
  const guint16 *(*dropout_bits)(const BertDropout *dropout, guint32 place, guint64 text, gsize first,
                                 gsize n, guint16 *buffer);
  /* output = x where bits say keep, scaled; 0 elsewhere. In place is allowed. */
  void (*dropout_apply)(gsize n, const BertDropout *dropout, const guint16 *bits, const float *x,
                        float *output);

  void (*add)(gsize n, const float *x, float *y);                          /* y += x */
  void (*add_scaled)(gsize n, float a, const float *x, float *y);          /* y += a x */
  void (*multiply)(gsize n, const float *x, const float *y, float *z);     /* z = x y */
  void (*multiply_add)(gsize n, const float *x, const float *y, float *z); /* z += x y */
  float (*dot)(gsize n, const float *x, const float *y);
  float (*maximum)(gsize n, const float *x, gsize *where); /* first largest; n > 0 */
  float (*sum)(gsize n, const float *x);
  double (*sum_of_squares)(gsize n, const float *x);

  /* One optimiser step on n parameters; clears the gradient. */
  void (*adamw)(gsize n, const BertAdamW *step, float *weights, float *gradient, float *moment1,
                float *moment2);
} BertKernels;

/* The best table this processor can run. */
const BertKernels *bert_kernels(void);
/* The table of that name, or NULL if this build, processor or system lacks it. */
const BertKernels *bert_kernels_named(const char *name);
/* Why there is no table of that name; NULL if there is one. */
const char *bert_kernels_obstacle(const char *name);
/* Whether products of bf16 numbers are faster than those of floats, with this table on this kind of
 * processor: read from a table of what was measured, never timed, so that a configuration computes the same
 * on all of a kind. *reason is a sentence without an end, for the user. */
gboolean bert_kernels_prefer_bf16(const BertKernels *kernels, const char **reason);

G_END_DECLS

#endif
