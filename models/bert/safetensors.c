/* Reads safetensors files. The file is mapped and its header checked whole when it is opened, so that a view
 * handed out later cannot lie outside the file. The BertSafetensors owns the mapping and all views.
 * safetensors_write.c writes. */
#include "models/bert/safetensors.h"
#include "models/bert/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include <cartwright/error.h>

/* The format's own limit on the header. */
#define MAX_HEADER_BYTES 100000000

struct BertSafetensors {
  char *file;
  GMappedFile *mapping; /* NULL of one that wraps */
  GPtrArray *shards;    /* BertSafetensors, of an index; else NULL */
  json_t *header;       /* owns the tensors' names; NULL of one that wraps */
  GArray *tensors;      /* BertTensor, by position in the file */
  GHashTable *by_name;  /* name → index + 1 */
  const char *bytes;    /* what follows the header */
  gsize n_bytes;
};

static const struct {
  const char *name;
  gsize size;
} types[] = {[BERT_TYPE_F32] = {"F32", 4},        [BERT_TYPE_F16] = {"F16", 2},
             [BERT_TYPE_BF16] = {"BF16", 2},      [BERT_TYPE_F64] = {"F64", 8},
             [BERT_TYPE_I64] = {"I64", 8},        [BERT_TYPE_U64] = {"U64", 8},
             [BERT_TYPE_I32] = {"I32", 4},        [BERT_TYPE_U32] = {"U32", 4},
             [BERT_TYPE_I16] = {"I16", 2},        [BERT_TYPE_U16] = {"U16", 2},
             [BERT_TYPE_I8] = {"I8", 1},          [BERT_TYPE_U8] = {"U8", 1},
             [BERT_TYPE_BOOL] = {"BOOL", 1},      [BERT_TYPE_F8_E4M3] = {"F8_E4M3", 1},
             [BERT_TYPE_F8_E5M2] = {"F8_E5M2", 1}};

gboolean bert_type_is_float(BertType type)
{
  return type <= BERT_TYPE_F64;
}

const char *bert_type_name(BertType type)
{
  return types[type].name;
}

gsize bert_type_size(BertType type)
{
  return types[type].size;
}

G_GNUC_PRINTF(3, 4)
static gboolean fail(const BertSafetensors *file, GError **error, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_set_error(error, CW_POLICY_ERROR, CW_ERROR_FORMAT, "%s: %s", file->file, text);
  g_free(text);
  return FALSE;
}

/* ---- the header ---- */

static gboolean read_type(const BertSafetensors *file, const json_t *entry, BertTensor *tensor,
                          GError **error)
{
  const json_t *value = json_object_get(entry, "dtype");
  if (!json_is_string(value))
    return fail(file, error, "tensor '%s': 'dtype' is missing or not a string", tensor->name);
  for (guint i = 0; i < G_N_ELEMENTS(types); i++) {
    if (strcmp(json_string_value(value), types[i].name) == 0) {
      tensor->type = (BertType)i;
      return TRUE;
    }
  }
  return fail(file, error, "tensor '%s': type '%s' is not supported; convert it to F32, F16, BF16 or F64",
              tensor->name, json_string_value(value));
}

static gboolean read_shape(const BertSafetensors *file, const json_t *entry, BertTensor *tensor,
                           GError **error)
{
  const json_t *shape = json_object_get(entry, "shape");
  if (!json_is_array(shape))
    return fail(file, error, "tensor '%s': 'shape' is missing or not a list", tensor->name);
  if (json_array_size(shape) > BERT_MAX_DIMENSIONS)
    return fail(file, error, "tensor '%s': %zu dimensions; at most %d are supported", tensor->name,
                json_array_size(shape), BERT_MAX_DIMENSIONS);
  tensor->n_dimensions = (guint)json_array_size(shape);
  tensor->n_elements = 1;
  for (guint i = 0; i < tensor->n_dimensions; i++) {
    const json_t *size = json_array_get(shape, i);
    if (!json_is_integer(size) || json_integer_value(size) < 0)
      return fail(file, error, "tensor '%s': dimension %u of 'shape' is not a number of elements",
                  tensor->name, i);
    tensor->shape[i] = json_integer_value(size);
    if (!g_size_checked_mul(&tensor->n_elements, tensor->n_elements, (gsize)tensor->shape[i]))
      return fail(file, error, "tensor '%s': its shape has more elements than memory has bytes",
                  tensor->name);
  }
  return TRUE;
}

static gboolean read_range(const BertSafetensors *file, const json_t *entry, BertTensor *tensor,
                           GError **error)
{
  const json_t *range = json_object_get(entry, "data_offsets");
  const json_t *begin = json_array_get(range, 0), *end = json_array_get(range, 1);
  if (json_array_size(range) != 2 || !json_is_integer(begin) || !json_is_integer(end))
    return fail(file, error, "tensor '%s': 'data_offsets' is missing or not a list of two integers",
                tensor->name);
  json_int_t first = json_integer_value(begin), past = json_integer_value(end);
  if (first < 0 || past < first || (guint64)past > file->n_bytes)
    return fail(file, error,
                "tensor '%s': bytes %" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT
                " lie outside the %zu bytes of data; the file is truncated or damaged",
                tensor->name, first, past, file->n_bytes);
  gsize expected;
  if (!g_size_checked_mul(&expected, tensor->n_elements, types[tensor->type].size) ||
      expected != (gsize)(past - first))
    return fail(file, error,
                "tensor '%s': %" JSON_INTEGER_FORMAT
                " bytes of data, but %zu elements of type %s were expected",
                tensor->name, past - first, tensor->n_elements, types[tensor->type].name);
  tensor->data = file->bytes + first;
  return TRUE;
}

static gint compare_positions(gconstpointer a, gconstpointer b)
{
  const BertTensor *left = a, *right = b;
  if (left->data != right->data)
    return (const char *)left->data < (const char *)right->data ? -1 : 1;
  /* Empty tensors may share a position. */
  if (left->n_elements != right->n_elements)
    return left->n_elements < right->n_elements ? -1 : 1;
  return strcmp(left->name, right->name);
}

static gboolean check_overlaps(const BertSafetensors *file, GError **error)
{
  for (guint i = 1; i < file->tensors->len; i++) {
    const BertTensor *before = &g_array_index(file->tensors, BertTensor, i - 1);
    const BertTensor *tensor = &g_array_index(file->tensors, BertTensor, i);
    if ((const char *)before->data + before->n_elements * types[before->type].size >
        (const char *)tensor->data)
      return fail(file, error, "tensors '%s' and '%s' share bytes; the file is damaged", before->name,
                  tensor->name);
  }
  return TRUE;
}

static gboolean check_metadata(const BertSafetensors *file, const json_t *metadata, GError **error)
{
  if (!json_is_object(metadata))
    return fail(file, error, "'__metadata__' is not an object");
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)metadata, key, value)
  {
    if (!json_is_string(value))
      return fail(file, error, "'__metadata__': the value of '%s' is not a string", key);
  }
  return TRUE;
}

static gboolean read_tensors(BertSafetensors *file, GError **error)
{
  const char *name;
  json_t *entry;
  json_object_foreach(file->header, name, entry)
  {
    if (strcmp(name, "__metadata__") == 0) {
      if (!check_metadata(file, entry, error))
        return FALSE;
      continue;
    }
    BertTensor tensor = {.name = name};
    if (!json_is_object(entry))
      return fail(file, error, "tensor '%s': its header entry is not an object", name);
    if (!read_type(file, entry, &tensor, error) || !read_shape(file, entry, &tensor, error) ||
        !read_range(file, entry, &tensor, error))
      return FALSE;
    g_array_append_val(file->tensors, tensor);
  }
  g_array_sort(file->tensors, compare_positions);
  for (guint i = 0; i < file->tensors->len; i++) {
    g_hash_table_insert(file->by_name, (gpointer)g_array_index(file->tensors, BertTensor, i).name,
                        GUINT_TO_POINTER(i + 1));
  }
  return check_overlaps(file, error);
}

static gboolean read_header(BertSafetensors *file, GError **error)
{
  gsize size = g_mapped_file_get_length(file->mapping);
  const char *content = g_mapped_file_get_contents(file->mapping);
  if (size < 8)
    return fail(file, error,
                "%zu bytes are too few for a safetensors file, which starts with 8 bytes of header length",
                size);
  guint64 length;
  memcpy(&length, content, sizeof length);
  length = GUINT64_FROM_LE(length);
  if (length > size - 8 || length > MAX_HEADER_BYTES)
    return fail(file, error,
                "the header length says %" PRIu64
                " bytes, but %zu follow; not a safetensors file, or truncated",
                length, size - 8);
  json_error_t where;
  g_autofree char *header = g_memdup2(content + 8, (gsize)length);
  bert_json_tame(header, (gsize)length);
  file->header = json_loadb(header, (gsize)length, JSON_REJECT_DUPLICATES, &where);
  if (!file->header)
    return fail(file, error, "the header is not valid JSON: %s (byte %d)", where.text, where.position);
  if (!json_is_object(file->header))
    return fail(file, error, "the header is not a JSON object");
  file->bytes = content + 8 + length;
  file->n_bytes = size - 8 - (gsize)length;
  return read_tensors(file, error);
}

static BertSafetensors *wrap(const char *name)
{
  BertSafetensors *file = g_new0(BertSafetensors, 1);
  file->file = g_strdup(name);
  file->tensors = g_array_new(FALSE, FALSE, sizeof(BertTensor));
  file->by_name = g_hash_table_new(g_str_hash, g_str_equal);
  return file;
}

BertSafetensors *bert_safetensors_open(const char *path, GError **error)
{
  int descriptor = g_open(path, O_RDONLY | O_CLOEXEC, 0);
  GMappedFile *mapping = descriptor >= 0 ? g_mapped_file_new_from_fd(descriptor, FALSE, NULL) : NULL;
  int cause = errno;
  if (descriptor >= 0)
    close(descriptor);
  if (!mapping) {
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_INPUT_OUTPUT, "%s: cannot be opened: %s", path,
                g_strerror(cause));
    return NULL;
  }
  BertSafetensors *file = wrap(path);
  file->mapping = mapping;
  if (!read_header(file, error)) {
    bert_safetensors_close(file);
    return NULL;
  }
  return file;
}

static void add_tensor(BertSafetensors *file, const BertTensor *tensor)
{
  g_array_append_vals(file->tensors, tensor, 1);
  g_hash_table_insert(file->by_name, (gpointer)tensor->name, GUINT_TO_POINTER(file->tensors->len));
}

BertSafetensors *bert_safetensors_wrap(const char *name, const BertTensor *tensors, guint n_tensors)
{
  BertSafetensors *file = wrap(name);
  for (guint i = 0; i < n_tensors; i++)
    add_tensor(file, &tensors[i]);
  return file;
}

/* The shard of that name, opened once. A name is a file's of the same folder. */
static const BertSafetensors *find_shard(BertSafetensors *index, const char *name, GError **error)
{
  g_autofree char *folder = g_path_get_dirname(index->file), *path = g_build_filename(folder, name, NULL);
  for (guint i = 0; i < index->shards->len; i++)
    if (strcmp(((BertSafetensors *)index->shards->pdata[i])->file, path) == 0)
      return index->shards->pdata[i];
  if (strchr(name, '/')) {
    (void)fail(index, error, "shard '%s' is not a file of the same folder", name);
    return NULL;
  }
  BertSafetensors *shard = bert_safetensors_open(path, error);
  if (shard)
    g_ptr_array_add(index->shards, shard);
  return shard;
}

static gboolean add_shards(BertSafetensors *index, const json_t *map, GError **error)
{
  const char *name;
  json_t *value;
  if (!json_is_object(map))
    return fail(index, error, "key 'weight_map' is missing or not an object");
  json_object_foreach((json_t *)map, name, value)
  {
    if (!json_is_string(value))
      return fail(index, error, "key 'weight_map': tensor '%s': expected a file's name", name);
    const BertSafetensors *shard = find_shard(index, json_string_value(value), error);
    const BertTensor *tensor = shard ? bert_safetensors_find(shard, name) : NULL;
    if (!shard)
      return FALSE;
    if (!tensor)
      return fail(index, error, "tensor '%s' is not in %s, where the index says it is", name, shard->file);
    add_tensor(index, tensor);
  }
  return TRUE;
}

BertSafetensors *bert_safetensors_open_index(const char *path, GError **error)
{
  json_t *root = bert_file_read_json(path, TRUE, error);
  if (!root)
    return NULL;
  BertSafetensors *index = wrap(path);
  index->shards = g_ptr_array_new_with_free_func((GDestroyNotify)bert_safetensors_close);
  gboolean good = add_shards(index, json_object_get(root, "weight_map"), error);
  json_decref(root);
  if (!good)
    g_clear_pointer(&index, bert_safetensors_close);
  return index;
}

void bert_safetensors_close(BertSafetensors *file)
{
  if (!file)
    return;
  g_hash_table_destroy(file->by_name);
  g_array_free(file->tensors, TRUE);
  json_decref(file->header);
  g_clear_pointer(&file->mapping, g_mapped_file_unref);
  g_clear_pointer(&file->shards, g_ptr_array_unref);
  g_free(file->file);
  g_free(file);
}

/* ---- reading ---- */

guint bert_safetensors_n_tensors(const BertSafetensors *file)
{
  return file->tensors->len;
}

const BertTensor *bert_safetensors_tensor(const BertSafetensors *file, guint index)
{
  return index < file->tensors->len ? &g_array_index(file->tensors, BertTensor, index) : NULL;
}

const BertTensor *bert_safetensors_find(const BertSafetensors *file, const char *name)
{
  guint found = GPOINTER_TO_UINT(g_hash_table_lookup(file->by_name, name));
  return found == 0 ? NULL : &g_array_index(file->tensors, BertTensor, found - 1);
}

const char *bert_safetensors_metadata(const BertSafetensors *file, const char *key)
{
  return json_string_value(json_object_get(json_object_get(file->header, "__metadata__"), key));
}

const char *bert_safetensors_file(const BertSafetensors *file)
{
  return file->file;
}

static float float_from_bits(guint32 bits)
{
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* IEEE 754 binary16 to binary32; exact. */
static float float_from_half(guint16 half)
{
  guint32 sign = (guint32)(half & 0x8000) << 16;
  guint32 exponent = (half >> 10) & 0x1F, fraction = half & 0x3FF;
  if (exponent == 0x1F)
    return float_from_bits(sign | 0x7F800000 | fraction << 13);
  if (exponent == 0) {
    float subnormal = (float)fraction * 0x1p-24f;
    return sign != 0 ? -subnormal : subnormal;
  }
  return float_from_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

void bert_tensor_read_floats(const BertTensor *tensor, gsize first, gsize n_elements, float *out)
{
  g_return_if_fail(bert_type_is_float(tensor->type));
  g_return_if_fail(first <= tensor->n_elements && n_elements <= tensor->n_elements - first);
  const guint8 *data = (const guint8 *)tensor->data + first * types[tensor->type].size;
  if (tensor->type == BERT_TYPE_F32) {
    for (gsize i = 0; i < n_elements; i++) {
      guint32 bits;
      memcpy(&bits, data + 4 * i, sizeof bits);
      out[i] = float_from_bits(GUINT32_FROM_LE(bits));
    }
    return;
  }
  for (gsize i = 0; i < n_elements && tensor->type == BERT_TYPE_F64; i++) {
    guint64 bits;
    double value;
    memcpy(&bits, data + 8 * i, sizeof bits);
    bits = GUINT64_FROM_LE(bits);
    memcpy(&value, &bits, sizeof value);
    out[i] = (float)value;
  }
  for (gsize i = 0; i < n_elements && tensor->type != BERT_TYPE_F64; i++) {
    guint16 bits;
    memcpy(&bits, data + 2 * i, sizeof bits);
    bits = GUINT16_FROM_LE(bits);
    out[i] = tensor->type == BERT_TYPE_F16 ? float_from_half(bits) : float_from_bits((guint32)bits << 16);
  }
}
