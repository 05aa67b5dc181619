/* Work in streams: operations wait in their stream until something makes the host wait for them, so that a
 * host that forgets to wait sees old values. Each knows which operations of other streams are ordered before
 * it. */
#ifndef CW_HOST_OPERATIONS_H
#define CW_HOST_OPERATIONS_H

#include "cuda_runtime.h"
#include <cstdint>
#include <functional>
#include <string>

namespace cw_host
{
/* Host memory that an operation reads or writes when it runs. */
struct HostRange {
  const void *address;
  size_t bytes;
  bool written;
};

/* Puts an operation at the end of a stream; with a range of bytes 0 it touches no host memory. */
void enqueue(cudaStream_t stream, const std::string &name, std::function<void()> run, HostRange range = {});

/* Runs everything that was enqueued, in the order of the calls as far as streams leave it open. */
void run_everything();
/* The same for the device alone: the host has not waited, and may not use what operations give or take. */
void run_pending();

/* The name of the running operation, or NULL. */
const char *running_operation();

/* Called for an access to memory that another operation touched at `time`: a report unless that operation is
 * ordered before the running one. `did`: "read" or "wrote". */
void check_stream_order(const void *site, const char *verb, const char *place, const char *did,
                        uint64_t time);

/* Whether a kernel may have so much dynamic shared memory. */
bool allows_shared(const void *kernel, size_t bytes);

/* Sets the error that the next cudaGetLastError returns, and returns it. */
cudaError_t set_error(cudaError_t error);
} // namespace cw_host

#endif
