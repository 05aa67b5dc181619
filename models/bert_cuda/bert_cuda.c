/* The plugin bert_cuda: the BERT policy on an NVIDIA GPU. */
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

static char *unavailable(void)
{
  g_autofree char *problem = bert_context_problem(TRUE);
  return problem ? g_strconcat(problem, "; 'plugin: bert_cpu' takes the same options", NULL) : NULL;
}

static const CwFeature features[] = {{
    .kind = CW_FEATURE_POLICY,
    .name = "bert_cuda",
    .summary = "BERT with WebShop's choice head and a value head, on a GPU",
    .vtable = &vtable,
    .vtable_size = sizeof vtable,
    .capabilities = CW_POLICY_TRAINS | CW_POLICY_VALUES | CW_POLICY_CLONES | CW_POLICY_ON_DEVICE,
    CW_FEATURE_OPTIONS(option_rows, BertOptions),
    .unavailable = unavailable,
}};

CW_PLUGIN("bert_cuda", "1.0", "MIT", "BERT policies on NVIDIA GPUs", features);
