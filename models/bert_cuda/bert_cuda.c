/* The plugin bert_cuda: the BERT policy on an NVIDIA GPU, and a descriptor that says what this machine lacks.
 */
#include "models/bert_cuda/object.h"
#include "models/torch_import/import.h"

static const char *const precision_names[] = {"auto", "f32", "tf32", "bf16", NULL};

static const CwOption option_rows[] = {
    BERT_OPTION_ROWS,
    {BERT_OPTION(precision), .type = CW_OPTION_ENUM, .default_value = "auto", .values = precision_names,
     .help = "of the encoder: f32, f32 with products in TF32, or bf16 with weights and optimiser in f32; "
             "auto: tf32 where the device has it, else f32"},
};

static gpointer open_policy(gconstpointer options, guint32 seed, GError **error)
{
  return bert_policy_open(&bert_cuda_device, options, seed, error);
}

static const CwPolicyVtable vtable = {
    BERT_POLICY_SLOTS,
    .open = open_policy,
    .importer = &bert_import,
};

#define SUMMARY "BERT with WebShop's choice head and a value head, on a GPU"
#define FEATURE(text)                                                                                        \
  {                                                                                                          \
    .kind = CW_FEATURE_POLICY, .name = "bert_cuda", .summary = (text), .vtable = &vtable,                    \
    .vtable_size = sizeof vtable,                                                                            \
    .capabilities = CW_POLICY_TRAINS | CW_POLICY_VALUES | CW_POLICY_CLONES | CW_POLICY_ON_DEVICE,            \
    CW_FEATURE_OPTIONS(option_rows, BertOptions),                                                            \
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
