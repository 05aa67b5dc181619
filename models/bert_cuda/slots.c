/* The slots of a GPU: passes are enqueued in the object's stream, and the host waits for their results. The
 * object owns its stream and its memory. */
#include "models/bert/file.h"
#include "models/bert_cuda/object.h"
#include <string.h>

/* What the kernels take for granted. */
static gboolean check_shape(const BertShared *shared, GError **error)
{
  const BertConfig *config = &shared->layout->config;
  guint width = config->hidden_size / config->n_heads;
  if (config->hidden_size % 8 == 0 && config->hidden_size <= 8192 && config->intermediate_size % 8 == 0 &&
      width % 8 == 0 && width <= BERT_ATTENTION_MOST_WIDE)
    return TRUE;
  return bert_fail(
      error, CW_ERROR_UNSUPPORTED,
      "%s: bert_cuda needs hidden_size, intermediate_size and the width of a head to be multiples of 8, "
      "hidden_size at most 8192 and heads at most %d wide; here they are %u, %u and %u; use bert_cpu",
      shared->model, BERT_ATTENTION_MOST_WIDE, config->hidden_size, config->intermediate_size, width);
}

static gpointer open_device(const BertOptions *options, GError **error)
{
  BertCuda *cuda = g_new0(BertCuda, 1);
  if (!bert_context_open(&cuda->context, (int)options->device, (BertPrecision)options->precision, error)) {
    g_free(cuda);
    return NULL;
  }
  cuda->memory_limit = (gsize)options->memory << 20;
  return cuda;
}

static gpointer open_frozen(gpointer object, GError **error)
{
  const BertCuda *cuda = object;
  BertOptions options = {.device = cuda->context.device, .precision = (gint)cuda->context.precision};
  BertCuda *copy = open_device(&options, error);
  if (copy)
    copy->memory_limit = cuda->memory_limit;
  return copy;
}

static void close_device(gpointer object)
{
  BertCuda *cuda = object;
  if (!cuda)
    return;
  bert_context_enter(&cuda->context);
  bert_cuda_free_memory(cuda);
  bert_plan_free(cuda->score_plan);
  bert_plan_free(cuda->train_plan);
  bert_pass_clear(&cuda->pass);
  bert_context_close(&cuda->context);
  bert_parameters_free(cuda->map);
  g_free(cuda->optimizer.row_has_gradient);
  g_free(cuda);
}

static float *block_of(const BertCuda *cuda, BertBlock block)
{
  const BertCudaOptimizer *optimizer = &cuda->optimizer;
  float *const blocks[] = {cuda->weights.block, optimizer->gradient, optimizer->moment1, optimizer->moment2,
                           optimizer->average};
  return blocks[block];
}

static gboolean fetch(gpointer object, BertBlock block, BertParameters *to, GError **error)
{
  BertCuda *cuda = object;
  bert_context_enter(&cuda->context);
  return bert_cuda_fetch(cuda, block_of(cuda, block), to->block, error);
}

static gboolean send(gpointer object, BertBlock block, const BertParameters *from, GError **error)
{
  BertCuda *cuda = object;
  bert_context_enter(&cuda->context);
  if (!bert_cuda_send(cuda, from->block, block_of(cuda, block), error))
    return FALSE;
  if (block == BERT_BLOCK_GRADIENT)
    bert_cuda_find_rows(cuda, from);
  return block != BERT_BLOCK_WEIGHTS ||
         (bert_cuda_refresh(cuda, error) && bert_context_wait(&cuda->context, "sending the weights", error));
}

static const char *precision_of(const BertCuda *cuda)
{
  static const char *const precisions[] = {"auto", "f32", "tf32", "bf16"};
  return precisions[cuda->context.precision];
}

/* Takes the memory that stays and sends the weights. */
static gboolean prepare(BertCuda *cuda, const BertParameters *weights, GError **error)
{
  return check_shape(cuda->shared, error) &&
         (cuda->trains ? bert_cuda_prepare_optimizer(cuda, error) : bert_cuda_take_fixed(cuda, error)) &&
         send(cuda, BERT_BLOCK_WEIGHTS, weights, error);
}

static gboolean begin(gpointer object, const BertSetup *setup, BertParameters *weights, GError **error)
{
  BertCuda *cuda = object;
  const BertLayout *layout = setup->shared->layout;
  bert_context_enter(&cuda->context);
  cuda->shared = setup->shared;
  cuda->trains = setup->rules != NULL;
  cuda->map = bert_parameters_new(layout);
  cuda->weights = (BertDeviceWeights){.layout = layout, .map = cuda->map};
  cuda->score_plan = bert_plan_new();
  if (cuda->trains) {
    cuda->train_plan = bert_plan_new();
    cuda->optimizer.rules = *setup->rules;
    cuda->optimizer.first_trained = setup->first_trained;
    cuda->optimizer.sparse_embeddings =
        setup->rules->sparse_embeddings && setup->first_trained == BERT_LAYER_EMBEDDINGS;
  }
  gboolean begun = prepare(cuda, weights, error);
  bert_parameters_free(weights);
  if (begun && cuda->trains)
    g_message("bert_cuda: %s, %s: %" G_GSIZE_FORMAT
              " MiB for weights, gradients and optimiser, about %" G_GSIZE_FORMAT
              " KiB per token of a training batch, %" G_GSIZE_FORMAT " MiB in all",
              cuda->context.name, precision_of(cuda), cuda->fixed.size >> 20,
              bert_cuda_bytes_per_token(cuda) >> 10, cuda->context.total_memory >> 20);
  return begun;
}

static void describe(gpointer object, GPtrArray *facts)
{
  const BertCuda *cuda = object;
  const BertContext *context = &cuda->context;
  bert_add_fact(facts, "precision", g_strdup(precision_of(cuda)));
  bert_add_fact(facts, "device",
                g_strdup_printf("%s (%d.%d)", context->name, context->major, context->minor));
  bert_add_fact(facts, "device_memory_fixed",
                g_strdup_printf("%" G_GSIZE_FORMAT " MiB", cuda->fixed.size >> 20));
  bert_add_fact(facts, "device_memory_per_token",
                g_strdup_printf("%" G_GSIZE_FORMAT " KiB", bert_cuda_bytes_per_token(cuda) >> 10));
}

/* What take_pass takes. */
static gboolean measure_pass(BertPass *pass, BertPlan *plan, gsize *size, GError **error)
{
  const BertHead *counts = &bert_plan_counts(plan)->head;
  BertArena measure = {0};
  if (!bert_pass_take(pass, plan, &measure, error))
    return FALSE;
  if (pass->trains) {
    (void)bert_device_take(&measure, float, counts->n_pairs);
    (void)bert_device_take(&measure, float, counts->n_decisions);
    bert_pass_backward(pass, &measure, NULL, NULL, NULL);
  }
  *size = measure.used;
  return TRUE;
}

/* Memory for a pass over `batch`, with training for its backward too; places the plan. */
static gboolean take_pass(BertCuda *cuda, BertPass *pass, BertPlan *plan, const BertBatch *batch,
                          GError **error)
{
  const BertHead *counts = &bert_plan_counts(plan)->head;
  if (counts->n_decisions > BERT_MOST_DECISIONS ||
      MAX(counts->n_action_rows, counts->n_state_rows) > BERT_MOST_ROWS || batch->n_rows > BERT_MOST_ROWS)
    return bert_fail(
        error, CW_ERROR_UNSUPPORTED,
        "a batch of %u decisions and %u tokens is more than bert_cuda takes at once (%d and %d); use smaller "
        "batches",
        counts->n_decisions, MAX(batch->n_rows, counts->n_action_rows), BERT_MOST_DECISIONS, BERT_MOST_ROWS);
  gsize size = 0;
  BertArena *work = pass->trains ? &cuda->training : &cuda->scoring;
  if (!measure_pass(pass, plan, &size, error) ||
      !bert_cuda_take_work(cuda, work, size, batch->n_rows, error) ||
      !bert_cuda_take_results(cuda, 2 * ((gsize)counts->n_pairs + counts->n_decisions), error) ||
      !bert_pass_take(pass, plan, work, error))
    return FALSE;
  if (pass->trains) {
    cuda->d_logits = bert_device_take(work, float, counts->n_pairs);
    cuda->d_values = bert_device_take(work, float, counts->n_decisions);
  }
  return TRUE;
}

/* The forward pass and, at its end, the results on the host. values may be NULL. */
static gboolean run_pass(BertCuda *cuda, BertPass *pass, float *logits, float *values, GError **error)
{
  BertContext *context = &cuda->context;
  gsize n_logits = pass->placed.head.n_pairs, n_values = pass->placed.head.n_decisions;
  bert_pass_forward(pass);
  float *from = cuda->results;
  if (!bert_cuda_check(cudaMemcpyAsync(from, pass->logits, n_logits * sizeof(float), cudaMemcpyDeviceToHost,
                                       context->stream),
                       "fetching logits", error) ||
      !bert_cuda_check(cudaMemcpyAsync(from + n_logits, pass->values, n_values * sizeof(float),
                                       cudaMemcpyDeviceToHost, context->stream),
                       "fetching values", error) ||
      !bert_context_wait(context, "a forward pass", error))
    return FALSE;
  memcpy(logits, from, n_logits * sizeof(float));
  if (values)
    memcpy(values, from + n_logits, n_values * sizeof(float));
  return TRUE;
}

static gboolean score(gpointer object, const BertBatch *batch, float *logits, float *values, GError **error)
{
  BertCuda *cuda = object;
  bert_context_enter(&cuda->context);
  bert_plan_make(cuda->score_plan, batch, cuda->context.bf16, NULL);
  BertPass pass = {.context = &cuda->context,
                   .weights = &cuda->weights,
                   .first_trained = (gint)cuda->shared->layout->config.n_layers};
  gboolean scored =
      take_pass(cuda, &pass, cuda->score_plan, batch, error) && run_pass(cuda, &pass, logits, values, error);
  bert_pass_clear(&pass);
  return scored;
}

static BertPass plan_training(BertCuda *cuda, const BertBatch *batch, const BertDropouts *dropouts)
{
  bert_plan_make(cuda->train_plan, batch, cuda->context.bf16,
                 cuda->optimizer.first_trained == BERT_LAYER_EMBEDDINGS ? cuda->map : NULL);
  return (BertPass){.context = &cuda->context,
                    .weights = &cuda->weights,
                    .first_trained = cuda->optimizer.first_trained,
                    .trains = TRUE,
                    .hidden_dropout = dropouts->hidden,
                    .attention_dropout = dropouts->attention};
}

static gboolean forward(gpointer object, const BertBatch *batch, const BertDropouts *dropouts, float *logits,
                        float *values, GError **error)
{
  BertCuda *cuda = object;
  bert_context_enter(&cuda->context);
  bert_pass_clear(&cuda->pass);
  cuda->pass = plan_training(cuda, batch, dropouts);
  return take_pass(cuda, &cuda->pass, cuda->train_plan, batch, error) &&
         run_pass(cuda, &cuda->pass, logits, values, error);
}

static void estimate_memory(gpointer object, const BertBatch *batch, const BertDropouts *dropouts,
                            CwMemoryEstimate *estimate)
{
  BertCuda *cuda = object;
  gsize size = 0;
  BertPass pass = plan_training(cuda, batch, dropouts);
  (void)measure_pass(&pass, cuda->train_plan, &size, NULL); /* takes nothing, so it does not fail */
  bert_pass_clear(&pass);
  estimate->fixed_bytes = cuda->fixed.size;
  estimate->batch_bytes = size;
}

static gboolean backward(gpointer object, const BertBatch *batch, const float *d_logits,
                         const float *d_values, GError **error)
{
  BertCuda *cuda = object;
  BertContext *context = &cuda->context;
  gsize n_logits = cuda->pass.placed.head.n_pairs, n_values = cuda->pass.placed.head.n_decisions;
  bert_context_enter(context);
  /* The second half: the first is where results come back. The copies are done before the next forward's
   * results. */
  float *staged = cuda->results + n_logits + n_values;
  memcpy(staged, d_logits, n_logits * sizeof(float));
  if (d_values)
    memcpy(staged + n_logits, d_values, n_values * sizeof(float));
  if (!bert_cuda_check(cudaMemcpyAsync(cuda->d_logits, staged, n_logits * sizeof(float),
                                       cudaMemcpyHostToDevice, context->stream),
                       "sending gradients of logits", error) ||
      (d_values &&
       !bert_cuda_check(cudaMemcpyAsync(cuda->d_values, staged + n_logits, n_values * sizeof(float),
                                        cudaMemcpyHostToDevice, context->stream),
                        "sending gradients of values", error)))
    return FALSE;
  bert_cuda_mark_rows(cuda, batch->ids, batch->n_rows);
  bert_pass_backward(&cuda->pass, &cuda->training, cuda->d_logits, d_values ? cuda->d_values : NULL,
                     cuda->optimizer.gradient);
  return bert_context_check(context, "a backward pass", error);
}

const BertDevice bert_cuda_device = {
    .name = "bert_cuda",
    .most_decisions = BERT_MOST_DECISIONS,
    .open = open_device,
    .open_frozen = open_frozen,
    .close = close_device,
    .begin = begin,
    .describe = describe,
    .score = score,
    .forward = forward,
    .backward = backward,
    .step = bert_cuda_step,
    .estimate_memory = estimate_memory,
    .fetch = fetch,
    .send = send,
};
