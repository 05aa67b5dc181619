/* The policy object: saving and loading, clones, odd input, options, numbers that are not finite. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "fixture.h"
#include <cartwright/cartwright.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

static void test_a_loaded_policy_goes_on_exactly(void **state)
{
  (void)state;
  BertOptions options = fixture_options();
  options.dropout = 0.2;
  options.weight_decay = 0.01;
  FixtureDecisions decisions = fixture_decisions(6);
  for (int pending = 0; pending < 2; pending++) { /* saved after a step, and between backward and step */
    BertPolicy *first = fixture_open(&options, 21), *second;
    char *folder = fixture_folder_new();
    for (guint64 i = 0; i < 3; i++) {
      fixture_accumulate(first, &decisions, i);
      assert_true(bert_policy_step(first, 0.003, 1, NULL, NULL));
    }
    if (pending)
      fixture_accumulate(first, &decisions, 7);
    assert_true(bert_policy_save(first, folder, NULL));
    second = fixture_open(&options, 99); /* other weights and other masks, until it loads */
    GError *error = NULL;
    if (!bert_policy_load(second, folder, &error))
      fail_msg("%s", error->message);
    fixture_assert_same_state(first, second);
    for (guint64 i = 3; i < 6; i++) {
      fixture_accumulate(first, &decisions, i);
      fixture_accumulate(second, &decisions, i);
      assert_true(bert_policy_step(first, 0.003, 1, NULL, NULL));
      assert_true(bert_policy_step(second, 0.003, 1, NULL, NULL));
    }
    fixture_assert_same_state(first, second);
    bert_policy_close(first);
    bert_policy_close(second);
    fixture_folder_remove(folder);
  }
  fixture_decisions_clear(&decisions);
}

static void test_a_saved_folder_opens_as_a_model(void **state)
{
  (void)state;
  BertOptions options = fixture_options();
  FixtureDecisions decisions = fixture_decisions(6);
  BertPolicy *first = fixture_open(&options, 21);
  char *folder = fixture_folder_new();
  fixture_accumulate(first, &decisions, 1);
  assert_true(bert_policy_step(first, 0.01, 0, NULL, NULL));
  assert_true(bert_policy_save(first, folder, NULL));
  options.model = folder;
  options.initialize = BERT_INITIALIZE_PRETRAINED;
  BertPolicy *second = fixture_open(&options, 22);
  assert_memory_equal(cpu_of(first)->weights->block, cpu_of(second)->weights->block,
                      first->shared->layout->n_floats * sizeof(float));
  bert_policy_close(first);
  bert_policy_close(second);
  fixture_folder_remove(folder);
  fixture_decisions_clear(&decisions);
}

static void test_loading_a_broken_folder_changes_nothing(void **state)
{
  (void)state;
  BertOptions options = fixture_options();
  FixtureDecisions decisions = fixture_decisions(6);
  BertPolicy *policy = fixture_open(&options, 21), *untouched = fixture_open(&options, 21);
  char *folder = fixture_folder_new();
  assert_true(bert_policy_save(policy, folder, NULL));
  fixture_accumulate(policy, &decisions, 1);
  fixture_accumulate(untouched, &decisions, 1);
  static const char *const names[] = {"optimizer.safetensors", "training.state", "model.safetensors",
                                      "config.json"};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    char *file = g_build_filename(folder, names[i], NULL);
    g_file_set_contents(file, "[training]\nversion=x\n", -1, NULL);
    GError *error = NULL;
    assert_false(bert_policy_load(policy, folder, &error));
    if (i == 1) {
      char *message =
          g_strdup_printf("%s: Key file contains key “version” in group “training” which has a value that "
                          "cannot be interpreted.; the folder must be one that a training policy saved",
                          file);
      fixture_assert_message(error, CW_ERROR_FORMAT, message);
      g_free(message);
    } else {
      assert_non_null(strstr(error->message, names[i]));
      g_error_free(error);
    }
    fixture_assert_same_state(policy, untouched);
    g_free(file);
  }
  bert_policy_close(policy);
  bert_policy_close(untouched);
  fixture_folder_remove(folder);
  fixture_decisions_clear(&decisions);
}

static void test_loading_with_other_frozen_layers_says_so(void **state)
{
  (void)state;
  BertOptions options = fixture_options();
  options.freeze_layers = 1;
  BertPolicy *frozen = fixture_open(&options, 1);
  options.freeze_layers = -1;
  BertPolicy *whole = fixture_open(&options, 1);
  char *folder = fixture_folder_new();
  assert_true(bert_policy_save(frozen, folder, NULL));
  GError *error = NULL;
  assert_false(bert_policy_load(whole, folder, &error));
  char *message =
      g_strdup_printf("%s/optimizer.safetensors: tensor 'moment1.bert.embeddings.word_embeddings.weight' is "
                      "missing; the folder was saved by a policy with another model or other frozen layers",
                      folder);
  fixture_assert_message(error, CW_ERROR_FORMAT, message);
  g_free(message);
  bert_policy_close(frozen);
  bert_policy_close(whole);
  fixture_folder_remove(folder);
}

/* The host's handle looks at logits and values: what is not finite in a weight has to get there. */
static void test_a_weight_that_is_not_finite_reaches_the_logits(void **state)
{
  (void)state;
  BertOptions options = fixture_options();
  FixtureDecisions decisions = fixture_decisions(3);
  BertPolicy *policy = fixture_open(&options, 4);
  float *logits = g_new(float, decisions.n_logits);
  const BertLayout *layout = policy->shared->layout;
  for (guint t = 0; t < layout->n_tensors; t++) {
    const BertTensorInfo *tensor = &layout->tensors[t];
    if (g_str_has_suffix(tensor->name, "_embeddings.weight") || g_str_has_prefix(tensor->name, "linear_3"))
      continue; /* the first row of a table may be unused, and linear_3 makes values */
    float *element = cpu_of(policy)->weights->block + tensor->offset, before = *element;
    *element = NAN;
    bert_network_refresh(&cpu_of(policy)->network);
    for (int i = 0; i < 2; i++) {
      assert_true(i ? bert_policy_forward(policy, decisions.decisions, 3, TRAINING, logits, NULL, NULL)
                    : bert_policy_score(policy, decisions.decisions, 3, logits, NULL, NULL));
      guint n_finite = 0;
      for (guint k = 0; k < decisions.n_logits; k++)
        n_finite += isfinite(logits[k]) != 0;
      if (n_finite == decisions.n_logits)
        fail_msg("%s: nobody would notice", tensor->name);
    }
    *element = before;
  }
  g_free(logits);
  bert_policy_close(policy);
  fixture_decisions_clear(&decisions);
}

static void test_a_clone_stays_when_the_policy_learns(void **state)
{
  (void)state;
  BertOptions options = fixture_options();
  FixtureDecisions decisions = fixture_decisions(4);
  BertPolicy *policy = fixture_open(&options, 4), *clone = bert_policy_clone_frozen(policy, NULL);
  float *before = g_new(float, decisions.n_logits), *after = g_new(float, decisions.n_logits);
  assert_true(bert_policy_score(policy, decisions.decisions, 4, before, NULL, NULL));
  fixture_accumulate(policy, &decisions, 1);
  assert_true(bert_policy_step(policy, 0.01, 0, NULL, NULL));
  assert_true(bert_policy_score(clone, decisions.decisions, 4, after, NULL, NULL));
  assert_memory_equal(before, after, decisions.n_logits * sizeof *before);
  bert_policy_close(policy); /* the clone lives on */
  assert_true(bert_policy_score(clone, decisions.decisions, 4, after, NULL, NULL));
  assert_memory_equal(before, after, decisions.n_logits * sizeof *before);
  bert_policy_close(clone);
  g_free(before);
  g_free(after);
  fixture_decisions_clear(&decisions);
}

static void test_a_clone_saves_and_loads_weights(void **state)
{
  (void)state;
  BertOptions options = fixture_options();
  BertPolicy *policy = fixture_open(&options, 4), *other = fixture_open(&options, 5);
  BertPolicy *clone = bert_policy_clone_frozen(policy, NULL),
             *other_clone = bert_policy_clone_frozen(other, NULL);
  char *folder = fixture_folder_new();
  assert_true(bert_policy_save(clone, folder, NULL));
  assert_true(bert_policy_load(other_clone, folder, NULL));
  assert_memory_equal(cpu_of(clone)->weights->block, cpu_of(other_clone)->weights->block,
                      policy->shared->layout->n_floats * sizeof(float));
  bert_policy_close(clone);
  bert_policy_close(other_clone);
  bert_policy_close(policy);
  bert_policy_close(other);
  fixture_folder_remove(folder);
}

/* Scores and trains on one odd decision. */

static void check_odd(BertPolicy *policy, const char *observation, const char *const *candidates,
                      guint n_candidates)
{
  CwDecision decision = {sizeof decision, observation, candidates, n_candidates};
  const CwDecision *one = &decision;
  float *logits = g_new(float, n_candidates), *d_logits = fixture_floats(n_candidates, 1), value, d_value = 1;
  assert_true(bert_policy_score(policy, &one, 1, logits, &value, NULL));
  assert_true(bert_policy_forward(policy, &one, 1, TRAINING, logits, &value, NULL));
  assert_true(bert_policy_backward(policy, d_logits, &d_value, NULL));
  assert_true(bert_policy_step(policy, 0.001, 1, NULL, NULL));
  g_free(logits);
  g_free(d_logits);
}

static void test_odd_decisions(void **state)
{
  (void)state;
  BertOptions options = fixture_options();
  options.threads = 2;
  options.dropout = 0.1;
  BertPolicy *policy = fixture_open(&options, 4);
  const char *few[] = {""}, **many = g_new(const char *, 200);
  char *text = g_strnfill(5000, 'a'), *words = g_strnfill(5000, ' ');
  for (guint i = 0; i < 5000; i += 2)
    words[i] = (char)('a' + i / 2 % 26);
  for (guint i = 0; i < 200; i++)
    many[i] = i % 3 ? words + 4900 - i : "buy now";
  check_odd(policy, "", few, 1);
  check_odd(policy, text, few, 1);
  check_odd(policy, words, many, 200);
  check_odd(policy, "\xff\xfe not UTF-8", many, 2);
  g_free(text);
  g_free(words);
  g_free(many);
  bert_policy_close(policy);
}

static void test_thousands_of_decisions_in_one_call(void **state)
{
  (void)state;
  BertOptions options = fixture_options();
  options.score_batch_tokens = 500;
  FixtureDecisions decisions = fixture_decisions(3000);
  BertPolicy *policy = fixture_open(&options, 4);
  float *logits = g_new(float, decisions.n_logits), *values = g_new(float, decisions.n), first[8], value;
  assert_true(bert_policy_score(policy, decisions.decisions, decisions.n, logits, values, NULL));
  guint n = decisions.decisions[2999]->n_candidates;
  assert_true(bert_policy_score(policy, &decisions.decisions[2999], 1, first, &value, NULL));
  assert_memory_equal(first, logits + decisions.n_logits - n, n * sizeof *first);
  assert_memory_equal(&value, values + 2999, sizeof value);
  g_free(logits);
  g_free(values);
  bert_policy_close(policy);
  fixture_decisions_clear(&decisions);
}

static void test_long_texts_are_cut_on_the_chosen_side(void **state)
{
  (void)state;
  for (int side = 0; side < 2; side++) {
    BertOptions options = fixture_options();
    options.truncate_state = options.truncate_action = side;
    options.max_state_tokens = 5;
    options.max_action_tokens = 4;
    BertPolicy *policy = fixture_open(&options, 4);
    static const char *const kept[2][2] = {{"a", "b"}, {"e", "f"}};
    for (int action = 0; action < 2; action++) {
      const BertTokens *tokens = action ? bert_token_cache_action(policy->cache, "a b c d e f")
                                        : bert_token_cache_state(policy->cache, "a b c d e f");
      assert_int_equal(tokens->n_ids, action ? 4 : 5);
      assert_string_equal(
          bert_tokenizer_token(policy->shared->folder.tokenizer, tokens->ids[side ? tokens->n_ids - 3 : 1]),
          kept[side][0]);
      assert_string_equal(
          bert_tokenizer_token(policy->shared->folder.tokenizer, tokens->ids[side ? tokens->n_ids - 2 : 2]),
          kept[side][1]);
    }
    bert_policy_close(policy);
  }
}

static void test_opening_a_folder_without_weights_says_what_to_do(void **state)
{
  (void)state;
  BertOptions options = fixture_options();
  options.initialize = BERT_INITIALIZE_PRETRAINED;
  GError *error = NULL;
  assert_null(bert_policy_open(&bert_cpu_device, &options, 1, &error));
  fixture_assert_message(
      error, CW_ERROR_CONFIGURATION,
      TINY_MODEL ": has no model.safetensors; put pre-trained weights there, or train from scratch with "
                 "'initialize: random'");
}

static void test_freezing_more_layers_than_there_are_is_an_error(void **state)
{
  (void)state;
  BertOptions options = fixture_options();
  options.freeze_layers = 3;
  GError *error = NULL;
  assert_null(bert_policy_open(&bert_cpu_device, &options, 1, &error));
  fixture_assert_message(error, CW_ERROR_CONFIGURATION,
                         "'freeze_layers: 3' is more than the 2 layers of " TINY_MODEL);
}

typedef struct {
  guint n_tensors, n_frozen;
  gsize n_elements;
} Visit;

static void visit(const char *name, const gint64 *shape, guint n_dimensions, float *weights, float *gradient,
                  gpointer user_data)
{
  Visit *found = user_data;
  gsize n = 1;
  for (guint i = 0; i < n_dimensions; i++)
    n *= (gsize)shape[i];
  assert_non_null(name);
  found->n_tensors++;
  found->n_frozen += !gradient;
  found->n_elements += n;
  weights[n - 1] += 1; /* takes effect */
}

static void test_editors_see_and_change_every_tensor(void **state)
{
  (void)state;
  BertOptions options = fixture_options();
  options.freeze_layers = 0;
  FixtureDecisions decisions = fixture_decisions(2);
  BertPolicy *policy = fixture_open(&options, 4);
  float before[8], after[8];
  assert_true(bert_policy_score(policy, decisions.decisions, 1, before, NULL, NULL));
  Visit found = {0};
  bert_policy_edit_tensors(policy, CW_EDIT_WEIGHTS, visit, &found, NULL);
  assert_int_equal(found.n_tensors, policy->shared->layout->n_tensors);
  assert_int_equal(found.n_elements, policy->shared->layout->n_parameters);
  assert_int_equal(found.n_frozen, 5); /* the tables of words, positions and types, and a LayerNorm */
  assert_true(bert_policy_score(policy, decisions.decisions, 1, after, NULL, NULL));
  assert_true(before[0] != after[0]);
  bert_policy_close(policy);
  fixture_decisions_clear(&decisions);
}

static void only_look(const char *name G_GNUC_UNUSED, const gint64 *shape G_GNUC_UNUSED,
                      guint n_dimensions G_GNUC_UNUSED, const float *weights G_GNUC_UNUSED,
                      const float *gradient G_GNUC_UNUSED, gpointer user_data G_GNUC_UNUSED)
{
}

static void add_one(const char *name, const gint64 *shape G_GNUC_UNUSED, guint n_dimensions G_GNUC_UNUSED,
                    float *weights, float *gradient G_GNUC_UNUSED, gpointer user_data)
{
  if (g_str_equal(name, user_data))
    weights[0] += 1;
}

static void test_a_visitor_that_only_reads_forgets_nothing(void **state)
{
  (void)state;
  BertOptions options = fixture_options();
  options.score_cache = 16;
  FixtureDecisions decisions = fixture_decisions(2);
  BertPolicy *policy = fixture_open(&options, 4);
  float logits[16];
  guint n;
  assert_true(bert_policy_score(policy, decisions.decisions, 1, logits, NULL, NULL));
  guint64 version = cpu_of(policy)->network.version;
  bert_policy_visit_tensors(policy, only_look, NULL, NULL);
  assert_int_equal(cpu_of(policy)->network.version, version); /* not packed again */
  assert_true(bert_policy_score(policy, decisions.decisions, 1, logits, NULL, NULL));
  assert_true(bert_policy_counters(policy, &n)[1].value == 1); /* found */
  bert_policy_edit_tensors(policy, CW_EDIT_WEIGHTS, add_one, (gpointer) "linear_2.bias", NULL);
  assert_int_equal(cpu_of(policy)->network.version, version + 1);
  assert_true(bert_policy_score(policy, decisions.decisions, 1, logits, NULL, NULL));
  assert_true(bert_policy_counters(policy, &n)[1].value == 1);
  bert_policy_close(policy);
  fixture_decisions_clear(&decisions);
}

static void test_description(void **state)
{
  (void)state;
  BertOptions options = fixture_options();
  options.threads = 3;
  options.instruction_set = 5;
  BertPolicy *policy = fixture_open(&options, 4);
  char *parameters = g_strdup_printf("%" G_GSIZE_FORMAT, policy->shared->layout->n_parameters);
  const char *const expected[] = {
      "model",           TINY_MODEL,  "parameters", parameters, "trained_parameters",
      parameters,        "precision", "f32",        "threads",  "3",
      "instruction_set", "generic",   NULL};
  for (guint i = 0; i < G_N_ELEMENTS(expected); i++) {
    if (!expected[i])
      assert_null(policy->description[i]);
    else
      assert_string_equal(policy->description[i], expected[i]);
  }
  g_free(parameters);
  bert_policy_close(policy);
}

static void test_instruction_sets_agree(void **state)
{
  (void)state;
  FixtureDecisions decisions = fixture_decisions(6);
  float *expected = NULL;
  static const char *const names[] = {"auto", "amx", "avx512_bf16", "avx512", "avx2", "generic"};
  for (guint i = 1; i < G_N_ELEMENTS(names); i++) {
    if (!bert_kernels_named(names[i]))
      continue;
    BertOptions options = fixture_options();
    options.instruction_set = (gint)i;
    BertPolicy *policy = fixture_open(&options, 4);
    fixture_enlarge(policy);
    float *logits = g_new(float, decisions.n_logits);
    assert_true(bert_policy_score(policy, decisions.decisions, 6, logits, NULL, NULL));
    for (guint k = 0; expected && k < decisions.n_logits; k++)
      assert_true(fabsf(logits[k] - expected[k]) <= 1e-4f * (1 + fabsf(expected[k])));
    g_free(expected);
    expected = logits;
    bert_policy_close(policy);
  }
  g_free(expected);
  fixture_decisions_clear(&decisions);
}

static void test_an_instruction_set_that_is_not_there_is_refused_with_the_reason(void **state)
{
  (void)state;
  static const char *const names[] = {"auto", "amx", "avx512_bf16", "avx512", "avx2"};
  for (guint i = 1; i < G_N_ELEMENTS(names); i++) {
    BertOptions options = fixture_options();
    options.instruction_set = (gint)i;
    GError *error = NULL;
    if (bert_kernels_named(names[i]))
      continue;
    assert_null(bert_policy_open(&bert_cpu_device, &options, 1, &error));
    g_autofree char *message =
        g_strdup_printf("'instruction_set: %s' cannot run here: %s; 'auto' chooses the best that can",
                        names[i], bert_kernels_obstacle(names[i]));
    fixture_assert_message(error, CW_ERROR_UNSUPPORTED, message);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_loaded_policy_goes_on_exactly),
      cmocka_unit_test(test_a_saved_folder_opens_as_a_model),
      cmocka_unit_test(test_loading_a_broken_folder_changes_nothing),
      cmocka_unit_test(test_loading_with_other_frozen_layers_says_so),
      cmocka_unit_test(test_a_weight_that_is_not_finite_reaches_the_logits),
      cmocka_unit_test(test_a_clone_stays_when_the_policy_learns),
      cmocka_unit_test(test_a_clone_saves_and_loads_weights),
      cmocka_unit_test(test_odd_decisions),
      cmocka_unit_test(test_thousands_of_decisions_in_one_call),
      cmocka_unit_test(test_long_texts_are_cut_on_the_chosen_side),
      cmocka_unit_test(test_opening_a_folder_without_weights_says_what_to_do),
      cmocka_unit_test(test_freezing_more_layers_than_there_are_is_an_error),
      cmocka_unit_test(test_editors_see_and_change_every_tensor),
      cmocka_unit_test(test_a_visitor_that_only_reads_forgets_nothing),
      cmocka_unit_test(test_description),
      cmocka_unit_test(test_instruction_sets_agree),
      cmocka_unit_test(test_an_instruction_set_that_is_not_there_is_refused_with_the_reason),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
