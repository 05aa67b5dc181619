/* How the emulation ends a run: the first thing found wrong is said on standard error, then the process
 * aborts, as a wrong access on a device ends the kernel. */
#ifndef CW_HOST_REPORT_H
#define CW_HOST_REPORT_H

namespace cw_host
{
/* Prints "cuda emulation: WHERE: MESSAGE" and aborts. WHERE is the operation that runs (kernel with block and
 * thread, copy, product) or nothing. `site` is an address of code in it, shown as file and line where
 * addr2line knows them; or NULL. */
[[noreturn]] void report(const void *site, const char *format, ...) __attribute__((format(printf, 2, 3)));
} // namespace cw_host

#endif
