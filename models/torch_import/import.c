/* The checkpoint's tensors are loaded as a policy would load them, which finds everything that is wrong with
 * them, and then written as they are, without those that no policy reads. */
#include "models/torch_import/import.h"
#include "models/bert/file.h"
#include "models/bert/model_folder.h"
#include "models/bert/weights.h"
#include "models/torch_import/pytorch.h"
#include <cartwright/cartwright.h>
#include <errno.h>
#include <glib/gstdio.h>

typedef struct {
  char *file, *base;
} ImportOptions;

static const CwOption rows[] = {
    {.name = "file",
     .type = CW_OPTION_PATH,
     .offset = offsetof(ImportOptions, file),
     .flags = CW_OPTION_REQUIRED,
     .help = "the checkpoint: a state dictionary that torch.save wrote, in either of PyTorch's formats"},
    {.name = "base",
     .type = CW_OPTION_PATH,
     .offset = offsetof(ImportOptions, base),
     .flags = CW_OPTION_REQUIRED,
     .help = "a model folder of the same shape: config.json and vocab.txt come from there, weights do not"},
};

/* Do they make a policy of that shape? */
static gboolean check(const BertTensor *tensors, guint n, const char *file, const BertConfig *config,
                      GError **error)
{
  BertLayout *layout = bert_layout_new(config);
  BertParameters *weights = bert_parameters_new(layout);
  BertSafetensors *wrapped = bert_safetensors_wrap(file, tensors, n);
  gboolean good = bert_weights_load_tensors(weights, wrapped, 0, NULL, error);
  bert_safetensors_close(wrapped);
  bert_parameters_free(weights);
  bert_layout_free(layout);
  return good;
}

static gboolean write_folder(const BertTensor *tensors, guint n, const BertModelFolder *base,
                             const char *into, GError **error)
{
  if (g_mkdir(into, 0777) != 0)
    return bert_fail(error, CW_ERROR_INPUT_OUTPUT, "%s: %s", into, g_strerror(errno));
  GArray *kept = g_array_new(FALSE, FALSE, sizeof *tensors);
  BertSafetensors *wrapped = bert_safetensors_wrap(into, tensors, n);
  for (guint i = 0; i < n; i++)
    if (bert_weights_uses(wrapped, tensors[i].name))
      g_array_append_val(kept, tensors[i]);
  bert_safetensors_close(wrapped);
  char *weights = g_build_filename(into, "model.safetensors", NULL);
  gboolean good =
      bert_model_folder_write(&base->config, base->tokenizer, into, error) &&
      bert_safetensors_write(weights, (const BertTensor *)(gpointer)kept->data, kept->len, NULL, error);
  g_free(weights);
  g_array_free(kept, TRUE);
  return good;
}

static gboolean import(gconstpointer data, const char *into, CwProgressSink progress, gpointer progress_data,
                       GError **error)
{
  const ImportOptions *options = data;
  BertModelFolder base;
  if (!bert_model_folder_open(options->base, &base, error))
    return FALSE;
  BertPytorch *checkpoint = bert_pytorch_open(options->file, error);
  guint n = 0;
  const BertTensor *tensors = checkpoint ? bert_pytorch_tensors(checkpoint, &n) : NULL;
  gboolean good = checkpoint && progress(progress_data, "tensors", 0, n, error) &&
                  check(tensors, n, options->file, &base.config, error) &&
                  write_folder(tensors, n, &base, into, error) &&
                  progress(progress_data, "tensors", n, n, error);
  bert_pytorch_close(checkpoint);
  bert_model_folder_clear(&base);
  return good;
}

const CwConversion bert_import = {
    .struct_size = sizeof bert_import,
    .summary = "a checkpoint of PyTorch, WebShop's choice model or any BERT, into a model folder",
    .run = import,
    CW_FEATURE_OPTIONS(rows, ImportOptions),
};
