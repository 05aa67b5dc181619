/* What identifies trajectories, and reading an algorithm's state back. Nothing here keeps a pointer to what
 * it is given. */
#include "plugins/common/trajectories.h"
#include <string.h>

#define GROUP "algorithm"

char *common_goal_key(const CwTrajectory *trajectory)
{
  if (*trajectory->goal_id)
    return g_strdup_printf("%s/%s", trajectory->split, trajectory->goal_id);
  return g_strdup_printf("%s#%" G_GINT64_FORMAT, trajectory->split, trajectory->goal);
}

char *common_fingerprint(CwUpdate *update)
{
  g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);

  for (guint i = 0; i < cw_update_n_trajectories(update); i++) {
    const CwTrajectory *trajectory = cw_update_trajectory(update, i);
    g_autofree char *key = common_goal_key(trajectory);

    g_checksum_update(checksum, (const guchar *)key, (gssize)strlen(key) + 1);
    g_checksum_update(checksum, (const guchar *)&trajectory->total_reward, sizeof trajectory->total_reward);
    for (guint j = 0; j < trajectory->n_steps; j++) {
      const CwStep *step = trajectory->steps[j];
      g_autofree char *numbers = g_strdup_printf("%u/%u ", step->chosen, step->decision->n_candidates);

      g_checksum_update(checksum, (const guchar *)numbers, (gssize)strlen(numbers));
      g_checksum_update(checksum, (const guchar *)step->decision->observation,
                        (gssize)strlen(step->decision->observation) + 1);
    }
  }
  return g_strdup(g_checksum_get_string(checksum));
}

static void set_load_error(GError *reason, GError **error)
{
  g_set_error(
      error, CW_ALGORITHM_ERROR, CW_ERROR_FORMAT,
      "expected the state of this algorithm in the checkpoint, found a gap: %s; use another checkpoint",
      reason->message);
  g_error_free(reason);
}

guint64 common_load_uint64(GKeyFile *state, const char *key, GError **error)
{
  GError *reason = NULL;
  guint64 value;

  if (*error)
    return 0;
  value = g_key_file_get_uint64(state, GROUP, key, &reason);
  if (reason)
    set_load_error(reason, error);
  return value;
}

char *common_load_string(GKeyFile *state, const char *key, GError **error)
{
  GError *reason = NULL;
  char *value;

  if (*error)
    return NULL;
  value = g_key_file_get_string(state, GROUP, key, &reason);
  if (reason)
    set_load_error(reason, error);
  return value;
}
