/* A model folder in HuggingFace's form: config.json, the tokenizer's files, and model.safetensors, whole or
 * in shards, unless the model is to be trained from scratch. */
#ifndef BERT_MODEL_FOLDER_H
#define BERT_MODEL_FOLDER_H

#include "models/bert/config.h"
#include "models/bert/tokenizer.h"

G_BEGIN_DECLS

typedef struct BertModelFolder {
  BertConfig config;        /* vocabulary_size is enough for the extra tokens */
  BertTokenizer *tokenizer; /* owned */
  char *weights_file;       /* FOLDER/model.safetensors or its index, or NULL if there is neither; owned */
} BertModelFolder;

/* Reads config and tokenizer and checks that they fit together; weights are not opened (bert_weights_load
 * does that). config.vocabulary_size is raised to the tokenizer's number of tokens where the extra tokens
 * need it. A token without a row is an error. On failure *folder is left cleared. */
gboolean bert_model_folder_open(const char *path, BertModelFolder *folder, GError **error);
void bert_model_folder_clear(BertModelFolder *folder);

/* Writes config.json, vocab.txt and tokenizer_config.json into an existing directory; bert_weights_save adds
 * the weights. */
gboolean bert_model_folder_write(const BertConfig *config, const BertTokenizer *tokenizer, const char *path,
                                 GError **error);

G_END_DECLS

#endif
