/* The counter-based generator under the random streams: Philox 4x32 with ten rounds (Salmon, Moraes, Dror and
 * Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011, section 4.3). A pure function of counter and
 * key. */
#ifndef CW_PHILOX_H
#define CW_PHILOX_H

#include <glib.h>

/* Writes the four words that `counter` stands for under `key`. `output` may be `counter`. */
void cw_philox4x32_10(const guint32 counter[4], const guint32 key[2], guint32 output[4]);

#endif
