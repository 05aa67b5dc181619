/* The request to stop, which a signal handler makes and the parts of a run obey. */
#ifndef CW_INTERRUPT_H
#define CW_INTERRUPT_H

#include <glib.h>

/* Asks what is running to stop at the next place from which it can go on; async-signal-safe. */
void cw_interrupt(void);
gboolean cw_interrupted(void);

#endif
