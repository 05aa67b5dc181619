/* Reads and writes config.json. HuggingFace's file has many more keys than the shape of the encoder needs;
 * those that would change the computation if they had another value are checked, the rest is ignored. Nothing
 * here keeps state: the caller owns the BertConfig. */
#include "models/bert/config.h"

#include <jansson.h>
#include <string.h>

#include <cartwright/error.h>

#include "models/bert/file.h"

/* What is known while a config.json is read. */
typedef struct {
  const char *file;
  json_t *root;
  GError **error;
} ConfigReader;

static const char *json_type_name(const json_t *value)
{
  switch (json_typeof(value)) {
  case JSON_OBJECT:
    return "an object";
  case JSON_ARRAY:
    return "a list";
  case JSON_STRING:
    return "a string";
  case JSON_INTEGER:
    return "an integer";
  case JSON_REAL:
    return "a number";
  case JSON_NULL:
    return "null";
  default:
    return "a boolean";
  }
}

/* The value of `key`; NULL with error if it is missing. */
static const json_t *required(const ConfigReader *reader, const char *key)
{
  const json_t *value = json_object_get(reader->root, key);
  if (!value) {
    g_set_error(reader->error, CW_POLICY_ERROR, CW_ERROR_FORMAT,
                "%s: key '%s' is missing; a HuggingFace BERT configuration has it", reader->file, key);
  }
  return value;
}

static gboolean read_size(const ConfigReader *reader, const char *key, guint *out)
{
  const json_t *value = required(reader, key);
  if (!value)
    return FALSE;
  if (!json_is_integer(value))
    return bert_fail(reader->error, CW_ERROR_FORMAT, "%s: key '%s': expected an integer, found %s",
                     reader->file, key, json_type_name(value));
  /* The limit keeps every product of two sizes far from overflowing. */
  json_int_t size = json_integer_value(value);
  if (size < 1 || size > (1 << 24))
    return bert_fail(reader->error, CW_ERROR_FORMAT,
                     "%s: key '%s': expected an integer from 1 to %d, found %" JSON_INTEGER_FORMAT,
                     reader->file, key, 1 << 24, size);
  *out = (guint)size;
  return TRUE;
}

/* A number in [0, 1), and above 0 if `positive`; leaves *out alone if the key is missing. */
static gboolean read_fraction(const ConfigReader *reader, const char *key, gboolean positive, double *out)
{
  const json_t *value = json_object_get(reader->root, key);
  if (!value)
    return TRUE;
  if (!json_is_number(value))
    return bert_fail(reader->error, CW_ERROR_FORMAT, "%s: key '%s': expected a number, found %s",
                     reader->file, key, json_type_name(value));
  double number = json_number_value(value);
  if (!(number >= 0.0 && number < 1.0) || (positive && number <= 0.0))
    return bert_fail(reader->error, CW_ERROR_FORMAT,
                     "%s: key '%s': expected a number %s and below 1, found %g", reader->file, key,
                     positive ? "above 0" : "from 0", number);
  *out = number;
  return TRUE;
}

/* A string with default; NULL with error if it is of another type. */
static const char *read_word(const ConfigReader *reader, const char *key, const char *value_if_missing)
{
  const json_t *value = json_object_get(reader->root, key);
  if (!value)
    return value_if_missing;
  if (!json_is_string(value)) {
    g_set_error(reader->error, CW_POLICY_ERROR, CW_ERROR_FORMAT, "%s: key '%s': expected a string, found %s",
                reader->file, key, json_type_name(value));
    return NULL;
  }
  return json_string_value(value);
}

static gboolean read_activation(const ConfigReader *reader, BertActivation *activation)
{
  if (!required(reader, "hidden_act"))
    return FALSE;
  const char *name = read_word(reader, "hidden_act", NULL);
  if (!name)
    return FALSE;
  if (strcmp(name, "gelu") == 0) {
    *activation = BERT_ACTIVATION_GELU;
  } else if (strcmp(name, "gelu_new") == 0 || strcmp(name, "gelu_pytorch_tanh") == 0) {
    *activation = BERT_ACTIVATION_GELU_NEW;
  } else {
    return bert_fail(
        reader->error, CW_ERROR_UNSUPPORTED,
        "%s: key 'hidden_act': activation '%s' is not supported; use a model with gelu, gelu_new or "
        "gelu_pytorch_tanh",
        reader->file, name);
  }
  return TRUE;
}

/* Fails unless `key` is missing or has the one value that is implemented. */
static gboolean require_word(const ConfigReader *reader, const char *key, const char *supported)
{
  const char *word = read_word(reader, key, supported);
  if (!word)
    return FALSE;
  if (strcmp(word, supported) != 0)
    return bert_fail(reader->error, CW_ERROR_UNSUPPORTED,
                     "%s: key '%s': '%s' is not supported; use a model with '%s'", reader->file, key, word,
                     supported);
  return TRUE;
}

/* A config.json of 2019 has no model_type; its architectures then say what it is. */
static gboolean check_architecture(const ConfigReader *reader)
{
  const json_t *architecture = json_array_get(json_object_get(reader->root, "architectures"), 0);
  const char *name = json_string_value(architecture);
  if (json_object_get(reader->root, "model_type"))
    return require_word(reader, "model_type", "bert");
  if (!name || g_str_has_prefix(name, "Bert"))
    return TRUE;
  return bert_fail(reader->error, CW_ERROR_UNSUPPORTED,
                   "%s: key 'architectures': '%s' is not supported; use a model of BERT's architecture",
                   reader->file, name);
}

/* An encoder that sees to both sides, and nothing else. */
static gboolean require_false(const ConfigReader *reader, const char *key)
{
  if (!json_is_true(json_object_get(reader->root, key)))
    return TRUE;
  return bert_fail(reader->error, CW_ERROR_UNSUPPORTED,
                   "%s: key '%s': true is not supported; use a model that is an encoder", reader->file, key);
}

static gboolean read_keys(const ConfigReader *reader, BertConfig *config)
{
  if (!check_architecture(reader) || !require_false(reader, "is_decoder") ||
      !require_false(reader, "add_cross_attention") ||
      !require_word(reader, "position_embedding_type", "absolute") ||
      !read_size(reader, "vocab_size", &config->vocabulary_size) ||
      !read_size(reader, "hidden_size", &config->hidden_size) ||
      !read_size(reader, "num_hidden_layers", &config->n_layers) ||
      !read_size(reader, "num_attention_heads", &config->n_heads) ||
      !read_size(reader, "intermediate_size", &config->intermediate_size) ||
      !read_size(reader, "max_position_embeddings", &config->max_positions) ||
      (json_object_get(reader->root, "type_vocab_size") &&
       !read_size(reader, "type_vocab_size", &config->n_token_types)) ||
      !read_fraction(reader, "layer_norm_eps", TRUE, &config->layer_norm_epsilon) ||
      !read_activation(reader, &config->activation) ||
      !read_fraction(reader, "hidden_dropout_prob", FALSE, &config->hidden_dropout) ||
      !read_fraction(reader, "attention_probs_dropout_prob", FALSE, &config->attention_dropout))
    return FALSE;
  if (config->hidden_size % config->n_heads != 0)
    return bert_fail(reader->error, CW_ERROR_FORMAT,
                     "%s: key 'hidden_size': %u is not a multiple of num_attention_heads, which is %u",
                     reader->file, config->hidden_size, config->n_heads);
  if (config->max_positions < 3)
    return bert_fail(
        reader->error, CW_ERROR_FORMAT,
        "%s: key 'max_position_embeddings': expected at least 3 ([CLS], one token, [SEP]), found %u",
        reader->file, config->max_positions);
  return TRUE;
}

gboolean bert_config_read(const char *file, BertConfig *config, GError **error)
{
  ConfigReader reader = {.file = file, .error = error};
  reader.root = bert_file_read_json(file, FALSE, error);
  if (!reader.root)
    return FALSE;
  BertConfig read = {
      .n_token_types = 2, .layer_norm_epsilon = 1e-12, .hidden_dropout = 0.1, .attention_dropout = 0.1};
  gboolean ok = read_keys(&reader, &read);
  if (ok)
    *config = read;
  json_decref(reader.root);
  return ok;
}

const char *bert_activation_name(BertActivation activation)
{
  return activation == BERT_ACTIVATION_GELU_NEW ? "gelu_new" : "gelu";
}

gboolean bert_config_write(const BertConfig *config, const char *file, GError **error)
{
  json_t *root = json_pack(
      "{s:[s], s:f, s:s, s:f, s:i, s:f, s:i, s:s, s:i, s:i, s:i, s:s, s:i, s:i}", "architectures",
      "BertModel", "attention_probs_dropout_prob", config->attention_dropout, "hidden_act",
      bert_activation_name(config->activation), "hidden_dropout_prob", config->hidden_dropout,
      "intermediate_size", (int)config->intermediate_size, "layer_norm_eps", config->layer_norm_epsilon,
      "max_position_embeddings", (int)config->max_positions, "model_type", "bert", "num_attention_heads",
      (int)config->n_heads, "num_hidden_layers", (int)config->n_layers, "hidden_size",
      (int)config->hidden_size, "position_embedding_type", "absolute", "type_vocab_size",
      (int)config->n_token_types, "vocab_size", (int)config->vocabulary_size);
  char *text = json_dumps(root, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_REAL_PRECISION(15));
  json_decref(root);
  char *line = g_strconcat(text, "\n", NULL);
  free(text);
  gboolean ok = bert_file_write(file, line, strlen(line), error);
  g_free(line);
  return ok;
}
