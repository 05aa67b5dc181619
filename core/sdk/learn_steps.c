/* The steps of an update's episodes or of a stage's trajectories as flat arrays, and what identifies them. */
#include <cartwright/learn.h>
#include <string.h>

static const CwTrajectory *nth(CwUpdate *update, gboolean trajectories, guint i)
{
  return trajectories ? cw_update_trajectory(update, i) : cw_update_episode(update, i);
}

/* There is something to learn from: trajectories, or a step of an episode. */
static gboolean check_any(gboolean trajectories, guint n, guint n_steps, GError **error)
{
  if (trajectories ? n > 0 : n_steps > 0)
    return TRUE;
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

/* One candidate is no choice; the words of a policy always are one. */
gboolean cw_step_is_choice(const CwStep *step)
{
  return step->chosen == CW_WORDS || step->decision->n_candidates > 1;
}

static gboolean gather(CwUpdate *update, gboolean trajectories, gboolean choices, CwSteps *steps,
                       GError **error)
{
  guint n = trajectories ? cw_update_n_trajectories(update) : cw_update_n_episodes(update), n_steps = 0;
  for (guint i = 0; i < n; i++)
    n_steps += nth(update, trajectories, i)->n_steps;
  *steps = (CwSteps){.n_episodes = n};
  if (!check_any(trajectories, n, n_steps, error))
    return FALSE;
  steps->steps = g_new(const CwStep *, MAX(n_steps, 1));
  steps->first = g_new0(guint, n + 1);
  steps->after = g_new(const CwDecision *, n);
  for (guint i = 0; i < n; i++) {
    const CwTrajectory *episode = nth(update, trajectories, i);
    steps->after[i] = episode->after;
    for (guint j = 0; j < episode->n_steps; j++) {
      gboolean is_single = !cw_step_is_choice(episode->steps[j]);
      steps->n_single += is_single;
      if (!is_single || !choices)
        steps->steps[steps->n++] = episode->steps[j];
    }
    steps->n_empty += steps->n == steps->first[i];
    steps->first[i + 1] = steps->n;
  }
  return TRUE;
}

gboolean cw_update_steps(CwUpdate *update, gboolean trajectories, CwSteps *steps, GError **error)
{
  return gather(update, trajectories, FALSE, steps, error);
}

gboolean cw_update_choices(CwUpdate *update, gboolean trajectories, CwSteps *steps, GError **error)
{
  return gather(update, trajectories, TRUE, steps, error);
}

gboolean cw_score_after(CwUpdate *update, CwPolicy *network, const CwSteps *steps, gboolean values,
                        const CwLearningOptions *options, double *after, GError **error)
{
  g_autofree CwStep *made = g_new0(CwStep, steps->n_episodes);
  g_autofree const CwStep **items = g_new(const CwStep *, steps->n_episodes);
  CwItems all = {.steps = items, .with_values = values};
  for (guint e = 0; e < steps->n_episodes; e++) {
    made[e].decision = steps->after[e];
    if (steps->after[e])
      items[all.n++] = &made[e];
  }
  g_auto(CwScores) scores = {0};
  if (!cw_score(update, network, &all, NULL, options, &scores, error))
    return FALSE;
  for (guint e = 0, i = 0; e < steps->n_episodes; e++) {
    after[e] = 0;
    if (!steps->after[e])
      continue;
    after[e] = values ? scores.value[i] : scores.logits[scores.first[i]];
    for (gsize k = scores.first[i]; !values && k < scores.first[i + 1]; k++)
      after[e] = MAX(after[e], scores.logits[k]);
    i++;
  }
  return TRUE;
}

void cw_steps_clear(CwSteps *steps)
{
  g_free(steps->steps);
  g_free(steps->first);
  g_free(steps->after);
  *steps = (CwSteps){0};
}

char *cw_trajectory_goal_key(const CwTrajectory *trajectory)
{
  if (*trajectory->goal_id)
    return g_strdup_printf("%s/%s", trajectory->split, trajectory->goal_id);
  return g_strdup_printf("%s#%" G_GINT64_FORMAT, trajectory->split, trajectory->goal);
}

static double mean_of_episodes(CwUpdate *update, gboolean success)
{
  guint n = cw_update_n_episodes(update);
  double sum = 0;
  for (guint i = 0; i < n; i++) {
    const CwTrajectory *episode = cw_update_episode(update, i);
    sum += (success ? episode->success : episode->total_reward) / n;
  }
  return sum;
}

double cw_update_mean_return(CwUpdate *update)
{
  return mean_of_episodes(update, FALSE);
}

double cw_update_success(CwUpdate *update)
{
  return mean_of_episodes(update, TRUE);
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
