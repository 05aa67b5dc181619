/* The encoder's forward pass. Between two attentions every row goes its own
 * way, so a block of rows passes through output projection, normalisation, feed-forward
 * network and the next layer's projections in one task, while it is in the
 * cache. Layers that are kept for backward write into their memory, the others
 * into shared buffers, in place. */
#include "network.h"

typedef struct {
  BertPass *pass;
  gint layer; /* BERT_LAYER_EMBEDDINGS: the embeddings and the first projections */
} RowRun;

static void activate(const BertPass *pass, gsize n, const float *x, float *output, float *derivative)
{
  const BertKernels *kernels = pass->network->kernels;
  if (pass->network->config->activation == BERT_ACTIVATION_GELU)
    kernels->gelu(n, x, output, derivative);
  else
    kernels->gelu_tanh(n, x, output, derivative);
}

static void embed(const BertPass *pass, guint first, guint last, guint16 *bits)
{
  const BertKernels *kernels = pass->network->kernels;
  const BertParameters *weights = pass->network->weights;
  const BertBatch *batch = pass->batch;
  gsize h = pass->network->config->hidden_size;
  float epsilon = (float)pass->network->config->layer_norm_epsilon, *output = pass->layers[0].input;
  for (guint row = first; row < last; row++) {
    float *x = output + row * h;
    guint position = row - batch->text_start[batch->row_text[row]];
    const float *word = weights->word_embeddings + batch->ids[row] * h;
    const float *place = weights->position_embeddings + position * h;
    for (gsize i = 0; i < h; i++)
      x[i] = place[i] + weights->token_type_embeddings[i];
    float inverse =
        kernels->layer_norm(h, x, word, weights->embeddings_norm_weight, weights->embeddings_norm_bias, epsilon,
                            pass->embeddings_normalised ? pass->embeddings_normalised + row * h : NULL, x);
    if (pass->embeddings_inverse)
      pass->embeddings_inverse[row] = inverse;
    if (pass->hidden_dropout.threshold > 0)
      bert_dropout_row(pass, BERT_LAYER_EMBEDDINGS, BERT_SITE_EMBEDDINGS, row, x, x, bits);
  }
}

/* x (rows first .. last-1; x begins at row `first`) is dropped, added to the residual and normalised into `output`. */
static void finish_rows(const BertPass *pass, gint layer, BertSite site, guint first, guint last, float *x,
                        const float *residual, const float *weight, const float *bias, float *normalised,
                        float *inverse, float *output, guint16 *bits)
{
  gsize h = pass->network->config->hidden_size;
  float epsilon = (float)pass->network->config->layer_norm_epsilon;
  for (guint row = first; row < last; row++) {
    gsize offset = (row - first) * h;
    if (pass->hidden_dropout.threshold > 0)
      bert_dropout_row(pass, layer, site, row, x + offset, x + offset, bits);
    float scale = pass->network->kernels->layer_norm(h, x + offset, residual + offset, weight, bias, epsilon,
                                                     normalised ? normalised + offset : NULL, output + offset);
    if (inverse)
      inverse[row - first] = scale;
  }
}

static void layer_rows(const BertPass *pass, gint layer, guint first, guint last, float *scratch, guint16 *bits)
{
  const BertNetwork *network = pass->network;
  const BertKernels *kernels = network->kernels;
  const BertLayer *weights = &network->weights->layers[layer];
  const BertPackedLayer *packed = &network->layers[layer];
  const BertLayerMemory *memory = &pass->layers[layer];
  gsize h = network->config->hidden_size, f = network->config->intermediate_size, n = last - first;
  gboolean keeps = memory->activated != NULL;
  float *gemm = scratch, *x = gemm + kernels->gemm_scratch, *spare = x + n * h;
  float *attention_out = keeps ? memory->attention_out + first * h : spare;
  float *activated = keeps ? memory->activated + first * f : spare + n * h;
  float *derivative = keeps ? memory->derivative + first * f : NULL;
  float *before = keeps ? derivative : activated;
  const float *input = memory->input + first * h;
  float *output =
      (layer + 1 < (gint)network->config->n_layers ? pass->layers[layer + 1].input : pass->hidden_states) + first * h;

  kernels->gemm_packed(n, h, h, bert_rows(memory->context + first * h, h), packed->attention_output.forward, x, h,
                       weights->attention_output_bias, FALSE, gemm);
  finish_rows(pass, layer, BERT_SITE_ATTENTION_OUTPUT, first, last, x, input, weights->attention_norm_weight,
              weights->attention_norm_bias, keeps ? memory->attention_normalised + first * h : NULL,
              keeps ? memory->attention_inverse + first : NULL, attention_out, bits);
  kernels->gemm_packed(n, f, h, bert_rows(attention_out, h), packed->intermediate.forward, before, f,
                       weights->intermediate_bias, FALSE, gemm);
  activate(pass, n * f, before, activated, derivative);
  kernels->gemm_packed(n, h, f, bert_rows(activated, f), packed->output.forward, x, h, weights->output_bias, FALSE,
                       gemm);
  finish_rows(pass, layer, BERT_SITE_OUTPUT, first, last, x, attention_out, weights->output_norm_weight,
              weights->output_norm_bias, keeps ? memory->normalised + first * h : NULL,
              keeps ? memory->inverse + first : NULL, output, bits);
}

static gsize row_scratch(const BertPass *pass)
{
  gsize h = pass->network->config->hidden_size, f = pass->network->config->intermediate_size;
  gsize rows = BERT_ROW_UNIT * BERT_ROW_BLOCK_UNITS;
  return pass->network->kernels->gemm_scratch + rows * (2 * h + f) + (h + 2 * BERT_DROPOUT_GROUP) / 2 + 16;
}

static void row_task(gpointer data, guint task, guint thread)
{
  const RowRun *run = data;
  const BertPass *pass = run->pass;
  const BertNetwork *network = pass->network;
  gsize h = network->config->hidden_size, f = network->config->intermediate_size;
  float *scratch = pass->scratch[thread];
  guint16 *bits = (guint16 *)(gpointer)(scratch + network->kernels->gemm_scratch +
                                        (gsize)BERT_ROW_UNIT * BERT_ROW_BLOCK_UNITS * (2 * h + f));
  guint first, last, next = (guint)(run->layer + 1);
  bert_row_block(pass->batch->n_rows, pass->n_row_blocks, task, &first, &last);
  if (run->layer == BERT_LAYER_EMBEDDINGS)
    embed(pass, first, last, bits);
  else
    layer_rows(pass, run->layer, first, last, scratch, bits);
  if (next < network->config->n_layers) {
    const BertLayerMemory *memory = &pass->layers[next];
    network->kernels->gemm_packed(
        last - first, 3 * h, h, bert_rows(memory->input + first * h, h), network->layers[next].query_key_value.forward,
        memory->query_key_value + first * 3 * h, 3 * h, network->weights->layers[next].query_bias, FALSE, scratch);
  }
}

/* Memory of all layers: kept ones have their own, the others share. */
static void take_memory(BertPass *pass)
{
  const BertNetwork *network = pass->network;
  const BertBatch *batch = pass->batch;
  BertWorkspace *workspace = pass->workspace;
  gsize rows = batch->n_rows, h = network->config->hidden_size, f = network->config->intermediate_size;
  guint n_layers = network->config->n_layers;
  gsize n_probabilities = 0;
  pass->layers = bert_take(workspace, BertLayerMemory, n_layers);
  pass->probabilities_start = NULL;
  pass->embeddings_normalised = pass->embeddings_inverse = NULL;
  if (pass->keeps) {
    pass->probabilities_start = bert_take(workspace, gsize, batch->n_texts + 1);
    for (guint i = 0; i < batch->n_texts; i++) {
      gsize length = batch->text_start[i + 1] - batch->text_start[i];
      pass->probabilities_start[i] = n_probabilities;
      n_probabilities += network->config->n_heads * length * bert_padded((guint)length);
    }
    pass->probabilities_start[batch->n_texts] = n_probabilities;
    if (network->first_trained == BERT_LAYER_EMBEDDINGS) {
      pass->embeddings_normalised = bert_take(workspace, float, rows *h);
      pass->embeddings_inverse = bert_take(workspace, float, rows);
    }
  }
  float *input = bert_take(workspace, float, rows *h), *query_key_value = NULL, *context = NULL;
  for (guint i = 0; i < n_layers; i++) {
    BertLayerMemory *memory = &pass->layers[i];
    *memory = (BertLayerMemory){.input = input};
    if (pass->keeps && (gint)i >= network->first_trained) {
      memory->query_key_value = bert_take(workspace, float, rows * 3 * h);
      memory->probabilities = bert_take(workspace, float, n_probabilities);
      memory->context = bert_take(workspace, float, rows *h);
      memory->attention_normalised = bert_take(workspace, float, rows *h);
      memory->attention_inverse = bert_take(workspace, float, rows);
      memory->attention_out = bert_take(workspace, float, rows *h);
      memory->activated = bert_take(workspace, float, rows *f);
      memory->derivative = bert_take(workspace, float, rows *f);
      memory->normalised = bert_take(workspace, float, rows *h);
      memory->inverse = bert_take(workspace, float, rows);
      input = bert_take(workspace, float, rows *h);
    } else {
      if (!query_key_value) {
        query_key_value = bert_take(workspace, float, rows * 3 * h);
        context = bert_take(workspace, float, rows *h);
      }
      memory->query_key_value = query_key_value;
      memory->context = context;
    }
  }
  pass->hidden_states = input;
}

void bert_encoder_forward(BertPass *pass)
{
  const BertNetwork *network = pass->network;
  pass->scratch = NULL;
  pass->scratch_size = 0;
  pass->n_row_blocks = bert_row_blocks(network, pass->batch->n_rows);
  take_memory(pass);
  bert_pass_scratch(pass, row_scratch(pass));
  bert_pool_run(network->pool, pass->n_row_blocks, row_task, &(RowRun){pass, BERT_LAYER_EMBEDDINGS});
  for (guint i = 0; i < network->config->n_layers; i++) {
    BertLayerMemory *memory = &pass->layers[i];
    bert_attention_forward(pass, (gint)i, memory->query_key_value, memory->probabilities, memory->context);
    bert_pool_run(network->pool, pass->n_row_blocks, row_task, &(RowRun){pass, (gint)i});
  }
}
