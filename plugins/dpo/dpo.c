/* The algorithm plugin "dpo": direct preference optimisation (Rafailov et al. 2023) on recorded sessions, by
 * decision as in Feng & Feng 2024 or by whole sessions. One update is one optimiser step on a batch of pairs.
 * The order of a pass comes from a seed, so a stopped stage goes on in the middle of it from a few numbers.
 * The reference is the frozen policy that the stage began with. */
#include <cartwright/cartwright.h>
#include <math.h>

typedef enum { DPO_DECISION, DPO_TRAJECTORY } DpoGranularity;
typedef enum { DPO_SIGMOID, DPO_IPO, DPO_HINGE, DPO_CONSERVATIVE } DpoLoss;
typedef enum { DPO_SKIP, DPO_KEEP } DpoEqual;

typedef struct {
  gint granularity, loss, equal; /* DpoGranularity, DpoLoss, DpoEqual */
  double beta, label_smoothing, minimum_gap;
  gint64 updates, epochs, update_trajectories, update_tokens, resample, pairs_per_goal;
  gboolean length_normalization;
  CwLearningOptions learning;
} Options;

static const char *const granularities[] = {"decision", "trajectory", NULL};
static const char *const losses[] = {"sigmoid", "ipo", "hinge", "conservative", NULL};
static const char *const equals[] = {"skip", "keep", NULL};

static const CwOption rows[] = {
    CW_ENUM(Options, granularity, "decision", granularities,
            "pairs: of a demonstrated action and one the reference draws, or of two sessions on one goal"),
    CW_ENUM(Options, loss, "sigmoid", losses,
            "of a pair's margin; conservative is sigmoid with label_smoothing"),
    CW_NUMBER(Options, beta, 0.1, 1e-6, 1000,
              "how strongly the reference holds: the smaller, the further the policy may go"),
    CW_NUMBER(Options, label_smoothing, 0.1, 0, 0.5,
              "share of the pairs taken to be labelled the wrong way round, for loss conservative"),
    CW_INTEGER(Options, updates, 0, 0, 1e9, "updates after which the stage ends; 0: only 'epochs' ends it"),
    CW_INTEGER(Options, epochs, 1, 0, 1e6, "passes after which the stage ends; 0: only 'updates' ends it"),
    CW_INTEGER(Options, update_trajectories, 1, 1, 1e6,
               "trajectories in one update, or pairs of them (granularity trajectory)"),
    CW_COUNT(Options, update_tokens, 0, 0, 1e9, "tokens",
             "instead of update_trajectories, as many decisions (or pairs), shuffled, as fit; 0: off"),
    CW_INTEGER(Options, resample, 10, 0, 1e6,
               "how often the reference draws again while it draws the demonstrated action"),
    CW_ENUM(Options, equal, "skip", equals,
            "a pair of equal actions after that: leave it out, or keep it with its zero gradient"),
    CW_COUNT(Options, pairs_per_goal, 8, 0, 1e6, "pairs",
             "granularity trajectory: at most so many a pass, drawn anew; 0: all"),
    CW_NUMBER(Options, minimum_gap, 0, 0, 1e9,
              "granularity trajectory: pairs whose rewards differ by more than this"),
    CW_BOOLEAN(Options, length_normalization, false,
               "granularity trajectory: mean instead of sum of a session's log-probabilities"),
    CW_TABLE(Options, learning, cw_learning_options),
    CW_DEFAULT("dropout", "false"),
};

/* What a batch is made of. By trajectory: a pair. By decision: in `better` a trajectory, in `worse` the
 * number of one of its decisions with a choice, or ALL. */
#define ALL G_MAXUINT

typedef struct {
  gint64 updates, steps; /* done; those that had a pair */
  gint64 pass, cursor;   /* passes completed; units of the present one that are done, 0: it has no seed yet */
  gint64 seed;           /* of the present pass */
  gint64 learnt;         /* decisions gone through with gradients */
  gint64 generation;     /* of the trajectories */
  char *fingerprint;     /* of the trajectories */
  /* Rebuilt when needed. */
  CwReferences *references;
  const CwSteps *choices; /* of the trajectories */
  GArray *units;          /* CwPair, of the present pass in its order */
  guint n_goals, n_goals_without_pair;
} State;

static const CwOption state_rows[] = {CW_KEEP_INTEGER(State, updates),    CW_KEEP_INTEGER(State, steps),
                                      CW_KEEP_INTEGER(State, pass),       CW_KEEP_INTEGER(State, cursor),
                                      CW_KEEP_INTEGER(State, seed),       CW_KEEP_INTEGER(State, learnt),
                                      CW_KEEP_INTEGER(State, generation), CW_KEEP_TEXT(State, fingerprint)};

/* The numbers of the metrics. The first ones are means of sums over pairs. */
enum { LOSS, ACCURACY, MARGIN, CHOSEN, REJECTED, CHOSEN_REWARD, REJECTED_REWARD, REFERENCE_KL, N_SUMS };
enum { PAIRS = N_SUMS, EQUAL_PAIRS, GOALS_WITHOUT_PAIR, EMPTY, SINGLE, STEPS, DECISIONS, EPOCH, RATE, NORM };

static const CwMetric metrics[] = {
    {"loss", NULL, CW_LOWER_IS_BETTER},
    {"accuracy", NULL, CW_HIGHER_IS_BETTER},
    {"margin", NULL, CW_HIGHER_IS_BETTER},
    {"chosen_log_probability", "nats", CW_HIGHER_IS_BETTER},
    {"rejected_log_probability", "nats", CW_NEITHER_IS_BETTER},
    {"chosen_reward", NULL, CW_HIGHER_IS_BETTER},
    {"rejected_reward", NULL, CW_LOWER_IS_BETTER},
    {"reference_kl", "nats", CW_NEITHER_IS_BETTER},
    {"pairs", "pairs", CW_NEITHER_IS_BETTER},
    {"equal_pairs", "pairs", CW_LOWER_IS_BETTER},
    {"goals_without_pair", "goals", CW_LOWER_IS_BETTER},
    {"empty_trajectories", "trajectories", CW_LOWER_IS_BETTER},
    {"single_candidate", "decisions", CW_NEITHER_IS_BETTER},
    {"optimizer_steps", NULL, CW_NEITHER_IS_BETTER},
    {"decisions", "decisions", CW_NEITHER_IS_BETTER},
    {"epoch", "epochs", CW_NEITHER_IS_BETTER},
    {"learning_rate", NULL, CW_NEITHER_IS_BETTER},
    {"gradient_norm", NULL, CW_NEITHER_IS_BETTER},
};

/* Sums over the pairs of a batch. */
typedef struct {
  CwSums sums;
  guint n_pairs, n_equal, n_decisions; /* n_equal: the reference drew what was demonstrated, every time */
} Report;

/* log(1 + exp(x)) and 1 / (1 + exp(-x)) without overflow. */
static double softplus(double x)
{
  return fmax(x, 0) + log1p(exp(-fabs(x)));
}

static double sigmoid(double x)
{
  return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

/* The loss of one pair. With w preferred to l, m = (log pi(w) - log pi_ref(w)) - (log pi(l) - log pi_ref(l)):
 *   sigmoid       -log sigma(beta m)                                 Rafailov et al. 2023, eq. 7
 *   conservative  -(1 - e) log sigma(beta m) - e log sigma(-beta m)  Mitchell 2023; e = label_smoothing
 *   hinge         max(0, 1 - beta m)                                 Zhao et al. 2023, with a reference
 *   ipo           (m - 1 / (2 beta))^2                               Azar et al. 2024, eq. 17
 * Stores d(loss)/d(m). */
static double loss_of_margin(const Options *options, double margin, double *slope)
{
  double beta = options->beta, scaled = beta * margin;
  double smoothing = options->loss == DPO_CONSERVATIVE ? options->label_smoothing : 0;
  if (options->loss == DPO_IPO) {
    *slope = 2 * (margin - 1 / (2 * beta));
    return *slope * *slope / 4;
  }
  if (options->loss == DPO_HINGE) {
    *slope = scaled < 1 ? -beta : 0;
    return fmax(0, 1 - scaled);
  }
  *slope = beta * (smoothing * sigmoid(scaled) - (1 - smoothing) * sigmoid(-scaled));
  return (1 - smoothing) * softplus(-scaled) + smoothing * softplus(scaled);
}

/* Adds a pair to its sums and returns d(loss)/d(margin). The gains are log pi - log pi_ref. */
static double add_pair(const Options *options, double chosen, double chosen_gain, double rejected,
                       double rejected_gain, double *sum)
{
  double slope, margin = chosen_gain - rejected_gain;
  sum[LOSS] += loss_of_margin(options, margin, &slope);
  sum[ACCURACY] += margin > 0;
  sum[MARGIN] += margin;
  sum[CHOSEN] += chosen;
  sum[REJECTED] += rejected;
  sum[CHOSEN_REWARD] += chosen_gain;
  sum[REJECTED_REWARD] += rejected_gain;
  return slope;
}

/* Decisions, with a candidate of each that the one taken is preferred to. */
typedef struct {
  const Options *options;
  GPtrArray *steps, *references; /* const CwStep *, double *: log-probabilities */
  GArray *rejected;              /* guint */
} Choices;

/* Both candidates share one softmax, whose sum cancels in the margin. */
static double loss_of_choice(const CwView *view, CwSlopes *slopes, gconstpointer data)
{
  const Choices *choices = data;
  guint w = view->step->chosen, l = g_array_index(choices->rejected, guint, view->index);
  double slope = add_pair(choices->options, view->log_p[w], view->log_p[w] - view->reference[w],
                          view->log_p[l], view->log_p[l] - view->reference[l], slopes->report);
  slopes->report[REFERENCE_KL] = view->kl;
  slopes->log_p[w] += slope;
  slopes->log_p[l] -= slope;
  return slopes->report[LOSS];
}

/* Pairs for the decision that the unit names, or for all of its trajectory. */
static gboolean add_choices(Choices *choices, const State *state, CwUpdate *update, const CwPair *unit,
                            Report *report, GError **error)
{
  const Options *options = choices->options;
  const float *logits = cw_references_logits(state->references, unit->better, &options->learning, error);
  if (!logits)
    return FALSE;
  guint first = state->choices->first[unit->better], end = state->choices->first[unit->better + 1], n;
  for (guint i = first; i < end; i++, logits += n) {
    const CwStep *step = state->choices->steps[i];
    n = step->decision->n_candidates;
    if (unit->worse != ALL && unit->worse != i - first)
      continue;
    guint rejected = step->chosen;
    /* A draw from the reference's softmax, again while it is the demonstrated one, but not for ever. */
    for (gint64 draw = 0; rejected == step->chosen && draw <= options->resample; draw++)
      rejected = cw_random_categorical(cw_update_random(update), logits, n);
    report->n_equal += rejected == step->chosen;
    if (rejected == step->chosen && options->equal == DPO_SKIP)
      continue;
    double *log_q = g_new(double, n);
    cw_log_probabilities(logits, n, log_q);
    g_ptr_array_add(choices->steps, (gpointer)step);
    g_ptr_array_add(choices->references, log_q);
    g_array_append_val(choices->rejected, rejected);
  }
  return TRUE;
}

static gboolean learn_decisions(State *state, const Options *options, CwUpdate *update, const CwPair *units,
                                guint n, Report *report, GError **error)
{
  g_autoptr(GPtrArray) steps = g_ptr_array_new(), references = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GArray) rejected = g_array_new(FALSE, FALSE, sizeof(guint));
  Choices choices = {options, steps, references, rejected};
  for (guint i = 0; i < n; i++)
    if (!add_choices(&choices, state, update, &units[i], report, error))
      return FALSE;
  report->n_pairs = report->n_decisions = steps->len;
  CwItems items = {.steps = (const CwStep *const *)steps->pdata,
                   .n = steps->len,
                   .reference = (const double *const *)references->pdata};
  return cw_accumulate(update, NULL, &items, NULL, 0, &options->learning, loss_of_choice, &choices,
                       &report->sums, error);
}

/* A pair's loss needs the log-probabilities of two whole sessions first: they are summed in a scoring pass,
 * then every decision goes forward and backward with its weight, so that memory does not grow with the
 * session. */
static gboolean learn_trajectories(State *state, const Options *options, CwUpdate *update,
                                   const CwPair *units, guint n, Report *report, GError **error)
{
  g_autoptr(GPtrArray) steps = g_ptr_array_new();
  g_autoptr(GArray) slopes = g_array_new(FALSE, FALSE, sizeof(double));
  for (guint i = 0; i < n; i++) {
    const guint trajectories[] = {units[i].better, units[i].worse};
    CwTrajectoryScore both[2];
    for (guint s = 0; s < 2; s++)
      if (!cw_references_compare(state->references, trajectories[s], options->length_normalization,
                                 &options->learning, &both[s], &report->sums.sum[REFERENCE_KL], error))
        return FALSE;
    double slope = add_pair(options, both[0].log_probability, both[0].gain, both[1].log_probability,
                            both[1].gain, report->sums.sum) /
                   n;
    for (guint s = 0; s < 2; s++, slope = -slope)
      for (guint j = 0; j < both[s].items.n; j++) {
        double of_step = slope / both[s].length;
        g_ptr_array_add(steps, (gpointer)both[s].items.steps[j]);
        g_array_append_val(slopes, of_step);
      }
  }
  report->n_pairs = n;
  report->n_decisions = steps->len;
  CwItems items = {.steps = (const CwStep *const *)steps->pdata, .n = steps->len};
  CwSums sums;
  return cw_accumulate_log_probability(update, NULL, &items, (const double *)(gpointer)slopes->data,
                                       &options->learning, &sums, error);
}

static GArray *decision_units(const State *state, const Options *options)
{
  GArray *units = g_array_new(FALSE, FALSE, sizeof(CwPair));
  for (guint i = 0; i < state->choices->n_episodes; i++) {
    guint n = state->choices->first[i + 1] - state->choices->first[i];
    gboolean whole = options->update_tokens == 0;
    for (guint step = 0; step < (whole ? MIN(n, 1) : n); step++)
      g_array_append_vals(units, &(CwPair){i, whole ? ALL : step}, 1);
  }
  return units;
}

/* Puts the units of a pass in place, shuffled: the same for equal seed and pass. */
static gboolean begin_pass(State *state, const Options *options, CwUpdate *update, GError **error)
{
  CwRandom *random = cw_random_new((guint32)state->seed, "dpo pass", 0, (guint64)state->pass);
  g_clear_pointer(&state->units, g_array_unref);
  state->units =
      options->granularity == DPO_DECISION
          ? decision_units(state, options)
          : cw_pairs_of_goals(update, state->choices, options->minimum_gap, (guint)options->pairs_per_goal,
                              random, &state->n_goals, &state->n_goals_without_pair);
  cw_pairs_shuffle((CwPair *)(gpointer)state->units->data, state->units->len, random);
  cw_random_free(random);
  if (state->units->len > state->cursor)
    return TRUE;
  if (state->units->len > 0)
    g_set_error(error, CW_ALGORITHM_ERROR, CW_ERROR_FORMAT,
                "expected a checkpoint within a pass of %u parts, found one at part %" G_GINT64_FORMAT
                "; use another checkpoint",
                state->units->len, state->cursor);
  else if (options->granularity == DPO_DECISION)
    g_set_error(
        error, CW_ALGORITHM_ERROR, CW_ERROR_CONFIGURATION,
        "expected decisions with at least two candidates, found none in %u trajectories (%u decisions with a "
        "single one); bring other trajectories",
        state->choices->n_episodes, state->choices->n_single);
  else
    g_set_error(
        error, CW_ALGORITHM_ERROR, CW_ERROR_CONFIGURATION,
        "expected two trajectories of one goal whose rewards differ by more than %g, found none among %u "
        "trajectories of %u goals (%u trajectories without a choice); generate several episodes per goal and "
        "keep the unsuccessful ones, or set granularity to decision",
        options->minimum_gap, state->choices->n_episodes, state->n_goals, state->choices->n_empty);
  return FALSE;
}

static void clear(gpointer object)
{
  State *state = object;
  g_clear_pointer(&state->references, cw_references_free);
  g_clear_pointer(&state->units, g_array_unref);
}

/* Looks at the trajectories, once per process and generation, and makes sure of the units of the present
 * pass. */
static gboolean prepare(State *state, const Options *options, CwUpdate *update, GError **error)
{
  if ((guint64)state->generation != cw_update_generation(update)) {
    /* Others are there: a pass over the old ones that had begun is over. */
    state->pass += state->cursor > 0;
    state->cursor = 0;
    state->generation = (gint64)cw_update_generation(update);
    clear(state);
    g_clear_pointer(&state->fingerprint, g_free);
  }
  if (!state->references && (!cw_update_same_trajectories(update, &state->fingerprint, error) ||
                             !(state->references = cw_references_open(update, error))))
    return FALSE;
  state->choices = cw_references_choices(state->references);
  if (state->cursor > 0 && state->units)
    return TRUE;
  if (state->cursor == 0)
    state->seed = cw_random_uint32(cw_update_random(update));
  return begin_pass(state, options, update, error);
}

static gboolean is_finished(const State *state, const Options *options)
{
  return (options->updates > 0 && state->updates >= options->updates) ||
         (options->epochs > 0 && state->pass >= options->epochs);
}

static double epochs_done(const State *state)
{
  return (double)state->pass + (state->cursor > 0 ? (double)state->cursor / state->units->len : 0);
}

/* Share of the stage that is done, 0 .. 1. */
static double progress_of(const State *state, const Options *options)
{
  double by_updates = options->updates > 0 ? (double)state->updates / (double)options->updates : 0;
  double by_epochs = options->epochs > 0 ? epochs_done(state) / (double)options->epochs : 0;
  return fmin(1, fmax(by_updates, by_epochs));
}

static guint64 expected_updates(gconstpointer data, gconstpointer object)
{
  const Options *options = data;
  const State *state = object;
  double progress = progress_of(state, options), updates = (double)state->updates;
  guint size = (guint)options->update_trajectories;
  if (is_finished(state, options))
    return (guint64)state->updates;
  if (options->epochs == 0 || !state->units || state->units->len == 0)
    return (guint64)options->updates;
  guint64 expected = options->update_tokens == 0
                         ? (guint64)options->epochs * ((state->units->len + size - 1) / size)
                     : progress > 0 ? (guint64)ceil(updates / progress)
                                    : G_MAXUINT64;
  return options->updates > 0 ? MIN(expected, (guint64)options->updates) : expected;
}

static guint64 tokens_of(const State *state, CwUpdate *update, guint trajectory, guint step)
{
  guint64 tokens = 0;
  guint first = state->choices->first[trajectory];
  for (guint i = first; i < state->choices->first[trajectory + 1]; i++)
    if (step == ALL || step == i - first)
      tokens += cw_policy_count_tokens(cw_update_policy(update), state->choices->steps[i]->decision);
  return tokens;
}

/* How many units from the cursor on make up the next update. */
static guint batch_size(const State *state, const Options *options, CwUpdate *update)
{
  gboolean pairs = options->granularity == DPO_TRAJECTORY;
  guint left = state->units->len - (guint)state->cursor, n = 0;
  if (options->update_tokens == 0)
    return (guint)MIN((gint64)left, options->update_trajectories);
  for (guint64 tokens = 0; n < left; n++) {
    const CwPair *unit = &g_array_index(state->units, CwPair, (guint)state->cursor + n);
    tokens += tokens_of(state, update, unit->better, pairs ? ALL : unit->worse) +
              (pairs ? tokens_of(state, update, unit->worse, ALL) : 0);
    if (n > 0 && tokens > (guint64)options->update_tokens)
      break;
  }
  return n;
}

static void record(const State *state, const Options *options, CwUpdate *update, const Report *report)
{
  for (guint i = 0; report->n_pairs > 0 && i < N_SUMS; i++) {
    double scale = i == CHOSEN_REWARD || i == REJECTED_REWARD ? options->beta : 1;
    guint n = i == REFERENCE_KL ? report->n_decisions : report->n_pairs;
    cw_update_record(update, i, scale * report->sums.sum[i] / n);
  }
  const double numbers[] = {report->n_pairs,         report->n_equal,          state->n_goals_without_pair,
                            state->choices->n_empty, state->choices->n_single, (double)state->steps,
                            (double)state->learnt,   epochs_done(state)};
  for (guint i = PAIRS; i <= EPOCH; i++)
    if (i != (options->granularity == DPO_DECISION ? GOALS_WITHOUT_PAIR : EQUAL_PAIRS))
      cw_update_record(update, i, numbers[i - PAIRS]);
}

static gboolean update_once(gconstpointer data, gpointer object, CwUpdate *update, gboolean *done,
                            GError **error)
{
  const Options *options = data;
  State *state = object;
  Report report = {0};
  if (is_finished(state, options))
    return *done = TRUE;
  if (!prepare(state, options, update, error))
    return FALSE;
  double begin = progress_of(state, options);
  guint n = batch_size(state, options, update);
  const CwPair *units = &g_array_index(state->units, CwPair, (guint)state->cursor);
  if (!(options->granularity == DPO_DECISION ? learn_decisions : learn_trajectories)(
          state, options, update, units, n, &report, error))
    return FALSE;
  state->updates++;
  state->cursor += n;
  state->learnt += report.n_decisions;
  gboolean is_over = state->cursor == state->units->len;
  state->pass += is_over;
  state->cursor = is_over ? 0 : state->cursor;
  double rate = cw_learning_rate(&options->learning, begin, progress_of(state, options));
  if (report.n_pairs > 0 && !cw_optimizer_step(update, NULL, &options->learning, rate, &report.sums, error))
    return FALSE;
  state->steps += report.n_pairs > 0;
  record(state, options, update, &report);
  if (report.n_pairs > 0) {
    cw_update_record(update, RATE, rate);
    cw_update_record(update, NORM, report.sums.gradient_norm);
  }
  *done = is_finished(state, options);
  return TRUE;
}

static gboolean open_state(gconstpointer data, gpointer state G_GNUC_UNUSED, GError **error)
{
  const Options *options = data;
  if (options->updates > 0 || options->epochs > 0)
    return TRUE;
  g_set_error_literal(
      error, CW_ALGORITHM_ERROR, CW_ERROR_CONFIGURATION,
      "updates: expected a number above 0 when epochs is 0, found 0, and the stage would never end; "
      "set one of them");
  return FALSE;
}

static const CwAlgorithmVtable vtable = {
    CW_STATE(State, state_rows),          CW_METRICS(metrics), .update = update_once, .open = open_state,
    .expected_updates = expected_updates, .clear = clear};

static const CwFeature features[] = {CW_ALGORITHM(
    "dpo", "Direct preference optimisation, by decision or by trajectory", vtable,
    CW_NEEDS_TRAINING | CW_NEEDS_REFERENCE | CW_NEEDS_TRAJECTORIES | CW_TAKES_REFRESH, Options, rows)};

CW_PLUGIN("dpo", "2.0", "MIT", "Direct preference optimisation", features);
