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
/* Quantile of the standard normal. */
double cw_normal_quantile(double probability);

/* A plain text table with aligned columns; cells are UTF-8; numeric columns
 * (all cells but the heading start with a digit, sign or point) align right.
 * `rows` holds char ** of n_columns each. Free with g_free. */
char *cw_format_table(const char *const *headings, guint n_columns, const GPtrArray *rows);

#endif
