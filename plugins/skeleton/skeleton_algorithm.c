/* A skeleton to copy: REINFORCE (Williams 1992). Each update rolls out some episodes, weighs every action by
 * what its episode gained beyond the mean of the batch, and takes one step. An algorithm sees what a policy
 * says of decisions and gives back slopes; what computes them is none of its business. */
#include <cartwright/cartwright.h>

/* What an experiment may set: a row a key, with default, range and help. CW_TABLE adds the optimiser's keys.
 */
typedef struct {
  gint64 updates, episodes;
  CwLearningOptions learning;
} Options;

static const CwOption options_rows[] = {
    CW_INTEGER(Options, updates, 100, 1, 1e9, "optimiser steps to take"),
    CW_INTEGER(Options, episodes, 16, 1, 1e6, "episodes rolled out for each update"),
    CW_TABLE(Options, learning, cw_learning_options),
    CW_DEFAULT("learning_rate", "0.1"),
};

/* What a checkpoint keeps: the host allocates, saves and loads it. */
typedef struct {
  gint64 updates;
} State;

static const CwOption state_rows[] = {CW_KEEP_INTEGER(State, updates)};

/* What is recorded, by number. */
enum { RETURN, LOSS, GRADIENT_NORM };
static const CwMetric metrics[] = {{"return", NULL, CW_HIGHER_IS_BETTER},
                                   {"loss", NULL, CW_LOWER_IS_BETTER},
                                   {"gradient_norm", NULL, CW_NEITHER_IS_BETTER}};

/* Before each update: which experience is wanted. */
static gboolean collect(gconstpointer options, gpointer state G_GNUC_UNUSED, CwCollectRequest *request,
                        GError **error G_GNUC_UNUSED)
{
  request->n_episodes = (guint)((const Options *)options)->episodes;
  return TRUE;
}

/* One update, once the episodes are there: a step along the gradient of
 *   - sum over steps of (R - mean R) / episodes log pi(a),   R the reward of the step's episode. */
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
  g_autofree double *slope = g_new(double, steps.n);
  double mean = cw_update_mean_return(update), begin = (double)state->updates / (double)options->updates;
  for (guint e = 0; e < steps.n_episodes; e++)
    for (guint i = steps.first[e]; i < steps.first[e + 1]; i++)
      slope[i] = (mean - cw_update_episode(update, e)->total_reward) / steps.n_episodes;
  CwItems items = {.steps = steps.steps, .n = steps.n};
  CwSums sums;
  if (!cw_accumulate_log_probability(update, NULL, &items, slope, &options->learning, &sums, error) ||
      !cw_optimizer_step(update, NULL, &options->learning, cw_learning_rate(&options->learning, begin, begin),
                         &sums, error))
    return FALSE;
  cw_update_record(update, RETURN, mean);
  cw_update_record(update, LOSS, sums.loss);
  cw_update_record(update, GRADIENT_NORM, sums.gradient_norm);
  *done = ++state->updates >= options->updates;
  return TRUE;
}

/* For the progress line: how many updates it will be. */
static guint64 expected_updates(gconstpointer options, gconstpointer state G_GNUC_UNUSED)
{
  return (guint64)((const Options *)options)->updates;
}

/* The algorithm's slots; `open`, `needs` and `clear` are there when they are needed. */
static const CwAlgorithmVtable vtable = {CW_STATE(State, state_rows), CW_METRICS(metrics),
                                         .update = update_once, .collect = collect,
                                         .expected_updates = expected_updates};

/* What the plugin offers, under the name by which an experiment asks for it, and what it always needs. */
static const CwFeature features[] = {CW_ALGORITHM(
    "skeleton_algorithm", "REINFORCE with the batch's mean return as baseline: a skeleton to copy", vtable,
    CW_NEEDS_TRAINING | CW_TAKES_WORDS, Options, options_rows)};

CW_PLUGIN("skeleton_algorithm", "1.0", "MIT", "A skeleton algorithm", features);
