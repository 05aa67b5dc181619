/* The products of AMX with its tile instructions in plain C: bit for bit what the order of additions says,
 * and what the compiled kernel packs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/bert_cpu/fixture.h"
#include "tests/kernels/emulated_amx.h"
#include <cmocka.h>
#include <math.h>
#include <string.h>

static BertKernels kernels;

static guint32 bits_of(float x)
{
  guint32 bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

static float float_of_bits(guint32 bits)
{
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static float flushed(float x)
{
  return fabsf(x) < 0x1p-126f ? copysignf(0, x) : x;
}

static float number(BertBf16 bf16)
{
  return flushed(float_of_bits((guint32)bf16 << 16));
}

/* The definition: `start`, then for every 32 k the chain of even k plus the chain of odd k. */
static float element(gsize k, const BertBf16 *a, ptrdiff_t a_stride, const BertBf16 *b, ptrdiff_t b_stride,
                     float start)
{
  float sum = start;
  for (gsize p0 = 0; p0 < k; p0 += 32) {
    float chains[2] = {0, 0};
    for (gsize p = p0; p < p0 + 32; p++) { /* what is missing is 0 */
      float x = p < k ? number(a[(ptrdiff_t)p * a_stride]) : 0,
            y = p < k ? number(b[(ptrdiff_t)p * b_stride]) : 0;
      chains[p % 2] = flushed(fmaf(x, y, chains[p % 2]));
    }
    sum = flushed(flushed(sum) + flushed(chains[0] + chains[1]));
  }
  return sum;
}

/* Numbers of [-1, 1]; with `odd`, of every fourth the kinds that products treat in a way of their own. */
static BertBf16 *make_numbers(gsize n, guint64 index, gboolean odd)
{
  static const BertBf16 kinds[] = {0x0000, 0x8000, 0x7f80, 0xff80, 0x7fc0, 0x7f81, 0x0001, 0x807f,
                                   0x0080, 0x8080, 0x7f7f, 0xff7f, 0x2000, 0x1f80, 0x5f80, 0xdf80};
  g_autofree float *floats = fixture_floats(n, index), *dice = fixture_floats(n, index + 100);
  BertBf16 *numbers = g_new(BertBf16, n + 1);
  kernels.to_bf16(n, floats, numbers);
  for (gsize i = 0; odd && i < n; i++)
    if (fabsf(floats[i]) < 0.25f)
      numbers[i] = kinds[(gsize)(fabsf(dice[i]) * 1e6f) % G_N_ELEMENTS(kinds)];
  return numbers;
}

typedef struct {
  gsize m, n, k;
} Size;

/* Rows of `rows` numbers that lie `stride` apart; what stands between is NaN, which no result may show. */
static BertBf16 *with_gaps(gsize n_rows, gsize length, gsize stride, const BertBf16 *numbers)
{
  BertBf16 *wide = g_new(BertBf16, n_rows * stride + 1);
  for (gsize i = 0; i < n_rows * stride; i++)
    wide[i] = i % stride < length ? numbers[i / stride * length + i % stride] : 0x7fc0;
  return wide;
}

static void assert_element(Size size, int mode, gsize i, gsize j, float found, float expected)
{
  if (isnan(expected) ? !isnan(found) : bits_of(found) != bits_of(expected))
    fail_msg("%zu x %zu x %zu, mode %d, row %zu, column %zu: %08x (%g), not %08x (%g)", size.m, size.n,
             size.k, mode, i, j, bits_of(found), (double)found, bits_of(expected), (double)expected);
}

/* Modes: right side packed or a view; from zero, the bias, or what is there; left side transposed or not. */
static void check_product(Size size, gboolean odd)
{
  gsize m = size.m, n = size.n, k = size.k, c_stride = n + 5;
  g_autofree BertBf16 *dense_a = make_numbers(m * k, 1, odd), *dense_b = make_numbers(k * n, 2, odd);
  g_autofree BertBf16 *a = with_gaps(m, k, k + 3, dense_a), *b = with_gaps(k, n, n + 1, dense_b);
  g_autofree BertBf16 *transposed = g_new(BertBf16, m * k + 1);
  g_autofree float *bias = fixture_floats(n, 3), *start = fixture_floats(m * c_stride, 4);
  g_autofree float *c = g_new(float, m *c_stride);
  BertWorkspace *workspace = bert_workspace_new();
  float *scratch = bert_take(workspace, float, kernels.gemm_scratch);
  BertBf16 *packed = bert_take(workspace, BertBf16, kernels.packed_bf16_size(k, n));
  kernels.repack_bf16(k, n, bert_bf16_rows(b, n + 1), 0, (n + 31) / 32, packed);
  for (gsize i = 0; i < m * k; i++)
    transposed[i % k * m + i / k] = dense_a[i];
  if (odd && n > 2)
    bias[0] = 0x1p-130f, bias[1] = NAN, bias[2] = -INFINITY;
  for (int mode = 0; mode < 12; mode++) {
    const float *added = mode / 2 % 3 == 1 ? bias : NULL;
    gboolean accumulate = mode / 2 % 3 == 2;
    BertBf16View left = mode >= 6 ? bert_bf16_transposed(transposed, m) : bert_bf16_rows(a, k + 3);
    memcpy(c, start, m * c_stride * sizeof *c);
    if (mode % 2)
      kernels.gemm_bf16_packed(m, n, k, left, packed, c, c_stride, added, accumulate, scratch);
    else
      kernels.gemm_bf16(m, n, k, left, bert_bf16_rows(b, n + 1), c, c_stride, added, accumulate, scratch);
    for (gsize i = 0; i < m; i++)
      for (gsize j = 0; j < c_stride; j++) {
        float first = accumulate ? start[i * c_stride + j] : added && j < n ? bias[j] : 0;
        float expected =
            j < n ? element(k, a + i * (k + 3), 1, b + j, (ptrdiff_t)n + 1, first) : start[i * c_stride + j];
        assert_element(size, mode, i, j, c[i * c_stride + j], expected);
      }
  }
  bert_workspace_free(workspace);
}

static void test_an_element_is_its_chain_to_the_bit(void **state)
{
  (void)state;
  static const Size sizes[] = {{1, 1, 1},    {15, 31, 31},  {16, 32, 32}, {17, 33, 33}, {31, 16, 64},
                               {33, 17, 65}, {40, 48, 100}, {50, 1, 385}, {2, 34, 800}, {65, 3, 2},
                               {97, 32, 31}, {5, 64, 0},    {16, 15, 96}, {600, 2, 3},  {32, 18, 63}};
  for (guint i = 0; i < G_N_ELEMENTS(sizes); i++)
    check_product(sizes[i], FALSE);
}

static void test_numbers_that_are_not_ordinary_keep_to_it(void **state)
{
  (void)state;
  static const Size sizes[] = {{16, 32, 32}, {19, 37, 45}, {33, 16, 97}, {3, 5, 400}};
  for (guint i = 0; i < G_N_ELEMENTS(sizes); i++)
    check_product(sizes[i], TRUE);
}

/* What the order means: 2^-24 next to 1 is lost alone, and counts twice where two come first. */
static void test_even_and_odd_are_added_apart(void **state)
{
  (void)state;
  BertBf16 a[34] = {0}, b[34];
  float bias = 1, c;
  BertWorkspace *workspace = bert_workspace_new();
  float *scratch = bert_take(workspace, float, kernels.gemm_scratch);
  for (guint i = 0; i < G_N_ELEMENTS(b); i++)
    b[i] = 0x3f80;
#define PRODUCT()                                                                                            \
  kernels.gemm_bf16(1, 1, 34, bert_bf16_rows(a, 34), bert_bf16_rows(b, 1), &c, 1, &bias, FALSE, scratch)
  a[0] = 0x3380; /* 2^-24, even */
  PRODUCT();
  assert_true(c == 1);
  a[1] = 0x3380; /* odd: the two meet before the 1 */
  PRODUCT();
  assert_true(c == 1 + 0x1p-23f);
  a[1] = 0;
  a[2] = 0x3380; /* even: as well */
  PRODUCT();
  assert_true(c == 1 + 0x1p-23f);
  a[2] = 0;
  a[32] = 0x3380; /* the next step: each is lost by itself */
  PRODUCT();
  assert_true(c == 1);
#undef PRODUCT
  bert_workspace_free(workspace);
}

static void test_products_are_near_those_in_double(void **state)
{
  (void)state;
  gsize m = 37, n = 41, k = 500;
  g_autofree BertBf16 *a = make_numbers(m * k, 7, FALSE), *b = make_numbers(k * n, 8, FALSE);
  g_autofree float *c = g_new(float, m *n);
  BertWorkspace *workspace = bert_workspace_new();
  float *scratch = bert_take(workspace, float, kernels.gemm_scratch);
  kernels.gemm_bf16(m, n, k, bert_bf16_rows(a, k), bert_bf16_rows(b, n), c, n, NULL, FALSE, scratch);
  for (gsize i = 0; i < m; i++)
    for (gsize j = 0; j < n; j++) {
      double sum = 0, size = 0;
      for (gsize p = 0; p < k; p++) {
        double term = (double)number(a[i * k + p]) * (double)number(b[p * n + j]);
        sum += term;
        size += fabs(term);
      }
      /* 2^-24 for each of the additions that an element goes through: 16 in a step, two at its end. */
      assert_true(fabs(c[i * n + j] - sum) <= size * 0x1p-24 * (16 + 2 * 16));
    }
  bert_workspace_free(workspace);
}

static void test_rounded_and_activated_results_are_those_of_single_steps(void **state)
{
  (void)state;
  static const Size sizes[] = {{1, 1, 1},     {33, 50, 65},  {40, 64, 385}, {97, 31, 800},
                               {600, 33, 40}, {48, 96, 384}, {5, 40, 0}};
  for (guint i = 0; i < G_N_ELEMENTS(sizes); i++)
    for (int with_bias = 0; with_bias < 2; with_bias++) {
      gsize m = sizes[i].m, n = sizes[i].n, k = sizes[i].k;
      g_autofree BertBf16 *a = make_numbers(m * k, 1, FALSE), *b = make_numbers(k * n, 2, FALSE);
      g_autofree float *c = g_new(float, m *n), *numbers = fixture_floats(n, 3);
      const float *bias = with_bias ? numbers : NULL;
      g_autofree BertBf16 *expected = g_new(BertBf16, m * n), *rounded = g_new0(BertBf16, m * n);
      g_autofree BertBf16 *expected_activated = g_new(BertBf16, m * n), *activated = g_new0(BertBf16, m * n);
      BertWorkspace *workspace = bert_workspace_new();
      float *scratch = bert_take(workspace, float, kernels.gemm_scratch);
      BertBf16 *packed = bert_take(workspace, BertBf16, kernels.packed_bf16_size(k, n));
      kernels.repack_bf16(k, n, bert_bf16_rows(b, n), 0, (n + 31) / 32, packed);
      kernels.gemm_bf16_packed(m, n, k, bert_bf16_rows(a, k), packed, c, n, bias, FALSE, scratch);
      kernels.to_bf16(m * n, c, expected);
      kernels.from_bf16(m * n, expected, c);
      kernels.gelu(m * n, c, c, NULL);
      kernels.to_bf16(m * n, c, expected_activated);
      BertBf16View left = bert_bf16_rows(a, k);
      kernels.gemm_bf16_rounded(m, n, k, left, packed, bias, rounded, NULL, NULL, scratch);
      assert_memory_equal(rounded, expected, m * n * sizeof *rounded);
      kernels.gemm_bf16_rounded(m, n, k, left, packed, bias, NULL, kernels.gelu, activated, scratch);
      assert_memory_equal(activated, expected_activated, m * n * sizeof *activated);
      memset(activated, 0, m * n * sizeof *activated);
      memset(rounded, 0, m * n * sizeof *rounded);
      kernels.gemm_bf16_rounded(m, n, k, left, packed, bias, rounded, kernels.gelu, activated, scratch);
      assert_memory_equal(rounded, expected, m * n * sizeof *rounded);
      assert_memory_equal(activated, expected_activated, m * n * sizeof *activated);
      bert_workspace_free(workspace);
    }
}

/* The source's other build, for processors with AMX: packing runs on any with AVX512_BF16. */
static void test_the_compiled_kernel_packs_alike(void **state)
{
  (void)state;
#if defined(__x86_64__) && defined(__linux__) && __GNUC__ >= 11 && !defined(__clang__)
  void bert_kernels_use_tiles(BertKernels * table);
  const BertKernels *base = bert_kernels_named("avx512_bf16");
  if (!base)
    skip();
  BertKernels compiled = *base;
  bert_kernels_use_tiles(&compiled);
  assert_string_equal(compiled.name, "amx");
  static const Size sizes[] = {{0, 32, 32}, {0, 50, 97}, {0, 64, 64}, {0, 1, 1}};
  for (guint i = 0; i < G_N_ELEMENTS(sizes); i++)
    for (int form = 0; form < 4; form++) {
      gsize n = sizes[i].n, k = sizes[i].k, size = kernels.packed_bf16_size(k, n), last = (n + 31) / 32;
      g_autofree float *floats = fixture_floats(k * n, 1);
      g_autofree BertBf16 *numbers = make_numbers(k * n, 1, TRUE);
      g_autofree BertBf16 *plain = g_new0(BertBf16, size), *fast = g_new0(BertBf16, size);
      assert_int_equal(compiled.packed_bf16_size(k, n), size);
      BertView view = form & 1 ? bert_transposed(floats, k) : bert_rows(floats, n);
      BertBf16View bf16 = form & 1 ? bert_bf16_transposed(numbers, k) : bert_bf16_rows(numbers, n);
      if (form & 2) {
        kernels.pack_bf16(k, n, view, 0, last, plain);
        compiled.pack_bf16(k, n, view, 0, last, fast);
      } else {
        kernels.repack_bf16(k, n, bf16, 0, last, plain);
        compiled.repack_bf16(k, n, bf16, 0, last, fast);
      }
      assert_memory_equal(plain, fast, size * sizeof *plain);
    }
#else
  skip();
#endif
}

static void test_where_there_is_no_amx_the_reason_is_given(void **state)
{
  (void)state;
  const char *obstacle = bert_kernels_obstacle("amx");
  if (bert_kernels_named("amx"))
    assert_null(obstacle);
  else
    assert_true(strstr(obstacle, "AMX") || strstr(obstacle, "this build"));
  assert_null(bert_kernels_obstacle("generic"));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_an_element_is_its_chain_to_the_bit),
      cmocka_unit_test(test_numbers_that_are_not_ordinary_keep_to_it),
      cmocka_unit_test(test_even_and_odd_are_added_apart),
      cmocka_unit_test(test_products_are_near_those_in_double),
      cmocka_unit_test(test_rounded_and_activated_results_are_those_of_single_steps),
      cmocka_unit_test(test_the_compiled_kernel_packs_alike),
      cmocka_unit_test(test_where_there_is_no_amx_the_reason_is_given),
  };
  kernels = emulated_amx_make();
  return cmocka_run_group_tests(tests, NULL, NULL);
}
