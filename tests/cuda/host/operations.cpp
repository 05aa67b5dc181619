/* Streams and events. Order is kept as vector clocks: each operation knows, for each stream, how many of its
 * operations are done before it begins; so does the host. */
#include "operations.h"
#include "fibers.h"
#include "memory.h"
#include "pinned.h"
#include "report.h"
#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <vector>

namespace cw_host
{
namespace
{
using Clock = std::vector<uint64_t>; /* by stream */

/* A place in a stream, and what is done when it is reached. */
struct Mark {
  CUstream_st *stream;
  uint64_t sequence;
  Clock clock;
};

struct Operation {
  const char *name;
  std::function<void()> run;
  HostRange range;
  uint64_t sequence;
  Clock clock;
  std::vector<Mark> waits;
};

struct Logged {
  uint64_t sequence, start;
  const char *name;
};
} // namespace
} // namespace cw_host

struct CUstream_st {
  size_t number;
  bool blocking, destroyed;
  uint64_t n_enqueued, n_done;
  cw_host::Clock clock;
  std::deque<cw_host::Operation> pending;
  std::vector<cw_host::Mark> waits; /* of the next operation */
  std::vector<cw_host::Logged> log;
};

struct CUevent_st {
  std::unique_ptr<cw_host::Mark> mark;
  uint64_t count; /* operations enqueued anywhere before it was recorded */
};

namespace cw_host
{
namespace
{
std::vector<std::unique_ptr<CUstream_st>> streams; /* the first is the default stream */
std::set<std::string> names;
Clock host_clock;
const Operation *running;
CUstream_st *running_stream;
unsigned depth;
uint64_t n_enqueued;
cudaError_t last_error = cudaSuccess;

uint64_t at(const Clock &clock, size_t stream)
{
  return stream < clock.size() ? clock[stream] : 0;
}

void merge(Clock *clock, const Clock &other)
{
  if (clock->size() < other.size())
    clock->resize(other.size());
  for (size_t i = 0; i < other.size(); i++)
    (*clock)[i] = std::max((*clock)[i], other[i]);
}

CUstream_st *make_stream(bool blocking)
{
  auto stream = std::make_unique<CUstream_st>();
  stream->number = streams.size();
  stream->blocking = blocking;
  streams.push_back(std::move(stream));
  return streams.back().get();
}

/* NULL means the default stream. */
CUstream_st *resolve(cudaStream_t stream)
{
  if (streams.empty())
    make_stream(true);
  if (!stream)
    return streams[0].get();
  for (const auto &known : streams)
    if (known.get() == stream && !known->destroyed)
      return stream;
  report(nullptr, "a stream that does not exist or was destroyed is used");
}

Mark mark_of(CUstream_st *stream)
{
  return {stream, stream->n_enqueued, stream->clock};
}

/* The start of the first operation that has run and is not ordered before `clock` of stream `number`. */
uint64_t first_unordered(const Clock &clock, size_t number)
{
  uint64_t first = UINT64_MAX;
  for (const auto &stream : streams) {
    uint64_t known = at(clock, stream->number);
    if (stream->number == number || stream->log.empty() || stream->log.back().sequence <= known)
      continue;
    auto found =
        std::upper_bound(stream->log.begin(), stream->log.end(), known,
                         [](uint64_t sequence, const Logged &logged) { return sequence < logged.sequence; });
    first = std::min(first, found->start);
  }
  return first;
}

void run_until(CUstream_st *stream, uint64_t sequence);

void execute(CUstream_st *stream, const Operation &operation)
{
  for (const Mark &mark : operation.waits)
    run_until(mark.stream, mark.sequence);
  uint64_t start = ++present.now;
  present.operation_start = present.block_start = present.barrier = start;
  present.thread = present.warp = 0;
  present.unordered_since = first_unordered(operation.clock, stream->number);
  running = &operation;
  running_stream = stream;
  if (operation.run)
    operation.run();
  running = nullptr;
  running_stream = nullptr;
  stream->log.push_back({operation.sequence, start, operation.name});
  stream->n_done = operation.sequence;
  if (operation.range.bytes > 0)
    pinned_end(operation.range);
}

void run_until(CUstream_st *stream, uint64_t sequence)
{
  if (stream->n_done >= sequence)
    return;
  if (depth++ == 0) {
    device_open();
    pinned_open();
  }
  while (!stream->pending.empty() && stream->pending.front().sequence <= sequence) {
    Operation operation = std::move(stream->pending.front());
    stream->pending.pop_front();
    execute(stream, operation);
  }
  if (--depth == 0) {
    pinned_close();
    device_close();
    watch_host();
  }
}

/* The host waits until a mark is reached. */
void reach(const Mark &mark)
{
  run_until(mark.stream, mark.sequence);
  merge(&host_clock, mark.clock);
}
} // namespace

void enqueue(cudaStream_t handle, const std::string &name, std::function<void()> run, HostRange range)
{
  CUstream_st *stream = resolve(handle);
  /* The default stream and blocking streams wait for each other. */
  if (stream->number == 0) {
    for (const auto &other : streams)
      if (other->number != 0 && other->blocking)
        stream->waits.push_back(mark_of(other.get()));
  } else if (stream->blocking && streams[0]->n_enqueued > 0) {
    stream->waits.push_back(mark_of(streams[0].get()));
  }
  for (const Mark &mark : stream->waits)
    merge(&stream->clock, mark.clock);
  merge(&stream->clock, host_clock);
  uint64_t sequence = ++stream->n_enqueued;
  n_enqueued++;
  stream->pending.push_back({names.insert(name).first->c_str(), std::move(run), range, sequence,
                             stream->clock, std::move(stream->waits)});
  stream->waits.clear();
  stream->clock.resize(std::max(stream->clock.size(), stream->number + 1));
  stream->clock[stream->number] = sequence;
  if (range.bytes > 0)
    pinned_begin(range);
}

void run_everything()
{
  for (size_t i = 0; i < streams.size(); i++)
    reach(mark_of(streams[i].get()));
}

void run_pending()
{
  for (size_t i = 0; i < streams.size(); i++)
    run_until(streams[i].get(), streams[i]->n_enqueued);
}

const char *running_operation()
{
  return running ? running->name : nullptr;
}

void check_stream_order(const void *site, const char *verb, const char *place, const char *did, uint64_t time)
{
  const CUstream_st *best_stream = nullptr;
  const Logged *best = nullptr;
  for (const auto &stream : streams) {
    auto next = std::upper_bound(stream->log.begin(), stream->log.end(), time,
                                 [](uint64_t wanted, const Logged &logged) { return wanted < logged.start; });
    if (next != stream->log.begin() && (!best || std::prev(next)->start > best->start)) {
      best = &*std::prev(next);
      best_stream = stream.get();
    }
  }
  if (!best || best_stream == running_stream || best->sequence <= at(running->clock, best_stream->number))
    return;
  report(site, "stream order: %s %s in stream %zu, which %s %s in stream %zu with no wait between", verb,
         place, running_stream->number, best->name, did, best_stream->number);
}

cudaError_t set_error(cudaError_t error)
{
  if (error != cudaSuccess)
    last_error = error;
  return error;
}

void launch(const char *name, const void *kernel, dim3 grid, dim3 block, size_t shared_bytes,
            cudaStream_t stream, void *(*anchor)(), void (*body)(const void *), const void *closure,
            size_t closure_bytes)
{
  size_t n_threads = size_t{block.x} * block.y * block.z;
  if (n_threads == 0 || n_threads > 1024 || block.z > 64 || grid.x == 0 || grid.y == 0 || grid.z == 0 ||
      grid.y > 65535 || grid.z > 65535) {
    set_error(cudaErrorInvalidConfiguration);
    return;
  }
  if (!allows_shared(kernel, shared_bytes)) {
    set_error(cudaErrorInvalidValue);
    return;
  }
  std::vector<char> kept(static_cast<const char *>(closure),
                         static_cast<const char *>(closure) + closure_bytes);
  enqueue(stream, std::string("kernel ") + name,
          [=] { run_grid(grid, block, shared_bytes, anchor, body, kept.data(), closure_bytes); });
}
} // namespace cw_host

using namespace cw_host;

extern "C" {
cudaError_t cudaGetLastError(void)
{
  cudaError_t error = last_error;
  last_error = cudaSuccess;
  return error;
}

cudaError_t cudaPeekAtLastError(void)
{
  return last_error;
}

cudaError_t cudaDeviceSynchronize(void)
{
  run_everything();
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags)
{
  resolve(nullptr);
  *stream = make_stream(!(flags & cudaStreamNonBlocking));
  return cudaSuccess;
}

cudaError_t cudaStreamCreate(cudaStream_t *stream)
{
  return cudaStreamCreateWithFlags(stream, cudaStreamDefault);
}

cudaError_t cudaStreamDestroy(cudaStream_t handle)
{
  CUstream_st *stream = resolve(handle);
  run_until(stream, stream->n_enqueued);
  stream->destroyed = true;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
  reach(mark_of(resolve(stream)));
  return cudaSuccess;
}

/* Nothing runs by itself here, so asking is waiting. */
cudaError_t cudaStreamQuery(cudaStream_t stream)
{
  return cudaStreamSynchronize(stream);
}

cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned)
{
  CUstream_st *stream = resolve(handle);
  if (event->mark)
    stream->waits.push_back(*event->mark);
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned)
{
  *event = new CUevent_st();
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t *event)
{
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
  event->mark = std::make_unique<Mark>(mark_of(resolve(stream)));
  event->count = n_enqueued;
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
  if (event->mark)
    reach(*event->mark);
  return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event)
{
  return cudaEventSynchronize(event);
}

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t start, cudaEvent_t end)
{
  *milliseconds = static_cast<float>(end->count - start->count);
  return cudaSuccess;
}
}
