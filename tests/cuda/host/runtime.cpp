/* The device's properties, memory, copies and fills. */
#include "memory.h"
#include "operations.h"
#include "pinned.h"
#include "report.h"
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>

using namespace cw_host;

namespace cw_host
{
static std::map<const void *, size_t> shared_limits;
constexpr size_t default_shared = 48 * 1024,
                 most_shared = 99 * 1024; /* as sm_86, the least of those with bf16 */

bool allows_shared(const void *kernel, size_t bytes)
{
  auto found = shared_limits.find(kernel);
  return bytes <= (found == shared_limits.end() ? default_shared : std::max(found->second, default_shared));
}

static size_t device_memory()
{
  const char *bytes = getenv("CW_HOST_DEVICE_MEMORY");
  return bytes ? strtoull(bytes, nullptr, 10) : size_t{8} << 30;
}

static bool has_device()
{
  return !getenv("CW_HOST_NO_DEVICE");
}

/* What is left at the end of the process, when $CW_HOST_LEAKS is set. */
static void report_leaks()
{
  if (device_allocations() > 0)
    report(nullptr, "%zu device allocations of %zu bytes were not freed", device_allocations(),
           device_used());
}
} // namespace cw_host

extern "C" {
cudaError_t cudaGetDeviceCount(int *count)
{
  *count = has_device() ? 1 : 0;
  return has_device() ? cudaSuccess : set_error(cudaErrorNoDevice);
}

cudaError_t cudaSetDevice(int device)
{
  return has_device() && device == 0 ? cudaSuccess : set_error(cudaErrorInvalidDevice);
}

cudaError_t cudaGetDevice(int *device)
{
  *device = 0;
  return has_device() ? cudaSuccess : set_error(cudaErrorNoDevice);
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *properties, int device)
{
  if (!has_device() || device != 0)
    return set_error(cudaErrorInvalidDevice);
  *properties = {};
  snprintf(properties->name, sizeof properties->name, "host emulation");
  properties->totalGlobalMem = device_memory();
  properties->sharedMemPerBlock = default_shared;
  properties->sharedMemPerBlockOptin = most_shared;
  properties->major = 8;
  properties->minor = 6;
  properties->multiProcessorCount = 2;
  properties->warpSize = 32;
  properties->maxThreadsPerBlock = 1024;
  properties->memoryBusWidth = 64;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int device)
{
  struct cudaDeviceProp properties;
  cudaError_t error = cudaGetDeviceProperties(&properties, device);
  if (error != cudaSuccess)
    return error;
  switch (attribute) {
  case cudaDevAttrMaxSharedMemoryPerBlock:
    *value = static_cast<int>(properties.sharedMemPerBlock);
    return cudaSuccess;
  case cudaDevAttrMaxSharedMemoryPerBlockOptin:
    *value = static_cast<int>(properties.sharedMemPerBlockOptin);
    return cudaSuccess;
  case cudaDevAttrMultiProcessorCount:
    *value = properties.multiProcessorCount;
    return cudaSuccess;
  case cudaDevAttrComputeCapabilityMajor:
    *value = properties.major;
    return cudaSuccess;
  case cudaDevAttrComputeCapabilityMinor:
    *value = properties.minor;
    return cudaSuccess;
  case cudaDevAttrGlobalMemoryBusWidth:
    *value = properties.memoryBusWidth;
    return cudaSuccess;
  case cudaDevAttrClockRate:
  case cudaDevAttrMemoryClockRate:
    *value = 1000000;
    return cudaSuccess;
  }
  return set_error(cudaErrorInvalidValue);
}

cudaError_t cudaDriverGetVersion(int *version)
{
  *version = has_device() ? 12000 : 0;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version)
{
  *version = 12000;
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total_bytes)
{
  *total_bytes = device_memory();
  *free_bytes = *total_bytes - std::min(*total_bytes, device_used());
  return cudaSuccess;
}

const char *cudaGetErrorName(cudaError_t error)
{
  switch (error) {
  case cudaSuccess:
    return "cudaSuccess";
  case cudaErrorInvalidValue:
    return "cudaErrorInvalidValue";
  case cudaErrorMemoryAllocation:
    return "cudaErrorMemoryAllocation";
  case cudaErrorInvalidConfiguration:
    return "cudaErrorInvalidConfiguration";
  case cudaErrorInsufficientDriver:
    return "cudaErrorInsufficientDriver";
  case cudaErrorInvalidDeviceFunction:
    return "cudaErrorInvalidDeviceFunction";
  case cudaErrorNoDevice:
    return "cudaErrorNoDevice";
  case cudaErrorInvalidDevice:
    return "cudaErrorInvalidDevice";
  case cudaErrorInvalidResourceHandle:
    return "cudaErrorInvalidResourceHandle";
  case cudaErrorNotReady:
    return "cudaErrorNotReady";
  }
  return "cudaErrorUnknown";
}

const char *cudaGetErrorString(cudaError_t error)
{
  switch (error) {
  case cudaErrorMemoryAllocation:
    return "out of memory";
  case cudaErrorNoDevice:
    return "no CUDA-capable device is detected";
  case cudaErrorInvalidConfiguration:
    return "invalid configuration argument";
  case cudaErrorInvalidValue:
    return "invalid argument";
  default:
    return cudaGetErrorName(error);
  }
}

cudaError_t cudaMalloc(void **memory, size_t bytes)
{
  static bool watches;
  if (!watches && getenv("CW_HOST_LEAKS"))
    atexit(report_leaks);
  watches = true;
  *memory = nullptr;
  if (!has_device())
    return set_error(cudaErrorNoDevice);
  if (bytes > device_memory() || device_used() > device_memory() - bytes)
    return set_error(cudaErrorMemoryAllocation);
  *memory = device_allocate(bytes);
  watch_host();
  return *memory ? cudaSuccess : set_error(cudaErrorMemoryAllocation);
}

/* Waits for the whole device, as CUDA's does. */
cudaError_t cudaFree(void *memory)
{
  run_everything();
  if (memory && !device_release(memory))
    report(nullptr, "cudaFree of what is no allocation, or no longer one");
  return cudaSuccess;
}

cudaError_t cudaMallocHost(void **memory, size_t bytes)
{
  *memory = has_device() ? pinned_allocate(bytes) : nullptr;
  return *memory ? cudaSuccess : set_error(has_device() ? cudaErrorMemoryAllocation : cudaErrorNoDevice);
}

cudaError_t cudaFreeHost(void *memory)
{
  run_everything();
  if (memory && !pinned_release(memory))
    report(nullptr, "cudaFreeHost of what is no pinned allocation, or no longer one");
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind,
                            cudaStream_t stream)
{
  bool to_device = is_device(to), from_device = is_device(from);
  if (bytes == 0)
    return cudaSuccess;
  if (kind != cudaMemcpyDefault &&
      (to_device != (kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice) ||
       from_device != (kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice)))
    report(nullptr, "copy from %s to %s memory with kind %d", from_device ? "device" : "host",
           to_device ? "device" : "host", kind);
  if (to_device && from_device) {
    enqueue(stream, "copy on the device", [=] {
      check_bulk_read(from, bytes, "source");
      check_bulk_write(to, bytes, "destination");
      std::memmove(to, from, bytes);
    });
  } else if (to_device && is_pinned(from, bytes)) {
    enqueue(stream, "copy to the device",
            [=] {
              check_bulk_write(to, bytes, "destination");
              std::memcpy(to, from, bytes);
            },
            {from, bytes, false});
  } else if (to_device) {
    /* From pageable memory CUDA copies to a place of its own before it returns. */
    std::shared_ptr<char[]> kept(new char[bytes]);
    std::memcpy(kept.get(), from, bytes);
    enqueue(stream, "copy to the device", [=] {
      check_bulk_write(to, bytes, "destination");
      std::memcpy(to, kept.get(), bytes);
    });
  } else if (from_device) {
    bool pinned = is_pinned(to, bytes);
    enqueue(
        stream, "copy to the host",
        [=] {
          check_bulk_read(from, bytes, "source");
          std::memcpy(to, from, bytes);
        },
        pinned ? HostRange{to, bytes, true} : HostRange{});
    if (!pinned)
      return cudaStreamSynchronize(stream);
  } else {
    std::memmove(to, from, bytes);
  }
  return cudaSuccess;
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind)
{
  cudaMemcpyAsync(to, from, bytes, kind, nullptr);
  return cudaStreamSynchronize(nullptr);
}

cudaError_t cudaMemsetAsync(void *memory, int value, size_t bytes, cudaStream_t stream)
{
  if (bytes > 0)
    enqueue(stream, "fill", [=] {
      check_bulk_write(memory, bytes, "destination");
      std::memset(memory, value, bytes);
    });
  return cudaSuccess;
}

cudaError_t cudaMemset(void *memory, int value, size_t bytes)
{
  return cudaMemsetAsync(memory, value, bytes, nullptr);
}

cudaError_t cudaFuncSetAttribute(const void *kernel, enum cudaFuncAttribute attribute, int value)
{
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 || size_t(value) > most_shared)
    return set_error(cudaErrorInvalidValue);
  shared_limits[kernel] = size_t(value);
  return cudaSuccess;
}

/* Operations that use what the memory was before may still be waiting; what is enqueued from now on comes
 * after them if it is in their stream, which is checked. */
void cw_host_mark(void *memory, size_t bytes, size_t guard, const char *name)
{
  run_pending();
  device_mark(memory, bytes, guard, name);
}

void cw_host_check_alignment(const void *pointer, size_t bytes)
{
  if (present.in_kernel && reinterpret_cast<uintptr_t>(pointer) % bytes)
    report(__builtin_return_address(0),
           "misaligned: touches %zu bytes at an address that is no multiple of them, at %s", bytes,
           is_device(pointer) ? device_describe(reinterpret_cast<uintptr_t>(pointer)) : "shared memory");
}
}
