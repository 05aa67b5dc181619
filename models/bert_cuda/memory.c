/* Blocks of device memory: one of fixed size for weights and optimiser, and one each for training and scoring
 * that grow to the largest batch seen. What does not fit is said with the number of tokens that would. */
#include "models/bert_cuda/policy.h"
#include <math.h>

#define CUBLAS_WORKSPACE ((gsize)32 << 20)
#define MEBIBYTE         ((double)(1 << 20))

static void take_fixed(BertCuda *policy, BertArena *arena)
{
  const BertLayout *layout = policy->shared->layout;
  BertCudaOptimizer *optimizer = &policy->optimizer;
  policy->weights.block = bert_device_take(arena, float, layout->n_floats);
  policy->weights.bf16 = policy->context.bf16 ? bert_arena_take(arena, layout->n_floats, 2) : NULL;
  if (policy->trains) {
    optimizer->gradient = bert_device_take(arena, float, layout->n_floats);
    optimizer->moment1 = bert_device_take(arena, float, layout->n_floats);
    optimizer->moment2 = bert_device_take(arena, float, layout->n_floats);
    optimizer->average = optimizer->ema_decay > 0 ? bert_device_take(arena, float, layout->n_floats) : NULL;
    optimizer->pieces = bert_device_take(arena, BertPiece, optimizer->n_pieces + optimizer->n_rows);
    optimizer->sums = bert_device_take(arena, double, optimizer->n_pieces + optimizer->n_rows);
    optimizer->result = bert_device_take(arena, BertStepResult, 1);
  }
  void *workspace = bert_arena_take(arena, CUBLAS_WORKSPACE, 1);
  if (workspace && policy->context.status == CUBLAS_STATUS_SUCCESS)
    policy->context.status =
        policy->context.cublas.set_workspace(policy->context.handle, workspace, CUBLAS_WORKSPACE);
}

/* What this object may still take, besides what it has. */
static gboolean find_available(const BertCuda *policy, gsize *available, GError **error)
{
  size_t free_memory = 0, total = 0;
  if (!bert_cuda_check(cudaMemGetInfo(&free_memory, &total), "asking for free memory", error))
    return FALSE;
  *available = free_memory;
  gsize taken = policy->fixed.size + policy->training.size + policy->scoring.size;
  if (policy->memory_limit > 0)
    *available = MIN(*available, policy->memory_limit > taken ? policy->memory_limit - taken : 0);
  return TRUE;
}

gboolean bert_cuda_clear(BertCuda *policy, float *block, GError **error)
{
  return bert_cuda_check(
      cudaMemsetAsync(block, 0, policy->shared->layout->n_floats * sizeof(float), policy->context.stream),
      "clearing a block", error);
}

gboolean bert_cuda_take_fixed(BertCuda *policy, GError **error)
{
  BertArena measure = {0};
  gsize available = 0;
  take_fixed(policy, &measure);
  if (!find_available(policy, &available, error))
    return FALSE;
  void *memory = NULL;
  if (measure.used > available || cudaMalloc(&memory, measure.used) != cudaSuccess) {
    (void)cudaGetLastError();
    g_set_error(
        error, CW_POLICY_ERROR, CW_ERROR_FAILED,
        "weights%s of %s need %.0f MiB of device memory, and %.0f MiB are there%s; use a device with more, a "
        "smaller model or bert_cpu",
        policy->trains ? ", gradients and optimiser" : "", policy->shared->model,
        (double)measure.used / MEBIBYTE, (double)available / MEBIBYTE,
        policy->memory_limit > 0 ? " ('memory' limits it)" : "");
    return FALSE;
  }
  policy->fixed = (BertArena){.base = memory, .size = measure.used};
  take_fixed(policy, &policy->fixed);
  return !policy->trains || (bert_cuda_clear(policy, policy->optimizer.gradient, error) &&
                             bert_cuda_clear(policy, policy->optimizer.moment1, error) &&
                             bert_cuda_clear(policy, policy->optimizer.moment2, error));
}

gsize bert_cuda_bytes_per_token(const BertCuda *policy)
{
  const BertConfig *config = &policy->shared->layout->config;
  gsize h = config->hidden_size, f = config->intermediate_size, width = policy->context.bf16 ? 2 : 4;
  gsize kept = (8 * h + f) * width + (config->n_heads + 4) * sizeof(float);
  gsize once = (10 * h + 2 * f) * width + (2 * h + 4) * sizeof(float) + (3 * h + f) / 32 * sizeof(float) + 32;
  return kept * config->n_layers + once;
}

static gboolean give_back(BertCuda *policy, BertArena *work, GError **error)
{
  if (work->base) {
    if (!bert_context_wait(&policy->context, "making room", error))
      return FALSE;
    (void)cudaFree(work->base);
  }
  *work = (BertArena){0};
  return TRUE;
}

gboolean bert_cuda_take_work(BertCuda *policy, BertArena *work, gsize size, guint n_rows, GError **error)
{
  work->used = 0;
  if (size <= work->size)
    return TRUE;
  gsize available = 0;
  if (!give_back(policy, work, error) || !find_available(policy, &available, error))
    return FALSE;
  /* Nothing lives in the other one between two scores. */
  if (size > available && work == &policy->training &&
      (!give_back(policy, &policy->scoring, error) || !find_available(policy, &available, error)))
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
    g_set_error(
        error, CW_POLICY_ERROR, CW_ERROR_FAILED,
        "a batch of %u tokens needs %.0f MiB of device memory besides %.0f MiB for weights%s, and %.0f MiB "
        "are "
        "there%s, enough for about %.0f tokens like these; use %s%s or shorter texts (max_state_tokens)",
        n_rows, (double)size / MEBIBYTE, (double)policy->fixed.size / MEBIBYTE,
        policy->trains ? " and optimiser" : "", (double)available / MEBIBYTE,
        policy->memory_limit > 0 ? " ('memory' limits it)" : "",
        floor((double)n_rows * ((double)available / (double)size)),
        work == &policy->training ? "smaller batches" : "a smaller score_batch_tokens",
        policy->context.bf16 ? "" : ", 'precision: bf16'");
    return FALSE;
  }
  *work = (BertArena){.base = memory, .size = wanted};
  return TRUE;
}

gboolean bert_cuda_take_results(BertCuda *policy, gsize n, GError **error)
{
  if (n <= policy->n_results)
    return TRUE;
  if (policy->results) {
    if (!bert_context_wait(&policy->context, "making room", error)) /* gradients may still be on their way */
      return FALSE;
    (void)cudaFreeHost(policy->results);
  }
  policy->results = NULL;
  policy->n_results = 0;
  void *pinned = NULL;
  if (!bert_cuda_check(cudaMallocHost(&pinned, (n + n / 4) * sizeof(float)), "taking pinned memory", error))
    return FALSE;
  policy->results = pinned;
  policy->n_results = n + n / 4;
  return TRUE;
}

void bert_cuda_free_memory(BertCuda *policy)
{
  if (policy->context.stream)
    (void)cudaStreamSynchronize(policy->context.stream);
  if (policy->fixed.base)
    (void)cudaFree(policy->fixed.base);
  if (policy->training.base)
    (void)cudaFree(policy->training.base);
  if (policy->scoring.base)
    (void)cudaFree(policy->scoring.base);
  if (policy->results)
    (void)cudaFreeHost(policy->results);
  if (policy->optimizer.outcome)
    (void)cudaFreeHost(policy->optimizer.outcome);
  if (policy->optimizer.rows)
    (void)cudaFreeHost(policy->optimizer.rows);
}

gboolean bert_cuda_fetch(BertCuda *policy, const float *from, float *to, GError **error)
{
  return bert_cuda_check(cudaMemcpyAsync(to, from, policy->shared->layout->n_floats * sizeof(float),
                                         cudaMemcpyDeviceToHost, policy->context.stream),
                         "fetching a block", error) &&
         bert_context_wait(&policy->context, "fetching a block", error);
}

gboolean bert_cuda_send(BertCuda *policy, const float *from, float *to, GError **error)
{
  return bert_cuda_check(cudaMemcpyAsync(to, from, policy->shared->layout->n_floats * sizeof(float),
                                         cudaMemcpyHostToDevice, policy->context.stream),
                         "sending a block", error) &&
         bert_context_wait(&policy->context, "sending a block", error);
}

gboolean bert_cuda_refresh(BertCuda *policy, GError **error)
{
  if (!policy->weights.bf16)
    return TRUE;
  gsize n =
      policy->shared->layout->n_floats / 8 * 8; /* the rest is in the head, which is computed in float */
  bert_from_floats(policy->context.stream, TRUE, n, policy->weights.block, policy->weights.bf16);
  return bert_context_check(&policy->context, "rounding the weights", error);
}
