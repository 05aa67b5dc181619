/* Reads a run's records into lines and levels. What a record says beyond what is drawn is passed over; a line
 * that is not JSON is an error, since a figure with silent gaps would mislead. */
#include "lab/curves/curve_data.h"
#include "core/base/durable.h"
#include <cartwright/error.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void free_curve(gpointer pointer)
{
  CwCurve *curve = pointer;
  g_free(curve->label);
  g_free(curve->name);
  g_array_free(curve->points, TRUE);
  g_free(curve);
}

static void free_reference(gpointer pointer)
{
  g_free(((CwReference *)pointer)->label);
  g_free(pointer);
}

static void free_stage(gpointer pointer)
{
  g_free(((CwStageStart *)pointer)->algorithm);
  g_free(pointer);
}

void cw_curve_data_free(CwCurveData *data)
{
  g_ptr_array_free(data->metrics, TRUE);
  g_ptr_array_free(data->evaluations, TRUE);
  g_ptr_array_free(data->references, TRUE);
  g_ptr_array_free(data->stages, TRUE);
  g_free(data);
}

static void add_point(CwCurveData *data, GPtrArray *curves, const char *label, const char *name, double x,
                      CwInterval y)
{
  CwCurvePoint point = {x, y};
  CwCurve *curve = NULL;
  if (!isfinite(y.mean))
    return;
  for (guint i = 0; i < curves->len && !curve; i++) {
    CwCurve *candidate = curves->pdata[i];
    if (strcmp(candidate->label, label) == 0 && strcmp(candidate->name, name) == 0)
      curve = candidate;
  }
  if (!curve) {
    curve = g_new0(CwCurve, 1);
    curve->label = g_strdup(label);
    curve->name = g_strdup(name);
    curve->points = g_array_new(FALSE, FALSE, sizeof(CwCurvePoint));
    g_ptr_array_add(curves, curve);
  }
  g_array_append_val(curve->points, point);
  data->end = MAX(data->end, x);
}

static double number_or_nan(const json_t *value)
{
  return json_is_number(value) ? json_number_value(value) : NAN;
}

/* A member of an evaluation's record, with or without the prefix. */
static const json_t *member(const json_t *record, const char *name)
{
  g_autofree char *prefixed = g_strconcat("evaluation/", name, NULL);
  const json_t *value = json_object_get(record, name);
  return value ? value : json_object_get(record, prefixed);
}

/* "score" with its bounds, which are "score_low" and "score_high" or the pair "score_interval". */
static CwInterval interval_of(const json_t *record, const char *name)
{
  g_autofree char *low = g_strconcat(name, "_low", NULL);
  g_autofree char *high = g_strconcat(name, "_high", NULL);
  g_autofree char *pair = g_strconcat(name, "_interval", NULL);
  const json_t *bounds = member(record, pair);
  CwInterval interval = {number_or_nan(member(record, name)), number_or_nan(member(record, low)),
                         number_or_nan(member(record, high))};

  if (json_is_array(bounds)) {
    interval.low = number_or_nan(json_array_get(bounds, 0));
    interval.high = number_or_nan(json_array_get(bounds, 1));
  }
  return interval;
}

static const char *text_of(const json_t *record, const char *name, const char *otherwise)
{
  const char *text = json_string_value(member(record, name));
  return text && *text ? text : otherwise;
}

static void add_evaluation(CwCurveData *data, const json_t *record, double x)
{
  static const char *const learner[] = {"policy", "initial", "final", NULL};
  const char *agent = text_of(record, "agent", "policy");
  CwInterval score = interval_of(record, "score"), success = interval_of(record, "success");
  if (g_strv_contains(learner, agent)) {
    g_autofree char *label =
        g_strdup_printf("policy (%s, %s)", text_of(record, "selection", "?"), text_of(record, "split", "?"));

    add_point(data, data->evaluations, label, "score", x, score);
    add_point(data, data->evaluations, label, "success", x, success);
  } else {
    CwReference *reference = NULL;
    for (guint i = 0; i < data->references->len; i++)
      if (strcmp(((CwReference *)data->references->pdata[i])->label, agent) == 0)
        reference = data->references->pdata[i];
    if (!reference) {
      reference = g_new0(CwReference, 1);
      reference->label = g_strdup(agent);
      g_ptr_array_add(data->references, reference);
    }
    reference->score = score;
    reference->success = success;
  }
}

static void add_metrics(CwCurveData *data, json_t *record, double x)
{
  static const char *const not_algorithms[] = {"evaluation", "generate", "import", NULL};
  CwStageStart *last = data->stages->len ? data->stages->pdata[data->stages->len - 1] : NULL;
  const char *name;
  json_t *value;
  json_object_foreach(record, name, value)
  {
    const char *slash = strchr(name, '/');
    g_autofree char *owner = slash ? g_strndup(name, (gsize)(slash - name)) : NULL;
    CwInterval y = {number_or_nan(value), NAN, NAN};
    if (!owner || !json_is_number(value) || g_strv_contains(not_algorithms, owner))
      continue;
    if (strcmp(owner, "rollout") == 0) {
      if (strcmp(slash + 1, "score") == 0 || strcmp(slash + 1, "success") == 0)
        add_point(data, data->evaluations, "training episodes", slash + 1, x, y);
      continue;
    }
    add_point(data, data->metrics, owner, slash + 1, x, y);
    if (!last || strcmp(last->algorithm, owner) != 0) {
      last = g_new0(CwStageStart, 1);
      last->x = data->stages->len == 0 ? 0 : x;
      last->algorithm = g_strdup(owner);
      g_ptr_array_add(data->stages, last);
    }
  }
}

/* Where a file without "step" has got to. */
typedef struct {
  double stage, offset;
} Axis;

static void add_record(CwCurveData *data, json_t *record, Axis *axis)
{
  double stage = number_or_nan(json_object_get(record, "stage"));
  double update = number_or_nan(json_object_get(record, "update"));
  double x = number_or_nan(json_object_get(record, "step"));
  if (isnan(x)) {
    if (isfinite(stage) && stage != axis->stage) {
      axis->stage = stage;
      axis->offset = data->end;
    }
    x = axis->offset + (isfinite(update) ? update : 0);
  }
  if (member(record, "score"))
    add_evaluation(data, record, x);
  else
    add_metrics(data, record, x);
}

static gboolean read_metrics(CwCurveData *data, const char *path, GError **error)
{
  FILE *file = fopen(path, "re");
  Axis axis = {-1, 0};
  gboolean good = TRUE;
  char *line = NULL;
  gsize capacity = 0;
  gssize length;
  if (!file) {
    cw_set_errno_error(error, "open the metrics", path);
    return FALSE;
  }
  for (guint64 number = 1; good && (length = getline(&line, &capacity, file)) >= 0; number++) {
    json_error_t complaint;
    json_t *record = json_loadb(line, (gsize)length, 0, &complaint);
    if (record && json_is_object(record)) {
      add_record(data, record, &axis);
    } else {
      g_autofree char *found = g_utf8_make_valid(record ? "another value" : complaint.text, -1);
      g_set_error(error, CW_RUN_ERROR, CW_ERROR_FORMAT,
                  "%s:%" G_GUINT64_FORMAT
                  ": expected one record as a JSON object on each line, found an error: %s",
                  path, number, found);
      good = FALSE;
    }
    json_decref(record);
  }
  free(line);
  fclose(file);
  return good;
}

/* The final evaluation, if the run has got that far. */
static gboolean read_evaluation(CwCurveData *data, const char *path, GError **error)
{
  json_error_t complaint;
  json_t *root, *agent;
  gsize i;
  if (!g_file_test(path, G_FILE_TEST_EXISTS))
    return TRUE;
  root = json_load_file(path, 0, &complaint);
  if (!root) {
    g_autofree char *found = g_utf8_make_valid(complaint.text, -1);
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_FORMAT,
                "%s:%d: expected the results as JSON, found an error: %s", path, complaint.line, found);
    return FALSE;
  }
  json_array_foreach(json_object_get(root, "agents"), i, agent)
  {
    double updates = number_or_nan(json_object_get(agent, "updates"));
    add_evaluation(data, agent, isfinite(updates) ? updates : data->end);
  }
  json_decref(root);
  return TRUE;
}

CwCurveData *cw_curve_data_read(const char *run, GError **error)
{
  g_autofree char *metrics = g_build_filename(run, "metrics.jsonl", NULL);
  g_autofree char *evaluation = g_build_filename(run, "evaluation.json", NULL);
  CwCurveData *data = g_new0(CwCurveData, 1);
  data->metrics = g_ptr_array_new_with_free_func(free_curve);
  data->evaluations = g_ptr_array_new_with_free_func(free_curve);
  data->references = g_ptr_array_new_with_free_func(free_reference);
  data->stages = g_ptr_array_new_with_free_func(free_stage);
  if (read_metrics(data, metrics, error) && read_evaluation(data, evaluation, error)) {
    if (data->metrics->len + data->evaluations->len + data->references->len > 0)
      return data;
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_FORMAT,
                "%s: expected records of updates or evaluations, found none: there is nothing to draw yet",
                metrics);
  }
  cw_curve_data_free(data);
  return NULL;
}
