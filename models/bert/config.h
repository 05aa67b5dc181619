/* The shape of a BERT encoder, as HuggingFace's config.json describes it. */
#ifndef BERT_CONFIG_H
#define BERT_CONFIG_H

#include <glib.h>

G_BEGIN_DECLS

/* The feed-forward layer's activation. */
typedef enum {
  BERT_ACTIVATION_GELU,    /* "gelu": x/2 (1 + erf(x / sqrt 2)) */
  BERT_ACTIVATION_GELU_NEW /* "gelu_new" and "gelu_pytorch_tanh": x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715
                              x^3))) */
} BertActivation;

/* All sizes are at least 1 and hidden_size is a multiple of n_heads. In brackets: the key in config.json. */
typedef struct BertConfig {
  guint vocabulary_size;     /* rows of the word embedding [vocab_size] */
  guint hidden_size;         /* [hidden_size] */
  guint n_layers;            /* [num_hidden_layers] */
  guint n_heads;             /* [num_attention_heads] */
  guint intermediate_size;   /* width of the feed-forward layer [intermediate_size] */
  guint max_positions;       /* longest text in tokens, CLS and SEP included [max_position_embeddings] */
  guint n_token_types;       /* [type_vocab_size]; every text here uses type 0 */
  double layer_norm_epsilon; /* [layer_norm_eps] */
  BertActivation activation; /* [hidden_act] */
  double hidden_dropout;     /* probability in [0, 1) [hidden_dropout_prob] */
  double attention_dropout;  /* probability in [0, 1) [attention_probs_dropout_prob] */
} BertConfig;

/* Reads `file`. type_vocab_size, layer_norm_eps and the two dropout probabilities may be missing (2, 1e-12,
 * 0.1, 0.1, as in HuggingFace), the other keys above may not. model_type other than "bert" and
 * position_embedding_type other than "absolute" are CW_ERROR_UNSUPPORTED; any other key is ignored. Errors
 * are in CW_POLICY_ERROR and name the file and the key; *config is written only on success. */
gboolean bert_config_read(const char *file, BertConfig *config, GError **error);

/* Writes `config` as a config.json that bert_config_read and HuggingFace read; equal configurations give
 * equal bytes. The file appears whole or not at all. */
gboolean bert_config_write(const BertConfig *config, const char *file, GError **error);

/* "gelu" or "gelu_new". */
const char *bert_activation_name(BertActivation activation);

G_END_DECLS

#endif
