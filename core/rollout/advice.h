/* Advice: what a script of the environment would have done in each state that somebody else's episode came
 * to. */
#ifndef CW_ADVICE_H
#define CW_ADVICE_H

#include "core/plugin/handles.h"

/* Steps a finished episode again in `session` and asks `script` before every step; sets the advice of the
 * trajectory's steps. `random` stands at the start of the episode's environment stream. From the first
 * observation on that is not the recorded one (the environment went another way) there is no advice; that is
 * no error. */
gboolean cw_advise(CwSession *session, CwRandom *random, const char *script, CwTrajectory *trajectory,
                   GError **error);

#endif
