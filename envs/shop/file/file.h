/* The shop file: named arrays (array.h) in one read-only, memory-mapped file, so that a large shop opens at
 * once and all processes of a machine share it.
 *
 * Layout: a header; the arrays, each at a multiple of 64 bytes, zeros between them; the table of arrays; the
 * CRC32C of every block of the part between header and table. Numbers are in the byte order of the machine
 * that wrote the file; another order is refused. Checksums guard against accidents, not against forgery. */
#ifndef SHOP_FILE_H
#define SHOP_FILE_H

#include "envs/shop/file/array.h"

/* Bumped with every change to the layout or to what an array means. */
#define SHOP_FILE_VERSION 1

/* How much of a file is read before it is used. Always: the header, the table and the checksums of both, and
 * that the file is as long as it should be. */
typedef enum {
  /* The checksums of all contents, unless this user has verified the file as it is before: the same inode,
   * length and times of change, remembered in the user's cache folder. */
  SHOP_FILE_VERIFY_ONCE,
  SHOP_FILE_VERIFY_ALWAYS, /* the same, every time */
  SHOP_FILE_VERIFY_HEADER  /* no checksums of contents */
} ShopFileVerify;

extern const char *const shop_file_verify_names[]; /* "once", "always", "header", NULL */

/* Reading. */
typedef struct ShopFile ShopFile;

/* Opens `path`. CW_ENVIRONMENT_ERROR names the file, what was expected, what was found and the cure. */
ShopFile *shop_file_open(const char *path, ShopFileVerify verify, GError **error);
void shop_file_close(ShopFile *file); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ShopFile, shop_file_close)
/* Whether the contents were verified before, so that they need not be checked again, and the remembering of
 * contents that the caller has found good as well. */
gboolean shop_file_is_known(const ShopFile *file);
void shop_file_remember(const ShopFile *file);
/* FALSE when somebody has begun to change the contents since the file was opened: call it before every use of
 * what was found in it. It costs a fraction of a microsecond; nothing for a file that was small enough to be
 * copied. */
gboolean shop_file_check(const ShopFile *file, GError **error);
/* Reads and checks all contents; with several threads where there are processors. */
gboolean shop_file_verify(const ShopFile *file, GError **error);
/* Pages of the file count as memory of every process that has looked at them, although there is one copy for
 * all, which the kernel drops when it needs the memory. After this, shop_file_trim gives those of this file
 * back when more than `bytes` of files count as this process's; 0: never. Call it before others read. */
void shop_file_bound(ShopFile *file, gsize bytes);
/* What is looked at after a trim counts again, and has to be found again: episodes become slower. Any thread
 * may call it, and others may read meanwhile. */
void shop_file_trim(const ShopFile *file);
/* As a trim, whatever counts: after all of the file has been looked at once. */
void shop_file_rest(const ShopFile *file);
/* A ShopArrayFinder: `file` is a ShopFile. The elements live until the file is closed. */
gboolean shop_file_find(gpointer file, const char *name, gsize element_size, ShopArray *array,
                        GError **error);
/* Array number `i` in the order of the file; FALSE behind the last. */
gboolean shop_file_get(const ShopFile *file, guint32 i, ShopArray *array);
gboolean shop_file_has(const ShopFile *file, const char *name);

/* Writing. An array is written at once; nothing of it is kept. */
typedef struct ShopFileWriter ShopFileWriter;

ShopFileWriter *shop_file_writer_new(const char *path, GError **error);
/* Adds an array whose name is unique and shorter than 40 bytes. */
gboolean shop_file_writer_add(ShopFileWriter *writer, const ShopArray *array, GError **error);
/* The same in pieces, for an array that is never in memory as a whole: begin, any number of appends, and end.
 */
gboolean shop_file_writer_begin(ShopFileWriter *writer, const char *name, gsize element_size, GError **error);
gboolean shop_file_writer_append(ShopFileWriter *writer, const void *bytes, gsize length, GError **error);
gboolean shop_file_writer_end(ShopFileWriter *writer, GError **error);
/* A ShopArrayFinder over what was written so far: `writer` is a ShopFileWriter. The elements live until the
 * writer is freed. */
gboolean shop_file_writer_find(gpointer writer, const char *name, gsize element_size, ShopArray *array,
                               GError **error);
/* Tells the system that found elements will not be needed soon, so that they count no longer as this
 * process's memory; they stay readable. */
void shop_file_writer_rest(ShopFileWriter *writer);
/* Writes the table and the header. */
gboolean shop_file_writer_finish(ShopFileWriter *writer, GError **error);
void shop_file_writer_free(
    ShopFileWriter *writer); /* accepts NULL; without finish the file is no shop file */

#endif
