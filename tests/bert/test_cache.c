/* The bounded memory of computed floats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "models/bert/cache.h"
#include <cmocka.h>
#include <string.h>

static float *add(BertCache *cache, guint32 key, gsize n, float value)
{
  float *floats = bert_cache_add(cache, &key, sizeof key, n);
  for (gsize i = 0; floats && i < n; i++)
    floats[i] = value;
  return floats;
}

static const float *find(BertCache *cache, guint32 key)
{
  return bert_cache_find(cache, &key, sizeof key, NULL);
}

static void test_what_was_added_is_found(void **state)
{
  (void)state;
  BertCache *cache = bert_cache_new(100000);
  static const char *const keys[] = {"", "a", "b", "a\0b", "eight ch", "eight cha", "eight chb"};
  static const gsize sizes[] = {0, 1, 1, 3, 8, 9, 9};
  for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
    assert_null(bert_cache_find(cache, keys[i], sizes[i], NULL));
    float *floats = bert_cache_add(cache, keys[i], sizes[i], i + 1);
    for (guint k = 0; k <= i; k++)
      floats[k] = (float)i;
  }
  for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
    gsize n;
    const float *floats = bert_cache_find(cache, keys[i], sizes[i], &n);
    assert_non_null(floats);
    assert_int_equal(n, i + 1);
    for (guint k = 0; k <= i; k++)
      assert_true(floats[k] == (float)i);
  }
  bert_cache_clear(cache);
  assert_null(find(cache, 0));
  assert_int_equal(bert_cache_size(cache), 0);
  bert_cache_free(cache);
}

static void test_an_entry_of_the_same_key_is_replaced(void **state)
{
  (void)state;
  BertCache *cache = bert_cache_new(100000);
  add(cache, 7, 4, 1);
  gsize size = bert_cache_size(cache);
  add(cache, 7, 4, 2);
  assert_int_equal(bert_cache_size(cache), size);
  assert_true(find(cache, 7)[3] == 2);
  bert_cache_free(cache);
}

static void test_the_bound_is_kept(void **state)
{
  (void)state;
  BertCache *cache = bert_cache_new(50000);
  for (guint32 key = 0; key < 2000; key++) {
    assert_non_null(add(cache, key, 1 + key * 7 % 300, (float)key));
    assert_true(bert_cache_size(cache) <= 50000);
    assert_true(find(cache, key)[key * 7 % 300] == (float)key);
  }
  assert_true(bert_cache_size(cache) > 40000);
  assert_null(find(cache, 0));
  bert_cache_free(cache);
}

static void test_what_is_used_outlives_what_passes_by(void **state)
{
  (void)state;
  BertCache *cache = bert_cache_new(50000);
  add(cache, 1, 100, 1);
  add(cache, 2, 100, 2);
  for (guint32 key = 10; key < 1000; key++) {
    add(cache, key, 100, 0);
    assert_non_null(find(cache, 1));
  }
  assert_null(find(cache, 2));
  bert_cache_free(cache);
}

static void test_what_would_fill_the_cache_is_not_kept(void **state)
{
  (void)state;
  BertCache *cache = bert_cache_new(8000), *off = bert_cache_new(0);
  add(cache, 1, 10, 1);
  assert_null(add(cache, 2, 300, 1));
  assert_non_null(find(cache, 1));
  assert_null(add(off, 1, 1, 1));
  assert_null(find(off, 1));
  bert_cache_free(cache);
  bert_cache_free(off);
  bert_cache_free(NULL);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_what_was_added_is_found),
      cmocka_unit_test(test_an_entry_of_the_same_key_is_replaced),
      cmocka_unit_test(test_the_bound_is_kept),
      cmocka_unit_test(test_what_is_used_outlives_what_passes_by),
      cmocka_unit_test(test_what_would_fill_the_cache_is_not_kept),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
