/* Pinned host memory. While a copy that reads or writes it has not been waited for, the host may not write,
 * or not touch, that part; the pages are protected to find out. */
#ifndef CW_HOST_PINNED_H
#define CW_HOST_PINNED_H

#include "operations.h"

namespace cw_host
{
void *pinned_allocate(size_t bytes);
bool pinned_release(void *address);
bool is_pinned(const void *address, size_t bytes);
/* An operation with this range was enqueued; it runs or has run. */
void pinned_begin(const HostRange &range);
void pinned_end(const HostRange &range);
/* Operations are about to run; have run. */
void pinned_open();
void pinned_close();
/* From now on accesses of the host to protected memory end in a report. */
void watch_host();
} // namespace cw_host

#endif
