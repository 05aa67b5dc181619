/* The report and its place. */
#include "report.h"
#include "fibers.h"
#include "memory.h"
#include "operations.h"
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>

namespace cw_host
{
/* Where `site` is, by the addr2line of the system. */
static void print_site(const void *site)
{
  Dl_info object;
  char command[1024], line[1024];
  if (!site || !dladdr(site, &object) || !object.dli_fname)
    return;
  size_t offset = static_cast<const char *>(site) - static_cast<const char *>(object.dli_fbase) - 1;
  snprintf(command, sizeof command, "addr2line -i -s -e '%s' 0x%zx 2>/dev/null", object.dli_fname, offset);
  FILE *pipe = popen(command, "r");
  while (pipe && fgets(line, sizeof line, pipe))
    fprintf(stderr, "cuda emulation:   at %s", line);
  if (pipe)
    pclose(pipe);
}

void report(const void *site, const char *format, ...)
{
  va_list arguments;
  bool in_kernel = present.in_kernel;
  present.in_kernel = false;
  fprintf(stderr, "cuda emulation: ");
  if (running_operation())
    fprintf(stderr, "%s", running_operation());
  if (in_kernel) {
    uint3 block = running_block(), thread = running_thread();
    fprintf(stderr, ", block (%u,%u,%u), thread (%u,%u,%u)", block.x, block.y, block.z, thread.x, thread.y,
            thread.z);
  }
  if (running_operation())
    fprintf(stderr, ": ");
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fprintf(stderr, "\n");
  print_site(site);
  fflush(nullptr);
  abort();
}
} // namespace cw_host
