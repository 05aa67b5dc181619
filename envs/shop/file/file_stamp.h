/* Which shop files this user has verified: a small file per shop file in the user's cache folder. A file
 * counts as known while its device, inode, length and times of change are those of the verification, so that
 * any later writing to it makes it unknown again. What a disk does to a file behind the system's back is not
 * seen; that is what SHOP_FILE_VERIFY_ALWAYS is for. */
#ifndef SHOP_FILE_STAMP_H
#define SHOP_FILE_STAMP_H

#include <glib.h>
#include <sys/stat.h>

/* `header_crc` ties the stamp to the contents' own table. */
gboolean shop_file_stamp_matches(const struct stat *status, guint32 header_crc);

/* Remembers a file that was found good; `begin` is when the verification began (g_get_real_time). Nothing is
 * remembered of a file changed so shortly before that a later change might bear the same time, nor where the
 * cache cannot be written: it will be verified again. */
void shop_file_stamp_write(const struct stat *status, guint32 header_crc, gint64 begin);

#endif
