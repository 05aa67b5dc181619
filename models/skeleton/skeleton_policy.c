/* A skeleton to copy: a policy that is a table. Each pair of observation and candidate has a logit of its
 * own, each observation a value, found by hashing the texts; training is plain gradient descent. There is
 * nothing to generalise with, so it suits small worlds only. A bigger backend keeps the same shape: score for
 * acting, forward, backward and step for learning, save and load. */
#include <cartwright/cartwright.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#define ENTRIES 4096 /* of each of the two tables */

typedef struct {
  char *model;
} Options;

static const CwOption rows[] = {
    {.name = "model",
     .type = CW_OPTION_PATH,
     .offset = offsetof(Options, model),
     .help = "folder of a saved table to start from"},
};

static const char *const tensors[] = {"table.logits", "table.values"};

/* The tensors lie behind one another, ENTRIES each. */
typedef struct {
  float weights[2 * ENTRIES], gradient[2 * ENTRIES];
  GArray *touched; /* guint: entries behind the outputs of the last forward: all logits, then all values */
  guint n_logits;
} Table;

static gboolean load(gpointer policy, const char *directory, GError **error);

static void close_table(gpointer policy)
{
  if (policy)
    g_array_free(((Table *)policy)->touched, TRUE);
  g_free(policy);
}

static gpointer open_table(gconstpointer options, guint32 seed G_GNUC_UNUSED, GError **error)
{
  const char *model = ((const Options *)options)->model;
  Table *table = g_new0(Table, 1);
  table->touched = g_array_new(FALSE, FALSE, sizeof(guint));
  if (!model || load(table, model, error))
    return table;
  close_table(table);
  return NULL;
}

static const char *const *describe(gpointer policy G_GNUC_UNUSED)
{
  static const char *const facts[] = {"model", "a table", "parameters", "8192", NULL};
  return facts;
}

/* Which entry each output reads: the whole model is this function and a look-up. */
static void find_entries(const CwDecision *const *decisions, guint n_decisions, GArray *entries)
{
  guint entry;
  g_array_set_size(entries, 0);
  for (guint i = 0; i < n_decisions; i++) {
    for (guint j = 0; j < decisions[i]->n_candidates; j++) {
      entry =
          (g_str_hash(decisions[i]->observation) * 31 + g_str_hash(decisions[i]->candidates[j])) % ENTRIES;
      g_array_append_val(entries, entry);
    }
  }
  for (guint i = 0; i < n_decisions; i++) {
    entry = ENTRIES + g_str_hash(decisions[i]->observation) % ENTRIES;
    g_array_append_val(entries, entry);
  }
}

static void look_up(const Table *table, const GArray *entries, guint n_logits, float *logits, float *values)
{
  for (guint i = 0; i < entries->len; i++)
    if (i < n_logits)
      logits[i] = table->weights[g_array_index(entries, guint, i)];
    else if (values)
      values[i - n_logits] = table->weights[g_array_index(entries, guint, i)];
}

static gboolean score(gpointer policy, const CwDecision *const *decisions, guint n_decisions, float *logits,
                      float *values, GError **error G_GNUC_UNUSED)
{
  GArray *entries = g_array_new(FALSE, FALSE, sizeof(guint));
  find_entries(decisions, n_decisions, entries);
  look_up(policy, entries, cw_count_logits(decisions, n_decisions), logits, values);
  g_array_free(entries, TRUE);
  return TRUE;
}

static gboolean forward(gpointer policy, const CwDecision *const *decisions, guint n_decisions,
                        const CwForward *how G_GNUC_UNUSED, float *logits, float *values,
                        GError **error G_GNUC_UNUSED)
{
  Table *table = policy;
  table->n_logits = cw_count_logits(decisions, n_decisions);
  find_entries(decisions, n_decisions, table->touched);
  look_up(table, table->touched, table->n_logits, logits, values);
  return TRUE;
}

static gboolean backward(gpointer policy, const float *dlogits, const float *dvalues,
                         GError **error G_GNUC_UNUSED)
{
  Table *table = policy;
  for (guint i = 0; i < table->touched->len; i++)
    if (i < table->n_logits)
      table->gradient[g_array_index(table->touched, guint, i)] += dlogits[i];
    else if (dvalues)
      table->gradient[g_array_index(table->touched, guint, i)] += dvalues[i - table->n_logits];
  g_array_set_size(table->touched, 0);
  return TRUE;
}

static gboolean step(gpointer policy, double learning_rate, double max_norm, double *gradient_norm,
                     GError **error)
{
  Table *table = policy;
  double norm = 0, rate;
  for (guint i = 0; i < 2 * ENTRIES; i++) {
    if (!isfinite(table->gradient[i])) {
      g_set_error(error, CW_POLICY_ERROR, CW_ERROR_NUMERIC, "step: a gradient of %s is %g",
                  tensors[i / ENTRIES], table->gradient[i]);
      return FALSE;
    }
    norm += (double)table->gradient[i] * table->gradient[i];
  }
  norm = sqrt(norm);
  rate = max_norm > 0 && norm > max_norm ? learning_rate * max_norm / norm : learning_rate;
  for (guint i = 0; i < 2 * ENTRIES; i++)
    table->weights[i] -= (float)(rate * table->gradient[i]);
  memset(table->gradient, 0, sizeof table->gradient);
  if (gradient_norm)
    *gradient_norm = norm;
  return TRUE;
}

static gpointer clone_frozen(gpointer policy, GError **error G_GNUC_UNUSED)
{
  Table *clone = g_memdup2(policy, sizeof(Table));
  clone->touched = g_array_new(FALSE, FALSE, sizeof(guint));
  return clone;
}

static gboolean save(gpointer policy, const char *directory, GError **error)
{
  char *path = g_build_filename(directory, "table.bin", NULL);
  Table *table = policy;
  gboolean saved = g_file_set_contents(path, (const char *)table->weights, sizeof table->weights, error);
  g_free(path);
  return saved;
}

static gboolean load(gpointer policy, const char *directory, GError **error)
{
  char *path = g_build_filename(directory, "table.bin", NULL);
  Table *table = policy;
  char *content = NULL;
  gsize length = 0;
  gboolean loaded = g_file_get_contents(path, &content, &length, error);
  if (loaded && length != sizeof table->weights) {
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_FORMAT, "%s: expected %zu bytes, found %" G_GSIZE_FORMAT,
                path, sizeof table->weights, length);
    loaded = FALSE;
  }
  if (loaded) {
    memcpy(table->weights, content, length);
    memset(table->gradient, 0, sizeof table->gradient);
  }
  g_free(content);
  g_free(path);
  return loaded;
}

/* Lets the host look for NaN and the conformance check compare gradients. */
static gboolean visit_tensors(gpointer policy, CwTensorVisitor visitor, gpointer user_data,
                              GError **error G_GNUC_UNUSED)
{
  const gint64 shape = ENTRIES;
  Table *table = policy;
  for (guint i = 0; i < G_N_ELEMENTS(tensors); i++)
    visitor(tensors[i], &shape, 1, table->weights + i * ENTRIES, table->gradient + i * ENTRIES, user_data);
  return TRUE;
}

static gboolean edit_tensors(gpointer policy, CwEdit edit G_GNUC_UNUSED, CwTensorEditor editor,
                             gpointer user_data, GError **error G_GNUC_UNUSED)
{
  const gint64 shape = ENTRIES;
  Table *table = policy;
  for (guint i = 0; i < G_N_ELEMENTS(tensors); i++)
    editor(tensors[i], &shape, 1, table->weights + i * ENTRIES, table->gradient + i * ENTRIES, user_data);
  return TRUE;
}

static const CwPolicyVtable vtable = {
    .open = open_table,
    .close = close_table,
    .describe = describe,
    .score = score,
    .forward = forward,
    .backward = backward,
    .step = step,
    .clone_frozen = clone_frozen,
    .save = save,
    .load = load,
    .visit_tensors = visit_tensors,
    .edit_tensors = edit_tensors,
};

static const CwFeature features[] = {
    {.kind = CW_FEATURE_POLICY,
     .name = "skeleton_policy",
     .summary = "A table of logits and values: a skeleton to copy",
     .vtable = &vtable,
     .vtable_size = sizeof vtable,
     .capabilities = CW_POLICY_TRAINS | CW_POLICY_VALUES | CW_POLICY_CLONES,
     CW_FEATURE_OPTIONS(rows, Options)},
};

CW_PLUGIN("skeleton_policy", "1.0", "MIT", "A skeleton policy", features);
