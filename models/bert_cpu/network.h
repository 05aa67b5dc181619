/* Encoder and choice head over a packed batch: forward and backward passes. h = hidden_size, f =
 * intermediate_size, T = rows of the batch, R = rows of its pairs (one per action token of every decision and
 * candidate). */
#ifndef BERT_CPU_NETWORK_H
#define BERT_CPU_NETWORK_H

#include "models/bert/batch.h"
#include "models/bert/weights.h"
#include "models/bert_cpu/pool.h"
#include "models/bert_cpu/workspace.h"
#include "models/kernels/kernels.h"

G_BEGIN_DECLS

/* What to keep of a layer between forward and backward. */
typedef enum {
  BERT_RECOMPUTE_NONE, /* what every product read or needs again; attention scores and activations are made
                          anew */
  BERT_RECOMPUTE_LAYER /* the layer's output; backward computes the rest of the layer again */
} BertRecompute;

/* How a network computes. */
typedef struct BertNetworkRules {
  gint first_trained; /* layers below are frozen: BERT_LAYER_EMBEDDINGS: none; n_layers: the whole encoder */
  gboolean trains;
  gboolean bf16; /* weights and activations in the encoder's products are BertBf16, else float */
  BertRecompute recompute;
} BertNetworkRules;

/* A weight matrix (outputs x inputs) in the forms the products read: for x W^T and for d_y W. Stored numbers.
 */
typedef struct BertPackedMatrix {
  gpointer forward, backward; /* backward is NULL in a network that only scores */
} BertPackedMatrix;

typedef struct BertPackedLayer {
  BertPackedMatrix query_key_value, attention_output, intermediate, output;
} BertPackedLayer;

/* One matrix to pack. */
typedef struct BertPackJob {
  const float *weight;
  gpointer to;
  gsize k, n;
  gboolean transposed, bf16;
  guint first_task;
} BertPackJob;

/* How numbers that products read are stored: as floats or as bf16. */
typedef struct BertStored {
  const BertKernels *kernels;
  gboolean bf16;
} BertStored;

/* The weights and what is derived from them. Packed forms must follow the weights: bert_network_refresh. */
typedef struct BertNetwork {
  const BertKernels *kernels;
  BertPool *pool;          /* borrowed */
  BertParameters *weights; /* borrowed */
  const BertConfig *config;
  BertNetworkRules rules;
  BertStored stored, head_stored; /* the encoder's numbers; those of the choice head's linear_1 */
  guint64 version; /* bumped by bert_network_refresh: what was computed under another one is out of date */
  BertWorkspace *packed_memory;
  BertPackedLayer *layers;
  BertPackedMatrix linear_1;
  BertPackJob *pack_jobs;
  guint n_pack_jobs, n_pack_tasks;
} BertNetwork;

void bert_network_init(BertNetwork *network, const BertKernels *kernels, BertPool *pool,
                       BertParameters *weights, const BertNetworkRules *rules);
void bert_network_clear(BertNetwork *network);
/* Packs all matrices anew, after any change of the weights. */
void bert_network_refresh(BertNetwork *network);

/* What a layer's backward pass needs. NULL where it was not kept. Stored numbers are floats or bf16 as the
 * network's rules say; what LayerNorm made is always float, so that a layer's output, and with it the input
 * of the next, comes back to the bit. */
typedef struct BertLayerMemory {
  gboolean keeps;                                  /* the forward pass fills everything here */
  gpointer query_key_value;                        /* T x 3h, stored */
  gpointer context;                                /* T x h, stored */
  float *attention_normalised, *attention_inverse; /* T x h, T */
  gpointer intermediate;                           /* T x f, stored: before the activation */
  float *normalised, *inverse;                     /* T x h, T */
} BertLayerMemory;

/* Some consecutive pairs of one decision: what one task of the head works on. */
typedef struct BertHeadGroup {
  guint decision, first_pair, last_pair; /* last_pair is past the end */
} BertHeadGroup;

/* The choice head's memory (symbols as in bert/weights.h). Without `keeps` only the groups are there. */
typedef struct BertHeadMemory {
  guint n_groups, largest_group; /* rows of the largest one */
  BertHeadGroup *groups;
  gsize *attention_start; /* decisions + 1: where a decision's part of `attention` begins */
  float *actions;         /* R x h: C */
  float *attention;       /* per decision rows x state length: P */
  float *read;            /* R x h: U */
  float *weights;         /* R: q */
  guint32 *where;         /* R: argmax over the state */
  float *summary;         /* pairs x h: v */
  gpointer features;      /* R x 4h: o, as head_stored says */
  float *hidden;          /* R x h: relu(linear_1 o) */
  float *mean;            /* pairs x h: over the rows of `hidden` */
  float *value_input;     /* decisions x h: S_0 */
  float *value_hidden;    /* decisions x 128: after the leaky ReLU */
} BertHeadMemory;

/* One forward pass, and after it the backward one. */
typedef struct BertPass {
  const BertNetwork *network;
  const BertBatch *batch;
  BertWorkspace *workspace;
  BertDropout hidden_dropout, attention_dropout;
  gboolean keeps;                  /* training: keeps what backward needs */
  guint first_layer;               /* layers below are not computed: what they give is in text_inputs */
  guint end_layer;                 /* neither are this one and those above; 0: all are */
  const float *const *text_inputs; /* with first_layer > 0: per text its rows of h */
  guint n_row_blocks;
  float *embeddings_normalised, *embeddings_inverse;
  float *lowest_input; /* T x h: of the first layer that trains */
  BertLayerMemory *layers;
  float *hidden_states; /* T x h: the input of the layer that is computed, in the end the last one's output */
  const float *const
      *text_states; /* per text its rows of h, where the head finds them; NULL: in hidden_states */
  BertHeadMemory head;
  float **scratch; /* per thread */
  gsize scratch_size;
} BertPass;

/* Floating-point operations of the matrix products: of a forward pass of encoder and head, and of the
 * backward pass, which trains only what is not frozen. What is computed again to save memory does not count.
 */
double bert_encoder_operations(const BertNetwork *network, const BertBatch *batch);
double bert_head_operations(const BertNetwork *network, const BertBatch *batch);
double bert_backward_operations(const BertNetwork *network, const BertBatch *batch);

/* The encoder: fills pass->hidden_states. pass->network, batch, workspace, dropouts and keeps are set; the
 * workspace was cleared. */
void bert_encoder_forward(BertPass *pass);
/* The choice and value heads on hidden_states: one logit per pair, one value per decision (may be NULL). */
void bert_head_forward(BertPass *pass, float *logits, float *values);

/* Divides the pairs into groups of about as many rows; groups has room for one per pair, or is NULL. Returns
 * their number, and the rows of the largest. */
guint bert_head_divide(const BertBatch *batch, BertHeadGroup *groups, guint *largest);

/* Where the rows of a group are. */
typedef struct BertHeadRows {
  const BertHeadGroup *group;
  guint start;         /* its first row of R */
  gsize n, length;     /* its rows; those of its decision's state */
  const float *states; /* length x h */
  gsize attention;     /* where its part of the kept attention begins */
} BertHeadRows;

/* Those of group `task`. */
BertHeadRows bert_head_rows(const BertPass *pass, guint task);

/* Adds the gradients of the head's parameters and returns d_hidden_states (T x h, in the workspace). d_values
 * may be NULL. */
float *bert_head_backward(BertPass *pass, const float *d_logits, const float *d_values,
                          BertParameters *gradient);
/* Adds the gradients of the encoder's trained parameters; uses up d_hidden_states. */
void bert_encoder_backward(BertPass *pass, float *d_hidden_states, BertParameters *gradient);

/* The activation that the configuration names. */
static inline BertActivate bert_activation(const BertNetwork *network)
{
  return network->config->activation == BERT_ACTIVATION_GELU ? network->kernels->gelu
                                                             : network->kernels->gelu_tanh;
}

/* Shared by the passes. Rows are divided into units of BERT_ROW_UNIT: blocks are whole units, and sums over
 * rows are made per unit and then in order, so that results do not depend on the number of threads. */
#define BERT_ROW_UNIT 24

guint bert_row_units(guint n_rows);
/* Rows of the largest block: whole units. */
guint bert_most_block_rows(const BertNetwork *network);
/* Number of blocks for n_rows on the network's threads; block b covers rows first .. last-1. */
guint bert_row_blocks(const BertNetwork *network, guint n_rows);
void bert_row_block(guint n_rows, guint n_blocks, guint block, guint *first, guint *last);

/* gradient (outputs x inputs) += d_y^T x over n_rows, and bias (may be NULL) += column sums of d_y. */
typedef struct BertWeightProduct {
  guint n_rows, n_outputs, n_inputs;
  gconstpointer d_y;
  gsize d_y_stride;
  gconstpointer x;
  gsize x_stride;
  float *gradient, *bias;
  gboolean bf16; /* d_y and x are bf16, else floats */
} BertWeightProduct;

/* All of them at once, divided by outputs. Scratch of the pass is used. */
void bert_weight_products(BertPass *pass, const BertWeightProduct *products, guint n_products);

/* y (n) += the sum of n_partials vectors of n, `stride` apart. In parallel over columns. */
void bert_add_partials(const BertNetwork *network, guint n_partials, gsize stride, const float *partials,
                       gsize n, float *y);

/* Drops elements of one row (h) of hidden states; bits is scratch of h + 2 groups. */
void bert_dropout_row(const BertPass *pass, gint layer, BertSite site, guint row, const float *x,
                      float *output, guint16 *bits);

/* Makes sure that every thread has `size` floats of scratch, kept until the pass ends. */
void bert_pass_scratch(BertPass *pass, gsize size);

/* The last layer's output for a text: its length x h. */
static inline const float *bert_text_states(const BertPass *pass, guint text)
{
  return pass->text_states ? pass->text_states[text]
                           : pass->hidden_states +
                                 (gsize)pass->batch->text_start[text] * pass->network->config->hidden_size;
}

/* Computes again what a layer with BERT_RECOMPUTE_LAYER did not keep. */
void bert_encoder_recompute(BertPass *pass, gint layer);
/* The input of a trained layer, rows first .. last-1, to the bit what it was: in `spare` or where it lies. */
const float *bert_layer_input(const BertPass *pass, gint layer, guint first, guint last, float *spare);

/* Attention of one layer over all texts and heads, forward and backward (attention.c). query_key_value,
 * context (T x h), d_context and d_query_key_value are stored numbers. */
void bert_attention_forward(BertPass *pass, gint layer, gconstpointer query_key_value, gpointer context);
void bert_attention_backward(BertPass *pass, gint layer, gconstpointer query_key_value,
                             gconstpointer d_context, gpointer d_query_key_value);
/* Floats of scratch that they need per thread for texts of up to `longest` tokens. */
gsize bert_attention_scratch(const BertNetwork *network, guint longest);

/* Bytes that a training pass over the batch takes from its workspace, forward and backward, with this rule
 * for what is kept: within 2 % for more than a few hundred tokens (estimate.c). remembers_frozen:
 * bert_frozen_serves, and nothing is remembered yet. */
gsize bert_pass_bytes(const BertNetwork *network, const BertBatch *batch, BertRecompute recompute,
                      gboolean remembers_frozen);

/* Tasks compute in floats; with stored floats these open the stored place itself, with bf16 they go through
 * `spare`. */
static inline gpointer bert_stored(const BertStored *stored, gconstpointer base, gsize index)
{
  return (char *)base + index * (stored->bf16 ? sizeof(BertBf16) : sizeof(float));
}

/* Memory for n stored numbers. */
static inline gpointer bert_take_stored(const BertStored *stored, BertWorkspace *workspace, gsize n)
{
  return bert_workspace_take(workspace, n, stored->bf16 ? sizeof(BertBf16) : sizeof(float));
}

/* Where to compute numbers that bert_store will put at base[index]. */
static inline float *bert_open_stored(const BertStored *stored, gpointer base, gsize index, float *spare)
{
  return stored->bf16 ? spare : (float *)base + index;
}

/* base[index ..] = x, which bert_open_stored gave. */
static inline void bert_store(const BertStored *stored, gsize n, const float *x, gpointer base, gsize index)
{
  if (stored->bf16)
    stored->kernels->to_bf16(n, x, (BertBf16 *)base + index);
}

static inline const float *bert_read_stored(const BertStored *stored, gsize n, gconstpointer base,
                                            gsize index, float *spare)
{
  if (!stored->bf16)
    return (const float *)base + index;
  stored->kernels->from_bf16(n, (const BertBf16 *)base + index, spare);
  return spare;
}

/* Floats of a task as stored numbers: themselves, or rounded into `spare`. */
static inline gconstpointer bert_as_stored(const BertStored *stored, gsize n, const float *x, BertBf16 *spare)
{
  if (!stored->bf16)
    return x;
  stored->kernels->to_bf16(n, x, spare);
  return spare;
}

/* c (m x n, stride n) = a packed + bias, or c += a packed; a is m x k of stored numbers. */
static inline void bert_product(const BertStored *stored, gsize m, gsize n, gsize k, gconstpointer a,
                                gconstpointer packed, float *c, const float *bias, gboolean accumulate,
                                float *scratch)
{
  if (stored->bf16)
    stored->kernels->gemm_bf16_packed(m, n, k, bert_bf16_rows(a, k), packed, c, n, bias, accumulate, scratch);
  else
    stored->kernels->gemm_packed(m, n, k, bert_rows(a, k), packed, c, n, bias, accumulate, scratch);
}

/* base[index ..] (m x n of stored numbers) = a packed + bias. With bf16 `spare` has room for m x n floats. */
static inline void bert_product_stored(const BertStored *stored, gsize m, gsize n, gsize k, gconstpointer a,
                                       gconstpointer packed, gpointer base, gsize index, const float *bias,
                                       float *spare, float *scratch)
{
  if (stored->bf16 && stored->kernels->gemm_bf16_rounded) {
    stored->kernels->gemm_bf16_rounded(m, n, k, bert_bf16_rows(a, k), packed, bias, (BertBf16 *)base + index,
                                       NULL, NULL, scratch);
    return;
  }
  float *c = bert_open_stored(stored, base, index, spare);
  bert_product(stored, m, n, k, a, packed, c, bias, FALSE, scratch);
  bert_store(stored, m * n, c, base, index);
}

G_END_DECLS

#endif
