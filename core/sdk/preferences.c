/* The reference's logits for the stage's trajectories, scored when first needed and kept on disk: a cache in
 * the stage's directory, whose name is a hash of the reference's weights and of all decisions, so that a file
 * of another reference or of other trajectories is never taken for this one's. And pairs of trajectories. */
#include <cartwright/cache.h>
#include <cartwright/preferences.h>
#include <math.h>
#include <string.h>

struct CwReferences {
  CwUpdate *update;
  CwSteps steps; /* with a choice, by trajectory */
  float **rows;  /* per trajectory; NULL: not scored yet */
  CwCache *cache;
};

static void add_text(GChecksum *checksum, const char *text)
{
  g_checksum_update(checksum, (const guchar *)text, (gssize)strlen(text) + 1);
}

/* NULL when the backend does not show its weights. Free with g_free. */
static char *key_of(CwUpdate *update)
{
  g_autofree char *weights = cw_policy_fingerprint(cw_update_reference(update));
  g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
  if (!weights)
    return NULL;
  add_text(checksum, weights);
  for (guint i = 0; i < cw_update_n_trajectories(update); i++) {
    const CwTrajectory *trajectory = cw_update_trajectory(update, i);
    guint32 n_steps = trajectory->n_steps;
    g_checksum_update(checksum, (const guchar *)&n_steps, sizeof n_steps);
    for (guint j = 0; j < trajectory->n_steps; j++) {
      const CwDecision *decision = trajectory->steps[j]->decision;
      guint32 n_candidates = decision->n_candidates;
      g_checksum_update(checksum, (const guchar *)&n_candidates, sizeof n_candidates);
      add_text(checksum, decision->observation);
      for (guint k = 0; k < decision->n_candidates; k++)
        add_text(checksum, decision->candidates[k]);
    }
  }
  return g_strdup(g_checksum_get_string(checksum));
}

static guint count_logits(const CwSteps *steps, guint trajectory)
{
  guint n = 0;
  for (guint i = steps->first[trajectory]; i < steps->first[trajectory + 1]; i++)
    n += steps->steps[i]->decision->n_candidates;
  return n;
}

static gboolean take_row(guint32 trajectory, const float *logits, guint32 n_logits, gpointer data)
{
  CwReferences *references = data;
  if (trajectory >= references->steps.n_episodes || n_logits != count_logits(&references->steps, trajectory))
    return FALSE;
  g_free(references->rows[trajectory]);
  references->rows[trajectory] = g_memdup2(logits, n_logits * sizeof *logits);
  return TRUE;
}

static gboolean open_cache(CwReferences *references, GError **error)
{
  g_autofree char *key = key_of(references->update);
  if (!key)
    return TRUE;
  const char *scratch = cw_update_scratch(references->update, error);
  if (!scratch)
    return FALSE;
  g_autofree char *name = g_strdup_printf("references-%.32s.bin", key);
  g_autofree char *path = g_build_filename(scratch, name, NULL);
  references->cache = cw_cache_open(path, take_row, references, error);
  return references->cache != NULL;
}

CwReferences *cw_references_open(CwUpdate *update, GError **error)
{
  CwReferences *references = g_new0(CwReferences, 1);
  references->update = update;
  if (cw_update_choices(update, TRUE, &references->steps, error)) {
    references->rows = g_new0(float *, references->steps.n_episodes + 1);
    if (open_cache(references, error))
      return references;
  }
  cw_references_free(references);
  return NULL;
}

const float *cw_references_logits(CwReferences *references, guint trajectory,
                                  const CwLearningOptions *options, GError **error)
{
  CwSteps *steps = &references->steps;
  float **row = &references->rows[trajectory];
  if (*row)
    return *row;
  CwItems items = {.steps = steps->steps + steps->first[trajectory],
                   .n = steps->first[trajectory + 1] - steps->first[trajectory]};
  g_auto(CwScores) scores = {0};
  if (!cw_score(references->update, cw_update_reference(references->update), &items, NULL, options, &scores,
                error))
    return NULL;
  guint n = count_logits(steps, trajectory);
  if (references->cache && !cw_cache_add(references->cache, trajectory, scores.logits, n, error))
    return NULL;
  return *row = g_steal_pointer(&scores.logits);
}

const CwSteps *cw_references_choices(const CwReferences *references)
{
  return &references->steps;
}

gboolean cw_references_compare(CwReferences *references, guint trajectory, gboolean means,
                               const CwLearningOptions *options, CwTrajectoryScore *score, double *kl,
                               GError **error)
{
  const CwSteps *steps = &references->steps;
  guint first = steps->first[trajectory], n = steps->first[trajectory + 1] - first;
  *score = (CwTrajectoryScore){.items = {.steps = steps->steps + first, .n = n}, .length = means ? n : 1};
  const float *logits = cw_references_logits(references, trajectory, options, error);
  g_auto(CwScores) scores = {0};
  if (!logits || !cw_score(references->update, NULL, &score->items, NULL, options, &scores, error))
    return FALSE;
  for (guint i = 0; i < n; i++) {
    const CwStep *step = score->items.steps[i];
    guint n_candidates = step->decision->n_candidates;
    g_autofree double *log_q = g_new(double, n_candidates);
    cw_log_probabilities(logits, n_candidates, log_q);
    score->log_probability += scores.log_probability[i] / score->length;
    score->gain += (scores.log_probability[i] - log_q[step->chosen]) / score->length;
    for (guint k = 0; k < n_candidates; k++)
      *kl += exp(scores.rows[i][k]) * (scores.rows[i][k] - log_q[k]);
    logits += n_candidates;
  }
  return TRUE;
}

void cw_references_free(CwReferences *references)
{
  if (!references)
    return;
  for (guint i = 0; references->rows && i < references->steps.n_episodes; i++)
    g_free(references->rows[i]);
  g_free(references->rows);
  cw_steps_clear(&references->steps);
  cw_cache_close(references->cache);
  g_free(references);
}

void cw_pairs_shuffle(CwPair *pairs, guint n, CwRandom *random)
{
  for (guint i = n; i > 1; i--) {
    guint j = cw_random_below(random, i);
    CwPair pair = pairs[i - 1];
    pairs[i - 1] = pairs[j];
    pairs[j] = pair;
  }
}

/* Of the trajectories of one goal. */
static void add_pairs(GArray *pairs, CwUpdate *update, const GArray *trajectories, double gap, guint most,
                      CwRandom *random)
{
  guint first = pairs->len;
  for (guint i = 0; i < trajectories->len; i++)
    for (guint j = 0; j < trajectories->len; j++) {
      CwPair pair = {g_array_index(trajectories, guint, i), g_array_index(trajectories, guint, j)};
      if (cw_update_trajectory(update, pair.better)->total_reward -
              cw_update_trajectory(update, pair.worse)->total_reward >
          gap)
        g_array_append_val(pairs, pair);
    }
  if (most == 0 || pairs->len - first <= most)
    return;
  cw_pairs_shuffle(&g_array_index(pairs, CwPair, first), pairs->len - first, random);
  g_array_set_size(pairs, first + most);
}

GArray *cw_pairs_of_goals(CwUpdate *update, const CwSteps *choices, double gap, guint most, CwRandom *random,
                          guint *n_goals, guint *n_without)
{
  g_autoptr(GHashTable) of_goal = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(GPtrArray) goals = g_ptr_array_new_with_free_func((GDestroyNotify)g_array_unref);
  GArray *pairs = g_array_new(FALSE, FALSE, sizeof(CwPair));
  for (guint i = 0; i < choices->n_episodes; i++) {
    g_autofree char *key = cw_trajectory_goal_key(cw_update_trajectory(update, i));
    GArray *trajectories = g_hash_table_lookup(of_goal, key);
    if (!trajectories) {
      trajectories = g_array_new(FALSE, FALSE, sizeof(guint));
      g_ptr_array_add(goals, trajectories);
      g_hash_table_insert(of_goal, g_steal_pointer(&key), trajectories);
    }
    if (choices->first[i] < choices->first[i + 1])
      g_array_append_val(trajectories, i);
  }
  *n_goals = goals->len;
  *n_without = 0;
  for (guint i = 0; i < goals->len; i++) {
    guint before = pairs->len;
    add_pairs(pairs, update, goals->pdata[i], gap, most, random);
    *n_without += pairs->len == before;
  }
  return pairs;
}
