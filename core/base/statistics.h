/* Means, intervals and the text table of results. */
#ifndef CW_STATISTICS_H
#define CW_STATISTICS_H

#include <glib.h>

typedef struct {
  double mean, low, high;
} CwInterval;

/* Wilson score interval of a proportion (Wilson 1927). n > 0. */
CwInterval cw_wilson_interval(guint64 successes, guint64 n, double confidence);
/* Percentile bootstrap of the mean, 10,000 resamples from a fixed stream. n > 0. */
CwInterval cw_bootstrap_interval(const double *values, guint n, double confidence);
/* Interval of the mean of a table of values: n_runs runs (seeds), each of which met the same n_goals goals,
 * so that a column has a luck in common as a row has. Percentile bootstrap, 10,000 resamples from fixed
 * streams, in which goals and runs are drawn independently of each other (Owen 2007, "The pigeonhole
 * bootstrap", Annals of Applied Statistics 1). Runs drawn from n runs vary too little by (n - 1)/n, which
 * counts when n is small, so the deviation of the drawn runs from all runs is stretched by sqrt(n/(n - 1)). A
 * single run says nothing about runs: then goals alone are drawn. n_runs, n_goals > 0. */
CwInterval cw_crossed_interval(const double *const *values, guint n_runs, guint n_goals, double confidence);
/* The same for mean(a) - mean(b) on the same goals, which are drawn for both at once. `paired`: run i of `a`
 * and run i of `b` belong together and are drawn together (n_a = n_b); else each has its own draws.
 */
CwInterval cw_crossed_difference(const double *const *a, guint n_a, const double *const *b, guint n_b,
                                 gboolean paired, guint n_goals, double confidence);
/* {"mean": ..., "low": ..., "high": ...} as a value of JSON (core/base/json_text.h). */
void cw_json_interval(GString *json, const char *key, CwInterval interval);
/* Quantile of the standard normal. */
double cw_normal_quantile(double probability);

/* A plain text table with aligned columns; cells are UTF-8; numeric columns (all cells but the heading start
 * with a digit, sign or point) align right. What could steer a terminal or break a line in them is written out
 * (core/base/printable.h). `rows` holds char ** of n_columns each. Free with g_free. */
char *cw_format_table(const char *const *headings, guint n_columns, const GPtrArray *rows);

#endif
