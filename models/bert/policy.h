/* The BERT policy, on any device. A plugin fills its vtable with BERT_POLICY_SLOTS and an `open` of its own.
 */
#ifndef BERT_POLICY_H
#define BERT_POLICY_H

#include "models/bert/device.h"
#include "models/bert/score.h"

G_BEGIN_DECLS

typedef struct BertPolicy {
  const BertDevice *device;
  gpointer object; /* the device's */
  BertShared *shared;
  guint32 seed;
  gboolean trains, keeps_average;
  gint first_trained;
  BertDropouts dropouts; /* in training */
  guint64 n_steps;
  guint64 version; /* of the weights: changes when any of them may have */
  BertTextRules rules;
  BertTokenCache *cache;
  BertBatchBuilder *builder; /* of training batches */
  GArray *unwanted;          /* float: values that a caller of forward does not want */
  BertScore *score;
  char **description;
  CwNamedValue counters[BERT_MOST_COUNTERS];
} BertPolicy;

BertPolicy *bert_policy_open(const BertDevice *device, const BertOptions *options, guint32 seed,
                             GError **error);

/* The slots of CwPolicyVtable; `policy` is a BertPolicy. */
void bert_policy_close(gpointer policy);
const char *const *bert_policy_describe(gpointer policy);
gboolean bert_policy_score(gpointer policy, const CwDecision *const *decisions, guint n_decisions,
                           float *logits, float *values, GError **error);
gboolean bert_policy_forward(gpointer policy, const CwDecision *const *decisions, guint n_decisions,
                             const CwForward *how, float *logits, float *values, GError **error);
gboolean bert_policy_backward(gpointer policy, const float *d_logits, const float *d_values, GError **error);
gboolean bert_policy_step(gpointer policy, double learning_rate, double max_norm, double *gradient_norm,
                          GError **error);
gpointer bert_policy_clone_frozen(gpointer policy, GError **error);
gboolean bert_policy_save(gpointer policy, const char *directory, GError **error);
gboolean bert_policy_load(gpointer policy, const char *directory, GError **error);
guint bert_policy_count_tokens(gpointer policy, const CwDecision *decision);
gboolean bert_policy_visit_tensors(gpointer policy, CwTensorVisitor visitor, gpointer user_data,
                                   GError **error);
gboolean bert_policy_edit_tensors(gpointer policy, CwEdit edit, CwTensorEditor editor, gpointer user_data,
                                  GError **error);
void bert_policy_estimate_memory(gpointer policy, const CwDecision *const *decisions, guint n_decisions,
                                 CwMemoryEstimate *estimate);
const CwNamedValue *bert_policy_counters(gpointer policy, guint *n);

#define BERT_POLICY_SLOTS                                                                                    \
  .close = bert_policy_close, .describe = bert_policy_describe, .score = bert_policy_score,                  \
  .forward = bert_policy_forward, .backward = bert_policy_backward, .step = bert_policy_step,                \
  .clone_frozen = bert_policy_clone_frozen, .save = bert_policy_save, .load = bert_policy_load,              \
  .count_tokens = bert_policy_count_tokens, .visit_tensors = bert_policy_visit_tensors,                      \
  .edit_tensors = bert_policy_edit_tensors, .estimate_memory = bert_policy_estimate_memory

G_END_DECLS

#endif
