/* Checkpoints of PyTorch. make_pth.py wrote those in data with PyTorch itself; the others are these,
 * spoilt. */
#include "models/torch_import/pickle.h"
#include "models/torch_import/pytorch.h"
#include "models/torch_import/zip.h"
#include "tests/bert/folder.h"
#include <cartwright/random.h>
#include <stdlib.h>

#define DATA TEST_SOURCE_DIRECTORY "/tests/torch_import/data/"

/* CRC-32, which seeds the values of a tensor from its name. */
static guint32 checksum(const char *text)
{
  guint32 crc = 0xffffffffu;
  for (; *text; text++) {
    crc ^= (guint8)*text;
    for (int bit = 0; bit < 8; bit++)
      crc = crc & 1 ? 0xedb88320u ^ crc >> 1 : crc >> 1;
  }
  return ~crc;
}

/* Element i of a tensor of make_pth.py. */
static float value(const char *name, gsize i)
{
  return (float)(((gint64)i * 37 + checksum(name)) % 128 - 64) / 64;
}

static BertPytorch *open_file(const char *path)
{
  GError *error = NULL;
  BertPytorch *checkpoint = bert_pytorch_open(path, &error);
  if (!checkpoint)
    fail_msg("%s", error->message);
  return checkpoint;
}

static const BertTensor *find(const BertPytorch *checkpoint, const char *name)
{
  guint n;
  const BertTensor *tensors = bert_pytorch_tensors(checkpoint, &n);
  for (guint i = 0; i < n; i++)
    if (g_str_equal(tensors[i].name, name))
      return &tensors[i];
  fail_msg("no tensor '%s'", name);
  return NULL;
}

/* Shape and all values. */
static void assert_whole(const BertTensor *tensor, const char *name, BertType type, guint n_dimensions,
                         gint64 rows, gint64 columns)
{
  assert_int_equal(tensor->type, type);
  assert_int_equal(tensor->n_dimensions, n_dimensions);
  assert_int_equal(tensor->shape[0], rows);
  if (n_dimensions == 2)
    assert_int_equal(tensor->shape[1], columns);
  assert_int_equal(tensor->n_elements, rows * (n_dimensions == 2 ? columns : 1));
  for (gsize i = 0; i < tensor->n_elements; i++) {
    float x;
    bert_tensor_read_floats(tensor, i, 1, &x);
    if (x != value(name, i))
      fail_msg("%s[%zu] is %g instead of %g", name, i, x, value(name, i));
  }
}

static void test_a_choice_model_in_both_formats(void **state)
{
  (void)state;
  static const char *const files[] = {DATA "choice_zip.pth", DATA "choice_legacy.pth"};
  for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
    BertPytorch *checkpoint = open_file(files[i]);
    guint n;
    const BertTensor *tensors = bert_pytorch_tensors(checkpoint, &n);
    assert_int_equal(n, i == 0 ? 53 : 51); /* the second has no image branch */
    assert_string_equal(tensors[0].name, "bert.embeddings.position_ids");
    assert_int_equal(tensors[0].type, BERT_TYPE_I64);
    assert_int_equal(tensors[0].shape[1], 96);
    static const char *const words = "bert.embeddings.word_embeddings.weight",
                             *const scale = "attn.dot_scale",
                             *const output = "bert.encoder.layer.1.output.dense.weight";
    assert_whole(find(checkpoint, words), words, BERT_TYPE_F16, 2, 64, 24);
    assert_whole(find(checkpoint, output), output, BERT_TYPE_F16, 2, 24, 40);
    assert_whole(find(checkpoint, scale), scale, BERT_TYPE_F16, 1, 24, 0);
    assert_whole(find(checkpoint, "linear_2.bias"), "linear_2.bias", BERT_TYPE_F16, 1, 1, 0);
    bert_pytorch_close(checkpoint);
  }
}

static void test_a_dictionary_inside_another_and_the_prefix_of_parallel_training(void **state)
{
  (void)state;
  BertPytorch *checkpoint = open_file(DATA "parallel.pth");
  assert_whole(find(checkpoint, "linear_1.weight"), "linear_1.weight", BERT_TYPE_BF16, 2, 24, 96);
  bert_pytorch_close(checkpoint);
}

static void assert_integers(const BertPytorch *checkpoint, const char *name, gint64 a, gint64 b, gint64 c)
{
  const BertTensor *tensor = find(checkpoint, name);
  gint64 numbers[3];
  assert_int_equal(tensor->type, BERT_TYPE_I64);
  assert_int_equal(tensor->n_elements, 3);
  memcpy(numbers, tensor->data, sizeof numbers);
  assert_true(numbers[0] == a && numbers[1] == b && numbers[2] == c);
}

static float element(const BertPytorch *checkpoint, const char *name, gsize i)
{
  float x;
  bert_tensor_read_floats(find(checkpoint, name), i, 1, &x);
  return x;
}

static void test_types_views_and_shared_storages(void **state)
{
  (void)state;
  static const char *const files[] = {DATA "odd_zip.pth", DATA "odd_protocol4.pth", DATA "odd_legacy.pth"};
  for (guint f = 0; f < G_N_ELEMENTS(files); f++) {
    BertPytorch *odd = open_file(files[f]);
    assert_whole(find(odd, "whole"), "whole", BERT_TYPE_F32, 2, 6, 4);
    assert_int_equal(find(odd, "transposed")->shape[0], 4);
    for (gsize row = 0; row < 4; row++)
      for (gsize column = 0; column < 6; column++)
        assert_true(element(odd, "transposed", row * 6 + column) == value("whole", column * 4 + row));
    for (gsize i = 0; i < 4; i++) {
      assert_true(element(odd, "middle", i) == value("whole", (2 + i / 2) * 4 + 1 + i % 2));
      assert_true(element(odd, "row", i) == value("whole", 20 + i));
    }
    for (gsize i = 0; i < 12; i++)
      assert_true(element(odd, "every_other", i) == value("whole", 2 * i + 1));
    assert_int_equal(find(odd, "scalar")->n_dimensions, 0);
    assert_true(element(odd, "scalar", 0) == value("whole", 14));
    assert_int_equal(find(odd, "empty")->n_elements, 0);
    assert_whole(find(odd, "parameter"), "parameter", BERT_TYPE_F32, 1, 3, 0);
    assert_whole(find(odd, "float64"), "float64", BERT_TYPE_F32, 1, 5, 0);
    assert_whole(find(odd, "float16"), "float16", BERT_TYPE_F16, 1, 5, 0);
    assert_whole(find(odd, "bfloat16"), "bfloat16", BERT_TYPE_BF16, 1, 5, 0);
    assert_true(element(odd, "float64_transposed", 1) == value("float64", 3));
    assert_integers(odd, "int64", -3, 0, 7);
    assert_integers(odd, "int32", -3, 0, 7);
    assert_integers(odd, "int16", -3, 0, 7);
    assert_integers(odd, "int8", -3, 0, 7);
    assert_integers(odd, "uint8", 3, 0, 200);
    assert_integers(odd, "bool", 1, 0, 1);
    bert_pytorch_close(odd);
  }
}

static void test_nothing_but_tensors_is_read(void **state)
{
  (void)state;
  static const struct {
    const char *file, *message;
  } cases[] = {
      {DATA "harm_zip.pth",
       "%s: data.pkl: byte 18: the pickle asks for 'posix.system'; only tensors are read, never "
       "code: save the state dictionary, torch.save(model.state_dict(), ...)"},
      {DATA "harm_legacy.pth",
       "%s: the dictionary: byte 18: the pickle asks for 'posix.system'; only tensors are read, "
       "never code: save the state dictionary, torch.save(model.state_dict(), ...)"},
      {DATA "module.pth",
       "%s: data.pkl: byte 2: the pickle asks for 'torch.nn.modules.linear.Linear'; only tensors are "
       "read, never code: save the state dictionary, torch.save(model.state_dict(), ...)"},
      {DATA "list.pth",
       "%s: expected a dictionary of tensors, found something else: save the state dictionary, "
       "torch.save(model.state_dict(), ...)"},
      {TEST_SOURCE_DIRECTORY "/tests/bert/data/vocab.txt",
       "%s: is neither of PyTorch's formats (a zip archive, or pickles with its magic number)"},
      {"/nowhere/model.pth",
       "%s: cannot be opened: Failed to open file “%s”: open() failed: No such file or directory"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    GError *error = NULL;
    assert_null(bert_pytorch_open(cases[i].file, &error));
    assert_message(&error, cases[i].file, cases[i].message);
  }
}

/* ---- pickles by hand ---- */

static void assert_pickle_fails(const char *bytes, gsize length, const char *message)
{
  GError *error = NULL;
  assert_null(bert_pickle_read(bytes, length, "x", NULL, &error));
  assert_message(&error, "", message);
}

#define FAILS(bytes, message) assert_pickle_fails(bytes, sizeof(bytes) - 1, message)

static void test_pickles_that_are_wrong(void **state)
{
  (void)state;
  FAILS("", "x: byte 0: the pickle ends in the middle; the file is cut off");
  FAILS("\x80\x02}", "x: byte 3: the pickle ends in the middle; the file is cut off");
  FAILS("\x80\x09}.", "x: byte 0: pickle protocol 9 is not known");
  FAILS(".", "x: byte 0: the pickle takes a value that is not there");
  FAILS("(.", "x: byte 1: the pickle takes a value that is not there");
  FAILS("}s.", "x: byte 1: the pickle takes a value that is not there");
  FAILS("NNNs.", "x: byte 3: the pickle adds items to something that does not take them");
  FAILS("}(Nu.", "x: byte 3: the pickle adds items to something that does not take them");
  FAILS("Nt.", "x: byte 1: the pickle looks for a mark that is not there");
  FAILS("h\5.", "x: byte 0: the pickle recalls a value that it has not remembered");
  FAILS("Nr\xff\xff\xff\xff.", "x: byte 1: the pickle remembers more than 500000 values");
  FAILS("X\xff\xff\xff\xff!.", "x: byte 0: the pickle ends in the middle; the file is cut off");
  FAILS("i.", "x: byte 0: opcode 0x69 is not among those that a dictionary of tensors needs");
  FAILS("cbuiltins\neval\n.",
        "x: byte 0: the pickle asks for 'builtins.eval'; only tensors are read, never code: save "
        "the state dictionary, torch.save(model.state_dict(), ...)");
  FAILS("N)R.", "x: byte 2: the pickle calls something that is not a name");
  FAILS("ctorch\nFloatStorage\n)R.",
        "x: byte 21: the pickle calls 'torch.FloatStorage', which is no function here");
  FAILS("ctorch._utils\n_rebuild_tensor_v2\n)R.",
        "x: byte 34: expected a tensor (storage, offset, shape, strides), found something else");
  FAILS("U\7storageQ.", "x: byte 9: expected a storage ('storage', type, key, place, number of elements), "
                        "found something else");
  FAILS("NNb.", "x: byte 2: the pickle sets attributes of something that has none");
}

static void test_a_pickle_may_contain_itself(void **state)
{
  (void)state;
  static const char bytes[] = "}q\1U\1ah\1s.rest";
  gsize used = 0;
  BertPickle *pickle = bert_pickle_read(bytes, sizeof bytes - 1, "x", &used, NULL);
  assert_non_null(pickle);
  assert_int_equal(used, sizeof bytes - 1 - strlen("rest"));
  assert_ptr_equal(g_ptr_array_index(bert_pickle_value(pickle)->items, 1), bert_pickle_value(pickle));
  bert_pickle_free(pickle);
}

/* ---- spoilt files ---- */

static const char *const fixtures[] = {"choice_zip.pth", "choice_legacy.pth", "parallel.pth",
                                       "odd_zip.pth",    "odd_protocol4.pth", "odd_legacy.pth",
                                       "harm_zip.pth",   "harm_legacy.pth",   "module.pth"};

static void test_a_damaged_archive_is_told(void **state)
{
  char *original, *path;
  gsize length;
  GError *error = NULL;
  assert_true(g_file_get_contents(DATA "choice_zip.pth", &original, &length, NULL));
  BertZip *zip = bert_zip_open(original, length, "x", NULL);
  const BertZipRecord *storage = bert_zip_find(zip, "choice_zip/data/1");
  assert_non_null(storage);
  gsize position = (gsize)(storage->data - original);
  bert_zip_close(zip);
  original[position + 7] ^= 1;
  path = folder_write(*state, "flipped.pth", original, (gssize)length);
  assert_null(bert_pytorch_open(path, &error));
  assert_message(
      &error, path,
      "%s: record 'choice_zip/data/1' has another checksum than the zip archive tells; the file is damaged");
  g_free(path);
  path = folder_write(*state, "cut.pth", original, (gssize)length - 30);
  assert_null(bert_pytorch_open(path, &error));
  assert_message(&error, path, "%s: is a zip archive without a directory at its end; the file is cut off");
  g_free(path);
  g_free(original);
  assert_true(g_file_get_contents(DATA "choice_legacy.pth", &original, &length, NULL));
  path = folder_write(*state, "cut.pth", original, (gssize)length - 1);
  assert_null(bert_pytorch_open(path, &error));
  assert_true(g_str_has_suffix(error->message, "reaches beyond the end of the file; the file is cut off"));
  g_clear_error(&error);
  g_free(path);
  g_free(original);
}

/* Whatever was read, all of it can be looked at. */
static guint look_at(const BertPytorch *checkpoint)
{
  guint n, sum = 0;
  const BertTensor *tensors = bert_pytorch_tensors(checkpoint, &n);
  for (guint i = 0; i < n; i++)
    for (gsize k = 0; k < tensors[i].n_elements * bert_type_size(tensors[i].type); k++)
      sum += ((const guint8 *)tensors[i].data)[k];
  return sum;
}

static void spoil(CwRandom *random, char *bytes, gsize *length)
{
  guint n = 1 + cw_random_below(random, 4);
  for (guint i = 0; i < n; i++) {
    /* Heads, and the directory at the end, are where damage does most. */
    gsize range = cw_random_below(random, 2) ? MIN(*length, 4096) : *length;
    gsize at = cw_random_below(random, 3) == 0 ? *length - 1 - cw_random_below(random, (guint32)range)
                                               : cw_random_below(random, (guint32)range);
    guint32 noise = cw_random_below(random, 256);
    bytes[at] = cw_random_below(random, 2) ? (char)noise : (char)(bytes[at] ^ 1 << noise % 8);
  }
  if (cw_random_below(random, 8) == 0)
    *length = 1 + cw_random_below(random, (guint32)*length);
}

/* $FUZZ_ROUNDS for more of it, under a sanitizer. */
static guint n_rounds(void)
{
  const char *wanted = g_getenv("FUZZ_ROUNDS");
  return wanted ? (guint)atoi(wanted) : 200;
}

static void test_spoilt_files_are_refused_or_read(void **state)
{
  CwRandom *random = cw_random_new(1, "test", 0, 0);
  char *path = g_build_filename(*state, "spoilt.pth", NULL);
  guint n_read = 0;
  for (guint f = 0; f < G_N_ELEMENTS(fixtures); f++) {
    char *original, *source = g_strconcat(DATA, fixtures[f], NULL);
    gsize whole;
    assert_true(g_file_get_contents(source, &original, &whole, NULL));
    for (guint round = 0; round < n_rounds(); round++) {
      char *bytes = g_memdup2(original, whole);
      gsize length = whole;
      spoil(random, bytes, &length);
      assert_true(
          g_file_set_contents_full(path, bytes, (gssize)length, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
      GError *error = NULL;
      BertPytorch *checkpoint = bert_pytorch_open(path, &error);
      assert_true((checkpoint != NULL) == (!error));
      if (checkpoint) {
        n_read += look_at(checkpoint) > 0;
        bert_pytorch_close(checkpoint);
      } else {
        assert_true(error->domain == CW_POLICY_ERROR);
        assert_true(g_str_has_prefix(error->message, path));
        assert_true(g_utf8_validate(error->message, -1, NULL));
        g_error_free(error);
      }
      g_free(bytes);
    }
    g_free(original);
    g_free(source);
  }
  assert_true(n_read > 0); /* damage in what nobody reads */
  g_free(path);
  cw_random_free(random);
}

/* The pickles themselves, which a checksum guards in the files. */
static void test_spoilt_pickles_are_refused_or_read(void **state)
{
  (void)state;
  CwRandom *random = cw_random_new(2, "test", 0, 0);
  for (guint f = 0; f < G_N_ELEMENTS(fixtures); f++) {
    char *original, *source = g_strconcat(DATA, fixtures[f], NULL);
    char *stem = g_strndup(fixtures[f], strlen(fixtures[f]) - strlen(".pth"));
    char *name = g_strconcat(stem, "/data.pkl", NULL);
    gsize whole;
    assert_true(g_file_get_contents(source, &original, &whole, NULL));
    BertZip *zip = bert_zip_is(original, whole) ? bert_zip_open(original, whole, "x", NULL) : NULL;
    const BertZipRecord *record = zip ? bert_zip_find(zip, name) : NULL;
    assert_true(!zip || record);
    for (guint round = 0; record && round < 5 * n_rounds(); round++) {
      gsize length = record->size, used = 0;
      char *bytes = g_memdup2(record->data, length);
      spoil(random, bytes, &length);
      GError *error = NULL;
      BertPickle *pickle = bert_pickle_read(bytes, length, "x", &used, &error);
      assert_true((pickle != NULL) == (!error));
      assert_true(used <= length);
      bert_pickle_free(pickle);
      g_clear_error(&error);
      g_free(bytes);
    }
    bert_zip_close(zip);
    g_free(name);
    g_free(stem);
    g_free(original);
    g_free(source);
  }
  cw_random_free(random);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_choice_model_in_both_formats),
      cmocka_unit_test(test_a_dictionary_inside_another_and_the_prefix_of_parallel_training),
      cmocka_unit_test(test_types_views_and_shared_storages),
      cmocka_unit_test(test_nothing_but_tensors_is_read),
      cmocka_unit_test(test_pickles_that_are_wrong),
      cmocka_unit_test(test_a_pickle_may_contain_itself),
      cmocka_unit_test(test_a_damaged_archive_is_told),
      cmocka_unit_test(test_spoilt_files_are_refused_or_read),
      cmocka_unit_test(test_spoilt_pickles_are_refused_or_read),
  };
  return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
