/* Error domains and codes. Every function that can fail takes a GError ** as its last argument. The domain
 * says which part of the system failed. The code says why, and decides the exit status of the command: 2 for
 * CW_ERROR_CONFIGURATION, 1 for all others. A message names the file, line and column or the plugin, what was
 * expected, what was found, and the cure. */
#ifndef CARTWRIGHT_ERROR_H
#define CARTWRIGHT_ERROR_H

#include <glib.h>

G_BEGIN_DECLS

/* One domain per module. */
#define CW_CONFIG_ERROR      (cw_config_error_quark())      /* YAML and options */
#define CW_PLUGIN_ERROR      (cw_plugin_error_quark())      /* loader and registry */
#define CW_RUN_ERROR         (cw_run_error_quark())         /* stages, checkpoints, trajectories */
#define CW_ENVIRONMENT_ERROR (cw_environment_error_quark()) /* environments */
#define CW_POLICY_ERROR      (cw_policy_error_quark())      /* policy backends */
#define CW_ALGORITHM_ERROR   (cw_algorithm_error_quark())   /* algorithms */

GQuark cw_config_error_quark(void);
GQuark cw_plugin_error_quark(void);
GQuark cw_run_error_quark(void);
GQuark cw_environment_error_quark(void);
GQuark cw_policy_error_quark(void);
GQuark cw_algorithm_error_quark(void);

/* The codes are shared by all domains. */
typedef enum {
  CW_ERROR_CONFIGURATION, /* the user asked for something that cannot be: exit 2 */
  CW_ERROR_INPUT_OUTPUT,  /* a file could not be read or written */
  CW_ERROR_FORMAT,        /* a file was read but its content is not what it should be */
  CW_ERROR_UNSUPPORTED,   /* valid, but this build, plugin or machine cannot do it */
  CW_ERROR_NUMERIC,       /* NaN or infinity, with the name of the first bad tensor */
  CW_ERROR_CANCELLED,     /* stopped on request */
  CW_ERROR_FAILED         /* anything else */
} CwErrorCode;

G_END_DECLS

#endif
