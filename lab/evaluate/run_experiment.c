/* A run from the first stage to the table. The policy is evaluated untrained just before it changes,
 * everybody else at the end; what evaluation.json holds already is not repeated. */
#include "lab/evaluate/run_experiment.h"
#include "core/base/progress.h"
#include "core/train/conditions.h"
#include "lab/evaluate/evaluator.h"
#include <glib/gstdio.h>

static gboolean evaluate_untrained(gpointer evaluator, GError **error)
{
  return cw_training_explain(cw_evaluator_run(evaluator, CW_WEIGHTS_INITIAL, error), error);
}

static gboolean evaluate_all(CwEvaluator *evaluator, GError **error)
{
  return cw_training_explain(
      cw_evaluator_run(evaluator, CW_WEIGHTS_PRESENT | CW_WEIGHTS_INITIAL | CW_WEIGHTS_FINAL, error), error);
}

static char *summarise(const CwTraining *training, CwEvaluator *evaluator, const char *results)
{
  g_autofree char *table = cw_evaluator_table(evaluator);
  g_autofree char *duration = cw_format_duration(cw_evaluator_results(evaluator)->seconds);
  return g_strdup_printf("%s\nwall time: %s%s\nresults: %s\n", table, duration,
                         training->resume_point ? " since it was resumed" : "", results);
}

static gboolean run(CwTraining *training, CwEvaluator *evaluator, char **summary, GError **error)
{
  CwResults *results = cw_evaluator_results(evaluator);
  g_autofree char *path = cw_run_path(&training->run, "evaluation.json");
  results->accepted = g_strdupv((char **)cw_conditions_accepted(training->run.conditions));
  if (!cw_training_prepare(training, error) || !cw_results_read(results, path, error) ||
      !cw_evaluator_keep_episodes(evaluator, training->run.directory, error))
    return FALSE;
  cw_evaluator_plan(evaluator);
  if (!cw_training_run(training, evaluate_untrained, evaluator, error) || !evaluate_all(evaluator, error))
    return FALSE;
  results->seconds = (double)(g_get_monotonic_time() - training->run.start) / G_USEC_PER_SEC;
  if (!cw_results_write(results, path, error))
    return FALSE;
  *summary = summarise(training, evaluator, path);
  return TRUE;
}

gboolean cw_run_experiment(CwExperiment *experiment, const CwRunOptions *options, char **summary,
                           GError **error)
{
  CwTraining training;
  CwEvaluator *evaluator = NULL;
  gboolean good = cw_training_open(&training, experiment, options, error) &&
                  (evaluator = cw_evaluator_new(&training.run, error)) &&
                  run(&training, evaluator, summary, error);
  gboolean locked = training.lock >= 0;
  cw_evaluator_free(evaluator);
  cw_training_close(&training);
  /* A run that never began leaves no empty directory. */
  if (!good && locked)
    g_rmdir(cw_run_options_directory(options, experiment));
  return good;
}
