/* Decides where each parameter tensor is in a block of floats, and makes blocks. A layout owns its names;
 * parameters own their block and borrow the layout. */
#include <string.h>

#include "models/bert/weights.h"

/* Every tensor, except the tails of the fused groups, starts on a cache line. */
#define ALIGNMENT_FLOATS 16

typedef struct {
  BertLayout layout;
  GArray *tensors; /* BertTensorInfo */
  GStringChunk *names;
  GHashTable *by_name; /* name → index + 1 */
} OwnedLayout;

/* `joined`: follows the tensor before it without a gap. */
static void add(OwnedLayout *owned, gint layer, gboolean joined, gboolean decays, guint rows, guint columns,
                const char *name)
{
  BertLayout *layout = &owned->layout;
  BertTensorInfo tensor = {.layer = layer, .decays = decays, .n_dimensions = columns == 0 ? 1 : 2};
  tensor.shape[0] = rows;
  tensor.shape[1] = columns == 0 ? 1 : columns;
  tensor.n_elements = (gsize)rows * (columns == 0 ? 1 : columns);
  if (!joined)
    layout->n_floats = (layout->n_floats + ALIGNMENT_FLOATS - 1) / ALIGNMENT_FLOATS * ALIGNMENT_FLOATS;
  tensor.offset = layout->n_floats;
  char *full_name = layer < 0 || layer == (gint)layout->config.n_layers
                        ? g_strdup(name)
                        : g_strdup_printf("bert.encoder.layer.%d.%s", layer, name);
  tensor.name = g_string_chunk_insert(owned->names, full_name);
  g_free(full_name);
  layout->n_floats += tensor.n_elements;
  layout->n_parameters += tensor.n_elements;
  g_array_append_val(owned->tensors, tensor);
  g_hash_table_insert(owned->by_name, (gpointer)tensor.name, GUINT_TO_POINTER(owned->tensors->len));
}

static void add_embeddings(OwnedLayout *owned)
{
  const BertConfig *config = &owned->layout.config;
  guint h = config->hidden_size;
  gint layer = BERT_LAYER_EMBEDDINGS;
  add(owned, layer, FALSE, TRUE, config->vocabulary_size, h, "bert.embeddings.word_embeddings.weight");
  add(owned, layer, FALSE, TRUE, config->max_positions, h, "bert.embeddings.position_embeddings.weight");
  add(owned, layer, FALSE, TRUE, config->n_token_types, h, "bert.embeddings.token_type_embeddings.weight");
  add(owned, layer, FALSE, FALSE, h, 0, "bert.embeddings.LayerNorm.weight");
  add(owned, layer, FALSE, FALSE, h, 0, "bert.embeddings.LayerNorm.bias");
}

static void add_layer(OwnedLayout *owned, gint layer)
{
  guint h = owned->layout.config.hidden_size, f = owned->layout.config.intermediate_size;
  add(owned, layer, FALSE, TRUE, h, h, "attention.self.query.weight");
  add(owned, layer, TRUE, TRUE, h, h, "attention.self.key.weight");
  add(owned, layer, TRUE, TRUE, h, h, "attention.self.value.weight");
  add(owned, layer, FALSE, FALSE, h, 0, "attention.self.query.bias");
  add(owned, layer, TRUE, FALSE, h, 0, "attention.self.key.bias");
  add(owned, layer, TRUE, FALSE, h, 0, "attention.self.value.bias");
  add(owned, layer, FALSE, TRUE, h, h, "attention.output.dense.weight");
  add(owned, layer, FALSE, FALSE, h, 0, "attention.output.dense.bias");
  add(owned, layer, FALSE, FALSE, h, 0, "attention.output.LayerNorm.weight");
  add(owned, layer, FALSE, FALSE, h, 0, "attention.output.LayerNorm.bias");
  add(owned, layer, FALSE, TRUE, f, h, "intermediate.dense.weight");
  add(owned, layer, FALSE, FALSE, f, 0, "intermediate.dense.bias");
  add(owned, layer, FALSE, TRUE, h, f, "output.dense.weight");
  add(owned, layer, FALSE, FALSE, h, 0, "output.dense.bias");
  add(owned, layer, FALSE, FALSE, h, 0, "output.LayerNorm.weight");
  add(owned, layer, FALSE, FALSE, h, 0, "output.LayerNorm.bias");
}

static void add_head(OwnedLayout *owned)
{
  guint h = owned->layout.config.hidden_size;
  gint layer = (gint)owned->layout.config.n_layers;
  add(owned, layer, FALSE, TRUE, 1, h, "attn.input_linear.weight");
  add(owned, layer, FALSE, TRUE, 1, h, "attn.memory_linear.weight");
  add(owned, layer, FALSE, TRUE, h, 0, "attn.dot_scale");
  add(owned, layer, FALSE, TRUE, h, 4 * h, "linear_1.weight");
  add(owned, layer, FALSE, FALSE, h, 0, "linear_1.bias");
  add(owned, layer, FALSE, TRUE, 1, h, "linear_2.weight");
  add(owned, layer, FALSE, FALSE, 1, 0, "linear_2.bias");
  add(owned, layer, FALSE, TRUE, BERT_VALUE_HIDDEN, h, "linear_3.0.weight");
  add(owned, layer, FALSE, FALSE, BERT_VALUE_HIDDEN, 0, "linear_3.0.bias");
  add(owned, layer, FALSE, TRUE, 1, BERT_VALUE_HIDDEN, "linear_3.2.weight");
  add(owned, layer, FALSE, FALSE, 1, 0, "linear_3.2.bias");
}

BertLayout *bert_layout_new(const BertConfig *config)
{
  OwnedLayout *owned = g_new0(OwnedLayout, 1);
  owned->tensors = g_array_new(FALSE, FALSE, sizeof(BertTensorInfo));
  owned->names = g_string_chunk_new(4096);
  owned->by_name = g_hash_table_new(g_str_hash, g_str_equal);
  owned->layout.config = *config;
  add_embeddings(owned);
  for (guint layer = 0; layer < config->n_layers; layer++)
    add_layer(owned, (gint)layer);
  add_head(owned);
  BertLayout *layout = &owned->layout;
  layout->n_floats = (layout->n_floats + ALIGNMENT_FLOATS - 1) / ALIGNMENT_FLOATS * ALIGNMENT_FLOATS;
  layout->n_tensors = owned->tensors->len;
  layout->tensors = (const BertTensorInfo *)(gpointer)owned->tensors->data;
  return layout;
}

void bert_layout_free(BertLayout *layout)
{
  if (!layout)
    return;
  OwnedLayout *owned = (OwnedLayout *)layout;
  g_hash_table_destroy(owned->by_name);
  g_string_chunk_free(owned->names);
  g_array_free(owned->tensors, TRUE);
  g_free(owned);
}

gint bert_layout_find(const BertLayout *layout, const char *name)
{
  const OwnedLayout *owned = (const OwnedLayout *)layout;
  return (gint)GPOINTER_TO_UINT(g_hash_table_lookup(owned->by_name, name)) - 1;
}

/* Hands out the tensors of a block in layout order. */
typedef struct {
  const BertLayout *layout;
  float *block;
  guint next;
} Cursor;

static float *take(Cursor *cursor)
{
  return cursor->block + cursor->layout->tensors[cursor->next++].offset;
}

/* In the order of add_embeddings, add_layer and add_head. */
static void set_pointers(BertParameters *parameters)
{
  Cursor cursor = {.layout = parameters->layout, .block = parameters->block};
  parameters->word_embeddings = take(&cursor);
  parameters->position_embeddings = take(&cursor);
  parameters->token_type_embeddings = take(&cursor);
  parameters->embeddings_norm_weight = take(&cursor);
  parameters->embeddings_norm_bias = take(&cursor);
  for (guint i = 0; i < parameters->layout->config.n_layers; i++) {
    BertLayer *layer = &parameters->layers[i];
    layer->query_weight = take(&cursor);
    layer->key_weight = take(&cursor);
    layer->value_weight = take(&cursor);
    layer->query_bias = take(&cursor);
    layer->key_bias = take(&cursor);
    layer->value_bias = take(&cursor);
    layer->attention_output_weight = take(&cursor);
    layer->attention_output_bias = take(&cursor);
    layer->attention_norm_weight = take(&cursor);
    layer->attention_norm_bias = take(&cursor);
    layer->intermediate_weight = take(&cursor);
    layer->intermediate_bias = take(&cursor);
    layer->output_weight = take(&cursor);
    layer->output_bias = take(&cursor);
    layer->output_norm_weight = take(&cursor);
    layer->output_norm_bias = take(&cursor);
  }
  parameters->attention_input_weight = take(&cursor);
  parameters->attention_memory_weight = take(&cursor);
  parameters->attention_dot_scale = take(&cursor);
  parameters->linear_1_weight = take(&cursor);
  parameters->linear_1_bias = take(&cursor);
  parameters->linear_2_weight = take(&cursor);
  parameters->linear_2_bias = take(&cursor);
  parameters->value_hidden_weight = take(&cursor);
  parameters->value_hidden_bias = take(&cursor);
  parameters->value_output_weight = take(&cursor);
  parameters->value_output_bias = take(&cursor);
}

BertParameters *bert_parameters_new(const BertLayout *layout)
{
  BertParameters *parameters = g_new0(BertParameters, 1);
  parameters->layout = layout;
  /* Zeros from the system cost no memory until they are written: gradients and moments of frozen tensors
   * never are. */
  parameters->allocated = g_new0(float, layout->n_floats + ALIGNMENT_FLOATS);
  gsize misplaced = (guintptr)parameters->allocated / sizeof(float) % ALIGNMENT_FLOATS;
  parameters->block = parameters->allocated + (ALIGNMENT_FLOATS - misplaced) % ALIGNMENT_FLOATS;
  parameters->layers = g_new0(BertLayer, layout->config.n_layers);
  set_pointers(parameters);
  return parameters;
}

void bert_parameters_free(BertParameters *parameters)
{
  if (!parameters)
    return;
  g_free(parameters->allocated);
  g_free(parameters->layers);
  g_free(parameters);
}

BertParameters *bert_parameters_copy(const BertParameters *parameters)
{
  BertParameters *copy = bert_parameters_new(parameters->layout);
  memcpy(copy->block, parameters->block, parameters->layout->n_floats * sizeof(float));
  return copy;
}
