/* Collects complaints about a configuration so that one run shows them all. A message is kept with its place;
 * sorting happens when the text is asked for, and equal places keep the order in which their messages came.
 * The collection owns the messages; file names are interned by whoever made the place. */
#include "core/config/diagnostics.h"
#include <cartwright/error.h>
#include <string.h>

typedef struct {
  CwPlace place;
  char *line; /* the whole message with its place, without a newline */
} Complaint;

struct CwDiagnostics {
  GPtrArray *complaints; /* Complaint * */
  GHashTable *seen;      /* the lines, owned by the complaints */
};

static void complaint_free(gpointer data)
{
  Complaint *complaint = data;
  g_free(complaint->line);
  g_free(complaint);
}

CwDiagnostics *cw_diagnostics_new(void)
{
  CwDiagnostics *diagnostics = g_new0(CwDiagnostics, 1);
  diagnostics->complaints = g_ptr_array_new_with_free_func(complaint_free);
  diagnostics->seen = g_hash_table_new(g_str_hash, g_str_equal);
  return diagnostics;
}

void cw_diagnostics_free(CwDiagnostics *diagnostics)
{
  if (!diagnostics)
    return;
  g_hash_table_destroy(diagnostics->seen);
  g_ptr_array_free(diagnostics->complaints, TRUE);
  g_free(diagnostics);
}

char *cw_place_text(CwPlace place)
{
  if (place.line == 0)
    return g_strdup(place.file);
  if (place.column == 0)
    return g_strdup_printf("%s:%u", place.file, place.line);
  return g_strdup_printf("%s:%u:%u", place.file, place.line, place.column);
}

gboolean cw_place_is_command_line(CwPlace place)
{
  return g_str_has_prefix(place.file, "<command line>");
}

void cw_diagnostics_error(CwDiagnostics *diagnostics, CwPlace place, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *message = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_autofree char *where = cw_place_text(place);
  char *line = g_strdup_printf("%s: error: %s", where, message);
  if (g_hash_table_contains(diagnostics->seen, line)) {
    g_free(line);
    return;
  }
  Complaint *complaint = g_new0(Complaint, 1);
  complaint->place = place;
  complaint->line = line;
  g_ptr_array_add(diagnostics->complaints, complaint);
  g_hash_table_add(diagnostics->seen, line);
}

guint cw_diagnostics_count(const CwDiagnostics *diagnostics)
{
  return diagnostics->complaints->len;
}

static gint compare(gconstpointer a, gconstpointer b)
{
  const Complaint *left = *(Complaint *const *)a, *right = *(Complaint *const *)b;
  int files = strcmp(left->place.file, right->place.file);
  if (files != 0)
    return files;
  if (left->place.line != right->place.line)
    return left->place.line < right->place.line ? -1 : 1;
  if (left->place.column != right->place.column)
    return left->place.column < right->place.column ? -1 : 1;
  return 0;
}

char *cw_diagnostics_text(CwDiagnostics *diagnostics)
{
  /* GLib sorts stably, which keeps messages of one place in order. */
  g_ptr_array_sort(diagnostics->complaints, compare);
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < diagnostics->complaints->len; i++) {
    const Complaint *complaint = g_ptr_array_index(diagnostics->complaints, i);
    g_string_append(text, complaint->line);
    g_string_append_c(text, '\n');
  }
  return g_string_free(text, FALSE);
}

gboolean cw_diagnostics_propagate(CwDiagnostics *diagnostics, GError **error)
{
  if (diagnostics->complaints->len == 0)
    return TRUE;
  g_autofree char *text = cw_diagnostics_text(diagnostics);
  text[strlen(text) - 1] = '\0';
  g_set_error_literal(error, CW_CONFIG_ERROR, CW_ERROR_CONFIGURATION, text);
  return FALSE;
}

char *cw_display_text(const char *text)
{
  enum { LIMIT = 60 };
  GString *shown = g_string_new("'");
  guint n_shown = 0;
  for (const char *p = text; *p; p = g_utf8_next_char(p), n_shown++) {
    if (n_shown == LIMIT) {
      g_string_append(shown, "...");
      break;
    }
    gunichar character = g_utf8_get_char(p);
    if (character == '\n')
      g_string_append(shown, "\\n");
    else if (character == '\t')
      g_string_append(shown, "\\t");
    else if (!g_unichar_isprint(character))
      g_string_append_printf(shown, "\\u%04x", character);
    else
      g_string_append_unichar(shown, character);
  }
  g_string_append_c(shown, '\'');
  return g_string_free(shown, FALSE);
}
