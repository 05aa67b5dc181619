/* The threads of a block: fibers that run until they wait for each other. */
#ifndef CW_HOST_FIBERS_H
#define CW_HOST_FIBERS_H

#include "cuda_runtime.h"

namespace cw_host
{
/* Runs `body(closure)` once for every thread of every block; threads may read the closure. `anchor` gives an
 * address in the thread-local storage in which the kernel's static shared variables live. */
void run_grid(dim3 grid, dim3 block, size_t shared_bytes, void *(*anchor)(),
              void (*body)(const void *closure), const void *closure, size_t closure_bytes);

/* The block and thread that run, for reports. */
uint3 running_block();
uint3 running_thread();
/* The position in its block of a thread, by number. */
uint3 thread_position(unsigned thread);
} // namespace cw_host

#endif
