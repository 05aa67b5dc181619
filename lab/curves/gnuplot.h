/* What the figures share: quoting, numbers, colours, and running gnuplot. */
#ifndef CW_GNUPLOT_H
#define CW_GNUPLOT_H

#include <glib.h>

/* The number of a curve to its colour, "#0072B2": Okabe and Ito's, which the colour-blind can tell apart. */
const char *cw_gnuplot_colour(guint number);
/* The same at 30% on white, for what is drawn behind. */
const char *cw_gnuplot_pale_colour(guint number);
/* A gnuplot string with its quotes. Free with g_free. */
char *cw_gnuplot_quote(const char *text);
/* Appends a space and the number, NaN when it is not finite. */
void cw_gnuplot_append_number(GString *text, double value);
/* Runs "gnuplot SCRIPT" in a directory. Without gnuplot on the PATH: CW_ERROR_UNSUPPORTED, with the cure. */
gboolean cw_gnuplot_run(const char *directory, const char *script, GError **error);

#endif
