/* The host's handle around an algorithm. What it hands over to learn from is sound: every choice is one of
 * its candidates, every reward finite. */
#include "core/plugin/errors.h"
#include "core/plugin/handles.h"

#include <math.h>
#include <string.h>

struct CwAlgorithm {
  const CwRegisteredFeature *feature;
  const CwAlgorithmVtable *vtable;
  gpointer object;
  guint n_checked; /* trajectories that were sound, of generation `generation` */
  guint64 generation;
};

guint64 cw_algorithm_needs(const CwRegisteredFeature *feature, gconstpointer options)
{
  CwSlotCall call = cw_slot_begin(feature, "needs");
  guint64 needs = feature->vtable.algorithm->needs(options);
  cw_slot_leave(&call);
  return needs;
}

CwAlgorithm *cw_algorithm_open(const CwRegisteredFeature *feature, gconstpointer options, GError **error)
{
  const CwAlgorithmVtable *vtable = feature->vtable.algorithm;
  CwSlotCall call = cw_slot_begin(feature, "open");
  gpointer object = vtable->open(options, &call.failure);
  if (!cw_slot_end(&call, object != NULL, error)) {
    vtable->close(object);
    return NULL;
  }
  CwAlgorithm *algorithm = g_new0(CwAlgorithm, 1);
  *algorithm = (CwAlgorithm){.feature = feature, .vtable = vtable, .object = object};
  return algorithm;
}

void cw_algorithm_close(CwAlgorithm *algorithm)
{
  if (!algorithm)
    return;
  CwSlotCall call = cw_slot_begin(algorithm->feature, "close");
  algorithm->vtable->close(algorithm->object);
  cw_slot_leave(&call);
  g_free(algorithm);
}

gboolean cw_algorithm_collect(CwAlgorithm *algorithm, CwCollectRequest *request, GError **error)
{
  *request = (CwCollectRequest){.struct_size = sizeof *request};
  if (!algorithm->vtable->collect)
    return TRUE;
  CwSlotCall call = cw_slot_begin(algorithm->feature, "collect");
  gboolean succeeded = algorithm->vtable->collect(algorithm->object, request, &call.failure);
  return cw_slot_end(&call, succeeded, error);
}

/* `what` is "episode" or "trajectory", `number` its index. */
static gboolean check_trajectory(const CwRegisteredFeature *feature, const CwTrajectory *trajectory,
                                 const char *what, guint number, GError **error)
{
  guint i = 0;
  while (i < trajectory->n_steps &&
         trajectory->steps[i]->chosen < trajectory->steps[i]->decision->n_candidates &&
         isfinite(trajectory->steps[i]->reward))
    i++;
  if (i == trajectory->n_steps && isfinite(trajectory->total_reward))
    return TRUE;
  g_autofree char *where = g_strdup_printf("%s %u (goal '%s' of split '%s', agent '%s')", what, number,
                                           trajectory->goal_id, trajectory->split, trajectory->agent);
  if (i == trajectory->n_steps)
    return cw_feature_error(
        feature, error, CW_ERROR_NUMERIC,
        "%s: expected a finite total reward, found %g; nothing was learnt from it, look at "
        "the environment",
        where, trajectory->total_reward);
  const CwStep *step = trajectory->steps[i];
  if (step->chosen < step->decision->n_candidates)
    return cw_feature_error(
        feature, error, CW_ERROR_NUMERIC,
        "%s, step %u: expected a finite reward, found %g; nothing was learnt from it, look "
        "at the environment",
        where, i, step->reward);
  return cw_feature_error(feature, error, CW_ERROR_FORMAT,
                          "%s, step %u: expected chosen below %u, the number of candidates, found %u; write "
                          "the trajectories again",
                          where, i, step->decision->n_candidates, step->chosen);
}

/* Trajectories stay the same as long as their generation does, so that they are looked at once. */
static gboolean check_experience(CwAlgorithm *algorithm, CwUpdate *update, GError **error)
{
  if (algorithm->generation != cw_update_generation(update))
    algorithm->n_checked = 0;
  algorithm->generation = cw_update_generation(update);
  for (; algorithm->n_checked < cw_update_n_trajectories(update); algorithm->n_checked++) {
    const CwTrajectory *trajectory = cw_update_trajectory(update, algorithm->n_checked);
    if (!check_trajectory(algorithm->feature, trajectory, "trajectory", algorithm->n_checked, error))
      return FALSE;
  }
  for (guint i = 0; i < cw_update_n_episodes(update); i++)
    if (!check_trajectory(algorithm->feature, cw_update_episode(update, i), "episode", i, error))
      return FALSE;
  return TRUE;
}

gboolean cw_algorithm_update(CwAlgorithm *algorithm, CwUpdate *update, gboolean *done, GError **error)
{
  *done = FALSE;
  if (!check_experience(algorithm, update, error))
    return FALSE;
  CwSlotCall call = cw_slot_begin(algorithm->feature, "update");
  gboolean succeeded = algorithm->vtable->update(algorithm->object, update, done, &call.failure);
  return cw_slot_end(&call, succeeded, error);
}

guint64 cw_algorithm_expected_updates(CwAlgorithm *algorithm)
{
  if (!algorithm->vtable->expected_updates)
    return 0;
  CwSlotCall call = cw_slot_begin(algorithm->feature, "expected_updates");
  guint64 n = algorithm->vtable->expected_updates(algorithm->object);
  cw_slot_leave(&call);
  return n;
}

gboolean cw_algorithm_save(CwAlgorithm *algorithm, GKeyFile *state, GError **error)
{
  CwSlotCall call = cw_slot_begin(algorithm->feature, "save");
  gboolean saved = algorithm->vtable->save(algorithm->object, state, &call.failure);
  return cw_slot_end(&call, saved, error);
}

gboolean cw_algorithm_load(CwAlgorithm *algorithm, GKeyFile *state, GError **error)
{
  CwSlotCall call = cw_slot_begin(algorithm->feature, "load");
  gboolean loaded = algorithm->vtable->load(algorithm->object, state, &call.failure);
  return cw_slot_end(&call, loaded, error);
}
