/* The algorithm plugin "ppo": proximal policy optimisation (Schulman et al. 2017) with generalised advantage
 * estimation (Schulman et al. 2016). One update is one iteration: complete episodes come in, their decisions
 * get advantages, and several epochs of minibatches are learnt from them; nothing is carried over but
 * counters. WebShop's advantage actor-critic is a special case of the options. */
#include <cartwright/cartwright.h>
#include <math.h>

typedef enum { PPO_TERMINAL, PPO_LAST_VALUE, PPO_BOOTSTRAP } PpoTruncated;

typedef struct {
  gint64 updates, episodes;
  CwRatioOptions ratio;
  CwLearningOptions learning;
  double discount, lambda;
  gint truncated; /* PpoTruncated */
  gboolean normalize_advantages;
  double value_coefficient, value_clip, uniform_coefficient;
} Options;

static const char *const truncations[] = {"terminal", "last_value", "bootstrap", NULL};

static const CwOption rows[] = {
    CW_INTEGER(Options, updates, 100, 1, 1e9, "iterations: each collects episodes and learns from them"),
    CW_COUNT(Options, episodes, 16, 1, 1e6, "episodes", "complete episodes collected for each update"),
    CW_TABLE(Options, ratio, cw_ratio_options),
    CW_NUMBER(Options, discount, 0.99, 0, 1, "discount of rewards (gamma)"),
    CW_NUMBER(Options, lambda, 0.95, 0, 1,
              "of generalised advantage estimation: 1 gives return minus value, 0 the one-step error"),
    CW_ENUM(Options, truncated, "bootstrap", truncations,
            "what follows an episode cut by the step limit: nothing, about the value of its last decision, "
            "or the "
            "value of what was seen then"),
    CW_BOOLEAN(Options, normalize_advantages, true,
               "shift and scale an update's advantages to mean 0 and standard deviation 1"),
    CW_NUMBER(Options, value_coefficient, 0.5, 0, 1000,
              "weight of half the squared error between value and return"),
    CW_NUMBER(Options, value_clip, 0, 0, 1e6,
              "how far the value may leave the old one to its loss's advantage; 0 does not clip"),
    CW_NUMBER(Options, uniform_coefficient, 0, 0, 1000,
              "weight of the mean of -log pi over all candidates, which pulls towards uniform (WebShop calls "
              "it il)"),
    CW_TABLE(Options, learning, cw_learning_options),
    CW_DEFAULT("dropout", "false"),
};

typedef struct {
  gint64 updates, optimizer_steps;
  gint64 decisions, learnt; /* collected, and gone through with gradients */
} State;

static const CwOption state_rows[] = {CW_KEEP_INTEGER(State, updates),
                                      CW_KEEP_INTEGER(State, optimizer_steps),
                                      CW_KEEP_INTEGER(State, decisions), CW_KEEP_INTEGER(State, learnt)};

/* The numbers of the metrics. */
enum { RETURN, SUCCESS, SINGLE_CANDIDATE, EMPTY_EPISODES, RATIO };
enum { VALUE_LOSS = RATIO + CW_RATIO_METRICS, ADVANTAGE_MEAN, ADVANTAGE_DEVIATION, VALUE_TARGET_MEAN };
enum { EXPLAINED_VARIANCE = VALUE_TARGET_MEAN + 1, UNIFORM_LOSS, LEARNING_RATE };
enum { OPTIMIZER_STEPS = LEARNING_RATE + 1, COLLECTED, DECISIONS };

static const CwMetric metrics[] = {
    {"return", NULL, CW_HIGHER_IS_BETTER},
    {"success", NULL, CW_HIGHER_IS_BETTER},
    {"single_candidate", "decisions", CW_NEITHER_IS_BETTER},
    {"empty_episodes", "episodes", CW_LOWER_IS_BETTER},
    CW_RATIO_METRIC_ROWS,
    {"value_loss", NULL, CW_LOWER_IS_BETTER},
    {"advantage_mean", NULL, CW_NEITHER_IS_BETTER},
    {"advantage_deviation", NULL, CW_NEITHER_IS_BETTER},
    {"value_target_mean", NULL, CW_NEITHER_IS_BETTER},
    {"explained_variance", NULL, CW_HIGHER_IS_BETTER},
    {"uniform_loss", NULL, CW_NEITHER_IS_BETTER},
    {"learning_rate", NULL, CW_NEITHER_IS_BETTER},
    {"optimizer_steps", NULL, CW_NEITHER_IS_BETTER},
    {"collected", "decisions", CW_NEITHER_IS_BETTER},
    {"decisions", "decisions", CW_NEITHER_IS_BETTER},
};

/* The decisions of an update, and what the value is to learn from them. */
typedef struct {
  CwRatio ratio; /* first: cw_ratio_loss takes it for its data */
  const Options *options;
  double *advantage, *weight, *target; /* per step */
} Batch;

#define VALUE CW_RATIO_REPORTS /* the report that holds the value's loss */

/* Adds value_coefficient / 2 max((V - R)^2, (V' - R)^2), V' = V_old + clip(V - V_old, +-value_clip), to the
 * policy's terms. */
static double loss(const CwView *view, CwSlopes *slopes, gconstpointer data)
{
  const Batch *batch = data;
  double clip = batch->options->value_clip, old = batch->ratio.old_value[view->index];
  double error = view->value - batch->target[view->index], squared = error * error;
  slopes->value = batch->options->value_coefficient * error;
  double clipped = old + CLAMP(view->value - old, -clip, clip) - batch->target[view->index];
  if (clip > 0 && clipped * clipped > squared) { /* V lies outside the clip, where V' does not depend on it */
    squared = clipped * clipped;
    slopes->value = 0;
  }
  slopes->report[VALUE] = 0.5 * squared;
  return cw_ratio_loss(view, slopes, &batch->ratio) + batch->options->value_coefficient * 0.5 * squared;
}

/* Advantages by episode, and their targets A + V. */
static gboolean estimate_advantages(Batch *batch, CwUpdate *update, const CwSteps *steps, GError **error)
{
  const Options *options = batch->options;
  const double *values = batch->ratio.old_value;
  g_autofree double *after = g_new0(double, steps->n_episodes);
  if (options->truncated == PPO_BOOTSTRAP &&
      !cw_score_after(update, NULL, steps, TRUE, &options->learning, after, error))
    return FALSE;
  for (guint e = 0; e < steps->n_episodes; e++) {
    guint first = steps->first[e], n = steps->first[e + 1] - first;
    const CwTrajectory *episode = cw_update_episode(update, e);
    if (n > 0 && !episode->steps[n - 1]->terminated && options->truncated == PPO_LAST_VALUE)
      after[e] = values[first + n - 1];
    cw_advantages_gae(steps->steps + first, n, values + first, after[e], options->discount, options->lambda,
                      batch->advantage + first);
  }
  for (guint i = 0; i < steps->n; i++)
    batch->target[i] = batch->advantage[i] + values[i];
  return TRUE;
}

/* A single advantage, or equal ones, say nothing about what to prefer: they stay. */
static void normalize(Batch *batch, const CwMoments *moments)
{
  for (guint i = 0; i < batch->ratio.items.n && moments->n > 1 && moments->deviation > 0; i++)
    batch->advantage[i] = (batch->advantage[i] - moments->mean) / (moments->deviation + 1e-8);
}

static void record_values(const Batch *batch, CwUpdate *update, const CwMoments *advantages)
{
  guint n = batch->ratio.items.n;
  g_autofree double *residual = g_new(double, n);
  for (guint i = 0; i < n; i++)
    residual[i] = batch->target[i] - batch->ratio.old_value[i];
  CwMoments targets = cw_moments(batch->target, NULL, n), residuals = cw_moments(residual, NULL, n);
  cw_update_record(update, VALUE_LOSS, cw_ratio_mean(&batch->ratio, VALUE, FALSE));
  cw_update_record(update, ADVANTAGE_MEAN, advantages->mean);
  cw_update_record(update, ADVANTAGE_DEVIATION, advantages->deviation);
  cw_update_record(update, VALUE_TARGET_MEAN, targets.mean);
  if (targets.deviation > 0)
    cw_update_record(update, EXPLAINED_VARIANCE, 1 - pow(residuals.deviation / targets.deviation, 2));
}

/* Scores, estimates, learns, records. */
static gboolean learn(Batch *batch, State *state, CwUpdate *update, const CwSteps *steps, GError **error)
{
  const Options *options = batch->options;
  double total = (double)options->updates;
  double rate = cw_learning_rate(&options->learning, (double)state->updates / total,
                                 ((double)state->updates + 1) / total);
  if (!cw_ratio_score(&batch->ratio, error) || !estimate_advantages(batch, update, steps, error))
    return FALSE;
  CwMoments advantages = cw_moments(batch->advantage, batch->weight, steps->n);
  if (options->normalize_advantages)
    normalize(batch, &advantages);
  if (!cw_ratio_learn(&batch->ratio, rate, loss, error))
    return FALSE;
  state->optimizer_steps += (gint64)batch->ratio.n_steps;
  state->decisions += steps->n;
  state->learnt += (gint64)batch->ratio.n_learnt;
  cw_update_record(update, RETURN, cw_update_mean_return(update));
  cw_update_record(update, SUCCESS, cw_update_success(update));
  cw_ratio_record(&batch->ratio, RATIO);
  record_values(batch, update, &advantages);
  if (options->uniform_coefficient > 0)
    cw_update_record(update, UNIFORM_LOSS, cw_ratio_mean(&batch->ratio, CW_RATIO_UNIFORM, TRUE));
  cw_update_record(update, SINGLE_CANDIDATE, steps->n_single);
  cw_update_record(update, EMPTY_EPISODES, steps->n_empty);
  cw_update_record(update, LEARNING_RATE, rate);
  cw_update_record(update, OPTIMIZER_STEPS, (double)state->optimizer_steps);
  cw_update_record(update, COLLECTED, (double)state->decisions);
  cw_update_record(update, DECISIONS, (double)state->learnt);
  return TRUE;
}

static gboolean update_once(gconstpointer data, gpointer object, CwUpdate *update, gboolean *done,
                            GError **error)
{
  const Options *options = data;
  State *state = object;
  if (state->updates >= options->updates)
    return *done = TRUE;
  g_auto(CwSteps) steps = {0};
  if (!cw_update_steps(update, FALSE, &steps, error))
    return FALSE;
  g_autofree double *advantage = g_new0(double, steps.n);
  g_autofree double *weight = g_new0(double, steps.n);
  g_autofree double *target = g_new0(double, steps.n);
  for (guint i = 0; i < steps.n; i++)
    weight[i] = cw_step_is_choice(steps.steps[i]);
  Batch batch = {.ratio = {.update = update,
                           .options = &options->ratio,
                           .learning = &options->learning,
                           .items = {.steps = steps.steps, .n = steps.n, .with_values = TRUE},
                           .advantage = advantage,
                           .policy_weight = weight,
                           .uniform_coefficient = options->uniform_coefficient},
                 .options = options,
                 .advantage = advantage,
                 .weight = weight,
                 .target = target};
  gboolean good = learn(&batch, state, update, &steps, error);
  cw_ratio_clear(&batch.ratio);
  if (good)
    *done = ++state->updates >= options->updates;
  return good;
}

static guint64 needs(gconstpointer options)
{
  return ((const Options *)options)->ratio.reference_coefficient > 0 ? CW_NEEDS_REFERENCE : 0;
}

static gboolean collect(gconstpointer data, gpointer state, CwCollectRequest *request,
                        GError **error G_GNUC_UNUSED)
{
  const Options *options = data;
  if (((const State *)state)->updates < options->updates)
    request->n_episodes = (guint)options->episodes;
  request->keep_after = options->truncated == PPO_BOOTSTRAP;
  return TRUE;
}

static guint64 expected_updates(gconstpointer options, gconstpointer state G_GNUC_UNUSED)
{
  return (guint64)((const Options *)options)->updates;
}

static const CwAlgorithmVtable vtable = {
    CW_STATE(State, state_rows), CW_METRICS(metrics), .update = update_once,
    .collect = collect,          .needs = needs,      .expected_updates = expected_updates};

static const CwFeature features[] = {
    CW_ALGORITHM("ppo", "Proximal policy optimisation; WebShop's actor-critic as a special case", vtable,
                 CW_NEEDS_TRAINING | CW_NEEDS_VALUES | CW_TAKES_WORDS, Options, rows)};

CW_PLUGIN("ppo", "2.0", "MIT", "Proximal policy optimisation", features);
