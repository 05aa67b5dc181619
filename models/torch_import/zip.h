/* The records of a zip archive whose records are stored as they are, not compressed: what PyTorch writes.
 * Zip64 is understood. Internal to models/bert. */
#ifndef BERT_ZIP_H
#define BERT_ZIP_H

#include <glib.h>

G_BEGIN_DECLS

typedef struct BertZipRecord {
  char *name; /* owned by the archive */
  const char *data;
  gsize size;
  guint32 checksum; /* CRC-32 as the archive tells it */
} BertZipRecord;

typedef struct BertZip BertZip;

/* Whether the bytes begin as a zip archive does. */
gboolean bert_zip_is(const char *bytes, gsize length);
/* Reads the directory of an archive in memory, which must outlive it. `where` is the file's name, for
 * messages. */
BertZip *bert_zip_open(const char *bytes, gsize length, const char *where, GError **error);
void bert_zip_close(BertZip *zip); /* accepts NULL */
guint bert_zip_n_records(const BertZip *zip);
const BertZipRecord *bert_zip_record(const BertZip *zip, guint index);
const BertZipRecord *bert_zip_find(const BertZip *zip, const char *name); /* NULL if there is none */
/* Whether the record's bytes have the checksum that the archive tells. */
gboolean bert_zip_check(const BertZip *zip, const BertZipRecord *record, GError **error);

G_END_DECLS

#endif
