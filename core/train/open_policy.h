/* Opening the policy of an experiment: by its options, with the weights of another run where it asks for
 * them, and, when it is that of a run directory, without the model that the run began with. */
#ifndef CW_OPEN_POLICY_H
#define CW_OPEN_POLICY_H

#include "core/experiment/experiment.h"
#include "core/plugin/handles.h"

/* What the policy of a run could not be opened with any more. */
typedef struct {
  gboolean model_is_gone; /* its model folder, in whose place the newest checkpoint stood */
  gboolean
      initial_is_gone; /* and with it the weights that the run began with: those that it has are others */
} CwPolicyLoss;

/* Opens the policy of an experiment that has one. A policy's option `model` is the folder that it is opened
 * from, as every policy accepts one that it has saved: where a run directory's is gone, the run's newest
 * checkpoint takes its place, which a message says, and which stays in the experiment's options. `loss` may
 * be NULL. */
CwPolicy *cw_open_policy(CwExperiment *experiment, CwPolicyLoss *loss, GError **error);

#endif
