/* CRC32C (Castagnoli, RFC 3720), the checksum of checkpoints, for plugins that keep large files of their own.
 */
#ifndef CARTWRIGHT_CHECKSUM_H
#define CARTWRIGHT_CHECKSUM_H

#include <glib.h>

G_BEGIN_DECLS

/* Continues `crc` (0 to begin with) over `length` bytes. Any thread may call it. */
guint32 cw_crc32c(guint32 crc, const void *data, gsize length);

G_END_DECLS

#endif
