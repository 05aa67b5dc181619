/* Reads the directory at the end of the archive and trusts nothing in it: every offset and size is compared
 * with the file's before it is used. The archive owns the records' names; their bytes are the caller's. */
#include "models/torch_import/zip.h"
#include <cartwright/error.h>
#include <string.h>

#define LOCAL_HEADER     0x04034b50u
#define DIRECTORY_HEADER 0x02014b50u
#define END              0x06054b50u
#define END_64           0x06064b50u
#define END_64_LOCATOR   0x07064b50u
#define END_SIZE         22
#define MOST_COMMENT     65535

struct BertZip {
  const char *where;
  const guint8 *bytes;
  gsize length;
  GArray *records;
  GHashTable *by_name; /* name -> index + 1 */
};

G_GNUC_PRINTF(3, 4)
static gboolean fail(const BertZip *zip, GError **error, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_set_error(error, CW_POLICY_ERROR, CW_ERROR_FORMAT, "%s: %s", zip->where, text);
  g_free(text);
  return FALSE;
}

/* A little-endian number; what lies outside the file reads as 0, which no check lets pass. */
static guint64 number(const BertZip *zip, gsize position, guint size)
{
  guint64 value = 0;
  if (position > zip->length || size > zip->length - position)
    return 0;
  for (guint i = 0; i < size; i++)
    value |= (guint64)zip->bytes[position + i] << (8 * i);
  return value;
}

static gboolean inside(const BertZip *zip, guint64 position, guint64 size)
{
  return position <= zip->length && size <= zip->length - position;
}

gboolean bert_zip_is(const char *bytes, gsize length)
{
  return length >= 4 && memcmp(bytes, "PK\3\4", 4) == 0;
}

typedef struct {
  guint64 n_records, position, size;
} Directory;

static gboolean find_directory(const BertZip *zip, Directory *directory, GError **error)
{
  gsize least = zip->length > END_SIZE + MOST_COMMENT ? zip->length - END_SIZE - MOST_COMMENT : 0,
        end = zip->length;
  gboolean found = FALSE;
  if (zip->length >= END_SIZE)
    for (end = zip->length - END_SIZE; !(found = number(zip, end, 4) == END) && end > least; end--)
      ;
  if (!found)
    return fail(zip, error, "is a zip archive without a directory at its end; the file is cut off");
  *directory = (Directory){number(zip, end + 10, 2), number(zip, end + 16, 4), number(zip, end + 12, 4)};
  if (end >= 20 && number(zip, end - 20, 4) == END_64_LOCATOR) {
    guint64 end_64 = number(zip, end - 12, 8);
    if (!inside(zip, end_64, 56) || number(zip, (gsize)end_64, 4) != END_64)
      return fail(zip, error, "the zip archive's directory is damaged");
    *directory = (Directory){number(zip, (gsize)end_64 + 32, 8), number(zip, (gsize)end_64 + 48, 8),
                             number(zip, (gsize)end_64 + 40, 8)};
  }
  return inside(zip, directory->position, directory->size)
             ? TRUE
             : fail(zip, error, "the zip archive's directory is damaged");
}

/* Sizes and offset that do not fit into 32 bits are in the extra field of kind 1, in this order. */
static void read_extra(const BertZip *zip, gsize position, gsize size, guint64 *full_size,
                       guint64 *stored_size, guint64 *offset)
{
  gsize end = position + size;
  while (position + 4 <= end) {
    guint64 kind = number(zip, position, 2), length = number(zip, position + 2, 2);
    position += 4;
    if (length > end - position)
      return;
    guint64 *fields[] = {full_size, stored_size, offset};
    gsize next = position;
    for (guint i = 0; kind == 1 && i < G_N_ELEMENTS(fields); i++) {
      if (*fields[i] != G_MAXUINT32 || next + 8 > position + length)
        continue;
      *fields[i] = number(zip, next, 8);
      next += 8;
    }
    position += length;
  }
}

static gboolean read_record(BertZip *zip, gsize *position, gsize end, GError **error)
{
  gsize at = *position;
  guint64 name_length = number(zip, at + 28, 2), extra_length = number(zip, at + 30, 2);
  guint64 whole = 46 + name_length + extra_length + number(zip, at + 32, 2);
  if (end - at < 46 || number(zip, at, 4) != DIRECTORY_HEADER || end - at < whole)
    return fail(zip, error, "the zip archive's directory is damaged");
  guint64 method = number(zip, at + 10, 2), flags = number(zip, at + 8, 2), stored = number(zip, at + 20, 4),
          full = number(zip, at + 24, 4), offset = number(zip, at + 42, 4);
  read_extra(zip, at + 46 + (gsize)name_length, (gsize)extra_length, &full, &stored, &offset);
  char *name = g_strndup((const char *)zip->bytes + at + 46, (gsize)name_length);
  char *valid = g_utf8_make_valid(name, -1);
  gboolean good = FALSE;
  if (flags & 1)
    fail(zip, error, "record '%s' is encrypted", valid);
  else if (method != 0 || stored != full)
    fail(zip, error,
         "record '%s' is compressed; expected an archive as torch.save writes it, with everything stored",
         valid);
  else if (!inside(zip, offset, 30) || number(zip, (gsize)offset, 4) != LOCAL_HEADER)
    fail(zip, error, "record '%s' is not where the zip archive's directory says", valid);
  else {
    guint64 data = offset + 30 + number(zip, (gsize)offset + 26, 2) + number(zip, (gsize)offset + 28, 2);
    good = inside(zip, data, full);
    if (!good)
      fail(zip, error, "record '%s' reaches beyond the end of the file; the file is cut off", valid);
    BertZipRecord record = {name, (const char *)zip->bytes + (good ? data : 0), (gsize)full,
                            (guint32)number(zip, at + 16, 4)};
    if (good)
      g_array_append_val(zip->records, record);
  }
  g_free(valid);
  if (!good)
    g_free(name);
  *position = at + (gsize)whole;
  return good;
}

static void record_clear(gpointer data)
{
  g_free(((BertZipRecord *)data)->name);
}

BertZip *bert_zip_open(const char *bytes, gsize length, const char *where, GError **error)
{
  BertZip *zip = g_new0(BertZip, 1);
  *zip = (BertZip){.where = where,
                   .bytes = (const guint8 *)bytes,
                   .length = length,
                   .records = g_array_new(FALSE, FALSE, sizeof(BertZipRecord)),
                   .by_name = g_hash_table_new(g_str_hash, g_str_equal)};
  g_array_set_clear_func(zip->records, record_clear);
  Directory directory = {0};
  gboolean good = find_directory(zip, &directory, error);
  gsize position = good ? (gsize)directory.position : 0;
  for (guint64 i = 0; good && i < directory.n_records; i++)
    good = read_record(zip, &position, (gsize)(directory.position + directory.size), error);
  for (guint i = 0; good && i < zip->records->len; i++) {
    char *name = g_array_index(zip->records, BertZipRecord, i).name;
    if (!g_hash_table_insert(zip->by_name, name, GUINT_TO_POINTER(i + 1)))
      good = fail(zip, error, "the zip archive has two records of one name");
  }
  if (good)
    return zip;
  bert_zip_close(zip);
  return NULL;
}

void bert_zip_close(BertZip *zip)
{
  if (!zip)
    return;
  g_hash_table_destroy(zip->by_name);
  g_array_free(zip->records, TRUE);
  g_free(zip);
}

guint bert_zip_n_records(const BertZip *zip)
{
  return zip->records->len;
}

const BertZipRecord *bert_zip_record(const BertZip *zip, guint index)
{
  return &g_array_index(zip->records, BertZipRecord, index);
}

const BertZipRecord *bert_zip_find(const BertZip *zip, const char *name)
{
  guint found = GPOINTER_TO_UINT(g_hash_table_lookup(zip->by_name, name));
  return found ? bert_zip_record(zip, found - 1) : NULL;
}

/* CRC-32 (polynomial 0xedb88320), a byte at a time. */
static guint32 crc32_of(const guint8 *bytes, gsize size)
{
  guint32 table[256], crc = 0xffffffffu;
  for (guint32 i = 0; i < 256; i++) {
    table[i] = i;
    for (int bit = 0; bit < 8; bit++)
      table[i] = table[i] & 1 ? 0xedb88320u ^ table[i] >> 1 : table[i] >> 1;
  }
  for (gsize i = 0; i < size; i++)
    crc = table[(crc ^ bytes[i]) & 0xff] ^ crc >> 8;
  return ~crc;
}

gboolean bert_zip_check(const BertZip *zip, const BertZipRecord *record, GError **error)
{
  if (crc32_of((const guint8 *)record->data, record->size) == record->checksum)
    return TRUE;
  char *valid = g_utf8_make_valid(record->name, -1);
  fail(zip, error, "record '%s' has another checksum than the zip archive tells; the file is damaged", valid);
  g_free(valid);
  return FALSE;
}
