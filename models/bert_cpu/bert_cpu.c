/* The plugin bert_cpu: option rows and the vtable over policy.h. */
#include "models/torch_import/import.h"
#include "models/bert_cpu/policy.h"
#include <cartwright/cartwright.h>

static const char *const instruction_set_names[] = {"auto", "avx512_bf16", "avx512", "avx2", "generic", NULL};
static const char *const precision_names[] = {"f32", "bf16", "auto", NULL};
static const char *const recompute_names[] = {"none", "layer", NULL};

#define ROW(member) BERT_OPTION(BertCpuOptions, member)

static const CwOption option_rows[] = {
    BERT_OPTION_ROWS(BertCpuOptions),
    {ROW(threads), .type = CW_OPTION_INTEGER, .flags = CW_OPTION_RESUME_SAFE, .default_value = "0",
     .minimum = 0, .maximum = 1024,
     .help = "threads to compute with, results do not depend on it; 0: one per processor"},
    {ROW(score_cache), .type = CW_OPTION_INTEGER, .flags = CW_OPTION_RESUME_SAFE, .default_value = "256",
     .minimum = 0, .maximum = 1048576, .unit = "MiB",
     .help = "score remembers encodings of candidates and whole decisions until the weights change, in so "
             "much memory; "
             "results do not depend on it"},
    {ROW(frozen_cache), .type = CW_OPTION_INTEGER, .flags = CW_OPTION_RESUME_SAFE, .default_value = "256",
     .minimum = 0, .maximum = 1048576, .unit = "MiB",
     .help = "with freeze_layers, remember what the frozen layers made of texts, in so much memory: for "
             "scoring, and for "
             "training without dropout; results do not depend on it"},
    {ROW(precision), .type = CW_OPTION_ENUM, .default_value = "f32", .values = precision_names,
     .help = "of the encoder's weights and activations in products: f32, or bf16 with sums, gradients and "
             "optimiser in "
             "f32; auto: bf16 where the processor has instructions for it"},
    {ROW(recompute), .type = CW_OPTION_ENUM, .flags = CW_OPTION_RESUME_SAFE, .default_value = "none",
     .values = recompute_names,
     .help = "layer: keep only each layer's output for backward and compute the rest again, for less memory "
             "and the "
             "same gradients"},
    {ROW(instruction_set), .type = CW_OPTION_ENUM, .flags = CW_OPTION_RESUME_SAFE, .default_value = "auto",
     .values = instruction_set_names, .help = "vector instructions to use; auto: the best the processor has"},
};

static gpointer open_policy(gconstpointer options, guint32 seed, GError **error)
{
  return bert_cpu_open(options, seed, error);
}

static void close_policy(gpointer policy)
{
  bert_cpu_close(policy);
}

static const char *const *describe(gpointer policy)
{
  return (const char *const *)((BertCpu *)policy)->description;
}

static gboolean score(gpointer policy, const CwDecision *const *decisions, guint n_decisions, float *logits,
                      float *values, GError **error)
{
  return bert_cpu_score(policy, decisions, n_decisions, logits, values, error);
}

static gboolean forward(gpointer policy, const CwDecision *const *decisions, guint n_decisions, float *logits,
                        float *values, GError **error)
{
  return bert_cpu_forward(policy, decisions, n_decisions, logits, values, error);
}

static gboolean backward(gpointer policy, const float *d_logits, const float *d_values, GError **error)
{
  return bert_cpu_backward(policy, d_logits, d_values, error);
}

static gboolean step(gpointer policy, double learning_rate, double max_norm, double *gradient_norm,
                     GError **error)
{
  return bert_cpu_step(policy, learning_rate, max_norm, gradient_norm, error);
}

static gpointer clone_frozen(gpointer policy, GError **error)
{
  return bert_cpu_clone_frozen(policy, error);
}

static gboolean save(gpointer policy, const char *directory, GError **error)
{
  return bert_cpu_save(policy, directory, error);
}

static gboolean load(gpointer policy, const char *directory, GError **error)
{
  return bert_cpu_load(policy, directory, error);
}

static guint count_tokens(gpointer policy, const CwDecision *decision)
{
  return bert_cpu_count_tokens(policy, decision);
}

static void visit_tensors(gpointer policy, CwTensorVisitor visitor, gpointer user_data)
{
  bert_cpu_visit_tensors(policy, visitor, user_data);
}

static const CwNamedValue *counters(gpointer policy, guint *n)
{
  *n = BERT_N_COUNTERS;
  return bert_cpu_counters(policy);
}

static void estimate_memory(gpointer policy, const CwDecision *const *decisions, guint n_decisions,
                            CwMemoryEstimate *estimate)
{
  bert_cpu_estimate_memory(policy, decisions, n_decisions, estimate);
}

static const CwPolicyVtable vtable = {
    .open = open_policy,
    .close = close_policy,
    .describe = describe,
    .score = score,
    .forward = forward,
    .backward = backward,
    .step = step,
    .clone_frozen = clone_frozen,
    .save = save,
    .load = load,
    .count_tokens = count_tokens,
    .visit_tensors = visit_tensors,
    .import = &bert_import,
    .counters = counters,
    .estimate_memory = estimate_memory,
};

static const CwFeature features[] = {{
    .kind = CW_FEATURE_POLICY,
    .name = "bert_cpu",
    .summary = "BERT with WebShop's choice head and a value head, on the CPU",
    .vtable = &vtable,
    .vtable_size = sizeof vtable,
    .capabilities = CW_POLICY_TRAINS | CW_POLICY_VALUES | CW_POLICY_CLONES,
    CW_FEATURE_OPTIONS(option_rows, BertCpuOptions),
}};

CW_PLUGIN("bert_cpu", "1.0", "MIT", "BERT policies on the CPU", features);
