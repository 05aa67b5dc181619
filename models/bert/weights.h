/* The parameters of encoder and choice head: which tensors there are, where each is in one block of floats,
 * how they are named in files, loaded, saved and initialised. Weights, gradients and optimiser moments share
 * one layout, so an optimiser may run over whole blocks.
 *
 * The choice head (spec §7.1; WebShop, Yao et al. 2022), for action tokens C (n x h) and state tokens S (m x
 * h), both from the same encoder, CLS and SEP included:
 *   a_ij = wc.C_i + ws.S_j + (C_i * d).S_j         attn.input_linear, attn.memory_linear, attn.dot_scale
 *   U_i  = sum_j softmax_j(a_ij) S_j               (n x h)
 *   v    = sum_i softmax_i(max_j a_ij) C_i         (h)
 *   o_i  = [C_i ; U_i ; C_i * U_i ; v * U_i]       (n x 4h)
 *   logit = linear_2(mean_i relu(linear_1(o_i)))
 *   value = linear_3.2(leaky_relu_0.01(linear_3.0(S_0)))
 * Logits become log-probabilities by a log-softmax over the decision's actions.
 *
 * Deviation from WebShop's code, on purpose: there the softmax over i also runs over the padding positions of
 * the longest action in the batch, so a score depends on what else is in the batch. Here every sum over i has
 * the n real tokens of the action only; the result is that of encoding each action alone without padding. */
#ifndef BERT_WEIGHTS_H
#define BERT_WEIGHTS_H

#include "models/bert/config.h"
#include "models/bert/safetensors.h"

G_BEGIN_DECLS

/* Width of the value head's hidden layer (linear_3.0). */
#define BERT_VALUE_HIDDEN 128

/* BertTensorInfo.layer of the embeddings. Encoder layers are 0 .. n_layers-1 and the head's tensors have
 * n_layers; "freeze the first n layers" is layer < n. */
#define BERT_LAYER_EMBEDDINGS (-1)

/* One parameter tensor of the layout. */
typedef struct BertTensorInfo {
  const char *name; /* as spec §7.2 saves it: "bert.encoder.layer.0.attention.self.query.weight" */
  guint n_dimensions;
  gint64 shape[2];  /* weights are output x input; shape[1] is 1 for a vector */
  gsize offset;     /* first float in the block */
  gsize n_elements; /* product of shape */
  gboolean decays;  /* takes weight decay: all but biases and LayerNorm */
  gint layer;       /* see BERT_LAYER_EMBEDDINGS */
} BertTensorInfo;

/* The tensors in their fixed order, which is also their order in the block: embeddings, layers, head. Each
 * starts on a multiple of 16 floats, except that query, key and value weights of a layer follow each other
 * without a gap (one 3h x h matrix), and so do their biases (one vector of 3h). Gaps are zero in every block
 * and must stay so. */
typedef struct BertLayout {
  BertConfig config;
  guint n_tensors;
  const BertTensorInfo *tensors;
  gsize n_floats;     /* size of a block, gaps included */
  gsize n_parameters; /* without gaps */
} BertLayout;

BertLayout *bert_layout_new(const BertConfig *config);
void bert_layout_free(BertLayout *layout); /* accepts NULL */
/* Index of the tensor of that name, or -1. */
gint bert_layout_find(const BertLayout *layout, const char *name);

/* One encoder layer; h = hidden_size, f = intermediate_size. */
typedef struct BertLayer {
  float *query_weight, *key_weight, *value_weight;    /* h x h each; query_weight is also the 3h x h whole */
  float *query_bias, *key_bias, *value_bias;          /* h each; query_bias is also the 3h whole */
  float *attention_output_weight;                     /* h x h */
  float *attention_output_bias;                       /* h */
  float *attention_norm_weight, *attention_norm_bias; /* h */
  float *intermediate_weight;                         /* f x h */
  float *intermediate_bias;                           /* f */
  float *output_weight;                               /* h x f */
  float *output_bias;                                 /* h */
  float *output_norm_weight, *output_norm_bias;       /* h */
} BertLayer;

/* Pointers to every tensor of one block of layout->n_floats floats, which is aligned to 64 bytes and belongs
 * to the parameters. */
typedef struct BertParameters {
  const BertLayout *layout;                             /* borrowed: outlives the parameters */
  float *block, *allocated;                             /* allocated: what to free */
  float *word_embeddings;                               /* vocabulary_size x h */
  float *position_embeddings;                           /* max_positions x h */
  float *token_type_embeddings;                         /* n_token_types x h */
  float *embeddings_norm_weight, *embeddings_norm_bias; /* h */
  BertLayer *layers;                                    /* n_layers */
  float *attention_input_weight;                        /* wc: h */
  float *attention_memory_weight;                       /* ws: h */
  float *attention_dot_scale;                           /* d: h */
  float *linear_1_weight, *linear_1_bias;               /* h x 4h, h */
  float *linear_2_weight, *linear_2_bias;               /* 1 x h, 1 */
  float *value_hidden_weight, *value_hidden_bias;       /* linear_3.0: 128 x h, 128 */
  float *value_output_weight, *value_output_bias;       /* linear_3.2: 1 x 128, 1 */
} BertParameters;

/* All zeros. */
BertParameters *bert_parameters_new(const BertLayout *layout);
void bert_parameters_free(BertParameters *parameters); /* accepts NULL */
/* A copy in a block of its own, with the same layout. */
BertParameters *bert_parameters_copy(const BertParameters *parameters);

/* Random weights for training from scratch: encoder weights normal(0, 0.02), biases 0, LayerNorm 1 and 0; the
 * head as bert_weights_load initialises it. Every tensor has a random stream of its own, derived from `seed`.
 */
void bert_weights_initialise(BertParameters *weights, guint32 seed);

/* What bert_weights_load found besides the encoder. */
typedef struct BertLoadSummary {
  gboolean head_loaded;       /* attn.*, linear_1, linear_2 were in the file; else initialised */
  gboolean value_head_loaded; /* linear_3 was in the file; else initialised */
  guint n_new_rows;           /* word embedding rows the file lacked */
  guint n_ignored;            /* tensors of the file that have no place here (pooler, image_linear, cls) */
} BertLoadSummary;

/* Loads `file`, a safetensors file or the index of one in shards (".index.json"); F32, F16, BF16 or F64.
 * Anything may stand before the encoder's names ("bert.", "0.auto_model."), LayerNorm may say gamma and beta.
 * Encoder tensors must all be there, and be finite. Head tensors may be missing as a group (attn.*, linear_1,
 * linear_2; or linear_3) and are then initialised: linear layers uniform(-1/sqrt(inputs), 1/sqrt(inputs)),
 * dot_scale uniform(1/sqrt(h), 1). A word embedding with fewer rows than the layout, by at most
 * BERT_N_EXTRA_TOKENS, gets new rows normal(0, 0.02). Tensors of other parts (poolers, classifiers,
 * pre-training heads) are ignored. An unknown tensor within the encoder, a missing one or a wrong shape is an
 * error in CW_POLICY_ERROR naming tensor, file, what was expected and what was found; the weights are then
 * undefined. `summary` may be NULL. */
gboolean bert_weights_load(BertParameters *weights, const char *file, guint32 seed, BertLoadSummary *summary,
                           GError **error);

/* The same from tensors that are open already. */
gboolean bert_weights_load_tensors(BertParameters *weights, const BertSafetensors *tensors, guint32 seed,
                                   BertLoadSummary *summary, GError **error);
/* Whether loading the file uses a tensor of this name. */
gboolean bert_weights_uses(const BertSafetensors *file, const char *name);

/* Writes every tensor as F32 under its layout name; see bert_safetensors_write. */
gboolean bert_weights_save(const BertParameters *weights, const char *file, GError **error);

G_END_DECLS

#endif
