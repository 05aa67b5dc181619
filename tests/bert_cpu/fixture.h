/* What the tests of bert_cpu share: options with their defaults, decisions, a
 * policy on the tiny model of this folder with random weights. */
#ifndef TEST_BERT_CPU_FIXTURE_H
#define TEST_BERT_CPU_FIXTURE_H

#include "bert_cpu/policy.h"

#define TINY_MODEL TEST_SOURCE_DIRECTORY "/tests/bert_cpu/model"

/* The defaults of the plugin's rows, with random weights of the tiny model, no dropout and one thread. */
BertCpuOptions fixture_options(void);

/* Opens or fails the test. */
BertCpu *fixture_open(const BertCpuOptions *options, guint32 seed);
/* Makes the random weights large, so that gradients stand out from rounding. */
void fixture_enlarge(BertCpu *policy);

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

#endif
