/* Shared by the tests of bert_cpu. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "fixture.h"
#include <cartwright/cartwright.h>
#include <cmocka.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

BertOptions fixture_options(void)
{
  return (BertOptions){.model = (char *)TINY_MODEL,
                       .initialize = BERT_INITIALIZE_RANDOM,
                       .max_state_tokens = 512,
                       .max_action_tokens = 64,
                       .normalize_text = TRUE,
                       .dropout = 0,
                       .beta1 = 0.9,
                       .beta2 = 0.999,
                       .epsilon = 1e-6,
                       .head_learning_rate_scale = 1,
                       .freeze_layers = -1,
                       .threads = 1,
                       .score_batch_tokens = 8192};
}

const BertDevice *fixture_device = &bert_cpu_device;

BertPolicy *fixture_open(const BertOptions *options, guint32 seed)
{
  GError *error = NULL;
  BertPolicy *policy = bert_policy_open(fixture_device, options, seed, &error);
  if (!policy)
    fail_msg("%s", error->message);
  return policy;
}

static void enlarge(const char *name, const gint64 *shape, guint n_dimensions, float *weights,
                    float *gradient, gpointer user_data)
{
  guint64 *index = user_data;
  gsize n = 1;
  (void)gradient;
  for (guint i = 0; i < n_dimensions; i++)
    n *= (gsize)shape[i];
  float *noise = fixture_floats(n, (*index)++);
  float base =
      g_str_has_suffix(name, "LayerNorm.weight") || g_str_has_suffix(name, "dot_scale") ? 1.0f : 0.0f;
  for (gsize i = 0; i < n; i++)
    weights[i] = base + 0.4f * noise[i];
  g_free(noise);
}

void fixture_enlarge(BertPolicy *policy)
{
  guint64 index = 1000;
  bert_policy_edit_tensors(policy, CW_EDIT_WEIGHTS, enlarge, &index, NULL);
}

static const char *const titles[] = {"click[back to search]",
                                     "click[buy now]",
                                     "click[red]",
                                     "click[blue shirt, size 12]",
                                     "click[b07xyz - the shirt with a pocket of size 34.5]",
                                     "search[a red shirt]"};

FixtureDecisions fixture_decisions(guint n)
{
  FixtureDecisions made = {.n = n,
                           .decisions = g_new(const CwDecision *, MAX(n, 1)),
                           .memory = g_ptr_array_new_with_free_func(g_free)};
  for (guint i = 0; i < n; i++) {
    GString *text = g_string_new("instruction: buy a ");
    for (guint k = 0; k < 1 + 7 * (i % 3); k++)
      g_string_append(text, k % 2 ? "blue " : "shirt ");
    if (i % 4 == 3) /* every fourth has the state of the first */
      g_string_assign(text, "instruction: buy a shirt ");
    guint n_candidates = 1 + i % G_N_ELEMENTS(titles);
    const char **candidates = g_new(const char *, n_candidates);
    for (guint k = 0; k < n_candidates; k++)
      candidates[k] = titles[(i + k) % G_N_ELEMENTS(titles)];
    CwDecision *decision = g_new0(CwDecision, 1);
    *decision = (CwDecision){sizeof *decision, g_string_free(text, FALSE), candidates, n_candidates};
    g_ptr_array_add(made.memory, (gpointer)decision->observation);
    g_ptr_array_add(made.memory, candidates);
    g_ptr_array_add(made.memory, decision);
    made.decisions[i] = decision;
    made.n_logits += n_candidates;
  }
  return made;
}

void fixture_decisions_clear(FixtureDecisions *decisions)
{
  g_ptr_array_free(decisions->memory, TRUE);
  g_free(decisions->decisions);
}

float *fixture_floats(gsize n, guint64 index)
{
  float *x = g_new(float, MAX(n, 1));
  CwRandom *random = cw_random_new(7, "test", index, 0);
  for (gsize i = 0; i < n; i++)
    x[i] = (float)(2 * cw_random_uniform(random) - 1);
  cw_random_free(random);
  return x;
}

void fixture_assert_message(GError *error, CwErrorCode code, const char *message)
{
  assert_non_null(error);
  assert_true(error->domain == CW_POLICY_ERROR);
  assert_string_equal(error->message, message);
  assert_int_equal(error->code, code);
  g_error_free(error);
}

char *fixture_folder_new(void)
{
  char *folder = g_dir_make_tmp("bert-cpu-XXXXXX", NULL);
  assert_non_null(folder);
  return folder;
}

static void remove_tree(const char *path)
{
  GDir *directory = g_dir_open(path, 0, NULL);
  const char *name;
  while (directory && (name = g_dir_read_name(directory))) {
    char *entry = g_build_filename(path, name, NULL);
    remove_tree(entry);
    g_free(entry);
  }
  if (directory)
    g_dir_close(directory);
  g_remove(path);
}

void fixture_folder_remove(char *folder)
{
  remove_tree(folder);
  g_free(folder);
}

void fixture_accumulate(BertPolicy *policy, const FixtureDecisions *decisions, guint64 index)
{
  float *logits = g_new(float, decisions->n_logits), *values = g_new(float, decisions->n);
  float *d_logits = fixture_floats(decisions->n_logits, index),
        *d_values = fixture_floats(decisions->n, index + 50);
  assert_true(
      bert_policy_forward(policy, decisions->decisions, decisions->n, TRAINING, logits, values, NULL));
  assert_true(bert_policy_backward(policy, d_logits, d_values, NULL));
  g_free(logits);
  g_free(values);
  g_free(d_logits);
  g_free(d_values);
}

void fixture_assert_same_state(const BertPolicy *a, const BertPolicy *b)
{
  gsize size = a->shared->layout->n_floats * sizeof(float);
  assert_memory_equal(cpu_of(a)->weights->block, cpu_of(b)->weights->block, size);
  assert_memory_equal(cpu_of(a)->optimizer->gradient->block, cpu_of(b)->optimizer->gradient->block, size);
  assert_memory_equal(cpu_of(a)->optimizer->moment1->block, cpu_of(b)->optimizer->moment1->block, size);
  assert_memory_equal(cpu_of(a)->optimizer->moment2->block, cpu_of(b)->optimizer->moment2->block, size);
}

static double norm_of_difference(const float *x, const float *y, gsize n)
{
  double total = 0;
  for (gsize i = 0; i < n; i++)
    total += pow((double)x[i] - (y ? (double)y[i] : 0), 2);
  return sqrt(total);
}

void fixture_assert_bf16_near_f32(gboolean enlarged, double logit_tolerance, double gradient_tolerance)
{
  FixtureDecisions decisions = fixture_decisions(12);
  BertOptions options = fixture_options();
  options.dropout = 0.2; /* the masks are the same */
  BertPolicy *policies[2];
  float *logits[2], values[2][12], *d_logits = fixture_floats(decisions.n_logits, 1),
                                   *d_values = fixture_floats(12, 2);
  for (int i = 0; i < 2; i++) {
    options.precision = i == 0 ? BERT_PRECISION_F32 : BERT_PRECISION_BF16;
    policies[i] = fixture_open(&options, 5);
    if (enlarged)
      fixture_enlarge(policies[i]);
    logits[i] = g_new(float, decisions.n_logits);
    assert_true(
        bert_policy_forward(policies[i], decisions.decisions, 12, TRAINING, logits[i], values[i], NULL));
    assert_true(bert_policy_backward(policies[i], d_logits, d_values, NULL));
  }
  assert_string_equal(policies[1]->description[7], "bf16");
  double mean = 0, spread = 0;
  for (guint i = 0; i < decisions.n_logits; i++)
    mean += logits[0][i] / decisions.n_logits;
  for (guint i = 0; i < decisions.n_logits; i++)
    spread += pow(logits[0][i] - mean, 2);
  double error = norm_of_difference(logits[0], logits[1], decisions.n_logits);
  if (!(error > 0 && error <= logit_tolerance * sqrt(spread)))
    fail_msg("logits are off by %g, their spread is %g", error, sqrt(spread));
  const BertLayout *layout = policies[0]->shared->layout;
  for (guint t = 0; t < layout->n_tensors; t++) {
    gsize offset = layout->tensors[t].offset, n = layout->tensors[t].n_elements;
    const float *expected = cpu_of(policies[0])->optimizer->gradient->block + offset;
    double norm = norm_of_difference(expected, NULL, n);
    error = norm_of_difference(expected, cpu_of(policies[1])->optimizer->gradient->block + offset, n);
    /* Gradients of key biases and of linear_2's bias are zero but for rounding. */
    if (norm > 1e-3 && !(error <= gradient_tolerance * norm))
      fail_msg("%s is off by %g of its norm", layout->tensors[t].name, error / norm);
  }
  for (int i = 0; i < 2; i++) {
    bert_policy_close(policies[i]);
    g_free(logits[i]);
  }
  g_free(d_logits);
  g_free(d_values);
  fixture_decisions_clear(&decisions);
}

void fixture_assert_bf16_scores_what_forward_gives(void)
{
  FixtureDecisions decisions = fixture_decisions(9);
  BertOptions options = fixture_options();
  options.precision = BERT_PRECISION_BF16;
  options.threads = 2;
  BertPolicy *policy = fixture_open(&options, 3), *clone = bert_policy_clone_frozen(policy, NULL);
  float *scored = g_new(float, decisions.n_logits), *forwarded = g_new(float, decisions.n_logits);
  float *cloned = g_new(float, decisions.n_logits);
  assert_true(bert_policy_score(policy, decisions.decisions, 9, scored, NULL, NULL));
  assert_true(bert_policy_forward(policy, decisions.decisions, 9, TRAINING, forwarded, NULL, NULL));
  assert_true(bert_policy_score(clone, decisions.decisions, 9, cloned, NULL, NULL));
  assert_memory_equal(scored, forwarded, decisions.n_logits * sizeof *scored);
  assert_memory_equal(scored, cloned, decisions.n_logits * sizeof *scored);
  g_free(scored);
  g_free(forwarded);
  g_free(cloned);
  bert_policy_close(policy);
  bert_policy_close(clone);
  fixture_decisions_clear(&decisions);
}
