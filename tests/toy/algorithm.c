/* REINFORCE on the collected episodes, or imitation of one offline trajectory drawn at random, with metrics
 * that depend on every stream and state there is. */
#include "tests/toy/toy.h"
#include <math.h>
#include <signal.h>
#include <unistd.h>

typedef struct {
  const ToyAlgorithmOptions *options;
  gint64 n_updates;
} Algorithm;

static gpointer open_algorithm(gconstpointer options, GError **error)
{
  (void)error;
  Algorithm *algorithm = g_new0(Algorithm, 1);
  algorithm->options = options;
  return algorithm;
}

static guint64 needs(gconstpointer data)
{
  const ToyAlgorithmOptions *options = data;
  return CW_NEEDS_TRAINING | (options->reference ? CW_NEEDS_REFERENCE : 0) |
         (options->offline ? CW_NEEDS_TRAJECTORIES | CW_TAKES_REFRESH : 0);
}

static gboolean collect(gpointer data, CwCollectRequest *request, GError **error)
{
  (void)error;
  const ToyAlgorithmOptions *options = ((Algorithm *)data)->options;
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
    if (!cw_policy_forward(policy, &step->decision, 1, logits, &value, error))
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

static gboolean learn(const Algorithm *algorithm, CwUpdate *update, double *loss, GError **error)
{
  CwPolicy *policy = cw_update_policy(update);
  if (algorithm->options->offline) {
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
  cw_update_metric(update, "reference", logits[0]);
  return TRUE;
}

static gboolean update_once(gpointer data, CwUpdate *update, gboolean *done, GError **error)
{
  Algorithm *algorithm = data;
  const ToyAlgorithmOptions *options = algorithm->options;
  gint64 number = algorithm->n_updates + 1;
  double loss = 0, norm = 0;
  if (number == options->crash_at)
    _exit(9);
  if (number == options->interrupt_at)
    raise(SIGTERM);
  if (!learn(algorithm, update, &loss, error) ||
      !cw_policy_step(cw_update_policy(update), options->learning_rate, 0, &norm, error))
    return FALSE;
  cw_update_metric(update, "loss", number == options->nan_at ? NAN : loss);
  cw_update_metric(update, "noise", cw_random_uniform(cw_update_random(update)));
  if (options->reference && !add_reference_metric(update, error))
    return FALSE;
  algorithm->n_updates = number;
  *done = number >= options->updates;
  return TRUE;
}

static guint64 expected_updates(gpointer algorithm)
{
  return (guint64)((Algorithm *)algorithm)->options->updates;
}

static gboolean save(gpointer algorithm, GKeyFile *state, GError **error)
{
  (void)error;
  g_key_file_set_int64(state, "algorithm", "updates", ((Algorithm *)algorithm)->n_updates);
  return TRUE;
}

static gboolean load(gpointer algorithm, GKeyFile *state, GError **error)
{
  GError *problem = NULL;
  ((Algorithm *)algorithm)->n_updates = g_key_file_get_int64(state, "algorithm", "updates", &problem);
  if (!problem)
    return TRUE;
  g_propagate_error(error, problem);
  return FALSE;
}

static const char *const metrics[] = {"loss", "noise", "reference", NULL};

const CwAlgorithmVtable toy_algorithm = {
    .open = open_algorithm,
    .close = g_free,
    .needs = needs,
    .collect = collect,
    .update = update_once,
    .expected_updates = expected_updates,
    .save = save,
    .load = load,
    .metrics = metrics,
};
