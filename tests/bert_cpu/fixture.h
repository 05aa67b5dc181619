/* What the tests of bert_cpu share: options with their defaults, decisions, a policy on the tiny model of
 * this folder with random weights. */
#ifndef TEST_BERT_CPU_FIXTURE_H
#define TEST_BERT_CPU_FIXTURE_H

#include "models/bert_cpu/device.h"

#define TINY_MODEL TEST_SOURCE_DIRECTORY "/tests/bert_cpu/model"

/* Training mode, the masks of the first step. */
#define TRAINING (&(const CwForward){.struct_size = sizeof(CwForward), .dropout = TRUE})

/* The defaults of the plugin's rows, with random weights of the tiny model, no dropout and one thread. */
BertOptions fixture_options(void);

/* The CPU's part of a policy. */
static inline BertCpu *cpu_of(const BertPolicy *policy)
{
  return policy->object;
}

/* What fixture_open opens on: the CPU, unless a test has another. */
extern const BertDevice *fixture_device;
/* Opens or fails the test. */
BertPolicy *fixture_open(const BertOptions *options, guint32 seed);
/* Makes the random weights large, so that gradients stand out from rounding. */
void fixture_enlarge(BertPolicy *policy);

/* n decisions of different lengths that share some texts. */
typedef struct {
  guint n, n_logits;
  const CwDecision **decisions;
  GPtrArray *memory;
} FixtureDecisions;

FixtureDecisions fixture_decisions(guint n);
void fixture_decisions_clear(FixtureDecisions *decisions);

/* n floats in [-1, 1], from a stream of their own. Free with g_free. */
float *fixture_floats(gsize n, guint64 index);

/* Asserts domain, code and the whole message, and frees the error. */
void fixture_assert_message(GError *error, CwErrorCode code, const char *message);

/* A new folder in the system's place for temporary files; removed with all that is in it, and the path freed.
 */
char *fixture_folder_new(void);
void fixture_folder_remove(char *folder);

/* One forward and backward with gradients that depend on `index`. */
void fixture_accumulate(BertPolicy *policy, const FixtureDecisions *decisions, guint64 index);
/* The same bits in weights, gradients and moments. */
void fixture_assert_same_state(const BertPolicy *a, const BertPolicy *b);

/* A bf16 number is within 2^-9 of what it rounds. `tolerance` is what that may grow to on the way from f32's
 * logits and gradients to bf16's, relative to the spread of the logits and to the norm of a gradient tensor.
 */
void fixture_assert_bf16_near_f32(gboolean enlarged, double logit_tolerance, double gradient_tolerance);
/* The same bits, by a frozen copy too. */
void fixture_assert_bf16_scores_what_forward_gives(void);

#endif
