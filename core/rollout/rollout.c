/* Steps many environment slots together. A round is: observe every running slot, score all their decisions in
 * one batch, choose, step. A slot whose episode is over starts the next one at once, so that batches stay
 * full. Finished episodes wait in `finished` until all earlier ones are delivered; the rollout owns them, the
 * slots, their sessions and their streams. */
#include "core/rollout/rollout.h"
#include "core/base/interrupt.h"
#include "core/trajectory/trajectories.h"
#include <math.h>

typedef struct {
  CwSession *session;
  CwRandom *environment_random, *action_random;
  gboolean running;
  CwTrajectoryBuilder *builder; /* NULL without keep_steps */
  CwEpisode *episode;           /* under construction while running */
  CwObservation observation;    /* the present one; its strings belong to the session */
  guint taught;                 /* with a teacher: what it would do now */
} Slot;

struct CwRollout {
  CwEnvironment *environment;
  Slot *slots;
  guint n_slots;
};

/* One call of cw_rollout_run. */
typedef struct {
  CwRollout *rollout;
  const CwRolloutPlan *plan;
  const CwAgent *agent;
  char *action_purpose;
  char *recorded_agent;   /* who chose what trajectories record */
  gboolean reads_history; /* the policy does */
  guint64 n_started, n_delivered, n_decisions;
  gboolean enough;      /* the receiver wants no more episodes */
  GHashTable *finished; /* &episode->episode → CwEpisode, not yet delivered */
  /* The batch of a round. */
  GPtrArray *running;  /* Slot * */
  CwDecision *batch;   /* n_slots */
  GPtrArray *pointers; /* const CwDecision *, into batch */
  GArray *logits;      /* float */
  float *values;       /* n_slots */
} Rolling;

static void episode_free(gpointer data)
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

static void slot_clear(Slot *slot)
{
  slot->running = FALSE;
  g_clear_pointer(&slot->builder, cw_trajectory_builder_free);
  g_clear_pointer(&slot->episode, episode_free);
}

CwRollout *cw_rollout_new(CwEnvironment *environment, guint n_slots, GError **error)
{
  CwRollout *rollout = g_new0(CwRollout, 1);
  rollout->environment = environment;
  rollout->n_slots = MAX(n_slots, 1);
  rollout->slots = g_new0(Slot, rollout->n_slots);
  for (guint i = 0; i < rollout->n_slots; i++) {
    Slot *slot = &rollout->slots[i];
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
    Slot *slot = &rollout->slots[i];
    slot_clear(slot);
    cw_session_free(slot->session);
    cw_random_free(slot->environment_random);
    cw_random_free(slot->action_random);
  }
  g_free(rollout->slots);
  g_free(rollout);
}

CwEnvironment *cw_rollout_environment(CwRollout *rollout)
{
  return rollout->environment;
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

/* Puts the next episode of the plan into a slot. */
static gboolean start_episode(Rolling *rolling, Slot *slot, GError **error)
{
  const CwRolloutPlan *plan = rolling->plan;
  guint group_size = MAX(plan->group_size, 1);
  guint64 number = rolling->n_started++;
  guint64 episode = plan->first_episode + number;
  gint64 goal = plan->goals[number / group_size];
  cw_rollout_restart_environment(slot->environment_random, plan->seed, plan->purpose, goal, episode);
  cw_random_restart(slot->action_random, plan->seed, rolling->action_purpose, (guint64)goal, episode);
  if (!cw_session_reset(slot->session, plan->split, goal, slot->environment_random, error))
    return FALSE;
  slot->episode = g_new0(CwEpisode, 1);
  slot->episode->episode = episode;
  slot->episode->goal = goal;
  if (plan->keep_steps || rolling->reads_history) {
    slot->builder = cw_trajectory_builder_new(plan->split, goal, cw_session_goal_id(slot->session),
                                              rolling->recorded_agent, episode, plan->seed);
    cw_trajectory_builder_set_group(slot->builder, plan->first_group + number / group_size);
  }
  slot->running = TRUE;
  return TRUE;
}

static gboolean check_choice(const Slot *slot, const char *script, gint chosen, GError **error)
{
  if ((guint)chosen < slot->observation.n_candidates)
    return TRUE;
  g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_FAILED,
              "script '%s' chose candidate %d of %u on goal %" G_GINT64_FORMAT, script, chosen,
              slot->observation.n_candidates, slot->episode->goal);
  return FALSE;
}

/* Makes the present observation current, after asking the script, if there is one: that may end the life of
 * an observation's strings. */
static gboolean observe(Slot *slot, const char *script, gint *chosen, GError **error)
{
  if (script && (*chosen = cw_session_scripted_action(slot->session, script, error)) < 0)
    return FALSE;
  slot->observation = (CwObservation){.struct_size = sizeof(CwObservation)};
  return cw_session_observe(slot->session, &slot->observation, error) &&
         (!script || check_choice(slot, script, *chosen, error));
}

static gboolean observe_and_ask_teacher(const Rolling *rolling, Slot *slot, GError **error)
{
  gint taught = 0;
  gboolean good = observe(slot, rolling->plan->teacher, &taught, error);
  slot->taught = (guint)taught;
  return good;
}

/* Hands out the finished episodes whose turn has come, until the receiver has enough. */
static gboolean deliver(Rolling *rolling, CwEpisodeFunction finished, gpointer user_data, GError **error)
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
    episode_free(episode);
    if (!good)
      return FALSE;
  }
  return TRUE;
}

static void finish_episode(Rolling *rolling, Slot *slot, const CwOutcome *outcome)
{
  CwEpisode *episode = g_steal_pointer(&slot->episode);
  episode->success = outcome->success;
  episode->truncated = outcome->truncated;
  episode->n_parts = outcome->parts ? outcome->n_parts : 0;
  CwNamedValue *parts = g_new(CwNamedValue, episode->n_parts);
  for (guint i = 0; i < episode->n_parts; i++)
    parts[i] = (CwNamedValue){g_strdup(outcome->parts[i].name), outcome->parts[i].value};
  episode->parts = parts;
  GArray *facts = cw_outcome_facts(outcome);
  episode->n_facts = facts->len;
  for (guint i = 0; i < facts->len; i++) {
    CwNamedText *fact = &g_array_index(facts, CwNamedText, i);
    *fact = (CwNamedText){g_strdup(fact->name), g_strdup(fact->text)};
  }
  episode->facts = (const CwNamedText *)(gpointer)g_array_free(facts, FALSE);
  if (slot->builder && rolling->plan->keep_steps)
    episode->trajectory = cw_trajectory_builder_finish(g_steal_pointer(&slot->builder));
  g_clear_pointer(&slot->builder, cw_trajectory_builder_free);
  slot->running = FALSE;
  g_hash_table_insert(rolling->finished, &episode->episode, episode);
}

/* What a step of the trajectory says was chosen when the agent takes `chosen`. */
static guint recorded_choice(const Rolling *rolling, const Slot *slot, guint chosen)
{
  return rolling->plan->teacher ? slot->taught : chosen;
}

/* Adds exp(log_probabilities[i]) for every candidate i to the decision recorded last. They are overwritten.
 */
static void record_probabilities(Slot *slot, float *log_probabilities, guint n)
{
  for (guint i = 0; i < n; i++)
    log_probabilities[i] = expf(log_probabilities[i]);
  cw_trajectory_builder_set_probabilities(slot->builder, log_probabilities);
}

/* Takes an action in a slot whose observation is current. The log-probability is that of the recorded choice;
 * `log_probabilities`, of all candidates, may be NULL and may be overwritten. */
static gboolean take(Rolling *rolling, Slot *slot, const CwAct *act, float *log_probabilities, GError **error)
{
  if (slot->builder) {
    cw_trajectory_builder_decide(slot->builder, &slot->observation,
                                 recorded_choice(rolling, slot, act->candidate), act->log_probability,
                                 act->value);
    cw_trajectory_builder_set_words(slot->builder, act->words, act->prompt, act->answer);
  }
  if (slot->builder && rolling->plan->keep_probabilities && log_probabilities)
    record_probabilities(slot, log_probabilities, slot->observation.n_candidates);
  CwOutcome outcome = {.struct_size = sizeof outcome};
  slot->episode->n_invalid += act->invalid ? 1 : 0;
  if (act->candidate == CW_WORDS ? !cw_session_step_text(slot->session, act->words, &outcome, error)
                                 : !cw_session_step(slot->session, act->candidate, &outcome, error))
    return FALSE;
  rolling->n_decisions++;
  slot->episode->n_steps++;
  slot->episode->total_reward += outcome.reward;
  if (slot->builder)
    cw_trajectory_builder_outcome(slot->builder, &outcome);
  if (outcome.terminated || outcome.truncated)
    finish_episode(rolling, slot, &outcome);
  return TRUE;
}

static gboolean round_of_random(Rolling *rolling, GError **error)
{
  for (guint i = 0; i < rolling->running->len; i++) {
    Slot *slot = g_ptr_array_index(rolling->running, i);
    if (!observe_and_ask_teacher(rolling, slot, error))
      return FALSE;
    guint n = slot->observation.n_candidates;
    CwAct act = {.candidate = cw_random_below(slot->action_random, n),
                 .log_probability = -logf((float)n),
                 .value = NAN};
    if (!take(rolling, slot, &act, NULL, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean round_of_script(Rolling *rolling, GError **error)
{
  for (guint i = 0; i < rolling->running->len; i++) {
    Slot *slot = g_ptr_array_index(rolling->running, i);
    gint chosen = 0;
    if (!observe(slot, rolling->agent->name, &chosen, error))
      return FALSE;
    CwAct act = {.candidate = (guint)chosen, .log_probability = NAN, .value = NAN};
    if (!take(rolling, slot, &act, NULL, error))
      return FALSE;
  }
  return TRUE;
}

static guint first_best(const float *logits, guint n)
{
  guint best = 0;
  for (guint i = 1; i < n; i++)
    if (logits[i] > logits[best])
      best = i;
  return best;
}

static CwDecision decision_of(Slot *slot)
{
  CwDecision decision = {.struct_size = sizeof(CwDecision),
                         .observation = slot->observation.text,
                         .candidates = slot->observation.candidates,
                         .n_candidates = slot->observation.n_candidates,
                         .step = slot->episode->n_steps,
                         .episode = slot->episode->episode,
                         .instruction = slot->observation.instruction};
  if (slot->builder)
    decision.history = cw_trajectory_builder_history(slot->builder, &decision.n_history);
  return decision;
}

/* The policy chooses by itself, perhaps in words. */
static gboolean policy_acts(Rolling *rolling, const CwDecision *const *decisions, guint n, GError **error)
{
  const CwAgent *agent = rolling->agent;
  CwActing how = {
      .struct_size = sizeof how, .greedy = agent->selection == CW_SELECT_GREEDY, .temperature = 1};
  g_autofree CwAct *acts = g_new0(CwAct, n);
  g_autofree CwRandom **random = g_new(CwRandom *, n);
  for (guint i = 0; i < n; i++)
    random[i] = ((Slot *)g_ptr_array_index(rolling->running, i))->action_random;
  if (!cw_policy_act(agent->policy, decisions, n, random, &how, acts, error))
    return FALSE;
  for (guint i = 0; i < n; i++)
    if (!take(rolling, g_ptr_array_index(rolling->running, i), &acts[i], NULL, error))
      return FALSE;
  return TRUE;
}

static gboolean round_of_policy(Rolling *rolling, GError **error)
{
  const CwAgent *agent = rolling->agent;
  guint n = rolling->running->len;
  g_ptr_array_set_size(rolling->pointers, 0);
  for (guint i = 0; i < n; i++) {
    Slot *slot = g_ptr_array_index(rolling->running, i);
    if (!observe_and_ask_teacher(rolling, slot, error))
      return FALSE;
    rolling->batch[i] = decision_of(slot);
    g_ptr_array_add(rolling->pointers, &rolling->batch[i]);
  }
  const CwDecision *const *decisions = (const CwDecision *const *)rolling->pointers->pdata;
  if (cw_policy_feature(agent->policy)->capabilities & CW_POLICY_ACTS)
    return policy_acts(rolling, decisions, n, error);
  g_array_set_size(rolling->logits, cw_count_logits(decisions, n));
  float *logits = (float *)(gpointer)rolling->logits->data;
  if (!cw_policy_score(agent->policy, decisions, n, logits, rolling->values, error))
    return FALSE;
  gboolean has_values = (cw_policy_feature(agent->policy)->capabilities & CW_POLICY_VALUES) != 0;
  for (guint i = 0; i < n; i++) {
    Slot *slot = g_ptr_array_index(rolling->running, i);
    guint n_candidates = decisions[i]->n_candidates;
    guint chosen = agent->selection == CW_SELECT_GREEDY
                       ? first_best(logits, n_candidates)
                       : cw_random_categorical(slot->action_random, logits, n_candidates);
    float *following = logits + n_candidates;
    cw_log_softmax(logits, n_candidates, logits);
    CwAct act = {.candidate = chosen,
                 .log_probability = logits[recorded_choice(rolling, slot, chosen)],
                 .value = has_values ? rolling->values[i] : NAN};
    if (!take(rolling, slot, &act, logits, error))
      return FALSE;
    logits = following;
  }
  return TRUE;
}

static gboolean roll(Rolling *rolling, CwEpisodeFunction finished, gpointer user_data, GError **error)
{
  const CwRolloutPlan *plan = rolling->plan;
  CwRollout *rollout = rolling->rollout;
  for (;;) {
    g_ptr_array_set_size(rolling->running, 0);
    for (guint i = 0; i < rollout->n_slots; i++) {
      Slot *slot = &rollout->slots[i];
      if (!slot->running && rolling->n_started < plan->n_episodes && !start_episode(rolling, slot, error))
        return FALSE;
      if (slot->running)
        g_ptr_array_add(rolling->running, slot);
    }
    if (rolling->running->len == 0 || rolling->enough)
      return TRUE;
    if (plan->stoppable && cw_interrupted()) {
      g_set_error_literal(error, CW_RUN_ERROR, CW_ERROR_CANCELLED, "stopped on request");
      return FALSE;
    }
    gboolean good = rolling->agent->kind == CW_AGENT_RANDOM   ? round_of_random(rolling, error)
                    : rolling->agent->kind == CW_AGENT_SCRIPT ? round_of_script(rolling, error)
                                                              : round_of_policy(rolling, error);
    if (!good || !deliver(rolling, finished, user_data, error))
      return FALSE;
  }
}

gboolean cw_rollout_run(CwRollout *rollout, const CwRolloutPlan *plan, const CwAgent *agent,
                        CwEpisodeFunction finished, gpointer user_data, guint64 *n_decisions, GError **error)
{
  Rolling rolling = {
      .rollout = rollout,
      .plan = plan,
      .agent = agent,
      .action_purpose = g_strconcat(plan->purpose, ".action", NULL),
      .reads_history =
          agent->policy && (cw_policy_feature(agent->policy)->capabilities & CW_POLICY_HISTORY) != 0,
      .recorded_agent =
          plan->teacher ? g_strconcat(plan->teacher, "/", agent->name, NULL) : g_strdup(agent->name),
      .finished = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, episode_free),
      .running = g_ptr_array_new(),
      .batch = g_new0(CwDecision, rollout->n_slots),
      .pointers = g_ptr_array_new(),
      .logits = g_array_new(FALSE, FALSE, sizeof(float)),
      .values = g_new0(float, rollout->n_slots),
  };
  gboolean good = roll(&rolling, finished, user_data, error);
  if (n_decisions)
    *n_decisions = rolling.n_decisions;
  for (guint i = 0; i < rollout->n_slots; i++)
    slot_clear(&rollout->slots[i]);
  g_hash_table_unref(rolling.finished);
  g_ptr_array_unref(rolling.running);
  g_ptr_array_unref(rolling.pointers);
  g_array_unref(rolling.logits);
  g_free(rolling.batch);
  g_free(rolling.values);
  g_free(rolling.action_purpose);
  g_free(rolling.recorded_agent);
  return good;
}
