/* Launches of the device kernels. Every function enqueues work on `stream` and returns; errors are found by
 * cudaGetLastError. Pointers are device memory unless said otherwise.
 *
 * Activations of the encoder are float, or bf16 with `bf16`; they are passed as void *. Everything of the
 * choice head, and every sum, is in float. T = rows (tokens) of the batch, R = action rows, h = hidden size,
 * f = intermediate size, both multiples of 8. Every sum has a fixed order that depends on shapes alone:
 * results are the same bits each time.
 */
#ifndef BERT_CUDA_KERNELS_H
#define BERT_CUDA_KERNELS_H

#include "models/bert_cuda/device.h"
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One dropout site (see models/bert/dropout.h); threshold 0 is off. */
typedef struct BertMask {
  uint32_t seed, forward, place, threshold;
  float scale;
} BertMask;

/* The texts of a batch; see BertBatch. */
typedef struct BertTexts {
  const uint32_t *ids, *row_text, *start; /* T, T, texts + 1 */
  const uint64_t *hash;                   /* texts */
} BertTexts;

/* A LayerNorm's parameters and, for backward (else NULL), what it keeps: the sum it normalised (T x h), the
 * mean and 1 / deviation of each row. */
typedef struct BertNorm {
  const float *weight, *bias;
  float epsilon;
  void *sum;
  float *mean, *inverse;
} BertNorm;

/* Rows that a block of the summing kernels goes through; partial sums are one set per block. */
#define BERT_SUM_ROWS 32
static inline uint32_t bert_sum_blocks(uint32_t n_rows)
{
  return (n_rows + BERT_SUM_ROWS - 1) / BERT_SUM_ROWS;
}

/* ---- encoder.cu ---- */

/* out = drop(norm(word + position + token type)). */
void bert_embed(cudaStream_t stream, int bf16, uint32_t n_rows, uint32_t h, const BertTexts *texts,
                const float *words, const float *positions, const float *types, const BertNorm *norm,
                const BertMask *mask, void *out);

/* out = norm(drop(x + bias) + residual). x is overwritten where norm->sum is x. */
void bert_add_norm(cudaStream_t stream, int bf16, uint32_t n_rows, uint32_t h, const BertTexts *texts,
                   const void *x, const float *bias, const void *residual, const BertNorm *norm,
                   const BertMask *mask, void *out);

/* d_x (T x h, in place) goes from the norm's output to its input; `before` masks it first (embeddings).
 * `branch`, unless NULL, gets `after` applied to the result: the gradient of x in bert_add_norm. partials
 * (bert_sum_blocks x 3h): sums for weight, bias, and column sums of branch. */
void bert_norm_backward(cudaStream_t stream, int bf16, uint32_t n_rows, uint32_t h, const BertTexts *texts,
                        const BertNorm *norm, const BertMask *before, const BertMask *after, void *d_x,
                        void *branch, float *partials);

/* out = gelu(x + bias), T x f. */
void bert_gelu(cudaStream_t stream, int bf16, int tanh_form, uint32_t n_rows, uint32_t f, const void *x,
               const float *bias, void *out);
/* d (in place) goes from gelu's output to its input; activated (T x f) is made again; partials
 * (bert_sum_blocks x f) get column sums of d. */
void bert_gelu_backward(cudaStream_t stream, int bf16, int tanh_form, uint32_t n_rows, uint32_t f,
                        const void *x, const float *bias, void *d, void *activated, float *partials);

/* partials (bert_sum_blocks x n): column sums of x (n_rows x n, n a multiple of 8), rows weighted by
 * `weights` and elements by y where these are not NULL, row i being row map[i] where that is not NULL. */
void bert_column_sums(cudaStream_t stream, int bf16, uint32_t n_rows, uint32_t n, const void *x,
                      const float *weights, const float *y, const uint32_t *map, float *partials);
/* y (n) += the sum of n_partials vectors, `stride` floats apart. */
void bert_sum_partials(cudaStream_t stream, uint32_t n_partials, size_t stride, const float *partials,
                       uint32_t n, float *y);

/* n elements, to and from the activations' type; n is a multiple of 8. */
void bert_to_floats(cudaStream_t stream, int bf16, size_t n, const void *from, float *to);
void bert_from_floats(cudaStream_t stream, int bf16, size_t n, const float *from, void *to);

/* Sums rows of x (T x h) into rows of the gradient block. A piece is {first, count} in `rows`; a target is
 * {first piece, pieces} and an offset into `gradient` in floats. partials: pieces x h. */
typedef struct BertScatter {
  uint32_t n_pieces, n_targets;
  const uint32_t *rows, *pieces, *targets;
  const uint64_t *offsets;
} BertScatter;
void bert_scatter_rows(cudaStream_t stream, int bf16, uint32_t h, const void *x, const BertScatter *scatter,
                       float *partials, float *gradient);

/* ---- attention.cu ---- */

/* Attention within each text: queries, keys and values are T x 3h without their bias (3h), heads next to each
 * other. A tile is {text, first row of the text}, BERT_ATTENTION_TILE rows of it. */
#define BERT_ATTENTION_TILE      32
#define BERT_ATTENTION_MOST_WIDE 64 /* widest head */
typedef struct BertAttention {
  uint32_t h, n_heads, n_tiles;
  const uint32_t *tiles;   /* n_tiles x 2 */
  const void *projections; /* T x 3h */
  const float *bias;
  BertMask mask;   /* place of head 0; head i is place | i */
  float *log_sums; /* T x heads: log of the softmax's denominator; NULL in inference */
} BertAttention;
/* context: T x h. */
void bert_fused_attention(cudaStream_t stream, int bf16, const BertTexts *texts,
                          const BertAttention *attention, void *context);
/* d_projections (T x 3h) from d_context; delta is scratch of T x heads. */
void bert_fused_attention_backward(cudaStream_t stream, int bf16, const BertTexts *texts,
                                   const BertAttention *attention, uint32_t n_rows, const void *context,
                                   const void *d_context, float *delta, void *d_projections);

/* attention_bf16.cu, which the two above call for bf16; tiles have BERT_ATTENTION_BF16_TILE rows there.
 */
#define BERT_ATTENTION_BF16_TILE 64
void bert_attention_bf16(cudaStream_t stream, const BertTexts *texts, const BertAttention *attention,
                         void *context);
void bert_attention_bf16_backward(cudaStream_t stream, const BertTexts *texts, const BertAttention *attention,
                                  uint32_t n_rows, const void *context, const void *d_context, float *delta,
                                  void *d_projections);

/* ---- head.cu: symbols as in models/bert/weights.h ---- */

/* A decision's place in the head's matrices. */
typedef struct BertDecisionPlace {
  uint32_t state_row, length; /* its state's rows of the batch */
  uint32_t action_row, n_actions;
  uint32_t state_offset; /* its rows of d_states */
  uint32_t padding;
  uint64_t attention; /* its n_actions x length part of the attention matrix, in floats */
} BertDecisionPlace;

typedef struct BertHead {
  uint32_t h, n_rows, n_texts, n_decisions, n_pairs, n_action_rows, n_state_rows, most_actions, longest_state;
  const BertDecisionPlace *places;
  const uint32_t *text_start;       /* texts + 1 */
  const uint32_t *row_text;         /* T */
  const uint32_t *pair_start;       /* pairs + 1 */
  const uint32_t *action_source;    /* R: row of the batch */
  const uint32_t *action_place;     /* R: decision */
  const uint32_t *state_source;     /* state rows: row of the batch */
  const uint32_t *use_start, *uses; /* texts + 1: pairs, or n_pairs + decision, in rising order */
  const float *states;              /* T x h: the encoder's output */
  const float *input_weight, *memory_weight, *dot_scale, *linear_1_bias, *linear_2_weight, *linear_2_bias;
  const float *value_hidden_bias, *value_output_weight, *value_output_bias;
  float *actions, *scaled; /* R x h: C, C * d */
  float *input_scores;     /* R: wc.C */
  float *memory_scores;    /* T: ws.S */
  float *attention;        /* P */
  float *largest, *q;      /* R */
  uint32_t *where;         /* R */
  float *read;             /* R x h: U */
  float *summary;          /* pairs x h: v */
  float *features;         /* R x 4h: o */
  float *hidden;           /* R x h: linear_1 o, then relu with its bias */
  float *mean;             /* pairs x h */
  float *value_input;      /* decisions x h */
  float *value_hidden;     /* decisions x 128 */
} BertHead;

/* In this order; the caller computes hidden = features W1^T after the first, value_hidden = value_input W^T
 * after the second. */
void bert_head_read(cudaStream_t stream, const BertHead *head);
void bert_head_logits(cudaStream_t stream, const BertHead *head, float *logits);
void bert_head_values(cudaStream_t stream, const BertHead *head, uint32_t n_hidden, float *values);

typedef struct BertHeadGradient {
  const float *d_logits, *d_values; /* pairs, decisions */
  float *d_linear_1;                /* R x h */
  float *d_features;                /* R x 4h */
  float *d_actions, *d_read;        /* R x h */
  float *through;                   /* R x h */
  float *d_largest;                 /* R */
  float *d_attention;               /* like attention */
  float *totals;                    /* state rows */
  float *d_states;                  /* state rows x h */
  float *d_value_hidden;            /* decisions x 128 */
  float *d_value_input;             /* decisions x h, NULL without values */
} BertHeadGradient;

/* In this order; the caller computes d_features = d_linear_1 W1 after the first and, with values,
 * d_value_input = d_value_hidden W after bert_head_values_backward. */
void bert_head_logits_backward(cudaStream_t stream, const BertHead *head, const BertHeadGradient *gradient);
void bert_head_values_backward(cudaStream_t stream, const BertHead *head, uint32_t n_hidden,
                               const BertHeadGradient *gradient);
void bert_head_read_backward(cudaStream_t stream, const BertHead *head, const BertHeadGradient *gradient);
/* d_hidden (T x h, of the activations' type): each text collects what its uses gave, in order. */
void bert_head_collect(cudaStream_t stream, int bf16, const BertHead *head, const BertHeadGradient *gradient,
                       void *d_hidden);
/* *y += the sum of n floats. */
void bert_add_sum(cudaStream_t stream, uint32_t n, const float *x, float *y);

/* ---- optimizer.cu ---- */

/* A stretch of one trained tensor. */
typedef struct BertPiece {
  uint64_t offset; /* in the blocks, a multiple of 4 */
  uint32_t n;
  uint32_t group; /* bit 0: decays, bit 1: head, bit 2: left alone where its gradient is all zero */
} BertPiece;
#define BERT_PIECE_FLOATS 8192

typedef struct BertStep {
  float learning_rate, head_learning_rate, epsilon, weight_decay;
  float beta1, rest1, beta2, rest2;
  float correction1, root_of_correction2;
} BertStep;

/* What a step tells the host. */
typedef struct BertStepResult {
  double norm;
  float scale; /* of the gradient, from clipping */
  int finite;
} BertStepResult;

/* The gradient's norm, and how much it is to be scaled so that it is at most max_norm (0: not at all). `sums`
 * is scratch of n_pieces doubles; `result` is device memory. */
void bert_gradient_norm(cudaStream_t stream, uint32_t n_pieces, const BertPiece *pieces, float max_norm,
                        const float *gradient, double *sums, BertStepResult *result);

/* AdamW with the gradient scaled as `result` says, and gradient = 0; nothing where the norm is not finite.
 * bf16: the bf16 copy of the weights, or NULL. */
void bert_adamw(cudaStream_t stream, uint32_t n_pieces, const BertPiece *pieces, const BertStep *step,
                float *weights, float *gradient, float *moment1, float *moment2, void *bf16,
                const BertStepResult *result);

/* average += rest (weights - average); nothing where the norm is not finite. */
void bert_average(cudaStream_t stream, uint32_t n_pieces, const BertPiece *pieces, float rest,
                  const float *weights, float *average, const BertStepResult *result);

#ifdef __cplusplus
}
#endif

#endif
