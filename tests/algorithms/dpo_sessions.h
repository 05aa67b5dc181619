/* What the tests of DPO share: sessions of one decision, and a table policy whose frozen copies count what
 * they score.
 */
#ifndef TEST_DPO_SESSIONS_H
#define TEST_DPO_SESSIONS_H

#include "tests/algorithms/tasks.h"

extern guint n_reference_scores; /* decisions that a frozen table scored since counting_table_feature */

const CwRegisteredFeature *counting_table_feature(void);

/* Sessions of one decision on goals "a", "b", ...; `goals` has a letter for each, rewards are given. */
GPtrArray *make_sessions(const char *goals, const float *rewards);

#endif
