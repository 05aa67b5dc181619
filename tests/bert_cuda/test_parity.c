/* bert_cuda, run on the host, against bert_cpu: logits, values and the gradient of every tensor, in three
 * precisions and two models' shapes. The bounds are those of
 * docs/results/bert_cuda.md; what was found is printed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "backends.h"
#include <cmocka.h>
#include <stdio.h>
#include <time.h>

/* Largest differences allowed: of logits and values as shares of the largest, of gradients as shares of the
 * tensor's norm. */
typedef struct {
  const char *precision;
  double outputs, gradients;
} Bound;

static const Bound bounds[] = {{"f32", 2e-5, 1e-4}, {"tf32", 5e-3, 1e-2}, {"bf16", 5e-2, 1.5e-1}};

typedef struct {
  const char *name;
  guint hidden_size, n_heads, intermediate_size, n_layers;
} Shape;

static const Shape minilm = {"MiniLM", 384, 12, 1536, 2}, bert_base = {"BERT-base", 768, 12, 3072, 1};

static const char *model_of(const Shape *shape)
{
  return backends_model(shape->hidden_size, shape->n_heads, shape->intermediate_size, shape->n_layers);
}

static double seconds(void)
{
  return (double)clock() / CLOCKS_PER_SEC;
}

static void assert_within(const char *what, double found, double bound, const char *of)
{
  if (!(found <= bound))
    fail_msg("%s differ by %g, which is more than %g%s%s", what, found, bound, *of ? ", in " : "", of);
}

/* One forward and backward of both, and a score. */
static void compare(const char *name, const char *model, const Bound *bound, const char *options,
                    const Decisions *decisions)
{
  double start = seconds();
  Backends backends = backends_open(model, bound->precision, options);
  gsize n = decisions->n_logits, n_all = n + decisions->n;
  float *expected = g_new(float, n_all), *found = g_new(float, n_all);
  double scores[2], outputs[2], gradients;
  guint worst = 0;
  assert_true(
      cw_policy_score(backends.cpu, decisions->decisions, decisions->n, expected, expected + n, NULL));
  assert_true(cw_policy_score(backends.cuda, decisions->decisions, decisions->n, found, found + n, NULL));
  scores[0] = backends_difference(expected, found, (guint)n);
  scores[1] = backends_difference(expected + n, found + n, decisions->n);
  backends_accumulate(backends.cpu, decisions, 1, expected, expected + n);
  backends_accumulate(backends.cuda, decisions, 1, found, found + n);
  outputs[0] = backends_difference(expected, found, (guint)n);
  outputs[1] = backends_difference(expected + n, found + n, decisions->n);
  Snapshot *of_cpu = snapshot_new(backends.cpu), *of_cuda = snapshot_new(backends.cuda);
  gradients = snapshot_gradient_difference(of_cpu, of_cuda, &worst);
  fprintf(stderr, "%s, %s: scores %.1e and %.1e, logits %.1e, values %.1e, gradients %.1e (%s); %.1f s\n",
          name, bound->precision, scores[0], scores[1], outputs[0], outputs[1], gradients,
          (const char *)of_cpu->names->pdata[worst], seconds() - start);
  assert_within("logits scored", scores[0], bound->outputs, "");
  assert_within("values scored", scores[1], bound->outputs, "");
  assert_within("logits", outputs[0], bound->outputs, "");
  assert_within("values", outputs[1], bound->outputs, "");
  assert_within("gradients", gradients, bound->gradients, of_cpu->names->pdata[worst]);
  snapshot_free(of_cpu);
  snapshot_free(of_cuda);
  g_free(expected);
  g_free(found);
  backends_close(&backends);
}

/* Two states alike, a single candidate, candidates that several decisions have, and texts of one more than a
 * tile. */
static const DecisionShape mixed[] = {{33, 0, {5, 2, 9}}, {20, 0, {3}}, {2, 0, {5, 33, 5}}, {33, 0, {9, 2}}};

static void compare_mixed(const Shape *shape)
{
  const char *model = model_of(shape);
  Decisions decisions = decisions_new(mixed, G_N_ELEMENTS(mixed));
  for (guint i = 0; i < G_N_ELEMENTS(bounds); i++) {
    char *name = g_strdup_printf("%s, 4 decisions, dropout 0.1", shape->name);
    compare(name, model, &bounds[i], "dropout: 0.1", &decisions);
    g_free(name);
  }
  decisions_clear(&decisions);
}

static void test_minilm_shape(void **state)
{
  (void)state;
  compare_mixed(&minilm);
}

static void test_bert_base_shape(void **state)
{
  (void)state;
  compare_mixed(&bert_base);
}

/* Narrow models of the same widths of heads, so that the tests stay short: what a head does depends on its
 * width and the lengths alone. */
static const Shape two_of_64 = {"heads of 64", 128, 2, 256, 1}, two_of_32 = {"heads of 32", 64, 2, 256, 2};

static void compare_all(const Shape *shape, const char *options, const DecisionShape *shapes, guint n)
{
  const char *model = model_of(shape);
  Decisions decisions = decisions_new(shapes, n);
  for (guint i = 0; i < G_N_ELEMENTS(bounds); i++) {
    char *name =
        g_strdup_printf("%s, %u decisions, longest %u, %s", shape->name, n, shapes[0].state_length, options);
    compare(name, model, &bounds[i], options, &decisions);
    g_free(name);
  }
  decisions_clear(&decisions);
}

static void test_512_tokens(void **state)
{
  static const DecisionShape longest[] = {{512, 0, {2, 7}}, {2, 0, {12}}};
  (void)state;
  compare_all(&two_of_64, "dropout: 0.2", longest, G_N_ELEMENTS(longest));
}

/* Lengths at and around the edges of tiles and warps, as states and as candidates. */
static void test_lengths_around_tiles(void **state)
{
  static const DecisionShape lengths[] = {{129, 0, {31, 2}}, {64, 0, {32}}, {65, 0, {63, 64}},
                                          {127, 0, {65}},    {97, 0, {33}}, {16, 0, {17, 15}},
                                          {128, 0, {48}},    {3, 0, {2}}};
  (void)state;
  compare_all(&two_of_32, "dropout: 0.1", lengths, G_N_ELEMENTS(lengths));
}

static void test_batches_of_64_and_1(void **state)
{
  DecisionShape shapes[64] = {0};
  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(shapes); i++) {
    shapes[i] = (DecisionShape){.state_length = 2 + (i + 8) % 9, .state_number = 7 + i / 9 % 3};
    for (guint k = 0; k <= i % 4; k++)
      shapes[i].candidate_lengths[k] = 2 + (i + k) % 5;
  }
  compare_all(&two_of_32, "dropout: 0", shapes, G_N_ELEMENTS(shapes));
  compare_all(&two_of_32, "dropout: 0", shapes, 1);
}

/* Widths of heads that are no multiple of a tile, and an intermediate size that is no multiple of a block. */
static void test_odd_shapes(void **state)
{
  static const DecisionShape some[] = {{35, 0, {5, 2}}, {20, 1, {33}}};
  static const Shape odd[] = {
      {"heads of 8", 24, 3, 40, 2}, {"heads of 40", 80, 2, 72, 1}, {"heads of 56", 56, 1, 8, 1}};
  (void)state;
  for (guint k = 0; k < G_N_ELEMENTS(odd); k++)
    compare_all(&odd[k], "dropout: 0.3", some, G_N_ELEMENTS(some));
}

static int set_up(void **state)
{
  (void)state;
  backends_load(TEST_BUILD_DIRECTORY "/tests/bert_cuda/.libs/emulated.so");
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  backends_unload();
  return 0;
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_minilm_shape),        cmocka_unit_test(test_bert_base_shape),
      cmocka_unit_test(test_512_tokens),          cmocka_unit_test(test_lengths_around_tiles),
      cmocka_unit_test(test_batches_of_64_and_1), cmocka_unit_test(test_odd_shapes),
  };
  return cmocka_run_group_tests_name("bert_cuda_parity", tests, set_up, tear_down);
}
