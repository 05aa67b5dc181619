/* Puts a feature's name in front of what goes wrong in it, and remembers which slot runs. The mark of a
 * thread is its own; the common one is for the threads that a plugin starts, which work for the slot that
 * waits for them. Both hold texts of plugins, which are never unloaded. */
#include "core/plugin/errors.h"

#include <stdatomic.h>

static _Thread_local CwSlotMark own;
static struct {
  const char *_Atomic kind, *_Atomic name, *_Atomic slot;
} common;

CwSlotMark cw_slot_set_mark(CwSlotMark mark)
{
  CwSlotMark outer = own;
  own = mark;
  atomic_store_explicit(&common.kind, mark.kind, memory_order_relaxed);
  atomic_store_explicit(&common.name, mark.name, memory_order_relaxed);
  atomic_store_explicit(&common.slot, mark.slot, memory_order_relaxed);
  return outer;
}

CwSlotMark cw_slot_mark(void)
{
  return own.slot ? own : (CwSlotMark){common.kind, common.name, common.slot};
}

CwSlotCall cw_slot_begin(const CwRegisteredFeature *feature, const char *slot)
{
  CwSlotMark mark = {cw_feature_kind_name(feature->kind), feature->name, slot};
  return (CwSlotCall){feature, slot, NULL, cw_slot_set_mark(mark)};
}

void cw_slot_leave(const CwSlotCall *call)
{
  cw_slot_set_mark(call->outer);
}

gboolean cw_slot_end(CwSlotCall *call, gboolean succeeded, GError **error)
{
  const CwRegisteredFeature *feature = call->feature;
  cw_slot_leave(call);
  if (succeeded && !call->failure)
    return TRUE;
  if (!call->failure)
    return cw_feature_error(feature, error, CW_ERROR_FAILED,
                            "%s failed without saying why; the plugin must set its GError when it fails",
                            call->slot);
  g_propagate_prefixed_error(error, g_steal_pointer(&call->failure),
                             "%s '%s': ", cw_feature_kind_name(feature->kind), feature->name);
  return FALSE;
}

static GQuark domain_of(CwFeatureKind kind)
{
  switch (kind) {
  case CW_FEATURE_ALGORITHM:
    return CW_ALGORITHM_ERROR;
  case CW_FEATURE_ENVIRONMENT:
    return CW_ENVIRONMENT_ERROR;
  case CW_FEATURE_POLICY:
    return CW_POLICY_ERROR;
  }
  return CW_PLUGIN_ERROR;
}

gboolean cw_feature_error(const CwRegisteredFeature *feature, GError **error, CwErrorCode code,
                          const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_set_error(error, domain_of(feature->kind), code, "%s '%s': %s", cw_feature_kind_name(feature->kind),
              feature->name, text);
  return FALSE;
}

char *cw_feature_unavailable(const CwRegisteredFeature *feature)
{
  if (!feature->unavailable)
    return NULL;
  CwSlotCall call = cw_slot_begin(feature, "unavailable");
  char *why = feature->unavailable();
  cw_slot_leave(&call);
  return why;
}

gboolean cw_feature_check_available(const CwRegisteredFeature *feature, GError **error)
{
  g_autofree char *why = cw_feature_unavailable(feature);
  return !why || cw_feature_error(feature, error, CW_ERROR_UNSUPPORTED, "not on this machine: %s", why);
}
