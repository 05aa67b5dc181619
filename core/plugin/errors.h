/* Calls into plugins: their errors as the host passes them on, with the feature's name in front and never
 * silent, and a mark of the slot that runs now, for whoever must say where a process ended. */
#ifndef CW_PLUGIN_ERRORS_H
#define CW_PLUGIN_ERRORS_H

#include "core/plugin/registry.h"

/* What runs in a plugin now. All three texts last as long as the process; all NULL: nothing does. */
typedef struct {
  const char *kind, *name, *slot;
} CwSlotMark;

/* The call of a slot, between cw_slot_begin and cw_slot_end. */
typedef struct {
  const CwRegisteredFeature *feature;
  const char *slot;
  GError *failure; /* for the slot to fill */
  CwSlotMark outer;
} CwSlotCall;

CwSlotCall cw_slot_begin(const CwRegisteredFeature *feature, const char *slot);
/* Ends the call: returns `succeeded`, unless the plugin contradicts itself (an error is set although it
 * reports success). On failure the error that the slot has set goes to `error` with "KIND 'NAME': " in front;
 * a plugin that failed without an error gets one that says so. */
gboolean cw_slot_end(CwSlotCall *call, gboolean succeeded, GError **error);
/* Ends the call of a slot that cannot fail. */
void cw_slot_leave(const CwSlotCall *call);

/* The slot that this thread is in, or the one that any thread entered last and has not left. Safe in a signal
 * handler. */
CwSlotMark cw_slot_mark(void);
/* Marks what is no slot: the loading of a file. Returns the mark from before, to be set again. */
CwSlotMark cw_slot_set_mark(CwSlotMark mark);

/* Why the feature cannot be used on this machine, to be freed with g_free; NULL: it can. */
char *cw_feature_unavailable(const CwRegisteredFeature *feature);
/* The same as an error, CW_ERROR_UNSUPPORTED. */
gboolean cw_feature_check_available(const CwRegisteredFeature *feature, GError **error);

/* An error of the host about a feature: "KIND 'NAME': " and the text, in the domain of the kind. Returns
 * FALSE. */
gboolean cw_feature_error(const CwRegisteredFeature *feature, GError **error, CwErrorCode code,
                          const char *format, ...) G_GNUC_PRINTF(4, 5);

#endif
