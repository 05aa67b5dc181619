/* The algorithm plugin "bc": behaviour cloning (Pomerleau 1989), that is, making
 * the choices in recorded trajectories more probable. One update is one optimiser step on a
 * batch of decisions. An epoch's order comes from a stream of its own, so a
 * stopped stage continues in the middle of an epoch from four numbers. Samples
 * point into the host's trajectories; everything else here is the algorithm's. */
#include "plugins/bc/bc.h"
#include <math.h>
#include <stddef.h>
#include <string.h>

#define GROUP "algorithm"

static const char *const keeps[] = {"best", "last", NULL};
static const char *const schedules[] = {"constant", "linear", "cosine", NULL};

static const CwOption rows[] = {
    {"epochs", CW_OPTION_INTEGER, offsetof(BcOptions, epochs), .default_value = "3", .minimum = 1,
     .maximum = 100000, .help = "how often each decision is learnt from"},
    {"learning_rate", CW_OPTION_NUMBER, offsetof(BcOptions, learning_rate), .default_value = "2e-5",
     .minimum = 0, .maximum = 100, .help = "peak learning rate; 2e-5 suits the fine-tuning of a BERT"},
    {"schedule", CW_OPTION_ENUM, offsetof(BcOptions, schedule), .default_value = "linear",
     .values = schedules,
     .help = "course of the learning rate after the warm-up; linear and cosine fall to zero"},
    {"warmup", CW_OPTION_NUMBER, offsetof(BcOptions, warmup), .default_value = "0", .minimum = 0,
     .maximum = 1, .help = "share of the updates over which the learning rate rises to its peak"},
    {"batch_decisions", CW_OPTION_INTEGER, offsetof(BcOptions, batch_decisions), .default_value = "32",
     .minimum = 1, .maximum = 1000000, .unit = "decisions",
     .help = "decisions in one optimiser step, at most"},
    {"batch_tokens", CW_OPTION_INTEGER, offsetof(BcOptions, batch_tokens), .flags = CW_OPTION_RESUME_SAFE,
     .default_value = "8192", .minimum = 1, .maximum = 1000000000, .unit = "tokens",
     .help = "tokens in one forward pass, at most; bounds memory, and gradients add up over the passes of a "
             "step"},
    {"max_gradient_norm", CW_OPTION_NUMBER, offsetof(BcOptions, max_gradient_norm), .default_value = "1",
     .minimum = 0, .maximum = 1e9, .help = "gradients are clipped to this L2 norm; 0 does not clip"},
    {"held_out", CW_OPTION_NUMBER, offsetof(BcOptions, held_out), .default_value = "0.1", .minimum = 0,
     .maximum = 0.9,
     .help = "share of the goals whose trajectories are kept from training and scored after each epoch"},
    {"early_stop", CW_OPTION_INTEGER, offsetof(BcOptions, early_stop), .default_value = "0", .minimum = 0,
     .maximum = 100000, .unit = "epochs",
     .help = "stop after so many epochs without a better held-out accuracy; 0 never stops early"},
    {"keep", CW_OPTION_ENUM, offsetof(BcOptions, keep), .default_value = "best", .values = keeps,
     .help = "with early_stop: the weights that the stage ends with, of the epoch with the best held-out "
             "accuracy or of "
             "the last"},
    {"skip_single", CW_OPTION_BOOLEAN, offsetof(BcOptions, skip_single), .default_value = "true",
     .help = "leave out decisions with one candidate, which teach nothing"},
    {"successful_only", CW_OPTION_BOOLEAN, offsetof(BcOptions, successful_only), .default_value = "false",
     .help = "imitate successful trajectories only"},
    {"agents", CW_OPTION_STRING_LIST, offsetof(BcOptions, agents),
     .help = "imitate the trajectories of these agents only; empty imitates all"},
    {"label_smoothing", CW_OPTION_NUMBER, offsetof(BcOptions, label_smoothing), .default_value = "0",
     .minimum = 0, .maximum = 0.9, .help = "share of the target spread evenly over all candidates"},
    {"value_coefficient", CW_OPTION_NUMBER, offsetof(BcOptions, value_coefficient), .default_value = "0",
     .minimum = 0, .maximum = 1000,
     .help = "weight of half the squared error between value and return to go; 0 leaves values alone"},
    {"discount", CW_OPTION_NUMBER, offsetof(BcOptions, discount), .default_value = "1", .minimum = 0,
     .maximum = 1, .help = "discount of rewards in the return to go"},
};

typedef struct {
  const BcOptions *options;
  /* What a checkpoint holds. */
  gboolean begun; /* the first update has drawn the seed and counted the samples */
  guint32 seed;   /* of the epochs' orders */
  guint64 step;   /* optimiser steps taken; epoch and place within it follow from it */
  guint64 n_training;
  double best_accuracy;
  guint64 epochs_without_gain;
  gboolean finished;
  char *fingerprint;
  /* Rebuilt when needed. */
  BcData data;
  guint32 *order; /* of epoch `order_epoch`; NULL: none yet */
  guint64 order_epoch;
} Bc;

static guint64 bc_needs(gconstpointer data)
{
  const BcOptions *options = data;

  return CW_NEEDS_TRAINING | CW_NEEDS_TRAJECTORIES | (options->value_coefficient > 0 ? CW_NEEDS_VALUES : 0);
}

static gpointer bc_open(gconstpointer data, GError **error)
{
  const BcOptions *options = data;
  Bc *bc;

  if (options->early_stop > 0 && options->held_out <= 0) {
    g_set_error_literal(
        error, CW_ALGORITHM_ERROR, CW_ERROR_CONFIGURATION,
        "early_stop: expected held_out above 0, by which to see that nothing improves, found 0; set "
        "held_out to 0.1, say, or early_stop to 0");
    return NULL;
  }
  bc = g_new0(Bc, 1);
  bc->options = options;
  bc->best_accuracy = -1;
  return bc;
}

static void bc_close(gpointer object)
{
  Bc *bc = object;

  if (!bc)
    return;
  bc_data_clear(&bc->data);
  g_free(bc->fingerprint);
  g_free(bc->order);
  g_free(bc);
}

static guint64 steps_per_epoch(const Bc *bc)
{
  guint64 size = (guint64)bc->options->batch_decisions;

  return (bc->n_training + size - 1) / size;
}

static guint64 bc_expected_updates(gpointer object)
{
  const Bc *bc = object;

  if (bc->finished)
    return bc->step;
  return (guint64)bc->options->epochs * steps_per_epoch(bc);
}

/* The learning rate of update `step`; the last one is not yet zero. */
static double learning_rate(const Bc *bc, guint64 step)
{
  double total = (double)bc->options->epochs * (double)steps_per_epoch(bc);
  double warmup = round(bc->options->warmup * total), rate = bc->options->learning_rate;
  double left = (total - (double)step) / (total - warmup); /* from 1 towards 0 */

  if ((double)step < warmup)
    return rate * ((double)step + 1) / warmup;
  switch ((BcSchedule)bc->options->schedule) {
  case BC_LINEAR:
    return rate * left;
  case BC_COSINE:
    return rate * 0.5 * (1 - cos(G_PI * left));
  case BC_CONSTANT:
    break;
  }
  return rate;
}

/* Gathers the decisions, once per process; on a resumed stage they must be the same. */
static gboolean prepare(Bc *bc, CwUpdate *update, GError **error)
{
  if (bc->data.fingerprint)
    return TRUE;
  if (!bc_data_collect(&bc->data, update, bc->options, error)) {
    bc_data_clear(&bc->data);
    return FALSE;
  }
  if (bc->begun && strcmp(bc->fingerprint, bc->data.fingerprint) != 0) {
    g_set_error_literal(
        error, CW_ALGORITHM_ERROR, CW_ERROR_CONFIGURATION,
        "expected the trajectories that this stage began with, found others; bring the old files back, "
        "or start the run afresh");
    bc_data_clear(&bc->data);
    return FALSE;
  }
  if (!bc->begun) {
    bc->begun = TRUE;
    bc->seed = cw_random_uint32(cw_update_random(update));
    bc->n_training = bc->data.training->len;
    g_free(bc->fingerprint);
    bc->fingerprint = g_strdup(bc->data.fingerprint);
  }
  return TRUE;
}

static void order_epoch(Bc *bc, guint64 epoch)
{
  CwRandom *random;
  guint n = bc->data.training->len;

  if (!bc->order)
    bc->order = g_new(guint32, n);
  for (guint i = 0; i < n; i++)
    bc->order[i] = i;
  random = cw_random_new(bc->seed, "bc epoch", 0, epoch);
  cw_random_shuffle(random, bc->order, n);
  cw_random_free(random);
  bc->order_epoch = epoch;
}

/* Whether the stage ends with the weights of its best epoch. */
static gboolean keeps_best(const Bc *bc)
{
  return bc->options->early_stop > 0 && bc->options->keep == BC_KEEP_BEST;
}

static gboolean end_epoch(Bc *bc, CwUpdate *update, GError **error)
{
  guint n = bc->data.held_out->len;
  BcTotals totals;

  cw_update_metric(update, "skipped", bc->data.n_skipped);
  if (n > 0) {
    double accuracy;

    if (!bc_score(cw_update_policy(update), bc->data.held_out, bc->options, &totals, error))
      return FALSE;
    accuracy = (double)totals.n_correct / n;
    cw_update_metric(update, "held_out_loss", totals.loss / n);
    cw_update_metric(update, "held_out_accuracy", accuracy);
    if (accuracy > bc->best_accuracy) {
      bc->best_accuracy = accuracy;
      bc->epochs_without_gain = 0;
      if (keeps_best(bc) && !cw_update_keep_policy(update, error))
        return FALSE;
    } else if (++bc->epochs_without_gain == (guint64)bc->options->early_stop) {
      bc->finished = TRUE;
    }
  }
  if (bc->step == (guint64)bc->options->epochs * steps_per_epoch(bc))
    bc->finished = TRUE;
  if (bc->finished && keeps_best(bc)) {
    cw_update_metric(update, "kept_epoch",
                     (double)bc->step / (double)steps_per_epoch(bc) - (double)bc->epochs_without_gain);
    return bc->epochs_without_gain == 0 || cw_update_restore_policy(update, error);
  }
  return TRUE;
}

static gboolean bc_update(gpointer object, CwUpdate *update, gboolean *done, GError **error)
{
  Bc *bc = object;
  CwPolicy *policy = cw_update_policy(update);
  guint64 epoch, place, start, end, n_steps;
  double rate, norm = 0;
  BcTotals totals;
  guint n;

  if (bc->finished) {
    *done = TRUE;
    return TRUE;
  }
  if (!prepare(bc, update, error))
    return FALSE;
  n_steps = steps_per_epoch(bc);
  epoch = bc->step / n_steps;
  place = bc->step % n_steps;
  if (!bc->order || bc->order_epoch != epoch || place == 0)
    order_epoch(bc, epoch);
  /* All batches of an epoch have the same size, give or take one. */
  start = place * bc->n_training / n_steps;
  end = (place + 1) * bc->n_training / n_steps;
  n = (guint)(end - start);
  rate = learning_rate(bc, bc->step);
  if (!bc_train_batch(policy, bc->data.training, bc->order + start, n, bc->options, &totals, error) ||
      !cw_policy_step(policy, rate, bc->options->max_gradient_norm, &norm, error))
    return FALSE;
  bc->step++;
  cw_update_metric(update, "loss", totals.loss / n);
  cw_update_metric(update, "accuracy", (double)totals.n_correct / n);
  if (bc->options->value_coefficient > 0)
    cw_update_metric(update, "value_loss", totals.value_loss / n);
  cw_update_metric(update, "learning_rate", rate);
  cw_update_metric(update, "gradient_norm", norm);
  cw_update_metric(update, "decisions", (double)(epoch * bc->n_training + end));
  cw_update_metric(update, "epoch", (double)bc->step / (double)n_steps);
  if (place + 1 == n_steps && !end_epoch(bc, update, error))
    return FALSE;
  *done = bc->finished;
  return TRUE;
}

static gboolean bc_save(gpointer object, GKeyFile *state, GError **error)
{
  const Bc *bc = object;

  (void)error;
  g_key_file_set_boolean(state, GROUP, "begun", bc->begun);
  g_key_file_set_uint64(state, GROUP, "seed", bc->seed);
  g_key_file_set_uint64(state, GROUP, "step", bc->step);
  g_key_file_set_uint64(state, GROUP, "n_training", bc->n_training);
  g_key_file_set_double(state, GROUP, "best_accuracy", bc->best_accuracy);
  g_key_file_set_uint64(state, GROUP, "epochs_without_gain", bc->epochs_without_gain);
  g_key_file_set_boolean(state, GROUP, "finished", bc->finished);
  g_key_file_set_string(state, GROUP, "fingerprint", bc->fingerprint ? bc->fingerprint : "");
  return TRUE;
}

static gboolean bc_load(gpointer object, GKeyFile *state, GError **error)
{
  Bc *bc = object;
  GError *reason = NULL;
  Bc loaded = *bc;

  loaded.begun = g_key_file_get_boolean(state, GROUP, "begun", &reason);
  if (!reason)
    loaded.seed = (guint32)g_key_file_get_uint64(state, GROUP, "seed", &reason);
  if (!reason)
    loaded.step = g_key_file_get_uint64(state, GROUP, "step", &reason);
  if (!reason)
    loaded.n_training = g_key_file_get_uint64(state, GROUP, "n_training", &reason);
  if (!reason)
    loaded.best_accuracy = g_key_file_get_double(state, GROUP, "best_accuracy", &reason);
  if (!reason)
    loaded.epochs_without_gain = g_key_file_get_uint64(state, GROUP, "epochs_without_gain", &reason);
  if (!reason)
    loaded.finished = g_key_file_get_boolean(state, GROUP, "finished", &reason);
  if (!reason)
    loaded.fingerprint = g_key_file_get_string(state, GROUP, "fingerprint", &reason);
  if (reason) {
    g_set_error(
        error, CW_ALGORITHM_ERROR, CW_ERROR_FORMAT,
        "expected the state of this algorithm in the checkpoint, found a gap: %s; use another checkpoint",
        reason->message);
    g_error_free(reason);
    return FALSE;
  }
  g_free(bc->fingerprint);
  *bc = loaded;
  return TRUE;
}

static const char *const metrics[] = {"loss",          "accuracy",          "value_loss", "learning_rate",
                                      "gradient_norm", "decisions",         "epoch",      "skipped",
                                      "held_out_loss", "held_out_accuracy", "kept_epoch", NULL};

static const CwAlgorithmVtable vtable = {
    .open = bc_open,
    .close = bc_close,
    .needs = bc_needs,
    .update = bc_update,
    .expected_updates = bc_expected_updates,
    .save = bc_save,
    .load = bc_load,
    .metrics = metrics,
};

static const CwFeature features[] = {
    {
        .kind = CW_FEATURE_ALGORITHM,
        .name = "bc",
        .summary = "Behaviour cloning: imitates the choices in recorded trajectories",
        .vtable = &vtable,
        .vtable_size = sizeof vtable,
        CW_FEATURE_OPTIONS(rows, BcOptions),
    },
};

CW_PLUGIN("bc", "1.0", "MIT", "Behaviour cloning", features);
