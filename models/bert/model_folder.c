/* Opens a model folder: reads its config and tokenizer and checks one against the other. The BertModelFolder
 * owns what it holds; weights stay in their file. */
#include "models/bert/model_folder.h"

#include <string.h>

#include <cartwright/error.h>

gboolean bert_model_folder_open(const char *path, BertModelFolder *folder, GError **error)
{
  *folder = (BertModelFolder){0};
  char *file = g_build_filename(path, "config.json", NULL);
  gboolean ok = bert_config_read(file, &folder->config, error);
  if (ok) {
    folder->tokenizer = bert_tokenizer_open(path, error);
    ok = folder->tokenizer != NULL;
  }
  if (ok && bert_tokenizer_vocabulary_size(folder->tokenizer) > folder->config.vocabulary_size) {
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_FORMAT,
                "%s: key 'vocab_size' is %u, but vocab.txt has %u tokens; the two belong to different models",
                file, folder->config.vocabulary_size, bert_tokenizer_vocabulary_size(folder->tokenizer));
    ok = FALSE;
  }
  if (ok) {
    folder->config.vocabulary_size =
        MAX(folder->config.vocabulary_size, bert_tokenizer_n_tokens(folder->tokenizer));
    folder->weights_file = g_build_filename(path, "model.safetensors", NULL);
    if (!g_file_test(folder->weights_file, G_FILE_TEST_EXISTS)) {
      g_clear_pointer(&folder->weights_file, g_free);
    }
  } else {
    bert_model_folder_clear(folder);
  }
  g_free(file);
  return ok;
}

void bert_model_folder_clear(BertModelFolder *folder)
{
  bert_tokenizer_free(folder->tokenizer);
  g_free(folder->weights_file);
  *folder = (BertModelFolder){0};
}

gboolean bert_model_folder_write(const BertConfig *config, const BertTokenizer *tokenizer, const char *path,
                                 GError **error)
{
  char *file = g_build_filename(path, "config.json", NULL);
  gboolean ok = bert_config_write(config, file, error) && bert_tokenizer_write(tokenizer, path, error);
  g_free(file);
  return ok;
}
