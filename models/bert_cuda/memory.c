/* Blocks of device memory: one of fixed size for weights and optimiser, and one each for training and scoring
 * that grow to the largest batch seen. What does not fit is said with the number of tokens that would. */
#include "models/bert/file.h"
#include "models/bert_cuda/object.h"
#include <math.h>

#define CUBLAS_WORKSPACE ((gsize)32 << 20)
#define MEBIBYTE         ((double)(1 << 20))

static void take_fixed(BertCuda *cuda, BertArena *arena)
{
  const BertLayout *layout = cuda->shared->layout;
  BertCudaOptimizer *optimizer = &cuda->optimizer;
  cuda->weights.block = bert_device_take(arena, float, layout->n_floats);
  cuda->weights.bf16 = cuda->context.bf16 ? bert_arena_take(arena, layout->n_floats, 2) : NULL;
  if (cuda->trains) {
    optimizer->gradient = bert_device_take(arena, float, layout->n_floats);
    optimizer->moment1 = bert_device_take(arena, float, layout->n_floats);
    optimizer->moment2 = bert_device_take(arena, float, layout->n_floats);
    optimizer->average =
        optimizer->rules.ema_decay > 0 ? bert_device_take(arena, float, layout->n_floats) : NULL;
    optimizer->pieces = bert_device_take(arena, BertPiece, optimizer->n_pieces + optimizer->n_rows);
    optimizer->sums = bert_device_take(arena, double, optimizer->n_pieces + optimizer->n_rows);
    optimizer->result = bert_device_take(arena, BertStepResult, 1);
  }
  void *workspace = bert_arena_take(arena, CUBLAS_WORKSPACE, 1);
  if (workspace && cuda->context.status == CUBLAS_STATUS_SUCCESS)
    cuda->context.status =
        cuda->context.cublas.set_workspace(cuda->context.handle, workspace, CUBLAS_WORKSPACE);
}

/* What this object may still take, besides what it has. */
static gboolean find_available(const BertCuda *cuda, gsize *available, GError **error)
{
  size_t free_memory = 0, total = 0;
  if (!bert_cuda_check(cudaMemGetInfo(&free_memory, &total), "asking for free memory", error))
    return FALSE;
  *available = free_memory;
  gsize taken = cuda->fixed.size + cuda->training.size + cuda->scoring.size;
  if (cuda->memory_limit > 0)
    *available = MIN(*available, cuda->memory_limit > taken ? cuda->memory_limit - taken : 0);
  return TRUE;
}

gboolean bert_cuda_clear(BertCuda *cuda, float *block, GError **error)
{
  return bert_cuda_check(
      cudaMemsetAsync(block, 0, cuda->shared->layout->n_floats * sizeof(float), cuda->context.stream),
      "clearing a block", error);
}

gboolean bert_cuda_take_fixed(BertCuda *cuda, GError **error)
{
  BertArena measure = {0};
  gsize available = 0;
  take_fixed(cuda, &measure);
  if (!find_available(cuda, &available, error))
    return FALSE;
  void *memory = NULL;
  if (measure.used > available || cudaMalloc(&memory, measure.used) != cudaSuccess) {
    (void)cudaGetLastError();
    return bert_fail(
        error, CW_ERROR_FAILED,
        "weights%s of %s need %.0f MiB of device memory, and %.0f MiB are there%s; use a device with more, a "
        "smaller model or bert_cpu",
        cuda->trains ? ", gradients and optimiser" : "", cuda->shared->model, (double)measure.used / MEBIBYTE,
        (double)available / MEBIBYTE, cuda->memory_limit > 0 ? " ('memory' limits it)" : "");
  }
  cuda->fixed = (BertArena){.base = memory, .size = measure.used};
  take_fixed(cuda, &cuda->fixed);
  return !cuda->trains || (bert_cuda_clear(cuda, cuda->optimizer.gradient, error) &&
                           bert_cuda_clear(cuda, cuda->optimizer.moment1, error) &&
                           bert_cuda_clear(cuda, cuda->optimizer.moment2, error));
}

gsize bert_cuda_bytes_per_token(const BertCuda *cuda)
{
  const BertConfig *config = &cuda->shared->layout->config;
  gsize h = config->hidden_size, f = config->intermediate_size, width = cuda->context.bf16 ? 2 : 4;
  gsize kept = (8 * h + f) * width + (config->n_heads + 4) * sizeof(float);
  gsize once = (10 * h + 2 * f) * width + (2 * h + 4) * sizeof(float) + (3 * h + f) / 32 * sizeof(float) + 32;
  return kept * config->n_layers + once;
}

static gboolean give_back(BertCuda *cuda, BertArena *work, GError **error)
{
  if (work->base) {
    if (!bert_context_wait(&cuda->context, "making room", error))
      return FALSE;
    (void)cudaFree(work->base);
  }
  *work = (BertArena){0};
  return TRUE;
}

gboolean bert_cuda_take_work(BertCuda *cuda, BertArena *work, gsize size, guint n_rows, GError **error)
{
  work->used = 0;
  if (size <= work->size)
    return TRUE;
  gsize available = 0;
  if (!give_back(cuda, work, error) || !find_available(cuda, &available, error))
    return FALSE;
  /* Nothing lives in the other one between two scores. */
  if (size > available && work == &cuda->training &&
      (!give_back(cuda, &cuda->scoring, error) || !find_available(cuda, &available, error)))
    return FALSE;
  gsize wanted = MAX(size, MIN(size + size / 8, available));
  void *memory = NULL;
  gboolean taken = size <= available && cudaMalloc(&memory, wanted) == cudaSuccess;
  if (!taken && size <= available) {
    (void)cudaGetLastError();
    wanted = size;
    taken = cudaMalloc(&memory, wanted) == cudaSuccess;
  }
  if (!taken) {
    (void)cudaGetLastError();
    return bert_fail(
        error, CW_ERROR_FAILED,
        "a batch of %u tokens needs %.0f MiB of device memory besides %.0f MiB for weights%s, and %.0f MiB "
        "are "
        "there%s, enough for about %.0f tokens like these; use %s%s or shorter texts (max_state_tokens)",
        n_rows, (double)size / MEBIBYTE, (double)cuda->fixed.size / MEBIBYTE,
        cuda->trains ? " and optimiser" : "", (double)available / MEBIBYTE,
        cuda->memory_limit > 0 ? " ('memory' limits it)" : "",
        floor((double)n_rows * ((double)available / (double)size)),
        work == &cuda->training ? "smaller batches" : "a smaller score_batch_tokens",
        cuda->context.bf16 ? "" : ", 'precision: bf16'");
  }
  *work = (BertArena){.base = memory, .size = wanted};
  return TRUE;
}

gboolean bert_cuda_take_results(BertCuda *cuda, gsize n, GError **error)
{
  if (n <= cuda->n_results)
    return TRUE;
  if (cuda->results) {
    if (!bert_context_wait(&cuda->context, "making room", error)) /* gradients may still be on their way */
      return FALSE;
    (void)cudaFreeHost(cuda->results);
  }
  cuda->results = NULL;
  cuda->n_results = 0;
  void *pinned = NULL;
  if (!bert_cuda_check(cudaMallocHost(&pinned, (n + n / 4) * sizeof(float)), "taking pinned memory", error))
    return FALSE;
  cuda->results = pinned;
  cuda->n_results = n + n / 4;
  return TRUE;
}

void bert_cuda_free_memory(BertCuda *cuda)
{
  if (cuda->context.stream)
    (void)cudaStreamSynchronize(cuda->context.stream);
  if (cuda->fixed.base)
    (void)cudaFree(cuda->fixed.base);
  if (cuda->training.base)
    (void)cudaFree(cuda->training.base);
  if (cuda->scoring.base)
    (void)cudaFree(cuda->scoring.base);
  if (cuda->results)
    (void)cudaFreeHost(cuda->results);
  if (cuda->optimizer.outcome)
    (void)cudaFreeHost(cuda->optimizer.outcome);
  if (cuda->optimizer.rows)
    (void)cudaFreeHost(cuda->optimizer.rows);
}

gboolean bert_cuda_fetch(BertCuda *cuda, const float *from, float *to, GError **error)
{
  return bert_cuda_check(cudaMemcpyAsync(to, from, cuda->shared->layout->n_floats * sizeof(float),
                                         cudaMemcpyDeviceToHost, cuda->context.stream),
                         "fetching a block", error) &&
         bert_context_wait(&cuda->context, "fetching a block", error);
}

gboolean bert_cuda_send(BertCuda *cuda, const float *from, float *to, GError **error)
{
  return bert_cuda_check(cudaMemcpyAsync(to, from, cuda->shared->layout->n_floats * sizeof(float),
                                         cudaMemcpyHostToDevice, cuda->context.stream),
                         "sending a block", error) &&
         bert_context_wait(&cuda->context, "sending a block", error);
}

gboolean bert_cuda_refresh(BertCuda *cuda, GError **error)
{
  if (!cuda->weights.bf16)
    return TRUE;
  gsize n = cuda->shared->layout->n_floats / 8 * 8; /* the rest is in the head, which is computed in float */
  bert_from_floats(cuda->context.stream, TRUE, n, cuda->weights.block, cuda->weights.bf16);
  return bert_context_check(&cuda->context, "rounding the weights", error);
}
