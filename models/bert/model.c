/* Opens models for the backends. A BertShared owns folder and layout; weights belong to the caller. */
#include "models/bert/model.h"
#include "models/bert/file.h"
#include <cartwright/cartwright.h>
#include <math.h>

const char *const bert_initialize_names[] = {"pretrained", "random", NULL};
const char *const bert_side_names[] = {"right", "left", NULL};
const char *const bert_recompute_names[] = {"none", "layer", NULL};
const char *const bert_instruction_set_names[] = {"auto", "amx",     "avx512_bf16", "avx512",
                                                  "avx2", "generic", NULL};

static void shared_clear(gpointer data)
{
  BertShared *shared = data;
  bert_model_folder_clear(&shared->folder);
  bert_layout_free(shared->layout);
  g_free(shared->model);
}

BertShared *bert_shared_open(const BertOptions *options, GError **error)
{
  BertShared *shared = g_atomic_rc_box_new0(BertShared);
  if (!bert_model_folder_open(options->model, &shared->folder, error)) {
    bert_shared_release(shared);
    return NULL;
  }
  shared->model = g_strdup(options->model);
  shared->layout = bert_layout_new(&shared->folder.config);
  const BertConfig *config = &shared->layout->config;
  if (options->freeze_layers > (gint64)config->n_layers) {
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_CONFIGURATION,
                "'freeze_layers: %" G_GINT64_FORMAT "' is more than the %u layers of %s",
                options->freeze_layers, config->n_layers, options->model);
    bert_shared_release(shared);
    return NULL;
  }
  return shared;
}

void bert_shared_release(BertShared *shared)
{
  if (shared)
    g_atomic_rc_box_release_full(shared, shared_clear);
}

static gboolean fail_no_weights(const char *folder, GError **error)
{
  g_autofree char *pickled = g_build_filename(folder, "pytorch_model.bin", NULL);
  if (g_file_test(pickled, G_FILE_TEST_EXISTS))
    return bert_fail(
        error, CW_ERROR_CONFIGURATION,
        "%s: has its weights as pytorch_model.bin; `cartwright import bert_cpu file=%s base=%s --into "
        "NEW` makes a model folder NEW of it",
        folder, pickled, folder);
  return bert_fail(error, CW_ERROR_CONFIGURATION,
                   "%s: has no model.safetensors; put pre-trained weights there, or train from scratch with "
                   "'initialize: random'",
                   folder);
}

gboolean bert_shared_load_weights(const BertShared *shared, const BertOptions *options, guint32 seed,
                                  BertParameters *weights, GError **error)
{
  if (options->initialize == BERT_INITIALIZE_RANDOM) {
    bert_weights_initialise(weights, seed);
    return TRUE;
  }
  if (!shared->folder.weights_file)
    return fail_no_weights(options->model, error);
  return bert_weights_load(weights, shared->folder.weights_file, seed, NULL, error);
}

BertTextRules bert_text_rules(const BertShared *shared, const BertOptions *options)
{
  gint64 most = (gint64)shared->layout->config.max_positions;
  return (BertTextRules){.tokenizer = shared->folder.tokenizer,
                         .normalises = options->normalize_text,
                         .max_state_tokens = (guint)MIN(options->max_state_tokens, most),
                         .max_action_tokens = (guint)MIN(options->max_action_tokens, most),
                         .truncate_state = options->truncate_state == BERT_SIDE_LEFT ? BERT_TRUNCATE_LEFT
                                                                                     : BERT_TRUNCATE_RIGHT,
                         .truncate_action = options->truncate_action == BERT_SIDE_LEFT ? BERT_TRUNCATE_LEFT
                                                                                       : BERT_TRUNCATE_RIGHT};
}

double bert_hidden_dropout(const BertShared *shared, const BertOptions *options)
{
  return options->dropout < 0 ? shared->layout->config.hidden_dropout : options->dropout;
}

double bert_attention_dropout(const BertShared *shared, const BertOptions *options)
{
  return options->dropout < 0 ? shared->layout->config.attention_dropout : options->dropout;
}

gboolean bert_fail_bad_gradient(const BertParameters *gradient, GError **error)
{
  const BertLayout *layout = gradient->layout;
  for (guint i = 0; i < layout->n_tensors; i++) {
    const BertTensorInfo *tensor = &layout->tensors[i];
    const float *x = gradient->block + tensor->offset;
    for (gsize k = 0; k < tensor->n_elements; k++)
      if (!isfinite(x[k]))
        return bert_fail(error, CW_ERROR_NUMERIC,
                         "the gradient of tensor '%s' is not finite (element %" G_GSIZE_FORMAT
                         " is %g): no weight was changed; try a smaller learning rate",
                         tensor->name, k, (double)x[k]);
  }
  g_set_error_literal(
      error, CW_POLICY_ERROR, CW_ERROR_NUMERIC,
      "the gradient's norm is not finite although every element is: no weight was changed; try "
      "a smaller learning rate");
  return FALSE;
}
