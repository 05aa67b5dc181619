/* One object's device: its stream, cuBLAS and matrix products, and memory on both sides. Every CUDA failure
 * becomes a GError here. */
#ifndef BERT_CUDA_CONTEXT_H
#define BERT_CUDA_CONTEXT_H

#include "models/bert_cuda/device.h"
#include <glib.h>

G_BEGIN_DECLS

typedef enum {
  BERT_PRECISION_AUTO,
  BERT_PRECISION_F32,
  BERT_PRECISION_TF32,
  BERT_PRECISION_BF16
} BertPrecision;

/* The part of cuBLAS that is used, loaded when a policy is opened: the plugin is there without it. */
typedef struct BertCublas {
  cublasStatus_t (*create)(cublasHandle_t *handle);
  cublasStatus_t (*destroy)(cublasHandle_t handle);
  cublasStatus_t (*set_stream)(cublasHandle_t handle, cudaStream_t stream);
  cublasStatus_t (*set_workspace)(cublasHandle_t handle, void *workspace, size_t size);
  cublasStatus_t (*gemm)(cublasHandle_t handle, cublasOperation_t a_operation, cublasOperation_t b_operation,
                         int m, int n, int k, const void *alpha, const void *a, cudaDataType a_type,
                         int a_stride, const void *b, cudaDataType b_type, int b_stride, const void *beta,
                         void *c, cudaDataType c_type, int c_stride, cublasComputeType_t compute,
                         cublasGemmAlgo_t algorithm);
  const char *(*status_text)(cublasStatus_t status);
} BertCublas;

typedef struct BertContext {
  int device;
  char *name;              /* of the device */
  int major, minor;        /* compute capability */
  gsize total_memory;      /* bytes */
  BertPrecision precision; /* not AUTO */
  gboolean bf16;           /* the encoder's activations are bf16 */
  cudaStream_t stream;
  BertCublas cublas;
  cublasHandle_t handle;
  cublasStatus_t status; /* the first failure of a product since the last check */
} BertContext;

/* Why nothing can run on this machine, as a clause ("there is no NVIDIA driver ..."), or NULL. Free with
 * g_free. With `quick` the driver is not asked, only looked for. */
char *bert_context_problem(gboolean quick);

/* Fails with CW_ERROR_UNSUPPORTED and one sentence where the machine lacks something. */
gboolean bert_context_open(BertContext *context, int device, BertPrecision precision, GError **error);
void bert_context_close(BertContext *context); /* accepts a zeroed one */

/* Every entry from the host begins with it: makes the object's device the thread's. */
void bert_context_enter(const BertContext *context);

/* CW_POLICY_ERROR with the failed call's reason, unless status is success. */
gboolean bert_cuda_check(cudaError_t status, const char *what, GError **error);
/* Whether all launches and products since the last check were accepted. */
gboolean bert_context_check(BertContext *context, const char *what, GError **error);
/* The same, after waiting for them. */
gboolean bert_context_wait(BertContext *context, const char *what, GError **error);

/* A matrix on the device, row-major, rows `stride` elements apart. */
typedef struct BertMatrix {
  const void *data;
  gsize stride;
  gboolean transposed, bf16;
} BertMatrix;

static inline BertMatrix bert_matrix(const void *data, gsize stride, gboolean bf16)
{
  return (BertMatrix){data, stride, FALSE, bf16};
}

static inline BertMatrix bert_transpose(const void *data, gsize stride, gboolean bf16)
{
  return (BertMatrix){data, stride, TRUE, bf16};
}

/* c (m x n, rows c_stride apart) = a (m x k) b (k x n), or += with `accumulate`. a and b are of one type; c
 * is bf16 only if they are. Failures wait for the next check. */
void bert_gemm(BertContext *context, gsize m, gsize n, gsize k, BertMatrix a, BertMatrix b, void *c,
               gsize c_stride, gboolean c_bf16, gboolean accumulate);

/* Pieces of one block of device memory, each on a 256-byte boundary. Without a block (base NULL) it measures.
 */
typedef struct BertArena {
  char *base;
  gsize size, used;
} BertArena;

void *bert_arena_take(BertArena *arena, gsize n_items, gsize item_size);
#define bert_device_take(arena, type, n) ((type *)bert_arena_take((arena), (n), sizeof(type)))

G_END_DECLS

#endif
