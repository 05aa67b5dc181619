/* Caches. A record is three numbers of 32 bits, namely the row's, how many values it has, and a CRC32C over
 * both and the values; then the values. */
#include "core/base/durable.h"
#include <cartwright/cache.h>
#include <cartwright/checksum.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
  guint32 number, n, checksum;
} Header;

struct CwCache {
  char *path;
  FILE *file;
};

static guint32 checksum_of(const Header *header, const float *row)
{
  return cw_crc32c(cw_crc32c(0, header, offsetof(Header, checksum)), row, header->n * sizeof *row);
}

/* Shows one whole record; FALSE at the end or where one is not whole. `left`: bytes from here to the end. */
static gboolean read_record(FILE *file, guint64 left, CwCacheVisitor visitor, gpointer user_data)
{
  Header header;
  if (fread(&header, sizeof header, 1, file) != 1 || header.n > (left - sizeof header) / sizeof(float))
    return FALSE;
  g_autofree float *row = g_new(float, header.n);
  return fread(row, sizeof *row, header.n, file) == header.n &&
         checksum_of(&header, row) == header.checksum && visitor(header.number, row, header.n, user_data);
}

CwCache *cw_cache_open(const char *path, CwCacheVisitor visitor, gpointer user_data, GError **error)
{
  CwCache *cache = g_new0(CwCache, 1);
  cache->path = g_strdup(path);
  int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0666);
  struct stat status;
  cache->file = fd >= 0 && fstat(fd, &status) == 0 ? fdopen(fd, "a+") : NULL;
  long whole = 0;
  if (cache->file) {
    rewind(cache->file);
    while (read_record(cache->file, (guint64)(status.st_size - whole), visitor, user_data))
      whole = ftell(cache->file);
    if (whole >= 0 && ftruncate(fd, whole) == 0 && fseek(cache->file, 0, SEEK_END) == 0)
      return cache;
  } else if (fd >= 0)
    close(fd);
  cw_set_errno_error(error, "open the cache", path);
  cw_cache_close(cache);
  return NULL;
}

gboolean cw_cache_add(CwCache *cache, guint32 number, const float *row, guint32 n, GError **error)
{
  Header header = {number, n, 0};
  header.checksum = checksum_of(&header, row);
  if (fwrite(&header, sizeof header, 1, cache->file) == 1 && fwrite(row, sizeof *row, n, cache->file) == n &&
      fflush(cache->file) == 0)
    return TRUE;
  cw_set_errno_error(error, "write", cache->path);
  return FALSE;
}

void cw_cache_close(CwCache *cache)
{
  if (!cache)
    return;
  if (cache->file)
    fclose(cache->file);
  g_free(cache->path);
  g_free(cache);
}
