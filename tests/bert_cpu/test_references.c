/* bert_cpu against PyTorch and transformers (make_references.py): token ids, logits, values, every gradient
 * and ten optimiser steps, in 64-bit floating point there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "fixture.h"
#include "models/bert/safetensors.h"
#include <cmocka.h>
#include <glib/gstdio.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#define DATA TEST_SOURCE_DIRECTORY "/tests/bert_cpu/data"

typedef struct {
  json_t *root;
  guint n, n_logits;
  CwDecision *decisions;
  const CwDecision **pointers;
  guint *labels;
  double *targets;
} References;

static double number(const json_t *object, const char *key)
{
  json_t *value = json_object_get(object, key);
  assert_true(json_is_number(value));
  return json_number_value(value);
}

static int open_references(void **state)
{
  References *references = g_new0(References, 1);
  references->root = json_load_file(DATA "/references.json", 0, NULL);
  assert_non_null(references->root);
  json_t *cases = json_object_get(references->root, "decisions");
  references->n = (guint)json_array_size(cases);
  references->decisions = g_new0(CwDecision, references->n);
  references->pointers = g_new(const CwDecision *, references->n);
  references->labels = g_new(guint, references->n);
  references->targets = g_new(double, references->n);
  for (guint i = 0; i < references->n; i++) {
    json_t *one = json_array_get(cases, i), *candidates = json_object_get(one, "candidates");
    guint n_candidates = (guint)json_array_size(candidates);
    const char **texts = g_new(const char *, n_candidates);
    for (guint k = 0; k < n_candidates; k++)
      texts[k] = json_string_value(json_array_get(candidates, k));
    references->decisions[i] = (CwDecision){
        sizeof(CwDecision), json_string_value(json_object_get(one, "observation")), texts, n_candidates};
    references->pointers[i] = &references->decisions[i];
    references->labels[i] = (guint)number(one, "label");
    references->targets[i] = number(one, "value_target");
    references->n_logits += n_candidates;
  }
  *state = references;
  return 0;
}

static int close_references(void **state)
{
  References *references = *state;
  for (guint i = 0; i < references->n; i++)
    g_free((gpointer)references->decisions[i].candidates);
  g_free(references->decisions);
  g_free(references->pointers);
  g_free(references->labels);
  g_free(references->targets);
  json_decref(references->root);
  g_free(references);
  return 0;
}

static BertOptions reference_options(const References *references, const char *model)
{
  BertOptions options = fixture_options();
  options.model = (char *)model;
  options.initialize = BERT_INITIALIZE_PRETRAINED;
  options.max_state_tokens = (gint64)number(references->root, "max_state_tokens");
  options.max_action_tokens = (gint64)number(references->root, "max_action_tokens");
  options.truncate_state = options.truncate_action = BERT_SIDE_LEFT;
  return options;
}

/* The tiny model with another activation, as a folder of its own. Free with g_free; the folder stays until
 * remove_folder. */
static char *folder_with_activation(const char *activation)
{
  static const char *const copied[] = {"model.safetensors", "vocab.txt"};
  char *folder = g_dir_make_tmp("bert-cpu-XXXXXX", NULL), *text = NULL;
  assert_non_null(folder);
  for (guint i = 0; i < G_N_ELEMENTS(copied); i++) {
    char *from = g_build_filename(DATA "/tiny", copied[i], NULL),
         *to = g_build_filename(folder, copied[i], NULL);
    gsize length;
    assert_true(g_file_get_contents(from, &text, &length, NULL));
    assert_true(g_file_set_contents(to, text, (gssize)length, NULL));
    g_free(text);
    g_free(from);
    g_free(to);
  }
  json_t *config = json_load_file(DATA "/tiny/config.json", 0, NULL);
  json_object_set_new(config, "hidden_act", json_string(activation));
  char *file = g_build_filename(folder, "config.json", NULL);
  assert_int_equal(json_dump_file(config, file, 0), 0);
  json_decref(config);
  g_free(file);
  return folder;
}

static void remove_folder(char *folder)
{
  static const char *const names[] = {"model.safetensors", "vocab.txt", "config.json"};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    char *file = g_build_filename(folder, names[i], NULL);
    g_unlink(file);
    g_free(file);
  }
  g_rmdir(folder);
  g_free(folder);
}

/* The loss of make_references.py and its gradients. */
static double loss_of(const References *references, const float *logits, const float *values, float *d_logits,
                      float *d_values)
{
  double total = 0, n = references->n;
  for (guint d = 0, first = 0; d < references->n; d++) {
    guint count = references->decisions[d].n_candidates, label = references->labels[d];
    double largest = -INFINITY, sum = 0, difference = values[d] - references->targets[d];
    for (guint i = 0; i < count; i++)
      largest = MAX(largest, (double)logits[first + i]);
    for (guint i = 0; i < count; i++)
      sum += exp(logits[first + i] - largest);
    total += largest + log(sum) - logits[first + label] + 0.5 * difference * difference;
    for (guint i = 0; i < count; i++)
      d_logits[first + i] = (float)((exp(logits[first + i] - largest) / sum - (i == label)) / n);
    d_values[d] = (float)(difference / n);
    first += count;
  }
  return total / n;
}

static void assert_near(const char *what, guint i, double found, double expected, double tolerance)
{
  if (!(fabs(found - expected) <= tolerance * MAX(fabs(expected), 0.1)))
    fail_msg("%s %u is %.9g, not %.9g", what, i, found, expected);
}

/* A softmax does not see a constant, so gradients of these are zero but for rounding, and ten steps of AdamW
 * go where rounding leads. */
static gboolean is_free(const char *name)
{
  return g_str_has_suffix(name, "key.bias") || g_str_equal(name, "linear_2.bias");
}

/* Norm of the difference over the norm of the expected; that of free tensors must be below `free_tolerance`.
 */
static void assert_tensors_match(const BertParameters *found, const char *file, double tolerance,
                                 double free_tolerance)
{
  GError *error = NULL;
  BertSafetensors *expected = bert_safetensors_open(file, &error);
  if (!expected)
    fail_msg("%s", error->message);
  const BertLayout *layout = found->layout;
  for (guint t = 0; t < layout->n_tensors; t++) {
    const BertTensorInfo *info = &layout->tensors[t];
    const BertTensor *tensor = bert_safetensors_find(expected, info->name);
    assert_non_null(tensor);
    assert_true(tensor->n_elements == info->n_elements);
    float *values = g_new(float, info->n_elements);
    bert_tensor_read_floats(tensor, 0, info->n_elements, values);
    double difference = 0, norm = 0;
    for (gsize i = 0; i < info->n_elements; i++) {
      double one = found->block[info->offset + i] - (double)values[i];
      difference += one * one;
      norm += (double)values[i] * values[i];
    }
    difference = sqrt(difference);
    norm = sqrt(norm);
    if (!(difference <= (is_free(info->name) ? free_tolerance : tolerance * norm)))
      fail_msg("%s differs by %g, its norm is %g", info->name, difference, norm);
    g_free(values);
  }
  bert_safetensors_close(expected);
}

static void check_gradients(const References *references, const char *activation, const char *gradients)
{
  char *folder = folder_with_activation(activation);
  BertOptions options = reference_options(references, folder);
  BertPolicy *policy = fixture_open(&options, 1);
  float *logits = g_new(float, references->n_logits), *values = g_new(float, references->n);
  float *d_logits = g_new(float, references->n_logits), *d_values = g_new(float, references->n);
  json_t *expected = json_object_get(references->root, activation);
  assert_true(
      bert_policy_forward(policy, references->pointers, references->n, TRAINING, logits, values, NULL));
  double loss = loss_of(references, logits, values, d_logits, d_values);
  for (guint d = 0, i = 0; d < references->n; d++) {
    json_t *decision = json_array_get(json_object_get(expected, "decisions"), d);
    for (guint k = 0; k < references->decisions[d].n_candidates; k++, i++) {
      assert_near("logit", i, logits[i],
                  json_number_value(json_array_get(json_object_get(decision, "logits"), k)), 1e-4);
      assert_near("dlogit", i, d_logits[i],
                  json_number_value(json_array_get(json_object_get(decision, "dlogits"), k)), 1e-4);
    }
    assert_near("value", d, values[d], number(decision, "value"), 1e-4);
  }
  assert_near("loss", 0, loss, number(expected, "policy_loss") + number(expected, "value_loss"), 1e-5);
  assert_true(bert_policy_backward(policy, d_logits, d_values, NULL));
  assert_tensors_match(cpu_of(policy)->optimizer->gradient, gradients, 1e-3, 1e-5);
  g_free(logits);
  g_free(values);
  g_free(d_logits);
  g_free(d_values);
  bert_policy_close(policy);
  remove_folder(folder);
}

static void test_logits_values_and_gradients_match_pytorch(void **state)
{
  check_gradients(*state, "gelu", DATA "/gradients.safetensors");
}

static void test_tanh_gelu_matches_pytorch(void **state)
{
  check_gradients(*state, "gelu_new", DATA "/gradients_new.safetensors");
}

static void test_token_ids_match_transformers(void **state)
{
  const References *references = *state;
  BertOptions options = reference_options(references, DATA "/tiny");
  BertPolicy *policy = fixture_open(&options, 1);
  for (guint d = 0; d < references->n; d++) {
    json_t *one = json_array_get(json_object_get(references->root, "decisions"), d);
    json_t *expected = json_object_get(one, "state_ids");
    const BertTokens *tokens = bert_token_cache_state(policy->cache, references->decisions[d].observation);
    guint total = tokens->n_ids;
    assert_int_equal(tokens->n_ids, json_array_size(expected));
    for (guint i = 0; i < tokens->n_ids; i++)
      assert_int_equal(tokens->ids[i], json_integer_value(json_array_get(expected, i)));
    for (guint k = 0; k < references->decisions[d].n_candidates; k++) {
      expected = json_array_get(json_object_get(one, "action_ids"), k);
      tokens = bert_token_cache_action(policy->cache, references->decisions[d].candidates[k]);
      assert_int_equal(tokens->n_ids, json_array_size(expected));
      for (guint i = 0; i < tokens->n_ids; i++)
        assert_int_equal(tokens->ids[i], json_integer_value(json_array_get(expected, i)));
      total += tokens->n_ids;
    }
    assert_int_equal(bert_policy_count_tokens(policy, &references->decisions[d]), total);
  }
  bert_policy_close(policy);
}

static void check_training(const References *references, const char *key, const char *trained)
{
  json_t *expected = json_object_get(references->root, key), *limit = json_object_get(expected, "max_norm");
  BertOptions options = reference_options(references, DATA "/tiny");
  options.beta1 = number(expected, "beta_1");
  options.beta2 = number(expected, "beta_2");
  options.epsilon = number(expected, "epsilon");
  options.weight_decay = number(expected, "weight_decay");
  BertPolicy *policy = fixture_open(&options, 1);
  float *logits = g_new(float, references->n_logits), *values = g_new(float, references->n);
  float *d_logits = g_new(float, references->n_logits), *d_values = g_new(float, references->n);
  for (guint i = 0; i < 10; i++) {
    double norm;
    assert_true(
        bert_policy_forward(policy, references->pointers, references->n, TRAINING, logits, values, NULL));
    double loss = loss_of(references, logits, values, d_logits, d_values);
    assert_true(bert_policy_backward(policy, d_logits, d_values, NULL));
    assert_true(
        bert_policy_step(policy, number(expected, "learning_rate"), json_number_value(limit), &norm, NULL));
    assert_near("loss", i, loss, json_number_value(json_array_get(json_object_get(expected, "losses"), i)),
                1e-4);
    assert_near("norm", i, norm,
                json_number_value(json_array_get(json_object_get(expected, "gradient_norms"), i)), 1e-3);
  }
  if (trained)
    /* linear_1.bias of units that are never cut off has no gradient but rounding either. */
    assert_tensors_match(cpu_of(policy)->weights, trained, 1e-3, 1e-2);
  g_free(logits);
  g_free(values);
  g_free(d_logits);
  g_free(d_values);
  bert_policy_close(policy);
}

static void test_ten_steps_match_pytorch(void **state)
{
  check_training(*state, "training", DATA "/trained.safetensors");
}

static void test_ten_clipped_steps_match_pytorch(void **state)
{
  check_training(*state, "training_clipped", NULL);
}

static void test_activations_match_pytorch(void **state)
{
  const References *references = *state;
  static const char *const tables[] = {"generic", "avx2", "avx512"};
  json_t *expected = json_object_get(references->root, "activations"),
         *inputs = json_object_get(expected, "x");
  gsize n = json_array_size(inputs);
  float *x = g_new(float, n), *output = g_new(float, n), *derivative = g_new(float, n);
  for (gsize i = 0; i < n; i++)
    x[i] = (float)json_number_value(json_array_get(inputs, i));
  for (guint t = 0; t < G_N_ELEMENTS(tables); t++) {
    const BertKernels *kernels = bert_kernels_named(tables[t]);
    if (!kernels)
      continue;
    for (int tanh_form = 0; tanh_form < 2; tanh_form++) {
      (tanh_form ? kernels->gelu_tanh : kernels->gelu)(n, x, output, derivative);
      json_t *values = json_object_get(expected, tanh_form ? "gelu_new" : "gelu");
      json_t *slopes = json_object_get(expected, tanh_form ? "gelu_new_derivative" : "gelu_derivative");
      for (gsize i = 0; i < n; i++) {
        if (!(fabs(output[i] - json_number_value(json_array_get(values, i))) < 2e-6))
          fail_msg("%s: activation of %g is %.9g", tables[t], (double)x[i], (double)output[i]);
        if (!(fabs(derivative[i] - json_number_value(json_array_get(slopes, i))) < 2e-6))
          fail_msg("%s: derivative at %g is %.9g", tables[t], (double)x[i], (double)derivative[i]);
      }
    }
  }
  g_free(x);
  g_free(output);
  g_free(derivative);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_token_ids_match_transformers),
      cmocka_unit_test(test_logits_values_and_gradients_match_pytorch),
      cmocka_unit_test(test_tanh_gelu_matches_pytorch),
      cmocka_unit_test(test_ten_steps_match_pytorch),
      cmocka_unit_test(test_ten_clipped_steps_match_pytorch),
      cmocka_unit_test(test_activations_match_pytorch),
  };
  return cmocka_run_group_tests(tests, open_references, close_references);
}
