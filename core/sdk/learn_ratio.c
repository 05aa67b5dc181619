/* Epochs of minibatches with a clipped ratio, over the decisions of one update: nothing of it survives to the
 * next, so a checkpoint between two updates need not know of it. */
#include <cartwright/learn.h>
#include <math.h>

static const char *const old_policies[] = {"rescored", "recorded", NULL};
static const char *const kls[] = {"exact", "k3", NULL};

static const CwOption rows[] = {
    CW_INTEGER(CwRatioOptions, epochs, 4, 1, 1000, "passes over the decisions collected for an update"),
    CW_COUNT(CwRatioOptions, minibatch_decisions, 64, 0, 1000000, "decisions",
             "decisions in one optimiser step, at most; 0: all that were collected"),
    CW_NUMBER(
        CwRatioOptions, clip, 0.2, 0, 100,
        "how far the ratio of new to old probability may leave 1 to a decision's advantage; 0 does not clip"),
    CW_ROW(
        CwRatioOptions, target_kl, double, CW_OPTION_NUMBER, 0, "0", 0, 1000, NULL, "nats",
        "the first minibatch whose KL from the old policy (k3) exceeds this is the update's last; 0: never"),
    CW_NUMBER(CwRatioOptions, entropy_coefficient, 0.01, 0, 1000, "weight of the entropy bonus"),
    CW_NUMBER(
        CwRatioOptions, reference_coefficient, 0, 0, 1000,
        "weight of the KL from the policy that the stage began with; above 0 a frozen copy of it is kept"),
    CW_ENUM(CwRatioOptions, reference_kl, "exact", kls,
            "that KL: exact over all candidates, or estimated at the one taken (k3)"),
    CW_ENUM(CwRatioOptions, old_policy, "rescored", old_policies,
            "the ratio's denominator: scored again before the first epoch, or as recorded when acting"),
};

const CwTable cw_ratio_options = CW_TABLE_OF(CwRatioOptions, rows);

enum { POLICY, ENTROPY, K3, K1, CLIPPED, DEVIATION, UNIFORM, REFERENCE_KL, CHOICES };
G_STATIC_ASSERT(CHOICES + 1 == CW_RATIO_REPORTS && UNIFORM == CW_RATIO_UNIFORM);

static gboolean take_recorded(CwRatio *ratio, GError **error)
{
  for (guint i = 0; i < ratio->items.n; i++) {
    const CwStep *step = ratio->items.steps[i];
    if (!isfinite(step->log_probability) || (ratio->items.with_values && !isfinite(step->value))) {
      g_set_error(
          error, CW_ALGORITHM_ERROR, CW_ERROR_CONFIGURATION,
          "old_policy: expected episodes with recorded log-probabilities and values, found %g and %g at "
          "decision %u; set old_policy to rescored",
          step->log_probability, step->value, i);
      return FALSE;
    }
    ratio->old_log_probability[i] = step->log_probability;
    ratio->old_value[i] = step->value;
  }
  return TRUE;
}

static gboolean score_old(CwRatio *ratio, GError **error)
{
  g_auto(CwScores) scores = {0};
  if (!cw_score(ratio->update, NULL, &ratio->items, &ratio->order, ratio->learning, &scores, error))
    return FALSE;
  double sum = 0;
  guint n = 0;
  for (guint i = 0; i < ratio->items.n; i++) {
    float recorded = ratio->items.steps[i]->log_probability;
    ratio->old_log_probability[i] = scores.log_probability[i];
    ratio->old_value[i] = scores.value[i];
    if (!isfinite(recorded))
      continue;
    sum += fabs(scores.log_probability[i] - recorded);
    n++;
  }
  if (n > 0)
    ratio->recorded_difference = sum / n;
  return TRUE;
}

gboolean cw_ratio_score(CwRatio *ratio, GError **error)
{
  guint n = ratio->items.n;
  CwPolicy *reference = cw_update_reference(ratio->update);
  ratio->recorded_difference = NAN;
  ratio->old_log_probability = g_new0(double, MAX(n, 1));
  ratio->old_value = g_new0(double, MAX(n, 1));
  cw_order_shuffle(&ratio->order, cw_update_random(ratio->update), n,
                   (guint)ratio->options->minibatch_decisions);
  if (!(ratio->options->old_policy == CW_OLD_RECORDED ? take_recorded : score_old)(ratio, error))
    return FALSE;
  if (!reference)
    return TRUE;
  CwItems items = ratio->items;
  items.with_values = FALSE;
  if (!cw_score(ratio->update, reference, &items, &ratio->order, ratio->learning, &ratio->reference, error))
    return FALSE;
  ratio->items.reference = ratio->reference.rows;
  return TRUE;
}

/* Of an action in words only the log-probability is known: it has no entropy or uniform term, its KL is k3,
 * and the entropy reported is the estimate at one sample, - log pi(a). */
double cw_ratio_loss(const CwView *view, CwSlopes *slopes, gconstpointer data)
{
  const CwRatio *ratio = data;
  const CwRatioOptions *options = ratio->options;
  double weight = ratio->policy_weight[view->index], old = ratio->old_log_probability[view->index];
  if (weight == 0)
    return 0;
  double slope, high = ratio->clip_high > 0 ? ratio->clip_high : options->clip, kl_slope = 0;
  double policy = cw_clipped_ratio(view->log_probability, old, ratio->advantage[view->index], options->clip,
                                   high, &slope);
  gboolean words = view->n == 0, refers = !isnan(view->reference_log_probability);
  double entropy = words ? 0 : view->entropy, uniform = words ? 0 : view->uniform;
  gboolean exact = refers && !words && options->reference_kl == CW_KL_EXACT;
  double k3 = refers && !exact ? cw_k3(view->log_probability, view->reference_log_probability, &kl_slope) : 0;
  double kl = exact ? view->kl : k3;
  slopes->log_probability = weight * (slope + options->reference_coefficient * kl_slope);
  slopes->entropy = weight * -options->entropy_coefficient;
  slopes->uniform = weight * ratio->uniform_coefficient;
  slopes->kl = exact ? weight * options->reference_coefficient : 0;
  double log_ratio = view->log_probability - old;
  slopes->report[POLICY] = weight * policy;
  slopes->report[ENTROPY] = words ? -view->log_probability : entropy;
  slopes->report[K3] = cw_k3(old, view->log_probability, NULL);
  slopes->report[K1] = -log_ratio;
  slopes->report[CLIPPED] = slope == 0 && ratio->advantage[view->index] != 0;
  slopes->report[DEVIATION] = fabs(exp(log_ratio) - 1);
  slopes->report[UNIFORM] = uniform;
  slopes->report[REFERENCE_KL] = kl;
  slopes->report[CHOICES] = 1;
  return weight * (policy - options->entropy_coefficient * entropy + ratio->uniform_coefficient * uniform +
                   options->reference_coefficient * kl);
}

static void add(CwSums *sums, const CwSums *more)
{
  sums->n += more->n;
  for (guint r = 0; r < CW_MOST_REPORTS; r++)
    sums->sum[r] += more->sum[r];
}

static double mean(const CwSums *sums, guint report, guint over)
{
  double n = over < CW_MOST_REPORTS ? sums->sum[over] : sums->n;
  return n > 0 ? sums->sum[report] / n : 0;
}

static gboolean step_taken(guint epoch G_GNUC_UNUSED, guint batch, const CwSums *sums, gpointer data)
{
  CwRatio *ratio = data;
  if (ratio->n_steps++ == 0)
    ratio->first_deviation = sums->largest[DEVIATION];
  if (batch == 0)
    ratio->last = (CwSums){0};
  ratio->norms += sums->gradient_norm;
  ratio->n_learnt += sums->n;
  add(&ratio->last, sums);
  add(&ratio->all, sums);
  ratio->stopped = ratio->options->target_kl > 0 && mean(sums, K3, CHOICES) > ratio->options->target_kl;
  return ratio->stopped;
}

gboolean cw_ratio_learn(CwRatio *ratio, double learning_rate, CwLoss loss, GError **error)
{
  return cw_learn_epochs(ratio->update, NULL, &ratio->items, &ratio->order, (guint)ratio->options->epochs,
                         ratio->learning, learning_rate, loss, ratio, step_taken, ratio, error);
}

double cw_ratio_mean(const CwRatio *ratio, guint report, gboolean over_choices)
{
  return mean(&ratio->all, report, over_choices ? CHOICES : CW_MOST_REPORTS);
}

void cw_ratio_record(const CwRatio *ratio, guint first)
{
  if (ratio->n_steps == 0)
    return;
  const double numbers[] = {mean(&ratio->all, POLICY, CHOICES),    mean(&ratio->all, ENTROPY, CHOICES),
                            mean(&ratio->last, K3, CHOICES),       mean(&ratio->last, K1, CHOICES),
                            mean(&ratio->last, CLIPPED, CHOICES),  ratio->first_deviation,
                            ratio->norms / (double)ratio->n_steps, ratio->stopped};
  for (guint i = 0; i < G_N_ELEMENTS(numbers); i++)
    cw_update_record(ratio->update, first + i, numbers[i]);
  if (ratio->items.reference)
    cw_update_record(ratio->update, first + 8, mean(&ratio->all, REFERENCE_KL, CHOICES));
  if (isfinite(ratio->recorded_difference))
    cw_update_record(ratio->update, first + 9, ratio->recorded_difference);
}

void cw_ratio_clear(CwRatio *ratio)
{
  g_free(ratio->old_log_probability);
  g_free(ratio->old_value);
  cw_scores_clear(&ratio->reference);
  cw_order_clear(&ratio->order);
  *ratio = (CwRatio){0};
}
