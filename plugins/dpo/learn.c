/* The gradient of a batch of preference pairs. By decision, both candidates of a
 * pair share one softmax, so one forward does. By trajectory, a pair's loss needs
 * the log-probabilities of two whole sessions first: they are summed in a scoring
 * pass, then every decision goes forward and backward with its weight, so that
 * memory does not grow with the session. */
#include "plugins/common/batches.h"
#include "plugins/common/softmax.h"
#include "plugins/dpo/dpo.h"
#include <math.h>

/* One candidate preferred to another of the same decision. */
typedef struct {
  guint preferred, rejected;
  const float *reference; /* logits of the decision */
} Choice;

typedef struct {
  GPtrArray *decisions; /* const CwDecision * */
  GArray *choices;      /* Choice */
  const DpoOptions *options;
  DpoReport *report;
} Choices;

/* A draw from the reference's softmax, again while it is `preferred`, at most `resample` times. */
static guint draw_rejected(CwRandom *random, const float *reference, guint n, guint preferred,
                           gint64 resample)
{
  guint rejected = cw_random_categorical(random, reference, n);

  for (gint64 i = 0; rejected == preferred && i < resample; i++)
    rejected = cw_random_categorical(random, reference, n);
  return rejected;
}

/* Pairs for the decision `step` of a session, or for all of them. */
static gboolean add_choices(Choices *choices, DpoData *data, CwUpdate *update, const DpoUnit *unit,
                            GError **error)
{
  const DpoOptions *options = choices->options;
  const float *reference =
      dpo_data_reference(data, update, unit->trajectory, (guint64)options->optimizer.batch_tokens, error);
  DpoSession session;

  if (!reference)
    return FALSE;
  dpo_session_init(&session, cw_update_trajectory(update, unit->trajectory));
  for (guint i = 0; i < session.n; reference += session.decisions[i++]->n_candidates) {
    Choice choice = {.preferred = session.chosen[i], .reference = reference};

    if (unit->step != DPO_ALL && unit->step != i)
      continue;
    choice.rejected = draw_rejected(cw_update_random(update), reference, session.decisions[i]->n_candidates,
                                    choice.preferred, options->resample);
    if (choice.rejected == choice.preferred) {
      choices->report->n_equal++;
      if (options->equal == DPO_SKIP)
        continue;
    }
    g_ptr_array_add(choices->decisions, (gpointer)session.decisions[i]);
    g_array_append_val(choices->choices, choice);
  }
  dpo_session_clear(&session);
  return TRUE;
}

/* Adds a pair to the report and returns d(loss)/d(margin). The gains are log pi - log pi_ref. */
static double add_pair(const DpoOptions *options, double chosen, double chosen_gain, double rejected,
                       double rejected_gain, DpoReport *report)
{
  double margin = chosen_gain - rejected_gain, derivative;

  report->loss +=
      dpo_loss((DpoLoss)options->loss, options->beta, options->label_smoothing, margin, &derivative);
  report->n_pairs++;
  report->n_correct += margin > 0 ? 1 : 0;
  report->margin += margin;
  report->chosen += chosen;
  report->rejected += rejected;
  report->chosen_gain += chosen_gain;
  report->rejected_gain += rejected_gain;
  return derivative;
}

static void learn_choice(guint index, const float *logits, float value, float *dlogits, float *dvalue,
                         gpointer user_data)
{
  Choices *choices = user_data;
  const Choice *choice = &g_array_index(choices->choices, Choice, index);
  guint n = ((const CwDecision *)choices->decisions->pdata[index])->n_candidates;
  g_autofree double *log_p = g_new(double, n), *log_q = g_new(double, n);
  double derivative;

  (void)value;
  (void)dvalue;
  common_log_softmax(logits, n, log_p);
  common_log_softmax(choice->reference, n, log_q);
  derivative = add_pair(choices->options, log_p[choice->preferred],
                        log_p[choice->preferred] - log_q[choice->preferred], log_p[choice->rejected],
                        log_p[choice->rejected] - log_q[choice->rejected], choices->report);
  choices->report->kl += common_kl(log_p, log_q, n);
  choices->report->n_decisions++;
  /* The softmax's sum cancels in the margin. */
  dlogits[choice->preferred] += (float)(derivative / choices->choices->len);
  dlogits[choice->rejected] -= (float)(derivative / choices->choices->len);
}

gboolean dpo_learn_decisions(DpoData *data, CwUpdate *update, const DpoUnit *units, guint n,
                             const DpoOptions *options, DpoReport *report, GError **error)
{
  Choices choices = {g_ptr_array_new(), g_array_new(FALSE, FALSE, sizeof(Choice)), options, report};
  gboolean good = TRUE;

  for (guint i = 0; good && i < n; i++)
    good = add_choices(&choices, data, update, &units[i], error);
  if (good && choices.choices->len > 0)
    good = common_accumulate(cw_update_policy(update), (const CwDecision *const *)choices.decisions->pdata,
                             choices.decisions->len, (guint64)options->optimizer.batch_tokens, FALSE,
                             learn_choice, &choices, error);
  g_ptr_array_free(choices.decisions, TRUE);
  g_array_free(choices.choices, TRUE);
  return good;
}

/* A decision of the second pass: d(loss)/d(log pi(chosen)). */
typedef struct {
  guint chosen;
  double weight;
} Weighted;

/* The decisions of a batch of pairs. */
typedef struct {
  GPtrArray *decisions; /* const CwDecision * */
  GArray *weighted;     /* Weighted */
} Weights;

/* The log-probability of a session's choices: their sum, or their mean with
 * length_normalization, under the policy, and by how much it exceeds the reference's. */
typedef struct {
  double log_probability, gain;
} SessionScore;

static gboolean score_session(DpoData *data, CwUpdate *update, guint trajectory, const DpoSession *session,
                              const DpoOptions *options, SessionScore *score, DpoReport *report,
                              GError **error)
{
  guint64 budget = (guint64)options->optimizer.batch_tokens;
  const float *reference = dpo_data_reference(data, update, trajectory, budget, error);
  g_autofree float *logits = g_new(float, cw_count_logits(session->decisions, session->n));
  const float *at = logits;
  double length = options->length_normalization ? session->n : 1;

  *score = (SessionScore){0};
  if (!reference ||
      !common_score(cw_update_policy(update), session->decisions, session->n, budget, logits, NULL, error))
    return FALSE;
  for (guint i = 0; i < session->n; i++) {
    guint n = session->decisions[i]->n_candidates, chosen = session->chosen[i];
    g_autofree double *log_p = g_new(double, n), *log_q = g_new(double, n);

    common_log_softmax(at, n, log_p);
    common_log_softmax(reference, n, log_q);
    score->log_probability += log_p[chosen] / length;
    score->gain += (log_p[chosen] - log_q[chosen]) / length;
    report->kl += common_kl(log_p, log_q, n);
    report->n_decisions++;
    at += n;
    reference += n;
  }
  return TRUE;
}

static void add_weights(Weights *weights, const DpoSession *session, double weight, const DpoOptions *options)
{
  for (guint i = 0; i < session->n; i++) {
    Weighted weighted = {session->chosen[i], options->length_normalization ? weight / session->n : weight};

    g_ptr_array_add(weights->decisions, (gpointer)session->decisions[i]);
    g_array_append_val(weights->weighted, weighted);
  }
}

/* The first pass over a pair; `n` pairs make up the batch. */
static gboolean weigh_pair(Weights *weights, DpoData *data, CwUpdate *update, const DpoUnit *unit, guint n,
                           const DpoOptions *options, DpoReport *report, GError **error)
{
  DpoSession better, worse;
  SessionScore of_better, of_worse;
  gboolean good;

  dpo_session_init(&better, cw_update_trajectory(update, unit->trajectory));
  dpo_session_init(&worse, cw_update_trajectory(update, unit->worse));
  good = score_session(data, update, unit->trajectory, &better, options, &of_better, report, error) &&
         score_session(data, update, unit->worse, &worse, options, &of_worse, report, error);
  if (good) {
    double derivative = add_pair(options, of_better.log_probability, of_better.gain, of_worse.log_probability,
                                 of_worse.gain, report);

    add_weights(weights, &better, derivative / n, options);
    add_weights(weights, &worse, -derivative / n, options);
  }
  dpo_session_clear(&better);
  dpo_session_clear(&worse);
  return good;
}

static void learn_weighted(guint index, const float *logits, float value, float *dlogits, float *dvalue,
                           gpointer user_data)
{
  const Weights *weights = user_data;
  const Weighted *weighted = &g_array_index(weights->weighted, Weighted, index);
  guint n = ((const CwDecision *)weights->decisions->pdata[index])->n_candidates;
  g_autofree double *log_p = g_new(double, n);

  (void)value;
  (void)dvalue;
  common_log_softmax(logits, n, log_p);
  for (guint j = 0; j < n; j++)
    dlogits[j] = (float)(weighted->weight * ((j == weighted->chosen ? 1 : 0) - exp(log_p[j])));
}

gboolean dpo_learn_trajectories(DpoData *data, CwUpdate *update, const DpoUnit *units, guint n,
                                const DpoOptions *options, DpoReport *report, GError **error)
{
  Weights weights = {g_ptr_array_new(), g_array_new(FALSE, FALSE, sizeof(Weighted))};
  gboolean good = TRUE;

  for (guint i = 0; good && i < n; i++)
    good = weigh_pair(&weights, data, update, &units[i], n, options, report, error);
  good =
      good && common_accumulate(cw_update_policy(update), (const CwDecision *const *)weights.decisions->pdata,
                                weights.decisions->len, (guint64)options->optimizer.batch_tokens, FALSE,
                                learn_weighted, &weights, error);
  g_ptr_array_free(weights.decisions, TRUE);
  g_array_free(weights.weighted, TRUE);
  return good;
}
