/* What is remembered of frozen layers, and that it makes no difference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "fixture.h"
#include <cmocka.h>
#include <string.h>

static BertPolicy *open_with(gint64 frozen_layers, gint64 mebibytes, guint way)
{
  BertOptions options = fixture_options();
  options.freeze_layers = frozen_layers;
  options.frozen_cache = mebibytes;
  options.score_cache = way & 1 ? 16 : 0;
  options.recompute = way & 1 ? BERT_RECOMPUTE_LAYER : BERT_RECOMPUTE_NONE;
  options.precision = way & 2 ? BERT_PRECISION_BF16 : BERT_PRECISION_F32;
  options.threads = mebibytes > 0 ? 1 + way : 1;
  BertPolicy *policy = fixture_open(&options, 3);
  fixture_enlarge(policy);
  return policy;
}

static const BertFrozenCounts *counts_of(const BertPolicy *policy)
{
  return bert_frozen_counts(cpu_of(policy)->frozen);
}

static void assert_same_scores(BertPolicy *a, BertPolicy *b, const FixtureDecisions *decisions)
{
  float *logits[2], *values[2];
  for (int i = 0; i < 2; i++) {
    logits[i] = g_new(float, decisions->n_logits);
    values[i] = g_new(float, decisions->n);
    assert_true(bert_policy_score(i ? b : a, decisions->decisions, decisions->n, logits[i], values[i], NULL));
  }
  assert_memory_equal(logits[0], logits[1], decisions->n_logits * sizeof(float));
  assert_memory_equal(values[0], values[1], decisions->n * sizeof(float));
  for (int i = 0; i < 2; i++) {
    g_free(logits[i]);
    g_free(values[i]);
  }
}

/* Training and scoring by turns, in batches of which each shares texts with the one before. */
static void test_a_hit_gives_the_bits_of_a_miss(void **state)
{
  (void)state;
  FixtureDecisions all = fixture_decisions(24);
  for (guint way = 0; way < 4; way++) {
    for (gint64 frozen = 0; frozen <= 2; frozen++) {
      BertPolicy *plain = open_with(frozen, 0, way), *remembering = open_with(frozen, 16, way);
      for (guint step = 0; step < 5; step++) {
        FixtureDecisions batch = {.n = 8, .decisions = all.decisions + 3 * step};
        batch.n_logits = cw_count_logits(batch.decisions, batch.n);
        fixture_accumulate(plain, &batch, step);
        fixture_accumulate(remembering, &batch, step);
        assert_true(bert_policy_step(plain, 0.01, 1, NULL, NULL));
        assert_true(bert_policy_step(remembering, 0.01, 1, NULL, NULL));
        fixture_assert_same_state(plain, remembering);
        assert_same_scores(plain, remembering, &batch);
      }
      const BertFrozenCounts *counts = counts_of(remembering);
      assert_int_equal(counts_of(plain)->n_texts, 0);
      if (frozen > 0) {
        assert_true(counts->n_texts_found > counts->n_texts / 2 &&
                    counts->n_tokens_found > counts->n_tokens / 2);
        assert_true(cpu_of(remembering)->operations < cpu_of(plain)->operations);
      } else {
        assert_int_equal(counts->n_texts, 0);
        assert_true(cpu_of(remembering)->operations == cpu_of(plain)->operations);
      }
      bert_policy_close(plain);
      bert_policy_close(remembering);
    }
  }
  fixture_decisions_clear(&all);
}

static void test_training_with_dropout_remembers_nothing(void **state)
{
  (void)state;
  FixtureDecisions decisions = fixture_decisions(8);
  BertPolicy *policies[2];
  for (int i = 0; i < 2; i++) {
    BertOptions options = fixture_options();
    options.freeze_layers = 1;
    options.dropout = 0.1;
    options.frozen_cache = 16 * i;
    policies[i] = fixture_open(&options, 3);
    fixture_accumulate(policies[i], &decisions, 1);
    assert_int_equal(counts_of(policies[i])->n_texts, 0);
    assert_true(bert_policy_step(policies[i], 0.01, 1, NULL, NULL));
  }
  for (int round = 0; round < 2; round++) {
    assert_same_scores(policies[0], policies[1], &decisions); /* without dropout: remembers */
    for (int i = 0; i < 2; i++)
      fixture_accumulate(policies[i], &decisions, 2); /* with it: does not look there */
    fixture_assert_same_state(policies[0], policies[1]);
  }
  assert_true(counts_of(policies[1])->n_texts_found * 2 == counts_of(policies[1])->n_texts);
  bert_policy_close(policies[0]);
  bert_policy_close(policies[1]);
  fixture_decisions_clear(&decisions);
}

static void change_first(const char *name, const gint64 *shape, guint n_dimensions, float *weights,
                         float *gradient, gpointer user_data)
{
  (void)shape, (void)n_dimensions, (void)gradient;
  if (g_strcmp0(name, user_data) == 0)
    weights[0] += 1;
}

/* Steps, looking at the tensors and changes above the boundary leave the memory, changes below empty it. */
static void test_only_a_change_of_frozen_weights_makes_it_forget(void **state)
{
  (void)state;
  static const struct {
    const char *tensor;
    gboolean forgets;
  } changes[] = {{NULL, FALSE},
                 {"linear_1.bias", FALSE},
                 {"bert.encoder.layer.1.attention.self.query.weight", FALSE},
                 {"bert.encoder.layer.0.output.LayerNorm.bias", TRUE},
                 {"bert.embeddings.word_embeddings.weight", TRUE}};
  FixtureDecisions decisions = fixture_decisions(8);
  BertPolicy *plain = open_with(1, 0, 0), *remembering = open_with(1, 16, 0);
  char *folder = fixture_folder_new();
  assert_true(bert_policy_save(plain, folder, NULL));
  for (guint i = 0; i < G_N_ELEMENTS(changes) + 2; i++) {
    gboolean loads = i >= G_N_ELEMENTS(changes); /* the first time other weights, then the same */
    for (guint k = 0; k < 2; k++) {
      BertPolicy *policy = k ? remembering : plain;
      fixture_accumulate(policy, &decisions, 1);
      assert_true(bert_policy_step(policy, 0.01, 0, NULL, NULL));
      if (loads)
        assert_true(bert_policy_load(policy, folder, NULL));
      else
        bert_policy_edit_tensors(policy, CW_EDIT_WEIGHTS, change_first, (gpointer)changes[i].tensor, NULL);
    }
    gboolean forgets = loads ? i == G_N_ELEMENTS(changes) : changes[i].forgets;
    BertFrozenCounts before = *counts_of(remembering);
    fixture_accumulate(plain, &decisions, 2);
    fixture_accumulate(remembering, &decisions, 2);
    fixture_assert_same_state(plain, remembering);
    guint64 n_texts = counts_of(remembering)->n_texts - before.n_texts;
    guint64 n_found = counts_of(remembering)->n_texts_found - before.n_texts_found;
    assert_int_equal(n_found, forgets ? 0 : n_texts);
    assert_true(bert_policy_step(plain, 0.01, 0, NULL, NULL));
    assert_true(bert_policy_step(remembering, 0.01, 0, NULL, NULL));
  }
  bert_policy_close(plain);
  bert_policy_close(remembering);
  fixture_folder_remove(folder);
  fixture_decisions_clear(&decisions);
}

/* 3,000 titles where there is room for a part of them. */
static void test_a_small_memory_forgets_and_stays_right(void **state)
{
  (void)state;
  BertPolicy *plain = open_with(1, 0, 0), *remembering = open_with(1, 1, 0);
  CwRandom *random = cw_random_new(1, "test", 0, 0);
  for (guint round = 0; round < 300; round++) {
    GPtrArray *texts = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < 8; i++)
      g_ptr_array_add(texts, g_strdup_printf("blue shirt size %u %u %u red %u", cw_random_below(random, 10),
                                             cw_random_below(random, 10), cw_random_below(random, 10),
                                             cw_random_below(random, 3)));
    CwDecision decision = {sizeof decision, texts->pdata[7], (const char *const *)texts->pdata, 7};
    const CwDecision *one = &decision;
    FixtureDecisions batch = {.n = 1, .n_logits = 7, .decisions = &one};
    assert_same_scores(plain, remembering, &batch);
    g_ptr_array_free(texts, TRUE);
  }
  const BertFrozenCounts *counts = counts_of(remembering);
  if (counts->n_texts_found == 0 || counts->n_texts_found > counts->n_texts / 2)
    fail_msg("%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " texts were found", counts->n_texts_found,
             counts->n_texts);
  cw_random_free(random);
  bert_policy_close(plain);
  bert_policy_close(remembering);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_hit_gives_the_bits_of_a_miss),
      cmocka_unit_test(test_training_with_dropout_remembers_nothing),
      cmocka_unit_test(test_only_a_change_of_frozen_weights_makes_it_forget),
      cmocka_unit_test(test_a_small_memory_forgets_and_stays_right),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
