/* Turns trajectories into decisions to imitate: leaves out what the options exclude, and holds a share of the
 * goals out. The samples point into the trajectories, which the host owns for the whole stage. */
#include "plugins/bc/bc.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Why decisions were left out, for the message when none are left. */
typedef struct {
  guint n_decisions, other_agents, unsuccessful, single;
} Census;

static gboolean is_wanted_agent(const CwTrajectory *trajectory, const BcOptions *options)
{
  return !options->agents || !*options->agents ||
         g_strv_contains((const char *const *)options->agents, trajectory->agent);
}

static gboolean is_wanted(const CwTrajectory *trajectory, const BcOptions *options)
{
  return is_wanted_agent(trajectory, options) && (trajectory->success || !options->successful_only);
}

/* The goal, as the environment or at least the split numbers it. Free with g_free. */
static char *goal_key(const CwTrajectory *trajectory)
{
  if (*trajectory->goal_id)
    return g_strdup_printf("%s/%s", trajectory->split, trajectory->goal_id);
  return g_strdup_printf("%s#%" G_GINT64_FORMAT, trajectory->split, trajectory->goal);
}

typedef struct {
  char *key;
  guint64 hash;
} Goal;

static int compare_goals(const void *a, const void *b)
{
  const Goal *x = a, *y = b;

  if (x->hash != y->hash)
    return x->hash < y->hash ? -1 : 1;
  return strcmp(x->key, y->key);
}

/* The set of goals (owned keys) that are held out: the share asked for of them, rounded, at least
 * one and never all. */
static GHashTable *hold_out(CwUpdate *update, const BcOptions *options)
{
  GHashTable *held_out = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  g_autoptr(GArray) goals = g_array_new(FALSE, FALSE, sizeof(Goal));
  guint wanted;

  for (guint i = 0; options->held_out > 0 && i < cw_update_n_trajectories(update); i++) {
    const CwTrajectory *trajectory = cw_update_trajectory(update, i);
    Goal goal = {NULL, 0};
    CwRandom *random;

    if (!is_wanted(trajectory, options))
      continue;
    goal.key = goal_key(trajectory);
    if (g_hash_table_contains(seen, goal.key)) {
      g_free(goal.key);
      continue;
    }
    random = cw_random_new(0, goal.key, 0, 0);
    goal.hash = cw_random_uint64(random);
    cw_random_free(random);
    g_hash_table_add(seen, goal.key);
    g_array_append_val(goals, goal);
  }
  if (goals->len > 0)
    qsort(goals->data, goals->len, sizeof(Goal), compare_goals);
  wanted = goals->len > 1 ? CLAMP((guint)lround(options->held_out * goals->len), 1, goals->len - 1) : 0;
  for (guint i = 0; i < goals->len; i++) {
    char *key = g_array_index(goals, Goal, i).key;

    if (i < wanted)
      g_hash_table_add(held_out, key);
    else
      g_free(key);
  }
  return held_out;
}

static void add_to_checksum(GChecksum *checksum, const CwTrajectory *trajectory)
{
  g_autofree char *key = goal_key(trajectory);

  g_checksum_update(checksum, (const guchar *)key, (gssize)strlen(key) + 1);
  for (guint i = 0; i < trajectory->n_steps; i++) {
    const CwStep *step = trajectory->steps[i];
    g_autofree char *numbers = g_strdup_printf("%u/%u ", step->chosen, step->decision->n_candidates);
    const char *observation = step->decision->observation;

    g_checksum_update(checksum, (const guchar *)numbers, (gssize)strlen(numbers));
    g_checksum_update(checksum, (const guchar *)observation, (gssize)strlen(observation));
  }
}

static void add_samples(const CwTrajectory *trajectory, const BcOptions *options, GArray *samples,
                        Census *census)
{
  guint first = samples->len;
  double return_to_go = 0;

  for (guint i = 0; i < trajectory->n_steps; i++) {
    const CwStep *step = trajectory->steps[i];
    BcSample sample = {step->decision, step->chosen, 0, 0};

    if (step->decision->n_candidates == 1 && options->skip_single)
      census->single++;
    else
      g_array_append_val(samples, sample);
  }
  /* From the end, with the same decisions left out. */
  for (guint i = trajectory->n_steps, place = samples->len; i > 0; i--) {
    const CwStep *step = trajectory->steps[i - 1];

    return_to_go = step->reward + options->discount * return_to_go;
    if (place > first && g_array_index(samples, BcSample, place - 1).decision == step->decision)
      g_array_index(samples, BcSample, --place).return_to_go = (float)return_to_go;
  }
}

static gboolean nothing_left(CwUpdate *update, const Census *census, guint n_held_out, GError **error)
{
  g_set_error(
      error, CW_ALGORITHM_ERROR, CW_ERROR_CONFIGURATION,
      "expected decisions to learn from, found none among the %u decisions of %u trajectories: %u by other "
      "agents ('agents'), %u of unsuccessful trajectories ('successful_only'), %u with a single candidate "
      "('skip_single'), %u held out ('held_out'); loosen these options or bring other trajectories",
      census->n_decisions, cw_update_n_trajectories(update), census->other_agents, census->unsuccessful,
      census->single, n_held_out);
  return FALSE;
}

gboolean bc_data_collect(BcData *data, CwUpdate *update, const BcOptions *options, GError **error)
{
  g_autoptr(GHashTable) held_out = hold_out(update, options);
  g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
  guint n_trajectories = cw_update_n_trajectories(update);
  Census census = {0};

  data->training = g_array_new(FALSE, FALSE, sizeof(BcSample));
  data->held_out = g_array_new(FALSE, FALSE, sizeof(BcSample));
  if (n_trajectories == 0) {
    g_set_error_literal(
        error, CW_ALGORITHM_ERROR, CW_ERROR_FORMAT,
        "expected trajectories to imitate, found none; check the stage's 'trajectories' and the stage "
        "that wrote them");
    return FALSE;
  }
  for (guint i = 0; i < n_trajectories; i++) {
    const CwTrajectory *trajectory = cw_update_trajectory(update, i);
    g_autofree char *key = goal_key(trajectory);

    census.n_decisions += trajectory->n_steps;
    if (!is_wanted_agent(trajectory, options))
      census.other_agents += trajectory->n_steps;
    else if (!is_wanted(trajectory, options))
      census.unsuccessful += trajectory->n_steps;
    else
      add_samples(trajectory, options, g_hash_table_contains(held_out, key) ? data->held_out : data->training,
                  &census);
    add_to_checksum(checksum, trajectory);
  }
  data->n_skipped = census.single;
  data->fingerprint = g_strdup(g_checksum_get_string(checksum));
  if (data->training->len == 0)
    return nothing_left(update, &census, data->held_out->len, error);
  if (options->early_stop > 0 && data->held_out->len == 0) {
    g_set_error_literal(
        error, CW_ALGORITHM_ERROR, CW_ERROR_CONFIGURATION,
        "early_stop: expected held-out decisions, by which to see that nothing improves, found none; "
        "bring trajectories of more goals, or set early_stop to 0");
    return FALSE;
  }
  return TRUE;
}

void bc_data_clear(BcData *data)
{
  if (data->training)
    g_array_free(data->training, TRUE);
  if (data->held_out)
    g_array_free(data->held_out, TRUE);
  g_free(data->fingerprint);
  memset(data, 0, sizeof *data);
}
