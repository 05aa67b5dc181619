/* The reference's logits on disk: a cache in the stage's scratch directory, whose name is a hash of the
 * reference's weights and of all decisions, so that a file of another reference or of other trajectories is
 * never taken for this one's. */
#include "plugins/dpo/dpo.h"
#include <string.h>

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

static guint count_logits(CwUpdate *update, guint trajectory)
{
  DpoSession session;
  guint n;

  dpo_session_init(&session, cw_update_trajectory(update, trajectory));
  n = cw_count_logits(session.decisions, session.n);
  dpo_session_clear(&session);
  return n;
}

typedef struct {
  DpoData *data;
  CwUpdate *update;
} Reading;

static gboolean take_row(guint32 trajectory, const float *logits, guint32 n_logits, gpointer user_data)
{
  const Reading *reading = user_data;
  DpoData *data = reading->data;
  if (trajectory >= data->n_trajectories || n_logits != count_logits(reading->update, trajectory))
    return FALSE;
  g_free(data->references[trajectory]);
  data->references[trajectory] = g_memdup2(logits, n_logits * sizeof *logits);
  return TRUE;
}

gboolean dpo_references_open(DpoData *data, CwUpdate *update, GError **error)
{
  g_autofree char *key = key_of(update);
  if (!key)
    return TRUE;
  const char *scratch = cw_update_scratch(update, error);
  if (!scratch)
    return FALSE;
  g_autofree char *name = g_strdup_printf("references-%.32s.bin", key);
  g_autofree char *path = g_build_filename(scratch, name, NULL);
  Reading reading = {data, update};
  data->cache = cw_cache_open(path, take_row, &reading, error);
  return data->cache != NULL;
}
