/* Rendezvous of lanes. The last lane to come works out the result of every lane, then wakes the others. */
#include "warp.h"
#include "fibers.h"
#include "memory.h"
#include "report.h"
#include <cstring>

namespace cw_host
{
namespace
{
struct Lane {
  bool waits;
  CwHostWarpOperation operation;
  uint32_t mask;
  const char *file;
  int line;
  uint64_t given, result;
  unsigned source; /* the lane whose value this one gets */
};

Lane lanes[1024];

const char *const names[] = {"__syncwarp", "a shuffle", "a vote"};

void complete(unsigned first, uint32_t mask)
{
  Lane *warp = lanes + first;
  uint64_t votes = 0;
  for (unsigned i = 0; i < 32; i++)
    if (mask >> i & 1 && warp[i].given)
      votes |= UINT64_C(1) << i;
  for (unsigned i = 0; i < 32; i++) {
    if (!(mask >> i & 1))
      continue;
    Lane *lane = warp + i;
    lane->waits = false;
    lane->result = lane->operation == CW_HOST_SHUFFLE ? warp[lane->source].given : votes;
    if (first + i != present.thread)
      wake_lane(first + i);
  }
  /* Lanes of a part of the warp are not told apart from the rest, so their barriers order nothing here. */
  unsigned rest = block_threads() - first;
  if (warp[present.thread - first].operation == CW_HOST_SYNC && (rest >= 32 ? mask + 1 == 0 : mask + 1 == 1u << rest))
    present.warp_sync[present.warp] = ++present.now;
}

uint64_t together(CwHostWarpOperation operation, uint32_t mask, uint64_t given, unsigned source, const char *file,
                  int line)
{
  unsigned thread = present.thread, first = thread / 32 * 32, number = thread % 32;
  Lane *warp = lanes + first;
  const void *site = __builtin_return_address(0);
  if (!(mask >> number & 1))
    report(site, "lane mask: takes part in %s (%s:%d) with mask %08x, which does not name its lane %u",
           names[operation], file, line, mask, number);
  if (operation == CW_HOST_SHUFFLE && !(mask >> source & 1))
    report(site, "lane mask: a shuffle (%s:%d) reads lane %u, which mask %08x does not name", file, line, source, mask);
  warp[number] = {true, operation, mask, file, line, given, 0, source};
  bool all = true;
  for (unsigned i = 0; i < 32; i++) {
    if (!(mask >> i & 1))
      continue;
    if (!warp[i].waits) {
      all = false;
    } else if (warp[i].mask != mask || warp[i].operation != operation || warp[i].line != line ||
               strcmp(warp[i].file, file) != 0) {
      uint3 other = thread_position(first + i);
      report(site,
             "lane mask: %s (%s:%d) with mask %08x waits for thread (%u,%u,%u), which is in %s (%s:%d) with mask %08x",
             names[operation], file, line, mask, other.x, other.y, other.z, names[warp[i].operation], warp[i].file,
             warp[i].line, warp[i].mask);
    }
  }
  if (all)
    complete(first, mask);
  else
    wait_for_lanes(file, line);
  return warp[number].result;
}
} // namespace

void forget_lanes()
{
  unsigned n = block_threads();
  for (unsigned i = 0; i < (n + 31) / 32 * 32; i++)
    lanes[i].waits = false;
}

uint32_t missing_lanes(unsigned thread)
{
  uint32_t missing = lanes[thread].mask;
  for (unsigned i = 0; i < 32; i++)
    if (lanes[thread / 32 * 32 + i].waits)
      missing &= ~(1u << i);
  return missing;
}
} // namespace cw_host

extern "C" uint64_t cw_host_lanes(CwHostWarpOperation operation, uint32_t mask, uint64_t given, unsigned source,
                                  const char *file, int line)
{
  return cw_host::together(operation, mask, given, source, file, line);
}
