/* Fixed-N evaluation: every agent plays the same goals with the same streams of the environment, and only the
 * outcome of each episode is kept, unless episodes are asked for. The result owns its arrays; the intervals
 * are computed when asked for. */
#include "core/rollout/evaluation.h"
#include "core/base/durable.h"
#include "core/rollout/advice.h"
#include "core/trajectory/trajectories.h"
#include <string.h>

#define PURPOSE "evaluate" /* of the random streams */

/* The file of kept episodes, and what asks the advisor. */
typedef struct {
  const CwKeptEpisodes *wanted;
  CwLog *log;
  CwSession *session; /* NULL without an advisor */
  CwRandom *random;
  gint64 time; /* that keeping took: it is no part of the evaluation's */
} Keeper;

typedef struct {
  CwEvaluation *evaluation;
  Keeper *keeper; /* NULL: nothing is kept */
  guint64 total;
  double reward_sum;
  CwWorkProgress progress;
  gpointer user_data;
} Evaluating;

void cw_evaluation_free(CwEvaluation *evaluation)
{
  if (!evaluation)
    return;
  g_free(evaluation->agent);
  g_free(evaluation->selection);
  g_free(evaluation->split);
  g_free(evaluation->rewards);
  g_free(evaluation->success);
  g_free(evaluation->lengths);
  g_clear_pointer(&evaluation->parts, g_ptr_array_unref);
  g_clear_pointer(&evaluation->part_sums, g_array_unref);
  g_free(evaluation);
}

static void add_part(CwEvaluation *evaluation, const CwNamedValue *part)
{
  for (guint i = 0; i < evaluation->parts->len; i++)
    if (g_str_equal(g_ptr_array_index(evaluation->parts, i), part->name)) {
      g_array_index(evaluation->part_sums, double, i) += part->value;
      return;
    }
  g_ptr_array_add(evaluation->parts, g_strdup(part->name));
  g_array_append_val(evaluation->part_sums, part->value);
}

static void keeper_clear(Keeper *keeper)
{
  cw_log_discard(keeper->log);
  cw_session_free(keeper->session);
  g_clear_pointer(&keeper->random, cw_random_free);
}

static gboolean keeper_open(Keeper *keeper, CwEnvironment *environment, const CwAgent *agent, GError **error)
{
  const char *advisor = keeper->wanted->advisor;
  g_autofree char *aside = cw_aside(keeper->wanted->path);
  keeper->log = cw_log_open(aside, 0, error);
  if (!keeper->log || !advisor || (agent->kind == CW_AGENT_SCRIPT && g_str_equal(agent->name, advisor)))
    return keeper->log != NULL;
  keeper->random = cw_random_new(0, PURPOSE, 0, 0);
  keeper->session = cw_session_new(environment, error);
  return keeper->session != NULL;
}

static gboolean keep(Keeper *keeper, CwEpisode *episode, GError **error)
{
  CwTrajectory *trajectory = episode->trajectory;
  gint64 start = g_get_monotonic_time();
  if (episode->episode >= keeper->wanted->n)
    return TRUE;
  if (keeper->session) {
    cw_rollout_restart_environment(keeper->random, trajectory->seed, PURPOSE, episode->goal,
                                   episode->episode);
    if (!cw_advise(keeper->session, keeper->random, keeper->wanted->advisor, trajectory, error))
      return FALSE;
  }
  g_autofree char *json = cw_trajectory_to_json(trajectory);
  gsize length = strlen(json);
  json[length] = '\n'; /* over the terminator: a log takes bytes */
  gboolean good = cw_log_add(keeper->log, json, length + 1, error);
  keeper->time += g_get_monotonic_time() - start;
  return good;
}

static gboolean episode_finished(CwEpisode *episode, gpointer user_data, GError **error)
{
  Evaluating *evaluating = user_data;
  CwEvaluation *evaluation = evaluating->evaluation;
  guint i = evaluation->n++;
  evaluation->rewards[i] = episode->total_reward;
  evaluation->success[i] = episode->success != FALSE;
  evaluation->lengths[i] = episode->n_steps;
  evaluation->n_invalid += episode->n_invalid;
  for (guint p = 0; p < episode->n_parts; p++)
    add_part(evaluation, &episode->parts[p]);
  evaluating->reward_sum += episode->total_reward;
  if (evaluating->progress) {
    char text[64];
    g_snprintf(text, sizeof text, "score %.1f", 100 * evaluating->reward_sum / evaluation->n);
    evaluating->progress(evaluation->n, evaluating->total, text, evaluating->user_data);
  }
  return !evaluating->keeper || keep(evaluating->keeper, episode, error);
}

/* Runs the plan as `label`, and keeps what is to be kept. */
static gboolean roll(CwRollout *rollout, CwRolloutPlan *plan, const CwAgent *agent, const char *label,
                     const CwKeptEpisodes *kept, Evaluating *evaluating, GError **error)
{
  guint64 *n_decisions = &evaluating->evaluation->n_decisions;
  if (!kept)
    return cw_rollout_run(rollout, plan, agent, episode_finished, evaluating, n_decisions, error);
  CwAgent named = *agent;
  named.name = agent->kind == CW_AGENT_SCRIPT ? agent->name : label;
  Keeper keeper = {.wanted = kept};
  evaluating->keeper = &keeper;
  plan->keep_steps = TRUE;
  plan->keep_probabilities = kept->probabilities;
  gboolean good = keeper_open(&keeper, cw_rollout_environment(rollout), agent, error) &&
                  cw_rollout_run(rollout, plan, &named, episode_finished, evaluating, n_decisions, error) &&
                  cw_log_commit(g_steal_pointer(&keeper.log), kept->path, error);
  evaluating->evaluation->seconds -= (double)keeper.time / G_USEC_PER_SEC;
  keeper_clear(&keeper);
  return good;
}

CwEvaluation *cw_evaluate(CwRollout *rollout, const CwAgent *agent, const char *label, const char *split,
                          guint64 n_episodes, guint32 seed, const CwKeptEpisodes *kept,
                          CwWorkProgress progress, gpointer user_data, GError **error)
{
  gint64 n_goals = cw_environment_n_goals(cw_rollout_environment(rollout), split, error);
  if (n_goals < 0)
    return NULL;
  guint64 n = MIN(n_episodes, (guint64)n_goals);
  if (n == 0) {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
                "cannot evaluate on split '%s': it has %" G_GINT64_FORMAT " goals and %" G_GUINT64_FORMAT
                " episodes were asked for",
                split, n_goals, n_episodes);
    return NULL;
  }
  gint64 *goals = g_new(gint64, n);
  for (guint64 i = 0; i < n; i++)
    goals[i] = (gint64)i;
  CwEvaluation *evaluation = g_new0(CwEvaluation, 1);
  evaluation->agent = g_strdup(label);
  evaluation->selection = g_strdup(agent->kind == CW_AGENT_POLICY ? cw_selection_name(agent->selection) : "");
  evaluation->split = g_strdup(split);
  evaluation->rewards = g_new0(double, n);
  evaluation->success = g_new0(guint8, n);
  evaluation->lengths = g_new0(guint, n);
  evaluation->parts = g_ptr_array_new_with_free_func(g_free);
  evaluation->part_sums = g_array_new(FALSE, FALSE, sizeof(double));
  Evaluating evaluating = {
      .evaluation = evaluation, .total = n, .progress = progress, .user_data = user_data};
  CwRolloutPlan plan = {
      .seed = seed, .purpose = PURPOSE, .split = split, .goals = goals, .n_episodes = n, .stoppable = TRUE};
  gint64 start = g_get_monotonic_time();
  gboolean good = roll(rollout, &plan, agent, label, kept, &evaluating, error);
  evaluation->seconds += (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC;
  g_free(goals);
  if (!good)
    g_clear_pointer(&evaluation, cw_evaluation_free);
  return evaluation;
}

static CwInterval in_percent(CwInterval interval)
{
  return (CwInterval){100 * interval.mean, 100 * interval.low, 100 * interval.high};
}

CwInterval cw_evaluation_score(const CwEvaluation *evaluation, double confidence)
{
  return in_percent(cw_bootstrap_interval(evaluation->rewards, evaluation->n, confidence));
}

CwInterval cw_evaluation_success(const CwEvaluation *evaluation, double confidence)
{
  guint64 successes = 0;
  for (guint i = 0; i < evaluation->n; i++)
    successes += evaluation->success[i];
  return in_percent(cw_wilson_interval(successes, evaluation->n, confidence));
}

double cw_evaluation_mean_length(const CwEvaluation *evaluation)
{
  double sum = 0;
  for (guint i = 0; i < evaluation->n; i++)
    sum += evaluation->lengths[i];
  return sum / evaluation->n;
}
