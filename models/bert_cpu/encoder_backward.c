/* The encoder's backward pass. Going down, a block of rows passes from the
 * projections of the layer above through the feed-forward network to the attention's context in one task; attention's
 * own gradient follows per text and head, and then all weight gradients of the
 * layer at once. Dropout masks are made again, not kept. */
#include "network.h"
#include <string.h>

/* Buffers of one layer, used again for the next one down. */
typedef struct {
  BertPass *pass;
  BertParameters *gradient;
  gint layer;
  gboolean top;          /* the layer above is the head: d_output is d_hidden_states */
  float *d_hidden;       /* T x h: gradient of the residual stream */
  float *d_projections;  /* T x 3h: query, key and value of the layer above, then of this one */
  float *d_output;       /* T x h: of linear layer `output`, after dropout */
  float *d_intermediate; /* T x f: before the activation */
  float *d_attention;    /* T x h: of attention.output.dense, after dropout */
  float *d_context;      /* T x h */
  float *partials;       /* units x 4h: output_norm weight, bias, attention_norm weight, bias */
} BackwardRun;

static gsize row_scratch(const BertPass *pass)
{
  gsize h = pass->network->config->hidden_size, f = pass->network->config->intermediate_size;
  gsize rows = BERT_ROW_UNIT * BERT_ROW_BLOCK_UNITS;
  return pass->network->kernels->gemm_scratch + rows * MAX(h, f) + (h + 2 * BERT_DROPOUT_GROUP) / 2 + 16;
}

/* d (rows first .. last-1 of h; begins at `first`) through a LayerNorm, in place; sums go to the rows' units. */
static void norm_rows(const BackwardRun *run, guint first, guint last, float *d, const float *normalised,
                      const float *inverse, const float *weight, gsize part)
{
  gsize h = run->pass->network->config->hidden_size;
  for (guint row = first; row < last; row++) {
    float *sums = run->partials + (gsize)(row / BERT_ROW_UNIT) * 4 * h + part * h;
    float *d_row = d + (row - first) * h;
    run->pass->network->kernels->layer_norm_backward(h, d_row, normalised + row * h, weight, inverse[row], d_row, sums,
                                                     sums + h);
  }
}

static void drop_rows(const BackwardRun *run, BertSite site, guint first, guint last, const float *x, float *output,
                      guint16 *bits)
{
  gsize h = run->pass->network->config->hidden_size;
  for (guint row = first; row < last; row++)
    if (run->pass->hidden_dropout.threshold > 0)
      bert_dropout_row(run->pass, run->layer, site, row, x + row * h, output + row * h, bits);
    else
      memcpy(output + row * h, x + row * h, h * sizeof *x);
}

/* d_hidden += d_projections W of the layer above this row block. */
static void from_projections(const BackwardRun *run, gint layer, guint first, guint last, float *gemm)
{
  const BertNetwork *network = run->pass->network;
  gsize h = network->config->hidden_size;
  network->kernels->gemm_packed(last - first, h, 3 * h, bert_rows(run->d_projections + first * 3 * h, 3 * h),
                                network->layers[layer].query_key_value.backward, run->d_hidden + first * h, h, NULL,
                                TRUE, gemm);
}

static void layer_task(gpointer data, guint task, guint thread)
{
  const BackwardRun *run = data;
  const BertPass *pass = run->pass;
  const BertNetwork *network = pass->network;
  const BertKernels *kernels = network->kernels;
  const BertLayer *weights = &network->weights->layers[run->layer];
  const BertPackedLayer *packed = &network->layers[run->layer];
  const BertLayerMemory *memory = &pass->layers[run->layer];
  gsize h = network->config->hidden_size, f = network->config->intermediate_size;
  guint first, last;
  bert_row_block(pass->batch->n_rows, pass->n_row_blocks, task, &first, &last);
  gsize n = last - first;
  float *gemm = pass->scratch[thread], *wide = gemm + kernels->gemm_scratch;
  guint16 *bits = (guint16 *)(gpointer)(wide + (gsize)BERT_ROW_UNIT * BERT_ROW_BLOCK_UNITS * MAX(h, f));
  float *d_hidden = run->d_hidden + first * h;

  for (guint unit = first / BERT_ROW_UNIT; unit < bert_row_units(last); unit++)
    memset(run->partials + unit * 4 * h, 0, 4 * h * sizeof(float));
  if (!run->top)
    from_projections(run, run->layer + 1, first, last, gemm);
  norm_rows(run, first, last, d_hidden, memory->normalised, memory->inverse, weights->output_norm_weight, 0);
  drop_rows(run, BERT_SITE_OUTPUT, first, last, run->d_hidden, run->d_output, bits);
  kernels->gemm_packed(n, f, h, bert_rows(run->d_output + first * h, h), packed->output.backward, wide, f, NULL, FALSE,
                       gemm);
  kernels->multiply(n * f, wide, memory->derivative + first * f, run->d_intermediate + first * f);
  kernels->gemm_packed(n, h, f, bert_rows(run->d_intermediate + first * f, f), packed->intermediate.backward, d_hidden,
                       h, NULL, TRUE, gemm);
  norm_rows(run, first, last, d_hidden, memory->attention_normalised, memory->attention_inverse,
            weights->attention_norm_weight, 2);
  drop_rows(run, BERT_SITE_ATTENTION_OUTPUT, first, last, run->d_hidden, run->d_attention, bits);
  kernels->gemm_packed(n, h, h, bert_rows(run->d_attention + first * h, h), packed->attention_output.backward,
                       run->d_context + first * h, h, NULL, FALSE, gemm);
}

static void layer_gradients(BackwardRun *run)
{
  BertPass *pass = run->pass;
  const BertLayerMemory *memory = &pass->layers[run->layer];
  const BertLayer *gradient = &run->gradient->layers[run->layer];
  guint rows = pass->batch->n_rows, h = pass->network->config->hidden_size,
        f = pass->network->config->intermediate_size;
  BertWeightProduct products[] = {
      {rows, h, f, run->d_output, h, memory->activated, f, gradient->output_weight, gradient->output_bias},
      {rows, f, h, run->d_intermediate, f, memory->attention_out, h, gradient->intermediate_weight,
       gradient->intermediate_bias},
      {rows, 3 * h, h, run->d_projections, 3 * h, memory->input, h, gradient->query_weight, gradient->query_bias},
      {rows, h, h, run->d_attention, h, memory->context, h, gradient->attention_output_weight,
       gradient->attention_output_bias}};
  bert_weight_products(pass, products, G_N_ELEMENTS(products));
  guint n_units = bert_row_units(rows);
  float *const sums[] = {gradient->output_norm_weight, gradient->output_norm_bias, gradient->attention_norm_weight,
                         gradient->attention_norm_bias};
  for (guint i = 0; i < G_N_ELEMENTS(sums); i++)
    bert_add_partials(pass->network, n_units, 4 * (gsize)h, run->partials + i * h, h, sums[i]);
}

static void embeddings_task(gpointer data, guint task, guint thread)
{
  const BackwardRun *run = data;
  const BertPass *pass = run->pass;
  const BertNetwork *network = pass->network;
  gsize h = network->config->hidden_size, f = network->config->intermediate_size;
  guint first, last;
  bert_row_block(pass->batch->n_rows, pass->n_row_blocks, task, &first, &last);
  float *gemm = pass->scratch[thread];
  guint16 *bits = (guint16 *)(gpointer)(gemm + network->kernels->gemm_scratch +
                                        (gsize)BERT_ROW_UNIT * BERT_ROW_BLOCK_UNITS * MAX(h, f));
  for (guint unit = first / BERT_ROW_UNIT; unit < bert_row_units(last); unit++)
    memset(run->partials + unit * 4 * h, 0, 4 * h * sizeof(float));
  if (!run->top)
    from_projections(run, 0, first, last, gemm);
  if (pass->hidden_dropout.threshold > 0)
    drop_rows(run, BERT_SITE_EMBEDDINGS, first, last, run->d_hidden, run->d_hidden, bits);
  norm_rows(run, first, last, run->d_hidden + first * h, pass->embeddings_normalised, pass->embeddings_inverse,
            network->weights->embeddings_norm_weight, 0);
}

/* Tasks that share the rows of the embedding tables: a table row belongs to one of them, and batch rows are added in
 * order. */
#define SCATTER_TASKS 16

static void scatter_task(gpointer data, guint task, guint thread)
{
  const BackwardRun *run = data;
  const BertBatch *batch = run->pass->batch;
  const BertKernels *kernels = run->pass->network->kernels;
  gsize h = run->pass->network->config->hidden_size;
  (void)thread;
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
  gint n_layers = (gint)network->config->n_layers, lowest = MAX(network->first_trained, 0);
  gsize rows = pass->batch->n_rows, h = network->config->hidden_size, f = network->config->intermediate_size;
  if (network->first_trained >= n_layers)
    return;
  BackwardRun run = {.pass = pass, .gradient = gradient, .top = TRUE, .d_hidden = d_hidden_states};
  run.d_projections = bert_take(pass->workspace, float, rows * 3 * h);
  run.d_output = bert_take(pass->workspace, float, rows *h);
  run.d_intermediate = bert_take(pass->workspace, float, rows *f);
  run.d_attention = bert_take(pass->workspace, float, rows *h);
  run.d_context = bert_take(pass->workspace, float, rows *h);
  run.partials = bert_take(pass->workspace, float, (gsize)bert_row_units((guint)rows) * 4 * h);
  bert_pass_scratch(pass, row_scratch(pass));
  for (run.layer = n_layers - 1; run.layer >= lowest; run.layer--) {
    gint layer = run.layer;
    const BertLayerMemory *memory = &pass->layers[layer];
    bert_pool_run(network->pool, pass->n_row_blocks, layer_task, &run);
    run.top = FALSE;
    bert_attention_backward(pass, layer, memory->query_key_value, memory->probabilities, run.d_context,
                            run.d_projections);
    layer_gradients(&run);
  }
  if (network->first_trained == BERT_LAYER_EMBEDDINGS)
    embeddings_backward(&run);
}
