/* What scoring remembers, and that it makes no difference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "fixture.h"
#include <cmocka.h>
#include <string.h>

static BertPolicy *open_with_cache(gint64 mebibytes, gint64 threads)
{
  BertOptions options = fixture_options();
  options.score_cache = mebibytes;
  options.threads = threads;
  BertPolicy *policy = fixture_open(&options, 3);
  fixture_enlarge(policy);
  return policy;
}

static double counter(BertPolicy *policy, const char *name)
{
  guint n;
  const CwNamedValue *counters = bert_policy_counters(policy, &n);
  for (guint i = 0; i < n; i++)
    if (g_str_equal(counters[i].name, name))
      return counters[i].value;
  fail_msg("no counter '%s'", name);
  return 0;
}

typedef struct {
  float *logits, *values;
} Scores;

static Scores score(BertPolicy *policy, const CwDecision *const *decisions, guint n)
{
  Scores scores = {g_new0(float, cw_count_logits(decisions, n) + 1), g_new0(float, n + 1)};
  assert_true(bert_policy_score(policy, decisions, n, scores.logits, scores.values, NULL));
  return scores;
}

static void scores_clear(Scores *scores)
{
  g_free(scores->logits);
  g_free(scores->values);
}

static void assert_same(BertPolicy *policy, const CwDecision *const *decisions, guint n,
                        const Scores *expected)
{
  Scores again = score(policy, decisions, n);
  assert_memory_equal(again.logits, expected->logits, cw_count_logits(decisions, n) * sizeof(float));
  assert_memory_equal(again.values, expected->values, n * sizeof(float));
  scores_clear(&again);
}

/* Whatever was scored before, in whatever company: the same bits as without a cache. */
static void test_a_hit_gives_the_bits_of_a_miss(void **state)
{
  (void)state;
  FixtureDecisions all = fixture_decisions(60);
  for (gint64 threads = 1; threads <= 3; threads++) {
    BertPolicy *plain = open_with_cache(0, 1), *caching = open_with_cache(16, threads);
    Scores expected = score(plain, all.decisions, all.n);
    for (guint stride = 1, from = 0; stride <= 16; stride *= 2, from += 3) {
      for (guint first = from; first + stride <= all.n; first += stride + 1) {
        guint before = cw_count_logits(all.decisions, first);
        Scores part = {expected.logits + before, expected.values + first};
        assert_same(caching, all.decisions + first, stride, &part);
      }
    }
    assert_same(caching, all.decisions, all.n, &expected);
    assert_true(counter(caching, "score/decisions_found") >= all.n);
    assert_true(counter(caching, "score/texts_found") > 0);
    assert_true(counter(plain, "score/decisions_found") == 0);
    assert_true(counter(plain, "score/texts_found") == 0);
    scores_clear(&expected);
    bert_policy_close(plain);
    bert_policy_close(caching);
  }
  fixture_decisions_clear(&all);
}

static void test_counters_tell_what_was_found(void **state)
{
  (void)state;
  static const char *const two[] = {"red shirt", "blue shirt"}, *const three[] = {"blue shirt", "red shirt",
                                                                                  "size 12"};
  CwDecision first = {sizeof first, "buy a shirt", two, 2}, second = {sizeof second, "buy a shirt", three, 3};
  const CwDecision *decisions[] = {&first, &second};
  BertPolicy *policy = open_with_cache(16, 1);
  Scores scores = score(policy, decisions, 1);
  assert_true(counter(policy, "score/decisions") == 1 && counter(policy, "score/decisions_found") == 0);
  assert_true(counter(policy, "score/texts") == 3 && counter(policy, "score/texts_found") == 0);
  scores_clear(&scores);
  scores = score(policy, decisions, 2);
  assert_true(counter(policy, "score/decisions") == 3 && counter(policy, "score/decisions_found") == 1);
  assert_true(counter(policy, "score/texts") == 7);
  assert_true(counter(policy, "score/texts_found") >=
              2); /* the candidates; states are kept in whole decisions */
  double tokens = counter(policy, "score/tokens"), operations = counter(policy, "operations");
  assert_true(tokens > counter(policy, "score/tokens_found"));
  scores_clear(&scores);
  scores = score(policy, decisions, 2);
  assert_true(counter(policy, "score/tokens") == tokens && counter(policy, "operations") == operations);
  scores_clear(&scores);
  bert_policy_close(policy);
}

static void raise_bias(const char *name, const gint64 *shape, guint n_dimensions, float *weights,
                       float *gradient, gpointer user_data)
{
  (void)shape, (void)n_dimensions, (void)gradient, (void)user_data;
  if (g_str_equal(name, "linear_2.bias"))
    weights[0] += 1;
}

/* Every way to change the weights makes the memory void. */
static void test_nothing_is_remembered_across_a_change_of_the_weights(void **state)
{
  (void)state;
  FixtureDecisions decisions = fixture_decisions(9);
  BertPolicy *plain = open_with_cache(0, 1), *caching = open_with_cache(16, 1);
  char *folder = fixture_folder_new();
  assert_true(bert_policy_save(plain, folder, NULL));
  for (int way = 0; way < 3; way++) {
    BertPolicy *both[] = {plain, caching};
    for (int i = 0; i < 2; i++) {
      if (way == 0) {
        fixture_accumulate(both[i], &decisions, 1);
        assert_true(bert_policy_step(both[i], 0.01, 0, NULL, NULL));
      } else if (way == 1) {
        bert_policy_edit_tensors(both[i], CW_EDIT_WEIGHTS, raise_bias, NULL, NULL);
      } else {
        assert_true(bert_policy_load(both[i], folder, NULL));
      }
    }
    Scores expected = score(plain, decisions.decisions, decisions.n);
    double found = counter(caching, "score/decisions_found");
    assert_same(caching, decisions.decisions, decisions.n, &expected);
    assert_true(counter(caching, "score/decisions_found") == found);
    assert_same(caching, decisions.decisions, decisions.n, &expected);
    assert_true(counter(caching, "score/decisions_found") == found + decisions.n);
    scores_clear(&expected);
  }
  bert_policy_close(plain);
  bert_policy_close(caching);
  fixture_folder_remove(folder);
  fixture_decisions_clear(&decisions);
}

static void test_a_frozen_copy_remembers_while_the_policy_learns(void **state)
{
  (void)state;
  FixtureDecisions decisions = fixture_decisions(9);
  BertPolicy *policy = open_with_cache(16, 1), *copy = bert_policy_clone_frozen(policy, NULL);
  Scores expected = score(copy, decisions.decisions, decisions.n);
  fixture_accumulate(policy, &decisions, 1);
  assert_true(bert_policy_step(policy, 0.01, 0, NULL, NULL));
  assert_same(copy, decisions.decisions, decisions.n, &expected);
  assert_true(counter(copy, "score/decisions_found") == decisions.n);
  scores_clear(&expected);
  bert_policy_close(policy);
  bert_policy_close(copy);
  fixture_decisions_clear(&decisions);
}

static void test_a_value_is_computed_when_it_is_first_wanted(void **state)
{
  (void)state;
  FixtureDecisions decisions = fixture_decisions(5);
  BertPolicy *plain = open_with_cache(0, 1), *caching = open_with_cache(16, 1);
  Scores expected = score(plain, decisions.decisions, decisions.n);
  float *logits = g_new(float, decisions.n_logits);
  for (int round = 0; round < 2; round++) {
    assert_true(bert_policy_score(caching, decisions.decisions, decisions.n, logits, NULL, NULL));
    assert_memory_equal(logits, expected.logits, decisions.n_logits * sizeof *logits);
    assert_same(caching, decisions.decisions, decisions.n, &expected);
  }
  assert_true(counter(caching, "score/decisions_found") == 2 * decisions.n);
  g_free(logits);
  scores_clear(&expected);
  bert_policy_close(plain);
  bert_policy_close(caching);
  fixture_decisions_clear(&decisions);
}

/* 3,000 titles in a cache that holds a part of them. */
static void test_a_small_cache_forgets_and_stays_right(void **state)
{
  (void)state;
  BertPolicy *plain = open_with_cache(0, 1), *caching = open_with_cache(1, 1);
  CwRandom *random = cw_random_new(1, "test", 0, 0);
  for (guint round = 0; round < 300; round++) {
    GPtrArray *texts = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < 8; i++)
      g_ptr_array_add(texts, g_strdup_printf("blue shirt size %u %u %u red %u", cw_random_below(random, 10),
                                             cw_random_below(random, 10), cw_random_below(random, 10),
                                             cw_random_below(random, 3)));
    CwDecision decision = {sizeof decision, texts->pdata[7], (const char *const *)texts->pdata, 7};
    const CwDecision *one = &decision;
    Scores expected = score(plain, &one, 1);
    assert_same(caching, &one, 1, &expected);
    scores_clear(&expected);
    g_ptr_array_free(texts, TRUE);
  }
  cw_random_free(random);
  bert_policy_close(plain);
  bert_policy_close(caching);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_hit_gives_the_bits_of_a_miss),
      cmocka_unit_test(test_counters_tell_what_was_found),
      cmocka_unit_test(test_nothing_is_remembered_across_a_change_of_the_weights),
      cmocka_unit_test(test_a_frozen_copy_remembers_while_the_policy_learns),
      cmocka_unit_test(test_a_value_is_computed_when_it_is_first_wanted),
      cmocka_unit_test(test_a_small_cache_forgets_and_stays_right),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
