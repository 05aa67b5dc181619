/* What the files that make up cw_experiment_load share; nobody else includes it. */
#ifndef CW_EXPERIMENT_PRIVATE_H
#define CW_EXPERIMENT_PRIVATE_H

#include "core/experiment/experiment.h"

/* The key that names a feature, filled from environment:, policy: and algorithm stages. */
typedef struct {
  char *name;
  char *from; /* of a policy */
} CwFeatureName;

/* What choosing among backends needs, and where it leaves notes. */
typedef struct {
  CwRegistry *registry;
  CwDiagnostics *diagnostics;
  GPtrArray *notes; /* char *, each with its place */
} CwBackends;

extern const CwOptionTable cw_experiment_top_table; /* fills CwExperiment itself */
extern const CwOptionTable cw_plugin_name_table;    /* `plugin`: CwFeatureName */
extern const CwOptionTable cw_policy_name_table;    /* `plugin` and `from`: CwFeatureName */
extern const CwOptionTable cw_algorithm_name_table; /* `algorithm`: CwFeatureName */
extern const CwOptionTable cw_rollout_table;        /* CwRolloutOptions */
extern const CwOptionTable cw_checkpoint_table;     /* CwCheckpointOptions */
extern const CwOptionTable cw_evaluate_table;       /* CwEvaluateOptions */
extern const CwOptionTable cw_generate_table;       /* CwGenerateOptions */
extern const CwOptionTable cw_import_table;         /* CwImportOptions */
extern const CwOptionTable cw_stage_table;          /* CwStageOptions */
extern const CwOptionTable cw_into_table;           /* fills CwStage itself */
extern const char *const cw_experiment_sections[];  /* keys of the top level that hold more than a scalar */
extern const char *const cw_stage_kind_names[];     /* by CwStageKind, NULL-terminated */

/* Where item `i` of a list option was written (the scalar itself when it was not a list). */
CwPlace cw_experiment_item_place(const CwYamlNode *value, guint i);

/* Leaves in `mapping`, which names `chosen`, the options that are meant for it: those in a mapping of its
 * name become flat, mappings named after other features are checked and removed, and so are flat keys that
 * were written for a feature that has been replaced. `what` names the mapping in messages; `core` and `more`
 * (NULL-terminated) are the keys that are not the feature's. */
void cw_experiment_choose(const CwBackends *backends, CwYamlNode *mapping, const char *what,
                          const CwOptionTable *name_table, const CwOptionTable *core, const char *const *more,
                          const CwRegisteredFeature *chosen);

/* Puts the policy of the run that `from` in the mapping names under the mapping. FALSE after a complaint.
 * `may_be_gone`: a run that is not there is passed over, where the mapping names a plugin. */
gboolean cw_experiment_take_policy(CwYamlNode **mapping, gboolean may_be_gone, CwDiagnostics *diagnostics);

/* The cross checks: what no single table can know. `root` is the tree that
 * `experiment` was filled from. `filled[i]` tells whether algorithm stage i
 * was free of complaints, so that the plugin may be asked about its options. */
void cw_experiment_check(const CwExperiment *experiment, const CwYamlNode *root, const gboolean *filled,
                         CwDiagnostics *diagnostics);

/* Sets experiment->resolved, fingerprint and values. */
void cw_experiment_resolve(CwExperiment *experiment, const CwYamlNode *root);

#endif
