/* Makes sure that a run directory belongs to one process and one configuration. Only files that a run writes
 * are ever removed. */
#include "core/train/directory.h"
#include "core/base/durable.h"
#include "core/base/events.h"
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* Removed for a new run, in this order; config.yaml, which says whose directory it is, is replaced last. The
 * checkpoints go before what they rely on. */
static const char *const files_of_a_run[] = {
    "evaluation.json", "episodes",     "run.html",      "checkpoints",    "metrics.jsonl",
    "timings.jsonl",   "trajectories", "scratch",       "curves.png",     "curves.svg",
    "curves.gnuplot",  "curves.dat",   "curves.panels", "conditions.ini", NULL};

gboolean cw_run_directory_is_used(const char *directory)
{
  static const char *const marks[] = {"config.yaml", "metrics.jsonl", "checkpoints", NULL};
  for (guint i = 0; marks[i]; i++) {
    g_autofree char *path = g_build_filename(directory, marks[i], NULL);
    if (g_file_test(path, G_FILE_TEST_EXISTS))
      return TRUE;
  }
  return FALSE;
}

int cw_run_directory_lock(const char *directory, gboolean must_exist, GError **error)
{
  if (!must_exist && !cw_make_directories(directory, error))
    return -1;
  int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    g_set_error(error, CW_RUN_ERROR, must_exist ? CW_ERROR_CONFIGURATION : CW_ERROR_INPUT_OUTPUT,
                "%s: no run to resume here: %s", directory, g_strerror(errno));
    return -1;
  }
  if (flock(fd, LOCK_EX | LOCK_NB) == 0)
    return fd;
  g_set_error(
      error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
      "%s: another process is running an experiment in this directory; wait for it, or give another one with "
      "--out",
      directory);
  close(fd);
  return -1;
}

static gboolean check_recorded(const char *directory, const CwExperiment *experiment,
                               const char *const *extend, GError **error)
{
  g_autoptr(GPtrArray) raised = g_ptr_array_new_null_terminated(0, g_free, TRUE);
  for (; extend && *extend; extend++)
    g_ptr_array_add(raised, g_strdup_printf("stages.%u.%.*s", experiment->stages->len - 1,
                                            (int)strcspn(*extend, "="), *extend));
  g_autofree char *path = g_build_filename(directory, "config.yaml", NULL);
  g_autofree char *recorded = NULL;
  g_autoptr(GError) problem = NULL;
  if (!g_file_get_contents(path, &recorded, NULL, &problem)) {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_INPUT_OUTPUT,
                "cannot resume: %s; start the run afresh with --overwrite", problem->message);
    return FALSE;
  }
  return cw_experiment_check_resume(experiment, recorded, path, (const char *const *)raised->pdata, error);
}

gboolean cw_run_directory_check(const char *directory, const CwExperiment *experiment, gboolean resume,
                                gboolean overwrite, const char *const *extend, GError **error)
{
  gboolean used = cw_run_directory_is_used(directory);
  if (resume && !used) {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
                "%s: no run to resume here; start it without --resume", directory);
    return FALSE;
  }
  if (resume)
    return check_recorded(directory, experiment, extend, error);
  if (used && !overwrite) {
    g_set_error(
        error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
        "%s: already holds a run; continue it with --resume, replace it with --overwrite, or give another "
        "directory with --out",
        directory);
    return FALSE;
  }
  return TRUE;
}

/* Event files have the time and the machine in their names. */
static gboolean remove_events(const char *directory, GError **error)
{
  g_autoptr(GPtrArray) names = cw_list_directory(directory, error);
  for (guint i = 0; names && i < names->len; i++) {
    g_autofree char *path = g_build_filename(directory, names->pdata[i], NULL);
    if (g_str_has_prefix(names->pdata[i], CW_EVENTS_PREFIX) && !cw_remove_tree(path, error))
      return FALSE;
  }
  return names != NULL;
}

gboolean cw_run_directory_prepare(const char *directory, const CwExperiment *experiment, gboolean afresh,
                                  GError **error)
{
  for (guint i = 0; afresh && files_of_a_run[i]; i++) {
    g_autofree char *path = g_build_filename(directory, files_of_a_run[i], NULL);
    if (!cw_tree_remove(path, error))
      return FALSE;
  }
  g_autofree char *config = g_build_filename(directory, "config.yaml", NULL);
  if ((afresh && !remove_events(directory, error)) || !cw_tree_sweep(directory, error) ||
      !cw_write_file(config, experiment->resolved, strlen(experiment->resolved), error))
    return FALSE;
  g_autofree char *trajectories = g_build_filename(directory, "trajectories", NULL);
  g_autofree char *checkpoints = g_build_filename(directory, "checkpoints", NULL);
  return cw_make_directories(trajectories, error) && cw_make_directories(checkpoints, error) &&
         cw_tree_sweep(checkpoints, error);
}

char *cw_run_directory_scratch(const char *directory, guint stage)
{
  return g_strdup_printf("%s/scratch/stage-%u", directory, stage);
}

gboolean cw_run_directory_end_stage(const char *directory, guint stage, GError **error)
{
  g_autofree char *scratch = cw_run_directory_scratch(directory, stage);
  g_autofree char *parent = g_path_get_dirname(scratch);
  if (!cw_tree_remove(scratch, error))
    return FALSE;
  g_rmdir(parent); /* goes with the last */
  return TRUE;
}

gboolean cw_run_directory_tidy(const char *directory, GError **error)
{
  g_autofree char *trajectories = g_build_filename(directory, "trajectories", NULL);
  g_autofree char *scratch = g_build_filename(directory, "scratch", NULL);
  return cw_tree_sweep(trajectories, error) && cw_tree_remove(scratch, error);
}
