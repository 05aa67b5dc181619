#include "tests/algorithms/tasks.h"
#include <math.h>

const Task bandit = {
    .n_goals = 1,
    .step_limit = 1,
    .n_actions = {4},
    .rewards = {{0.1f, 0.4f, 0.9f, 0.2f}},
    .next = {{TASK_OVER, TASK_OVER, TASK_OVER, TASK_OVER}},
    .bernoulli = TRUE,
};

const Task two_steps = {
    .n_goals = 1,
    .step_limit = 2,
    .n_actions = {2, 2, 3},
    .rewards = {{0.3f, 0}, {0.2f, 0.1f}, {0.1f, 1, 0.2f}},
    .next = {{1, 2}, {TASK_OVER, TASK_OVER}, {TASK_OVER, TASK_OVER, TASK_OVER}},
};

typedef struct {
  const Task *task;
  guint state, goal, n_steps;
  double total;
  CwRandom *random;
  char text[16];
} Session;

static gpointer open_shared(gconstpointer options, guint32 seed, GError **error)
{
  (void)seed, (void)error;
  return (gpointer)options;
}

static void close_shared(gpointer shared)
{
  (void)shared;
}

static const char *const *describe(gpointer shared)
{
  static const char *const facts[] = {NULL};
  (void)shared;
  return facts;
}

static gint64 n_goals(gpointer shared, const char *split)
{
  (void)split;
  return ((const Task *)shared)->n_goals;
}

static gpointer session_new(gpointer shared, GError **error)
{
  Session *session = g_new0(Session, 1);
  (void)error;
  session->task = shared;
  return session;
}

static gboolean reset(gpointer object, const char *split, gint64 goal, CwRandom *random, GError **error)
{
  Session *session = object;
  (void)split, (void)error;
  session->goal = (guint)goal;
  session->random = random;
  session->state = session->n_steps = 0;
  session->total = 0;
  return TRUE;
}

static gboolean observe(gpointer object, CwObservation *observation, GError **error)
{
  static const char *const actions[] = {"u", "v", "w", "x"};
  Session *session = object;
  (void)error;
  g_snprintf(session->text, sizeof session->text, "d%u", 16 * session->goal + session->state);
  observation->text = session->text;
  observation->candidates = actions;
  observation->n_candidates = session->task->n_actions[session->state];
  return TRUE;
}

static gboolean step(gpointer object, guint candidate, CwOutcome *outcome, GError **error)
{
  Session *session = object;
  const Task *task = session->task;
  guint action = (candidate + session->goal * task->shift) % task->n_actions[session->state];
  float reward = task->rewards[session->state][action];
  (void)error;
  if (task->bernoulli)
    reward = cw_random_uniform(session->random) < reward ? 1 : 0;
  outcome->reward = reward;
  session->total += reward;
  session->state = task->next[session->state][action];
  outcome->terminated = session->state == TASK_OVER;
  outcome->truncated = !outcome->terminated && ++session->n_steps == task->step_limit;
  outcome->success = session->total > 0.999;
  return TRUE;
}

CwEnvironment *task_open(const Task *task)
{
  static const CwEnvironmentVtable vtable = {
      .open = open_shared,
      .close = close_shared,
      .describe = describe,
      .n_goals = n_goals,
      .session_new = session_new,
      .session_free = g_free,
      .reset = reset,
      .observe = observe,
      .step = step,
  };
  static const CwRegisteredFeature feature = {
      .kind = CW_FEATURE_ENVIRONMENT, .name = "task", .vtable.environment = &vtable};
  GError *error = NULL;
  CwEnvironment *environment = cw_environment_open(&feature, task, 1, &error);

  assert_null(error);
  return environment;
}

static gboolean keep(CwEpisode *episode, gpointer list, GError **error)
{
  (void)error;
  g_ptr_array_add(list, g_steal_pointer(&episode->trajectory));
  return TRUE;
}

void task_roll_out(Stage *stage, CwEnvironment *environment, guint n, guint group_size, guint64 first_episode,
                   GPtrArray *list)
{
  guint size = MAX(1, group_size), n_groups = (n + size - 1) / size;
  guint64 first_group = first_episode / size;
  g_autofree gint64 *goals = g_new(gint64, n_groups);
  CwRolloutPlan plan = {.seed = 5,
                        .purpose = "task",
                        .split = "train",
                        .goals = goals,
                        .first_episode = first_episode,
                        .first_group = first_group,
                        .n_episodes = (guint64)n_groups * size,
                        .group_size = size,
                        .keep_steps = TRUE};
  CwAgent agent = {CW_AGENT_POLICY, "policy", stage->policy, CW_SELECT_SAMPLE};
  GError *error = NULL;
  CwRollout *rollout = cw_rollout_new(environment, 4, &error);
  gint64 n_of_task = cw_environment_n_goals(environment, "train", NULL);

  for (guint i = 0; i < n_groups; i++)
    goals[i] = (gint64)((first_group + i) % (guint64)n_of_task);
  assert_null(error);
  if (!cw_rollout_run(rollout, &plan, &agent, keep, list, NULL, &error))
    fail_msg("%s", error->message);
  cw_rollout_free(rollout);
}

gboolean task_update(Stage *stage, CwEnvironment *environment)
{
  CwCollectRequest request;
  GError *error = NULL;
  assert_true(cw_algorithm_collect(stage->algorithm, &request, &error));
  g_ptr_array_set_size(stage->episodes, 0);
  task_roll_out(stage, environment, request.n_episodes, request.group_size, stage->index * request.n_episodes,
                stage->episodes);
  return stage_update(stage);
}

void task_run(Stage *stage, CwEnvironment *environment)
{
  while (!task_update(stage, environment))
    ;
}

double table_probability(const Table *table, guint row, guint n, guint action)
{
  double sum = 0;
  for (guint k = 0; k < n; k++)
    sum += exp(table->logits[row][k]);
  return exp(table->logits[row][action]) / sum;
}
