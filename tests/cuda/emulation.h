/* What the tests of the emulation share: launching, device memory with values, and running something that
 * must end in a report. */
#ifndef TEST_CUDA_EMULATION_H
#define TEST_CUDA_EMULATION_H

#include <cublas_v2.h>
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#include <vector>

#define LAUNCH(kernel, grid, block, ...) LAUNCH_IN(kernel, grid, block, 0, nullptr, __VA_ARGS__)
#define LAUNCH_IN(kernel, grid, block, shared, stream, ...)                                                  \
  cw_host_launch(#kernel, (kernel), (grid), (block), (shared), (stream), __VA_ARGS__)

/* n elements of device memory, without values. */
template <class T> T *device_new(size_t n)
{
  T *memory;
  cudaMalloc(&memory, n * sizeof(T));
  return memory;
}

/* A copy of `values` on the device. */
template <class T> T *device_copy(const std::vector<T> &values)
{
  T *memory = device_new<T>(values.size());
  cudaMemcpy(memory, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice);
  return memory;
}

template <class T> std::vector<T> host_copy(const T *memory, size_t n)
{
  std::vector<T> values(n);
  cudaMemcpy(values.data(), memory, n * sizeof(T), cudaMemcpyDeviceToHost);
  return values;
}

/* 0, 1, 2, ... */
std::vector<float> counting(size_t n);

/* Runs `run` in a process of its own, which must abort with a first line "cuda emulation: " and what matches
 * `pattern` ('*' and '?' as in file names); fails the test otherwise. */
void assert_reports(void (*run)(), const char *pattern);

#endif
