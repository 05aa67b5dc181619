/* Advantage actor-critic (Mnih et al. 2016, run in step), as a plugin out of the tree. Some episodes are in
 * play at a time, and after every few steps of each the policy and a critic of its own, with an optimiser of
 * its own, take one step. The critic's value of what is seen next stands for the rest of an episode. */
#include <cartwright/cartwright.h>
#include <math.h>

typedef struct {
  gint64 updates, episodes, steps;
  double discount, lambda, entropy_coefficient, critic_learning_rate;
  CwLearningOptions learning;
} Options;

static const CwOption options_rows[] = {
    CW_INTEGER(Options, updates, 500, 1, 1e9, "updates: each goes some steps on and learns from them"),
    CW_COUNT(Options, episodes, 16, 1, 1e5, "episodes", "episodes in play at a time"),
    CW_COUNT(Options, steps, 5, 1, 1e5, "steps", "steps of each episode between two updates"),
    CW_NUMBER(Options, discount, 0.99, 0, 1, "discount of rewards"),
    CW_NUMBER(Options, lambda, 1, 0, 1, "of generalised advantage estimation; 1: n-step returns"),
    CW_NUMBER(Options, entropy_coefficient, 0.01, 0, 1000, "weight of the entropy bonus"),
    CW_NUMBER(Options, critic_learning_rate, 0.02, 0, 100, "learning rate of the critic"),
    CW_TABLE(Options, learning, cw_learning_options),
    CW_DEFAULT("learning_rate", "0.01"),
    CW_DEFAULT("dropout", "false"),
};

typedef struct {
  gint64 updates, learnt; /* learnt: decisions */
} State;

static const CwOption state_rows[] = {CW_KEEP_INTEGER(State, updates), CW_KEEP_INTEGER(State, learnt)};

enum { POLICY_LOSS, ENTROPY, VALUE_LOSS, VALUE, ADVANTAGE, REWARD, RATE, NORM, CRITIC_NORM, DECISIONS };
static const CwMetric metrics[] = {
    {"policy_loss", NULL, CW_LOWER_IS_BETTER},
    {"entropy", "nats", CW_NEITHER_IS_BETTER},
    {"value_loss", NULL, CW_LOWER_IS_BETTER},
    {"value", NULL, CW_NEITHER_IS_BETTER},
    {"advantage", NULL, CW_NEITHER_IS_BETTER},
    {"reward", NULL, CW_HIGHER_IS_BETTER},
    {"learning_rate", NULL, CW_NEITHER_IS_BETTER},
    {"gradient_norm", NULL, CW_NEITHER_IS_BETTER},
    {"critic_gradient_norm", NULL, CW_NEITHER_IS_BETTER},
    {"decisions", "decisions", CW_NEITHER_IS_BETTER},
};

static const CwNetwork networks[] = {{"critic", "values what is seen", CW_POLICY_TRAINS | CW_POLICY_VALUES}};

/* Whole episodes go on where they stand at the next update. */
static gboolean collect(gconstpointer data, gpointer state, CwCollectRequest *request,
                        GError **error G_GNUC_UNUSED)
{
  const Options *options = data;
  if (((State *)state)->updates < options->updates)
    request->n_episodes = (guint)options->episodes;
  request->n_steps = (guint)options->steps;
  request->keep_after = TRUE;
  return TRUE;
}

/* Per step. */
typedef struct {
  const Options *options;
  double *advantage, *target; /* of the critic: A + V */
} Targets;

/* - A log pi(a) - entropy_coefficient H. */
static double policy_loss(const CwView *view, CwSlopes *slopes, gconstpointer data)
{
  const Targets *targets = data;
  double advantage = targets->advantage[view->index], weight = targets->options->entropy_coefficient;
  double entropy = view->n > 0 ? view->entropy : 0;
  slopes->log_probability = -advantage;
  slopes->entropy = view->n > 0 ? -weight : 0;
  slopes->report[ENTROPY] = entropy;
  return -advantage * view->log_probability - weight * entropy;
}

/* (V - target)^2 / 2. */
static double critic_loss(const CwView *view, CwSlopes *slopes, gconstpointer data)
{
  double error = view->value - ((const Targets *)data)->target[view->index];
  slopes->value = error;
  slopes->report[VALUE] = view->value;
  return 0.5 * error * error;
}

/* The critic's view of every step, and of what followed each piece. */
static gboolean estimate(const Targets *targets, CwUpdate *update, const CwSteps *steps, GError **error)
{
  const Options *options = targets->options;
  CwPolicy *critic = cw_update_network(update, "critic");
  CwItems items = {.steps = steps->steps, .n = steps->n, .with_values = TRUE};
  g_auto(CwScores) scores = {0};
  g_autofree double *after = g_new(double, steps->n_episodes);
  if (!cw_score(update, critic, &items, NULL, &options->learning, &scores, error) ||
      !cw_score_after(update, critic, steps, TRUE, &options->learning, after, error))
    return FALSE;
  for (guint e = 0; e < steps->n_episodes; e++) {
    guint first = steps->first[e], n = steps->first[e + 1] - first;
    cw_advantages_gae(steps->steps + first, n, scores.value + first, after[e], options->discount,
                      options->lambda, targets->advantage + first);
  }
  for (guint i = 0; i < steps->n; i++)
    targets->target[i] = targets->advantage[i] + scores.value[i];
  return TRUE;
}

/* One step of each network. */
static gboolean learn(const Targets *targets, State *state, CwUpdate *update, const CwSteps *steps,
                      GError **error)
{
  const Options *options = targets->options;
  double total = (double)options->updates, reward = 0;
  double share = cw_learning_rate(&options->learning, (double)state->updates / total,
                                  (double)(state->updates + 1) / total);
  double critic_rate = options->critic_learning_rate *
                       (options->learning.learning_rate > 0 ? share / options->learning.learning_rate : 1);
  CwItems items = {.steps = steps->steps, .n = steps->n}, valued = items;
  CwSums policy, critic;
  valued.with_values = TRUE;
  if (!cw_learn(update, NULL, &items, NULL, 0, &options->learning, share, policy_loss, targets, &policy,
                error) ||
      !cw_learn(update, cw_update_network(update, "critic"), &valued, NULL, 0, &options->learning,
                critic_rate, critic_loss, targets, &critic, error))
    return FALSE;
  for (guint i = 0; i < steps->n; i++)
    reward += steps->steps[i]->reward / steps->n;
  state->learnt += steps->n;
  cw_update_record(update, POLICY_LOSS, policy.loss);
  cw_update_record(update, ENTROPY, policy.sum[ENTROPY] / steps->n);
  cw_update_record(update, VALUE_LOSS, critic.loss);
  cw_update_record(update, VALUE, critic.sum[VALUE] / steps->n);
  cw_update_record(update, ADVANTAGE, cw_moments(targets->advantage, NULL, steps->n).mean);
  cw_update_record(update, REWARD, reward);
  cw_update_record(update, RATE, share);
  cw_update_record(update, NORM, policy.gradient_norm);
  cw_update_record(update, CRITIC_NORM, critic.gradient_norm);
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
  g_autofree double *advantage = g_new(double, steps.n), *target = g_new(double, steps.n);
  Targets targets = {options, advantage, target};
  if (!estimate(&targets, update, &steps, error) || !learn(&targets, state, update, &steps, error))
    return FALSE;
  *done = ++state->updates >= options->updates;
  return TRUE;
}

static guint64 expected_updates(gconstpointer options, gconstpointer state G_GNUC_UNUSED)
{
  return (guint64)((const Options *)options)->updates;
}

static const CwAlgorithmVtable vtable = {CW_STATE(State, state_rows), CW_METRICS(metrics),
                                         CW_NETWORKS(networks),       .update = update_once,
                                         .collect = collect,          .expected_updates = expected_updates};

static const CwFeature features[] = {CW_ALGORITHM("a2c", "Advantage actor-critic with a critic of its own",
                                                  vtable, CW_NEEDS_TRAINING, Options, options_rows)};

CW_PLUGIN("a2c", "1.0", "MIT", "Advantage actor-critic", features);
