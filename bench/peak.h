/* The processor's speed at multiplying and adding floats, for fractions of it. */
#ifndef BENCH_PEAK_H
#define BENCH_PEAK_H

#include <glib.h>

/* GFLOP/s of one thread in fused multiply-adds on registers, with the named instruction set
 * ("avx512", "avx2", "generic"), measured over about `seconds`. */
double bench_peak(const char *instruction_set, double seconds);

#endif
