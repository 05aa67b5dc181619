/* Random streams: the published vectors of Philox, independence of streams, and the distributions. */
#include "core/sdk/philox.h"
#include <cartwright/random.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* kat_vectors of Random123 (Salmon et al.), philox4x32 with 10 rounds. */
static void test_philox_gives_its_published_vectors(void **state)
{
  static const struct {
    guint32 counter[4], key[2], expected[4];
  } vectors[] = {
      {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
       {0xffffffff, 0xffffffff},
       {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       {0xa4093822, 0x299f31d0},
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };

  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(vectors); i++) {
    guint32 output[4];
    cw_philox4x32_10(vectors[i].counter, vectors[i].key, output);
    assert_memory_equal(output, vectors[i].expected, sizeof output);
  }
}

static void test_equal_arguments_give_equal_streams(void **state)
{
  CwRandom *a = cw_random_new(233, "rollout", 3, 7), *b = cw_random_new(1, "x", 0, 0);
  (void)state;
  cw_random_uint32(b);
  cw_random_restart(b, 233, "rollout", 3, 7);
  for (guint i = 0; i < 100; i++)
    assert_int_equal(cw_random_uint32(a), cw_random_uint32(b));
  cw_random_free(a);
  cw_random_free(b);
}

static void test_each_argument_changes_the_stream(void **state)
{
  CwRandom *streams[] = {
      cw_random_new(233, "rollout", 3, 7),  cw_random_new(234, "rollout", 3, 7),
      cw_random_new(233, "rollouts", 3, 7), cw_random_new(233, "rollout", 4, 7),
      cw_random_new(233, "rollout", 3, 8),  cw_random_new(233, "rollout", 7, 3),
  };
  guint64 first[G_N_ELEMENTS(streams)];

  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(streams); i++) {
    first[i] = cw_random_uint64(streams[i]);
    for (guint j = 0; j < i; j++)
      assert_true(first[i] != first[j]);
    cw_random_free(streams[i]);
  }
}

/* The streams are part of the file formats: a resumed run of another build must draw the same numbers. The
 * expected values were computed apart, with Python's hashlib. */
static void test_a_stream_never_changes_between_versions(void **state)
{
  CwRandom *random = cw_random_new(233, "rollout", 1, 2);
  g_autofree char *saved = NULL;
  (void)state;
  assert_int_equal(cw_random_uint32(random), 0x9ca86dfau);
  saved = cw_random_save(random);
  assert_string_equal(saved, "philox4x32-10:3fe0cbd0cede3edb:57734fd37f99a6ae:1");
  cw_random_free(random);
}

static void test_uniform_lies_in_the_half_open_interval_with_the_right_mean(void **state)
{
  CwRandom *random = cw_random_new(1, "test", 0, 0);
  double sum = 0;
  (void)state;
  for (guint i = 0; i < 100000; i++) {
    double u = cw_random_uniform(random);
    assert_true(u >= 0 && u < 1);
    sum += u;
  }
  assert_true(fabs(sum / 100000 - 0.5) < 0.004);
  cw_random_free(random);
}

static void test_normal_has_mean_zero_and_variance_one(void **state)
{
  CwRandom *random = cw_random_new(2, "test", 0, 0);
  double sum = 0, squares = 0, beyond_two = 0;
  (void)state;
  for (guint i = 0; i < 100000; i++) {
    double x = cw_random_normal(random);
    sum += x;
    squares += x * x;
    beyond_two += fabs(x) > 2;
  }
  assert_true(fabs(sum / 100000) < 0.015);
  assert_true(fabs(squares / 100000 - 1) < 0.02);
  assert_true(fabs(beyond_two / 100000 - 0.0455) < 0.003);
  cw_random_free(random);
}

static void test_below_is_even_for_a_limit_that_does_not_divide_two_to_the_32(void **state)
{
  CwRandom *random = cw_random_new(3, "test", 0, 0);
  guint32 limit = 3u << 30; /* without rejection the lower third would come twice as often */
  guint counts[3] = {0};

  (void)state;
  for (guint i = 0; i < 90000; i++) {
    guint32 x = cw_random_below(random, limit);
    assert_true(x < limit);
    counts[x >> 30]++;
  }
  for (guint i = 0; i < 3; i++)
    assert_true(counts[i] > 29300 && counts[i] < 30700);
  assert_int_equal(cw_random_below(random, 1), 0);
  cw_random_free(random);
}

static void test_shuffle_reaches_every_order_equally_often(void **state)
{
  CwRandom *random = cw_random_new(4, "test", 0, 0);
  guint counts[64] = {0}, orders = 0;
  (void)state;
  for (guint i = 0; i < 60000; i++) {
    guint32 items[3] = {0, 1, 2};
    cw_random_shuffle(random, items, 3);
    assert_int_equal((1 << items[0]) | (1 << items[1]) | (1 << items[2]), 7);
    counts[items[0] * 16 + items[1] * 4 + items[2]]++;
  }
  for (guint i = 0; i < 64; i++) {
    if (counts[i] == 0)
      continue;
    orders++;
    assert_true(counts[i] > 9600 && counts[i] < 10400);
  }
  assert_int_equal(orders, 6);
  cw_random_free(random);
}

static void test_categorical_follows_the_softmax_even_of_huge_logits(void **state)
{
  /* weights 1 : 2 : 5 and one that cannot be drawn */
  const float logits[] = {10000.0f, -10000.0f, 10000.0f + 0.6931472f, 10000.0f + 1.609438f};
  CwRandom *random = cw_random_new(5, "test", 0, 0);
  guint counts[4] = {0};

  (void)state;
  for (guint i = 0; i < 80000; i++)
    counts[cw_random_categorical(random, logits, 4)]++;
  assert_int_equal(counts[1], 0);
  assert_in_range(counts[0], 9600, 10400);
  assert_in_range(counts[2], 19400, 20600);
  assert_in_range(counts[3], 49300, 50700);
  cw_random_free(random);
}

static void test_a_saved_stream_continues_from_any_position(void **state)
{
  (void)state;
  for (guint drawn = 0; drawn < 9; drawn++) {
    CwRandom *a = cw_random_new(6, "test", 0, 0), *b = cw_random_new(0, "", 0, 0);
    g_autofree char *saved = NULL;
    for (guint i = 0; i < drawn; i++)
      cw_random_uint32(a);
    saved = cw_random_save(a);
    assert_true(cw_random_load(b, saved));
    for (guint i = 0; i < 9; i++)
      assert_int_equal(cw_random_uint32(a), cw_random_uint32(b));
    cw_random_free(a);
    cw_random_free(b);
  }
}

static void test_load_refuses_what_save_did_not_write_and_leaves_the_stream(void **state)
{
  static const char *const bad[] = {
      "",
      "philox4x32-10",
      "philox4x32-10:0123456789abcdef:0123456789abcdef",
      "philox4x32-10:0123456789abcdef:0123456789abcdef:",
      "philox4x32-10:0123456789abcdef:0123456789abcdef:-1",
      "philox4x32-10:0123456789abcdef:0123456789abcdef:18446744073709551616",
      "philox4x32-10:0123456789abcdef:0123456789abcdef:1x",
      "philox4x32-10:0123456789ABCDEF:0123456789abcdef:1",
      "philox4x32-7:0123456789abcdef:0123456789abcdef:1",
      "philox4x32-10:0123456789abcdef:0123456789abcdef:1:2",
  };
  CwRandom *random = cw_random_new(7, "test", 0, 0);
  g_autofree char *before = cw_random_save(random);

  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_autofree char *after = NULL;
    assert_false(cw_random_load(random, bad[i]));
    after = cw_random_save(random);
    assert_string_equal(after, before);
  }
  assert_true(cw_random_load(random, "philox4x32-10:0123456789abcdef:0123456789abcdef:1"));
  cw_random_free(random);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_philox_gives_its_published_vectors),
      cmocka_unit_test(test_equal_arguments_give_equal_streams),
      cmocka_unit_test(test_each_argument_changes_the_stream),
      cmocka_unit_test(test_a_stream_never_changes_between_versions),
      cmocka_unit_test(test_uniform_lies_in_the_half_open_interval_with_the_right_mean),
      cmocka_unit_test(test_normal_has_mean_zero_and_variance_one),
      cmocka_unit_test(test_below_is_even_for_a_limit_that_does_not_divide_two_to_the_32),
      cmocka_unit_test(test_shuffle_reaches_every_order_equally_often),
      cmocka_unit_test(test_categorical_follows_the_softmax_even_of_huge_logits),
      cmocka_unit_test(test_a_saved_stream_continues_from_any_position),
      cmocka_unit_test(test_load_refuses_what_save_did_not_write_and_leaves_the_stream),
  };

  return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
