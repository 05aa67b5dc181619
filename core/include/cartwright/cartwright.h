/* Everything a plugin may include, in one. */
#ifndef CARTWRIGHT_CARTWRIGHT_H
#define CARTWRIGHT_CARTWRIGHT_H

#include <cartwright/algorithm.h>
#include <cartwright/cache.h>
#include <cartwright/checksum.h>
#include <cartwright/conversion.h>
#include <cartwright/environment.h>
#include <cartwright/error.h>
#include <cartwright/learn.h>
#include <cartwright/option.h>
#include <cartwright/plugin.h>
#include <cartwright/policy.h>
#include <cartwright/preferences.h>
#include <cartwright/random.h>
#include <cartwright/trajectory.h>

#endif
