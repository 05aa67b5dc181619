/* REINFORCE on the collected episodes, or imitation of one offline trajectory drawn at random, with metrics
 * that depend on every stream and state there is. */
#include "tests/toy/toy.h"
#include <math.h>
#include <signal.h>
#include <unistd.h>

typedef struct {
  gint64 updates;
} State;

enum { LOSS, NOISE, REFERENCE };

static guint64 needs(gconstpointer data)
{
  const ToyAlgorithmOptions *options = data;
  return (options->reference ? CW_NEEDS_REFERENCE : 0) |
         (options->offline ? CW_NEEDS_TRAJECTORIES | CW_TAKES_REFRESH : 0);
}

static gboolean collect(gconstpointer data, gpointer state G_GNUC_UNUSED, CwCollectRequest *request,
                        GError **error G_GNUC_UNUSED)
{
  const ToyAlgorithmOptions *options = data;
  request->n_episodes = options->offline ? 0 : (guint)options->episodes;
  request->group_size = (guint)options->group_size;
  return TRUE;
}

/* Adds the gradient of -weight log pi(chosen) for every step of a trajectory. */
static gboolean add_trajectory(CwPolicy *policy, const CwTrajectory *trajectory, double weight, double *loss,
                               GError **error)
{
  for (guint i = 0; i < trajectory->n_steps; i++) {
    const CwStep *step = trajectory->steps[i];
    guint n = step->decision->n_candidates;
    g_autofree float *logits = g_new(float, n);
    float value;
    if (!cw_policy_forward(policy, &step->decision, 1, TRUE, logits, &value, error))
      return FALSE;
    cw_log_softmax(logits, n, logits);
    *loss -= weight * logits[step->chosen];
    for (guint c = 0; c < n; c++)
      logits[c] = (float)(weight * (exp(logits[c]) - (c == step->chosen)));
    float dvalue = (float)(value - trajectory->total_reward);
    if (!cw_policy_backward(policy, logits, &dvalue, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean learn(const ToyAlgorithmOptions *options, CwUpdate *update, double *loss, GError **error)
{
  CwPolicy *policy = cw_update_policy(update);
  if (options->offline) {
    guint i = cw_random_below(cw_update_random(update), cw_update_n_trajectories(update));
    return add_trajectory(policy, cw_update_trajectory(update, i), 1, loss, error);
  }
  guint n = cw_update_n_episodes(update);
  for (guint i = 0; i < n; i++) {
    const CwTrajectory *episode = cw_update_episode(update, i);
    if (!add_trajectory(policy, episode, (episode->total_reward - 0.5) / n, loss, error))
      return FALSE;
  }
  return TRUE;
}

/* The reference's logit of the first candidate of the first decision there is. */
static gboolean add_reference_metric(CwUpdate *update, GError **error)
{
  const CwTrajectory *trajectory =
      cw_update_n_episodes(update) ? cw_update_episode(update, 0) : cw_update_trajectory(update, 0);
  const CwDecision *decision = trajectory->steps[0]->decision;
  g_autofree float *logits = g_new(float, decision->n_candidates);
  if (!cw_policy_score(cw_update_reference(update), &decision, 1, logits, NULL, error))
    return FALSE;
  cw_update_record(update, REFERENCE, logits[0]);
  return TRUE;
}

static gboolean update_once(gconstpointer data, gpointer object, CwUpdate *update, gboolean *done,
                            GError **error)
{
  const ToyAlgorithmOptions *options = data;
  State *state = object;
  gint64 number = state->updates + 1;
  double loss = 0, norm = 0;
  if (number == options->crash_at)
    _exit(9);
  if (number == options->interrupt_at)
    raise(SIGTERM);
  if (!learn(options, update, &loss, error) ||
      !cw_policy_step(cw_update_policy(update), options->learning_rate, 0, &norm, error))
    return FALSE;
  cw_update_record(update, LOSS, number == options->nan_at ? NAN : loss);
  cw_update_record(update, NOISE, cw_random_uniform(cw_update_random(update)));
  if (options->reference && !add_reference_metric(update, error))
    return FALSE;
  state->updates = number;
  *done = number >= options->updates;
  return TRUE;
}

static guint64 expected_updates(gconstpointer options, gconstpointer state G_GNUC_UNUSED)
{
  return (guint64)((const ToyAlgorithmOptions *)options)->updates;
}

static const CwOption state[] = {CW_KEEP_INTEGER(State, updates)};
static const CwMetric metrics[] = {{"loss", NULL, CW_LOWER_IS_BETTER},
                                   {"noise", NULL, CW_NEITHER_IS_BETTER},
                                   {"reference", NULL, CW_NEITHER_IS_BETTER}};

const CwAlgorithmVtable toy_algorithm = {
    CW_STATE(State, state), CW_METRICS(metrics), .update = update_once,
    .collect = collect,     .needs = needs,      .expected_updates = expected_updates,
};
