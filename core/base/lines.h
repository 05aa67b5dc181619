/* The lines of a text file, with everything that can be wrong about it reported in one sentence that names
 * the line. */
#ifndef CW_LINES_H
#define CW_LINES_H

#include <glib.h>

typedef struct CwLines CwLines;

CwLines *cw_lines_open(const char *path, GError **error);
void cw_lines_close(CwLines *lines); /* accepts NULL */
guint64 cw_lines_count(const CwLines *lines);
/* How many lines have been handed out, joined ones included. */
guint64 cw_lines_number(const CwLines *lines);
/* The next line without its end; valid until the next call. NULL without error at the end; NULL with error
 * when the line is not UTF-8 or holds a NUL. */
const char *cw_lines_next(CwLines *lines, GError **error);
/* The line after that one, which stays the present one; valid until the next call. NULL at the end, or when
 * cw_lines_next would fail. */
const char *cw_lines_peek(CwLines *lines);
/* Adds the line after the present one to it, with a newline between; the place stays that of the first. Only
 * after cw_lines_peek has shown one. */
const char *cw_lines_join(CwLines *lines);
/* "path:line" of the line that was read last; valid until the next call. */
const char *cw_lines_where(const CwLines *lines);

#endif
