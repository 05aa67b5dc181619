/* The reference's logits on disk: a file in the stage's scratch directory, whose name
 * is a hash of the reference's weights and of all decisions, so that a file of
 * another reference or of other trajectories is never taken for this one's. It
 * grows by a record per trajectory: number, count of logits, CRC32C, logits. What
 * is behind the last whole record, after a kill, is cut off. Only this machine
 * reads it again, so numbers are as it has them. */
#include "plugins/dpo/dpo.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct {
  guint32 trajectory, n_logits, checksum;
} Record;

static guint32 checksum_of(const Record *record, const float *logits)
{
  guint32 numbers[] = {record->trajectory, record->n_logits};

  return cw_crc32c(cw_crc32c(0, numbers, sizeof numbers), logits, record->n_logits * sizeof *logits);
}

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

/* Reads one whole record; FALSE at the end or where one is not whole. */
static gboolean read_record(DpoData *data, CwUpdate *update, FILE *file)
{
  g_autofree float *logits = NULL;
  Record record;

  if (fread(&record, sizeof record, 1, file) != 1 || record.trajectory >= data->n_trajectories ||
      record.n_logits != count_logits(update, record.trajectory))
    return FALSE;
  logits = g_new(float, record.n_logits);
  if (fread(logits, sizeof *logits, record.n_logits, file) != record.n_logits ||
      checksum_of(&record, logits) != record.checksum)
    return FALSE;
  g_free(data->references[record.trajectory]);
  data->references[record.trajectory] = g_steal_pointer(&logits);
  return TRUE;
}

static gboolean fail(const DpoData *data, const char *doing, GError **error)
{
  g_set_error(error, CW_ALGORITHM_ERROR, CW_ERROR_INPUT_OUTPUT, "%s: cannot %s the reference's logits: %s",
              data->references_path, doing, g_strerror(errno));
  return FALSE;
}

gboolean dpo_references_open(DpoData *data, CwUpdate *update, GError **error)
{
  g_autofree char *key = key_of(update), *name = NULL;
  const char *scratch;
  long whole = 0;

  if (!key)
    return TRUE;
  scratch = cw_update_scratch(update, error);
  if (!scratch)
    return FALSE;
  name = g_strdup_printf("references-%.32s.bin", key);
  data->references_path = g_build_filename(scratch, name, NULL);
  data->references_file = fopen(data->references_path, "a+be");
  if (!data->references_file || fseek(data->references_file, 0, SEEK_SET) != 0)
    return fail(data, "open", error);
  while (read_record(data, update, data->references_file))
    whole = ftell(data->references_file);
  if (whole < 0 || ftruncate(fileno(data->references_file), whole) != 0 ||
      fseek(data->references_file, 0, SEEK_END) != 0)
    return fail(data, "continue", error);
  return TRUE;
}

gboolean dpo_references_keep(DpoData *data, guint trajectory, guint n_logits, GError **error)
{
  const float *logits = data->references[trajectory];
  Record record = {trajectory, n_logits, 0};

  if (!data->references_file)
    return TRUE;
  record.checksum = checksum_of(&record, logits);
  if (fwrite(&record, sizeof record, 1, data->references_file) == 1 &&
      fwrite(logits, sizeof *logits, n_logits, data->references_file) == n_logits &&
      fflush(data->references_file) == 0)
    return TRUE;
  return fail(data, "write", error);
}

void dpo_references_close(DpoData *data)
{
  if (data->references_file)
    fclose(data->references_file);
  g_free(data->references_path);
  data->references_file = NULL;
  data->references_path = NULL;
}
