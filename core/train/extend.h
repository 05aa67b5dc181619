/* Training a finished run on: `--continue KEY=+N` raises an option of its last stage, and the stage goes on
 * as if it had never come to an end. */
#ifndef CW_EXTEND_H
#define CW_EXTEND_H

#include "core/train/resume_point.h"

/* What `--continue` asks for ("updates=+50", or "updates=150"; NULL-terminated) as assignments to the
 * experiment of a run ("stages.1.updates=150"), NULL-terminated and freed with g_strfreev. The keys are whole
 * numbers among the options of the last stage, which must be an algorithm's, and can only become more. NULL
 * with CW_ERROR_CONFIGURATION. */
char **cw_extend_assignments(const CwExperiment *experiment, const char *const *asked, GError **error);

/* What the checkpoint at the end of the last stage says of the options that can be raised. */
void cw_extend_save(const CwStage *stage, GKeyFile *state);

/* A resume point at the end of all stages whose experiment has been extended since is put back into its last
 * stage. `asked`: that is what is wanted, and a run that has not finished, or does not hold the state of its
 * last stage, is refused. */
gboolean cw_extend_resume_point(CwResumePoint *resume_point, const CwExperiment *experiment,
                                const char *const *asked, GError **error);

#endif
