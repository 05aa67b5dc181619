/* The error domains of Cartwright: one quark per module. */
#include <cartwright/error.h>

G_DEFINE_QUARK(cw - config - error, cw_config_error)
G_DEFINE_QUARK(cw - plugin - error, cw_plugin_error)
G_DEFINE_QUARK(cw - run - error, cw_run_error)
G_DEFINE_QUARK(cw - environment - error, cw_environment_error)
G_DEFINE_QUARK(cw - policy - error, cw_policy_error)
G_DEFINE_QUARK(cw - algorithm - error, cw_algorithm_error)
