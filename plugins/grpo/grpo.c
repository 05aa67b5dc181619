/* The algorithm plugin "grpo": group relative policy optimisation (Shao et al. 2024). Several rollouts of one
 * goal are each other's baseline, so that no value head is needed: an episode's every decision has the
 * advantage of its reward over the group's mean. One update collects groups and learns from them in several
 * epochs; nothing is carried over but counters. */
#include <cartwright/cartwright.h>
#include <math.h>

#define STD_EPSILON 1e-4 /* added to a group's standard deviation */

typedef enum { GRPO_DECISION, GRPO_TRAJECTORY, GRPO_SUM } GrpoAggregation;

typedef struct {
  gint64 updates, groups, group_size;
  CwRatioOptions ratio;
  CwLearningOptions learning;
  double clip_high;
  gboolean normalize_std;
  gint aggregation; /* GrpoAggregation */
} Options;

static const char *const aggregations[] = {"decision", "trajectory", "sum", NULL};

static const CwOption rows[] = {
    CW_INTEGER(Options, updates, 100, 1, 1e9,
               "iterations: each collects groups of episodes and learns from them"),
    CW_COUNT(Options, groups, 8, 1, 1e5, "goals", "goals for each update"),
    CW_COUNT(Options, group_size, 8, 2, 1e4, "episodes", "rollouts of each goal"),
    CW_BOOLEAN(Options, normalize_std, true,
               "divide a group's advantages by the standard deviation of its rewards; false as in Dr. GRPO"),
    CW_ENUM(Options, aggregation, "decision", aggregations,
            "what weighs the same: every decision, every trajectory (its mean), or a trajectory's plain sum"),
    CW_NUMBER(Options, clip_high, 0, 0, 100, "another clip for ratios above 1; 0: the same as clip"),
    CW_TABLE(Options, ratio, cw_ratio_options),
    CW_DEFAULT("epochs", "2"),
    CW_DEFAULT("entropy_coefficient", "0"),
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
enum { RETURN, SUCCESS, GROUP_DEVIATION, GROUPS, EQUAL_GROUPS, LONE_GROUPS };
enum { SINGLE_CANDIDATE = LONE_GROUPS + 1, EMPTY_EPISODES, RATIO };
enum { ADVANTAGE_MEAN = RATIO + CW_RATIO_METRICS, ADVANTAGE_DEVIATION, LEARNING_RATE };
enum { OPTIMIZER_STEPS = LEARNING_RATE + 1, COLLECTED, DECISIONS };

static const CwMetric metrics[] = {
    {"return", NULL, CW_HIGHER_IS_BETTER},
    {"success", NULL, CW_HIGHER_IS_BETTER},
    {"group_deviation", NULL, CW_HIGHER_IS_BETTER},
    {"groups", "groups", CW_NEITHER_IS_BETTER},
    {"equal_groups", "groups", CW_LOWER_IS_BETTER},
    {"lone_groups", "groups", CW_LOWER_IS_BETTER},
    {"single_candidate", "decisions", CW_NEITHER_IS_BETTER},
    {"empty_episodes", "episodes", CW_LOWER_IS_BETTER},
    CW_RATIO_METRIC_ROWS,
    {"advantage_mean", NULL, CW_NEITHER_IS_BETTER},
    {"advantage_deviation", NULL, CW_NEITHER_IS_BETTER},
    {"learning_rate", NULL, CW_NEITHER_IS_BETTER},
    {"optimizer_steps", NULL, CW_NEITHER_IS_BETTER},
    {"collected", "decisions", CW_NEITHER_IS_BETTER},
    {"decisions", "decisions", CW_NEITHER_IS_BETTER},
};

/* The decisions of groups that tell something. */
typedef struct {
  const CwStep **steps;
  double *advantage, *weight;
  guint n, n_episodes; /* episodes that have a choice */
} Batch;

/* Adds the decisions of one episode. Without a value head a single candidate teaches nothing, so it is left
 * out. */
static void add_episode(Batch *batch, const CwStep *const *steps, guint n, double advantage,
                        GrpoAggregation aggregation)
{
  guint first = batch->n;
  for (guint i = 0; i < n; i++) {
    if (!cw_step_is_choice(steps[i]))
      continue;
    batch->steps[batch->n] = steps[i];
    batch->advantage[batch->n++] = advantage;
  }
  for (guint i = first; i < batch->n; i++)
    batch->weight[i] = aggregation == GRPO_TRAJECTORY ? 1.0 / (batch->n - first) : 1;
  batch->n_episodes += batch->n > first;
}

/* The loss is a mean over decisions: weights that turn it into a mean over trajectories, of their means or of
 * their sums. */
static void gather(Batch *batch, const Options *options, CwUpdate *update, const CwSteps *steps,
                   const GArray *groups, const guint *of)
{
  for (guint e = 0; e < steps->n_episodes; e++) {
    const CwGroup *group = &g_array_index(groups, CwGroup, of[e]);
    double advantage = cw_update_episode(update, e)->total_reward - group->mean;
    if (options->normalize_std)
      advantage /= group->deviation + STD_EPSILON;
    if (!group->tells_nothing)
      add_episode(batch, steps->steps + steps->first[e], steps->first[e + 1] - steps->first[e], advantage,
                  (GrpoAggregation)options->aggregation);
  }
  for (guint i = 0; options->aggregation != GRPO_DECISION && i < batch->n; i++)
    batch->weight[i] *= (double)batch->n / batch->n_episodes;
}

static void record_groups(CwUpdate *update, const GArray *groups)
{
  guint n_alone = 0, n_equal = 0;
  double deviation = 0;
  for (guint g = 0; g < groups->len; g++) {
    const CwGroup *group = &g_array_index(groups, CwGroup, g);
    n_alone += group->n < 2;
    n_equal += group->n >= 2 && group->tells_nothing;
    deviation += group->deviation / groups->len;
  }
  cw_update_record(update, GROUP_DEVIATION, deviation);
  cw_update_record(update, GROUPS, groups->len);
  cw_update_record(update, EQUAL_GROUPS, n_equal);
  cw_update_record(update, LONE_GROUPS, n_alone);
}

static gboolean learn(const Options *options, State *state, CwUpdate *update, const CwSteps *steps,
                      const GArray *groups, CwRatio *ratio, GError **error)
{
  double total = (double)options->updates;
  double rate = cw_learning_rate(&options->learning, (double)state->updates / total,
                                 ((double)state->updates + 1) / total);
  if (!cw_ratio_score(ratio, error) || !cw_ratio_learn(ratio, rate, cw_ratio_loss, error))
    return FALSE;
  state->optimizer_steps += (gint64)ratio->n_steps;
  state->decisions += steps->n;
  state->learnt += (gint64)ratio->n_learnt;
  CwMoments advantages = cw_moments(ratio->advantage, NULL, ratio->items.n);
  cw_update_record(update, RETURN, cw_update_mean_return(update));
  cw_update_record(update, SUCCESS, cw_update_success(update));
  cw_ratio_record(ratio, RATIO);
  if (advantages.n > 0) {
    cw_update_record(update, ADVANTAGE_MEAN, advantages.mean);
    cw_update_record(update, ADVANTAGE_DEVIATION, advantages.deviation);
  }
  record_groups(update, groups);
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
  g_autofree guint *of = NULL;
  g_autoptr(GArray) groups = cw_update_groups(update, &of);
  g_autofree const CwStep **chosen = g_new(const CwStep *, steps.n);
  g_autofree double *advantage = g_new(double, steps.n), *weight = g_new(double, steps.n);
  Batch batch = {.steps = chosen, .advantage = advantage, .weight = weight};
  gather(&batch, options, update, &steps, groups, of);
  g_auto(CwRatio) ratio = {.update = update,
                           .options = &options->ratio,
                           .learning = &options->learning,
                           .items = {.steps = chosen, .n = batch.n},
                           .advantage = advantage,
                           .policy_weight = weight,
                           .clip_high = options->clip_high};
  if (!learn(options, state, update, &steps, groups, &ratio, error))
    return FALSE;
  *done = ++state->updates >= options->updates;
  return TRUE;
}

static guint64 needs(gconstpointer options)
{
  return ((const Options *)options)->ratio.reference_coefficient > 0 ? CW_NEEDS_REFERENCE : 0;
}

static gboolean collect(gconstpointer data, gpointer state, CwCollectRequest *request,
                        GError **error G_GNUC_UNUSED)
{
  const Options *options = data;
  if (((const State *)state)->updates < options->updates) {
    request->n_episodes = (guint)(options->groups * options->group_size);
    request->group_size = (guint)options->group_size;
  }
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
    CW_ALGORITHM("grpo", "Group relative policy optimisation: rollouts of one goal are each other's baseline",
                 vtable, CW_NEEDS_TRAINING | CW_TAKES_WORDS, Options, rows)};

CW_PLUGIN("grpo", "2.0", "MIT", "Group relative policy optimisation", features);
