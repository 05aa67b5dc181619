/* Finds what is missing before anything is opened, and says it in words: on a machine without driver, device
 * or cuBLAS the plugin still loads. A context owns its stream, its cuBLAS handle and its copy of the device's
 * name. */
#include "models/bert_cuda/context.h"
#include "models/bert/file.h"
#include <cartwright/error.h>
#include <gmodule.h>

#define ARENA_ALIGNMENT 256

#ifdef BERT_HOST_EMULATION

static gboolean load_cublas(BertCublas *cublas, char **problem G_GNUC_UNUSED)
{
  *cublas = (BertCublas){cublasCreate,       cublasDestroy, cublasSetStream,
                         cublasSetWorkspace, cublasGemmEx,  cublasGetStatusString};
  return TRUE;
}

static gboolean has_driver(void)
{
  return TRUE;
}

#else

#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)
/* The library's version is the toolkit's. */
#if CUDART_VERSION >= 13000
#define CUBLAS_FILE "libcublas.so.13"
#elif CUDART_VERSION >= 12000
#define CUBLAS_FILE "libcublas.so.12"
#else
#define CUBLAS_FILE "libcublas.so.11"
#endif

static gboolean load_cublas(BertCublas *cublas, char **problem)
{
  static const char *const places[] = {CUBLAS_FILE, BERT_CUDA_LIBRARIES "/" CUBLAS_FILE};
  GModule *module = NULL;
  for (guint i = 0; !module && i < G_N_ELEMENTS(places); i++)
    module = g_module_open(places[i], G_MODULE_BIND_LOCAL);
  if (!module) {
    *problem = g_strdup(CUBLAS_FILE " was not found (install cuBLAS, or name its folder in LD_LIBRARY_PATH)");
    return FALSE;
  }
  const struct {
    const char *name;
    gpointer *to;
  } symbols[] = {
      {"cublasCreate_v2", (gpointer *)&cublas->create},
      {"cublasDestroy_v2", (gpointer *)&cublas->destroy},
      {"cublasSetStream_v2", (gpointer *)&cublas->set_stream},
      {"cublasSetWorkspace_v2", (gpointer *)&cublas->set_workspace},
      {"cublasGemmEx", (gpointer *)&cublas->gemm},
      {"cublasGetStatusString", (gpointer *)&cublas->status_text},
  };
  for (guint i = 0; i < G_N_ELEMENTS(symbols); i++)
    if (!g_module_symbol(module, symbols[i].name, symbols[i].to)) {
      *problem = g_strdup_printf(CUBLAS_FILE " has no %s: it is older than the toolkit this was built with",
                                 symbols[i].name);
      g_module_close(module);
      return FALSE;
    }
  g_module_make_resident(module); /* for as long as the plugin, which is never unloaded */
  return TRUE;
}

static gboolean has_driver(void)
{
  GModule *module = g_module_open("libcuda.so.1", G_MODULE_BIND_LAZY | G_MODULE_BIND_LOCAL);
  if (module)
    g_module_close(module);
  return module != NULL;
}

#endif

char *bert_context_problem(gboolean quick)
{
  if (!has_driver())
    return g_strdup("there is no NVIDIA driver (libcuda.so.1 was not found)");
  if (quick)
    return NULL;
  int n_devices = 0;
  cudaError_t status = cudaGetDeviceCount(&n_devices);
  (void)cudaGetLastError();
  if (status == cudaErrorNoDevice || (status == cudaSuccess && n_devices == 0))
    return g_strdup("the NVIDIA driver sees no device");
  if (status == cudaErrorInsufficientDriver) {
    int driver = 0, runtime = 0;
    (void)cudaDriverGetVersion(&driver);
    (void)cudaRuntimeGetVersion(&runtime);
    return g_strdup_printf("the NVIDIA driver is for CUDA %d.%d, and CUDA %d.%d is needed", driver / 1000,
                           driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
  }
  if (status != cudaSuccess)
    return g_strdup_printf("the NVIDIA driver does not start: %s", cudaGetErrorString(status));
  return NULL;
}

gboolean bert_cuda_check(cudaError_t status, const char *what, GError **error)
{
  if (status == cudaSuccess)
    return TRUE;
  (void)cudaGetLastError(); /* remembers it until it is asked, and would blame the next pass */
  return bert_fail(error, CW_ERROR_FAILED, "CUDA failed in %s: %s", what, cudaGetErrorString(status));
}

/* What the device can do; `context` has its number. */
static gboolean look_at_device(BertContext *context, BertPrecision precision, GError **error)
{
  struct cudaDeviceProp properties;
  if (!bert_cuda_check(cudaSetDevice(context->device), "choosing the device", error) ||
      !bert_cuda_check(cudaGetDeviceProperties(&properties, context->device),
                       "asking for the device's properties", error))
    return FALSE;
  context->name = g_strdup(properties.name);
  context->major = properties.major;
  context->minor = properties.minor;
  context->total_memory = properties.totalGlobalMem;
  gboolean ampere = properties.major >= 8;
  if (precision == BERT_PRECISION_AUTO)
    precision = ampere ? BERT_PRECISION_TF32 : BERT_PRECISION_F32;
  if (precision != BERT_PRECISION_F32 && !ampere)
    return bert_fail(
        error, CW_ERROR_UNSUPPORTED,
        "'precision: %s' needs a device of compute capability 8.0 or more, and %s has %d.%d; use 'precision: "
        "f32'",
        precision == BERT_PRECISION_TF32 ? "tf32" : "bf16", context->name, context->major, context->minor);
  context->precision = precision;
  context->bf16 = precision == BERT_PRECISION_BF16;
  return TRUE;
}

gboolean bert_context_open(BertContext *context, int device, BertPrecision precision, GError **error)
{
  *context = (BertContext){.device = device};
  char *problem = bert_context_problem(FALSE);
  int n_devices = 0;
  if (!problem && cudaGetDeviceCount(&n_devices) == cudaSuccess && device >= n_devices)
    problem =
        g_strdup_printf("'device: %d' was asked for, and there are %d, numbered from 0", device, n_devices);
  if (!problem)
    (void)load_cublas(&context->cublas, &problem);
  if (problem) {
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_UNSUPPORTED,
                "bert_cuda cannot run here: %s; 'plugin: bert_cpu' takes the same options", problem);
    g_free(problem);
    return FALSE;
  }
  if (!look_at_device(context, precision, error) ||
      !bert_cuda_check(cudaStreamCreateWithFlags(&context->stream, cudaStreamNonBlocking), "making a stream",
                       error)) {
    bert_context_close(context);
    return FALSE;
  }
  context->status = context->cublas.create(&context->handle);
  if (context->status == CUBLAS_STATUS_SUCCESS)
    context->status = context->cublas.set_stream(context->handle, context->stream);
  if (!bert_context_check(context, "starting cuBLAS", error)) {
    bert_context_close(context);
    return FALSE;
  }
  return TRUE;
}

void bert_context_close(BertContext *context)
{
  if (context->handle)
    (void)context->cublas.destroy(context->handle);
  if (context->stream)
    (void)cudaStreamDestroy(context->stream);
  g_free(context->name);
  *context = (BertContext){0};
}

void bert_context_enter(const BertContext *context)
{
  (void)cudaSetDevice(context->device);
}

gboolean bert_context_check(BertContext *context, const char *what, GError **error)
{
  cublasStatus_t status = context->status;
  context->status = CUBLAS_STATUS_SUCCESS;
  if (status != CUBLAS_STATUS_SUCCESS)
    return bert_fail(error, CW_ERROR_FAILED, "cuBLAS failed in %s: %s", what,
                     context->cublas.status_text(status));
  return bert_cuda_check(cudaGetLastError(), what, error);
}

gboolean bert_context_wait(BertContext *context, const char *what, GError **error)
{
  return bert_context_check(context, what, error) &&
         bert_cuda_check(cudaStreamSynchronize(context->stream), what, error);
}

void bert_gemm(BertContext *context, gsize m, gsize n, gsize k, BertMatrix a, BertMatrix b, void *c,
               gsize c_stride, gboolean c_bf16, gboolean accumulate)
{
  /* cuBLAS is column-major: it sees every matrix transposed, and computes c^T = b^T a^T. */
  const float one = 1, factor = accumulate ? 1 : 0;
  cudaDataType type = a.bf16 ? CUDA_R_16BF : CUDA_R_32F;
  cublasComputeType_t compute =
      a.bf16 || context->precision == BERT_PRECISION_F32 ? CUBLAS_COMPUTE_32F : CUBLAS_COMPUTE_32F_FAST_TF32;
  cublasStatus_t status = context->cublas.gemm(
      context->handle, b.transposed ? CUBLAS_OP_T : CUBLAS_OP_N, a.transposed ? CUBLAS_OP_T : CUBLAS_OP_N,
      (int)n, (int)m, (int)k, &one, b.data, type, (int)b.stride, a.data, type, (int)a.stride, &factor, c,
      c_bf16 ? CUDA_R_16BF : CUDA_R_32F, (int)c_stride, compute, CUBLAS_GEMM_DEFAULT);
  if (context->status == CUBLAS_STATUS_SUCCESS)
    context->status = status;
}

#ifdef BERT_HOST_EMULATION
#define ARENA_GUARD ARENA_ALIGNMENT /* bytes between pieces that nobody may touch */
#else
#define ARENA_GUARD 0
#endif

void *bert_arena_take(BertArena *arena, gsize n_items, gsize item_size)
{
  gsize wanted = MAX(n_items, 1) * item_size;
  gsize size = (wanted + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
  void *piece = arena->base ? arena->base + arena->used : NULL;
  arena->used += size + ARENA_GUARD;
  g_assert(!arena->base || arena->used <= arena->size);
#ifdef BERT_HOST_EMULATION
  if (piece)
    cw_host_mark(piece, wanted, ARENA_GUARD, "arena");
#endif
  return piece;
}
