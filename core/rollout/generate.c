/* Rolls out an agent and writes every episode that is to be kept as soon as its turn has come, so that memory
 * does not grow with the file; of what was written only the actions are remembered, to know duplicates.
 * Places to go on from, and the end, lie between groups, the episodes of one goal: a resumed call goes on as
 * if it had never stopped. */
#include "core/rollout/generate.h"
#include "core/rollout/goal_order.h"
#include "core/rollout/prune.h"
#include "core/trajectory/journal.h"
#include <string.h>

typedef struct {
  const CwGenerateRequest *request;
  guint group_size;
  gboolean selects; /* only successful episodes are kept */
  CwGenerateCounts *counts;
  CwJournal *journal;
  GKeyFile *state;    /* the counts after the last whole group */
  GHashTable *seen;   /* char *: goal and actions of what was written, when duplicates are dropped */
  CwSession *session; /* for pruning; NULL without */
  CwRandom *random;
  /* The present group. */
  GPtrArray *rejected; /* CwTrajectory * */
  gboolean group_has_success;
  CwWorkProgress progress;
  gpointer user_data;
} Generating;

/* Goal and actions: what makes two trajectories the same. Free with g_free. */
static char *identity(const CwTrajectory *trajectory)
{
  GString *text = g_string_new(NULL);
  g_string_append_printf(text, "%s %" G_GINT64_FORMAT, trajectory->split, trajectory->goal);
  for (guint i = 0; i < trajectory->n_steps; i++) {
    const CwStep *step = trajectory->steps[i];
    g_string_append_c(text, '\n');
    g_string_append(text, step->action);
  }
  return g_string_free(text, FALSE);
}

/* TRUE when the like has not been written yet, which it then counts as. */
static gboolean is_new(Generating *generating, const CwTrajectory *trajectory)
{
  return !generating->seen || g_hash_table_add(generating->seen, identity(trajectory));
}

/* Puts a shorter trajectory in the place of *trajectory where that can be. */
static gboolean prune(Generating *generating, CwTrajectory **trajectory, GError **error)
{
  const CwGenerateRequest *request = generating->request;
  CwTrajectory *pruned;
  gboolean refused;
  cw_rollout_restart_environment(generating->random, request->seed, request->purpose, (*trajectory)->goal,
                                 (*trajectory)->episode);
  if (!cw_prune_loops(generating->session, generating->random, *trajectory, &pruned, &refused, error))
    return FALSE;
  generating->counts->n_refused += refused ? 1 : 0;
  if (!pruned)
    return TRUE;
  generating->counts->n_pruned++;
  generating->counts->n_pruned_steps += (*trajectory)->n_steps - pruned->n_steps;
  cw_trajectory_unref(*trajectory);
  *trajectory = pruned;
  return TRUE;
}

static gboolean keep(Generating *generating, CwEpisode *episode, CwYield *yield, GError **error)
{
  CwGenerateCounts *counts = generating->counts;
  guint64 n_perfect = generating->request->n_perfect;
  if (n_perfect > 0 && counts->n_kept == n_perfect)
    return TRUE;
  if (generating->session && !prune(generating, &episode->trajectory, error))
    return FALSE;
  if (!is_new(generating, episode->trajectory)) {
    counts->n_duplicates++;
    return TRUE;
  }
  counts->n_kept++;
  if (yield)
    yield->n_kept++;
  return cw_journal_add(generating->journal, 0, episode->trajectory, error);
}

/* Tells the siblings of a success apart from episodes that nothing can be held against. */
static gboolean write_rejected(Generating *generating, GError **error)
{
  gboolean good = TRUE;
  for (guint i = 0; i < generating->rejected->len && generating->group_has_success && good; i++) {
    const CwTrajectory *trajectory = generating->rejected->pdata[i];
    if (!is_new(generating, trajectory))
      continue;
    generating->counts->n_rejected++;
    good = cw_journal_add(generating->journal, 1, trajectory, error);
  }
  g_ptr_array_set_size(generating->rejected, 0);
  generating->group_has_success = FALSE;
  return good;
}

static gboolean finish_group(Generating *generating, CwEpisode *episode, GError **error)
{
  const CwGenerateRequest *request = generating->request;
  if (!write_rejected(generating, error))
    return FALSE;
  generating->counts->n_groups++;
  episode->enough = request->n_perfect > 0 && generating->counts->n_kept == request->n_perfect;
  cw_generate_counts_save(generating->counts, generating->state);
  return cw_journal_mark(generating->journal, generating->state, error);
}

static void report(const Generating *generating)
{
  const CwGenerateCounts *counts = generating->counts;
  const CwGenerateRequest *request = generating->request;
  char text[96];
  if (request->n_perfect > 0)
    g_snprintf(text, sizeof text, "perfect, of %" G_GUINT64_FORMAT " episodes, score %.1f",
               counts->n_episodes, cw_generate_score(counts));
  else
    g_snprintf(text, sizeof text, "score %.1f", cw_generate_score(counts));
  if (generating->progress)
    generating->progress(request->n_perfect > 0 ? counts->n_kept : counts->n_episodes,
                         request->n_perfect > 0 ? request->n_perfect : request->n_episodes, text,
                         generating->user_data);
}

static gboolean episode_finished(CwEpisode *episode, gpointer user_data, GError **error)
{
  Generating *generating = user_data;
  CwGenerateCounts *counts = generating->counts;
  const char *category = cw_episode_fact(episode, "category");
  CwYield *yield = category ? cw_generate_yield(counts, category) : NULL;
  counts->n_episodes++;
  counts->n_decisions += episode->n_steps;
  counts->reward_sum += episode->total_reward;
  if (episode->success)
    counts->n_successful++;
  if (yield) {
    yield->n_episodes++;
    yield->n_successful += episode->success ? 1 : 0;
  }
  generating->group_has_success |= episode->success;
  if (episode->success || !generating->selects) {
    if (!keep(generating, episode, yield, error))
      return FALSE;
  } else if (generating->request->rejected_path)
    g_ptr_array_add(generating->rejected, g_steal_pointer(&episode->trajectory));
  if ((counts->n_episodes % generating->group_size == 0 ||
       counts->n_episodes == generating->request->n_episodes) &&
      !finish_group(generating, episode, error))
    return FALSE;
  report(generating);
  return TRUE;
}

/* Takes up what an interrupted call left: its counts, and what it wrote. */
static gboolean take_up(Generating *generating, GError **error)
{
  GKeyFile *state = cw_journal_state(generating->journal);
  g_autoptr(GPtrArray) written = g_ptr_array_new_with_free_func((GDestroyNotify)cw_trajectory_unref);
  if (!state)
    return TRUE;
  if (!cw_generate_counts_load(generating->counts, state, error))
    return FALSE;
  if (generating->seen && (!cw_journal_read(generating->journal, 0, written, error) ||
                           !cw_journal_read(generating->journal, 1, written, error)))
    return FALSE;
  for (guint i = 0; i < written->len; i++)
    g_hash_table_add(generating->seen, identity(written->pdata[i]));
  return TRUE;
}

/* The goals of the groups that are left. */
static gint64 *choose_goals(const Generating *generating, guint64 n_goals, guint64 n_groups)
{
  const CwGenerateRequest *request = generating->request;
  guint64 first = request->first_group + generating->counts->n_groups;
  gint64 *goals = g_new(gint64, n_groups);
  CwGoalOrder *order = request->shuffled || request->n_perfect > 0
                           ? cw_goal_order_new(request->seed, request->order, (guint32)n_goals)
                           : NULL;
  for (guint64 i = 0; i < n_groups; i++)
    goals[i] = order ? cw_goal_order_at(order, first + i) : (gint64)((first + i) % n_goals);
  cw_goal_order_free(order);
  return goals;
}

static gboolean roll_out(Generating *generating, CwRollout *rollout, const CwAgent *agent, guint64 n_goals,
                         GError **error)
{
  const CwGenerateRequest *request = generating->request;
  const CwGenerateCounts *counts = generating->counts;
  guint64 n_left = request->n_episodes - MIN(counts->n_episodes, request->n_episodes);
  guint64 n_groups = (n_left + generating->group_size - 1) / generating->group_size;
  if (n_left == 0 || (request->n_perfect > 0 && counts->n_kept == request->n_perfect))
    return TRUE;
  g_autofree gint64 *goals = choose_goals(generating, n_goals, n_groups);
  CwRolloutPlan plan = {.seed = request->seed,
                        .purpose = request->purpose,
                        .split = request->split,
                        .goals = goals,
                        .first_episode = request->first_group * generating->group_size + counts->n_episodes,
                        .first_group = request->first_group + counts->n_groups,
                        .n_episodes = n_left,
                        .group_size = generating->group_size,
                        .keep_steps = TRUE,
                        .keep_probabilities = request->probabilities,
                        .teacher = request->teacher,
                        .stoppable = TRUE};
  return cw_rollout_run(rollout, &plan, agent, episode_finished, generating, NULL, error);
}

/* Closes the journal. After an interrupt or trouble what was done stays for the next time. */
static gboolean finish(Generating *generating, const char *agent, const char *path, GError *problem,
                       GError **error)
{
  const CwGenerateCounts *counts = generating->counts;
  CwJournal *journal = g_steal_pointer(&generating->journal);
  if (!problem && counts->n_kept > 0)
    return cw_journal_commit(journal, error);
  if (problem) {
    cw_journal_leave(journal);
    g_propagate_error(error, problem);
    return FALSE;
  }
  cw_journal_discard(journal);
  g_set_error(
      error, CW_RUN_ERROR, CW_ERROR_FAILED,
      "none of the %" G_GUINT64_FORMAT " episodes of '%s' on split '%s' was successful, so '%s' would be "
      "empty; ask for more episodes%s",
      counts->n_episodes, agent, generating->request->split, path,
      generating->request->n_perfect > 0 ? ", or for another agent" : ", or set successful_only to false");
  return FALSE;
}

/* The number of goals of the split, at least one; 0 with error. */
static guint32 count_goals(CwEnvironment *environment, const char *split, GError **error)
{
  gint64 n_goals = cw_environment_n_goals(environment, split, error);
  if (n_goals > 0 && n_goals <= G_MAXUINT32)
    return (guint32)n_goals;
  if (n_goals >= 0)
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
                n_goals == 0 ? "cannot generate: split '%s' has no goals"
                             : "cannot generate: split '%s' is too large",
                split);
  return 0;
}

gboolean cw_generate(CwRollout *rollout, const CwAgent *agent, const CwGenerateRequest *request,
                     const char *path, CwGenerateCounts *counts, CwWorkProgress progress, gpointer user_data,
                     GError **error)
{
  cw_generate_counts_clear(counts);
  CwEnvironment *environment = cw_rollout_environment(rollout);
  guint32 n_goals = count_goals(environment, request->split, error);
  if (n_goals == 0)
    return FALSE;
  g_autoptr(GKeyFile) state = g_key_file_new();
  g_autoptr(GPtrArray) rejected = g_ptr_array_new_with_free_func((GDestroyNotify)cw_trajectory_unref);
  g_autoptr(GHashTable) seen =
      request->n_perfect > 0 ? g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL) : NULL;
  Generating generating = {.request = request,
                           .group_size = MAX(request->per_goal, 1),
                           .selects = request->successful_only || request->n_perfect > 0,
                           .counts = counts,
                           .state = state,
                           .seen = seen,
                           .rejected = rejected,
                           .progress = progress,
                           .user_data = user_data};
  gboolean good =
      (!request->prune_loops || (generating.session = cw_session_new(environment, error))) &&
      (generating.journal = cw_journal_open(path, request->rejected_path, request->resumable, error));
  if (good) {
    GError *problem = NULL;
    generating.random = cw_random_new(request->seed, request->purpose, 0, 0);
    if (take_up(&generating, &problem))
      roll_out(&generating, rollout, agent, n_goals, &problem);
    good = finish(&generating, agent->name, path, problem, error);
    cw_random_free(generating.random);
  }
  cw_session_free(generating.session);
  return good;
}
