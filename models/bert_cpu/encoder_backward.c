/* The encoder's backward pass. Going down, a block of rows passes from the projections of the layer above
 * through the feed-forward network to the attention's context in one task; attention's own gradient follows
 * per text and head, and then all weight gradients of the layer at once. What is cheap to make again is made
 * again: dropout masks, activations, the inputs that LayerNorms gave. */
#include "models/bert_cpu/network.h"
#include <string.h>

/* Buffers of one layer, used again for the next one down. Gradients that products read are stored numbers. */
typedef struct {
  BertPass *pass;
  BertParameters *gradient;
  gint layer;
  gboolean top;            /* the layer above is the head: d_output is d_hidden_states */
  float *d_hidden;         /* T x h: gradient of the residual stream */
  gpointer d_projections;  /* T x 3h: query, key and value of the layer above, then of this one */
  gpointer d_output;       /* T x h: of linear layer `output`, after dropout */
  gpointer d_intermediate; /* T x f: before the activation */
  gpointer d_attention;    /* T x h: of attention.output.dense, after dropout */
  gpointer d_context;      /* T x h */
  gpointer input, attention_out, activated; /* T x h, T x h, T x f: what the weights were multiplied with */
  float *partials; /* units x 4h: output_norm weight, bias, attention_norm weight, bias */
} BackwardRun;

/* A thread's memory: products, rows x f, four rows of max(f, h), dropout bits. */
typedef struct {
  float *gemm, *wide, *row1, *row2, *row3, *row4;
  guint16 *bits;
} Scratch;

static gsize longest_row(const BertConfig *config)
{
  return MAX((gsize)config->intermediate_size, (gsize)config->hidden_size);
}

static gsize row_scratch(const BertPass *pass)
{
  const BertConfig *config = pass->network->config;
  gsize rows = bert_most_block_rows(pass->network);
  return pass->network->kernels->gemm_scratch + (rows + 4) * longest_row(config) +
         (config->hidden_size + 2 * BERT_DROPOUT_GROUP) / 2 + 16;
}

static Scratch scratch_of(const BertPass *pass, guint thread)
{
  gsize rows = bert_most_block_rows(pass->network), longest = longest_row(pass->network->config);
  Scratch scratch = {.gemm = pass->scratch[thread]};
  scratch.wide = scratch.gemm + pass->network->kernels->gemm_scratch;
  scratch.row1 = scratch.wide + rows * longest;
  scratch.row2 = scratch.row1 + longest;
  scratch.row3 = scratch.row2 + longest;
  scratch.row4 = scratch.row3 + longest;
  scratch.bits = (guint16 *)(gpointer)(scratch.row4 + longest);
  return scratch;
}

/* d (rows first .. last-1 of h; begins at `first`) through a LayerNorm, in place; sums go to the rows' units.
 */
static void norm_rows(const BackwardRun *run, guint first, guint last, float *d, const float *normalised,
                      const float *inverse, const float *weight, gsize part)
{
  gsize h = run->pass->network->config->hidden_size;
  for (guint row = first; row < last; row++) {
    float *sums = run->partials + (gsize)(row / BERT_ROW_UNIT) * 4 * h + part * h;
    float *d_row = d + (row - first) * h;
    run->pass->network->kernels->layer_norm_backward(h, d_row, normalised + row * h, weight, inverse[row],
                                                     d_row, sums, sums + h);
  }
}

/* stored = d_hidden, dropped again where forward dropped. */
static void drop_rows(const BackwardRun *run, BertSite site, guint first, guint last, gpointer stored,
                      const Scratch *scratch)
{
  const BertNetwork *network = run->pass->network;
  gsize h = network->config->hidden_size;
  for (guint row = first; row < last; row++) {
    const float *x = run->d_hidden + row * h;
    float *to = bert_open_stored(&network->stored, stored, row * h, scratch->row1);
    if (run->pass->hidden_dropout.threshold > 0)
      bert_dropout_row(run->pass, run->layer, site, row, x, to, scratch->bits);
    else
      memcpy(to, x, h * sizeof *x);
    bert_store(&network->stored, h, to, stored, row * h);
  }
}

/* d_hidden += d_projections W of the layer above this row block. */
static void from_projections(const BackwardRun *run, gint layer, guint first, guint last, float *gemm)
{
  const BertNetwork *network = run->pass->network;
  gsize h = network->config->hidden_size;
  bert_product(&network->stored, last - first, h, 3 * h,
               bert_stored(&network->stored, run->d_projections, first * 3 * h),
               network->layers[layer].query_key_value.backward, run->d_hidden + first * h, NULL, TRUE, gemm);
}

/* The activation again, and wide (the gradient after it; begins at `first`) through its derivative. */
static void activation_rows(const BackwardRun *run, guint first, guint last, const Scratch *scratch)
{
  const BertNetwork *network = run->pass->network;
  const BertKernels *kernels = network->kernels;
  gsize f = network->config->intermediate_size;
  BertActivate activate = bert_activation(network);
  const BertLayerMemory *memory = &run->pass->layers[run->layer];
  for (guint row = first; row < last; row++) {
    gsize at = row * f;
    const float *x = bert_read_stored(&network->stored, f, memory->intermediate, at, scratch->row1);
    float *output = bert_open_stored(&network->stored, run->activated, at, scratch->row2);
    float *d_x = bert_open_stored(&network->stored, run->d_intermediate, at, scratch->row3);
    activate(f, x, output, scratch->row4);
    kernels->multiply(f, scratch->wide + (row - first) * f, scratch->row4, d_x);
    bert_store(&network->stored, f, output, run->activated, at);
    bert_store(&network->stored, f, d_x, run->d_intermediate, at);
  }
}

/* What the layer's weights were multiplied with, for their gradients. */
static void operand_rows(const BackwardRun *run, guint first, guint last, const Scratch *scratch)
{
  const BertPass *pass = run->pass;
  const BertNetwork *network = pass->network;
  const BertLayer *weights = &network->weights->layers[run->layer];
  const BertLayerMemory *memory = &pass->layers[run->layer];
  gsize h = network->config->hidden_size;
  for (guint row = first; row < last; row++) {
    gsize at = row * h;
    float *x = bert_open_stored(&network->stored, run->attention_out, at, scratch->row1);
    network->kernels->affine(h, memory->attention_normalised + at, weights->attention_norm_weight,
                             weights->attention_norm_bias, x);
    bert_store(&network->stored, h, x, run->attention_out, at);
    x = bert_open_stored(&network->stored, run->input, at, scratch->row1);
    const float *input = bert_layer_input(pass, run->layer, row, row + 1, x);
    if (input != x)
      memcpy(x, input, h * sizeof *x);
    bert_store(&network->stored, h, x, run->input, at);
  }
}

static void layer_task(gpointer data, guint task, guint thread)
{
  const BackwardRun *run = data;
  const BertPass *pass = run->pass;
  const BertNetwork *network = pass->network;
  const BertLayer *weights = &network->weights->layers[run->layer];
  const BertPackedLayer *packed = &network->layers[run->layer];
  const BertLayerMemory *memory = &pass->layers[run->layer];
  gsize h = network->config->hidden_size, f = network->config->intermediate_size;
  Scratch scratch = scratch_of(pass, thread);
  guint first, last;
  bert_row_block(pass->batch->n_rows, pass->n_row_blocks, task, &first, &last);
  gsize n = last - first;
  float *d_hidden = run->d_hidden + first * h;

  for (guint unit = first / BERT_ROW_UNIT; unit < bert_row_units(last); unit++)
    memset(run->partials + unit * 4 * h, 0, 4 * h * sizeof(float));
  if (!run->top)
    from_projections(run, run->layer + 1, first, last, scratch.gemm);
  norm_rows(run, first, last, d_hidden, memory->normalised, memory->inverse, weights->output_norm_weight, 0);
  drop_rows(run, BERT_SITE_OUTPUT, first, last, run->d_output, &scratch);
  bert_product(&network->stored, n, f, h, bert_stored(&network->stored, run->d_output, first * h),
               packed->output.backward, scratch.wide, NULL, FALSE, scratch.gemm);
  activation_rows(run, first, last, &scratch);
  bert_product(&network->stored, n, h, f, bert_stored(&network->stored, run->d_intermediate, first * f),
               packed->intermediate.backward, d_hidden, NULL, TRUE, scratch.gemm);
  norm_rows(run, first, last, d_hidden, memory->attention_normalised, memory->attention_inverse,
            weights->attention_norm_weight, 2);
  drop_rows(run, BERT_SITE_ATTENTION_OUTPUT, first, last, run->d_attention, &scratch);
  bert_product_stored(&network->stored, n, h, h, bert_stored(&network->stored, run->d_attention, first * h),
                      packed->attention_output.backward, run->d_context, first * h, NULL, scratch.wide,
                      scratch.gemm);
  operand_rows(run, first, last, &scratch);
}

static void layer_gradients(BackwardRun *run)
{
  BertPass *pass = run->pass;
  const BertLayerMemory *memory = &pass->layers[run->layer];
  const BertLayer *gradient = &run->gradient->layers[run->layer];
  gboolean bf16 = pass->network->rules.bf16;
  guint rows = pass->batch->n_rows, h = pass->network->config->hidden_size,
        f = pass->network->config->intermediate_size;
  BertWeightProduct products[] = {
      {rows, h, f, run->d_output, h, run->activated, f, gradient->output_weight, gradient->output_bias, bf16},
      {rows, f, h, run->d_intermediate, f, run->attention_out, h, gradient->intermediate_weight,
       gradient->intermediate_bias, bf16},
      {rows, 3 * h, h, run->d_projections, 3 * h, run->input, h, gradient->query_weight, gradient->query_bias,
       bf16},
      {rows, h, h, run->d_attention, h, memory->context, h, gradient->attention_output_weight,
       gradient->attention_output_bias, bf16}};
  bert_weight_products(pass, products, G_N_ELEMENTS(products));
  guint n_units = bert_row_units(rows);
  float *const sums[] = {gradient->output_norm_weight, gradient->output_norm_bias,
                         gradient->attention_norm_weight, gradient->attention_norm_bias};
  for (guint i = 0; i < G_N_ELEMENTS(sums); i++)
    bert_add_partials(pass->network, n_units, 4 * (gsize)h, run->partials + i * h, h, sums[i]);
}

static void embeddings_task(gpointer data, guint task, guint thread)
{
  const BackwardRun *run = data;
  const BertPass *pass = run->pass;
  const BertNetwork *network = pass->network;
  gsize h = network->config->hidden_size;
  Scratch scratch = scratch_of(pass, thread);
  guint first, last;
  bert_row_block(pass->batch->n_rows, pass->n_row_blocks, task, &first, &last);
  for (guint unit = first / BERT_ROW_UNIT; unit < bert_row_units(last); unit++)
    memset(run->partials + unit * 4 * h, 0, 4 * h * sizeof(float));
  if (!run->top)
    from_projections(run, 0, first, last, scratch.gemm);
  for (guint row = first; pass->hidden_dropout.threshold > 0 && row < last; row++)
    bert_dropout_row(pass, BERT_LAYER_EMBEDDINGS, BERT_SITE_EMBEDDINGS, row, run->d_hidden + row * h,
                     run->d_hidden + row * h, scratch.bits);
  norm_rows(run, first, last, run->d_hidden + first * h, pass->embeddings_normalised,
            pass->embeddings_inverse, network->weights->embeddings_norm_weight, 0);
}

/* Tasks that share the rows of the embedding tables: a table row belongs to one of them, and batch rows are
 * added in order. */
#define SCATTER_TASKS 16

static void scatter_task(gpointer data, guint task, guint thread G_GNUC_UNUSED)
{
  const BackwardRun *run = data;
  const BertBatch *batch = run->pass->batch;
  const BertKernels *kernels = run->pass->network->kernels;
  gsize h = run->pass->network->config->hidden_size;
  for (guint row = 0; row < batch->n_rows; row++) {
    const float *d = run->d_hidden + row * h;
    guint position = row - batch->text_start[batch->row_text[row]];
    if (batch->ids[row] % SCATTER_TASKS == task)
      kernels->add(h, d, run->gradient->word_embeddings + batch->ids[row] * h);
    if (position % SCATTER_TASKS == task)
      kernels->add(h, d, run->gradient->position_embeddings + position * h);
  }
}

static void embeddings_backward(BackwardRun *run)
{
  BertPass *pass = run->pass;
  const BertNetwork *network = pass->network;
  gsize h = network->config->hidden_size;
  run->layer = BERT_LAYER_EMBEDDINGS;
  bert_pool_run(network->pool, pass->n_row_blocks, embeddings_task, run);
  guint n_units = bert_row_units(pass->batch->n_rows);
  bert_add_partials(network, n_units, 4 * h, run->partials, h, run->gradient->embeddings_norm_weight);
  bert_add_partials(network, n_units, 4 * h, run->partials + h, h, run->gradient->embeddings_norm_bias);
  bert_add_partials(network, pass->batch->n_rows, h, run->d_hidden, h, run->gradient->token_type_embeddings);
  bert_pool_run(network->pool, SCATTER_TASKS, scatter_task, run);
}

void bert_encoder_backward(BertPass *pass, float *d_hidden_states, BertParameters *gradient)
{
  const BertNetwork *network = pass->network;
  BertWorkspace *workspace = pass->workspace;
  gint first_trained = network->rules.first_trained;
  gint n_layers = (gint)network->config->n_layers, lowest = MAX(first_trained, 0);
  gsize rows = pass->batch->n_rows, h = network->config->hidden_size, f = network->config->intermediate_size;
  if (first_trained >= n_layers)
    return;
  BackwardRun run = {.pass = pass, .gradient = gradient, .top = TRUE, .d_hidden = d_hidden_states};
  run.d_projections = bert_take_stored(&network->stored, workspace, rows * 3 * h);
  run.d_output = bert_take_stored(&network->stored, workspace, rows * h);
  run.d_intermediate = bert_take_stored(&network->stored, workspace, rows * f);
  run.d_attention = bert_take_stored(&network->stored, workspace, rows * h);
  run.d_context = bert_take_stored(&network->stored, workspace, rows * h);
  run.input = bert_take_stored(&network->stored, workspace, rows * h);
  run.attention_out = bert_take_stored(&network->stored, workspace, rows * h);
  run.activated = bert_take_stored(&network->stored, workspace, rows * f);
  run.partials = bert_take(workspace, float, (gsize)bert_row_units((guint)rows) * 4 * h);
  bert_pass_scratch(pass, row_scratch(pass));
  for (run.layer = n_layers - 1; run.layer >= lowest; run.layer--) {
    gint layer = run.layer;
    const BertLayerMemory *memory = &pass->layers[layer];
    if (!memory->keeps)
      bert_encoder_recompute(pass, layer);
    bert_pool_run(network->pool, pass->n_row_blocks, layer_task, &run);
    run.top = FALSE;
    bert_attention_backward(pass, layer, memory->query_key_value, run.d_context, run.d_projections);
    layer_gradients(&run);
  }
  if (first_trained == BERT_LAYER_EMBEDDINGS)
    embeddings_backward(&run);
}
