/* Draws the curves of a run with gnuplot: reads metrics.jsonl, writes
 * curves.png, curves.svg and the script that made them. */
#ifndef CW_CURVES_H
#define CW_CURVES_H

#include <glib.h>

/* `run` is a run directory. Without gnuplot on the PATH: CW_ERROR_UNSUPPORTED,
 * with the cure; the script and data are still written. */
gboolean cw_curves_draw(const char *run, GError **error);

#endif
