/* What the tests that run bert_cuda on the host share: the emulated plugin and bert_cpu side by side, models
 * made for the test, decisions with texts of given lengths, and how far apart two results are. */
#ifndef TEST_BERT_CUDA_BACKENDS_H
#define TEST_BERT_CUDA_BACKENDS_H

#include "core/plugin/handles.h"

/* The same policy in both backends. */
typedef struct {
  CwPolicy *cpu, *cuda;
  gpointer cpu_options, cuda_options;
} Backends;

/* Loads bert_cpu of the build tree and the bert_cuda of `emulated`, a file; fails the test if that does not
 * work. */
void backends_load(const char *emulated);
const CwRegisteredFeature *backends_feature(const char *name);
void backends_unload(void);

/* A model folder of that shape, without weights, with 64 words and 512 positions. Kept until backends_unload.
 */
const char *backends_model(guint hidden_size, guint n_heads, guint intermediate_size, guint n_layers);

/* One policy, or NULL with an error; *options is to be freed with backends_free_options. */
CwPolicy *backends_try(const char *plugin, const char *model, const char *precision, const char *more_yaml,
                       gpointer *options, GError **error);
void backends_free_options(const char *plugin, gpointer options);
/* Opens both with the options `more_yaml` (a flow mapping's inside) besides model, bert_cpu in f32, and gives
 * both the same weights, large enough that every gradient stands out from rounding. */
Backends backends_open(const char *model, const char *precision, const char *more_yaml);
void backends_close(Backends *backends);
void backends_spread_weights(CwPolicy *policy);

/* A decision: tokens of its state (CLS and SEP included), which one of that length, and its candidates'
 * tokens. Texts of one kind and length are equal if their numbers are. 0 ends the candidates. */
typedef struct {
  guint state_length, state_number;
  guint candidate_lengths[9];
} DecisionShape;

typedef struct {
  guint n, n_logits;
  const CwDecision **decisions;
  GPtrArray *memory;
} Decisions;

Decisions decisions_new(const DecisionShape *shapes, guint n);
void decisions_clear(Decisions *decisions);

/* n floats in [-1, 1] that `number` chooses. Free with g_free. */
float *backends_floats(gsize n, guint64 number);

/* forward and backward with gradients of the loss that `number` chooses. */
void backends_accumulate(CwPolicy *policy, const Decisions *decisions, guint64 number, float *logits,
                         float *values);

/* All tensors of a policy at one time. */
typedef struct {
  GPtrArray *names;
  GArray *sizes;                 /* gsize */
  GPtrArray *weights, *gradient; /* float arrays; gradient NULL where frozen */
} Snapshot;

Snapshot *snapshot_new(CwPolicy *policy);
void snapshot_free(Snapshot *snapshot);

/* Of the moving average that the policy saves; gradients are zero. */
Snapshot *snapshot_new_of_average(CwPolicy *policy);

/* The largest difference, as a share of the largest of `expected`. */
double backends_difference(const float *expected, const float *found, guint n);
/* The L2 norm of the difference of two tensors as a share of that of `expected`, for the tensor where it is
 * largest, whose index goes to *worst. A bias of keys is measured against that of queries: a constant added
 * to all keys cancels in the softmax, so that its gradient is rounding alone. */
double snapshot_gradient_difference(const Snapshot *expected, const Snapshot *found, guint *worst);
/* The same for how weights moved since `start`, without biases of keys: AdamW makes whole steps of their
 * rounding. */
double snapshot_movement_difference(const Snapshot *start, const Snapshot *expected, const Snapshot *found,
                                    guint *worst);

#endif
