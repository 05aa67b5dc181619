/* The algorithm plugin "ppo": proximal policy optimisation (Schulman et al. 2017)
 * with generalised advantage estimation (Schulman et al. 2016). One update is one
 * iteration: complete episodes come in, their decisions get advantages, and
 * several epochs of minibatches are learnt from them; nothing is carried over but
 * counters. WebShop's advantage actor-critic is a special case of the options. */
#include "plugins/common/surrogate.h"
#include "plugins/common/trajectories.h"
#include <math.h>

#define GROUP "algorithm"

typedef struct {
  gint64 updates, episodes;
  CommonOptimizer optimizer;
  SurrogateOptions surrogate;
  double discount, lambda;
  gint truncated; /* PpoTruncated */
  gboolean normalize_advantages;
  double value_coefficient, value_clip, uniform_coefficient;
} PpoOptions;

typedef enum { PPO_TERMINAL, PPO_LAST_VALUE } PpoTruncated;

static const char *const truncations[] = {"terminal", "last_value", NULL};

static const CwOption rows[] = {
    {"updates", CW_OPTION_INTEGER, offsetof(PpoOptions, updates), .default_value = "100", .minimum = 1,
     .maximum = 1e9, .help = "iterations: each collects episodes and learns from them"},
    {"episodes", CW_OPTION_INTEGER, offsetof(PpoOptions, episodes), .default_value = "16", .minimum = 1,
     .maximum = 1e6, .unit = "episodes", .help = "complete episodes collected for each update"},
    SURROGATE_ROWS(PpoOptions, surrogate, "4", "0.01"),
    {"discount", CW_OPTION_NUMBER, offsetof(PpoOptions, discount), .default_value = "0.99", .minimum = 0,
     .maximum = 1, .help = "discount of rewards (gamma)"},
    {"lambda", CW_OPTION_NUMBER, offsetof(PpoOptions, lambda), .default_value = "0.95", .minimum = 0,
     .maximum = 1,
     .help = "of generalised advantage estimation: 1 gives return minus value, 0 the one-step error"},
    {"truncated", CW_OPTION_ENUM, offsetof(PpoOptions, truncated), .default_value = "terminal",
     .values = truncations,
     .help =
         "what follows an episode cut by the step limit: nothing, or about the value of its last decision"},
    {"normalize_advantages", CW_OPTION_BOOLEAN, offsetof(PpoOptions, normalize_advantages),
     .default_value = "true",
     .help = "shift and scale an update's advantages to mean 0 and standard deviation 1"},
    {"value_coefficient", CW_OPTION_NUMBER, offsetof(PpoOptions, value_coefficient), .default_value = "0.5",
     .minimum = 0, .maximum = 1000, .help = "weight of half the squared error between value and return"},
    {"value_clip", CW_OPTION_NUMBER, offsetof(PpoOptions, value_clip), .default_value = "0", .minimum = 0,
     .maximum = 1e6,
     .help = "how far the value may leave the old one to its loss's advantage; 0 does not clip"},
    {"uniform_coefficient", CW_OPTION_NUMBER, offsetof(PpoOptions, uniform_coefficient), .default_value = "0",
     .minimum = 0, .maximum = 1000,
     .help = "weight of the mean of -log pi over all candidates, which pulls towards uniform (WebShop calls "
             "it il)"},
    COMMON_OPTIMIZER_ROWS(PpoOptions, optimizer),
};

typedef struct {
  const PpoOptions *options;
  /* What a checkpoint holds. */
  guint64 updates;           /* done */
  guint64 optimizer_steps;   /* taken */
  guint64 decisions, learnt; /* collected, and gone through with gradients, so far */
} Ppo;

static gpointer ppo_open(gconstpointer options, GError **error)
{
  Ppo *ppo = g_new0(Ppo, 1);

  (void)error;
  ppo->options = options;
  return ppo;
}

static guint64 ppo_needs(gconstpointer data)
{
  const PpoOptions *options = data;

  return CW_NEEDS_TRAINING | CW_NEEDS_VALUES |
         (options->surrogate.reference_coefficient > 0 ? CW_NEEDS_REFERENCE : 0);
}

static gboolean ppo_collect(gpointer object, CwCollectRequest *request, GError **error)
{
  const Ppo *ppo = object;

  (void)error;
  if (ppo->updates < (guint64)ppo->options->updates)
    request->n_episodes = (guint)ppo->options->episodes;
  return TRUE;
}

/* Adds the steps of the episodes to the batch, episode after episode. */
static gboolean add_episodes(SurrogateBatch *batch, CwUpdate *update, const PpoOptions *options,
                             GError **error)
{
  guint n_episodes = cw_update_n_episodes(update);

  for (guint i = 0; i < n_episodes; i++) {
    const CwTrajectory *episode = cw_update_episode(update, i);

    for (guint j = 0; j < episode->n_steps; j++)
      surrogate_batch_add(batch, episode->steps[j]);
  }
  if (batch->items->len == 0) {
    g_set_error(error, CW_ALGORITHM_ERROR, CW_ERROR_FAILED,
                "expected %" G_GINT64_FORMAT
                " episodes with decisions, found %u episodes without a single one",
                options->episodes, n_episodes);
    return FALSE;
  }
  return TRUE;
}

/* A_t = sum over k of (discount lambda)^k delta_(t+k), delta_t = r_t + discount V_(t+1) - V_t
 * (Schulman et al. 2016, eq. 16), and the value's target A_t + V_t. The observation
 * after the last step is not part of an episode. After a terminated episode V is 0;
 * after a truncated one it is 0 too, or the last decision's own value stands in. */
static void estimate_advantages(SurrogateBatch *batch, guint first, const CwTrajectory *episode,
                                const PpoOptions *options)
{
  double advantage = 0, next = 0;

  for (guint j = episode->n_steps; j-- > 0;) {
    SurrogateItem *item = surrogate_batch_item(batch, first + j);

    if (j + 1 == episode->n_steps && !episode->steps[j]->terminated && options->truncated == PPO_LAST_VALUE)
      next = item->old_value;
    advantage = episode->steps[j]->reward + options->discount * next - item->old_value +
                options->discount * options->lambda * advantage;
    item->advantage = advantage;
    item->value_target = advantage + item->old_value;
    next = item->old_value;
  }
}

/* Moments of what the decisions of a batch have; `choices`: of those with a choice only. */
typedef struct {
  double mean, deviation;
  guint n;
} Moments;

static double advantage_of(const SurrogateItem *item)
{
  return item->advantage;
}

static double target_of(const SurrogateItem *item)
{
  return item->value_target;
}

static double residual_of(const SurrogateItem *item)
{
  return item->value_target - item->old_value;
}

static Moments moments_of(const SurrogateBatch *batch, double (*number)(const SurrogateItem *),
                          gboolean choices)
{
  Moments moments = {0};
  double squares = 0;

  for (guint i = 0; i < batch->items->len; i++) {
    const SurrogateItem *item = surrogate_batch_item(batch, i);

    if (!choices || item->weight != 0) {
      moments.mean += number(item);
      moments.n++;
    }
  }
  moments.mean /= MAX(1, moments.n);
  for (guint i = 0; i < batch->items->len; i++) {
    const SurrogateItem *item = surrogate_batch_item(batch, i);

    if (!choices || item->weight != 0)
      squares += pow(number(item) - moments.mean, 2);
  }
  moments.deviation = sqrt(squares / MAX(1, moments.n));
  return moments;
}

/* A single advantage, or equal ones, say nothing about what to prefer: they stay. */
static void normalize_advantages(SurrogateBatch *batch, const Moments *moments)
{
  if (moments->n < 2 || moments->deviation == 0)
    return;
  for (guint i = 0; i < batch->items->len; i++) {
    SurrogateItem *item = surrogate_batch_item(batch, i);

    item->advantage = (item->advantage - moments->mean) / (moments->deviation + 1e-8);
  }
}

/* What the episodes themselves tell: what they brought, and what of them was of little use. */
static void record_returns(CwUpdate *update)
{
  guint n_episodes = cw_update_n_episodes(update);
  double reward = 0, success = 0;

  for (guint i = 0; i < n_episodes; i++) {
    const CwTrajectory *episode = cw_update_episode(update, i);

    reward += episode->total_reward / n_episodes;
    success += (episode->success ? 1.0 : 0) / n_episodes;
  }
  cw_update_metric(update, "return", reward);
  cw_update_metric(update, "success", success);
}

static void record_counts(CwUpdate *update)
{
  guint n_single = 0, n_empty = 0;

  for (guint i = 0; i < cw_update_n_episodes(update); i++) {
    const CwTrajectory *episode = cw_update_episode(update, i);

    n_empty += episode->n_steps == 0 ? 1 : 0;
    for (guint j = 0; j < episode->n_steps; j++)
      n_single += episode->steps[j]->decision->n_candidates == 1 ? 1 : 0;
  }
  cw_update_metric(update, "single_candidate", n_single);
  cw_update_metric(update, "empty_episodes", n_empty);
}

static void record_values(const SurrogateBatch *batch, const Moments *advantages,
                          const SurrogateReport *report)
{
  Moments targets = moments_of(batch, target_of, FALSE), residuals = moments_of(batch, residual_of, FALSE);

  cw_update_metric(batch->update, "value_loss", report->value);
  cw_update_metric(batch->update, "advantage_mean", advantages->mean);
  cw_update_metric(batch->update, "advantage_deviation", advantages->deviation);
  cw_update_metric(batch->update, "value_target_mean", targets.mean);
  if (targets.deviation > 0)
    cw_update_metric(batch->update, "explained_variance",
                     1 - pow(residuals.deviation / targets.deviation, 2));
}

/* Scores, estimates, learns, records. */
static gboolean learn(Ppo *ppo, SurrogateBatch *batch, CwUpdate *update, GError **error)
{
  const PpoOptions *options = ppo->options;
  SurrogateTerms terms = {.clip_low = options->surrogate.clip,
                          .clip_high = options->surrogate.clip,
                          .value_coefficient = options->value_coefficient,
                          .value_clip = options->value_clip,
                          .entropy_coefficient = options->surrogate.entropy_coefficient,
                          .uniform_coefficient = options->uniform_coefficient,
                          .reference_coefficient = options->surrogate.reference_coefficient,
                          .reference_kl = (SurrogateKl)options->surrogate.reference_kl};
  double total = (double)options->updates;
  double rate = common_learning_rate(&options->optimizer, (double)ppo->updates / total,
                                     ((double)ppo->updates + 1) / total);
  SurrogateReport report;
  Moments advantages;
  guint first = 0;

  if (!surrogate_batch_score(batch, error))
    return FALSE;
  for (guint i = 0; i < cw_update_n_episodes(update); i++) {
    const CwTrajectory *episode = cw_update_episode(update, i);

    estimate_advantages(batch, first, episode, options);
    first += episode->n_steps;
  }
  advantages = moments_of(batch, advantage_of, TRUE);
  if (options->normalize_advantages)
    normalize_advantages(batch, &advantages);
  if (!surrogate_batch_train(batch, &terms, rate, options->optimizer.max_gradient_norm, &report, error))
    return FALSE;
  ppo->optimizer_steps += report.n_steps;
  ppo->decisions += batch->items->len;
  ppo->learnt += report.n_learnt;
  record_returns(update);
  surrogate_batch_record(batch, &report);
  record_values(batch, &advantages, &report);
  if (options->uniform_coefficient > 0)
    cw_update_metric(update, "uniform_loss", report.uniform);
  record_counts(update);
  cw_update_metric(update, "learning_rate", rate);
  cw_update_metric(update, "optimizer_steps", (double)ppo->optimizer_steps);
  cw_update_metric(update, "collected", (double)ppo->decisions);
  cw_update_metric(update, "decisions", (double)ppo->learnt);
  return TRUE;
}

static gboolean ppo_update(gpointer object, CwUpdate *update, gboolean *done, GError **error)
{
  Ppo *ppo = object;
  SurrogateBatch *batch;
  gboolean good;

  *done = ppo->updates >= (guint64)ppo->options->updates;
  if (*done)
    return TRUE;
  batch = surrogate_batch_new(update, &ppo->options->surrogate, (guint64)ppo->options->optimizer.batch_tokens,
                              TRUE);
  good = add_episodes(batch, update, ppo->options, error) && learn(ppo, batch, update, error);
  surrogate_batch_free(batch);
  if (!good)
    return FALSE;
  ppo->updates++;
  *done = ppo->updates >= (guint64)ppo->options->updates;
  return TRUE;
}

static guint64 ppo_expected_updates(gpointer object)
{
  return (guint64)((const Ppo *)object)->options->updates;
}

static gboolean ppo_save(gpointer object, GKeyFile *state, GError **error)
{
  const Ppo *ppo = object;

  (void)error;
  g_key_file_set_uint64(state, GROUP, "updates", ppo->updates);
  g_key_file_set_uint64(state, GROUP, "optimizer_steps", ppo->optimizer_steps);
  g_key_file_set_uint64(state, GROUP, "decisions", ppo->decisions);
  g_key_file_set_uint64(state, GROUP, "learnt", ppo->learnt);
  return TRUE;
}

static gboolean ppo_load(gpointer object, GKeyFile *state, GError **error)
{
  Ppo *ppo = object, loaded = {.options = ppo->options};
  GError *reason = NULL;

  loaded.updates = common_load_uint64(state, "updates", &reason);
  loaded.optimizer_steps = common_load_uint64(state, "optimizer_steps", &reason);
  loaded.decisions = common_load_uint64(state, "decisions", &reason);
  loaded.learnt = common_load_uint64(state, "learnt", &reason);
  if (reason) {
    g_propagate_error(error, reason);
    return FALSE;
  }
  *ppo = loaded;
  return TRUE;
}

static const char *const metrics[] = {"return",
                                      "success",
                                      "single_candidate",
                                      "empty_episodes",
                                      SURROGATE_METRICS,
                                      "value_loss",
                                      "advantage_mean",
                                      "advantage_deviation",
                                      "value_target_mean",
                                      "explained_variance",
                                      "uniform_loss",
                                      "learning_rate",
                                      "optimizer_steps",
                                      "collected",
                                      "decisions",
                                      NULL};

static const CwAlgorithmVtable vtable = {
    .open = ppo_open,
    .close = g_free,
    .needs = ppo_needs,
    .collect = ppo_collect,
    .update = ppo_update,
    .expected_updates = ppo_expected_updates,
    .save = ppo_save,
    .load = ppo_load,
    .metrics = metrics,
};

static const CwFeature features[] = {
    {
        .kind = CW_FEATURE_ALGORITHM,
        .name = "ppo",
        .summary = "Proximal policy optimisation; WebShop's actor-critic as a special case",
        .vtable = &vtable,
        .vtable_size = sizeof vtable,
        CW_FEATURE_OPTIONS(rows, PpoOptions),
    },
};

CW_PLUGIN("ppo", "1.0", "MIT", "Proximal policy optimisation", features);
