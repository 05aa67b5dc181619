/* bert_cuda, run on the host, against bert_cpu in training: ten steps of AdamW, freezing, clipping, groups of
 * weight decay, sparse embeddings, averages, and checkpoints that one saves and the other goes on from.
 * Bounds as docs/results/bert_cuda.md states them; what was found is printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "backends.h"
#include "conformance/check_suite.h"
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define RATE 1e-4

/* Largest differences allowed of how weights moved, as shares of the tensor's movement; of logits scored
 * afterwards, of the largest; and of the gradient's norm. */
typedef struct {
  const char *precision;
  double movement, outputs, norm;
} Bound;

static const Bound bounds[] = {
    {"f32", 1e-3, 2e-5, 1e-4}, {"tf32", 5e-2, 5e-3, 5e-3}, {"bf16", 4e-1, 5e-2, 1e-1}};

static const DecisionShape batch[] = {{12, 0, {5, 2}}, {12, 0, {3}}, {9, 1, {2, 3}}};

static double seconds(void)
{
  return (double)clock() / CLOCKS_PER_SEC;
}

static void assert_within(const char *what, double found, double bound, const char *of)
{
  if (!(found <= bound))
    fail_msg("%s differ by %g, which is more than %g%s%s", what, found, bound, *of ? ", in " : "", of);
}

static double step(CwPolicy *policy, double max_norm)
{
  GError *error = NULL;
  double norm = 0;
  if (!cw_policy_step(policy, RATE, max_norm, &norm, &error))
    fail_msg("%s", error->message);
  return norm;
}

/* n_steps of both; the largest difference of a gradient's norm, as a share of it. */
static double train(Backends *backends, const Decisions *decisions, guint first_step, guint n_steps,
                    double max_norm)
{
  float *logits = g_new(float, decisions->n_logits), *values = g_new(float, decisions->n);
  double difference = 0;
  for (guint i = first_step; i < first_step + n_steps; i++) {
    CwPolicy *const both[] = {backends->cpu, backends->cuda};
    double norms[2];
    for (guint k = 0; k < 2; k++) {
      backends_accumulate(both[k], decisions, 10 + i, logits, values);
      norms[k] = step(both[k], max_norm);
    }
    difference = fmax(difference, fabs(norms[0] - norms[1]) / norms[0]);
  }
  g_free(logits);
  g_free(values);
  return difference;
}

static void compare(const char *name, Backends *backends, const Snapshot *start, const Bound *bound,
                    double norm, const Decisions *decisions, double began)
{
  guint worst = 0;
  float *expected = g_new(float, decisions->n_logits), *found = g_new(float, decisions->n_logits);
  Snapshot *of_cpu = snapshot_new(backends->cpu), *of_cuda = snapshot_new(backends->cuda);
  double movement = snapshot_movement_difference(start, of_cpu, of_cuda, &worst), outputs;
  assert_true(cw_policy_score(backends->cpu, decisions->decisions, decisions->n, expected, NULL, NULL));
  assert_true(cw_policy_score(backends->cuda, decisions->decisions, decisions->n, found, NULL, NULL));
  outputs = backends_difference(expected, found, decisions->n_logits);
  fprintf(stderr, "%s, %s: weights %.1e of their movement (%s), logits after it %.1e, norms %.1e; %.1f s\n",
          name, bound->precision, movement, (const char *)of_cpu->names->pdata[worst], outputs, norm,
          seconds() - began);
  assert_within("weights", movement, bound->movement, of_cpu->names->pdata[worst]);
  assert_within("logits", outputs, bound->outputs, "");
  assert_within("norms", norm, bound->norm, "");
  snapshot_free(of_cpu);
  snapshot_free(of_cuda);
  g_free(expected);
  g_free(found);
}

static void train_and_compare(const char *name, const char *model, const Bound *bound, const char *options,
                              guint n_steps, double max_norm)
{
  double began = seconds();
  Decisions decisions = decisions_new(batch, G_N_ELEMENTS(batch));
  Backends backends = backends_open(model, bound->precision, options);
  Snapshot *start = snapshot_new(backends.cpu);
  double norm = train(&backends, &decisions, 0, n_steps, max_norm);
  compare(name, &backends, start, bound, norm, &decisions, began);
  snapshot_free(start);
  backends_close(&backends);
  decisions_clear(&decisions);
}

#define EVERYTHING "dropout: 0.1, weight_decay: 0.1, head_learning_rate_scale: 2, beta2: 0.99"

/* Clipped at every step: the gradient's norm is several times that. */
static void test_ten_steps_of_minilm(void **state)
{
  const char *model = backends_model(384, 12, 1536, 1);
  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(bounds); i++)
    train_and_compare("MiniLM, ten steps", model, &bounds[i], EVERYTHING, 10, 2);
}

static void test_ten_steps_of_bert_base(void **state)
{
  const char *model = backends_model(768, 12, 3072, 1);
  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(bounds); i += 2)
    train_and_compare("BERT-base, ten steps", model, &bounds[i], EVERYTHING, 10, 2);
}

static void test_frozen_layers(void **state)
{
  const char *model = backends_model(32, 2, 64, 3);
  (void)state;
  for (gint frozen = 0; frozen <= 3; frozen++) {
    char *options = g_strdup_printf("dropout: 0.1, weight_decay: 0.1, freeze_layers: %d", frozen);
    char *name = g_strdup_printf("%d of 3 layers frozen, three steps", frozen);
    train_and_compare(name, model, &bounds[0], options, 3, 0);
    train_and_compare(name, model, &bounds[2], options, 3, 0);
    g_free(options);
    g_free(name);
  }
}

/* Weights, moments, a gradient without its step and the dropout counter go from one to the other: after two
 * steps each takes over what the other saved, and both arrive where bert_cpu arrives alone. */
static void test_checkpoints_change_backends(void **state)
{
  const char *model = backends_model(32, 2, 64, 2), *options = "dropout: 0.1, weight_decay: 0.1";
  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(bounds); i++) {
    double began = seconds();
    Decisions decisions = decisions_new(batch, G_N_ELEMENTS(batch));
    Backends alone = backends_open(model, bounds[i].precision, options);
    Backends crossed = backends_open(model, bounds[i].precision, options);
    float *logits = g_new(float, decisions.n_logits), values[G_N_ELEMENTS(batch)];
    char *from_cpu = cw_check_make_directory(NULL), *from_cuda = cw_check_make_directory(NULL);
    CwPolicy *const all[] = {alone.cpu, alone.cuda, crossed.cpu, crossed.cuda};
    Snapshot *start = snapshot_new(alone.cpu);
    train(&alone, &decisions, 0, 2, 0);
    train(&crossed, &decisions, 0, 2, 0);
    for (guint k = 0; k < G_N_ELEMENTS(all); k++)
      backends_accumulate(all[k], &decisions, 99, logits, values);
    assert_true(cw_policy_save(crossed.cpu, from_cpu, NULL) && cw_policy_save(crossed.cuda, from_cuda, NULL));
    assert_true(cw_policy_load(crossed.cpu, from_cuda, NULL) && cw_policy_load(crossed.cuda, from_cpu, NULL));
    double norm = train(&crossed, &decisions, 2, 3, 0);
    train(&alone, &decisions, 2, 3, 0);
    Backends pairs[] = {{.cpu = alone.cpu, .cuda = crossed.cuda}, {.cpu = alone.cpu, .cuda = crossed.cpu}};
    compare("begun by bert_cpu, continued by bert_cuda", &pairs[0], start, &bounds[i], norm, &decisions,
            began);
    compare("begun by bert_cuda, continued by bert_cpu", &pairs[1], start, &bounds[i], norm, &decisions,
            began);
    cw_check_forget_directory(from_cpu);
    cw_check_forget_directory(from_cuda);
    snapshot_free(start);
    backends_close(&alone);
    backends_close(&crossed);
    decisions_clear(&decisions);
    g_free(logits);
  }
}

/* Sets gradients from outside: of a word that no text has and, with *user_data, one that no step takes. */
static void set_gradient(const char *name, const gint64 *shape, guint n_dimensions, float *weights,
                         float *gradient, gpointer user_data)
{
  const gboolean *spoils = user_data;
  (void)n_dimensions, (void)weights;
  if (strstr(name, "word_embeddings") && gradient)
    gradient[shape[0] * shape[1] - 3] = 0.5f;
  if (strcmp(name, "linear_1.bias") == 0 && *spoils)
    gradient[3] = INFINITY;
}

static void set_gradients(CwPolicy *policy, gboolean spoils)
{
  cw_policy_edit_tensors(policy, CW_EDIT_GRADIENTS, set_gradient, &spoils, NULL);
}

/* A step in which all words of a batch have gradients of zero. */
static void step_without_gradient(CwPolicy *policy, const Decisions *decisions)
{
  float *logits = g_new0(float, decisions->n_logits), *values = g_new(float, decisions->n);
  assert_true(cw_policy_forward(policy, decisions->decisions, decisions->n, TRUE, logits, values, NULL));
  memset(logits, 0, decisions->n_logits * sizeof *logits);
  assert_true(cw_policy_backward(policy, logits, NULL, NULL));
  assert_true(step(policy, 0) == 0);
  g_free(logits);
  g_free(values);
}

static void compare_averages(const char *name, CwPolicy *cpu, CwPolicy *cuda, const Snapshot *start,
                             const Bound *bound)
{
  guint worst = 0;
  Snapshot *of_cpu = snapshot_new_of_average(cpu), *of_cuda = snapshot_new_of_average(cuda);
  double movement = snapshot_movement_difference(start, of_cpu, of_cuda, &worst);
  fprintf(stderr, "%s, %s: averages %.1e of their movement (%s)\n", name, bound->precision, movement,
          (const char *)of_cpu->names->pdata[worst]);
  assert_within("averages", movement, bound->movement, of_cpu->names->pdata[worst]);
  snapshot_free(of_cpu);
  snapshot_free(of_cuda);
}

/* Words come and go, occur with a gradient of zero and get one from outside; a step fails in the policies
 * that are then exchanged as above. `begin` is a saved policy without an average: one begins at its weights.
 */
static void train_with(const char *options, const Bound *bound, const char *model, const char *begin,
                       const Snapshot *start)
{
  /* Few words each, some of them in every batch, some twice in one. */
  static const DecisionShape few_words[][2] = {
      {{5, 1, {3}}, {5, 2, {3, 4}}}, {{4, 3, {3, 3}}, {3, 4, {4}}}, {{6, 5, {3}}, {4, 6, {3, 5}}}};
  double began = seconds();
  Decisions batches[G_N_ELEMENTS(few_words)];
  for (guint i = 0; i < G_N_ELEMENTS(batches); i++)
    batches[i] = decisions_new(few_words[i], 2);
  Backends alone = backends_open(model, bound->precision, options);
  Backends crossed = backends_open(model, bound->precision, options);
  CwPolicy *const all[] = {alone.cpu, alone.cuda, crossed.cpu, crossed.cuda};
  float logits[3], values[2];
  char *from_cpu = cw_check_make_directory(NULL), *from_cuda = cw_check_make_directory(NULL);
  double norm = 0;
  for (guint k = 0; k < G_N_ELEMENTS(all); k++)
    assert_true(cw_policy_load(all[k], begin, NULL));
  for (guint i = 0; i < 4; i++) {
    norm = fmax(norm, train(&alone, &batches[i % 3], i, 1, 2));
    norm = fmax(norm, train(&crossed, &batches[i % 3], i, 1, 2));
  }
  for (guint k = 0; k < G_N_ELEMENTS(all); k++) {
    step_without_gradient(all[k], &batches[0]);
    if (all[k] == crossed.cpu || all[k] == crossed.cuda) {
      set_gradients(all[k], TRUE);
      assert_false(cw_policy_step(all[k], RATE, 0, NULL, NULL));
    }
    set_gradients(all[k], FALSE);
    backends_accumulate(all[k], &batches[1], 99, logits, values);
  }
  guint64 n_steps = cw_policy_steps(crossed.cpu);
  assert_true(cw_policy_save(crossed.cpu, from_cpu, NULL) && cw_policy_save(crossed.cuda, from_cuda, NULL));
  for (guint k = 2; k < G_N_ELEMENTS(all); k++)
    step(all[k], 0); /* what is loaded does not depend on it */
  assert_true(cw_policy_load(crossed.cpu, from_cuda, NULL) && cw_policy_load(crossed.cuda, from_cpu, NULL));
  cw_policy_set_steps(crossed.cpu, n_steps); /* a checkpoint of the host keeps them */
  cw_policy_set_steps(crossed.cuda, n_steps);
  for (guint i = 5; i < 8; i++) {
    norm = fmax(norm, train(&alone, &batches[i % 3], i, 1, 0));
    norm = fmax(norm, train(&crossed, &batches[i % 3], i, 1, 0));
  }
  Backends pairs[] = {
      alone, {.cpu = alone.cpu, .cuda = crossed.cuda}, {.cpu = alone.cpu, .cuda = crossed.cpu}};
  for (guint i = 0; i < G_N_ELEMENTS(pairs); i++) {
    compare(options, &pairs[i], start, bound, norm, &batches[2], began);
    if (strstr(options, "ema_decay"))
      compare_averages(options, pairs[i].cpu, pairs[i].cuda, start, bound);
  }
  cw_check_forget_directory(from_cpu);
  cw_check_forget_directory(from_cuda);
  backends_close(&alone);
  backends_close(&crossed);
  for (guint i = 0; i < G_N_ELEMENTS(batches); i++)
    decisions_clear(&batches[i]);
}

static void test_sparse_embeddings_and_averages(void **state)
{
  static const char *const options[] = {
      "dropout: 0.1, sparse_embeddings: true, ema_decay: 0.3, weight_decay: 0.1",
      "dropout: 0.1, sparse_embeddings: true, ema_decay: 0.9, freeze_layers: 1",
      "dropout: 0.1, ema_decay: 0.9",
  };
  const char *model = backends_model(32, 2, 64, 2);
  Backends backends = backends_open(model, "f32", "");
  Snapshot *start = snapshot_new(backends.cpu);
  char *begin = cw_check_make_directory(NULL);
  (void)state;
  assert_true(cw_policy_save(backends.cpu, begin, NULL));
  backends_close(&backends);
  for (guint i = 0; i < G_N_ELEMENTS(options); i++)
    train_with(options[i], &bounds[0], model, begin, start);
  train_with(options[0], &bounds[2], model, begin, start);
  snapshot_free(start);
  cw_check_forget_directory(begin);
}

/* Between a forward and its backward comes a larger score, and before the step a larger pass: memory grows
 * while work is under way, and gradients of both passes add up. */
static void test_passes_of_different_sizes_add_up(void **state)
{
  static const DecisionShape small[] = {{7, 0, {3}}}, large[] = {{60, 0, {9, 40}}, {33, 1, {5, 6, 7}}};
  const char *model = backends_model(32, 2, 64, 2);
  Decisions first = decisions_new(small, 1), second = decisions_new(large, 2);
  float logits[5], values[2], *d_logits = backends_floats(5, 1), *d_values = backends_floats(2, 2);
  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(bounds); i++) {
    Backends backends = backends_open(model, bounds[i].precision, "dropout: 0.1");
    CwPolicy *const both[] = {backends.cpu, backends.cuda};
    Snapshot *after[2];
    guint worst = 0;
    for (guint k = 0; k < 2; k++) {
      assert_true(cw_policy_forward(both[k], first.decisions, first.n, TRUE, logits, values, NULL));
      assert_true(cw_policy_score(both[k], second.decisions, second.n, logits, NULL, NULL));
      assert_true(cw_policy_backward(both[k], d_logits, d_values, NULL));
      assert_true(cw_policy_forward(both[k], second.decisions, second.n, TRUE, logits, values, NULL));
      assert_true(cw_policy_backward(both[k], d_logits, NULL, NULL));
      assert_true(cw_policy_forward(both[k], first.decisions, first.n, TRUE, logits, values, NULL));
      assert_true(cw_policy_backward(both[k], d_logits, d_values, NULL));
      after[k] = snapshot_new(both[k]);
    }
    double difference = snapshot_gradient_difference(after[0], after[1], &worst);
    fprintf(stderr, "three passes added up, %s: gradients %.1e (%s)\n", bounds[i].precision, difference,
            (const char *)after[0]->names->pdata[worst]);
    assert_within("gradients", difference,
                  i == 0   ? 1e-4
                  : i == 1 ? 1e-2
                           : 1.5e-1,
                  after[0]->names->pdata[worst]);
    snapshot_free(after[0]);
    snapshot_free(after[1]);
    backends_close(&backends);
  }
  decisions_clear(&first);
  decisions_clear(&second);
  g_free(d_logits);
  g_free(d_values);
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
      cmocka_unit_test(test_ten_steps_of_minilm),
      cmocka_unit_test(test_ten_steps_of_bert_base),
      cmocka_unit_test(test_frozen_layers),
      cmocka_unit_test(test_passes_of_different_sizes_add_up),
      cmocka_unit_test(test_checkpoints_change_backends),
      cmocka_unit_test(test_sparse_embeddings_and_averages),
  };
  return cmocka_run_group_tests_name("bert_cuda_training", tests, set_up, tear_down);
}
