/* The safetensors format: what is written, what is read, and every kind of damaged file. */
#include "folder.h"

#include <math.h>

#include "models/bert/safetensors.h"

/* Writes header length, header and data; free the path with g_free. */
static char *write_file(const char *folder, guint64 length, const char *header, gconstpointer data,
                        gsize n_bytes)
{
  GByteArray *bytes = g_byte_array_new();
  length = GUINT64_TO_LE(length);
  g_byte_array_append(bytes, (const guint8 *)&length, 8);
  g_byte_array_append(bytes, (const guint8 *)header, (guint)strlen(header));
  g_byte_array_append(bytes, data, (guint)n_bytes);
  char *file = folder_write(folder, "x.safetensors", (const char *)bytes->data, bytes->len);
  g_byte_array_free(bytes, TRUE);
  return file;
}

static void test_tensors_come_back_as_written(void **state)
{
  char *file = g_build_filename(*state, "a.safetensors", NULL);
  float matrix[6] = {1.0f, -2.5f, 3e-40f, INFINITY, 0.0f, -0.0f}, scalar = 7.0f;
  gint64 counts[2] = {-1, G_MAXINT64};
  guint16 halves[3] = {0x3C00, 0xC000, 0x0001};
  const BertTensor tensors[] = {
      {.name = "z", .type = BERT_TYPE_F32, .n_dimensions = 2, .shape = {2, 3}, .data = matrix},
      {.name = "a.weight", .type = BERT_TYPE_I64, .n_dimensions = 1, .shape = {2}, .data = counts},
      {.name = "scalar", .type = BERT_TYPE_F32, .n_dimensions = 0, .data = &scalar},
      {.name = "empty", .type = BERT_TYPE_F32, .n_dimensions = 2, .shape = {0, 4}, .data = matrix},
      {.name = "half", .type = BERT_TYPE_F16, .n_dimensions = 1, .shape = {3}, .data = halves},
  };
  const char *const metadata[] = {"step", "12", "note", "quotes \" and \xc3\xa9", NULL};
  assert_true(bert_safetensors_write(file, tensors, 5, metadata, NULL));

  BertSafetensors *read = bert_safetensors_open(file, NULL);
  assert_non_null(read);
  assert_int_equal(bert_safetensors_n_tensors(read), 5);
  assert_string_equal(bert_safetensors_file(read), file);
  assert_string_equal(bert_safetensors_tensor(read, 0)->name, "z");
  assert_string_equal(bert_safetensors_tensor(read, 1)->name, "a.weight");
  assert_null(bert_safetensors_tensor(read, 5));
  assert_null(bert_safetensors_find(read, "b"));
  assert_string_equal(bert_safetensors_metadata(read, "format"), "pt");
  assert_string_equal(bert_safetensors_metadata(read, "step"), "12");
  assert_string_equal(bert_safetensors_metadata(read, "note"), "quotes \" and \xc3\xa9");
  assert_null(bert_safetensors_metadata(read, "absent"));
  const BertTensor *z = bert_safetensors_find(read, "z");
  assert_int_equal(z->n_dimensions, 2);
  assert_int_equal(z->shape[0], 2);
  assert_int_equal(z->shape[1], 3);
  assert_int_equal(z->n_elements, 6);
  assert_memory_equal(z->data, matrix, sizeof matrix);
  float part[2];
  bert_tensor_read_floats(z, 1, 2, part);
  assert_memory_equal(part, matrix + 1, sizeof part);
  assert_memory_equal(bert_safetensors_find(read, "a.weight")->data, counts, sizeof counts);
  assert_int_equal(bert_safetensors_find(read, "scalar")->n_elements, 1);
  assert_int_equal(bert_safetensors_find(read, "empty")->n_elements, 0);
  bert_safetensors_close(read);
  g_free(file);
}

static void test_writing_is_deterministic_and_leaves_nothing_beside(void **state)
{
  char *first = g_build_filename(*state, "a.safetensors", NULL),
       *second = g_build_filename(*state, "b.safetensors", NULL);
  float values[3] = {1, 2, 3};
  const BertTensor tensor = {
      .name = "w", .type = BERT_TYPE_F32, .n_dimensions = 1, .shape = {3}, .data = values};
  assert_true(bert_safetensors_write(first, &tensor, 1, NULL, NULL));
  assert_true(bert_safetensors_write(second, &tensor, 1, NULL, NULL));
  assert_true(bert_safetensors_write(second, &tensor, 1, NULL, NULL));
  char *a, *b;
  gsize a_length, b_length;
  assert_true(g_file_get_contents(first, &a, &a_length, NULL));
  assert_true(g_file_get_contents(second, &b, &b_length, NULL));
  static const char header[] = "{\"__metadata__\":{\"format\":\"pt\"},\"w\":{\"dtype\":\"F32\",\"shape\":[3],"
                               "\"data_offsets\":[0,12]}}";
  guint64 length;
  memcpy(&length, a, 8);
  assert_int_equal(length % 8, 0);
  assert_memory_equal(a + 8, header, strlen(header));
  assert_int_equal(a_length, 8 + length + 12);
  assert_int_equal(a_length, b_length);
  assert_memory_equal(a, b, a_length);
  GDir *folder = g_dir_open(*state, 0, NULL);
  for (const char *name = g_dir_read_name(folder); name; name = g_dir_read_name(folder)) {
    assert_true(g_str_has_suffix(name, ".safetensors"));
  }
  g_dir_close(folder);
  g_free(a);
  g_free(b);
  g_free(first);
  g_free(second);
}

static void test_a_folder_that_is_not_there_cannot_be_written(void **state)
{
  char *file = g_build_filename(*state, "absent", "x.safetensors", NULL);
  GError *error = NULL;
  assert_false(bert_safetensors_write(file, NULL, 0, NULL, &error));
  assert_message(&error, file, "%s: cannot be written: No such file or directory");
  g_free(file);
}

/* Every finite half and its float, by the definition of the formats. */
static void test_halves_widen_exactly(void **state)
{
  (void)state;
  for (guint32 bits = 0; bits < 0x10000; bits++) {
    guint16 half = (guint16)bits;
    int exponent = (half >> 10) & 0x1F, fraction = half & 0x3FF;
    double expected = exponent == 0    ? ldexp(fraction, -24)
                      : exponent == 31 ? (fraction != 0 ? NAN : INFINITY)
                                       : ldexp(1024 + fraction, exponent - 25);
    expected = (half & 0x8000) != 0 ? -expected : expected;
    BertTensor tensor = {
        .name = "h", .type = BERT_TYPE_F16, .n_dimensions = 1, .shape = {1}, .n_elements = 1, .data = &half};
    float found;
    bert_tensor_read_floats(&tensor, 0, 1, &found);
    assert_true(isnan(expected) ? isnan(found)
                                : (double)found == expected && !signbit(found) == !signbit(expected));
    tensor.type = BERT_TYPE_BF16;
    bert_tensor_read_floats(&tensor, 0, 1, &found);
    guint32 found_bits;
    memcpy(&found_bits, &found, 4);
    assert_int_equal(found_bits, bits << 16);
  }
}

static void test_unaligned_data_is_read(void **state)
{
  static const char header[] = "{\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[2,6]},"
                               "\"a\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[0,2]}}";
  float value = 1.5f;
  guint8 data[6] = {0x80, 0x3F};
  memcpy(data + 2, &value, 4);
  char *file = write_file(*state, strlen(header), header, data, sizeof data);
  BertSafetensors *read = bert_safetensors_open(file, NULL);
  assert_non_null(read);
  float found;
  bert_tensor_read_floats(bert_safetensors_find(read, "b"), 0, 1, &found);
  assert_true(found == 1.5f);
  bert_tensor_read_floats(bert_safetensors_find(read, "a"), 0, 1, &found);
  assert_true(found == 1.0f);
  assert_string_equal(bert_safetensors_tensor(read, 0)->name, "a");
  bert_safetensors_close(read);
  g_free(file);
}

static void expect(const char *folder, const char *header, gsize n_bytes, const char *message)
{
  guint8 data[64] = {0};
  char *file = write_file(folder, strlen(header), header, data, n_bytes);
  GError *error = NULL;
  assert_null(bert_safetensors_open(file, &error));
  assert_message(&error, file, message);
  g_free(file);
}

static void test_damaged_headers_are_refused(void **state)
{
  expect(*state, "{\"w\":", 0,
         "%s: the header is not valid JSON: unexpected token near end of file (byte 5)");
  expect(*state, "[]", 0, "%s: the header is not a JSON object");
  expect(*state, "{\"w\":{},\"w\":{}}", 0,
         "%s: the header is not valid JSON: duplicate object key near '\"w\"' (byte 11)");
  expect(*state, "{\"__metadata__\":[]}", 0, "%s: '__metadata__' is not an object");
  expect(*state, "{\"__metadata__\":{\"a\":1}}", 0, "%s: '__metadata__': the value of 'a' is not a string");
  expect(*state, "{\"w\":3}", 0, "%s: tensor 'w': its header entry is not an object");
  expect(*state, "{\"w\":{\"shape\":[],\"data_offsets\":[0,4]}}", 4,
         "%s: tensor 'w': 'dtype' is missing or not a string");
  expect(*state, "{\"w\":{\"dtype\":\"F4\",\"shape\":[],\"data_offsets\":[0,8]}}", 8,
         "%s: tensor 'w': type 'F4' is not supported; convert it to F32, F16, BF16 or F64");
  expect(*state, "{\"w\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4,
         "%s: tensor 'w': 'shape' is missing or not a list");
  expect(*state, "{\"w\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4,
         "%s: tensor 'w': 9 dimensions; at most 8 are supported");
  expect(*state, "{\"w\":{\"dtype\":\"F32\",\"shape\":[2,-1],\"data_offsets\":[0,4]}}", 4,
         "%s: tensor 'w': dimension 1 of 'shape' is not a number of elements");
  expect(*state, "{\"w\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,4]}}", 4,
         "%s: tensor 'w': its shape has more elements than memory has bytes");
  expect(*state, "{\"w\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4,
         "%s: tensor 'w': 'data_offsets' is missing or not a list of two integers");
  expect(*state, "{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4,
         "%s: tensor 'w': 'data_offsets' is missing or not a list of two integers");
}

static void test_damaged_ranges_are_refused(void **state)
{
  expect(*state, "{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 7,
         "%s: tensor 'w': bytes 0 to 8 lie outside the 7 bytes of data; the file is truncated or damaged");
  expect(*state, "{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}", 8,
         "%s: tensor 'w': bytes -8 to 0 lie outside the 8 bytes of data; the file is truncated or damaged");
  expect(*state, "{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8,
         "%s: tensor 'w': bytes 8 to 0 lie outside the 8 bytes of data; the file is truncated or damaged");
  expect(*state, "{\"w\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8,
         "%s: tensor 'w': 8 bytes of data, but 3 elements of type F32 were expected");
  expect(*state, "{\"w\":{\"dtype\":\"F32\",\"shape\":[4611686018427387905],\"data_offsets\":[0,4]}}", 4,
         "%s: tensor 'w': 4 bytes of data, but 4611686018427387905 elements of type F32 were expected");
  expect(*state,
         "{\"v\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]},"
         "\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
         12, "%s: tensors 'w' and 'v' share bytes; the file is damaged");
}

static void test_files_that_are_no_safetensors_are_refused(void **state)
{
  char *file = folder_write(*state, "x.safetensors", "PK\x03\x04", 4);
  GError *error = NULL;
  assert_null(bert_safetensors_open(file, &error));
  assert_message(
      &error, file,
      "%s: 4 bytes are too few for a safetensors file, which starts with 8 bytes of header length");
  g_free(file);
  file = folder_write(*state, "x.safetensors", "", 0);
  assert_null(bert_safetensors_open(file, &error));
  assert_message(
      &error, file,
      "%s: 0 bytes are too few for a safetensors file, which starts with 8 bytes of header length");
  g_free(file);
  file = write_file(*state, 3, "{}", NULL, 0);
  assert_null(bert_safetensors_open(file, &error));
  assert_message(&error, file,
                 "%s: the header length says 3 bytes, but 2 follow; not a safetensors file, or truncated");
  g_free(file);
  file = write_file(*state, G_MAXUINT64, "{}", NULL, 0);
  assert_null(bert_safetensors_open(file, &error));
  assert_message(
      &error, file,
      "%s: the header length says 18446744073709551615 bytes, but 2 follow; not a safetensors file, or "
      "truncated");
  g_unlink(file);
  assert_null(bert_safetensors_open(file, &error));
  assert_message(&error, file, "%s: cannot be opened: No such file or directory");
  g_free(file);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_tensors_come_back_as_written),
      cmocka_unit_test(test_writing_is_deterministic_and_leaves_nothing_beside),
      cmocka_unit_test(test_a_folder_that_is_not_there_cannot_be_written),
      cmocka_unit_test(test_halves_widen_exactly),
      cmocka_unit_test(test_unaligned_data_is_read),
      cmocka_unit_test(test_damaged_headers_are_refused),
      cmocka_unit_test(test_damaged_ranges_are_refused),
      cmocka_unit_test(test_files_that_are_no_safetensors_are_refused),
  };
  return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
