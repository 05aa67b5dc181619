/* Rolls out whole episodes in many slots together. A slot whose episode is over starts the next one at once,
 * so that batches stay full. Finished episodes wait in `finished` until all earlier ones are delivered; the
 * rollout owns them, the slots, their sessions and their streams. */
#include "core/base/interrupt.h"
#include "core/rollout/rollout_private.h"

void cw_episode_free(gpointer data)
{
  CwEpisode *episode = data;
  if (!episode)
    return;
  for (guint i = 0; i < episode->n_parts; i++)
    g_free((char *)episode->parts[i].name);
  g_free((CwNamedValue *)episode->parts);
  for (guint i = 0; i < episode->n_facts; i++) {
    g_free((char *)episode->facts[i].name);
    g_free((char *)episode->facts[i].text);
  }
  g_free((CwNamedText *)episode->facts);
  cw_trajectory_unref(episode->trajectory);
  g_free(episode);
}

void cw_slot_clear(CwSlot *slot)
{
  slot->running = FALSE;
  g_clear_pointer(&slot->builder, cw_trajectory_builder_free);
  g_clear_pointer(&slot->episode, cw_episode_free);
  g_clear_pointer(&slot->actions, g_ptr_array_unref);
  g_clear_pointer(&slot->pieces, g_ptr_array_unref);
}

CwRollout *cw_rollout_new(CwEnvironment *environment, guint n_slots, GError **error)
{
  CwRollout *rollout = g_new0(CwRollout, 1);
  rollout->environment = environment;
  rollout->n_slots = MAX(n_slots, 1);
  rollout->slots = g_new0(CwSlot, rollout->n_slots);
  for (guint i = 0; i < rollout->n_slots; i++) {
    CwSlot *slot = &rollout->slots[i];
    slot->session = cw_session_new(environment, error);
    if (!slot->session) {
      cw_rollout_free(rollout);
      return NULL;
    }
    slot->environment_random = cw_random_new(0, "rollout", 0, 0);
    slot->action_random = cw_random_new(0, "rollout", 0, 0);
  }
  return rollout;
}

void cw_rollout_free(CwRollout *rollout)
{
  if (!rollout)
    return;
  for (guint i = 0; i < rollout->n_slots; i++) {
    CwSlot *slot = &rollout->slots[i];
    cw_slot_clear(slot);
    cw_session_free(slot->session);
    cw_random_free(slot->environment_random);
    cw_random_free(slot->action_random);
  }
  g_free(rollout->slots);
  g_free(rollout->agents);
  g_free(rollout);
}

CwEnvironment *cw_rollout_environment(CwRollout *rollout)
{
  return rollout->environment;
}

guint cw_rollout_n_slots(const CwRollout *rollout)
{
  return rollout->n_slots;
}

void cw_rollout_set_step_limit(CwRollout *rollout, guint step_limit)
{
  rollout->step_limit = step_limit;
}

const char *cw_episode_fact(const CwEpisode *episode, const char *name)
{
  for (guint i = 0; i < episode->n_facts; i++)
    if (g_str_equal(episode->facts[i].name, name))
      return episode->facts[i].text;
  return NULL;
}

void cw_rollout_restart_environment(CwRandom *random, guint32 seed, const char *purpose, gint64 goal,
                                    guint64 episode)
{
  g_autofree char *stream = g_strconcat(purpose, ".environment", NULL);
  cw_random_restart(random, seed, stream, (guint64)goal, episode);
}

/* Who plays an episode: by its shares, from a stream of the episode's own. */
static guint draw_agent(const CwRolling *rolling, gint64 goal, guint64 episode)
{
  double sum = 0;
  if (rolling->n_agents == 1)
    return 0;
  for (guint i = 0; i < rolling->n_agents; i++)
    sum += rolling->shares[i];
  g_autoptr(CwRandom) random =
      cw_random_new(rolling->plan->seed, rolling->agent_purpose, (guint64)goal, episode);
  double left = cw_random_uniform(random) * sum;
  guint agent = 0;
  while (agent + 1 < rolling->n_agents && left >= rolling->shares[agent])
    left -= rolling->shares[agent++];
  return agent;
}

void cw_rolling_record(CwRolling *rolling, CwSlot *slot)
{
  const CwRolloutPlan *plan = rolling->plan;
  const CwEpisode *episode = slot->episode;
  const char *name = rolling->agents[slot->agent].name;
  if (!plan->keep_steps && !rolling->reads_history)
    return;
  g_autofree char *agent = plan->teacher ? g_strconcat(plan->teacher, "/", name, NULL) : g_strdup(name);
  slot->builder = cw_trajectory_builder_new(plan->split, episode->goal, cw_session_goal_id(slot->session),
                                            agent, episode->episode, plan->seed);
  cw_trajectory_builder_set_group(slot->builder, episode->group);
  cw_trajectory_builder_set_first_step(slot->builder, episode->n_steps);
}

gboolean cw_rolling_start(CwRolling *rolling, CwSlot *slot, guint64 number, GError **error)
{
  const CwRolloutPlan *plan = rolling->plan;
  guint group_size = MAX(plan->group_size, 1);
  guint64 group = number / group_size, episode = plan->first_episode + number;
  guint64 stream = plan->shared_environment ? plan->first_episode + group * group_size : episode;
  gint64 goal = plan->goals[group];
  cw_rollout_restart_environment(slot->environment_random, plan->seed, plan->purpose, goal, stream);
  cw_random_restart(slot->action_random, plan->seed, rolling->action_purpose, (guint64)goal, episode);
  if (!cw_session_reset(slot->session, plan->split, goal, slot->environment_random, error))
    return FALSE;
  slot->episode = g_new0(CwEpisode, 1);
  slot->episode->episode = episode;
  slot->episode->goal = goal;
  slot->episode->group = plan->first_group + group;
  slot->agent = draw_agent(rolling, goal, episode);
  if (slot->actions)
    g_ptr_array_set_size(slot->actions, 0);
  cw_rolling_record(rolling, slot);
  slot->running = TRUE;
  return TRUE;
}

/* Hands out the finished episodes whose turn has come, until the receiver has enough. */
static gboolean deliver(CwRolling *rolling, CwEpisodeFunction finished, gpointer user_data, GError **error)
{
  while (!rolling->enough) {
    guint64 next = rolling->plan->first_episode + rolling->n_delivered;
    CwEpisode *episode = g_hash_table_lookup(rolling->finished, &next);
    if (!episode)
      return TRUE;
    g_hash_table_steal(rolling->finished, &next);
    rolling->n_delivered++;
    gboolean good = !finished || finished(episode, user_data, error);
    rolling->enough = episode->enough;
    cw_episode_free(episode);
    if (!good)
      return FALSE;
  }
  return TRUE;
}

static gboolean roll(CwRolling *rolling, CwEpisodeFunction finished, gpointer user_data, GError **error)
{
  const CwRolloutPlan *plan = rolling->plan;
  CwRollout *rollout = rolling->rollout;
  for (;;) {
    gboolean any = FALSE;
    for (guint i = 0; i < rollout->n_slots; i++) {
      CwSlot *slot = &rollout->slots[i];
      if (!slot->running && rolling->n_started < plan->n_episodes &&
          !cw_rolling_start(rolling, slot, rolling->n_started++, error))
        return FALSE;
      any |= slot->running;
    }
    if (!any || rolling->enough)
      return TRUE;
    if (plan->stoppable && cw_interrupted()) {
      g_set_error_literal(error, CW_RUN_ERROR, CW_ERROR_CANCELLED, "stopped on request");
      return FALSE;
    }
    if (!cw_rolling_round(rolling, error) || !deliver(rolling, finished, user_data, error))
      return FALSE;
  }
}

void cw_rolling_init(CwRolling *rolling, CwRollout *rollout, const CwRolloutPlan *plan, const CwAgent *agent)
{
  *rolling = (CwRolling){
      .rollout = rollout,
      .plan = plan,
      .agents = plan->n_agents > 0 ? plan->agents : agent,
      .shares = plan->shares,
      .n_agents = MAX(plan->n_agents, 1),
      .action_purpose = g_strconcat(plan->purpose, ".action", NULL),
      .agent_purpose = g_strconcat(plan->purpose, ".agent", NULL),
      .finished = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, cw_episode_free),
      .running = g_ptr_array_new(),
      .batch = g_new0(CwDecision, rollout->n_slots),
      .pointers = g_ptr_array_new(),
      .logits = g_array_new(FALSE, FALSE, sizeof(float)),
      .values = g_new0(float, rollout->n_slots),
  };
  for (guint i = 0; i < rolling->n_agents; i++) {
    CwPolicy *policy = rolling->agents[i].policy;
    rolling->reads_history |= policy && (cw_policy_feature(policy)->capabilities & CW_POLICY_HISTORY) != 0;
  }
}

void cw_rolling_clear(CwRolling *rolling)
{
  g_hash_table_unref(rolling->finished);
  g_ptr_array_unref(rolling->running);
  g_ptr_array_unref(rolling->pointers);
  g_array_unref(rolling->logits);
  g_free(rolling->batch);
  g_free(rolling->values);
  g_free(rolling->action_purpose);
  g_free(rolling->agent_purpose);
}

gboolean cw_rollout_run(CwRollout *rollout, const CwRolloutPlan *plan, const CwAgent *agent,
                        CwEpisodeFunction finished, gpointer user_data, guint64 *n_decisions, GError **error)
{
  CwRolling rolling;
  cw_rolling_init(&rolling, rollout, plan, agent);
  gboolean good = roll(&rolling, finished, user_data, error);
  if (n_decisions)
    *n_decisions = rolling.n_decisions;
  for (guint i = 0; i < rollout->n_slots; i++)
    cw_slot_clear(&rollout->slots[i]);
  cw_rolling_clear(&rolling);
  return good;
}
