/* The kernels of kernels.h, written once. A file that includes this defines BERT_ISA (a name), BERT_LANES
 * (floats in a vector register) and BERT_TILE (rows of the register tile), after choosing the instruction
 * set; with BERT_PORTABLE no instruction is named; with BERT_PAIRS products of bf16 numbers go by pairs of k;
 * with BERT_IN_PLACE rows of the left side that can be read where they lie are never packed.
 * Compiled with -O3 and floating-point rules relaxed so that sums vectorise; but NaN and infinity keep their
 * meaning: what is not finite must reach the logits or the gradients, where others look for it. */
#include "models/kernels/kernels.h"
#include <math.h>
#include <string.h>
#if BERT_LANES > 4 && !defined(BERT_PORTABLE)
#include <immintrin.h>
#endif

#define LANES BERT_LANES
#ifndef BERT_IN_PLACE
#define BERT_IN_PLACE 0
#endif

typedef float Vector __attribute__((vector_size(LANES * 4)));
typedef gint32 IntegerVector __attribute__((vector_size(LANES * 4)));
typedef float UnalignedVector __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

static inline Vector load(const float *p)
{
  return *(const UnalignedVector *)p;
}

static inline void store(float *p, Vector v)
{
  *(UnalignedVector *)p = v;
}

#include "models/kernels/dropout_bits.h"
#include "models/kernels/product.h"
#include "models/kernels/product_bf16.h"
#include "models/kernels/rows.h"

static void add(gsize n, const float *x, float *y)
{
  for (gsize i = 0; i < n; i++)
    y[i] += x[i];
}

static void add_scaled(gsize n, float a, const float *x, float *y)
{
  for (gsize i = 0; i < n; i++)
    y[i] += a * x[i];
}

static void multiply(gsize n, const float *x, const float *y, float *z)
{
  for (gsize i = 0; i < n; i++)
    z[i] = x[i] * y[i];
}

static void multiply_add(gsize n, const float *x, const float *y, float *z)
{
  for (gsize i = 0; i < n; i++)
    z[i] += x[i] * y[i];
}

static float dot(gsize n, const float *x, const float *y)
{
  float total = 0;
  for (gsize i = 0; i < n; i++)
    total += x[i] * y[i];
  return total;
}

static float sum(gsize n, const float *x)
{
  float total = 0;
  for (gsize i = 0; i < n; i++)
    total += x[i];
  return total;
}

static float maximum(gsize n, const float *x, gsize *where)
{
  float largest = largest_of(n, x);
  gsize i = 0;
  while (i + 1 < n && x[i] != largest)
    i++;
  *where = i;
  return largest;
}

static double sum_of_squares(gsize n, const float *x)
{
  double total = 0;
  for (gsize i = 0; i < n; i++)
    total += (double)x[i] * (double)x[i];
  return total;
}

static void adamw(gsize n, const BertAdamW *step, float *weights, float *gradient, float *moment1,
                  float *moment2)
{
  float keep1 = step->beta1, keep2 = step->beta2, take1 = step->rest1, take2 = step->rest2;
  float shrink = 1.0f - step->learning_rate * step->weight_decay,
        rate = step->learning_rate / step->correction1;
  float root = 1.0f / step->root_of_correction2, epsilon = step->epsilon, scale = step->gradient_scale;
  for (gsize i = 0; i < n; i++) {
    float g = gradient[i] * scale;
    float m = keep1 * moment1[i] + take1 * g;
    float v = keep2 * moment2[i] + take2 * g * g;
    gradient[i] = 0;
    moment1[i] = m;
    moment2[i] = v;
    weights[i] = weights[i] * shrink - rate * m / (sqrtf(v) * root + epsilon);
  }
}

#define TABLE_NAME(isa)  bert_kernels_##isa
#define TABLE_NAMED(isa) TABLE_NAME(isa)
#define TEXT_OF(isa)     #isa
#define TEXT(isa)        TEXT_OF(isa)

extern const BertKernels TABLE_NAMED(BERT_ISA);
const BertKernels TABLE_NAMED(BERT_ISA) = {
    .name = TEXT(BERT_ISA),
    .panel_columns = PANEL,
    .gemm_scratch = BLOCK_K * PANEL + BLOCK_K * BLOCK_M,
    .packed_size = packed_size,
    .pack = pack,
    .gemm = gemm,
    .gemm_packed = gemm_packed,
#ifdef BERT_PAIRS
    .has_bf16 = TRUE,
#endif
    .bf16_tile_rows = TILE,
    .bf16_forward_rows = 96,
    .bf16_gradient_rows = 192,
    .packed_bf16_size = packed_bf16_size,
    .pack_bf16 = pack_bf16,
    .repack_bf16 = repack_bf16,
    .gemm_bf16 = gemm_bf16,
    .gemm_bf16_packed = gemm_bf16_packed,
    .to_bf16 = to_bf16,
    .from_bf16 = from_bf16,
    .add_rows_bf16 = add_rows_bf16,
    .affine = affine,
    .layer_norm = layer_norm,
    .layer_norm_backward = layer_norm_backward,
    .gelu = gelu,
    .gelu_tanh = gelu_tanh,
    .softmax = softmax,
    .softmax_backward = softmax_backward,
    .softmax_padded = softmax_padded,
    .softmax_padded_backward = softmax_padded_backward,
    .dropout_bits = dropout_bits,
    .dropout_apply = dropout_apply,
    .add = add,
    .add_scaled = add_scaled,
    .multiply = multiply,
    .multiply_add = multiply_add,
    .dot = dot,
    .maximum = maximum,
    .sum = sum,
    .sum_of_squares = sum_of_squares,
    .adamw = adamw,
};
