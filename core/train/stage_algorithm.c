/* The training loop of one algorithm stage. It owns the algorithm, the reference policy, the stage's random
 * stream, the offline trajectories and the episodes of the present update. All that decides what comes next
 * is in TrainingState and in the objects that a checkpoint saves, so that a resumed stage repeats to the byte
 * what an uninterrupted one does; wall-clock goes into timings.jsonl only. */
#include "core/base/durable.h"
#include "core/base/interrupt.h"
#include "core/rollout/evaluation.h"
#include "core/train/collect.h"
#include "core/train/directory.h"
#include "core/train/extend.h"
#include "core/train/networks.h"
#include "core/train/refresh.h"
#include "core/train/stages.h"
#include "core/trajectory/trajectories.h"

typedef struct {
  CwRun *run;
  const CwStage *stage;
  guint index;
  const char *name; /* of the algorithm */
  CwAlgorithm *algorithm;
  CwPolicy *reference; /* NULL unless needed */
  CwNetworks *networks;
  CwRandom *random;
  CwUpdate *update;
  CwRefresh *refresh;
  char *scratch;           /* directory for the algorithm's files */
  GPtrArray *trajectories; /* CwTrajectory *: offline */
  GPtrArray *episodes;     /* CwTrajectory *: rolled out for the present update */
  CwCollector *collector;
  GString *results; /* for the progress line: of the last update and the last evaluation */
  double score;     /* of the last evaluation; negative: none yet */
  const char
      *doing; /* what fails if something fails now, for messages: "update", "evaluation after update" */
  /* Saved in checkpoints. */
  guint64 n_updates;           /* finished */
  gboolean done;               /* the algorithm has finished */
  gboolean evaluation_pending; /* an evaluation is due before the next update */
} Training;

/* What an update cost, for timings.jsonl. */
typedef struct {
  double collect, update;
} Cost;

static double seconds_since(gint64 start)
{
  return (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC;
}

/* At the present update, or, when it is `over`, at the end of the stage. */
static gboolean save(Training *training, gboolean over, GError **error)
{
  g_autoptr(GKeyFile) state = g_key_file_new();
  guint next = training->index + (over ? 1 : 0);
  if (over && next < training->run->experiment->stages->len)
    return cw_resume_point_save(training->run, next, FALSE, NULL, NULL, NULL, NULL, error);
  g_autofree char *random = cw_random_save(training->random);
  g_key_file_set_uint64(state, "stage", "updates", training->n_updates);
  cw_collector_save(training->collector, state);
  g_key_file_set_boolean(state, "stage", "done", training->done);
  g_key_file_set_boolean(state, "stage", "evaluation_pending", training->evaluation_pending);
  cw_refresh_save(training->refresh, state);
  g_key_file_set_string(state, "stage", "random", random);
  cw_algorithm_save(training->algorithm, state);
  if (over)
    cw_extend_save(training->stage, state);
  return cw_resume_point_save(training->run, next, !over, state, training->reference, training->networks,
                              training->algorithm, error);
}

static gboolean read_state(Training *training, GKeyFile *state, GError **error)
{
  GError *problem = NULL;
  training->n_updates = g_key_file_get_uint64(state, "stage", "updates", &problem);
  if (!problem)
    training->done = g_key_file_get_boolean(state, "stage", "done", &problem);
  if (!problem)
    training->evaluation_pending = g_key_file_get_boolean(state, "stage", "evaluation_pending", &problem);
  g_autofree char *random = problem ? NULL : g_key_file_get_string(state, "stage", "random", &problem);
  if (!problem && !cw_random_load(training->random, random))
    g_set_error(&problem, CW_RUN_ERROR, CW_ERROR_FORMAT, "'%s' is not the state of a random stream", random);
  if (!problem && cw_refresh_load(training->refresh, state, &problem) &&
      cw_collector_load(training->collector, state, &problem))
    return TRUE;
  g_propagate_error(error, problem);
  return FALSE;
}

static gboolean load(Training *training, const CwResumePoint *resume_point, GError **error)
{
  g_autoptr(GError) problem = NULL;
  if (!read_state(training, resume_point->state, &problem)) {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_FORMAT, "%s/state.ini: %s", resume_point->directory,
                problem->message);
    return FALSE;
  }
  g_autofree char *reference = g_build_filename(resume_point->directory, "reference", NULL);
  g_autofree char *files = g_build_filename(resume_point->directory, "algorithm", NULL);
  return (!training->reference || cw_policy_load(training->reference, reference, error)) &&
         cw_algorithm_load(training->algorithm, resume_point->state, error) &&
         (!cw_algorithm_has_files(training->algorithm) ||
          cw_algorithm_load_files(training->algorithm, files, error));
}

static gboolean read_trajectories(Training *training, GError **error)
{
  g_auto(GStrv) paths = cw_refresh_paths(training->refresh);
  gboolean good = TRUE;
  g_ptr_array_set_size(training->trajectories, 0);
  for (guint i = 0; paths[i] && good; i++)
    good = cw_trajectories_read(paths[i], training->trajectories, error);
  return good;
}

static gboolean open_training(Training *training, const CwResumePoint *resume_point, GError **error)
{
  CwRun *run = training->run;
  const CwBinding *binding = &training->stage->algorithm;
  guint64 needs = cw_algorithm_needs(binding->feature, binding->options);
  training->random = cw_random_new((guint32)run->experiment->seed, "algorithm", training->index, 0);
  training->trajectories = g_ptr_array_new_with_free_func((GDestroyNotify)cw_trajectory_unref);
  training->episodes = g_ptr_array_new_with_free_func((GDestroyNotify)cw_trajectory_unref);
  training->results = g_string_new(NULL);
  training->scratch = cw_run_directory_scratch(run->directory, training->index);
  training->score = -1;
  training->evaluation_pending = training->stage->options->evaluate_every > 0 && run->step == 0;
  training->refresh = cw_refresh_new(run, training->index);
  if ((needs & CW_NEEDS_REFERENCE) && !(training->reference = cw_policy_clone_frozen(run->policy, error)))
    return FALSE;
  training->algorithm = cw_algorithm_open(binding->feature, binding->options, error);
  if (!training->algorithm ||
      !(training->networks = cw_networks_open(run, training->index, resume_point, error)))
    return FALSE;
  training->update = cw_update_new(run->policy, training->reference, training->random);
  training->collector = cw_collector_new(run, training->index, training->update);
  cw_policy_announce_memory(run->policy);
  cw_update_set_scratch(training->update, training->scratch);
  cw_networks_show(training->networks, training->update);
  if ((resume_point && !load(training, resume_point, error)) || !read_trajectories(training, error))
    return FALSE;
  cw_update_set_generation(training->update, cw_refresh_generation(training->refresh));
  return TRUE;
}

static void close_training(Training *training)
{
  if (training->update)
    cw_update_free(training->update);
  cw_refresh_free(training->refresh);
  cw_algorithm_close(training->algorithm);
  cw_policy_close(training->reference);
  cw_networks_free(training->networks);
  cw_random_free(training->random);
  g_clear_pointer(&training->trajectories, g_ptr_array_unref);
  g_clear_pointer(&training->episodes, g_ptr_array_unref);
  cw_collector_free(training->collector);
  g_string_free(training->results, TRUE);
  g_free(training->scratch);
}

/* The progress line: results of the last update and the last evaluation, and what is being done now (NULL:
 * nothing that takes time). */
static void report(Training *training, const char *activity)
{
  guint64 expected = cw_algorithm_expected_updates(training->algorithm);
  g_autofree char *text = g_strjoin(", ", training->results->str, activity, NULL);
  cw_eta_update(training->run->eta, training->n_updates, training->done ? training->n_updates : expected,
                *text == ',' ? text + 2 : text);
}

static void report_episodes(Training *training, const char *activity, guint64 done, guint64 total)
{
  g_autofree char *text =
      g_strdup_printf("%s %" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT, activity, done, total);
  report(training, text);
}

static void report_evaluation(guint64 done, guint64 total, const char *text G_GNUC_UNUSED, gpointer user_data)
{
  report_episodes(user_data, "evaluating", done, total);
}

static void report_collected(guint64 done, guint64 total, const char *text G_GNUC_UNUSED, gpointer user_data)
{
  report_episodes(user_data, "collecting", done, total);
}

static gboolean collect(Training *training, GError **error)
{
  CwCollectRequest wanted = {.struct_size = sizeof wanted};
  return cw_algorithm_collect(training->algorithm, &wanted, error) &&
         cw_collector_run(training->collector, &wanted, training->episodes, report_collected, training,
                          error);
}

static void begin_record(Training *training, CwMetrics *metrics)
{
  cw_metrics_begin(metrics);
  cw_metrics_integer(metrics, "step", (gint64)training->run->step);
  cw_metrics_integer(metrics, "stage", training->index);
  cw_metrics_integer(metrics, "update", (gint64)training->n_updates);
}

static void record_episodes(Training *training)
{
  CwCollected ended = cw_collector_ended(training->collector);
  if (ended.n == 0)
    return;
  cw_metrics_integer(training->run->metrics, "rollout/episodes", ended.n);
  cw_metrics_number(training->run->metrics, "rollout/score", 100 * ended.reward / ended.n);
  cw_metrics_number(training->run->metrics, "rollout/success", 100 * ended.success / ended.n);
  cw_metrics_number(training->run->metrics, "rollout/steps_per_episode", ended.length / ended.n);
}

/* What the policy has done since it was opened, for timings.jsonl: how much of it was looked up, above all.
 */
static void record_counters(CwRun *run)
{
  guint n;
  const CwNamedValue *counters = cw_policy_counters(run->policy, &n);
  for (guint i = 0; i < n; i++) {
    g_autofree char *name = g_strconcat("policy/", counters[i].name, NULL);
    cw_metrics_number(run->timings, name, counters[i].value);
  }
}

static gboolean record_update(Training *training, Cost cost, GError **error)
{
  CwRun *run = training->run;
  const CwUpdate *update = training->update;
  if (cw_update_n_metrics(update) > 0 || training->episodes->len > 0) {
    begin_record(training, run->metrics);
    for (guint i = 0; i < cw_update_n_metrics(update); i++) {
      g_autofree char *name = g_strdup_printf("%s/%s", training->name, cw_update_metric_name(update, i));
      cw_metrics_number(run->metrics, name, cw_update_metric_value(update, i));
    }
    record_episodes(training);
    if (!cw_metrics_end(run->metrics, error))
      return FALSE;
  }
  begin_record(training, run->timings);
  cw_metrics_number(run->timings, "seconds/collect", cost.collect);
  cw_metrics_number(run->timings, "seconds/update", cost.update);
  cw_metrics_number(run->timings, "seconds/elapsed", seconds_since(run->start));
  record_counters(run);
  return cw_metrics_end(run->timings, error);
}

/* "loss 0.41 accuracy 0.83": the first metrics. */
static void tell_update(Training *training)
{
  g_string_truncate(training->results, 0);
  for (guint i = 0; i < MIN(cw_update_n_metrics(training->update), 2); i++)
    g_string_append_printf(training->results, "%s%s %.4g", i ? " " : "",
                           cw_update_metric_name(training->update, i),
                           cw_update_metric_value(training->update, i));
  if (training->score >= 0)
    g_string_append_printf(training->results, "%s%s score %.1f", training->results->len ? " " : "",
                           training->stage->options->evaluate_split, training->score);
  report(training, NULL);
}

static gboolean update_once(Training *training, GError **error)
{
  CwRun *run = training->run;
  Cost cost;
  gint64 start = g_get_monotonic_time();
  if (!collect(training, error))
    return FALSE;
  cost.collect = seconds_since(start);
  start = g_get_monotonic_time();
  cw_update_begin(training->update, training->n_updates, training->trajectories, training->episodes);
  if (!cw_algorithm_update(training->algorithm, training->update, &training->done, error))
    return FALSE;
  const char *bad = cw_update_bad_metric(training->update);
  if (bad) {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_NUMERIC, "metric '%s/%s' is not finite", training->name, bad);
    return FALSE;
  }
  cost.update = seconds_since(start);
  training->n_updates++;
  run->step++;
  gint64 every = training->stage->options->evaluate_every;
  training->evaluation_pending = every > 0 && (training->done || training->n_updates % (guint64)every == 0);
  tell_update(training);
  return record_update(training, cost, error);
}

static void record_interval(CwMetrics *metrics, const char *name, CwInterval interval)
{
  g_autofree char *low = g_strconcat(name, "_low", NULL), *high = g_strconcat(name, "_high", NULL);
  cw_metrics_number(metrics, name, interval.mean);
  cw_metrics_number(metrics, low, interval.low);
  cw_metrics_number(metrics, high, interval.high);
}

/* Scores the present policy for the curve. */
static gboolean evaluate(Training *training, GError **error)
{
  CwRun *run = training->run;
  const CwStageOptions *options = training->stage->options;
  CwAgent agent = {.kind = CW_AGENT_POLICY, .name = "policy", .policy = run->policy};
  char **selections = run->experiment->evaluate->selection;
  if (selections && selections[0])
    cw_selection_from_name(selections[0], &agent.selection);
  CwEvaluation *evaluation = cw_evaluate(run->rollout, &agent, "policy", options->evaluate_split,
                                         (guint64)options->evaluate_episodes, (guint32)run->experiment->seed,
                                         NULL, report_evaluation, training, error);
  if (!evaluation)
    return FALSE;
  double confidence = run->experiment->evaluate->confidence;
  CwInterval score = cw_evaluation_score(evaluation, confidence);
  CwInterval success = cw_evaluation_success(evaluation, confidence);
  begin_record(training, run->metrics);
  cw_metrics_string(run->metrics, "evaluation/split", options->evaluate_split);
  cw_metrics_string(run->metrics, "evaluation/selection", evaluation->selection);
  cw_metrics_integer(run->metrics, "evaluation/episodes", evaluation->n);
  record_interval(run->metrics, "evaluation/score", score);
  record_interval(run->metrics, "evaluation/success", success);
  cw_metrics_number(run->metrics, "evaluation/steps_per_episode", cw_evaluation_mean_length(evaluation));
  gboolean good = cw_metrics_end(run->metrics, error);
  begin_record(training, run->timings);
  cw_metrics_number(run->timings, "seconds/evaluation", evaluation->seconds);
  record_counters(run);
  good = good && cw_metrics_end(run->timings, error);
  training->score = score.mean;
  tell_update(training);
  cw_evaluation_free(evaluation);
  return good;
}

static gboolean cancelled(Training *training, GError **error)
{
  if (save(training, FALSE, error))
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_CANCELLED,
                "interrupted after update %" G_GUINT64_FORMAT " of stage %u; checkpoint %s/checkpoints/step-"
                "%" G_GUINT64_FORMAT " written, continue with --resume",
                training->n_updates, training->index + 1, training->run->directory, training->run->step);
  return FALSE;
}

static void report_refresh(guint64 done, guint64 total, const char *text G_GNUC_UNUSED, gpointer user_data)
{
  report_episodes(user_data, "refreshing", done, total);
}

/* Has the trajectories made anew by the present policy. */
static gboolean refresh(Training *training, GError **error)
{
  gint64 start = g_get_monotonic_time();
  if (!cw_refresh_run(training->refresh, report_refresh, training, error) ||
      !read_trajectories(training, error))
    return FALSE;
  cw_update_set_generation(training->update, cw_refresh_generation(training->refresh));
  begin_record(training, training->run->timings);
  cw_metrics_number(training->run->timings, "seconds/refresh", seconds_since(start));
  return cw_metrics_end(training->run->timings, error);
}

/* What an interrupt may break off and a resumed stage does again: FALSE, with a checkpoint written, or for
 * good. */
static gboolean interruptible(Training *training, gboolean (*work)(Training *, GError **), GError **error)
{
  g_autoptr(GError) problem = NULL;
  if (work(training, &problem))
    return TRUE;
  if (g_error_matches(problem, CW_RUN_ERROR, CW_ERROR_CANCELLED))
    return cancelled(training, error);
  g_propagate_error(error, g_steal_pointer(&problem));
  return FALSE;
}

static gboolean train(Training *training, GError **error)
{
  guint64 every = (guint64)MAX(training->run->experiment->checkpoint->every, 0);
  for (gboolean fresh = TRUE;; fresh = FALSE) {
    training->doing = "evaluation after update";
    if (training->evaluation_pending && !interruptible(training, evaluate, error))
      return FALSE;
    training->evaluation_pending = FALSE;
    training->doing = "checkpoint after update";
    if (training->done)
      return cw_resume_point_check_weights(training->run->policy, error);
    if (cw_interrupted())
      return cancelled(training, error);
    if (!fresh && every > 0 && training->n_updates % every == 0 && !save(training, FALSE, error))
      return FALSE;
    training->doing = "refresh after update";
    if (cw_refresh_is_due(training->refresh, training->n_updates) && !interruptible(training, refresh, error))
      return FALSE;
    training->doing = "update";
    if (!update_once(training, error))
      return FALSE;
  }
}

/* Says where it happened, and for numeric trouble what is left. */
static void explain(const Training *training, GError **error)
{
  if (!error || !*error || (*error)->code == CW_ERROR_CANCELLED)
    return;
  g_prefix_error(error, "stage %u (%s), %s %" G_GUINT64_FORMAT ": ", training->index + 1, training->name,
                 training->doing, training->n_updates + (g_str_equal(training->doing, "update") ? 1 : 0));
  if ((*error)->code != CW_ERROR_NUMERIC)
    return;
  g_autofree char *name = cw_resume_point_latest_name(training->run->directory);
  g_autofree char *message = g_steal_pointer(&(*error)->message);
  (*error)->message =
      name ? g_strdup_printf("%s; training has stopped, the last good checkpoint is %s/checkpoints/%s",
                             message, training->run->directory, name)
           : g_strdup_printf("%s; training has stopped before the first checkpoint", message);
}

gboolean cw_stage_algorithm(CwRun *run, guint index, const CwResumePoint *resume_point, GError **error)
{
  const CwStage *stage = g_ptr_array_index(run->experiment->stages, index);
  Training training = {.run = run, .stage = stage, .index = index, .name = stage->algorithm.feature->name};
  GError *problem = NULL;
  gboolean good = open_training(&training, resume_point, &problem);
  if (good) {
    g_autofree char *label =
        g_strdup_printf("%u/%u %s", index + 1, run->experiment->stages->len, training.name);
    cw_eta_begin(run->eta, run->phases[index], label, training.n_updates,
                 cw_algorithm_expected_updates(training.algorithm));
    good = train(&training, &problem);
    cw_eta_end(run->eta);
    if (!good)
      explain(&training, &problem);
    good = good && save(&training, TRUE, &problem);
  } else
    g_prefix_error(&problem, "stage %u (%s): ", index + 1, training.name);
  if (!good)
    g_propagate_error(error, problem);
  close_training(&training);
  return good;
}
