/* The optimiser's rules against the same rules written plainly: sparse updates of word embeddings and the
 * moving average of the weights, and that both survive a save. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "fixture.h"
#include <cartwright/cartwright.h>
#include <cmocka.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define LEARNING_RATE 0.01

/* Decisions with words of their own, so that rows are touched in some steps and not in others. */
static void accumulate(BertPolicy *policy, guint step)
{
  static const char *const words[] = {"shirt", "size", "the", "click", "red", "blue", "now", "buy"};
  const char *candidates[] = {words[step % 8], words[(step + 1) % 8]};
  CwDecision decision = {sizeof decision, words[(step + 3) % 8], candidates, 2};
  const CwDecision *one = &decision;
  float logits[2], value, d_logits[] = {1, -0.5f}, d_value = 0.3f;
  assert_true(bert_policy_forward(policy, &one, 1, TRAINING, logits, &value, NULL));
  assert_true(bert_policy_backward(policy, d_logits, &d_value, NULL));
}

static void train(BertPolicy *policy, guint first, guint last)
{
  for (guint step = first; step < last; step++) {
    accumulate(policy, step);
    assert_true(bert_policy_step(policy, LEARNING_RATE, 0, NULL, NULL));
  }
}

static BertOptions options_with(gboolean sparse, double ema_decay)
{
  BertOptions options = fixture_options();
  options.weight_decay = 0.1;
  options.sparse_embeddings = sparse;
  options.ema_decay = ema_decay;
  return options;
}

/* Plain AdamW in double precision, of which a word's row takes no notice unless its gradient is other than
 * zero. */
typedef struct {
  const BertLayout *layout;
  double *weights, *moment1, *moment2;
} Reference;

static Reference reference_new(const BertPolicy *policy)
{
  gsize n = policy->shared->layout->n_floats;
  Reference reference = {policy->shared->layout, g_new(double, n), g_new0(double, n), g_new0(double, n)};
  for (gsize i = 0; i < n; i++)
    reference.weights[i] = (double)cpu_of(policy)->weights->block[i];
  return reference;
}

static void reference_clear(Reference *reference)
{
  g_free(reference->weights);
  g_free(reference->moment1);
  g_free(reference->moment2);
}

static gboolean is_zero(const float *x, gsize n)
{
  for (gsize i = 0; i < n; i++)
    if (x[i] != 0)
      return FALSE;
  return TRUE;
}

static void reference_step(Reference *reference, const BertOptimizer *optimizer, guint t)
{
  const BertOptimizerRules *rules = &optimizer->rules;
  gsize h = reference->layout->config.hidden_size;
  for (guint k = 0; k < reference->layout->n_tensors; k++) {
    const BertTensorInfo *tensor = &reference->layout->tensors[k];
    gboolean decays = !g_str_has_suffix(tensor->name, ".bias") && !strstr(tensor->name, "LayerNorm");
    gboolean words = g_str_has_suffix(tensor->name, "word_embeddings.weight");
    for (gsize i = tensor->offset; i < tensor->offset + tensor->n_elements; i++) {
      gsize row = tensor->offset + (i - tensor->offset) / h * h;
      if (words && rules->sparse_embeddings && is_zero(optimizer->gradient->block + row, h))
        continue;
      double g = (double)optimizer->gradient->block[i], *w = &reference->weights[i];
      double *m = &reference->moment1[i], *v = &reference->moment2[i];
      *m = rules->beta1 * *m + (1 - rules->beta1) * g;
      *v = rules->beta2 * *v + (1 - rules->beta2) * g * g;
      *w -= decays ? LEARNING_RATE * rules->weight_decay * *w : 0;
      *w -= LEARNING_RATE * (*m / (1 - pow(rules->beta1, t))) /
            (sqrt(*v / (1 - pow(rules->beta2, t))) + rules->epsilon);
    }
  }
}

static void test_steps_are_those_of_plain_adamw(void **state)
{
  (void)state;
  for (int sparse = 0; sparse < 2; sparse++) {
    BertOptions options = options_with(sparse, 0);
    options.threads = 2;
    BertPolicy *policy = fixture_open(&options, 4);
    Reference reference = reference_new(policy);
    for (guint step = 0; step < 12; step++) {
      accumulate(policy, step);
      reference_step(&reference, cpu_of(policy)->optimizer, step + 1);
      assert_true(bert_policy_step(policy, LEARNING_RATE, 0, NULL, NULL));
      for (gsize i = 0; i < policy->shared->layout->n_floats; i++)
        if (!(fabs(cpu_of(policy)->weights->block[i] - reference.weights[i]) <=
              1e-5 * (1 + fabs(reference.weights[i]))))
          fail_msg("sparse %d, step %u, number %zu: %g, expected %g", sparse, step, i,
                   (double)cpu_of(policy)->weights->block[i], reference.weights[i]);
    }
    reference_clear(&reference);
    bert_policy_close(policy);
  }
}

/* A row that was moved once and has no gradient now: not a bit of it changes. */
static void test_sparse_steps_leave_other_words_alone(void **state)
{
  (void)state;
  BertOptions options = options_with(TRUE, 0);
  BertPolicy *policy = fixture_open(&options, 4);
  gsize h = policy->shared->layout->config.hidden_size, size = h * sizeof(float);
  train(policy, 0, 8);
  BertParameters *before = bert_parameters_copy(cpu_of(policy)->weights),
                 *moments = bert_parameters_copy(cpu_of(policy)->optimizer->moment2);
  accumulate(policy, 2);
  guint n_touched = 0, n_left = 0;
  gboolean touched[64] = {FALSE};
  assert_true(policy->shared->layout->config.vocabulary_size <= G_N_ELEMENTS(touched));
  for (guint row = 0; row < policy->shared->layout->config.vocabulary_size; row++)
    touched[row] = !is_zero(cpu_of(policy)->optimizer->gradient->word_embeddings + row * h, h);
  assert_true(bert_policy_step(policy, LEARNING_RATE, 0, NULL, NULL));
  for (guint row = 0; row < policy->shared->layout->config.vocabulary_size; row++) {
    gboolean same = memcmp(before->word_embeddings + row * h,
                           cpu_of(policy)->weights->word_embeddings + row * h, size) == 0 &&
                    memcmp(moments->word_embeddings + row * h,
                           cpu_of(policy)->optimizer->moment2->word_embeddings + row * h, size) == 0;
    assert_int_equal(same, !touched[row]);
    n_touched += touched[row];
    n_left += !touched[row] && !is_zero(moments->word_embeddings + row * h, h);
  }
  assert_true(n_touched >= 5 && n_left >= 2);
  bert_parameters_free(before);
  bert_parameters_free(moments);
  bert_policy_close(policy);
}

/* The average, with the frozen tensors of the weights. */
static BertParameters *averaged_of(const BertPolicy *policy)
{
  const BertCpu *cpu = cpu_of(policy);
  const BertLayout *layout = policy->shared->layout;
  BertParameters *averaged = bert_parameters_copy(cpu->weights);
  for (guint i = 0; i < layout->n_tensors; i++) {
    const BertTensorInfo *tensor = &layout->tensors[i];
    if (bert_optimizer_trains(cpu->optimizer, tensor))
      memcpy(averaged->block + tensor->offset, cpu->optimizer->average->block + tensor->offset,
             tensor->n_elements * sizeof(float));
  }
  return averaged;
}

static void test_the_average_follows_its_formula(void **state)
{
  (void)state;
  for (int sparse = 0; sparse < 2; sparse++) {
    BertOptions options = options_with(sparse, 0.6);
    options.weight_decay = sparse ? 0.1 : 0; /* words that never occurred are not visited */
    options.freeze_layers = sparse ? -1 : 1;
    options.threads = 2;
    BertPolicy *policy = fixture_open(&options, 4);
    const BertLayout *layout = policy->shared->layout;
    Reference average = reference_new(policy); /* of which only the weights are used */
    for (guint t = 1; t <= 15; t++) {
      train(policy, t, t + 1);
      double decay = MIN(0.6, (1.0 + t) / (10.0 + t)); /* 2/11, 3/12, ... from t = 13 on 0.6 */
      for (gsize i = 0; i < layout->n_floats; i++)
        average.weights[i] =
            decay * average.weights[i] + (1 - decay) * (double)cpu_of(policy)->weights->block[i];
      BertParameters *averaged = averaged_of(policy);
      for (gsize i = 0; i < layout->n_floats; i++)
        if (!(fabs(averaged->block[i] - average.weights[i]) <= 1e-6 * (1 + fabs(average.weights[i]))))
          fail_msg("step %u, number %zu: %g, expected %g", t, i, (double)averaged->block[i],
                   average.weights[i]);
      bert_parameters_free(averaged);
    }
    reference_clear(&average);
    bert_policy_close(policy);
  }
}

static void test_the_average_is_saved_as_a_model(void **state)
{
  (void)state;
  BertOptions options = options_with(FALSE, 0.9);
  options.freeze_layers = 1;
  BertPolicy *policy = fixture_open(&options, 4);
  train(policy, 0, 5);
  char *folder = fixture_folder_new();
  assert_true(bert_policy_save(policy, folder, NULL));
  g_autofree char *model = g_build_filename(folder, "averaged", NULL);
  options.model = model;
  options.initialize = BERT_INITIALIZE_PRETRAINED;
  BertPolicy *opened = fixture_open(&options, 1);
  BertParameters *averaged = averaged_of(policy);
  gsize size = policy->shared->layout->n_floats * sizeof(float);
  assert_memory_equal(cpu_of(opened)->weights->block, averaged->block, size);
  assert_memory_not_equal(cpu_of(opened)->weights->block, cpu_of(policy)->weights->block, size);
  bert_parameters_free(averaged);
  bert_policy_close(opened);
  bert_policy_close(policy);
  fixture_folder_remove(folder);
}

static void assert_same(const BertPolicy *a, const BertPolicy *b)
{
  fixture_assert_same_state(a, b);
  assert_int_equal(cpu_of(a)->optimizer->average != NULL, cpu_of(b)->optimizer->average != NULL);
  if (cpu_of(a)->optimizer->average)
    assert_memory_equal(cpu_of(a)->optimizer->average->block, cpu_of(b)->optimizer->average->block,
                        a->shared->layout->n_floats * sizeof(float));
}

/* Saved between two steps, and between a backward and its step. */
static void test_a_loaded_policy_goes_on_to_the_bit(void **state)
{
  (void)state;
  for (guint way = 0; way < 16; way++) {
    BertOptions options = options_with((way & 1) != 0, way & 2 ? 0.7 : 0);
    options.weight_decay = way & 4 ? 0.1 : 0;
    BertPolicy *policy = fixture_open(&options, 4), *loaded = fixture_open(&options, 9);
    train(policy, 0, 6);
    train(loaded, 0, 2); /* what it was before must not matter */
    if (way & 8)
      accumulate(policy, 6);
    char *folder = fixture_folder_new();
    assert_true(bert_policy_save(policy, folder, NULL));
    assert_true(bert_policy_load(loaded, folder, NULL));
    assert_same(policy, loaded);
    train(policy, 6, 14);
    train(loaded, 6, 14);
    assert_same(policy, loaded);
    bert_policy_close(policy);
    bert_policy_close(loaded);
    fixture_folder_remove(folder);
  }
}

static void test_a_folder_without_an_average_begins_one(void **state)
{
  (void)state;
  BertOptions without = options_with(FALSE, 0), with = options_with(FALSE, 0.7);
  BertPolicy *policy = fixture_open(&without, 4), *loaded = fixture_open(&with, 9);
  train(policy, 0, 3);
  train(loaded, 0, 3);
  char *folder = fixture_folder_new();
  assert_true(bert_policy_save(policy, folder, NULL));
  assert_true(bert_policy_load(loaded, folder, NULL));
  gsize size = policy->shared->layout->n_floats * sizeof(float);
  assert_memory_equal(cpu_of(loaded)->optimizer->average->block, cpu_of(policy)->weights->block, size);
  bert_policy_close(policy);
  bert_policy_close(loaded);
  fixture_folder_remove(folder);
}

static void test_a_bad_gradient_leaves_the_average(void **state)
{
  (void)state;
  BertOptions options = options_with(TRUE, 0.7);
  BertPolicy *policy = fixture_open(&options, 4), *untouched = fixture_open(&options, 4);
  train(policy, 0, 3);
  train(untouched, 0, 3);
  accumulate(policy, 4);
  cpu_of(policy)->optimizer->gradient->linear_1_weight[3] = INFINITY;
  GError *error = NULL;
  assert_false(bert_policy_step(policy, LEARNING_RATE, 0, NULL, &error));
  fixture_assert_message(
      error, CW_ERROR_NUMERIC,
      "the gradient of tensor 'linear_1.weight' is not finite (element 3 is inf): no weight was "
      "changed; try a smaller learning rate");
  assert_same(policy, untouched);
  train(policy, 5, 8);
  train(untouched, 5, 8);
  assert_same(policy, untouched);
  bert_policy_close(policy);
  bert_policy_close(untouched);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_steps_are_those_of_plain_adamw),
      cmocka_unit_test(test_sparse_steps_leave_other_words_alone),
      cmocka_unit_test(test_the_average_follows_its_formula),
      cmocka_unit_test(test_the_average_is_saved_as_a_model),
      cmocka_unit_test(test_a_loaded_policy_goes_on_to_the_bit),
      cmocka_unit_test(test_a_folder_without_an_average_begins_one),
      cmocka_unit_test(test_a_bad_gradient_leaves_the_average),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
