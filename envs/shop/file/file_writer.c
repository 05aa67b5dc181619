/* Writes a shop file front to back: contents through one block-sized buffer, whose checksum is taken when it
 * is full, then the table, and the header last, so that a file that was not finished has none. */
#include "envs/shop/file/file_private.h"

#include "envs/shop/text/fail.h"
#include <cartwright/checksum.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What is written at once, the kernel may keep in one piece and map as one: pieces of megabytes would count
 * as the memory of whoever looks at a byte of them. */
#define PIECE ((gsize)64 << 10)

struct ShopFileWriter {
  char *path;
  int descriptor;
  guchar *block;
  gsize block_length;
  guint64 position; /* in the file, of what comes next */
  GArray *entries;  /* ShopFileEntry */
  GArray *crcs;     /* guint32 */
  gboolean is_open; /* between begin and end */
  GArray *mappings; /* Mapping: what find has handed out */
};

typedef struct {
  gpointer bytes;
  gsize length;
} Mapping;

static gboolean write_all(ShopFileWriter *writer, const void *bytes, gsize length, GError **error)
{
  const char *next = bytes;
  while (length > 0) {
    gssize written = write(writer->descriptor, next, MIN(length, PIECE));
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0) {
      return shop_fail_system(error, writer->path, "cannot be written");
    }
    next += written;
    length -= (gsize)written;
  }
  return TRUE;
}

static gboolean flush_block(ShopFileWriter *writer, GError **error)
{
  guint32 crc = cw_crc32c(0, writer->block, writer->block_length);
  gboolean good = writer->block_length == 0 || write_all(writer, writer->block, writer->block_length, error);
  if (good && writer->block_length > 0)
    g_array_append_val(writer->crcs, crc);
  writer->block_length = 0;
  return good;
}

/* Contents: through the block. */
static gboolean put(ShopFileWriter *writer, const void *bytes, gsize length, GError **error)
{
  const guchar *next = bytes;
  while (length > 0) {
    gsize n = MIN(length, SHOP_FILE_BLOCK - writer->block_length);
    memcpy(writer->block + writer->block_length, next, n);
    writer->block_length += n;
    writer->position += n;
    next += n;
    length -= n;
    if (writer->block_length == SHOP_FILE_BLOCK && !flush_block(writer, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean align(ShopFileWriter *writer, GError **error)
{
  static const char zeros[SHOP_FILE_ALIGNMENT] = {0};
  gsize past = writer->position % SHOP_FILE_ALIGNMENT;
  return past == 0 || put(writer, zeros, SHOP_FILE_ALIGNMENT - past, error);
}

ShopFileWriter *shop_file_writer_new(const char *path, GError **error)
{
  int descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor < 0) {
    shop_fail_system(error, path, "cannot be made");
    return NULL;
  }
  ShopFileWriter *writer = g_new0(ShopFileWriter, 1);
  static const ShopFileHeader nothing;
  writer->path = g_strdup(path);
  writer->descriptor = descriptor;
  writer->block = g_malloc(SHOP_FILE_BLOCK);
  writer->entries = g_array_new(FALSE, TRUE, sizeof(ShopFileEntry));
  writer->crcs = g_array_new(FALSE, FALSE, sizeof(guint32));
  writer->mappings = g_array_new(FALSE, FALSE, sizeof(Mapping));
  writer->position = sizeof nothing;
  if (write_all(writer, &nothing, sizeof nothing, error))
    return writer;
  shop_file_writer_free(writer);
  return NULL;
}

void shop_file_writer_free(ShopFileWriter *writer)
{
  if (!writer)
    return;
  for (guint i = 0; i < writer->mappings->len; i++) {
    const Mapping *mapping = &g_array_index(writer->mappings, Mapping, i);
    munmap(mapping->bytes, mapping->length);
  }
  g_array_free(writer->mappings, TRUE);
  close(writer->descriptor);
  g_free(writer->path);
  g_free(writer->block);
  g_array_free(writer->entries, TRUE);
  g_array_free(writer->crcs, TRUE);
  g_free(writer);
}

gboolean shop_file_writer_begin(ShopFileWriter *writer, const char *name, gsize element_size, GError **error)
{
  ShopFileEntry entry = {.element_size = element_size};
  g_assert(!writer->is_open && strlen(name) < sizeof entry.name && element_size > 0);
  if (!align(writer, error))
    return FALSE;
  strncpy(entry.name, name, sizeof entry.name - 1);
  entry.position = writer->position;
  g_array_append_val(writer->entries, entry);
  writer->is_open = TRUE;
  return TRUE;
}

gboolean shop_file_writer_append(ShopFileWriter *writer, const void *bytes, gsize length, GError **error)
{
  g_assert(writer->is_open);
  return put(writer, bytes, length, error);
}

gboolean shop_file_writer_end(ShopFileWriter *writer, GError **error)
{
  ShopFileEntry *entry = &g_array_index(writer->entries, ShopFileEntry, writer->entries->len - 1);
  guint64 length = writer->position - entry->position;
  g_assert(writer->is_open && length % entry->element_size == 0);
  entry->n_elements = length / entry->element_size;
  writer->is_open = FALSE;
  return align(writer, error);
}

gboolean shop_file_writer_add(ShopFileWriter *writer, const ShopArray *array, GError **error)
{
  return shop_file_writer_begin(writer, array->name, array->element_size, error) &&
         shop_file_writer_append(writer, array->elements, array->element_size * array->n_elements, error) &&
         shop_file_writer_end(writer, error);
}

/* Puts what the block holds so far into the file, from where it will be written again when the block is full.
 */
static gboolean show_block(ShopFileWriter *writer)
{
  off_t start = (off_t)(writer->position - writer->block_length);
  gsize done = 0;
  while (done < writer->block_length) {
    gssize n =
        pwrite(writer->descriptor, writer->block + done, writer->block_length - done, start + (off_t)done);
    if (n < 0 && errno != EINTR)
      return FALSE;
    done += n > 0 ? (gsize)n : 0;
  }
  return TRUE;
}

gboolean shop_file_writer_find(gpointer source, const char *name, gsize element_size, ShopArray *array,
                               GError **error)
{
  ShopFileWriter *writer = source;
  const ShopFileEntry *entry = NULL;
  for (guint i = 0; i < writer->entries->len; i++)
    if (strcmp(g_array_index(writer->entries, ShopFileEntry, i).name, name) == 0)
      entry = &g_array_index(writer->entries, ShopFileEntry, i);
  g_assert(!writer->is_open && entry && entry->element_size == element_size);
  static const guint64 nothing[SHOP_FILE_ALIGNMENT / sizeof(guint64)];
  *array = (ShopArray){name, nothing, element_size, entry->n_elements};
  if (entry->n_elements == 0)
    return TRUE;
  gsize past = entry->position % (gsize)sysconf(_SC_PAGESIZE);
  Mapping mapping = {.length = past + entry->n_elements * element_size};
  gboolean good = show_block(writer);
  if (good)
    mapping.bytes = mmap(NULL, mapping.length, PROT_READ, MAP_SHARED, writer->descriptor,
                         (off_t)(entry->position - past));
  if (!good || mapping.bytes == MAP_FAILED) {
    return shop_fail_system(error, writer->path, "cannot be read back");
  }
  g_array_append_val(writer->mappings, mapping);
  array->elements = (const char *)mapping.bytes + past;
  return TRUE;
}

void shop_file_writer_rest(ShopFileWriter *writer)
{
  for (guint i = 0; i < writer->mappings->len; i++) {
    const Mapping *mapping = &g_array_index(writer->mappings, Mapping, i);
    madvise(mapping->bytes, mapping->length, MADV_DONTNEED);
  }
}

gboolean shop_file_writer_finish(ShopFileWriter *writer, GError **error)
{
  g_assert(!writer->is_open);
  if (!flush_block(writer, error))
    return FALSE;
  gsize table_length = writer->entries->len * sizeof(ShopFileEntry);
  gsize crcs_length = writer->crcs->len * sizeof(guint32);
  ShopFileHeader header = {.magic = SHOP_FILE_MAGIC,
                           .order = SHOP_FILE_ORDER,
                           .version = SHOP_FILE_VERSION,
                           .length = writer->position + table_length + crcs_length,
                           .table = writer->position,
                           .n_arrays = writer->entries->len,
                           .n_blocks = writer->crcs->len};
  header.table_crc =
      cw_crc32c(cw_crc32c(0, writer->entries->data, table_length), writer->crcs->data, crcs_length);
  header.crc = cw_crc32c(0, &header, offsetof(ShopFileHeader, crc));
  if (!write_all(writer, writer->entries->data, table_length, error) ||
      !write_all(writer, writer->crcs->data, crcs_length, error))
    return FALSE;
  if (lseek(writer->descriptor, 0, SEEK_SET) != 0) {
    return shop_fail_system(error, writer->path, "cannot be written");
  }
  return write_all(writer, &header, sizeof header, error);
}
