/* Compiler-style messages about a configuration: collected, sorted by file, line and column, printed
 * together. */
#ifndef CW_DIAGNOSTICS_H
#define CW_DIAGNOSTICS_H

#include <glib.h>

/* A place in a YAML file or on the command line. `file` is interned (g_intern_string); line and column count
 * from 1, 0 means none (then only the file part is printed, e.g. "<command line>: --set #2"). */
typedef struct {
  const char *file;
  guint line, column;
} CwPlace;

typedef struct CwDiagnostics CwDiagnostics;

/* "FILE:LINE:COLUMN", or only what there is of it. Free with g_free. */
char *cw_place_text(CwPlace place);

/* Whether it is on the command line, whose places have no line. */
gboolean cw_place_is_command_line(CwPlace place);

CwDiagnostics *cw_diagnostics_new(void);
void cw_diagnostics_free(CwDiagnostics *diagnostics); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CwDiagnostics, cw_diagnostics_free)
/* Adds "FILE:LINE:COLUMN: error: MESSAGE". Duplicates are dropped. */
void cw_diagnostics_error(CwDiagnostics *diagnostics, CwPlace place, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
guint cw_diagnostics_count(const CwDiagnostics *diagnostics);
/* All messages, sorted, one per line, each ended by a newline. Free with g_free. */
char *cw_diagnostics_text(CwDiagnostics *diagnostics);
/* Turns collected messages, if any, into one CW_CONFIG_ERROR / CW_ERROR_CONFIGURATION whose message is the
 * text without the last newline; returns TRUE when there were none. */
gboolean cw_diagnostics_propagate(CwDiagnostics *diagnostics, GError **error);

/* A piece of valid UTF-8 from the user, fit for a one-line message: in single quotes, control characters
 * escaped, cut after 60 characters. Free with g_free. */
char *cw_display_text(const char *text);

#endif
