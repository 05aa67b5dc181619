/* The plugin bert_cuda: option rows, the vtable over policy.h, and a descriptor that says what this machine
 * lacks. */
#include "models/torch_import/import.h"
#include "models/bert_cuda/policy.h"

static const char *const precision_names[] = {"auto", "f32", "tf32", "bf16", NULL};
static const char *const instruction_set_names[] = {"auto", "avx512_bf16", "avx512", "avx2", "generic", NULL};
static const char *const recompute_names[] = {"none", "layer", NULL};

#define ROW(member) BERT_OPTION(BertCudaOptions, member)

static const CwOption option_rows[] = {
    BERT_OPTION_ROWS(BertCudaOptions),
    {ROW(precision), .type = CW_OPTION_ENUM, .default_value = "auto", .values = precision_names,
     .help = "of the encoder: f32, f32 with products in TF32, or bf16 with weights and optimiser in f32; "
             "auto: tf32 "
             "where the device has it, else f32"},
    {ROW(device), .type = CW_OPTION_INTEGER, .flags = CW_OPTION_RESUME_SAFE, .default_value = "0",
     .minimum = 0, .maximum = 1023, .help = "which GPU, as CUDA numbers them"},
    {ROW(memory), .type = CW_OPTION_INTEGER, .flags = CW_OPTION_RESUME_SAFE, .default_value = "0",
     .minimum = 0, .maximum = 1048576, .unit = "MiB",
     .help = "device memory to use at most; 0: what is free"},
    {ROW(threads), .type = CW_OPTION_INTEGER, .flags = CW_OPTION_RESUME_SAFE, .default_value = "0",
     .minimum = 0, .maximum = 1024, .help = "bert_cpu's, not used"},
    {ROW(score_cache), .type = CW_OPTION_INTEGER, .flags = CW_OPTION_RESUME_SAFE, .default_value = "256",
     .minimum = 0, .maximum = 1048576, .unit = "MiB", .help = "bert_cpu's, not used"},
    {ROW(frozen_cache), .type = CW_OPTION_INTEGER, .flags = CW_OPTION_RESUME_SAFE, .default_value = "256",
     .minimum = 0, .maximum = 1048576, .unit = "MiB", .help = "bert_cpu's, not used"},
    {ROW(recompute), .type = CW_OPTION_ENUM, .flags = CW_OPTION_RESUME_SAFE, .default_value = "none",
     .values = recompute_names, .help = "bert_cpu's, not used"},
    {ROW(instruction_set), .type = CW_OPTION_ENUM, .flags = CW_OPTION_RESUME_SAFE, .default_value = "auto",
     .values = instruction_set_names, .help = "bert_cpu's, not used"},
};

static gpointer open_policy(gconstpointer options, guint32 seed, GError **error)
{
  return bert_cuda_open(options, seed, error);
}

static void close_policy(gpointer policy)
{
  bert_cuda_close(policy);
}

static const char *const *describe(gpointer policy)
{
  return (const char *const *)((BertCuda *)policy)->description;
}

static gboolean score(gpointer policy, const CwDecision *const *decisions, guint n_decisions, float *logits,
                      float *values, GError **error)
{
  return bert_cuda_score(policy, decisions, n_decisions, logits, values, error);
}

static gboolean forward(gpointer policy, const CwDecision *const *decisions, guint n_decisions, float *logits,
                        float *values, GError **error)
{
  return bert_cuda_forward(policy, decisions, n_decisions, logits, values, error);
}

static gboolean backward(gpointer policy, const float *d_logits, const float *d_values, GError **error)
{
  return bert_cuda_backward(policy, d_logits, d_values, error);
}

static gboolean step(gpointer policy, double learning_rate, double max_norm, double *gradient_norm,
                     GError **error)
{
  return bert_cuda_step(policy, learning_rate, max_norm, gradient_norm, error);
}

static gpointer clone_frozen(gpointer policy, GError **error)
{
  return bert_cuda_clone_frozen(policy, error);
}

static gboolean save(gpointer policy, const char *directory, GError **error)
{
  return bert_cuda_save(policy, directory, error);
}

static gboolean load(gpointer policy, const char *directory, GError **error)
{
  return bert_cuda_load(policy, directory, error);
}

static guint count_tokens(gpointer policy, const CwDecision *decision)
{
  return bert_cuda_count_tokens(policy, decision);
}

static void visit_tensors(gpointer policy, CwTensorVisitor visitor, gpointer user_data)
{
  bert_cuda_visit_tensors(policy, visitor, user_data);
}

static void estimate_memory(gpointer policy, const CwDecision *const *decisions, guint n_decisions,
                            CwMemoryEstimate *estimate)
{
  bert_cuda_estimate_memory(policy, decisions, n_decisions, estimate);
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
    .estimate_memory = estimate_memory,
};

#define SUMMARY "BERT with WebShop's choice head and a value head, on a GPU"
#define FEATURE(text)                                                                                        \
  {                                                                                                          \
    .kind = CW_FEATURE_POLICY, .name = "bert_cuda", .summary = (text), .vtable = &vtable,                    \
    .vtable_size = sizeof vtable,                                                                            \
    .capabilities = CW_POLICY_TRAINS | CW_POLICY_VALUES | CW_POLICY_CLONES | CW_POLICY_ON_DEVICE,            \
    CW_FEATURE_OPTIONS(option_rows, BertCudaOptions),                                                        \
  }
#define DESCRIPTOR(text, feature)                                                                            \
  {                                                                                                          \
    CW_PLUGIN_MAGIC, CW_ABI_MAJOR, CW_ABI_MINOR, sizeof(CwPluginDescriptor), sizeof(CwFeature), "bert_cuda", \
        "1.0", "MIT", text, &(feature), 1                                                                    \
  }

static const CwFeature feature = FEATURE(SUMMARY);
static const CwFeature feature_without_driver =
    FEATURE(SUMMARY "; not on this machine: there is no NVIDIA driver (libcuda.so.1 was not found)");

static const CwPluginDescriptor descriptor = DESCRIPTOR("BERT policies on NVIDIA GPUs", feature);
static const CwPluginDescriptor descriptor_without_driver = DESCRIPTOR(
    "BERT policies on NVIDIA GPUs; there is no NVIDIA driver on this machine", feature_without_driver);

G_MODULE_EXPORT const CwPluginDescriptor *cw_plugin_query(void);
const CwPluginDescriptor *cw_plugin_query(void)
{
  char *problem = bert_context_problem(TRUE);
  const CwPluginDescriptor *found = problem ? &descriptor_without_driver : &descriptor;
  g_free(problem);
  return found;
}
