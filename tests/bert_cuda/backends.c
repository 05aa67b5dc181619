/* Shared by the tests that run bert_cuda on the host. The registry lives from backends_load to
 * backends_unload. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "backends.h"
#include "conformance/check_suite.h"
#include <cmocka.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

static CwRegistry *registry;
static GPtrArray *folders;

static void load(const char *path)
{
  GError *error = NULL;
  if (!cw_registry_load(registry, path, &error))
    fail_msg("%s", error->message);
}

void backends_load(const char *emulated)
{
  registry = cw_registry_new(NULL);
  folders = g_ptr_array_new_with_free_func(g_free);
  load(emulated);
  load(TEST_BUILD_DIRECTORY "/.libs/bert_cpu.so");
}

const CwRegisteredFeature *backends_feature(const char *name)
{
  const GPtrArray *features = cw_registry_features(registry);
  for (guint i = 0; i < features->len; i++) {
    const CwRegisteredFeature *feature = features->pdata[i];
    if (strcmp(feature->name, name) == 0)
      return feature;
  }
  fail_msg("there is no %s", name);
  return NULL;
}

void backends_unload(void)
{
  for (guint i = 0; i < folders->len; i++)
    cw_check_forget_directory(g_strdup(folders->pdata[i]));
  g_ptr_array_free(folders, TRUE);
  cw_registry_free(registry);
}

static void write_file(const char *folder, const char *name, const char *text)
{
  char *path = g_build_filename(folder, name, NULL);
  assert_true(g_file_set_contents(path, text, -1, NULL));
  g_free(path);
}

const char *backends_model(guint hidden_size, guint n_heads, guint intermediate_size, guint n_layers)
{
  char *folder = g_dir_make_tmp("bert-cuda-XXXXXX", NULL), *vocabulary = NULL;
  assert_non_null(folder);
  assert_true(
      g_file_get_contents(TEST_SOURCE_DIRECTORY "/tests/bert_cpu/model/vocab.txt", &vocabulary, NULL, NULL));
  char *config =
      g_strdup_printf("{\"model_type\": \"bert\", \"hidden_act\": \"gelu\", \"hidden_size\": %u, "
                      "\"num_hidden_layers\": %u, \"num_attention_heads\": %u, \"intermediate_size\": %u, "
                      "\"max_position_embeddings\": 512, \"type_vocab_size\": 2, \"vocab_size\": 64, "
                      "\"layer_norm_eps\": 1e-12, \"hidden_dropout_prob\": 0.1, "
                      "\"attention_probs_dropout_prob\": 0.1}\n",
                      hidden_size, n_layers, n_heads, intermediate_size);
  write_file(folder, "config.json", config);
  write_file(folder, "vocab.txt", vocabulary);
  g_free(config);
  g_free(vocabulary);
  g_ptr_array_add(folders, folder);
  return folder;
}

CwPolicy *backends_try(const char *plugin, const char *model, const char *precision, const char *more_yaml,
                       gpointer *options, GError **error)
{
  const CwRegisteredFeature *feature = backends_feature(plugin);
  char *yaml = g_strdup_printf("{model: %s, precision: %s, max_action_tokens: 512%s%s}", model, precision,
                               *more_yaml ? ", " : "", more_yaml);
  *options = cw_check_fill_options(feature, yaml, "test", NULL, error);
  g_free(yaml);
  return *options ? cw_policy_open(feature, *options, 5, error) : NULL;
}

void backends_free_options(const char *plugin, gpointer options)
{
  cw_options_free(&backends_feature(plugin)->options, options);
}

static void spread(const char *name, const gint64 *shape, guint n_dimensions, float *weights, float *gradient,
                   gpointer user_data)
{
  guint64 *number = user_data;
  gsize n = (gsize)shape[0] * (n_dimensions > 1 ? (gsize)shape[1] : 1);
  (void)gradient;
  float *noise = backends_floats(n, (*number)++);
  gboolean is_norm = g_str_has_suffix(name, "LayerNorm.weight");
  float base = is_norm ? 1.0f : 0.0f, size = is_norm ? 0.3f : 0.5f;
  if (n_dimensions > 1 && !strstr(name, "embeddings"))
    size = 1.7f / sqrtf((float)shape[1]);
  for (gsize i = 0; i < n; i++)
    weights[i] = base + size * noise[i];
  /* Far from where their activation bends: a unit that rounding puts on the other side has another gradient.
   */
  if (strcmp(name, "linear_1.bias") == 0 || strcmp(name, "linear_3.0.bias") == 0)
    for (gsize i = 0; i < n; i++)
      weights[i] += noise[i] > 0 ? 4.0f : -4.0f;
  g_free(noise);
}

void backends_spread_weights(CwPolicy *policy)
{
  guint64 number = 1000;
  cw_policy_edit_tensors(policy, CW_EDIT_WEIGHTS, spread, &number, NULL);
}

Backends backends_open(const char *model, const char *precision, const char *more_yaml)
{
  Backends backends;
  GError *error = NULL;
  char *yaml = g_strdup_printf("initialize: random%s%s", *more_yaml ? ", " : "", more_yaml);
  backends.cpu = backends_try("bert_cpu", model, "f32", yaml, &backends.cpu_options, &error);
  if (backends.cpu)
    backends.cuda = backends_try("bert_cuda", model, precision, yaml, &backends.cuda_options, &error);
  if (error)
    fail_msg("%s", error->message);
  g_free(yaml);
  backends_spread_weights(backends.cpu);
  backends_spread_weights(backends.cuda);
  return backends;
}

void backends_close(Backends *backends)
{
  cw_policy_close(backends->cpu);
  cw_policy_close(backends->cuda);
  backends_free_options("bert_cpu", backends->cpu_options);
  backends_free_options("bert_cuda", backends->cuda_options);
}

/* CLS, letters, SEP. */
static char *make_text(guint n_tokens, guint number)
{
  GString *text = g_string_new(NULL);
  guint32 state = 12345 + 977 * number;
  for (guint i = 2; i < n_tokens; i++) {
    state = state * 1664525 + 1013904223;
    g_string_append_printf(text, "%c ", 'a' + (int)((state >> 16) % 26));
  }
  return g_string_free(text, FALSE);
}

Decisions decisions_new(const DecisionShape *shapes, guint n)
{
  Decisions made = {
      .n = n, .decisions = g_new(const CwDecision *, n), .memory = g_ptr_array_new_with_free_func(g_free)};
  for (guint d = 0; d < n; d++) {
    char *state = make_text(shapes[d].state_length, shapes[d].state_number);
    const char **candidates = g_new(const char *, G_N_ELEMENTS(shapes[d].candidate_lengths));
    guint n_candidates = 0;
    while (shapes[d].candidate_lengths[n_candidates] > 0) {
      char *candidate = make_text(shapes[d].candidate_lengths[n_candidates], 0);
      g_ptr_array_add(made.memory, candidate);
      candidates[n_candidates++] = candidate;
    }
    CwDecision *decision = g_new0(CwDecision, 1);
    *decision = (CwDecision){sizeof *decision, state, candidates, n_candidates};
    g_ptr_array_add(made.memory, state);
    g_ptr_array_add(made.memory, candidates);
    g_ptr_array_add(made.memory, decision);
    made.decisions[d] = decision;
    made.n_logits += n_candidates;
  }
  return made;
}

void decisions_clear(Decisions *decisions)
{
  g_ptr_array_free(decisions->memory, TRUE);
  g_free(decisions->decisions);
}

float *backends_floats(gsize n, guint64 number)
{
  float *x = g_new(float, n);
  CwRandom *random = cw_random_new(7, "test", number, 0);
  for (gsize i = 0; i < n; i++)
    x[i] = (float)(2 * cw_random_uniform(random) - 1);
  cw_random_free(random);
  return x;
}

void backends_accumulate(CwPolicy *policy, const Decisions *decisions, guint64 number, float *logits,
                         float *values)
{
  float *d_logits = backends_floats(decisions->n_logits, number),
        *d_values = backends_floats(decisions->n, number + 50);
  GError *error = NULL;
  if (!cw_policy_forward(policy, decisions->decisions, decisions->n, TRUE, logits, values, &error) ||
      !cw_policy_backward(policy, d_logits, d_values, &error))
    fail_msg("%s", error->message);
  g_free(d_logits);
  g_free(d_values);
}

static void keep(const char *name, const gint64 *shape, guint n_dimensions, const float *weights,
                 const float *gradient, gpointer user_data)
{
  Snapshot *snapshot = user_data;
  gsize n = (gsize)shape[0] * (n_dimensions > 1 ? (gsize)shape[1] : 1);
  g_ptr_array_add(snapshot->names, g_strdup(name));
  g_array_append_val(snapshot->sizes, n);
  g_ptr_array_add(snapshot->weights, g_memdup2(weights, n * sizeof(float)));
  g_ptr_array_add(snapshot->gradient, gradient ? g_memdup2(gradient, n * sizeof(float)) : NULL);
}

Snapshot *snapshot_new(CwPolicy *policy)
{
  Snapshot *snapshot = g_new(Snapshot, 1);
  *snapshot = (Snapshot){g_ptr_array_new_with_free_func(g_free), g_array_new(FALSE, FALSE, sizeof(gsize)),
                         g_ptr_array_new_with_free_func(g_free), g_ptr_array_new_with_free_func(g_free)};
  cw_policy_visit_tensors(policy, keep, snapshot, NULL);
  return snapshot;
}

Snapshot *snapshot_new_of_average(CwPolicy *policy)
{
  gpointer options;
  GError *error = NULL;
  char *saved = cw_check_make_directory(NULL), *model = g_build_filename(saved, "averaged", NULL);
  CwPolicy *averaged = cw_policy_save(policy, saved, &error)
                           ? backends_try("bert_cpu", model, "f32", "", &options, &error)
                           : NULL;
  if (!averaged)
    fail_msg("%s", error->message);
  Snapshot *snapshot = snapshot_new(averaged);
  cw_policy_close(averaged);
  backends_free_options("bert_cpu", options);
  cw_check_forget_directory(saved);
  g_free(model);
  return snapshot;
}

void snapshot_free(Snapshot *snapshot)
{
  g_ptr_array_free(snapshot->names, TRUE);
  g_array_free(snapshot->sizes, TRUE);
  g_ptr_array_free(snapshot->weights, TRUE);
  g_ptr_array_free(snapshot->gradient, TRUE);
  g_free(snapshot);
}

double backends_difference(const float *expected, const float *found, guint n)
{
  double difference = 0, largest = 0;
  for (guint i = 0; i < n; i++) {
    difference = fmax(difference, fabs((double)expected[i] - found[i]));
    largest = fmax(largest, fabs(expected[i]));
  }
  return difference / largest;
}

/* |x - y|, y NULL being zeros. */
static double distance(const float *x, const float *y, gsize n)
{
  double total = 0;
  for (gsize i = 0; i < n; i++) {
    double difference = (double)x[i] - (y ? y[i] : 0.0f);
    total += difference * difference;
  }
  return sqrt(total);
}

static gboolean is_key_bias(const Snapshot *snapshot, guint i)
{
  return g_str_has_suffix(snapshot->names->pdata[i], "key.bias");
}

/* Of every tensor, or of all but the biases of keys. Those of queries, the tensor before, are their measure.
 */
static double largest_share(const Snapshot *expected, const GPtrArray *start, const GPtrArray *of_expected,
                            const GPtrArray *of_found, gboolean with_keys, guint *worst)
{
  double largest = 0;
  for (guint i = 0; i < expected->names->len; i++) {
    gsize n = g_array_index(expected->sizes, gsize, i);
    guint measure = is_key_bias(expected, i) ? i - 1 : i;
    if (!of_expected->pdata[i] || !of_found->pdata[i]) {
      assert_true(!of_expected->pdata[i] && !of_found->pdata[i]);
      continue;
    }
    if (is_key_bias(expected, i)) {
      assert_true(g_array_index(expected->sizes, gsize, measure) == n);
      if (!with_keys)
        continue;
    }
    double size = distance(of_expected->pdata[measure], start ? start->pdata[measure] : NULL, n);
    double share = distance(of_expected->pdata[i], of_found->pdata[i], n);
    if (size == 0 && share == 0)
      continue;
    share = isfinite(share) && size > 0 ? share / size : INFINITY;
    if (share >= largest) {
      largest = share;
      *worst = i;
    }
  }
  return largest;
}

double snapshot_gradient_difference(const Snapshot *expected, const Snapshot *found, guint *worst)
{
  return largest_share(expected, NULL, expected->gradient, found->gradient, TRUE, worst);
}

double snapshot_movement_difference(const Snapshot *start, const Snapshot *expected, const Snapshot *found,
                                    guint *worst)
{
  return largest_share(expected, start->weights, expected->weights, found->weights, FALSE, worst);
}
