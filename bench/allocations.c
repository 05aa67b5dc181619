/* The C library's allocator, counted on the way. The functions below replace it in the whole program, GLib
 * included; one thread only. */
#include "allocations.h"

#include <errno.h>
#include <malloc.h>

static guint64 n_allocations;
static gint64 live_bytes;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *memory);

static void *count(void *memory)
{
  n_allocations++;
  live_bytes += (gint64)malloc_usable_size(memory);
  return memory;
}

void *malloc(size_t size)
{
  return count(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
  return count(__libc_calloc(n, size));
}

void *realloc(void *memory, size_t size)
{
  live_bytes -= (gint64)malloc_usable_size(memory);
  return count(__libc_realloc(memory, size));
}

void *memalign(size_t alignment, size_t size)
{
  return count(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
  return count(__libc_memalign(alignment, size));
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
  *memory = count(__libc_memalign(alignment, size));
  return !*memory ? ENOMEM : 0;
}

void free(void *memory)
{
  live_bytes -= (gint64)malloc_usable_size(memory);
  __libc_free(memory);
}

guint64 bench_n_allocations(void)
{
  return n_allocations;
}

gint64 bench_live_bytes(void)
{
  return live_bytes;
}
