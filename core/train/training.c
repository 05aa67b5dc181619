/* Training as an experiment describes it: check the directory, open everything, find the place to go on from,
 * go through the stages with a checkpoint after each. The old run in a directory is touched only when
 * everything the new one needs has been opened. CwTraining owns the run, the lock and the resume point. */
#include "core/train/training.h"
#include "core/base/checkpoint.h"
#include "core/base/durable.h"
#include "core/train/conditions.h"
#include "core/train/directory.h"
#include "core/train/extend.h"
#include "core/train/stages.h"
#include <sys/stat.h>
#include <unistd.h>

static const CwStage *stage_at(const CwExperiment *experiment, guint i)
{
  return g_ptr_array_index(experiment->stages, i);
}

/* What only the opened environment can tell: its splits, whether they have goals, and its scripts. */
static gboolean check_split(CwEnvironment *environment, const char *split, const char *key, GError **error)
{
  gint64 n_goals = cw_environment_n_goals(environment, split, error);
  if (n_goals == 0)
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
                "split '%s' has no goals; name another split, or give the environment more goals", split);
  if (n_goals <= 0)
    g_prefix_error(error, "%s: ", key);
  return n_goals > 0;
}

/* A file from outside that a stage to come reads; a run directory is read without looking for them. */
static gboolean check_input(const char *path, const char *key, GError **error)
{
  if (g_file_test(path, G_FILE_TEST_EXISTS))
    return TRUE;
  g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
              "%s: there is no file '%s', which the stages that are left read; put it back", key, path);
  return FALSE;
}

static gboolean check_inputs(const CwRun *run, const CwStage *stage, guint i, GError **error)
{
  char **names = stage->kind == CW_STAGE_ALGORITHM ? stage->options->trajectories : NULL;
  g_autofree char *sessions = g_strdup_printf("stages.%u.import.sessions", i);
  gboolean good = !stage->import || check_input(stage->import->sessions, sessions, error);
  for (guint k = 0; good && names && names[k]; k++) {
    g_autofree char *key = g_strdup_printf("stages.%u.trajectories.%u", i, k);
    good = cw_run_writer_of(run, i, names[k]) >= 0 || check_input(names[k], key, error);
  }
  return good;
}

static gboolean check_import(const CwRun *run, const CwImportOptions *options, guint i, GError **error)
{
  g_autofree char *key = g_strdup_printf("stages.%u.import.splits", i);
  for (char **split = options->splits; split && *split; split++)
    if (!check_split(run->environment, *split, key, error))
      return FALSE;
  return TRUE;
}

/* An algorithm that learns from no trajectories rolls out episodes on train goals. */
static gboolean collects(const CwStage *stage)
{
  const CwRegisteredFeature *feature = stage->algorithm.feature;
  return feature->vtable.algorithm->collect &&
         (cw_algorithm_needs(feature, stage->algorithm.options) & CW_NEEDS_TRAJECTORIES) == 0;
}

static gboolean check_algorithm(const CwRun *run, const CwStage *stage, guint i, GError **error)
{
  g_autofree char *split = g_strdup_printf("stages.%u.evaluate_split", i);
  g_autofree char *algorithm = g_strdup_printf("stages.%u.algorithm", i);
  return (stage->options->evaluate_every == 0 ||
          check_split(run->environment, stage->options->evaluate_split, split, error)) &&
         (!collects(stage) || check_split(run->environment, "train", algorithm, error));
}

static gboolean check_generate(const CwRun *run, const CwStage *stage, guint i, GError **error)
{
  const CwGenerateOptions *options = stage->generate;
  g_autofree char *split = g_strdup_printf("stages.%u.generate.split", i);
  g_autofree char *agent = g_strdup_printf("stages.%u.generate.agent", i);
  g_autofree char *teacher = g_strdup_printf("stages.%u.generate.teacher", i);
  CwAgent found;
  return check_split(run->environment, options->split, split, error) &&
         (stage->policy.feature ||
          cw_run_find_agent(run, options->agent, CW_CALLED_POLICY, agent, &found, error)) &&
         cw_agent_check_teacher(options->teacher, run->environment, teacher, error);
}

static gboolean check_stages(const CwRun *run, guint first_stage, GError **error)
{
  gboolean good = check_split(run->environment, run->experiment->evaluate->split, "evaluate.split", error);
  for (guint i = 0; i < run->experiment->stages->len && good; i++) {
    const CwStage *stage = stage_at(run->experiment, i);
    if (i >= first_stage && !check_inputs(run, stage, i, error))
      good = FALSE;
    else if (stage->kind == CW_STAGE_GENERATE)
      good = check_generate(run, stage, i, error);
    else if (stage->kind == CW_STAGE_IMPORT)
      good = check_import(run, stage->import, i, error);
    else
      good = check_algorithm(run, stage, i, error);
  }
  return good;
}

/* Adds a phase for each stage to the eta. */
static void plan(CwTraining *training)
{
  CwRun *run = &training->run;
  guint n_stages = run->experiment->stages->len;
  run->phases = g_new(guint, n_stages);
  for (guint i = 0; i < n_stages; i++) {
    const CwStage *stage = stage_at(run->experiment, i);
    gboolean generates = stage->kind == CW_STAGE_GENERATE;
    gboolean searches =
        generates && stage->generate->perfect > 0; /* counts what it finds, not what it rolls out */
    g_autofree char *kind = generates && !searches ? g_strconcat("episodes of ", stage->generate->agent, NULL)
                                                   : g_strdup_printf("stage %u", i);
    run->phases[i] = cw_eta_add(run->eta, kind,
                                searches    ? (guint64)stage->generate->perfect
                                : generates ? (guint64)stage->generate->episodes
                                            : 0);
    if (training->resume_point && i < training->resume_point->stage)
      cw_eta_skip(run->eta, run->phases[i]);
  }
}

/* How much of the timings of earlier processes stays: nothing depends on them, so a torn end is dropped. */
static guint64 whole_timings(const char *path)
{
  guint64 whole = cw_log_whole(path);
  struct stat status;
  if (stat(path, &status) == 0 && (guint64)status.st_size > whole)
    g_message("%s: dropped %" G_GUINT64_FORMAT " bytes of a record that was not finished", path,
              (guint64)status.st_size - whole);
  return whole;
}

static gboolean open_writers(CwTraining *training, GError **error)
{
  CwRun *run = &training->run;
  g_autofree char *metrics = cw_run_path(run, "metrics.jsonl"), *timings = cw_run_path(run, "timings.jsonl");
  run->metrics =
      cw_metrics_open(metrics, training->resume_point ? training->resume_point->metrics_size : 0, error);
  if (!run->metrics)
    return FALSE;
  run->events =
      cw_events_open(run->directory, training->resume_point ? training->resume_point->step + 1 : 0, error);
  if (!run->events)
    return FALSE;
  cw_metrics_set_events(run->metrics, run->events);
  run->timings = cw_metrics_open(timings, training->resume ? whole_timings(timings) : 0, error);
  return run->timings != NULL;
}

/* Brings policy and counters to the checkpoint. */
static gboolean go_to_resume_point(CwTraining *training, CwBeforeTraining before, gpointer data,
                                   GError **error)
{
  CwRun *run = &training->run;
  const CwResumePoint *resume_point = training->resume_point;
  gboolean policy_has_changed = resume_point->inside;
  for (guint i = 0; i < resume_point->stage && i < run->experiment->stages->len; i++)
    policy_has_changed |= stage_at(run->experiment, i)->kind == CW_STAGE_ALGORITHM;
  /* An earlier process may have been stopped on the way: this is the last chance to see the policy untrained.
   */
  if (policy_has_changed && !before(data, error))
    return FALSE;
  g_autofree char *checkpoints = cw_run_path(run, "checkpoints");
  if (!cw_checkpoint_remove_newer(checkpoints, resume_point->step, error))
    return FALSE;
  run->step = resume_point->step;
  if (run->policy) {
    g_autofree char *directory = g_build_filename(resume_point->directory, "policy", NULL);
    if (!cw_policy_load(run->policy, directory, error))
      return FALSE;
    cw_policy_set_steps(run->policy,
                        g_key_file_get_uint64(resume_point->state, "run", "optimizer_steps", NULL));
  }
  g_message("%s: going on from %s", run->directory, resume_point->name);
  return TRUE;
}

gboolean cw_training_prepare(CwTraining *training, GError **error)
{
  const CwRun *run = &training->run;
  if (!cw_run_directory_prepare(run->directory, run->experiment, !training->resume, error) ||
      (!training->resume_point && !cw_conditions_write(run->conditions, run->directory, error)) ||
      !open_writers(training, error))
    return FALSE;
  plan(training);
  return TRUE;
}

gboolean cw_training_run(CwTraining *training, CwBeforeTraining before, gpointer data, GError **error)
{
  CwRun *run = &training->run;
  const CwResumePoint *resume_point = training->resume_point;
  if (resume_point && !go_to_resume_point(training, before, data, error))
    return FALSE;
  for (guint i = resume_point ? resume_point->stage : 0; i < run->experiment->stages->len; i++) {
    const CwResumePoint *inside =
        resume_point && resume_point->inside && resume_point->stage == i ? resume_point : NULL;
    gboolean good = FALSE;
    switch (stage_at(run->experiment, i)->kind) {
    case CW_STAGE_GENERATE:
      good = cw_training_explain(cw_stage_generate(run, i, error), error);
      break;
    case CW_STAGE_IMPORT:
      good = cw_training_explain(cw_stage_import(run, i, error), error);
      break;
    case CW_STAGE_ALGORITHM: /* which writes the checkpoint at its end itself */
      good = (inside || before(data, error)) && cw_stage_algorithm(run, i, inside, error);
      break;
    }
    if (!good || !cw_conditions_add_stage(run->conditions, run, i, error) ||
        (stage_at(run->experiment, i)->kind != CW_STAGE_ALGORITHM &&
         !cw_resume_point_save(run, i + 1, FALSE, NULL, NULL, NULL, NULL, error)) ||
        !cw_run_directory_end_stage(run->directory, i, error))
      return FALSE;
  }
  return cw_run_directory_tidy(run->directory, error);
}

gboolean cw_training_explain(gboolean good, GError **error)
{
  if (!good && error && g_error_matches(*error, CW_RUN_ERROR, CW_ERROR_CANCELLED)) {
    g_clear_error(error);
    g_set_error_literal(error, CW_RUN_ERROR, CW_ERROR_CANCELLED, "interrupted; continue with --resume");
  }
  return good;
}

/* Opens the run. What the policy may choose by itself stays as it was when the run began, where that is
 * possible. */
static gboolean open_run(CwTraining *training, CwExperiment *experiment, GKeyFile *recorded, gboolean quiet,
                         GError **error)
{
  g_autoptr(GError) problem = NULL;
  gboolean kept = recorded && cw_conditions_keep_auto(experiment, recorded, TRUE);
  if (cw_run_open(&training->run, experiment, TRUE, quiet, &problem))
    return TRUE;
  if (!kept) {
    g_propagate_error(error, g_steal_pointer(&problem));
    return FALSE;
  }
  cw_run_close(&training->run);
  cw_conditions_keep_auto(experiment, recorded, FALSE);
  return cw_run_open(&training->run, experiment, TRUE, quiet, error);
}

static gboolean check_conditions(CwTraining *training, GKeyFile *recorded, char **accept, GError **error)
{
  CwRun *run = &training->run;
  const CwResumePoint *resume_point = training->resume_point;
  run->conditions = cw_conditions_new(run, resume_point ? resume_point->stage : 0);
  return !recorded || cw_conditions_check(run->conditions, recorded,
                                          resume_point ? resume_point->directory : run->directory,
                                          (const char *const *)accept, error);
}

gboolean cw_training_open(CwTraining *training, CwExperiment *experiment, const CwRunOptions *options,
                          GError **error)
{
  const char *directory = cw_run_options_directory(options, experiment);
  GError *problem = NULL;
  *training = (CwTraining){.resume = options->resume};
  training->lock = cw_run_directory_lock(directory, options->resume, error);
  const char *const *extend = (const char *const *)options->extend;
  if (training->lock < 0 ||
      !cw_run_directory_check(directory, experiment, options->resume, options->overwrite, extend, error))
    return FALSE;
  if (options->resume)
    training->resume_point = cw_resume_point_find(directory, &problem);
  if (problem) {
    g_propagate_error(error, problem);
    return FALSE;
  }
  if (!cw_extend_resume_point(training->resume_point, experiment, extend, error))
    return FALSE;
  g_autoptr(GKeyFile) recorded = training->resume_point ? g_key_file_ref(training->resume_point->state)
                                 : options->resume      ? cw_conditions_read(directory)
                                                        : NULL;
  if (!open_run(training, experiment, recorded, options->quiet, error))
    return FALSE;
  training->run.directory = g_strdup(directory);
  guint first_stage = training->resume_point ? training->resume_point->stage : 0;
  return check_stages(&training->run, first_stage, error) &&
         check_conditions(training, recorded, options->accept, error);
}

void cw_training_close(CwTraining *training)
{
  cw_run_close(&training->run);
  cw_resume_point_free(training->resume_point);
  if (training->lock >= 0)
    close(training->lock);
}

const char *cw_run_options_directory(const CwRunOptions *options, const CwExperiment *experiment)
{
  return options->directory ? options->directory : experiment->output;
}
