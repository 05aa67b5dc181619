/* The parameters are cut into pieces of fixed size: a piece is a task, and sums over pieces are added in
 * order. The optimizer owns gradients and moments. */
#include "models/bert_cpu/optimizer.h"
#include "models/bert/model.h"
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
  BertParameters *weights;
  double learning_rate, scale;
} StepRun;

/* Rows of the word embeddings: those with a gradient; those that have ever had one; all. */
typedef enum { ROWS_WITH_GRADIENT, ROWS_MOVED, ROWS_ALL } Rows;

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
  optimizer->average = rules->ema_decay > 0 ? bert_parameters_new(layout) : NULL;
  optimizer->pieces = g_array_new(FALSE, FALSE, sizeof(Piece));
  optimizer->sums = g_array_new(FALSE, FALSE, sizeof(double));
  optimizer->row_has_moved = g_new0(guint8, layout->config.vocabulary_size);
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
  g_free(optimizer->row_has_moved);
  bert_parameters_free(optimizer->average);
  g_array_free(optimizer->pieces, TRUE);
  g_array_free(optimizer->sums, TRUE);
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

static gboolean is_words(const BertOptimizer *optimizer, const BertTensorInfo *tensor)
{
  return optimizer->gradient->block + tensor->offset == optimizer->gradient->word_embeddings;
}

void bert_optimizer_find_rows(BertOptimizer *optimizer, const BertParameters *weights)
{
  const BertLayout *layout = optimizer->layout;
  gsize h = layout->config.hidden_size;
  gboolean trains_words = optimizer->first_trained == BERT_LAYER_EMBEDDINGS;
  for (guint row = 0; row < layout->config.vocabulary_size && trains_words; row++) {
    gsize at = row * h;
    optimizer->row_has_gradient[row] = has_nonzero(optimizer->gradient->word_embeddings + at, h);
    optimizer->row_has_moved[row] =
        has_nonzero(optimizer->moment1->word_embeddings + at, h) ||
        has_nonzero(optimizer->moment2->word_embeddings + at, h) ||
        (optimizer->average && memcmp(optimizer->average->word_embeddings + at, weights->word_embeddings + at,
                                      h * sizeof *weights->word_embeddings) != 0);
  }
}

static gboolean belongs(const BertOptimizer *optimizer, guint row, Rows rows)
{
  gsize h = optimizer->layout->config.hidden_size;
  gboolean has_gradient = optimizer->row_has_gradient[row];
  return rows == ROWS_ALL || (rows == ROWS_MOVED && (has_gradient || optimizer->row_has_moved[row])) ||
         (has_gradient && has_nonzero(optimizer->gradient->word_embeddings + row * h, h));
}

static void add_piece(BertOptimizer *optimizer, guint tensor, gsize first, gsize n)
{
  Piece piece = {tensor, first, n};
  g_array_append_val(optimizer->pieces, piece);
}

/* Cuts up the tensors that train. Pieces of the word embeddings are whole rows, and only those that belong.
 */
static void cut(BertOptimizer *optimizer, Rows rows)
{
  const BertLayout *layout = optimizer->layout;
  GArray *pieces = optimizer->pieces;
  gsize h = layout->config.hidden_size;
  g_array_set_size(pieces, 0);
  for (guint i = 0; i < layout->n_tensors; i++) {
    const BertTensorInfo *tensor = &layout->tensors[i];
    if (!bert_optimizer_trains(optimizer, tensor))
      continue;
    if (!is_words(optimizer, tensor)) {
      for (gsize first = 0; first < tensor->n_elements; first += PIECE_FLOATS)
        add_piece(optimizer, i, first, MIN((gsize)PIECE_FLOATS, tensor->n_elements - first));
      continue;
    }
    for (guint row = 0; row < layout->config.vocabulary_size; row++) {
      if (!belongs(optimizer, row, rows))
        continue;
      Piece *last = pieces->len > 0 ? &g_array_index(pieces, Piece, pieces->len - 1) : NULL;
      if (last && last->tensor == i && last->first + last->n == row * h && last->n < PIECE_FLOATS)
        last->n += h;
      else
        add_piece(optimizer, i, row * h, h);
    }
  }
}

static gsize offset_of(const BertOptimizer *optimizer, const Piece *piece)
{
  return optimizer->layout->tensors[piece->tensor].offset + piece->first;
}

static void sum_task(gpointer data, guint task, guint thread G_GNUC_UNUSED)
{
  BertOptimizer *optimizer = data;
  const Piece *piece = &g_array_index(optimizer->pieces, Piece, task);
  g_array_index(optimizer->sums, double, task) =
      optimizer->kernels->sum_of_squares(piece->n, optimizer->gradient->block + offset_of(optimizer, piece));
}

static double gradient_norm_of(BertOptimizer *optimizer)
{
  double total = 0;
  cut(optimizer, ROWS_WITH_GRADIENT);
  g_array_set_size(optimizer->sums, optimizer->pieces->len);
  bert_pool_run(optimizer->pool, optimizer->pieces->len, sum_task, optimizer);
  for (guint i = 0; i < optimizer->sums->len; i++)
    total += g_array_index(optimizer->sums, double, i);
  return sqrt(total);
}

static void step_task(gpointer data, guint task, guint thread G_GNUC_UNUSED)
{
  const StepRun *run = data;
  BertOptimizer *optimizer = run->optimizer;
  const BertOptimizerRules *rules = &optimizer->rules;
  const Piece *piece = &g_array_index(optimizer->pieces, Piece, task);
  const BertTensorInfo *tensor = &optimizer->layout->tensors[piece->tensor];
  gsize offset = offset_of(optimizer, piece);
  gboolean head = tensor->layer == (gint)optimizer->layout->config.n_layers;
  double n_steps = (double)(optimizer->n_steps + 1);
  BertAdamW step = {.learning_rate =
                        (float)(run->learning_rate * (head ? rules->head_learning_rate_scale : 1)),
                    .beta1 = (float)rules->beta1,
                    .rest1 = (float)(1 - rules->beta1),
                    .beta2 = (float)rules->beta2,
                    .rest2 = (float)(1 - rules->beta2),
                    .epsilon = (float)rules->epsilon,
                    .weight_decay = tensor->decays ? (float)rules->weight_decay : 0,
                    .gradient_scale = (float)run->scale,
                    .correction1 = (float)(1 - pow(rules->beta1, n_steps)),
                    .root_of_correction2 = (float)sqrt(1 - pow(rules->beta2, n_steps))};
  optimizer->kernels->adamw(piece->n, &step, run->weights->block + offset,
                            optimizer->gradient->block + offset, optimizer->moment1->block + offset,
                            optimizer->moment2->block + offset);
}

static void average_task(gpointer data, guint task, guint thread G_GNUC_UNUSED)
{
  const StepRun *run = data;
  BertOptimizer *optimizer = run->optimizer;
  const Piece *piece = &g_array_index(optimizer->pieces, Piece, task);
  const float *weights = run->weights->block + offset_of(optimizer, piece);
  float *average = optimizer->average->block + offset_of(optimizer, piece);
  double t = (double)optimizer->n_steps;
  float rest = (float)(1 - MIN(optimizer->rules.ema_decay, (1 + t) / (10 + t)));
  for (gsize i = 0; i < piece->n; i++)
    average[i] += rest * (weights[i] - average[i]);
}

/* The pieces are those with a gradient. */
static void clear_gradient(BertOptimizer *optimizer)
{
  for (guint i = 0; i < optimizer->pieces->len; i++) {
    const Piece *piece = &g_array_index(optimizer->pieces, Piece, i);
    memset(optimizer->gradient->block + offset_of(optimizer, piece), 0, piece->n * sizeof(float));
  }
  memset(optimizer->row_has_gradient, 0, optimizer->layout->config.vocabulary_size);
}

gboolean bert_optimizer_step(BertOptimizer *optimizer, BertParameters *weights, double learning_rate,
                             double max_norm, double *gradient_norm, GError **error)
{
  const BertOptimizerRules *rules = &optimizer->rules;
  double norm = gradient_norm_of(optimizer);
  if (gradient_norm)
    *gradient_norm = norm;
  if (!isfinite(norm)) {
    bert_fail_bad_gradient(optimizer->gradient, error);
    clear_gradient(optimizer);
    return FALSE;
  }
  StepRun run = {.optimizer = optimizer, .weights = weights, .learning_rate = learning_rate};
  run.scale = max_norm > 0 && norm > max_norm ? max_norm / norm : 1;
  Rows moved = rules->weight_decay > 0 && !rules->sparse_embeddings ? ROWS_ALL : ROWS_MOVED;
  if (!rules->sparse_embeddings)
    cut(optimizer, moved); /* else they are cut already */
  bert_pool_run(optimizer->pool, optimizer->pieces->len, step_task, &run);
  optimizer->n_steps++;
  for (guint row = 0; row < optimizer->layout->config.vocabulary_size; row++) {
    optimizer->row_has_moved[row] |= optimizer->row_has_gradient[row];
    optimizer->row_has_gradient[row] = FALSE;
  }
  if (optimizer->average) {
    cut(optimizer, moved);
    bert_pool_run(optimizer->pool, optimizer->pieces->len, average_task, &run);
  }
  return TRUE;
}
