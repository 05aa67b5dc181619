/* Runs gnuplot and writes its language. Nothing is kept. */
#include "lab/curves/gnuplot.h"
#include "core/base/metrics.h"
#include <cartwright/error.h>
#include <math.h>

const char *cw_gnuplot_colour(guint number)
{
  static const char *const colours[] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"};
  return colours[number % G_N_ELEMENTS(colours)];
}

const char *cw_gnuplot_pale_colour(guint number)
{
  static const char *const colours[] = {"#B2D5E8", "#F2CFB2", "#B2E2D5", "#F0D7E5", "#F8E2B2", "#CCE8F8"};
  return colours[number % G_N_ELEMENTS(colours)];
}

void cw_gnuplot_append_number(GString *text, double value)
{
  char buffer[32];
  g_string_append_printf(text, " %s", isfinite(value) ? cw_format_double(buffer, value) : "NaN");
}

/* In single quotes nothing is special but the quote itself. */
char *cw_gnuplot_quote(const char *text)
{
  GString *result = g_string_new("'");
  for (const char *p = text; *p; p++) {
    if (*p == '\'')
      g_string_append_c(result, '\'');
    g_string_append_c(result, g_ascii_iscntrl(*p) ? ' ' : *p);
  }
  return g_string_free(g_string_append_c(result, '\''), FALSE);
}

gboolean cw_gnuplot_run(const char *directory, const char *script, GError **error)
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
