/* One update's context: what an algorithm sees of the run. The runtime fills it before each update and reads
 * the recorded metrics after it. Policies, the random stream and the trajectories belong to the runtime. */
#include "core/base/durable.h"
#include "core/plugin/handles.h"
#include <math.h>
#include <string.h>

typedef struct {
  guint metric; /* in the table */
  double value;
} Recorded;

struct CwUpdate {
  CwPolicy *policy, *reference;
  const CwNetwork *networks;
  CwPolicy *const *network_policies; /* n_networks */
  guint n_networks;
  CwRandom *random;
  guint64 index;
  const GPtrArray *trajectories, *episodes; /* CwTrajectory *; NULL: none */
  const CwMetric *metrics;                  /* n_metrics of them */
  guint n_metrics;
  gint stray;       /* the first recorded number that the table does not have; -1: none */
  GArray *recorded; /* Recorded, in the order of recording */
  guint64 generation;
  char *scratch;                 /* NULL: none yet */
  gboolean scratch_is_temporary; /* ours to remove */
};

CwUpdate *cw_update_new(CwPolicy *policy, CwPolicy *reference, CwRandom *random)
{
  CwUpdate *update = g_new0(CwUpdate, 1);
  update->policy = policy;
  update->reference = reference;
  update->random = random;
  update->recorded = g_array_new(FALSE, FALSE, sizeof(Recorded));
  return update;
}

void cw_update_free(CwUpdate *update)
{
  if (!update)
    return;
  g_array_free(update->recorded, TRUE);
  if (update->scratch_is_temporary)
    cw_remove_tree(update->scratch, NULL);
  g_free(update->scratch);
  g_free(update);
}

void cw_update_begin(CwUpdate *update, guint64 index, const GPtrArray *trajectories,
                     const GPtrArray *episodes)
{
  update->index = index;
  update->trajectories = trajectories;
  update->episodes = episodes;
  g_array_set_size(update->recorded, 0);
  update->stray = -1;
}

void cw_update_set_scratch(CwUpdate *update, const char *directory)
{
  g_free(update->scratch);
  update->scratch = g_strdup(directory);
}

void cw_update_set_generation(CwUpdate *update, guint64 generation)
{
  update->generation = generation;
}

guint64 cw_update_generation(CwUpdate *update)
{
  return update->generation;
}

const char *cw_update_scratch(CwUpdate *update, GError **error)
{
  if (!update->scratch) {
    update->scratch = g_dir_make_tmp("cartwright-stage-XXXXXX", error);
    update->scratch_is_temporary = update->scratch != NULL;
    return update->scratch;
  }
  return cw_make_directories(update->scratch, error) ? update->scratch : NULL;
}

gboolean cw_update_keep_policy(CwUpdate *update, GError **error)
{
  const char *scratch = cw_update_scratch(update, error);
  if (!scratch)
    return FALSE;
  g_autofree char *kept = g_build_filename(scratch, ".kept", NULL), *aside = cw_tree_begin(kept, error);
  return aside && cw_policy_save(update->policy, aside, error) && cw_tree_commit(kept, error);
}

gboolean cw_update_restore_policy(CwUpdate *update, GError **error)
{
  const char *scratch = cw_update_scratch(update, error);
  if (!scratch)
    return FALSE;
  g_autofree char *kept = g_build_filename(scratch, ".kept", NULL);
  if (g_file_test(kept, G_FILE_TEST_IS_DIR))
    return cw_policy_load(update->policy, kept, error);
  g_set_error(
      error, CW_RUN_ERROR, CW_ERROR_FAILED,
      "%s: expected the policy that the stage had kept, found nothing; start the run afresh, or go on "
      "from an earlier checkpoint",
      kept);
  return FALSE;
}

CwPolicy *cw_update_policy(CwUpdate *update)
{
  return update->policy;
}

CwPolicy *cw_update_reference(CwUpdate *update)
{
  return update->reference;
}

void cw_update_set_networks(CwUpdate *update, const CwNetwork *networks, CwPolicy *const *policies, guint n)
{
  update->networks = networks;
  update->network_policies = policies;
  update->n_networks = n;
}

CwPolicy *cw_update_network(CwUpdate *update, const char *name)
{
  for (guint i = 0; i < update->n_networks; i++)
    if (g_str_equal(update->networks[i].name, name))
      return update->network_policies[i];
  return NULL;
}

CwRandom *cw_update_random(CwUpdate *update)
{
  return update->random;
}

guint64 cw_update_index(CwUpdate *update)
{
  return update->index;
}

guint cw_update_n_trajectories(CwUpdate *update)
{
  return update->trajectories ? update->trajectories->len : 0;
}

const CwTrajectory *cw_update_trajectory(CwUpdate *update, guint index)
{
  return index < cw_update_n_trajectories(update) ? update->trajectories->pdata[index] : NULL;
}

guint cw_update_n_episodes(CwUpdate *update)
{
  return update->episodes ? update->episodes->len : 0;
}

const CwTrajectory *cw_update_episode(CwUpdate *update, guint index)
{
  return index < cw_update_n_episodes(update) ? update->episodes->pdata[index] : NULL;
}

void cw_update_set_metrics(CwUpdate *update, const CwMetric *metrics, guint n)
{
  update->metrics = metrics;
  update->n_metrics = n;
}

/* A number recorded again replaces its value and keeps its place. */
void cw_update_record(CwUpdate *update, guint metric, double value)
{
  if (metric >= update->n_metrics) {
    update->stray = update->stray < 0 ? (gint)metric : update->stray;
    return;
  }
  for (guint i = 0; i < update->recorded->len; i++) {
    Recorded *recorded = &g_array_index(update->recorded, Recorded, i);
    if (recorded->metric == metric) {
      recorded->value = value;
      return;
    }
  }
  Recorded recorded = {metric, value};
  g_array_append_val(update->recorded, recorded);
}

gint cw_update_stray_metric(const CwUpdate *update)
{
  return update->stray;
}

guint cw_update_n_metrics(const CwUpdate *update)
{
  return update->recorded->len;
}

const char *cw_update_metric_name(const CwUpdate *update, guint i)
{
  return update->metrics[g_array_index(update->recorded, Recorded, i).metric].name;
}

double cw_update_metric_value(const CwUpdate *update, guint i)
{
  return g_array_index(update->recorded, Recorded, i).value;
}

const char *cw_update_bad_metric(const CwUpdate *update)
{
  for (guint i = 0; i < update->recorded->len; i++)
    if (!isfinite(cw_update_metric_value(update, i)))
      return cw_update_metric_name(update, i);
  return NULL;
}
