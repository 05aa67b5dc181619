/* The course of a run: check the directory, open everything, find the place to go on from, go through the
 * stages with a checkpoint after each, evaluate, draw the curves. The old run in a directory is touched only
 * when everything the new one needs has been opened. */
#include "core/train/run.h"
#include "core/base/checkpoint.h"
#include "core/base/progress.h"
#include "core/train/context.h"
#include "core/train/directory.h"
#include "core/train/stages.h"
#include "lab/curves/curves.h"
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A run in its course; what is not in CwRun because stages do not need it. */
typedef struct {
  CwRun run;
  char **agents;               /* to be evaluated, in order */
  guint *evaluation;           /* their phases in the eta */
  CwResumePoint *resume_point; /* where to go on; NULL: at the beginning */
} Course;

static const CwStage *stage_at(const CwExperiment *experiment, guint i)
{
  return g_ptr_array_index(experiment->stages, i);
}

/* What only the opened environment can tell: its splits and scripts. */
static gboolean check_split(CwEnvironment *environment, const char *split, const char *key, GError **error)
{
  if (cw_environment_n_goals(environment, split, error) >= 0)
    return TRUE;
  g_prefix_error(error, "%s: ", key);
  return FALSE;
}

static gboolean check_teacher(const char *const *scripts, const CwGenerateOptions *options, guint i,
                              GError **error)
{
  if (!options->teacher || g_strv_contains(scripts, options->teacher))
    return TRUE;
  g_autofree char *known = g_strjoinv(", ", (char **)scripts);
  g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
              "stages.%u.generate.teacher: no script '%s' in the environment; there are %s", i,
              options->teacher, *known ? known : "none");
  return FALSE;
}

static gboolean check_generate(const CwRun *run, const CwGenerateOptions *options, guint i, GError **error)
{
  const char *const *scripts = cw_environment_scripts(run->environment);
  g_autofree char *key = g_strdup_printf("stages.%u.generate.split", i);
  if (!check_split(run->environment, options->split, key, error))
    return FALSE;
  if (g_str_equal(options->agent, "random") || g_strv_contains(scripts, options->agent) ||
      (g_str_equal(options->agent, "policy") && run->policy))
    return check_teacher(scripts, options, i, error);
  g_autofree char *known = g_strjoinv(", ", (char **)scripts);
  g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
              "stages.%u.generate.agent: no agent '%s'; there are random%s%s%s", i, options->agent,
              run->policy ? ", policy" : "", *known ? ", " : "", known);
  return FALSE;
}

static gboolean check_stages(const CwRun *run, GError **error)
{
  gboolean good = check_split(run->environment, run->experiment->evaluate->split, "evaluate.split", error);
  for (guint i = 0; i < run->experiment->stages->len && good; i++) {
    const CwStage *stage = stage_at(run->experiment, i);
    g_autofree char *key = g_strdup_printf("stages.%u.evaluate_split", i);
    if (stage->kind == CW_STAGE_GENERATE)
      good = check_generate(run, stage->generate, i, error);
    else if (stage->kind == CW_STAGE_ALGORITHM && stage->options->evaluate_every > 0)
      good = check_split(run->environment, stage->options->evaluate_split, key, error);
  }
  return good;
}

/* Adds the phases of the whole run to the eta. */
static void plan(Course *course)
{
  CwRun *run = &course->run;
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
    if (course->resume_point && i < course->resume_point->stage)
      cw_eta_skip(run->eta, run->phases[i]);
  }
  course->evaluation = g_new(guint, g_strv_length(course->agents));
  for (guint i = 0; course->agents[i]; i++)
    course->evaluation[i] = cw_run_plan_evaluation(run, course->agents[i]);
}

static gboolean evaluate_agent(Course *course, const char *name, GError **error)
{
  for (guint i = 0; course->agents[i]; i++)
    if (g_str_equal(course->agents[i], name))
      return cw_run_evaluate(&course->run, name, course->evaluation[i], error);
  return TRUE;
}

static guint64 file_size(const char *path)
{
  struct stat status;
  return stat(path, &status) == 0 ? (guint64)status.st_size : 0;
}

static gboolean open_writers(Course *course, gboolean resume, GError **error)
{
  CwRun *run = &course->run;
  g_autofree char *metrics = cw_run_path(run, "metrics.jsonl"), *timings = cw_run_path(run, "timings.jsonl");
  run->metrics =
      cw_metrics_open(metrics, course->resume_point ? course->resume_point->metrics_size : 0, error);
  if (!run->metrics)
    return FALSE;
  run->events =
      cw_events_open(run->directory, course->resume_point ? course->resume_point->step + 1 : 0, error);
  if (!run->events)
    return FALSE;
  cw_metrics_set_events(run->metrics, run->events);
  run->timings = cw_metrics_open(timings, resume ? file_size(timings) : 0, error);
  return run->timings != NULL;
}

/* Removes checkpoints newer than the one to go on from: they are broken, and would count as the newest when
 * old ones are pruned. */
static gboolean remove_newer(const Course *course, GError **error)
{
  g_autofree char *parent = cw_run_path(&course->run, "checkpoints");
  GDir *dir = g_dir_open(parent, 0, NULL);
  const char *name;
  gboolean good = TRUE;
  while (dir && good && (name = g_dir_read_name(dir))) {
    guint64 step;
    if (!g_str_has_prefix(name, "step-") ||
        !g_ascii_string_to_unsigned(name + strlen("step-"), 10, 0, G_MAXUINT64, &step, NULL) ||
        step <= course->resume_point->step)
      continue;
    g_autofree char *path = g_build_filename(parent, name, NULL);
    good = cw_remove_tree(path, error);
  }
  if (dir)
    g_dir_close(dir);
  return good;
}

/* Brings policy and counters to the checkpoint. */
static gboolean go_to_position(Course *course, GError **error)
{
  CwRun *run = &course->run;
  const CwResumePoint *resume_point = course->resume_point;
  gboolean policy_has_changed = resume_point->inside;
  for (guint i = 0; i < resume_point->stage && i < run->experiment->stages->len; i++)
    policy_has_changed |= stage_at(run->experiment, i)->kind == CW_STAGE_ALGORITHM;
  /* The results of the untrained policy may be missing: this is the last chance to get them. */
  if (policy_has_changed && !evaluate_agent(course, "initial", error))
    return FALSE;
  if (!remove_newer(course, error))
    return FALSE;
  run->step = resume_point->step;
  if (run->policy) {
    g_autofree char *directory = g_build_filename(resume_point->directory, "policy", NULL);
    if (!cw_policy_load(run->policy, directory, error))
      return FALSE;
  }
  g_message("%s: going on from %s", run->directory, resume_point->name);
  return TRUE;
}

static gboolean run_stages(Course *course, GError **error)
{
  CwRun *run = &course->run;
  for (guint i = course->resume_point ? course->resume_point->stage : 0; i < run->experiment->stages->len;
       i++) {
    const CwResumePoint *resume_point =
        course->resume_point && course->resume_point->inside && course->resume_point->stage == i
            ? course->resume_point
            : NULL;
    gboolean good = FALSE;
    switch (stage_at(run->experiment, i)->kind) {
    case CW_STAGE_GENERATE:
      good = cw_stage_generate(run, i, error);
      break;
    case CW_STAGE_IMPORT:
      good = cw_stage_import(run, i, error);
      break;
    case CW_STAGE_ALGORITHM:
      good = (resume_point || evaluate_agent(course, "initial", error)) &&
             cw_stage_algorithm(run, i, resume_point, error);
      break;
    }
    if (!good || !cw_resume_point_save(run, i + 1, FALSE, NULL, NULL, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean run_evaluations(Course *course, char **summary, GError **error)
{
  CwRun *run = &course->run;
  for (guint i = 0; course->agents[i]; i++)
    if (!cw_run_evaluate(run, course->agents[i], course->evaluation[i], error))
      return FALSE;
  g_autofree char *path = cw_run_path(run, "evaluation.json");
  run->results->seconds = (double)(g_get_monotonic_time() - run->start) / G_USEC_PER_SEC;
  if (!cw_results_write(run->results, path, error))
    return FALSE;
  GError *problem = NULL;
  gboolean drawn = cw_curves_draw(run->directory, &problem);
  if (!drawn) {
    g_warning("no curves were drawn: %s", problem->message);
    g_error_free(problem);
  }
  g_autofree char *table = cw_results_table(run->results, (const char *const *)course->agents);
  g_autofree char *curves = cw_run_path(run, "curves.png");
  g_autofree char *duration = cw_format_duration(run->results->seconds);
  *summary = g_strdup_printf("%s\nwall time: %s%s\nresults: %s\n%s%s%s", table, duration,
                             course->resume_point ? " since it was resumed" : "", path,
                             drawn ? "curves: " : "", drawn ? curves : "", drawn ? "\n" : "");
  return TRUE;
}

static gboolean follow_course(Course *course, const CwRunOptions *options, char **summary, GError **error)
{
  CwRun *run = &course->run;
  const CwExperiment *experiment = run->experiment;
  if (!check_stages(run, error) || !(course->agents = cw_run_agents(experiment, run->environment, error)))
    return FALSE;
  if (options->resume) {
    GError *problem = NULL;
    course->resume_point = cw_resume_point_find(run->directory, experiment->fingerprint, &problem);
    if (problem) {
      g_propagate_error(error, problem);
      return FALSE;
    }
  }
  g_autofree char *results = cw_run_path(run, "evaluation.json");
  if (!cw_run_directory_prepare(run->directory, experiment, !options->resume, error) ||
      !open_writers(course, options->resume, error) || !cw_results_read(run->results, results, error))
    return FALSE;
  plan(course);
  return (!course->resume_point || go_to_position(course, error)) && run_stages(course, error) &&
         run_evaluations(course, summary, error);
}

gboolean cw_run_experiment(CwExperiment *experiment, const CwRunOptions *options, char **summary,
                           GError **error)
{
  Course course = {0};
  const char *directory = options->directory ? options->directory : experiment->output;
  GError *problem = NULL;
  int lock = cw_run_directory_lock(directory, options->resume, error);
  if (lock < 0)
    return FALSE;
  gboolean good =
      cw_run_directory_check(directory, experiment, options->resume, options->overwrite, &problem) &&
      cw_run_open(&course.run, experiment, TRUE, options->quiet, &problem);
  if (good) {
    course.run.directory = g_strdup(directory);
    good = follow_course(&course, options, summary, &problem);
  }
  cw_run_close(&course.run);
  cw_resume_point_free(course.resume_point);
  g_strfreev(course.agents);
  g_free(course.evaluation);
  close(lock);
  if (good)
    return TRUE;
  /* A run that never began leaves no empty directory. */
  g_rmdir(directory);
  if (g_error_matches(problem, CW_RUN_ERROR, CW_ERROR_CANCELLED) &&
      g_str_equal(problem->message, "stopped on request"))
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_CANCELLED, "interrupted; continue with --resume");
  else
    g_propagate_error(error, g_steal_pointer(&problem));
  g_clear_error(&problem);
  return FALSE;
}
