/* A policy that is a table: one logit per decision and candidate, one value per decision, plain gradient
 * descent. A decision's observation begins with its row, "d17". It notes what was asked of it. */
#ifndef TABLE_H
#define TABLE_H

#include "core/plugin/handles.h"

#define TABLE_ROWS    256
#define TABLE_COLUMNS 8

typedef struct {
  float logits[TABLE_ROWS][TABLE_COLUMNS], values[TABLE_ROWS];
  double logit_gradient[TABLE_ROWS][TABLE_COLUMNS], value_gradient[TABLE_ROWS]; /* accumulated */
  double last_logit_gradient[TABLE_ROWS][TABLE_COLUMNS],
      last_value_gradient[TABLE_ROWS];               /* of the last step */
  guint n_trained[TABLE_ROWS], n_scored[TABLE_ROWS]; /* how often each decision was seen */
  guint n_forwards, n_steps, most_tokens; /* forwards since the table was cleared; largest cost of one */
  double last_rate;
  gboolean fixed;                                      /* steps change nothing */
  guint rows[TABLE_ROWS], columns[TABLE_ROWS], n_rows; /* of the last forward */
  gboolean frozen;                                     /* a clone, which its policy frees */
} Table;

/* A table of normal numbers, to be freed with g_free; the next policy that is opened from table_feature is
 * it. */
Table *new_table(void);
const CwRegisteredFeature *table_feature(void);

#endif
