/* Writes what inspect_ai calls an EvalLog, one for each agent: a sample is an episode, the page that the
 * agent saw is a message of the user, the action a message of the assistant, and what stands behind the
 * action (probabilities, value, advice) an event of the transcript. Times are those at which the results were
 * written: a run does not record the time of a step. */
#include "lab/inspect/inspect_log.h"
#include "config.h"
#include "core/base/durable.h"
#include "core/base/json_text.h"
#include "core/trajectory/trajectories.h"
#include "lab/evaluate/kept_episodes.h"
#include "lab/report/report_run.h"
#include <cartwright/error.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

typedef struct {
  const CwReportRun *run;
  const CwEvaluation *evaluation;
  const GPtrArray *episodes; /* CwTrajectory * */
  char *time;                /* of everything, as ISO 8601 */
  char *model;               /* "cartwright/final-greedy" */
  char *id;                  /* of the evaluation, the same whenever it is written */
} Log;

/* When the results were written. Free with g_free. */
static char *time_of(const CwReportRun *run)
{
  g_autofree char *path = g_build_filename(run->directory, "evaluation.json", NULL);
  GStatBuf status;
  g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(g_stat(path, &status) == 0 ? status.st_mtime : 0);
  return g_date_time_format(time, "%Y-%m-%dT%H:%M:%S+00:00");
}

static char *id_of(const char *what, const Log *log, const char *more)
{
  g_autofree char *text = g_strjoin(" ", what, log->run->results->name, log->model, log->time, more, NULL);
  char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);
  sum[22] = '\0';
  return sum;
}

static void append_id(GString *json, const char *key, const Log *log, const char *more)
{
  g_autofree char *id = id_of(key, log, more);
  cw_json_string(json, key, id);
}

static void append_empty(GString *json, const char *key)
{
  cw_json_begin(json, key, '{');
  cw_json_end(json, '}');
}

static void append_eval(GString *json, const Log *log)
{
  const CwResults *results = log->run->results;
  g_autofree char *dataset = g_strdup_printf("%s %s", results->environment, log->evaluation->split);
  cw_json_begin(json, "eval", '{');
  cw_json_string(json, "eval_id", log->id);
  append_id(json, "run_id", log, "");
  append_id(json, "task_id", log, "");
  cw_json_string(json, "created", log->time);
  cw_json_string(json, "task", results->name);
  cw_json_string(json, "model", log->model);
  cw_json_begin(json, "dataset", '{');
  cw_json_string(json, "name", dataset);
  cw_json_integer(json, "samples", log->episodes->len);
  cw_json_end(json, '}');
  append_empty(json, "config");
  cw_json_begin(json, "packages", '{');
  cw_json_string(json, "cartwright", PACKAGE_VERSION);
  cw_json_end(json, '}');
  cw_json_begin(json, "metadata", '{');
  cw_json_integer(json, "seed", results->seed);
  cw_json_integer(json, "updates", (gint64)log->evaluation->step);
  cw_json_facts(json, "environment", (const char *const *)results->environment_facts);
  if (results->policy)
    cw_json_facts(json, "policy", (const char *const *)results->policy_facts);
  cw_json_end(json, '}');
  cw_json_end(json, '}');
}

static void append_metric(GString *json, const char *name, double value)
{
  cw_json_begin(json, name, '{');
  cw_json_string(json, "name", name);
  cw_json_double(json, "value", value);
  cw_json_end(json, '}');
}

static void append_total(GString *json, const Log *log, const char *name, CwInterval interval)
{
  cw_json_begin(json, NULL, '{');
  cw_json_string(json, "name", name);
  cw_json_string(json, "scorer", name);
  cw_json_integer(json, "scored_samples", log->evaluation->n);
  cw_json_begin(json, "metrics", '{');
  append_metric(json, "mean", interval.mean / 100);
  append_metric(json, "low", interval.low / 100);
  append_metric(json, "high", interval.high / 100);
  cw_json_end(json, '}');
  cw_json_end(json, '}');
}

/* Of the whole evaluation, also where not all its episodes were kept. */
static void append_results(GString *json, const Log *log)
{
  double confidence = log->run->results->confidence;
  cw_json_begin(json, "results", '{');
  cw_json_integer(json, "total_samples", log->evaluation->n);
  cw_json_integer(json, "completed_samples", log->evaluation->n);
  cw_json_integer(json, "logged_samples", log->episodes->len);
  cw_json_begin(json, "scores", '[');
  append_total(json, log, "success", cw_evaluation_success(log->evaluation, confidence));
  append_total(json, log, "reward", cw_evaluation_score(log->evaluation, confidence));
  cw_json_end(json, ']');
  cw_json_end(json, '}');
}

static void append_message(GString *json, const char *role, const char *content, const char *id)
{
  cw_json_begin(json, NULL, '{');
  cw_json_string(json, "id", id);
  cw_json_string(json, "role", role);
  cw_json_string(json, "content", content);
  cw_json_end(json, '}');
}

static const char *action_of(const CwStep *step)
{
  return step->action;
}

static void append_messages(GString *json, const CwTrajectory *episode)
{
  cw_json_begin(json, "messages", '[');
  for (guint i = 0; i < episode->n_steps; i++) {
    const CwStep *step = episode->steps[i];
    g_autofree char *page = g_strdup_printf("g%" G_GINT64_FORMAT "p%u", episode->goal, i + 1);
    g_autofree char *action = g_strdup_printf("g%" G_GINT64_FORMAT "a%u", episode->goal, i + 1);
    append_message(json, "user", step->decision->observation, page);
    append_message(json, "assistant", action_of(step), action);
  }
  cw_json_end(json, ']');
}

/* The answer of the last step. */
static void append_output(GString *json, const Log *log, const CwTrajectory *episode)
{
  const CwStep *last = episode->steps[episode->n_steps - 1];
  g_autofree char *id = g_strdup_printf("g%" G_GINT64_FORMAT "a%u", episode->goal, episode->n_steps);
  cw_json_begin(json, "output", '{');
  cw_json_string(json, "model", log->model);
  cw_json_begin(json, "choices", '[');
  cw_json_begin(json, NULL, '{');
  cw_json_begin(json, "message", '{');
  cw_json_string(json, "id", id);
  cw_json_string(json, "role", "assistant");
  cw_json_string(json, "content", action_of(last));
  cw_json_end(json, '}');
  cw_json_string(json, "stop_reason", "stop");
  cw_json_end(json, '}');
  cw_json_end(json, ']');
  cw_json_string(json, "completion", action_of(last));
  cw_json_end(json, '}');
}

static const char *fact_of(const CwTrajectory *episode, const char *name)
{
  for (guint i = 0; i < episode->n_facts; i++)
    if (g_str_equal(episode->facts[i].name, name))
      return episode->facts[i].text;
  return "";
}

static void append_scores(GString *json, const CwTrajectory *episode)
{
  cw_json_begin(json, "scores", '{');
  cw_json_begin(json, "success", '{');
  cw_json_integer(json, "value", episode->success != FALSE);
  cw_json_string(json, "answer", fact_of(episode, "item"));
  cw_json_end(json, '}');
  cw_json_begin(json, "reward", '{');
  cw_json_float(json, "value",
                (float)episode->total_reward); /* rewards are floats: 0.8, not 0.800000011920929 */
  cw_json_begin(json, "metadata", '{');
  for (guint i = 0; i < episode->n_parts; i++)
    cw_json_double(json, episode->parts[i].name, episode->parts[i].value);
  cw_json_end(json, '}');
  cw_json_end(json, '}');
  cw_json_end(json, '}');
}

static void append_decision(GString *json, const CwStep *step)
{
  const CwDecision *decision = step->decision;
  cw_json_string(json, "action", action_of(step));
  if (step->advice)
    cw_json_string(json, "advice", step->advice);
  cw_json_float(json, "reward", step->reward);
  if (!isnan(step->value))
    cw_json_float(json, "value", step->value);
  cw_json_begin(json, "candidates", '[');
  for (guint i = 0; i < decision->n_candidates; i++) {
    cw_json_begin(json, NULL, '{');
    cw_json_string(json, "action", decision->candidates[i]);
    if (step->probabilities)
      cw_json_double(json, "probability", round(1e6 * step->probabilities[i]) / 1e6);
    cw_json_end(json, '}');
  }
  cw_json_end(json, ']');
}

static void append_events(GString *json, const Log *log, const CwTrajectory *episode)
{
  cw_json_begin(json, "events", '[');
  for (guint i = 0; i < episode->n_steps; i++) {
    g_autofree char *source = g_strdup_printf("step %u", i + 1);
    g_autofree char *more = g_strdup_printf("%" G_GINT64_FORMAT " %u", episode->goal, i);
    cw_json_begin(json, NULL, '{');
    append_id(json, "uuid", log, more);
    cw_json_string(json, "event", "info");
    cw_json_string(json, "timestamp", log->time);
    cw_json_double(json, "working_start", i);
    cw_json_string(json, "source", source);
    cw_json_begin(json, "data", '{');
    append_decision(json, episode->steps[i]);
    cw_json_end(json, '}');
    cw_json_end(json, '}');
  }
  cw_json_end(json, ']');
}

static void append_sample(GString *json, const Log *log, const CwTrajectory *episode)
{
  const CwStep *last = episode->steps[episode->n_steps - 1];
  g_autofree char *more = g_strdup_printf("%" G_GINT64_FORMAT, episode->goal);
  cw_json_begin(json, NULL, '{');
  cw_json_integer(json, "id", episode->goal);
  cw_json_integer(json, "epoch", 1);
  append_id(json, "uuid", log, more);
  cw_json_string(json, "input", episode->steps[0]->decision->observation);
  cw_json_string(json, "target", fact_of(episode, "target"));
  append_messages(json, episode);
  append_output(json, log, episode);
  append_scores(json, episode);
  cw_json_begin(json, "metadata", '{');
  cw_json_string(json, "goal_id", episode->goal_id);
  for (guint i = 0; i < episode->n_facts; i++)
    cw_json_string(json, episode->facts[i].name, episode->facts[i].text);
  cw_json_end(json, '}');
  append_events(json, log, episode);
  append_empty(json, "model_usage");
  cw_json_string(json, "started_at", log->time);
  cw_json_string(json, "completed_at", log->time);
  if (last->truncated) {
    cw_json_begin(json, "limit", '{');
    cw_json_string(json, "type", "custom");
    cw_json_integer(json, "limit", episode->n_steps);
    cw_json_string(json, "reason", "the environment's step limit");
    cw_json_end(json, '}');
  }
  cw_json_end(json, '}');
}

static char *log_json(const Log *log)
{
  GString *json = g_string_new(NULL);
  cw_json_begin(json, NULL, '{');
  cw_json_integer(json, "version", 2);
  cw_json_string(json, "status", "success");
  append_eval(json, log);
  cw_json_begin(json, "plan", '{');
  cw_json_string(json, "name", "plan");
  cw_json_begin(json, "steps", '[');
  cw_json_begin(json, NULL, '{');
  cw_json_string(json, "solver", log->evaluation->agent);
  cw_json_end(json, '}');
  cw_json_end(json, ']');
  cw_json_end(json, '}');
  append_results(json, log);
  cw_json_begin(json, "stats", '{');
  cw_json_string(json, "started_at", log->time);
  cw_json_string(json, "completed_at", log->time);
  append_empty(json, "model_usage");
  cw_json_end(json, '}');
  cw_json_begin(json, "samples", '[');
  for (guint i = 0; i < log->episodes->len; i++) {
    g_string_append(json, i ? ",\n" : "\n");
    append_sample(json, log, log->episodes->pdata[i]);
  }
  cw_json_end(json, ']');
  cw_json_end(json, '}');
  g_string_append_c(json, '\n');
  return g_string_free(json, FALSE);
}

/* Inspect finds logs by names "TIME_TASK_ID.json". Free with g_free. */
static char *file_name(const Log *log)
{
  g_autofree char *agent = g_path_get_basename(log->model);
  g_autofree char *name =
      g_strdup_printf("%s_%s-%s_%s.json", log->time, log->run->results->name, agent, log->id);
  return g_strdup(g_strcanon(name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_.+-", '-'));
}

static gboolean write_log(const Log *log, const char *directory, GError **error)
{
  g_autofree char *json = log_json(log), *name = file_name(log);
  g_autofree char *path = g_build_filename(directory, name, NULL);
  return cw_write_file(path, json, strlen(json), error);
}

static gboolean write_evaluation(const CwReportRun *run, const CwEvaluation *evaluation,
                                 const char *directory, guint *n_logs, GError **error)
{
  g_autoptr(GPtrArray) episodes = g_ptr_array_new_with_free_func((GDestroyNotify)cw_trajectory_unref);
  if (!cw_kept_episodes_read(run->directory, evaluation, episodes, error))
    return FALSE;
  if (episodes->len == 0)
    return TRUE;
  Log log = {.run = run, .evaluation = evaluation, .episodes = episodes, .time = time_of(run)};
  log.model = g_strconcat("cartwright/", evaluation->agent, *evaluation->selection ? "-" : "",
                          evaluation->selection, NULL);
  log.id = id_of("eval", &log, "");
  gboolean good = write_log(&log, directory, error);
  *n_logs += good;
  g_free(log.time);
  g_free(log.model);
  g_free(log.id);
  return good;
}

static gboolean write_logs(const CwReportRun *run, const char *directory, guint *n_logs, GError **error)
{
  *n_logs = 0;
  gboolean good = cw_make_directories(directory, error);
  for (guint i = 0; good && i < run->results->evaluations->len; i++)
    good = write_evaluation(run, run->results->evaluations->pdata[i], directory, n_logs, error);
  if (!good || *n_logs > 0)
    return good;
  g_set_error(
      error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
      "%s: has no kept episodes to export; keep some with 'cartwright evaluate %s --keep-episodes 100'",
      run->directory, run->directory);
  return FALSE;
}

gboolean cw_inspect_export(const char *directory, const char *into, guint *n_logs, GError **error)
{
  CwReportRun *run = NULL;
  if (!cw_report_run_read(directory, &run, error))
    return FALSE;
  gboolean good = run && write_logs(run, into, n_logs, error);
  if (!run)
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION, "%s: has not finished", directory);
  cw_report_run_free(run);
  return good;
}
