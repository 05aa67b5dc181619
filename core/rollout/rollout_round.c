/* One round of a rollout: every running slot is observed, the decisions of those that a policy plays are
 * scored in one batch, and each takes its step. Slots of different agents follow one another. The
 * log-probability that a step records is that of the distribution that was acted by, temperature and epsilon
 * included. */
#include "core/rollout/rollout_private.h"
#include <math.h>

static gboolean check_choice(const CwSlot *slot, const char *script, gint chosen, GError **error)
{
  if ((guint)chosen < slot->observation.n_candidates)
    return TRUE;
  g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_FAILED,
              "script '%s' chose candidate %d of %u on goal %" G_GINT64_FORMAT, script, chosen,
              slot->observation.n_candidates, slot->episode->goal);
  return FALSE;
}

/* The script is asked first: that may end the life of an observation's strings. */
gboolean cw_slot_observe(CwSlot *slot, const char *script, gint *chosen, GError **error)
{
  if (script && (*chosen = cw_session_scripted_action(slot->session, script, error)) < 0)
    return FALSE;
  slot->observation = (CwObservation){.struct_size = sizeof(CwObservation)};
  return cw_session_observe(slot->session, &slot->observation, error) &&
         (!script || check_choice(slot, script, *chosen, error));
}

static gboolean observe_and_ask_teacher(const CwRolling *rolling, CwSlot *slot, GError **error)
{
  gint taught = 0;
  gboolean good = cw_slot_observe(slot, rolling->plan->teacher, &taught, error);
  slot->taught = (guint)taught;
  return good;
}

/* What is to be said of the episode that is over: copies, for the outcome's strings do not live long. */
static CwEpisode *complete_episode(CwSlot *slot, const CwOutcome *outcome)
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
  episode->over = TRUE;
  slot->running = FALSE;
  return episode;
}

static gboolean finish_episode(CwRolling *rolling, CwSlot *slot, const CwOutcome *outcome, GError **error)
{
  gboolean wants_after =
      slot->builder && outcome->truncated && !outcome->terminated && rolling->plan->keep_after;
  CwEpisode *episode = complete_episode(slot, outcome);
  gboolean good = !wants_after || cw_slot_observe(slot, NULL, NULL, error);
  if (good && wants_after && slot->observation.n_candidates > 0)
    cw_trajectory_builder_after(slot->builder, &slot->observation);
  if (slot->builder && rolling->plan->keep_steps)
    episode->trajectory = cw_trajectory_builder_finish(g_steal_pointer(&slot->builder));
  g_clear_pointer(&slot->builder, cw_trajectory_builder_free);
  if (slot->pieces)
    g_ptr_array_add(slot->pieces, episode);
  else
    g_hash_table_insert(rolling->finished, &episode->episode, episode);
  return good;
}

/* What a step of the trajectory says was chosen when the agent takes `chosen`. */
static guint recorded_choice(const CwRolling *rolling, const CwSlot *slot, guint chosen)
{
  return rolling->plan->teacher ? slot->taught : chosen;
}

/* Adds exp(log_probabilities[i]) for every candidate i to the decision recorded last. They are overwritten.
 */
static void record_probabilities(CwSlot *slot, float *log_probabilities, guint n)
{
  for (guint i = 0; i < n; i++)
    log_probabilities[i] = expf(log_probabilities[i]);
  cw_trajectory_builder_set_probabilities(slot->builder, log_probabilities);
}

/* Cuts an episode that the environment does not end. */
static void limit_steps(const CwRolling *rolling, const CwSlot *slot, CwOutcome *outcome)
{
  CwRollout *rollout = rolling->rollout;
  if (rollout->step_limit == 0 || slot->episode->n_steps < rollout->step_limit || outcome->terminated ||
      outcome->truncated)
    return;
  outcome->truncated = TRUE;
  if (!rollout->has_warned)
    g_warning("environment '%s', goal %" G_GINT64_FORMAT
              " of split '%s': the episode was not over after %u steps and counts as truncated, as will "
              "others; see that the environment ends its episodes, or change rollout.step_limit",
              cw_environment_feature(rollout->environment)->name, slot->episode->goal, rolling->plan->split,
              rollout->step_limit);
  rollout->has_warned = TRUE;
}

/* Takes an action in a slot whose observation is current. The log-probability is that of the recorded choice;
 * `log_probabilities`, of all candidates, may be NULL and may be overwritten. */
static gboolean take(CwRolling *rolling, CwSlot *slot, const CwAct *act, float *log_probabilities,
                     GError **error)
{
  if (slot->builder) {
    cw_trajectory_builder_decide(slot->builder, &slot->observation,
                                 recorded_choice(rolling, slot, act->candidate), act->log_probability,
                                 act->value);
    gboolean own = act->candidate == CW_WORDS && !rolling->plan->teacher;
    cw_trajectory_builder_set_words(slot->builder, own ? act->words : NULL, act->prompt, act->answer);
  }
  if (slot->builder && rolling->plan->keep_probabilities && log_probabilities)
    record_probabilities(slot, log_probabilities, slot->observation.n_candidates);
  CwOutcome outcome = {.struct_size = sizeof outcome};
  if (slot->actions)
    g_ptr_array_add(slot->actions, act->candidate == CW_WORDS ? g_strconcat("=", act->words, NULL)
                                                              : g_strdup_printf("%u", act->candidate));
  slot->episode->n_invalid += act->invalid ? 1 : 0;
  if (act->candidate == CW_WORDS ? !cw_session_step_text(slot->session, act->words, &outcome, error)
                                 : !cw_session_step(slot->session, act->candidate, &outcome, error))
    return FALSE;
  rolling->n_decisions++;
  slot->episode->n_steps++;
  slot->episode->total_reward += outcome.reward;
  limit_steps(rolling, slot, &outcome);
  if (slot->builder)
    cw_trajectory_builder_outcome(slot->builder, &outcome);
  return (!outcome.terminated && !outcome.truncated) || finish_episode(rolling, slot, &outcome, error);
}

static gboolean round_of_random(CwRolling *rolling, const CwAgent *agent G_GNUC_UNUSED, GError **error)
{
  for (guint i = 0; i < rolling->running->len; i++) {
    CwSlot *slot = g_ptr_array_index(rolling->running, i);
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

static gboolean round_of_script(CwRolling *rolling, const CwAgent *agent, GError **error)
{
  for (guint i = 0; i < rolling->running->len; i++) {
    CwSlot *slot = g_ptr_array_index(rolling->running, i);
    gint chosen = 0;
    if (!cw_slot_observe(slot, agent->name, &chosen, error))
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

static CwDecision decision_of(CwSlot *slot)
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

/* A policy that stopped because the user wants it stops the rollout, as a wish noticed between rounds does.
 */
static gboolean give_up(GError *problem, GError **error)
{
  if (problem->code == CW_ERROR_CANCELLED)
    problem->domain = CW_RUN_ERROR;
  g_propagate_error(error, problem);
  return FALSE;
}

/* The policy chooses by itself, perhaps in words. */
static gboolean policy_acts(CwRolling *rolling, const CwAgent *agent, const CwDecision *const *decisions,
                            guint n, GError **error)
{
  CwActing how = {.struct_size = sizeof how,
                  .greedy = agent->selection == CW_SELECT_GREEDY,
                  .temperature = rolling->plan->temperature > 0 ? rolling->plan->temperature : 1};
  GError *problem = NULL;
  g_autofree CwAct *acts = g_new0(CwAct, n);
  g_autofree CwRandom **random = g_new(CwRandom *, n);
  for (guint i = 0; i < n; i++)
    random[i] = ((CwSlot *)g_ptr_array_index(rolling->running, i))->action_random;
  if (!cw_policy_act(agent->policy, decisions, n, random, &how, acts, &problem))
    return give_up(problem, error);
  for (guint i = 0; i < n; i++)
    if (!take(rolling, g_ptr_array_index(rolling->running, i), &acts[i], NULL, error))
      return FALSE;
  return TRUE;
}

/* Chooses a candidate and makes the logits the log-probabilities by which it did. With temperature T and
 * epsilon e, of n candidates: pi(k) = (1 - e) softmax(logits / T)(k) + e / n; for a greedy agent with e > 0
 * all of the first term is the best candidate's. */
static guint choose(const CwRolling *rolling, const CwAgent *agent, CwRandom *random, float *logits, guint n)
{
  double temperature = rolling->plan->temperature, epsilon = rolling->plan->epsilon;
  gboolean greedy = agent->selection == CW_SELECT_GREEDY;
  for (guint i = 0; temperature > 0 && i < n; i++)
    logits[i] = (float)(logits[i] / temperature);
  guint best = first_best(logits, n), chosen;
  if (epsilon > 0 && cw_random_uniform(random) < epsilon)
    chosen = cw_random_below(random, n);
  else
    chosen = greedy ? best : cw_random_categorical(random, logits, n);
  cw_log_softmax(logits, n, logits);
  for (guint i = 0; epsilon > 0 && i < n; i++) {
    double p = greedy ? i == best : exp(logits[i]);
    logits[i] = (float)log((1 - epsilon) * p + epsilon / n);
  }
  return chosen;
}

static gboolean round_of_policy(CwRolling *rolling, const CwAgent *agent, GError **error)
{
  guint n = rolling->running->len;
  g_ptr_array_set_size(rolling->pointers, 0);
  for (guint i = 0; i < n; i++) {
    CwSlot *slot = g_ptr_array_index(rolling->running, i);
    if (!observe_and_ask_teacher(rolling, slot, error))
      return FALSE;
    rolling->batch[i] = decision_of(slot);
    g_ptr_array_add(rolling->pointers, &rolling->batch[i]);
  }
  const CwDecision *const *decisions = (const CwDecision *const *)rolling->pointers->pdata;
  if (cw_policy_feature(agent->policy)->capabilities & CW_POLICY_ACTS)
    return policy_acts(rolling, agent, decisions, n, error);
  g_array_set_size(rolling->logits, cw_count_logits(decisions, n));
  float *logits = (float *)(gpointer)rolling->logits->data;
  if (!cw_policy_score(agent->policy, decisions, n, logits, rolling->values, error))
    return FALSE;
  gboolean has_values = (cw_policy_feature(agent->policy)->capabilities & CW_POLICY_VALUES) != 0;
  for (guint i = 0; i < n; i++) {
    CwSlot *slot = g_ptr_array_index(rolling->running, i);
    guint n_candidates = decisions[i]->n_candidates;
    guint chosen = choose(rolling, agent, slot->action_random, logits, n_candidates);
    CwAct act = {.candidate = chosen,
                 .log_probability = logits[recorded_choice(rolling, slot, chosen)],
                 .value = has_values ? rolling->values[i] : NAN};
    if (!take(rolling, slot, &act, logits, error))
      return FALSE;
    logits += n_candidates;
  }
  return TRUE;
}

gboolean cw_rolling_round(CwRolling *rolling, GError **error)
{
  static gboolean (*const round_of[])(CwRolling *, const CwAgent *,
                                      GError **) = {[CW_AGENT_RANDOM] = round_of_random,
                                                    [CW_AGENT_SCRIPT] = round_of_script,
                                                    [CW_AGENT_POLICY] = round_of_policy};
  CwRollout *rollout = rolling->rollout;
  for (guint a = 0; a < rolling->n_agents; a++) {
    const CwAgent *agent = &rolling->agents[a];
    g_ptr_array_set_size(rolling->running, 0);
    for (guint i = 0; i < rollout->n_slots; i++)
      if (rollout->slots[i].running && rollout->slots[i].agent == a)
        g_ptr_array_add(rolling->running, &rollout->slots[i]);
    if (rolling->running->len > 0 && !round_of[agent->kind](rolling, agent, error))
      return FALSE;
  }
  return TRUE;
}
