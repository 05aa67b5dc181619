/* Saves a run's place and finds it again. The checkpoint is filled aside and committed as a whole; what is
 * written here is the policy, the reference and state.ini. */
#include "core/train/resume_point.h"
#include "config.h"
#include "core/base/checkpoint.h"
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

static char *checkpoints_of(const char *directory)
{
  return g_build_filename(directory, "checkpoints", NULL);
}

static void find_bad_tensor(const char *name, const gint64 *shape, guint n_dimensions, float *weights,
                            float *gradient, gpointer user_data)
{
  (void)gradient;
  char **bad = user_data;
  gint64 n = 1;
  for (guint i = 0; i < n_dimensions; i++)
    n *= shape[i];
  for (gint64 i = 0; i < n && !*bad; i++)
    if (!isfinite(weights[i]))
      *bad = g_strdup(name);
}

gboolean cw_resume_point_check_weights(CwPolicy *policy, GError **error)
{
  char *bad = NULL;
  cw_policy_visit_tensors(policy, find_bad_tensor, &bad);
  if (!bad)
    return TRUE;
  g_set_error(error, CW_RUN_ERROR, CW_ERROR_NUMERIC, "tensor '%s' of policy '%s' holds a NaN or an infinity",
              bad, cw_policy_feature(policy)->name);
  g_free(bad);
  return FALSE;
}

static gboolean save_policy(CwPolicy *policy, const char *parent, const char *name, GError **error)
{
  char *directory = g_build_filename(parent, name, NULL);
  gboolean good = g_mkdir(directory, 0777) == 0;
  if (!good)
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_INPUT_OUTPUT, "%s: cannot be created: %s", directory,
                g_strerror(errno));
  good = good && cw_policy_save(policy, directory, error);
  g_free(directory);
  return good;
}

static gboolean save_state(GKeyFile *state, const char *directory, GError **error)
{
  gsize length;
  char *text = g_key_file_to_data(state, &length, NULL);
  char *path = g_build_filename(directory, "state.ini", NULL);
  gboolean good = cw_write_file(path, text, length, error);
  g_free(path);
  g_free(text);
  return good;
}

static gboolean fill(CwRun *run, GKeyFile *state, CwPolicy *reference, const char *directory, GError **error)
{
  return (!run->policy || save_policy(run->policy, directory, "policy", error)) &&
         (!reference || save_policy(reference, directory, "reference", error)) &&
         save_state(state, directory, error);
}

gboolean cw_resume_point_save(CwRun *run, guint stage, gboolean inside, GKeyFile *state, CwPolicy *reference,
                              GError **error)
{
  if (run->policy && !cw_resume_point_check_weights(run->policy, error))
    return FALSE;
  state = state ? g_key_file_ref(state) : g_key_file_new();
  g_key_file_set_string(state, "run", "version", PACKAGE_VERSION);
  g_key_file_set_uint64(state, "run", "stage", stage);
  g_key_file_set_boolean(state, "run", "inside", inside);
  g_key_file_set_uint64(state, "run", "step", run->step);
  g_key_file_set_uint64(state, "run", "metrics_size", cw_metrics_offset(run->metrics));
  char *parent = checkpoints_of(run->directory);
  char *name = g_strdup_printf("step-%" G_GUINT64_FORMAT, run->step);
  char *step = g_strdup_printf("%" G_GUINT64_FORMAT, run->step);
  const char *facts[] = {"cartwright",  PACKAGE_VERSION,
                         "experiment",  run->experiment->name,
                         "step",        step,
                         "fingerprint", run->experiment->fingerprint,
                         NULL};
  char *partial = cw_checkpoint_begin(parent, name, error);
  gboolean good = FALSE;
  if (partial) {
    if (!fill(run, state, reference, partial, error))
      cw_checkpoint_abandon(parent, name);
    else
      good = cw_checkpoint_commit(parent, name, facts, error) &&
             cw_checkpoint_prune(parent, (guint)MAX(run->experiment->checkpoint->keep, 1), error);
  }
  g_free(partial);
  g_free(step);
  g_free(name);
  g_free(parent);
  g_key_file_unref(state);
  return good;
}

/* Is there any directory that was meant as a checkpoint? */
static gboolean has_checkpoints(const char *parent)
{
  GDir *dir = g_dir_open(parent, 0, NULL);
  gboolean found = FALSE;
  const char *name;
  while (dir && !found && (name = g_dir_read_name(dir)))
    found = g_str_has_prefix(name, "step-");
  if (dir)
    g_dir_close(dir);
  return found;
}

/* Name of the newest valid one; NULL with error when all are broken, without when there are none. */
static char *newest(const char *parent, GError **error)
{
  GError *problem = NULL;
  if (!has_checkpoints(parent))
    return NULL;
  char *name = cw_checkpoint_latest(parent, &problem);
  if (problem)
    g_propagate_error(error, problem);
  else if (!name)
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_FORMAT,
                "%s: none of the checkpoints is valid; use --overwrite to start the run afresh", parent);
  return name;
}

static gboolean read_state(CwResumePoint *resume_point, GError **error)
{
  GError *problem = NULL;
  char *path = g_build_filename(resume_point->directory, "state.ini", NULL);
  GKeyFile *state = resume_point->state;
  gboolean good = g_key_file_load_from_file(state, path, G_KEY_FILE_NONE, &problem);
  if (good)
    resume_point->stage = (guint)g_key_file_get_uint64(state, "run", "stage", &problem);
  if (!problem)
    resume_point->inside = g_key_file_get_boolean(state, "run", "inside", &problem);
  if (!problem)
    resume_point->step = g_key_file_get_uint64(state, "run", "step", &problem);
  if (!problem)
    resume_point->metrics_size = g_key_file_get_uint64(state, "run", "metrics_size", &problem);
  if (problem) {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_FORMAT, "%s: %s", path, problem->message);
    g_clear_error(&problem);
    good = FALSE;
  }
  g_free(path);
  return good;
}

CwResumePoint *cw_resume_point_find(const char *directory, const char *fingerprint, GError **error)
{
  char *parent = checkpoints_of(directory);
  char *name = newest(parent, error);
  CwResumePoint *resume_point = NULL;
  if (name) {
    resume_point = g_new0(CwResumePoint, 1);
    resume_point->name = name;
    resume_point->directory = g_build_filename(parent, name, NULL);
    resume_point->state = g_key_file_new();
    char *found = cw_checkpoint_fact(resume_point->directory, "fingerprint", NULL);
    gboolean good = read_state(resume_point, error);
    if (good && g_strcmp0(found, fingerprint) != 0) {
      g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
                  "%s: belongs to another configuration (fingerprint %s, expected %s)",
                  resume_point->directory, found ? found : "missing", fingerprint);
      good = FALSE;
    }
    if (!good)
      g_clear_pointer(&resume_point, cw_resume_point_free);
    g_free(found);
  }
  g_free(parent);
  return resume_point;
}

void cw_resume_point_free(CwResumePoint *resume_point)
{
  if (!resume_point)
    return;
  g_free(resume_point->name);
  g_free(resume_point->directory);
  g_key_file_unref(resume_point->state);
  g_free(resume_point);
}

char *cw_resume_point_policy(const char *directory, GError **error)
{
  char *parent = checkpoints_of(directory);
  GError *problem = NULL;
  char *name = newest(parent, &problem);
  char *policy = name ? g_build_filename(parent, name, "policy", NULL) : NULL;
  if (problem)
    g_propagate_error(error, problem);
  else if (!name)
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION, "%s: no checkpoint has been written yet",
                parent);
  g_free(name);
  g_free(parent);
  return policy;
}

gboolean cw_resume_point_load_policy(CwRun *run, const char *directory, GError **error)
{
  g_autofree char *policy = cw_resume_point_policy(directory, error);
  if (!policy || !cw_policy_load(run->policy, policy, error))
    return FALSE;
  g_autofree char *checkpoint = g_path_get_dirname(policy);
  g_autofree char *step = cw_checkpoint_fact(checkpoint, "step", NULL);
  run->step = step ? g_ascii_strtoull(step, NULL, 10) : 0;
  g_message("final: %s", checkpoint);
  return TRUE;
}

char *cw_resume_point_policy_of(const char *run_or_checkpoint, GError **error)
{
  g_autofree char *checkpoints = checkpoints_of(run_or_checkpoint);
  g_autofree char *state = g_build_filename(run_or_checkpoint, "state.ini", NULL);
  if (g_file_test(checkpoints, G_FILE_TEST_IS_DIR))
    return cw_resume_point_policy(run_or_checkpoint, error);
  if (!g_file_test(state, G_FILE_TEST_EXISTS)) {
    g_set_error(
        error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
        "%s: expected a run directory or one of its checkpoints (RUN/checkpoints/step-N), found neither",
        run_or_checkpoint);
    return NULL;
  }
  return cw_checkpoint_verify(run_or_checkpoint, error) ? g_build_filename(run_or_checkpoint, "policy", NULL)
                                                        : NULL;
}

char *cw_resume_point_latest_name(const char *directory)
{
  char *parent = checkpoints_of(directory);
  char *name = newest(parent, NULL);
  g_free(parent);
  return name;
}
