/* Opens shop files: checks header, table and checksums, finds arrays by name. What
 * a check finds wrong is reported with the file's name and the cure, which is always to import again or to
 * copy again. */
#include "envs/shop/file/file_private.h"

#include "envs/shop/file/file_stamp.h"
#include "envs/shop/file/parallel.h"

#include "envs/shop/text/fail.h"
#include <cartwright/checksum.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

const char *const shop_file_verify_names[] = {"once", "always", "header", NULL};

static gboolean open_descriptor(ShopFile *file, GError **error)
{
  file->descriptor = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file->descriptor < 0 || fstat(file->descriptor, &file->status) != 0)
    return shop_file_refuse(file->path, CW_ERROR_INPUT_OUTPUT, error, "cannot be opened: %s",
                            g_strerror(errno));
  if (!S_ISREG(file->status.st_mode))
    return shop_file_refuse(file->path, CW_ERROR_FORMAT, error,
                            "expected a shop file, found something that is no regular file");
  /* As in the writer: a verification must not leave the file in large pieces. It reads large blocks anyway.
   */
  posix_fadvise(file->descriptor, 0, 0, POSIX_FADV_RANDOM);
  return TRUE;
}

/* The header, in the order in which its members can be trusted. */
static gboolean check_header(ShopFile *file, GError **error)
{
  guint64 length = (guint64)file->status.st_size;
  ShopFileHeader *header = &file->header;
  char beginning[sizeof header->magic] = {0};
  if (length == 0)
    return shop_file_refuse(file->path, CW_ERROR_FORMAT, error,
                            "expected a shop file, found an empty file; " AGAIN);
  if (!shop_file_read(file, 0, beginning, MIN(length, sizeof beginning), error))
    return FALSE;
  if (memcmp(beginning, SHOP_FILE_MAGIC, sizeof header->magic) != 0)
    return shop_file_refuse(
        file->path, CW_ERROR_FORMAT, error,
        "expected a shop file made by 'cartwright import', found something else, or one whose "
        "import did not finish");
  if (length < sizeof *header)
    return shop_file_refuse(file->path, CW_ERROR_FORMAT, error,
                            "is truncated: %" G_GUINT64_FORMAT " bytes, less than its header; " AGAIN,
                            length);
  if (!shop_file_read(file, 0, header, sizeof *header, error))
    return FALSE;
  if (header->order == GUINT32_SWAP_LE_BE(SHOP_FILE_ORDER))
    return shop_file_refuse(
        file->path, CW_ERROR_UNSUPPORTED, error,
        "was made on a machine of the other byte order; make it again on this one with 'cartwright import'");
  if (header->order == SHOP_FILE_ORDER && header->version != SHOP_FILE_VERSION)
    return shop_file_refuse(
        file->path, CW_ERROR_UNSUPPORTED, error,
        "is a shop file of version %u, and this Cartwright reads version %d; make it again with "
        "'cartwright import'",
        header->version, SHOP_FILE_VERSION);
  if (cw_crc32c(0, header, offsetof(ShopFileHeader, crc)) != header->crc)
    return shop_file_refuse(file->path, CW_ERROR_FORMAT, error,
                            "is corrupted: the checksum of its header is wrong; " AGAIN);
  if (length != header->length)
    return shop_file_refuse(file->path, CW_ERROR_FORMAT, error,
                            "%s: expected %" G_GUINT64_FORMAT " bytes, found %" G_GUINT64_FORMAT "; " AGAIN,
                            length < header->length ? "is truncated" : "is too long", header->length, length);
  return TRUE;
}

/* A header whose checksum is right is still not believed where a wrong one would crash us. */
static gboolean check_table(ShopFile *file, GError **error)
{
  const ShopFileHeader *header = &file->header;
  guint64 entries = (guint64)header->n_arrays * sizeof(ShopFileEntry);
  guint64 crcs = (guint64)header->n_blocks * sizeof(guint32);
  gboolean good =
      header->table >= sizeof *header && header->table % SHOP_FILE_ALIGNMENT == 0 &&
      header->table <= header->length && header->length - header->table == entries + crcs &&
      header->n_blocks == (shop_file_content_length(header) + SHOP_FILE_BLOCK - 1) / SHOP_FILE_BLOCK;
  if (good) {
    file->table = g_memdup2(file->bytes + header->table, entries + crcs);
    file->entries = file->table;
    file->crcs = (const guint32 *)(gconstpointer)((const char *)file->table + entries);
    good = cw_crc32c(0, file->table, entries + crcs) == header->table_crc;
  }
  for (guint32 i = 0; good && i < header->n_arrays; i++) {
    const ShopFileEntry *entry = &file->entries[i];
    good = memchr(entry->name, '\0', sizeof entry->name) && entry->position >= sizeof *header &&
           entry->position % SHOP_FILE_ALIGNMENT == 0 && entry->position <= header->table &&
           entry->element_size > 0 &&
           entry->n_elements <= (header->table - entry->position) / entry->element_size;
  }
  if (!good)
    shop_file_refuse(file->path, CW_ERROR_FORMAT, error,
                     "is corrupted: its table of arrays is wrong; " AGAIN);
  return good;
}

ShopFile *shop_file_open(const char *path, ShopFileVerify verify, GError **error)
{
  g_autoptr(ShopFile) file = g_new0(ShopFile, 1);
  file->path = g_strdup(path);
  file->statm = -1;
  file->opened = g_get_real_time();
  if (!open_descriptor(file, error) || !check_header(file, error) || !shop_file_take_bytes(file, error) ||
      !check_table(file, error))
    return NULL;
  file->is_known =
      verify != SHOP_FILE_VERIFY_ALWAYS && shop_file_stamp_matches(&file->status, file->header.crc);
  file->is_verified = verify != SHOP_FILE_VERIFY_HEADER && !file->is_known;
  if (file->is_verified && !shop_file_verify(file, error))
    return NULL;
  return g_steal_pointer(&file);
}

gboolean shop_file_is_known(const ShopFile *file)
{
  return file->is_known;
}

void shop_file_remember(const ShopFile *file)
{
  if (file->is_verified)
    shop_file_stamp_write(&file->status, file->header.crc, file->opened);
}

typedef struct {
  const ShopFile *file;
  GMutex mutex;
  guint32 first_bad; /* n_blocks: none */
  GError *error;     /* of reading */
} Verification;

/* Of a mapped file it reads rather than looks through the mapping: contents that nobody needs then count as
 * nobody's memory. */
static void verify_block(gpointer data, guint b)
{
  Verification *verification = data;
  const ShopFile *file = verification->file;
  guint64 start = sizeof file->header + (guint64)b * SHOP_FILE_BLOCK;
  gsize n = MIN(file->header.table - start, SHOP_FILE_BLOCK);
  g_autofree guchar *buffer = file->is_copied ? NULL : g_malloc(n);
  GError *problem = NULL;
  gboolean good =
      (file->is_copied || shop_file_read(file, start, buffer, n, &problem)) &&
      cw_crc32c(0, file->is_copied ? (const void *)(file->bytes + start) : buffer, n) == file->crcs[b];
  if (good)
    return;
  g_mutex_lock(&verification->mutex);
  if (!problem)
    verification->first_bad = MIN(verification->first_bad, b);
  else if (!verification->error)
    verification->error = g_steal_pointer(&problem);
  g_mutex_unlock(&verification->mutex);
  g_clear_error(&problem);
}

/* The arrays that a block touches, for the message. */
static char *arrays_of_block(const ShopFile *file, guint32 block)
{
  guint64 start = sizeof file->header + (guint64)block * SHOP_FILE_BLOCK, end = start + SHOP_FILE_BLOCK;
  GString *names = g_string_new(NULL);
  for (guint32 i = 0; i < file->header.n_arrays; i++) {
    const ShopFileEntry *entry = &file->entries[i];
    if (entry->position < end && entry->position + entry->n_elements * entry->element_size > start)
      g_string_append_printf(names, "%s%s", names->len ? ", " : "", entry->name);
  }
  return g_string_free(names, FALSE);
}

gboolean shop_file_verify(const ShopFile *file, GError **error)
{
  Verification verification = {.file = file, .first_bad = file->header.n_blocks};
  g_mutex_init(&verification.mutex);
  shop_in_parallel(verify_block, file->header.n_blocks, &verification);
  g_mutex_clear(&verification.mutex);
  if (verification.first_bad < file->header.n_blocks) {
    g_autofree char *names = arrays_of_block(file, verification.first_bad);
    guint64 start = sizeof file->header + (guint64)verification.first_bad * SHOP_FILE_BLOCK;
    g_clear_error(&verification.error);
    return shop_file_refuse(file->path, CW_ERROR_FORMAT, error,
                            "is corrupted: the checksum of bytes %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT
                            " is wrong (in: %s); " AGAIN,
                            start, MIN(start + SHOP_FILE_BLOCK, file->header.table) - 1, names);
  }
  if (!verification.error)
    return TRUE;
  g_propagate_error(error, verification.error);
  return FALSE;
}

static const ShopFileEntry *find_entry(const ShopFile *file, const char *name)
{
  for (guint32 i = 0; i < file->header.n_arrays; i++)
    if (strcmp(file->entries[i].name, name) == 0)
      return &file->entries[i];
  return NULL;
}

gboolean shop_file_find(gpointer source, const char *name, gsize element_size, ShopArray *array,
                        GError **error)
{
  const ShopFile *file = source;
  const ShopFileEntry *entry = find_entry(file, name);
  if (!entry)
    return shop_fail(error, CW_ERROR_FORMAT, "holds no array '%s'; make it again with 'cartwright import'",
                     name);
  if (entry->element_size != element_size)
    return shop_fail(error, CW_ERROR_FORMAT,
                     "array '%s' has elements of %" G_GUINT64_FORMAT " bytes, expected %" G_GSIZE_FORMAT
                     "; make it again with 'cartwright import'",
                     name, entry->element_size, element_size);
  *array = (ShopArray){entry->name, file->bytes + entry->position, element_size, entry->n_elements};
  return TRUE;
}

gboolean shop_file_get(const ShopFile *file, guint32 i, ShopArray *array)
{
  if (i >= file->header.n_arrays)
    return FALSE;
  const ShopFileEntry *entry = &file->entries[i];
  *array = (ShopArray){entry->name, file->bytes + entry->position, entry->element_size, entry->n_elements};
  return TRUE;
}

gboolean shop_file_has(const ShopFile *file, const char *name)
{
  return find_entry(file, name) != NULL;
}
