/* The contents of an open shop file: a copy of its own for a small file, a mapping for a large one. A copy
 * cannot change. A mapped file is leased where the system allows it, so that whoever wants to write to it
 * waits until the lease is broken, which shop_file_check sees before the contents change; elsewhere the check
 * compares size and time of change. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* leases */
#endif
#include "envs/shop/file/file_private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

gboolean shop_file_refuse(const char *path, CwErrorCode code, GError **error, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  return shop_fail(error, code, "%s: %s", path, text);
}

gboolean shop_file_read(const ShopFile *file, guint64 position, gpointer bytes, gsize length, GError **error)
{
  char *next = bytes;
  while (length > 0) {
    gssize n = pread(file->descriptor, next, length, (off_t)position);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return shop_file_refuse(file->path, CW_ERROR_INPUT_OUTPUT, error,
                              "cannot be read at byte %" G_GUINT64_FORMAT ": %s", position,
                              n < 0 ? g_strerror(errno) : "the file ends there");
    next += n;
    position += (guint64)n;
    length -= (gsize)n;
  }
  return TRUE;
}

/* A lease is broken without a signal: nobody is to be told, and until that is set the signal is one that does
 * nothing by itself. */
static gboolean take_lease(int descriptor)
{
  if (fcntl(descriptor, F_SETSIG, SIGURG) != 0 || fcntl(descriptor, F_SETLEASE, F_RDLCK) != 0)
    return FALSE;
  fcntl(descriptor, F_SETOWN, 0);
  return TRUE;
}

static gboolean same_file(const struct stat *a, const struct stat *b)
{
  return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
         a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

gboolean shop_file_check(const ShopFile *file, GError **error)
{
  struct stat now;
  if (file->is_copied || (file->is_leased && fcntl(file->descriptor, F_GETLEASE) == F_RDLCK))
    return TRUE;
  if (!file->is_leased && fstat(file->descriptor, &now) == 0 && same_file(&now, &file->status))
    return TRUE;
  return shop_file_refuse(file->path, CW_ERROR_INPUT_OUTPUT, error,
                          "somebody began to change it while it was in use; start again when it is complete, "
                          "and replace a shop file "
                          "by renaming the new one over it");
}

static gboolean copy(ShopFile *file, GError **error)
{
  struct stat now;
  gpointer bytes =
      mmap(NULL, file->header.length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (bytes == MAP_FAILED)
    return shop_file_refuse(file->path, CW_ERROR_INPUT_OUTPUT, error, "cannot be read into memory: %s",
                            g_strerror(errno));
  file->bytes = bytes;
  if (!shop_file_read(file, 0, bytes, file->header.length, error))
    return FALSE;
  file->is_copied = fstat(file->descriptor, &now) == 0 && same_file(&now, &file->status) &&
                    memcmp(bytes, &file->header, sizeof file->header) == 0;
  return shop_file_check(file, error);
}

gboolean shop_file_take_bytes(ShopFile *file, GError **error)
{
  if (file->header.length <= SHOP_FILE_COPIED)
    return copy(file, error);
  gpointer bytes = mmap(NULL, file->header.length, PROT_READ, MAP_SHARED, file->descriptor, 0);
  if (bytes == MAP_FAILED)
    return shop_file_refuse(file->path, CW_ERROR_INPUT_OUTPUT, error, "cannot be mapped into memory: %s",
                            g_strerror(errno));
  file->bytes = bytes;
  file->is_leased = take_lease(file->descriptor);
  return TRUE;
}

void shop_file_close(ShopFile *file)
{
  if (!file)
    return;
  if (file->bytes)
    munmap((gpointer)file->bytes, file->header.length);
  if (file->descriptor >= 0)
    close(file->descriptor);
  if (file->statm >= 0)
    close(file->statm);
  g_free(file->path);
  g_free(file->table);
  g_free(file);
}

void shop_file_bound(ShopFile *file, gsize bytes)
{
  file->bound = bytes;
  if (bytes > 0 && !file->is_copied && file->statm < 0)
    file->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
}

void shop_file_trim(const ShopFile *file)
{
  char text[128];
  gssize length = file->statm >= 0 && file->bound > 0 ? pread(file->statm, text, sizeof text - 1, 0) : -1;
  if (length <= 0)
    return;
  text[length] = '\0';
  /* Pages: size, resident, and of these the ones of files. */
  char *next = text;
  guint64 pages = 0;
  for (guint i = 0; i < 3; i++)
    pages = g_ascii_strtoull(next, &next, 10);
  if (pages * (guint64)sysconf(_SC_PAGESIZE) > file->bound)
    shop_file_rest(file);
}

void shop_file_rest(const ShopFile *file)
{
  if (!file->is_copied)
    madvise((gpointer)file->bytes, file->header.length, MADV_DONTNEED);
}
