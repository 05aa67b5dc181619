/* Turns an algorithm's request into a plan for a rollout. Whole episodes are played in the run's slots;
 * pieces in a rollout of the collector's own, whose episodes stay in play between updates. The collector owns
 * that, the order of the goals and the list of agents; policies belong to the run and the stage. */
#include "core/train/collect.h"
#include "core/rollout/goal_order.h"
#include <math.h>

#define PLAY "play"

struct CwCollector {
  CwRun *run;
  guint index;
  CwUpdate *update;
  char *purpose;
  CwGoalOrder *goal_order;      /* of the train goals; NULL until something is collected */
  CwRollout *play;              /* of pieces; NULL until some are asked for */
  GArray *agents;               /* CwAgent, of the present request */
  GPtrArray *names;             /* char *, their names */
  GArray *shares;               /* double */
  guint64 n_episodes, n_groups; /* begun so far */
  CwCollected ended;
  /* Of the present call. */
  GPtrArray *episodes;
  guint64 n_wanted;
  CwWorkProgress progress;
  gpointer user_data;
};

CwCollector *cw_collector_new(CwRun *run, guint index, CwUpdate *update)
{
  CwCollector *collector = g_new0(CwCollector, 1);
  collector->run = run;
  collector->index = index;
  collector->update = update;
  collector->purpose = g_strdup_printf("collect-%u", index);
  collector->agents = g_array_new(FALSE, TRUE, sizeof(CwAgent));
  collector->names = g_ptr_array_new_with_free_func(g_free);
  collector->shares = g_array_new(FALSE, FALSE, sizeof(double));
  return collector;
}

void cw_collector_free(CwCollector *collector)
{
  if (!collector)
    return;
  cw_goal_order_free(collector->goal_order);
  cw_rollout_free(collector->play);
  g_array_unref(collector->agents);
  g_ptr_array_unref(collector->names);
  g_array_unref(collector->shares);
  g_free(collector->purpose);
  g_free(collector);
}

CwCollected cw_collector_ended(const CwCollector *collector)
{
  return collector->ended;
}

static gboolean refuse(const CwCollector *collector, GError **error, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
static gboolean refuse(const CwCollector *collector, GError **error, const char *format, ...)
{
  const CwStage *stage = g_ptr_array_index(collector->run->experiment->stages, collector->index);
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_set_error(error, CW_ALGORITHM_ERROR, CW_ERROR_CONFIGURATION, "algorithm '%s' cannot collect: %s",
              stage->algorithm.feature->name, text);
  return FALSE;
}

/* "reference" and the networks are known here only; the rest is everybody's. */
static gboolean find_agent(CwCollector *collector, const char *name, CwAgent *agent, GError **error)
{
  CwPolicy *policy = g_str_equal(name, "reference") ? cw_update_reference(collector->update)
                                                    : cw_update_network(collector->update, name);
  if (!policy)
    return cw_run_find_agent(collector->run, name, CW_CALLED_POLICY, "collect", agent, error);
  *agent = (CwAgent){CW_AGENT_POLICY, name, policy, CW_SELECT_SAMPLE, CW_WEIGHTS_PRESENT};
  return TRUE;
}

static gboolean add_agent(CwCollector *collector, const char *name, double share, GError **error)
{
  CwAgent agent;
  char *own = g_strdup(name);
  g_ptr_array_add(collector->names, own);
  if (!find_agent(collector, own, &agent, error))
    return FALSE;
  g_array_append_val(collector->agents, agent);
  g_array_append_val(collector->shares, share);
  return TRUE;
}

static gboolean choose_agents(CwCollector *collector, const CwCollectRequest *wanted, GError **error)
{
  double sum = 0;
  g_array_set_size(collector->agents, 0);
  g_array_set_size(collector->shares, 0);
  g_ptr_array_set_size(collector->names, 0);
  if (wanted->n_agents == 0)
    return add_agent(collector, "policy", 1, error);
  for (guint i = 0; i < wanted->n_agents; i++) {
    const CwAgentShare *agent = &wanted->agents[i];
    if (!(agent->share >= 0) || !isfinite(agent->share))
      return refuse(collector, error, "the share of agent '%s' is %g; shares are numbers from 0 on",
                    agent->agent, agent->share);
    if (!add_agent(collector, agent->agent, agent->share, error))
      return FALSE;
    sum += agent->share;
  }
  return sum > 0 || refuse(collector, error, "the shares of its agents are all 0; give one of them more");
}

static gboolean check_request(CwCollector *collector, const CwCollectRequest *wanted, gint64 n_goals,
                              GError **error)
{
  if (wanted->n_steps > 0 && wanted->group_size > 1)
    return refuse(collector, error, "pieces of episodes (n_steps) come without groups; set group_size to 0");
  if (!(wanted->temperature >= 0) || !isfinite(wanted->temperature))
    return refuse(collector, error, "expected a temperature from 0 on, found %g", wanted->temperature);
  if (!(wanted->epsilon >= 0 && wanted->epsilon <= 1))
    return refuse(collector, error, "expected an epsilon from 0 to 1, found %g", wanted->epsilon);
  for (guint i = 0; i < wanted->n_goals; i++)
    if (wanted->goals[i] < 0 || wanted->goals[i] >= n_goals)
      return refuse(collector, error,
                    "split 'train' has %" G_GINT64_FORMAT " goals, counted from 0, and it asks for goal "
                    "%" G_GINT64_FORMAT,
                    n_goals, wanted->goals[i]);
  for (guint i = 0; i < collector->agents->len; i++) {
    const CwAgent *agent = &g_array_index(collector->agents, CwAgent, i);
    if (wanted->epsilon > 0 && agent->kind == CW_AGENT_POLICY &&
        (cw_policy_feature(agent->policy)->capabilities & CW_POLICY_ACTS))
      return refuse(collector, error, "policy '%s' chooses by itself, so epsilon has no say; set it to 0",
                    cw_policy_feature(agent->policy)->name);
  }
  return TRUE;
}

/* The goals of the next groups: those asked for in turn, or all in the order of the stage. */
static gint64 *next_goals(CwCollector *collector, const CwCollectRequest *wanted, gint64 n_goals,
                          guint n_groups)
{
  gint64 *goals = g_new(gint64, n_groups);
  if (!collector->goal_order)
    collector->goal_order =
        cw_goal_order_new((guint32)collector->run->experiment->seed, collector->index, (guint32)n_goals);
  for (guint i = 0; i < n_groups; i++) {
    guint64 number = collector->n_groups + i;
    goals[i] = wanted->n_goals > 0 ? wanted->goals[number % wanted->n_goals]
                                   : cw_goal_order_at(collector->goal_order, number);
  }
  return goals;
}

static gboolean episode_collected(CwEpisode *episode, gpointer user_data, GError **error G_GNUC_UNUSED)
{
  CwCollector *collector = user_data;
  g_ptr_array_add(collector->episodes, g_steal_pointer(&episode->trajectory));
  if (episode->over) {
    collector->ended.n++;
    collector->ended.reward += episode->total_reward;
    collector->ended.success += episode->success ? 1 : 0;
    collector->ended.length += episode->n_steps;
  }
  if (collector->progress)
    collector->progress(collector->episodes->len, collector->n_wanted, NULL, collector->user_data);
  return TRUE;
}

static CwRolloutPlan plan_of(CwCollector *collector, const CwCollectRequest *wanted)
{
  for (guint i = 0; i < collector->agents->len; i++)
    g_array_index(collector->agents, CwAgent, i).selection =
        wanted->greedy ? CW_SELECT_GREEDY : CW_SELECT_SAMPLE;
  return (CwRolloutPlan){.seed = (guint32)collector->run->experiment->seed,
                         .purpose = collector->purpose,
                         .split = "train",
                         .first_episode = collector->n_episodes,
                         .first_group = collector->n_groups,
                         .group_size = MAX(wanted->group_size, 1),
                         .keep_steps = TRUE,
                         .temperature = wanted->temperature == 1 ? 0 : wanted->temperature,
                         .epsilon = wanted->epsilon,
                         .shared_environment = wanted->shared_environment,
                         .keep_after = wanted->keep_after,
                         .agents = (const CwAgent *)(gpointer)collector->agents->data,
                         .shares = (const double *)(gpointer)collector->shares->data,
                         .n_agents = collector->agents->len};
}

static gboolean run_episodes(CwCollector *collector, const CwCollectRequest *wanted, gint64 n_goals,
                             GError **error)
{
  CwRolloutPlan plan = plan_of(collector, wanted);
  guint n_groups = (wanted->n_episodes + plan.group_size - 1) / plan.group_size;
  g_autofree gint64 *goals = next_goals(collector, wanted, n_goals, n_groups);
  plan.goals = goals;
  plan.n_episodes = (guint64)n_groups * plan.group_size;
  collector->n_wanted = plan.n_episodes;
  collector->n_episodes += plan.n_episodes;
  collector->n_groups += n_groups;
  return cw_rollout_run(collector->run->rollout, &plan, plan.agents, episode_collected, collector, NULL,
                        error);
}

/* The rollout of the episodes that stay in play. */
static gboolean open_play(CwCollector *collector, guint n_slots, GError **error)
{
  collector->play = cw_rollout_new(collector->run->environment, n_slots, error);
  if (collector->play)
    cw_rollout_set_step_limit(collector->play, (guint)collector->run->experiment->rollout->step_limit);
  return collector->play != NULL;
}

static gboolean run_pieces(CwCollector *collector, const CwCollectRequest *wanted, gint64 n_goals,
                           GError **error)
{
  CwRolloutPlan plan = plan_of(collector, wanted);
  if (!collector->play && !open_play(collector, wanted->n_episodes, error))
    return FALSE;
  if (cw_rollout_n_slots(collector->play) != wanted->n_episodes)
    return refuse(collector, error,
                  "%u episodes are in play, and it asks for pieces of %u; n_episodes stays the same while "
                  "n_steps is set",
                  cw_rollout_n_slots(collector->play), wanted->n_episodes);
  guint64 all = (guint64)wanted->n_episodes * ((guint64)wanted->n_steps + 1);
  if (all > G_MAXINT32)
    return refuse(collector, error, "%u pieces of %u steps are more than can be counted; ask for fewer",
                  wanted->n_episodes, wanted->n_steps);
  guint most = (guint)all;
  g_autofree gint64 *goals = next_goals(collector, wanted, n_goals, most);
  guint64 n_started = 0;
  plan.goals = goals;
  plan.n_episodes = most;
  collector->n_wanted = wanted->n_episodes;
  gboolean good = cw_rollout_run_pieces(collector->play, &plan, plan.agents, wanted->n_steps,
                                        episode_collected, collector, &n_started, error);
  collector->n_episodes += n_started;
  collector->n_groups += n_started;
  return good;
}

gboolean cw_collector_run(CwCollector *collector, const CwCollectRequest *wanted, GPtrArray *episodes,
                          CwWorkProgress progress, gpointer user_data, GError **error)
{
  collector->ended = (CwCollected){0};
  collector->episodes = episodes;
  collector->progress = progress;
  collector->user_data = user_data;
  g_ptr_array_set_size(episodes, 0);
  if (wanted->n_episodes == 0)
    return TRUE;
  gint64 n_goals = cw_environment_n_goals(collector->run->environment, "train", error);
  if (n_goals < 0)
    return FALSE;
  if (n_goals == 0 || n_goals > G_MAXUINT32)
    return refuse(collector, error, "split 'train' has %" G_GINT64_FORMAT " goals", n_goals);
  if (!choose_agents(collector, wanted, error) || !check_request(collector, wanted, n_goals, error))
    return FALSE;
  return wanted->n_steps > 0 ? run_pieces(collector, wanted, n_goals, error)
                             : run_episodes(collector, wanted, n_goals, error);
}

void cw_collector_save(const CwCollector *collector, GKeyFile *state)
{
  g_key_file_set_uint64(state, "stage", "episodes", collector->n_episodes);
  g_key_file_set_uint64(state, "stage", "groups", collector->n_groups);
  if (!collector->play)
    return;
  g_key_file_set_uint64(state, PLAY, "slots", cw_rollout_n_slots(collector->play));
  g_key_file_set_string_list(state, PLAY, "agents", (const char *const *)collector->names->pdata,
                             collector->names->len);
  cw_rollout_save_pieces(collector->play, state, PLAY);
}

/* What was in play. */
static gboolean load_play(CwCollector *collector, GKeyFile *state, GError **error)
{
  guint64 n_slots = g_key_file_get_uint64(state, PLAY, "slots", NULL);
  g_auto(GStrv) names = g_key_file_get_string_list(state, PLAY, "agents", NULL, NULL);
  CwCollectRequest none = {.struct_size = sizeof none};
  if (n_slots == 0 || n_slots > G_MAXINT32 || !names) {
    g_set_error_literal(error, CW_RUN_ERROR, CW_ERROR_FORMAT,
                        "group 'play': expected the number of slots and the agents of episodes in play");
    return FALSE;
  }
  for (guint i = 0; names[i]; i++)
    if (!add_agent(collector, names[i], 1, error))
      return FALSE;
  CwRolloutPlan plan = plan_of(collector, &none);
  return open_play(collector, (guint)n_slots, error) &&
         cw_rollout_load_pieces(collector->play, &plan, plan.agents, state, PLAY, error);
}

gboolean cw_collector_load(CwCollector *collector, GKeyFile *state, GError **error)
{
  GError *problem = NULL;
  collector->n_episodes = g_key_file_get_uint64(state, "stage", "episodes", &problem);
  if (!problem)
    collector->n_groups = g_key_file_get_uint64(state, "stage", "groups", &problem);
  if (problem) {
    g_propagate_error(error, problem);
    return FALSE;
  }
  return !g_key_file_has_group(state, PLAY) || load_play(collector, state, error);
}
