/* The optimiser's step: norm, clipping and update are enqueued together; the host waits once, at the end, for
 * the norm and for whether it was finite. */
#include "models/bert_cuda/object.h"
#include <math.h>
#include <string.h>

static gsize words_offset(const BertCuda *cuda)
{
  return (gsize)(cuda->map->word_embeddings - cuda->map->block);
}

/* Trained tensors cut up, in the order of the layout: the word embeddings are the first. */
static GArray *cut(BertCuda *cuda)
{
  GArray *pieces = g_array_new(FALSE, FALSE, sizeof(BertPiece));
  const BertLayout *layout = cuda->shared->layout;
  for (guint i = 0; i < layout->n_tensors; i++) {
    const BertTensorInfo *tensor = &layout->tensors[i];
    if (tensor->layer < cuda->optimizer.first_trained)
      continue;
    guint32 group = (tensor->decays ? 1u : 0u) | (tensor->layer == (gint)layout->config.n_layers ? 2u : 0u);
    for (gsize first = 0; first < tensor->n_elements; first += BERT_PIECE_FLOATS) {
      BertPiece piece = {tensor->offset + first,
                         (uint32_t)MIN((gsize)BERT_PIECE_FLOATS, tensor->n_elements - first), group};
      g_array_append_val(pieces, piece);
    }
    if (tensor->offset == words_offset(cuda))
      cuda->optimizer.n_word_pieces = pieces->len;
  }
  cuda->optimizer.n_pieces = pieces->len;
  return pieces;
}

static gboolean prepare_rows(BertCuda *cuda, GError **error)
{
  BertCudaOptimizer *optimizer = &cuda->optimizer;
  if (!optimizer->sparse_embeddings)
    return TRUE;
  void *pinned = NULL;
  optimizer->n_rows = cuda->shared->layout->config.vocabulary_size;
  optimizer->row_has_gradient = g_new0(guint8, optimizer->n_rows);
  gboolean taken = bert_cuda_check(cudaMallocHost(&pinned, optimizer->n_rows * sizeof(BertPiece)),
                                   "taking pinned memory", error);
  optimizer->rows = pinned;
  return taken;
}

gboolean bert_cuda_prepare_optimizer(BertCuda *cuda, GError **error)
{
  BertCudaOptimizer *optimizer = &cuda->optimizer;
  void *pinned = NULL;
  GArray *pieces = cut(cuda);
  gboolean ready =
      prepare_rows(cuda, error) &&
      bert_cuda_check(cudaMallocHost(&pinned, sizeof *optimizer->outcome), "taking pinned memory", error) &&
      bert_cuda_take_fixed(cuda, error) &&
      bert_cuda_check(cudaMemcpyAsync(optimizer->pieces, pieces->data, pieces->len * sizeof(BertPiece),
                                      cudaMemcpyHostToDevice, cuda->context.stream),
                      "sending the optimiser's tables", error) &&
      bert_context_wait(&cuda->context, "sending the optimiser's tables", error);
  optimizer->outcome = pinned;
  g_array_free(pieces, TRUE);
  return ready;
}

void bert_cuda_mark_rows(BertCuda *cuda, const guint32 *ids, guint n_ids)
{
  for (guint i = 0; cuda->optimizer.sparse_embeddings && i < n_ids; i++)
    cuda->optimizer.row_has_gradient[ids[i]] = TRUE;
}

void bert_cuda_find_rows(BertCuda *cuda, const BertParameters *gradient)
{
  gsize h = cuda->shared->layout->config.hidden_size;
  for (guint row = 0; row < cuda->optimizer.n_rows; row++) {
    gboolean found = FALSE;
    for (gsize i = row * h; i < (row + 1) * h && !found; i++)
      found = !(gradient->word_embeddings[i] == 0);
    cuda->optimizer.row_has_gradient[row] = found;
  }
}

static void clear_rows(BertCuda *cuda)
{
  if (cuda->optimizer.sparse_embeddings)
    memset(cuda->optimizer.row_has_gradient, 0, cuda->optimizer.n_rows);
}

/* Enqueues the rows of words that may have a gradient, behind the other pieces. A row is one piece:
 * check_shape of slots.c lets none be longer. */
static gboolean send_rows(BertCuda *cuda, guint *n_rows, GError **error)
{
  BertCudaOptimizer *optimizer = &cuda->optimizer;
  gsize h = cuda->shared->layout->config.hidden_size;
  *n_rows = 0;
  for (guint row = 0; row < optimizer->n_rows; row++)
    if (optimizer->row_has_gradient[row])
      optimizer->rows[(*n_rows)++] = (BertPiece){words_offset(cuda) + row * h, (uint32_t)h, 1u | 4u};
  return *n_rows == 0 || bert_cuda_check(cudaMemcpyAsync(optimizer->pieces + optimizer->n_pieces,
                                                         optimizer->rows, *n_rows * sizeof(BertPiece),
                                                         cudaMemcpyHostToDevice, cuda->context.stream),
                                         "sending the rows of words", error);
}

/* Names the first tensor whose gradient is not finite, and clears the gradient. */
static gboolean fail_step(BertCuda *cuda, GError **error)
{
  BertParameters *gradient = bert_parameters_new(cuda->shared->layout);
  if (bert_cuda_fetch(cuda, cuda->optimizer.gradient, gradient->block, error) &&
      bert_cuda_clear(cuda, cuda->optimizer.gradient, error)) {
    clear_rows(cuda);
    bert_fail_bad_gradient(gradient, error);
  }
  bert_parameters_free(gradient);
  return FALSE;
}

gboolean bert_cuda_step(gpointer object, guint64 n_steps, double learning_rate, double max_norm,
                        double *gradient_norm, GError **error)
{
  BertCuda *cuda = object;
  BertContext *context = &cuda->context;
  BertCudaOptimizer *optimizer = &cuda->optimizer;
  bert_context_enter(context);
  double t = (double)(n_steps + 1);
  BertStep step = {.learning_rate = (float)learning_rate,
                   .head_learning_rate = (float)(learning_rate * optimizer->rules.head_learning_rate_scale),
                   .epsilon = (float)optimizer->rules.epsilon,
                   .weight_decay = (float)optimizer->rules.weight_decay,
                   .beta1 = (float)optimizer->rules.beta1,
                   .rest1 = (float)(1 - optimizer->rules.beta1),
                   .beta2 = (float)optimizer->rules.beta2,
                   .rest2 = (float)(1 - optimizer->rules.beta2),
                   .correction1 = (float)(1 - pow(optimizer->rules.beta1, t)),
                   .root_of_correction2 = (float)sqrt(1 - pow(optimizer->rules.beta2, t))};
  guint n_rows, first = optimizer->sparse_embeddings ? optimizer->n_word_pieces : 0;
  if (!send_rows(cuda, &n_rows, error))
    return FALSE;
  guint n_pieces = optimizer->n_pieces - first + n_rows;
  const BertPiece *pieces = optimizer->pieces + first;
  bert_gradient_norm(context->stream, n_pieces, pieces, (float)max_norm, optimizer->gradient, optimizer->sums,
                     optimizer->result);
  bert_adamw(context->stream, n_pieces, pieces, &step, cuda->weights.block, optimizer->gradient,
             optimizer->moment1, optimizer->moment2, cuda->weights.bf16, optimizer->result);
  if (optimizer->average) {
    double decay = MIN(optimizer->rules.ema_decay, (1 + t) / (10 + t));
    bert_average(context->stream, optimizer->n_pieces, optimizer->pieces, (float)(1 - decay),
                 cuda->weights.block, optimizer->average, optimizer->result);
  }
  if (!bert_cuda_check(cudaMemcpyAsync(optimizer->outcome, optimizer->result, sizeof *optimizer->outcome,
                                       cudaMemcpyDeviceToHost, context->stream),
                       "fetching the gradient's norm", error) ||
      !bert_context_wait(context, "the optimiser's step", error))
    return FALSE;
  if (gradient_norm)
    *gradient_norm = optimizer->outcome->norm;
  if (!optimizer->outcome->finite)
    return fail_step(cuda, error);
  clear_rows(cuda);
  return TRUE;
}
