/* Pinned memory and the signal handler that tells what a host access to protected memory was. */
#include "pinned.h"
#include "memory.h"
#include "report.h"
#include <algorithm>
#include <csignal>
#include <map>
#include <sys/mman.h>
#include <ucontext.h>
#include <vector>

namespace cw_host
{
namespace
{
constexpr uintptr_t page_bytes = 4096;

std::map<uintptr_t, size_t> allocations;
std::vector<HostRange> in_flight;
struct sigaction previous;

uintptr_t number(const void *address)
{
  return reinterpret_cast<uintptr_t>(address);
}

void protect(const HostRange &range, int protection)
{
  uintptr_t first = number(range.address) / page_bytes * page_bytes;
  uintptr_t last = (number(range.address) + range.bytes + page_bytes - 1) / page_bytes * page_bytes;
  mprotect(reinterpret_cast<void *>(first), last - first, protection);
}

/* Whether the faulting instruction wrote; where that is not known, yes. */
bool was_write(const void *context)
{
#if defined __x86_64__
  return static_cast<const ucontext_t *>(context)->uc_mcontext.gregs[REG_ERR] & 2;
#else
  (void)context;
  return true;
#endif
}

void fault(int signal_number, siginfo_t *information, void *context)
{
  uintptr_t address = number(information->si_addr);
  bool writes = was_write(context);
  if (is_device(information->si_addr))
    report(nullptr, "the host %s device memory, at %s", writes ? "writes" : "reads",
           device_describe(address));
  for (const HostRange &range : in_flight)
    if (address - number(range.address) < range.bytes && (range.written || writes))
      report(nullptr, "the host %s byte %zu of pinned memory that a copy %s, before waiting for the copy",
             writes ? "writes" : "reads", address - number(range.address),
             range.written ? "writes" : "reads");
  auto next = allocations.upper_bound(address);
  if (next != allocations.begin() && address - std::prev(next)->first < std::prev(next)->second) {
    /* A neighbour of what is in flight, on the same page. */
    mprotect(reinterpret_cast<void *>(address / page_bytes * page_bytes), page_bytes, PROT_READ | PROT_WRITE);
    return;
  }
  sigaction(signal_number, &previous, nullptr);
}
} // namespace

void watch_host()
{
  struct sigaction current, wanted = {};
  if (sigaction(SIGSEGV, nullptr, &current) == 0 && current.sa_flags & SA_SIGINFO &&
      current.sa_sigaction == fault)
    return;
  previous = current;
  wanted.sa_sigaction = fault;
  wanted.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &wanted, nullptr);
}

void *pinned_allocate(size_t bytes)
{
  void *memory =
      mmap(nullptr, std::max<size_t>(bytes, 1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    return nullptr;
  allocations[number(memory)] = std::max<size_t>(bytes, 1);
  return memory;
}

bool pinned_release(void *address)
{
  auto found = allocations.find(number(address));
  if (found == allocations.end())
    return false;
  munmap(address, found->second);
  allocations.erase(found);
  return true;
}

bool is_pinned(const void *address, size_t bytes)
{
  auto next = allocations.upper_bound(number(address));
  if (next == allocations.begin())
    return false;
  const auto &[start, size] = *std::prev(next);
  size_t offset = number(address) - start;
  if (offset >= size)
    return false;
  if (bytes > size - offset)
    report(nullptr, "a copy goes %zu bytes beyond a pinned allocation of %zu bytes", bytes - (size - offset),
           size);
  return true;
}

void pinned_begin(const HostRange &range)
{
  in_flight.push_back(range);
  watch_host();
  protect(range, range.written ? PROT_NONE : PROT_READ);
  for (const HostRange &other : in_flight)
    if (other.written && !range.written)
      protect(other, PROT_NONE);
}

void pinned_end(const HostRange &range)
{
  auto same = [&](const HostRange &other) {
    return other.address == range.address && other.bytes == range.bytes && other.written == range.written;
  };
  auto found = std::find_if(in_flight.begin(), in_flight.end(), same);
  if (found != in_flight.end())
    in_flight.erase(found);
}

void pinned_open()
{
  for (const HostRange &range : in_flight)
    protect(range, PROT_READ | PROT_WRITE);
}

void pinned_close()
{
  for (bool written : {false, true})
    for (const HostRange &range : in_flight)
      if (range.written == written)
        protect(range, written ? PROT_NONE : PROT_READ);
  watch_host();
}
} // namespace cw_host
