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
  /* Of every item, by place. */
  const float **item_logits;
  double *item_values, *losses, *reports; /* CW_MOST_REPORTS each */
  GPtrArray *memory;                      /* all these arrays */
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

static gpointer take(Passes *passes, gsize n, gsize size)
{
  g_ptr_array_add(passes->memory, g_malloc0_n(MAX(n, 1), size));
  return passes->memory->pdata[passes->memory->len - 1];
}

static void passes_init(Passes *passes, CwUpdate *update, CwPolicy *network, const CwItems *items,
                        const guint32 *indices, guint n, const CwLearningOptions *options)
{
  *passes = (Passes){.network = network ? network : cw_update_policy(update),
                     .items = items,
                     .n = indices ? n : items->n,
                     .budget = (guint64)options->batch_tokens,
                     .dropout = options->dropout,
                     .memory = g_ptr_array_new_with_free_func(g_free)};
  passes->costs = take(passes, passes->n, sizeof *passes->costs);
  passes->decisions = take(passes, passes->n, sizeof *passes->decisions);
  passes->actions = take(passes, passes->n, sizeof *passes->actions);
  passes->item_logits = take(passes, passes->n, sizeof *passes->item_logits);
  passes->item_values = take(passes, passes->n, sizeof *passes->item_values);
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

/* Goes to the next pass and makes room for its logits and values; FALSE after the last. */
static gboolean passes_next(Passes *passes)
{
  guint64 tokens = 0;
  passes->start += passes->size;
  passes->size = 0;
  passes->width = 0;
  while (passes->start + passes->size < passes->n) {
    const Cost *cost = &passes->costs[passes->start + passes->size];
    if (passes->size > 0 &&
        (tokens >= passes->share || tokens + cost->tokens > passes->budget || cost->words != passes->words))
      break;
    const CwStep *step = passes->items->steps[cost->index];
    tokens += cost->tokens;
    passes->width += width_of(step);
    passes->words = cost->words;
    passes->actions[passes->size] = step->action;
    passes->decisions[passes->size++] = step->decision;
  }
  passes->logits = take(passes, passes->width, sizeof *passes->logits);
  passes->values = take(passes, passes->size, sizeof *passes->values);
  return passes->size > 0;
}

/* The network's numbers for the present pass, without (`scores`) or with a backward to follow. */
static gboolean run_pass(Passes *passes, gboolean scores, GError **error)
{
  CwPolicy *network = passes->network;
  const CwDecision *const *decisions = passes->decisions;
  guint n = passes->size;
  float *logits = passes->logits, *values = passes->items->with_values ? passes->values : NULL;
  gboolean good;
  if (passes->words)
    good = scores ? cw_policy_score_words(network, decisions, passes->actions, n, logits, values, error)
                  : cw_policy_forward_words(network, decisions, passes->actions, n, passes->dropout, logits,
                                            values, error);
  else
    good = scores ? cw_policy_score(network, decisions, n, logits, values, error)
                  : cw_policy_forward(network, decisions, n, passes->dropout, logits, values, error);
  for (guint i = 0; i < n; i++) {
    const Cost *cost = &passes->costs[passes->start + i];
    passes->item_logits[cost->place] = logits;
    passes->item_values[cost->place] = passes->values[i];
    logits += width_of(passes->items->steps[cost->index]);
  }
  return good;
}

/* Who looks on, set by the conformance suite alone. */
static CwLossWatcher watcher;
static gpointer watcher_data;

void cw_watch_losses(CwLossWatcher function, gpointer user_data)
{
  watcher = function;
  watcher_data = user_data;
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

double cw_loss_at(const CwItems *items, guint index, const float *logits, double value, double weight,
                  CwLoss loss, gconstpointer data, float *dlogits, double *dvalue, double *reports)
{
  guint n = width_of(items->steps[index]);
  g_autofree double *log_p = g_new(double, n), *slope_p = g_new0(double, n),
                    *slope_logits = g_new0(double, n);
  CwView view;
  CwSlopes slopes = {
      .struct_size = sizeof slopes, .log_p = slope_p, .logits = slope_logits, .report = reports};
  view_fill(&view, items, index, logits, value, log_p);
  double result = loss(&view, &slopes, data);
  chain(&view, &slopes, weight, dlogits);
  *dvalue = weight * slopes.value;
  return weight * result;
}

static gboolean accumulate_pass(Passes *passes, CwLoss loss, gconstpointer data, GError **error)
{
  const CwItems *items = passes->items;
  g_autofree float *dlogits = g_new0(float, passes->width), *dvalues = g_new0(float, passes->size);
  if (!run_pass(passes, FALSE, error))
    return FALSE;
  for (guint i = 0; i < passes->size; i++) {
    const Cost *cost = &passes->costs[passes->start + i];
    const float *logits = passes->item_logits[cost->place];
    double weight = items->weight ? items->weight[cost->index] : 1.0 / passes->n, dvalue;
    double result = cw_loss_at(items, cost->index, logits, passes->values[i], weight, loss, data,
                               dlogits + (logits - passes->logits), &dvalue,
                               passes->reports + (gsize)cost->place * CW_MOST_REPORTS);
    passes->losses[cost->place] = result;
    dvalues[i] = (float)dvalue;
    if (isfinite(result))
      continue;
    g_set_error(
        error, CW_ALGORITHM_ERROR, CW_ERROR_NUMERIC,
        "the loss of a decision is %g, though all logits and values are finite: they have moved too far "
        "apart; lower learning_rate, max_gradient_norm or the number of epochs",
        result);
    return FALSE;
  }
  return cw_policy_backward(passes->network, dlogits, items->with_values ? dvalues : NULL, error);
}

static void sum_up(const Passes *passes, guint n, CwSums *sums)
{
  *sums = (CwSums){.n = n};
  for (guint i = 0; i < n; i++) {
    sums->loss += passes->losses[i];
    for (guint r = 0; r < CW_MOST_REPORTS; r++) {
      double number = passes->reports[(gsize)i * CW_MOST_REPORTS + r];
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
  passes_init(&passes, update, network, items, indices, n, options);
  passes.losses = take(&passes, passes.n, sizeof *passes.losses);
  passes.reports = take(&passes, passes.n, CW_MOST_REPORTS * sizeof *passes.reports);
  gboolean good = TRUE;
  while (good && passes_next(&passes))
    good = accumulate_pass(&passes, loss, data, error);
  sum_up(&passes, good ? passes.n : 0, sums);
  if (good && watcher) {
    CwLossCall call = {
        items,          indices, passes.n, passes.item_logits, passes.item_values, passes.losses,
        passes.reports, loss,    data};
    watcher(&call, watcher_data);
  }
  g_ptr_array_unref(passes.memory);
  return good;
}

gboolean cw_optimizer_step(CwUpdate *update, CwPolicy *network, const CwLearningOptions *options,
                           double learning_rate, CwSums *sums, GError **error)
{
  return cw_policy_step(network ? network : cw_update_policy(update), learning_rate,
                        options->max_gradient_norm, &sums->gradient_norm, error);
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
  gboolean words = step->chosen == CW_WORDS;
  memcpy(scores->logits + first, logits, width_of(step) * sizeof *logits);
  if (words)
    scores->log_p[first] = *logits;
  else
    cw_log_probabilities(logits, width_of(step), scores->log_p + first);
  scores->log_probability[index] = scores->log_p[first + (words ? 0 : step->chosen)];
  scores->value[index] = value;
}

static gboolean score_batch(CwUpdate *update, CwPolicy *network, const CwItems *items, const guint32 *indices,
                            guint n, const CwLearningOptions *options, CwScores *scores, GError **error)
{
  Passes passes;
  passes_init(&passes, update, network, items, indices, n, options);
  gboolean good = TRUE;
  while (good && passes_next(&passes))
    good = run_pass(&passes, TRUE, error);
  for (guint i = 0; good && i < passes.n; i++) {
    guint index = passes.costs[i].index, place = passes.costs[i].place;
    take_scores(scores, index, items->steps[index], passes.item_logits[place], passes.item_values[place]);
  }
  g_ptr_array_unref(passes.memory);
  return good;
}

gboolean cw_score(CwUpdate *update, CwPolicy *network, const CwItems *items, const CwOrder *order,
                  const CwLearningOptions *options, CwScores *scores, GError **error)
{
  cw_scores_clear(scores);
  *scores = (CwScores){.n = items->n,
                       .first = g_new0(gsize, items->n + 1),
                       .log_probability = g_new0(double, items->n),
                       .value = g_new0(double, items->n),
                       .rows = g_new0(const double *, items->n)};
  for (guint i = 0; i < items->n; i++)
    scores->first[i + 1] = scores->first[i] + width_of(items->steps[i]);
  scores->logits = g_new0(float, scores->first[items->n]);
  scores->log_p = g_new0(double, scores->first[items->n]);
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
