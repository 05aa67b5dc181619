/* The layout of a shop file, shared by its reader and its writer. */
#ifndef SHOP_FILE_PRIVATE_H
#define SHOP_FILE_PRIVATE_H

#include "envs/shop/file/file.h"
#include "envs/shop/text/fail.h"

#include <sys/stat.h>

#define SHOP_FILE_MAGIC     "CWshop\r\n" /* the end shows a transfer that changed line ends */
#define SHOP_FILE_ORDER     0x01020304u
#define SHOP_FILE_ALIGNMENT 64
#define SHOP_FILE_BLOCK     ((gsize)1 << 20)
#define SHOP_FILE_NAME      40

typedef struct ShopFileHeader {
  char magic[8];
  guint32 order;   /* SHOP_FILE_ORDER */
  guint32 version; /* SHOP_FILE_VERSION */
  guint64 length;  /* of the file */
  guint64 table;   /* position of the table */
  guint32 n_arrays;
  guint32 n_blocks;  /* checksums behind the table */
  guint32 table_crc; /* of table and checksums */
  guint32 reserved[4];
  guint32 crc; /* of everything before */
} ShopFileHeader;

G_STATIC_ASSERT(sizeof(ShopFileHeader) == SHOP_FILE_ALIGNMENT);

typedef struct ShopFileEntry {
  char name[SHOP_FILE_NAME]; /* padded with NULs, at least one */
  guint64 position;
  guint64 n_elements;
  guint64 element_size;
} ShopFileEntry;

G_STATIC_ASSERT(sizeof(ShopFileEntry) == 64);

/* The length of the part that block checksums cover. */
static inline guint64 shop_file_content_length(const ShopFileHeader *header)
{
  return header->table - sizeof *header;
}

/* A file up to this length is copied instead of mapped. */
#define SHOP_FILE_COPIED ((guint64)16 << 20)

struct ShopFile {
  char *path;
  int descriptor;
  gsize bound; /* of shop_file_bound */
  int statm;   /* /proc/self/statm, for shop_file_trim; -1: not there, or no bound */
  gint64 opened;
  struct stat status;
  ShopFileHeader header;
  const char *bytes; /* a mapping, of the file or of memory */
  gpointer table;    /* a copy of the table and the checksums behind it */
  const ShopFileEntry *entries;
  const guint32 *crcs;
  gboolean is_copied, is_leased, is_known, is_verified;
};

/* What every message about a damaged file ends with. */
#define AGAIN "copy it again, or make it again with 'cartwright import'"

/* Sets the error "PATH: ..."; FALSE. */
gboolean shop_file_refuse(const char *path, CwErrorCode code, GError **error, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
/* Reads `length` bytes at `position`; fewer are an error. */
gboolean shop_file_read(const ShopFile *file, guint64 position, gpointer bytes, gsize length, GError **error);
/* Copies or maps the contents of a file whose header is known. */
gboolean shop_file_take_bytes(ShopFile *file, GError **error);

#endif
