/* A table of products as people keep them: CSV with a line of names, or JSON Lines. */
#ifndef WEBSHOP_TABLE_H
#define WEBSHOP_TABLE_H

#include "envs/shop/text/json.h"

/* Called with each row: an object from column names (lower case) to strings, or what JSON had; `line` is its
 * first line, from 1 on. FALSE stops the reading. */
typedef gboolean (*TableRow)(gpointer data, json_t *row, guint line, GError **error);

/* Reads a file: names that end in .jsonl, .ndjson or .json are JSON Lines, all others CSV (RFC 4180: commas,
 * quotes doubled inside quotes, newlines inside quotes; UTF-8, with or without a byte order mark). */
gboolean table_read(const char *path, TableRow row, gpointer data, GError **error);

#endif
