/* The run directory: who may use it, and making it ready.
 *   config.yaml      the resolved experiment
 *   conditions.ini   what else its bytes depend on, as long as no checkpoint says so
 *   metrics.jsonl    reproducible numbers; timings.jsonl: wall-clock
 *   events.out.tfevents.*  the numbers of metrics.jsonl, for TensorBoard
 *   trajectories/    files that stages wrote; hidden: those that a stage is writing
 *   checkpoints/     step-N
 *   scratch/         files of the stage that is running
 *   evaluation.json  results; episodes/: the evaluations' episodes, where they are kept
 *   curves.*         the learning curves */
#ifndef CW_RUN_DIRECTORY_H
#define CW_RUN_DIRECTORY_H

#include "core/experiment/experiment.h"

/* TRUE when the directory holds what a run leaves behind. */
gboolean cw_run_directory_is_used(const char *directory);

/* Locks the directory for this process, making it first unless `must_exist`. Returns a file descriptor to be
 * closed, or -1 with error. */
int cw_run_directory_lock(const char *directory, gboolean must_exist, GError **error);

/* Refuses a used directory without resume or overwrite, an unused one with resume, and with resume an
 * experiment that differs in more than it may from the one recorded, naming every difference: in more, too,
 * than the keys that `extend` raises in the last stage (core/train/extend.h; may be NULL). Changes nothing.
 */
gboolean cw_run_directory_check(const char *directory, const CwExperiment *experiment, gboolean resume,
                                gboolean overwrite, const char *const *extend, GError **error);

/* Removes the files of an earlier run (and nothing else) when `afresh`, and what killed processes left
 * unfinished; writes config.yaml and makes the folders. Killed on the way, it leaves a directory that can be
 * resumed, or one without a run. */
gboolean cw_run_directory_prepare(const char *directory, const CwExperiment *experiment, gboolean afresh,
                                  GError **error);

/* The folder for the files of an algorithm stage. Free with g_free. */
char *cw_run_directory_scratch(const char *directory, guint stage);
/* Removes it, once a checkpoint says that the stage is over: until then a stopped run needs it again. */
gboolean cw_run_directory_end_stage(const char *directory, guint stage, GError **error);
/* Removes what killed processes may have left of stages, all of which are over. */
gboolean cw_run_directory_tidy(const char *directory, GError **error);

#endif
