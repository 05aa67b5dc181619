/* Which decisions of a stage's trajectories are learnt from, and which goals are held out. Samples point into
 * the host's trajectories. */
#include <cartwright/learn.h>
#include <math.h>
#include <string.h>

static const CwOption rows[] = {
    CW_NUMBER(CwSampleOptions, held_out, 0.1, 0, 0.9,
              "share of the goals whose trajectories are kept from training and scored after each epoch"),
    CW_BOOLEAN(CwSampleOptions, skip_single, true,
               "leave out decisions with one candidate, which teach nothing"),
    CW_BOOLEAN(CwSampleOptions, successful_only, false, "imitate successful trajectories only"),
    CW_STRING_LIST(CwSampleOptions, agents, NULL,
                   "imitate the trajectories of these agents only; empty imitates all"),
};

const CwTable cw_sample_options = CW_TABLE_OF(CwSampleOptions, rows);

typedef struct {
  const char *key;
  guint64 hash;
} Goal;

static gint compare_goals(gconstpointer a, gconstpointer b)
{
  const Goal *x = a, *y = b;
  if (x->hash != y->hash)
    return x->hash < y->hash ? -1 : 1;
  return strcmp(x->key, y->key);
}

GHashTable *cw_hold_out(const GPtrArray *keys, double share)
{
  GHashTable *held_out = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  g_autoptr(GArray) goals = g_array_new(FALSE, FALSE, sizeof(Goal));
  for (guint i = 0; i < keys->len; i++) {
    Goal goal = {.key = keys->pdata[i]};
    if (!g_hash_table_add(seen, (gpointer)goal.key))
      continue;
    CwRandom *random = cw_random_new(0, goal.key, 0, 0);
    goal.hash = cw_random_uint64(random);
    cw_random_free(random);
    g_array_append_val(goals, goal);
  }
  g_array_sort(goals, compare_goals);
  guint n = goals->len > 1 && share > 0 ? CLAMP((guint)lround(share * goals->len), 1, goals->len - 1) : 0;
  for (guint i = 0; i < n; i++)
    g_hash_table_add(held_out, g_strdup(g_array_index(goals, Goal, i).key));
  return held_out;
}

/* Why decisions were left out, for the message when none are left. */
typedef struct {
  guint other_agents, unsuccessful, single;
} Census;

static gboolean is_wanted(const CwTrajectory *trajectory, const CwSampleOptions *options, Census *census)
{
  gboolean of_agent = !options->agents || !*options->agents ||
                      g_strv_contains((const char *const *)options->agents, trajectory->agent);
  gboolean good = trajectory->success || !options->successful_only;
  census->other_agents += of_agent ? 0 : trajectory->n_steps;
  census->unsuccessful += of_agent && !good ? trajectory->n_steps : 0;
  return of_agent && good;
}

static void add(CwSamples *samples, const CwTrajectory *trajectory, const CwSampleOptions *options,
                double discount, Census *census)
{
  g_autofree double *returns = g_new(double, MAX(trajectory->n_steps, 1));
  cw_returns(trajectory->steps, trajectory->n_steps, 0, discount, returns);
  for (guint i = 0; i < trajectory->n_steps; i++) {
    if (options->skip_single && !cw_step_is_choice(trajectory->steps[i])) {
      census->single++;
      continue;
    }
    samples->steps[samples->n] = trajectory->steps[i];
    samples->return_to_go[samples->n++] = (float)returns[i];
  }
}

gboolean cw_update_select(CwUpdate *update, const CwSampleOptions *options, double discount,
                          CwSamples *training, CwSamples *held_out, GError **error)
{
  g_auto(CwSteps) all = {0};
  if (!cw_update_steps(update, TRUE, &all, error))
    return FALSE;
  Census census = {0};
  g_autoptr(GPtrArray) keys = g_ptr_array_new_with_free_func(g_free), wanted = g_ptr_array_new();
  for (guint i = 0; i < all.n_episodes; i++) {
    const CwTrajectory *trajectory = cw_update_trajectory(update, i);
    if (!is_wanted(trajectory, options, &census))
      continue;
    g_ptr_array_add(keys, cw_trajectory_goal_key(trajectory));
    g_ptr_array_add(wanted, (gpointer)trajectory);
  }
  g_autoptr(GHashTable) out = cw_hold_out(keys, options->held_out);
  CwSamples *both[] = {training, held_out};
  for (guint i = 0; i < G_N_ELEMENTS(both); i++)
    *both[i] = (CwSamples){.steps = g_new(const CwStep *, all.n), .return_to_go = g_new(double, all.n)};
  for (guint i = 0; i < wanted->len; i++)
    add(both[g_hash_table_contains(out, keys->pdata[i])], wanted->pdata[i], options, discount, &census);
  training->n_skipped = census.single;
  if (training->n > 0)
    return TRUE;
  g_set_error(
      error, CW_ALGORITHM_ERROR, CW_ERROR_CONFIGURATION,
      "expected decisions to learn from, found none among the %u decisions of %u trajectories: %u by other "
      "agents ('agents'), %u of unsuccessful trajectories ('successful_only'), %u with a single candidate "
      "('skip_single'), %u held out ('held_out'); loosen these options or bring other trajectories",
      all.n, all.n_episodes, census.other_agents, census.unsuccessful, census.single, held_out->n);
  cw_samples_clear(training);
  cw_samples_clear(held_out);
  return FALSE;
}

void cw_samples_clear(CwSamples *samples)
{
  g_free(samples->steps);
  g_free(samples->return_to_go);
  *samples = (CwSamples){0};
}
