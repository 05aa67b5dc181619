/* The mean learning curves of a report: a line per experiment and a band from the lowest to the highest seed.
 * The seeds of an experiment need not have been evaluated at the same places, so each one's curve is read off
 * between its points by linear interpolation, and the mean is taken as far as all seeds go. */
#include "core/base/durable.h"
#include "core/train/directory.h"
#include "lab/report/report.h"
#include <cartwright/error.h>
#include <math.h>
#include <string.h>

static const char *const axis_names[] = {"updates", "decisions", "minutes"};

gboolean cw_report_axis_from_name(const char *name, CwReportAxis *axis)
{
  for (guint i = 0; i < G_N_ELEMENTS(axis_names); i++)
    if (g_str_equal(name, axis_names[i])) {
      *axis = (CwReportAxis)i;
      return TRUE;
    }
  return FALSE;
}

static const CwReportPoint *point_at(const GArray *points, guint i)
{
  return &g_array_index(points, CwReportPoint, i);
}

static double x_of(const CwReportPoint *point, CwReportAxis axis)
{
  switch (axis) {
  case CW_REPORT_DECISIONS:
    return point->cost.learnt;
  case CW_REPORT_MINUTES:
    return point->cost.seconds / 60;
  case CW_REPORT_UPDATES:
    break;
  }
  return point->cost.updates;
}

static double y_of(const CwReportPoint *point, gboolean success)
{
  return success ? point->success : point->score;
}

/* Where a curve begins: before its first update a policy does not change. */
static double start_of(const GArray *points, CwReportAxis axis)
{
  return point_at(points, 0)->cost.updates > 0 ? x_of(point_at(points, 0), axis) : 0;
}

static double end_of(const GArray *points, CwReportAxis axis)
{
  return x_of(point_at(points, points->len - 1), axis);
}

/* The curve at x, which lies between its ends. */
static double read_off(const GArray *points, CwReportAxis axis, gboolean success, double x)
{
  guint next = 0;
  while (next < points->len && x_of(point_at(points, next), axis) <= x)
    next++;
  if (next == 0)
    return y_of(point_at(points, 0), success);
  const CwReportPoint *before = point_at(points, next - 1);
  if (next == points->len)
    return y_of(before, success);
  const CwReportPoint *after = point_at(points, next);
  double share = (x - x_of(before, axis)) / (x_of(after, axis) - x_of(before, axis));
  return y_of(before, success) + share * (y_of(after, success) - y_of(before, success));
}

static gint compare_doubles(gconstpointer a, gconstpointer b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The first place where all seeds have a curve, and every later one where any was evaluated. */
static GArray *places_of(const GPtrArray *curves, CwReportAxis axis)
{
  GArray *places = g_array_new(FALSE, FALSE, sizeof(double));
  double from = -INFINITY, to = INFINITY;
  for (guint i = 0; i < curves->len; i++) {
    from = MAX(from, start_of(curves->pdata[i], axis));
    to = MIN(to, end_of(curves->pdata[i], axis));
  }
  if (from <= to)
    g_array_append_val(places, from);
  for (guint i = 0; i < curves->len; i++) {
    const GArray *points = curves->pdata[i];
    for (guint j = 0; j < points->len; j++) {
      double x = x_of(point_at(points, j), axis);
      if (x >= from && x <= to)
        g_array_append_val(places, x);
    }
  }
  g_array_sort(places, compare_doubles);
  for (guint i = 1; i < places->len;) {
    if (g_array_index(places, double, i) > g_array_index(places, double, i - 1))
      i++;
    else
      g_array_remove_index(places, i);
  }
  return places;
}

/* GArrays of CwReportPoint of the experiment's runs that have any, borrowed. */
static GPtrArray *curves_of(const CwRunsReport *report, const char *name)
{
  GPtrArray *curves = g_ptr_array_new();
  for (guint i = 0; i < report->runs->len; i++) {
    const CwReportRun *run = report->runs->pdata[i];
    if (g_str_equal(run->results->name, name) && run->points->len > 0)
      g_ptr_array_add(curves, run->points);
  }
  return curves;
}

/* A block of columns x, then mean, lowest and highest of score and of success. *end grows to the largest x.
 * FALSE when there is nothing to draw. */
static gboolean append_block(CwFigure *figure, const CwRunsReport *report, const char *name,
                             CwReportAxis axis, double *end)
{
  g_autoptr(GPtrArray) curves = curves_of(report, name);
  if (curves->len == 0)
    return FALSE;
  g_autoptr(GArray) places = places_of(curves, axis);
  if (places->len == 0)
    return FALSE;
  g_string_append_printf(figure->data,
                         "# %s, %u seeds: %s, then mean, lowest and highest of score and of success\n", name,
                         curves->len, axis_names[axis]);
  for (guint i = 0; i < places->len; i++) {
    double x = g_array_index(places, double, i);
    *end = MAX(*end, x);
    cw_figure_number(figure, x);
    for (guint measure = 0; measure < 2; measure++) {
      double sum = 0, low = INFINITY, high = -INFINITY;
      for (guint curve = 0; curve < curves->len; curve++) {
        double y = read_off(curves->pdata[curve], axis, measure == 1, x);
        sum += y;
        low = MIN(low, y);
        high = MAX(high, y);
      }
      cw_figure_number(figure, sum / curves->len);
      cw_figure_number(figure, low);
      cw_figure_number(figure, high);
    }
    g_string_append_c(figure->data, '\n');
  }
  g_string_append(figure->data, "\n\n");
  return TRUE;
}

/* "mean and range over seeds; sample, 100 episodes on dev". */
static char *title_of(const CwRunsReport *report)
{
  for (guint i = 0; i < report->runs->len; i++) {
    const char *terms = ((const CwReportRun *)report->runs->pdata[i])->points_terms;
    if (terms)
      return g_strdup_printf("Mean and range over seeds (%s)", terms);
  }
  return g_strdup("Mean and range over seeds");
}

CwFigure *cw_report_curves(const CwRunsReport *report, CwReportAxis axis)
{
  static const char *const labels[] = {"updates", "decisions learnt from",
                                       "minutes of training, without evaluations"};
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  g_autoptr(CwFigure) figure = cw_figure_new();
  g_autofree char *title = title_of(report);
  double end = 0;
  for (guint i = 0; i < report->names->len; i++)
    if (append_block(figure, report, report->names->pdata[i], axis, &end))
      g_ptr_array_add(names, report->names->pdata[i]);
  if (names->len == 0)
    return NULL;
  cw_figure_row(figure, "figure", 0, end, 0, labels[axis], title);
  for (guint i = 0; i < names->len; i++)
    cw_figure_row(figure, "line", 0, i, 0, "", names->pdata[i]);
  return g_steal_pointer(&figure);
}

static gboolean write_text(const char *directory, const char *name, const char *text, GError **error)
{
  g_autofree char *path = g_build_filename(directory, name, NULL);
  return cw_write_file(path, text, strlen(text), error);
}

gboolean cw_report_write(const CwRunsReport *report, const char *directory, CwReportAxis axis,
                         gboolean *drawn, GError **error)
{
  g_autofree char *json = cw_report_json(report), *markdown = cw_report_markdown(report);
  g_autoptr(CwFigure) figure = cw_report_curves(report, axis);
  g_autoptr(GError) problem = NULL;
  gboolean good = FALSE;
  if (cw_run_directory_is_used(directory)) {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
                "%s: holds a run, whose curves the report's would replace; give another directory",
                directory);
    return FALSE;
  }
  if (!cw_make_directories(directory, error) || !write_text(directory, "report.json", json, error) ||
      !write_text(directory, "report.md", markdown, error))
    return FALSE;
  if (figure) {
    good = cw_figure_draw(figure, directory, "curves", cw_gnuplot_report, &problem);
    if (!good && g_error_matches(problem, CW_RUN_ERROR, CW_ERROR_INPUT_OUTPUT)) {
      g_propagate_error(error, g_steal_pointer(&problem));
      return FALSE;
    }
    if (!good)
      g_warning("no figure was drawn: %s", problem->message);
  }
  if (drawn)
    *drawn = good;
  return TRUE;
}
