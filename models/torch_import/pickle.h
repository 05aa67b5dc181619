/* Reads Python pickles without being able to run any: what a pickle builds is made of the kinds of values
 * below, and the only things it may name are those on a short list, which stand for tensors and their
 * storages. Any other opcode or name is refused. Internal to models/bert: checkpoints of PyTorch. */
#ifndef BERT_PICKLE_H
#define BERT_PICKLE_H

#include <glib.h>

G_BEGIN_DECLS

#define BERT_MAX_STRIDES 8

typedef enum {
  BERT_PICKLE_NONE,
  BERT_PICKLE_BOOLEAN, /* integer: 0 or 1 */
  BERT_PICKLE_INTEGER,
  BERT_PICKLE_LONG,   /* an integer of more than 64 bits: text holds its bytes, low first */
  BERT_PICKLE_NUMBER, /* a float; its value is not kept */
  BERT_PICKLE_STRING,
  BERT_PICKLE_TUPLE,
  BERT_PICKLE_LIST,
  BERT_PICKLE_DICTIONARY, /* items: key, value, key, value */
  BERT_PICKLE_NAME,       /* text: "module.name", one of the list */
  BERT_PICKLE_STORAGE,
  BERT_PICKLE_TENSOR,
  BERT_PICKLE_MARK
} BertPickleKind;

/* Element types of storages. */
typedef enum {
  BERT_ELEMENT_FLOAT,
  BERT_ELEMENT_DOUBLE,
  BERT_ELEMENT_HALF,
  BERT_ELEMENT_BFLOAT16,
  BERT_ELEMENT_LONG,
  BERT_ELEMENT_INT,
  BERT_ELEMENT_SHORT,
  BERT_ELEMENT_CHAR,
  BERT_ELEMENT_BYTE,
  BERT_ELEMENT_BOOL
} BertElement;

/* Bytes per element. */
gsize bert_element_size(BertElement element);

typedef struct BertPickleValue BertPickleValue;
struct BertPickleValue {
  BertPickleKind kind;
  gint64 integer;
  char *text;       /* NUL-terminated, `length` bytes before that */
  gsize length;     /* of text */
  GPtrArray *items; /* BertPickleValue *, borrowed from the pickle; may contain the value itself */
  /* STORAGE: text is its key. */
  BertElement element;
  guint64 n_elements;
  /* TENSOR: a view of the storage, in elements. Nothing about it is checked. */
  const BertPickleValue *storage;
  guint64 offset;
  guint n_dimensions;
  guint64 shape[BERT_MAX_STRIDES], strides[BERT_MAX_STRIDES];
};

typedef struct BertPickle BertPickle;

/* Reads one pickle from the first of `length` bytes on; *used gets the number of bytes up to its end. `where`
 * names it in messages ("model.pth: data.pkl"). */
BertPickle *bert_pickle_read(const char *bytes, gsize length, const char *where, gsize *used, GError **error);
void bert_pickle_free(BertPickle *pickle); /* accepts NULL */
/* What the pickle is. Owned by the pickle. */
const BertPickleValue *bert_pickle_value(const BertPickle *pickle);
/* The storages it names, in no particular order; may hold one key more than once. */
const GPtrArray *bert_pickle_storages(const BertPickle *pickle);

G_END_DECLS

#endif
