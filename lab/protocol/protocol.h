/* Protocols: experiments that fix which episodes agents are evaluated on, under a name that others can cite.
 */
#ifndef CW_PROTOCOL_H
#define CW_PROTOCOL_H

#include "core/experiment/experiment.h"

/* The file of a protocol. `name` is that of protocols/NAME.yaml in a folder of plugins (`plugin_path` first,
 * as for plugins), or itself the path of an experiment. Free with g_free; NULL with CW_ERROR_CONFIGURATION,
 * whose message lists the names that there are. */
char *cw_protocol_find(const char *name, const char *const *plugin_path, GError **error);

/* What the experiment evaluates on, as text: how many episodes of which split, the digest of their tasks, and
 * what its environment states; with `with_goals` also a line "GOAL <tab> TASK" for each. The digest is the
 * first 16 hexadecimal digits of the SHA-256 of the tasks in order, a line each; a task is the environment's
 * instruction, or its first page where it gives none. Free with g_free. */
char *cw_protocol_describe(const CwExperiment *experiment, gboolean with_goals, GError **error);

#endif
