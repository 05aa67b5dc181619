/* Blocks one after the other, their threads as fibers. A thread runs until it waits at a barrier or for lanes
 * of its warp; then the next one that can runs. A fiber whose thread has ended takes the next thread that has
 * not begun, so a kernel without barriers needs one fiber. */
#undef _FORTIFY_SOURCE /* its longjmp refuses to change stacks */
#include "fibers.h"
#include "memory.h"
#include "report.h"
#include "warp.h"
#include <algorithm>
#include <csetjmp>
#include <cstdlib>
#include <cstring>
#include <link.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <vector>

namespace cw_host
{
namespace
{
constexpr unsigned max_threads = 1024;
constexpr size_t stack_bytes = 128 * 1024, dynamic_bytes = 227 * 1024;

struct Fiber {
  jmp_buf context;
  unsigned thread;
  bool has_begun;
};

enum Waiting { runs, at_barrier, for_lanes, ended };

struct Thread {
  Fiber *fiber;
  Waiting waiting;
  const char *file; /* where it waits */
  int line;
};

Fiber fibers[max_threads];
std::vector<Fiber *> free_fibers;
unsigned n_fibers;
Thread threads[max_threads];
uint32_t runnable[max_threads / 32], warps_runnable;
jmp_buf host_context;

uint3 position, block_position;
uint3 positions[max_threads];
dim3 block_size, grid_size;
unsigned n_threads, n_at_barrier, n_ended;
int barrier_sum;
int barrier_result;

void (*kernel_body)(const void *);
const void *kernel_closure;

void set_runnable(unsigned thread)
{
  runnable[thread / 32] |= 1u << thread % 32;
  warps_runnable |= 1u << thread / 32;
}

void clear_runnable(unsigned thread)
{
  runnable[thread / 32] &= ~(1u << thread % 32);
  if (runnable[thread / 32] == 0)
    warps_runnable &= ~(1u << thread / 32);
}

/* The thread to go on with after `thread`: of its warp if one can run; n_threads if none can. */
unsigned next_thread(unsigned thread)
{
  unsigned warp = thread / 32;
  uint32_t lanes = runnable[warp];
  if (lanes == 0) {
    if (warps_runnable == 0)
      return n_threads;
    uint32_t later = warps_runnable & ~((2u << warp) - 1);
    warp = __builtin_ctz(later ? later : warps_runnable);
    return warp * 32 + __builtin_ctz(runnable[warp]);
  }
  uint32_t later = lanes & ~((2u << thread % 32) - 1);
  return warp * 32 + __builtin_ctz(later ? later : lanes);
}

void become(unsigned thread)
{
  present.thread = thread;
  present.warp = thread / 32;
  position = positions[thread];
}

[[noreturn]] void fiber_main();

ucontext_t starting_context;

Fiber *take_fiber()
{
  if (!free_fibers.empty()) {
    Fiber *fiber = free_fibers.back();
    free_fibers.pop_back();
    return fiber;
  }
  return &fibers[n_fibers++];
}

/* Leaves the running fiber, whose context is saved, for that of `thread`. */
[[noreturn]] void go_to(unsigned thread)
{
  Thread *next = &threads[thread];
  if (!next->fiber) {
    next->fiber = take_fiber();
    next->fiber->thread = thread;
  }
  become(thread);
  if (next->fiber->has_begun)
    _longjmp(next->fiber->context, 1);
  next->fiber->has_begun = true;
  getcontext(&starting_context);
  starting_context.uc_stack.ss_sp =
      reinterpret_cast<char *>(stacks.base) + (next->fiber - fibers) * stack_bytes;
  starting_context.uc_stack.ss_size = stack_bytes;
  starting_context.uc_link = nullptr;
  makecontext(&starting_context, fiber_main, 0);
  setcontext(&starting_context);
  report(nullptr, "cannot start a fiber");
}

[[noreturn]] void report_stuck()
{
  unsigned stuck = 0;
  while (threads[stuck].waiting == ended || threads[stuck].waiting == runs)
    stuck++;
  const Thread &waits = threads[stuck];
  unsigned other = 0;
  become(stuck);
  if (waits.waiting == for_lanes) {
    uint32_t missing = missing_lanes(stuck);
    other = stuck / 32 * 32 + __builtin_ctz(missing);
  } else {
    while (threads[other].waiting == at_barrier)
      other++;
  }
  const char *what = waits.waiting == for_lanes ? "waits for lanes of its warp" : "waits at __syncthreads";
  if (other >= n_threads)
    report(nullptr, "%s (%s:%d), but its mask names lane %u, which the block does not have", what, waits.file,
           waits.line, other % 32);
  uint3 position_of_other = positions[other];
  if (threads[other].waiting == ended)
    report(nullptr, "%s (%s:%d), but thread (%u,%u,%u) has left the kernel", what, waits.file, waits.line,
           position_of_other.x, position_of_other.y, position_of_other.z);
  report(nullptr, "%s (%s:%d), but thread (%u,%u,%u) waits elsewhere (%s:%d)", what, waits.file, waits.line,
         position_of_other.x, position_of_other.y, position_of_other.z, threads[other].file,
         threads[other].line);
}

[[noreturn]] void fiber_main()
{
  for (;;) {
    Fiber *self = threads[present.thread].fiber;
    unsigned thread = self->thread;
    threads[thread].waiting = runs;
    kernel_body(kernel_closure);
    threads[thread].waiting = ended;
    threads[thread].fiber = nullptr;
    n_ended++;
    clear_runnable(thread);
    if (n_ended == n_threads) {
      free_fibers.push_back(self);
      if (!_setjmp(self->context))
        _longjmp(host_context, 1);
      continue;
    }
    unsigned next = next_thread(thread);
    if (next == n_threads)
      report_stuck();
    if (threads[next].fiber) {
      free_fibers.push_back(self);
      if (!_setjmp(self->context))
        go_to(next);
    } else {
      threads[next].fiber = self;
      self->thread = next;
      become(next);
    }
  }
}

/* Lets the others run until this thread is runnable again. */
void wait(const char *file, int line, Waiting waiting)
{
  unsigned thread = present.thread;
  Thread *self = &threads[thread];
  self->waiting = waiting;
  self->file = file;
  self->line = line;
  clear_runnable(thread);
  unsigned next = next_thread(thread);
  if (next == n_threads)
    report_stuck();
  if (!_setjmp(self->fiber->context))
    go_to(next);
}

int barrier(const char *file, int line, int value)
{
  barrier_sum += value;
  for (unsigned other = 0; n_at_barrier > 0 && other < n_threads; other++) {
    if (threads[other].waiting != at_barrier)
      continue;
    if (threads[other].line != line || strcmp(threads[other].file, file) != 0) {
      uint3 at = positions[other];
      report(__builtin_return_address(0),
             "divergent barrier: waits at __syncthreads (%s:%d) while thread (%u,%u,%u) waits at another "
             "(%s:%d)",
             file, line, at.x, at.y, at.z, threads[other].file, threads[other].line);
    }
    break;
  }
  if (++n_at_barrier < n_threads) {
    wait(file, line, at_barrier);
    return barrier_result;
  }
  for (unsigned i = 0; i < n_threads; i++) {
    threads[i].waiting = runs;
    set_runnable(i);
  }
  n_at_barrier = 0;
  barrier_result = barrier_sum;
  barrier_sum = 0;
  present.barrier = ++present.now;
  return barrier_result;
}

struct Storage {
  uintptr_t address;
  Space *space;
};

/* The thread-local storage of the object that has `address` in it. */
void find_static_shared(void *address)
{
  Space space = {};
  Storage storage = {reinterpret_cast<uintptr_t>(address), &space};
  dl_iterate_phdr(
      [](dl_phdr_info *object, size_t, void *data) {
        Storage *wanted = static_cast<Storage *>(data);
        uintptr_t start = reinterpret_cast<uintptr_t>(object->dlpi_tls_data);
        for (int i = 0; start && i < object->dlpi_phnum; i++)
          if (object->dlpi_phdr[i].p_type == PT_TLS &&
              wanted->address - start < object->dlpi_phdr[i].p_memsz) {
            wanted->space->base = start & ~uintptr_t{15};
            wanted->space->bytes = object->dlpi_phdr[i].p_memsz + (start & 15);
          }
        return wanted->space->bytes > 0 ? 1 : 0;
      },
      &storage);
  if (space.base == static_shared.base && space.bytes == static_shared.bytes)
    return;
  free(static_shared.cells);
  space.cells = static_cast<Cell *>(calloc(space.bytes / 4 + 4, sizeof(Cell)));
  static_shared = space;
}

void make_stacks()
{
  void *memory = mmap(nullptr, max_threads * stack_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  void *shared = nullptr;
  if (memory == MAP_FAILED || posix_memalign(&shared, 1024, dynamic_bytes) != 0)
    report(nullptr, "no memory for the threads of a block");
  stacks = {reinterpret_cast<uintptr_t>(memory), max_threads * stack_bytes, nullptr};
  dynamic_shared = {reinterpret_cast<uintptr_t>(shared), 0,
                    static_cast<Cell *>(calloc(dynamic_bytes / 4 + 4, sizeof(Cell)))};
}

void run_block()
{
  present.block_start = present.barrier = ++present.now;
  std::fill_n(present.warp_sync, 32, present.now);
  n_at_barrier = n_ended = 0;
  barrier_sum = 0;
  warps_runnable = 0;
  for (unsigned i = 0; i < n_threads; i++) {
    threads[i] = {};
    set_runnable(i);
  }
  forget_lanes();
  present.in_kernel = true;
  if (!_setjmp(host_context))
    go_to(0);
  present.in_kernel = false;
}
} // namespace

void run_grid(dim3 grid, dim3 block, size_t shared_bytes, void *(*anchor)(), void (*body)(const void *),
              const void *closure, size_t closure_bytes)
{
  if (!stacks.base)
    make_stacks();
  find_static_shared(anchor());
  dynamic_shared.bytes = shared_bytes;
  grid_size = grid;
  block_size = block;
  n_threads = block.x * block.y * block.z;
  kernel_body = body;
  kernel_closure = closure;
  kernel_arguments = {reinterpret_cast<uintptr_t>(closure), closure_bytes, nullptr};
  for (unsigned i = 0; i < n_threads; i++)
    positions[i] = {i % block.x, i / block.x % block.y, i / (block.x * block.y)};
  for (block_position.z = 0; block_position.z < grid.z; block_position.z++)
    for (block_position.y = 0; block_position.y < grid.y; block_position.y++)
      for (block_position.x = 0; block_position.x < grid.x; block_position.x++)
        run_block();
}

uint3 running_block()
{
  return block_position;
}

uint3 running_thread()
{
  return position;
}

uint3 thread_position(unsigned thread)
{
  return positions[thread];
}

unsigned block_threads()
{
  return n_threads;
}

void wait_for_lanes(const char *file, int line)
{
  wait(file, line, for_lanes);
}

void wake_lane(unsigned thread)
{
  threads[thread].waiting = runs;
  set_runnable(thread);
}
} // namespace cw_host

extern "C" {
uint3 cw_host_thread_index()
{
  return cw_host::position;
}

uint3 cw_host_block_index()
{
  return cw_host::block_position;
}

dim3 cw_host_block_size()
{
  return cw_host::block_size;
}

dim3 cw_host_grid_size()
{
  return cw_host::grid_size;
}

void *cw_host_dynamic_shared()
{
  return reinterpret_cast<void *>(cw_host::dynamic_shared.base);
}

int cw_host_barrier(const char *file, int line, int value)
{
  return cw_host::barrier(file, line, value);
}
}
