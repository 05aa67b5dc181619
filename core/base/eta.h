/* How far the whole run is: a list of phases, each with a number of units of work, shown as one progress line
 * with the time left for the phase and, where it is known, for the run. */
#ifndef CW_ETA_H
#define CW_ETA_H

#include <glib.h>

typedef struct CwEta CwEta;

CwEta *cw_eta_new(gboolean quiet);
void cw_eta_free(CwEta *eta); /* accepts NULL */

/* Adds a phase and returns its number. Phases of one `kind` are taken to have about the same speed. `units`:
 * 0 when unknown yet. */
guint cw_eta_add(CwEta *eta, const char *kind, guint64 units);
/* The phase needs no work: it was done before, or is not wanted. */
void cw_eta_skip(CwEta *eta, guint phase);
/* Starts the clock of a phase and its progress line. `done`: units done by an earlier process; `units`: what
 * is known by now of their number, 0: nothing new. */
void cw_eta_begin(CwEta *eta, guint phase, const char *label, guint64 done, guint64 units);
/* `done` of `total` units (0: unknown) of the phase that began last. */
void cw_eta_update(CwEta *eta, guint64 done, guint64 total, const char *text);
void cw_eta_end(CwEta *eta);

/* Seconds left for the whole run at the monotonic time `now` (microseconds). Phases of which neither speed
 * nor size is known are left out, and then *complete is FALSE. */
double cw_eta_left(const CwEta *eta, gint64 now, gboolean *complete);

#endif
