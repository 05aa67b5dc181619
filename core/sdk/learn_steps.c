/* The steps of an update's episodes or of a stage's trajectories as flat arrays, and what identifies them. */
#include <cartwright/learn.h>
#include <string.h>

/* One candidate is no choice; the words of a policy always are one. */
gboolean cw_step_is_choice(const CwStep *step)
{
  return step->chosen == CW_WORDS || step->decision->n_candidates > 1;
}

gboolean cw_update_steps(CwUpdate *update, gboolean trajectories, CwSteps *steps, GError **error)
{
  guint n = trajectories ? cw_update_n_trajectories(update) : cw_update_n_episodes(update), n_steps = 0;
  *steps = (CwSteps){.n_episodes = n};
  for (guint i = 0; i < n; i++) {
    const CwTrajectory *episode =
        trajectories ? cw_update_trajectory(update, i) : cw_update_episode(update, i);
    n_steps += episode->n_steps;
  }
  if (trajectories ? n == 0 : n_steps == 0) {
    if (trajectories)
      g_set_error_literal(
          error, CW_ALGORITHM_ERROR, CW_ERROR_CONFIGURATION,
          "expected trajectories to learn from, found none; check the stage's 'trajectories' and the "
          "stage that wrote them");
    else
      g_set_error(error, CW_ALGORITHM_ERROR, CW_ERROR_FAILED,
                  "expected episodes with decisions, found %u episodes without a single one", n);
    return FALSE;
  }
  steps->steps = g_new(const CwStep *, MAX(n_steps, 1));
  steps->first = g_new(guint, n + 1);
  for (guint i = 0; i < n; i++) {
    const CwTrajectory *episode =
        trajectories ? cw_update_trajectory(update, i) : cw_update_episode(update, i);
    steps->first[i] = steps->n;
    steps->n_empty += episode->n_steps == 0;
    for (guint j = 0; j < episode->n_steps; j++) {
      steps->n_single += !cw_step_is_choice(episode->steps[j]);
      steps->steps[steps->n++] = episode->steps[j];
    }
  }
  steps->first[n] = steps->n;
  return TRUE;
}

gboolean cw_update_choices(CwUpdate *update, gboolean trajectories, CwSteps *steps, GError **error)
{
  if (!cw_update_steps(update, trajectories, steps, error))
    return FALSE;
  guint n = 0, begin = 0;
  steps->n_empty = 0;
  for (guint e = 0; e < steps->n_episodes; e++) {
    guint end = steps->first[e + 1];
    for (guint i = begin; i < end; i++)
      if (cw_step_is_choice(steps->steps[i]))
        steps->steps[n++] = steps->steps[i];
    steps->n_empty += n == steps->first[e];
    steps->first[e + 1] = n;
    begin = end;
  }
  steps->n = n;
  return TRUE;
}

void cw_steps_clear(CwSteps *steps)
{
  g_free(steps->steps);
  g_free(steps->first);
  *steps = (CwSteps){0};
}

char *cw_trajectory_goal_key(const CwTrajectory *trajectory)
{
  if (*trajectory->goal_id)
    return g_strdup_printf("%s/%s", trajectory->split, trajectory->goal_id);
  return g_strdup_printf("%s#%" G_GINT64_FORMAT, trajectory->split, trajectory->goal);
}

double cw_update_mean_return(CwUpdate *update)
{
  guint n = cw_update_n_episodes(update);
  double sum = 0;
  for (guint i = 0; i < n; i++)
    sum += cw_update_episode(update, i)->total_reward / n;
  return sum;
}

double cw_update_success(CwUpdate *update)
{
  guint n = cw_update_n_episodes(update);
  double sum = 0;
  for (guint i = 0; i < n; i++)
    sum += (cw_update_episode(update, i)->success ? 1.0 : 0) / n;
  return sum;
}

static void add_text(GChecksum *checksum, const char *text)
{
  g_checksum_update(checksum, (const guchar *)text, (gssize)strlen(text) + 1);
}

char *cw_update_trajectories_fingerprint(CwUpdate *update)
{
  g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
  for (guint i = 0; i < cw_update_n_trajectories(update); i++) {
    const CwTrajectory *trajectory = cw_update_trajectory(update, i);
    g_autofree char *key = cw_trajectory_goal_key(trajectory);
    add_text(checksum, key);
    g_checksum_update(checksum, (const guchar *)&trajectory->total_reward, sizeof trajectory->total_reward);
    for (guint j = 0; j < trajectory->n_steps; j++) {
      const CwStep *step = trajectory->steps[j];
      g_autofree char *numbers = g_strdup_printf("%u/%u ", step->chosen, step->decision->n_candidates);
      g_checksum_update(checksum, (const guchar *)numbers, (gssize)strlen(numbers));
      add_text(checksum, step->decision->observation);
      if (step->chosen == CW_WORDS)
        add_text(checksum, step->action);
    }
  }
  return g_strdup(g_checksum_get_string(checksum));
}

gboolean cw_update_same_trajectories(CwUpdate *update, char **fingerprint, GError **error)
{
  g_autofree char *found = cw_update_trajectories_fingerprint(update);
  if (*fingerprint && **fingerprint && !g_str_equal(*fingerprint, found)) {
    g_set_error_literal(
        error, CW_ALGORITHM_ERROR, CW_ERROR_CONFIGURATION,
        "expected the trajectories that this stage began with, found others; bring the old files back, "
        "or start the run afresh");
    return FALSE;
  }
  g_free(*fingerprint);
  *fingerprint = g_steal_pointer(&found);
  return TRUE;
}
