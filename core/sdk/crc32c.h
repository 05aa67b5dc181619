/* The portable form of cw_crc32c (cartwright/checksum.h), which tests compare with the processor's. */
#ifndef CW_CRC32C_H
#define CW_CRC32C_H

#include <cartwright/checksum.h>

guint32 cw_crc32c_portable(guint32 crc, const void *data, gsize length);

#endif
