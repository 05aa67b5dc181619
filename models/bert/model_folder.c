/* Opens a model folder: reads its config and tokenizer and checks one against the other. The BertModelFolder
 * owns what it holds; weights stay in their file. */
#include "models/bert/model_folder.h"
#include "models/bert/file.h"

#include <string.h>

#include <cartwright/error.h>

/* Every id but those of the extra tokens needs a row that config.json promises. */
static gboolean check_ids(const BertModelFolder *folder, const char *config_file, GError **error)
{
  guint n_rows = folder->config.vocabulary_size;
  guint n_tokens = bert_tokenizer_vocabulary_size(folder->tokenizer);
  if (n_tokens > n_rows)
    return bert_fail(error, CW_ERROR_FORMAT,
                     "%s: key 'vocab_size' is %u, but %s has %u tokens; the two belong to different models",
                     config_file, n_rows, bert_tokenizer_source(folder->tokenizer), n_tokens);
  for (guint32 id = n_rows; id < bert_tokenizer_n_tokens(folder->tokenizer); id++) {
    const char *token = bert_tokenizer_token(folder->tokenizer, id);
    if (bert_tokenizer_is_extra(token))
      continue;
    return bert_fail(
        error, CW_ERROR_FORMAT,
        "%s: key 'vocab_size' is %u, but the added token '%s' has id %u; the model has no row for it",
        config_file, n_rows, token, id);
  }
  return TRUE;
}

static char *find_weights(const char *folder)
{
  static const char *const names[] = {"model.safetensors", "model.safetensors.index.json"};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *file = g_build_filename(folder, names[i], NULL);
    if (g_file_test(file, G_FILE_TEST_EXISTS))
      return g_steal_pointer(&file);
  }
  return NULL;
}

gboolean bert_model_folder_open(const char *path, BertModelFolder *folder, GError **error)
{
  *folder = (BertModelFolder){0};
  g_autofree char *file = g_build_filename(path, "config.json", NULL);
  if (!bert_config_read(file, &folder->config, error) ||
      !(folder->tokenizer = bert_tokenizer_open(path, error)) || !check_ids(folder, file, error)) {
    bert_model_folder_clear(folder);
    return FALSE;
  }
  folder->config.vocabulary_size =
      MAX(folder->config.vocabulary_size, bert_tokenizer_n_tokens(folder->tokenizer));
  folder->weights_file = find_weights(path);
  return TRUE;
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
