/* The layout of a shop file, shared by its reader and its writer. */
#ifndef SHOP_FILE_PRIVATE_H
#define SHOP_FILE_PRIVATE_H

#include "envs/shop/file/file.h"

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

#endif
