#include "tests/bc/table.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static Table *next_table;

Table *new_table(void)
{
  Table *table = g_new0(Table, 1);
  CwRandom *random = cw_random_new(1, "table", 0, 0);
  for (guint row = 0; row < TABLE_ROWS; row++) {
    table->values[row] = (float)cw_random_normal(random);
    for (guint k = 0; k < TABLE_COLUMNS; k++)
      table->logits[row][k] = (float)cw_random_normal(random);
  }
  cw_random_free(random);
  next_table = table;
  return table;
}

static gpointer table_open(gconstpointer options, guint32 seed, GError **error)
{
  (void)options, (void)seed, (void)error;
  return next_table;
}

static void table_close(gpointer policy)
{
  Table *table = policy;
  if (table && table->frozen)
    g_free(table);
}

static gpointer table_clone_frozen(gpointer policy, GError **error)
{
  Table *table = g_memdup2(policy, sizeof *table);
  (void)error;
  table->frozen = TRUE;
  return table;
}

static const char *const *table_describe(gpointer policy)
{
  static const char *const facts[] = {NULL};
  (void)policy;
  return facts;
}

static guint row_of(const CwDecision *decision)
{
  return (guint)atoi(decision->observation + 1);
}

static guint table_count_tokens(gpointer policy, const CwDecision *decision)
{
  (void)policy;
  return (guint)strlen(decision->observation);
}

static void read_table(const Table *table, const CwDecision *const *decisions, guint n, float *logits,
                       float *values)
{
  for (guint i = 0; i < n; i++) {
    guint row = row_of(decisions[i]);
    memcpy(logits, table->logits[row], decisions[i]->n_candidates * sizeof *logits);
    logits += decisions[i]->n_candidates;
    if (values)
      values[i] = table->values[row];
  }
}

static gboolean table_score(gpointer policy, const CwDecision *const *decisions, guint n, float *logits,
                            float *values, GError **error)
{
  Table *table = policy;
  (void)error;
  for (guint i = 0; i < n; i++)
    table->n_scored[row_of(decisions[i])]++;
  read_table(table, decisions, n, logits, values);
  return TRUE;
}

static gboolean table_forward(gpointer policy, const CwDecision *const *decisions, guint n,
                              const CwForward *how G_GNUC_UNUSED, float *logits, float *values,
                              GError **error)
{
  Table *table = policy;
  guint tokens = 0;
  (void)error;
  table->n_forwards++;
  table->n_rows = n;
  for (guint i = 0; i < n; i++) {
    table->rows[i] = row_of(decisions[i]);
    table->columns[i] = decisions[i]->n_candidates;
    table->n_trained[table->rows[i]]++;
    tokens += table_count_tokens(policy, decisions[i]);
  }
  table->most_tokens = MAX(table->most_tokens, tokens);
  read_table(table, decisions, n, logits, values);
  return TRUE;
}

static gboolean table_backward(gpointer policy, const float *dlogits, const float *dvalues, GError **error)
{
  Table *table = policy;
  (void)error;
  for (guint i = 0; i < table->n_rows; i++) {
    for (guint k = 0; k < table->columns[i]; k++)
      table->logit_gradient[table->rows[i]][k] += *dlogits++;
    if (dvalues)
      table->value_gradient[table->rows[i]] += dvalues[i];
  }
  return TRUE;
}

static gboolean table_step(gpointer policy, double learning_rate, double max_norm, double *gradient_norm,
                           GError **error)
{
  Table *table = policy;
  double squares = 0, scale;
  (void)error;
  for (guint row = 0; row < TABLE_ROWS; row++) {
    squares += table->value_gradient[row] * table->value_gradient[row];
    for (guint k = 0; k < TABLE_COLUMNS; k++)
      squares += table->logit_gradient[row][k] * table->logit_gradient[row][k];
  }
  if (gradient_norm)
    *gradient_norm = sqrt(squares);
  scale = max_norm > 0 && sqrt(squares) > max_norm ? max_norm / sqrt(squares) : 1;
  for (guint row = 0; row < TABLE_ROWS && !table->fixed; row++) {
    table->values[row] -= (float)(learning_rate * scale * table->value_gradient[row]);
    for (guint k = 0; k < TABLE_COLUMNS; k++)
      table->logits[row][k] -= (float)(learning_rate * scale * table->logit_gradient[row][k]);
  }
  memcpy(table->last_logit_gradient, table->logit_gradient, sizeof table->logit_gradient);
  memcpy(table->last_value_gradient, table->value_gradient, sizeof table->value_gradient);
  memset(table->logit_gradient, 0, sizeof table->logit_gradient);
  memset(table->value_gradient, 0, sizeof table->value_gradient);
  table->n_steps++;
  table->last_rate = learning_rate;
  return TRUE;
}

static gboolean table_save(gpointer policy, const char *directory, GError **error)
{
  (void)policy, (void)directory, (void)error;
  return TRUE;
}

const CwRegisteredFeature *table_feature(void)
{
  static const CwPolicyVtable vtable = {
      .open = table_open,
      .close = table_close,
      .describe = table_describe,
      .score = table_score,
      .forward = table_forward,
      .backward = table_backward,
      .step = table_step,
      .clone_frozen = table_clone_frozen,
      .save = table_save,
      .load = table_save,
      .count_tokens = table_count_tokens,
  };
  static const CwRegisteredFeature feature = {
      .kind = CW_FEATURE_POLICY,
      .name = "table",
      .capabilities = CW_POLICY_TRAINS | CW_POLICY_VALUES | CW_POLICY_CLONES,
      .vtable.policy = &vtable,
  };

  return &feature;
}
