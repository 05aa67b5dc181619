/* Who acts in an episode, and the names by which experiments and commands call them. Every name is resolved
 * here, once; everybody else looks at a CwAgent. */
#ifndef CW_AGENT_H
#define CW_AGENT_H

#include "core/plugin/handles.h"

typedef enum { CW_AGENT_RANDOM, CW_AGENT_SCRIPT, CW_AGENT_POLICY } CwAgentKind;
typedef enum { CW_SELECT_SAMPLE, CW_SELECT_GREEDY } CwSelection;

/* The weights with which an agent plays: those there are, those from before or from after training. Flags, so
 * that a caller can ask for several. */
typedef enum {
  CW_WEIGHTS_PRESENT = 1 << 0,
  CW_WEIGHTS_INITIAL = 1 << 1,
  CW_WEIGHTS_FINAL = 1 << 2
} CwWeights;

/* Who acts. Nothing is owned. */
typedef struct {
  CwAgentKind kind;
  const char *name;      /* the trajectories' `agent`; of a SCRIPT: the script */
  CwPolicy *policy;      /* POLICY */
  CwSelection selection; /* POLICY: draw from the softmax, or take the first best */
  CwWeights weights;     /* of a POLICY found as "initial" or "final"; otherwise PRESENT */
} CwAgent;

/* By which names a place calls the policy: not at all, "policy", or "initial" and "final". */
typedef enum { CW_CALLED_NOTHING, CW_CALLED_POLICY, CW_CALLED_BY_WEIGHTS } CwPolicyNames;

/* Finds "random", a script of the environment or `policy` by name. A policy samples, and its name in
 * trajectories is "policy"; one that is NULL has not been opened and is not found. FALSE with CW_RUN_ERROR /
 * CW_ERROR_CONFIGURATION "KEY: no agent 'x'; there are ..."; `key` says where the name was given. */
gboolean cw_agent_find(const char *name, CwPolicyNames names, CwEnvironment *environment, CwPolicy *policy,
                       const char *key, CwAgent *agent, GError **error);

/* Whether the environment has that script; the message names those it has. `name` NULL: TRUE. */
gboolean cw_agent_check_teacher(const char *name, CwEnvironment *environment, const char *key,
                                GError **error);

/* "sample" or "greedy". */
const char *cw_selection_name(CwSelection selection);
/* FALSE when `name` is neither. */
gboolean cw_selection_from_name(const char *name, CwSelection *selection);

#endif
