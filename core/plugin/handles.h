/* The host's handles around plugin objects. They pair an object with its feature, check once what the seams
 * promise (capabilities, the order of calls, numbers that are finite), so that plugins need not, and put the
 * feature's name in front of errors. All functions that plugins may call are in the installed headers; these
 * are the host's own. */
#ifndef CW_HANDLES_H
#define CW_HANDLES_H

#include "core/plugin/registry.h"

/* Policy. `options` must outlive the handle. */
CwPolicy *cw_policy_open(const CwRegisteredFeature *feature, gconstpointer options, guint32 seed,
                         GError **error);
CwPolicy *cw_policy_clone_frozen(CwPolicy *policy, GError **error);
void cw_policy_close(CwPolicy *policy); /* accepts NULL */
gboolean cw_policy_save(CwPolicy *policy, const char *directory, GError **error);
gboolean cw_policy_load(CwPolicy *policy, const char *directory, GError **error);
const char *const *cw_policy_describe(CwPolicy *policy);
const CwRegisteredFeature *cw_policy_feature(CwPolicy *policy);
/* FALSE with error: the backend failed, or does not show its tensors or let them be changed. */
gboolean cw_policy_visit_tensors(CwPolicy *policy, CwTensorVisitor visitor, gpointer user_data,
                                 GError **error);
gboolean cw_policy_edit_tensors(CwPolicy *policy, CwEdit edit, CwTensorEditor editor, gpointer user_data,
                                GError **error);
/* As the slot; acts are zeroed here. What an act says is checked. */
gboolean cw_policy_act(CwPolicy *policy, const CwDecision *const *decisions, guint n_decisions,
                       CwRandom *const *random, const CwActing *how, CwAct *acts, GError **error);
/* Optimiser steps taken so far, which number the dropout streams of forward passes; a checkpoint keeps them.
 */
guint64 cw_policy_steps(CwPolicy *policy);
void cw_policy_set_steps(CwPolicy *policy, guint64 steps);
/* The number of elements of a tensor, as a visitor is given its shape. */
gsize cw_tensor_size(const gint64 *shape, guint n_dimensions);
/* The name of the first tensor with a weight that is not finite, or NULL. Free with g_free. */
char *cw_policy_bad_tensor(CwPolicy *policy);
/* Running totals, *n of them; none from a backend that keeps none. */
const CwNamedValue *cw_policy_counters(CwPolicy *policy, guint *n);
/* The next forward says first, as a message, what memory training on batches like its own takes, if the
 * backend can tell. */
void cw_policy_announce_memory(CwPolicy *policy);

/* Environment: the shared part and its sessions. */
typedef struct CwEnvironment CwEnvironment;
typedef struct CwSession CwSession;

CwEnvironment *cw_environment_open(const CwRegisteredFeature *feature, gconstpointer options, guint32 seed,
                                   GError **error);
void cw_environment_close(CwEnvironment *environment); /* accepts NULL */
const CwRegisteredFeature *cw_environment_feature(CwEnvironment *environment);
const char *const *cw_environment_describe(CwEnvironment *environment);
/* -1 with error for an unknown split. */
gint64 cw_environment_n_goals(CwEnvironment *environment, const char *split, GError **error);
/* NULL-terminated, possibly empty. */
const char *const *cw_environment_scripts(CwEnvironment *environment);
char *cw_environment_answer(CwEnvironment *environment, const char *verb, const char *request,
                            GError **error);
CwSession *cw_session_new(CwEnvironment *environment, GError **error);
void cw_session_free(CwSession *session); /* accepts NULL */
gboolean cw_session_reset(CwSession *session, const char *split, gint64 goal, CwRandom *random,
                          GError **error);
gboolean cw_session_observe(CwSession *session, CwObservation *observation, GError **error);
gboolean cw_session_step(CwSession *session, guint candidate, CwOutcome *outcome, GError **error);
gboolean cw_session_step_text(CwSession *session, const char *action, CwOutcome *outcome, GError **error);
/* The state of a running episode, to be released with g_bytes_unref, and back into any session of the same
 * environment; `random` stands where the saved episode's stream stood. CW_ERROR_UNSUPPORTED without
 * CW_ENVIRONMENT_RESTORES. */
GBytes *cw_session_save(CwSession *session, GError **error);
gboolean cw_session_restore(CwSession *session, GBytes *state, CwRandom *random, GError **error);
const char *cw_session_goal_id(CwSession *session); /* "" when the environment has none */
gint cw_session_scripted_action(CwSession *session, const char *script, GError **error);
CwRecord *cw_environment_read_record(CwEnvironment *environment, const char *line, const char *where,
                                     GError **error);
/* Whether `line` belongs to the record that `record` begins; FALSE for environments with records of one line.
 */
gboolean cw_environment_continues_record(CwEnvironment *environment, const char *record, const char *line);
void cw_environment_free_record(CwEnvironment *environment, CwRecord *record);
gboolean cw_session_reset_record(CwSession *session, const CwRecord *record, CwRandom *random,
                                 GError **error);
/* Takes the action of a step again where it was taken, as a candidate or as words. */
gboolean cw_session_repeat(CwSession *session, const CwStep *step, CwOutcome *outcome, GError **error);
gint cw_session_candidate_of(CwSession *session, const char *action, gboolean may_add, GError **error);

/* Algorithm. */
typedef struct CwAlgorithm CwAlgorithm;

guint64 cw_algorithm_needs(const CwRegisteredFeature *feature, gconstpointer options);
CwAlgorithm *cw_algorithm_open(const CwRegisteredFeature *feature, gconstpointer options, GError **error);
void cw_algorithm_close(CwAlgorithm *algorithm); /* accepts NULL */
gboolean cw_algorithm_collect(CwAlgorithm *algorithm, CwCollectRequest *request, GError **error);
gboolean cw_algorithm_update(CwAlgorithm *algorithm, CwUpdate *update, gboolean *done, GError **error);
guint64 cw_algorithm_expected_updates(CwAlgorithm *algorithm);
/* The rows of its state as keys of group "algorithm", and back; a failed load changes nothing. */
void cw_algorithm_save(CwAlgorithm *algorithm, GKeyFile *state);
gboolean cw_algorithm_load(CwAlgorithm *algorithm, GKeyFile *state, GError **error);
/* State that is too big for rows, as files of an existing directory. */
gboolean cw_algorithm_has_files(const CwAlgorithm *algorithm);
gboolean cw_algorithm_save_files(CwAlgorithm *algorithm, const char *directory, GError **error);
gboolean cw_algorithm_load_files(CwAlgorithm *algorithm, const char *directory, GError **error);

/* CwUpdate, as the runtime fills it. Trajectory arrays hold CwTrajectory *. */
CwUpdate *cw_update_new(CwPolicy *policy, CwPolicy *reference, CwRandom *random);
void cw_update_free(CwUpdate *update);
void cw_update_begin(CwUpdate *update, guint64 index, const GPtrArray *trajectories,
                     const GPtrArray *episodes);
/* The stage's directory for the algorithm's files, which need not exist yet. Without one a temporary
 * directory is used and removed by cw_update_free. */
void cw_update_set_scratch(CwUpdate *update, const char *directory);
/* What cw_update_generation answers. */
void cw_update_set_generation(CwUpdate *update, guint64 generation);
/* What cw_update_network finds: the policies of the `n` networks of a table. Both must outlive the update. */
void cw_update_set_networks(CwUpdate *update, const CwNetwork *networks, CwPolicy *const *policies, guint n);
/* The table by which metrics are recorded. */
void cw_update_set_metrics(CwUpdate *update, const CwMetric *metrics, guint n);
/* The first recorded number that the table does not have; -1 when there was none. */
gint cw_update_stray_metric(const CwUpdate *update);
/* Names and values recorded since begin, in order of recording. */
guint cw_update_n_metrics(const CwUpdate *update);
const char *cw_update_metric_name(const CwUpdate *update, guint i);
double cw_update_metric_value(const CwUpdate *update, guint i);
/* The first metric that is not finite, or NULL. */
const char *cw_update_bad_metric(const CwUpdate *update);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CwRandom, cw_random_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CwPolicy, cw_policy_close)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CwEnvironment, cw_environment_close)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CwSession, cw_session_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CwAlgorithm, cw_algorithm_close)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CwUpdate, cw_update_free)

/* What the CW_POLICY_* bits say, as "training, a value head"; NULL when none is set. Free with g_free. */
char *cw_policy_capabilities_text(guint64 bits);
/* Capability matching, before anything is loaded: appends messages such as "algorithm 'ppo' needs a value
 * head; policy 'x' has none". `place` is the stage's. */
void cw_match_capabilities(const char *algorithm_name, guint64 needs, const CwRegisteredFeature *policy,
                           gboolean has_trajectories, CwPlace place, CwDiagnostics *diagnostics);
/* The same for a further network of the algorithm. */
void cw_match_network(const char *algorithm_name, const CwNetwork *network, const CwRegisteredFeature *policy,
                      CwPlace place, CwDiagnostics *diagnostics);

#endif
