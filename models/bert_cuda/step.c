/* The optimiser's step: norm, clipping and update are enqueued together; the host waits once, at the end, for
 * the norm and for whether it was finite. */
#include "models/bert_cuda/policy.h"
#include <math.h>
#include <string.h>

static gsize words_offset(const BertCuda *policy)
{
  return (gsize)(policy->host->word_embeddings - policy->host->block);
}

/* Trained tensors cut up, in the order of the layout: the word embeddings are the first. */
static GArray *cut(BertCuda *policy)
{
  GArray *pieces = g_array_new(FALSE, FALSE, sizeof(BertPiece));
  const BertLayout *layout = policy->shared->layout;
  for (guint i = 0; i < layout->n_tensors; i++) {
    const BertTensorInfo *tensor = &layout->tensors[i];
    if (tensor->layer < policy->optimizer.first_trained)
      continue;
    guint32 group = (tensor->decays ? 1u : 0u) | (tensor->layer == (gint)layout->config.n_layers ? 2u : 0u);
    for (gsize first = 0; first < tensor->n_elements; first += BERT_PIECE_FLOATS) {
      BertPiece piece = {tensor->offset + first,
                         (uint32_t)MIN((gsize)BERT_PIECE_FLOATS, tensor->n_elements - first), group};
      g_array_append_val(pieces, piece);
    }
    if (tensor->offset == words_offset(policy))
      policy->optimizer.n_word_pieces = pieces->len;
  }
  policy->optimizer.n_pieces = pieces->len;
  return pieces;
}

static gboolean prepare_rows(BertCuda *policy, GError **error)
{
  BertCudaOptimizer *optimizer = &policy->optimizer;
  if (!optimizer->sparse_embeddings)
    return TRUE;
  void *pinned = NULL;
  optimizer->n_rows = policy->shared->layout->config.vocabulary_size;
  optimizer->row_has_gradient = g_new0(guint8, optimizer->n_rows);
  gboolean taken = bert_cuda_check(cudaMallocHost(&pinned, optimizer->n_rows * sizeof(BertPiece)),
                                   "taking pinned memory", error);
  optimizer->rows = pinned;
  return taken;
}

gboolean bert_cuda_prepare_optimizer(BertCuda *policy, GError **error)
{
  BertCudaOptimizer *optimizer = &policy->optimizer;
  void *pinned = NULL;
  GArray *pieces = cut(policy);
  optimizer->is_clear = TRUE;
  gboolean ready =
      prepare_rows(policy, error) &&
      bert_cuda_check(cudaMallocHost(&pinned, sizeof *optimizer->outcome), "taking pinned memory", error) &&
      bert_cuda_take_fixed(policy, error) &&
      bert_cuda_check(cudaMemcpyAsync(optimizer->pieces, pieces->data, pieces->len * sizeof(BertPiece),
                                      cudaMemcpyHostToDevice, policy->context.stream),
                      "sending the optimiser's tables", error) &&
      bert_context_wait(&policy->context, "sending the optimiser's tables", error);
  optimizer->outcome = pinned;
  g_array_free(pieces, TRUE);
  return ready;
}

void bert_cuda_mark_rows(BertCuda *policy, const guint32 *ids, guint n_ids)
{
  for (guint i = 0; policy->optimizer.sparse_embeddings && i < n_ids; i++)
    policy->optimizer.row_has_gradient[ids[i]] = TRUE;
}

void bert_cuda_find_rows(BertCuda *policy, const BertParameters *gradient)
{
  gsize h = policy->shared->layout->config.hidden_size;
  for (guint row = 0; row < policy->optimizer.n_rows; row++) {
    gboolean found = FALSE;
    for (gsize i = row * h; i < (row + 1) * h && !found; i++)
      found = !(gradient->word_embeddings[i] == 0);
    policy->optimizer.row_has_gradient[row] = found;
  }
}

static void clear_rows(BertCuda *policy)
{
  if (policy->optimizer.sparse_embeddings)
    memset(policy->optimizer.row_has_gradient, 0, policy->optimizer.n_rows);
}

gboolean bert_cuda_begin_average(BertCuda *policy, const BertParameters *weights, GError **error)
{
  return !policy->optimizer.average ||
         bert_cuda_send(policy, weights->block, policy->optimizer.average, error);
}

/* Enqueues the rows of words that may have a gradient, behind the other pieces. A row is one piece:
 * check_shape of policy.c lets none be longer. */
static gboolean send_rows(BertCuda *policy, guint *n_rows, GError **error)
{
  BertCudaOptimizer *optimizer = &policy->optimizer;
  gsize h = policy->shared->layout->config.hidden_size;
  *n_rows = 0;
  for (guint row = 0; row < optimizer->n_rows; row++)
    if (optimizer->row_has_gradient[row])
      optimizer->rows[(*n_rows)++] = (BertPiece){words_offset(policy) + row * h, (uint32_t)h, 1u | 4u};
  return *n_rows == 0 || bert_cuda_check(cudaMemcpyAsync(optimizer->pieces + optimizer->n_pieces,
                                                         optimizer->rows, *n_rows * sizeof(BertPiece),
                                                         cudaMemcpyHostToDevice, policy->context.stream),
                                         "sending the rows of words", error);
}

/* Names the first tensor whose gradient is not finite, and clears the gradient. */
static gboolean fail_step(BertCuda *policy, GError **error)
{
  BertParameters *gradient = bert_parameters_new(policy->shared->layout);
  if (bert_cuda_fetch(policy, policy->optimizer.gradient, gradient->block, error) &&
      bert_cuda_clear(policy, policy->optimizer.gradient, error)) {
    policy->optimizer.is_clear = TRUE;
    clear_rows(policy);
    bert_fail_bad_gradient(gradient, error);
  }
  bert_parameters_free(gradient);
  return FALSE;
}

gboolean bert_cuda_step(BertCuda *policy, double learning_rate, double max_norm, double *gradient_norm,
                        GError **error)
{
  BertContext *context = &policy->context;
  BertCudaOptimizer *optimizer = &policy->optimizer;
  policy->can_go_backward = FALSE;
  if (!isfinite(learning_rate)) {
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_NUMERIC, "the learning rate is %g", learning_rate);
    return FALSE;
  }
  bert_context_enter(context);
  double n_steps = (double)(optimizer->n_steps + 1);
  BertStep step = {.learning_rate = (float)learning_rate,
                   .head_learning_rate = (float)(learning_rate * optimizer->head_learning_rate_scale),
                   .epsilon = (float)optimizer->epsilon,
                   .weight_decay = (float)optimizer->weight_decay,
                   .beta1 = (float)optimizer->beta1,
                   .rest1 = (float)(1 - optimizer->beta1),
                   .beta2 = (float)optimizer->beta2,
                   .rest2 = (float)(1 - optimizer->beta2),
                   .correction1 = (float)(1 - pow(optimizer->beta1, n_steps)),
                   .root_of_correction2 = (float)sqrt(1 - pow(optimizer->beta2, n_steps))};
  guint n_rows, first = optimizer->sparse_embeddings ? optimizer->n_word_pieces : 0;
  if (!send_rows(policy, &n_rows, error))
    return FALSE;
  guint n_pieces = optimizer->n_pieces - first + n_rows;
  const BertPiece *pieces = optimizer->pieces + first;
  bert_gradient_norm(context->stream, n_pieces, pieces, (float)max_norm, optimizer->gradient, optimizer->sums,
                     optimizer->result);
  bert_adamw(context->stream, n_pieces, pieces, &step, policy->weights.block, optimizer->gradient,
             optimizer->moment1, optimizer->moment2, policy->weights.bf16, optimizer->result);
  if (optimizer->average) {
    double decay = MIN(optimizer->ema_decay, (1 + n_steps) / (10 + n_steps));
    bert_average(context->stream, optimizer->n_pieces, optimizer->pieces, (float)(1 - decay),
                 policy->weights.block, optimizer->average, optimizer->result);
  }
  if (!bert_cuda_check(cudaMemcpyAsync(optimizer->outcome, optimizer->result, sizeof *optimizer->outcome,
                                       cudaMemcpyDeviceToHost, context->stream),
                       "fetching the gradient's norm", error) ||
      !bert_context_wait(context, "the optimiser's step", error))
    return FALSE;
  if (gradient_norm)
    *gradient_norm = optimizer->outcome->norm;
  if (!optimizer->outcome->finite)
    return fail_step(policy, error);
  optimizer->n_steps++;
  optimizer->is_clear = TRUE;
  clear_rows(policy);
  return TRUE;
}
