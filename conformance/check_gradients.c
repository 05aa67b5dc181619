/* Compares a policy's gradients with central differences: of L = sum of w logit + sum of u value with random
 * w and u, for entries of its tensors, some with the largest gradient and some at random. */
#include "conformance/check_policy.h"

#include <math.h>

#define MOST_TENSORS 24   /* of a model with many, evenly spread */
#define PER_TENSOR   3    /* the entry with the largest gradient, and random ones */
#define TOLERANCE    0.02 /* relative; single precision allows no less */

/* One weight to be wiggled. */
typedef struct {
  guint tensor;
  gsize element;
  float weight, gradient;
  double noise; /* what a difference may be off by whatever its size */
  char *name;
} Entry;

typedef struct {
  CwPolicy *policy;
  const CwDecision *const *decisions;
  float *w, u[CW_CHECK_N_PLAIN];
  gboolean has_values;
  double magnitude; /* sum of |w logit| + |u value|: what single precision rounds */
  GArray *entries;
  CwRandom *random;
  guint n_tensors, tensor, spacing;
  const Entry *wiggled; /* the entry whose weight the visitor sets to new_weight */
  float new_weight;
} Probe;

static void count_tensor(const char *name, const gint64 *shape, guint n_dimensions, float *weights,
                         float *gradient, gpointer user_data)
{
  Probe *probe = user_data;
  (void)name, (void)shape, (void)n_dimensions, (void)weights, (void)gradient;
  probe->n_tensors++;
}

static void pick_entries(const char *name, const gint64 *shape, guint n_dimensions, float *weights,
                         float *gradient, gpointer user_data)
{
  Probe *probe = user_data;
  gsize size = cw_check_tensor_size(shape, n_dimensions), largest = 0, i;
  guint tensor = probe->tensor++;
  if (!gradient || size == 0 || tensor % probe->spacing != 0)
    return;
  for (i = 0; i < size; i++) {
    if (fabsf(gradient[i]) > fabsf(gradient[largest]))
      largest = i;
  }
  for (i = 0; i < MIN(PER_TENSOR, size); i++) {
    Entry entry = {.tensor = tensor};
    entry.element = i == 0 ? largest : cw_random_uint64(probe->random) % size;
    entry.weight = weights[entry.element];
    entry.gradient = gradient[entry.element];
    entry.noise = 1e-3 * fabsf(gradient[largest]);
    entry.name = g_strdup(name);
    g_array_append_val(probe->entries, entry);
  }
}

static void set_weight(const char *name, const gint64 *shape, guint n_dimensions, float *weights,
                       float *gradient, gpointer user_data)
{
  Probe *probe = user_data;
  (void)name, (void)shape, (void)n_dimensions, (void)gradient;
  if (probe->tensor++ == probe->wiggled->tensor)
    weights[probe->wiggled->element] = probe->new_weight;
}

/* L with one weight replaced. */
static gboolean loss_at(Probe *probe, const Entry *entry, double weight, double *loss, GError **error)
{
  guint n_logits = cw_count_logits(probe->decisions, CW_CHECK_N_PLAIN), i;
  float *logits = g_new0(float, n_logits), values[CW_CHECK_N_PLAIN] = {0};
  gboolean scored;
  probe->wiggled = entry;
  probe->new_weight = (float)weight;
  probe->tensor = 0;
  cw_policy_visit_tensors(probe->policy, set_weight, probe);
  scored = cw_policy_score(probe->policy, probe->decisions, CW_CHECK_N_PLAIN, logits, values, error);
  *loss = probe->magnitude = 0;
  for (i = 0; i < n_logits; i++) {
    *loss += (double)probe->w[i] * logits[i];
    probe->magnitude += fabs((double)probe->w[i] * logits[i]);
  }
  for (i = 0; i < CW_CHECK_N_PLAIN; i++) {
    *loss += (double)probe->u[i] * values[i];
    probe->magnitude += fabs((double)probe->u[i] * values[i]);
  }
  g_free(logits);
  return scored;
}

/* A difference is right when it is at one of two step widths: a wide one rounds less, a narrow one bends
 * less. */
static gboolean check_entry(Probe *probe, const Entry *entry, CwVerdict *verdict)
{
  static const double widths[] = {1e-2, 1e-3};
  double above, below, difference = 0, unused;
  gboolean right = FALSE, scored = TRUE;
  GError *error = NULL;
  for (guint i = 0; i < G_N_ELEMENTS(widths) && scored && !right; i++) {
    double width = widths[i] * fmax(1, fabs(entry->weight));
    float high = (float)(entry->weight + width), low = (float)(entry->weight - width);
    scored = loss_at(probe, entry, high, &above, &error) && loss_at(probe, entry, low, &below, &error);
    difference = (above - below) / ((double)high - low);
    right = fabs(difference - entry->gradient) <= TOLERANCE * fmax(fabs(difference), fabs(entry->gradient)) +
                                                      entry->noise + 4e-7 * probe->magnitude / width;
  }
  scored = loss_at(probe, entry, entry->weight, &unused, scored ? &error : NULL) && scored;
  if (!scored)
    return cw_verdict_fail_error(verdict, &error);
  if (!right)
    cw_verdict_fail(verdict, "element %" G_GSIZE_FORMAT " of %s: backward says %g, a central difference %g",
                    entry->element, entry->name, entry->gradient, difference);
  return right;
}

/* forward and backward with w and u. FALSE with the verdict failed or skipped. */
static gboolean backward(Probe *probe, CwVerdict *verdict)
{
  guint n_logits = cw_count_logits(probe->decisions, CW_CHECK_N_PLAIN), i;
  float *logits = g_new0(float, n_logits), *scored = g_new0(float, n_logits), values[CW_CHECK_N_PLAIN];
  double difference = 0, largest = 1e-6;
  GError *error = NULL;
  gboolean done =
      cw_policy_score(probe->policy, probe->decisions, CW_CHECK_N_PLAIN, scored, values, &error) &&
      cw_policy_forward(probe->policy, probe->decisions, CW_CHECK_N_PLAIN, logits, values, &error) &&
      cw_policy_backward(probe->policy, probe->w, probe->has_values ? probe->u : NULL, &error);

  for (i = 0; i < n_logits; i++) {
    largest = fmax(largest, fabs(scored[i]));
    difference = fmax(difference, fabs((double)scored[i] - logits[i]));
  }
  if (!done)
    cw_verdict_fail_error(verdict, &error);
  else if (difference > 1e-3 * largest)
    done = cw_verdict_skip(verdict, "forward and score differ; turn dropout off for this check");
  g_free(logits);
  g_free(scored);
  return done;
}

void cw_check_gradients(CwSuite *suite, CwVerdict *verdict)
{
  CwPolicySubject *subject = suite->subject;
  guint n_logits = cw_count_logits(subject->decisions.all, CW_CHECK_N_PLAIN), i;
  Probe probe = {.decisions = subject->decisions.all};
  if ((suite->feature->capabilities & CW_POLICY_TRAINS) == 0 ||
      !suite->feature->vtable.policy->visit_tensors) {
    cw_verdict_skip(verdict, "it does not train, or does not show its tensors");
    return;
  }
  probe.policy = cw_check_open_policy(suite, &subject->decisions, verdict);
  if (!probe.policy)
    return;
  probe.has_values = (suite->feature->capabilities & CW_POLICY_VALUES) != 0;
  probe.random = cw_random_new(CW_CHECK_SEED, "check gradients", 0, 0);
  probe.entries = g_array_new(FALSE, FALSE, sizeof(Entry));
  probe.w = g_new(float, n_logits);
  for (i = 0; i < n_logits; i++)
    probe.w[i] = (float)cw_random_normal(probe.random);
  for (i = 0; i < CW_CHECK_N_PLAIN; i++)
    probe.u[i] = probe.has_values ? (float)cw_random_normal(probe.random) : 0;
  cw_policy_visit_tensors(probe.policy, count_tensor, &probe);
  probe.spacing = probe.n_tensors / MOST_TENSORS + 1;
  if (backward(&probe, verdict)) {
    cw_policy_visit_tensors(probe.policy, pick_entries, &probe);
    if (probe.entries->len == 0)
      cw_verdict_skip(verdict, "every tensor is frozen");
    for (i = 0; i < probe.entries->len; i++) {
      if (!check_entry(&probe, &g_array_index(probe.entries, Entry, i), verdict))
        break;
    }
  }
  for (i = 0; i < probe.entries->len; i++)
    g_free(g_array_index(probe.entries, Entry, i).name);
  g_array_free(probe.entries, TRUE);
  g_free(probe.w);
  cw_random_free(probe.random);
  cw_policy_close(probe.policy);
}
