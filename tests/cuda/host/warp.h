/* What the lanes of a warp do together: shuffles, votes, __syncwarp. All lanes that a mask names must come to
 * the same place in the source with the same mask. */
#ifndef CW_HOST_WARP_H
#define CW_HOST_WARP_H

#include <cstdint>

namespace cw_host
{
/* Called at the start of a block: no lane waits. */
void forget_lanes();
/* The lanes of its mask that a waiting thread still waits for. */
uint32_t missing_lanes(unsigned thread);

/* Given by fibers.cpp: lets others run until wake_lane is called for the running thread; the number of
 * threads of the block. */
void wait_for_lanes(const char *file, int line);
void wake_lane(unsigned thread);
unsigned block_threads();
} // namespace cw_host

#endif
