/* Writes a gnuplot script and its data for a run, and has gnuplot draw them. The figure has up to four
 * panels: score and success of the learner with their intervals and the levels of other agents, then the
 * metrics of the algorithms, loss and accuracy first. */
#include "lab/curves/curves.h"
#include "core/base/checkpoint.h"
#include "lab/curves/curve_data.h"
#include "lab/curves/gnuplot.h"
#include <cartwright/error.h>
#include <math.h>
#include <string.h>

#define MOST_PANELS  4
#define MOST_POINTS  1500 /* drawn per line; more are averaged in groups */
#define FEW_POINTS   40   /* up to here each point is marked and nothing is smoothed */
#define HELD_OUT     "held_out_"
#define SCRIPT_NAME  "curves.gnuplot"
#define DATA_NAME    "curves.dat"
#define SMOOTH_SHARE 25 /* a smoothed point averages 1/25 of the line on either side */

typedef struct {
  GString *script, *data;
  guint n_indices; /* blocks in the data file so far */
  const CwCurveData *curves;
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

/* Writes a block of columns x, mean, low, high, smoothed; returns its index. */
static guint add_data(Figure *figure, const CwCurve *curve)
{
  g_autoptr(GArray) points = thin(curve->points);

  g_string_append_printf(figure->data, "# %s %s: x, value, low, high, smoothed\n", curve->label, curve->name);
  for (guint i = 0; i < points->len; i++) {
    const CwCurvePoint *point = &g_array_index(points, CwCurvePoint, i);
    cw_gnuplot_append_number(figure->data, point->x);
    cw_gnuplot_append_number(figure->data, point->y.mean);
    cw_gnuplot_append_number(figure->data, point->y.low);
    cw_gnuplot_append_number(figure->data, point->y.high);
    cw_gnuplot_append_number(figure->data, smooth(points, i));
    g_string_append_c(figure->data, '\n');
  }
  g_string_append(figure->data, "\n\n");
  return figure->n_indices++;
}

/* The names of stages stand only where no other agent's level may cross them. */
static void begin_panel(Figure *figure, const char *title, gboolean name_stages)
{
  g_autofree char *text = cw_gnuplot_quote(title);
  g_string_append_printf(figure->script,
                         "  set title %s font 'Sans,12' offset 0,1.6\n  unset label\n  unset arrow\n", text);
  if (figure->curves->stages->len < 2)
    return;
  for (guint i = 0; i < figure->curves->stages->len; i++) {
    const CwStageStart *stage = figure->curves->stages->pdata[i];
    g_autofree char *name = cw_gnuplot_quote(stage->algorithm);
    if (i > 0) {
      g_string_append(figure->script, "  set arrow from");
      cw_gnuplot_append_number(figure->script, stage->x);
      g_string_append(figure->script, ", graph 0 to");
      cw_gnuplot_append_number(figure->script, stage->x);
      g_string_append(figure->script, ", graph 1 nohead dashtype 3 linecolor rgb '#999999'\n");
    }
    if (name_stages) {
      g_string_append_printf(figure->script, "  set label %s at", name);
      cw_gnuplot_append_number(figure->script, stage->x);
      g_string_append(figure->script, ", graph 0.96 offset 0.5,0 textcolor rgb '#777777' font 'Sans,9'\n");
    }
  }
}

/* Starts the plot command or continues it. */
static void begin_item(Figure *figure, gboolean *any)
{
  g_string_append(figure->script, *any ? ", \\\n    " : "  plot ");
  *any = TRUE;
}

static void add_curve(Figure *figure, const CwCurve *curve, const char *title, guint number, gboolean *any)
{
  const char *colour = cw_gnuplot_colour(number), *pale = cw_gnuplot_pale_colour(number);
  g_autofree char *text = cw_gnuplot_quote(title);
  gboolean bounds = isfinite(g_array_index(curve->points, CwCurvePoint, 0).y.low);
  guint index = add_data(figure, curve);
  if (curve->points->len > FEW_POINTS) {
    begin_item(figure, any);
    g_string_append_printf(
        figure->script,
        "'" DATA_NAME "' index %u using 1:2 with lines linewidth 1 linecolor rgb '%s' notitle", index, pale);
    begin_item(figure, any);
    g_string_append_printf(figure->script,
                           "'" DATA_NAME
                           "' index %u using 1:5 with lines linewidth 2.5 linecolor rgb '%s' title %s",
                           index, colour, text);
    return;
  }
  begin_item(figure, any);
  if (bounds && curve->points->len <= 2) {
    /* Before and after say nothing about the way between. The bars of several lines are moved apart, inwards
     * from both ends. */
    g_string_append_printf(figure->script, "'" DATA_NAME "' index %u using ($1", index);
    if (number > 0 && figure->curves->end > 0) {
      g_string_append(figure->script, " +");
      cw_gnuplot_append_number(figure->script, 0.012 * number * figure->curves->end);
      g_string_append(figure->script, " - $1 *");
      cw_gnuplot_append_number(figure->script, 0.024 * number);
    }
    g_string_append_printf(
        figure->script,
        "):2:3:4 with yerrorbars linewidth 2 pointtype 7 pointsize 0.9 linecolor rgb '%s' title %s", colour,
        text);
    return;
  }
  if (bounds) {
    g_string_append_printf(figure->script,
                           "'" DATA_NAME "' index %u using 1:3:4 with filledcurves linecolor rgb '%s' "
                           "fillstyle transparent solid 0.15 noborder notitle",
                           index, colour);
    begin_item(figure, any);
  }
  g_string_append_printf(figure->script,
                         "'" DATA_NAME
                         "' index %u using 1:2 with linespoints linewidth 2 pointtype 7 pointsize 0.7 "
                         "linecolor rgb '%s' title %s",
                         index, colour, text);
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

/* Labels go beside their levels, moved apart where levels lie close. */
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
    g_autofree char *text = cw_gnuplot_quote(level->label);
    g_string_append_printf(figure->script, "  set label %s at graph 1.015, first", text);
    cw_gnuplot_append_number(figure->script, level->place);
    g_string_append(figure->script, " textcolor rgb '#555555' font 'Sans,9'\n");
  }
}

static void add_reference_lines(Figure *figure, gboolean success, gboolean *any)
{
  for (guint i = 0; i < figure->curves->references->len; i++) {
    const CwReference *reference = figure->curves->references->pdata[i];
    double mean = success ? reference->success.mean : reference->score.mean;
    if (!isfinite(mean))
      continue;
    begin_item(figure, any);
    cw_gnuplot_append_number(figure->script, mean);
    g_string_append(figure->script,
                    " with lines dashtype (8,5) linewidth 1.2 linecolor rgb '#777777' notitle");
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
  gboolean any = FALSE;
  guint number = 0;
  begin_panel(figure, success ? "Success rate (%)" : "Score (100 x mean reward)", FALSE);
  add_references(figure, success, top);
  g_string_append(figure->script, "  set yrange [0:");
  cw_gnuplot_append_number(figure->script, top);
  g_string_append(figure->script, "]\n");
  add_reference_lines(figure, success, &any);
  for (guint i = 0; i < figure->curves->evaluations->len; i++) {
    const CwCurve *curve = figure->curves->evaluations->pdata[i];
    if (strcmp(curve->name, success ? "success" : "score") == 0)
      add_curve(figure, curve, curve->label, number++, &any);
  }
  g_string_append(figure->script, any ? "\n" : "  plot NaN notitle\n");
}

/* "held_out_loss" is drawn with "loss". */
static const char *panel_of(const CwCurve *metric)
{
  return g_str_has_prefix(metric->name, HELD_OUT) ? metric->name + strlen(HELD_OUT) : metric->name;
}

/* Smaller is drawn first; what only accompanies an update comes last. */
static guint rank(const char *name)
{
  static const char *const companions[] = {"learning_rate", "gradient_norm", "epoch",     "decisions",
                                           "skipped",       "episodes",      "minibatch", NULL};

  if (strcmp(name, "loss") == 0)
    return 0;
  if (strcmp(name, "accuracy") == 0)
    return 1;
  return g_strv_contains(companions, name) ? 3 : 2;
}

static void add_metric_panel(Figure *figure, const char *name)
{
  g_autofree char *title = g_strdelimit(g_strdup(name), "_", ' ');
  gboolean any = FALSE;
  guint number = 0;
  *title = g_ascii_toupper(*title);
  begin_panel(figure, title, TRUE);
  g_string_append(figure->script, "  set yrange [*:*]\n");
  for (guint i = 0; i < figure->curves->metrics->len; i++) {
    const CwCurve *metric = figure->curves->metrics->pdata[i];
    g_autofree char *label =
        g_strconcat(metric->label, metric->name == panel_of(metric) ? "" : ", held out", NULL);

    if (strcmp(panel_of(metric), name) == 0)
      add_curve(figure, metric, label, number++, &any);
  }
  g_string_append_c(figure->script, '\n');
}

/* The metric panels by rank, within a rank in the order of the records. */
static GPtrArray *choose_metrics(const CwCurveData *curves, guint most)
{
  GPtrArray *chosen = g_ptr_array_new();
  for (guint wanted = 0; wanted <= 3; wanted++) {
    for (guint i = 0; i < curves->metrics->len && chosen->len < most; i++) {
      const char *name = panel_of(curves->metrics->pdata[i]);
      if (rank(name) == wanted && !g_ptr_array_find_with_equal_func(chosen, name, g_str_equal, NULL))
        g_ptr_array_add(chosen, (gpointer)name);
    }
  }
  return chosen;
}

static void write_figure(Figure *figure, const char *title)
{
  const CwCurveData *curves = figure->curves;
  gboolean evaluated = curves->evaluations->len + curves->references->len > 0;
  g_autoptr(GPtrArray) metrics = choose_metrics(curves, evaluated ? MOST_PANELS - 2 : MOST_PANELS);
  guint n_panels = metrics->len + (evaluated ? 2 : 0);
  g_autofree char *name = cw_gnuplot_quote(title);
  double end = curves->end > 0 ? curves->end : 1;
  guint label_width = 0;

  for (guint i = 0; i < curves->references->len; i++)
    label_width =
        MAX(label_width, (guint)g_utf8_strlen(((CwReference *)curves->references->pdata[i])->label, -1));
  g_string_append_printf(
      figure->script,
      "# Draws curves.png and curves.svg from " DATA_NAME "; run: gnuplot " SCRIPT_NAME "\n"
      "set border 3\nset tics nomirror\nset grid linetype 1 linewidth 0.5 linecolor rgb '#E4E4E4'\n"
      "set key at graph 0, graph 1.02 left bottom Left reverse vertical maxrows 2 samplen 2 font 'Sans,9'\n"
      "set xlabel 'updates' offset 0,0.5\nset lmargin 9\nset rmargin %u\nset tmargin 5\n"
      "do for [format in 'png svg'] {\n"
      "  if (format eq 'png') {\n"
      "    set terminal pngcairo noenhanced size 1200,800 font 'Sans,10'\n"
      "  } else {\n"
      "    set terminal svg noenhanced size 1200,800 font 'Sans,10' background rgb 'white'\n"
      "  }\n"
      "  set output 'curves.'.format\n"
      "  set multiplot layout %d,%d title %s font 'Sans,15'\n"
      "  set xrange [",
      label_width + 3, n_panels > 2 ? 2 : 1, n_panels > 1 ? 2 : 1, name);
  cw_gnuplot_append_number(figure->script, -0.01 * end);
  g_string_append_c(figure->script, ':');
  cw_gnuplot_append_number(figure->script, 1.01 * end);
  g_string_append(figure->script, "]\n");
  if (evaluated) {
    add_evaluation_panel(figure, FALSE);
    add_evaluation_panel(figure, TRUE);
  }
  for (guint i = 0; i < metrics->len; i++)
    add_metric_panel(figure, metrics->pdata[i]);
  g_string_append(figure->script, "  unset multiplot\n  set output\n}\n");
}

gboolean cw_curves_draw(const char *run, GError **error)
{
  g_autofree char *script_path = g_build_filename(run, SCRIPT_NAME, NULL);
  g_autofree char *data_path = g_build_filename(run, DATA_NAME, NULL);
  g_autofree char *absolute = g_canonicalize_filename(run, NULL);
  g_autofree char *title = g_path_get_basename(absolute);
  CwCurveData *curves = cw_curve_data_read(run, error);
  Figure figure = {.curves = curves};
  gboolean good;
  if (!curves)
    return FALSE;
  figure.script = g_string_new(NULL);
  figure.data = g_string_new(NULL);
  write_figure(&figure, title);
  good = cw_write_file(data_path, figure.data->str, figure.data->len, error) &&
         cw_write_file(script_path, figure.script->str, figure.script->len, error) &&
         cw_gnuplot_run(run, SCRIPT_NAME, error);
  g_string_free(figure.script, TRUE);
  g_string_free(figure.data, TRUE);
  cw_curve_data_free(curves);
  return good;
}
