/* Conformance: what every environment, policy and algorithm must keep, tried on a real one. `cartwright
 * check` runs it on a plugin, the tests on all of them. */
#ifndef CW_CHECK_H
#define CW_CHECK_H

#include "core/plugin/registry.h"

typedef enum { CW_CHECK_PASSED, CW_CHECK_FAILED, CW_CHECK_SKIPPED } CwCheckResult;

/* One check has ended. `message` says what went wrong, or why it was skipped; "" when it passed. Strings live
 * during the call. */
typedef void (*CwCheckReport)(const CwRegisteredFeature *feature, const char *check, CwCheckResult result,
                              const char *message, gpointer user_data);

/* Runs the suite of the feature's kind. `options_yaml` is a YAML mapping of the feature's options as text, or
 * NULL for the defaults; `options_name` is what messages call it. An algorithm is tried with the first policy
 * on the search path that trains, has a value head, clones itself and opens with its defaults. TRUE when no
 * check failed; FALSE with CW_CONFIG_ERROR when the options are wrong, with CW_PLUGIN_ERROR / CW_ERROR_FAILED
 * and the count when checks failed. Standard output is turned elsewhere while a check runs, not while
 * `report` is called. */
gboolean cw_check_feature(CwRegistry *registry, const CwRegisteredFeature *feature, const char *options_yaml,
                          const char *options_name, CwCheckReport report, gpointer user_data, GError **error);

/* Loads a plugin file and runs the suites of all its features. With several features, `options_yaml` maps
 * each feature's name to its options. */
gboolean cw_check_plugin(CwRegistry *registry, const char *path, const char *options_yaml,
                         CwCheckReport report, gpointer user_data, GError **error);

#endif
