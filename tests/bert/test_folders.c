/* Model folders in the forms in which transformers has saved them: tokenizer.json alone, added tokens,
 * shards, names and types of tensors; and files that contradict each other. compare_folders.py compares more
 * forms with transformers. */
#include "tests/bert/folder.h"

#include "models/bert/model.h"
#include "models/bert/safetensors.h"
#include <cartwright/error.h>
#include <jansson.h>
#include <math.h>

#define TINY   TEST_SOURCE_DIRECTORY "/tests/bert_cpu/data/tiny"
#define N_TINY 179 /* tokens of its vocab.txt; it has rows for the four extra ones too */

static const char *const tiny_files[] = {"config.json", "vocab.txt", "model.safetensors"};
static const char *const other_files[] = {"tokenizer.json",
                                          "tokenizer_config.json",
                                          "added_tokens.json",
                                          "special_tokens_map.json",
                                          "model.safetensors.index.json",
                                          "one.safetensors",
                                          "two.safetensors",
                                          "pytorch_model.bin"};

/* The tiny model in `folder`, and none of the other files. */
static void tiny(const char *folder)
{
  for (guint i = 0; i < G_N_ELEMENTS(tiny_files); i++) {
    g_autofree char *from = g_build_filename(TINY, tiny_files[i], NULL), *text = NULL;
    gsize length;
    assert_true(g_file_get_contents(from, &text, &length, NULL));
    g_free(folder_write(folder, tiny_files[i], text, (gssize)length));
  }
  for (guint i = 0; i < G_N_ELEMENTS(other_files); i++) {
    g_autofree char *file = g_build_filename(folder, other_files[i], NULL);
    g_unlink(file);
  }
}

static void put(const char *folder, const char *name, const char *text)
{
  g_free(folder_write(folder, name, text, -1));
}

static void drop(const char *folder, const char *name)
{
  g_autofree char *file = g_build_filename(folder, name, NULL);
  assert_int_equal(g_unlink(file), 0);
}

/* tokenizer.json with the tiny model's tokens and these added ones. */
static void put_whole(const char *folder, const char *added)
{
  g_autofree char *lines = NULL;
  assert_true(g_file_get_contents(TINY "/vocab.txt", &lines, NULL, NULL));
  g_auto(GStrv) tokens = g_strsplit(g_strchomp(lines), "\n", -1);
  json_t *vocabulary = json_object();
  for (guint i = 0; tokens[i]; i++)
    json_object_set_new(vocabulary, tokens[i], json_integer(i));
  char *text = json_dumps(vocabulary, 0);
  g_autofree char *whole = g_strdup_printf(
      "{\"added_tokens\": [%s], \"normalizer\": {\"type\": \"BertNormalizer\", \"clean_text\": true, "
      "\"lowercase\": true}, \"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"}, \"model\": {\"type\": "
      "\"WordPiece\", \"continuing_subword_prefix\": \"##\", \"vocab\": %s}}",
      added, text);
  put(folder, "tokenizer.json", whole);
  free(text);
  json_decref(vocabulary);
}

static char *ids_of(const BertTokenizer *tokenizer, const char *text)
{
  g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(guint32));
  GString *list = g_string_new(NULL);
  bert_tokenizer_encode(tokenizer, text, 100, BERT_TRUNCATE_RIGHT, ids);
  for (guint i = 0; i < ids->len; i++)
    g_string_append_printf(list, "%s%u", i > 0 ? " " : "", g_array_index(ids, guint32, i));
  return g_string_free(list, FALSE);
}

/* The ids of a text with the folder's tokenizer, and again when that was written and opened. */
static void assert_ids(const char *folder, const char *text, const char *expected)
{
  GError *error = NULL;
  for (int again = 0; again < 2; again++) {
    BertTokenizer *tokenizer = bert_tokenizer_open(folder, &error);
    if (!tokenizer)
      fail_msg("%s", error->message);
    g_autofree char *found = ids_of(tokenizer, text);
    assert_string_equal(found, expected);
    if (!again) {
      assert_true(bert_tokenizer_write(tokenizer, folder, NULL));
      for (guint i = 0; i < 4; i++) {
        g_autofree char *file = g_build_filename(folder, other_files[i], NULL);
        if (i != 1)
          g_unlink(file);
      }
    }
    bert_tokenizer_free(tokenizer);
  }
}

/* What the tiny tokenizer says to it. */
static char *plain_ids(const char *text)
{
  BertTokenizer *tokenizer = bert_tokenizer_open(TINY, NULL);
  assert_non_null(tokenizer);
  char *ids = ids_of(tokenizer, text);
  bert_tokenizer_free(tokenizer);
  return ids;
}

static const char text[] = "Buy [SEP] a LARGE shirt\xc3\xa9, [button] x [button_]";

static void test_tokenizer_json_alone_is_enough(void **state)
{
  g_autofree char *expected = plain_ids(text);
  tiny(*state);
  put_whole(*state, "");
  assert_ids(*state, text, expected);
  tiny(*state);
  put_whole(*state, "");
  drop(*state, "vocab.txt");
  assert_ids(*state, text, expected);
}

static void test_added_tokens_of_every_file_have_their_ids(void **state)
{
  g_autofree char *shirt = plain_ids("shirt"), *id = g_strdup(strchr(shirt, ' ') + 1);
  *strchr(id, ' ') = '\0';
  g_autofree char *literal = g_strdup_printf("2 %s %d %s 3", id, N_TINY, id);
  static const char entry[] = "\"lstrip\": false, \"rstrip\": false, \"special\": true";
  tiny(*state);
  put(*state, "added_tokens.json", "{\"NewTok\": 179}"); /* found in the normalised text */
  assert_ids(*state, "shirt NEWTOK shirt", literal);
  tiny(*state);
  g_autofree char *settings =
      g_strdup_printf("{\"added_tokens_decoder\": {\"179\": {\"content\": \"NewTok\", \"normalized\": false, "
                      "\"single_word\": true, %s}}}",
                      entry);
  put(*state, "tokenizer_config.json", settings);
  assert_ids(*state, "shirt NewTok shirt", literal);
  tiny(*state);
  put(*state, "tokenizer_config.json", settings);
  g_autofree char *apart = plain_ids("shirt newtoks shirt"), *inside = plain_ids("shirt newtok shirt");
  assert_ids(*state, "shirt NewToks shirt", apart); /* within a word */
  tiny(*state);
  put(*state, "tokenizer_config.json", settings);
  assert_ids(*state, "shirt newtok shirt", inside); /* literally */
  tiny(*state);
  g_autofree char *added =
      g_strdup_printf("{\"id\": 179, \"content\": \"NewTok\", \"normalized\": false, %s}", entry);
  put_whole(*state, added);
  assert_ids(*state, "shirtNewTokshirt", literal);
  tiny(*state);
  put(*state, "special_tokens_map.json", "{\"additional_special_tokens\": [\"NewTok\"]}");
  assert_ids(*state, "shirt NewTok shirt", literal);
}

static void expect_refusal(const char *folder, const char *message)
{
  g_autoptr(GError) error = NULL;
  BertModelFolder opened;
  if (bert_model_folder_open(folder, &opened, &error))
    fail_msg("opened; expected: %s", message);
  g_autofree char *expected = g_strdup_printf(message, folder, folder);
  assert_string_equal(error->message, expected);
}

static void test_files_that_disagree_on_an_id_are_refused(void **state)
{
  tiny(*state);
  put(*state, "added_tokens.json", "{\"NewTok\": 17}");
  expect_refusal(
      *state, "%s/added_tokens.json: id 17 is token 'NewTok', but %s/vocab.txt says ')'; the files belong to "
              "different tokenizers");
  tiny(*state);
  put(*state, "added_tokens.json", "{\"shirt\": 183}");
  g_autofree char *ids = plain_ids("shirt"), *id = g_strdup(strchr(ids, ' ') + 1);
  *strchr(id, ' ') = '\0';
  g_autofree char *message =
      g_strconcat("%s/added_tokens.json: token 'shirt' has id 183, but %s/vocab.txt says ", id,
                  "; the files belong to different tokenizers", NULL);
  expect_refusal(*state, message);
  tiny(*state);
  put(*state, "added_tokens.json", "{\"A\": 179, \"B\": 180}");
  put(*state, "tokenizer_config.json", "{\"added_tokens_decoder\": {\"179\": {\"content\": \"B\"}}}");
  expect_refusal(
      *state, "%s/added_tokens.json: id 179 is token 'A', but %s/tokenizer_config.json says 'B'; the files "
              "belong to different tokenizers");
  tiny(*state);
  put_whole(*state, "{\"id\": 4, \"content\": \"shirt\"}");
  g_autofree char *whole = g_strconcat("%s/tokenizer.json: token 'shirt' has id 4, but %s/vocab.txt says ",
                                       id, "; the files belong to different tokenizers", NULL);
  expect_refusal(*state, whole);
  tiny(*state);
  put(*state, "added_tokens.json", "{\"NewTok\": 190}");
  expect_refusal(
      *state,
      "%s/added_tokens.json: added token 'NewTok' has id 190, but no token has id 179; ids may not be "
      "left out");
  tiny(*state);
  put(*state, "added_tokens.json", "{\"A\": 179, \"B\": 180, \"C\": 181, \"D\": 182, \"NewTok\": 183}");
  expect_refusal(
      *state,
      "%s/config.json: key 'vocab_size' is 183, but the added token 'NewTok' has id 183; the model has "
      "no row for it");
}

static void test_tokenizers_of_other_kinds_are_refused(void **state)
{
  tiny(*state);
  put(*state, "tokenizer_config.json", "{\"tokenizer_class\": \"RobertaTokenizer\"}");
  expect_refusal(
      *state, "%s/tokenizer_config.json: key 'tokenizer_class': 'RobertaTokenizer' is not supported; use a "
              "model with BERT's tokenizer");
  tiny(*state);
  put(*state, "tokenizer.json", "{\"model\": {\"type\": \"Unigram\"}}");
  expect_refusal(*state,
                 "%s/tokenizer.json: key 'model': 'Unigram' is not supported; use a tokenizer whose model is "
                 "'WordPiece'");
  tiny(*state);
  put(*state, "tokenizer.json", "{\"model\": {\"type\": \"WordPiece\", \"max_input_chars_per_word\": 50}}");
  expect_refusal(
      *state,
      "%s/tokenizer.json: key 'max_input_chars_per_word' is not supported as it is; BERT's tokenizers "
      "have 100");
}

/* ---- weights ---- */

typedef void (*Change)(BertTensor *tensor, GStringChunk *names);

/* The tiny model's weights, changed, as `name`: those with an even index, or odd, or all (2). */
static void put_weights(const char *folder, const char *name, Change change, guint part)
{
  BertSafetensors *file = bert_safetensors_open(TINY "/model.safetensors", NULL);
  g_autoptr(GStringChunk) names = g_string_chunk_new(64);
  g_autoptr(GPtrArray) values = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GArray) tensors = g_array_new(FALSE, FALSE, sizeof(BertTensor));
  for (guint i = 0; i < bert_safetensors_n_tensors(file); i++) {
    BertTensor tensor = *bert_safetensors_tensor(file, i);
    if (part < 2 && i % 2 != part)
      continue;
    if (change)
      change(&tensor, names);
    if (tensor.type == BERT_TYPE_F64) {
      double *wide = g_new(double, tensor.n_elements);
      for (gsize k = 0; k < tensor.n_elements; k++) {
        float x;
        memcpy(&x, (const char *)tensor.data + 4 * k, 4);
        wide[k] = (double)x;
      }
      g_ptr_array_add(values, wide);
      tensor.data = wide;
    }
    g_array_append_val(tensors, tensor);
  }
  g_autofree char *path = g_build_filename(folder, name, NULL);
  assert_true(
      bert_safetensors_write(path, (const BertTensor *)(gpointer)tensors->data, tensors->len, NULL, NULL));
  bert_safetensors_close(file);
}

static void widen(BertTensor *tensor, GStringChunk *names G_GNUC_UNUSED)
{
  tensor->type = BERT_TYPE_F64;
}

static void put_prefix(BertTensor *tensor, GStringChunk *names)
{
  const char *bare = g_str_has_prefix(tensor->name, "bert.") ? tensor->name + 5 : tensor->name;
  gboolean encoder = g_str_has_prefix(bare, "embeddings.") || g_str_has_prefix(bare, "encoder.");
  g_autofree char *name = g_strconcat(encoder ? "0.auto_model." : "", bare, NULL);
  tensor->name = g_string_chunk_insert(names, name);
}

/* Loads the folder's weights, or says why not. */
static BertParameters *load(const char *folder, BertLayout **layout, GError **error)
{
  BertModelFolder opened;
  assert_true(bert_model_folder_open(folder, &opened, error));
  *layout = bert_layout_new(&opened.config);
  BertParameters *weights = bert_parameters_new(*layout);
  if (!bert_weights_load(weights, opened.weights_file, 0, NULL, error))
    g_clear_pointer(&weights, bert_parameters_free);
  bert_model_folder_clear(&opened);
  return weights;
}

static void assert_same_weights(const char *folder)
{
  g_autoptr(GError) error = NULL;
  BertLayout *layouts[2];
  BertParameters *expected = load(TINY, &layouts[0], NULL), *found = load(folder, &layouts[1], &error);
  if (!found)
    fail_msg("%s", error->message);
  assert_memory_equal(expected->block, found->block, layouts[0]->n_floats * sizeof(float));
  bert_parameters_free(expected);
  bert_parameters_free(found);
  bert_layout_free(layouts[0]);
  bert_layout_free(layouts[1]);
}

static void test_weights_of_every_form_are_the_same(void **state)
{
  tiny(*state);
  put_weights(*state, "model.safetensors", widen, 2);
  assert_same_weights(*state);
  put_weights(*state, "model.safetensors", put_prefix, 2);
  assert_same_weights(*state);
}

/* The index of what put_weights puts into two files; with `swap` the first tensor is said to be in the other
 * one. */
static void put_index(const char *folder, gboolean swap)
{
  BertSafetensors *file = bert_safetensors_open(TINY "/model.safetensors", NULL);
  json_t *map = json_object();
  for (guint i = 0; i < bert_safetensors_n_tensors(file); i++)
    json_object_set_new(map, bert_safetensors_tensor(file, i)->name,
                        json_string((i + (swap && i == 0)) % 2 ? "two.safetensors" : "one.safetensors"));
  json_t *root = json_pack("{s:{s:i}, s:o}", "metadata", "total_size", 1, "weight_map", map);
  char *index = json_dumps(root, 0);
  put(folder, "model.safetensors.index.json", index);
  free(index);
  json_decref(root);
  bert_safetensors_close(file);
}

static void test_shards_are_one_model(void **state)
{
  g_autoptr(GError) error = NULL;
  BertLayout *layout;
  tiny(*state);
  put_weights(*state, "one.safetensors", NULL, 0);
  put_weights(*state, "two.safetensors", NULL, 1);
  drop(*state, "model.safetensors");
  put_index(*state, FALSE);
  assert_same_weights(*state);
  put_index(*state, TRUE);
  assert_null(load(*state, &layout, &error));
  assert_non_null(strstr(error->message, "two.safetensors, where the index says it is"));
  bert_layout_free(layout);
  g_clear_error(&error);
  drop(*state, "two.safetensors");
  assert_null(load(*state, &layout, &error));
  assert_non_null(strstr(error->message, "two.safetensors: cannot be opened: No such file or directory"));
  bert_layout_free(layout);
}

static void spoil(BertTensor *tensor, GStringChunk *names G_GNUC_UNUSED)
{
  static float bad[32] = {0, 0, 0, NAN};
  if (g_str_has_suffix(tensor->name, "encoder.layer.1.output.dense.bias"))
    tensor->data = bad;
}

static void test_weights_that_are_not_finite_are_refused(void **state)
{
  g_autoptr(GError) error = NULL;
  BertLayout *layout;
  tiny(*state);
  put_weights(*state, "model.safetensors", spoil, 2);
  assert_null(load(*state, &layout, &error));
  assert_non_null(
      strstr(error->message, "encoder.layer.1.output.dense.bias' is not finite (element 3 is nan)"));
  bert_layout_free(layout);
}

static void test_pickled_weights_are_answered_with_the_import(void **state)
{
  g_autoptr(GError) error = NULL;
  tiny(*state);
  drop(*state, "model.safetensors");
  put(*state, "pytorch_model.bin", "");
  BertOptions options = {.model = *state, .freeze_layers = -1};
  BertShared *shared = bert_shared_open(&options, NULL);
  BertParameters *weights = bert_parameters_new(shared->layout);
  assert_false(bert_shared_load_weights(shared, &options, 1, weights, &error));
  const char *folder = *state;
  g_autofree char *expected =
      g_strdup_printf("%s: has its weights as pytorch_model.bin; `cartwright import bert_cpu "
                      "file=%s/pytorch_model.bin base=%s --into NEW` makes a model folder NEW of it",
                      folder, folder, folder);
  assert_string_equal(error->message, expected);
  bert_parameters_free(weights);
  bert_shared_release(shared);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_tokenizer_json_alone_is_enough),
      cmocka_unit_test(test_added_tokens_of_every_file_have_their_ids),
      cmocka_unit_test(test_files_that_disagree_on_an_id_are_refused),
      cmocka_unit_test(test_tokenizers_of_other_kinds_are_refused),
      cmocka_unit_test(test_weights_of_every_form_are_the_same),
      cmocka_unit_test(test_shards_are_one_model),
      cmocka_unit_test(test_weights_that_are_not_finite_are_refused),
      cmocka_unit_test(test_pickled_weights_are_answered_with_the_import),
  };
  return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
