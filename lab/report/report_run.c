/* Reads a run directory for a report. Costs and curve points are put together from metrics.jsonl (what was
 * done) and timings.jsonl (how long it took). A process that was killed leaves timings of updates that a
 * later one did again: of each update the last record counts, so that the sum is the time of the training
 * that led to the policy. */
#include "lab/report/report_run.h"
#include "core/base/lines.h"
#include "core/config/yaml.h"
#include <jansson.h>
#include <math.h>
#include <string.h>

/* The one metric with a meaning of its own: algorithm.h gives it to every algorithm. */
#define LEARNT "decisions"

/* The wall-clock time of a piece of training. */
typedef struct {
  gint64 stage;
  gint64 update; /* whose work it is: time that counts for a point with as many updates or more */
  double seconds;
} Time;

static double number_of(const json_t *record, const char *name)
{
  const json_t *value = json_object_get(record, name);
  return json_is_number(value) ? json_number_value(value) : 0;
}

static void add_value(GPtrArray *values, const char *path, const char *text)
{
  g_ptr_array_add(values, g_strdup(path));
  g_ptr_array_add(values, g_strdup(text));
}

static void flatten(GPtrArray *values, const char *path, const CwYamlNode *node)
{
  if (node->kind == CW_YAML_SCALAR)
    add_value(values, path, node->scalar);
  else if (node->items->len == 0)
    add_value(values, path, node->kind == CW_YAML_SEQUENCE ? "[]" : "{}");
  for (guint i = 0; node->kind != CW_YAML_SCALAR && i < node->items->len; i++) {
    gboolean mapping = node->kind == CW_YAML_MAPPING;
    const CwYamlPair *pair = mapping ? node->items->pdata[i] : NULL;
    g_autofree char *index = g_strdup_printf("%u", i);
    g_autofree char *below = g_strconcat(path, *path ? "." : "", mapping ? pair->key : index, NULL);
    flatten(values, below, mapping ? pair->value : node->items->pdata[i]);
  }
}

static gboolean read_config(CwReportRun *run, GError **error)
{
  g_autofree char *path = g_build_filename(run->directory, "config.yaml", NULL);
  if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION, "%s: has no config.yaml, hence is no run",
                run->directory);
    return FALSE;
  }
  g_autoptr(CwDiagnostics) diagnostics = cw_diagnostics_new();
  g_autoptr(CwYamlNode) root = cw_yaml_parse_file(path, diagnostics);
  if (!cw_diagnostics_propagate(diagnostics, error))
    return FALSE;
  flatten(run->values, "", root);
  return TRUE;
}

const char *cw_report_run_value(const CwReportRun *run, const char *path)
{
  for (guint i = 0; i + 1 < run->values->len; i += 2)
    if (g_str_equal(run->values->pdata[i], path))
      return run->values->pdata[i + 1];
  return NULL;
}

/* The first path that counts whose value the other does not have. */
static const char *first_difference(const CwReportRun *first, const CwReportRun *second,
                                    gboolean (*counts)(const char *path))
{
  for (guint i = 0; i + 1 < first->values->len; i += 2) {
    const char *path = first->values->pdata[i];
    if (counts(path) && g_strcmp0(first->values->pdata[i + 1], cw_report_run_value(second, path)) != 0)
      return path;
  }
  return NULL;
}

static gboolean is_of_environment(const char *path)
{
  return g_str_has_prefix(path, "environment.");
}

static gboolean is_of_training(const char *path)
{
  static const char *const others[] = {"name", "seed", "output", NULL};
  return !is_of_environment(path) && !g_strv_contains(others, path);
}

static const char *fact_of(char **facts, const char *key)
{
  for (; facts && facts[0] && facts[1]; facts += 2)
    if (g_str_equal(facts[0], key))
      return facts[1];
  return NULL;
}

static char *describe(const char *what, const char *first, const char *second)
{
  return g_strdup_printf("%s is %s and %s", what, first ? first : "absent", second ? second : "absent");
}

static char *fact_difference(const CwReportRun *first, const CwReportRun *second)
{
  char **facts = first->results->environment_facts;
  for (; facts && facts[0] && facts[1]; facts += 2) {
    const char *other = fact_of(second->results->environment_facts, facts[0]);
    if (g_strcmp0(facts[1], other) != 0)
      return describe(facts[0], facts[1], other);
  }
  return NULL;
}

char *cw_report_run_environment_difference(const CwReportRun *first, const CwReportRun *second)
{
  const char *path = first_difference(first, second, is_of_environment);
  if (!path)
    path = first_difference(second, first, is_of_environment);
  if (path)
    return describe(path, cw_report_run_value(first, path), cw_report_run_value(second, path));
  if (g_strcmp0(first->results->environment_version, second->results->environment_version) != 0)
    return describe("the plugin's version", first->results->environment_version,
                    second->results->environment_version);
  char *difference = fact_difference(first, second);
  return difference ? difference : fact_difference(second, first);
}

const char *cw_report_run_other_difference(const CwReportRun *first, const CwReportRun *second)
{
  const char *path = first_difference(first, second, is_of_training);
  return path ? path : first_difference(second, first, is_of_training);
}

/* Calls `take` with every record of a file; those that are no JSON are counted in
 * *unread or, when that is NULL, an error. */
static gboolean for_each_record(const char *path, guint64 *unread,
                                void (*take)(json_t *record, gpointer user_data), gpointer user_data,
                                GError **error)
{
  CwLines *lines = cw_lines_open(path, error);
  GError *problem = NULL;
  const char *line;
  while (lines && !problem && (line = cw_lines_next(lines, &problem))) {
    json_error_t complaint;
    json_t *record = json_loads(line, 0, &complaint);
    if (json_is_object(record))
      take(record, user_data);
    else if (unread)
      ++*unread;
    else
      g_set_error(&problem, CW_RUN_ERROR, CW_ERROR_FORMAT,
                  "%s: expected one record as a JSON object on each line, found %s", cw_lines_where(lines),
                  record ? "another value" : complaint.text);
    json_decref(record);
  }
  cw_lines_close(lines);
  if (problem)
    g_propagate_error(error, problem);
  return lines && !problem;
}

typedef struct {
  GArray *times;     /* Time */
  GHashTable *place; /* of what may be done again: "stage update kind" to index + 1 */
} Times;

static void set_time(Times *times, const char *kind, Time time, gboolean repeatable)
{
  g_autofree char *key =
      g_strdup_printf("%" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %s", time.stage, time.update, kind);
  guint place = repeatable ? GPOINTER_TO_UINT(g_hash_table_lookup(times->place, key)) : 0;
  if (place > 0) {
    g_array_index(times->times, Time, place - 1) = time;
    return;
  }
  g_array_append_val(times->times, time);
  if (repeatable)
    g_hash_table_insert(times->place, g_steal_pointer(&key), GUINT_TO_POINTER(times->times->len));
}

static void take_time(json_t *record, gpointer user_data)
{
  Times *times = user_data;
  Time time = {(gint64)number_of(record, "stage"), (gint64)number_of(record, "update"), 0};
  if (json_object_get(record, "seconds/update")) {
    time.seconds = number_of(record, "seconds/collect") + number_of(record, "seconds/update");
    set_time(times, "update", time, TRUE);
  } else if (json_object_get(record, "seconds/refresh")) {
    time.update++; /* it is made for the next update */
    time.seconds = number_of(record, "seconds/refresh");
    set_time(times, "refresh", time, TRUE);
  } else {
    /* Each process that worked on such a stage has written its own share. */
    time.seconds = number_of(record, "seconds/generate") + number_of(record, "seconds/import");
    if (time.seconds > 0)
      set_time(times, "data", time, FALSE);
  }
}

static double seconds_until(const Times *times, gint64 stage, gint64 update)
{
  double sum = 0;
  for (guint i = 0; i < times->times->len; i++) {
    const Time *time = &g_array_index(times->times, Time, i);
    if (time->stage < stage || (time->stage == stage && time->update <= update))
      sum += time->seconds;
  }
  return sum;
}

typedef struct {
  CwReportRun *run;
  const Times *times;
  gint64 stage;
  double learnt_before, learnt; /* in earlier stages; in this one */
  double collected;
} History;

/* What the algorithm of the stage, as config.yaml names it, has gone through with gradients so far. */
static void take_learnt(History *history, const json_t *record)
{
  g_autofree char *path = g_strdup_printf("stages.%" G_GINT64_FORMAT ".algorithm", history->stage);
  const char *algorithm = cw_report_run_value(history->run, path);
  g_autofree char *name = algorithm ? g_strdup_printf("%s/" LEARNT, algorithm) : NULL;
  const json_t *value = name ? json_object_get(record, name) : NULL;
  if (value)
    history->learnt = json_number_value(value);
}

static void take_point(History *history, json_t *record, gint64 update)
{
  CwReportRun *run = history->run;
  CwReportPoint point = {run->cost, number_of(record, "evaluation/score"),
                         number_of(record, "evaluation/success")};
  point.cost.seconds = seconds_until(history->times, history->stage, update);
  g_array_append_val(run->points, point);
  if (run->points_terms)
    return;
  const char *selection = json_string_value(json_object_get(record, "evaluation/selection"));
  const char *split = json_string_value(json_object_get(record, "evaluation/split"));
  run->points_terms = g_strdup_printf("%s, %.0f episodes on %s", selection ? selection : "?",
                                      number_of(record, "evaluation/episodes"), split ? split : "?");
}

static void take_metrics(json_t *record, gpointer user_data)
{
  History *history = user_data;
  gint64 stage = (gint64)number_of(record, "stage");
  if (stage != history->stage) {
    history->learnt_before += history->learnt;
    history->learnt = 0;
    history->stage = stage;
  }
  take_learnt(history, record);
  /* A mean of whole numbers: their sum is one too. */
  history->collected +=
      round(number_of(record, "rollout/episodes") * number_of(record, "rollout/steps_per_episode")) +
      number_of(record, "generate/decisions");
  history->run->cost.updates = MAX(history->run->cost.updates, number_of(record, "step"));
  history->run->cost.collected = history->collected;
  history->run->cost.learnt = history->learnt_before + history->learnt;
  if (json_object_get(record, "evaluation/score"))
    take_point(history, record, (gint64)number_of(record, "update"));
}

static gboolean read_history(CwReportRun *run, GError **error)
{
  g_autofree char *metrics = g_build_filename(run->directory, "metrics.jsonl", NULL);
  g_autofree char *timings = g_build_filename(run->directory, "timings.jsonl", NULL);
  Times times = {g_array_new(FALSE, FALSE, sizeof(Time)),
                 g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL)};
  History history = {.run = run, .times = &times, .stage = -1};
  gboolean good = for_each_record(timings, &run->unread_timings, take_time, &times, error) &&
                  for_each_record(metrics, NULL, take_metrics, &history, error);
  run->cost.seconds = seconds_until(&times, G_MAXINT64, 0);
  g_array_unref(times.times);
  g_hash_table_unref(times.place);
  return good;
}

/* A report compares agents on the same goals; within one run they always have them. */
static gboolean check_terms(const CwReportRun *run, GError **error)
{
  const CwEvaluation *first = run->results->evaluations->len ? run->results->evaluations->pdata[0] : NULL;
  for (guint i = 1; i < run->results->evaluations->len; i++) {
    const CwEvaluation *other = run->results->evaluations->pdata[i];
    if (g_str_equal(first->split, other->split) && first->n == other->n)
      continue;
    g_set_error(
        error, CW_RUN_ERROR, CW_ERROR_FORMAT,
        "%s/evaluation.json: its agents were evaluated on different goals, %s on %u of '%s' and %s on %u of "
        "'%s'; finish the run with 'cartwright run %s --resume'",
        run->directory, first->agent, first->n, first->split, other->agent, other->n, other->split,
        run->directory);
    return FALSE;
  }
  return TRUE;
}

gboolean cw_report_run_read(const char *directory, CwReportRun **run, GError **error)
{
  g_autofree char *results = g_build_filename(directory, "evaluation.json", NULL);
  CwReportRun *read = g_new0(CwReportRun, 1);
  *run = NULL;
  read->directory = g_strdup(directory);
  read->values = g_ptr_array_new_with_free_func(g_free);
  read->points = g_array_new(FALSE, FALSE, sizeof(CwReportPoint));
  gboolean good = read_config(read, error);
  if (good && g_file_test(results, G_FILE_TEST_EXISTS))
    good = (read->results = cw_results_load(results, error)) != NULL;
  /* The time is written when the last agent has been evaluated. */
  if (good && read->results && read->results->seconds > 0 && read->results->evaluations->len > 0) {
    good = check_terms(read, error) && read_history(read, error);
    if (good)
      *run = g_steal_pointer(&read);
  }
  cw_report_run_free(read);
  return good;
}

void cw_report_run_free(CwReportRun *run)
{
  if (!run)
    return;
  g_free(run->directory);
  g_free(run->points_terms);
  cw_results_free(run->results);
  g_ptr_array_unref(run->values);
  g_array_unref(run->points);
  g_free(run);
}
