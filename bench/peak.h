/* The processor's speed at multiplying and adding, for fractions of it. */
#ifndef BENCH_PEAK_H
#define BENCH_PEAK_H

#include <glib.h>

/* GFLOP/s of one thread in fused multiply-adds of floats on registers, with the named instruction set
 * ("avx512_bf16", "avx512", "avx2", "generic"; those of bert_cpu), measured over about `seconds`. With
 * `halves` of bf16 pairs added to floats (VDPBF16PS) where the set has that; elsewhere bf16 numbers are
 * widened and the floats' peak is theirs. */
double bench_peak(const char *instruction_set, gboolean halves, double seconds);

#endif
