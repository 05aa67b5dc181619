/* Puts together what the pickle says about tensors and the bytes of their storages. The checkpoint owns the
 * mapping of the file and copies of the tensors that do not lie in it as they are wanted. */
#include "models/torch_import/pytorch.h"
#include "models/torch_import/pickle.h"
#include "models/torch_import/zip.h"
#include <cartwright/error.h>
#include <string.h>

/* No dictionary of tensors needs a larger pickle. */
#define MOST_PICKLE    ((gsize)64 << 20)
#define LEGACY_VERSION 1001
/* What tensors may take that are not in the file as they are wanted, in sizes of the file: a byte becomes
 * eight. */
#define MOST_COPIES 16

struct BertPytorch {
  char *file;
  GMappedFile *mapping;
  GArray *tensors;   /* BertTensor */
  GPtrArray *memory; /* names and copies */
};

/* A storage and where its bytes are. */
typedef struct {
  const char *data;
  BertElement element;
  guint64 n_elements;
} Place;

typedef struct {
  BertPytorch *checkpoint;
  const char *bytes;
  gsize length;
  GHashTable *places; /* key -> Place, owned */
  gsize n_copied;     /* bytes */
  GError **error;
} Reader;

G_GNUC_PRINTF(2, 3)
static gboolean fail(const Reader *reader, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  char *valid = g_utf8_make_valid(text, -1);
  g_set_error(reader->error, CW_POLICY_ERROR, CW_ERROR_FORMAT, "%s: %s", reader->checkpoint->file, valid);
  g_free(valid);
  g_free(text);
  return FALSE;
}

/* ---- tensors ---- */

static BertType type_of(BertElement element)
{
  switch (element) {
  case BERT_ELEMENT_FLOAT:
  case BERT_ELEMENT_DOUBLE:
    return BERT_TYPE_F32;
  case BERT_ELEMENT_HALF:
    return BERT_TYPE_F16;
  case BERT_ELEMENT_BFLOAT16:
    return BERT_TYPE_BF16;
  default:
    return BERT_TYPE_I64;
  }
}

static void convert(BertElement element, const char *from, char *to)
{
  if (element == BERT_ELEMENT_DOUBLE) {
    double wide;
    memcpy(&wide, from, sizeof wide);
    float narrow = (float)wide;
    memcpy(to, &narrow, sizeof narrow);
  } else if (type_of(element) != BERT_TYPE_I64) {
    memcpy(to, from, bert_element_size(element));
  } else {
    gsize size = bert_element_size(element);
    gboolean top_bit = (from[size - 1] & 0x80) != 0; /* char has no sign on AArch64 */
    gboolean negative = element != BERT_ELEMENT_BYTE && element != BERT_ELEMENT_BOOL && top_bit;
    memset(to, negative ? 0xff : 0, sizeof(gint64));
    memcpy(to, from, size);
  }
}

/* Elements from the first to the last that the view reaches; FALSE if that is more than there are in the
 * storage. */
static gboolean fits(const BertPickleValue *view, const Place *place, gsize n_elements)
{
  guint64 last = view->offset;
  if (view->offset > place->n_elements)
    return FALSE;
  for (guint i = 0; n_elements > 0 && i < view->n_dimensions; i++) {
    guint64 step;
    if (!g_uint64_checked_mul(&step, view->shape[i] - 1, view->strides[i]) ||
        !g_uint64_checked_add(&last, last, step))
      return FALSE;
  }
  return n_elements == 0 || last < place->n_elements;
}

static gboolean is_contiguous(const BertPickleValue *view)
{
  guint64 expected = 1;
  for (guint i = view->n_dimensions; i > 0; i--) {
    if (view->shape[i - 1] != 1 && view->strides[i - 1] != expected)
      return FALSE;
    expected *= view->shape[i - 1];
  }
  return TRUE;
}

/* Copies the view's elements in row-major order. */
static void gather(const BertPickleValue *view, const Place *place, gsize n_elements, char *to)
{
  guint64 index[BERT_MAX_STRIDES] = {0}, at = view->offset;
  gsize from_size = bert_element_size(place->element), to_size = bert_type_size(type_of(place->element));
  for (gsize n = 0; n < n_elements; n++, to += to_size) {
    convert(place->element, place->data + at * from_size, to);
    for (guint i = view->n_dimensions; i > 0; i--) {
      at += view->strides[i - 1];
      if (++index[i - 1] < view->shape[i - 1])
        break;
      at -= view->strides[i - 1] * view->shape[i - 1];
      index[i - 1] = 0;
    }
  }
}

static gboolean add_tensor(Reader *reader, const char *name, const BertPickleValue *view)
{
  const Place *place = g_hash_table_lookup(reader->places, view->storage->text);
  BertTensor tensor = {.type = type_of(place->element), .n_dimensions = view->n_dimensions, .n_elements = 1};
  for (guint i = 0; i < view->n_dimensions; i++) {
    tensor.shape[i] = (gint64)view->shape[i];
    if (!g_size_checked_mul(&tensor.n_elements, tensor.n_elements, (gsize)view->shape[i]))
      return fail(reader, "tensor '%s': its shape has more elements than memory has bytes", name);
  }
  if (!fits(view, place, tensor.n_elements))
    return fail(reader,
                "tensor '%s' reaches beyond its storage '%s' of %" G_GUINT64_FORMAT
                " elements; the file is damaged",
                name, view->storage->text, place->n_elements);
  if (tensor.n_elements > place->n_elements)
    return fail(reader, "tensor '%s' overlaps itself; save it after .contiguous()", name);
  tensor.name = g_strdup(name);
  g_ptr_array_add(reader->checkpoint->memory, (gpointer)tensor.name);
  if (is_contiguous(view) && place->element != BERT_ELEMENT_DOUBLE &&
      bert_element_size(place->element) == bert_type_size(tensor.type)) {
    tensor.data = place->data + view->offset * bert_element_size(place->element);
  } else {
    gsize size = MAX(tensor.n_elements, 1) * bert_type_size(tensor.type);
    reader->n_copied += size;
    if (reader->n_copied > MOST_COPIES * reader->length)
      return fail(reader, "its tensors are views that would take more than %d times the file's size",
                  MOST_COPIES);
    char *copy = g_malloc(size);
    g_ptr_array_add(reader->checkpoint->memory, copy);
    gather(view, place, tensor.n_elements, copy);
    tensor.data = copy;
  }
  g_array_append_val(reader->checkpoint->tensors, tensor);
  return TRUE;
}

/* The value of a text key, or NULL. */
static const BertPickleValue *entry(const BertPickleValue *dictionary, const char *key)
{
  for (guint i = 0; i + 1 < dictionary->items->len; i += 2) {
    const BertPickleValue *name = g_ptr_array_index(dictionary->items, i);
    if (name->kind == BERT_PICKLE_STRING && g_str_equal(name->text, key))
      return g_ptr_array_index(dictionary->items, i + 1);
  }
  return NULL;
}

static gboolean add_tensors(Reader *reader, const BertPickle *pickle)
{
  static const char module[] = "module.";
  const BertPickleValue *dictionary = bert_pickle_value(pickle);
  if (dictionary->kind == BERT_PICKLE_DICTIONARY) {
    const BertPickleValue *inner = entry(dictionary, "state_dict");
    dictionary = inner ? inner : dictionary;
  }
  if (dictionary->kind != BERT_PICKLE_DICTIONARY || dictionary->items->len == 0)
    return fail(reader, "expected a dictionary of tensors, found something else: save the state dictionary, "
                        "torch.save(model.state_dict(), ...)");
  gboolean prefixed = TRUE;
  for (guint i = 0; i < dictionary->items->len; i += 2) {
    const BertPickleValue *name = g_ptr_array_index(dictionary->items, i);
    prefixed = prefixed && name->kind == BERT_PICKLE_STRING && g_str_has_prefix(name->text, module);
  }
  g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < dictionary->items->len; i += 2) {
    const BertPickleValue *name = g_ptr_array_index(dictionary->items, i);
    const BertPickleValue *tensor = g_ptr_array_index(dictionary->items, i + 1);
    if (name->kind != BERT_PICKLE_STRING || strlen(name->text) != name->length ||
        !g_utf8_validate(name->text, -1, NULL))
      return fail(reader, "expected the names of tensors, found a key that is not text");
    if (tensor->kind != BERT_PICKLE_TENSOR)
      return fail(reader, "expected a tensor under '%s', found something else", name->text);
    if (!g_hash_table_add(names, name->text))
      return fail(reader, "tensor '%s' is there twice", name->text);
    if (!add_tensor(reader, name->text + (prefixed ? strlen(module) : 0), tensor))
      return FALSE;
  }
  return TRUE;
}

/* ---- storages ---- */

/* Notes where a storage lies. It may be named more than once, always alike. */
static gboolean place_storage(Reader *reader, const BertPickleValue *storage, const char *data,
                              guint64 n_bytes)
{
  const Place *known = g_hash_table_lookup(reader->places, storage->text);
  if (known) {
    if (known->element != storage->element || known->n_elements != storage->n_elements)
      return fail(reader, "storage '%s' is of two types or sizes; the file is damaged", storage->text);
    return TRUE;
  }
  if (storage->n_elements > n_bytes / bert_element_size(storage->element))
    return fail(reader,
                "storage '%s' should have %" G_GUINT64_FORMAT " elements and has %" G_GUINT64_FORMAT
                " bytes; "
                "the file is damaged",
                storage->text, storage->n_elements, n_bytes);
  Place *place = g_new(Place, 1);
  *place = (Place){data, storage->element, storage->n_elements};
  g_hash_table_insert(reader->places, g_strdup(storage->text), place);
  return TRUE;
}

/* ---- the zip format: NAME/data.pkl, and NAME/data/KEY for every storage ---- */

static const BertZipRecord *find_pickle(const BertZip *zip)
{
  for (guint i = 0; i < bert_zip_n_records(zip); i++) {
    const BertZipRecord *record = bert_zip_record(zip, i);
    const char *slash = strchr(record->name, '/');
    if (slash && g_str_equal(slash, "/data.pkl"))
      return record;
  }
  return NULL;
}

static gboolean place_record(Reader *reader, const BertZip *zip, const char *folder,
                             const BertPickleValue *storage)
{
  g_autofree char *name = g_strdup_printf("%s/data/%s", folder, storage->text);
  const BertZipRecord *record = bert_zip_find(zip, name);
  if (!record)
    return fail(reader, "record '%s' is missing; the file is damaged", name);
  gboolean is_new = !g_hash_table_contains(reader->places, storage->text);
  return place_storage(reader, storage, record->data, record->size) &&
         (!is_new || bert_zip_check(zip, record, reader->error));
}

static gboolean read_zip(Reader *reader)
{
  BertZip *zip = bert_zip_open(reader->bytes, reader->length, reader->checkpoint->file, reader->error);
  if (!zip)
    return FALSE;
  const BertZipRecord *description = find_pickle(zip);
  BertPickle *pickle = NULL;
  gboolean good = FALSE;
  if (!description) {
    fail(reader, "is a zip archive without data.pkl, so torch.save did not write it");
  } else if (bert_zip_check(zip, description, reader->error)) {
    g_autofree char *folder = g_strndup(description->name, strlen(description->name) - strlen("/data.pkl"));
    g_autofree char *order_name = g_strconcat(folder, "/byteorder", NULL);
    g_autofree char *where = g_strdup_printf("%s: data.pkl", reader->checkpoint->file);
    const BertZipRecord *order = bert_zip_find(zip, order_name);
    if (order && order->size == 3 && memcmp(order->data, "big", 3) == 0)
      fail(reader, "was written on a machine with the high byte first; save it on another one");
    else if (description->size > MOST_PICKLE)
      fail(reader, "data.pkl is too large for a dictionary of tensors");
    else
      pickle = bert_pickle_read(description->data, description->size, where, NULL, reader->error);
    good = pickle != NULL;
    for (guint i = 0; good && i < bert_pickle_storages(pickle)->len; i++)
      good = place_record(reader, zip, folder, g_ptr_array_index(bert_pickle_storages(pickle), i));
    good = good && add_tensors(reader, pickle);
  }
  bert_pickle_free(pickle);
  bert_zip_close(zip);
  return good;
}

/* ---- the older format: pickles of a magic number, a version, the machine, the dictionary, the list of the
 * storages' keys, and then their bytes in that order, each after the number of its elements ---- */

static BertPickle *next_pickle(Reader *reader, gsize *position, const char *what)
{
  gsize used = 0;
  g_autofree char *where = g_strdup_printf("%s: %s", reader->checkpoint->file, what);
  BertPickle *pickle = bert_pickle_read(
      reader->bytes + *position, MIN(reader->length - *position, MOST_PICKLE), where, &used, reader->error);
  *position += used;
  return pickle;
}

/* Reads a pickle only to step over it; its value must be the integer unless that is -1. */
static gboolean skip_pickle(Reader *reader, gsize *position, const char *what, gint64 integer)
{
  BertPickle *pickle = next_pickle(reader, position, what);
  if (!pickle)
    return FALSE;
  const BertPickleValue *value = bert_pickle_value(pickle);
  gboolean good = integer < 0 || (value->kind == BERT_PICKLE_INTEGER && value->integer == integer);
  bert_pickle_free(pickle);
  return good ? TRUE : fail(reader, "%s is not %" G_GINT64_FORMAT, what, integer);
}

static const BertPickleValue *storage_of(const BertPickle *pickle, const char *key)
{
  const GPtrArray *storages = bert_pickle_storages(pickle);
  for (guint i = 0; i < storages->len; i++) {
    const BertPickleValue *storage = g_ptr_array_index(storages, i);
    if (g_str_equal(storage->text, key))
      return storage;
  }
  return NULL;
}

static gboolean place_bytes(Reader *reader, gsize *position, const BertPickle *pickle,
                            const BertPickleValue *key)
{
  const BertPickleValue *storage = key->kind == BERT_PICKLE_STRING ? storage_of(pickle, key->text) : NULL;
  if (!storage)
    return fail(reader, "the list of storages names one that no tensor uses; the file is damaged");
  if (reader->length - *position < sizeof(guint64))
    return fail(reader, "storage '%s' reaches beyond the end of the file; the file is cut off",
                storage->text);
  guint64 n_elements;
  memcpy(&n_elements, reader->bytes + *position, sizeof n_elements);
  n_elements = GUINT64_FROM_LE(n_elements);
  *position += sizeof n_elements;
  gsize size = bert_element_size(storage->element);
  if (n_elements != storage->n_elements)
    return fail(reader,
                "storage '%s' should have %" G_GUINT64_FORMAT " elements, its head says %" G_GUINT64_FORMAT
                "; the file is damaged",
                storage->text, storage->n_elements, n_elements);
  if (n_elements > (reader->length - *position) / size)
    return fail(reader, "storage '%s' reaches beyond the end of the file; the file is cut off",
                storage->text);
  if (!place_storage(reader, storage, reader->bytes + *position, n_elements * size))
    return FALSE;
  *position += (gsize)n_elements * size;
  return TRUE;
}

static gboolean read_legacy(Reader *reader)
{
  gsize position = 0;
  if (!skip_pickle(reader, &position, "the magic number", -1) ||
      !skip_pickle(reader, &position, "the format's version", LEGACY_VERSION) ||
      !skip_pickle(reader, &position, "the description of the machine", -1))
    return FALSE;
  BertPickle *pickle = next_pickle(reader, &position, "the dictionary");
  BertPickle *keys = pickle ? next_pickle(reader, &position, "the list of storages") : NULL;
  gboolean good = keys != NULL;
  if (good && bert_pickle_value(keys)->kind != BERT_PICKLE_LIST)
    good = fail(reader, "the list of storages is not a list");
  for (guint i = 0; good && i < bert_pickle_value(keys)->items->len; i++)
    good = place_bytes(reader, &position, pickle, g_ptr_array_index(bert_pickle_value(keys)->items, i));
  for (guint i = 0; good && i < bert_pickle_storages(pickle)->len; i++) {
    const BertPickleValue *storage = g_ptr_array_index(bert_pickle_storages(pickle), i);
    const Place *place = g_hash_table_lookup(reader->places, storage->text);
    if (!place)
      good = fail(reader, "storage '%s' is missing; the file is damaged", storage->text);
    else
      good =
          place_storage(reader, storage, place->data, place->n_elements * bert_element_size(place->element));
  }
  good = good && add_tensors(reader, pickle);
  bert_pickle_free(keys);
  bert_pickle_free(pickle);
  return good;
}

/* 0x1950a86a20f9469cfc6c as protocol 2 writes it. */
static gboolean is_legacy(const char *bytes, gsize length)
{
  static const char magic[] = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
  return length >= 2 + sizeof magic - 1 && bytes[0] == '\x80' &&
         memcmp(bytes + 2, magic, sizeof magic - 1) == 0;
}

BertPytorch *bert_pytorch_open(const char *file, GError **error)
{
  GError *problem = NULL;
  GMappedFile *mapping = g_mapped_file_new(file, FALSE, &problem);
  if (!mapping) {
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_INPUT_OUTPUT, "%s: cannot be opened: %s", file,
                problem->message);
    g_error_free(problem);
    return NULL;
  }
  BertPytorch *checkpoint = g_new0(BertPytorch, 1);
  *checkpoint = (BertPytorch){.file = g_strdup(file),
                              .mapping = mapping,
                              .tensors = g_array_new(FALSE, FALSE, sizeof(BertTensor)),
                              .memory = g_ptr_array_new_with_free_func(g_free)};
  Reader reader = {.checkpoint = checkpoint,
                   .bytes = g_mapped_file_get_contents(mapping),
                   .length = g_mapped_file_get_length(mapping),
                   .places = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free),
                   .error = error};
  gboolean good;
  if (bert_zip_is(reader.bytes, reader.length))
    good = read_zip(&reader);
  else if (is_legacy(reader.bytes, reader.length))
    good = read_legacy(&reader);
  else
    good = fail(&reader, "is neither of PyTorch's formats (a zip archive, or pickles with its magic number)");
  g_hash_table_destroy(reader.places);
  if (good)
    return checkpoint;
  bert_pytorch_close(checkpoint);
  return NULL;
}

void bert_pytorch_close(BertPytorch *checkpoint)
{
  if (!checkpoint)
    return;
  g_array_free(checkpoint->tensors, TRUE);
  g_ptr_array_free(checkpoint->memory, TRUE);
  g_mapped_file_unref(checkpoint->mapping);
  g_free(checkpoint->file);
  g_free(checkpoint);
}

const BertTensor *bert_pytorch_tensors(const BertPytorch *checkpoint, guint *n_tensors)
{
  *n_tensors = checkpoint->tensors->len;
  return (const BertTensor *)(gpointer)checkpoint->tensors->data;
}
