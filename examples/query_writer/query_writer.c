/* The policy plugin "query_writer": an example of actions in words. Where there is something to search it
 * writes a query out of the instruction's words: each of them is in it or not, drawn by itself. Elsewhere it
 * chooses a candidate by a few features. Both are linear in their weights and learn by any algorithm that
 * takes words, such as REINFORCE (skeleton_algorithm). `queries: list` is what it is compared with: the same
 * policy, but queries are chosen among the candidates too.
 *
 *   log pi(query) = sum over words i of  included_i log s(z_i) + (1 - included_i) log s(-z_i),  s the
 * sigmoid, z_i = w[bias] + w[number] (is a number) + w[place] place_i / n + w[hash of word i]
 *   logit(candidate) = w . features */
#include <cartwright/cartwright.h>
#include <math.h>
#include <string.h>

enum { BIAS, NUMBER, PLACE, N_WORD_FEATURES };
enum { SHARE, ALL, BUY, BUY_LEFT, ITEM, TAKEN, BACK, TURN, PAGES, OPTION, SEARCH, N_FEATURES };
#define BUCKETS    1024
#define MOST_WORDS 64
/* Where each group of weights begins. */
#define WORDS     0
#define HASHES    N_WORD_FEATURES
#define CHOICES   (HASHES + BUCKETS)
#define N_WEIGHTS (CHOICES + N_FEATURES)

typedef enum { QUERIES_OWN, QUERIES_LIST } Queries;

typedef struct {
  char *model;
  gint queries; /* Queries */
} Options;

static const char *const queries[] = {"own", "list", NULL};
static const CwOption rows[] = {
    CW_PATH(Options, model, NULL, "folder of a saved policy to start from"),
    CW_ENUM(Options, queries, "own", queries,
            "own: writes its queries; list: chooses among those of the environment"),
};

/* What a forward keeps: d number / d weight, as a list. */
typedef struct {
  guint number; /* of the logit or log-probability */
  guint weight;
  float slope;
} Slope;

typedef struct {
  const Options *options;
  float weights[N_WEIGHTS], gradient[N_WEIGHTS];
  GArray *slopes;   /* Slope, of the last forward */
  GPtrArray *texts; /* char *: queries of the last act */
} Policy;

/* The words of a text, in lower case, each once. */
typedef struct {
  char *words[MOST_WORDS];
  guint n;
} Words;

static gboolean has_word(const Words *words, const char *word)
{
  for (guint i = 0; i < words->n; i++)
    if (g_str_equal(words->words[i], word))
      return TRUE;
  return FALSE;
}

static Words words_of(const char *text)
{
  Words words = {.n = 0};
  g_autofree char *lower = g_utf8_strdown(text, -1);
  for (const char *at = lower; *at && words.n < MOST_WORDS;) {
    gsize length = 0;
    while ((guchar)at[length] >= 0x80 || g_ascii_isalnum(at[length]))
      length++;
    g_autofree char *word = g_strndup(at, length);
    if (length > 0 && !has_word(&words, word))
      words.words[words.n++] = g_steal_pointer(&word);
    at += MAX(length, 1);
  }
  return words;
}

static void words_clear(Words *words)
{
  for (guint i = 0; i < words->n; i++)
    g_free(words->words[i]);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Words, words_clear)

/* The instruction, or where there is none the page. */
static Words task_of(const CwDecision *decision)
{
  return words_of(decision->instruction ? decision->instruction : decision->observation);
}

static guint bucket_of(const char *word)
{
  return HASHES + g_str_hash(word) % BUCKETS;
}

/* z of word i, and its features by weight. */
static double word_score(const Policy *policy, const Words *task, guint i, float features[N_WORD_FEATURES])
{
  features[BIAS] = 1;
  features[NUMBER] = g_ascii_isdigit(task->words[i][0]) ? 1 : 0;
  features[PLACE] = (float)i / (float)task->n;
  double z = policy->weights[bucket_of(task->words[i])];
  for (guint f = 0; f < N_WORD_FEATURES; f++)
    z += (double)policy->weights[WORDS + f] * features[f];
  return z;
}

/* log s(x), without overflow. */
static double log_sigmoid(double x)
{
  return x < 0 ? x - log1p(exp(x)) : -log1p(exp(-x));
}

static void add_slope(Policy *policy, guint number, guint weight, double slope)
{
  Slope entry = {number, weight, (float)slope};
  if (slope != 0)
    g_array_append_val(policy->slopes, entry);
}

/* The log-probability of a query; with `keep` its slopes: d log pi / d z_i = included_i - s(z_i). */
static double query_log_probability(Policy *policy, const CwDecision *decision, const char *query,
                                    guint number, gboolean keep)
{
  g_auto(Words) task = task_of(decision), said = words_of(query);
  double sum = 0;
  for (guint i = 0; i < task.n; i++) {
    float features[N_WORD_FEATURES];
    double z = word_score(policy, &task, i, features);
    gboolean included = has_word(&said, task.words[i]);
    double slope = (included ? 1 : 0) - 1 / (1 + exp(-z));
    sum += log_sigmoid(included ? z : -z);
    if (!keep)
      continue;
    add_slope(policy, number, bucket_of(task.words[i]), slope);
    for (guint f = 0; f < N_WORD_FEATURES; f++)
      add_slope(policy, number, WORDS + f, slope * features[f]);
  }
  return sum;
}

static gboolean is_search(const char *candidate)
{
  return g_str_has_prefix(candidate, "search[");
}

/* "search[a b c]": without the name in front, which is no word of the task. */
static const char *inside(const char *action)
{
  const char *open = strchr(action, '[');
  return open ? open + 1 : action;
}

static char *write_query(const Policy *policy, const CwDecision *decision, CwRandom *random,
                         const CwActing *how)
{
  g_auto(Words) task = task_of(decision);
  GString *query = g_string_new("search[");
  for (guint i = 0; i < task.n; i++) {
    float features[N_WORD_FEATURES];
    double z = word_score(policy, &task, i, features);
    gboolean included =
        how->greedy ? z > 0 : cw_random_uniform(random) < 1 / (1 + exp(-z / how->temperature));
    if (included)
      g_string_append_printf(query, "%s%s", query->str[query->len - 1] == '[' ? "" : " ", task.words[i]);
  }
  g_string_append_c(query, ']');
  return g_string_free(query, FALSE);
}

static gboolean was_taken(const CwDecision *decision, const char *candidate)
{
  for (guint i = 0; i < decision->n_history; i++)
    if (g_strcmp0(decision->history[i]->action, candidate) == 0)
      return TRUE;
  return FALSE;
}

static double share_in(const Words *task, const char *text)
{
  g_auto(Words) words = words_of(text);
  guint n = 0;
  for (guint i = 0; i < words.n; i++)
    n += has_word(task, words.words[i]);
  return words.n > 0 ? (double)n / words.n : 0;
}

static gboolean has_any(const char *text, const char *const *parts)
{
  for (; *parts; parts++)
    if (strstr(text, *parts))
      return TRUE;
  return FALSE;
}

static void features_of(const CwDecision *decision, const Words *task, const char *candidate,
                        float f[N_FEATURES])
{
  static const char *const turns[] = {"[< prev", "[next >", NULL};
  static const char *const pages[] = {"[description]", "[features]", "[reviews]", "[attributes]", NULL};
  double share = share_in(task, inside(candidate));
  memset(f, 0, N_FEATURES * sizeof *f);
  f[SHARE] = (float)share;
  f[ALL] = share == 1;
  f[TAKEN] = was_taken(decision, candidate);
  f[BUY] = strstr(candidate, "[buy now]") != NULL;
  f[ITEM] = strstr(candidate, "[item - ") != NULL;
  f[BACK] = strstr(candidate, "[back to search]") != NULL;
  f[TURN] = has_any(candidate, turns);
  f[PAGES] = has_any(candidate, pages);
  f[SEARCH] = is_search(candidate);
  f[OPTION] = share == 1 && !(f[BUY] || f[ITEM] || f[BACK] || f[TURN] || f[PAGES] || f[SEARCH]) && !f[TAKEN];
}

/* Logits of a decision; with `keep` their slopes. Buying knows how many options that fit are left. */
static void choose(Policy *policy, const CwDecision *decision, guint number, float *logits, gboolean keep)
{
  g_auto(Words) task = task_of(decision);
  guint n = decision->n_candidates;
  g_autofree float *f = g_new(float, (gsize)n *N_FEATURES);
  float left = 0;
  for (guint c = 0; c < n; c++) {
    features_of(decision, &task, decision->candidates[c], f + c * N_FEATURES);
    left += f[c * N_FEATURES + OPTION];
  }
  for (guint c = 0; c < n; c++) {
    float *of = f + c * N_FEATURES;
    of[BUY_LEFT] = of[BUY] * left;
    double logit = 0;
    for (guint k = 0; k < N_FEATURES; k++) {
      logit += (double)policy->weights[CHOICES + k] * of[k];
      if (keep)
        add_slope(policy, number + c, CHOICES + k, of[k]);
    }
    logits[c] = (float)logit;
  }
}

static void score_all(Policy *policy, const CwDecision *const *decisions, guint n, float *logits,
                      float *values, gboolean keep)
{
  guint number = 0;
  if (keep)
    g_array_set_size(policy->slopes, 0);
  for (guint i = 0; i < n; number += decisions[i++]->n_candidates) {
    choose(policy, decisions[i], number, logits + number, keep);
    if (values)
      values[i] = 0;
  }
}

static gboolean score(gpointer policy, const CwDecision *const *decisions, guint n, float *logits,
                      float *values, GError **error G_GNUC_UNUSED)
{
  score_all(policy, decisions, n, logits, values, FALSE);
  return TRUE;
}

static gboolean forward(gpointer policy, const CwDecision *const *decisions, guint n,
                        const CwForward *how G_GNUC_UNUSED, float *logits, float *values,
                        GError **error G_GNUC_UNUSED)
{
  score_all(policy, decisions, n, logits, values, TRUE);
  return TRUE;
}

static gboolean forward_words(gpointer data, const CwDecision *const *decisions, const char *const *words,
                              guint n, const CwForward *how, float *log_probabilities, float *values,
                              GError **error G_GNUC_UNUSED)
{
  Policy *policy = data;
  if (how)
    g_array_set_size(policy->slopes, 0);
  for (guint i = 0; i < n; i++) {
    log_probabilities[i] =
        (float)query_log_probability(policy, decisions[i], inside(words[i]), i, how != NULL);
    if (values)
      values[i] = 0;
  }
  return TRUE;
}

static gboolean act(gpointer data, const CwDecision *const *decisions, guint n, CwRandom *const *random,
                    const CwActing *how, CwAct *acts, GError **error G_GNUC_UNUSED)
{
  Policy *policy = data;
  g_ptr_array_set_size(policy->texts, 0);
  for (guint i = 0; i < n; i++) {
    guint n_candidates = decisions[i]->n_candidates, best = 0;
    if (policy->options->queries == QUERIES_OWN && is_search(decisions[i]->candidates[0])) {
      char *query = write_query(policy, decisions[i], random[i], how);
      g_ptr_array_add(policy->texts, query);
      acts[i].words = query;
      acts[i].log_probability = (float)query_log_probability(policy, decisions[i], inside(query), 0, FALSE);
      continue;
    }
    g_autofree float *logits = g_new(float, n_candidates);
    choose(policy, decisions[i], 0, logits, FALSE);
    for (guint c = 0; c < n_candidates; c++) {
      best = logits[c] > logits[best] ? c : best;
      logits[c] /= (float)how->temperature;
    }
    acts[i].candidate = how->greedy ? best : cw_random_categorical(random[i], logits, n_candidates);
    cw_log_softmax(logits, n_candidates, logits);
    acts[i].log_probability = logits[acts[i].candidate];
  }
  return TRUE;
}

static gboolean backward(gpointer data, const float *slopes, const float *dvalues G_GNUC_UNUSED,
                         GError **error G_GNUC_UNUSED)
{
  Policy *policy = data;
  for (guint i = 0; i < policy->slopes->len; i++) {
    const Slope *slope = &g_array_index(policy->slopes, Slope, i);
    policy->gradient[slope->weight] += slopes[slope->number] * slope->slope;
  }
  return TRUE;
}

/* Plain gradient descent. */
static gboolean step(gpointer data, double learning_rate, double max_norm, double *gradient_norm,
                     GError **error)
{
  Policy *policy = data;
  double squares = 0;
  for (guint i = 0; i < N_WEIGHTS; i++)
    squares += (double)policy->gradient[i] * policy->gradient[i];
  double norm = sqrt(squares),
         rate = max_norm > 0 && norm > max_norm ? learning_rate * max_norm / norm : learning_rate;
  if (gradient_norm)
    *gradient_norm = norm;
  if (!isfinite(norm)) {
    g_set_error_literal(error, CW_POLICY_ERROR, CW_ERROR_NUMERIC, "the gradient of weights is not finite");
    return FALSE;
  }
  for (guint i = 0; i < N_WEIGHTS; i++)
    policy->weights[i] -= (float)(rate * policy->gradient[i]);
  memset(policy->gradient, 0, sizeof policy->gradient);
  return TRUE;
}

static void close_policy(gpointer data)
{
  Policy *policy = data;
  if (!policy)
    return;
  g_array_unref(policy->slopes);
  g_ptr_array_unref(policy->texts);
  g_free(policy);
}

static gboolean load(gpointer data, const char *directory, GError **error)
{
  Policy *policy = data;
  g_autofree char *path = g_build_filename(directory, "weights.bin", NULL), *bytes = NULL;
  gsize size;
  if (!g_file_get_contents(path, &bytes, &size, error))
    return FALSE;
  if (size != sizeof policy->weights) {
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_FORMAT,
                "%s: expected %" G_GSIZE_FORMAT " bytes, found %" G_GSIZE_FORMAT, path,
                sizeof policy->weights, size);
    return FALSE;
  }
  memcpy(policy->weights, bytes, size);
  memset(policy->gradient, 0, sizeof policy->gradient);
  return TRUE;
}

static gboolean save(gpointer data, const char *directory, GError **error)
{
  const Policy *policy = data;
  g_autofree char *path = g_build_filename(directory, "weights.bin", NULL);
  return g_file_set_contents(path, (const char *)policy->weights, sizeof policy->weights, error);
}

static gpointer open_policy(gconstpointer options, guint32 seed G_GNUC_UNUSED, GError **error)
{
  Policy *policy = g_new0(Policy, 1);
  policy->options = options;
  policy->slopes = g_array_new(FALSE, FALSE, sizeof(Slope));
  policy->texts = g_ptr_array_new_with_free_func(g_free);
  if (!policy->options->model || load(policy, policy->options->model, error))
    return policy;
  close_policy(policy);
  return NULL;
}

static const char *const *describe(gpointer policy)
{
  static const char *const own[] = {"queries", "own", NULL}, *const list[] = {"queries", "list", NULL};
  return ((const Policy *)policy)->options->queries == QUERIES_OWN ? own : list;
}

static gboolean edit_tensors(gpointer data, CwEdit edit G_GNUC_UNUSED, CwTensorEditor editor,
                             gpointer user_data, GError **error G_GNUC_UNUSED)
{
  static const gint64 shape[] = {N_WEIGHTS};
  Policy *policy = data;
  editor("weights", shape, 1, policy->weights, policy->gradient, user_data);
  return TRUE;
}

static gboolean visit_tensors(gpointer data, CwTensorVisitor visitor, gpointer user_data,
                              GError **error G_GNUC_UNUSED)
{
  static const gint64 shape[] = {N_WEIGHTS};
  Policy *policy = data;
  visitor("weights", shape, 1, policy->weights, policy->gradient, user_data);
  return TRUE;
}

static const CwPolicyVtable vtable = {
    .open = open_policy,
    .close = close_policy,
    .describe = describe,
    .score = score,
    .forward = forward,
    .backward = backward,
    .step = step,
    .save = save,
    .load = load,
    .act = act,
    .forward_words = forward_words,
    .visit_tensors = visit_tensors,
    .edit_tensors = edit_tensors,
};

static const CwFeature features[] = {{
    .kind = CW_FEATURE_POLICY,
    .name = "query_writer",
    .summary = "Writes queries of the instruction's words: an example of actions in words",
    .vtable = &vtable,
    .vtable_size = sizeof vtable,
    .capabilities = CW_POLICY_TRAINS | CW_POLICY_ACTS | CW_POLICY_WORDS | CW_POLICY_HISTORY,
    CW_FEATURE_OPTIONS(rows, Options),
}};

CW_PLUGIN("query_writer", "1.0", "MIT", "A policy that writes queries", features);
