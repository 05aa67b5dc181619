/* The algorithm plugin "bc": behaviour cloning (Pomerleau 1989), that is, making the choices in recorded
 * trajectories more probable. One update is one optimiser step on a batch of decisions. An epoch's order
 * comes from a seed, so a stopped stage continues in the middle of an epoch from a few numbers. The decisions
 * point into the host's trajectories. */
#include <cartwright/cartwright.h>
#include <math.h>

typedef enum { BC_KEEP_BEST, BC_KEEP_LAST } BcKeep;

typedef struct {
  gint64 epochs, batch_decisions, early_stop;
  CwLearningOptions learning;
  CwSampleOptions samples;
  double label_smoothing, value_coefficient, discount;
  gint keep; /* BcKeep */
} Options;

static const char *const keeps[] = {"best", "last", NULL};

static const CwOption rows[] = {
    CW_INTEGER(Options, epochs, 3, 1, 100000, "how often each decision is learnt from"),
    CW_TABLE(Options, learning, cw_learning_options),
    CW_DEFAULT("learning_rate", "2e-5"),
    CW_DEFAULT("schedule", "linear"),
    CW_COUNT(Options, batch_decisions, 32, 1, 1000000, "decisions",
             "decisions in one optimiser step, at most"),
    CW_TABLE(Options, samples, cw_sample_options),
    CW_COUNT(Options, early_stop, 0, 0, 100000, "epochs",
             "stop after so many epochs without a better held-out accuracy; 0 never stops early"),
    CW_ENUM(Options, keep, "best", keeps,
            "with early_stop: the weights of which epoch stay, the best by held-out accuracy or the last"),
    CW_NUMBER(Options, label_smoothing, 0, 0, 0.9, "share of the target spread evenly over all candidates"),
    CW_NUMBER(Options, value_coefficient, 0, 0, 1000,
              "weight of half the squared error between value and return to go; 0 leaves values alone"),
    CW_NUMBER(Options, discount, 1, 0, 1, "discount of rewards in the return to go"),
};

typedef struct {
  gint64 seed;             /* of the epochs' orders, drawn by the first update */
  gint64 step, n_training; /* optimiser steps taken; epoch and place within it follow from them */
  gint64 epochs_without_gain;
  double best_accuracy;
  gboolean begun, finished;
  char *trajectories; /* their fingerprint */
  /* Rebuilt when needed. */
  CwSamples training, held_out;
  gint64 order_epoch;
  CwOrder order;
} State;

static const CwOption state_rows[] = {
    CW_KEEP_FLAG(State, begun),           CW_KEEP_INTEGER(State, seed),
    CW_KEEP_INTEGER(State, step),         CW_KEEP_INTEGER(State, n_training),
    CW_KEEP_NUMBER(State, best_accuracy), CW_KEEP_INTEGER(State, epochs_without_gain),
    CW_KEEP_FLAG(State, finished),        CW_KEEP_TEXT_SINCE(State, trajectories, ""),
};

/* The numbers of the metrics. */
enum { LOSS, ACCURACY, VALUE_LOSS, LEARNING_RATE, GRADIENT_NORM, DECISIONS, EPOCH, SKIPPED };
enum { HELD_OUT_LOSS = SKIPPED + 1, HELD_OUT_ACCURACY, KEPT_EPOCH };

static const CwMetric metrics[] = {
    {"loss", "nats", CW_LOWER_IS_BETTER},           {"accuracy", NULL, CW_HIGHER_IS_BETTER},
    {"value_loss", NULL, CW_LOWER_IS_BETTER},       {"learning_rate", NULL, CW_NEITHER_IS_BETTER},
    {"gradient_norm", NULL, CW_NEITHER_IS_BETTER},  {"decisions", "decisions", CW_NEITHER_IS_BETTER},
    {"epoch", "epochs", CW_NEITHER_IS_BETTER},      {"skipped", "decisions", CW_NEITHER_IS_BETTER},
    {"held_out_loss", "nats", CW_LOWER_IS_BETTER},  {"held_out_accuracy", NULL, CW_HIGHER_IS_BETTER},
    {"kept_epoch", "epochs", CW_NEITHER_IS_BETTER},
};

static void clear(gpointer object)
{
  State *state = object;
  cw_samples_clear(&state->training);
  cw_samples_clear(&state->held_out);
  cw_order_clear(&state->order);
}

/* Once per process; on a resumed stage the decisions must be the same. */
static gboolean prepare(State *state, const Options *options, CwUpdate *update, GError **error)
{
  if (state->training.n > 0)
    return TRUE;
  if (!cw_update_select(update, &options->samples, options->discount, &state->training, &state->held_out,
                        error))
    return FALSE;
  if (options->early_stop > 0 && state->held_out.n == 0) {
    g_set_error_literal(
        error, CW_ALGORITHM_ERROR, CW_ERROR_CONFIGURATION,
        "early_stop: expected held-out decisions, by which to see that nothing improves, found none; "
        "bring trajectories of more goals, or set early_stop to 0");
    clear(state);
    return FALSE;
  }
  if (!cw_update_same_trajectories(update, &state->trajectories, error)) {
    clear(state);
    return FALSE;
  }
  if (!state->begun) {
    state->seed = cw_random_uint32(cw_update_random(update));
    state->n_training = state->training.n;
    state->begun = TRUE;
  }
  return TRUE;
}

typedef struct {
  const Options *options;
  const double *returns;
} Targets;

enum { OF_POLICY, OF_VALUE, CORRECT }; /* what the loss reports */

/* The cross entropy of pi with the choice, smoothed, and value_coefficient / 2 (V - return to go)^2. With t
 * the target, d(cross entropy) / d logit k = pi(k) - t(k). Of an action in words the cross entropy is - log
 * pi, without smoothing, and it is right when its probability is more than a half. */
static double loss(const CwView *view, CwSlopes *slopes, gconstpointer data)
{
  const Targets *targets = data;
  double smoothing = targets->options->label_smoothing, error = view->value - targets->returns[view->index];
  float *log_p = g_newa(float, MAX(view->n, 1));
  guint best = 0;
  cw_log_softmax(view->logits, view->n, log_p);
  for (guint k = 0; k < view->n; k++) {
    double target = (k == view->step->chosen ? 1 - smoothing : 0) + smoothing / view->n;
    slopes->report[OF_POLICY] -= target > 0 ? target * log_p[k] : 0;
    slopes->logits[k] = exp(log_p[k]) - target;
    best = view->logits[k] > view->logits[best] ? k : best;
  }
  slopes->value = targets->options->value_coefficient * error;
  slopes->report[OF_VALUE] = 0.5 * error * error;
  slopes->report[CORRECT] = view->n > 0 ? best == view->step->chosen : view->log_probability > log(0.5);
  slopes->report[OF_POLICY] -= view->n > 0 ? 0 : view->log_probability;
  slopes->log_probability = view->n > 0 ? 0 : -1;
  return slopes->report[OF_POLICY] + targets->options->value_coefficient * slopes->report[OF_VALUE];
}

static guint64 n_batches(const State *state, const Options *options)
{
  return (guint64)((state->n_training + options->batch_decisions - 1) / options->batch_decisions);
}

static gboolean end_epoch(State *state, const Options *options, CwUpdate *update, GError **error)
{
  gboolean keeps_best = options->early_stop > 0 && options->keep == BC_KEEP_BEST;
  cw_update_record(update, SKIPPED, state->training.n_skipped);
  if (state->held_out.n > 0) {
    CwItems items = {.steps = state->held_out.steps, .n = state->held_out.n};
    g_auto(CwScores) scores = {0};
    if (!cw_score(update, NULL, &items, NULL, &options->learning, &scores, error))
      return FALSE;
    double accuracy = cw_scores_accuracy(&scores, &items);
    cw_update_record(update, HELD_OUT_LOSS, -cw_moments(scores.log_probability, NULL, scores.n).mean);
    cw_update_record(update, HELD_OUT_ACCURACY, accuracy);
    if (accuracy > state->best_accuracy) {
      state->best_accuracy = accuracy;
      state->epochs_without_gain = 0;
      if (keeps_best && !cw_update_keep_policy(update, error))
        return FALSE;
    } else
      state->finished = ++state->epochs_without_gain == options->early_stop;
  }
  guint64 batches = n_batches(state, options);
  state->finished |= (guint64)state->step == (guint64)options->epochs * batches;
  if (!state->finished || !keeps_best)
    return TRUE;
  cw_update_record(update, KEPT_EPOCH,
                   (double)state->step / (double)batches - (double)state->epochs_without_gain);
  return state->epochs_without_gain == 0 || cw_update_restore_policy(update, error);
}

/* A stage that has come to its end by the number of epochs goes on when there are more. */
static gboolean is_over(const State *state, const Options *options)
{
  gboolean early = options->early_stop > 0 && state->epochs_without_gain >= options->early_stop;
  return state->finished &&
         (early || (guint64)state->step >= (guint64)options->epochs * n_batches(state, options));
}

static gboolean update_once(gconstpointer data, gpointer object, CwUpdate *update, gboolean *done,
                            GError **error)
{
  const Options *options = data;
  State *state = object;
  if (is_over(state, options))
    return *done = TRUE;
  state->finished = FALSE;
  if (!prepare(state, options, update, error))
    return FALSE;
  guint64 batches = n_batches(state, options), epoch = (guint64)state->step / batches;
  guint place = (guint)((guint64)state->step % batches), n;
  if (!state->order.items || state->order_epoch != (gint64)epoch)
    cw_order_epoch(&state->order, (guint32)state->seed, "bc epoch", epoch, state->training.n,
                   (guint)options->batch_decisions);
  state->order_epoch = (gint64)epoch;
  const guint32 *batch = cw_order_batch(&state->order, place, &n);
  double rate =
      cw_learning_rate_of_step(&options->learning, (guint64)state->step, (guint64)options->epochs * batches);
  CwItems items = {
      .steps = state->training.steps, .n = state->training.n, .with_values = options->value_coefficient > 0};
  Targets targets = {options, state->training.return_to_go};
  CwSums sums;
  if (!cw_learn(update, NULL, &items, batch, n, &options->learning, rate, loss, &targets, &sums, error))
    return FALSE;
  state->step++;
  cw_update_record(update, LOSS, sums.sum[OF_POLICY] / n);
  cw_update_record(update, ACCURACY, sums.sum[CORRECT] / n);
  if (options->value_coefficient > 0)
    cw_update_record(update, VALUE_LOSS, sums.sum[OF_VALUE] / n);
  cw_update_record(update, LEARNING_RATE, rate);
  cw_update_record(update, GRADIENT_NORM, sums.gradient_norm);
  guint64 learnt = epoch * (guint64)state->n_training + (place + 1) * (guint64)state->n_training / batches;
  cw_update_record(update, DECISIONS, (double)learnt);
  cw_update_record(update, EPOCH, (double)state->step / (double)batches);
  if (place + 1 == batches && !end_epoch(state, options, update, error))
    return FALSE;
  *done = state->finished;
  return TRUE;
}

static gboolean open_state(gconstpointer data, gpointer state, GError **error)
{
  const Options *options = data;
  ((State *)state)->best_accuracy = -1;
  if (options->early_stop == 0 || options->samples.held_out > 0)
    return TRUE;
  g_set_error_literal(
      error, CW_ALGORITHM_ERROR, CW_ERROR_CONFIGURATION,
      "early_stop: expected held_out above 0, by which to see that nothing improves, found 0; set "
      "held_out to 0.1, say, or early_stop to 0");
  return FALSE;
}

static guint64 needs(gconstpointer options)
{
  return ((const Options *)options)->value_coefficient > 0 ? CW_NEEDS_VALUES : 0;
}

static guint64 expected_updates(gconstpointer data, gconstpointer state)
{
  const Options *options = data;
  const State *bc = state;
  return (guint64)(is_over(bc, options) ? bc->step : options->epochs * (gint64)n_batches(bc, options));
}

static const CwAlgorithmVtable vtable = {
    CW_STATE(State, state_rows),          CW_METRICS(metrics), .update = update_once, .needs = needs,
    .expected_updates = expected_updates, .open = open_state,  .clear = clear};

static const CwFeature features[] = {
    CW_ALGORITHM("bc", "Behaviour cloning: imitates the choices in recorded trajectories", vtable,
                 CW_NEEDS_TRAINING | CW_NEEDS_TRAJECTORIES | CW_TAKES_WORDS, Options, rows)};

CW_PLUGIN("bc", "2.0", "MIT", "Behaviour cloning", features);
