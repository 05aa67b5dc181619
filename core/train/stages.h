/* The three kinds of stages. Each runs to its end, or fails; CW_ERROR_CANCELLED after an interrupt. */
#ifndef CW_STAGES_H
#define CW_STAGES_H

#include "core/rollout/generate.h"
#include "core/train/context.h"
#include "core/train/resume_point.h"

/* Write RUN/trajectories/INTO with an agent, or from recorded sessions. The file appears when it is complete.
 */
gboolean cw_stage_generate(CwRun *run, guint index, GError **error);
gboolean cw_stage_import(CwRun *run, guint index, GError **error);

/* What `generate:` asks for, but for purpose, order, first_group and rejected_path. */
CwGenerateRequest cw_stage_generate_request(const CwRun *run, const CwGenerateOptions *options);
/* Says what was written to `path`, and whether it is less than was wanted. */
void cw_stage_generate_tell(const CwGenerateCounts *counts, const CwGenerateRequest *request,
                            const char *agent, const char *path);

/* Collect, update, evaluate, checkpoint until the algorithm is done, and write the checkpoint at the end of
 * the stage: of the last one with the stage's state, by which it can be extended. `resume_point` (NULL: from
 * the start) is a checkpoint inside this stage; the policy has been loaded from it already. An interrupt
 * finishes the update and leaves a checkpoint. */
gboolean cw_stage_algorithm(CwRun *run, guint index, const CwResumePoint *resume_point, GError **error);

#endif
