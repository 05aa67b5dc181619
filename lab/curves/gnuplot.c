/* Writes the files of a figure and runs gnuplot. Nothing that comes from data gets into a script: titles and
 * names are read by gnuplot from a table, as text. */
#include "lab/curves/gnuplot.h"
#include "core/base/durable.h"
#include "core/base/json_text.h"
#include <cartwright/error.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

CwFigure *cw_figure_new(void)
{
  CwFigure *figure = g_new(CwFigure, 1);
  *figure = (CwFigure){g_string_new(NULL), g_string_new(NULL)};
  return figure;
}

void cw_figure_free(CwFigure *figure)
{
  if (!figure)
    return;
  g_string_free(figure->data, TRUE);
  g_string_free(figure->panels, TRUE);
  g_free(figure);
}

/* A field of text: without tabs and the like, which separate, and without quotes, which gnuplot takes off. */
static void append_text(GString *row, const char *text)
{
  g_string_append_c(row, '\t');
  for (const char *p = *text ? text : "-"; *p; p++)
    g_string_append_c(row, g_ascii_iscntrl(*p) ? ' ' : *p == '"' ? '\'' : *p);
}

static void append_number(GString *text, char separator, double value)
{
  char buffer[32];
  g_string_append_c(text, separator);
  g_string_append(text, isfinite(value) ? cw_format_double(buffer, value) : "NaN");
}

void cw_figure_row(CwFigure *figure, const char *kind, guint panel, double a, double b, const char *way,
                   const char *text)
{
  GString *row = figure->panels;
  g_string_append_printf(row, "%s\t%u", kind, panel);
  append_number(row, '\t', a);
  append_number(row, '\t', b);
  append_text(row, way);
  append_text(row, text);
  g_string_append_c(row, '\n');
}

void cw_figure_number(CwFigure *figure, double value)
{
  append_number(figure->data, ' ', value);
}

static gboolean run(const char *directory, const char *script, GError **error)
{
  char *arguments[] = {"gnuplot", (char *)script, NULL};
  g_autofree char *complaints = NULL;
  g_autoptr(GError) reason = NULL;
  int status = 0;
  if (!g_spawn_sync(directory, arguments, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL,
                    NULL, &complaints, &status, &reason)) {
    if (g_error_matches(reason, G_SPAWN_ERROR, G_SPAWN_ERROR_NOENT))
      g_set_error(
          error, CW_RUN_ERROR, CW_ERROR_UNSUPPORTED,
          "no gnuplot on the PATH to draw the curves: install it (Debian: gnuplot-nox), then run 'gnuplot "
          "%s' in %s",
          script, directory);
    else
      g_set_error(error, CW_RUN_ERROR, CW_ERROR_FAILED, "cannot run gnuplot in %s: %s", directory,
                  reason->message);
    return FALSE;
  }
  if (status == 0)
    return TRUE;
  g_set_error(error, CW_RUN_ERROR, CW_ERROR_FAILED, "gnuplot could not draw %s/%s: %s", directory, script,
              g_strstrip(complaints));
  return FALSE;
}

static gboolean write_text(const char *directory, const char *name, const char *ending, const char *text,
                           GError **error)
{
  g_autofree char *file = g_strconcat(name, ending, NULL), *path = g_build_filename(directory, file, NULL);
  return cw_write_file(path, text, strlen(text), error);
}

gboolean cw_figure_draw(const CwFigure *figure, const char *directory, const char *name, const char *script,
                        GError **error)
{
  static const char *const endings[] = {".png", ".svg"};
  g_autofree char *file = g_strconcat(name, ".gnuplot", NULL);
  /* gnuplot writes into what is there: not through somebody's link. */
  for (guint i = 0; i < G_N_ELEMENTS(endings); i++) {
    g_autofree char *picture = g_strconcat(directory, "/", name, endings[i], NULL);
    g_unlink(picture);
  }
  return write_text(directory, name, ".dat", figure->data->str, error) &&
         write_text(directory, name, ".panels", figure->panels->str, error) &&
         write_text(directory, name, ".gnuplot", script, error) && run(directory, file, error);
}
