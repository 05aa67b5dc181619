/* Rendezvous of lanes. The last lane to come works out the result of every lane, then wakes the others. */
#include "warp.h"
#include "fibers.h"
#include "memory.h"
#include "report.h"
#include <algorithm>
#include <cstring>

namespace cw_host
{
namespace
{
struct Lane {
  CwHostWarpOperation operation;
  uint32_t mask;
  const char *file;
  int line;
  uint64_t given, result;
  unsigned source;     /* the lane whose value this one gets */
  unsigned n_products; /* of tiles, so far in this block */
};

Lane lanes[1024];
uint32_t waiting[32]; /* of each warp: its lanes that have come and wait */

/* What the lanes of a warp gave for a product of tiles, twice: a lane that is one product ahead does not
 * overwrite what others still read. */
uint32_t tile_words[32][2][32][6];

const char *const names[] = {"__syncwarp", "a shuffle", "a vote", "a product of tiles"};

void complete(unsigned first, uint32_t mask)
{
  Lane *warp = lanes + first;
  uint64_t votes = 0;
  CwHostWarpOperation operation = warp[present.thread - first].operation;
  if (operation == CW_HOST_VOTE)
    for (unsigned i = 0; i < 32; i++)
      if (mask >> i & 1 && warp[i].given)
        votes |= UINT64_C(1) << i;
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    unsigned i = __builtin_ctz(rest);
    warp[i].result = operation == CW_HOST_SHUFFLE ? warp[warp[i].source].given : votes;
    if (first + i != present.thread)
      wake_lane(first + i);
  }
  waiting[first / 32] &= ~mask;
  /* Lanes of a part of the warp are not told apart from the rest, so their barriers order nothing here. */
  unsigned rest = block_threads() - first;
  if (operation == CW_HOST_SYNC && (rest >= 32 ? mask + 1 == 0 : mask + 1 == 1u << rest))
    present.warp_sync[present.warp] = ++present.now;
}

bool differ(const Lane &one, const Lane &other)
{
  return one.mask != other.mask || one.operation != other.operation || one.line != other.line ||
         (one.file != other.file && strcmp(one.file, other.file) != 0);
}

uint64_t together(CwHostWarpOperation operation, uint32_t mask, uint64_t given, unsigned source,
                  const char *file, int line, const void *site)
{
  unsigned thread = present.thread, first = thread / 32 * 32, number = thread % 32;
  Lane *warp = lanes + first;
  if (!(mask >> number & 1))
    report(site, "lane mask: takes part in %s (%s:%d) with mask %08x, which does not name its lane %u",
           names[operation], file, line, mask, number);
  if (operation == CW_HOST_SHUFFLE && !(mask >> source & 1))
    report(site, "lane mask: a shuffle (%s:%d) reads lane %u, which mask %08x does not name", file, line,
           source, mask);
  Lane &self = warp[number];
  self = {operation, mask, file, line, given, 0, source, self.n_products};
  /* Lanes that wait for each other agree, so one of those that this one names speaks for all. */
  uint32_t others = waiting[first / 32] & mask;
  if (others) {
    unsigned i = __builtin_ctz(others);
    if (differ(self, warp[i])) {
      uint3 other = thread_position(first + i);
      report(site,
             "lane mask: %s (%s:%d) with mask %08x waits for thread (%u,%u,%u), which is in %s (%s:%d) with "
             "mask %08x",
             names[operation], file, line, mask, other.x, other.y, other.z, names[warp[i].operation],
             warp[i].file, warp[i].line, warp[i].mask);
    }
  }
  waiting[first / 32] |= 1u << number;
  if ((others | 1u << number) == mask)
    complete(first, mask);
  else
    wait_for_lanes(file, line);
  return self.result;
}
} // namespace

void forget_lanes()
{
  unsigned n = block_threads();
  for (unsigned i = 0; i < n; i++)
    lanes[i].n_products = 0;
  std::fill_n(waiting, (n + 31) / 32, 0u);
}

uint32_t missing_lanes(unsigned thread)
{
  return lanes[thread].mask & ~waiting[thread / 32];
}
} // namespace cw_host

using namespace cw_host;

extern "C" uint64_t cw_host_lanes(CwHostWarpOperation operation, uint32_t mask, uint64_t given,
                                  unsigned source, const char *file, int line)
{
  return together(operation, mask, given, source, file, line, __builtin_return_address(0));
}

static float low(uint32_t pair)
{
  return __uint_as_float(pair << 16);
}

static float high(uint32_t pair)
{
  return __uint_as_float(pair & 0xffff0000u);
}

/* What the lanes hold is shown by the PTX manual's figures of the fragments of mma.m16n8k16 for .bf16. */
extern "C" void cw_host_multiply_tile(float *c, const uint32_t *a, uint32_t b0, uint32_t b1, const char *file,
                                      int line)
{
  unsigned thread = present.thread, lane = thread % 32, group = lane / 4, within = lane % 4;
  uint32_t(*words)[6] = tile_words[thread / 32][lanes[thread].n_products++ % 2];
  const uint32_t own[6] = {a[0], a[1], a[2], a[3], b0, b1};
  std::memcpy(words[lane], own, sizeof own);
  together(CW_HOST_MULTIPLY, 0xffffffffu, 0, 0, file, line, __builtin_return_address(0));
  for (unsigned k = 0; k < 4; k++)
    for (unsigned i = 0; i < 2; i++)
      for (unsigned j = 0; j < 2; j++) {
        const uint32_t *row = words[4 * group + k], *column = words[4 * (2 * within + j) + k];
        c[2 * i + j] += low(row[i]) * low(column[4]) + high(row[i]) * high(column[4]) +
                        low(row[i + 2]) * low(column[5]) + high(row[i + 2]) * high(column[5]);
      }
}
