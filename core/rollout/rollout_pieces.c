/* Pieces of episodes: slots that play some steps at every call and keep what is in play in between. What a
 * checkpoint keeps of an episode in play is where it began and its actions; played again with the same
 * streams they lead to the same state, whatever the environment. */
#include "core/rollout/rollout_private.h"
#include <stdio.h>
#include <stdlib.h>

/* Episodes in play know their agent by its place among the agents. */
static gboolean check_agents(const CwRolling *rolling, GError **error)
{
  CwRollout *rollout = rolling->rollout;
  g_autofree char *names = g_strdup(rolling->agents[0].name);
  for (guint i = 1; i < rolling->n_agents; i++) {
    char *more = g_strjoin(", ", names, rolling->agents[i].name, NULL);
    g_free(names);
    names = more;
  }
  if (!rollout->agents)
    rollout->agents = g_strdup(names);
  if (g_str_equal(rollout->agents, names))
    return TRUE;
  g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
              "expected the agents of the episodes in play (%s), found %s; ask for the same agents while "
              "pieces are collected",
              rollout->agents, names);
  return FALSE;
}

static void begin_call(CwRolling *rolling)
{
  CwRollout *rollout = rolling->rollout;
  for (guint i = 0; i < rollout->n_slots; i++) {
    CwSlot *slot = &rollout->slots[i];
    if (!slot->actions)
      slot->actions = g_ptr_array_new_with_free_func(g_free);
    slot->pieces = g_ptr_array_new_with_free_func(cw_episode_free);
    if (slot->running)
      cw_rolling_record(rolling, slot);
  }
}

/* Ends the piece of an episode that goes on. */
static gboolean cut(CwRolling *rolling, CwSlot *slot, GError **error)
{
  if (!slot->running)
    return TRUE;
  CwEpisode *piece = g_new0(CwEpisode, 1);
  *piece = *slot->episode;
  g_ptr_array_add(slot->pieces, piece);
  if (!slot->builder)
    return TRUE;
  if (rolling->plan->keep_after) {
    if (!cw_slot_observe(slot, NULL, NULL, error))
      return FALSE;
    cw_trajectory_builder_after(slot->builder, &slot->observation);
  }
  piece->trajectory = cw_trajectory_builder_finish(g_steal_pointer(&slot->builder));
  return TRUE;
}

static gboolean play(CwRolling *rolling, guint n_steps, GError **error)
{
  CwRollout *rollout = rolling->rollout;
  for (guint step = 0; step < n_steps; step++) {
    for (guint i = 0; i < rollout->n_slots; i++)
      if (!rollout->slots[i].running &&
          !cw_rolling_start(rolling, &rollout->slots[i], rolling->n_started++, error))
        return FALSE;
    if (!cw_rolling_round(rolling, error))
      return FALSE;
  }
  for (guint i = 0; i < rollout->n_slots; i++)
    if (!cut(rolling, &rollout->slots[i], error))
      return FALSE;
  return TRUE;
}

gboolean cw_rollout_run_pieces(CwRollout *rollout, const CwRolloutPlan *plan, const CwAgent *agent,
                               guint n_steps, CwEpisodeFunction piece, gpointer user_data, guint64 *n_started,
                               GError **error)
{
  CwRolling rolling;
  *n_started = 0;
  cw_rolling_init(&rolling, rollout, plan, agent);
  if (!check_agents(&rolling, error)) {
    cw_rolling_clear(&rolling);
    return FALSE;
  }
  begin_call(&rolling);
  gboolean good = play(&rolling, n_steps, error);
  *n_started = rolling.n_started;
  for (guint i = 0; i < rollout->n_slots; i++) {
    g_autoptr(GPtrArray) pieces = g_steal_pointer(&rollout->slots[i].pieces);
    for (guint k = 0; good && k < pieces->len; k++)
      good = piece(pieces->pdata[k], user_data, error);
  }
  cw_rolling_clear(&rolling);
  return good;
}

static void save_slot(const CwSlot *slot, guint number, GKeyFile *state, const char *group)
{
  if (!slot->running)
    return;
  g_autofree char *episode = g_strdup_printf("episode_%u", number);
  g_autofree char *actions = g_strdup_printf("actions_%u", number);
  g_autofree char *random = g_strdup_printf("random_%u", number);
  g_autofree char *stream = cw_random_save(slot->action_random);
  const CwEpisode *in_play = slot->episode;
  g_autofree char *place =
      g_strdup_printf("%" G_GUINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GUINT64_FORMAT " %u %u",
                      in_play->episode, in_play->goal, in_play->group, slot->agent, in_play->n_invalid);
  g_key_file_set_string(state, group, episode, place);
  g_key_file_set_string(state, group, random, stream);
  g_key_file_set_string_list(state, group, actions, (const char *const *)slot->actions->pdata,
                             slot->actions->len);
}

void cw_rollout_save_pieces(const CwRollout *rollout, GKeyFile *state, const char *group)
{
  for (guint i = 0; i < rollout->n_slots; i++)
    save_slot(&rollout->slots[i], i, state, group);
}

static gboolean disagree(const CwSlot *slot, guint step, const char *why, GError **error)
{
  g_set_error(error, CW_RUN_ERROR, CW_ERROR_FORMAT,
              "the episode on goal %" G_GINT64_FORMAT
              " that was in play cannot be played again: at step %u %s; "
              "has the environment changed since the checkpoint?",
              slot->episode->goal, step, why);
  return FALSE;
}

/* Takes one of the actions again. */
static gboolean repeat(CwSlot *slot, const CwAgent *agent, const char *action, guint step, GError **error)
{
  CwOutcome outcome = {.struct_size = sizeof outcome};
  gint unused;
  if (!cw_slot_observe(slot, agent->kind == CW_AGENT_SCRIPT ? agent->name : NULL, &unused, error))
    return FALSE;
  guint candidate = *action == '=' ? 0 : (guint)strtoul(action, NULL, 10);
  if (*action != '=' && candidate >= slot->observation.n_candidates)
    return disagree(slot, step, "its candidate is not there", error);
  if (*action == '=' ? !cw_session_step_text(slot->session, action + 1, &outcome, error)
                     : !cw_session_step(slot->session, candidate, &outcome, error))
    return FALSE;
  slot->episode->n_steps++;
  slot->episode->total_reward += outcome.reward;
  g_ptr_array_add(slot->actions, g_strdup(action));
  return (!outcome.terminated && !outcome.truncated) || disagree(slot, step, "it ends", error);
}

static gboolean load_slot(const CwRolling *rolling, guint number, GKeyFile *state, const char *group,
                          GError **error)
{
  CwSlot *slot = &rolling->rollout->slots[number];
  const CwRolloutPlan *plan = rolling->plan;
  g_autofree char *episode = g_strdup_printf("episode_%u", number);
  g_autofree char *actions = g_strdup_printf("actions_%u", number);
  g_autofree char *random = g_strdup_printf("random_%u", number);
  g_autofree char *place = g_key_file_get_string(state, group, episode, NULL);
  if (!place)
    return TRUE;
  g_autofree char *stream = g_key_file_get_string(state, group, random, NULL);
  g_auto(GStrv) taken = g_key_file_get_string_list(state, group, actions, NULL, NULL);
  CwEpisode *in_play = slot->episode = g_new0(CwEpisode, 1);
  if (sscanf(place, "%" G_GUINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GUINT64_FORMAT " %u %u",
             &in_play->episode, &in_play->goal, &in_play->group, &slot->agent, &in_play->n_invalid) != 5 ||
      slot->agent >= rolling->n_agents || !taken) {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_FORMAT, "%s '%s' and %s are not an episode in play", episode,
                place, actions);
    return FALSE;
  }
  slot->actions = g_ptr_array_new_with_free_func(g_free);
  slot->running = TRUE;
  cw_rollout_restart_environment(slot->environment_random, plan->seed, plan->purpose, in_play->goal,
                                 in_play->episode);
  if (!cw_session_reset(slot->session, plan->split, in_play->goal, slot->environment_random, error))
    return FALSE;
  for (guint i = 0; taken[i]; i++)
    if (!repeat(slot, &rolling->agents[slot->agent], taken[i], i, error))
      return FALSE;
  if (stream && cw_random_load(slot->action_random, stream))
    return TRUE;
  g_set_error(error, CW_RUN_ERROR, CW_ERROR_FORMAT, "%s '%s' is not the state of a random stream", random,
              stream ? stream : "");
  return FALSE;
}

gboolean cw_rollout_load_pieces(CwRollout *rollout, const CwRolloutPlan *plan, const CwAgent *agent,
                                GKeyFile *state, const char *group, GError **error)
{
  CwRolling rolling;
  cw_rolling_init(&rolling, rollout, plan, agent);
  gboolean good = check_agents(&rolling, error);
  for (guint i = 0; i < rollout->n_slots && good; i++)
    good = load_slot(&rolling, i, state, group, error);
  cw_rolling_clear(&rolling);
  return good;
}
