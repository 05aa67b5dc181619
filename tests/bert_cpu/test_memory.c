/* What a policy takes of memory: as much as it says beforehand, and nothing more once it has seen its shapes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "fixture.h"
#include <cmocka.h>
#include <glib/gstdio.h>
#include <string.h>

/* Counting allocations: the C library's functions, counted on the way. Sanitizers bring their own. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define COUNTS 1
static guint64 n_allocations;
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

__attribute__((visibility("default"))) void *malloc(size_t size)
{
  n_allocations++;
  return __libc_malloc(size);
}

__attribute__((visibility("default"))) void *calloc(size_t n, size_t size)
{
  n_allocations++;
  return __libc_calloc(n, size);
}

__attribute__((visibility("default"))) void *realloc(void *memory, size_t size)
{
  n_allocations++;
  return __libc_realloc(memory, size);
}

__attribute__((visibility("default"))) void *aligned_alloc(size_t alignment, size_t size)
{
  n_allocations++;
  return __libc_memalign(alignment, size);
}
#else
#define COUNTS 0
static const guint64 n_allocations = 0;
#endif

/* A folder with the vocabulary of the tests and a shape of which a pass takes some megabytes. */
static char *make_model(void)
{
  BertConfig config;
  char *folder = fixture_folder_new(), *text;
  gsize length;
  assert_true(bert_config_read(TINY_MODEL "/config.json", &config, NULL));
  config.hidden_size = 64;
  config.n_layers = 3;
  config.n_heads = 4;
  config.intermediate_size = 256;
  config.max_positions = 512;
  g_autofree char *file = g_build_filename(folder, "config.json", NULL);
  assert_true(bert_config_write(&config, file, NULL));
  assert_true(g_file_get_contents(TINY_MODEL "/vocab.txt", &text, &length, NULL));
  g_autofree char *vocabulary = g_build_filename(folder, "vocab.txt", NULL);
  assert_true(g_file_set_contents(vocabulary, text, (gssize)length, NULL));
  g_free(text);
  return folder;
}

static char *random_text(CwRandom *random, guint n_words)
{
  static const char *const words[] = {"red", "blue", "shirt", "size", "pocket", "buy", "now", "instruction"};
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < n_words; i++)
    g_string_append_printf(text, "%s ", words[cw_random_below(random, G_N_ELEMENTS(words))]);
  return g_string_free(text, FALSE);
}

/* States of n_words to 5 n_words words, 1 to 9 candidates of 2 to 20. */
static FixtureDecisions make_decisions(guint n, guint n_words)
{
  FixtureDecisions made = {
      .n = n, .decisions = g_new(const CwDecision *, n), .memory = g_ptr_array_new_with_free_func(g_free)};
  CwRandom *random = cw_random_new(5, "test", n, 0);
  for (guint i = 0; i < n; i++) {
    guint n_candidates = 1 + cw_random_below(random, 9);
    char **candidates = g_new(char *, n_candidates);
    for (guint k = 0; k < n_candidates; k++) {
      candidates[k] = random_text(random, 2 + cw_random_below(random, 19));
      g_ptr_array_add(made.memory, candidates[k]);
    }
    CwDecision *decision = g_new0(CwDecision, 1);
    *decision = (CwDecision){sizeof *decision,
                             random_text(random, n_words + cw_random_below(random, 4 * n_words + 1)),
                             (const char *const *)candidates, n_candidates};
    g_ptr_array_add(made.memory, (gpointer)decision->observation);
    g_ptr_array_add(made.memory, candidates);
    g_ptr_array_add(made.memory, decision);
    made.decisions[i] = decision;
    made.n_logits += n_candidates;
  }
  cw_random_free(random);
  return made;
}

static void assert_near(guint64 estimate, gsize taken, const char *what)
{
  if ((double)estimate < 0.98 * (double)taken || (double)estimate > 1.02 * (double)taken)
    fail_msg("%s: estimated %" G_GUINT64_FORMAT ", taken %" G_GSIZE_FORMAT, what, estimate, taken);
}

/* Weights, and what of the optimiser's blocks is ever written. */
static gsize fixed_memory(const BertPolicy *policy)
{
  const BertLayout *layout = policy->shared->layout;
  const float *blocks[] = {cpu_of(policy)->optimizer->gradient->block,
                           cpu_of(policy)->optimizer->moment1->block,
                           cpu_of(policy)->optimizer->moment2->block};
  gsize first = layout->n_floats;
  for (guint i = 0; i < layout->n_tensors; i++)
    if (bert_optimizer_trains(cpu_of(policy)->optimizer, &layout->tensors[i]))
      first = MIN(first, layout->tensors[i].offset);
  for (guint i = 0; i < G_N_ELEMENTS(blocks); i++)
    for (gsize k = 0; k < first; k++)
      assert_true(blocks[i][k] == 0);
  return (layout->n_floats + (cpu_of(policy)->optimizer->average ? 4 : 3) * (layout->n_floats - first)) *
             sizeof(float) +
         bert_workspace_size(cpu_of(policy)->network.packed_memory);
}

/* Within 2 %, for every way to compute. */
static void test_the_estimate_is_what_a_pass_takes(void **state)
{
  (void)state;
  char *folder = make_model();
  for (guint way = 0; way < 24; way++) {
    BertOptions options = fixture_options();
    options.model = folder;
    options.precision = way & 1 ? BERT_PRECISION_BF16 : BERT_PRECISION_F32;
    options.recompute = way & 2 ? BERT_RECOMPUTE_LAYER : BERT_RECOMPUTE_NONE;
    options.freeze_layers = (gint[]){-1, 0, 2, 3, -1, 1}[way / 4];
    options.threads = 1 + (way & 1);
    options.ema_decay = way & 8 ? 0.9 : 0;
    options.frozen_cache = way & 1 ? 64 : 0;
    FixtureDecisions decisions = make_decisions(way < 16 ? 9 : 4, 30);
    BertPolicy *policy = fixture_open(&options, 3);
    CwMemoryEstimate estimate = {.struct_size = sizeof estimate};
    bert_policy_estimate_memory(policy, decisions.decisions, decisions.n, &estimate);
    fixture_accumulate(policy, &decisions, 1);
    assert_int_equal(estimate.n_tokens, cpu_of(policy)->pass.batch->n_rows);
    g_autofree char *name = g_strdup_printf("way %u", way);
    gsize used = bert_workspace_used(cpu_of(policy)->workspace);
    assert_near(bert_pass_bytes(&cpu_of(policy)->network, cpu_of(policy)->pass.batch,
                                cpu_of(policy)->network.rules.recompute,
                                options.frozen_cache > 0 && options.freeze_layers > 0),
                used, name);
    fixture_accumulate(policy, &decisions, 1);
    assert_near(estimate.batch_bytes, bert_workspace_size(cpu_of(policy)->workspace), name);
    assert_near(estimate.fixed_bytes, fixed_memory(policy), name);
    if (way & 2) {
      assert_null(estimate.alternative);
    } else {
      assert_string_equal(estimate.alternative, "recompute: layer");
      options.recompute = BERT_RECOMPUTE_LAYER;
      BertPolicy *other = fixture_open(&options, 3);
      for (int i = 0; i < 2; i++)
        fixture_accumulate(other, &decisions, 1);
      assert_near(estimate.alternative_bytes, bert_workspace_size(cpu_of(other)->workspace), name);
      bert_policy_close(other);
    }
    bert_policy_close(policy);
    fixture_decisions_clear(&decisions);
  }
  fixture_folder_remove(folder);
}

/* Something else replaces the allocator, or counting was left out: sanitizers, valgrind. */
static gboolean cannot_count(void)
{
  guint64 start = n_allocations;
  g_free(g_malloc(10));
  return !COUNTS || n_allocations == start;
}

static void train(BertPolicy *policy, const FixtureDecisions *decisions, float *logits, float *values)
{
  memset(values, 0, decisions->n * sizeof *values);
  for (int micro_batch = 0; micro_batch < 2; micro_batch++) {
    gboolean done = bert_policy_forward(policy, decisions->decisions, decisions->n, TRAINING, logits,
                                        micro_batch ? values : NULL, NULL) &&
                    bert_policy_backward(policy, logits, micro_batch ? values : NULL, NULL);
    assert_true(done);
  }
  assert_true(bert_policy_step(policy, 1e-4, 1, NULL, NULL));
}

/* More texts than there are in the small tables to begin with, in two shapes by turns. */
static void test_training_in_the_steady_state_allocates_nothing(void **state)
{
  (void)state;
  if (cannot_count())
    skip();
  FixtureDecisions large = make_decisions(90, 5), small = make_decisions(5, 5);
  float *logits = g_new(float, large.n_logits), *values = g_new(float, large.n);
  for (guint way = 0; way < 8; way++) {
    BertOptions options = fixture_options();
    options.precision = way & 1 ? BERT_PRECISION_BF16 : BERT_PRECISION_F32;
    options.recompute = way & 2 ? BERT_RECOMPUTE_LAYER : BERT_RECOMPUTE_NONE;
    options.freeze_layers = way & 2 ? 1 : -1;
    options.frozen_cache = 64;
    options.sparse_embeddings = (way & 4) != 0;
    options.ema_decay = way & 4 ? 0.99 : 0;
    options.dropout = way & 4 ? 0.1 : 0;
    options.threads = 1 + (way & 1);
    BertPolicy *policy = fixture_open(&options, 3);
    for (int round = 0; round < 3; round++) {
      train(policy, &large, logits, values);
      train(policy, &small, logits, values);
    }
    guint64 before = n_allocations;
    for (int round = 0; round < 3; round++) {
      train(policy, &large, logits, values);
      train(policy, &small, logits, values);
    }
    assert_int_equal(n_allocations - before, 0);
    bert_policy_close(policy);
  }
  g_free(logits);
  g_free(values);
  fixture_decisions_clear(&large);
  fixture_decisions_clear(&small);
}

/* Without a memory, and with one that holds all that is asked for. */
static void test_scoring_in_the_steady_state_allocates_nothing(void **state)
{
  (void)state;
  if (cannot_count())
    skip();
  FixtureDecisions large = make_decisions(90, 5), small = make_decisions(5, 5);
  float *logits = g_new(float, large.n_logits), *values = g_new(float, large.n);
  for (guint way = 0; way < 4; way++) {
    BertOptions options = fixture_options();
    options.score_cache = way & 1 ? 64 : 0;
    options.freeze_layers = way & 2 ? 2 : -1;
    options.frozen_cache = way & 2 ? 64 : 0;
    options.score_batch_tokens = way & 2 ? 1000 : 8192;
    BertPolicy *policy = fixture_open(&options, 3);
    guint64 before = 0;
    for (int round = 0; round < 6; round++) {
      if (round == 3)
        before = n_allocations;
      assert_true(bert_policy_score(policy, large.decisions, large.n, logits, values, NULL));
      assert_true(bert_policy_score(policy, small.decisions, small.n, logits, values, NULL));
    }
    assert_int_equal(n_allocations - before, 0);
    bert_policy_close(policy);
  }
  g_free(logits);
  g_free(values);
  fixture_decisions_clear(&large);
  fixture_decisions_clear(&small);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_the_estimate_is_what_a_pass_takes),
      cmocka_unit_test(test_training_in_the_steady_state_allocates_nothing),
      cmocka_unit_test(test_scoring_in_the_steady_state_allocates_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
