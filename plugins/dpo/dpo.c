/* The algorithm plugin "dpo": direct preference optimisation (Rafailov et al. 2023)
 * on recorded sessions, by decision as in Feng & Feng 2024 or by whole sessions.
 * One update is one optimiser step on a batch of pairs. The order of a pass comes
 * from a seed, so a stopped stage goes on in the middle of it from a few numbers.
 * The reference is the frozen policy that the stage began with. */
#include "plugins/dpo/dpo.h"
#include "plugins/common/trajectories.h"
#include <math.h>
#include <string.h>

#define GROUP "algorithm"

static const char *const granularities[] = {"decision", "trajectory", NULL};
static const char *const losses[] = {"sigmoid", "ipo", "hinge", "conservative", NULL};
static const char *const equals[] = {"skip", "keep", NULL};

static const CwOption rows[] = {
    {"granularity", CW_OPTION_ENUM, offsetof(DpoOptions, granularity), .default_value = "decision",
     .values = granularities,
     .help = "pairs: of a demonstrated action and one the reference draws, or of two sessions on one goal"},
    {"loss", CW_OPTION_ENUM, offsetof(DpoOptions, loss), .default_value = "sigmoid", .values = losses,
     .help = "of a pair's margin; conservative is sigmoid with label_smoothing"},
    {"beta", CW_OPTION_NUMBER, offsetof(DpoOptions, beta), .default_value = "0.1", .minimum = 1e-6,
     .maximum = 1000, .help = "how strongly the reference holds: the smaller, the further the policy may go"},
    {"label_smoothing", CW_OPTION_NUMBER, offsetof(DpoOptions, label_smoothing), .default_value = "0.1",
     .minimum = 0, .maximum = 0.5,
     .help = "share of the pairs taken to be labelled the wrong way round, for loss conservative"},
    {"updates", CW_OPTION_INTEGER, offsetof(DpoOptions, updates), .default_value = "0", .minimum = 0,
     .maximum = 1e9, .help = "updates after which the stage ends; 0: only 'epochs' ends it"},
    {"epochs", CW_OPTION_INTEGER, offsetof(DpoOptions, epochs), .default_value = "1", .minimum = 0,
     .maximum = 1e6, .help = "passes over the data after which the stage ends; 0: only 'updates' ends it"},
    {"update_trajectories", CW_OPTION_INTEGER, offsetof(DpoOptions, update_trajectories),
     .default_value = "1", .minimum = 1, .maximum = 1e6,
     .help = "trajectories in one update, or pairs of them (granularity trajectory)"},
    {"update_tokens", CW_OPTION_INTEGER, offsetof(DpoOptions, update_tokens), .default_value = "0",
     .minimum = 0, .maximum = 1e9, .unit = "tokens",
     .help = "instead of update_trajectories, as many shuffled decisions (or pairs of trajectories) as fit; "
             "0: off"},
    {"resample", CW_OPTION_INTEGER, offsetof(DpoOptions, resample), .default_value = "10", .minimum = 0,
     .maximum = 1e6, .help = "how often the reference draws again while it draws the demonstrated action"},
    {"equal", CW_OPTION_ENUM, offsetof(DpoOptions, equal), .default_value = "skip", .values = equals,
     .help =
         "a pair of equal actions after that: leave it out, or keep it in the mean with its zero gradient"},
    {"pairs_per_goal", CW_OPTION_INTEGER, offsetof(DpoOptions, pairs_per_goal), .default_value = "8",
     .minimum = 0, .maximum = 1e6, .unit = "pairs",
     .help = "granularity trajectory: at most so many a pass, drawn anew; 0: all"},
    {"minimum_gap", CW_OPTION_NUMBER, offsetof(DpoOptions, minimum_gap), .default_value = "0", .minimum = 0,
     .maximum = 1e9, .help = "granularity trajectory: pairs whose rewards differ by more than this"},
    {"length_normalization", CW_OPTION_BOOLEAN, offsetof(DpoOptions, length_normalization),
     .default_value = "false",
     .help = "granularity trajectory: mean instead of sum of a session's log-probabilities"},
    COMMON_OPTIMIZER_ROWS(DpoOptions, optimizer),
};

typedef struct {
  const DpoOptions *options;
  /* What a checkpoint holds. */
  guint64 updates;    /* done */
  guint64 steps;      /* optimiser steps taken: updates that had a pair */
  guint64 pass;       /* passes completed */
  guint64 cursor;     /* units of the present pass that are done; 0: the pass has no seed yet */
  guint32 seed;       /* of the present pass */
  guint64 learnt;     /* decisions gone through with gradients so far */
  guint64 generation; /* of the trajectories */
  char *fingerprint;  /* of the trajectories; NULL before the first update */
  /* Rebuilt when needed. */
  DpoData data; /* n_trajectories 0: not yet */
} Dpo;

static gpointer dpo_open(gconstpointer data, GError **error)
{
  const DpoOptions *options = data;
  Dpo *dpo;

  if (options->updates == 0 && options->epochs == 0) {
    g_set_error_literal(
        error, CW_ALGORITHM_ERROR, CW_ERROR_CONFIGURATION,
        "updates: expected a number above 0 when epochs is 0, found 0, and the stage would never end; "
        "set one of them");
    return NULL;
  }
  dpo = g_new0(Dpo, 1);
  dpo->options = options;
  return dpo;
}

static void dpo_close(gpointer object)
{
  Dpo *dpo = object;

  if (!dpo)
    return;
  dpo_data_clear(&dpo->data);
  g_free(dpo->fingerprint);
  g_free(dpo);
}

static guint64 dpo_needs(gconstpointer options)
{
  (void)options;
  return CW_NEEDS_TRAINING | CW_NEEDS_REFERENCE | CW_NEEDS_TRAJECTORIES | CW_TAKES_REFRESH;
}

static gboolean is_finished(const Dpo *dpo)
{
  const DpoOptions *options = dpo->options;

  return (options->updates > 0 && dpo->updates >= (guint64)options->updates) ||
         (options->epochs > 0 && dpo->pass >= (guint64)options->epochs);
}

/* Share of the stage that is done, 0 .. 1. */
static double progress_of(const Dpo *dpo)
{
  const DpoOptions *options = dpo->options;
  double by_updates = 0, by_epochs = 0;

  if (options->updates > 0)
    by_updates = (double)dpo->updates / (double)options->updates;
  if (options->epochs > 0) {
    double begun = dpo->cursor > 0 ? (double)dpo->cursor / dpo->data.units->len : 0;

    by_epochs = ((double)dpo->pass + begun) / (double)options->epochs;
  }
  return fmin(1, fmax(by_updates, by_epochs));
}

static guint64 dpo_expected_updates(gpointer object)
{
  const Dpo *dpo = object;
  const DpoOptions *options = dpo->options;
  guint64 expected = options->updates > 0 ? (guint64)options->updates : G_MAXUINT64, size;

  if (is_finished(dpo))
    return dpo->updates;
  if (options->epochs > 0) {
    if (!dpo->data.units || dpo->data.units->len == 0)
      return options->updates > 0 ? expected : 0;
    size = (guint64)options->update_trajectories;
    if (options->update_tokens == 0)
      expected = MIN(expected, (guint64)options->epochs * ((dpo->data.units->len + size - 1) / size));
    else if (progress_of(dpo) > 0)
      expected = MIN(expected, (guint64)ceil((double)dpo->updates / progress_of(dpo)));
  }
  return expected;
}

/* Checks the trajectories, once per process and generation; on a resumed stage they
 * must be the same. Then makes sure of the units of the present pass. */
static gboolean prepare(Dpo *dpo, CwUpdate *update, GError **error)
{
  if (dpo->generation != cw_update_generation(update)) {
    /* Others are there: a pass over the old ones that had begun is over. */
    dpo->pass += dpo->cursor > 0 ? 1 : 0;
    dpo->cursor = 0;
    dpo->generation = cw_update_generation(update);
    dpo_data_clear(&dpo->data);
    g_clear_pointer(&dpo->fingerprint, g_free);
  }
  if (dpo->data.n_trajectories == 0) {
    if (!dpo_data_init(&dpo->data, update, error)) {
      dpo_data_clear(&dpo->data);
      return FALSE;
    }
    if (!dpo->fingerprint)
      dpo->fingerprint = g_strdup(dpo->data.fingerprint);
    if (strcmp(dpo->fingerprint, dpo->data.fingerprint) != 0) {
      dpo_data_clear(&dpo->data);
      g_set_error_literal(
          error, CW_ALGORITHM_ERROR, CW_ERROR_CONFIGURATION,
          "expected the trajectories that this stage began with, found others; bring the old files "
          "back, or start the run afresh");
      return FALSE;
    }
  }
  if (dpo->cursor > 0 && dpo->data.units)
    return TRUE;
  if (dpo->cursor == 0)
    dpo->seed = cw_random_uint32(cw_update_random(update));
  if (!dpo_data_begin_pass(&dpo->data, update, dpo->options, dpo->seed, dpo->pass, error))
    return FALSE;
  if (dpo->cursor < dpo->data.units->len)
    return TRUE;
  g_set_error(error, CW_ALGORITHM_ERROR, CW_ERROR_FORMAT,
              "expected a checkpoint within a pass of %u parts, found one at part %" G_GUINT64_FORMAT
              "; use another checkpoint",
              dpo->data.units->len, dpo->cursor);
  return FALSE;
}

/* How many units from the cursor on make up the next update. */
static guint batch_size(const Dpo *dpo, CwUpdate *update)
{
  const DpoOptions *options = dpo->options;
  guint left = dpo->data.units->len - (guint)dpo->cursor, n = 0;
  guint64 tokens = 0;

  if (options->update_tokens == 0)
    return (guint)MIN((gint64)left, options->update_trajectories);
  while (n < left) {
    const DpoUnit *unit = &g_array_index(dpo->data.units, DpoUnit, (guint)dpo->cursor + n);

    tokens += dpo_data_tokens(update, unit, options);
    if (n > 0 && tokens > (guint64)options->update_tokens)
      break;
    n++;
  }
  return n;
}

static void record(const Dpo *dpo, CwUpdate *update, const DpoReport *report)
{
  const DpoOptions *options = dpo->options;
  double n = report->n_pairs;

  if (report->n_pairs > 0) {
    cw_update_metric(update, "loss", report->loss / n);
    cw_update_metric(update, "accuracy", report->n_correct / n);
    cw_update_metric(update, "margin", report->margin / n);
    cw_update_metric(update, "chosen_log_probability", report->chosen / n);
    cw_update_metric(update, "rejected_log_probability", report->rejected / n);
    cw_update_metric(update, "chosen_reward", options->beta * report->chosen_gain / n);
    cw_update_metric(update, "rejected_reward", options->beta * report->rejected_gain / n);
    cw_update_metric(update, "reference_kl", report->kl / report->n_decisions);
  }
  cw_update_metric(update, "pairs", report->n_pairs);
  if (options->granularity == DPO_DECISION)
    cw_update_metric(update, "equal_pairs", report->n_equal);
  else
    cw_update_metric(update, "goals_without_pair", dpo->data.n_goals_without_pair);
  cw_update_metric(update, "empty_trajectories", dpo->data.n_empty);
  cw_update_metric(update, "single_candidate", dpo->data.n_single);
  cw_update_metric(update, "optimizer_steps", (double)dpo->steps);
  cw_update_metric(update, "decisions", (double)dpo->learnt);
  cw_update_metric(update, "epoch",
                   (double)dpo->pass + (dpo->cursor > 0 ? (double)dpo->cursor / dpo->data.units->len : 0));
}

/* An optimiser step with the gradients of the batch. */
static gboolean take_step(Dpo *dpo, CwUpdate *update, double learning_rate, const DpoReport *report,
                          double *norm, GError **error)
{

  if (!isfinite(report->loss)) {
    g_set_error(error, CW_ALGORITHM_ERROR, CW_ERROR_NUMERIC,
                "the loss of %u pairs is %g, though all logits are finite: they lie too far apart; lower "
                "learning_rate or raise beta",
                report->n_pairs, report->loss);
    return FALSE;
  }
  dpo->steps++;
  return cw_policy_step(cw_update_policy(update), learning_rate, dpo->options->optimizer.max_gradient_norm,
                        norm, error);
}

static gboolean dpo_update(gpointer object, CwUpdate *update, gboolean *done, GError **error)
{
  Dpo *dpo = object;
  DpoReport report = {0};
  const DpoUnit *units;
  double progress, rate, norm = 0;
  guint n;
  gboolean good;

  *done = is_finished(dpo);
  if (*done)
    return TRUE;
  if (!prepare(dpo, update, error))
    return FALSE;
  progress = progress_of(dpo);
  n = batch_size(dpo, update);
  units = &g_array_index(dpo->data.units, DpoUnit, (guint)dpo->cursor);
  if (dpo->options->granularity == DPO_DECISION)
    good = dpo_learn_decisions(&dpo->data, update, units, n, dpo->options, &report, error);
  else
    good = dpo_learn_trajectories(&dpo->data, update, units, n, dpo->options, &report, error);
  if (!good)
    return FALSE;
  dpo->updates++;
  dpo->cursor += n;
  dpo->learnt += report.n_decisions;
  if (dpo->cursor == dpo->data.units->len) {
    dpo->pass++;
    dpo->cursor = 0;
  }
  rate = common_learning_rate(&dpo->options->optimizer, progress, progress_of(dpo));
  if (report.n_pairs > 0 && !take_step(dpo, update, rate, &report, &norm, error))
    return FALSE;
  record(dpo, update, &report);
  if (report.n_pairs > 0) {
    cw_update_metric(update, "learning_rate", rate);
    cw_update_metric(update, "gradient_norm", norm);
  }
  *done = is_finished(dpo);
  return TRUE;
}

static gboolean dpo_save(gpointer object, GKeyFile *state, GError **error)
{
  const Dpo *dpo = object;

  (void)error;
  g_key_file_set_uint64(state, GROUP, "updates", dpo->updates);
  g_key_file_set_uint64(state, GROUP, "steps", dpo->steps);
  g_key_file_set_uint64(state, GROUP, "pass", dpo->pass);
  g_key_file_set_uint64(state, GROUP, "cursor", dpo->cursor);
  g_key_file_set_uint64(state, GROUP, "seed", dpo->seed);
  g_key_file_set_uint64(state, GROUP, "learnt", dpo->learnt);
  g_key_file_set_uint64(state, GROUP, "generation", dpo->generation);
  g_key_file_set_string(state, GROUP, "fingerprint", dpo->fingerprint ? dpo->fingerprint : "");
  return TRUE;
}

static gboolean dpo_load(gpointer object, GKeyFile *state, GError **error)
{
  Dpo *dpo = object, loaded = {.options = dpo->options};
  GError *reason = NULL;

  loaded.updates = common_load_uint64(state, "updates", &reason);
  loaded.steps = common_load_uint64(state, "steps", &reason);
  loaded.pass = common_load_uint64(state, "pass", &reason);
  loaded.cursor = common_load_uint64(state, "cursor", &reason);
  loaded.seed = (guint32)common_load_uint64(state, "seed", &reason);
  loaded.learnt = common_load_uint64(state, "learnt", &reason);
  loaded.generation = common_load_uint64(state, "generation", &reason);
  loaded.fingerprint = common_load_string(state, "fingerprint", &reason);
  if (reason) {
    g_propagate_error(error, reason);
    return FALSE;
  }
  if (*loaded.fingerprint == '\0')
    g_clear_pointer(&loaded.fingerprint, g_free);
  dpo_data_clear(&dpo->data);
  g_free(dpo->fingerprint);
  *dpo = loaded;
  return TRUE;
}

static const char *const metrics[] = {"loss",
                                      "accuracy",
                                      "margin",
                                      "chosen_log_probability",
                                      "rejected_log_probability",
                                      "chosen_reward",
                                      "rejected_reward",
                                      "reference_kl",
                                      "pairs",
                                      "equal_pairs",
                                      "goals_without_pair",
                                      "empty_trajectories",
                                      "single_candidate",
                                      "optimizer_steps",
                                      "decisions",
                                      "epoch",
                                      "learning_rate",
                                      "gradient_norm",
                                      NULL};

static const CwAlgorithmVtable vtable = {
    .open = dpo_open,
    .close = dpo_close,
    .needs = dpo_needs,
    .update = dpo_update,
    .expected_updates = dpo_expected_updates,
    .save = dpo_save,
    .load = dpo_load,
    .metrics = metrics,
};

static const CwFeature features[] = {
    {
        .kind = CW_FEATURE_ALGORITHM,
        .name = "dpo",
        .summary = "Direct preference optimisation, by decision or by trajectory",
        .vtable = &vtable,
        .vtable_size = sizeof vtable,
        CW_FEATURE_OPTIONS(rows, DpoOptions),
    },
};

CW_PLUGIN("dpo", "1.0", "MIT", "Direct preference optimisation", features);
