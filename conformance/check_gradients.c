/* Compares a policy's gradients with central differences: of L = sum of w logit + sum of u value with random
 * w and u, or with log-probabilities of words in the place of logits, for entries of its tensors, some with
 * the largest gradient and some at random. */
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
  char **words;   /* CW_CHECK_N_PLAIN actions in words; NULL: it is about logits */
  guint n_logits; /* of the plain decisions; of words, one for each */
  float *w, u[CW_CHECK_N_PLAIN];
  gboolean has_values;
  double magnitude; /* sum of |w logit| + |u value|: what single precision rounds */
  GArray *entries;
  CwRandom *random;
  guint n_tensors, tensor, spacing;
  const Entry *wiggled; /* the entry whose weight the visitor sets to new_weight */
  float new_weight;
} Probe;

static void clear_entry(gpointer entry)
{
  g_free(((Entry *)entry)->name);
}

static void count_tensor(const char *name G_GNUC_UNUSED, const gint64 *shape G_GNUC_UNUSED,
                         guint n_dimensions G_GNUC_UNUSED, const float *weights G_GNUC_UNUSED,
                         const float *gradient G_GNUC_UNUSED, gpointer probe)
{
  ((Probe *)probe)->n_tensors++;
}

static void pick_entries(const char *name, const gint64 *shape, guint n_dimensions, const float *weights,
                         const float *gradient, gpointer user_data)
{
  Probe *probe = user_data;
  gsize size = cw_tensor_size(shape, n_dimensions), largest = 0;
  guint tensor = probe->tensor++;
  if (!gradient || size == 0 || tensor % probe->spacing != 0)
    return;
  for (gsize i = 0; i < size; i++)
    if (fabsf(gradient[i]) > fabsf(gradient[largest]))
      largest = i;
  for (gsize i = 0; i < MIN(PER_TENSOR, size); i++) {
    gsize element = i == 0 ? largest : cw_random_uint64(probe->random) % size;
    Entry entry = {
        tensor,        element, weights[element], gradient[element], 1e-3 * fabsf(gradient[largest]),
        g_strdup(name)};
    g_array_append_val(probe->entries, entry);
  }
}

static void set_weight(const char *name G_GNUC_UNUSED, const gint64 *shape G_GNUC_UNUSED,
                       guint n_dimensions G_GNUC_UNUSED, float *weights, float *gradient G_GNUC_UNUSED,
                       gpointer user_data)
{
  Probe *probe = user_data;
  if (probe->tensor++ == probe->wiggled->tensor)
    weights[probe->wiggled->element] = probe->new_weight;
}

static gboolean score(const Probe *probe, float *logits, float *values, GError **error)
{
  const CwDecision *const *decisions = cw_check_decisions();
  const char *const *words = (const char *const *)probe->words;
  return words
             ? cw_policy_score_words(probe->policy, decisions, words, CW_CHECK_N_PLAIN, logits, values, error)
             : cw_policy_score(probe->policy, decisions, CW_CHECK_N_PLAIN, logits, values, error);
}

static gboolean forward(const Probe *probe, float *logits, float *values, GError **error)
{
  const CwDecision *const *decisions = cw_check_decisions();
  const char *const *words = (const char *const *)probe->words;
  guint n = CW_CHECK_N_PLAIN;
  return words ? cw_policy_forward_words(probe->policy, decisions, words, n, FALSE, logits, values, error)
               : cw_policy_forward(probe->policy, decisions, n, FALSE, logits, values, error);
}

/* L with one weight replaced. */
static gboolean loss_at(Probe *probe, const Entry *entry, double weight, double *loss, GError **error)
{
  g_autofree float *logits = g_new0(float, probe->n_logits);
  float values[CW_CHECK_N_PLAIN] = {0};
  probe->wiggled = entry;
  probe->new_weight = (float)weight;
  probe->tensor = 0;
  gboolean scored = cw_policy_edit_tensors(probe->policy, CW_EDIT_WEIGHTS, set_weight, probe, error) &&
                    score(probe, logits, values, error);
  *loss = probe->magnitude = 0;
  for (guint i = 0; i < probe->n_logits + CW_CHECK_N_PLAIN; i++) {
    double term = i < probe->n_logits ? (double)probe->w[i] * logits[i]
                                      : (double)probe->u[i - probe->n_logits] * values[i - probe->n_logits];
    *loss += term;
    probe->magnitude += fabs(term);
  }
  return scored;
}

/* A difference is right when it is at one of two step widths: a wide one rounds less, a narrow one bends
 * less. */
static gboolean check_entry(Probe *probe, const Entry *entry, CwVerdict *verdict)
{
  static const double widths[] = {1e-2, 1e-3};
  double above, below, difference = 0, unused;
  gboolean right = FALSE, scored = TRUE;
  for (guint i = 0; i < G_N_ELEMENTS(widths) && scored && !right; i++) {
    double width = widths[i] * fmax(1, fabs(entry->weight));
    float high = (float)(entry->weight + width), low = (float)(entry->weight - width);
    scored = loss_at(probe, entry, high, &above, &verdict->error) &&
             loss_at(probe, entry, low, &below, &verdict->error);
    difference = (above - below) / ((double)high - low);
    right = fabs(difference - entry->gradient) <= TOLERANCE * fmax(fabs(difference), fabs(entry->gradient)) +
                                                      entry->noise + 4e-7 * probe->magnitude / width;
  }
  scored = loss_at(probe, entry, entry->weight, &unused, scored ? &verdict->error : NULL) && scored;
  if (!cw_verdict_check(verdict, scored))
    return FALSE;
  return right || cw_verdict_fail(
                      verdict, "element %" G_GSIZE_FORMAT " of %s: backward says %g, a central difference %g",
                      entry->element, entry->name, entry->gradient, difference);
}

/* forward and backward with w and u. FALSE with the verdict failed or skipped. */
static gboolean backward(Probe *probe, CwVerdict *verdict)
{
  g_autofree float *logits = g_new0(float, probe->n_logits), *scored = g_new0(float, probe->n_logits);
  float values[CW_CHECK_N_PLAIN];
  double difference = 0, largest = 1e-6;
  GError **error = &verdict->error;
  if (!cw_verdict_check(verdict, score(probe, scored, values, error) &&
                                     forward(probe, logits, values, error) &&
                                     cw_policy_backward(probe->policy, probe->w,
                                                        probe->has_values ? probe->u : NULL, error)))
    return FALSE;
  for (guint i = 0; i < probe->n_logits; i++) {
    largest = fmax(largest, fabs(scored[i]));
    difference = fmax(difference, fabs((double)scored[i] - logits[i]));
  }
  return difference <= 1e-3 * largest ||
         cw_verdict_skip(verdict, "forward and score differ; turn dropout off for this check");
}

static void compare_gradients(Probe *probe, CwVerdict *verdict)
{
  for (guint i = 0; i < probe->n_logits; i++)
    probe->w[i] = (float)cw_random_normal(probe->random);
  for (guint i = 0; i < CW_CHECK_N_PLAIN; i++)
    probe->u[i] = probe->has_values ? (float)cw_random_normal(probe->random) : 0;
  if (!cw_verdict_check(verdict,
                        cw_policy_visit_tensors(probe->policy, count_tensor, probe, &verdict->error)))
    return;
  probe->spacing = probe->n_tensors / MOST_TENSORS + 1;
  if (!backward(probe, verdict))
    return;
  if (!cw_verdict_check(verdict,
                        cw_policy_visit_tensors(probe->policy, pick_entries, probe, &verdict->error)))
    return;
  if (probe->entries->len == 0)
    cw_verdict_skip(verdict, "every tensor is frozen");
  for (guint i = 0; i < probe->entries->len; i++)
    if (!check_entry(probe, &g_array_index(probe->entries, Entry, i), verdict))
      return;
}

/* `words`: as Probe has them. */
static void check_policy_gradients(CwSuite *suite, CwPolicy *policy, char **words, CwVerdict *verdict)
{
  guint n_logits = words ? CW_CHECK_N_PLAIN : cw_count_logits(cw_check_decisions(), CW_CHECK_N_PLAIN);
  g_autofree float *w = g_new(float, n_logits);
  g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(Entry));
  g_autoptr(CwRandom) random = cw_random_new(CW_CHECK_SEED, "check gradients", 0, 0);
  g_array_set_clear_func(entries, clear_entry);
  Probe probe = {.policy = policy,
                 .words = words,
                 .n_logits = n_logits,
                 .w = w,
                 .has_values = cw_suite_can(suite, CW_POLICY_VALUES),
                 .entries = entries,
                 .random = random};
  compare_gradients(&probe, verdict);
}

void cw_check_gradients(CwSuite *suite, CwVerdict *verdict)
{
  g_autoptr(CwPolicy) policy = cw_check_open_policy(suite, verdict);
  if (policy)
    check_policy_gradients(suite, policy, NULL, verdict);
}

void cw_check_word_gradients(CwSuite *suite, CwVerdict *verdict)
{
  g_autoptr(CwPolicy) policy = cw_check_open_policy(suite, verdict);
  g_auto(GStrv) words = policy ? cw_check_words(policy, verdict) : NULL;
  if (words)
    check_policy_gradients(suite, policy, words, verdict);
}
