/* A bert_cpu policy object: what the vtable's slots work on. */
#ifndef BERT_CPU_POLICY_H
#define BERT_CPU_POLICY_H

#include "models/bert/model.h"
#include "models/bert_cpu/frozen.h"
#include "models/bert_cpu/network.h"
#include "models/bert_cpu/optimizer.h"

G_BEGIN_DECLS

typedef enum { BERT_PRECISION_F32, BERT_PRECISION_BF16, BERT_PRECISION_AUTO } BertPrecision;

typedef struct BertCpuOptions {
  union {
    struct {
      BERT_OPTION_MEMBERS
    };
    BertOptions bert;
  };
  gint64 threads, score_cache, frozen_cache;
  gint instruction_set, precision, recompute;
} BertCpuOptions;

/* What scoring keeps from call to call (score.c). */
typedef struct BertScore BertScore;

#define BERT_N_COUNTERS 11

typedef struct BertCpu {
  BertShared *shared;
  guint32 seed;
  gboolean trains;
  guint score_batch_tokens;
  BertDropout hidden_dropout, attention_dropout; /* in training */
  guint64 n_forwards;
  const BertKernels *kernels;
  BertPool *pool;
  BertParameters *weights;
  BertNetwork network;
  BertOptimizer *optimizer; /* NULL unless it trains */
  BertTextRules rules;
  BertTokenCache *cache;
  BertScore *score;
  BertFrozen *frozen;
  BertBatchBuilder *train_builder;
  BertWorkspace *train_workspace;
  BertPass pass; /* the last training forward */
  gboolean can_go_backward;
  double operations; /* of the matrix products of all passes so far */
  char **description;
  CwNamedValue counters[BERT_N_COUNTERS];
} BertCpu;

/* The slots (policy.c). */
BertCpu *bert_cpu_open(const BertCpuOptions *options, guint32 seed, GError **error);
void bert_cpu_close(BertCpu *policy);
gboolean bert_cpu_score(BertCpu *policy, const CwDecision *const *decisions, guint n_decisions, float *logits,
                        float *values, GError **error);
gboolean bert_cpu_forward(BertCpu *policy, const CwDecision *const *decisions, guint n_decisions,
                          float *logits, float *values, GError **error);
gboolean bert_cpu_backward(BertCpu *policy, const float *d_logits, const float *d_values, GError **error);
gboolean bert_cpu_step(BertCpu *policy, double learning_rate, double max_norm, double *gradient_norm,
                       GError **error);
BertCpu *bert_cpu_clone_frozen(BertCpu *policy, GError **error);
guint bert_cpu_count_tokens(BertCpu *policy, const CwDecision *decision);
/* Of a pass over these decisions, and of what stays between passes; caches are not counted. */
void bert_cpu_estimate_memory(BertCpu *policy, const CwDecision *const *decisions, guint n_decisions,
                              CwMemoryEstimate *estimate);
void bert_cpu_visit_tensors(BertCpu *policy, CwTensorVisitor visitor, gpointer user_data);

/* A logit or value that is not finite is an error; if a weight is to blame, the message names it. */
gboolean bert_cpu_check_finite(const BertCpu *policy, const char *what, const float *x, guint n,
                               GError **error);

/* score.c: keeps encodings of texts and results of decisions, `limit` bytes of them. */
BertScore *bert_score_new(gsize limit);
void bert_score_free(BertScore *score); /* accepts NULL */
gsize bert_score_limit(const BertScore *score);
/* Running totals since the policy was opened; BERT_N_COUNTERS of them, valid until the next call. */
const CwNamedValue *bert_cpu_counters(BertCpu *policy);

gboolean bert_cpu_save(BertCpu *policy, const char *directory, GError **error);
gboolean bert_cpu_load(BertCpu *policy, const char *directory, GError **error);

G_END_DECLS

#endif
