/* bf16 numbers and their products, of every table that this processor can run and of AVX512_BF16's with its
 * instruction done in plain C. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/bert_cpu/fixture.h"
#include "tests/kernels/emulated_amx.h"
#include <cmocka.h>
#include <math.h>
#include <string.h>

extern const BertKernels bert_kernels_wide_bf16; /* wide_bf16.c */

static guint n_tables;
static const BertKernels *tables[8];
static BertKernels emulated_amx;

static void find_tables(void)
{
  static const char *const names[] = {"generic", "avx2", "avx512", "avx512_bf16", "amx"};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    const BertKernels *kernels = bert_kernels_named(names[i]);
    if (kernels)
      tables[n_tables++] = kernels;
  }
  tables[n_tables++] = &bert_kernels_wide;
  tables[n_tables++] = &bert_kernels_wide_bf16;
  emulated_amx = emulated_amx_make();
  tables[n_tables++] = &emulated_amx;
}

static float as_float(guint32 bits)
{
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static void test_rounding_is_to_nearest_even_and_flushes_nothing(void **state)
{
  (void)state;
  static const struct {
    guint32 bits;
    BertBf16 bf16;
  } cases[] = {
      {0x3f800000, 0x3f80},                       /* 1 */
      {0x3f808000, 0x3f80},                       /* half way, even below */
      {0x3f818000, 0x3f82},                       /* half way, even above */
      {0x3f808001, 0x3f81},                       /* past half way */
      {0x3f807fff, 0x3f80},                       /* short of it */
      {0xbf818000, 0xbf82}, {0x80000000, 0x8000}, /* -0 */
      {0x00008000, 0x0000},                       /* a subnormal half way to the smallest bf16 */
      {0x00008001, 0x0001}, {0x007fffff, 0x0080}, /* the largest subnormal becomes normal */
      {0x7f7fffff, 0x7f80},                       /* the largest float is nearer to infinity */
      {0x7f7f7fff, 0x7f7f}, {0x7f800000, 0x7f80}, {0xff800000, 0xff80},
      {0x7fc00000, 0x7fc0}, {0x7f800001, 0x7fc0}, /* NaN stays NaN, also where its bits would round away */
      {0xffffffff, 0xffff}};
  /* All cases in turn, and each by itself: a subnormal number sends its whole vector another way. */
  enum { N_CASES = G_N_ELEMENTS(cases), N = 3 * N_CASES };
  float x[N], back[N];
  BertBf16 bf16[N];
  for (guint run = 0; run < n_tables * (N_CASES + 1); run++) {
    const BertKernels *table = tables[run / (N_CASES + 1)];
    guint alone = run % (N_CASES + 1);
    for (guint i = 0; i < N; i++)
      x[i] = as_float(cases[alone < N_CASES ? alone : i % N_CASES].bits);
    table->to_bf16(N, x, bf16);
    table->from_bf16(N, bf16, back);
    for (guint i = 0; i < N; i++) {
      guint which = alone < N_CASES ? alone : i % N_CASES;
      guint32 bits = 0;
      if (bf16[i] != cases[which].bf16)
        fail_msg("%s: %08x became %04x, not %04x", table->name, cases[which].bits, bf16[i],
                 cases[which].bf16);
      memcpy(&bits, &back[i], sizeof bits);
      assert_int_equal(bits, (guint32)bf16[i] << 16);
    }
  }
}

/* n random bf16 numbers, and the same as floats. */
static BertBf16 *make_bf16(gsize n, guint64 index, float **floats)
{
  *floats = fixture_floats(n, index);
  BertBf16 *bf16 = g_new(BertBf16, n + 1);
  bert_kernels()->to_bf16(n, *floats, bf16);
  bert_kernels()->from_bf16(n, bf16, *floats);
  return bf16;
}

typedef struct {
  gsize m, n, k;
} Size;

static const Size sizes[] = {{1, 1, 1},      {6, 16, 8},    {7, 17, 3},   {12, 32, 64},
                             {13, 33, 65},   {5, 2, 300},   {97, 48, 31}, {100, 70, 257},
                             {193, 40, 513}, {3, 129, 128}, {24, 64, 0}};

static void check_product(const BertKernels *kernels, Size size, gboolean transposed_a, gboolean transposed_b)
{
  gsize m = size.m, n = size.n, k = size.k, stride = n + 3;
  BertWorkspace *workspace = bert_workspace_new();
  float *a, *b, *bias = fixture_floats(n, 3), *start = fixture_floats(m * stride, 4);
  BertBf16 *bf16_a = make_bf16(m * k, 1, &a), *bf16_b = make_bf16(k * n, 2, &b);
  float *c = g_new(float, m *stride), *expected = g_new(float, m *stride);
  float *scratch = bert_take(workspace, float, kernels->gemm_scratch);
  BertBf16 *packed = bert_take(workspace, BertBf16, kernels->packed_bf16_size(k, n));
  BertView a_view = transposed_a ? bert_transposed(a, m) : bert_rows(a, k);
  BertView b_view = transposed_b ? bert_transposed(b, k) : bert_rows(b, n);
  BertBf16View bf16_a_view = transposed_a ? bert_bf16_transposed(bf16_a, m) : bert_bf16_rows(bf16_a, k);
  BertBf16View bf16_b_view = transposed_b ? bert_bf16_transposed(bf16_b, k) : bert_bf16_rows(bf16_b, n);
  gsize n_panels = (n + kernels->panel_columns - 1) / kernels->panel_columns;
  for (gsize panel = 0; panel < n_panels; panel++) /* in any portions */
    kernels->pack_bf16(k, n, b_view, panel, panel + 1, packed);
  BertBf16 *packed_again = bert_take(workspace, BertBf16, kernels->packed_bf16_size(k, n));
  kernels->repack_bf16(k, n, bf16_b_view, 0, n_panels, packed_again);
  assert_memory_equal(packed_again, packed, kernels->packed_bf16_size(k, n) * sizeof *packed);
  for (int mode = 0; mode < 6; mode++) { /* plain, bias, accumulate; b as a view or packed */
    const float *added = mode / 2 == 1 ? bias : NULL;
    gboolean accumulate = mode / 2 == 2;
    memcpy(c, start, m * stride * sizeof *c);
    memcpy(expected, start, m * stride * sizeof *c);
    kernels->gemm(m, n, k, a_view, b_view, expected, stride, added, accumulate, scratch);
    if (mode % 2)
      kernels->gemm_bf16_packed(m, n, k, bf16_a_view, packed, c, stride, added, accumulate, scratch);
    else
      kernels->gemm_bf16(m, n, k, bf16_a_view, bf16_b_view, c, stride, added, accumulate, scratch);
    if (!kernels->has_bf16) {
      assert_memory_equal(c, expected, m * stride * sizeof *c);
      continue;
    }
    for (gsize i = 0; i < m * stride; i++)
      if (i % stride >= n ? c[i] != start[i] : !(fabsf(c[i] - expected[i]) <= 2e-6f * (1 + (float)k)))
        fail_msg("%s, %zu x %zu x %zu, mode %d, at %zu: %g, not %g", kernels->name, m, n, k, mode, i,
                 (double)c[i], (double)expected[i]);
  }
  g_free(a);
  g_free(b);
  g_free(bf16_a);
  g_free(bf16_b);
  g_free(bias);
  g_free(start);
  g_free(c);
  g_free(expected);
  bert_workspace_free(workspace);
}

static void test_products_are_those_of_the_same_numbers_as_floats(void **state)
{
  (void)state;
  for (guint t = 0; t < n_tables; t++)
    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++)
      for (int form = 0; form < 4; form++)
        check_product(tables[t], sizes[i], form & 1, form & 2);
}

static void test_products_do_not_depend_on_how_rows_and_columns_are_divided(void **state)
{
  (void)state;
  gsize m = 61, n = 96, k = 301;
  float *a, *b;
  BertBf16 *bf16_a = make_bf16(m * k, 1, &a), *bf16_b = make_bf16(k * n, 2, &b);
  for (guint t = 0; t < n_tables; t++) {
    const BertKernels *kernels = tables[t];
    BertWorkspace *workspace = bert_workspace_new();
    float *whole = bert_take(workspace, float, m *n), *parts = bert_take(workspace, float, m *n);
    float *scratch = bert_take(workspace, float, kernels->gemm_scratch);
    kernels->gemm_bf16(m, n, k, bert_bf16_rows(bf16_a, k), bert_bf16_rows(bf16_b, n), whole, n, NULL, FALSE,
                       scratch);
    static const gsize cuts[] = {0, 1, 8, 20, 61};
    for (guint i = 0; i + 1 < G_N_ELEMENTS(cuts); i++)
      for (gsize j = 0; j < n; j += 24)
        kernels->gemm_bf16(cuts[i + 1] - cuts[i], 24, k, bert_bf16_rows(bf16_a + cuts[i] * k, k),
                           bert_bf16_rows(bf16_b + j, n), parts + cuts[i] * n + j, n, NULL, FALSE, scratch);
    assert_memory_equal(whole, parts, m * n * sizeof *whole);
    bert_workspace_free(workspace);
  }
  g_free(a);
  g_free(b);
  g_free(bf16_a);
  g_free(bf16_b);
}

/* What VDPBF16PS does and a float product does not: the odd k first, each addition rounded, subnormals as
 * zero. */
static void test_pairs_are_added_as_the_instruction_adds_them(void **state)
{
  (void)state;
  const BertKernels *kernels = &bert_kernels_wide_bf16;
  BertWorkspace *workspace = bert_workspace_new();
  float *scratch = bert_take(workspace, float, kernels->gemm_scratch), c = 0;
  /* 1 + 2^-24 stays 1; 2^-24 + 2^-24 + 1 does not. */
  float bias = 1, tiny[] = {0x1p-24f, 0x1p-24f}, one[] = {1, 1}, rising[] = {0x1p-24f, 1, 0x1p-24f, 0};
  float subnormal[] = {0x1p-130f, 0}, small[] = {0x1p-64f, 0}, smaller[] = {0x1p-66f, 0};
  BertBf16 a[4], b[4];
#define PRODUCT(k, x, y, start)                                                                              \
  kernels->to_bf16(k, x, a);                                                                                 \
  kernels->to_bf16(k, y, b);                                                                                 \
  kernels->gemm_bf16(1, 1, k, bert_bf16_rows(a, k), bert_bf16_rows(b, 1), &c, 1, start, FALSE, scratch);
  PRODUCT(2, tiny, one, &bias)
  assert_true(c == 1);
  float ones[] = {1, 1, 1, 1};
  PRODUCT(4, rising, ones, NULL) /* 1 comes first, then 2^-24 is lost twice */
  assert_true(c == 1);
  PRODUCT(2, subnormal, one, NULL)
  assert_true(c == 0);
  PRODUCT(2, small, smaller, NULL) /* the product is 2^-130 */
  assert_true(c == 0);
  kernels = &bert_kernels_wide; /* floats keep both */
  PRODUCT(2, subnormal, one, NULL)
  assert_true(c == 0x1p-130f);
  PRODUCT(2, small, smaller, NULL)
  assert_true(c == 0x1p-130f);
#undef PRODUCT
  bert_workspace_free(workspace);
}

static void test_rows_are_added_one_after_the_other(void **state)
{
  (void)state;
  enum { ROWS = 13, N = 75, STRIDE = N + 4 };
  float *rows;
  g_autofree BertBf16 *bf16 = make_bf16(ROWS * STRIDE, 5, &rows);
  for (guint t = 0; t < n_tables; t++) {
    g_autofree float *sums = fixture_floats(N, 6), *expected = fixture_floats(N, 6);
    for (gsize row = 0; row < ROWS; row++)
      tables[t]->add(N, rows + row * STRIDE, expected);
    tables[t]->add_rows_bf16(ROWS, N, bf16, STRIDE, sums);
    assert_memory_equal(sums, expected, N * sizeof *sums);
  }
  g_free(rows);
}

static void test_affine_is_the_end_of_layer_norm(void **state)
{
  (void)state;
  for (guint t = 0; t < n_tables; t++)
    for (gsize n = 1; n < 400; n += 29) {
      float *x = fixture_floats(n, 1), *residual = fixture_floats(n, 2), *weight = fixture_floats(n, 3);
      float *bias = fixture_floats(n, 4), *normalised = g_new(float, n), *output = g_new(float, n);
      float *again = g_new(float, n);
      tables[t]->layer_norm(n, x, residual, weight, bias, 1e-12f, normalised, output);
      tables[t]->affine(n, normalised, weight, bias, again);
      assert_memory_equal(output, again, n * sizeof *output);
      float *const all[] = {x, residual, weight, bias, normalised, output, again};
      for (guint i = 0; i < G_N_ELEMENTS(all); i++)
        g_free(all[i]);
    }
}

static void test_only_the_tables_with_the_instruction_say_so(void **state)
{
  (void)state;
  for (guint t = 0; t < n_tables; t++)
    assert_int_equal(tables[t]->has_bf16,
                     g_str_has_suffix(tables[t]->name, "bf16") || g_str_has_suffix(tables[t]->name, "amx"));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rounding_is_to_nearest_even_and_flushes_nothing),
      cmocka_unit_test(test_products_are_those_of_the_same_numbers_as_floats),
      cmocka_unit_test(test_products_do_not_depend_on_how_rows_and_columns_are_divided),
      cmocka_unit_test(test_pairs_are_added_as_the_instruction_adds_them),
      cmocka_unit_test(test_rows_are_added_one_after_the_other),
      cmocka_unit_test(test_affine_is_the_end_of_layer_norm),
      cmocka_unit_test(test_only_the_tables_with_the_instruction_say_so),
  };
  find_tables();
  return cmocka_run_group_tests(tests, NULL, NULL);
}
