/* The loss of a batch and its gradient, in micro-batches. A batch is sorted by
 * cost and cut into the fewest parts that keep to the token budget, as even as
 * they come, since a backend may pad the short decisions of a part to its longest.
 *
 * Per decision with logits l, probabilities p = softmax(l), choice c among K
 * candidates and label smoothing e (Szegedy et al. 2016, section 7):
 *   q_k    = (1 - e) [k = c] + e / K
 *   loss   = - sum over k of q_k log p_k,    d loss / d l_k = p_k - q_k
 *   value  = 1/2 (v - G)^2,                  d value / d v  = v - G
 * with return to go G; both gradients are divided by the size of the batch. */
#include "plugins/bc/bc.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Room for one micro-batch; grows with need. */
typedef struct {
  GPtrArray *decisions;
  GArray *logits, *values, *dlogits, *dvalues, *log_probabilities; /* float */
} Room;

static void room_init(Room *room)
{
  room->decisions = g_ptr_array_new();
  room->logits = g_array_new(FALSE, FALSE, sizeof(float));
  room->values = g_array_new(FALSE, FALSE, sizeof(float));
  room->dlogits = g_array_new(FALSE, FALSE, sizeof(float));
  room->dvalues = g_array_new(FALSE, FALSE, sizeof(float));
  room->log_probabilities = g_array_new(FALSE, FALSE, sizeof(float));
}

static void room_clear(Room *room)
{
  g_ptr_array_free(room->decisions, TRUE);
  g_array_free(room->logits, TRUE);
  g_array_free(room->values, TRUE);
  g_array_free(room->dlogits, TRUE);
  g_array_free(room->dvalues, TRUE);
  g_array_free(room->log_probabilities, TRUE);
}

static void room_fill(Room *room, const GArray *samples, const guint32 *indices, guint n)
{
  const CwDecision *const *decisions;
  guint n_logits, most = 1;

  g_ptr_array_set_size(room->decisions, 0);
  for (guint i = 0; i < n; i++) {
    const CwDecision *decision = g_array_index(samples, BcSample, indices[i]).decision;

    g_ptr_array_add(room->decisions, (gpointer)decision);
    most = MAX(most, decision->n_candidates);
  }
  decisions = (const CwDecision *const *)room->decisions->pdata;
  n_logits = cw_count_logits(decisions, n);
  g_array_set_size(room->logits, n_logits);
  g_array_set_size(room->dlogits, n_logits);
  g_array_set_size(room->values, n);
  g_array_set_size(room->dvalues, n);
  g_array_set_size(room->log_probabilities, most);
}

/* Adds one decision's losses to the totals; with `dlogits`, writes its gradient times `weight`. */
static void add_loss(const BcSample *sample, const float *logits, float value, float *log_probabilities,
                     double smoothing, float *dlogits, double weight, BcTotals *totals)
{
  guint n = sample->decision->n_candidates, best = 0;
  double error = value - (double)sample->return_to_go;

  cw_log_softmax(logits, n, log_probabilities);
  for (guint k = 0; k < n; k++) {
    double target = (k == sample->chosen ? 1 - smoothing : 0) + smoothing / n;

    if (target > 0)
      totals->loss -= target * log_probabilities[k];
    if (dlogits)
      dlogits[k] = (float)(weight * (exp(log_probabilities[k]) - target));
    if (logits[k] > logits[best])
      best = k;
  }
  totals->value_loss += 0.5 * error * error;
  totals->n_correct += best == sample->chosen;
}

static gboolean train_part(CwPolicy *policy, Room *room, const GArray *samples, const guint32 *indices,
                           guint n, const BcOptions *options, double weight, BcTotals *totals, GError **error)
{
  gboolean with_values = options->value_coefficient > 0;
  const float *logits = (const float *)room->logits->data, *values = (const float *)room->values->data;
  float *dlogits = (float *)room->dlogits->data, *dvalues = (float *)room->dvalues->data;

  if (!cw_policy_forward(policy, (const CwDecision *const *)room->decisions->pdata, n,
                         (float *)room->logits->data, with_values ? (float *)room->values->data : NULL,
                         error))
    return FALSE;
  for (guint i = 0; i < n; i++) {
    const BcSample *sample = &g_array_index(samples, BcSample, indices[i]);

    add_loss(sample, logits, with_values ? values[i] : sample->return_to_go,
             (float *)room->log_probabilities->data, options->label_smoothing, dlogits, weight, totals);
    if (with_values)
      dvalues[i] = (float)(weight * options->value_coefficient * (values[i] - (double)sample->return_to_go));
    logits += sample->decision->n_candidates;
    dlogits += sample->decision->n_candidates;
  }
  if (!isfinite(totals->loss) || !isfinite(totals->value_loss)) {
    g_set_error(
        error, CW_ALGORITHM_ERROR, CW_ERROR_NUMERIC,
        "the loss is %g and the loss of the value %g, though all logits are finite: they lie too far apart; "
        "lower learning_rate or max_gradient_norm",
        totals->loss, totals->value_loss);
    return FALSE;
  }
  return cw_policy_backward(policy, (const float *)room->dlogits->data, with_values ? dvalues : NULL, error);
}

static gboolean score_part(CwPolicy *policy, Room *room, const GArray *samples, const guint32 *indices,
                           guint n, BcTotals *totals, GError **error)
{
  const float *logits = (const float *)room->logits->data;

  if (!cw_policy_score(policy, (const CwDecision *const *)room->decisions->pdata, n,
                       (float *)room->logits->data, NULL, error))
    return FALSE;
  for (guint i = 0; i < n; i++) {
    const BcSample *sample = &g_array_index(samples, BcSample, indices[i]);

    add_loss(sample, logits, sample->return_to_go, (float *)room->log_probabilities->data, 0, NULL, 0,
             totals);
    logits += sample->decision->n_candidates;
  }
  return TRUE;
}

/* By cost, and equal costs by index, so that the order is the same on every machine. */
static gint compare_costs(gconstpointer a, gconstpointer b, gpointer data)
{
  const GArray *samples = data;
  guint32 i = *(const guint32 *)a, j = *(const guint32 *)b;
  guint x = g_array_index(samples, BcSample, i).tokens, y = g_array_index(samples, BcSample, j).tokens;

  if (x != y)
    return x < y ? -1 : 1;
  return (i > j) - (i < j);
}

/* Sorts the indices by cost and returns the sum of the costs. */
static guint64 sort_by_cost(CwPolicy *policy, GArray *samples, guint32 *indices, guint n)
{
  guint64 total = 0;

  for (guint i = 0; i < n; i++) {
    BcSample *sample = &g_array_index(samples, BcSample, indices[i]);

    if (sample->tokens == 0)
      sample->tokens = MAX(1, cw_policy_count_tokens(policy, sample->decision));
    total += sample->tokens;
  }
  g_qsort_with_data(indices, (gint)n, sizeof *indices, compare_costs, samples);
  return total;
}

/* How many of the n samples make up the next part: as many as reach the even share, within the
 * budget, and at least one. */
static guint part_size(const GArray *samples, const guint32 *indices, guint n, guint64 share, guint64 budget)
{
  guint64 cost = 0;
  guint i;

  for (i = 0; i < n; i++) {
    guint tokens = g_array_index(samples, BcSample, indices[i]).tokens;

    if (i > 0 && (cost >= share || cost + tokens > budget))
      break;
    cost += tokens;
  }
  return i;
}

/* train: gradients too, with the mean over all n. */
static gboolean go_through(CwPolicy *policy, GArray *samples, guint32 *indices, guint n,
                           const BcOptions *options, gboolean train, BcTotals *totals, GError **error)
{
  guint64 budget = (guint64)options->batch_tokens, total = sort_by_cost(policy, samples, indices, n), share;
  gboolean good = TRUE;
  Room room;

  share = total / ((total + budget - 1) / budget);
  memset(totals, 0, sizeof *totals);
  room_init(&room);
  for (guint start = 0, size; good && start < n; start += size) {
    size = part_size(samples, indices + start, n - start, share, budget);
    room_fill(&room, samples, indices + start, size);
    if (train)
      good = train_part(policy, &room, samples, indices + start, size, options, 1.0 / n, totals, error);
    else
      good = score_part(policy, &room, samples, indices + start, size, totals, error);
  }
  room_clear(&room);
  return good;
}

gboolean bc_train_batch(CwPolicy *policy, GArray *samples, guint32 *indices, guint n,
                        const BcOptions *options, BcTotals *totals, GError **error)
{
  return go_through(policy, samples, indices, n, options, TRUE, totals, error);
}

gboolean bc_score(CwPolicy *policy, GArray *samples, const BcOptions *options, BcTotals *totals,
                  GError **error)
{
  g_autofree guint32 *indices = g_new(guint32, samples->len);

  for (guint i = 0; i < samples->len; i++)
    indices[i] = i;
  return go_through(policy, samples, indices, samples->len, options, FALSE, totals, error);
}
