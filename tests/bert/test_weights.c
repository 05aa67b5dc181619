/* The layout of the parameters, their initial values, and loading and saving them. */
#include "folder.h"

#include <math.h>

#include "models/bert/model_folder.h"
#include "models/bert/safetensors.h"
#include "models/bert/weights.h"

#define TINY TEST_SOURCE_DIRECTORY "/tests/bert_cpu/data/tiny"

/* A hidden size that is no multiple of the alignment, so that gaps appear. */
static const BertConfig config = {.vocabulary_size = 9,
                                  .hidden_size = 6,
                                  .n_layers = 2,
                                  .n_heads = 2,
                                  .intermediate_size = 10,
                                  .max_positions = 8,
                                  .n_token_types = 2,
                                  .layer_norm_epsilon = 1e-12};

/* ---- layout ---- */

static void test_the_layout_has_every_tensor_of_the_model(void **state)
{
  (void)state;
  BertLayout *layout = bert_layout_new(&config);
  assert_int_equal(layout->n_tensors, 5 + 2 * 16 + 11);
  gsize n_parameters = 0, past = 0;
  for (guint i = 0; i < layout->n_tensors; i++) {
    const BertTensorInfo *tensor = &layout->tensors[i];
    assert_int_equal(bert_layout_find(layout, tensor->name), i);
    assert_int_equal(tensor->n_elements, tensor->shape[0] * tensor->shape[1]);
    assert_true(tensor->offset >= past);
    past = tensor->offset + tensor->n_elements;
    n_parameters += tensor->n_elements;
  }
  assert_int_equal(layout->n_parameters, n_parameters);
  assert_true(layout->n_floats >= past && layout->n_floats % 16 == 0);
  assert_int_equal(bert_layout_find(layout, "bert.pooler.dense.weight"), -1);

  const BertTensorInfo *key =
      &layout->tensors[bert_layout_find(layout, "bert.encoder.layer.1.attention.self.key.weight")];
  assert_int_equal(key->layer, 1);
  assert_true(key->decays);
  const BertTensorInfo *norm = &layout->tensors[bert_layout_find(layout, "bert.embeddings.LayerNorm.weight")];
  assert_int_equal(norm->layer, BERT_LAYER_EMBEDDINGS);
  assert_false(norm->decays);
  assert_int_equal(norm->n_dimensions, 1);
  const BertTensorInfo *head = &layout->tensors[bert_layout_find(layout, "linear_1.weight")];
  assert_int_equal(head->layer, 2);
  assert_int_equal(head->shape[0], 6);
  assert_int_equal(head->shape[1], 24);
  assert_true(layout->tensors[bert_layout_find(layout, "attn.dot_scale")].decays);
  assert_false(layout->tensors[bert_layout_find(layout, "linear_3.2.bias")].decays);
  bert_layout_free(layout);
}

static void test_query_key_and_value_lie_side_by_side(void **state)
{
  (void)state;
  BertLayout *layout = bert_layout_new(&config);
  BertParameters *parameters = bert_parameters_new(layout);
  for (guint i = 0; i < config.n_layers; i++) {
    const BertLayer *layer = &parameters->layers[i];
    assert_ptr_equal(layer->key_weight, layer->query_weight + 36);
    assert_ptr_equal(layer->value_weight, layer->query_weight + 72);
    assert_ptr_equal(layer->key_bias, layer->query_bias + 6);
    assert_ptr_equal(layer->value_bias, layer->query_bias + 12);
    assert_int_equal(GPOINTER_TO_SIZE(layer->query_weight) % 64, 0);
    assert_int_equal(GPOINTER_TO_SIZE(layer->query_bias) % 64, 0);
  }
  bert_parameters_free(parameters);
  bert_layout_free(layout);
}

static float *named(const BertParameters *parameters, const char *name)
{
  gint index = bert_layout_find(parameters->layout, name);
  assert_true(index >= 0);
  return parameters->block + parameters->layout->tensors[index].offset;
}

static void test_every_pointer_is_its_tensor(void **state)
{
  (void)state;
  BertLayout *layout = bert_layout_new(&config);
  BertParameters *p = bert_parameters_new(layout);
  const BertLayer *layer = &p->layers[1];
  const struct {
    const float *pointer;
    const char *name;
  } expected[] = {
      {p->word_embeddings, "bert.embeddings.word_embeddings.weight"},
      {p->position_embeddings, "bert.embeddings.position_embeddings.weight"},
      {p->token_type_embeddings, "bert.embeddings.token_type_embeddings.weight"},
      {p->embeddings_norm_weight, "bert.embeddings.LayerNorm.weight"},
      {p->embeddings_norm_bias, "bert.embeddings.LayerNorm.bias"},
      {layer->query_weight, "bert.encoder.layer.1.attention.self.query.weight"},
      {layer->query_bias, "bert.encoder.layer.1.attention.self.query.bias"},
      {layer->key_weight, "bert.encoder.layer.1.attention.self.key.weight"},
      {layer->key_bias, "bert.encoder.layer.1.attention.self.key.bias"},
      {layer->value_weight, "bert.encoder.layer.1.attention.self.value.weight"},
      {layer->value_bias, "bert.encoder.layer.1.attention.self.value.bias"},
      {layer->attention_output_weight, "bert.encoder.layer.1.attention.output.dense.weight"},
      {layer->attention_output_bias, "bert.encoder.layer.1.attention.output.dense.bias"},
      {layer->attention_norm_weight, "bert.encoder.layer.1.attention.output.LayerNorm.weight"},
      {layer->attention_norm_bias, "bert.encoder.layer.1.attention.output.LayerNorm.bias"},
      {layer->intermediate_weight, "bert.encoder.layer.1.intermediate.dense.weight"},
      {layer->intermediate_bias, "bert.encoder.layer.1.intermediate.dense.bias"},
      {layer->output_weight, "bert.encoder.layer.1.output.dense.weight"},
      {layer->output_bias, "bert.encoder.layer.1.output.dense.bias"},
      {layer->output_norm_weight, "bert.encoder.layer.1.output.LayerNorm.weight"},
      {layer->output_norm_bias, "bert.encoder.layer.1.output.LayerNorm.bias"},
      {p->attention_input_weight, "attn.input_linear.weight"},
      {p->attention_memory_weight, "attn.memory_linear.weight"},
      {p->attention_dot_scale, "attn.dot_scale"},
      {p->linear_1_weight, "linear_1.weight"},
      {p->linear_1_bias, "linear_1.bias"},
      {p->linear_2_weight, "linear_2.weight"},
      {p->linear_2_bias, "linear_2.bias"},
      {p->value_hidden_weight, "linear_3.0.weight"},
      {p->value_hidden_bias, "linear_3.0.bias"},
      {p->value_output_weight, "linear_3.2.weight"},
      {p->value_output_bias, "linear_3.2.bias"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(expected); i++) {
    assert_ptr_equal(expected[i].pointer, named(p, expected[i].name));
  }
  bert_parameters_free(p);
  bert_layout_free(layout);
}

/* ---- initial values ---- */

static void assert_between(const BertParameters *weights, const char *name, float low, float high)
{
  const BertTensorInfo *tensor = &weights->layout->tensors[bert_layout_find(weights->layout, name)];
  const float *values = weights->block + tensor->offset;
  float least = values[0], greatest = values[0];
  for (gsize i = 0; i < tensor->n_elements; i++) {
    least = MIN(least, values[i]);
    greatest = MAX(greatest, values[i]);
  }
  assert_true(least >= low && greatest <= high);
  if (tensor->n_elements > 100) { /* and the range is used */
    assert_true(least < low + 0.1f * (high - low) && greatest > high - 0.1f * (high - low));
  }
}

static void test_initial_values_have_the_right_distributions(void **state)
{
  (void)state;
  BertConfig larger = config;
  larger.hidden_size = 64;
  larger.vocabulary_size = 1000;
  BertLayout *layout = bert_layout_new(&larger);
  BertParameters *weights = bert_parameters_new(layout);
  bert_weights_initialise(weights, 233);
  double sum = 0, squares = 0;
  gsize n = 64 * 1000;
  for (gsize i = 0; i < n; i++) {
    sum += weights->word_embeddings[i];
    squares += (double)weights->word_embeddings[i] * weights->word_embeddings[i];
  }
  assert_true(fabs(sum / (double)n) < 4 * 0.02 / sqrt((double)n));
  assert_true(fabs(sqrt(squares / (double)n) - 0.02) < 4 * 0.02 / sqrt(2.0 * (double)n));
  assert_between(weights, "bert.embeddings.LayerNorm.weight", 1.0f, 1.0f);
  assert_between(weights, "bert.embeddings.LayerNorm.bias", 0.0f, 0.0f);
  assert_between(weights, "bert.encoder.layer.1.output.dense.bias", 0.0f, 0.0f);
  assert_between(weights, "attn.dot_scale", 0.125f, 1.0f);
  assert_between(weights, "attn.input_linear.weight", -0.125f, 0.125f);
  assert_between(weights, "linear_1.weight", -0.0625f, 0.0625f);
  assert_between(weights, "linear_1.bias", -0.0625f, 0.0625f);
  assert_between(weights, "linear_2.weight", -0.125f, 0.125f);
  assert_between(weights, "linear_3.0.weight", -0.125f, 0.125f);
  assert_between(weights, "linear_3.2.weight", -0.0884f, 0.0884f);
  bert_parameters_free(weights);
  bert_layout_free(layout);
}

static void test_initial_values_depend_on_seed_and_tensor_alone(void **state)
{
  (void)state;
  BertConfig deeper = config;
  deeper.n_layers = 3;
  BertLayout *layout = bert_layout_new(&config), *deeper_layout = bert_layout_new(&deeper);
  BertParameters *a = bert_parameters_new(layout), *b = bert_parameters_new(layout),
                 *c = bert_parameters_new(layout), *d = bert_parameters_new(deeper_layout);
  bert_weights_initialise(a, 1);
  bert_weights_initialise(b, 1);
  bert_weights_initialise(c, 2);
  bert_weights_initialise(d, 1);
  assert_memory_equal(a->block, b->block, layout->n_floats * sizeof(float));
  assert_memory_not_equal(a->word_embeddings, c->word_embeddings, 54 * sizeof(float));
  assert_memory_equal(a->layers[1].query_weight, d->layers[1].query_weight, 36 * sizeof(float));
  assert_memory_equal(a->linear_1_weight, d->linear_1_weight, 144 * sizeof(float));
  assert_memory_not_equal(a->layers[0].query_weight, a->layers[1].query_weight, 36 * sizeof(float));
  assert_memory_not_equal(a->layers[0].query_weight, a->layers[0].key_weight, 36 * sizeof(float));
  BertParameters *copy = bert_parameters_copy(a);
  assert_memory_equal(copy->block, a->block, layout->n_floats * sizeof(float));
  copy->linear_2_bias[0] += 1;
  assert_true(copy->linear_2_bias[0] != a->linear_2_bias[0]);
  bert_parameters_free(copy);
  bert_parameters_free(a);
  bert_parameters_free(b);
  bert_parameters_free(c);
  bert_parameters_free(d);
  bert_layout_free(layout);
  bert_layout_free(deeper_layout);
}

/* ---- files ---- */

/* A file that another program would write: tensors of `config` under edited names. */
typedef struct {
  GArray *tensors;
  GPtrArray *names;
  BertLayout *layout;
  BertParameters *weights;
  char *file;
} Fake;

static void fake_make(Fake *fake, const char *folder)
{
  fake->layout = bert_layout_new(&config);
  fake->weights = bert_parameters_new(fake->layout);
  bert_weights_initialise(fake->weights, 5);
  fake->tensors = g_array_new(FALSE, TRUE, sizeof(BertTensor));
  fake->names = g_ptr_array_new_with_free_func(g_free);
  fake->file = g_build_filename(folder, "model.safetensors", NULL);
  for (guint i = 0; i < fake->layout->n_tensors; i++) {
    const BertTensorInfo *info = &fake->layout->tensors[i];
    BertTensor tensor = {.name = info->name,
                         .type = BERT_TYPE_F32,
                         .n_dimensions = info->n_dimensions,
                         .shape = {info->shape[0], info->shape[1]},
                         .data = fake->weights->block + info->offset};
    g_array_append_val(fake->tensors, tensor);
  }
}

static void fake_clear(Fake *fake)
{
  bert_parameters_free(fake->weights);
  bert_layout_free(fake->layout);
  g_array_free(fake->tensors, TRUE);
  g_ptr_array_free(fake->names, TRUE);
  g_free(fake->file);
}

static BertTensor *fake_tensor(Fake *fake, const char *name)
{
  for (guint i = 0; i < fake->tensors->len; i++) {
    BertTensor *tensor = &g_array_index(fake->tensors, BertTensor, i);
    if (strcmp(tensor->name, name) == 0) {
      return tensor;
    }
  }
  fail_msg("no tensor %s", name);
  return NULL;
}

static void fake_remove(Fake *fake, const char *prefix)
{
  for (guint i = fake->tensors->len; i-- > 0;) {
    if (g_str_has_prefix(g_array_index(fake->tensors, BertTensor, i).name, prefix)) {
      g_array_remove_index(fake->tensors, i);
    }
  }
}

static void fake_add(Fake *fake, const char *name, gint64 rows, gconstpointer data, BertType type)
{
  BertTensor tensor = {.name = name, .type = type, .n_dimensions = 1, .shape = {rows}, .data = data};
  g_array_append_val(fake->tensors, tensor);
}

static void fake_write(Fake *fake)
{
  assert_true(bert_safetensors_write(fake->file, (const BertTensor *)(gpointer)fake->tensors->data,
                                     fake->tensors->len, NULL, NULL));
}

static void fake_expect(Fake *fake, const char *message)
{
  fake_write(fake);
  BertParameters *weights = bert_parameters_new(fake->layout);
  GError *error = NULL;
  assert_false(bert_weights_load(weights, fake->file, 1, NULL, &error));
  assert_message(&error, fake->file, message);
  bert_parameters_free(weights);
}

static void test_saved_weights_load_bit_by_bit(void **state)
{
  BertLayout *layout = bert_layout_new(&config);
  BertParameters *weights = bert_parameters_new(layout), *again = bert_parameters_new(layout);
  char *file = g_build_filename(*state, "model.safetensors", NULL);
  bert_weights_initialise(weights, 3);
  assert_true(bert_weights_save(weights, file, NULL));
  BertLoadSummary summary;
  assert_true(bert_weights_load(again, file, 99, &summary, NULL));
  assert_memory_equal(weights->block, again->block, layout->n_floats * sizeof(float));
  assert_true(summary.head_loaded && summary.value_head_loaded);
  assert_int_equal(summary.n_new_rows, 0);
  assert_int_equal(summary.n_ignored, 0);
  g_free(file);
  bert_parameters_free(weights);
  bert_parameters_free(again);
  bert_layout_free(layout);
}

static void test_a_bare_pretrained_encoder_gets_a_head_and_rows(void **state)
{
  Fake fake;
  fake_make(&fake, *state);
  fake_remove(&fake, "attn.");
  fake_remove(&fake, "linear_");
  for (guint i = 0; i < fake.tensors->len; i++) {
    BertTensor *tensor = &g_array_index(fake.tensors, BertTensor, i);
    char **parts = g_strsplit(tensor->name + strlen("bert."), "LayerNorm.weight", 2);
    char *name = parts[1] ? g_strconcat(parts[0], "LayerNorm.gamma", NULL) : g_strdup(parts[0]);
    g_ptr_array_add(fake.names, name);
    g_strfreev(parts);
    tensor->name = name;
  }
  fake_tensor(&fake, "embeddings.word_embeddings.weight")->shape[0] = 5; /* of 9: 4 extra tokens */
  gint64 positions[8] = {0};
  fake_add(&fake, "embeddings.position_ids", 8, positions, BERT_TYPE_I64);
  fake_add(&fake, "pooler.dense.bias", 6, fake.weights->block, BERT_TYPE_F32);
  fake_add(&fake, "cls.predictions.bias", 6, fake.weights->block, BERT_TYPE_F32);
  fake_add(&fake, "image_linear.bias", 6, fake.weights->block, BERT_TYPE_F32);
  fake_write(&fake);

  BertParameters *weights = bert_parameters_new(fake.layout), *fresh = bert_parameters_new(fake.layout);
  bert_weights_initialise(fresh, 8);
  BertLoadSummary summary;
  assert_true(bert_weights_load(weights, fake.file, 8, &summary, NULL));
  assert_false(summary.head_loaded);
  assert_false(summary.value_head_loaded);
  assert_int_equal(summary.n_new_rows, 4);
  assert_int_equal(summary.n_ignored, 4);
  assert_memory_equal(weights->word_embeddings, fake.weights->word_embeddings, 5 * 6 * sizeof(float));
  assert_memory_equal(weights->embeddings_norm_weight, fake.weights->embeddings_norm_weight,
                      6 * sizeof(float));
  assert_memory_equal(weights->layers[1].output_weight, fake.weights->layers[1].output_weight,
                      60 * sizeof(float));
  assert_memory_equal(weights->linear_1_weight, fresh->linear_1_weight, 144 * sizeof(float));
  assert_memory_equal(weights->value_hidden_weight, fresh->value_hidden_weight, 768 * sizeof(float));
  for (guint i = 5 * 6; i < 9 * 6; i++) {
    assert_true(weights->word_embeddings[i] != 0.0f && fabsf(weights->word_embeddings[i]) < 0.2f);
  }
  bert_parameters_free(fresh);
  bert_parameters_free(weights);
  fake_clear(&fake);
}

static void test_half_precision_weights_are_widened(void **state)
{
  Fake fake;
  fake_make(&fake, *state);
  guint16 halves[60];
  for (guint i = 0; i < 60; i++) {
    halves[i] = (guint16)(0x3C00 + i);
  }
  BertTensor *tensor = fake_tensor(&fake, "bert.encoder.layer.0.output.dense.weight");
  tensor->type = BERT_TYPE_F16;
  tensor->data = halves;
  tensor = fake_tensor(&fake, "bert.encoder.layer.1.output.dense.weight");
  tensor->type = BERT_TYPE_BF16;
  tensor->data = halves;
  fake_write(&fake);
  BertParameters *weights = bert_parameters_new(fake.layout);
  assert_true(bert_weights_load(weights, fake.file, 8, NULL, NULL));
  assert_true(weights->layers[0].output_weight[1] == 1.0f + 0x1p-10f);
  assert_true(weights->layers[1].output_weight[0] == 0x1p-7f);
  bert_parameters_free(weights);
  fake_clear(&fake);
}

static void test_a_value_head_may_be_missing_alone(void **state)
{
  Fake fake;
  fake_make(&fake, *state);
  fake_remove(&fake, "linear_3.");
  fake_write(&fake);
  BertParameters *weights = bert_parameters_new(fake.layout);
  BertLoadSummary summary;
  assert_true(bert_weights_load(weights, fake.file, 8, &summary, NULL));
  assert_true(summary.head_loaded);
  assert_false(summary.value_head_loaded);
  assert_memory_equal(weights->linear_1_weight, fake.weights->linear_1_weight, 144 * sizeof(float));
  bert_parameters_free(weights);
  fake_clear(&fake);
}

static void test_missing_wrong_and_unknown_tensors_are_named(void **state)
{
  Fake fake;
  fake_make(&fake, *state);
  fake_remove(&fake, "bert.encoder.layer.1.attention.output.LayerNorm.bias");
  fake_expect(&fake,
              "%s: tensor 'bert.encoder.layer.1.attention.output.LayerNorm.bias' is missing; the file has to "
              "hold the whole encoder that config.json describes");
  fake_clear(&fake);

  fake_make(&fake, *state);
  fake_tensor(&fake, "bert.encoder.layer.0.output.dense.weight")->shape[0] = 5;
  fake_expect(&fake,
              "%s: tensor 'bert.encoder.layer.0.output.dense.weight': expected shape [6, 10], found [5, 10]; "
              "config.json and the weights belong to different models");
  fake_clear(&fake);

  fake_make(&fake, *state);
  fake_tensor(&fake, "bert.embeddings.LayerNorm.weight")->n_dimensions = 2;
  fake_expect(
      &fake,
      "%s: tensor 'bert.embeddings.LayerNorm.weight': expected shape [6], found [6, 1]; config.json and "
      "the weights belong to different models");
  fake_clear(&fake);

  fake_make(&fake, *state);
  fake_tensor(&fake, "bert.embeddings.word_embeddings.weight")->shape[0] =
      4; /* more than the extra tokens are missing */
  fake_expect(&fake,
              "%s: tensor 'bert.embeddings.word_embeddings.weight': expected shape [9, 6], found [4, 6]; "
              "config.json and the weights belong to different models");
  fake_clear(&fake);

  fake_make(&fake, *state);
  gint64 integers[6] = {0};
  BertTensor *bias = fake_tensor(&fake, "linear_1.bias");
  bias->type = BERT_TYPE_I64;
  bias->data = integers;
  fake_expect(&fake, "%s: tensor 'linear_1.bias': expected type F32, F16, BF16 or F64, found I64");
  fake_clear(&fake);

  fake_make(&fake, *state);
  fake_remove(&fake, "linear_1.bias");
  fake_expect(
      &fake,
      "%s: tensor 'linear_1.bias' is missing although 'linear_2.bias' is there; a choice head is loaded "
      "whole or not at all");
  fake_clear(&fake);

  fake_make(&fake, *state);
  fake_remove(&fake, "linear_3.2.");
  fake_expect(&fake,
              "%s: tensor 'linear_3.2.bias' is missing although 'linear_3.0.bias' is there; a value head is "
              "loaded whole or not at all");
  fake_clear(&fake);

  fake_make(&fake, *state);
  fake_add(&fake, "bert.encoder.layer.2.output.dense.bias", 6, fake.weights->block, BERT_TYPE_F32);
  fake_expect(
      &fake, "%s: tensor 'bert.encoder.layer.2.output.dense.bias' has no place in a BERT encoder of 2 layers "
             "with a choice head");
  fake_clear(&fake);
}

/* ---- model folders ---- */

static void test_the_reference_model_opens_and_loads(void **state)
{
  (void)state;
  BertModelFolder folder;
  assert_true(bert_model_folder_open(TINY, &folder, NULL));
  assert_int_equal(folder.config.hidden_size, 32);
  assert_int_equal(folder.config.vocabulary_size, bert_tokenizer_vocabulary_size(folder.tokenizer) + 4);
  BertLayout *layout = bert_layout_new(&folder.config);
  BertParameters *weights = bert_parameters_new(layout);
  BertLoadSummary summary;
  assert_true(bert_weights_load(weights, folder.weights_file, 0, &summary, NULL));
  assert_true(summary.head_loaded && summary.value_head_loaded);
  bert_parameters_free(weights);
  bert_layout_free(layout);
  bert_model_folder_clear(&folder);
}

static void test_the_demos_model_opens_without_weights(void **state)
{
  (void)state;
  BertModelFolder folder;
  assert_true(bert_model_folder_open(TEST_SOURCE_DIRECTORY "/models/shop-bert", &folder, NULL));
  assert_null(folder.weights_file);
  assert_int_equal(folder.config.vocabulary_size, 4004);
  GArray *ids = g_array_new(FALSE, FALSE, sizeof(guint32));
  for (char c = '!'; c <= '~'; c++) { /* no printable character is unknown, alone or inside a word */
    bert_tokenizer_encode(folder.tokenizer, (char[]){c, ' ', 'q', c, '\0'}, 16, BERT_TRUNCATE_LEFT, ids);
  }
  for (guint i = 0; i < ids->len; i++) {
    assert_string_not_equal(bert_tokenizer_token(folder.tokenizer, g_array_index(ids, guint32, i)), "[UNK]");
  }
  g_array_free(ids, TRUE);
  bert_model_folder_clear(&folder);
}

static void test_a_written_folder_opens_again(void **state)
{
  BertModelFolder folder, again;
  assert_true(bert_model_folder_open(TINY, &folder, NULL));
  assert_true(bert_model_folder_write(&folder.config, folder.tokenizer, *state, NULL));
  char *file = g_build_filename(*state, "model.safetensors", NULL);
  g_unlink(file);
  g_free(file);
  assert_true(bert_model_folder_open(*state, &again, NULL));
  assert_null(again.weights_file);
  assert_int_equal(again.config.vocabulary_size, folder.config.vocabulary_size);
  assert_int_equal(bert_tokenizer_n_tokens(again.tokenizer), bert_tokenizer_n_tokens(folder.tokenizer));
  bert_model_folder_clear(&folder);
  bert_model_folder_clear(&again);
}

static void test_a_vocabulary_longer_than_the_config_says_is_refused(void **state)
{
  char *file =
      folder_write(*state, "config.json",
                   "{\"vocab_size\": 4, \"hidden_size\": 4, \"num_hidden_layers\": 1, "
                   "\"num_attention_heads\": 2, \"intermediate_size\": 8, \"max_position_embeddings\": 16, "
                   "\"hidden_act\": \"gelu\"}",
                   -1);
  g_free(folder_write(*state, "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\nx\n", -1));
  BertModelFolder folder;
  GError *error = NULL;
  assert_false(bert_model_folder_open(*state, &folder, &error));
  assert_null(folder.tokenizer);
  assert_message(&error, file,
                 "%s: key 'vocab_size' is 4, but vocab.txt has 5 tokens; the two belong to different models");
  g_free(file);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_the_layout_has_every_tensor_of_the_model),
      cmocka_unit_test(test_query_key_and_value_lie_side_by_side),
      cmocka_unit_test(test_every_pointer_is_its_tensor),
      cmocka_unit_test(test_initial_values_have_the_right_distributions),
      cmocka_unit_test(test_initial_values_depend_on_seed_and_tensor_alone),
      cmocka_unit_test(test_saved_weights_load_bit_by_bit),
      cmocka_unit_test(test_a_bare_pretrained_encoder_gets_a_head_and_rows),
      cmocka_unit_test(test_half_precision_weights_are_widened),
      cmocka_unit_test(test_a_value_head_may_be_missing_alone),
      cmocka_unit_test(test_missing_wrong_and_unknown_tensors_are_named),
      cmocka_unit_test(test_the_reference_model_opens_and_loads),
      cmocka_unit_test(test_the_demos_model_opens_without_weights),
      cmocka_unit_test(test_a_written_folder_opens_again),
      cmocka_unit_test(test_a_vocabulary_longer_than_the_config_says_is_refused),
  };
  return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
