/* Every table of kernels that this processor can run against plain loops in double precision. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/bert_cpu/fixture.h"
#include <cmocka.h>
#include <math.h>
#include <string.h>

extern const BertKernels bert_kernels_wide, bert_kernels_wide_bf16; /* wide.c, wide_bf16.c */

static guint n_tables;
static const BertKernels *tables[6];

static void find_tables(void)
{
  static const char *const names[] = {"generic", "avx2", "avx512", "avx512_bf16"};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    const BertKernels *kernels = bert_kernels_named(names[i]);
    if (kernels)
      tables[n_tables++] = kernels;
  }
  tables[n_tables++] = &bert_kernels_wide;
  tables[n_tables++] = &bert_kernels_wide_bf16;
}

static void assert_close(const BertKernels *kernels, const char *what, gsize i, double found, double expected,
                         double tolerance)
{
  if (!(fabs(found - expected) <= tolerance))
    fail_msg("%s, %s %zu: %.9g, not %.9g", kernels->name, what, i, found, expected);
}

/* Memory as the kernels expect it. */
static float *aligned_floats(BertWorkspace *workspace, gsize n, guint64 index)
{
  float *to = bert_take(workspace, float, n), *from = fixture_floats(n, index);
  memcpy(to, from, n * sizeof *to);
  g_free(from);
  return to;
}

typedef struct {
  gsize m, n, k;
} Size;

static const Size sizes[] = {{1, 1, 1},      {6, 16, 8},     {7, 17, 3},    {12, 32, 64},
                             {13, 33, 65},   {5, 2, 300},    {97, 48, 31},  {15, 15, 32},
                             {100, 70, 257}, {193, 40, 513}, {3, 129, 128}, {24, 64, 0}};

static void check_product(const BertKernels *kernels, Size size, gboolean transposed_a, gboolean transposed_b)
{
  BertWorkspace *workspace = bert_workspace_new();
  gsize m = size.m, n = size.n, k = size.k, stride = n + 3;
  float *a = aligned_floats(workspace, m * k, 1), *b = aligned_floats(workspace, k * n, 2);
  float *bias = aligned_floats(workspace, n, 3), *start = aligned_floats(workspace, m * stride, 4);
  float *c = bert_take(workspace, float, m *stride),
        *scratch = bert_take(workspace, float, kernels->gemm_scratch);
  float *packed = bert_take(workspace, float, kernels->packed_size(k, n));
  BertView a_view = transposed_a ? bert_transposed(a, m) : bert_rows(a, k);
  BertView b_view = transposed_b ? bert_transposed(b, k) : bert_rows(b, n);
  kernels->pack(k, n, b_view, 0, (n + kernels->panel_columns - 1) / kernels->panel_columns, packed);
  for (int mode = 0; mode < 6; mode++) { /* plain, bias, accumulate; b as a view or packed */
    const float *added = mode / 2 == 1 ? bias : NULL;
    gboolean accumulate = mode / 2 == 2;
    memcpy(c, start, m * stride * sizeof *c);
    if (mode % 2)
      kernels->gemm_packed(m, n, k, a_view, packed, c, stride, added, accumulate, scratch);
    else
      kernels->gemm(m, n, k, a_view, b_view, c, stride, added, accumulate, scratch);
    for (gsize i = 0; i < m; i++) {
      for (gsize j = 0; j < n; j++) {
        double expected = accumulate ? start[i * stride + j] : added ? bias[j] : 0, scale = fabs(expected);
        for (gsize p = 0; p < k; p++) {
          double term =
              (double)a_view.data[(ptrdiff_t)i * a_view.row_stride + (ptrdiff_t)p * a_view.column_stride] *
              b_view.data[(ptrdiff_t)p * b_view.row_stride + (ptrdiff_t)j * b_view.column_stride];
          expected += term;
          scale += fabs(term);
        }
        assert_close(kernels, "product", i * n + j, c[i * stride + j], expected, 1e-6 * (scale + 1e-3));
      }
      for (gsize j = n; j < stride; j++)
        assert_true(c[i * stride + j] == start[i * stride + j]); /* nothing outside the matrix is written */
    }
  }
  bert_workspace_free(workspace);
}

static void test_products_match_plain_loops(void **state)
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
  gsize m = 61, n = 96, k = 300;
  for (guint t = 0; t < n_tables; t++) {
    const BertKernels *kernels = tables[t];
    BertWorkspace *workspace = bert_workspace_new();
    float *a = aligned_floats(workspace, m * k, 1), *b = aligned_floats(workspace, k * n, 2);
    float *whole = bert_take(workspace, float, m *n), *parts = bert_take(workspace, float, m *n);
    float *scratch = bert_take(workspace, float, kernels->gemm_scratch);
    kernels->gemm(m, n, k, bert_rows(a, k), bert_rows(b, n), whole, n, NULL, FALSE, scratch);
    static const gsize cuts[] = {0, 1, 8, 20, 61};
    for (guint i = 0; i + 1 < G_N_ELEMENTS(cuts); i++)
      for (gsize j = 0; j < n; j += 24)
        kernels->gemm(cuts[i + 1] - cuts[i], 24, k, bert_rows(a + cuts[i] * k, k), bert_rows(b + j, n),
                      parts + cuts[i] * n + j, n, NULL, FALSE, scratch);
    assert_memory_equal(whole, parts, m * n * sizeof *whole);
    bert_workspace_free(workspace);
  }
}

static void test_layer_norm_and_its_gradient(void **state)
{
  (void)state;
  static const gsize lengths[] = {1, 7, 24, 128, 385};
  for (guint t = 0; t < n_tables; t++)
    for (guint l = 0; l < G_N_ELEMENTS(lengths); l++) {
      gsize n = lengths[l];
      float *x = fixture_floats(n, 1), *residual = fixture_floats(n, 2), *weight = fixture_floats(n, 3);
      float *bias = fixture_floats(n, 4), *d_output = fixture_floats(n, 5), *d_weight = fixture_floats(n, 6);
      float *d_bias = g_memdup2(d_weight, n * sizeof *d_weight),
            *before = g_memdup2(d_weight, n * sizeof *d_weight);
      float *normalised = g_new(float, n), *output = g_new(float, n), *d_x = g_new(float, n);
      double mean = 0, variance = 0, total = 0, projection = 0;
      for (gsize i = 0; i < n; i++)
        mean += (x[i] + residual[i]) / (double)n;
      for (gsize i = 0; i < n; i++)
        variance += pow(x[i] + residual[i] - mean, 2) / (double)n;
      double inverse = 1 / sqrt(variance + 0.01);
      float found = tables[t]->layer_norm(n, x, residual, weight, bias, 0.01f, normalised, output);
      assert_close(tables[t], "inverse", n, found, inverse, 1e-5 * inverse);
      tables[t]->layer_norm_backward(n, d_output, normalised, weight, found, d_x, d_weight, d_bias);
      for (gsize i = 0; i < n; i++) {
        double value = (x[i] + residual[i] - mean) * inverse;
        assert_close(tables[t], "normalised", i, normalised[i], value, 1e-5);
        assert_close(tables[t], "output", i, output[i], value * weight[i] + bias[i], 1e-5);
        assert_close(tables[t], "d_weight", i, d_weight[i], before[i] + d_output[i] * value, 1e-5);
        assert_close(tables[t], "d_bias", i, d_bias[i], before[i] + d_output[i], 1e-6);
        total += d_output[i] * weight[i] / (double)n;
        projection += d_output[i] * weight[i] * value / (double)n;
      }
      for (gsize i = 0; i < n; i++)
        assert_close(tables[t], "d_x", i, d_x[i],
                     inverse * (d_output[i] * weight[i] - total - normalised[i] * projection), 1e-4);
      float *const all[] = {x,      residual, weight,     bias,   d_output, d_weight,
                            d_bias, before,   normalised, output, d_x};
      for (guint i = 0; i < G_N_ELEMENTS(all); i++)
        g_free(all[i]);
    }
}

static void test_softmax_and_its_gradient(void **state)
{
  (void)state;
  for (guint t = 0; t < n_tables; t++)
    for (gsize n = 1; n < 70; n += 1 + n / 20) {
      float *x = fixture_floats(n, n), *d = fixture_floats(n, 99), *p = g_new(float, n);
      for (gsize i = 0; i < n; i++)
        p[i] = x[i] *= 40;
      if (n > 3)
        p[2] = x[2] = -1000; /* underflows without harm */
      float *d_x = g_memdup2(d, n * sizeof *d);
      /* A padded row, with rubbish in the padding. */
      gsize padded = (n + BERT_ROW_PADDING - 1) / BERT_ROW_PADDING * BERT_ROW_PADDING;
      float *row = g_new(float, padded), *d_row = g_new0(float, padded);
      for (gsize i = 0; i < padded; i++) {
        row[i] = i < n ? x[i] : NAN;
        d_row[i] = i < n ? d[i] : NAN;
      }
      tables[t]->softmax_padded(n, padded, 0.25f, row);
      double largest = -INFINITY, total = 0, mean = 0, sum = 0;
      for (gsize i = 0; i < n; i++)
        largest = MAX(largest, 0.25 * x[i]);
      for (gsize i = 0; i < n; i++)
        total += exp(0.25 * x[i] - largest);
      tables[t]->softmax(n, 0.25f, p);
      for (gsize i = 0; i < n; i++) {
        double expected = exp(0.25 * x[i] - largest) / total;
        assert_close(tables[t], "softmax", i, p[i], expected, 2e-6 * expected + 1e-30);
        sum += p[i];
        mean += (double)p[i] * d[i];
      }
      for (gsize i = 0; i < padded; i++)
        assert_close(tables[t], "softmax of a padded row", i, row[i], i < n ? p[i] : 0, 1e-6);
      tables[t]->softmax_padded_backward(n, padded, 0.25f, row, d_row);
      assert_close(tables[t], "sum", n, sum, 1, 1e-6);
      tables[t]->softmax_backward(n, 0.25f, p, d_x);
      for (gsize i = 0; i < n; i++)
        assert_close(tables[t], "softmax gradient", i, d_x[i], 0.25 * p[i] * (d[i] - mean), 1e-6);
      for (gsize i = 0; i < padded; i++)
        assert_close(tables[t], "softmax gradient of a padded row", i, d_row[i], i < n ? d_x[i] : 0, 1e-6);
      g_free(row);
      g_free(d_row);
      g_free(x);
      g_free(d);
      g_free(p);
      g_free(d_x);
    }
}

static void test_activations_do_not_depend_on_the_derivative(void **state)
{
  (void)state;
  gsize n = 700;
  float *x = fixture_floats(n, 1), *alone = g_new(float, n), *output = g_new(float, n),
        *derivative = g_new(float, n);
  for (gsize i = 0; i < n; i++)
    x[i] *= 8;
  for (guint t = 0; t < n_tables; t++)
    for (int form = 0; form < 2; form++) {
      void (*gelu)(gsize, const float *, float *, float *) = form ? tables[t]->gelu_tanh : tables[t]->gelu;
      gelu(n, x, alone, NULL);
      gelu(n, x, output, derivative);
      assert_memory_equal(alone, output, n * sizeof *x);
      /* In place, either way. */
      memcpy(output, x, n * sizeof *x);
      gelu(n, output, output, NULL);
      assert_memory_equal(alone, output, n * sizeof *x);
      memcpy(derivative, x, n * sizeof *x);
      gelu(n, derivative, output, derivative);
      assert_memory_equal(alone, output, n * sizeof *x);
    }
  g_free(x);
  g_free(alone);
  g_free(output);
  g_free(derivative);
}

/* Known answers of Philox 4x32-10 from its authors' Random123 distribution: the first word of the block with
 * counter and key zero, and so on. */
static void test_dropout_bits_are_philox(void **state)
{
  (void)state;
  static const guint32 zeros[] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  guint16 buffer[1000 + 2 * BERT_DROPOUT_GROUP], expected[1000];
  for (guint t = 0; t < n_tables; t++) {
    BertDropout dropout = {.threshold = 1, .scale = 1};
    const guint16 *bits = tables[t]->dropout_bits(&dropout, 0, 0, 0, BERT_DROPOUT_GROUP, buffer);
    for (guint w = 0; w < 4; w++)
      assert_int_equal(bits[32 * w] | (guint32)bits[32 * w + 1] << 16, zeros[w]);
    dropout.seed = 233;
    dropout.forward = 17;
    bits = tables[t]->dropout_bits(&dropout, 0x5003, 0x0123456789abcdefu, 0, 1000, buffer);
    if (t == 0)
      memcpy(expected, bits, sizeof expected);
    assert_memory_equal(bits, expected, sizeof expected);
    /* From the middle on it is the same stream. */
    bits = tables[t]->dropout_bits(&dropout, 0x5003, 0x0123456789abcdefu, 333, 400, buffer);
    assert_memory_equal(bits, expected + 333, 400 * sizeof *expected);
  }
}

static void test_dropout_keeps_the_mean(void **state)
{
  (void)state;
  enum { N = 100000 };
  float *x = g_new(float, N);
  guint16 *buffer = g_new(guint16, N + 2 * BERT_DROPOUT_GROUP);
  for (guint t = 0; t < n_tables; t++) {
    BertDropout dropout = {.seed = 1, .threshold = 6554, .scale = 65536.0f / (65536 - 6554)};
    guint n_dropped = 0;
    for (guint i = 0; i < N; i++)
      x[i] = 2;
    const guint16 *bits = tables[t]->dropout_bits(&dropout, 1, 2, 0, N, buffer);
    tables[t]->dropout_apply(N, &dropout, bits, x, x);
    for (guint i = 0; i < N; i++) {
      n_dropped += x[i] == 0;
      assert_true(x[i] == 0 || x[i] == 2 * dropout.scale);
    }
    /* Five standard deviations of the binomial distribution. */
    assert_close(tables[t], "dropped", 0, n_dropped, 0.1 * N, 5 * sqrt(0.09 * N));
  }
  g_free(x);
  g_free(buffer);
}

static void test_adamw_matches_its_formula(void **state)
{
  (void)state;
  gsize n = 101;
  for (guint t = 0; t < n_tables; t++) {
    float *weights = fixture_floats(n, 1), *moment1 = g_new0(float, n), *moment2 = g_new0(float, n);
    double *w = g_new(double, n), *m = g_new0(double, n), *v = g_new0(double, n);
    for (gsize i = 0; i < n; i++)
      w[i] = weights[i];
    for (int step = 1; step <= 5; step++) {
      float *gradient = fixture_floats(n, (guint64)(10 + step));
      BertAdamW rules = {.learning_rate = 0.01f,
                         .epsilon = 1e-6f,
                         .weight_decay = 0.1f,
                         .beta1 = 0.9f,
                         .rest1 = 0.1f,
                         .beta2 = 0.999f,
                         .rest2 = 0.001f,
                         .gradient_scale = 0.5f,
                         .correction1 = (float)(1 - pow(0.9, step)),
                         .root_of_correction2 = (float)sqrt(1 - pow(0.999, step))};
      for (gsize i = 0; i < n; i++) {
        double g = 0.5 * gradient[i];
        m[i] = 0.9 * m[i] + 0.1 * g;
        v[i] = 0.999 * v[i] + 0.001 * g * g;
        w[i] = w[i] * (1 - 0.01 * 0.1) -
               0.01 * (m[i] / (1 - pow(0.9, step))) / (sqrt(v[i] / (1 - pow(0.999, step))) + 1e-6);
      }
      tables[t]->adamw(n, &rules, weights, gradient, moment1, moment2);
      for (gsize i = 0; i < n; i++) {
        assert_true(gradient[i] == 0);
        assert_close(tables[t], "weight", i, weights[i], w[i], 1e-6);
        assert_close(tables[t], "moment1", i, moment1[i], m[i], 1e-6);
        assert_close(tables[t], "moment2", i, moment2[i], v[i], 1e-6);
      }
      g_free(gradient);
    }
    g_free(weights);
    g_free(moment1);
    g_free(moment2);
    g_free(w);
    g_free(m);
    g_free(v);
  }
}

static void test_sums_and_maxima(void **state)
{
  (void)state;
  for (guint t = 0; t < n_tables; t++)
    for (gsize n = 1; n < 200; n += 13) {
      float *x = fixture_floats(n, n), *y = fixture_floats(n, n + 1);
      double sum = 0, dot = 0, squares = 0;
      gsize where, largest = 0;
      for (gsize i = 0; i < n; i++) {
        sum += x[i];
        dot += (double)x[i] * y[i];
        squares += (double)x[i] * x[i];
        if (x[i] > x[largest])
          largest = i;
      }
      assert_close(tables[t], "sum", n, tables[t]->sum(n, x), sum, 1e-4);
      assert_close(tables[t], "dot", n, tables[t]->dot(n, x, y), dot, 1e-4);
      assert_close(tables[t], "squares", n, tables[t]->sum_of_squares(n, x), squares, 1e-9);
      assert_true(tables[t]->maximum(n, x, &where) == x[largest]);
      assert_int_equal(where, largest);
      g_free(x);
      g_free(y);
    }
}

/* An infinity or NaN must still be seen by those who look for it afterwards. */
static void test_sum_of_squares_shows_numbers_that_are_not_finite(void **state)
{
  (void)state;
  static const float bad[] = {NAN, INFINITY, -INFINITY};
  for (guint t = 0; t < n_tables; t++)
    for (guint b = 0; b < G_N_ELEMENTS(bad); b++) {
      float x[50] = {1};
      x[37] = bad[b];
      assert_false(isfinite(tables[t]->sum_of_squares(50, x)));
    }
}

int main(void)
{
  find_tables();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_products_match_plain_loops),
      cmocka_unit_test(test_products_do_not_depend_on_how_rows_and_columns_are_divided),
      cmocka_unit_test(test_layer_norm_and_its_gradient),
      cmocka_unit_test(test_softmax_and_its_gradient),
      cmocka_unit_test(test_activations_do_not_depend_on_the_derivative),
      cmocka_unit_test(test_dropout_bits_are_philox),
      cmocka_unit_test(test_dropout_keeps_the_mean),
      cmocka_unit_test(test_adamw_matches_its_formula),
      cmocka_unit_test(test_sums_and_maxima),
      cmocka_unit_test(test_sum_of_squares_shows_numbers_that_are_not_finite),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
