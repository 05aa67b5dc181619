/* config.json: what is read, what is refused and how it is said. */
#include "folder.h"

#include "models/bert/config.h"

static const char valid[] =
    "{\"model_type\": \"bert\", \"vocab_size\": 100, \"hidden_size\": 32, "
    "\"num_hidden_layers\": 2, \"num_attention_heads\": 4, \"intermediate_size\": 64, "
    "\"max_position_embeddings\": 128, \"type_vocab_size\": 3, \"layer_norm_eps\": 1e-5, "
    "\"hidden_act\": \"gelu_new\", \"hidden_dropout_prob\": 0.25, "
    "\"attention_probs_dropout_prob\": 0, \"use_cache\": true}";

static void test_every_key_is_read(void **state)
{
  char *file = folder_write(*state, "config.json", valid, -1);
  BertConfig config;
  assert_true(bert_config_read(file, &config, NULL));
  assert_int_equal(config.vocabulary_size, 100);
  assert_int_equal(config.hidden_size, 32);
  assert_int_equal(config.n_layers, 2);
  assert_int_equal(config.n_heads, 4);
  assert_int_equal(config.intermediate_size, 64);
  assert_int_equal(config.max_positions, 128);
  assert_int_equal(config.n_token_types, 3);
  assert_true(config.layer_norm_epsilon == 1e-5);
  assert_int_equal(config.activation, BERT_ACTIVATION_GELU_NEW);
  assert_true(config.hidden_dropout == 0.25);
  assert_true(config.attention_dropout == 0.0);
  g_free(file);
}

static void test_missing_optional_keys_take_huggingfaces_defaults(void **state)
{
  char *file =
      folder_write(*state, "config.json",
                   "{\"vocab_size\": 9, \"hidden_size\": 4, \"num_hidden_layers\": 1, "
                   "\"num_attention_heads\": 2, \"intermediate_size\": 8, \"max_position_embeddings\": 16, "
                   "\"hidden_act\": \"gelu\"}",
                   -1);
  BertConfig config;
  assert_true(bert_config_read(file, &config, NULL));
  assert_int_equal(config.n_token_types, 2);
  assert_true(config.layer_norm_epsilon == 1e-12);
  assert_true(config.hidden_dropout == 0.1);
  assert_true(config.attention_dropout == 0.1);
  assert_int_equal(config.activation, BERT_ACTIVATION_GELU);
  g_free(file);
}

static void test_written_config_reads_back_and_is_deterministic(void **state)
{
  char *file = folder_write(*state, "config.json", valid, -1);
  char *copy = g_build_filename(*state, "copy.json", NULL);
  BertConfig config, again;
  assert_true(bert_config_read(file, &config, NULL));
  assert_true(bert_config_write(&config, copy, NULL));
  assert_true(bert_config_read(copy, &again, NULL));
  char *first, *second;
  assert_true(g_file_get_contents(copy, &first, NULL, NULL));
  assert_true(bert_config_write(&again, copy, NULL));
  assert_true(g_file_get_contents(copy, &second, NULL, NULL));
  assert_string_equal(first, second);
  assert_non_null(strstr(first, "\"layer_norm_eps\": 1e-5"));
  assert_true(again.layer_norm_epsilon == config.layer_norm_epsilon);
  assert_int_equal(again.vocabulary_size, config.vocabulary_size);
  assert_int_equal(again.hidden_size, config.hidden_size);
  assert_int_equal(again.activation, config.activation);
  g_free(first);
  g_free(second);
  g_free(copy);
  g_free(file);
}

/* Replaces `from` in the valid file by `to` and expects the message. */
static void expect(const char *folder, const char *from, const char *to, const char *message)
{
  char **parts = g_strsplit(valid, from, 2);
  assert_non_null(parts[1]);
  char *text = g_strconcat(parts[0], to, parts[1], NULL);
  char *file = folder_write(folder, "config.json", text, -1);
  BertConfig config = {.hidden_size = 77};
  GError *error = NULL;
  assert_false(bert_config_read(file, &config, &error));
  assert_int_equal(config.hidden_size, 77);
  assert_message(&error, file, message);
  g_free(file);
  g_free(text);
  g_strfreev(parts);
}

static void test_bad_keys_are_named(void **state)
{
  expect(*state, "\"hidden_size\"", "\"hiden_size\"",
         "%s: key 'hidden_size' is missing; a HuggingFace BERT configuration has it");
  expect(*state, "\"vocab_size\": 100", "\"vocab_size\": \"100\"",
         "%s: key 'vocab_size': expected an integer, found a string");
  expect(*state, "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 2.0",
         "%s: key 'num_hidden_layers': expected an integer, found a number");
  expect(*state, "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 0",
         "%s: key 'num_hidden_layers': expected an integer from 1 to 16777216, found 0");
  expect(*state, "\"intermediate_size\": 64", "\"intermediate_size\": 99999999999",
         "%s: key 'intermediate_size': expected an integer from 1 to 16777216, found 99999999999");
  expect(*state, "\"num_attention_heads\": 4", "\"num_attention_heads\": 5",
         "%s: key 'hidden_size': 32 is not a multiple of num_attention_heads, which is 5");
  expect(*state, "\"max_position_embeddings\": 128", "\"max_position_embeddings\": 2",
         "%s: key 'max_position_embeddings': expected at least 3 ([CLS], one token, [SEP]), found 2");
  expect(*state, "1e-5", "0", "%s: key 'layer_norm_eps': expected a number above 0 and below 1, found 0");
  expect(*state, "0.25", "1", "%s: key 'hidden_dropout_prob': expected a number from 0 and below 1, found 1");
  expect(*state, "0.25", "null", "%s: key 'hidden_dropout_prob': expected a number, found null");
  expect(*state, "\"gelu_new\"", "\"relu\"",
         "%s: key 'hidden_act': activation 'relu' is not supported; use a model with gelu, gelu_new or "
         "gelu_pytorch_tanh");
  expect(*state, "\"gelu_new\"", "[]", "%s: key 'hidden_act': expected a string, found a list");
  expect(*state, "\"model_type\": \"bert\"", "\"model_type\": \"roberta\"",
         "%s: key 'model_type': 'roberta' is not supported; use a model with 'bert'");
  expect(*state, "\"use_cache\": true", "\"position_embedding_type\": \"relative_key\"",
         "%s: key 'position_embedding_type': 'relative_key' is not supported; use a model with 'absolute'");
}

/* What Python writes and reads: numbers of any size, NaN, halves of surrogate pairs, a key twice. */
static void test_values_that_nobody_needs_do_not_matter(void **state)
{
  static const char odd[] =
      "\"far\": [1e400, -1e999], \"big\": 1000000000000000019884624838656, \"half\": \"\\ud800x\", "
      "\"nan\": [NaN, Infinity, -Infinity], \"vocab_size\": 1, \"vocab_size\": 100";
  char **parts = g_strsplit(valid, "\"vocab_size\": 100", 2);
  char *text = g_strconcat(parts[0], odd, parts[1], NULL);
  char *file = folder_write(*state, "config.json", text, -1);
  BertConfig config;
  assert_true(bert_config_read(file, &config, NULL));
  assert_int_equal(config.vocabulary_size, 100);
  g_free(file);
  g_free(text);
  g_strfreev(parts);
  expect(*state, "\"vocab_size\": 100", "\"vocab_size\": 123456789012345678901234567890",
         "%s: key 'vocab_size': expected an integer, found a number");
}

static void test_other_architectures_are_refused(void **state)
{
  expect(*state, "\"model_type\": \"bert\"", "\"model_type\": \"modernbert\"",
         "%s: key 'model_type': 'modernbert' is not supported; use a model with 'bert'");
  expect(*state, "\"model_type\": \"bert\"", "\"architectures\": [\"RobertaModel\"]",
         "%s: key 'architectures': 'RobertaModel' is not supported; use a model of BERT's architecture");
  expect(*state, "\"model_type\": \"bert\"", "\"model_type\": \"bert\", \"is_decoder\": true",
         "%s: key 'is_decoder': true is not supported; use a model that is an encoder");
}

static void test_what_is_not_a_json_object_is_refused(void **state)
{
  expect(*state, "}", "", "%s:1:321: not valid JSON: '}' expected near end of file");
  char *file = folder_write(*state, "list.json", "[1]", -1);
  BertConfig config;
  GError *error = NULL;
  assert_false(bert_config_read(file, &config, &error));
  assert_message(&error, file, "%s:1:1: expected a JSON object");
  g_unlink(file);
  assert_false(bert_config_read(file, &config, &error));
  assert_message(&error, file,
                 "%s: no such file; a model folder has config.json, vocab.txt and model.safetensors");
  g_free(file);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_key_is_read),
      cmocka_unit_test(test_missing_optional_keys_take_huggingfaces_defaults),
      cmocka_unit_test(test_written_config_reads_back_and_is_deterministic),
      cmocka_unit_test(test_bad_keys_are_named),
      cmocka_unit_test(test_values_that_nobody_needs_do_not_matter),
      cmocka_unit_test(test_other_architectures_are_refused),
      cmocka_unit_test(test_what_is_not_a_json_object_is_refused),
  };
  return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
