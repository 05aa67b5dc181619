/* Device memory as a reserved range of addresses: which parts are allocated, and opening and closing it. The
 * checks of accesses stand in access.cpp. */
#include "memory.h"
#include "report.h"
#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <sys/mman.h>
#include <vector>

namespace cw_host
{
Present present;
Space device, static_shared, dynamic_shared, stacks, kernel_arguments;
uint8_t page_allocated[device_reserve / device_page];

namespace
{
struct Buffer {
  size_t bytes;
  std::string name;
};

struct Allocation {
  size_t bytes;
  unsigned number;
};

std::map<uintptr_t, Allocation> allocations, freed;
std::map<uintptr_t, Buffer> buffers; /* named by device_mark */
size_t used;
unsigned n_made;
bool is_open;
uintptr_t next_address = device_base;

size_t whole_pages(size_t bytes)
{
  return (std::max<size_t>(bytes, 1) + device_page - 1) / device_page * device_page;
}

void reserve()
{
  void *memory = mmap(reinterpret_cast<void *>(device_base), device_reserve, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
  void *cells = mmap(nullptr, device_reserve / 4 * sizeof(Cell), PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory != reinterpret_cast<void *>(device_base) || cells == MAP_FAILED)
    report(nullptr, "cannot reserve address space for device memory");
  device = {device_base, device_reserve, static_cast<Cell *>(cells)};
}
} // namespace

void *device_allocate(size_t bytes)
{
  if (!device.cells)
    reserve();
  size_t size = whole_pages(bytes);
  /* Addresses are not used again: whatever was freed stays closed. */
  if (next_address + size + device_page > device_base + device_reserve)
    return nullptr;
  uintptr_t address = next_address;
  next_address += size + device_page;
  if (mprotect(reinterpret_cast<void *>(address), size, is_open ? PROT_READ | PROT_WRITE : PROT_NONE) != 0)
    return nullptr;
  std::fill_n(page_allocated + (address - device_base) / device_page, size / device_page, uint8_t{1});
  for (size_t i = bytes / 4; i < size / 4; i++)
    device.cells[(address - device_base) / 4 + i].write = 1;
  if (bytes % 4) /* the last cell is open in part: its other bytes never get a value */
    device.cells[(address - device_base) / 4 + bytes / 4].write = 0;
  allocations[address] = {bytes, ++n_made};
  used += bytes;
  return reinterpret_cast<void *>(address);
}

bool device_release(void *pointer)
{
  uintptr_t address = reinterpret_cast<uintptr_t>(pointer);
  auto found = allocations.find(address);
  if (found == allocations.end())
    return false;
  size_t size = whole_pages(found->second.bytes);
  used -= found->second.bytes;
  freed.insert(allocations.extract(found));
  std::fill_n(page_allocated + (address - device_base) / device_page, size / device_page, uint8_t{0});
  madvise(pointer, size, MADV_DONTNEED);
  mprotect(pointer, size, PROT_NONE);
  madvise(device.cells + (address - device_base) / 4, size / 4 * sizeof(Cell), MADV_DONTNEED);
  return true;
}

bool is_device(const void *address)
{
  return reinterpret_cast<uintptr_t>(address) - device_base < device_reserve;
}

size_t device_used()
{
  return used;
}

size_t device_allocations()
{
  return allocations.size();
}

static void protect(int protection)
{
  for (const auto &[address, allocation] : allocations)
    mprotect(reinterpret_cast<void *>(address), whole_pages(allocation.bytes), protection);
}

void device_open()
{
  is_open = true;
  protect(PROT_READ | PROT_WRITE);
}

void device_close()
{
  is_open = false;
  protect(PROT_NONE);
}

void device_mark(void *pointer, size_t bytes, size_t guard, const char *name)
{
  uintptr_t address = reinterpret_cast<uintptr_t>(pointer);
  auto next = allocations.upper_bound(address);
  size_t offset = next == allocations.begin() ? 0 : address - std::prev(next)->first;
  size_t room = next == allocations.begin() ? 0 : std::prev(next)->second.bytes;
  if (address % 4 || offset > room || bytes + guard > room - offset)
    report(nullptr, "buffer '%s' of %zu bytes and %zu behind it are not inside an allocation", name, bytes,
           guard);
  auto overlapped = buffers.lower_bound(address);
  while (overlapped != buffers.end() && overlapped->first < address + bytes + guard)
    overlapped = buffers.erase(overlapped);
  buffers[address] = {bytes, name};
  Cell *cells = device.cells + (address - device_base) / 4;
  /* Times stay: a stream that still works on what was here before must be waited for. */
  for (size_t i = 0; i < (bytes + 3) / 4; i++)
    cells[i].write &= ~UINT64_C(0x3d);
  for (size_t i = (bytes + 3) / 4; i < (bytes + guard) / 4; i++)
    cells[i].write = (cells[i].write & ~UINT64_C(0x3d)) | 1;
}

const char *device_describe(uintptr_t address)
{
  static std::string text;
  char line[256];
  auto after = buffers.upper_bound(address);
  auto live = allocations.upper_bound(address), gone = freed.upper_bound(address);
  uintptr_t live_start = live == allocations.begin() ? 0 : std::prev(live)->first;
  uintptr_t gone_start = gone == freed.begin() ? 0 : std::prev(gone)->first;
  uintptr_t buffer_start = after == buffers.begin() ? 0 : std::prev(after)->first;
  if (live_start == 0 && gone_start == 0)
    return "an address before all allocations";
  if (gone_start > live_start) {
    const Allocation &allocation = std::prev(gone)->second;
    snprintf(line, sizeof line, "byte %zu of allocation %u (%zu bytes, freed)", address - gone_start,
             allocation.number, allocation.bytes);
  } else if (buffer_start >= live_start) {
    const Buffer &buffer = std::prev(after)->second;
    snprintf(line, sizeof line, "byte %zu of '%s' (%zu bytes)", address - buffer_start, buffer.name.c_str(),
             buffer.bytes);
  } else {
    const Allocation &allocation = std::prev(live)->second;
    snprintf(line, sizeof line, "byte %zu of allocation %u (%zu bytes)", address - live_start,
             allocation.number, allocation.bytes);
  }
  text = line;
  return text.c_str();
}
} // namespace cw_host
