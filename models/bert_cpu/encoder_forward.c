/* The encoder's forward pass. Between two attentions every row goes its own way, so a block of rows passes
 * through output projection, normalisation, feed-forward network and the next layer's projections in one
 * task, while it is in the cache. The hidden states are one matrix that each layer replaces row by row; what
 * backward needs is kept next to it. A layer whose inside was not kept goes through the same code again when
 * backward comes to it, with the same dropout masks, and so gives the same bits. */
#include "models/bert_cpu/network.h"
#include <string.h>

typedef struct {
  BertPass *pass;
  gint layer; /* first_layer - 1: what the first layer reads (the embeddings) and its projections */
} RowRun;

/* A thread's memory for one block of rows. */
typedef struct {
  float *gemm, *x, *between; /* x, between: rows x h */
  float *wide;               /* rows x max(f, 3h) */
  BertBf16 *bf16;            /* rows x max(f, 3h), with bf16 only */
  guint16 *bits;
} Scratch;

static gsize widest(const BertConfig *config)
{
  return MAX((gsize)config->intermediate_size, 3 * (gsize)config->hidden_size);
}

static gsize row_scratch(const BertNetwork *network)
{
  gsize h = network->config->hidden_size, wide = widest(network->config);
  gsize rows = bert_most_block_rows(network);
  return network->kernels->gemm_scratch + rows * (2 * h + wide + (network->rules.bf16 ? (wide + 1) / 2 : 0)) +
         (h + 2 * BERT_DROPOUT_GROUP) / 2 + 16;
}

static Scratch scratch_of(const BertPass *pass, guint thread)
{
  const BertNetwork *network = pass->network;
  gsize h = network->config->hidden_size, wide = widest(network->config);
  gsize rows = bert_most_block_rows(network);
  Scratch scratch = {.gemm = pass->scratch[thread]};
  scratch.x = scratch.gemm + network->kernels->gemm_scratch;
  scratch.between = scratch.x + rows * h;
  scratch.wide = scratch.between + rows * h;
  scratch.bf16 = (BertBf16 *)(gpointer)(scratch.wide + rows * wide);
  scratch.bits = network->rules.bf16 ? scratch.bf16 + rows * ((wide + 1) / 2 * 2) : scratch.bf16;
  return scratch;
}

static void embed(const BertPass *pass, guint first, guint last, guint16 *bits)
{
  const BertKernels *kernels = pass->network->kernels;
  const BertParameters *weights = pass->network->weights;
  const BertBatch *batch = pass->batch;
  gsize h = pass->network->config->hidden_size;
  float epsilon = (float)pass->network->config->layer_norm_epsilon, *output = pass->hidden_states;
  for (guint row = first; row < last; row++) {
    float *x = output + row * h;
    guint position = row - batch->text_start[batch->row_text[row]];
    const float *word = weights->word_embeddings + batch->ids[row] * h;
    const float *place = weights->position_embeddings + position * h;
    for (gsize i = 0; i < h; i++)
      x[i] = place[i] + weights->token_type_embeddings[i];
    float inverse = kernels->layer_norm(
        h, x, word, weights->embeddings_norm_weight, weights->embeddings_norm_bias, epsilon,
        pass->embeddings_normalised ? pass->embeddings_normalised + row * h : NULL, x);
    if (pass->embeddings_inverse)
      pass->embeddings_inverse[row] = inverse;
    if (pass->hidden_dropout.threshold > 0)
      bert_dropout_row(pass, BERT_LAYER_EMBEDDINGS, BERT_SITE_EMBEDDINGS, row, x, x, bits);
  }
}

/* Where the frozen layers were done before. */
static void copy_inputs(const BertPass *pass, guint first, guint last)
{
  const BertBatch *batch = pass->batch;
  gsize h = pass->network->config->hidden_size;
  for (guint row = first; row < last; row++) {
    guint text = batch->row_text[row];
    memcpy(pass->hidden_states + row * h, pass->text_inputs[text] + (row - batch->text_start[text]) * h,
           h * sizeof(float));
  }
}

static guint end_layer(const BertPass *pass)
{
  return pass->end_layer > 0 ? pass->end_layer : pass->network->config->n_layers;
}

/* x (rows first .. last-1; x begins at row `first`, as all here do) is dropped, added to the residual and
 * normalised into `output`. The three are apart, so that the loops vectorise. Returns the output as a product
 * takes it; with bf16 that is `rounded`, which may lie where x does, for a row takes less room than was read.
 */
static gconstpointer finish_rows(const BertPass *pass, gint layer, BertSite site, guint first, guint last,
                                 float *x, const float *residual, const float *weight, const float *bias,
                                 float *normalised, float *inverse, float *output, BertBf16 *rounded,
                                 guint16 *bits)
{
  const BertNetwork *network = pass->network;
  gsize h = network->config->hidden_size;
  float epsilon = (float)pass->network->config->layer_norm_epsilon;
  for (guint row = first; row < last; row++) {
    gsize offset = (row - first) * h;
    if (pass->hidden_dropout.threshold > 0)
      bert_dropout_row(pass, layer, site, row, x + offset, x + offset, bits);
    float scale = network->kernels->layer_norm(h, x + offset, residual + offset, weight, bias, epsilon,
                                               normalised ? normalised + offset : NULL, output + offset);
    if (inverse)
      inverse[row - first] = scale;
    if (network->rules.bf16)
      network->kernels->to_bf16(h, output + offset, rounded + offset);
  }
  return network->rules.bf16 ? (gconstpointer)rounded : output;
}

/* Query, key and value of a layer from its input's rows, stored numbers. */
static void project_rows(const BertPass *pass, gint layer, guint first, guint last, gconstpointer input,
                         const Scratch *scratch)
{
  const BertNetwork *network = pass->network;
  gsize h = network->config->hidden_size, n = last - first;
  bert_product_stored(&network->stored, n, 3 * h, h, input, network->layers[layer].query_key_value.forward,
                      pass->layers[layer].query_key_value, first * 3 * h,
                      network->weights->layers[layer].query_bias, scratch->wide, scratch->gemm);
}

/* The rows after the activation, as a product takes them. With bf16 the activation sees the rounded numbers,
 * which are all that backward will know, a row at a time in the nearest cache. */
static gconstpointer activate_rows(const BertPass *pass, gsize n, gconstpointer before,
                                   const Scratch *scratch)
{
  const BertKernels *kernels = pass->network->kernels;
  BertActivate activate = bert_activation(pass->network);
  gsize f = pass->network->config->intermediate_size;
  if (!pass->network->rules.bf16) {
    activate(n * f, before, scratch->wide, NULL);
    return scratch->wide;
  }
  for (gsize row = 0; row < n; row++) {
    kernels->from_bf16(f, (const BertBf16 *)before + row * f, scratch->wide);
    activate(f, scratch->wide, scratch->wide, NULL);
    kernels->to_bf16(f, scratch->wide, scratch->bf16 + row * f);
  }
  return scratch->bf16;
}

/* From the context to after the activation: scratch->between gets the rows after attention's LayerNorm. With
 * `keeps` the rows before the activation, stored numbers, are kept. Returns the rows after it as a product
 * takes them; without `activates` nothing of use. */
static gconstpointer inner_rows(const BertPass *pass, gint layer, guint first, guint last, const float *input,
                                gboolean keeps, gboolean activates, const Scratch *scratch)
{
  const BertNetwork *network = pass->network;
  const BertKernels *kernels = network->kernels;
  const BertLayer *weights = &network->weights->layers[layer];
  const BertPackedLayer *packed = &network->layers[layer];
  const BertLayerMemory *memory = &pass->layers[layer];
  gsize h = network->config->hidden_size, f = network->config->intermediate_size, n = last - first;
  bert_product(&network->stored, n, h, h, bert_stored(&network->stored, memory->context, first * h),
               packed->attention_output.forward, scratch->x, weights->attention_output_bias, FALSE,
               scratch->gemm);
  gconstpointer middle = finish_rows(pass, layer, BERT_SITE_ATTENTION_OUTPUT, first, last, scratch->x, input,
                                     weights->attention_norm_weight, weights->attention_norm_bias,
                                     keeps ? memory->attention_normalised + first * h : NULL,
                                     keeps ? memory->attention_inverse + first : NULL, scratch->between,
                                     (BertBf16 *)(gpointer)scratch->x, scratch->bits);
  gpointer before = keeps ? bert_stored(&network->stored, memory->intermediate, first * f) : NULL;
  if (network->rules.bf16 && kernels->gemm_bf16_rounded) {
    kernels->gemm_bf16_rounded(n, f, h, bert_bf16_rows(middle, h), packed->intermediate.forward,
                               weights->intermediate_bias, before,
                               activates ? bert_activation(network) : NULL, scratch->bf16, scratch->gemm);
    return scratch->bf16;
  }
  if (!before)
    before = network->rules.bf16 ? (gpointer)scratch->bf16 : scratch->wide;
  bert_product_stored(&network->stored, n, f, h, middle, packed->intermediate.forward, before, 0,
                      weights->intermediate_bias, scratch->wide, scratch->gemm);
  return activates ? activate_rows(pass, n, before, scratch) : NULL;
}

/* Returns the layer's output as a product takes it. */
static gconstpointer layer_rows(const BertPass *pass, gint layer, guint first, guint last,
                                const Scratch *scratch)
{
  const BertNetwork *network = pass->network;
  const BertLayer *weights = &network->weights->layers[layer];
  const BertLayerMemory *memory = &pass->layers[layer];
  gsize h = network->config->hidden_size, f = network->config->intermediate_size, n = last - first;
  float *states = pass->hidden_states + first * h;
  gconstpointer activated = inner_rows(pass, layer, first, last, states, memory->keeps, TRUE, scratch);
  bert_product(&network->stored, n, h, f, activated, network->layers[layer].output.forward, scratch->x,
               weights->output_bias, FALSE, scratch->gemm);
  return finish_rows(pass, layer, BERT_SITE_OUTPUT, first, last, scratch->x, scratch->between,
                     weights->output_norm_weight, weights->output_norm_bias,
                     memory->normalised ? memory->normalised + first * h : NULL,
                     memory->inverse ? memory->inverse + first : NULL, states, scratch->bf16, scratch->bits);
}

static void row_task(gpointer data, guint task, guint thread)
{
  const RowRun *run = data;
  const BertPass *pass = run->pass;
  const BertNetwork *network = pass->network;
  gsize h = network->config->hidden_size;
  Scratch scratch = scratch_of(pass, thread);
  guint first, last, next = (guint)(run->layer + 1);
  bert_row_block(pass->batch->n_rows, pass->n_row_blocks, task, &first, &last);
  const float *states = pass->hidden_states + first * h;
  gconstpointer stored = NULL;
  if (next > pass->first_layer)
    stored = layer_rows(pass, run->layer, first, last, &scratch);
  else if (next > 0)
    copy_inputs(pass, first, last);
  else
    embed(pass, first, last, scratch.bits);
  if (pass->lowest_input && (gint)next == MAX(network->rules.first_trained, 0))
    memcpy(pass->lowest_input + first * h, states, (last - first) * h * sizeof *states);
  if (next < end_layer(pass))
    project_rows(pass, (gint)next, first, last,
                 stored ? stored : bert_as_stored(&network->stored, (last - first) * h, states, scratch.bf16),
                 &scratch);
}

const float *bert_layer_input(const BertPass *pass, gint layer, guint first, guint last, float *spare)
{
  const BertNetwork *network = pass->network;
  gsize h = network->config->hidden_size;
  if (layer == MAX(network->rules.first_trained, 0))
    return pass->lowest_input + first * h;
  const BertLayer *below = &network->weights->layers[layer - 1];
  for (guint row = first; row < last; row++)
    network->kernels->affine(h, pass->layers[layer - 1].normalised + row * h, below->output_norm_weight,
                             below->output_norm_bias, spare + (row - first) * h);
  return spare;
}

static void project_again_task(gpointer data, guint task, guint thread)
{
  const RowRun *run = data;
  Scratch scratch = scratch_of(run->pass, thread);
  guint first, last;
  bert_row_block(run->pass->batch->n_rows, run->pass->n_row_blocks, task, &first, &last);
  const float *input = bert_layer_input(run->pass, run->layer, first, last, scratch.x);
  gsize n = (last - first) * run->pass->network->config->hidden_size;
  project_rows(run->pass, run->layer, first, last,
               bert_as_stored(&run->pass->network->stored, n, input, scratch.bf16), &scratch);
}

static void inner_again_task(gpointer data, guint task, guint thread)
{
  const RowRun *run = data;
  Scratch scratch = scratch_of(run->pass, thread);
  guint first, last;
  bert_row_block(run->pass->batch->n_rows, run->pass->n_row_blocks, task, &first, &last);
  const float *input = bert_layer_input(run->pass, run->layer, first, last, scratch.wide);
  inner_rows(run->pass, run->layer, first, last, input, TRUE, FALSE, &scratch);
}

void bert_encoder_recompute(BertPass *pass, gint layer)
{
  const BertLayerMemory *memory = &pass->layers[layer];
  BertPool *pool = pass->network->pool;
  bert_pass_scratch(pass, row_scratch(pass->network));
  bert_pool_run(pool, pass->n_row_blocks, project_again_task, &(RowRun){pass, layer});
  bert_attention_forward(pass, layer, memory->query_key_value, memory->context);
  bert_pool_run(pool, pass->n_row_blocks, inner_again_task, &(RowRun){pass, layer});
}

/* The inside of a layer. */
static void take_inside(BertPass *pass, BertLayerMemory *memory, gboolean for_backward)
{
  const BertNetwork *network = pass->network;
  BertWorkspace *workspace = pass->workspace;
  gsize rows = pass->batch->n_rows, h = network->config->hidden_size, f = network->config->intermediate_size;
  memory->query_key_value = bert_take_stored(&network->stored, workspace, rows * 3 * h);
  memory->context = bert_take_stored(&network->stored, workspace, rows * h);
  if (!for_backward)
    return;
  memory->attention_normalised = bert_take(workspace, float, rows *h);
  memory->attention_inverse = bert_take(workspace, float, rows);
  memory->intermediate = bert_take_stored(&network->stored, workspace, rows * f);
}

/* Memory of all layers: what is kept is each layer's own, the rest they share. */
static void take_memory(BertPass *pass)
{
  const BertNetwork *network = pass->network;
  BertWorkspace *workspace = pass->workspace;
  gsize rows = pass->batch->n_rows, h = network->config->hidden_size;
  gboolean recomputes = network->rules.recompute == BERT_RECOMPUTE_LAYER;
  gint first_trained = network->rules.first_trained;
  guint n_layers = network->config->n_layers;
  BertLayerMemory shared = {0};
  pass->layers = bert_take(workspace, BertLayerMemory, n_layers);
  pass->hidden_states = bert_take(workspace, float, rows *h);
  pass->embeddings_normalised = pass->embeddings_inverse = pass->lowest_input = NULL;
  if (pass->keeps && first_trained < (gint)n_layers)
    pass->lowest_input = bert_take(workspace, float, rows *h);
  if (pass->keeps && first_trained == BERT_LAYER_EMBEDDINGS) {
    pass->embeddings_normalised = bert_take(workspace, float, rows *h);
    pass->embeddings_inverse = bert_take(workspace, float, rows);
  }
  for (guint i = pass->first_layer; i < end_layer(pass); i++) {
    BertLayerMemory *memory = &pass->layers[i];
    gboolean trained = pass->keeps && (gint)i >= first_trained;
    *memory = (BertLayerMemory){.keeps = trained && !recomputes};
    if (memory->keeps) {
      take_inside(pass, memory, TRUE);
    } else {
      if (!shared.context)
        take_inside(pass, &shared, recomputes && pass->keeps && first_trained < (gint)n_layers);
      *memory = shared;
    }
    if (trained) {
      memory->normalised = bert_take(workspace, float, rows *h);
      memory->inverse = bert_take(workspace, float, rows);
    }
  }
}

void bert_encoder_forward(BertPass *pass)
{
  const BertNetwork *network = pass->network;
  pass->scratch = NULL;
  pass->scratch_size = 0;
  pass->n_row_blocks = bert_row_blocks(network, pass->batch->n_rows);
  take_memory(pass);
  bert_pass_scratch(pass, row_scratch(network));
  bert_pool_run(network->pool, pass->n_row_blocks, row_task, &(RowRun){pass, (gint)pass->first_layer - 1});
  for (guint i = pass->first_layer; i < end_layer(pass); i++) {
    const BertLayerMemory *memory = &pass->layers[i];
    bert_attention_forward(pass, (gint)i, memory->query_key_value, memory->context);
    bert_pool_run(network->pool, pass->n_row_blocks, row_task, &(RowRun){pass, (gint)i});
  }
}
