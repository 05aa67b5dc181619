/* The figure of a run: up to four panels: score and success of the learner with their intervals and the
 * levels of other agents, then metrics of the algorithms, first those that can be better or worse. */
#include "lab/curves/curves.h"
#include "lab/curves/curve_data.h"
#include "lab/curves/gnuplot.h"
#include <math.h>
#include <string.h>

#define MOST_PANELS  4
#define MOST_POINTS  1500 /* drawn per line; more are averaged in groups */
#define FEW_POINTS   40   /* up to here each point is marked and nothing is smoothed */
#define HELD_OUT     "held_out_"
#define SMOOTH_SHARE 25 /* a smoothed point averages 1/25 of the line on either side */

typedef struct {
  CwFigure *files;
  guint n_blocks; /* in the data so far */
  guint n_panels; /* begun so far */
  const CwCurveData *curves;
  const CwExperiment *experiment; /* NULL: not known */
} Figure;

/* At most MOST_POINTS points: means of groups of neighbours. */
static GArray *thin(const GArray *points)
{
  GArray *thinned = g_array_new(FALSE, FALSE, sizeof(CwCurvePoint));
  guint group = (points->len + MOST_POINTS - 1) / MOST_POINTS;
  for (guint start = 0; start < points->len; start += group) {
    guint n = MIN(group, points->len - start);
    CwCurvePoint mean = g_array_index(points, CwCurvePoint, start);
    if (n > 1)
      mean = (CwCurvePoint){0, {0, NAN, NAN}};
    for (guint i = 0; n > 1 && i < n; i++) {
      mean.x += g_array_index(points, CwCurvePoint, start + i).x / n;
      mean.y.mean += g_array_index(points, CwCurvePoint, start + i).y.mean / n;
    }
    g_array_append_val(thinned, mean);
  }
  return thinned;
}

/* The mean over a window of points around point `centre`, cut off at the ends of the line. */
static double smooth(const GArray *points, guint centre)
{
  guint half = points->len / SMOOTH_SHARE, from = centre - MIN(centre, half),
        to = MIN(points->len - 1, centre + half);
  double sum = 0;

  for (guint i = from; i <= to; i++)
    sum += g_array_index(points, CwCurvePoint, i).y.mean;
  return sum / (to - from + 1);
}

/* Writes a block of columns x, mean, low, high, smoothed; returns its number. */
static guint add_data(Figure *figure, const CwCurve *curve)
{
  g_autoptr(GArray) points = thin(curve->points);
  GString *data = figure->files->data;
  g_string_append_printf(data, "# %s %s: x, value, low, high, smoothed\n", curve->label, curve->name);
  for (guint i = 0; i < points->len; i++) {
    const CwCurvePoint *point = &g_array_index(points, CwCurvePoint, i);
    cw_figure_number(figure->files, point->x);
    cw_figure_number(figure->files, point->y.mean);
    cw_figure_number(figure->files, point->y.low);
    cw_figure_number(figure->files, point->y.high);
    cw_figure_number(figure->files, smooth(points, i));
    g_string_append_c(data, '\n');
  }
  g_string_append(data, "\n\n");
  return figure->n_blocks++;
}

/* Two points with intervals say nothing about the way between. */
static const char *way_of(const CwCurve *curve)
{
  gboolean bounds = isfinite(g_array_index(curve->points, CwCurvePoint, 0).y.low);
  if (curve->points->len > FEW_POINTS)
    return "smoothed";
  return !bounds ? "points" : curve->points->len <= 2 ? "bars" : "band";
}

static void add_curve(Figure *figure, const CwCurve *curve, const char *title, guint number)
{
  cw_figure_row(figure->files, "line", figure->n_panels, add_data(figure, curve), number, way_of(curve),
                title);
}

typedef struct {
  const char *label;
  double level, place;
} Level;

static gint compare_levels(gconstpointer a, gconstpointer b)
{
  double x = ((const Level *)a)->level, y = ((const Level *)b)->level;
  return (x > y) - (x < y);
}

/* Labels go next to their levels, moved apart where levels are close. */
static void add_references(Figure *figure, gboolean success, double top)
{
  g_autoptr(GArray) levels = g_array_new(FALSE, FALSE, sizeof(Level));
  double gap = top * 0.06;

  for (guint i = 0; i < figure->curves->references->len; i++) {
    const CwReference *reference = figure->curves->references->pdata[i];
    double mean = success ? reference->success.mean : reference->score.mean;
    Level level = {reference->label, mean, mean};
    if (isfinite(mean))
      g_array_append_val(levels, level);
  }
  g_array_sort(levels, compare_levels);
  for (guint i = 1; i < levels->len; i++) {
    Level *level = &g_array_index(levels, Level, i);
    level->place = MAX(level->place, g_array_index(levels, Level, i - 1).place + gap);
  }
  for (guint i = levels->len; i > 0; i--) {
    Level *level = &g_array_index(levels, Level, i - 1);
    double most = i == levels->len ? top : g_array_index(levels, Level, i).place - gap;
    level->place = MIN(level->place, most);
  }
  for (guint i = 0; i < levels->len; i++) {
    const Level *level = &g_array_index(levels, Level, i);
    cw_figure_row(figure->files, "level", figure->n_panels, level->level, level->place, "", level->label);
  }
}

/* The top of the axis: percentages, but no higher than what there is to see. */
static double top_of(const CwCurveData *curves, gboolean success)
{
  double top = 0;
  for (guint i = 0; i < curves->references->len; i++) {
    const CwReference *reference = curves->references->pdata[i];
    top = fmax(top, success ? reference->success.mean : reference->score.mean);
  }
  for (guint i = 0; i < curves->evaluations->len; i++) {
    const CwCurve *curve = curves->evaluations->pdata[i];
    for (guint j = 0; strcmp(curve->name, success ? "success" : "score") == 0 && j < curve->points->len;
         j++) {
      const CwInterval *y = &g_array_index(curve->points, CwCurvePoint, j).y;
      top = fmax(top, fmax(y->mean, y->high)); /* fmax passes over NaN */
    }
  }
  return top > 0 ? MIN(100 * 1.02, top * 1.08) : 1;
}

static void add_evaluation_panel(Figure *figure, gboolean success)
{
  double top = top_of(figure->curves, success);
  guint number = 0;
  cw_figure_row(figure->files, "panel", ++figure->n_panels, top, FALSE, "",
                success ? "Success rate (%)" : "Score (100 x mean reward)");
  add_references(figure, success, top);
  for (guint i = 0; i < figure->curves->evaluations->len; i++) {
    const CwCurve *curve = figure->curves->evaluations->pdata[i];
    if (strcmp(curve->name, success ? "success" : "score") == 0)
      add_curve(figure, curve, curve->label, number++);
  }
}

/* "held_out_loss" is drawn with "loss". */
static const char *panel_of(const CwCurve *metric)
{
  return g_str_has_prefix(metric->name, HELD_OUT) ? metric->name + strlen(HELD_OUT) : metric->name;
}

/* Whether the algorithm says that higher or lower is better; the rest only accompanies an update. */
static gboolean can_be_better(const CwExperiment *experiment, const CwCurve *metric)
{
  for (guint i = 0; experiment && i < experiment->stages->len; i++) {
    const CwRegisteredFeature *algorithm = ((const CwStage *)experiment->stages->pdata[i])->algorithm.feature;
    for (guint m = 0; algorithm && m < algorithm->n_metrics; m++)
      if (strcmp(algorithm->name, metric->label) == 0 &&
          strcmp(algorithm->metrics[m].name, metric->name) == 0)
        return algorithm->metrics[m].better != CW_NEITHER_IS_BETTER;
  }
  return FALSE;
}

static void add_metric_panel(Figure *figure, const char *name)
{
  g_autofree char *title = g_strdelimit(g_strdup(name), "_", ' ');
  guint number = 0;
  *title = g_ascii_toupper(*title);
  /* The names of stages stand only where no other agent's level may cross them. */
  cw_figure_row(figure->files, "panel", ++figure->n_panels, NAN, figure->curves->stages->len > 1, "", title);
  for (guint i = 0; i < figure->curves->metrics->len; i++) {
    const CwCurve *metric = figure->curves->metrics->pdata[i];
    g_autofree char *label =
        g_strconcat(metric->label, metric->name == panel_of(metric) ? "" : ", held out", NULL);
    if (strcmp(panel_of(metric), name) == 0)
      add_curve(figure, metric, label, number++);
  }
}

/* The metric panels: what can be better or worse, then the rest, both in the order of the records. */
static GPtrArray *choose_metrics(const Figure *figure, guint most)
{
  const GPtrArray *metrics = figure->curves->metrics;
  GPtrArray *chosen = g_ptr_array_new();
  for (guint pass = 0; pass < 2; pass++) {
    for (guint i = 0; i < metrics->len && chosen->len < most; i++) {
      const char *name = panel_of(metrics->pdata[i]);
      if (can_be_better(figure->experiment, metrics->pdata[i]) == (pass == 0) &&
          !g_ptr_array_find_with_equal_func(chosen, name, g_str_equal, NULL))
        g_ptr_array_add(chosen, (gpointer)name);
    }
  }
  return chosen;
}

static void fill(Figure *figure, const char *title)
{
  const CwCurveData *curves = figure->curves;
  gboolean evaluated = curves->evaluations->len + curves->references->len > 0;
  g_autoptr(GPtrArray) metrics = choose_metrics(figure, evaluated ? MOST_PANELS - 2 : MOST_PANELS);
  glong longest = 0;
  for (guint i = 0; i < curves->references->len; i++)
    longest = MAX(longest, g_utf8_strlen(((CwReference *)curves->references->pdata[i])->label, -1));
  cw_figure_row(figure->files, "figure", metrics->len + (evaluated ? 2 : 0),
                curves->end > 0 ? curves->end : 1, (double)longest, "", title);
  if (evaluated) {
    add_evaluation_panel(figure, FALSE);
    add_evaluation_panel(figure, TRUE);
  }
  for (guint i = 0; i < metrics->len; i++)
    add_metric_panel(figure, metrics->pdata[i]);
  for (guint i = 0; i < curves->stages->len; i++) {
    const CwStageStart *stage = curves->stages->pdata[i];
    cw_figure_row(figure->files, "stage", 0, stage->x, 0, "", stage->algorithm);
  }
}

gboolean cw_curves_draw(const char *run, const CwExperiment *experiment, GError **error)
{
  g_autofree char *absolute = g_canonicalize_filename(run, NULL);
  g_autofree char *title = g_path_get_basename(absolute);
  g_autoptr(CwCurveData) curves = cw_curve_data_read(run, error);
  if (!curves)
    return FALSE;
  g_autoptr(CwFigure) files = cw_figure_new();
  Figure figure = {.files = files, .curves = curves, .experiment = experiment};
  fill(&figure, title);
  return cw_figure_draw(files, run, "curves", cw_gnuplot_run, error);
}
