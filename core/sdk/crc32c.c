/* CRC32C (Castagnoli), the checksum of the manifest's files: polynomial 0x1EDC6F41 reflected, as in RFC 3720.
 * Uses the processor's instruction where there is one. */
#include "core/sdk/crc32c.h"
#include <string.h>

/* The remainders of the sixteen half-bytes: two steps per byte, no large table. */
static guint32 crc_portable(guint32 crc, const guchar *bytes, gsize length)
{
  static const guint32 table[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
                                    0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                                    0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};

  for (gsize i = 0; i < length; i++) {
    crc ^= bytes[i];
    crc = table[crc & 15] ^ crc >> 4;
    crc = table[crc & 15] ^ crc >> 4;
  }
  return crc;
}

#if defined(__x86_64__) && defined(__GNUC__)
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static guint32 crc_processor(guint32 crc, const guchar *bytes, gsize length)
{
  guint64 wide = crc, word;
  for (; length >= sizeof word; bytes += sizeof word, length -= sizeof word) {
    memcpy(&word, bytes, sizeof word);
    wide = _mm_crc32_u64(wide, word);
  }
  crc = (guint32)wide;
  for (; length > 0; length--)
    crc = _mm_crc32_u8(crc, *bytes++);
  return crc;
}
#endif

guint32 cw_crc32c_portable(guint32 crc, const void *data, gsize length)
{
  return ~crc_portable(~crc, data, length);
}

guint32 cw_crc32c(guint32 crc, const void *data, gsize length)
{
#if defined(__x86_64__) && defined(__GNUC__)
  if (__builtin_cpu_supports("sse4.2"))
    return ~crc_processor(~crc, data, length);
#endif
  return cw_crc32c_portable(crc, data, length);
}
