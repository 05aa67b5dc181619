/* A policy that acts in words: it says one of four phrases, with weight[hint of the observation][phrase]. The
 * fourth phrase is what its protocol makes of an answer without an action. What it was asked and what it said
 * are recorded, as a language model's would be. */
#include "tests/toy/toy.h"
#include <math.h>
#include <string.h>

#define N_PHRASES 4
#define N_WEIGHTS (3 * N_PHRASES)
#define NONSENSE  3

static const char *const phrases[N_PHRASES] = {"take a", "take b", "take c", "say hello"};

typedef struct {
  float weights[N_WEIGHTS + 1],
      gradient[N_WEIGHTS + 1]; /* the last: of candidates that are no phrase, always 0 */
  gboolean words;              /* the last forward was about words */
  GArray *used;     /* guint: of the last forward, the weight of each logit or of each phrase said */
  GPtrArray *texts; /* char *: prompts and answers of the last act */
} Policy;

static gpointer open_policy(gconstpointer options G_GNUC_UNUSED, guint32 seed G_GNUC_UNUSED,
                            GError **error G_GNUC_UNUSED)
{
  Policy *policy = g_new0(Policy, 1);
  policy->used = g_array_new(FALSE, FALSE, sizeof(guint));
  policy->texts = g_ptr_array_new_with_free_func(g_free);
  return policy;
}

static void close_policy(gpointer data)
{
  Policy *policy = data;
  if (!policy)
    return;
  g_array_unref(policy->used);
  g_ptr_array_unref(policy->texts);
  g_free(policy);
}

static const char *const *describe(gpointer policy G_GNUC_UNUSED)
{
  static const char *const facts[] = {"phrases", "4", NULL};
  return facts;
}

static guint row_of(const CwDecision *decision)
{
  const char *hint = strstr(decision->observation, "hint ");
  return hint ? (guint)(hint[5] - 'a') % 3 : 0;
}

static guint weight_of(const CwDecision *decision, const char *text)
{
  for (guint k = 0; k < N_PHRASES; k++)
    if (g_str_equal(text, phrases[k]))
      return row_of(decision) * N_PHRASES + k;
  return N_WEIGHTS;
}

static gboolean forward(gpointer data, const CwDecision *const *decisions, guint n,
                        const CwForward *how G_GNUC_UNUSED, float *logits, float *values,
                        GError **error G_GNUC_UNUSED)
{
  Policy *policy = data;
  policy->words = FALSE;
  g_array_set_size(policy->used, 0);
  for (guint i = 0; i < n; i++) {
    for (guint c = 0; c < decisions[i]->n_candidates; c++) {
      guint weight = weight_of(decisions[i], decisions[i]->candidates[c]);
      g_array_append_val(policy->used, weight);
      *logits++ = policy->weights[weight];
    }
    if (values)
      values[i] = 0;
  }
  return TRUE;
}

static gboolean score(gpointer policy, const CwDecision *const *decisions, guint n, float *logits,
                      float *values, GError **error)
{
  return forward(policy, decisions, n, NULL, logits, values, error);
}

static gboolean act(gpointer data, const CwDecision *const *decisions, guint n, CwRandom *const *random,
                    const CwActing *how, CwAct *acts, GError **error G_GNUC_UNUSED)
{
  Policy *policy = data;
  g_ptr_array_set_size(policy->texts, 0);
  for (guint i = 0; i < n; i++) {
    float logits[N_PHRASES];
    guint best = 0;
    for (guint k = 0; k < N_PHRASES; k++) {
      logits[k] = policy->weights[row_of(decisions[i]) * N_PHRASES + k] / (float)how->temperature;
      best = logits[k] > logits[best] ? k : best;
    }
    guint said = how->greedy ? best : cw_random_categorical(random[i], logits, N_PHRASES);
    cw_log_softmax(logits, N_PHRASES, logits);
    char *prompt = g_strdup_printf("After %u steps: %s", decisions[i]->n_history, decisions[i]->observation);
    char *answer = said == NONSENSE ? g_strdup("Hello!") : g_strdup_printf("Action: %s", phrases[said]);
    g_ptr_array_add(policy->texts, prompt);
    g_ptr_array_add(policy->texts, answer);
    acts[i].words = phrases[said];
    acts[i].log_probability = logits[said];
    acts[i].prompt = prompt;
    acts[i].answer = answer;
    acts[i].invalid = said == NONSENSE;
  }
  return TRUE;
}

static gboolean forward_words(gpointer data, const CwDecision *const *decisions, const char *const *words,
                              guint n, const CwForward *how G_GNUC_UNUSED, float *log_probabilities,
                              float *values, GError **error)
{
  Policy *policy = data;
  policy->words = TRUE;
  g_array_set_size(policy->used, 0);
  for (guint i = 0; i < n; i++) {
    guint weight = weight_of(decisions[i], words[i]);
    if (weight == N_WEIGHTS) {
      g_set_error(error, CW_POLICY_ERROR, CW_ERROR_FORMAT, "never says '%s'", words[i]);
      return FALSE;
    }
    float log_p[N_PHRASES];
    cw_log_softmax(policy->weights + weight / N_PHRASES * N_PHRASES, N_PHRASES, log_p);
    log_probabilities[i] = log_p[weight % N_PHRASES];
    g_array_append_val(policy->used, weight);
    if (values)
      values[i] = 0;
  }
  return TRUE;
}

/* Of words: d log pi(said) / d weight k = [k = said] - pi(k). */
static gboolean backward(gpointer data, const float *slopes, const float *dvalues G_GNUC_UNUSED,
                         GError **error G_GNUC_UNUSED)
{
  Policy *policy = data;
  for (guint i = 0; i < policy->used->len; i++) {
    guint weight = g_array_index(policy->used, guint, i), row = weight / N_PHRASES * N_PHRASES;
    float log_p[N_PHRASES];
    policy->gradient[weight] += slopes[i];
    if (policy->words)
      cw_log_softmax(policy->weights + row, N_PHRASES, log_p);
    for (guint k = 0; policy->words && k < N_PHRASES; k++)
      policy->gradient[row + k] -= slopes[i] * expf(log_p[k]);
  }
  policy->gradient[N_WEIGHTS] = 0;
  return TRUE;
}

static gboolean step(gpointer data, double learning_rate, double max_norm G_GNUC_UNUSED, double *norm,
                     GError **error G_GNUC_UNUSED)
{
  Policy *policy = data;
  double sum = 0;
  for (guint i = 0; i < N_WEIGHTS; i++) {
    sum += (double)policy->gradient[i] * policy->gradient[i];
    policy->weights[i] -= (float)learning_rate * policy->gradient[i];
    policy->gradient[i] = 0;
  }
  if (norm)
    *norm = sqrt(sum);
  return TRUE;
}

static gboolean save(gpointer data, const char *directory, GError **error)
{
  const Policy *policy = data;
  g_autofree char *path = g_build_filename(directory, "words.bin", NULL);
  return g_file_set_contents(path, (const char *)policy->weights, sizeof policy->weights, error);
}

static gboolean load(gpointer data, const char *directory, GError **error)
{
  Policy *policy = data;
  g_autofree char *path = g_build_filename(directory, "words.bin", NULL);
  g_autofree char *bytes = NULL;
  gsize size;
  if (!g_file_get_contents(path, &bytes, &size, error))
    return FALSE;
  if (size == sizeof policy->weights) {
    memcpy(policy->weights, bytes, size);
    return TRUE;
  }
  g_set_error(error, CW_POLICY_ERROR, CW_ERROR_FORMAT, "%s: not the weights of toy words", path);
  return FALSE;
}

static gboolean edit_tensors(gpointer data, CwEdit edit G_GNUC_UNUSED, CwTensorEditor editor,
                             gpointer user_data, GError **error G_GNUC_UNUSED)
{
  static const gint64 shape[] = {3, N_PHRASES};
  Policy *policy = data;
  editor("words.weights", shape, 2, policy->weights, policy->gradient, user_data);
  return TRUE;
}

static gboolean visit_tensors(gpointer data, CwTensorVisitor visitor, gpointer user_data,
                              GError **error G_GNUC_UNUSED)
{
  static const gint64 shape[] = {3, N_PHRASES};
  Policy *policy = data;
  visitor("words.weights", shape, 2, policy->weights, policy->gradient, user_data);
  return TRUE;
}

const CwPolicyVtable toy_words = {
    .open = open_policy,
    .close = close_policy,
    .describe = describe,
    .score = score,
    .forward = forward,
    .backward = backward,
    .step = step,
    .save = save,
    .load = load,
    .visit_tensors = visit_tensors,
    .edit_tensors = edit_tensors,
    .act = act,
    .forward_words = forward_words,
};
