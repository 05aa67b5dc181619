/* What the passes share: packed weights, the division of rows into blocks, gradients of weight matrices,
 * dropout of rows. A network borrows its weights and pool and owns the packed copies. */
#include "models/bert_cpu/network.h"

/* Panels packed by one task. */
#define PACK_PANELS 8
/* Rows of a block where products are of floats. */
#define F32_ROWS 96
/* Outputs of a weight gradient that one task computes, where products are of floats: many, because x is
 * packed once per task, unless that leaves too few tasks for the threads. */
#define MOST_PRODUCT_ROWS  192
#define LEAST_PRODUCT_ROWS 48
#define TASKS_PER_THREAD   6
/* Columns that one task sums. */
#define SUM_COLUMNS 256

static gpointer take_packed(BertNetwork *network, gsize k, gsize n, gboolean bf16)
{
  return bf16
             ? (gpointer)bert_take(network->packed_memory, BertBf16, network->kernels->packed_bf16_size(k, n))
             : (gpointer)bert_take(network->packed_memory, float, network->kernels->packed_size(k, n));
}

static void add_job(BertNetwork *network, const float *weight, gpointer to, gsize k, gsize n,
                    gboolean transposed, gboolean bf16)
{
  gsize columns = (gsize)PACK_PANELS * network->kernels->panel_columns;
  network->pack_jobs[network->n_pack_jobs++] =
      (BertPackJob){weight, to, k, n, transposed, bf16, network->n_pack_tasks};
  network->n_pack_tasks += (guint)((n + columns - 1) / columns);
}

static void add_matrix(BertNetwork *network, BertPackedMatrix *matrix, const float *weight, gsize outputs,
                       gsize inputs, gboolean both, gboolean bf16)
{
  matrix->forward = take_packed(network, inputs, outputs, bf16);
  matrix->backward = both ? take_packed(network, outputs, inputs, bf16) : NULL;
  add_job(network, weight, matrix->forward, inputs, outputs, TRUE, bf16);
  if (both)
    add_job(network, weight, matrix->backward, outputs, inputs, FALSE, bf16);
}

void bert_network_init(BertNetwork *network, const BertKernels *kernels, BertPool *pool,
                       BertParameters *weights, const BertNetworkRules *rules)
{
  const BertConfig *config = &weights->layout->config;
  gsize h = config->hidden_size, f = config->intermediate_size;
  *network = (BertNetwork){.kernels = kernels,
                           .pool = pool,
                           .weights = weights,
                           .config = config,
                           .rules = *rules,
                           .stored = {kernels, rules->bf16},
                           .head_stored = {kernels, rules->bf16 && kernels->bf16_heads},
                           .packed_memory = bert_workspace_new(),
                           .layers = g_new0(BertPackedLayer, config->n_layers),
                           .pack_jobs = g_new0(BertPackJob, 8 * config->n_layers + 2)};
  for (guint i = 0; i < config->n_layers; i++) {
    gboolean both = rules->trains && (gint)i >= rules->first_trained;
    BertPackedLayer *packed = &network->layers[i];
    const BertLayer *layer = &weights->layers[i];
    add_matrix(network, &packed->query_key_value, layer->query_weight, 3 * h, h, both, rules->bf16);
    add_matrix(network, &packed->attention_output, layer->attention_output_weight, h, h, both, rules->bf16);
    add_matrix(network, &packed->intermediate, layer->intermediate_weight, f, h, both, rules->bf16);
    add_matrix(network, &packed->output, layer->output_weight, h, f, both, rules->bf16);
  }
  add_matrix(network, &network->linear_1, weights->linear_1_weight, h, 4 * h, rules->trains,
             network->head_stored.bf16);
  bert_network_refresh(network);
}

void bert_network_clear(BertNetwork *network)
{
  bert_workspace_free(network->packed_memory);
  g_free(network->layers);
  g_free(network->pack_jobs);
  *network = (BertNetwork){0};
}

static void pack_task(gpointer data, guint task, guint thread G_GNUC_UNUSED)
{
  const BertNetwork *network = data;
  const BertKernels *kernels = network->kernels;
  guint i = 0;
  while (i + 1 < network->n_pack_jobs && network->pack_jobs[i + 1].first_task <= task)
    i++;
  const BertPackJob *job = &network->pack_jobs[i];
  gsize n_panels = (job->n + kernels->panel_columns - 1) / kernels->panel_columns;
  gsize first = (gsize)(task - job->first_task) * PACK_PANELS, last = MIN(first + PACK_PANELS, n_panels);
  BertView view = job->transposed ? bert_transposed(job->weight, job->k) : bert_rows(job->weight, job->n);
  if (job->bf16)
    kernels->pack_bf16(job->k, job->n, view, first, last, job->to);
  else
    kernels->pack(job->k, job->n, view, first, last, job->to);
}

void bert_network_refresh(BertNetwork *network)
{
  bert_pool_run(network->pool, network->n_pack_tasks, pack_task, network);
  network->version++;
}

guint bert_row_units(guint n_rows)
{
  return (n_rows + BERT_ROW_UNIT - 1) / BERT_ROW_UNIT;
}

guint bert_most_block_rows(const BertNetwork *network)
{
  guint rows = network->rules.bf16 ? network->kernels->bf16_forward_rows : F32_ROWS;
  return rows / BERT_ROW_UNIT * BERT_ROW_UNIT;
}

guint bert_row_blocks(const BertNetwork *network, guint n_rows)
{
  guint n_units = bert_row_units(n_rows), n_threads = bert_pool_n_threads(network->pool);
  guint most_units = bert_most_block_rows(network) / BERT_ROW_UNIT;
  guint n_blocks = (n_units + most_units - 1) / most_units;
  n_blocks = (n_blocks + n_threads - 1) / n_threads * n_threads;
  return MIN(n_blocks, n_units);
}

void bert_row_block(guint n_rows, guint n_blocks, guint block, guint *first, guint *last)
{
  guint64 n_units = bert_row_units(n_rows);
  *first = (guint)(n_units * block / n_blocks) * BERT_ROW_UNIT;
  *last = MIN(n_rows, (guint)(n_units * (block + 1) / n_blocks) * BERT_ROW_UNIT);
}

void bert_pass_scratch(BertPass *pass, gsize size)
{
  guint n_threads = bert_pool_n_threads(pass->network->pool);
  if (!pass->scratch)
    pass->scratch = bert_take(pass->workspace, float *, n_threads);
  if (pass->scratch_size >= size)
    return;
  for (guint i = 0; i < n_threads; i++)
    pass->scratch[i] = bert_take(pass->workspace, float, size);
  pass->scratch_size = size;
}

typedef struct {
  const BertPass *pass;
  const BertWeightProduct *products;
  guint n_products, n_rows; /* n_rows: outputs per task */
} ProductRun;

static guint product_tasks(const BertWeightProduct *product, guint n_rows)
{
  return (product->n_outputs + n_rows - 1) / n_rows;
}

static void product_task(gpointer data, guint task, guint thread)
{
  const ProductRun *run = data;
  const BertKernels *kernels = run->pass->network->kernels;
  const BertWeightProduct *product = run->products;
  while (task >= product_tasks(product, run->n_rows))
    task -= product_tasks(product++, run->n_rows);
  guint first = task * run->n_rows, count = MIN(run->n_rows, product->n_outputs - first);
  float *gradient = product->gradient + (gsize)first * product->n_inputs,
        *scratch = run->pass->scratch[thread];
  if (product->bf16) {
    const BertBf16 *d_y = (const BertBf16 *)product->d_y + first;
    if (product->bias)
      kernels->add_rows_bf16(product->n_rows, count, d_y, product->d_y_stride, product->bias + first);
    kernels->gemm_bf16(
        count, product->n_inputs, product->n_rows, bert_bf16_transposed(d_y, product->d_y_stride),
        bert_bf16_rows(product->x, product->x_stride), gradient, product->n_inputs, NULL, TRUE, scratch);
    return;
  }
  const float *d_y = (const float *)product->d_y + first;
  kernels->gemm(count, product->n_inputs, product->n_rows, bert_transposed(d_y, product->d_y_stride),
                bert_rows(product->x, product->x_stride), gradient, product->n_inputs, NULL, TRUE, scratch);
  for (guint row = 0; product->bias && row < product->n_rows; row++)
    kernels->add(count, d_y + (gsize)row * product->d_y_stride, product->bias + first);
}

void bert_weight_products(BertPass *pass, const BertWeightProduct *products, guint n_products)
{
  guint n_threads = bert_pool_n_threads(pass->network->pool), n_tasks = 0;
  guint wanted = n_threads > 1 ? TASKS_PER_THREAD * n_threads : 1;
  guint most = products->bf16 ? pass->network->kernels->bf16_gradient_rows : MOST_PRODUCT_ROWS;
  ProductRun run = {pass, products, n_products, 2 * most};
  do {
    run.n_rows /= 2;
    n_tasks = 0;
    for (guint i = 0; i < n_products; i++)
      n_tasks += product_tasks(&products[i], run.n_rows);
  } while (n_tasks < wanted && run.n_rows > LEAST_PRODUCT_ROWS);
  bert_pass_scratch(pass, pass->network->kernels->gemm_scratch);
  bert_pool_run(pass->network->pool, n_tasks, product_task, &run);
}

typedef struct {
  const BertKernels *kernels;
  guint n_partials;
  gsize stride, n;
  const float *partials;
  float *y;
} PartialRun;

static void partial_task(gpointer data, guint task, guint thread G_GNUC_UNUSED)
{
  const PartialRun *run = data;
  gsize first = (gsize)task * SUM_COLUMNS, count = MIN((gsize)SUM_COLUMNS, run->n - first);
  for (guint i = 0; i < run->n_partials; i++)
    run->kernels->add(count, run->partials + i * run->stride + first, run->y + first);
}

void bert_add_partials(const BertNetwork *network, guint n_partials, gsize stride, const float *partials,
                       gsize n, float *y)
{
  PartialRun run = {network->kernels, n_partials, stride, n, partials, y};
  bert_pool_run(network->pool, (guint)((n + SUM_COLUMNS - 1) / SUM_COLUMNS), partial_task, &run);
}

void bert_dropout_row(const BertPass *pass, gint layer, BertSite site, guint row, const float *x,
                      float *output, guint16 *bits)
{
  const BertKernels *kernels = pass->network->kernels;
  guint text = pass->batch->row_text[row];
  gsize h = pass->network->config->hidden_size, first = (gsize)(row - pass->batch->text_start[text]) * h;
  const guint16 *random = kernels->dropout_bits(&pass->hidden_dropout, bert_dropout_place(layer, site, 0),
                                                pass->batch->text_hash[text], first, h, bits);
  kernels->dropout_apply(h, &pass->hidden_dropout, random, x, output);
}
