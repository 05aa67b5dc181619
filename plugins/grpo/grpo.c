/* The algorithm plugin "grpo": group relative policy optimisation (Shao et al.
 * 2024). Several rollouts of one goal are each other's baseline, so that no value
 * head is needed: an episode's every decision has the advantage of its reward over
 * the group's mean. One update collects groups and learns from them in several
 * epochs; nothing is carried over but counters. */
#include "plugins/common/surrogate.h"
#include "plugins/common/trajectories.h"
#include <math.h>

#define GROUP       "algorithm"
#define STD_EPSILON 1e-4 /* added to a group's standard deviation */

typedef struct {
  gint64 updates, groups, group_size;
  CommonOptimizer optimizer;
  SurrogateOptions surrogate;
  double clip_high;
  gboolean normalize_std;
  gint aggregation; /* GrpoAggregation */
} GrpoOptions;

typedef enum { GRPO_DECISION, GRPO_TRAJECTORY, GRPO_SUM } GrpoAggregation;

static const char *const aggregations[] = {"decision", "trajectory", "sum", NULL};

static const CwOption rows[] = {
    {"updates", CW_OPTION_INTEGER, offsetof(GrpoOptions, updates), .default_value = "100", .minimum = 1,
     .maximum = 1e9, .help = "iterations: each collects groups of episodes and learns from them"},
    {"groups", CW_OPTION_INTEGER, offsetof(GrpoOptions, groups), .default_value = "8", .minimum = 1,
     .maximum = 1e5, .unit = "goals", .help = "goals for each update"},
    {"group_size", CW_OPTION_INTEGER, offsetof(GrpoOptions, group_size), .default_value = "8", .minimum = 2,
     .maximum = 1e4, .unit = "episodes", .help = "rollouts of each goal"},
    {"normalize_std", CW_OPTION_BOOLEAN, offsetof(GrpoOptions, normalize_std), .default_value = "true",
     .help = "divide a group's advantages by the standard deviation of its rewards; false as in Dr. GRPO"},
    {"aggregation", CW_OPTION_ENUM, offsetof(GrpoOptions, aggregation), .default_value = "decision",
     .values = aggregations,
     .help =
         "what weighs the same: every decision, every trajectory (its mean), or a trajectory's plain sum"},
    {"clip_high", CW_OPTION_NUMBER, offsetof(GrpoOptions, clip_high), .default_value = "0", .minimum = 0,
     .maximum = 100, .help = "another clip for ratios above 1; 0: the same as clip"},
    SURROGATE_ROWS(GrpoOptions, surrogate, "2", "0"),
    COMMON_OPTIMIZER_ROWS(GrpoOptions, optimizer),
};

typedef struct {
  const GrpoOptions *options;
  /* What a checkpoint holds. */
  guint64 updates;           /* done */
  guint64 optimizer_steps;   /* taken */
  guint64 decisions, learnt; /* collected, and gone through with gradients, so far */
} Grpo;

/* The rollouts of one goal. */
typedef struct {
  guint n;
  double mean, deviation;
  gboolean skipped; /* equal rewards, or fewer than two rollouts */
} Group;

/* What an update's episodes are like. */
typedef struct {
  GArray *groups;          /* Group */
  guint *group_of;         /* per episode, index in groups */
  guint n_equal, n_alone;  /* groups skipped: equal rewards, a single rollout */
  guint n_single, n_empty; /* decisions with one candidate, episodes without decisions */
  guint n_decisions;
  guint n_learning; /* episodes of other groups that have a choice */
  double reward, success, deviation;
} Census;

static gpointer grpo_open(gconstpointer options, GError **error)
{
  Grpo *grpo = g_new0(Grpo, 1);

  (void)error;
  grpo->options = options;
  return grpo;
}

static guint64 grpo_needs(gconstpointer data)
{
  const GrpoOptions *options = data;

  return CW_NEEDS_TRAINING | (options->surrogate.reference_coefficient > 0 ? CW_NEEDS_REFERENCE : 0);
}

static gboolean grpo_collect(gpointer object, CwCollectRequest *request, GError **error)
{
  const Grpo *grpo = object;

  (void)error;
  if (grpo->updates < (guint64)grpo->options->updates) {
    request->n_episodes = (guint)(grpo->options->groups * grpo->options->group_size);
    request->group_size = (guint)grpo->options->group_size;
  }
  return TRUE;
}

static void census_clear(Census *census)
{
  if (census->groups)
    g_array_free(census->groups, TRUE);
  g_free(census->group_of);
}

/* Finds the groups, in the order in which they first appear, and their mean rewards. */
static void find_groups(Census *census, CwUpdate *update)
{
  g_autoptr(GHashTable) indices = g_hash_table_new(g_int64_hash, g_int64_equal);
  guint n = cw_update_n_episodes(update);

  census->groups = g_array_new(FALSE, TRUE, sizeof(Group));
  census->group_of = g_new(guint, n);
  for (guint i = 0; i < n; i++) {
    const CwTrajectory *episode = cw_update_episode(update, i);
    gpointer index;
    Group *group;

    if (!g_hash_table_lookup_extended(indices, &episode->group, NULL, &index)) {
      index = GUINT_TO_POINTER(census->groups->len);
      g_hash_table_insert(indices, (gpointer)&episode->group, index);
      g_array_set_size(census->groups, census->groups->len + 1);
    }
    census->group_of[i] = GPOINTER_TO_UINT(index);
    group = &g_array_index(census->groups, Group, census->group_of[i]);
    group->n++;
    group->mean += episode->total_reward;
  }
  for (guint g = 0; g < census->groups->len; g++)
    g_array_index(census->groups, Group, g).mean /= g_array_index(census->groups, Group, g).n;
}

/* Standard deviations over the rollouts of a group, and which groups tell nothing. */
static void judge_groups(Census *census, CwUpdate *update)
{
  for (guint i = 0; i < cw_update_n_episodes(update); i++) {
    Group *group = &g_array_index(census->groups, Group, census->group_of[i]);

    group->deviation += pow(cw_update_episode(update, i)->total_reward - group->mean, 2) / group->n;
  }
  for (guint g = 0; g < census->groups->len; g++) {
    Group *group = &g_array_index(census->groups, Group, g);

    group->deviation = sqrt(group->deviation);
    /* The mean of equal numbers may be off by a rounding. */
    group->skipped = group->n < 2 || group->deviation <= 1e-9 * (1 + fabs(group->mean));
    census->n_alone += group->n < 2 ? 1 : 0;
    census->n_equal += group->n >= 2 && group->skipped ? 1 : 0;
    census->deviation += group->deviation / census->groups->len;
  }
}

static guint count_choices(const CwTrajectory *episode)
{
  guint n = 0;

  for (guint j = 0; j < episode->n_steps; j++)
    n += episode->steps[j]->decision->n_candidates > 1 ? 1 : 0;
  return n;
}

static gboolean take_census(Census *census, CwUpdate *update, const GrpoOptions *options, GError **error)
{
  guint n = cw_update_n_episodes(update);

  if (n == 0) {
    g_set_error(error, CW_ALGORITHM_ERROR, CW_ERROR_FAILED,
                "expected %" G_GINT64_FORMAT " groups of %" G_GINT64_FORMAT " episodes, found no episodes",
                options->groups, options->group_size);
    return FALSE;
  }
  find_groups(census, update);
  judge_groups(census, update);
  for (guint i = 0; i < n; i++) {
    const CwTrajectory *episode = cw_update_episode(update, i);
    guint n_choices = count_choices(episode);

    census->n_decisions += episode->n_steps;
    census->n_single += episode->n_steps - n_choices;
    census->n_empty += episode->n_steps == 0 ? 1 : 0;
    census->reward += episode->total_reward / n;
    census->success += (episode->success ? 1.0 : 0) / n;
    if (n_choices > 0 && !g_array_index(census->groups, Group, census->group_of[i]).skipped)
      census->n_learning++;
  }
  return TRUE;
}

/* Adds the decisions of one episode with their advantage. Without a value head a
 * single candidate teaches nothing, so it is left out. */
static void add_episode(SurrogateBatch *batch, const CwTrajectory *episode, const Group *group,
                        const GrpoOptions *options)
{
  double advantage = episode->total_reward - group->mean;
  guint n_choices = count_choices(episode);

  if (options->normalize_std)
    advantage /= group->deviation + STD_EPSILON;
  for (guint j = 0; j < episode->n_steps; j++) {
    SurrogateItem *item;

    if (episode->steps[j]->decision->n_candidates == 1)
      continue;
    surrogate_batch_add(batch, episode->steps[j]);
    item = surrogate_batch_item(batch, batch->items->len - 1);
    item->advantage = advantage;
    if (options->aggregation == GRPO_TRAJECTORY)
      item->weight = 1.0 / n_choices;
  }
}

/* The loss is a mean over decisions: weights that turn it into a mean over
 * trajectories, of their means or of their sums. */
static void weigh(SurrogateBatch *batch, const Census *census, const GrpoOptions *options)
{
  for (guint i = 0; options->aggregation != GRPO_DECISION && i < batch->items->len; i++)
    surrogate_batch_item(batch, i)->weight *= (double)batch->items->len / census->n_learning;
}

static void record_census(CwUpdate *update, const Census *census)
{
  cw_update_metric(update, "group_deviation", census->deviation);
  cw_update_metric(update, "groups", census->groups->len);
  cw_update_metric(update, "equal_groups", census->n_equal);
  cw_update_metric(update, "lone_groups", census->n_alone);
  cw_update_metric(update, "single_candidate", census->n_single);
  cw_update_metric(update, "empty_episodes", census->n_empty);
}

static void record_advantages(const SurrogateBatch *batch)
{
  double mean = 0, squares = 0;
  guint n = batch->items->len;

  for (guint i = 0; i < n; i++)
    mean += surrogate_batch_item(batch, i)->advantage / n;
  for (guint i = 0; i < n; i++)
    squares += pow(surrogate_batch_item(batch, i)->advantage - mean, 2) / n;
  if (n > 0) {
    cw_update_metric(batch->update, "advantage_mean", mean);
    cw_update_metric(batch->update, "advantage_deviation", sqrt(squares));
  }
}

static gboolean learn(Grpo *grpo, SurrogateBatch *batch, CwUpdate *update, const Census *census,
                      GError **error)
{
  const GrpoOptions *options = grpo->options;
  SurrogateTerms terms = {.clip_low = options->surrogate.clip,
                          .clip_high = options->clip_high > 0 ? options->clip_high : options->surrogate.clip,
                          .entropy_coefficient = options->surrogate.entropy_coefficient,
                          .reference_coefficient = options->surrogate.reference_coefficient,
                          .reference_kl = (SurrogateKl)options->surrogate.reference_kl};
  double total = (double)options->updates;
  double rate = common_learning_rate(&options->optimizer, (double)grpo->updates / total,
                                     ((double)grpo->updates + 1) / total);
  SurrogateReport report;

  for (guint i = 0; i < cw_update_n_episodes(update); i++) {
    const Group *group = &g_array_index(census->groups, Group, census->group_of[i]);

    if (!group->skipped)
      add_episode(batch, cw_update_episode(update, i), group, options);
  }
  weigh(batch, census, options);
  if (!surrogate_batch_score(batch, error) ||
      !surrogate_batch_train(batch, &terms, rate, options->optimizer.max_gradient_norm, &report, error))
    return FALSE;
  grpo->optimizer_steps += report.n_steps;
  grpo->decisions += census->n_decisions;
  grpo->learnt += report.n_learnt;
  cw_update_metric(update, "return", census->reward);
  cw_update_metric(update, "success", census->success);
  surrogate_batch_record(batch, &report);
  record_advantages(batch);
  record_census(update, census);
  cw_update_metric(update, "learning_rate", rate);
  cw_update_metric(update, "optimizer_steps", (double)grpo->optimizer_steps);
  cw_update_metric(update, "collected", (double)grpo->decisions);
  cw_update_metric(update, "decisions", (double)grpo->learnt);
  return TRUE;
}

static gboolean grpo_update(gpointer object, CwUpdate *update, gboolean *done, GError **error)
{
  Grpo *grpo = object;
  Census census = {0};
  gboolean good;

  *done = grpo->updates >= (guint64)grpo->options->updates;
  if (*done)
    return TRUE;
  good = take_census(&census, update, grpo->options, error);
  if (good) {
    SurrogateBatch *batch = surrogate_batch_new(update, &grpo->options->surrogate,
                                                (guint64)grpo->options->optimizer.batch_tokens, FALSE);

    good = learn(grpo, batch, update, &census, error);
    surrogate_batch_free(batch);
  }
  census_clear(&census);
  if (!good)
    return FALSE;
  grpo->updates++;
  *done = grpo->updates >= (guint64)grpo->options->updates;
  return TRUE;
}

static guint64 grpo_expected_updates(gpointer object)
{
  return (guint64)((const Grpo *)object)->options->updates;
}

static gboolean grpo_save(gpointer object, GKeyFile *state, GError **error)
{
  const Grpo *grpo = object;

  (void)error;
  g_key_file_set_uint64(state, GROUP, "updates", grpo->updates);
  g_key_file_set_uint64(state, GROUP, "optimizer_steps", grpo->optimizer_steps);
  g_key_file_set_uint64(state, GROUP, "decisions", grpo->decisions);
  g_key_file_set_uint64(state, GROUP, "learnt", grpo->learnt);
  return TRUE;
}

static gboolean grpo_load(gpointer object, GKeyFile *state, GError **error)
{
  Grpo *grpo = object, loaded = {.options = grpo->options};
  GError *reason = NULL;

  loaded.updates = common_load_uint64(state, "updates", &reason);
  loaded.optimizer_steps = common_load_uint64(state, "optimizer_steps", &reason);
  loaded.decisions = common_load_uint64(state, "decisions", &reason);
  loaded.learnt = common_load_uint64(state, "learnt", &reason);
  if (reason) {
    g_propagate_error(error, reason);
    return FALSE;
  }
  *grpo = loaded;
  return TRUE;
}

static const char *const metrics[] = {
    "return",          "success",        "group_deviation",     "groups",
    "equal_groups",    "lone_groups",    "single_candidate",    "empty_episodes",
    SURROGATE_METRICS, "advantage_mean", "advantage_deviation", "learning_rate",
    "optimizer_steps", "collected",      "decisions",           NULL};

static const CwAlgorithmVtable vtable = {
    .open = grpo_open,
    .close = g_free,
    .needs = grpo_needs,
    .collect = grpo_collect,
    .update = grpo_update,
    .expected_updates = grpo_expected_updates,
    .save = grpo_save,
    .load = grpo_load,
    .metrics = metrics,
};

static const CwFeature features[] = {
    {
        .kind = CW_FEATURE_ALGORITHM,
        .name = "grpo",
        .summary = "Group relative policy optimisation: rollouts of one goal are each other's baseline",
        .vtable = &vtable,
        .vtable_size = sizeof vtable,
        CW_FEATURE_OPTIONS(rows, GrpoOptions),
    },
};

CW_PLUGIN("grpo", "1.0", "MIT", "Group relative policy optimisation", features);
