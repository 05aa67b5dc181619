/* The plugin bert_cpu: the BERT policy on the CPU. */
#include "models/bert_cpu/device.h"
#include "models/torch_import/import.h"
#include <cartwright/cartwright.h>

static const char *const precision_names[] = {"f32", "bf16", "auto", NULL};

static const CwOption option_rows[] = {
    BERT_OPTION_ROWS,
    {BERT_OPTION(precision), .type = CW_OPTION_ENUM, .default_value = "f32", .values = precision_names,
     .help = "of the encoder's weights and activations in products: f32, or bf16 with sums, gradients and "
             "optimiser in f32; auto: bf16 on kinds of processors on which it is faster"},
};

static gpointer open_policy(gconstpointer options, guint32 seed, GError **error)
{
  return bert_policy_open(&bert_cpu_device, options, seed, error);
}

static const CwPolicyVtable vtable = {
    BERT_POLICY_SLOTS,
    .open = open_policy,
    .importer = &bert_import,
    .counters = bert_policy_counters,
};

static const CwFeature features[] = {{
    .kind = CW_FEATURE_POLICY,
    .name = "bert_cpu",
    .summary = "BERT with WebShop's choice head and a value head, on the CPU",
    .vtable = &vtable,
    .vtable_size = sizeof vtable,
    .capabilities = CW_POLICY_TRAINS | CW_POLICY_VALUES | CW_POLICY_CLONES,
    CW_FEATURE_OPTIONS(option_rows, BertOptions),
}};

CW_PLUGIN("bert_cpu", "1.0", "MIT", "BERT policies on the CPU", features);
