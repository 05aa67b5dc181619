/* Recommendation lists: their order, and their measures against values by hand. */
#include "lab/recommend/ranking.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void assert_near(double value, double expected)
{
  if (!(fabs(value - expected) <= 1e-12))
    fail_msg("expected %.17g, found %.17g", expected, value);
}

static const CwRankedItem *at(const CwRanking *ranking, guint i)
{
  return &g_array_index(ranking->items, CwRankedItem, i);
}

/* a 0.5, b 1, c 0, b 0.5, d 0.25: b twice, then a, c, d as they came. */
static CwRanking *example(void)
{
  CwRanking *ranking = cw_ranking_new();
  cw_ranking_add(ranking, "a", 0.5);
  cw_ranking_add(ranking, "b", 1);
  cw_ranking_add(ranking, "c", 0);
  cw_ranking_add(ranking, "b", 0.5);
  cw_ranking_add(ranking, "d", 0.25);
  cw_ranking_sort(ranking);
  return ranking;
}

static void test_frequent_items_come_first_and_equals_as_they_came(void **state)
{
  CwRanking *ranking = example();
  (void)state;
  assert_int_equal(ranking->items->len, 4);
  assert_string_equal(at(ranking, 0)->name, "b");
  assert_int_equal(at(ranking, 0)->n, 2);
  assert_near(at(ranking, 0)->relevance, 0.75);
  assert_string_equal(at(ranking, 1)->name, "a");
  assert_string_equal(at(ranking, 2)->name, "c");
  assert_string_equal(at(ranking, 3)->name, "d");
  cw_ranking_free(ranking);
}

static void test_the_target_counts_by_its_place(void **state)
{
  CwRanking *ranking = example();
  (void)state;
  assert_int_equal(cw_ranking_place(ranking, "c"), 2);
  assert_int_equal(cw_ranking_place(ranking, "x"), -1);
  assert_near(cw_ranking_ndcg_of_target(ranking, "b", 1), 1);
  assert_near(cw_ranking_ndcg_of_target(ranking, "a", 4), 1 / log2(3));
  assert_near(cw_ranking_ndcg_of_target(ranking, "c", 3), 0.5);
  assert_near(cw_ranking_ndcg_of_target(ranking, "c", 2), 0);
  assert_near(cw_ranking_ndcg_of_target(ranking, "x", 4), 0);
  cw_ranking_free(ranking);
}

static void test_graded_gain_is_measured_against_the_best_list_known(void **state)
{
  CwRanking *ranking = example(), *empty = cw_ranking_new(), *perfect = cw_ranking_new();
  double gain = 0.75 + 0.5 / log2(3) + 0.25 / log2(5);
  (void)state;
  /* The target was not found: 1, 0.75, 0.5, 0.25 would have been ideal. */
  assert_near(cw_ranking_ndcg_of_rewards(ranking, "x", 4),
              gain / (1 + 0.75 / log2(3) + 0.25 + 0.25 / log2(5)));
  /* The target was found, bought with options that cost reward: 1, 0.5, 0.25, 0. */
  assert_near(cw_ranking_ndcg_of_rewards(ranking, "b", 4), gain / (1 + 0.5 / log2(3) + 0.25 / 2));
  assert_near(cw_ranking_ndcg_of_rewards(ranking, "b", 1), 0.75);
  assert_near(cw_ranking_ndcg_of_rewards(empty, "b", 4), 0);
  cw_ranking_add(perfect, "b", 1);
  assert_near(cw_ranking_ndcg_of_rewards(perfect, "b", 4), 1);
  cw_ranking_free(ranking);
  cw_ranking_free(empty);
  cw_ranking_free(perfect);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_frequent_items_come_first_and_equals_as_they_came),
      cmocka_unit_test(test_the_target_counts_by_its_place),
      cmocka_unit_test(test_graded_gain_is_measured_against_the_best_list_known),
  };

  return cmocka_run_group_tests_name("ranking", tests, NULL, NULL);
}
