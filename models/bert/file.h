/* Whole files, read and written with one kind of error message. For the rooms of BERT. */
#ifndef BERT_FILE_H
#define BERT_FILE_H

#include <cartwright/error.h>
#include <glib.h>
#include <jansson.h>

G_BEGIN_DECLS

/* Sets an error of CW_POLICY_ERROR and returns FALSE, so that a check may end with it. */
gboolean bert_fail(GError **error, CwErrorCode code, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* The content of `file`, NUL-terminated; free with g_free. NULL with error. */
char *bert_file_read(const char *file, gsize *length, GError **error);

/* Parses `file` as one JSON object; release with json_decref. NULL with an error that names file, line and
 * column. Python's reader takes numbers of any size, NaN and Infinity, and halves of surrogate pairs; so does
 * this one: numbers that no 64 bits hold become 9e307 (NaN 9e9), which nobody who needs the value accepts,
 * the halves U+FFFD. Of a key that is there twice the last value counts, unless `unique`: then it is an
 * error. */
json_t *bert_file_read_json(const char *file, gboolean unique, GError **error);
/* The same rules for `length` bytes that are JSON already in memory; changed in place, as long as they were.
 */
void bert_json_tame(char *json, gsize length);

/* Writes `file` aside, fsyncs and renames it. */
gboolean bert_file_write(const char *file, const char *content, gsize length, GError **error);

G_END_DECLS

#endif
