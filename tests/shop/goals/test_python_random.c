/* The generator that decides goal order: vectors measured on CPython (docs/spec 2.1 and 9.6). */
#include "envs/shop/goals/python_random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

/* The generator after the shuffle. */
static GRand *seeded_shuffle(guint64 seed, guint32 *items, guint32 n)
{
  GRand *random = shop_python_random_new(seed);
  for (guint32 i = 0; i < n; i++)
    items[i] = i;
  shop_python_random_shuffle(random, items, n, sizeof *items);
  return random;
}

static void test_outputs_of_seed_233(G_GNUC_UNUSED void **state)
{
  g_autoptr(GRand) random = shop_python_random_new(233);
  assert_int_equal(shop_python_random_bits(random, 32), 2931216007u);
  assert_int_equal(shop_python_random_bits(random, 32), 3446561803u);
  assert_int_equal(shop_python_random_bits(random, 32), 2698614761u);
}

/* Python: r = random.Random(SEED), then r.getrandbits(32) a million times, or r.shuffle(list(range(100000)));
 * SHA-256 of the numbers as little-endian words. */
static void test_a_million_outputs_and_long_shuffles_are_python_s(G_GNUC_UNUSED void **state)
{
  static const struct {
    guint64 seed;
    const char *outputs, *shuffle;
  } cases[] = {
      {233, "9f9a6ab6bf7f24f79457ac81ccbc7b41393925cf0e125683076bb719cf2272a3",
       "4de130c65a6373dfadcaaeace2a56f7b35a3af82a8fb0f41d14f86b484eba574"},
      {(G_GUINT64_CONSTANT(1) << 40) | 5, "801b4e880170acd70994bd18ef70dc49a8de2d906024e84ee13dbff88b5a049e",
       "e565ff8bfa2cd2c2f159d776582e58fac77a513fcbd4e48643d3ae0fade305c5"},
  };
  enum { N_OUTPUTS = 1000000, N_ITEMS = 100000 };
  g_autofree guint32 *words = g_new(guint32, N_OUTPUTS);
  for (guint c = 0; c < G_N_ELEMENTS(cases); c++) {
    g_autoptr(GRand) random = shop_python_random_new(cases[c].seed);
    for (guint i = 0; i < N_OUTPUTS; i++)
      words[i] = GUINT32_TO_LE(shop_python_random_bits(random, 32));
    g_autofree char *outputs =
        g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)words, N_OUTPUTS * sizeof *words);
    assert_string_equal(outputs, cases[c].outputs);
    g_autoptr(GRand) after = seeded_shuffle(cases[c].seed, words, N_ITEMS);
    for (guint i = 0; i < N_ITEMS; i++)
      words[i] = GUINT32_TO_LE(words[i]);
    g_autofree char *shuffle =
        g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)words, N_ITEMS * sizeof *words);
    assert_string_equal(shuffle, cases[c].shuffle);
  }
}

static void test_shuffle_then_the_same_stream(G_GNUC_UNUSED void **state)
{
  static const guint32 expected[] = {17, 18, 9, 2, 8, 19, 11, 10, 12, 0, 3, 4, 14, 13, 1, 6, 15, 7, 16, 5};
  guint32 items[20];
  g_autoptr(GRand) random = seeded_shuffle(233, items, 20);
  assert_memory_equal(items, expected, sizeof expected);
  assert_true(shop_python_random_random(random) == 0.3216123150170075);
  assert_true(shop_python_random_uniform(random, 0, 10) == 0.8726382866820359);
  char letters[11] = "";
  for (guint i = 0; i < 10; i++)
    letters[i] = (char)('a' + shop_python_random_choice(random, 26));
  assert_string_equal(letters, "xmqwsiclhx");
}

static void test_samples_of_small_and_large_populations(G_GNUC_UNUSED void **state)
{
  static const guint32 expected[] = {236, 819, 870, 495, 564};
  guint32 two[2], five[5];
  g_autoptr(GRand) random = shop_python_random_new(233);
  shop_python_random_sample(random, 4, 2, two);
  assert_int_equal(MIN(two[0], two[1]), 1); /* 20 of 10, 20, 30, 40 */
  assert_int_equal(MAX(two[0], two[1]), 2); /* 30 */
  shop_python_random_sample(random, 1000, 5, five);
  assert_memory_equal(five, expected, sizeof expected);
}

static void test_sample_of_many_uses_the_larger_pool(G_GNUC_UNUSED void **state)
{
  guint32 chosen[10];
  gboolean seen[20] = {FALSE};
  g_autoptr(GRand) random = shop_python_random_new(1);
  shop_python_random_sample(random, 20, 10, chosen);
  for (guint i = 0; i < 10; i++) {
    assert_true(chosen[i] < 20 && !seen[chosen[i]]);
    seen[chosen[i]] = TRUE;
  }
}

/* NumPy: r = RandomState(1000), then r.choice(range(500), 128, replace=False) twice; RandomState(233), 20 and 5. */
static void test_numpy_chooses_as_it_did(G_GNUC_UNUSED void **state)
{
  static const guint32 first[] = {319, 207, 22, 420, 352, 491}, second[] = {417, 304, 117, 305, 87, 228};
  static const guint32 eight[] = {15, 12, 9, 0, 10, 8, 2, 6}, five[] = {4, 0, 3, 2, 1};
  guint32 chosen[128];
  g_autoptr(GRand) validation = shop_numpy_random_new(1000);
  shop_numpy_random_choice(validation, 500, 128, chosen);
  assert_memory_equal(chosen, first, sizeof first);
  shop_numpy_random_choice(validation, 500, 128, chosen);
  assert_memory_equal(chosen, second, sizeof second);
  g_autoptr(GRand) other = shop_numpy_random_new(233);
  shop_numpy_random_choice(other, 20, 8, chosen);
  assert_memory_equal(chosen, eight, sizeof eight);
  shop_numpy_random_choice(other, 5, 5, chosen);
  assert_memory_equal(chosen, five, sizeof five);
}

static void test_order_of_12087_goals(G_GNUC_UNUSED void **state)
{
  static const guint32 first[] = {8655, 10304, 6940, 2750, 3667, 2144, 3577, 9548, 8911, 10662};
  static const guint32 last[] = {2856, 10294, 11181};
  g_autofree guint32 *items = g_new(guint32, 12087);
  g_autoptr(GRand) random = seeded_shuffle(233, items, 12087);
  assert_memory_equal(items, first, sizeof first);
  assert_memory_equal(items + 12084, last, sizeof last);
}

static void test_order_of_6910_goals(G_GNUC_UNUSED void **state)
{
  static const guint32 first[] = {3963, 2638, 2193, 1856, 4358, 6149, 2504, 3220, 705, 1072};
  g_autofree guint32 *items = g_new(guint32, 6910);
  g_autoptr(GRand) random = seeded_shuffle(233, items, 6910);
  assert_memory_equal(items, first, sizeof first);
  assert_true(shop_python_random_random(random) == 0.3292149168523828);
}

static const guint8 weights[] = {6, 9,  2, 3,  2, 3,  2, 10, 10, 1,  2, 4, 0,  7,  7, 10, 1,
                                 0, 8,  2, 7,  7, 10, 4, 7,  1,  10, 4, 9, 2,  10, 5, 4,  1,
                                 8, 10, 5, 10, 0, 3,  5, 5,  1,  4,  1, 3, 10, 9,  2, 7};

static void test_weighted_index_is_off_by_one_as_the_original(G_GNUC_UNUSED void **state)
{
  double cumulative[G_N_ELEMENTS(weights) + 1] = {0};
  g_autoptr(GRand) random = shop_python_random_new(24);
  for (guint i = 0; i < G_N_ELEMENTS(weights); i++) {
    assert_int_equal(shop_python_random_below(random, 11), weights[i]); /* randint(0, 10) */
    cumulative[i + 1] = cumulative[i] + weights[i];
  }
  assert_true(cumulative[50] == 253);
  g_autoptr(GRand) copy = g_rand_copy(random);
  assert_int_equal(shop_weighted_index(random, cumulative, 50, FALSE), 44);
  assert_int_equal(shop_weighted_index(random, cumulative, 50, FALSE), 15);
  assert_int_equal(shop_weighted_index(random, cumulative, 50, FALSE), 36);
  assert_int_equal(shop_weighted_index(copy, cumulative, 50, TRUE), 43);
}

static void test_weighted_index_never_draws_the_first_unless_exact(G_GNUC_UNUSED void **state)
{
  static const double cumulative[] = {0, 1, 2};
  guint n_first = 0;
  g_autoptr(GRand) random = shop_python_random_new(5);
  for (guint i = 0; i < 200; i++)
    assert_int_equal(shop_weighted_index(random, cumulative, 2, FALSE), 1);
  for (guint i = 0; i < 200; i++)
    n_first += shop_weighted_index(random, cumulative, 2, TRUE) == 0;
  assert_in_range(n_first, 60, 140);
  assert_int_equal(shop_weighted_index(random, cumulative, 1, FALSE), 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_outputs_of_seed_233),
      cmocka_unit_test(test_a_million_outputs_and_long_shuffles_are_python_s),
      cmocka_unit_test(test_shuffle_then_the_same_stream),
      cmocka_unit_test(test_samples_of_small_and_large_populations),
      cmocka_unit_test(test_sample_of_many_uses_the_larger_pool),
      cmocka_unit_test(test_numpy_chooses_as_it_did),
      cmocka_unit_test(test_order_of_12087_goals),
      cmocka_unit_test(test_order_of_6910_goals),
      cmocka_unit_test(test_weighted_index_is_off_by_one_as_the_original),
      cmocka_unit_test(test_weighted_index_never_draws_the_first_unless_exact),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
