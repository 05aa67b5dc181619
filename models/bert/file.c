/* Reading and writing of small whole files for the rest of models/bert, so that a missing or unwritable file
 * is reported in one way. */
#include "models/bert/file.h"

#include <errno.h>
#include <string.h>

#include <cartwright/error.h>

char *bert_file_read(const char *file, gsize *length, GError **error)
{
  char *content = NULL;
  GError *cause = NULL;
  if (!g_file_get_contents(file, &content, length, &cause)) {
    if (g_error_matches(cause, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
      g_set_error(error, CW_POLICY_ERROR, CW_ERROR_INPUT_OUTPUT,
                  "%s: no such file; a model folder has config.json, vocab.txt and model.safetensors", file);
    } else {
      g_set_error(error, CW_POLICY_ERROR, CW_ERROR_INPUT_OUTPUT, "%s: cannot be read: %s", file,
                  cause->message);
    }
    g_error_free(cause);
    return NULL;
  }
  return content;
}

json_t *bert_file_read_json(const char *file, GError **error)
{
  gsize length = 0;
  char *content = bert_file_read(file, &length, error);
  if (!content) {
    return NULL;
  }
  json_error_t where;
  json_t *root = json_loadb(content, length, JSON_REJECT_DUPLICATES, &where);
  g_free(content);
  if (!root) {
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_FORMAT, "%s:%d:%d: not valid JSON: %s", file, where.line,
                where.column, where.text);
    return NULL;
  }
  if (!json_is_object(root)) {
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_FORMAT, "%s:1:1: expected a JSON object", file);
    json_decref(root);
    return NULL;
  }
  return root;
}

gboolean bert_file_write(const char *file, const char *content, gsize length, GError **error)
{
  GError *cause = NULL;
  if (!g_file_set_contents_full(file, content, (gssize)length,
                                G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0644, &cause)) {
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_INPUT_OUTPUT, "%s: cannot be written: %s", file,
                cause->message);
    g_error_free(cause);
    return FALSE;
  }
  return TRUE;
}
