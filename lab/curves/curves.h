/* Draws the curves of a run with gnuplot: reads metrics.jsonl and, where there is one, evaluation.json;
 * writes curves.png, curves.svg, and what made them: curves.gnuplot, curves.dat and curves.panels ("gnuplot
 * curves.gnuplot" in the run directory draws them again).
 *
 * A record of an update has "stage", "update", and numbers "ALGORITHM/name"; if it has "step" (updates over
 * all stages), that is its place on the axis, otherwise the stages are laid end to end. A record of an
 * evaluation has "agent" ("policy" when absent), "selection", "split", "score" and "success" in percent, and
 * their bounds "score_low", "score_high", "success_low", "success_high"; these names may carry the prefix
 * "evaluation/". Agents "policy", "initial" and "final" are the learner; any other is drawn as a level to
 * compare with. */
#ifndef CW_CURVES_H
#define CW_CURVES_H

#include "core/experiment/experiment.h"

/* `run` is a run directory, `experiment` what it ran: its algorithms say which metrics matter; NULL: not
 * known. Without gnuplot on the PATH: CW_ERROR_UNSUPPORTED, with the cure; the script and data are still
 * written. */
gboolean cw_curves_draw(const char *run, const CwExperiment *experiment, GError **error);

#endif
