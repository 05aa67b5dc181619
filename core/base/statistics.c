/* Intervals for results, and the text table they are shown in. Pure functions; the bootstrap has its own
 * fixed random stream, so a result's interval is the same each time it is computed. */
#include "core/base/statistics.h"
#include "core/base/json_text.h"
#include "core/base/printable.h"
#include <cartwright/random.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define N_RESAMPLES 10000

double cw_normal_quantile(double probability)
{
  double tail = MIN(probability, 1 - probability), t, x;
  if (isnan(probability) || probability < 0 || probability > 1)
    return NAN;
  if (tail == 0)
    return probability < 0.5 ? -INFINITY : INFINITY;
  /* A start within 4.5e-4 (Abramowitz and Stegun 26.2.23), then Halley's method on the lower tail, where erfc
   * keeps its relative precision. */
  t = sqrt(-2 * log(tail));
  x = -(t -
        (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))));
  for (guint i = 0; i < 4; i++) {
    double excess = 0.5 * erfc(-x * G_SQRT2 / 2) - tail;
    double step = excess * sqrt(2 * G_PI) * exp(x * x / 2);
    x -= step / (1 + x * step / 2);
  }
  return probability < 0.5 ? x : -x;
}

CwInterval cw_wilson_interval(guint64 successes, guint64 n, double confidence)
{
  double z = cw_normal_quantile(0.5 + confidence / 2), total = (double)n, p = (double)successes / total;
  double scale = 1 + z * z / total, centre = (p + z * z / (2 * total)) / scale;
  double half = z / scale * sqrt(p * (1 - p) / total + z * z / (4 * total * total));
  CwInterval interval = {p, MAX(0.0, centre - half), MIN(1.0, centre + half)};
  /* At the ends the bound is the proportion itself; rounding must not move it. */
  if (successes == 0)
    interval.low = 0;
  if (successes == n)
    interval.high = 1;
  return interval;
}

static int compare_doubles(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Linear interpolation between the order statistics of sorted values. */
static double quantile(const double *sorted, guint n, double probability)
{
  double place = probability * (n - 1);
  guint below = (guint)place;
  if (below + 1 >= n)
    return sorted[n - 1];
  return sorted[below] + (place - below) * (sorted[below + 1] - sorted[below]);
}

CwInterval cw_bootstrap_interval(const double *values, guint n, double confidence)
{
  CwRandom *random = cw_random_new(0, "bootstrap", 0, 0);
  double *means = g_new(double, N_RESAMPLES);
  CwInterval interval = {0, 0, 0};
  for (guint i = 0; i < n; i++)
    interval.mean += values[i];
  interval.mean /= n;
  for (guint i = 0; i < N_RESAMPLES; i++) {
    double sum = 0;
    for (guint j = 0; j < n; j++)
      sum += values[cw_random_below(random, n)];
    means[i] = sum / n;
  }
  qsort(means, N_RESAMPLES, sizeof *means, compare_doubles);
  interval.low = quantile(means, N_RESAMPLES, (1 - confidence) / 2);
  interval.high = quantile(means, N_RESAMPLES, (1 + confidence) / 2);
  g_free(means);
  cw_random_free(random);
  return interval;
}

/* One side of a difference, in a resample. */
typedef struct {
  const double *const *values;
  guint n_runs;
  double *means; /* per run, over the drawn goals */
  CwRandom *random;
} Side;

static void average(Side *side, const guint *counts, guint n_goals)
{
  for (guint run = 0; run < side->n_runs; run++) {
    double sum = 0;
    for (guint goal = 0; goal < n_goals; goal++)
      sum += counts[goal] * side->values[run][goal];
    side->means[run] = sum / n_goals;
  }
}

/* The mean over all runs, moved by the stretched deviation of as many runs drawn with replacement. */
static double draw_runs(Side *side)
{
  double all = 0, drawn = 0, n = side->n_runs;
  for (guint run = 0; run < side->n_runs; run++)
    all += side->means[run] / n;
  if (side->n_runs < 2)
    return all;
  for (guint run = 0; run < side->n_runs; run++)
    drawn += side->means[cw_random_below(side->random, side->n_runs)] / n;
  return all + sqrt(n / (n - 1)) * (drawn - all);
}

static double mean_of_all(const Side *side, guint n_goals)
{
  double sum = 0;
  for (guint run = 0; run < side->n_runs; run++)
    for (guint goal = 0; goal < n_goals; goal++)
      sum += side->values[run][goal];
  return side->n_runs ? sum / side->n_runs / n_goals : 0;
}

CwInterval cw_crossed_difference(const double *const *a, guint n_a, const double *const *b, guint n_b,
                                 gboolean paired, guint n_goals, double confidence)
{
  /* Streams that are in the same place draw the same runs. */
  Side sides[2] = {{a, n_a, g_new(double, n_a), cw_random_new(0, "bootstrap-runs", 0, 0)},
                   {b, n_b, g_new(double, n_b), cw_random_new(0, "bootstrap-runs", paired ? 0 : 1, 0)}};
  CwRandom *goals = cw_random_new(0, "bootstrap", 0, 0);
  double *estimates = g_new(double, N_RESAMPLES);
  guint *counts = g_new(guint, n_goals);
  CwInterval interval = {mean_of_all(&sides[0], n_goals) - mean_of_all(&sides[1], n_goals), 0, 0};

  for (guint i = 0; i < N_RESAMPLES; i++) {
    memset(counts, 0, n_goals * sizeof *counts);
    for (guint goal = 0; goal < n_goals; goal++)
      counts[cw_random_below(goals, n_goals)]++;
    average(&sides[0], counts, n_goals);
    average(&sides[1], counts, n_goals);
    estimates[i] = draw_runs(&sides[0]) - (n_b ? draw_runs(&sides[1]) : 0);
  }
  qsort(estimates, N_RESAMPLES, sizeof *estimates, compare_doubles);
  interval.low = quantile(estimates, N_RESAMPLES, (1 - confidence) / 2);
  interval.high = quantile(estimates, N_RESAMPLES, (1 + confidence) / 2);
  for (guint i = 0; i < G_N_ELEMENTS(sides); i++) {
    g_free(sides[i].means);
    cw_random_free(sides[i].random);
  }
  cw_random_free(goals);
  g_free(estimates);
  g_free(counts);
  return interval;
}

CwInterval cw_crossed_interval(const double *const *values, guint n_runs, guint n_goals, double confidence)
{
  return cw_crossed_difference(values, n_runs, NULL, 0, FALSE, n_goals, confidence);
}

void cw_json_interval(GString *json, const char *key, CwInterval interval)
{
  cw_json_begin(json, key, '{');
  cw_json_double(json, "mean", interval.mean);
  cw_json_double(json, "low", interval.low);
  cw_json_double(json, "high", interval.high);
  cw_json_end(json, '}');
}

static guint display_width(const char *text)
{
  guint width = 0;
  for (const char *p = text; *p; p = g_utf8_next_char(p)) {
    gunichar c = g_utf8_get_char(p);
    width += g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;
  }
  return width;
}

static gboolean is_numeric(const GPtrArray *rows, guint column)
{
  for (guint i = 0; i < rows->len; i++) {
    const char *cell = ((char **)rows->pdata[i])[column];
    if (!g_ascii_isdigit(*cell) && !strchr("+-.", *cell))
      return FALSE; /* strchr also finds the end: an empty cell may stand among numbers */
  }
  return TRUE;
}

static void append_cell(GString *line, const char *cell, guint width, gboolean right)
{
  guint blanks = width - display_width(cell);
  if (line->len > 0)
    g_string_append(line, "  ");
  if (right)
    g_string_append_printf(line, "%*s", (int)blanks, "");
  g_string_append(line, cell);
  if (!right)
    g_string_append_printf(line, "%*s", (int)blanks, "");
}

static void end_line(GString *table, GString *line)
{
  while (line->len > 0 && line->str[line->len - 1] == ' ')
    g_string_truncate(line, line->len - 1);
  g_string_append_printf(table, "%s\n", line->str);
  g_string_truncate(line, 0);
}

/* Cells may come from data: a line break or an escape sequence in one is written out. */
static char **printable_row(const char *const *cells, guint n_columns)
{
  char **shown = g_new0(char *, n_columns + 1);
  for (guint column = 0; column < n_columns; column++)
    shown[column] = cw_printable(cells[column], "");
  return shown;
}

char *cw_format_table(const char *const *given_headings, guint n_columns, const GPtrArray *given)
{
  g_auto(GStrv) headings = printable_row(given_headings, n_columns);
  g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
  for (guint i = 0; i < given->len; i++)
    g_ptr_array_add(rows, printable_row(given->pdata[i], n_columns));
  GString *table = g_string_new(NULL), *line = g_string_new(NULL);
  g_autofree guint *widths = g_new0(guint, n_columns);
  g_autofree gboolean *right = g_new0(gboolean, n_columns);
  for (guint column = 0; column < n_columns; column++) {
    widths[column] = display_width(headings[column]);
    right[column] = is_numeric(rows, column);
    for (guint i = 0; i < rows->len; i++)
      widths[column] = MAX(widths[column], display_width(((char **)rows->pdata[i])[column]));
  }
  for (guint column = 0; column < n_columns; column++)
    append_cell(line, headings[column], widths[column], right[column]);
  end_line(table, line);
  for (guint column = 0; column < n_columns; column++) {
    g_autofree char *rule = g_strnfill(widths[column], '-');
    append_cell(line, rule, widths[column], FALSE);
  }
  end_line(table, line);
  for (guint i = 0; i < rows->len; i++) {
    for (guint column = 0; column < n_columns; column++)
      append_cell(line, ((char **)rows->pdata[i])[column], widths[column], right[column]);
    end_line(table, line);
  }
  g_string_free(line, TRUE);
  return g_string_free(table, FALSE);
}
