/* The CPU as a device of the BERT policy. */
#ifndef BERT_CPU_DEVICE_H
#define BERT_CPU_DEVICE_H

#include "models/bert/policy.h"
#include "models/bert_cpu/frozen.h"
#include "models/bert_cpu/network.h"
#include "models/bert_cpu/optimizer.h"
#include "models/bert_cpu/texts.h"

G_BEGIN_DECLS

typedef enum { BERT_PRECISION_F32, BERT_PRECISION_BF16, BERT_PRECISION_AUTO } BertPrecision;

typedef struct BertCpu {
  const BertKernels *kernels;
  BertPool *pool;
  gboolean bf16;
  const char *precision_reason; /* why, where the table of processors chose; else NULL */
  BertRecompute recompute;
  gsize frozen_limit; /* bytes */
  BertParameters *weights;
  BertNetwork network;
  BertOptimizer *optimizer; /* NULL in a frozen copy */
  BertTextMemory *texts;
  BertFrozen *frozen;
  BertWorkspace *workspace; /* of training */
  BertPass pass;            /* the last training forward */
  double operations;        /* of the matrix products of all passes so far */
} BertCpu;

extern const BertDevice bert_cpu_device;

G_END_DECLS

#endif
