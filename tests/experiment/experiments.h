/* What the tests of whole experiments share: a registry that knows the test plugin, and loading with all
 * complaints as one text. */
#ifndef TEST_EXPERIMENTS_H
#define TEST_EXPERIMENTS_H

#include "core/experiment/experiment.h"

/* A registry with tests/config/test_plugin.so loaded. */
CwRegistry *experiments_registry(void);

/* The complaints about a file, each ended by a newline; "" when there are none. What depends on the other
 * plugins of this build is cut out: the list of what was found and where. Free with g_free. */
char *experiments_complaints(const char *path, const char *const *sets, CwRegistry *registry);

#endif
