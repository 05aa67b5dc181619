/* The parameters are cut into pieces of fixed size: a piece is a task, and sums
 * over pieces are added in order. The optimizer owns gradients and moments. */
#include "optimizer.h"
#include "bert/model.h"
#include <cartwright/cartwright.h>
#include <math.h>
#include <string.h>

#define PIECE_FLOATS 16384

typedef struct {
  guint tensor;
  gsize first, n; /* in the tensor */
} Piece;

typedef struct {
  BertOptimizer *optimizer;
  const GArray *pieces;
  BertParameters *weights;
  double learning_rate, scale;
  double *sums;
} StepRun;

BertOptimizer *bert_optimizer_new(const BertLayout *layout, const BertKernels *kernels, BertPool *pool,
                                  const BertOptimizerRules *rules, gint first_trained)
{
  BertOptimizer *optimizer = g_new0(BertOptimizer, 1);
  optimizer->layout = layout;
  optimizer->kernels = kernels;
  optimizer->pool = pool;
  optimizer->rules = *rules;
  optimizer->first_trained = first_trained;
  optimizer->gradient = bert_parameters_new(layout);
  optimizer->moment1 = bert_parameters_new(layout);
  optimizer->moment2 = bert_parameters_new(layout);
  optimizer->row_has_gradient = g_new0(guint8, layout->config.vocabulary_size);
  optimizer->row_has_moments = g_new0(guint8, layout->config.vocabulary_size);
  optimizer->is_clear = TRUE;
  return optimizer;
}

void bert_optimizer_free(BertOptimizer *optimizer)
{
  if (!optimizer)
    return;
  bert_parameters_free(optimizer->gradient);
  bert_parameters_free(optimizer->moment1);
  bert_parameters_free(optimizer->moment2);
  g_free(optimizer->row_has_gradient);
  g_free(optimizer->row_has_moments);
  g_free(optimizer);
}

gboolean bert_optimizer_trains(const BertOptimizer *optimizer, const BertTensorInfo *tensor)
{
  return tensor->layer >= optimizer->first_trained;
}

void bert_optimizer_mark_rows(BertOptimizer *optimizer, const guint32 *ids, guint n_ids)
{
  for (guint i = 0; i < n_ids; i++)
    optimizer->row_has_gradient[ids[i]] = TRUE;
}

static gboolean has_nonzero(const float *x, gsize n)
{
  for (gsize i = 0; i < n; i++)
    if (!(x[i] == 0))
      return TRUE;
  return FALSE;
}

void bert_optimizer_find_rows(BertOptimizer *optimizer)
{
  gsize h = optimizer->layout->config.hidden_size;
  for (guint row = 0; row < optimizer->layout->config.vocabulary_size; row++) {
    gsize at = row * h;
    optimizer->row_has_gradient[row] = has_nonzero(optimizer->gradient->word_embeddings + at, h);
    optimizer->row_has_moments[row] = has_nonzero(optimizer->moment1->word_embeddings + at, h) ||
                                      has_nonzero(optimizer->moment2->word_embeddings + at, h);
  }
  optimizer->is_clear = !has_nonzero(optimizer->gradient->block, optimizer->layout->n_floats);
}

/* Tensor 0 .. n-1 of those that train, cut up. Pieces of the word embeddings are whole rows, and only
 * those that there is something to do for. */
static GArray *cut(const BertOptimizer *optimizer, gboolean with_moments)
{
  GArray *pieces = g_array_new(FALSE, FALSE, sizeof(Piece));
  const BertLayout *layout = optimizer->layout;
  for (guint i = 0; i < layout->n_tensors; i++) {
    const BertTensorInfo *tensor = &layout->tensors[i];
    if (!bert_optimizer_trains(optimizer, tensor))
      continue;
    if (optimizer->gradient->block + tensor->offset != optimizer->gradient->word_embeddings) {
      for (gsize first = 0; first < tensor->n_elements; first += PIECE_FLOATS) {
        Piece piece = {i, first, MIN((gsize)PIECE_FLOATS, tensor->n_elements - first)};
        g_array_append_val(pieces, piece);
      }
      continue;
    }
    gsize h = layout->config.hidden_size;
    gboolean all = with_moments && optimizer->rules.weight_decay > 0;
    for (guint row = 0; row < layout->config.vocabulary_size; row++) {
      if (!all && !optimizer->row_has_gradient[row] && !(with_moments && optimizer->row_has_moments[row]))
        continue;
      Piece *last = pieces->len > 0 ? &g_array_index(pieces, Piece, pieces->len - 1) : NULL;
      if (last && last->tensor == i && last->first + last->n == row * h && last->n < PIECE_FLOATS) {
        last->n += h;
        continue;
      }
      Piece piece = {i, row * h, h};
      g_array_append_val(pieces, piece);
    }
  }
  return pieces;
}

static void sum_task(gpointer data, guint task, guint thread)
{
  const StepRun *run = data;
  const Piece *piece = &g_array_index(run->pieces, Piece, task);
  (void)thread;
  const BertOptimizer *optimizer = run->optimizer;
  const float *gradient = optimizer->gradient->block + optimizer->layout->tensors[piece->tensor].offset + piece->first;
  run->sums[task] = optimizer->kernels->sum_of_squares(piece->n, gradient);
}

static double gradient_norm_of(BertOptimizer *optimizer)
{
  GArray *pieces = cut(optimizer, FALSE);
  double *sums = g_new(double, pieces->len + 1), total = 0;
  StepRun run = {.optimizer = optimizer, .pieces = pieces, .sums = sums};
  bert_pool_run(optimizer->pool, pieces->len, sum_task, &run);
  for (guint i = 0; i < pieces->len; i++)
    total += sums[i];
  g_array_free(pieces, TRUE);
  g_free(sums);
  return sqrt(total);
}

static void step_task(gpointer data, guint task, guint thread)
{
  const StepRun *run = data;
  BertOptimizer *optimizer = run->optimizer;
  const BertOptimizerRules *rules = &optimizer->rules;
  const Piece *piece = &g_array_index(run->pieces, Piece, task);
  const BertTensorInfo *tensor = &optimizer->layout->tensors[piece->tensor];
  gsize offset = tensor->offset + piece->first;
  gboolean head = tensor->layer == (gint)optimizer->layout->config.n_layers;
  double n_steps = (double)(optimizer->n_steps + 1);
  (void)thread;
  BertAdamW step = {.learning_rate = (float)(run->learning_rate * (head ? rules->head_learning_rate_scale : 1)),
                    .beta1 = (float)rules->beta1,
                    .rest1 = (float)(1 - rules->beta1),
                    .beta2 = (float)rules->beta2,
                    .rest2 = (float)(1 - rules->beta2),
                    .epsilon = (float)rules->epsilon,
                    .weight_decay = tensor->decays ? (float)rules->weight_decay : 0,
                    .gradient_scale = (float)run->scale,
                    .correction1 = (float)(1 - pow(rules->beta1, n_steps)),
                    .root_of_correction2 = (float)sqrt(1 - pow(rules->beta2, n_steps))};
  optimizer->kernels->adamw(piece->n, &step, run->weights->block + offset, optimizer->gradient->block + offset,
                            optimizer->moment1->block + offset, optimizer->moment2->block + offset);
}

static void clear_gradient(BertOptimizer *optimizer)
{
  memset(optimizer->gradient->block, 0, optimizer->layout->n_floats * sizeof(float));
  memset(optimizer->row_has_gradient, 0, optimizer->layout->config.vocabulary_size);
  optimizer->is_clear = TRUE;
}

gboolean bert_optimizer_step(BertOptimizer *optimizer, BertParameters *weights, double learning_rate, double max_norm,
                             double *gradient_norm, GError **error)
{
  double norm = gradient_norm_of(optimizer);
  if (gradient_norm)
    *gradient_norm = norm;
  if (!isfinite(norm)) {
    bert_fail_bad_gradient(optimizer->gradient, error);
    clear_gradient(optimizer);
    return FALSE;
  }
  GArray *pieces = cut(optimizer, TRUE);
  StepRun run = {.optimizer = optimizer, .pieces = pieces, .weights = weights, .learning_rate = learning_rate};
  run.scale = max_norm > 0 && norm > max_norm ? max_norm / norm : 1;
  bert_pool_run(optimizer->pool, pieces->len, step_task, &run);
  g_array_free(pieces, TRUE);
  for (guint row = 0; row < optimizer->layout->config.vocabulary_size; row++) {
    optimizer->row_has_moments[row] |= optimizer->row_has_gradient[row];
    optimizer->row_has_gradient[row] = FALSE;
  }
  optimizer->n_steps++;
  optimizer->is_clear = TRUE;
  return TRUE;
}
