/* Writes safetensors files: header and data go into a new file next to the target, which takes the target's
 * place only after everything is on disk. On failure nothing is left behind and an old file stays as it was.
 */
#include "models/bert/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include <cartwright/error.h>

static gsize n_elements(const BertTensor *tensor)
{
  gsize n = 1;
  for (guint i = 0; i < tensor->n_dimensions; i++)
    n *= (gsize)tensor->shape[i];
  return n;
}

/* The header as text, padded with blanks to a multiple of 8 as the format's own writer does. */
static GString *make_header(const BertTensor *tensors, guint n_tensors, const char *const *metadata)
{
  json_t *root = json_object();
  json_t *facts = json_pack("{s:s}", "format", "pt");
  for (const char *const *pair = metadata; pair && pair[0]; pair += 2)
    json_object_set_new(facts, pair[0], json_string(pair[1]));
  json_object_set_new(root, "__metadata__", facts);
  gsize offset = 0;
  for (guint i = 0; i < n_tensors; i++) {
    const BertTensor *tensor = &tensors[i];
    gsize end = offset + n_elements(tensor) * bert_type_size(tensor->type);
    json_t *shape = json_array();
    for (guint d = 0; d < tensor->n_dimensions; d++)
      json_array_append_new(shape, json_integer(tensor->shape[d]));
    json_object_set_new(root, tensor->name,
                        json_pack("{s:s, s:o, s:[I, I]}", "dtype", bert_type_name(tensor->type), "shape",
                                  shape, "data_offsets", (json_int_t)offset, (json_int_t)end));
    offset = end;
  }
  char *text = json_dumps(root, JSON_COMPACT);
  json_decref(root);
  GString *header = g_string_new(text);
  free(text);
  while (header->len % 8 != 0)
    g_string_append_c(header, ' ');
  return header;
}

static gboolean write_bytes(int descriptor, gconstpointer bytes, gsize n_bytes)
{
  const char *p = bytes;
  while (n_bytes > 0) {
    gssize written = write(descriptor, p, n_bytes);
    if (written < 0) {
      if (errno == EINTR)
        continue;
      return FALSE;
    }
    p += written;
    n_bytes -= (gsize)written;
  }
  return TRUE;
}

static gboolean write_tensors(int descriptor, const BertTensor *tensors, guint n_tensors)
{
#if G_BYTE_ORDER != G_LITTLE_ENDIAN
#error "tensor files are little-endian; writing on this machine would need byte swapping"
#endif
  for (guint i = 0; i < n_tensors; i++)
    if (!write_bytes(descriptor, tensors[i].data, n_elements(&tensors[i]) * bert_type_size(tensors[i].type)))
      return FALSE;
  return TRUE;
}

/* So that the new name survives a power cut too; a file system that cannot do it is left in peace. */
static void sync_folder(const char *file)
{
  char *folder = g_path_get_dirname(file);
  int descriptor = g_open(folder, O_RDONLY | O_CLOEXEC, 0);
  if (descriptor >= 0) {
    (void)!fsync(descriptor);
    close(descriptor);
  }
  g_free(folder);
}

/* FALSE with errno. */
static gboolean write_content(int descriptor, const BertTensor *tensors, guint n_tensors,
                              const char *const *metadata)
{
  GString *header = make_header(tensors, n_tensors, metadata);
  guint64 length = GUINT64_TO_LE((guint64)header->len);
  gboolean ok = write_bytes(descriptor, &length, sizeof length) &&
                write_bytes(descriptor, header->str, header->len) &&
                write_tensors(descriptor, tensors, n_tensors) && fsync(descriptor) == 0;
  int cause = errno;
  g_string_free(header, TRUE);
  errno = cause;
  return ok;
}

gboolean bert_safetensors_write(const char *file, const BertTensor *tensors, guint n_tensors,
                                const char *const *metadata, GError **error)
{
  char *aside = g_strconcat(file, ".XXXXXX", NULL);
  int descriptor = g_mkstemp_full(aside, O_RDWR | O_CLOEXEC, 0644);
  gboolean ok = descriptor >= 0;
  int cause = errno;
  if (ok) {
    ok = write_content(descriptor, tensors, n_tensors, metadata);
    cause = errno;
    if (close(descriptor) != 0 && ok) {
      ok = FALSE;
      cause = errno;
    }
    if (ok && g_rename(aside, file) != 0) {
      ok = FALSE;
      cause = errno;
    }
    if (!ok)
      g_unlink(aside);
  }
  if (ok) {
    sync_folder(file);
  } else {
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_INPUT_OUTPUT, "%s: cannot be written: %s", file,
                g_strerror(cause));
  }
  g_free(aside);
  return ok;
}
