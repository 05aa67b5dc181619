/* The memory that kernels see, and what is known of every four bytes of it.
 *
 * Device memory is one reserved range of addresses. While no operation runs it cannot be touched, so that a
 * host that follows a device pointer is found. Each four bytes have a cell: who wrote and who read them last
 * and when, which bytes have a value, and whether they are out of bounds. Shared memory has cells of the same
 * kind.
 *
 * "When" is a counter that goes on with every operation, block, barrier and warp barrier: two accesses by
 * different threads are ordered if such an event that both take part in lies between their times. */
#ifndef CW_HOST_MEMORY_H
#define CW_HOST_MEMORY_H

#include <cstddef>
#include <cstdint>

namespace cw_host
{
struct Cell {
  /* write: time << 20 | thread << 10 | bytes of the last write << 6 | bytes with a value << 2 | atomic << 1 |
   * closed */
  uint64_t write;
  /* read: time << 20 | thread << 10 | bytes << 6 | other threads << 2 | other warps << 1 | other blocks */
  uint64_t read;
};

/* A range of shared memory and its cells. */
struct Space {
  uintptr_t base;
  size_t bytes;
  Cell *cells;
};

/* What the checks compare times with; the running operation, block and warp set it. */
struct Present {
  uint64_t now;
  uint64_t operation_start, block_start, barrier;
  uint64_t unordered_since; /* accesses from this time on may be by operations of streams that were not waited
                               for */
  uint64_t warp_sync[32];   /* of each warp of the block: its last __syncwarp of all lanes */
  uint32_t thread, warp;    /* in the block */
  bool in_kernel;
};
extern Present present;

constexpr uintptr_t device_base = UINT64_C(0x200000000000);
constexpr size_t device_reserve = UINT64_C(1) << 40;

/* Allocations start on pages of this size, so that a byte per page says whether an address is allocated. */
constexpr size_t device_page = 65536;
extern uint8_t page_allocated[device_reserve / device_page];

/* `bytes` is 0 before the first use. The stacks of threads and the arguments of the running kernel have no
 * cells: no other thread sees the ones, nobody writes the others. */
extern Space device, static_shared, dynamic_shared, stacks, kernel_arguments;

/* One access of a running thread. `site`: where it is in the code. */
void check_read(const void *address, size_t size, const void *site);
void check_write(void *address, size_t size, const void *site);
void check_atomic(void *address, size_t size, const void *site);
/* A read or write of `bytes` that a copy, a fill or a product makes as a whole. */
void check_bulk_read(const void *address, size_t bytes, const char *what);
void check_bulk_write(void *address, size_t bytes, const char *what);

/* NULL when there is no room. */
void *device_allocate(size_t bytes);
/* FALSE: not the start of an allocation. */
bool device_release(void *address);
bool is_device(const void *address);
/* The bytes of all allocations, and how many there are. */
size_t device_used();
size_t device_allocations();
/* Opens device memory for an operation, closes it for the host. */
void device_open();
void device_close();

/* Says that [address, address + bytes) of an allocation is a buffer of its own from now on: without values,
 * and with `guard` bytes behind it that nobody may touch. */
void device_mark(void *address, size_t bytes, size_t guard, const char *name);

/* Describes a device address: "byte 12 of 'weights' (64 bytes)". The text is valid until the next call. */
const char *device_describe(uintptr_t address);
} // namespace cw_host

#endif
