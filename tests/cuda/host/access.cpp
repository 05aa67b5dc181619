/* What is checked at every access of a kernel: bounds, values, races, the order of streams. The compiler
 * calls the functions at the end of this file before each load and store (-fsanitize=thread without its
 * library). */
#include "fibers.h"
#include "memory.h"
#include "operations.h"
#include "report.h"
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <link.h>

namespace cw_host
{
namespace
{
constexpr uint64_t closed = 1, atomic_write = 2;
constexpr uint64_t other_threads = 4, other_warps = 2, other_blocks = 1;
enum Kind { read_access, write_access, atomic_access };
const char *const verbs[] = {"reads", "writes", "adds atomically to"};

uint64_t time_of(uint64_t word)
{
  return word >> 20;
}

unsigned thread_of(uint64_t word)
{
  return word >> 10 & 1023;
}

unsigned last_bytes_of(uint64_t word)
{
  return word >> 6 & 15;
}

unsigned valued_of(uint64_t word)
{
  return word >> 2 & 15;
}

struct Access {
  uintptr_t address;
  size_t size;
  const void *site;
  Kind kind;
  bool shared;
};

const char *place(const Access &access, uintptr_t address)
{
  static char text[64];
  if (!access.shared)
    return device_describe(address);
  bool dynamic = address - dynamic_shared.base < dynamic_shared.bytes;
  snprintf(text, sizeof text, "byte %zu of %s shared memory",
           address - (dynamic ? dynamic_shared.base : static_shared.base), dynamic ? "dynamic" : "static");
  return text;
}

[[noreturn]] void report_race(const Access &access, const char *other, uint64_t word)
{
  if (time_of(word) < present.block_start)
    report(access.site, "race: %s %zu bytes at %s, which another block %s in the same launch",
           verbs[access.kind], access.size, place(access, access.address), other);
  uint3 thread = thread_position(thread_of(word));
  report(access.site, "race: %s %zu bytes at %s, which thread (%u,%u,%u) %s with no barrier between",
         verbs[access.kind], access.size, place(access, access.address), thread.x, thread.y, thread.z, other);
}

/* Whether an access of this launch at that time is ordered before the present thread. */
bool is_ordered(uint64_t time, unsigned thread)
{
  if (time < present.block_start)
    return false;
  if (time < present.barrier || thread == present.thread)
    return true;
  return thread / 32 == present.warp && time < present.warp_sync[present.warp];
}

void check_against_write(const Access &access, uint64_t word, unsigned bytes)
{
  uint64_t time = time_of(word);
  if (time < present.operation_start) {
    if (time >= present.unordered_since)
      check_stream_order(access.site, verbs[access.kind], device_describe(access.address), "wrote", time);
    return;
  }
  if ((last_bytes_of(word) & bytes) == 0 || (access.kind == atomic_access && word & atomic_write))
    return;
  if (!is_ordered(time, thread_of(word)))
    report_race(access, word & atomic_write ? "added to atomically" : "wrote", word);
}

void check_against_read(const Access &access, uint64_t word, unsigned bytes)
{
  uint64_t time = time_of(word);
  if (time < present.operation_start) {
    if (time >= present.unordered_since)
      check_stream_order(access.site, verbs[access.kind], device_describe(access.address), "read", time);
    return;
  }
  if ((last_bytes_of(word) & bytes) == 0)
    return;
  if (word & other_blocks && !access.shared)
    report(access.site, "race: %s %zu bytes at %s, which several blocks read in the same launch",
           verbs[access.kind], access.size, place(access, access.address));
  if (is_ordered(time, thread_of(word)) &&
      (!(word & other_threads) || time < present.barrier ||
       (!(word & other_warps) && time < present.warp_sync[present.warp])))
    return;
  if (word & other_threads)
    report(access.site, "race: %s %zu bytes at %s, which several threads read with no barrier between",
           verbs[access.kind], access.size, place(access, access.address));
  report_race(access, "read", word);
}

inline uint64_t next_read(uint64_t word, unsigned bytes)
{
  uint64_t time = time_of(word), flags = 0, kept = 0;
  if (time >= present.operation_start) {
    flags = word & other_blocks;
    if (time < present.block_start) {
      flags |= other_blocks;
      kept = last_bytes_of(word);
    } else if (time >= present.barrier) {
      bool same_warp = thread_of(word) / 32 == present.warp;
      if (!(same_warp && !(word & other_warps) && time < present.warp_sync[present.warp])) {
        flags |= word & (other_threads | other_warps);
        if (thread_of(word) != present.thread)
          flags |= other_threads;
        if (!same_warp)
          flags |= other_warps;
        kept = last_bytes_of(word);
      }
    } else if (flags) {
      kept = last_bytes_of(word);
    }
  }
  return present.now << 20 | uint64_t{present.thread} << 10 | (bytes | kept) << 6 | flags;
}

void check_cell(const Access &access, Cell *cell, unsigned bytes)
{
  uint64_t write = cell->write;
  unsigned valued = valued_of(write);
  if (write & closed)
    report(access.site, "%s %zu bytes out of bounds, at %s", verbs[access.kind], access.size,
           place(access, access.address));
  if (access.shared && time_of(write) < present.block_start)
    valued = 0;
  if (access.kind != write_access && (valued & bytes) != bytes)
    report(access.site, "%s %zu bytes without a value, at %s", verbs[access.kind], access.size,
           place(access, access.address));
  if (!access.shared || time_of(write) >= present.block_start)
    check_against_write(access, write, bytes);
  if (access.kind == read_access) {
    cell->read = next_read(cell->read, bytes);
    return;
  }
  if (!access.shared || time_of(cell->read) >= present.block_start)
    check_against_read(access, cell->read, bytes);
  cell->write = present.now << 20 | uint64_t{present.thread} << 10 | uint64_t{bytes} << 6 |
                uint64_t{valued | bytes} << 2 | (access.kind == atomic_access ? atomic_write : 0);
}

void check_cells(const Access &access, const Space &space)
{
  size_t first = access.address - space.base, last = first + access.size;
  for (size_t i = first / 4; i * 4 < last; i++) {
    unsigned from = i * 4 < first ? first - i * 4 : 0, to = std::min<size_t>(last - i * 4, 4);
    check_cell(access, space.cells + i, (15u << from) & (15u >> (4 - to)));
  }
}

void check_global(const Access &access)
{
  size_t first = access.address - device_base, last = first + access.size - 1;
  if (!page_allocated[first / device_page] || !page_allocated[last / device_page])
    report(access.site, "%s %zu bytes out of bounds, at %s", verbs[access.kind], access.size,
           device_describe(access.address));
  check_cells(access, device);
}

struct Search {
  uintptr_t address;
  bool found;
};

/* Whether an address is in the code or constants of a loaded object. */
bool is_constant(uintptr_t address)
{
  Search search = {address, false};
  dl_iterate_phdr(
      [](dl_phdr_info *object, size_t, void *data) {
        Search *wanted = static_cast<Search *>(data);
        for (int i = 0; i < object->dlpi_phnum; i++)
          if (object->dlpi_phdr[i].p_type == PT_LOAD &&
              wanted->address - (object->dlpi_addr + object->dlpi_phdr[i].p_vaddr) <
                  object->dlpi_phdr[i].p_memsz)
            wanted->found = true;
        return wanted->found ? 1 : 0;
      },
      &search);
  return search.found;
}

void check(const Access &access)
{
  if (!present.in_kernel || access.address - stacks.base < stacks.bytes)
    return;
  if (access.address - device_base < device_reserve) {
    check_global(access);
    return;
  }
  for (const Space *space : {&dynamic_shared, &static_shared}) {
    if (access.address - space->base < space->bytes) {
      Access shared = access;
      shared.shared = true;
      if (access.address - space->base + access.size > space->bytes)
        report(access.site, "%s %zu bytes out of bounds, at %s", verbs[access.kind], access.size,
               place(shared, access.address));
      check_cells(shared, *space);
      return;
    }
  }
  if (access.kind == read_access && access.address - kernel_arguments.base < kernel_arguments.bytes)
    return;
  if (access.kind != read_access || !is_constant(access.address))
    report(access.site, "%s %zu bytes of memory that is neither the device's nor shared", verbs[access.kind],
           access.size);
}

/* What most accesses are, found out in little time: every byte is open and has a value or gets one, and was
 * written (for a write: or read) before `before`: this operation and those that were not waited for (device
 * memory), or the last barrier (shared memory). Records the access. FALSE: see check_cells. */
template <size_t size>
__attribute__((always_inline)) inline bool is_plain(Cell *cells, Kind kind, uint64_t after, uint64_t before)
{
  constexpr uint64_t whole = 15;
  for (size_t i = 0; i < size / 4; i++) {
    uint64_t write = cells[i].write;
    if (write & closed || time_of(write) >= before || time_of(write) < after ||
        (kind == read_access ? valued_of(write) != whole : time_of(cells[i].read) >= before))
      return false;
  }
  uint64_t mark = present.now << 20 | uint64_t{present.thread} << 10 | whole << 6;
  for (size_t i = 0; i < size / 4; i++) {
    if (kind == write_access)
      cells[i].write = mark | whole << 2;
    else
      cells[i].read = time_of(cells[i].read) < before ? mark : next_read(cells[i].read, whole);
  }
  return true;
}

/* A load or store of one value: it lies on a multiple of its size. */
template <size_t size> inline void check_value(void *pointer, Kind kind, const void *site)
{
  uintptr_t address = reinterpret_cast<uintptr_t>(pointer);
  if (!present.in_kernel)
    return;
  if (address % size)
    report(site, "misaligned: %s %zu bytes at an address that is no multiple of them, at %s", verbs[kind],
           size, is_device(pointer) ? device_describe(address) : "shared memory");
  if (address - stacks.base < stacks.bytes)
    return;
  if constexpr (size % 4 == 0) {
    size_t offset = address - device_base;
    if (offset < device_reserve) {
      if (page_allocated[offset / device_page] &&
          is_plain<size>(device.cells + offset / 4, kind, 0,
                         std::min(present.operation_start, present.unordered_since)))
        return;
    } else {
      for (const Space *space : {&dynamic_shared, &static_shared}) {
        offset = address - space->base;
        if (offset < space->bytes && space->bytes - offset >= size && space->base % 4 == 0 &&
            is_plain<size>(space->cells + offset / 4, kind, kind == read_access ? present.block_start : 0,
                           present.barrier))
          return;
      }
    }
  }
  check({address, size, site, kind, false});
}

void check_bulk(uintptr_t address, size_t bytes, const char *what, Kind kind)
{
  Access access = {address, bytes, nullptr, kind, false};
  if (bytes == 0)
    return;
  size_t first = address - device_base, last = first + bytes;
  if (first >= device_reserve || bytes > device_reserve - first)
    report(nullptr, "%s: %s %zu bytes that are not all in device memory", what, verbs[kind], bytes);
  for (size_t page = first / device_page; page <= (last - 1) / device_page; page++)
    if (!page_allocated[page])
      report(nullptr, "%s: %s %zu bytes out of bounds, from %s", what, verbs[kind], bytes,
             device_describe(address));
  uint64_t before = std::min(present.operation_start, present.unordered_since);
  for (size_t i = first / 4; i * 4 < last; i++) {
    unsigned from = i * 4 < first ? first - i * 4 : 0, to = std::min<size_t>(last - i * 4, 4);
    unsigned mask = (15u << from) & (15u >> (4 - to));
    Cell *cell = device.cells + i;
    if (mask == 15 && is_plain<4>(cell, kind, 0, before))
      continue;
    access.address = device_base + std::max(i * 4, first);
    if (cell->write & closed)
      report(nullptr, "%s: %s out of bounds, at %s", what, verbs[kind], device_describe(access.address));
    if (kind == read_access && (valued_of(cell->write) & mask) != mask)
      report(nullptr, "%s: %s bytes without a value, at %s", what, verbs[kind],
             device_describe(access.address));
    check_against_write(access, cell->write, mask);
    if (kind == read_access) {
      cell->read = next_read(cell->read, mask);
      continue;
    }
    check_against_read(access, cell->read, mask);
    cell->write = present.now << 20 | uint64_t{mask} << 6 | uint64_t{valued_of(cell->write) | mask} << 2;
  }
}
} // namespace

void check_read(const void *address, size_t size, const void *site)
{
  check({reinterpret_cast<uintptr_t>(address), size, site, read_access, false});
}

void check_write(void *address, size_t size, const void *site)
{
  check({reinterpret_cast<uintptr_t>(address), size, site, write_access, false});
}

void check_atomic(void *address, size_t size, const void *site)
{
  check({reinterpret_cast<uintptr_t>(address), size, site, atomic_access, false});
}

void check_bulk_read(const void *address, size_t bytes, const char *what)
{
  check_bulk(reinterpret_cast<uintptr_t>(address), bytes, what, read_access);
}

void check_bulk_write(void *address, size_t bytes, const char *what)
{
  check_bulk(reinterpret_cast<uintptr_t>(address), bytes, what, write_access);
}
} // namespace cw_host

/* What the compiler calls. */
extern "C" {
#define CW_HOST_ACCESS(size)                                                                                 \
  void __tsan_read##size(void *address)                                                                      \
  {                                                                                                          \
    cw_host::check_value<size>(address, cw_host::read_access, __builtin_return_address(0));                  \
  }                                                                                                          \
  void __tsan_write##size(void *address)                                                                     \
  {                                                                                                          \
    cw_host::check_value<size>(address, cw_host::write_access, __builtin_return_address(0));                 \
  }
CW_HOST_ACCESS(1)
CW_HOST_ACCESS(2)
CW_HOST_ACCESS(4)
CW_HOST_ACCESS(8)
CW_HOST_ACCESS(16)

void __tsan_read_range(void *address, size_t size)
{
  cw_host::check_read(address, size, __builtin_return_address(0));
}

void __tsan_write_range(void *address, size_t size)
{
  cw_host::check_write(address, size, __builtin_return_address(0));
}

void __tsan_init()
{
}

/* Of -fsanitize=bounds: an index of an array whose size the compiler knows. The rest of the record is not
 * used. */
struct CwHostBounds {
  const char *file;
  uint32_t line, column;
};

void __ubsan_handle_out_of_bounds(const CwHostBounds *place, uintptr_t index)
{
  const char *name = strrchr(place->file, '/');
  if (cw_host::present.in_kernel)
    cw_host::report(nullptr, "array index %zd is out of bounds (%s:%u)", static_cast<ssize_t>(index),
                    name ? name + 1 : place->file, place->line);
}
}
