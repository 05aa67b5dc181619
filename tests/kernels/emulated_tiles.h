/* AMX's tile instructions in plain C, for whole tiles (16 rows of 64 bytes). TDPBF16PS as Intel's manual has
 * it and as a processor was measured to do it: per element two chains of fused multiply-adds from 0, of the
 * even and of the odd k; their sum; that added to the element. Rounding is to nearest even, and subnormal
 * numbers count as 0 on the way in and after each step, wherever MXCSR stands. */
#ifndef TEST_EMULATED_TILES_H
#define TEST_EMULATED_TILES_H

#include <glib.h>
#include <math.h>
#include <string.h>

typedef union EmulatedTile {
  float sums[16][16];
  guint16 numbers[16][32];
  char bytes[16][64];
} EmulatedTile;

static _Thread_local EmulatedTile emulated_tiles[8];

static inline float emulated_flushed(float x)
{
  return fabsf(x) < 1.17549435e-38f ? copysignf(0, x) : x;
}

static inline float emulated_number(guint16 bf16)
{
  union {
    guint32 bits;
    float value;
  } number = {.bits = (guint32)bf16 << 16};
  return emulated_flushed(number.value);
}

static inline void emulated_load(int tile, gconstpointer from, gsize stride)
{
  for (gsize row = 0; row < 16; row++)
    memcpy(emulated_tiles[tile].bytes[row], (const char *)from + row * stride, 64);
}

static inline void emulated_store(int tile, gpointer to, gsize stride)
{
  for (gsize row = 0; row < 16; row++)
    memcpy((char *)to + row * stride, emulated_tiles[tile].bytes[row], 64);
}

/* Five times as fast where the processor has the fused instruction. */
#if defined(__x86_64__) && !defined(__clang__)
#define EMULATED_TWICE __attribute__((target_clones("fma", "default"), optimize("O3")))
#else
#define EMULATED_TWICE
#endif

EMULATED_TWICE static void emulated_multiply(int c, int a, int b)
{
  float right[16][32];
  for (int k = 0; k < 16; k++)
    for (int n = 0; n < 32; n++)
      right[k][n] = emulated_number(emulated_tiles[b].numbers[k][n]);
  for (int m = 0; m < 16; m++) {
    const guint16 *left = emulated_tiles[a].numbers[m];
    float chains[32] = {0}, *sums = emulated_tiles[c].sums[m];
    for (int k = 0; k < 16; k++) {
      float even = emulated_number(left[2 * k]), odd = emulated_number(left[2 * k + 1]);
      for (int n = 0; n < 32; n += 2) {
        chains[n] = emulated_flushed(fmaf(even, right[k][n], chains[n]));
        chains[n + 1] = emulated_flushed(fmaf(odd, right[k][n + 1], chains[n + 1]));
      }
    }
    for (int n = 0; n < 16; n++) {
      float both = emulated_flushed(chains[2 * n] + chains[2 * n + 1]);
      sums[n] = emulated_flushed(emulated_flushed(sums[n]) + both);
    }
  }
}

#define _tile_loadd(tile, from, stride)        emulated_load(tile, from, stride)
#define _tile_stream_loadd(tile, from, stride) emulated_load(tile, from, stride)
#define _tile_stored(tile, to, stride)         emulated_store(tile, to, stride)
#define _tile_zero(tile)                       memset(&emulated_tiles[tile], 0, sizeof emulated_tiles[tile])
#define _tile_dpbf16ps(c, a, b)                emulated_multiply(c, a, b)
#define _tile_loadconfig(config)               ((void)(config))
#define _tile_release()                        ((void)0)

#endif
