/* The request to stop, as a signal handler leaves it. It is the one mutable global of the runtime, because a
 * signal handler can reach nothing else. */
#include "core/base/interrupt.h"
#include <cartwright/policy.h>
#include <signal.h>

static volatile sig_atomic_t interrupted;

void cw_interrupt(void)
{
  interrupted = 1;
}

gboolean cw_stop_requested(void)
{
  return cw_interrupted();
}

gboolean cw_interrupted(void)
{
  return interrupted != 0;
}
