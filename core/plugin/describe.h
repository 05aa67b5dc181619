/* Plugins and their features in words, for people and for the documentation. */
#ifndef CW_DESCRIBE_H
#define CW_DESCRIBE_H

#include "core/plugin/registry.h"

/* A table of all features, or where none were found. Free with g_free. */
char *cw_describe_features(CwRegistry *registry);

/* All features called `name`, or those of the plugin called so, with their options, conversions, and what
 * they need or offer; NULL when there are none. Free with g_free. */
char *cw_describe_named(CwRegistry *registry, const char *name, gboolean markdown);

#endif
