/* Items through a network in passes that fit a token budget. Within what is asked for at once, items of like
 * cost go together, since a backend may pad the short ones to the longest, and the passes are made about
 * equally big. A cut depends only on the items, their costs and the budget, never on what ran before, and
 * sums are taken in the order of the items, so that how it was cut has no say in the result beyond the
 * rounding of gradients. */
#include "core/sdk/learn_watch.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* An item of a call: its place in the call, its number in CwItems, and whether its action is in words. */
typedef struct {
  guint place, index, tokens;
  gboolean words;
} Cost;

typedef struct {
  CwPolicy *network;
  const CwItems *items;
  Cost *costs; /* n, sorted by cost */
  guint n;
  guint64 budget, share;
  gboolean dropout;
  guint start, size; /* the present pass: costs[start .. start + size - 1] */
  gsize width;       /* its numbers in `logits` */
  /* Of the present pass, whose actions are all candidates or all in words. */
  gboolean words;
  const CwDecision **decisions;
  const char **actions; /* in words */
  float *logits;        /* those of each item; of one in words: its log-probability */
  float *values;
} Passes;

/* How many numbers the network gives for an item: logits, or the log-probability of an action in words. */
static guint width_of(const CwStep *step)
{
  return step->chosen == CW_WORDS ? 1 : step->decision->n_candidates;
}

/* Words last, by cost, equal costs by place: the same order everywhere. */
static int compare_costs(const void *a, const void *b)
{
  const Cost *x = a, *y = b;
  if (x->words != y->words)
    return x->words - y->words;
  if (x->tokens != y->tokens)
    return x->tokens < y->tokens ? -1 : 1;
  return (x->place > y->place) - (x->place < y->place);
}

static CwPolicy *network_of(CwUpdate *update, CwPolicy *network)
{
  return network ? network : cw_update_policy(update);
}

static void passes_init(Passes *passes, CwUpdate *update, CwPolicy *network, const CwItems *items,
                        const guint32 *indices, guint n, const CwLearningOptions *options)
{
  *passes = (Passes){.network = network_of(update, network),
                     .items = items,
                     .n = indices ? n : items->n,
                     .budget = (guint64)options->batch_tokens,
                     .dropout = options->dropout};
  passes->costs = g_new(Cost, passes->n);
  passes->decisions = g_new(const CwDecision *, passes->n);
  passes->actions = g_new(const char *, passes->n);
  guint64 total = 0;
  for (guint i = 0; i < passes->n; i++) {
    guint index = indices ? indices[i] : i;
    guint tokens = cw_policy_count_tokens(passes->network, items->steps[index]->decision);
    passes->costs[i] = (Cost){i, index, MAX(1, tokens), items->steps[index]->chosen == CW_WORDS};
    total += passes->costs[i].tokens;
  }
  if (passes->n == 0)
    return;
  qsort(passes->costs, passes->n, sizeof(Cost), compare_costs);
  passes->share = total / ((total + passes->budget - 1) / passes->budget);
}

static void passes_clear(Passes *passes)
{
  g_free(passes->costs);
  g_free(passes->decisions);
  g_free(passes->actions);
  g_free(passes->logits);
  g_free(passes->values);
}

/* Goes to the next pass and makes room for its logits and values; FALSE after the last. */
static gboolean passes_next(Passes *passes)
{
  guint64 tokens = 0;
  gsize width = 0;
  passes->start += passes->size;
  passes->size = 0;
  while (passes->start + passes->size < passes->n) {
    const Cost *cost = &passes->costs[passes->start + passes->size];
    if (passes->size > 0 &&
        (tokens >= passes->share || tokens + cost->tokens > passes->budget || cost->words != passes->words))
      break;
    const CwStep *step = passes->items->steps[cost->index];
    tokens += cost->tokens;
    width += width_of(step);
    passes->words = cost->words;
    passes->actions[passes->size] = step->action;
    passes->decisions[passes->size++] = step->decision;
  }
  g_free(passes->logits);
  g_free(passes->values);
  passes->width = width;
  passes->logits = g_new0(float, width);
  passes->values = g_new0(float, passes->size);
  return passes->size > 0;
}

/* Double precision, so that a ratio of two equal policies is exactly 1 and finite differences mean something.
 */
void cw_log_probabilities(const float *logits, guint n, double *log_p)
{
  double largest = -HUGE_VAL, sum = 0;
  for (guint k = 0; k < n; k++)
    largest = fmax(largest, logits[k]);
  for (guint k = 0; k < n; k++)
    sum += exp(logits[k] - largest);
  for (guint k = 0; k < n; k++)
    log_p[k] = logits[k] - largest - log(sum);
}

/* Who looks on, set by the conformance suite alone. */
static CwLossWatcher watcher;
static gpointer watcher_data;

void cw_watch_losses(CwLossWatcher function, gpointer user_data)
{
  watcher = function;
  watcher_data = user_data;
}

/* Room for the arrays of one item, for any number of candidates, and for every item's loss and reports. */
typedef struct {
  double *log_p, *slope_p, *slope_logits; /* most candidates */
  double *losses, *reports;               /* n; n times CW_MOST_REPORTS; by place */
  float **logits;                         /* n, by place: copies for a watcher; NULL without one */
  double *values;                         /* n, by place, for a watcher */
} Room;

static void room_init(Room *room, const Passes *passes)
{
  guint most = 1;
  for (guint i = 0; i < passes->n; i++)
    most = MAX(most, width_of(passes->items->steps[passes->costs[i].index]));
  room->log_p = g_new(double, most);
  room->slope_p = g_new(double, most);
  room->slope_logits = g_new(double, most);
  room->losses = g_new0(double, passes->n);
  room->reports = g_new0(double, (gsize)passes->n *CW_MOST_REPORTS);
  room->logits = watcher ? g_new0(float *, passes->n) : NULL;
  room->values = watcher ? g_new0(double, passes->n) : NULL;
}

static void room_clear(Room *room, guint n)
{
  for (guint i = 0; room->logits && i < n; i++)
    g_free(room->logits[i]);
  g_free(room->logits);
  g_free(room->values);
  g_free(room->log_p);
  g_free(room->slope_p);
  g_free(room->slope_logits);
  g_free(room->losses);
  g_free(room->reports);
}

/* An action in words has a log-probability and nothing around it. */
static void view_words(CwView *view, double log_probability)
{
  view->log_probability = log_probability;
  view->entropy = view->uniform = NAN;
  if (view->reference)
    view->reference_log_probability = view->reference[0];
  view->reference = NULL;
}

static void view_fill(CwView *view, const CwItems *items, guint index, const float *logits, double value,
                      double *log_p)
{
  const CwStep *step = items->steps[index];
  *view = (CwView){.struct_size = sizeof *view,
                   .index = index,
                   .step = step,
                   .reference = items->reference ? items->reference[index] : NULL,
                   .reference_log_probability = NAN,
                   .value = value,
                   .kl = NAN};
  if (step->chosen == CW_WORDS) {
    view_words(view, *logits);
    return;
  }
  view->n = step->decision->n_candidates;
  view->logits = logits;
  view->log_p = log_p;
  cw_log_probabilities(logits, view->n, log_p);
  view->log_probability = log_p[step->chosen];
  for (guint k = 0; k < view->n; k++) {
    view->entropy -= exp(log_p[k]) * log_p[k];
    view->uniform -= log_p[k] / view->n;
  }
  if (!view->reference)
    return;
  view->reference_log_probability = view->reference[step->chosen];
  view->kl = 0;
  for (guint k = 0; k < view->n; k++)
    view->kl += exp(log_p[k]) * (log_p[k] - view->reference[k]);
}

/* The chain rule of CwSlopes, times `weight`. */
static void chain(const CwView *view, const CwSlopes *slopes, double weight, float *dlogits)
{
  double pairs = 0;
  if (view->n == 0)
    *dlogits = (float)(weight * slopes->log_probability);
  for (guint k = 0; k < view->n; k++)
    pairs += slopes->log_p[k];
  for (guint j = 0; j < view->n; j++) {
    double p = exp(view->log_p[j]);
    double slope = slopes->log_probability * ((j == view->step->chosen ? 1 : 0) - p) -
                   slopes->entropy * p * (view->log_p[j] + view->entropy) +
                   slopes->uniform * (p - 1.0 / view->n);
    if (slopes->kl != 0)
      slope += slopes->kl * p * (view->log_p[j] - view->reference[j] - view->kl);
    slope += slopes->log_p[j] - p * pairs + slopes->logits[j];
    dlogits[j] = (float)(weight * slope);
  }
}

/* The loss of an item under `logits` and `value`, its slopes and its reports; the view's and the slopes'
 * arrays are in the room. */
static double call_loss(const CwItems *items, guint index, const float *logits, double value, Room *room,
                        CwLoss loss, gconstpointer data, double *reports, CwView *view, CwSlopes *slopes)
{
  view_fill(view, items, index, logits, value, room->log_p);
  *slopes = (CwSlopes){
      .struct_size = sizeof *slopes, .log_p = room->slope_p, .logits = room->slope_logits, .report = reports};
  memset(room->slope_p, 0, view->n * sizeof *room->slope_p);
  memset(room->slope_logits, 0, view->n * sizeof *room->slope_logits);
  return loss(view, slopes, data);
}

double cw_loss_at(const CwItems *items, guint index, const float *logits, double value, CwLoss loss,
                  gconstpointer data, double *dlogits, double *dvalue, double *reports)
{
  guint n = width_of(items->steps[index]);
  g_autofree double *log_p = g_new(double, n), *slope_p = g_new(double, n), *slope_logits = g_new(double, n);
  g_autofree float *chained = g_new(float, n);
  Room room = {.log_p = log_p, .slope_p = slope_p, .slope_logits = slope_logits};
  CwView view;
  CwSlopes slopes;
  memset(reports, 0, CW_MOST_REPORTS * sizeof *reports);
  double result = call_loss(items, index, logits, value, &room, loss, data, reports, &view, &slopes);
  chain(&view, &slopes, 1, chained);
  for (guint k = 0; k < n; k++)
    dlogits[k] = chained[k];
  *dvalue = slopes.value;
  return result;
}

/* The loss of one item at its place in the room; its slopes times its weight go to `dlogits` and `dvalue`. */
static void differentiate(const Passes *passes, const Cost *cost, const float *logits, double value,
                          Room *room, CwLoss loss, gconstpointer data, float *dlogits, float *dvalue)
{
  CwView view;
  CwSlopes slopes;
  double weight = passes->items->weight ? passes->items->weight[cost->index] : 1.0 / passes->n;
  double *reports = room->reports + (gsize)cost->place * CW_MOST_REPORTS;
  room->losses[cost->place] = weight * call_loss(passes->items, cost->index, logits, value, room, loss, data,
                                                 reports, &view, &slopes);
  chain(&view, &slopes, weight, dlogits);
  if (dvalue)
    *dvalue = (float)(weight * slopes.value);
  if (room->logits) {
    room->logits[cost->place] = g_memdup2(logits, width_of(view.step) * sizeof *logits);
    room->values[cost->place] = value;
  }
}

static gboolean check_losses(const Passes *passes, const Room *room, GError **error)
{
  for (guint i = passes->start; i < passes->start + passes->size; i++) {
    double loss = room->losses[passes->costs[i].place];
    if (isfinite(loss))
      continue;
    g_set_error(
        error, CW_ALGORITHM_ERROR, CW_ERROR_NUMERIC,
        "the loss of a decision is %g, though all logits and values are finite: they have moved too far "
        "apart; lower learning_rate, max_gradient_norm or the number of epochs",
        loss);
    return FALSE;
  }
  return TRUE;
}

/* The network's numbers for the present pass, without (`scores`) or with a backward to follow. */
static gboolean run_pass(const Passes *passes, gboolean scores, float *values, GError **error)
{
  CwPolicy *network = passes->network;
  const CwDecision *const *decisions = passes->decisions;
  guint n = passes->size;
  if (passes->words)
    return scores
               ? cw_policy_score_words(network, decisions, passes->actions, n, passes->logits, values, error)
               : cw_policy_forward_words(network, decisions, passes->actions, n, passes->dropout,
                                         passes->logits, values, error);
  return scores ? cw_policy_score(network, decisions, n, passes->logits, values, error)
                : cw_policy_forward(network, decisions, n, passes->dropout, passes->logits, values, error);
}

static gboolean accumulate_pass(const Passes *passes, Room *room, CwLoss loss, gconstpointer data,
                                GError **error)
{
  gboolean with_values = passes->items->with_values;
  g_autofree float *dlogits = g_new0(float, passes->width);
  g_autofree float *dvalues = with_values ? g_new0(float, passes->size) : NULL;
  if (!run_pass(passes, FALSE, with_values ? passes->values : NULL, error))
    return FALSE;
  gsize at = 0;
  for (guint i = 0; i < passes->size; i++) {
    differentiate(passes, &passes->costs[passes->start + i], passes->logits + at, passes->values[i], room,
                  loss, data, dlogits + at, with_values ? dvalues + i : NULL);
    at += width_of(passes->items->steps[passes->costs[passes->start + i].index]);
  }
  return check_losses(passes, room, error) && cw_policy_backward(passes->network, dlogits, dvalues, error);
}

static void sum_up(const Room *room, guint n, CwSums *sums)
{
  *sums = (CwSums){.n = n};
  for (guint i = 0; i < n; i++) {
    sums->loss += room->losses[i];
    for (guint r = 0; r < CW_MOST_REPORTS; r++) {
      double number = room->reports[(gsize)i * CW_MOST_REPORTS + r];
      sums->sum[r] += number;
      sums->largest[r] = i == 0 ? number : fmax(sums->largest[r], number);
    }
  }
}

gboolean cw_accumulate(CwUpdate *update, CwPolicy *network, const CwItems *items, const guint32 *indices,
                       guint n, const CwLearningOptions *options, CwLoss loss, gconstpointer data,
                       CwSums *sums, GError **error)
{
  Passes passes;
  Room room;
  passes_init(&passes, update, network, items, indices, n, options);
  room_init(&room, &passes);
  gboolean good = TRUE;
  while (good && passes_next(&passes))
    good = accumulate_pass(&passes, &room, loss, data, error);
  sum_up(&room, good ? passes.n : 0, sums);
  if (good && watcher) {
    CwLossCall call = {items,       indices,     passes.n,     (const float *const *)room.logits,
                       room.values, room.losses, room.reports, loss,
                       data};
    watcher(&call, watcher_data);
  }
  room_clear(&room, passes.n);
  passes_clear(&passes);
  return good;
}

gboolean cw_optimizer_step(CwUpdate *update, CwPolicy *network, const CwLearningOptions *options,
                           double learning_rate, CwSums *sums, GError **error)
{
  return cw_policy_step(network_of(update, network), learning_rate, options->max_gradient_norm,
                        &sums->gradient_norm, error);
}

gboolean cw_learn(CwUpdate *update, CwPolicy *network, const CwItems *items, const guint32 *indices, guint n,
                  const CwLearningOptions *options, double learning_rate, CwLoss loss, gconstpointer data,
                  CwSums *sums, GError **error)
{
  return cw_accumulate(update, network, items, indices, n, options, loss, data, sums, error) &&
         cw_optimizer_step(update, network, options, learning_rate, sums, error);
}

static double weighted_log_probability(const CwView *view, CwSlopes *slopes, gconstpointer data)
{
  const double *slope = data;
  slopes->log_probability = slope[view->index];
  return slope[view->index] * view->log_probability;
}

gboolean cw_accumulate_log_probability(CwUpdate *update, CwPolicy *network, const CwItems *items,
                                       const double *slope, const CwLearningOptions *options, CwSums *sums,
                                       GError **error)
{
  g_autofree double *ones = g_new(double, items->n);
  for (guint i = 0; i < items->n; i++)
    ones[i] = 1;
  CwItems whole = *items;
  whole.weight = ones;
  return cw_accumulate(update, network, &whole, NULL, 0, options, weighted_log_probability, slope, sums,
                       error);
}

static void take_scores(CwScores *scores, guint index, const CwStep *step, const float *logits, double value)
{
  gsize first = scores->first[index];
  guint n = width_of(step);
  memcpy(scores->logits + first, logits, n * sizeof *logits);
  if (step->chosen == CW_WORDS)
    scores->log_p[first] = *logits;
  else
    cw_log_probabilities(logits, n, scores->log_p + first);
  scores->log_probability[index] = scores->log_p[first + (step->chosen == CW_WORDS ? 0 : step->chosen)];
  scores->value[index] = value;
}

static gboolean score_batch(CwUpdate *update, CwPolicy *network, const CwItems *items, const guint32 *indices,
                            guint n, const CwLearningOptions *options, CwScores *scores, GError **error)
{
  Passes passes;
  passes_init(&passes, update, network, items, indices, n, options);
  gboolean good = TRUE;
  while (good && passes_next(&passes)) {
    const float *at = passes.logits;
    good = run_pass(&passes, TRUE, items->with_values ? passes.values : NULL, error);
    for (guint i = 0; good && i < passes.size; i++) {
      guint index = passes.costs[passes.start + i].index;
      take_scores(scores, index, items->steps[index], at, passes.values[i]);
      at += width_of(items->steps[index]);
    }
  }
  passes_clear(&passes);
  return good;
}

gboolean cw_score(CwUpdate *update, CwPolicy *network, const CwItems *items, const CwOrder *order,
                  const CwLearningOptions *options, CwScores *scores, GError **error)
{
  cw_scores_clear(scores);
  scores->n = items->n;
  scores->first = g_new0(gsize, items->n + 1);
  for (guint i = 0; i < items->n; i++)
    scores->first[i + 1] = scores->first[i] + width_of(items->steps[i]);
  scores->logits = g_new0(float, scores->first[items->n]);
  scores->log_p = g_new0(double, scores->first[items->n]);
  scores->log_probability = g_new0(double, items->n);
  scores->value = g_new0(double, items->n);
  scores->rows = g_new0(const double *, items->n);
  for (guint i = 0; i < items->n; i++)
    scores->rows[i] = scores->log_p + scores->first[i];
  gboolean good = order || score_batch(update, network, items, NULL, 0, options, scores, error);
  for (guint b = 0; good && order && b < cw_order_n_batches(order); b++) {
    guint n;
    const guint32 *indices = cw_order_batch(order, b, &n);
    good = score_batch(update, network, items, indices, n, options, scores, error);
  }
  if (!good)
    cw_scores_clear(scores);
  return good;
}

/* Words are right when they are likelier than all else together. */
double cw_scores_accuracy(const CwScores *scores, const CwItems *items)
{
  guint n_correct = 0;
  for (guint i = 0; i < items->n; i++) {
    const float *logits = scores->logits + scores->first[i];
    guint best = 0;
    for (guint k = 1; k < width_of(items->steps[i]); k++)
      best = logits[k] > logits[best] ? k : best;
    n_correct += items->steps[i]->chosen == CW_WORDS ? scores->log_probability[i] > log(0.5)
                                                     : best == items->steps[i]->chosen;
  }
  return (double)n_correct / MAX(items->n, 1);
}

void cw_scores_clear(CwScores *scores)
{
  g_free(scores->first);
  g_free(scores->logits);
  g_free(scores->log_p);
  g_free(scores->log_probability);
  g_free(scores->value);
  g_free(scores->rows);
  *scores = (CwScores){0};
}
