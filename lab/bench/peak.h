/* The processor's speed at multiplying and adding, for shares of it. */
#ifndef CW_BENCH_PEAK_H
#define CW_BENCH_PEAK_H

#include <glib.h>

typedef struct CwPeak {
  const char *name, *instruction_set; /* "bf16, AMX", "amx": as bert_cpu calls it */
  gboolean bf16;
  double speed; /* GFLOP/s of one thread, by its processor time */
} CwPeak;

#define CW_MOST_PEAKS 3

/* Measures, each over about `seconds`, the widest fused multiply-adds of floats that the processor has, and
 * then the bf16 instructions it has. Returns how many. */
guint cw_peaks(double seconds, CwPeak peaks[CW_MOST_PEAKS]);

/* The speed of one instruction set ("amx", "avx512_bf16", "avx512", "avx2", "generic") in floats, or with
 * `bf16` of pairs of bf16 numbers added to floats; a set that has no instruction for those widens them, so
 * the floats' speed is theirs. The processor must have the set. */
double cw_peak(const char *instruction_set, gboolean bf16, double seconds);

#endif
