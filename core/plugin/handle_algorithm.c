/* The host's handle around an algorithm. It owns the algorithm's state: the rows of its table are saved and
 * loaded here, the rest of the struct is the plugin's working memory. What it hands over to learn from is
 * sound: every choice is one of its candidates, every reward finite. */
#include "core/plugin/errors.h"
#include "core/plugin/handles.h"
#include <math.h>
#include <string.h>

#define GROUP         "algorithm" /* of the checkpoint's state.ini */
#define MOST_EPISODES 10000000    /* for one update; more than anybody waits for, so nobody counted them */

struct CwAlgorithm {
  const CwRegisteredFeature *feature;
  const CwAlgorithmVtable *vtable;
  gconstpointer options;
  gpointer state;       /* feature->state.size bytes */
  gboolean takes_words; /* learns from actions that are none of the candidates */
  guint n_checked;      /* trajectories that were sound, of generation `generation` */
  guint64 generation;
};

static gpointer member_of(const CwOption *row, gconstpointer state)
{
  return (char *)state + row->offset;
}

guint64 cw_algorithm_needs(const CwRegisteredFeature *feature, gconstpointer options)
{
  const CwAlgorithmVtable *vtable = feature->vtable.algorithm;
  if (!vtable->needs)
    return feature->capabilities;
  CwSlotCall call = cw_slot_begin(feature, "needs");
  guint64 needs = vtable->needs(options);
  cw_slot_leave(&call);
  return feature->capabilities | needs;
}

/* Gives up what the state points to; the struct stays, zeroed. */
static void clear_state(CwAlgorithm *algorithm)
{
  const CwOptionTable *table = &algorithm->feature->state;
  if (algorithm->vtable->clear) {
    CwSlotCall call = cw_slot_begin(algorithm->feature, "clear");
    algorithm->vtable->clear(algorithm->state);
    cw_slot_leave(&call);
  }
  for (guint i = 0; i < table->n_rows; i++)
    if (table->rows[i].type == CW_OPTION_STRING)
      g_free(*(char **)member_of(&table->rows[i], algorithm->state));
  memset(algorithm->state, 0, table->size);
}

CwAlgorithm *cw_algorithm_open(const CwRegisteredFeature *feature, gconstpointer options, GError **error)
{
  if (!cw_feature_check_available(feature, error))
    return NULL;
  CwAlgorithm *algorithm = g_new0(CwAlgorithm, 1);
  algorithm->feature = feature;
  algorithm->vtable = feature->vtable.algorithm;
  algorithm->options = options;
  algorithm->takes_words = (cw_algorithm_needs(feature, options) & CW_TAKES_WORDS) != 0;
  algorithm->state = g_malloc0(MAX(feature->state.size, 1));
  CwSlotCall call = cw_slot_begin(feature, "open");
  gboolean opened =
      !algorithm->vtable->open || algorithm->vtable->open(options, algorithm->state, &call.failure);
  if (cw_slot_end(&call, opened, error))
    return algorithm;
  cw_algorithm_close(algorithm);
  return NULL;
}

void cw_algorithm_close(CwAlgorithm *algorithm)
{
  if (!algorithm)
    return;
  clear_state(algorithm);
  g_free(algorithm->state);
  g_free(algorithm);
}

gboolean cw_algorithm_collect(CwAlgorithm *algorithm, CwCollectRequest *request, GError **error)
{
  *request = (CwCollectRequest){.struct_size = sizeof *request};
  if (!algorithm->vtable->collect)
    return TRUE;
  CwSlotCall call = cw_slot_begin(algorithm->feature, "collect");
  gboolean succeeded =
      algorithm->vtable->collect(algorithm->options, algorithm->state, request, &call.failure);
  if (!cw_slot_end(&call, succeeded, error))
    return FALSE;
  return request->n_episodes <= MOST_EPISODES ||
         cw_feature_error(algorithm->feature, error, CW_ERROR_FAILED,
                          "collect: expected at most %d episodes, found n_episodes %u", MOST_EPISODES,
                          request->n_episodes);
}

static gboolean is_sound(const CwStep *step, gboolean takes_words)
{
  return (step->chosen == CW_WORDS ? takes_words : step->chosen < step->decision->n_candidates) &&
         isfinite(step->reward);
}

/* `what` is "episode" or "trajectory", `number` its index. */
static gboolean check_trajectory(const CwAlgorithm *algorithm, const CwTrajectory *trajectory,
                                 const char *what, guint number, GError **error)
{
  const CwRegisteredFeature *feature = algorithm->feature;
  guint i = 0;
  while (i < trajectory->n_steps && is_sound(trajectory->steps[i], algorithm->takes_words))
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
  if (step->chosen == CW_WORDS && !algorithm->takes_words)
    return cw_feature_error(feature, error, CW_ERROR_CONFIGURATION,
                            "%s, step %u: the action \"%.60s\" is in words, none of the candidates, and this "
                            "algorithm learns from candidates only (it does not say CW_TAKES_WORDS)",
                            where, i, step->action);
  if (step->chosen == CW_WORDS || step->chosen < step->decision->n_candidates)
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
    if (!check_trajectory(algorithm, trajectory, "trajectory", algorithm->n_checked, error))
      return FALSE;
  }
  for (guint i = 0; i < cw_update_n_episodes(update); i++)
    if (!check_trajectory(algorithm, cw_update_episode(update, i), "episode", i, error))
      return FALSE;
  return TRUE;
}

gboolean cw_algorithm_update(CwAlgorithm *algorithm, CwUpdate *update, gboolean *done, GError **error)
{
  *done = FALSE;
  if (!check_experience(algorithm, update, error))
    return FALSE;
  cw_update_set_metrics(update, algorithm->feature->metrics, algorithm->feature->n_metrics);
  CwSlotCall call = cw_slot_begin(algorithm->feature, "update");
  gboolean succeeded =
      algorithm->vtable->update(algorithm->options, algorithm->state, update, done, &call.failure);
  if (!cw_slot_end(&call, succeeded, error))
    return FALSE;
  if (cw_update_stray_metric(update) < 0)
    return TRUE;
  return cw_feature_error(
      algorithm->feature, error, CW_ERROR_FAILED,
      "update recorded metric number %d, and its table has numbers below %u; correct the number",
      cw_update_stray_metric(update), algorithm->feature->n_metrics);
}

guint64 cw_algorithm_expected_updates(CwAlgorithm *algorithm)
{
  if (!algorithm->vtable->expected_updates)
    return 0;
  CwSlotCall call = cw_slot_begin(algorithm->feature, "expected_updates");
  guint64 n = algorithm->vtable->expected_updates(algorithm->options, algorithm->state);
  cw_slot_leave(&call);
  return n;
}

void cw_algorithm_save(CwAlgorithm *algorithm, GKeyFile *state)
{
  const CwOptionTable *table = &algorithm->feature->state;
  for (guint i = 0; i < table->n_rows; i++) {
    const CwOption *row = &table->rows[i];
    gconstpointer member = member_of(row, algorithm->state);
    if (row->type == CW_OPTION_BOOLEAN)
      g_key_file_set_boolean(state, GROUP, row->name, *(const gboolean *)member);
    else if (row->type == CW_OPTION_INTEGER)
      g_key_file_set_int64(state, GROUP, row->name, *(const gint64 *)member);
    else if (row->type == CW_OPTION_NUMBER)
      g_key_file_set_double(state, GROUP, row->name, *(const double *)member);
    else
      g_key_file_set_string(state, GROUP, row->name, *(char *const *)member ? *(char *const *)member : "");
  }
}

/* Reads one row into its member; an empty text is NULL. */
static void load_row(const CwOption *row, GKeyFile *state, gpointer member, GError **error)
{
  if (row->type == CW_OPTION_BOOLEAN)
    *(gboolean *)member = g_key_file_get_boolean(state, GROUP, row->name, error);
  else if (row->type == CW_OPTION_INTEGER)
    *(gint64 *)member = g_key_file_get_int64(state, GROUP, row->name, error);
  else if (row->type == CW_OPTION_NUMBER)
    *(double *)member = g_key_file_get_double(state, GROUP, row->name, error);
  else {
    g_autofree char *text = g_key_file_get_string(state, GROUP, row->name, error);
    g_free(*(char **)member); /* the default */
    *(char **)member = text && *text ? g_steal_pointer(&text) : NULL;
  }
}

gboolean cw_algorithm_load(CwAlgorithm *algorithm, GKeyFile *state, GError **error)
{
  const CwOptionTable *table = &algorithm->feature->state;
  gpointer loaded = cw_options_fill(table, NULL, NULL, "", NULL); /* every row at its default */
  GError *problem = NULL;
  for (guint i = 0; i < table->n_rows && !problem; i++)
    if (!table->rows[i].default_value || g_key_file_has_key(state, GROUP, table->rows[i].name, NULL))
      load_row(&table->rows[i], state, member_of(&table->rows[i], loaded), &problem);
  if (problem) {
    cw_feature_error(
        algorithm->feature, error, CW_ERROR_FORMAT,
        "expected the state of this algorithm in the checkpoint, found a gap: %s; use another checkpoint",
        problem->message);
    g_error_free(problem);
    cw_options_free(table, loaded);
    return FALSE;
  }
  clear_state(algorithm);
  memcpy(algorithm->state, loaded, table->size);
  g_free(loaded);
  return TRUE;
}

gboolean cw_algorithm_save_files(CwAlgorithm *algorithm, const char *directory, GError **error)
{
  CwSlotCall call = cw_slot_begin(algorithm->feature, "save_files");
  gboolean saved =
      algorithm->vtable->save_files(algorithm->options, algorithm->state, directory, &call.failure);
  return cw_slot_end(&call, saved, error);
}

gboolean cw_algorithm_load_files(CwAlgorithm *algorithm, const char *directory, GError **error)
{
  CwSlotCall call = cw_slot_begin(algorithm->feature, "load_files");
  gboolean loaded =
      algorithm->vtable->load_files(algorithm->options, algorithm->state, directory, &call.failure);
  return cw_slot_end(&call, loaded, error);
}

gboolean cw_algorithm_has_files(const CwAlgorithm *algorithm)
{
  return algorithm->vtable->save_files && algorithm->vtable->load_files;
}
