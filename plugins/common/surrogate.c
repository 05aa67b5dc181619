/* Epochs of minibatches over the decisions of one update. A batch lives within one
 * update: nothing of it survives to the next, so a checkpoint between two updates
 * need not know of it. It owns its items, the reference's log-probabilities and
 * the order; decisions belong to the host. */
#include "plugins/common/surrogate.h"
#include "plugins/common/batches.h"
#include "plugins/common/softmax.h"
#include <math.h>
#include <string.h>

const char *const surrogate_old_policies[] = {"rescored", "recorded", NULL};
const char *const surrogate_kls[] = {"exact", "k3", NULL};

SurrogateBatch *surrogate_batch_new(CwUpdate *update, const SurrogateOptions *options, guint64 budget,
                                    gboolean with_values)
{
  SurrogateBatch *batch = g_new0(SurrogateBatch, 1);

  batch->update = update;
  batch->options = options;
  batch->budget = budget;
  batch->with_values = with_values;
  batch->items = g_array_new(FALSE, TRUE, sizeof(SurrogateItem));
  batch->recorded = g_array_new(FALSE, FALSE, sizeof(float));
  batch->recorded_difference = NAN;
  return batch;
}

void surrogate_batch_free(SurrogateBatch *batch)
{
  if (!batch)
    return;
  g_array_free(batch->items, TRUE);
  g_array_free(batch->recorded, TRUE);
  g_free(batch->references);
  g_free(batch->order);
  g_free(batch);
}

void surrogate_batch_add(SurrogateBatch *batch, const CwStep *step)
{
  SurrogateItem item = {.decision = step->decision,
                        .chosen = step->chosen,
                        .weight = step->decision->n_candidates > 1 ? 1 : 0,
                        .old_log_probability = step->log_probability,
                        .old_value = step->value};

  g_array_append_val(batch->items, item);
  g_array_append_val(batch->recorded, step->log_probability);
}

static guint n_minibatches(const SurrogateBatch *batch)
{
  guint n = batch->items->len, size = (guint)batch->options->minibatch_decisions;

  return size == 0 ? 1 : (n + size - 1) / size;
}

/* The first item of a minibatch in the order; all have the same size, give or take one. */
static guint start_of(const SurrogateBatch *batch, guint minibatch)
{
  return (guint)((guint64)minibatch * batch->items->len / n_minibatches(batch));
}

/* The items order[start .. end - 1] and their decisions. */
typedef struct {
  SurrogateItem **items;
  const CwDecision **decisions;
  guint n;
} Minibatch;

static void minibatch_init(Minibatch *minibatch, const SurrogateBatch *batch, guint number)
{
  guint start = start_of(batch, number);

  minibatch->n = start_of(batch, number + 1) - start;
  minibatch->items = g_new(SurrogateItem *, minibatch->n);
  minibatch->decisions = g_new(const CwDecision *, minibatch->n);
  for (guint i = 0; i < minibatch->n; i++) {
    minibatch->items[i] = surrogate_batch_item(batch, batch->order[start + i]);
    minibatch->decisions[i] = minibatch->items[i]->decision;
  }
}

static void minibatch_clear(Minibatch *minibatch)
{
  g_free(minibatch->items);
  g_free(minibatch->decisions);
}

/* A new order for an epoch. */
static void shuffle(SurrogateBatch *batch)
{
  guint n = batch->items->len;

  if (!batch->order)
    batch->order = g_new(guint32, n);
  for (guint i = 0; i < n; i++)
    batch->order[i] = i;
  cw_random_shuffle(cw_update_random(batch->update), batch->order, n);
}

/* The log-probabilities of a minibatch's decisions under the policy that acted, which
 * is still the present one. */
static gboolean score_old(SurrogateBatch *batch, const Minibatch *minibatch, GError **error)
{
  g_autofree float *logits = g_new(float, cw_count_logits(minibatch->decisions, minibatch->n));
  g_autofree float *values = g_new0(float, minibatch->n);
  const float *at = logits;

  if (!common_score(cw_update_policy(batch->update), minibatch->decisions, minibatch->n, batch->budget,
                    logits, batch->with_values ? values : NULL, error))
    return FALSE;
  for (guint i = 0; i < minibatch->n; i++) {
    guint n = minibatch->decisions[i]->n_candidates;
    g_autofree double *log_probabilities = g_new(double, n);

    common_log_softmax(at, n, log_probabilities);
    minibatch->items[i]->old_log_probability = log_probabilities[minibatch->items[i]->chosen];
    minibatch->items[i]->old_value = values[i];
    at += n;
  }
  return TRUE;
}

/* The reference's log-probabilities of a minibatch, written from `room` on. */
static gboolean score_reference(SurrogateBatch *batch, const Minibatch *minibatch, double *room,
                                GError **error)
{
  g_autofree float *logits = g_new(float, cw_count_logits(minibatch->decisions, minibatch->n));
  const float *at = logits;

  if (!common_score(cw_update_reference(batch->update), minibatch->decisions, minibatch->n, batch->budget,
                    logits, NULL, error))
    return FALSE;
  for (guint i = 0; i < minibatch->n; i++) {
    guint n = minibatch->decisions[i]->n_candidates;

    common_log_softmax(at, n, room);
    minibatch->items[i]->reference = room;
    room += n;
    at += n;
  }
  return TRUE;
}

static gboolean check_recorded(const SurrogateBatch *batch, GError **error)
{
  for (guint i = 0; i < batch->items->len; i++) {
    const SurrogateItem *item = surrogate_batch_item(batch, i);

    if (!isfinite(item->old_log_probability) || (batch->with_values && !isfinite(item->old_value))) {
      g_set_error(
          error, CW_ALGORITHM_ERROR, CW_ERROR_CONFIGURATION,
          "old_policy: expected episodes with recorded log-probabilities and values, found %g and %g at "
          "decision %u; set old_policy to rescored",
          item->old_log_probability, item->old_value, i);
      return FALSE;
    }
  }
  return TRUE;
}

/* Compares what was scored with what was recorded when acting. */
static void compare_recorded(SurrogateBatch *batch)
{
  double sum = 0;
  guint n = 0;

  for (guint i = 0; i < batch->items->len; i++) {
    float recorded = g_array_index(batch->recorded, float, i);

    if (isfinite(recorded)) {
      sum += fabs(surrogate_batch_item(batch, i)->old_log_probability - recorded);
      n++;
    }
  }
  if (n > 0)
    batch->recorded_difference = sum / n;
}

gboolean surrogate_batch_score(SurrogateBatch *batch, GError **error)
{
  gboolean rescore = batch->options->old_policy == SURROGATE_RESCORED;
  gboolean good = rescore || check_recorded(batch, error);
  gsize n_logits = 0, used = 0;

  shuffle(batch);
  for (guint i = 0; i < batch->items->len; i++)
    n_logits += surrogate_batch_item(batch, i)->decision->n_candidates;
  if (cw_update_reference(batch->update))
    batch->references = g_new(double, n_logits);
  for (guint m = 0; good && m < n_minibatches(batch); m++) {
    Minibatch minibatch;

    minibatch_init(&minibatch, batch, m);
    good = (!rescore || score_old(batch, &minibatch, error)) &&
           (!batch->references || score_reference(batch, &minibatch, batch->references + used, error));
    used += cw_count_logits(minibatch.decisions, minibatch.n);
    minibatch_clear(&minibatch);
  }
  if (good && rescore)
    compare_recorded(batch);
  return good;
}

/* Sums over the decisions of a minibatch, or of an epoch. */
typedef struct {
  guint64 n, n_choices, n_clipped;
  double loss, policy, value, uniform, entropy, reference_kl, k1, k3, deviation;
} Sums;

static void add_sums(Sums *sums, const Sums *more)
{
  sums->n += more->n;
  sums->n_choices += more->n_choices;
  sums->n_clipped += more->n_clipped;
  sums->policy += more->policy;
  sums->value += more->value;
  sums->uniform += more->uniform;
  sums->entropy += more->entropy;
  sums->reference_kl += more->reference_kl;
  sums->k1 += more->k1;
  sums->k3 += more->k3;
}

typedef struct {
  const Minibatch *minibatch;
  const SurrogateTerms *terms;
  Sums sums;
} Learning;

static void learn_decision(guint index, const float *logits, float value, float *dlogits, float *dvalue,
                           gpointer user_data)
{
  Learning *learning = user_data;
  const SurrogateItem *item = learning->minibatch->items[index];
  Sums *sums = &learning->sums;
  SurrogateLoss loss;

  sums->loss += surrogate_loss(learning->terms, item, logits, value, 1.0 / learning->minibatch->n, dlogits,
                               dvalue, &loss);
  sums->n++;
  sums->value += loss.value;
  if (item->weight == 0)
    return;
  sums->n_choices++;
  sums->n_clipped += loss.clipped ? 1 : 0;
  sums->policy += item->weight * loss.policy;
  sums->uniform += loss.uniform;
  sums->entropy += loss.entropy;
  sums->reference_kl += loss.reference_kl;
  sums->k1 += loss.k1;
  sums->k3 += loss.k3;
  sums->deviation = fmax(sums->deviation, fabs(loss.ratio - 1));
}

/* Forward, backward and one optimiser step on a minibatch. */
static gboolean learn_minibatch(SurrogateBatch *batch, guint number, const SurrogateTerms *terms,
                                double learning_rate, double max_gradient_norm, Sums *sums, double *norm,
                                GError **error)
{
  CwPolicy *policy = cw_update_policy(batch->update);
  Learning learning = {.terms = terms};
  Minibatch minibatch;
  gboolean good;

  minibatch_init(&minibatch, batch, number);
  learning.minibatch = &minibatch;
  good = common_accumulate(policy, minibatch.decisions, minibatch.n, batch->budget, batch->with_values,
                           learn_decision, &learning, error);
  minibatch_clear(&minibatch);
  *sums = learning.sums;
  if (good && !isfinite(sums->loss)) {
    g_set_error(
        error, CW_ALGORITHM_ERROR, CW_ERROR_NUMERIC,
        "the loss is %g, though all logits and values are finite: the policy has moved too far from the one "
        "that acted (KL %g); lower learning_rate or epochs, or set target_kl",
        sums->loss, sums->k3 / (double)MAX(1, sums->n_choices));
    return FALSE;
  }
  return good && cw_policy_step(policy, learning_rate, max_gradient_norm, norm, error);
}

static double mean_of(double sum, guint64 n)
{
  return n > 0 ? sum / (double)n : 0;
}

gboolean surrogate_batch_train(SurrogateBatch *batch, const SurrogateTerms *terms, double learning_rate,
                               double max_gradient_norm, SurrogateReport *report, GError **error)
{
  Sums all = {0}, last = {0};
  double norms = 0;

  memset(report, 0, sizeof *report);
  for (guint i = 0; i < batch->items->len; i++)
    report->n_choices += surrogate_batch_item(batch, i)->weight != 0 ? 1 : 0;
  for (gint64 epoch = 0; batch->items->len > 0 && epoch < batch->options->epochs && !report->stopped;
       epoch++) {
    if (epoch > 0)
      shuffle(batch);
    memset(&last, 0, sizeof last);
    for (guint m = 0; m < n_minibatches(batch) && !report->stopped; m++) {
      double norm = 0;
      Sums sums;

      if (!learn_minibatch(batch, m, terms, learning_rate, max_gradient_norm, &sums, &norm, error))
        return FALSE;
      if (report->n_steps++ == 0)
        report->first_ratio_deviation = sums.deviation;
      norms += norm;
      add_sums(&last, &sums);
      add_sums(&all, &sums);
      report->stopped =
          batch->options->target_kl > 0 && mean_of(sums.k3, sums.n_choices) > batch->options->target_kl;
    }
  }
  report->n_learnt = all.n;
  report->policy = mean_of(all.policy, all.n_choices);
  report->value = mean_of(all.value, all.n);
  report->uniform = mean_of(all.uniform, all.n_choices);
  report->entropy = mean_of(all.entropy, all.n_choices);
  report->reference_kl = mean_of(all.reference_kl, all.n_choices);
  report->k1 = mean_of(last.k1, last.n_choices);
  report->k3 = mean_of(last.k3, last.n_choices);
  report->clip_fraction = mean_of((double)last.n_clipped, last.n_choices);
  report->gradient_norm = mean_of(norms, report->n_steps);
  return TRUE;
}

void surrogate_batch_record(const SurrogateBatch *batch, const SurrogateReport *report)
{
  CwUpdate *update = batch->update;

  if (report->n_steps == 0)
    return;
  cw_update_metric(update, "policy_loss", report->policy);
  cw_update_metric(update, "entropy", report->entropy);
  cw_update_metric(update, "approximate_kl", report->k3);
  cw_update_metric(update, "approximate_kl_k1", report->k1);
  cw_update_metric(update, "clip_fraction", report->clip_fraction);
  cw_update_metric(update, "first_ratio_deviation", report->first_ratio_deviation);
  cw_update_metric(update, "gradient_norm", report->gradient_norm);
  cw_update_metric(update, "stopped_early", report->stopped ? 1 : 0);
  if (batch->references)
    cw_update_metric(update, "reference_kl", report->reference_kl);
  if (isfinite(batch->recorded_difference))
    cw_update_metric(update, "recorded_difference", batch->recorded_difference);
}
