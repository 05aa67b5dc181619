/* Counts what a benchmark allocates, by standing in for the C library's functions. */
#ifndef BENCH_ALLOCATIONS_H
#define BENCH_ALLOCATIONS_H

#include <glib.h>

guint64 bench_n_allocations(void); /* calls of malloc, calloc, realloc and their relatives so far */
gint64 bench_live_bytes(void);     /* allocated and not freed, with the allocator's rounding */

#endif
