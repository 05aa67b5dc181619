/* Saves a run's place and finds it again. The checkpoint is filled aside and committed as a whole; what is
 * written here is the policy, the reference and state.ini. */
#include "core/train/resume_point.h"
#include "config.h"
#include "core/base/checkpoint.h"
#include "core/base/durable.h"
#include "core/train/conditions.h"
#include "core/train/networks.h"
#include <string.h>

static char *checkpoints_of(const char *directory)
{
  return g_build_filename(directory, "checkpoints", NULL);
}

gboolean cw_resume_point_check_weights(CwPolicy *policy, GError **error)
{
  g_autofree char *bad = cw_policy_bad_tensor(policy);
  if (!bad)
    return TRUE;
  g_set_error(error, CW_RUN_ERROR, CW_ERROR_NUMERIC, "tensor '%s' of policy '%s' holds a NaN or an infinity",
              bad, cw_policy_feature(policy)->name);
  return FALSE;
}

static gboolean save_policy(CwPolicy *policy, const char *parent, const char *name, GError **error)
{
  g_autofree char *directory = g_build_filename(parent, name, NULL);
  return cw_make_directories(directory, error) && cw_policy_save(policy, directory, error);
}

static gboolean save_state(GKeyFile *state, const char *directory, GError **error)
{
  gsize length;
  g_autofree char *text = g_key_file_to_data(state, &length, NULL);
  g_autofree char *path = g_build_filename(directory, "state.ini", NULL);
  return cw_write_file(path, text, length, error);
}

static gboolean save_files(CwAlgorithm *algorithm, const char *directory, GError **error)
{
  g_autofree char *files = g_build_filename(directory, "algorithm", NULL);
  return cw_make_directories(files, error) && cw_algorithm_save_files(algorithm, files, error);
}

static gboolean fill(CwRun *run, GKeyFile *state, CwPolicy *reference, CwNetworks *networks,
                     CwAlgorithm *algorithm, const char *directory, GError **error)
{
  return (!algorithm || !cw_algorithm_has_files(algorithm) || save_files(algorithm, directory, error)) &&
         (!run->policy || save_policy(run->policy, directory, "policy", error)) &&
         (!reference || save_policy(reference, directory, "reference", error)) &&
         cw_networks_save(networks, directory, state, error) && save_state(state, directory, error);
}

gboolean cw_resume_point_save(CwRun *run, guint stage, gboolean inside, GKeyFile *given, CwPolicy *reference,
                              CwNetworks *networks, CwAlgorithm *algorithm, GError **error)
{
  guint64 metrics_size;
  if ((run->policy && !cw_resume_point_check_weights(run->policy, error)) ||
      !cw_metrics_sync(run->metrics, &metrics_size, error))
    return FALSE;
  g_autoptr(GKeyFile) state = given ? g_key_file_ref(given) : g_key_file_new();
  g_key_file_set_string(state, "run", "version", PACKAGE_VERSION);
  g_key_file_set_uint64(state, "run", "stage", stage);
  g_key_file_set_boolean(state, "run", "inside", inside);
  g_key_file_set_uint64(state, "run", "step", run->step);
  g_key_file_set_uint64(state, "run", "metrics_size", metrics_size);
  if (run->policy)
    g_key_file_set_uint64(state, "run", "optimizer_steps", cw_policy_steps(run->policy));
  cw_conditions_save(run->conditions, state);
  g_autofree char *parent = checkpoints_of(run->directory);
  g_autofree char *step = g_strdup_printf("%" G_GUINT64_FORMAT, run->step);
  g_autofree char *name = g_strconcat("step-", step, NULL);
  const char *facts[] = {"cartwright",  PACKAGE_VERSION,
                         "experiment",  run->experiment->name,
                         "step",        step,
                         "fingerprint", run->experiment->fingerprint,
                         NULL};
  g_autofree char *partial = cw_checkpoint_begin(parent, name, error);
  if (!partial)
    return FALSE;
  if (!fill(run, state, reference, networks, algorithm, partial, error)) {
    cw_checkpoint_abandon(parent, name);
    return FALSE;
  }
  return cw_checkpoint_commit(parent, name, facts, error) &&
         cw_checkpoint_prune(parent, (guint)MAX(run->experiment->checkpoint->keep, 1), error);
}

/* Is there any directory that was meant as a checkpoint? */
static gboolean has_checkpoints(const char *parent)
{
  g_autoptr(GDir) dir = g_dir_open(parent, 0, NULL);
  gboolean found = FALSE;
  for (const char *name; dir && !found && (name = g_dir_read_name(dir));)
    found = g_str_has_prefix(name, "step-");
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
  g_autoptr(GError) problem = NULL;
  g_autofree char *path = g_build_filename(resume_point->directory, "state.ini", NULL);
  GKeyFile *state = resume_point->state;
  if (g_key_file_load_from_file(state, path, G_KEY_FILE_NONE, &problem))
    resume_point->stage = (guint)g_key_file_get_uint64(state, "run", "stage", &problem);
  if (!problem)
    resume_point->inside = g_key_file_get_boolean(state, "run", "inside", &problem);
  if (!problem)
    resume_point->step = g_key_file_get_uint64(state, "run", "step", &problem);
  if (!problem)
    resume_point->metrics_size = g_key_file_get_uint64(state, "run", "metrics_size", &problem);
  if (problem)
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_FORMAT, "%s: %s", path, problem->message);
  return !problem;
}

CwResumePoint *cw_resume_point_find(const char *directory, GError **error)
{
  g_autofree char *parent = checkpoints_of(directory), *name = newest(parent, error);
  if (!name)
    return NULL;
  g_autoptr(CwResumePoint) resume_point = g_new0(CwResumePoint, 1);
  resume_point->directory = g_build_filename(parent, name, NULL);
  resume_point->name = g_steal_pointer(&name);
  resume_point->state = g_key_file_new();
  return read_state(resume_point, error) ? g_steal_pointer(&resume_point) : NULL;
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
  g_autofree char *parent = checkpoints_of(directory);
  GError *problem = NULL;
  g_autofree char *name = newest(parent, &problem);
  if (name)
    return g_build_filename(parent, name, "policy", NULL);
  if (!problem)
    g_set_error(&problem, CW_RUN_ERROR, CW_ERROR_CONFIGURATION, "%s: no checkpoint has been written yet",
                parent);
  g_propagate_error(error, problem);
  return NULL;
}

gboolean cw_resume_point_load_policy(CwRun *run, const char *directory, GError **error)
{
  if (!directory) {
    g_set_error_literal(
        error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
        "'final' is the policy of a finished run: name the run directory instead of the experiment");
    return FALSE;
  }
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
  g_autofree char *parent = checkpoints_of(directory);
  return newest(parent, NULL);
}
