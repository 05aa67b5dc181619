/* The stamps of verified shop files. */
#include "envs/shop/file/file_stamp.h"

#include <string.h>

/* Two changes within a tick of the file system's clock look like one. */
#define TICK (2 * G_USEC_PER_SEC)

static char *stamp_path(const struct stat *status)
{
  g_autofree char *name = g_strdup_printf("%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x",
                                          (guint64)status->st_dev, (guint64)status->st_ino);
  return g_build_filename(g_get_user_cache_dir(), "cartwright", "verified", name, NULL);
}

static char *stamp_text(const struct stat *status, guint32 header_crc)
{
  /* The number counts what a verification looks at. */
  return g_strdup_printf(
      "2 %" G_GINT64_FORMAT " %" G_GINT64_FORMAT ".%09ld %" G_GINT64_FORMAT ".%09ld %08x\n",
      (gint64)status->st_size, (gint64)status->st_mtim.tv_sec, (long)status->st_mtim.tv_nsec,
      (gint64)status->st_ctim.tv_sec, (long)status->st_ctim.tv_nsec, header_crc);
}

gboolean shop_file_stamp_matches(const struct stat *status, guint32 header_crc)
{
  g_autofree char *path = stamp_path(status), *expected = stamp_text(status, header_crc), *found = NULL;
  return g_file_get_contents(path, &found, NULL, NULL) && strcmp(found, expected) == 0;
}

void shop_file_stamp_write(const struct stat *status, guint32 header_crc, gint64 begin)
{
  gint64 changed = (gint64)status->st_ctim.tv_sec * G_USEC_PER_SEC + status->st_ctim.tv_nsec / 1000;
  if (changed > begin - TICK)
    return;
  g_autofree char *path = stamp_path(status), *text = stamp_text(status, header_crc);
  g_autofree char *folder = g_path_get_dirname(path);
  if (g_mkdir_with_parents(folder, 0700) == 0)
    g_file_set_contents(path, text, -1, NULL);
}
