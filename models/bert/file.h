/* Whole files, read and written with one kind of error message. Internal to models/bert. */
#ifndef BERT_FILE_H
#define BERT_FILE_H

#include <glib.h>
#include <jansson.h>

G_BEGIN_DECLS

/* The content of `file`, NUL-terminated; free with g_free. NULL with error. */
char *bert_file_read(const char *file, gsize *length, GError **error);

/* Parses `file` as one JSON object; release with json_decref. NULL with an error that names file, line and
 * column. */
json_t *bert_file_read_json(const char *file, GError **error);

/* Writes `file` aside, fsyncs and renames it. */
gboolean bert_file_write(const char *file, const char *content, gsize length, GError **error);

G_END_DECLS

#endif
