/* The stage's sessions as DPO sees them: the decisions that offer a choice, the
 * units that a pass goes through, and the reference's logits. The latter are
 * scored when first needed; references.c keeps them over a stop. */
#include "plugins/common/batches.h"
#include "plugins/common/trajectories.h"
#include "plugins/dpo/dpo.h"
#include <string.h>

void dpo_session_init(DpoSession *session, const CwTrajectory *trajectory)
{
  session->n = 0;
  session->decisions = g_new(const CwDecision *, trajectory->n_steps);
  session->chosen = g_new(guint, trajectory->n_steps);
  for (guint i = 0; i < trajectory->n_steps; i++) {
    const CwStep *step = trajectory->steps[i];

    if (step->decision->n_candidates > 1) {
      session->decisions[session->n] = step->decision;
      session->chosen[session->n++] = step->chosen;
    }
  }
}

void dpo_session_clear(DpoSession *session)
{
  g_free(session->decisions);
  g_free(session->chosen);
}

static guint count_choices(const CwTrajectory *trajectory)
{
  guint n = 0;

  for (guint i = 0; i < trajectory->n_steps; i++)
    n += trajectory->steps[i]->decision->n_candidates > 1 ? 1 : 0;
  return n;
}

gboolean dpo_data_init(DpoData *data, CwUpdate *update, GError **error)
{
  memset(data, 0, sizeof *data);
  data->n_trajectories = cw_update_n_trajectories(update);
  if (data->n_trajectories == 0) {
    g_set_error_literal(
        error, CW_ALGORITHM_ERROR, CW_ERROR_CONFIGURATION,
        "expected trajectories to learn from, found none; check the stage's 'trajectories' and the "
        "stage that wrote them");
    return FALSE;
  }
  for (guint i = 0; i < data->n_trajectories; i++) {
    const CwTrajectory *trajectory = cw_update_trajectory(update, i);
    guint n_choices = count_choices(trajectory);

    data->n_empty += n_choices == 0 ? 1 : 0;
    data->n_single += trajectory->n_steps - n_choices;
  }
  data->fingerprint = common_fingerprint(update);
  data->references = g_new0(float *, data->n_trajectories);
  return dpo_references_open(data, update, error);
}

void dpo_data_clear(DpoData *data)
{
  for (guint i = 0; data->references && i < data->n_trajectories; i++)
    g_free(data->references[i]);
  g_free(data->references);
  cw_cache_close(data->cache);
  g_free(data->fingerprint);
  if (data->units)
    g_array_free(data->units, TRUE);
  memset(data, 0, sizeof *data);
}

static void add_decision_units(DpoData *data, CwUpdate *update, const DpoOptions *options)
{
  for (guint i = 0; i < data->n_trajectories; i++) {
    guint n = count_choices(cw_update_trajectory(update, i));

    if (n > 0 && options->update_tokens == 0) {
      DpoUnit unit = {.trajectory = i, .step = DPO_ALL};

      g_array_append_val(data->units, unit);
    }
    for (guint step = 0; options->update_tokens > 0 && step < n; step++) {
      DpoUnit unit = {.trajectory = i, .step = step};

      g_array_append_val(data->units, unit);
    }
  }
}

/* Fisher-Yates, as cw_random_shuffle does it. */
static void shuffle_units(CwRandom *random, DpoUnit *units, guint n)
{
  for (guint i = n; i > 1; i--) {
    guint j = cw_random_below(random, i);
    DpoUnit unit = units[i - 1];

    units[i - 1] = units[j];
    units[j] = unit;
  }
}

/* All pairs of sessions of one goal, or a random choice of them. */
static void add_goal_units(DpoData *data, CwUpdate *update, const DpoOptions *options, const GArray *sessions,
                           CwRandom *random)
{
  guint first = data->units->len, limit = (guint)options->pairs_per_goal;

  for (guint i = 0; i < sessions->len; i++) {
    for (guint j = 0; j < sessions->len; j++) {
      DpoUnit unit = {g_array_index(sessions, guint, i), g_array_index(sessions, guint, j), DPO_ALL};
      double gap = cw_update_trajectory(update, unit.trajectory)->total_reward -
                   cw_update_trajectory(update, unit.worse)->total_reward;

      if (gap > options->minimum_gap)
        g_array_append_val(data->units, unit);
    }
  }
  if (data->units->len == first)
    data->n_goals_without_pair++;
  if (limit > 0 && data->units->len - first > limit) {
    shuffle_units(random, &g_array_index(data->units, DpoUnit, first), data->units->len - first);
    g_array_set_size(data->units, first + limit);
  }
}

static void free_sessions(gpointer sessions)
{
  g_array_free(sessions, TRUE);
}

static void add_trajectory_units(DpoData *data, CwUpdate *update, const DpoOptions *options, CwRandom *random)
{
  g_autoptr(GHashTable) of_goal = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(GPtrArray) goals = g_ptr_array_new_with_free_func(free_sessions); /* in order of appearance */

  for (guint i = 0; i < data->n_trajectories; i++) {
    const CwTrajectory *trajectory = cw_update_trajectory(update, i);
    g_autofree char *key = common_goal_key(trajectory);
    GArray *sessions = g_hash_table_lookup(of_goal, key);

    if (!sessions) {
      sessions = g_array_new(FALSE, FALSE, sizeof(guint));
      g_ptr_array_add(goals, sessions);
      g_hash_table_insert(of_goal, g_steal_pointer(&key), sessions);
    }
    if (count_choices(trajectory) > 0)
      g_array_append_val(sessions, i);
  }
  data->n_goals = goals->len;
  data->n_goals_without_pair = 0;
  for (guint i = 0; i < goals->len; i++)
    add_goal_units(data, update, options, g_ptr_array_index(goals, i), random);
}

gboolean dpo_data_begin_pass(DpoData *data, CwUpdate *update, const DpoOptions *options, guint32 seed,
                             guint64 pass, GError **error)
{
  CwRandom *random = cw_random_new(seed, "dpo pass", 0, pass);

  if (!data->units)
    data->units = g_array_new(FALSE, FALSE, sizeof(DpoUnit));
  g_array_set_size(data->units, 0);
  if (options->granularity == DPO_DECISION)
    add_decision_units(data, update, options);
  else
    add_trajectory_units(data, update, options, random);
  shuffle_units(random, (DpoUnit *)(gpointer)data->units->data, data->units->len);
  cw_random_free(random);
  if (data->units->len > 0)
    return TRUE;
  if (options->granularity == DPO_DECISION)
    g_set_error(
        error, CW_ALGORITHM_ERROR, CW_ERROR_CONFIGURATION,
        "expected decisions with at least two candidates, found none in %u trajectories (%u decisions with a "
        "single one); bring other trajectories",
        data->n_trajectories, data->n_single);
  else
    g_set_error(
        error, CW_ALGORITHM_ERROR, CW_ERROR_CONFIGURATION,
        "expected two trajectories of one goal whose rewards differ by more than %g, found none among %u "
        "trajectories of %u goals (%u trajectories without a choice); generate several episodes per goal and "
        "keep the unsuccessful ones, or set granularity to decision",
        options->minimum_gap, data->n_trajectories, data->n_goals, data->n_empty);
  return FALSE;
}

const float *dpo_data_reference(DpoData *data, CwUpdate *update, guint trajectory, guint64 budget,
                                GError **error)
{
  DpoSession session;
  guint n_logits;

  if (data->references[trajectory])
    return data->references[trajectory];
  dpo_session_init(&session, cw_update_trajectory(update, trajectory));
  n_logits = cw_count_logits(session.decisions, session.n);
  data->references[trajectory] = g_new(float, n_logits);
  if (!common_score(cw_update_reference(update), session.decisions, session.n, budget,
                    data->references[trajectory], NULL, error) ||
      (data->cache && !cw_cache_add(data->cache, trajectory, data->references[trajectory], n_logits, error)))
    g_clear_pointer(&data->references[trajectory], g_free);
  dpo_session_clear(&session);
  return data->references[trajectory];
}

static guint64 count_session_tokens(CwUpdate *update, guint trajectory, guint step)
{
  guint64 tokens = 0;
  DpoSession session;

  dpo_session_init(&session, cw_update_trajectory(update, trajectory));
  for (guint i = 0; i < session.n; i++)
    if (step == DPO_ALL || step == i)
      tokens += cw_policy_count_tokens(cw_update_policy(update), session.decisions[i]);
  dpo_session_clear(&session);
  return tokens;
}

guint64 dpo_data_tokens(CwUpdate *update, const DpoUnit *unit, const DpoOptions *options)
{
  guint64 tokens = count_session_tokens(update, unit->trajectory, unit->step);

  if (options->granularity == DPO_TRAJECTORY)
    tokens += count_session_tokens(update, unit->worse, DPO_ALL);
  return tokens;
}
