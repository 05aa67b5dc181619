/* What the figures share. A figure is three files: numbers (NAME.dat), what to draw where (NAME.panels), and
 * a script that reads both and is the same for every figure of its kind (NAME.gnuplot), so that it can be
 * changed by hand. */
#ifndef CW_GNUPLOT_H
#define CW_GNUPLOT_H

#include <glib.h>

/* The scripts: lab/curves/run.gnuplot, lab/report/report.gnuplot and lab/compare/comparison.gnuplot. */
extern const char cw_gnuplot_run[], cw_gnuplot_report[], cw_gnuplot_comparison[];

typedef struct {
  GString *data, *panels;
} CwFigure;

CwFigure *cw_figure_new(void);
void cw_figure_free(CwFigure *figure); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CwFigure, cw_figure_free)

/* Appends a row of NAME.panels; the scripts explain its columns. `way` and `text` may be anything: what
 * gnuplot would not read as text is replaced. */
void cw_figure_row(CwFigure *figure, const char *kind, guint panel, double a, double b, const char *way,
                   const char *text);
/* Appends a space and the number to the data, NaN when it is not finite. */
void cw_figure_number(CwFigure *figure, double value);

/* Writes the files into a directory and runs "gnuplot NAME.gnuplot" there. Without gnuplot on the PATH:
 * CW_ERROR_UNSUPPORTED, with the cure; the files are written all the same. */
gboolean cw_figure_draw(const CwFigure *figure, const char *directory, const char *name, const char *script,
                        GError **error);

#endif
