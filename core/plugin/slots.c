/* Which slots of a vtable must be filled: always, or because of a capability the feature claims. They are
 * checked once, when the plugin is loaded, so that nobody finds a hole in the middle of a run. */
#include "core/plugin/loader.h"

#include <stddef.h>
#include <string.h>

typedef struct {
  const char *name;
  gsize offset;
  guint64 capability; /* 0: required of every feature of the kind */
  const char *capability_name;
} Slot;

#define REQUIRED(type, member)                                                                               \
  {                                                                                                          \
#member, offsetof(type, member), 0, NULL                                                                 \
  }
#define WITH(bit, type, member)                                                                              \
  {                                                                                                          \
#member, offsetof(type, member), bit, #bit                                                               \
  }
#define END_OF(type, member) (offsetof(type, member) + sizeof(((type *)NULL)->member))

static const Slot algorithm_slots[] = {
    REQUIRED(CwAlgorithmVtable, metrics),
    REQUIRED(CwAlgorithmVtable, update),
    {NULL, 0, 0, NULL},
};

static const Slot environment_slots[] = {
    REQUIRED(CwEnvironmentVtable, open),
    REQUIRED(CwEnvironmentVtable, close),
    REQUIRED(CwEnvironmentVtable, describe),
    REQUIRED(CwEnvironmentVtable, n_goals),
    REQUIRED(CwEnvironmentVtable, session_new),
    REQUIRED(CwEnvironmentVtable, session_free),
    REQUIRED(CwEnvironmentVtable, reset),
    REQUIRED(CwEnvironmentVtable, observe),
    REQUIRED(CwEnvironmentVtable, step),
    WITH(CW_ENVIRONMENT_FREE_TEXT, CwEnvironmentVtable, step_text),
    WITH(CW_ENVIRONMENT_SCRIPTS, CwEnvironmentVtable, scripts),
    WITH(CW_ENVIRONMENT_SCRIPTS, CwEnvironmentVtable, scripted_action),
    WITH(CW_ENVIRONMENT_RECORDS, CwEnvironmentVtable, read_record),
    WITH(CW_ENVIRONMENT_RECORDS, CwEnvironmentVtable, free_record),
    WITH(CW_ENVIRONMENT_RECORDS, CwEnvironmentVtable, reset_record),
    WITH(CW_ENVIRONMENT_RECORDS, CwEnvironmentVtable, candidate_of),
    WITH(CW_ENVIRONMENT_RESTORES, CwEnvironmentVtable, save_session),
    WITH(CW_ENVIRONMENT_RESTORES, CwEnvironmentVtable, restore_session),
    {NULL, 0, 0, NULL},
};

static const Slot policy_slots[] = {
    REQUIRED(CwPolicyVtable, open),
    REQUIRED(CwPolicyVtable, close),
    REQUIRED(CwPolicyVtable, describe),
    REQUIRED(CwPolicyVtable, score),
    REQUIRED(CwPolicyVtable, save),
    REQUIRED(CwPolicyVtable, load),
    WITH(CW_POLICY_TRAINS, CwPolicyVtable, forward),
    WITH(CW_POLICY_TRAINS, CwPolicyVtable, backward),
    WITH(CW_POLICY_TRAINS, CwPolicyVtable, step),
    WITH(CW_POLICY_CLONES, CwPolicyVtable, clone_frozen),
    WITH(CW_POLICY_ACTS, CwPolicyVtable, act),
    WITH(CW_POLICY_WORDS, CwPolicyVtable, forward_words),
    {NULL, 0, 0, NULL},
};

/* The least size a plugin may declare reaches to the last slot that is required of everyone: optional slots
 * behind it may be left off. */
static const struct {
  const Slot *slots;
  gsize size, minimum;
} kinds[] = {
    [CW_FEATURE_ALGORITHM] = {algorithm_slots, sizeof(CwAlgorithmVtable), END_OF(CwAlgorithmVtable, update)},
    [CW_FEATURE_ENVIRONMENT] = {environment_slots, sizeof(CwEnvironmentVtable),
                                END_OF(CwEnvironmentVtable, step)},
    [CW_FEATURE_POLICY] = {policy_slots, sizeof(CwPolicyVtable), END_OF(CwPolicyVtable, load)},
};

static gboolean known(CwFeatureKind kind)
{
  return kind >= CW_FEATURE_ALGORITHM && kind <= CW_FEATURE_POLICY;
}

gsize cw_loader_vtable_size(CwFeatureKind kind)
{
  return known(kind) ? kinds[kind].size : 0;
}

gsize cw_loader_vtable_minimum(CwFeatureKind kind)
{
  return known(kind) ? kinds[kind].minimum : 0;
}

const char *cw_loader_missing_slot(CwFeatureKind kind, guint64 capabilities, gconstpointer vtable,
                                   const char **needed_by)
{
  for (const Slot *slot = kinds[kind].slots; slot->name; slot++) {
    if (slot->capability != 0 && (capabilities & slot->capability) == 0)
      continue;
    gpointer content;
    memcpy(&content, (const char *)vtable + slot->offset, sizeof content);
    if (!content) {
      *needed_by = slot->capability_name;
      return slot->name;
    }
  }
  return NULL;
}
