/* Tensor files in the safetensors format: 8 bytes of header length, a JSON header naming each tensor's type,
 * shape and byte range, then the bytes. Reading maps the file and checks all of the header before anything is
 * used; writing is byte-deterministic and leaves either the whole new file or the old one. Errors are in
 * CW_POLICY_ERROR and name the file and the tensor. */
#ifndef BERT_SAFETENSORS_H
#define BERT_SAFETENSORS_H

#include <glib.h>

G_BEGIN_DECLS

#define BERT_MAX_DIMENSIONS 8

/* F32, F16, BF16 and F64 can be read as floats; the others are known by their size. */
typedef enum {
  BERT_TYPE_F32,
  BERT_TYPE_F16,
  BERT_TYPE_BF16,
  BERT_TYPE_F64,
  BERT_TYPE_I64,
  BERT_TYPE_U64,
  BERT_TYPE_I32,
  BERT_TYPE_U32,
  BERT_TYPE_I16,
  BERT_TYPE_U16,
  BERT_TYPE_I8,
  BERT_TYPE_U8,
  BERT_TYPE_BOOL,
  BERT_TYPE_F8_E4M3,
  BERT_TYPE_F8_E5M2
} BertType;

/* One tensor, row-major. Read: `name` and `data` belong to the open file, and
 * `data` need not be aligned. To write: the caller's, host byte order. */
typedef struct BertTensor {
  const char *name;
  BertType type;
  guint n_dimensions; /* 0: a scalar, one element */
  gint64 shape[BERT_MAX_DIMENSIONS];
  gsize n_elements; /* product of shape; ignored when writing */
  gconstpointer data;
} BertTensor;

/* An open file; read-only, so any number of threads may read from it. */
typedef struct BertSafetensors BertSafetensors;

BertSafetensors *bert_safetensors_open(const char *file, GError **error);
/* The shards that an index (model.safetensors.index.json) names, in its folder, as if they were one file. */
BertSafetensors *bert_safetensors_open_index(const char *index, GError **error);
/* Tensors from elsewhere as if they were an open file, called `file` in messages. Names and data are
 * borrowed; of equal names the last one is found. */
BertSafetensors *bert_safetensors_wrap(const char *file, const BertTensor *tensors, guint n_tensors);
void bert_safetensors_close(BertSafetensors *tensors); /* accepts NULL */

/* Tensors in the order of their bytes in the file. */
guint bert_safetensors_n_tensors(const BertSafetensors *tensors);
const BertTensor *bert_safetensors_tensor(const BertSafetensors *tensors, guint index);
/* NULL if there is no tensor of that name. */
const BertTensor *bert_safetensors_find(const BertSafetensors *tensors, const char *name);
/* A value of the header's __metadata__; NULL if there is none. */
const char *bert_safetensors_metadata(const BertSafetensors *tensors, const char *key);
/* The path given to open. */
const char *bert_safetensors_file(const BertSafetensors *tensors);

gboolean bert_type_is_float(BertType type);

/* Copies n_elements floats from element `first` on; F16 and BF16 widen exactly, F64 is rounded. The tensor's
 * type must be a float's and the range within it. */
void bert_tensor_read_floats(const BertTensor *tensor, gsize first, gsize n_elements, float *out);

/* Writes the tensors in the given order. `metadata` is NULL or a NULL-terminated list key, value, key, value;
 * {"format": "pt"} is always added, because HuggingFace asks for it. The bytes go to a file next to `file`,
 * are fsynced, and renamed. */
gboolean bert_safetensors_write(const char *file, const BertTensor *tensors, guint n_tensors,
                                const char *const *metadata, GError **error);

/* "F32", "F16", ...; bytes per element. */
const char *bert_type_name(BertType type);
gsize bert_type_size(BertType type);

G_END_DECLS

#endif
